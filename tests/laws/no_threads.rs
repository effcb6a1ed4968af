//! If the system gives no more threads, calls go on with those that there are, and no lent work is left before its threads are done.

#![cfg(target_os = "linux")]

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use polars_core::runtime::RAYON;
use polars_par_apply::Error;
use polars_par_apply::prelude::*;

use crate::frames::{alone, counting};
use crate::jobs::cancelled;

/// The default size of a thread's stack, in bytes: more than is left when threads are forbidden.
const STACK: usize = 512 << 20;

/// Leaves this process some memory, but no room for the stack of another thread.
fn forbid_threads() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kib = size.unwrap().trim().trim_end_matches(" kB");
    let bytes = kib.parse::<u64>().unwrap() << 10;
    let limit = libc::rlimit {
        rlim_cur: bytes + STACK as u64 / 2,
        rlim_max: bytes + STACK as u64 / 2,
    };
    // SAFETY: it reads the limit that it is given, which lives during the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
    assert!(thread::Builder::new().spawn(|| ()).is_err());
}

fn without_threads(test: &str) {
    alone(test, |command| {
        let command = command.env("RUST_MIN_STACK", STACK.to_string());
        command.env("POLARS_MAX_THREADS", "2")
    });
}

#[test]
fn a_wait_on_a_thread_of_the_engine() {
    without_threads("no_threads::calls_of_a_pool_within_a_streaming_query");
}

/// Polars' engine panics if it cannot replace a waiting thread. The wait is in a call whose closure borrows, so the call must not be
/// left before the workers are done.
#[test]
#[ignore = "run by a_wait_on_a_thread_of_the_engine, in a process of its own"]
fn calls_of_a_pool_within_a_streaming_query() {
    let pool = Pool::new(2).unwrap();
    let query = counting(4).lazy().select([rows(["i"]).apply(move |i: i64| {
        if i == 0 {
            forbid_threads();
        }
        // These values live on this thread's stack, and the workers write to them until they are done.
        let lent = [const { AtomicUsize::new(0) }; 64];
        let inside = AtomicUsize::new(0);
        let slow = |n: usize| {
            inside.fetch_add(1, SeqCst);
            thread::sleep(Duration::from_millis(20));
            lent[n].fetch_add(1, SeqCst);
            inside.fetch_sub(1, SeqCst);
            n as i64
        };
        let sum: i64 = pool.map(0..4, slow)?.iter().sum();
        assert_eq!(inside.load(SeqCst), 0, "workers are still inside");
        let job: i64 = pool.apply_async(move || i).get()?;
        Ok::<i64, Error>(sum + job + lent.iter().map(|n| n.load(SeqCst) as i64).sum::<i64>())
    })]);
    let frame = query
        .collect_with_engine(Engine::Streaming)
        .unwrap()
        .unwrap_single();
    let sums = frame.columns()[0].i64().unwrap().to_vec();
    assert_eq!(sums, [Some(10), Some(11), Some(12), Some(13)]);
}

#[test]
fn calls_in_turn() {
    without_threads("no_threads::calls_in_turn_without_another_thread");
}

/// A call that cannot pause, because there is no other thread, goes on; calls that wait have their turn at the end.
#[test]
#[ignore = "run by calls_in_turn, in a process of its own"]
fn calls_in_turn_without_another_thread() {
    let pool = Pool::new(1).unwrap();
    let df = counting(50);
    RAYON.install(|| ());
    forbid_threads();
    let jobs: Vec<Job<Column>> = (0..5)
        .map(|_| {
            let apply = df.par_apply().pool(&pool);
            apply.spawn_rows(|i: i64| {
                thread::sleep(Duration::from_millis(1));
                i
            })
        })
        .collect();
    for job in jobs {
        assert_eq!(job.get().unwrap().i64().unwrap().sum(), Some(1225));
    }
    // The thread for deadlines cannot be started either: the call returns an error, and the closure is not called.
    let apply = || df.par_apply().deadline(Duration::from_secs(3600));
    let error = apply()
        .rows(|_: i64| -> i64 { unreachable!() })
        .unwrap_err();
    assert!(error.to_string().contains("deadline"), "{error}");
    let error = apply().pool(&pool).spawn_rows(|i: i64| i).get();
    assert!(error.unwrap_err().to_string().contains("deadline"));
    let error = apply().deadline(Duration::ZERO).rows(|i: i64| i);
    cancelled(&error.unwrap_err());
}
