//! The results of parts and of columns, stacked together.

use std::convert::Infallible;

use polars::prelude::{Column, DataFrame, DataType, IntoColumn, PlSmallStr, Series};

#[cfg(any(feature = "arrow", feature = "arrow2"))]
use super::Refused;
use super::dtype::{column_with_dtype, merged, with_dtype};
use super::returns::{Encoding, Misfit, returned};
use super::rows::IntoRow;
use super::sinks::{RowSink, Sinks};
use super::{Finished, Writer};
use super::{fit_all, fit_each};
#[cfg(feature = "arrow")]
use crate::arrow::FromArrow;
#[cfg(feature = "arrow2")]
use crate::arrow::FromArrow2;
use crate::error::{Cause, Error, ErrorKind, Failure, Place, Result, counted, dtype_name};
use crate::partition::Halo;

/// A type that a chunk closure may return.
///
/// | result | output |
/// |---|---|
/// | `DataFrame` | the frames of the parts, stacked in order; their columns must be the same |
/// | `RecordBatch` with the feature `arrow`, `Arrow2Chunk` with `arrow2` | a `DataFrame`, stacked in the same way |
/// | `Column`, `Series` | one `Column`, stacked in the same way; its name is that of the first part's |
/// | a cell | a `Column` with one row per part |
/// | a tuple, an array, a struct with `#[derive(IntoRow)]` | a `DataFrame` with one row per part |
/// | `Result<T, E>` of one of these, `E: Into<anyhow::Error>` | as `T` |
///
/// The dtypes of the parts must be the same too, except where a part's column has no type. A column of dtype Null, or a List of
/// Null, takes the dtype that it has in the other parts; a frame without columns and rows (such as `DataFrame::empty()`) takes
/// their columns. With an [`overlap`](crate::Apply::overlap), a whole frame or column has as many rows as the part, either with
/// or without its overlap.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a part's result",
    label = "cannot be stacked",
    note = "a chunk closure returns a `DataFrame`, `Column` or `Series`, a cell, a tuple or array of cells, a struct with `#[derive(IntoRow)]`, or a `Result` of one of these",
    note = "`usize` and `isize` cannot be written to a column: return `u64` or `i64`"
)]
pub trait IntoStack: Sized {
    /// The output that the results of all parts become together: a `Column` or a `DataFrame`.
    type Output;

    #[doc(hidden)]
    type Part: Send;

    /// Returns the names of the output's columns, if the type has them.
    #[doc(hidden)]
    fn names() -> Option<Vec<PlSmallStr>> {
        None
    }

    /// Returns how many columns the output has, if the type determines it.
    #[doc(hidden)]
    fn width() -> Option<usize>;

    #[doc(hidden)]
    fn into_part<E: Encoding>(self, encoding: E) -> Result<Self::Part, Failure>;

    /// Returns whether cells have these dtypes already, one for each column; the columns that cannot have them are added to the
    /// misfits.
    #[doc(hidden)]
    fn fit(_: &[DataType], _: &mut Vec<Misfit>) -> bool {
        true
    }

    /// Whether a part's result is a whole frame or column, which cannot be null.
    #[doc(hidden)]
    const WHOLE: bool;

    /// Cuts a whole frame or column to the part's own rows, or returns what is wrong with its height.
    #[doc(hidden)]
    fn cut(part: Self::Part, halo: &Halo) -> Result<Self::Part, String>;

    /// Returns a whole frame or column together with its height.
    #[doc(hidden)]
    fn measured(part: Self::Part) -> (Self::Part, usize);

    /// Returns the output as a frame; a column becomes a frame of one column.
    #[doc(hidden)]
    fn into_frame(output: Self::Output) -> DataFrame;

    /// Stacks the parts at these places. A part that is missing is null, or nothing if parts are whole. Cells were encoded for
    /// the dtypes in `returns`.
    #[doc(hidden)]
    fn stack(
        parts: Vec<Option<Self::Part>>,
        places: &[Place],
        names: Option<Vec<PlSmallStr>>,
        returns: Option<&[DataType]>,
    ) -> Result<Self::Output>;
}

impl<T: IntoRow> IntoStack for T
where
    <T::Sink as Sinks>::Item: Send,
{
    type Output = T::Output;
    type Part = <T::Sink as Sinks>::Item;

    fn names() -> Option<Vec<PlSmallStr>> {
        Some(T::names().numbered("column"))
    }

    fn width() -> Option<usize> {
        <T as IntoStack>::names().map(|names| names.len())
    }

    const WHOLE: bool = T::WHOLE;

    fn into_part<Encoder: Encoding>(self, encoding: Encoder) -> Result<Self::Part, Failure> {
        self.into_items(encoding)
    }

    fn cut(part: Self::Part, halo: &Halo) -> Result<Self::Part, String> {
        T::change_series(part, |series| {
            let rows = halo.rows_kept(series.len())?;
            Ok(series.slice(rows.start as i64, rows.len()))
        })
    }

    fn measured(part: Self::Part) -> (Self::Part, usize) {
        let mut height = 1;
        let part = T::change_series(part, |series| {
            height = series.len();
            Ok::<_, Infallible>(series)
        });
        match part {
            Ok(part) => (part, height),
            Err(never) => match never {},
        }
    }

    fn into_frame(output: T::Output) -> DataFrame {
        T::Sink::into_frame(output)
    }

    fn fit(dtypes: &[DataType], misfits: &mut Vec<Misfit>) -> bool {
        fit_all::<T::Sink>(dtypes, misfits)
    }

    fn stack(
        parts: Vec<Option<Self::Part>>,
        places: &[Place],
        names: Option<Vec<PlSmallStr>>,
        returns: Option<&[DataType]>,
    ) -> Result<T::Output> {
        if T::WHOLE {
            let (parts, places) = present(parts, places);
            let series = parts.into_iter().map(whole_series::<T>).collect();
            let series = stack_series(series, &places)?;
            let names = names.unwrap_or_else(|| vec![series.name().clone()]);
            let len = series.len();
            return T::Sink::stack(vec![series.into()], names, len);
        }
        let len = parts.len();
        let columns = write_all::<T>(parts, returns);
        let columns = columns.map_err(|error| error.of_item(|part| places[part].clone()))?;
        T::Sink::stack(
            columns,
            names.or_else(<T as IntoStack>::names).unwrap_or_default(),
            len,
        )
    }
}

/// Returns the parts that are there, and their places.
fn present<P>(parts: Vec<Option<P>>, places: &[Place]) -> (Vec<P>, Vec<Place>) {
    let parts = parts.into_iter().zip(places.iter().cloned());
    parts
        .filter_map(|(part, place)| Some((part?, place)))
        .unzip()
}

/// Returns the series of a result that is one.
fn whole_series<T: IntoRow>(part: <T::Sink as Sinks>::Item) -> Series {
    match T::item_into_series(part) {
        Ok(series) => series,
        Err(_) => unreachable!("a result that is whole is a series"),
    }
}

/// Writes one row for each item; the row of a missing item is null.
fn write_all<T: IntoRow>(
    items: Vec<Option<<T::Sink as Sinks>::Item>>,
    returns: Option<&[DataType]>,
) -> Result<Vec<Finished>> {
    let len = items.len();
    let sink = T::Sink::new(len, items.iter().any(Option::is_none));
    let mut columns = Vec::new();
    // SAFETY: one writer has all rows, and writes each of them in order, so all are written. The sink is nullable if an item is
    // missing.
    unsafe {
        let mut writer = sink.writer(0, len);
        for (row, item) in items.into_iter().enumerate() {
            match item {
                Some(item) => writer.write(row, item),
                None => writer.write_null(row),
            }
        }
        writer.finish();
        sink.finish(&mut columns)?;
    }
    if let Some(dtypes) = returns {
        returned(&mut columns, dtypes)?;
    }
    Ok(columns)
}

/// Something that becomes a frame: a frame, or a column.
trait IntoFrame {
    fn into_frame(self) -> DataFrame;
}

impl IntoFrame for DataFrame {
    fn into_frame(self) -> DataFrame {
        self
    }
}

impl IntoFrame for Column {
    fn into_frame(self) -> DataFrame {
        Column::into_frame(self)
    }
}

/// Arrow batches as results, which become frames at once.
#[cfg(any(feature = "arrow", feature = "arrow2"))]
macro_rules! batches {
    ($Batch:ty) => {
        whole!(
            @impl [],
            $Batch,
            DataFrame,
            None,
            DataFrame::height,
            stack_frames,
            |batch| frame_of_batch(batch.to_frame())
        );
        whole!(
            @impl [E: Into<anyhow::Error>],
            Result<$Batch, E>,
            DataFrame,
            None,
            DataFrame::height,
            stack_frames,
            |result| match result {
                Ok(batch) => frame_of_batch(batch.to_frame()),
                Err(error) => Err(Failure::Closure(Cause::new(error.into()))),
            }
        );
    };
}

macro_rules! whole {
    ($Whole:ty, $width:expr, $height:path, $stack:path) => {
        whole!(@impl [], $Whole, $Whole, $width, $height, $stack, |whole| Ok(whole));
        whole!(
            @impl [E: Into<anyhow::Error>],
            Result<$Whole, E>,
            $Whole,
            $width,
            $height,
            $stack,
            |result| result.map_err(|error| Failure::Closure(Cause::new(error.into())))
        );
    };
    (@impl [$($generics:tt)*], $Result:ty, $Output:ty, $width:expr, $height:path, $stack:path, |$result:ident| $into_part:expr) => {
        impl<$($generics)*> IntoStack for $Result {
            type Output = $Output;
            type Part = $Output;

            const WHOLE: bool = true;

            fn width() -> Option<usize> {
                $width
            }

            fn into_part<Encoder: Encoding>(self, _: Encoder) -> Result<$Output, Failure> {
                let $result = self;
                $into_part
            }

            fn cut(whole: $Output, halo: &Halo) -> Result<$Output, String> {
                let rows = halo.rows_kept($height(&whole))?;
                Ok(whole.slice(rows.start as i64, rows.len()))
            }

            fn measured(whole: $Output) -> ($Output, usize) {
                let height = $height(&whole);
                (whole, height)
            }

            fn into_frame(output: $Output) -> DataFrame {
                output.into_frame()
            }

            fn stack(
                parts: Vec<Option<$Output>>,
                places: &[Place],
                names: Option<Vec<PlSmallStr>>,
                _: Option<&[DataType]>,
            ) -> Result<$Output> {
                let (parts, places) = present(parts, places);
                $stack(parts, &places, names)
            }
        }
    };
}

whole!(DataFrame, None, DataFrame::height, stack_frames);
#[cfg(feature = "arrow")]
batches!(arrow_array::RecordBatch);
#[cfg(feature = "arrow2")]
batches!(crate::arrow::Arrow2Chunk);
whole!(Column, Some(1), Column::len, stack_columns);

/// Makes a frame of a batch; a batch that Polars cannot take is a failure of the part.
#[cfg(any(feature = "arrow", feature = "arrow2"))]
fn frame_of_batch(frame: Result<DataFrame>) -> Result<DataFrame, Failure> {
    frame.map_err(|error| {
        let message = format!("the closure's batch cannot become a frame: {error}");
        Failure::Write(Refused::new(message))
    })
}

fn stack_frames(
    parts: Vec<DataFrame>,
    places: &[Place],
    names: Option<Vec<PlSmallStr>>,
) -> Result<DataFrame> {
    // A frame without columns and rows says nothing about its columns.
    let told = |part: &&DataFrame| part.width() > 0 || part.height() > 0;
    let Some(first) = parts.iter().find(told) else {
        return named_frame(DataFrame::empty(), names.filter(|_| !parts.is_empty()));
    };
    let mut fields: Vec<(PlSmallStr, DataType)> = first
        .columns()
        .iter()
        .map(|column| (column.name().clone(), column.dtype().clone()))
        .collect();
    for (index, part) in parts.iter().enumerate() {
        if told(&part) {
            merge_columns(&mut fields, part, &places[index])?;
        }
    }
    let mut stacked: Option<DataFrame> = None;
    for part in parts.into_iter().filter(|part| told(&part)) {
        let part = with_dtypes(part, &fields)?;
        match &mut stacked {
            None => stacked = Some(part),
            Some(stacked) => {
                stacked.vstack_mut_owned(part)?;
            }
        }
    }
    named_frame(stacked.unwrap_or_default(), names)
}

fn named_frame(mut frame: DataFrame, names: Option<Vec<PlSmallStr>>) -> Result<DataFrame> {
    if let Some(names) = names {
        if names.len() != frame.width() {
            return Err(ErrorKind::NameCount {
                names: names.len(),
                columns: frame.width(),
            }
            .into());
        }
        frame.set_column_names(&names)?;
    }
    Ok(frame)
}

/// Returns the part with its columns in the common dtypes of all parts.
fn with_dtypes(part: DataFrame, fields: &[(PlSmallStr, DataType)]) -> Result<DataFrame> {
    let columns = part.columns().iter().zip(fields);
    if columns
        .clone()
        .all(|(column, (_, dtype))| column.dtype() == dtype)
    {
        return Ok(part);
    }
    let columns = columns.map(|(column, (_, dtype))| column_with_dtype(column.clone(), dtype));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    Ok(DataFrame::new(part.height(), columns)?)
}

/// Checks that the columns of a part are those of the parts before it, whose dtypes take the types that they lack from it.
fn merge_columns(
    before: &mut [(PlSmallStr, DataType)],
    part: &DataFrame,
    place: &Place,
) -> Result<()> {
    let differs = |column: Option<&PlSmallStr>, message: String| -> Result<()> {
        Err(ErrorKind::Stack {
            place: place.clone(),
            column: column.map(ToString::to_string),
            message,
        }
        .into())
    };
    let one = one_of(place);
    if before.len() != part.width() {
        let message = format!(
            "the result has {}, but those of the {one}s before it have {}; return the same columns for every {one}",
            counted(part.width(), "column"),
            before.len()
        );
        return differs(None, message);
    }
    for (position, (is, (name, dtype))) in part.columns().iter().zip(before).enumerate() {
        if is.name() != name {
            let message = format!(
                "it is column {position} of the result, but in the {one}s before it that column is {:?}; return the same \
                 columns, in the same order, for every {one}",
                name.as_str()
            );
            return differs(Some(is.name()), message);
        }
        match merged(dtype, is.dtype()) {
            Some(merged) => *dtype = merged,
            None => return differs(Some(is.name()), other_dtype(one, is.dtype(), dtype)),
        }
    }
    Ok(())
}

/// Returns the word for what a place is.
fn one_of(place: &Place) -> &'static str {
    match place {
        Place::Group { .. } => "group",
        _ => "part",
    }
}

fn other_dtype(one: &str, is: &DataType, was: &DataType) -> String {
    format!(
        "the result is {}, but those of the {one}s before it are {}; cast it, so that every {one} has the same dtype",
        dtype_name(is),
        dtype_name(was)
    )
}

fn stack_columns(
    parts: Vec<Column>,
    places: &[Place],
    names: Option<Vec<PlSmallStr>>,
) -> Result<Column> {
    let series = parts.into_iter().map(Column::take_materialized_series);
    let stacked = stack_series(series.collect(), places)?.into_column();
    Ok(match names {
        Some(mut names) => stacked.with_name(names.swap_remove(0)),
        None => stacked,
    })
}

fn stack_series(parts: Vec<Series>, places: &[Place]) -> Result<Series> {
    let mut dtype = DataType::Null;
    for (index, part) in parts.iter().enumerate() {
        dtype = merged(&dtype, part.dtype()).ok_or_else(|| ErrorKind::Stack {
            place: places[index].clone(),
            column: Some(part.name().to_string()),
            message: other_dtype(one_of(&places[index]), part.dtype(), &dtype),
        })?;
    }
    let mut parts = parts.iter();
    let Some(first) = parts.next() else {
        // Every part is missing, so there is no dtype.
        return Ok(Series::new_null("par_apply".into(), 0));
    };
    let mut stacked = with_dtype(first, &dtype)?;
    for part in parts {
        stacked.append_owned(with_dtype(part, &dtype)?)?;
    }
    Ok(stacked)
}

/// A type that a column closure may return.
///
/// | result | output |
/// |---|---|
/// | a cell | a `DataFrame` of one row |
/// | `Column`, `Series` | a `DataFrame` of the same height, which must be the same for every column |
/// | `Result<T, E>` of one of these, `E: Into<anyhow::Error>` | as `T` |
///
/// The output's columns have the names of the input's columns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a column's result",
    label = "cannot become a column",
    note = "a column closure returns a cell, a `Column` or `Series`, or a `Result` of one of these",
    note = "`usize` and `isize` cannot be written to a column: return `u64` or `i64`"
)]
pub trait IntoColumns: Sized {
    #[doc(hidden)]
    type Part: Send;

    #[doc(hidden)]
    fn into_part<E: Encoding>(self, encoding: E) -> Result<Self::Part, Failure>;

    /// The same as [`IntoStack::fit`], for columns of one cell each; a dtype that must be given is reported for the first
    /// column.
    #[doc(hidden)]
    fn fit(_: &[DataType], _: &mut Vec<Misfit>) -> bool {
        true
    }

    /// Whether the result for a column is a whole column, which cannot be null.
    #[doc(hidden)]
    const WHOLE: bool;

    /// Returns the column of a result. A missing result is one null, or nothing where it would be whole. A cell was encoded for
    /// the dtype that is given.
    #[doc(hidden)]
    fn part_into_column(
        part: Option<Self::Part>,
        name: PlSmallStr,
        returns: Option<&DataType>,
    ) -> Result<Option<Column>>;
}

impl<T> IntoColumns for T
where
    T: IntoRow<Output = Column>,
    <T::Sink as Sinks>::Item: Send,
{
    type Part = <T::Sink as Sinks>::Item;

    const WHOLE: bool = T::WHOLE;

    fn into_part<Encoder: Encoding>(self, encoding: Encoder) -> Result<Self::Part, Failure> {
        self.into_items(encoding)
    }

    fn fit(dtypes: &[DataType], misfits: &mut Vec<Misfit>) -> bool {
        fit_each::<T::Sink>(dtypes, misfits)
    }

    fn part_into_column(
        part: Option<Self::Part>,
        name: PlSmallStr,
        returns: Option<&DataType>,
    ) -> Result<Option<Column>> {
        if T::WHOLE {
            let series = part.map(whole_series::<T>);
            return Ok(series.map(|series| series.into_column().with_name(name)));
        }
        let columns = write_all::<T>(vec![part], returns.map(std::slice::from_ref))?;
        T::Sink::stack(columns, vec![name], 1).map(Some)
    }
}

impl IntoColumns for Column {
    type Part = Column;

    const WHOLE: bool = true;

    fn into_part<Encoder: Encoding>(self, _: Encoder) -> Result<Column, Failure> {
        Ok(self)
    }

    fn part_into_column(
        part: Option<Column>,
        name: PlSmallStr,
        _: Option<&DataType>,
    ) -> Result<Option<Column>> {
        Ok(part.map(|part| part.with_name(name)))
    }
}

impl<E: Into<anyhow::Error>> IntoColumns for Result<Column, E> {
    type Part = Column;

    const WHOLE: bool = true;

    fn into_part<Encoder: Encoding>(self, _: Encoder) -> Result<Column, Failure> {
        self.map_err(|error| Failure::Closure(Cause::new(error.into())))
    }

    fn part_into_column(
        part: Option<Column>,
        name: PlSmallStr,
        returns: Option<&DataType>,
    ) -> Result<Option<Column>> {
        Column::part_into_column(part, name, returns)
    }
}

/// Puts columns side by side, all of which have the same height.
pub(crate) fn side_by_side(columns: Vec<Column>) -> Result<DataFrame> {
    let height = columns.first().map_or(0, Column::len);
    if let Some(column) = columns.iter().find(|column| column.len() != height) {
        return Err(Error::from(ErrorKind::Stack {
            place: Place::Column(column.name().to_string()),
            column: None,
            message: format!(
                "the result has {} rows, but that of column {:?} has {height}; return the same number of rows for every column",
                column.len(),
                columns[0].name().as_str()
            ),
        }));
    }
    Ok(DataFrame::new(height, columns)?)
}
