//! `rows`, against a loop over the rows' values; in the background and in lazy queries too.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use arbitrary::{Result, Unstructured};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use polars::prelude::{
    AnyValue, Column, DataFrame, DataType, Engine, IntoLazy, PlSmallStr, Series, TimeUnit,
};
use polars_par_apply::prelude::{
    Apply, CallOptions, IntoRow, OnError, ParApply, ParApplyLazy, Row, RowFn, RowRng, Tick,
};
use polars_par_apply::{Casts, Error, FromRow, Nulls, OneColumn, Struct};
use rand::RngExt;
use rust_decimal::Decimal;

use crate::arguments::{Argument, Fit, Read, Taken};
use crate::expect::{Checked, Fate, Got, Items, Told, Why, is_column};
use crate::faults::{Body, Fault, Rule};
use crate::frame::{Draw, FramePlan, Kind, NAMES, WORDS};
use crate::options::{Names, Numbering, Options, Select, Token, rarely};
use crate::results::MadeRow;
use crate::value::Value;

/// Where a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Call,
    /// By `spawn_rows`.
    Job,
    /// On a `LazyFrame`, in the streaming engine or in memory.
    Lazy {
        streaming: bool,
    },
}

/// What is done with the closure's results after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    Default,
    /// The dtypes that the results have anyway.
    Own,
    /// One too many.
    TooMany,
    /// Another integer for the first result, if that is one.
    Int8,
    UInt32,
    Int128,
    /// Of the first result: a float for an integer, milliseconds for microseconds, an Enum for a text.
    OfAnotherKind,
}

/// A call of `rows`.
#[derive(Clone, Debug)]
pub struct Rows {
    pub closure: &'static Closure,
    pub frame: FramePlan,
    pub rules: Vec<Rule>,
    pub seed: u8,
    pub returns: Returns,
    pub how: How,
    pub options: Options,
}

/// One of the closures: what it takes after the row's position, what it returns, and the call.
pub struct Closure {
    text: &'static str,
    arguments: fn() -> Vec<Taken>,
    /// Whether it is a closure of `Row`, which sees every row.
    of_row: bool,
    /// Whether it returns a `Result`.
    fails: bool,
    /// Whether it has leading arguments, which calls in queries are not made with here.
    leads: bool,
    dtypes: fn() -> Vec<Option<DataType>>,
    names: fn() -> Vec<&'static str>,
    /// What it returns for a row.
    values: fn(&Run<'_>, usize) -> Vec<Value>,
    call: fn(&Run<'_>) -> Gave,
}

impl std::fmt::Debug for Closure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text)
    }
}

/// What a call gave: a query, less.
#[derive(Debug)]
pub enum Gave {
    Call(Box<std::result::Result<Got, Error>>),
    Query(std::result::Result<DataFrame, String>),
}

/// A case that is run.
#[derive(Debug)]
pub struct Run<'r> {
    case: &'r Rows,
    df: &'r DataFrame,
    call: CallOptions,
    body: Arc<Body>,
    ticks: Arc<Mutex<Vec<Tick>>>,
    /// The states that were made, and the calls that all of them have seen.
    states: Arc<AtomicUsize>,
    counted: Arc<AtomicUsize>,
}

fn draw<O: MadeRow>(seed: u8, row: usize) -> O {
    O::draw_row(&mut Draw::new(u64::from(seed) << 32 | row as u64))
}

fn drawn<O: MadeRow>(run: &Run<'_>, row: usize) -> Vec<Value> {
    draw::<O>(run.case.seed, row).values()
}

/// The dtypes of results; of `AnyValue`, none is known.
fn dtypes<O: MadeRow>() -> Vec<Option<DataType>> {
    let is_any = std::any::type_name::<O>().contains("AnyValue");
    O::dtypes()
        .into_iter()
        .map(|dtype| (!is_any).then_some(dtype))
        .collect()
}

/// A verb's output as a frame.
pub trait IntoFrame {
    fn frame(self) -> DataFrame;
}

impl IntoFrame for Column {
    fn frame(self) -> DataFrame {
        self.into_frame()
    }
}

impl IntoFrame for DataFrame {
    fn frame(self) -> DataFrame {
        self
    }
}

/// Makes a call of rows: in the background or not, and with an outcome or not.
macro_rules! call {
    ($run:expr, $apply:expr, $f:expr) => {{
        let told = |outcome| {
            let (output, told) = Told::of(outcome, $run.df);
            Got {
                output: IntoFrame::frame(output),
                told: Some(told),
            }
        };
        let bare = |output| Got {
            output: IntoFrame::frame(output),
            told: None,
        };
        let apply = $apply;
        Gave::Call(Box::new(match ($run.case.how, $run.case.options.outcome) {
            (How::Job, true) => apply.outcome().spawn_rows($f).get().map(told),
            (How::Job, false) => apply.spawn_rows($f).get().map(bare),
            (_, true) => apply.outcome().rows($f).map(told),
            (_, false) => apply.rows($f).map(bare),
        }))
    }};
}

impl<'r> Run<'r> {
    fn apply(&self) -> Apply<'r, 'static> {
        let options = &self.case.options;
        options.apply(self.df, &self.call, &self.body, &self.ticks)
    }

    /// A call without leading arguments.
    fn make<M, F>(&self, f: F) -> Gave
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoRow,
        <F::Out as IntoRow>::Output: IntoFrame + OneColumn + Send + 'static,
    {
        let How::Lazy { streaming } = self.case.how else {
            return call!(self, self.apply(), f);
        };
        let options = &self.case.options;
        let mut lazy = self
            .df
            .clone()
            .lazy()
            .par_apply()
            .on_error(options.on_error);
        if let Some(columns) = options.selected(&self.case.columns()) {
            lazy = lazy.select(columns);
        }
        if options.names != Names::Default {
            lazy = lazy.names(options.output_names(&(self.case.closure.names)()));
        }
        if let Some(dtypes) = self.case.returned() {
            lazy = lazy.returns(dtypes);
        }
        if options.no_nulls {
            lazy = lazy.nulls(Nulls::Error);
        }
        if options.lossy {
            lazy = lazy.casts(Casts::Lossy);
        }
        let engine = match streaming {
            true => Engine::Streaming,
            false => Engine::InMemory,
        };
        Gave::Query(match lazy.rows(f).collect_with_engine(engine) {
            Ok(result) => Ok(result.unwrap_single()),
            Err(error) => Err(error.to_string()),
        })
    }
}

macro_rules! closures {
    ($($fails:ident ($($a:ident: $A:ty),*) -> $O:ty;)*) => {
        &[$(Closure {
            text: concat!("|id: u32", $(", ", stringify!($a), ": ", stringify!($A),)* "| -> ", stringify!($fails), "<", stringify!($O), ">"),
            arguments: || vec![$(<$A as Argument>::taken()),*],
            of_row: false,
            fails: closures!(@fails $fails),
            leads: false,
            dtypes: dtypes::<$O>,
            names: <$O as MadeRow>::names,
            values: drawn::<$O>,
            call: |run| {
                let (body, seed) = (Arc::clone(&run.body), run.case.seed);
                closures!(@make $fails, run, body, seed, ($($a: $A),*) -> $O)
            },
        }),*]
    };
    (@fails result) => { true };
    (@fails plain) => { false };
    (@make result, $run:ident, $body:ident, $seed:ident, ($($a:ident: $A:ty),*) -> $O:ty) => {
        $run.make(move |id: u32 $(, $a: $A)*| -> anyhow::Result<$O> {
            $body.enter(id as usize, &[$(Argument::seen($a)),*])?;
            Ok(draw::<$O>($seed, id as usize))
        })
    };
    (@make plain, $run:ident, $body:ident, $seed:ident, ($($a:ident: $A:ty),*) -> $O:ty) => {
        $run.make(move |id: u32 $(, $a: $A)*| -> $O {
            $body.enter_surely(id as usize, &[$(Argument::seen($a)),*]);
            draw::<$O>($seed, id as usize)
        })
    };
}

/// Each type that a closure takes and each that it returns, in one closure at least. A row more is all that a new one takes.
const CELLS: &[Closure] = closures! {
    result () -> i64;
    plain () -> f64;
    result (x: i8) -> i8;
    result (x: i16) -> Option<i16>;
    result (x: i32) -> i32;
    plain (x: i64) -> i64;
    result (x: Option<i64>) -> Option<i64>;
    result (x: i128) -> i128;
    result (x: u8) -> u8;
    result (x: u16) -> u16;
    result (x: Option<u32>) -> u32;
    result (x: u64) -> u64;
    result (x: f32) -> f32;
    plain (x: f64) -> f64;
    result (x: Option<f64>) -> Option<bool>;
    result (x: bool) -> bool;
    result (x: Option<bool>) -> char;
    result (x: &str) -> String;
    plain (x: Option<&str>) -> Option<&'static str>;
    result (x: String) -> PlSmallStr;
    result (x: PlSmallStr) -> Option<String>;
    result (x: &[u8]) -> Vec<u8>;
    result (x: Option<Vec<u8>>) -> Option<Vec<u8>>;
    result (x: NaiveDate) -> NaiveDate;
    result (x: NaiveTime) -> Option<NaiveTime>;
    result (x: NaiveDateTime) -> NaiveDateTime;
    result (x: DateTime<Utc>) -> DateTime<Utc>;
    result (x: TimeDelta) -> TimeDelta;
    result (x: Option<NaiveDate>) -> ();
    result (x: Decimal) -> Vec<NaiveDate>;
    result (x: Option<Decimal>) -> Vec<u16>;
    result (x: Vec<i64>) -> Vec<i64>;
    result (x: Vec<Option<i64>>) -> Option<Vec<i64>>;
    plain (x: Option<Vec<i64>>) -> Vec<Option<String>>;
    result (x: Vec<Option<String>>) -> Vec<Vec<u16>>;
    result (x: Series) -> Vec<Option<f64>>;
    result (x: Struct<(i64, Option<String>)>) -> Option<DateTime<Utc>>;
    result (x: Option<Struct<(Option<i64>, &str)>>) -> Option<NaiveDateTime>;
    result (x: AnyValue<'_>) -> AnyValue<'static>;
    result (x: i64, y: &str) -> (i64, Option<String>);
    plain (x: Option<f64>, y: i32) -> (PlSmallStr, u8);
    result (x: Option<&str>, y: NaiveDate, z: bool) -> (Vec<i64>, Option<f64>, bool);
};

/// A row that binds by name.
#[derive(FromRow)]
struct Named<'a> {
    id: u32,
    a: Option<i64>,
    #[par_apply(rename = "b")]
    word: &'a str,
}

/// A row that is named by its fields.
#[derive(IntoRow)]
struct Made {
    whole: i64,
    word: Option<String>,
}

/// Those that have another shape.
static OTHERS: [Closure; 7] = [
    Closure {
        text: "|row: Named<'_>| -> result<Made>",
        arguments: || vec![Option::<i64>::taken(), <&str>::taken()],
        of_row: false,
        fails: true,
        leads: false,
        dtypes: || vec![Some(DataType::Int64), Some(DataType::String)],
        names: || vec!["whole", "word"],
        values: drawn::<(i64, Option<String>)>,
        call: |run| {
            let (body, seed) = (Arc::clone(&run.body), run.case.seed);
            run.make(move |row: Named<'_>| -> anyhow::Result<Made> {
                body.enter(row.id as usize, &[row.a.seen(), row.word.seen()])?;
                let (whole, word) = draw(seed, row.id as usize);
                Ok(Made { whole, word })
            })
        },
    },
    Closure {
        text: "|[id, x, y]: [u32; 3]| -> result<[i64; 2]>",
        arguments: || vec![u32::taken(), u32::taken()],
        of_row: false,
        fails: true,
        leads: false,
        dtypes: dtypes::<(i64, i64)>,
        names: <(i64, i64) as MadeRow>::names,
        values: drawn::<(i64, i64)>,
        call: |run| {
            let (body, seed) = (Arc::clone(&run.body), run.case.seed);
            run.make(move |[id, x, y]: [u32; 3]| -> anyhow::Result<[i64; 2]> {
                body.enter(id as usize, &[x.seen(), y.seen()])?;
                let (one, other) = draw(seed, id as usize);
                Ok([one, other])
            })
        },
    },
    Closure {
        text: "|row: Row| -> result<(i64, Option<String>)>",
        arguments: || vec![Taken::Any, Taken::Any],
        of_row: true,
        fails: true,
        leads: false,
        dtypes: dtypes::<(i64, Option<String>)>,
        names: <(i64, Option<String>) as MadeRow>::names,
        values: drawn::<(i64, Option<String>)>,
        call: |run| {
            let (body, case) = (Arc::clone(&run.body), run.case.clone());
            run.make(
                move |row: Row<'_>| -> anyhow::Result<(i64, Option<String>)> {
                    let id = row.get::<u32>("id").map_or(usize::MAX, |id| id as usize);
                    let seen = row.iter().filter(|(name, _)| NAMES.contains(name));
                    let seen: Vec<Value> = seen.map(|(_, value)| Value::of(&value)).collect();
                    // Without it, the rows of a query are numbered from 0 too.
                    if row.index() != case.options.number(id) {
                        body.finding(format!("row {id} says that its index is {}", row.index()));
                    }
                    body.enter(id, &seen)?;
                    Ok(draw(case.seed, id))
                },
            )
        },
    },
    Closure {
        text: "|(id, x): (u32, Option<i64>)| -> result<i32>",
        arguments: || vec![Option::<i64>::taken()],
        of_row: false,
        fails: true,
        leads: false,
        dtypes: dtypes::<i32>,
        names: <i32 as MadeRow>::names,
        values: drawn::<i32>,
        call: |run| {
            let (body, seed) = (Arc::clone(&run.body), run.case.seed);
            run.make(move |(id, x): (u32, Option<i64>)| -> anyhow::Result<i32> {
                body.enter(id as usize, &[x.seen()])?;
                Ok(draw(seed, id as usize))
            })
        },
    },
    Closure {
        text: "|count: &mut usize, id: u32, x: Option<i64>| -> result<i64>",
        arguments: || vec![Option::<i64>::taken()],
        of_row: false,
        fails: true,
        leads: true,
        dtypes: dtypes::<i64>,
        names: <i64 as MadeRow>::names,
        values: drawn::<i64>,
        call: |run| {
            let (body, seed) = (Arc::clone(&run.body), run.case.seed);
            let (states, finished) = (Arc::clone(&run.states), Arc::clone(&run.states));
            let counted = Arc::clone(&run.counted);
            let make = move || {
                states.fetch_add(1, SeqCst);
                0usize
            };
            let finish = move |count: usize| {
                finished.fetch_sub(1, SeqCst);
                counted.fetch_add(count, SeqCst);
            };
            let f = move |count: &mut usize, id: u32, x: Option<i64>| -> anyhow::Result<i64> {
                *count += 1;
                body.enter(id as usize, &[x.seen()])?;
                Ok(draw(seed, id as usize))
            };
            call!(run, run.apply().state(make).finish(finish), f)
        },
    },
    Closure {
        text: "|rng: &mut RowRng, id: u32, x: Option<i64>| -> result<u64>",
        arguments: || vec![Option::<i64>::taken()],
        of_row: false,
        fails: true,
        leads: true,
        dtypes: dtypes::<u64>,
        names: <u64 as MadeRow>::names,
        values: random,
        call: |run| {
            let body = Arc::clone(&run.body);
            let f = move |rng: &mut RowRng, id: u32, x: Option<i64>| -> anyhow::Result<u64> {
                body.enter(id as usize, &[x.seen()])?;
                Ok(rng.random::<u64>())
            };
            call!(run, run.apply().seed(run.case.seed.into()), f)
        },
    },
    Closure {
        text: "|count: &mut usize, rng: &mut RowRng, id: u32, x: Option<i64>| -> result<u64>",
        arguments: || vec![Option::<i64>::taken()],
        of_row: false,
        fails: true,
        leads: true,
        dtypes: dtypes::<u64>,
        names: <u64 as MadeRow>::names,
        values: random,
        call: |run| {
            let body = Arc::clone(&run.body);
            let f = move |count: &mut usize,
                          rng: &mut RowRng,
                          id: u32,
                          x: Option<i64>|
                  -> anyhow::Result<u64> {
                *count += 1;
                body.enter(id as usize, &[x.seen()])?;
                Ok(rng.random::<u64>())
            };
            call!(
                run,
                run.apply().seed(run.case.seed.into()).state(|| 0usize),
                f
            )
        },
    },
];

/// What a row of this number draws first: in a frame of its own, which is all that it depends on.
fn random(run: &Run<'_>, row: usize) -> Vec<Value> {
    let one = DataFrame::new(1, vec![Column::new("x".into(), [0i32])]).expect("a frame of a row");
    let drawn = one
        .par_apply()
        .sequential()
        .first_row(run.case.options.number(row) as u64)
        .seed(run.case.seed.into())
        .rows(|rng: &mut RowRng, _: i32| rng.random::<u64>());
    let drawn = drawn.expect("a call of one row");
    vec![Value::of(&drawn.get(0).expect("there is a row"))]
}

impl Rows {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let closure = u.choose_index(CELLS.len() + 3 * OTHERS.len())?;
        let closure = match closure.checked_sub(CELLS.len()) {
            None => &CELLS[closure],
            Some(other) => &OTHERS[other / 3],
        };
        let kinds: Vec<Vec<Kind>> = (closure.arguments)().iter().map(Taken::kinds).collect();
        let wished: Vec<&[Kind]> = kinds.iter().map(Vec::as_slice).collect();
        let mut frame = FramePlan::arbitrary(u, &wished)?;
        let mut options = Options::arbitrary(u)?;
        let rules = Rule::some(u)?;
        let mut how = match u.int_in_range(0..=7)? {
            0 | 1 => How::Job,
            2 => How::Lazy { streaming: true },
            3 => How::Lazy { streaming: false },
            _ => How::Call,
        };
        if closure.leads && matches!(how, How::Lazy { .. }) {
            how = How::Call;
        }
        match how {
            How::Lazy { .. } => {
                // What a query has no option for.
                options = Options {
                    workers: crate::options::Workers::Default,
                    cut: crate::options::Cut::Default,
                    numbering: Numbering::Default,
                    max_failures: None,
                    retry: None,
                    token: Token::No,
                    long_deadline: false,
                    partial: false,
                    progress: false,
                    outcome: true,
                    ..options
                };
                if options.on_error == OnError::Collect {
                    options.on_error = OnError::Null;
                }
            }
            // A job that is cancelled before it has begun has no finished part.
            How::Job if options.token == Token::CancelledBefore => options.token = Token::Given,
            _ => {}
        }
        if closure.leads {
            frame.rows = frame.rows.min(60);
        }
        Ok(Rows {
            closure,
            frame,
            rules,
            seed: u.arbitrary()?,
            returns: match u.int_in_range(0..=15)? {
                0..=9 => Returns::Default,
                10 | 11 => Returns::Own,
                12 => Returns::Int8,
                13 => Returns::UInt32,
                14 => Returns::Int128,
                _ if rarely(u, 4)? => Returns::TooMany,
                _ => Returns::OfAnotherKind,
            },
            how,
            options,
        })
    }

    /// The columns that the closure takes.
    fn columns(&self) -> Vec<&'static str> {
        let others = &NAMES[..self.frame.columns.len()];
        std::iter::once("id")
            .chain(others.iter().copied())
            .collect()
    }

    /// What `returns` is given.
    fn returned(&self) -> Option<Vec<DataType>> {
        let mut own: Option<Vec<DataType>> = (self.closure.dtypes)().into_iter().collect();
        if self.returns == Returns::Default {
            return None;
        }
        let own = own.get_or_insert_with(|| vec![DataType::Int64]);
        let other = match self.returns {
            Returns::Int8 => DataType::Int8,
            Returns::UInt32 => DataType::UInt32,
            Returns::Int128 => DataType::Int128,
            Returns::TooMany => {
                own.push(DataType::Int64);
                return Some(own.clone());
            }
            Returns::OfAnotherKind => {
                let lossy = self.options.lossy;
                own[0] = match own[0].clone() {
                    dtype if dtype.is_integer() => DataType::Float64,
                    DataType::Datetime(_, zone) if !lossy => {
                        DataType::Datetime(TimeUnit::Milliseconds, zone)
                    }
                    DataType::Duration(_) if !lossy => DataType::Duration(TimeUnit::Milliseconds),
                    DataType::String => Kind::Enum.dtype(),
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

    /// Runs the case, and says what is wrong.
    pub fn check(&self) -> std::result::Result<(), String> {
        let options = &self.options;
        let bare = self.frame.frame();
        let columns = self.columns();
        let df = options.with_more_columns(bare.clone());
        let names = (self.closure.names)();
        let returned = self.returned();
        let mut call = options.call(&columns, &names);
        if let Some(dtypes) = &returned {
            call = call.returns(dtypes.iter().cloned());
        }

        let mut faults = options.faults(df.height(), names.len());
        let taken = (self.closure.arguments)();
        if options.select == Select::Missing && self.closure.text.contains("Named") {
            // It asks for the last column by its name, which was not selected.
            faults.insert("column_not_found b".into());
        }
        if options.no_nulls && self.closure.of_row {
            faults.insert("option nulls".into());
        }
        if self.returns == Returns::TooMany {
            faults.insert("option returns".into());
        }
        if !self.closure.of_row {
            for (position, (taken, name)) in taken.iter().zip(NAMES).enumerate() {
                // It is not there.
                if options.select == Select::Missing && position + 1 == taken_len(&columns) {
                    continue;
                }
                let fit = taken.fit(bare.column(name).expect("it has the column").dtype());
                if fit == Fit::Never || (fit == Fit::Lossy && !options.lossy) {
                    faults.insert(format!("dtype {name}"));
                }
            }
        }
        // What the closure is to see, by a loop over the values.
        let is_refused = !faults.is_empty();
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
            states: Arc::default(),
            counted: Arc::default(),
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

        let values: Vec<Vec<Value>> = match is_refused || null_fault.is_some() {
            true => Vec::new(),
            false => (0..df.height())
                .map(|row| (self.closure.values)(&run, row))
                .collect(),
        };
        let fates: Vec<Fate> = match values.is_empty() {
            true => vec![Fate::Null; df.height()],
            false => (0..df.height())
                .map(|row| self.fate(row, in_row(row), &values[row], returned.as_deref()))
                .collect(),
        };
        let gave = (self.closure.call)(&run);

        let ticks = run.ticks.lock().expect("no holder panics").clone();
        let checked = Checked {
            options,
            fates: &fates,
            whole: false,
            body: &body,
            ticks: &ticks,
        };
        let items = RowItems {
            case: self,
            df: &df,
        };
        let got = match gave {
            Gave::Call(got) => *got,
            Gave::Query(result) => {
                let may = !is_refused && null_fault.is_none();
                return self.check_query(result, may, &df, &fates, &values, &body);
            }
        };
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
        let calls: u32 = body.calls().iter().sum();
        if self.closure.text.starts_with("|count: &mut usize, id") {
            let (states, counted) = (run.states.load(SeqCst), run.counted.load(SeqCst));
            if states != 0 || counted != calls as usize {
                return Err(format!(
                    "{states} states are not finished; they were given {counted} of {calls} calls"
                ));
            }
        }
        let (Some(kept), Ok(got)) = (kept, got) else {
            return Ok(());
        };
        self.check_output(&got.output, &kept, &fates, &values, returned.as_deref())
    }

    /// What becomes of a row.
    fn fate<'a>(
        &self,
        row: usize,
        mut reads: impl Iterator<Item = &'a Read> + Clone,
        values: &[Value],
        returned: Option<&[DataType]>,
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
        let fate = Fate::by_rules(&self.body_rules(), row, &self.options);
        match (&fate, returned) {
            (Fate::Done { calls }, Some(dtypes)) => {
                let unfit = values
                    .iter()
                    .zip(dtypes)
                    .position(|(value, dtype)| self.written(dtype, value).is_none());
                let names = self.options.output_names(&(self.closure.names)());
                unfit.map_or(fate.clone(), |column| Fate::Fails {
                    why: Why::Value,
                    calls: *calls,
                    column: Some(names[column].to_string()),
                })
            }
            _ => fate,
        }
    }

    /// What a column of a dtype has of a value that a closure returned; none where it cannot hold it.
    fn written(&self, dtype: &DataType, value: &Value) -> Option<Value> {
        let held = |is: bool| is.then(|| value.clone());
        match (dtype, value) {
            (DataType::Int8, Value::Int(x)) => held(i8::try_from(*x).is_ok()),
            (DataType::UInt32, Value::Int(x)) => held(u32::try_from(*x).is_ok()),
            (DataType::Float64, Value::Int(x)) => {
                let float = *x as f64;
                // The largest integer is rounded up, and back down.
                let is_exact = float as i128 == *x && float < 2f64.powi(127);
                (is_exact || self.options.lossy).then(|| Value::float(float))
            }
            (DataType::Datetime(TimeUnit::Milliseconds, _), Value::Datetime(nanoseconds))
            | (DataType::Duration(TimeUnit::Milliseconds), Value::Duration(nanoseconds)) => {
                held(nanoseconds % 1_000_000 == 0)
            }
            (DataType::Enum(..), Value::Text(text)) => held(WORDS.contains(&text.as_str())),
            _ => Some(value.clone()),
        }
    }

    /// The rules as the closure follows them: one that returns no `Result` returns no error.
    fn body_rules(&self) -> Vec<Rule> {
        self.rules
            .iter()
            .map(|rule| match rule.fault {
                // A rule still stands before those after it.
                Fault::Error | Fault::ErrorAtFirst(_) if !self.closure.fails => Rule {
                    fault: Fault::ErrorAtFirst(0),
                    ..*rule
                },
                _ => *rule,
            })
            .collect()
    }

    fn check_output(
        &self,
        output: &DataFrame,
        kept: &[usize],
        fates: &[Fate],
        values: &[Vec<Value>],
        returned: Option<&[DataType]>,
    ) -> std::result::Result<(), String> {
        let names = self.options.output_names(&(self.closure.names)());
        if output.width() != names.len() {
            return Err(format!("the output has {} columns", output.width()));
        }
        for (position, name) in names.iter().enumerate() {
            let own = (self.closure.dtypes)()[position].clone();
            let dtype = returned.map_or(own, |dtypes| Some(dtypes[position].clone()));
            let expected = kept.iter().map(|row| match fates[*row] {
                Fate::Done { .. } => {
                    let value = &values[*row][position];
                    let written = dtype.as_ref().map(|dtype| self.written(dtype, value));
                    written.map_or(value.clone(), |written| written.unwrap_or(Value::Null))
                }
                _ => Value::Null,
            });
            let expected: Vec<Value> = expected.collect();
            is_column(&output.columns()[position], name, dtype.as_ref(), &expected)?;
        }
        Ok(())
    }

    /// A query has the frame's columns and the results, which take the places of those of the same names; and one text as its
    /// error.
    fn check_query(
        &self,
        result: std::result::Result<DataFrame, String>,
        may: bool,
        df: &DataFrame,
        fates: &[Fate],
        values: &[Vec<Value>],
        body: &Body,
    ) -> std::result::Result<(), String> {
        let findings = body.findings();
        if !findings.is_empty() {
            return Err(findings.join("\n"));
        }
        let calls = body.calls();
        let failing: Vec<usize> = (0..fates.len()).filter(|row| fates[*row].fails()).collect();
        // A column of no known dtype is refused when the query is planned.
        let known =
            (self.closure.dtypes)().iter().all(Option::is_some) || self.returned().is_some();
        let output = match (result, may && known) {
            (Ok(_), false) => return Err("the query is to be refused".into()),
            (Err(error), false) => {
                let calls: u32 = calls.iter().sum();
                // Where it streams, a null may come in a later batch.
                let streams = self.how == How::Lazy { streaming: true } && self.options.no_nulls;
                return match calls == 0 || streams {
                    true => Ok(()),
                    false => Err(format!("it is refused after {calls} calls: {error}")),
                };
            }
            (Err(error), true) => {
                let says = |row: &usize| match &fates[*row] {
                    Fate::Fails {
                        why: Why::Value,
                        column,
                        ..
                    } => column
                        .as_ref()
                        .is_some_and(|column| error.contains(column.as_str())),
                    _ => {
                        error.contains(&format!("fault {row}"))
                            || error.contains(&format!("{} {row}", crate::faults::PANIC))
                    }
                };
                let is_so = self.options.on_error == OnError::Fail && failing.iter().any(says);
                let few = calls
                    .iter()
                    .zip(fates)
                    .all(|(calls, fate)| *calls <= fate.calls());
                return match is_so && few {
                    true => Ok(()),
                    false => Err(format!("the query is not to fail so: {error}")),
                };
            }
            (Ok(output), true) => output,
        };
        if self.options.on_error == OnError::Fail && !failing.is_empty() {
            return Err(format!("row {} fails, and the query does not", failing[0]));
        }
        let exactly = calls
            .iter()
            .zip(fates)
            .all(|(calls, fate)| *calls == fate.calls());
        if !exactly {
            return Err(format!("the rows were called {calls:?} times"));
        }
        let kept: Vec<usize> = (0..fates.len())
            .filter(|row| self.options.on_error != OnError::Skip || !fates[*row].fails())
            .collect();
        let names = self.options.output_names(&(self.closure.names)());
        let expected_names: Vec<&str> = df
            .get_column_names()
            .into_iter()
            .map(PlSmallStr::as_str)
            .chain(names.iter().map(PlSmallStr::as_str))
            .collect();
        if output.get_column_names() != expected_names {
            return Err(format!(
                "the query has the columns {:?}",
                output.get_column_names()
            ));
        }
        for column in df.columns() {
            let all = Value::all(column);
            let expected: Vec<Value> = kept.iter().map(|row| all[*row].clone()).collect();
            is_column(
                output.column(column.name()).expect("it has the name"),
                column.name(),
                Some(column.dtype()),
                &expected,
            )?;
        }
        let results = output
            .select(names.iter().cloned())
            .map_err(|error| error.to_string())?;
        self.check_output(&results, &kept, fates, values, self.returned().as_deref())
    }
}

fn taken_len(columns: &[&str]) -> usize {
    columns.len() - 1
}

struct RowItems<'c> {
    case: &'c Rows,
    df: &'c DataFrame,
}

impl RowItems<'_> {
    /// The columns that the closure is given, in its arguments' order.
    fn columns(&self) -> Vec<&str> {
        self.case.columns()
    }
}

impl Items for RowItems<'_> {
    fn place(&self, row: usize) -> String {
        format!("Row({})", self.case.options.number(row))
    }

    fn which(&self, row: usize) -> Vec<(&'static str, Value)> {
        vec![("row", Value::Int(self.case.options.number(row) as i128))]
    }

    fn given(&self, row: usize) -> Vec<(String, Value)> {
        let columns = self.columns().into_iter();
        columns
            .map(|name| {
                let column = self.df.column(name).expect("it has the column");
                let value = column.get(row).expect("it has the row");
                (name.to_owned(), Value::of(&value))
            })
            .collect()
    }

    fn rows(&self, row: usize) -> Range<usize> {
        row..row + 1
    }

    fn weight(&self, _: usize) -> usize {
        1
    }

    fn height(&self) -> usize {
        self.df.height()
    }
}
