//! The code that arrow-rs and arrow2 share: a frame is cut into batches, and batches are stacked into a frame.

use std::collections::HashSet;

use polars::prelude::{Column, DataFrame, DataType, PlSmallStr, Series};
use polars_arrow::datatypes::Field;
use polars_arrow::ffi::ArrowArray;

use super::ffi::{imported, refused};
use super::fit;
use crate::error::{Error, ErrorKind, Result, counted, dtype_name};
use crate::partition::{ChunkEnds, Layout};

/// Returns a fault for each column that Arrow cannot have.
pub(crate) fn faults(fields: &[(&PlSmallStr, &DataType)]) -> Vec<Error> {
    let fault = |(name, dtype): &(&PlSmallStr, &DataType)| {
        Some(refused(name, fit::check_export(name, dtype).err()?))
    };
    fields.iter().filter_map(fault).collect()
}

/// Returns a fault for each column that arrow2 cannot have.
#[cfg(feature = "arrow2")]
pub(crate) fn faults_of_arrow2(fields: &[(&PlSmallStr, &DataType)]) -> Vec<Error> {
    let mut faults = faults(fields);
    let empty = fields
        .iter()
        .filter(|(_, dtype)| fit::contains_empty_struct(dtype));
    faults.extend(empty.map(|(name, _)| {
        refused(
            name,
            "arrow2 has no Struct without fields; leave the column out with .select([…])".into(),
        )
    }));
    faults
}

/// Refuses a frame if some of its columns have faults.
pub(super) fn check_frame(
    columns: &[Column],
    faults: fn(&[(&PlSmallStr, &DataType)]) -> Vec<Error>,
) -> Result<()> {
    let fields = columns.iter().map(|column| (column.name(), column.dtype()));
    Error::of_all(faults(&fields.collect::<Vec<_>>()))
}

/// Returns the columns, those with categories in one chunk: a dictionary is made for each chunk, and the writers of IPC files
/// accept only one for all batches.
#[cfg(feature = "arrow")]
pub(super) fn with_one_dictionary(columns: &[Column]) -> Vec<Column> {
    let columns = columns.iter();
    columns
        .map(|column| match fit::contains_categories(column.dtype()) {
            true => in_one_chunk(column),
            false => column.clone(),
        })
        .collect()
}

/// The operations on an array of some library that are needed to cut it.
pub(super) trait Sliceable {
    fn rows(&self) -> usize;

    /// Returns some of its rows, which share its memory.
    fn rows_of(&self, offset: usize, len: usize) -> Self;
}

/// Returns the batches of a frame whose columns have these chunks. Each batch is in one chunk of every column, so nothing is
/// copied. A frame without rows is one batch without rows, which has the schema.
pub(super) fn batches<A: Sliceable>(
    mut columns: Vec<Vec<A>>,
    height: usize,
) -> Vec<(usize, Vec<A>)> {
    if height == 0 {
        let firsts = columns
            .into_iter()
            .filter_map(|chunks| chunks.into_iter().next());
        return vec![(0, firsts.collect())];
    }
    for chunks in &mut columns {
        chunks.retain(|chunk| chunk.rows() > 0);
    }
    let ends = |chunks: &Vec<A>| {
        let mut end = 0;
        let ends = chunks.iter().map(|chunk| {
            end += chunk.rows();
            end
        });
        ChunkEnds::At(ends.collect())
    };
    let layout = Layout {
        rows: height,
        block: height,
        columns: columns.iter().map(ends).collect(),
    };
    let mut batches = Vec::new();
    let mut blocks = layout.blocks(0..height);
    while let Some((_, rows, places)) = blocks.next() {
        let arrays = columns.iter().zip(places);
        let arrays = arrays.map(|(chunks, place)| chunks[place.chunk].rows_of(place.offset, rows));
        batches.push((rows, arrays.collect()));
    }
    batches
}

/// Returns the column in one chunk, which a batch needs; it is copied if it has several.
pub(super) fn in_one_chunk(column: &Column) -> Column {
    match column.as_materialized_series().n_chunks() {
        0 | 1 => column.clone(),
        _ => column.rechunk(),
    }
}

/// A batch of some library.
pub(super) trait Batch {
    fn rows(&self) -> usize;

    fn width(&self) -> usize;

    /// Returns whether the columns of the other batch are the same in everything that a schema says.
    fn has_schema_of(&self, other: &Self) -> bool;

    /// Returns the columns, if all of them can be taken.
    fn columns(&self) -> Result<Vec<Field>>;

    /// Returns a column's array, which is of the field at that position, or why it cannot be exported.
    fn to_c(&self, position: usize) -> Result<ArrowArray, String>;
}

/// Returns the columns of a schema if all of its fields can be taken, and otherwise all of its faults.
pub(super) fn all_columns<'f>(
    fields: impl Iterator<Item = (&'f str, Result<Field>)>,
) -> Result<Vec<Field>> {
    let mut faults = Vec::new();
    let mut columns = Vec::new();
    let mut names = HashSet::new();
    for (name, field) in fields {
        if !names.insert(name) {
            let name = name.to_owned();
            faults.push(ErrorKind::DuplicateName { name }.into());
        }
        match field {
            Ok(field) => columns.push(field),
            Err(fault) => faults.push(fault),
        }
    }
    Error::of_all(faults)?;
    Ok(columns)
}

/// Makes a frame without rows that has these columns.
#[cfg(feature = "arrow")]
pub(super) fn frame_without_rows(columns: &[Field]) -> Result<DataFrame> {
    let none = columns.iter().map(|column| {
        // SAFETY: there are no arrays.
        let series = unsafe { imported(std::iter::empty(), column) };
        let series = series.map_err(|(_, why)| refused(&column.name, why))?;
        Ok(Column::from(series))
    });
    Ok(DataFrame::new(0, none.collect::<Result<_>>()?)?)
}

/// Stacks batches. Each is a chunk of every column, except batches without rows, which are left out.
pub(super) fn frame_of_batches<B: Batch>(batches: &[B]) -> Result<DataFrame> {
    let Some(first) = batches.first() else {
        let message = "there are no batches, so the columns are not known; make an empty frame of a schema, or, with arrow-rs, give the reader to frame_of";
        return Err(of_batch(None, None, message.into()));
    };
    let width = first.width();
    let mut stacked: Vec<Series> = Vec::with_capacity(width);
    let mut at = 0;
    // Batches of one reader share their schema, so there is one run of them.
    for run in batches.chunk_by(B::has_schema_of) {
        if run[0].width() != width {
            let message = format!(
                "it has {}, but the batches before it have {width}; give batches with the same columns",
                counted(run[0].width(), "column")
            );
            return Err(of_batch(Some(at), None, message));
        }
        let mut faults = Vec::new();
        let columns = run[0].columns();
        let columns = columns.map_err(|error| match at {
            0 => error,
            _ => error.in_batch(at),
        })?;
        for (position, column) in columns.iter().enumerate() {
            let arrays = run.iter().map(|batch| batch.to_c(position));
            // SAFETY: a library has made the arrays, which belong to this column; nobody changes the buffers that they keep.
            let series = unsafe { imported(arrays, column) };
            let series = series.map_err(|(index, why)| {
                let batch = (batches.len() > 1).then_some(at + index);
                of_batch(batch, Some(&column.name), why)
            });
            match (series, stacked.get_mut(position)) {
                (Err(fault), _) => faults.push(fault),
                (Ok(series), None) => stacked.push(series),
                (Ok(series), Some(before)) => append(before, series, at)?,
            }
        }
        Error::of_all(faults)?;
        at += run.len();
    }
    let height = batches.iter().map(B::rows).sum();
    let columns = stacked.into_iter().map(Column::from).collect();
    Ok(DataFrame::new(height, columns)?)
}

/// Appends a column of the batches from `at` on to that of the batches before them.
fn append(before: &mut Series, series: Series, at: usize) -> Result<()> {
    if before.name() != series.name() || before.dtype() != series.dtype() {
        let message = format!(
            "it is {}, but in its place the batches before it have {:?} of {}; give batches with the same columns",
            dtype_name(series.dtype()),
            before.name().as_str(),
            dtype_name(before.dtype()),
        );
        return Err(of_batch(Some(at), Some(series.name()), message));
    }
    before.append_owned(series)?;
    Ok(())
}

/// Makes the error of a batch.
pub(super) fn of_batch(batch: Option<usize>, column: Option<&str>, message: String) -> Error {
    let column = column.map(str::to_owned);
    ErrorKind::Arrow {
        column,
        batch,
        message,
    }
    .into()
}
