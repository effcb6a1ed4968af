//! What a call must give, computed from the fate of each of its items, by the documented policies, for every verb.

use polars::prelude::DataFrame;
use polars_par_apply::prelude::{OnError, Outcome, Stats, Tick, TickState};
use polars_par_apply::{Error, ErrorKind};

use crate::faults::{Body, Fault, PANIC, Rule};
use crate::options::{Options, Token, faults_of};
use crate::row_call::Results;
use crate::value::Value;

/// Why an item has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Closure,
    Panic,
    /// A value cannot be read, or cannot be written.
    Value,
    /// The result cannot be stacked.
    Stack,
    /// No accumulator could be made for the rows from here on.
    Init,
    /// The rows from here on could not be merged with those before.
    Merge,
}

impl Why {
    fn kind(self) -> &'static str {
        match self {
            Why::Closure => "closure",
            Why::Panic | Why::Init | Why::Merge => "panic",
            Why::Value => "value",
            Why::Stack => "stack",
        }
    }
}

/// The fate of an item (a row, a column, a part) that is reached, if the call is not cancelled.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It is not given to the closure, and its result is null.
    Null,
    Done {
        calls: u32,
    },
    Fails {
        why: Why,
        calls: u32,
        column: Option<String>,
    },
}

impl Fate {
    pub fn calls(&self) -> u32 {
        match self {
            Fate::Null => 0,
            Fate::Done { calls } | Fate::Fails { calls, .. } => *calls,
        }
    }

    pub fn fails(&self) -> bool {
        matches!(self, Fate::Fails { .. })
    }

    /// Returns the fate of an item whose results become columns that may not hold them.
    pub fn of_results(self, results: &Results, rows: &[Vec<Value>]) -> Self {
        match (&self, results.unfit(rows)) {
            (Fate::Done { calls }, Some(column)) => Fate::Fails {
                why: Why::Value,
                calls: *calls,
                column: Some(results.names[column].to_string()),
            },
            _ => self,
        }
    }

    /// Returns the fate by the rules, for an item that is given to the closure.
    pub fn by_rules(rules: &[Rule], item: usize, options: &Options) -> Self {
        let attempts = options.attempts();
        let closure = |calls| Fate::Fails {
            why: Why::Closure,
            calls,
            column: None,
        };
        match Rule::fault(rules, item) {
            None | Some(Fault::Cancel) => Fate::Done { calls: 1 },
            Some(Fault::Error) => closure(attempts),
            Some(Fault::ErrorAtFirst(times)) if u32::from(times) >= attempts => closure(attempts),
            Some(Fault::ErrorAtFirst(times)) => Fate::Done {
                calls: u32::from(times) + 1,
            },
            Some(Fault::Panic) => Fate::Fails {
                why: Why::Panic,
                calls: 1,
                column: None,
            },
        }
    }
}

/// The result of a call of any verb.
#[derive(Debug)]
pub struct Got {
    pub output: DataFrame,
    pub told: Option<Told>,
}

/// The fields of an outcome.
#[derive(Debug)]
pub struct Told {
    pub failures: DataFrame,
    pub stats: Stats,
    pub kept_rows: Vec<Option<usize>>,
    pub kept_mask: Vec<bool>,
    pub is_complete: bool,
    /// The rows of the call's frame that are left to do.
    pub rest: Result<DataFrame, String>,
}

impl Told {
    pub fn of<T>(outcome: Outcome<T>, df: &DataFrame) -> (T, Self) {
        let kept_rows = outcome.kept_rows();
        let told = Told {
            kept_rows: kept_rows
                .iter()
                .map(|row| row.map(|row| row as usize))
                .collect(),
            kept_mask: outcome
                .kept_mask()
                .iter()
                .map(Option::unwrap_or_default)
                .collect(),
            is_complete: outcome.is_complete(),
            rest: outcome.rest(df).map_err(|error| error.to_string()),
            failures: outcome.failures,
            stats: outcome.stats,
        };
        (outcome.output, told)
    }
}

/// What the comparison needs to know about the items of a verb.
pub trait Items {
    /// The place of an item as `Debug` prints it, or the beginning of that.
    fn place(&self, item: usize) -> String;

    /// The first columns of the failures, before `error`.
    fn which(&self, item: usize) -> Vec<(&'static str, Value)>;

    /// The columns after `attempts`; `None` if the verb has none.
    fn given(&self, item: usize) -> Vec<(String, Value)>;

    /// The input rows that the item stands for, ascending; empty for a column.
    fn rows(&self, item: usize) -> Vec<usize>;

    /// Whether the output also has the rows for which no item stands.
    fn has_others(&self) -> bool {
        true
    }

    /// How much of it counts as done.
    fn weight(&self, item: usize) -> usize;

    /// How many input rows there are.
    fn height(&self) -> usize;

    /// Whether a cancelled call can return finished rows.
    fn has_parts(&self) -> bool {
        true
    }
}

/// A case after its run.
#[derive(Debug)]
pub struct Checked<'c> {
    pub options: &'c Options,
    pub fates: &'c [Fate],
    /// Whether results are whole frames or columns, so that a failing one is dropped.
    pub whole: bool,
    /// Which items are in the output when they are done; `None` stands for all.
    pub filter: &'c [bool],
    pub body: &'c Body,
    pub ticks: &'c [Tick],
}

/// What a query must do.
#[derive(Debug)]
pub struct Query {
    /// Whether it gives an output, unless an item fails.
    pub may: bool,
    /// Whether it may call the closure before it is refused.
    pub may_begin: bool,
    /// Whether its error is that of the lowest item that fails.
    pub tells_lowest: bool,
    /// Whether the closure is called for an item in any case.
    pub needs: Vec<bool>,
}

/// Which items are in the output, if the call gave one.
pub type Kept = Vec<usize>;

macro_rules! ensure {
    ($holds:expr, $($why:tt)*) => {
        if !$holds {
            return Err(format!($($why)*));
        }
    };
}

impl Checked<'_> {
    /// Whether the token may be cancelled while the call runs.
    fn may_be_cancelled(&self) -> bool {
        match self.options.token {
            Token::No => false,
            Token::CancelledBefore | Token::Late => true,
            Token::Given => {
                let mut fates = self.fates.iter().enumerate();
                fates.any(|(item, fate)| {
                    fate.calls() > 0 && Rule::fault(&self.body.rules, item) == Some(Fault::Cancel)
                })
            }
        }
    }

    /// Whether an item is in the output when it is done.
    fn keeps(&self, item: usize) -> bool {
        self.filter.get(item).copied().unwrap_or(true)
    }

    /// Checks a call that must be refused for these faults, before the closure is called.
    pub fn is_refused(
        &self,
        got: &Result<Got, Error>,
        faults: &std::collections::BTreeSet<String>,
    ) -> Result<(), String> {
        let Err(error) = got else {
            return Err(format!("it is to be refused for {faults:?}, and is not"));
        };
        let is = faults_of(error);
        ensure!(
            is == *faults,
            "it is to be refused for {faults:?}, and is for {is:?}: {error}"
        );
        let calls: u32 = self.body.calls().iter().sum();
        ensure!(
            calls == 0,
            "it is refused after {calls} calls of the closure"
        );
        Ok(())
    }

    /// Compares a call with what it must give, except for the output. Returns the items that must be in the output; `None` if the call must
    /// fail.
    pub fn check(
        &self,
        got: &Result<Got, Error>,
        items: &dyn Items,
    ) -> Result<Option<Kept>, String> {
        let findings = self.body.findings();
        ensure!(findings.is_empty(), "{}", findings.join("\n"));
        let failing: Vec<usize> = (0..self.fates.len())
            .filter(|item| self.fates[*item].fails())
            .collect();
        let allowed = self.options.failures_allowed();
        let last = failing.get(allowed).copied();
        match got {
            Err(error) => {
                if let ErrorKind::Cancelled {
                    done,
                    total,
                    failure,
                    partial,
                    ..
                } = error.kind()
                {
                    ensure!(self.may_be_cancelled(), "nothing cancels it: {error}");
                    let all: usize = (0..self.fates.len()).map(|item| items.weight(item)).sum();
                    ensure!(*total == all, "{total} of {all} are its total");
                    ensure!(done <= total, "{done} of {total} were done");
                    ensure!(
                        failure.is_none() || last.is_some(),
                        "the failure is let pass: {error}"
                    );
                    ensure!(
                        *partial == (self.options.partial || !items.has_parts()),
                        "it advises what was asked for: {error}"
                    );
                    ensure!(
                        !self.options.partial || last.is_some(),
                        "the finished part was asked for: {error}"
                    );
                    self.check_calls(0)?;
                    return Ok(None);
                }
                let Some(last) = last else {
                    return Err(format!("it is to succeed: {error}"));
                };
                let (error, failures) = match error.kind() {
                    ErrorKind::TooManyFailures {
                        limit,
                        failures,
                        last,
                        ..
                    } => {
                        ensure!(
                            self.options.on_error != OnError::Fail && *limit == allowed,
                            "the limit is {allowed}, and not {limit}"
                        );
                        (&**last, Some(failures))
                    }
                    _ => (error, None),
                };
                ensure!(
                    failures.is_some() == (self.options.on_error != OnError::Fail),
                    "it is of another kind than its policy has: {error}"
                );
                self.is_of(error, last, items)?;
                if let Some(failures) = failures {
                    self.failures(failures, &failing[..=allowed], items)?;
                }
                // The items before the last are done, and the last has had its attempts.
                self.check_calls(last + 1)?;
                Ok(None)
            }
            Ok(got) => self.is_made(got, last, &failing, items).map(Some),
        }
    }

    fn is_made(
        &self,
        got: &Got,
        last: Option<usize>,
        failing: &[usize],
        items: &dyn Items,
    ) -> Result<Kept, String> {
        let cancelled = got.told.as_ref().is_some_and(|told| told.stats.cancelled);
        if let (Some(last), false) = (last, cancelled) {
            return Err(format!("item {last} fails, and the call does not"));
        }
        ensure!(
            !cancelled || (self.may_be_cancelled() && self.options.partial),
            "nothing cancels it, and it says so"
        );
        let drops = self.whole || self.options.on_error == OnError::Skip;
        let calls = self.body.calls();
        let Some(told) = &got.told else {
            self.check_calls(self.fates.len())?;
            let all = 0..self.fates.len();
            return Ok(all.filter(|item| self.keeps(*item)).collect());
        };
        // The items that were done: all; or, if the call was cancelled, those in the output and those that failed.
        let all: Vec<usize> = (0..self.fates.len()).collect();
        let mut failed = failing.to_vec();
        let kept: Vec<usize> = match cancelled {
            false => all
                .into_iter()
                .filter(|item| self.keeps(*item) && !(drops && self.fates[*item].fails()))
                .collect(),
            true => {
                failed = self.failed_in(&told.failures, failing, items)?;
                // For an item without rows, only the output shows it.
                let is_in = |item: &usize| items.rows(*item).iter().all(|row| told.kept_mask[*row]);
                all.into_iter().filter(is_in).collect()
            }
        };
        if cancelled {
            // An item that was called and has a result is in the output. A failing row may have been called, and wait for another attempt.
            for (item, calls) in calls.iter().enumerate() {
                let is_done = *calls == self.fates[item].calls() && !self.fates[item].fails();
                let has_rows = !items.rows(item).is_empty();
                ensure!(
                    !(is_done && *calls > 0 && has_rows && self.keeps(item))
                        || kept.contains(&item),
                    "item {item} was done, and is not in the finished part"
                );
                let may_be = |item: usize| *calls == self.fates[item].calls() && self.keeps(item);
                ensure!(
                    !has_rows || !kept.contains(&item) || may_be(item),
                    "item {item} is in the finished part, after {calls} calls"
                );
            }
            self.check_calls(0)?;
        } else {
            self.check_calls(self.fates.len())?;
        }
        self.failures(&told.failures, &failed, items)?;
        ensure!(
            told.stats.failures == failed.len(),
            "{} failures are counted, of {}",
            told.stats.failures,
            failed.len()
        );
        ensure!(
            told.is_complete == (failed.is_empty() && !cancelled),
            "is_complete is {}",
            told.is_complete
        );
        if !cancelled {
            let mut mask = vec![items.has_others(); items.height()];
            let mut mark = |item, is_kept| {
                let rows = items.rows(item).into_iter();
                rows.for_each(|row| mask[row] = is_kept);
            };
            (0..self.fates.len()).for_each(|item| mark(item, false));
            kept.iter().for_each(|item| mark(*item, true));
            ensure!(
                mask == told.kept_mask,
                "kept are {:?}, not {mask:?}",
                told.kept_mask
            );
            let retries: u32 = calls.iter().map(|calls| calls.saturating_sub(1)).sum();
            ensure!(
                told.stats.retries == retries as usize,
                "{} retries are counted, of {retries}",
                told.stats.retries
            );
            let done: usize = (0..self.fates.len()).map(|item| items.weight(item)).sum();
            ensure!(
                told.stats.rows == done,
                "{} rows are counted, of {done}",
                told.stats.rows
            );
            if self.options.progress {
                let end = self.ticks.last();
                let is_told = end.is_some_and(|tick| {
                    tick.done == done && tick.total == done && tick.state == TickState::Finished
                });
                ensure!(is_told, "of {done} done, progress was last told {end:?}");
            }
        }
        self.rest(&told.rest, cancelled, &kept, &failed, items)?;
        let numbers: Vec<Option<usize>> = (0..items.height())
            .filter(|row| told.kept_mask[*row])
            .map(|row| {
                Some(self.options.number(row)).filter(|number| u32::try_from(*number).is_ok())
            })
            .collect();
        ensure!(
            numbers == told.kept_rows,
            "kept_rows is {:?}, and not {numbers:?}",
            told.kept_rows
        );
        Ok(kept)
    }

    /// Checks that the rest has the rows of the items that were not done, by their positions in the column `id`.
    fn rest(
        &self,
        rest: &Result<DataFrame, String>,
        cancelled: bool,
        kept: &[usize],
        failed: &[usize],
        items: &dyn Items,
    ) -> Result<(), String> {
        let has_rows = (0..self.fates.len()).any(|item| !items.rows(item).is_empty());
        let rest = match rest {
            Err(_) if cancelled && !has_rows => return Ok(()),
            Err(error) => return Err(format!("there is no rest: {error}")),
            Ok(rest) => rest,
        };
        // If a row was not called, and would not be kept in any case, nothing shows whether it was reached.
        let is_unsaid = |item: usize| !self.keeps(item) && self.fates[item] == Fate::Null;
        let calls = self.body.calls();
        let is_left = |item: &usize| {
            let is_kept = kept.contains(item);
            cancelled
                && match self.fates[*item] {
                    Fate::Fails { .. } => !is_kept && !failed.contains(item),
                    Fate::Done { calls: done } if !self.keeps(*item) => calls[*item] < done,
                    _ => !is_kept && !is_unsaid(*item),
                }
        };
        let left = (0..self.fates.len()).filter(is_left);
        let mut left: Vec<usize> = left.flat_map(|item| items.rows(item)).collect();
        left.sort_unstable();
        let left: Vec<Value> = left.iter().map(|row| Value::Int(*row as i128)).collect();
        let Ok(ids) = rest.column("id") else {
            ensure!(
                rest.height() == left.len(),
                "the rest has {} rows, and not {}",
                rest.height(),
                left.len()
            );
            return Ok(());
        };
        let mut ids = Value::all(ids);
        ids.retain(|id| !matches!(id, Value::Int(row) if is_unsaid(*row as usize)));
        ensure!(
            ids == left,
            "the rest has the rows {ids:?}, and not {left:?}"
        );
        Ok(())
    }

    /// Checks the result of a query, whose error is one text. Returns `None` if it must give no output.
    pub fn query(
        &self,
        result: Result<DataFrame, String>,
        query: &Query,
    ) -> Result<Option<DataFrame>, String> {
        let findings = self.body.findings();
        ensure!(findings.is_empty(), "{}", findings.join("\n"));
        let (calls, fates) = (self.body.calls(), self.fates);
        let failing: Vec<usize> = (0..fates.len())
            .filter(|item| fates[*item].fails())
            .collect();
        let output = match (result, query.may) {
            (Ok(_), false) => return Err("the query is to be refused".into()),
            (Err(error), false) => {
                let calls: u32 = calls.iter().sum();
                return match calls == 0 || query.may_begin {
                    true => Ok(None),
                    false => Err(format!("it is refused after {calls} calls: {error}")),
                };
            }
            (Err(error), true) => {
                let says = |item: &usize| match &fates[*item] {
                    Fate::Fails {
                        why: Why::Value,
                        column,
                        ..
                    } => column
                        .as_ref()
                        .is_some_and(|column| error.contains(column.as_str())),
                    Fate::Fails {
                        why: Why::Stack, ..
                    } => true,
                    _ => {
                        error.contains(&format!("fault {item}"))
                            || error.contains(&format!("{PANIC} {item}"))
                    }
                };
                let candidates = match query.tells_lowest {
                    true => failing.get(..1).unwrap_or_default(),
                    false => &failing[..],
                };
                let is_so = self.options.on_error == OnError::Fail && candidates.iter().any(says);
                let few = calls
                    .iter()
                    .zip(fates)
                    .all(|(calls, fate)| *calls <= fate.calls());
                return match is_so && few {
                    true => Ok(None),
                    false => Err(format!("the query is not to fail so: {error}")),
                };
            }
            (Ok(output), true) => output,
        };
        let fails = failing.iter().find(|item| query.needs[**item]);
        if let (OnError::Fail, Some(item)) = (self.options.on_error, fails) {
            return Err(format!("item {item} fails, and the query does not"));
        }
        let mut called = calls.iter().zip(fates).enumerate();
        let so_often = called.all(|(item, (calls, fate))| {
            *calls == fate.calls() || (*calls < fate.calls() && !query.needs[item])
        });
        ensure!(so_often, "the items were called {calls:?} times");
        Ok(Some(output))
    }

    /// Checks that the closure was called as often as the fates say: exactly as often for items below `exactly_below`, and no more often for
    /// the others.
    fn check_calls(&self, exactly_below: usize) -> Result<(), String> {
        let calls = self.body.calls();
        for (item, (calls, fate)) in calls.iter().zip(self.fates).enumerate() {
            let expected = fate.calls();
            ensure!(
                *calls <= expected && (item >= exactly_below || *calls == expected),
                "item {item} was called {calls} times, of {expected}"
            );
        }
        Ok(())
    }

    /// Checks that an error is that of an item.
    fn is_of(&self, error: &Error, item: usize, items: &dyn Items) -> Result<(), String> {
        let Fate::Fails { why, column, .. } = &self.fates[item] else {
            return Err(format!("item {item} does not fail: {error}"));
        };
        let place = match error.kind() {
            ErrorKind::Closure { place, .. }
            | ErrorKind::Panic { place, .. }
            | ErrorKind::Value { place, .. }
            | ErrorKind::Stack { place, .. } => format!("{place:?}"),
            other => return Err(format!("item {item} fails, and the call by {other:?}")),
        };
        ensure!(
            error.kind().name() == why.kind() && place.starts_with(&items.place(item)),
            "item {item} fails ({why:?} at {}), and the call by {place}: {error}",
            items.place(item)
        );
        let said = match why {
            Why::Closure => format!("fault {item}"),
            Why::Panic => format!("{PANIC} {item}"),
            Why::Init => format!("within init: {PANIC} init"),
            Why::Merge => format!("within merge: {PANIC} merge"),
            Why::Value | Why::Stack => String::new(),
        };
        ensure!(
            error.to_string().ends_with(&said),
            "it is to say {said:?}: {error}"
        );
        if let (Some(column), Why::Value) = (column, why) {
            ensure!(
                error.column() == Some(column),
                "it is to name column {column:?}: {error}"
            );
        }
        Ok(())
    }

    /// Returns which of the failing items are in the failures of a cancelled call.
    fn failed_in(
        &self,
        failures: &DataFrame,
        failing: &[usize],
        items: &dyn Items,
    ) -> Result<Vec<usize>, String> {
        let of_rows: Vec<Vec<Value>> = (0..failures.height())
            .map(|row| {
                let columns = failures.columns().iter();
                columns
                    .map(|column| Value::of(&column.get(row).expect("it has the row")))
                    .collect()
            })
            .collect();
        let mut failed = Vec::new();
        let mut candidates = failing.iter();
        for row in &of_rows {
            let found = candidates.find(|item| {
                let which = items.which(**item);
                which.iter().zip(row).all(|((_, value), is)| value == is)
            });
            let Some(item) = found else {
                return Err(format!(
                    "the failures have {row:?}, which is of no failing item, or not in order"
                ));
            };
            failed.push(*item);
        }
        Ok(failed)
    }

    /// Checks that the frame of failures has these items.
    pub fn failures(
        &self,
        failures: &DataFrame,
        failed: &[usize],
        items: &dyn Items,
    ) -> Result<(), String> {
        ensure!(
            failures.height() == failed.len(),
            "there are {} failures, and not {}: {failures}",
            failures.height(),
            failed.len()
        );
        let columns = failures.columns();
        for (row, item) in failed.iter().enumerate() {
            let Fate::Fails { why, calls, .. } = &self.fates[*item] else {
                return Err(format!(
                    "item {item} is among the failures, and does not fail"
                ));
            };
            let mut expected: Vec<(String, Value)> = items
                .which(*item)
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            let error = expected.len();
            expected.push(("error".into(), Value::Null));
            expected.push(("panic".into(), Value::Bool(*why == Why::Panic)));
            expected.push(("attempts".into(), Value::Int((*calls).into())));
            expected.extend(items.given(*item));
            ensure!(
                columns.len() == expected.len(),
                "the failures have {} columns, and not {}",
                columns.len(),
                expected.len()
            );
            for (position, (name, value)) in expected.iter().enumerate() {
                let is = Value::of(&columns[position].get(row).expect("it has the row"));
                let holds = match (position == error, &is) {
                    (false, is) => is == value,
                    (true, Value::Text(text)) => match why {
                        Why::Closure => *text == format!("fault {item}"),
                        Why::Panic => *text == format!("{PANIC} {item}"),
                        Why::Init | Why::Merge => false,
                        Why::Value | Why::Stack => !text.is_empty(),
                    },
                    _ => false,
                };
                ensure!(
                    columns[position].name() == name && holds,
                    "of item {item} the failures have {} = {is:?}, and not {name} = {value:?}",
                    columns[position].name()
                );
            }
        }
        Ok(())
    }
}

/// Checks that a column has these values and this dtype; `None` if nothing says the dtype.
pub fn is_column(
    column: &polars::prelude::Column,
    name: &str,
    dtype: Option<&polars::prelude::DataType>,
    values: &[Value],
) -> Result<(), String> {
    ensure!(
        column.name() == name,
        "column {:?} is to be named {name:?}",
        column.name()
    );
    if let Some(dtype) = dtype {
        ensure!(
            column.dtype() == dtype,
            "column {name:?} is {}, and not {dtype}",
            column.dtype()
        );
    }
    let is = Value::all(column);
    ensure!(
        is.len() == values.len(),
        "column {name:?} has {} rows, and not {}",
        is.len(),
        values.len()
    );
    for (row, (is, value)) in is.iter().zip(values).enumerate() {
        ensure!(
            is == value,
            "column {name:?} has {is:?} in row {row}, and not {value:?}"
        );
    }
    Ok(())
}
