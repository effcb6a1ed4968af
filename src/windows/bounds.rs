//! Where each row's window begins and ends.

use std::ops::Range;

use polars::prelude::{Column, IdxSize};
use polars_arrow::bitmap::Bitmap;

use super::order::{self, Order, OrderValue};
use super::ranks::SeenRanks;
use super::reading::{GroupPart, Reading};
use super::window::{Extent, Window};
use crate::error::Result;
use crate::groups::ShareOut;
use crate::row_numbers::RowNumbers;

/// The window of each row, as a range of positions.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    listing: Listing,
    step: usize,
    min_rows: usize,
    /// The rows that are seen, if not all rows are.
    seen: Option<SeenRanks>,
}

#[derive(Clone, Debug)]
enum Listing {
    /// All rows are one group, and windows are given as numbers of rows.
    ItemKind {
        before: usize,
        /// How many rows from the row itself on are in the window.
        beyond: usize,
        rows: usize,
    },
    /// The start and the end of each window; [`NOT_DUE`] for a row without a result.
    Listed(Vec<[IdxSize; 2]>),
}

/// The mark of a row without a window: an end before the start.
const NOT_DUE: [IdxSize; 2] = [IdxSize::MAX, 0];

impl Bounds {
    /// Computes the bounds of all windows. The order column is that of the window, if it has one, and suits it:
    /// [`Window::check`].
    ///
    /// If windows are numbers of rows and there are no groups, nothing is computed beforehand. Otherwise each row takes two row
    /// indices. While these are computed, it also takes 8 bytes for its value in the order column, unless that is `Int64`, in
    /// one chunk, and read in its own order.
    ///
    /// # Errors
    /// The order column has a null or decreases; the error names the lowest such row by its number.
    pub(crate) fn new(
        window: &Window,
        reading: &Reading<'_>,
        order: Option<&Column>,
        numbers: &RowNumbers,
        share_out: ShareOut<'_>,
    ) -> Result<Self> {
        let step = window.every();
        let list = |windows: &(dyn Fn(GroupPart, &mut [[IdxSize; 2]]) + Sync)| {
            listed(reading, step, windows, share_out)
        };
        let listing = match (&window.extent, window.sides()) {
            (_, Some((before, after))) => {
                let beyond = after.saturating_add(1);
                match reading.groups {
                    None => Listing::ItemKind {
                        before,
                        beyond,
                        rows: reading.rows,
                    },
                    Some(_) => list(&|stretch, out| counted(stretch, before, beyond, out))?,
                }
            }
            (Extent::Over { span, .. }, None) => {
                let order = order.expect("a window over a column comes with it");
                let closed = window.which_closed();
                let reach = order::reach(order.dtype(), *span, closed.has_left());
                let has_right = closed.has_right();
                match Order::read(order, reading, numbers, share_out)? {
                    Order::Long(values) => {
                        let reach = i64::apart(reach);
                        list(&|stretch, out| over(&values, reach, has_right, stretch, out))?
                    }
                    Order::Wide(values) => {
                        let reach = i128::apart(reach);
                        list(&|stretch, out| over(&values, reach, has_right, stretch, out))?
                    }
                }
            }
            (_, None) => unreachable!("a window counts rows or goes over a column"),
        };
        Ok(Bounds {
            listing,
            step,
            min_rows: window.least_rows(),
            seen: None,
        })
    }

    /// Returns the same windows as positions among the rows that are seen, which are those whose bits, by position, are set.
    ///
    /// Rows are still asked for by their positions among all rows.
    pub(crate) fn seen(self, seen: &Bitmap) -> Self {
        let seen = (seen.unset_bits() > 0).then(|| SeenRanks::new(seen));
        Bounds { seen, ..self }
    }

    /// Returns the window of the row at a position, which is due.
    #[inline]
    pub(crate) fn of(&self, position: usize) -> Range<usize> {
        let window = match &self.listing {
            Listing::ItemKind {
                before,
                beyond,
                rows,
            } => {
                let end = position.saturating_add(*beyond).min(*rows);
                position.saturating_sub(*before)..end
            }
            Listing::Listed(windows) => {
                let [start, end] = windows[position];
                start as usize..end as usize
            }
        };
        match &self.seen {
            None => window,
            Some(ranks) => ranks.before(window.start)..ranks.before(window.end),
        }
    }

    /// Returns whether the row at a position has a result: every `step`-th row of its group, starting with the first.
    #[inline]
    pub(crate) fn is_due(&self, position: usize) -> bool {
        self.step == 1
            || match &self.listing {
                Listing::ItemKind { .. } => position.is_multiple_of(self.step),
                Listing::Listed(windows) => windows[position] != NOT_DUE,
            }
    }

    /// Returns whether only windows towards the ends are shorter, and each row has one: windows are numbers of rows, all rows
    /// are seen, and none is left out.
    pub(crate) fn are_counted(&self) -> bool {
        self.step == 1 && self.seen.is_none() && matches!(self.listing, Listing::ItemKind { .. })
    }

    /// Returns how many rows a window must have, of those that are seen, for its row to have a result.
    #[inline]
    pub(crate) fn min_rows(&self) -> usize {
        self.min_rows
    }
}

/// Lists the windows of all positions; `windows` computes those of a stretch.
fn listed(
    reading: &Reading<'_>,
    step: usize,
    windows: &(dyn Fn(GroupPart, &mut [[IdxSize; 2]]) + Sync),
    share_out: ShareOut<'_>,
) -> Result<Listing> {
    let list = reading.fill([0; 2], share_out, &|first, out| {
        for stretch in reading.stretches(first..first + out.len()) {
            let part = stretch.part.clone();
            // Of each group, only every `step`-th row is due, counted from the group's first row.
            let offset = part.start - stretch.group.start;
            let out = &mut out[part.start - first..part.end - first];
            windows(stretch, out);
            if step > 1 {
                for (at, window) in (offset..).zip(out) {
                    if at % step != 0 {
                        *window = NOT_DUE;
                    }
                }
            }
        }
    })?;
    Ok(Listing::Listed(list))
}

/// Computes the windows of a stretch where they are numbers of rows.
fn counted(stretch: GroupPart, before: usize, beyond: usize, out: &mut [[IdxSize; 2]]) {
    let group = stretch.group;
    for (position, window) in stretch.part.zip(out) {
        let start = position.saturating_sub(before).max(group.start);
        let end = position.saturating_add(beyond).min(group.end);
        *window = [start as IdxSize, end as IdxSize];
    }
}

/// Computes the windows of a stretch where they depend on values, with two pointers; a binary search finds where the pointers
/// begin.
///
/// Equal values are within reach of each other, so both pointers are the same for all of them.
fn over<T: OrderValue>(
    values: &[T],
    reach: T::Apart,
    has_right: bool,
    stretch: GroupPart,
    out: &mut [[IdxSize; 2]],
) {
    let GroupPart { group, part } = stretch;
    let Some(first) = values[part.clone()].first().copied() else {
        return;
    };
    let is_past = |value: T, now: T| if has_right { value <= now } else { value < now };
    let earlier = &values[group.start..part.start];
    let mut start = group.start + earlier.partition_point(|value| first.since(*value) > reach);
    let mut end =
        group.start + values[group.clone()].partition_point(|value| is_past(*value, first));
    for (position, window) in part.zip(out) {
        let now = values[position];
        while now.since(values[start]) > reach {
            start += 1;
        }
        while end < group.end && is_past(values[end], now) {
            end += 1;
        }
        *window = [start as IdxSize, end as IdxSize];
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use polars::prelude::{DataType, NamedFrom, PolarsResult, Series};
    use rand::RngExt;
    use rand_pcg::Pcg64Mcg;

    use super::super::reading::Spans;
    use super::super::span::Span;
    use super::super::window::Closed;
    use super::*;

    const CLOSED: [Closed; 4] = [Closed::Right, Closed::Left, Closed::Both, Closed::Neither];

    /// The result is the same in whichever order workers do the items.
    fn backwards(items: usize, work: &(dyn Fn(usize) + Sync)) -> Result<()> {
        (0..items).rev().for_each(work);
        Ok(())
    }

    /// Rows in the order in which they are read.
    struct Case {
        /// The frame's row at each position.
        rows: Vec<usize>,
        groups: Option<Vec<Range<usize>>>,
        /// What the order column counts for each row, in the unit of the span.
        times: Vec<i128>,
    }

    impl Case {
        /// Makes a case of `rows` rows in one group or in several; the values have many ties.
        fn new(random: &mut Pcg64Mcg, rows: usize, is_grouped: bool, unit: i128) -> Self {
            let keys: Vec<usize> = (0..rows)
                .map(|_| {
                    if is_grouped {
                        random.random_range(0..4)
                    } else {
                        0
                    }
                })
                .collect();
            let mut time = -20;
            let times = (0..rows).map(|_| {
                time += i128::from(random.random_range(0..4i32) / 2 * random.random_range(1..4));
                time * unit
            });
            let times = times.collect();
            // The third group has no rows, so its span is empty. The rows of the fourth key are in no group.
            let mut by_key: Vec<usize> = Vec::new();
            let mut spans = Vec::new();
            for key in [0, 1, 4, 2, 3] {
                let start = by_key.len();
                by_key.extend((0..rows).filter(|row| keys[*row] == key));
                spans.push(start..by_key.len());
            }
            spans.pop();
            Case {
                rows: by_key,
                groups: is_grouped.then_some(spans),
                times,
            }
        }

        fn group_of(&self, position: usize) -> Option<Range<usize>> {
            match &self.groups {
                None => Some(0..self.rows.len()),
                Some(groups) => groups
                    .iter()
                    .find(|group| group.contains(&position))
                    .cloned(),
            }
        }

        fn bounds(&self, window: &Window, order: Option<&Column>) -> Result<Bounds> {
            let row_at = |position: usize| self.rows[position];
            let groups = self.groups.as_deref().unwrap_or_default();
            let of = |group: usize| groups[group].clone();
            let spans = Spans {
                count: groups.len(),
                of: &of,
            };
            let reading = Reading {
                rows: self.rows.len(),
                groups: self.groups.is_some().then_some(spans),
                row_at: self.groups.is_some().then_some(&row_at),
            };
            let mut faults = Vec::new();
            window.check(order, &mut faults);
            assert!(faults.is_empty(), "{faults:?}");
            let numbers = RowNumbers::default();
            Bounds::new(window, &reading, order, &numbers, &backwards)
        }

        /// Compares every window with the positions of the row's group for which `is_in` returns true.
        fn compare(
            &self,
            window: &Window,
            bounds: &Bounds,
            step: usize,
            is_in: &dyn Fn(usize, usize) -> bool,
        ) {
            let seen: Bitmap = (0..self.rows.len())
                .map(|position| position % 3 != 1)
                .collect();
            let among_seen = bounds.clone().seen(&seen);
            let seen_ones: Vec<usize> = (0..seen.len())
                .filter(|position| seen.get_bit(*position))
                .collect();
            let all_seen = bounds
                .clone()
                .seen(&Bitmap::new_with_value(true, seen.len()));
            for position in 0..self.rows.len() {
                let Some(group) = self.group_of(position) else {
                    continue;
                };
                let is_due = (position - group.start).is_multiple_of(step);
                assert_eq!(bounds.is_due(position), is_due, "{window:?} at {position}");
                assert_eq!(among_seen.is_due(position), is_due);
                if !is_due {
                    continue;
                }
                let expected: Vec<usize> = group.filter(|other| is_in(position, *other)).collect();
                let found: Vec<usize> = bounds.of(position).collect();
                assert_eq!(found, expected, "{window:?} at {position}");
                assert_eq!(all_seen.of(position), bounds.of(position));
                let expected: Vec<usize> = expected
                    .into_iter()
                    .filter(|other| seen.get_bit(*other))
                    .collect();
                let found = &seen_ones[among_seen.of(position)];
                assert_eq!(found, expected, "{window:?} at {position}, some unseen");
            }
        }

        fn compare_over(
            &self,
            order: &Column,
            span: Span,
            length: i128,
            closed: Closed,
            step: usize,
        ) {
            let window = Window::over("t", span).closed(closed).step(step);
            let bounds = self.bounds(&window, Some(order)).unwrap();
            let time = |position: usize| self.times[self.rows[position]];
            self.compare(&window, &bounds, step, &|position, other| {
                let (now, then) = (time(position), time(other));
                match closed {
                    Closed::Right => now - length < then && then <= now,
                    Closed::Left => now - length <= then && then < now,
                    Closed::Both => now - length <= then && then <= now,
                    Closed::Neither => now - length < then && then < now,
                }
            });
        }
    }

    fn cases() -> impl Iterator<Item = (usize, bool)> {
        [0, 1, 6, 7, 8, 40]
            .into_iter()
            .flat_map(|rows| [(rows, false), (rows, true)])
    }

    #[test]
    fn counted_windows_are_the_rows_around() {
        let mut random = Pcg64Mcg::new(1);
        for (rows, is_grouped) in cases() {
            let case = Case::new(&mut random, rows, is_grouped, 1);
            for step in [1, 2, 5, 100] {
                for n in [1, 2, 3, 4, 7, 39, 1000, usize::MAX] {
                    let window = Window::rows(n).step(step);
                    let bounds = case.bounds(&window, None).unwrap();
                    assert_eq!(bounds.min_rows(), n);
                    case.compare(&window, &bounds, step, &|at, other| {
                        other <= at && at - other < n
                    });

                    let window = window.centered().min_rows(1);
                    let bounds = case.bounds(&window, None).unwrap();
                    assert_eq!(bounds.min_rows(), 1);
                    case.compare(&window, &bounds, step, &|at, other| {
                        let from_start = other as i128 - (at as i128 - (n / 2) as i128);
                        from_start >= 0 && from_start < n as i128
                    });
                }
                for before in [0, 1, 5, usize::MAX] {
                    for after in [0, 2, 50, usize::MAX] {
                        let window = Window::before(before).after(after).step(step).min_rows(0);
                        let bounds = case.bounds(&window, None).unwrap();
                        assert_eq!(bounds.min_rows(), 0);
                        case.compare(&window, &bounds, step, &|at, other| {
                            at.saturating_sub(other) <= before && other.saturating_sub(at) <= after
                        });
                    }
                }
                let window = Window::expanding().step(step);
                let bounds = case.bounds(&window, None).unwrap();
                assert_eq!(bounds.min_rows(), 1);
                case.compare(&window, &bounds, step, &|at, other| other <= at);
            }
        }
    }

    /// Makes columns of integers with these values, shifted to the range of their dtype.
    fn integers(times: &[i128]) -> PolarsResult<Vec<Column>> {
        let signed: Vec<i64> = times.iter().map(|time| *time as i64).collect();
        let unsigned: Vec<u64> = times.iter().map(|time| (*time + 20) as u64).collect();
        let (signed, unsigned) = (
            Series::new("t".into(), signed),
            Series::new("t".into(), unsigned),
        );
        let mut columns = vec![signed.clone(), signed.cast(&DataType::Int32)?];
        columns.extend([unsigned.clone(), unsigned.cast(&DataType::UInt32)?]);
        // These are values above those of `i64`.
        let high = unsigned
            .u64()?
            .iter()
            .map(|time| time.map(|time| (1 << 63) - 10 + time));
        columns.push(Series::new("t".into(), high.collect::<Vec<_>>()));
        let mut chunked = signed.slice(0, 3);
        chunked.append(&signed.slice(3, usize::MAX))?;
        columns.push(chunked);
        #[cfg(feature = "dtype-i8")]
        columns.push(signed.cast(&DataType::Int8)?);
        #[cfg(feature = "dtype-i16")]
        columns.push(signed.cast(&DataType::Int16)?);
        #[cfg(feature = "dtype-u8")]
        columns.push(unsigned.cast(&DataType::UInt8)?);
        #[cfg(feature = "dtype-u16")]
        columns.push(unsigned.cast(&DataType::UInt16)?);
        #[cfg(feature = "dtype-i128")]
        columns.push(signed.cast(&DataType::Int128)?);
        Ok(columns.into_iter().map(Column::from).collect())
    }

    #[test]
    fn windows_over_integers_are_those_of_a_plain_loop() {
        let mut random = Pcg64Mcg::new(2);
        for (rows, is_grouped) in cases() {
            let case = Case::new(&mut random, rows, is_grouped, 1);
            for order in integers(&case.times).unwrap() {
                for length in [1, 2, 3, 10, 1000] {
                    for closed in CLOSED {
                        for step in [1, 3] {
                            case.compare_over(&order, length.into(), length.into(), closed, step);
                        }
                    }
                }
            }
        }
    }

    /// Returns the dtypes of times, and the nanoseconds of the unit that each counts.
    fn times() -> Vec<(DataType, i128)> {
        #[allow(unused_mut)]
        let mut dtypes = Vec::new();
        #[cfg(feature = "dtype-date")]
        dtypes.push((DataType::Date, 86_400_000_000_000));
        #[cfg(feature = "dtype-time")]
        dtypes.push((DataType::Time, 1));
        #[cfg(any(feature = "dtype-datetime", feature = "dtype-duration"))]
        {
            use polars::prelude::TimeUnit::{Microseconds, Milliseconds, Nanoseconds};
            for (unit, length) in [
                (Nanoseconds, 1),
                (Microseconds, 1_000),
                (Milliseconds, 1_000_000),
            ] {
                #[cfg(feature = "dtype-datetime")]
                dtypes.push((DataType::Datetime(unit, None), length));
                #[cfg(feature = "timezones")]
                dtypes.push((
                    DataType::Datetime(unit, Some(polars_core::datatypes::TimeZone::UTC)),
                    length,
                ));
                #[cfg(feature = "dtype-duration")]
                dtypes.push((DataType::Duration(unit), length));
            }
        }
        dtypes
    }

    #[test]
    fn windows_over_times_are_those_of_a_plain_loop_in_nanoseconds() {
        let mut random = Pcg64Mcg::new(3);
        for (dtype, unit) in times() {
            for (rows, is_grouped) in cases() {
                let mut case = Case::new(&mut random, rows, is_grouped, unit);
                // A time of day is not negative.
                case.times.iter_mut().for_each(|time| *time += 20 * unit);
                let counts: Vec<i64> = case.times.iter().map(|time| (time / unit) as i64).collect();
                let counts = Series::new("t".into(), counts);
                let counts = if dtype == DataType::Date {
                    counts.cast(&DataType::Int32).unwrap()
                } else {
                    counts
                };
                let order = Column::from(counts.cast(&dtype).unwrap());
                // These are halves of a unit, if the unit can be halved.
                for halves in [1, 2, 3, 4, 5, 9, 2000] {
                    let length = (unit * halves / 2).max(1);
                    let nanoseconds = u64::try_from(length).unwrap();
                    let span = Span::from(Duration::from_nanos(nanoseconds));
                    for closed in CLOSED {
                        case.compare_over(&order, span, length, closed, 1);
                    }
                }
            }
        }
    }

    /// Returns what Polars' `rolling` gives with an offset of the negative period, as ranges of positions.
    fn by_polars(order: &Column, span: &str, closed: Closed) -> Vec<Range<usize>> {
        use polars::prelude::{
            ClosedWindow, DataFrame, Duration, PolarsTemporalGroupby, RollingGroupOptions,
        };

        let options = RollingGroupOptions {
            index_column: "t".into(),
            period: Duration::parse(span),
            offset: Duration::parse(&format!("-{span}")),
            closed_window: match closed {
                Closed::Right => ClosedWindow::Right,
                Closed::Left => ClosedWindow::Left,
                Closed::Both => ClosedWindow::Both,
                Closed::Neither => ClosedWindow::None,
            },
        };
        let frame = DataFrame::new(order.len(), vec![order.clone()]).unwrap();
        let (_, positions) = frame.rolling(None, &options).unwrap();
        let slices = positions.unwrap_slice().iter();
        let windows = slices.map(|[start, len]| *start as usize..(*start + *len) as usize);
        windows.collect()
    }

    #[test]
    fn windows_over_a_column_are_those_of_polars() {
        let mut random = Pcg64Mcg::new(5);
        for rows in [1, 8, 100] {
            let case = Case::new(&mut random, rows, false, 1);
            let counts: Vec<i64> = case.times.iter().map(|time| *time as i64).collect();
            let counts = Series::new("t".into(), counts);
            let mut orders = vec![(counts.clone(), "i", Span::from(1))];
            #[cfg(feature = "dtype-date")]
            orders.push((
                counts
                    .cast(&DataType::Int32)
                    .unwrap()
                    .cast(&DataType::Date)
                    .unwrap(),
                "d",
                Duration::from_secs(86_400).into(),
            ));
            #[cfg(feature = "dtype-datetime")]
            orders.push((
                counts
                    .cast(&DataType::Datetime(
                        polars::prelude::TimeUnit::Milliseconds,
                        None,
                    ))
                    .unwrap(),
                "ms",
                Duration::from_millis(1).into(),
            ));
            for (order, unit, one) in orders {
                let order = Column::from(order);
                for count in [1, 2, 3, 10, 1000] {
                    let span = one.times(count);
                    for closed in CLOSED {
                        let window = Window::over("t", span).closed(closed);
                        let bounds = case.bounds(&window, Some(&order)).unwrap();
                        let polars = by_polars(&order, &format!("{count}{unit}"), closed);
                        for (position, polars) in polars.into_iter().enumerate() {
                            let ours = bounds.of(position);
                            // An empty window may have any position.
                            let is_same = ours == polars || ours.is_empty() && polars.is_empty();
                            assert!(
                                is_same,
                                "{window:?} at {position}: {ours:?}, Polars {polars:?}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn any_window_of_any_rows_is_that_of_a_plain_loop() {
        let mut random = Pcg64Mcg::new(6);
        for _ in 0..400 {
            let rows = random.random_range(0..60);
            let is_grouped = random.random_bool(0.5);
            let case = Case::new(&mut random, rows, is_grouped, 1);
            let step = random.random_range(1..6);
            let [a, b] = [0, 0].map(|_| random.random_range(0..12usize));
            let length = random.random_range(1..40i64);
            let closed = CLOSED[random.random_range(0..4)];
            let times: Vec<i64> = case.times.iter().map(|time| *time as i64).collect();
            let order = Column::from(Series::new("t".into(), times));
            case.compare_over(&order, length.into(), length.into(), closed, step);
            let window = Window::before(a).after(b).step(step);
            let bounds = case.bounds(&window, None).unwrap();
            case.compare(&window, &bounds, step, &|at, other| {
                other + a >= at && other <= at + b
            });
        }
    }

    /// Computes on threads, as on a call's workers.
    #[test]
    fn threads_fill_the_same_windows() {
        use crate::sync::thread;

        let threads = |items: usize, work: &(dyn Fn(usize) + Sync)| -> Result<()> {
            thread::scope(|scope| {
                for thread in 0..4 {
                    scope.spawn(move || (thread..items).step_by(4).for_each(work));
                }
            });
            Ok(())
        };
        let mut random = Pcg64Mcg::new(7);
        let case = Case::new(&mut random, 1_000, false, 1);
        let times: Vec<i32> = case.times.iter().map(|time| *time as i32).collect();
        let order = Column::from(Series::new("t".into(), times));
        let window = Window::over("t", 20).step(2);
        let reading = Reading {
            rows: 1_000,
            groups: None,
            row_at: None,
        };
        let numbers = RowNumbers::default();
        let bounds = Bounds::new(&window, &reading, Some(&order), &numbers, &threads).unwrap();
        let alone = case.bounds(&window, Some(&order)).unwrap();
        for position in 0..1_000 {
            assert_eq!(bounds.is_due(position), alone.is_due(position));
            assert_eq!(bounds.of(position), alone.of(position));
        }
    }

    #[test]
    fn what_keeps_work_from_being_shared_out_is_returned() {
        let broken = |_: usize, _: &(dyn Fn(usize) + Sync)| -> Result<()> {
            Err(anyhow::anyhow!("no threads").into())
        };
        let order = Column::from(Series::new("t".into(), [1i64, 2]));
        let reading = Reading {
            rows: 2,
            groups: None,
            row_at: None,
        };
        let numbers = RowNumbers::default();
        let over = Window::over("t", 1);
        assert!(Bounds::new(&over, &reading, Some(&order), &numbers, &broken).is_err());
        // For these windows there is nothing to compute, so the workers are not called.
        assert!(Bounds::new(&Window::rows(2), &reading, None, &numbers, &broken).is_ok());
    }

    #[test]
    fn what_is_further_apart_than_the_dtype_can_hold_is_compared_exactly() {
        let ends: Vec<i64> = vec![
            i64::MIN,
            i64::MIN,
            i64::MIN + 1,
            -1,
            0,
            1,
            i64::MAX - 1,
            i64::MAX,
        ];
        let case = Case {
            rows: (0..ends.len()).collect(),
            groups: None,
            times: ends.iter().map(|end| i128::from(*end)).collect(),
        };
        let order = Column::from(Series::new("t".into(), ends.clone()));
        let flipped: Vec<u64> = ends.iter().map(|end| (*end as u64) ^ (1 << 63)).collect();
        let unsigned = Column::from(Series::new("t".into(), flipped));
        let widest = i128::from(u64::MAX);
        let middle = i128::from(i64::MAX);
        for length in [
            1,
            middle,
            middle + 1,
            middle + 2,
            widest - 1,
            widest,
            widest + 1,
            i128::MAX / 2,
        ] {
            for closed in CLOSED {
                for order in [&order, &unsigned] {
                    case.compare_over(order, length.into(), length, closed, 1);
                }
            }
        }
        // The plain loop cannot represent these spans.
        let all = case
            .bounds(&Window::over("t", i128::MAX), Some(&order))
            .unwrap();
        assert_eq!(all.of(7), 0..8);
        #[cfg(feature = "dtype-i128")]
        {
            let ends = vec![i128::MIN, i128::MIN + 1, 0, i128::MAX];
            let order = Column::from(Series::new("t".into(), ends));
            let case = Case {
                rows: (0..4).collect(),
                groups: None,
                times: Vec::new(),
            };
            let starts = |span: i128, closed| {
                let window = Window::over("t", span).closed(closed);
                let bounds = case.bounds(&window, Some(&order)).unwrap();
                [0, 1, 2, 3].map(|position| bounds.of(position).start)
            };
            assert_eq!(starts(1, Closed::Right), [0, 1, 2, 3]);
            assert_eq!(starts(1, Closed::Both), [0, 0, 2, 3]);
            assert_eq!(starts(i128::MAX, Closed::Right), [0, 0, 2, 3]);
            assert_eq!(starts(i128::MAX, Closed::Both), [0, 0, 1, 2]);
        }
        #[cfg(feature = "dtype-date")]
        {
            let days = Series::new("t".into(), vec![i32::MIN, 0, i32::MAX]);
            let order = Column::from(days.cast(&DataType::Date).unwrap());
            let case = Case {
                rows: (0..3).collect(),
                groups: None,
                times: Vec::new(),
            };
            let window = Window::over("t", Duration::MAX);
            assert_eq!(case.bounds(&window, Some(&order)).unwrap().of(2), 0..3);
        }
    }

    #[test]
    fn equal_values_are_in_each_others_windows_over_many_pieces() {
        let rows = 100;
        let order = Column::from(Series::new("t".into(), vec![5i64; rows]));
        let case = Case {
            rows: (0..rows).collect(),
            groups: None,
            times: vec![5; rows],
        };
        for closed in CLOSED {
            case.compare_over(&order, 3.into(), 3, closed, 1);
        }
        let scalar = Column::new_scalar("t".into(), polars::prelude::Scalar::from(5i64), rows);
        case.compare_over(&scalar, 3.into(), 3, Closed::Right, 1);
    }

    fn error(case: &Case, order: Series) -> String {
        let window = Window::over("t", 3);
        case.bounds(&window, Some(&order.into()))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_lowest_row_that_is_null_or_decreases_is_named() {
        let rows = 30;
        let ungrouped = |rows: usize| Case {
            rows: (0..rows).collect(),
            groups: None,
            times: Vec::new(),
        };
        let case = ungrouped(rows);
        let mut values: Vec<Option<i64>> = (0..30).map(Some).collect();
        values[13] = Some(11);
        values[22] = Some(2);
        let decreases = "row 13: column \"t\": the value is below that of row 12, and an order column of windows must not \
                         decrease; sort the frame by it first";
        // A sorted flag makes no difference.
        let mut order = Series::new("t".into(), values.clone());
        assert_eq!(error(&case, order.clone()), decreases);
        order.set_sorted_flag(polars_core::series::IsSorted::Ascending);
        assert_eq!(error(&case, order), decreases);
        // The fault is at the first row of a piece, or at the last.
        for at in [7, 6] {
            let order: Vec<i64> = (0..30)
                .map(|row| if row == at { -1 } else { row as i64 })
                .collect();
            let named = format!(
                "row {at}: column \"t\": the value is below that of row {}",
                at - 1
            );
            let order = Series::new("t".into(), order);
            assert!(error(&case, order).starts_with(&named));
        }
        values[14] = None;
        assert_eq!(
            error(&case, Series::new("t".into(), values.clone())),
            decreases
        );
        values[9] = None;
        let null = "row 9: column \"t\": the value is null, and an order column of windows must have no nulls; fill or drop them first";
        assert_eq!(error(&case, Series::new("t".into(), values)), null);
        let nulls = Series::new("t".into(), [None::<i64>; 3]);
        assert!(error(&ungrouped(3), nulls).starts_with("row 0: column \"t\": the value is null"));
    }

    #[test]
    fn within_groups_the_lowest_row_of_all_groups_is_named() {
        // Group 0 has the even rows, and group 1 the odd rows except the last.
        let rows: Vec<usize> = (0..30).step_by(2).chain((1..30).step_by(2)).collect();
        let case = Case {
            rows,
            groups: Some(vec![0..15, 15..29]),
            times: Vec::new(),
        };
        let value = |row: i64| if row % 2 == 0 { row } else { 100 + row };
        let with = |faults: &[(usize, Option<i64>)]| {
            let mut values: Vec<Option<i64>> = (0..30).map(|row| Some(value(row))).collect();
            faults.iter().for_each(|(row, value)| values[*row] = *value);
            Series::new("t".into(), values)
        };
        let window = Window::over("t", 3);
        assert!(case.bounds(&window, Some(&with(&[]).into())).is_ok());
        assert!(
            case.bounds(&window, Some(&with(&[(29, None)]).into()))
                .is_ok()
        );
        let decreases = "row 17: column \"t\": the value is below that of row 15, and an order column of windows must not \
                         decrease within a group; sort the frame by it first";
        assert_eq!(
            error(&case, with(&[(20, Some(1)), (17, Some(50))])),
            decreases
        );
        assert!(
            error(&case, with(&[(16, None), (17, Some(50))]))
                .starts_with("row 16: column \"t\": the value is null")
        );
        assert!(error(&case, with(&[(20, Some(1)), (27, None)])).starts_with("row 20: "));
    }

    #[test]
    fn an_error_has_the_rows_number() {
        let order = Column::from(Series::new("t".into(), [1i64, 2, 1]));
        let reading = Reading {
            rows: 3,
            groups: None,
            row_at: None,
        };
        let numbers = RowNumbers::from_first(1_000, 3).unwrap();
        let window = Window::over("t", 3);
        let error = Bounds::new(&window, &reading, Some(&order), &numbers, &backwards).unwrap_err();
        assert_eq!(error.row(), Some(1_002));
        assert!(
            error.to_string().contains("below that of row 1001,"),
            "{error}"
        );
    }
}
