//! The input of a call: files, or a frame, cut into parts.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use polars::prelude::{DataFrame, ParquetReader, Schema, SchemaExt, SchemaRef, SerReader};
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::task::encoded;
use crate::wire::{FileState, From as PartFrom, WirePart};

/// The files of a call: one path or pattern (`flights/*.parquet`), or a list of paths.
#[derive(Clone, Debug)]
pub struct Files(Vec<String>);

impl From<&str> for Files {
    fn from(pattern: &str) -> Self {
        Files(vec![pattern.to_string()])
    }
}

impl From<String> for Files {
    fn from(pattern: String) -> Self {
        Files(vec![pattern])
    }
}

impl From<&Path> for Files {
    fn from(path: &Path) -> Self {
        Files(vec![path.to_string_lossy().into_owned()])
    }
}

impl From<&PathBuf> for Files {
    fn from(path: &PathBuf) -> Self {
        path.as_path().into()
    }
}

impl From<&String> for Files {
    fn from(pattern: &String) -> Self {
        pattern.as_str().into()
    }
}

impl From<Vec<&str>> for Files {
    fn from(paths: Vec<&str>) -> Self {
        Files(paths.into_iter().map(str::to_string).collect())
    }
}

impl From<PathBuf> for Files {
    fn from(path: PathBuf) -> Self {
        path.as_path().into()
    }
}

impl From<Vec<PathBuf>> for Files {
    fn from(paths: Vec<PathBuf>) -> Self {
        let paths = paths.iter().map(|path| path.to_string_lossy().into_owned());
        Files(paths.collect())
    }
}

impl From<Vec<String>> for Files {
    fn from(paths: Vec<String>) -> Self {
        Files(paths)
    }
}

/// How many rows a part has at most by default, if the file's row groups allow it.
const PART_ROWS: usize = 1_000_000;

/// How many bytes of a frame are sent with a plan at most; larger frames are written to files.
const SENT_BYTES: usize = 8 << 20;

/// Returns a digest, by which another run recognizes a part.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The input of a call.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Parquet(Files),
    Frame(DataFrame),
}

/// The parts of a call, and the data that executors are sent with them.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) schema: SchemaRef,
    pub(crate) parts: Vec<WirePart>,
    /// The bytes of the parts that are sent: one entry for each part, or no entry.
    pub(crate) frames: Vec<Vec<u8>>,
    /// The folder of the parts that were written to files; it is kept as long as they are needed.
    pub(crate) _spooled: Option<tempfile::TempDir>,
}

impl Source {
    /// Cuts the input into parts.
    pub(crate) fn plan(
        &self,
        chunk_rows: Option<usize>,
        first_row: Option<u64>,
        spool: Option<&Path>,
    ) -> Result<Planned> {
        if chunk_rows == Some(0) {
            return Err(Error::refused(
                ".chunk_rows(0): a part needs a row; give 1 or more",
            ));
        }
        match self {
            Source::Parquet(files) => of_files(files, chunk_rows, first_row),
            Source::Frame(frame) => of_frame(frame, chunk_rows, first_row, spool),
        }
    }
}

/// Returns the paths of all files, each once and in order.
fn paths(files: &Files) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for given in &files.0 {
        if Path::new(given).is_file() {
            paths.push(given.clone());
            continue;
        }
        let pattern = match Path::new(given).is_dir() {
            true => {
                let folder = glob::Pattern::escape(given.trim_end_matches('/'));
                format!("{folder}/*.parquet")
            }
            false => given.clone(),
        };
        let options = glob::MatchOptions {
            // This leaves out files that are being written, and files of other programs.
            require_literal_leading_dot: true,
            ..glob::MatchOptions::new()
        };
        let found = glob::glob_with(&pattern, options)
            .map_err(|error| Error::refused(format!("pattern {given:?}: {error}")))?;
        let before = paths.len();
        for path in found {
            let path =
                path.map_err(|error| Error::refused(format!("pattern {given:?}: {error}")))?;
            if path.is_file() {
                paths.push(path.to_string_lossy().into_owned());
            }
        }
        if paths.len() == before {
            return Err(Error::refused(format!("there is no file at {given:?}")));
        }
    }
    if paths.is_empty() {
        return Err(Error::refused("no files are given"));
    }
    let mut seen = std::collections::HashSet::new();
    for path in &mut paths {
        // Executors have other working folders, so the path must be absolute.
        let absolute = std::path::absolute(&*path)?;
        *path = absolute.to_string_lossy().into_owned();
        if !seen.insert(path.clone()) {
            return Err(Error::refused(format!(
                "file {path:?} is given twice; its rows would be in the output twice"
            )));
        }
    }
    Ok(paths)
}

fn of_files(files: &Files, chunk_rows: Option<usize>, first_row: Option<u64>) -> Result<Planned> {
    let mut parts = Vec::new();
    let mut all: Option<(String, SchemaRef)> = None;
    let mut next_row = first_row;
    for path in paths(files)? {
        let named = |error: &dyn std::fmt::Display| {
            Error::refused(format!("file {path:?} cannot be read: {error}"))
        };
        let file = FileState::of(&path).map_err(|error| named(&error))?;
        let opened = File::open(&path).map_err(|error| named(&error))?;
        let mut reader = ParquetReader::new(opened);
        let metadata = reader
            .get_metadata()
            .map_err(|error| named(&error))?
            .clone();
        let schema = reader.schema().map_err(|error| named(&error))?;
        let schema = Schema::from_arrow_schema(&schema);
        match &all {
            None => all = Some((path.clone(), schema.into())),
            Some((first, expected)) => same_schema(first, expected, &path, &schema)?,
        }
        let groups: Vec<usize> = metadata
            .row_groups
            .iter()
            .map(|group| group.num_rows())
            .collect();
        for (offset, rows) in cut(&groups, chunk_rows) {
            parts.push(WirePart {
                part: part_number(parts.len())?,
                first_row: next_row,
                rows: rows as u64,
                from: PartFrom::Parquet {
                    file: file.clone(),
                    offset: offset as u64,
                },
            });
            next_row = next_row.map(|row| row.saturating_add(rows as u64));
        }
    }
    let (_, schema) = all.ok_or_else(|| Error::refused("no files are given"))?;
    Ok(Planned {
        schema,
        parts,
        frames: Vec::new(),
        _spooled: None,
    })
}

fn part_number(part: usize) -> Result<u32> {
    u32::try_from(part).map_err(|_| Error::refused("there are more than 4,294,967,295 parts"))
}

/// Returns the offsets and lengths of a file's parts. A file without rows is one part, so that its output has the schema.
fn cut(groups: &[usize], chunk_rows: Option<usize>) -> Vec<(usize, usize)> {
    let rows: usize = groups.iter().sum();
    if rows == 0 {
        return vec![(0, 0)];
    }
    if let Some(chunk_rows) = chunk_rows {
        let offsets = (0..rows).step_by(chunk_rows);
        return offsets
            .map(|offset| (offset, chunk_rows.min(rows - offset)))
            .collect();
    }
    let mut parts = Vec::new();
    let (mut offset, mut length) = (0, 0);
    for group in groups.iter().filter(|rows| **rows > 0) {
        if length > 0 && length + group > PART_ROWS {
            parts.push((offset, length));
            offset += length;
            length = 0;
        }
        length += group;
    }
    parts.push((offset, length));
    parts
}

/// Checks that all files have the same columns in the same order, so that the function is given the same schema for each.
fn same_schema(first: &str, expected: &Schema, path: &str, schema: &Schema) -> Result<()> {
    let differs = |what: String| {
        Err(Error::refused(format!(
            "file {path:?} has other columns than {first:?}: {what}; call the function on files of one schema"
        )))
    };
    for (name, dtype) in expected.iter() {
        match schema.get(name) {
            None => return differs(format!("it has no column {:?}", name.as_str())),
            Some(other) if other != dtype => {
                return differs(format!(
                    "column {:?} is {other}, and there it is {dtype}",
                    name.as_str()
                ));
            }
            Some(_) => {}
        }
    }
    if let Some(name) = schema.iter_names().find(|name| !expected.contains(name)) {
        return differs(format!("it also has a column {:?}", name.as_str()));
    }
    if !schema.iter_names().eq(expected.iter_names()) {
        return differs("the order of the columns differs".to_string());
    }
    Ok(())
}

fn of_frame(
    frame: &DataFrame,
    chunk_rows: Option<usize>,
    first_row: Option<u64>,
    spool: Option<&Path>,
) -> Result<Planned> {
    let height = frame.height();
    let rows = chunk_rows.unwrap_or_else(|| height.div_ceil(16).clamp(10_000, PART_ROWS));
    let offsets: Vec<usize> = match height {
        0 => vec![0],
        height => (0..height).step_by(rows).collect(),
    };
    let parts_of = |from: &dyn Fn(usize) -> PartFrom| -> Result<Vec<WirePart>> {
        let parts = offsets.iter().enumerate().map(|(part, offset)| {
            Ok(WirePart {
                part: part_number(part)?,
                first_row: first_row.map(|row| row.saturating_add(*offset as u64)),
                rows: rows.min(height - offset) as u64,
                from: from(part),
            })
        });
        parts.collect()
    };
    let slice = |offset: usize| frame.slice(offset as i64, rows);
    let schema = frame.schema().clone();
    if frame.estimated_size() <= SENT_BYTES {
        let frames = offsets
            .iter()
            .map(|offset| encoded(slice(*offset)).map_err(|error| error.into_error(0)));
        return Ok(Planned {
            schema,
            frames: frames.collect::<Result<Vec<_>>>()?,
            parts: parts_of(&|_| PartFrom::Sent)?,
            _spooled: None,
        });
    }
    let Some(spool) = spool else {
        return Err(ErrorKind::TooLarge {
            bytes: frame.estimated_size(),
            limit: SENT_BYTES,
            message: "give the cluster a folder that all its machines see, by .spool_folder(path), or write the frame to Parquet files and scan these".to_string(),
        }
        .into());
    };
    let folder = tempfile::Builder::new()
        .prefix("polars-par-apply-")
        .tempdir_in(spool)?;
    let path = |part: usize| folder.path().join(format!("{part:05}.arrow"));
    let mut digests = Vec::with_capacity(offsets.len());
    for (part, offset) in offsets.iter().enumerate() {
        let bytes = encoded(slice(*offset)).map_err(|error| error.into_error(part))?;
        let mut file = File::create(path(part))?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        digests.push(digest(&bytes));
    }
    let parts = parts_of(&|part| PartFrom::Spooled {
        path: path(part).to_string_lossy().into_owned(),
        digest: digests[part].clone(),
    })?;
    Ok(Planned {
        schema,
        parts,
        frames: Vec::new(),
        _spooled: Some(folder),
    })
}
