//! What a call on a cluster gives.

use std::path::PathBuf;
use std::time::Duration;

use polars::prelude::DataFrame;

/// What a call on a cluster gives beside what it writes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClusterOutcome<T> {
    /// The output: a `DataFrame` of [`collect`](crate::ClusterCall::collect), the files of
    /// [`sink_parquet`](crate::ClusterCall::sink_parquet).
    pub output: T,
    /// A row for each failure that the policy let pass, in the order of the input, with the columns that
    /// [`Outcome::failures`](polars_par_apply::Outcome) has. Rows have their numbers in the whole input, and parts those of the call.
    pub failures: DataFrame,
    /// What happened.
    pub stats: ClusterStats,
}

/// The files of a sink, in the order of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// The folder.
    pub folder: PathBuf,
    /// A file for each part: `part-00000.parquet` and so on. One of a part without rows has the schema.
    pub files: Vec<PathBuf>,
    /// How many rows they have together.
    pub rows: u64,
}

/// What happened in a call on a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ClusterStats {
    /// How many rows the input has.
    pub rows: u64,
    /// How many rows (or parts, of `chunks`) failed and were let pass.
    pub failures: u64,
    /// How many times the closure was called again for a row that had failed.
    pub retries: u64,
    /// How long the call took.
    pub wall: Duration,
    /// How many jobs the driver submitted: 1, unless executors or connections were lost in a way that the scheduler could not mend.
    pub jobs: usize,
    /// How many parts were there before this run, of one that had not finished.
    pub found: usize,
    /// What became of each part, in the order of the input.
    pub parts: Vec<PartStats>,
}

/// What became of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartStats {
    /// How many rows it has.
    pub rows: u64,
    /// How many rows its output has.
    pub output_rows: u64,
    /// How many rows failed and were let pass.
    pub failures: u64,
    /// How many times the closure was called again for a row that had failed.
    pub retries: u64,
    /// How long it took, from reading to the output.
    pub time: Duration,
    /// The executor that ran it: host and process, `host:1234`.
    pub executor: String,
}

/// How far a call is: what [`progress`](crate::ClusterApply::progress) is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterTick {
    /// How many parts are done.
    pub parts_done: usize,
    /// How many there are.
    pub parts: usize,
    /// How many jobs were submitted.
    pub jobs: usize,
    /// How many executors the scheduler has.
    pub executors: usize,
}
