//! Promise 1: output row i comes from input row i.

use polars_par_apply::prelude::*;

use crate::frames::{assert_same, counting, cut, each_column};

/// Some work whose amount differs from row to row, so that workers finish out of order.
fn uneven(i: i64) -> i64 {
    let spins = if i % 1000 < 10 { 2000 } else { i % 7 };
    (0..spins).for_each(|spin| {
        std::hint::black_box(spin);
    });
    i
}

#[test]
fn rows_keep_their_order() {
    let df = counting(100_003);
    let expected = df
        .column("i")
        .unwrap()
        .clone()
        .with_name("par_apply".into());
    for workers in [1, 2, 3, 8] {
        let applied = df.par_apply().workers(workers).rows(uneven).unwrap();
        assert_same(&applied, &expected, &format!("{workers} workers"));
    }
    for cut in [1, 2, 7, 1000, 100_003, 200_000] {
        let parts = df
            .par_apply()
            .workers(4)
            .partitions(cut)
            .rows(uneven)
            .unwrap();
        assert_same(&parts, &expected, &format!("{cut} partitions"));
        let chunks = df
            .par_apply()
            .workers(4)
            .chunk_rows(cut)
            .rows(uneven)
            .unwrap();
        assert_same(&chunks, &expected, &format!("chunks of {cut} rows"));
    }
}

#[test]
fn what_has_no_fixed_width_keeps_its_order() {
    let df = counting(30_011);
    let df = each_column(&df, |_, c| cut(c, std::iter::repeat(611)));
    for workers in [1, 2, 5] {
        let apply = || df.par_apply().workers(workers);
        let text = apply()
            .rows(|i: i64| "x".repeat(uneven(i) as usize % 40) + &i.to_string())
            .unwrap();
        let list = apply()
            .rows(|i: i64| vec![i; uneven(i) as usize % 3])
            .unwrap();
        let any = apply().rows(|i: i64| AnyValue::Int64(uneven(i))).unwrap();
        let series = apply()
            .rows(|i: i64| Series::new("".into(), [uneven(i)]))
            .unwrap();
        let text = text.str().unwrap();
        let list = list.list().unwrap();
        let series = series.list().unwrap();
        for i in (0..30_011).step_by(13) {
            let number = i as i64;
            assert_eq!(text.get(i).unwrap(), "x".repeat(i % 40) + &i.to_string());
            assert_eq!(any.i64().unwrap().get(i), Some(number));
            let items = list.get_as_series(i).unwrap();
            assert!(
                items
                    .i64()
                    .unwrap()
                    .into_no_null_iter()
                    .eq(vec![number; i % 3])
            );
            let items = series.get_as_series(i).unwrap();
            assert!(items.i64().unwrap().into_no_null_iter().eq([number]));
        }
    }
}

#[test]
fn every_output_column_keeps_its_order() {
    let df = counting(20_000);
    let out = df
        .par_apply()
        .workers(4)
        .rows(|i: i64| (uneven(i), i % 2 == 0, (i % 3 > 0).then(|| i.to_string())))
        .unwrap();
    let (number, even, text) = (&out.columns()[0], &out.columns()[1], &out.columns()[2]);
    for row in 0..20_000 {
        let i = row as i64;
        assert_eq!(number.i64().unwrap().get(row), Some(i));
        assert_eq!(even.bool().unwrap().get(row), Some(i % 2 == 0));
        assert_eq!(
            text.str().unwrap().get(row).map(str::to_string),
            (i % 3 > 0).then(|| i.to_string())
        );
    }
}

#[test]
fn parts_and_columns_keep_their_order() {
    let df = counting(10_000);
    let stacked = df
        .par_apply()
        .workers(4)
        .partitions(97)
        .chunks(|part: Chunk| {
            uneven(if part.index().is_multiple_of(5) {
                1
            } else {
                999
            });
            part.into_frame()
        })
        .unwrap();
    assert_same(&stacked.columns()[0], &df.columns()[0], "parts");

    let wide: Vec<Column> = (0..300)
        .map(|i| Column::new(format!("c{i}").into(), [i]))
        .collect();
    let wide = DataFrame::new(1, wide).unwrap();
    let out = wide
        .par_apply()
        .workers(4)
        .columns(|v: Values<'_, i64>| uneven(v.iter().sum()))
        .unwrap();
    for (i, column) in out.columns().iter().enumerate() {
        assert_eq!(column.name().as_str(), format!("c{i}"));
        assert_eq!(column.i64().unwrap().get(0), Some(i as i64));
    }
}
