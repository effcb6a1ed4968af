//! A limit of failures is kept: the query stops early in every engine, and the collector holds no more failures than were asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use polars_par_apply::Result;
use polars_par_apply::prelude::*;

use crate::engines::{ENGINES, collected};
use crate::frames::{counting, watched};

const ROWS: usize = 1_000_000;

/// A collector, a closure that fails for every row, and how often it was called.
macro_rules! failing {
    ($limit:expr) => {{
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = calls.clone();
        let fails = move |i: i64| -> anyhow::Result<i64> {
            counter.fetch_add(1, Ordering::Relaxed);
            anyhow::bail!("bad {i}")
        };
        (Failures::new().max_failures($limit), fails, calls)
    }};
}

/// Each batch stops at its share, and there are a few batches for each thread.
fn check(what: &str, limit: usize, failures: &Failures, calls: &AtomicUsize) {
    let calls = calls.load(Ordering::Relaxed);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // Workers that run at the same time do a few rows after the one that ends the call: a stride.
    let most = (limit + 1_000) * 8 * threads;
    assert!((limit + 1..=most).contains(&calls), "{what}: {calls} calls");
    assert_eq!(failures.len(), limit + 1, "{what}");
    let kept = failures.take();
    assert_eq!(kept.height(), limit + 1, "{what}");
    assert!(failures.is_empty());
    let rows = kept.column("row").unwrap().idx().unwrap().clone();
    let rows: Vec<IdxSize> = rows.into_no_null_iter().collect();
    // Without row numbers, an expression counts rows in their batches, so several batches may have the same number.
    let is_numbered = !what.starts_with("an expression");
    assert!(
        rows.is_sorted_by(|a, b| a < b || (a == b && !is_numbered)),
        "{what}"
    );
}

#[test]
fn every_engine_stops_early() {
    watched(|| {
        for limit in [0, 10, 1000] {
            for engine in ENGINES {
                let (failures, fails, calls) = failing!(limit);
                let lf = counting(ROWS).lazy().par_apply().failures(&failures);
                let said = collected(&lf.rows(fails), engine).unwrap_err().to_string();
                assert!(said.contains("that .max_failures(…) allows"), "{said}");
                check(&format!("{engine:?}"), limit, &failures, &calls);

                let (failures, fails, calls) = failing!(limit);
                let bad = rows(["i"]).failures(&failures).apply(fails);
                let said = collected(&counting(ROWS).lazy().select([bad]), engine);
                let said = said.unwrap_err().to_string();
                assert!(said.contains("that .max_failures(…) allows"), "{said}");
                check(
                    &format!("an expression, {engine:?}"),
                    limit,
                    &failures,
                    &calls,
                );
            }
            for unordered in [false, true] {
                let (failures, fails, calls) = failing!(limit);
                let batches = counting(ROWS).lazy().par_apply().failures(&failures);
                let batches = batches.row_batches(fails);
                let batches = if unordered {
                    batches.unordered()
                } else {
                    batches
                };
                let results: Vec<Result<DataFrame>> = batches.collect();
                let error = results.into_iter().last().unwrap().unwrap_err();
                let ErrorKind::TooManyFailures {
                    limit: is,
                    failures: kept,
                    ..
                } = error.kind()
                else {
                    panic!("{error}");
                };
                assert_eq!((*is, kept.height()), (limit, limit + 1));
                check("a stream", limit, &failures, &calls);
            }
        }
    });
}

/// If a frame in memory is not cut, the lowest failures are collected, as in the eager call.
#[test]
fn in_memory_the_lowest_are_kept() {
    watched(|| {
        let df = counting(100_000);
        let odd = |i: i64| {
            anyhow::ensure!(i % 1000 != 7, "bad {i}");
            Ok(i)
        };
        let eager = df
            .par_apply()
            .on_error(OnError::Null)
            .max_failures(5)
            .rows(odd);
        let error = eager.unwrap_err();
        let ErrorKind::TooManyFailures {
            failures: expected, ..
        } = error.kind()
        else {
            panic!("{error}");
        };
        let failures = Failures::new().max_failures(5);
        let lf = df.lazy().par_apply().failures(&failures).rows(odd);
        let said = collected(&lf, Engine::InMemory).unwrap_err().to_string();
        assert_eq!(said, error.to_string());
        assert_eq!(&failures.take(), expected);
    });
}

/// The limit is that of all failures that a collector has collected since it was emptied.
#[test]
fn a_limit_is_the_collectors() {
    watched(|| {
        for engine in ENGINES {
            let failures = Failures::new().max_failures(5);
            let bad = |n: i64| {
                let lf = counting(100).lazy().par_apply().failures(&failures);
                let lf = lf.rows(move |i: i64| {
                    anyhow::ensure!(i >= n, "bad {i}");
                    Ok(i)
                });
                collected(&lf, engine)
            };
            assert_eq!(bad(3).unwrap().height(), 100);
            assert_eq!(bad(2).unwrap().height(), 100);
            assert_eq!(failures.len(), 5);
            assert_eq!(bad(0).unwrap().height(), 100);
            let said = bad(4).unwrap_err().to_string();
            assert!(said.contains("more than the 5 failures"), "{said}");
            assert_eq!(failures.len(), 6);
            // A full collector takes no more.
            assert!(bad(0).is_err());
            assert_eq!(failures.take().height(), 6);
            assert_eq!(bad(5).unwrap().height(), 100);
            assert_eq!(failures.take().height(), 5);
        }
    });
}

/// Only a call that has nothing else to report says that others have reached the limit.
#[test]
fn a_cancelled_query_says_so_all_the_same() {
    watched(|| {
        for engine in ENGINES {
            let failures = Failures::new().max_failures(5);
            let token = CancelToken::new();
            let cancel = token.clone();
            let call = counting(ROWS).lazy().par_apply().failures(&failures);
            let lf = call.cancel_token(&token).rows(move |i: i64| {
                cancel.cancel();
                anyhow::Ok(i)
            });
            let said = collected(&lf, engine).unwrap_err().to_string();
            assert!(said.contains("the call was cancelled"), "{said}");
        }
    });
}

/// The row numbers of failures are those of `with_row_index`, where they fit.
#[test]
fn failures_join_with_their_rows() {
    watched(|| {
        let df = counting(1000);
        let odd = |i: i64| {
            anyhow::ensure!(i % 100 != 7, "bad {i}");
            Ok(i)
        };
        let joined = |failures: DataFrame| {
            assert_eq!(failures.column("row").unwrap().dtype(), &IDX_DTYPE);
            let numbered = df.clone().lazy().with_row_index("row", None);
            let lf =
                numbered.inner_join(failures.drop("i").unwrap().lazy(), col("row"), col("row"));
            let lf = lf.filter(col("row").cast(DataType::Int64).eq(col("i")));
            lf.collect().unwrap().height()
        };
        let outcome = df.par_apply().on_error(OnError::Null).rows(odd).unwrap();
        assert_eq!(joined(outcome.failures), 10);
        let chunks = df.par_apply().chunk_rows(100).on_error(OnError::Collect);
        let chunks = chunks.chunks(|_: DataFrame| anyhow::bail!("bad") as anyhow::Result<i64>);
        let chunks = chunks.unwrap().failures;
        for name in ["row", "part", "rows"] {
            assert_eq!(chunks.column(name).unwrap().dtype(), &IDX_DTYPE);
        }
        for engine in ENGINES {
            let failures = Failures::new();
            let lf = df.clone().lazy().par_apply().failures(&failures).rows(odd);
            collected(&lf, engine).unwrap();
            assert_eq!(joined(failures.take()), 10);
        }
        let failures = Failures::new();
        let batches = df
            .clone()
            .lazy()
            .par_apply()
            .failures(&failures)
            .row_batches(odd);
        batches.for_each(|batch| drop(batch.unwrap()));
        assert_eq!(joined(failures.take()), 10);
        // Row numbers of the user that are larger.
        let failures = Failures::new();
        let large = lit(1u64 << 40) + col("i").cast(DataType::UInt64);
        let call = rows(["i"])
            .row_numbers(large)
            .failures(&failures)
            .apply(odd);
        df.clone().lazy().select([call]).collect().unwrap();
        let rows = failures
            .take()
            .column("row")
            .unwrap()
            .u64()
            .unwrap()
            .to_vec();
        assert_eq!(rows[1], Some((1 << 40) + 107));
    });
}

/// One collector is enough for calls over different columns, as long as only one of them has failures.
#[test]
fn a_call_without_failures_leaves_the_collector_s_columns_alone() {
    watched(|| {
        for engine in ENGINES {
            let failures = Failures::new();
            let lf = counting(10).lazy().par_apply().failures(&failures);
            let lf = lf.rows(|i: i64| -> anyhow::Result<i64> { Ok(i) });
            assert_eq!(collected(&lf, engine).unwrap().height(), 10);

            let texts = df!["text" => ["1", "x"]].unwrap().lazy();
            let bad = texts.par_apply().failures(&failures);
            let bad = bad.rows(|text: &str| text.parse::<i64>());
            assert_eq!(collected(&bad, engine).unwrap().height(), 2);
            assert_eq!(collected(&lf, engine).unwrap().height(), 10);

            let failures = failures.take();
            assert_eq!(failures.height(), 1);
            assert_eq!(
                failures.column("text").unwrap().str().unwrap().get(0),
                Some("x")
            );
        }
    });
}
