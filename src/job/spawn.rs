//! Giving a job to a pool, and its way through it.

use std::time::Duration;

use super::core::Core;
use super::meter::Meter;
use super::{Handle, Job};
use crate::alarm::Alarm;
use crate::cancel::{CancelToken, Stop};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::pool::{Lineage, Pass, Pool, Task, Threads, end_turns};
use crate::run::{Failure, catch, is_amid_a_run, quietly_drop};
use crate::sync::thread;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What the work of a job is given: the token that cancels it, and the meter to which it reports its progress.
pub(crate) struct Control<'c> {
    pub(crate) token: &'c CancelToken,
    pub(crate) meter: &'c Meter,
}

/// What a pool needs to know about a job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// How many rows or items the job has.
    pub(crate) total: usize,
    /// Whether the job is a call over rows or items, which gives way to others.
    pub(crate) gives_way: bool,
    /// The time after which the job must not begin, counted from when it was given.
    pub(crate) deadline: Option<Duration>,
}

impl Terms {
    /// Terms of a closure that runs to its end without giving way, for `total` items.
    pub(crate) fn whole(total: usize) -> Self {
        Terms {
            total,
            gives_way: false,
            deadline: None,
        }
    }
}

/// Gives a pool some work as a job.
pub(crate) fn spawn<T, F>(pool: &Pool, terms: Terms, work: F) -> Job<T>
where
    T: Send + 'static,
    F: FnOnce(&Control<'_>) -> Result<T> + Send + 'static,
{
    let task = Arc::new(Spawned {
        core: Core::new(terms.total),
        work: Mutex::new(Some(work)),
        pass: Mutex::new(None),
        lineage: pool.lineage_of_job(),
        threads: pool.threads().clone(),
        gives_way: terms.gives_way,
        alarm: Mutex::new(None),
    });
    match pool.admit() {
        Ok(pass) => {
            let register = pass.as_ref().map(Pass::register);
            // The pass is set first, since the end of the job gives it back; if the pool was terminated since, registering ends the
            // job at once.
            *task.pass() = pass;
            if let Some(register) = register {
                let stop: Weak<Spawned<T, F>> = Arc::downgrade(&task);
                register(stop);
            }
            if let Err(error) = task.threads.submit(task.clone()) {
                task.refuse(pool.no_thread(&error));
            } else if let Some(deadline) = terms.deadline {
                task.begins_within(deadline);
            }
        }
        Err(closed) => task.refuse(closed),
    }
    Job::new(task)
}

struct Spawned<T, F> {
    core: Core<T>,
    work: Mutex<Option<F>>,
    /// Given back when the job is done.
    pass: Mutex<Option<Pass>>,
    lineage: Lineage,
    threads: Threads,
    gives_way: bool,
    /// Rings when it is too late to begin.
    alarm: Mutex<Option<Alarm>>,
}

impl<T, F> Spawned<T, F> {
    /// Ends the job with an error, if it has not begun.
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
        drop(self.alarm().take());
    }

    fn take_work(&self) -> Option<F> {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.take()
    }

    fn alarm(&self) -> MutexGuard<'_, Option<Alarm>> {
        self.alarm.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self) -> MutexGuard<'_, Option<Pass>> {
        self.pass.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, F> Spawned<T, F>
where
    T: Send + 'static,
    F: Send + 'static,
{
    /// Ends the job with an error, if it has not begun when `deadline` has passed.
    fn begins_within(self: &Arc<Self>, deadline: Duration) {
        let late: Weak<Self> = Arc::downgrade(self);
        let ring = move || {
            let late = late.upgrade().filter(|late| !late.core.has_begun());
            let Some(late) = late else {
                return;
            };
            // This runs on another thread: callbacks of the job are the user's code, and all alarms share one thread.
            let refuse = move || late.refuse(late.is_late(deadline));
            let refuse = Arc::new(refuse);
            let on_a_thread = refuse.clone();
            let name = "par-apply-deadline".to_string();
            let spawned = thread::Builder::new()
                .name(name)
                .spawn(move || on_a_thread());
            if spawned.is_err() {
                refuse();
            }
        };
        match Alarm::after(deadline, ring) {
            Ok(alarm) => *self.alarm() = Some(alarm),
            Err(error) => {
                let message = format!("the deadline cannot be watched: {error}");
                let option = "deadline";
                self.refuse(ErrorKind::Option { option, message }.into());
            }
        }
        if self.core.ended().is_some() {
            // The job ended before the alarm was stored.
            drop(self.alarm().take());
        }
    }

    fn is_late(&self, deadline: Duration) -> Error {
        ErrorKind::Cancelled {
            done: 0,
            total: self.core.meter.read().total,
            deadline: Some(deadline),
            failure: None,
            partial: true,
        }
        .into()
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

    fn gives_way(&self) -> bool {
        self.gives_way
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
        // What follows is the user's code. (Within another task's closure, that task keeps its turn.)
        if !is_amid_a_run() {
            end_turns();
        }
        self.finish(result);
    }
}

/// Returns the error of a panic that nothing inside has caught.
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
