//! Names for columns that are dropped before the call's frame is seen.

use std::hash::{BuildHasher, Hasher, RandomState};

use polars::prelude::PlSmallStr;

/// A name for a column that is dropped before the call's frame is seen: one that no column of the user's has, since half of
/// it is drawn anew for each call. (The frame's own names are not known before it is planned; asking for them there plans
/// what comes before once more, for each such call that follows another.)
pub(super) fn unused_name(what: &str) -> PlSmallStr {
    let drawn = [RandomState::new(), RandomState::new()].map(|state| state.build_hasher().finish());
    format!("__par_apply_{what}_{:016x}{:016x}", drawn[0], drawn[1]).into()
}
