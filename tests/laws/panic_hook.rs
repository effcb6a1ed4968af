//! Promise 8: the program's panic hook is called for the first panic of a call, and not for every row.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use polars_par_apply::prelude::*;

use crate::frames::{alone, counting, watched};

/// The hook belongs to the process, so these tests run in separate processes.
fn in_its_own_process(test: &str) {
    alone(test, |command| command);
}

/// Counts the calls of the program's hook.
fn counted() -> Arc<AtomicUsize> {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    std::panic::set_hook(Box::new(move |_| {
        count.fetch_add(1, SeqCst);
    }));
    seen
}

#[test]
fn a_call_that_panics_in_every_row_is_heard_once() {
    in_its_own_process("panic_hook::one_panic_of_a_call");
}

#[test]
#[ignore = "run by a_call_that_panics_in_every_row_is_heard_once, in a process of its own"]
fn one_panic_of_a_call() {
    watched(|| {
        let seen = counted();
        let df = counting(3000);
        let wide = (0..100i64).map(|c| Column::new(format!("c{c}").into(), [c]));
        let wide = DataFrame::new(1, wide.collect()).unwrap();
        for policy in [
            OnError::Fail,
            OnError::Null,
            OnError::Skip,
            OnError::Collect,
        ] {
            for workers in [1, 2, 4] {
                for cut in [1, 50, 3000] {
                    let heard = |what: &str| {
                        // Workers that panic at the same time may each call the hook for their first panic, but not for a second.
                        let seen = seen.swap(0, SeqCst);
                        assert!(
                            (1..=workers).contains(&seen),
                            "{what}: {seen}, {workers} workers, {policy:?}"
                        );
                    };
                    let apply = |df| DataFrame::par_apply(df).workers(workers).on_error(policy);
                    let panics = |row: i64| -> i64 { panic!("row {row}") };
                    let rows = apply(&df).rows(panics);
                    assert_eq!(rows.is_err(), policy == OnError::Fail);
                    heard("rows");
                    let rows = apply(&df).chunk_rows(cut).rows(panics);
                    assert_eq!(rows.is_err(), policy == OnError::Fail);
                    heard("rows that are cut");
                    let parts = apply(&df).chunk_rows(cut).chunks(|_: DataFrame| panics(0));
                    assert_eq!(parts.is_err(), policy == OnError::Fail);
                    heard("parts");
                    let columns = apply(&wide).columns(|_: &Column| panics(0));
                    assert_eq!(columns.is_err(), policy == OnError::Fail);
                    heard("columns");
                }
            }
        }
    });
}

#[test]
fn a_panic_elsewhere_is_heard_as_ever() {
    in_its_own_process("panic_hook::panics_that_are_not_rows");
}

#[test]
#[ignore = "run by a_panic_elsewhere_is_heard_as_ever, in a process of its own"]
fn panics_that_are_not_rows() {
    watched(|| {
        let seen = counted();
        let df = counting(500);
        let taken = || seen.swap(0, SeqCst);
        for _ in 0..3 {
            let outcome = df
                .par_apply()
                .sequential()
                .on_error(OnError::Null)
                .rows(|i: i64| -> i64 { panic!("{i}") })
                .unwrap();
            // The hook is called for the first panic of each call, however many calls there were before.
            assert_eq!((outcome.stats.failures, taken()), (500, 1));
            // Afterwards the hook is called for panics of the calling thread, and of any other.
            for n in 1..4 {
                let caught = std::panic::catch_unwind(|| panic!("mine"));
                assert!(caught.is_err());
                assert_eq!(taken(), 1, "{n}");
            }
            assert!(std::thread::spawn(|| panic!("a thread's")).join().is_err());
            assert_eq!(taken(), 1);
            // It is also called for a closure that catches its own panics, in a run without another panic.
            let caught = df
                .par_apply()
                .sequential()
                .rows(|i: i64| std::panic::catch_unwind(|| panic!("{i}")).is_err())
                .unwrap();
            assert_eq!((caught.bool().unwrap().sum(), taken()), (Some(500), 500));
        }
    });
}

#[test]
fn calls_within_a_call_are_heard_once() {
    in_its_own_process("panic_hook::panics_of_calls_within");
}

#[test]
#[ignore = "run by calls_within_a_call_are_heard_once, in a process of its own"]
fn panics_of_calls_within() {
    watched(|| {
        let seen = counted();
        let (df, small) = (counting(200), counting(5));
        let within = |i: i64| {
            let inner = small.par_apply().sequential();
            let inner = inner.rows(|j: i64| -> i64 { panic!("{i} {j}") });
            inner.is_err()
        };
        let failed = df.par_apply().sequential().rows(within).unwrap();
        assert_eq!(failed.bool().unwrap().sum(), Some(200));
        assert_eq!(seen.swap(0, SeqCst), 1);
        // The calls around them panic in their turn.
        let outcome = df
            .par_apply()
            .sequential()
            .on_error(OnError::Null)
            .rows(|i: i64| assert!(!within(i)))
            .unwrap();
        assert_eq!((outcome.stats.failures, seen.swap(0, SeqCst)), (200, 1));
        // For the next call it is called again.
        assert!(within(0));
        assert_eq!(seen.load(SeqCst), 1);
    });
}

#[test]
fn a_program_may_keep_its_hook() {
    in_its_own_process("panic_hook::every_panic_is_heard");
    in_its_own_process("panic_hook::every_panic_is_heard_from_then_on");
}

/// Runs rows that all panic, and returns how often the hook was called for them.
fn panics_of(rows: usize, seen: &AtomicUsize) -> usize {
    let outcome = counting(rows)
        .par_apply()
        .workers(2)
        .on_error(OnError::Null)
        .rows(|i: i64| -> i64 { panic!("row {i}") })
        .unwrap();
    assert_eq!(
        (outcome.stats.failures, outcome.failures.height()),
        (rows, rows)
    );
    seen.swap(0, SeqCst)
}

#[test]
#[ignore = "run by a_program_may_keep_its_hook, in a process of its own"]
fn every_panic_is_heard() {
    watched(|| {
        polars_par_apply::keep_panic_hook();
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        let hook = Box::new(move |_: &std::panic::PanicHookInfo<'_>| {
            count.fetch_add(1, SeqCst);
        });
        let own = (&raw const *hook).addr();
        std::panic::set_hook(hook);
        assert_eq!(panics_of(300, &seen), 300);
        // The hook is still the program's own, and not one around it.
        let hook = std::panic::take_hook();
        assert_eq!((&raw const *hook).cast::<()>().addr(), own);
    });
}

#[test]
#[ignore = "run by a_program_may_keep_its_hook, in a process of its own"]
fn every_panic_is_heard_from_then_on() {
    watched(|| {
        let seen = counted();
        assert!((1..=2).contains(&panics_of(300, &seen)));
        polars_par_apply::keep_panic_hook();
        assert_eq!(panics_of(300, &seen), 300);
    });
}
