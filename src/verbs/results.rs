//! The kernel of columns and of parts: one result for each item.

use std::ops::Range;
use std::time::Duration;

use super::report::Items;
use crate::context::{Context, Contexts};
use crate::run::{Failure, Kernel, Verdict, Worker, catch};
use crate::sync::{Mutex, PoisonError};

/// A slot for the result of each item.
pub(super) struct Results<T>(Vec<Mutex<Option<T>>>);

impl<T> Results<T> {
    /// Makes a slot for each item; `results` has room for them.
    pub(super) fn new(items: usize, mut results: Vec<Mutex<Option<T>>>) -> Self {
        results.extend((0..items).map(|_| Mutex::new(None)));
        Results(results)
    }

    pub(super) fn set(&self, item: usize, result: T) {
        let mut place = self.0[item].lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(result);
    }

    /// Returns the result of each item, or `None` if the item has failed or was never reached.
    pub(super) fn into_all(self) -> Vec<Option<T>> {
        let results = self.0.into_iter();
        results
            .map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner))
            .collect()
    }
}

/// Calls a function for each item, and keeps the results.
pub(super) struct OneByOne<'j, T, C, W> {
    pub(super) results: &'j Results<T>,
    pub(super) contexts: &'j Contexts<'j, C>,
    /// The function that makes the result of an item.
    pub(super) work: &'j W,
    pub(super) items: &'j (dyn Items + 'j),
}

impl<T, C, W> Kernel for OneByOne<'_, T, C, W>
where
    T: Send,
    C: Context + Send,
    W: Fn(&mut C, usize) -> Result<T, Failure> + Sync,
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
            let done = self.items.done_of(item..item + 1).len();
            match result {
                Ok(result) => self.results.set(item, result),
                Err(failure) => match worker.fail(item, failure) {
                    Verdict::Stop => {
                        worker.done(done);
                        return items.end;
                    }
                    Verdict::Noted => {}
                    Verdict::Later => continue,
                },
            }
            worker.done(done);
        }
        items.end
    }

    fn rows_of(&self, items: Range<usize>) -> Range<usize> {
        self.items.numbers_of(items)
    }
}
