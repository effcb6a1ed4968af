//! `emit_rows`: the rows that a closure pushes, in the order of the input, are those of a plain loop. If a row fails, panics, is
//! tried again or is cancelled, its pushes are taken back.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use polars::prelude::FrozenCategories;
use polars_par_apply::prelude::*;
use polars_par_apply::rand::RngExt;
use polars_par_apply::{Error, by_ref};

use crate::frames::{
    assert_same, assert_same_frame, counting, faults, held_back, layouts, refuse_unless, watched,
};

/// The delay between attempts.
const SOON: Duration = Duration::from_micros(1);

fn ways<'a>(apply: &Apply<'a, 'static>) -> Vec<(String, Apply<'a, 'static>)> {
    crate::frames::ways(apply, 7, 150)
}

/// A line of words, some of which are longer than a view holds.
fn line(i: usize) -> Option<String> {
    const WORDS: [&str; 5] = [
        "a",
        "",
        "word",
        "Rindfleischetikettierung",
        "größer als eine Ansicht",
    ];
    let words = (0..i % 7).map(|n| WORDS[(i + n) % 5]);
    (i % 11 != 3).then(|| words.collect::<Vec<&str>>().join("|"))
}

fn lines(rows: usize) -> DataFrame {
    df!["line" => (0..rows).map(line).collect::<Vec<Option<String>>>()].unwrap()
}

/// Computes by a plain loop the rows for some of the lines.
fn looped(rows: usize, wanted: impl Fn(usize) -> bool) -> DataFrame {
    let wanted = (0..rows).filter(|i| wanted(*i));
    let pairs: Vec<(String, i64)> = wanted
        .filter_map(line)
        .flat_map(|line| {
            let words = line.split('|').enumerate();
            let pairs = words.map(|(n, word)| (word.to_owned(), n as i64));
            pairs.collect::<Vec<_>>()
        })
        .collect();
    let (words, places): (Vec<String>, Vec<i64>) = pairs.into_iter().unzip();
    df!["word" => words, "place" => places].unwrap()
}

fn split(out: &mut Emit<(&str, i64)>, line: &str) {
    for (n, word) in line.split('|').enumerate() {
        out.push((word, n as i64));
    }
}

fn named<'a>(df: &'a DataFrame) -> Apply<'a, 'static> {
    df.par_apply().names(["word", "place"])
}

#[test]
fn it_is_a_plain_loop_in_every_layout_and_way() {
    let expected = looped(3_007, |_| true);
    for (layout, df) in layouts(&lines(3_007)) {
        for (way, apply) in ways(&named(&df)) {
            let out = apply.emit_rows(split).unwrap();
            assert_same_frame(&out, &expected, &format!("{layout}, {way}"));
        }
    }
}

#[test]
fn every_kind_of_row() {
    #[derive(IntoRow)]
    struct Word {
        text: String,
        #[par_apply(rename = "how long")]
        length: u32,
    }

    let df = df!["text" => ["a bb", "", "ccc"], "n" => [1i64, 2, 3]].unwrap();
    let text = || df.par_apply().select(["text"]);
    let words = ["a", "bb", "ccc"];
    let one = |out: DataFrame| {
        assert_eq!(out, df!["par_apply" => words].unwrap());
    };
    one(text()
        .emit_rows(|out: &mut Emit<&str>, text: &str| {
            text.split_whitespace().for_each(|word| out.push(word));
        })
        .unwrap());
    one(text()
        .emit_rows(|out: &mut Emit<Cow<'_, str>>, text: &str| {
            for word in text.split_whitespace() {
                out.push(match word.len() {
                    1 => Cow::Borrowed(word),
                    _ => Cow::Owned(word.to_owned()),
                });
            }
        })
        .unwrap());
    one(text()
        .emit_rows(|out: &mut Emit<String>, text: &str| {
            text.split_whitespace()
                .for_each(|word| out.push(word.into()));
        })
        .unwrap());
    one(text()
        .emit_rows(|out: &mut Emit<PlSmallStr>, text: &str| {
            text.split_whitespace()
                .for_each(|word| out.push(word.into()));
        })
        .unwrap());
    // From a buffer that belongs to the closure.
    one(text()
        .state(String::new)
        .emit_rows(|buffer: &mut String, out: &mut Emit<&str>, text: &str| {
            for word in text.split_whitespace() {
                buffer.clear();
                buffer.push_str(word);
                out.push(buffer);
            }
        })
        .unwrap());
    let bytes = text().emit_rows(|out: &mut Emit<&[u8]>, text: &str| out.push(text.as_bytes()));
    assert_eq!(
        bytes.unwrap()["par_apply"].binary().unwrap().get(2),
        Some(&b"ccc"[..])
    );
    let derived = text()
        .emit_rows(|out: &mut Emit<Word>, text: &str| {
            for word in text.split_whitespace() {
                let (text, length) = (word.to_owned(), word.len() as u32);
                out.push(Word { text, length });
            }
        })
        .unwrap();
    assert_eq!(
        derived,
        df!["text" => words, "how long" => [1u32, 2, 3]].unwrap()
    );
    let array = df
        .par_apply()
        .select(["n"])
        .emit_rows(|out: &mut Emit<[i64; 2]>, n: i64| out.push([n, n * n]));
    assert_eq!(
        array.unwrap(),
        df!["column_0" => [1i64, 2, 3], "column_1" => [1i64, 4, 9]].unwrap()
    );
    type Wide<'a> = (
        Option<&'a str>,
        Option<i64>,
        Vec<i64>,
        Option<Vec<i64>>,
        AnyValue<'static>,
    );
    let wide = df
        .par_apply()
        .emit_rows(|out: &mut Emit<Wide<'_>>, text: &str, n: i64| {
            out.push((
                (n > 1).then_some(text),
                (n < 3).then_some(n),
                vec![n; n as usize],
                (n == 2).then(|| vec![n]),
                (n == 2)
                    .then_some(n)
                    .map_or(AnyValue::Null, AnyValue::Int64),
            ));
        })
        .unwrap();
    let nulls: Vec<usize> = wide.columns().iter().map(Column::null_count).collect();
    assert_eq!((wide.height(), nulls), (3, vec![1, 1, 0, 2, 2]));
    let texts = wide["column_0"].str().unwrap().iter();
    assert!(texts.eq([None, Some(""), Some("ccc")]));
    // A whole row as the argument, and a function of which only the trait is known.
    let row = |out: &mut Emit<u64>, row: Row<'_>| out.push(row.index() as u64);
    let rows = df.par_apply().emit_rows(by_ref(&row)).unwrap();
    assert_eq!(rows, df!["par_apply" => [0u64, 1, 2]].unwrap());
}

/// Twelve cells, a state and a random stream: the largest possible number of arguments.
#[test]
fn twelve_cells_with_all_that_leads() {
    let columns = (0..12).map(|c| Column::new(format!("c{c}").into(), [1i64, 2]));
    let df = DataFrame::new(2, columns.collect()).unwrap();
    let out = df
        .par_apply()
        .state(|| 100i64)
        .seed(1)
        .emit_rows(
            |state: &mut i64,
             rng: &mut RowRng,
             out: &mut Emit<(i64, bool)>,
             a: i64,
             b: i64,
             c: i64,
             d: i64,
             e: i64,
             f: i64,
             g: i64,
             h: i64,
             i: i64,
             j: i64,
             k: i64,
             l: i64| {
                let sum = a + b + c + d + e + f + g + h + i + j + k + l;
                out.push((*state + sum, rng.random::<u64>() == 0));
            },
        )
        .unwrap();
    assert_eq!(
        out["column_0"].i64().unwrap().to_vec(),
        [Some(112), Some(124)]
    );
}

/// Texts that fill several buffers, and one that has a buffer to itself.
#[test]
fn long_texts_of_many_rows() {
    let df = counting(600);
    let text = |i: i64| match i {
        300 => "y".repeat(20 << 20),
        i => format!("{i}").repeat(40_000),
    };
    let out = df
        .par_apply()
        .workers(2)
        .chunk_rows(150)
        .emit_rows(|out: &mut Emit<&str>, i: i64| {
            out.push(&text(i));
            out.push("short");
        })
        .unwrap();
    let out = out["par_apply"].str().unwrap();
    assert_eq!(out.len(), 1_200);
    for i in 0..600 {
        assert_eq!(out.get(2 * i), Some(text(i as i64).as_str()), "{i}");
        assert_eq!(out.get(2 * i + 1), Some("short"));
    }
}

#[test]
fn what_a_row_that_fails_has_pushed_is_taken_back() {
    let df = lines(5_000);
    // Some rows fail or panic halfway, after they have pushed words that must not be seen.
    let f = |out: &mut Emit<(&str, i64)>, row: Row<'_>| {
        let i = row.index();
        let Some(line) = row.get::<Option<&str>>("line")? else {
            return Ok(());
        };
        for (n, word) in line.split('|').enumerate() {
            if n == 2 && i.is_multiple_of(5) {
                out.push((
                    "what nobody may see, and is long enough to lie in a buffer",
                    -1,
                ));
                assert!(!i.is_multiple_of(10), "halfway");
                return Err(anyhow::anyhow!("halfway"));
            }
            out.push((word, n as i64));
        }
        Ok(())
    };
    let fails = |i: &usize| i.is_multiple_of(5) && i % 7 > 2 && i % 11 != 3;
    let expected = looped(5_000, |i| !fails(&i));
    for policy in [OnError::Skip, OnError::Collect] {
        for (way, apply) in ways(&named(&df)) {
            let what = format!("{way}, {policy:?}");
            let out = apply.on_error(policy).emit_rows(f).unwrap();
            assert_same_frame(&out.output, &expected, &what);
            let failed = (0..5_000).filter(fails).count();
            assert_eq!(out.stats.failures, failed, "{what}");
            assert_eq!(out.kept_rows().len(), 5_000 - failed, "{what}");
            let panics = (0..5_000).filter(|i| fails(i) && i % 10 == 0).count();
            assert_eq!(
                out.failures["panic"].bool().unwrap().sum(),
                Some(panics as IdxSize)
            );
        }
    }
    let first = (0..5_000).find(fails);
    for (way, apply) in ways(&named(&df)) {
        let error = apply.emit_rows(f).unwrap_err();
        assert_eq!(error.row(), first, "{way}");
    }
}

#[test]
fn what_is_tried_again_pushes_anew() {
    let df = lines(1_000);
    let expected = looped(1_000, |_| true);
    for (way, apply) in ways(&named(&df)) {
        let tries: Vec<AtomicUsize> = (0..1_000).map(|_| AtomicUsize::new(0)).collect();
        let out = apply
            .retry(Retry::attempts(2).min_delay(SOON).max_delay(SOON))
            .emit_rows(|out: &mut Emit<(&str, i64)>, row: Row<'_>| {
                let again = tries[row.index()].fetch_add(1, Relaxed);
                if let Some(line) = row.get::<Option<&str>>("line")? {
                    split(out, line);
                }
                refuse_unless(again > 0 || !row.index().is_multiple_of(3), "not yet")
            })
            .unwrap();
        assert_same_frame(&out, &expected, &way);
    }
}

#[test]
fn a_cancelled_call_gives_the_rows_of_those_that_are_done() {
    watched(|| {
        let df = lines(20_000);
        for workers in [1, 3] {
            let token = CancelToken::new();
            let out = named(&df)
                .workers(workers)
                .cancel_token(&token)
                .on_cancel(OnCancel::Partial)
                .emit_rows(|out: &mut Emit<(&str, i64)>, row: Row<'_>| {
                    if let Some(line) = row.get::<Option<&str>>("line")? {
                        split(out, line);
                    }
                    match row.index() {
                        2_500 => token.cancel(),
                        2_501.. => held_back(&token),
                        _ => {}
                    }
                    // Its pushes are taken back.
                    match row.index() {
                        2_500 => token.check(),
                        _ => Ok::<(), Error>(()),
                    }
                })
                .unwrap();
            assert!(out.stats.cancelled);
            let kept = out.kept_mask();
            assert_eq!(kept.get(2_500), Some(false));
            let expected = looped(20_000, |i| kept.get(i) == Some(true));
            assert_same_frame(&out.output, &expected, &format!("{workers} workers"));
        }
    });
}

#[test]
fn a_row_that_cannot_be_written_fails_its_input_row() {
    let words = FrozenCategories::new(["a", "", "word"]).unwrap();
    let dtype = DataType::from_frozen_categories(words);
    let df = lines(2_000);
    let call = || named(&df).returns([dtype.clone(), DataType::Int8]);
    let error = call().emit_rows(split).unwrap_err();
    assert_eq!(
        (error.row(), error.column()),
        (Some(2), Some("word")),
        "{error}"
    );
    let fails = |i: usize| line(i).is_some_and(|line| line.contains('R') || line.contains('g'));
    let expected = looped(2_000, |i| !fails(i));
    for (way, apply) in ways(&call()) {
        let out = apply.on_error(OnError::Skip).emit_rows(split).unwrap();
        let expected = [
            expected["word"].strict_cast(&dtype).unwrap(),
            expected["place"].strict_cast(&DataType::Int8).unwrap(),
        ];
        assert_same(&out.output["word"], &expected[0], &way);
        assert_same(&out.output["place"], &expected[1], &way);
    }
    // A time that a Datetime cannot hold.
    let df = counting(4);
    let error = df
        .par_apply()
        .emit_rows(|out: &mut Emit<(i64, chrono::TimeDelta)>, i: i64| {
            let time = match i {
                2 => chrono::TimeDelta::MAX,
                i => chrono::TimeDelta::seconds(i),
            };
            out.push((i, time));
            out.push((i, chrono::TimeDelta::zero()));
        })
        .unwrap_err();
    assert_eq!(
        (error.row(), error.column()),
        (Some(2), Some("column_1")),
        "{error}"
    );
}

/// An error whose construction panics within a push; the closure catches the panic.
struct Unlucky;

impl From<Unlucky> for anyhow::Error {
    fn from(_: Unlucky) -> Self {
        panic!("unlucky")
    }
}

#[test]
fn a_push_that_panics_pushes_nothing() {
    type Cells = (i64, Struct<Result<(i64,), Unlucky>>);
    let df = counting(100);
    for workers in [1, 3] {
        let out = df
            .par_apply()
            .workers(workers)
            .emit_rows(|out: &mut Emit<Cells>, i: i64| {
                out.push((i, Struct(Ok((i,)))));
                let push = AssertUnwindSafe(|| out.push((-1, Struct(Err(Unlucky)))));
                assert!(catch_unwind(push).is_err());
                if i % 2 == 0 {
                    out.push((i, Struct(Ok((i,)))));
                }
            })
            .unwrap();
        assert_eq!(out.height(), 150);
        let first = out["column_0"].i64().unwrap();
        let second = out["column_1"].struct_().unwrap().fields_as_series();
        assert!(first.clone().into_series().equals(&second[0]));
        assert_eq!(first.min(), Some(0));
    }
}

/// Two nested calls whose `Emit`s are swapped: the result is an error or the other call's rows, and nothing worse.
#[test]
fn exchanged_outputs_do_no_harm() {
    let df = counting(50);
    for keep in [false, true] {
        let call =
            |df: &DataFrame| {
                let call = df.par_apply().sequential().names(["text"]);
                match keep {
                    true => call.keep(["i"]),
                    false => call,
                }
                .emit_rows(|out: &mut Emit<String>, i: i64| {
                    out.push(format!("a text of the outer call that is long: {i}"));
                    let outer = Mutex::new(out);
                    let inner = df!["i" => [1i64, 2, 3]].unwrap();
                    let inner = inner.par_apply().sequential().emit_rows(
                        |out: &mut Emit<String>, n: i64| {
                            out.push(format!("a text of the inner call that is long: {n}"));
                            if i == 20 {
                                std::mem::swap(&mut **outer.lock().unwrap(), out);
                            }
                        },
                    );
                    drop(inner);
                })
            };
        if let Ok(out) = call(&df) {
            let texts = out["text"].str().unwrap();
            assert!(
                texts
                    .iter()
                    .flatten()
                    .all(|text| text.starts_with("a text of the"))
            );
        }
    }
}

#[test]
fn kept_columns_and_source_rows_go_along() {
    let df = lines(3_000).with_row_index("id".into(), Some(40)).unwrap();
    let out = df
        .par_apply()
        .select(["line"])
        .names(["word", "place"])
        .keep(["id"])
        .source_rows("row")
        .emit_rows(split)
        .unwrap();
    assert_eq!(out.get_column_names(), ["row", "id", "word", "place"]);
    assert_same_frame(
        &out.select(["word", "place"]).unwrap(),
        &looped(3_000, |_| true),
        "the words",
    );
    let row = out["row"].idx().unwrap();
    assert_same(
        &out["id"],
        &(row + 40).with_name("id".into()).into_column(),
        "the rows",
    );
    // The first word of each line is the first of its input row.
    let begins = out["place"].i64().unwrap().equal(0);
    let begins = row.filter(&begins).unwrap();
    let expected = (0..3_000)
        .filter(|i| line(*i).is_some())
        .map(|i| Some(i as IdxSize));
    assert_eq!(begins.to_vec(), expected.collect::<Vec<_>>());
}

#[test]
fn faults_come_first_and_null_is_refused() {
    let df = lines(10);
    let never = |_: &mut Emit<(&str, i64)>, _: &str| -> () { panic!("called") };
    let all = named(&df)
        .keep(["lime"])
        .source_rows("word")
        .on_error(OnError::Null)
        .emit_rows(never)
        .unwrap_err();
    let said: Vec<String> = faults(&all).iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains(r#"did you mean "line""#), "{said:?}");
    let error = df
        .par_apply()
        .emit_rows(|_: &mut Emit<&str>, _: i64| -> () { panic!("called") })
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Dtype { .. }), "{error}");
}

#[test]
fn no_rows_have_the_right_columns() {
    type Borrowed<'a> = (&'a str, Option<&'a [u8]>, Option<f64>);
    for df in [lines(20), lines(20).clear()] {
        let out = df
            .par_apply()
            .keep(["line"])
            .emit_rows(|_: &mut Emit<Borrowed<'_>>, _: &str| {})
            .unwrap();
        assert_eq!(
            out.dtypes(),
            [
                DataType::String,
                DataType::String,
                DataType::Binary,
                DataType::Float64
            ]
        );
        assert_eq!(out.height(), 0);
    }
}

#[test]
fn in_the_background_it_is_the_same() {
    watched(|| {
        let df = lines(20_000);
        let job = named(&df).spawn_emit_rows(split);
        let told = named(&df).workers(2).outcome().spawn_emit_rows(split);
        drop(df);
        let expected = looped(20_000, |_| true);
        assert_same_frame(&job.get().unwrap(), &expected, "a job");
        let told = told.get().unwrap();
        assert_same_frame(&told.output, &expected, "a job with an outcome");
        assert_eq!(told.stats.rows, 20_000);
    });
}
