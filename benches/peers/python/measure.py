"""Measures one contender in a process of its own.

    python measure.py CONTENDER DATA RESULTS

CONTENDER is a module of `contenders/`, DATA the folder of the data, RESULTS the one into which results are written, for comparison.
Prints a line of JSON for each way in which the contender has a function: the function, the way, and the time of each round.
"""

import gc
import importlib
import json
import sys
import time
from pathlib import Path

import numpy as np

from data import Data
from functions import CLEAN_UP, SLOPE

# As many rounds as there is time for, within these bounds; `src/main.rs` has the same.
SECONDS = 4.0
FEWEST, MOST = 3, 21
# What takes longer than this is not called as often as that.
LONGEST = 20.0


def rounds(run):
    """The times of rounds, after one that is not timed, and the result. What a round returns is dropped after the clock has stopped."""
    result = run()
    times = []
    while not times or (len(times) < FEWEST and sum(times) < LONGEST) or (len(times) < MOST and sum(times) < SECONDS):
        gc.collect()
        start = time.perf_counter()
        again = run()
        times.append(time.perf_counter() - start)
        del again
    return times, result


def keep(path, function, result):
    """Writes a result as plain numbers or lines, so that it can be compared."""
    if function == CLEAN_UP:
        Path(f"{path}.txt").write_text("\n".join(result), encoding="utf-8")
        return
    if function == SLOPE:
        keys, slopes = (np.asarray(column, dtype=float) for column in result)
        result = slopes[np.argsort(keys)]
    np.asarray(result, dtype=float).tofile(f"{path}.f64")


def main():
    contender, data, results = sys.argv[1:]
    module = importlib.import_module(f"contenders.{contender}")
    for function, way, make in module.contenders():
        run, see = make(Data(data))
        times, result = rounds(run)
        keep(Path(results, f"{function}.{contender}.{way}"), function, see(result))
        del result
        print(json.dumps({"function": function, "way": way, "times": times}), flush=True)


if __name__ == "__main__":
    main()
