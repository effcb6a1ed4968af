//! Scripts that run at the same time: their exit codes and their output, in the order in which they were given.
//!
//! `cargo run --example run_scripts`
//!
//! The example runs the three scripts of `examples/scripts` with `sh`. Each takes a second, and one fails. A script that
//! fails gives a result like the others; only a script that cannot be run at all is an error.
//!
//! ```text
//! fetch.sh: exit code 0
//!   3 files fetched
//! check.sh: exit code 3
//!   2 tables checked
//!   stderr: row 17 of the third has no date
//! pack.sh: exit code 0
//!   1 archive written
//! failed: check.sh
//! all three took TIME
//! ```

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use anyhow::Context;
use polars_par_apply::prelude::*;

const SCRIPTS: [&str; 3] = ["fetch.sh", "check.sh", "pack.sh"];

/// Runs the example on the scripts of a folder and prints to `out`.
pub fn run(folder: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    // A worker only waits for its script, so there are as many workers as scripts, whatever the number of cores.
    let pool = Pool::new(SCRIPTS.len())?;

    let start = Instant::now();
    let outputs: Vec<Output> = pool.map(SCRIPTS, |script| {
        let command = Command::new("sh").arg(folder.join(script)).output();
        command.with_context(|| format!("cannot run sh for {script}"))
    })?;
    let time = start.elapsed();

    let mut failed = Vec::new();
    for (script, output) in SCRIPTS.into_iter().zip(outputs) {
        match output.status.code() {
            Some(code) => writeln!(out, "{script}: exit code {code}")?,
            None => writeln!(out, "{script}: ended by a signal")?,
        }
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            writeln!(out, "  {line}")?;
        }
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            writeln!(out, "  stderr: {line}")?;
        }
        if !output.status.success() {
            failed.push(script);
        }
    }
    writeln!(out, "failed: {}", failed.join(", "))?;
    writeln!(out, "all three took {time:.1?}")?;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scripts");
    run(&folder, &mut io::stdout().lock())
}
