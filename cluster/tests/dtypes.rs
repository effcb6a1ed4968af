//! Every dtype is kept.

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use polars::prelude::*;
use polars_par_apply_cluster::ErrorKind;

use crate::functions::registry;
use crate::machines::{assert_same, files, read_folder, shared};

crate::laws! {
    every_dtype_comes_back
    what_parquet_holds_is_written
    wide_integers_of_files_are_those_of_one_machine
}

/// A frame with a column of every dtype that can be sent, each with a null.
fn columns() -> Vec<Column> {
    let numbers = [Some(1i64), None, Some(-3), Some(127), Some(0), Some(5)];
    let of = |dtype: DataType| {
        let name = format!("{dtype:?}").to_lowercase();
        let positive = numbers.map(|number| number.map(i64::abs));
        Column::new(name.into(), positive).cast(&dtype).unwrap()
    };
    let mut columns: Vec<Column> = [
        DataType::Boolean,
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float32,
        DataType::Float64,
        DataType::Date,
        DataType::Datetime(TimeUnit::Milliseconds, None),
        DataType::Datetime(TimeUnit::Microseconds, None),
        DataType::Datetime(TimeUnit::Nanoseconds, Some(TimeZone::UTC)),
        DataType::Duration(TimeUnit::Milliseconds),
        DataType::Duration(TimeUnit::Nanoseconds),
        DataType::Decimal(20, 3),
        DataType::Null,
    ]
    .map(|dtype| match dtype {
        DataType::Null => Column::full_null("null".into(), numbers.len(), &DataType::Null),
        dtype => of(dtype),
    })
    .into();
    let texts = [
        Some("a"),
        None,
        Some("rosé"),
        Some(""),
        Some("a text that is longer than a view"),
        Some("a"),
    ];
    let text = Column::new("string".into(), texts);
    columns.push(
        text.cast(&DataType::Binary)
            .unwrap()
            .with_name("binary".into()),
    );
    columns.push(
        text.cast(&DataType::from_categories(Categories::global()))
            .unwrap()
            .with_name("categorical".into()),
    );
    let categories = FrozenCategories::new(
        texts
            .iter()
            .flatten()
            .copied()
            .collect::<std::collections::BTreeSet<_>>(),
    )
    .unwrap();
    columns.push(
        text.cast(&DataType::from_frozen_categories(categories))
            .unwrap()
            .with_name("enum".into()),
    );
    let day = NaiveDate::from_ymd_opt(2024, 2, 29);
    columns.push(Column::new("day".into(), [day, None, day, day, day, day]));
    let noon = NaiveTime::from_hms_nano_opt(12, 0, 0, 7);
    columns.push(Column::new(
        "time".into(),
        [noon, None, noon, noon, noon, noon],
    ));
    let long = TimeDelta::try_days(-2);
    columns.push(Column::new(
        "long".into(),
        [long, None, long, long, long, long],
    ));
    let list = |values: &[Option<i64>]| Series::new("".into(), values);
    let lists = Series::new(
        "list".into(),
        [
            Some(list(&[Some(1), None])),
            None,
            Some(list(&[])),
            Some(list(&[Some(2)])),
            Some(list(&[None])),
            Some(list(&[Some(3)])),
        ],
    );
    columns.push(lists.into_column());
    let pairs = Series::new("pairs".into(), vec![list(&[Some(1), None]); 6]);
    columns.push(
        pairs
            .cast(&DataType::Array(Box::new(DataType::Int64), 2))
            .unwrap()
            .with_name("array".into())
            .into_column(),
    );
    let fields = [
        of(DataType::Int8).with_name("n".into()),
        text.clone().with_name("t".into()),
    ];
    let fields = fields.map(|column| column.take_materialized_series());
    let structs = StructChunked::from_series("struct".into(), 6, fields.iter()).unwrap();
    columns.push(structs.into_series().into_column());
    columns.push(text);
    columns
}

/// Compares column by column, so that the message names the column and its dtype.
fn every_dtype_comes_back() {
    let (cluster, same) = (shared(), registry().get("same").unwrap());
    let all = DataFrame::new(6, columns()).unwrap();
    let mut wide = of_int128();
    wide.hstack_mut(all.columns()).unwrap();
    for chunk_rows in [6, 2] {
        let found = cluster.of(&wide).chunk_rows(chunk_rows).call(&same);
        assert_same(&found.collect().unwrap().output, &wide);
    }
}

fn of_int128() -> DataFrame {
    let numbers = Column::new(
        "int128".into(),
        [Some(1i64), None, Some(3), Some(4), Some(5), Some(6)],
    );
    DataFrame::new(6, vec![numbers.cast(&DataType::Int128).unwrap()]).unwrap()
}

fn what_parquet_holds_is_written() {
    let (cluster, same) = (shared(), registry().get("same").unwrap());
    let data = files(DataFrame::new(6, columns()).unwrap(), &[2, 0, 4]);
    // What a file of the same frame gives on one machine.
    let expected = read_folder(&data.path("in"));
    let collected = cluster
        .scan_parquet(data.pattern())
        .call(&same)
        .collect()
        .unwrap();
    assert_same(&collected.output, &expected);
    let folder = data.path("out");
    cluster
        .scan_parquet(data.pattern())
        .call(&same)
        .sink_parquet(&folder)
        .unwrap();
    assert_same(&read_folder(&folder), &expected);
}

/// Not every Parquet reader supports Int128.
fn wide_integers_of_files_are_those_of_one_machine() {
    let unknown = registry().get("same").unwrap();
    let data = files(of_int128(), &[6]);
    let found = shared()
        .scan_parquet(data.pattern())
        .call(&unknown)
        .collect();
    match found {
        Ok(found) => assert_same(&found.output, &read_folder(&data.path("in"))),
        Err(error) => assert!(
            matches!(
                error.kind(),
                ErrorKind::Call { .. } | ErrorKind::Refused { .. }
            ),
            "{error}"
        ),
    }
}
