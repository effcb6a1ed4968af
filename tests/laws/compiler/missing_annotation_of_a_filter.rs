use polars_par_apply::prelude::*;

pub fn print_result(df: &DataFrame) -> polars_par_apply::Result<()> {
    let result = df.par_apply().filter_rows(|a| a > 1.0)?;
    println!("{result:?}");
    Ok(())
}
