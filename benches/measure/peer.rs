//! Programs in other languages that do the same: they time themselves, and print what came out.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::race::Times;

/// One way in which a peer does it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) way: String,
    pub(crate) times: Times,
    pub(crate) checksum: u64,
}

/// Runs a Python program of `peers/`; none where there is no Python, or it fails, which is on the terminal then.
///
/// It prints a line for each way: its name, the median and the least time in seconds, and the checksum.
pub(crate) fn of_python(program: &str, arguments: &[usize]) -> Option<Vec<Peer>> {
    let output = Command::new("python3")
        .arg(format!("{}/peers/{program}.py", env!("CARGO_MANIFEST_DIR")))
        .args(arguments.iter().map(usize::to_string))
        .stderr(Stdio::inherit())
        .output()
        .ok()?;
    if !output.status.success() {
        return None;
    }
    String::from_utf8(output.stdout)
        .ok()?
        .lines()
        .map(peer)
        .collect()
}

fn peer(line: &str) -> Option<Peer> {
    let mut words = line.split_whitespace();
    let way = words.next()?.to_owned();
    let [median, fastest] = [words.next()?, words.next()?].map(|word| word.parse().ok());
    Some(Peer {
        way,
        times: Times {
            median: Duration::try_from_secs_f64(median?).ok()?,
            fastest: Duration::try_from_secs_f64(fastest?).ok()?,
        },
        checksum: words.next()?.parse().ok()?,
    })
}
