//! What the compiler says of a wrong closure: one sentence, of the closure or of what it takes or returns.
//!
//! The compiler is asked by hand, of the crate as it lies built beside this program: a case takes no time then.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// What is right, so that all other lines are wrong for what is said of them.
const RIGHT: &str = "df.par_apply().by([\"k\"]).groups(|k: &str, x: Values<'_, f64>| (k.len() as u32, x.iter().sum::<f64>()))";

/// A call, and what the compiler says of it.
const WRONG: &[(&str, &str)] = &[
    // What closures take.
    (
        "df.par_apply_rows(|x: usize| x as f64)",
        "is not a function of a row",
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
    // What is given besides.
    (
        "df.par_apply().by([\"k\"]).state(|| 0u32).groups(|x: Values<'_, f64>| x.len() as f64)",
        "is not a function of a group",
    ),
    (
        "df.par_apply().seed(7).windows(Window::rows(3), |x: Values<'_, f64>| x.len() as f64)",
        "is not a function of a window",
    ),
    // What they return.
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

/// The crate as cargo built it, the newest first: builds with other features lie in the same folder.
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

/// What the compiler says of a program that makes these calls, each in a line of its own, from the second line on.
fn said(folder: &Path, library: &Path, calls: &[&str]) -> String {
    let mut program = String::from("use polars_par_apply::prelude::*;\n");
    for (at, call) in calls.iter().enumerate() {
        program += &format!("pub fn f{at}(df: &DataFrame) {{ let _ = {call}; }}\n");
    }
    let file = folder.join("calls.rs");
    std::fs::write(&file, program).unwrap();
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler)
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "lib",
            "--emit",
            "metadata",
            "--error-format",
            "short",
        ])
        .args(["--cap-lints", "allow"])
        .arg("--out-dir")
        .arg(folder)
        .arg("--extern")
        .arg(format!("polars_par_apply={}", library.display()))
        .arg("-L")
        .arg(format!(
            "dependency={}",
            library.parent().unwrap().display()
        ))
        .arg(file)
        .output()
        .unwrap();
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_wrong_closure_gets_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let built = built();
    let library = built
        .iter()
        .find(|library| said(folder.path(), library, &[RIGHT]).is_empty());
    let library = library.unwrap_or_else(|| panic!("the compiler takes none of {built:?}"));

    let calls: Vec<&str> = WRONG.iter().map(|(call, _)| *call).collect();
    let said = said(folder.path(), library, &calls);
    for (line, (call, expected)) in (2..).zip(WRONG) {
        let place = format!("calls.rs:{line}:");
        let of_this: Vec<&str> = said.lines().filter(|said| said.contains(&place)).collect();
        assert!(
            of_this.iter().any(|said| said.contains(expected)),
            "{call}\n{of_this:#?}"
        );
        // No error of what the crate has inside.
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
