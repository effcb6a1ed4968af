#!/usr/bin/env python3
"""Measures what row closures cost to compile: a program with 50 different ones against 50 zips over ChunkedArrays.

    python3 benches/compile_time.py [--rounds 3] [--closures 50] [--keep FOLDER]

Both programs are compiled as `cargo build --release` would, but not linked, against this crate as the benches build it. The
compilers take turns. Printed is the CPU time (user and system, of all threads) of each program, less that of one without any
closure; and ours / by hand. Build for comparisons in one target folder: CARGO_TARGET_DIR says which.
"""

import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import tempfile

HEAD = """#![allow(dead_code, clippy::all)]
use polars_par_apply::polars::prelude::*;
use polars_par_apply::prelude::*;
"""

# Columns, the closure, and the same by hand; K is another number each time.
SHAPES = [
    ("a b", "|a: f64, b: f64| a * K.5 + b", "f64 f64", "(Some(a), Some(b)) => Some(a * K.5 + b)", "Float64Chunked"),
    ("i j", "|i: i64, j: i64| (i ^ K) + j", "i64 i64", "(Some(i), Some(j)) => Some((i ^ K) + j)", "Int64Chunked"),
    ("a i", "|a: f64, i: i64| a > (i + K) as f64", "f64 i64", "(Some(a), Some(i)) => Some(a > (i + K) as f64)", "BooleanChunked"),
    ("s i", "|s: &str, i: i64| s.len() as i64 * K + i", "str i64", "(Some(s), Some(i)) => Some(s.len() as i64 * K + i)", "Int64Chunked"),
    ("a b", "|a: f64, b: f64| (a > b + K.0).then_some(a)", "f64 f64", "(Some(a), Some(b)) => (a > b + K.0).then_some(a)", "Float64Chunked"),
]


def ours(number):
    columns, closure, *_ = SHAPES[number % len(SHAPES)]
    columns = ", ".join(f'"{name}"' for name in columns.split())
    closure = closure.replace("K", str(number + 2))
    return f"""
fn f{number}(df: &DataFrame) -> polars_par_apply::Result<Column> {{
    df.par_apply().select([{columns}]).rows({closure})
}}
"""


def by_hand(number):
    columns, _, types, arm, output = SHAPES[number % len(SHAPES)]
    (first, second), (one, other) = columns.split(), types.split()
    arm = arm.replace("K", str(number + 2))
    return f"""
fn f{number}(df: &DataFrame) -> PolarsResult<Column> {{
    let (first, second) = (df.column("{first}")?.{one}()?, df.column("{second}")?.{other}()?);
    let rows = first.iter().zip(second.iter());
    let output: {output} = rows.map(|row| match row {{ {arm}, _ => None }}).collect();
    Ok(output.into_column())
}}
"""


def program(function, closures):
    functions = "".join(function(number) for number in range(closures))
    calls = "".join(f"    drop(f{number}(&df));\n" for number in range(closures))
    return f"{HEAD}{functions}\nfn main() {{\n    let df = DataFrame::empty();\n{calls}    drop(df);\n}}\n"


def built():
    """The crate as the benches have it."""
    command = ["cargo", "bench", "--locked", "-p", "polars-par-apply-benches", "--bench", "bars", "--no-run"]
    command += ["--message-format=json"]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in printed.splitlines():
        message = json.loads(line)
        if message.get("target", {}).get("name") == "polars_par_apply" and "filenames" in message:
            return pathlib.Path(next(name for name in message["filenames"] if name.endswith(".rlib")))
    raise SystemExit("cargo reports no library")


def compile_once(source, library, folder):
    command = ["rustc", "--edition=2024", "--crate-type=bin", "-Copt-level=3", "--emit=obj", "--cap-lints=allow"]
    command += ["--extern", f"polars_par_apply={library}", "-L", f"dependency={library.parent}"]
    command += ["-o", str(folder / f"{source.stem}.o"), str(source)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--closures", type=int, default=50)
    parser.add_argument("--keep", help="where to leave the programs")
    options = parser.parse_args()
    library = built()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(options.keep or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        programs = {
            "nothing": program(ours, 0),
            "ours": program(ours, options.closures),
            "by hand": program(by_hand, options.closures),
        }
        sources = {}
        for name, text in programs.items():
            sources[name] = folder / f"{name.replace(' ', '_')}.rs"
            sources[name].write_text(text)
        times = {name: [] for name in programs}
        for _ in range(options.rounds):
            for name, source in sources.items():
                times[name].append(compile_once(source, library, folder))
    median = {name: statistics.median(all) for name, all in times.items()}
    least = {name: min(all) for name, all in times.items()}
    print(f"{options.closures} closures, {options.rounds} rounds; seconds of CPU time: median, least")
    for name in programs:
        print(f"{name:<10} {median[name]:8.2f} {least[name]:8.2f}")
    for what, of in [("median", median), ("least", least)]:
        ratio = (of["ours"] - of["nothing"]) / (of["by hand"] - of["nothing"])
        print(f"ours / by hand, less nothing, {what}: {ratio:.2f}; whole: {of['ours'] / of['by hand']:.2f}")


if __name__ == "__main__":
    main()
