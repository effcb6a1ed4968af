//! Lazy calls give the eager answer for every dtype: in memory, streaming, as an expression, and from a stream.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use polars_par_apply::prelude::*;

use crate::engines::{ENGINES, collected, stacked};
use crate::frames::{alone, assert_same, every_dtype, layouts, shown_row, watched};

#[derive(FromRow, IntoRow)]
struct Point {
    x: Option<i64>,
    y: Option<String>,
}

/// The closure's results in every way that there is; the dtype is given where the types do not say it.
fn agree<M, F>(df: &DataFrame, columns: &[&str], what: &str, told: bool, f: F)
where
    F: RowFn<M> + Clone + Send + 'static,
    F::Out: IntoRow<Output = Column>,
{
    let select = || columns.iter().copied();
    let eager = df.par_apply().select(select()).names(["out"]);
    let eager = eager.rows(f.clone()).unwrap();
    let call = || {
        let call = df.clone().lazy().par_apply().select(select());
        let call = call.names(["out"]);
        match told {
            true => call.returns([eager.dtype().clone()]),
            false => call,
        }
    };
    for engine in ENGINES {
        let what = format!("{what}, {engine:?}");
        let mut lf = call().rows(f.clone());
        let planned = lf.collect_schema().unwrap();
        assert_eq!(planned.get("out"), Some(eager.dtype()), "{what}");
        let out = collected(&lf, engine).unwrap();
        assert_eq!(out.width(), df.width() + 1);
        assert_same(out.column("out").unwrap(), &eager, &what);

        let mut expr = rows(columns.iter().map(|name| col(*name))).names(["out"]);
        if told {
            expr = expr.returns([eager.dtype().clone()]);
        }
        let lf = df.clone().lazy().select([expr.apply(f.clone())]);
        let out = collected(&lf, engine).unwrap();
        assert_same(out.column("out").unwrap(), &eager, &what);
    }
    let batches = call().row_batches(f.clone()).chunk_rows(7);
    let out = stacked(batches).unwrap();
    assert_same(
        out.column("out").unwrap(),
        &eager,
        &format!("{what}, batches"),
    );
}

/// The values that it takes and returns, for each type of a cell.
macro_rules! cells {
    ($df:ident, $what:ident: $($column:literal $Cell:ty => $of:expr;)*) => {$(
        agree($df, &[$column], &format!("{}, {}", $what, $column), false, |cell: Option<$Cell>| cell.map($of));
        agree($df, &[$column], &format!("{}, {}, no nulls", $what, $column), false, |cell: $Cell| $of(cell));
    )*};
}

fn agree_for_every_dtype(df: &DataFrame, what: &str) {
    cells! { df, what:
        "i8" i8 => i8::wrapping_neg;
        "i16" i16 => i16::wrapping_neg;
        "i32" i32 => i32::wrapping_neg;
        "i64" i64 => i64::wrapping_neg;
        "i128" i128 => i128::wrapping_neg;
        "u8" u8 => u8::swap_bytes;
        "u16" u16 => u16::swap_bytes;
        "u32" u32 => u32::swap_bytes;
        "u64" u64 => u64::swap_bytes;
        "f32" f32 => f32::sqrt;
        "f64" f64 => f64::sqrt;
        "bool" bool => |b: bool| !b;
        "str" &str => |text: &str| text.to_uppercase();
        "binary" &[u8] => |bytes: &[u8]| bytes.to_vec();
        "date" NaiveDate => |date: NaiveDate| date;
        "time" NaiveTime => |time: NaiveTime| time;
        "cat" &str => |text: &str| text.to_owned();
        "narrow cat" &str => |text: &str| text.to_owned();
        "enum" &str => |text: &str| text.to_owned();
        "list" Vec<i64> => |items: Vec<i64>| items;
        "array" Vec<i64> => |items: Vec<i64>| items;
        "list of str" Vec<String> => |items: Vec<String>| items;
        "struct" Struct<Point> => |point: Struct<Point>| point;
        "datetime ms" NaiveDateTime => |time: NaiveDateTime| time;
        "datetime us" NaiveDateTime => |time: NaiveDateTime| time;
        "zoned us" DateTime<Utc> => |time: DateTime<Utc>| time;
        "duration ms" TimeDelta => |time: TimeDelta| time;
        "duration us" TimeDelta => |time: TimeDelta| time;
    };
    agree(
        df,
        &["list"],
        &format!("{what}, series"),
        true,
        |items: Series| items,
    );
    for column in df.columns() {
        let name = column.name().as_str();
        let what = format!("{what}, {name}, any value");
        agree(df, &[name], &what, true, |value: AnyValue<'_>| {
            value.into_static()
        });
    }
    let names: Vec<&str> = df.columns().iter().map(|c| c.name().as_str()).collect();
    agree(df, &names, &format!("{what}, rows"), false, shown_row);
}

#[test]
fn every_dtype_gives_the_eager_answer() {
    watched(|| {
        let df = every_dtype(30);
        for (layout, df) in layouts(&df) {
            agree_for_every_dtype(&df, layout);
        }
        agree_for_every_dtype(&df.clear(), "no rows");
        agree_for_every_dtype(&df.head(Some(1)), "one row");
    });
}

/// The streaming engine's batches are then of a few rows.
#[test]
fn every_dtype_gives_the_eager_answer_in_small_batches() {
    let test = "lazy_dtypes::every_dtype_in_a_process_of_its_own";
    alone(test, |command| command.env("POLARS_IDEAL_MORSEL_SIZE", "7"));
}

#[test]
#[ignore = "run by every_dtype_gives_the_eager_answer_in_small_batches, in a process of its own"]
fn every_dtype_in_a_process_of_its_own() {
    watched(|| agree_for_every_dtype(&every_dtype(100), "batches of 7"));
}
