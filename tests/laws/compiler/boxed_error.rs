use polars_par_apply::prelude::*;

pub fn result(df: &DataFrame) -> polars_par_apply::Result<Column> {
    df.par_apply_rows(
        |text: &str| -> std::result::Result<f64, Box<dyn std::error::Error>> { Ok(text.parse()?) },
    )
}
