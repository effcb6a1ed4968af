//! Of a file, only the columns that the query uses are read, and filters are moved to the scan.

use std::path::{Path, PathBuf};

use polars_par_apply::prelude::*;

use crate::engines::{ENGINES, collected, stacked};
use crate::frames::{assert_same_frame, every_dtype, refuse_unless, watched};

fn wide(folder: &Path) -> LazyFrame {
    let path = folder.join("wide.parquet");
    let mut df = every_dtype(100)
        .drop("null")
        .unwrap()
        .drop("decimal")
        .unwrap();
    df = df.drop("i128").unwrap();
    let file = std::fs::File::create(&path).unwrap();
    ParquetWriter::new(file).finish(&mut df).unwrap();
    let path = PlRefPath::try_from_path(&path).unwrap();
    LazyFrame::scan_parquet(path, ScanArgsParquet::default()).unwrap()
}

/// Only the columns of the closure and of the rest of the query are read; row numbers are not a column of the file.
#[test]
fn a_scan_reads_what_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let lf = wide(folder.path());
    let reads = |lf: LazyFrame| {
        let plan = lf.explain(true).unwrap();
        let at = plan.find("PROJECT ").unwrap_or_else(|| panic!("{plan}"));
        plan[at..].split(' ').nth(1).unwrap().to_owned()
    };
    let columns = lf.clone().collect_schema().unwrap().len();
    let call = || lf.clone().par_apply().names(["sum"]);
    let sum = call()
        .select(["i64", "i32"])
        .rows(|a: i64, b: i32| a + i64::from(b));
    let used = sum.select([col("str"), col("sum")]);
    assert_eq!(reads(used), format!("3/{columns}"));
    let chunks = lf.clone().par_apply().select(["str", "f64"]).row_wise();
    let chunks = chunks.chunks(|input: &Schema| input.clone(), |frame: DataFrame| frame);
    assert_eq!(reads(chunks), format!("2/{columns}"));

    #[derive(FromRow)]
    struct Two {
        i32: i32,
        f64: f64,
    }
    let derived = call().rows(|two: Two| two.f64 + f64::from(two.i32));
    assert_eq!(reads(derived.select([col("sum")])), format!("2/{columns}"));
}

/// A filter is moved to the scan unless it uses the results, and the rows keep their numbers in the file.
#[test]
fn a_later_filter_passes_and_rows_keep_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let lf = wide(folder.path());
    let call = || lf.clone().par_apply().select(["i64"]).names(["next"]);
    let is_moved = |lf: &LazyFrame| lf.clone().explain(true).unwrap().contains("SELECTION");
    let large = || col("i32").gt(lit(50));
    let infallible = call().rows(|i: i64| i + 1);
    let late = infallible.clone().filter(large());
    assert!(is_moved(&late));
    assert!(!is_moved(&infallible.filter(col("next").gt(lit(50)))));

    let whole = lf.clone().collect().unwrap();
    let kept = |row: &usize| {
        let cell = |name: &str| whole.column(name).unwrap().get(*row).unwrap();
        cell("i32").extract::<i64>().is_some_and(|i| i > 50) && !cell("i64").is_null()
    };
    let row = (0..100).filter(kept).nth(5).unwrap();
    let bad = whole
        .column("i64")
        .unwrap()
        .i64()
        .unwrap()
        .get(row)
        .unwrap();
    let first = whole.column("i64").unwrap().i64().unwrap();
    let first = (0..100).position(|row| kept(&row) && first.get(row) == Some(bad));
    let fallible = |lf: LazyFrame| {
        let call = lf.par_apply().select(["i64"]).names(["next"]);
        let next = call.rows(move |i: i64| refuse_unless(i != bad, "no good"));
        next.filter(large())
    };
    assert!(is_moved(&fallible(lf.clone())));
    for engine in ENGINES {
        let early = lf.clone().filter(large()).par_apply().select(["i64"]);
        let early = early.names(["next"]).rows(|i: i64| i + 1);
        let early = collected(&early, engine).unwrap();
        assert_same_frame(&collected(&late, engine).unwrap(), &early, "filtered");
        for lf in [lf.clone(), whole.clone().lazy()] {
            let said = collected(&fallible(lf), engine).unwrap_err().to_string();
            let message = format!("row {}: the closure returned", first.unwrap());
            assert!(said.starts_with(&message), "{said} and not {message}");
        }
    }
}

/// After a join, no filter may be moved before the row numbers. It is moved before the call, and no other rows are called or numbered.
#[test]
fn a_later_filter_stays_behind_numbers() {
    watched(|| {
        let df = df!["i" => [1i64, 2, 3], "text" => ["x", "2", "y"]].unwrap();
        // If a join keeps no order, the streaming engine gives the rows in any order, and each run has its own numbers.
        let in_order = JoinArgs {
            maintain_order: MaintainOrderJoin::Left,
            ..JoinArgs::new(JoinType::Left)
        };
        let numbers = df.clone().lazy().select([col("i")]);
        let joined = df.lazy().join(numbers, [col("i")], [col("i")], in_order);
        let call = || joined.clone().par_apply().select(["text"]).names(["j"]);
        let parse = |text: &str| text.parse::<i64>();
        for engine in ENGINES {
            let late = call().rows(parse).filter(col("i").gt(lit(1)));
            let said = collected(&late, engine).unwrap_err().to_string();
            assert!(said.starts_with("row 2: "), "{said}");
            let fine = call().rows(parse).filter(col("i").eq(lit(2)));
            assert_eq!(collected(&fine, engine).unwrap().height(), 1);
        }
    });
}

/// Writes a copy of the flights in which every byte of these columns' data is changed.
fn spoilt(folder: &Path, columns: &[&str]) -> LazyFrame {
    let path = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../data/flights.parquet"
    ));
    let mut bytes = std::fs::read(&path).unwrap();
    let mut reader = ParquetReader::new(std::fs::File::open(&path).unwrap());
    for group in &reader.get_metadata().unwrap().row_groups {
        for chunk in group.parquet_columns() {
            let name = chunk.descriptor().path_in_schema[0].as_str();
            if columns.contains(&name) {
                let range = chunk.byte_range();
                for byte in &mut bytes[range.start as usize..range.end as usize] {
                    *byte ^= 0xA5;
                }
            }
        }
    }
    // Each copy has its own name, because a failed query may still hold its file.
    let copy = tempfile::NamedTempFile::with_suffix_in(".parquet", folder).unwrap();
    let (_, copy) = copy.keep().unwrap();
    std::fs::write(&copy, bytes).unwrap();
    LazyFrame::scan_parquet(
        PlRefPath::try_from_path(&copy).unwrap(),
        ScanArgsParquet::default(),
    )
    .unwrap()
}

const USED: [&str; 3] = ["origin", "distance", "air_time"];

/// If the bytes of the other columns are changed, the result of three of nineteen columns is the same; if those of one of the three are
/// changed, the query fails.
#[test]
fn no_byte_of_another_column_is_read() {
    watched(|| {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let whole = spoilt(folder, &[]).collect_schema().unwrap();
        let names: Vec<&str> = whole.iter_names().map(PlSmallStr::as_str).collect();
        let others: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| !USED.contains(name))
            .collect();
        assert_eq!((names.len(), others.len()), (19, 16));
        // Miles per minute, by airport; failures have row numbers.
        let speeds = |lf: LazyFrame| {
            let call = lf
                .par_apply()
                .select(["distance", "air_time"])
                .names(["speed"]);
            call.rows(|miles: i64, minutes: i64| {
                refuse_unless(minutes > 0, "no time at all").map(|()| miles as f64 / minutes as f64)
            })
            .select([col("origin"), col("speed")])
        };
        let as_expression = |lf: LazyFrame| {
            let speed = rows(["distance", "air_time"]);
            let speed = speed.apply(|miles: i64, minutes: i64| miles as f64 / minutes as f64);
            lf.filter(rows(["origin"]).apply(|from: &str| from != "EWR"))
                .select([col("origin"), speed.alias("speed")])
        };
        let chunks = |lf: LazyFrame| {
            let call = lf.par_apply().select(USED).row_wise();
            call.chunks(|input: &Schema| input.clone(), |df: DataFrame| df)
        };
        let batches = |lf: LazyFrame| {
            let call = lf.par_apply().select(USED);
            stacked(call.batches(|df: DataFrame| df)).map_err(PolarsError::from)
        };
        for query in [speeds, as_expression, chunks] {
            let mut wanted = query(spoilt(folder, &[])).collect().unwrap();
            assert!(wanted.height() > 200_000);
            wanted.rechunk_mut();
            for engine in ENGINES {
                let out = collected(&query(spoilt(folder, &others)), engine).unwrap();
                assert!(out.equals_missing(&wanted));
                for column in USED {
                    let read = collected(&query(spoilt(folder, &[column])), engine);
                    assert!(
                        !read.is_ok_and(|out| out.equals_missing(&wanted)),
                        "{column}"
                    );
                }
            }
        }
        let wanted = batches(spoilt(folder, &[])).unwrap();
        assert!(
            batches(spoilt(folder, &others))
                .unwrap()
                .equals_missing(&wanted)
        );
        let read = batches(spoilt(folder, &["origin"]));
        assert!(!read.is_ok_and(|out| out.equals_missing(&wanted)));
    });
}
