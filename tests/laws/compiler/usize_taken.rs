use polars_par_apply::prelude::*;

pub fn twice(df: &DataFrame) -> polars_par_apply::Result<Column> {
    df.par_apply_rows(|n: usize| 2 * n as u64)
}
