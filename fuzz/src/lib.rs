//! An oracle: from bytes it makes a frame and a call, and holds what the call gives against a plain loop over the frame's values.
//!
//! `CONTRIBUTING.md` says how it is run, and how a verb is added.

#![allow(missing_docs, reason = "it is no library for others")]

pub mod arguments;
pub mod arrow_data;
pub mod arrow_values;
pub mod call;
pub mod expect;
pub mod faults;
pub mod frame;
pub mod keys;
pub mod options;
pub mod results;
pub mod row_call;
pub mod span_call;
pub mod spans;
pub mod value;
pub mod verbs;
pub mod window;

use std::panic::{self, AssertUnwindSafe};
use std::process;
use std::sync::Once;

use arbitrary::Unstructured;

/// Runs the case that these bytes are a plan of.
///
/// Where the call gives what it is not to give, that and the case are printed, and the process is aborted.
pub fn run(data: &[u8]) {
    static QUIET: Once = Once::new();
    QUIET.call_once(be_quiet);
    let Ok(call) = verbs::Call::arbitrary(&mut Unstructured::new(data)) else {
        return;
    };
    if std::env::var_os("FUZZ_SHOW").is_some() {
        eprintln!("{call:#?}");
    }
    // A call that panics is a finding like others.
    let checked = panic::catch_unwind(AssertUnwindSafe(|| call.check()));
    let checked = checked.unwrap_or_else(|_| Err("it panicked".to_owned()));
    if let Err(wrong) = checked {
        eprintln!("{wrong}\n\nof the case {call:#?}");
        // A panic would be aborted too, after a page of stack.
        process::abort();
    }
}

/// Leaves out of the panic hook what the closures panic with, and does not end the process by it, as that of libFuzzer would.
fn be_quiet() {
    panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or_default();
        if !message.starts_with(faults::PANIC) {
            eprintln!("{panic}");
        }
    }));
}
