//! The compiler's messages about wrong programs.
//!
//! `laws/compiler/` has a program for each likely mistake, and beside it the whole message that the compiler gives: one error, and
//! no word about what the crate has inside. A message is that of one version of the compiler, and the law is checked with this
//! version only. After a change of a message, or for a new version, set `VERSION` below, run
//!
//! ```text
//! BLESS=1 cargo test -p polars-par-apply-tests --test laws compiler
//! ```
//!
//! which writes the messages anew, and read what `git diff` shows.
//!
//! The compiler is called directly, with the crate as cargo built it beside this program, so that a case takes less than a second.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

/// The version of the compiler whose messages are in `laws/compiler/`.
const VERSION: &str = "rustc 1.95.";

/// How many messages there are at least, so that none is left out by mistake.
const CASES: usize = 40;

/// A right call: the other lines differ from it only in their mistake.
const RIGHT: &str = "df.par_apply().by([\"k\"]).groups(|k: &str, x: Values<'_, f64>| (k.len() as u32, x.iter().sum::<f64>()))";

/// Wrong calls, each with a part of the compiler's message.
const WRONG: &[(&str, &str)] = &[
    // The arguments of closures.
    (
        "df.par_apply_rows(|x: usize| x as f64)",
        "`usize` is neither a column's value nor a row",
    ),
    (
        "df.par_apply_columns(|x: f64| x)",
        "is not a function of a column",
    ),
    (
        "df.par_apply_chunks(|x: f64| x)",
        "is not a function of a part of a frame",
    ),
    (
        "df.par_apply_groups([\"k\"], |x: usize| x as f64)",
        "is not a function of a group",
    ),
    (
        "df.par_apply().by([\"k\"]).groups(|_: Values<'_, usize>| 1.0)",
        "`usize` is not a column's value: cannot be read",
    ),
    (
        "df.par_apply().by([\"k\"]).groups(|_: Rows<'_, (f64, usize)>| 1.0)",
        "`usize` is not a column's value: cannot be read",
    ),
    (
        "df.par_apply().by([\"k\"]).groups(|x: &[f64]| x.len() as f64)",
        "is not a function of a group",
    ),
    (
        "df.par_apply().by([\"k\"]).transform(|x: &Column| x.clone())",
        "is not a function of a group",
    ),
    (
        "df.par_apply_windows(Window::rows(3), |x: DataFrame| x.height() as f64)",
        "is not a function of a window",
    ),
    (
        "df.par_apply_windows(Window::rows(3), |x: Group<'_>| x.height() as f64)",
        "is not a function of a window",
    ),
    // The arguments that options give.
    (
        "df.par_apply().by([\"k\"]).state(|| 0u32).groups(|x: Values<'_, f64>| x.len() as f64)",
        "is not a function of a group",
    ),
    (
        "df.par_apply().seed(7).windows(Window::rows(3), |x: Values<'_, f64>| x.len() as f64)",
        "is not a function of a window",
    ),
    // The results of closures.
    (
        "df.par_apply_rows(|x: f64| [x].to_vec().into_iter())",
        "is not a column's value: cannot be written",
    ),
    (
        "df.par_apply().filter_rows(|x: f64| x)",
        "`f64` does not say whether a row is kept",
    ),
    (
        "df.par_apply_groups([\"k\"], |x: Values<'_, f64>| x.len())",
        "`usize` is not a group's result",
    ),
    (
        "df.par_apply().by([\"k\"]).transform(|x: Values<'_, f64>| x.iter().sum::<f64>())",
        "`f64` is not the result of a transform",
    ),
    (
        "df.par_apply().chunk_rows(9).transform(|x: Values<'_, f64>| x.get(0))",
        "is not the result of a transform",
    ),
    (
        "df.par_apply_windows(Window::rows(3), |x: Values<'_, f64>| x.len())",
        "`usize` is not a column's value: cannot be written",
    ),
    (
        "df.clone().lazy().par_apply().by([\"k\"]).groups(|g: DataFrame| g)",
        "DataFrame` is not a row's result",
    ),
];

/// The crate as cargo built it, the newest first: builds with other features are in the same folder.
fn built() -> Vec<PathBuf> {
    let folder = std::env::current_exe().unwrap();
    let files = std::fs::read_dir(folder.parent().unwrap()).unwrap();
    let mut built: Vec<(SystemTime, PathBuf)> = files
        .map(|file| file.unwrap())
        .filter(|file| {
            let name = file.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libpolars_par_apply-") && name.ends_with(".rlib")
        })
        .map(|file| (file.metadata().unwrap().modified().unwrap(), file.path()))
        .collect();
    built.sort();
    built.into_iter().rev().map(|(_, path)| path).collect()
}

/// The build that has all features, which a right program compiles with.
fn library(folder: &Path) -> PathBuf {
    let built = built();
    let library = built
        .iter()
        .find(|library| messages_of_calls(folder, library, &[RIGHT]).is_empty());
    let library = library.unwrap_or_else(|| panic!("the compiler takes none of {built:?}"));
    library.clone()
}

fn compiler() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// Compiles the file `name` of `folder`, and returns the compiler's messages.
fn messages(folder: &Path, name: &str, library: &Path, format: &str, out: &Path) -> String {
    let output = compiler()
        .current_dir(folder)
        .args(["--edition", "2024", "--crate-type", "lib"])
        .args(["--emit", "metadata", "--cap-lints", "allow"])
        .args(["--color", "never", "--error-format", format])
        .arg("--out-dir")
        .arg(out)
        .arg("--extern")
        .arg(format!("polars_par_apply={}", library.display()))
        .arg("-L")
        .arg(format!(
            "dependency={}",
            library.parent().unwrap().display()
        ))
        .arg(name)
        .output()
        .unwrap();
    String::from_utf8(output.stderr).unwrap()
}

/// The short messages about a program that makes these calls, each in a line of its own, from the second line on.
fn messages_of_calls(folder: &Path, library: &Path, calls: &[&str]) -> String {
    let mut program = String::from("use polars_par_apply::prelude::*;\n");
    for (at, call) in calls.iter().enumerate() {
        program += &format!("pub fn f{at}(df: &DataFrame) {{ let _ = {call}; }}\n");
    }
    std::fs::write(folder.join("calls.rs"), &program).unwrap();
    messages(folder, "calls.rs", library, "short", folder)
}

/// A message without what differs between machines: places in other files than the case, the lines shown of them, and where
/// long types were written to.
fn normalized(message: &str, name: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut elsewhere = false;
    for line in message.lines() {
        let trimmed = line.trim_start();
        if let Some(place) = trimmed
            .strip_prefix("--> ")
            .or_else(|| trimmed.strip_prefix("::: "))
        {
            elsewhere = !place.starts_with(name);
        } else if !line.starts_with(' ') && !trimmed.starts_with(|c: char| c.is_ascii_digit()) {
            elsewhere = false;
        }
        let shown = trimmed.starts_with(['|', '.'])
            || trimmed.starts_with(|c: char| c.is_ascii_digit())
            || trimmed.starts_with("--> ")
            || trimmed.starts_with("::: ")
            || trimmed.starts_with("= note: in this macro invocation");
        let dropped = [
            "= note: the full name for the type has been written to",
            "= note: the full type name has been written to",
            "= note: consider using `--verbose`",
            "= note: this error originates in the",
            "error: aborting due to",
            "Some errors have detailed explanations",
            "For more information about",
        ];
        if !(elsewhere && shown || dropped.iter().any(|start| trimmed.starts_with(start))) {
            lines.push(line.trim_end());
        }
    }
    lines.join("\n").trim_end().to_string() + "\n"
}

#[test]
fn each_likely_mistake_has_one_error_with_this_text() {
    let version = compiler().arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    if !version.starts_with(VERSION) {
        eprintln!("not checked: the texts are those of {VERSION}*, and this is {version}");
        return;
    }
    let bless = std::env::var_os("BLESS").is_some();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("laws/compiler");
    let mut cases: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".rs"))
        .collect();
    cases.sort();
    assert!(cases.len() >= CASES, "{} cases", cases.len());

    let out = tempfile::tempdir().unwrap();
    let library = library(out.path());
    let next = AtomicUsize::new(0);
    let wrong = || {
        let mut wrong = Vec::new();
        while let Some(name) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let message = messages(&folder, name, &library, "human", out.path());
            let message = normalized(&message, name);
            let file = folder.join(name).with_extension("txt");
            let expected = std::fs::read_to_string(&file).unwrap_or_default();
            if bless {
                std::fs::write(&file, &message).unwrap();
            } else if message != expected {
                wrong.push(format!("{name}: expected\n{expected}\nbut got\n{message}"));
            }
            let errors = message.lines().filter(|line| line.starts_with("error"));
            if errors.count() != 1 {
                wrong.push(format!("{name}: not one error\n{message}"));
            }
        }
        wrong
    };
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..workers.min(8)).map(|_| scope.spawn(wrong)).collect();
        let results = workers.into_iter().flat_map(|it| it.join().unwrap());
        results.collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_closure_gets_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path());

    let calls: Vec<&str> = WRONG.iter().map(|(call, _)| *call).collect();
    let said = messages_of_calls(folder.path(), &library, &calls);
    for (line, (call, expected)) in (2..).zip(WRONG) {
        let place = format!("calls.rs:{line}:");
        let of_this: Vec<&str> = said.lines().filter(|said| said.contains(&place)).collect();
        assert!(
            of_this.iter().any(|said| said.contains(expected)),
            "{call}\n{of_this:#?}"
        );
        // No error is about what the crate has inside.
        let inside = [
            "SealedFor",
            "GroupArg`",
            "SpanArgs",
            "CallWith",
            "unsatisfied",
        ];
        assert!(
            !of_this
                .iter()
                .any(|said| inside.iter().any(|name| said.contains(name))),
            "{call}\n{of_this:#?}"
        );
        assert!(of_this.len() <= 2, "{call}\n{of_this:#?}");
    }
}
