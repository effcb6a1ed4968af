//! The laws of `polars-par-apply-cluster`. Each starts the processes that it needs, which are this same program in the roles
//! of a cluster, and which end with it, however it ends.
//!
//! | law | guarded by |
//! |---|---|
//! | a call on a cluster gives what it gives on one machine | `equal` |
//! | every dtype comes back as it was | `dtypes` |
//! | errors name the row of the whole input; what cannot be followed is refused before anything is run | `faults` |
//! | a process that dies, freezes, or comes late costs time and never a row | `losses` |
//! | the files of a sink are whole, there once, and one call's | `sinks` |
//! | cancelled, late, several at once | `control` |
//! | certificates and tokens are asked for | `security` |

mod control;
mod dtypes;
mod equal;
mod faults;
mod functions;
mod losses;
mod machines;
mod security;
mod sinks;

use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};

/// However a wait goes wrong, the laws end, and their processes with them.
const LIMIT: Duration = Duration::from_secs(15 * 60);

fn main() -> ExitCode {
    if let Some(ended) = polars_par_apply_cluster::run_if_role(functions::registry()) {
        return ended;
    }
    std::thread::spawn(|| {
        std::thread::sleep(LIMIT);
        eprintln!("the laws took longer than {LIMIT:?}");
        std::process::exit(101);
    });
    let mut arguments = Arguments::from_args();
    // Each has processes of its own.
    arguments.test_threads.get_or_insert(2);
    let laws = [
        equal::laws(),
        dtypes::laws(),
        faults::laws(),
        sinks::laws(),
        control::laws(),
        losses::laws(),
        security::laws(),
    ];
    let trials = laws.into_iter().flatten().collect::<Vec<Trial>>();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Trials of functions, by their names.
#[macro_export]
macro_rules! laws {
    ($($law:ident)*) => {
        /// The laws of this file.
        pub(crate) fn laws() -> Vec<libtest_mimic::Trial> {
            let file = module_path!().rsplit("::").next().unwrap_or_default();
            vec![$(libtest_mimic::Trial::test(
                format!("{file}::{}", stringify!($law)),
                || {
                    $law();
                    Ok(())
                },
            )),*]
        }
    };
}
