//! The contexts of a run: at most one for each worker, which is lent to it for one run of rows at a time.

use std::ops::{Deref, DerefMut};

use super::Context;
use crate::error::Result;
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// Every worker's context, by its seat. No two workers have the same seat at the same time, so no context is lent twice.
pub(crate) struct Contexts<'m, C> {
    make: &'m (dyn Fn() -> Result<C> + Sync),
    seats: Mutex<Vec<Option<C>>>,
}

impl<'m, C: Context> Contexts<'m, C> {
    pub(crate) fn new(make: &'m (dyn Fn() -> Result<C> + Sync)) -> Self {
        Contexts {
            make,
            seats: Mutex::default(),
        }
    }

    /// Lends a worker its context, which is made first if the worker has none yet.
    pub(crate) fn lend(&self, seat: usize) -> Result<LentContext<'_, C>> {
        let kept = if C::STATELESS {
            None
        } else {
            self.seats().get_mut(seat).and_then(Option::take)
        };
        let context = match kept {
            Some(context) => context,
            None => (self.make)()?,
        };
        Ok(LentContext {
            from: self,
            seat,
            context: Some(context),
        })
    }

    /// Returns every context that was made, in the order of the seats.
    pub(crate) fn into_all(self) -> Vec<C> {
        let seats = self.seats.into_inner();
        let seats = seats.unwrap_or_else(PoisonError::into_inner);
        seats.into_iter().flatten().collect()
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Option<C>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A context that is lent to a worker; dropping this gives it back.
pub(crate) struct LentContext<'c, C: Context> {
    from: &'c Contexts<'c, C>,
    seat: usize,
    context: Option<C>,
}

impl<C: Context> Drop for LentContext<'_, C> {
    fn drop(&mut self) {
        if C::STATELESS {
            return;
        }
        let mut seats = self.from.seats();
        if seats.len() <= self.seat {
            seats.resize_with(self.seat + 1, || None);
        }
        seats[self.seat] = self.context.take();
    }
}

impl<C: Context> Deref for LentContext<'_, C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.context.as_ref().expect("it is there until the drop")
    }
}

impl<C: Context> DerefMut for LentContext<'_, C> {
    fn deref_mut(&mut self) -> &mut C {
        self.context.as_mut().expect("it is there until the drop")
    }
}
