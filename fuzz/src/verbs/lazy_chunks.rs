//! `chunks` and `batches` of a `LazyFrame`: the parts are not known before, so what closures are given is noted row by row.

use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use polars::prelude::{
    Column, DataFrame, DataType, Engine, IntoLazy, LazyFrame, PlSmallStr, PolarsResult, Schema,
};
use polars_par_apply::prelude::{Chunk, ParApplyLazy};

use crate::expect::{Fate, is_column};
use crate::faults::{Body, PANIC, Rule};
use crate::frame::{FramePlan, NAMES};
use crate::options::{Options, rarely};
use crate::value::Value;

/// How the query is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The closure is given the whole frame.
    Whole {
        streaming: bool,
    },
    RowWise {
        streaming: bool,
    },
    Batches {
        rows: usize,
        unordered: bool,
    },
}

/// A call of `chunks`, or of `batches`.
#[derive(Clone, Debug)]
pub struct LazyChunks {
    frame: FramePlan,
    rules: Vec<Rule>,
    /// Whether a part's last row is left out.
    shortens: bool,
    selects: bool,
    how: How,
}

/// Returns a part's result: its rows, or all but the last, each with its number beside it.
fn result(part: &Chunk, shortens: bool) -> PolarsResult<DataFrame> {
    let first = part.row_offset() as u64;
    let numbers = (first..first + part.height() as u64).collect::<Vec<u64>>();
    let frame = part.hstack(&[Column::new("number".into(), numbers)])?;
    let rows = frame.height().saturating_sub(usize::from(shortens));
    Ok(frame.slice(0, rows))
}

impl LazyChunks {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let width = u.int_in_range(0..=3)?;
        let mut frame = FramePlan::arbitrary(u, &vec![&[][..]; width])?;
        let how = match u.int_in_range(0..=4)? {
            0 => How::Whole {
                streaming: u.arbitrary()?,
            },
            1 | 2 => How::RowWise {
                streaming: u.arbitrary()?,
            },
            _ => How::Batches {
                rows: u.int_in_range(1..=30)?,
                unordered: rarely(u, 3)?,
            },
        };
        if matches!(how, How::Batches { .. }) {
            // A separate batch for each of many rows takes long.
            frame.rows = frame.rows.min(60);
        }
        Ok(LazyChunks {
            frame,
            rules: Rule::some(u)?,
            // If Polars chooses the parts, it is not known which rows are the last.
            shortens: u.arbitrary()? && !matches!(how, How::RowWise { .. }),
            selects: u.arbitrary()?,
            how,
        })
    }

    pub fn check(&self) -> std::result::Result<(), String> {
        let df = self.frame.frame();
        let others = &NAMES[..self.frame.columns.len()
            - usize::from(self.selects && self.frame.columns.len() > 1)];
        let names: Vec<&str> = std::iter::once("id")
            .chain(others.iter().copied())
            .collect();
        let given = df
            .select(names.iter().copied())
            .expect("it has the columns");
        let values: Vec<Vec<Value>> = given.columns().iter().map(Value::all).collect();
        let of_row = |row: usize| values.iter().map(|column| column[row].clone()).collect();
        let expected = (0..df.height()).map(|row| Some(of_row(row)));
        let body = Arc::new(Body::new(&self.rules, expected.collect()));
        let options = Options::none();
        let fates: Vec<Fate> = (0..df.height())
            .map(|row| Fate::by_rules(&self.rules, row, &options))
            .collect();

        let mut lazy = df.clone().lazy().par_apply();
        if self.selects {
            lazy = lazy.select(names.iter().copied());
        }
        let (shortens, of_parts, numbered) = (self.shortens, Arc::clone(&body), self.how);
        let f = move |part: Chunk| -> anyhow::Result<DataFrame> {
            let values: Vec<Vec<Value>> = part.columns().iter().map(Value::all).collect();
            for row in 0..part.height() {
                let Value::Int(id) = values[0][row] else {
                    anyhow::bail!("the column of positions has a null");
                };
                if id as usize != part.row_offset() + row {
                    of_parts.finding(format!(
                        "row {id} is in row {row} of a part from {} on",
                        part.row_offset()
                    ));
                }
                let seen: Vec<Value> = values.iter().map(|column| column[row].clone()).collect();
                of_parts.enter(id as usize, &seen)?;
            }
            if matches!(numbered, How::Batches { rows, .. } if part.row_offset() != rows * part.index())
            {
                of_parts.finding(format!(
                    "batch {} is from {} on",
                    part.index(),
                    part.row_offset()
                ));
            }
            Ok(result(&part, shortens)?)
        };
        let schema = |input: &Schema| -> PolarsResult<Schema> {
            let mut schema = input.clone();
            schema.insert("number".into(), DataType::UInt64);
            Ok(schema)
        };
        let collect = |query: LazyFrame, streaming: bool| {
            let engine = if streaming {
                Engine::Streaming
            } else {
                Engine::InMemory
            };
            match query.collect_with_engine(engine) {
                Ok(result) => Ok(result.unwrap_single()),
                Err(error) => Err(error.to_string()),
            }
        };
        let got: std::result::Result<DataFrame, String> = match self.how {
            How::Whole { streaming } => collect(lazy.chunks(schema, f), streaming),
            How::RowWise { streaming } => collect(lazy.row_wise().chunks(schema, f), streaming),
            How::Batches { rows, unordered } => {
                let batches = lazy.batches(f).chunk_rows(rows);
                let batches = if unordered {
                    batches.unordered()
                } else {
                    batches
                };
                let batches = batches.collect::<std::result::Result<Vec<DataFrame>, _>>();
                batches
                    .map_err(|error| error.to_string())
                    .and_then(|mut batches| {
                        let first = |batch: &DataFrame| {
                            let number =
                                batch.columns().last().and_then(|column| column.get(0).ok());
                            number.map(|number| number.try_extract::<u64>().unwrap_or_default())
                        };
                        if unordered {
                            batches.sort_by_key(first);
                        }
                        let batches = batches.into_iter().reduce(|mut all, batch| {
                            all.vstack_mut(&batch)
                                .expect("the batches have the same columns");
                            all
                        });
                        batches.ok_or_else(|| "a stream of no batch".to_owned())
                    })
            }
        };

        let findings = body.findings();
        if !findings.is_empty() {
            return Err(findings.join("\n"));
        }
        let calls = body.calls();
        let failing: Vec<usize> = (0..df.height()).filter(|row| fates[*row].fails()).collect();
        let output = match got {
            Err(error) => {
                let says = |row: &usize| {
                    error.contains(&format!("fault {row}"))
                        || error.contains(&format!("{PANIC} {row}"))
                };
                // If several parts run at the same time, any of them may be reported first; an ordered stream reports the lowest.
                let told = match self.how {
                    How::RowWise { .. }
                    | How::Batches {
                        unordered: true, ..
                    } => &failing[..],
                    _ => failing.get(..1).unwrap_or_default(),
                };
                return match told.iter().any(says) && calls.iter().all(|calls| *calls <= 1) {
                    true => Ok(()),
                    false => Err(format!(
                        "it is not to fail so, after {calls:?} calls: {error}"
                    )),
                };
            }
            Ok(_) if !failing.is_empty() => {
                return Err(format!("row {} fails, and the query does not", failing[0]));
            }
            Ok(output) => output,
        };
        if calls.iter().any(|calls| *calls != 1) {
            return Err(format!("the rows were seen {calls:?} times"));
        }
        let kept = |row: &usize| match self.how {
            _ if !self.shortens => true,
            How::Batches { rows, .. } => !(row + 1).is_multiple_of(rows) && row + 1 < df.height(),
            _ => row + 1 < df.height(),
        };
        let kept: Vec<usize> = (0..df.height()).filter(kept).collect();
        let mut expected = given.get_column_names_owned();
        expected.push(PlSmallStr::from_static("number"));
        crate::row_call::has_columns(&output, &expected)?;
        let (numbers, columns) = output.columns().split_last().expect("it has a column");
        for ((column, values), of) in columns.iter().zip(&values).zip(given.columns()) {
            let values: Vec<Value> = kept.iter().map(|row| values[*row].clone()).collect();
            is_column(column, of.name(), Some(of.dtype()), &values)?;
        }
        let rows: Vec<Value> = kept.iter().map(|row| Value::Int(*row as i128)).collect();
        is_column(numbers, "number", Some(&DataType::UInt64), &rows)
    }
}
