//! An error and its causes, followed up to a limit.

use std::cell::Cell;
use std::error::Error as StdError;
use std::fmt;

use polars::prelude::PolarsError;

use super::Error;

/// The number of errors of a chain that are followed. Real chains have a few; a longer one is a loop that
/// [`Chain`] did not notice, or would fill a screen.
const LONGEST: usize = 64;

/// How deep messages are made within messages: an error of this crate includes its cause in its message, whose message may
/// include another error of this crate, and so on.
const DEEPEST: usize = 16;

/// Returns the next error of the chain that is not in this error's own message.
///
/// It is the error's [`source`](StdError::source), except for errors of Polars, some of which include their source in their
/// own message.
pub(super) fn unsaid<'a>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref() {
        Some(error) => unsaid_by_polars(error),
        None => error.source(),
    }
}

pub(super) fn unsaid_by_polars(error: &PolarsError) -> Option<&(dyn StdError + 'static)> {
    match error {
        PolarsError::Context { error, .. } | PolarsError::ExprContext { error, .. } => {
            unsaid_by_polars(error)
        }
        PolarsError::IO { error, msg } => {
            let error: &(dyn StdError + 'static) = error.as_ref();
            let is_said = msg
                .as_ref()
                .is_none_or(|msg| msg.contains(&error.to_string()));
            if is_said { unsaid(error) } else { Some(error) }
        }
        error => error.source(),
    }
}

/// Returns the next error of a chain, whether it is in this one's message or not.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<Error>() {
        Some(own) => own.cause().or_else(|| own.source()),
        None => error.source(),
    }
}

/// Iterates over an error and its causes. It always ends, whatever these return: where an error comes that was there before, and
/// after [`LONGEST`] errors.
///
/// An error's [`source`](StdError::source) is the user's code, so call this within `run::catch`.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    next: Option<&'a (dyn StdError + 'static)>,
    after: for<'e> fn(&'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)>,
    seen: Vec<*const (dyn StdError + 'static)>,
}

impl<'a> Chain<'a> {
    /// Iterates over every error of the chain.
    pub(crate) fn of(error: &'a anyhow::Error) -> Self {
        Chain {
            next: Some(error.as_ref()),
            after: cause,
            seen: Vec::new(),
        }
    }

    /// Iterates over the errors whose messages, put together, have each error of the chain once.
    fn to_say(error: &'a (dyn StdError + 'static)) -> Self {
        Chain {
            next: Some(error),
            after: unsaid,
            seen: Vec::new(),
        }
    }

    /// Returns whether it ended before the chain did.
    fn is_cut(&self) -> bool {
        self.next.is_some()
    }
}

impl<'a> Iterator for Chain<'a> {
    type Item = &'a (dyn StdError + 'static);

    fn next(&mut self) -> Option<Self::Item> {
        let error = self.next?;
        // An error with the same methods at the same address has the same source. (The compiler may have made a type's methods
        // twice; then a loop is noticed one round later, or the limit of the length ends it.)
        let is_seen = self.seen.iter().any(|seen| std::ptr::eq(*seen, error));
        if is_seen || self.seen.len() == LONGEST {
            return None;
        }
        let after = (self.after)(error);
        if after.is_some() {
            self.seen.push(error);
        }
        self.next = after;
        Some(error)
    }
}

/// Shows an error and, with `{:#}`, its causes.
pub(crate) struct Causes<'a>(pub(super) &'a (dyn StdError + 'static));

impl<'a> Causes<'a> {
    pub(crate) fn of(error: &'a anyhow::Error) -> Self {
        Causes(error.as_ref())
    }
}

thread_local! {
    /// The number of messages that are being made within each other.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Counts one message that is being made, until this is dropped, which a panic does too.
struct Deeper;

impl Deeper {
    fn enter() -> Option<Self> {
        let depth = DEPTH.get();
        (depth < DEEPEST).then(|| {
            DEPTH.set(depth + 1);
            Deeper
        })
    }
}

impl Drop for Deeper {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(_deeper) = Deeper::enter() else {
            return f.write_str("…");
        };
        if !f.alternate() {
            return write!(f, "{}", self.0);
        }
        let mut chain = Chain::to_say(self.0);
        let mut is_first = true;
        for cause in chain.by_ref() {
            if !is_first {
                f.write_str(": ")?;
            }
            is_first = false;
            write!(f, "{cause}")?;
        }
        if chain.is_cut() {
            f.write_str(": …")?;
        }
        Ok(())
    }
}
