//! Closures on a `LazyFrame` give the eager answer, failing rows have their number in the whole frame, and files are complete.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use polars_par_apply::prelude::*;
use polars_par_apply::{Error, Result, TickState};

use crate::engines::{ENGINES, collected, stacked};
use crate::frames::{assert_same, assert_same_frame, counting, held_back, refuse_unless, watched};

#[test]
fn several_cells_are_columns_by_every_way() {
    watched(|| {
        let df = counting(200_000);
        let halves = |i: i64| (i / 2, format!("{i}"), (i % 3 > 0).then_some(i as f64));
        let names = ["half", "text", "some"];
        let mut eager = df.clone();
        let columns = df.par_apply().names(names).rows(halves).unwrap();
        eager.hstack_mut(columns.columns()).unwrap();
        let call = || df.clone().lazy().par_apply().names(names);
        for engine in ENGINES {
            let out = collected(&call().rows(halves), engine).unwrap();
            assert!(out.equals_missing(&eager));
        }
        assert!(
            stacked(call().row_batches(halves))
                .unwrap()
                .equals_missing(&eager)
        );
    });
}

/// Rows are counted over the whole frame, wherever it is cut, even if some were filtered out before.
#[test]
fn a_row_that_fails_is_named_in_the_whole_frame() {
    watched(|| {
        let lf = counting(300_000).lazy().filter(col("i").gt_eq(lit(100)));
        let parse = |i: i64| match i {
            234_567 => Err(anyhow::anyhow!("no good")),
            i => Ok(i),
        };
        let message = "row 234467: the closure returned an error: no good";
        for engine in ENGINES {
            let said = collected(&lf.clone().par_apply_rows(parse), engine);
            let said = said.unwrap_err().to_string();
            assert!(said.starts_with(message), "{said}");
            let both = lf.clone().par_apply().names(["a", "b"]);
            let both = both.rows(move |i: i64| parse(i).map(|i| (i, i)));
            let said = collected(&both, engine).unwrap_err().to_string();
            assert!(said.starts_with(message), "{said}");

            let panics = |i: i64| {
                assert_ne!(i, 234_567);
                i
            };
            let numbered = lf.clone().par_apply().numbered(true).rows(panics);
            let said = collected(&numbered, engine).unwrap_err().to_string();
            assert!(
                said.starts_with("row 234467: the closure panicked"),
                "{said}"
            );
            let plain = lf.clone().par_apply().numbered(false).rows(parse);
            let said = collected(&plain, engine).unwrap_err().to_string();
            assert!(said.contains("in a batch of "), "{said}");

            let null = when(col("i").eq(lit(234_567)))
                .then(lit(NULL))
                .otherwise(col("i"));
            let nulls = lf.clone().with_columns([null.alias("i")]);
            let strict = nulls.par_apply().nulls(Nulls::Error).rows(|i: i64| i);
            let said = collected(&strict, engine).unwrap_err().to_string();
            assert!(
                said.starts_with("column \"i\" is null in row 234467"),
                "{said}"
            );
        }
        // The column of numbers is not in the output.
        let fine = collected(
            &lf.par_apply_rows(|i: i64| anyhow::Ok(i)),
            Engine::Streaming,
        );
        assert_eq!(fine.unwrap().get_column_names(), ["i", "par_apply"]);
    });
}

#[test]
fn failures_are_null_and_collected() {
    watched(|| {
        let df = counting(250_000);
        let odd = |i: i64| match i % 100_000 {
            77 => Err(anyhow::anyhow!("no {i}")),
            78 => panic!("never {i}"),
            _ => Ok(i),
        };
        let mut eager = df.par_apply().on_error(OnError::Null).rows(odd).unwrap();
        assert_eq!(eager.stats.failures, 6);
        // How often depends on the workers.
        eager.failures = eager.failures.drop("attempts").unwrap();
        for engine in ENGINES {
            let failures = Failures::new();
            let lf = df.clone().lazy().par_apply().failures(&failures).rows(odd);
            let out = collected(&lf, engine).unwrap();
            assert_same(out.column("par_apply").unwrap(), &eager.output, "nulls");
            assert_eq!(failures.len(), 6);
            let collected = failures.take().drop("attempts").unwrap();
            assert_same_frame(&collected, &eager.failures, "failures");
            assert!(failures.is_empty());
        }
        let failures = Failures::new();
        let batches = df
            .clone()
            .lazy()
            .par_apply()
            .failures(&failures)
            .row_batches(odd);
        let out = stacked(batches).unwrap();
        assert_same(out.column("par_apply").unwrap(), &eager.output, "nulls");
        let collected = failures.take().drop("attempts").unwrap();
        assert_same_frame(&collected, &eager.failures, "failures");
    });
}

#[test]
fn too_many_failures_fail_the_query() {
    watched(|| {
        for engine in ENGINES {
            let failures = Failures::new().max_failures(3);
            let call = counting(250_000).lazy().par_apply().failures(&failures);
            let lf = call.rows(move |i: i64| refuse_unless(i % 50_000 != 7, "no good"));
            let said = collected(&lf, engine).unwrap_err().to_string();
            assert!(
                said.contains("more than the 3 failures that .max_failures(…) allows"),
                "{said}"
            );
        }
        let failures = Failures::new().max_failures(0);
        let call = counting(10).lazy().par_apply().failures(&failures);
        let mut batches = call.row_batches(|i: i64| refuse_unless(i != 7, "no good"));
        let error = batches.next().unwrap().unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::TooManyFailures { limit: 0, .. }
        ));
        assert_eq!(error.row(), Some(7));
    });
}

/// Returns the option that cannot be followed, as the error says.
fn refused(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Option { option, .. } => option,
        _ => panic!("{error}"),
    }
}

#[test]
fn options_that_a_verb_cannot_follow_are_refused() {
    let call = || counting(3).lazy().par_apply();
    let mut planned = call().on_error(OnError::Collect).rows(|i: i64| i);
    let said = planned.collect_schema().unwrap_err().to_string();
    assert!(
        said.contains(".on_error(…): a query has no outcome"),
        "{said}"
    );
    let mut stream = call().on_error(OnError::Collect).row_batches(|i: i64| i);
    assert_eq!(refused(&stream.next().unwrap().unwrap_err()), "on_error");
    for (policy, why) in [
        (
            OnError::Skip,
            "an expression gives one row for each input row",
        ),
        (OnError::Collect, "a query has no outcome"),
    ] {
        let expression = rows(["i"]).on_error(policy).apply(|i: i64| i);
        let planned = counting(3).lazy().select([expression]).collect_schema();
        let said = planned.unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    }
    let failures = Failures::new();
    let mut planned = call().failures(&failures).on_error(OnError::Fail);
    let said = planned
        .clone()
        .rows(|i: i64| i)
        .collect_schema()
        .unwrap_err();
    assert!(
        said.to_string()
            .contains("OnError::Fail lets no failure pass")
    );

    type Given = fn(LazyApply) -> LazyApply;
    let of_rows: [(&str, Given); 7] = [
        ("names", |call| call.names(["x"])),
        ("nulls", |call| call.nulls(Nulls::Error)),
        ("casts", |call| call.casts(Casts::Lossy)),
        ("returns", |call| call.returns([DataType::Int64])),
        ("numbered", |call| call.numbered(true)),
        ("failures", |call| call.failures(&Failures::new())),
        ("on_error", |call| call.on_error(OnError::Null)),
    ];
    for (option, given) in of_rows {
        let same = |input: &Schema| input.clone();
        let mut planned = given(call()).chunks(same, |df: DataFrame| df);
        let said = planned.collect_schema().unwrap_err().to_string();
        assert!(
            said.starts_with(&format!(".{option}(…): it is for functions of rows")),
            "{said}"
        );
        let mut stream = given(call()).batches(|df: DataFrame| df);
        assert_eq!(refused(&stream.next().unwrap().unwrap_err()), option);
        let mut stream = given(call())
            .state(|| 0)
            .batches(|_: &mut i32, df: DataFrame| df);
        assert_eq!(refused(&stream.next().unwrap().unwrap_err()), option);
    }
    planned = call().row_wise();
    let said = planned
        .clone()
        .rows(|i: i64| i)
        .collect_schema()
        .unwrap_err();
    assert!(said.to_string().contains(".row_wise(…)"), "{said}");
    let mut stream = planned.row_batches(|i: i64| i);
    assert_eq!(refused(&stream.next().unwrap().unwrap_err()), "row_wise");
    for (option, planned) in [
        ("plan_name", call().plan_name("f")),
        ("numbered", call().numbered(false)),
    ] {
        let mut stream = planned.row_batches(|i: i64| i);
        assert_eq!(refused(&stream.next().unwrap().unwrap_err()), option);
    }
}

/// All options that a verb cannot follow are reported together, as for a call over a frame.
#[test]
fn all_that_a_verb_cannot_follow_is_reported_at_once() {
    let call = || counting(3).lazy().par_apply();
    let same = |input: &Schema| input.clone();
    let parts = call().keep(["i"]).names(["x"]).numbered(true);
    let said = parts.chunks(same, |df: DataFrame| df).collect_schema();
    let said = said.unwrap_err().to_string();
    let of_rows = "(…): it is for functions of rows";
    for part in [
        format!(".names{of_rows}"),
        format!(".numbered{of_rows}"),
        ".keep(…): it is for .flat_map_rows(f)".to_string(),
    ] {
        assert_eq!(said.matches(&part).count(), 1, "{part}: {said}");
    }
    let rows = call().row_wise().plan_name("f").numbered(true);
    let error = rows.row_batches(|i: i64| i).next().unwrap().unwrap_err();
    let ErrorKind::Several(faults) = error.kind() else {
        panic!("{error}");
    };
    let options: Vec<&str> = faults.iter().map(refused).collect();
    assert_eq!(options, ["plan_name", "numbered", "row_wise"]);
    // The policy that `failures` implies is not reported as given.
    let parts = call().failures(&Failures::new());
    let mut stream = parts.batches(|df: DataFrame| df);
    assert_eq!(refused(&stream.next().unwrap().unwrap_err()), "failures");
}

/// The options have the same meaning as in the eager call.
#[test]
fn casts_nulls_and_dtypes_are_checked() {
    watched(|| {
        let lf = df!["x" => [Some(1.5), None]].unwrap().lazy();
        let call = || lf.clone().par_apply().names(["y"]);
        let lossy = |x: Option<i64>| x.unwrap_or(-1);
        let y = |df: DataFrame| df.column("y").unwrap().i64().unwrap().to_vec();
        for engine in ENGINES {
            let cast = collected(&call().casts(Casts::Lossy).rows(lossy), engine).unwrap();
            assert_eq!(y(cast), [Some(1), Some(-1)]);
            let strict = collected(&call().nulls(Nulls::Error).rows(|x: f64| x), engine);
            let said = strict.unwrap_err().to_string();
            assert!(said.starts_with("column \"x\" is null in row 1"), "{said}");
        }
        let cast = stacked(call().casts(Casts::Lossy).row_batches(lossy)).unwrap();
        assert_eq!(y(cast), [Some(1), Some(-1)]);
        let strict = call().nulls(Nulls::Error).row_batches(|x: f64| x);
        let error = stacked(strict).unwrap_err();
        assert_eq!((error.row(), error.column()), (Some(1), Some("x")));

        #[derive(FromRow)]
        struct Whole {
            x: i64,
        }
        let said = |mut lf: LazyFrame| lf.collect_schema().unwrap_err().to_string();
        for said in [
            said(call().rows(lossy)),
            said(call().rows(|whole: Whole| whole.x)),
        ] {
            assert!(said.contains("column \"x\" is Float64"), "{said}");
        }
        let wrong = said(call().returns([DataType::String]).rows(|x: f64| x));
        assert!(
            wrong.contains("column \"y\": results of type Float64 cannot become String"),
            "{wrong}"
        );
    });
}

/// If two rows fail at the same time, both are known, and the error is that of the lower one.
#[test]
fn progress_and_two_failures_at_once() {
    watched(|| {
        for _ in 0..20 {
            let call = counting(64).lazy().par_apply().progress(|_: Tick| ());
            let lf = call.rows(move |i: i64| -> anyhow::Result<i64> {
                std::thread::sleep(std::time::Duration::from_millis(1));
                anyhow::ensure!(i <= 8, "no good");
                Ok(i)
            });
            let said = collected(&lf, Engine::InMemory).unwrap_err().to_string();
            assert!(
                said.starts_with("row 9: the closure returned an error: no good"),
                "{said}"
            );
        }
    });
}

#[test]
fn progress_adds_up_batches() {
    watched(|| {
        for engine in ENGINES {
            for fails in [false, true] {
                let ticks = Arc::new(Mutex::new(Vec::new()));
                let told = ticks.clone();
                let call = counting(250_000).lazy().par_apply().total_rows(250_000);
                let call = call.progress(move |tick: Tick| told.lock().unwrap().push(tick));
                let lf = call.rows(move |i: i64| match fails && i == 200_000 {
                    true => anyhow::bail!("no good"),
                    false => Ok(i),
                });
                assert_eq!(collected(&lf, engine).is_err(), fails);
                let ticks = ticks.lock().unwrap();
                assert!(ticks.windows(2).all(|two| two[0].done <= two[1].done));
                let last = ticks.last().unwrap();
                if fails {
                    assert_eq!(last.state, TickState::Failed);
                } else {
                    assert_eq!((last.done, last.state), (250_000, TickState::Finished));
                    let ends = ticks.iter().filter(|tick| tick.state != TickState::Running);
                    assert_eq!(ends.count(), 1);
                }
            }
            let lf = counting(10).lazy().par_apply();
            let lf = lf.progress(|_: Tick| panic!("not today")).rows(|i: i64| i);
            let said = collected(&lf, engine).unwrap_err().to_string();
            assert!(
                said.contains(".progress(…): the closure panicked: not today"),
                "{said}"
            );
        }
    });
}

#[test]
fn a_token_ends_a_query() {
    watched(|| {
        for engine in ENGINES {
            let (token, calls) = (CancelToken::new(), Arc::new(AtomicUsize::new(0)));
            let (canceller, counter) = (token.clone(), calls.clone());
            let call = counting(2_000_000).lazy().par_apply().cancel_token(&token);
            let lf = call.rows(move |i: i64| {
                match counter.fetch_add(1, Ordering::SeqCst) {
                    1000 => canceller.cancel(),
                    1001.. => held_back(&canceller),
                    _ => {}
                }
                i
            });
            let said = collected(&lf, engine).unwrap_err().to_string();
            // The error does not say how many rows of a batch were done.
            assert!(said.ends_with("the call was cancelled"), "{said}");
            assert!(calls.load(Ordering::SeqCst) < 1_000_000);
        }
    });
}

#[test]
fn a_chunk_function_has_the_whole_frame_or_is_row_wise() {
    watched(|| {
        let df = counting(250_000);
        for engine in ENGINES {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let heights = seen.clone();
            let lf = df.clone().lazy().par_apply_chunks(
                |input: &Schema| input.clone(),
                move |frame: DataFrame| {
                    heights.lock().unwrap().push(frame.height());
                    frame.reverse()
                },
            );
            assert!(collected(&lf, engine).unwrap().equals(&df.reverse()));
            assert_eq!(*seen.lock().unwrap(), [250_000]);

            let seen = Arc::new(Mutex::new(Vec::new()));
            let heights = seen.clone();
            let twice = move |frame: &DataFrame| -> PolarsResult<DataFrame> {
                heights.lock().unwrap().push(frame.height());
                let twice = frame.column("i")?.i64()?.apply_values(|i| i * 2);
                DataFrame::new(
                    frame.height(),
                    vec![twice.with_name("twice".into()).into_column()],
                )
            };
            let schema = Schema::from_iter([Field::new("twice".into(), DataType::Int64)]);
            let call = df
                .clone()
                .lazy()
                .par_apply()
                .row_wise()
                .plan_name("doubling");
            let lf = call.chunks(schema, twice);
            let plan = lf.clone().explain(true).unwrap();
            assert!(plan.to_lowercase().contains("doubling"), "{plan}");
            let out = collected(&lf, engine).unwrap();
            let expected = df
                .clone()
                .lazy()
                .select([(col("i") * lit(2i64)).alias("twice")]);
            assert!(out.equals(&expected.collect().unwrap()));
            let seen = seen.lock().unwrap();
            assert!(seen.len() > 1, "{seen:?}");
            assert_eq!(seen.iter().sum::<usize>(), 250_000);
        }
    });
}

/// After the engine's first batch, the place is counted in the batch, and the message says so.
#[test]
fn a_row_wise_function_fails_in_its_batch() {
    watched(|| {
        let call = counting(1_000_000).lazy().par_apply().row_wise();
        let lf = call.chunks(
            |input: &Schema| input.clone(),
            |part: DataFrame| -> anyhow::Result<DataFrame> {
                let last = part.column("i")?.i64()?.last();
                anyhow::ensure!(last != Some(999_999), "no good");
                Ok(part)
            },
        );
        for engine in ENGINES {
            let said = collected(&lf, engine).unwrap_err().to_string();
            assert!(
                said.starts_with("in a batch of ") && said.ends_with("no good"),
                "{said}"
            );
        }
    });
}

#[test]
fn the_plan_has_their_names() {
    let rows = counting(1).lazy().par_apply_rows(|i: i64| i);
    let plan = rows.explain(true).unwrap();
    assert!(plan.contains(".par_apply_rows("), "{plan}");
    let chunks = |input: &Schema| input.clone();
    let chunks = counting(1)
        .lazy()
        .par_apply_chunks(chunks, |df: DataFrame| df);
    let plan = chunks.explain(true).unwrap().to_lowercase();
    assert!(plan.contains("par_apply_chunks"), "{plan}");
}

/// Names that look like patterns of Polars are names.
#[test]
fn names_are_no_patterns() {
    watched(|| {
        let df = df!["*" => [1i64], "^x.*$" => [2i64], "x" => [4i64]].unwrap();
        let call = || df.clone().lazy().par_apply().select(["*", "^x.*$"]);
        for engine in ENGINES {
            let both = call()
                .names(["^b.*$", "*"])
                .rows(|a: i64, b: i64| (a + b, a - b));
            let out = collected(&both, engine).unwrap();
            let expected = df!["*" => [-1i64], "^x.*$" => [2i64], "x" => [4i64], "^b.*$" => [3i64]];
            assert_eq!(out, expected.unwrap());
        }
        let batches = call().batches(|df: DataFrame| df.width());
        assert_eq!(batches.sum::<Result<usize>>().unwrap(), 2);
    });
}

#[test]
fn a_chunk_function_fails_clearly() {
    watched(|| {
        let schema = || Schema::from_iter([Field::new("j".into(), DataType::Int64)]);
        for engine in ENGINES {
            for row_wise in [false, true] {
                let said = |f: fn(DataFrame) -> anyhow::Result<DataFrame>| {
                    let mut call = counting(10).lazy().par_apply();
                    if row_wise {
                        call = call.row_wise();
                    }
                    collected(&call.chunks(schema(), f), engine)
                        .unwrap_err()
                        .to_string()
                };
                let wrong = said(Ok);
                assert!(
                    wrong.contains("column 0 of the closure's frame is \"i\" (Int64), but in the schema it is \"j\" (Int64)"),
                    "{wrong}"
                );
                let none = said(|frame| Ok(frame.select(Vec::<String>::new())?));
                assert!(none.contains("has 0 columns"), "{none}");
                let error = said(|_| anyhow::bail!("no good"));
                let message = "part 0 (from row 0): the closure returned an error: no good";
                assert!(error.ends_with(message), "{error}");
                assert_eq!(error.starts_with("in a batch of "), row_wise, "{error}");
                let panic = said(|_| panic!("not today"));
                assert!(panic.contains("the closure panicked: not today"), "{panic}");
            }
            let empty = counting(0).lazy().par_apply().row_wise();
            let empty = empty.chunks(schema(), |_: DataFrame| -> DataFrame { unreachable!() });
            assert_eq!(
                *collected(&empty, engine).unwrap().schema().as_ref(),
                schema()
            );
            // A whole frame without rows is given to the closure: its count is a row.
            let counted = counting(0)
                .lazy()
                .par_apply_chunks(schema(), |frame: DataFrame| {
                    df!["j" => [frame.height() as i64]].unwrap()
                });
            assert_eq!(
                collected(&counted, engine).unwrap(),
                df!["j" => [0i64]].unwrap()
            );
        }
        // A schema that cannot be made.
        let unmade =
            |_: &Schema| -> PolarsResult<Schema> { polars_bail!(ComputeError: "no schema") };
        let unmade = counting(1)
            .lazy()
            .par_apply_chunks(unmade, |df: DataFrame| df);
        let said = unmade.clone().collect_schema().unwrap_err().to_string();
        assert!(said.contains("no schema"), "{said}");
        let said = collected(&unmade, Engine::Streaming)
            .unwrap_err()
            .to_string();
        assert!(said.contains("no schema"), "{said}");
    });
}

fn formats() -> [(&'static str, FileWriteFormat); 3] {
    [
        ("parquet", FileWriteFormat::Parquet(Arc::default())),
        ("csv", FileWriteFormat::Csv(CsvWriterOptions::default())),
        ("ipc", FileWriteFormat::Ipc(IpcWriterOptions::default())),
    ]
}

fn sink(lf: LazyFrame, path: &Path, format: FileWriteFormat, engine: Engine) -> PolarsResult<()> {
    let target = SinkTarget::Path(PlRefPath::try_from_path(path)?);
    let sink = lf.sink(
        SinkDestination::File { target },
        format,
        UnifiedSinkArgs::default(),
    )?;
    sink.collect_with_engine(engine).map(drop)
}

#[test]
fn every_sink_has_the_results() {
    watched(|| {
        let folder = tempfile::tempdir().unwrap();
        let df = counting(250_000);
        let lf = df.clone().lazy().par_apply().names(["square"]);
        let lf = lf.rows(|i: i64| anyhow::Ok(i * i));
        let squares = lf.clone().collect().unwrap();
        for (name, format) in formats() {
            for engine in ENGINES {
                let path = folder.path().join(name);
                sink(lf.clone(), &path, format.clone(), engine).unwrap();
                let scanned = PlRefPath::try_from_path(&path).unwrap();
                let back = match name {
                    "parquet" => LazyFrame::scan_parquet(scanned, ScanArgsParquet::default()),
                    "csv" => LazyCsvReader::new(scanned).finish(),
                    _ => {
                        let unified = UnifiedScanArgs::default();
                        LazyFrame::scan_ipc(scanned, IpcScanOptions::default(), unified)
                    }
                };
                assert!(back.unwrap().collect().unwrap().equals(&squares), "{name}");
                std::fs::remove_file(&path).unwrap();
            }
        }
    });
}

/// The pattern of the guide: a temporary folder, out of which the file is moved when everything is written.
fn write(
    lf: LazyFrame,
    path: &Path,
    format: FileWriteFormat,
    engine: Engine,
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(path.parent().unwrap())?;
    let half = folder.path().join("half");
    sink(lf, &half, format, engine)?;
    std::fs::rename(&half, path)?;
    Ok(())
}

#[test]
fn a_sink_that_fails_leaves_what_was_there() {
    watched(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all");
        for (name, format) in formats() {
            for engine in ENGINES {
                let lf = |bad: i64| {
                    let lf = counting(250_000).lazy().par_apply().names(["j"]);
                    lf.rows(move |i: i64| refuse_unless(i != bad, "no good").map(|()| i * 2))
                };
                write(lf(-1), &path, format.clone(), engine).unwrap();
                let before = std::fs::read(&path).unwrap();
                let said = write(lf(200_000), &path, format.clone(), engine).unwrap_err();
                let said = said.to_string();
                assert!(
                    said.starts_with("row 200000: "),
                    "{name}, {engine:?}: {said}"
                );
                assert!(std::fs::read(&path).unwrap() == before);
                let left = std::fs::read_dir(folder.path()).unwrap();
                let left: Vec<_> = left.map(|file| file.unwrap().path()).collect();
                assert_eq!(left, [&*path], "{name}, {engine:?}");
            }
        }
    });
}

#[test]
fn a_row_that_fails_late_is_named_and_leaves_no_file() {
    watched(|| {
        let folder = tempfile::tempdir().unwrap();
        let bad = 12_345_678;
        let lf = counting(12_400_000).lazy().par_apply().names(["j"]);
        let lf = lf.rows(move |i: i64| match i == bad {
            true => anyhow::bail!("no good"),
            false => Ok(i as i32),
        });
        let (path, parquet) = (folder.path().join("all"), formats()[0].1.clone());
        let said = write(lf.select([col("j")]), &path, parquet, Engine::Streaming);
        let said = said.unwrap_err().to_string();
        assert!(
            said.starts_with("row 12345678: the closure returned an error: no good"),
            "{said}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    });
}

/// Polars cannot wait on a runtime of one thread: the program of the guide works, and a stream does not unwind.
#[test]
fn within_a_runtime_of_one_thread() {
    watched(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let query = || counting(1000).lazy().par_apply_rows(|i: i64| i + 1);
        for engine in ENGINES {
            let lf = query();
            let blocking = async move {
                let collected = move || collected(&lf, engine).map_err(|error| error.to_string());
                tokio::task::spawn_blocking(collected).await.unwrap()
            };
            assert_eq!(runtime.block_on(blocking).unwrap().shape(), (1000, 2));
        }
        let stream = || {
            counting(1000)
                .lazy()
                .par_apply()
                .row_batches(|i: i64| i + 1)
        };
        let heights = move || stream().map(|batch| batch.unwrap().height()).sum::<usize>();
        let blocking = async { tokio::task::spawn_blocking(heights).await.unwrap() };
        assert_eq!(runtime.block_on(blocking), 1000);
        let ends = async { stream().next().unwrap().err() };
        if let Some(error) = runtime.block_on(ends) {
            let said = error.to_string();
            assert!(
                said.starts_with("Polars panicked when it planned the query"),
                "{said}"
            );
        }
    });
}
