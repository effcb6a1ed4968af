use polars_par_apply::prelude::*;

pub fn trimmed(df: &DataFrame) -> polars_par_apply::Result<Column> {
    df.par_apply_rows(|text: &str| text.trim())
}
