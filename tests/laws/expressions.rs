//! A row function as an expression gives the same answer as the eager call, in both engines, wherever an expression can be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use polars_par_apply::prelude::*;

use crate::engines::{ENGINES, collected};
use crate::frames::{alone, counting, watched};

/// Enough rows for several batches, with some nulls.
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
        let none = rows(Vec::<Expr>::new()).apply(|row: Row<'_>| row.len() as u32);
        let said = lf.clone().select([none]).collect_schema().unwrap_err();
        assert!(said.to_string().contains("has no arguments"), "{said}");
        let few = rows(["x"]).apply(|x: f64, y: f64| x + y);
        let said = lf
            .clone()
            .select([few])
            .collect_schema()
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("takes 2 arguments, but rows([…]) gives it 1: x"),
            "{said}"
        );
        let untold = |name: AnyValue<'_>| name.into_static();
        let mut said = lf.clone().select([rows(["name"]).apply(untold)]);
        let said = said.collect_schema().unwrap_err().to_string();
        assert!(said.contains(".returns([dtype])"), "{said}");
        let told = rows(["name"]).returns([DataType::String]).apply(untold);
        for engine in ENGINES {
            let out = collected(&lf.clone().select([told.clone()]), engine).unwrap();
            assert_eq!(
                out.column("par_apply").unwrap().str().unwrap().get(2),
                Some("row 2")
            );
        }
        let other = rows(["y"]).returns([DataType::String]).apply(|y: f64| y);
        let said = lf.select([other]).collect_schema().unwrap_err().to_string();
        assert!(
            said.contains("results of type Float64 cannot become String"),
            "{said}"
        );
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
        let lf = lf.select([rows(["x", "y"]).plan_name("hypot").apply(f64::hypot)]);
        let plan = lf.explain(true).unwrap();
        assert!(plan.contains(".hypot("), "{plan}");
        assert!(plan.contains("PROJECT 2/4 COLUMNS"), "{plan}");
    });
}

/// On a `LazyFrame` the closure's columns are added or replaced, in both engines, whatever the closure takes.
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

/// An argument has one value, or one for each row. Anything else is an error, and no row is lost.
#[test]
fn arguments_of_other_lengths_are_refused() {
    watched(|| {
        let lf = df!["x" => [1, 2, 3, 4], "y" => [Some(1), None, Some(3), None]]
            .unwrap()
            .lazy();
        let pairs = |arguments: [Expr; 2]| rows(arguments).apply(|a: i32, b: i32| a * 10 + b);
        for engine in ENGINES {
            for short in [
                col("x").head(Some(2)),
                col("y").drop_nulls(),
                col("x").head(Some(0)),
            ] {
                let said = collected(&lf.clone().select([pairs([col("x"), short])]), engine);
                // The streaming engine puts the arguments side by side itself, and says so.
                let said = said.unwrap_err().to_string();
                let ours = said.contains("the arguments of a row function have 4 rows");
                assert!(
                    ours || said.contains("zip node received non-equal length"),
                    "{said}"
                );
            }
            let means = pairs([col("x"), col("y").max()]);
            let out = collected(&lf.clone().select([means]), engine).unwrap();
            assert_eq!(out, df!["par_apply" => [13, 23, 33, 43]].unwrap());
        }
    });
}

#[derive(FromRow)]
struct Pair {
    y: f64,
    m: f64,
}

#[derive(IntoRow)]
struct Sums {
    sum: f64,
    difference: f64,
}

/// Each form that a closure's argument takes, of names, expressions and selectors.
#[test]
fn one_row_is_many_arguments() {
    watched(|| {
        let df =
            df!["y" => [1.0, 2.0, 6.0], "z" => [3.0, 4.0, 5.0], "name" => ["a", "b", "c"]].unwrap();
        let lf = df.lazy();
        for engine in ENGINES {
            let out = |expr: Expr| {
                let out = collected(&lf.clone().select([expr]), engine).unwrap();
                out.column("par_apply")
                    .unwrap()
                    .as_materialized_series()
                    .clone()
            };
            let sums = |expr: Expr| out(expr).f64().unwrap().to_vec_null_aware().left().unwrap();
            assert_eq!(
                sums(rows(["y", "z"]).apply(|(y, z): (f64, f64)| y + z)),
                [4.0, 6.0, 11.0]
            );
            assert_eq!(
                sums(rows(["y", "z"]).apply(|r: [f64; 2]| r.iter().sum::<f64>())),
                [4.0, 6.0, 11.0]
            );
            assert_eq!(
                sums(rows([cols(["y", "z"])]).apply(|y: f64, z: f64| y + z)),
                [4.0, 6.0, 11.0]
            );
            let wide = rows([all()]).apply(|row: Row<'_>| row.len() as f64);
            assert_eq!(sums(wide), [3.0; 3]);
            // By names, in any order.
            let named = rows([col("z").alias("m"), col("y")]);
            assert_eq!(
                sums(named.apply(|pair: Pair| pair.y - pair.m)),
                [-2.0, -2.0, 1.0]
            );
            let both = rows([all()]).apply(|pair: Renamed| Sums {
                sum: pair.y + pair.z,
                difference: pair.y - pair.z,
            });
            let both = out(both).struct_().unwrap().clone().unnest();
            let expected = df!["sum" => [4.0, 6.0, 11.0], "difference" => [-2.0, -2.0, 1.0]];
            assert_eq!(both, expected.unwrap());
        }
        let said = |expr: Expr| {
            let said = lf.clone().select([expr]).collect_schema().unwrap_err();
            said.to_string()
        };
        let missing = said(rows(["y"]).apply(|pair: Pair| pair.y - pair.m));
        assert!(missing.contains("column \"m\" not found"), "{missing}");
        let few = said(rows([cols(["y", "z"])]).apply(|y: f64| y));
        assert!(
            few.contains("takes 1 argument, but rows([…]) gives it 2: y, z"),
            "{few}"
        );
    });
}

#[derive(FromRow)]
struct Renamed {
    y: f64,
    z: f64,
}

/// Within groups: lists, aggregates, aggregates beside columns, and rows that are filtered out.
#[test]
fn groups_are_as_those_of_polars() {
    watched(|| {
        let df = df!["g" => [1, 2, 1, 2, 1], "y" => [1.0, 2.0, 3.0, 6.0, 5.0]].unwrap();
        for engine in ENGINES {
            let agg = |of: Expr| {
                let lf = df
                    .clone()
                    .lazy()
                    .group_by_stable([col("g")])
                    .agg([of.alias("out")]);
                let out =
                    collected(&lf.sort(["g"], SortMultipleOptions::default()), engine).unwrap();
                out.column("out").unwrap().as_materialized_series().clone()
            };
            let double = |y: f64| y * 2.0;
            let native = |of: Expr| agg(of);
            assert_eq!(agg(rows(["y"]).apply(double)), native(col("y") * lit(2.0)));
            assert_eq!(
                agg(rows(["y"]).apply(double).sum()),
                native((col("y") * lit(2.0)).sum())
            );
            assert_eq!(
                agg(rows([col("y").sum()]).apply(double)),
                native(col("y").sum() * lit(2.0))
            );
            let centred = || rows([col("y"), col("y").mean().alias("m")]);
            let expected = native(col("y") - col("y").mean());
            assert_eq!(agg(centred().apply(|y: f64, m: f64| y - m)), expected);
            assert_eq!(agg(centred().apply(|pair: Pair| pair.y - pair.m)), expected);
            let large = rows(["y"]).apply(|y: f64| y > 2.0);
            assert_eq!(
                agg(large.clone().sum()),
                native(col("y").gt(lit(2.0)).sum())
            );
            assert_eq!(
                agg(col("y").filter(large)),
                native(col("y").filter(col("y").gt(lit(2.0))))
            );
            // Rows that the filter leaves out are not given to the closure.
            let strict = rows([col("y").filter(col("y").gt(lit(2.0)))]).apply(|y: f64| {
                assert!(y > 2.0);
                y
            });
            assert_eq!(
                agg(strict.sum()),
                native(col("y").filter(col("y").gt(lit(2.0))).sum())
            );
            let both = rows(["y", "y"])
                .names(["a", "b"])
                .apply(|a: f64, b: f64| (a, b * 2.0));
            let fields = as_struct(vec![col("y").alias("a"), (col("y") * lit(2.0)).alias("b")]);
            assert_eq!(agg(both), native(fields));

            let over = |of: Expr| {
                let lf = df
                    .clone()
                    .lazy()
                    .select([of.over([col("g")]).unwrap().alias("out")]);
                collected(&lf, engine).unwrap()
            };
            let differences = rows([col("y"), col("y").max()]).apply(|y: f64, most: f64| most - y);
            assert_eq!(over(differences), over(col("y").max() - col("y")));
            assert_eq!(over(rows(["y"]).apply(double)), over(col("y") * lit(2.0)));
        }
        let none = df.clear().lazy().group_by([col("g")]);
        let none = none.agg([rows(["y"]).apply(|y: f64| y as i64).sum()]);
        for engine in ENGINES {
            let out = collected(&none, engine).unwrap();
            assert_eq!(
                (out.height(), out.dtypes()),
                (0, vec![DataType::Int32, DataType::Int64])
            );
        }
    });
}

/// Without row numbers, the row is counted in its batch, and the message says so.
#[test]
fn rows_without_a_number_are_named_in_their_batch() {
    watched(|| {
        let lf = df!["text" => ["1", "x"], "line" => [Some(7i64), None]]
            .unwrap()
            .lazy();
        let parsed = || rows(["text"]).row_numbers(col("line"));
        for engine in ENGINES {
            let said = lf
                .clone()
                .select([parsed().apply(|text: &str| text.parse::<i32>())]);
            let said = collected(&said, engine).unwrap_err().to_string();
            assert!(said.starts_with("in a batch of "), "{said}");
        }
        let wrong = rows(["line"])
            .row_numbers(col("text"))
            .apply(|line: i64| line);
        let said = lf
            .clone()
            .select([wrong])
            .collect_schema()
            .unwrap_err()
            .to_string();
        assert!(
            said.contains(
                ".row_numbers(…): column \"text\" is str, but row numbers must be integers"
            ),
            "{said}"
        );
    });
}

/// In memory, rows run on Polars' workers, and in the streaming engine on its threads: a row waits for one of another thread. (`nested`
/// tests that there are no other threads.)
#[test]
fn rows_are_shared_out() {
    // If other tests used the same pool, each could hold a worker that another waits for.
    let test = "expressions::shared_out";
    alone(test, |command| command.env("POLARS_MAX_THREADS", "4"));
}

#[test]
#[ignore = "run by rows_are_shared_out, in a process of its own"]
fn shared_out() {
    watched(|| {
        for engine in ENGINES {
            let (inside, together) = (AtomicUsize::new(0), AtomicBool::new(false));
            let wait = rows(["i"]).apply(move |i: i64| {
                // The first rows of a call in memory run on the calling thread.
                if i >= 200_000 && i % 1000 == 0 {
                    let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                    together.fetch_or(now > 1, Ordering::SeqCst);
                    while !together.load(Ordering::SeqCst) {
                        std::thread::yield_now();
                    }
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
                i
            });
            let lf = counting(1_000_000).lazy().select([wait]);
            assert_eq!(collected(&lf, engine).unwrap().height(), 1_000_000);
        }
    });
}
