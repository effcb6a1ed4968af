//! The example programs print what their documentation says.

// Programs that share a file.
#![allow(clippy::duplicate_mod)]

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use polars_par_apply::prelude::*;

// The programs are included as they are; nothing calls their `main`.
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/background_report.rs"]
mod background_report_program;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/carriers.rs"]
mod carriers_program;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/chunk_shapes.rs"]
mod chunk_shapes_program;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/common_items.rs"]
mod common_items_program;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/count_in_range.rs"]
mod count_in_range_program;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/etl.rs"]
mod etl_program;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/flights.rs"]
mod flights_program;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/hypotenuse.rs"]
mod hypotenuse_program;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/inherited_delay.rs"]
mod inherited_delay_program;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/long_run.rs"]
mod long_run_program;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/normalize_rows.rs"]
mod normalize_rows_program;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/pool_tour.rs"]
mod pool_tour_program;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/run_report.rs"]
mod run_report_program;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/run_scripts.rs"]
mod run_scripts_program;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/smooth.rs"]
mod smooth_program;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/sum_of_squares.rs"]
mod sum_of_squares_program;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/words.rs"]
mod words_program;

#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/totals.rs"]
mod totals_program;

/// Returns what a program prints.
fn printed(run: impl FnOnce(&mut Vec<u8>) -> anyhow::Result<()>) -> String {
    let mut out = Vec::new();
    run(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn hypotenuse() {
    let out = printed(hypotenuse_program::run);
    assert_eq!(out.trim(), "[9.43, 5.83, 5.0, 5.66, 11.4]");
}

#[test]
fn sum_of_squares() {
    let out = printed(sum_of_squares_program::run);
    assert_eq!(out.trim(), "[163, 147]");
}

#[test]
fn chunk_shapes() {
    let out = printed(chunk_shapes_program::run);
    let workers = Pool::default().workers();
    let first_line = format!("rows: 500, parts: {workers}");
    assert_eq!(out.lines().next(), Some(first_line.as_str()));
}

#[test]
fn count_in_range() {
    let out = printed(count_in_range_program::run);
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("[3, 3, 1, 1, 4, 1, 3, 2, 4, 2]"));
    assert!(lines.next().unwrap().starts_with("par_apply_rows: "));
    assert!(lines.next().unwrap().starts_with("plain loop: "));
}

#[test]
fn common_items() {
    let out = printed(common_items_program::run);
    assert_eq!(
        out,
        "[1, 2, 3] and [2, 3, 4, 5] share [2, 3]\n\
         [5, 6, 7, 8] and [6, 9, 10] share [6]\n\
         [10, 11, 12] and [11, 12, 13, 14] share [11, 12]\n\
         [20, 21] and [21, 24, 25] share [21]\n"
    );
}

#[test]
fn normalize_rows() {
    let out = printed(normalize_rows_program::run);
    assert_eq!(
        out,
        "[0.00, 0.33, 0.67, 1.00]\n\
         [0.00, 0.50, 0.67, 1.00]\n\
         [0.00, 0.33, 0.67, 1.00]\n\
         [0.00, 0.60, 0.80, 1.00]\n"
    );
}

/// The folder of the real data.
fn data() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../data"))
}

#[test]
fn words() {
    let out = printed(|out| words_program::run(data(), out));
    assert!(
        out.lines()
            .eq(said(include_str!("../../examples/words.rs"))),
        "{out}"
    );
}

/// Returns what a program prints according to its documentation.
fn said(program: &str) -> impl Iterator<Item = &str> {
    let lines = program
        .lines()
        .skip_while(|line| *line != "//! ```text")
        .skip(1);
    lines.map_while(|line| line.strip_prefix("//! ").filter(|line| *line != "```"))
}

/// A year of flights.
fn year() -> DataFrame {
    let file = std::fs::File::open(data().join("flights.parquet")).unwrap();
    ParquetReader::new(file).finish().unwrap()
}

#[test]
fn carriers() {
    let out = printed(|out| carriers_program::run(data(), out));
    assert!(
        out.lines()
            .eq(said(include_str!("../../examples/carriers.rs"))),
        "{out}"
    );
}

/// A flight's row, and its delay at the arrival.
type Arrival = (usize, Option<i64>);

/// The groups of `carriers` are those of a plain loop, in the order of their first flights.
#[test]
fn carriers_by_hand() {
    let flights = year();
    let text = |name: &str| flights.column(name).unwrap().str().unwrap();
    let number = |name: &str| flights.column(name).unwrap().i64().unwrap();
    let (months, departures, arrivals) =
        (number("month"), number("dep_delay"), number("arr_delay"));

    let mut keys: Vec<(&str, i64)> = Vec::new();
    let mut places = HashMap::new();
    let mut delays: Vec<Vec<(i64, i64)>> = Vec::new();
    let mut of_carrier: Vec<(&str, Vec<Arrival>)> = Vec::new();
    for (row, carrier) in text("carrier").iter().enumerate() {
        let key = (carrier.unwrap(), months.get(row).unwrap());
        let place = *places.entry(key).or_insert(keys.len());
        if place == keys.len() {
            keys.push(key);
            delays.push(Vec::new());
        }
        if let (Some(departure), Some(arrival)) = (departures.get(row), arrivals.get(row)) {
            delays[place].push((departure, arrival));
        }
        if !of_carrier.iter().any(|(carrier, _)| *carrier == key.0) {
            of_carrier.push((key.0, Vec::new()));
        }
        let own = of_carrier.iter_mut().find(|(carrier, _)| *carrier == key.0);
        own.unwrap().1.push((row, arrivals.get(row)));
    }

    let slopes = carriers_program::slopes(&flights).unwrap();
    assert_eq!(
        slopes.get_column_names(),
        ["carrier", "month", "flights", "slope"]
    );
    assert_eq!(slopes.height(), keys.len());
    for (group, key) in keys.iter().enumerate() {
        let is = slopes.get_row(group).unwrap().0;
        let count = delays[group].len() as u64;
        let slope = carriers_program::slope(delays[group].iter().copied());
        let slope = slope.map_or(AnyValue::Null, AnyValue::Float64);
        assert_eq!(is[..2], [AnyValue::String(key.0), AnyValue::Int64(key.1)]);
        assert_eq!(is[2..], [AnyValue::UInt64(count), slope]);
    }

    // The latest flights; of equal delays, the first. Flights that did not arrive come last.
    let latest = carriers_program::latest(&flights).unwrap();
    let mut rows = Vec::new();
    for (_, own) in &mut of_carrier {
        own.sort_by_key(|(_, delay)| std::cmp::Reverse(*delay));
        rows.extend(own.iter().take(3).map(|(row, _)| *row as IdxSize));
    }
    let names = latest.get_column_names_owned();
    assert_eq!(
        names,
        [
            "carrier",
            "month",
            "day",
            "flight",
            "origin",
            "dest",
            "arr_delay"
        ]
    );
    let by_hand = flights.select(names).unwrap();
    let by_hand = by_hand.take(&IdxCa::from_vec("".into(), rows)).unwrap();
    assert!(latest.equals_missing(&by_hand), "{latest} {by_hand}");
}

/// The slope of points on a line is that of the line, even if some points are far from it.
#[test]
fn carriers_slope() {
    let line = |x: i64| (x, 3 * x - 7);
    assert_eq!(carriers_program::slope((0..11).map(line)), Some(3.0));
    let far = (0..40).map(|x| if x % 9 == 0 { (x, 100_000) } else { line(x) });
    assert_eq!(carriers_program::slope(far), Some(3.0));
    // 1 is paired with 3, 2 with 4.
    assert_eq!(
        carriers_program::slope([(4, 9), (3, 4), (1, 0), (2, 1)]),
        Some(3.0)
    );
    assert_eq!(carriers_program::slope([(5, 1), (5, 2)]), None);
    assert_eq!(carriers_program::slope([(5, 1)]), None);
}

/// The program compares its windows with a plain loop itself.
#[test]
fn inherited_delay() {
    let out = printed(|out| inherited_delay_program::run(data(), out));
    assert!(
        out.lines()
            .eq(said(include_str!("../../examples/inherited_delay.rs"))),
        "{out}"
    );
}

#[test]
fn long_run() {
    let token = CancelToken::new();
    let out = printed(|out| long_run_program::run(data(), 1, None, &token, out));
    assert_eq!(
        out,
        "rows done: 336776 of 336776\n\
         five hours behind: 113955\n\
         four hours behind: 222818\n\
         no result: 3\n\
         row 1000: \"2013-01-02T??:00:00Z\": input contains invalid characters\n\
         row 100000: \"\": premature end of input\n\
         and 1 more\n"
    );
}

#[test]
fn long_run_stopped_before_its_first_row() {
    const NOTHING: &str = "rows done: 0 of 336776, stopped\n\
                           five hours behind: 0\n\
                           four hours behind: 0\n\
                           no result: 0\n";
    let token = CancelToken::new();
    let late = Some(Duration::ZERO);
    let out = printed(|out| long_run_program::run(data(), 1, late, &token, out));
    assert_eq!(out, NOTHING);

    token.cancel();
    let out = printed(|out| long_run_program::run(data(), 1, None, &token, out));
    assert_eq!(out, NOTHING);
}

#[test]
fn flights() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flights_graded.parquet");
    let out = printed(|out| flights_program::run(data(), &file, out));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(
        lines[..9],
        [
            "flights: 336776 rows",
            "scheduled: 2013-01-01 10:00:00 to 2014-01-01 04:00:00 UTC",
            "without coordinates: 7602",
            "worst relative difference from `distance`: 2.53 % (EWR-LGA, 16.57 for 17 miles)",
            "cancelled: 8255",
            "no arrival: 1175",
            "on time: 247246",
            "late: 51783",
            "very late: 28317",
        ]
    );
    assert_eq!(lines[9], format!("written: {}", file.display()));

    let written = ParquetReader::new(std::fs::File::open(&file).unwrap())
        .finish()
        .unwrap();
    assert_eq!(written.height(), 336_776);
    let grades = written.column("grade").unwrap();
    assert_eq!(grades.null_count(), 0);
}

/// Runs `etl` over the flights of a folder, and returns what it prints and the file that it writes.
fn etl_of(data: &Path, rows: usize, engine: Engine, folder: &Path) -> anyhow::Result<String> {
    etl_with(&CancelToken::new(), data, rows, engine, folder)
}

fn etl_with(
    token: &CancelToken,
    data: &Path,
    rows: usize,
    engine: Engine,
    folder: &Path,
) -> anyhow::Result<String> {
    let file = folder.join("by_month.parquet");
    let mut out = Vec::new();
    etl_program::run(data, rows, engine, &file, token, &mut out)?;
    let out = String::from_utf8(out)?;
    let (results, written) = out.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(written, format!("written: {}", file.display()));
    Ok(results.to_owned())
}

#[test]
fn etl() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for engine in [Engine::Streaming, Engine::InMemory] {
        // The known answers of `data/README.md`, and what the example `flights` finds.
        let year = etl_of(data(), 336_776, engine, folder).unwrap();
        assert_eq!(
            year,
            "rows: 336776\n\
             carriers and months: 185\n\
             scheduled: 2013-01-01 10:00:00 to 2014-01-01 04:00:00 UTC\n\
             great-circle miles: 337625525\n\
             without coordinates: 7602\n\
             cancelled: 8255\n\
             no arrival: 1175\n\
             on time: 247246\n\
             late: 51783\n\
             very late: 28317"
        );
        let twice = etl_of(data(), 2 * 336_776, engine, folder).unwrap();
        assert!(twice.contains("rows: 673552\n") && twice.contains("cancelled: 16510\n"));
        // Only the first days of January.
        let few = etl_of(data(), 1000, engine, folder).unwrap();
        assert!(few.starts_with("rows: 1000\n"), "{few}");
        let none = etl_of(data(), 0, engine, folder).unwrap();
        assert!(
            none.starts_with("rows: 0\ncarriers and months: 0\n"),
            "{none}"
        );
    }
}

/// A text that is not a time makes it fail with the row's number, and no file is left.
#[test]
fn etl_that_fails() {
    let (spoilt, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (spoilt, folder) = (spoilt.path(), folder.path());
    std::fs::copy(data().join("airports.csv"), spoilt.join("airports.csv")).unwrap();
    let year = std::fs::File::open(data().join("flights.parquet")).unwrap();
    let mut year = ParquetReader::new(year).finish().unwrap();
    let texts = year.column("time_hour").unwrap().str().unwrap();
    let texts = texts.scatter_single([200_000], Some("soon")).unwrap();
    year.with_column(texts.into_column()).unwrap();
    let file = std::fs::File::create(spoilt.join("flights.parquet")).unwrap();
    ParquetWriter::new(file).finish(&mut year).unwrap();
    for engine in [Engine::Streaming, Engine::InMemory] {
        let said = etl_of(spoilt, 336_776, engine, folder).unwrap_err();
        assert!(
            said.to_string()
                .starts_with("row 200000: the closure returned an error: "),
            "{said}"
        );
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);

        let token = CancelToken::new();
        token.cancel();
        let said = etl_with(&token, data(), 336_776, engine, folder).unwrap_err();
        assert!(
            said.to_string().contains("the call was cancelled"),
            "{said}"
        );
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    }
}

#[test]
fn smooth() {
    let out = printed(|out| smooth_program::run(data(), out));
    assert_eq!(
        out,
        "flights: 336776 in 34 parts\n\
         without a median: 2373\n\
         latest: 334.0 minutes, around row 174544\n\
         as over the whole: true\n"
    );
}

#[test]
fn totals() {
    let grouped = year().lazy().group_by([col("carrier")]).agg([
        len().cast(DataType::UInt64).alias("flights"),
        col("distance").sum(),
        col("arr_delay")
            .count()
            .cast(DataType::UInt64)
            .alias("arrived"),
        col("arr_delay").sum(),
        col("arr_delay").mean().alias("late"),
    ]);
    let grouped = grouped.sort(["carrier"], SortMultipleOptions::default());
    let grouped = grouped.collect().unwrap();
    let out = printed(|out| totals_program::run(data(), out));
    let lines = grouped.par_apply().rows(
        |carrier: &str, flights: u64, miles: i64, _: u64, _: i64, late: f64| {
            format!("{carrier}: {flights} flights, {miles} miles, {late:.1} minutes late")
        },
    );
    let lines = lines.unwrap();
    assert!(lines.str().unwrap().no_null_iter().eq(out.lines()), "{out}");
    assert_eq!(out.lines().count(), 16);
    assert!(
        out.starts_with("9E: 18460 flights, 9788152 miles, 7.4 minutes late\n"),
        "{out}"
    );
}

#[test]
fn pool_tour() {
    // A tenth of the rows, since three of the methods go to a worker and back for each row.
    let out = printed(|out| pool_tour_program::run(20_000, out));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "[3, 3, 1, 1, 4, 1, 3, 2, 4, 2]");
    let ways = [
        "plain loop ",
        "apply, row by row ",
        "map ",
        "starmap ",
        "apply_async with a callback ",
        "apply_async and get ",
        "starmap_async ",
    ];
    assert_eq!(lines.len(), 1 + ways.len() + 1);
    for (line, way) in lines[1..].iter().zip(ways) {
        assert!(line.starts_with(way), "{line}");
    }
    assert_eq!(lines.last(), Some(&"all equal"));
}

#[test]
#[cfg(unix)]
fn run_scripts() {
    let scripts = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/scripts"));
    let out = printed(|out| run_scripts_program::run(scripts, out));
    let (results, time) = out.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(
        results,
        "fetch.sh: exit code 0\n  \
           3 files fetched\n\
         check.sh: exit code 3\n  \
           2 tables checked\n  \
           stderr: row 17 of the third has no date\n\
         pack.sh: exit code 0\n  \
           1 archive written\n\
         failed: check.sh"
    );
    assert!(time.starts_with("all three took "));
}

#[test]
fn background_report() {
    let out = printed(background_report_program::run);
    let lines: Vec<&str> = out.lines().collect();
    let [reports @ .., cancelled, kept] = lines.as_slice() else {
        panic!("{out}");
    };
    let done = |report: &str| -> usize {
        let (done, rest) = report.split_once(" of 100000 rows, ").unwrap();
        assert!(rest.ends_with(" primes"));
        done.parse().unwrap()
    };
    assert!(reports.is_sorted_by_key(|report| done(report)));
    let seen = done(reports.last().unwrap());
    assert_eq!(*cancelled, "cancelled: true");
    let (rows, _) = kept
        .strip_prefix("kept: ")
        .unwrap()
        .split_once(" rows, the last of them row ")
        .unwrap();
    let rows: usize = rows.parse().unwrap();
    assert!((1_000..100_000).contains(&seen) && (seen..100_000).contains(&rows));
}

#[test]
fn run_report() {
    let report = Report::new("names");
    let (spelt, alike, stats) = run_report_program::run(data(), &report).unwrap();
    assert_eq!((spelt, alike, stats.failures), (330_000, 6_762, 14));
    assert!(report.to_svg().unwrap().contains("no airport is called"));
}
