//! List and Array columns as `Vec<T>`.

use polars::prelude::DataType;
#[cfg(feature = "dtype-array")]
use polars_arrow::array::FixedSizeListArray;
use polars_arrow::array::{Array, ListArray};
use polars_arrow::bitmap::Bitmap;

use super::any::AnyChunk;
use super::nested::inner_dtype;
use super::{Cell, Fault, Fit, Mask, Misread, Reader, downcast, validity};
use crate::sealed::Sealed;

/// A cell that can be an item of a `Vec`: every cell of a fixed dtype except `u8`, since `Vec<u8>` stands for bytes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an item of a list column",
    note = "`Vec<u8>` is a Binary column; a list of `UInt8` is `Vec<Option<u8>>`",
    note = "a list whose items' dtype is known only at run time is a `Series`"
)]
pub trait ListItem: Sealed {}

/// A chunk of a List or Array column: where each row's items begin and end, and the items.
#[doc(hidden)]
#[derive(Debug)]
pub struct ListChunk<'a, C> {
    bounds: ItemBounds<'a>,
    items: C,
    items_len: usize,
    validity: Option<&'a Bitmap>,
}

#[derive(Clone, Copy, Debug)]
enum ItemBounds<'a> {
    /// The offsets, one more than there are rows.
    Offsets(&'a [i64]),
    /// The number of items in each row.
    #[cfg(feature = "dtype-array")]
    Width(usize),
}

impl<C> ListChunk<'_, C> {
    /// Makes a reader of `len` rows from `offset` on; `open` opens their items, given the first item and the number of items.
    fn reader<R>(
        &self,
        offset: usize,
        len: usize,
        open: impl FnOnce(usize, usize) -> R,
    ) -> ListReader<'_, R> {
        let (first, last) = match len {
            0 => (0, 0),
            _ => (self.bounds.of(offset).0, self.bounds.of(offset + len - 1).1),
        };
        assert!(first <= last && last <= self.items_len);
        ListReader {
            bounds: self.bounds,
            offset,
            items: open(first, last - first),
            first,
            mask: Mask::new(self.validity, offset, len),
        }
    }
}

impl ItemBounds<'_> {
    #[inline]
    fn of(self, row: usize) -> (usize, usize) {
        match self {
            // Offsets are never negative.
            ItemBounds::Offsets(offsets) => (offsets[row] as usize, offsets[row + 1] as usize),
            #[cfg(feature = "dtype-array")]
            ItemBounds::Width(width) => (row * width, (row + 1) * width),
        }
    }
}

/// Returns the bounds and the items of a List or an Array.
fn parts<'a>(dtype: &DataType, array: &'a dyn Array) -> (ItemBounds<'a>, &'a dyn Array) {
    match dtype {
        #[cfg(feature = "dtype-array")]
        DataType::Array(_, width) => {
            let array = downcast::<FixedSizeListArray>(array);
            (ItemBounds::Width(*width), &**array.values())
        }
        _ => {
            let array = downcast::<ListArray<i64>>(array);
            (
                ItemBounds::Offsets(array.offsets().as_slice()),
                &**array.values(),
            )
        }
    }
}

/// Reads each row's items into a vector.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct ListReader<'s, R> {
    bounds: ItemBounds<'s>,
    offset: usize,
    items: R,
    /// The item at which `items` begins.
    first: usize,
    mask: Mask<'s>,
}

impl<R: Reader> ListReader<'_, R> {
    fn items(&self, i: usize) -> std::ops::Range<usize> {
        let (start, end) = self.bounds.of(self.offset + i);
        start - self.first..end - self.first
    }
}

impl<R: Reader> Reader for ListReader<'_, R> {
    type Item = Vec<R::Item>;

    fn has_nulls(&self) -> bool {
        self.mask.has_nulls() || self.items.has_nulls()
    }

    #[inline]
    unsafe fn is_valid(&self, i: usize) -> bool {
        // SAFETY: the caller guarantees that `i` is within the block, for whose items the item reader was opened (`open`).
        unsafe {
            self.mask.is_valid(i)
                && (!self.items.has_nulls() || self.items(i).all(|item| self.items.is_valid(item)))
        }
    }

    #[inline]
    unsafe fn read<const NULLS: bool>(&self, i: usize) -> Self::Item {
        // SAFETY: as above; an item is valid where its row is, and has no nulls where the block has none.
        self.items(i)
            .map(|item| unsafe { self.items.read::<NULLS>(item) })
            .collect()
    }

    unsafe fn unreadable(&self, i: usize) -> bool {
        // SAFETY: as above.
        unsafe { self.mask.is_valid(i) && self.items(i).any(|item| self.items.unreadable(item)) }
    }

    unsafe fn fault(&self, i: usize) -> Fault {
        // SAFETY: as above; an item is asked for a fault only where it is not valid.
        let message = unsafe {
            if self.unreadable(i) {
                self.items(i)
                    .find(|item| self.items.unreadable(*item))
                    .and_then(|item| self.items.fault(item).message)
            } else {
                None
            }
        };
        Fault {
            argument: 0,
            message,
        }
    }
}

impl<T: Cell + ListItem> Cell for Vec<T> {
    type Of<'a> = Vec<T::Of<'a>>;
    type Chunk<'a> = ListChunk<'a, T::Chunk<'a>>;
    type Scratch = T::Scratch;
    type Reader<'s> = ListReader<'s, T::Reader<'s>>;
    type View<'s> = ListReader<'s, T::View<'s>>;

    fn type_name() -> String {
        format!("Vec<{}>", T::type_name())
    }

    fn fit(dtype: &DataType) -> Fit {
        match (dtype, inner_dtype(dtype)) {
            (_, Some(inner)) => T::fit(inner).within(DataType::List),
            (DataType::Null, _) => T::fit(dtype).within(DataType::List),
            _ => Fit::Never,
        }
    }

    unsafe fn bind<'a>(dtype: &'a DataType, array: &'a dyn Array) -> Self::Chunk<'a> {
        let (bounds, items) = parts(dtype, array);
        let inner = inner_dtype(dtype).expect("`fit` takes lists only");
        ListChunk {
            bounds,
            // SAFETY: the items of a list's chunk are a chunk of the items' dtype.
            items: unsafe { T::bind(inner, items) },
            items_len: items.len(),
            validity: validity(array),
        }
    }

    fn open<'s>(
        chunk: &'s Self::Chunk<'_>,
        offset: usize,
        len: usize,
        scratch: &'s mut Self::Scratch,
    ) -> Self::Reader<'s> {
        chunk.reader(offset, len, |first, len| {
            T::open(&chunk.items, first, len, scratch)
        })
    }

    fn view<'s>(
        chunk: &'s Self::Chunk<'_>,
        offset: usize,
        len: usize,
        scratch: &'s mut Self::Scratch,
    ) -> Self::View<'s> {
        chunk.reader(offset, len, |first, len| {
            T::view(&chunk.items, first, len, scratch)
        })
    }

    fn has_nulls(chunk: &Self::Chunk<'_>) -> bool {
        chunk.validity.is_some() || T::has_nulls(&chunk.items)
    }

    fn get<'a>(chunk: &AnyChunk<'a>, row: usize) -> Result<Self::Of<'a>, Misread> {
        if chunk.is_null(row) {
            return Err(Misread::Null);
        }
        let inner = inner_dtype(chunk.dtype).ok_or(Misread::Dtype)?;
        if !T::fit(inner).is_direct() {
            return Err(Misread::Dtype);
        }
        let (bounds, items) = parts(chunk.dtype, chunk.array);
        let (start, end) = bounds.of(row);
        // SAFETY: the items of a list's chunk are a chunk of the items' dtype.
        let items = unsafe { AnyChunk::new(inner, items) };
        (start..end).map(|item| T::get(&items, item)).collect()
    }
}

impl<T: ListItem> ListItem for Vec<T> {}
