//! Dates, times, datetimes and durations, from `chrono`'s types.

#[cfg(any(feature = "dtype-datetime", feature = "dtype-duration"))]
use std::fmt::Display;

use polars::prelude::DataType;
#[cfg(any(feature = "dtype-datetime", feature = "dtype-duration"))]
use polars::prelude::TimeUnit;

use super::native::{Encode, NativeSink};
#[cfg(any(feature = "dtype-datetime", feature = "dtype-duration"))]
use super::returns::misfit;
#[cfg(any(feature = "dtype-date", feature = "dtype-time"))]
use super::returns::only;
use super::{IntoCell, Refused};
use crate::options::Casts;

/// Returns the name of a unit, and how many nanoseconds it has.
#[cfg(any(feature = "dtype-datetime", feature = "dtype-duration"))]
fn unit_of(unit: TimeUnit) -> (&'static str, u32) {
    match unit {
        TimeUnit::Nanoseconds => ("nanosecond", 1),
        TimeUnit::Microseconds => ("microsecond", 1_000),
        TimeUnit::Milliseconds => ("millisecond", 1_000_000),
    }
}

/// Returns the unit of a column.
#[cfg(any(feature = "dtype-datetime", feature = "dtype-duration"))]
fn column_unit(dtype: &DataType) -> TimeUnit {
    match dtype {
        DataType::Datetime(unit, _) | DataType::Duration(unit) => *unit,
        _ => TimeUnit::Microseconds,
    }
}

/// Returns `whole` units of a time, if they keep all of its nanoseconds or if losing digits is permitted.
#[cfg(any(feature = "dtype-datetime", feature = "dtype-duration"))]
#[inline]
fn whole_units(whole: i64, nanoseconds: u32, unit: TimeUnit, casts: Casts) -> Result<i64, Refused> {
    let (name, size) = unit_of(unit);
    if casts == Casts::Lossless && !nanoseconds.is_multiple_of(size) {
        return Err(below(name));
    }
    Ok(whole)
}

#[cfg(any(feature = "dtype-datetime", feature = "dtype-duration"))]
#[cold]
fn below(unit: &str) -> Refused {
    Refused::new(format!(
        "the result is more precise than the column's unit, the {unit}; round it, give a finer unit with .returns([dtype]), \
         or permit the loss with .casts(Casts::Lossy)"
    ))
}

#[cfg(any(feature = "dtype-datetime", feature = "dtype-duration"))]
#[cold]
fn beyond(time: impl Display, dtype: &str, unit: TimeUnit) -> Refused {
    let (name, _) = unit_of(unit);
    Refused::new(format!(
        "{time} is beyond the range of a {dtype} in {name}s"
    ))
}

/// Converts a count of one unit to a count of another.
#[cfg(any(feature = "dtype-datetime", feature = "dtype-duration"))]
pub(super) fn rescaled(
    count: i64,
    from: TimeUnit,
    unit: TimeUnit,
    casts: Casts,
) -> Result<i64, Refused> {
    let ((from_name, from), (name, to)) = (unit_of(from), unit_of(unit));
    if from >= to {
        let count = count.checked_mul(i64::from(from / to));
        return count.ok_or_else(|| {
            Refused::new(format!(
                "{count:?} {from_name}s are beyond the range of a column in {name}s"
            ))
        });
    }
    let units = i64::from(to / from);
    if casts == Casts::Lossless && count % units != 0 {
        return Err(below(name));
    }
    Ok(count.div_euclid(units))
}

#[cfg(feature = "dtype-date")]
impl Encode for chrono::NaiveDate {
    type Stored = i32;

    fn dtype() -> DataType {
        DataType::Date
    }

    fn fit(dtype: &DataType) -> Result<bool, String> {
        only(&DataType::Date, dtype)
    }

    #[inline]
    fn encode(self, _: Casts) -> Result<i32, Refused> {
        Ok(self.to_epoch_days())
    }
}

#[cfg(feature = "dtype-time")]
impl Encode for chrono::NaiveTime {
    type Stored = i64;

    fn dtype() -> DataType {
        DataType::Time
    }

    fn fit(dtype: &DataType) -> Result<bool, String> {
        only(&DataType::Time, dtype)
    }

    #[inline]
    fn encode(self, _: Casts) -> Result<i64, Refused> {
        use chrono::Timelike;

        const SECOND: i64 = 1_000_000_000;
        let nanoseconds =
            i64::from(self.num_seconds_from_midnight()) * SECOND + i64::from(self.nanosecond());
        // chrono counts a leap second beyond its minute, so in the last minute of the day it is beyond the day.
        if nanoseconds < 86_400 * SECOND {
            Ok(nanoseconds)
        } else {
            Err(Refused::new(format!(
                "{self} is a leap second, which a Time column cannot hold"
            )))
        }
    }
}

#[cfg(feature = "dtype-datetime")]
impl Encode for chrono::NaiveDateTime {
    type Stored = i64;

    fn dtype() -> DataType {
        DataType::Datetime(TimeUnit::Microseconds, None)
    }

    fn fit(dtype: &DataType) -> Result<bool, String> {
        match dtype {
            DataType::Datetime(_, None) => Ok(*dtype == Self::dtype()),
            dtype => Err(misfit(
                "NaiveDateTime",
                "a Datetime of any unit without a time zone",
                dtype,
            )),
        }
    }

    #[inline]
    fn encode(self, casts: Casts) -> Result<i64, Refused> {
        self.and_utc().encode(casts)
    }

    fn encode_as(self, dtype: &DataType, casts: Casts) -> Result<i64, Refused> {
        self.and_utc().encode_as(dtype, casts)
    }
}

#[cfg(feature = "dtype-datetime")]
impl Encode for chrono::DateTime<chrono::Utc> {
    type Stored = i64;

    fn dtype() -> DataType {
        DataType::Datetime(
            TimeUnit::Microseconds,
            Some(polars_core::datatypes::TimeZone::UTC),
        )
    }

    fn fit(dtype: &DataType) -> Result<bool, String> {
        match dtype {
            DataType::Datetime(_, Some(_)) => Ok(*dtype == Self::dtype()),
            dtype => Err(misfit(
                "DateTime<Utc>",
                "a Datetime of any unit with a time zone",
                dtype,
            )),
        }
    }

    #[inline]
    fn encode(self, casts: Casts) -> Result<i64, Refused> {
        whole_units(
            self.timestamp_micros(),
            self.timestamp_subsec_nanos(),
            TimeUnit::Microseconds,
            casts,
        )
    }

    fn encode_as(self, dtype: &DataType, casts: Casts) -> Result<i64, Refused> {
        let unit = column_unit(dtype);
        let whole = match unit {
            TimeUnit::Nanoseconds => self
                .timestamp_nanos_opt()
                .ok_or_else(|| beyond(self, "Datetime", unit))?,
            TimeUnit::Microseconds => self.timestamp_micros(),
            TimeUnit::Milliseconds => self.timestamp_millis(),
        };
        whole_units(whole, self.timestamp_subsec_nanos(), unit, casts)
    }
}

#[cfg(feature = "dtype-duration")]
impl Encode for chrono::TimeDelta {
    type Stored = i64;

    fn dtype() -> DataType {
        DataType::Duration(TimeUnit::Microseconds)
    }

    fn fit(dtype: &DataType) -> Result<bool, String> {
        match dtype {
            DataType::Duration(_) => Ok(*dtype == Self::dtype()),
            dtype => Err(misfit("TimeDelta", "a Duration of any unit", dtype)),
        }
    }

    #[inline]
    fn encode(self, casts: Casts) -> Result<i64, Refused> {
        self.encode_as(&DataType::Duration(TimeUnit::Microseconds), casts)
    }

    #[inline]
    fn encode_as(self, dtype: &DataType, casts: Casts) -> Result<i64, Refused> {
        let unit = column_unit(dtype);
        let whole = match unit {
            TimeUnit::Nanoseconds => self.num_nanoseconds(),
            TimeUnit::Microseconds => self.num_microseconds(),
            TimeUnit::Milliseconds => Some(self.num_milliseconds()),
        };
        let whole = whole.ok_or_else(|| beyond(self, "Duration", unit))?;
        whole_units(whole, self.subsec_nanos().unsigned_abs(), unit, casts)
    }
}

macro_rules! temporal {
    ($($(#[$cfg:meta])* $T:ty),*) => {
        $(
            $(#[$cfg])*
            impl IntoCell for $T {
                type Sink = NativeSink<$T>;

                #[inline]
                fn into_item(
                    self,
                    casts: Casts,
                ) -> Result<<$T as Encode>::Stored, Refused> {
                    self.encode(casts)
                }

                fn into_item_as(
                    self,
                    dtype: &DataType,
                    casts: Casts,
                ) -> Result<<$T as Encode>::Stored, Refused> {
                    self.encode_as(dtype, casts)
                }
            }
        )*
    };
}

temporal!(
    #[cfg(feature = "dtype-date")] chrono::NaiveDate,
    #[cfg(feature = "dtype-time")] chrono::NaiveTime,
    #[cfg(feature = "dtype-datetime")] chrono::NaiveDateTime,
    #[cfg(feature = "timezones")] chrono::DateTime<chrono::Utc>,
    #[cfg(feature = "dtype-duration")] chrono::TimeDelta
);
