//! The structs of Arrow's C Data Interface, as this crate needs to look into them.
//!
//! <https://arrow.apache.org/docs/format/CDataInterface.html> lays them down, field by field, so those of `polars-arrow`, arrow-rs
//! and arrow2 are the same structs under other names, and what one of them made another may take. Their fields are private to
//! each crate; here they are named once more.

use std::ffi::{CStr, c_char, c_void};
#[cfg(any(feature = "arrow", feature = "arrow2"))]
use std::mem::ManuallyDrop;

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

/// `struct ArrowSchema`.
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

/// The same C struct under another crate's name.
///
/// # Safety
/// Both types are `repr(C)` and are the same struct of the C Data Interface. (That they are of one size and alignment is checked
/// where this is compiled.)
#[cfg(any(feature = "arrow", feature = "arrow2"))]
pub(super) unsafe fn same_struct<A, B>(a: A) -> B {
    const {
        assert!(size_of::<A>() == size_of::<B>() && align_of::<A>() == align_of::<B>());
    }
    let a = ManuallyDrop::new(a);
    // SAFETY: it is a valid `B`, as the caller vouches; it is read once, and `a` is not dropped.
    unsafe { std::ptr::read((&raw const *a).cast()) }
}

/// The name of a schema's column, whatever its type is.
///
/// # Safety
/// The schema is valid by the format.
pub(super) unsafe fn name_of(schema: &ArrowSchema) -> String {
    // SAFETY: the two are the same struct; a name that is there ends with a zero.
    unsafe {
        let schema = &*(&raw const *schema).cast::<Schema>();
        match schema.name.is_null() {
            true => String::new(),
            false => CStr::from_ptr(schema.name).to_string_lossy().into_owned(),
        }
    }
}

/// Takes the one buffer from Null arrays, which `polars-arrow` gives them: by the format they have none, and others refuse them
/// with it.
pub(super) fn strip_null_buffers(array: &mut ArrowArray, dtype: &ArrowDataType) {
    if !contains_null_type(dtype) {
        return;
    }
    // SAFETY: the two are the same struct, as is checked above and by the crate that has `ArrowArray` as `repr(C)`.
    let array = unsafe { &mut *(&raw mut *array).cast::<Array>() };
    // SAFETY: `polars-arrow` has just made the array, of this dtype: its children are there and are nobody else's.
    unsafe { walk(array, dtype) };

    /// # Safety
    /// The array is valid, is of the dtype, and its children are nobody else's.
    unsafe fn walk(array: &mut Array, dtype: &ArrowDataType) {
        if let ArrowDataType::Null = dtype {
            array.n_buffers = 0;
        }
        if array.children.is_null() {
            return;
        }
        for (position, dtype) in children(dtype).enumerate().take(array.n_children as usize) {
            // SAFETY: there are so many children, by the format; each is a valid array of its dtype.
            unsafe { walk(&mut **array.children.add(position), dtype) };
        }
    }
}

fn contains_null_type(dtype: &ArrowDataType) -> bool {
    matches!(dtype, ArrowDataType::Null) || children(dtype).any(contains_null_type)
}

/// The dtypes of an array's children, in order.
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

/// Makes an array that somebody else made fit to be taken: one that says that it does not know how many nulls it has, and has no
/// bits that say which, has none. Gives its length, or says why it cannot be taken.
///
/// # Safety
/// The array is valid by the format, and nobody else uses it.
pub(super) unsafe fn normalize(array: &mut ArrowArray) -> Result<i64, &'static str> {
    // SAFETY: the two are the same struct.
    let array = unsafe { &mut *(&raw mut *array).cast::<Array>() };
    if array.release.is_none() {
        return Err("the array was released before; give each array once");
    }
    // SAFETY: as the caller vouches.
    unsafe { walk(array)? };
    return Ok(array.length);

    /// # Safety
    /// As of the function around it.
    unsafe fn walk(array: &mut Array) -> Result<(), &'static str> {
        if array.length < 0 || array.offset < 0 {
            return Err("an array's length or offset is negative");
        }
        // SAFETY: an array of buffers has so many pointers; each may be null.
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
                // SAFETY: there are so many children, each valid by the format.
                unsafe { walk(&mut **array.children.add(position))? };
            }
        }
        if !array.dictionary.is_null() {
            // SAFETY: a dictionary that is there is a valid array.
            unsafe { walk(&mut *array.dictionary)? };
        }
        Ok(())
    }
}
