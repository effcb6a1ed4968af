//! The structs of Arrow's C Data Interface, where this crate needs to access their fields.
//!
//! <https://arrow.apache.org/docs/format/CDataInterface.html> defines them field by field. So the structs of `polars-arrow`,
//! arrow-rs and arrow2 are the same structs under other names, and each library can take what another has made. Their fields
//! are private to each crate, so they are declared here once more.

use std::ffi::{CStr, c_char, c_void};
#[cfg(any(feature = "arrow", feature = "arrow2"))]
use std::mem::ManuallyDrop;
use std::ops::Range;

use polars_arrow::datatypes::{ArrowDataType, Field};
use polars_arrow::ffi::{ArrowArray, ArrowSchema};

/// `struct ArrowArray` of the C Data Interface.
#[repr(C)]
struct Array {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *mut *const c_void,
    children: *mut *mut Array,
    dictionary: *mut Array,
    release: Option<unsafe extern "C" fn(*mut Array)>,
    private_data: *mut c_void,
}

/// `struct ArrowSchema` of the C Data Interface.
#[repr(C)]
struct Schema {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *mut *mut Schema,
    dictionary: *mut Schema,
    release: Option<unsafe extern "C" fn(*mut Schema)>,
    private_data: *mut c_void,
}

const _: () = assert!(
    size_of::<Schema>() == size_of::<ArrowSchema>()
        && align_of::<Schema>() == align_of::<ArrowSchema>()
);
const _: () = assert!(
    size_of::<Array>() == size_of::<ArrowArray>()
        && align_of::<Array>() == align_of::<ArrowArray>()
);

/// Returns the same C struct under another crate's name.
///
/// # Safety
/// Both types are `repr(C)` and are the same struct of the C Data Interface. (That they have the same size and alignment is
/// checked when this is compiled.)
#[cfg(any(feature = "arrow", feature = "arrow2"))]
pub(super) unsafe fn same_struct<A, B>(a: A) -> B {
    const {
        assert!(size_of::<A>() == size_of::<B>() && align_of::<A>() == align_of::<B>());
    }
    let a = ManuallyDrop::new(a);
    // SAFETY: the value is a valid `B`, as the caller guarantees; it is read once, and `a` is not dropped.
    unsafe { std::ptr::read((&raw const *a).cast()) }
}

/// Returns the name of a schema's column, whatever its type is.
///
/// # Safety
/// The schema is valid according to the format.
pub(super) unsafe fn name_of(schema: &ArrowSchema) -> String {
    // SAFETY: the two are the same struct, and a name that exists ends with a zero byte.
    unsafe {
        let schema = &*(&raw const *schema).cast::<Schema>();
        match schema.name.is_null() {
            true => String::new(),
            false => CStr::from_ptr(schema.name).to_string_lossy().into_owned(),
        }
    }
}

/// Removes the one buffer that `polars-arrow` gives to Null arrays: by the format they have no buffers, and other libraries
/// refuse them with one.
pub(super) fn strip_null_buffers(array: &mut ArrowArray, dtype: &ArrowDataType) {
    if !contains_null_type(dtype) {
        return;
    }
    // SAFETY: the two are the same struct, as is checked above and by the crate that declares `ArrowArray` as `repr(C)`.
    let array = unsafe { &mut *(&raw mut *array).cast::<Array>() };
    // SAFETY: `polars-arrow` has just made the array, of this dtype: its children exist, and nobody else uses them.
    unsafe { walk(array, dtype) };

    /// # Safety
    /// The array is valid and of the dtype, and nobody else uses its children.
    unsafe fn walk(array: &mut Array, dtype: &ArrowDataType) {
        if let ArrowDataType::Null = dtype {
            array.n_buffers = 0;
        }
        if array.children.is_null() {
            return;
        }
        for (position, dtype) in children(dtype).enumerate().take(array.n_children as usize) {
            // SAFETY: there are this many children, by the format; each is a valid array of its dtype.
            unsafe { walk(&mut **array.children.add(position), dtype) };
        }
    }
}

fn contains_null_type(dtype: &ArrowDataType) -> bool {
    matches!(dtype, ArrowDataType::Null) || children(dtype).any(contains_null_type)
}

/// Returns the dtypes of an array's children, in order.
fn children(dtype: &ArrowDataType) -> impl Iterator<Item = &ArrowDataType> {
    let (one, many) = match dtype {
        ArrowDataType::List(field)
        | ArrowDataType::LargeList(field)
        | ArrowDataType::FixedSizeList(field, _)
        | ArrowDataType::Map(field, _) => (Some(field.dtype()), &[][..]),
        ArrowDataType::Struct(fields) => (None, fields.as_slice()),
        _ => (None, &[][..]),
    };
    one.into_iter().chain(many.iter().map(Field::dtype))
}

/// Refuses a schema at which Polars would panic: one that was released, or one with text that is not UTF-8.
///
/// # Safety
/// The schema is valid according to the format, or was released.
pub(super) unsafe fn check_schema(schema: &ArrowSchema) -> Result<(), &'static str> {
    // SAFETY: the two are the same struct.
    let schema = unsafe { &*(&raw const *schema).cast::<Schema>() };
    // SAFETY: the caller upholds this function's contract.
    return unsafe { walk(schema) };

    /// # Safety
    /// The same as for the function around it.
    unsafe fn walk(schema: &Schema) -> Result<(), &'static str> {
        if schema.release.is_none() || schema.format.is_null() {
            return Err("the schema was already released; keep it as long as it is used");
        }
        // SAFETY: by the format both end with a zero byte, and the name may be missing.
        let (format, name) = unsafe {
            let name = match schema.name.is_null() {
                true => c"",
                false => CStr::from_ptr(schema.name),
            };
            (CStr::from_ptr(schema.format), name)
        };
        let Ok(format) = format.to_str() else {
            return Err("the schema's format is not UTF-8");
        };
        if name.to_str().is_err() {
            return Err("a name in the schema is not UTF-8");
        }
        // SAFETY: metadata that exist are as the format requires.
        if !unsafe { has_text_as_metadata(schema.metadata.cast()) } {
            return Err("the schema's metadata is not UTF-8; remove it");
        }
        let children = usize::try_from(schema.n_children).unwrap_or(0);
        let has_items = ["+l", "+L", "+m", "+w"]
            .iter()
            .any(|code| format.starts_with(code));
        if children > 0 && schema.children.is_null() || has_items && children == 0 {
            return Err("the schema of a nested type lacks the type of its items or fields");
        }
        for position in 0..children {
            // SAFETY: there are this many children, each of which is valid according to the format.
            unsafe { walk(&**schema.children.add(position))? };
        }
        match schema.dictionary.is_null() {
            true => Ok(()),
            // SAFETY: a dictionary that exists is valid.
            false => unsafe { walk(&*schema.dictionary) },
        }
    }

    /// # Safety
    /// The pointer is null, or points to metadata: their number, and for each a key and a value, each preceded by its length.
    unsafe fn has_text_as_metadata(mut at: *const u8) -> bool {
        if at.is_null() {
            return true;
        }
        // SAFETY: lengths and bytes follow each other, as the caller guarantees.
        unsafe {
            let Ok(pairs) = usize::try_from(at.cast::<i32>().read_unaligned()) else {
                return false;
            };
            at = at.add(4);
            for _ in 0..2 * pairs {
                let Ok(length) = usize::try_from(at.cast::<i32>().read_unaligned()) else {
                    return false;
                };
                at = at.add(4);
                if std::str::from_utf8(std::slice::from_raw_parts(at, length)).is_err() {
                    return false;
                }
                at = at.add(length);
            }
        }
        true
    }
}

/// Changes an array of another library so that it can be taken, and returns which of its rows are then its own, or `None` if it
/// has no rows. Otherwise returns why it cannot be taken.
///
/// An array that does not know its number of nulls, and has no bits for them, has no nulls. Of lists of fixed width,
/// `polars-arrow` takes as many as there are items for, whatever the offset and the length are.
///
/// # Safety
/// The array is valid according to the format and of the dtype, and nobody else uses it.
pub(super) unsafe fn normalize(
    array: &mut ArrowArray,
    dtype: &ArrowDataType,
) -> Result<Option<Range<usize>>, &'static str> {
    // SAFETY: the two are the same struct.
    let array = unsafe { &mut *(&raw mut *array).cast::<Array>() };
    if array.release.is_none() {
        return Err("the array was already released; give each array once");
    }
    if array.length == 0 {
        // The array may have no buffers at all.
        return Ok(None);
    }
    let mut rows = 0..usize::try_from(array.length).unwrap_or(0);
    if let ArrowDataType::FixedSizeList(..) = dtype
        && array.offset > 0
    {
        // The rows before are taken too, and cut off afterwards.
        let offset =
            usize::try_from(array.offset).map_err(|_| "an array is longer than memory can hold")?;
        rows = offset..offset + rows.len();
        array.length += array.offset;
        (array.offset, array.null_count) = (0, -1);
    }
    // SAFETY: the caller upholds this function's contract.
    unsafe {
        fit_lists(array, dtype)?;
        fit_nulls(array)?;
    }
    return Ok(Some(rows));

    /// # Safety
    /// The array is valid and of the dtype, and nobody else uses its children.
    unsafe fn fit_lists(array: &mut Array, dtype: &ArrowDataType) -> Result<(), &'static str> {
        for (position, dtype_within) in children(dtype).enumerate().take(array.n_children as usize)
        {
            // SAFETY: there are this many children, by the format; each is a valid array of its dtype.
            let child = unsafe { &mut **array.children.add(position) };
            if let ArrowDataType::FixedSizeList(_, width) = dtype {
                if array.offset > 0 {
                    return Err(
                        "a FixedSizeList within another type begins at an offset, which is not supported; copy the array first",
                    );
                }
                let items = i64::try_from(*width).ok();
                let items = items.and_then(|width| array.length.checked_mul(width));
                let Some(items) = items.filter(|items| *items <= child.length) else {
                    return Err("a FixedSizeList has fewer items than its length needs");
                };
                if items < child.length {
                    (child.length, child.null_count) = (items, -1);
                }
            }
            // SAFETY: as above.
            unsafe { fit_lists(child, dtype_within)? };
        }
        Ok(())
    }

    /// # Safety
    /// The same as for the function around it.
    unsafe fn fit_nulls(array: &mut Array) -> Result<(), &'static str> {
        if array.length < 0 || array.offset < 0 {
            return Err("an array's length or offset is negative");
        }
        // SAFETY: an array with buffers has this many pointers, each of which may be null.
        let first = unsafe {
            match array.n_buffers > 0 && !array.buffers.is_null() {
                true => *array.buffers,
                false => std::ptr::null(),
            }
        };
        if first.is_null() && array.null_count < 0 {
            array.null_count = 0;
        }
        if !array.children.is_null() {
            for position in 0..usize::try_from(array.n_children).unwrap_or(0) {
                // SAFETY: there are this many children, each of which is valid according to the format.
                unsafe { fit_nulls(&mut **array.children.add(position))? };
            }
        }
        if !array.dictionary.is_null() {
            // SAFETY: a dictionary that exists is a valid array.
            unsafe { fit_nulls(&mut *array.dictionary)? };
        }
        Ok(())
    }
}
