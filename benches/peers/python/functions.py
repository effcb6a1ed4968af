"""The five functions, as one writes them in Python: each is the same for all contenders in Python."""

import math

import numpy as np

# What the data files are called, and what they are about.
HYPOTENUSE, COUNT_IN_RANGE, CLEAN_UP, SLOPE, TRIMMED_MEAN = FUNCTIONS = (
    "hypotenuse",
    "count_in_range",
    "clean_up",
    "slope",
    "trimmed_mean",
)

DIGITS = ["a", "b", "c", "d", "e"]
WINDOW = 100
# So many of the smallest and of the largest values of a window are left out.
TRIMMED = 10
KEPT = slice(TRIMMED, WINDOW - TRIMMED)


def hypotenuse(x, y):
    return math.sqrt(x * x + y * y)


def count_in_range(digits):
    return sum(4 <= digit <= 8 for digit in digits)


def clean_up(text, number):
    """Lower-case words with one blank between them, and the number."""
    return f"{' '.join(text.lower().split())} {number}"


def slope(x, y):
    """The slope of the least-squares line through the points of a group."""
    x = x - x.mean()
    return (x * (y - y.mean())).sum() / (x * x).sum()


def trimmed_mean(window):
    """The mean of an array of 100 values without the 10 smallest and the 10 largest."""
    return np.sort(window)[KEPT].mean()


# The same, given what pandas' `apply` gives.


def hypotenuse_of_row(row):
    """Two whole columns will do as well as the numbers of a row, which swifter makes use of."""
    return np.sqrt(row["x"] * row["x"] + row["y"] * row["y"])


def clean_up_of_row(row):
    return clean_up(row["text"], row["number"])


def slope_of_group(group):
    return slope(group["x"].to_numpy(), group["y"].to_numpy())
