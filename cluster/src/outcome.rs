//! What a call on a cluster gives.

use std::path::PathBuf;
use std::time::Duration;

use polars::prelude::DataFrame;

/// The result of a call on a cluster: its output, the failures and the stats.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClusterOutcome<T> {
    /// The output: a `DataFrame` from [`collect`](crate::ClusterCall::collect), or the files that
    /// [`sink_parquet`](crate::ClusterCall::sink_parquet) has written.
    pub output: T,
    /// A row for each failure that the policy let pass, in the order of the input.
    ///
    /// The columns are those of [`Outcome::failures`](polars_par_apply::Outcome). Rows have their numbers in the whole input, and parts their
    /// numbers in the call.
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
    /// A file for each part: `part-00000.parquet` and so on. The file of a part without rows has only the schema.
    pub files: Vec<PathBuf>,
    /// How many rows the files have together.
    pub rows: u64,
}

/// What happened in a call on a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ClusterStats {
    /// How many rows the input has.
    pub rows: u64,
    /// How many rows (of `chunks`: parts) failed and were let pass by the policy.
    pub failures: u64,
    /// How many times the closure was called again for a row that had failed.
    pub retries: u64,
    /// How long the call took.
    pub wall: Duration,
    /// How many jobs the driver submitted: 1, unless executors or connections were lost and the scheduler could not recover.
    pub jobs: usize,
    /// How many parts an earlier, unfinished run of the same sink had already written.
    pub found: usize,
    /// The stats of each part, in the order of the input.
    pub parts: Vec<PartStats>,
}

/// What happened in one part.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartStats {
    /// How many rows the part has.
    pub rows: u64,
    /// How many rows its output has.
    pub output_rows: u64,
    /// How many rows failed and were let pass by the policy.
    pub failures: u64,
    /// How many times the closure was called again for a row that had failed.
    pub retries: u64,
    /// How long the part took, from reading to the output.
    pub time: Duration,
    /// The executor that ran it: host and process, `host:1234`.
    pub executor: String,
}

/// How far a call is, as reported to the closure of [`progress`](crate::ClusterApply::progress).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterTick {
    /// How many parts are done.
    pub parts_done: usize,
    /// How many parts there are.
    pub parts: usize,
    /// How many jobs were submitted.
    pub jobs: usize,
    /// How many executors the scheduler has.
    pub executors: usize,
}
