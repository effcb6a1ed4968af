//! The window around each row has the rows that a plain loop finds.

use std::ops::Range;

use polars_par_apply::prelude::*;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use crate::frames::layouts;

/// Groups, times that ascend within each group, and values, some of which are null.
fn drawn(rows: usize, seed: u128) -> DataFrame {
    let mut random = Pcg64Mcg::new(seed);
    let mut times = [0i64; 3];
    let (mut k, mut t, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..rows {
        let group = random.random_range(0..3usize);
        times[group] += random.random_range(0..4);
        k.push(["a", "b", "c"][group]);
        t.push(times[group]);
        all.push(row as i64 / 3);
    }
    let x: Vec<Option<i64>> = (0..rows)
        .map(|_| {
            random
                .random_bool(0.8)
                .then(|| random.random_range(-99..99))
        })
        .collect();
    let y: Vec<i64> = (0..rows).map(|_| random.random_range(-99..99)).collect();
    df!["k" => k, "t" => t, "all" => all, "x" => x, "y" => y].unwrap()
}

/// Returns the rows of its group that are in a row's window.
type InWindow = fn(&[usize], usize, &[i64]) -> Vec<usize>;

fn around(rows: &[usize], at: usize, window: Range<i64>) -> Vec<usize> {
    let is_in = |place: usize| window.contains(&(place as i64 - at as i64));
    (0..rows.len())
        .filter(|place| is_in(*place))
        .map(|place| rows[place])
        .collect()
}

fn within(rows: &[usize], at: usize, t: &[i64], is_in: impl Fn(i64) -> bool) -> Vec<usize> {
    let now = t[rows[at]];
    rows.iter()
        .copied()
        .filter(|row| is_in(t[*row] - now))
        .collect()
}

/// Windows, with the rows that each needs, the rows that it has, and the rows that have results.
fn kinds() -> Vec<(Window, usize, InWindow, usize)> {
    let over = |closed| Window::over("order", 4).closed(closed);
    vec![
        (Window::rows(3), 3, |r, at, _| around(r, at, -2..1), 1),
        (
            Window::rows(3).min_rows(1),
            1,
            |r, at, _| around(r, at, -2..1),
            1,
        ),
        (
            Window::rows(4).centered().min_rows(0),
            0,
            |r, at, _| around(r, at, -2..2),
            1,
        ),
        (
            Window::rows(5).centered(),
            5,
            |r, at, _| around(r, at, -2..3),
            1,
        ),
        (
            Window::before(2).after(1),
            1,
            |r, at, _| around(r, at, -2..2),
            1,
        ),
        (
            Window::expanding().min_rows(2),
            2,
            |r, at, _| around(r, at, -99999..1),
            1,
        ),
        (
            Window::rows(2).min_rows(1).step(3),
            1,
            |r, at, _| around(r, at, -1..1),
            3,
        ),
        (
            over(Closed::Right),
            1,
            |r, at, t| within(r, at, t, |d| -4 < d && d <= 0),
            1,
        ),
        (
            over(Closed::Left),
            1,
            |r, at, t| within(r, at, t, |d| (-4..0).contains(&d)),
            1,
        ),
        (
            over(Closed::Both).step(2),
            1,
            |r, at, t| within(r, at, t, |d| (-4..=0).contains(&d)),
            2,
        ),
        (
            over(Closed::Neither).min_rows(0),
            0,
            |r, at, t| within(r, at, t, |d| -4 < d && d < 0),
            1,
        ),
    ]
}

#[test]
fn windows_have_the_rows_that_a_plain_loop_says() {
    for rows in [0, 1, 2, 40, 300] {
        let drawn = drawn(rows, 3 + rows as u128);
        for by_key in [false, true] {
            let mut df = drawn.clone();
            df.rename(if by_key { "t" } else { "all" }, "order".into())
                .unwrap();
            let text = df["k"].str().unwrap().clone();
            let t: Vec<i64> = df["order"].i64().unwrap().into_no_null_iter().collect();
            let groups: Vec<Vec<usize>> = match by_key {
                true => ["a", "b", "c"]
                    .map(|k| (0..rows).filter(|row| text.get(*row) == Some(k)).collect())
                    .to_vec(),
                false => vec![(0..rows).collect()],
            };
            let (x, y) = (
                df["x"].i64().unwrap().clone(),
                df["y"].i64().unwrap().clone(),
            );
            for (number, (window, least, in_window, step)) in kinds().into_iter().enumerate() {
                let mut pairs: Vec<Option<String>> = vec![None; rows];
                let mut all: Vec<Option<String>> = vec![None; rows];
                for group in &groups {
                    for at in 0..group.len() {
                        let row = group[at];
                        if at % step != 0 {
                            continue;
                        }
                        let seen = in_window(group, at, &t);
                        let with_nulls: Vec<Option<i64>> =
                            seen.iter().map(|row| x.get(*row)).collect();
                        if with_nulls.len() >= least {
                            all[row] = Some(format!("{with_nulls:?}"));
                        }
                        let both: Vec<(i64, i64)> = seen
                            .iter()
                            .filter_map(|row| Some((x.get(*row)?, y.get(*row)?)))
                            .collect();
                        if both.len() >= least {
                            pairs[row] = Some(format!("{:?} {both:?}", y.get(row).unwrap()));
                        }
                    }
                }
                for (layout, df) in layouts(&df) {
                    for workers in [1, 3] {
                        let call = |columns: &[&str]| {
                            let call = df
                                .par_apply()
                                .select(columns.iter().copied())
                                .workers(workers);
                            if by_key { call.by(["k"]) } else { call }
                        };
                        let what =
                            format!("window {number}, {layout}, {rows} rows, by key: {by_key}");
                        let found = call(&["x"])
                            .windows(window.clone(), |x: Values<'_, Option<i64>>| {
                                format!("{:?}", x.iter().collect::<Vec<_>>())
                            })
                            .unwrap();
                        let texts = |column: &Column| -> Vec<Option<String>> {
                            let texts = column.str().unwrap().iter();
                            texts.map(|text| text.map(str::to_owned)).collect()
                        };
                        assert_eq!(texts(&found), all, "{what}");
                        let found = call(&["y", "x", "y"])
                            .windows(
                                window.clone(),
                                |now: i64, x: Values<'_, i64>, y: Values<'_, i64>| {
                                    let both: Vec<(i64, i64)> = x.iter().zip(y.iter()).collect();
                                    assert_eq!(both.len(), x.len());
                                    format!("{now:?} {both:?}")
                                },
                            )
                            .unwrap();
                        assert_eq!(texts(&found), pairs, "{what}");
                        let found = call(&["y", "x", "y"])
                            .windows(window.clone(), |now: i64, both: Rows<'_, (i64, i64)>| {
                                let both: Vec<(i64, i64)> = both.iter().collect();
                                format!("{now:?} {both:?}")
                            })
                            .unwrap();
                        assert_eq!(texts(&found), pairs, "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_null_in_the_current_row_gives_a_null() {
    let df = df!["x" => [Some(1), None, Some(3)]].unwrap();
    let call = || df.par_apply().select(["x", "x"]);
    let above = call()
        .windows(Window::expanding(), |now: i32, x: Values<'_, i32>| {
            now + x.len() as i32
        })
        .unwrap();
    assert_eq!(above.i32().unwrap().to_vec(), [Some(2), None, Some(5)]);
    let above = call()
        .windows(
            Window::expanding(),
            |now: Option<i32>, x: Values<'_, i32>| now.unwrap_or(9) + x.len() as i32,
        )
        .unwrap();
    assert_eq!(above.i32().unwrap().to_vec(), [Some(2), Some(10), Some(5)]);
}

#[test]
fn the_last_of_an_expanding_window_is_the_whole() {
    let df = drawn(500, 8);
    let sums = df
        .par_apply()
        .by(["k"])
        .select(["y"])
        .windows(Window::expanding(), |y: Values<'_, i64>| {
            y.iter().sum::<i64>()
        })
        .unwrap();
    let sums = df.select(["k"]).unwrap().hstack(&[sums]).unwrap();
    let last = sums
        .par_apply_groups(["k"], |sum: Values<'_, i64>| sum.get(sum.len() - 1))
        .unwrap();
    let whole = df
        .par_apply()
        .by(["k"])
        .select(["y"])
        .groups(|y: Values<'_, i64>| y.iter().sum::<i64>())
        .unwrap();
    assert_eq!(last, whole);
}

#[test]
fn what_cannot_be_a_window_is_refused_before_any_call() {
    let df = df!["t" => [1i64, 3, 2], "n" => [Some(1i64), None, Some(2)], "x" => [1.0, 2.0, 3.0]]
        .unwrap();
    let none = |_: Values<'_, f64>| -> u64 { panic!("it is called") };
    let fault = |window: Window| {
        let error = df
            .par_apply()
            .select(["x"])
            .windows(window, none)
            .unwrap_err();
        (error.kind().name(), error.to_string())
    };
    for window in [
        Window::rows(0),
        Window::rows(2).min_rows(3),
        Window::rows(2).closed(Closed::Left),
        Window::rows(2).step(0),
        Window::over("t", 0),
        Window::over("x", 1),
        Window::expanding().centered(),
    ] {
        let shown = format!("{window:?}");
        assert_eq!(fault(window).0, "option", "{shown}");
    }
    assert_eq!(fault(Window::over("q", 1)).0, "column_not_found");
    let (_, text) = fault(Window::over("t", 1));
    assert!(text.contains("row 2") && text.contains("\"t\""), "{text}");
    let (_, text) = fault(Window::over("n", 1));
    assert!(text.contains("row 1") && text.contains("\"n\""), "{text}");
    // A flag that says that the column ascends is not trusted.
    let mut column = df["t"].clone();
    column.set_sorted_flag(polars::series::IsSorted::Ascending);
    let flagged = DataFrame::new(3, vec![column, df["x"].clone()]).unwrap();
    let error = flagged
        .par_apply()
        .windows(Window::over("t", 1), none)
        .unwrap_err();
    assert!(error.to_string().contains("row 2"), "{error}");
}

#[test]
fn the_lowest_window_that_fails_is_told() {
    let df = drawn(2_000, 4);
    for (by_key, workers) in [(false, 1), (false, 3), (true, 1), (true, 3)] {
        let call = || {
            let call = df
                .par_apply()
                .select(["y", "y"])
                .workers(workers)
                .first_row(100);
            if by_key { call.by(["k"]) } else { call }
        };
        let y: Vec<i64> = df["y"].i64().unwrap().into_no_null_iter().collect();
        let failing: Vec<usize> = (0..2_000).filter(|row| y[*row] == 50).collect();
        let f = |now: i64, window: Values<'_, i64>| match now {
            50 => Err(anyhow::anyhow!("fifty")),
            now => Ok(now + window.len() as i64),
        };
        let error = call().windows(Window::before(1), f).unwrap_err();
        let first = failing[0] + 100;
        assert_eq!(
            error.to_string(),
            format!("the window of row {first}: the closure returned an error: fifty")
        );
        assert_eq!(error.row(), Some(first));
        let told = call()
            .on_error(OnError::Skip)
            .windows(Window::before(1), f)
            .unwrap();
        assert_eq!(told.output.len(), 2_000 - failing.len());
        let rows: Vec<Option<IdxSize>> = failing
            .iter()
            .map(|row| Some(*row as IdxSize + 100))
            .collect();
        assert_eq!(told.failures["row"].idx().unwrap().to_vec(), rows);
        let names: &[&str] = match by_key {
            true => &["row", "k", "error", "panic", "attempts", "y"],
            false => &["row", "error", "panic", "attempts", "y"],
        };
        let found = told.failures.get_column_names();
        assert_eq!(found[..names.len()], *names);
        let null = call()
            .on_error(OnError::Null)
            .windows(Window::before(1), f)
            .unwrap();
        assert_eq!(null.output.null_count(), failing.len());
    }
}

#[test]
fn untyped_rows_know_their_numbers() {
    let df = drawn(200, 6);
    let numbers = df
        .par_apply()
        .by(["k"])
        .select(["x", "y"])
        .first_row(5)
        .windows(Window::expanding(), |rows: Rows<'_, Row<'_>>| {
            let last = rows.get(rows.len() - 1).unwrap();
            last.index() as u64
        })
        .unwrap();
    let expected: Vec<Option<u64>> = (5..205).map(Some).collect();
    assert_eq!(numbers.u64().unwrap().to_vec(), expected);
}

/// A value that no type can hold does not matter in a current row that has no result anyway.
#[test]
fn nothing_is_read_for_a_row_without_a_result() {
    let beyond = Series::new("now".into(), [0, i32::MAX, 1]);
    let beyond = beyond.cast(&DataType::Date).unwrap().into_column();
    let frame = |x: [Option<f64>; 3], k: [Option<&str>; 3]| {
        let columns = vec![
            beyond.clone(),
            Column::new("x".into(), x),
            Column::new("k".into(), k),
        ];
        DataFrame::new(3, columns).unwrap()
    };
    let (whole, keyed) = ([Some(1.0), Some(2.0), Some(3.0)], [Some("a"); 3]);
    let holed = frame([Some(1.0), None, Some(3.0)], keyed);
    let keyless = frame(whole, [Some("a"), None, Some("a")]);
    let df = frame(whole, keyed);
    let count = |_: chrono::NaiveDate, x: Values<'_, f64>| x.len() as u32;
    for workers in [1, 3] {
        // The window has no row; the row is not due; the row is in no group.
        let call = |df| {
            DataFrame::par_apply(df)
                .select(["now", "x"])
                .workers(workers)
        };
        let by_rows = call(&holed).windows(Window::rows(1), count).unwrap();
        let by_step = call(&df).windows(Window::rows(1).step(2), count).unwrap();
        let by_key = call(&keyless).by(["k"]).null_keys(NullKeys::Drop);
        let by_key = by_key.windows(Window::rows(1), count).unwrap();
        for column in [by_rows, by_step, by_key] {
            let counts: Vec<_> = column.u32().unwrap().iter().collect();
            assert_eq!(counts, [Some(1), None, Some(1)]);
        }
        let error = call(&df).windows(Window::rows(1), count).unwrap_err();
        assert_eq!(error.row(), Some(1), "{error}");
    }
}
