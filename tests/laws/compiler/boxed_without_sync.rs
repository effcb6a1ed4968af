use polars_par_apply::prelude::*;

pub fn result(df: &DataFrame, f: Box<dyn Fn(f64) -> f64>) -> polars_par_apply::Result<Column> {
    df.par_apply_rows(f)
}
