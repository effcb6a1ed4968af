//! `Report` and the text of `Stats`: what is drawn and printed is what happened.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use polars_par_apply::prelude::*;

use crate::frames::{counting, watched};

/// The texts of an SVG, in order. It is read as XML: a picture that is not well formed fails.
fn texts(svg: &str) -> Vec<String> {
    let picture = roxmltree::Document::parse(svg).unwrap();
    let root = picture.root_element();
    assert_eq!(root.tag_name().name(), "svg");
    // It loads nothing and runs nothing.
    let loads = |node: &roxmltree::Node<'_, '_>| {
        let name = node.tag_name().name();
        matches!(name, "script" | "image" | "style" | "use") || node.has_attribute("href")
    };
    assert!(!root.descendants().any(|node| loads(&node)));
    let texts = root
        .descendants()
        .filter(|node| node.has_tag_name((SVG, "text")));
    texts
        .map(|node| node.text().unwrap().trim().to_string())
        .collect()
}

const SVG: &str = "http://www.w3.org/2000/svg";

#[track_caller]
fn shows(svg: &str, text: &str) {
    let texts = texts(svg);
    assert!(
        texts.iter().any(|shown| shown == text),
        "{text:?} is not in {texts:#?}"
    );
}

/// The messages of failures that a picture shows, each after how often it was seen.
fn failures(svg: &str) -> Vec<String> {
    let mut texts = texts(svg).into_iter();
    texts.find(|text| text == "Failures");
    let shown: Vec<String> = texts.collect();
    // What follows the heading is a legend, and then two texts for each message.
    shown.iter().skip(2).step_by(2).cloned().collect()
}

fn no_street(n: i64) -> anyhow::Result<i64> {
    match n % 100 {
        7 => anyhow::bail!("no street \"{n} <Main> & Sons\""),
        9 if n > 500 => panic!("out of streets"),
        _ => Ok(n),
    }
}

#[test]
fn a_report_shows_rows_workers_and_failures() {
    watched(|| {
        let df = counting(1_000);
        for workers in [1, 2, 4] {
            let report = Report::new("streets <of> & \"towns\"");
            let outcome = df
                .par_apply()
                .workers(workers)
                .report(&report)
                .on_error(OnError::Null)
                .rows(no_street)
                .unwrap();
            let svg = report.to_svg().unwrap();
            shows(&svg, "streets <of> & \"towns\": rows");
            for line in format!("{:#}", outcome.stats).lines() {
                shows(&svg, line);
            }
            for (at, worker) in outcome.stats.workers.iter().enumerate() {
                let share = worker.busy.as_secs_f64() / outcome.stats.wall.as_secs_f64();
                shows(&svg, &format!("{at}: {:.0} % busy", share * 100.0));
            }
            // One line for ten texts, which differ in what is quoted alone.
            shows(&svg, "10");
            shows(&svg, "no street \"7 <Main> & Sons\"");
            shows(&svg, "5");
            shows(&svg, "out of streets");
            assert_eq!(outcome.stats.failures, 15);
        }
    });
}

#[test]
fn every_verb_has_a_report() {
    let df = df!["k" => [1, 1, 2], "x" => [1.0, 2.0, 3.0]].unwrap();
    let report = Report::new("t");
    let call = || df.par_apply().select(["x"]).report(&report);
    let drawn = || report.to_svg().unwrap();
    call().rows(|x: f64| x).unwrap();
    shows(&drawn(), "t: rows");
    call().filter_rows(|x: f64| x > 1.0).unwrap();
    shows(&drawn(), "t: filter_rows");
    call().with_columns(|x: f64| x).unwrap();
    shows(&drawn(), "t: with_columns");
    call().flat_map_rows(|x: f64| [x, x]).unwrap();
    shows(&drawn(), "t: flat_map_rows");
    call()
        .emit_rows(|out: &mut Emit<f64>, x: f64| out.push(x))
        .unwrap();
    shows(&drawn(), "t: emit_rows");
    call().columns(|x: Values<'_, f64>| x.len() as u32).unwrap();
    shows(&drawn(), "t: columns");
    call()
        .chunk_rows(1)
        .chunks(|part: DataFrame| part.height() as u32)
        .unwrap();
    shows(&drawn(), "t: chunks");
    call().elements(|x: f64| x).unwrap();
    shows(&drawn(), "t: elements");
    call()
        .fold_rows(|| 0.0, |sum: &mut f64, x: f64| *sum += x, |a, b| a + b)
        .unwrap();
    shows(&drawn(), "t: fold_rows");
    call()
        .by(["k"])
        .groups(|x: Values<'_, f64>| x.len() as u32)
        .unwrap();
    shows(&drawn(), "t: groups");
    call()
        .by(["k"])
        .transform(|x: Values<'_, f64>| x.iter().collect::<Vec<f64>>())
        .unwrap();
    shows(&drawn(), "t: transform");
    call()
        .windows(Window::rows(2), |x: Values<'_, f64>| x.len() as u32)
        .unwrap();
    shows(&drawn(), "t: windows");
    call().spawn_rows(|x: f64| x).get().unwrap();
    shows(&drawn(), "t: rows");
}

#[test]
fn a_call_that_fails_has_a_report() {
    let df = counting(1_000);
    let report = Report::new("t");
    df.par_apply().report(&report).rows(no_street).unwrap_err();
    let svg = report.to_svg().unwrap();
    shows(&svg, "t: rows, failed");
    shows(&svg, "no street \"7 <Main> & Sons\"");

    let token = CancelToken::new();
    let cancelled = df
        .par_apply()
        .sequential()
        .cancel_token(&token)
        .report(&report)
        .rows(|n: i64| {
            if n == 500 {
                token.cancel();
            }
            n
        });
    cancelled.unwrap_err();
    let texts = texts(&report.to_svg().unwrap());
    assert!(
        texts[1].ends_with(", cancelled before all was done"),
        "{texts:?}"
    );
}

#[test]
fn a_report_without_a_call_is_an_error() {
    let error = Report::new("t").to_svg().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Option { .. }));
    let folder = tempfile::tempdir().unwrap();
    let report = Report::new("t");
    counting(3)
        .par_apply()
        .report(&report)
        .rows(|n: i64| n)
        .unwrap();
    let nowhere = folder.path().join("none").join("run.svg");
    let error = report.save(&nowhere).unwrap_err().to_string();
    assert!(error.contains("run.svg"), "{error}");
    let file = folder.path().join("run.svg");
    report.save(&file).unwrap();
    shows(&std::fs::read_to_string(file).unwrap(), "t: rows");
}

#[test]
fn a_frame_without_rows_has_a_picture() {
    let report = Report::new("");
    counting(0)
        .par_apply()
        .report(&report)
        .rows(|n: i64| n)
        .unwrap();
    assert!(!texts(&report.to_svg().unwrap()).is_empty());
}

#[test]
fn many_short_runs_make_a_small_picture() {
    let report = Report::new("t");
    let df = counting(60_000);
    df.par_apply()
        .chunk_rows(1)
        .report(&report)
        .chunks(|part: DataFrame| part.height() as u32)
        .unwrap();
    assert!(report.to_svg().unwrap().len() < 1_000_000);
}

#[test]
fn a_report_is_of_the_call_that_began_last() {
    let report = Report::new("t");
    let df = counting(2);
    df.par_apply()
        .sequential()
        .report(&report)
        .rows(|n: i64| {
            counting(5)
                .par_apply_columns(|column: &Column| column.len() as u32)
                .unwrap();
            counting(5)
                .par_apply()
                .report(&report)
                .columns(|column: &Column| column.len() as u32)
                .unwrap();
            n
        })
        .unwrap();
    shows(&report.to_svg().unwrap(), "t: columns");
}

/// Calls that share a report may overlap, or be made within each other. Each has its own failures, however it ends and whichever ends
/// last.
#[test]
fn a_report_shows_no_failures_of_another_call() {
    watched(|| {
        let df = counting(2);
        for policy in [OnError::Null, OnError::Skip, OnError::Fail] {
            for failing in [true, false] {
                let report = Report::new("t");
                let call = || df.par_apply().sequential().report(&report).on_error(policy);
                let begins_last = || {
                    call().with_columns(|n: i64| {
                        anyhow::ensure!(!failing, "of the last");
                        Ok(n)
                    })
                };
                let fails = |_: i64| -> anyhow::Result<i64> { anyhow::bail!("of the first") };
                let shows_the_last = || {
                    let svg = report.to_svg().unwrap();
                    let title = texts(&svg).swap_remove(0);
                    assert!(title.starts_with("t: with_columns"), "{title}");
                    let expected = if failing { &["of the last"][..] } else { &[] };
                    assert_eq!(failures(&svg), expected, "{policy:?}");
                };

                // Within each other.
                let within = call().rows(|n: i64| {
                    drop(begins_last());
                    fails(n)
                });
                assert_eq!(within.is_err(), policy == OnError::Fail);
                shows_the_last();

                // On two threads.
                let (begun, over) = (Barrier::new(2), Barrier::new(2));
                thread::scope(|scope| {
                    scope.spawn(|| {
                        let ended = call().rows(|n: i64| {
                            if n == 0 {
                                begun.wait();
                                over.wait();
                            }
                            fails(n)
                        });
                        assert_eq!(ended.is_err(), policy == OnError::Fail);
                    });
                    begun.wait();
                    let last = begins_last();
                    over.wait();
                    assert_eq!(last.is_err(), failing && policy == OnError::Fail);
                });
                shows_the_last();
            }
        }
    });
}

#[test]
fn stats_are_shown_in_a_few_lines() {
    let df = df!["k" => ["a", "b", "a"], "x" => [1.0, 2.0, 3.0]].unwrap();
    let lines = |stats: &Stats| {
        stats
            .to_string()
            .lines()
            .map(str::to_string)
            .collect::<Vec<_>>()
    };

    let outcome = df
        .par_apply()
        .select(["x"])
        .on_error(OnError::Null)
        .rows(|x: f64| match x > 2.0 {
            true => Err(std::fmt::Error),
            false => Ok(x),
        });
    let stats = outcome.unwrap().stats;
    let shown = lines(&stats);
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert!(
        shown[0].starts_with(&format!("3 rows in {:.1?} (", stats.wall)),
        "{shown:?}"
    );
    assert!(shown[0].ends_with(" rows/s), 1 failure"), "{shown:?}");
    assert!(
        shown[1].starts_with("worker 0  ") && shown[1].contains(" % busy  3 rows in "),
        "{shown:?}"
    );
    let longest = stats.longest_run.as_ref().unwrap();
    assert!(shown[2].starts_with("longest run: row"), "{shown:?}");
    assert!(
        shown[2].ends_with(&format!(" in {:.1?}", longest.time)),
        "{shown:?}"
    );
    assert_eq!(format!("{stats:#}").lines().count(), 2);

    let columns = df
        .par_apply()
        .outcome()
        .columns(|column: &Column| column.len() as u32)
        .unwrap();
    assert!(
        lines(&columns.stats)[0].starts_with("2 columns in "),
        "{}",
        columns.stats
    );
    let values = df
        .par_apply()
        .select(["x"])
        .outcome()
        .elements(|x: f64| x)
        .unwrap();
    assert!(
        lines(&values.stats)[0].starts_with("3 values in "),
        "{}",
        values.stats
    );
    let groups = df
        .par_apply()
        .by(["k"])
        .outcome()
        .groups(|x: Values<'_, f64>| {
            std::thread::sleep(Duration::from_millis(x.len() as u64 * 5));
            x.len() as u32
        });
    let groups = groups.unwrap();
    let shown = lines(&groups.stats);
    assert!(shown[0].starts_with("3 rows in "), "{shown:?}");
    let slowest = groups.stats.slowest_group.as_ref().unwrap();
    let expected = match slowest.index {
        0 => format!(
            "slowest group: group 0 with key \"a\", 2 rows from row 0, in {:.1?}",
            slowest.time
        ),
        _ => format!(
            "slowest group: group 1 with key \"b\", 1 row from row 1, in {:.1?}",
            slowest.time
        ),
    };
    assert_eq!(shown.last(), Some(&expected));

    let nothing = df
        .head(Some(0))
        .par_apply()
        .select(["x"])
        .outcome()
        .rows(|x: f64| x)
        .unwrap();
    assert!(
        nothing.stats.to_string().starts_with("0 rows in "),
        "{}",
        nothing.stats
    );
}
