//! A row function as an expression: the same answer as the eager call, in both engines, wherever an expression goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use polars_par_apply::prelude::*;

use crate::frames::watched;

const ENGINES: [Engine; 2] = [Engine::InMemory, Engine::Streaming];

fn collected(lf: &LazyFrame, engine: Engine) -> PolarsResult<DataFrame> {
    Ok(lf.clone().collect_with_engine(engine)?.unwrap_single())
}

/// Rows enough for several batches, with a null now and then.
fn frame() -> DataFrame {
    let rows = 250_000;
    let xs = (0..rows).map(|row| (row % 7 != 0).then_some(f64::from(row)));
    let ys = (0..rows).map(|row| f64::from(row % 100));
    let names = (0..rows).map(|row| format!("row {row}"));
    df![
        "x" => xs.collect::<Vec<Option<f64>>>(),
        "y" => ys.collect::<Vec<f64>>(),
        "name" => names.collect::<Vec<String>>(),
        "group" => (0..rows).map(|row| row % 3).collect::<Vec<i32>>(),
    ]
    .unwrap()
}

#[test]
fn select_with_columns_and_filter_agree_with_the_eager_call() {
    watched(|| {
        let df = frame();
        let hypot = df.par_apply().select(["x", "y"]).rows(f64::hypot).unwrap();
        let odd = |name: &str| name.ends_with(['1', '3', '5', '7', '9']);
        let mask = df.par_apply().select(["name"]).rows(odd).unwrap();
        let mut wide = df.clone();
        wide.with_column(hypot.clone().with_name("h".into()))
            .unwrap();
        let narrow = df.filter(mask.bool().unwrap()).unwrap();
        for engine in ENGINES {
            let h = rows(["x", "y"]).apply(f64::hypot);
            let selected = collected(&df.clone().lazy().select([h.clone()]), engine).unwrap();
            assert!(selected.equals_missing(&hypot.clone().into_frame()));
            let with = df.clone().lazy().with_columns([h.alias("h")]);
            assert!(collected(&with, engine).unwrap().equals_missing(&wide));
            let filtered = df.clone().lazy().filter(rows(["name"]).apply(odd));
            assert!(
                collected(&filtered, engine)
                    .unwrap()
                    .equals_missing(&narrow)
            );
        }
    });
}

#[test]
fn each_row_is_called_once() {
    watched(|| {
        let df = df!["x" => (0..250_000).collect::<Vec<i32>>()].unwrap();
        for engine in ENGINES {
            let calls = Arc::new(AtomicUsize::new(0));
            let counter = calls.clone();
            let counted = rows(["x"]).apply(move |x: i32| {
                counter.fetch_add(1, Ordering::Relaxed);
                x
            });
            let lf = df.clone().lazy().select([counted]);
            lf.clone().explain(true).unwrap();
            lf.clone().collect_schema().unwrap();
            assert_eq!(calls.load(Ordering::Relaxed), 0);
            collected(&lf, engine).unwrap();
            assert_eq!(calls.load(Ordering::Relaxed), 250_000);
        }
    });
}

#[test]
fn several_cells_are_a_struct_that_unnests() {
    watched(|| {
        let df = frame().select(["y", "name"]).unwrap();
        let split = |y: f64, name: &str| (y / 2.0, name.len() as u32);
        let eager = df.par_apply().names(["half", "len"]).rows(split).unwrap();
        for engine in ENGINES {
            let both = rows(["y", "name"]).names(["half", "len"]).apply(split);
            let lf = df.clone().lazy().select([both.alias("both")]);
            let schema = lf.clone().collect_schema().unwrap();
            let fields = vec![
                Field::new("half".into(), DataType::Float64),
                Field::new("len".into(), DataType::UInt32),
            ];
            assert_eq!(schema.get("both"), Some(&DataType::Struct(fields)));
            let lf = lf.unnest(Selector::Wildcard, None);
            assert!(collected(&lf, engine).unwrap().equals(&eager));
        }
    });
}

#[test]
fn within_agg_and_over() {
    watched(|| {
        let df = frame();
        let squares = df.par_apply().select(["y"]).rows(|y: f64| y * y).unwrap();
        let mut with = df.clone();
        with.with_column(squares.with_name("s".into())).unwrap();
        let square = || rows(["y"]).apply(|y: f64| y * y);
        for engine in ENGINES {
            let sums = |lf: LazyFrame, of: Expr| {
                let sums = lf.group_by([col("group")]).agg([of.sum().alias("sum")]);
                collected(
                    &sums.sort(["group"], SortMultipleOptions::default()),
                    engine,
                )
                .unwrap()
            };
            let native = sums(with.clone().lazy(), col("s"));
            assert!(sums(df.clone().lazy(), square()).equals(&native));
            let over = |lf: LazyFrame, of: Expr| {
                let over = lf.select([of.max().over([col("group")]).unwrap().alias("max")]);
                collected(&over, engine).unwrap()
            };
            let native = over(with.clone().lazy(), col("s"));
            assert!(over(df.clone().lazy(), square()).equals(&native));
        }
    });
}

#[test]
fn arguments_are_expressions_names_and_literals() {
    watched(|| {
        let df = df!["x" => [1i64, 2, 3]].unwrap();
        for engine in ENGINES {
            let sum = rows([col("x"), col("x") * lit(10i64), lit(100i64)])
                .apply(|a: i64, b: i64, c: i64| a + b + c);
            let out = collected(&df.clone().lazy().select([sum]), engine).unwrap();
            assert_eq!(out, df!["par_apply" => [111i64, 122, 133]].unwrap());
        }
    });
}

#[test]
fn empty_frames_have_the_schema() {
    watched(|| {
        let df = frame().clear();
        for engine in ENGINES {
            let text = rows(["name"]).apply(|name: &str| name.to_uppercase());
            let out = collected(&df.clone().lazy().select([text]), engine).unwrap();
            assert_eq!((out.height(), out.dtypes()), (0, vec![DataType::String]));
        }
    });
}

#[test]
fn faults_are_told_when_the_query_is_planned() {
    watched(|| {
        let lf = frame().lazy();
        let wrong = rows(["x", "name"]).apply(|x: f64, name: i64| x * name as f64);
        let said = lf
            .clone()
            .select([wrong])
            .collect_schema()
            .unwrap_err()
            .to_string();
        assert!(said.contains("column \"name\" is String"), "{said}");
        assert!(said.contains("argument 1 takes i64"), "{said}");
        let few = rows(["x"]).apply(|x: f64, y: f64| x + y);
        let said = lf
            .clone()
            .select([few])
            .collect_schema()
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("takes 2 arguments, and rows([…]) gives it 1: x"),
            "{said}"
        );
        let untold = |name: AnyValue<'_>| name.into_static();
        let mut said = lf.clone().select([rows(["name"]).apply(untold)]);
        let said = said.collect_schema().unwrap_err().to_string();
        assert!(said.contains(".returns(dtype)"), "{said}");
        let told = rows(["name"]).returns(DataType::String).apply(untold);
        for engine in ENGINES {
            let out = collected(&lf.clone().select([told.clone()]), engine).unwrap();
            assert_eq!(
                out.column("par_apply").unwrap().str().unwrap().get(2),
                Some("row 2")
            );
        }
        let other = rows(["y"]).returns(DataType::Int64).apply(|y: f64| y);
        let said = lf.select([other]).collect_schema().unwrap_err().to_string();
        assert!(said.contains("f64, and not i64"), "{said}");
    });
}

#[test]
fn failures_and_panics_end_the_query() {
    watched(|| {
        let lf = df!["text" => ["1", "two", "3"]].unwrap().lazy();
        for engine in ENGINES {
            let parsed = rows(["text"]).apply(|text: &str| text.parse::<i64>());
            let said = collected(&lf.clone().select([parsed]), engine)
                .unwrap_err()
                .to_string();
            assert!(
                said.contains("in a batch of ") && said.contains("invalid digit"),
                "{said}"
            );
            let panics = rows(["text"]).apply(|text: &str| {
                assert_ne!(text, "two", "no words");
                1i64
            });
            let said = collected(&lf.clone().select([panics]), engine)
                .unwrap_err()
                .to_string();
            assert!(said.contains(": the closure panicked: "), "{said}");
            let token = CancelToken::new();
            token.cancel();
            let late = rows(["text"])
                .cancel_token(&token)
                .apply(|text: &str| text.len() as u32);
            let said = collected(&lf.clone().select([late]), engine)
                .unwrap_err()
                .to_string();
            assert!(said.contains("cancelled"), "{said}");
        }
    });
}

#[test]
fn nulls_and_casts_are_options() {
    watched(|| {
        let lf = df!["x" => [Some(1.5), None]].unwrap().lazy();
        for engine in ENGINES {
            let strict = rows(["x"]).nulls(Nulls::Error).apply(|x: f64| x);
            let said = collected(&lf.clone().select([strict]), engine)
                .unwrap_err()
                .to_string();
            assert!(said.contains("column \"x\" is null in row "), "{said}");
            let cut = rows(["x"])
                .casts(Casts::Lossy)
                .apply(|x: Option<i64>| x.unwrap_or(-1));
            let out = collected(&lf.clone().select([cut]), engine).unwrap();
            assert_eq!(out, df!["par_apply" => [1i64, -1]].unwrap());
        }
    });
}

#[test]
fn the_plan_names_it_and_reads_what_it_names() {
    watched(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wide.parquet");
        let mut df = frame();
        let file = std::fs::File::create(&path).unwrap();
        ParquetWriter::new(file).finish(&mut df).unwrap();
        let path = PlRefPath::try_from_path(&path).unwrap();
        let lf = LazyFrame::scan_parquet(path, ScanArgsParquet::default()).unwrap();
        let lf = lf.select([rows(["x", "y"]).name("hypot").apply(f64::hypot)]);
        let plan = lf.explain(true).unwrap();
        assert!(plan.contains(".hypot("), "{plan}");
        assert!(plan.contains("PROJECT 2/4 COLUMNS"), "{plan}");
    });
}

/// On a `LazyFrame` the closure's columns are added or replaced, by both engines, whatever it takes.
#[test]
fn rows_of_a_lazy_frame_add_or_replace_columns() {
    let df = df!["a" => [7i64, 9, 11], "b" => [2i64, 4, 5]].unwrap();
    for engine in ENGINES {
        let all = df.clone().lazy().par_apply_rows(|a: i64, b: i64| a - b);
        let all = all.collect_with_engine(engine).unwrap().unwrap_single();
        let expected = df!["a" => [7i64, 9, 11], "b" => [2i64, 4, 5], "par_apply" => [5i64, 5, 6]];
        assert_eq!(all, expected.unwrap());

        let some = df
            .clone()
            .lazy()
            .par_apply()
            .select(["a"])
            .names(["b", "rest"]);
        let some = some.rows(|a: i64| (a / 4, a % 4));
        let some = some.collect_with_engine(engine).unwrap().unwrap_single();
        let expected = df!["a" => [7i64, 9, 11], "b" => [1i64, 2, 2], "rest" => [3i64, 1, 3]];
        assert_eq!(some, expected.unwrap());
    }
}
