//! `.elements` maps every value of the columns used, and `.select_where` says which these are.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use polars_par_apply::by_ref;
use polars_par_apply::prelude::*;
use polars_par_apply::rand::Rng;

use crate::frames::{
    assert_same, assert_same_frame, counting, every_dtype, faults, held_back, layouts,
    refuse_unless, shown, watched, ways,
};

/// Columns of integers of three dtypes, with nulls in different rows; no two values are equal.
fn table(rows: usize) -> DataFrame {
    let values = |c: i64, nulls: usize| -> Vec<Option<i64>> {
        let values = 0..rows as i64;
        values
            .map(|i| (i as usize % nulls != 3).then_some(c * 1_000_000 + i))
            .collect()
    };
    df!["a" => values(1, 7), "b" => values(2, 5), "c" => values(3, 1)]
        .unwrap()
        .lazy()
        .with_column(col("b").cast(DataType::Int32))
        .with_column(col("c").cast(DataType::UInt32))
        .collect()
        .unwrap()
}

/// Computes the same with `rows`, column by column.
fn by_rows<T: IntoRow<Output = Column>>(
    df: &DataFrame,
    f: impl Fn(Option<i64>) -> T + Sync,
) -> DataFrame {
    let columns = df.get_column_names_owned().into_iter().map(|name| {
        let call = df
            .par_apply()
            .sequential()
            .select([name.clone()])
            .names([name]);
        call.rows(&f).unwrap()
    });
    DataFrame::new(df.height(), columns.collect()).unwrap()
}

#[test]
fn each_column_as_by_rows() {
    for height in [0, 1, 2, 65, 1_000, 10_007] {
        let df = table(height);
        let text = |x: i64| format!("<{x}>");
        let texts = by_rows(&df, |x| x.map(text));
        let seen = by_rows(&df, |x| x.map_or(-1, |x| x * 2));
        let lists = by_rows(&df, |x| x.map(|x| vec![x, 1]));
        for (layout, df) in layouts(&df) {
            if height >= 1_000 && layout == "chunks of one row" {
                continue;
            }
            for (way, call) in ways(&df.par_apply(), 7, 10) {
                let what = format!("{height} rows, {layout}, {way}");
                // A null is skipped, or given as `None`; the results are of fixed width, text, or gathered.
                assert_same_frame(&call.clone().elements(text).unwrap(), &texts, &what);
                let is = call
                    .clone()
                    .elements(|x: Option<i64>| x.map_or(-1, |x| x * 2));
                assert_same_frame(&is.unwrap(), &seen, &what);
                let is = call.elements(|x: i64| vec![x, 1]);
                assert_same_frame(&is.unwrap(), &lists, &what);
            }
        }
    }
}

#[test]
fn every_value_once() {
    let df = table(3_001);
    let values = 3 * 3_001
        - df.null_count()
            .columns()
            .iter()
            .map(|c| c.get(0).unwrap().try_extract::<usize>().unwrap())
            .sum::<usize>();
    for (way, call) in ways(&df.par_apply(), 7, 10) {
        let seen = Mutex::new(BTreeSet::new());
        let calls = AtomicUsize::new(0);
        let all = call.elements(|x: i64| {
            calls.fetch_add(1, SeqCst);
            assert!(seen.lock().unwrap().insert(x));
        });
        assert_eq!(all.unwrap().shape(), (3_001, 3));
        assert_eq!(
            (calls.load(SeqCst), seen.lock().unwrap().len()),
            (values, values),
            "{way}"
        );
    }
}

#[test]
fn every_dtype_by_any_value() {
    let df = every_dtype(40);
    for (layout, df) in layouts(&df) {
        let is = df
            .par_apply()
            .workers(2)
            .elements(|value: AnyValue<'_>| shown(&value))
            .unwrap();
        for (is, column) in is.columns().iter().zip(df.columns()) {
            let expected: Vec<String> = (0..40)
                .map(|row| shown(&column.get(row).unwrap()))
                .collect();
            assert_same(is, &Column::new(column.name().clone(), expected), layout);
        }
    }
    // Scalar columns, beside others.
    let scalar = Column::new_scalar("s".into(), Scalar::from(3i64), 70_000);
    let df = counting(70_000).hstack(&[scalar]).unwrap();
    let is = df.par_apply().elements(|x: i64| x + 1).unwrap();
    assert_eq!(is["s"].i64().unwrap().sum(), Some(280_000));
    assert_eq!(is["i"].i64().unwrap().get(69_999), Some(70_000));
}

#[test]
fn columns_and_names() {
    let df = table(5);
    let double = |x: i64| x * 2;
    let picked = df
        .par_apply()
        .select(["c", "a"])
        .names(["x", "y"])
        .elements(double)
        .unwrap();
    assert_eq!(picked.get_column_names(), ["x", "y"]);
    assert_eq!(picked["x"].i64().unwrap().get(0), Some(6_000_000));
    let same = df.par_apply().elements(double).unwrap();
    assert_eq!(same.get_column_names(), ["a", "b", "c"]);
    // No columns: the height is kept.
    let none = df.par_apply().select([""; 0]).elements(double).unwrap();
    assert_eq!(none.shape(), (5, 0));
    let twice = df
        .par_apply()
        .select(["a", "a"])
        .elements(double)
        .unwrap_err();
    assert!(
        matches!(twice.kind(), ErrorKind::DuplicateName { .. }),
        "{twice:?}"
    );
    let names = df.par_apply().names(["x"]).elements(double).unwrap_err();
    assert!(
        matches!(
            names.kind(),
            ErrorKind::NameCount {
                names: 1,
                columns: 3,
                ..
            }
        ),
        "{names:?}"
    );
    // A frame without rows has the types' dtypes.
    let empty = df.clear().par_apply().elements(|x: i64| x as f32).unwrap();
    assert_eq!(
        empty.dtypes(),
        [DataType::Float32, DataType::Float32, DataType::Float32]
    );
    // The column of row numbers is not given to the closure.
    let numbered = df.with_row_index("line".into(), None).unwrap();
    let is = numbered
        .par_apply()
        .row_numbers("line")
        .elements(double)
        .unwrap();
    assert_eq!(is.get_column_names(), ["a", "b", "c"]);
    // A dtype for each column.
    let returns = [DataType::Int64, DataType::Int32, DataType::Decimal(20, 0)];
    let is = df
        .par_apply()
        .returns(returns.clone())
        .elements(double)
        .unwrap();
    assert_eq!(is.dtypes(), returns);
    assert_eq!(is["b"].i32().unwrap().get(1), Some(4_000_002));
    let small = df
        .par_apply()
        .returns([DataType::Int64, DataType::Int8, DataType::Int8])
        .elements(double)
        .unwrap_err();
    assert_eq!((small.row(), small.column()), (Some(0), Some("b")));
    assert!(
        small
            .to_string()
            .starts_with("row 0, column \"b\": 4000000 is beyond the range of Int8"),
        "{small}"
    );
}

#[test]
fn what_the_closure_cannot_take_is_refused_together() {
    let df = df!["x" => [1.5], "t" => ["a"], "n" => [1i64], "u" => ["b"]].unwrap();
    let calls = AtomicUsize::new(0);
    let f = |_: i64| {
        calls.fetch_add(1, SeqCst);
        0
    };
    let error = df.par_apply().overlap(1, 1).elements(f).unwrap_err();
    let faults: Vec<(&str, Option<&str>)> = faults(&error)
        .iter()
        .map(|fault| (fault.kind().name(), fault.column()))
        .collect();
    assert_eq!(
        faults,
        [
            ("dtype", Some("x")),
            ("dtype", Some("t")),
            ("dtype", Some("u")),
            ("option", None)
        ]
    );
    let error = df.par_apply().select(["n", "m"]).elements(f).unwrap_err();
    assert_eq!(
        (error.kind().name(), error.column()),
        ("column_not_found", Some("m"))
    );
    // With `Nulls::Error`, the error has the first null of each column.
    let df = table(20);
    let error = df.par_apply().nulls(Nulls::Error).elements(f).unwrap_err();
    let nulls: Vec<_> = crate::frames::faults(&error)
        .iter()
        .map(|fault| (fault.column(), fault.row()))
        .collect();
    assert_eq!(nulls, [(Some("a"), Some(3)), (Some("b"), Some(3))]);
    assert_eq!(calls.into_inner(), 0);
}

#[test]
fn the_first_failing_column_s_lowest_row() {
    for height in [10, 700, 40_000] {
        let df = table(height)
            .with_row_index("line".into(), Some(100))
            .unwrap();
        let row = height as i64 * 2 / 3;
        let fails = |x: i64| x % 1_000_000 >= row && x >= 2_000_000;
        // The first that is not null.
        let lowest = (row..).find(|i| i % 5 != 3).unwrap();
        for (way, call) in ways(&df.par_apply().select(["a", "b", "c"]), 7, 10) {
            let f = |x: i64| refuse_unless(!fails(x), "no").map(|()| x);
            let error = call.clone().elements(f).unwrap_err();
            assert_eq!(
                (error.row(), error.column()),
                (Some(lowest as usize), Some("b")),
                "{way}"
            );
            let said = format!("row {lowest}, column \"b\": the closure returned an error: no");
            assert_eq!(error.to_string(), said, "{way}");
            let panics = call
                .row_numbers("line")
                .elements(|x: i64| assert!(!fails(x), "panics"));
            let error = panics.unwrap_err();
            let said = format!(
                "row {}, column \"b\": the closure panicked: panics",
                lowest + 100
            );
            assert_eq!(error.to_string(), said, "{way}");
        }
    }
}

#[test]
fn failures_that_pass_are_null_and_told() {
    let df = table(1_000);
    let f = |x: i64| {
        assert!(x % 250 != 2, "panics");
        refuse_unless(x % 100 != 1, "no").map(|()| x)
    };
    let failing = |x: &i64| x % 250 == 2 || x % 100 == 1;
    let expected = by_rows(&df, |x| x.filter(|x| !failing(x)));
    let names = ["a", "b", "c"];
    let values = |name: &str| {
        df[name]
            .cast(&DataType::Int64)
            .unwrap()
            .i64()
            .unwrap()
            .clone()
    };
    let failed: Vec<(i64, &str)> = names
        .into_iter()
        .flat_map(|name| {
            let values: Vec<i64> = values(name).iter().flatten().filter(failing).collect();
            values.into_iter().map(move |x| (x % 1_000_000, name))
        })
        .collect();
    let panicking = failed.iter().filter(|(x, _)| x % 250 == 2).count();
    for (way, call) in ways(&df.par_apply(), 7, 10) {
        for policy in [OnError::Null, OnError::Collect] {
            let told = call.clone().on_error(policy).elements(f).unwrap();
            assert_same_frame(&told.output, &expected, &way);
            assert_eq!(told.stats.failures, failed.len());
            assert_eq!(told.stats.rows, 3_000);
            assert_eq!(told.kept_rows().len(), 1_000);
            let rows = told.failures.column("row").unwrap().idx().unwrap();
            let columns = told.failures.column("column").unwrap().str().unwrap();
            let is: Vec<(i64, &str)> = rows
                .into_no_null_iter()
                .map(i64::from)
                .zip(columns.no_null_iter())
                .collect();
            assert_eq!(is, failed, "{way}");
            let panics = told
                .failures
                .column("panic")
                .unwrap()
                .bool()
                .unwrap()
                .sum()
                .unwrap();
            assert_eq!(panics as usize, panicking);
        }
        let many = call
            .clone()
            .on_error(OnError::Null)
            .max_failures(2)
            .elements(f)
            .unwrap_err();
        let ErrorKind::TooManyFailures { failures, last, .. } = many.kind() else {
            panic!("{many:?}");
        };
        assert_eq!(failures.height(), 3);
        assert_eq!(
            (last.row(), last.column()),
            (Some(failed[2].0 as usize), Some(failed[2].1))
        );
        for refused in [
            call.clone().on_error(OnError::Skip).elements(f).map(|_| ()),
            call.on_cancel(OnCancel::Partial).elements(f).map(|_| ()),
        ] {
            let error = refused.unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Option { .. }),
                "{error:?}"
            );
        }
    }
}

#[test]
fn only_what_failed_is_tried_again() {
    let df = table(300);
    for workers in 1..=3 {
        let (calls, tries) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
        let told = df
            .par_apply()
            .workers(workers)
            .retry(Retry::attempts(2).min_delay(Duration::ZERO))
            .outcome()
            .elements(|x: i64| {
                calls.fetch_add(1, SeqCst);
                let first = x % 10 == 0 && tries.lock().unwrap().insert(x);
                refuse_unless(!first, "busy").map(|()| x.to_string())
            })
            .unwrap();
        assert_same_frame(
            &told.output,
            &by_rows(&df, |x| x.map(|x| x.to_string())),
            "retried",
        );
        let tries = tries.lock().unwrap().len();
        assert_eq!(told.stats.retries, tries);
        assert!(tries > 60);
    }
}

#[test]
fn cancelled_and_watched() {
    let df = table(1_000);
    for workers in 1..=3 {
        let token = CancelToken::new();
        let calls = AtomicUsize::new(0);
        let error = df
            .par_apply()
            .workers(workers)
            .select(["c", "b"])
            .cancel_token(&token)
            .elements(|x: i64| {
                calls.fetch_add(1, SeqCst);
                match x {
                    2_000_100 => token.cancel(),
                    2_000_101..3_000_000 => held_back(&token),
                    _ => {}
                }
            })
            .unwrap_err();
        let ErrorKind::Cancelled { done, total, .. } = error.kind() else {
            panic!("{error:?}");
        };
        assert_eq!(*total, 2_000);
        // With several workers, one may begin the second column before the first is done.
        let before = if workers == 1 { 1_000 } else { 1 };
        assert!((before..2_000).contains(done), "{done}");
        assert!(!error.to_string().contains("on_cancel"), "{error}");
        let late = df
            .par_apply()
            .deadline(Duration::ZERO)
            .elements(|x: i64| x)
            .unwrap_err();
        assert!(matches!(late.kind(), ErrorKind::Cancelled { done: 0, .. }));

        let ticks = Mutex::new(Vec::new());
        let told = df
            .par_apply()
            .workers(workers)
            .progress(|tick: Tick| ticks.lock().unwrap().push(tick))
            .outcome()
            .elements(|x: i64| x)
            .unwrap();
        let last = *ticks.lock().unwrap().last().unwrap();
        assert_eq!(
            (last.done, last.total, last.state),
            (3_000, 3_000, TickState::Finished)
        );
        let longest = told.stats.longest_run.unwrap().rows;
        assert!(longest.end <= 1_000 && !longest.is_empty());
    }
}

#[test]
fn states_and_random_streams() {
    let df = table(500);
    let mut seen = 0;
    let is = df
        .par_apply()
        .workers(3)
        .state(|| 0)
        .finish(|count: usize| seen += count)
        .elements(|count: &mut usize, x: Option<i64>| {
            *count += 1;
            x
        });
    assert_same_frame(&is.unwrap(), &by_rows(&df, |x| x), "state");
    assert_eq!(seen, 1_500);

    let draw = |rng: &mut RowRng, _: Option<i64>| rng.next_u64();
    let whole = df.par_apply().sequential().seed(7).elements(draw).unwrap();
    for (way, call) in ways(&df.par_apply(), 7, 10) {
        assert_same_frame(&call.seed(7).elements(draw).unwrap(), &whole, &way);
    }
    for (column, values) in whole.columns().iter().enumerate() {
        for row in [0, 1, 499] {
            let number = row as u64 * 3 + column as u64;
            let expected = RowRng::of_row(7, number).next_u64();
            assert_eq!(values.u64().unwrap().get(row), Some(expected));
        }
    }
    let distinct: BTreeSet<u64> = whole
        .columns()
        .iter()
        .flat_map(|c| c.u64().unwrap().into_no_null_iter())
        .collect();
    assert_eq!(distinct.len(), 1_500);
    // A part of the rows draws the same random numbers as in the whole frame.
    let part = df.slice(200, 100);
    let is = part
        .par_apply()
        .first_row(200)
        .seed(7)
        .elements(draw)
        .unwrap();
    assert_same_frame(&is, &whole.slice(200, 100), "part");
    let numbered = df
        .with_row_index("line".into(), None)
        .unwrap()
        .slice(200, 100);
    let is = numbered
        .par_apply()
        .row_numbers("line")
        .seed(7)
        .elements(draw)
        .unwrap();
    assert_same_frame(&is, &whole.slice(200, 100), "numbered");
}

/// One long column keeps all workers busy, and not one alone.
#[test]
fn one_column_is_shared_out() {
    let df = counting(4);
    let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let pool = Pool::new(2).unwrap();
    df.par_apply()
        .pool(&pool)
        .chunk_rows(1)
        .elements(|_: i64| {
            let now = inside.fetch_add(1, SeqCst) + 1;
            most.fetch_max(now, SeqCst);
            // Waits once until two workers are inside.
            while most.load(SeqCst) < 2 {
                std::thread::yield_now();
            }
            inside.fetch_sub(1, SeqCst);
        })
        .unwrap();
    assert_eq!(most.into_inner(), 2);
}

#[test]
fn in_the_background_and_by_reference() {
    watched(|| {
        let df = table(2_000);
        let double = |x: i64| x * 2;
        let expected = df.par_apply().elements(double).unwrap();
        let job = df.par_apply().select_where(|_| true).spawn_elements(double);
        let told = df
            .par_apply()
            .on_error(OnError::Null)
            .spawn_elements(|x: i64| refuse_unless(x > 0, "no").map(|()| x * 2));
        assert_same_frame(
            &df.par_apply().elements(by_ref(&double)).unwrap(),
            &expected,
            "by reference",
        );
        drop(df);
        assert_same_frame(&job.get().unwrap(), &expected, "job");
        let told = told.get().unwrap();
        assert_eq!(told.stats.failures, 0);
        assert_same_frame(&told.output, &expected, "outcome");
    });
}

#[test]
fn a_predicate_selects_for_every_verb() {
    let df =
        df!["id" => [7u32, 8], "t" => ["a", "b"], "x" => [1.0, 2.0], "y" => [3.0, 4.0]].unwrap();
    let floats = |field: &Field| field.dtype().is_float();
    let call = || df.par_apply().select_where(floats);
    assert_eq!(
        call()
            .rows(|x: f64, y: f64| x + y)
            .unwrap()
            .f64()
            .unwrap()
            .to_vec(),
        [Some(4.0), Some(6.0)]
    );
    assert_eq!(
        call()
            .columns(|v: Values<'_, f64>| v.iter().sum::<f64>())
            .unwrap(),
        df!["x" => [3.0], "y" => [7.0]].unwrap()
    );
    let parts = call().partitions(1).chunks(|part: DataFrame| part).unwrap();
    assert_eq!(parts.get_column_names(), ["x", "y"]);
    let sum = call().fold_rows(
        || 0.0,
        |sum: &mut f64, x: f64, y: f64| *sum += x * y,
        |a, b| a + b,
    );
    assert_eq!(sum.unwrap(), 11.0);
    assert_eq!(
        call().elements(|x: f64| -x).unwrap(),
        df!["x" => [-1.0, -2.0], "y" => [-3.0, -4.0]].unwrap()
    );
    // It sees every field, in the frame's order, and may borrow.
    let seen = Mutex::new(Vec::new());
    let _ = df.par_apply().select_where(|field| {
        seen.lock()
            .unwrap()
            .push((field.name().to_string(), field.dtype().clone()));
        true
    });
    let fields: Vec<(String, DataType)> = df
        .columns()
        .iter()
        .map(|c| (c.name().to_string(), c.dtype().clone()))
        .collect();
    assert_eq!(seen.into_inner().unwrap(), fields);

    // The last of the two options applies.
    let names = |call: Apply<'_, 'static>| -> Vec<String> {
        let part = call.partitions(1).chunks(|part: DataFrame| part).unwrap();
        part.get_column_names()
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(names(call().select(["t"])), ["t"]);
    assert_eq!(
        names(df.par_apply().select(["t"]).select_where(floats)),
        ["x", "y"]
    );
    assert_eq!(names(call().with(&CallOptions::new().select(["t"]))), ["t"]);
    assert_eq!(
        names(call().with(&CallOptions::new().workers(1))),
        ["x", "y"]
    );
    assert_eq!(names(df.par_apply().select_where(|_| false)), [""; 0]);
    // The column of row numbers must be named, in whichever order the two options are given.
    let all = |_: &Field| true;
    assert_eq!(
        names(df.par_apply().select_where(all).row_numbers("id")),
        ["t", "x", "y"]
    );
    assert_eq!(
        names(df.par_apply().row_numbers("id").select_where(all)),
        ["t", "x", "y"]
    );
    assert_eq!(
        names(df.par_apply().select(["id", "x"]).row_numbers("id")),
        ["id", "x"]
    );
    let numbers = CallOptions::new().row_numbers("id");
    assert_eq!(
        names(df.par_apply().select_where(all).with(&numbers)),
        ["t", "x", "y"]
    );
    // Of several options for the numbers the last one counts, here too.
    let call = df.par_apply().row_numbers("id").select_where(all);
    assert_eq!(names(call.first_row(7)), ["id", "t", "x", "y"]);
    let call = df.par_apply().select_where(all).row_numbers("none");
    assert_eq!(names(call.row_numbers("id")), ["t", "x", "y"]);

    let error = df
        .par_apply()
        .select_where(|_| panic!("no"))
        .elements(|x: f64| x)
        .unwrap_err();
    let said: Vec<String> = faults(&error).iter().map(ToString::to_string).collect();
    assert!(
        said.contains(&".select_where(…): the closure panicked: no".to_string()),
        "{said:?}"
    );
    let mended = df
        .par_apply()
        .select_where(|_| panic!("no"))
        .select(["x"])
        .elements(|x: f64| x);
    assert!(mended.is_ok());
}
