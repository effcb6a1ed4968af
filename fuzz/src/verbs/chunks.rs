//! `chunks`, compared with a loop over the parts, with rows of their neighbours or without.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use arbitrary::{Result, Unstructured};
use polars::prelude::{Column, DataFrame, DataType};
use polars_par_apply::Error;
use polars_par_apply::prelude::{CallOptions, Chunk, OnError, Tick};

use crate::call::call;
use crate::expect::{Checked, Fate, Got, Items, Why, is_column};
use crate::faults::{Body, Rule};
use crate::frame::{FramePlan, NAMES};
use crate::options::{Options, Token, rarely};
use crate::value::Value;

/// The closures of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closure {
    /// `|part: Chunk| -> Result<u64>`: the height of what it is given.
    Cell,
    /// `|part: Chunk| -> Result<(u64, Option<u64>)>`: its first row, and its height if it has rows.
    Cells,
    /// `|part: Chunk| -> Result<DataFrame>`: the rows that it is given, except the first.
    Frame,
    /// `|part: Chunk| -> Result<DataFrame>`: its own rows.
    Core,
    /// `|part: Chunk| -> Result<Column>`: its rows' positions.
    Column,
    /// `|part: DataFrame| -> DataFrame`: the part itself.
    Same,
    /// `|part: &DataFrame| -> u64`
    Height,
}

const CLOSURES: [Closure; 7] = [
    Closure::Cell,
    Closure::Cells,
    Closure::Frame,
    Closure::Core,
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

/// All values that a part is given, after its place, its height, and where its own rows are.
fn seen(index: usize, offset: usize, core: Range<usize>, part: &DataFrame) -> Vec<Value> {
    let place = [index, offset, part.height(), core.start, core.end];
    let place = place.map(|number| Value::Int(number as i128));
    let values = part.columns().iter().flat_map(Value::all);
    place.into_iter().chain(values).collect()
}

impl Chunks {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let closure = *u.choose(&CLOSURES)?;
        let width = u.int_in_range(0..=3)?;
        let frame = FramePlan::arbitrary(u, &vec![&[][..]; width])?;
        let mut options = Options::arbitrary(u)?;
        options.overlap = match rarely(u, 3)? {
            true => {
                let most = [0, 1, 2, 3, 5, 20, usize::MAX];
                Some((*u.choose(&most)?, *u.choose(&most)?))
            }
            false => None,
        };
        let in_background = rarely(u, 4)?;
        if in_background {
            options.be_in_background();
        }
        let mut rules = Rule::some(u)?;
        if matches!(closure, Closure::Same | Closure::Height) {
            // These do not know which part they are given.
            rules.clear();
            if matches!(options.token, Token::Given | Token::Late) {
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
            let seen = seen(part.index(), part.row_offset(), part.core(), part);
            body.enter(part.index(), &seen)
        };
        macro_rules! made {
            ($f:expr) => {
                call!(apply, self.in_background, self.options.outcome, df, chunks or spawn_chunks ($f))
            };
        }
        match self.closure {
            Closure::Cell => made!(move |part: Chunk| -> anyhow::Result<u64> {
                enter(&part)?;
                Ok(part.height() as u64)
            }),
            Closure::Cells => made!(move |part: Chunk| -> anyhow::Result<(u64, Option<u64>)> {
                enter(&part)?;
                let height = (part.height() > 0).then_some(part.height() as u64);
                Ok((part.row_offset() as u64, height))
            }),
            Closure::Frame => made!(move |part: Chunk| -> anyhow::Result<DataFrame> {
                enter(&part)?;
                Ok(part.slice(1, part.height()))
            }),
            Closure::Core => made!(move |part: Chunk| -> anyhow::Result<DataFrame> {
                enter(&part)?;
                Ok(part.slice(part.core().start as i64, part.core().len()))
            }),
            Closure::Column => made!(move |part: Chunk| -> anyhow::Result<Column> {
                enter(&part)?;
                Ok(part.column("id")?.clone())
            }),
            Closure::Same => made!(|part: DataFrame| part),
            Closure::Height => made!(|part: &DataFrame| part.height() as u64),
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
            Closure::Frame | Closure::Core | Closure::Column | Closure::Same
        );
        let own: Vec<&str> = match self.closure {
            Closure::Cell | Closure::Height => vec!["par_apply"],
            Closure::Cells => vec!["column_0", "column_1"],
            Closure::Frame | Closure::Core | Closure::Same => columns.clone(),
            Closure::Column => vec!["id"],
        };
        let knows = !matches!(self.closure, Closure::Same | Closure::Height);

        let mut faults = options.faults(rows, own.len());
        faults.remove("option overlap");
        if options.no_nulls {
            faults.insert("option nulls".into());
        }
        if whole && options.lossy {
            faults.insert("option casts".into());
        }
        if whole && options.on_error == OnError::Null {
            faults.insert("option on_error".into());
        }
        // The number of a frame's columns is known only after the run.
        let of_frames = matches!(self.closure, Closure::Frame | Closure::Core | Closure::Same);
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
        // The rows that a part is given, and where its own are among them.
        let overlap = options.overlap.filter(|overlap| *overlap != (0, 0));
        let around = |part: &Range<usize>| {
            let (before, after) = overlap.unwrap_or_default();
            part.start.saturating_sub(before)..part.end.saturating_add(after).min(rows)
        };
        let expected = parts.iter().enumerate().map(|(index, part)| {
            let around = around(part);
            let frame = bare.slice(around.start as i64, around.len());
            let core = part.start - around.start..part.end - around.start;
            Some(seen(index, offset(&around), core, &frame))
        });
        let body = Arc::new(Body::new(&self.rules, expected.collect()));
        // The rows of which the output has a part's result.
        let stacked = |part: &Range<usize>| {
            let around = around(part);
            match (self.closure, overlap) {
                (Closure::Frame, None) => part.start.saturating_add(1).min(part.end)..part.end,
                // It has one row less than it was given, which may be the number of its own rows.
                (Closure::Frame, Some(_)) => {
                    let rest = around.start.saturating_add(1).min(around.end)..around.end;
                    match rest.len() {
                        rows if rows == around.len() => part.clone(),
                        rows if rows == part.len() => rest,
                        _ => return None,
                    }
                }
                _ => part.clone(),
            }
            .into()
        };
        let fates: Vec<Fate> = parts
            .iter()
            .enumerate()
            .map(|(index, part)| {
                if !knows {
                    // It is called, but does not count as done.
                    return Fate::Done { calls: 0 };
                }
                match (Fate::by_rules(&self.rules, index, options), stacked(part)) {
                    (Fate::Done { calls }, None) => Fate::Fails {
                        why: Why::Stack,
                        calls,
                        column: None,
                    },
                    (fate, _) => fate,
                }
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
            filter: &[],
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
        // For a part without rows, only a cell shows whether it was done.
        let empty = |part: &usize| parts[*part].is_empty();
        if cancelled && kept.iter().any(empty) && !whole {
            return Ok(());
        }
        let output = &got.output;
        if whole && (kept.is_empty() || cancelled && kept.iter().all(empty)) {
            // Nothing says which columns there are: no part is done, or only parts whose results do not show it.
            return match output.height() {
                0 => Ok(()),
                height => Err(format!("nothing is kept, and the output has {height} rows")),
            };
        }
        let done: Vec<&Range<usize>> = kept.iter().map(|part| &parts[*part]).collect();
        let is_null = |part: usize| fates[part].fails();
        let names = options.output_names(&own);
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
                        let around = around(&parts[*part]);
                        let height = around.len() as i128;
                        match (is_null(*part), self.closure, position) {
                            (true, ..) => Value::Null,
                            (_, Closure::Cells, 0) => Value::Int(offset(&around) as i128),
                            (_, Closure::Cells, _) if height == 0 => Value::Null,
                            _ => Value::Int(height),
                        }
                    };
                    (Some(DataType::UInt64), kept.iter().map(cell).collect())
                }
                Closure::Frame | Closure::Core | Closure::Same | Closure::Column => {
                    let of = &bare.columns()[position];
                    let all = Value::all(of);
                    let rows = done.iter().filter_map(|part| stacked(part));
                    let values = rows.flat_map(|rows| all[rows].to_vec());
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

    fn rows(&self, part: usize) -> Vec<usize> {
        self.parts[part].clone().collect()
    }

    fn weight(&self, part: usize) -> usize {
        self.parts[part].len()
    }

    fn height(&self) -> usize {
        self.height
    }
}
