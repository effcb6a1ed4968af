//! Closures on a `LazyFrame`: the eager answer for every dtype, rows that fail named in the whole frame, what is read, and
//! what reaches a sink.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use polars_par_apply::TickState;
use polars_par_apply::prelude::*;

use crate::frames::{
    assert_same, assert_same_frame, counting, every_dtype, layouts, refuse_unless, shown_row,
    watched,
};

const ENGINES: [Engine; 2] = [Engine::InMemory, Engine::Streaming];

fn collected(lf: &LazyFrame, engine: Engine) -> PolarsResult<DataFrame> {
    Ok(lf.clone().collect_with_engine(engine)?.unwrap_single())
}

/// The batches of a stream, one below the other.
fn stacked(batches: impl Iterator<Item = Result<DataFrame>>) -> Result<DataFrame> {
    let mut batches = batches.collect::<Result<Vec<DataFrame>>>()?.into_iter();
    let mut all = batches.next().expect("there is one at least");
    for batch in batches {
        all.vstack_mut(&batch)?;
    }
    Ok(all)
}

/// The closure's results by every way there is; the dtype is told to those that do not know it.
fn agree<M, F>(df: &DataFrame, columns: &[&str], what: &str, f: F)
where
    F: RowFn<M> + Clone + Send + 'static,
    F::Out: IntoRow<Output = Column>,
{
    let select = || columns.iter().copied();
    let eager = df.par_apply().select(select()).names(["out"]);
    let eager = eager.rows(f.clone()).unwrap();
    let call = || {
        let call = df.clone().lazy().par_apply().select(select());
        call.names(["out"]).returns(eager.dtype().clone())
    };
    for engine in ENGINES {
        let what = format!("{what}, {engine:?}");
        let lf = call().rows(f.clone());
        let out = collected(&lf, engine).unwrap();
        assert_eq!(out.width(), df.width() + 1);
        assert_same(out.column("out").unwrap(), &eager, &what);

        let expr = rows(columns.iter().map(|name| col(*name)));
        let expr = expr.names(["out"]).returns(eager.dtype().clone());
        let lf = df.clone().lazy().select([expr.apply(f.clone())]);
        let out = collected(&lf, engine).unwrap();
        assert_same(out.column("out").unwrap(), &eager, &what);
    }
    let batches = call().row_batches(f.clone()).chunk_rows(7);
    let out = stacked(batches).unwrap();
    assert_same(
        out.column("out").unwrap(),
        &eager,
        &format!("{what}, batches"),
    );
}

/// What it takes and gives back, for each type of a cell.
macro_rules! cells {
    ($df:ident, $what:ident: $($column:literal $Cell:ty => $of:expr;)*) => {$(
        agree($df, &[$column], &format!("{}, {}", $what, $column), |cell: Option<$Cell>| cell.map($of));
        agree($df, &[$column], &format!("{}, {}, no nulls", $what, $column), |cell: $Cell| $of(cell));
    )*};
}

fn agree_for_every_dtype(df: &DataFrame, what: &str) {
    cells! { df, what:
        "i8" i8 => i8::wrapping_neg;
        "i16" i16 => i16::wrapping_neg;
        "i32" i32 => i32::wrapping_neg;
        "i64" i64 => i64::wrapping_neg;
        "i128" i128 => i128::wrapping_neg;
        "u8" u8 => u8::swap_bytes;
        "u16" u16 => u16::swap_bytes;
        "u32" u32 => u32::swap_bytes;
        "u64" u64 => u64::swap_bytes;
        "f32" f32 => f32::sqrt;
        "f64" f64 => f64::sqrt;
        "bool" bool => |b: bool| !b;
        "str" &str => |text: &str| text.to_uppercase();
        "binary" &[u8] => |bytes: &[u8]| bytes.to_vec();
        "date" NaiveDate => |date: NaiveDate| date;
        "time" NaiveTime => |time: NaiveTime| time;
        "cat" &str => |text: &str| text.to_owned();
        "narrow cat" &str => |text: &str| text.to_owned();
        "enum" &str => |text: &str| text.to_owned();
        "list" Vec<i64> => |items: Vec<i64>| items;
        "array" Vec<i64> => |items: Vec<i64>| items;
        "datetime us" NaiveDateTime => |time: NaiveDateTime| time;
        "duration us" TimeDelta => |time: TimeDelta| time;
    };
    for column in df.columns() {
        let name = column.name().as_str();
        let what = format!("{what}, {name}, any value");
        agree(df, &[name], &what, |value: AnyValue<'_>| {
            value.into_static()
        });
    }
    let names: Vec<&str> = df.columns().iter().map(|c| c.name().as_str()).collect();
    agree(df, &names, &format!("{what}, rows"), shown_row);
}

#[test]
fn every_dtype_gives_the_eager_answer() {
    watched(|| {
        let df = every_dtype(30);
        for (layout, df) in layouts(&df) {
            agree_for_every_dtype(&df, layout);
        }
        agree_for_every_dtype(&df.clear(), "no rows");
        agree_for_every_dtype(&df.head(Some(1)), "one row");
    });
}

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

/// Rows are counted over the whole frame, wherever it is cut, and though some were filtered out before.
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
        // Nothing is left of the numbers.
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
        // How often is that of the workers.
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

#[test]
fn policies_that_a_column_cannot_follow_are_refused() {
    let lf = || counting(3).lazy().par_apply();
    for policy in [OnError::Skip, OnError::Collect] {
        let mut refused = lf().on_error(policy).rows(|i: i64| i);
        let said = refused.collect_schema().unwrap_err().to_string();
        assert!(said.contains(".on_error(…): in a query"), "{said}");
        let mut refused = lf().on_error(policy).row_batches(|i: i64| i);
        let error = refused.next().unwrap().unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::Option {
                option: "on_error",
                ..
            }
        ));
    }
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
                said.contains(".progress(…): it panicked: not today"),
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
                if counter.fetch_add(1, Ordering::SeqCst) == 1000 {
                    canceller.cancel();
                }
                i
            });
            let said = collected(&lf, engine).unwrap_err().to_string();
            assert!(said.contains("the call was cancelled"), "{said}");
            assert!(!said.contains("OnCancel::Partial"), "{said}");
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
            let call = df.clone().lazy().par_apply().row_wise().name("doubling");
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
                    wrong.contains("column 0 of the closure's frame is \"i\" Int64, and in the schema it is \"j\" Int64"),
                    "{wrong}"
                );
                let none = said(|frame| Ok(frame.select(Vec::<String>::new())?));
                assert!(none.contains("has 0 columns"), "{none}");
                let error = said(|_| anyhow::bail!("no good"));
                assert!(
                    error.contains("part 0 (from row 0): the closure returned an error: no good"),
                    "{error}"
                );
                let panic = said(|_| panic!("not today"));
                assert!(panic.contains("the closure panicked: not today"), "{panic}");
            }
            let empty = counting(0).lazy().par_apply().row_wise();
            let empty = empty.chunks(schema(), |_: DataFrame| -> DataFrame { unreachable!() });
            assert_eq!(
                *collected(&empty, engine).unwrap().schema().as_ref(),
                schema()
            );
            // The whole of nothing is given: a count of it is a row.
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
        let mut named = counting(1)
            .lazy()
            .par_apply()
            .names(["k"])
            .chunks(schema(), |df: DataFrame| df);
        let said = named.clone().collect().unwrap_err().to_string();
        assert!(said.contains(".names(…)"), "{said}");
        assert_eq!(*named.collect_schema().unwrap().as_ref(), schema());
    });
}

fn wide(folder: &Path) -> LazyFrame {
    let path = folder.join("wide.parquet");
    let mut df = every_dtype(100)
        .drop("null")
        .unwrap()
        .drop("decimal")
        .unwrap();
    df = df.drop("i128").unwrap();
    let file = std::fs::File::create(&path).unwrap();
    ParquetWriter::new(file).finish(&mut df).unwrap();
    let path = PlRefPath::try_from_path(&path).unwrap();
    LazyFrame::scan_parquet(path, ScanArgsParquet::default()).unwrap()
}

/// The columns of the closure and of the rest of the query, and no others; numbers for rows are no column of the file.
#[test]
fn a_scan_reads_what_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let lf = wide(folder.path());
    let reads = |lf: LazyFrame| {
        let plan = lf.explain(true).unwrap();
        let at = plan.find("PROJECT ").unwrap_or_else(|| panic!("{plan}"));
        plan[at..].split(' ').nth(1).unwrap().to_owned()
    };
    let columns = lf.clone().collect_schema().unwrap().len();
    let call = || lf.clone().par_apply().names(["sum"]);
    let sum = call()
        .select(["i64", "i32"])
        .rows(|a: i64, b: i32| a + i64::from(b));
    let used = sum.select([col("str"), col("sum")]);
    assert_eq!(reads(used), format!("3/{columns}"));
    let chunks = lf.clone().par_apply().select(["str", "f64"]).row_wise();
    let chunks = chunks.chunks(|input: &Schema| input.clone(), |frame: DataFrame| frame);
    assert_eq!(reads(chunks), format!("2/{columns}"));

    #[derive(FromRow)]
    struct Two {
        i32: i32,
        f64: f64,
    }
    let derived = call().rows(|two: Two| two.f64 + f64::from(two.i32));
    assert_eq!(reads(derived.select([col("sum")])), format!("2/{columns}"));
}

/// A filter is moved to the scan, unless it asks for the results; the rows keep the numbers that they have in the file.
#[test]
fn a_later_filter_passes_and_rows_keep_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let lf = wide(folder.path());
    let call = || lf.clone().par_apply().select(["i64"]).names(["next"]);
    let is_moved = |lf: &LazyFrame| lf.clone().explain(true).unwrap().contains("SELECTION");
    let large = || col("i32").gt(lit(50));
    let infallible = call().rows(|i: i64| i + 1);
    let late = infallible.clone().filter(large());
    assert!(is_moved(&late));
    assert!(!is_moved(&infallible.filter(col("next").gt(lit(50)))));

    let whole = lf.clone().collect().unwrap();
    let kept = |row: &usize| {
        let cell = |name: &str| whole.column(name).unwrap().get(*row).unwrap();
        cell("i32").extract::<i64>().is_some_and(|i| i > 50) && !cell("i64").is_null()
    };
    let row = (0..100).filter(kept).nth(5).unwrap();
    let bad = whole
        .column("i64")
        .unwrap()
        .i64()
        .unwrap()
        .get(row)
        .unwrap();
    let first = whole.column("i64").unwrap().i64().unwrap();
    let first = (0..100).position(|row| kept(&row) && first.get(row) == Some(bad));
    let fallible = |lf: LazyFrame| {
        let call = lf.par_apply().select(["i64"]).names(["next"]);
        let next = call.rows(move |i: i64| refuse_unless(i != bad, "no good"));
        next.filter(large())
    };
    assert!(is_moved(&fallible(lf.clone())));
    for engine in ENGINES {
        let early = lf.clone().filter(large()).par_apply().select(["i64"]);
        let early = early.names(["next"]).rows(|i: i64| i + 1);
        let early = collected(&early, engine).unwrap();
        assert_same_frame(&collected(&late, engine).unwrap(), &early, "filtered");
        for lf in [lf.clone(), whole.clone().lazy()] {
            let said = collected(&fallible(lf), engine).unwrap_err().to_string();
            let message = format!("row {}: the closure returned", first.unwrap());
            assert!(said.starts_with(&message), "{said} and not {message}");
        }
    }
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

/// The pattern of the guide: a temporary name, which is renamed when all is written.
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
        let write = || -> anyhow::Result<()> {
            let half = tempfile::NamedTempFile::new_in(folder.path())?.into_temp_path();
            let format = FileWriteFormat::Parquet(Arc::default());
            sink(lf.select([col("j")]), &half, format, Engine::Streaming)?;
            half.persist(folder.path().join("all.parquet"))?;
            Ok(())
        };
        let said = write().unwrap_err().to_string();
        assert!(
            said.starts_with("row 12345678: the closure returned an error: no good"),
            "{said}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    });
}
