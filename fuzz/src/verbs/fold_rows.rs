//! `fold_rows`: closures that add rows to an accumulator. The sum has the same bits, whichever workers add it up.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use arbitrary::{Result, Unstructured};
use polars::prelude::{AnyValue, Column, DataFrame, DataType};
use polars_par_apply::IntoUnit;
use polars_par_apply::WithState;
use polars_par_apply::prelude::{OnError, ParApply, Row, RowFn, RowRng};
use rand::RngExt;

use crate::arguments::{Argument, Taken};
use crate::call::{IntoFrame, call};
use crate::expect::{Fate, Why, is_column};
use crate::faults::{PANIC, Rule};
use crate::frame::NAMES;
use crate::options::{Names, rarely};
use crate::row_call::{
    Breaks, Closure, Done, Gave, Returns, RowCall, RowVerb, Run, draw_of, random,
};
use crate::value::Value;

/// A call of `fold_rows`.
#[derive(Clone, Debug)]
pub struct FoldRows(RowCall);

/// The accumulator: the rows that went into it, in order, and a sum that is rounded differently in another order.
#[derive(Debug)]
pub struct Folded {
    rows: Vec<u32>,
    sum: f64,
    /// How many accumulators there are.
    states: Arc<AtomicUsize>,
}

impl Folded {
    fn new(states: &Arc<AtomicUsize>, breaks: Breaks) -> Self {
        assert!(breaks != Breaks::Init, "{PANIC} init");
        states.fetch_add(1, SeqCst);
        Folded {
            rows: Vec::new(),
            sum: 0.0,
            states: Arc::clone(states),
        }
    }

    fn add(&mut self, id: u32, bits: u64) {
        self.rows.push(id);
        self.sum += 2f64.powi((bits % 60) as i32) / 3.0;
    }

    /// Merges the accumulator of the rows after its own, unless a rule fails for the first of those rows.
    fn merge(mut self, other: Self, breaks: Breaks) -> Self {
        if let (Breaks::Merge(rule), Some(first)) = (breaks, other.rows.first()) {
            assert!(!is_for(rule, *first as usize), "{PANIC} merge");
        }
        self.rows.extend(&other.rows);
        self.sum += other.sum;
        self
    }
}

fn is_for(rule: Rule, row: usize) -> bool {
    row % usize::from(rule.every) == usize::from(rule.from)
}

/// Marks the rows at which merges of blocks of `block` rows fail; blocks are merged two by two, neighbours first. Returns the first row in
/// the common accumulator of these blocks, if there is one.
fn merged(
    rule: Rule,
    block: usize,
    blocks: Range<usize>,
    fates: &mut [Fate],
) -> std::result::Result<Option<usize>, ()> {
    if blocks.len() == 1 {
        let mut rows = blocks.start * block..fates.len().min(blocks.end * block);
        return match rows.clone().any(|row| fates[row].fails()) {
            true => Err(()),
            false => Ok(rows.find(|row| matches!(fates[*row], Fate::Done { .. }))),
        };
    }
    let middle = blocks.start + blocks.len() / 2;
    let left = merged(rule, block, blocks.start..middle, fates);
    if middle * block >= fates.len() {
        return left;
    }
    let right = merged(rule, block, middle..blocks.end, fates);
    let (left, right) = (left?, right?);
    if right.is_some_and(|first| is_for(rule, first)) {
        fates[middle * block] = Fate::Fails {
            why: Why::Merge,
            calls: fates[middle * block].calls(),
            column: None,
        };
        return Err(());
    }
    Ok(left.or(right))
}

impl Drop for Folded {
    fn drop(&mut self) {
        self.states.fetch_sub(1, SeqCst);
    }
}

impl IntoFrame for Folded {
    fn frame(self) -> DataFrame {
        let sum = Column::new("sum".into(), vec![self.sum; self.rows.len()]);
        let rows = Column::new("id".into(), &self.rows);
        DataFrame::new(rows.len(), vec![rows, sum]).expect("they are of one height")
    }
}

/// Returns what a row adds to the sum.
fn bits(seed: u8, row: usize) -> u64 {
    draw_of(seed, row).bits()
}

macro_rules! folds {
    ($($fails:ident ($($a:ident: $A:ty),*);)*) => {
        &[$(Closure {
            text: concat!("|folded: &mut Folded, id: u32", $(", ", stringify!($a), ": ", stringify!($A),)* "| -> ", stringify!($fails)),
            arguments: || vec![$(<$A as Argument>::taken()),*],
            of_row: false,
            fails: folds!(@fails $fails),
            in_queries: false,
            counts: false,
            dtypes: || vec![Some(DataType::Float64)],
            names: || vec!["par_apply"],
            rows: |run, row| vec![vec![Value::Int(bits(run.case.seed, row).into())]],
            call: |run| {
                let (body, seed) = (Arc::clone(&run.body), run.case.seed);
                folds!(@make $fails, run, body, seed, ($($a: $A),*))
            },
        }),*]
    };
    (@fails result) => { true };
    (@fails plain) => { false };
    (@make result, $run:ident, $body:ident, $seed:ident, ($($a:ident: $A:ty),*)) => {
        make($run, move |folded: &mut Folded, id: u32 $(, $a: $A)*| -> anyhow::Result<()> {
            $body.enter(id as usize, &[$($a.seen()),*])?;
            folded.add(id, bits($seed, id as usize));
            Ok(())
        })
    };
    (@make plain, $run:ident, $body:ident, $seed:ident, ($($a:ident: $A:ty),*)) => {
        make($run, move |folded: &mut Folded, id: u32 $(, $a: $A)*| {
            $body.enter_surely(id as usize, &[$($a.seen()),*]);
            folded.add(id, bits($seed, id as usize));
        })
    };
}

const TYPED: &[Closure] = folds! {
    plain ();
    result ();
    result (x: i64);
    plain (x: Option<i64>);
    result (x: f64);
    plain (x: &str);
    result (x: Option<&str>);
    result (x: Vec<i64>);
    result (x: AnyValue<'_>);
    plain (x: Option<i64>, y: bool);
    result (x: Option<&str>, y: u16, z: Option<f64>);
};

static OTHERS: [Closure; 2] = [
    Closure {
        text: "|folded: &mut Folded, row: Row| -> result",
        arguments: || vec![Taken::Any, Taken::Any],
        of_row: true,
        fails: true,
        in_queries: false,
        counts: false,
        dtypes: || vec![Some(DataType::Float64)],
        names: || vec!["par_apply"],
        rows: |run, row| vec![vec![Value::Int(bits(run.case.seed, row).into())]],
        call: |run| {
            let (body, seed) = (Arc::clone(&run.body), run.case.seed);
            make(
                run,
                move |folded: &mut Folded, row: Row<'_>| -> anyhow::Result<()> {
                    let id = row.get::<u32>("id").map_or(usize::MAX, |id| id as usize);
                    let seen = row.iter().filter(|(name, _)| NAMES.contains(name));
                    let seen: Vec<Value> = seen.map(|(_, value)| Value::of(&value)).collect();
                    body.enter(id, &seen)?;
                    folded.add(id as u32, bits(seed, id));
                    Ok(())
                },
            )
        },
    },
    Closure {
        text: "|folded: &mut Folded, rng: &mut RowRng, id: u32, x: Option<i64>| -> result",
        arguments: || vec![Option::<i64>::taken()],
        of_row: false,
        fails: true,
        in_queries: false,
        counts: false,
        dtypes: || vec![Some(DataType::Float64)],
        names: || vec!["par_apply"],
        rows: |run, row| {
            let drawn = random(run.case.seed, run.case.options.number(row));
            vec![vec![Value::Int(drawn.into())]]
        },
        call: |run| {
            let (body, states) = (Arc::clone(&run.body), Arc::clone(&run.states.alive));
            let f = move |folded: &mut Folded,
                          rng: &mut RowRng,
                          id: u32,
                          x: Option<i64>|
                  -> anyhow::Result<()> {
                body.enter(id as usize, &[x.seen()])?;
                folded.add(id, rng.random::<u64>());
                Ok(())
            };
            let breaks = run.case.breaks;
            let init = move || Folded::new(&states, breaks);
            let merge = move |folded: Folded, other| folded.merge(other, breaks);
            let apply = run.apply().seed(run.case.seed.into());
            let (in_background, outcome) = (run.in_background(), run.case.options.outcome);
            Gave::Call(Box::new(
                call!(apply, in_background, outcome, run.df, fold_rows or spawn_fold_rows (init, f, merge)),
            ))
        },
    },
];

fn make<M, F>(run: &Run<'_>, f: F) -> Gave
where
    F: RowFn<M, WithState<Folded>> + Send + 'static,
    F::Out: IntoUnit,
{
    let states = Arc::clone(&run.states.alive);
    let breaks = run.case.breaks;
    let init = move || Folded::new(&states, breaks);
    let merge = move |folded: Folded, other| folded.merge(other, breaks);
    let (apply, in_background, outcome) =
        (run.apply(), run.in_background(), run.case.options.outcome);
    Gave::Call(Box::new(
        call!(apply, in_background, outcome, run.df, fold_rows or spawn_fold_rows (init, f, merge)),
    ))
}

impl FoldRows {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let mut case = RowCall::arbitrary(u, &[(TYPED, 1), (&OTHERS, 2)])?;
        let options = &mut case.options;
        // What it refuses is given rarely.
        if u.int_in_range(0..=15)? > 0 {
            options.on_error = OnError::Fail;
            options.max_failures = None;
            options.retry = None;
            options.partial = false;
            options.names = Names::Default;
            case.returns = Returns::Default;
        }
        let rule = match rarely(u, 3)? {
            true => Rule::some(u)?.pop(),
            false => None,
        };
        // Without rows nothing is merged, and there is no row that could be reported.
        if let (Some(rule), true) = (rule, case.frame.rows > 0) {
            case.breaks = match rarely(u, 4)? {
                true => Breaks::Init,
                false => Breaks::Merge(rule),
            };
        }
        Ok(FoldRows(case))
    }

    pub fn check(&self) -> std::result::Result<(), String> {
        self.0.check(self)
    }
}

impl RowVerb for FoldRows {
    fn has_no_rows(&self) -> bool {
        true
    }

    fn faults(&self, case: &RowCall, faults: &mut BTreeSet<String>) {
        let options = &case.options;
        faults.remove("name_count");
        let refused = [
            (options.names != Names::Default, "names"),
            (case.returns != Returns::Default, "returns"),
            (options.on_error != OnError::Fail, "on_error"),
            (options.retry.is_some(), "retry"),
            (options.partial, "on_cancel"),
            (options.lossy && case.closure.of_row, "casts"),
        ];
        let refused = refused.iter().filter(|(is_given, _)| *is_given);
        faults.extend(refused.map(|(_, option)| format!("option {option}")));
    }

    fn amend(&self, case: &RowCall, fates: &mut [Fate]) {
        match case.breaks {
            Breaks::Merge(rule) if !fates.is_empty() => {
                let block = fates.len().div_ceil(32);
                let blocks = fates.len().div_ceil(block).next_power_of_two();
                // The fates have this failure.
                let _ = merged(rule, block, 0..blocks, fates);
            }
            Breaks::Init if !fates.is_empty() => {
                fates[0] = Fate::Fails {
                    why: Why::Init,
                    calls: 0,
                    column: None,
                };
            }
            _ => {}
        }
    }

    fn output(&self, done: &Done<'_>, output: &DataFrame) -> std::result::Result<(), String> {
        let is_done = |row: &usize| matches!(done.fates[*row], Fate::Done { .. });
        let rows: Vec<usize> = (0..done.fates.len()).filter(is_done).collect();
        let expected: Vec<Value> = rows.iter().map(|row| Value::Int(*row as i128)).collect();
        is_column(
            &output.columns()[0],
            "id",
            Some(&DataType::UInt32),
            &expected,
        )?;
        // The same call on one worker, over a frame of another layout, with another closure.
        let bits = done
            .rows
            .iter()
            .enumerate()
            .map(|(row, cells)| match cells[0][0] {
                Value::Int(bits) if is_done(&row) => Some(bits as u64),
                _ => None,
            });
        let bits = Column::new("bits".into(), bits.collect::<Vec<Option<u64>>>());
        let ids = Column::new("id".into(), (0..bits.len() as u32).collect::<Vec<u32>>());
        let df = DataFrame::new(bits.len(), vec![ids, bits]).expect("they are of one height");
        let states = Arc::default();
        let alone = df.par_apply().sequential().fold_rows(
            || Folded::new(&states, Breaks::Nothing),
            |folded: &mut Folded, id: u32, bits: u64| folded.add(id, bits),
            |folded: Folded, other| folded.merge(other, Breaks::Nothing),
        );
        let alone = alone.map_err(|error| error.to_string())?.frame();
        is_column(
            &output.columns()[1],
            "sum",
            Some(&DataType::Float64),
            &Value::all(&alone.columns()[1]),
        )
    }
}
