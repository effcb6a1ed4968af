//! Draws a recording as SVG.

use std::time::Duration;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::messages::Seen;
use super::recording::{Lane, Long, Recorded, Recording};
use super::refused;
use crate::error::Result;
use crate::outcome::{ItemKind, Stats, grouped, number};
use crate::progress::TickState;

type Area<'s> = DrawingArea<SVGBackend<'s>, Shift>;
type Drawn = std::result::Result<(), DrawingAreaErrorKind<std::io::Error>>;

const WIDTH: u32 = 1_000;
/// Where plots begin and end: to the left are the names of workers.
const LEFT: i32 = 130;
const RIGHT: i32 = 20;
const LINE: i32 = 20;
const HEADING: i32 = 34;
/// Between a table and what is below it.
const GAP: i32 = 16;
const AXIS: i32 = 36;
const RATE: i32 = 150;
/// In how many parts of the time rows are counted.
const BINS: usize = 120;
/// In how many steps a run is darker than another.
const SHADES: f64 = 8.0;
/// From which ratio of rates on they are drawn on a logarithmic scale.
const WIDE: f64 = 50.0;
/// How many messages are shown.
const MESSAGES: usize = 10;
/// How long a line of text may be, in characters.
const TEXT: usize = 110;

const INK: RGBColor = RGBColor(31, 41, 55);
const FAINT: RGBColor = RGBColor(107, 114, 128);
const EMPTY: RGBColor = RGBColor(243, 244, 246);
const FAST: RGBColor = RGBColor(147, 197, 253);
const SLOW: RGBColor = RGBColor(30, 58, 138);
const FAILED: RGBColor = RGBColor(220, 38, 38);

/// The picture of a call.
pub(super) fn svg(title: &str, recording: &Recording) -> Result<String> {
    let Some(verb) = recording.verb else {
        return Err(refused(
            "no call was given this report yet; give it to one with `.report(&report)`".into(),
        ));
    };
    let picture = Picture::new(title, verb, recording);
    let mut svg = String::new();
    picture
        .draw(&mut svg)
        .map_err(|error| refused(format!("the picture cannot be drawn: {error}")))?;
    // On a page that is narrower, it is drawn smaller.
    Ok(svg.replacen("<svg ", "<svg style=\"max-width:100%;height:auto\" ", 1))
}

/// What is drawn.
struct Picture<'r> {
    title: String,
    summary: Vec<String>,
    lanes: &'r [Lane],
    stats: Option<&'r Stats>,
    counted: ItemKind,
    /// How long the call took; while it is running, until the last run.
    wall: f64,
    scale: Scale,
    longest: Vec<(usize, &'r Long)>,
    messages: Vec<&'r Seen>,
    other_messages: usize,
}

/// The unit of time.
#[derive(Clone, Copy)]
struct Scale {
    /// How many there are in a second.
    in_second: f64,
    name: &'static str,
}

impl<'r> Picture<'r> {
    fn new(title: &str, verb: &str, recording: &'r Recording) -> Self {
        let (stats, state) = recording
            .end
            .as_ref()
            .map(|(stats, state)| (stats, *state))
            .unzip();
        let lanes = &recording.lanes[..];
        let last = lanes
            .iter()
            .flat_map(|lane| &lane.spans)
            .map(|span| span.end)
            .max();
        let wall = stats
            .map_or(Duration::ZERO, |stats| stats.wall)
            .max(last.unwrap_or_default());
        let counted = stats.map(|stats| stats.counted).unwrap_or_default();
        let state = match state {
            None => ", still running",
            Some(TickState::Failed) => ", failed",
            _ => "",
        };
        let summary = match stats {
            Some(stats) => format!("{stats:#}"),
            None => "what the workers have handed in until now".to_string(),
        };
        let mut longest: Vec<(usize, &Long)> = Vec::new();
        for (worker, lane) in lanes.iter().enumerate() {
            longest.extend(lane.longest.iter().map(|long| (worker, long)));
        }
        longest.sort_by_key(|(_, long)| std::cmp::Reverse(long.span.busy));
        longest.truncate(super::recording::LONGEST);
        let (messages, other_messages) = recording.messages.most(MESSAGES);
        Picture {
            title: format!("{title}: {verb}{state}"),
            summary: summary.lines().map(str::to_string).collect(),
            lanes,
            stats,
            counted,
            wall: wall.as_secs_f64().max(1e-9),
            scale: Scale::of(wall),
            longest,
            messages,
            other_messages,
        }
    }

    /// The height of a lane, which is smaller where there are many.
    fn lane(&self) -> i32 {
        (600 / self.lanes.len().max(1) as i32).clamp(8, 26)
    }

    fn draw(&self, svg: &mut String) -> Drawn {
        let header = 36 + self.summary.len() as i32 * LINE;
        let timeline = HEADING + self.lanes.len().max(1) as i32 * self.lane() + AXIS;
        let rate = HEADING + RATE + AXIS;
        let longest = match self.longest.len() {
            0 => 0,
            runs => HEADING + runs as i32 * LINE + GAP,
        };
        let lines = self.messages.len() as i32 + i32::from(self.other_messages > 0);
        let messages = if lines == 0 {
            0
        } else {
            HEADING + lines * LINE
        };
        let height = 12 + header + timeline + rate + longest + messages + 16;
        let root = SVGBackend::with_string(svg, (WIDTH, height as u32)).into_drawing_area();
        root.fill(&WHITE)?;
        let mut top = 12;
        let mut next = |height: i32| {
            let area = root.clone().shrink((0, top), (WIDTH, height as u32));
            top += height;
            area
        };
        self.header(&next(header))?;
        self.timeline(&next(timeline))?;
        self.rate(&next(rate))?;
        self.longest(&next(longest.max(1)))?;
        self.failures(&next(messages.max(1)))?;
        root.present()
    }

    fn header(&self, area: &Area<'_>) -> Drawn {
        text(area, &self.title, (LINE, 14), 20, &INK, HPos::Left)?;
        for (line, summary) in self.summary.iter().enumerate() {
            text(
                area,
                summary,
                (LINE, 42 + line as i32 * LINE),
                14,
                &INK,
                HPos::Left,
            )?;
        }
        Ok(())
    }

    /// A lane for each worker, with its runs along the time.
    fn timeline(&self, area: &Area<'_>) -> Drawn {
        let legend = format!(
            "each block is a run of rows; the darker, the more time for a {}; red: some failed",
            self.counted.noun()
        );
        heading(area, "Workers", &legend)?;
        let lane = self.lane();
        let slowness = self
            .lanes
            .iter()
            .flat_map(|lane| &lane.spans)
            .filter_map(slowness);
        let (least, most) = slowness.fold((f64::MAX, f64::MIN), |(least, most), slow| {
            (least.min(slow), most.max(slow))
        });
        for (worker, runs) in self.lanes.iter().enumerate() {
            let top = HEADING + worker as i32 * lane + 1;
            let bottom = top + lane - 3;
            let stats = self
                .stats
                .and_then(|stats| Some((stats, stats.workers.get(worker)?)));
            let name = match stats {
                Some((stats, worker_stats)) => {
                    format!("{worker}: {:.0} % busy", stats.share(worker_stats) * 100.0)
                }
                None => worker.to_string(),
            };
            text(
                area,
                &name,
                (LEFT - 10, (top + bottom) / 2),
                13,
                &INK,
                HPos::Right,
            )?;
            block(area, (LEFT, top), (WIDTH as i32 - RIGHT, bottom), &EMPTY)?;
            let shaded = |span| {
                let share = slowness_between(span, least, most).unwrap_or_default();
                (
                    self.x(span.start),
                    self.x(span.end),
                    (share * SHADES).round() as i32,
                )
            };
            for (left, right, shade) in blocks(runs.spans.iter().map(shaded)) {
                let shade = between(FAST, SLOW, f64::from(shade) / SHADES);
                block(area, (left, top), (right, bottom), &shade)?;
            }
            for span in runs.spans.iter().filter(|span| span.failures > 0) {
                let left = self.x(span.start);
                block(
                    area,
                    (left, bottom - 3),
                    (self.x(span.end).max(left + 2), bottom),
                    &FAILED,
                )?;
            }
        }
        self.axis(area, HEADING + self.lanes.len().max(1) as i32 * lane)
    }

    /// How many rows were done in each part of the time.
    fn rate(&self, area: &Area<'_>) -> Drawn {
        let rates = self.rates();
        let done = rates.iter().copied().filter(|rate| *rate > 0.0);
        let (least, most) = done.fold((f64::MAX, 0.0), |(least, most): (f64, f64), rate| {
            (least.min(rate), most.max(rate))
        });
        let is_wide = most > least * WIDE;
        let noun = self.counted.noun();
        let scale = if is_wide {
            ", on a logarithmic scale"
        } else {
            ""
        };
        heading(
            area,
            "Rate",
            &format!("{noun}s done in a second, by all workers{scale}"),
        )?;
        // The lowest line of a logarithmic scale is a power of ten below all rates.
        let floor = least.log10().floor();
        let height = |rate: f64| match is_wide {
            true => (rate.log10() - floor) / (most.log10() - floor),
            false => rate / most,
        };
        let marks: Vec<f64> = match is_wide {
            _ if most == 0.0 => vec![0.0],
            true => (floor as i32..=most.log10() as i32)
                .map(|power| 10f64.powi(power))
                .collect(),
            false => vec![0.0, most / 2.0, most],
        };
        let bottom = HEADING + RATE;
        let y = |share: f64| {
            bottom - (f64::from(RATE) * if share.is_finite() { share } else { 0.0 }).round() as i32
        };
        for mark in marks {
            let y = y(height(mark));
            line(area, (LEFT, y), (WIDTH as i32 - RIGHT, y), &EMPTY)?;
            text(
                area,
                &compact(mark),
                (LEFT - 10, y),
                13,
                &FAINT,
                HPos::Right,
            )?;
        }
        let step = self.wall / BINS as f64;
        for (bin, rate) in rates.iter().enumerate().filter(|(_, rate)| **rate > 0.0) {
            let x = |bin: usize| self.x(Duration::from_secs_f64(step * bin as f64));
            let y = y(height(*rate));
            if y < bottom {
                block(area, (x(bin), y), (x(bin + 1), bottom), &FAST)?;
            }
        }
        self.axis(area, bottom)
    }

    /// Rows a second in each bin: the rows of a run are spread over its time.
    fn rates(&self) -> Vec<f64> {
        let step = self.wall / BINS as f64;
        let mut rows = vec![0.0; BINS];
        for span in self.lanes.iter().flat_map(|lane| &lane.spans) {
            let (start, end) = (span.start.as_secs_f64(), span.end.as_secs_f64());
            let bin_of = |time: f64| ((time / step) as usize).min(BINS - 1);
            for (bin, rows) in rows
                .iter_mut()
                .enumerate()
                .take(bin_of(end) + 1)
                .skip(bin_of(start))
            {
                let (from, to) = (step * bin as f64, step * (bin + 1) as f64);
                let within = end.min(to) - start.max(from);
                let share = if end > start {
                    within / (end - start)
                } else {
                    1.0
                };
                *rows += span.rows as f64 * share.clamp(0.0, 1.0);
            }
        }
        rows.into_iter().map(|rows| rows / step).collect()
    }

    fn longest(&self, area: &Area<'_>) -> Drawn {
        let Some(most) = self
            .longest
            .first()
            .map(|(_, long)| long.span.busy.as_secs_f64())
        else {
            return Ok(());
        };
        heading(area, "Longest runs", "")?;
        for (at, (worker, long)) in self.longest.iter().enumerate() {
            let share = long.span.busy.as_secs_f64() / most.max(f64::MIN_POSITIVE);
            let time = format!("{:.1?}", long.span.busy);
            let done = number(long.span.rows, self.counted.noun());
            let what = format!(
                "{}; {done} done by worker {worker}",
                self.counted.span(&long.items)
            );
            bar(area, at, &time, share, &SLOW, &what)?;
        }
        Ok(())
    }

    fn failures(&self, area: &Area<'_>) -> Drawn {
        let Some(most) = self.messages.first().map(|seen| seen.count) else {
            return Ok(());
        };
        heading(
            area,
            "Failures",
            "by their message; those that differ in numbers or quoted text alone are counted together",
        )?;
        for (at, seen) in self.messages.iter().enumerate() {
            bar(
                area,
                at,
                &grouped(seen.count),
                seen.count as f64 / most as f64,
                &FAILED,
                &seen.first,
            )?;
        }
        if self.other_messages > 0 {
            bar(
                area,
                self.messages.len(),
                &grouped(self.other_messages),
                0.0,
                &FAILED,
                "other messages",
            )?;
        }
        Ok(())
    }

    /// The time, below a plot.
    fn axis(&self, area: &Area<'_>, y: i32) -> Drawn {
        line(area, (LEFT, y), (WIDTH as i32 - RIGHT, y), &FAINT)?;
        let whole = self.wall * self.scale.in_second;
        let step = round_step(whole / 8.0);
        let mut at = 0.0;
        while at <= whole * 1.000_1 {
            let x = self.x(Duration::from_secs_f64(at / self.scale.in_second));
            line(area, (x, y), (x, y + 4), &FAINT)?;
            // As many decimals as the step has.
            let decimals = (-step.log10().floor()).max(0.0) as usize;
            let label = match at > 0.0 {
                true => format!("{at:.decimals$} {}", self.scale.name),
                false => "0".to_string(),
            };
            text(area, &label, (x, y + 14), 12, &FAINT, HPos::Center)?;
            at += step;
        }
        Ok(())
    }

    fn x(&self, time: Duration) -> i32 {
        let width = f64::from(WIDTH as i32 - LEFT - RIGHT);
        let share = (time.as_secs_f64() / self.wall).clamp(0.0, 1.0);
        LEFT + (width * share).round() as i32
    }
}

impl Scale {
    fn of(wall: Duration) -> Self {
        let seconds = wall.as_secs_f64();
        let (in_second, name) = match seconds {
            _ if seconds < 2e-3 => (1e6, "µs"),
            _ if seconds < 2.0 => (1e3, "ms"),
            _ if seconds < 180.0 => (1.0, "s"),
            _ if seconds < 10_800.0 => (1.0 / 60.0, "min"),
            _ => (1.0 / 3_600.0, "h"),
        };
        Scale { in_second, name }
    }
}

/// What is drawn of runs, each of which is its left, its right and its shade. One narrower than a pixel is as wide as one; of those that lie
/// on one pixel, the darkest is seen. Narrow neighbours of one shade are one block, so that a picture of many runs is not large.
fn blocks(runs: impl Iterator<Item = (i32, i32, i32)>) -> Vec<(i32, i32, i32)> {
    const NARROW: i32 = 3;
    let mut blocks: Vec<(i32, i32, i32)> = Vec::new();
    for (left, right, shade) in runs {
        let right = right.max(left + 1);
        match blocks.last_mut() {
            // No wider than what is drawn.
            Some(last) if left >= last.0 && right <= last.1 => {
                if last.1 - last.0 <= 1 {
                    last.2 = last.2.max(shade);
                } else if shade > last.2 {
                    blocks.push((left, right, shade));
                }
            }
            Some(last)
                if last.2 == shade
                    && (last.0..=last.1).contains(&left)
                    && right - left < NARROW =>
            {
                last.1 = right;
            }
            _ => blocks.push((left, right, shade)),
        }
    }
    blocks
}

/// The time for a row, as a logarithm.
fn slowness(span: &Recorded) -> Option<f64> {
    let slowness = span.busy.as_secs_f64() / span.rows as f64;
    (slowness.is_finite() && slowness > 0.0).then(|| slowness.ln())
}

/// The same, from 0 for the fastest to 1 for the slowest; a difference below a factor of two is not shown.
fn slowness_between(span: &Recorded, least: f64, most: f64) -> Option<f64> {
    let range = (most - least).max(std::f64::consts::LN_2);
    Some((slowness(span)? - least) / range)
}

fn between(from: RGBColor, to: RGBColor, share: f64) -> RGBColor {
    let mix = |from: u8, to: u8| {
        (f64::from(from) + (f64::from(to) - f64::from(from)) * share.clamp(0.0, 1.0)).round() as u8
    };
    RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

/// The least of 1, 2, 5, 10, … that is at least this.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps
        .into_iter()
        .find(|round| *round >= step * 0.999_9)
        .unwrap_or(power * 10.0)
}

/// A number in three places or so.
fn compact(number: f64) -> String {
    match number {
        _ if number >= 1e9 => format!("{:.1} G", number / 1e9),
        _ if number >= 1e6 => format!("{:.1} M", number / 1e6),
        _ if number >= 1e4 => format!("{:.0} k", number / 1e3),
        _ if number >= 10.0 || number == 0.0 => format!("{number:.0}"),
        _ => format!("{number:.1}"),
    }
}

/// A line of a table: a number, a bar beside it, and what it is about.
fn bar(
    area: &Area<'_>,
    at: usize,
    number: &str,
    share: f64,
    color: &RGBColor,
    what: &str,
) -> Drawn {
    const LENGTH: f64 = 120.0;
    let y = HEADING + at as i32 * LINE + LINE / 2;
    text(area, number, (LEFT - 10, y), 13, &INK, HPos::Right)?;
    let length = (LENGTH * share).round() as i32;
    if length > 0 {
        block(area, (LEFT, y - 6), (LEFT + length, y + 6), color)?;
    }
    text(
        area,
        &cut(what),
        (LEFT + LENGTH as i32 + 12, y),
        13,
        &INK,
        HPos::Left,
    )
}

/// The first line of a text, and no more of it than there is room for.
fn cut(what: &str) -> String {
    let line = what.lines().next().unwrap_or_default();
    let mut letters = line
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut text: String = letters.by_ref().take(TEXT).collect();
    if letters.next().is_some() || line.len() < what.len() {
        text.push('…');
    }
    text
}

fn heading(area: &Area<'_>, title: &str, note: &str) -> Drawn {
    text(area, title, (LINE, 16), 16, &INK, HPos::Left)?;
    if note.is_empty() {
        return Ok(());
    }
    text(area, note, (LEFT, 17), 13, &FAINT, HPos::Left)
}

fn text(
    area: &Area<'_>,
    text: &str,
    at: (i32, i32),
    size: u32,
    color: &RGBColor,
    anchor: HPos,
) -> Drawn {
    let style = TextStyle::from(("sans-serif", size).into_font())
        .color(color)
        .pos(Pos::new(anchor, VPos::Center));
    area.draw(&Text::new(text.to_string(), at, style))
}

fn block(area: &Area<'_>, from: (i32, i32), to: (i32, i32), color: &RGBColor) -> Drawn {
    area.draw(&Rectangle::new([from, to], color.filled()))
}

fn line(area: &Area<'_>, from: (i32, i32), to: (i32, i32), color: &RGBColor) -> Drawn {
    area.draw(&PathElement::new(vec![from, to], *color))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_show_the_slowest_run_and_stay_few() {
        // One dark run among light ones, on pixels that they share.
        let runs = (0..10_000).map(|run| (run / 100, run / 100, if run == 5_050 { 8 } else { 1 }));
        let drawn = blocks(runs);
        assert!(drawn.len() <= 3, "{drawn:?}");
        assert!(
            drawn
                .iter()
                .any(|block| block.2 == 8 && (block.0..block.1).contains(&50)),
            "{drawn:?}"
        );
        assert_eq!((drawn[0].0, drawn.last().unwrap().1), (0, 100));
        // Wide ones, and those with a gap between them, are blocks of their own.
        let wide = [(0, 10, 1), (10, 20, 1), (30, 31, 1)];
        assert_eq!(blocks(wide.into_iter()), wide);
        assert_eq!(
            blocks([(0, 10, 1), (4, 4, 3)].into_iter()),
            [(0, 10, 1), (4, 5, 3)]
        );
    }

    #[test]
    fn steps_of_axes_are_round() {
        for (step, round) in [
            (0.11, 0.2),
            (1.0, 1.0),
            (3.0, 5.0),
            (70.0, 100.0),
            (2e-4, 2e-4),
        ] {
            assert!((round_step(step) / round - 1.0).abs() < 1e-9, "{step}");
        }
    }
}
