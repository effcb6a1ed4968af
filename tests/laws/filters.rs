//! A row function in a filter, or near one, is called once for each row that is left, and not for rows that were dropped before.

use std::path::Path;
use std::sync::{Arc, Mutex};

use polars_par_apply::prelude::*;

use crate::engines::{ENGINES, collected};
use crate::frames::{counting, refuse_unless, watched};

/// The values that a closure was called with.
#[derive(Clone, Default)]
struct Calls<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone + Ord> Calls<T> {
    fn add(&self, value: T) {
        self.0.lock().unwrap().push(value);
    }

    /// Returns them sorted, and clears the list.
    fn take(&self) -> Vec<T> {
        let mut calls = std::mem::take(&mut *self.0.lock().unwrap());
        calls.sort();
        calls
    }
}

/// A Parquet file of the frame, with row groups, and with the dictionaries that Polars makes.
fn parquet(folder: &Path, df: &DataFrame) -> LazyFrame {
    let path = folder.join("frame.parquet");
    let file = std::fs::File::create(&path).unwrap();
    let writer = ParquetWriter::new(file).with_row_group_size(Some(300));
    writer.finish(&mut df.clone()).unwrap();
    let path = PlRefPath::try_from_path(&path).unwrap();
    LazyFrame::scan_parquet(path, ScanArgsParquet::default()).unwrap()
}

/// Polars' Parquet reader evaluates a filter of one column for dictionaries, and for a null that it makes itself.
#[test]
fn a_filter_of_a_scan_is_called_for_the_files_rows() {
    watched(|| {
        let folder = tempfile::tempdir().unwrap();
        let numbers = (0..1000).map(|row| (row % 3 != 0).then_some(row % 7 + 1));
        let texts = (0..1000).map(|row| (row % 5 != 0).then(|| format!("text {}", row % 4)));
        let df = df![
            "number" => numbers.collect::<Vec<Option<i64>>>(),
            "text" => texts.collect::<Vec<Option<String>>>(),
        ]
        .unwrap();
        let lf = parquet(folder.path(), &df);
        for engine in ENGINES {
            let calls = Calls::default();
            let seen = calls.clone();
            let few = move |number: i64| {
                seen.add(number);
                100 / number > 20
            };
            let expressions = [
                rows(["number"]).apply(few.clone()),
                rows([col("number") + lit(0i64)]).apply(few.clone()),
                rows([col("number").fill_null(lit(NULL))]).apply(few.clone()),
                rows([lit(0i64), col("number")]).apply({
                    let few = few.clone();
                    move |zero: i64, number: i64| few(zero + number)
                }),
                // Within another.
                rows([rows(["number"]).apply(|number: i64| number)]).apply(few.clone()),
                rows(["number"]).apply(few.clone()).not().not(),
            ];
            let numbers: Vec<i64> = df
                .column("number")
                .unwrap()
                .i64()
                .unwrap()
                .iter()
                .flatten()
                .collect();
            let kept = numbers.iter().filter(|number| 100 / **number > 20).count();
            let mut sorted = numbers.clone();
            sorted.sort_unstable();
            for (position, filter) in expressions.into_iter().enumerate() {
                let out = collected(&lf.clone().filter(filter), engine).unwrap();
                let what = format!("{engine:?}, filter {position}");
                assert_eq!(out.height(), kept, "{what}");
                assert_eq!(calls.take(), sorted, "{what}");
            }

            let texts = Calls::default();
            let seen = texts.clone();
            let odd = rows(["text"]).apply(move |text: Option<&str>| {
                seen.add(text.map(str::to_owned));
                text.is_none_or(|text| text.ends_with(['1', '3']))
            });
            let out = collected(&lf.clone().filter(odd), engine).unwrap();
            let mut expected: Vec<Option<String>> = df
                .column("text")
                .unwrap()
                .str()
                .unwrap()
                .iter()
                .map(|text| text.map(str::to_owned))
                .collect();
            let is_odd =
                |text: &Option<String>| text.as_ref().is_none_or(|text| text.ends_with(['1', '3']));
            assert_eq!(
                out.height(),
                expected.iter().filter(|text| is_odd(text)).count()
            );
            expected.sort();
            assert_eq!(texts.take(), expected);
        }
    });
}

/// It is an error, and not a panic of Polars.
#[test]
fn a_filter_of_a_scan_fails_as_elsewhere() {
    watched(|| {
        let folder = tempfile::tempdir().unwrap();
        let df = df!["n" => [Some(4i64), None, Some(0), Some(2)]].unwrap();
        let lf = parquet(folder.path(), &df);
        for engine in ENGINES {
            let said = |filter: Expr| {
                let out = collected(&lf.clone().filter(filter), engine);
                out.unwrap_err().to_string()
            };
            let fails =
                said(rows(["n"]).apply(|n: i64| refuse_unless(n != 0, "no good").map(|()| true)));
            assert!(
                fails.contains("the closure returned an error: no good"),
                "{fails}"
            );
            let panics = said(rows(["n"]).apply(|n: i64| 100 / n > 3));
            assert!(panics.contains("the closure panicked"), "{panics}");
            let strict = said(rows(["n"]).nulls(Nulls::Error).apply(|n: i64| n > 3));
            assert!(strict.contains("column \"n\" is null in row "), "{strict}");
            let token = CancelToken::new();
            token.cancel();
            let late = said(rows(["n"]).cancel_token(&token).apply(|n: i64| n > 3));
            assert!(late.contains("cancelled"), "{late}");
        }
    });
}

/// A filter may compare results over a frame. On a scan, Polars would compare them for statistics, so the filter is refused unless the
/// expression is pinned, as the error says.
#[test]
fn a_filter_by_other_results_is_refused_for_a_scan() {
    watched(|| {
        let folder = tempfile::tempdir().unwrap();
        let df = df!["n" => [4i64, 2]].unwrap();
        let scan = parquet(folder.path(), &df);
        let filters = || {
            let half = || rows(["n"]).apply(|n: i64| n / 2);
            [half().gt(lit(1)), half().is_not_null()]
        };
        for engine in ENGINES {
            for (filter, kept) in filters().into_iter().zip([1, 2]) {
                let said = scan.clone().filter(filter.clone());
                let said = collected(&said, engine).unwrap_err().to_string();
                let line =
                    r#"write rows(["n"]).pinned(true).apply(…) instead of rows(["n"]).apply(…)"#;
                assert!(said.contains(line), "{said}");
                for lf in [df.clone().lazy(), scan.clone().filter(col("n").gt(lit(0)))] {
                    let out = collected(&lf.filter(filter.clone()), engine).unwrap();
                    assert_eq!(out.height(), kept);
                }
                let added = scan
                    .clone()
                    .par_apply()
                    .names(["half"])
                    .rows(|n: i64| n / 2);
                let added = added.filter(col("half").gt(lit(1)));
                assert_eq!(collected(&added, engine).unwrap().height(), 1);
            }
        }
    });
}

/// A comparison, and the rows that it keeps.
type Compared = (Expr, fn(i64) -> bool);

/// If the expression is pinned, the comparison is made only for the files' rows: not for statistics, dictionaries or an invented null.
#[test]
fn a_pinned_comparison_of_a_scan_is_called_for_the_files_rows() {
    watched(|| {
        let folder = tempfile::tempdir().unwrap();
        let df = df![
            "n" => (0..1000).map(|row| (row % 3 != 0).then_some(row % 7 + 1)).collect::<Vec<Option<i64>>>(),
            "same" => [5i64; 1000],
            "text" => (0..1000).map(|row| format!("text {}", row % 4)).collect::<Vec<String>>(),
        ]
        .unwrap();
        let lf = parquet(folder.path(), &df);
        let rows_of = |name: &str| {
            let column = df.column(name).unwrap().cast(&DataType::String).unwrap();
            let mut rows: Vec<Option<String>> = column
                .str()
                .unwrap()
                .iter()
                .map(|text| text.map(str::to_owned))
                .collect();
            rows.sort();
            rows
        };
        for engine in ENGINES {
            let calls = Calls::default();
            let of = |name: &str| {
                let seen = calls.clone();
                let length = rows([col(name).cast(DataType::String)]).pinned(true);
                length.apply(move |text: Option<&str>| {
                    seen.add(text.map(str::to_owned));
                    text.map_or(-1, |text| text.len() as i64)
                })
            };
            for name in ["n", "same", "text"] {
                let filters: [Compared; 5] = [
                    (of(name).gt(lit(0)), |length| length > 0),
                    (of(name).gt(lit(100)), |length| length > 100),
                    (of(name).is_not_null(), |_| true),
                    (lit(3).lt(of(name)), |length| 3 < length),
                    (of(name).eq(lit(1)).not(), |length| length != 1),
                ];
                let rows = rows_of(name);
                let length =
                    |text: &Option<String>| text.as_ref().map_or(-1, |text| text.len() as i64);
                for (position, (filter, keeps)) in filters.into_iter().enumerate() {
                    let out = collected(&lf.clone().filter(filter), engine).unwrap();
                    let what = format!("{name}, filter {position}, {engine:?}");
                    let kept = rows
                        .iter()
                        .map(length)
                        .filter(|length| keeps(*length))
                        .count();
                    assert_eq!(out.height(), kept, "{what}");
                    assert_eq!(calls.take(), rows, "{what}");
                }
            }
        }
    });
}

/// A filter that comes before it keeps rows from the closure.
#[test]
fn what_is_filtered_before_is_not_seen() {
    watched(|| {
        let folder = tempfile::tempdir().unwrap();
        let df = df!["n" => [1i64, 4, 9, 8], "d" => [0i64, 2, 0, 3]].unwrap();
        let expected = df!["n" => [4i64, 8], "d" => [2i64, 3]].unwrap();
        let over = || rows(["n", "d"]).apply(|n: i64, d: i64| n / d > 1);
        let not_zero = || col("d").neq(lit(0));
        for lf in [df.clone().lazy(), parquet(folder.path(), &df)] {
            for engine in ENGINES {
                let guarded = [
                    lf.clone().filter(not_zero()).filter(over()),
                    lf.clone()
                        .filter(not_zero())
                        .filter(rows(["n", "d"]).apply(|n: i64, d: i64| n / d).gt(lit(1))),
                    // The filter uses the row function's results.
                    lf.clone()
                        .filter(not_zero())
                        .par_apply()
                        .names(["over"])
                        .rows(|n: i64, d: i64| n / d > 1)
                        .filter(col("over"))
                        .drop(by_name(["over"], true, false)),
                ];
                for (position, query) in guarded.iter().enumerate() {
                    let out = collected(query, engine);
                    let out = out.unwrap_or_else(|error| panic!("query {position}: {error}"));
                    assert_eq!(out, expected, "query {position}, {engine:?}");
                }
            }
        }
    });
}

#[test]
fn what_a_join_drops_is_not_seen() {
    watched(|| {
        let left = df!["k" => [1, 2, 3], "d" => [0i64, 2, 4]].unwrap();
        let right = df!["k" => [2, 3], "n" => [8i64, 2]].unwrap();
        for engine in ENGINES {
            let joined = left
                .clone()
                .lazy()
                .inner_join(right.clone().lazy(), col("k"), col("k"));
            let large = rows(["d"]).apply(|d: i64| 10 / d > 2);
            let out = collected(&joined.clone().filter(large), engine).unwrap();
            assert_eq!(out.height(), 1);
            let of_key = rows(["k"]).apply(|k: i32| {
                assert_ne!(k, 1, "dropped by the join");
                k == 2
            });
            let out = collected(&joined.filter(of_key), engine).unwrap();
            assert_eq!(out.height(), 1);
        }
    });
}

/// After other steps that drop or make rows.
#[test]
fn what_other_steps_drop_is_not_seen() {
    watched(|| {
        let df = df!["n" => [1i64, 4, 9, 8], "d" => [0i64, 2, 0, 3]].unwrap();
        let some = || df.clone().lazy().filter(col("d").neq(lit(0)));
        let over = || rows(["n", "d"]).apply(|n: i64, d: i64| n / d > 1);
        for engine in ENGINES {
            let both = concat([some(), some()], UnionArgs::default()).unwrap();
            assert_eq!(collected(&both.filter(over()), engine).unwrap().height(), 4);
            let sums = some().group_by([col("d")]).agg([col("n").sum()]);
            assert_eq!(collected(&sums.filter(over()), engine).unwrap().height(), 2);
            let first = some().limit(1).filter(over());
            assert_eq!(collected(&first, engine).unwrap().height(), 1);
            // Compared results, after a join and a filter.
            let divided = || rows(["n", "d"]).apply(|n: i64, d: i64| n / d).gt(lit(1));
            let ones = df!["d" => [2i64, 3]].unwrap().lazy();
            let joined = df.clone().lazy().inner_join(ones, col("d"), col("d"));
            assert_eq!(
                collected(&joined.filter(divided()), engine)
                    .unwrap()
                    .height(),
                2
            );
        }
    });
}

/// Several expressions in one step over a frame in chunks, one of them twice.
#[test]
fn answers_side_by_side() {
    watched(|| {
        let whole = counting(40);
        let mut df = whole.slice(0, 4);
        for offset in (4..40).step_by(4) {
            df.vstack_mut(&whole.slice(offset, 4)).unwrap();
        }
        let odd = rows(["i"]).apply(|i: i64| i % 2 == 1);
        let large = rows(["i"]).apply(|i: i64| i > 20);
        let exprs = || {
            [
                odd.clone().alias("a"),
                large.clone().alias("b"),
                odd.clone().alias("c"),
            ]
        };
        for engine in ENGINES {
            let lf = df.clone().lazy();
            for query in [lf.clone().select(exprs()), lf.clone().with_columns(exprs())] {
                let out = collected(&query, engine).unwrap();
                let counts =
                    ["a", "b", "c"].map(|name| out.column(name).unwrap().bool().unwrap().sum());
                assert_eq!(counts, [Some(20), Some(19), Some(20)]);
            }
            let both = lf.filter(odd.clone()).filter(large.clone());
            assert_eq!(collected(&both, engine).unwrap().height(), 10);
        }
    });
}

/// A frame whose columns look like a file's statistics.
#[test]
fn columns_may_be_called_as_statistics_are() {
    watched(|| {
        let df =
            df!["len" => [1i64], "x_min" => [1i64], "x_max" => [3i64], "x_nc" => [0i64]].unwrap();
        for engine in ENGINES {
            let range = rows(["x_max", "x_min"]).apply(|most: i64, least: i64| most > least);
            let lf = df.clone().lazy().filter(range);
            let lf = lf
                .par_apply()
                .select(["x_min"])
                .names(["y"])
                .rows(|least: i64| least);
            let length = rows(["len"]).apply(|len: i64| len * 2);
            assert_eq!(
                collected(&lf.with_columns([length]), engine)
                    .unwrap()
                    .shape(),
                (1, 6)
            );
        }
    });
}

/// A null does not keep a row, and neither does a failure that is let pass.
#[test]
fn rows_without_an_answer_are_dropped() {
    watched(|| {
        let lf = df!["i" => [Some(1i64), None, Some(2), Some(3)]]
            .unwrap()
            .lazy();
        for engine in ENGINES {
            let kept = |filter: Expr| {
                let out = collected(&lf.clone().filter(filter), engine).unwrap();
                out.column("i").unwrap().i64().unwrap().to_vec()
            };
            assert_eq!(kept(rows(["i"]).apply(|i: i64| i > 1)), [Some(2), Some(3)]);
            let maybe = |i: Option<i64>| i.map_or(Some(true), |i| (i != 2).then_some(i > 2));
            assert_eq!(kept(rows(["i"]).apply(maybe)), [None, Some(3)]);
            let failing = rows(["i"]).on_error(OnError::Null);
            let failing = failing.apply(|i: i64| refuse_unless(i != 3, "no good").map(|()| true));
            assert_eq!(kept(failing), [Some(1), Some(2)]);
            let said = lf.clone().filter(rows(["i"]).apply(|i: i64| i + 1));
            let said = collected(&said, engine).unwrap_err().to_string();
            assert!(said.contains("oolean"), "{said}");
        }
    });
}

/// Of the rows that a later `head` leaves out, the closure is called for no more than a batch.
#[test]
fn a_slice_leaves_rows_out() {
    watched(|| {
        let calls = Calls::default();
        let seen = calls.clone();
        let lf = counting(1_000_000).lazy().par_apply().names(["j"]);
        let lf = lf.rows(move |i: i64| {
            seen.add(i);
            i
        });
        for engine in ENGINES {
            assert_eq!(
                collected(&lf.clone().limit(10), engine).unwrap().height(),
                10
            );
            assert_eq!(calls.take(), (0..10).collect::<Vec<i64>>());
        }
    });
}
