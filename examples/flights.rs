//! scratch
use polars_par_apply::prelude::*;
use std::fs::File;
fn main() -> anyhow::Result<()> {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/data");
    let f = ParquetReader::new(File::open(format!("{data}/flights.parquet"))?).finish()?;
    println!("{:?} {}", f.schema(), f);
    println!("{}", f.null_count());
    let a = CsvReadOptions::default().try_into_reader_with_file_path(Some(format!("{data}/airports.csv").into()))?.finish()?;
    println!("{:?} {}", a.schema(), a);
    Ok(())
}
