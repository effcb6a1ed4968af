//! A job on its way through a pool.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::core::Core;
use super::meter::Meter;
use super::{Handle, Job};
use crate::cancel::{CancelToken, Stop};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::pool::{Lineage, Pass, Pool, Task, Threads};
use crate::run::{Failure, catch, quietly_drop};

/// What the work of a job is given: what cancels it, and where it says how far it is.
pub(crate) struct Control<'c> {
    pub(crate) token: &'c CancelToken,
    pub(crate) meter: &'c Meter,
}

/// Gives a pool some work, of so many rows or items.
pub(crate) fn spawn<T, F>(pool: &Pool, total: usize, work: F) -> Job<T>
where
    T: Send + 'static,
    F: FnOnce(&Control<'_>) -> Result<T> + Send + 'static,
{
    let task = Arc::new(Spawned {
        core: Core::new(total),
        work: Mutex::new(Some(work)),
        pass: Mutex::new(None),
        lineage: pool.lineage_of_job(),
        threads: pool.threads().clone(),
    });
    match pool.admit() {
        Ok(pass) => {
            let register = pass.as_ref().map(Pass::register);
            // First the pass, which the end of the job gives back; a pool that was terminated since then ends it at once.
            *task.pass() = pass;
            if let Some(register) = register {
                let stop: Weak<Spawned<T, F>> = Arc::downgrade(&task);
                register(stop);
            }
            if let Err(error) = task.threads.submit(task.clone()) {
                task.refuse(pool.no_thread(&error));
            }
        }
        Err(closed) => task.refuse(closed),
    }
    Job::new(task)
}

struct Spawned<T, F> {
    core: Core<T>,
    work: Mutex<Option<F>>,
    /// Given back when it is done.
    pass: Mutex<Option<Pass>>,
    lineage: Lineage,
    threads: Threads,
}

impl<T, F> Spawned<T, F> {
    /// Ends it with an error, if it has not begun.
    fn refuse(&self, error: Error) {
        if self.core.begin() {
            let _within = self.lineage.enter();
            quietly_drop(self.take_work());
            self.finish(Err(error));
        }
    }

    fn finish(&self, result: Result<T>) {
        self.core.finish(result);
        let pass = self.pass().take();
        drop(pass);
    }

    fn take_work(&self) -> Option<F> {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.take()
    }

    fn pass(&self) -> std::sync::MutexGuard<'_, Option<Pass>> {
        self.pass.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, F> Task for Spawned<T, F>
where
    T: Send,
    F: FnOnce(&Control<'_>) -> Result<T> + Send,
{
    fn is_over(&self) -> bool {
        self.core.has_begun()
    }

    fn run(self: Arc<Self>) {
        if !self.core.begin() {
            return;
        }
        let _within = self.lineage.enter();
        let result = match self.take_work() {
            Some(work) => {
                let control = Control {
                    token: &self.core.token,
                    meter: &self.core.meter,
                };
                catch(|| work(&control)).unwrap_or_else(panicked)
            }
            None => Err(ErrorKind::Taken.into()),
        };
        self.finish(result);
    }
}

/// A panic that no call within has caught.
fn panicked<T>(failure: Failure) -> Result<T> {
    let message = match failure {
        Failure::Panic(message) => message,
        other => format!("{other:?}"),
    };
    Err(ErrorKind::Panic {
        place: Place::Job,
        message,
    }
    .into())
}

impl<T, F> Stop for Spawned<T, F>
where
    T: Send,
    F: Send,
{
    fn stop(&self) {
        self.core.cancel_tokens();
        self.refuse(Error::cancelled(0, self.core.meter.read().total));
    }
}

impl<T, F> Handle<T> for Spawned<T, F>
where
    T: Send + 'static,
    F: FnOnce(&Control<'_>) -> Result<T> + Send + 'static,
{
    fn core(&self) -> &Core<T> {
        &self.core
    }

    fn cancelled_by(self: Arc<Self>, token: &CancelToken) {
        let stop: Weak<Self> = Arc::downgrade(&self);
        if let Some(number) = token.tell(stop) {
            self.core.cancelled_by(token, number);
        }
    }

    fn help(self: Arc<Self>) {
        if self.core.has_begun() {
            return;
        }
        if self.threads.is_here() {
            self.run();
        } else {
            self.hasten();
        }
    }

    fn hasten(self: Arc<Self>) {
        if !self.core.has_begun() {
            self.threads.clone().hasten(self);
        }
    }
}
