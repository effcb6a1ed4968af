//! Dates, times, datetimes and durations, as `chrono`'s types.

use polars::prelude::DataType;
#[cfg(any(feature = "dtype-datetime", feature = "dtype-duration"))]
use polars::prelude::TimeUnit;

use super::counted::Counted;

#[cfg(any(feature = "dtype-datetime", feature = "dtype-duration"))]
fn unit(dtype: &DataType) -> TimeUnit {
    match dtype {
        DataType::Datetime(unit, _) | DataType::Duration(unit) => *unit,
        _ => TimeUnit::Microseconds,
    }
}

#[cfg(feature = "dtype-date")]
impl Counted for chrono::NaiveDate {
    type Stored = i32;
    type Unit = ();

    const CRATE: &'static str = "chrono";
    const NAME: &'static str = "NaiveDate";

    fn takes(dtype: &DataType) -> bool {
        matches!(dtype, DataType::Date)
    }

    fn unit(_: &DataType) {}

    fn default_dtype() -> DataType {
        DataType::Date
    }

    #[inline(always)]
    fn decode(days: i32, _: ()) -> Option<Self> {
        chrono::NaiveDate::from_epoch_days(days)
    }
}

#[cfg(feature = "dtype-time")]
impl Counted for chrono::NaiveTime {
    type Stored = i64;
    type Unit = ();

    const CRATE: &'static str = "chrono";
    const NAME: &'static str = "NaiveTime";

    fn takes(dtype: &DataType) -> bool {
        matches!(dtype, DataType::Time)
    }

    fn unit(_: &DataType) {}

    fn default_dtype() -> DataType {
        DataType::Time
    }

    #[inline(always)]
    fn decode(nanoseconds: i64, _: ()) -> Option<Self> {
        const SECOND: i64 = 1_000_000_000;
        let seconds = u32::try_from(nanoseconds.div_euclid(SECOND)).ok()?;
        chrono::NaiveTime::from_num_seconds_from_midnight_opt(
            seconds,
            nanoseconds.rem_euclid(SECOND) as u32,
        )
    }
}

#[cfg(feature = "dtype-duration")]
impl Counted for chrono::TimeDelta {
    type Stored = i64;
    type Unit = TimeUnit;

    const CRATE: &'static str = "chrono";
    const NAME: &'static str = "TimeDelta";

    fn takes(dtype: &DataType) -> bool {
        matches!(dtype, DataType::Duration(_))
    }

    fn unit(dtype: &DataType) -> TimeUnit {
        unit(dtype)
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
impl Counted for chrono::DateTime<chrono::Utc> {
    type Stored = i64;
    type Unit = TimeUnit;

    const CRATE: &'static str = "chrono";
    const NAME: &'static str = "DateTime<Utc>";

    fn takes(dtype: &DataType) -> bool {
        matches!(dtype, DataType::Datetime(_, Some(_)))
    }

    fn unit(dtype: &DataType) -> TimeUnit {
        unit(dtype)
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
impl Counted for chrono::NaiveDateTime {
    type Stored = i64;
    type Unit = TimeUnit;

    const CRATE: &'static str = "chrono";
    const NAME: &'static str = "NaiveDateTime";

    fn takes(dtype: &DataType) -> bool {
        matches!(dtype, DataType::Datetime(_, None))
    }

    fn unit(dtype: &DataType) -> TimeUnit {
        unit(dtype)
    }

    fn default_dtype() -> DataType {
        DataType::Datetime(TimeUnit::Microseconds, None)
    }

    #[inline(always)]
    fn decode(count: i64, unit: TimeUnit) -> Option<Self> {
        chrono::DateTime::<chrono::Utc>::decode(count, unit).map(|time| time.naive_utc())
    }
}
