//! How rows are cut into parts, what a chunk closure may take, and how results are stacked.

use polars_par_apply::Place;
use polars_par_apply::prelude::*;

use crate::frames::{assert_same, assert_same_frame, counting, every_dtype, layouts};

/// NumPy's `array_split`, as its documentation states it.
fn numpy(rows: usize, parts: usize) -> Vec<usize> {
    (0..parts)
        .map(|part| rows / parts + usize::from(part < rows % parts))
        .collect()
}

#[test]
fn array_split_cuts_as_numpy_does() {
    assert_eq!(numpy(15, 8), [2, 2, 2, 2, 2, 2, 2, 1]);
    for rows in [0, 1, 2, 7, 15, 100] {
        for (layout, df) in layouts(&counting(rows)) {
            for parts in [1, 2, 3, 8, 15, 101] {
                let split = df.array_split(parts).unwrap();
                let heights: Vec<usize> = split.iter().map(DataFrame::height).collect();
                assert_eq!(
                    heights,
                    numpy(rows, parts),
                    "{rows} rows, {parts} parts, {layout}"
                );
                let all = split
                    .iter()
                    .skip(1)
                    .fold(split[0].clone(), |all, part| all.vstack(part).unwrap());
                assert_same_frame(&all, &df, layout);
                // `partitions` cuts alike.
                let cut = df
                    .par_apply()
                    .partitions(parts)
                    .chunks(|part: DataFrame| part.height() as u64)
                    .unwrap();
                assert!(
                    cut.u64()
                        .unwrap()
                        .into_no_null_iter()
                        .eq(heights.iter().map(|height| *height as u64))
                );
            }
        }
    }
    let error = counting(3).array_split(0).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Option {
                option: "array_split",
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn index_row_offset_and_rows_of_a_part() {
    let df = counting(103);
    let places = |apply: Apply<'_, 'static>| -> Vec<[u64; 3]> {
        let out = apply
            .chunks(|part: Chunk| {
                let frame: &DataFrame = part.frame();
                assert_eq!(frame.height(), part.height());
                let i = frame.column("i").unwrap().i64().unwrap();
                assert!(
                    i.into_no_null_iter()
                        .eq(part.row_offset() as i64..(part.row_offset() + part.height()) as i64)
                );
                let (index, row_offset) = (part.index() as u64, part.row_offset() as u64);
                (index, row_offset, part.into_frame().height() as u64)
            })
            .unwrap();
        let column = |c: usize| out.columns()[c].u64().unwrap().to_vec();
        let (a, b, c) = (column(0), column(1), column(2));
        (0..out.height())
            .map(|i| [a[i].unwrap(), b[i].unwrap(), c[i].unwrap()])
            .collect()
    };
    let expected = |heights: &[usize]| -> Vec<[u64; 3]> {
        let mut offset = 0;
        let place = |(index, height): (usize, &usize)| {
            offset += height;
            [index as u64, (offset - height) as u64, *height as u64]
        };
        heights.iter().enumerate().map(place).collect()
    };
    for n in [1, 4, 103, 110] {
        assert_eq!(
            places(df.par_apply().workers(3).partitions(n)),
            expected(&numpy(103, n))
        );
    }
    assert_eq!(
        places(df.par_apply().workers(3).chunk_rows(25)),
        expected(&[25, 25, 25, 25, 3])
    );
    assert_eq!(places(df.par_apply().chunk_rows(103)), expected(&[103]));
    assert_eq!(
        places(df.par_apply().chunk_rows(usize::MAX)),
        expected(&[103])
    );
    // By default, a part for each worker.
    assert_eq!(places(df.par_apply().workers(5)), expected(&numpy(103, 5)));
    assert_eq!(
        places(df.par_apply().pool(&Pool::new(3).unwrap())),
        expected(&numpy(103, 3))
    );
    assert_eq!(places(df.par_apply().sequential()), expected(&[103]));
}

fn height(part: &DataFrame) -> u64 {
    part.height() as u64
}

#[test]
fn closures_of_a_frame_a_borrowed_frame_and_a_chunk() {
    let df = counting(10);
    let apply = || df.par_apply().partitions(3);
    let owned = apply()
        .chunks(|part: DataFrame| part.height() as u64)
        .unwrap();
    let borrowed = apply()
        .chunks(|part: &DataFrame| part.height() as u64)
        .unwrap();
    let chunk = apply().chunks(|part: Chunk| part.height() as u64).unwrap();
    let function = apply().chunks(height).unwrap();
    for column in [owned, borrowed, chunk, function] {
        assert_eq!(column.u64().unwrap().to_vec(), [Some(4), Some(3), Some(3)]);
    }
}

#[derive(IntoRow)]
struct Shape {
    height: u64,
    #[par_apply(rename = "how wide")]
    width: u64,
}

#[test]
fn results_are_stacked_by_their_kind() {
    let df = every_dtype(50);
    for (layout, df) in layouts(&df) {
        let apply = || df.par_apply().workers(3).partitions(7);
        assert_same_frame(
            &apply().chunks(|part: DataFrame| part).unwrap(),
            &df,
            layout,
        );
        assert_same_frame(
            &apply().chunks(|part: DataFrame| anyhow::Ok(part)).unwrap(),
            &df,
            layout,
        );
        for (position, column) in df.columns().iter().enumerate() {
            let columns = apply()
                .chunks(|part: DataFrame| part.columns()[position].clone())
                .unwrap();
            assert_same(&columns, column, layout);
        }
        let fallible = apply()
            .chunks(|part: DataFrame| -> PolarsResult<Column> { Ok(part.column("str")?.clone()) })
            .unwrap();
        assert_same(&fallible, df.column("str").unwrap(), layout);
    }
    let df = counting(50);
    let apply = || df.par_apply().workers(3).partitions(4);
    let series = apply()
        .chunks(|part: DataFrame| part.columns()[0].as_materialized_series().clone())
        .unwrap();
    assert_eq!(series.len(), 50);
    assert!(series.i64().unwrap().into_no_null_iter().eq(0..50));
    let fallible = apply()
        .chunks(|part: DataFrame| anyhow::Ok(part.columns()[0].as_materialized_series().clone()))
        .unwrap();
    assert_eq!(fallible.len(), 50);

    let cell = apply()
        .chunks(|part: &DataFrame| part.height() as u64)
        .unwrap();
    assert_eq!(
        (cell.name().as_str(), cell.u64().unwrap().to_vec()),
        ("par_apply", vec![Some(13), Some(13), Some(12), Some(12)])
    );
    let option = apply()
        .chunks(|part: Chunk| (part.index() != 2).then(|| part.index().to_string()))
        .unwrap();
    assert!(
        option
            .str()
            .unwrap()
            .iter()
            .eq([Some("0"), Some("1"), None, Some("3")])
    );
    let list = apply()
        .chunks(|part: Chunk| vec![part.index() as u64; part.index()])
        .unwrap();
    assert_eq!(
        list.list()
            .unwrap()
            .get_as_series(3)
            .unwrap()
            .u64()
            .unwrap()
            .to_vec(),
        [Some(3); 3]
    );
    let tuple = apply()
        .chunks(|part: &DataFrame| (part.height() as u64, part.width() as u64))
        .unwrap();
    assert_eq!(
        tuple,
        df!["column_0" => [13u64, 13, 12, 12], "column_1" => [1u64; 4]].unwrap()
    );
    let array = apply()
        .chunks(|part: &DataFrame| anyhow::Ok([part.height() as u64, part.width() as u64]))
        .unwrap();
    assert_eq!(array, tuple);
    let shapes = apply()
        .chunks(|part: &DataFrame| Shape {
            height: part.height() as u64,
            width: part.width() as u64,
        })
        .unwrap();
    assert_eq!(
        shapes,
        df!["height" => [13u64, 13, 12, 12], "how wide" => [1u64; 4]].unwrap()
    );
    let nothing = apply().chunks(|_: &DataFrame| ()).unwrap();
    assert_eq!((nothing.len(), nothing.dtype()), (4, &DataType::Null));
}

#[test]
fn parts_may_change_their_height() {
    let df = counting(100);
    let apply = || df.par_apply().workers(3).partitions(9);
    let even = |part: &DataFrame| {
        let mask: BooleanChunked = part.columns()[0]
            .i64()
            .unwrap()
            .iter()
            .map(|i| i.map(|i| i % 2 == 0))
            .collect();
        part.filter(&mask)
    };
    let filtered = apply().chunks(even).unwrap();
    assert!(
        filtered.columns()[0]
            .i64()
            .unwrap()
            .into_no_null_iter()
            .eq((0..100).step_by(2))
    );
    let first = apply()
        .chunks(|part: Chunk| {
            if part.index() == 4 {
                part.into_frame()
            } else {
                part.head(Some(0))
            }
        })
        .unwrap();
    assert_eq!(first.height(), 11);
    assert_eq!(first.schema(), df.schema());
}

#[test]
fn frames_that_do_not_stack_name_part_column_and_dtypes() {
    let df = counting(100);
    let apply = || df.par_apply().workers(3).partitions(10);
    let third = |change: fn(DataFrame) -> DataFrame| {
        apply()
            .chunks(move |part: Chunk| {
                if part.index() == 3 {
                    change(part.into_frame())
                } else {
                    part.into_frame()
                }
            })
            .unwrap_err()
    };
    let dtype = third(|mut part| {
        part.apply("i", |column| column.cast(&DataType::Float64).unwrap())
            .unwrap();
        part
    });
    let name = third(|mut part| {
        part.rename("i", "j".into()).unwrap();
        part
    });
    let width = third(|part| {
        part.hstack(&[Column::new_scalar("more".into(), Scalar::from(1), 10)])
            .unwrap()
    });
    for (error, column) in [(&dtype, Some("i")), (&name, Some("j")), (&width, None)] {
        let ErrorKind::Stack {
            place:
                Place::Part {
                    index: 3,
                    row_offset: 30,
                    ..
                },
            ..
        } = error.kind()
        else {
            panic!("{error:?}")
        };
        assert_eq!(error.column(), column, "{error}");
        assert_eq!(error.row(), None);
    }
    let text = dtype.to_string();
    assert!(
        ["part 3", "\"i\"", "Float64", "Int64"]
            .iter()
            .all(|part| text.contains(part)),
        "{text}"
    );
    let column = apply()
        .chunks(|part: Chunk| {
            let column = part.columns()[0].clone();
            if part.index() == 3 {
                column.cast(&DataType::String).unwrap()
            } else {
                column
            }
        })
        .unwrap_err();
    let series = apply()
        .chunks(|part: Chunk| {
            Series::new("s".into(), vec![1u8; 3 - part.index().min(3)])
                .cast(&if part.index() == 3 {
                    DataType::Int8
                } else {
                    DataType::UInt8
                })
                .unwrap()
        })
        .unwrap_err();
    for error in [column, series] {
        let ErrorKind::Stack {
            place: Place::Part { index: 3, .. },
            column: Some(_),
            ..
        } = error.kind()
        else {
            panic!("{error:?}")
        };
    }
}

#[test]
fn names_of_what_is_stacked() {
    let df = df!["a" => [1, 2, 3], "b" => [4, 5, 6]].unwrap();
    let apply = || df.par_apply().partitions(2);
    let frame = apply()
        .names(["x", "y"])
        .chunks(|part: DataFrame| part)
        .unwrap();
    assert_eq!(frame, df!["x" => [1, 2, 3], "y" => [4, 5, 6]].unwrap());
    let error = apply()
        .names(["x"])
        .chunks(|part: DataFrame| part)
        .unwrap_err();
    let ErrorKind::NameCount {
        names: 1,
        columns: 2,
        ..
    } = error.kind()
    else {
        panic!("{error:?}")
    };
    let column = apply()
        .names(["x"])
        .chunks(|part: DataFrame| part.columns()[1].clone())
        .unwrap();
    assert_eq!(column.name().as_str(), "x");
    let own = apply()
        .chunks(|part: DataFrame| part.columns()[1].clone())
        .unwrap();
    assert_eq!(own.name().as_str(), "b");
    let series = apply()
        .names(["x"])
        .chunks(|part: DataFrame| part.columns()[1].as_materialized_series().clone())
        .unwrap();
    assert_eq!(series.name().as_str(), "x");
    let own = apply()
        .chunks(|part: DataFrame| part.columns()[1].as_materialized_series().clone())
        .unwrap();
    assert_eq!(own.name().as_str(), "b");
    for wrong in [&[][..], &["x", "y"]] {
        let names = || apply().names(wrong.to_vec());
        for error in [
            names()
                .chunks(|part: DataFrame| part.columns()[0].clone())
                .unwrap_err(),
            names()
                .chunks(|part: DataFrame| anyhow::Ok(part.columns()[0].clone()))
                .unwrap_err(),
            names()
                .chunks(|part: DataFrame| part.columns()[0].as_materialized_series().clone())
                .unwrap_err(),
            names()
                .chunks(|part: DataFrame| part.height() as u64)
                .unwrap_err(),
        ] {
            let ErrorKind::NameCount { columns: 1, .. } = error.kind() else {
                panic!("{error:?}")
            };
        }
    }
}

#[test]
fn select_gives_a_part_those_columns_in_that_order() {
    let df = df!["a" => [1, 2, 3], "b" => [4, 5, 6], "c" => [7, 8, 9]].unwrap();
    let out = df
        .par_apply()
        .select(["c", "a"])
        .partitions(2)
        .chunks(|part: DataFrame| part)
        .unwrap();
    assert_eq!(out, df!["c" => [7, 8, 9], "a" => [1, 2, 3]].unwrap());
    let none = df
        .par_apply()
        .select::<_, &str>([])
        .partitions(2)
        .chunks(|part: DataFrame| part)
        .unwrap();
    assert_eq!(none.shape(), (3, 0));
}
