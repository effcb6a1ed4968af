//! The most memory that a call has resident at once.
//!
//! It is asked of the kernel (`VmHWM` of `/proc/self/status`, after `5` to `/proc/self/clear_refs` has set it back), in
//! a process of its own that does nothing else; so it counts whatever the call touches: buffers, stacks, code.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::process::Command;

use polars_par_apply::prelude::{CancelToken, Column, DataFrame, Engine};

use crate::groups::fold_rows::Words;
use crate::groups::keyed::{Keyed, Keys};
use crate::groups::pool::imap::ImapSum;
use crate::groups::pool::map::Cost;
use crate::groups::rows_f64::RowsF64;
use crate::groups::workers::Workers;

// The program as it is; nobody calls its `main`.
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/etl.rs"]
mod etl_program;

/// Makes this program the process that is measured.
const OPTION: &str = "--peak-of";

#[derive(Clone, Copy, Debug)]
pub(crate) struct Peaks {
    pub(crate) ours: Peak,
    pub(crate) by_hand: Peak,
}

/// Peak memory of several runs: of `rows_f64` beyond input and output, in parts of the input; of `imap` and of words
/// that are counted beyond what was there before the call, in bytes; of a sum of groups likewise, for each row; of the example
/// `etl` all of it, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peak {
    pub(crate) worst: f64,
    pub(crate) best: f64,
}

/// Measures in three processes for each side; none where the system does not tell.
pub(crate) fn of_rows_f64(rows: usize) -> Option<Peaks> {
    Some(Peaks {
        ours: of_call("rows_f64", rows)?,
        by_hand: of_call("rows_f64 by hand", rows)?,
    })
}

/// Measures in three processes for each side; none where the system does not tell.
pub(crate) fn of_words(rows: usize) -> Option<Peaks> {
    Some(Peaks {
        ours: of_call("words", rows)?,
        by_hand: of_call("words by hand", rows)?,
    })
}

/// Measures in three processes; none where the system does not tell.
pub(crate) fn of_imap(items: usize) -> Option<Peak> {
    of_call("imap", items)
}

/// Measures in three processes; none where the system does not tell.
pub(crate) fn of_groups(rows: usize) -> Option<Peak> {
    of_call("groups", rows)
}

/// Measures in three processes; none where the system does not tell.
pub(crate) fn of_etl(rows: usize) -> Option<Peak> {
    of_call("etl", rows)
}

fn of_call(call: &str, items: usize) -> Option<Peak> {
    let run = |_| {
        let program = std::env::current_exe().ok()?;
        let arguments = [OPTION, call, &items.to_string()];
        let output = Command::new(program).args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    let runs: Vec<f64> = (0..3).map(run).collect::<Option<_>>()?;
    Some(Peak {
        worst: runs.iter().copied().fold(f64::MIN, f64::max),
        best: runs.iter().copied().fold(f64::MAX, f64::min),
    })
}

/// In the process that is measured: prints what was asked for and says so.
pub(crate) fn print_if_asked() -> bool {
    let mut arguments = std::env::args()
        .skip_while(|argument| argument != OPTION)
        .skip(1);
    let (Some(call), Some(items)) = (arguments.next(), arguments.next()) else {
        return false;
    };
    let items = items.parse().expect("the parent process gives a number");
    let peak = match call.as_str() {
        "imap" => imap(items),
        "etl" => etl(items),
        "groups" => sums_of_groups(items),
        "words" | "words by hand" => words(call == "words", items),
        call => rows_f64(call == "rows_f64", items),
    };
    if let Some(peak) = peak {
        println!("{peak}");
    }
    true
}

fn rows_f64(ours: bool, rows: usize) -> Option<f64> {
    let case = RowsF64::new(rows);
    let peak = if ours {
        beyond(|| case.ours(Workers::All), Column::len)
    } else {
        beyond(|| case.fresh(Workers::All), Vec::len)
    };
    let (peak, len) = peak?;
    assert_eq!(len, rows);
    let output = rows * size_of::<f64>();
    let input = 2 * output;
    Some((peak - output as f64) / input as f64)
}

/// In bytes for each row.
fn sums_of_groups(rows: usize) -> Option<f64> {
    let case = Keyed::new(Keys::Integers, rows, 10_000);
    let (peak, _) = beyond(|| case.sum(Workers::All), DataFrame::height)?;
    Some(peak / rows as f64)
}

fn words(ours: bool, rows: usize) -> Option<f64> {
    let case = Words::new(rows);
    let (peak, _) = match ours {
        true => beyond(|| case.ours(Workers::All), HashMap::len),
        false => beyond(|| case.by_rayon(Workers::All), HashMap::len),
    }?;
    Some(peak)
}

fn imap(items: usize) -> Option<f64> {
    let case = ImapSum::new(items);
    let (peak, _) = beyond(|| case.ours(Cost::Short), |sum| *sum)?;
    Some(peak)
}

fn etl(rows: usize) -> Option<f64> {
    let data = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../data"));
    let folder = tempfile::tempdir().expect("a folder can be made");
    let output = folder.path().join("etl.parquet");
    let (engine, token) = (Engine::Streaming, CancelToken::new());
    etl_program::run(data, rows, engine, &output, &token, &mut io::sink())
        .expect("the flights are as they were");
    resident("VmHWM:")
}

/// Bytes beyond what was there before the call, and what is to be seen of its output.
fn beyond<O, S>(call: impl FnOnce() -> O, see: impl FnOnce(&O) -> S) -> Option<(f64, S)> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    let before = resident("VmRSS:")?;
    let output = call();
    let peak = resident("VmHWM:")?;
    Some((peak - before, see(&output)))
}

/// Bytes, of a line such as `VmRSS:     1234 kB`.
fn resident(field: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}
