//! `Struct<T>` as a Struct.

use std::marker::PhantomData;

use polars::prelude::{DataType, Field};
use polars_arrow::array::StructArray;
use polars_arrow::datatypes::{ArrowDataType, Field as ArrowField};

use super::buffer::{Validity, ValidityWriter};
use super::returns::{Dtypes, Encoding, Returns, misfit};
use super::rows::{DefaultNames, IntoRow};
use super::sinks::Sinks;
use super::{CellSink, Finished, IntoCell, Refused, Writer};
use crate::error::{Causes, Error, Failure, Result, counted};
use crate::options::Casts;
use crate::read::Struct;
use crate::sealed::Sealed;

/// A Struct column.
#[doc(hidden)]
#[derive(Debug)]
pub struct StructSink<T: IntoRow> {
    fields: T::Sink,
    validity: Validity,
    rows: usize,
    row: PhantomData<fn() -> T>,
}

impl<T: IntoRow> Sealed for StructSink<T> {}

impl<T: IntoRow> CellSink for StructSink<T>
where
    <T::Sink as Sinks>::Item: Send,
{
    type Item = <T::Sink as Sinks>::Item;
    const FIXED: bool = <T::Sink as Sinks>::FIXED;
    const NEEDS: Option<&'static str> = <T::Sink as Sinks>::NEEDS;
    type Writer<'s>
        = StructWriter<'s, <T::Sink as Sinks>::Writer<'s>>
    where
        Self: 's;

    /// The fields of a derived struct have their names; those of a tuple take the names of the dtype.
    fn fit(dtype: &DataType) -> Result<bool, String> {
        let names = T::names().numbered("field");
        let DataType::Struct(fields) = dtype else {
            return Err(misfit("Struct", "a Struct", dtype));
        };
        let own = names.iter().zip(fields);
        let has_own_names = own.into_iter().all(|(name, field)| name == field.name());
        let takes_names = !matches!(T::names(), DefaultNames::Fields(_));
        if fields.len() != names.len() || !(takes_names || has_own_names) {
            let names = names.iter().map(|name| format!("{name:?}"));
            let names = names.collect::<Vec<String>>().join(", ");
            let fields = if takes_names {
                format!(
                    "a Struct of {}",
                    counted(T::names().numbered("").len(), "field")
                )
            } else {
                format!("a Struct of the fields {names}, in this order")
            };
            return Err(misfit("Struct", &fields, dtype));
        }
        let mut misfits = Vec::new();
        let is_own = T::Sink::fit(Dtypes::Fields(fields), 0, &mut misfits);
        match misfits.first() {
            Some((field, why)) => Err(format!("its field {:?}: {why}", fields[*field].name())),
            None => Ok(is_own && has_own_names),
        }
    }

    fn new(rows: usize, nullable: bool) -> Self {
        StructSink {
            fields: T::Sink::new(rows, nullable),
            validity: Validity::new(rows, nullable),
            rows,
            row: PhantomData,
        }
    }

    unsafe fn writer(&self, start: usize, len: usize) -> Self::Writer<'_> {
        StructWriter {
            // SAFETY: the caller upholds this function's contract.
            fields: unsafe { self.fields.writer(start, len) },
            validity: self.validity.writer(start, len),
        }
    }

    unsafe fn finish(self) -> Result<Finished> {
        let mut columns = Vec::new();
        // SAFETY: the caller upholds this function's contract.
        unsafe { self.fields.finish(&mut columns) }?;
        let names = T::names().numbered("field");
        let fields: Vec<Field> = columns
            .iter()
            .zip(&names)
            .map(|(column, name)| Field::new(name.clone(), column.dtype.clone()))
            .collect();
        let arrow = columns
            .iter()
            .zip(names)
            .map(|(column, name)| ArrowField::new(name, column.chunks[0].dtype().clone(), true))
            .collect();
        let array = StructArray::try_new(
            ArrowDataType::Struct(arrow),
            self.rows,
            columns
                .into_iter()
                .map(|mut column| column.chunks.swap_remove(0))
                .collect(),
            self.validity.into_bitmap(),
        )?;
        Ok(Finished::new(DataType::Struct(fields), array))
    }
}

/// Writes the fields, and whether the struct is null.
#[doc(hidden)]
#[derive(Debug)]
pub struct StructWriter<'s, W> {
    fields: W,
    validity: ValidityWriter<'s>,
}

impl<W: Writer> Writer for StructWriter<'_, W> {
    type Item = W::Item;

    #[inline(always)]
    unsafe fn write(&mut self, row: usize, item: W::Item) {
        // SAFETY: the caller upholds this function's contract.
        unsafe { self.fields.write(row, item) };
    }

    unsafe fn write_null(&mut self, row: usize) {
        // SAFETY: the caller upholds this function's contract; the sinks of the fields are nullable where this one is.
        unsafe { self.fields.write_null(row) };
        self.validity.set_null(row);
    }

    fn finish(self) {
        self.fields.finish();
        self.validity.finish();
    }
}

/// Returns the fields of one column's value.
#[inline(always)]
fn items<T: IntoRow>(row: T, encoding: impl Encoding) -> Result<<T::Sink as Sinks>::Item, Refused> {
    row.into_items(encoding).map_err(|failure| match failure {
        Failure::Write(refused) => Refused {
            column: 0,
            ..refused
        },
        Failure::Closure(cause) => {
            let error = cause.get();
            // The error that is made of this one names the row that is being written.
            Error::leave_out_row(error, |_| true);
            Refused::new(format!("{:#}", Causes::of(error)))
        }
        other => Refused::new(format!("{other:?}")),
    })
}

impl<T> IntoCell for Struct<T>
where
    T: IntoRow + Send,
    <T::Sink as Sinks>::Item: Send,
{
    type Sink = StructSink<T>;

    #[inline(always)]
    fn into_item(self, casts: Casts) -> Result<<T::Sink as Sinks>::Item, Refused> {
        items(self.0, casts)
    }

    fn into_item_as(
        self,
        dtype: &DataType,
        casts: Casts,
    ) -> Result<<T::Sink as Sinks>::Item, Refused> {
        match dtype {
            DataType::Struct(fields) => items(self.0, Returns::fields(fields, casts)),
            _ => self.into_item(casts),
        }
    }
}
