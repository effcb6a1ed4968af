//! Text and bytes as Arrow's views: sixteen bytes a row, written in place. A view holds short text itself, and points into
//! shared buffers for longer text.

use std::borrow::Cow;
use std::marker::PhantomData;

use polars::prelude::{DataType, PlSmallStr};
use polars_arrow::array::{BinaryViewArray, Utf8ViewArray, View};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::ArrowDataType;

use super::buffer::{Fresh, Slots, Validity, ValidityWriter};
use super::returns::{misfit, only};
use super::{CellSink, Finished, IntoCell, Refused, Writer};
use crate::error::Result;
use crate::options::Casts;
use crate::read::ListItem;
use crate::sealed::Sealed;
use crate::sync::{Mutex, PoisonError};

/// A value that is stored as a view.
#[doc(hidden)]
pub trait Bytes {
    /// Whether the bytes are UTF-8.
    const TEXT: bool;

    fn bytes(&self) -> &[u8];

    /// Returns a block that begins with the bytes, and their number, if they are stored in a block.
    #[inline(always)]
    fn block(&self) -> Option<(Block, usize)> {
        None
    }
}

/// 24 bytes that are copied as a whole, which takes less time than copying a variable number of bytes. They are words, since a
/// value that was just made may still be in registers.
type Block = [u64; 3];

/// A column of text or bytes.
#[doc(hidden)]
#[derive(Debug)]
pub struct ViewSink<T> {
    views: Fresh<View>,
    validity: Validity,
    shelf: Mutex<Shelf>,
    item: PhantomData<fn() -> T>,
}

/// The buffers of the column, by the number that views have for them.
#[derive(Debug, Default)]
struct Shelf {
    buffers: Vec<Vec<u8>>,
    /// The buffers that have room and no writer.
    free: Vec<usize>,
}

/// A buffer that is longer than this gets no more text; the offset of a view has 32 bits.
pub(super) const FULL: usize = 16 << 20;

impl Shelf {
    fn take(&mut self) -> (usize, Vec<u8>) {
        match self.free.pop() {
            Some(number) => (number, std::mem::take(&mut self.buffers[number])),
            None => {
                self.buffers.push(Vec::new());
                (self.buffers.len() - 1, Vec::new())
            }
        }
    }

    fn put(&mut self, number: usize, buffer: Vec<u8>) {
        if buffer.len() < FULL {
            self.free.push(number);
        }
        self.buffers[number] = buffer;
    }
}

impl<T> Sealed for ViewSink<T> {}

impl<T: Bytes + Send> CellSink for ViewSink<T> {
    type Item = T;
    type Writer<'s>
        = ViewWriter<'s, T>
    where
        Self: 's;

    fn fit(dtype: &DataType) -> Result<bool, String> {
        match dtype {
            dtype if !T::TEXT => only(&DataType::Binary, dtype),
            DataType::String => Ok(true),
            dtype if dtype.is_categorical() || dtype.is_enum() => Ok(false),
            dtype => Err(misfit("String", "String, a Categorical or an Enum", dtype)),
        }
    }

    fn check(item: &T, dtype: &DataType) -> Result<(), Refused> {
        match std::str::from_utf8(item.bytes()) {
            Ok(text) if dtype.is_enum() => check_category(text, dtype),
            _ => Ok(()),
        }
    }

    fn new(rows: usize, nullable: bool) -> Self {
        ViewSink {
            views: Fresh::new(rows),
            validity: Validity::new(rows, nullable),
            shelf: Mutex::default(),
            item: PhantomData,
        }
    }

    unsafe fn writer(&self, start: usize, len: usize) -> ViewWriter<'_, T> {
        ViewWriter {
            views: self.views.slots(start),
            validity: self.validity.writer(start, len),
            buffer: None,
            shelf: &self.shelf,
            item: PhantomData,
        }
    }

    unsafe fn finish(self) -> Result<Finished> {
        // SAFETY: the caller guarantees that every row is written.
        let views = unsafe { self.views.assume_full() };
        let shelf = self
            .shelf
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let validity = self.validity.into_bitmap();
        // SAFETY: each view that is not inline was made with the number and the offset at which its bytes were put
        // (`ViewWriter::view`), and buffers keep their numbers; the bytes of text are UTF-8 (`Bytes::TEXT`).
        Ok(unsafe { view_column(T::TEXT, views, shelf.buffers, validity) })
    }
}

/// Makes a column of views.
///
/// # Safety
/// Each view holds its bytes, or has the number of their buffer and their offset in it; for `text`, the bytes are UTF-8.
pub(super) unsafe fn view_column(
    text: bool,
    views: Vec<View>,
    buffers: Vec<Vec<u8>>,
    validity: Option<Bitmap>,
) -> Finished {
    let buffers: Vec<_> = buffers.into_iter().map(Into::into).collect();
    // SAFETY: the caller upholds this function's contract.
    unsafe {
        if text {
            let array = Utf8ViewArray::new_unchecked_unknown_md(
                ArrowDataType::Utf8View,
                views.into(),
                buffers.into(),
                validity,
                None,
            );
            Finished::new(DataType::String, array)
        } else {
            let array = BinaryViewArray::new_unchecked_unknown_md(
                ArrowDataType::BinaryView,
                views.into(),
                buffers.into(),
                validity,
                None,
            );
            Finished::new(DataType::Binary, array)
        }
    }
}

#[inline(always)]
fn fits<T: Bytes>(item: T) -> Result<T, Refused> {
    check_length(item.bytes())?;
    Ok(item)
}

/// Refuses bytes whose length does not fit the 32 bits that a view has for it.
#[inline(always)]
pub(super) fn check_length(bytes: &[u8]) -> Result<(), Refused> {
    if bytes.len() <= u32::MAX as usize {
        return Ok(());
    }
    Err(Refused::new(format!(
        "a value of {} bytes is longer than the 4 GiB that a column's value can have",
        bytes.len()
    )))
}

/// Refuses text that is not one of the categories of an Enum.
pub(super) fn check_category(text: &str, dtype: &DataType) -> Result<(), Refused> {
    #[cfg(feature = "dtype-categorical")]
    if let DataType::Enum(_, categories) = dtype
        && categories.get_cat(text).is_none()
    {
        let message = format!("{text:?} is not a category of the column's Enum");
        return Err(Refused::new(message));
    }
    let _ = (text, dtype);
    Ok(())
}

/// Writes views into their slots, and long text into a buffer that it takes from the shelf.
#[doc(hidden)]
#[derive(Debug)]
pub struct ViewWriter<'s, T> {
    views: Slots<'s, View>,
    validity: ValidityWriter<'s>,
    buffer: Option<(usize, Vec<u8>)>,
    shelf: &'s Mutex<Shelf>,
    item: PhantomData<fn() -> T>,
}

impl<T> ViewWriter<'_, T> {
    #[inline]
    fn view(&mut self, bytes: &[u8]) -> View {
        if bytes.len() <= View::MAX_INLINE_SIZE as usize {
            return View::new_inline(bytes);
        }
        let (number, buffer) = match &mut self.buffer {
            Some((_, buffer)) if buffer.len() + bytes.len() > FULL && !buffer.is_empty() => {
                self.change_buffer()
            }
            Some(buffer) => buffer,
            None => self.change_buffer(),
        };
        // The offset fits: a buffer that is not empty stays below FULL until it gets its last value.
        let view = View::new_from_bytes(bytes, *number as u32, buffer.len() as u32);
        buffer.extend_from_slice(bytes);
        view
    }

    /// Makes the view of the first `len` bytes of a block, without a branch that depends on `len`.
    #[inline]
    fn view_of_block(&mut self, block: Block, len: usize) -> View {
        let (number, buffer) = match &mut self.buffer {
            Some((_, buffer)) if buffer.len() + size_of::<Block>() > FULL => self.change_buffer(),
            Some(buffer) => buffer,
            None => self.change_buffer(),
        };
        let offset = buffer.len();
        buffer.reserve(size_of::<Block>());
        let inline = View::MAX_INLINE_SIZE as usize;
        // SAFETY: there is room for the whole block, of which at most the first `len` bytes are kept.
        unsafe {
            let end = buffer.as_mut_ptr().add(offset).cast::<u64>();
            for (word, bytes) in block.into_iter().enumerate() {
                end.add(word).write_unaligned(bytes);
            }
            buffer.set_len(offset + if len > inline { len } else { 0 });
        }
        let first = u128::from(block[0].to_le()) | u128::from(block[1].to_le()) << 64;
        // A view that holds its bytes has zeros after them.
        let held = first & ((1 << (8 * len.min(inline))) - 1);
        let in_buffer = (first as u32, *number as u32, offset as u32);
        let in_view = (held as u32, (held >> 32) as u32, (held >> 64) as u32);
        let (prefix, buffer_idx, offset) =
            std::hint::select_unpredictable(len > inline, in_buffer, in_view);
        View {
            length: len as u32,
            prefix,
            buffer_idx,
            offset,
        }
    }

    #[cold]
    fn change_buffer(&mut self) -> &mut (usize, Vec<u8>) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let next = loop {
            let next = shelf.take();
            if next.1.len() < FULL / 2 {
                break next;
            }
            // This buffer is nearly full, so it stays in its place.
            shelf.buffers[next.0] = next.1;
        };
        if let Some((number, buffer)) = self.buffer.take() {
            // This buffer is full enough to stay in its place.
            shelf.buffers[number] = buffer;
        }
        drop(shelf);
        self.buffer.insert(next)
    }
}

impl<T: Bytes> Writer for ViewWriter<'_, T> {
    type Item = T;

    #[inline(always)]
    unsafe fn write(&mut self, row: usize, item: T) {
        let view = match item.block() {
            Some((block, len)) => self.view_of_block(block, len),
            None => self.view(item.bytes()),
        };
        // SAFETY: the row is this writer's (`CellSink::writer`), and the caller guarantees that it is the next one.
        unsafe { self.views.set(row, view) };
    }

    #[inline]
    unsafe fn write_null(&mut self, row: usize) {
        // SAFETY: as above.
        unsafe { self.views.set(row, View::default()) };
        self.validity.set_null(row);
    }

    fn finish(self) {
        self.validity.finish();
        if let Some((number, buffer)) = self.buffer {
            let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
            shelf.put(number, buffer);
        }
    }
}

macro_rules! bytes {
    ($($T:ty, $text:literal, |$value:ident| $bytes:expr);* $(;)?) => {
        $(
            impl Bytes for $T {
                const TEXT: bool = $text;

                #[inline(always)]
                fn bytes(&self) -> &[u8] {
                    let $value = self;
                    $bytes
                }
            }

            impl IntoCell for $T {
                type Sink = ViewSink<$T>;

                #[inline(always)]
                fn into_item(self, _: Casts) -> Result<$T, Refused> {
                    fits(self)
                }
            }
        )*
    };
}

bytes!(
    String, true, |text| text.as_bytes();
    &'static str, true, |text| text.as_bytes();
    Cow<'static, str>, true, |text| text.as_bytes();
    Vec<u8>, false, |bytes| bytes;
);

impl ListItem for Cow<'static, str> {}

impl Bytes for PlSmallStr {
    const TEXT: bool = true;

    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        self.as_str().as_bytes()
    }

    #[inline(always)]
    fn block(&self) -> Option<(Block, usize)> {
        let first: *const Self = self;
        let bytes = self.bytes();
        let within =
            std::ptr::eq(bytes.as_ptr(), first.cast()) && bytes.len() <= size_of::<Block>();
        if !within || size_of::<Self>() != size_of::<Block>() {
            return None;
        }
        // SAFETY: the value is as long as a block, and if it holds its text itself, all of its bytes are set.
        let block = unsafe { first.cast::<Block>().read_unaligned() };
        Some((block, bytes.len()))
    }
}

impl IntoCell for PlSmallStr {
    type Sink = ViewSink<PlSmallStr>;

    #[inline(always)]
    fn into_item(self, _: Casts) -> Result<PlSmallStr, Refused> {
        fits(self)
    }
}

/// A `char`, as its bytes.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Letter {
    bytes: [u8; 4],
    len: u8,
}

impl Bytes for Letter {
    const TEXT: bool = true;

    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl IntoCell for char {
    type Sink = ViewSink<Letter>;

    #[inline(always)]
    fn into_item(self, _: Casts) -> Result<Letter, Refused> {
        let mut bytes = [0; 4];
        let len = self.encode_utf8(&mut bytes).len() as u8;
        Ok(Letter { bytes, len })
    }
}

impl ListItem for char {}

#[cfg(test)]
mod tests {
    use polars::prelude::{NamedFrom, Series};

    use super::*;

    #[test]
    fn buffers_of_short_runs_are_shared() {
        let sink = ViewSink::<String>::new(1000, false);
        for row in 0..1000 {
            // SAFETY: each row has one writer, which writes it.
            unsafe {
                let mut writer = sink.writer(row, 1);
                writer.write(0, format!("a text longer than a view {row}"));
                writer.finish();
            }
        }
        assert_eq!(sink.shelf.lock().unwrap().buffers.len(), 1);
        // SAFETY: every row is written.
        let column = unsafe { sink.finish() }.unwrap().into_column("t".into());
        assert_eq!(
            column.str().unwrap().get(999),
            Some("a text longer than a view 999")
        );
    }

    #[test]
    fn text_that_is_copied_as_a_block_is_the_same_of_every_length() {
        let texts: Vec<PlSmallStr> = (0..300)
            .map(|row| {
                "aä€😀bcdefghijklmnopqrstuvw"
                    .chars()
                    .take(row % 26)
                    .collect()
            })
            .collect();
        let sink = ViewSink::<PlSmallStr>::new(texts.len(), false);
        // SAFETY: one writer has all rows, and each is written once, in order.
        let column = unsafe {
            let mut writer = sink.writer(0, texts.len());
            for (row, text) in texts.iter().enumerate() {
                writer.write(row, text.clone());
            }
            writer.finish();
            sink.finish().unwrap().into_column("t".into())
        };
        let is = column.str().unwrap();
        assert!(is.iter().eq(texts.iter().map(|text| Some(text.as_str()))));
        // Views are compared as they are, so the bytes after the text count too.
        let expected: Vec<&str> = texts.iter().map(PlSmallStr::as_str).collect();
        let expected = Series::new("t".into(), expected).into();
        assert!(column.equals(&expected));
    }

    #[test]
    fn a_value_longer_than_a_buffer_has_one_of_its_own() {
        let long = "x".repeat(FULL + 1);
        let texts = [
            "a short one, too long for a view",
            &long,
            &long,
            "inline",
            "another that is not inline",
        ];
        let sink = ViewSink::<String>::new(texts.len(), false);
        // SAFETY: one writer has all rows, and each is written once, in order.
        let column = unsafe {
            let mut writer = sink.writer(0, texts.len());
            for (row, text) in texts.iter().enumerate() {
                writer.write(row, (*text).to_string());
            }
            writer.finish();
            sink.finish().unwrap().into_column("t".into())
        };
        assert!(column.str().unwrap().iter().eq(texts.map(Some)));
    }
}
