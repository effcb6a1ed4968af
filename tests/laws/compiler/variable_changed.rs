use polars_par_apply::prelude::*;

pub fn result(df: &DataFrame) -> polars_par_apply::Result<f64> {
    let mut sum = 0.0;
    df.par_apply_rows(|x: f64| {
        sum += x;
        x
    })?;
    Ok(sum)
}
