//! What a job and who holds it share: how far it is, its result, whom to tell.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::meter::Meter;
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::pool::wait_while;
use crate::progress::TickState;
use crate::run::{catch, quietly_drop};

pub(super) struct Core<T> {
    state: Mutex<State<T>>,
    /// Rung when it is done.
    bell: Condvar,
    pub(super) token: CancelToken,
    pub(super) meter: Meter,
}

struct State<T> {
    phase: Phase<T>,
    on_success: Vec<Box<dyn FnOnce(&T) + Send>>,
    on_error: Vec<Box<dyn FnOnce(&Error) + Send>>,
    /// Cancelled with the job.
    tokens: Vec<CancelToken>,
    waker: Option<Waker>,
    /// Nobody will ask for the result.
    unwanted: bool,
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
            state: Mutex::new(State {
                phase: Phase::Waiting,
                on_success: Vec::new(),
                on_error: Vec::new(),
                tokens: Vec::new(),
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
            if state.on_success.is_empty() && state.on_error.is_empty() {
                let waker = state.waker.take();
                let unwanted = if state.unwanted {
                    state.phase = Phase::Gone(kind(&result));
                    Some(result)
                } else {
                    state.phase = Phase::Done(result);
                    None
                };
                drop(state);
                self.bell.notify_all();
                if let Some(waker) = waker {
                    // It is the user's executor's.
                    let _ = catch(|| waker.wake());
                }
                quietly_drop(unwanted);
                return;
            }
            let on_success = mem::take(&mut state.on_success);
            let on_error = mem::take(&mut state.on_error);
            drop(state);
            match &result {
                Ok(value) => {
                    on_success.into_iter().for_each(|tell| told(tell, value));
                    quietly_drop(on_error);
                }
                Err(error) => {
                    on_error.into_iter().for_each(|tell| told(tell, error));
                    quietly_drop(on_success);
                }
            }
        }
    }

    /// Has it told when it is done; at once, if it is.
    pub(super) fn on_success(&self, tell: Box<dyn FnOnce(&T) + Send>) {
        let mut state = self.lock();
        match mem::replace(&mut state.phase, Phase::Begun) {
            Phase::Done(result) => {
                drop(state);
                if let Ok(value) = &result {
                    told(tell, value);
                }
                self.lock().phase = Phase::Done(result);
            }
            Phase::Gone(kind) => state.phase = Phase::Gone(kind),
            going_on => {
                state.phase = going_on;
                state.on_success.push(tell);
            }
        }
    }

    /// As [`Core::on_success`].
    pub(super) fn on_error(&self, tell: Box<dyn FnOnce(&Error) + Send>) {
        let mut state = self.lock();
        match mem::replace(&mut state.phase, Phase::Begun) {
            Phase::Done(result) => {
                drop(state);
                if let Err(error) = &result {
                    told(tell, error);
                }
                self.lock().phase = Phase::Done(result);
            }
            Phase::Gone(kind) => state.phase = Phase::Gone(kind),
            going_on => {
                state.phase = going_on;
                state.on_error.push(tell);
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
        let going_on = |state: &State<T>| matches!(state.phase, Phase::Waiting | Phase::Begun);
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
            state.waker = Some(waker);
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

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls a callback. A panic in it has been heard by the panic hook, and ends nothing else.
fn told<A: ?Sized>(tell: Box<dyn FnOnce(&A) + Send>, of: &A) {
    let _ = catch(|| tell(of));
}

fn kind<T>(result: &Result<T>) -> TickState {
    match result {
        Ok(_) => TickState::Finished,
        Err(error) if matches!(error.kind(), ErrorKind::Cancelled { .. }) => TickState::Cancelled,
        Err(_) => TickState::Failed,
    }
}
