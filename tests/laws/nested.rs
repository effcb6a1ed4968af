//! Promise 11: a call inside a call, inside any pool, or inside a query never hangs, and never starts rayon's global pool.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use polars_core::runtime::RAYON;
use polars_par_apply::Result;
use polars_par_apply::prelude::*;

use crate::frames::{alone, assert_same, counting, watched};

/// A call inside a call, each run in the given way.
fn nested(
    outer: impl for<'a> Fn(Apply<'a, 'static>) -> Apply<'a, 'static> + Send + Sync + 'static,
    inner: impl for<'a> Fn(Apply<'a, 'static>) -> Apply<'a, 'static> + Send + Sync + 'static,
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
    alone("nested::calls_before_the_global_pool_is_built", |command| {
        command
    });
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
    alone("nested::everything_on_one_thread", |command| {
        command.env("POLARS_MAX_THREADS", "1")
    });
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
    in_hand_in_every_pool();
    in_hand_inside_each_other();
    in_hand_inside_a_rayon_pool_of_the_user_s();
    in_hand_inside_tokio();
    in_hand_inside_lazy_queries_on_both_engines();
    crate::pools::workers_are_never_exceeded();
}

/// A call with all options that control a long run, over 2,000 rows, four of which fail twice.
fn in_hand(apply: Apply<'_, 'static>) {
    let (token, mut calls, ends) = (CancelToken::new(), 0, AtomicUsize::new(0));
    let outcome = apply
        .on_error(OnError::Null)
        .max_failures(4)
        .retry(Retry::attempts(2).min_delay(Duration::from_micros(200)))
        .cancel_token(&token)
        .deadline(Duration::from_secs(3600))
        .on_cancel(OnCancel::Partial)
        .progress(|tick: Tick| {
            ends.fetch_add(usize::from(tick.state == TickState::Finished), SeqCst);
        })
        .state(|| 0)
        .finish(|of_one: usize| calls += of_one)
        .seed(1)
        .rows(|calls: &mut usize, _: &mut RowRng, i: i64| {
            *calls += 1;
            anyhow::ensure!(i % 500 != 7, "seven");
            Ok(i)
        })
        .unwrap();
    let expected = (0..2000).map(|i| (i % 500 != 7).then_some(i));
    assert!(outcome.output.i64().unwrap().iter().eq(expected));
    assert_eq!((outcome.stats.failures, outcome.stats.retries), (4, 4));
    assert_eq!((calls, ends.into_inner()), (2004, 1));
    assert!(!outcome.stats.cancelled);
}

/// [`in_hand`] on the ways that work is shared out.
fn in_hand_on(pool: &Pool) {
    let df = counting(2000);
    in_hand(df.par_apply().pool(pool));
    in_hand(df.par_apply().pool(pool).partitions(100));
    in_hand(df.par_apply().pool(pool).sequential());
}

/// Calls [`in_hand_on`] within calls that have these options themselves.
fn in_hand_twice(outer: &Pool, inner: &Pool) {
    let (df, mut calls) = (counting(12), 0);
    let outcome = df
        .par_apply()
        .pool(outer)
        .partitions(6)
        .on_error(OnError::Skip)
        .retry(Retry::attempts(2).min_delay(Duration::from_millis(1)))
        .deadline(Duration::from_secs(3600))
        .state(|| 0)
        .finish(|of_one: usize| calls += of_one)
        .rows(|calls: &mut usize, i: i64| {
            let before = *calls;
            in_hand_on(inner);
            assert_eq!(*calls, before, "a state is shared");
            *calls += 1;
            anyhow::ensure!(i != 5, "five");
            Ok(i)
        })
        .unwrap();
    assert_eq!(outcome.output.len(), 11);
    assert_eq!((outcome.stats.failures, outcome.stats.retries), (1, 1));
    assert_eq!(calls, 13);
}

#[test]
fn in_hand_in_every_pool() {
    for workers in [1, 2, 5] {
        watched(move || in_hand_on(&Pool::new(workers).unwrap()));
    }
    watched(|| in_hand_on(&Pool::default()));
}

#[test]
fn in_hand_inside_each_other() {
    let (one, three) = (Pool::new(1).unwrap(), Pool::new(3).unwrap());
    let polars = Pool::default();
    for (outer, inner) in [
        (&polars, &polars),
        (&one, &one),
        (&three, &three),
        (&one, &three),
        (&three, &polars),
        (&polars, &three),
    ] {
        let (outer, inner) = (outer.clone(), inner.clone());
        watched(move || in_hand_twice(&outer, &inner));
    }
}

#[test]
fn in_hand_inside_a_rayon_pool_of_the_user_s() {
    for threads in [1, 2] {
        watched(move || {
            let users = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let own = Pool::new(2).unwrap();
            users.install(|| in_hand_twice(&Pool::default(), &own));
            users.join(
                || in_hand_on(&own),
                || in_hand_twice(&own, &Pool::default()),
            );
            let done = AtomicUsize::new(0);
            users.scope(|scope| {
                for i in 0..6 {
                    let (own, done) = (&own, &done);
                    scope.spawn(move |_| {
                        let pool = if i % 2 == 0 {
                            own.clone()
                        } else {
                            Pool::default()
                        };
                        in_hand_on(&pool);
                        done.fetch_add(1, SeqCst);
                    });
                }
            });
            assert_eq!(done.into_inner(), 6);
            let (sender, receiver) = std::sync::mpsc::channel();
            users.spawn(move || {
                in_hand_on(&own);
                sender.send(()).unwrap();
            });
            receiver.recv().unwrap();
        });
    }
}

/// A call holds the thread that it is made on: a worker of the runtime, or one of its threads for blocking calls.
#[test]
fn in_hand_inside_tokio() {
    for workers in [1, 2] {
        watched(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(workers)
                .build()
                .unwrap();
            let own = Pool::new(2).unwrap();
            runtime.block_on(async {
                let tasks: Vec<_> = (0..8)
                    .map(|i| {
                        let own = own.clone();
                        let calls = move || match i % 3 {
                            0 => in_hand_on(&Pool::default()),
                            1 => in_hand_on(&own),
                            _ => in_hand_twice(&own, &Pool::default()),
                        };
                        match i {
                            0..6 => tokio::spawn(async move { calls() }),
                            _ => tokio::task::spawn_blocking(calls),
                        }
                    })
                    .collect();
                in_hand_on(&Pool::default());
                for task in tasks {
                    task.await.unwrap();
                }
            });
        });
    }
}

#[test]
fn in_hand_inside_lazy_queries_on_both_engines() {
    let expected: Vec<Option<i64>> = (0..100_000)
        .map(|i| (i % 5000 != 7).then_some(i * 2))
        .collect();
    let expected = Column::new("twice".into(), expected);
    let own = Pool::new(2).unwrap();
    let schema = SchemaRef::new(Schema::from_iter([Field::new(
        "twice".into(),
        DataType::Int64,
    )]));
    for flags in [
        AllowedOptimizations::default(),
        AllowedOptimizations::default() | OptFlags::STREAMING,
    ] {
        for engine in [Engine::InMemory, Engine::Streaming] {
            for pool in [Pool::default(), own.clone()] {
                let seen = Arc::new(Mutex::new((0, 0, 0)));
                let tally = Arc::clone(&seen);
                let step = move |df: DataFrame| -> PolarsResult<DataFrame> {
                    let mut calls = 0;
                    let outcome = df
                        .par_apply()
                        .pool(&pool)
                        .names(["twice"])
                        .on_error(OnError::Null)
                        .retry(Retry::attempts(3).min_delay(Duration::from_micros(100)))
                        .deadline(Duration::from_secs(3600))
                        .state(|| 0)
                        .finish(|of_one: usize| calls += of_one)
                        .rows(|calls: &mut usize, i: i64| {
                            *calls += 1;
                            anyhow::ensure!(i % 5000 != 7, "seven");
                            Ok(i * 2)
                        })?;
                    let mut seen = tally.lock().unwrap();
                    seen.0 += calls;
                    seen.1 += outcome.stats.failures;
                    seen.2 += outcome.stats.retries;
                    Ok(outcome.output.into_frame())
                };
                let schema = schema.clone();
                let schema: Arc<dyn UdfSchema> = Arc::new(move |_: &Schema| Ok(schema.clone()));
                let query = counting(100_000)
                    .lazy()
                    .map(step, flags, Some(schema), Some("twice"));
                let df = watched(move || query.collect_with_engine(engine))
                    .unwrap()
                    .unwrap_single();
                let what = format!("{engine:?}, {flags:?}");
                assert_same(&df.columns()[0], &expected, &what);
                assert_eq!(*seen.lock().unwrap(), (100_040, 20, 40), "{what}");
            }
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn no_threads_are_started_unless_asked_for() {
    let test = "nested::threads_of_a_process_of_its_own";
    alone(test, |command| command);
    alone(test, |command| command.env("POLARS_MAX_THREADS", "1"));
}

/// Returns the names of this process's threads.
#[cfg(target_os = "linux")]
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    // A thread that has ended meanwhile has no name.
    let names = tasks.filter_map(|task| {
        let name = std::fs::read_to_string(task.unwrap().path().join("comm")).ok()?;
        Some(name.trim_end().to_string())
    });
    names.collect()
}

/// Returns how many of them are workers of a pool of this crate.
#[cfg(target_os = "linux")]
fn own_workers() -> usize {
    let is_worker = |name: &String| {
        let number = name.strip_prefix("par-apply-");
        number.is_some_and(|number| number.parse::<usize>().is_ok())
    };
    threads().iter().filter(|name| is_worker(name)).count()
}

#[test]
#[ignore = "run by no_threads_are_started_unless_asked_for, in a process of its own"]
#[cfg(target_os = "linux")]
fn threads_of_a_process_of_its_own() {
    let engines = || {
        for engine in [Engine::InMemory, Engine::Streaming] {
            let flags = AllowedOptimizations::default() | OptFlags::STREAMING;
            let step = |df: DataFrame| -> PolarsResult<DataFrame> {
                assert_eq!(own_workers(), 0);
                let df = df.par_apply_rows(|i: i64| i)?.into_frame();
                assert_eq!(own_workers(), 0);
                Ok(df)
            };
            let query = counting(300_000).lazy().map(step, flags, None, None);
            query.collect_with_engine(engine).unwrap();
            let row = |i: i64| {
                if i % 10_000 == 0 {
                    assert_eq!(own_workers(), 0);
                }
                i
            };
            let query = counting(300_000).lazy().par_apply().names(["j"]).rows(row);
            let query = query.filter(rows(["j"]).apply(move |j: i64| row(j) >= 0));
            let rows = query.collect_with_engine(engine).unwrap().unwrap_single();
            assert_eq!(rows.height(), 300_000);
        }
    };
    watched(move || {
        // These are Polars' own threads, which it starts when it needs them.
        RAYON.install(|| ());
        engines();
        let before = threads().len();

        let (df, small) = (counting(100), counting(20_000));
        let most = AtomicUsize::new(0);
        let own = AtomicUsize::new(0);
        let sums = df
            .par_apply()
            .partitions(20)
            .rows(|i: i64| -> Result<i64> {
                most.fetch_max(threads().len(), SeqCst);
                own.fetch_max(own_workers(), SeqCst);
                let column = small.par_apply().partitions(10).rows(|j: i64| i + j)?;
                small.par_apply_chunks(|part: DataFrame| part)?;
                small.par_apply_columns(|_: &Column| 1)?;
                Ok(column.i64()?.sum().unwrap_or(0))
            })
            .unwrap();
        assert_eq!(sums.len(), 100);
        let most = most.into_inner();
        assert!(most <= before, "{most}, and {before} before");
        engines();
        // All deadlines share one thread, which is not a worker.
        let polars = Pool::default();
        in_hand_on(&polars);
        in_hand_twice(&polars, &polars);
        assert_eq!(own.into_inner(), 0);
        assert_eq!(own_workers(), 0);

        // If more workers are asked for than Polars' pool has, their threads end with the call.
        let workers = RAYON.current_num_threads() + 2;
        df.par_apply()
            .workers(workers)
            .partitions(50)
            .rows(|_: i64| {
                // A thread sets its own name, so it may take a while to be seen.
                while own_workers() < workers {
                    std::thread::yield_now();
                }
                assert_eq!(own_workers(), workers);
            })
            .unwrap();
        while own_workers() > 0 {
            std::thread::yield_now();
        }
    });
}
