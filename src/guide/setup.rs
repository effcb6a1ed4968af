// The functions that programs of the guide share: each includes this file in a hidden line. These programs are doc tests of the package in
// `tests/`, so `data/` is beside it.

use anyhow::Context as _;
use polars_par_apply::prelude::*;

/// Returns the flights three times, 1,010,328 rows. In row 654,321 the text of the time has no hour.
pub fn million() -> polars_par_apply::Result<DataFrame> {
    let file = std::fs::File::open(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../data/flights.parquet"
    ));
    let columns = ["carrier", "flight", "time_hour"]
        .map(String::from)
        .to_vec();
    let year = ParquetReader::new(file.map_err(PolarsError::from)?)
        .with_columns(Some(columns))
        .finish()?;
    let mut flights = year.clone();
    flights.vstack_mut(&year)?.vstack_mut(&year)?;
    let spoilt = flights
        .column("time_hour")?
        .str()?
        .scatter_single([654_321], Some("2013-12-12T??:00:00Z"))?;
    flights.with_column(spoilt.into_column())?;
    Ok(flights)
}

/// Returns the hour of a time such as `2013-12-12T15:00:00Z`.
pub fn hour(text: &str) -> anyhow::Result<u32> {
    let digits = text.get(11..13).context("the text ends before the hour")?;
    digits
        .parse::<u32>()
        .with_context(|| format!("{digits:?} is not an hour"))
}
