//! Decimals, from `rust_decimal`'s type.

use polars::prelude::DataType;
use rust_decimal::Decimal;

use super::native::{Encode, NativeSink};
use super::returns::misfit;
use super::{IntoCell, Refused};
use crate::error::dtype_name;
use crate::options::Casts;

/// The dtype that the column is first made with; `returns` gives it its final dtype.
const WHOLE: DataType = DataType::Decimal(38, 0);

impl Encode for Decimal {
    type Stored = i128;

    const NEEDS: Option<&'static str> = Some(
        "a result of type Decimal does not say its column's precision and scale; give them with \
         .returns([DataType::Decimal(precision, scale)])",
    );

    fn dtype() -> DataType {
        WHOLE
    }

    fn fit(dtype: &DataType) -> Result<bool, String> {
        match dtype {
            DataType::Decimal(..) => Ok(*dtype == WHOLE),
            dtype => Err(misfit(
                "Decimal",
                "a Decimal of any precision and scale",
                dtype,
            )),
        }
    }

    fn encode(self, casts: Casts) -> Result<i128, Refused> {
        self.encode_as(&WHOLE, casts)
    }

    fn encode_as(self, dtype: &DataType, casts: Casts) -> Result<i128, Refused> {
        let &DataType::Decimal(precision, scale) = dtype else {
            return Err(beyond(self, dtype));
        };
        let (count, own) = (self.mantissa(), self.scale());
        // Precision and scale are at most 38, and 10³⁸ fits an i128.
        let counted = match (scale as u32).checked_sub(own) {
            Some(more) => 10i128
                .checked_pow(more)
                .and_then(|by| count.checked_mul(by)),
            None => {
                let by = 10i128.pow(own - scale as u32);
                if casts == Casts::Lossless && count % by != 0 {
                    return Err(below(self, dtype));
                }
                Some(count / by)
            }
        };
        let limit = 10u128.pow(precision as u32);
        counted
            .filter(|count| count.unsigned_abs() < limit)
            .ok_or_else(|| beyond(self, dtype))
    }
}

#[cold]
fn below(value: Decimal, dtype: &DataType) -> Refused {
    Refused::new(format!(
        "{value} has more digits after the point than {}; round it, give a greater scale with .returns([dtype]), or permit the \
         loss with .casts(Casts::Lossy)",
        dtype_name(dtype)
    ))
}

#[cold]
fn beyond(value: Decimal, dtype: &DataType) -> Refused {
    Refused::new(format!(
        "{value} is beyond the range of {}",
        dtype_name(dtype)
    ))
}

impl IntoCell for Decimal {
    type Sink = NativeSink<Decimal>;

    #[inline]
    fn into_item(self, casts: Casts) -> Result<i128, Refused> {
        self.encode(casts)
    }

    fn into_item_as(self, dtype: &DataType, casts: Casts) -> Result<i128, Refused> {
        self.encode_as(dtype, casts)
    }
}
