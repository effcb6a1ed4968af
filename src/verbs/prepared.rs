//! Groups of rows, or parts of a frame, prepared for their closure.

use std::ops::Range;
use std::time::Duration;

use polars::prelude::{Column, DataFrame, IdxSize, PlSmallStr};

use super::follows::Kind;
use super::report::{Items, apart, at_rows};
use super::spans::{Arranged, Chosen, columns_but, share_out};
use crate::error::{Place, Result, value_shown};
use crate::groups::Groups;
use crate::options::Options;
use crate::outcome::{ItemKind, SlowestGroup};
use crate::read::{Given, NumbersOf, SpanArgs};
use crate::row_numbers::{RowNumbers, number_column};
use crate::run::Plan;

/// Returns the columns that a closure is given by default, if these are not all columns.
pub(super) fn without(
    given: Given<'_>,
    options: &Options<'_>,
    keys: &[&Column],
) -> Option<Vec<Column>> {
    let names: Vec<&PlSmallStr> = keys.iter().map(|key| key.name()).collect();
    let is_default = options.call.select.is_none();
    is_default.then(|| columns_but(given, &names))
}

/// The groups of a frame, and the data that their closure is given.
pub(super) struct Prepared<'a> {
    /// All rows that are in a group.
    pub(super) groups: Groups,
    /// The rows that the closure is given, if these are not all rows.
    seen: Option<Groups>,
    /// The keys, one row for each group.
    pub(super) keys: DataFrame,
    pub(super) numbers: NumbersOf<'a>,
    /// The numbers of rows by their positions in group order, if the closure can ask for them.
    pub(super) position_numbers: RowNumbers,
    /// The number of each group's first row.
    pub(super) first_rows: Vec<usize>,
    pub(super) arranged: Arranged,
    /// The selected columns in group order, for closures of whole groups.
    pub(super) frame: DataFrame,
    inputs: Vec<String>,
    /// Whether the groups are parts of the frame, which have no keys.
    are_parts: bool,
    /// Whether the output has rows for input rows that are in no group.
    keeps_all: bool,
}

impl<'a> Prepared<'a> {
    pub(super) fn new<A: SpanArgs>(
        chosen: Chosen<'a>,
        keys: &[&Column],
        groups: Groups,
        numbers: NumbersOf<'a>,
        options: &Options<'_>,
        plan: &Plan,
        verb: Kind,
    ) -> Result<Self> {
        let share_out = share_out(plan, groups.height());
        let seen = match A::WHOLE {
            true => None,
            false => chosen.seen(keys, options, &numbers)?,
        };
        let keys = keys.iter().map(|key| at_rows(key, groups.first_rows()));
        let keys = DataFrame::new(groups.len(), keys.collect::<Result<Vec<Column>>>()?)?;
        let seen = seen.map(|seen| groups.keep(&seen, plan.workers(), &share_out));
        let seen = seen.transpose()?;
        let order = seen.as_ref().unwrap_or(&groups);
        let arrange = |series: &_| order.reorder(series, plan.workers(), &share_out);
        let (arranged, frame) = match A::WHOLE {
            false => {
                let arranged = chosen.arrange(keys.columns(), options, arrange)?;
                (arranged, DataFrame::default())
            }
            true => {
                let columns = chosen.columns().map(|column| {
                    let series = column.as_materialized_series();
                    Ok(Column::from(
                        arrange(series)?.with_name(column.name().clone()),
                    ))
                });
                let columns = columns.collect::<Result<Vec<Column>>>()?;
                let frame = DataFrame::new(order.grouped_rows(), columns)?;
                (Arranged::default(), frame)
            }
        };
        let first_rows = groups.first_rows().iter();
        let first_rows = first_rows.map(|row| numbers.of(*row as usize)).collect();
        // The list of rows takes a pass over all rows, so it is made only where it is needed.
        let position_numbers = match chosen.is_untyped() {
            true => match order.list_rows(plan.workers(), &share_out)? {
                Some(rows) => numbers.picked(rows.iter().map(|row| *row as usize)),
                None => numbers.clone(),
            },
            false => RowNumbers::default(),
        };
        Ok(Prepared {
            groups,
            seen,
            keys,
            numbers,
            position_numbers,
            first_rows,
            arranged,
            frame,
            inputs: chosen.inputs,
            are_parts: verb == Kind::TransformParts,
            keeps_all: verb != Kind::Groups,
        })
    }

    /// Returns the rows that the closure is given.
    pub(super) fn order(&self) -> &Groups {
        self.seen.as_ref().unwrap_or(&self.groups)
    }

    pub(super) fn items<'r>(&'r self, names: &'r [PlSmallStr]) -> GroupItems<'r> {
        let prepared = self;
        GroupItems { prepared, names }
    }

    /// Returns the groups that have to begin before all others, since a single one of them could keep a worker busy to the end.
    pub(super) fn large(&self, workers: usize) -> Vec<usize> {
        let most = self.groups.grouped_rows() / (4 * workers);
        let groups = 0..self.groups.len();
        match workers {
            1 => Vec::new(),
            _ => groups
                .filter(|group| self.groups.span(*group).len() > most.max(1))
                .collect(),
        }
    }
}

/// The facts that failures and errors report about groups.
#[derive(Clone, Copy)]
pub(super) struct GroupItems<'r> {
    pub(super) prepared: &'r Prepared<'r>,
    names: &'r [PlSmallStr],
}

impl GroupItems<'_> {
    /// Returns a group's keys, as Polars prints them.
    fn key(&self, group: usize) -> String {
        let keys = self.prepared.keys.columns().iter();
        let keys = keys.map(|key| {
            key.get(group)
                .map_or_else(|_| String::new(), |key| value_shown(&key))
        });
        keys.collect::<Vec<String>>().join(", ")
    }

    pub(super) fn slowest(&self, group: usize, time: Duration) -> SlowestGroup {
        SlowestGroup {
            time,
            index: group,
            key: self.key(group),
            first_row: self.prepared.first_rows[group],
            rows: self.prepared.groups.span(group).len(),
        }
    }
}

impl Items for GroupItems<'_> {
    fn len(&self) -> usize {
        self.prepared.groups.len()
    }

    fn place(&self, group: usize) -> Place {
        let first_row = self.prepared.first_rows[group];
        match self.prepared.are_parts {
            true => Place::Part {
                index: group,
                row_offset: first_row,
            },
            false => Place::Group {
                index: group,
                first_row,
                key: self.key(group),
            },
        }
    }

    fn input(&self, _: usize, argument: usize) -> Option<String> {
        self.prepared.inputs.get(argument).cloned()
    }

    fn output(&self, column: usize) -> Option<String> {
        self.names.get(column).map(ToString::to_string)
    }

    fn which(&self, groups: &[usize]) -> Vec<Column> {
        let prepared = self.prepared;
        let first_rows: Vec<usize> = groups
            .iter()
            .map(|group| prepared.first_rows[*group])
            .collect();
        let heights: Vec<usize> = groups
            .iter()
            .map(|group| prepared.groups.span(*group).len())
            .collect();
        let what = if prepared.are_parts { "part" } else { "group" };
        let mut columns = vec![
            number_column(what.into(), groups),
            number_column("row".into(), &first_rows),
        ];
        let positions: Vec<IdxSize> = groups.iter().map(|group| *group as IdxSize).collect();
        for key in prepared.keys.columns() {
            if let Ok(key) = at_rows(key, &positions) {
                columns.push(apart(key, &columns));
            }
        }
        columns.push(apart(number_column("rows".into(), &heights), &columns));
        columns
    }

    fn given(&self, _: &[usize]) -> Result<Vec<Column>> {
        Ok(Vec::new())
    }

    /// The rows of groups are not neighbours; see `rows_in`.
    fn rows_of(&self, groups: Range<usize>) -> Range<usize> {
        self.done_of(groups)
    }

    fn rows_in(&self, groups: &[Range<usize>]) -> Vec<Range<usize>> {
        let order = &self.prepared.groups;
        let groups = groups.iter().cloned().flatten();
        let rows =
            groups.flat_map(|group| order.span(group).map(|position| order.row_at(position)));
        joined(rows.collect())
    }

    fn left_out(&self) -> Vec<Range<usize>> {
        let groups = &self.prepared.groups;
        if groups.grouped_rows() == groups.height() || self.prepared.keeps_all {
            return Vec::new();
        }
        let mut is_in = vec![false; groups.height()];
        (0..groups.grouped_rows()).for_each(|position| is_in[groups.row_at(position)] = true);
        joined((0..groups.height()).filter(|row| !is_in[*row]).collect())
    }

    /// Returns positions in group order, of which there is one for each row.
    fn done_of(&self, groups: Range<usize>) -> Range<usize> {
        let order = &self.prepared.groups;
        match groups.end.checked_sub(1) {
            Some(last) if !groups.is_empty() => {
                order.span(groups.start).start..order.span(last).end
            }
            _ => 0..0,
        }
    }

    /// The numbers of groups are their positions.
    fn numbers_of(&self, groups: Range<usize>) -> Range<usize> {
        groups
    }

    fn numbers(&self) -> &RowNumbers {
        &self.prepared.numbers
    }

    fn rows(&self) -> usize {
        self.prepared.groups.height()
    }

    fn total(&self) -> usize {
        self.prepared.groups.grouped_rows()
    }

    fn counted(&self) -> ItemKind {
        match self.prepared.are_parts {
            true => ItemKind::Parts,
            false => ItemKind::Groups,
        }
    }
}

/// Returns rows as ranges, ascending.
fn joined(mut rows: Vec<usize>) -> Vec<Range<usize>> {
    rows.sort_unstable();
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for row in rows {
        match ranges.last_mut() {
            Some(last) if last.end == row => last.end += 1,
            _ => ranges.push(row..row + 1),
        }
    }
    ranges
}
