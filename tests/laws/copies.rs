//! Promise 10: nothing is copied that need not be.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Mutex;

use polars_par_apply::prelude::*;

use crate::frames::{assert_same_frame, cut, each_column, every_dtype, inside};

const TEXT: &str = "a text too long to lie in its view";

fn chunked(rows: usize) -> DataFrame {
    let df = df![
        "x" => (0..rows as i64).collect::<Vec<i64>>(),
        "y" => vec![0.5; rows],
        "s" => vec![TEXT; rows],
        "l" => (0..rows).map(|i| Series::new("".into(), [i as i64])).collect::<Vec<Series>>(),
    ]
    .unwrap();
    each_column(&df, |i, c| cut(c, std::iter::repeat(100 + i)))
}

/// Returns the addresses of each column's chunks.
fn addresses(df: &DataFrame) -> Vec<Vec<*const ()>> {
    let chunks = |column: &Column| -> Vec<*const ()> {
        let chunks = column.as_materialized_series().chunks().iter();
        chunks.map(|chunk| (&raw const **chunk).cast()).collect()
    };
    df.columns().iter().map(chunks).collect()
}

#[test]
fn the_input_is_not_rechunked() {
    let df = chunked(5000);
    let before = addresses(&df);
    assert!(before.iter().all(|chunks| chunks.len() > 40));
    df.par_apply()
        .workers(3)
        .rows(|x: i64, y: f64, s: &str, l: Vec<i64>| (x, y, s.len() as u64, l))
        .unwrap();
    df.par_apply().select(["x"]).rows(|x: f64| x).unwrap_err();
    df.par_apply()
        .select(["x"])
        .casts(Casts::Lossy)
        .rows(|x: f64| x)
        .unwrap();
    df.par_apply()
        .workers(3)
        .rows(|row: Row<'_>| row.len() as u64)
        .unwrap();
    df.par_apply()
        .select(["x"])
        .columns(|v: Values<'_, i128>| v.iter().sum::<i128>())
        .unwrap();
    df.par_apply()
        .columns(|c: &Column| c.n_chunks() as u64)
        .unwrap();
    df.par_apply()
        .workers(3)
        .partitions(11)
        .chunks(|part: DataFrame| part)
        .unwrap();
    df.array_split(7).unwrap();
    assert_eq!(addresses(&df), before);
}

#[test]
fn a_result_of_rows_is_one_chunk() {
    let df = chunked(20_000);
    for apply in [
        df.par_apply(),
        df.par_apply().workers(4),
        df.par_apply().workers(4).partitions(37),
    ] {
        let out = apply
            .rows(|x: i64, y: f64, s: &str, l: Vec<i64>| {
                (
                    x,
                    y,
                    x > 3,
                    s.to_string(),
                    (x % 2 > 0).then_some(y),
                    l,
                    Struct((x, y)),
                )
            })
            .unwrap();
        for column in out.columns() {
            assert_eq!(column.n_chunks(), 1, "{}", column.name());
        }
        let numbers = out.columns()[0].i64().unwrap().cont_slice().unwrap();
        assert!(numbers.iter().copied().eq(0..20_000));
    }
}

#[test]
fn text_and_bytes_are_lent_from_the_column() {
    // A short text is stored in the view itself, so even a copy of the views alone would be noticed.
    let texts = (0..3000).map(|i| if i % 2 == 0 { TEXT } else { "short" });
    let df = df!["s" => texts.collect::<Vec<_>>()].unwrap();
    let df = each_column(&df, |_, c| cut(c, std::iter::repeat(101)));
    let lent = Mutex::new(HashSet::new());
    df.par_apply()
        .workers(3)
        .rows(|s: &str| {
            lent.lock().unwrap().insert(s.as_ptr() as usize);
        })
        .unwrap();
    df.par_apply()
        .rows(|row: Row<'_>| {
            lent.lock()
                .unwrap()
                .insert(row.get::<&str>("s").unwrap().as_ptr() as usize);
        })
        .unwrap();
    df.par_apply_columns(|v: Values<'_, &str>| {
        v.iter().for_each(|s| {
            lent.lock().unwrap().insert(s.as_ptr() as usize);
        });
    })
    .unwrap();
    let mut held = HashSet::new();
    for chunk in df.columns()[0].str().unwrap().downcast_iter() {
        held.extend(chunk.values_iter().map(|text| text.as_ptr() as usize));
    }
    assert_eq!(lent.into_inner().unwrap(), held);

    let bytes = df!["b" => [TEXT.as_bytes(), &[1; 40]]].unwrap();
    let held: Vec<usize> = bytes.columns()[0]
        .binary()
        .unwrap()
        .iter()
        .map(|b| b.unwrap().as_ptr() as usize)
        .collect();
    let lent = bytes.par_apply_rows(|b: &[u8]| b.as_ptr() as u64).unwrap();
    assert!(
        lent.u64()
            .unwrap()
            .into_no_null_iter()
            .eq(held.into_iter().map(|address| address as u64))
    );
}

/// A slice of a column's values is the column's own memory, if the values are stored in it as they are.
#[test]
fn values_as_a_slice_are_the_column_s_memory() {
    let whole = Column::new("x".into(), (0..1000).map(f64::from).collect::<Vec<_>>());
    let narrow = whole.cast(&DataType::Float32).unwrap();
    let null = Column::new("x".into(), [Some(1.0), None]);
    // The column, and whether its values are contiguous.
    let cases = [
        (whole.clone(), true),
        (inside(&whole, 7), true),
        (whole.slice(990, 5), true),
        (cut(&whole, [0, 1000, 0]), true),
        (cut(&whole, [1]), false),
        (null.slice(0, 1), true),
        (null.slice(1, 1), false),
        (null, false),
        (narrow, false),
        (whole.clear(), true),
    ];
    for (case, (column, side_by_side)) in cases.into_iter().enumerate() {
        let chunks = column.as_materialized_series();
        let held = chunks.f64().ok().and_then(|chunks| {
            let mut chunks = chunks.downcast_iter().filter(|chunk| chunk.len() > 0);
            chunks
                .next()
                .map(|chunk| chunk.values().as_slice().as_ptr() as usize)
        });
        let rows = column.len();
        let df = column.clone().into_frame();
        df.par_apply_columns(|values: Values<'_, f64>| {
            let slice = values.as_slice();
            assert_eq!(slice.is_some(), side_by_side, "case {case}");
            let copied = matches!(values.to_slice(), Cow::Owned(_));
            assert_eq!(copied, !side_by_side, "case {case}");
            let Some(slice) = slice else { return };
            assert_eq!(slice.len(), rows, "case {case}");
            assert!(
                rows == 0 || Some(slice.as_ptr() as usize) == held,
                "case {case}"
            );
            assert_eq!(values.to_slice().as_ptr(), slice.as_ptr(), "case {case}");
        })
        .unwrap();
    }
    let texts = df!["s" => ["a", "b"], "t" => ["c", "d"]].unwrap();
    texts
        .par_apply_columns(|values: Values<'_, &str>| assert_eq!(values.as_slice(), None))
        .unwrap();
}

#[test]
fn a_list_as_series_shares_the_column_s_memory() {
    let items = Series::new("".into(), (0..100i64).collect::<Vec<i64>>());
    let first = items.i64().unwrap().cont_slice().unwrap().as_ptr() as u64;
    let lists = Column::new("l".into(), [items.clone()]);
    let held = lists.list().unwrap().get_as_series(0).unwrap();
    let held = held.i64().unwrap().cont_slice().unwrap().as_ptr() as u64;
    let df = DataFrame::new(1, vec![lists]).unwrap();
    let lent = df
        .par_apply_rows(|l: Series| l.i64().unwrap().cont_slice().unwrap().as_ptr() as u64)
        .unwrap();
    assert_eq!(lent.u64().unwrap().get(0), Some(held));
    assert_ne!(first, 0);
}

#[test]
fn parts_share_the_input_s_memory() {
    let df = df!["x" => (0..1000i64).collect::<Vec<i64>>(), "y" => vec![1.5; 1000]].unwrap();
    let sliced = each_column(&df, |i, c| inside(c, 3 + i));
    for df in [df, sliced] {
        let start = |part: &DataFrame| {
            let x = part
                .column("x")
                .unwrap()
                .i64()
                .unwrap()
                .cont_slice()
                .unwrap()
                .as_ptr() as u64;
            let y = part
                .column("y")
                .unwrap()
                .f64()
                .unwrap()
                .cont_slice()
                .unwrap()
                .as_ptr() as u64;
            [x, y]
        };
        let [x, y] = start(&df);
        let expected = |offset: u64| [x + 8 * offset, y + 8 * offset];
        let parts = df
            .par_apply()
            .workers(3)
            .partitions(9)
            .chunks(|part: Chunk| {
                let [x, y] = start(&part);
                [part.row_offset() as u64, x, y]
            })
            .unwrap();
        for part in 0..9 {
            let at = |column: usize| parts.columns()[column].u64().unwrap().get(part).unwrap();
            assert_eq!([at(1), at(2)], expected(at(0)));
        }
        let mut offset = 0;
        for part in df.array_split(9).unwrap() {
            assert_eq!(start(&part), expected(offset));
            offset += part.height() as u64;
        }
    }
}

#[test]
fn a_column_returned_as_it_is_is_the_same_memory() {
    let df = every_dtype(100).select(["i64", "f64"]).unwrap();
    let same = df.par_apply_columns(|c: &Column| c.clone()).unwrap();
    assert_same_frame(&same, &df, "columns");
    let values = |df: &DataFrame| {
        df.columns()[1]
            .f64()
            .unwrap()
            .downcast_iter()
            .next()
            .unwrap()
            .values()
            .as_ptr()
    };
    assert_eq!(values(&same), values(&df));
    // Parts that the closure returns are stacked as they are, and not copied into one.
    let parts = df
        .par_apply()
        .partitions(4)
        .chunks(|part: DataFrame| part)
        .unwrap();
    assert_eq!(parts.columns()[0].n_chunks(), 4);
    let first = |df: &DataFrame| {
        df.columns()[0]
            .i64()
            .unwrap()
            .downcast_iter()
            .next()
            .unwrap()
            .values()
            .as_ptr()
    };
    assert_eq!(first(&parts), first(&df));
}
