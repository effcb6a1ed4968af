//! Plans of a call's options, which are mostly valid; if they are not, the faults for which the call must be refused.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use polars::prelude::{DataFrame, DataType, IntoLazy, PlSmallStr};
use polars_par_apply::prelude::{
    Apply, CallOptions, Casts, ErrorKind, OnCancel, OnError, ParApply, ParApplyLazy, Pool, Retry,
    Tick,
};
use polars_par_apply::{Error, Failures, LazyApply, Nulls, available_workers};

use crate::faults::Body;
use crate::frame::{Lines, NAMES};
use crate::keys::KEYS;
use crate::window::ORDER;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// No option: the frame has only the closure's columns.
    Default,
    /// By name; the frame has another column.
    Named,
    /// By a predicate, likewise.
    Where,
    /// The last name is not that of a column.
    Missing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    Default,
    Given,
    /// Those of the frame's columns.
    OfColumns,
    OneTooMany,
    /// The last name is that of the one before, if there are several.
    Twice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    Default,
    Sequential,
    Workers(usize),
    /// A pool of this many workers, and how many of them the call asks for.
    Pool(usize, Option<usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Default,
    Partitions(usize),
    ChunkRows(usize),
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    Default,
    FirstRow(u64),
    RowNumbers(Lines),
    MissingColumn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    No,
    Given,
    CancelledBefore,
    /// None, and a deadline that has passed.
    Late,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub select: Select,
    pub names: Names,
    pub no_nulls: bool,
    pub lossy: bool,
    pub workers: Workers,
    pub cut: Cut,
    pub numbering: Numbering,
    pub on_error: OnError,
    pub max_failures: Option<usize>,
    pub retry: Option<usize>,
    pub token: Token,
    pub long_deadline: bool,
    pub partial: bool,
    pub progress: bool,
    pub outcome: bool,
    /// For verbs of parts, and for those that give any number of rows.
    pub overlap: Option<(usize, usize)>,
    pub keep: Option<Vec<&'static str>>,
    pub source_rows: Option<&'static str>,
}

/// Returns true in one of this many cases; never if there are no more bytes.
pub fn rarely(u: &mut Unstructured<'_>, of: u8) -> Result<bool> {
    Ok(u.int_in_range(1..=of)? == of)
}

static POOLS: LazyLock<[Pool; 3]> =
    LazyLock::new(|| [1, 2, 3].map(|workers| Pool::new(workers).expect("a pool can be made")));

impl Options {
    pub fn none() -> Self {
        Options {
            select: Select::Default,
            names: Names::Default,
            no_nulls: false,
            lossy: false,
            workers: Workers::Default,
            cut: Cut::Default,
            numbering: Numbering::Default,
            on_error: OnError::Fail,
            max_failures: None,
            retry: None,
            token: Token::No,
            long_deadline: false,
            partial: false,
            progress: false,
            outcome: false,
            overlap: None,
            keep: None,
            source_rows: None,
        }
    }

    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let wrong = |u: &mut Unstructured<'_>| rarely(u, 40);
        let on_error = *u.choose(&[
            OnError::Fail,
            OnError::Fail,
            OnError::Null,
            OnError::Skip,
            OnError::Collect,
        ])?;
        let partial = rarely(u, 3)?;
        let needs_outcome = partial || on_error != OnError::Fail;
        let misplaced = match wrong(u)? {
            true => u.int_in_range(1..=3)?,
            false => 0,
        };
        let may_have_limit = on_error != OnError::Fail || wrong(u)?;
        Ok(Options {
            select: match u.int_in_range(0..=39)? {
                39 => Select::Missing,
                33..=38 => Select::Named,
                27..=32 => Select::Where,
                _ => Select::Default,
            },
            names: match u.int_in_range(0..=39)? {
                39 => Names::OneTooMany,
                38 => Names::Twice,
                32..=37 => Names::Given,
                27..=31 => Names::OfColumns,
                _ => Names::Default,
            },
            no_nulls: rarely(u, 10)?,
            lossy: rarely(u, 4)?,
            workers: match u.int_in_range(0..=9)? {
                0 | 1 => Workers::Default,
                2 | 3 => Workers::Sequential,
                4..=6 => Workers::Workers(match wrong(u)? {
                    true => *u.choose(&[0, 5_000])?,
                    false => u.int_in_range(1..=3)?,
                }),
                _ => {
                    let pool = u.int_in_range(1..=3)?;
                    let asked = match rarely(u, 3)? {
                        true if wrong(u)? => Some(pool + 1),
                        true => Some(u.int_in_range(1..=pool)?),
                        false => None,
                    };
                    Workers::Pool(pool, asked)
                }
            },
            cut: match u.int_in_range(0..=9)? {
                0..=4 => Cut::Default,
                5 | 6 => Cut::Partitions(match wrong(u)? {
                    true => 0,
                    false => u.int_in_range(1..=20)?,
                }),
                7 | 8 => Cut::ChunkRows(match wrong(u)? {
                    true => 0,
                    false => u.int_in_range(1..=20)?,
                }),
                _ if wrong(u)? => Cut::Both,
                _ => Cut::ChunkRows(1),
            },
            numbering: match u.int_in_range(0..=9)? {
                0..=5 => Numbering::Default,
                6 | 7 => Numbering::FirstRow(match u.int_in_range(0..=9)? {
                    9 => u64::MAX,
                    8 => u64::from(u32::MAX) - 2,
                    _ => u.int_in_range(0..=1000)?,
                }),
                _ if wrong(u)? => Numbering::MissingColumn,
                _ => Numbering::RowNumbers(Lines::arbitrary(u)?),
            },
            on_error,
            max_failures: match may_have_limit && rarely(u, 3)? {
                true => Some(u.int_in_range(0..=6)?),
                false => None,
            },
            retry: match rarely(u, 3)? {
                true if wrong(u)? => Some(0),
                true => Some(u.int_in_range(1..=4)?),
                false => None,
            },
            token: match u.int_in_range(0..=19)? {
                19 => Token::CancelledBefore,
                18 => Token::Late,
                11..=17 => Token::Given,
                _ => Token::No,
            },
            long_deadline: rarely(u, 8)?,
            partial,
            progress: rarely(u, 5)?,
            outcome: match needs_outcome {
                true => !wrong(u)?,
                false => u.arbitrary()?,
            },
            overlap: (misplaced == 1).then_some((1, 1)),
            keep: (misplaced == 2).then(|| vec!["id"]),
            source_rows: (misplaced == 3).then_some("row"),
        })
    }

    /// A job that is cancelled or late before it has begun has no finished rows.
    pub fn be_in_background(&mut self) {
        if matches!(self.token, Token::CancelledBefore | Token::Late) {
            self.token = Token::Given;
        }
    }

    /// Removes what a query has no option for.
    pub fn be_of_a_query(&mut self) {
        self.workers = Workers::Default;
        self.cut = Cut::Default;
        self.numbering = Numbering::Default;
        self.max_failures = None;
        self.retry = None;
        self.token = Token::No;
        self.long_deadline = false;
        self.partial = false;
        self.progress = false;
        // Whether the failures that are let pass are collected.
        self.outcome = self.on_error != OnError::Fail && self.outcome;
        self.overlap = None;
        if self.on_error == OnError::Collect {
            self.on_error = OnError::Null;
        }
        if self.select == Select::Where {
            self.select = Select::Named;
        }
    }

    /// Returns the frame with the columns that it has besides those of the closure.
    pub fn with_more_columns(&self, mut df: DataFrame) -> DataFrame {
        let rows = df.height();
        if let Numbering::RowNumbers(lines) = self.numbering {
            df.insert_column(df.width().min(1), lines.column(rows))
                .expect("it has the frame's height");
        }
        if self.select != Select::Default {
            let other = polars::prelude::Column::new("other".into(), vec!["other"; rows]);
            df.insert_column(0, other)
                .expect("it has the frame's height");
        }
        df
    }

    /// Sets the options that are plain data. The columns are the closure's, and the width is that of its result.
    pub fn call(&self, columns: &[&str], names: &[&str]) -> CallOptions {
        let mut call = CallOptions::new();
        if let Some(columns) = self.selected(columns) {
            call = call.select(columns);
        }
        if let Some(names) = self.given_names(names) {
            call = call.names(names);
        }
        if self.no_nulls {
            call = call.nulls(Nulls::Error);
        }
        if self.lossy {
            call = call.casts(Casts::Lossy);
        }
        call = match self.workers {
            Workers::Default | Workers::Pool(_, None) => call,
            Workers::Sequential => call.sequential(),
            Workers::Workers(workers) | Workers::Pool(_, Some(workers)) => call.workers(workers),
        };
        call = match self.cut {
            Cut::Default => call,
            Cut::Partitions(parts) => call.partitions(parts),
            Cut::ChunkRows(rows) => call.chunk_rows(rows),
            Cut::Both => call.partitions(2).chunk_rows(2),
        };
        call = match self.numbering {
            Numbering::Default => call,
            Numbering::FirstRow(first) => call.first_row(first),
            Numbering::RowNumbers(_) | Numbering::MissingColumn => call.row_numbers("line"),
        };
        if self.on_error != OnError::Fail {
            call = call.on_error(self.on_error);
        }
        if let Some(failures) = self.max_failures {
            call = call.max_failures(failures);
        }
        if self.long_deadline {
            call = call.deadline(Duration::from_secs(3_600));
        }
        if self.token == Token::Late {
            call = call.deadline(Duration::ZERO);
        }
        if self.partial {
            call = call.on_cancel(OnCancel::Partial);
        }
        if let Some((before, after)) = self.overlap {
            call = call.overlap(before, after);
        }
        if let Some(keep) = &self.keep {
            call = call.keep(keep.iter().copied());
        }
        if let Some(name) = self.source_rows {
            call = call.source_rows(name);
        }
        call
    }

    /// Returns the columns that the call selects.
    pub fn selected<'n>(&self, columns: &[&'n str]) -> Option<Vec<&'n str>> {
        let mut columns = columns.to_vec();
        match self.select {
            Select::Default | Select::Where => return None,
            Select::Named => {}
            Select::Missing => *columns.last_mut().expect("there is a column") = "nowhere",
        }
        Some(columns)
    }

    fn given_names(&self, names: &[&str]) -> Option<Vec<PlSmallStr>> {
        let mut given: Vec<PlSmallStr> = (0..names.len())
            .map(|name| PlSmallStr::from(format!("given {name}")))
            .collect();
        match self.names {
            Names::Default => return None,
            Names::Given => {}
            Names::OfColumns => {
                let own = NAMES.iter().zip(&mut given);
                own.for_each(|(own, given)| *given = PlSmallStr::from_static(own));
            }
            Names::OneTooMany => given.push("one too many".into()),
            Names::Twice => {
                if let [.., last, twice] = &mut given[..] {
                    *twice = last.clone();
                }
            }
        }
        Some(given)
    }

    /// Returns the names of the output's columns.
    pub fn output_names(&self, names: &[&str]) -> Vec<PlSmallStr> {
        self.given_names(names)
            .unwrap_or_else(|| names.iter().map(|name| PlSmallStr::from(*name)).collect())
    }

    /// Returns a call with all of them; if it has progress, the ticks are counted.
    pub fn apply<'a>(
        &self,
        df: &'a DataFrame,
        call: &CallOptions,
        body: &Body,
        ticks: &Arc<Mutex<Vec<Tick>>>,
    ) -> Apply<'a, 'static> {
        let mut apply = df.par_apply().with(call);
        if self.select == Select::Where {
            let of_others = |name: &str| name == "other" || name == ORDER || KEYS.contains(&name);
            apply = apply.select_where(move |field| !of_others(field.name()));
        }
        if let Workers::Pool(workers, _) = self.workers {
            apply = apply.pool(&POOLS[workers - 1]);
        }
        if let Some(attempts) = self.retry {
            apply = apply.retry(Retry::attempts(attempts).min_delay(Duration::ZERO));
        }
        if matches!(self.token, Token::Given | Token::CancelledBefore) {
            if self.token == Token::CancelledBefore {
                body.token.cancel();
            }
            apply = apply.cancel_token(&body.token);
        }
        if self.progress {
            let ticks = Arc::clone(ticks);
            apply = apply.progress(move |tick: Tick| {
                ticks.lock().expect("no holder panics").push(tick);
            });
        }
        apply
    }

    /// Returns a call in a query, with the options that a query has.
    pub fn lazy(
        &self,
        df: &DataFrame,
        columns: &[&str],
        names: &[&str],
        returned: Option<Vec<DataType>>,
        failures: &Failures,
    ) -> LazyApply {
        let mut lazy = df.clone().lazy().par_apply().on_error(self.on_error);
        if let Some(columns) = self.selected(columns) {
            lazy = lazy.select(columns);
        }
        if self.names != Names::Default {
            lazy = lazy.names(self.output_names(names));
        }
        if let Some(dtypes) = returned {
            lazy = lazy.returns(dtypes);
        }
        if self.no_nulls {
            lazy = lazy.nulls(Nulls::Error);
        }
        if self.lossy {
            lazy = lazy.casts(Casts::Lossy);
        }
        if let Some(keep) = &self.keep {
            lazy = lazy.keep(keep.iter().copied());
        }
        if let Some(name) = self.source_rows {
            lazy = lazy.source_rows(name);
        }
        if self.outcome {
            lazy = lazy.failures(failures);
        }
        lazy
    }

    /// Returns how often a closure is called for an item at most.
    pub fn attempts(&self) -> u32 {
        self.retry.map_or(1, |attempts| attempts as u32)
    }

    /// Returns how many failures may pass.
    pub fn failures_allowed(&self) -> usize {
        match self.on_error {
            OnError::Fail => 0,
            _ => self.max_failures.unwrap_or(usize::MAX),
        }
    }

    /// The number of the row at a position.
    pub fn number(&self, row: usize) -> usize {
        match self.numbering {
            Numbering::FirstRow(first) => first as usize + row,
            Numbering::RowNumbers(lines) => lines.of(row),
            _ => row,
        }
    }

    /// Returns how many workers there are at most.
    pub fn most_workers(&self) -> usize {
        match self.workers {
            Workers::Default => available_workers(),
            Workers::Sequential => 1,
            Workers::Workers(workers) | Workers::Pool(_, Some(workers)) => workers,
            Workers::Pool(workers, None) => workers,
        }
    }

    /// Returns the parts into which this many rows are cut.
    pub fn parts(&self, rows: usize) -> Vec<std::ops::Range<usize>> {
        let parts = match self.cut {
            Cut::Partitions(parts) => parts,
            Cut::ChunkRows(length) => {
                let parts = rows.div_ceil(length).max(1);
                let part = |part: usize| part * length..((part + 1) * length).min(rows);
                return (0..parts).map(part).collect();
            }
            Cut::Default | Cut::Both => self.most_workers().min(rows).max(1),
        };
        let (short, longer) = (rows / parts, rows % parts);
        let mut start = 0;
        let part = |part: usize| {
            let from = start;
            start += short + usize::from(part < longer);
            from..start
        };
        (0..parts).map(part).collect()
    }

    /// Returns what is wrong with them for any verb. The width is that of the output.
    pub fn faults(&self, rows: usize, width: usize) -> BTreeSet<String> {
        let mut faults = BTreeSet::new();
        let mut refuse = |is_wrong: bool, fault: &str| {
            if is_wrong {
                faults.insert(fault.to_owned());
            }
        };
        refuse(self.select == Select::Missing, "column_not_found nowhere");
        refuse(self.names == Names::OneTooMany, "name_count");
        refuse(
            self.names == Names::Twice && width > 1,
            &format!("duplicate_name given {}", width.wrapping_sub(2)),
        );
        let has_workers = match self.workers {
            Workers::Workers(workers) => (1..=4_096).contains(&workers),
            Workers::Pool(pool, Some(workers)) => (1..=pool).contains(&workers),
            _ => true,
        };
        refuse(!has_workers, "option workers");
        refuse(
            matches!(self.cut, Cut::Partitions(0) | Cut::Both),
            "option partitions",
        );
        refuse(self.cut == Cut::ChunkRows(0), "option chunk_rows");
        match self.numbering {
            Numbering::FirstRow(first) => refuse(
                usize::try_from(first).map_or(true, |first| first.checked_add(rows).is_none()),
                "option first_row",
            ),
            Numbering::RowNumbers(lines) => refuse(!lines.are_complete(rows), "option row_numbers"),
            Numbering::MissingColumn => refuse(true, "column_not_found line"),
            Numbering::Default => {}
        }
        refuse(
            self.max_failures.is_some() && self.on_error == OnError::Fail,
            "option max_failures",
        );
        refuse(self.retry == Some(0), "option retry");
        refuse(
            self.on_error != OnError::Fail && !self.outcome,
            "option on_error",
        );
        refuse(self.partial && !self.outcome, "option on_cancel");
        refuse(self.overlap.is_some(), "option overlap");
        refuse(self.keep.is_some(), "option keep");
        refuse(self.source_rows.is_some(), "option source_rows");
        faults
    }
}

/// Returns the faults that an error has.
pub fn faults_of(error: &Error) -> BTreeSet<String> {
    match error.kind() {
        ErrorKind::Several(faults) => faults.iter().flat_map(faults_of).collect(),
        ErrorKind::Option { option, .. } => [format!("option {option}")].into(),
        kind => match error.column() {
            Some(column) => [format!("{} {column}", kind.name())].into(),
            None => [kind.name().to_owned()].into(),
        },
    }
}
