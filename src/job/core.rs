//! What a job and its holder share: the progress, the result, and the callbacks.

use std::mem;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::meter::Meter;
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::wait_while;
use crate::progress::TickState;
use crate::run::{catch, quietly_drop};
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(super) struct Core<T> {
    state: Mutex<JobState<T>>,
    /// Rung when the job is done.
    bell: Condvar,
    pub(super) token: CancelToken,
    pub(super) meter: Meter,
}

struct JobState<T> {
    phase: Phase<T>,
    callbacks: Vec<Callback<T>>,
    /// The tokens that are cancelled with the job.
    tokens: Vec<CancelToken>,
    /// The tokens that cancel the job, and the number by which each of them knows it.
    cancelled_by: Vec<(CancelToken, u64)>,
    waker: Option<Waker>,
    /// Set when nobody will ask for the result.
    unwanted: bool,
}

/// A closure that is called when the job has ended.
pub(super) enum Callback<T> {
    OnSuccess(Tell<T>),
    OnError(Tell<Error>),
}

type Tell<A> = Box<dyn FnOnce(&A) + Send>;

impl<T> Callback<T> {
    /// Calls it with the result. The panic hook has reported a panic in it, which ends nothing else.
    fn tell(self, result: &Result<T>) {
        let _ = catch(|| match (self, result) {
            (Callback::OnSuccess(tell), Ok(value)) => tell(value),
            (Callback::OnError(tell), Err(error)) => tell(error),
            // The callback is not called; it is dropped within `catch`, since its drop is the user's code too.
            _ => {}
        });
    }
}

enum Phase<T> {
    Waiting,
    Begun,
    Done(Result<T>),
    /// The result was taken or dropped; this says how the job ended.
    Gone(TickState),
}

impl<T> Core<T> {
    pub(super) fn new(total: usize) -> Self {
        Core {
            state: Mutex::new(JobState {
                phase: Phase::Waiting,
                callbacks: Vec::new(),
                tokens: Vec::new(),
                cancelled_by: Vec::new(),
                waker: None,
                unwanted: false,
            }),
            bell: Condvar::new(),
            token: CancelToken::new(),
            meter: Meter::new(total),
        }
    }

    /// Returns true to the first caller only, which must then do the work, or report that it was cancelled.
    pub(super) fn begin(&self) -> bool {
        let mut state = self.lock();
        let first = matches!(state.phase, Phase::Waiting);
        if first {
            state.phase = Phase::Begun;
        }
        first
    }

    /// Calls the callbacks, and then wakes the threads that wait. Callbacks that are registered meanwhile are called too.
    pub(super) fn finish(&self, result: Result<T>) {
        loop {
            let mut state = self.lock();
            let callbacks = mem::take(&mut state.callbacks);
            if callbacks.is_empty() {
                let waker = state.waker.take();
                let tokens = mem::take(&mut state.cancelled_by);
                let unwanted = if state.unwanted {
                    state.phase = Phase::Gone(kind(&result));
                    Some(result)
                } else {
                    state.phase = Phase::Done(result);
                    None
                };
                drop(state);
                self.bell.notify_all();
                for (token, number) in tokens {
                    token.forget(number);
                }
                if let Some(waker) = waker {
                    // The waker is code of the user's executor.
                    let _ = catch(|| waker.wake());
                }
                quietly_drop(unwanted);
                return;
            }
            drop(state);
            callbacks
                .into_iter()
                .for_each(|callback| callback.tell(&result));
        }
    }

    /// Calls `callback` when the job is done, or at once if it is done already.
    pub(super) fn when_done(&self, callback: Callback<T>) {
        let mut state = self.lock();
        match mem::replace(&mut state.phase, Phase::Begun) {
            Phase::Done(result) => {
                drop(state);
                callback.tell(&result);
                self.lock().phase = Phase::Done(result);
            }
            Phase::Gone(kind) => state.phase = Phase::Gone(kind),
            going_on => {
                state.phase = going_on;
                state.callbacks.push(callback);
            }
        }
    }

    /// Cancels the token when the job is cancelled, or at once if it was cancelled already.
    pub(super) fn cancels(&self, token: CancelToken) {
        let mut state = self.lock();
        state.tokens.push(token.clone());
        drop(state);
        // This comes after the registration: a concurrent cancel either finds the token in the list, or was over before.
        if self.token.is_cancelled() {
            token.cancel();
        }
    }

    /// Notes a token that cancels the job, and the number by which the token knows the job, until the job is done.
    pub(super) fn cancelled_by(&self, token: &CancelToken, number: u64) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Waiting | Phase::Begun) {
            state.cancelled_by.push((token.clone(), number));
            return;
        }
        drop(state);
        token.forget(number);
    }

    pub(super) fn cancel_tokens(&self) {
        self.token.cancel();
        let tokens = self.lock().tokens.clone();
        tokens.iter().for_each(CancelToken::cancel);
    }

    /// Drops the result, also one that is yet to come.
    pub(super) fn forsake(&self) {
        let mut state = self.lock();
        state.unwanted = true;
        if let Phase::Done(result) = &state.phase {
            let gone = Phase::Gone(kind(result));
            let result = mem::replace(&mut state.phase, gone);
            drop(state);
            quietly_drop(result);
        }
    }

    /// Waits until the job is done, but not beyond `until`, and returns whether it is done.
    pub(super) fn wait(&self, until: Option<Instant>) -> bool {
        let going_on = |state: &JobState<T>| matches!(state.phase, Phase::Waiting | Phase::Begun);
        let state = wait_while(&self.state, &self.bell, until, going_on);
        !going_on(&state)
    }

    /// Takes the result, if the job is done.
    pub(super) fn take(&self) -> Option<Result<T>> {
        let mut state = self.lock();
        match &state.phase {
            Phase::Waiting | Phase::Begun => None,
            Phase::Gone(_) => Some(Err(ErrorKind::Taken.into())),
            Phase::Done(result) => {
                let gone = Phase::Gone(kind(result));
                match mem::replace(&mut state.phase, gone) {
                    Phase::Done(result) => Some(result),
                    _ => unreachable!("it is done, and the lock is held"),
                }
            }
        }
    }

    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<Result<T>> {
        if let Some(result) = self.take() {
            return Poll::Ready(result);
        }
        let waker = context.waker().clone();
        let mut state = self.lock();
        if matches!(state.phase, Phase::Waiting | Phase::Begun) {
            let before = state.waker.replace(waker);
            drop(state);
            // This is done without the lock, since the waker is code of the user's executor.
            quietly_drop(before);
            return Poll::Pending;
        }
        drop(state);
        self.take().map_or(Poll::Pending, Poll::Ready)
    }

    /// Returns how the job ended, or `None` while it goes on.
    pub(super) fn ended(&self) -> Option<TickState> {
        match &self.lock().phase {
            Phase::Waiting | Phase::Begun => None,
            Phase::Done(result) => Some(kind(result)),
            Phase::Gone(kind) => Some(*kind),
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        !matches!(self.lock().phase, Phase::Waiting)
    }

    fn lock(&self) -> MutexGuard<'_, JobState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kind<T>(result: &Result<T>) -> TickState {
    match result {
        Ok(_) => TickState::Finished,
        Err(error) if matches!(error.kind(), ErrorKind::Cancelled { .. }) => TickState::Cancelled,
        Err(_) => TickState::Failed,
    }
}
