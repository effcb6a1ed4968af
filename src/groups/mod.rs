//! Which rows have which key, and columns in group order.
//!
//! There are three methods, which give the same groups. Each is tried until the keys show that it does not suit them:
//!
//! 1. `runs`: the rows of each group already lie side by side. Neighbouring keys are compared; the column's sorted flag is not
//!    read. Unsorted keys end this method, usually within the first block.
//! 2. `dictionary`: few groups. Each range of rows gets a table of its keys, and the tables are merged in order. Counts give
//!    each row its position. A range with too many keys ends this method.
//! 3. `radix`: many groups. Rows are partitioned by the hashes of their keys, and each partition is small enough for the cache.
//!
//! A key is a number of one or two words (`fixed`) if its columns fit into it, else bytes that are hashed and compared (`bytes`).

mod bytes;
mod chunks;
mod dictionary;
mod fixed;
mod keys;
mod layout;
mod memory;
mod radix;
mod reorder;
mod runs;
#[cfg(test)]
mod tests;

use std::ops::Range;

use polars::prelude::{Column, DataType, IdxSize, Series};
use polars_arrow::bitmap::Bitmap;

use crate::error::{ErrorKind, Result, dtype_name};
use crate::sync::OnceLock;
use bytes::Hashed;
use fixed::{Narrow, Packed, Wide};
use keys::Keys;
use layout::GroupLayout;
pub(crate) use layout::NOWHERE;
use memory::{each, ranges};

/// Runs work for each of a number of items on the workers of a call, and returns when all of it is done.
pub(crate) type ShareOut<'a> = &'a (dyn Fn(usize, &(dyn Fn(usize) + Sync)) -> Result<()> + Sync);

/// The fewest rows that are worth a separate worker.
const SHORTEST: usize = 1 << 15;

/// Groups of rows, in the order of their first rows.
///
/// **Group order** has all rows that are in a group: first those of the first group, and so on, and the rows of each group in
/// the order of the input. A position is a row's place in group order.
#[derive(Debug)]
pub(crate) struct Groups {
    height: usize,
    /// The first row of each group; `None` if these are where the groups start.
    firsts: Option<Vec<IdxSize>>,
    /// The position at which each group starts, and the position at which the last one ends.
    starts: Vec<IdxSize>,
    layout: GroupLayout,
    /// The one of two lists (the positions of rows, the rows at positions) that the layout does not have, once it was asked
    /// for.
    inverse: OnceLock<Vec<IdxSize>>,
}

/// The limits at which a method gives up, and the sizes of the work that workers take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// The most keys that a range may have for `dictionary`.
    dictionary: usize,
    /// The fewest rows of a range.
    shortest: usize,
    /// About how many rows a partition of `radix` has.
    partition: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            dictionary: 1 << 14,
            shortest: SHORTEST,
            partition: 1 << 15,
        }
    }
}

/// Checks that rows can be grouped by these keys.
pub(crate) fn check_keys(keys: &[&Column]) -> Result<()> {
    let refuse = |message: String| {
        let option = "by";
        Err(ErrorKind::Option { option, message }.into())
    };
    for key in keys {
        if !has_groups(key.dtype()) {
            return refuse(format!(
                "column {:?} is {}, and rows cannot be grouped by values of that dtype; give another column, or cast it first",
                key.name().as_str(),
                dtype_name(key.dtype()),
            ));
        }
    }
    check_height(keys.first().map_or(0, |key| key.len()))
}

/// Checks that this many rows can be numbered.
pub(crate) fn check_height(rows: usize) -> Result<()> {
    if rows < NO_ROW {
        return Ok(());
    }
    let option = "by";
    let message = format!(
        "{rows} rows are more than the {} that can be numbered; build Polars with its feature `bigidx`, or group parts of the frame",
        NO_ROW - 1,
    );
    Err(ErrorKind::Option { option, message }.into())
}

/// The number that no row has.
const NO_ROW: usize = layout::NOWHERE as usize;

/// Returns whether Polars can say which values of a dtype are equal.
fn has_groups(dtype: &DataType) -> bool {
    match dtype {
        DataType::Unknown(_) => false,
        DataType::List(inner) => has_groups(inner),
        #[cfg(feature = "dtype-array")]
        DataType::Array(inner, _) => has_groups(inner),
        #[cfg(feature = "dtype-struct")]
        DataType::Struct(fields) => fields.iter().all(|field| has_groups(field.dtype())),
        // Whether the variant exists depends on a feature of Polars.
        dtype => !dtype.is_object(),
    }
}

impl Groups {
    /// Groups the rows that have equal keys; there is at least one key column.
    ///
    /// Nulls are equal, −0.0 is equal to 0.0, and all NaN are equal. If nulls are dropped, a row with a null in any key is in
    /// no group.
    pub(crate) fn of(
        keys: &[&Column],
        rows: usize,
        drop_nulls: bool,
        workers: usize,
        share_out: ShareOut<'_>,
    ) -> Result<Groups> {
        Self::within(
            Limits::default(),
            keys,
            rows,
            drop_nulls,
            workers,
            share_out,
        )
    }

    fn within(
        limits: Limits,
        keys: &[&Column],
        rows: usize,
        drop_nulls: bool,
        workers: usize,
        share_out: ShareOut<'_>,
    ) -> Result<Groups> {
        check_keys(keys)?;
        if rows == 0 {
            return Ok(Self::none(0));
        }
        // A column with a single value makes no difference.
        let (varied, constant): (Vec<&Column>, Vec<&Column>) =
            keys.iter().copied().partition(|key| {
                let is_scalar = key.as_scalar_column().is_some();
                !is_scalar && !key.dtype().is_null()
            });
        if drop_nulls && constant.iter().any(|key| key.null_count() > 0) {
            return Ok(Self::none(rows));
        }
        if varied.is_empty() {
            return Ok(Self::one(rows));
        }
        let mut series: Vec<Series> = Vec::with_capacity(varied.len());
        for key in varied {
            let key = key.as_materialized_series();
            debug_assert_eq!(key.len(), rows);
            series.push(distinct(key));
        }
        let method = Method {
            limits,
            drop_nulls,
            workers,
            share_out,
        };
        let series: Vec<&Series> = series.iter().collect();
        // With one column, the rows without a value are the rows without a key. With several, each null is a value.
        let one_validity = match (drop_nulls, &*series) {
            (true, series) => joint_validity(series),
            (false, [series]) => series.rechunk_validity(),
            (false, _) => None,
        };
        let nulls_are_values = !drop_nulls && series.len() > 1;
        let packed = Packed::new(
            &series,
            rows,
            nulls_are_values,
            one_validity.clone(),
            workers,
            share_out,
        )?;
        if let Some(packed) = packed {
            return match packed.bits() <= u64::BITS {
                true => method.group(&Narrow(packed)),
                false => method.group(&Wide(packed)),
            };
        }
        if let [series] = *series
            && let Some(text) = Hashed::text(series, one_validity.clone())
        {
            return method.group(&text);
        }
        let columns: Vec<Column> = series.iter().map(|s| Column::from((*s).clone())).collect();
        method.group(&Hashed::encoded(
            &columns,
            rows,
            one_validity,
            workers,
            share_out,
        )?)
    }

    fn new(height: usize, firsts: Vec<IdxSize>, starts: Vec<IdxSize>, layout: GroupLayout) -> Self {
        Groups {
            height,
            firsts: Some(firsts),
            starts,
            layout,
            inverse: OnceLock::new(),
        }
    }

    /// Makes groups that are side by side already, and start at these rows.
    pub(crate) fn side_by_side(height: usize, mut starts: Vec<IdxSize>) -> Self {
        starts.push(height as IdxSize);
        Groups {
            height,
            firsts: None,
            starts,
            layout: GroupLayout::AsIs,
            inverse: OnceLock::new(),
        }
    }

    /// Makes no groups, for an input that may have rows.
    fn none(height: usize) -> Self {
        Self::new(height, Vec::new(), vec![0], GroupLayout::Rows(Vec::new()))
    }

    /// Makes one group of all rows.
    fn one(height: usize) -> Self {
        Self::side_by_side(height, vec![0])
    }

    /// Returns the number of groups.
    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Returns the number of rows of the input, those that are in no group included.
    pub(crate) fn height(&self) -> usize {
        self.height
    }

    /// Returns the number of rows that are in a group.
    pub(crate) fn grouped_rows(&self) -> usize {
        self.starts[self.len()] as usize
    }

    /// Returns the first row of each group, in ascending order.
    pub(crate) fn first_rows(&self) -> &[IdxSize] {
        let firsts = self.firsts.as_deref();
        firsts.unwrap_or(&self.starts[..self.len()])
    }

    /// Returns the positions of a group's rows. They end where those of the next group start.
    pub(crate) fn span(&self, group: usize) -> Range<usize> {
        self.starts[group] as usize..self.starts[group + 1] as usize
    }

    /// Returns the row at each position, or `None` if each row is at its own number.
    ///
    /// The first call can take a pass over all rows; [`list_rows`](Self::list_rows) does that on the workers.
    pub(crate) fn order(&self) -> Option<&[IdxSize]> {
        match &self.layout {
            GroupLayout::AsIs => None,
            GroupLayout::Rows(rows) => Some(rows),
            // If several threads ask at once, one makes the list and the others wait.
            GroupLayout::Positions(positions) => Some(self.inverse.get_or_init(|| {
                let mut rows = vec![0; self.grouped_rows()];
                for (row, position) in positions.iter().enumerate() {
                    if *position != NOWHERE {
                        rows[*position as usize] = row as IdxSize;
                    }
                }
                rows
            })),
        }
    }

    /// Returns the same as [`order`](Self::order), which is made on the workers if it has to be made.
    pub(crate) fn list_rows(
        &self,
        workers: usize,
        share_out: ShareOut<'_>,
    ) -> Result<Option<&[IdxSize]>> {
        match &self.layout {
            GroupLayout::AsIs => Ok(None),
            GroupLayout::Rows(rows) => Ok(Some(rows)),
            GroupLayout::Positions(positions) => {
                self.inverse(|| layout::rows_at(positions, self.grouped_rows(), workers, share_out))
            }
        }
    }

    /// Returns the position of each row, the greatest `IdxSize` for a row in no group; `None` if each row is at its own number.
    pub(crate) fn list_positions(
        &self,
        workers: usize,
        share_out: ShareOut<'_>,
    ) -> Result<Option<&[IdxSize]>> {
        match &self.layout {
            GroupLayout::AsIs => Ok(None),
            GroupLayout::Positions(positions) => Ok(Some(positions)),
            GroupLayout::Rows(rows) => {
                self.inverse(|| layout::positions_of(rows, self.height, workers, share_out))
            }
        }
    }

    fn inverse(&self, make: impl FnOnce() -> Result<Vec<IdxSize>>) -> Result<Option<&[IdxSize]>> {
        let inverse = match self.inverse.get() {
            Some(inverse) => inverse,
            None => {
                let made = make()?;
                self.inverse.get_or_init(|| made)
            }
        };
        Ok(Some(inverse))
    }

    /// Returns the row at a position.
    pub(crate) fn row_at(&self, position: usize) -> usize {
        self.order()
            .map_or(position, |rows| rows[position] as usize)
    }

    /// Returns the same groups with only the rows whose bits are set. No group is lost, but some may be empty. Each keeps its
    /// first row, even if that row is no longer in it.
    pub(crate) fn keep(
        &self,
        seen: &Bitmap,
        workers: usize,
        share_out: ShareOut<'_>,
    ) -> Result<Groups> {
        let order = self.list_rows(workers, share_out)?;
        let row_at = |position: usize| order.map_or(position as IdxSize, |rows| rows[position]);
        // Ranges of groups; none has many more rows than the others unless a single group has.
        let most = workers.max(1) * 4;
        let share = (self.grouped_rows() / most).max(SHORTEST);
        let mut cuts = vec![0];
        let mut group = 0;
        while group < self.len() {
            let until = self.starts[group] as usize + share;
            let next = self
                .starts
                .partition_point(|start| (*start as usize) < until);
            group = next.clamp(group + 1, self.len());
            cuts.push(group);
        }
        let parts = cuts.windows(2).map(|cut| cut[0]..cut[1]).collect();
        let kept = each(parts, share_out, |_, groups: Range<usize>| {
            let mut rows: Vec<IdxSize> = Vec::new();
            let lens = groups.map(|group| {
                let before = rows.len();
                let all = self.span(group).map(row_at);
                rows.extend(all.filter(|row| seen.get_bit(*row as usize)));
                (rows.len() - before) as IdxSize
            });
            let lens: Vec<IdxSize> = lens.collect();
            (lens, rows)
        })?;
        let (lens, rows): (Vec<_>, Vec<_>) = kept.into_iter().unzip();
        let layout = GroupLayout::Rows(rows.concat());
        let firsts = self.first_rows().to_vec();
        Ok(Self::new(
            self.height,
            firsts,
            starts_of(&lens.concat()),
            layout,
        ))
    }

    /// Returns a column of the input in group order, as one chunk, with the rows that are in a group.
    pub(crate) fn reorder(
        &self,
        column: &Series,
        workers: usize,
        share_out: ShareOut<'_>,
    ) -> Result<Series> {
        assert_eq!(column.len(), self.height);
        reorder::reorder(self, column, workers, share_out)
    }

    /// Returns a column that is in group order in the order of the input, as one chunk; rows that are in no group are null.
    pub(crate) fn restore(
        &self,
        column: &Series,
        workers: usize,
        share_out: ShareOut<'_>,
    ) -> Result<Series> {
        assert_eq!(column.len(), self.grouped_rows());
        reorder::restore(self, column, workers, share_out)
    }
}

/// The settings by which a call's keys are grouped.
#[derive(Clone, Copy)]
struct Method<'a> {
    limits: Limits,
    drop_nulls: bool,
    workers: usize,
    share_out: ShareOut<'a>,
}

impl Method<'_> {
    fn group<Ks: Keys>(self, keys: &Ks) -> Result<Groups> {
        let Method {
            limits,
            drop_nulls,
            workers,
            share_out,
        } = self;
        let ranges = ranges(keys.rows(), workers, limits.shortest);
        if let Some(groups) = runs::group(keys, drop_nulls, &ranges, share_out)? {
            return Ok(groups);
        }
        let few = dictionary::group(keys, drop_nulls, &ranges, limits.dictionary, share_out)?;
        match few {
            Some(groups) => Ok(groups),
            None => radix::group(keys, drop_nulls, &ranges, limits.partition, share_out),
        }
    }
}

/// Returns a column whose values are equal where those of this one are. A struct without fields has two values: null, and not
/// null.
fn distinct(series: &Series) -> Series {
    #[cfg(feature = "dtype-struct")]
    if let DataType::Struct(fields) = series.dtype()
        && fields.is_empty()
    {
        return polars::prelude::IntoSeries::into_series(series.is_null());
    }
    series.clone()
}

/// Returns the rows that have a value in every column, or `None` if all have.
fn joint_validity(series: &[&Series]) -> Option<Bitmap> {
    let validities = series.iter().filter_map(|series| {
        let has_nulls = series.null_count() > 0;
        has_nulls.then(|| series.rechunk_validity()).flatten()
    });
    validities.reduce(|all, one| &all & &one)
}

/// Returns where groups of these lengths start, and where the last one ends.
fn starts_of(lens: &[IdxSize]) -> Vec<IdxSize> {
    let mut starts = Vec::with_capacity(lens.len() + 1);
    let mut next = 0;
    starts.push(next);
    for len in lens {
        next += len;
        starts.push(next);
    }
    starts
}
