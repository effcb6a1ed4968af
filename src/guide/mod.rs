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

#[cfg(feature = "lazy")]
#[doc = include_str!("in_a_lazy_pipeline.md")]
pub mod in_a_lazy_pipeline {}
