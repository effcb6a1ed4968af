"""Makes the data, and reads it.

The files are CSV, which every contender's library reads; floats are written so that all of them read the same numbers.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from functions import CLEAN_UP, COUNT_IN_RANGE, DIGITS, HYPOTENUSE, SLOPE, TRIMMED_MEAN

# The rows of each function's data: the slowest contenders take some seconds for them.
ROWS = {
    HYPOTENUSE: 1_000_000,
    COUNT_IN_RANGE: 1_000_000,
    CLEAN_UP: 500_000,
    SLOPE: 1_000_000,
    TRIMMED_MEAN: 200_000,
}
# How many rows a group has on average.
ROWS_OF_A_GROUP = 100


def make(folder, rows):
    """Writes a file for each function, of so many rows each."""
    random = np.random.default_rng(0)
    for name, columns in COLUMNS.items():
        pl.DataFrame(columns(random, rows[name])).write_csv(Path(folder, f"{name}.csv"))


def sides(random, rows):
    return {"x": random.random(rows), "y": random.random(rows)}


def digits(random, rows):
    return {name: random.integers(0, 10, rows) for name in DIGITS}


def numbered_texts(random, rows):
    return {"text": texts(random, rows), "number": random.integers(0, 1000, rows)}


def texts(random, rows):
    """Three words of 3 to 10 letters, some of them capitals, with one to three blanks around each."""
    letters = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    # Drawn from a list of words, as it takes long to make so many.
    words = ["".join(random.choice(letters, random.integers(3, 11))) for _ in range(10_000)]
    words = np.array(words, dtype=object)
    blanks = np.array([" ", "  ", "   "], dtype=object)
    text = random.choice(blanks, rows)
    for _ in range(3):
        text = text + random.choice(words, rows) + random.choice(blanks, rows)
    return text.tolist()


def points(random, rows):
    """Points around a line for each key, in no order."""
    groups = max(rows // ROWS_OF_A_GROUP, 1)
    key = random.integers(0, groups, rows)
    x = random.random(rows)
    return {"key": key, "x": x, "y": x * (1 + key / groups) + random.random(rows)}


def series(random, rows):
    return {"x": random.random(rows)}


COLUMNS = {
    HYPOTENUSE: sides,
    COUNT_IN_RANGE: digits,
    CLEAN_UP: numbered_texts,
    SLOPE: points,
    TRIMMED_MEAN: series,
}


class Data:
    """The files, as the frames that a contender takes."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def pandas(self, name):
        return pd.read_csv(self.folder / f"{name}.csv", float_precision="round_trip")

    def polars(self, name):
        return pl.read_csv(self.folder / f"{name}.csv")
