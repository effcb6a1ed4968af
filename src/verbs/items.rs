//! The job of columns and of parts: one result for each.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::context::{Context, Contexts};
use crate::run::{Failure, Job, Verdict, Worker, catch};

/// Calls a function for each item, and keeps the results.
pub(crate) struct Items<'r, T, C, W, R> {
    results: Vec<Mutex<Option<T>>>,
    contexts: &'r Contexts<'r, C>,
    /// The result of an item.
    work: W,
    /// The rows that items stand for.
    rows_of: R,
}

impl<'r, T, C, W, R> Items<'r, T, C, W, R>
where
    T: Send,
    C: Context + Send,
    W: Fn(&mut C, usize) -> Result<T, Failure> + Sync,
    R: Fn(Range<usize>) -> Range<usize> + Sync,
{
    /// `results` has room for the items.
    pub(crate) fn new(
        items: usize,
        mut results: Vec<Mutex<Option<T>>>,
        contexts: &'r Contexts<'r, C>,
        work: W,
        rows_of: R,
    ) -> Self {
        results.extend((0..items).map(|_| Mutex::new(None)));
        Items {
            results,
            contexts,
            work,
            rows_of,
        }
    }

    /// Each item's result; none where it has failed, or was not come to.
    pub(crate) fn into_results(self) -> Vec<Option<T>> {
        let results = self.results.into_iter();
        results
            .map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner))
            .collect()
    }
}

impl<T, C, W, R> Job for Items<'_, T, C, W, R>
where
    T: Send,
    C: Context + Send,
    W: Fn(&mut C, usize) -> Result<T, Failure> + Sync,
    R: Fn(Range<usize>) -> Range<usize> + Sync,
{
    fn run(&self, items: Range<usize>, _: Duration, worker: &mut Worker<'_>) -> usize {
        let mut context = match self.contexts.lend(worker.seat()) {
            Ok(context) => context,
            Err(error) => {
                worker.abort(error);
                return items.start;
            }
        };
        for item in items.clone() {
            if worker.is_over(item) {
                return item;
            }
            let result = catch(|| (self.work)(&mut context, item)).and_then(|result| result);
            let done = match result {
                Ok(result) => {
                    let mut place = self.results[item]
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner);
                    *place = Some(result);
                    true
                }
                Err(failure) => match worker.fail(item, failure) {
                    Verdict::Stop => {
                        worker.done((self.rows_of)(item..item + 1).len());
                        return items.end;
                    }
                    Verdict::Noted => true,
                    Verdict::Later => false,
                },
            };
            if done {
                worker.done((self.rows_of)(item..item + 1).len());
            }
        }
        items.end
    }

    fn rows_of(&self, items: Range<usize>) -> Range<usize> {
        (self.rows_of)(items)
    }
}
