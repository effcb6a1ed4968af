//! Dates, times, datetimes and durations, as `chrono`'s types.

use polars::prelude::{DataType, TimeUnit};
use polars_arrow::array::{Array, PrimitiveArray};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::types::NativeType;

use super::any::AnyChunk;
use super::{
    Cell, Fault, Fit, ListItem, Mask, Misread, Reader, downcast, validity, view_is_reader,
};

/// A `chrono` type as Polars stores it: a count of days, or of a unit of time.
#[doc(hidden)]
pub trait Temporal: Copy + Send + Sync {
    type Stored: NativeType + PartialOrd;

    const NAME: &'static str;

    fn takes(dtype: &DataType) -> bool;

    /// What a column of nulls is cast to.
    fn default_dtype() -> DataType;

    /// The value, if the Rust type can hold it.
    fn decode(stored: Self::Stored, unit: TimeUnit) -> Option<Self>;

    /// Whether every value from the lowest to the highest of a block can be held.
    fn holds(low: Self::Stored, high: Self::Stored, unit: TimeUnit) -> bool {
        Self::decode(low, unit).is_some() && Self::decode(high, unit).is_some()
    }
}

/// A chunk of a temporal column.
#[doc(hidden)]
#[derive(Debug)]
pub struct TemporalChunk<'a, S> {
    values: &'a [S],
    unit: TimeUnit,
    validity: Option<&'a Bitmap>,
}

/// Reads and converts one value at a time.
#[doc(hidden)]
#[derive(Debug)]
pub struct TemporalReader<'s, T: Temporal> {
    values: &'s [T::Stored],
    unit: TimeUnit,
    mask: Mask<'s>,
    /// Whether the block holds a value that `T` cannot.
    beyond: bool,
}

impl<T: Temporal> Clone for TemporalReader<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Temporal> Copy for TemporalReader<'_, T> {}

impl<T: Temporal> Reader for TemporalReader<'_, T> {
    type Item = T;

    fn has_nulls(&self) -> bool {
        self.mask.has_nulls() || self.beyond
    }

    #[inline(always)]
    unsafe fn is_valid(&self, i: usize) -> bool {
        // SAFETY: the caller vouches for `i`.
        unsafe { self.mask.is_valid(i) && !self.unreadable(i) }
    }

    #[inline(always)]
    unsafe fn read<const NULLS: bool>(&self, i: usize) -> T {
        // SAFETY: `values` has the block's length (`open`), and the caller vouches for `i`.
        let stored = unsafe { *self.values.get_unchecked(i) };
        T::decode(stored, self.unit).expect("`open` found values beyond the type's range, if any")
    }

    #[inline(always)]
    unsafe fn unreadable(&self, i: usize) -> bool {
        // SAFETY: the caller vouches for `i`.
        self.beyond
            && unsafe { self.mask.is_valid(i) }
            && T::decode(self.values[i], self.unit).is_none()
    }

    unsafe fn fault(&self, i: usize) -> Fault {
        Fault {
            argument: 0,
            // SAFETY: the caller vouches for `i`.
            message: unsafe { self.unreadable(i) }.then(|| beyond::<T>(self.values[i])),
        }
    }
}

fn beyond<T: Temporal>(stored: T::Stored) -> String {
    format!(
        "the value stored as {stored} is beyond the range of chrono's {}",
        T::NAME
    )
}

fn unit(dtype: &DataType) -> TimeUnit {
    match dtype {
        DataType::Datetime(unit, _) | DataType::Duration(unit) => *unit,
        _ => TimeUnit::Nanoseconds,
    }
}

/// The lowest and the highest value.
fn range<S: Copy + PartialOrd>(values: &[S]) -> Option<(S, S)> {
    let first = *values.first()?;
    Some(values.iter().fold((first, first), |(low, high), value| {
        (
            if *value < low { *value } else { low },
            if *value > high { *value } else { high },
        )
    }))
}

macro_rules! temporal {
    ($(#[$cfg:meta])* $T:ty) => {
        $(#[$cfg])*
        impl Cell for $T {
            type Of<'a> = $T;
            type Chunk<'a> = TemporalChunk<'a, <$T as Temporal>::Stored>;
            type Scratch = ();
            type Reader<'s> = TemporalReader<'s, $T>;

            view_is_reader!();

            fn type_name() -> String {
                <$T as Temporal>::NAME.into()
            }

            fn fit(dtype: &DataType) -> Fit {
                match dtype {
                    DataType::Null => Fit::Cast(<$T as Temporal>::default_dtype()),
                    dtype if <$T as Temporal>::takes(dtype) => Fit::Converted,
                    _ => Fit::Never,
                }
            }

            unsafe fn bind<'a>(dtype: &'a DataType, array: &'a dyn Array) -> Self::Chunk<'a> {
                TemporalChunk {
                    values: downcast::<PrimitiveArray<<$T as Temporal>::Stored>>(array).values(),
                    unit: unit(dtype),
                    validity: validity(array),
                }
            }

            #[inline]
            fn open<'s>(
                chunk: &'s Self::Chunk<'_>,
                offset: usize,
                len: usize,
                (): &'s mut (),
            ) -> Self::Reader<'s> {
                let values = &chunk.values[offset..offset + len];
                // What lies in a null's place counts too; it only costs a second look.
                let beyond = range(values)
                    .is_some_and(|(low, high)| !<$T as Temporal>::holds(low, high, chunk.unit));
                TemporalReader {
                    values,
                    unit: chunk.unit,
                    mask: Mask::new(chunk.validity, offset, len),
                    beyond,
                }
            }

            fn has_nulls(chunk: &Self::Chunk<'_>) -> bool {
                chunk.validity.is_some()
            }

            fn get<'a>(chunk: &AnyChunk<'a>, row: usize) -> Result<$T, Misread> {
                if chunk.is_null(row) {
                    return Err(Misread::Null);
                }
                if !<$T as Temporal>::takes(chunk.dtype) {
                    return Err(Misread::Dtype);
                }
                let array: &PrimitiveArray<<$T as Temporal>::Stored> = downcast(chunk.array);
                let stored = array.value(row);
                <$T as Temporal>::decode(stored, unit(chunk.dtype))
                    .ok_or_else(|| Misread::Value(beyond::<$T>(stored)))
            }
        }

        $(#[$cfg])*
        impl ListItem for $T {}
    };
}

temporal!(
    #[cfg(feature = "dtype-date")]
    chrono::NaiveDate
);
temporal!(
    #[cfg(feature = "dtype-time")]
    chrono::NaiveTime
);
temporal!(
    #[cfg(feature = "dtype-duration")]
    chrono::TimeDelta
);
temporal!(
    #[cfg(feature = "dtype-datetime")]
    chrono::NaiveDateTime
);
temporal!(#[cfg(feature = "timezones")] chrono::DateTime<chrono::Utc>);

#[cfg(feature = "dtype-date")]
impl Temporal for chrono::NaiveDate {
    type Stored = i32;

    const NAME: &'static str = "NaiveDate";

    fn takes(dtype: &DataType) -> bool {
        matches!(dtype, DataType::Date)
    }

    fn default_dtype() -> DataType {
        DataType::Date
    }

    #[inline(always)]
    fn decode(days: i32, _: TimeUnit) -> Option<Self> {
        chrono::NaiveDate::from_epoch_days(days)
    }
}

#[cfg(feature = "dtype-time")]
impl Temporal for chrono::NaiveTime {
    type Stored = i64;

    const NAME: &'static str = "NaiveTime";

    fn takes(dtype: &DataType) -> bool {
        matches!(dtype, DataType::Time)
    }

    fn default_dtype() -> DataType {
        DataType::Time
    }

    #[inline(always)]
    fn decode(nanoseconds: i64, _: TimeUnit) -> Option<Self> {
        const SECOND: i64 = 1_000_000_000;
        let seconds = u32::try_from(nanoseconds.div_euclid(SECOND)).ok()?;
        chrono::NaiveTime::from_num_seconds_from_midnight_opt(
            seconds,
            nanoseconds.rem_euclid(SECOND) as u32,
        )
    }
}

#[cfg(feature = "dtype-duration")]
impl Temporal for chrono::TimeDelta {
    type Stored = i64;

    const NAME: &'static str = "TimeDelta";

    fn takes(dtype: &DataType) -> bool {
        matches!(dtype, DataType::Duration(_))
    }

    fn default_dtype() -> DataType {
        DataType::Duration(TimeUnit::Microseconds)
    }

    #[inline(always)]
    fn decode(count: i64, unit: TimeUnit) -> Option<Self> {
        match unit {
            TimeUnit::Nanoseconds => Some(chrono::TimeDelta::nanoseconds(count)),
            TimeUnit::Microseconds => Some(chrono::TimeDelta::microseconds(count)),
            TimeUnit::Milliseconds => chrono::TimeDelta::try_milliseconds(count),
        }
    }
}

#[cfg(feature = "dtype-datetime")]
impl Temporal for chrono::DateTime<chrono::Utc> {
    type Stored = i64;

    const NAME: &'static str = "DateTime<Utc>";

    fn takes(dtype: &DataType) -> bool {
        matches!(dtype, DataType::Datetime(_, Some(_)))
    }

    fn default_dtype() -> DataType {
        DataType::Datetime(
            TimeUnit::Microseconds,
            Some(polars_core::datatypes::TimeZone::UTC),
        )
    }

    #[inline(always)]
    fn decode(count: i64, unit: TimeUnit) -> Option<Self> {
        match unit {
            TimeUnit::Nanoseconds => Some(chrono::DateTime::from_timestamp_nanos(count)),
            TimeUnit::Microseconds => chrono::DateTime::from_timestamp_micros(count),
            TimeUnit::Milliseconds => chrono::DateTime::from_timestamp_millis(count),
        }
    }
}

#[cfg(feature = "dtype-datetime")]
impl Temporal for chrono::NaiveDateTime {
    type Stored = i64;

    const NAME: &'static str = "NaiveDateTime";

    fn takes(dtype: &DataType) -> bool {
        matches!(dtype, DataType::Datetime(_, None))
    }

    fn default_dtype() -> DataType {
        DataType::Datetime(TimeUnit::Microseconds, None)
    }

    #[inline(always)]
    fn decode(count: i64, unit: TimeUnit) -> Option<Self> {
        chrono::DateTime::<chrono::Utc>::decode(count, unit).map(|time| time.naive_utc())
    }
}
