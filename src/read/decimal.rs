//! Decimals, as `rust_decimal`'s type.

use polars::prelude::DataType;
use rust_decimal::Decimal;

use super::counted::Counted;

/// A decimal is stored as a count of `10⁻ˢᶜᵃˡᵉ`. Polars has up to 38 digits; a `Decimal` holds 28 of them, and every value
/// below 2⁹⁶ with up to 28 digits after the point.
impl Counted for Decimal {
    type Stored = i128;
    type Unit = u32;

    const CRATE: &'static str = "rust_decimal";
    const NAME: &'static str = "Decimal";

    fn takes(dtype: &DataType) -> bool {
        dtype.is_decimal()
    }

    fn unit(dtype: &DataType) -> u32 {
        match dtype {
            // The scale is at most 38.
            DataType::Decimal(_, scale) => *scale as u32,
            _ => 0,
        }
    }

    fn default_dtype() -> DataType {
        DataType::Decimal(38, 0)
    }

    #[inline]
    fn decode(count: i128, scale: u32) -> Option<Decimal> {
        Decimal::try_from_i128_with_scale(count, scale)
            .ok()
            .or_else(|| without_zeros(count, scale))
    }

    fn holds(low: i128, high: i128, scale: u32) -> bool {
        let is_held = |count| Decimal::try_from_i128_with_scale(count, scale).is_ok();
        is_held(low) && is_held(high)
    }
}

/// Takes zeros from the end of the value, as few as are needed for `Decimal` to hold it.
#[cold]
fn without_zeros(mut count: i128, mut scale: u32) -> Option<Decimal> {
    while scale > 0 && count % 10 == 0 {
        (count, scale) = (count / 10, scale - 1);
        if let Ok(decimal) = Decimal::try_from_i128_with_scale(count, scale) {
            return Some(decimal);
        }
    }
    None
}
