//! Promise 7: an error's message includes its cause, and its `source` goes on after that, so that a program that prints the chain
//! prints each cause and each row once. Every kind of error has a name.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use polars_par_apply::prelude::*;
use polars_par_apply::{Error, ErrorKind};

use crate::engines::{ENGINES, collected};
use crate::frames::{counting, watched};

/// Three errors, each the cause of the one before it.
#[derive(Debug)]
struct First(Second);
#[derive(Debug)]
struct Second(Third);
#[derive(Debug)]
struct Third;

const CAUSES: [&str; 3] = ["the first cause", "the second cause", "the third cause"];

macro_rules! error {
    ($Name:ident, $text:expr, |$error:ident| $source:expr) => {
        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($text)
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

error!(First, CAUSES[0], |error| Some(&error.0));
error!(Second, CAUSES[1], |error| Some(&error.0));
error!(Third, CAUSES[2], |_error| None);

fn fails() -> First {
    First(Second(Third))
}

/// One or more errors of each kind.
fn of_every_kind() -> Vec<Error> {
    let df = counting(10);
    let texts = df!["text" => ["a", "b"], "none" => [None, Some(1i64)]].unwrap();
    let by_row = |f: fn(Row<'_>) -> Result<i64, Error>| {
        let own = texts.par_apply_rows(f).unwrap_err();
        let ErrorKind::Closure { cause, .. } = own.into_kind() else {
            panic!("not the closure's");
        };
        cause.downcast::<Error>().unwrap()
    };
    let token = CancelToken::new();
    // Row 2 waits to be tried again, so it is not known whether row 5 is the lowest failing row.
    let later = Retry::attempts(2).min_delay(Duration::from_secs(100_000));
    let cancelled = df.par_apply().sequential().cancel_token(&token);
    let cancelled = cancelled.retry(later.when(|error| !error.is::<First>()));
    let cancelled = cancelled.rows(|i: i64| match i {
        2 => anyhow::bail!("busy"),
        5 => {
            token.cancel();
            Err(fails().into())
        }
        i => Ok(i),
    });
    let few = df.par_apply().on_error(OnError::Null).max_failures(2);
    let (pool, wait) = (Pool::new(1).unwrap(), CancelToken::new());
    let waits = wait.clone();
    let mut job: Job<()> = pool.apply_async(move || {
        while !waits.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let timeout = job.get_timeout(Duration::ZERO).unwrap_err();
    wait.cancel();
    job.wait();
    job.get_timeout(Duration::ZERO).unwrap();
    let taken = job.get_timeout(Duration::ZERO).unwrap_err();
    pool.close();
    let closed: Result<(), Error> = pool.apply(|| ());

    let io = || io::Error::other(fails());
    vec![
        df.par_apply()
            .select(["nowhere"])
            .rows(|i: i64| i)
            .unwrap_err(),
        by_row(|row| row.get("nowhere")),
        by_row(|row| row.at(7)),
        df.par_apply_rows(|i: i64, j: i64| i + j).unwrap_err(),
        texts
            .par_apply()
            .select(["text"])
            .rows(|i: i64| i)
            .unwrap_err(),
        by_row(|row| row.get("text")),
        by_row(|row| row.get("none")),
        texts
            .par_apply()
            .select(["none"])
            .nulls(Nulls::Error)
            .rows(|i: i64| i)
            .unwrap_err(),
        df.par_apply_rows(|_: i64| chrono::TimeDelta::nanoseconds(1))
            .unwrap_err(),
        df.par_apply()
            .names(["x", "x"])
            .rows(|i: i64| (i, i))
            .unwrap_err(),
        df.par_apply()
            .names(["x", "y"])
            .rows(|i: i64| i)
            .unwrap_err(),
        df.par_apply().workers(0).rows(|i: i64| i).unwrap_err(),
        df.par_apply_rows(|_: i64| Err::<i64, _>(fails()))
            .unwrap_err(),
        df.par_apply_columns(|_: &Column| Err::<i64, _>(fails()))
            .unwrap_err(),
        df.par_apply_chunks(|_: DataFrame| Err::<i64, _>(fails()))
            .unwrap_err(),
        df.par_apply_rows(|_: i64| Struct(Err::<(i64,), _>(fails())))
            .unwrap_err(),
        Pool::new(1)
            .unwrap()
            .map::<(), _, _, _>([1], |_| Err(fails()))
            .unwrap_err(),
        df.par_apply_rows(|i: i64| -> i64 { panic!("no {i}") })
            .unwrap_err(),
        few.rows(|_: i64| Err::<i64, _>(fails())).unwrap_err(),
        cancelled.unwrap_err(),
        closed.unwrap_err(),
        timeout,
        taken,
        df.par_apply()
            .state(|| Err::<i64, _>(fails()))
            .rows(|_: &mut i64, i: i64| i)
            .unwrap_err(),
        df.par_apply()
            .state(|| 0)
            .finish(|_: i64| Err(fails()))
            .rows(|_: &mut i64, i: i64| i)
            .unwrap_err(),
        df.par_apply()
            .partitions(2)
            .chunks(|part: Chunk| match part.index() {
                0 => part.columns()[0].clone(),
                _ => part.columns()[0].cast(&DataType::String).unwrap(),
            })
            .unwrap_err(),
        df.par_apply()
            .workers(0)
            .select(["nowhere"])
            .rows(|i: i64| i)
            .unwrap_err(),
        PolarsError::NoData("no data of that name".into()).into(),
        PolarsError::from(io()).into(),
        PolarsError::from(io())
            .context("while reading".into())
            .into(),
        PolarsError::IO {
            error: io().into(),
            msg: Some(format!("no file: {}", CAUSES[0]).into()),
        }
        .into(),
        PolarsError::IO {
            error: io().into(),
            msg: Some("no file".into()),
        }
        .into(),
        anyhow::Error::from(fails()).into(),
        anyhow::Error::from(fails())
            .context("with a context")
            .into(),
    ]
}

/// The names, which are a promise.
const NAMES: [&str; 22] = [
    "argument_count",
    "cancelled",
    "closure",
    "column_not_found",
    "dtype",
    "duplicate_name",
    "finish",
    "name_count",
    "no_column_at",
    "null",
    "option",
    "other",
    "panic",
    "polars",
    "pool_closed",
    "several",
    "stack",
    "state",
    "taken",
    "timeout",
    "too_many_failures",
    "value",
];

#[test]
fn every_kind_has_a_name_of_its_own() {
    watched(|| {
        let mut names: Vec<&str> = Vec::new();
        for error in of_every_kind() {
            let variant = format!("{:?}", error.kind());
            let end = variant.find(|c: char| !c.is_alphanumeric());
            let mut snake = String::new();
            for c in variant[..end.unwrap_or(variant.len())].chars() {
                if c.is_uppercase() && !snake.is_empty() {
                    snake.push('_');
                }
                snake.extend(c.to_lowercase());
            }
            assert_eq!(error.kind().name(), snake);
            names.push(error.kind().name());
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names, NAMES);
    });
}

/// Asserts that a text has each of the causes once, or none of them, and that it has rows and columns once.
#[track_caller]
fn each_once(text: &str) {
    let counts = CAUSES.map(|cause| text.matches(cause).count());
    assert!(counts == [1; 3] || counts == [0; 3], "{text}");
    for word in [
        "row 0",
        "row 1",
        "row 5",
        "column \"none\"",
        "column \"text\"",
    ] {
        assert!(text.matches(word).count() <= 1, "{text}");
    }
}

/// Every error by itself, and within other errors of this crate and of the user.
#[test]
fn a_chain_says_each_cause_once() {
    watched(|| {
        let df = counting(1);
        let failed = |error: anyhow::Error| {
            let error = std::sync::Mutex::new(Some(error));
            let call =
                df.par_apply_rows(|_: i64| Err::<i64, _>(error.lock().unwrap().take().unwrap()));
            call.unwrap_err()
        };
        let ways: [&dyn Fn(Error) -> Error; 6] = [
            &|error| error,
            &|error| anyhow::Error::from(error).into(),
            &|error| anyhow::Error::from(error).context("a context").into(),
            &|error| failed(error.into()),
            &|error| failed(anyhow::Error::from(error).context("a context")),
            &|error| failed(failed(error.into()).into()),
        ];
        for (way, within) in ways.iter().enumerate() {
            for error in of_every_kind() {
                let name = error.kind().name();
                // If a failure came with a cancel, its causes come before the advice.
                let own = error.to_string();
                let own = own.split("; keep").next().unwrap();
                let error = within(error);
                // The inner error has the same row 0 as the outer error, but of another call.
                let rows = if way < 3 { "" } else { "row 0: " };
                let once = |text: &str| {
                    let text = text.replace(rows, "");
                    let counts = CAUSES.map(|cause| text.matches(cause).count());
                    assert!(
                        counts == [1; 3] || counts == [0; 3],
                        "way {way}, {name}: {text}"
                    );
                    assert!(
                        text.contains(own.trim_start_matches(rows)),
                        "way {way}, {name}: {text}, {own}"
                    );
                    if way < 3 {
                        each_once(&text);
                    }
                    text
                };
                let whole = once(&format!("{error:#}"));
                assert_eq!(once(&format!("{error:?}")), whole);
                // No source is contained in the text before it.
                let mut printed = error.to_string();
                let mut next = error.source();
                while let Some(source) = next {
                    let source_says = source.to_string();
                    assert!(
                        !printed.contains(&source_says),
                        "way {way}, {name}: {printed}: {source_says}"
                    );
                    printed = format!("{printed}: {source_says}");
                    next = source.source();
                }
                // A text, which cannot be asked for its source, contains everything.
                let has_causes = whole.contains(CAUSES[0]);
                let polars = PolarsError::from(within(error));
                let anyhow = format!("{:#}", anyhow::Error::from(Error::from(polars)));
                assert_eq!(anyhow.contains(CAUSES[0]), has_causes, "{anyhow}");
                let counts = CAUSES.map(|cause| anyhow.matches(cause).count());
                assert!(
                    counts.iter().all(|count| *count == usize::from(has_causes)),
                    "way {way}, {name}: {anyhow}"
                );
            }
        }
        for error in of_every_kind() {
            once_in_anyhow(error);
        }
    });
}

#[track_caller]
fn once_in_anyhow(error: Error) {
    let name = error.kind().name();
    let context = format!("{:#}", anyhow::Error::from(error).context("a context"));
    let counts = CAUSES.map(|cause| context.matches(cause).count());
    assert!(counts == [1; 3] || counts == [0; 3], "{name}: {context}");
}

/// A user's error that wraps one of this crate.
#[derive(Debug)]
struct Wrapped(Error);
error!(Wrapped, "wrapped", |error| Some(&error.0));

#[test]
fn a_row_that_names_itself_is_named_once() {
    watched(|| {
        let nulls = df!["x" => [Some(1i64), None], "y" => ["a", "b"]].unwrap();
        let null = r#"column "x": the value is null; take Option<i64> in place of i64"#;
        let failed = nulls.par_apply_rows(|row: Row<'_>| row.get::<i64>("x"));
        let error = failed.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("row 1: the closure returned an error: {null}")
        );
        let own: &Error = error.cause().unwrap().downcast_ref().unwrap();
        assert_eq!((own.row(), own.column()), (Some(1), Some("x")));

        let context = nulls
            .par_apply_rows(|row: Row<'_>| anyhow::Context::context(row.get::<i64>("x"), "no x"));
        let context = format!("{:#}", anyhow::Error::from(context.unwrap_err()));
        assert_eq!(
            context,
            format!("row 1: the closure returned an error: no x: {null}")
        );
        let wrapped = nulls.par_apply_rows(|row: Row<'_>| row.at::<i64>(0).map_err(Wrapped));
        let wrapped = format!("{:#}", wrapped.unwrap_err());
        assert_eq!(
            wrapped,
            format!("row 1: the closure returned an error: wrapped: {null}")
        );
        let field = nulls.par_apply_rows(|row: Row<'_>| Struct(row.get::<i64>("x").map(|x| (x,))));
        assert_eq!(
            field.unwrap_err().to_string(),
            format!(r#"row 1: column "par_apply": {null}"#)
        );

        // In a table of failures, the row has its own column.
        for limit in [None, Some(9)] {
            let mut apply = nulls.par_apply().on_error(OnError::Null).outcome();
            if let Some(limit) = limit {
                apply = apply.max_failures(limit);
            }
            let outcome = apply.rows(|row: Row<'_>| row.get::<i64>("x")).unwrap();
            assert_eq!(
                outcome
                    .failures
                    .column("error")
                    .unwrap()
                    .str()
                    .unwrap()
                    .get(0),
                Some(null)
            );
        }
        let few = nulls.par_apply().on_error(OnError::Null).max_failures(0);
        let few = few.rows(|row: Row<'_>| row.get::<i64>("x")).unwrap_err();
        assert!(
            few.to_string()
                .ends_with(&format!("row 1: the closure returned an error: {null}")),
            "{few}"
        );
        for engine in ENGINES {
            let lazy = nulls
                .clone()
                .lazy()
                .par_apply_rows(|row: Row<'_>| row.get::<i64>("x"));
            let lazy = collected(&lazy, engine).unwrap_err().to_string();
            assert_eq!(lazy.matches("row 1").count(), 1, "{lazy}");
            let expr = rows(["x"]).apply(|row: Row<'_>| row.get::<i64>("x"));
            let expr = collected(&nulls.clone().lazy().select([expr]), engine);
            let expr = expr.unwrap_err().to_string();
            // The row in the batch: that of the whole frame, or that of a batch of one row.
            let named = expr.matches("row 0").count() + expr.matches(": row 1").count();
            assert_eq!(named, 1, "{expr}");
        }

        // The row of another call is in the text as well.
        let outer = nulls.par_apply_rows(|outer: Row<'_>| {
            counting(3).par_apply_rows(|i: i64| match i {
                2 if outer.index() == 1 => outer.get::<i64>("x"),
                _ => Ok(i),
            })?;
            Ok::<_, Error>(0)
        });
        assert_eq!(
            format!("{:#}", outer.unwrap_err()),
            format!(
                "row 1: the closure returned an error: row 2: the closure returned an error: row 1: {null}"
            )
        );
        // If only its error is printed, the text says which row it is.
        let alone = nulls.par_apply_rows(|row: Row<'_>| {
            row.get::<i64>("x").map_err(|error| error.to_string()).err()
        });
        assert_eq!(
            alone.unwrap().str().unwrap().get(1),
            Some(&*format!("row 1: {null}"))
        );
    });
}
