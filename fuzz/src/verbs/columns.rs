//! `columns`, compared with a loop over the columns.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use arbitrary::{Result, Unstructured};
use polars::prelude::{AnyValue, Column, DataFrame, DataType};
use polars_par_apply::prelude::{CallOptions, OnError, Tick, Values};
use polars_par_apply::{Cell, Error};

use crate::arguments::{Argument, Fit, Read, Taken};
use crate::call::call;
use crate::expect::{Checked, Fate, Got, Items, Why, is_column};
use crate::faults::{Body, Rule};
use crate::frame::{FramePlan, KINDS, Kind, NAMES};
use crate::options::{Options, Select, rarely};
use crate::value::Value;

/// The closures of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closure {
    /// `|values: Values<'_, T>| -> Result<u64>`: how many values there are.
    Ints,
    OptionalInts,
    Floats,
    Texts,
    OptionalTexts,
    Bools,
    Any,
    /// `|column: &Column| -> Result<u64>`
    Column,
    /// `|column: &Column| -> Result<Column>`: the column without its first row.
    Whole,
}

const CLOSURES: [Closure; 9] = [
    Closure::Ints,
    Closure::OptionalInts,
    Closure::Floats,
    Closure::Texts,
    Closure::OptionalTexts,
    Closure::Bools,
    Closure::Any,
    Closure::Column,
    Closure::Whole,
];

impl Closure {
    /// Returns the type of its values; `None` if it takes the column.
    fn taken(self) -> Option<Taken> {
        Some(match self {
            Closure::Ints => i64::taken(),
            Closure::OptionalInts => Option::<i64>::taken(),
            Closure::Floats => f64::taken(),
            Closure::Texts => <&str>::taken(),
            Closure::OptionalTexts => Option::<&str>::taken(),
            Closure::Bools => bool::taken(),
            Closure::Any => Taken::Any,
            Closure::Column | Closure::Whole => return None,
        })
    }
}

/// A call of `columns`.
#[derive(Clone, Debug)]
pub struct Columns {
    pub closure: Closure,
    pub frame: FramePlan,
    pub rules: Vec<Rule>,
    pub in_background: bool,
    pub options: Options,
}

/// Returns the number at the end of a column's name.
fn position(name: &str) -> usize {
    NAMES
        .iter()
        .position(|is| *is == name)
        .unwrap_or(usize::MAX)
}

/// Returns how many values a closure was given.
fn count<T>(body: &Body, values: &Values<'_, T>) -> anyhow::Result<u64>
where
    T: Cell + for<'a> Of<'a>,
{
    let seen: Vec<Value> = values.iter().map(|value| T::value(value)).collect();
    for row in (0..values.len()).step_by(7) {
        let one = values.get(row).map(|value| T::value(value));
        if values.len() == seen.len() && one.as_ref() != seen.get(row) {
            body.finding(format!(
                "get({row}) is {one:?}, and iter has {:?}",
                seen[row]
            ));
        }
    }
    body.enter(position(values.name()), &seen)?;
    Ok(seen.len() as u64)
}

/// A cell whose values are arguments, whatever they borrow.
trait Of<'a>: Cell {
    fn value(value: <Self as Cell>::Of<'a>) -> Value;
}

impl<'a, T> Of<'a> for T
where
    T: Cell,
    T::Of<'a>: Argument,
{
    fn value(value: T::Of<'a>) -> Value {
        value.seen()
    }
}

impl Columns {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let closure = *u.choose(&CLOSURES)?;
        let kinds = closure
            .taken()
            .map_or(KINDS.to_vec(), |taken| taken.kinds());
        let kinds: &[Kind] = &kinds;
        let width = u.int_in_range(1..=4)?;
        let frame = FramePlan::arbitrary(u, &vec![kinds; width])?;
        let mut options = Options::arbitrary(u)?;
        let in_background = rarely(u, 4)?;
        if in_background {
            options.be_in_background();
        }
        Ok(Columns {
            closure,
            frame,
            rules: Rule::some(u)?,
            in_background,
            options,
        })
    }

    fn run(
        &self,
        df: &DataFrame,
        call: &CallOptions,
        body: &Arc<Body>,
        ticks: &Arc<Mutex<Vec<Tick>>>,
    ) -> std::result::Result<Got, Error> {
        let apply = self.options.apply(df, call, body, ticks);
        let body = Arc::clone(body);
        macro_rules! made {
            ($f:expr) => {
                call!(apply, self.in_background, self.options.outcome, df, columns or spawn_columns ($f))
            };
        }
        match self.closure {
            Closure::Ints => made!(move |x: Values<'_, i64>| count(&body, &x)),
            Closure::OptionalInts => made!(move |x: Values<'_, Option<i64>>| count(&body, &x)),
            Closure::Floats => made!(move |x: Values<'_, f64>| count(&body, &x)),
            Closure::Texts => made!(move |x: Values<'_, &str>| count(&body, &x)),
            Closure::OptionalTexts => made!(move |x: Values<'_, Option<&str>>| count(&body, &x)),
            Closure::Bools => made!(move |x: Values<'_, bool>| count(&body, &x)),
            Closure::Any => made!(move |x: Values<'_, AnyValue<'_>>| count(&body, &x)),
            Closure::Column => made!(move |x: &Column| -> anyhow::Result<u64> {
                body.enter(position(x.name()), &Value::all(x))?;
                Ok(x.len() as u64)
            }),
            Closure::Whole => made!(move |x: &Column| -> anyhow::Result<Column> {
                body.enter(position(x.name()), &Value::all(x))?;
                Ok(x.slice(1, x.len()))
            }),
        }
    }

    pub fn check(&self) -> std::result::Result<(), String> {
        let options = &self.options;
        // The column of positions is for other verbs.
        let bare = self.frame.frame().drop("id").expect("it has the column");
        let rows = self.frame.rows;
        let columns = &NAMES[..self.frame.columns.len()];
        let df = options.with_more_columns(bare.clone());
        let whole = self.closure == Closure::Whole;
        let taken = self.closure.taken();

        let mut faults = options.faults(rows, columns.len());
        if taken.is_none() && options.no_nulls {
            faults.insert("option nulls".into());
        }
        if whole && options.lossy {
            faults.insert("option casts".into());
        }
        if whole && options.on_error == OnError::Null {
            faults.insert("option on_error".into());
        }
        for (name, column) in columns.iter().zip(bare.columns()) {
            let is_there = options.select != Select::Missing || Some(name) != columns.last();
            let fit = taken
                .as_ref()
                .map_or(Fit::Whole, |taken| taken.fit(column.dtype()));
            if is_there && (fit == Fit::Never || (fit == Fit::Lossy && !options.lossy)) {
                faults.insert(format!("dtype {name}"));
            }
        }
        let is_refused = !faults.is_empty();

        // This is the loop over the columns.
        let reads: Vec<Vec<Read>> = match (is_refused, &taken) {
            (true, _) => vec![Vec::new(); columns.len()],
            (_, None) => bare
                .columns()
                .iter()
                .map(|column| Value::all(column).into_iter().map(Read::Value).collect())
                .collect(),
            (_, Some(taken)) => bare
                .columns()
                .iter()
                .map(|column| taken.read_all(column))
                .collect(),
        };
        let seen = |reads: &Vec<Read>| -> Option<Vec<Value>> {
            // Nulls are left out.
            let mut seen = Vec::new();
            for read in reads {
                match read {
                    Read::Value(value) => seen.push(value.clone()),
                    Read::Null => {}
                    Read::Unreadable => return None,
                }
            }
            Some(seen)
        };
        let expected: Vec<Option<Vec<Value>>> = reads.iter().map(seen).collect();
        let body = Arc::new(Body::new(&self.rules, expected.clone()));
        let fates: Vec<Fate> = expected
            .iter()
            .enumerate()
            .map(|(column, seen)| match seen {
                None => Fate::Fails {
                    why: Why::Value,
                    calls: 0,
                    column: None,
                },
                Some(_) => Fate::by_rules(&self.rules, column, options),
            })
            .collect();
        let nulls: BTreeSet<String> = columns
            .iter()
            .zip(&reads)
            .filter(|(_, reads)| options.no_nulls && reads.contains(&Read::Null))
            .map(|(name, _)| format!("null {name}"))
            .collect();

        let ticks = Arc::default();
        let call = options.call(columns, columns);
        let got = self.run(&df, &call, &body, &ticks);
        let ticks = ticks.lock().expect("no holder panics").clone();
        let checked = Checked {
            options,
            fates: &fates,
            whole,
            filter: &[],
            body: &body,
            ticks: &ticks,
        };
        if is_refused {
            return checked.is_refused(&got, &faults);
        }
        if !nulls.is_empty() {
            return checked.is_refused(&got, &nulls);
        }
        let items = ColumnItems { height: rows };
        let (Some(kept), Ok(got)) = (checked.check(&got, &items)?, &got) else {
            return Ok(());
        };

        let names = options.output_names(columns);
        let output = &got.output;
        let cancelled = got.told.as_ref().is_some_and(|told| told.stats.cancelled);
        let is_of = |output: &Column, column: usize| match (&fates[column], &expected[column]) {
            (Fate::Done { .. }, Some(seen)) if whole => {
                let others = seen.get(1..).unwrap_or_default();
                is_column(
                    output,
                    &names[column],
                    Some(bare.columns()[column].dtype()),
                    others,
                )
            }
            (Fate::Done { .. }, Some(seen)) => {
                let count = [Value::Int(seen.len() as i128)];
                is_column(output, &names[column], Some(&DataType::UInt64), &count)
            }
            _ => is_column(
                output,
                &names[column],
                Some(&DataType::UInt64),
                &[Value::Null],
            ),
        };
        if cancelled {
            // The columns that were done, in order: each that was called and did not fail.
            let mut left = kept.into_iter();
            let calls = body.calls();
            let mut is_in = vec![false; columns.len()];
            for column in output.columns() {
                let found = left.find(|position| names[*position] == *column.name());
                let Some(position) = found else {
                    return Err(format!(
                        "the output has a column {:?}, or not in order",
                        column.name()
                    ));
                };
                is_in[position] = true;
                is_of(column, position)?;
            }
            for (position, is_in) in is_in.into_iter().enumerate() {
                let is_done =
                    calls[position] == fates[position].calls() && !fates[position].fails();
                if is_in != is_done && !fates[position].fails() {
                    return Err(format!(
                        "column {position} was called {} times, and is in the output: {is_in}",
                        calls[position]
                    ));
                }
            }
            return Ok(());
        }
        if output.width() != kept.len() {
            return Err(format!(
                "the output has {} columns, and not {}",
                output.width(),
                kept.len()
            ));
        }
        for (column, position) in output.columns().iter().zip(kept) {
            is_of(column, position)?;
        }
        Ok(())
    }
}

struct ColumnItems {
    height: usize,
}

impl Items for ColumnItems {
    fn place(&self, column: usize) -> String {
        format!("Column({:?})", NAMES[column])
    }

    fn which(&self, column: usize) -> Vec<(&'static str, Value)> {
        vec![("column", Value::Text(NAMES[column].into()))]
    }

    fn given(&self, _: usize) -> Vec<(String, Value)> {
        Vec::new()
    }

    fn rows(&self, _: usize) -> Vec<usize> {
        Vec::new()
    }

    fn weight(&self, _: usize) -> usize {
        1
    }

    fn height(&self) -> usize {
        self.height
    }
}
