//! The extension trait on `Column` and `Series`.

use polars::prelude::{Column, Series};

use crate::context::{Leading, NoSeed, NoState};
use crate::error::Result;
use crate::function::RowFn;
use crate::options::{CallOptions, Options};
use crate::read::{Given, OneCell};
use crate::sealed::Sealed;
use crate::verbs;
use crate::write::IntoRow;

/// Calls your own closure for each value of a `Column` or `Series`, on all cores.
///
/// It is pandas' `Series.apply`, or Polars' `map_elements` in Python, for Rust closures.
///
/// The trait is sealed: it is implemented for `Column` and `Series`.
pub trait ParMap: Sealed {
    /// Calls `f` with each value, and gives the results as a `Column` of the same name and length.
    ///
    /// `f` takes one [cell](crate::Cell) and returns one [cell](crate::IntoCell), whose dtype the column then has, or a `Result` of
    /// one. If the argument has a plain type, a null is not given to `f` and stays null; an `Option` is given it as `None`. This is
    /// what [`par_apply_rows`](crate::ParApply::par_apply_rows) does with a frame of this column alone: in order, once for each
    /// value, with the same answer on any number of workers.
    ///
    /// It has no options: it uses all of Polars' workers, and the error or panic of the first failing row ends the call. For
    /// workers, policies, a state or a background job, call [`rows`](crate::Apply::rows) on the frame, or on a frame made of the
    /// column, which shares its memory:
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let text = Column::new("text".into(), ["1", "two", "3"]);
    /// let frame = text.clone().into_frame();
    /// let call = frame.par_apply().names(["text"]).on_error(OnError::Null);
    /// let numbers = call.rows(|text: &str| text.parse::<i64>())?;
    /// assert_eq!(numbers.output.i64()?.to_vec(), [Some(1), None, Some(3)]);
    /// assert_eq!(numbers.stats.failures, 1);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// Before `f` is called: a dtype that the argument does not take without loss. From the run: the error or panic of `f` in the
    /// lowest failing row, with the row's number; a value that does not fit its Rust type or the output column.
    ///
    /// # Examples
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [Some(4.0), None, Some(9.0)]]?;
    /// let root = df["x"].par_map(f64::sqrt)?;
    /// assert_eq!(root, Column::new("x".into(), [Some(2.0), None, Some(3.0)]));
    ///
    /// let words = Series::new("word".into(), [Some("dune"), None]);
    /// let lengths = words.par_map(|word: Option<&str>| word.map_or(0, str::len) as u32)?;
    /// assert_eq!(lengths, Column::new("word".into(), [4u32, 0]));
    ///
    /// let error = words.par_map(|word: &str| word.parse::<i64>()).unwrap_err();
    /// assert_eq!((error.row(), error.to_string().contains("invalid digit")), (Some(0), true));
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// A closure that takes two cells does not compile, nor does one that returns two:
    /// ```compile_fail,E0277
    /// # use polars_par_apply::prelude::*;
    /// let _ = Series::new("x".into(), [1]).par_map(|x: i32, y: i32| x + y);
    /// ```
    /// ```compile_fail,E0271
    /// # use polars_par_apply::prelude::*;
    /// let _ = Series::new("x".into(), [1]).par_map(|x: i32| (x, x));
    /// ```
    fn par_map<M, F>(&self, f: F) -> Result<Column>
    where
        F: RowFn<M, Cells: OneCell>,
        F::Out: IntoRow<Output = Column>;
}

impl ParMap for Column {
    fn par_map<M, F>(&self, f: F) -> Result<Column>
    where
        F: RowFn<M, Cells: OneCell>,
        F::Out: IntoRow<Output = Column>,
    {
        let given = Given {
            columns: std::slice::from_ref(self),
            rows: self.len(),
            numbers: None,
        };
        let options = Options {
            call: CallOptions::new().names([self.name().clone()]),
            ..Options::default()
        };
        let lead = Leading {
            state: NoState,
            seed: NoSeed,
        };
        Ok(verbs::rows(given, &options, lead, &f)?.output)
    }
}

impl ParMap for Series {
    fn par_map<M, F>(&self, f: F) -> Result<Column>
    where
        F: RowFn<M, Cells: OneCell>,
        F::Out: IntoRow<Output = Column>,
    {
        Column::from(self.clone()).par_map(f)
    }
}
