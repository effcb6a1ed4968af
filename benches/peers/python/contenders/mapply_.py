"""mapply: pandas' `apply` over parts of the rows, and over the groups, in processes. It has no windows outside groups."""

import functions as f
import mapply
from mapply.mapply import mapply as mapply_call
from contenders.pandas_ import see_slopes

WORKERS = 2


def contenders():
    mapply.init(n_workers=WORKERS, progressbar=False)
    return [
        (f.HYPOTENUSE, "apply", by_rows(f.HYPOTENUSE, f.hypotenuse_of_row)),
        (f.COUNT_IN_RANGE, "apply", by_rows(f.COUNT_IN_RANGE, f.count_in_range)),
        (f.CLEAN_UP, "apply", by_rows(f.CLEAN_UP, f.clean_up_of_row)),
        (f.SLOPE, "groupby_apply", slopes),
    ]


def by_rows(name, function):
    def make(data):
        frame = data.pandas(name)
        return lambda: frame.mapply(function, axis=1), list

    return make


def slopes(data):
    frame = data.pandas(f.SLOPE)

    def run():
        groups = frame.groupby("key")[["x", "y"]]
        return mapply_call(groups, f.slope_of_group, n_workers=WORKERS, progressbar=False)

    return run, see_slopes
