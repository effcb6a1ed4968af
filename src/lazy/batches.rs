//! The batches that stream out of a lazy query, as an iterator.

use std::fmt;
use std::iter::FusedIterator;

use crate::error::Result;
use crate::run::quietly_drop;

/// An iterator over the results of a closure for each batch of a query, which meanwhile runs in the streaming engine.
///
/// It is made by [`par_apply_batches`](crate::ParApplyLazy::par_apply_batches), [`batches`](crate::LazyApply::batches) and
/// [`row_batches`](crate::LazyApply::row_batches).
///
/// It is lazy: the query begins when the first batch is asked for. From then on, a bounded number of batches is under way, and the
/// query waits while nobody asks for more. So memory does not grow with the data, unless the query itself gathers the data, for
/// example to sort it.
///
/// Dropping the iterator stops the query at its next batch, and does not wait for that. A query that is sorting, or that finds no
/// row, may keep its files open for some time yet.
///
/// A query that waits for its reader holds one of the 512 threads that Polars has for blocking work.
///
/// The query runs on the threads of Polars' streaming engine. The closure runs beside them, on threads of this crate, as many as Polars
/// has workers; a closure with a [`state`](crate::LazyApply::state) runs on the thread that asks for batches.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let lf = df!["x" => (0..1_000_000).collect::<Vec<i64>>()]?.lazy();
/// let batches = lf
///     .par_apply_batches(|batch: Chunk| -> PolarsResult<(usize, i64)> {
///         Ok((batch.row_offset(), batch.column("x")?.i64()?.get(0).unwrap()))
///     })
///     .chunk_rows(1000)
///     .look_ahead(4);
/// for first in batches.take(3) {
///     let (row, x) = first?;
///     assert_eq!(row as i64, x);
/// }
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// # Errors
/// Each item is a `Result`. The first error is the last item. Unless the stream is [`unordered`](Batches::unordered), it comes
/// after the results of all batches before it. It is one of these:
/// - an error or panic of the closure: for a row function with the row's number, counted over the whole stream; for a function
///   of batches with the batch's index and first row, counted in the same way;
/// - an error of the query, of the kind [`Polars`](crate::ErrorKind::Polars), which the next section describes;
/// - an error of the kind [`Cancelled`](crate::ErrorKind::Cancelled): it comes at once where the iterator waits for the query,
///   and otherwise when each worker is done with the row, or the batch, that it is in.
///
/// # When the query fails
/// Where one of its operators fails, Polars' streaming engine drops the batch that failed, and goes on with later batches until the
/// query has ended. So there is a gap before these batches.
/// - Where a call of this crate in the query fails, nothing beyond the gap is given. The error comes after batches that are
///   all before the gap; those that were not given yet are dropped.
/// - Where an operator of Polars fails (a strict cast, for example), this is known only at the query's end. Batches beyond the gap
///   may be given before that, and their places are counted as if the gap did not exist. So use what is written from a stream only
///   if the stream ended without an error. A query that gathers its rows after that operator, as a `sort` does, fails before its
///   first batch.
#[must_use = "it is lazy: the query does not begin before `next` is called"]
pub struct Batches<T> {
    how: How,
    stage: Stage<T>,
}

/// The options of the stream itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct How {
    pub(super) chunk_rows: Option<usize>,
    pub(super) look_ahead: Option<usize>,
    pub(super) unordered: bool,
}

pub(super) type ResultIter<T> = Box<dyn Iterator<Item = Result<T>> + Send>;

type Start<T> = Box<dyn FnOnce(&How) -> Result<ResultIter<T>> + Send>;

enum Stage<T> {
    Ready(Start<T>),
    UnderWay(ResultIter<T>),
    Over,
}

impl<T> Batches<T> {
    /// Sets how many rows a batch has; 50,000 by default.
    ///
    /// The last batch has the rows that are left. Smaller batches share out the rows of a slow closure better; larger ones make the
    /// row groups of a Parquet file larger.
    ///
    /// # Errors
    /// An error is the stream's only item, if the number is 0.
    pub fn chunk_rows(mut self, rows: usize) -> Self {
        self.how.chunk_rows = Some(rows);
        self
    }

    /// Sets how many batches are given to workers, at most, before their results are asked for; two for each worker by default, and
    /// at least 1.
    ///
    /// In addition, one batch waits, and the engine works on the next ones. So memory holds this number times
    /// [`chunk_rows`](Batches::chunk_rows) rows, and a few of the engine's own batches for each of its threads.
    pub fn look_ahead(mut self, batches: usize) -> Self {
        self.how.look_ahead = Some(batches.max(1));
        self
    }

    /// Gives results as soon as they are done, and not in order.
    ///
    /// The place that a [`Chunk`](crate::Chunk) reports is the same as in order, since the query itself keeps its order.
    ///
    /// With a [`state`](crate::LazyApply::state), batches are done one after the other, so the option changes nothing.
    pub fn unordered(mut self) -> Self {
        self.how.unordered = true;
        self
    }

    pub(super) fn new(start: impl FnOnce(&How) -> Result<ResultIter<T>> + Send + 'static) -> Self {
        Batches {
            how: How::default(),
            stage: Stage::Ready(Box::new(start)),
        }
    }
}

impl<T> fmt::Debug for Batches<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("how", &self.how)
            .finish_non_exhaustive()
    }
}

impl<T> Iterator for Batches<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        let mut results = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Ready(start) => match start(&self.how) {
                Ok(results) => results,
                Err(error) => return Some(Err(error)),
            },
            Stage::UnderWay(results) => results,
            Stage::Over => return None,
        };
        let next = results.next();
        match next {
            Some(Ok(_)) => self.stage = Stage::UnderWay(results),
            // The remaining results may have errors of the user's types, whose drop may panic.
            _ => quietly_drop(results),
        }
        next
    }
}

impl<T> Drop for Batches<T> {
    fn drop(&mut self) {
        quietly_drop(std::mem::replace(&mut self.stage, Stage::Over));
    }
}

impl<T> FusedIterator for Batches<T> {}
