//! `chunks`, against a loop over the parts.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use arbitrary::{Result, Unstructured};
use polars::prelude::{Column, DataFrame, DataType};
use polars_par_apply::Error;
use polars_par_apply::prelude::{CallOptions, Chunk, OnError, Tick};

use crate::expect::{Checked, Fate, Got, Items, Told, is_column};
use crate::faults::{Body, Rule};
use crate::frame::{FramePlan, NAMES};
use crate::options::{Options, Token, rarely};
use crate::value::Value;
use crate::verbs::rows::IntoFrame;

/// What a closure of parts is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closure {
    /// `|part: Chunk| -> Result<u64>`: its height.
    Cell,
    /// `|part: Chunk| -> Result<(u64, Option<u64>)>`: its first row, and its height if it has rows.
    Cells,
    /// `|part: Chunk| -> Result<DataFrame>`: its rows, but for the first.
    Frame,
    /// `|part: Chunk| -> Result<Column>`: its rows' positions.
    Column,
    /// `|part: DataFrame| -> DataFrame`: as it is.
    Same,
    /// `|part: &DataFrame| -> u64`
    Height,
}

const CLOSURES: [Closure; 6] = [
    Closure::Cell,
    Closure::Cells,
    Closure::Frame,
    Closure::Column,
    Closure::Same,
    Closure::Height,
];

/// A call of `chunks`.
#[derive(Clone, Debug)]
pub struct Chunks {
    pub closure: Closure,
    pub frame: FramePlan,
    pub rules: Vec<Rule>,
    pub in_background: bool,
    pub options: Options,
}

/// All of a part's values, after its place and its height.
fn seen(index: usize, offset: usize, part: &DataFrame) -> Vec<Value> {
    let place = [index, offset, part.height()].map(|number| Value::Int(number as i128));
    let values = part.columns().iter().flat_map(Value::all);
    place.into_iter().chain(values).collect()
}

macro_rules! call {
    ($apply:expr, $case:expr, $df:expr, $f:expr) => {{
        let told = |outcome| {
            let (output, told) = Told::of(outcome, $df);
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
        match ($case.in_background, $case.options.outcome) {
            (true, true) => apply.outcome().spawn_chunks($f).get().map(told),
            (true, false) => apply.spawn_chunks($f).get().map(bare),
            (false, true) => apply.outcome().chunks($f).map(told),
            (false, false) => apply.chunks($f).map(bare),
        }
    }};
}

impl Chunks {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let closure = *u.choose(&CLOSURES)?;
        let width = u.int_in_range(0..=3)?;
        let frame = FramePlan::arbitrary(u, &vec![&[][..]; width])?;
        let mut options = Options::arbitrary(u)?;
        let in_background = rarely(u, 4)?;
        if in_background && options.token == Token::CancelledBefore {
            options.token = Token::Given;
        }
        let mut rules = Rule::some(u)?;
        if matches!(closure, Closure::Same | Closure::Height) {
            // These do not know which part they are given.
            rules.clear();
            if options.token == Token::Given {
                options.token = Token::No;
            }
        }
        Ok(Chunks {
            closure,
            frame,
            rules,
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
        let enter = move |part: &Chunk| {
            body.enter(part.index(), &seen(part.index(), part.row_offset(), part))
        };
        match self.closure {
            Closure::Cell => call!(apply, self, df, move |part: Chunk| -> anyhow::Result<u64> {
                enter(&part)?;
                Ok(part.height() as u64)
            }),
            Closure::Cells => call!(apply, self, df, move |part: Chunk| -> anyhow::Result<(
                u64,
                Option<u64>
            )> {
                enter(&part)?;
                let height = (part.height() > 0).then_some(part.height() as u64);
                Ok((part.row_offset() as u64, height))
            }),
            Closure::Frame => call!(
                apply,
                self,
                df,
                move |part: Chunk| -> anyhow::Result<DataFrame> {
                    enter(&part)?;
                    Ok(part.slice(1, part.height()))
                }
            ),
            Closure::Column => call!(
                apply,
                self,
                df,
                move |part: Chunk| -> anyhow::Result<Column> {
                    enter(&part)?;
                    Ok(part.column("id")?.clone())
                }
            ),
            Closure::Same => call!(apply, self, df, |part: DataFrame| part),
            Closure::Height => call!(apply, self, df, |part: &DataFrame| part.height() as u64),
        }
    }

    pub fn check(&self) -> std::result::Result<(), String> {
        let options = &self.options;
        let bare = self.frame.frame();
        let rows = bare.height();
        let others = &NAMES[..self.frame.columns.len()];
        let columns: Vec<&str> = std::iter::once("id")
            .chain(others.iter().copied())
            .collect();
        let df = options.with_more_columns(bare.clone());
        let whole = matches!(
            self.closure,
            Closure::Frame | Closure::Column | Closure::Same
        );
        let own: Vec<&str> = match self.closure {
            Closure::Cell | Closure::Height => vec!["par_apply"],
            Closure::Cells => vec!["column_0", "column_1"],
            Closure::Frame | Closure::Same => columns.clone(),
            Closure::Column => vec!["id"],
        };
        let knows = !matches!(self.closure, Closure::Same | Closure::Height);

        let mut faults = options.faults(rows, own.len());
        if options.no_nulls {
            faults.insert("option nulls".into());
        }
        if whole && options.lossy {
            faults.insert("option casts".into());
        }
        if whole && options.on_error == OnError::Null {
            faults.insert("option on_error".into());
        }
        // How many columns a frame has shows after the run only.
        let of_frames = matches!(self.closure, Closure::Frame | Closure::Same);
        let late = of_frames && faults.remove("name_count");
        let is_refused = !faults.is_empty();

        let parts = match is_refused {
            true => Vec::new(),
            false => options.parts(rows),
        };
        let offset = |part: &Range<usize>| match part.is_empty() {
            // It begins where the one after it would.
            true => match options.numbering {
                crate::options::Numbering::RowNumbers(_) => part.start,
                _ => options.number(part.start),
            },
            false => options.number(part.start),
        };
        let expected = parts.iter().enumerate().map(|(index, part)| {
            let frame = bare.slice(part.start as i64, part.len());
            Some(seen(index, offset(part), &frame))
        });
        let body = Arc::new(Body::new(&self.rules, expected.collect()));
        let fates: Vec<Fate> = (0..parts.len())
            .map(|part| match knows {
                true => Fate::by_rules(&self.rules, part, options),
                // It is called, and not counted.
                false => Fate::Done { calls: 0 },
            })
            .collect();

        let ticks = Arc::default();
        let call = options.call(&columns, &own);
        let got = self.run(&df, &call, &body, &ticks);
        let ticks = ticks.lock().expect("no holder panics").clone();
        let checked = Checked {
            options,
            fates: &fates,
            whole,
            body: &body,
            ticks: &ticks,
        };
        if is_refused {
            return checked.is_refused(&got, &faults);
        }
        let starts: Vec<usize> = parts.iter().map(offset).collect();
        let items = ChunkItems {
            parts: &parts,
            starts: &starts,
            height: rows,
        };
        if late
            && got
                .as_ref()
                .is_err_and(|error| error.kind().name() == "name_count")
        {
            return Ok(());
        }
        let (Some(kept), Ok(got)) = (checked.check(&got, &items)?, &got) else {
            return Ok(());
        };
        if late && got.output.width() > 0 {
            return Err("it has names for more columns than there are".into());
        }

        let cancelled = got.told.as_ref().is_some_and(|told| told.stats.cancelled);
        // Of a part without rows nothing but a cell says whether it was done.
        let empty = |part: &usize| parts[*part].is_empty();
        if cancelled && kept.iter().any(empty) && !whole {
            return Ok(());
        }
        let output = &got.output;
        if whole && kept.is_empty() {
            // Nothing says what columns there are.
            return match output.height() {
                0 => Ok(()),
                height => Err(format!("nothing is kept, and the output has {height} rows")),
            };
        }
        let done: Vec<&Range<usize>> = kept.iter().map(|part| &parts[*part]).collect();
        let is_null = |part: usize| fates[part].fails();
        let mut names = options.output_names(&own);
        if cancelled && whole && output.width() == 0 {
            names.clear();
        }
        if output.width() != names.len() {
            return Err(format!(
                "the output has {} columns, and not {}",
                output.width(),
                names.len()
            ));
        }
        for (position, name) in names.iter().enumerate() {
            let column = &output.columns()[position];
            let (dtype, values): (Option<DataType>, Vec<Value>) = match self.closure {
                Closure::Cell | Closure::Height | Closure::Cells => {
                    let cell = |part: &usize| {
                        let height = parts[*part].len() as i128;
                        match (is_null(*part), self.closure, position) {
                            (true, ..) => Value::Null,
                            (_, Closure::Cells, 0) => Value::Int(offset(&parts[*part]) as i128),
                            (_, Closure::Cells, _) if height == 0 => Value::Null,
                            _ => Value::Int(height),
                        }
                    };
                    (Some(DataType::UInt64), kept.iter().map(cell).collect())
                }
                Closure::Frame | Closure::Same | Closure::Column => {
                    let of = &bare.columns()[position];
                    let all = Value::all(of);
                    let values = done.iter().flat_map(|part| {
                        let left_out = usize::from(self.closure == Closure::Frame);
                        all[(*part).clone()]
                            .iter()
                            .skip(left_out)
                            .cloned()
                            .collect::<Vec<_>>()
                    });
                    (Some(of.dtype().clone()), values.collect())
                }
            };
            is_column(column, name, dtype.as_ref(), &values)?;
        }
        Ok(())
    }
}

struct ChunkItems<'c> {
    parts: &'c [Range<usize>],
    starts: &'c [usize],
    height: usize,
}

impl Items for ChunkItems<'_> {
    fn place(&self, part: usize) -> String {
        format!(
            "Part {{ index: {part}, row_offset: {} }}",
            self.starts[part]
        )
    }

    fn which(&self, part: usize) -> Vec<(&'static str, Value)> {
        vec![
            ("row", Value::Int(self.starts[part] as i128)),
            ("part", Value::Int(part as i128)),
            ("rows", Value::Int(self.parts[part].len() as i128)),
        ]
    }

    fn given(&self, _: usize) -> Vec<(String, Value)> {
        Vec::new()
    }

    fn rows(&self, part: usize) -> Range<usize> {
        self.parts[part].clone()
    }

    fn weight(&self, part: usize) -> usize {
        self.parts[part].len()
    }

    fn height(&self) -> usize {
        self.height
    }
}
