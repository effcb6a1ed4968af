//! What is sent between the processes.

use polars_par_apply::{CallOptions, Function, Retry};
use serde::{Deserialize, Serialize};

use crate::error::TaskError;
use crate::task::executor_name;

/// A call as executors are given it: the function's name and plain data, and no code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WireCall {
    pub(crate) function: Named,
    pub(crate) options: CallOptions,
    pub(crate) retry: Option<Retry>,
    pub(crate) seed: Option<u64>,
    /// The id of one job. If a part fails on an executor, the executor skips later parts of the same job.
    pub(crate) run: String,
    /// The columns that are read of files; `None` stands for all.
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) gives: GivesBack,
}

/// The identity of a function, which an executor compares with that of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) name: String,
    /// The name, the verb and the types, as text.
    pub(crate) line: String,
    pub(crate) version: String,
    /// The version of this crate, which defines the messages.
    pub(crate) build: String,
}

impl Named {
    pub(crate) fn of(function: &Function) -> Self {
        let seeded = match function.is_seeded() {
            true => ", seeded",
            false => "",
        };
        Named {
            name: function.name().to_string(),
            line: format!("{function}{seeded}"),
            version: function.version().to_string(),
            build: env!("CARGO_PKG_VERSION").to_string(),
        }
    }
}

/// Where the output of a part goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum GivesBack {
    /// It is sent to the driver.
    Frames,
    /// It is written to this folder, for the job of this id.
    Files {
        folder: String,
        job: String,
        /// How many digits a part's number has in the name of its file.
        digits: usize,
    },
}

/// A part: its number, its rows, and where they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WirePart {
    pub(crate) part: u32,
    /// The number of its first row in the whole input; `None` if a column has the numbers.
    pub(crate) first_row: Option<u64>,
    pub(crate) rows: u64,
    pub(crate) from: From,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum From {
    /// Rows of a Parquet file, from the row at `offset` on.
    Parquet { file: FileState, offset: u64 },
    /// A file of Arrow's IPC format, which the driver wrote.
    Spooled { path: String, digest: String },
    /// The bytes of such a file, which are sent with the plan.
    Sent,
}

/// A file, and how to check that it has not changed since it was cut into parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileState {
    pub(crate) path: String,
    pub(crate) bytes: u64,
    /// When it was last changed, in nanoseconds since 1970.
    pub(crate) modified: u64,
}

impl FileState {
    pub(crate) fn of(path: &str) -> std::io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        let modified = metadata.modified()?;
        let since = modified.duration_since(std::time::UNIX_EPOCH);
        Ok(FileState {
            path: path.to_string(),
            bytes: metadata.len(),
            modified: since.map_or(0, |since| since.as_nanos() as u64),
        })
    }
}

/// The result of a part, without its data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) part: u32,
    pub(crate) rows_in: u64,
    pub(crate) rows_out: u64,
    pub(crate) failures: u64,
    pub(crate) retries: u64,
    pub(crate) nanoseconds: u64,
    /// The executor that ran it: its host and process.
    pub(crate) executor: String,
    pub(crate) error: Option<TaskError>,
    /// Whether the part was not run, because a lower part had failed.
    pub(crate) skipped: bool,
    /// The file with its output.
    pub(crate) file: Option<String>,
    /// How many pieces come after this one: first those of the failures, then those of the output.
    pub(crate) failure_pieces: u32,
    pub(crate) output_pieces: u32,
}

impl Report {
    /// Returns the report of a part that was not run yet.
    pub(crate) fn of(part: &WirePart) -> Self {
        Report {
            part: part.part,
            rows_in: part.rows,
            rows_out: 0,
            failures: 0,
            retries: 0,
            nanoseconds: 0,
            executor: executor_name(),
            error: None,
            skipped: false,
            file: None,
            failure_pieces: 0,
            output_pieces: 0,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.error.is_none() && !self.skipped
    }
}
