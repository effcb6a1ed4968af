//! Promise 11: a call inside a call, inside any pool, inside a query: it never hangs, nor builds rayon's global pool.

use std::process::Command;
use std::sync::Arc;

use polars_core::runtime::RAYON;
use polars_par_apply::prelude::*;

use crate::frames::{assert_same, counting, watched};

/// A call inside a call, on the way given for each.
fn nested(
    outer: impl Fn(Apply<'_>) -> Apply<'_> + Send + Sync + 'static,
    inner: impl Fn(Apply<'_>) -> Apply<'_> + Send + Sync + 'static,
) {
    watched(move || {
        let (df, small) = (counting(300), counting(2000));
        let sums = outer(df.par_apply().partitions(50))
            .rows(|i: i64| -> anyhow::Result<i64> {
                let column = inner(small.par_apply()).rows(|j: i64| i + j)?;
                let parts = inner(small.par_apply().partitions(5)).rows(|j: i64| j)?;
                Ok(column.i64()?.sum().unwrap_or(0) + parts.i64()?.sum().unwrap_or(0))
            })
            .unwrap();
        let expected = (0..300).map(|i| 2000 * i + 2 * 1_999_000);
        assert!(sums.i64().unwrap().into_no_null_iter().eq(expected));
    });
}

#[test]
fn nested_in_polars_pool() {
    nested(|a| a, |a| a);
    nested(|a| a.workers(3), |a| a);
    nested(|a| a, |a| a.workers(1));
}

#[test]
fn nested_in_pools_of_one_s_own() {
    let (one, three) = (Pool::new(1).unwrap(), Pool::new(3).unwrap());
    for (outer, inner) in [
        (&one, &one),
        (&one, &three),
        (&three, &one),
        (&three, &three),
    ] {
        let (outer, inner) = (outer.clone(), inner.clone());
        nested(move |a| a.pool(&outer), move |a| a.pool(&inner));
    }
    let (outer, inner) = (three.clone(), three.clone());
    nested(move |a| a.pool(&outer), |a| a);
    nested(|a| a, move |a| a.pool(&inner));
    nested(|a| a, |a| a.workers(3));
}

#[test]
fn nested_parts_and_columns() {
    watched(|| {
        let df = counting(1000);
        let sums = df
            .par_apply()
            .workers(3)
            .partitions(20)
            .chunks(|part: DataFrame| -> PolarsResult<i64> {
                let columns = part
                    .par_apply()
                    .workers(2)
                    .columns(|v: Values<'_, i64>| v.iter().sum::<i64>())?;
                let rows = part.par_apply_rows(|i: i64| i)?;
                Ok(columns.column("i")?.i64()?.sum().unwrap() - rows.i64()?.sum().unwrap())
            })
            .unwrap();
        assert_eq!(sums.i64().unwrap().to_vec(), [Some(0); 20]);
    });
}

#[test]
fn inside_a_rayon_pool_of_the_user_s() {
    for threads in [1, 2, 5] {
        watched(move || {
            use rayon::prelude::*;

            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let own = Pool::new(2).unwrap();
            let df = counting(3000);
            let sums: Vec<i64> = pool.install(|| {
                (0..40i64)
                    .into_par_iter()
                    .map(|n| {
                        let apply = match n % 3 {
                            0 => df.par_apply(),
                            1 => df.par_apply().pool(&own),
                            _ => df.par_apply().workers(4).partitions(10),
                        };
                        apply
                            .rows(|i: i64| i + n)
                            .unwrap()
                            .i64()
                            .unwrap()
                            .sum()
                            .unwrap()
                    })
                    .collect()
            });
            assert!(sums.into_iter().eq((0..40).map(|n| 4_498_500 + 3000 * n)));
        });
    }
}

#[test]
fn inside_polars_pool() {
    watched(|| {
        let df = counting(20_000);
        let sum = RAYON.install(|| df.par_apply_rows(|i: i64| i).unwrap().i64().unwrap().sum());
        assert_eq!(sum, Some(199_990_000));
        let (a, b) = RAYON.join(
            || df.par_apply().workers(3).rows(|i: i64| i).unwrap().len(),
            || {
                df.par_apply()
                    .partitions(9)
                    .chunks(|part: DataFrame| part)
                    .unwrap()
                    .height()
            },
        );
        assert_eq!((a, b), (20_000, 20_000));
    });
}

#[test]
fn many_threads_at_once() {
    watched(|| {
        let df = Arc::new(counting(5000));
        let pool = Pool::new(2).unwrap();
        let threads: Vec<_> = (0..16)
            .map(|n| {
                let (df, pool) = (Arc::clone(&df), pool.clone());
                std::thread::spawn(move || {
                    let apply = if n % 2 == 0 {
                        df.par_apply().pool(&pool)
                    } else {
                        df.par_apply()
                    };
                    apply
                        .rows(|i: i64| i + n)
                        .unwrap()
                        .i64()
                        .unwrap()
                        .sum()
                        .unwrap()
                })
            })
            .collect();
        for (n, thread) in threads.into_iter().enumerate() {
            assert_eq!(thread.join().unwrap(), 12_497_500 + 5000 * n as i64);
        }
    });
}

/// A row function as a step of a lazy query.
fn query(flags: AllowedOptimizations, pool: Option<Pool>, workers: Option<usize>) -> LazyFrame {
    let x: Vec<Option<i64>> = (0..300_000).map(|i| (i % 10 > 0).then_some(i)).collect();
    let schema = SchemaRef::new(Schema::from_iter([Field::new(
        "y".into(),
        DataType::Float64,
    )]));
    let schema: Arc<dyn UdfSchema> = Arc::new(move |_: &Schema| Ok(schema.clone()));
    let step = move |df: DataFrame| -> PolarsResult<DataFrame> {
        let mut apply = df.par_apply().names(["y"]);
        if let Some(pool) = &pool {
            apply = apply.pool(pool);
        }
        if let Some(workers) = workers {
            apply = apply.workers(workers);
        }
        Ok(apply.rows(|x: i64| x as f64 / 2.0)?.into_frame())
    };
    df!["x" => x]
        .unwrap()
        .lazy()
        .map(step, flags, Some(schema), Some("halve"))
}

#[test]
fn inside_lazy_queries_on_both_engines() {
    let expected: Vec<Option<f64>> = (0..300_000)
        .map(|i| (i % 10 > 0).then_some(f64::from(i) / 2.0))
        .collect();
    let expected = Column::new("y".into(), expected);
    let own = Pool::new(2).unwrap();
    for flags in [
        AllowedOptimizations::default(),
        AllowedOptimizations::default() | OptFlags::STREAMING,
    ] {
        for engine in [Engine::InMemory, Engine::Streaming] {
            for (pool, workers) in [
                (None, None),
                (Some(own.clone()), None),
                (None, Some(3)),
                (None, Some(1)),
            ] {
                let query = query(flags, pool, workers);
                let df = watched(move || query.collect_with_engine(engine))
                    .unwrap()
                    .unwrap_single();
                assert_same(
                    &df.columns()[0],
                    &expected,
                    &format!("{engine:?}, {flags:?}"),
                );
            }
        }
    }
}

#[test]
fn an_error_inside_a_lazy_query_is_the_query_s() {
    for engine in [Engine::InMemory, Engine::Streaming] {
        let step = |df: DataFrame| -> PolarsResult<DataFrame> {
            Ok(df
                .par_apply_rows(|i: i64| if i == 7 { panic!("seven") } else { i })?
                .into_frame())
        };
        let query = counting(10)
            .lazy()
            .map(step, AllowedOptimizations::default(), None, None);
        let error = watched(move || query.collect_with_engine(engine))
            .map(|_| ())
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("row 7: the closure panicked: seven"),
            "{error}"
        );
    }
}

#[test]
fn rayon_s_global_pool_is_left_alone() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "nested::calls_before_the_global_pool_is_built",
            "--ignored",
            "--test-threads=1",
        ])
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{stdout}"
    );
}

#[test]
#[ignore = "run by rayon_s_global_pool_is_left_alone, in a process of its own"]
fn calls_before_the_global_pool_is_built() {
    watched(|| {
        let df = counting(20_000);
        let own = Pool::new(2).unwrap();
        for apply in [
            df.par_apply(),
            df.par_apply().workers(5),
            df.par_apply().workers(5).partitions(50),
            df.par_apply().pool(&own),
            df.par_apply().sequential(),
        ] {
            apply.clone().rows(|i: i64| i.to_string()).unwrap();
            apply
                .clone()
                .columns(|v: Values<'_, i64>| v.iter().sum::<i64>())
                .unwrap();
            apply.chunks(|part: DataFrame| part).unwrap();
        }
        for engine in [Engine::InMemory, Engine::Streaming] {
            let flags = AllowedOptimizations::default() | OptFlags::STREAMING;
            query(flags, None, None)
                .collect_with_engine(engine)
                .unwrap();
            query(flags, None, Some(3))
                .collect_with_engine(engine)
                .unwrap();
        }
        rayon::ThreadPoolBuilder::new()
            .num_threads(3)
            .build_global()
            .expect("nobody has built it");
        assert_eq!(rayon::current_num_threads(), 3);
    });
}

#[test]
fn one_thread_in_polars_pool() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "nested::everything_on_one_thread",
            "--ignored",
            "--test-threads=1",
        ])
        .env("POLARS_MAX_THREADS", "1")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{stdout}"
    );
}

#[test]
#[ignore = "run by one_thread_in_polars_pool, in a process of its own"]
fn everything_on_one_thread() {
    assert_eq!(RAYON.current_num_threads(), 1);
    nested_in_polars_pool();
    nested_in_pools_of_one_s_own();
    nested_parts_and_columns();
    inside_a_rayon_pool_of_the_user_s();
    inside_polars_pool();
    inside_lazy_queries_on_both_engines();
    crate::pools::workers_are_never_exceeded();
}
