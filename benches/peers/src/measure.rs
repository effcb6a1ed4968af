//! Times a contender's calls, and keeps their results.

use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use polars::prelude::*;

/// As many rounds as there is time for, within these bounds; `python/measure.py` has the same.
const SECONDS: f64 = 4.0;
const FEWEST: usize = 3;
const MOST: usize = 21;

/// One contender, and the folders.
pub(crate) struct Measure {
    pub(crate) contender: String,
    pub(crate) data: PathBuf,
    pub(crate) results: PathBuf,
}

impl Measure {
    /// A call that has a value for each row.
    pub(crate) fn column(
        &self,
        function: &str,
        way: &str,
        call: impl Fn(&DataFrame) -> PolarsResult<Column>,
    ) -> PolarsResult<()> {
        let column = self.rounds(function, way, call)?;
        let column = column.as_materialized_series();
        match column.dtype() {
            DataType::String => {
                let texts: Vec<&str> = column.str()?.iter().flatten().collect();
                self.keep(function, way, "txt", texts.join("\n").as_bytes())
            }
            _ => self.keep_numbers(function, way, &column.cast(&DataType::Float64)?),
        }
    }

    /// A call that has a value for each key, in any order: a frame of both.
    pub(crate) fn groups(
        &self,
        function: &str,
        way: &str,
        call: impl Fn(&DataFrame) -> PolarsResult<DataFrame>,
    ) -> PolarsResult<()> {
        let frame = self.rounds(function, way, call)?;
        let frame = frame.sort(["key"], SortMultipleOptions::default())?;
        let slopes = frame.columns()[1].as_materialized_series();
        self.keep_numbers(function, way, slopes)
    }

    /// Prints the times of rounds, after one that is not timed. What a round returns is dropped after the clock has stopped.
    fn rounds<R>(
        &self,
        function: &str,
        way: &str,
        call: impl Fn(&DataFrame) -> PolarsResult<R>,
    ) -> PolarsResult<R> {
        let frame = CsvReader::new(fs::File::open(self.data.join(format!("{function}.csv")))?);
        let mut frame = frame.finish()?;
        frame.rechunk_mut();
        let result = call(&frame)?;
        let mut times: Vec<f64> = Vec::new();
        while times.len() < FEWEST || times.iter().sum::<f64>() < SECONDS && times.len() < MOST {
            let start = Instant::now();
            let again = black_box(call(black_box(&frame))?);
            times.push(start.elapsed().as_secs_f64());
            drop(again);
        }
        println!(r#"{{"function": "{function}", "way": "{way}", "times": {times:?}}}"#);
        Ok(result)
    }

    /// What has no value is not a number.
    fn keep_numbers(&self, function: &str, way: &str, numbers: &Series) -> PolarsResult<()> {
        let numbers = numbers.f64()?.iter();
        let bytes: Vec<u8> = numbers
            .flat_map(|number| number.unwrap_or(f64::NAN).to_le_bytes())
            .collect();
        self.keep(function, way, "f64", &bytes)
    }

    fn keep(&self, function: &str, way: &str, kind: &str, bytes: &[u8]) -> PolarsResult<()> {
        let name = format!("{function}.{}.{way}.{kind}", self.contender);
        Ok(fs::write(self.results.join(name), bytes)?)
    }
}
