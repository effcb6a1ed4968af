//! An oracle that makes a frame and a call from bytes, and compares the result with that of a plain loop over the frame's values.
//!
//! `CONTRIBUTING.md` says how to run it, and how to add a verb.

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

/// Runs the case that these bytes describe.
///
/// If the result is wrong, this prints what is wrong and the case, and aborts the process.
pub fn run(data: &[u8]) {
    static QUIET: Once = Once::new();
    QUIET.call_once(be_quiet);
    let Ok(call) = verbs::Call::arbitrary(&mut Unstructured::new(data)) else {
        return;
    };
    if std::env::var_os("FUZZ_SHOW").is_some() {
        eprintln!("{call:#?}");
    }
    // A call that panics is a finding like any other.
    let checked = panic::catch_unwind(AssertUnwindSafe(|| call.check()));
    let checked = checked.unwrap_or_else(|_| Err("it panicked".to_owned()));
    if let Err(wrong) = checked {
        eprintln!("{wrong}\n\nof the case {call:#?}");
        // A panic would also abort the process, but only after it had printed a long backtrace.
        process::abort();
    }
}

/// Sets a panic hook that ignores the panics of closures, and does not end the process, as the hook of libFuzzer would.
fn be_quiet() {
    panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or_default();
        if !message.starts_with(faults::PANIC) {
            eprintln!("{panic}");
        }
    }));
}
