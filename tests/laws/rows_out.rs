//! What a row closure may return, and what the output's columns are called.

use polars_par_apply::prelude::*;

use crate::frames::assert_same_frame;

fn three() -> DataFrame {
    df!["i" => [0i64, 1, 2]].unwrap()
}

#[test]
fn a_cell_an_option_and_results_are_one_column() {
    let df = three();
    let expected = [Some(0), Some(10), Some(20)];
    let ints = |column: Column| {
        assert_eq!(column.name().as_str(), "par_apply");
        column.i64().unwrap().to_vec()
    };
    assert_eq!(ints(df.par_apply_rows(|i: i64| i * 10).unwrap()), expected);
    assert_eq!(
        ints(df.par_apply_rows(|i: i64| Some(i * 10)).unwrap()),
        expected
    );
    assert_eq!(
        ints(
            df.par_apply_rows(|i: i64| PolarsResult::Ok(i * 10))
                .unwrap()
        ),
        expected
    );
    assert_eq!(
        ints(
            df.par_apply_rows(|i: i64| anyhow::Ok(Some(i * 10)))
                .unwrap()
        ),
        expected
    );
    assert_eq!(
        ints(
            df.par_apply_rows(|i: i64| anyhow::Ok((i != 1).then_some(i * 10)))
                .unwrap()
        ),
        [Some(0), None, Some(20)]
    );
    assert_eq!(
        ints(
            df.par_apply_rows(|i: i64| polars_par_apply::Result::<i64>::Ok(i * 10))
                .unwrap()
        ),
        expected
    );
    assert_eq!(
        ints(
            df.par_apply_rows(|i: i64| "7".parse::<i64>().map(|seven| (seven + 3) * i))
                .unwrap()
        ),
        expected
    );
    let named = df
        .par_apply()
        .names(["ten times"])
        .rows(|i: i64| i * 10)
        .unwrap();
    assert_eq!(named.name().as_str(), "ten times");
}

#[test]
fn nothing_is_a_column_of_nulls() {
    let nothing = three().par_apply_rows(|_: i64| ()).unwrap();
    assert_eq!(
        (nothing.len(), nothing.dtype(), nothing.null_count()),
        (3, &DataType::Null, 3)
    );
    let fallible = three().par_apply_rows(|_: i64| anyhow::Ok(())).unwrap();
    assert_eq!(fallible.dtype(), &DataType::Null);
}

#[test]
fn one_to_twelve_results() {
    let df = three();
    macro_rules! arity {
        ($($n:literal: $($x:literal)*;)*) => {$(
            let names: Vec<String> = (0..$n).map(|c| format!("column_{c}")).collect();
            let expected = |names: &[String]| {
                let column = |(c, name): (i64, &String)| Column::new(name.into(), [c, c + 1, c + 2]);
                DataFrame::new(3, (0..).zip(names).map(column).collect()).unwrap()
            };
            let tuple = df.par_apply_rows(|i: i64| ($(i + $x,)*)).unwrap();
            assert_same_frame(&tuple, &expected(&names), "tuple");
            let array = df.par_apply_rows(|i: i64| [$(i + $x),*]).unwrap();
            assert_same_frame(&array, &expected(&names), "array");
            let fallible = df.par_apply_rows(|i: i64| anyhow::Ok(($(i + $x,)*))).unwrap();
            assert_same_frame(&fallible, &expected(&names), "fallible");
            let own: Vec<String> = (0..$n).map(|c| format!("own {c}")).collect();
            let named = df.par_apply().names(own.clone()).rows(|i: i64| ($(i + $x,)*)).unwrap();
            assert_same_frame(&named, &expected(&own), "named");
        )*};
    }
    arity! {
        1: 0;
        2: 0 1;
        3: 0 1 2;
        4: 0 1 2 3;
        5: 0 1 2 3 4;
        6: 0 1 2 3 4 5;
        7: 0 1 2 3 4 5 6;
        8: 0 1 2 3 4 5 6 7;
        9: 0 1 2 3 4 5 6 7 8;
        10: 0 1 2 3 4 5 6 7 8 9;
        11: 0 1 2 3 4 5 6 7 8 9 10;
        12: 0 1 2 3 4 5 6 7 8 9 10 11;
    }
}

#[test]
fn cells_of_a_tuple_are_each_of_their_type() {
    let out = three()
        .par_apply_rows(|i: i64| {
            (
                i as u8,
                i as f32 / 2.0,
                i > 0,
                i.to_string(),
                (i > 1).then_some(i),
                vec![i; i as usize],
                Struct((i, "s")),
            )
        })
        .unwrap();
    let list = DataType::List(Box::new(DataType::Int64));
    assert_eq!(
        out.dtypes()[..6],
        [
            DataType::UInt8,
            DataType::Float32,
            DataType::Boolean,
            DataType::String,
            DataType::Int64,
            list
        ]
    );
    assert_eq!(
        out.column("column_4").unwrap().i64().unwrap().to_vec(),
        [None, None, Some(2)]
    );
    let last = out
        .column("column_5")
        .unwrap()
        .list()
        .unwrap()
        .get_as_series(2)
        .unwrap();
    assert_eq!(last.i64().unwrap().to_vec(), [Some(2), Some(2)]);
}

#[derive(Clone, IntoRow)]
struct Fare {
    total: f64,
    #[par_apply(rename = "paid by")]
    by: Option<String>,
    r#type: &'static str,
    stops: Vec<i64>,
    c4: i64,
    c5: i64,
    c6: i64,
    c7: i64,
    c8: i64,
    c9: i64,
    c10: i64,
    c11: i64,
    c12: i64,
}

fn fare(i: i64) -> Fare {
    let by = (i > 0).then(|| format!("passenger {i}"));
    let [c4, c5, c6, c7, c8, c9, c10, c11, c12] = std::array::from_fn(|c| i + c as i64);
    Fare {
        total: i as f64 / 2.0,
        by,
        r#type: "cash",
        stops: vec![i; i as usize],
        c4,
        c5,
        c6,
        c7,
        c8,
        c9,
        c10,
        c11,
        c12,
    }
}

#[test]
fn a_derived_struct_is_columns_by_its_fields_names() {
    let df = three();
    let names = [
        "total", "paid by", "type", "stops", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11",
        "c12",
    ];
    for out in [
        df.par_apply_rows(fare).unwrap(),
        df.par_apply_rows(|i: i64| anyhow::Ok(fare(i))).unwrap(),
    ] {
        assert_eq!(out.get_column_names(), names);
        assert_eq!(
            out.column("total").unwrap().f64().unwrap().to_vec(),
            [Some(0.0), Some(0.5), Some(1.0)]
        );
        assert!(out.column("paid by").unwrap().str().unwrap().iter().eq([
            None,
            Some("passenger 1"),
            Some("passenger 2")
        ]));
        assert!(
            out.column("type")
                .unwrap()
                .str()
                .unwrap()
                .iter()
                .all(|text| text == Some("cash"))
        );
        assert_eq!(
            out.column("c12").unwrap().i64().unwrap().to_vec(),
            [Some(8), Some(9), Some(10)]
        );
    }
    let named = df
        .par_apply()
        .names((0..13).map(|c| format!("{c}")))
        .rows(fare)
        .unwrap();
    assert_eq!(named.get_column_names()[12], "12");
    let cell = df.par_apply_rows(|i: i64| Struct(fare(i))).unwrap();
    let fields = cell.struct_().unwrap().fields_as_series();
    assert!(fields.iter().map(|field| field.name().as_str()).eq(names));
}

#[test]
fn names_are_checked() {
    let df = three();
    let count = |names: &[&str]| {
        df.par_apply()
            .names(names.to_vec())
            .rows(|i: i64| (i, i))
            .unwrap_err()
    };
    for names in [&[][..], &["a"], &["a", "b", "c"]] {
        let error = count(names);
        let ErrorKind::NameCount {
            names: given,
            columns: 2,
            ..
        } = error.kind()
        else {
            panic!("{error:?}")
        };
        assert_eq!(*given, names.len());
    }
    let error = count(&["a", "a"]);
    assert!(matches!(error.kind(), ErrorKind::DuplicateName { .. }));
    assert_eq!(error.column(), Some("a"));
    assert!(
        df.par_apply()
            .names(["", " "])
            .rows(|i: i64| (i, i))
            .is_ok()
    );
    assert!(
        df.par_apply()
            .names::<_, &str>([])
            .rows(|i: i64| i)
            .is_err()
    );
}

#[test]
fn an_option_given_twice_holds_as_given_last() {
    let df = three();
    let last = df
        .par_apply()
        .names(["a"])
        .names(["b"])
        .workers(0)
        .workers(2)
        .rows(|i: i64| i)
        .unwrap();
    assert_eq!(last.name().as_str(), "b");
}
