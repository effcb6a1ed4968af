//! How many workers a call has, and how its rows are cut: the options, checked.

use std::ops::Range;

use crate::error::{Error, ErrorKind};
use crate::options::Options;
use crate::partition::{chunk_bounds, part_bounds};
use crate::pool::Pool;

/// Who runs a call.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(super) pool: Pool,
    /// 1: the calling thread.
    pub(super) workers: usize,
    pub(super) cut: Option<Cut>,
}

/// How the user asked for the rows to be cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    Partitions(usize),
    ChunkRows(usize),
}

impl Plan {
    pub(crate) fn new(options: &Options, faults: &mut Vec<Error>) -> Self {
        let mut refuse = |option, message: String| {
            faults.push(ErrorKind::Option { option, message }.into());
        };
        let pool = options.pool.clone().unwrap_or_default();
        // A sequential call does not as much as start the pool.
        let width = if options.sequential {
            1
        } else {
            pool.workers()
        };
        if options.workers == Some(0) {
            refuse(
                "workers",
                "0 workers cannot run anything; give 1 or more".into(),
            );
        }
        let workers = match options.workers {
            _ if options.sequential => 1,
            Some(asked) if asked > width && options.pool.is_some() => {
                refuse(
                    "workers",
                    format!(
                        "{asked} workers are more than the {width} of the pool given; ask for fewer, or make the pool wider"
                    ),
                );
                width
            }
            Some(asked) => asked,
            None => width,
        };
        let cut = match (options.partitions, options.chunk_rows) {
            (Some(_), Some(_)) => {
                refuse(
                    "partitions",
                    "it excludes .chunk_rows(…); give one of the two".into(),
                );
                None
            }
            (Some(0), None) => {
                refuse(
                    "partitions",
                    "0 partitions cannot hold the rows; give 1 or more".into(),
                );
                None
            }
            (None, Some(0)) => {
                refuse(
                    "chunk_rows",
                    "chunks of 0 rows cannot hold the rows; give 1 or more".into(),
                );
                None
            }
            (Some(parts), None) => Some(Cut::Partitions(parts)),
            (None, Some(rows)) => Some(Cut::ChunkRows(rows)),
            (None, None) => None,
        };
        // More workers than Polars' pool has: asked for by number, so they are made, for this call.
        let pool = if workers > width && faults.is_empty() {
            Pool::new(workers).unwrap_or_else(|error| {
                faults.push(error);
                pool
            })
        } else {
            pool
        };
        Plan { pool, workers, cut }
    }

    /// The parts of so many rows: as asked for, else one for each worker, but no empty ones. At least one.
    pub(crate) fn parts(&self, rows: usize) -> Vec<Range<usize>> {
        match self.cut {
            Some(cut) => cut.bounds(rows),
            None => part_bounds(rows, self.workers.min(rows).max(1)).collect(),
        }
    }
}

impl Cut {
    pub(super) fn bounds(self, rows: usize) -> Vec<Range<usize>> {
        match self {
            Cut::Partitions(parts) => part_bounds(rows, parts).collect(),
            Cut::ChunkRows(chunk_rows) => chunk_bounds(rows, chunk_rows).collect(),
        }
    }
}
