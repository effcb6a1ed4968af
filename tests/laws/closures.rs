//! Closures that come from elsewhere: returned as `impl Fn`, of a type parameter, behind a `Box`, an `Arc` or a reference,
//! and called through a wrapper. Each gives the same as the closure itself, in every call that takes one.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use polars_par_apply::prelude::*;
use polars_par_apply::{Around, Call, WithSeed, WithState, around, by_ref};

use crate::engines::{ENGINES, collected};
use crate::frames::{assert_same, assert_same_frame, counting};

type OfTwo = dyn Fn(i64, &str) -> usize + Send + Sync;
type OfValues = dyn Fn(Values<'_, i64>) -> f64 + Send + Sync;

fn table() -> DataFrame {
    df![
        "i" => (0..500i64).collect::<Vec<_>>(),
        "text" => (0..500).map(|i| "ab".repeat(i % 7)).collect::<Vec<_>>(),
        "some" => (0..500).map(|i| (i % 3 > 0).then_some(f64::from(i))).collect::<Vec<_>>(),
    ]
    .unwrap()
}

fn plain(by: i64) -> impl Fn(i64) -> i64 + Send + Sync + Clone + 'static {
    move |i| i * by
}

fn three() -> impl Fn(i64, &str, Option<f64>) -> String + Send + Sync + Clone + 'static {
    |i, text, some| format!("{i} {text} {some:?}")
}

fn tuple() -> impl Fn((i64, &str, Option<f64>)) -> (i64, usize) + Send + Sync + Clone + 'static {
    |(i, text, some)| (i, text.len() + usize::from(some.is_none()))
}

fn untyped()
-> impl Fn(Row<'_>) -> Result<i64, polars_par_apply::Error> + Send + Sync + Clone + 'static {
    |row| row.get("i")
}

#[derive(FromRow)]
struct Fields<'a> {
    text: &'a str,
    i: i64,
}

fn fields() -> impl Fn(Fields<'_>) -> (i64, u64) + Send + Sync + Clone + 'static {
    |fields| (fields.i, fields.text.len() as u64)
}

/// Calls a row closure in every way, and compares with what the closure itself gives.
macro_rules! every_way {
    ($select:expr, $f:expr, $closure:expr) => {{
        let df = table();
        let select: &[&str] = &$select;
        let apply = || df.par_apply().select(select.iter().copied());
        let expected = shown(apply().rows($closure).unwrap());
        let f = $f;
        let shared = Arc::new(f.clone());
        assert_eq!(
            shown(apply().rows(f.clone()).unwrap()),
            expected,
            "by value"
        );
        assert_eq!(shown(apply().rows(&f).unwrap()), expected, "by reference");
        assert_eq!(shown(apply().rows(by_ref(&f)).unwrap()), expected, "by_ref");
        assert_eq!(
            shown(apply().rows(Arc::clone(&shared)).unwrap()),
            expected,
            "an Arc"
        );
        assert_eq!(
            shown(apply().rows(by_ref(&shared)).unwrap()),
            expected,
            "by_ref of an Arc"
        );
        assert_eq!(
            shown(apply().rows(Box::new(f.clone())).unwrap()),
            expected,
            "a Box"
        );
        assert_eq!(
            shown(generic(&df, select, f.clone())),
            expected,
            "passed on"
        );
        let calls = AtomicUsize::new(0);
        let counted = around(f.clone(), |call: Call<'_, _>| {
            calls.fetch_add(1, SeqCst);
            call.run()
        });
        assert_eq!(
            shown(apply().workers(2).rows(counted).unwrap()),
            expected,
            "around"
        );
        assert_eq!(calls.into_inner(), df.height());
        let job = apply().spawn_rows(f.clone());
        assert_eq!(shown(job.get().unwrap()), expected, "spawned");
        let job = apply().spawn_rows(Arc::clone(&shared));
        assert_eq!(shown(job.get().unwrap()), expected, "spawned, an Arc");
        let job = apply().spawn_rows(around(f.clone(), |call: Call<'_, _>| call.run()));
        assert_eq!(shown(job.get().unwrap()), expected, "spawned, around");
        for engine in ENGINES {
            let lazy = || df.clone().lazy().par_apply().select(select.iter().copied());
            let one = collected(&lazy().rows(f.clone()), engine).unwrap();
            let two = collected(&lazy().rows(Arc::clone(&shared)), engine).unwrap();
            let three = collected(&lazy().rows($closure), engine).unwrap();
            assert_same_frame(&one, &three, "lazily");
            assert_same_frame(&two, &three, "lazily, an Arc");
            let by = |expr: Expr| collected(&df.clone().lazy().select([expr]), engine).unwrap();
            let names = || rows(select.iter().copied());
            let expr = by(names().apply($closure));
            assert_same_frame(&by(names().apply(f.clone())), &expr, "an expression");
            assert_same_frame(
                &by(names().apply(Arc::clone(&shared))),
                &expr,
                "an expression, an Arc",
            );
        }
    }};
}

fn shown(output: impl std::fmt::Debug) -> String {
    format!("{output:?}")
}

fn generic<M, F>(df: &DataFrame, select: &[&str], f: F) -> <F::Out as IntoRow>::Output
where
    F: RowFn<M>,
    F::Out: IntoRow,
{
    let apply = || df.par_apply().select(select.iter().copied());
    apply().rows(by_ref(&f)).unwrap();
    apply().rows(f).unwrap()
}

#[test]
fn a_row_function_comes_from_anywhere() {
    every_way!(["i"], plain(3), |i: i64| i * 3);
    every_way!(
        ["i", "text", "some"],
        three(),
        |i: i64, text: &str, some: Option<f64>| format!("{i} {text} {some:?}")
    );
    every_way!(["i", "text", "some"], tuples(), |(i, text, some): (
        i64,
        &str,
        Option<f64>
    )| (
        i,
        (text.len() + usize::from(some.is_none())) as u64
    ));
    every_way!(["i", "text"], fields(), |fields: Fields<'_>| (
        fields.i,
        fields.text.len() as u64
    ));
}

fn tuples() -> impl Fn((i64, &str, Option<f64>)) -> (i64, u64) + Send + Sync + Clone + 'static {
    let f = tuple();
    move |row| {
        let (i, len) = f(row);
        (i, len as u64)
    }
}

#[test]
fn a_row_function_of_untyped_rows_comes_from_anywhere() {
    every_way!(["i"], untyped(), |row: Row<'_>| row.get::<i64>("i"));
}

#[test]
fn a_row_function_is_chosen_at_run_time() {
    let df = counting(100);
    let choose = |name: &str| -> Arc<dyn Fn(i64) -> i64 + Send + Sync> {
        match name {
            "double" => Arc::new(plain(2)),
            _ => Arc::new(|i: i64| i - 1),
        }
    };
    let expected = df.par_apply_rows(|i: i64| i * 2).unwrap();
    let double = choose("double");
    assert_same(
        &df.par_apply_rows(Arc::clone(&double)).unwrap(),
        &expected,
        "Arc<dyn Fn>",
    );
    assert_same(&df.par_apply_rows(&*double).unwrap(), &expected, "&dyn Fn");
    let job = df.par_apply().spawn_rows(Arc::clone(&double));
    assert_same(&job.get().unwrap(), &expected, "a job");
    let lazy = df.clone().lazy().select([rows(["i"]).apply(double)]);
    let lazy = lazy.collect().unwrap();
    assert_same(&lazy.columns()[0], &expected, "an expression");
    let boxed: Box<OfTwo> = Box::new(|i, text| i as usize + text.len());
    let shared: Arc<dyn Fn(&str) -> String + Send + Sync> = Arc::new(str::to_uppercase);
    let texts = table();
    let texts = || texts.par_apply();
    let sum = texts()
        .select(["i", "text"])
        .rows(around(boxed, |call: Call<'_, usize>| call.run() as u64));
    assert_eq!(sum.unwrap().u64().unwrap().get(8), Some(10));
    let upper = texts().select(["text"]).rows(shared).unwrap();
    assert_eq!(upper.str().unwrap().get(2), Some("ABAB"));
}

fn by_type_parameter<F, S>(df: &DataFrame, f: F, with_state: S) -> [Column; 2]
where
    F: Fn(&str, i64) -> String + Sync,
    S: Fn(&mut u64, &str, i64) -> String + Sync,
{
    let apply = || df.par_apply().select(["text", "i"]);
    [
        apply().rows(f).unwrap(),
        apply().state(|| 1).rows(with_state).unwrap(),
    ]
}

#[test]
fn a_type_parameter_is_passed_by_value() {
    let df = table();
    let [one, two] = by_type_parameter(
        &df,
        |text, i| format!("{text}{i}"),
        |state, text, i| format!("{text}{i}{state}"),
    );
    assert_eq!(one.str().unwrap().get(3), Some("ababab3"));
    assert_eq!(two.str().unwrap().get(3), Some("ababab31"));
}

/// Wraps any row closure to time it, and passes its leading argument on.
fn counted<M, C, F>(
    f: F,
    calls: &AtomicUsize,
) -> Around<F, impl Fn(Call<'_, F::Out>) -> F::Out + Clone>
where
    F: RowFn<M, C>,
{
    around(f, |call: Call<'_, F::Out>| {
        calls.fetch_add(1, SeqCst);
        call.run()
    })
}

#[test]
fn a_wrapper_is_called_where_its_row_function_would_be() {
    let df = table();
    let calls = AtomicUsize::new(0);
    // It is not called for a row whose argument is null.
    let some = df.par_apply().select(["some"]);
    let half = some
        .clone()
        .rows(counted(|x: f64| x / 2.0, &calls))
        .unwrap();
    assert_same(&half, &some.rows(|x: f64| x / 2.0).unwrap(), "nulls");
    let valid = df.column("some").unwrap().len() - df.column("some").unwrap().null_count();
    assert_eq!(calls.swap(0, SeqCst), valid);
    // With a state, and with a random stream.
    let with_state = |state: &mut i64, i: i64| *state + i;
    let state = || df.par_apply().select(["i"]).state(|| 7);
    let wrapped = counted::<_, WithState<i64>, _>(with_state, &calls);
    assert_same(
        &state().rows(wrapped).unwrap(),
        &state().rows(with_state).unwrap(),
        "a state",
    );
    let with_seed = |rng: &mut RowRng, i: i64| (i, polars_par_apply::rand::Rng::next_u64(rng));
    let seed = || df.par_apply().select(["i"]).seed(5);
    let wrapped = counted::<_, WithSeed, _>(with_seed, &calls);
    assert_same_frame(
        &seed().rows(wrapped).unwrap(),
        &seed().rows(with_seed).unwrap(),
        "a seed",
    );
    assert_eq!(calls.swap(0, SeqCst), 2 * df.height());
    // A wrapper may change the result, or skip the call; a panic in it fails the row.
    let odd = around(
        |i: i64| i * 10,
        |call: Call<'_, i64>| match call.run() {
            1990 => panic!("no 199"),
            i if i % 20 == 0 => None,
            i => Some(i.to_string()),
        },
    );
    let error = df.par_apply().select(["i"]).rows(odd).unwrap_err();
    assert_eq!(error.to_string(), "row 199: the closure panicked: no 199");
    let odd = df
        .slice(0, 199)
        .par_apply()
        .select(["i"])
        .rows(odd)
        .unwrap();
    assert_eq!(
        (odd.null_count(), odd.str().unwrap().get(3)),
        (100, Some("30"))
    );
    let never = around(|_: i64| -> i64 { panic!("called") }, |_: Call<'_, i64>| 0);
    assert_eq!(
        df.par_apply()
            .select(["i"])
            .rows(never)
            .unwrap()
            .i32()
            .unwrap()
            .sum(),
        Some(0)
    );
    // Nested wrappers, around a row function that is a pointer.
    let log = Mutex::new(Vec::new());
    let noted = around(Arc::new(plain(2)), |call: Call<'_, i64>| {
        let out = call.run();
        log.lock().unwrap().push(out);
        out
    });
    df.par_apply()
        .select(["i"])
        .rows(counted(noted, &calls))
        .unwrap();
    assert_eq!(
        (calls.into_inner(), log.into_inner().unwrap().len()),
        (500, 500)
    );
}

fn mean() -> impl Fn(Values<'_, i64>) -> f64 + Send + Sync + Clone + 'static {
    |values| values.iter().sum::<i64>() as f64 / values.len() as f64
}

fn name() -> impl Fn(&Column) -> String + Send + Sync + Clone + 'static {
    |column| column.name().to_string()
}

fn height() -> impl Fn(DataFrame) -> u64 + Send + Sync + Clone + 'static {
    |part| part.height() as u64
}

fn offset() -> impl Fn(Chunk) -> u64 + Send + Sync + Clone + 'static {
    |part| part.row_offset() as u64
}

fn generic_columns<M, F>(df: &DataFrame, f: F) -> DataFrame
where
    F: ColumnFn<M>,
    F::Out: IntoColumns,
{
    df.par_apply_columns(by_ref(&f)).unwrap();
    df.par_apply_columns(f).unwrap()
}

fn generic_chunks<M, F>(df: &DataFrame, f: F) -> <F::Out as IntoStack>::Output
where
    F: ChunkFn<M>,
    F::Out: IntoStack,
{
    let apply = || df.par_apply().partitions(3);
    apply().chunks(by_ref(&f)).unwrap();
    apply().chunks(f).unwrap()
}

#[test]
fn column_and_chunk_functions_come_from_anywhere() {
    let df = counting(90);
    let means =
        df.par_apply_columns(|values: Values<'_, i64>| values.iter().sum::<i64>() as f64 / 90.0);
    let means = means.unwrap();
    let names = df!["i" => ["i"]].unwrap();
    macro_rules! columns {
        ($f:expr, $expected:expr) => {
            let shared = Arc::new($f);
            assert_same_frame(&df.par_apply_columns($f).unwrap(), $expected, "by value");
            assert_same_frame(
                &df.par_apply_columns(&$f).unwrap(),
                $expected,
                "by reference",
            );
            assert_same_frame(
                &df.par_apply_columns(Arc::clone(&shared)).unwrap(),
                $expected,
                "an Arc",
            );
            assert_same_frame(&generic_columns(&df, $f), $expected, "passed on");
            let job = df.par_apply().spawn_columns(shared);
            assert_same_frame(&job.get().unwrap(), $expected, "a job");
        };
    }
    columns!(mean(), &means);
    columns!(name(), &names);
    let dynamic: Arc<OfValues> = Arc::new(mean());
    assert_same_frame(
        &df.par_apply_columns(dynamic).unwrap(),
        &means,
        "Arc<dyn Fn>",
    );
    let apply = || df.par_apply().partitions(3);
    macro_rules! chunks {
        ($f:expr, $expected:expr) => {
            let expected = Column::new("par_apply".into(), $expected);
            let shared = Arc::new($f);
            assert_same(&apply().chunks($f).unwrap(), &expected, "by value");
            assert_same(&apply().chunks(&$f).unwrap(), &expected, "by reference");
            assert_same(
                &apply().chunks(Arc::clone(&shared)).unwrap(),
                &expected,
                "an Arc",
            );
            assert_same(&generic_chunks(&df, $f), &expected, "passed on");
            let job = apply().spawn_chunks(shared);
            assert_same(&job.get().unwrap(), &expected, "a job");
        };
    }
    chunks!(height(), [30u64; 3]);
    chunks!(offset(), [0u64, 30, 60]);
    let batches = df.clone().lazy().par_apply_batches(Arc::new(height()));
    assert_eq!(batches.map(Result::unwrap).sum::<u64>(), 90);
}
