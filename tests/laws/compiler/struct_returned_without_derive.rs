use polars_par_apply::prelude::*;

pub struct Speed {
    pub mph: f64,
}

pub fn print_speeds(df: &DataFrame) -> polars_par_apply::Result<()> {
    let speeds = df.par_apply_rows(|x: f64| Speed { mph: x })?;
    println!("{speeds:?}");
    Ok(())
}
