//! The builder: options, then one verb.

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

/// A call in the making: options, then one verb: [`rows`](Apply::rows), [`filter_rows`](Apply::filter_rows),
/// [`with_columns`](Apply::with_columns), [`flat_map_rows`](Apply::flat_map_rows), [`emit_rows`](Apply::emit_rows),
/// [`columns`](Apply::columns), [`chunks`](Apply::chunks), [`elements`](Apply::elements), [`fold_rows`](Apply::fold_rows),
/// [`groups`](Apply::groups), [`transform`](Apply::transform) or [`windows`](Apply::windows); or [`call`](Apply::call), the verb of a
/// function that has a name. Made by [`ParApply::par_apply`](crate::ParApply::par_apply).
///
/// An option given twice holds as given last. Nothing is checked before the verb, which then reports every fault of
/// the call at once, before it calls the closure.
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
/// These options control it; the page [when something goes wrong](crate::guide::when_something_goes_wrong) shows them
/// at work. One that is not given costs nothing per row.
///
/// | option | what |
/// |---|---|
/// | [`on_error`](Apply::on_error), [`max_failures`](Apply::max_failures) | what becomes of rows that fail, and how many may |
/// | `retry` (feature `retry`) | a row that returned an error is called again, later |
/// | [`cancel_token`](Apply::cancel_token), [`deadline`](Apply::deadline), [`on_cancel`](Apply::on_cancel) | the run is stopped from outside, and what it then gives |
/// | [`progress`](Apply::progress) | who is told how far it is |
/// | [`state`](Apply::state), [`finish`](Apply::finish) | each worker has a state of its own: a compiled regex, a connection, a counter |
/// | `seed` (feature `rand`) | each row has a random stream of its own |
/// | [`outcome`](Apply::outcome) | what happened is returned with the output |
///
/// [`returns`](Apply::returns) gives the output's columns dtypes of their own: a time unit and zone, an Enum, an Array.
/// [`keep`](Apply::keep) and [`source_rows`](Apply::source_rows) say which input row each output row comes from, where there are
/// any number of them. [`by`](Apply::by), [`without_keys`](Apply::without_keys) and [`null_keys`](Apply::null_keys) say which rows
/// belong together, and what becomes of their keys.
///
/// They hold for every verb. What is said of rows holds of the columns of [`columns`](Apply::columns), of the parts of
/// [`chunks`](Apply::chunks), and of the groups of [`groups`](Apply::groups) and [`transform`](Apply::transform), whose unit they are: one
/// bad row in a part or a group fails all of it, and what has begun is finished before cancellation takes effect.
///
/// [The guide's table](crate::guide::options) shows which verb follows which option; what a verb cannot follow, it refuses
/// before it calls the closure. Options that are plain data can also be kept as a value: [`CallOptions`].
///
/// # Its type
///
/// A function may return a call that is configured:
///
/// ```
/// use polars_par_apply::{Apply, Leading, NoSeed, NoState, WithOutcome, prelude::*};
///
/// /// What the rows of a log are parsed with.
/// fn careful(df: &DataFrame) -> Apply<'_, 'static> {
///     df.par_apply().select(["text"]).workers(2)
/// }
///
/// /// The same, where a row that cannot be parsed is null.
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
/// | `'a` | what the frame is borrowed for | |
/// | `'p` | what [`progress`](Apply::progress) borrows; `'static` without it, which [`spawn_rows`](Apply::spawn_rows) and its like need | [`progress`](Apply::progress) |
/// | `L` | which leading arguments the closure has: [`Leading`] | [`state`](Apply::state), [`finish`](Apply::finish), `seed` |
/// | `G` | what the verb gives: [`OutputOnly`], or, [`WithOutcome`], an [`Outcome`] | [`on_error`](Apply::on_error), [`on_cancel`](Apply::on_cancel), [`outcome`](Apply::outcome) |
///
/// The other options keep the type, so that one may be given within an `if`. Where a policy is chosen at run time, give it
/// as a value: `.on_error(if lenient { OnError::Null } else { OnError::Fail })`.
#[must_use = "a builder does nothing until a verb is called: `.rows(f)`, `.columns(f)` or `.chunks(f)`"]
#[derive(Clone)]
pub struct Apply<'a, 'p, L = Leading<NoState, NoSeed>, G = OutputOnly> {
    frame: Input<'a>,
    options: Options<'p>,
    lead: L,
    gives: PhantomData<fn() -> G>,
}

/// Of an [`Apply`]: the verb gives its output, a `Column` or a `DataFrame`.
#[derive(Clone, Copy, Debug)]
pub struct OutputOnly;

/// Of an [`Apply`]: the verb gives its output in an [`Outcome`].
#[derive(Clone, Copy, Debug)]
pub struct WithOutcome;

/// What a verb gives: [`OutputOnly`] or [`WithOutcome`].
pub trait Gives: Sealed {
    /// `T`, or an [`Outcome`] of it.
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

    /// Of a frame that is made for the call; the verb gives the error, where it could not be made.
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
    /// The frame, the options and the leading arguments, as given.
    pub(crate) fn parts(&self) -> Result<(&DataFrame, &Options<'p>, &L)> {
        Ok((self.frame.get()?, &self.options, &self.lead))
    }

    /// Gives the call options that are kept as a value. Those that were given before hold where `options` has none, and
    /// those that are given after it replace it.
    ///
    /// The type stays as it is. So where the options let failures pass ([`on_error`](CallOptions::on_error)) or want the
    /// finished part ([`on_cancel`](CallOptions::on_cancel)), add [`outcome`](Apply::outcome), which reports what has no
    /// result; without it the verb refuses them.
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

    /// The columns used, in the order of the closure's arguments; all of them by default.
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

    /// The columns used, by their dtypes or names: those of which `wanted` says so, in the frame's order. It replaces
    /// [`select`](Apply::select), and is replaced by it.
    ///
    /// `wanted` is called at once, with the name and the dtype of each of the frame's columns. The column of
    /// [`row_numbers`](Apply::row_numbers) is left out, whatever it says. A panic in it is an error of the verb.
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
                self.options.call = self.options.call.select(names);
                self.options.select_where = Some(Ok(()));
                self.options.leave_numbers_out();
            }
            Err(Failure::Panic(message)) => self.options.select_where = Some(Err(message)),
            Err(other) => self.options.select_where = Some(Err(format!("{other:?}"))),
        }
        self
    }

    /// The output columns' names. Where the closure returns a `DataFrame`, how many there are shows after the run only.
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

    /// The pool that runs the call; Polars' own by default.
    pub fn pool(mut self, pool: &Pool) -> Self {
        self.options.pool = Some(pool.clone());
        self
    }

    /// How many workers call the closure at the same time, at most; the pool's width by default.
    ///
    /// One worker is the calling thread. More than Polars' pool has are made for this call, when it comes to need them,
    /// which suits closures that wait more than they compute; more than a pool given by [`pool`](Apply::pool) has, or
    /// more than 4,096, are an error.
    ///
    /// The first row of [`rows`](Apply::rows) runs before others are woken, to see what a row takes. Where rows are few and
    /// take long each, [`chunk_rows(1)`](Apply::chunk_rows) shares them out from the start.
    pub fn workers(mut self, workers: usize) -> Self {
        self.options.call = self.options.call.workers(workers);
        self
    }

    /// Runs the call on the calling thread alone, in order. The answer is the same.
    pub fn sequential(mut self) -> Self {
        self.options.call = self.options.call.sequential();
        self
    }

    /// Cuts the rows into this many partitions, as NumPy's `array_split` does: the first `height % n` are one row longer,
    /// and those past the height empty. A partition is what a worker takes at a time, and what [`chunks`](Apply::chunks) and, without
    /// keys, [`transform`](Apply::transform) call the closure with.
    ///
    /// By default `chunks` has a part for each worker, but no empty ones, and `rows` is cut as it runs. Columns are not
    /// cut, and groups are cut by their keys alone.
    pub fn partitions(mut self, partitions: usize) -> Self {
        self.options.call = self.options.call.partitions(partitions);
        self
    }

    /// Cuts the rows into chunks of this many rows; the last may be shorter. It excludes [`partitions`](Apply::partitions).
    pub fn chunk_rows(mut self, rows: usize) -> Self {
        self.options.call = self.options.call.chunk_rows(rows);
        self
    }

    /// Gives each part of [`chunks`](Apply::chunks) rows of its neighbours too: up to so many `before` its own rows and `after`
    /// them, as many as there are. It is for what looks around itself, such as a moving median, or a gap that is filled from
    /// the last value. By default there are none, as with `(0, 0)`.
    ///
    /// The closure's frame, or [`Chunk`](crate::Chunk), has these rows too. [`Chunk::row_offset`](crate::Chunk::row_offset) is the
    /// number of the first row that it is given, and [`Chunk::core`](crate::Chunk::core) the positions of its own rows in that
    /// frame. What it returns stacks as ever: of a frame, a column or a series of the height that it was given, the part's own
    /// rows are kept; one of the height of the own rows is kept whole; any other height is an error that names the part. A cell,
    /// a tuple or a struct gives one row for each part.
    ///
    /// An overlap may be longer than a part, and then reaches over several. Failures, progress and a part's random stream are
    /// counted by its own rows.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// /// Of each row, the sum of itself and its two neighbours.
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

    /// Says which number the frame's first row has; 0 by default. The others are counted on from it: whatever reports a row
    /// has these numbers, [errors](crate::Error::row), [failures](crate::Outcome::failures),
    /// [`kept_rows`](crate::Outcome::kept_rows), [`Row::index`](crate::Row::index) and
    /// [`Chunk::row_offset`](crate::Chunk::row_offset); and a row draws what the row of that number draws from `seed`.
    ///
    /// It is for a frame that is a part of another, such as a [`Chunk`](crate::Chunk), whose rows are neighbours in the whole.
    /// Where they are not, as in the rest of a run that was cancelled, give a column of numbers:
    /// [`row_numbers`](Apply::row_numbers), which this option replaces and is replaced by.
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
        self
    }

    /// Says which of the frame's columns has the rows' numbers: integers, none of them null or negative. Whatever reports
    /// a row then has its number from there, as [`first_row`](Apply::first_row) lists it, and with `seed` a row draws by it.
    /// The column is not given to the closure, unless [`select`](Apply::select) names it.
    ///
    /// It is for rows that were filtered, shuffled or left over, which keep the numbers that they had in the whole. The
    /// numbers should differ; nothing checks that.
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

    /// What nulls do to arguments of a plain type; by default, the row's output is null.
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

    /// Which conversions are made; by default, only those that keep every value.
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

    /// The dtypes of the output's columns, one for each: an array, also of one. It is for closures that return cells (and
    /// tuples, arrays and derived structs of them); one that returns a whole frame, column or series casts it itself.
    ///
    /// A result is written for the dtype at once, without loss. One that the dtype does not hold is that row's failure, as
    /// [`on_error`](Apply::on_error) says: a time beyond the unit's range, text that is no category of an Enum, a list of
    /// another length than an Array's, a number with more digits. [`Casts::Lossy`] permits to lose digits.
    ///
    /// | result | dtypes it can become |
    /// |---|---|
    /// | numbers | integers and floats that hold the value; of integers, a Decimal too |
    /// | `String`, `&'static str` | String, Categorical, Enum |
    /// | `NaiveDateTime` | Datetime of any unit, without a time zone |
    /// | `DateTime<Utc>` | Datetime of any unit, with any time zone: the instant is the same |
    /// | `TimeDelta` | Duration of any unit |
    /// | `Decimal` (of `rust_decimal`) | Decimal of any precision and scale; one must be given |
    /// | `Vec<T>`, in `rows` also `Series` | List, and Array of a width, of what the items can become |
    /// | `Struct<T>` | Struct of what its fields can become; a derived struct's have their names, a tuple's get the dtype's |
    /// | `AnyValue` | any that its values can become, as above; it is then the column's also where no row says it |
    /// | `()` | any, all null |
    /// | others | their own |
    ///
    /// A Categorical whose categories have no room for more ends the call, since that is no single row's failure.
    ///
    /// A dtype that the closure's type cannot become is an error before the closure is called. Of `columns`, there is a dtype
    /// for each column. Where a dtype is not the one of the type itself, rows take longer: each result is checked.
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

    /// Which input columns stand before the output's, of [`flat_map_rows`](Apply::flat_map_rows) and
    /// [`emit_rows`](Apply::emit_rows): each output row has the values of its input row. Any columns of the frame can be named,
    /// also those that the closure is not given. Other verbs refuse it.
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

    /// Adds a column of this name, before all others, that has the number of each output row's input row, of
    /// [`flat_map_rows`](Apply::flat_map_rows) and [`emit_rows`](Apply::emit_rows). The numbers are those that
    /// [`first_row`](Apply::first_row) or [`row_numbers`](Apply::row_numbers) says; the dtype is that of Polars' row index, or
    /// `UInt64` where a number does not fit in that. Other verbs refuse it.
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

    /// Says what becomes of a row (column, part, group) that fails; by default its error ends the call. The verb then gives an
    /// [`Outcome`], which tells and counts every failure.
    ///
    /// Panics are failures like errors. Of many panics in a call the program's panic hook sees the first, and at most one
    /// for each worker. For that, the crate puts a hook of its own around the program's when it meets the first panic of
    /// the process; a program that sets another after that has it called for every panic. One that wants no hook but its own
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

    /// Says how many failures [`on_error`](Apply::on_error) lets pass; any number by default. One more, and the call stops
    /// early and returns an error of the kind [`TooManyFailures`](crate::ErrorKind::TooManyFailures). It has the failures as
    /// a frame: the `n` lowest and the next one, always the same.
    ///
    /// With [`OnError::Fail`], which lets none pass, it is an error of the call. A failure takes memory until the call ends:
    /// where millions may fail, give a limit.
    pub fn max_failures(mut self, failures: usize) -> Self {
        self.options.call = self.options.call.max_failures(failures);
        self
    }

    /// Tries a row (column, part, group) again for which the closure returned an error. Only what has failed is called again; a
    /// panic is not, nor a value that cannot be read or written. A row whose last attempt fails, fails with that error, and
    /// [`on_error`](Apply::on_error) says what becomes of it.
    ///
    /// A further attempt is like the first: it has the same values and the same random stream. It may be made by another
    /// worker, with that worker's state. A row that waits for one when the call is cancelled is not done, under
    /// every policy: it may yet have succeeded.
    ///
    /// No worker sleeps over a row: it waits in a queue, and the other rows go on. When its delay has passed, the first
    /// worker that is done with its rows takes it, and one that had left for want of rows is called back. When only such
    /// rows are left, the workers are given back to their pool, and the calling thread waits.
    ///
    /// A call that is made on a worker of a pool, within another call's closure for one, has that worker for its calling
    /// thread. While it waits, it works for its pool, unless it is [sequential](Apply::sequential), has one worker, or is
    /// itself such work; and it calls no other worker back before its own rows are done.
    ///
    /// Under [`OnError::Fail`] a row that has failed for good is told when the rows before it, which may wait for another
    /// attempt, have had theirs: the lowest is told.
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

    /// Gives the call a token that cancels it: each worker ends after the row (column, part, group) that it is in. Where the rows
    /// before took but nanoseconds, it looks at the token every 32 rows only, so up to 31 more are run.
    ///
    /// The call then returns an error of the kind [`Cancelled`](crate::ErrorKind::Cancelled), which says how many rows were
    /// done, or what [`on_cancel`](Apply::on_cancel) says. A run that was done before it saw the token is not cancelled. Rows are
    /// [grouped](Apply::by) before the run, and that is not broken off.
    pub fn cancel_token(mut self, token: &CancelToken) -> Self {
        self.options.cancel = Some(token.clone());
        self
    }

    /// Cancels the call, as a [token](Apply::cancel_token) does, when so much time has passed since its checks were done; of
    /// [`spawn_rows`](Apply::spawn_rows) and its like, since they were called, the time in the pool's queue included.
    ///
    /// One thread waits for all deadlines, so that no worker looks at a clock for them. A row that is running is not cut off.
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

    /// Says what a call gives that was cancelled, or whose deadline has passed; an error by default. The verb then gives
    /// an [`Outcome`].
    ///
    /// A failure that ends the call ends it also when it is cancelled: with its error where every row before it was done,
    /// else as [`Cancelled`](crate::ErrorKind::Cancelled), since a row that was not come to might have failed too.
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

    /// Says who is told how far the run is: a closure that takes a [`Tick`](crate::Tick), or any [`Progress`], such as
    /// the `ProgressBar` of the feature `progress`.
    ///
    /// It is told by the workers, each after 65,536 rows or ten milliseconds, and once at the end. Of groups it counts the rows that
    /// are in them.
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

    /// Makes the verb give an [`Outcome`]: its output, and what happened.
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
    /// Gives each worker a state of its own, which the closure takes as its first argument, `&mut S`.
    ///
    /// `init` returns the state, or a `Result` of it, whose error ends the call with the kind
    /// [`State`](crate::ErrorKind::State). It is called when a worker comes to its first row: at most once for each worker,
    /// and never for workers that are not needed; so its error may come late. What may fail later (a connection) is better
    /// made by the closure, when it finds its state empty. An `init` of several steps says its type:
    /// `|| -> anyhow::Result<S> { … }`. The state need be `Send`, not `Sync` nor `Clone`.
    ///
    /// A state is never shared: a closure has it for itself, also while it calls this crate. It outlives an error or a
    /// panic of the closure as it was then. All states are dropped before the call returns.
    ///
    /// Which worker takes which rows is not the same in each run. So let a row's result not depend on what the state has
    /// seen before; for random numbers there is `seed`.
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

    /// Gives each row a random stream of its own, which the closure takes as `&mut RowRng` before the row's values (and
    /// after the state, if there is one).
    ///
    /// The stream depends on the seed and the row's number alone; see [`RowRng`](crate::RowRng). So one worker, many
    /// workers and any cut give the same column. The number is counted in the call's own frame: of one that is a part of
    /// another, [`first_row`](Apply::first_row) says where it begins, or [`row_numbers`](Apply::row_numbers) each number.
    ///
    /// Of `columns`, the number is the column's position among those used. Of `chunks`, it is the part's first row, so the
    /// cut must be given by [`partitions`](Apply::partitions) or [`chunk_rows`](Apply::chunk_rows): another cut gives
    /// other numbers; so it is of `transform` without keys. Of `groups`, and of `transform` with keys, it is the group's first row.
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
    /// Gives every [`state`](Apply::state) to a closure when the rows are done: to add up counters, to flush buffers.
    ///
    /// The hook takes the state by value. It is called on the calling thread, once for each state that was made; also after
    /// a failure, a cancel or a panic, when it sees what was done until then. It may return a `Result`: its first error is
    /// the call's, of the kind [`Finish`](crate::ErrorKind::Finish), when all states are finished and unless the rows
    /// ended with an error. The output is then lost; to keep it, return nothing and store the error.
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
    /// As there; and an option that cannot be followed.
    pub fn rows<M, C, F>(self, f: F) -> Result<G::Of<<F::Out as IntoRow>::Output>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: RowFn<M, C>,
        F::Out: IntoRow,
    {
        verbs::rows(Given::of(self.frame.get()?), &self.options, self.lead, &f).map(G::give)
    }

    /// Keeps the rows for which the closure returns true: `bool`, `Option<bool>`, or a `Result` of one of these. The closure's
    /// arguments are those of [`rows`](Apply::rows).
    ///
    /// The output is a `DataFrame` of the kept rows in their order, with all columns of the frame and their dtypes, whatever
    /// [`select`](Apply::select) gives to the closure. `None` is false, and so is a row of which a plain argument is null: the
    /// closure is not called for it.
    ///
    /// A row that fails is not kept: [`OnError::Null`], `Skip` and `Collect` all drop it, and report it in
    /// [`failures`](Outcome::failures). A run that was cancelled gives, with [`OnCancel::Partial`], the rows kept of those that
    /// were done. [`kept_rows`](Outcome::kept_rows) are the numbers of the output's rows. There are no columns of results, so
    /// [`names`](Apply::names) and [`returns`](Apply::returns) are refused.
    ///
    /// # Errors
    /// As [`rows`](Apply::rows).
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
    /// A closure that returns something else does not compile:
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

    /// Adds the closure's results to the frame's columns, or replaces those of the same names: what
    /// [`rows`](Apply::rows) gives, beside the columns of the frame, as Polars' own `with_columns` does.
    ///
    /// The closure takes and returns what that of [`rows`](Apply::rows) does, and a result's columns have the same names and
    /// dtypes: `par_apply` for one cell, `column_0`, `column_1`, … for a tuple or an array, its fields' for a derived struct,
    /// or what [`names`](Apply::names) says. The output is a `DataFrame` with all columns of the frame, whatever
    /// [`select`](Apply::select) gives to the closure; a column that is replaced keeps its position, and others come last, in
    /// their order. A row in which a plain argument is null has null results.
    ///
    /// [`OnError::Null`] and `Collect` leave the results of a row that fails null; with `Skip` the whole row is dropped from the
    /// output, as it is from what [`OnCancel::Partial`] gives of a cancelled run where it was never reached:
    /// [`kept_rows`](Outcome::kept_rows) says which rows are left. On a `LazyFrame`, `rows` does the same.
    ///
    /// # Errors
    /// As [`rows`](Apply::rows).
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
    /// the input's rows: a `DataFrame` also where it has one column.
    ///
    /// The closure takes what that of [`rows`](Apply::rows) takes. It returns a `Vec`, an array, an `Option` or
    /// [`Many(iterator)`](crate::Many) of [rows](IntoRow), or a `Result` of one: see [`IntoRows`]. A row in which an argument of
    /// a plain type is null gives no rows. Names are those of `rows`; the dtypes are known from the closure's type, so that an
    /// output of no rows has the same columns.
    ///
    /// [`keep`](Apply::keep) and [`source_rows`](Apply::source_rows) say which row of the input each comes from. A row that fails
    /// gives no rows: [`OnError::Skip`] and [`OnError::Collect`] report it, and [`OnError::Null`] is refused. The
    /// [`kept_rows`](Outcome::kept_rows) are the input rows that were done and did not fail, those that gave no rows among them.
    ///
    /// Each worker gathers what its rows give, and at the end the parts are put one after the other: large ones as chunks of the
    /// output, which [`rechunk`](DataFrame::rechunk_mut) makes one. What the closure returns is owned; text that is a piece of an
    /// argument is pushed with less work by [`emit_rows`](Apply::emit_rows).
    ///
    /// # Errors
    /// Those of [`rows`](Apply::rows); a column of [`keep`](Apply::keep) that is missing; two output columns of one name; more
    /// rows than a frame of Polars can have.
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
    /// // One item that fails fails its row, of which nothing is left.
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

    /// Calls the closure for each row, which pushes any number of rows, and gives all of them as a `DataFrame`, in the order of
    /// the input's rows and of the pushes: as [`flat_map_rows`](Apply::flat_map_rows), without a `Vec` for each row.
    ///
    /// The closure takes `out: &mut Emit<T>` after the [state](Apply::state) and the random stream, and then what that of
    /// [`rows`](Apply::rows) takes; it returns `()` or a `Result`. `T` is the type of an output row: see [`Emit`](crate::Emit). Of a `T` such
    /// as `&str` or `(&str, i64)`, text that is pushed may borrow from the row's cells: it is copied once, to where it stays in
    /// the output.
    ///
    /// What a row has pushed that fails, panics or is cancelled is taken back; what is tried again begins anew.
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
    /// As there; and an option that cannot be followed.
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
    /// As there; and an option that cannot be followed.
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
    /// `f` takes one [cell](crate::Cell) and returns one, or a `Result` of one. Every column used is mapped: all of them, or those
    /// of [`select`](Apply::select) or [`select_where`](Apply::select_where); the output has no others. The values of all columns
    /// are shared out together: one long column keeps all workers busy, and so do many short ones.
    ///
    /// A null is not given to a closure of a plain `T`, and stays null; `Option<T>` sees it as `None`. With `seed`, each value has
    /// a random stream of its own: of the row of number `r` and the column at position `c` of `w`, it is that of number
    /// `r · w + c`.
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
    /// Before `f` is called: every column of a dtype that `f` does not take without loss, all together. From the run: the error or
    /// panic of `f` in the first failing column, there in its lowest failing row, with both. [`OnError::Null`] and
    /// [`OnError::Collect`] leave null where `f` fails, and the [`failures`](Outcome::failures) have the columns `row` and
    /// `column`. [`OnError::Skip`] is refused, since the columns would differ in height, and so is [`OnCancel::Partial`], since
    /// each column may have come to another row. [`returns`](Apply::returns) gives a dtype for each column.
    pub fn elements<M, C, F>(self, f: F) -> Result<G::Of<DataFrame>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: RowFn<M, C, Cells: OneCell>,
        F::Out: IntoRow<Output = Column>,
    {
        verbs::elements(self.frame.get()?, &self.options, self.lead, &f).map(G::give)
    }

    /// Folds every row into an accumulator, and gives that: a sum, a map, a histogram, whatever `A` is.
    ///
    /// `f` takes the accumulator, `&mut A`, and then the row's values as the closure of [`rows`](Apply::rows) does; it returns
    /// `()`, or a `Result` of it. Rows are folded in blocks side by side. Each block begins with what `init` makes, and `merge`
    /// makes one accumulator of two, of which the second comes from the rows right after those of the first. So `init` makes
    /// what changes nothing when it is merged (0 for a sum, an empty map), and `merge` may be made in any grouping.
    ///
    /// The result has **the same bits** on any number of workers and for any chunks of the frame, also where adding in another
    /// order rounds otherwise: the blocks, and which of them are merged with which, depend on the number of rows alone, and no
    /// [cut](Apply::chunk_rows) changes them. There are up to 32 blocks, of up to 524,288 rows each; of a larger frame, more. Few
    /// accumulators are there at a time: one for each worker, and those that wait for their neighbour, a few for each worker.
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
    /// As [`rows`](Apply::rows): the error or panic of `f` in the lowest failing row ends the call. A panic of `init` names the
    /// block's first row, and one of `merge` the row at which the two meet; their messages say `within init` and `within merge`.
    /// Refused are [`state`](Apply::state), whose place the accumulator has; `retry`, any [`on_error`](Apply::on_error) but
    /// [`OnError::Fail`] and [`OnCancel::Partial`], since a row that fails may have been folded in half; and
    /// [`names`](Apply::names) and [`returns`](Apply::returns), since no columns come out.
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

/// Calls that return at once.
///
/// The frame is shared, not copied: dropping it, or changing it, concerns the job no more. The closure is `'static`: it has
/// what it needs for itself, by `move`. What [`progress`](Apply::progress) was given may not borrow either.
impl<L, G: Gives> Apply<'_, 'static, L, G>
where
    L: Send + 'static,
{
    /// Calls the closure for each row, in the background: [`rows`](Apply::rows) as a [`Job`].
    ///
    /// The job is begun by the [pool](Apply::pool), and ends when the pool is terminated. [`Job::progress`] tells how far it
    /// is, [`Job::cancel`] does what [`cancel_token`](Apply::cancel_token) does, and dropping the job too. Every check is made
    /// when it is begun; what it finds is the job's error. A [`deadline`](Apply::deadline) is counted from this call: a job that
    /// has not begun by then never does. A job that is cancelled, or late, before it has begun is an error also with
    /// [`OnCancel::Partial`]: there is no part of it.
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

    /// Keeps the rows for which the closure returns true, in the background: [`filter_rows`](Apply::filter_rows) as a [`Job`];
    /// see [`spawn_rows`](Apply::spawn_rows).
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

    /// Adds the closure's results to the frame's columns, in the background: [`with_columns`](Apply::with_columns) as a [`Job`];
    /// see [`spawn_rows`](Apply::spawn_rows).
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

    /// Calls the closure for each row, in the background: [`flat_map_rows`](Apply::flat_map_rows) as a [`Job`]; see
    /// [`spawn_rows`](Apply::spawn_rows).
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

    /// Calls the closure for each row, in the background: [`emit_rows`](Apply::emit_rows) as a [`Job`]; see
    /// [`spawn_rows`](Apply::spawn_rows).
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

    /// Calls the closure for each column, in the background: [`columns`](Apply::columns) as a [`Job`]; see
    /// [`spawn_rows`](Apply::spawn_rows).
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
        let columns = self.frame.width();
        self.spawn(columns, move |frame, options, lead| {
            verbs::columns(frame, options, lead, &f).map(G::give)
        })
    }

    /// Calls the closure for each part of the rows, in the background: [`chunks`](Apply::chunks) as a [`Job`]; see
    /// [`spawn_rows`](Apply::spawn_rows).
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

    /// Calls the closure for each value of each column, in the background: [`elements`](Apply::elements) as a [`Job`]; see
    /// [`spawn_rows`](Apply::spawn_rows).
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
        let select = self.options.call.select.as_ref();
        let columns = select.map_or(self.frame.width(), Vec::len);
        let values = columns.saturating_mul(self.frame.height());
        self.spawn(values, move |frame, options, lead| {
            verbs::elements(frame, options, lead, &f).map(G::give)
        })
    }

    /// Folds every row into an accumulator, in the background: [`fold_rows`](Apply::fold_rows) as a [`Job`]; see
    /// [`spawn_rows`](Apply::spawn_rows).
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

    /// A job whose progress counts the frame's rows.
    pub(crate) fn spawn_over_rows<T, V>(self, verb: V) -> Job<T>
    where
        T: Send + 'static,
        V: FnOnce(&DataFrame, &Options<'_>, L) -> Result<T> + Send + 'static,
    {
        let rows = self.frame.height();
        self.spawn(rows, verb)
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
