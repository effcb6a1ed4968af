//! `elements`: closures that are called for each value of one column after the other.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use arbitrary::{Result, Unstructured};
use polars::prelude::{AnyValue, DataFrame, DataType};
use polars_par_apply::Error;
use polars_par_apply::prelude::{CallOptions, OnError, RowRng, Tick};
use rand::RngExt;

use crate::arguments::{Argument, Fit, Read, Taken};
use crate::call::call;
use crate::expect::{Checked, Fate, Got, Items, Why, is_column};
use crate::faults::{Body, Rule};
use crate::frame::{FramePlan, Kind, NAMES};
use crate::options::{Options, Select, rarely};
use crate::results::MadeRow;
use crate::row_call::{draw_of, random};
use crate::value::Value;

/// A closure of values, which knows by the random stream which value it is given.
struct Closure {
    text: &'static str,
    taken: fn() -> Taken,
    dtype: fn() -> DataType,
    value: fn(seed: u8, item: usize) -> Value,
    call: fn(&Run<'_>) -> std::result::Result<Got, Error>,
}

impl std::fmt::Debug for Closure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text)
    }
}

/// A call of `elements`.
#[derive(Clone, Debug)]
pub struct Elements {
    closure: &'static Closure,
    frame: FramePlan,
    rules: Vec<Rule>,
    seed: u8,
    in_background: bool,
    options: Options,
}

struct Run<'r> {
    case: &'r Elements,
    df: &'r DataFrame,
    call: CallOptions,
    body: Arc<Body>,
    ticks: Arc<Mutex<Vec<Tick>>>,
    /// The item that draws a number first.
    items: Arc<HashMap<u64, usize>>,
}

macro_rules! closures {
    ($(($A:ty) -> $O:ty;)*) => {
        &[$(Closure {
            text: concat!("|rng: &mut RowRng, x: ", stringify!($A), "| -> result<", stringify!($O), ">"),
            taken: <$A as Argument>::taken,
            dtype: || <$O as MadeRow>::dtypes().remove(0),
            value: |seed, item| <$O>::draw_row(&mut draw_of(seed, item)).values().remove(0),
            call: |run| {
                let (body, seed) = (Arc::clone(&run.body), run.case.seed);
                let items = Arc::clone(&run.items);
                let f = move |rng: &mut RowRng, x: $A| -> anyhow::Result<$O> {
                    let item = items.get(&rng.random::<u64>()).copied().unwrap_or(usize::MAX);
                    body.enter(item, &[x.seen()])?;
                    Ok(<$O>::draw_row(&mut draw_of(seed, item)))
                };
                let options = &run.case.options;
                let apply = options.apply(run.df, &run.call, &run.body, &run.ticks);
                let apply = apply.seed(seed.into());
                call!(apply, run.case.in_background, options.outcome, run.df, elements or spawn_elements (f))
            },
        }),*]
    };
}

const CLOSURES: &[Closure] = closures! {
    (i64) -> i64;
    (Option<i64>) -> Option<f64>;
    (f64) -> bool;
    (u8) -> String;
    (&str) -> Option<String>;
    (Option<&str>) -> u32;
    (bool) -> Vec<i64>;
    (AnyValue<'_>) -> i16;
    (Option<Vec<i64>>) -> Vec<Option<String>>;
};

impl Elements {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let closure = &CLOSURES[u.choose_index(CLOSURES.len())?];
        let kinds: &[Kind] = &(closure.taken)().kinds();
        let width = u.int_in_range(1..=4)?;
        let mut frame = FramePlan::arbitrary(u, &vec![kinds; width])?;
        frame.rows = frame.rows.min(60);
        let mut options = Options::arbitrary(u)?;
        let in_background = rarely(u, 4)?;
        if in_background {
            options.be_in_background();
        }
        // What it refuses is given rarely.
        if u.int_in_range(0..=15)? > 0 {
            options.partial = false;
            if options.on_error == OnError::Skip {
                options.on_error = OnError::Collect;
            }
        }
        Ok(Elements {
            closure,
            frame,
            rules: Rule::some(u)?,
            seed: u.arbitrary()?,
            in_background,
            options,
        })
    }

    pub fn check(&self) -> std::result::Result<(), String> {
        let options = &self.options;
        // The column of positions is for other verbs.
        let bare = self.frame.frame().drop("id").expect("it has the column");
        let rows = self.frame.rows;
        let columns = &NAMES[..self.frame.columns.len()];
        let df = options.with_more_columns(bare.clone());
        let taken = (self.closure.taken)();

        let mut faults = options.faults(rows, columns.len());
        if options.on_error == OnError::Skip {
            faults.insert("option on_error".into());
        }
        if options.partial {
            faults.insert("option on_cancel".into());
        }
        for (name, column) in columns.iter().zip(bare.columns()) {
            let is_there = options.select != Select::Missing || Some(name) != columns.last();
            let fit = taken.fit(column.dtype());
            if is_there && (fit == Fit::Never || (fit == Fit::Lossy && !options.lossy)) {
                faults.insert(format!("dtype {name}"));
            }
        }
        let is_refused = !faults.is_empty();

        // This is a loop over the columns, and in each over its rows.
        let reads: Vec<Read> = match is_refused {
            true => vec![Read::Null; rows * columns.len()],
            false => bare
                .columns()
                .iter()
                .flat_map(|column| taken.read_all(column))
                .collect(),
        };
        let nulls: BTreeSet<String> = columns
            .iter()
            .enumerate()
            .filter(|(column, _)| {
                options.no_nulls && reads[column * rows..][..rows].contains(&Read::Null)
            })
            .map(|(_, name)| format!("null {name}"))
            .collect();
        let seen = reads.iter().map(|read| match read {
            Read::Value(value) => Some(vec![value.clone()]),
            _ => None,
        });
        let body = Arc::new(Body::new(&self.rules, seen.collect()));
        let fates = reads.iter().enumerate().map(|(item, read)| match read {
            Read::Null => Fate::Null,
            Read::Unreadable => Fate::Fails {
                why: Why::Value,
                calls: 0,
                column: Some(columns[item / rows].to_owned()),
            },
            Read::Value(_) => Fate::by_rules(&self.rules, item, options),
        });
        let fates: Vec<Fate> = fates.collect();
        let items = match is_refused {
            true => HashMap::new(),
            // The value in row r and column c of w has the stream of number r · w + c.
            false => (0..reads.len())
                .map(|item| {
                    let number = options.number(item % rows) * columns.len() + item / rows;
                    (random(self.seed, number), item)
                })
                .collect(),
        };
        let run = Run {
            case: self,
            df: &df,
            call: options.call(columns, columns),
            body: Arc::clone(&body),
            ticks: Arc::default(),
            items: Arc::new(items),
        };
        let got = (self.closure.call)(&run);

        let ticks = run.ticks.lock().expect("no holder panics").clone();
        let checked = Checked {
            options,
            fates: &fates,
            whole: false,
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
        let items = ElementItems { case: self };
        let (Some(kept), Ok(got)) = (checked.check(&got, &items)?, &got) else {
            return Ok(());
        };
        let names = options.output_names(columns);
        if got.output.width() != names.len() || kept.len() != fates.len() {
            return Err(format!("the output has {} columns", got.output.width()));
        }
        for (column, name) in names.iter().enumerate() {
            let items = column * rows..(column + 1) * rows;
            let values = items.map(|item| match fates[item] {
                Fate::Done { .. } => (self.closure.value)(self.seed, item),
                _ => Value::Null,
            });
            let dtype = (self.closure.dtype)();
            is_column(
                &got.output.columns()[column],
                name,
                Some(&dtype),
                &values.collect::<Vec<Value>>(),
            )?;
        }
        Ok(())
    }

    fn column(&self, item: usize) -> &'static str {
        NAMES[item / self.frame.rows]
    }

    fn number(&self, item: usize) -> usize {
        self.options.number(item % self.frame.rows)
    }
}

struct ElementItems<'c> {
    case: &'c Elements,
}

impl Items for ElementItems<'_> {
    fn place(&self, item: usize) -> String {
        let (column, row) = (self.case.column(item), self.case.number(item));
        format!("Element {{ column: {column:?}, row: {row} }}")
    }

    fn which(&self, item: usize) -> Vec<(&'static str, Value)> {
        vec![
            ("row", Value::Int(self.case.number(item) as i128)),
            ("column", Value::Text(self.case.column(item).into())),
        ]
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
        self.case.frame.rows
    }

    fn has_parts(&self) -> bool {
        false
    }
}
