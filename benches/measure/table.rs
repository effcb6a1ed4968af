//! The table of bars, printed line by line as they are measured.

use std::time::Duration;

use super::figures::{self, Figure};
use super::race::{Results, Times};
use super::run::Run;

/// What a bar allows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
    /// No bar: a line that explains another.
    None,
}

/// A measured number in its unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    met: usize,
    missed: usize,
    figures: Vec<Figure>,
}

impl Table {
    pub(crate) fn new() -> Self {
        println!(
            "{:<82} {:>9} {:>9} {:>8} {:>9} {:>8}  verdict",
            "bar", "ours", "rival", "best", "measured", "limit"
        );
        Table::default()
    }

    /// Our time as a part of each rival's: how the rival is called in the results, and what it is.
    pub(crate) fn against(
        &mut self,
        name: &str,
        results: &Results,
        rivals: &[(&str, &str, Limit)],
    ) {
        let ours = results.of("ours");
        for (rival, what, limit) in rivals {
            let rival = results.of(rival);
            let part = |ours: Duration, rival: Duration| Measured {
                value: ours.as_secs_f64() / rival.as_secs_f64(),
                unit: "",
            };
            self.line(&Line {
                name: &format!("{name}: against {what}"),
                times: Some((ours, rival)),
                measured: part(ours.median, rival.median),
                best: part(ours.fastest, rival.fastest),
                limit: *limit,
            });
        }
    }

    /// How many times faster we are than a rival.
    pub(crate) fn times_faster(
        &mut self,
        name: &str,
        results: &Results,
        rival: &str,
        limit: Limit,
    ) {
        let times = |ours: Duration, rival: Duration| Measured {
            value: rival.as_secs_f64() / ours.as_secs_f64(),
            unit: "x",
        };
        let (ours, against) = (results.of("ours"), results.of(rival));
        self.line(&Line {
            name: &format!("{name}: faster than {rival}"),
            times: Some((ours, against)),
            measured: times(ours.median, against.median),
            best: times(ours.fastest, against.fastest),
            limit,
        });
    }

    /// A number of ours alone.
    pub(crate) fn number(&mut self, name: &str, measured: Measured, best: Measured, limit: Limit) {
        self.line(&Line {
            name,
            times: None,
            measured,
            best,
            limit,
        });
    }

    /// Says how many bars are met, and writes the figures to `benches/README.md` if that was asked for.
    pub(crate) fn finish(self, bench: &str, allocator: &str, run: &Run) {
        println!("{} bars met, {} missed", self.met, self.missed);
        if run.writes {
            figures::write(bench, allocator, run, &self.figures);
        }
    }

    fn line(&mut self, line: &Line<'_>) {
        let Measured { value, unit } = line.measured;
        let (limit, met) = match line.limit {
            Limit::AtMost(limit) => (format!("<= {limit}{unit}"), Some(value <= limit)),
            Limit::AtLeast(limit) => (format!(">= {limit}{unit}"), Some(value >= limit)),
            Limit::None => (String::new(), None),
        };
        let verdict = match met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        self.met += usize::from(met == Some(true));
        self.missed += usize::from(met == Some(false));
        let [ours, rival] = match line.times {
            Some((ours, rival)) => [time(ours.median), time(rival.median)],
            None => [String::new(), String::new()],
        };
        let (measured, best) = (number(line.measured), number(line.best));
        self.figures.push(Figure {
            name: line.name.to_owned(),
            measured: spaced(line.measured),
            limit: limit.replace("<=", "≤").replace(">=", "≥"),
            is_missed: met == Some(false),
            time: line.times.map(|_| ours.clone()),
        });
        let line = format!(
            "{:<82} {ours:>9} {rival:>9} {best:>8} {measured:>9} {limit:>8}  {verdict}",
            line.name
        );
        println!("{}", line.trim_end());
    }
}

struct Line<'a> {
    name: &'a str,
    times: Option<(Times, Times)>,
    measured: Measured,
    best: Measured,
    limit: Limit,
}

fn number(number: Measured) -> String {
    format!("{:.2}{}", number.value, number.unit)
}

/// With a space before a unit of more than one letter.
fn spaced(number: Measured) -> String {
    let unit = number.unit.trim();
    let space = if unit.len() > 1 { " " } else { "" };
    format!("{:.2}{space}{unit}", number.value)
}

fn time(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 1000.0 {
        format!("{micros:.2} us")
    } else {
        format!("{:.2} ms", micros / 1000.0)
    }
}
