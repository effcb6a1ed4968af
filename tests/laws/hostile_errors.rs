//! A lazy call ends with an error, whatever the closure's error does when it is printed, asked for its cause, or dropped.

use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use polars_par_apply::Error;
use polars_par_apply::prelude::*;

use crate::engines::{ENGINES, collected};
use crate::frames::{counting, watched};

/// The bad behaviour of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Nothing,
    FailsToShow,
    FailsHalfWay,
    PanicsWhenShown,
    PanicsWhenDebugged,
    PanicsWhenAsked,
    PanicsWhenDropped,
    All,
}

const ALL: [Does; 8] = [
    Does::Nothing,
    Does::FailsToShow,
    Does::FailsHalfWay,
    Does::PanicsWhenShown,
    Does::PanicsWhenDebugged,
    Does::PanicsWhenAsked,
    Does::PanicsWhenDropped,
    Does::All,
];

struct Hostile(Does);

/// A panic whose payload panics when it is dropped.
struct Payload;

impl Drop for Payload {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("a payload that panics");
        }
    }
}

impl fmt::Debug for Hostile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Does::PanicsWhenDebugged | Does::All => panic!("when debugged"),
            _ => f.write_str("hostile"),
        }
    }
}

impl fmt::Display for Hostile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Does::FailsToShow => Err(fmt::Error),
            Does::FailsHalfWay => {
                f.write_str("hostile")?;
                Err(fmt::Error)
            }
            Does::PanicsWhenShown => panic!("when shown"),
            Does::All => std::panic::panic_any(Payload),
            _ => f.write_str("hostile"),
        }
    }
}

impl StdError for Hostile {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self.0 {
            Does::PanicsWhenAsked | Does::All => panic!("when asked for its cause"),
            _ => None,
        }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        match self.0 {
            Does::PanicsWhenDropped => panic!("when dropped"),
            Does::All => std::panic::panic_any(Payload),
            _ => {}
        }
    }
}

/// The call does not unwind, and its error has the message.
fn ends<T>(what: &str, call: impl FnOnce() -> Result<T, String>) {
    let ended = catch_unwind(AssertUnwindSafe(call));
    let Ok(ended) = ended.map_err(std::mem::forget) else {
        panic!("{what}: it unwinds");
    };
    let Err(said) = ended else {
        panic!("{what}: it ends well");
    };
    assert!(!said.is_empty(), "{what}");
}

/// Every row fails, or one in the middle.
fn fail(i: i64, does: Does, every: i64) -> Result<i64, Hostile> {
    match i % every == every - 1 {
        true => Err(Hostile(does)),
        false => Ok(i),
    }
}

macro_rules! fails {
    ($does:expr, $every:expr) => {{
        let (does, every) = ($does, $every);
        move |i: i64| fail(i, does, every)
    }};
}

/// Returns the message of an error of this crate. Dropping the error is up to the user.
fn said(error: Error) -> String {
    let said = format!("{error} {error:?} {error:#}");
    let _ = catch_unwind(AssertUnwindSafe(|| drop(error))).map_err(std::mem::forget);
    said
}

/// Its message can be made.
fn in_polars(error: PolarsError) -> String {
    error.to_string()
}

#[test]
fn a_query_ends_with_an_error() {
    watched(|| {
        for does in ALL {
            for every in [1, 10_000] {
                for engine in ENGINES {
                    let what = |verb: &str| format!("{verb}, {does:?}, {every}, {engine:?}");
                    let lf = || counting(60_000).lazy();
                    let query = |lf: LazyFrame| collected(&lf, engine).map_err(in_polars);
                    ends(&what("rows"), || {
                        query(lf().par_apply_rows(fails!(does, every)))
                    });
                    for numbered in [false, true] {
                        ends(&what("numbered"), || {
                            query(
                                lf().par_apply()
                                    .numbered(numbered)
                                    .rows(fails!(does, every)),
                            )
                        });
                    }
                    ends(&what("progress"), || {
                        query(lf().par_apply().progress(|_| ()).rows(fails!(does, every)))
                    });
                    ends(&what("expression"), || {
                        query(lf().select([rows(["i"]).apply(fails!(does, every))]))
                    });
                    ends(&what("filter"), || {
                        let f = fails!(does, every);
                        query(lf().filter(rows(["i"]).apply(move |i: i64| f(i).map(|i| i > 3))))
                    });
                    for row_wise in [false, true] {
                        ends(&what("chunks"), || {
                            let call = lf().par_apply();
                            let call = if row_wise { call.row_wise() } else { call };
                            query(call.chunks(
                                |schema: &Schema| schema.clone(),
                                move |_: DataFrame| Err::<DataFrame, _>(Hostile(does)),
                            ))
                        });
                    }
                    for limit in [0, 3] {
                        let failures = Failures::new().max_failures(limit);
                        ends(&what("failures"), || {
                            query(
                                lf().par_apply()
                                    .failures(&failures)
                                    .rows(fails!(does, every)),
                            )
                        });
                        assert_eq!(failures.len(), limit + 1);
                    }
                }
            }
        }
    });
}

#[test]
fn a_stream_ends_with_an_error() {
    watched(|| {
        for does in ALL {
            for every in [1, 1000] {
                for unordered in [false, true] {
                    let what = |verb: &str| format!("{verb}, {does:?}, {every}, {unordered}");
                    let lf = || counting(20_000).lazy();
                    fn last<T>(batches: Batches<T>, unordered: bool) -> Result<(), String> {
                        let batches = batches.chunk_rows(100);
                        let mut batches = if unordered {
                            batches.unordered()
                        } else {
                            batches
                        };
                        batches.try_for_each(|batch| batch.map(drop).map_err(said))
                    }
                    ends(&what("row_batches"), || {
                        last(lf().par_apply().row_batches(fails!(does, every)), unordered)
                    });
                    ends(&what("row_batches with a state"), || {
                        let f = fails!(does, every);
                        let call = lf().par_apply().state(|| 0);
                        last(call.row_batches(move |_: &mut i32, i: i64| f(i)), unordered)
                    });
                    ends(&what("row_batches with a state that fails too"), || {
                        let f = fails!(does, every);
                        let call = lf().par_apply().state(|| 0);
                        let call = call.finish(move |_: i32| Err::<(), _>(Hostile(does)));
                        last(call.row_batches(move |_: &mut i32, i: i64| f(i)), unordered)
                    });
                    ends(&what("batches"), || {
                        let f = move |_: Chunk| Err::<(), _>(Hostile(does));
                        last(lf().par_apply_batches(f), unordered)
                    });
                    ends(&what("failures"), || {
                        let failures = Failures::new().max_failures(2);
                        let call = lf().par_apply().failures(&failures);
                        last(call.row_batches(fails!(does, every)), unordered)
                    });
                }
                // It is dropped with failures that were never taken.
                let mut batches = counting(20_000)
                    .lazy()
                    .par_apply_batches(move |chunk: Chunk| match chunk.index() {
                        0 => Ok(()),
                        _ => Err(Hostile(does)),
                    });
                batches = batches.chunk_rows(100).look_ahead(50);
                batches.next().unwrap().unwrap();
                let dropped = catch_unwind(AssertUnwindSafe(|| drop(batches)));
                assert!(dropped.map_err(std::mem::forget).is_ok(), "{does:?}");
            }
        }
    });
}

/// A failure that is let pass gives a null, and its message is kept as far as possible.
#[test]
fn what_passes_says_what_it_can() {
    watched(|| {
        for does in ALL {
            for engine in ENGINES {
                let failures = Failures::new();
                let lf = counting(60_000).lazy().par_apply().failures(&failures);
                let out = collected(&lf.rows(fails!(does, 25_000)), engine).unwrap();
                assert_eq!(out.column("par_apply").unwrap().null_count(), 2);
                let failures = failures.take();
                assert_eq!(failures.height(), 2, "{does:?}");
                let said = failures
                    .column("error")
                    .unwrap()
                    .str()
                    .unwrap()
                    .get(0)
                    .unwrap();
                if matches!(
                    does,
                    Does::Nothing | Does::FailsHalfWay | Does::PanicsWhenDropped
                ) {
                    assert_eq!(said, "hostile", "{does:?}");
                }
            }
        }
    });
}
