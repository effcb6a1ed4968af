//! The return types of closures over a stream's batches.

use polars::prelude::{Column, DataFrame, Series};

use crate::arity::for_each_arity;
use crate::sealed::Sealed;
use crate::sync::Arc;

/// The return types of a closure over the [batches of a stream](crate::LazyApply::batches).
///
/// | it returns | the stream's items |
/// |---|---|
/// | `Result<T, E>` of any `T`, with `E: Into<anyhow::Error>` | `T`; the first error ends the stream |
/// | `DataFrame`, `Column`, `Series`, `()`, a number, `bool`, `String`, a tuple, `Vec<T>`, `Option<T>`, `Box<T>`, `Arc<T>`; with their features `RecordBatch`, `Arrow2Chunk` | as it is |
///
/// A value of any other type can be returned as a `Result` of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a batch's result",
    label = "cannot be an item of a stream",
    note = "a closure over batches returns a `Result<T, E>` of any `T` with `E: Into<anyhow::Error>`, or, as it is, a `DataFrame`, `Column`, `Series`, number, `String`, tuple, `Vec<T>`, `Option<T>`, `Box<T>`, `Arc<T>` or `()`",
    note = "return any other type as `Ok::<_, polars_par_apply::Error>(value)`"
)]
pub trait IntoBatch: Sealed {
    /// The type of the stream's items.
    type Item: Send + 'static;

    #[doc(hidden)]
    fn into_batch(self) -> Result<Self::Item, anyhow::Error>;
}

impl<T, E> IntoBatch for Result<T, E>
where
    T: Send + 'static,
    E: Into<anyhow::Error>,
{
    type Item = T;

    fn into_batch(self) -> Result<T, anyhow::Error> {
        self.map_err(Into::into)
    }
}

macro_rules! as_it_is {
    ($([$($T:ident),*] $Item:ty;)*) => {$(
        impl<$($T: Send + 'static),*> IntoBatch for $Item {
            type Item = Self;

            fn into_batch(self) -> Result<Self, anyhow::Error> {
                Ok(self)
            }
        }
    )*};
}

as_it_is! {
    [] DataFrame; [] Column; [] Series; [] (); [] bool; [] String; [] &'static str;
    [] i8; [] i16; [] i32; [] i64; [] i128; [] isize;
    [] u8; [] u16; [] u32; [] u64; [] u128; [] usize;
    [] f32; [] f64;
    [T] Vec<T>; [T] Option<T>; [T] Box<T>;
}

#[cfg(feature = "arrow")]
as_it_is! { [] arrow_array::RecordBatch; }
#[cfg(feature = "arrow2")]
as_it_is! { [] crate::arrow::Arrow2Chunk; }

impl<T: Send + Sync + 'static> IntoBatch for Arc<T> {
    type Item = Self;

    fn into_batch(self) -> Result<Self, anyhow::Error> {
        Ok(self)
    }
}

macro_rules! tuples {
    ($($T:ident $t:ident),+) => {
        impl<$($T),+> Sealed for ($($T,)+) {}
        as_it_is! { [$($T),+] ($($T,)+); }
    };
}

for_each_arity!(tuples);
