//! What verbs with a closure of several rows (of groups, parts or windows) share: the plan of a call, a loop that computes what the closure
//! must be given and the fate of each item, and the call itself.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use arbitrary::{Result, Unstructured};
use chrono::{NaiveDate, NaiveDateTime};
use polars::prelude::{AnyValue, Column, DataFrame, DataType};
use polars_par_apply::prelude::{Apply, CallOptions, OnError, Tick};
use polars_par_apply::{Failures, LazyApply};

use crate::arguments::{Argument, Fit, Read, Taken};
use crate::expect::{Checked, Fate, Items, Query, Why};
use crate::faults::{Body, Rule};
use crate::frame::{Draw, FramePlan, Kind, Layout, NAMES};
use crate::keys::Keys;
use crate::options::{Cut, Names, Options, Select, rarely};
use crate::results::Shape;
use crate::row_call::{
    After, Gave, How, Results, Returns, States, choose, draw_of, random, results_beside,
};
use crate::spans::Span;
use crate::value::Value;
use crate::window::WindowPlan;

/// The verb that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Groups,
    Transform,
    Windows,
}

/// The kind of a call's items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Group,
    Part,
    Window,
}

/// The leading arguments of the closure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// None. Only these are called in queries.
    Any,
    None,
    /// A state, which counts the calls.
    State,
    /// A random stream.
    Seed,
    Both,
}

impl Lead {
    fn has_state(self) -> bool {
        matches!(self, Lead::State | Lead::Both)
    }

    pub fn has_seed(self) -> bool {
        matches!(self, Lead::Seed | Lead::Both)
    }
}

/// What a closure takes for an item.
#[derive(Clone, Debug)]
pub struct Takes {
    /// Keys; for windows, cells of the row after its position.
    pub cells: Vec<Taken>,
    /// Values and rows, after the rows' positions.
    pub spans: Vec<Span>,
    pub form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Cells, the positions, and the spans.
    Typed,
    /// Cells, and one span whose first column is the positions.
    Alone,
    /// Cells.
    Cells,
    /// The positions before the cells, which no verb accepts.
    CellsLast,
    /// A whole group, with or without its index.
    Whole { is_known: bool },
}

/// One of the closures.
pub struct Closure {
    pub text: &'static str,
    pub takes: fn() -> Takes,
    pub lead: Lead,
    /// Whether it returns a `Result`.
    pub fails: bool,
    pub shape: Shape,
    pub dtypes: fn() -> Vec<DataType>,
    pub names: fn() -> Vec<&'static str>,
    /// The results that it gives for this many rows.
    pub gives: fn(&mut Draw, usize) -> Vec<Vec<Value>>,
    pub call: fn(&Run<'_>) -> Gave,
}

impl std::fmt::Debug for Closure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text)
    }
}

/// A call whose closure is given several rows at once.
#[derive(Clone, Debug)]
pub struct SpanCall {
    pub verb: Verb,
    pub closure: &'static Closure,
    pub frame: FramePlan,
    pub keys: Option<Keys>,
    pub window: Option<WindowPlan>,
    pub rules: Vec<Rule>,
    pub seed: u8,
    pub returns: Returns,
    pub how: How,
    pub after: After,
    pub options: Options,
}

/// What a closure was given for an item.
#[derive(Debug)]
pub struct Seen {
    /// Keys, if it takes them.
    pub keys: Vec<Value>,
    /// The position of its first row, or of the row that the window belongs to.
    pub first: Option<usize>,
    /// All other arguments.
    pub values: Vec<Value>,
    pub rows: usize,
}

/// The random numbers for items that the closure cannot identify.
const ANONYMOUS: usize = u32::MAX as usize;

/// How a closure knows which item it is given.
#[derive(Debug)]
pub struct Who {
    pub body: Arc<Body>,
    pub seed: u8,
    by_row: Vec<usize>,
    /// `None` if several items have these keys for the closure.
    by_key: HashMap<Vec<Value>, Option<usize>>,
    /// How often it was given an item that it cannot identify.
    anonymous: AtomicUsize,
}

impl Who {
    /// An item that is given without rows and without keys cannot be identified.
    fn of(&self, keys: &[Value], first: Option<usize>) -> Option<usize> {
        match first {
            Some(row) => Some(self.by_row.get(row).copied().unwrap_or(usize::MAX)),
            None => self.by_key.get(keys).copied().flatten(),
        }
    }

    /// Does what a closure does first, and returns the item for which it draws.
    pub fn enter(&self, seen: Seen) -> anyhow::Result<usize> {
        let Some(item) = self.of(&seen.keys, seen.first) else {
            self.anonymous.fetch_add(1, SeqCst);
            return Ok(ANONYMOUS);
        };
        let mut values = seen.keys;
        values.extend(seen.values);
        self.body.enter(item, &values).map(|()| item)
    }

    /// Does the same for a closure that returns no `Result`.
    pub fn enter_surely(&self, seen: Seen) -> usize {
        // A closure that can fail follows all rules, and this one only those that panic.
        let keys = seen.keys.clone();
        let first = seen.first;
        self.enter(seen)
            .unwrap_or_else(|_| self.of(&keys, first).unwrap_or(ANONYMOUS))
    }
}

/// A case that is being run.
#[derive(Debug)]
pub struct Run<'r> {
    pub case: &'r SpanCall,
    pub df: &'r DataFrame,
    pub call: CallOptions,
    pub who: Arc<Who>,
    pub ticks: Arc<Mutex<Vec<Tick>>>,
    pub states: States,
    pub failures: Failures,
}

impl<'r> Run<'r> {
    pub fn apply(&self) -> Apply<'r, 'static> {
        let options = &self.case.options;
        options.apply(self.df, &self.call, &self.who.body, &self.ticks)
    }

    pub fn in_background(&self) -> bool {
        self.case.how == How::Job
    }

    /// Returns the call on a `LazyFrame` with its options, if it is made on one.
    pub fn lazy(&self) -> Option<LazyApply> {
        let case = self.case;
        if !case.in_query() {
            return None;
        }
        let columns: Vec<&str> = case.columns().into_iter().map(|(name, _)| name).collect();
        let mut lazy = case.options.lazy(
            self.df,
            &columns,
            &(case.closure.names)(),
            case.returned(),
            &self.failures,
        );
        if let Some(keys) = &case.keys {
            lazy = lazy.by(keys.given());
            if keys.without_keys {
                lazy = lazy.without_keys();
            }
            if let Some(null_keys) = keys.null_keys {
                lazy = lazy.null_keys(null_keys);
            }
        }
        Some(lazy)
    }
}

/// A table of closures: the macro that makes the call of one, and the trait of what they return, [`MadeGroup`] or
/// [`MadeTransform`]. Each line has what comes first, whether it fails, and what it takes:
///
/// - `([keys], spans)`: the rows' positions, and these,
/// - `(alone [keys], span)`, whose first column is that of the positions,
/// - `(only [keys])`,
/// - `(last key)`, after the positions,
/// - `(whole frame)`,
/// - `(window [cells], spans)`: the row's position, its cells, the positions of the window's rows, and these.
///
/// [`MadeGroup`]: crate::results::MadeGroup
/// [`MadeTransform`]: crate::results::MadeTransform
macro_rules! spans {
    ($make:ident $Made:ident: $($lead:ident $fails:ident $args:tt -> $O:ty;)*) => {
        &[$($crate::span_call::Closure {
            text: concat!(stringify!($lead), " ", stringify!($fails), " ", stringify!($args), " -> ", stringify!($O)),
            takes: || $crate::span_call::spans!(@takes $args),
            lead: $crate::span_call::spans!(@lead $lead),
            fails: $crate::span_call::spans!(@fails $fails),
            shape: <$O as $Made>::SHAPE,
            dtypes: <$O as $Made>::dtypes,
            names: <$O as $Made>::names,
            gives: |draw, rows| <$O as $Made>::rows(&<$O as $Made>::draw_span(draw, rows)),
            call: |run| $crate::span_call::spans!(@params $args, $lead $fails $make $Made run $O),
        }),*]
    };
    (@lead any) => { $crate::span_call::Lead::Any };
    (@lead none) => { $crate::span_call::Lead::None };
    (@lead state) => { $crate::span_call::Lead::State };
    (@lead seed) => { $crate::span_call::Lead::Seed };
    (@lead both) => { $crate::span_call::Lead::Both };
    (@fails result) => { true };
    (@fails plain) => { false };

    (@takes ([$($k:ident: $K:ty),*] $(, $a:ident: $A:ty)*)) => {
        $crate::span_call::spans!(@takes Typed [$($K),*] [$($A),*])
    };
    (@takes (alone [$($k:ident: $K:ty),*], $a:ident: $A:ty)) => {
        $crate::span_call::spans!(@takes Alone [$($K),*] [$A])
    };
    (@takes (only [$($k:ident: $K:ty),*])) => { $crate::span_call::spans!(@takes Cells [$($K),*] []) };
    (@takes (last $k:ident: $K:ty)) => { $crate::span_call::spans!(@takes CellsLast [$K] []) };
    (@takes (window [$($k:ident: $K:ty),*] $(, $a:ident: $A:ty)*)) => {
        $crate::span_call::spans!(@takes Typed [$($K),*] [$($A),*])
    };
    (@takes (whole $W:ty)) => {
        $crate::span_call::Takes {
            cells: Vec::new(),
            spans: Vec::new(),
            form: $crate::span_call::Form::Whole {
                is_known: <$W as $crate::spans::WholeGroup>::IS_KNOWN,
            },
        }
    };
    (@takes $Form:ident [$($K:ty),*] [$($A:ty),*]) => {
        $crate::span_call::Takes {
            cells: vec![$(<$K as $crate::arguments::Argument>::taken()),*],
            spans: vec![$(<$A as $crate::spans::Spans>::span()),*],
            form: $crate::span_call::Form::$Form,
        }
    };

    (@params ([$($k:ident: $K:ty),*] $(, $a:ident: $A:ty)*), $($rest:tt)*) => {
        $crate::span_call::spans!(@call $($rest)*, ($($k: $K,)* ids: Values<'_, u32> $(, $a: $A)*), {
            use $crate::spans::Spans;
            $crate::span_call::Seen {
                keys: vec![$($crate::arguments::Argument::seen($k)),*],
                first: ids.first(),
                rows: ids.len(),
                values: vec![ids.all() $(, $a.all())*],
            }
        })
    };
    (@params (alone [$($k:ident: $K:ty),*], $a:ident: $A:ty), $($rest:tt)*) => {
        $crate::span_call::spans!(@call $($rest)*, ($($k: $K,)* $a: $A), {
            use $crate::spans::Spans;
            $crate::span_call::Seen {
                keys: vec![$($crate::arguments::Argument::seen($k)),*],
                first: $a.first(),
                rows: $a.len(),
                values: vec![$a.all()],
            }
        })
    };
    (@params (only [$($k:ident: $K:ty),*]), $($rest:tt)*) => {
        $crate::span_call::spans!(@call $($rest)*, ($($k: $K),*), {
            $crate::span_call::Seen {
                keys: vec![$($crate::arguments::Argument::seen($k)),*],
                first: None,
                rows: 0,
                values: Vec::new(),
            }
        })
    };
    (@params (last $k:ident: $K:ty), $($rest:tt)*) => {
        $crate::span_call::spans!(@call $($rest)*, (ids: Values<'_, u32>, $k: $K), {
            use $crate::spans::Spans;
            $crate::span_call::Seen {
                keys: vec![$crate::arguments::Argument::seen($k)],
                first: ids.first(),
                rows: ids.len(),
                values: vec![ids.all()],
            }
        })
    };
    (@params (whole $W:ty), $($rest:tt)*) => {
        $crate::span_call::spans!(@call $($rest)*, (group: $W), {
            use $crate::spans::WholeGroup;
            $crate::span_call::Seen {
                keys: Vec::new(),
                first: group.first(),
                rows: group.of().height(),
                values: group.whole(),
            }
        })
    };
    (@params (window [$($k:ident: $K:ty),*] $(, $a:ident: $A:ty)*), $($rest:tt)*) => {
        $crate::span_call::spans!(@call $($rest)*, (id: u32 $(, $k: $K)*, at: Values<'_, u32> $(, $a: $A)*), {
            use $crate::spans::Spans;
            $crate::span_call::Seen {
                keys: Vec::new(),
                first: Some(id as usize),
                rows: at.len(),
                values: vec![$crate::arguments::Argument::seen(id) $(, $crate::arguments::Argument::seen($k))*, at.all() $(, $a.all())*],
            }
        })
    };

    (@call any $fails:ident $make:ident $Made:ident $run:ident $O:ty, $params:tt, $seen:expr) => {{
        let who = std::sync::Arc::clone(&$run.who);
        let f = $crate::span_call::spans!(@f $fails $Made who $O, [], $params, $seen);
        match $run.lazy() {
            Some(lazy) => {
                let query = $make!(@query $run, lazy, f);
                $crate::row_call::collect(query, $run.case.how, $run.case.after)
            }
            None => $make!($run, $run.apply(), f),
        }
    }};
    (@call none $fails:ident $make:ident $Made:ident $run:ident $O:ty, $params:tt, $seen:expr) => {{
        let who = std::sync::Arc::clone(&$run.who);
        let f = $crate::span_call::spans!(@f $fails $Made who $O, [], $params, $seen);
        $make!($run, $run.apply(), f)
    }};
    (@call state $fails:ident $make:ident $Made:ident $run:ident $O:ty, $params:tt, $seen:expr) => {{
        let who = std::sync::Arc::clone(&$run.who);
        let f = $crate::span_call::spans!(@f $fails $Made who $O, [count: &mut usize], $params, {
            *count += 1;
            $seen
        });
        let (made, finished) = $run.states.counters();
        $make!($run, $run.apply().state(made).finish(finished), f)
    }};
    (@call seed $fails:ident $make:ident $Made:ident $run:ident $O:ty, $params:tt, $seen:expr) => {{
        let who = std::sync::Arc::clone(&$run.who);
        let f = $crate::span_call::spans!(@f $fails $Made who $O, [rng: &mut RowRng], $params, $seen, rng);
        $make!($run, $run.apply().seed($run.case.seed.into()), f)
    }};
    (@call both $fails:ident $make:ident $Made:ident $run:ident $O:ty, $params:tt, $seen:expr) => {{
        let who = std::sync::Arc::clone(&$run.who);
        let f = $crate::span_call::spans!(@f $fails $Made who $O, [count: &mut usize, rng: &mut RowRng], $params, {
            *count += 1;
            $seen
        }, rng);
        let (made, finished) = $run.states.counters();
        let apply = $run.apply().seed($run.case.seed.into());
        $make!($run, apply.state(made).finish(finished), f)
    }};

    (@f result $Made:ident $who:ident $O:ty, [$($lead:tt)*], ($($params:tt)*), $seen:expr $(, $rng:ident)?) => {
        $crate::span_call::spans!(@closure [$($lead)*] ($($params)*) anyhow::Result<$O>, {
            let seen = $seen;
            let rows = seen.rows;
            let item = $who.enter(seen)?;
            let mut draw = $crate::span_call::spans!(@draw $who item $($rng)?);
            Ok(<$O as $Made>::draw_span(&mut draw, rows))
        })
    };
    (@f plain $Made:ident $who:ident $O:ty, [$($lead:tt)*], ($($params:tt)*), $seen:expr $(, $rng:ident)?) => {
        $crate::span_call::spans!(@closure [$($lead)*] ($($params)*) $O, {
            let seen = $seen;
            let rows = seen.rows;
            let item = $who.enter_surely(seen);
            let mut draw = $crate::span_call::spans!(@draw $who item $($rng)?);
            <$O as $Made>::draw_span(&mut draw, rows)
        })
    };
    (@closure [] ($($params:tt)*) $Out:ty, $body:block) => { move |$($params)*| -> $Out { $body } };
    (@closure [$($lead:tt)+] ($($params:tt)*) $Out:ty, $body:block) => {
        move |$($lead)+, $($params)*| -> $Out { $body }
    };
    (@draw $who:ident $item:ident) => { $crate::row_call::draw_of($who.seed, $item) };
    (@draw $who:ident $item:ident $rng:ident) => {{
        let _ = $item;
        $crate::frame::Draw::new(rand::RngExt::random::<u64>($rng))
    }};
}

pub(crate) use spans;

/// The properties of a verb, besides its closures.
pub trait SpanVerb {
    /// Notes what this verb refuses in addition to what all verbs refuse.
    fn faults(&self, case: &SpanCall, faults: &mut BTreeSet<String>);

    /// Returns what is wrong with the output.
    fn output(&self, done: &Done<'_>, output: &DataFrame) -> std::result::Result<(), String>;
}

/// An item, as the plain loop finds it.
#[derive(Clone, Debug)]
pub struct Item {
    /// The rows that it stands for.
    pub rows: Vec<usize>,
    /// The rows that the closure is given.
    pub seen: Vec<usize>,
    /// What the closure must be given; `None` if it must not be called, or cannot identify the item.
    values: Option<Vec<Value>>,
    pub fate: Fate,
    /// The closure's results.
    pub given: Vec<Vec<Value>>,
    is_known: bool,
}

/// A call that gave an output.
#[derive(Debug)]
pub struct Done<'d> {
    pub case: &'d SpanCall,
    pub df: &'d DataFrame,
    pub items: &'d [Item],
    /// The items that must be in the output.
    pub kept: &'d [usize],
    /// The rows that must be in the output, for a verb that has a result for each row.
    pub rows: &'d [usize],
}

impl Done<'_> {
    /// Returns the items that have a result.
    pub fn done(&self) -> impl Iterator<Item = &Item> {
        let kept = self.kept.iter().map(|item| &self.items[*item]);
        kept.filter(|item| matches!(item.fate, Fate::Done { .. }))
    }

    /// Checks that the output has a result for each row; in a query, beside the frame's columns.
    pub fn is_of_rows(&self, output: &DataFrame) -> std::result::Result<(), String> {
        let results = self.case.results();
        let beside;
        let columns = match self.case.in_query() {
            false => output.columns(),
            true => {
                beside = results_beside(self.df, &results.names, self.rows, output)?;
                beside.columns()
            }
        };
        let mut cells: Vec<Option<&[Value]>> = vec![None; self.df.height()];
        for item in self.done() {
            for (position, row) in item.seen.iter().enumerate() {
                let position = match self.case.closure.shape {
                    Shape::Rows | Shape::Column => position,
                    _ => 0,
                };
                cells[*row] = Some(&item.given[position]);
            }
        }
        let cells: Vec<Option<&[Value]>> = self.rows.iter().map(|row| cells[*row]).collect();
        if self.case.closure.shape == Shape::Column && self.done().next().is_none() {
            // Nothing says which dtype the column has.
            let is_null = output.columns()[0].null_count() == cells.len();
            return match is_null && output.height() == cells.len() {
                true => Ok(()),
                false => Err(format!("nothing is done, and the output is {output}")),
            };
        }
        results.are(columns, &cells)
    }
}

/// An argument and the columns that it is bound to.
struct Bound {
    is_cell: bool,
    is_rows: bool,
    /// Which of the columns it takes.
    columns: Range<usize>,
}

impl Bound {
    fn of(&self, cells: Vec<Value>) -> Value {
        match self.is_rows {
            true => Value::Struct(cells),
            false => cells.into_iter().next().expect("it takes a column"),
        }
    }
}

/// The values for the closure's arguments, for each row of the frame.
struct Reads {
    keys: Vec<Vec<Read>>,
    columns: Vec<Vec<Read>>,
    bound: Vec<Bound>,
    /// The rows that are given to no item.
    hidden: Vec<bool>,
}

impl SpanCall {
    /// A call of one of these closures.
    pub fn arbitrary(
        u: &mut Unstructured<'_>,
        verb: Verb,
        tables: &[(&'static [Closure], usize)],
    ) -> Result<Self> {
        let closure = choose(u, tables)?;
        let takes = (closure.takes)();
        let cells: &[Taken] = match verb {
            Verb::Windows => &[],
            _ => &takes.cells,
        };
        let has_keys = match verb {
            Verb::Groups => !rarely(u, 60)?,
            _ if !cells.is_empty() => !rarely(u, 20)?,
            _ => !rarely(u, 3)?,
        };
        let mut keys = match has_keys {
            true => Some(Keys::arbitrary(u, cells)?),
            false => None,
        };
        if let Some(keys) = &mut keys
            && verb != Verb::Groups
        {
            keys.without_keys &= rarely(u, 10)?;
        }
        let window = match verb {
            Verb::Windows => Some(WindowPlan::arbitrary(u)?),
            _ => None,
        };
        let own = takes.own_columns(verb);
        let mut kinds: Vec<Vec<Kind>> = own.iter().map(Taken::kinds).collect();
        if matches!(takes.form, Form::Cells | Form::Whole { .. }) {
            kinds = vec![Vec::new(); u.int_in_range(0..=2)?];
        }
        let wished: Vec<&[Kind]> = kinds.iter().map(Vec::as_slice).collect();
        let mut frame = FramePlan::arbitrary(u, &wished)?;
        match &window {
            Some(window) if window.is_short() => {}
            Some(_) => frame.rows = frame.rows.min(150),
            // Several workers prepare the columns of some frames.
            None if frame.rows > 500 && rarely(u, 4)? => {
                frame.rows += 16_000;
                // Polars searches for a row chunk by chunk, which is slow.
                let keys = keys.iter_mut().flat_map(|keys| &mut keys.plans);
                let keys = keys.map(|key| &mut key.column.layout);
                let columns = frame.columns.iter_mut().map(|column| &mut column.layout);
                for layout in keys.chain(columns).chain([&mut frame.id]) {
                    if let Layout::Chunks(chunks) | Layout::Slice { chunks, .. } = layout {
                        chunks.clear();
                    }
                }
            }
            None => {}
        }
        let mut options = Options::arbitrary(u)?;
        let in_queries = closure.lead == Lead::Any;
        let how = How::arbitrary(u, in_queries, &mut options)?;
        let rules = Rule::some(u)?;
        // What it refuses is given rarely.
        if u.int_in_range(0..=15)? > 0 {
            if verb != Verb::Windows && keys.is_some() {
                options.cut = Cut::Default;
            }
            let is_cut = matches!(options.cut, Cut::ChunkRows(_) | Cut::Partitions(_));
            if verb == Verb::Transform && keys.is_none() && closure.lead.has_seed() && !is_cut {
                options.cut = Cut::ChunkRows(7);
            }
            if matches!(takes.form, Form::Whole { .. }) {
                options.no_nulls = false;
                if closure.shape == Shape::Whole {
                    options.lossy = false;
                }
            }
            if closure.shape == Shape::Whole && options.on_error == OnError::Null {
                options.on_error = OnError::Collect;
            }
        }
        if takes.form == Form::Cells {
            // It takes none of the columns.
            options.select = Select::Default;
        }
        let is_nameless = keys
            .as_ref()
            .is_some_and(|keys| keys.misnamed == crate::keys::Misnamed::Empty);
        if is_nameless && matches!(options.select, Select::Default | Select::Where) {
            options.select = match takes.form {
                Form::Cells => Select::Default,
                _ => Select::Named,
            };
        }
        if closure.shape == Shape::Whole && options.names == Names::OneTooMany {
            // The number of a frame's columns is known only after the run.
            options.names = Names::Given;
        }
        let mut returns = Returns::arbitrary(u)?;
        if matches!(closure.shape, Shape::Whole | Shape::Column) && !rarely(u, 8)? {
            returns = Returns::Default;
        }
        let mut after = match how {
            How::Lazy { .. } => After::arbitrary(u)?,
            _ => After::Nothing,
        };
        if verb == Verb::Groups && matches!(after, After::Filter { .. }) {
            // The output has no positions.
            after = After::Nothing;
        }
        if after == After::Head(0) {
            // A call whose rows are all dropped need not be made at all.
            after = After::Head(1);
        }
        Ok(SpanCall {
            verb,
            closure,
            frame,
            keys,
            window,
            rules,
            seed: u.arbitrary()?,
            returns,
            how,
            after,
            options,
        })
    }

    pub fn in_query(&self) -> bool {
        matches!(self.how, How::Lazy { .. })
    }

    fn unit(&self) -> Unit {
        match (self.verb, &self.keys) {
            (Verb::Windows, _) => Unit::Window,
            (Verb::Transform, None) => Unit::Part,
            _ => Unit::Group,
        }
    }

    /// Returns whether the closure takes whole frames.
    pub fn is_whole(&self) -> bool {
        matches!((self.closure.takes)().form, Form::Whole { .. })
    }

    /// Returns the columns that the closure is given by position, and what takes each.
    pub fn columns(&self) -> Vec<(&'static str, Taken)> {
        let takes = (self.closure.takes)();
        let own = match takes.form {
            Form::Cells | Form::CellsLast => Vec::new(),
            Form::Whole { .. } => vec![Taken::Any; self.frame.columns.len()],
            _ => takes.own_columns(self.verb),
        };
        let mut columns: Vec<(&str, Taken)> = NAMES.into_iter().zip(own).collect();
        columns.insert(0, ("id", u32::taken()));
        if self.verb == Verb::Windows {
            columns.insert(1 + takes.cells.len(), ("at", u32::taken()));
        }
        columns
    }

    pub fn returned(&self) -> Option<Vec<DataType>> {
        let own = (self.closure.dtypes)().into_iter().map(Some).collect();
        self.returns.dtypes(own, self.options.lossy)
    }

    pub fn results(&self) -> Results {
        Results {
            names: self.options.output_names(&(self.closure.names)()),
            own: (self.closure.dtypes)().into_iter().map(Some).collect(),
            returned: self.returned(),
            lossy: self.options.lossy,
        }
    }

    /// Returns the frame, and the rows of each group, or of the group of each window.
    fn bare(&self) -> (DataFrame, Vec<Vec<usize>>) {
        let mut df = self.frame.frame();
        let rows = df.height();
        if self.verb == Verb::Windows {
            let at = Column::new("at".into(), (0..rows as u32).collect::<Vec<u32>>());
            let cells = (self.closure.takes)().cells.len();
            df.insert_column(1 + cells, at)
                .expect("it has the frame's height");
        }
        let mut groups = vec![(0..rows).collect()];
        if let Some(keys) = &self.keys {
            df = keys.beside(df);
            groups = keys.groups(&df);
        }
        if let Some(window) = &self.window {
            df = window.beside(df, &groups);
        }
        (df, groups)
    }

    /// Returns what every verb refuses, and what this one refuses.
    fn faults(&self, bare: &DataFrame, verb: &dyn SpanVerb) -> BTreeSet<String> {
        let options = &self.options;
        let takes = (self.closure.takes)();
        let columns = self.columns();
        let width = (self.closure.names)().len();
        let mut faults = options.faults(bare.height(), width);
        if self.in_query() {
            // A query has no outcome.
            faults.remove("option on_error");
        }
        if self.is_whole() && options.no_nulls {
            faults.insert("option nulls".into());
        }
        let has_wrong_returns = match self.closure.shape {
            Shape::Whole | Shape::Column => self.returns != Returns::Default,
            _ => self.returns.is_wrong_for(self.closure.text),
        };
        if has_wrong_returns {
            faults.insert("option returns".into());
        }
        let by = "option by";
        if let Some(keys) = &self.keys {
            let cells = match self.verb {
                Verb::Windows => 0,
                _ => takes.cells.len(),
            };
            keys.faults(cells, &mut faults);
            if keys.without_keys && self.verb != Verb::Groups {
                faults.insert("option without_keys".into());
            }
        } else if self.verb != Verb::Windows && !takes.cells.is_empty() {
            faults.insert(by.into());
        }
        if let Some(window) = &self.window {
            window.faults(&mut faults);
        }
        verb.faults(self, &mut faults);
        if takes.form == Form::CellsLast {
            // It is not known which column each argument should have.
            faults.remove("column_not_found nowhere");
            faults.insert(by.into());
            return faults;
        }
        if options.select == Select::Missing && self.closure.text.contains("Named") {
            // It asks for the last column by its name, which was not selected.
            faults.insert("column_not_found b".into());
        }
        let mut takes_column = |name: &str, taken: &Taken| {
            let fit = taken.fit(bare.column(name).expect("it has the column").dtype());
            if fit == Fit::Never || (fit == Fit::Lossy && !options.lossy) {
                faults.insert(format!("dtype {name}"));
            }
        };
        if let (Some(keys), true) = (&self.keys, self.verb != Verb::Windows)
            && keys.are_for(takes.cells.len())
        {
            let mut cells = keys.names().iter().zip(&takes.cells);
            cells
                .by_ref()
                .for_each(|(name, taken)| takes_column(name, taken));
        }
        if !matches!(takes.form, Form::Cells | Form::Whole { .. }) {
            for (position, (name, taken)) in columns.iter().enumerate() {
                let is_missing = options.select == Select::Missing && position + 1 == columns.len();
                if !is_missing {
                    takes_column(name, taken);
                }
            }
        }
        faults
    }

    /// Returns the values for the arguments.
    fn reads(&self, bare: &DataFrame) -> Reads {
        let takes = (self.closure.takes)();
        let column = |name: &str| bare.column(name).expect("it has the column");
        let is_windows = self.verb == Verb::Windows;
        let keys = match (&self.keys, is_windows) {
            (Some(keys), false) => {
                let cells = keys.names().iter().zip(&takes.cells);
                cells
                    .map(|(name, taken)| taken.read_all(column(name)))
                    .collect()
            }
            _ => Vec::new(),
        };
        let columns: Vec<Vec<Read>> = self
            .columns()
            .iter()
            .map(|(name, taken)| taken.read_all(column(name)))
            .collect();
        let mut bound: Vec<Bound> = Vec::new();
        let mut bind = |is_cell: bool, is_rows: bool, width: usize| {
            let from = bound.last().map_or(0, |last: &Bound| last.columns.end);
            bound.push(Bound {
                is_cell,
                is_rows,
                columns: from..from + width,
            });
        };
        match takes.form {
            Form::Typed => {
                if is_windows {
                    (0..=takes.cells.len()).for_each(|_| bind(true, false, 1));
                }
                bind(false, false, 1);
                let spans = takes.spans.iter();
                spans.for_each(|span| bind(false, span.is_rows, span.columns.len()));
            }
            Form::Alone => bind(false, true, columns.len()),
            Form::Cells | Form::CellsLast | Form::Whole { .. } => {}
        }
        let mut reads = Reads {
            keys,
            columns,
            bound,
            hidden: Vec::new(),
        };
        let hides = |row: usize| {
            let mut spans = reads.bound.iter().filter(|bound| !bound.is_cell);
            spans.any(|span| reads.null_in(span, row).is_some())
        };
        reads.hidden = (0..bare.height()).map(hides).collect();
        reads
    }

    /// Returns the row and the column of the first null that the closure must not be given.
    fn first_null(&self, reads: &Reads) -> Option<(usize, &'static str)> {
        let rows = 0..reads.hidden.len();
        let names = self.keys.iter().flat_map(Keys::names);
        for (name, key) in names.zip(&reads.keys) {
            if let Some(row) = key.iter().position(|read| *read == Read::Null) {
                return Some((row, name));
            }
        }
        let columns = self.columns();
        reads.bound.iter().find_map(|bound| {
            let null = |row: usize| Some((row, reads.null_in(bound, row)?));
            let (row, column) = rows.clone().find_map(null)?;
            Some((row, columns[column].0))
        })
    }

    /// Runs the case, and says what is wrong.
    pub fn check(&self, verb: &dyn SpanVerb) -> std::result::Result<(), String> {
        let options = &self.options;
        let (bare, groups) = self.bare();
        let rows = bare.height();
        let df = options.with_more_columns(bare.clone());
        let faults = self.faults(&bare, verb);
        let is_refused = !faults.is_empty();

        // What the closure must be given, computed by a loop over the values.
        let mut late = BTreeSet::new();
        let mut late_row = None;
        let mut items = Vec::new();
        let mut who = Who {
            body: Arc::new(Body::new(&self.rules, Vec::new())),
            seed: self.seed,
            by_row: Vec::new(),
            by_key: HashMap::new(),
            anonymous: AtomicUsize::new(0),
        };
        if !is_refused {
            let reads = self.reads(&bare);
            let order = self.window.as_ref().and_then(|window| window.order(&bare));
            let disorder = order
                .as_ref()
                .and_then(|order| WindowPlan::disorder(order, &groups));
            if let Some((row, column)) = self.first_null(&reads).filter(|_| options.no_nulls) {
                late.insert(format!("null {column}"));
                late_row = Some(row);
            } else if let Some(row) = disorder {
                late.insert(format!("value {}", crate::window::ORDER));
                late_row = Some(row);
            } else {
                let groups = match self.unit() {
                    Unit::Part => options
                        .parts(rows)
                        .into_iter()
                        .map(Iterator::collect)
                        .filter(|part: &Vec<usize>| !part.is_empty())
                        .collect(),
                    _ => groups,
                };
                items = self.items(&bare, &reads, &groups, order.as_deref(), &mut who);
            }
        }
        let is_unsure = |item: &Item| !item.is_known && item.fate.fails();
        if items.iter().any(is_unsure) {
            // It is not known how often the closure was called for it.
            return Ok(());
        }
        let values = items.iter().map(|item| item.values.clone());
        who.body = Arc::new(Body::new(&self.rules, values.collect()));
        let fates: Vec<Fate> = items.iter().map(|item| item.fate.clone()).collect();

        let columns: Vec<&str> = self.columns().into_iter().map(|(name, _)| name).collect();
        let mut call = options.call(&columns, &(self.closure.names)());
        if let Some(dtypes) = self.returned() {
            call = call.returns(dtypes);
        }
        if let Some(keys) = &self.keys {
            call = call.by(keys.given());
            if keys.without_keys {
                call = call.without_keys();
            }
            if let Some(null_keys) = keys.null_keys {
                call = call.null_keys(null_keys);
            }
        }
        let run = Run {
            case: self,
            df: &df,
            call,
            who: Arc::new(who),
            ticks: Arc::default(),
            states: States::default(),
            failures: Failures::new(),
        };
        let gave = (self.closure.call)(&run);

        let ticks = run.ticks.lock().expect("no holder panics").clone();
        let body = &run.who.body;
        let checked = Checked {
            options,
            fates: &fates,
            whole: self.closure.shape == Shape::Whole,
            filter: &[],
            body,
            ticks: &ticks,
        };
        let all = SpanItems {
            case: self,
            df: &df,
            items: &items,
        };
        let may = !is_refused && late.is_empty();
        let anonymous = run.who.anonymous.load(SeqCst);
        let unknown = items
            .iter()
            .filter(|item| !item.is_known && matches!(item.fate, Fate::Done { .. }));
        let unknown = unknown.count();
        let is_so_often = |is_whole: bool| match anonymous {
            anonymous if anonymous == unknown || (anonymous < unknown && !is_whole) => Ok(()),
            _ => Err(format!(
                "the closure was given {anonymous} items that it does not know, and not {unknown}"
            )),
        };
        let got = match gave {
            Gave::Call(got) => *got,
            Gave::Query(result) => {
                let query = Query {
                    may: may && self.closure.shape != Shape::Column,
                    may_begin: false,
                    tells_lowest: true,
                    needs: vec![true; fates.len()],
                };
                let Some(output) = checked.query(result, &query)? else {
                    return is_so_often(false);
                };
                is_so_often(true)?;
                let failing: Vec<usize> = (0..fates.len())
                    .filter(|item| fates[*item].fails())
                    .collect();
                if options.outcome {
                    let told = run.failures.take();
                    if told.width() > 0 || !failing.is_empty() {
                        checked.failures(&told, &failing, &all)?;
                    }
                }
                let drops = options.on_error == OnError::Skip;
                let kept = (0..fates.len()).filter(|item| !(drops && fates[*item].fails()));
                return self.output(verb, &df, &items, kept.collect(), &output);
            }
        };
        run.states.are_done(None)?;
        if !may {
            let expected = if is_refused { &faults } else { &late };
            checked.is_refused(&got, expected)?;
            let is = got.as_ref().err().and_then(polars_par_apply::Error::row);
            return match late_row {
                Some(row) if is != Some(options.number(row)) => Err(format!(
                    "it is to be refused for row {row}, and is for {is:?}"
                )),
                _ => is_so_often(false),
            };
        }
        let kept = checked.check(&got, &all)?;
        if self.closure.lead.has_state() {
            let calls: u32 = body.calls().iter().sum();
            run.states.are_done(Some(calls + anonymous as u32))?;
        }
        let (Some(kept), Ok(got)) = (kept, got) else {
            return is_so_often(false);
        };
        let cancelled = got.told.as_ref().is_some_and(|told| told.stats.cancelled);
        is_so_often(!cancelled)?;
        self.output(verb, &df, &items, kept, &got.output)
    }

    fn output(
        &self,
        verb: &dyn SpanVerb,
        df: &DataFrame,
        items: &[Item],
        mut kept: Vec<usize>,
        output: &DataFrame,
    ) -> std::result::Result<(), String> {
        let mut is_kept = vec![true; df.height()];
        for item in items {
            item.rows.iter().for_each(|row| is_kept[*row] = false);
        }
        for item in &kept {
            items[*item]
                .rows
                .iter()
                .for_each(|row| is_kept[*row] = true);
        }
        let rows = (0..df.height()).filter(|row| is_kept[*row]).collect();
        let rows = self.after.left(rows);
        if self.verb == Verb::Groups {
            kept = self.after.left(kept);
        }
        verb.output(
            &Done {
                case: self,
                df,
                items,
                kept: &kept,
                rows: &rows,
            },
            output,
        )
    }

    /// Returns the fate of each item.
    fn items(
        &self,
        bare: &DataFrame,
        reads: &Reads,
        groups: &[Vec<usize>],
        order: Option<&[Option<i128>]>,
        who: &mut Who,
    ) -> Vec<Item> {
        // The rows of each item, and the row whose cells it has; nothing for windows without a result.
        let spans: Vec<(Vec<usize>, Option<Vec<usize>>)> = match &self.window {
            None => groups
                .iter()
                .map(|group| (group.clone(), Some(group.clone())))
                .collect(),
            Some(window) => {
                let mut windows = vec![None; bare.height()];
                for group in groups {
                    for (at, row) in group.iter().enumerate() {
                        windows[*row] = window.rows(group, at, order);
                    }
                }
                let windows = windows.into_iter().enumerate();
                windows.map(|(row, window)| (vec![row], window)).collect()
            }
        };
        who.by_row = vec![usize::MAX; bare.height()];
        for (item, (rows, _)) in spans.iter().enumerate() {
            rows.iter().for_each(|row| who.by_row[*row] = item);
        }
        let keys = |first: usize| -> Option<Vec<Value>> {
            let keys = reads.keys.iter().map(|key| match &key[first] {
                Read::Value(value) => Some(value.clone()),
                _ => None,
            });
            keys.collect()
        };
        if !reads.keys.is_empty() {
            for (item, (rows, _)) in spans.iter().enumerate() {
                if let Some(key) = keys(rows[0]) {
                    let known = who.by_key.entry(key);
                    known.and_modify(|item| *item = None).or_insert(Some(item));
                }
            }
        }
        let least = self.window.as_ref().map(WindowPlan::least);
        let spans = spans.into_iter().enumerate();
        spans
            .map(|(item, (rows, given))| {
                let first = rows[0];
                let seen: Vec<usize> = given.iter().flatten().copied().collect();
                let seen: Vec<usize> = seen.into_iter().filter(|row| !reads.hidden[*row]).collect();
                let is_given = given.is_some() && least.is_none_or(|least| seen.len() >= least);
                let mut is_known = true;
                let mut values = None;
                let mut drawn = Vec::new();
                let fate = match is_given {
                    false => Fate::Null,
                    true => match self.given(bare, reads, item, first, &seen, keys(first)) {
                        Err(fate) => fate,
                        Ok((keys, others)) => {
                            let known = who.of(&keys, self.known_by(first, &seen));
                            is_known = known.is_some();
                            let mut draw = match self.closure.lead.has_seed() {
                                true => Draw::new(random(self.seed, self.options.number(first))),
                                false => draw_of(self.seed, known.unwrap_or(ANONYMOUS)),
                            };
                            drawn = (self.closure.gives)(&mut draw, seen.len());
                            let fate = match is_known {
                                false => Fate::Done { calls: 0 },
                                true => {
                                    values = Some(keys.into_iter().chain(others).collect());
                                    let rules = Rule::followed(&self.rules, self.closure.fails);
                                    Fate::by_rules(&rules, item, &self.options)
                                }
                            };
                            self.of_results(fate, &drawn, seen.len())
                        }
                    },
                };
                let seen = match self.verb {
                    // It has a result for its own row.
                    Verb::Windows => rows.clone(),
                    _ => seen,
                };
                Item {
                    rows,
                    seen,
                    values,
                    fate,
                    given: drawn,
                    is_known,
                }
            })
            .collect()
    }

    /// Returns the row by which the closure identifies an item.
    fn known_by(&self, first: usize, seen: &[usize]) -> Option<usize> {
        match ((self.closure.takes)().form, self.verb) {
            (_, Verb::Windows) => Some(first),
            (Form::Cells, _) => None,
            _ => seen.first().copied(),
        }
    }

    /// Returns the fate of an item whose result may not fit into the output.
    fn of_results(&self, fate: Fate, drawn: &[Vec<Value>], rows: usize) -> Fate {
        let is_of_rows = matches!(self.closure.shape, Shape::Rows | Shape::Column);
        match &fate {
            Fate::Done { calls } if is_of_rows && drawn.len() != rows => Fate::Fails {
                why: Why::Stack,
                calls: *calls,
                column: None,
            },
            // A result for no rows is not written.
            _ if self.closure.shape == Shape::Each && rows == 0 => fate,
            _ => fate.of_results(&self.results(), drawn),
        }
    }

    /// Returns the keys and the other arguments of an item, or its fate if it is not given to the closure.
    fn given(
        &self,
        bare: &DataFrame,
        reads: &Reads,
        item: usize,
        first: usize,
        seen: &[usize],
        keys: Option<Vec<Value>>,
    ) -> std::result::Result<(Vec<Value>, Vec<Value>), Fate> {
        let unreadable = |column: &str| Fate::Fails {
            why: Why::Value,
            calls: 0,
            column: Some(column.to_owned()),
        };
        let names = self.keys.iter().flat_map(Keys::names);
        for (name, key) in names.zip(&reads.keys) {
            if key[first] == Read::Unreadable {
                return Err(unreadable(name));
            }
        }
        if let Form::Whole { is_known } = (self.closure.takes)().form {
            let int = |number: usize| Value::Int(number as i128);
            let mut values = Vec::new();
            if is_known {
                values.extend([item, self.options.number(first)].map(int));
                // Its key has one row, even if the item has none.
                values.push(int(1));
                for name in self.keys.iter().flat_map(Keys::names) {
                    let key = bare.column(name).expect("it has the keys");
                    let key = Value::of(&key.get(first).expect("it has the row"));
                    values.extend([Value::Text((*name).into()), Value::List(vec![key])]);
                }
            }
            values.push(int(seen.len()));
            for ((name, _), column) in self.columns().iter().zip(&reads.columns) {
                let rows = seen.iter().map(|row| match &column[*row] {
                    Read::Value(value) => value.clone(),
                    _ => Value::Null,
                });
                values.extend([Value::Text((*name).into()), Value::List(rows.collect())]);
            }
            return Ok((Vec::new(), values));
        }
        let columns = self.columns();
        let read = |column: usize, row: usize| &reads.columns[column][row];
        let cells = || reads.bound.iter().filter(|bound| bound.is_cell);
        for cell in cells() {
            if *read(cell.columns.start, first) == Read::Unreadable {
                return Err(unreadable(columns[cell.columns.start].0));
            }
        }
        for row in seen {
            let mut spans = reads.bound.iter().filter(|bound| !bound.is_cell);
            let column = spans.find_map(|span| {
                let mut columns = span.columns.clone();
                columns.find(|column| *read(*column, *row) == Read::Unreadable)
            });
            if let Some(column) = column {
                return Err(unreadable(columns[column].0));
            }
        }
        let keys = keys.ok_or(Fate::Null)?;
        if cells().any(|cell| *read(cell.columns.start, first) == Read::Null) {
            return Err(Fate::Null);
        }
        let value = |column: usize, row: usize| match read(column, row) {
            Read::Value(value) => value.clone(),
            other => unreachable!("{other:?} is given to no closure"),
        };
        let values = reads.bound.iter().map(|bound| {
            let of_row = |row: usize| {
                bound.of(bound
                    .columns
                    .clone()
                    .map(|column| value(column, row))
                    .collect())
            };
            match bound.is_cell {
                true => of_row(first),
                false => Value::List(seen.iter().map(|row| of_row(*row)).collect()),
            }
        });
        Ok((keys, values.collect()))
    }
}

impl Reads {
    /// Returns the column of an argument by which a row is left out: one that is null, if no other column is unreadable.
    fn null_in(&self, bound: &Bound, row: usize) -> Option<usize> {
        let mut columns = bound.columns.clone();
        let is = |column: &usize, wanted: &Read| self.columns[*column][row] == *wanted;
        match columns.clone().any(|column| is(&column, &Read::Unreadable)) {
            true => None,
            false => columns.find(|column| is(column, &Read::Null)),
        }
    }
}

impl Takes {
    /// Returns what takes each column except the positions, by position.
    fn own_columns(&self, verb: Verb) -> Vec<Taken> {
        let cells = match verb {
            Verb::Windows => &self.cells[..],
            _ => &[],
        };
        let spans = self.spans.iter().flat_map(|span| &span.columns);
        // The first column of an argument that is alone is that of the positions.
        let spans = spans.skip(usize::from(self.form == Form::Alone));
        cells.iter().chain(spans).cloned().collect()
    }
}

struct SpanItems<'c> {
    case: &'c SpanCall,
    df: &'c DataFrame,
    items: &'c [Item],
}

/// Returns whether Polars can print a key. It cannot if the key is a date that `chrono` does not have.
fn is_printed(key: &Value) -> bool {
    match key {
        Value::Date(_) => NaiveDate::taken().read(key) != Read::Unreadable,
        Value::Datetime(_) => NaiveDateTime::taken().read(key) != Read::Unreadable,
        _ => true,
    }
}

impl SpanItems<'_> {
    fn first(&self, item: usize) -> usize {
        self.items[item].rows[0]
    }

    fn number(&self, item: usize) -> usize {
        let first = self.first(item);
        self.case.options.number(first)
    }

    fn cells(&self, names: &[&str], item: usize) -> Vec<(String, Value)> {
        let names = names.iter();
        names
            .map(|name| {
                let column = self.df.column(name).expect("it has the column");
                let value = column.get(self.first(item)).expect("it has the row");
                ((*name).to_owned(), Value::of(&value))
            })
            .collect()
    }

    fn keys(&self) -> &'static [&'static str] {
        self.case.keys.as_ref().map_or(&[], Keys::names)
    }
}

impl Items for SpanItems<'_> {
    fn place(&self, item: usize) -> String {
        let number = self.number(item);
        match self.case.unit() {
            Unit::Window => format!("Window {{ row: {number} }}"),
            Unit::Part => format!("Part {{ index: {item}, row_offset: {number} }}"),
            Unit::Group => {
                let place = format!("Group {{ index: {item}, first_row: {number}, key: ");
                let keys = self.keys().iter().map(|name| {
                    let column = self.df.column(name).expect("it has the column");
                    column.get(self.first(item)).expect("it has the row")
                });
                let keys: Vec<AnyValue<'_>> = keys.collect();
                if !keys.iter().all(|key| is_printed(&Value::of(key))) {
                    return place;
                }
                let key: Vec<String> = keys.iter().map(AnyValue::to_string).collect();
                format!("{place}{:?} }}", key.join(", "))
            }
        }
    }

    fn which(&self, item: usize) -> Vec<(&'static str, Value)> {
        let int = |number: usize| Value::Int(number as i128);
        let row = ("row", int(self.number(item)));
        let keys = self.cells(self.keys(), item).into_iter();
        let keys = self.keys().iter().copied().zip(keys.map(|(_, key)| key));
        let mut which = match self.case.unit() {
            Unit::Window => vec![row],
            Unit::Part => vec![("part", int(item)), row],
            Unit::Group => vec![("group", int(item)), row],
        };
        which.extend(keys);
        if self.case.unit() != Unit::Window {
            which.push(("rows", int(self.items[item].rows.len())));
        }
        which
    }

    fn given(&self, item: usize) -> Vec<(String, Value)> {
        match self.case.unit() {
            Unit::Window => {
                let columns = self.case.columns();
                let columns: Vec<&str> = columns.into_iter().map(|(name, _)| name).collect();
                self.cells(&columns, item)
            }
            _ => Vec::new(),
        }
    }

    fn rows(&self, item: usize) -> Vec<usize> {
        self.items[item].rows.clone()
    }

    fn has_others(&self) -> bool {
        self.case.verb != Verb::Groups
    }

    fn weight(&self, item: usize) -> usize {
        self.items[item].rows.len()
    }

    fn height(&self) -> usize {
        self.df.height()
    }
}
