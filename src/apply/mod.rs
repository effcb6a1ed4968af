//! The builder of a call: options first, then one verb.

mod input;
mod keys;

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use polars::prelude::{Column, DataFrame, DataType, Field, PlSmallStr};

use self::input::Input;
use crate::cancel::CancelToken;
use crate::context::{self, Context, Hook, IntoUnit, Lead, Leading, NoFinish, NoSeed, NoState};
use crate::error::Result;
use crate::function::{ChunkFn, ColumnFn, EmitFn, RowFn};
use crate::job::{self, Job, Terms};
use crate::options::{CallOptions, Casts, Nulls, OnCancel, OnError, Options};
use crate::outcome::Outcome;
use crate::pool::Pool;
use crate::progress::Progress;
use crate::read::{Given, OneCell};
use crate::run::{Failure, catch};
use crate::sealed::Sealed;
use crate::sync::Arc;
use crate::verbs::{self, Fold, FoldLead};
use crate::write::{IntoColumns, IntoMask, IntoRow, IntoRows, IntoStack};

/// A builder for one call: set options, then call one verb.
///
/// The verbs are [`rows`](Apply::rows), [`filter_rows`](Apply::filter_rows), [`with_columns`](Apply::with_columns),
/// [`flat_map_rows`](Apply::flat_map_rows), [`emit_rows`](Apply::emit_rows), [`columns`](Apply::columns),
/// [`chunks`](Apply::chunks), [`elements`](Apply::elements), [`fold_rows`](Apply::fold_rows), [`groups`](Apply::groups),
/// [`transform`](Apply::transform) and [`windows`](Apply::windows), and [`call`](Apply::call) for a function that has a name.
/// [`ParApply::par_apply`](crate::ParApply::par_apply) makes the builder.
///
/// Where an option is given twice, the last one counts. Nothing is checked until the verb is called. The verb then reports every
/// fault of the call at once, before it calls the closure.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["id" => [1, 2], "x" => [3.0, 6.0], "y" => [4.0, 8.0]]?;
/// let length = df.par_apply().select(["x", "y"]).names(["length"]).workers(2).rows(f64::hypot)?;
/// assert_eq!(length, Column::new("length".into(), [5.0, 10.0]));
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// # A long run
///
/// These options control a long run; the page [when something goes wrong](crate::guide::when_something_goes_wrong) shows them at
/// work. An option that is not given costs nothing per row.
///
/// | option | what |
/// |---|---|
/// | [`on_error`](Apply::on_error), [`max_failures`](Apply::max_failures) | what becomes of rows that fail, and how many may fail |
/// | `retry` (feature `retry`) | a row that returned an error is called again later |
/// | [`cancel_token`](Apply::cancel_token), [`deadline`](Apply::deadline), [`on_cancel`](Apply::on_cancel) | the run is stopped from outside, and what the call then gives |
/// | [`progress`](Apply::progress) | what is called with the run's progress |
/// | `report` (feature `report`) | the run is recorded for a picture |
/// | [`state`](Apply::state), [`finish`](Apply::finish) | each worker has its own state: a compiled regex, a connection, a counter |
/// | `seed` (feature `rand`) | each row has its own random stream |
/// | [`outcome`](Apply::outcome) | a report of the run is returned with the output |
///
/// [`returns`](Apply::returns) sets the dtypes of the output's columns: a time unit and zone, an Enum, an Array.
/// [`keep`](Apply::keep) and [`source_rows`](Apply::source_rows) show which input row each output row comes from, for verbs that
/// give any number of rows. [`by`](Apply::by), [`without_keys`](Apply::without_keys) and [`null_keys`](Apply::null_keys) say which
/// rows belong to one group, and what becomes of the keys.
///
/// The options work on each verb's unit. What the docs say about rows holds for the columns of [`columns`](Apply::columns), the
/// parts of [`chunks`](Apply::chunks), and the groups of [`groups`](Apply::groups) and [`transform`](Apply::transform). One bad row
/// in a part or a group fails the whole unit, and a unit that has begun is finished before cancellation takes effect.
///
/// [The guide's table](crate::guide::options) shows which verb follows which option. A verb refuses an option that it cannot
/// follow, before it calls the closure. Options that are plain data can also be kept as a value: see [`CallOptions`].
///
/// # Its type
///
/// A function may return a configured call:
///
/// ```
/// use polars_par_apply::{Apply, Leading, NoSeed, NoState, WithOutcome, prelude::*};
///
/// /// Configures how the rows of a log are parsed.
/// fn careful(df: &DataFrame) -> Apply<'_, 'static> {
///     df.par_apply().select(["text"]).workers(2)
/// }
///
/// /// Does the same, but a row that cannot be parsed is null.
/// fn lenient(df: &DataFrame) -> Apply<'_, 'static, Leading<NoState, NoSeed>, WithOutcome> {
///     careful(df).on_error(OnError::Null)
/// }
///
/// let df = df!["line" => [1, 2], "text" => ["7", "x"]]?;
/// assert!(careful(&df).rows(|text: &str| text.parse::<i32>()).is_err());
/// assert_eq!(lenient(&df).rows(|text: &str| text.parse::<i32>())?.stats.failures, 1);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// | parameter | what it says | which options set it |
/// |---|---|---|
/// | `'a` | how long the frame is borrowed | |
/// | `'p` | what [`progress`](Apply::progress) borrows; `'static` without it, which [`spawn_rows`](Apply::spawn_rows) and the other `spawn_` verbs need | [`progress`](Apply::progress) |
/// | `L` | which leading arguments the closure has: [`Leading`] | [`state`](Apply::state), [`finish`](Apply::finish), `seed` |
/// | `G` | what the verb returns: the output alone ([`OutputOnly`]), or an [`Outcome`] ([`WithOutcome`]) | [`on_error`](Apply::on_error), [`on_cancel`](Apply::on_cancel), [`outcome`](Apply::outcome) |
///
/// The other options keep the type, so they can be given inside an `if`. Where a policy is chosen at run time, give it as a value:
/// `.on_error(if lenient { OnError::Null } else { OnError::Fail })`.
#[must_use = "a builder does nothing until a verb is called: `.rows(f)`, `.columns(f)` or `.chunks(f)`"]
#[derive(Clone)]
pub struct Apply<'a, 'p, L = Leading<NoState, NoSeed>, G = OutputOnly> {
    frame: Input<'a>,
    options: Options<'p>,
    lead: L,
    gives: PhantomData<fn() -> G>,
}

/// A marker type of [`Apply`]: the verb returns its output alone, a `Column` or a `DataFrame`.
#[derive(Clone, Copy, Debug)]
pub struct OutputOnly;

/// A marker type of [`Apply`]: the verb returns its output in an [`Outcome`].
#[derive(Clone, Copy, Debug)]
pub struct WithOutcome;

/// The trait of the two markers that say what a verb returns: [`OutputOnly`] and [`WithOutcome`].
pub trait Gives: Sealed {
    /// The type that a verb with an output of type `T` returns: `T`, or an [`Outcome`] of it.
    type Of<T>;

    #[doc(hidden)]
    fn give<T>(outcome: Outcome<T>) -> Self::Of<T>;
}

impl Sealed for OutputOnly {}
impl Sealed for WithOutcome {}

impl Gives for OutputOnly {
    type Of<T> = T;

    fn give<T>(outcome: Outcome<T>) -> T {
        outcome.output
    }
}

impl Gives for WithOutcome {
    type Of<T> = Outcome<T>;

    fn give<T>(outcome: Outcome<T>) -> Outcome<T> {
        outcome
    }
}

impl<'a> Apply<'a, 'static> {
    pub(crate) fn new(frame: &'a DataFrame) -> Self {
        Apply::of(Input::Given(frame))
    }

    /// Makes a call over a frame that is made for it. Where the frame could not be made, the verb returns the error.
    #[cfg(any(feature = "arrow", feature = "arrow2"))]
    pub(crate) fn of_made(frame: Result<DataFrame>) -> Self {
        Apply::of(Input::Made(Arc::new(frame)))
    }

    fn of(frame: Input<'a>) -> Self {
        Apply {
            frame,
            options: Options::default(),
            lead: Leading {
                state: NoState,
                seed: NoSeed,
            },
            gives: PhantomData,
        }
    }
}

impl<'a, 'p, L, G> Apply<'a, 'p, L, G> {
    /// Returns the frame, the options and the leading arguments, as given.
    pub(crate) fn parts(&self) -> Result<(&DataFrame, &Options<'p>, &L)> {
        Ok((self.frame.get()?, &self.options, &self.lead))
    }

    /// Adds options that are kept as a value.
    ///
    /// Options that were given before keep their value where `options` does not set them. Options that are given later replace
    /// those of `options`.
    ///
    /// The type of the call does not change. So where the options let failures pass ([`on_error`](CallOptions::on_error)) or ask
    /// for the finished part of a cancelled run ([`on_cancel`](CallOptions::on_cancel)), add [`outcome`](Apply::outcome), which
    /// reports the rows that have no result. Without it the verb refuses these options.
    ///
    /// ```
    /// use polars_par_apply::{CallOptions, prelude::*};
    ///
    /// let options = CallOptions::new().select(["text"]).on_error(OnError::Null).max_failures(10);
    /// let df = df!["line" => [1, 2, 3], "text" => ["1", "two", "3"]]?;
    /// let outcome = df.par_apply().with(&options).outcome().rows(|text: &str| text.parse::<i32>())?;
    /// assert_eq!(outcome.output.i32()?.to_vec(), [Some(1), None, Some(3)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn with(mut self, options: &CallOptions) -> Self {
        if options.select.is_some() {
            self.options.select_where = None;
        }
        self.options.call = options.clone().or(self.options.call);
        self.options.leave_numbers_out();
        self
    }

    /// Selects the columns that are used, in the order of the closure's arguments; by default all of them.
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["a" => [1, 2], "b" => [10, 20], "c" => [0, 0]]?;
    /// let difference = df.par_apply().select(["b", "a"]).rows(|b: i32, a: i32| b - a)?;
    /// assert_eq!(difference.i32()?.to_vec(), [Some(9), Some(18)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn select<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.options.call = self.options.call.select(names);
        self.options.select_where = None;
        self
    }

    /// Selects the columns that are used by their dtypes or names: those for which `wanted` returns true, in the frame's order.
    ///
    /// It replaces [`select`](Apply::select), and `select` replaces it.
    ///
    /// `wanted` is called at once, with the name and the dtype of each of the frame's columns. The column of
    /// [`row_numbers`](Apply::row_numbers) is left out, whatever `wanted` returns for it. If `wanted` panics, the verb returns an
    /// error.
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["name" => ["a", "b"], "x" => [1.5, 2.5], "y" => [0.1, 0.2]]?;
    /// let floats = |field: &Field| field.dtype().is_float();
    /// let whole = df.par_apply().select_where(floats).elements(|x: f64| x.trunc() as i32)?;
    /// assert_eq!(whole, df!["x" => [1, 2], "y" => [0, 0]]?);
    ///
    /// let not_name = |field: &Field| field.name() != "name";
    /// let sum = df.par_apply().select_where(not_name).rows(|x: f64, y: f64| x + y)?;
    /// assert_eq!(sum.f64()?.get(0), Some(1.6));
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn select_where(mut self, wanted: impl Fn(&Field) -> bool) -> Self {
        let columns = self.frame.columns().iter();
        let is_wanted = |column: &&Column| wanted(&column.field());
        let selected = catch(|| {
            let names = columns.filter(is_wanted).map(Column::name);
            names.cloned().collect::<Vec<PlSmallStr>>()
        });
        match selected {
            Ok(names) => {
                self.options.select_where = Some(Ok(names));
                self.options.leave_numbers_out();
            }
            Err(Failure::Panic(message)) => self.options.select_where = Some(Err(message)),
            Err(other) => self.options.select_where = Some(Err(format!("{other:?}"))),
        }
        self
    }

    /// Sets the names of the output columns.
    ///
    /// Where the closure returns a `DataFrame`, the number of names can be checked only after the run.
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["x" => [7, 9]]?;
    /// let parts = df.par_apply().names(["quotient", "rest"]).rows(|x: i32| (x / 4, x % 4))?;
    /// assert_eq!(parts, df!["quotient" => [1, 2], "rest" => [3, 1]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn names<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.options.call = self.options.call.names(names);
        self
    }

    /// Sets the pool that runs the call; by default Polars' own.
    pub fn pool(mut self, pool: &Pool) -> Self {
        self.options.pool = Some(pool.clone());
        self
    }

    /// Sets how many workers, at most, call the closure at the same time; by default the pool's width.
    ///
    /// With one worker, the calling thread does the work. Threads beyond those of Polars' pool are started for this call when it
    /// needs them, which suits closures that wait more than they compute. More workers than a pool given by [`pool`](Apply::pool)
    /// has are an error, and so are more than 4,096.
    ///
    /// The first row of [`rows`](Apply::rows) runs before other workers are woken, to measure how long a row takes. Where there are
    /// few rows that each take long, [`chunk_rows(1)`](Apply::chunk_rows) shares them out from the start.
    pub fn workers(mut self, workers: usize) -> Self {
        self.options.call = self.options.call.workers(workers);
        self
    }

    /// Runs the call on the calling thread alone, in order.
    ///
    /// The result is the same, unless it depends on how many parts there are: [`chunks`](Apply::chunks), and
    /// [`transform`](Apply::transform) without keys, have one part if neither [`partitions`](Apply::partitions) nor
    /// [`chunk_rows`](Apply::chunk_rows) is set.
    pub fn sequential(mut self) -> Self {
        self.options.call = self.options.call.sequential();
        self
    }

    /// Cuts the rows into this many partitions, as NumPy's `array_split` does.
    ///
    /// The first `height % n` partitions are one row longer than the others. Where there are more partitions than rows, the last
    /// ones are empty. A worker takes one partition at a time. [`chunks`](Apply::chunks) calls the closure with each partition, and
    /// [`transform`](Apply::transform) without keys with each that has rows.
    ///
    /// By default `chunks` has one part for each worker, none of them empty unless the frame is, and `rows` is cut while it runs.
    /// Columns are not cut, and groups are cut by their keys alone.
    pub fn partitions(mut self, partitions: usize) -> Self {
        self.options.call = self.options.call.partitions(partitions);
        self
    }

    /// Cuts the rows into chunks of this many rows; the last may be shorter.
    ///
    /// It cannot be combined with [`partitions`](Apply::partitions).
    pub fn chunk_rows(mut self, rows: usize) -> Self {
        self.options.call = self.options.call.chunk_rows(rows);
        self
    }

    /// Gives each part of [`chunks`](Apply::chunks) up to `before` rows from before its own rows, and up to `after` rows from after
    /// them.
    ///
    /// A part at the frame's edge gets as many as there are. Use it for functions that look at neighbouring rows, such as a moving
    /// median, or a gap that is filled from the last value. The default is `(0, 0)`: no such rows.
    ///
    /// The closure's frame, or [`Chunk`](crate::Chunk), includes these rows. [`Chunk::row_offset`](crate::Chunk::row_offset) is the
    /// number of the frame's first row, and [`Chunk::core`](crate::Chunk::core) has the positions of the part's own rows in that
    /// frame. Results are stacked as without the option. If the closure returns a frame, column or series that is as high as its
    /// frame, the part's own rows of it are kept; if it is as high as the own rows, it is kept whole; any other height is an error
    /// that names the part. A cell, a tuple or a struct gives one row for each part.
    ///
    /// An overlap may be longer than a part, and then covers several parts. Failures, progress and a part's random stream count
    /// only the part's own rows.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// /// Returns, for each row, the sum of itself and its two neighbours.
    /// fn sums(part: &DataFrame) -> PolarsResult<Column> {
    ///     let x: Vec<i32> = part["x"].i32()?.into_no_null_iter().collect();
    ///     let sum = |row: usize| x[row.saturating_sub(1)..(row + 2).min(x.len())].iter().sum();
    ///     Ok(Column::new("sum".into(), (0..x.len()).map(sum).collect::<Vec<i32>>()))
    /// }
    ///
    /// let df = df!["x" => [1, 2, 3, 4, 5, 6, 7]]?;
    /// let parts = df.par_apply().chunk_rows(3).overlap(1, 1).chunks(sums)?;
    /// assert_eq!(parts, sums(&df)?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn overlap(mut self, before: usize, after: usize) -> Self {
        self.options.call = self.options.call.overlap(before, after);
        self
    }

    /// Sets the number of the frame's first row; 0 by default.
    ///
    /// The other rows are numbered on from it. Everything that reports a row uses these numbers: [errors](crate::Error::row),
    /// [failures](crate::Outcome::failures), [`kept_rows`](crate::Outcome::kept_rows), [`Row::index`](crate::Row::index) and
    /// [`Chunk::row_offset`](crate::Chunk::row_offset). With `seed`, a row's number also decides its random stream.
    ///
    /// Use it for a frame that is a part of another, such as a [`Chunk`](crate::Chunk), and whose rows are neighbours in the whole.
    /// Where they are not, as in the rest of a run that was cancelled, give a column of numbers with
    /// [`row_numbers`](Apply::row_numbers). Whichever of the two options is given last counts.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["text" => ["1", "2", "3", "x"]]?;
    /// let second = df.slice(2, 2);
    /// let error = second.par_apply().first_row(2).rows(|text: &str| text.parse::<i32>()).unwrap_err();
    /// assert_eq!(error.row(), Some(3));
    ///
    /// // Each part draws what its rows draw in the whole.
    /// # #[cfg(feature = "rand")] {
    /// use polars_par_apply::rand::RngExt;
    ///
    /// let draw = |rng: &mut RowRng, _: &str| rng.random::<u32>();
    /// let whole = df.par_apply().seed(7).rows(draw)?;
    /// let parts = df
    ///     .par_apply()
    ///     .partitions(2)
    ///     .chunks(|part: Chunk| part.par_apply().seed(7).first_row(part.row_offset() as u64).rows(draw))?;
    /// assert_eq!(parts, whole);
    /// # }
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn first_row(mut self, row: u64) -> Self {
        self.options.call = self.options.call.first_row(row);
        self.options.leave_numbers_out();
        self
    }

    /// Names the frame's column that has the rows' numbers: integers, none of them null or negative.
    ///
    /// Everything that reports a row then uses its number from this column ([`first_row`](Apply::first_row) has the list), and with
    /// `seed` the number decides the row's random stream. The closure is not given the column, unless [`select`](Apply::select)
    /// names it.
    ///
    /// Use it for rows that were filtered, shuffled or left over, and that keep the numbers that they had in the whole. The numbers
    /// should differ; nothing checks that they do.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let log = df!["text" => ["1", "", "2", "x"]]?.with_row_index("line".into(), None)?;
    /// let filled = log.filter(&log.column("text")?.str()?.not_equal(""))?;
    /// let error = filled.par_apply().row_numbers("line").rows(|text: &str| text.parse::<i32>()).unwrap_err();
    /// assert_eq!(error.row(), Some(3));
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn row_numbers(mut self, column: impl Into<PlSmallStr>) -> Self {
        self.options.call = self.options.call.row_numbers(column);
        self.options.leave_numbers_out();
        self
    }

    /// Sets what happens where an argument of a plain type is null; by default the row's output is null.
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["x" => [Some(1), None]]?;
    /// let plain = df.par_apply_rows(|x: i32| x + 1)?;
    /// assert_eq!(plain.i32()?.to_vec(), [Some(2), None]);
    /// let error = df.par_apply().nulls(Nulls::Error).rows(|x: i32| x + 1).unwrap_err();
    /// assert_eq!((error.column(), error.row()), (Some("x"), Some(1)));
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn nulls(mut self, nulls: Nulls) -> Self {
        self.options.call = self.options.call.nulls(nulls);
        self
    }

    /// Sets which conversions are allowed; by default only those that keep every value.
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["x" => [1.75, -0.5]]?;
    /// assert!(df.par_apply_rows(|x: i32| x).is_err());
    /// let cut = df.par_apply().casts(Casts::Lossy).rows(|x: i32| x)?;
    /// assert_eq!(cut.i32()?.to_vec(), [Some(1), Some(0)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn casts(mut self, casts: Casts) -> Self {
        self.options.call = self.options.call.casts(casts);
        self
    }

    /// Sets the dtypes of the output's columns: an array with one dtype for each column, also where there is one column.
    ///
    /// It is for closures that return cells, or tuples, arrays and derived structs of cells. A closure that returns a whole frame,
    /// column or series casts it itself.
    ///
    /// Each result is written as the dtype at once, without loss. A result that the dtype cannot hold makes its row fail, and
    /// [`on_error`](Apply::on_error) says what becomes of the row. Examples are a time beyond the unit's range, text that is not a
    /// category of an Enum, a list whose length is not the Array's, and a number with more digits. [`Casts::Lossy`] permits the
    /// loss of digits.
    ///
    /// | result | dtypes it can become |
    /// |---|---|
    /// | numbers | integers and floats that hold the value; integers also Decimal |
    /// | `String`, `&'static str` | String, Categorical, Enum |
    /// | `NaiveDateTime` | Datetime of any unit, without a time zone |
    /// | `DateTime<Utc>` | Datetime of any unit, with any time zone: the instant is the same |
    /// | `TimeDelta` | Duration of any unit |
    /// | `Decimal` (of `rust_decimal`) | Decimal of any precision and scale; one must be given |
    /// | `Vec<T>`, in `rows` also `Series` | List, and Array with a width, of any dtype that the items can become |
    /// | `Struct<T>` | Struct of any dtypes that its fields can become; the fields of a derived struct keep their names, those of a tuple get the dtype's |
    /// | `AnyValue` | any dtype that its values can become, as above; the column then has it even where no row shows a dtype |
    /// | `()` | any dtype, all null |
    /// | others | only their own dtype |
    ///
    /// If a Categorical has no room for more categories, the call ends with an error, since no single row is at fault.
    ///
    /// A dtype that the closure's type cannot become is an error before the closure is called. With `columns`, give one dtype for
    /// each column. Where a dtype is not the default of the closure's type, rows take longer, since each result is checked.
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["n" => [7i64, 1_500, i64::MAX]]?;
    /// let time = |n: i64| chrono::DateTime::from_timestamp_nanos(n).naive_utc();
    /// let nanoseconds = DataType::Datetime(TimeUnit::Nanoseconds, None);
    /// let times = df.par_apply().returns([nanoseconds.clone()]).rows(time)?;
    /// assert_eq!(times.dtype(), &nanoseconds);
    /// assert_eq!(times.cast(&DataType::Int64)?, df["n"].clone().with_name("par_apply".into()));
    ///
    /// let small = df.par_apply().returns([DataType::Int32]).rows(|n: i64| n).unwrap_err();
    /// assert_eq!(small.row(), Some(2));
    /// assert!(small.to_string().contains("9223372036854775807 is beyond the range of Int32"));
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn returns<I>(mut self, dtypes: I) -> Self
    where
        I: IntoIterator<Item = DataType>,
    {
        self.options.call = self.options.call.returns(dtypes);
        self
    }

    /// Names input columns that stand before the output's columns, for [`flat_map_rows`](Apply::flat_map_rows) and
    /// [`emit_rows`](Apply::emit_rows).
    ///
    /// Each output row has the values of its input row. Any column of the frame can be named, also one that the closure is not
    /// given. Other verbs refuse this option.
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["id" => [7, 8], "tags" => ["a,b", "c"]]?;
    /// let tags = df
    ///     .par_apply()
    ///     .select(["tags"])
    ///     .names(["tag"])
    ///     .keep(["id"])
    ///     .flat_map_rows(|tags: &str| tags.split(',').map(PlSmallStr::from_str).collect::<Vec<_>>())?;
    /// assert_eq!(tags, df!["id" => [7, 7, 8], "tag" => ["a", "b", "c"]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn keep<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.options.call = self.options.call.keep(names);
        self
    }

    /// Adds a column of this name, before all others, with the number of the input row that each output row comes from, for
    /// [`flat_map_rows`](Apply::flat_map_rows) and [`emit_rows`](Apply::emit_rows).
    ///
    /// The numbers are those that [`first_row`](Apply::first_row) or [`row_numbers`](Apply::row_numbers) sets. The dtype is that of
    /// Polars' row index, or `UInt64` where a number does not fit in that. Other verbs refuse this option.
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["line" => ["to be", "", "or"]]?;
    /// let words = df
    ///     .par_apply()
    ///     .names(["word"])
    ///     .source_rows("line")
    ///     .emit_rows(|out: &mut Emit<&str>, line: &str| line.split_whitespace().for_each(|word| out.push(word)))?;
    /// assert_eq!(words.column("line")?.idx()?.to_vec(), [Some(0), Some(0), Some(2)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn source_rows(mut self, name: impl Into<PlSmallStr>) -> Self {
        self.options.call = self.options.call.source_rows(name);
        self
    }

    /// Sets what becomes of a row (column, part, group) that fails; by default its error ends the call.
    ///
    /// With this option the verb returns an [`Outcome`], which records and counts every failure.
    ///
    /// A panic is a failure, as an error is. When many panics occur in one call, the program's panic hook sees the first, and at most
    /// one for each worker. To do this, the crate wraps its own hook around the program's when it meets the first panic of the
    /// process. A hook that the program sets after that is called for every panic. A program that wants no hook except its own
    /// calls [`keep_panic_hook`](crate::keep_panic_hook).
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["text" => ["1", "two", "3"]]?;
    /// let outcome = df.par_apply().on_error(OnError::Null).rows(|text: &str| text.parse::<i32>())?;
    /// assert_eq!(outcome.output.i32()?.to_vec(), [Some(1), None, Some(3)]);
    /// assert_eq!(
    ///     outcome.failures.column("error")?.str()?.get(0),
    ///     Some("invalid digit found in string")
    /// );
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn on_error(mut self, on_error: OnError) -> Apply<'a, 'p, L, WithOutcome> {
        self.options.call = self.options.call.on_error(on_error);
        self.outcome()
    }

    /// Sets how many failures [`on_error`](Apply::on_error) lets pass; any number by default.
    ///
    /// When there is one more, the call stops early and returns an error of the kind
    /// [`TooManyFailures`](crate::ErrorKind::TooManyFailures). The error has the failures as a frame: the `n` lowest and the next
    /// one, always the same.
    ///
    /// The verb refuses this option together with [`OnError::Fail`], which lets no failure pass. A failure takes memory until the
    /// call ends, so set a limit where millions of rows may fail.
    pub fn max_failures(mut self, failures: usize) -> Self {
        self.options.call = self.options.call.max_failures(failures);
        self
    }

    /// Calls the closure again for a row (column, part, group) for which it returned an error.
    ///
    /// A panic is not tried again, nor is a value that cannot be read or written. If the last attempt fails too, the row fails with
    /// that error, and [`on_error`](Apply::on_error) says what becomes of it.
    ///
    /// A further attempt has the same values and the same random stream as the first. Another worker may make it, with that
    /// worker's state. A row that waits for its next attempt when the call is cancelled is not done, under every policy, since it
    /// might still have succeeded.
    ///
    /// No worker sleeps because of a row. The row waits in a queue, and the other rows go on. When its delay has passed, the first
    /// worker that has finished its rows takes it; a worker that had left because there were no rows is called back. When only
    /// waiting rows are left, the workers go back to their pool, and the calling thread waits.
    ///
    /// Where a call is made inside another call's closure, on a worker of a pool, that worker is the calling thread. While it
    /// waits, it does other work of its pool, except where the call is [sequential](Apply::sequential), has one worker, or is
    /// itself such work. It calls no other worker back before its own rows are done.
    ///
    /// Under [`OnError::Fail`], a row that has failed for good is reported only when all rows before it are done, some of which may
    /// wait for another attempt. So the lowest failing row is reported.
    ///
    /// ```
    /// # use std::sync::atomic::{AtomicU32, Ordering};
    /// # use std::time::{Duration, Instant};
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["x" => [1, 2, 3]]?;
    /// let calls = AtomicU32::new(0);
    /// let outcome = df
    ///     .par_apply()
    ///     .retry(Retry::attempts(3).min_delay(Duration::from_millis(1)))
    ///     .outcome()
    ///     .rows(|x: i32| {
    ///         let busy = x == 2 && calls.fetch_add(1, Ordering::Relaxed) == 0;
    ///         if busy { Err(std::io::Error::other("busy")) } else { Ok(x) }
    ///     })?;
    /// assert_eq!(outcome.output.i32()?.to_vec(), [Some(1), Some(2), Some(3)]);
    /// assert_eq!(outcome.stats.retries, 1);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    #[cfg(feature = "retry")]
    #[cfg_attr(docsrs, doc(cfg(feature = "retry")))]
    pub fn retry(mut self, retry: crate::Retry) -> Self {
        self.options.retry = Some(retry);
        self
    }

    /// Sets a token that cancels the call: each worker stops after the row (column, part, group) that it is in.
    ///
    /// Where rows take only nanoseconds, a worker looks at the token every 32 rows, so up to 31 more rows are run.
    ///
    /// The call then returns an error of the kind [`Cancelled`](crate::ErrorKind::Cancelled), which says how many rows were done,
    /// or what [`on_cancel`](Apply::on_cancel) asks for. A run that was done before it saw the token is not cancelled. Rows are
    /// [grouped](Apply::by) before the run, and the token does not stop the grouping.
    pub fn cancel_token(mut self, token: &CancelToken) -> Self {
        self.options.cancel = Some(token.clone());
        self
    }

    /// Cancels the call, as a [token](Apply::cancel_token) does, when this much time has passed.
    ///
    /// The time is counted from the moment when the call's checks are done. For [`spawn_rows`](Apply::spawn_rows) and the other
    /// `spawn_` verbs it is counted from the call of the verb, so it includes the time in the pool's queue.
    ///
    /// One thread waits for all deadlines, so no worker reads a clock for them. A row that is running is not stopped.
    ///
    /// ```
    /// # use std::time::{Duration, Instant};
    /// # use polars_par_apply::{ErrorKind, prelude::*};
    /// let df = df!["x" => [1, 2, 3]]?;
    /// let late = df.par_apply().deadline(Duration::ZERO).rows(|x: i32| x).unwrap_err();
    /// assert!(matches!(late.kind(), ErrorKind::Cancelled { done: 0, .. }));
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.options.call = self.options.call.deadline(deadline);
        self
    }

    /// Sets what a call gives that was cancelled or whose deadline has passed; an error by default.
    ///
    /// With this option the verb returns an [`Outcome`].
    ///
    /// A failure that ends the call also ends a call that is cancelled. If every row before the failing one was done, the call
    /// returns the failure's error. Otherwise it returns [`Cancelled`](crate::ErrorKind::Cancelled), since a row that was never
    /// reached might have failed too.
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["x" => [1, 2, 3, 4]]?;
    /// let token = CancelToken::new();
    /// let outcome = df
    ///     .par_apply()
    ///     .sequential()
    ///     .cancel_token(&token)
    ///     .on_cancel(OnCancel::Partial)
    ///     .rows(|x: i32| {
    ///         if x == 3 {
    ///             token.cancel();
    ///         }
    ///         x * 10
    ///     })?;
    /// assert!(outcome.stats.cancelled);
    /// assert_eq!(outcome.output.i32()?.to_vec(), [Some(10), Some(20), Some(30)]);
    /// assert_eq!(outcome.kept_rows().to_vec(), [Some(0), Some(1), Some(2)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn on_cancel(mut self, on_cancel: OnCancel) -> Apply<'a, 'p, L, WithOutcome> {
        self.options.call = self.options.call.on_cancel(on_cancel);
        self.outcome()
    }

    /// Sets what is called with the run's progress: a closure that takes a [`Tick`](crate::Tick), or any [`Progress`], such as the
    /// `ProgressBar` of the feature `progress`.
    ///
    /// The workers call it, each after 65,536 rows or ten milliseconds, and once at the end. For groups it counts the rows that are
    /// in them.
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["x" => [1, 2, 3]]?;
    /// df.par_apply()
    ///     .progress(|tick: Tick| eprintln!("{} of {}", tick.done, tick.total))
    ///     .rows(|x: i32| x)?;
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn progress<'q, P>(self, progress: P) -> Apply<'a, 'q, L, G>
    where
        'p: 'q,
        P: Progress + 'q,
    {
        let mut options: Options<'q> = self.options;
        options.progress = Some(Arc::new(progress));
        Apply {
            frame: self.frame,
            options,
            lead: self.lead,
            gives: PhantomData,
        }
    }

    /// Records the call for a [`Report`](crate::Report), a picture of what each worker did when.
    ///
    /// The report is complete when the call returns, whether it returns an output or an error. It costs a note of some 50 bytes for
    /// each run of rows, and nothing for each row.
    ///
    /// ```
    /// # use polars_par_apply::{Report, prelude::*};
    /// let df = df!["text" => ["1", "2", "three"]]?;
    /// let report = Report::new("parsing");
    /// df.par_apply()
    ///     .report(&report)
    ///     .on_error(OnError::Null)
    ///     .rows(|text: &str| text.parse::<i64>())?;
    /// assert!(report.to_svg()?.contains("invalid digit found in string"));
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    #[cfg(feature = "report")]
    pub fn report(mut self, report: &crate::Report) -> Self {
        self.options.report = Some(report.clone());
        self
    }

    /// Makes the verb return an [`Outcome`]: its output with a report of the run.
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["x" => [1, 2, 3]]?;
    /// let outcome = df.par_apply().outcome().rows(|x: i32| x + 1)?;
    /// assert_eq!(outcome.output.i32()?.to_vec(), [Some(2), Some(3), Some(4)]);
    /// assert_eq!(outcome.stats.rows, 3);
    /// assert!(outcome.is_complete());
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn outcome(mut self) -> Apply<'a, 'p, L, WithOutcome> {
        self.options.told = true;
        Apply {
            frame: self.frame,
            options: self.options,
            lead: self.lead,
            gives: PhantomData,
        }
    }
}

impl<'a, 'p, State, Seed, G> Apply<'a, 'p, Leading<State, Seed>, G> {
    /// Gives each worker its own state, which the closure takes as its first argument, `&mut S`.
    ///
    /// `init` returns the state, or a `Result` of it; an error ends the call with the kind [`State`](crate::ErrorKind::State). It
    /// is called when a worker reaches its first row: at most once for each worker, and never for a worker that is not needed. So
    /// its error may come late. Something that may fail later, such as a connection, is better opened by the closure when it finds
    /// its state empty. If `init` has several steps, declare its type: `|| -> anyhow::Result<S> { … }`. The state must be `Send`;
    /// it need not be `Sync` or `Clone`.
    ///
    /// A state is never shared: no other call of the closure uses it, even while the closure calls this crate. After an error or a
    /// panic of the closure, the state stays in use as the closure left it. All states are dropped before the call returns.
    ///
    /// Which worker takes which rows differs from run to run. So do not let a row's result depend on the rows that the state has
    /// seen before. For random numbers, use `seed`.
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["x" => [1, 2, 3]]?;
    /// let text = df
    ///     .par_apply()
    ///     .state(|| String::with_capacity(64))
    ///     .rows(|buffer: &mut String, x: i32| {
    ///         use std::fmt::Write;
    ///         buffer.clear();
    ///         write!(buffer, "{x:>3}").map(|()| buffer.len() as u32)
    ///     })?;
    /// assert_eq!(text.u32()?.to_vec(), [Some(3), Some(3), Some(3)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn state<I, O>(
        self,
        init: I,
    ) -> Apply<'a, 'p, Leading<context::State<I, NoFinish>, Seed>, G>
    where
        I: Fn() -> O + Sync,
    {
        Apply {
            frame: self.frame,
            options: self.options,
            lead: Leading {
                state: context::State {
                    init,
                    finish: NoFinish,
                },
                seed: self.lead.seed,
            },
            gives: PhantomData,
        }
    }

    /// Gives each row its own random stream, which the closure takes as `&mut RowRng` before the row's values.
    ///
    /// Where there is a state too, the state comes first.
    ///
    /// The stream depends only on the seed and the row's number; see [`RowRng`](crate::RowRng). So one worker, many workers and any
    /// cut give the same column. Rows are numbered within the call's own frame. Where that frame is a part of another, set the
    /// number of its first row with [`first_row`](Apply::first_row), or each number with [`row_numbers`](Apply::row_numbers).
    ///
    /// For `columns`, the number is the column's position among those used. For `chunks`, and for `transform` without keys, it is
    /// the part's first row. Another cut gives other numbers, so the cut must be set by [`partitions`](Apply::partitions) or
    /// [`chunk_rows`](Apply::chunk_rows). For `groups`, and for `transform` with keys, it is the group's first row.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    /// use polars_par_apply::rand::RngExt;
    ///
    /// let df = df!["x" => [1.0, 2.0, 3.0]]?;
    /// let noisy = || df.par_apply().seed(7).rows(|rng: &mut RowRng, x: f64| x + rng.random_range(-0.1..0.1));
    /// assert_eq!(noisy()?, noisy()?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    #[cfg(feature = "rand")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rand")))]
    pub fn seed(self, seed: u64) -> Apply<'a, 'p, Leading<State, context::Seed>, G> {
        Apply {
            frame: self.frame,
            options: self.options,
            lead: Leading {
                state: self.lead.state,
                seed: context::Seed { seed },
            },
            gives: PhantomData,
        }
    }
}

impl<'a, 'p, I, Seed, G> Apply<'a, 'p, Leading<context::State<I, NoFinish>, Seed>, G> {
    /// Sets a hook that is called with every [`state`](Apply::state) when the rows are done, to add up counters or flush buffers.
    ///
    /// The hook takes the state by value. It is called on the calling thread, once for each state that was made. It is called after
    /// a failure, a cancellation or a panic too, and then sees what was done until then. It may return a `Result`. When all states
    /// are finished, the first error of a hook becomes the call's error, of the kind [`Finish`](crate::ErrorKind::Finish), unless
    /// the rows themselves ended with an error. The output is then lost; to keep it, return nothing and store the error elsewhere.
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["x" => [1, 2, 3, 4]]?;
    /// let mut even = 0;
    /// df.par_apply()
    ///     .state(|| 0)
    ///     .finish(|count: i32| even += count)
    ///     .rows(|count: &mut i32, x: i32| *count += i32::from(x % 2 == 0))?;
    /// assert_eq!(even, 2);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn finish<H>(self, hook: H) -> Apply<'a, 'p, Leading<context::State<I, Hook<H>>, Seed>, G> {
        Apply {
            frame: self.frame,
            options: self.options,
            lead: Leading {
                state: context::State {
                    init: self.lead.state.init,
                    finish: Hook(hook),
                },
                seed: self.lead.seed,
            },
            gives: PhantomData,
        }
    }
}

impl<L, G: Gives> Apply<'_, '_, L, G> {
    /// Calls the closure for each row; see [`ParApply::par_apply_rows`](crate::ParApply::par_apply_rows).
    ///
    /// # Errors
    /// Those listed there, and an option that cannot be followed.
    pub fn rows<M, C, F>(self, f: F) -> Result<G::Of<<F::Out as IntoRow>::Output>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: RowFn<M, C>,
        F::Out: IntoRow,
    {
        verbs::rows(Given::of(self.frame.get()?), &self.options, self.lead, &f).map(G::give)
    }

    /// Keeps the rows for which the closure returns true.
    ///
    /// The closure returns `bool`, `Option<bool>`, or a `Result` of one of these. Its arguments are those of [`rows`](Apply::rows).
    ///
    /// The output is a `DataFrame` of the kept rows in their order. It has all columns of the frame with their dtypes, whatever
    /// [`select`](Apply::select) gives to the closure. `None` counts as false. A row in which a plain argument is null is not kept
    /// either, and the closure is not called for it.
    ///
    /// A row that fails is not kept: [`OnError::Null`], `Skip` and `Collect` all drop it, and report it in
    /// [`failures`](Outcome::failures). With [`OnCancel::Partial`], a cancelled run gives the kept rows among those that were done.
    /// [`kept_rows`](Outcome::kept_rows) has the numbers of the output's rows. There are no columns of results, so
    /// [`names`](Apply::names) and [`returns`](Apply::returns) are refused.
    ///
    /// # Errors
    /// Those of [`rows`](Apply::rows).
    ///
    /// # Examples
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["id" => [1, 2, 3, 4], "x" => [Some(3.0), None, Some(5.0), Some(6.0)], "y" => [4.0, 1.0, 6.0, 8.0]]?;
    /// let whole = df.par_apply().select(["x", "y"]).filter_rows(|x: f64, y: f64| x.hypot(y).fract() == 0.0)?;
    /// assert_eq!(whole, df!["id" => [1, 4], "x" => [3.0, 6.0], "y" => [4.0, 8.0]]?);
    ///
    /// let df = df!["text" => ["1", "two", "-3", "4"]]?;
    /// let positive = df
    ///     .par_apply()
    ///     .on_error(OnError::Skip)
    ///     .filter_rows(|text: &str| text.parse::<i32>().map(|number| number > 0))?;
    /// assert_eq!(positive.output, df!["text" => ["1", "4"]]?);
    /// assert_eq!(positive.kept_rows().to_vec(), [Some(0), Some(3)]);
    /// assert_eq!(positive.failures.column("text")?.str()?.get(0), Some("two"));
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// A closure with another return type does not compile:
    /// ```compile_fail,E0277
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["x" => [1]].unwrap();
    /// let _ = df.par_apply().filter_rows(|x: i32| x);
    /// ```
    pub fn filter_rows<M, C, F>(self, f: F) -> Result<G::Of<DataFrame>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: RowFn<M, C>,
        F::Out: IntoMask,
    {
        verbs::filter_rows(self.frame.get()?, &self.options, self.lead, &f).map(G::give)
    }

    /// Adds the closure's results to the frame as columns, or replaces the columns of the same names.
    ///
    /// The results are those of [`rows`](Apply::rows), beside the columns of the frame, as Polars' own `with_columns` puts them.
    ///
    /// The closure takes and returns the same as that of [`rows`](Apply::rows), and the result columns have the same names and
    /// dtypes: `par_apply` for one cell, `column_0`, `column_1`, … for a tuple or an array, the fields' names for a derived struct,
    /// or what [`names`](Apply::names) sets. The output is a `DataFrame` with all columns of the frame, whatever
    /// [`select`](Apply::select) gives to the closure. A column that is replaced keeps its position; new columns come last, in
    /// their order. A row in which a plain argument is null has null results.
    ///
    /// With [`OnError::Null`] and `Collect`, a row that fails has null results. With `Skip`, the whole row is dropped from the
    /// output. With [`OnCancel::Partial`], a cancelled run drops the rows that were never reached.
    /// [`kept_rows`](Outcome::kept_rows) says which rows are left. On a `LazyFrame`, `rows` does the same.
    ///
    /// # Errors
    /// Those of [`rows`](Apply::rows).
    ///
    /// # Examples
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["id" => [1, 2], "x" => [3.0, 6.0], "y" => [4.0, 8.0]]?;
    /// let longer = df.par_apply().select(["x", "y"]).names(["length"]).with_columns(f64::hypot)?;
    /// assert_eq!(longer, df!["id" => [1, 2], "x" => [3.0, 6.0], "y" => [4.0, 8.0], "length" => [5.0, 10.0]]?);
    ///
    /// #[derive(IntoRow)]
    /// struct Polar {
    ///     x: f64,
    ///     angle: f64,
    /// }
    ///
    /// let polar = |x: f64, y: f64| Polar { x: x.hypot(y), angle: y.atan2(x) };
    /// let polar = df.par_apply().select(["x", "y"]).with_columns(polar)?;
    /// assert_eq!(polar.get_column_names(), ["id", "x", "y", "angle"]);
    /// assert_eq!(polar.column("x")?.f64()?.to_vec(), [Some(5.0), Some(10.0)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn with_columns<M, C, F>(self, f: F) -> Result<G::Of<DataFrame>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: RowFn<M, C>,
        F::Out: IntoRow,
    {
        verbs::with_columns(self.frame.get()?, &self.options, self.lead, &f).map(G::give)
    }

    /// Calls the closure for each row, which returns any number of rows, and gives all of them as a `DataFrame`, in the order of
    /// the input's rows.
    ///
    /// The output is a `DataFrame` even where it has one column.
    ///
    /// The closure takes the same arguments as that of [`rows`](Apply::rows). It returns a `Vec`, an array, an `Option` or
    /// [`Many(iterator)`](crate::Many) of [rows](IntoRow), or a `Result` of one: see [`IntoRows`]. A row in which an argument of a
    /// plain type is null gives no rows. The names are those of `rows`. The dtypes are known from the closure's type, so an output
    /// of no rows has the same columns.
    ///
    /// [`keep`](Apply::keep) and [`source_rows`](Apply::source_rows) show which input row each output row comes from. A row that
    /// fails gives no rows: [`OnError::Skip`] and [`OnError::Collect`] report it, and [`OnError::Null`] is refused.
    /// [`kept_rows`](Outcome::kept_rows) has the input rows that were done and did not fail, including those that gave no rows.
    ///
    /// Each worker gathers what its rows give, and at the end the parts are put one after the other. Large parts become chunks of
    /// the output, which [`rechunk`](DataFrame::rechunk_mut) joins into one. The closure's results are owned. Where the output is
    /// text that is a piece of an argument, [`emit_rows`](Apply::emit_rows) pushes it with less work.
    ///
    /// # Errors
    /// Those of [`rows`](Apply::rows); a column of [`keep`](Apply::keep) that is missing; two output columns of one name; more rows
    /// than a Polars frame can have.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["text" => [Some("1 2"), None, Some(""), Some("3")]]?;
    /// let numbers = |text: &str| text.split_whitespace().map(str::parse::<i64>).collect::<Vec<_>>();
    /// let flat = df.par_apply().names(["n"]).source_rows("row").flat_map_rows(numbers)?;
    /// assert_eq!(flat.column("n")?.i64()?.to_vec(), [Some(1), Some(2), Some(3)]);
    /// assert_eq!(flat.column("row")?.idx()?.to_vec(), [Some(0), Some(0), Some(3)]);
    ///
    /// // If one item fails, its row fails and gives nothing.
    /// let df = df!["text" => ["1 2", "3 x", "4"]]?;
    /// assert_eq!(df.par_apply().flat_map_rows(numbers).unwrap_err().row(), Some(1));
    /// let some = df.par_apply().names(["n"]).on_error(OnError::Skip).flat_map_rows(numbers)?;
    /// assert_eq!(some.output, df!["n" => [1i64, 2, 4]]?);
    /// assert_eq!(some.failures.height(), 1);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn flat_map_rows<M, C, F>(self, f: F) -> Result<G::Of<DataFrame>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: RowFn<M, C>,
        F::Out: IntoRows,
    {
        verbs::flat_map_rows(Given::of(self.frame.get()?), &self.options, self.lead, &f)
            .map(G::give)
    }

    /// Calls the closure for each row, which pushes any number of rows, and gives all of them as a `DataFrame`, in the order of the
    /// input's rows and of the pushes.
    ///
    /// It does what [`flat_map_rows`](Apply::flat_map_rows) does, without a `Vec` for each row.
    ///
    /// The closure takes `out: &mut Emit<T>` after the [state](Apply::state) and the random stream, and then the arguments of a
    /// closure of [`rows`](Apply::rows). It returns `()` or a `Result`. `T` is the type of an output row: see
    /// [`Emit`](crate::Emit). Where `T` is a type such as `&str` or `(&str, i64)`, the text that is pushed may borrow from the
    /// row's cells. It is copied once, to its final place in the output.
    ///
    /// If a row fails, panics or is cancelled, what it has pushed is removed. A row that is tried again begins with nothing pushed.
    ///
    /// # Errors
    /// Those of [`flat_map_rows`](Apply::flat_map_rows).
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["title" => ["the old man", "the sea"]]?;
    /// let words = df.par_apply().names(["word", "place"]).emit_rows(|out: &mut Emit<(&str, u32)>, title: &str| {
    ///     for (place, word) in title.split(' ').enumerate() {
    ///         if word != "the" {
    ///             out.push((word, place as u32));
    ///         }
    ///     }
    /// })?;
    /// assert_eq!(words, df!["word" => ["old", "man", "sea"], "place" => [1u32, 2, 1]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn emit_rows<M, C, F>(self, f: F) -> Result<G::Of<DataFrame>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: EmitFn<M, C>,
    {
        verbs::emit_rows(Given::of(self.frame.get()?), &self.options, self.lead, &f).map(G::give)
    }

    /// Calls the closure for each column; see [`ParApply::par_apply_columns`](crate::ParApply::par_apply_columns).
    ///
    /// # Errors
    /// Those listed there, and an option that cannot be followed.
    pub fn columns<M, C, F>(self, f: F) -> Result<G::Of<DataFrame>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: ColumnFn<M, C>,
        F::Out: IntoColumns,
    {
        verbs::columns(self.frame.get()?, &self.options, self.lead, &f).map(G::give)
    }

    /// Calls the closure for each part of the rows; see
    /// [`ParApply::par_apply_chunks`](crate::ParApply::par_apply_chunks).
    ///
    /// # Errors
    /// Those listed there, and an option that cannot be followed.
    pub fn chunks<M, C, F>(self, f: F) -> Result<G::Of<<F::Out as IntoStack>::Output>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: ChunkFn<M, C>,
        F::Out: IntoStack,
    {
        verbs::chunks(self.frame.get()?, &self.options, self.lead, &f).map(G::give)
    }
}

impl<L, G: Gives> Apply<'_, '_, L, G> {
    /// Calls the closure for each value of each column, and gives the results as a `DataFrame` of the same names and height.
    ///
    /// `f` takes one [cell](crate::Cell) and returns one, or a `Result` of one. Every column that is used is mapped: all of them,
    /// or those of [`select`](Apply::select) or [`select_where`](Apply::select_where). The output has no other columns. The workers
    /// share the values of all columns, so one long column keeps all workers busy, and so do many short ones.
    ///
    /// A null is not given to a closure of a plain `T`, and stays null; `Option<T>` sees it as `None`. With `seed`, each value has
    /// its own random stream: the value in row number `r`, and in the column at position `c` of `w` columns, has the stream of
    /// number `r · w + c`.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["low" => [Some(32.0), None], "high" => [Some(50.0), Some(212.0)]]?;
    /// let celsius = df.par_apply().elements(|f: f64| (f - 32.0) / 1.8)?;
    /// assert_eq!(celsius, df!["low" => [Some(0.0), None], "high" => [Some(10.0), Some(100.0)]]?);
    ///
    /// let df = df!["a" => ["1", "2"], "b" => ["3", "x"]]?;
    /// let error = df.par_apply().elements(|text: &str| text.parse::<i64>()).unwrap_err();
    /// assert_eq!((error.row(), error.column()), (Some(1), Some("b")));
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// Before `f` is called: every column of a dtype that `f` does not take without loss, all reported together. From the run: the
    /// error or panic of `f` in the first failing column, and there in its lowest failing row, with the column and the row.
    ///
    /// With [`OnError::Null`] and [`OnError::Collect`], a value for which `f` fails is null, and the
    /// [`failures`](Outcome::failures) have the columns `row` and `column`. [`OnError::Skip`] is refused, since the columns would
    /// differ in height. [`OnCancel::Partial`] is refused, since the columns may have been stopped at different rows.
    /// [`returns`](Apply::returns) takes one dtype for each column.
    pub fn elements<M, C, F>(self, f: F) -> Result<G::Of<DataFrame>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: RowFn<M, C, Cells: OneCell>,
        F::Out: IntoRow<Output = Column>,
    {
        verbs::elements(self.frame.get()?, &self.options, self.lead, &f).map(G::give)
    }

    /// Folds every row into an accumulator of type `A`, such as a sum, a map or a histogram, and returns the accumulator.
    ///
    /// `f` takes the accumulator, `&mut A`, and then the row's values, as the closure of [`rows`](Apply::rows) does. It returns
    /// `()`, or a `Result` of it. Rows are folded in blocks, several at the same time. Each block begins with what `init` returns.
    /// `merge` makes one accumulator of two, where the second comes from the rows right after those of the first. So `init` must
    /// return a value that changes nothing when it is merged (0 for a sum, an empty map), and `merge` must give the same result in
    /// any grouping.
    ///
    /// The result has **the same bits** on any number of workers and for any chunks of the frame, even where another order of
    /// additions would round otherwise. The blocks, and which of them are merged with which, depend on the number of rows alone; no
    /// [cut](Apply::chunk_rows) changes them. There are up to 32 blocks of up to 524,288 rows each; a larger frame has more blocks.
    /// Only a few accumulators exist at a time: one for each worker, and those that wait for their neighbour, a few for each
    /// worker.
    ///
    /// A row in which an argument of a plain type is null is not given to `f`. A frame without rows gives `init()`. With
    /// `seed`, the row's random stream comes after the accumulator.
    ///
    /// ```
    /// use std::collections::HashMap;
    ///
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [Some(1.0), Some(2.0), None], "y" => [4.0, 0.5, 9.0]]?;
    /// let dot = df.par_apply().fold_rows(|| 0.0, |sum: &mut f64, x: f64, y: f64| *sum += x * y, |a, b| a + b)?;
    /// assert_eq!(dot, 5.0);
    ///
    /// let df = df!["word" => ["kelp", "dune", "kelp"]]?;
    /// let counts = df.par_apply().fold_rows(
    ///     HashMap::new,
    ///     |counts: &mut HashMap<String, u32>, word: &str| *counts.entry(word.to_owned()).or_default() += 1,
    ///     |mut counts, others| {
    ///         others.into_iter().for_each(|(word, count)| *counts.entry(word).or_default() += count);
    ///         counts
    ///     },
    /// )?;
    /// assert_eq!(counts["kelp"], 2);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`rows`](Apply::rows): the error or panic of `f` in the lowest failing row ends the call. A panic of `init` names
    /// the block's first row, and a panic of `merge` names the row at which the two blocks meet; their messages say `within init`
    /// and `within merge`.
    ///
    /// Some options are refused. [`state`](Apply::state) is, because the accumulator takes its place. So are `retry`, any
    /// [`on_error`](Apply::on_error) but [`OnError::Fail`], and [`OnCancel::Partial`], since a row that fails may have been folded
    /// in half. [`names`](Apply::names) and [`returns`](Apply::returns) are, since the output has no columns.
    pub fn fold_rows<A, M, I, F, R>(self, init: I, f: F, merge: R) -> Result<G::Of<A>>
    where
        L: FoldLead<A>,
        A: Send,
        I: Fn() -> A + Sync,
        F: RowFn<M, L::Context>,
        F::Out: IntoUnit,
        R: Fn(A, A) -> A + Sync,
    {
        let fold = Fold { init, f, merge };
        verbs::fold_rows(self.frame.get()?, &self.options, self.lead, &fold).map(G::give)
    }
}

/// Verbs that run in the background and return a [`Job`] at once.
///
/// The frame is shared, not copied, so dropping or changing it afterwards does not affect the job. The closure must be `'static`:
/// it owns what it needs, by `move`. What [`progress`](Apply::progress) was given must not borrow either.
impl<L, G: Gives> Apply<'_, 'static, L, G>
where
    L: Send + 'static,
{
    /// Calls the closure for each row, in the background: [`rows`](Apply::rows) as a [`Job`].
    ///
    /// The [pool](Apply::pool) begins the job, and ends it when the pool is terminated. [`Job::progress`] reports how far it is.
    /// [`Job::cancel`] cancels it as a [`cancel_token`](Apply::cancel_token) does, and so does dropping the job. The checks are
    /// made when the job begins; a fault that they find is the job's error. A [`deadline`](Apply::deadline) is counted from this
    /// call, and a job that has not begun by then never begins. A job that is cancelled or late before it has begun gives an error
    /// even with [`OnCancel::Partial`], since nothing of it was done.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [3.0, 6.0], "y" => [4.0, 8.0]]?;
    /// let job = df.par_apply().names(["length"]).spawn_rows(f64::hypot);
    /// drop(df);
    /// assert_eq!(job.get()?, Column::new("length".into(), [5.0, 10.0]));
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn spawn_rows<M, C, F>(self, f: F) -> Job<G::Of<<F::Out as IntoRow>::Output>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: RowFn<M, C> + Send + 'static,
        F::Out: IntoRow,
        G::Of<<F::Out as IntoRow>::Output>: Send + 'static,
    {
        let rows = self.frame.height();
        self.spawn(rows, move |frame, options, lead| {
            verbs::rows(Given::of(frame), options, lead, &f).map(G::give)
        })
    }

    /// Keeps the rows for which the closure returns true, in the background: [`filter_rows`](Apply::filter_rows) as a [`Job`].
    ///
    /// See [`spawn_rows`](Apply::spawn_rows).
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["id" => ["a", "b"], "x" => [3, 6]]?;
    /// let job = df.par_apply().select(["x"]).spawn_filter_rows(|x: i32| x > 4);
    /// assert_eq!(job.get()?, df!["id" => ["b"], "x" => [6]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn spawn_filter_rows<M, C, F>(self, f: F) -> Job<G::Of<DataFrame>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: RowFn<M, C> + Send + 'static,
        F::Out: IntoMask,
        G::Of<DataFrame>: Send + 'static,
    {
        let rows = self.frame.height();
        self.spawn(rows, move |frame, options, lead| {
            verbs::filter_rows(frame, options, lead, &f).map(G::give)
        })
    }

    /// Adds the closure's results to the frame's columns, in the background: [`with_columns`](Apply::with_columns) as a [`Job`].
    ///
    /// See [`spawn_rows`](Apply::spawn_rows).
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [3, 6]]?;
    /// let job = df.par_apply().names(["twice"]).spawn_with_columns(|x: i32| 2 * x);
    /// assert_eq!(job.get()?, df!["x" => [3, 6], "twice" => [6, 12]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn spawn_with_columns<M, C, F>(self, f: F) -> Job<G::Of<DataFrame>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: RowFn<M, C> + Send + 'static,
        F::Out: IntoRow,
        G::Of<DataFrame>: Send + 'static,
    {
        let rows = self.frame.height();
        self.spawn(rows, move |frame, options, lead| {
            verbs::with_columns(frame, options, lead, &f).map(G::give)
        })
    }

    /// Calls the closure for each row, which returns any number of rows, in the background: [`flat_map_rows`](Apply::flat_map_rows)
    /// as a [`Job`].
    ///
    /// See [`spawn_rows`](Apply::spawn_rows).
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["n" => [2i64, 0, 1]]?;
    /// let job = df.par_apply().names(["i"]).spawn_flat_map_rows(|n: i64| Many(0..n));
    /// assert_eq!(job.get()?, df!["i" => [0i64, 1, 0]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn spawn_flat_map_rows<M, C, F>(self, f: F) -> Job<G::Of<DataFrame>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: RowFn<M, C> + Send + 'static,
        F::Out: IntoRows,
        G::Of<DataFrame>: Send + 'static,
    {
        let rows = self.frame.height();
        self.spawn(rows, move |frame, options, lead| {
            verbs::flat_map_rows(Given::of(frame), options, lead, &f).map(G::give)
        })
    }

    /// Calls the closure for each row, which pushes any number of rows, in the background: [`emit_rows`](Apply::emit_rows) as a
    /// [`Job`].
    ///
    /// See [`spawn_rows`](Apply::spawn_rows).
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["line" => ["to be", "or"]]?;
    /// let words = |out: &mut Emit<&str>, line: &str| line.split(' ').for_each(|word| out.push(word));
    /// let job = df.par_apply().names(["word"]).spawn_emit_rows(words);
    /// assert_eq!(job.get()?, df!["word" => ["to", "be", "or"]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn spawn_emit_rows<M, C, F>(self, f: F) -> Job<G::Of<DataFrame>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: EmitFn<M, C> + Send + 'static,
        G::Of<DataFrame>: Send + 'static,
    {
        let rows = self.frame.height();
        self.spawn(rows, move |frame, options, lead| {
            verbs::emit_rows(Given::of(frame), options, lead, &f).map(G::give)
        })
    }

    /// Calls the closure for each column, in the background: [`columns`](Apply::columns) as a [`Job`].
    ///
    /// See [`spawn_rows`](Apply::spawn_rows).
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["a" => [8, 5, 3], "b" => [5, 3, 4]]?;
    /// let job = df.par_apply().spawn_columns(|v: Values<'_, i64>| v.iter().sum::<i64>());
    /// assert_eq!(job.get()?, df!["a" => [16i64], "b" => [12i64]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn spawn_columns<M, C, F>(self, f: F) -> Job<G::Of<DataFrame>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: ColumnFn<M, C> + Send + 'static,
        F::Out: IntoColumns,
        G::Of<DataFrame>: Send + 'static,
    {
        let columns = self.used_columns();
        self.spawn(columns, move |frame, options, lead| {
            verbs::columns(frame, options, lead, &f).map(G::give)
        })
    }

    /// Calls the closure for each part of the rows, in the background: [`chunks`](Apply::chunks) as a [`Job`].
    ///
    /// See [`spawn_rows`](Apply::spawn_rows).
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [1, 2, 3]]?;
    /// let job = df.par_apply().partitions(2).spawn_chunks(|part: DataFrame| part.height() as u64);
    /// assert_eq!(job.get()?.u64()?.to_vec(), [Some(2), Some(1)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn spawn_chunks<M, C, F>(self, f: F) -> Job<G::Of<<F::Out as IntoStack>::Output>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: ChunkFn<M, C> + Send + 'static,
        F::Out: IntoStack,
        G::Of<<F::Out as IntoStack>::Output>: Send + 'static,
    {
        let rows = self.frame.height();
        self.spawn(rows, move |frame, options, lead| {
            verbs::chunks(frame, options, lead, &f).map(G::give)
        })
    }

    /// Calls the closure for each value of each column, in the background: [`elements`](Apply::elements) as a [`Job`].
    ///
    /// See [`spawn_rows`](Apply::spawn_rows).
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["a" => [1, 2], "b" => [3, 4]]?;
    /// let job = df.par_apply().spawn_elements(|x: i32| x * x);
    /// assert_eq!(job.get()?, df!["a" => [1, 4], "b" => [9, 16]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn spawn_elements<M, C, F>(self, f: F) -> Job<G::Of<DataFrame>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: RowFn<M, C, Cells: OneCell> + Send + 'static,
        F::Out: IntoRow<Output = Column>,
        G::Of<DataFrame>: Send + 'static,
    {
        let values = self.used_columns().saturating_mul(self.frame.height());
        self.spawn(values, move |frame, options, lead| {
            verbs::elements(frame, options, lead, &f).map(G::give)
        })
    }

    /// Folds every row into an accumulator, in the background: [`fold_rows`](Apply::fold_rows) as a [`Job`].
    ///
    /// See [`spawn_rows`](Apply::spawn_rows).
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [3, 1, 2]]?;
    /// let job = df.par_apply().spawn_fold_rows(|| 0, |max: &mut i32, x: i32| *max = x.max(*max), i32::max);
    /// assert_eq!(job.get()?, 3);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn spawn_fold_rows<A, M, I, F, R>(self, init: I, f: F, merge: R) -> Job<G::Of<A>>
    where
        L: FoldLead<A>,
        A: Send + 'static,
        I: Fn() -> A + Sync + Send + 'static,
        F: RowFn<M, L::Context> + Send + 'static,
        F::Out: IntoUnit,
        R: Fn(A, A) -> A + Sync + Send + 'static,
        G::Of<A>: Send + 'static,
    {
        let (rows, fold) = (self.frame.height(), Fold { init, f, merge });
        self.spawn(rows, move |frame, options, lead| {
            verbs::fold_rows(frame, options, lead, &fold).map(G::give)
        })
    }

    /// Starts a job whose progress counts the frame's rows.
    pub(crate) fn spawn_over_rows<T, V>(self, verb: V) -> Job<T>
    where
        T: Send + 'static,
        V: FnOnce(&DataFrame, &Options<'_>, L) -> Result<T> + Send + 'static,
    {
        let rows = self.frame.height();
        self.spawn(rows, verb)
    }

    /// Returns how many columns the call is over.
    fn used_columns(&self) -> usize {
        let numbers = self.options.numbers_column();
        let by_default = || {
            let columns = self.frame.columns().iter();
            columns
                .filter(|column| Some(column.name()) != numbers)
                .count()
        };
        let select = self.options.call.select.as_ref();
        select.map_or_else(by_default, Vec::len)
    }

    fn spawn<T, V>(self, total: usize, verb: V) -> Job<T>
    where
        T: Send + 'static,
        V: FnOnce(&DataFrame, &Options<'_>, L) -> Result<T> + Send + 'static,
    {
        let Apply {
            frame,
            mut options,
            lead,
            ..
        } = self;
        let frame = frame.owned();
        let given = options.pool.take();
        options.pool = given.as_ref().map(Pool::within);
        let pool = given.unwrap_or_default();
        options.deadline_from = options.call.deadline.map(|_| Instant::now());
        let terms = Terms {
            total,
            gives_way: true,
            deadline: options.call.deadline,
        };
        job::spawn(&pool, terms, move |control| {
            options.job = Some(control.token.clone());
            options.progress = Some(Arc::new(control.meter.and(options.progress.take())));
            verb(frame.get()?, &options, lead)
        })
    }
}

impl<L, G> fmt::Debug for Apply<'_, '_, L, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apply")
            .field("frame", &self.frame)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
