//! Plans of windows and their order columns, and a plain loop that finds the rows of each window.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use chrono::TimeDelta;
use polars::prelude::{Column, DataFrame, DataType, NamedFrom, Series, TimeUnit};
use polars_par_apply::prelude::{Closed, Window};

use crate::frame::{Draw, Kind, Layout};
use crate::options::rarely;
use crate::value::Value;

pub const ORDER: &str = "t";

/// Which rows a window has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Rows(usize),
    Centered(usize),
    Around {
        before: usize,
        after: Option<usize>,
    },
    Expanding,
    /// This many of the column's units, and additional nanoseconds if it is a column of times.
    Over {
        units: i64,
        more: i64,
        closed: Option<Closed>,
    },
}

/// What is wrong with a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// An option of another kind of window.
    Centered,
    After,
    Closed,
    /// A step of 0.
    Step,
    /// It needs more rows than a window can have.
    MinRows,
    /// No rows, or no span.
    Nothing,
    /// A number over times, or a time over numbers.
    OtherSpan,
    /// There is no such column.
    NoColumn,
}

/// What is wrong with an order column, from the row at this position (modulo the number of rows) on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disorder {
    No,
    Null(u8),
    /// The value is below all others.
    Low(u8),
}

/// An order column: its values do not decrease in the frame, or within each group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderPlan {
    kind: Kind,
    seed: u8,
    /// By how much it grows at most from row to row.
    most: u8,
    /// Where it begins: anywhere, at the smallest value of its type, or so near the largest that it stays there.
    base: u8,
    by_group: bool,
    disorder: Disorder,
    layout: Layout,
}

const KINDS: [Kind; 22] = [
    Kind::Int64,
    Kind::Int8,
    Kind::Int16,
    Kind::Int32,
    Kind::Int64,
    Kind::Int128,
    Kind::UInt8,
    Kind::UInt16,
    Kind::UInt32,
    Kind::UInt64,
    Kind::Date,
    Kind::Time,
    Kind::Datetime(TimeUnit::Milliseconds),
    Kind::Datetime(TimeUnit::Microseconds),
    Kind::Datetime(TimeUnit::Nanoseconds),
    Kind::Zoned(TimeUnit::Milliseconds),
    Kind::Zoned(TimeUnit::Nanoseconds),
    Kind::Duration(TimeUnit::Milliseconds),
    Kind::Duration(TimeUnit::Microseconds),
    Kind::Duration(TimeUnit::Nanoseconds),
    // There is no order column.
    Kind::Float64,
    Kind::Text,
];

impl OrderPlan {
    fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let kinds = match rarely(u, 30)? {
            true => &KINDS[20..],
            false => &KINDS[..20],
        };
        Ok(OrderPlan {
            kind: *u.choose(kinds)?,
            seed: u.arbitrary()?,
            most: *u.choose(&[0, 1, 1, 2, 3, 6])?,
            base: u.int_in_range(0..=7)?,
            by_group: u.arbitrary()?,
            disorder: match u.int_in_range(0..=11)? {
                11 => Disorder::Null(u.arbitrary()?),
                10 => Disorder::Low(u.arbitrary()?),
                _ => Disorder::No,
            },
            layout: Layout::arbitrary(u)?,
        })
    }

    fn is_order(&self) -> bool {
        !matches!(self.kind, Kind::Float64 | Kind::Text)
    }

    fn is_time(&self) -> bool {
        self.is_order() && !self.kind.dtype().is_integer()
    }

    /// Returns how many nanoseconds a unit has, for times.
    fn unit(&self) -> i64 {
        match self.kind {
            Kind::Date => 86_400_000_000_000,
            Kind::Datetime(unit) | Kind::Zoned(unit) | Kind::Duration(unit) => match unit {
                TimeUnit::Nanoseconds => 1,
                TimeUnit::Microseconds => 1_000,
                TimeUnit::Milliseconds => 1_000_000,
            },
            _ => 1,
        }
    }

    fn column(&self, rows: usize, groups: &[Vec<usize>]) -> Column {
        let (least, largest) = match self.kind {
            Kind::Int8 => (i8::MIN.into(), i8::MAX.into()),
            Kind::Int16 => (i16::MIN.into(), i16::MAX.into()),
            Kind::Int32 | Kind::Date => (i32::MIN.into(), i32::MAX.into()),
            Kind::UInt8 => (0, u8::MAX.into()),
            Kind::UInt16 => (0, u16::MAX.into()),
            Kind::UInt32 => (0, u32::MAX.into()),
            Kind::UInt64 => (0, u64::MAX.into()),
            Kind::Int128 => (i128::MIN, i128::MAX),
            Kind::Time => (0, 86_399_999_999_999),
            _ => (i64::MIN.into(), i64::MAX.into()),
        };
        let base: i128 = match self.base {
            6 => least,
            7 => largest - 5,
            5 => -3,
            base => i128::from(base) * 30,
        };
        let mut draw = Draw::new(self.seed.into());
        let mut values: Vec<Option<i128>> = vec![Some(base.max(least)); rows];
        let whole = [(0..rows).collect()];
        let groups = if self.by_group { groups } else { &whole };
        for group in groups {
            let mut value = base.max(least);
            for row in group {
                let more = draw.bits() % (u64::from(self.most) + 1);
                // Some are far from the one before.
                let more = more << if draw.one_in(16) { 40 } else { 0 };
                value = value.saturating_add(more.into()).min(largest);
                values[*row] = Some(value);
            }
        }
        let at = |part: u8| usize::from(part) * rows / 256;
        match self.disorder {
            Disorder::Null(part) if rows > 0 => values[at(part)] = None,
            Disorder::Low(part) if rows > 0 => values[at(part)] = Some(least),
            _ => {}
        }
        let series = match self.kind {
            Kind::Text => {
                let texts = values
                    .iter()
                    .map(|value| value.map(|value| value.to_string()));
                Series::new(ORDER.into(), texts.collect::<Vec<Option<String>>>())
            }
            kind => {
                let dtype = kind.dtype();
                let physical = match kind {
                    Kind::Date => DataType::Int32,
                    _ if dtype.is_temporal() => DataType::Int64,
                    _ => dtype.clone(),
                };
                let counts = Series::new(ORDER.into(), values).strict_cast(&physical);
                let series = counts.and_then(|counts| counts.strict_cast(&dtype));
                series.expect("the dtype holds every value")
            }
        };
        self.layout.lay(series)
    }
}

/// A window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowPlan {
    extent: Extent,
    order: OrderPlan,
    min_rows: Option<usize>,
    step: Option<usize>,
    misfit: Option<Misfit>,
}

impl WindowPlan {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let few = |u: &mut Unstructured<'_>| match rarely(u, 20)? {
            true => u.choose(&[60, usize::MAX - 1, usize::MAX]).copied(),
            false => u.int_in_range(0..=7),
        };
        let extent = match u.int_in_range(0..=9)? {
            0 => Extent::Rows(few(u)?.max(1)),
            1 | 2 => Extent::Centered(few(u)?.max(1)),
            3 | 4 => Extent::Around {
                before: few(u)?,
                after: match u.arbitrary()? {
                    true => Some(few(u)?),
                    false => None,
                },
            },
            5 => Extent::Expanding,
            _ => Extent::Over {
                units: match rarely(u, 20)? {
                    true => i64::MAX,
                    false => u.int_in_range(1..=9)?,
                },
                more: *u.choose(&[0, 0, 0, 1, -1, 500])?,
                closed: *u.choose(&[
                    None,
                    Some(Closed::Right),
                    Some(Closed::Left),
                    Some(Closed::Both),
                    Some(Closed::Neither),
                ])?,
            },
        };
        let misfit = match rarely(u, 12)? {
            true => Some(*u.choose(&[
                Misfit::Centered,
                Misfit::After,
                Misfit::Closed,
                Misfit::Step,
                Misfit::MinRows,
                Misfit::Nothing,
                Misfit::OtherSpan,
                Misfit::NoColumn,
            ])?),
            false => None,
        };
        let most = match extent {
            Extent::Rows(rows) | Extent::Centered(rows) => rows,
            Extent::Around { before, after } => {
                before.saturating_add(after.unwrap_or(0)).saturating_add(1)
            }
            Extent::Expanding | Extent::Over { .. } => usize::MAX,
        };
        let order = OrderPlan::arbitrary(u)?;
        let mut plan = WindowPlan {
            extent,
            min_rows: match u.int_in_range(0..=3)? {
                0 => None,
                1 => Some(0),
                _ => Some(u.int_in_range(1..=4)?.min(most)),
            },
            order,
            step: match rarely(u, 4)? {
                true => Some(u.int_in_range(1..=5)?),
                false => None,
            },
            misfit,
        };
        let mut faults = BTreeSet::new();
        plan.faults(&mut faults);
        if faults.is_empty() {
            // The option can be used with this window, and would change it.
            plan.misfit = None;
        }
        Ok(plan)
    }

    /// Returns whether all windows together have few rows, however many rows the frame has.
    pub fn is_short(&self) -> bool {
        match self.extent {
            Extent::Rows(rows) | Extent::Centered(rows) => rows < 10,
            Extent::Around { before, after } => before < 10 && after.unwrap_or(0) < 10,
            Extent::Expanding | Extent::Over { .. } => false,
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.extent, Extent::Over { .. })
    }

    /// Returns the span, in the column's units or in nanoseconds.
    fn span(&self) -> i64 {
        match (self.extent, self.order.is_time()) {
            (Extent::Over { units, more, .. }, true) => units
                .saturating_mul(self.order.unit())
                .saturating_add(more)
                .max(1),
            (Extent::Over { units, .. }, false) => units,
            _ => 0,
        }
    }

    pub fn window(&self) -> Window {
        let is = |misfit| self.misfit == Some(misfit);
        let mut window = match self.extent {
            Extent::Rows(_) | Extent::Centered(_) if is(Misfit::Nothing) => Window::rows(0),
            Extent::Rows(rows) => Window::rows(rows),
            Extent::Centered(rows) => Window::rows(rows).centered(),
            Extent::Around { before, after } => {
                let window = Window::before(before);
                match after {
                    Some(after) => window.after(after),
                    None => window,
                }
            }
            Extent::Expanding => Window::expanding(),
            Extent::Over { closed, .. } => {
                let span = match is(Misfit::Nothing) {
                    true => 0,
                    false => self.span(),
                };
                let name = match is(Misfit::NoColumn) {
                    true => "no order",
                    false => ORDER,
                };
                let window = match self.order.is_time() != is(Misfit::OtherSpan) {
                    true => Window::over(name, TimeDelta::nanoseconds(span)),
                    false => Window::over(name, span),
                };
                match closed {
                    Some(closed) => window.closed(closed),
                    None => window,
                }
            }
        };
        if let Some(rows) = self.min_rows {
            window = window.min_rows(rows);
        }
        if let Some(step) = self.step {
            window = window.step(step);
        }
        match self.misfit {
            Some(Misfit::Centered) => window.centered(),
            Some(Misfit::After) => window.after(1),
            Some(Misfit::Closed) => window.closed(Closed::Both),
            Some(Misfit::Step) => window.step(0),
            Some(Misfit::MinRows) => window.min_rows(100),
            _ => window,
        }
    }

    /// Notes what is wrong with the window.
    pub fn faults(&self, faults: &mut BTreeSet<String>) {
        let has_column = self.misfit != Some(Misfit::NoColumn);
        if self.is_over() && !has_column {
            faults.insert("column_not_found no order".into());
        }
        let has_rows = matches!(self.extent, Extent::Rows(_) | Extent::Centered(_));
        let is_wrong = match self.misfit {
            None | Some(Misfit::NoColumn) => false,
            Some(Misfit::Centered) => !has_rows,
            Some(Misfit::After) => !matches!(self.extent, Extent::Around { .. }),
            Some(Misfit::Closed) => !self.is_over(),
            Some(Misfit::Step) => true,
            Some(Misfit::MinRows) => match self.extent {
                Extent::Rows(rows) | Extent::Centered(rows) => rows < 100,
                Extent::Around { before, after } => {
                    let rows = before.checked_add(after.unwrap_or(0));
                    rows.is_some_and(|rows| rows < 99)
                }
                Extent::Expanding | Extent::Over { .. } => false,
            },
            Some(Misfit::Nothing) => has_rows || self.is_over(),
            Some(Misfit::OtherSpan) => self.is_over(),
        };
        let is_no_order = self.is_over() && has_column && !self.order.is_order();
        if is_wrong || is_no_order {
            faults.insert("option windows".into());
        }
    }

    /// Returns the frame with the windows' order column, if they have one.
    pub fn beside(&self, mut df: DataFrame, groups: &[Vec<usize>]) -> DataFrame {
        if self.is_over() && self.misfit != Some(Misfit::NoColumn) {
            let order = self.order.column(df.height(), groups);
            df.with_column(order)
                .expect("the column is of the frame's height");
        }
        df
    }

    /// Returns the values of the order column; times are counted in nanoseconds.
    pub fn order(&self, df: &DataFrame) -> Option<Vec<Option<i128>>> {
        if !self.is_over() {
            return None;
        }
        let values = Value::all(df.column(ORDER).expect("it has the column"));
        let values = values.iter().map(|value| match value {
            Value::Int(x) | Value::Datetime(x) | Value::Duration(x) => Some(*x),
            Value::Date(days) => Some(i128::from(*days) * 86_400_000_000_000),
            Value::Time(x) => Some(i128::from(*x)),
            _ => None,
        });
        Some(values.collect())
    }

    /// Returns the first row that has no value, or a smaller one than the row before it in its group.
    pub fn disorder(order: &[Option<i128>], groups: &[Vec<usize>]) -> Option<usize> {
        let mut first = None;
        for group in groups {
            for (at, row) in group.iter().enumerate() {
                let before = at.checked_sub(1).and_then(|before| order[group[before]]);
                let is_wrong =
                    order[*row].is_none_or(|now| before.is_some_and(|before| now < before));
                if is_wrong && first.is_none_or(|first| *row < first) {
                    first = Some(*row);
                }
            }
        }
        first
    }

    /// Returns the rows of a window, for the row at a position of its group; `None` if it must have no result.
    pub fn rows(
        &self,
        group: &[usize],
        at: usize,
        order: Option<&[Option<i128>]>,
    ) -> Option<Vec<usize>> {
        if !at.is_multiple_of(self.step.unwrap_or(1)) {
            return None;
        }
        let counted = |before: usize, after: usize| {
            let from = at.saturating_sub(before);
            let to = at.saturating_add(after).min(group.len() - 1);
            group[from..=to].to_vec()
        };
        Some(match self.extent {
            Extent::Rows(rows) => counted(rows - 1, 0),
            Extent::Centered(1) => counted(0, 0),
            Extent::Centered(rows) if rows.is_multiple_of(2) => counted(rows / 2, rows / 2 - 1),
            Extent::Centered(rows) => counted(rows / 2, rows / 2),
            Extent::Around { before, after } => counted(before, after.unwrap_or(0)),
            Extent::Expanding => counted(usize::MAX, 0),
            Extent::Over { closed, .. } => {
                let value =
                    |row: usize| order.and_then(|order| order[row]).expect("it has a value");
                let now = value(group[at]);
                let (has_left, has_right) = match closed.unwrap_or(Closed::Right) {
                    Closed::Right => (false, true),
                    Closed::Left => (true, false),
                    Closed::Both => (true, true),
                    Closed::Neither => (false, false),
                };
                // There is no number below the smallest.
                let left = now.checked_sub(self.span().into());
                let is_in = |row: &usize| {
                    let own = value(*row);
                    let is_late = left.is_none_or(|left| own > left || (has_left && own == left));
                    is_late && (own < now || (has_right && own == now))
                };
                group.iter().copied().filter(is_in).collect()
            }
        })
    }

    /// Returns how many rows a window must have that are not left out.
    pub fn least(&self) -> usize {
        self.min_rows.unwrap_or(match self.extent {
            Extent::Rows(rows) | Extent::Centered(rows) => rows,
            _ => 1,
        })
    }
}
