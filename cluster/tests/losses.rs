//! If a process dies, freezes or starts late, the call takes longer, and no row is lost.

use std::path::Path;
use std::time::{Duration, Instant};

use polars::prelude::*;
use polars_par_apply::ParApply;
use polars_par_apply_cluster::{Cluster, ClusterCall, ErrorKind, LocalCluster};

use crate::functions::registry;
use crate::machines::{Data, assert_same, builder, read_folder, started, wait_until};

crate::laws! {
    the_kill_sweep_of_sinks
    the_kill_sweep_of_frames
    a_frozen_executor_costs_time
    a_late_executor_takes_part
    a_function_that_ends_one_process
    a_function_that_ends_all_processes
    without_executors
    all_executors_are_lost_and_come_again
    the_scheduler_is_lost_for_good
    the_scheduler_is_lost_and_comes_again
    the_driver_is_lost
}

/// 24 files of 10,000 rows, each of which takes 40 ms; the results have some megabytes in all.
fn data() -> Data {
    let rows = 24 * 10_000i64;
    let every = rows / 24;
    let frame = df![
        "id" => (0..rows).collect::<Vec<i64>>(),
        "ms" => (0..rows).map(|id| if id % every == 0 { 40 } else { 0 }).collect::<Vec<i64>>(),
        "text" => (0..rows).map(|id| format!("the text of row {id}")).collect::<Vec<String>>(),
    ]
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    for file in 0..24 {
        let mut part = frame.slice(file * every, every as usize);
        let file =
            std::fs::File::create(folder.path().join(format!("in/{file:03}.parquet"))).unwrap();
        ParquetWriter::new(file).finish(&mut part).unwrap();
    }
    Data { folder, frame }
}

fn call(cluster: &Cluster, data: &Data) -> ClusterCall {
    let sleep = registry().get("sleep").unwrap();
    let call = cluster.scan_parquet(data.pattern()).select(["ms"]);
    call.names(["slept"]).call(&sleep)
}

fn expected(data: &Data) -> DataFrame {
    let mut frame = data.frame.clone();
    let slept = frame
        .column("ms")
        .unwrap()
        .clone()
        .with_name("slept".into());
    frame.with_column(slept).unwrap();
    frame
}

/// Checks that the folder has one complete file for each part, and no other file.
#[track_caller]
fn assert_whole(folder: &Path, parts: usize, expected: &DataFrame) {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let wanted: Vec<String> = (0..parts)
        .map(|part| format!("part-{part:05}.parquet"))
        .collect();
    assert_eq!(names, wanted);
    assert_same(&read_folder(folder), expected);
}

/// Makes a call, kills one of two executors after the time `after`, and returns what the call returned.
fn with_kill<T: Send + 'static>(
    processes: &mut LocalCluster,
    after: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> T {
    let job = std::thread::spawn(call);
    std::thread::sleep(after);
    processes.kill_executor(0).unwrap();
    job.join().unwrap()
}

/// The kills are spread over the whole call: the scan, the map, the merge, the result. How long a call takes is measured first.
fn sweep(moments: u32, call: impl Fn(&Cluster, &str) + Clone + Send + 'static) {
    let (mut processes, cluster) = started(builder());
    call(&cluster, "first");
    let began = Instant::now();
    call(&cluster, "peace");
    let peace = began.elapsed();
    let mut longest = Duration::ZERO;
    for moment in 0..moments {
        let after = peace * moment / moments;
        let (cluster, call, name) = (cluster.clone(), call.clone(), format!("kill-{moment}"));
        let began = Instant::now();
        let connected = cluster.clone();
        with_kill(&mut processes, after, move || call(&connected, &name));
        let took = began.elapsed();
        longest = longest.max(took.saturating_sub(peace));
        processes.add_executor().unwrap();
        // The executor that was killed may still be counted.
        wait_until("the cluster has two executors again", || {
            cluster.executors().unwrap() == 2
        });
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("a call takes {peace:.1?}; a kill costs {longest:.1?} at most, of {moments}");
}

fn the_kill_sweep_of_sinks() {
    let data = data();
    let (pattern, expected) = (data.pattern(), expected(&data));
    let out = data.folder.path().to_path_buf();
    sweep(12, move |cluster, name| {
        let sleep = registry().get("sleep").unwrap();
        let call = cluster.scan_parquet(pattern.as_str()).select(["ms"]);
        let folder = out.join(name);
        let written = call
            .names(["slept"])
            .call(&sleep)
            .sink_parquet(&folder)
            .unwrap();
        assert_eq!(written.output.rows as usize, expected.height());
        assert_whole(&folder, 24, &expected);
        std::fs::remove_dir_all(&folder).unwrap();
    });
}

fn the_kill_sweep_of_frames() {
    let data = data();
    let (pattern, expected) = (data.pattern(), expected(&data));
    sweep(10, move |cluster, _| {
        let sleep = registry().get("sleep").unwrap();
        let call = cluster.scan_parquet(pattern.as_str()).select(["ms"]);
        let found = call.names(["slept"]).call(&sleep).collect().unwrap();
        assert_same(&found.output, &expected);
    });
}

fn signal(id: u32, signal: libc::c_int) {
    // SAFETY: the process is a child of this one that was not waited for, so no other process can have its id.
    let sent = unsafe { libc::kill(id as libc::pid_t, signal) };
    assert_eq!(sent, 0);
}

fn a_frozen_executor_costs_time() {
    let data = data();
    let expected = expected(&data);
    let (mut processes, cluster) = started(builder());
    let frozen = processes.executor_ids()[0];
    let (call, folder) = (call(&cluster, &data), data.path("out"));
    let job = std::thread::spawn({
        let folder = folder.clone();
        move || call.sink_parquet(folder)
    });
    std::thread::sleep(Duration::from_millis(300));
    signal(frozen, libc::SIGSTOP);
    job.join().unwrap().unwrap();
    assert_whole(&folder, 24, &expected);
    // When the frozen executor goes on, it does no harm.
    signal(frozen, libc::SIGCONT);
    std::thread::sleep(Duration::from_secs(2));
    assert_same(&read_folder(&folder), &expected);
    let again = data.path("again");
    self::call(&cluster, &data).sink_parquet(&again).unwrap();
    assert_same(&read_folder(&again), &expected);
    processes.kill_executor(0).unwrap();
}

fn a_late_executor_takes_part() {
    let data = data();
    let (mut processes, cluster) = started(builder().executors(1));
    let first = processes.executor_ids()[0];
    let call = call(&cluster, &data);
    let job = std::thread::spawn(move || call.collect());
    std::thread::sleep(Duration::from_millis(200));
    processes.add_executor().unwrap();
    let found = job.join().unwrap().unwrap();
    assert_same(&found.output, &expected(&data));
    let late = |executor: &str| !executor.ends_with(&format!(":{first}"));
    assert!(found.stats.parts.iter().any(|part| late(&part.executor)));
}

/// Rows, one of which, in the middle, has a path.
fn with_path(path: &str) -> DataFrame {
    let paths = (0..60).map(|row| if row == 33 { path } else { "" });
    df!["x" => (0..60i64).collect::<Vec<_>>(), "path" => paths.collect::<Vec<_>>()].unwrap()
}

fn a_function_that_ends_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let frame = with_path(&folder.path().join("once").to_string_lossy());
    let (_processes, cluster) = started(builder());
    let abort = registry().get("abort_once").unwrap();
    let found = cluster
        .of(&frame)
        .chunk_rows(10)
        .call(&abort)
        .collect()
        .unwrap();
    let expected = frame.par_apply().call_with_columns(&abort).unwrap();
    assert_same(&found.output, &expected);
}

fn a_function_that_ends_all_processes() {
    let (processes, _) = started(builder());
    let cluster = Cluster::builder(processes.url()).patience(Duration::from_secs(5));
    let cluster = cluster.connect().unwrap();
    let abort = registry().get("abort").unwrap();
    let frame = with_path("").drop("path").unwrap();
    let began = Instant::now();
    let error = cluster
        .of(&frame)
        .chunk_rows(10)
        .call(&abort)
        .collect()
        .unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::NoExecutors { .. } | ErrorKind::Lost { .. }
        ),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(60));
}

fn without_executors() {
    let (processes, _) = started(builder().executors(0));
    let cluster = Cluster::builder(processes.url()).patience(Duration::from_secs(1));
    let cluster = cluster.connect().unwrap();
    assert_eq!(cluster.executors().unwrap(), 0);
    let same = registry().get("same").unwrap();
    let began = Instant::now();
    let error = cluster
        .of(&with_path(""))
        .call(&same)
        .collect()
        .unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::NoExecutors { .. }),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(10));
}

fn all_executors_are_lost_and_come_again() {
    let data = data();
    let (mut processes, cluster) = started(builder());
    let (call, folder) = (call(&cluster, &data), data.path("out"));
    let job = std::thread::spawn({
        let folder = folder.clone();
        move || call.sink_parquet(folder)
    });
    std::thread::sleep(Duration::from_millis(400));
    processes.kill_executor(0).unwrap();
    processes.kill_executor(0).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    processes.add_executor().unwrap();
    job.join().unwrap().unwrap();
    assert_whole(&folder, 24, &expected(&data));
}

fn the_scheduler_is_lost_for_good() {
    let data = data();
    let (mut processes, _) = started(builder());
    let cluster = Cluster::builder(processes.url()).patience(Duration::from_secs(2));
    let cluster = cluster.connect().unwrap();
    let (call, folder) = (call(&cluster, &data), data.path("out"));
    let job = std::thread::spawn({
        let folder = folder.clone();
        move || call.sink_parquet(folder)
    });
    std::thread::sleep(Duration::from_millis(500));
    let began = Instant::now();
    processes.kill_scheduler();
    let error = job.join().unwrap().unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Unreachable { .. }),
        "{error}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
    // Another cluster completes the folder.
    let (_processes, cluster) = started(builder());
    let written = self::call(&cluster, &data).sink_parquet(&folder).unwrap();
    assert_eq!(written.output.rows as usize, data.frame.height());
    assert_same(&read_folder(&folder), &expected(&data));
}

fn the_scheduler_is_lost_and_comes_again() {
    let data = data();
    let (mut processes, cluster) = started(builder());
    let (call, folder) = (call(&cluster, &data), data.path("out"));
    let job = std::thread::spawn({
        let folder = folder.clone();
        move || call.sink_parquet(folder)
    });
    std::thread::sleep(Duration::from_millis(500));
    processes.kill_scheduler();
    processes.start_scheduler().unwrap();
    processes.add_executor().unwrap();
    job.join().unwrap().unwrap();
    assert_same(&read_folder(&folder), &expected(&data));
}

/// If a driver dies, the next one completes its folder.
fn the_driver_is_lost() {
    let data = data();
    let (_processes, cluster) = started(builder());
    let token = polars_par_apply::CancelToken::new();
    let sleep = registry().get("sleep").unwrap();
    let folder = data.path("out");
    let first = cluster
        .scan_parquet(data.pattern())
        .select(["ms"])
        .names(["slept"]);
    let first = first.cancel_token(&token).call(&sleep);
    let job = std::thread::spawn({
        let folder = folder.clone();
        move || first.sink_parquet(folder)
    });
    wait_until("a part is there", || {
        folder.join("part-00002.parquet").exists()
    });
    token.cancel();
    assert!(job.join().unwrap().is_err());
    let written = call(&cluster, &data).sink_parquet(&folder).unwrap();
    assert!(written.stats.found > 0);
    assert_same(&read_folder(&folder), &expected(&data));
}
