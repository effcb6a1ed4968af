//! Promise 7: a call ends with an error, whatever the causes of the closure's error are: the error itself, each other, or
//! a chain without end.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use polars_par_apply::Error;
use polars_par_apply::prelude::*;

use crate::engines::{ENGINES, collected};
use crate::frames::{counting, watched};

macro_rules! error {
    ($Name:ident, |$error:ident| $source:expr) => {
        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!("hostile ", stringify!($Name)))
            }
        }

        impl StdError for $Name {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                let $error = self;
                $source
            }
        }
    };
}

/// An error that is its own cause.
#[derive(Debug)]
struct Itself(#[allow(dead_code)] u64);
error!(Itself, |error| Some(error));

/// An error of size 0 that is its own cause.
#[derive(Debug)]
struct Nothing;
error!(Nothing, |error| Some(error));

/// An error that is its own cause, behind another error at the same address.
#[derive(Debug)]
struct Outer(Itself);
error!(Outer, |error| Some(&error.0));

/// Two errors that are the causes of each other.
#[derive(Debug)]
struct Here(&'static There);
#[derive(Debug)]
struct There(OnceLock<Here>);
error!(Here, |error| Some(error.0));
error!(There, |error| error.0.get().map(|here| here as _));

fn here() -> Here {
    static THERE: LazyLock<There> = LazyLock::new(|| There(OnceLock::new()));
    THERE.0.get_or_init(|| Here(&THERE));
    Here(&THERE)
}

/// One of a million causes.
#[derive(Debug)]
struct Link(usize);
static LINKS: LazyLock<Vec<Link>> = LazyLock::new(|| (0..1_000_000).map(Link).collect());
error!(Link, |error| LINKS.get(error.0 + 1).map(|link| link as _));

/// Each error makes a new cause whenever it is asked.
#[derive(Debug)]
struct Fresh(u64);
error!(Fresh, |error| Some(Box::leak(Box::new(Fresh(error.0 + 1)))));

/// An error whose cause is an error of this crate, whose cause is the same again.
#[derive(Debug)]
struct Within;
static OWN: OnceLock<Error> = OnceLock::new();
error!(Within, |_error| OWN.get().map(|own| own as _));

fn within() -> Within {
    OWN.get_or_init(|| {
        let failed = counting(1).par_apply_rows(|_: i64| Err::<i64, _>(Within));
        failed.unwrap_err()
    });
    Within
}

/// A hostile error, by number.
fn hostile(which: usize) -> anyhow::Error {
    match which {
        0 => Itself(1).into(),
        1 => Nothing.into(),
        2 => Outer(Itself(2)).into(),
        3 => here().into(),
        4 => Link(0).into(),
        5 => Fresh(0).into(),
        6 => within().into(),
        7 => anyhow::Error::from(Itself(3)).context("hostile context"),
        _ => Box::<dyn StdError + Send + Sync>::from(Nothing).into_error(),
    }
}

trait IntoError {
    fn into_error(self) -> anyhow::Error;
}

impl IntoError for Box<dyn StdError + Send + Sync> {
    fn into_error(self) -> anyhow::Error {
        anyhow::Error::from_boxed(self)
    }
}

const ALL: std::ops::Range<usize> = 0..9;

#[track_caller]
fn well_said(text: &str, what: &str) {
    assert!(text.contains("hostile"), "{what}: {text}");
    assert!(text.ends_with('…'), "{what}: {text}");
    // The message has some lines, and not pages.
    assert!(text.len() < 10_000, "{what}: {} bytes", text.len());
}

/// Returns the message of an error with its causes, and checks that it has no more without them.
#[track_caller]
fn said(error: Error) -> String {
    let text = format!("{error:#}");
    let short = error.to_string();
    assert!(short.contains("hostile"), "{short}");
    assert!(short.len() <= text.len(), "{short}");
    text
}

fn odd(i: i64, which: usize) -> anyhow::Result<i64> {
    if i % 2 == 1 {
        Err(hostile(which))
    } else {
        Ok(i)
    }
}

/// Tries a row again twice, almost without a delay.
fn retry() -> Retry {
    let soon = Duration::from_micros(20);
    Retry::attempts(3).min_delay(soon).max_delay(soon)
}

#[test]
fn a_frames_calls_end_under_every_policy() {
    for which in ALL {
        watched(move || {
            let df = counting(40);
            let what = &format!("error {which}");
            for workers in [1, 3] {
                let apply = || df.par_apply().workers(workers).chunk_rows(5);
                let rows = |apply: Apply<'_, 'static>| apply.rows(|i: i64| odd(i, which));
                well_said(&said(rows(apply()).unwrap_err()), what);
                well_said(&format!("{:?}", rows(apply()).unwrap_err()), what);
                for policy in [OnError::Null, OnError::Skip, OnError::Collect] {
                    let outcome = apply().on_error(policy).outcome();
                    let outcome = outcome.rows(|i: i64| odd(i, which)).unwrap();
                    let said = outcome.failures.column("error").unwrap().str().unwrap();
                    assert_eq!(said.len(), 20, "{what}");
                    for said in said.iter() {
                        well_said(said.unwrap(), what);
                    }
                    let few = apply().on_error(policy).max_failures(3);
                    let few = few.rows(|i: i64| odd(i, which)).unwrap_err();
                    well_said(
                        &format!(
                            "{:#}",
                            few.cause().unwrap().downcast_ref::<Error>().unwrap()
                        ),
                        what,
                    );
                    let parts = apply().on_error(policy).outcome();
                    let parts = parts.chunks(|part: Chunk| odd(part.index() as i64, which));
                    assert_eq!(parts.unwrap().failures.height(), 4, "{what}");
                    let columns = apply().on_error(policy).outcome();
                    let columns = columns.columns(|_: Values<'_, i64>| odd(1, which)).unwrap();
                    assert_eq!(columns.failures.height(), 1, "{what}");
                }
                let part = apply().chunks(|_: DataFrame| odd(1, which));
                well_said(&said(part.unwrap_err()), what);
                let column = apply().columns(|_: &Column| odd(1, which));
                well_said(&said(column.unwrap_err()), what);
                let retried = rows(apply().retry(retry()));
                well_said(&said(retried.unwrap_err()), what);
                let outcome = apply().retry(retry()).on_error(OnError::Null).outcome();
                let outcome = outcome.rows(|i: i64| odd(i, which)).unwrap();
                assert_eq!(outcome.failures.height(), 20, "{what}");
                // A field's error is a text in the row's.
                let field = apply().rows(|i: i64| Struct(odd(i, which).map(|i| (i,))));
                well_said(&said(field.unwrap_err()), what);
            }
        });
    }
}

#[test]
fn a_call_that_is_cancelled_ends() {
    for which in ALL {
        watched(move || {
            let df = counting(40);
            for policy in [OnError::Fail, OnError::Null] {
                for keep in [OnCancel::Error, OnCancel::Partial] {
                    let token = CancelToken::new();
                    let apply = df.par_apply().workers(2).chunk_rows(5).on_error(policy);
                    let apply = apply.cancel_token(&token).on_cancel(keep).outcome();
                    let ended = apply.rows(|i: i64| {
                        if i == 7 {
                            token.cancel();
                        }
                        odd(i, which)
                    });
                    if let Err(error) = ended {
                        assert!(error.to_string().len() < 10_000);
                    }
                }
            }
        });
    }
}

#[test]
fn pools_jobs_and_states_end() {
    for which in ALL {
        watched(move || {
            let what = &format!("error {which}");
            let pool = Pool::new(2).unwrap();
            let failed = move |i: i64| odd(i, which);
            let map: polars_par_apply::Result<Vec<i64>> = pool.map(0..9, failed);
            well_said(&said(map.unwrap_err()), what);
            let one: polars_par_apply::Result<i64> = pool.apply(move || failed(1));
            well_said(&said(one.unwrap_err()), what);
            let job: Job<i64> = pool.apply_async(move || failed(1));
            well_said(&said(job.get().unwrap_err()), what);
            let job: Job<Vec<i64>> = pool.map_async(0..9, failed);
            well_said(&said(job.get().unwrap_err()), what);
            let job: Job<i64> = pool.apply_async(move || failed(1));
            job.cancel();
            assert!(job.get().unwrap_err().to_string().len() < 10_000);
            let last = pool.imap::<i64, _, _, _>(0..9, failed).last().unwrap();
            well_said(&said(last.unwrap_err()), what);

            let df = counting(40);
            let job = df.par_apply().pool(&pool).spawn_rows(failed);
            well_said(&said(job.get().unwrap_err()), what);
            let state = df.par_apply().state(move || failed(1));
            let state = state.rows(|_: &mut i64, i: i64| i);
            well_said(&said(state.unwrap_err()), what);
        });
    }
}

#[test]
fn queries_end() {
    for which in ALL {
        watched(move || {
            let lf = counting(40).lazy();
            for engine in ENGINES {
                let failed = move |i: i64| odd(i, which);
                let expr = lf.clone().select([rows(["i"]).apply(failed)]);
                well_said_in_query(&collected(&expr, engine).unwrap_err());
                let frame = lf.clone().par_apply_rows(failed);
                well_said_in_query(&collected(&frame, engine).unwrap_err());
                let failures = Failures::new();
                let nulls = lf.clone().par_apply().on_error(OnError::Null);
                let nulls = nulls.failures(&failures).rows(failed);
                let nulls = collected(&nulls, engine).unwrap();
                assert_eq!(nulls.column("par_apply").unwrap().null_count(), 20);
            }
        });
    }
}

fn well_said_in_query(error: &PolarsError) {
    let text = error.to_string();
    assert!(text.contains("hostile") && text.len() < 20_000, "{text}");
}

#[test]
fn a_chain_of_usual_length_is_said_whole() {
    #[derive(Debug)]
    struct Deep(Option<Box<Deep>>, usize);
    impl fmt::Display for Deep {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "cause {}", self.1)
        }
    }
    impl StdError for Deep {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            self.0.as_deref().map(|deep| deep as _)
        }
    }
    for depth in [1, 2, 10, 63, 64, 65, 100] {
        let error = counting(1).par_apply_rows(|_: i64| {
            let deep = (1..depth)
                .rev()
                .fold(None, |deeper, i| Some(Box::new(Deep(deeper, i))));
            Err::<i64, _>(Deep(deep, 0))
        });
        let said: Vec<String> = (0..depth.min(64)).map(|i| format!("cause {i}")).collect();
        let cut = if depth > 64 { ": …" } else { "" };
        assert_eq!(
            format!("{:#}", error.unwrap_err()),
            format!(
                "row 0: the closure returned an error: {}{cut}",
                said.join(": ")
            )
        );
    }
    // An error that is its own cause is not printed repeatedly.
    for which in 0..4 {
        let failed = counting(1).par_apply_rows(move |_: i64| Err::<i64, _>(hostile(which)));
        let said = said(failed.unwrap_err());
        assert!(said.matches("hostile").count() <= 4, "{said}");
    }
}
