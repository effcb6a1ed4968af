use polars_par_apply::prelude::*;

pub fn result(df: &DataFrame) -> polars_par_apply::Result<DataFrame> {
    df.par_apply_rows(|a: f64| (a, (a, 2.0)))
}
