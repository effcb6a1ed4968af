//! Keeps traits from being implemented outside this crate.
//!
//! A trait with this supertrait can be implemented only for the types that are listed here or beside the crate's own types.
//! `unsafe` code relies on what such traits return.

use std::borrow::Cow;

use crate::sync::Arc;
use polars::prelude::{AnyValue, Column, DataFrame, PlSmallStr, Series};

/// Seals a trait: it cannot be named outside this crate, since its module is private.
pub trait Sealed {}

macro_rules! seal {
    ($($(#[$cfg:meta])* $T:ty),* $(,)?) => {
        $($(#[$cfg])* impl Sealed for $T {})*
    };
}

seal!(
    bool,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    f32,
    f64,
    char,
    (),
    String,
    &str,
    &[u8],
    Cow<'_, str>,
    PlSmallStr,
    AnyValue<'_>,
    Series,
    Column,
    DataFrame,
    #[cfg(feature = "dtype-date")]
    chrono::NaiveDate,
    #[cfg(feature = "dtype-time")]
    chrono::NaiveTime,
    #[cfg(feature = "dtype-datetime")]
    chrono::NaiveDateTime,
    #[cfg(feature = "timezones")]
    chrono::DateTime<chrono::Utc>,
    #[cfg(feature = "dtype-duration")]
    chrono::TimeDelta,
    #[cfg(feature = "rust_decimal")]
    rust_decimal::Decimal,
);

impl<T> Sealed for Option<T> {}
impl<T, E> Sealed for Result<T, E> {}
impl<T> Sealed for Box<T> {}
impl<T> Sealed for Arc<T> {}
impl<T> Sealed for Vec<T> {}
