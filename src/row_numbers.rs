//! The numbers of a call's rows: everything that reports a row takes its number from here.

use std::ops::Range;

use polars::prelude::{
    Column, DataType, IdxCa, IdxSize, IntoColumn, NewChunkedArray, PlSmallStr, UInt32Chunked,
    UInt64Chunked,
};

use crate::error::{Error, ErrorKind, Result};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, Ordering};

/// How the input's rows are numbered, as the options set it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Numbering {
    /// Rows are counted from this number.
    #[cfg_attr(feature = "serde", serde(rename = "first_row"))]
    From(u64),
    /// A column of the frame has the numbers.
    #[cfg_attr(feature = "serde", serde(rename = "row_numbers"))]
    Column(PlSmallStr),
}

impl Default for Numbering {
    fn default() -> Self {
        Numbering::From(0)
    }
}

/// The numbers of the rows that a call is given, looked up by position.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct RowNumbers(Numbers);

#[derive(Clone, Debug)]
enum Numbers {
    From(usize),
    Listed {
        numbers: Listed,
        /// Set where the number was asked for of a row that has none.
        missed: Arc<AtomicBool>,
    },
    /// The numbers of values in several columns, one column after the other: the values of one row have neighbouring numbers.
    #[cfg(feature = "rand")]
    Elements {
        rows: Arc<RowNumbers>,
        height: usize,
        columns: usize,
    },
    /// The numbers of rows that nothing reports.
    #[cfg(feature = "dtype-struct")]
    Unknown,
}

/// The numbers of rows that nothing reports.
#[cfg(feature = "dtype-struct")]
pub(crate) static UNKNOWN: RowNumbers = RowNumbers(Numbers::Unknown);

/// Numbers kept as the column that has them; a row without a number is null. Numbering a large batch costs nothing.
#[derive(Clone, Debug)]
enum Listed {
    Small(UInt32Chunked),
    Large(UInt64Chunked),
}

impl Listed {
    #[inline]
    fn get(&self, position: usize) -> Option<usize> {
        match self {
            Listed::Small(numbers) if position < numbers.len() => {
                numbers.get(position).map(|number| number as usize)
            }
            Listed::Large(numbers) if position < numbers.len() => {
                numbers.get(position).map(|number| number as usize)
            }
            _ => None,
        }
    }

    fn first_missing(&self) -> Option<usize> {
        let (nulls, rows) = match self {
            Listed::Small(numbers) => (numbers.null_count(), numbers.len()),
            Listed::Large(numbers) => (numbers.null_count(), numbers.len()),
        };
        (nulls > 0)
            .then(|| (0..rows).find(|position| self.get(*position).is_none()))
            .flatten()
    }
}

/// Counts the rows from 0.
impl Default for RowNumbers {
    fn default() -> Self {
        RowNumbers(Numbers::From(0))
    }
}

impl RowNumbers {
    /// Counts `rows` rows from the number `first`.
    pub(crate) fn from_first(first: u64, rows: usize) -> Result<Self> {
        let from = usize::try_from(first).ok();
        match from.filter(|from| from.checked_add(rows).is_some()) {
            Some(from) => Ok(RowNumbers(Numbers::From(from))),
            None => Err(ErrorKind::Option {
                option: "first_row",
                message: format!(
                    "{rows} rows from number {first} on would have numbers of more than {} bits; give a smaller first number",
                    usize::BITS
                ),
            }
            .into()),
        }
    }

    /// Numbers the rows of a batch whose place in the whole input is not known: no row has a number.
    #[cfg(feature = "lazy")]
    pub(crate) fn unknown() -> Self {
        RowNumbers(Numbers::Listed {
            numbers: Listed::Small(UInt32Chunked::from_vec(PlSmallStr::EMPTY, Vec::new())),
            missed: Arc::default(),
        })
    }

    /// Takes the numbers from a column of integers. A row whose entry is null or negative has no number.
    pub(crate) fn listed(column: &Column) -> Result<Self> {
        if !column.dtype().is_integer() {
            return Err(refused(format!(
                "column {:?} is {}, but row numbers must be integers",
                column.name(),
                column.dtype()
            )));
        }
        let numbers = match column.dtype() {
            DataType::UInt32 => Listed::Small(column.u32()?.clone()),
            _ => Listed::Large(column.cast(&DataType::UInt64)?.u64()?.clone()),
        };
        Ok(RowNumbers(Numbers::Listed {
            numbers,
            missed: Arc::default(),
        }))
    }

    /// Does the same as [`listed`](RowNumbers::listed), and requires that each row has a number.
    pub(crate) fn complete(column: &Column) -> Result<Self> {
        let numbers = RowNumbers::listed(column)?;
        if let Numbers::Listed { numbers, .. } = &numbers.0
            && let Some(position) = numbers.first_missing()
        {
            return Err(refused(format!(
                "column {:?} is {} at position {position}; each row needs a number that is 0 or more",
                column.name(),
                column.get(position)?,
            )));
        }
        Ok(numbers)
    }

    /// Returns the numbers of the rows at these positions, in the order of the positions.
    pub(crate) fn picked(&self, positions: impl Iterator<Item = usize>) -> Self {
        let numbers = positions.map(|position| self.known(position).map(|number| number as u64));
        RowNumbers(Numbers::Listed {
            numbers: Listed::Large(UInt64Chunked::from_iter_options(PlSmallStr::EMPTY, numbers)),
            missed: Arc::default(),
        })
    }

    /// Returns the numbers by which the values of several columns draw, all values of a column before those of the next. Where rows
    /// have the numbers of the whole frame, so do their values.
    #[cfg(feature = "rand")]
    pub(crate) fn of_elements(&self, height: usize, columns: usize) -> Self {
        RowNumbers(Numbers::Elements {
            rows: Arc::new(self.clone()),
            height,
            columns,
        })
    }

    /// Returns the rows' own numbers: without the feature `rand`, no value draws.
    #[cfg(not(feature = "rand"))]
    pub(crate) fn of_elements(&self, _: usize, _: usize) -> Self {
        self.clone()
    }

    /// Returns the number of the row at a position, or the position where the row has no number.
    #[inline]
    pub(crate) fn of(&self, position: usize) -> usize {
        match &self.0 {
            Numbers::From(first) => first + position,
            Numbers::Listed { numbers, missed } => numbers.get(position).unwrap_or_else(|| {
                missed.store(true, Ordering::Relaxed);
                position
            }),
            #[cfg(feature = "rand")]
            Numbers::Elements {
                rows,
                height,
                columns,
            } => {
                let (column, row) = (position / height, position % height);
                rows.of(row).wrapping_mul(*columns).wrapping_add(column)
            }
            #[cfg(feature = "dtype-struct")]
            Numbers::Unknown => position,
        }
    }

    /// Returns the number of the row at a position, if it has one.
    #[inline]
    pub(crate) fn known(&self, position: usize) -> Option<usize> {
        match &self.0 {
            Numbers::From(first) => Some(first + position),
            Numbers::Listed { numbers, .. } => numbers.get(position),
            #[cfg(feature = "rand")]
            Numbers::Elements { .. } => Some(self.of(position)),
            #[cfg(feature = "dtype-struct")]
            Numbers::Unknown => None,
        }
    }

    /// Returns whether the numbers come from a column.
    pub(crate) fn is_column(&self) -> bool {
        matches!(self.0, Numbers::Listed { .. })
    }

    /// Returns the numbers of a run of rows, from the first row's to the last row's inclusive.
    pub(crate) fn span(&self, positions: Range<usize>) -> Range<usize> {
        // These are not reported as the number of a single row, so a position may stand in.
        let of = |position| self.known(position).unwrap_or(position);
        match positions.end.checked_sub(1) {
            Some(last) if !positions.is_empty() => of(positions.start)..of(last).saturating_add(1),
            _ => {
                let start = match &self.0 {
                    Numbers::From(_) => of(positions.start),
                    _ => positions.start,
                };
                start..start
            }
        }
    }

    /// Returns whether a position was given in place of a number that is not known.
    #[cfg(feature = "lazy")]
    pub(crate) fn has_missed(&self) -> bool {
        match &self.0 {
            Numbers::Listed { missed, .. } => missed.load(Ordering::Relaxed),
            #[cfg(feature = "rand")]
            Numbers::Elements { .. } => false,
            Numbers::From(_) | Numbers::Unknown => false,
        }
    }
}

/// The payload with which a closure unwinds that asked for the number of a row without one.
#[derive(Debug)]
pub(crate) struct Unnumbered;

impl Unnumbered {
    /// Ends the row that is running, without the panic hook. The row's error is then [`error`](Unnumbered::error).
    #[cold]
    pub(crate) fn end_the_row() -> ! {
        std::panic::resume_unwind(Box::new(Unnumbered))
    }

    pub(crate) fn error() -> Error {
        refused(
            "Row::index() was called for a row that has no number; give the expression .row_numbers(col(\"row\")), where \
             \"row\" is a column of numbers such as .with_row_index(\"row\", None) makes; in a call on a LazyFrame, leave \
             .numbered(false) out"
                .into(),
        )
    }
}

fn refused(message: String) -> Error {
    let option = "row_numbers";
    ErrorKind::Option { option, message }.into()
}

/// Makes a column of row numbers. Its dtype is that of Polars' row index, so that it can be joined with one; if a number does not
/// fit in that, it is `UInt64`.
pub(crate) fn number_column(name: PlSmallStr, numbers: &[usize]) -> Column {
    if numbers
        .iter()
        .all(|number| IdxSize::try_from(*number).is_ok())
    {
        let numbers = numbers.iter().map(|number| *number as IdxSize);
        return IdxCa::from_iter_values(name, numbers).into_column();
    }
    let numbers = numbers.iter().map(|number| *number as u64);
    UInt64Chunked::from_iter_values(name, numbers).into_column()
}
