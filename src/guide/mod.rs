//! Pages that show several parts of the crate at work together.

#[doc = include_str!("which_verb.md")]
pub mod which_verb {}

#[doc = include_str!("groups_and_windows.md")]
pub mod groups_and_windows {}

#[doc = include_str!("coming_from_multiprocessing.md")]
pub mod coming_from_multiprocessing {}

#[doc = include_str!("when_something_goes_wrong.md")]
pub mod when_something_goes_wrong {}

#[doc = include_str!("options.md")]
pub mod options {}

// Its programs are run by examples/arrow, which has another version of arrow-rs as well.
#[cfg(feature = "ffi")]
#[cfg_attr(not(doctest), doc = include_str!("arrow.md"))]
#[allow(clippy::doc_markdown, reason = "its tables are full of types")]
pub mod arrow {}

#[cfg(feature = "lazy")]
#[doc = include_str!("in_a_lazy_pipeline.md")]
pub mod in_a_lazy_pipeline {}

// Its programs are run by cluster/, which has the crate that they use.
#[cfg_attr(not(doctest), doc = include_str!("on_a_cluster.md"))]
pub mod on_a_cluster {}
