//! Struct columns as `Struct<T>`.

use std::marker::PhantomData;

use polars::prelude::{DataType, Field};
use polars_arrow::array::{Array, StructArray};
use polars_arrow::bitmap::Bitmap;

use super::any::AnyChunk;
use super::{
    Argument, Cell, Cells, ColumnChunks, Fault, Fit, FromRow, ListItem, Mask, Misread, Reader,
    downcast, validity, view_is_reader,
};
use crate::partition::BlockStart;
use crate::row_numbers::UNKNOWN;
use crate::sealed::Sealed;

/// The value of a Struct column: its fields as a tuple (by position) or as a derived struct (by name).
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["x" => [3.0, 6.0], "y" => [4.0, 8.0]]?;
/// let point = df.clone().into_struct("point".into()).into_column();
/// let df = DataFrame::new(2, vec![point])?;
///
/// let length = df.par_apply_rows(|Struct((x, y)): Struct<(f64, f64)>| x.hypot(y))?;
/// assert_eq!(length.f64()?.to_vec(), [Some(5.0), Some(10.0)]);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Struct<T>(
    /// The fields of the struct.
    pub T,
);

/// A chunk of a Struct column.
#[doc(hidden)]
#[derive(Debug)]
pub struct StructChunk<'a, B> {
    fields: B,
    cells: usize,
    validity: Option<&'a Bitmap>,
}

/// Memory for the fields' converted values, and the places of the fields.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct StructScratch<S> {
    places: Vec<BlockStart>,
    fields: S,
}

/// Reads the fields side by side.
#[doc(hidden)]
#[derive(Debug)]
pub struct StructReader<'s, T, R> {
    fields: R,
    mask: Mask<'s>,
    row: PhantomData<fn() -> T>,
}

impl<T, R: Copy> Clone for StructReader<'_, T, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, R: Copy> Copy for StructReader<'_, T, R> {}

impl<'s, T: FromRow> Reader for StructReader<'s, T, <T::Cells as Cells>::Reader<'s>> {
    type Item = Struct<T::Of<'s>>;

    fn has_nulls(&self) -> bool {
        self.mask.has_nulls() || self.fields.has_nulls()
    }

    #[inline(always)]
    unsafe fn is_valid(&self, i: usize) -> bool {
        // SAFETY: the caller upholds this function's contract.
        unsafe { self.mask.is_valid(i) && self.fields.is_valid(i) }
    }

    #[inline(always)]
    unsafe fn read<const NULLS: bool>(&self, i: usize) -> Self::Item {
        // SAFETY: the caller upholds this function's contract.
        Struct(T::assemble(unsafe { self.fields.read::<NULLS>(i) }))
    }

    #[inline(always)]
    unsafe fn unreadable(&self, i: usize) -> bool {
        // SAFETY: the caller upholds this function's contract.
        unsafe { self.mask.is_valid(i) && self.fields.unreadable(i) }
    }

    unsafe fn fault(&self, i: usize) -> Fault {
        Fault {
            argument: 0,
            // SAFETY: the caller upholds this function's contract; the fields are asked for a fault only where they have one.
            message: unsafe {
                if self.unreadable(i) {
                    self.fields.fault(i).message
                } else {
                    None
                }
            },
        }
    }
}

/// Returns the fields that the row takes, in its order, or `None` if one is missing.
fn chosen<T: FromRow>(fields: &[Field]) -> Option<Vec<usize>> {
    match T::NAMES {
        Some(names) => names
            .iter()
            .map(|name| fields.iter().position(|field| field.name.as_str() == *name))
            .collect(),
        None => Some((0..fields.len()).collect()),
    }
}

/// Returns how a column of nulls is taken: it becomes null structs with the fields that the row takes.
fn null_struct<T: FromRow>() -> Fit {
    let arguments = T::Cells::arguments().unwrap_or_default();
    let fields = arguments.iter().enumerate().map(|(position, argument)| {
        let name = match T::NAMES {
            Some(names) => names[position].into(),
            None => format!("field_{position}").into(),
        };
        match argument.fit(&DataType::Null) {
            Fit::Cast(dtype) => Field::new(name, dtype),
            _ => Field::new(name, DataType::Null),
        }
    });
    Fit::Cast(DataType::Struct(fields.collect()))
}

fn fields(dtype: &DataType) -> &[Field] {
    match dtype {
        DataType::Struct(fields) => fields,
        _ => unreachable!("`fit` takes structs only"),
    }
}

impl<T> Sealed for Struct<T> {}

impl<T: FromRow> Cell for Struct<T> {
    type Of<'a> = Struct<T::Of<'a>>;
    type Chunk<'a> = StructChunk<'a, <T::Cells as Cells>::Bound<'a>>;
    type Scratch = StructScratch<<T::Cells as Cells>::Scratch>;
    type Reader<'s> = StructReader<'s, T, <T::Cells as Cells>::Reader<'s>>;

    view_is_reader!();

    fn type_name() -> String {
        match T::Cells::arguments() {
            Some(arguments) => {
                let names: Vec<String> = arguments.iter().map(Argument::type_name).collect();
                format!("Struct<({})>", names.join(", "))
            }
            None => "Struct<Row>".into(),
        }
    }

    fn fit(dtype: &DataType) -> Fit {
        let DataType::Struct(fields) = dtype else {
            return match dtype {
                DataType::Null => null_struct::<T>(),
                _ => Fit::Never,
            };
        };
        let (Some(chosen), Some(arguments)) = (chosen::<T>(fields), T::Cells::arguments()) else {
            // Either a field is missing, or the row is untyped: such a row knows its place in a frame, but not in a struct.
            return Fit::Never;
        };
        if chosen.len() != arguments.len() {
            return Fit::Never;
        }
        let mut target = fields.clone();
        let (mut converted, mut cast, mut lossy) = (false, false, false);
        for (field, argument) in chosen.iter().zip(&arguments) {
            let to = match argument.fit(&fields[*field].dtype) {
                Fit::Exact => continue,
                Fit::Converted => {
                    converted = true;
                    continue;
                }
                Fit::Never => return Fit::Never,
                Fit::Cast(to) => to,
                Fit::Lossy(to) => {
                    lossy = true;
                    to
                }
            };
            cast = true;
            target[*field].dtype = to;
        }
        match (cast, lossy) {
            (false, _) if converted => Fit::Converted,
            (false, _) => Fit::Exact,
            (true, false) => Fit::Cast(DataType::Struct(target)),
            (true, true) => Fit::Lossy(DataType::Struct(target)),
        }
    }

    unsafe fn bind<'a>(dtype: &'a DataType, array: &'a dyn Array) -> Self::Chunk<'a> {
        let values = downcast::<StructArray>(array).values();
        let fields = fields(dtype);
        let columns: Vec<ColumnChunks<'a>> = chosen::<T>(fields)
            .expect("`fit` found the fields")
            .into_iter()
            .map(|field| ColumnChunks {
                name: &fields[field].name,
                dtype: &fields[field].dtype,
                arrays: vec![&*values[field]],
            })
            .collect();
        StructChunk {
            cells: columns.len(),
            // SAFETY: a field of a struct's chunk is a chunk of the field's dtype.
            fields: unsafe { T::Cells::bind(&columns, &UNKNOWN) },
            validity: validity(array),
        }
    }

    fn open<'s>(
        chunk: &'s Self::Chunk<'_>,
        offset: usize,
        len: usize,
        scratch: &'s mut Self::Scratch,
    ) -> Self::Reader<'s> {
        scratch.places.clear();
        scratch
            .places
            .resize(chunk.cells, BlockStart { chunk: 0, offset });
        StructReader {
            fields: T::Cells::open(
                &chunk.fields,
                &scratch.places,
                offset,
                len,
                &mut scratch.fields,
            ),
            mask: Mask::new(chunk.validity, offset, len),
            row: PhantomData,
        }
    }

    fn has_nulls(chunk: &Self::Chunk<'_>) -> bool {
        chunk.validity.is_some() || T::Cells::has_nulls(&chunk.fields)
    }

    fn get<'a>(chunk: &AnyChunk<'a>, row: usize) -> Result<Self::Of<'a>, Misread> {
        if chunk.is_null(row) {
            return Err(Misread::Null);
        }
        let DataType::Struct(fields) = chunk.dtype else {
            return Err(Misread::Dtype);
        };
        if !Self::fit(chunk.dtype).is_direct() {
            return Err(Misread::Dtype);
        }
        let chosen = chosen::<T>(fields).ok_or(Misread::Dtype)?;
        let values = downcast::<StructArray>(chunk.array).values();
        let mut columns = chosen
            .into_iter()
            // SAFETY: a field of a struct's chunk is a chunk of the field's dtype.
            .map(|field| unsafe { AnyChunk::new(&fields[field].dtype, &*values[field]) });
        T::Cells::get(&mut columns, row).map(|cells| Struct(T::assemble(cells)))
    }
}

impl<T> ListItem for Struct<T> {}
