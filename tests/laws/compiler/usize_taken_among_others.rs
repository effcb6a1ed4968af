use polars_par_apply::prelude::*;

pub fn twice(df: &DataFrame) -> polars_par_apply::Result<Column> {
    df.par_apply_rows(|x: f64, n: usize| x * n as f64)
}
