//! The text of the errors that users meet most.

use polars_par_apply::Error;
use polars_par_apply::prelude::*;

fn trips() -> DataFrame {
    df![
        "distance" => [1400i64, 1416],
        "carrier" => ["UA", "AA"],
        "delay" => [Some(1.5), None],
        "origin" => ["EWR", "LGA"],
    ]
    .unwrap()
}

#[track_caller]
fn says<T>(result: Result<T, Error>, text: &str) {
    let Err(error) = result else {
        panic!("no error")
    };
    assert_eq!(error.to_string(), text);
}

#[test]
fn columns_that_are_not_there() {
    let df = trips();
    let select = |name: &'static str| df.par_apply().select([name]);
    says(
        select("distanse").rows(|x: i64| x),
        r#"column "distanse" not found; did you mean "distance"?"#,
    );
    says(
        select("DELAY").rows(|x: f64| x),
        r#"column "DELAY" not found; did you mean "delay"?"#,
    );
    says(
        select("price").rows(|x: f64| x),
        r#"column "price" not found among the columns ("distance", "carrier", "delay", "origin")"#,
    );
    says(
        DataFrame::default()
            .par_apply()
            .select(["x"])
            .rows(|x: f64| x),
        r#"column "x" not found; there are no columns"#,
    );
    let near = df!["ab" => [1], "abc" => [1], "abd" => [1], "b" => [1]].unwrap();
    says(
        near.par_apply().select(["abe"]).rows(|x: i32| x),
        r#"column "abe" not found; did you mean "ab", "abc" or "abd"?"#,
    );
    let wide = DataFrame::new(
        1,
        (0..20)
            .map(|c| Column::new(format!("column {c}").into(), [c]))
            .collect(),
    )
    .unwrap();
    let error = wide
        .par_apply()
        .select(["x"])
        .rows(|x: i32| x)
        .unwrap_err()
        .to_string();
    assert!(error.ends_with(r#""column 11", and 8 more)"#), "{error}");
}

#[test]
fn arguments_that_do_not_fit() {
    let df = trips();
    says(
        df.par_apply()
            .select(["distance", "delay"])
            .rows(|x: i64| x),
        r#"the closure takes 1 argument and is given 2 columns ("distance", "delay"); choose columns with .select([…]), one for each argument"#,
    );
    says(
        df.par_apply()
            .select(["delay"])
            .rows(|x: f64, y: f64| x + y),
        r#"the closure takes 2 arguments and is given 1 column ("delay"); choose columns with .select([…]), one for each argument"#,
    );
    says(
        df.par_apply().select(["distance"]).rows(|x: f64| x),
        r#"column "distance" is Int64, and argument 0 takes f64, which could lose values; take i64, or cast the column first, or permit it with .casts(Casts::Lossy)"#,
    );
    says(
        df.par_apply()
            .select(["delay", "carrier"])
            .rows(|x: f64, _: Option<f64>| x),
        r#"column "carrier" is String, and argument 1 takes Option<f64>; take &str, or cast the column first"#,
    );
}

#[test]
fn several_faults_are_a_list() {
    says(
        trips()
            .par_apply()
            .select(["distanse", "delay"])
            .names(["x", "x"])
            .workers(0)
            .rows(|_: i64, _: &str| (0, 0)),
        "4 faults:\n  \
         1. column \"distanse\" not found; did you mean \"distance\"?\n  \
         2. column \"delay\" is Float64, and argument 1 takes &str; take f64, or cast the column first\n  \
         3. .workers(…): 0 workers cannot run anything; give 1 or more\n  \
         4. two columns are named \"x\"; give each its own name",
    );
}

#[test]
fn nulls_values_errors_and_panics_in_a_row() {
    let df = trips();
    says(
        df.par_apply()
            .select(["delay"])
            .nulls(Nulls::Error)
            .rows(|x: f64| x),
        r#"column "delay" is null in row 1, and Nulls::Error allows none; take Option<_>, or fill or drop the nulls first"#,
    );
    says(
        df.par_apply_rows(|row: Row<'_>| {
            if row.index() == 1 {
                Err(anyhow::anyhow!("no fare"))
            } else {
                Ok(1)
            }
        }),
        "row 1: the closure returned an error: no fare",
    );
    says(
        df.par_apply_rows(|row: Row<'_>| -> i64 { panic!("no fare for {}", row.index()) }),
        "row 0: the closure panicked: no fare for 0",
    );
    says(
        df.par_apply_rows(|_: Row<'_>| -> i64 { std::panic::panic_any(7) }),
        "row 0: the closure panicked: its payload is not text",
    );
    says(
        df.par_apply()
            .names(["t"])
            .rows(|_: Row<'_>| chrono::TimeDelta::nanoseconds(1)),
        r#"row 0: column "t": the result is more precise than the column's unit, the microsecond; round it, give a finer unit with .returns([dtype]), or permit the loss with .casts(Casts::Lossy)"#,
    );
    let days = Column::new("day".into(), [0, i32::MAX])
        .cast(&DataType::Date)
        .unwrap();
    says(
        DataFrame::new(2, vec![days])
            .unwrap()
            .par_apply_rows(|_: chrono::NaiveDate| 0),
        r#"row 1: column "day": the value stored as 2147483647 is beyond the range of chrono's NaiveDate"#,
    );
}

#[test]
fn parts_and_columns() {
    let df = trips();
    says(
        df.par_apply().partitions(2).chunks(|part: Chunk| {
            if part.index() == 1 {
                Err(anyhow::anyhow!("late"))
            } else {
                Ok(0)
            }
        }),
        "part 1 (from row 1): the closure returned an error: late",
    );
    says(
        df.par_apply_columns(|column: &Column| -> i64 { panic!("no {}", column.name()) }),
        r#"column "distance": the closure panicked: no distance"#,
    );
    says(
        df.par_apply_columns(|column: &Column| {
            column.head(Some(usize::from(column.name() == "delay")))
        }),
        r#"column "delay": the result has 1 rows, but that of column "distance" has 0; return the same number of rows for every column"#,
    );
    says(
        df.par_apply()
            .select(["distance"])
            .partitions(2)
            .chunks(|part: Chunk| {
                part.columns()[0]
                    .cast(if part.index() == 1 {
                        &DataType::String
                    } else {
                        &DataType::Int64
                    })
                    .unwrap()
            }),
        r#"part 1 (from row 1): column "distance": the result is String, but those of the parts before it are Int64; cast it, so that every part has the same dtype"#,
    );
}

#[test]
fn options_and_names() {
    let df = trips();
    let rows = |apply: Apply<'_, 'static>| apply.rows(|_: Row<'_>| 0);
    says(
        rows(df.par_apply().workers(0)),
        ".workers(…): 0 workers cannot run anything; give 1 or more",
    );
    says(
        rows(df.par_apply().partitions(0)),
        ".partitions(…): 0 partitions cannot hold the rows; give 1 or more",
    );
    says(
        rows(df.par_apply().chunk_rows(0)),
        ".chunk_rows(…): chunks of 0 rows cannot hold the rows; give 1 or more",
    );
    says(
        rows(df.par_apply().partitions(1).chunk_rows(1)),
        ".partitions(…): it cannot be combined with .chunk_rows(…); give one of the two",
    );
    says(
        rows(df.par_apply().pool(&Pool::new(2).unwrap()).workers(3)),
        ".workers(…): 3 workers are more than the 2 of the given pool; ask for fewer, or give a larger pool",
    );
    says(
        df.array_split(0),
        ".array_split(…): 0 parts cannot hold the rows; give 1 or more",
    );
    says(
        rows(df.par_apply().names(["a", "b"])),
        ".names([…]) gives 2 names, but the closure returns 1 column; give one name for each column",
    );
}

#[test]
fn untyped_rows() {
    let df = trips();
    let ask = |f: fn(Row<'_>) -> Error| -> polars_par_apply::Result<()> {
        let found = std::sync::Mutex::new(None);
        df.tail(Some(1)).par_apply_rows(|row: Row<'_>| {
            *found.lock().unwrap() = Some(f(row));
        })?;
        Err(found.into_inner().unwrap().unwrap())
    };
    says(
        ask(|row| row.get::<i64>("delya").unwrap_err()),
        r#"column "delya" not found; did you mean "delay"?"#,
    );
    says(
        ask(|row| row.get::<f64>("delay").unwrap_err()),
        r#"row 0: column "delay": the value is null; take Option<f64> in place of f64"#,
    );
    says(
        ask(|row| row.get::<f64>("carrier").unwrap_err()),
        r#"column "carrier" is String, and Row::get asked for f64; take &str, or cast the column first"#,
    );
}
