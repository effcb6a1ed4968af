//! The laws of `polars-par-apply-cluster`.
//!
//! Each law starts the processes that it needs. They run this same program in the roles of a cluster, and end with it, in whatever way it
//! ends.
//!
//! | law | checked by |
//! |---|---|
//! | a call on a cluster gives the same as on one machine | `equal` |
//! | every dtype is kept | `dtypes` |
//! | errors have the row's number in the whole input; a call that cannot be followed is refused before anything is run | `faults` |
//! | if a process dies, freezes or starts late, the call takes longer, and no row is lost | `losses` |
//! | the files of a sink are complete, exist once, and are those of one call | `sinks` |
//! | calls can be cancelled, can have a deadline, and can be made at the same time | `control` |
//! | certificates and tokens are required | `security` |

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

/// After this time the laws are ended, with their processes, even if a wait never ends.
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
    // Each law has its own processes.
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

/// Makes trials of functions, with their names.
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
