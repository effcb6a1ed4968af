//! The order column: whether a span suits it, its values in the order in which rows are read, and the check that they ascend.

use std::ops::{Deref, Range};

use polars::prelude::{Column, DataType, TimeUnit};
use polars_arrow::array::{Array, PrimitiveArray};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::types::NativeType;

use super::reading::Reading;
use super::span::{Length, Span};
use crate::error::{Error, ErrorKind, Place, Result, dtype_name};
use crate::groups::ShareOut;
use crate::row_numbers::RowNumbers;
use crate::sync::{Mutex, PoisonError};

/// The unit that a column's integers count.
#[derive(Clone, Copy, Debug)]
enum OrderUnit {
    One,
    Nanoseconds(u128),
}

const DAY: u128 = 86_400_000_000_000;

impl OrderUnit {
    fn of(dtype: &DataType) -> Option<Self> {
        match dtype {
            dtype if dtype.is_integer() => Some(OrderUnit::One),
            DataType::Date => Some(OrderUnit::Nanoseconds(DAY)),
            DataType::Time => Some(OrderUnit::Nanoseconds(1)),
            DataType::Datetime(unit, _) | DataType::Duration(unit) => {
                Some(OrderUnit::Nanoseconds(match unit {
                    TimeUnit::Nanoseconds => 1,
                    TimeUnit::Microseconds => 1_000,
                    TimeUnit::Milliseconds => 1_000_000,
                }))
            }
            _ => None,
        }
    }
}

/// Returns why windows cannot go over a column by a span, and what would be suitable.
pub(super) fn misfit(order: &Column, span: Span) -> Option<String> {
    let name = order.name().as_str();
    let dtype = dtype_name(order.dtype());
    match (OrderUnit::of(order.dtype()), span.0) {
        (None, _) => Some(format!(
            "the order column of windows must be an integer, date or time column, but column {name:?} is {dtype}; cast it \
             first, or count rows with Window::rows(n)"
        )),
        (Some(OrderUnit::One), Length::Nanoseconds(_)) => Some(format!(
            "column {name:?} is {dtype}, but the span over it is a length of time ({span}); give an integer, or cast the \
             column to Datetime or Duration first"
        )),
        (Some(OrderUnit::Nanoseconds(_)), Length::Number(_)) => Some(format!(
            "column {name:?} is {dtype}, but the span over it is the number {span}; give a length of time such as \
             TimeDelta::hours(24)"
        )),
        (Some(OrderUnit::One), Length::Number(_))
        | (Some(OrderUnit::Nanoseconds(_)), Length::Nanoseconds(_)) => None,
    }
}

/// Returns how much earlier a value may be and still be in the window, in the unit of the column; a value at exactly this
/// distance is included.
///
/// The span is not rounded to the unit: whole units below 1.5 are those up to 1.
pub(super) fn reach(dtype: &DataType, span: Span, has_left: bool) -> u128 {
    let (Length::Number(span) | Length::Nanoseconds(span)) = span.0;
    // Spans that are not positive are faults of the window, for which the call was refused.
    let span = u128::try_from(span).unwrap_or(0).max(1);
    let unit = match OrderUnit::of(dtype) {
        Some(OrderUnit::Nanoseconds(unit)) => unit,
        Some(OrderUnit::One) | None => 1,
    };
    if has_left {
        span / unit
    } else {
        (span - 1) / unit
    }
}

/// A value of an order column: the integer that Polars has for it; unsigned integers are shifted down by the same amount.
pub(super) trait OrderValue: Copy + Ord + Send + Sync {
    /// The distance of two values, which can be more than the type of the values can hold.
    type Apart: Copy + Ord + Send + Sync;

    /// Returns how long after an earlier value this one is.
    fn since(self, earlier: Self) -> Self::Apart;

    /// Returns the reach as a distance, or the greatest distance if the reach is more than that.
    fn apart(reach: u128) -> Self::Apart;
}

impl OrderValue for i64 {
    type Apart = u64;

    #[inline(always)]
    fn since(self, earlier: i64) -> u64 {
        self.wrapping_sub(earlier) as u64
    }

    fn apart(reach: u128) -> u64 {
        u64::try_from(reach).unwrap_or(u64::MAX)
    }
}

impl OrderValue for i128 {
    type Apart = u128;

    #[inline(always)]
    fn since(self, earlier: i128) -> u128 {
        self.wrapping_sub(earlier) as u128
    }

    fn apart(reach: u128) -> u128 {
        reach
    }
}

/// The values of an order column, by position.
#[derive(Debug)]
pub(super) enum Order {
    Long(OrderValues<i64>),
    Wide(OrderValues<i128>),
}

#[derive(Debug)]
pub(super) enum OrderValues<T: NativeType> {
    /// The values in the memory of the column.
    InPlace(PrimitiveArray<T>),
    Gathered(Vec<T>),
}

impl<T: NativeType> Deref for OrderValues<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            OrderValues::InPlace(array) => array.values(),
            OrderValues::Gathered(values) => values,
        }
    }
}

impl Order {
    /// Reads the column, and checks that it has no null and does not decrease within any group.
    ///
    /// A column in several chunks is copied into one.
    pub(super) fn read(
        column: &Column,
        reading: &Reading<'_>,
        numbers: &RowNumbers,
        share_out: ShareOut<'_>,
    ) -> Result<Order> {
        let series = column.as_materialized_series();
        let mut physical = series.to_physical_repr().into_owned();
        if physical.n_chunks() != 1 {
            physical = physical.rechunk();
        }
        let array = &*physical.chunks()[0];
        macro_rules! ticks {
            ($Kind:ident, $T:ident => $to:expr) => {
                Order::$Kind(OrderValues::Gathered(gather(
                    whole::<$T>(array),
                    reading,
                    share_out,
                    $to,
                )?))
            };
        }
        let order = match physical.dtype() {
            DataType::Int64 if reading.row_at.is_none() => {
                Order::Long(OrderValues::InPlace(whole::<i64>(array).clone()))
            }
            DataType::Int128 if reading.row_at.is_none() => {
                Order::Wide(OrderValues::InPlace(whole::<i128>(array).clone()))
            }
            DataType::Int8 => ticks!(Long, i8 => i64::from),
            DataType::Int16 => ticks!(Long, i16 => i64::from),
            DataType::Int32 => ticks!(Long, i32 => i64::from),
            DataType::Int64 => ticks!(Long, i64 => |value| value),
            DataType::Int128 => ticks!(Wide, i128 => |value| value),
            DataType::UInt8 => ticks!(Long, u8 => i64::from),
            DataType::UInt16 => ticks!(Long, u16 => i64::from),
            DataType::UInt32 => ticks!(Long, u32 => i64::from),
            DataType::UInt64 => ticks!(Long, u64 => |value| (value ^ (1 << 63)) as i64),
            DataType::UInt128 => ticks!(Wide, u128 => |value| (value ^ (1 << 127)) as i128),
            dtype => unreachable!("windows over a column of {dtype:?} are refused"),
        };
        let validity = array
            .validity()
            .filter(|validity| validity.unset_bits() > 0);
        let fault = match &order {
            Order::Long(values) => first_fault(values, validity, reading, share_out)?,
            Order::Wide(values) => first_fault(values, validity, reading, share_out)?,
        };
        match fault {
            Some(fault) => Err(fault.error(column.name(), reading, numbers)),
            None => Ok(order),
        }
    }
}

fn whole<T: NativeType>(array: &dyn Array) -> &PrimitiveArray<T> {
    let whole = array.as_any().downcast_ref();
    whole.expect("a column's chunks have the physical type of its dtype")
}

/// Returns the values by position, each of them converted.
fn gather<T: NativeType, O: Copy + Default + Send>(
    array: &PrimitiveArray<T>,
    reading: &Reading<'_>,
    share_out: ShareOut<'_>,
    to: impl Fn(T) -> O + Sync,
) -> Result<Vec<O>> {
    let values = array.values().as_slice();
    reading.fill(O::default(), share_out, &|first, out| {
        let Some(row_at) = reading.row_at else {
            let values = &values[first..first + out.len()];
            out.iter_mut()
                .zip(values)
                .for_each(|(out, value)| *out = to(*value));
            return;
        };
        for (position, out) in (first..).zip(out) {
            *out = to(values[row_at(position)]);
        }
    })
}

/// A row at which a column is not in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Disorder {
    row: usize,
    /// The row that was read before it and has a greater value; `None` if the value is null.
    after: Option<usize>,
}

/// Returns the fault of the lowest row.
///
/// The value in the place of a null may be anything, so it can seem to be in order or not. But a row that seems to be below a
/// null before it is not the lowest row at fault.
fn first_fault<T: OrderValue>(
    values: &[T],
    validity: Option<&Bitmap>,
    reading: &Reading<'_>,
    share_out: ShareOut<'_>,
) -> Result<Option<Disorder>> {
    let lowest: Mutex<Option<Disorder>> = Mutex::default();
    let note = |fault: Disorder| {
        let mut lowest = lowest.lock().unwrap_or_else(PoisonError::into_inner);
        *lowest = Some(lowest.map_or(fault, |lowest| lowest.min(fault)));
    };
    reading.pieces(share_out, &|range: Range<usize>| {
        for stretch in reading.stretches(range) {
            let part = stretch.part;
            if let Some(validity) = validity {
                let mut rows = part.clone().map(|position| reading.row(position));
                if let Some(row) = rows.find(|row| !validity.get_bit(*row)) {
                    note(Disorder { row, after: None });
                }
            }
            // This includes the last value of the part before it.
            let first = part.start.saturating_sub(1).max(stretch.group.start);
            let pairs = &values[first..part.end];
            if !pairs.is_sorted()
                && let Some(pair) = pairs.windows(2).position(|pair| pair[0] > pair[1])
            {
                let (row, after) = (reading.row(first + pair + 1), reading.row(first + pair));
                note(Disorder {
                    row,
                    after: Some(after),
                });
            }
        }
    })?;
    Ok(lowest.into_inner().unwrap_or_else(PoisonError::into_inner))
}

impl Disorder {
    fn error(self, column: &str, reading: &Reading<'_>, numbers: &RowNumbers) -> Error {
        let message = match self.after {
            None => {
                "the value is null, and an order column of windows must have no nulls; fill or drop them first"
                    .into()
            }
            Some(after) => {
                let after = numbers.of(after);
                let within = if reading.groups.is_some() {
                    " within a group"
                } else {
                    ""
                };
                format!(
                    "the value is below that of row {after}, and an order column of windows must not decrease{within}; \
                     sort the frame by it first"
                )
            }
        };
        ErrorKind::Value {
            place: Place::Row(numbers.of(self.row)),
            column: Some(column.to_owned()),
            message,
        }
        .into()
    }
}
