//! Arrow data in and out: the flights out of New York in 2013, read and written by arrow-rs, and then passed through arrow2.
//!
//! `cargo run --release -p arrow-examples --example arrow_batches`
//!
//! Prints how many flights there are, and whether all ways give the same:
//!
//! ```text
//! flights: 336776 rows
//! batches: 329
//! rows of the batches as of the frame: equal
//! …
//! ```
//!
//! - arrow-rs' Parquet reader gives record batches, which become a frame without a copy of the numbers.
//! - A typed closure is called for the rows of the frame, and for the rows of the batches.
//! - A closure is called for parts as `RecordBatch`, and returns one: code that is written for arrow-rs can be used as it is.
//! - arrow-rs' IPC writer writes the frame, and its reader reads it back.
//! - The same frame passes through arrow2, for pipelines that still use it.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::FileWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use polars_par_apply::prelude::*;
use polars_par_apply::{arrow2, frame_of};

/// The length of a statute mile in kilometres.
const KILOMETRES: f64 = 1.609_344;

/// Returns the speed over the ground in kilometres per hour.
pub fn speed(miles: i64, minutes: Option<i64>) -> Option<f64> {
    minutes.map(|minutes| miles as f64 * KILOMETRES / (minutes as f64 / 60.0))
}

/// Computes the same as a function of a batch, as a program that uses arrow-rs has it. The speeds are a column.
pub fn speeds(batch: RecordBatch) -> anyhow::Result<RecordBatch> {
    let column = |name| {
        batch
            .column_by_name(name)
            .context(format!("no column {name:?}"))
    };
    let miles = column("distance")?.as_primitive::<Int64Type>();
    let minutes = column("air_time")?.as_primitive::<Int64Type>();
    let speeds: Float64Array = miles
        .iter()
        .zip(minutes)
        .map(|(miles, minutes)| speed(miles?, minutes))
        .collect();
    Ok(RecordBatch::try_from_iter([(
        "speed",
        Arc::new(speeds) as ArrayRef,
    )])?)
}

/// Computes the same with arrow2.
pub fn speeds_of_arrow2(part: Arrow2Chunk) -> anyhow::Result<Arrow2Chunk> {
    use arrow2::array::{Float64Array, Int64Array};
    use arrow2::chunk::Chunk;
    use arrow2::datatypes::{DataType, Field, Schema};

    let column = |name| -> anyhow::Result<&Int64Array> {
        let array = part.column(name).context(format!("no column {name:?}"))?;
        array
            .as_any()
            .downcast_ref()
            .context("a column of integers")
    };
    let (miles, minutes) = (column("distance")?, column("air_time")?);
    let speeds: Float64Array = miles
        .iter()
        .zip(minutes.iter())
        .map(|(miles, minutes)| speed(*miles?, minutes.copied()))
        .collect();
    let schema = Schema::from(vec![Field::new("speed", DataType::Float64, true)]);
    Ok(Arrow2Chunk::try_new(
        schema,
        Chunk::new(vec![speeds.boxed()]),
    )?)
}

/// Runs all ways, and prints the results.
pub fn run(data: &Path, folder: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    let file = File::open(data.join("flights.parquet")).context("run it from the repository")?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)?.build()?;
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>()?;
    let flights = batches.to_frame()?;
    writeln!(out, "flights: {} rows", flights.height())?;
    writeln!(out, "batches: {}", batches.len())?;

    let mut same = |what: &str, is_equal: bool| -> anyhow::Result<()> {
        writeln!(
            out,
            "{what}: {}",
            if is_equal { "equal" } else { "different" }
        )?;
        ensure!(is_equal, "{what}");
        Ok(())
    };

    // Rows: of the frame, and of the batches.
    let call = flights
        .par_apply()
        .select(["distance", "air_time"])
        .names(["speed"]);
    let by_rows = call.rows(speed)?;
    let call = batches
        .par_apply()
        .select(["distance", "air_time"])
        .names(["speed"]);
    same(
        "rows of the batches as of the frame",
        call.rows(speed)?.equals_missing(&by_rows),
    )?;

    // Parts, in the types of both libraries.
    let frame = by_rows.clone().into_frame();
    let call = flights
        .par_apply()
        .select(["distance", "air_time"])
        .partitions(8);
    same(
        "parts as RecordBatch",
        call.chunks(speeds)?.equals_missing(&frame),
    )?;
    let call = flights
        .par_apply()
        .select(["distance", "air_time"])
        .partitions(8);
    same(
        "parts as Arrow2Chunk",
        call.chunks(speeds_of_arrow2)?.equals_missing(&frame),
    )?;

    // To a file with arrow-rs, and back.
    let path = folder.join("flights.arrow");
    let parts = flights.to_batches()?;
    let mut writer = FileWriter::try_new(File::create(&path)?, parts[0].schema_ref())?;
    for part in &parts {
        writer.write(part)?;
    }
    writer.finish()?;
    let read = frame_of(FileReader::try_new(File::open(&path)?, None)?)?;
    same(
        "written and read by arrow-rs",
        read.equals_missing(&flights),
    )?;

    // To arrow2, and back.
    let chunks = flights.to_arrow2()?;
    same(
        "through arrow2",
        chunks.to_frame()?.equals_missing(&flights),
    )?;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let data = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data"));
    let folder = tempfile::tempdir()?;
    run(data, folder.path(), &mut io::stdout().lock())
}
