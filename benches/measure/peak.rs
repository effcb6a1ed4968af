//! The most memory that a call has resident at once, beyond its input and its output.
//!
//! It is asked of the kernel (`VmHWM` of `/proc/self/status`, after `5` to `/proc/self/clear_refs` has set it back), in
//! a process of its own that does nothing else; so it counts whatever the call touches: buffers, stacks, code.

use std::process::Command;

use crate::groups::rows_f64::RowsF64;
use crate::groups::workers::Workers;

/// Makes this program the process that is measured.
const OPTION: &str = "--peak-of-rows-f64";

#[derive(Clone, Copy, Debug)]
pub(crate) struct Peaks {
    pub(crate) ours: Peak,
    pub(crate) by_hand: Peak,
}

/// Peak memory of several runs, in parts of the input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peak {
    pub(crate) worst: f64,
    pub(crate) best: f64,
}

/// Measures in three processes for each side; none where the system does not tell.
pub(crate) fn of_rows_f64(rows: usize) -> Option<Peaks> {
    Some(Peaks {
        ours: of_side("ours", rows)?,
        by_hand: of_side("by hand", rows)?,
    })
}

fn of_side(side: &str, rows: usize) -> Option<Peak> {
    let run = |_| {
        let program = std::env::current_exe().ok()?;
        let arguments = [OPTION, side, &rows.to_string()];
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
    let (Some(side), Some(rows)) = (arguments.next(), arguments.next()) else {
        return false;
    };
    let rows = rows.parse().expect("the parent process gives a number");
    if let Some(part) = measure(side == "ours", rows) {
        println!("{part}");
    }
    true
}

fn measure(ours: bool, rows: usize) -> Option<f64> {
    let case = RowsF64::new(rows);
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    let before = resident("VmRSS:")?;
    let peak = if ours {
        let output = case.ours(Workers::All);
        let peak = resident("VmHWM:")?;
        assert_eq!(output.len(), rows);
        peak
    } else {
        let output = case.fresh(Workers::All);
        let peak = resident("VmHWM:")?;
        assert_eq!(output.len(), rows);
        peak
    };
    let output = rows * size_of::<f64>();
    let input = 2 * output;
    Some((peak - before - output as f64) / input as f64)
}

/// Bytes, of a line such as `VmRSS:     1234 kB`.
fn resident(field: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}
