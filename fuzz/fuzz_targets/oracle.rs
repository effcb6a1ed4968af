//! The oracle, for libFuzzer.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| polars_par_apply_fuzz::run(data));
