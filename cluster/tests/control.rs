//! Calls that are cancelled, calls that exceed their deadline, and several calls at the same time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use polars::prelude::*;
use polars_par_apply::{CancelToken, ParApply};
use polars_par_apply_cluster::{ClusterTick, ErrorKind};

use crate::functions::registry;
use crate::machines::{assert_same, builder, read_folder, rows, shared, started, unequal};

crate::laws! {
    a_cancelled_call_ends_soon
    a_late_call_ends_soon
    a_frozen_scheduler_is_not_waited_for
    what_is_cancelled_stops_on_the_executors
    progress_goes_up
    a_panic_of_progress_is_an_error
    sixteen_calls_at_once
    calls_within_a_runtime
    a_drivers_connection_outlives_its_builder
}

/// 40 parts, each of which takes 200 ms.
fn slow() -> DataFrame {
    df!["x" => vec![200i64; 40]].unwrap()
}

fn a_cancelled_call_ends_soon() {
    let (_processes, cluster) = started(builder());
    let sleep = registry().get("sleep").unwrap();
    let token = CancelToken::new();
    let call = cluster
        .of(&slow())
        .chunk_rows(1)
        .cancel_token(&token)
        .call(&sleep);
    let job = std::thread::spawn(move || call.collect());
    std::thread::sleep(Duration::from_millis(700));
    let began = Instant::now();
    token.cancel();
    let error = job.join().unwrap().unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(5));
    let ErrorKind::Cancelled {
        parts, deadline, ..
    } = error.kind()
    else {
        panic!("{error}");
    };
    assert_eq!((*parts, *deadline), (40, None));
    // The executors are free again immediately.
    let hypot = registry().get("hypot").unwrap();
    let began = Instant::now();
    let call = cluster.of(&rows()).select(["x", "y"]).call(&hypot);
    call.collect().unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
}

fn a_late_call_ends_soon() {
    let (_processes, cluster) = started(builder());
    let sleep = registry().get("sleep").unwrap();
    let deadline = Duration::from_millis(600);
    let began = Instant::now();
    let call = cluster
        .of(&slow())
        .chunk_rows(1)
        .deadline(deadline)
        .call(&sleep);
    let error = call.collect().unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(5));
    let ErrorKind::Cancelled {
        deadline: passed, ..
    } = error.kind()
    else {
        panic!("{error}");
    };
    assert_eq!(*passed, Some(deadline));
}

fn a_frozen_scheduler_is_not_waited_for() {
    let (processes, cluster) = started(builder());
    let sleep = registry().get("sleep").unwrap();
    let deadline = Duration::from_secs(1);
    let call = cluster
        .of(&slow())
        .chunk_rows(1)
        .deadline(deadline)
        .call(&sleep);
    let job = std::thread::spawn(move || call.collect());
    std::thread::sleep(Duration::from_millis(300));
    let scheduler = processes.scheduler_id().unwrap();
    // SAFETY: the process is a child of this one that was not waited for, so no other process can have its id.
    let sent = unsafe { libc::kill(scheduler as libc::pid_t, libc::SIGSTOP) };
    assert_eq!(sent, 0);
    let began = Instant::now();
    let error = job.join().unwrap().unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Cancelled { .. }),
        "{error}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}

/// A part of a thousand rows of 20 ms each would keep an executor busy for 20 seconds.
fn what_is_cancelled_stops_on_the_executors() {
    let (_processes, cluster) = started(builder());
    let sleep = registry().get("sleep").unwrap();
    let long = df!["x" => vec![20i64; 2000]].unwrap();
    let token = CancelToken::new();
    let call = cluster
        .of(&long)
        .chunk_rows(1000)
        .cancel_token(&token)
        .call(&sleep);
    let job = std::thread::spawn(move || call.collect());
    std::thread::sleep(Duration::from_millis(500));
    token.cancel();
    assert!(job.join().unwrap().is_err());
    let began = Instant::now();
    let hypot = registry().get("hypot").unwrap();
    let call = cluster.of(&rows()).select(["x", "y"]).call(&hypot);
    call.collect().unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}

fn progress_goes_up() {
    let cluster = shared();
    let sleep = registry().get("sleep").unwrap();
    let ticks: Arc<Mutex<Vec<ClusterTick>>> = Arc::default();
    let told = ticks.clone();
    let call = cluster.of(&slow()).chunk_rows(4);
    let call = call.progress(move |tick| told.lock().unwrap().push(tick));
    call.call(&sleep).collect().unwrap();
    let ticks = ticks.lock().unwrap();
    assert!(ticks.iter().all(|tick| tick.parts == 10));
    assert!(ticks.is_sorted_by_key(|tick| tick.parts_done));
    assert_eq!(ticks.last().unwrap().parts_done, 10);
    assert!(ticks.len() > 3, "{ticks:?}");
}

fn a_panic_of_progress_is_an_error() {
    let cluster = shared();
    let sleep = registry().get("sleep").unwrap();
    let call = cluster.of(&slow()).chunk_rows(1);
    let call = call.progress(|tick| assert!(tick.parts_done < 2, "two are enough"));
    let error = call.call(&sleep).collect().unwrap_err();
    assert!(error.to_string().contains("two are enough"), "{error}");
}

fn sixteen_calls_at_once() {
    let (cluster, functions, data) = (shared(), registry(), unequal());
    let hypot = functions.get("hypot").unwrap();
    let call = data.frame.par_apply().select(["x", "y"]);
    let expected = call.call_with_columns(&hypot).unwrap();
    std::thread::scope(|scope| {
        for number in 0..16 {
            let (cluster, hypot, data, expected) = (&cluster, &hypot, &data, &expected);
            scope.spawn(move || {
                let call = cluster.scan_parquet(data.pattern()).select(["x", "y"]);
                let call = call.chunk_rows(5 + number).call(hypot);
                match number % 2 {
                    0 => assert_same(&call.collect().unwrap().output, expected),
                    _ => {
                        let folder = data.path(&number.to_string());
                        call.sink_parquet(&folder).unwrap();
                        assert_same(&read_folder(&folder), expected);
                    }
                }
            });
        }
    });
}

fn calls_within_a_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = shared().url().to_string();
    let rows = runtime.block_on(async move {
        // The call waits, and the connection is dropped, on a thread of another runtime.
        let cluster = polars_par_apply_cluster::Cluster::connect(url).unwrap();
        let same = registry().get("same").unwrap();
        cluster.of(&rows()).call(&same).collect().unwrap().output
    });
    assert_eq!(rows.height(), 60);
}

fn a_drivers_connection_outlives_its_builder() {
    let cluster = shared();
    let call = {
        let other = cluster.clone();
        other.of(&rows()).call(&registry().get("same").unwrap())
    };
    drop(cluster);
    assert_eq!(call.collect().unwrap().output.height(), 60);
}
