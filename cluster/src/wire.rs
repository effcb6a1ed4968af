//! What is sent between the processes.

use polars_par_apply::{CallOptions, Function, Retry};
use serde::{Deserialize, Serialize};

use crate::error::TaskError;

/// A call, as executors are given it: the function's name and plain data, never code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WireCall {
    pub(crate) function: Named,
    pub(crate) options: CallOptions,
    pub(crate) retry: Option<Retry>,
    pub(crate) seed: Option<u64>,
    /// Of one run of a driver: parts that fail on an executor end its later parts of the same run.
    pub(crate) run: String,
    /// When the call is cancelled, in milliseconds since 1970.
    pub(crate) deadline: Option<u64>,
    /// The columns that are read of files; all, if none are named.
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) gives: GivesBack,
}

/// Which function it is, for an executor to compare with its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) name: String,
    /// The name, the verb and the types, as text.
    pub(crate) line: String,
    pub(crate) version: String,
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
        }
    }
}

/// What becomes of the output of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum GivesBack {
    /// It is sent to the driver.
    Frames,
    /// It is written to this folder, for the job of this id.
    Files { folder: String, job: String },
}

/// What a part is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WirePart {
    pub(crate) part: u32,
    /// The number of its first row in the whole input; none where a column has the numbers.
    pub(crate) first_row: Option<u64>,
    pub(crate) rows: u64,
    pub(crate) from: From,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum From {
    /// Rows of a Parquet file, from this one on.
    Parquet { file: FileState, offset: u64 },
    /// A file of Arrow's IPC format, which the driver wrote.
    Spooled { path: String },
    /// The bytes of such a file, which are sent along.
    Sent,
}

/// A file, and how to see that it is still the one that the parts were cut of.
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

/// What became of a part.
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
    /// Whether it was not run, since a part before it had failed.
    pub(crate) skipped: bool,
    /// The file with its output.
    pub(crate) file: Option<String>,
    /// How many pieces come after this one: those of the failures, then those of the output.
    pub(crate) failure_pieces: u32,
    pub(crate) output_pieces: u32,
}

impl Report {
    pub(crate) fn is_done(&self) -> bool {
        self.error.is_none() && !self.skipped
    }
}
