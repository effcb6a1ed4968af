use polars_par_apply::prelude::*;

pub fn roots(df: &DataFrame) -> Result<Column> {
    df.par_apply_rows(|x: f64| x.sqrt())
}
