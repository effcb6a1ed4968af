//! Pages that show several parts of the crate at work together.

#[doc = include_str!("when_something_goes_wrong.md")]
pub mod when_something_goes_wrong {}
