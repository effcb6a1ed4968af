//! Groups of rows that have the same keys: each row is in one group, groups and rows are in order, and each group is one call.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use polars_par_apply::Error;
use polars_par_apply::prelude::*;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use crate::frames::{every_dtype, layouts, shown};

/// Computes the rows of each group from the text of the keys, in the order of first rows.
fn by_text(df: &DataFrame, keys: &[&str]) -> Vec<(String, Vec<usize>)> {
    let mut places = BTreeMap::new();
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for row in 0..df.height() {
        let key = keys.iter().map(|key| {
            let value = df.column(key).unwrap().get(row).unwrap();
            match value {
                // As in Polars, −0.0 is equal to 0.0.
                AnyValue::Float64(0.0) => "0.0".to_owned(),
                AnyValue::Float32(0.0) => "0.0".to_owned(),
                AnyValue::Null => "is null".to_owned(),
                value => format!("{value:?}"),
            }
        });
        let key = key.collect::<Vec<_>>().join("|");
        let place = *places.entry(key.clone()).or_insert_with(|| {
            groups.push((key, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(row);
    }
    groups
}

/// Returns the rows of each group as closures are given them.
fn given(df: &DataFrame, keys: &[&str], workers: usize) -> Vec<Vec<usize>> {
    let keys = keys.iter().copied();
    let lists = df
        .par_apply()
        .by(keys)
        .without_keys()
        .select(["row of the frame"])
        .workers(workers)
        .groups(|rows: Values<'_, u64>| rows.iter().collect::<Vec<u64>>())
        .unwrap();
    let lists = lists.column("par_apply").unwrap().list().unwrap().clone();
    let lists = (0..lists.len()).map(|group| {
        let rows = lists.get_as_series(group).unwrap();
        rows.u64()
            .unwrap()
            .into_no_null_iter()
            .map(|row| row as usize)
            .collect()
    });
    lists.collect()
}

fn numbered(df: &DataFrame) -> DataFrame {
    let mut df = df.clone();
    let rows: Vec<u64> = (0..df.height() as u64).collect();
    df.with_column(Column::new("row of the frame".into(), rows))
        .unwrap();
    df
}

#[test]
fn groups_partition_the_rows_for_keys_of_every_dtype() {
    let df = every_dtype(60);
    let names: Vec<String> = df
        .get_column_names()
        .iter()
        .map(ToString::to_string)
        .collect();
    for (layout, df) in layouts(&numbered(&df)) {
        for name in &names {
            let expected: Vec<Vec<usize>> = by_text(&df, &[name])
                .into_iter()
                .map(|(_, rows)| rows)
                .collect();
            for workers in [1, 3] {
                assert_eq!(given(&df, &[name], workers), expected, "{layout}, {name}");
            }
        }
        for keys in [
            ["str", "i32"],
            ["bool", "f64"],
            ["list", "date"],
            ["cat", "struct"],
        ] {
            let expected: Vec<Vec<usize>> = by_text(&df, &keys)
                .into_iter()
                .map(|(_, rows)| rows)
                .collect();
            assert_eq!(given(&df, &keys, 2), expected, "{layout}, {keys:?}");
        }
    }
}

#[test]
fn floats_that_are_equal_are_one_key() {
    let k = [0.0, -0.0, f64::NAN, 1.0, -f64::NAN, f64::INFINITY, 0.0];
    let df = numbered(&df!["k" => k, "j" => k.map(|k| k as f32)].unwrap());
    let expected = [vec![0, 1, 6], vec![2, 4], vec![3], vec![5]];
    for keys in [&["k"][..], &["j"], &["k", "j"]] {
        assert_eq!(given(&df, keys, 2), expected, "{keys:?}");
    }
}

#[test]
fn a_sorted_flag_is_not_trusted() {
    let mut column = Column::new("k".into(), [3, 1, 3, 2, 1]);
    column.set_sorted_flag(polars::series::IsSorted::Ascending);
    let df = numbered(&DataFrame::new(5, vec![column]).unwrap());
    assert_eq!(given(&df, &["k"], 2), [vec![0, 2], vec![1, 4], vec![3]]);
}

#[test]
fn null_keys_are_a_group_or_none() {
    let df = df!["k" => [Some("a"), None, Some("b"), None, Some("a")], "x" => [1i64, 2, 3, 4, 5]]
        .unwrap();
    let sum = |x: Values<'_, i64>| x.iter().sum::<i64>();
    let all = df.par_apply_groups(["k"], sum).unwrap();
    assert!(all.equals_missing(
        &df!["k" => [Some("a"), None, Some("b")], "par_apply" => [6i64, 6, 3]].unwrap()
    ));
    // A plain key is not given a null.
    let keyed = df
        .par_apply_groups(["k"], |k: &str, x: Values<'_, i64>| {
            (k.to_owned(), x.len() as u64)
        })
        .unwrap();
    let texts = keyed["column_0"].str().unwrap();
    assert!(texts.iter().eq([Some("a"), None, Some("b")]));
    let seen = df
        .par_apply_groups(["k"], |k: Option<&str>| k.is_none())
        .unwrap();
    assert!(
        seen["par_apply"]
            .bool()
            .unwrap()
            .iter()
            .eq([Some(false), Some(true), Some(false)])
    );

    let dropped = df
        .par_apply()
        .by(["k"])
        .null_keys(NullKeys::Drop)
        .outcome()
        .groups(sum)
        .unwrap();
    assert_eq!(
        dropped.output,
        df!["k" => ["a", "b"], "par_apply" => [6i64, 3]].unwrap()
    );
    assert_eq!(dropped.kept_rows().to_vec(), [Some(0), Some(2), Some(4)]);
    let same = df
        .par_apply()
        .by(["k"])
        .null_keys(NullKeys::Drop)
        .transform(|x: Values<'_, i64>| x.iter().collect::<Vec<i64>>())
        .unwrap();
    assert_eq!(
        same.i64().unwrap().to_vec(),
        [Some(1), None, Some(3), None, Some(5)]
    );
}

#[test]
fn nulls_are_left_out_of_all_arguments_together() {
    let df = df![
        "k" => ["a", "a", "a", "b", "c"],
        "x" => [Some(1.0), None, Some(3.0), Some(4.0), None],
        "y" => [Some(10.0), Some(20.0), None, Some(40.0), Some(50.0)],
    ]
    .unwrap();
    let pairs = df
        .par_apply_groups(["k"], |x: Values<'_, f64>, y: Values<'_, f64>| {
            assert_eq!((x.len(), x.iter().len()), (y.len(), y.iter().len()));
            let sum: f64 = x.iter().zip(y.iter()).map(|(x, y)| x * y).sum();
            (
                sum,
                x.len() as u64,
                x.get(0),
                x.get(1),
                x.as_slice().map(<[f64]>::to_vec),
            )
        })
        .unwrap();
    assert_eq!(
        pairs.column("column_0").unwrap().f64().unwrap().to_vec(),
        [Some(10.0), Some(160.0), Some(0.0)]
    );
    // The closure is still called for a group whose rows are all left out.
    assert_eq!(
        pairs.column("column_1").unwrap().u64().unwrap().to_vec(),
        [Some(1), Some(1), Some(0)]
    );
    assert_eq!(
        pairs.column("column_2").unwrap().f64().unwrap().to_vec(),
        [Some(1.0), Some(4.0), None]
    );
    assert_eq!(pairs.column("column_3").unwrap().null_count(), 3);
    assert_eq!(pairs.column("column_4").unwrap().null_count(), 0);
    // `Option` is given nulls, and does not hide the nulls of other arguments.
    let seen = df
        .par_apply_groups(["k"], |x: Values<'_, Option<f64>>, y: Values<'_, f64>| {
            (
                x.iter().flatten().count() as u64,
                x.len() as u64,
                y.iter().count() as u64,
            )
        })
        .unwrap();
    assert_eq!(
        seen.column("column_0").unwrap().u64().unwrap().to_vec(),
        [Some(1), Some(1), Some(0)]
    );
    assert_eq!(
        seen.column("column_1").unwrap().u64().unwrap().to_vec(),
        [Some(2), Some(1), Some(1)]
    );
    assert_eq!(
        seen.column("column_2").unwrap().u64().unwrap().to_vec(),
        [Some(2), Some(1), Some(1)]
    );
    let rows = df
        .par_apply_groups(["k"], |rows: Rows<'_, (f64, Option<f64>)>| {
            rows.iter().map(|(x, y)| x + y.unwrap_or(0.5)).sum::<f64>()
        })
        .unwrap();
    assert_eq!(
        rows.column("par_apply").unwrap().f64().unwrap().to_vec(),
        [Some(14.5), Some(44.0), Some(0.0)]
    );
    // No null is allowed: the first one is reported before any call.
    let error = df
        .par_apply()
        .by(["k"])
        .nulls(Nulls::Error)
        .groups(|_: Values<'_, f64>, _: Values<'_, f64>| -> u64 { panic!("it is called") });
    assert!(
        matches!(error.unwrap_err().kind(), ErrorKind::Null { column, row: 1, .. } if column == "x")
    );
    let keyed = df!["k" => [Some("a"), None], "x" => [1, 2]].unwrap();
    let strict = || keyed.par_apply().by(["k"]).nulls(Nulls::Error);
    let error = strict().groups(|_: &str, _: Values<'_, i32>| -> u64 { panic!("it is called") });
    assert!(
        matches!(error.unwrap_err().kind(), ErrorKind::Null { column, row: 1, .. } if column == "k")
    );
    assert_eq!(
        strict()
            .groups(|_: Option<&str>, _: Values<'_, i32>| 1)
            .unwrap()
            .height(),
        2
    );
    assert_eq!(strict().groups(|_: Values<'_, i32>| 1).unwrap().height(), 2);
    let current = df.par_apply().select(["x", "y"]).nulls(Nulls::Error);
    let error = current.windows(
        Window::rows(1),
        |_: f64, _: Values<'_, Option<f64>>| -> u64 { panic!("it is called") },
    );
    assert!(
        matches!(error.unwrap_err().kind(), ErrorKind::Null { column, row: 1, .. } if column == "x")
    );
    // A whole group has all of its rows.
    let whole = df
        .par_apply_groups(["k"], |group: &DataFrame| group.height() as u64)
        .unwrap();
    assert_eq!(
        whole.column("par_apply").unwrap().u64().unwrap().to_vec(),
        [Some(3), Some(1), Some(1)]
    );
}

#[test]
fn every_dtype_is_given_by_group_as_it_is() {
    let df = every_dtype(40);
    let mut df = numbered(&df);
    let keys: Vec<i64> = (0..40).map(|i| i * 7 % 5).collect();
    df.with_column(Column::new("the key".into(), keys)).unwrap();
    for (layout, df) in layouts(&df) {
        let names = df.get_column_names_owned();
        for name in names.iter().filter(|name| *name != "the key") {
            let call = || df.par_apply().by(["the key"]).select([name.clone()]);
            let values = call().groups(|v: Values<'_, AnyValue<'_>>| {
                v.iter().map(|v| shown(&v)).collect::<Vec<String>>()
            });
            let whole = call().groups(|g: DataFrame| {
                let v = g.columns()[0].as_materialized_series();
                v.iter().map(|v| shown(&v)).collect::<Vec<String>>()
            });
            assert_eq!(values.unwrap(), whole.unwrap(), "{layout}, {name}");
            // The identity, as a stacked frame and in place.
            let stacked = call().groups(|g: DataFrame| g).unwrap();
            let order: Vec<usize> = given(&df, &["the key"], 1).concat();
            let order =
                IdxCa::from_vec("".into(), order.iter().map(|row| *row as IdxSize).collect());
            let expected = df.column(name).unwrap().take(&order).unwrap();
            assert!(
                stacked.column(name).unwrap().equals_missing(&expected),
                "{layout}, {name}"
            );
            let same = call()
                .transform(|g: DataFrame| g.columns()[0].clone())
                .unwrap();
            assert!(
                same.equals_missing(df.column(name).unwrap()),
                "{layout}, {name}"
            );
        }
    }
}

/// Returns a frame of random keys.
fn drawn(rows: usize, keys: u64, seed: u128) -> DataFrame {
    let mut random = Pcg64Mcg::new(seed);
    let k: Vec<i64> = (0..rows)
        .map(|_| (random.random_range(0..keys)) as i64 * 1_000_003)
        .collect();
    let t: Vec<String> = k.iter().map(|k| format!("key {k}")).collect();
    let x: Vec<Option<f64>> = (0..rows)
        .map(|_| random.random_bool(0.9).then(|| random.random::<f64>()))
        .collect();
    let y: Vec<f64> = (0..rows).map(|_| random.random()).collect();
    df!["k" => k, "t" => t, "x" => x, "y" => y].unwrap()
}

#[test]
fn results_have_the_bits_of_a_plain_loop() {
    for (rows, keys) in [(0, 1), (1, 1), (1_000, 7), (50_000, 30), (50_000, 30_000)] {
        let df = drawn(rows, keys, 5);
        let (k, x, y) = (
            df["k"].i64().unwrap(),
            df["x"].f64().unwrap(),
            df["y"].f64().unwrap(),
        );
        let mut sums: BTreeMap<i64, (usize, f64)> = BTreeMap::new();
        for row in 0..rows {
            let (_, sum) = sums.entry(k.get(row).unwrap()).or_insert((row, 0.0));
            if let Some(x) = x.get(row) {
                *sum += x * y.get(row).unwrap();
            }
        }
        let mut sums: Vec<(usize, f64)> = sums.into_values().collect();
        sums.sort_by_key(|(row, _)| *row);
        let expected: Vec<Option<f64>> = sums.into_iter().map(|(_, sum)| Some(sum)).collect();
        for key in ["k", "t"] {
            for workers in [1, 2, 4] {
                let call = || df.par_apply().by([key]).select(["x", "y"]).workers(workers);
                let zipped = call().groups(|x: Values<'_, f64>, y: Values<'_, f64>| {
                    x.iter().zip(y.iter()).fold(0.0, |sum, (x, y)| sum + x * y)
                });
                assert_eq!(
                    zipped.unwrap()["par_apply"].f64().unwrap().to_vec(),
                    expected
                );
                let by_row = call().groups(|rows: Rows<'_, (f64, f64)>| {
                    rows.iter().fold(0.0, |sum, (x, y)| sum + x * y)
                });
                assert_eq!(
                    by_row.unwrap()["par_apply"].f64().unwrap().to_vec(),
                    expected
                );
                let spread = call().transform(|rows: Rows<'_, (f64, f64)>| {
                    Each(rows.iter().fold(0.0, |sum, (x, y)| sum + x * y))
                });
                let spread = spread.unwrap();
                assert_eq!(spread.null_count(), df["x"].null_count());
                let same = call().transform(|x: Values<'_, f64>, _: Values<'_, f64>| {
                    x.iter().collect::<Vec<f64>>()
                });
                assert!(
                    same.unwrap()
                        .equals_missing(&df["x"].clone().with_name("par_apply".into()))
                );
            }
        }
    }
}

#[test]
fn each_group_is_given_once_and_knows_its_place() {
    let df = drawn(5_000, 400, 9);
    let calls = Mutex::new(vec![0; 400]);
    let places = df
        .par_apply()
        .by(["k"])
        .workers(3)
        .groups(|group: Group| {
            calls.lock().unwrap()[group.index()] += 1;
            let key = group.key().column("k").unwrap().i64().unwrap().get(0);
            assert_eq!(group.key().height(), 1);
            (key, group.first_row() as u64, group.height() as u64)
        })
        .unwrap();
    let groups = by_text(&df, &["k"]);
    let calls = calls.into_inner().unwrap();
    assert!(calls[..groups.len()].iter().all(|calls| *calls == 1));
    assert!(places["k"].equals(&places["column_0"].clone().with_name("k".into())));
    let firsts: Vec<Option<u64>> = groups
        .iter()
        .map(|(_, rows)| Some(rows[0] as u64))
        .collect();
    assert_eq!(places["column_1"].u64().unwrap().to_vec(), firsts);
    assert_eq!(places["column_2"].u64().unwrap().sum(), Some(5_000));
}

#[test]
fn frames_are_stacked_with_their_keys() {
    let df = df!["k" => ["a", "b", "a"], "j" => [1, 1, 1], "x" => [1, 2, 3]].unwrap();
    let twice = df
        .par_apply_groups(["k", "j"], |g: DataFrame| g.vstack(&g))
        .unwrap();
    assert_eq!(
        twice,
        df!["k" => ["a", "a", "a", "a", "b", "b"], "j" => [1; 6], "x" => [1, 3, 1, 3, 2, 2]]
            .unwrap()
    );
    let column = df
        .par_apply()
        .by(["k"])
        .select(["x"])
        .groups(|g: DataFrame| g["x"].clone())
        .unwrap();
    assert_eq!(
        column,
        df!["k" => ["a", "a", "b"], "x" => [1, 3, 2]].unwrap()
    );
    let series = df
        .par_apply()
        .by(["k"])
        .names(["y"])
        .without_keys()
        .groups(|x: Values<'_, i32>| x.iter().collect::<Series>());
    assert_eq!(
        series
            .unwrap_err()
            .to_string()
            .matches("the closure takes 1 argument")
            .count(),
        1
    );
    let series = df
        .par_apply()
        .by(["k"])
        .select(["x"])
        .names(["y"])
        .without_keys()
        .groups(|x: Values<'_, i32>| x.iter().collect::<Series>());
    assert_eq!(series.unwrap(), df!["y" => [1, 3, 2]].unwrap());
    // A result with the name of a key, whole or not.
    let clash = df
        .par_apply()
        .by(["k"])
        .groups(|_: DataFrame| df!["k" => [1]].unwrap());
    assert!(
        matches!(clash.unwrap_err().kind(), ErrorKind::DuplicateName { name, .. } if name == "k")
    );
    let clash = df
        .par_apply()
        .by(["k"])
        .names(["k"])
        .groups(|g: DataFrame| g.height() as u64);
    assert!(
        matches!(clash.unwrap_err().kind(), ErrorKind::DuplicateName { name, .. } if name == "k")
    );
    // Results that do not go together.
    let other = df.par_apply().by(["k"]).groups(|g: Group| match g.index() {
        0 => df!["y" => [1]],
        _ => df!["z" => [1]],
    });
    assert_eq!(
        other.unwrap_err().to_string(),
        "group \"b\" (from row 1): column \"z\": it is column 0 of the result, but in the groups before it that column is \
         \"y\"; return the same columns, in the same order, for every group"
    );
}

#[test]
fn the_lowest_group_that_fails_is_told() {
    let df = drawn(3_000, 300, 3);
    let groups = by_text(&df, &["k"]);
    let first = &groups[40];
    let fails = |index: usize| index == 40 || index == 41 || index == 299;
    for workers in [1, 2, 4] {
        let call = || df.par_apply().by(["k"]).workers(workers);
        let error = call().groups(|g: Group| match fails(g.index()) {
            true => Err(Error::from(anyhow::anyhow!("no luck"))),
            false => Ok(g.height() as u64),
        });
        let error = error.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "group {} (from row {}): the closure returned an error: no luck",
                df["k"].get(first.1[0]).unwrap(),
                first.1[0]
            )
        );
        let ErrorKind::Closure {
            place: Place::Group {
                index, first_row, ..
            },
            ..
        } = error.kind()
        else {
            panic!("{error:?}")
        };
        assert_eq!((*index, *first_row), (40, first.1[0]));
        let panicked = call().groups(|g: Group| -> u64 {
            assert!(!fails(g.index()), "at {}", g.index());
            1
        });
        assert!(
            panicked
                .unwrap_err()
                .to_string()
                .ends_with("the closure panicked: at 40")
        );

        let outcome = call()
            .select(["x", "y"])
            .on_error(OnError::Skip)
            .groups(|g: Group| match fails(g.index()) {
                true => Err(Error::from(anyhow::anyhow!("no luck"))),
                false => Ok(g.height() as u64),
            });
        let outcome = outcome.unwrap();
        assert_eq!(outcome.output.height(), groups.len() - 3);
        assert_eq!(
            outcome.failures.get_column_names(),
            ["group", "row", "k", "rows", "error", "panic", "attempts"]
        );
        assert_eq!(
            outcome.failures["group"].idx().unwrap().to_vec(),
            [Some(40), Some(41), Some(299)]
        );
        assert_eq!(
            outcome.failures["rows"].idx().unwrap().get(0),
            Some(first.1.len() as IdxSize)
        );
        let mut dropped: Vec<usize> = [40, 41, 299]
            .iter()
            .flat_map(|g: &usize| groups[*g].1.clone())
            .collect();
        dropped.sort_unstable();
        let mask: Vec<bool> = (0..3_000).map(|row| !dropped.contains(&row)).collect();
        assert_eq!(
            outcome.kept_mask().no_null_iter().collect::<Vec<bool>>(),
            mask
        );

        let spread = call()
            .on_error(OnError::Skip)
            .transform(|g: Group| match fails(g.index()) {
                true => Err(Error::from(anyhow::anyhow!("no luck"))),
                false => Ok(g["y"].clone()),
            });
        let spread = spread.unwrap();
        let kept = df.filter(&spread.kept_mask()).unwrap();
        assert!(spread.output.equals(&kept["y"]));
        assert_eq!(
            spread.kept_mask().no_null_iter().collect::<Vec<bool>>(),
            mask
        );
        let nulls = call()
            .select(["y"])
            .on_error(OnError::Null)
            .transform(|g: Group| match fails(g.index()) {
                true => Err(Error::from(anyhow::anyhow!("no luck"))),
                false => Ok(Each(1)),
            });
        assert_eq!(nulls.unwrap().output.null_count(), dropped.len());
    }
}

#[test]
fn a_value_that_cannot_be_read_names_its_row() {
    let days = Series::new("d".into(), [1i32, i32::MAX, 3])
        .cast(&DataType::Date)
        .unwrap();
    let df = df!["k" => ["a", "b", "b"]]
        .unwrap()
        .hstack(&[days.into()])
        .unwrap();
    let count = |d: Values<'_, chrono::NaiveDate>| d.iter().count() as u64;
    let error = df.par_apply_groups(["k"], count).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("group \"b\" (from row 1): column \"d\": row 1: "),
        "{text}"
    );
    let told = df
        .par_apply()
        .by(["k"])
        .on_error(OnError::Null)
        .groups(count)
        .unwrap();
    assert_eq!(
        told.output["par_apply"].u64().unwrap().to_vec(),
        [Some(1), None]
    );
    assert_eq!(told.failures["attempts"].u32().unwrap().to_vec(), [Some(0)]);
}

#[test]
fn a_result_of_another_length_is_refused() {
    let df = df!["k" => ["a", "b", "a"], "x" => [1, 2, 3]].unwrap();
    let error = df
        .par_apply()
        .by(["k"])
        .transform(|_: Values<'_, i32>| vec![1, 2])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "group \"b\" (from row 1): the result has 2 values, but the closure was given 1 row; return one value for each row, \
         or Each(value) for all of them"
    );
    let error = df
        .par_apply()
        .partitions(1)
        .select(["x"])
        .transform(|g: DataFrame| g["x"].head(Some(1)))
        .unwrap_err();
    assert!(error.to_string().starts_with(
        "part 0 (from row 0): the result has 1 value, but the closure was given 3 rows"
    ));
}

#[test]
fn an_empty_frame_has_the_right_schema() {
    let df = drawn(0, 1, 1);
    let sums = df
        .par_apply()
        .by(["t", "k"])
        .select(["x"])
        .groups(|_: Values<'_, f64>| -> (f64, String) { panic!("it is called") })
        .unwrap();
    assert_eq!(sums.height(), 0);
    let dtypes = [
        DataType::String,
        DataType::Int64,
        DataType::Float64,
        DataType::String,
    ];
    assert_eq!(sums.dtypes(), dtypes);
    let each = df
        .par_apply()
        .by(["k"])
        .transform(|_: &DataFrame| -> Vec<i32> { panic!("it is called") })
        .unwrap();
    assert_eq!((each.len(), each.dtype()), (0, &DataType::Int32));
    let parts = df
        .par_apply()
        .transform(|_: &DataFrame| -> Vec<i32> { panic!("it is called") })
        .unwrap();
    assert_eq!((parts.len(), parts.dtype()), (0, &DataType::Int32));
    let windows = df
        .par_apply()
        .select(["x"])
        .windows(Window::rows(3), |_: Values<'_, f64>| -> i8 {
            panic!("it is called")
        })
        .unwrap();
    assert_eq!((windows.len(), windows.dtype()), (0, &DataType::Int8));
}

#[test]
fn faults_are_told_together_and_before_any_call() {
    let df = df!["k" => ["a"], "j" => [1], "x" => [1.0]].unwrap();
    let fault = |result: polars_par_apply::Result<DataFrame>| result.unwrap_err().to_string();
    let none = |x: Values<'_, f64>| -> u64 { panic!("it is called with {}", x.len()) };
    assert_eq!(
        fault(df.par_apply().by(["k", "q", "k"]).select(["j"]).groups(none)),
        "3 faults:\n  1. two columns are named \"k\"; give each its own name\n  2. column \"q\" not found; did you mean \"k\", \"j\" or \
         \"x\"?\n  3. column \"j\" is Int32"
            .split("\n  3.")
            .next()
            .unwrap()
            .replace("3 faults", "2 faults")
    );
    let late = df
        .par_apply()
        .by(["k"])
        .select(["x"])
        .groups(|_: Values<'_, f64>, _: &str| 1u64);
    assert_eq!(
        fault(late),
        ".by(…): the closure takes a key (an argument that is a cell) after other arguments; put the keys first"
    );
    let few = df
        .par_apply()
        .by(["k", "j"])
        .groups(|_: &str, _: Values<'_, f64>| 1u64);
    assert_eq!(
        fault(few),
        ".by(…): the closure takes 1 key as cells, but there are 2; take all of the keys in their order, or none"
    );
    let dtype = df
        .par_apply()
        .by(["k"])
        .select(["x"])
        .groups(|_: i64, _: Values<'_, bool>| 1u64);
    let text = fault(dtype);
    assert!(
        text.contains("column \"k\" is String, and argument 0 takes i64")
            && text.contains("column \"x\" is Float64, and argument 1 takes bool"),
        "{text}"
    );
    let keyless = df.par_apply().select(["x"]).groups(none);
    assert!(fault(keyless).starts_with(".by(…): groups need keys"));
}

#[test]
fn a_slow_group_keeps_no_other_waiting() {
    let keys: Vec<i64> = (0..400).map(|row| row % 100).collect();
    let df = df!["k" => keys].unwrap();
    for slow in [0, 1, 50, 99] {
        let (done, after) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let waited = Mutex::new(Duration::ZERO);
        let outcome = df
            .par_apply()
            .by(["k"])
            .workers(2)
            .outcome()
            .groups(|k: i64| {
                if k == slow {
                    // The other groups are done meanwhile, however long that takes.
                    let began = Instant::now();
                    while done.load(Relaxed) < 99 && began.elapsed() < Duration::from_secs(60) {
                        thread::sleep(Duration::from_millis(1));
                    }
                    after.store(done.load(Relaxed), Relaxed);
                    *waited.lock().unwrap() = began.elapsed();
                } else {
                    done.fetch_add(1, Relaxed);
                }
            })
            .unwrap();
        assert_eq!(after.load(Relaxed), 99, "with group {slow} slow");
        let slowest = outcome.stats.slowest_group.unwrap();
        assert!(slowest.time >= waited.into_inner().unwrap());
        assert_eq!(slowest.key, slowest.index.to_string());
        assert_eq!((slowest.first_row, slowest.rows), (slowest.index, 4));
    }
}

#[test]
fn a_large_group_is_begun_first() {
    let mut keys: Vec<i64> = (0..1_000).map(|row| row % 100).collect();
    keys.extend([100; 1_000]);
    let df = df!["k" => keys].unwrap();
    let done = AtomicUsize::new(0);
    let before = df
        .par_apply()
        .by(["k"])
        .workers(2)
        .groups(|k: i64| {
            let before = done.load(Relaxed) as u64;
            if k == 100 {
                let began = Instant::now();
                while done.load(Relaxed) < 100 && began.elapsed() < Duration::from_secs(60) {
                    thread::sleep(Duration::from_millis(1));
                }
                return (before, done.load(Relaxed) as u64);
            }
            // They take long enough that the large one is begun before they are done.
            thread::sleep(Duration::from_micros(200));
            done.fetch_add(1, Relaxed);
            (before, 0)
        })
        .unwrap();
    let of_large = |column: &str| before[column].u64().unwrap().get(100).unwrap();
    assert!(of_large("column_0") < 100);
    assert_eq!(of_large("column_1"), 100);
}

#[test]
fn states_seeds_progress_and_cancels_are_as_of_rows() {
    let df = drawn(4_000, 50, 2);
    let draw = |workers| {
        let call = df
            .par_apply()
            .by(["k"])
            .select(["y"])
            .workers(workers)
            .seed(7);
        call.groups(|random: &mut RowRng, _: Values<'_, f64>| random.random::<u64>())
            .unwrap()
    };
    assert_eq!(draw(1), draw(4));
    // A group's stream is that of its first row.
    let of_rows = df
        .par_apply()
        .select(["y"])
        .seed(7)
        .rows(|random: &mut RowRng, _: f64| random.random::<u64>())
        .unwrap();
    let firsts: Vec<Option<u64>> = by_text(&df, &["k"])
        .iter()
        .map(|(_, rows)| of_rows.u64().unwrap().get(rows[0]))
        .collect();
    assert_eq!(draw(2)["par_apply"].u64().unwrap().to_vec(), firsts);

    let (made, seen) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let outcome = df
        .par_apply()
        .by(["k"])
        .select(["y"])
        .progress(|tick: Tick| seen.lock().unwrap().push((tick.done, tick.total)))
        .state(|| made.fetch_add(1, Relaxed))
        .outcome()
        .groups(|_: &mut usize, y: Values<'_, f64>| y.len() as u64)
        .unwrap();
    assert_eq!(outcome.stats.rows, 4_000);
    assert_eq!(seen.into_inner().unwrap().last(), Some(&(4_000, 4_000)));
    assert!(made.into_inner() <= outcome.stats.workers.len());

    let token = CancelToken::new();
    let stopped = df
        .par_apply()
        .by(["k"])
        .sequential()
        .cancel_token(&token)
        .on_cancel(OnCancel::Partial)
        .groups(|g: Group| {
            if g.index() == 9 {
                token.cancel();
            }
            g.height() as u64
        })
        .unwrap();
    assert!(stopped.stats.cancelled);
    assert_eq!(stopped.output.height(), 10);
    let rest = stopped.rest(&df).unwrap();
    let rows: usize = by_text(&df, &["k"])[10..]
        .iter()
        .map(|(_, rows)| rows.len())
        .sum();
    assert_eq!(rest.height(), rows);
    let tried = AtomicUsize::new(0);
    let retried = df
        .par_apply()
        .by(["k"])
        .retry(Retry::attempts(3))
        .outcome()
        .groups(
            |g: Group| match g.index() == 5 && tried.fetch_add(1, Relaxed) < 2 {
                true => Err(Error::from(anyhow::anyhow!("later"))),
                false => Ok(g.height() as u64),
            },
        );
    assert_eq!(retried.unwrap().stats.retries, 2);
}

/// Polars panics when it prints a date that its calendar does not have.
#[test]
fn a_key_that_cannot_be_printed_is_told_by_its_number() {
    let stored = |values: &[i64], dtype: DataType| {
        let values = Series::new("k".into(), values);
        values.cast(&dtype).unwrap().into_column()
    };
    let us = DataType::Datetime(TimeUnit::Microseconds, None);
    let ms = DataType::Datetime(TimeUnit::Milliseconds, None);
    let zoned = DataType::Datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC));
    let days = i64::from(i32::MAX);
    let list = Series::new("k".into(), [days])
        .cast(&DataType::Date)
        .unwrap();
    let list = Column::new("k".into(), [list]);
    for (key, said) in [
        (
            stored(&[days], DataType::Date),
            "2147483647 days after 1970-01-01",
        ),
        (
            stored(&[-days], DataType::Date),
            "-2147483647 days after 1970-01-01",
        ),
        (
            stored(&[i64::MAX], us),
            "9223372036854775807 μs after 1970-01-01",
        ),
        (
            stored(&[i64::MIN], ms),
            "-9223372036854775808 ms after 1970-01-01",
        ),
        (
            stored(&[i64::MAX], zoned),
            "9223372036854775807 ms after 1970-01-01",
        ),
        (list, "a List(Date) that cannot be printed"),
    ] {
        let x = Column::new("x".into(), [1.5]);
        let df = DataFrame::new(1, vec![key, x]).unwrap();
        let told = df.par_apply().by(["k"]).outcome();
        let told = told.groups(|x: Values<'_, f64>| x.len() as u32).unwrap();
        assert_eq!(told.output.height(), 1);
        assert_eq!(told.stats.slowest_group.unwrap().key, said);
        let call = df.par_apply().by(["k"]);
        let each = call
            .transform(|x: Values<'_, f64>| Each(x.len() as u32))
            .unwrap();
        assert_eq!(each.len(), 1);

        let fails = |_: Values<'_, f64>| Err::<f64, _>(anyhow::anyhow!("no"));
        let error = df.par_apply().by(["k"]).groups(fails).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        let lf = df.clone().lazy().par_apply().by(["k"]).groups(fails);
        assert!(lf.collect().unwrap_err().to_string().contains(said));
        let failures = Failures::new();
        let lf = df
            .clone()
            .lazy()
            .par_apply()
            .by(["k"])
            .on_error(OnError::Null);
        lf.failures(&failures).groups(fails).collect().unwrap();
        assert_eq!(failures.len(), 1);
    }
}

/// As in every verb, a whole frame or column keeps its names unless others are given.
#[test]
fn whole_results_keep_their_names() {
    let df = df!["k" => ["a", "b", "a"], "par_apply" => [1, 2, 3]].unwrap();
    let named = |series: Series| series.with_name("own".into());
    let take = |group: &DataFrame| group.columns()[0].as_materialized_series().clone();
    let by_series = df
        .par_apply()
        .by(["k"])
        .groups(|g: &DataFrame| named(take(g)));
    let expected = df!["k" => ["a", "a", "b"], "own" => [1, 3, 2]].unwrap();
    assert_eq!(by_series.unwrap(), expected);
    let result = |g: &DataFrame| anyhow::Ok(named(take(g)));
    assert_eq!(df.par_apply().by(["k"]).groups(result).unwrap(), expected);
    let column = |g: &DataFrame| named(take(g)).into_column();
    assert_eq!(df.par_apply().by(["k"]).groups(column).unwrap(), expected);
    let given = df.par_apply().by(["k"]).names(["given"]);
    let given = given.groups(|g: &DataFrame| named(take(g))).unwrap();
    assert_eq!(given.get_column_names(), ["k", "given"]);
    // A key may have the name that cells have.
    let key = df.par_apply().by(["par_apply"]);
    let key = key.groups(|g: &DataFrame| named(take(g))).unwrap();
    assert_eq!(key.get_column_names(), ["par_apply", "own"]);
}
