//! The folder that a call writes to: a file for each part, whose metadata say which call wrote it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use polars::prelude::{DataFrame, ParquetReader, SerReader};
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::source::{Planned, digest};
use crate::task::{FAILURES_KEY, JOB_KEY, REPORT_KEY, decoded, part_path, temporary_prefix};
use crate::wire::{From, Named, Report, WireCall, WirePart};

/// Everything by which a call is the same as an earlier one.
#[derive(Serialize)]
struct Identity<'c> {
    crate_version: &'c str,
    function: &'c Named,
    options: serde_json::Value,
    seed: Option<u64>,
    parts: Vec<WirePart>,
    frames: Vec<String>,
}

/// Returns a call's id, which is the same for the same function, options and input in every run.
pub(crate) fn job_id(call: &WireCall, planned: &Planned) -> Result<String> {
    let mut options = serde_json::to_value(&call.options).map_err(std::io::Error::from)?;
    if let Some(options) = options.as_object_mut() {
        // These options change how the call is run, and not its output.
        for option in ["max_failures", "sequential", "workers"] {
            options.remove(option);
        }
    }
    let mut parts = planned.parts.clone();
    for part in &mut parts {
        // Each run has another folder for large frames.
        if let From::Spooled { path, .. } = &mut part.from {
            path.clear();
        }
    }
    let identity = Identity {
        crate_version: env!("CARGO_PKG_VERSION"),
        function: &call.function,
        options,
        seed: call.seed,
        parts,
        frames: planned.frames.iter().map(|frame| digest(frame)).collect(),
    };
    let text = serde_json::to_vec(&identity).map_err(std::io::Error::from)?;
    Ok(digest(&text)[..32].to_string())
}

/// A folder that belongs to a job.
#[derive(Debug)]
pub(crate) struct Sink {
    folder: PathBuf,
    job: String,
    digits: usize,
}

/// A part that was found in the folder.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) report: Report,
    pub(crate) failures: Option<DataFrame>,
}

impl Sink {
    /// Takes the folder for this job. It must be empty or new, or belong to an unfinished run of the same call.
    pub(crate) fn open(
        folder: &Path,
        job: String,
        parts: &[WirePart],
        max_failures: u64,
    ) -> Result<Self> {
        let folder = std::path::absolute(folder)?;
        fs::create_dir_all(&folder)?;
        let digits = digits(parts.len());
        let sink = Sink {
            folder,
            job,
            digits,
        };
        let mut parts_there = 0;
        for entry in fs::read_dir(&sink.folder)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(&temporary_prefix(&sink.job)) {
                continue;
            }
            let path = sink.folder.join(&*name);
            let is_part = name.starts_with("part-") && name.ends_with(".parquet");
            if !is_part || Said::read(&path).is_none_or(|said| said.job != sink.job) {
                return Err(sink.refused(format!(
                    "it has the file {name:?}, which is not of this call (of this function with these options and input files); give a \
                     folder that is empty or new"
                )));
            }
            parts_there += 1;
        }
        if parts_there < parts.len() {
            return Ok(sink);
        }
        let found: Option<Vec<Found>> = parts.iter().map(|part| sink.find(part.part)).collect();
        // If there are more failures than are allowed, it is not the output of a call that succeeded.
        let is_finished = found.is_some_and(|found| {
            let failures = found.iter().map(|part| part.report.failures);
            failures.sum::<u64>() <= max_failures
        });
        if is_finished {
            return Err(sink.refused(
                "it has the finished output of this call; read it, or give another folder".into(),
            ));
        }
        Ok(sink)
    }

    fn refused(&self, message: String) -> Error {
        let folder = self.folder.to_string_lossy().into_owned();
        ErrorKind::Sink { folder, message }.into()
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn job(&self) -> &str {
        &self.job
    }

    pub(crate) fn digits(&self) -> usize {
        self.digits
    }

    pub(crate) fn path(&self, part: u32) -> PathBuf {
        part_path(&self.folder, part, self.digits)
    }

    /// Returns a part, if its file is there and belongs to this job and that part.
    pub(crate) fn find(&self, part: u32) -> Option<Found> {
        let said = Said::read(&self.path(part))?;
        (said.job == self.job && said.found.report.part == part).then_some(said.found)
    }

    /// Removes the files that tasks left when they were ended.
    pub(crate) fn finish(self) -> Result<()> {
        let prefix = temporary_prefix(&self.job);
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

/// Returns how many digits the numbers of parts have, so that names are in the order of the numbers.
fn digits(parts: usize) -> usize {
    parts.saturating_sub(1).to_string().len().max(5)
}

/// What a file's metadata say.
struct Said {
    job: String,
    found: Found,
}

impl Said {
    fn read(path: &Path) -> Option<Self> {
        let mut reader = ParquetReader::new(File::open(path).ok()?);
        let metadata = reader.get_metadata().ok()?.clone();
        let said = metadata.key_value_metadata().as_ref()?;
        let value = |key: &str| {
            let entry = said.iter().find(|entry| entry.key == key)?;
            entry.value.clone()
        };
        let report: Report = serde_json::from_str(&value(REPORT_KEY)?).ok()?;
        if report.rows_out != metadata.num_rows as u64 {
            return None;
        }
        let failures = match value(FAILURES_KEY) {
            None => None,
            Some(text) => Some(decoded(&BASE64.decode(text).ok()?).ok()?),
        };
        Some(Said {
            job: value(JOB_KEY)?,
            found: Found { report, failures },
        })
    }
}
