//! Numbers in another dtype than their own: which values that dtype holds.

use std::fmt;

use polars::prelude::{AnyValue, CompatLevel, DataType};
use polars_arrow::datatypes::ArrowDataType;

use super::Refused;
use super::returns::misfit;
use crate::error::dtype_name;
use crate::options::Casts;

/// A number of any type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum AnyNumber {
    Int(i128),
    Float(f64),
}

/// The numbers that a dtype holds.
#[derive(Clone, Copy, Debug)]
enum Holds {
    /// The integers in this range.
    Integers(i128, i128),
    /// Floats with this many significant bits.
    Floats(u32),
    /// Numbers that are integers below `10^precision` when they are multiplied by `10^scale`.
    Decimals { precision: u32, scale: u32 },
}

impl Holds {
    /// Returns `None` for a dtype that is not one of numbers, or that this build does not have.
    fn of(dtype: &DataType) -> Option<Self> {
        macro_rules! integers {
            ($T:ident) => {
                Some(Holds::Integers($T::MIN.into(), $T::MAX.into()))
            };
        }
        match dtype {
            DataType::Int8 if cfg!(feature = "dtype-i8") => integers!(i8),
            DataType::Int16 if cfg!(feature = "dtype-i16") => integers!(i16),
            DataType::Int32 => integers!(i32),
            DataType::Int64 => integers!(i64),
            DataType::Int128 if cfg!(feature = "dtype-i128") => integers!(i128),
            DataType::UInt8 if cfg!(feature = "dtype-u8") => integers!(u8),
            DataType::UInt16 if cfg!(feature = "dtype-u16") => integers!(u16),
            DataType::UInt32 => integers!(u32),
            DataType::UInt64 => integers!(u64),
            DataType::Float32 => Some(Holds::Floats(f32::MANTISSA_DIGITS)),
            DataType::Float64 => Some(Holds::Floats(f64::MANTISSA_DIGITS)),
            // The variant exists only if Polars has the dtype.
            dtype if dtype.is_decimal() => match dtype.to_arrow(CompatLevel::newest()) {
                ArrowDataType::Decimal(precision, scale) => Some(Holds::Decimals {
                    precision: precision as u32,
                    scale: scale as u32,
                }),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Returns true if numbers of the first dtype have the second already, and false if they are converted to it; or why they
/// cannot become it.
pub(super) fn fit(own: &DataType, dtype: &DataType) -> Result<bool, String> {
    let decimals = if own.is_integer() {
        ", or a Decimal"
    } else {
        ""
    };
    match Holds::of(dtype) {
        Some(Holds::Decimals { .. }) if own.is_float() => {}
        Some(_) => return Ok(own == dtype),
        None => {}
    }
    let can_become = format!("a dtype of integers or floats{decimals}");
    Err(misfit(&dtype_name(own), &can_become, dtype))
}

impl AnyNumber {
    /// Returns the number that a value is.
    pub(super) fn of(value: &AnyValue<'_>) -> Option<Self> {
        Some(match *value {
            AnyValue::Int8(x) => AnyNumber::Int(x.into()),
            AnyValue::Int16(x) => AnyNumber::Int(x.into()),
            AnyValue::Int32(x) => AnyNumber::Int(x.into()),
            AnyValue::Int64(x) => AnyNumber::Int(x.into()),
            AnyValue::Int128(x) => AnyNumber::Int(x),
            AnyValue::UInt8(x) => AnyNumber::Int(x.into()),
            AnyValue::UInt16(x) => AnyNumber::Int(x.into()),
            AnyValue::UInt32(x) => AnyNumber::Int(x.into()),
            AnyValue::UInt64(x) => AnyNumber::Int(x.into()),
            AnyValue::Float32(x) => AnyNumber::Float(x.into()),
            AnyValue::Float64(x) => AnyNumber::Float(x),
            _ => return None,
        })
    }

    /// Refuses a number that the dtype does not hold with all its digits, unless losing digits is permitted.
    pub(super) fn check(self, dtype: &DataType, casts: Casts) -> Result<(), Refused> {
        let lossy = casts == Casts::Lossy;
        let holds = match (self, Holds::of(dtype)) {
            (AnyNumber::Int(i), Some(Holds::Integers(low, high))) => (low..=high).contains(&i),
            (AnyNumber::Int(i), Some(Holds::Floats(bits))) => {
                if lossy || significant_bits(i) <= bits {
                    return Ok(());
                }
                return Err(self.loses(dtype));
            }
            (AnyNumber::Int(i), Some(Holds::Decimals { precision, scale })) => 10i128
                .checked_pow(scale)
                .and_then(|unit| i.checked_mul(unit))
                .zip(10u128.checked_pow(precision))
                .is_some_and(|(stored, end)| stored.unsigned_abs() < end),
            (AnyNumber::Float(x), Some(Holds::Integers(low, high))) => {
                const END: f64 = (1u128 << 127) as f64;
                let whole = x.trunc();
                let held = (-END..END).contains(&whole) && (low..=high).contains(&(whole as i128));
                if held && whole != x && !lossy {
                    return Err(self.loses(dtype));
                }
                held
            }
            (AnyNumber::Float(x), Some(Holds::Floats(bits))) => {
                let narrow = bits == f32::MANTISSA_DIGITS;
                if lossy || !narrow || x.is_nan() || f64::from(x as f32) == x {
                    return Ok(());
                }
                return Err(self.loses(dtype));
            }
            (AnyNumber::Float(_), Some(Holds::Decimals { .. })) | (_, None) => false,
        };
        if holds {
            return Ok(());
        }
        let dtype = dtype_name(dtype);
        Err(Refused::new(format!(
            "{self} is beyond the range of {dtype}"
        )))
    }

    fn loses(self, dtype: &DataType) -> Refused {
        let dtype = dtype_name(dtype);
        Refused::new(format!(
            "{self} is not exact in {dtype}; round it, or permit the loss with .casts(Casts::Lossy)"
        ))
    }

    /// Returns the value in a dtype that holds it and that is not a Decimal.
    pub(super) fn value(self, dtype: &DataType) -> Option<AnyValue<'static>> {
        macro_rules! cast {
            ($($Own:ident $T:ident),*) => {
                match (dtype, self) {
                    $(
                        (DataType::$Own, AnyNumber::Int(x)) => AnyValue::$Own(x as $T),
                        (DataType::$Own, AnyNumber::Float(x)) => AnyValue::$Own(x as $T),
                    )*
                    _ => return None,
                }
            };
        }
        Some(cast!(
            Int8 i8, Int16 i16, Int32 i32, Int64 i64, Int128 i128,
            UInt8 u8, UInt16 u16, UInt32 u32, UInt64 u64,
            Float32 f32, Float64 f64
        ))
    }
}

impl fmt::Display for AnyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnyNumber::Int(i) => i.fmt(f),
            AnyNumber::Float(x) => write!(f, "{x:?}"),
        }
    }
}

/// Returns the number of bits from the first set bit to the last.
fn significant_bits(i: i128) -> u32 {
    match i.unsigned_abs() {
        0 => 0,
        size => 128 - size.leading_zeros() - size.trailing_zeros(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_hold_the_integers_that_they_hold_exactly() {
        let holds = |i: i128, dtype: DataType| {
            let number = AnyNumber::Int(i);
            number.check(&dtype, Casts::Lossless).is_ok()
        };
        for (bits, dtype) in [(24, DataType::Float32), (53, DataType::Float64)] {
            let end = 1i128 << bits;
            for (i, held) in [
                (0, true),
                (end - 1, true),
                (end, true),
                (end + 1, false),
                (end + 2, true),
                (-end - 1, false),
                (i128::MIN, true),
                (i128::MAX, false),
            ] {
                assert_eq!(holds(i, dtype.clone()), held, "{i} in {dtype}");
            }
        }
    }

    #[test]
    fn integers_hold_the_whole_floats_in_their_range() {
        let check = |x: f64, casts| AnyNumber::Float(x).check(&DataType::Int64, casts).is_ok();
        let end = 2f64.powi(63);
        for (x, lossless, lossy) in [
            (-0.0, true, true),
            (0.5, false, true),
            (-end, true, true),
            (end, false, false),
            (end - 1024.0, true, true),
            (f64::NAN, false, false),
            (f64::NEG_INFINITY, false, false),
            (1e300, false, false),
        ] {
            assert_eq!(check(x, Casts::Lossless), lossless, "{x}");
            assert_eq!(check(x, Casts::Lossy), lossy, "{x}");
        }
    }
}
