//! Promise 3: one worker and many, any pool, any cut: the same answer.

use polars_par_apply::prelude::*;

use crate::frames::{assert_same, assert_same_frame, every_dtype, layouts, shown_row};

/// Every way to run a call.
fn ways(df: &DataFrame) -> Vec<(String, Apply<'_, 'static>)> {
    let apply = || df.par_apply();
    let (two, nine) = (Pool::new(2).unwrap(), Pool::new(9).unwrap());
    let mut ways = vec![
        ("default".to_string(), apply()),
        ("2 workers".into(), apply().workers(2)),
        ("16 workers".into(), apply().workers(16)),
        ("a pool of 2".into(), apply().pool(&two)),
        (
            "1 worker of a pool of 2".into(),
            apply().pool(&two).workers(1),
        ),
        (
            "5 workers of a pool of 9".into(),
            apply().pool(&nine).workers(5),
        ),
        (
            "sequential, 7 partitions".into(),
            apply().sequential().partitions(7),
        ),
    ];
    for n in [1, 2, 3, 8, 333, 5000] {
        ways.push((format!("{n} partitions"), apply().workers(4).partitions(n)));
        ways.push((
            format!("chunks of {n} rows"),
            apply().workers(4).chunk_rows(n),
        ));
    }
    ways
}

#[test]
fn rows_of_any_type_in_any_layout() {
    let df = every_dtype(2_001);
    let used = ["i64", "f32", "str", "bool", "list", "struct", "datetime ms"];
    let df = df.select(used).unwrap();
    let f = |i: Option<i64>,
             x: f64,
             s: &str,
             b: Option<bool>,
             l: Vec<Option<i64>>,
             p: Option<Struct<(Option<i64>, &str)>>,
             t: Option<chrono::NaiveDateTime>| {
        let point = p.map(|Struct((x, y))| (x.unwrap_or(-1), y.len() as u64));
        (
            i.map(|i| i as f64 * x),
            format!("{s} and {x}"),
            b != Some(true),
            l,
            point.map(Struct),
            t,
            s.len() as u32,
        )
    };
    let expected = df.par_apply().sequential().rows(f).unwrap();
    assert!(
        expected
            .columns()
            .iter()
            .all(|column| column.null_count() > 0)
    );
    assert!(
        expected
            .columns()
            .iter()
            .all(|column| column.null_count() < column.len())
    );
    for (layout, df) in layouts(&df) {
        for (way, apply) in ways(&df) {
            assert_same_frame(
                &apply.rows(f).unwrap(),
                &expected,
                &format!("{layout}, {way}"),
            );
        }
    }
}

#[test]
fn untyped_rows() {
    let df = every_dtype(700);
    let f = |row: Row<'_>| format!("{} {}", row.index(), shown_row(row));
    let expected = df.par_apply().sequential().rows(f).unwrap();
    for (layout, df) in layouts(&df) {
        for (way, apply) in ways(&df) {
            assert_same(
                &apply.rows(f).unwrap(),
                &expected,
                &format!("{layout}, {way}"),
            );
        }
    }
}

#[test]
fn columns() {
    let df = every_dtype(500).select(["i8", "u8", "f32", "i32"]).unwrap();
    let sum = |v: Values<'_, f64>| v.iter().sum::<f64>();
    let nulls = |c: &Column| Column::new("x".into(), [c.null_count() as u64, c.len() as u64]);
    let sums = df.par_apply().sequential().columns(sum).unwrap();
    let counts = df.par_apply().sequential().columns(nulls).unwrap();
    for (layout, df) in layouts(&df) {
        for (way, apply) in ways(&df) {
            let what = format!("{layout}, {way}");
            assert_same_frame(&apply.clone().columns(sum).unwrap(), &sums, &what);
            assert_same_frame(&apply.columns(nulls).unwrap(), &counts, &what);
        }
    }
}

#[test]
fn chunks_by_row_do_not_depend_on_the_cut() {
    let df = every_dtype(500);
    for (layout, df) in layouts(&df) {
        for (way, apply) in ways(&df) {
            let same = apply.chunks(|part: DataFrame| part).unwrap();
            assert_same_frame(&same, &df, &format!("{layout}, {way}"));
        }
    }
}

#[test]
fn chunks_cut_alike_are_alike() {
    let df = every_dtype(500).select(["i64", "str"]).unwrap();
    let f = |part: Chunk| {
        (
            part.index() as u64,
            part.row_offset() as u64,
            part.height() as u64,
            part.column("str").unwrap().null_count() as u32,
        )
    };
    let cuts: [for<'a> fn(Apply<'a, 'static>) -> Apply<'a, 'static>; 3] = [
        |a| a.partitions(7),
        |a| a.partitions(600),
        |a| a.chunk_rows(13),
    ];
    for cut in cuts {
        let expected = cut(df.par_apply().sequential()).chunks(f).unwrap();
        for workers in [1, 2, 9] {
            let parallel = cut(df.par_apply().workers(workers)).chunks(f).unwrap();
            assert_same_frame(&parallel, &expected, &format!("{workers} workers"));
        }
    }
}
