use polars_par_apply::prelude::*;

pub fn print_result(df: &DataFrame) -> polars_par_apply::Result<()> {
    let result = df.par_apply_rows(|a| format!("{a}"))?;
    println!("{result:?}");
    Ok(())
}
