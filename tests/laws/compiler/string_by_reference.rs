use polars_par_apply::prelude::*;

pub fn lengths(df: &DataFrame) -> polars_par_apply::Result<Column> {
    df.par_apply_rows(|text: &String| text.len() as u32)
}
