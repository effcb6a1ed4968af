//! An error and what has caused it, as far as it is worth following.

use std::cell::Cell;
use std::error::Error as StdError;
use std::fmt;

use polars::prelude::PolarsError;

use super::Error;

/// How many errors of a chain are followed. Real chains have a few; one that is longer is a loop that
/// [`Chain`] did not know for one, or would fill a screen.
const LONGEST: usize = 64;

/// How deep messages are made within messages: of one of this crate's errors, which includes its cause, whose message
/// includes one of this crate's errors, and so on.
const DEEPEST: usize = 16;

/// The part of an error's chain that is not in its own message.
///
/// It is the error's [`source`](StdError::source), save for errors of Polars, some of which include their source in their
/// message as well.
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

/// The next error of a chain, whether it is in this one's message or not.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<Error>() {
        Some(own) => own.cause().or_else(|| own.source()),
        None => error.source(),
    }
}

/// Iterates over an error and its causes. It ends whatever these return: where one comes that was there before, and after
/// [`LONGEST`] of them.
///
/// An error's [`source`](StdError::source) is the user's code: call it within `run::catch`.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    next: Option<&'a (dyn StdError + 'static)>,
    after: for<'e> fn(&'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)>,
    seen: Vec<*const (dyn StdError + 'static)>,
}

impl<'a> Chain<'a> {
    /// Every error of the chain.
    pub(crate) fn of(error: &'a anyhow::Error) -> Self {
        Chain {
            next: Some(error.as_ref()),
            after: cause,
            seen: Vec::new(),
        }
    }

    /// The errors whose messages put together say each of the chain once.
    fn to_say(error: &'a (dyn StdError + 'static)) -> Self {
        Chain {
            next: Some(error),
            after: unsaid,
            seen: Vec::new(),
        }
    }

    /// Whether it has ended before the errors have.
    fn is_cut(&self) -> bool {
        self.next.is_some()
    }
}

impl<'a> Iterator for Chain<'a> {
    type Item = &'a (dyn StdError + 'static);

    fn next(&mut self) -> Option<Self::Item> {
        let error = self.next?;
        // With the same methods at the same address it has the same source. (The compiler may have made a type's methods
        // twice; then a loop is noticed a round later, or the length ends it.)
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

/// Shows an error; and, where `{:#}` is asked for, what has caused it.
pub(crate) struct Causes<'a>(pub(super) &'a (dyn StdError + 'static));

impl<'a> Causes<'a> {
    pub(crate) fn of(error: &'a anyhow::Error) -> Self {
        Causes(error.as_ref())
    }
}

thread_local! {
    /// How many messages are being made within each other.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// One message that is being made; it is over when this is dropped, by a panic too.
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
