use polars_par_apply::prelude::{Column, DataFrame};

pub fn roots(df: &DataFrame) -> polars_par_apply::Result<Column> {
    df.par_apply_rows(|x: f64| x.sqrt())
}
