"""Dask's data frames, in processes that are kept from call to call; the rows lie in a partition for each before the clock starts."""

from concurrent.futures import ProcessPoolExecutor

import dask
import dask.dataframe as dd
import functions as f
from contenders.pandas_ import see_slopes

WORKERS = 2


def contenders():
    pool = ProcessPoolExecutor(WORKERS)
    list(pool.map(abs, range(1000)))
    dask.config.set(scheduler="processes", pool=pool)
    return [
        (f.HYPOTENUSE, "apply", by_rows(f.HYPOTENUSE, f.hypotenuse_of_row, float)),
        (f.COUNT_IN_RANGE, "apply", by_rows(f.COUNT_IN_RANGE, f.count_in_range, int)),
        (f.CLEAN_UP, "apply", by_rows(f.CLEAN_UP, f.clean_up_of_row, str)),
        (f.SLOPE, "groupby_apply", slopes),
        (f.TRIMMED_MEAN, "rolling_apply", trimmed_means),
    ]


def by_rows(name, function, dtype):
    def make(data):
        frame = dd.from_pandas(data.pandas(name), npartitions=WORKERS)
        return lambda: frame.apply(function, axis=1, meta=(None, dtype)).compute(), list

    return make


def slopes(data):
    frame = dd.from_pandas(data.pandas(f.SLOPE), npartitions=WORKERS)

    def run():
        return frame.groupby("key")[["x", "y"]].apply(f.slope_of_group, meta=(None, float)).compute()

    return run, see_slopes


def trimmed_means(data):
    frame = dd.from_pandas(data.pandas(f.TRIMMED_MEAN), npartitions=WORKERS)
    return lambda: frame["x"].rolling(f.WINDOW).apply(f.trimmed_mean, raw=True).compute(), list
