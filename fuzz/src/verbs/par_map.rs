//! `par_map` of a column or a series.

use std::collections::BTreeSet;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use chrono::NaiveDate;
use polars::prelude::{AnyValue, Column, DataType, IntoColumn, IntoSeries, StructChunked};
use polars_par_apply::prelude::{IntoRow, ParMap as _, RowFn};
use polars_par_apply::{Error, OneCell, Struct};

use crate::arguments::{Argument, Fit, Read, Taken};
use crate::expect::{Checked, Fate, Got, Items, Why, is_column};
use crate::faults::{Body, Fault, Rule};
use crate::frame::{FramePlan, Kind};
use crate::options::Options;
use crate::results::MadeRow;
use crate::row_call::draw_of;
use crate::value::Value;

/// A closure: it takes a struct of a row's position and its value, and knows the row by the position.
struct Closure {
    text: &'static str,
    /// The type of the value.
    value: fn() -> Taken,
    taken: fn() -> Taken,
    dtype: fn() -> DataType,
    result: fn(seed: u8, row: usize) -> Value,
    call: fn(&ParMap, &Column, &Arc<Body>) -> std::result::Result<Column, Error>,
}

impl std::fmt::Debug for Closure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text)
    }
}

/// A call of `par_map`.
#[derive(Clone, Debug)]
pub struct ParMap {
    closure: &'static Closure,
    frame: FramePlan,
    rules: Vec<Rule>,
    seed: u8,
    of_series: bool,
}

macro_rules! closures {
    ($(($A:ty) -> $O:ty;)*) => {
        &[$(Closure {
            text: concat!("|(id, x): Struct<(u32, ", stringify!($A), ")>| -> result<", stringify!($O), ">"),
            value: <$A as Argument>::taken,
            taken: <Struct<(u32, $A)> as Argument>::taken,
            dtype: || <$O as MadeRow>::dtypes().remove(0),
            result: |seed, row| <$O>::draw_row(&mut draw_of(seed, row)).values().remove(0),
            call: |case, column, body| {
                let seed = case.seed;
                case.map(column, move |Struct((id, x)): Struct<(u32, $A)>| -> anyhow::Result<$O> {
                    body.enter(id as usize, &[x.seen()])?;
                    Ok(<$O>::draw_row(&mut draw_of(seed, id as usize)))
                })
            },
        }),*]
    };
}

const CLOSURES: &[Closure] = closures! {
    (i64) -> i64;
    (Option<i64>) -> Option<String>;
    (f64) -> bool;
    (&str) -> String;
    (Option<bool>) -> u8;
    (NaiveDate) -> NaiveDate;
    (AnyValue<'_>) -> Option<f64>;
    (Vec<Option<i64>>) -> Vec<i64>;
};

impl ParMap {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let closure = &CLOSURES[u.choose_index(CLOSURES.len())?];
        let kinds: &[Kind] = &(closure.value)().kinds();
        let rules = Rule::some(u)?.into_iter();
        Ok(ParMap {
            closure,
            frame: FramePlan::arbitrary(u, &[kinds])?,
            // The verb has no token.
            rules: rules.filter(|rule| rule.fault != Fault::Cancel).collect(),
            seed: u.arbitrary()?,
            of_series: u.arbitrary()?,
        })
    }

    fn map<M, F>(&self, column: &Column, f: F) -> std::result::Result<Column, Error>
    where
        F: RowFn<M, Cells: OneCell>,
        F::Out: IntoRow<Output = Column>,
    {
        match self.of_series {
            true => column.as_materialized_series().par_map(f),
            false => column.par_map(f),
        }
    }

    pub fn check(&self) -> std::result::Result<(), String> {
        let frame = self.frame.frame();
        let fields: Vec<_> = frame
            .columns()
            .iter()
            .map(|column| column.as_materialized_series().clone())
            .collect();
        let column = StructChunked::from_series("x".into(), frame.height(), fields.iter());
        let column = column
            .expect("the fields are of one height")
            .into_series()
            .into_column();
        let (value, taken) = ((self.closure.value)(), (self.closure.taken)());
        let dtype = frame.columns()[1].dtype();
        let is_refused = value.fit(dtype) != Fit::Whole;
        let reads = match is_refused {
            true => vec![Read::Null; column.len()],
            false => taken.read_all(&column),
        };
        let seen = reads.iter().map(|read| match read {
            Read::Value(Value::Struct(fields)) => Some(fields[1..].to_vec()),
            _ => None,
        });
        let body = Arc::new(Body::new(&self.rules, seen.collect()));
        let options = Options::none();
        let fates = reads.iter().enumerate().map(|(row, read)| match read {
            Read::Null => Fate::Null,
            Read::Unreadable => Fate::Fails {
                why: Why::Value,
                calls: 0,
                column: Some("x".into()),
            },
            Read::Value(_) => Fate::by_rules(&self.rules, row, &options),
        });
        let fates: Vec<Fate> = fates.collect();
        let got = (self.closure.call)(self, &column, &body).map(|output| Got {
            output: output.into_frame(),
            told: None,
        });
        let checked = Checked {
            options: &options,
            fates: &fates,
            whole: false,
            filter: &[],
            body: &body,
            ticks: &[],
        };
        if is_refused {
            return checked.is_refused(&got, &BTreeSet::from(["dtype x".into()]));
        }
        let items = ValueItems {
            height: column.len(),
        };
        let (Some(_), Ok(got)) = (checked.check(&got, &items)?, &got) else {
            return Ok(());
        };
        let values = fates.iter().enumerate().map(|(row, fate)| match fate {
            Fate::Done { .. } => (self.closure.result)(self.seed, row),
            _ => Value::Null,
        });
        let dtype = (self.closure.dtype)();
        is_column(
            &got.output.columns()[0],
            "x",
            Some(&dtype),
            &values.collect::<Vec<Value>>(),
        )
    }
}

struct ValueItems {
    height: usize,
}

impl Items for ValueItems {
    fn place(&self, row: usize) -> String {
        format!("Row({row})")
    }

    /// No failures are let pass.
    fn which(&self, _: usize) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    fn given(&self, _: usize) -> Vec<(String, Value)> {
        Vec::new()
    }

    fn rows(&self, row: usize) -> Vec<usize> {
        vec![row]
    }

    fn weight(&self, _: usize) -> usize {
        1
    }

    fn height(&self) -> usize {
        self.height
    }
}
