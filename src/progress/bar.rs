//! A progress bar on the terminal.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::{Progress, Tick, TickState};
use crate::sync::{Mutex, PoisonError};

/// A progress bar on standard error, with the rate, the time left and the failures, if any.
///
/// Where standard error is not a terminal, it prints nothing, or a [line now and then](ProgressBar::lines_every). When the run is
/// over, the bar stays as it was: full, or at the point where a failure or a cancellation stopped the run, and it says which.
///
/// A bar shows one call at a time, and a later call starts it again; `.progress(&bar)` lends it to a call.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["x" => [1, 2, 3]]?;
/// df.par_apply().progress(ProgressBar::new("halving")).rows(|x: i32| x / 2)?;
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[derive(Debug)]
pub struct ProgressBar {
    name: String,
    lines_every: Option<Duration>,
    shown: Mutex<Option<Shown>>,
}

/// What is shown of a run.
#[derive(Debug)]
enum Shown {
    Bar(indicatif::ProgressBar),
    Lines { began: Instant, last: Instant },
    Nothing,
}

impl ProgressBar {
    /// Makes a bar with a name before it.
    pub fn new(name: impl Into<String>) -> Self {
        ProgressBar {
            name: name.into(),
            lines_every: None,
            shown: Mutex::new(None),
        }
    }

    /// Prints a line at most once per `interval`, and one at the end, where standard error is not a terminal, such as in logs.
    #[must_use]
    pub fn lines_every(mut self, interval: Duration) -> Self {
        self.lines_every = Some(interval);
        self
    }

    fn begin(&self, tick: Tick) -> Shown {
        let now = Instant::now();
        match self.lines_every {
            _ if std::io::stderr().is_terminal() => Shown::Bar(self.bar(tick)),
            Some(_) => Shown::Lines {
                began: now,
                last: now,
            },
            None => Shown::Nothing,
        }
    }

    fn bar(&self, tick: Tick) -> indicatif::ProgressBar {
        let target = ProgressDrawTarget::stderr();
        let bar = indicatif::ProgressBar::with_draw_target(Some(tick.total as u64), target);
        bar.set_style(style("{eta} left"));
        bar.set_prefix(self.name.clone());
        bar
    }
}

impl Progress for ProgressBar {
    fn tick(&self, tick: Tick) {
        let mut place = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shown = place.take().unwrap_or_else(|| self.begin(tick));
        match &mut shown {
            Shown::Bar(bar) => {
                bar.set_position(tick.done as u64);
                bar.set_message(remarks(tick));
                if tick.state != TickState::Running {
                    bar.set_style(style("{elapsed}"));
                    // The bar stays where it is: a full bar would say that everything was done.
                    bar.abandon();
                }
            }
            Shown::Lines { began, last } => {
                let due = self
                    .lines_every
                    .is_some_and(|interval| last.elapsed() >= interval);
                if due || tick.state != TickState::Running {
                    // An error is ignored: if nobody reads standard error, nothing is lost.
                    let _ = writeln!(
                        std::io::stderr(),
                        "{}",
                        line(&self.name, tick, began.elapsed())
                    );
                    *last = Instant::now();
                }
            }
            Shown::Nothing => {}
        }
        if tick.state == TickState::Running {
            *place = Some(shown);
        }
    }
}

/// Lends a bar, which is kept for the next call.
impl Progress for &ProgressBar {
    fn tick(&self, tick: Tick) {
        (**self).tick(tick);
    }
}

/// Returns the style of a bar, with the template of the time that it shows.
fn style(time: &str) -> ProgressStyle {
    let template =
        format!("{{prefix}} {{wide_bar}} {{human_pos}}/{{human_len}} {{rate}}/s, {time}{{msg}}");
    let style = ProgressStyle::with_template(&template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("rate", |state: &ProgressState, f: &mut dyn fmt::Write| {
        let _ = write!(f, "{}", HumanCount(state.per_sec() as u64));
    })
}

/// Returns what is printed after the numbers.
fn remarks(tick: Tick) -> String {
    let mut remarks = match tick.failures {
        0 => String::new(),
        1 => ", 1 failure".into(),
        failures => format!(", {failures} failures"),
    };
    remarks += match tick.state {
        TickState::Queued => ", queued",
        TickState::Running => "",
        TickState::Finished => ", done",
        TickState::Failed => ", failed",
        TickState::Cancelled => ", cancelled",
    };
    remarks
}

fn line(name: &str, tick: Tick, time: Duration) -> String {
    let rate = tick.done as f64 / time.as_secs_f64().max(1e-9);
    let percent = match tick.total {
        0 => 100.0,
        total => 100.0 * tick.done as f64 / total as f64,
    };
    format!(
        "{name} {}/{} ({percent:.0} %), {rate:.0}/s{}",
        tick.done,
        tick.total,
        remarks(tick)
    )
}
