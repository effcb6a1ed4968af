//! What a job and who holds it share: how far it is, its result, whom to tell.

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
    /// Rung when it is done.
    bell: Condvar,
    pub(super) token: CancelToken,
    pub(super) meter: Meter,
}

struct JobState<T> {
    phase: Phase<T>,
    callbacks: Vec<Callback<T>>,
    /// Cancelled with the job.
    tokens: Vec<CancelToken>,
    /// Those that cancel it, and the numbers by which they know it.
    cancelled_by: Vec<(CancelToken, u64)>,
    waker: Option<Waker>,
    /// Nobody will ask for the result.
    unwanted: bool,
}

/// Whom to tell how it has ended.
pub(super) enum Callback<T> {
    OnSuccess(Tell<T>),
    OnError(Tell<Error>),
}

type Tell<A> = Box<dyn FnOnce(&A) + Send>;

impl<T> Callback<T> {
    /// A panic in it has been heard by the panic hook, and ends nothing else.
    fn tell(self, result: &Result<T>) {
        let _ = catch(|| match (self, result) {
            (Callback::OnSuccess(tell), Ok(value)) => tell(value),
            (Callback::OnError(tell), Err(error)) => tell(error),
            // It is not called, and its drop is the user's too.
            _ => {}
        });
    }
}

enum Phase<T> {
    Waiting,
    Begun,
    Done(Result<T>),
    /// The result is somebody's, or nobody's; it was one of this kind.
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

    /// Whether the caller is the one who is to do it, or to say that it was cancelled: the first who asks.
    pub(super) fn begin(&self) -> bool {
        let mut state = self.lock();
        let first = matches!(state.phase, Phase::Waiting);
        if first {
            state.phase = Phase::Begun;
        }
        first
    }

    /// Tells the callbacks, and then whoever waits. What is registered meanwhile is told too.
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
                    // It is the user's executor's.
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

    /// Has somebody told when it is done; at once, if it is.
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

    /// Cancels the token when the job is cancelled; at once, if it was.
    pub(super) fn cancels(&self, token: CancelToken) {
        let mut state = self.lock();
        state.tokens.push(token.clone());
        drop(state);
        // After it was entered: a cancel either finds it there, or was over before.
        if self.token.is_cancelled() {
            token.cancel();
        }
    }

    /// Notes a token that cancels it, and the number by which that knows it, until it is done.
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

    /// Lets go of the result, also one that is yet to come.
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

    /// Waits until it is done, but not beyond `until`; and tells whether it is.
    pub(super) fn wait(&self, until: Option<Instant>) -> bool {
        let going_on = |state: &JobState<T>| matches!(state.phase, Phase::Waiting | Phase::Begun);
        let state = wait_while(&self.state, &self.bell, until, going_on);
        !going_on(&state)
    }

    /// The result, if it is done.
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
            // Without the lock: it is the user's executor's.
            quietly_drop(before);
            return Poll::Pending;
        }
        drop(state);
        self.take().map_or(Poll::Pending, Poll::Ready)
    }

    /// How it ended; none while it goes on.
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
