//! stub
use polars_par_apply::prelude::*;

fn main() -> polars_par_apply::Result<()> {
    let df = df!["a" => [8, 5, 3, 4, 7], "b" => [5, 3, 4, 4, 9]]?;
    let h = df.par_apply_rows(|a: i32, b: i32| f64::from(a * a + b * b).sqrt())?;
    println!("{h:?}");
    println!("{}", df.par_apply_columns(|v: Values<'_, i64>| v.iter().map(|x| x * x).sum::<i64>())?);
    println!("{}", df.par_apply_columns(|c: &Column| -> PolarsResult<i64> { Ok(c.i32()?.into_no_null_iter().map(|x| i64::from(x * x)).sum()) })?);
    println!("{}", df.par_apply_chunks(|part: DataFrame| { let (h, w) = part.shape(); (h as u64, w as u64) })?);
    let df2 = df!["x" => [3.0, 5.0, 6.0], "name" => ["a", "bb", "ccc"], "y" => [Some(1.0), None, Some(2.0)]]?;
    println!("{:?}", df2.par_apply().select(["x", "y"]).rows(f64::hypot)?);
    Ok(())
}
