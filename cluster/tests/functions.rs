//! The functions of the laws, which every process has.

use std::time::Duration;

use polars_par_apply::Registry;
use polars_par_apply::prelude::*;
use polars_par_apply::rand::RngExt;

/// The environment variable that makes a process another build.
pub(crate) const BUILD: &str = "CLUSTER_LAWS_BUILD";

pub(crate) fn registry() -> Registry {
    let build = std::env::var(BUILD).unwrap_or_default();
    let functions = match build.as_str() {
        "other_types" => {
            Registry::new().rows("hypot", |x: i64, y: i64| ((x * x + y * y) as f64).sqrt())
        }
        "without" => Registry::new(),
        _ => Registry::new().rows("hypot", f64::hypot),
    };
    let version = match build.as_str() {
        "other_version" => "2",
        _ => "1",
    };
    functions
        .version(version)
        .rows("parsed", |text: &str| text.parse::<i64>())
        .rows("several", |x: f64, text: &str| {
            (x.trunc() as i64, format!("{text}!"), text.starts_with('r'))
        })
        .rows("seen", |x: Option<f64>| x.map_or(-1.0, |x| x + 0.5))
        .filter_rows("large", |x: f64| x > 3.0)
        .flat_map_rows("letters", |text: &str| {
            text.chars().map(String::from).collect::<Vec<String>>()
        })
        .chunks(
            "same",
            |input: &Schema| input.clone(),
            |part: DataFrame| part,
        )
        .chunks(
            "height",
            |_: &Schema| Schema::from_iter([Field::new("rows".into(), DataType::UInt64)]),
            |part: DataFrame| df!["rows" => [part.height() as u64]],
        )
        .chunks(
            "other_schema",
            |_: &Schema| Schema::from_iter([Field::new("rows".into(), DataType::String)]),
            |part: DataFrame| df!["rows" => [part.height() as u64]],
        )
        .chunks(
            "bad_part",
            |input: &Schema| input.clone(),
            |part: DataFrame| -> anyhow::Result<DataFrame> {
                let first = part.column("id")?.i64()?.get(0);
                anyhow::ensure!(first != Some(20), "the part that begins with 20");
                Ok(part)
            },
        )
        .groups("total", |x: Values<'_, f64>| x.iter().sum::<f64>())
        .rows("panics", |x: i64| {
            assert!(x != 25, "x is 25");
            x
        })
        // Sleeps for `x` milliseconds.
        .rows("sleep", |x: i64| {
            std::thread::sleep(Duration::from_millis(x as u64));
            x
        })
        // Ends the process at the first row whose path is that of a file that does not exist yet.
        .rows("abort_once", |x: i64, path: &str| {
            if !path.is_empty() && std::fs::File::create_new(path).is_ok() {
                std::process::abort();
            }
            x
        })
        .rows("abort", |x: i64| {
            if x == 25 {
                std::process::abort();
            }
            x
        })
        .function("counted")
        .state(|| 0i64)
        .rows(|seen: &mut i64, x: i64| {
            *seen += 1;
            x + *seen - *seen
        })
        .function("random")
        .seeded()
        .rows(|rng: &mut RowRng, x: i64| x as f64 + rng.random_range(0.0..1.0))
        // Fails at the first attempt for each row in a process.
        .function("flaky")
        .state(std::collections::HashSet::<i64>::new)
        .rows(
            |seen: &mut std::collections::HashSet<i64>, x: i64| match seen.insert(x) {
                true => Err(anyhow::anyhow!("busy")),
                false => Ok(x),
            },
        )
}
