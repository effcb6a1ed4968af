"""Who takes part: a module for each contender in Python, and the list of all, in the order of the table and the chart.

A module has `contenders()`, a list of (function, way, make). `make(data)` reads the data and gives two closures: one makes the call that is
timed, the other gives its result as numbers or texts in the order of the rows; of `slope`, the keys and the slopes.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Contender:
    name: str
    """Of its module in `contenders/`, or what the program in Rust calls it."""
    label: str
    group: str
    cores: str
    without: str = ""
    """Why it has not all functions."""

    @property
    def in_rust(self):
        return self.group in (OURS, RUST)


OURS = "this crate"
RUST = "Rust, your own function"
EXPRESSIONS = "whole columns, no function of your own"
PYTHON = "Python, your own function"

CONTENDERS = [
    Contender("ours", "polars-par-apply", OURS, "2"),
    Contender("by_rayon", "Rust, rayon by hand", RUST, "2"),
    Contender("serial", "Rust, zip by hand", RUST, "1"),
    Contender("rows_iter", "polars-rows-iter", RUST, "1", "it has no windows"),
    Contender("polars_expressions", "Polars expressions", EXPRESSIONS, "2"),
    Contender("numpy_", "NumPy arrays", EXPRESSIONS, "1", "it has no function for texts that does this"),
    Contender("loop", "Python, plain loop", PYTHON, "1"),
    Contender("pool", "multiprocessing.Pool", PYTHON, "2"),
    Contender("joblib_", "joblib", PYTHON, "2"),
    Contender("polars_functions", "Polars map_…", PYTHON, "1"),
    Contender("pandas_", "pandas apply", PYTHON, "1"),
    Contender("pandarallel_", "pandarallel", PYTHON, "2"),
    Contender("mapply_", "mapply", PYTHON, "2", "it has windows only within groups"),
    Contender("dask_", "Dask", PYTHON, "2"),
    Contender("swifter_", "swifter", PYTHON, "2", "it needs Ray for groups, and its windows fail with pandas 3"),
]

# How the functions are called in the table and the chart.
TITLES = {
    "hypotenuse": "hypotenuse",
    "count_in_range": "count in range",
    "clean_up": "text clean-up",
    "slope": "slope by group",
    "trimmed_mean": "window of 100",
}
