//! Pages that show several parts of the crate at work together.
//!
//! To begin with:
//!
//! - [A tour](tour): each part of the crate in a short program.
//! - [Which verb](which_verb): a row for each question, and the verb that answers it.
//! - [The cookbook](cookbook): questions that people ask of pandas, Polars and Spark, each with a program.
//! - [Coming from Python](coming_from_python), and [coming from multiprocessing](coming_from_multiprocessing): the calls that you
//!   know, and what stands for them here.
//! - [The glossary](glossary): what the crate's words mean.
//!
//! In depth:
//!
//! - [Groups and windows](groups_and_windows): the verbs that look at several rows at once.
//! - [When something goes wrong](when_something_goes_wrong): policies for rows that fail, retries, cancelling, progress.
//! - [A picture of a run](a_picture_of_a_run): which rows were slow, what the workers did, what failed.
//! - [Options](options): which verb follows which option.
//! - [In a lazy pipeline](https://docs.rs/polars-par-apply/latest/polars_par_apply/guide/in_a_lazy_pipeline/): closures in a query of
//!   Polars, with the feature `lazy`.
//!
//! As a part of something larger:
//!
//! - [Building on it](building_on_it): functions, structs and traits of your own that take closures or keep calls.
//! - [In a service](in_a_service): calls within a web or RPC service.
//! - [Arrow](https://docs.rs/polars-par-apply/latest/polars_par_apply/guide/arrow/): data of other Arrow libraries, with the feature
//!   `arrow`, `arrow2` or `ffi`.
//! - [On a cluster](on_a_cluster): functions that run on several machines.
//!
//! When it does not work:
//!
//! - [This error means](this_error_means): what the compiler says about a closure, and how to mend it.
//! - [Errors](errors): every kind of error at run time, with an example.

// The order is that of the list above. Rustdoc sorts modules by name.

// Where a page's programs need a feature, they are run with that feature alone; the page itself is always there. The programs of the pages
// that have `not(doctest)` are doc tests of other packages: of `tests/`, which has the crates and the data that they use (its `lib.rs` has the
// list), of `examples/arrow`, which has another version of arrow-rs as well, and of `cluster/`.

/// A tour: each part of the crate in a short program.
///
#[cfg_attr(any(not(doctest), feature = "lazy"), doc = include_str!("tour.md"))]
pub mod tour {}

/// A row for each question, and the verb that answers it.
///
#[doc = include_str!("which_verb.md")]
pub mod which_verb {}

/// Questions that people ask of pandas, Polars and Spark, each with a program.
///
#[cfg_attr(not(doctest), doc = include_str!("cookbook.md"))]
pub mod cookbook {}

/// The calls of Python libraries, and what stands for them here.
///
#[cfg_attr(any(not(doctest), feature = "lazy"), doc = include_str!("coming_from_python.md"))]
pub mod coming_from_python {}

/// The calls of Python's `multiprocessing.Pool`, and what stands for them here.
///
#[doc = include_str!("coming_from_multiprocessing.md")]
pub mod coming_from_multiprocessing {}

/// The meaning of the crate's words, and their names in other libraries.
///
#[doc = include_str!("glossary.md")]
pub mod glossary {}

/// The verbs that look at several rows at once.
///
#[doc = include_str!("groups_and_windows.md")]
pub mod groups_and_windows {}

/// Policies for rows that fail, retries, cancelling, progress and outcomes at work.
///
#[cfg_attr(not(doctest), doc = include_str!("when_something_goes_wrong.md"))]
pub mod when_something_goes_wrong {}

/// Which rows were slow, what the workers did, and what failed, as text and as a picture.
///
#[doc = include_str!("a_picture_of_a_run.md")]
#[doc = ""]
#[doc = include_str!("run_report.svg")]
pub mod a_picture_of_a_run {}

/// Which verb follows which option.
///
#[doc = include_str!("options.md")]
pub mod options {}

/// Closures in a lazy query of Polars.
///
#[cfg(feature = "lazy")]
#[cfg_attr(not(doctest), doc = include_str!("in_a_lazy_pipeline.md"))]
pub mod in_a_lazy_pipeline {}

/// Functions, structs and traits of your own that take closures or keep calls.
///
#[cfg_attr(not(doctest), doc = include_str!("building_on_it.md"))]
pub mod building_on_it {}

/// Calls within a web or RPC service.
///
#[cfg_attr(not(doctest), doc = include_str!("in_a_service.md"))]
pub mod in_a_service {}

/// Data of other Arrow libraries as arguments, results and frames.
///
#[cfg(feature = "ffi")]
#[cfg_attr(not(doctest), doc = include_str!("arrow.md"))]
#[allow(clippy::doc_markdown, reason = "its tables are full of types")]
pub mod arrow {}

/// Functions that run on several machines.
///
#[cfg_attr(not(doctest), doc = include_str!("on_a_cluster.md"))]
pub mod on_a_cluster {}

/// What the compiler says about a closure, and how to mend it.
///
#[cfg_attr(any(not(doctest), feature = "lazy"), doc = include_str!("this_error_means.md"))]
pub mod this_error_means {}

/// Every kind of error at run time, with an example.
///
#[doc = include_str!("errors.md")]
pub mod errors {}
