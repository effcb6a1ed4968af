//! Each verb follows an option, or refuses it before the closure is called, as each cell of the guide's table says.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use polars_par_apply::{Gives, Leading, NoFinish, NoSeed, NoState, Result, State, prelude::*};

const GUIDE: &str = include_str!("../../src/guide/options.md");

/// Returns the cells of the guide's table whose first line begins with `heading`: by option, in the order of the columns.
fn table(heading: &str) -> BTreeMap<String, Vec<String>> {
    let lines = GUIDE.lines().skip_while(|line| !line.starts_with(heading));
    let lines = lines.take_while(|line| line.starts_with('|')).skip(2);
    let rows = lines.map(|line| {
        let mut cells = line
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned());
        let option = cells.next().unwrap().trim_matches('`').to_owned();
        (option, cells.collect())
    });
    rows.collect()
}

fn frame() -> DataFrame {
    df!["line" => [5u32, 6, 7, 8], "x" => [1i64, 2, 3, 4], "y" => [4i64, 3, 2, 1]].unwrap()
}

/// Checks that each call does what its cell says.
fn compare<const N: usize>(
    table: BTreeMap<String, Vec<String>>,
    found: &BTreeMap<&str, [String; N]>,
) {
    assert_eq!(table.len(), found.len());
    for (option, cells) in table {
        let method = option.split('(').next().unwrap();
        for (cell, found) in cells.iter().zip(&found[option.as_str()]) {
            let expected = match cell.as_str() {
                "yes" | "as is" => "followed".to_string(),
                "no" => format!("refused: {method}"),
                other => panic!("{option}: {other}"),
            };
            assert_eq!(*found, expected, "{option}");
        }
    }
}

/// Returns what became of a call: the option was followed, or refused.
fn what<T>(result: Result<T>, calls: &AtomicUsize) -> String {
    let calls = calls.swap(0, Relaxed);
    match result {
        Ok(_) => "followed".into(),
        Err(error) => match error.kind() {
            ErrorKind::Option { option, .. } => {
                assert_eq!(calls, 0, "{error}");
                format!("refused: {option}")
            }
            _ => panic!("{error}"),
        },
    }
}

/// Tries the options that all tables of calls over a frame have, with the macro that makes every kind of call.
macro_rules! common_options {
    ($found:ident, $every:ident, $pool:ident, $token:ident) => {
        let ints = |field: &Field| field.dtype() == &DataType::Int64;
        $found.insert("select", $every!(.select(["y", "x"])));
        $found.insert("select_where", $every!(.select_where(ints)));
        $found.insert("nulls(Nulls::Error)", $every!(.nulls(Nulls::Error)));
        $found.insert("casts(Casts::Lossy)", $every!(.casts(Casts::Lossy)));
        $found.insert("pool", $every!(.pool(&$pool)));
        $found.insert("workers", $every!(.workers(2)));
        $found.insert("sequential", $every!(.sequential()));
        $found.insert("partitions", $every!(.partitions(2)));
        $found.insert("chunk_rows", $every!(.chunk_rows(2)));
        $found.insert("overlap", $every!(.overlap(1, 1)));
        $found.insert("first_row", $every!(.first_row(9)));
        $found.insert("row_numbers", $every!(.row_numbers("line")));
        $found.insert("retry", $every!(.retry(Retry::attempts(2))));
        $found.insert("cancel_token", $every!(.cancel_token(&$token)));
        $found.insert("deadline", $every!(.deadline(Duration::from_secs(600))));
        $found.insert(
            "on_cancel(OnCancel::Partial)",
            $every!(.on_cancel(OnCancel::Partial)),
        );
        $found.insert("progress", $every!(.progress(|_: Tick| ())));
        $found.insert("report", $every!(.report(&Report::new("t"))));
        $found.insert("outcome", $every!(.outcome()));
        $found.insert("by", $every!(.by(["line"])));
        $found.insert("without_keys", $every!(.without_keys()));
        $found.insert("null_keys", $every!(.null_keys(NullKeys::Drop)));
    };
}

/// Makes every kind of call with the options that `with` adds.
macro_rules! every_call {
    ($($with:tt)*) => {{
        let df = frame();
        let calls = AtomicUsize::new(0);
        let count = || calls.fetch_add(1, Relaxed) as i64;
        let call = || df.par_apply().select(["x", "y"]);
        [
            what(call()$($with)*.rows(|_: i64, _: i64| count()), &calls),
            what(call()$($with)*.rows(|_: Row<'_>| count()), &calls),
            what(call()$($with)*.filter_rows(|_: i64, _: i64| count() > 0), &calls),
            what(call()$($with)*.with_columns(|_: i64, _: i64| count()), &calls),
            what(call()$($with)*.flat_map_rows(|_: i64, _: i64| [count()]), &calls),
            what(
                call()$($with)*.emit_rows(|out: &mut Emit<i64>, _: i64, _: i64| out.push(count())),
                &calls,
            ),
            what(call()$($with)*.columns(|_: Values<'_, i64>| count()), &calls),
            what(call()$($with)*.columns(|_: &Column| count()), &calls),
            what(call()$($with)*.chunks(|_: &DataFrame| count()), &calls),
            what(
                call()$($with)*.chunks(|part: DataFrame| {
                    count();
                    part
                }),
                &calls,
            ),
        ]
    }};
}

#[test]
fn a_call_over_a_frame_follows_the_guide() {
    let pool = Pool::new(2).unwrap();
    let token = CancelToken::new();
    let mut found: BTreeMap<&str, [String; 10]> = BTreeMap::new();
    common_options!(found, every_call, pool, token);
    for (name, policy) in [
        ("on_error(OnError::Null)", OnError::Null),
        ("on_error(OnError::Skip)", OnError::Skip),
        ("on_error(OnError::Collect)", OnError::Collect),
    ] {
        found.insert(name, every_call!(.on_error(policy)));
    }
    found.insert("keep", every_call!(.keep(["line"])));
    found.insert("source_rows", every_call!(.source_rows("from")));

    let mut table = table("| option | rows, typed");
    // These change what the closure takes, or depend on the number of output columns; they are tried below.
    for own in ["names", "returns", "state", "seed"] {
        let mut cells = table.remove(own).unwrap();
        // `filter_rows` is an exception, because its results are in no output.
        let has_results = if matches!(own, "names" | "returns") {
            "no"
        } else {
            "yes"
        };
        assert_eq!(cells.remove(2), has_results);
        let (whole, others) = cells.split_last().unwrap();
        assert!(others.iter().all(|cell| cell == "yes"));
        assert_eq!(whole, if own == "returns" { "no" } else { "yes" });
    }
    compare(table, &found);
}

/// Makes every kind of fold, and a call of single values, with the options that `with` adds.
macro_rules! every_fold {
    ($($with:tt)*) => {{
        let df = frame();
        let calls = AtomicUsize::new(0);
        let count = || {
            calls.fetch_add(1, Relaxed);
        };
        let call = || df.par_apply().select(["x", "y"]);
        [
            what(call()$($with)*.fold_rows(count, |(): &mut (), _: i64, _: i64| count(), |(), ()| count()), &calls),
            what(call()$($with)*.fold_rows(count, |(): &mut (), _: Row<'_>| count(), |(), ()| count()), &calls),
            what(call()$($with)*.elements(|_: i64| count()), &calls),
        ]
    }};
}

#[test]
fn folds_and_single_values_follow_the_guide() {
    let pool = Pool::new(2).unwrap();
    let token = CancelToken::new();
    let mut found: BTreeMap<&str, [String; 3]> = BTreeMap::new();
    common_options!(found, every_fold, pool, token);
    found.insert("names", every_fold!(.names(["z", "w"])));
    found.insert(
        "returns",
        every_fold!(.returns([DataType::Null, DataType::Null])),
    );
    for (name, policy) in [
        ("on_error(OnError::Null)", OnError::Null),
        ("on_error(OnError::Skip)", OnError::Skip),
        ("on_error(OnError::Collect)", OnError::Collect),
    ] {
        let lets_pass = CallOptions::new().on_error(policy);
        let found_by_value = every_fold!(.with(&lets_pass));
        found.insert(name, every_fold!(.on_error(policy)));
        // Without an outcome, failing values would be lost.
        assert_eq!(found[name][..2], found_by_value[..2]);
        assert_eq!(found_by_value[2], "refused: on_error");
    }
    let mut table = table("| option | `fold_rows`, typed");
    // These change what the closure takes; the verbs have their own laws for them.
    assert_eq!(table.remove("seed").unwrap(), ["yes", "yes", "yes"]);
    assert_eq!(table.remove("state").unwrap(), ["no", "no", "yes"]);
    compare(table, &found);
}

/// Makes every kind of call of groups and of windows, with the options that `with` adds.
macro_rules! every_span {
    ($($with:tt)*) => {{
        let df = frame();
        let calls = AtomicUsize::new(0);
        let count = || calls.fetch_add(1, Relaxed) as i64;
        let call = || df.par_apply().select(["x", "y"]);
        let by = || call().by(["line"]);
        [
            what(by()$($with)*.groups(|_: Values<'_, i64>, _: Values<'_, i64>| count()), &calls),
            what(
                by()$($with)*.groups(|group: DataFrame| {
                    count();
                    group
                }),
                &calls,
            ),
            what(by()$($with)*.transform(|_: Rows<'_, (i64, i64)>| Each(count())), &calls),
            what(call()$($with)*.transform(|_: Rows<'_, (i64, i64)>| Each(count())), &calls),
            what(
                by()$($with)*.windows(Window::expanding(), |_: i64, _: Values<'_, i64>| count()),
                &calls,
            ),
        ]
    }};
}

#[test]
fn groups_and_windows_follow_the_guide() {
    let pool = Pool::new(2).unwrap();
    let token = CancelToken::new();
    let mut found: BTreeMap<&str, [String; 5]> = BTreeMap::new();
    common_options!(found, every_span, pool, token);
    // All but one of these calls have keys already.
    found.remove("by");
    for (name, policy) in [
        ("on_error(OnError::Null)", OnError::Null),
        ("on_error(OnError::Skip)", OnError::Skip),
        ("on_error(OnError::Collect)", OnError::Collect),
    ] {
        found.insert(name, every_span!(.on_error(policy)));
    }
    found.insert("keep", every_span!(.keep(["line"])));
    found.insert("source_rows", every_span!(.source_rows("from")));

    let mut table = table("| option | `groups`, typed");
    // These change what the closure takes, or depend on the number of output columns; the verbs have their own laws for them.
    for own in ["names", "state", "seed"] {
        assert_eq!(table.remove(own).unwrap(), ["yes"; 5]);
    }
    assert_eq!(
        table.remove("returns").unwrap(),
        ["yes", "no", "yes", "yes", "yes"]
    );
    compare(table, &found);
    // Keys are required, or can be left out. Without keys there are no null keys.
    let (df, calls) = (frame(), AtomicUsize::new(0));
    let sum = |x: Values<'_, i64>| x.iter().sum::<i64>();
    let call = || df.par_apply().select(["x"]);
    assert_eq!(what(call().groups(sum), &calls), "refused: by");
    assert_eq!(
        what(call().by(["line"; 0]).groups(sum), &calls),
        "refused: by"
    );
    let no_keys = call().null_keys(NullKeys::Drop);
    assert_eq!(
        what(no_keys.windows(Window::rows(2), sum), &calls),
        "refused: null_keys"
    );
    let uncut = call()
        .seed(1)
        .transform(|_: &mut RowRng, x: Values<'_, i64>| Each(x.len() as u64));
    assert_eq!(what(uncut, &calls), "refused: seed");
}

/// A function that makes a state.
type WithNumber = Leading<State<fn() -> i64, NoFinish>, NoSeed>;

#[test]
fn names_states_and_seeds_are_for_every_verb() {
    let df = frame().select(["x"]).unwrap();
    fn state(df: &DataFrame) -> Apply<'_, 'static, WithNumber> {
        df.par_apply().names(["z"]).state(|| 1)
    }
    let named = |frame: DataFrame| assert_eq!(frame.get_column_names(), ["z"]);
    named(
        state(&df)
            .rows(|_: &mut i64, x: i64| x)
            .unwrap()
            .into_frame(),
    );
    named(
        state(&df)
            .rows(|_: &mut i64, x: Row<'_>| x.len() as i64)
            .unwrap()
            .into_frame(),
    );
    let added = state(&df).with_columns(|_: &mut i64, x: i64| x).unwrap();
    assert_eq!(added.get_column_names(), ["x", "z"]);
    named(state(&df).flat_map_rows(|_: &mut i64, x: i64| [x]).unwrap());
    named(
        state(&df)
            .emit_rows(|_: &mut i64, out: &mut Emit<i64>, x: i64| out.push(x))
            .unwrap(),
    );
    named(
        state(&df)
            .columns(|_: &mut i64, x: Values<'_, i64>| x.len() as i64)
            .unwrap(),
    );
    named(
        state(&df)
            .columns(|_: &mut i64, x: &Column| x.clone())
            .unwrap(),
    );
    named(
        state(&df)
            .chunks(|_: &mut i64, x: DataFrame| x.height() as i64)
            .unwrap()
            .into_frame(),
    );
    named(state(&df).chunks(|_: &mut i64, x: DataFrame| x).unwrap());
    let seeded = || df.par_apply().names(["z"]).seed(1).chunk_rows(2);
    named(
        seeded()
            .rows(|_: &mut RowRng, x: i64| x)
            .unwrap()
            .into_frame(),
    );
    named(
        seeded()
            .flat_map_rows(|_: &mut RowRng, x: i64| [x])
            .unwrap(),
    );
    named(
        seeded()
            .emit_rows(|_: &mut RowRng, out: &mut Emit<i64>, x: i64| out.push(x))
            .unwrap(),
    );
    named(
        seeded()
            .columns(|_: &mut RowRng, x: &Column| x.len() as i64)
            .unwrap(),
    );
    named(seeded().chunks(|_: &mut RowRng, x: DataFrame| x).unwrap());
}

#[test]
fn a_whole_column_is_neither_cast_nor_null() {
    let df = frame();
    let calls = AtomicUsize::new(0);
    let whole = |column: &Column| {
        calls.fetch_add(1, Relaxed);
        column.clone()
    };
    let lossy = df.par_apply().casts(Casts::Lossy).columns(whole);
    assert_eq!(what(lossy, &calls), "refused: casts");
    let null = df.par_apply().on_error(OnError::Null).columns(whole);
    assert_eq!(what(null, &calls), "refused: on_error");
    let of = df.par_apply().returns([DataType::Int8]).columns(whole);
    assert_eq!(what(of, &calls), "refused: returns");
    let parts = |part: DataFrame| {
        calls.fetch_add(1, Relaxed);
        part
    };
    let of = df.par_apply().returns([DataType::Int8]).chunks(parts);
    assert_eq!(what(of, &calls), "refused: returns");
    // Cells follow it in every verb.
    let of = || df.par_apply().select(["x"]).returns([DataType::Int8]);
    let is = |column: &Column| assert_eq!(column.dtype(), &DataType::Int8);
    is(&of().rows(|x: i64| x).unwrap());
    is(&of().rows(|x: Row<'_>| x.len() as i64).unwrap());
    is(&of().with_columns(|x: i64| x).unwrap()["par_apply"]);
    is(&of().flat_map_rows(|x: i64| [x]).unwrap()["par_apply"]);
    is(&of()
        .emit_rows(|out: &mut Emit<i64>, x: i64| out.push(x))
        .unwrap()["par_apply"]);
    is(&of().columns(|x: Values<'_, i64>| x.len() as i64).unwrap()["x"]);
    is(&of().columns(|x: &Column| x.len() as i64).unwrap()["x"]);
    is(&of().chunks(|x: DataFrame| x.height() as i64).unwrap());
}

#[test]
fn a_policy_that_comes_as_a_value_needs_an_outcome() {
    let lets_pass = CallOptions::new().on_error(OnError::Skip);
    let partial = CallOptions::new().on_cancel(OnCancel::Partial);
    for (options, name) in [(&lets_pass, "on_error"), (&partial, "on_cancel")] {
        let refused = every_call!(.with(options));
        assert!(
            refused
                .iter()
                .all(|what| *what == format!("refused: {name}"))
        );
        let followed = every_call!(.with(options).outcome());
        assert!(followed.iter().all(|what| what == "followed"));
    }
    // The default policies let nothing pass.
    let strict = CallOptions::new()
        .on_error(OnError::Fail)
        .on_cancel(OnCancel::Error);
    assert!(
        every_call!(.with(&strict))
            .iter()
            .all(|what| what == "followed")
    );
}

/// Returns the output of a call, whichever type the call returns.
fn heights<G: Gives>(call: Apply<'_, '_, Leading<NoState, NoSeed>, G>) -> Result<G::Of<Column>> {
    call.rows(|x: i64| x)
}

#[test]
fn options_are_values() {
    let one = CallOptions::new()
        .select(["x"])
        .names(["z"])
        .workers(2)
        .chunk_rows(1)
        .deadline(Duration::from_secs(600));
    let other = one.clone().nulls(Nulls::Error);
    assert_eq!(one, one.clone());
    assert_ne!(one, other);
    assert_eq!(format!("{:?}", CallOptions::new()), "CallOptions");
    let shown = format!("{other:?}");
    assert!(
        shown.contains("nulls: Error") && shown.contains("select") && !shown.contains("casts"),
        "{shown}"
    );

    let df = frame();
    let z = heights(df.par_apply().with(&one)).unwrap();
    assert_eq!(z, Column::new("z".into(), [1i64, 2, 3, 4]));
    assert_eq!(
        heights(df.par_apply().with(&one).outcome()).unwrap().output,
        z
    );
    // Options that are given after `with` replace its options, and options that were given before and are not in it remain.
    let after = df
        .par_apply()
        .with(&one)
        .names(["w"])
        .select(["y"])
        .rows(|y: i64| y)
        .unwrap();
    assert_eq!(after, Column::new("w".into(), [4i64, 3, 2, 1]));
    let before = df
        .par_apply()
        .names(["w"])
        .with(&CallOptions::new().select(["y"]))
        .rows(|y: i64| y);
    assert_eq!(before.unwrap(), after);
    // One way to cut replaces the other.
    let cut = df
        .par_apply()
        .partitions(2)
        .with(&one)
        .chunks(|part: DataFrame| part.height() as u64);
    assert_eq!(cut.unwrap().len(), 4);

    // All of them.
    let all = CallOptions::new()
        .select(["x"])
        .names(["z"])
        .nulls(Nulls::Propagate)
        .casts(Casts::Lossy)
        .workers(2)
        .sequential()
        .partitions(2)
        .first_row(3)
        .on_error(OnError::Collect)
        .max_failures(1)
        .deadline(Duration::from_secs(600))
        .on_cancel(OnCancel::Error);
    let told = df.par_apply().with(&all).outcome().rows(|x: i64| {
        if x == 2 {
            Err(ErrorKind::Taken.into())
        } else {
            Ok::<i64, polars_par_apply::Error>(x)
        }
    });
    let told = told.unwrap();
    assert_eq!(
        told.failures.column("row").unwrap().idx().unwrap().get(0),
        Some(4)
    );
    let numbered = CallOptions::new().select(["x"]).row_numbers("line");
    let index = df
        .par_apply()
        .with(&numbered)
        .rows(|row: Row<'_>| row.index() as u32);
    assert_eq!(
        index.unwrap().u32().unwrap().to_vec(),
        [Some(5), Some(6), Some(7), Some(8)]
    );
}

/// Returns what became of a lazy call: the option was followed, or refused; or there is no such method.
fn what_lazily(result: anyhow::Result<()>, calls: &AtomicUsize) -> String {
    let calls = calls.swap(0, Relaxed);
    let Err(error) = result else {
        return "yes".into();
    };
    let said = error.to_string();
    assert!(said.starts_with('.') && said.contains("(…): "), "{said}");
    assert_eq!(calls, 0, "{said}");
    "no".into()
}

/// Makes every kind of lazy call with what is added to it: `[rows([…]), rows, filter_rows, flat_map_rows, groups, transform, windows,
/// chunks, row_batches, batches]`.
macro_rules! every_lazy_call {
    ($calls:ident, $lf:ident, expression [$($of_expression:tt)*], frame [$($of_frame:tt)*]) => {{
        let count = |_: i64| $calls.fetch_add(1, Relaxed) as i64;
        let part = |part: DataFrame| {
            $calls.fetch_add(1, Relaxed);
            part
        };
        let _ = &part;
        [
            every_lazy_call!(@expression $calls, $lf, count, $($of_expression)*),
            every_lazy_call!(@frame $calls, $lf.clone().select([col("x")]), call, call.rows(count).collect().map(drop).map_err(Into::into), $($of_frame)*),
            every_lazy_call!(@frame $calls, $lf.clone().select([col("x")]), call, {
                let keep = move |i: i64| count(i) >= 0;
                call.filter_rows(keep).collect().map(drop).map_err(Into::into)
            }, $($of_frame)*),
            every_lazy_call!(@frame $calls, $lf.clone().select([col("x")]), call, {
                let lf = call.flat_map_rows(move |x: i64| [count(x)]);
                lf.collect().map(drop).map_err(Into::into)
            }, $($of_frame)*),
            every_lazy_call!(@frame $calls, $lf.clone().select([col("x"), col("line")]), call, {
                let lf = call.by(["line"]).groups(move |_: Values<'_, i64>| count(0));
                lf.collect().map(drop).map_err(Into::into)
            }, $($of_frame)*),
            every_lazy_call!(@frame $calls, $lf.clone().select([col("x"), col("line")]), call, {
                let lf = call.by(["line"]).transform(move |_: Values<'_, i64>| Each(count(0)));
                lf.collect().map(drop).map_err(Into::into)
            }, $($of_frame)*),
            every_lazy_call!(@frame $calls, $lf.clone().select([col("x"), col("line")]), call, {
                let lf = call.by(["line"]).windows(Window::rows(1), move |_: Values<'_, i64>| count(0));
                lf.collect().map(drop).map_err(Into::into)
            }, $($of_frame)*),
            every_lazy_call!(@frame $calls, $lf.clone().select([col("x")]), call, {
                let lf = call.chunks(|input: &Schema| input.clone(), part);
                lf.collect().map(drop).map_err(Into::into)
            }, $($of_frame)*),
            every_lazy_call!(@frame $calls, $lf.clone().select([col("x")]), call, {
                let batches: Result<Vec<DataFrame>> = call.row_batches(count).collect();
                batches.map(drop).map_err(Into::into)
            }, $($of_frame)*),
            every_lazy_call!(@frame $calls, $lf.clone().select([col("x")]), call, {
                let batches: Result<Vec<DataFrame>> = call.batches(part).collect();
                batches.map(drop).map_err(Into::into)
            }, $($of_frame)*),
        ]
    }};
    (@expression $calls:ident, $lf:ident, $count:ident, -) => { "–".to_string() };
    (@expression $calls:ident, $lf:ident, $count:ident, $($with:tt)*) => {{
        let call = rows(["x"])$($with)*;
        let out = $lf.clone().select([call.apply($count)]).collect();
        what_lazily(out.map(drop).map_err(Into::into), $calls)
    }};
    (@frame $calls:ident, $lf:expr, $call:ident, $made:expr, -) => { "–".to_string() };
    (@frame $calls:ident, $lf:expr, $call:ident, $made:expr, $($with:tt)*) => {{
        let $call = $lf.par_apply()$($with)*;
        what_lazily($made, $calls)
    }};
}

#[test]
fn a_call_in_a_lazy_query_follows_the_guide() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let calls = &CALLS;
    let lf = frame().lazy();
    let token = CancelToken::new();
    let hour = Duration::from_secs(3600);
    let mut found: BTreeMap<&str, [String; 10]> = BTreeMap::new();
    macro_rules! both {
        ($name:literal, $($with:tt)*) => {
            found.insert($name, every_lazy_call!(calls, lf, expression [$($with)*], frame [$($with)*]));
        };
    }
    found.insert(
        "select",
        every_lazy_call!(calls, lf, expression [-], frame [.select(["x"])]),
    );
    both!("names", .names(["z"]));
    found.insert(
        "keep",
        every_lazy_call!(calls, lf, expression [-], frame [.keep(["x"])]),
    );
    found.insert(
        "source_rows",
        every_lazy_call!(calls, lf, expression [-], frame [.source_rows("from")]),
    );
    found.insert(
        "by",
        every_lazy_call!(calls, lf, expression [-], frame [.by(["line"])]),
    );
    found.insert(
        "without_keys",
        every_lazy_call!(calls, lf, expression [-], frame [.without_keys()]),
    );
    found.insert(
        "null_keys",
        every_lazy_call!(calls, lf, expression [-], frame [.null_keys(NullKeys::Drop)]),
    );
    both!("nulls(Nulls::Error)", .nulls(Nulls::Error));
    both!("casts(Casts::Lossy)", .casts(Casts::Lossy));
    both!("returns", .returns([DataType::Int32]));
    found.insert(
        "row_numbers",
        every_lazy_call!(calls, lf, expression [.row_numbers(col("line"))], frame [-]),
    );
    found.insert(
        "numbered",
        every_lazy_call!(calls, lf, expression [-], frame [.numbered(true)]),
    );
    found.insert(
        "pinned",
        every_lazy_call!(calls, lf, expression [.pinned(true)], frame [-]),
    );
    found.insert(
        "row_wise",
        every_lazy_call!(calls, lf, expression [-], frame [.row_wise()]),
    );
    both!("plan_name", .plan_name("mine"));
    both!("on_error(OnError::Null)", .on_error(OnError::Null));
    both!("on_error(OnError::Skip)", .on_error(OnError::Skip));
    both!("on_error(OnError::Collect)", .on_error(OnError::Collect));
    both!("failures", .failures(&Failures::new()));
    both!("cancel_token", .cancel_token(&token));
    both!("deadline", .deadline(hour));
    both!("progress", .progress(|_: Tick| ()));
    both!("total_rows", .total_rows(4));

    let mut table = table("| option | `rows([…])`");
    // These change what the closure takes; they have their own laws.
    for own in ["state", "finish"] {
        assert!(table.remove(own).is_some());
    }
    let options: Vec<&str> = table.keys().map(String::as_str).collect();
    assert_eq!(options, found.keys().copied().collect::<Vec<_>>());
    for (option, cells) in &table {
        assert_eq!(cells[..], found[option.as_str()], "{option}");
    }

    // A closure of `Row` is given nulls in a query too.
    let row = |row: Row<'_>| row.len() as i64;
    let refused = rows(["x"]).nulls(Nulls::Error).apply(row);
    let refused = lf.clone().select([refused]).collect().unwrap_err();
    assert!(refused.to_string().starts_with(".nulls(…): "), "{refused}");
    let refused = lf
        .clone()
        .par_apply()
        .nulls(Nulls::Error)
        .rows(row)
        .collect()
        .unwrap_err();
    assert!(refused.to_string().starts_with(".nulls(…): "), "{refused}");
}
