//! Clusters for the laws, and their data.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use polars::prelude::*;
use polars_par_apply_cluster::{Cluster, LocalBuilder, LocalCluster};

/// A cluster with two executors of one thread, which counts an executor as lost after three seconds without a heartbeat.
pub(crate) fn builder() -> LocalBuilder {
    LocalCluster::builder()
        .executors(2)
        .executor_timeout(Duration::from_secs(3))
}

pub(crate) fn started(builder: LocalBuilder) -> (LocalCluster, Cluster) {
    let mut processes = builder.start().unwrap();
    let cluster = Cluster::builder(processes.url())
        .patience(Duration::from_secs(15))
        .connect()
        .unwrap();
    processes.wait_for(&cluster).unwrap();
    (processes, cluster)
}

/// The cluster that the laws share that kill no process.
pub(crate) fn shared() -> Cluster {
    static SHARED: Mutex<Option<(LocalCluster, Cluster)>> = Mutex::new(None);
    let mut shared: MutexGuard<'_, _> = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.get_or_insert_with(|| started(builder())).1.clone()
}

/// A folder with files, and the frame that they have together.
pub(crate) struct Data {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) frame: DataFrame,
}

impl Data {
    /// Returns a pattern for the files.
    pub(crate) fn pattern(&self) -> String {
        format!("{}/in/*.parquet", self.folder.path().display())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Writes a frame to files: one for each entry of `rows`, with that number of rows.
pub(crate) fn files(frame: DataFrame, rows: &[usize]) -> Data {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    let mut offset = 0;
    for (number, rows) in rows.iter().enumerate() {
        let part = frame.slice(offset as i64, *rows);
        offset += rows;
        write(part, &folder.path().join(format!("in/{number:03}.parquet")));
    }
    assert_eq!(offset, frame.height());
    Data { folder, frame }
}

pub(crate) fn write(mut frame: DataFrame, path: &Path) {
    let file = std::fs::File::create(path).unwrap();
    ParquetWriter::new(file)
        .with_row_group_size(Some(7))
        .finish(&mut frame)
        .unwrap();
}

/// 60 rows with an id from 0, and numbers and text with nulls.
pub(crate) fn rows() -> DataFrame {
    let ids = 0..60i64;
    let texts = [
        "red",
        "rosé",
        "",
        "blue",
        "a text that is longer than a view holds",
    ];
    df![
        "id" => ids.clone().collect::<Vec<_>>(),
        "x" => ids.clone().map(|id| (id % 7 != 3).then_some(id as f64 / 4.0)).collect::<Vec<_>>(),
        "y" => ids.clone().map(|id| id as f64 * 1.5).collect::<Vec<_>>(),
        "text" => ids.map(|id| (id % 11 != 5).then(|| texts[id as usize % 5])).collect::<Vec<_>>(),
    ]
    .unwrap()
}

/// Files of unequal lengths, two of which have no rows.
pub(crate) fn unequal() -> Data {
    files(rows(), &[0, 1, 25, 14, 0, 20])
}

/// Returns the rows in the folder of a sink, in the order of the files' names.
pub(crate) fn read_folder(folder: &Path) -> DataFrame {
    let path = folder.to_string_lossy();
    let frame = LazyFrame::scan_parquet(path.as_ref().into(), Default::default()).unwrap();
    frame.collect().unwrap()
}

/// Waits for a condition, but not for ever.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "waited too long until {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[track_caller]
pub(crate) fn assert_same(found: &DataFrame, expected: &DataFrame) {
    assert_eq!(found.schema(), expected.schema());
    assert!(
        found.equals_missing(expected),
        "found {found}\nexpected {expected}"
    );
}
