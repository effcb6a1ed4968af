//! An error and what has caused it, as far as it is worth following.

use std::cell::Cell;
use std::error::Error as StdError;
use std::fmt;

use super::Error;

/// How many errors of a chain are followed. Real chains have a few; one that is longer is a loop that
/// [`Chain`] did not know for one, or would fill a screen.
const LONGEST: usize = 64;

/// How deep messages are made within messages: of one of this crate's errors, which says its cause, which has one of this
/// crate's errors as its source, and so on.
const DEEPEST: usize = 16;

/// Iterates over an error and its [`source`](StdError::source)s. It ends whatever these return: where one comes that was there
/// before, and after [`LONGEST`] of them.
///
/// An error's `source` is the user's code: call it within `run::catch`.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    next: Option<&'a (dyn StdError + 'static)>,
    seen: Vec<*const (dyn StdError + 'static)>,
}

impl<'a> Chain<'a> {
    pub(crate) fn of(error: &'a anyhow::Error) -> Self {
        Chain {
            next: Some(error.as_ref()),
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
        let source = error.source();
        if source.is_some() {
            self.seen.push(error);
        }
        self.next = source;
        Some(error)
    }
}

/// Shows an error and what has caused it. One of this crate says that itself.
pub(crate) struct Causes<'a>(pub(crate) &'a anyhow::Error);

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
        let mut chain = Chain::of(self.0);
        let mut is_first = true;
        for cause in chain.by_ref() {
            if !is_first {
                f.write_str(": ")?;
            }
            is_first = false;
            write!(f, "{cause}")?;
            if cause.is::<Error>() {
                return Ok(());
            }
        }
        if chain.is_cut() {
            f.write_str(": …")?;
        }
        Ok(())
    }
}
