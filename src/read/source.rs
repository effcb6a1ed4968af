//! The columns that a closure is given: chosen, checked against its argument types, and kept for the run.

use std::borrow::Cow;
use std::ops::Deref;

use polars::chunked_array::cast::CastOptions;
use polars::prelude::{Column, DataFrame, DataType, PlSmallStr, Series};
use polars_arrow::array::Array;

use super::cast::cast;
use super::{Cell, Fit};
use crate::error::{Error, ErrorKind};
use crate::options::{Casts, Options};
use crate::partition::{BLOCK, CONVERTED_BLOCK, ChunkEnds, Layout};
use crate::row_numbers::{Numbering, RowNumbers};

/// One argument's type, as the checks see it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    type_name: fn() -> String,
    fit: fn(&DataType) -> Fit,
}

impl Argument {
    pub(crate) fn of<T: Cell>() -> Self {
        Argument {
            type_name: T::type_name,
            fit: T::fit,
        }
    }

    pub(crate) fn type_name(&self) -> String {
        (self.type_name)()
    }

    pub(crate) fn fit(&self, dtype: &DataType) -> Fit {
        (self.fit)(dtype)
    }
}

/// The columns that a call is given, which all have the same number of rows. In an expression, two may have the same name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    pub(crate) columns: &'a [Column],
    pub(crate) rows: usize,
    /// The rows' numbers in the query that makes the call, if a query makes it; otherwise the options define them.
    pub(crate) numbers: Option<&'a RowNumbers>,
}

impl<'a> Given<'a> {
    pub(crate) fn of(frame: &'a DataFrame) -> Self {
        Given {
            columns: frame.columns(),
            rows: frame.height(),
            numbers: None,
        }
    }

    /// Returns the numbers of the rows.
    pub(crate) fn row_numbers(
        &self,
        options: &Options<'_>,
        faults: &mut Vec<Error>,
    ) -> NumbersOf<'a> {
        if let Some(numbers) = self.numbers {
            return NumbersOf::Query(numbers);
        }
        let numbers = match &options.call.numbering {
            None => Ok(RowNumbers::default()),
            Some(Numbering::From(first)) => RowNumbers::from_first(*first, self.rows),
            Some(Numbering::Column(name)) => {
                let mut found = self.columns.iter().filter(|column| column.name() == name);
                match found.next() {
                    Some(column) => RowNumbers::complete(column),
                    None => {
                        let columns = self.columns.iter().map(|column| column.name().as_str());
                        Err(not_found(name, columns))
                    }
                }
            }
        };
        NumbersOf::Call(numbers.unwrap_or_else(|fault| {
            faults.push(fault);
            RowNumbers::default()
        }))
    }

    /// Returns the columns that a closure is given by default: all but the one that has the rows' numbers.
    fn by_default(&self, options: &Options<'_>) -> Vec<&'a Column> {
        let numbers = options.numbers_column();
        let columns = self.columns.iter();
        columns
            .filter(|column| Some(column.name()) != numbers)
            .collect()
    }
}

/// The numbers of rows: those of a query, or those of the call.
#[derive(Debug)]
pub(crate) enum NumbersOf<'a> {
    Query(&'a RowNumbers),
    Call(RowNumbers),
}

impl Deref for NumbersOf<'_> {
    type Target = RowNumbers;

    fn deref(&self) -> &RowNumbers {
        match self {
            NumbersOf::Query(numbers) => numbers,
            NumbersOf::Call(numbers) => numbers,
        }
    }
}

/// The names of a derived row's fields.
pub(crate) type Names = Option<&'static [&'static str]>;

/// One column's chunks, ready to bind.
#[doc(hidden)]
#[derive(Debug)]
pub struct ColumnChunks<'a> {
    pub(crate) name: &'a str,
    pub(crate) dtype: &'a DataType,
    /// The chunks that are not empty.
    pub(crate) arrays: Vec<&'a dyn Array>,
}

/// One column as it is read.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    /// The column as it was given.
    pub(crate) column: &'a Column,
    series: Cow<'a, Series>,
    /// Whether this is a scalar column, whose series is one block that stands for every block.
    repeated: bool,
    /// Whether values are converted as they are read.
    converted: bool,
}

impl<'a> Source<'a> {
    /// Makes the source of a column. A scalar column becomes one block of its value, and is never filled to the frame's height.
    pub(crate) fn of(column: &'a Column) -> Self {
        match column {
            Column::Series(series) => Source {
                column,
                series: Cow::Borrowed(series),
                repeated: false,
                converted: false,
            },
            Column::Scalar(scalar) => Source {
                column,
                series: Cow::Owned(scalar.as_n_values_series(CONVERTED_BLOCK)),
                repeated: true,
                converted: false,
            },
        }
    }

    pub(crate) fn name(&self) -> &PlSmallStr {
        self.series.name()
    }

    pub(crate) fn dtype(&self) -> &DataType {
        self.series.dtype()
    }

    fn arrays(&self) -> impl Iterator<Item = &dyn Array> {
        let chunks = self.series.chunks().iter();
        chunks
            .map(|chunk| &**chunk)
            .filter(|chunk| !chunk.is_empty())
    }

    pub(crate) fn chunks(&self) -> ColumnChunks<'_> {
        ColumnChunks {
            name: self.name(),
            dtype: self.dtype(),
            arrays: self.arrays().collect(),
        }
    }

    pub(crate) fn ends(&self) -> ChunkEnds {
        if self.repeated {
            return ChunkEnds::Repeated(self.series.len());
        }
        let mut end = 0;
        ChunkEnds::At(
            self.arrays()
                .map(|array| {
                    end += array.len();
                    end
                })
                .collect(),
        )
    }

    /// Returns the column as it is read, with `rows` rows; a scalar column's value is repeated.
    pub(crate) fn whole(&self, rows: usize) -> Series {
        match self.repeated {
            true if self.series.is_empty() => self.series.clear(),
            true => self.series.new_from_index(0, rows),
            false => self.series.as_ref().clone(),
        }
    }

    /// Converts the column to one that the argument takes, or returns why that is not possible.
    pub(crate) fn fit(
        &mut self,
        argument: &Argument,
        position: usize,
        casts: Casts,
    ) -> Result<(), Error> {
        let (target, lossy) = match argument.fit(self.dtype()) {
            Fit::Exact => return Ok(()),
            Fit::Converted => {
                self.converted = true;
                return Ok(());
            }
            Fit::Cast(target) => (target, false),
            Fit::Lossy(target) if casts == Casts::Lossy => (target, true),
            unfit => {
                return Err(ErrorKind::Dtype {
                    column: self.name().to_string(),
                    dtype: self.dtype().clone(),
                    argument: Some(position),
                    method: None,
                    takes: argument.type_name(),
                    instead: natural_type(self.dtype()),
                    lossy: unfit != Fit::Never,
                }
                .into());
            }
        };
        let options = match lossy {
            true => CastOptions::NonStrict,
            false => CastOptions::Strict,
        };
        let cast = cast(&self.series, &target, options)?;
        self.series = Cow::Owned(cast);
        Ok(())
    }
}

/// The columns that a closure is given, in the order of its arguments.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    pub(crate) rows: usize,
    pub(crate) columns: Vec<Source<'a>>,
}

impl<'a> Sources<'a> {
    /// Makes sources without columns, of `rows` rows.
    pub(crate) fn none(rows: usize) -> Self {
        let columns = Vec::new();
        Sources { rows, columns }
    }

    /// Chooses the columns and checks them; every fault is added to `faults`.
    pub(crate) fn choose(
        given: Given<'a>,
        options: &Options<'_>,
        arguments: Option<&[Argument]>,
        names: Names,
        faults: &mut Vec<Error>,
    ) -> Self {
        Self::choose_from(given, options, arguments, names, 0, faults)
    }

    /// Does the same for arguments that come after `first` others.
    pub(crate) fn choose_from(
        given: Given<'a>,
        options: &Options<'_>,
        arguments: Option<&[Argument]>,
        names: Names,
        first: usize,
        faults: &mut Vec<Error>,
    ) -> Self {
        let mut wanted = wanted(given, options, faults);
        if let Some(names) = names {
            let columns: Vec<&Column> = wanted.iter().copied().flatten().collect();
            wanted = by_name(&columns, names, faults);
        }
        if let Some(arguments) = arguments
            && arguments.len() != wanted.len()
        {
            let asked = match (names, &options.call.select) {
                (Some(names), _) => names.iter().map(ToString::to_string).collect(),
                (None, Some(select)) => select.iter().map(ToString::to_string).collect(),
                (None, None) => {
                    let columns = given.by_default(options).into_iter();
                    columns.map(|column| column.name().to_string()).collect()
                }
            };
            faults.push(
                ErrorKind::ArgumentCount {
                    arguments: arguments.len(),
                    columns: asked,
                }
                .into(),
            );
        }
        let mut columns = Vec::with_capacity(wanted.len());
        for (position, column) in wanted.into_iter().enumerate() {
            let Some(mut source) = column.map(Source::of) else {
                continue;
            };
            // A missing column leaves the place of its argument empty, so that the other columns are checked against their own
            // arguments.
            if let Some(argument) = arguments.and_then(|arguments| arguments.get(position))
                && let Err(fault) = source.fit(argument, first + position, options.casts())
            {
                faults.push(fault);
            }
            columns.push(source);
        }
        Sources {
            rows: given.rows,
            columns,
        }
    }

    pub(crate) fn chunks(&self) -> Vec<ColumnChunks<'_>> {
        self.columns.iter().map(Source::chunks).collect()
    }

    pub(crate) fn layout(&self) -> Layout {
        let converted = self.columns.iter().any(|column| column.converted);
        Layout {
            rows: self.rows,
            block: if converted { CONVERTED_BLOCK } else { BLOCK },
            columns: self.columns.iter().map(Source::ends).collect(),
        }
    }
}

/// Returns the selected columns that exist, or all columns.
pub(crate) fn selected<'a>(
    given: Given<'a>,
    options: &Options<'_>,
    faults: &mut Vec<Error>,
) -> Vec<&'a Column> {
    wanted(given, options, faults)
        .into_iter()
        .flatten()
        .collect()
}

/// Returns the selected columns, or all columns; a column that is missing is `None`.
fn wanted<'a>(
    given: Given<'a>,
    options: &Options<'_>,
    faults: &mut Vec<Error>,
) -> Vec<Option<&'a Column>> {
    match &options.call.select {
        None => given.by_default(options).into_iter().map(Some).collect(),
        Some(names) => {
            let all: Vec<&Column> = given.columns.iter().collect();
            by_name(&all, names, faults)
        }
    }
}

fn by_name<'a, S: AsRef<str>>(
    columns: &[&'a Column],
    names: &[S],
    faults: &mut Vec<Error>,
) -> Vec<Option<&'a Column>> {
    let names = names.iter().map(AsRef::as_ref);
    names
        .map(|name| {
            let found = columns.iter().find(|column| column.name() == name).copied();
            if found.is_none() {
                let columns = columns.iter().map(|column| column.name().as_str());
                faults.push(not_found(name, columns));
            }
            found
        })
        .collect()
}

/// The error of asking for a name that does not exist.
pub(crate) fn not_found<'n>(name: &str, columns: impl Iterator<Item = &'n str>) -> Error {
    let columns: Vec<String> = columns.map(str::to_string).collect();
    ErrorKind::ColumnNotFound {
        column: name.to_string(),
        near: near(name, &columns),
        columns,
    }
    .into()
}

/// Returns up to three names that differ only by case, or by at most one edit for every three characters.
pub(crate) fn near(name: &str, columns: &[String]) -> Vec<String> {
    let name = name.to_lowercase();
    let farthest = (name.chars().count() / 3).max(1);
    let mut near: Vec<(usize, &String)> = columns
        .iter()
        .map(|column| {
            let edits = strsim::osa_distance(&name, &column.to_lowercase());
            (edits, column)
        })
        .filter(|(edits, _)| *edits <= farthest)
        .collect();
    near.sort_by_key(|(edits, _)| *edits);
    near.into_iter()
        .take(3)
        .map(|(_, column)| column.clone())
        .collect()
}

/// Returns the Rust type that takes a dtype as it is, if this build has one.
pub(super) fn natural_type(dtype: &DataType) -> Option<&'static str> {
    Some(match dtype {
        DataType::Int8 if cfg!(feature = "dtype-i8") => "i8",
        DataType::Int16 if cfg!(feature = "dtype-i16") => "i16",
        DataType::Int8 | DataType::Int16 | DataType::Int32 => "i32",
        DataType::Int64 => "i64",
        DataType::Int128 if cfg!(feature = "dtype-i128") => "i128",
        DataType::UInt8 if cfg!(feature = "dtype-u8") => "u8",
        DataType::UInt16 if cfg!(feature = "dtype-u16") => "u16",
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => "u32",
        DataType::UInt64 => "u64",
        DataType::Float32 => "f32",
        DataType::Float64 => "f64",
        DataType::Boolean => "bool",
        DataType::String => "&str",
        DataType::Binary => "&[u8]",
        DataType::Date if cfg!(feature = "dtype-date") => "NaiveDate",
        DataType::Time if cfg!(feature = "dtype-time") => "NaiveTime",
        DataType::Duration(_) if cfg!(feature = "dtype-duration") => "TimeDelta",
        DataType::Datetime(_, zone) if cfg!(feature = "dtype-datetime") => match zone {
            None => "NaiveDateTime",
            Some(_) if cfg!(feature = "timezones") => "DateTime<Utc>",
            Some(_) => "DateTime<Utc> (with the feature `timezones`)",
        },
        #[cfg(feature = "rust_decimal")]
        DataType::Decimal(..) => "Decimal",
        DataType::List(_) => "Vec<_> or Series",
        #[cfg(feature = "dtype-array")]
        DataType::Array(..) => "Vec<_> or Series",
        #[cfg(feature = "dtype-categorical")]
        DataType::Categorical(..) | DataType::Enum(..) => "&str",
        #[cfg(feature = "dtype-struct")]
        DataType::Struct(_) => "Struct<_>",
        _ => "AnyValue<'_>",
    })
}
