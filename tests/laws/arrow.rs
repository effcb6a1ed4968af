//! Arrow in and out: data arrive unchanged, and without a copy where the documentation promises none. Data that cannot be converted are
//! refused by an error of this crate before the closure is called.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::builder::{Int64Builder, ListBuilder, MapBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int8Type, Int32Type, Int64Type, UInt64Type};
use arrow_array::*;
use arrow_array::{ArrayRef, LargeStringArray};
use arrow_schema::{
    ArrowError, DataType as A, Field as F, Fields, IntervalUnit, Schema as S, TimeUnit as U,
    UnionFields, UnionMode,
};
use polars::prelude::{CategoricalPhysical, Categories};
use polars_par_apply::prelude::*;
use polars_par_apply::{
    ArrowArray, CallOptions, Error, arrow2, column_from_ffi, column_to_ffi, frame_of,
};

use crate::engines::{ENGINES, collected};
use crate::frames::{assert_same, assert_same_frame, every_dtype, faults, layouts};

/// A frame with every dtype that Arrow has.
fn every(rows: usize) -> DataFrame {
    let mut df = every_dtype(rows);
    df.drop_in_place("i128").unwrap();
    let nested = {
        let mut columns = df.columns().to_vec();
        columns.retain(|column| !["struct", "null"].contains(&column.name().as_str()));
        let inner = DataFrame::new(rows, columns).unwrap();
        inner.into_struct("all within".into()).into_column()
    };
    let listed = |name: &str| {
        let parts = (0..rows).map(|row| {
            let items = df[name].as_materialized_series().slice(row as i64, row % 3);
            items.with_name("".into())
        });
        let name = format!("list of {name}");
        let list = Series::new(name.as_str().into(), parts.collect::<Vec<Series>>());
        match rows {
            0 => Series::new_empty(
                list.name().clone(),
                &DataType::List(Box::new(df[&*name.replace("list of ", "")].dtype().clone())),
            ),
            _ => list,
        }
        .into_column()
    };
    let lists = [
        "cat", "enum", "decimal", "null", "struct", "zoned us", "list",
    ]
    .map(listed);
    let mut columns = df.columns().to_vec();
    columns.extend(lists);
    columns.push(nested);
    DataFrame::new(rows, columns).unwrap()
}

/// The frame in every layout that the documentation names.
fn shapes() -> Vec<(String, DataFrame)> {
    let df = every(61);
    let mut shapes: Vec<(String, DataFrame)> = layouts(&df)
        .into_iter()
        .map(|(name, df)| (name.to_owned(), df))
        .collect();
    shapes.push(("a slice".into(), df.slice(7, 40)));
    shapes.push(("no rows".into(), every(0)));
    shapes.push(("a slice of no rows".into(), df.slice(20, 0)));
    let mut two = df.slice(3, 20);
    two.vstack_mut(&df.slice(11, 30)).unwrap();
    shapes.push(("two sliced chunks".into(), two));
    let nulls = df.columns().iter();
    let nulls = nulls.map(|column| Column::full_null(column.name().clone(), 9, column.dtype()));
    shapes.push((
        "all null".into(),
        DataFrame::new(9, nulls.collect()).unwrap(),
    ));
    let first = df.columns().iter();
    let first = first.map(|column| column.new_from_index(4, 12));
    shapes.push((
        "scalars".into(),
        DataFrame::new(12, first.collect()).unwrap(),
    ));
    shapes
}

#[test]
fn every_dtype_in_every_shape_goes_there_and_back() {
    for (what, df) in shapes() {
        let batches = df.to_batches().unwrap();
        assert_same_frame(
            &batches.to_frame().unwrap(),
            &df,
            &format!("{what}, newest"),
        );
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(rows, df.height());
        let oldest = df.to_batches_with(CompatLevel::oldest()).unwrap();
        assert_same_frame(&oldest.to_frame().unwrap(), &df, &format!("{what}, oldest"));
        let chunks = df.to_arrow2().unwrap();
        assert_same_frame(&chunks.to_frame().unwrap(), &df, &format!("{what}, arrow2"));
        let reader = RecordBatchIterator::new(batches.iter().cloned().map(Ok), batches[0].schema());
        assert_same_frame(
            &frame_of(reader).unwrap(),
            &df,
            &format!("{what}, a reader"),
        );

        for column in df.columns() {
            for level in [CompatLevel::newest(), CompatLevel::oldest()] {
                let (arrays, schema) = column_to_ffi(column, level).unwrap();
                // SAFETY: `column_to_ffi` has made them.
                let back = unsafe { column_from_ffi(arrays, &schema) }.unwrap();
                assert_same(&back, column, &format!("{what}, the C structs"));
            }
        }
    }
}

#[test]
fn every_dtype_in_every_shape_goes_through_closures() {
    for (what, df) in shapes() {
        let call = || df.par_apply().chunk_rows(17);
        let out = call().chunks(|part: RecordBatch| part).unwrap();
        assert_same_frame(&out, &df, &format!("{what}, RecordBatch"));
        let out = call().chunks(|part: RecordBatch| anyhow::Ok(part)).unwrap();
        assert_same_frame(&out, &df, &format!("{what}, a Result"));
        let out = call().chunks(|part: Arrow2Chunk| part).unwrap();
        assert_same_frame(&out, &df, &format!("{what}, Arrow2Chunk"));
        let job = call().spawn_chunks(|part: RecordBatch| part);
        assert_same_frame(&job.get().unwrap(), &df, &format!("{what}, a job"));
        let schema = df.schema().clone();
        for engine in ENGINES {
            let lf = df.clone().lazy();
            let lf = lf.par_apply_chunks(schema.clone(), |part: RecordBatch| part);
            let out = collected(&lf, engine).unwrap();
            assert_same_frame(&out, &df, &format!("{what}, {engine:?}"));
        }
    }
}

#[test]
fn a_part_is_one_batch() {
    let df = df!["x" => (0..40i64).collect::<Vec<_>>(), "t" => vec!["a text that is longer than a view holds"; 40]].unwrap();
    let many = layouts(&df).swap_remove(1).1;
    let rows = many
        .par_apply()
        .chunk_rows(15)
        .chunks(|part: RecordBatch| {
            (
                part.num_rows() as u32,
                part["x"].as_primitive::<Int64Type>().value(0),
            )
        })
        .unwrap();
    let expected = df!["column_0" => [15u32, 15, 10], "column_1" => [0i64, 15, 30]].unwrap();
    assert_eq!(rows, expected);
    for engine in ENGINES {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let lf =
            many.clone()
                .lazy()
                .par_apply_chunks(df.schema().clone(), move |part: RecordBatch| {
                    counted.fetch_add(1, Ordering::Relaxed);
                    part
                });
        assert_eq!(collected(&lf, engine).unwrap(), df);
        assert_eq!(calls.load(Ordering::Relaxed), 1, "{engine:?}");
    }
}

#[test]
fn batches_stream_out_of_a_query() {
    let df = every(50);
    let query = || df.clone().lazy().par_apply();
    let batches: Vec<RecordBatch> = query()
        .batches(|part: RecordBatch| part)
        .chunk_rows(8)
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(batches.len() > 1);
    assert_same_frame(&batches.to_frame().unwrap(), &df, "batches");
    let chunks: Vec<Arrow2Chunk> = query()
        .batches(|part: Arrow2Chunk| part)
        .chunk_rows(8)
        .collect::<Result<_, _>>()
        .unwrap();
    assert_same_frame(&chunks.to_frame().unwrap(), &df, "chunks");
    let lf = df!["x" => [1i128, 2]].unwrap().lazy();
    let mut refused = lf.par_apply().batches(|_: RecordBatch| ());
    let error = refused.next().unwrap().unwrap_err();
    assert_eq!((error.kind().name(), error.column()), ("arrow", Some("x")));
}

#[test]
fn all_options_of_chunks_hold_for_batches() {
    let df = df!["x" => (0..30i64).collect::<Vec<_>>()].unwrap();
    let seen = df
        .par_apply()
        .chunk_rows(7)
        .overlap(2, 1)
        .workers(3)
        .state(|| 0u32)
        .seed(5)
        .chunks(|calls: &mut u32, _: &mut RowRng, part: RecordBatch| {
            *calls += 1;
            part
        })
        .unwrap();
    assert_eq!(seen, df);
    // If a batch cannot become a frame, its part fails, as the policy says.
    let outcome = df
        .par_apply()
        .chunk_rows(10)
        .on_error(OnError::Skip)
        .chunks(
            |part: RecordBatch| match part["x"].as_primitive::<Int64Type>().value(0) {
                10 => interval(part.num_rows()),
                _ => part,
            },
        )
        .unwrap();
    assert_eq!(outcome.output.height(), 20);
    assert_eq!(outcome.stats.failures, 1);
    let said = outcome.failures["error"]
        .str()
        .unwrap()
        .get(0)
        .unwrap()
        .to_owned();
    assert!(said.contains("column \"i\": Interval"), "{said}");
    let error = df
        .par_apply()
        .partitions(1)
        .chunks(|part: RecordBatch| interval(part.num_rows()))
        .unwrap_err();
    assert!(
        error.to_string().starts_with("part 0 (from row 0): "),
        "{error}"
    );
}

fn interval(rows: usize) -> RecordBatch {
    RecordBatch::try_from_iter([(
        "i",
        Arc::new(IntervalYearMonthArray::from(vec![1; rows])) as ArrayRef,
    )])
    .unwrap()
}

#[test]
fn what_cannot_leave_is_refused_before_the_closure_all_at_once() {
    let inner = df!["a\0b" => [1i64], "ok" => [1i64]]
        .unwrap()
        .into_struct("s".into());
    let df = DataFrame::new(
        1,
        vec![
            Column::new("good".into(), [1i64]),
            Column::new("wide".into(), [1i128]),
            Column::new("of wide".into(), [Series::new("".into(), [1i128])]),
            inner.into_column(),
            Column::new("zero\0byte".into(), [1i64]),
        ],
    )
    .unwrap();
    let check = |error: &Error| {
        let columns: Vec<_> = faults(error)
            .iter()
            .map(|fault| fault.column().unwrap())
            .collect();
        assert_eq!(columns, ["wide", "of wide", "s", "zero\0byte"]);
        assert!(
            faults(error)
                .iter()
                .all(|fault| fault.kind().name() == "arrow")
        );
        let said = faults(error)[1].to_string();
        assert_eq!(
            said,
            "column \"of wide\": its items: Int128 has no counterpart in Arrow; cast it to Int64, Decimal or String"
        );
    };
    check(&df.to_batches().unwrap_err());
    check(&df.to_arrow2().unwrap_err());
    let never = |_: RecordBatch| -> DataFrame { panic!("it is called") };
    check(&df.par_apply().chunks(never).unwrap_err());
    check(&df.par_apply().spawn_chunks(never).get().unwrap_err());
    check(
        &df.par_apply()
            .chunks(|_: Arrow2Chunk| -> DataFrame { panic!("it is called") })
            .unwrap_err(),
    );
    let mut lf = df.clone().lazy().par_apply_chunks(Schema::default(), never);
    let planned = lf.collect_schema().unwrap_err().to_string();
    assert!(
        planned.contains("4 faults") && planned.contains("of wide"),
        "{planned}"
    );
    // Columns that are not selected are not checked.
    assert!(
        df.par_apply()
            .select(["good"])
            .chunks(|part: RecordBatch| part)
            .is_ok()
    );
    let error = column_to_ffi(&df["wide"], CompatLevel::newest()).unwrap_err();
    assert_eq!(
        (error.kind().name(), error.column()),
        ("arrow", Some("wide"))
    );
}

fn batch(fields: Vec<F>, arrays: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(Arc::new(S::new(fields)), arrays).unwrap()
}

fn one(array: impl Array + 'static) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([("c", Arc::new(array) as ArrayRef, true)]).unwrap()
}

/// Returns a column of the type, with two nulls.
fn nulls(dtype: &A) -> RecordBatch {
    batch(
        vec![F::new("c", dtype.clone(), true)],
        vec![new_null_array(dtype, 2)],
    )
}

fn item(dtype: A) -> Arc<F> {
    Arc::new(F::new("item", dtype, true))
}

#[test]
fn types_of_arrow_s_own_come_as_the_nearest_of_polars() {
    let ms = |values: &[Option<i64>]| Series::new("c".into(), values);
    let datetime =
        |unit, zone: Option<&str>| DataType::Datetime(unit, TimeZone::opt_try_new(zone).unwrap());
    let cases: Vec<(RecordBatch, Series)> = vec![
        (
            one(TimestampSecondArray::from(vec![Some(5), None, Some(-1)])),
            ms(&[Some(5_000), None, Some(-1_000)])
                .cast(&datetime(TimeUnit::Milliseconds, None))
                .unwrap(),
        ),
        (
            one(TimestampSecondArray::from(vec![5]).with_timezone("+01:00")),
            ms(&[Some(5_000)])
                .cast(&datetime(TimeUnit::Milliseconds, Some("+01:00")))
                .unwrap(),
        ),
        (
            one(Date64Array::from(vec![86_400_000])),
            ms(&[Some(86_400_000)])
                .cast(&datetime(TimeUnit::Milliseconds, None))
                .unwrap(),
        ),
        (
            one(DurationSecondArray::from(vec![-7])),
            ms(&[Some(-7_000)])
                .cast(&DataType::Duration(TimeUnit::Milliseconds))
                .unwrap(),
        ),
        (
            one(Time32SecondArray::from(vec![61])),
            ms(&[Some(61_000_000_000)]).cast(&DataType::Time).unwrap(),
        ),
        (
            one(Time32MillisecondArray::from(vec![61])),
            ms(&[Some(61_000_000)]).cast(&DataType::Time).unwrap(),
        ),
        (
            one(Time64MicrosecondArray::from(vec![61])),
            ms(&[Some(61_000)]).cast(&DataType::Time).unwrap(),
        ),
        (
            one(StringArray::from(vec![Some("a"), None])),
            Series::new("c".into(), [Some("a"), None]),
        ),
        (
            one(LargeStringArray::from(vec![Some("a"), None])),
            Series::new("c".into(), [Some("a"), None]),
        ),
        (
            one(FixedSizeBinaryArray::try_from_iter([b"ab", b"cd"].into_iter()).unwrap()),
            Series::new("c".into(), [&b"ab"[..], b"cd"]),
        ),
        (
            one(Decimal32Array::from(vec![Some(123), None])
                .with_precision_and_scale(5, 2)
                .unwrap()),
            decimal(&[Some("1.23"), None], 5, 2),
        ),
        (
            one(Decimal64Array::from(vec![-123])
                .with_precision_and_scale(12, 1)
                .unwrap()),
            decimal(&[Some("-12.3")], 12, 1),
        ),
        (
            one(Decimal128Array::from(vec![-123])
                .with_precision_and_scale(38, 1)
                .unwrap()),
            decimal(&[Some("-12.3")], 38, 1),
        ),
        (
            one(DictionaryArray::<Int8Type>::from_iter([
                Some("x"),
                None,
                Some("y"),
                Some("x"),
            ])),
            Series::new("c".into(), [Some("x"), None, Some("y"), Some("x")])
                .cast(&DataType::from_categories(Categories::global()))
                .unwrap(),
        ),
        (
            one(DictionaryArray::<UInt64Type>::new(
                vec![1u64, 0, 1].into(),
                Arc::new(Int64Array::from(vec![10, 20])),
            )),
            ms(&[Some(20), Some(10), Some(20)]),
        ),
        (one(map()), pairs()),
    ];
    for (batch, expected) in cases {
        let expected = expected.into_column();
        let what = format!("{:?}", batch.schema().field(0).data_type());
        assert_same(&batch.to_frame().unwrap()["c"], &expected, &what);
        let sliced = batch.slice(1, batch.num_rows() - 1).to_frame().unwrap();
        assert_same(
            &sliced["c"],
            &expected.slice(1, expected.len()),
            &format!("{what}, sliced"),
        );
        let none = batch.slice(0, 0).to_frame().unwrap();
        assert_same(
            &none["c"],
            &expected.slice(0, 0),
            &format!("{what}, no rows"),
        );
    }
}

fn decimal(values: &[Option<&str>], precision: usize, scale: usize) -> Series {
    Series::new("c".into(), values)
        .cast(&DataType::Decimal(precision, scale))
        .unwrap()
}

fn map() -> MapArray {
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    map.keys().append_value("a");
    map.values().append_value(1);
    map.keys().append_value("b");
    map.values().append_null();
    map.append(true).unwrap();
    map.append(false).unwrap();
    map.append(true).unwrap();
    map.finish()
}

/// Returns what Polars has for a map of these.
fn pairs() -> Series {
    let pairs = df!["key" => ["a", "b"], "value" => [Some(1i64), None]].unwrap();
    let pairs = pairs.into_struct("".into()).into_series();
    Series::new(
        "c".into(),
        [Some(pairs.clone()), None, Some(pairs.slice(0, 0))],
    )
}

#[test]
fn types_that_polars_does_not_have_are_refused_by_the_schema() {
    let union = UnionFields::try_new([0], [F::new("a", A::Int64, true)]).unwrap();
    let types = [
        A::Float16,
        A::Interval(IntervalUnit::YearMonth),
        A::Interval(IntervalUnit::DayTime),
        A::Interval(IntervalUnit::MonthDayNano),
        A::Decimal256(40, 2),
        A::Decimal256(10, 2),
        A::Decimal128(10, -2),
        A::FixedSizeBinary(0),
        A::FixedSizeList(item(A::Int64), 0),
        A::ListView(item(A::Int64)),
        A::LargeListView(item(A::Int64)),
        A::Union(union, UnionMode::Sparse),
        A::RunEndEncoded(
            Arc::new(F::new("run_ends", A::Int32, false)),
            item(A::Int64),
        ),
        A::Timestamp(U::Second, Some("Mars/Olympus".into())),
        A::Dictionary(Box::new(A::Int32), Box::new(A::List(item(A::Int64)))),
        A::Struct(Fields::from(vec![
            F::new("a", A::Int64, true),
            F::new("a", A::Int64, true),
        ])),
    ];
    let within = |dtype: &A| {
        vec![
            A::List(item(dtype.clone())),
            A::FixedSizeList(item(dtype.clone()), 2),
            A::Struct(Fields::from(vec![F::new("f", dtype.clone(), true)])),
        ]
    };
    let mut refused: Vec<A> = types.to_vec();
    refused.extend(types.iter().flat_map(within));
    for small in [A::Decimal32(5, 2), A::Decimal64(12, 2)] {
        refused.extend(within(&small));
    }
    for dtype in refused {
        let schema = Arc::new(S::new(vec![
            F::new("good", A::Int64, true),
            F::new("c", dtype.clone(), true),
        ]));
        let read = AtomicUsize::new(0);
        let batches = std::iter::from_fn(|| {
            read.fetch_add(1, Ordering::Relaxed);
            None::<Result<RecordBatch, ArrowError>>
        });
        let error = frame_of(RecordBatchIterator::new(batches, schema)).unwrap_err();
        assert_eq!(
            (error.kind().name(), error.column()),
            ("arrow", Some("c")),
            "{dtype}: {error}"
        );
        assert_eq!(
            read.load(Ordering::Relaxed),
            0,
            "nothing is read of {dtype}"
        );
        let error = nulls(&dtype).to_frame().unwrap_err();
        assert_eq!(
            (error.kind().name(), error.column()),
            ("arrow", Some("c")),
            "{dtype}: {error}"
        );
        let error = nulls(&dtype)
            .par_apply()
            .rows(|_: Row<'_>| -> i64 { panic!("it is called") })
            .unwrap_err();
        assert_eq!(error.column(), Some("c"), "{dtype}: {error}");
    }
    let several = batch(
        vec![
            F::new("a", A::Float16, true),
            F::new("b\0", A::Int64, true),
            F::new("a", A::Int64, true),
        ],
        vec![
            new_null_array(&A::Float16, 1),
            new_null_array(&A::Int64, 1),
            new_null_array(&A::Int64, 1),
        ],
    );
    let error = several.to_frame().unwrap_err();
    let kinds: Vec<_> = faults(&error)
        .iter()
        .map(|fault| fault.kind().name())
        .collect();
    assert_eq!(kinds, ["arrow", "arrow", "duplicate_name"]);
}

#[test]
fn an_error_reads_as_one_that_says_what_to_do() {
    let said = |batch: RecordBatch| batch.to_frame().unwrap_err().to_string();
    assert_eq!(
        said(nulls(&A::Interval(IntervalUnit::DayTime))),
        "column \"c\": Interval has no counterpart in Polars; cast it to Duration, or give months, days and nanoseconds as columns"
    );
    assert_eq!(
        said(nulls(&A::List(item(A::Decimal32(5, 2))))),
        "column \"c\": its items: Decimal32(5, 2) within another type is not supported; cast it to Decimal128"
    );
    let two = |first: &A, second: &A| [nulls(first), nulls(second)].to_frame().unwrap_err();
    let error = two(&A::Int64, &A::Utf8);
    assert_eq!(
        error.to_string(),
        "batch 1: column \"c\": it is String, but in its place the batches before it have \"c\" of Int64; give batches with the same columns"
    );
    let error = <[RecordBatch; 0]>::default().to_frame().unwrap_err();
    assert!(
        error.to_string().contains("there are no batches"),
        "{error}"
    );
    assert!(<[Arrow2Chunk; 0]>::default().to_frame().is_err());
    let failing = vec![
        Ok(nulls(&A::Int64)),
        Err(ArrowError::ParseError("line 7".into())),
    ];
    let reader = RecordBatchIterator::new(failing, nulls(&A::Int64).schema());
    let error = frame_of(reader).unwrap_err();
    assert_eq!(
        error.to_string(),
        "batch 1: the reader failed: Parser error: line 7"
    );
}

#[test]
fn what_says_that_it_has_no_nulls_has_none() {
    let ints = || Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])) as ArrayRef;
    // arrow-rs checks its arrays, but nobody has checked those that come as C structs.
    let claimed = |dtype: &A, array: ArrayRef| {
        let schema = Arc::new(S::new(vec![F::new("c", dtype.clone(), false)]));
        // SAFETY: no code of arrow-rs relies on the absence of nulls.
        unsafe { RecordBatch::new_unchecked(schema, vec![array.clone()], array.len()) }
    };
    let error = claimed(&A::Int64, ints()).to_frame().unwrap_err();
    assert_eq!(
        error.to_string(),
        "column \"c\": the schema says that it has no nulls, and there is one in row 1; make the field nullable"
    );
    // Of a slice, only the rows in it are checked.
    assert!(claimed(&A::Int64, ints().slice(2, 1)).to_frame().is_ok());
    assert!(claimed(&A::Int64, ints().slice(1, 1)).to_frame().is_err());
    assert!(
        claimed(&A::Null, Arc::new(NullArray::new(2)))
            .to_frame()
            .is_err()
    );
    let dictionary = DictionaryArray::<Int32Type>::new(
        vec![0, 1].into(),
        Arc::new(StringArray::from(vec![Some("a"), None])),
    );
    let dtype = dictionary.data_type().clone();
    assert!(
        claimed(&dtype, Arc::new(dictionary.clone()))
            .to_frame()
            .is_err()
    );
    let unused = DictionaryArray::<Int32Type>::new(vec![0, 0].into(), dictionary.values().clone());
    assert!(claimed(&dtype, Arc::new(unused)).to_frame().is_ok());

    // Within other types, a null counts only if its list or struct is not null.
    let strict = Arc::new(F::new("item", A::Int64, false));
    let list = |valid: [bool; 2]| {
        let data = arrow_data_of(&A::List(strict.clone()), 2, &valid, &[0i32, 1, 3], ints());
        nulls_of(A::List(strict.clone()), data)
    };
    assert!(
        list([true, true])
            .to_frame()
            .unwrap_err()
            .to_string()
            .contains("its items: the schema says")
    );
    let under_a_null = list([true, false]).to_frame().unwrap();
    assert_eq!(under_a_null["c"].null_count(), 1);
    let fields = Fields::from(vec![F::new("f", A::Int64, false)]);
    let of_struct = |valid: [bool; 3]| {
        // SAFETY: lengths and types are right.
        let array = unsafe {
            StructArray::new_unchecked(fields.clone(), vec![ints()], Some(valid.to_vec().into()))
        };
        nulls_of(A::Struct(fields.clone()), Arc::new(array))
    };
    let error = of_struct([true, true, false]).to_frame().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("its field \"f\": the schema says"),
        "{error}"
    );
    assert!(of_struct([true, false, true]).to_frame().is_ok());
}

fn nulls_of(dtype: A, array: ArrayRef) -> RecordBatch {
    batch(vec![F::new("c", dtype, true)], vec![array])
}

/// Returns a list array that arrow-rs has not checked.
fn arrow_data_of(
    dtype: &A,
    len: usize,
    valid: &[bool],
    offsets: &[i32],
    values: ArrayRef,
) -> ArrayRef {
    let bits = arrow_array::BooleanArray::from(valid.to_vec());
    let data =
        arrow_array::ArrayRef::from(Arc::new(ListArray::new_null(item(A::Int64), 0)) as ArrayRef)
            .to_data();
    let builder = data.into_builder().data_type(dtype.clone()).len(len);
    let builder = builder
        .buffers(vec![offsets.iter().copied().collect()])
        .child_data(vec![values.to_data()])
        .nulls(Some(bits.values().clone().into()));
    // SAFETY: the offsets are within the values.
    make_array(unsafe { builder.build_unchecked() })
}

#[test]
fn values_that_polars_would_lose_are_refused() {
    let beyond = [i64::MAX, i64::MAX / 1_000 + 1, i64::MIN];
    for value in beyond {
        for batch in [
            one(TimestampSecondArray::from(vec![value])),
            one(DurationSecondArray::from(vec![value])),
            one(Time64MicrosecondArray::from(vec![value])),
        ] {
            let error = batch.to_frame().unwrap_err();
            assert!(
                error.to_string().contains(&format!("{value} of ")),
                "{error}"
            );
        }
    }
    assert!(
        one(TimestampSecondArray::from(vec![i64::MAX / 1_000]))
            .to_frame()
            .is_ok()
    );
    let mut lists = ListBuilder::new(arrow_array::builder::TimestampSecondBuilder::new());
    lists.values().append_value(i64::MAX);
    lists.append(true);
    assert!(one(lists.finish()).to_frame().is_err());

    // A text that is not a category of the Enum in the metadata would become null.
    let df = df!["c" => ["a", "b"]].unwrap();
    let categories = polars::prelude::FrozenCategories::new(["a", "b"]).unwrap();
    let with = DataType::from_frozen_categories(categories);
    let df = df
        .lazy()
        .with_column(col("c").cast(with))
        .collect()
        .unwrap();
    let schema = df.to_batches().unwrap()[0].schema();
    let other = DictionaryArray::<arrow_array::types::UInt8Type>::new(
        vec![0u8, 1].into(),
        Arc::new(StringViewArray::from(vec!["a", "new"])),
    );
    let changed = RecordBatch::try_new(schema.clone(), vec![Arc::new(other)]).unwrap();
    let error = changed.to_frame().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("\"new\" is not one of the Enum's categories"),
        "{error}"
    );
    assert!(df.to_batches().unwrap().to_frame().unwrap().equals(&df));
}

#[test]
fn metadata_that_cannot_be_read_are_refused() {
    let array = || Arc::new(DictionaryArray::<Int32Type>::from_iter(["a", "b"])) as ArrayRef;
    let with = |key: &str, value: &str| {
        let metadata = HashMap::from([(key.to_owned(), value.to_owned())]);
        let field = F::new("c", array().data_type().clone(), true).with_metadata(metadata);
        batch(vec![field], vec![array()]).to_frame()
    };
    for malformed in ["x", "5;ab", "1;a1;a", "1;ä", "-1;a", "1;a;"] {
        for key in ["_PL_ENUM_VALUES2", "_PL_ENUM_VALUES"] {
            let error = with(key, malformed).unwrap_err();
            assert_eq!(error.kind().name(), "arrow", "{key} {malformed:?}: {error}");
        }
    }
    for malformed in ["", "x", "1;a", "1;a1;b", "1;a1;bu7;", "9;a1;bu8;"] {
        let error = with("_PL_CATEGORICAL2", malformed).unwrap_err();
        assert_eq!(error.kind().name(), "arrow", "{malformed:?}: {error}");
    }
    assert_eq!(
        with("_PL_ENUM_VALUES2", "1;b1;a").unwrap()["c"]
            .get(0)
            .unwrap()
            .get_str(),
        Some("a")
    );
    assert!(with("_PL_CATEGORICAL2", "1;z4;lawsu8;").is_ok());
    // Other keys of the metadata have no meaning.
    assert!(with("origin", "a file").is_ok());
    // More categories than fit, within a list: Polars would panic.
    let texts: Vec<String> = (0..300).map(|i| i.to_string()).collect();
    let many = DictionaryArray::<Int32Type>::from_iter(texts.iter().map(String::as_str));
    let metadata = HashMap::from([("_PL_CATEGORICAL2".to_owned(), "4;tiny4;lawsu8;".to_owned())]);
    let items = Arc::new(F::new("item", many.data_type().clone(), true).with_metadata(metadata));
    let offsets = arrow_offsets(&[300]);
    let lists = ListArray::new(items, offsets, Arc::new(many), None);
    let error = one(lists).to_frame().unwrap_err();
    assert_eq!(error.kind().name(), "arrow", "{error}");
}

fn arrow_offsets(lengths: &[usize]) -> arrow_buffer::OffsetBuffer<i32> {
    arrow_buffer::OffsetBuffer::from_lengths(lengths.iter().copied())
}

#[test]
fn an_extension_type_is_what_it_is_stored_as() {
    let metadata = HashMap::from([
        ("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned()),
        ("ARROW:extension:metadata".to_owned(), String::new()),
    ]);
    let array = FixedSizeBinaryArray::try_from_iter([[7u8; 16]].into_iter()).unwrap();
    let field = F::new("c", A::FixedSizeBinary(16), true).with_metadata(metadata.clone());
    let df = batch(vec![field], vec![Arc::new(array)])
        .to_frame()
        .unwrap();
    assert_eq!(df["c"].binary().unwrap().get(0), Some(&[7u8; 16][..]));
    // A pointer that is written in a file is not followed.
    let metadata = HashMap::from([
        (
            "ARROW:extension:name".to_owned(),
            "POLARS_EXTENSION_TYPE".to_owned(),
        ),
        ("ARROW:extension:metadata".to_owned(), "1;2".to_owned()),
    ]);
    let array = FixedSizeBinaryArray::try_from_iter([[7u8; 16]].into_iter()).unwrap();
    let field = F::new("c", A::FixedSizeBinary(16), true).with_metadata(metadata);
    let df = batch(vec![field], vec![Arc::new(array)])
        .to_frame()
        .unwrap();
    assert_eq!(df["c"].dtype(), &DataType::Binary);
}

#[test]
fn categories_are_one_also_where_each_batch_has_a_dictionary_of_its_own() {
    let of = |texts: [&str; 2]| one(DictionaryArray::<Int8Type>::from_iter(texts));
    let wide = |texts: [&str; 2]| {
        one(DictionaryArray::<UInt64Type>::new(
            vec![1u64, 0].into(),
            Arc::new(LargeStringArray::from(texts.to_vec())),
        ))
    };
    let df = [of(["b", "a"]), of(["a", "c"]), wide(["x", "b"])]
        .to_frame()
        .unwrap();
    let texts: Vec<String> = (0..6)
        .map(|row| df["c"].get(row).unwrap().get_str().unwrap().to_owned())
        .collect();
    assert_eq!(texts, ["b", "a", "a", "c", "b", "x"]);
    assert_eq!(
        df["c"].dtype(),
        &DataType::from_categories(Categories::global())
    );
    let narrow = Categories::new(
        "narrow".into(),
        "laws of arrow".into(),
        CategoricalPhysical::U8,
    );
    let df = df
        .lazy()
        .with_column(col("c").cast(DataType::from_categories(narrow)))
        .collect()
        .unwrap();
    assert_same_frame(&df.to_batches().unwrap().to_frame().unwrap(), &df, "narrow");
}

#[test]
fn batches_of_nothing_have_their_rows_and_columns() {
    let df = DataFrame::new(5, vec![]).unwrap();
    let batches = df.to_batches().unwrap();
    assert_eq!(
        (
            batches.len(),
            batches[0].num_rows(),
            batches[0].num_columns()
        ),
        (1, 5, 0)
    );
    assert_eq!(batches.to_frame().unwrap().shape(), (5, 0));
    assert_eq!(df.to_arrow2().unwrap().to_frame().unwrap().shape(), (5, 0));
    let none = RecordBatch::new_empty(Arc::new(S::new(vec![F::new("x", A::Int64, false)])));
    assert_eq!(none.to_frame().unwrap(), df!["x" => [0i64; 0]].unwrap());
    let some = [
        none.clone(),
        batch(
            vec![F::new("x", A::Int64, true)],
            vec![Arc::new(Int64Array::from(vec![1]))],
        ),
        none,
    ];
    assert_eq!(some.to_frame().unwrap(), df!["x" => [1i64]].unwrap());
    let sum = RecordBatch::new_empty(Arc::new(S::new(vec![F::new("x", A::Int64, false)])));
    assert_eq!(
        sum.par_apply_rows(|x: i64| x as f64).unwrap().dtype(),
        &DataType::Float64
    );
}

#[test]
fn verbs_are_called_straight_on_batches() {
    let df = every(40);
    let batches = layouts(&df).swap_remove(1).1.to_batches().unwrap();
    assert!(batches.len() > 3);
    let expected = df
        .par_apply()
        .select(["i64", "f64"])
        .rows(|a: Option<i64>, b: Option<f64>| a.zip(b).map(|(a, b)| a as f64 + b))
        .unwrap();
    let of_batches = |call: Apply<'_, 'static>| {
        call.select(["i64", "f64"])
            .rows(|a: Option<i64>, b: Option<f64>| a.zip(b).map(|(a, b)| a as f64 + b))
            .unwrap()
    };
    assert_same(&of_batches(batches.par_apply()), &expected, "[RecordBatch]");
    assert_same(
        &of_batches(df.to_arrow2().unwrap().par_apply()),
        &expected,
        "[Arrow2Chunk]",
    );
    let whole = df.to_batches().unwrap().remove(0);
    assert_same(&of_batches(whole.par_apply()), &expected, "RecordBatch");
    let job = {
        let whole = whole.clone();
        whole
            .par_apply()
            .select(["i64"])
            .spawn_rows(|a: Option<i64>| a)
    };
    drop(whole);
    assert_eq!(job.get().unwrap().len(), 40);
    let kept = batches
        .par_apply()
        .select(["i64"])
        .filter_rows(|a: i64| a > 50)
        .unwrap();
    assert_eq!(kept.width(), df.width());
    assert_eq!(batches.array_split(3).unwrap().len(), 3);
    let options = CallOptions::new().workers(2);
    let heights = batches
        .par_apply()
        .with(&options)
        .partitions(4)
        .chunks(|part: DataFrame| part.height() as u64)
        .unwrap();
    assert_eq!(heights.u64().unwrap().sum(), Some(40));
    let groups = batches.par_apply_groups(["bool"], |x: Values<'_, i64>| x.len() as u64);
    assert!(groups.is_err(), "the column is not chosen");
    // A call that is cloned returns the error each time.
    let bad = nulls(&A::Float16);
    let call = bad.par_apply();
    let again = call.clone();
    for call in [call, again] {
        let error = call.rows(|_: Row<'_>| 0).unwrap_err();
        assert_eq!((error.kind().name(), error.column()), ("arrow", Some("c")));
    }
    assert_eq!(
        bad.par_apply()
            .spawn_rows(|_: Row<'_>| 0)
            .get()
            .unwrap_err()
            .column(),
        Some("c")
    );
}

fn view_pointers(column: &Column) -> Vec<*const u8> {
    let chunks = column.as_materialized_series().chunks().iter();
    let mut pointers = Vec::new();
    for chunk in chunks {
        let array = chunk
            .as_any()
            .downcast_ref::<polars_arrow::array::Utf8ViewArray>()
            .unwrap();
        pointers.push(array.views().as_ptr().cast());
        pointers.extend(array.data_buffers().iter().map(|buffer| buffer.as_ptr()));
    }
    pointers
}

#[test]
fn values_views_and_buffers_lie_where_they_lay() {
    let rows = 1_000;
    let texts: Vec<String> = (0..rows)
        .map(|i| format!("a text of more than twelve bytes, {i}"))
        .collect();
    let df = df!["x" => (0..rows).map(f64::from).collect::<Vec<_>>(), "t" => texts].unwrap();
    let pointer = df["x"].f64().unwrap().cont_slice().unwrap().as_ptr();
    let batches = df.to_batches().unwrap();
    let array = batches[0]["x"].as_primitive::<Float64Type>();
    assert_eq!(array.values().as_ptr(), pointer);
    let view = batches[0]["t"].as_string_view();
    let mut pointers = vec![view.views().as_ptr().cast::<u8>()];
    pointers.extend(view.data_buffers().iter().map(arrow_buffer::Buffer::as_ptr));
    assert_eq!(pointers, view_pointers(&df["t"]));
    let back = batches.to_frame().unwrap();
    assert_eq!(
        back["x"].f64().unwrap().cont_slice().unwrap().as_ptr(),
        pointer
    );
    assert_eq!(view_pointers(&back["t"]), view_pointers(&df["t"]));
    // A closure's part as well.
    let address = df
        .par_apply()
        .partitions(1)
        .select(["x"])
        .chunks(|part: RecordBatch| {
            part["x"].as_primitive::<Float64Type>().values().as_ptr() as usize as u64
        });
    assert_eq!(
        address.unwrap().u64().unwrap().get(0),
        Some(pointer as usize as u64)
    );
    let chunks = df.to_arrow2().unwrap();
    let array = chunks[0]
        .column("x")
        .unwrap()
        .as_any()
        .downcast_ref::<arrow2::array::Float64Array>()
        .unwrap();
    assert_eq!(array.values().as_ptr(), pointer);
    let back = chunks.to_frame().unwrap();
    assert_eq!(
        back["x"].f64().unwrap().cont_slice().unwrap().as_ptr(),
        pointer
    );
}

#[test]
fn either_side_may_be_dropped_first() {
    let df = every(30);
    let copy = every(30);
    let batches = df.to_batches().unwrap();
    let chunks = df.to_arrow2().unwrap();
    drop(df);
    let one = batches.to_frame().unwrap();
    let two = chunks.to_frame().unwrap();
    drop((batches, chunks));
    assert_same_frame(&one, &copy, "batches");
    assert_same_frame(&two, &copy, "chunks");
    // A piece of a batch outlives the rest, on another thread.
    let batches = one.to_batches().unwrap();
    let part = batches[0].slice(10, 5);
    drop((one, batches));
    let height = std::thread::spawn(move || part.to_frame().unwrap().height())
        .join()
        .unwrap();
    assert_eq!(height, 5);
    // Arrays that are given and not taken are released.
    let (arrays, schema) = column_to_ffi(&two["str"], CompatLevel::newest()).unwrap();
    drop((two, arrays, schema));
}

/// `struct ArrowArray`, as a library in another language makes it.
#[repr(C)]
struct Foreign {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *mut *const c_void,
    children: *mut *mut Foreign,
    dictionary: *mut Foreign,
    release: Option<unsafe extern "C" fn(*mut Foreign)>,
    private_data: *mut c_void,
}

static RELEASED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn release(array: *mut Foreign) {
    RELEASED.fetch_add(1, Ordering::Relaxed);
    // SAFETY: it is called once, with the array; its buffers and values are `foreign`'s.
    unsafe {
        drop(Box::from_raw((*array).buffers.cast::<[*const c_void; 2]>()));
        drop(Box::from_raw((*array).private_data.cast::<Values2>()));
        (*array).release = None;
    }
}

struct Values2 {
    values: [i64; 3],
    valid: u8,
}

/// Three numbers, whose count of nulls is not given, and which need not have a validity bitmap.
fn foreign(valid: Option<u8>) -> ArrowArray {
    let values = Box::new(Values2 {
        values: [1, 2, 3],
        valid: valid.unwrap_or(0),
    });
    let bits = match valid {
        Some(_) => (&raw const values.valid).cast(),
        None => std::ptr::null(),
    };
    let buffers = Box::new([bits, (&raw const values.values).cast::<c_void>()]);
    let array = Foreign {
        length: 3,
        null_count: -1,
        offset: 0,
        n_buffers: 2,
        n_children: 0,
        buffers: Box::into_raw(buffers).cast(),
        children: std::ptr::null_mut(),
        dictionary: std::ptr::null_mut(),
        release: Some(release),
        private_data: Box::into_raw(values).cast(),
    };
    // SAFETY: it is the same struct.
    unsafe { std::mem::transmute::<Foreign, ArrowArray>(array) }
}

#[test]
fn arrays_of_strangers_are_taken_and_released() {
    let (_, schema) =
        column_to_ffi(&Column::new("x".into(), [0i64]), CompatLevel::newest()).unwrap();
    // SAFETY: the arrays are three numbers each, as `foreign` makes them.
    let column =
        unsafe { column_from_ffi(vec![foreign(None), foreign(Some(0b101))], &schema) }.unwrap();
    assert_eq!(column.null_count(), 1);
    assert_eq!(
        column.i64().unwrap().to_vec(),
        [Some(1), Some(2), Some(3), Some(1), None, Some(3)]
    );
    assert_eq!(RELEASED.load(Ordering::Relaxed), 0);
    drop(column);
    assert_eq!(RELEASED.load(Ordering::Relaxed), 2);
    // SAFETY: an array that was released is refused, and not read.
    let error = unsafe { column_from_ffi(vec![ArrowArray::empty()], &schema) }.unwrap_err();
    assert!(error.to_string().contains("released"), "{error}");
}

#[test]
fn a_chunk_of_arrow2_is_of_its_schema() {
    use arrow2::array::{Int64Array, Utf8Array};
    use arrow2::chunk::Chunk;
    use arrow2::datatypes::{DataType as D, Field, Schema, TimeUnit as T};

    let numbers = || Int64Array::from_slice([1, 2]).boxed();
    let schema = |dtype: D, nullable| Schema::from(vec![Field::new("n", dtype, nullable)]);
    let chunk = Arrow2Chunk::try_new(schema(D::Int64, true), Chunk::new(vec![numbers()])).unwrap();
    assert_eq!(
        (
            chunk.num_rows(),
            chunk.column("n").unwrap().len(),
            chunk.column("m").is_none()
        ),
        (2, 2, true)
    );
    assert_eq!(chunk.to_frame().unwrap(), df!["n" => [1i64, 2]].unwrap());
    assert_eq!(chunk.into_parts().0, schema(D::Int64, true));
    let wrong =
        Arrow2Chunk::try_new(schema(D::Int32, true), Chunk::new(vec![numbers()])).unwrap_err();
    assert_eq!((wrong.kind().name(), wrong.column()), ("arrow", Some("n")));
    assert!(
        Arrow2Chunk::try_new(
            schema(D::Int64, true),
            Chunk::new(vec![numbers(), numbers()])
        )
        .is_err()
    );
    let text = Utf8Array::<i32>::from([Some("a"), None]).boxed();
    let claimed = Arrow2Chunk::try_new(schema(D::Utf8, false), Chunk::new(vec![text])).unwrap();
    assert!(claimed.to_frame().is_err(), "it has a null");
    // Inputs at which arrow2 itself panics.
    let refused = [
        D::Interval(arrow2::datatypes::IntervalUnit::MonthDayNano),
        D::Union(vec![], None, arrow2::datatypes::UnionMode::Dense),
        D::Timestamp(T::Second, Some("a\0b".into())),
        D::Struct(vec![Field::new("a\0b", D::Int64, true)]),
        D::Decimal256(40, 2),
        D::Float16,
    ];
    for dtype in refused {
        let nothing = match &dtype {
            D::Union(..) => continue,
            dtype => arrow2::array::new_empty_array(dtype.clone()),
        };
        let chunk =
            Arrow2Chunk::try_new(schema(dtype.clone(), true), Chunk::new(vec![nothing])).unwrap();
        let error = chunk.to_frame().unwrap_err();
        assert_eq!(
            (error.kind().name(), error.column()),
            ("arrow", Some("n")),
            "{dtype:?}"
        );
        assert!(chunk.par_apply().rows(|_: Row<'_>| 0).is_err());
    }
}

#[test]
fn an_array_of_no_width_does_not_leave() {
    let dtype = DataType::Array(Box::new(DataType::Int64), 0);
    let column = Column::full_null("a".into(), 3, &dtype);
    let error = column.clone().into_frame().to_batches().unwrap_err();
    assert_eq!((error.kind().name(), error.column()), ("arrow", Some("a")));
    assert!(column.into_frame().to_arrow2().is_err());
}

#[test]
fn slices_of_buffers_of_arrow2_are_what_they_show() {
    use arrow2::array::*;
    use arrow2::bitmap::Bitmap;
    use arrow2::buffer::Buffer;
    use arrow2::chunk::Chunk;
    use arrow2::datatypes::{DataType as D, Field, Schema};

    let frame = |array: Box<dyn Array>| {
        let schema = Schema::from(vec![Field::new("c", array.data_type().clone(), true)]);
        let chunk = Arrow2Chunk::try_new(schema, Chunk::new(vec![array])).unwrap();
        chunk.to_frame().unwrap()
    };
    // The byte before is not valid UTF-8.
    let bytes = || Buffer::from(vec![0xFF, b'a', b'b', b'c', b'd']).sliced(1, 4);
    let text = || Utf8Array::<i32>::new(D::Utf8, vec![0, 1, 4].try_into().unwrap(), bytes(), None);
    assert_eq!(frame(text().boxed()), df!["c" => ["a", "bcd"]].unwrap());
    let binary = BinaryArray::<i64>::new(
        D::LargeBinary,
        vec![0, 1, 4].try_into().unwrap(),
        bytes(),
        None,
    );
    assert_eq!(
        frame(binary.boxed()),
        df!["c" => [&b"a"[..], b"bcd"]].unwrap()
    );
    let fixed = FixedSizeBinaryArray::new(D::FixedSizeBinary(2), bytes(), None);
    assert_eq!(
        frame(fixed.boxed()),
        df!["c" => [&b"ab"[..], b"cd"]].unwrap()
    );
    let keys = Int8Array::from_slice([1, 0, 1]);
    let dictionary = DictionaryArray::try_from_keys(keys, text().boxed()).unwrap();
    let texts = frame(dictionary.boxed());
    let texts: Vec<_> = (0..3)
        .map(|row| texts["c"].get(row).unwrap().get_str().unwrap().to_owned())
        .collect();
    assert_eq!(texts, ["bcd", "a", "bcd"]);

    // Validity bits with another offset than the values, at every depth.
    let valid = || Some(Bitmap::from([true, false, true, false, true, true]).sliced(2, 4));
    let numbers = || Int64Array::new(D::Int64, vec![1, 2, 3, 4].into(), valid()).boxed();
    let sliced = || {
        Int64Array::new(
            D::Int64,
            Buffer::from(vec![9, 1, 2, 3, 4]).sliced(1, 4),
            valid(),
        )
        .boxed()
    };
    let flags = BooleanArray::new(
        D::Boolean,
        Bitmap::from([true, true, false, true, false]).sliced(1, 4),
        valid(),
    )
    .boxed();
    let expected = df![
        "a" => [Some(1i64), None, Some(3), Some(4)],
        "b" => [Some(1i64), None, Some(3), Some(4)],
        "f" => [Some(true), None, Some(true), Some(false)],
    ]
    .unwrap();
    let fields = ["a", "b", "f"].map(|name| {
        let dtype = if name == "f" { D::Boolean } else { D::Int64 };
        Field::new(name, dtype, true)
    });
    let structs = StructArray::new(
        D::Struct(fields.to_vec()),
        vec![numbers(), sliced(), flags],
        valid(),
    );
    let out = frame(structs.clone().boxed());
    assert_eq!(out["c"].null_count(), 1);
    let unnested = out["c"].struct_().unwrap().clone().unnest();
    assert_eq!(unnested, expected, "the null row is null in each field too");
    let item = |dtype: D| Box::new(Field::new("item", dtype, true));
    let dtype = D::LargeList(item(structs.data_type().clone()));
    let lists = ListArray::<i64>::new(
        dtype.clone(),
        vec![0, 1, 4].try_into().unwrap(),
        structs.boxed(),
        None,
    );
    let within = D::Struct(vec![Field::new("lists", dtype, true)]);
    let deep = StructArray::new(
        within,
        vec![lists.boxed()],
        Some(Bitmap::from([false, true, true]).sliced(1, 2)),
    );
    let out = frame(deep.boxed());
    assert_eq!(out.height(), 2);
    let fixed = D::FixedSizeList(item(D::Int64), 2);
    let fixed = FixedSizeListArray::new(
        fixed,
        sliced(),
        Some(Bitmap::from([true, true, false]).sliced(1, 2)),
    );
    let out = frame(fixed.boxed());
    assert_eq!((out.height(), out["c"].null_count()), (2, 1));
    // Each of them, sliced once more.
    for array in [numbers(), sliced()] {
        let out = frame(array.sliced(1, 3));
        assert_eq!(out, df!["c" => [None, Some(3i64), Some(4)]].unwrap());
    }
}

#[test]
fn empty_lists_of_categories_keep_their_rows() {
    let batch = |texts: &[&str]| {
        let items = DictionaryArray::<Int32Type>::from_iter(texts.iter().copied());
        let lists = ListArray::new(
            item(items.data_type().clone()),
            arrow_offsets(&[texts.len()]),
            Arc::new(items),
            None,
        );
        nulls_of(lists.data_type().clone(), Arc::new(lists))
    };
    let orders: [&[&[&str]]; 4] = [
        &[&["a", "b"], &[], &["c", "d", "e"], &["f"]],
        &[&["a"], &[]],
        &[&[], &["a"], &["b"]],
        &[&[], &[]],
    ];
    for lists in orders {
        let batches: Vec<RecordBatch> = lists.iter().map(|texts| batch(texts)).collect();
        let df = batches.to_frame().unwrap();
        assert_eq!(df.height(), lists.len());
        let texts: Vec<Vec<String>> = (0..df.height())
            .map(|row| {
                let AnyValue::List(list) = df["c"].get(row).unwrap() else {
                    panic!("row {row} is null")
                };
                let texts = list.cast(&DataType::String).unwrap();
                let texts = texts.str().unwrap().iter().flatten();
                texts.map(str::to_owned).collect()
            })
            .collect();
        assert_eq!(texts, lists);
        assert_same_frame(
            &df.to_batches().unwrap().to_frame().unwrap(),
            &df,
            "and back",
        );
        assert_same_frame(&df.to_arrow2().unwrap().to_frame().unwrap(), &df, "arrow2");
    }
}

#[test]
fn too_many_categories_are_refused_wherever_they_are() {
    let texts =
        |letter: char| -> Vec<String> { (0..200).map(|i| format!("{letter}{i}")).collect() };
    let dictionary = |letter: char| {
        let texts = texts(letter);
        Arc::new(DictionaryArray::<Int32Type>::from_iter(
            texts.iter().map(String::as_str),
        )) as ArrayRef
    };
    let metadata = HashMap::from([(
        "_PL_CATEGORICAL2".to_owned(),
        "5;small13;laws of arrowu8;".to_owned(),
    )]);
    let field = |name: &str| {
        F::new(name, dictionary('a').data_type().clone(), true).with_metadata(metadata.clone())
    };
    let fields = Fields::from(vec![field("a"), field("b")]);
    let structs = StructArray::new(fields, vec![dictionary('a'), dictionary('b')], None);
    let error = one(structs).to_frame().unwrap_err();
    assert_eq!(
        (error.kind().name(), error.column()),
        ("arrow", Some("c")),
        "{error}"
    );
    let lists = |letter| {
        let items = Arc::new(field("item"));
        nulls_of(
            A::List(items.clone()),
            Arc::new(ListArray::new(
                items,
                arrow_offsets(&[200]),
                dictionary(letter),
                None,
            )),
        )
    };
    let error = [lists('a'), lists('b')].to_frame().unwrap_err();
    assert_eq!(
        (error.kind().name(), error.column()),
        ("arrow", Some("c")),
        "{error}"
    );
    assert!(error.to_string().starts_with("batch 1: "), "{error}");
}

#[test]
fn an_error_in_the_data_names_its_batch() {
    let good = one(TimestampSecondArray::from(vec![1]));
    let bad = one(TimestampSecondArray::from(vec![i64::MAX]));
    let error = [good.clone(), good.slice(0, 0), bad.clone()]
        .to_frame()
        .unwrap_err();
    assert!(
        error.to_string().starts_with("batch 2: column \"c\": "),
        "{error}"
    );
    let error = bad.to_frame().unwrap_err();
    assert!(error.to_string().starts_with("column \"c\": "), "{error}");
    let error = [good, nulls(&A::Float16)].to_frame().unwrap_err();
    assert!(
        error.to_string().starts_with("batch 1: column \"c\": "),
        "{error}"
    );
}

#[test]
fn batches_of_one_frame_share_a_dictionary() {
    let df = layouts(&every(40))
        .swap_remove(1)
        .1
        .select(["cat", "enum", "i64", "list of cat"])
        .unwrap();
    let batches = df.to_batches().unwrap();
    assert!(batches.len() > 2);
    for name in ["cat", "enum"] {
        let values = |batch: &RecordBatch| batch[name].as_any_dictionary().values().to_data();
        assert!(
            batches
                .iter()
                .all(|batch| values(batch) == values(&batches[0])),
            "{name}"
        );
    }
    assert_same_frame(&batches.to_frame().unwrap(), &df, "categories");
}

#[test]
fn structs_without_fields() {
    let df = DataFrame::new(
        3,
        vec![Column::full_null("s".into(), 3, &DataType::Struct(vec![]))],
    )
    .unwrap();
    let batches = df.to_batches().unwrap();
    assert_eq!(batches.to_frame().unwrap().height(), 3);
    let error = df.to_arrow2().unwrap_err();
    assert_eq!((error.kind().name(), error.column()), ("arrow", Some("s")));
    let error = df
        .par_apply()
        .chunks(|_: Arrow2Chunk| -> u32 { panic!("it is called") })
        .unwrap_err();
    assert_eq!((error.kind().name(), error.column()), ("arrow", Some("s")));
}

/// Returns an array of arrow-rs as its C struct, and its schema with a name.
fn exported(array: &dyn Array) -> (Foreign, polars_par_apply::ArrowSchema) {
    let field = F::new("", array.data_type().clone(), true);
    let schema = arrow_array::ffi::FFI_ArrowSchema::try_from(&field).unwrap();
    let array = arrow_array::ffi::FFI_ArrowArray::new(&array.to_data());
    // SAFETY: they are the same structs.
    unsafe {
        use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
        (
            std::mem::transmute::<FFI_ArrowArray, Foreign>(array),
            std::mem::transmute::<FFI_ArrowSchema, polars_par_apply::ArrowSchema>(schema),
        )
    }
}

fn taken(array: Foreign, schema: &polars_par_apply::ArrowSchema) -> Result<Column, Error> {
    // SAFETY: it is an array of arrow-rs, without some of its rows, as the format allows.
    unsafe {
        column_from_ffi(
            vec![std::mem::transmute::<Foreign, ArrowArray>(array)],
            schema,
        )
    }
}

#[test]
fn lists_of_fixed_width_may_begin_at_an_offset() {
    for nulls in [None, Some(vec![true, false, true, false].into())] {
        let values = Int64Array::from_iter_values(0..8);
        let lists = FixedSizeListArray::new(item(A::Int64), 2, Arc::new(values), nulls);
        let whole = {
            let (array, schema) = exported(&lists);
            taken(array, &schema).unwrap()
        };
        for offset in 0..4 {
            for length in 0..=4 - offset {
                let (mut array, schema) = exported(&lists);
                (array.offset, array.length, array.null_count) = (offset, length, -1);
                let part = taken(array, &schema).unwrap();
                assert_same(&part, &whole.slice(offset, length as usize), "a slice");
            }
        }
        let (mut array, schema) = exported(&lists);
        array.length = 5;
        let error = taken(array, &schema).unwrap_err();
        assert!(error.to_string().contains("fewer items"), "{error}");
    }
}

/// `struct ArrowSchema`.
#[repr(C)]
struct ForeignSchema {
    format: *const std::ffi::c_char,
    name: *const std::ffi::c_char,
    metadata: *const std::ffi::c_char,
    flags: i64,
    n_children: i64,
    children: *mut *mut ForeignSchema,
    dictionary: *mut ForeignSchema,
    release: Option<unsafe extern "C" fn(*mut ForeignSchema)>,
    private_data: *mut c_void,
}

#[test]
fn schemas_of_strangers_are_read_or_refused() {
    let (array, schema) = exported(&Int64Array::from(vec![1]));
    drop(taken(array, &schema).unwrap());
    // SAFETY: it is the same struct.
    let mut schema: ForeignSchema = unsafe { std::mem::transmute(schema) };
    // One key, with a byte that is not valid UTF-8.
    let mut metadata = vec![0u8; 0];
    for number in [1i32, 1] {
        metadata.extend(number.to_ne_bytes());
    }
    metadata.push(0xFF);
    metadata.extend(0i32.to_ne_bytes());
    let own = std::mem::replace(&mut schema.metadata, metadata.as_ptr().cast());
    let with = |schema: &ForeignSchema| {
        let (array, _) = exported(&Int64Array::from(vec![1]));
        // SAFETY: it is the same struct.
        taken(array, unsafe { &*(&raw const *schema).cast() })
            .unwrap_err()
            .to_string()
    };
    assert!(with(&schema).contains("schema's metadata is not UTF-8"));
    schema.metadata = own;
    let name = std::mem::replace(&mut schema.name, c"\xFF".as_ptr());
    assert!(with(&schema).contains("a name in the schema is not UTF-8"));
    schema.name = name;
    let release = schema.release.take();
    assert!(with(&schema).contains("released"));
    schema.release = release;
    // SAFETY: it is the same struct, and as it was.
    drop(unsafe { std::mem::transmute::<ForeignSchema, polars_par_apply::ArrowSchema>(schema) });

    // A dictionary of an extension type.
    let dictionary = DictionaryArray::<Int8Type>::from_iter(["a", "b", "a"]);
    let (array, schema) = exported(&dictionary);
    // SAFETY: it is the same struct.
    let schema: ForeignSchema = unsafe { std::mem::transmute(schema) };
    let mut metadata = Vec::new();
    metadata.extend(1i32.to_ne_bytes());
    for text in ["ARROW:extension:name", "arrow.json"] {
        metadata.extend((text.len() as i32).to_ne_bytes());
        metadata.extend(text.as_bytes());
    }
    // SAFETY: the dictionary is there, and nobody else's.
    let own =
        unsafe { std::mem::replace(&mut (*schema.dictionary).metadata, metadata.as_ptr().cast()) };
    // SAFETY: it is the same struct.
    let column = taken(array, unsafe { &*(&raw const schema).cast() }).unwrap();
    assert_eq!(
        column.dtype(),
        &DataType::from_categories(Categories::global())
    );
    // SAFETY: as above.
    unsafe {
        (*schema.dictionary).metadata = own;
        drop(std::mem::transmute::<
            ForeignSchema,
            polars_par_apply::ArrowSchema,
        >(schema));
    }
}
