"""Runs all contenders, compares what they give, and writes the figures, the table and the chart. `run` calls it."""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import tomllib
from importlib.metadata import version
from pathlib import Path

import numpy as np

import chart
import data
import front_page
import table
from contenders import CONTENDERS
from functions import FUNCTIONS, TRIMMED_MEAN, WINDOW

HERE = Path(__file__).parent
FIGURES = HERE.parent / "figures.json"

# Whose results the others are compared with.
REFERENCE = "loop"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=Path, required=True, help="the contenders in Rust")
    parser.add_argument("--rows", type=int, help="so many rows of each function; nothing is written")
    parser.add_argument("--only", nargs="*", help="these contenders; nothing is written")
    parser.add_argument("--draw", action="store_true", help="only write the table and the chart, of figures.json")
    options = parser.parse_args()
    if options.draw:
        write(json.loads(FIGURES.read_text()))
        return
    figures = {"about": about(), "rows": data.ROWS, "seconds": {}}
    if options.rows:
        figures["rows"] = dict.fromkeys(FUNCTIONS, options.rows)
    with tempfile.TemporaryDirectory() as folder:
        inputs, results = Path(folder, "data"), Path(folder, "results")
        inputs.mkdir()
        results.mkdir()
        data.make(inputs, figures["rows"])
        for contender in CONTENDERS:
            if not options.only or contender.name in options.only:
                figures["seconds"][contender.name] = run(contender, options.program, inputs, results)
        agree(results)
    if options.rows or options.only:
        print(table.markdown(figures))
        chart.draw(figures, Path(tempfile.gettempdir(), "chart.svg"))
    else:
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
        write(figures)


def write(figures):
    table.write(figures, HERE.parent / "README.md")
    chart.draw(figures, HERE.parent / "chart.svg")
    front_page.write(figures, HERE.parents[2] / "README.md")


def run(contender, program, inputs, results):
    """For each function: the way, and the median, the least and the longest time in seconds."""
    if contender.in_rust:
        command = [program]
    else:
        command = [sys.executable, HERE / "measure.py"]
    began = time.monotonic()
    process = subprocess.run([*command, contender.name, inputs, results], capture_output=True, text=True)
    if process.returncode != 0:
        sys.exit(f"{contender.name} failed:\n{process.stderr}")
    seconds = {}
    for line in process.stdout.splitlines():
        line = json.loads(line)
        times = line["times"]
        of = [round(float(number), 7) for number in [np.median(times), min(times), max(times)]]
        # Of two ways, the quicker.
        other = seconds.get(line["function"])
        if other is None or of[0] < other["median"]:
            of = dict(zip(["median", "least", "most"], of))
            seconds[line["function"]] = {"way": line["way"], **of, "rounds": len(times)}
    brief = ", ".join(f"{name} {of['median'] * 1e3:.4g} ms" for name, of in seconds.items())
    print(f"{contender.name} ({time.monotonic() - began:.0f} s): {brief}", flush=True)
    return seconds


def agree(results):
    """Fails where a contender's results differ from the reference's: texts at all, numbers by more than rounding."""
    for function in FUNCTIONS:
        paths = sorted(results.glob(f"{function}.*"))
        of_reference = [path for path in paths if path.name.startswith(f"{function}.{REFERENCE}.")]
        first = of_reference[0] if of_reference else paths[0]
        expected = read(first)
        for path in paths:
            actual = read(path)
            if isinstance(expected, bytes):
                same = actual == expected
            else:
                same = len(actual) == len(expected)
                same = same and np.allclose(actual, expected, rtol=1e-9, atol=1e-12)
            if not same:
                sys.exit(f"{path.name} differs from {first.name}")
        print(f"{function}: {len(paths)} results agree")


def read(path):
    if path.suffix == ".txt":
        return path.read_bytes()
    numbers = np.fromfile(path)
    # What there is for the rows that have no whole window differs.
    return numbers[WINDOW - 1 :] if path.name.startswith(TRIMMED_MEAN) else numbers


def about():
    """What the figures depend on."""
    names = ["dask", "joblib", "mapply", "numpy", "pandarallel", "pandas", "polars", "swifter"]
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    return {
        "date": datetime.date.today().isoformat(),
        "python": {"python": platform.python_version(), **{name: version(name) for name in names}},
        "rust": {"rustc": rustc, **locked(["polars-par-apply", "polars", "polars-rows-iter", "rayon"])},
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory": memory(),
        "system": system(),
        "busy": busy(),
    }


def locked(names):
    """The versions in Cargo.lock."""
    packages = tomllib.loads((HERE.parent / "Cargo.lock").read_text())["package"]
    versions = {package["name"]: package["version"] for package in packages}
    return {name: versions[name] for name in names}


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def memory():
    """In GiB."""
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def system():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return f"{platform.system()} {platform.release()}"


def busy():
    """How much of the cores something else took in ten seconds before the start, as a part; none where the system does not say."""
    try:
        before = Path("/proc/stat").read_text()
        time.sleep(10)
        after = Path("/proc/stat").read_text()
    except OSError:
        return None
    before, after = (np.array(text.split("\n")[0].split()[1:9], dtype=float) for text in [before, after])
    passed = after - before
    idle = passed[3] + passed[4]
    return round(float(1 - idle / passed.sum()), 3)


if __name__ == "__main__":
    main()
