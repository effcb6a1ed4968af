//! What verbs with a closure for each row share: the plan of a call; a loop that computes what the closure must be given for each row, and
//! the row's fate; and the call itself, blocking, in the background, or in a lazy query.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use arbitrary::{Result, Unstructured};
use polars::prelude::{
    Column, DataFrame, DataType, Engine, LazyFrame, PlSmallStr, TimeUnit, col, lit,
};
use polars_par_apply::prelude::{Apply, CallOptions, OnError, RowRng, Tick};
use polars_par_apply::{Batches, Casts, Error, Failures, LazyApply, Nulls, Registry, RowsExpr};
use rand::RngExt;

use crate::arguments::{Fit, Read, Taken};
use crate::call::call;
use crate::expect::{Checked, Fate, Got, Items, Query, Why, is_column};
use crate::faults::{Body, Rule};
use crate::frame::{Draw, FramePlan, Kind, NAMES, WORDS};
use crate::options::{Names, Options, Select, rarely};
use crate::value::Value;

/// Where a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Call,
    /// With `spawn_rows` or its like.
    Job,
    /// On a `LazyFrame`, in the streaming engine or in memory.
    Lazy {
        streaming: bool,
    },
    /// For `rows`: with `row_batches`, in batches of this many rows.
    Batches {
        rows: usize,
    },
    /// For `rows`: as an expression, and only the expression is selected.
    Expression {
        streaming: bool,
    },
}

impl How {
    /// Chooses a query only if that is possible, and removes the options that a query does not have.
    pub fn arbitrary(
        u: &mut Unstructured<'_>,
        in_queries: bool,
        options: &mut Options,
    ) -> Result<Self> {
        let how = match u.int_in_range(0..=7)? {
            0 | 1 => How::Job,
            2 if in_queries => How::Lazy { streaming: true },
            3 if in_queries => How::Lazy { streaming: false },
            _ => How::Call,
        };
        match how {
            How::Lazy { .. } => options.be_of_a_query(),
            How::Job => options.be_in_background(),
            _ => {}
        }
        Ok(how)
    }
}

/// A step after the call in a query. Polars may move it before the call, which is then made for fewer rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    Nothing,
    /// A filter by the rows' positions.
    Filter {
        every: u8,
        from: u8,
    },
    /// The first rows.
    Head(u8),
}

impl After {
    /// Adds the step to a frame that has the rows' positions.
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match u.int_in_range(0..=3)? {
            0 | 1 => After::Nothing,
            2 => {
                let every = u.int_in_range(1..=5)?;
                let from = u.int_in_range(0..=every - 1)?;
                After::Filter { every, from }
            }
            _ => After::Head(u.int_in_range(0..=20)?),
        })
    }

    fn apply(self, query: LazyFrame) -> LazyFrame {
        match self {
            After::Nothing => query,
            After::Filter { every, from } => {
                query.filter((col("id") % lit(u32::from(every))).eq(lit(u32::from(from))))
            }
            After::Head(rows) => query.limit(rows.into()),
        }
    }

    /// Returns which of the call's rows are left.
    pub fn left(self, mut kept: Vec<usize>) -> Vec<usize> {
        match self {
            After::Nothing => {}
            After::Filter { .. } => kept.retain(|row| self.needs(*row, &[])),
            After::Head(rows) => kept.truncate(rows.into()),
        }
        kept
    }

    /// Returns whether the call is made for a row in any case, if these rows are left.
    fn needs(self, row: usize, left: &[usize]) -> bool {
        match self {
            After::Nothing => true,
            After::Filter { every, from } => row % usize::from(every) == usize::from(from),
            After::Head(rows) => {
                left.len() < rows.into() || left.last().is_some_and(|last| row <= *last)
            }
        }
    }
}

/// What may fail in a fold besides its closure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaks {
    Nothing,
    /// `init`, always.
    Init,
    /// `merge`, for accumulators that the rule chooses by the first row of the second.
    Merge(Rule),
}

/// The dtypes that are asked for with `returns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    Default,
    /// The dtypes that the results already have.
    Own,
    /// One dtype too many.
    TooMany,
    /// Another number for the first result, if that is an integer.
    Int8,
    UInt32,
    Int128,
    Decimal,
    /// Another dtype for the first result: a float for an integer, milliseconds for microseconds, an Enum for a text.
    OfAnotherKind,
}

impl Returns {
    /// Returns whether there are too many, or none although the closure's type does not say a dtype that a column can have.
    pub fn is_wrong_for(self, closure: &str) -> bool {
        let returned = closure.split("->").last();
        let needs = returned.is_some_and(|returned| returned.contains("Decimal"));
        self == Returns::TooMany || (self == Returns::Default && needs)
    }

    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match u.int_in_range(0..=15)? {
            0..=9 => Returns::Default,
            10 => Returns::Own,
            11 => Returns::Int8,
            12 => Returns::UInt32,
            13 => Returns::Int128,
            14 => Returns::Decimal,
            _ if rarely(u, 4)? => Returns::TooMany,
            _ => Returns::OfAnotherKind,
        })
    }

    /// Returns the dtypes that `returns` is given, for results of these dtypes.
    pub fn dtypes(self, own: Vec<Option<DataType>>, lossy: bool) -> Option<Vec<DataType>> {
        let mut own: Option<Vec<DataType>> = own.into_iter().collect();
        if self == Returns::Default {
            return None;
        }
        let own = own.get_or_insert_with(|| vec![DataType::Int64]);
        let other = match self {
            Returns::Int8 => DataType::Int8,
            Returns::UInt32 => DataType::UInt32,
            Returns::Int128 => DataType::Int128,
            Returns::Decimal => DataType::Decimal(20, 2),
            Returns::TooMany => {
                own.push(DataType::Int64);
                return Some(own.clone());
            }
            Returns::OfAnotherKind => {
                own[0] = match own[0].clone() {
                    dtype if dtype.is_integer() => DataType::Float64,
                    DataType::Datetime(_, zone) if !lossy => {
                        DataType::Datetime(TimeUnit::Milliseconds, zone)
                    }
                    DataType::Duration(_) if !lossy => DataType::Duration(TimeUnit::Milliseconds),
                    DataType::String => Kind::Enum.dtype(),
                    DataType::List(items) if *items == DataType::Int64 => DataType::Array(items, 2),
                    DataType::List(items) if *items == DataType::UInt16 => {
                        DataType::List(Box::new(DataType::Int8))
                    }
                    other => other,
                };
                return Some(own.clone());
            }
            _ => return Some(own.clone()),
        };
        if own[0].is_integer() {
            own[0] = other;
        }
        Some(own.clone())
    }
}

/// A call whose closure is called for each row.
#[derive(Clone, Debug)]
pub struct RowCall {
    pub closure: &'static Closure,
    pub frame: FramePlan,
    pub rules: Vec<Rule>,
    pub seed: u8,
    pub returns: Returns,
    pub how: How,
    pub after: After,
    /// Whether `with_columns` puts the results beside the frame's columns.
    pub beside: bool,
    pub breaks: Breaks,
    pub options: Options,
}

/// A closure: what it takes after the row's position, what it returns, and how it is called.
pub struct Closure {
    pub text: &'static str,
    pub arguments: fn() -> Vec<Taken>,
    /// Whether it is a closure of `Row`, which is given every row.
    pub of_row: bool,
    /// Whether it returns a `Result`.
    pub fails: bool,
    /// Whether it is called in queries too.
    pub in_queries: bool,
    /// Whether it has a state that counts its calls, and a hook that finishes the states.
    pub counts: bool,
    pub dtypes: fn() -> Vec<Option<DataType>>,
    pub names: fn() -> Vec<&'static str>,
    /// The rows that it gives for a row: one, unless the verb allows any number.
    pub rows: fn(&Run<'_>, usize) -> Vec<Vec<Value>>,
    pub call: fn(&Run<'_>) -> Gave,
}

impl std::fmt::Debug for Closure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text)
    }
}

/// The result of a call; a query has fewer fields.
#[derive(Debug)]
pub enum Gave {
    Call(Box<std::result::Result<Got, Error>>),
    Query(std::result::Result<DataFrame, String>),
}

/// A case that is being run.
#[derive(Debug)]
pub struct Run<'r> {
    pub case: &'r RowCall,
    pub df: &'r DataFrame,
    pub call: CallOptions,
    pub body: Arc<Body>,
    pub ticks: Arc<Mutex<Vec<Tick>>>,
    pub states: States,
    /// The collector of the failures that a query lets pass.
    pub failures: Failures,
}

impl<'r> Run<'r> {
    pub fn apply(&self) -> Apply<'r, 'static> {
        let options = &self.case.options;
        options.apply(self.df, &self.call, &self.body, &self.ticks)
    }

    pub fn in_background(&self) -> bool {
        self.case.how == How::Job
    }

    /// Whether a named function is called: in half of the cases, depending on the seed, so that no bytes are needed for it.
    pub fn by_name(&self) -> bool {
        let is_odd = self.case.seed % 2 == 1;
        // A named function whose results are put beside the columns is not called in the background.
        is_odd && !(self.case.beside && self.in_background())
    }

    /// Calls the one function of a registry.
    pub fn named(&self, functions: &Registry) -> Gave {
        let function = functions.functions().next().expect("it has a function");
        if let Some(lazy) = self.lazy() {
            return self.collect(lazy.call(&function));
        }
        let (apply, outcome) = (self.apply(), self.case.options.outcome);
        Gave::Call(Box::new(match self.case.beside {
            true => {
                call!(apply, false, outcome, self.df, call_with_columns or spawn_call (&function))
            }
            false => {
                call!(apply, self.in_background(), outcome, self.df, call or spawn_call (&function))
            }
        }))
    }

    /// Returns the call on a `LazyFrame` with its options, if it is made on one.
    pub fn lazy(&self) -> Option<LazyApply> {
        if !self.case.in_query() {
            return None;
        }
        let case = self.case;
        Some(case.options.lazy(
            self.df,
            &case.columns(),
            &(case.closure.names)(),
            case.returned(),
            &self.failures,
        ))
    }

    /// Returns the expression with its options, over the columns that the closure takes.
    pub fn expression(&self) -> RowsExpr {
        let options = &self.case.options;
        let columns = self.case.columns();
        let columns = options.selected(&columns).unwrap_or(columns);
        let mut call = polars_par_apply::rows(columns).row_numbers(col("id"));
        call = call.on_error(options.on_error);
        if options.names != Names::Default {
            call = call.names(options.output_names(&(self.case.closure.names)()));
        }
        if let Some(dtypes) = self.case.returned() {
            call = call.returns(dtypes);
        }
        if options.no_nulls {
            call = call.nulls(Nulls::Error);
        }
        if options.lossy {
            call = call.casts(Casts::Lossy);
        }
        if options.outcome {
            call = call.failures(&self.failures);
        }
        call
    }

    /// Stacks the batches of a stream, in the order in which they come.
    pub fn gather(&self, batches: Batches<DataFrame>, rows: usize) -> Gave {
        let batches = batches
            .chunk_rows(rows)
            .collect::<std::result::Result<Vec<_>, _>>();
        Gave::Query(match batches {
            Ok(batches) => {
                let batches = batches.into_iter().reduce(|mut all, batch| {
                    all.vstack_mut(&batch)
                        .expect("the batches have the same columns");
                    all
                });
                batches.ok_or_else(|| "a stream of no batch".to_owned())
            }
            Err(error) => Err(error.to_string()),
        })
    }

    pub fn collect(&self, query: LazyFrame) -> Gave {
        collect(query, self.case.how, self.case.after)
    }
}

/// Returns what a query gives.
pub fn collect(query: LazyFrame, how: How, after: After) -> Gave {
    let engine = match how {
        How::Lazy { streaming: true } | How::Expression { streaming: true } => Engine::Streaming,
        _ => Engine::InMemory,
    };
    Gave::Query(match after.apply(query).collect_with_engine(engine) {
        Ok(result) => Ok(result.unwrap_single()),
        Err(error) => Err(error.to_string()),
    })
}

/// States that count the calls of their closure.
#[derive(Debug, Default)]
pub struct States {
    /// The states that are alive.
    pub alive: Arc<AtomicUsize>,
    /// The calls that the finished states have counted.
    counted: Arc<AtomicUsize>,
}

impl States {
    /// Returns what makes a state, and what finishes it.
    pub fn counters(
        &self,
    ) -> (
        impl Fn() -> usize + Send + Sync + 'static,
        impl Fn(usize) + Send + Sync + 'static,
    ) {
        let (alive, finished) = (Arc::clone(&self.alive), Arc::clone(&self.alive));
        let counted = Arc::clone(&self.counted);
        let make = move || {
            alive.fetch_add(1, SeqCst);
            0
        };
        let finish = move |count| {
            finished.fetch_sub(1, SeqCst);
            counted.fetch_add(count, SeqCst);
        };
        (make, finish)
    }

    /// Checks that all states are finished, and have counted these calls, if they count any.
    pub fn are_done(&self, calls: Option<u32>) -> std::result::Result<(), String> {
        let (alive, counted) = (self.alive.load(SeqCst), self.counted.load(SeqCst));
        match calls {
            _ if alive != 0 => Err(format!("{alive} states are left")),
            Some(calls) if counted != calls as usize => {
                Err(format!("the states were given {counted} of {calls} calls"))
            }
            _ => Ok(()),
        }
    }
}

/// Returns the entry of these tables that an index below the `weight` of all chooses.
pub fn choose<T>(u: &mut Unstructured<'_>, tables: &[(&'static [T], usize)]) -> Result<&'static T> {
    let weights = tables.iter().map(|(table, weight)| table.len() * weight);
    let mut index = u.choose_index(weights.sum())?;
    let entry = tables.iter().find_map(|(table, weight)| {
        let entry = table.get(index / weight);
        index = index.saturating_sub(table.len() * weight);
        entry
    });
    Ok(entry.expect("the index is below the weight of all tables"))
}

/// The random numbers for a row.
pub fn draw_of(seed: u8, row: usize) -> Draw {
    Draw::new(u64::from(seed) << 32 | row as u64)
}

/// Returns what a row of this number draws first.
pub fn random(seed: u8, number: usize) -> u64 {
    RowRng::of_row(seed.into(), number as u64).random()
}

/// Returns the dtypes of a type's results; that of `AnyValue` is not known.
pub fn known<O>(dtypes: Vec<DataType>) -> Vec<Option<DataType>> {
    let is_any = std::any::type_name::<O>().contains("AnyValue");
    let dtypes = dtypes.into_iter();
    dtypes.map(|dtype| (!is_any).then_some(dtype)).collect()
}

/// A table of closures: the function that makes the call of one, and the trait of what they return, [`MadeRow`] or [`MadeRows`].
///
/// [`MadeRow`]: crate::results::MadeRow
/// [`MadeRows`]: crate::results::MadeRows
macro_rules! closures {
    ($make:ident $Made:ident: $($fails:ident ($($a:ident: $A:ty),*) -> $O:ty;)*) => {
        &[$($crate::row_call::Closure {
            text: concat!("|id: u32", $(", ", stringify!($a), ": ", stringify!($A),)* "| -> ", stringify!($fails), "<", stringify!($O), ">"),
            arguments: || vec![$(<$A as $crate::arguments::Argument>::taken()),*],
            of_row: false,
            fails: $crate::row_call::closures!(@fails $fails),
            in_queries: true,
            counts: false,
            dtypes: || $crate::row_call::known::<$O>(<$O as $Made>::dtypes()),
            names: <$O as $Made>::names,
            rows: |run, row| {
                let drawn = <$O as $Made>::draw_row(&mut $crate::row_call::draw_of(run.case.seed, row));
                <$O as $Made>::rows(&drawn)
            },
            call: |run| {
                let (body, seed) = (std::sync::Arc::clone(&run.body), run.case.seed);
                $crate::row_call::closures!(@make $fails $make $Made, run, body, seed, ($($a: $A),*) -> $O)
            },
        }),*]
    };
    (@fails result) => { true };
    (@fails plain) => { false };
    (@make result $make:ident $Made:ident, $run:ident, $body:ident, $seed:ident, ($($a:ident: $A:ty),*) -> $O:ty) => {
        $make($run, move |id: u32 $(, $a: $A)*| -> anyhow::Result<$O> {
            $body.enter(id as usize, &[$($crate::arguments::Argument::seen($a)),*])?;
            Ok(<$O as $Made>::draw_row(&mut $crate::row_call::draw_of($seed, id as usize)))
        })
    };
    (@make plain $make:ident $Made:ident, $run:ident, $body:ident, $seed:ident, ($($a:ident: $A:ty),*) -> $O:ty) => {
        $make($run, move |id: u32 $(, $a: $A)*| -> $O {
            $body.enter_surely(id as usize, &[$($crate::arguments::Argument::seen($a)),*]);
            <$O as $Made>::draw_row(&mut $crate::row_call::draw_of($seed, id as usize))
        })
    };
}

pub(crate) use closures;

/// The properties of a verb, besides its closures.
pub trait RowVerb {
    /// Whether a row that fails is never null in the output.
    fn drops(&self) -> bool {
        false
    }

    /// Whether it gives no rows, so that a cancelled call cannot return some of them.
    fn has_no_rows(&self) -> bool {
        false
    }

    /// Notes what this verb refuses in addition to what all verbs refuse, and removes what this verb follows.
    fn faults(&self, case: &RowCall, faults: &mut BTreeSet<String>);

    /// Changes the fates of rows that depend on other rows.
    fn amend(&self, _case: &RowCall, _fates: &mut [Fate]) {}

    /// Returns whether a row with these results is in the output.
    fn keeps(&self, _rows: &[Vec<Value>]) -> bool {
        true
    }

    /// Returns what is wrong with the output.
    fn output(&self, done: &Done<'_>, output: &DataFrame) -> std::result::Result<(), String>;
}

/// A call that gave an output.
#[derive(Debug)]
pub struct Done<'d> {
    pub case: &'d RowCall,
    pub df: &'d DataFrame,
    pub fates: &'d [Fate],
    /// The closure's results for each row.
    pub rows: &'d [Vec<Vec<Value>>],
    /// The rows that must be in the output.
    pub kept: &'d [usize],
}

impl Done<'_> {
    /// Checks that the columns are those of the closure's results. A row without a result is null, or gives no row.
    pub fn is_results(&self, columns: &[Column], nulls: bool) -> std::result::Result<(), String> {
        let mut rows: Vec<Option<&[Value]>> = Vec::new();
        for row in self.kept {
            match self.fates[*row] {
                Fate::Done { .. } => {
                    let given = self.rows[*row].iter();
                    rows.extend(given.map(|cells| Some(cells.as_slice())));
                }
                _ if nulls => rows.push(None),
                _ => {}
            }
        }
        self.case.results().are(columns, &rows)
    }

    /// Checks that a column of the output has the values of a column of the frame, for these rows.
    pub fn is_input(
        &self,
        column: &Column,
        name: &str,
        rows: &[usize],
    ) -> std::result::Result<(), String> {
        is_input(self.df, column, name, rows)
    }

    /// Checks that the output has the frame's columns, with the results beside them.
    pub fn is_frame_with_results(&self, output: &DataFrame) -> std::result::Result<(), String> {
        let names = self.case.output_names();
        let results = results_beside(self.df, &names, self.kept, output)?;
        self.is_results(results.columns(), true)
    }
}

/// What is known about the columns of a closure's results.
#[derive(Debug)]
pub struct Results {
    pub names: Vec<PlSmallStr>,
    /// From the closure's type.
    pub own: Vec<Option<DataType>>,
    pub returned: Option<Vec<DataType>>,
    pub lossy: bool,
}

impl Results {
    /// Checks that the columns have these cells, or nulls, in each row.
    pub fn are(
        &self,
        columns: &[Column],
        rows: &[Option<&[Value]>],
    ) -> std::result::Result<(), String> {
        if columns.len() != self.names.len() {
            return Err(format!("there are {} columns of results", columns.len()));
        }
        for (position, name) in self.names.iter().enumerate() {
            let returned = self.returned.as_ref();
            let dtype = match returned {
                Some(dtypes) => Some(dtypes[position].clone()),
                None => self.own[position].clone(),
            };
            let values = rows.iter().map(|cells| match (cells, &dtype) {
                (None, _) => Value::Null,
                (Some(cells), None) => cells[position].clone(),
                (Some(cells), Some(dtype)) => {
                    written(dtype, &cells[position], self.lossy).unwrap_or(Value::Null)
                }
            });
            let values: Vec<Value> = values.collect();
            is_column(&columns[position], name, dtype.as_ref(), &values)?;
        }
        Ok(())
    }

    /// Returns the first column that cannot hold its values in these rows.
    pub fn unfit(&self, rows: &[Vec<Value>]) -> Option<usize> {
        let dtypes = self.returned.as_ref()?;
        rows.iter().find_map(|cells| {
            let mut cells = cells.iter().zip(dtypes);
            cells.position(|(value, dtype)| written(dtype, value, self.lossy).is_none())
        })
    }
}

/// Checks that a column has the values of a column of the frame, for these rows.
pub fn is_input(
    df: &DataFrame,
    column: &Column,
    name: &str,
    rows: &[usize],
) -> std::result::Result<(), String> {
    let of = df.column(name).map_err(|error| error.to_string())?;
    let all = Value::all(of);
    let expected: Vec<Value> = rows.iter().map(|row| all[*row].clone()).collect();
    is_column(column, name, Some(of.dtype()), &expected)
}

/// Returns the output's columns with these names, and checks that the others are the frame's columns with these rows. The results replace
/// columns of the same names.
pub fn results_beside(
    df: &DataFrame,
    names: &[PlSmallStr],
    rows: &[usize],
    output: &DataFrame,
) -> std::result::Result<DataFrame, String> {
    let mut expected = df.get_column_names_owned();
    let new = names.iter().filter(|name| df.column(name).is_err());
    expected.extend(new.cloned());
    has_columns(output, &expected)?;
    for name in &expected {
        if !names.contains(name) {
            let column = output.column(name).expect("it has the name");
            is_input(df, column, name, rows)?;
        }
    }
    let results = output.select(names.iter().cloned());
    results.map_err(|error| error.to_string())
}

/// Checks that a frame has columns of these names, in this order.
pub fn has_columns(output: &DataFrame, names: &[PlSmallStr]) -> std::result::Result<(), String> {
    let is = output.get_column_names_owned();
    match is == names {
        true => Ok(()),
        false => Err(format!(
            "the output has the columns {is:?}, and not {names:?}"
        )),
    }
}

impl RowCall {
    /// A call of one of these closures.
    pub fn arbitrary(
        u: &mut Unstructured<'_>,
        tables: &[(&'static [Closure], usize)],
    ) -> Result<Self> {
        let closure = choose(u, tables)?;
        let kinds: Vec<Vec<Kind>> = (closure.arguments)().iter().map(Taken::kinds).collect();
        let wished: Vec<&[Kind]> = kinds.iter().map(Vec::as_slice).collect();
        let mut frame = FramePlan::arbitrary(u, &wished)?;
        let mut options = Options::arbitrary(u)?;
        let rules = Rule::some(u)?;
        let how = How::arbitrary(u, closure.in_queries, &mut options)?;
        if !closure.in_queries {
            frame.rows = frame.rows.min(60);
        }
        Ok(RowCall {
            closure,
            frame,
            rules,
            seed: u.arbitrary()?,
            returns: Returns::arbitrary(u)?,
            how,
            after: After::Nothing,
            beside: false,
            breaks: Breaks::Nothing,
            options,
        })
    }

    pub fn in_query(&self) -> bool {
        !matches!(self.how, How::Call | How::Job)
    }

    /// Puts a step after the call, if it is made on a `LazyFrame`.
    pub fn with_more_after(mut self, u: &mut Unstructured<'_>) -> Result<Self> {
        if matches!(self.how, How::Lazy { .. }) {
            self.after = After::arbitrary(u)?;
        }
        if self.after != After::Nothing {
            // It is not known what is reported for rows that do not reach the call.
            self.options.no_nulls = false;
            self.options.outcome = false;
        }
        Ok(self)
    }

    /// Returns the names of the output's columns of results.
    pub fn output_names(&self) -> Vec<PlSmallStr> {
        self.options.output_names(&(self.closure.names)())
    }

    /// Returns the columns that the closure takes.
    pub fn columns(&self) -> Vec<&'static str> {
        let others = &NAMES[..self.frame.columns.len()];
        std::iter::once("id")
            .chain(others.iter().copied())
            .collect()
    }

    /// Returns the dtypes that `returns` is given.
    pub fn returned(&self) -> Option<Vec<DataType>> {
        let own = (self.closure.dtypes)();
        self.returns.dtypes(own, self.options.lossy)
    }

    /// Runs the case, and says what is wrong.
    pub fn check(&self, verb: &dyn RowVerb) -> std::result::Result<(), String> {
        let options = &self.options;
        let bare = self.frame.frame();
        let columns = self.columns();
        let df = options.with_more_columns(bare.clone());
        let names = (self.closure.names)();
        let mut call = options.call(&columns, &names);
        if let Some(dtypes) = self.returned() {
            call = call.returns(dtypes);
        }

        let mut faults = self.faults(&bare);
        verb.faults(self, &mut faults);
        // What the closure must be given, computed by a loop over the values.
        let is_refused = !faults.is_empty();
        let taken = (self.closure.arguments)();
        let reads: Vec<Vec<Read>> = match is_refused {
            true => vec![vec![Read::Null; df.height()]; taken.len()],
            false => taken
                .iter()
                .zip(NAMES)
                .map(|(taken, name)| taken.read_all(bare.column(name).expect("it has the column")))
                .collect(),
        };
        let in_row = |row: usize| reads.iter().map(move |reads| &reads[row]);
        let seen = |row: usize| -> Option<Vec<Value>> {
            in_row(row)
                .map(|read| match read {
                    Read::Value(value) => Some(value.clone()),
                    _ => None,
                })
                .collect()
        };
        let body = Arc::new(Body::new(&self.rules, (0..df.height()).map(seen).collect()));
        let run = Run {
            case: self,
            df: &df,
            call,
            body: Arc::clone(&body),
            ticks: Arc::default(),
            states: States::default(),
            failures: Failures::new(),
        };
        let null = (0..df.height()).find_map(|row| {
            let is = |wanted: &Read| in_row(row).position(|read| read == wanted);
            let unreadable = is(&Read::Unreadable);
            Some((row, is(&Read::Null).filter(|_| unreadable.is_none())?))
        });
        let null_fault = match null {
            Some((row, argument)) if options.no_nulls && !is_refused => {
                Some((row, NAMES[argument]))
            }
            _ => None,
        };

        let rows: Vec<Vec<Vec<Value>>> = match is_refused || null_fault.is_some() {
            true => Vec::new(),
            false => (0..df.height())
                .map(|row| (self.closure.rows)(&run, row))
                .collect(),
        };
        let mut fates: Vec<Fate> = match rows.is_empty() {
            true => vec![Fate::Null; df.height()],
            false => (0..df.height())
                .map(|row| self.fate(row, in_row(row), &rows[row]))
                .collect(),
        };
        verb.amend(self, &mut fates);
        let is_kept: Vec<bool> = match rows.is_empty() {
            true => vec![false; df.height()],
            false => (0..df.height())
                .map(|row| match fates[row] {
                    Fate::Done { .. } => verb.keeps(&rows[row]),
                    _ => verb.keeps(&[]),
                })
                .collect(),
        };
        let gave = (self.closure.call)(&run);

        let ticks = run.ticks.lock().expect("no holder panics").clone();
        let checked = Checked {
            options,
            fates: &fates,
            whole: verb.drops(),
            filter: &is_kept,
            body: &body,
            ticks: &ticks,
        };
        let items = RowItems {
            case: self,
            df: &df,
            has_no_rows: verb.has_no_rows(),
        };
        let done = |kept| Done {
            case: self,
            df: &df,
            fates: &fates,
            rows: &rows,
            kept,
        };
        let calls: u32 = body.calls().iter().sum();
        let got = match gave {
            Gave::Call(got) => *got,
            Gave::Query(result) => {
                let drops = verb.drops() || options.on_error == OnError::Skip;
                let kept = |row: &usize| is_kept[*row] && !(drops && fates[*row].fails());
                let left = self.after.left((0..fates.len()).filter(kept).collect());
                let needs = (0..fates.len()).map(|row| self.after.needs(row, &left));
                // A column without a known dtype is refused when the query is planned.
                let known = (self.closure.dtypes)().iter().all(Option::is_some)
                    || self.returned().is_some();
                let in_memory = matches!(
                    self.how,
                    How::Lazy { streaming: false } | How::Expression { streaming: false }
                );
                let query = Query {
                    may: !is_refused && null_fault.is_none() && known,
                    // In a stream, a null may come in a later batch.
                    may_begin: options.no_nulls && !in_memory,
                    tells_lowest: matches!(self.how, How::Batches { .. }),
                    needs: needs.collect(),
                };
                let Some(output) = checked.query(result, &query)? else {
                    return Ok(());
                };
                if options.outcome {
                    let failing: Vec<usize> =
                        (0..fates.len()).filter(|row| fates[*row].fails()).collect();
                    let told = run.failures.take();
                    if told.width() > 0 || !failing.is_empty() {
                        checked.failures(&told, &failing, &items)?;
                    }
                }
                return verb.output(&done(&left), &output);
            }
        };
        run.states.are_done(None)?;
        if is_refused {
            return checked.is_refused(&got, &faults);
        }
        if let Some((row, column)) = null_fault {
            checked.is_refused(&got, &BTreeSet::from([format!("null {column}")]))?;
            let is = got.as_ref().err().and_then(Error::row);
            if is != Some(options.number(row)) {
                return Err(format!("the first null is in row {row}, and not in {is:?}"));
            }
            return Ok(());
        }
        let kept = checked.check(&got, &items)?;
        run.states.are_done(self.closure.counts.then_some(calls))?;
        let (Some(kept), Ok(got)) = (kept, got) else {
            return Ok(());
        };
        verb.output(&done(&kept), &got.output)
    }

    /// Returns what every verb refuses.
    fn faults(&self, bare: &DataFrame) -> BTreeSet<String> {
        let options = &self.options;
        let width = (self.closure.names)().len();
        let mut faults = options.faults(bare.height(), width);
        let taken = (self.closure.arguments)();
        if self.in_query() {
            // A query has no outcome.
            faults.remove("option on_error");
        }
        if options.select == Select::Missing && self.closure.text.contains("Named") {
            // It asks for the last column by its name, which was not selected.
            faults.insert("column_not_found b".into());
        }
        if options.no_nulls && self.closure.of_row {
            faults.insert("option nulls".into());
        }
        if self.returns.is_wrong_for(self.closure.text) {
            faults.insert("option returns".into());
        }
        if self.closure.of_row {
            return faults;
        }
        for (position, (taken, name)) in taken.iter().zip(NAMES).enumerate() {
            // It is not there.
            if options.select == Select::Missing && position + 2 == self.columns().len() {
                continue;
            }
            let fit = taken.fit(bare.column(name).expect("it has the column").dtype());
            if fit == Fit::Never || (fit == Fit::Lossy && !options.lossy) {
                faults.insert(format!("dtype {name}"));
            }
        }
        faults
    }

    /// Returns the fate of a row.
    fn fate<'a>(
        &self,
        row: usize,
        mut reads: impl Iterator<Item = &'a Read> + Clone,
        rows: &[Vec<Value>],
    ) -> Fate {
        let unreadable = reads.clone().position(|read| *read == Read::Unreadable);
        if let Some(argument) = unreadable {
            let column = Some(NAMES[argument].to_owned());
            return Fate::Fails {
                why: Why::Value,
                calls: 0,
                column,
            };
        }
        if reads.any(|read| *read == Read::Null) {
            return Fate::Null;
        }
        let rules = Rule::followed(&self.rules, self.closure.fails);
        Fate::by_rules(&rules, row, &self.options).of_results(&self.results(), rows)
    }

    fn results(&self) -> Results {
        Results {
            names: self.output_names(),
            own: (self.closure.dtypes)(),
            returned: self.returned(),
            lossy: self.options.lossy,
        }
    }
}

/// Returns what a column of a dtype has for a value that a closure returned; `None` if it cannot hold the value.
pub fn written(dtype: &DataType, value: &Value, lossy: bool) -> Option<Value> {
    let held = |is: bool| is.then(|| value.clone());
    match (dtype, value) {
        (DataType::Int8, Value::Int(x)) => held(i8::try_from(*x).is_ok()),
        (DataType::UInt32, Value::Int(x)) => held(u32::try_from(*x).is_ok()),
        (DataType::Decimal(precision, scale), Value::Int(x)) => {
            let fits = x.unsigned_abs() < 10u128.pow((precision - scale) as u32);
            fits.then(|| Value::decimal(*x, 0))
        }
        (DataType::Decimal(precision, scale), Value::Decimal(x, own)) => {
            let lost = 10i128.pow(own.saturating_sub(*scale) as u32);
            let more = 10i128.pow(scale.saturating_sub(*own) as u32);
            let count = x / lost * more;
            let fits = count.unsigned_abs() < 10u128.pow(*precision as u32);
            (fits && (x % lost == 0 || lossy)).then(|| Value::decimal(count, *scale))
        }
        (DataType::Float64, Value::Int(x)) => {
            let float = *x as f64;
            // The largest integer is rounded up, and then down again.
            let is_exact = float as i128 == *x && float < 2f64.powi(127);
            (is_exact || lossy).then(|| Value::float(float))
        }
        (DataType::Datetime(TimeUnit::Milliseconds, _), Value::Datetime(nanoseconds))
        | (DataType::Duration(TimeUnit::Milliseconds), Value::Duration(nanoseconds)) => {
            held(nanoseconds % 1_000_000 == 0)
        }
        (DataType::Array(_, width), Value::List(items)) => held(items.len() == *width),
        (DataType::List(of), Value::List(items)) => {
            held(items.iter().all(|item| written(of, item, lossy).is_some()))
        }
        (DataType::Enum(..), Value::Text(text)) => held(WORDS.contains(&text.as_str())),
        _ => Some(value.clone()),
    }
}

struct RowItems<'c> {
    case: &'c RowCall,
    df: &'c DataFrame,
    has_no_rows: bool,
}

impl Items for RowItems<'_> {
    fn place(&self, row: usize) -> String {
        format!("Row({})", self.case.options.number(row))
    }

    fn which(&self, row: usize) -> Vec<(&'static str, Value)> {
        vec![("row", Value::Int(self.case.options.number(row) as i128))]
    }

    fn given(&self, row: usize) -> Vec<(String, Value)> {
        let columns = self.case.columns().into_iter();
        columns
            .map(|name| {
                let column = self.df.column(name).expect("it has the column");
                let value = column.get(row).expect("it has the row");
                (name.to_owned(), Value::of(&value))
            })
            .collect()
    }

    fn rows(&self, row: usize) -> Vec<usize> {
        match self.has_no_rows {
            true => Vec::new(),
            false => vec![row],
        }
    }

    fn weight(&self, _: usize) -> usize {
        1
    }

    fn height(&self) -> usize {
        self.df.height()
    }

    fn has_parts(&self) -> bool {
        !self.has_no_rows
    }
}
