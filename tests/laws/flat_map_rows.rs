//! `flat_map_rows` gives any number of rows for each row, in the order of the input, as a plain loop does; a failing row gives none.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use polars::prelude::FrozenCategories;
use polars_par_apply::prelude::*;
use polars_par_apply::rand::RngExt;
use polars_par_apply::{Result, TickState};

use crate::engines::{ENGINES, collected};
use crate::frames::{
    assert_same, assert_same_frame, counting, cut, each_column, every_dtype, faults, held_back,
    layouts, refuse_unless, watched,
};

/// The delay between attempts.
const SOON: Duration = Duration::from_micros(1);

fn ways<'a>(apply: &Apply<'a, 'static>) -> Vec<(String, Apply<'a, 'static>)> {
    crate::frames::ways(apply, 7, 150)
}

/// How many rows an input row gives: none, one, or some.
fn many(i: i64) -> i64 {
    [0, 1, 3, 0, 2, 7][i as usize % 6]
}

/// Computes the rows by a plain loop: each has the number of its input row, and its number among the rows of that input row.
fn looped(rows: impl Iterator<Item = i64>) -> DataFrame {
    let rows: Vec<(i64, i64)> = rows
        .flat_map(|i| (0..many(i)).map(move |n| (i, n)))
        .collect();
    let (i, n): (Vec<i64>, Vec<i64>) = rows.into_iter().unzip();
    df!["i" => i, "n" => n].unwrap()
}

fn rows_of(i: i64) -> Vec<(i64, i64)> {
    (0..many(i)).map(|n| (i, n)).collect()
}

fn named<'a>(df: &'a DataFrame) -> Apply<'a, 'static> {
    df.par_apply().names(["i", "n"])
}

#[test]
fn it_is_a_plain_loop_in_every_layout_and_way() {
    let df = counting(5_011);
    let expected = looped(0..5_011);
    for (layout, df) in layouts(&df) {
        for (way, apply) in ways(&named(&df)) {
            let out = apply.flat_map_rows(rows_of).unwrap();
            assert_same_frame(&out, &expected, &format!("{layout}, {way}"));
        }
    }
}

#[test]
fn every_kind_of_rows() {
    #[derive(IntoRow)]
    struct Half {
        #[par_apply(rename = "a half")]
        half: f64,
        text: Option<String>,
    }

    let df = df!["i" => [0i64, 1, 2, 5]].unwrap();
    let call = || df.par_apply();
    let one = |values: &[i64]| df!["par_apply" => values].unwrap();
    // A single column is a frame too.
    assert_eq!(
        call().flat_map_rows(|i: i64| vec![i; 2]).unwrap(),
        one(&[0, 0, 1, 1, 2, 2, 5, 5])
    );
    assert_eq!(
        call().flat_map_rows(|i: i64| [i, -i]).unwrap(),
        one(&[0, 0, 1, -1, 2, -2, 5, -5])
    );
    assert_eq!(
        call()
            .flat_map_rows(|i: i64| (i % 2 == 1).then_some(i))
            .unwrap(),
        one(&[1, 5])
    );
    assert_eq!(
        call().flat_map_rows(|i: i64| Many(0..i)).unwrap(),
        one(&[0, 0, 1, 0, 1, 2, 3, 4])
    );
    assert_eq!(
        call()
            .flat_map_rows(|i: i64| Ok::<_, anyhow::Error>(Many((0..i).filter(|n| n % 2 == 1))))
            .unwrap(),
        one(&[1, 1, 3])
    );
    // A row of several columns; a whole row as the argument.
    let halves = call()
        .flat_map_rows(|(i,): (i64,)| {
            (i > 1).then(|| Half {
                half: i as f64 / 2.0,
                text: (i > 2).then(|| i.to_string()),
            })
        })
        .unwrap();
    let expected = df!["a half" => [1.0, 2.5], "text" => [None, Some("5")]].unwrap();
    assert!(halves.equals_missing(&expected));
    let pairs = call().flat_map_rows(|i: i64| [[i, i + 1]]).unwrap();
    assert_eq!(
        pairs,
        df!["column_0" => [0i64, 1, 2, 5], "column_1" => [1i64, 2, 3, 6]].unwrap()
    );
    // A cell that is a list is one row.
    let lists = call().flat_map_rows(|i: i64| Some(vec![i, i])).unwrap();
    assert_eq!(lists.height(), 4);
    assert!(matches!(lists.dtypes()[0], DataType::List(_)));
    let untyped = call()
        .flat_map_rows(|row: Row<'_>| row.get::<i64>("i").map(|i| vec![i; 2]))
        .unwrap();
    assert_eq!(untyped.height(), 8);
}

/// Results whose values own memory, and results whose dtype is known only from the values.
#[test]
fn every_dtype_comes_out_as_it_went_in() {
    let df = every_dtype(500);
    for column in df.columns() {
        let df = column.clone().into_frame();
        let twice: Vec<IdxSize> = (0..1000).map(|row| row / 2).collect();
        let expected = column.take(&IdxCa::from_vec("".into(), twice)).unwrap();
        let name = column.name().as_str();
        let dtype = column.dtype().clone();
        for (layout, df) in layouts(&df) {
            let call = df.par_apply().workers(3).names([name]);
            let out = call
                .returns([dtype.clone()])
                .flat_map_rows(|value: AnyValue<'_>| vec![value.into_static(); 2])
                .unwrap();
            assert_same(&out[name], &expected, &format!("{name}, {layout}"));
        }
    }
}

#[test]
fn values_that_own_memory() {
    let long = |i: i64, n: i64| format!("a text that is longer than a view: {i}, {n}");
    let df = counting(3_000);
    let source = looped(0..3_000);
    let rows = |f: &dyn Fn(i64, i64) -> AnyValue<'static>| {
        let pairs = source["i"].i64().unwrap().into_no_null_iter();
        let pairs = pairs.zip(source["n"].i64().unwrap().into_no_null_iter());
        let values: Vec<AnyValue<'_>> = pairs.map(|(i, n)| f(i, n)).collect();
        Column::new("par_apply".into(), values)
    };
    let texts = rows(&|i, n| AnyValue::StringOwned(long(i, n).into()));
    let numbers = |i: i64| (0..many(i)).map(move |n| (i, n));
    for (way, apply) in ways(&df.par_apply()) {
        let call = || apply.clone();
        let same = |out: DataFrame, expected: &Column| {
            assert_same(&out["par_apply"], expected, &way);
        };
        same(
            call()
                .flat_map_rows(|i: i64| Many(numbers(i).map(|(i, n)| long(i, n))))
                .unwrap(),
            &texts,
        );
        same(
            call()
                .flat_map_rows(|i: i64| {
                    let texts = numbers(i).map(|(i, n)| PlSmallStr::from_string(long(i, n)));
                    texts.collect::<Vec<_>>()
                })
                .unwrap(),
            &texts,
        );
        same(
            call()
                .flat_map_rows(|i: i64| {
                    Many(numbers(i).map(|(i, n)| Some(long(i, n)).filter(|_| n % 2 == 0)))
                })
                .unwrap(),
            &rows(&|i, n| match n % 2 {
                0 => AnyValue::StringOwned(long(i, n).into()),
                _ => AnyValue::Null,
            }),
        );
        let lists = call()
            .flat_map_rows(|i: i64| Many(numbers(i).map(|(i, n)| vec![long(i, n); n as usize])))
            .unwrap();
        let lists = lists["par_apply"].list().unwrap();
        assert_eq!(lists.len(), source.height());
        let series = call()
            .flat_map_rows(|i: i64| {
                Many(numbers(i).map(|(i, n)| Series::new("".into(), vec![long(i, n); n as usize])))
            })
            .unwrap();
        assert!(
            series["par_apply"]
                .list()
                .unwrap()
                .clone()
                .into_series()
                .equals_missing(&lists.clone().into_series())
        );
        let bytes = call()
            .flat_map_rows(|i: i64| Many(numbers(i).map(|(i, n)| long(i, n).into_bytes())))
            .unwrap();
        same(
            bytes
                .lazy()
                .select([col("par_apply").cast(DataType::String)])
                .collect()
                .unwrap(),
            &texts,
        );
        let structs = call()
            .flat_map_rows(|i: i64| Many(numbers(i).map(|(i, n)| Struct((i, long(i, n))))))
            .unwrap();
        let fields = structs["par_apply"].struct_().unwrap().fields_as_series();
        assert!(fields[1].equals(texts.as_materialized_series()));
    }
}

#[test]
fn a_null_in_a_plain_argument_gives_no_row() {
    let df = df!["x" => [Some(1i64), None, Some(3)]].unwrap();
    let plain = df.par_apply().outcome().flat_map_rows(|x: i64| [x, x]);
    let plain = plain.unwrap();
    assert_eq!(plain.output, df!["par_apply" => [1i64, 1, 3, 3]].unwrap());
    assert_eq!(plain.stats.rows, 3);
    assert_eq!(plain.kept_rows().to_vec(), [Some(0), Some(1), Some(2)]);
    let seen = df.par_apply().flat_map_rows(|x: Option<i64>| [x]).unwrap();
    assert_eq!(seen["par_apply"].null_count(), 1);
    let error = df
        .par_apply()
        .nulls(Nulls::Error)
        .flat_map_rows(|x: i64| [x])
        .unwrap_err();
    assert_eq!((error.row(), error.column()), (Some(1), Some("x")));
}

#[test]
fn each_row_is_called_once() {
    let df = counting(10_007);
    let calls: Vec<AtomicUsize> = (0..10_007).map(|_| AtomicUsize::new(0)).collect();
    for (way, apply) in ways(&df.par_apply()) {
        apply
            .flat_map_rows(|i: i64| {
                calls[i as usize].fetch_add(1, Relaxed);
                rows_of(i)
            })
            .unwrap();
        assert!(
            calls.iter().all(|calls| calls.swap(0, Relaxed) == 1),
            "{way}"
        );
    }
}

#[test]
fn the_lowest_row_that_fails_is_named() {
    let df = counting(30_000);
    let fail = |i: i64| match i {
        12_345 | 12_346 | 29_999 => Err(anyhow::anyhow!("no good")),
        i => Ok(rows_of(i)),
    };
    for (way, apply) in ways(&df.par_apply().first_row(5)) {
        let error = apply.clone().flat_map_rows(fail).unwrap_err();
        assert_eq!(error.row(), Some(12_350), "{way}");
        assert_eq!(error.cause().unwrap().to_string(), "no good");
        let error = apply
            .flat_map_rows(|i: i64| Many(rows_of(i).into_iter().inspect(move |_| assert!(i != 77))))
            .unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Panic { .. }), "{error}");
        assert_eq!(error.row(), None.or(Some(82)), "{way}");
    }
}

/// Nothing of a failing row is left, not even what it gave before the item that failed.
#[test]
fn a_row_that_fails_gives_none_and_is_reported() {
    let df = counting(6_000);
    // Rows with seven results fail at the fourth, some by a panic; of the rows with three results, every second gives none at all.
    let items = |i: i64| {
        let items = rows_of(i).into_iter().map(move |(i, n)| match (i % 60, n) {
            (5, 3) => Err(anyhow::anyhow!("item {n} of {i}")),
            (11, 3) => panic!("item {n} of {i}"),
            _ => Ok((i, n)),
        });
        refuse_unless(i % 60 != 8, "no rows").map(|()| Many(items))
    };
    let fails = |i: &i64| [5, 8, 11].contains(&(i % 60));
    let expected = looped((0..6_000).filter(|i| !fails(i)));
    for policy in [OnError::Skip, OnError::Collect] {
        for (way, apply) in ways(&named(&df)) {
            let what = format!("{way}, {policy:?}");
            let out = apply.on_error(policy).flat_map_rows(items).unwrap();
            assert_same_frame(&out.output, &expected, &what);
            assert_eq!((out.stats.rows, out.stats.failures), (6_000, 300), "{what}");
            let failed: Vec<Option<i64>> = (0..6_000).filter(fails).map(Some).collect();
            assert_eq!(out.failures["i"].i64().unwrap().to_vec(), failed, "{what}");
            assert_eq!(out.failures["panic"].bool().unwrap().sum(), Some(100));
            assert_eq!(
                out.failures["error"].str().unwrap().get(0),
                Some("item 3 of 5")
            );
            assert_eq!(out.kept_rows().len(), 5_700, "{what}");
            assert!(out.kept_rows().iter().flatten().all(|i| !fails(&i.into())));
        }
    }
    let error = named(&df)
        .on_error(OnError::Skip)
        .max_failures(4)
        .flat_map_rows(items)
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TooManyFailures { .. }));
    assert_eq!(error.row(), Some(68));
}

#[test]
fn null_is_refused_and_so_is_what_cannot_be() {
    let df = counting(10);
    let never = |_: i64| -> Vec<i64> { panic!("called") };
    let refused = df.par_apply().on_error(OnError::Null).flat_map_rows(never);
    let refused = refused.unwrap_err();
    assert!(
        matches!(
            refused.kind(),
            ErrorKind::Option {
                option: "on_error",
                ..
            }
        ),
        "{refused}"
    );
    let all = df
        .par_apply()
        .keep(["no", "i"])
        .source_rows("i")
        .names(["i"])
        .returns([DataType::String])
        .flat_map_rows(never)
        .unwrap_err();
    let said: Vec<String> = faults(&all).iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains(r#"column "no" not found"#), "{said:?}");
    assert!(said[1].contains("String"), "{said:?}");
    assert!(said[2].contains("\"i\""), "{said:?}");
    let names = df
        .par_apply()
        .names(["a", "a"])
        .flat_map_rows(|_: i64| -> Vec<(i64, i64)> { panic!("called") })
        .unwrap_err();
    assert!(
        matches!(names.kind(), ErrorKind::DuplicateName { name, .. } if name == "a"),
        "{names}"
    );
}

#[test]
fn kept_columns_and_source_rows_go_along() {
    let mut df = every_dtype(600);
    let i: Vec<i64> = (0..600).collect();
    df.with_column(Column::new("i".into(), i)).unwrap();
    df.with_column(Column::new_scalar("same".into(), Scalar::from(7i32), 600))
        .unwrap();
    let keep: Vec<PlSmallStr> = df.get_column_names_owned();
    let keep: Vec<PlSmallStr> = keep.into_iter().rev().collect();
    let source = looped(0..600);
    let positions = source["i"].cast(&IDX_DTYPE).unwrap();
    let positions = positions.idx().unwrap();
    let mut expected = df
        .select(keep.iter().cloned())
        .unwrap()
        .take(positions)
        .unwrap();
    let row = (positions + 9).with_name("row".into()).into_column();
    expected.insert_column(0, row).unwrap();
    let n = source["n"].clone().with_name("of row".into());
    expected.with_column(n).unwrap();
    for (layout, df) in layouts(&df) {
        for (way, apply) in ways(&df.par_apply().select(["i"]).first_row(9)) {
            let out = apply
                .names(["of row"])
                .keep(keep.iter().cloned())
                .source_rows("row")
                .flat_map_rows(|i: i64| Many(0..many(i)))
                .unwrap();
            assert_same_frame(&out, &expected, &format!("{layout}, {way}"));
        }
    }
}

#[test]
fn source_rows_are_the_rows_numbers() {
    let numbers = [7u64, 3, u64::from(u32::MAX) + 5];
    let df = df!["number" => numbers, "x" => [1i64, 2, 1]].unwrap();
    let call = || df.par_apply().row_numbers("number").source_rows("from");
    let out = call().flat_map_rows(|x: i64| Many(0..x)).unwrap();
    assert_eq!(
        out,
        df!["from" => [7u64, 3, 3, numbers[2]], "par_apply" => [0i64, 0, 1, 0]].unwrap()
    );
    let error = call()
        .flat_map_rows(|x: i64| refuse_unless(x == 1, "two").map(|()| [x]))
        .unwrap_err();
    assert_eq!(error.row(), Some(3));
    let small = df.head(Some(2));
    let small = small.par_apply().row_numbers("number").source_rows("from");
    let small = small.flat_map_rows(|x: i64| Many(0..x)).unwrap();
    assert_eq!(small["from"].dtype(), &IDX_DTYPE);
}

#[test]
fn no_rows_have_the_right_columns() {
    let df = df!["id" => ["a", "b"], "x" => [1i64, 2]].unwrap();
    let day = DataType::Datetime(TimeUnit::Nanoseconds, None);
    for df in [df.clone(), df.clear()] {
        let out = df
            .par_apply()
            .select(["x"])
            .keep(["id"])
            .source_rows("row")
            .names(["n", "text", "list", "when"])
            .returns([
                DataType::Int8,
                DataType::String,
                DataType::List(Box::new(DataType::Float64)),
                day.clone(),
            ])
            .flat_map_rows(|_: i64| Vec::<(i64, String, Vec<f64>, chrono::NaiveDateTime)>::new())
            .unwrap();
        assert_eq!(out.height(), 0);
        assert_eq!(
            out.dtypes(),
            [
                IDX_DTYPE,
                DataType::String,
                DataType::Int8,
                DataType::String,
                DataType::List(Box::new(DataType::Float64)),
                day.clone()
            ]
        );
        assert_eq!(
            out.get_column_names(),
            ["row", "id", "n", "text", "list", "when"]
        );
    }
    // For a frame without rows the closure is not called.
    let never = df
        .clear()
        .par_apply()
        .select(["x"])
        .flat_map_rows(|_: i64| -> [i64; 1] { panic!("called") });
    assert_eq!(never.unwrap().height(), 0);
}

#[test]
fn results_are_in_the_dtypes_that_are_asked_for() {
    let colours = FrozenCategories::new(["red", "green"]).unwrap();
    let dtype = DataType::from_frozen_categories(colours);
    let df = df!["x" => ["red green", "", "green blue", "red"]].unwrap();
    let words = |text: &str| {
        let words = text.split_whitespace().map(ToString::to_string);
        words.collect::<Vec<String>>()
    };
    let out = df
        .par_apply()
        .names(["c"])
        .returns([dtype.clone()])
        .on_error(OnError::Skip)
        .flat_map_rows(words)
        .unwrap();
    let expected = df!["c" => ["red", "green", "red"]].unwrap();
    let expected = expected["c"].strict_cast(&dtype).unwrap();
    assert_same(&out.output["c"], &expected, "an Enum");
    let error = out.failures["error"].str().unwrap().get(0).unwrap();
    assert!(
        error.contains("column \"c\"") && error.contains("blue"),
        "{error}"
    );
    let categorical = DataType::from_categories(polars::prelude::Categories::global());
    let big = counting(40_000);
    let call = big.par_apply().workers(3).returns([categorical.clone()]);
    let out = call
        .flat_map_rows(|i: i64| Many((0..many(i)).map(move |n| format!("{}", (i + n) % 100))))
        .unwrap();
    assert_eq!(out.dtypes(), [categorical]);
    assert_eq!(out["par_apply"].n_unique().unwrap(), 100);
}

#[test]
fn results_of_two_dtypes_name_the_row() {
    let df = counting(1_000);
    let error = df
        .par_apply()
        .workers(2)
        .first_row(100)
        .flat_map_rows(|i: i64| {
            let value = match i {
                400.. => AnyValue::Boolean(true),
                i => AnyValue::Int64(i),
            };
            vec![value; many(i) as usize]
        })
        .unwrap_err();
    // Row 400 gives two rows.
    assert!(matches!(error.kind(), ErrorKind::Stack { .. }), "{error}");
    assert_eq!(error.row(), Some(500), "{error}");
}

#[test]
fn what_is_tried_again_begins_anew_in_its_place() {
    let df = counting(2_000);
    let expected = looped(0..2_000);
    let tries: Vec<AtomicUsize> = (0..2_000).map(|_| AtomicUsize::new(0)).collect();
    for (way, apply) in ways(&named(&df)) {
        let out = apply
            .retry(Retry::attempts(3).min_delay(SOON).max_delay(SOON))
            .outcome()
            .flat_map_rows(|i: i64| {
                let before = tries[i as usize].fetch_add(1, Relaxed);
                let fails = i % 5 == 0 && before % 3 < 2;
                let rows = rows_of(i).into_iter().map(Ok);
                let end = fails.then(|| Err(anyhow::anyhow!("not yet")));
                Many(rows.chain(end))
            })
            .unwrap();
        tries.iter().for_each(|tries| tries.store(0, Relaxed));
        assert_same_frame(&out.output, &expected, &way);
        assert_eq!(out.stats.retries, 800, "{way}");
    }
}

#[test]
fn a_cancelled_call_gives_the_rows_of_those_that_are_done() {
    watched(|| {
        let df = counting(50_000);
        for workers in [1, 3] {
            let token = CancelToken::new();
            let out = named(&df)
                .workers(workers)
                .cancel_token(&token)
                .on_cancel(OnCancel::Partial)
                .source_rows("row")
                .flat_map_rows(|i: i64| {
                    if i == 3_003 {
                        token.cancel();
                        token.check()?;
                    } else if i > 3_003 {
                        held_back(&token);
                    }
                    Ok::<_, polars_par_apply::Error>(rows_of(i))
                })
                .unwrap();
            assert!(out.stats.cancelled);
            let kept: Vec<i64> = out.kept_rows().iter().flatten().map(i64::from).collect();
            assert!(kept.len() < 50_000 && !kept.contains(&3_003));
            let expected = looped(kept.iter().copied());
            assert_same_frame(
                &out.output.select(["i", "n"]).unwrap(),
                &expected,
                &format!("{workers} workers"),
            );
            assert_same(
                &out.output["row"].cast(&DataType::Int64).unwrap(),
                &expected["i"].clone().with_name("row".into()),
                "their numbers",
            );
            // The rows that are left give the rest of the output.
            let rest = out.rest(&df).unwrap();
            let rest = rest.par_apply().select(["i"]).names(["i", "n"]);
            let rest = rest.flat_map_rows(rows_of).unwrap();
            assert_eq!(
                rest.height() + out.output.height(),
                looped(0..50_000).height()
            );
            let error = named(&df).cancel_token(&token).flat_map_rows(rows_of);
            assert!(matches!(
                error.unwrap_err().kind(),
                ErrorKind::Cancelled { done: 0, .. }
            ));
        }
    });
}

#[test]
fn states_streams_and_progress() {
    let df = counting(5_000);
    let seen = AtomicUsize::new(0);
    let ticks: Arc<Mutex<Vec<Tick>>> = Arc::default();
    let told = ticks.clone();
    let out = named(&df)
        .workers(3)
        .state(|| 0usize)
        .finish(|rows: usize| {
            seen.fetch_add(rows, Relaxed);
        })
        .progress(move |tick: Tick| told.lock().unwrap().push(tick))
        .flat_map_rows(|rows: &mut usize, i: i64| {
            *rows += 1;
            rows_of(i)
        })
        .unwrap();
    assert_same_frame(&out, &looped(0..5_000), "with a state");
    assert_eq!(seen.load(Relaxed), 5_000);
    let last = ticks.lock().unwrap().pop().unwrap();
    assert_eq!(
        (last.done, last.total, last.state),
        (5_000, 5_000, TickState::Finished)
    );

    let drawn =
        |rng: &mut RowRng, i: i64| -> Vec<u64> { (0..many(i)).map(|_| rng.random()).collect() };
    let alone = df
        .par_apply()
        .sequential()
        .seed(7)
        .flat_map_rows(drawn)
        .unwrap();
    for (way, apply) in ways(&df.par_apply()) {
        let out = apply.seed(7).flat_map_rows(drawn).unwrap();
        assert_same_frame(&out, &alone, &way);
    }
}

#[test]
fn in_the_background_it_is_the_same() {
    watched(|| {
        let df = each_column(&counting(30_000), |_, column| {
            cut(column, std::iter::repeat(777))
        });
        let job = named(&df).spawn_flat_map_rows(rows_of);
        let told = named(&df)
            .on_error(OnError::Skip)
            .spawn_flat_map_rows(|i: i64| refuse_unless(i % 6 != 5, "no").map(|()| rows_of(i)));
        drop(df);
        assert_same_frame(&job.get().unwrap(), &looped(0..30_000), "a job");
        let told = told.get().unwrap();
        assert_eq!(told.stats.failures, 5_000);
        assert_same_frame(
            &told.output,
            &looped((0..30_000).filter(|i| i % 6 != 5)),
            "a job with an outcome",
        );
    });
}

/// Values that a closure makes are dropped once, whatever becomes of the row.
#[test]
fn nothing_leaks() -> Result<()> {
    struct Alive(Arc<AtomicUsize>);
    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Relaxed);
        }
    }
    let alive = Arc::new(AtomicUsize::new(0));
    let df = counting(3_000);
    let out = df
        .par_apply()
        .workers(3)
        .on_error(OnError::Skip)
        .flat_map_rows(|i: i64| {
            alive.fetch_add(1, Relaxed);
            let held = Alive(alive.clone());
            Many((0..many(i)).map(move |n| {
                let _held = &held;
                assert!(i % 12 != 11 || n < 4, "halfway");
                format!("a text that is longer than a view {i} {n}")
            }))
        })?;
    assert_eq!(out.stats.failures, 250);
    assert_eq!(alive.load(Relaxed), 0);
    Ok(())
}

/// Large parts become chunks of the output, and small ones are joined; all columns are chunked alike.
#[test]
fn chunks_are_large_and_alike() {
    let df = counting(60_000);
    let expected = looped(0..60_000);
    for (parts, chunks) in [(1, 1), (3, 3), (5_000, 1)] {
        let out = named(&df)
            .workers(2)
            .partitions(parts)
            .keep(["i"])
            .names(["j", "n"])
            .source_rows("row")
            .flat_map_rows(rows_of)
            .unwrap();
        assert_same(&out["n"], &expected["n"], "chunks");
        assert_same(&out["i"], &expected["i"], "chunks");
        let found: Vec<usize> = out.columns().iter().map(Column::n_chunks).collect();
        assert_eq!(found, [chunks; 4], "{parts} parts");
        assert!(!out.should_rechunk());
    }
}

/// In both engines, in whatever batches, over a scan too.
#[test]
fn lazily_it_is_the_same() {
    watched(|| {
        let df = counting(250_000).with_row_index("id".into(), None).unwrap();
        let lf = || df.clone().lazy();
        let eager = df
            .par_apply()
            .select(["i"])
            .names(["i", "n"])
            .keep(["id"])
            .source_rows("row")
            .flat_map_rows(rows_of)
            .unwrap();
        let call = |lf: LazyFrame| {
            let call = lf.par_apply().select(["i"]).names(["i", "n"]);
            call.keep(["id"]).source_rows("row").flat_map_rows(rows_of)
        };
        let mut planned = call(lf());
        assert_eq!(planned.collect_schema().unwrap(), *eager.schema());
        for engine in ENGINES {
            let out = collected(&planned, engine).unwrap();
            assert_same_frame(&out, &eager, &format!("{engine:?}"));
            // Later steps work on the rows that it gives, and earlier steps keep their effect.
            let some = call(lf().filter(col("id").gt_eq(lit(10))));
            let some = some
                .filter(col("n").eq(lit(2)))
                .select([col("i"), col("row")]);
            let out = collected(&some, engine).unwrap();
            let threes = (10..250_000).filter(|i| many(*i) > 2);
            let expected: Vec<Option<i64>> = threes.map(Some).collect();
            assert_eq!(out["i"].i64().unwrap().to_vec(), expected, "{engine:?}");
            // Row numbers are those of the frame that the call is made on.
            let apart = out["i"].cast(&IDX_DTYPE).unwrap();
            let apart = apart.idx().unwrap() - 10;
            assert_same(
                &out["row"],
                &apart.with_name("row".into()).into_column(),
                "numbers",
            );
            let with_state = lf()
                .select([col("i")])
                .par_apply()
                .state(|| 0u8)
                .names(["i", "n"])
                .flat_map_rows(|_: &mut u8, i: i64| rows_of(i));
            let out = collected(&with_state, engine).unwrap();
            assert_same_frame(&out, &eager.select(["i", "n"]).unwrap(), "with a state");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("frame.parquet");
        let file = std::fs::File::create(&path).unwrap();
        let writer = ParquetWriter::new(file).with_row_group_size(Some(30_000));
        writer.finish(&mut df.clone()).unwrap();
        let path = PlRefPath::try_from_path(&path).unwrap();
        let scan = LazyFrame::scan_parquet(path, ScanArgsParquet::default()).unwrap();
        for engine in ENGINES {
            let out = collected(&call(scan.clone()), engine).unwrap();
            assert_same_frame(&out, &eager, &format!("a scan, {engine:?}"));
        }
    });
}

#[test]
fn lazily_a_row_that_fails_has_its_number() {
    watched(|| {
        let lf = counting(250_000).lazy();
        let fail = |i: i64| match i % 100_000 {
            77_777 => Err(anyhow::anyhow!("no good")),
            _ => Ok(rows_of(i)),
        };
        for engine in ENGINES {
            let call = || lf.clone().par_apply().names(["i", "n"]);
            let error = collected(&call().flat_map_rows(fail), engine).unwrap_err();
            let said = error.to_string();
            assert!(
                said.contains("77777: the closure returned an error: no good"),
                "{said}"
            );
            let failures = Failures::new();
            let some = call().failures(&failures).flat_map_rows(fail);
            let out = collected(&some, engine).unwrap();
            let expected = looped((0..250_000).filter(|i| i % 100_000 != 77_777));
            assert_same_frame(&out, &expected, &format!("{engine:?}"));
            let rows = failures.take();
            assert_eq!(
                rows["row"].idx().unwrap().to_vec(),
                [Some(77_777), Some(177_777)]
            );
            let plain = call().numbered(false).flat_map_rows(fail);
            let said = collected(&plain, engine).unwrap_err().to_string();
            assert!(said.contains("in a batch of"), "{said}");
        }
    });
}

#[test]
fn lazily_faults_come_when_it_is_planned() {
    let lf = || df!["x" => [1i64]].unwrap().lazy();
    let refused = |mut lf: LazyFrame, says: &str| {
        let said = lf.collect_schema().unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
    };
    let never = |_: i64| -> [i64; 1] { panic!("called") };
    let null = lf().par_apply().on_error(OnError::Null);
    refused(null.flat_map_rows(never), ".on_error(…)");
    refused(
        lf().par_apply().keep(["no"]).flat_map_rows(never),
        r#"column "no" not found"#,
    );
    refused(
        lf().par_apply()
            .flat_map_rows(|_: &str| -> [i64; 1] { panic!("called") }),
        "Int64",
    );
    refused(
        lf().par_apply()
            .flat_map_rows(|_: i64| -> [AnyValue<'static>; 1] { panic!("called") }),
        ".returns(…)",
    );
    let typed = lf().par_apply().returns([DataType::Int8]);
    let typed = typed.flat_map_rows(|x: i64| [AnyValue::Int64(x), AnyValue::Null]);
    let out = typed.collect().unwrap();
    assert_eq!(out.dtypes(), [DataType::Int8]);
    assert_eq!(out["par_apply"].null_count(), 1);
}

#[test]
fn lazily_no_rows_have_the_planned_columns() {
    let df = df!["id" => ["a", "b"], "x" => [1i64, 2]].unwrap();
    for df in [df.clone(), df.clear()] {
        for engine in ENGINES {
            let call = df.clone().lazy().par_apply().select(["x"]).keep(["id"]);
            let mut none = call
                .source_rows("row")
                .flat_map_rows(|_: i64| Vec::<(i64, String)>::new());
            let planned = none.collect_schema().unwrap();
            let out = collected(&none, engine).unwrap();
            assert_eq!(out.schema(), &planned, "{engine:?}");
            assert_eq!(
                out.dtypes(),
                [
                    IDX_DTYPE,
                    DataType::String,
                    DataType::Int64,
                    DataType::String
                ]
            );
            assert_eq!(out.height(), 0);
        }
    }
}
