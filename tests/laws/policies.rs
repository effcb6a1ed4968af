//! Promise 7 with a lenient policy: every failure is reported and counted, whichever worker met it, and the output is as the policy
//! says.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use anyhow::Context as _;
use polars_par_apply::Error;
use polars_par_apply::prelude::*;
use proptest::collection::vec;
use proptest::prelude::{Just, prop_oneof};

use crate::cases::check;
use crate::frames::{
    self, assert_same, assert_same_frame, counting, cut, each_column, every_dtype, faults, layouts,
};
use crate::properties::{run, way};

const LENIENT: [OnError; 3] = [OnError::Null, OnError::Skip, OnError::Collect];

/// The output of any verb, as a frame.
trait Whole {
    fn whole(self) -> DataFrame;
}

impl Whole for Column {
    fn whole(self) -> DataFrame {
        self.into_frame()
    }
}

impl Whole for DataFrame {
    fn whole(self) -> DataFrame {
        self
    }
}

/// All ways to run a call that must give the same result.
fn ways<'a>(apply: &Apply<'a, 'static>) -> Vec<(String, Apply<'a, 'static>)> {
    frames::ways(apply, 7, 11)
}

/// Returns the frame with the rows of `failed` as null.
fn nulled(df: &DataFrame, failed: &BTreeSet<usize>) -> DataFrame {
    let rows: IdxCa = (0..df.height())
        .map(|row| (!failed.contains(&row)).then_some(row as IdxSize))
        .collect();
    each_column(df, |_, column| {
        column.as_materialized_series().take(&rows).unwrap().into()
    })
}

/// Returns the frame without the rows of `failed`.
fn skipped(df: &DataFrame, failed: &BTreeSet<usize>) -> DataFrame {
    let rows: Vec<IdxSize> = (0..df.height())
        .filter(|row| !failed.contains(row))
        .map(|row| row as IdxSize)
        .collect();
    if rows.is_empty() {
        return df.clear();
    }
    df.take(&IdxCa::from_vec("".into(), rows)).unwrap()
}

fn rows_told(failures: &DataFrame) -> Vec<usize> {
    let rows = failures.column("row").unwrap().idx().unwrap();
    rows.into_no_null_iter().map(|row| row as usize).collect()
}

fn texts(failures: &DataFrame, column: &str) -> Vec<String> {
    let texts = failures.column(column).unwrap().str().unwrap();
    texts.no_null_iter().map(str::to_string).collect()
}

fn panics(failures: &DataFrame) -> Vec<bool> {
    let panics = failures.column("panic").unwrap().bool().unwrap();
    panics.no_null_iter().collect()
}

fn attempts(failures: &DataFrame) -> Vec<u32> {
    let attempts = failures.column("attempts").unwrap().u32().unwrap();
    attempts.into_no_null_iter().collect()
}

/// Returns the kept rows, from `kept_rows` and `kept_mask`, which must agree.
#[track_caller]
fn assert_kept<T>(outcome: &Outcome<T>, failed: &BTreeSet<usize>, rows: usize, what: &str) {
    let kept = |row: &usize| !failed.contains(row);
    let expected: Vec<IdxSize> = (0..rows).filter(kept).map(|row| row as IdxSize).collect();
    assert!(
        outcome.kept_rows().into_no_null_iter().eq(expected),
        "{what}"
    );
    let mask = outcome.kept_mask();
    assert!(
        mask.no_null_iter().eq((0..rows).map(|row| kept(&row))),
        "{what}"
    );
}

/// Calls a closure under every policy. It makes `good` of a row, and fails in about every fifth, with an error or a panic.
#[track_caller]
fn each_policy<O>(what: &str, df: &DataFrame, good: impl Fn(i64) -> O + Sync + Copy)
where
    O: IntoRow<Output: Whole + std::fmt::Debug>,
{
    let rows = df.height();
    let fails = |i: i64| i % 5 == 2 || i % 17 == 0;
    let f = move |i: i64| -> anyhow::Result<O> {
        if fails(i) {
            assert!(i % 2 == 0, "panic {i}");
            anyhow::bail!("error {i}");
        }
        Ok(good(i))
    };
    let failed: BTreeSet<usize> = (0..rows).filter(|row| fails(*row as i64)).collect();
    let expected = df
        .par_apply()
        .sequential()
        .rows(move |i: i64| good(i))
        .unwrap()
        .whole();

    for (way, apply) in ways(&df.par_apply()) {
        let what = format!("{what}, {way}");
        let error = apply.clone().on_error(OnError::Fail).rows(f).unwrap_err();
        assert_eq!(error.row(), failed.first().copied(), "{what}");
        assert!(matches!(
            error.kind(),
            ErrorKind::Closure { .. } | ErrorKind::Panic { .. }
        ));
        for policy in LENIENT {
            let what = format!("{what}, {policy:?}");
            let outcome = apply.clone().on_error(policy).rows(f).unwrap();
            let (none, skips) = (BTreeSet::new(), policy == OnError::Skip);
            assert_kept(&outcome, if skips { &failed } else { &none }, rows, &what);
            assert_eq!(outcome.is_complete(), failed.is_empty());
            let stats = &outcome.stats;
            assert_eq!((stats.failures, stats.rows), (failed.len(), rows), "{what}");
            assert_eq!((stats.retries, stats.cancelled), (0, false), "{what}");
            let told = &outcome.failures;
            assert!(
                rows_told(told).into_iter().eq(failed.iter().copied()),
                "{what}"
            );
            let panicked = failed.iter().map(|row| row % 2 == 1);
            assert!(panics(told).into_iter().eq(panicked.clone()), "{what}");
            let said = failed.iter().zip(panicked).map(|(row, panicked)| {
                format!("{} {row}", if panicked { "panic" } else { "error" })
            });
            assert!(texts(told, "error").into_iter().eq(said), "{what}");
            assert_eq!(attempts(told), vec![1; failed.len()], "{what}");
            let output = outcome.output.whole();
            let expected = match policy {
                OnError::Skip => skipped(&expected, &failed),
                _ => nulled(&expected, &failed),
            };
            assert_same_frame(&output, &expected, &what);
        }
    }
}

#[derive(Clone, Debug, IntoRow)]
struct Out {
    number: i64,
    text: Option<String>,
}

#[test]
fn every_kind_of_output() {
    for rows in [2, 60, 301] {
        let df = counting(rows);
        each_policy("i64", &df, |i| i * 3);
        each_policy("bool", &df, |i| i % 3 == 0);
        each_policy("option", &df, |i| (i % 4 > 0).then_some(i as f32));
        each_policy("string", &df, |i| "text ".repeat(i as usize % 7));
        each_policy("option of string", &df, |i| {
            (i % 3 > 0).then(|| "text ".repeat(i as usize % 7))
        });
        each_policy("vec", &df, |i| vec![i; i as usize % 4]);
        each_policy("vec of options of strings", &df, |i| {
            vec![None, (i % 2 > 0).then(|| i.to_string())]
        });
        each_policy("tuple", &df, |i| (i, i.to_string(), i % 3 == 0, vec![i]));
        each_policy("array", &df, |i| [Some(i), None, Some(-i)]);
        each_policy("derived", &df, |i| Out {
            number: i,
            text: (i % 3 > 0).then(|| i.to_string()),
        });
        each_policy("struct", &df, |i| Struct((i, i.to_string())));
        each_policy("series", &df, |i| Series::new("s".into(), [i, -1]));
        each_policy("any value", &df, |i| match i % 4 {
            0 => AnyValue::Null,
            _ => AnyValue::Int64(i),
        });
        each_policy("any list", &df, |i| {
            AnyValue::List(Series::new("".into(), [i.to_string()]))
        });
        each_policy("date", &df, |i| {
            chrono::NaiveDate::from_epoch_days(i as i32)
        });
    }
    each_policy("nothing", &counting(40), |_| ());
}

#[test]
fn all_rows_fail_and_none() {
    for rows in [0, 1, 500] {
        let df = counting(rows);
        for (way, apply) in ways(&df.par_apply()) {
            for policy in LENIENT {
                let all = apply
                    .clone()
                    .on_error(policy)
                    .rows(|i: i64| -> anyhow::Result<(String, Vec<bool>)> {
                        anyhow::bail!("no {i}")
                    })
                    .unwrap();
                let height = if policy == OnError::Skip { 0 } else { rows };
                assert_eq!(all.output.shape(), (height, 2), "{way}");
                assert_eq!(
                    all.output.dtypes(),
                    [
                        DataType::String,
                        DataType::List(Box::new(DataType::Boolean))
                    ]
                );
                for column in all.output.columns() {
                    assert_eq!(column.null_count(), height, "{way}");
                }
                assert_eq!(all.stats.failures, rows);
                let none = apply
                    .clone()
                    .on_error(policy)
                    .rows(anyhow::Ok::<i64>)
                    .unwrap();
                assert_eq!(
                    none.output.i64().unwrap().sum(),
                    df.columns()[0].i64().unwrap().sum()
                );
                assert!(none.is_complete());
                assert_eq!(none.output.null_count(), 0);
                let schema = [
                    ("row", IDX_DTYPE),
                    ("error", DataType::String),
                    ("panic", DataType::Boolean),
                    ("attempts", DataType::UInt32),
                    ("i", DataType::Int64),
                ]
                .map(|(name, dtype)| Field::new(name.into(), dtype));
                let schema = Schema::from_iter(schema);
                assert_eq!(**none.failures.schema(), schema, "{way}");
                assert_eq!(**all.failures.schema(), schema, "{way}");
                assert_eq!((none.failures.height(), all.failures.height()), (0, rows));
            }
        }
    }
}

#[test]
fn the_cells_of_every_dtype_are_told() {
    for rows in [0, 1, 90] {
        for (layout, df) in layouts(&every_dtype(rows)) {
            let scalar = Column::new_scalar(
                "scalar".into(),
                Scalar::new(DataType::String, AnyValue::StringOwned("same".into())),
                rows,
            );
            let number = Column::new("n".into(), (0..rows as i64).collect::<Vec<_>>());
            let more = DataFrame::new(rows, vec![scalar, cut(&number, [1, 2])]).unwrap();
            let df = df.hstack(more.columns()).unwrap();
            for fails in [0, 1, 4] {
                let f = |row: Row<'_>| {
                    let n = row.get::<i64>("n")?;
                    anyhow::ensure!(fails == 0 || n % fails > 0, "no {n}");
                    Ok(n)
                };
                let failed: BTreeSet<usize> = (0..rows)
                    .filter(|row| fails > 0 && *row as i64 % fails == 0)
                    .collect();
                for workers in [1, 3] {
                    let outcome = df
                        .par_apply()
                        .workers(workers)
                        .on_error(OnError::Skip)
                        .rows(f)
                        .unwrap();
                    let told = outcome
                        .failures
                        .select(df.get_column_names_owned())
                        .unwrap();
                    let others = (0..rows).filter(|row| !failed.contains(row)).collect();
                    assert_same_frame(&told, &skipped(&df, &others), layout);
                    assert_eq!(outcome.failures.width(), df.width() + 4);
                }
            }
        }
    }
}

#[test]
fn a_cell_s_column_gives_way_to_those_of_the_failure() {
    let df = df![
        "row" => [1, 2],
        "row_input" => ["a", "b"],
        "error" => [true, false],
        "panic" => [0.5, 1.5],
        "unused" => [0, 0],
        "attempts" => [3i64, 4],
    ]
    .unwrap();
    let outcome = df
        .par_apply()
        .select(["attempts", "row", "row_input", "error", "panic"])
        .on_error(OnError::Null)
        .rows(|a: i64, r: i32, _: &str, e: bool, _: f64| {
            anyhow::ensure!(e, "no {a} {r}");
            Ok(a)
        })
        .unwrap();
    let expected = df![
        "row" => [1 as IdxSize],
        "error" => ["no 4 2"],
        "panic" => [false],
        "attempts" => [1u32],
        "attempts_input" => [4i64],
        "row_input" => [2],
        "row_input_input" => ["b"],
        "error_input" => [false],
        "panic_input" => [1.5],
    ]
    .unwrap();
    assert_same_frame(&outcome.failures, &expected, "clashes");
}

#[test]
fn a_column_given_twice_is_told_once() {
    let df = counting(3);
    let outcome = df
        .par_apply()
        .select(["i", "i"])
        .on_error(OnError::Null)
        .rows(|a: i64, b: i64| {
            anyhow::ensure!(a + b != 2, "two");
            Ok(a)
        })
        .unwrap();
    assert_eq!(
        outcome.failures.get_column_names(),
        ["row", "error", "panic", "attempts", "i"]
    );
    assert_eq!(
        outcome
            .failures
            .column("i")
            .unwrap()
            .i64()
            .unwrap()
            .to_vec(),
        [Some(1)]
    );
}

#[test]
fn the_causes_of_an_error_are_told_with_it() {
    let df = df!["text" => ["1", "x"]].unwrap();
    let outcome = df
        .par_apply()
        .on_error(OnError::Collect)
        .rows(|text: &str| -> anyhow::Result<i32> {
            text.parse::<i32>()
                .context("while parsing")
                .with_context(|| format!("on {text:?}"))
        })
        .unwrap();
    assert_eq!(
        texts(&outcome.failures, "error"),
        ["on \"x\": while parsing: invalid digit found in string"]
    );
}

#[test]
fn an_error_whose_message_panics_is_a_failure_still() {
    #[derive(Debug)]
    struct Speechless;
    impl std::fmt::Display for Speechless {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("no words")
        }
    }
    impl std::error::Error for Speechless {}
    let outcome = counting(3)
        .par_apply()
        .on_error(OnError::Skip)
        .rows(|i: i64| if i == 1 { Err(Speechless) } else { Ok(i) })
        .unwrap();
    assert_eq!(rows_told(&outcome.failures), [1]);
    assert_eq!(panics(&outcome.failures), [false]);
    assert_eq!(outcome.output.i64().unwrap().to_vec(), [Some(0), Some(2)]);
}

#[test]
fn failures_next_to_nulls_in_tiny_misaligned_chunks() {
    let rows = 400usize;
    let a: Vec<Option<i64>> = (0..rows as i64).map(|i| (i % 3 > 0).then_some(i)).collect();
    let b: Vec<Option<String>> = (0..rows)
        .map(|i| (i % 7 > 0).then(|| i.to_string()))
        .collect();
    let df = df!["a" => &a, "b" => &b].unwrap();
    let fails = |a: i64| a % 11 < 4;
    let f = |a: i64, b: &str| -> anyhow::Result<(i64, String)> {
        assert!(!(fails(a) && a % 2 == 0), "even {a}");
        anyhow::ensure!(!fails(a), "odd {a}");
        Ok((a, b.repeat(2)))
    };
    // The closure is not called for a row with a null, so the row does not fail: it is kept, and null.
    let failed: BTreeSet<usize> = (0..rows)
        .filter(|row| row % 3 > 0 && row % 7 > 0 && fails(*row as i64))
        .collect();
    let expected = df
        .par_apply()
        .sequential()
        .names(["x", "y"])
        .rows(|a: i64, b: &str| (a, b.repeat(2)))
        .unwrap();
    for (layout, df) in layouts(&df) {
        for (way, apply) in ways(&df.par_apply().names(["x", "y"])) {
            for policy in LENIENT {
                let outcome = apply.clone().on_error(policy).rows(f).unwrap();
                let expected = match policy {
                    OnError::Skip => skipped(&expected, &failed),
                    _ => nulled(&expected, &failed),
                };
                assert_same_frame(&outcome.output, &expected, &format!("{layout}, {way}"));
                assert!(
                    rows_told(&outcome.failures)
                        .into_iter()
                        .eq(failed.iter().copied())
                );
                let told = outcome
                    .failures
                    .column("a")
                    .unwrap()
                    .i64()
                    .unwrap()
                    .to_vec();
                assert!(
                    told.into_iter()
                        .eq(failed.iter().map(|row| Some(*row as i64)))
                );
                if policy == OnError::Skip {
                    // The kept rows of the input belong to the rows of the output.
                    let input = df.take(&outcome.kept_rows()).unwrap();
                    let filtered = df.filter(&outcome.kept_mask()).unwrap();
                    assert_same_frame(&input, &filtered, "kept");
                    assert_eq!(input.height(), outcome.output.height());
                }
            }
        }
    }
}

#[test]
fn values_that_cannot_be_read_or_written_are_failures() {
    // A value that cannot be written: it has one digit more than the output's unit.
    let time = |i: i64| chrono::DateTime::from_timestamp_nanos(i * 250).naive_utc();
    let df = counting(50);
    let failed: BTreeSet<usize> = (0..50).filter(|row| row % 4 > 0).collect();
    let whole = |i: i64| time(i / 4 * 4);
    let expected = df.par_apply().rows(whole).unwrap().whole();
    for (way, apply) in ways(&df.par_apply()) {
        let error = apply
            .clone()
            .on_error(OnError::Fail)
            .rows(time)
            .unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Value { .. }), "{error:?}");
        assert_eq!(error.row(), Some(1));
        for policy in LENIENT {
            let outcome = apply.clone().on_error(policy).rows(time).unwrap();
            let expected = match policy {
                OnError::Skip => skipped(&expected, &failed),
                _ => nulled(&expected, &failed),
            };
            assert_same_frame(&outcome.output.whole(), &expected, &way);
            assert!(
                rows_told(&outcome.failures)
                    .into_iter()
                    .eq(failed.iter().copied())
            );
            assert!(panics(&outcome.failures).iter().all(|panic| !panic));
            assert_eq!(attempts(&outcome.failures), vec![1; failed.len()], "{way}");
            for text in texts(&outcome.failures, "error") {
                assert!(text.starts_with("column \"par_apply\": "), "{text}");
            }
        }
    }
    // A value that cannot be read: a time for which chrono has no date.
    let days: Vec<i32> = (0..50)
        .map(|i| if i % 5 == 3 { i32::MAX } else { i })
        .collect();
    let days = Column::new("day".into(), days)
        .cast(&DataType::Date)
        .unwrap();
    let df = days.into_frame();
    let failed: Vec<usize> = (0..50).filter(|row| row % 5 == 3).collect();
    let calls = AtomicUsize::new(0);
    let f = |day: chrono::NaiveDate| {
        calls.fetch_add(1, SeqCst);
        day.to_epoch_days()
    };
    for (way, apply) in ways(&df.par_apply()) {
        let error = apply.clone().rows(f).unwrap_err();
        assert_eq!((error.row(), error.column()), (Some(3), Some("day")));
        for policy in LENIENT {
            calls.store(0, SeqCst);
            let outcome = apply.clone().on_error(policy).rows(f).unwrap();
            assert_eq!(rows_told(&outcome.failures), failed, "{way}");
            assert_eq!(calls.load(SeqCst), 40, "{way}");
            assert_eq!(attempts(&outcome.failures), [0; 10], "{way}");
            let height = if policy == OnError::Skip { 40 } else { 50 };
            assert_eq!(outcome.output.len(), height);
            let nulls = if policy == OnError::Skip { 0 } else { 10 };
            assert_eq!(outcome.output.null_count(), nulls);
            let text = &texts(&outcome.failures, "error")[0];
            assert!(text.starts_with("column \"day\": "), "{text}");
        }
    }
}

#[test]
fn parts_that_are_cells_or_tuples() {
    let df = counting(95);
    let fails = |part: usize| part == 0 || part % 4 == 3;
    let f = move |part: Chunk| -> anyhow::Result<usize> {
        let index = part.index();
        assert!(!(fails(index) && index % 2 == 1), "panic {index}");
        anyhow::ensure!(!fails(index), "error {index}");
        Ok(index)
    };
    for parts in [1, 4, 10, 120] {
        let failed: BTreeSet<usize> = (0..parts).filter(|part| fails(*part)).collect();
        let range = |part: usize| {
            let before = |part: usize| part * (95 / parts) + part.min(95 % parts);
            before(part)..before(part + 1)
        };
        let lost: BTreeSet<usize> = failed.iter().flat_map(|part| range(*part)).collect();
        let indices = Column::new("par_apply".into(), (0..parts as u64).collect::<Vec<_>>());
        let texts_of = |parts: usize| (0..parts).map(|part| part.to_string()).collect::<Vec<_>>();
        let pairs =
            df!["n" => (0..parts as u64).collect::<Vec<_>>(), "t" => texts_of(parts)].unwrap();
        for workers in [1, 2, 4] {
            for policy in LENIENT {
                let what = format!("{parts} parts, {workers} workers, {policy:?}");
                let apply = || {
                    df.par_apply()
                        .workers(workers)
                        .partitions(parts)
                        .on_error(policy)
                };
                let cells = apply()
                    .chunks(move |part: Chunk| f(part).map(|n| n as u64))
                    .unwrap();
                let tuples = apply()
                    .names(["n", "t"])
                    .chunks(move |part: Chunk| f(part).map(|n| (n as u64, n.to_string())))
                    .unwrap();
                let of = |df: &DataFrame| match policy {
                    OnError::Skip => skipped(df, &failed),
                    _ => nulled(df, &failed),
                };
                assert_same_frame(
                    &cells.output.clone().whole(),
                    &of(&indices.clone().whole()),
                    &what,
                );
                assert_same_frame(&tuples.output, &of(&pairs), &what);
                let kept = if policy == OnError::Skip {
                    lost.clone()
                } else {
                    BTreeSet::new()
                };
                assert_kept(&cells, &kept, 95, &what);
                let number = |of: &dyn Fn(usize) -> usize| -> Vec<IdxSize> {
                    failed.iter().map(|part| of(*part) as IdxSize).collect()
                };
                let expected = df![
                    "row" => number(&|part| range(part).start),
                    "part" => number(&|part| part),
                    "rows" => number(&|part| range(part).len()),
                    "error" => failed.iter().map(|part| format!("{} {part}", if part % 2 == 1 { "panic" } else { "error" })).collect::<Vec<_>>(),
                    "panic" => failed.iter().map(|part| part % 2 == 1).collect::<Vec<_>>(),
                    "attempts" => vec![1u32; failed.len()],
                ]
                .unwrap();
                assert_same_frame(&cells.failures, &expected, &what);
                assert_same_frame(&tuples.failures, &expected, &what);
                assert_eq!((cells.stats.rows, cells.stats.failures), (95, failed.len()));
            }
        }
    }
}

#[test]
fn parts_that_are_whole_frames_and_columns() {
    let df = counting(60);
    let bad = |index: usize| index % 3 == 1;
    let lost: BTreeSet<usize> = (0..60).filter(|row| bad(row / 6)).collect();
    let kept = skipped(&df, &lost);
    for workers in [1, 3] {
        for policy in [OnError::Skip, OnError::Collect] {
            let apply = || {
                df.par_apply()
                    .workers(workers)
                    .chunk_rows(6)
                    .on_error(policy)
            };
            let check = |part: &Chunk| -> anyhow::Result<()> {
                anyhow::ensure!(!bad(part.index()), "bad");
                Ok(())
            };
            let frames = apply()
                .chunks(|part: Chunk| check(&part).map(|()| part.into_frame()))
                .unwrap();
            let columns = apply()
                .chunks(|part: Chunk| check(&part).map(|()| part.frame().columns()[0].clone()))
                .unwrap();
            let series = apply()
                .chunks(|part: Chunk| {
                    check(&part)
                        .map(|()| part.frame().columns()[0].as_materialized_series().clone())
                })
                .unwrap();
            let what = format!("{workers} workers, {policy:?}");
            assert_same_frame(&frames.output, &kept, &what);
            assert_same_frame(&columns.output.clone().whole(), &kept, &what);
            assert_same_frame(&series.output.clone().whole(), &kept, &what);
            assert_kept(&frames, &lost, 60, &what);
            assert_kept(&columns, &lost, 60, &what);
            assert_kept(&series, &lost, 60, &what);
            assert_eq!(frames.stats.failures, 3);
        }
    }
}

/// A part that cannot be stacked is named by its own number, whichever parts were dropped before it.
#[test]
fn a_part_that_does_not_stack_after_one_that_was_skipped() {
    let df = counting(50);
    let error = df
        .par_apply()
        .chunk_rows(10)
        .on_error(OnError::Skip)
        .chunks(|part: Chunk| -> anyhow::Result<DataFrame> {
            anyhow::ensure!(part.index() != 1, "skipped");
            let i = part.index();
            let frame = part.into_frame();
            Ok(if i == 3 {
                frame
                    .lazy()
                    .select([col("i").cast(DataType::String)])
                    .collect()?
            } else {
                frame
            })
        })
        .unwrap_err();
    let ErrorKind::Stack {
        place: Place::Part {
            index, row_offset, ..
        },
        ..
    } = error.kind()
    else {
        panic!("{error:?}")
    };
    assert_eq!((*index, *row_offset), (3, 30));
}

#[test]
fn all_parts_fail() {
    let df = counting(20);
    for policy in [OnError::Skip, OnError::Collect] {
        let frames = df
            .par_apply()
            .partitions(4)
            .on_error(policy)
            .chunks(|_: DataFrame| -> anyhow::Result<DataFrame> { anyhow::bail!("no") });
        let frames = frames.unwrap();
        assert_eq!(frames.output.height(), 0);
        assert_eq!(rows_told(&frames.failures), [0, 5, 10, 15]);
        assert_eq!(frames.kept_rows().len(), 0);
    }
}

/// Columns `c0` to `c9`, whose values are their numbers.
fn wide() -> DataFrame {
    let columns = (0..10i64).map(|c| Column::new(format!("c{c}").into(), [c, c, c]));
    DataFrame::new(3, columns.collect()).unwrap()
}

#[test]
fn columns_that_are_cells_or_whole() {
    let df = wide();
    let number = |column: &Column| column.i64().unwrap().get(0).unwrap();
    let fails = |c: i64| c % 4 == 1;
    let f = move |c: i64| -> anyhow::Result<i64> {
        assert!(!(fails(c) && c > 6), "panic {c}");
        anyhow::ensure!(!fails(c), "error {c}");
        Ok(c * 10)
    };
    let expected = df![
        "column" => ["c1", "c5", "c9"],
        "error" => ["error 1", "error 5", "panic 9"],
        "panic" => [false, false, true],
        "attempts" => [1u32, 1, 1],
    ]
    .unwrap();
    for workers in [1, 2, 4] {
        for policy in LENIENT {
            let what = format!("{workers} workers, {policy:?}");
            let apply = || df.par_apply().workers(workers).on_error(policy);
            let untyped = apply()
                .columns(move |column: &Column| f(number(column)))
                .unwrap();
            let typed = apply()
                .columns(move |values: Values<'_, i64>| f(values.iter().sum::<i64>() / 3))
                .unwrap();
            for outcome in [untyped, typed] {
                let cells: Vec<(String, Option<i64>)> = outcome
                    .output
                    .columns()
                    .iter()
                    .map(|column| (column.name().to_string(), column.i64().unwrap().get(0)))
                    .collect();
                let cell = |c: i64| (format!("c{c}"), (!fails(c)).then_some(c * 10));
                let cell = |c: i64| (policy != OnError::Skip || !fails(c)).then(|| cell(c));
                assert_eq!(
                    cells,
                    (0..10).filter_map(cell).collect::<Vec<_>>(),
                    "{what}"
                );
                assert_eq!(outcome.output.height(), 1);
                assert_same_frame(&outcome.failures, &expected, &what);
                assert_kept(&outcome, &BTreeSet::new(), 3, &what);
                assert_eq!((outcome.stats.rows, outcome.stats.failures), (10, 3));
            }
            if policy == OnError::Null {
                continue;
            }
            let whole = apply()
                .columns(move |column: &Column| f(number(column)).map(|_| column.clone()))
                .unwrap();
            let good: Vec<String> = (0..10)
                .filter(|c| !fails(*c))
                .map(|c| format!("c{c}"))
                .collect();
            assert_same_frame(&whole.output, &df.select(good).unwrap(), &what);
            assert_same_frame(&whole.failures, &expected, &what);
        }
    }
}

#[test]
fn a_column_s_value_that_cannot_be_read() {
    let days = |name: &str, last: i32| {
        Column::new(name.into(), [1, 2, last])
            .cast(&DataType::Date)
            .unwrap()
    };
    let df = DataFrame::new(3, vec![days("good", 3), days("bad", i32::MAX)]).unwrap();
    let outcome = df
        .par_apply()
        .on_error(OnError::Skip)
        .columns(|days: Values<'_, chrono::NaiveDate>| days.iter().count() as u64)
        .unwrap();
    assert_eq!(outcome.output, df!["good" => [3u64]].unwrap());
    assert_eq!(texts(&outcome.failures, "column"), ["bad"]);
    assert_eq!(attempts(&outcome.failures), [0]);
    assert!(
        texts(&outcome.failures, "error")[0].starts_with("row 2: column \"bad\": "),
        "{:?}",
        outcome.failures
    );
}

#[test]
fn all_columns_fail() {
    let df = wide();
    for policy in LENIENT {
        let outcome = df
            .par_apply()
            .on_error(policy)
            .columns(|_: &Column| -> anyhow::Result<String> { anyhow::bail!("no") })
            .unwrap();
        let shape = if policy == OnError::Skip {
            (0, 0)
        } else {
            (1, 10)
        };
        assert_eq!(outcome.output.shape(), shape);
        for column in outcome.output.columns() {
            assert_eq!(
                (column.dtype(), column.null_count()),
                (&DataType::String, 1)
            );
        }
        assert_eq!(outcome.stats.failures, 10);
    }
}

#[test]
fn null_is_refused_for_whole_results_before_any_call() {
    let df = counting(10);
    let apply = || df.par_apply().on_error(OnError::Null);
    let never = |what: &str| -> ! { panic!("called for {what}") };
    let errors = [
        apply()
            .chunks(|_: DataFrame| -> DataFrame { never("a frame") })
            .map(drop)
            .unwrap_err(),
        apply()
            .chunks(|_: DataFrame| -> Column { never("a column") })
            .map(drop)
            .unwrap_err(),
        apply()
            .chunks(|_: DataFrame| -> anyhow::Result<Series> { never("a series") })
            .map(drop)
            .unwrap_err(),
        apply()
            .columns(|_: &Column| -> Column { never("a column") })
            .map(drop)
            .unwrap_err(),
        apply()
            .columns(|_: &Column| -> Series { never("a series") })
            .map(drop)
            .unwrap_err(),
    ];
    for error in errors {
        let ErrorKind::Option {
            option: "on_error",
            message,
            ..
        } = error.kind()
        else {
            panic!("{error:?}")
        };
        assert!(message.contains("OnError::Skip"), "{message}");
    }
    // It is reported with all other faults of the call.
    let error = apply()
        .select(["nowhere"])
        .workers(0)
        .chunks(|part: DataFrame| part)
        .unwrap_err();
    assert_eq!(faults(&error).len(), 3, "{error}");
}

#[test]
fn a_limit_without_a_policy_is_refused() {
    let df = counting(10);
    let never = |_: i64| -> i64 { panic!("called") };
    for error in [
        df.par_apply().max_failures(3).rows(never).unwrap_err(),
        df.par_apply()
            .on_error(OnError::Fail)
            .max_failures(0)
            .rows(never)
            .unwrap_err(),
    ] {
        assert!(
            matches!(
                error.kind(),
                ErrorKind::Option {
                    option: "max_failures",
                    ..
                }
            ),
            "{error:?}"
        );
    }
}

#[test]
fn as_many_failures_as_may_be_pass_and_one_more_does_not() {
    let rows = 3000;
    let df = counting(rows);
    let fails = |i: i64| i % 7 == 3;
    let f = move |i: i64| -> anyhow::Result<i64> {
        assert!(!(fails(i) && i % 2 == 0), "panic {i}");
        anyhow::ensure!(!fails(i), "error {i}");
        Ok(i)
    };
    let failed: Vec<usize> = (0..rows).filter(|row| fails(*row as i64)).collect();
    for (way, apply) in ways(&df.par_apply()) {
        for policy in LENIENT {
            let apply = apply.clone().on_error(policy);
            for enough in [failed.len(), failed.len() + 1, usize::MAX] {
                let outcome = apply.clone().max_failures(enough).rows(f).unwrap();
                assert_eq!(rows_told(&outcome.failures), failed, "{way}");
            }
            for limit in [0, 1, 5, 200, failed.len() - 1] {
                let what = format!("{way}, {policy:?}, {limit}");
                let error = apply.clone().max_failures(limit).rows(f).unwrap_err();
                let last = failed[limit];
                assert_eq!(error.row(), Some(last), "{what}");
                let source = error.cause().unwrap().downcast_ref::<Error>().unwrap();
                assert_eq!(source.row(), Some(last), "{what}");
                assert_eq!(
                    matches!(source.kind(), ErrorKind::Panic { .. }),
                    last.is_multiple_of(2)
                );
                let text = error.to_string();
                let plural = if limit == 1 { "" } else { "s" };
                assert!(
                    text.contains(&format!("more than the {limit} failure{plural} that")),
                    "{text}"
                );
                assert!(text.contains(&format!("row {last}: ")), "{text}");
                let ErrorKind::TooManyFailures {
                    limit: is,
                    failures,
                    last: beyond,
                    ..
                } = error.kind()
                else {
                    panic!("{error:?}")
                };
                assert_eq!((*is, beyond.row()), (limit, Some(last)), "{what}");
                assert_eq!(rows_told(failures), failed[..=limit], "{what}");
                let cells = failures.column("i").unwrap().i64().unwrap();
                assert!(
                    cells
                        .into_no_null_iter()
                        .eq(failed[..=limit].iter().map(|row| *row as i64))
                );
            }
        }
    }
}

#[test]
fn the_limit_holds_for_parts_and_columns() {
    for workers in [1, 2, 4] {
        let df = counting(100);
        let f = |part: Chunk| {
            if part.index() % 2 == 1 {
                Err(anyhow::anyhow!("odd"))
            } else {
                Ok(1)
            }
        };
        let apply = || {
            df.par_apply()
                .workers(workers)
                .partitions(10)
                .on_error(OnError::Skip)
        };
        assert_eq!(apply().max_failures(5).chunks(f).unwrap().stats.failures, 5);
        let error = apply().max_failures(4).chunks(f).unwrap_err();
        let ErrorKind::TooManyFailures { failures, last, .. } = error.kind() else {
            panic!("{error:?}")
        };
        assert_eq!(rows_told(failures), [10, 30, 50, 70, 90]);
        assert!(
            matches!(
                last.kind(),
                ErrorKind::Closure {
                    place: Place::Part { index: 9, .. },
                    ..
                }
            ),
            "{last:?}"
        );

        let df = wide();
        let f = |column: &Column| {
            let c = column.i64().unwrap().get(0).unwrap();
            if c >= 5 {
                Err(anyhow::anyhow!("high"))
            } else {
                Ok(c)
            }
        };
        let apply = || df.par_apply().workers(workers).on_error(OnError::Collect);
        assert_eq!(
            apply().max_failures(5).columns(f).unwrap().stats.failures,
            5
        );
        let error = apply().max_failures(2).columns(f).unwrap_err();
        assert_eq!(error.column(), Some("c7"), "{error:?}");
    }
}

/// Rows after the failure that exceeds the limit are not run.
#[test]
fn a_run_with_too_many_failures_stops_early() {
    let df = counting(100_000);
    let calls = AtomicUsize::new(0);
    let error = df
        .par_apply()
        .sequential()
        .on_error(OnError::Null)
        .max_failures(9)
        .rows(|i: i64| {
            calls.fetch_add(1, SeqCst);
            if i >= 50 {
                Err(anyhow::anyhow!("no"))
            } else {
                Ok(i)
            }
        })
        .unwrap_err();
    assert_eq!(error.row(), Some(59));
    assert_eq!(calls.into_inner(), 60);
}

#[test]
fn a_lenient_policy_calls_every_row_once() {
    let df = counting(5000);
    for (way, apply) in ways(&df.par_apply()) {
        let calls: Vec<AtomicUsize> = (0..5000).map(|_| AtomicUsize::new(0)).collect();
        let outcome = apply
            .on_error(OnError::Null)
            .rows(|i: i64| -> anyhow::Result<String> {
                calls[i as usize].fetch_add(1, SeqCst);
                assert!(i % 3 != 0);
                anyhow::ensure!(i % 5 != 0, "fifth");
                Ok(i.to_string())
            })
            .unwrap();
        assert!(
            calls.into_iter().all(|calls| calls.into_inner() == 1),
            "{way}"
        );
        let expected = (0..5000).filter(|i| i % 3 == 0 || i % 5 == 0).count();
        assert_eq!(
            (outcome.stats.failures, outcome.output.null_count()),
            (expected, expected)
        );
    }
}

#[test]
fn a_null_that_is_refused_is_no_failure_that_may_pass() {
    let df = df!["x" => [Some(1), None]].unwrap();
    for policy in LENIENT {
        let error = df
            .par_apply()
            .nulls(Nulls::Error)
            .on_error(policy)
            .rows(|_: i32| -> i32 { panic!("called") })
            .unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Null { row: 1, .. }),
            "{error:?}"
        );
    }
}

#[test]
fn random_failures_are_those_of_a_plain_loop() {
    let cells = vec(
        prop_oneof![20 => Just(Some(0u32)), 3 => Just(None), 2 => Just(Some(1)), 2 => Just(Some(2))],
        0..300,
    );
    let lengths = vec(0usize..30, 0..12);
    check(400, &(cells, way(), lengths), |(cells, way, lengths)| {
        let n: Vec<u64> = (0..cells.len() as u64).collect();
        let x = cut(&Column::new("x".into(), &cells), lengths.clone());
        let n = cut(&Column::new("n".into(), n), lengths.into_iter().rev());
        let df = DataFrame::new(cells.len(), vec![x, n]).unwrap();
        let f = |x: u32, n: u64| match x {
            0 => Ok(format!("row {n}")),
            1 => Err(anyhow::anyhow!("error {n}")),
            _ => std::panic::resume_unwind(Box::new(format!("panic {n}"))),
        };
        let failed: Vec<usize> = (0..cells.len())
            .filter(|row| cells[*row] > Some(0))
            .collect();
        let fine = |row: usize| cells[row].map(|x| (x == 0).then(|| format!("row {row}")));
        let output: Vec<Option<String>> = (0..cells.len()).map(|row| fine(row).flatten()).collect();
        let kept: Vec<Option<String>> = (0..cells.len())
            .filter(|row| fine(*row) != Some(None))
            .map(|row| fine(row).flatten())
            .collect();
        let failures = df![
            "row" => failed.iter().map(|row| *row as IdxSize).collect::<Vec<_>>(),
            "error" => failed.iter().map(|row| format!("{} {row}", if cells[*row] == Some(1) { "error" } else { "panic" })).collect::<Vec<_>>(),
            "panic" => failed.iter().map(|row| cells[*row] == Some(2)).collect::<Vec<_>>(),
            "attempts" => vec![1u32; failed.len()],
            "x" => failed.iter().map(|row| cells[*row]).collect::<Vec<_>>(),
            "n" => failed.iter().map(|row| *row as u64).collect::<Vec<_>>(),
        ]
        .unwrap();
        for apply in [run(&df, &way), df.par_apply().sequential()] {
            for policy in LENIENT {
                let outcome = apply.clone().on_error(policy).rows(f).unwrap();
                let expected = if policy == OnError::Skip {
                    &kept
                } else {
                    &output
                };
                assert_same(
                    &outcome.output,
                    &Column::new("par_apply".into(), expected),
                    "output",
                );
                assert_same_frame(&outcome.failures, &failures, "failures");
            }
        }
        Ok(())
    });
}
