//! A value without its type and dtype: what a closure was given, what it returned, or what a column holds.

use polars::prelude::{AnyValue, Column, TimeUnit};

/// A value. Times are counted in nanoseconds, whatever their unit is, and decimals have no zeros at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i128),
    /// The bits of an `f64`; all NaNs are equal.
    Float(u64),
    Text(String),
    Bytes(Vec<u8>),
    Date(i32),
    Time(i64),
    Datetime(i128),
    Duration(i128),
    Decimal(i128, usize),
    List(Vec<Value>),
    Struct(Vec<Value>),
}

fn nanoseconds(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Nanoseconds => 1,
        TimeUnit::Microseconds => 1_000,
        TimeUnit::Milliseconds => 1_000_000,
    }
}

impl Value {
    pub fn float(x: f64) -> Self {
        Value::Float(if x.is_nan() { f64::NAN } else { x }.to_bits())
    }

    pub fn decimal(mut mantissa: i128, mut scale: usize) -> Self {
        while scale > 0 && mantissa % 10 == 0 {
            (mantissa, scale) = (mantissa / 10, scale - 1);
        }
        Value::Decimal(mantissa, scale)
    }

    /// Returns a value of Polars.
    pub fn of(value: &AnyValue<'_>) -> Self {
        if let Some(text) = value.get_str() {
            return Value::Text(text.to_owned());
        }
        match value {
            AnyValue::Null => Value::Null,
            AnyValue::Boolean(x) => Value::Bool(*x),
            AnyValue::UInt8(x) => Value::Int((*x).into()),
            AnyValue::UInt16(x) => Value::Int((*x).into()),
            AnyValue::UInt32(x) => Value::Int((*x).into()),
            AnyValue::UInt64(x) => Value::Int((*x).into()),
            AnyValue::Int8(x) => Value::Int((*x).into()),
            AnyValue::Int16(x) => Value::Int((*x).into()),
            AnyValue::Int32(x) => Value::Int((*x).into()),
            AnyValue::Int64(x) => Value::Int((*x).into()),
            AnyValue::Int128(x) => Value::Int(*x),
            AnyValue::Float32(x) => Value::float((*x).into()),
            AnyValue::Float64(x) => Value::float(*x),
            AnyValue::Binary(x) => Value::Bytes(x.to_vec()),
            AnyValue::BinaryOwned(x) => Value::Bytes(x.clone()),
            AnyValue::Date(x) => Value::Date(*x),
            AnyValue::Time(x) => Value::Time(*x),
            AnyValue::Datetime(x, unit, _) => Value::Datetime(i128::from(*x) * nanoseconds(*unit)),
            AnyValue::DatetimeOwned(x, unit, _) => {
                Value::Datetime(i128::from(*x) * nanoseconds(*unit))
            }
            AnyValue::Duration(x, unit) => Value::Duration(i128::from(*x) * nanoseconds(*unit)),
            AnyValue::Decimal(x, _, scale) => Value::decimal(*x, *scale),
            AnyValue::List(items) | AnyValue::Array(items, _) => {
                Value::List(items.iter().map(|item| Value::of(&item)).collect())
            }
            AnyValue::Struct(..) => Value::Struct(
                value
                    ._iter_struct_av()
                    .map(|field| Value::of(&field))
                    .collect(),
            ),
            AnyValue::StructOwned(fields) => {
                Value::Struct(fields.0.iter().map(Value::of).collect())
            }
            other => unreachable!("no frame has {other:?}"),
        }
    }

    /// Returns a column's values, row by row.
    pub fn all(column: &Column) -> Vec<Self> {
        let rows = 0..column.len();
        rows.map(|row| Value::of(&column.get(row).expect("the row is within the column")))
            .collect()
    }
}

/// What a number becomes by a conversion that may lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    Int { low: i128, high: i128 },
    Float32,
    Float64,
    Bool,
}

impl Number {
    /// Converts the value as the documentation of `Casts::Lossy` says: fractions are cut off, a number out of range is null, and everything but
    /// zero is true.
    pub fn cut(self, value: &Value) -> Value {
        let float = |x: f64| match self {
            Number::Float32 => Value::float(f64::from(x as f32)),
            _ => Value::float(x),
        };
        match (self, value) {
            (_, Value::Null) => Value::Null,
            (Number::Bool, Value::Bool(x)) => Value::Bool(*x),
            (Number::Bool, Value::Int(x)) => Value::Bool(*x != 0),
            (Number::Bool, Value::Float(x)) => Value::Bool(f64::from_bits(*x) != 0.0),
            (Number::Bool, Value::Decimal(x, _)) => Value::Bool(*x != 0),
            (Number::Int { low, high }, value) => {
                let whole = match value {
                    Value::Bool(x) => i128::from(*x),
                    Value::Int(x) => *x,
                    Value::Decimal(x, scale) => x / 10i128.pow(*scale as u32),
                    Value::Float(x) => {
                        let x = f64::from_bits(*x).trunc();
                        // 2¹²⁷ is not an `i128`, but a saturating cast would make it one.
                        if !(-(2f64.powi(127))..2f64.powi(127)).contains(&x) {
                            return Value::Null;
                        }
                        x as i128
                    }
                    other => unreachable!("{other:?} is no number"),
                };
                match (low..=high).contains(&whole) {
                    true => Value::Int(whole),
                    false => Value::Null,
                }
            }
            (_, Value::Bool(x)) => float(f64::from(u8::from(*x))),
            (Number::Float32, Value::Int(x)) => Value::float(f64::from(*x as f32)),
            (_, Value::Int(x)) => float(*x as f64),
            (_, Value::Float(x)) => float(f64::from_bits(*x)),
            (_, other) => unreachable!("{other:?} is no number"),
        }
    }
}
