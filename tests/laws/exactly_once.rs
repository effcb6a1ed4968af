//! Promise 2: the closure is called once for each row, never with invented data, and never to probe.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use polars_par_apply::prelude::*;

use crate::frames::{counting, layouts};

/// Counts the calls for each row of a frame whose column has the row numbers.
struct Calls(Vec<AtomicUsize>);

impl Calls {
    fn of(rows: usize) -> Self {
        Calls((0..rows).map(|_| AtomicUsize::new(0)).collect())
    }

    fn at(&self, row: i64) {
        self.0[row as usize].fetch_add(1, Relaxed);
    }

    #[track_caller]
    fn assert_once(&self, what: &str) {
        let wrong = self.0.iter().position(|calls| calls.load(Relaxed) != 1);
        assert_eq!(
            wrong,
            None,
            "{what}: a row called {:?} times",
            wrong.map(|row| &self.0[row])
        );
    }
}

#[test]
fn each_row_is_called_once() {
    for rows in [1, 2, 3, 63, 4096, 4097, 50_000] {
        for (layout, df) in layouts(&counting(rows)) {
            for workers in [1, 2, 5] {
                let calls = Calls::of(rows);
                df.par_apply()
                    .workers(workers)
                    .rows(|i: i64| calls.at(i))
                    .unwrap();
                calls.assert_once(&format!("{rows} rows, {layout}, {workers} workers"));
            }
        }
    }
}

#[test]
fn each_row_is_called_once_however_it_is_cut() {
    let rows = 9_999;
    let df = counting(rows);
    for n in [1, 2, 7, 5000, 9_999, 20_000] {
        let calls = Calls::of(rows);
        df.par_apply()
            .workers(3)
            .partitions(n)
            .rows(|i: i64| calls.at(i))
            .unwrap();
        calls.assert_once(&format!("{n} partitions"));
        let calls = Calls::of(rows);
        df.par_apply()
            .workers(3)
            .chunk_rows(n)
            .rows(|i: i64| calls.at(i))
            .unwrap();
        calls.assert_once(&format!("chunks of {n} rows"));
    }
}

#[test]
fn values_of_every_result_type_come_from_one_call() {
    let rows = 5_000;
    let df = counting(rows);
    macro_rules! once {
        ($($what:literal: $result:expr),* $(,)?) => {$({
            let calls = Calls::of(rows);
            df.par_apply().workers(3).rows(|i: i64| { calls.at(i); ($result)(i) }).unwrap();
            calls.assert_once($what);
        })*};
    }
    once!(
        "text": |i: i64| i.to_string(),
        "list": |i: i64| vec![i],
        "bool": |i: i64| i > 3,
        "any": |i: i64| AnyValue::Int64(i),
        "series": |i: i64| Series::new("".into(), [i]),
        "tuple": |i: i64| (i, i.to_string(), Some(i)),
        "array": |i: i64| [i, i],
        "struct": |i: i64| Struct((i, i)),
        "result": |i: i64| PolarsResult::Ok(Some(i)),
    );
}

#[test]
fn a_row_with_a_null_is_not_called_for_a_plain_argument() {
    let df = df!["x" => [Some(1), None, Some(3)]].unwrap();
    let (plain, optional) = (AtomicUsize::new(0), AtomicUsize::new(0));
    df.par_apply_rows(|_: i32| plain.fetch_add(1, Relaxed) as u64)
        .unwrap();
    df.par_apply_rows(|_: Option<i32>| optional.fetch_add(1, Relaxed) as u64)
        .unwrap();
    assert_eq!((plain.into_inner(), optional.into_inner()), (2, 3));
}

#[test]
fn each_part_and_each_column_is_called_once() {
    let df = counting(1000);
    for n in [1, 3, 1000, 1200] {
        let rows = Calls::of(1000);
        let calls = AtomicUsize::new(0);
        df.par_apply()
            .workers(3)
            .partitions(n)
            .chunks(|part: &DataFrame| {
                calls.fetch_add(1, Relaxed);
                part.column("i")
                    .unwrap()
                    .i64()
                    .unwrap()
                    .into_no_null_iter()
                    .for_each(|i| rows.at(i));
            })
            .unwrap();
        rows.assert_once("parts");
        assert_eq!(calls.into_inner(), n);
    }
    let wide: Vec<Column> = (0..50i64)
        .map(|i| Column::new(format!("{i}").into(), [i]))
        .collect();
    let wide = DataFrame::new(1, wide).unwrap();
    let columns = Calls::of(50);
    wide.par_apply()
        .workers(3)
        .columns(|v: Values<'_, i64>| v.iter().for_each(|i| columns.at(i)))
        .unwrap();
    columns.assert_once("typed columns");
    let columns = Calls::of(50);
    wide.par_apply()
        .workers(3)
        .columns(|c: &Column| columns.at(c.i64().unwrap().get(0).unwrap()))
        .unwrap();
    columns.assert_once("columns");
}

#[test]
fn no_rows_are_no_calls() {
    let df = counting(0);
    let calls = AtomicUsize::new(0);
    let count = || calls.fetch_add(1, Relaxed) as u64;
    df.par_apply_rows(|_: i64| count()).unwrap();
    df.par_apply_rows(|_: Option<i64>| count()).unwrap();
    df.par_apply_rows(|_: Row<'_>| (count(), vec![count()], AnyValue::Null))
        .unwrap();
    assert_eq!(calls.into_inner(), 0);
}
