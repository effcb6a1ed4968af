//! What happened in a call, as numbers and as a few lines of text.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// What happened in a call.
///
/// [`Display`](fmt::Display) shows it in a few lines: how many rows were done and how fast, the failures and retries if there were
/// any, a line for each worker with the share of the time in which it was busy, and the run and the group that took longest.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["text" => ["1", "2", "three", "4"]]?;
/// let outcome = df
///     .par_apply()
///     .on_error(OnError::Null)
///     .rows(|text: &str| text.parse::<i64>())?;
///
/// println!("{}", outcome.stats);
/// // 4 rows in 41.6µs (96,154 rows/s), 1 failure
/// // worker 0  ██████████████████▉    94 % busy  4 rows in 2 runs
/// // longest run: rows 1 to 3 in 31.2µs
/// assert!(outcome.stats.to_string().contains("4 rows in "));
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// The number of rows done, those that failed included.
    ///
    /// It is the number of columns for [`columns`](crate::Apply::columns), of
    /// values for [`elements`](crate::Apply::elements), and of the rows of the groups for [`groups`](crate::Apply::groups) and
    /// [`transform`](crate::Apply::transform).
    pub rows: usize,
    /// The number of rows (columns, parts, groups) that failed.
    pub failures: usize,
    /// How many times the closure was called again for a row that had failed.
    pub retries: usize,
    /// Whether the run was cancelled, or its deadline passed, before all was done.
    pub cancelled: bool,
    /// How long the run took, waiting for retries included.
    ///
    /// The checks before it and the assembly of the output after it are not
    /// included.
    pub wall: Duration,
    /// What each worker did.
    ///
    /// A worker's index here is its number in the spans of runs. A worker that found nothing to do has no
    /// entry, unless a worker with a higher number found some. A worker is a place that threads may take in turn, never two at a
    /// time: a call of `rows` that no option cuts begins with the calling thread alone, as worker 0.
    pub workers: Vec<WorkerStats>,
    /// The number of runs of rows that were handed out.
    ///
    /// A row that is tried again is a run by itself.
    pub runs: usize,
    /// The run that took longest.
    pub longest_run: Option<LongestRun>,
    /// The group that took longest, in a call of [`groups`](crate::Apply::groups) or [`transform`](crate::Apply::transform).
    pub slowest_group: Option<SlowestGroup>,
    /// What `rows` counts.
    pub(crate) counted: ItemKind,
}

/// What one worker did.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// How long the worker was at work.
    ///
    /// For the rest of the wall time it had nothing to do.
    pub busy: Duration,
    /// The number of rows (columns) that it did.
    pub rows: usize,
    /// The number of runs of rows that it was handed.
    pub runs: usize,
}

/// A run of rows that one worker did without a pause.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LongestRun {
    /// How long it took.
    pub time: Duration,
    /// Its rows, from the number of the first to that of the last, the last one included.
    ///
    /// Where
    /// [`row_numbers`](crate::Apply::row_numbers) do not ascend, the numbers between need not lie within these bounds. For
    /// [`columns`](crate::Apply::columns) these are columns, and for [`groups`](crate::Apply::groups) and
    /// [`transform`](crate::Apply::transform) the positions of groups.
    pub rows: Range<usize>,
}

/// The group that took longest.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SlowestGroup {
    /// How long it took.
    ///
    /// Groups that take a few microseconds at most are timed several at a time; then this is the time of all of
    /// them.
    pub time: Duration,
    /// Its position among the groups, counted from 0 in the order of their first rows.
    pub index: usize,
    /// Its keys, as Polars prints them, separated by commas; empty for a part of the frame.
    pub key: String,
    /// The number of its first row.
    pub first_row: usize,
    /// How many rows it has.
    pub rows: usize,
}

/// What a call counts, and what its runs are runs of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ItemKind {
    #[default]
    Rows,
    Columns,
    /// The values of several columns, in runs that lie in rows.
    Values,
    /// Rows, in runs of groups.
    Groups,
    /// Rows, in runs of parts.
    Parts,
}

impl ItemKind {
    pub(crate) fn noun(self) -> &'static str {
        match self {
            ItemKind::Rows | ItemKind::Groups | ItemKind::Parts => "row",
            ItemKind::Columns => "column",
            ItemKind::Values => "value",
        }
    }

    /// The items of a run by their numbers, of which the last is one more than that of the last item.
    pub(crate) fn span(self, items: &Range<usize>) -> String {
        let noun = match self {
            ItemKind::Rows | ItemKind::Values => "row",
            ItemKind::Columns => "column",
            ItemKind::Groups => "group",
            ItemKind::Parts => "part",
        };
        let (first, last) = (items.start, items.end.saturating_sub(1));
        match first < last {
            true => format!("{noun}s {} to {}", grouped(first), grouped(last)),
            false => format!("{noun} {}", grouped(first)),
        }
    }
}

impl Stats {
    /// The share of the wall time in which a worker was busy, from 0 to 1.
    pub(crate) fn share(&self, worker: &WorkerStats) -> f64 {
        let share = worker.busy.as_secs_f64() / self.wall.as_secs_f64();
        // A run without a moment has no share; and two clocks may differ by a little.
        if share.is_finite() {
            share.min(1.0)
        } else {
            0.0
        }
    }

    /// How much was done, how fast, and what went wrong.
    pub(crate) fn summary(&self) -> String {
        let noun = self.counted.noun();
        let mut text = format!("{} in {:.1?}", number(self.rows, noun), self.wall);
        let rate = self.rows as f64 / self.wall.as_secs_f64();
        if self.rows > 0 && rate.is_finite() {
            text += &format!(
                " ({}s/s)",
                number(rate.round() as usize, noun).trim_end_matches('s')
            );
        }
        if self.failures > 0 {
            text += &format!(", {}", number(self.failures, "failure"));
        }
        match self.retries {
            0 => {}
            1 => text += ", 1 retry",
            retries => text += &format!(", {} retries", grouped(retries)),
        }
        if self.cancelled {
            text += ", cancelled before all was done";
        }
        text
    }
}

/// A few lines without a line break at the end. With `{:#}`, the lines of the workers are left out.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())?;
        let noun = self.counted.noun();
        if !f.alternate() {
            let width = self.workers.len().saturating_sub(1).to_string().len();
            for (at, worker) in self.workers.iter().enumerate() {
                let share = self.share(worker);
                write!(
                    f,
                    "\nworker {at:<width$}  {}  {:>3.0} % busy  {} in {}",
                    bar(share),
                    share * 100.0,
                    number(worker.rows, noun),
                    number(worker.runs, "run"),
                )?;
            }
        }
        if let Some(longest) = &self.longest_run {
            let span = self.counted.span(&longest.rows);
            write!(f, "\nlongest run: {span} in {:.1?}", longest.time)?;
        }
        if let Some(slowest) = &self.slowest_group {
            let (what, key) = match self.counted {
                ItemKind::Parts => ("part", String::new()),
                _ => ("group", format!(" with key {}", slowest.key)),
            };
            write!(
                f,
                "\nslowest {what}: {what} {}{key}, {} from row {}, in {:.1?}",
                grouped(slowest.index),
                number(slowest.rows, "row"),
                grouped(slowest.first_row),
                slowest.time,
            )?;
        }
        Ok(())
    }
}

/// Twenty places, filled to an eighth of a place.
fn bar(share: f64) -> String {
    const PLACES: usize = 20;
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share * (PLACES * 8) as f64).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    bar += PARTS[eighths % 8];
    format!("{bar:<PLACES$}")
}

/// A number of things, with the noun in its number.
pub(crate) fn number(count: usize, noun: &str) -> String {
    format!(
        "{} {noun}{}",
        grouped(count),
        if count == 1 { "" } else { "s" }
    )
}

/// A number with a comma after each three digits.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        let cases = [
            (0, "0"),
            (12, "12"),
            (999, "999"),
            (1_000, "1,000"),
            (336_776, "336,776"),
        ];
        for (number, text) in cases.into_iter().chain([(10_000_000, "10,000,000")]) {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn bars_are_of_one_width() {
        for (share, filled) in [
            (0.0, ""),
            (0.5, "██████████"),
            (0.53, "██████████▋"),
            (1.0, "████████████████████"),
        ] {
            let bar = bar(share);
            assert_eq!((bar.chars().count(), bar.trim_end()), (20, filled));
        }
    }
}
