//! The time of a call on a cluster, compared with that of the same call on one machine:
//! `cargo bench --manifest-path cluster/Cargo.toml -- [WORDS…] [--rounds=N]`.
//!
//! | word | what is measured |
//! |---|---|
//! | `small` | a job of two rows, on a cluster that is already running |
//! | `files` | 10 million rows of 40 Parquet files, and 40 million, written to files by two executors of one thread; compared with the streaming engine on the same two cores |
//! | `collect` | the same 10 million rows, collected as one frame |
//! | `slow` | a function that takes some microseconds for each row: where a cluster breaks even |
//! | `kill` | what it costs if one executor is killed, with a timeout of 3 s |
//! | `scale` | messages and bytes on the loopback device for each part, with 2, 4 and 8 executors |
//!
//! The two sides are called in turn, and their medians are compared. The processes of the cluster run this program.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use polars_par_apply::Registry;
use polars_par_apply::prelude::*;
use polars_par_apply_cluster::{Cluster, LocalCluster, run_if_role};

fn registry() -> Registry {
    Registry::new()
        .rows("hypot", f64::hypot)
        .rows("slow", |x: f64, y: f64| {
            // This takes about four microseconds.
            (0..400).fold(x, |sum, step| (sum + y / f64::from(step + 1)).sin())
        })
        .rows("sleep", |x: i64| {
            std::thread::sleep(Duration::from_millis(x as u64));
            x
        })
}

const WORDS: [&str; 6] = ["small", "files", "collect", "slow", "kill", "scale"];
const FILES: usize = 40;
const ROWS_IN_A_FILE: usize = 250_000;

fn main() -> ExitCode {
    if let Some(ended) = run_if_role(registry()) {
        return ended;
    }
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let rounds = arguments
        .iter()
        .find_map(|word| word.strip_prefix("--rounds=")?.parse().ok());
    let rounds: usize = rounds.unwrap_or(5);
    let words: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|word| !word.starts_with("--"))
        .collect();
    if let Some(unknown) = words.iter().find(|word| !WORDS.contains(word)) {
        eprintln!("there is no {unknown:?}; there are {WORDS:?}");
        return ExitCode::FAILURE;
    }
    let wanted = |word: &str| words.is_empty() || words.contains(&word);
    let folder = tempfile::tempdir().unwrap();
    if wanted("small") {
        small(rounds * 10);
    }
    if wanted("files") || wanted("collect") || wanted("slow") {
        large(folder.path(), rounds, &wanted);
    }
    if wanted("kill") {
        kill(folder.path(), rounds);
    }
    if wanted("scale") {
        scale();
    }
    ExitCode::SUCCESS
}

fn started(executors: usize, threads: usize) -> (LocalCluster, Cluster) {
    let processes = LocalCluster::builder()
        .executors(executors)
        .threads(threads);
    let mut processes = processes
        .executor_timeout(Duration::from_secs(3))
        .start()
        .unwrap();
    let cluster = processes.connect().unwrap();
    (processes, cluster)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn timed<T>(call: impl FnOnce() -> T) -> Duration {
    let began = Instant::now();
    std::hint::black_box(call());
    began.elapsed()
}

fn small(rounds: usize) {
    let (_processes, cluster) = started(2, 1);
    let hypot = registry().get("hypot").unwrap();
    let frame = df!["x" => [3.0, 6.0], "y" => [4.0, 8.0]].unwrap();
    let call = || cluster.of(&frame).call(&hypot).collect().unwrap();
    call();
    let times: Vec<Duration> = (0..rounds).map(|_| timed(call)).collect();
    let longest = times.iter().max().copied().unwrap_or_default();
    println!(
        "small: a job of two rows takes {:.1?}, and {longest:.1?} at most, of {rounds}",
        median(times)
    );
}

/// Writes files of two numbers and five more columns.
fn write_files(folder: &Path, files: usize) -> PathBuf {
    let path = folder.join(format!("in-{files}"));
    std::fs::create_dir(&path).unwrap();
    for file in 0..files {
        let ids = (0..ROWS_IN_A_FILE).map(|row| (file * ROWS_IN_A_FILE + row) as i64);
        let of = |by: f64| -> Vec<f64> {
            ids.clone()
                .map(|id| ((id % 10_007) as f64 * by).sin())
                .collect()
        };
        let mut frame = df![
            "id" => ids.clone().collect::<Vec<i64>>(),
            "x" => of(0.1),
            "y" => of(0.7),
            "a" => of(1.3),
            "b" => of(2.9),
            "n" => ids.clone().map(|id| id % 100).collect::<Vec<i64>>(),
            "text" => ids.map(|id| format!("row {}", id % 1000)).collect::<Vec<String>>(),
        ]
        .unwrap();
        let file = std::fs::File::create(path.join(format!("{file:03}.parquet"))).unwrap();
        ParquetWriter::new(file).finish(&mut frame).unwrap();
    }
    path
}

/// Does the same in the streaming engine of this process, from files to a file.
fn locally(from: &Path, to: &Path, function: &str) {
    let function = registry().get(function).unwrap();
    let frame = LazyFrame::scan_parquet(from.to_string_lossy().as_ref().into(), Default::default());
    let call = frame.unwrap().par_apply().select(["x", "y"]).names(["out"]);
    let target = SinkTarget::Path(to.to_string_lossy().as_ref().into());
    let sink = SinkDestination::File { target };
    let written = call.call(&function).sink(
        sink,
        FileWriteFormat::Parquet(Default::default()),
        UnifiedSinkArgs::default(),
    );
    written
        .unwrap()
        .collect_with_engine(Engine::Streaming)
        .unwrap();
}

fn on_cluster(cluster: &Cluster, from: &Path, to: &Path, function: &str) {
    let function = registry().get(function).unwrap();
    let call = cluster.scan_parquet(from).select(["x", "y"]).names(["out"]);
    call.call(&function).sink_parquet(to).unwrap();
    std::fs::remove_dir_all(to).unwrap();
}

fn large(folder: &Path, rounds: usize, wanted: &dyn Fn(&str) -> bool) {
    let (_processes, cluster) = started(2, 1);
    let from = write_files(folder, FILES);
    let (alone, together) = (folder.join("alone.parquet"), folder.join("together"));
    let compare = |what: &str, function: &str, from: &Path| {
        let mut times = (Vec::new(), Vec::new());
        for round in 0..=rounds {
            let one = timed(|| locally(from, &alone, function));
            let many = timed(|| on_cluster(&cluster, from, &together, function));
            if round > 0 {
                times.0.push(one);
                times.1.push(many);
            }
        }
        let (one, many) = (median(times.0), median(times.1));
        println!(
            "{what}: one machine {one:.2?}, the cluster {many:.2?}: {:.2}",
            many.as_secs_f64() / one.as_secs_f64()
        );
        many
    };
    if wanted("files") {
        let ten = compare(
            "files: 10 million rows of 40 files to files",
            "hypot",
            &from,
        );
        let from = write_files(folder, 4 * FILES);
        let forty = compare(
            "files: 40 million rows of 160 files to files",
            "hypot",
            &from,
        );
        println!(
            "files: 40 million against 10 million rows on the cluster: {:.2}",
            forty.as_secs_f64() / ten.as_secs_f64()
        );
        std::fs::remove_dir_all(&from).unwrap();
    }
    if wanted("slow") {
        compare("slow: 10 million rows, of microseconds each", "slow", &from);
    }
    if wanted("collect") {
        let hypot = registry().get("hypot").unwrap();
        let mut times = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let frame = || {
                LazyFrame::scan_parquet(from.to_string_lossy().as_ref().into(), Default::default())
                    .unwrap()
            };
            times.0.push(timed(|| {
                let call = frame().par_apply().select(["x", "y"]).names(["out"]);
                call.call(&hypot)
                    .collect_with_engine(Engine::Streaming)
                    .unwrap()
            }));
            times.1.push(timed(|| {
                let call = cluster
                    .scan_parquet(from.as_path())
                    .select(["x", "y"])
                    .names(["out"]);
                call.call(&hypot).collect().unwrap()
            }));
        }
        let (one, many) = (median(times.0), median(times.1));
        println!(
            "collect: 10 million rows as a frame: one machine {one:.2?}, the cluster {many:.2?}: {:.2}",
            many.as_secs_f64() / one.as_secs_f64()
        );
    }
}

fn kill(folder: &Path, rounds: usize) {
    let (mut processes, cluster) = started(2, 1);
    let sleep = registry().get("sleep").unwrap();
    // 40 parts of 100 ms.
    let frame = df!["x" => vec![100i64; 40]].unwrap();
    let to = folder.join("killed");
    let call = |cluster: &Cluster, to: &Path| {
        let call = cluster.of(&frame).chunk_rows(1).call(&sleep);
        call.sink_parquet(to).unwrap();
        std::fs::remove_dir_all(to).unwrap();
    };
    call(&cluster, &to);
    let peace = timed(|| call(&cluster, &to));
    let costs: Vec<Duration> = (0..rounds)
        .map(|_| {
            let took = std::thread::scope(|scope| {
                let job = scope.spawn(|| timed(|| call(&cluster, &to)));
                std::thread::sleep(peace / 2);
                processes.kill_executor(0).unwrap();
                job.join().unwrap()
            });
            processes.add_executor().unwrap();
            std::thread::sleep(Duration::from_secs(5));
            took.saturating_sub(peace)
        })
        .collect();
    let longest = costs.iter().max().copied().unwrap_or_default();
    println!(
        "kill: {peace:.1?} in peace; a kill costs {:.1?}, and {longest:.1?} at most, of {rounds}",
        median(costs)
    );
}

/// Returns the bytes and packets that the loopback device has sent so far.
fn sent() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/net/dev").ok()?;
    let line = text
        .lines()
        .find(|line| line.trim_start().starts_with("lo:"))?;
    let numbers: Vec<u64> = line
        .split_once(':')?
        .1
        .split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect();
    Some((*numbers.first()?, *numbers.get(1)?))
}

fn scale() {
    let Some(_) = sent() else {
        println!("scale: this system does not count what the loopback device sends");
        return;
    };
    println!(
        "scale: executors, parts, seconds, packets and bytes a part, packets a second without a job"
    );
    for executors in [2, 4, 8] {
        let (_processes, cluster) = started(executors, 1);
        let hypot = registry().get("hypot").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let job = |parts: usize, to: &str| {
            let rows: Vec<f64> = vec![1.0; parts];
            let frame = df!["x" => &rows, "y" => &rows].unwrap();
            let call = cluster.of(&frame).chunk_rows(1).call(&hypot);
            let (bytes, packets) = sent().unwrap();
            let took = timed(|| call.sink_parquet(folder.path().join(to)).unwrap());
            let (bytes_after, packets_after) = sent().unwrap();
            (took, packets_after - packets, bytes_after - bytes)
        };
        job(10, "first");
        let (_, before) = sent().unwrap();
        std::thread::sleep(Duration::from_secs(5));
        let idle = (sent().unwrap().1 - before) / 5;
        for parts in [10, 100, 1000, 4000] {
            let (took, packets, bytes) = job(parts, &parts.to_string());
            println!(
                "scale: {executors}, {parts}, {:.2}, {}, {}, {idle}",
                took.as_secs_f64(),
                packets / parts as u64,
                bytes / parts as u64,
            );
        }
    }
}
