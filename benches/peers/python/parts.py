"""What the general tools (`multiprocessing`, joblib) are given to do for each part of a frame: the quickest loops of plain Python.

A part is as `np.array_split` makes it. Of groups it is whole ones, and of windows the 99 rows before it are a part of it.
"""

import numpy as np
import pandas as pd

import functions as f


def hypotenuses(part):
    return [f.hypotenuse(x, y) for x, y in zip(part["x"], part["y"])]


def counts_in_range(part):
    return [f.count_in_range(row) for row in zip(*(part[name] for name in f.DIGITS))]


def clean_texts(part):
    return [f.clean_up(text, number) for text, number in zip(part["text"], part["number"])]


def slopes(part):
    """The keys, and the slope of each group."""
    groups = part.groupby("key")
    pairs = [(key, f.slope_of_group(group)) for key, group in groups]
    return [key for key, _ in pairs], [slope for _, slope in pairs]


def trimmed_means(part):
    x = part["x"].to_numpy()
    whole = [f.trimmed_mean(x[end - f.WINDOW : end]) for end in range(f.WINDOW, len(x) + 1)]
    return [np.nan] * (f.WINDOW - 1) + whole


LOOPS = {
    f.HYPOTENUSE: hypotenuses,
    f.COUNT_IN_RANGE: counts_in_range,
    f.CLEAN_UP: clean_texts,
    f.SLOPE: slopes,
    f.TRIMMED_MEAN: trimmed_means,
}


def split(name, frame, count):
    """The parts of a frame."""
    if name == f.SLOPE:
        place = pd.factorize(frame["key"])[0] % count
        return [frame[place == part] for part in range(count)]
    overlap = f.WINDOW - 1 if name == f.TRIMMED_MEAN else 0
    rows = np.array_split(np.arange(len(frame)), count)
    return [frame.iloc[max(part[0] - overlap, 0) : part[-1] + 1] for part in rows]


def put_together(name, results):
    """The result of the whole frame, of those of its parts."""
    if name == f.SLOPE:
        return tuple(np.concatenate(column) for column in zip(*results))
    if name == f.CLEAN_UP:
        return pd.Series([text for part in results for text in part])
    if name == f.TRIMMED_MEAN:
        results = [results[0]] + [part[f.WINDOW - 1 :] for part in results[1:]]
    return pd.Series(np.concatenate(results))


def see_slopes(result):
    keys, slopes = result
    return keys, slopes
