//! No name of a user's column is special, and a closure is given the columns' real names.

use polars_par_apply::prelude::*;

use crate::engines::{ENGINES, collected, stacked};
use crate::frames::{refuse_unless, watched};

/// Names that this crate uses, has used or might use.
const NAMES: [&str; 14] = [
    "__par_apply_results",
    "__par_apply_row",
    "__par_apply_row_index",
    "par_apply",
    "column_0",
    "column_1",
    "x (argument 1)",
    "x (argument 2)",
    "row",
    "row_input",
    "error",
    "literal",
    "stays",
    "",
];

#[test]
fn a_frames_own_columns_stay() {
    watched(|| {
        for name in NAMES {
            let df = df![name => [1i64, 2, 3], "v" => [4i64, 5, 6]].unwrap();
            let expected = |names: [&str; 2]| {
                let mut expected = df.clone();
                let columns = [[5i64, 7, 9], [4, 10, 18]];
                for (name, column) in names.into_iter().zip(columns) {
                    let column = Column::new(name.into(), column);
                    expected.with_column(column).unwrap();
                }
                expected
            };
            let both = |a: i64, b: i64| anyhow::Ok((a + b, a * b));
            for engine in ENGINES {
                for (names, out) in [
                    (Some(["s", "p"]), expected(["s", "p"])),
                    (None, expected(["column_0", "column_1"])),
                ] {
                    for failures in [None, Some(Failures::new())] {
                        let mut call = df.clone().lazy().par_apply();
                        if let Some(names) = names {
                            call = call.names(names);
                        }
                        if let Some(failures) = &failures {
                            call = call.failures(failures);
                        }
                        let lf = call.select([name, "v"]).rows(both);
                        assert_eq!(collected(&lf, engine).unwrap(), out, "{name:?}");
                    }
                }
                // All columns, and one result.
                let lf = df.clone().lazy().par_apply().names(["s"]);
                let lf = lf.rows(|a: i64, b: i64| anyhow::Ok(a + b));
                let out = collected(&lf, engine).unwrap();
                assert_eq!(out.get_column_names(), [name, "v", "s"]);
                // A result of that name.
                let lf = df
                    .clone()
                    .lazy()
                    .par_apply()
                    .select(["v"])
                    .names([name, "t"]);
                let lf = lf.rows(|v: i64| anyhow::Ok((v, v)));
                let out = collected(&lf, engine).unwrap();
                assert_eq!(out.get_column_names(), [name, "v", "t"]);
                // One call after the other.
                let lf = df
                    .clone()
                    .lazy()
                    .par_apply()
                    .select(["v"])
                    .names(["a", "b"]);
                let lf = lf.rows(|v: i64| anyhow::Ok((v, v)));
                let lf = lf.par_apply().select([name]).names(["c", "d"]);
                let out = collected(&lf.rows(|v: i64| anyhow::Ok((v, v))), engine).unwrap();
                assert_eq!(out.get_column_names(), [name, "v", "a", "b", "c", "d"]);
                // It is an argument beside others of one name.
                let sums = rows([col(name), col("v"), col("v")]);
                let sums = sums.apply(|a: i64, b: i64, c: i64| a + b + c);
                let out = collected(&df.clone().lazy().select([sums]), engine).unwrap();
                assert_eq!(
                    out.column("par_apply").unwrap().i64().unwrap().to_vec(),
                    [Some(9), Some(12), Some(15)]
                );
            }
            let batches = df.clone().lazy().par_apply().names(["s", "p"]);
            let out = stacked(batches.select([name, "v"]).row_batches(both)).unwrap();
            assert_eq!(out, expected(["s", "p"]), "{name:?}");
        }
    });
}

#[test]
fn arguments_of_one_name_are_told_apart_by_position() {
    watched(|| {
        let df = df!["x (argument 2)" => [100i64, 200], "x" => [1i64, 2]].unwrap();
        for engine in ENGINES {
            let arguments = || rows([col("x (argument 2)"), col("x"), col("x")]);
            let sum = arguments().apply(|a: i64, b: i64, c: i64| a + b + c);
            let out = collected(&df.clone().lazy().select([sum]), engine).unwrap();
            assert_eq!(out, df!["par_apply" => [102i64, 204]].unwrap());
            let names = rows([col("x"), col("x") * lit(10), col("x (argument 2)")]);
            let names = names.apply(|row: Row<'_>| {
                let names: Vec<&str> = row.names().collect();
                let values: Vec<String> = row.iter().map(|(_, value)| value.to_string()).collect();
                let first = row.get::<i64>("x")?;
                anyhow::Ok(format!("{} {} {first}", names.join(","), values.join(",")))
            });
            let out = collected(&df.clone().lazy().select([names]), engine).unwrap();
            let expected = [
                "x,x,x (argument 2) 1,10,100 1",
                "x,x,x (argument 2) 2,20,200 2",
            ];
            assert_eq!(out, df!["par_apply" => expected].unwrap());
        }
    });
}

/// The failures have every column that the closure was given.
#[test]
fn failures_keep_every_argument() {
    watched(|| {
        let df = df!["x" => [1i64, 2], "row" => [7i64, 8]].unwrap();
        for engine in ENGINES {
            let failures = Failures::new();
            let arguments = rows([col("x"), col("x") * lit(10), col("row")]);
            let arguments = arguments.row_numbers(col("x") - lit(1)).failures(&failures);
            let call = arguments.apply(|a: i64, _: i64, _: i64| refuse_unless(a != 2, "no good"));
            collected(&df.clone().lazy().select([call]), engine).unwrap();
            let failures = failures.take().drop("attempts").unwrap();
            let expected = df![
                "row" => [1 as IdxSize],
                "error" => ["no good"],
                "panic" => [false],
                "x" => [2i64],
                "x_input" => [20i64],
                "row_input" => [8i64],
            ];
            assert_eq!(failures, expected.unwrap());
        }
    });
}

/// A closure that takes no column is still called for each row.
#[test]
fn no_columns_are_as_many_rows() {
    watched(|| {
        let df = df!["x" => (0..250_000).collect::<Vec<i64>>()].unwrap();
        let none: [&str; 0] = [];
        let empty = |row: Row<'_>| row.is_empty();
        let eager = df.par_apply().select(none).rows(empty).unwrap();
        assert_eq!(eager.bool().unwrap().sum(), Some(250_000));
        for rows in [0, 1, 250_000] {
            let df = df.head(Some(rows));
            for engine in ENGINES {
                for call in [
                    df.clone().lazy().par_apply(),
                    df.clone().lazy().par_apply().numbered(false),
                ] {
                    let out = collected(&call.select(none).rows(empty), engine).unwrap();
                    let out = out.column("par_apply").unwrap().bool().unwrap();
                    assert_eq!((out.len(), out.sum()), (rows, Some(rows as IdxSize)));
                }
            }
            let batches = df.lazy().par_apply().select(none).row_batches(empty);
            assert_eq!(stacked(batches).unwrap().shape(), (rows, 2));
        }
    });
}
