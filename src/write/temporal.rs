//! Dates, times, datetimes and durations, from `chrono`'s types.

use polars::prelude::DataType;
#[cfg(any(feature = "dtype-datetime", feature = "dtype-duration"))]
use polars::prelude::TimeUnit;

use super::native::{Encode, NativeSink};
use super::{IntoCell, Refused};
use crate::options::Casts;

/// Nanoseconds as microseconds, which keep them all or, where losing is permitted, the whole ones.
#[cfg(any(feature = "dtype-datetime", feature = "dtype-duration"))]
fn microseconds(whole: i64, nanoseconds: u32, casts: Casts) -> Result<i64, Refused> {
    if casts == Casts::Lossless && !nanoseconds.is_multiple_of(1000) {
        return Err(Refused::new(
            "the result has digits below the microsecond, which the column's unit is; \
             round it, or permit the loss with .casts(Casts::Lossy)"
                .into(),
        ));
    }
    Ok(whole)
}

#[cfg(feature = "dtype-date")]
impl Encode for chrono::NaiveDate {
    type Stored = i32;

    fn dtype() -> DataType {
        DataType::Date
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

    #[inline]
    fn encode(self, _: Casts) -> Result<i64, Refused> {
        use chrono::Timelike;

        const SECOND: i64 = 1_000_000_000;
        let nanoseconds =
            i64::from(self.num_seconds_from_midnight()) * SECOND + i64::from(self.nanosecond());
        // chrono counts a leap second beyond its minute; in the day's last minute that is beyond the day.
        if nanoseconds < 86_400 * SECOND {
            Ok(nanoseconds)
        } else {
            Err(Refused::new(format!(
                "{self} is a leap second, which a Time column has no place for"
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

    #[inline]
    fn encode(self, casts: Casts) -> Result<i64, Refused> {
        self.and_utc().encode(casts)
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

    #[inline]
    fn encode(self, casts: Casts) -> Result<i64, Refused> {
        microseconds(
            self.timestamp_micros(),
            self.timestamp_subsec_nanos(),
            casts,
        )
    }
}

#[cfg(feature = "dtype-duration")]
impl Encode for chrono::TimeDelta {
    type Stored = i64;

    fn dtype() -> DataType {
        DataType::Duration(TimeUnit::Microseconds)
    }

    #[inline]
    fn encode(self, casts: Casts) -> Result<i64, Refused> {
        let whole = self.num_microseconds().ok_or_else(|| {
            Refused::new(format!(
                "{self} is beyond the range of a Duration in microseconds"
            ))
        })?;
        microseconds(whole, self.subsec_nanos().unsigned_abs(), casts)
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
