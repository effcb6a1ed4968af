//! Frames of every dtype in awkward layouts, and functions that several laws use.

use std::process::{Command, Output};
use std::sync::mpsc;
use std::time::Duration;

use polars::prelude::{CategoricalPhysical, Categories, FrozenCategories};
use polars_par_apply::Error;
use polars_par_apply::prelude::*;

/// Returns the column in chunks of these lengths (0 makes an empty chunk), and one more chunk for the rest.
pub(crate) fn cut(column: &Column, lengths: impl IntoIterator<Item = usize>) -> Column {
    let series = column.as_materialized_series().rechunk();
    let mut chunks = Vec::new();
    let mut start = 0;
    for length in lengths.into_iter().chain([usize::MAX]) {
        let length = length.min(series.len() - start);
        let slice = series.slice(start as i64, length);
        chunks.extend(slice.chunks().iter().cloned());
        start += length;
        if start == series.len() {
            break;
        }
    }
    let name = series.name().clone();
    // SAFETY: the chunks are slices of those of a series of this dtype.
    unsafe { Series::from_chunks_and_dtype_unchecked(name, chunks, series.dtype()) }.into_column()
}

/// Returns the column as a slice from the middle of a longer one, so that every array and bitmap has an offset.
pub(crate) fn inside(column: &Column, before: usize) -> Column {
    let series = column.as_materialized_series();
    let padding = match series.len() {
        0 => Series::full_null(series.name().clone(), before, series.dtype()),
        len => series.new_from_index(len / 2, before),
    };
    let mut long = padding.clone();
    long.append(series).unwrap();
    long.append(&padding).unwrap();
    let slice = long.rechunk().slice(before as i64, series.len());
    slice.with_name(series.name().clone()).into_column()
}

/// Returns the frame with `change` applied to each of its columns and their positions.
pub(crate) fn each_column(df: &DataFrame, change: impl Fn(usize, &Column) -> Column) -> DataFrame {
    let columns = df.columns().iter().enumerate();
    let columns = columns.map(|(i, column)| change(i, column)).collect();
    DataFrame::new(df.height(), columns).unwrap()
}

/// Returns the same rows in several different layouts.
pub(crate) fn layouts(df: &DataFrame) -> Vec<(&'static str, DataFrame)> {
    let misaligned = |i: usize| std::iter::repeat([2 * i + 1, i + 2, 0, 7]).flatten();
    vec![
        ("one chunk", df.clone()),
        (
            "misaligned chunks",
            each_column(df, |i, c| cut(c, misaligned(i))),
        ),
        (
            "chunks of one row",
            each_column(df, |_, c| cut(c, std::iter::repeat(1))),
        ),
        ("slices", each_column(df, |i, c| inside(c, 3 + 2 * i))),
        (
            "chunked slices",
            each_column(df, |i, c| cut(&inside(c, 5 + i), misaligned(i + 1))),
        ),
    ]
}

/// A column of every dtype, a null in every seventh row of each, but not in the same rows; the last column is all null.
pub(crate) fn every_dtype(rows: usize) -> DataFrame {
    let numbers = |name: &str| -> Series {
        let values = (0..rows as i64).map(|i| i * 37 % 120);
        Series::new(name.into(), values.collect::<Vec<i64>>())
    };
    let texts = |name: &str, of: &dyn Fn(usize) -> String| -> Series {
        Series::new(name.into(), (0..rows).map(of).collect::<Vec<String>>())
    };
    let as_dtype = |name: &str, dtype: DataType| numbers(name).strict_cast(&dtype).unwrap();
    let scaled = |name: &str, by: i64, dtype: DataType| {
        let physical =
            (numbers(name).strict_cast(&DataType::Int64).unwrap() * by).with_name(name.into());
        physical.cast(&dtype).unwrap()
    };
    let letters = |i: usize| ["a", "bb", "a category of some length"][i % 3].to_string();
    let enumeration = FrozenCategories::new(["a", "bb", "a category of some length"]).unwrap();
    let narrow = Categories::new("narrow".into(), "laws".into(), CategoricalPhysical::U8);
    let lists = |name: &str, of: &dyn Fn(usize) -> Series| -> Series {
        Series::new(name.into(), (0..rows).map(of).collect::<Vec<Series>>())
    };
    let point =
        DataFrame::new(rows, vec![numbers("x").into(), texts("y", &letters).into()]).unwrap();
    let units = [
        (TimeUnit::Milliseconds, "ms"),
        (TimeUnit::Microseconds, "us"),
        (TimeUnit::Nanoseconds, "ns"),
    ];

    let mut columns = vec![
        as_dtype("i8", DataType::Int8),
        as_dtype("i16", DataType::Int16),
        as_dtype("i32", DataType::Int32),
        as_dtype("i64", DataType::Int64),
        as_dtype("i128", DataType::Int128),
        as_dtype("u8", DataType::UInt8),
        as_dtype("u16", DataType::UInt16),
        as_dtype("u32", DataType::UInt32),
        as_dtype("u64", DataType::UInt64),
        as_dtype("f32", DataType::Float32),
        as_dtype("f64", DataType::Float64),
        Series::new(
            "bool".into(),
            (0..rows).map(|i| i % 3 == 0).collect::<Vec<bool>>(),
        ),
        texts("str", &|i| "text ".repeat(i % 6)),
        texts("binary", &|i| "bytes".repeat(i % 5))
            .cast(&DataType::Binary)
            .unwrap(),
        as_dtype("date", DataType::Int32)
            .cast(&DataType::Date)
            .unwrap(),
        scaled("time", 86_400_000_000_000 / 121, DataType::Time),
        texts("cat", &letters)
            .cast(&DataType::from_categories(Categories::global()))
            .unwrap(),
        texts("narrow cat", &letters)
            .cast(&DataType::from_categories(narrow))
            .unwrap(),
        texts("enum", &letters)
            .cast(&DataType::from_frozen_categories(enumeration))
            .unwrap(),
        lists("list", &|i| {
            Series::new("".into(), (0..i as i64 % 4).collect::<Vec<i64>>())
        }),
        lists("list of str", &|i| {
            Series::new("".into(), vec!["item"; i % 3])
        }),
        lists("array", &|i| Series::new("".into(), [i as i64, -1]))
            .cast(&DataType::Array(Box::new(DataType::Int64), 2))
            .unwrap(),
        point.into_struct("struct".into()).into_series(),
        as_dtype("decimal", DataType::Decimal(12, 2)),
    ];
    for (unit, suffix) in units {
        let zoned = DataType::Datetime(unit, Some(TimeZone::UTC));
        columns.push(scaled(
            &format!("datetime {suffix}"),
            86_401,
            DataType::Datetime(unit, None),
        ));
        columns.push(scaled(&format!("zoned {suffix}"), 86_401, zoned));
        columns.push(scaled(
            &format!("duration {suffix}"),
            -86_401,
            DataType::Duration(unit),
        ));
    }
    let columns = columns.into_iter().enumerate().map(|(c, series)| {
        let at: IdxCa = (0..rows)
            .map(|i| ((i + c) % 7 != 3).then_some(i as IdxSize))
            .collect();
        series.take(&at).unwrap().into_column()
    });
    let null = Series::full_null("null".into(), rows, &DataType::Null).into_column();
    DataFrame::new(rows, columns.chain([null]).collect()).unwrap()
}

/// Returns a value's text. Of a category it is only the category's own text, since its other content depends on other columns.
pub(crate) fn shown(value: &AnyValue<'_>) -> String {
    match value.get_str() {
        Some(text) => format!("{text:?}"),
        None => format!("{:?}", value.clone().into_static()),
    }
}

/// Returns the text of a row's values.
pub(crate) fn shown_row(row: Row<'_>) -> String {
    row.iter()
        .map(|(name, value)| format!("{name}: {};", shown(&value)))
        .collect()
}

/// Asserts that two columns have the same name, dtype and values, nulls included.
#[track_caller]
pub(crate) fn assert_same(is: &Column, expected: &Column, what: &str) {
    assert_eq!(is.name(), expected.name(), "{what}");
    assert_eq!(is.dtype(), expected.dtype(), "{what}: {}", is.name());
    assert_eq!(is.len(), expected.len(), "{what}: {}", is.name());
    for row in 0..is.len() {
        // Owned values: Polars cannot compare borrowed structs.
        let value = |column: &Column| column.get(row).unwrap().into_static();
        assert_eq!(
            value(is),
            value(expected),
            "{what}: {}, row {row}",
            is.name()
        );
    }
}

/// [`assert_same`] for every column.
#[track_caller]
pub(crate) fn assert_same_frame(is: &DataFrame, expected: &DataFrame, what: &str) {
    assert_eq!(is.shape(), expected.shape(), "{what}");
    for (is, expected) in is.columns().iter().zip(expected.columns()) {
        assert_same(is, expected, what);
    }
}

/// Returns the faults of a call that has several.
#[track_caller]
pub(crate) fn faults(error: &Error) -> &[Error] {
    match error.kind() {
        ErrorKind::Several(faults) => faults,
        _ => panic!("one fault: {error:?}"),
    }
}

/// After how many seconds a test counts as hanging: by default far more than any test takes on a busy machine. Under a sanitizer,
/// where tests take many times as long, a variable sets more.
fn patience() -> Duration {
    let asked = std::env::var("LAWS_PATIENCE_SECONDS").ok();
    Duration::from_secs(asked.map_or(120, |seconds| seconds.parse().unwrap()))
}

/// Runs `work` on another thread, and fails if it hangs.
#[track_caller]
pub(crate) fn watched<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        // If the receiver is gone, the test has already failed.
        let _ = sender.send(work());
    });
    match receiver.recv_timeout(patience()) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(thread.join().unwrap_err())
        }
    }
}

/// Returns an error with the message `why`, unless `well` is true.
pub(crate) fn refuse_unless(well: bool, why: &'static str) -> anyhow::Result<()> {
    anyhow::ensure!(well, why);
    Ok(())
}

/// Waits for the token in rows after the one that cancels it. Otherwise that row might be the last to be done, and the call would be
/// complete.
pub(crate) fn held_back(token: &CancelToken) {
    while !token.is_cancelled() {
        std::thread::yield_now();
    }
}

/// Returns how many threads this process has. If that cannot be read, the test fails.
#[cfg(target_os = "linux")]
pub(crate) fn threads() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").unwrap().count())
}

/// On this platform threads are not counted, and the test says so.
#[cfg(not(target_os = "linux"))]
pub(crate) fn threads() -> Option<usize> {
    use std::io::Write;
    // The output of the print macros is shown only for tests that fail, so this writes to standard error directly.
    let left_out = "left out: the threads of a process are not counted on this platform";
    writeln!(std::io::stderr(), "{left_out}").unwrap();
    None
}

/// Runs an ignored test in a separate process, which `with` may prepare, and checks that it passes.
#[track_caller]
pub(crate) fn alone(test: &str, with: impl FnOnce(&mut Command) -> &mut Command) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--test-threads=1"]);
    let output = with(&mut command).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{stdout}{stderr}"
    );
    output
}

/// All ways to run a call that must give the same result: with several numbers of workers, not cut, and cut by partitions or rows.
pub(crate) fn ways<'a>(
    apply: &Apply<'a, 'static>,
    partitions: usize,
    chunk_rows: usize,
) -> Vec<(String, Apply<'a, 'static>)> {
    let mut ways = vec![("sequential".into(), apply.clone().sequential())];
    for workers in 1..=4 {
        let way = || apply.clone().workers(workers);
        ways.push((format!("{workers} workers"), way()));
        let name = format!("{workers} workers, partitions");
        ways.push((name, way().partitions(partitions)));
        let name = format!("{workers} workers, chunks");
        ways.push((name, way().chunk_rows(chunk_rows)));
    }
    ways
}

/// Returns a frame of `rows` rows whose column `i` counts them, as `Int64`.
pub(crate) fn counting(rows: usize) -> DataFrame {
    df!["i" => (0..rows as i64).collect::<Vec<i64>>()].unwrap()
}
