"""NumPy: calls over whole arrays, on one core. It has no such call for texts."""

import functions as f
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

# Windows that are sorted at once: all of them would take a hundred times the memory of the input.
BLOCK = 10_000


def contenders():
    return [
        (f.HYPOTENUSE, "arrays", hypotenuses),
        (f.COUNT_IN_RANGE, "arrays", counts_in_range),
        (f.SLOPE, "arrays", slopes),
        (f.TRIMMED_MEAN, "arrays", trimmed_means),
    ]


def hypotenuses(data):
    frame = data.pandas(f.HYPOTENUSE)
    x, y = (frame[name].to_numpy() for name in ["x", "y"])
    return lambda: np.sqrt(x * x + y * y), list


def counts_in_range(data):
    frame = data.pandas(f.COUNT_IN_RANGE)
    columns = [frame[name].to_numpy() for name in f.DIGITS]
    return lambda: sum(((4 <= column) & (column <= 8)).astype(np.int64) for column in columns), list


def slopes(data):
    frame = data.pandas(f.SLOPE)
    key, x, y = (frame[name].to_numpy() for name in ["key", "x", "y"])

    def run():
        keys, group = np.unique(key, return_inverse=True)
        count = np.bincount(group)
        x_sum, y_sum = np.bincount(group, x), np.bincount(group, y)
        xx, xy = np.bincount(group, x * x), np.bincount(group, x * y)
        return keys, (count * xy - x_sum * y_sum) / (count * xx - x_sum * x_sum)

    return run, lambda result: result


def trimmed_means(data):
    x = data.pandas(f.TRIMMED_MEAN)["x"].to_numpy()

    def run():
        windows = sliding_window_view(x, f.WINDOW)
        means = np.full(len(x), np.nan)
        for start in range(0, len(windows), BLOCK):
            block = np.sort(windows[start : start + BLOCK], axis=1)
            block = block[:, f.KEPT].mean(axis=1)
            means[f.WINDOW - 1 + start :][: len(block)] = block
        return means

    return run, list
