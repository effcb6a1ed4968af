//! How an executor runs a part: it reads the rows, calls the function, and writes or encodes the output.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use polars::prelude::{
    Column, DataFrame, IpcReader, IpcWriter, KeyValueMetadata, ParallelStrategy, ParquetReader,
    ParquetWriter, Scalar, SerReader, SerWriter,
};
use polars_par_apply::{CallOptions, CancelToken, Function, Outcome, ParApply, Registry, Stats};

use crate::error::TaskError;
use crate::wire::{FileState, From, GivesBack, Named, Report, WireCall, WirePart};

/// The size of a piece of a frame that is sent: far below the limit of a message, and large compared with what a message costs.
pub(crate) const PIECE: usize = 512 * 1024;

/// The metadata key of the report in a part's file.
pub(crate) const REPORT_KEY: &str = "polars-par-apply.report";
/// The metadata key of the job's id.
pub(crate) const JOB_KEY: &str = "polars-par-apply.job";
/// The metadata key of the failures that the policy let pass.
pub(crate) const FAILURES_KEY: &str = "polars-par-apply.failures";

/// What an executor sends for a part: its report, and the pieces of its failures and its output.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) report: Report,
    pub(crate) failures: Vec<u8>,
    pub(crate) output: Vec<u8>,
}

/// Runs a part. All errors are in the report.
pub(crate) fn run(
    registry: &Registry,
    call: &WireCall,
    part: &WirePart,
    sent: Option<&[u8]>,
    token: &CancelToken,
) -> Done {
    let began = Instant::now();
    let mut report = Report::of(part);
    if lowest_failed(&call.run).is_some_and(|lowest| lowest < part.part) {
        report.skipped = true;
        return Done {
            report,
            failures: Vec::new(),
            output: Vec::new(),
        };
    }
    let outcome = checked(registry, call)
        .and_then(|function| called(&function, call, part, sent, token))
        .and_then(|outcome| {
            let Stats {
                failures, retries, ..
            } = &outcome.stats;
            report.failures = *failures as u64;
            report.retries = *retries as u64;
            report.rows_out = outcome.output.height() as u64;
            // The failures of the first part are always sent, since they say which columns there are.
            let failed = match outcome.failures.height() {
                0 if part.part > 0 => Vec::new(),
                _ => encoded(of_part(outcome.failures, part.part))?,
            };
            report.failure_pieces = pieces(&failed);
            report.nanoseconds = began.elapsed().as_nanos() as u64;
            let output = match &call.gives {
                GivesBack::Frames => encoded(outcome.output)?,
                GivesBack::Files {
                    folder,
                    job,
                    digits,
                } => {
                    let path = part_path(Path::new(folder), part.part, *digits);
                    report.file = Some(path.to_string_lossy().into_owned());
                    write(outcome.output, &path, job, &report, &failed)?;
                    Vec::new()
                }
            };
            report.output_pieces = pieces(&output);
            Ok((failed, output))
        });
    match outcome {
        Ok((failures, output)) => Done {
            report,
            failures,
            output,
        },
        Err(error) => {
            if matches!(error, TaskError::Call { .. } | TaskError::Mismatch { .. }) {
                note_failed(&call.run, part.part);
            }
            report.file = None;
            report.failure_pieces = 0;
            report.error = Some(error);
            Done {
                report,
                failures: Vec::new(),
                output: Vec::new(),
            }
        }
    }
}

/// Returns the report about a part of a call that cannot be read, because another build has sent it.
pub(crate) fn unreadable(part: &WirePart, message: &str) -> Done {
    Done {
        report: Report {
            error: Some(TaskError::Mismatch {
                function: String::new(),
                message: message.to_string(),
            }),
            ..Report::of(part)
        },
        failures: Vec::new(),
        output: Vec::new(),
    }
}

/// Returns the failures with the part's number; in the part's own frame it is 0.
fn of_part(mut failures: DataFrame, part: u32) -> DataFrame {
    let parts = failures.column("part").map(|column| {
        let numbers = Column::new_scalar("part".into(), Scalar::from(part), column.len());
        numbers.cast(column.dtype())
    });
    if let Ok(Ok(parts)) = parts {
        let _ = failures.replace("part", parts);
    }
    failures
}

fn pieces(bytes: &[u8]) -> u32 {
    bytes.len().div_ceil(PIECE) as u32
}

/// Returns the name of this executor: its host and process.
pub(crate) fn executor_name() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "executor",
        host => host,
    };
    format!("{host}:{}", std::process::id())
}

/// Returns the function that the call names, if this build has it.
fn checked(registry: &Registry, call: &WireCall) -> Result<Function, TaskError> {
    let wanted = &call.function;
    let mismatch = |message: String| TaskError::Mismatch {
        function: wanted.name.clone(),
        message,
    };
    let function = registry
        .get(&wanted.name)
        .map_err(|error| mismatch(format!("the executor says: {error}")))?;
    let own = Named::of(&function);
    if own.line != wanted.line {
        return Err(mismatch(format!(
            "the driver has `{}`, the executor `{}`",
            wanted.line, own.line
        )));
    }
    if own.build != wanted.build {
        return Err(mismatch(format!(
            "the driver has polars-par-apply-cluster {}, the executor {}",
            wanted.build, own.build
        )));
    }
    if own.version != wanted.version {
        return Err(mismatch(format!(
            "the driver has version {:?}, the executor {:?}",
            wanted.version, own.version
        )));
    }
    Ok(function)
}

/// Makes the call over the part, as on one machine.
fn called(
    function: &Function,
    call: &WireCall,
    part: &WirePart,
    sent: Option<&[u8]>,
    token: &CancelToken,
) -> Result<Outcome<DataFrame>, TaskError> {
    let mut options = call.options.clone();
    if token.is_cancelled() {
        return Err(TaskError::Stopped);
    }
    let frame = read(part, sent, call.columns.as_deref())?;
    if let Some(first_row) = part.first_row {
        options = options.first_row(first_row);
    }
    if function.verb() == "chunks" && frame.height() > 0 {
        options = options.partitions(1);
    }
    over(function, &frame, &options, call, token).map_err(|error| TaskError::of(&error))
}

fn over(
    function: &Function,
    frame: &DataFrame,
    options: &CallOptions,
    call: &WireCall,
    token: &CancelToken,
) -> polars_par_apply::Result<Outcome<DataFrame>> {
    let mut apply = frame
        .par_apply()
        .with(options)
        .cancel_token(token)
        .outcome();
    if let Some(retry) = &call.retry {
        apply = apply.retry(retry.clone());
    }
    match (function.verb(), call.seed) {
        ("rows", None) => apply.call_with_columns(function),
        ("rows", Some(seed)) => apply.seed(seed).call_with_columns(function),
        (_, None) => apply.call(function),
        (_, Some(seed)) => apply.seed(seed).call(function),
    }
}

fn read(
    part: &WirePart,
    sent: Option<&[u8]>,
    columns: Option<&[String]>,
) -> Result<DataFrame, TaskError> {
    let input = |message: String| TaskError::Io {
        message: format!("{message} (on {})", executor_name()),
        is_sink: false,
    };
    let frame = match &part.from {
        From::Parquet { file, offset } => {
            let changed = || TaskError::Changed {
                message: format!(
                    "file {:?} was changed after the call had begun; run the call again when the files no longer change",
                    file.path
                ),
            };
            let found = FileState::of(&file.path).map_err(|error| {
                input(format!("file {:?} cannot be read here: {error}; executors read it at the same path as the driver", file.path))
            })?;
            if found != *file {
                return Err(changed());
            }
            let opened = File::open(&file.path)
                .map_err(|error| input(format!("file {:?} cannot be read: {error}", file.path)))?;
            ParquetReader::new(opened)
                .with_columns(columns.map(<[String]>::to_vec))
                .with_slice(Some((*offset as usize, part.rows as usize)))
                .read_parallel(ParallelStrategy::Auto)
                .finish()
        }
        From::Spooled { path, .. } => File::open(path)
            .map_err(Into::into)
            .and_then(|file| IpcReader::new(file).finish()),
        From::Sent => decoded(sent.unwrap_or_default()),
    };
    let frame = frame.map_err(|error| input(format!("its rows cannot be read: {error}")))?;
    if frame.height() as u64 != part.rows {
        return Err(input(format!(
            "{} rows were read where {} were expected",
            frame.height(),
            part.rows
        )));
    }
    Ok(frame)
}

/// Encodes a frame as bytes; all dtypes are kept.
pub(crate) fn encoded(mut frame: DataFrame) -> Result<Vec<u8>, TaskError> {
    // The frame must be one chunk, since a file has one dictionary for each column.
    frame.rechunk_mut();
    let mut bytes = Vec::new();
    IpcWriter::new(&mut bytes)
        .finish(&mut frame)
        .map_err(|error| TaskError::Call {
            kind: "polars".to_string(),
            message: format!("the output cannot be sent: {error}"),
            row: None,
            column: None,
        })?;
    Ok(bytes)
}

pub(crate) fn decoded(bytes: &[u8]) -> polars::error::PolarsResult<DataFrame> {
    IpcReader::new(Cursor::new(bytes)).finish()
}

/// Returns the path of a part's output in the folder of a sink.
pub(crate) fn part_path(folder: &Path, part: u32, digits: usize) -> PathBuf {
    folder.join(format!("part-{part:0digits$}.parquet"))
}

/// Returns the beginning of the names that files have while they are written; other programs ignore such names.
pub(crate) fn temporary_prefix(job: &str) -> String {
    format!(".{job}-")
}

/// Writes a part's output under a temporary name, and then renames it, so that a file with the final name is always complete.
fn write(
    mut frame: DataFrame,
    path: &Path,
    job: &str,
    report: &Report,
    failures: &[u8],
) -> Result<(), TaskError> {
    let failed = |error: &dyn std::fmt::Display| TaskError::Io {
        message: format!(
            "the output cannot be written to {}: {error} (on {})",
            path.display(),
            executor_name()
        ),
        is_sink: true,
    };
    let mut said = vec![
        (JOB_KEY.to_string(), job.to_string()),
        (
            REPORT_KEY.to_string(),
            serde_json::to_string(report).map_err(|error| failed(&error))?,
        ),
    ];
    if !failures.is_empty() {
        said.push((FAILURES_KEY.to_string(), BASE64.encode(failures)));
    }
    let name = format!(
        "{}{}.tmp",
        temporary_prefix(job),
        uuid::Uuid::new_v4().simple()
    );
    let temporary = path.with_file_name(name);
    let written = File::create(&temporary)
        .map_err(polars::error::PolarsError::from)
        .and_then(|mut file| {
            ParquetWriter::new(&mut file)
                .with_key_value_metadata(Some(KeyValueMetadata::from_static(said)))
                .finish(&mut frame)?;
            file.sync_all()?;
            match fs::rename(&temporary, path) {
                // Another driver of the same call has finished and removed its temporary files; the file is there.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && path.exists() => {}
                renamed => renamed?,
            }
            if let Some(folder) = path.parent() {
                File::open(folder)?.sync_all()?;
            }
            Ok(())
        });
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        failed(&error)
    })
}

/// The lowest part that failed in this process, for each of the latest runs.
static FAILED: Mutex<VecDeque<(String, u32)>> = Mutex::new(VecDeque::new());

/// How many runs are remembered.
const RUNS: usize = 256;

fn note_failed(run: &str, part: u32) {
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    match failed.iter_mut().find(|(of, _)| of == run) {
        Some((_, lowest)) => *lowest = part.min(*lowest),
        None => failed.push_back((run.to_string(), part)),
    }
    if failed.len() > RUNS {
        failed.pop_front();
    }
}

fn lowest_failed(run: &str) -> Option<u32> {
    let failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    let found = failed.iter().find(|(of, _)| of == run);
    found.map(|(_, lowest)| *lowest)
}
