"""swifter: it tries the function on whole columns first, and else has Dask apply it to rows, if that promises to be quicker.

Its groups need Ray, which is left out; its windows (1.4.0) fail with pandas 3.
"""

import dask
import functions as f
import swifter  # noqa: F401
from concurrent.futures import ProcessPoolExecutor

WORKERS = 2


def contenders():
    pool = ProcessPoolExecutor(WORKERS)
    list(pool.map(abs, range(1000)))
    dask.config.set(pool=pool)
    return [
        (f.HYPOTENUSE, "apply", by_rows(f.HYPOTENUSE, f.hypotenuse_of_row)),
        (f.COUNT_IN_RANGE, "apply", by_rows(f.COUNT_IN_RANGE, f.count_in_range)),
        (f.CLEAN_UP, "apply", by_rows(f.CLEAN_UP, f.clean_up_of_row)),
    ]


def quiet(pandas_object):
    return pandas_object.swifter.progress_bar(False).set_npartitions(WORKERS).allow_dask_on_strings(True)


def by_rows(name, function):
    def make(data):
        frame = data.pandas(name)
        return lambda: quiet(frame).apply(function, axis=1), list

    return make
