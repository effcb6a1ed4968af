//! Groups, transforms and windows of a lazy frame give the eager answer in both engines. They are planned from types alone, are called
//! over the whole frame whatever comes after, and no column is read that is not used.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use polars_par_apply::prelude::*;

use crate::engines::{ENGINES, collected};
use crate::frames::{
    assert_same, assert_same_frame, cut, each_column, every_dtype, refuse_unless, watched,
};

/// Keys are text, some null; `t` does not decrease; `x` has nulls; `row` is the row's number, and nothing uses `other`.
fn frame(rows: usize) -> DataFrame {
    let numbers = || 0..rows as i64;
    let keys = numbers().map(|i| (i * i % 11 != 3).then(|| format!("key {}", i * 7 % 13)));
    let x = numbers().map(|i| (i % 5 != 2).then_some((i * 31 % 97) as f64));
    df![
        "k" => keys.collect::<Vec<Option<String>>>(),
        "t" => numbers().map(|i| i / 3).collect::<Vec<i64>>(),
        "x" => x.collect::<Vec<Option<f64>>>(),
        "row" => numbers().collect::<Vec<i64>>(),
        "other" => numbers().map(|i| i * 2).collect::<Vec<i64>>(),
    ]
    .unwrap()
}

/// Each column has different chunks.
fn frames() -> impl Iterator<Item = DataFrame> {
    let heights = [0, 1, 2, 9, 250_000].into_iter();
    heights.map(|rows| each_column(&frame(rows), |i, c| cut(c, [rows / (i + 3), 0, 1])))
}

fn sums(x: Values<'_, f64>, row: Values<'_, i64>) -> (f64, i64, u64) {
    let rows = row.iter();
    (
        x.iter().sum(),
        rows.fold(0, |sum, row| sum * 3 % 1009 + row),
        x.len() as u64,
    )
}

fn above_mean(x: Values<'_, f64>) -> Vec<f64> {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    x.iter().map(|x| x - mean).collect()
}

fn change(now: Option<f64>, x: Values<'_, f64>) -> Option<f64> {
    Some(now? - x.iter().next()?)
}

/// Returns the frame with the columns of a result beside its own.
fn with(df: &DataFrame, columns: &[Column]) -> DataFrame {
    let mut df = df.clone();
    for column in columns {
        df.with_column(column.clone()).unwrap();
    }
    df
}

const NAMES: [&str; 3] = ["sum", "hash", "count"];

#[test]
fn groups_as_over_a_frame() {
    watched(|| {
        for df in frames() {
            let typed = df.par_apply().by(["k"]).select(["x", "row"]).names(NAMES);
            let typed = typed.groups(sums).unwrap();
            let known = df.par_apply().by(["k", "t"]).null_keys(NullKeys::Drop);
            let known = known
                .select(["x"])
                .without_keys()
                .groups(|k: &str, t: i64, x: Values<'_, Option<f64>>| {
                    format!("{k} {t} {}", x.len())
                })
                .unwrap();
            let heights = df.par_apply().by(["t"]);
            let heights = heights.groups(|group: &DataFrame| group.height() as u64);
            let heights = heights.unwrap();
            for engine in ENGINES {
                let call = || df.clone().lazy().par_apply();
                let lazily = call().by(["k"]).select(["x", "row"]).names(NAMES);
                let lazily = collected(&lazily.groups(sums), engine).unwrap();
                assert_same_frame(&lazily, &typed, "typed");
                let lazily = call().by(["k", "t"]).null_keys(NullKeys::Drop);
                let lazily = lazily.select(["x"]).without_keys().groups(
                    |k: &str, t: i64, x: Values<'_, Option<f64>>| format!("{k} {t} {}", x.len()),
                );
                assert_same_frame(&collected(&lazily, engine).unwrap(), &known, "known");
                let lazily = call().by(["t"]);
                let lazily = lazily.groups(|group: &DataFrame| group.height() as u64);
                assert_same_frame(&collected(&lazily, engine).unwrap(), &heights, "whole");
            }
        }
    });
}

#[test]
fn transforms_as_over_a_frame() {
    watched(|| {
        for df in frames() {
            let eager = || df.par_apply().by(["k"]);
            let above = eager().select(["x"]).names(["above"]).transform(above_mean);
            let above = with(&df, &[above.unwrap()]);
            let each = |x: Values<'_, f64>, row: Values<'_, i64>| Each(sums(x, row));
            let all = eager().select(["x", "row"]).names(NAMES).transform(each);
            let all = with(&df, all.unwrap().columns());
            // The result replaces a column.
            let longer = eager()
                .names(["k"])
                .transform(|k: &str| Each(k.len() as u64));
            let longer = with(&df, &[longer.unwrap()]);
            for engine in ENGINES {
                let call = || df.clone().lazy().par_apply().by(["k"]);
                let lazily = call().select(["x"]).names(["above"]).transform(above_mean);
                assert_same_frame(&collected(&lazily, engine).unwrap(), &above, "above");
                let each = |x: Values<'_, f64>, row: Values<'_, i64>| Each(sums(x, row));
                let lazily = call().select(["x", "row"]).names(NAMES).transform(each);
                assert_same_frame(&collected(&lazily, engine).unwrap(), &all, "each");
                let lazily = call()
                    .names(["k"])
                    .transform(|k: &str| Each(k.len() as u64));
                assert_same_frame(&collected(&lazily, engine).unwrap(), &longer, "keys");
            }
        }
    });
}

#[test]
fn windows_as_over_a_frame() {
    watched(|| {
        let windows = || {
            let over = Window::over("t", 4).closed(Closed::Both);
            [Window::rows(5), Window::before(2).after(2).step(3), over]
        };
        for df in frames() {
            for window in windows() {
                for keys in [&["k"][..], &[]] {
                    let mut eager = df.par_apply().select(["x", "x"]).names(["change"]);
                    let mut lazily = df.clone().lazy().par_apply().select(["x", "x"]);
                    lazily = lazily.names(["change"]);
                    if !keys.is_empty() {
                        eager = eager.by(keys.iter().copied());
                        lazily = lazily.by(keys.iter().copied());
                    }
                    let expected = eager.windows(window.clone(), change).unwrap();
                    let expected = with(&df, &[expected]);
                    let lazily = lazily.windows(window.clone(), change);
                    for engine in ENGINES {
                        let lazily = collected(&lazily, engine).unwrap();
                        assert_same_frame(&lazily, &expected, &format!("{window:?} {keys:?}"));
                    }
                }
            }
            // Windows that use no column.
            let count = |rows: Rows<'_, Row<'_>>| rows.len() as u64;
            let none = [""; 0];
            let expected = df.par_apply().select(none);
            let expected = with(&df, &[expected.windows(Window::before(3), count).unwrap()]);
            for engine in ENGINES {
                let lazily = df.clone().lazy().par_apply().select(none);
                let lazily = lazily.windows(Window::before(3), count);
                assert_same_frame(&collected(&lazily, engine).unwrap(), &expected, "no column");
            }
        }
    });
}

/// The plan needs only the types: the closure is called neither for it, nor for a frame without rows.
#[test]
fn the_schema_is_known_when_the_query_is_planned() {
    watched(|| {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let count = |rows: u64| {
            CALLS.fetch_add(1, SeqCst);
            (rows, format!("{rows}"), (rows > 3).then_some(rows as f32))
        };
        for rows in [0, 40] {
            let call = || frame(rows).lazy().par_apply().by(["k"]).select(["x"]);
            let queries = [
                call().groups(move |x: Values<'_, f64>| count(x.len() as u64)),
                call().transform(move |x: Values<'_, f64>| Each(count(x.len() as u64))),
                call().windows(Window::expanding(), move |x: Values<'_, f64>| {
                    count(x.len() as u64)
                }),
            ];
            for mut query in queries {
                let schema = query.collect_schema().unwrap();
                query.clone().explain(true).unwrap();
                assert_eq!(CALLS.load(SeqCst), 0);
                for engine in ENGINES {
                    let out = collected(&query, engine).unwrap();
                    assert_eq!(out.schema(), &schema);
                    assert_eq!(CALLS.swap(0, SeqCst) == 0, rows == 0);
                }
            }
        }
    });
}

#[test]
fn keys_of_every_dtype() {
    watched(|| {
        let df = every_dtype(50);
        let numbers = Column::new("number".into(), (0..50).collect::<Vec<i64>>());
        let df = with(&df, &[numbers]);
        let sum = |numbers: Values<'_, i64>| numbers.iter().sum::<i64>();
        for name in df.get_column_names() {
            let eager = df.par_apply().by([name.clone()]).select(["number"]);
            let eager = eager.groups(sum);
            let call = df.clone().lazy().par_apply().by([name.clone()]);
            let mut lazily = call.select(["number"]).groups(sum);
            let schema = lazily.collect_schema();
            assert_eq!(schema.is_ok(), eager.is_ok(), "{name}");
            let (Ok(schema), Ok(eager)) = (schema, eager) else {
                continue;
            };
            assert_eq!(schema.as_ref(), eager.schema().as_ref(), "{name}");
            for engine in ENGINES {
                assert_same_frame(&collected(&lazily, engine).unwrap(), &eager, name);
            }
        }
    });
}

/// Results that are not cells, or whose type does not say the dtype.
#[test]
fn what_has_no_schema_is_refused() {
    let call = || frame(9).lazy().par_apply().by(["k"]).select(["row"]);
    let any = |row: Values<'_, i64>| AnyValue::Int64(row.len() as i64);
    let said = |mut lf: LazyFrame| lf.collect_schema().unwrap_err().to_string();
    let no_dtype = ".returns(…): the closure's type does not determine the output's dtype";
    for said in [
        said(call().groups(any)),
        said(call().transform(move |row: Values<'_, i64>| Each(any(row)))),
        said(call().windows(Window::rows(2), any)),
    ] {
        assert!(said.starts_with(no_dtype), "{said}");
    }
    let counts = call().returns([DataType::Int32]).groups(any);
    assert_eq!(
        counts.collect().unwrap()["par_apply"].dtype(),
        &DataType::Int32
    );
    let whole = |rows: Values<'_, i64>| rows.iter().collect::<Series>();
    let refused = said(call().groups(whole));
    assert!(
        refused.starts_with(".groups(…): the closure returns a whole Column or Series"),
        "{refused}"
    );
    for refused in [
        said(call().transform(whole)),
        said(call().transform(move |rows: Values<'_, i64>| Column::from(whole(rows)))),
    ] {
        assert!(
            refused.starts_with(".transform(…): the closure returns a whole Column or Series"),
            "{refused}"
        );
    }
}

fn scanned(folder: &Path) -> LazyFrame {
    let path = folder.join("frame.parquet");
    let file = std::fs::File::create(&path).unwrap();
    ParquetWriter::new(file).finish(&mut frame(1000)).unwrap();
    let path = PlRefPath::try_from_path(&path).unwrap();
    LazyFrame::scan_parquet(path, ScanArgsParquet::default()).unwrap()
}

#[test]
fn a_scan_reads_what_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let lf = scanned(folder.path());
    let reads = |lf: LazyFrame| {
        let plan = lf.explain(true).unwrap();
        let at = plan.find("PROJECT ").unwrap_or_else(|| panic!("{plan}"));
        plan[at..].split(' ').nth(1).unwrap().to_owned()
    };
    let call = || lf.clone().par_apply();
    // The key, and the closure's columns.
    let groups = call().by(["k"]).select(["x", "row"]).groups(sums);
    assert_eq!(reads(groups), "3/5");
    // A key that the closure takes too is read once.
    let groups = call().by(["t"]).select(["t", "row"]);
    let groups =
        groups.groups(|t: Values<'_, i64>, row: Values<'_, i64>| (t.len() + row.len()) as u64);
    assert_eq!(reads(groups), "2/5");
    let keys = call().by(["k"]).groups(|k: Option<&str>| k.is_none());
    assert_eq!(reads(keys), "1/5");
    #[derive(FromRow)]
    struct Two {
        row: i64,
        x: f64,
    }
    let two = |two: Rows<'_, Two>| two.iter().map(|two| two.x * two.row as f64).sum::<f64>();
    assert_eq!(reads(call().by(["k"]).groups(two)), "3/5");
    // A closure of whole groups takes all columns.
    let whole = call()
        .by(["k"])
        .groups(|group: DataFrame| group.width() as u64);
    assert_eq!(reads(whole), "*/5");

    // The columns that the rest of the query uses are read too.
    let above = || {
        call()
            .by(["k"])
            .select(["x"])
            .names(["above"])
            .transform(above_mean)
    };
    assert_eq!(reads(above().select([col("above")])), "2/5");
    assert_eq!(reads(above().select([col("above"), col("row")])), "3/5");
    assert_eq!(reads(above().select([col("row")])), "1/5");
    assert_eq!(reads(above()), "*/5");
    let windows = |window: Window| {
        let call = call().select(["x", "x"]).names(["change"]);
        reads(call.windows(window, change).select([col("change")]))
    };
    assert_eq!(windows(Window::rows(3)), "1/5");
    assert_eq!(windows(Window::over("t", 3)), "2/5");
    let by_key = call().by(["k"]).names(["sum"]);
    let by_key = by_key.windows(Window::over("t", 3), two);
    assert_eq!(reads(by_key.select([col("sum")])), "4/5");

    // The closure is given what is read.
    let whole = frame(1000);
    for engine in ENGINES {
        let groups = call().by(["k"]).groups(two);
        let eager = whole.par_apply().by(["k"]).select(["row", "x"]).groups(two);
        assert_same_frame(&collected(&groups, engine).unwrap(), &eager.unwrap(), "two");
        let above = collected(&above().select([col("row"), col("above")]), engine).unwrap();
        let eager = whole.par_apply().by(["k"]).select(["x"]).names(["above"]);
        assert_same(
            &above["above"],
            &eager.transform(above_mean).unwrap(),
            "above",
        );
    }
}

/// The call is made over the whole frame, whatever comes after it in the query; steps before it stay before it.
#[test]
fn what_comes_after_is_not_moved_before() {
    watched(|| {
        let folder = tempfile::tempdir().unwrap();
        let whole = frame(1000);
        for lf in [whole.clone().lazy(), scanned(folder.path())] {
            let call = || lf.clone().par_apply();
            let groups = call().by(["k"]).select(["row"]);
            let groups = groups.groups(|row: Values<'_, i64>| row.iter().sum::<i64>());
            let above = call().by(["k"]).select(["x"]).names(["above"]);
            let above = above.transform(above_mean);
            let both = |x: Values<'_, f64>, row: Values<'_, i64>| Each(sums(x, row));
            let all = call().by(["k"]).select(["x", "row"]).names(NAMES);
            let all = all.transform(both);
            let windows = call().by(["k"]).select(["x", "x"]).names(["change"]);
            let windows = windows.windows(Window::rows(4), change);
            for query in [groups, above, all, windows] {
                let eager = query.clone().collect().unwrap();
                let late: [fn(LazyFrame) -> LazyFrame; 7] = [
                    |lf| lf.filter(col("k").eq(lit("key 5"))),
                    |lf| lf.filter(col("k").is_null()),
                    LazyFrame::reverse,
                    |lf| lf.limit(3),
                    |lf| lf.tail(3),
                    |lf| lf.slice(5, 2),
                    |lf| lf.filter(col("k").gt(lit("key 3"))).slice(-4, 3),
                ];
                for (position, late) in late.into_iter().enumerate() {
                    let expected = late(eager.clone().lazy()).collect().unwrap();
                    for engine in ENGINES {
                        let out = collected(&late(query.clone()), engine).unwrap();
                        assert_same_frame(&out, &expected, &format!("{position} {engine:?}"));
                    }
                }
                let plan = query.filter(col("k").eq(lit("key 5"))).explain(true);
                let plan = plan.unwrap();
                assert!(!plan.contains("SELECTION"), "{plan}");
            }
        }
        // A step before it is done first.
        let early = scanned(folder.path()).filter(col("t").lt(lit(9)));
        let early = early.par_apply().by(["k"]).select(["row"]);
        let early = early.groups(|row: Values<'_, i64>| row.iter().sum::<i64>());
        let plan = early.clone().explain(true).unwrap();
        assert!(plan.contains("SELECTION"), "{plan}");
        let kept = whole.slice(0, 27);
        let eager = kept.par_apply().by(["k"]).select(["row"]);
        let eager = eager.groups(|row: Values<'_, i64>| row.iter().sum::<i64>());
        assert_same_frame(
            &early.collect().unwrap(),
            &eager.unwrap(),
            "filtered before",
        );
    });
}

/// The call depends on the order of the rows, even if no later step does.
#[test]
fn a_sort_before_it_stays() {
    watched(|| {
        let backwards = SortMultipleOptions::default().with_order_descending(true);
        let df = frame(1000);
        let sorted = df.sort(["row"], backwards.clone()).unwrap();
        let first = |row: Values<'_, i64>| row.get(0);
        let names = ["first"];
        let eager = sorted.par_apply().select(["row"]).names(names);
        let eager = eager.windows(Window::before(2), first).unwrap();
        let sum = || col("first").sum();
        let expected = with(&sorted, &[eager]).lazy().select([sum()]).collect();
        let groups = sorted.par_apply().by(["k"]).select(["row"]).names(names);
        let groups = groups.groups(first).unwrap().lazy().select([sum()]);
        let groups = groups.collect().unwrap();
        for engine in ENGINES {
            let call = || {
                df.clone()
                    .lazy()
                    .sort(["row"], backwards.clone())
                    .par_apply()
            };
            let call = || call().select(["row"]).names(names);
            let windows = call().windows(Window::before(2), first).select([sum()]);
            let out = collected(&windows, engine).unwrap();
            assert_eq!(&out, expected.as_ref().unwrap(), "{engine:?}");
            let out = call().by(["k"]).groups(first).select([sum()]);
            assert_eq!(collected(&out, engine).unwrap(), groups, "{engine:?}");
        }
    });
}

#[test]
fn errors_name_groups_and_windows() {
    watched(|| {
        let df = df![
            "k" => (0..250_000).map(|i| i / 1000 * 7 % 100).collect::<Vec<i64>>(),
            "i" => (0..250_000).collect::<Vec<i64>>(),
        ];
        let df = df.unwrap();
        // Each group has rows of three stretches; the lowest failing group has the first of its rows before the lowest failing row.
        let has = |i: Values<'_, i64>| !i.iter().any(|i| i == 103_777 || i == 91_234);
        for engine in ENGINES {
            let said = |lf: LazyFrame| collected(&lf, engine).unwrap_err().to_string();
            let call = || df.clone().lazy().par_apply().by(["k"]);
            let failed =
                said(call().groups(move |i: Values<'_, i64>| refuse_unless(has(i), "no good")));
            let start = "group 21 (from row 3000): the closure returned an error: no good";
            assert!(failed.starts_with(start), "{failed}");
            let failed = said(call().transform(move |i: Values<'_, i64>| {
                assert!(has(i), "not today");
                Each(1)
            }));
            let start = "group 21 (from row 3000): the closure panicked: not today";
            assert!(failed.starts_with(start), "{failed}");
            let failed = said(call().transform(|i: Values<'_, i64>| vec![0; i.len() - 1]));
            assert!(failed.starts_with("group 0 (from row 0): "), "{failed}");
            let failed = said(call().windows(Window::rows(3), move |i: Values<'_, i64>| {
                refuse_unless(has(i), "no good")
            }));
            let start = "the window of row 91234: the closure returned an error: no good";
            assert!(failed.starts_with(start), "{failed}");
        }
        let nulls = frame(30).lazy().par_apply().by(["k"]).select(["x"]);
        let nulls = nulls
            .nulls(Nulls::Error)
            .groups(|x: Values<'_, f64>| x.len() as u64);
        let wrong = frame(30).lazy().par_apply().by(["k"]).select(["x", "x"]);
        let wrong = wrong.windows(Window::over("row", 1), change);
        let falling = frame(30).lazy().reverse().par_apply().select(["x", "x"]);
        let falling = falling.windows(Window::over("row", 1), change);
        for engine in ENGINES {
            let failed = collected(&nulls, engine).unwrap_err().to_string();
            assert!(
                failed.starts_with("column \"x\" is null in row 2"),
                "{failed}"
            );
            assert!(collected(&wrong, engine).is_ok());
            let failed = collected(&falling, engine).unwrap_err().to_string();
            assert!(failed.contains("row 1"), "{failed}");
        }
    });
}

/// The policies and the failures are those of the eager calls.
#[test]
fn groups_and_rows_that_fail() {
    watched(|| {
        for rows in [0, 1, 9, 250_000] {
            let df = frame(rows);
            let checked = |row: Values<'_, i64>| {
                let bad = row.iter().any(|row| row % 13 == 4 || row % 13 == 5);
                refuse_unless(!bad, "bad").map(|()| (row.len() as u64, row.get(0)))
            };
            let window = move |row: Values<'_, i64>| checked(row).map(|(count, _)| count);
            for policy in [OnError::Null, OnError::Skip] {
                let eager = || df.par_apply().by(["k"]).select(["row"]).on_error(policy);
                let names = ["count", "first"];
                let groups = eager().names(names).groups(checked).unwrap();
                let each = move |row: Values<'_, i64>| checked(row).map(Each);
                let transform = eager().names(names).transform(each).unwrap();
                let windows = eager().names(["count"]).windows(Window::rows(2), window);
                let windows = windows.unwrap();
                let kept = |mask: BooleanChunked| df.filter(&mask).unwrap();
                let added = with(&kept(transform.kept_mask()), transform.output.columns());
                let counted = with(
                    &kept(windows.kept_mask()),
                    std::slice::from_ref(&windows.output),
                );
                let attempts = |failures: &DataFrame| failures.drop("attempts").unwrap();
                for engine in ENGINES {
                    let failures = Failures::new();
                    let call = || {
                        let call = df.clone().lazy().par_apply().by(["k"]).select(["row"]);
                        call.on_error(policy).failures(&failures)
                    };
                    let expects = |query: LazyFrame, output: &DataFrame, told: &DataFrame| {
                        assert_same_frame(&collected(&query, engine).unwrap(), output, "output");
                        let taken = attempts(&failures.take());
                        assert_same_frame(&taken, &attempts(told), "failures");
                    };
                    let query = call().names(names).groups(checked);
                    expects(query, &groups.output, &groups.failures);
                    let query = call().names(names).transform(each);
                    expects(query, &added, &transform.failures);
                    let query = call().names(["count"]).windows(Window::rows(2), window);
                    expects(query, &counted, &windows.failures);
                }
            }
        }
        for engine in ENGINES {
            let failures = Failures::new().max_failures(1);
            let call = frame(100)
                .lazy()
                .par_apply()
                .by(["t", "k"])
                .failures(&failures);
            let query = call.select(["row"]);
            let query = query.groups(|row: Values<'_, i64>| {
                refuse_unless(row.iter().all(|row| row % 10 != 1), "bad")
            });
            let said = collected(&query, engine).unwrap_err().to_string();
            assert!(
                said.starts_with("there were more than the 1 failure that .max"),
                "{said}"
            );
            assert!(said.contains("group 3, \"key 12\" (from row 11)"), "{said}");
            assert_eq!(failures.len(), 2);
        }
    });
}

#[test]
fn states_progress_and_stopping() {
    watched(|| {
        for engine in ENGINES {
            let df = frame(5000);
            let call = || df.clone().lazy().par_apply().by(["k"]).select(["row"]);
            // Each worker has its own state.
            let made = Arc::new(AtomicUsize::new(0));
            let init = || {
                let made = made.clone();
                move || {
                    made.fetch_add(1, SeqCst);
                    Vec::<i64>::new()
                }
            };
            let collect = |seen: &mut Vec<i64>, row: Values<'_, i64>| {
                seen.clear();
                seen.extend(row.iter());
                seen.iter().sum::<i64>()
            };
            let groups = collected(&call().state(init()).groups(collect), engine).unwrap();
            let total: i64 = (0..5000).sum();
            assert_eq!(groups["par_apply"].i64().unwrap().sum(), Some(total));
            assert!((1..=available_workers()).contains(&made.swap(0, SeqCst)));
            let each = move |seen: &mut Vec<i64>, row: Values<'_, i64>| Each(collect(seen, row));
            let transform = call().state(init()).names(["sum"]).transform(each);
            let transform = collected(&transform, engine).unwrap();
            assert!((1..=available_workers()).contains(&made.swap(0, SeqCst)));
            let eager = df.par_apply().by(["k"]).select(["row"]);
            let eager = eager.transform(|row: Values<'_, i64>| Each(row.iter().sum::<i64>()));
            assert_same(
                &transform["sum"],
                &eager.unwrap().with_name("sum".into()),
                "sums",
            );
            let windows = call().state(init()).names(["sum"]);
            let windows = windows.windows(Window::rows(1), collect);
            let windows = collected(&windows, engine).unwrap();
            assert_eq!(windows["sum"].i64().unwrap().sum(), Some(total));
            assert!(made.swap(0, SeqCst) > 0);
            let unmade = || refuse_unless(false, "no state").map(|()| Vec::<i64>::new());
            let unmade = call().state(unmade).groups(collect);
            let said = collected(&unmade, engine).unwrap_err().to_string();
            assert!(said.contains("no state"), "{said}");

            let ticks = Arc::new(Mutex::new(Vec::new()));
            let told = ticks.clone();
            let watched = call().total_rows(5000);
            let watched = watched.progress(move |tick: Tick| told.lock().unwrap().push(tick));
            collected(
                &watched.groups(|row: Values<'_, i64>| row.len() as u64),
                engine,
            )
            .unwrap();
            let last = *ticks.lock().unwrap().last().unwrap();
            assert_eq!((last.done, last.state), (5000, TickState::Finished));

            let token = CancelToken::new();
            token.cancel();
            let late = call().deadline(Duration::ZERO);
            let late = late.windows(Window::rows(1), |row: Values<'_, i64>| row.len() as u64);
            let said = collected(&late, engine).unwrap_err().to_string();
            assert!(said.contains("the deadline of 0ns passed"), "{said}");
            let token = CancelToken::new();
            let canceller = token.clone();
            let stopped = call()
                .cancel_token(&token)
                .groups(move |row: Values<'_, i64>| {
                    canceller.cancel();
                    row.len() as u64
                });
            let said = collected(&stopped, engine).unwrap_err().to_string();
            assert!(said.ends_with("the call was cancelled"), "{said}");
        }
    });
}

/// Options that cannot be followed are refused when the query is planned, and the closure is not called.
#[test]
fn what_cannot_be_followed_is_refused() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let count = || CALLS.fetch_add(1, SeqCst) as i64;
    let sum = move |row: Values<'_, i64>| count() + row.len() as i64;
    let call = || frame(9).lazy().par_apply().select(["row"]);
    let said = |mut lf: LazyFrame| {
        let said = lf.collect_schema().unwrap_err().to_string();
        assert!(lf.collect().is_err());
        assert_eq!(CALLS.load(SeqCst), 0);
        said
    };
    let refused = |lf: LazyFrame, start: &str| {
        let said = said(lf);
        assert!(said.starts_with(start), "{said}");
    };
    let window = || Window::rows(2);
    refused(call().groups(sum), ".by(…): groups need keys");
    let each = move |row: Values<'_, i64>| Each(sum(row));
    refused(call().transform(each), ".by(…): .transform(f) needs keys");
    let none = [""; 0];
    refused(call().by(none).groups(sum), ".by(…): it names no column");
    let dropped = call().null_keys(NullKeys::Drop);
    refused(
        dropped.windows(window(), sum),
        ".null_keys(…): there are no keys",
    );
    let call = || call().by(["k"]);
    refused(call().without_keys().transform(each), ".without_keys(…): ");
    refused(
        call().without_keys().windows(window(), sum),
        ".without_keys(…): ",
    );
    refused(
        call().numbered(true).groups(sum),
        ".numbered(…): the call is made over",
    );
    refused(call().row_wise().groups(sum), ".row_wise(…): ");
    refused(call().keep(["t"]).transform(each), ".keep(…): ");
    refused(
        call().on_error(OnError::Collect).groups(sum),
        ".on_error(…): a query has no",
    );
    let zero = Window::rows(0);
    refused(
        call().windows(zero, sum),
        ".windows(…): Window::rows(0) has no rows",
    );
    let key_first = |row: Values<'_, i64>, k: i64| row.len() as i64 + k;
    refused(
        call().groups(key_first),
        ".by(…): the closure takes a key (an argument that is a cell) after",
    );

    // The others use no keys.
    let by = ".by(…): only .groups(f), .transform(f) and .windows(window, f) use keys";
    let one = move |_: i64| count();
    refused(call().rows(one), by);
    refused(call().filter_rows(move |row: i64| one(row) > 0), by);
    refused(call().flat_map_rows(move |row: i64| [one(row)]), by);
    let same = |input: &Schema| input.clone();
    refused(call().chunks(same, |frame: DataFrame| frame), by);
    let error = call().row_batches(one).next().unwrap().unwrap_err();
    assert!(error.to_string().starts_with(by), "{error}");
    let error = call().batches(|batch: DataFrame| batch).next().unwrap();
    assert!(error.unwrap_err().to_string().starts_with(by));

    // Missing columns give the errors of a call over a frame; those of the query itself give the errors of Polars.
    let mut mistyped = call().groups(|row: Values<'_, &str>| row.len() as u64);
    let said = mistyped.collect_schema().unwrap_err().to_string();
    assert!(said.starts_with("column \"row\" is Int64"), "{said}");
    let mut named = call().names(["k"]).groups(sum);
    let said = named.collect_schema().unwrap_err().to_string();
    assert!(said.contains("\"k\""), "{said}");
    let mut missing = frame(9).lazy().par_apply().by(["key"]).groups(sum);
    assert!(
        missing
            .collect_schema()
            .unwrap_err()
            .to_string()
            .contains("key")
    );
    assert_eq!(CALLS.load(SeqCst), 0);

    // All are reported together.
    let mut several = call().numbered(true).keep(["t"]).row_wise().groups(sum);
    let said = several.collect_schema().unwrap_err().to_string();
    for part in [".numbered(…)", ".keep(…)", ".row_wise(…)"] {
        assert_eq!(said.matches(part).count(), 1, "{part}: {said}");
    }
}

/// Names that look like patterns of Polars are names, and the plan has the names of the calls.
#[test]
fn names_in_the_plan() {
    watched(|| {
        let df = df!["*" => ["a", "b", "a"], "^x.*$" => [1i64, 2, 4], "x" => [8i64, 16, 32]];
        let df = df.unwrap();
        let call = || df.clone().lazy().par_apply().by(["*"]).select(["^x.*$"]);
        let sum = |x: Values<'_, i64>| x.iter().sum::<i64>();
        let (groups, each) = (call().names(["^s"]).groups(sum), call().names(["^s"]));
        let each = each.transform(move |x: Values<'_, i64>| Each((sum(x), 1i64)));
        assert!(each.clone().collect_schema().is_err()); // two columns
        let each = call().names(["^s", "x"]);
        let each = each.transform(move |x: Values<'_, i64>| Each((sum(x), 1i64)));
        let windows = call().names(["^s"]).windows(Window::expanding(), sum);
        for engine in ENGINES {
            let out = collected(&groups, engine).unwrap();
            assert_eq!(out, df!["*" => ["a", "b"], "^s" => [5i64, 2]].unwrap());
            let out = collected(&each, engine).unwrap();
            let expected = df![
                "*" => ["a", "b", "a"], "^x.*$" => [1i64, 2, 4], "x" => [1i64, 1, 1], "^s" => [5i64, 2, 5],
            ];
            assert_eq!(out, expected.unwrap());
            let out = collected(&windows, engine).unwrap();
            assert_eq!(
                out["^s"].i64().unwrap().to_vec(),
                [Some(1), Some(2), Some(5)]
            );
        }
        let plan = |lf: LazyFrame| lf.explain(true).unwrap().to_lowercase();
        for (lf, name) in [
            (groups, "groups"),
            (each, "transform"),
            (windows, "windows"),
        ] {
            let plan = plan(lf);
            assert!(plan.contains(&format!("par_apply_{name}")), "{plan}");
        }
        assert!(plan(call().plan_name("mine").groups(sum)).contains("mine"));
        assert!(plan(call().plan_name("mine").windows(Window::rows(1), sum)).contains("mine"));
    });
}
