//! How many workers both sides have.

use std::sync::LazyLock;

use polars_core::runtime::RAYON;
use polars_par_apply::Apply;
use polars_par_apply::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// One worker, or all that Polars' pool has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workers {
    One,
    All,
}

pub(crate) const BOTH: [Workers; 2] = [Workers::One, Workers::All];

static ONE: LazyLock<ThreadPool> = LazyLock::new(|| {
    let pool = ThreadPoolBuilder::new().num_threads(1).build();
    pool.expect("a thread can be started")
});

impl Workers {
    /// Our call, on so many.
    pub(crate) fn apply(self, frame: &DataFrame) -> Apply<'_, 'static> {
        match self {
            Workers::One => frame.par_apply().sequential(),
            Workers::All => frame.par_apply(),
        }
    }

    /// Runs rayon's iterators on so many threads: all are those of Polars' own pool, which our call uses.
    pub(crate) fn install<R: Send>(self, run: impl FnOnce() -> R + Send) -> R {
        match self {
            Workers::One => ONE.install(run),
            Workers::All => RAYON.install(run),
        }
    }

    pub(crate) fn count(self) -> usize {
        match self {
            Workers::One => 1,
            Workers::All => RAYON.current_num_threads(),
        }
    }

    pub(crate) fn label(self) -> String {
        match self.count() {
            1 => "1 worker".into(),
            count => format!("{count} workers"),
        }
    }
}
