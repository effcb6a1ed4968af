//! The files of a sink are complete, exist once, and are those of one call.

use std::path::Path;

use polars::prelude::*;
use polars_par_apply_cluster::{ClusterCall, ErrorKind};

use crate::functions::registry;
use crate::machines::{Data, assert_same, read_folder, shared, unequal};

crate::laws! {
    a_finished_folder_is_not_written_again
    a_folder_of_other_files_is_left_alone
    another_call_does_not_go_on
    a_call_goes_on_with_what_is_missing
    files_that_are_not_whole_are_not_taken
    two_drivers_of_one_call
    two_calls_in_one_folder
    a_folder_that_cannot_be_written
    a_large_frame_goes_on_too
}

fn call(data: &Data) -> ClusterCall {
    let hypot = registry().get("hypot").unwrap();
    let call = shared().scan_parquet(data.pattern()).select(["x", "y"]);
    call.names(["length"]).call(&hypot)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

#[track_caller]
fn refused(call: ClusterCall, folder: &Path, said: &str) {
    let error = call.sink_parquet(folder).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Sink { .. }), "{error}");
    assert!(error.to_string().contains(said), "{error}");
}

fn a_finished_folder_is_not_written_again() {
    let data = unequal();
    let folder = data.path("out");
    call(&data).sink_parquet(&folder).unwrap();
    let expected: Vec<String> = (0..6)
        .map(|part| format!("part-{part:05}.parquet"))
        .collect();
    assert_eq!(names(&folder), expected);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 6);
    refused(call(&data), &folder, "finished");
}

fn a_folder_of_other_files_is_left_alone() {
    let data = unequal();
    let folder = data.path("out");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("mine.txt"), "mine").unwrap();
    refused(call(&data), &folder, "mine.txt");
    assert_eq!(names(&folder), ["mine.txt"]);
}

/// Leaves the folder as if the driver had been lost when these parts were there.
fn interrupted(data: &Data, folder: &Path, parts: &[usize]) {
    call(data).sink_parquet(folder).unwrap();
    for part in (0..6).filter(|part| !parts.contains(part)) {
        std::fs::remove_file(folder.join(format!("part-{part:05}.parquet"))).unwrap();
    }
}

fn another_call_does_not_go_on() {
    let data = unequal();
    let folder = data.path("out");
    interrupted(&data, &folder, &[1]);
    let hypot = registry().get("hypot").unwrap();
    let other = shared()
        .scan_parquet(data.pattern())
        .select(["y", "x"])
        .names(["length"]);
    refused(other.call(&hypot), &folder, "not of this call");
    let other = shared()
        .scan_parquet(data.path("in/001.parquet"))
        .select(["x", "y"]);
    refused(
        other.names(["length"]).call(&hypot),
        &folder,
        "not of this call",
    );
    assert_eq!(names(&folder), ["part-00001.parquet"]);
}

fn a_call_goes_on_with_what_is_missing() {
    let data = unequal();
    let folder = data.path("out");
    interrupted(&data, &folder, &[0, 2, 3]);
    let kept = std::fs::metadata(folder.join("part-00002.parquet"))
        .unwrap()
        .modified()
        .unwrap();
    let written = call(&data).sink_parquet(&folder).unwrap();
    assert_eq!((written.stats.found, written.output.rows), (3, 60));
    let after = std::fs::metadata(folder.join("part-00002.parquet"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(kept, after);
    let collected = call(&data).collect().unwrap();
    assert_same(&read_folder(&folder), &collected.output);
}

fn files_that_are_not_whole_are_not_taken() {
    let data = unequal();
    let folder = data.path("out");
    interrupted(&data, &folder, &[0, 1, 2, 3, 4, 5]);
    let path = |part: usize| folder.join(format!("part-{part:05}.parquet"));
    let bytes = std::fs::read(path(2)).unwrap();
    // Half a file, which no task leaves; a file of another program; a file of another part.
    std::fs::write(path(2), &bytes[..bytes.len() / 2]).unwrap();
    refused(call(&data), &folder, "part-00002.parquet");
    std::fs::copy(data.path("in/001.parquet"), path(2)).unwrap();
    refused(call(&data), &folder, "part-00002.parquet");
    std::fs::copy(path(3), path(2)).unwrap();
    let written = call(&data).sink_parquet(&folder).unwrap();
    assert_eq!(written.stats.found, 5);
    assert_same(
        &read_folder(&folder),
        &call(&data).collect().unwrap().output,
    );
}

fn two_drivers_of_one_call() {
    let data = unequal();
    for round in 0..4 {
        let folder = data.path(&format!("out-{round}"));
        let drivers: Vec<_> = (0..2)
            .map(|_| {
                let (call, folder) = (call(&data), folder.clone());
                std::thread::spawn(move || call.sink_parquet(folder))
            })
            .collect();
        // The second driver may come when everything is done.
        let ended: Vec<_> = drivers
            .into_iter()
            .map(|driver| driver.join().unwrap())
            .collect();
        assert!(ended.iter().any(Result::is_ok));
        for error in ended.iter().filter_map(|ended| ended.as_ref().err()) {
            assert!(matches!(error.kind(), ErrorKind::Sink { .. }), "{error}");
        }
        assert_same(
            &read_folder(&folder),
            &call(&data).collect().unwrap().output,
        );
    }
}

/// Two calls cannot both have written all files of one folder.
fn two_calls_in_one_folder() {
    let data = unequal();
    let hypot = registry().get("hypot").unwrap();
    let of = |name: &str| {
        let call = shared().scan_parquet(data.pattern()).select(["x", "y"]);
        call.names([name]).call(&hypot)
    };
    for round in 0..4 {
        let folder = data.path(&format!("both-{round}"));
        let drivers = ["one", "two"].map(|name| {
            let (call, folder) = (of(name), folder.clone());
            (name, std::thread::spawn(move || call.sink_parquet(folder)))
        });
        let ended = drivers.map(|(name, driver)| (name, driver.join().unwrap()));
        for (_, ended) in &ended {
            if let Err(error) = ended {
                assert!(matches!(error.kind(), ErrorKind::Sink { .. }), "{error}");
            }
        }
        // The call that ended last has all files.
        if let [(name, Ok(_)), (_, Err(_))] | [(_, Err(_)), (name, Ok(_))] = &ended {
            let expected = of(name).collect().unwrap().output;
            assert_eq!(names(&folder).len(), 6);
            assert_eq!(read_folder(&folder).height(), expected.height());
        }
    }
}

fn a_folder_that_cannot_be_written() {
    let data = unequal();
    let file = data.path("a_file");
    std::fs::write(&file, "").unwrap();
    let error = call(&data).sink_parquet(file.join("out")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Io(_)), "{error}");
}

fn a_large_frame_goes_on_too() {
    let rows = 1_500_000;
    let ids = Column::new("id".into(), (0..rows as i64).collect::<Vec<_>>());
    let large = DataFrame::new(rows, vec![ids]).unwrap();
    let same = registry().get("same").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("out");
    let call = || shared().of(&large).chunk_rows(300_000).call(&same);
    call().sink_parquet(&folder).unwrap();
    std::fs::remove_file(folder.join("part-00003.parquet")).unwrap();
    let written = call().sink_parquet(&folder).unwrap();
    assert_eq!((written.stats.found, written.output.rows), (4, rows as u64));
    assert_same(&read_folder(&folder), &large);
}
