//! The contenders: each has the functions that it has a way for.

pub(crate) mod by_rayon;
pub(crate) mod ours;
pub(crate) mod rows_iter;
pub(crate) mod serial;

use polars::prelude::*;

use crate::functions::SumsByKey;

/// A column that owns these values: `Column::new` would copy them.
fn column<T: PolarsNumericType>(values: Vec<T::Native>) -> Column {
    ChunkedArray::<T>::from_vec("result".into(), values).into_column()
}

/// The keys and the slopes, for contenders that have no groups.
fn slopes(sums: SumsByKey) -> PolarsResult<DataFrame> {
    let (keys, slopes): (Vec<i64>, Vec<f64>) = sums
        .into_iter()
        .map(|(key, sums)| (key, sums.slope()))
        .unzip();
    df!["key" => keys, "slope" => slopes]
}
