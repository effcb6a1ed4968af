//! The data that closures of groups and of windows are given: the columns of their arguments, in group order.

use polars::prelude::{
    BooleanChunked, Column, DataFrame, DataType, IdxCa, IdxSize, PlSmallStr, Series,
};
use polars_arrow::bitmap::{Bitmap, MutableBitmap};

use super::report::at_rows;
use crate::error::{Error, ErrorKind, Result, counted};
use crate::groups::check_keys;
use crate::options::{Nulls, Options};
use crate::partition::{CONVERTED_BLOCK, Layout};
use crate::read::{
    Argument, ColumnChunks, Fit, Given, Source, Sources, SpanArgs, SpanArgument, not_found,
};
use crate::row_numbers::RowNumbers;
use crate::run::Plan;

/// A frame with fewer rows is prepared in less time than it takes to wake another worker.
const FEW: usize = 1 << 14;

/// Runs work for each of these items on the call's workers, or on the calling thread if there are few rows.
pub(super) fn share_out(
    plan: &Plan,
    rows: usize,
) -> impl Fn(usize, &(dyn Fn(usize) + Sync)) -> Result<()> + Sync {
    let here = rows < FEW;
    move |items, work| plan.share_out(items, here, work)
}

/// Returns the columns that say which rows belong together; a column that is missing, doubled or unsuitable is a fault.
pub(super) fn keys<'a>(
    given: Given<'a>,
    options: &Options<'_>,
    faults: &mut Vec<Error>,
) -> Vec<&'a Column> {
    let names = options.call.by.as_deref().unwrap_or_default();
    // If the option is needed and missing, the table of options reports it.
    if options.call.by.is_some() && names.is_empty() {
        let option = "by";
        let message =
            "it names no column; give the columns whose values say which rows belong together"
                .into();
        faults.push(ErrorKind::Option { option, message }.into());
    }
    super::check_duplicates(names, faults);
    let mut keys = Vec::with_capacity(names.len());
    for name in names {
        match column(given, name) {
            Ok(key) => keys.push(key),
            Err(fault) => faults.push(fault),
        }
    }
    faults.extend(check_keys(&keys).err());
    keys
}

/// Returns the column of this name.
pub(super) fn column<'a>(given: Given<'a>, name: &str) -> Result<&'a Column> {
    let found = given.columns.iter().find(|column| column.name() == name);
    found.ok_or_else(|| {
        let columns = given.columns.iter().map(|column| column.name().as_str());
        not_found(name, columns)
    })
}

/// Returns the columns that a closure is given by default: all but these.
pub(super) fn columns_but(given: Given<'_>, others: &[&PlSmallStr]) -> Vec<Column> {
    let columns = given.columns.iter();
    let columns = columns.filter(|column| !others.contains(&column.name()));
    columns.cloned().collect()
}

/// The columns that a closure's arguments are bound to, as they lie in the frame.
pub(super) struct Chosen<'a> {
    arguments: Vec<SpanArgument>,
    /// The columns of the arguments that are not keys, one argument after the other.
    sources: Sources<'a>,
    /// The names of the columns of all arguments, the keys included.
    pub(super) inputs: Vec<String>,
    /// How many keys are given to cells, which come first.
    keys: usize,
}

impl<'a> Chosen<'a> {
    /// Chooses the columns, and notes the faults. Cells are given the keys, if there are keys, and otherwise selected columns.
    pub(super) fn new<A: SpanArgs>(
        given: Given<'a>,
        options: &Options<'_>,
        keys: Option<&[&Column]>,
        faults: &mut Vec<Error>,
    ) -> Self {
        let mut arguments = Vec::new();
        A::describe(&mut arguments);
        let cells = match keys {
            Some(_) => arguments.iter().filter(|argument| argument.is_cell).count(),
            None => 0,
        };
        let keys = keys.unwrap_or_default();
        let has_order = arguments
            .iter()
            .take(cells)
            .all(|argument| argument.is_cell);
        if !has_order {
            refuse(
                faults,
                "the closure takes a key (an argument that is a cell) after other arguments; put the keys first"
                    .into(),
            );
        } else if cells > 0 && cells != keys.len() {
            refuse(
                faults,
                format!(
                    "the closure takes {} as cells, but there are {}; take all of the keys in their order, or none",
                    counted(cells, "key"),
                    keys.len(),
                ),
            );
        } else {
            for (position, (argument, key)) in arguments.iter().zip(keys).take(cells).enumerate() {
                let empty = key.clear();
                let mut source = Source::of(&empty);
                let types = argument.columns.iter().flatten();
                faults.extend(types.filter_map(|t| source.fit(t, position, options.casts()).err()));
            }
        }
        let others = &arguments[cells.min(arguments.len())..];
        let sources = match A::WHOLE {
            true => Sources::choose(given, options, None, None, faults),
            // In this case it is not known which column belongs to which argument.
            false if !has_order => Sources::none(given.rows),
            false => choose(given, options, others, cells, faults),
        };
        let mut inputs: Vec<String> = keys
            .iter()
            .take(cells)
            .map(|key| key.name().to_string())
            .collect();
        inputs.extend(
            sources
                .columns
                .iter()
                .map(|source| source.column.name().to_string()),
        );
        Chosen {
            arguments,
            sources,
            inputs,
            keys: cells,
        }
    }

    /// Returns the rows that the closure is given: those that are not null in an argument of a plain type; `None` if it is
    /// given all rows. If the options allow no nulls, the first null of an argument is an error, even in a key.
    pub(super) fn seen(
        &self,
        keys: &[&Column],
        options: &Options<'_>,
        numbers: &RowNumbers,
    ) -> Result<Option<Bitmap>> {
        let rows = self.sources.rows;
        let allows_none = options.nulls() == Nulls::Error;
        let (of_keys, others) = self.arguments.split_at(self.keys.min(self.arguments.len()));
        if allows_none {
            for (argument, key) in of_keys.iter().zip(keys) {
                let mut source = Source::of(key);
                for takes in argument.columns.iter().flatten() {
                    source.fit(takes, 0, options.casts())?;
                }
                let mut first = None;
                let mut note = |row: usize, column: &dyn Fn() -> usize| {
                    first.get_or_insert_with(|| (row, column()));
                };
                // SAFETY: the key was just converted to one that the argument takes.
                unsafe { see(argument, &[source], rows, &mut note) };
                refuse_null(first, &[*key], numbers)?;
            }
        }
        let mut seen: Option<MutableBitmap> = None;
        let mut columns = 0;
        for argument in others {
            let taken = self.taken_by(argument, columns);
            let own = &self.sources.columns[columns..columns + taken];
            columns += taken;
            // A null in the cell of the current row does not hide that row from other windows.
            if argument.is_cell && !allows_none {
                continue;
            }
            let mut first = None;
            let mut hide = |row: usize, column: &dyn Fn() -> usize| {
                if allows_none {
                    first.get_or_insert_with(|| (row, column()));
                } else {
                    seen.get_or_insert_with(|| MutableBitmap::from_len_set(rows))
                        .set(row, false);
                }
            };
            // SAFETY: these are the argument's columns. The checks have passed, so each was converted to one that it takes
            // (`choose`).
            unsafe { see(argument, own, rows, &mut hide) };
            let own: Vec<&Column> = own.iter().map(|source| source.column).collect();
            refuse_null(first, &own, numbers)?;
        }
        Ok(seen.map(Bitmap::from))
    }

    /// Returns the columns that are not keys.
    pub(super) fn columns(&self) -> impl Iterator<Item = &'a Column> {
        self.sources.columns.iter().map(|source| source.column)
    }

    /// Returns whether some argument takes rows whose types are known only at run time.
    pub(super) fn is_untyped(&self) -> bool {
        let mut arguments = self.arguments.iter();
        arguments.any(|argument| argument.columns.is_none())
    }

    /// Returns how many of the columns from `from` on an argument takes.
    fn taken_by(&self, argument: &SpanArgument, from: usize) -> usize {
        match &argument.columns {
            Some(columns) => columns.len(),
            None => self.sources.columns.len() - from,
        }
    }

    /// Returns the columns as they are bound: keys as they are given, the others in the order that `arrange` gives them.
    pub(super) fn arrange(
        &self,
        keys: &[Column],
        options: &Options<'_>,
        arrange: impl Fn(&Series) -> Result<Series>,
    ) -> Result<Arranged> {
        let mut columns = Vec::with_capacity(self.inputs.len());
        let types = |argument: &SpanArgument| argument.columns.clone().unwrap_or_default();
        for (argument, key) in self.arguments.iter().zip(keys).take(self.keys) {
            let mut source = Source::of(key);
            for takes in types(argument) {
                source.fit(&takes, 0, options.casts())?;
            }
            columns.push(bindable(widened(
                source.whole(key.len()),
                types(argument).first(),
            )?));
        }
        let mut counts = vec![1; columns.len()];
        let mut next = 0;
        for argument in &self.arguments[self.keys..] {
            let taken = self.taken_by(argument, next);
            let types = types(argument);
            for column in 0..taken {
                let source = &self.sources.columns[next + column];
                let series = widened(source.whole(self.sources.rows), types.get(column))?;
                // A cell is that of the current row, which is found in the order of the frame.
                columns.push(bindable(match argument.is_cell {
                    true => series.rechunk(),
                    false => arrange(&series)?,
                }));
            }
            next += taken;
            counts.push(taken);
        }
        Ok(Arranged { columns, counts })
    }
}

/// Reports the rows that are null to an argument.
///
/// # Safety
/// The number of columns is that of the argument, and `Source::fit` has converted each to one that its type takes.
unsafe fn see(
    argument: &SpanArgument,
    columns: &[Source<'_>],
    rows: usize,
    hide: &mut dyn FnMut(usize, &dyn Fn() -> usize),
) {
    let chunks: Vec<ColumnChunks<'_>> = columns.iter().map(Source::chunks).collect();
    let layout = Layout {
        rows,
        block: CONVERTED_BLOCK,
        columns: columns.iter().map(Source::ends).collect(),
    };
    // SAFETY: the chunks are those of the columns, which are as the caller guarantees.
    unsafe { (argument.see)(&chunks, &layout, hide) };
}

/// Returns the error of a null, given its row and its column.
fn refuse_null(
    first: Option<(usize, usize)>,
    columns: &[&Column],
    numbers: &RowNumbers,
) -> Result<()> {
    let Some((row, column)) = first else {
        return Ok(());
    };
    let kind = ErrorKind::Null {
        column: columns[column].name().to_string(),
        row: numbers.of(row),
    };
    Err(kind.into())
}

/// The columns of arguments, each of which is one chunk that is not empty.
#[derive(Default)]
pub(super) struct Arranged {
    columns: Vec<Series>,
    counts: Vec<usize>,
}

impl Arranged {
    /// Returns the columns of each argument.
    pub(super) fn chunks(&self) -> Vec<Vec<ColumnChunks<'_>>> {
        let mut columns = self.columns.iter();
        self.counts
            .iter()
            .map(|count| {
                let own = columns.by_ref().take(*count);
                own.map(|series| ColumnChunks {
                    name: series.name(),
                    dtype: series.dtype(),
                    arrays: vec![&*series.chunks()[0]],
                })
                .collect()
            })
            .collect()
    }
}

/// Returns the series in one chunk that has at least one row, which may be a null.
fn bindable(series: Series) -> Series {
    match series.is_empty() {
        true => Series::full_null(series.name().clone(), 1, series.dtype()),
        false => series.rechunk(),
    }
}

/// Converts numbers of another type than the argument's to that type, since they are read many times.
fn widened(series: Series, argument: Option<&Argument>) -> Result<Series> {
    let Some(argument) = argument else {
        return Ok(series);
    };
    match (argument.fit(series.dtype()), argument.fit(&DataType::Null)) {
        (Fit::Converted, Fit::Cast(target)) if target.is_primitive_numeric() => {
            Ok(series.strict_cast(&target)?)
        }
        _ => Ok(series),
    }
}

fn choose<'a>(
    given: Given<'a>,
    options: &Options<'_>,
    arguments: &[SpanArgument],
    first: usize,
    faults: &mut Vec<Error>,
) -> Sources<'a> {
    let names = arguments.iter().find_map(|argument| argument.names);
    let any = arguments.iter().any(|argument| argument.columns.is_none());
    if arguments.len() > 1 && (names.is_some() || any) {
        refuse(
            faults,
            "Rows<'_, R> of a derived struct or of Row takes all columns that the closure is given; use tuples in Rows<'_, \
             _>, or leave the other arguments out"
                .into(),
        );
        return Sources::none(given.rows);
    }
    let types: Vec<Argument> = arguments
        .iter()
        .flat_map(|argument| argument.columns.iter().flatten().copied())
        .collect();
    // A closure that takes only keys needs none of the other columns.
    if types.is_empty() && !any && options.call.select.is_none() {
        return Sources::none(given.rows);
    }
    let types = (!any).then_some(types.as_slice());
    Sources::choose_from(given, options, types, names, first, faults)
}

fn refuse(faults: &mut Vec<Error>, message: String) {
    let option = "by";
    faults.push(ErrorKind::Option { option, message }.into());
}

/// Returns these rows of a series; a row that does not exist is null.
pub(super) fn at_rows_or_null(series: &Series, rows: IdxCa) -> Result<Series> {
    if series.is_empty() {
        return Ok(Series::full_null(
            series.name().clone(),
            rows.len(),
            series.dtype(),
        ));
    }
    Ok(series.take(&rows)?)
}

/// Returns the rows of a series whose bits are set.
pub(super) fn filtered(series: &Series, seen: &Bitmap) -> Result<Series> {
    let mask = BooleanChunked::from_bitmap(PlSmallStr::EMPTY, seen.clone());
    Ok(series.filter(&mask)?)
}

/// Puts results beside keys; no two columns may have the same name.
pub(super) fn beside(keys: Vec<Column>, results: DataFrame) -> Result<DataFrame> {
    let height = match keys.first() {
        Some(key) => key.len(),
        None => results.height(),
    };
    let mut columns = keys;
    columns.extend(results.into_columns());
    let names: Vec<PlSmallStr> = columns.iter().map(|column| column.name().clone()).collect();
    let mut faults = Vec::new();
    super::check_duplicates(&names, &mut faults);
    Error::of_all(faults)?;
    Ok(DataFrame::new(height, columns)?)
}

/// Returns a key, repeated for each row of its group.
pub(super) fn repeated(key: &Column, heights: &[(usize, usize)]) -> Result<Column> {
    let rows = heights.iter();
    let rows = rows.flat_map(|(group, height)| std::iter::repeat_n(*group as IdxSize, *height));
    let rows: Vec<IdxSize> = rows.collect();
    at_rows(key, &rows)
}
