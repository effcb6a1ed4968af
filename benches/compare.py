#!/usr/bin/env python3
"""Compares two builds of the bench `bars`, which take turns: for before and after a change.

    python3 benches/compare.py OLD NEW [--turns 15] [--rounds 3] [WORD…]

OLD and NEW are the programs that `cargo bench -p polars-par-apply-benches --bench bars --no-run` prints. A word is a part of
the names of the groups to run. For each line that both print: the medians of both sides over all turns, and new / old.
"""

import argparse
import re
import statistics
import subprocess

TIME = re.compile(r"([\d.]+) (us|ms)")
NUMBER = re.compile(r"([\d.]+)")


def lines(program, rounds, words):
    """The value of each line: our time, in microseconds, where there is one; else the number measured."""
    command = [program, "--bench", f"--rounds={rounds}", *words]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    values = {}
    for line in printed.splitlines():
        name, columns = line[:82].strip(), line[82:]
        time = TIME.match(columns.strip())
        if time:
            values[name] = float(time[1]) * (1000 if time[2] == "ms" else 1)
            continue
        # best, measured, limit
        numbers = NUMBER.findall(columns)
        if len(numbers) >= 2:
            values[name] = float(numbers[1])
    return values


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sides = {"old": [], "new": []}
    for turn in range(options.turns):
        order = ["old", "new"] if turn % 2 == 0 else ["new", "old"]
        for side in order:
            program = getattr(options, side)
            sides[side].append(lines(program, options.rounds, options.words))
    print(f"medians of {options.turns} turns of {options.rounds} rounds; times in us")
    print(f"{'line':<82} {'old':>12} {'new':>12} {'new/old':>8}")
    for name in sides["new"][0]:
        old = [values[name] for values in sides["old"] if name in values]
        new = [values[name] for values in sides["new"] if name in values]
        if not old:
            continue
        old, new = statistics.median(old), statistics.median(new)
        ratio = f"{new / old:8.3f}" if old > 0 else ""
        print(f"{name:<82} {old:12.2f} {new:12.2f} {ratio}")


if __name__ == "__main__":
    main()
