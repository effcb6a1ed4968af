//! `state`: there is at most one state for each worker that is needed, only one closure has it at a time, and the hook is given it at
//! the end.

use std::cell::Cell as StdCell;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Barrier, Condvar, Mutex};
use std::time::Duration;

use polars_par_apply::prelude::*;
use polars_par_apply::{Error, Result};

use crate::frames::{assert_same, counting, held_back, watched};

/// What became of the states of a call.
struct Ledger {
    /// Of each state, whether a closure has it.
    in_use: Vec<AtomicBool>,
    made: AtomicUsize,
    dropped: AtomicUsize,
}

impl Ledger {
    /// For a call that may make this many states.
    fn of(most: usize) -> Self {
        Ledger {
            in_use: (0..most).map(|_| AtomicBool::new(false)).collect(),
            made: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
        }
    }

    fn make(&self) -> Own<'_> {
        let id = self.made.fetch_add(1, SeqCst);
        assert!(id < self.in_use.len(), "one state too many");
        Own {
            ledger: self,
            id,
            calls: 0,
        }
    }

    /// Returns how many were made, and checks that all of them are dropped and none is in use.
    #[track_caller]
    fn settled(&self) -> usize {
        let made = self.made.load(SeqCst);
        assert_eq!(self.dropped.load(SeqCst), made, "dropped");
        assert!(self.in_use.iter().all(|used| !used.load(SeqCst)));
        made
    }
}

/// A state that notices if two closures have it at the same time.
struct Own<'l> {
    ledger: &'l Ledger,
    id: usize,
    calls: usize,
}

impl Own<'_> {
    fn during<T>(&mut self, work: impl FnOnce() -> T) -> T {
        struct Leave<'l>(&'l AtomicBool);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.store(false, SeqCst);
            }
        }
        let in_use = &self.ledger.in_use[self.id];
        assert!(!in_use.swap(true, SeqCst), "a state is shared");
        let _leave = Leave(in_use);
        self.calls += 1;
        work()
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        self.ledger.dropped.fetch_add(1, SeqCst);
    }
}

fn wide(columns: i64) -> DataFrame {
    let columns = (0..columns).map(|i| Column::new(format!("{i}").into(), [i, i + 1]));
    DataFrame::new(2, columns.collect()).unwrap()
}

/// Every verb: each worker's state is compared with the stats of the worker.
fn one_each(apply: &Apply<'_, 'static>, columns: &Apply<'_, 'static>, workers: usize, what: &str) {
    let of_those_who_worked = |stats: &Stats| -> Vec<usize> {
        let rows = stats.workers.iter().map(|worker| worker.rows);
        rows.filter(|rows| *rows > 0).collect()
    };

    let (ledger, mut calls) = (Ledger::of(workers), Vec::new());
    let outcome = apply
        .clone()
        .state(|| ledger.make())
        .finish(|own: Own<'_>| calls.push(own.calls))
        .outcome()
        .rows(|own: &mut Own<'_>, i: i64| own.during(|| i * 2))
        .unwrap();
    let expected = (0..outcome.output.len() as i64).map(|i| i * 2);
    assert!(
        outcome
            .output
            .i64()
            .unwrap()
            .into_no_null_iter()
            .eq(expected)
    );
    assert_eq!(calls, of_those_who_worked(&outcome.stats), "{what}: rows");
    assert_eq!(ledger.settled(), calls.len(), "{what}: rows");

    let (ledger, mut parts) = (Ledger::of(workers), 0);
    let outcome = apply
        .clone()
        .state(|| ledger.make())
        .finish(|own: Own<'_>| parts += own.calls)
        .outcome()
        .chunks(|own: &mut Own<'_>, part: DataFrame| own.during(|| part))
        .unwrap();
    assert_eq!(parts, outcome.stats.runs, "{what}: parts");
    assert!((1..=workers).contains(&ledger.settled()), "{what}: parts");

    let (ledger, mut calls) = (Ledger::of(workers), Vec::new());
    let outcome = columns
        .clone()
        .state(|| ledger.make())
        .finish(|own: Own<'_>| calls.push(own.calls))
        .outcome()
        .columns(|own: &mut Own<'_>, _: &Column| own.during(|| 1))
        .unwrap();
    assert_eq!(
        calls,
        of_those_who_worked(&outcome.stats),
        "{what}: columns"
    );
    assert_eq!(ledger.settled(), calls.len(), "{what}: columns");
}

#[test]
fn one_state_at_most_for_each_worker_whatever_the_cut() {
    watched(|| {
        let (df, wide) = (counting(6000), wide(120));
        for workers in 1..=6 {
            let pool = Pool::new(workers).unwrap();
            let on = |df| ParApply::par_apply(df).workers(workers);
            let own = ParApply::par_apply(&df).pool(&pool);
            for (what, apply) in [
                ("as it comes", on(&df)),
                ("1000 partitions", on(&df).partitions(1000)),
                ("chunks of 7 rows", on(&df).chunk_rows(7)),
                ("a pool", own.clone()),
                ("a pool, partitions", own.partitions(500)),
            ] {
                one_each(
                    &apply,
                    &on(&wide),
                    workers,
                    &format!("{workers} workers, {what}"),
                );
            }
        }
        one_each(
            &df.par_apply().sequential(),
            &wide.par_apply().sequential(),
            1,
            "sequential",
        );
    });
}

#[test]
fn no_state_is_shared_by_closures_that_call_the_crate() {
    watched(|| {
        let (df, small) = (counting(400), counting(40));
        let own = Pool::new(3).unwrap();
        for pool in [Pool::default(), own] {
            let workers = pool.workers();
            let once = || {
                let (outer, inner) = (Ledger::of(workers), Mutex::new(Vec::new()));
                let sums = df
                    .par_apply()
                    .pool(&pool)
                    .chunk_rows(1)
                    .state(|| outer.make())
                    .rows(|own: &mut Own<'_>, i: i64| {
                        own.during(|| -> Result<i64> {
                            let ledger = Ledger::of(workers);
                            let column = small
                                .par_apply()
                                .pool(&pool)
                                .chunk_rows(2)
                                .state(|| ledger.make())
                                .rows(|own: &mut Own<'_>, j: i64| {
                                    own.during(|| {
                                        std::thread::yield_now();
                                        i + j
                                    })
                                })?;
                            inner.lock().unwrap().push(ledger.settled());
                            Ok(column.i64()?.sum().unwrap_or(0))
                        })
                    })
                    .unwrap();
                let expected = (0..400).map(|i| 40 * i + 780);
                assert!(sums.i64().unwrap().into_no_null_iter().eq(expected));
                assert!((1..=workers).contains(&outer.settled()));
                let inner = inner.into_inner().unwrap();
                assert_eq!(inner.len(), 400);
                assert!(inner.iter().all(|made| (1..=workers).contains(made)));
            };
            // Calls at the same time: a worker that waits for one runs rows of another.
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(once);
                }
            });
        }
    });
}

#[test]
fn what_makes_a_state_may_call_the_crate() {
    watched(|| {
        let (df, small) = (counting(500), counting(100));
        let sums = df
            .par_apply()
            .workers(3)
            .partitions(50)
            .state(|| -> Result<i64> {
                let column = small.par_apply().workers(2).rows(|i: i64| i)?;
                Ok(column.i64()?.sum().unwrap_or(0))
            })
            .rows(|sum: &mut i64, i: i64| *sum + i)
            .unwrap();
        assert!(
            sums.i64()
                .unwrap()
                .into_no_null_iter()
                .eq((0..500).map(|i| 4950 + i))
        );
    });
}

/// Adds options to a call before it is run.
type With<'w> = dyn Fn(Apply<'_, 'static>, &dyn Fn(Apply<'_, 'static>)) + 'w;

/// Runs the closure in all ways of cutting work, and checks that the states are finished and dropped, whatever the error.
fn broken(act: impl Fn(i64) -> anyhow::Result<i64> + Sync, with: &With, check: impl Fn(Error)) {
    let df = counting(500);
    for apply in [
        df.par_apply().sequential(),
        df.par_apply().workers(3),
        df.par_apply().workers(3).partitions(100),
    ] {
        with(apply, &|apply| {
            let (ledger, mut finished) = (Ledger::of(3), 0);
            let called = AtomicBool::new(false);
            let error = apply
                .state(|| ledger.make())
                .finish(|_: Own<'_>| finished += 1)
                .rows(|own: &mut Own<'_>, i: i64| {
                    called.store(true, SeqCst);
                    own.during(|| act(i))
                })
                .unwrap_err();
            check(error);
            let made = ledger.settled();
            // A deadline may have passed before any worker reached a row.
            let had_one = made > 0;
            assert!(had_one || !called.into_inner());
            assert_eq!(finished, made);
        });
    }
}

#[test]
fn states_are_finished_and_dropped_after_an_error() {
    watched(|| {
        let fail = |i: i64| {
            anyhow::ensure!(i != 40, "forty");
            Ok(i)
        };
        broken(fail, &|apply, run| run(apply), |error| {
            assert_eq!(error.row(), Some(40));
            assert!(matches!(error.kind(), ErrorKind::Closure { .. }));
        });
    });
}

#[test]
fn states_are_finished_and_dropped_after_a_panic() {
    watched(|| {
        let panic = |i: i64| {
            assert!(i != 40, "forty");
            Ok(i)
        };
        broken(panic, &|apply, run| run(apply), |error| {
            assert_eq!(error.row(), Some(40));
            assert!(matches!(error.kind(), ErrorKind::Panic { .. }));
        });
    });
}

#[test]
fn states_are_finished_and_dropped_after_a_cancel() {
    watched(|| {
        let token = Mutex::new(CancelToken::new());
        let cancel = |i: i64| {
            let token = token.lock().unwrap().clone();
            match i {
                40 => token.cancel(),
                41.. => held_back(&token),
                _ => {}
            }
            Ok(i)
        };
        let with = |apply: Apply<'_, 'static>, run: &dyn Fn(Apply<'_, 'static>)| {
            let fresh = CancelToken::new();
            *token.lock().unwrap() = fresh.clone();
            run(apply.cancel_token(&fresh));
        };
        broken(cancel, &with, |error| {
            assert!(matches!(error.kind(), ErrorKind::Cancelled { .. }));
        });
    });
}

#[test]
fn states_are_finished_and_dropped_after_a_deadline() {
    watched(|| {
        let wait = |i: i64| {
            std::thread::sleep(Duration::from_millis(2));
            Ok(i)
        };
        let with = |apply: Apply<'_, 'static>, run: &dyn Fn(Apply<'_, 'static>)| {
            run(apply.deadline(Duration::from_millis(30)));
        };
        broken(wait, &with, |error| {
            assert!(matches!(
                error.kind(),
                ErrorKind::Cancelled {
                    deadline: Some(_),
                    ..
                }
            ));
        });
    });
}

#[test]
fn a_state_that_cannot_be_made_is_the_call_s_error() {
    let (df, wide) = (counting(1000), wide(20));
    let on = |df| ParApply::par_apply(df).workers(3);
    let calls = AtomicUsize::new(0);
    let refuse = || Err::<u8, _>(io::Error::new(io::ErrorKind::AddrInUse, "no port is free"));
    let check = |error: Error| {
        let ErrorKind::State { cause, .. } = error.kind() else {
            panic!("{error}");
        };
        assert_eq!(
            cause.downcast_ref::<io::Error>().unwrap().kind(),
            io::ErrorKind::AddrInUse
        );
        let source = error.cause().unwrap();
        assert_eq!(
            source.downcast_ref::<io::Error>().unwrap().kind(),
            io::ErrorKind::AddrInUse
        );
        assert_eq!(
            error.to_string(),
            "a worker's state could not be made: no port is free"
        );
        assert_eq!((error.row(), error.column()), (None, None));
    };
    let call = || calls.fetch_add(1, SeqCst) as u64;
    let mut finished = 0;
    for apply in [
        on(&df),
        on(&df).sequential(),
        on(&df).partitions(100),
        on(&df).chunk_rows(1),
    ] {
        check(
            apply
                .clone()
                .state(refuse)
                .finish(|_: u8| finished += 1)
                .rows(|_: &mut u8, _: i64| call())
                .unwrap_err(),
        );
        check(
            apply
                .clone()
                .state(refuse)
                .on_error(OnError::Collect)
                .rows(|_: &mut u8, _: i64| call())
                .unwrap_err(),
        );
        check(
            apply
                .state(refuse)
                .chunks(|_: &mut u8, _: DataFrame| call())
                .unwrap_err(),
        );
    }
    check(
        on(&wide)
            .state(refuse)
            .columns(|_: &mut u8, _: &Column| call())
            .unwrap_err(),
    );
    assert_eq!(calls.into_inner(), 0, "no row comes before its state");
    assert_eq!(finished, 0);
}

#[test]
fn a_panic_in_what_makes_a_state_is_an_error() {
    watched(|| {
        let df = counting(1000);
        for apply in [
            df.par_apply(),
            df.par_apply().sequential(),
            df.par_apply().workers(3).partitions(100),
        ] {
            let calls = AtomicUsize::new(0);
            let error = apply
                .clone()
                .state(|| -> u8 { panic!("no port is free") })
                .rows(|_: &mut u8, _: i64| {
                    calls.fetch_add(1, SeqCst);
                })
                .unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::State { .. }), "{error}");
            assert!(
                error.to_string().contains("panicked: no port is free"),
                "{error}"
            );
            assert_eq!(calls.into_inner(), 0);
            assert_eq!(apply.rows(|i: i64| i).unwrap().len(), 1000);
        }
    });
}

/// The first row waits for the second worker, so that there certainly is one.
#[test]
fn a_later_worker_s_state_that_cannot_be_made_fails_the_call() {
    watched(|| {
        // An owned pool, so that a row that waits here delays no other test.
        let (df, pool) = (counting(100), Pool::new(2).unwrap());
        let (second, come) = (Mutex::new(false), Condvar::new());
        let (made, mut finished) = (AtomicUsize::new(0), Vec::new());
        let error = df
            .par_apply()
            .pool(&pool)
            .partitions(100)
            .state(|| {
                let nth = made.fetch_add(1, SeqCst);
                if nth > 0 {
                    *second.lock().unwrap() = true;
                    come.notify_all();
                    anyhow::bail!("one is enough");
                }
                Ok(7)
            })
            .finish(|state: i32| finished.push(state))
            .rows(|_: &mut i32, i: i64| {
                let limit = Duration::from_secs(60);
                let guard = second.lock().unwrap();
                let (come, _) = come
                    .wait_timeout_while(guard, limit, |come| !*come)
                    .unwrap();
                assert!(*come, "there is no second worker");
                i
            })
            .unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::State { .. }), "{error}");
        assert_eq!(error.cause().unwrap().to_string(), "one is enough");
        assert_eq!(finished, [7]);
        assert_eq!(made.into_inner(), 2);
    });
}

#[test]
fn no_rows_need_no_state() {
    let (df, none) = (counting(0), DataFrame::empty());
    let late = CancelToken::new();
    late.cancel();
    let many = counting(50);
    let mut finished = 0;
    let unwanted = || -> u8 { panic!("nobody needs it") };
    let output = df
        .par_apply()
        .workers(3)
        .state(unwanted)
        .finish(|_: u8| finished += 1)
        .rows(|_: &mut u8, i: i64| i)
        .unwrap();
    assert_eq!(output.len(), 0);
    none.par_apply()
        .state(unwanted)
        .columns(|_: &mut u8, _: &Column| 1)
        .unwrap();
    let error = many
        .par_apply()
        .cancel_token(&late)
        .state(unwanted)
        .rows(|_: &mut u8, i: i64| i)
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Cancelled { done: 0, .. }));
    let error = many
        .par_apply()
        .state(unwanted)
        .rows(|_: &mut u8, text: &str| text.len() as u64)
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Dtype { .. }), "{error}");
    assert_eq!(finished, 0);
}

#[derive(FromRow)]
struct Order<'a> {
    id: i64,
    what: &'a str,
    price: Option<f64>,
}

fn counted(calls: &mut i64, id: i64) -> i64 {
    *calls += 1;
    id
}

#[test]
fn every_closure_may_have_a_state_before_its_row() {
    let df = df![
        "id" => [1i64, 2, 3],
        "what" => ["tea", "a cup", ""],
        "price" => [Some(1.5), None, Some(2.5)],
    ]
    .unwrap();
    let sequential = || df.par_apply().sequential();
    macro_rules! check {
        ($select:expr, $init:expr, $f:expr, $expected:expr) => {{
            let column = sequential().select($select).state($init).rows($f).unwrap();
            let expected = Column::new("par_apply".into(), $expected);
            assert_same(&column, &expected, stringify!($f));
        }};
    }
    check!(["id"], || 0i64, counted, [1i64, 2, 3]);
    check!(
        ["id"],
        || 10i64,
        |sum: &mut i64, id: i64| {
            *sum += id;
            *sum
        },
        [11i64, 13, 16]
    );
    check!(
        ["what", "id"],
        String::new,
        |all: &mut String, what: &str, id: i64| {
            *all += what;
            format!("{id} {all}")
        },
        ["1 tea", "2 teaa cup", "3 teaa cup"]
    );
    check!(
        ["id", "what", "price"],
        || 0u32,
        |n: &mut u32, id: i64, what: &str, price: Option<f64>| -> anyhow::Result<f64> {
            *n += 1;
            Ok(id as f64 + what.len() as f64 + price.unwrap_or(100.0) + f64::from(*n))
        },
        [6.5, 109.0, 8.5]
    );
    let twelve = ["id"; 12];
    check!(
        twelve,
        || 1i64,
        |n: &mut i64,
         a: i64,
         b: i64,
         c: i64,
         d: i64,
         e: i64,
         f: i64,
         g: i64,
         h: i64,
         i: i64,
         j: i64,
         k: i64,
         l: i64| {
            *n += 1;
            *n * 100 + a + b + c + d + e + f + g + h + i + j + k + l
        },
        [212i64, 324, 436]
    );
    check!(
        ["id", "price"],
        || 0i64,
        |n: &mut i64, (id, price): (i64, Option<f64>)| {
            *n += id;
            *n as f64 + price.unwrap_or(0.0)
        },
        [2.5, 3.0, 8.5]
    );
    check!(
        ["id", "id"],
        || 0i64,
        |n: &mut i64, ids: [i64; 2]| {
            *n += ids[0] * ids[1];
            *n
        },
        [1i64, 5, 14]
    );
    check!(
        ["id", "what", "price"],
        || 0usize,
        |letters: &mut usize, order: Order<'_>| {
            *letters += order.what.len();
            order.id + *letters as i64 + i64::from(order.price.is_some())
        },
        [5i64, 10, 12]
    );
    check!(
        ["id", "what", "price"],
        || 0u64,
        |seen: &mut u64, row: Row<'_>| -> Result<u64> {
            *seen += row.len() as u64;
            Ok(*seen * 10 + row.get::<&str>("what")?.len() as u64)
        },
        [33u64, 65, 90]
    );
    let frame = sequential()
        .select(["id"])
        .state(|| 0i64)
        .rows(|n: &mut i64, id: i64| {
            *n += 1;
            (id, *n, id.to_string())
        })
        .unwrap();
    assert_eq!(frame.shape(), (3, 3));
    assert_eq!(
        frame.column("column_1").unwrap().i64().unwrap().to_vec(),
        [Some(1), Some(2), Some(3)]
    );
}

#[test]
fn columns_and_parts_may_have_a_state_before_them() {
    let df = df!["a" => [1i64, 2, 3], "b" => [10i64, 20, 30]].unwrap();
    let apply = || df.par_apply().sequential();
    let whole = apply()
        .state(|| 0i64)
        .columns(|sum: &mut i64, column: &Column| -> PolarsResult<i64> {
            *sum += column.i64()?.sum().unwrap_or(0);
            Ok(*sum)
        })
        .unwrap();
    let typed = apply()
        .state(|| 0i64)
        .columns(|sum: &mut i64, values: Values<'_, i64>| {
            *sum += values.iter().sum::<i64>();
            *sum
        })
        .unwrap();
    assert_eq!(whole, df!["a" => [6i64], "b" => [66i64]].unwrap());
    assert_eq!(typed, whole);

    let parts = || apply().chunk_rows(2);
    let owned = parts()
        .state(|| 0u64)
        .chunks(|rows: &mut u64, part: DataFrame| {
            *rows += part.height() as u64;
            *rows
        })
        .unwrap();
    let lent = parts()
        .state(|| 0u64)
        .chunks(|rows: &mut u64, part: &DataFrame| {
            *rows += part.height() as u64;
            *rows
        })
        .unwrap();
    let placed = parts()
        .state(|| 0u64)
        .chunks(|rows: &mut u64, part: Chunk| {
            *rows += part.height() as u64;
            part.index() as u64 * 1000 + part.row_offset() as u64 * 100 + *rows
        })
        .unwrap();
    assert_eq!(owned.u64().unwrap().to_vec(), [Some(2), Some(3)]);
    assert_eq!(lent, owned);
    assert_eq!(placed.u64().unwrap().to_vec(), [Some(2), Some(1203)]);
}

/// A state need not be `Sync`, nor `'static`, nor `Clone`.
#[test]
fn a_state_may_borrow_and_be_no_one_else_s() {
    struct Lookup<'a> {
        names: &'a [String],
        hits: StdCell<usize>,
    }
    let names: Vec<String> = (0..10).map(|i| format!("name {i}")).collect();
    let (df, mut hits) = (counting(3000), 0);
    let column = df
        .par_apply()
        .workers(3)
        .partitions(100)
        .state(|| Lookup {
            names: &names,
            hits: StdCell::new(0),
        })
        .finish(|lookup: Lookup<'_>| hits += lookup.hits.get())
        .rows(|lookup: &mut Lookup<'_>, i: i64| {
            lookup.hits.set(lookup.hits.get() + 1);
            lookup.names[i as usize % 10].clone()
        })
        .unwrap();
    assert_eq!(column.str().unwrap().get(2345), Some("name 5"));
    assert_eq!(hits, 3000);
}

#[test]
fn finish_is_called_here_for_every_state() {
    watched(|| {
        let df = counting(5000);
        let here = std::thread::current().id();
        for workers in [1, 2, 4] {
            let made = AtomicUsize::new(0);
            let (mut sum, mut calls, mut elsewhere) = (0, 0, 0);
            df.par_apply()
                .workers(workers)
                .partitions(200)
                .state(|| {
                    made.fetch_add(1, SeqCst);
                    0i64
                })
                .finish(|part: i64| {
                    sum += part;
                    calls += 1;
                    elsewhere += usize::from(std::thread::current().id() != here);
                })
                .rows(|sum: &mut i64, i: i64| *sum += i)
                .unwrap();
            assert_eq!((sum, elsewhere), (12_497_500, 0));
            assert_eq!(calls, made.into_inner());
        }
    });
}

/// There are certainly two states, because each row waits for the other. The pool is owned, so that a row that waits delays no other test.
fn two_states<T: Send>(
    make: impl Fn(usize) -> T + Sync,
    finish: impl FnMut(T) -> anyhow::Result<()>,
    row: impl Fn(i64) -> anyhow::Result<i64> + Sync,
) -> Result<Column> {
    let (df, pool) = (counting(2), Pool::new(2)?);
    let (made, both) = (AtomicUsize::new(0), Barrier::new(2));
    df.par_apply()
        .pool(&pool)
        .partitions(2)
        .state(|| make(made.fetch_add(1, SeqCst)))
        .finish(finish)
        .rows(|_: &mut T, i: i64| {
            both.wait();
            row(i)
        })
}

#[test]
fn an_error_of_finish_comes_after_the_other_states() {
    watched(|| {
        let mut seen = Vec::new();
        let error = two_states(
            |nth| nth,
            |nth| {
                seen.push(nth);
                Err(io::Error::other(format!("no room for {}", seen.len())).into())
            },
            Ok,
        )
        .unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Finish { .. }), "{error}");
        let source = error.cause().unwrap();
        assert!(source.is::<io::Error>());
        assert_eq!(source.to_string(), "no room for 1", "the first");
        assert_eq!(error.row(), None);
        seen.sort_unstable();
        assert_eq!(seen, [0, 1]);
    });
}

#[test]
fn a_panic_of_finish_comes_after_the_other_states() {
    watched(|| {
        let mut seen = 0;
        let error = two_states(
            |nth| nth,
            |_| {
                seen += 1;
                panic!("panic {seen}")
            },
            Ok,
        )
        .unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Finish { .. }), "{error}");
        assert!(error.to_string().contains("panicked: panic 1"), "{error}");
        assert_eq!(seen, 2);
    });
}

#[test]
fn the_rows_error_comes_before_that_of_finish() {
    watched(|| {
        let mut seen = 0;
        let error = two_states(
            |nth| nth,
            |_| {
                seen += 1;
                anyhow::bail!("cannot be finished")
            },
            |i| {
                anyhow::ensure!(i != 1, "row {i} is bad");
                Ok(i)
            },
        )
        .unwrap_err();
        assert_eq!(error.row(), Some(1), "{error}");
        assert!(matches!(error.kind(), ErrorKind::Closure { .. }));
        assert_eq!(seen, 2);
    });
}

#[test]
fn a_state_whose_drop_panics_is_an_error() {
    struct Bomb<'l>(Own<'l>);
    impl Drop for Bomb<'_> {
        fn drop(&mut self) {
            panic!("not like this");
        }
    }
    watched(|| {
        let (df, ledger) = (counting(300), Ledger::of(3));
        let error = df
            .par_apply()
            .workers(3)
            .partitions(30)
            .state(|| Bomb(ledger.make()))
            .rows(|bomb: &mut Bomb<'_>, i: i64| bomb.0.during(|| i))
            .unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Finish { .. }), "{error}");
        assert!(ledger.settled() > 0);
        assert_eq!(df.par_apply_rows(|i: i64| i).unwrap().len(), 300);
    });
}

#[test]
fn a_partial_run_is_finished_too() {
    let df = counting(1000);
    let token = CancelToken::new();
    let mut calls = 0;
    let outcome = df
        .par_apply()
        .sequential()
        .cancel_token(&token)
        .on_cancel(OnCancel::Partial)
        .state(|| 0)
        .finish(|of_one: usize| calls += of_one)
        .rows(|calls: &mut usize, i: i64| {
            *calls += 1;
            if i == 99 {
                token.cancel();
            }
            i
        })
        .unwrap();
    assert_eq!((outcome.output.len(), calls), (100, 100));
}

#[test]
fn a_state_outlives_failures_and_sees_every_attempt() {
    watched(|| {
        let df = counting(1000);
        for apply in [
            df.par_apply().sequential(),
            df.par_apply().workers(3),
            df.par_apply().workers(3).partitions(50),
        ] {
            let (ledger, mut calls) = (Ledger::of(3), 0);
            let outcome = apply
                .on_error(OnError::Null)
                .retry(Retry::attempts(3).min_delay(Duration::from_micros(50)))
                .state(|| ledger.make())
                .finish(|own: Own<'_>| calls += own.calls)
                .rows(|own: &mut Own<'_>, i: i64| {
                    own.during(|| {
                        anyhow::ensure!(i % 100 != 5, "tried again");
                        assert!(i % 100 != 6, "not tried again");
                        Ok(i)
                    })
                })
                .unwrap();
            assert_eq!(outcome.stats.failures, 20);
            assert_eq!(outcome.stats.retries, 20);
            assert_eq!(outcome.output.null_count(), 20);
            assert_eq!(calls, 1020, "every attempt has a state");
            assert!((1..=3).contains(&ledger.settled()));
        }
    });
}

#[test]
fn the_state_comes_before_the_random_stream() {
    use polars_par_apply::rand::Rng;

    let df = counting(2000);
    let draw = |rng: &mut RowRng| rng.next_u64();
    let alone = df
        .par_apply()
        .sequential()
        .seed(3)
        .rows(|rng: &mut RowRng, _: i64| draw(rng))
        .unwrap();
    let mut calls = 0;
    let both = df
        .par_apply()
        .workers(3)
        .partitions(40)
        .state(|| 0usize)
        .finish(|of_one: usize| calls += of_one)
        .seed(3)
        .rows(|calls: &mut usize, rng: &mut RowRng, _: i64| {
            *calls += 1;
            draw(rng)
        })
        .unwrap();
    assert_same(&both, &alone, "state and seed");
    assert_eq!(calls, 2000);
    let whole = df
        .par_apply()
        .workers(3)
        .seed(3)
        .state(|| 0usize)
        .rows(|_: &mut usize, rng: &mut RowRng, (_,): (i64,)| draw(rng))
        .unwrap();
    assert_same(&whole, &alone, "seed and state, a whole row");
    let parts = |workers| {
        df.par_apply()
            .workers(workers)
            .partitions(7)
            .seed(3)
            .state(|| 0usize)
            .chunks(|_: &mut usize, rng: &mut RowRng, _: &DataFrame| draw(rng))
            .unwrap()
    };
    assert_same(&parts(3), &parts(1), "parts");
    let columns = |workers| {
        let wide = wide(9);
        wide.par_apply()
            .workers(workers)
            .seed(3)
            .state(|| 0usize)
            .columns(|_: &mut usize, rng: &mut RowRng, _: Values<'_, i64>| draw(rng))
            .unwrap()
    };
    assert_eq!(columns(3), columns(1));
}
