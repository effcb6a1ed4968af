use polars_par_apply::prelude::*;

pub fn lengths(df: &DataFrame) -> polars_par_apply::Result<Column> {
    df.par_apply()
        .state(String::new)
        .rows(|text: &str| text.len() as u32)
}
