//! The numbers of a call's rows: the one source of whatever reports a row.

use std::ops::Range;

use polars::prelude::{
    Column, DataType, IdxCa, IdxSize, IntoColumn, NewChunkedArray, PlSmallStr, UInt32Chunked,
    UInt64Chunked,
};

use crate::error::{Error, ErrorKind, Result};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, Ordering};

/// How the input's rows are numbered, as it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Numbering {
    /// From this number on.
    #[cfg_attr(feature = "serde", serde(rename = "first_row"))]
    From(u64),
    /// By a column of the frame.
    #[cfg_attr(feature = "serde", serde(rename = "row_numbers"))]
    Column(PlSmallStr),
}

impl Default for Numbering {
    fn default() -> Self {
        Numbering::From(0)
    }
}

/// The numbers of the rows that a call is given, by their positions.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct RowNumbers(Numbers);

#[derive(Clone, Debug)]
enum Numbers {
    From(usize),
    Listed {
        numbers: Listed,
        /// Whether the number of a row that has none was asked for.
        missed: Arc<AtomicBool>,
    },
    /// Of the values of columns, one column after the other: a row's values have neighbouring numbers.
    #[cfg(feature = "rand")]
    Elements {
        rows: Arc<RowNumbers>,
        height: usize,
        columns: usize,
    },
    /// Of rows that nobody reports.
    #[cfg(feature = "dtype-struct")]
    Unknown,
}

/// Of rows that nobody reports.
#[cfg(feature = "dtype-struct")]
pub(crate) static UNKNOWN: RowNumbers = RowNumbers(Numbers::Unknown);

/// Numbers as they lie in a column; a row that has none is null. A batch of many rows is numbered at no cost.
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

/// Counted from 0.
impl Default for RowNumbers {
    fn default() -> Self {
        RowNumbers(Numbers::From(0))
    }
}

impl RowNumbers {
    /// Counted from a number, of `rows` rows.
    pub(crate) fn from_first(first: u64, rows: usize) -> Result<Self> {
        let from = usize::try_from(first).ok();
        match from.filter(|from| from.checked_add(rows).is_some()) {
            Some(from) => Ok(RowNumbers(Numbers::From(from))),
            None => Err(ErrorKind::Option {
                option: "first_row",
                message: format!(
                    "from {first} on, {rows} rows have numbers of more than {} bits; give a smaller number",
                    usize::BITS
                ),
            }
            .into()),
        }
    }

    /// Of a batch's rows, whose place in the whole is not known.
    #[cfg(feature = "lazy")]
    pub(crate) fn unknown() -> Self {
        RowNumbers(Numbers::Listed {
            numbers: Listed::Small(UInt32Chunked::from_vec(PlSmallStr::EMPTY, Vec::new())),
            missed: Arc::default(),
        })
    }

    /// In a column of integers. A row whose number is null or negative has none.
    pub(crate) fn listed(column: &Column) -> Result<Self> {
        if !column.dtype().is_integer() {
            return Err(refused(format!(
                "{:?} is {}, and no integer",
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

    /// As [`listed`](RowNumbers::listed), where each row must have a number.
    pub(crate) fn complete(column: &Column) -> Result<Self> {
        let numbers = RowNumbers::listed(column)?;
        if let Numbers::Listed { numbers, .. } = &numbers.0
            && let Some(position) = numbers.first_missing()
        {
            return Err(refused(format!(
                "{:?} is {} at position {position}; each row needs a number, 0 or more",
                column.name(),
                column.get(position)?,
            )));
        }
        Ok(numbers)
    }

    /// The numbers of some of the rows, by their order.
    pub(crate) fn picked(&self, positions: impl Iterator<Item = usize>) -> Self {
        let numbers = positions.map(|position| self.known(position).map(|number| number as u64));
        RowNumbers(Numbers::Listed {
            numbers: Listed::Large(UInt64Chunked::from_iter_options(PlSmallStr::EMPTY, numbers)),
            missed: Arc::default(),
        })
    }

    /// The numbers that the values of columns draw by, of which all of a column come before those of the next: where rows are
    /// numbered as in the whole, so are their values.
    #[cfg(feature = "rand")]
    pub(crate) fn of_elements(&self, height: usize, columns: usize) -> Self {
        RowNumbers(Numbers::Elements {
            rows: Arc::new(self.clone()),
            height,
            columns,
        })
    }

    /// No value draws.
    #[cfg(not(feature = "rand"))]
    pub(crate) fn of_elements(&self, _: usize, _: usize) -> Self {
        self.clone()
    }

    /// The number of the row at a position; the position, where it has none.
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

    /// The number of the row at a position, if it has one.
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

    /// Whether they are those of a column.
    pub(crate) fn is_column(&self) -> bool {
        matches!(self.0, Numbers::Listed { .. })
    }

    /// The numbers of a run of rows: from the first one's to the last one's, that one included.
    pub(crate) fn span(&self, positions: Range<usize>) -> Range<usize> {
        // Nobody reports these as a row's own.
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

    /// Whether a position was given in the place of a number that is not known.
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

/// What a closure unwinds with that asked for the number of a row that has none.
#[derive(Debug)]
pub(crate) struct Unnumbered;

impl Unnumbered {
    /// Ends the row that is running, without the panic hook: [`error`](Unnumbered::error) is what becomes of it.
    #[cold]
    pub(crate) fn end_the_row() -> ! {
        std::panic::resume_unwind(Box::new(Unnumbered))
    }

    pub(crate) fn error() -> Error {
        refused(
            "Row::index() asked for the number of a row that has none here; give the expression .row_numbers(col(\"row\")), \
             where \"row\" is a column of numbers such as .with_row_index(\"row\", None) makes; and of a call on a \
             LazyFrame, leave .numbered(false) out"
                .into(),
        )
    }
}

fn refused(message: String) -> Error {
    let option = "row_numbers";
    ErrorKind::Option { option, message }.into()
}

/// A column of row numbers. It joins with Polars' row index, unless a number does not fit in that: then it is `UInt64`.
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
