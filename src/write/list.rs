//! `Vec<T>` as a List.

use std::fmt;

use polars::prelude::DataType;
use polars_arrow::array::{Array, ListArray};
use polars_arrow::bitmap::{Bitmap, MutableBitmap};
use polars_arrow::compute::concatenate::concatenate;
use polars_arrow::offset::Offsets;

#[cfg(feature = "dtype-array")]
use super::convert::check_width;
use super::parts::{Parts, ROOM};
use super::returns::misfit;
use super::{CellSink, Finished, IntoCell, Refused, Writer};
use crate::error::{Place, Result};
use crate::options::Casts;
use crate::read::ListItem;
use crate::sealed::Sealed;

/// A List column.
#[doc(hidden)]
pub struct ListSink<S: CellSink> {
    parts: Parts<Result<ListPart<S>>>,
    nullable: bool,
}

impl<S: CellSink> fmt::Debug for ListSink<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListSink").finish_non_exhaustive()
    }
}

/// The lists of some rows.
struct ListPart<S: CellSink> {
    offsets: Offsets<i64>,
    validity: Option<Bitmap>,
    items: ItemBuffers<S>,
}

/// The items of the lists of some rows, one after the other.
enum ItemBuffers<S: CellSink> {
    Written(Finished),
    /// Items whose dtype is known only when all of them are there.
    Gathered(Vec<S::Item>),
}

impl<S: CellSink> ListSink<S> {
    /// Returns the items of many lists as one array.
    fn items(items: Vec<S::Item>) -> Result<Finished> {
        let len = items.len();
        let sink = S::new(len, false);
        // SAFETY: one writer has all rows, and writes each of them in order, so all are written.
        unsafe {
            let mut writer = sink.writer(0, len);
            for (row, item) in items.into_iter().enumerate() {
                writer.write(row, item);
            }
            writer.finish();
            sink.finish()
        }
    }
}

impl<S: CellSink> Sealed for ListSink<S> {}

impl<S: CellSink> CellSink for ListSink<S> {
    type Item = Vec<S::Item>;
    const FIXED: bool = S::FIXED;
    const NEEDS: Option<&'static str> = S::NEEDS;
    type Writer<'s>
        = ListWriter<'s, S>
    where
        Self: 's;

    fn fit(dtype: &DataType) -> Result<bool, String> {
        let of_items = |why: String| format!("its items: {why}");
        match dtype {
            DataType::List(inner) => S::fit(inner).map_err(of_items),
            #[cfg(feature = "dtype-array")]
            DataType::Array(inner, _) => S::fit(inner).map(|_| false).map_err(of_items),
            dtype => Err(misfit("List", LISTS, dtype)),
        }
    }

    fn new(_: usize, nullable: bool) -> Self {
        ListSink {
            parts: Parts::new(),
            nullable,
        }
    }

    unsafe fn writer(&self, start: usize, len: usize) -> ListWriter<'_, S> {
        ListWriter {
            sink: self,
            start,
            lengths: Vec::with_capacity(len.min(ROOM)),
            validity: self
                .nullable
                .then(|| MutableBitmap::with_capacity(len.min(ROOM))),
            items: Vec::new(),
        }
    }

    unsafe fn finish(self) -> Result<Finished> {
        let mut offsets = Offsets::<i64>::new();
        let mut validity = self.nullable.then(MutableBitmap::new);
        let mut written = Vec::new();
        let mut gathered = Vec::new();
        for part in self.parts.into_ordered() {
            let part = part?;
            offsets.try_extend_from_self(&part.offsets)?;
            if let (Some(all), Some(part)) = (&mut validity, &part.validity) {
                all.extend_from_bitmap(part);
            }
            match part.items {
                ItemBuffers::Written(items) => written.push(items),
                ItemBuffers::Gathered(items) => gathered.extend(items),
            }
        }
        if written.is_empty() {
            let items = Self::items(gathered);
            written.push(items.map_err(|error| error.of_item(|item| list_of(item, &offsets)))?);
        }
        let dtype = written[0].dtype.clone();
        // A fixed dtype is the same in every part; the array below has that of the first part.
        assert!(written.iter().all(|items| items.dtype == dtype));
        let arrays: Vec<&dyn Array> = written.iter().map(|items| &*items.chunks[0]).collect();
        let array = ListArray::<i64>::try_new(
            ListArray::<i64>::default_datatype(arrays[0].dtype().clone()),
            offsets.into(),
            concatenate(&arrays)?,
            validity
                .map(Bitmap::from)
                .filter(|bitmap| bitmap.unset_bits() > 0),
        )?;
        Ok(Finished::new(DataType::List(Box::new(dtype)), array))
    }
}

/// Returns the list that an item is in, given the items at which the lists begin.
fn list_of(item: usize, offsets: &Offsets<i64>) -> Place {
    let lists = offsets.as_slice();
    let begun = lists.partition_point(|start| *start as usize <= item);
    Place::Row(begun.saturating_sub(1))
}

/// Gathers the lists of some rows.
#[doc(hidden)]
pub struct ListWriter<'s, S: CellSink> {
    sink: &'s ListSink<S>,
    start: usize,
    lengths: Vec<usize>,
    validity: Option<MutableBitmap>,
    items: Vec<S::Item>,
}

impl<S: CellSink> fmt::Debug for ListWriter<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListWriter")
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

impl<S: CellSink> Writer for ListWriter<'_, S> {
    type Item = Vec<S::Item>;

    unsafe fn write(&mut self, _: usize, item: Vec<S::Item>) {
        self.lengths.push(item.len());
        self.items.extend(item);
        if let Some(validity) = &mut self.validity {
            validity.push(true);
        }
    }

    unsafe fn write_null(&mut self, _: usize) {
        self.lengths.push(0);
        if let Some(validity) = &mut self.validity {
            validity.push(false);
        }
    }

    fn finish(self) {
        let part = || -> Result<ListPart<S>> {
            Ok(ListPart {
                offsets: Offsets::try_from_lengths(self.lengths.into_iter())?,
                validity: self.validity.map(Bitmap::from),
                items: if S::FIXED {
                    ItemBuffers::Written(ListSink::<S>::items(self.items)?)
                } else {
                    ItemBuffers::Gathered(self.items)
                },
            })
        };
        self.sink.parts.push(self.start, part());
    }
}

/// The dtypes that lists can become, as an error names them.
pub(super) const LISTS: &str = if cfg!(feature = "dtype-array") {
    "a List or an Array"
} else {
    "a List"
};

/// A `Vec` becomes a List; a `Vec<u8>` becomes a Binary value instead.
impl<T: IntoCell + ListItem> IntoCell for Vec<T> {
    type Sink = ListSink<T::Sink>;

    fn into_item(self, casts: Casts) -> Result<Vec<<T::Sink as CellSink>::Item>, Refused> {
        let items = self.into_iter();
        items.map(|item| item.into_item(casts)).collect()
    }

    fn into_item_as(
        self,
        dtype: &DataType,
        casts: Casts,
    ) -> Result<Vec<<T::Sink as CellSink>::Item>, Refused> {
        match dtype {
            DataType::List(inner) => items_as(self, inner, casts),
            #[cfg(feature = "dtype-array")]
            DataType::Array(inner, width) => {
                check_width(self.len(), *width)?;
                items_as(self, inner, casts)
            }
            _ => self.into_item(casts),
        }
    }
}

fn items_as<T: IntoCell>(
    items: Vec<T>,
    inner: &DataType,
    casts: Casts,
) -> Result<Vec<<T::Sink as CellSink>::Item>, Refused> {
    let items = items.into_iter();
    items.map(|item| item.into_item_as(inner, casts)).collect()
}
