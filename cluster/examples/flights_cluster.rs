//! All flights out of New York's three airports in 2013, on a cluster of processes, one of which is killed during the run.
//!
//! `cargo run --manifest-path cluster/Cargo.toml --example flights_cluster`
//!
//! The example starts a scheduler and two executors as child processes, cuts the flights into files, and runs two functions by name: the
//! great-circle distance of each flight, and its grade. While the second call runs, it kills one executor, as if its machine had
//! failed. The other executor runs the lost parts again. The output is compared with that of one machine:
//!
//! ```text
//! executors: 2
//! files: 34
//! flights: 336776 rows, equal to local: yes
//! killed: executor 4242, when 5 of 34 parts were done
//! cost of the kill: 4.1 s
//! ```

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use polars_par_apply::Registry;
use polars_par_apply::prelude::*;
use polars_par_apply_cluster::{Cluster, ClusterTick, LocalCluster, run_if_role};

/// A place: latitude and longitude in degrees.
type Place = (f64, f64);

/// The great-circle distance of two places in statute miles, by the haversine formula (R. W. Sinnott, "Virtues of the Haversine",
/// Sky and Telescope 68, 1984, p. 159).
fn great_circle((lat, lon): Place, (to_lat, to_lon): Place) -> f64 {
    const EARTH_RADIUS: f64 = 3958.76;
    let haversine = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
    let cosines = lat.to_radians().cos() * to_lat.to_radians().cos();
    let h = haversine(lat, to_lat) + cosines * haversine(lon, to_lon);
    2.0 * EARTH_RADIUS * h.sqrt().asin()
}

/// Grades a flight by its delays in minutes. They are null if the flight did not leave, or did not arrive.
fn grade(departure: Option<i64>, arrival: Option<i64>) -> &'static str {
    match (departure, arrival) {
        (None, _) => "cancelled",
        (_, None) => "no arrival",
        (_, Some(..15)) => "on time",
        (_, Some(15..60)) => "late",
        (_, Some(60..)) => "very late",
    }
}

/// The functions that every process has: the scheduler, the executors, and this driver.
fn registry() -> Registry {
    // This makes the run long enough to be interrupted: grading these flights takes almost no time.
    let slow_start = || {
        if std::env::var_os("FLIGHTS_SLOWLY").is_some() {
            std::thread::sleep(Duration::from_millis(150));
        }
    };
    Registry::new()
        .version("1")
        .rows(
            "great_circle",
            |lat: f64, lon: f64, to_lat: f64, to_lon: f64| {
                great_circle((lat, lon), (to_lat, to_lon))
            },
        )
        .function("grade")
        .state(slow_start)
        .rows(|_: &mut (), departure: Option<i64>, arrival: Option<i64>| grade(departure, arrival))
}

const ROWS_IN_A_FILE: usize = 10_000;

fn main() -> ExitCode {
    // The processes of the cluster run this program too.
    if let Some(ended) = run_if_role(registry()) {
        return ended;
    }
    match demonstrate() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demonstrate() -> anyhow::Result<()> {
    let data = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../data"));
    let folder = tempfile::tempdir()?;
    let flights = read(data)?;
    let files = folder.path().join("flights");
    std::fs::create_dir(&files)?;
    for (number, offset) in (0..flights.height()).step_by(ROWS_IN_A_FILE).enumerate() {
        let mut part = flights.slice(offset as i64, ROWS_IN_A_FILE);
        let file = File::create(files.join(format!("{number:03}.parquet")))?;
        ParquetWriter::new(file).finish(&mut part)?;
    }

    let mut processes = LocalCluster::builder()
        .executors(2)
        .executor_timeout(Duration::from_secs(3))
        .environment("FLIGHTS_SLOWLY", "1")
        .start()?;
    let cluster = processes.connect()?;
    println!("executors: {}", cluster.executors()?);

    // A function of rows adds columns, as in a query.
    let functions = registry();
    let distances = folder.path().join("distances");
    let written = cluster
        .scan_parquet(files.as_path())
        .select(PLACES)
        .names(["great_circle"])
        .call(&functions.get("great_circle")?)
        .sink_parquet(&distances)?;
    println!("files: {}", written.output.files.len());

    // The call is made once without a kill, to know what the kill costs, and once with it.
    let peaceful = Instant::now();
    graded(
        &cluster,
        &distances,
        &folder.path().join("in_peace"),
        |_| {},
    )?;
    let peaceful = peaceful.elapsed();

    let processes = Arc::new(Mutex::new(processes));
    let killed = Arc::new(Mutex::new(None));
    let output = folder.path().join("graded");
    let began = Instant::now();
    graded(&cluster, &distances, &output, {
        let (processes, killed) = (processes.clone(), killed.clone());
        move |tick: ClusterTick| {
            let mut killed = killed.lock().unwrap();
            if killed.is_none() && tick.parts_done >= 4 {
                let id = processes.lock().unwrap().kill_executor(0);
                *killed = Some((id, tick));
            }
        }
    })?;
    let took = began.elapsed();

    let expected = local(&flights)?;
    let found =
        LazyFrame::scan_parquet(output.to_string_lossy().as_ref().into(), Default::default())?;
    let found = found.collect()?;
    let equal = found.equals_missing(&expected);
    let said = if equal { "yes" } else { "no" };
    println!("flights: {} rows, equal to local: {said}", found.height());
    let killed = killed.lock().unwrap();
    let (id, tick) = killed.as_ref().context("no executor was killed")?;
    let id = id.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
    println!(
        "killed: executor {id}, when {} of {} parts were done",
        tick.parts_done, tick.parts
    );
    println!(
        "cost of the kill: {:.1} s",
        took.saturating_sub(peaceful).as_secs_f64()
    );
    ensure!(equal, "the cluster's output differs from the local one");
    Ok(())
}

const PLACES: [&str; 4] = ["origin_lat", "origin_lon", "dest_lat", "dest_lon"];
const DELAYS: [&str; 2] = ["dep_delay", "arr_delay"];

fn graded(
    cluster: &Cluster,
    from: &Path,
    to: &Path,
    progress: impl Fn(ClusterTick) + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let call = cluster.scan_parquet(from).select(DELAYS).names(["grade"]);
    let call = call.progress(progress).call(&registry().get("grade")?);
    call.sink_parquet(to)?;
    Ok(())
}

/// The same on one machine.
fn local(flights: &DataFrame) -> anyhow::Result<DataFrame> {
    let functions = registry();
    let call = flights.par_apply().select(PLACES).names(["great_circle"]);
    let distances = call.call_with_columns(&functions.get("great_circle")?)?;
    let call = distances.par_apply().select(DELAYS).names(["grade"]);
    Ok(call.call_with_columns(&functions.get("grade")?)?)
}

/// The flights, each with the places of its airports.
fn read(data: &Path) -> anyhow::Result<DataFrame> {
    let open =
        |name: &str| File::open(data.join(name)).with_context(|| format!("cannot read {name}"));
    let mut flights = ParquetReader::new(open("flights.parquet")?).finish()?;
    let airports = CsvReader::new(open("airports.csv")?).finish()?;
    for end in ["origin", "dest"] {
        let mut places = airports.select(["faa", "lat", "lon"])?;
        places.set_column_names(&[end, &format!("{end}_lat"), &format!("{end}_lon")])?;
        let mut left = JoinArgs::new(JoinType::Left);
        left.maintain_order = MaintainOrderJoin::Left;
        flights = flights.join(&places, [end], [end], left, None)?;
    }
    Ok(flights)
}
