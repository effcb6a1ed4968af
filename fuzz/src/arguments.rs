//! The types that closures take: which columns each takes according to the documentation, and what it is given of a row.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use polars::prelude::{AnyValue, Column, DataType, PlSmallStr, Series};
use polars_par_apply::Struct;
use rust_decimal::Decimal;

use crate::frame::{KINDS, Kind};
use crate::value::{Number, Value};

/// The kind of an argument's type.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// A number or a Boolean: its dtype, and what a value becomes if a conversion may lose.
    Number(DataType, Number),
    Text,
    Bytes,
    Date,
    Time,
    Datetime,
    Zoned,
    Duration,
    Decimal,
    List(Box<Taken>),
    Series,
    /// A struct of two fields.
    Struct(Box<(Taken, Taken)>),
    Any,
    Optional(Box<Taken>),
}

/// How a type takes a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    Whole,
    /// By a conversion that may lose values.
    Lossy,
    Never,
}

/// The value of an argument in one row.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    Value(Value),
    Null,
    /// The type cannot hold the value.
    Unreadable,
}

impl Taken {
    pub fn fit(&self, dtype: &DataType) -> Fit {
        let whole = |is: bool| if is { Fit::Whole } else { Fit::Never };
        if *dtype == DataType::Null {
            return Fit::Whole;
        }
        let inner = match dtype {
            DataType::List(inner) | DataType::Array(inner, _) => Some(inner),
            _ => None,
        };
        match self {
            Taken::Number(own, _) => {
                if own == dtype || holds(own, dtype) {
                    Fit::Whole
                } else if dtype.is_numeric() || (*dtype == DataType::Boolean && own.is_numeric()) {
                    Fit::Lossy
                } else {
                    Fit::Never
                }
            }
            Taken::Text => whole(
                *dtype == DataType::String
                    || matches!(dtype, DataType::Categorical(..) | DataType::Enum(..)),
            ),
            Taken::Bytes => whole(*dtype == DataType::Binary),
            Taken::Date => whole(*dtype == DataType::Date),
            Taken::Time => whole(*dtype == DataType::Time),
            Taken::Datetime => whole(matches!(dtype, DataType::Datetime(_, None))),
            Taken::Zoned => whole(matches!(dtype, DataType::Datetime(_, Some(_)))),
            Taken::Duration => whole(matches!(dtype, DataType::Duration(_))),
            Taken::Decimal => whole(dtype.is_decimal()),
            Taken::Series => whole(inner.is_some()),
            Taken::List(item) => inner.map_or(Fit::Never, |inner| item.fit(inner)),
            Taken::Struct(fields) => match dtype {
                DataType::Struct(of) if of.len() == 2 => {
                    fields.0.fit(&of[0].dtype).max(fields.1.fit(&of[1].dtype))
                }
                _ => Fit::Never,
            },
            Taken::Any => Fit::Whole,
            Taken::Optional(some) => some.fit(dtype),
        }
    }

    /// Returns the kinds of columns that it takes without a conversion.
    pub fn kinds(&self) -> Vec<Kind> {
        let kinds = KINDS.iter().copied();
        kinds
            .filter(|kind| self.fit(&kind.dtype()) == Fit::Whole)
            .collect()
    }

    /// Returns what it is given for a value.
    pub fn read(&self, value: &Value) -> Read {
        let held = |is: bool| match is {
            true => Read::Value(value.clone()),
            false => Read::Unreadable,
        };
        let second = 1_000_000_000;
        match (self, value) {
            (Taken::Optional(some), value) => match some.read(value) {
                Read::Null => Read::Value(Value::Null),
                other => other,
            },
            (Taken::Any, value) => Read::Value(value.clone()),
            (_, Value::Null) => Read::Null,
            (Taken::Number(_, number), value) => match number.cut(value) {
                Value::Null => Read::Null,
                value => Read::Value(value),
            },
            (Taken::Date, Value::Date(days)) => held(NaiveDate::from_epoch_days(*days).is_some()),
            (Taken::Datetime | Taken::Zoned, Value::Datetime(at)) => {
                let seconds = i64::try_from(at.div_euclid(second)).ok();
                held(seconds.is_some_and(|at| DateTime::from_timestamp(at, 0).is_some()))
            }
            (Taken::Duration, Value::Duration(long)) => {
                let bound = i128::from(i64::MAX) * 1_000_000;
                held((-bound..=bound).contains(long))
            }
            (Taken::Decimal, Value::Decimal(mantissa, scale)) => {
                held(mantissa.unsigned_abs() < 1 << 96 && *scale <= 28)
            }
            (Taken::List(item), Value::List(values)) => {
                let mut items = Vec::new();
                let mut is_null = false;
                for value in values {
                    match item.read(value) {
                        Read::Value(value) => items.push(value),
                        Read::Null => is_null = true,
                        Read::Unreadable => return Read::Unreadable,
                    }
                }
                match is_null {
                    true => Read::Null,
                    false => Read::Value(Value::List(items)),
                }
            }
            (Taken::Struct(types), Value::Struct(fields)) => {
                match (types.0.read(&fields[0]), types.1.read(&fields[1])) {
                    (Read::Unreadable, _) | (_, Read::Unreadable) => Read::Unreadable,
                    (Read::Null, _) | (_, Read::Null) => Read::Null,
                    (Read::Value(x), Read::Value(y)) => Read::Value(Value::Struct(vec![x, y])),
                }
            }
            _ => Read::Value(value.clone()),
        }
    }

    /// Returns what it is given for a column that it takes, row by row.
    pub fn read_all(&self, column: &Column) -> Vec<Read> {
        // A decimal that is taken as a float is rounded as Polars rounds it.
        let plain = match self {
            Taken::Optional(some) => some,
            other => other,
        };
        let rounded = match plain {
            Taken::Number(dtype, _) if dtype.is_float() && column.dtype().is_decimal() => {
                Some(column.cast(dtype).expect("Polars makes floats of decimals"))
            }
            _ => None,
        };
        let values = Value::all(rounded.as_ref().unwrap_or(column));
        values.iter().map(|value| self.read(value)).collect()
    }
}

/// Returns whether a numeric dtype holds every value of another.
fn holds(own: &DataType, dtype: &DataType) -> bool {
    // Whether it is signed, and how many bits it has; for a float, the bits of the mantissa.
    let bits = |dtype: &DataType| -> Option<(bool, u32)> {
        Some(match dtype {
            DataType::Int8 => (true, 8),
            DataType::Int16 => (true, 16),
            DataType::Int32 => (true, 32),
            DataType::Int64 => (true, 64),
            DataType::Int128 => (true, 128),
            DataType::UInt8 => (false, 8),
            DataType::UInt16 => (false, 16),
            DataType::UInt32 => (false, 32),
            DataType::UInt64 => (false, 64),
            _ => return None,
        })
    };
    match (own, bits(own), bits(dtype)) {
        (DataType::Float64, _, None) => *dtype == DataType::Float32,
        (DataType::Float64, _, Some((_, bits))) => bits <= 32,
        (DataType::Float32, _, Some((_, bits))) => bits <= 16,
        (_, Some((own_signed, own)), Some((signed, bits))) => match (own_signed, signed) {
            (true, false) => own > bits,
            (false, true) => false,
            _ => own >= bits,
        },
        _ => false,
    }
}

/// A type that closures take.
pub trait Argument {
    fn taken() -> Taken;

    /// Returns the value that the closure was given.
    fn seen(self) -> Value;
}

macro_rules! integers {
    ($($T:ident: $dtype:ident),*) => {
        $(impl Argument for $T {
            fn taken() -> Taken {
                let number = Number::Int { low: $T::MIN as i128, high: $T::MAX as i128 };
                Taken::Number(DataType::$dtype, number)
            }

            fn seen(self) -> Value {
                Value::Int(self as i128)
            }
        })*
    };
}

integers!(i8: Int8, i16: Int16, i32: Int32, i64: Int64, i128: Int128, u8: UInt8, u16: UInt16, u32: UInt32, u64: UInt64);

macro_rules! arguments {
    ($($T:ty: $taken:expr, |$value:ident| $seen:expr;)*) => {
        $(impl Argument for $T {
            fn taken() -> Taken {
                $taken
            }

            fn seen(self) -> Value {
                let $value = self;
                $seen
            }
        })*
    };
}

fn nanoseconds(time: NaiveDateTime) -> i128 {
    let time = time.and_utc();
    i128::from(time.timestamp()) * 1_000_000_000 + i128::from(time.timestamp_subsec_nanos())
}

arguments! {
    f32: Taken::Number(DataType::Float32, Number::Float32), |x| Value::float(x.into());
    f64: Taken::Number(DataType::Float64, Number::Float64), |x| Value::float(x);
    bool: Taken::Number(DataType::Boolean, Number::Bool), |x| Value::Bool(x);
    &str: Taken::Text, |x| Value::Text(x.into());
    String: Taken::Text, |x| Value::Text(x);
    PlSmallStr: Taken::Text, |x| Value::Text(x.to_string());
    &[u8]: Taken::Bytes, |x| Value::Bytes(x.into());
    Vec<u8>: Taken::Bytes, |x| Value::Bytes(x);
    NaiveDate: Taken::Date, |x| Value::Date(x.to_epoch_days());
    NaiveTime: Taken::Time, |x| Value::Time(
        i64::from(x.num_seconds_from_midnight()) * 1_000_000_000 + i64::from(x.nanosecond())
    );
    NaiveDateTime: Taken::Datetime, |x| Value::Datetime(nanoseconds(x));
    DateTime<Utc>: Taken::Zoned, |x| Value::Datetime(nanoseconds(x.naive_utc()));
    TimeDelta: Taken::Duration, |x| Value::Duration(
        i128::from(x.num_seconds()) * 1_000_000_000 + i128::from(x.subsec_nanos())
    );
    Decimal: Taken::Decimal, |x| Value::decimal(x.mantissa(), x.scale() as usize);
    Series: Taken::Series, |x| Value::List(x.iter().map(|item| Value::of(&item)).collect());
    AnyValue<'_>: Taken::Any, |x| Value::of(&x);
    Vec<i64>: Taken::List(Box::new(i64::taken())), |x| Value::List(x.into_iter().map(Argument::seen).collect());
    Vec<Option<i64>>: Taken::List(Box::new(Option::<i64>::taken())), |x| Value::List(x.into_iter().map(Argument::seen).collect());
    Vec<Option<String>>: Taken::List(Box::new(Option::<String>::taken())), |x| Value::List(x.into_iter().map(Argument::seen).collect());
}

impl<A: Argument, B: Argument> Argument for Struct<(A, B)> {
    fn taken() -> Taken {
        Taken::Struct(Box::new((A::taken(), B::taken())))
    }

    fn seen(self) -> Value {
        let (a, b) = self.0;
        Value::Struct(vec![a.seen(), b.seen()])
    }
}

impl<T: Argument> Argument for Option<T> {
    fn taken() -> Taken {
        Taken::Optional(Box::new(T::taken()))
    }

    fn seen(self) -> Value {
        self.map_or(Value::Null, T::seen)
    }
}
