//! Names for columns that are dropped before the result of the call is visible.

use std::hash::{BuildHasher, Hasher, RandomState};

use polars::prelude::PlSmallStr;

/// Returns a name for a column that is dropped before the result of the call is visible. No column of the user's has this name,
/// since half of it is drawn at random for each call. (The frame's own names are not known before it is planned. Asking for them
/// here would plan everything before this call once more, for each such call that follows another.)
pub(super) fn unused_name(what: &str) -> PlSmallStr {
    let drawn = [RandomState::new(), RandomState::new()].map(|state| state.build_hasher().finish());
    format!("__par_apply_{what}_{:016x}{:016x}", drawn[0], drawn[1]).into()
}
