"""pandas itself: `apply` over rows and groups, and `rolling().apply`, on one core."""

import functions as f


def contenders():
    return [
        (f.HYPOTENUSE, "apply", by_rows(f.HYPOTENUSE, f.hypotenuse_of_row)),
        (f.COUNT_IN_RANGE, "apply", by_rows(f.COUNT_IN_RANGE, f.count_in_range)),
        (f.CLEAN_UP, "apply", by_rows(f.CLEAN_UP, f.clean_up_of_row)),
        (f.SLOPE, "groupby_apply", slopes),
        (f.TRIMMED_MEAN, "rolling_apply", trimmed_means),
    ]


def by_rows(name, function):
    def make(data):
        frame = data.pandas(name)
        return lambda: frame.apply(function, axis=1), list

    return make


def slopes(data):
    frame = data.pandas(f.SLOPE)
    return lambda: frame.groupby("key")[["x", "y"]].apply(f.slope_of_group), see_slopes


def trimmed_means(data):
    frame = data.pandas(f.TRIMMED_MEAN)
    return lambda: frame["x"].rolling(f.WINDOW).apply(f.trimmed_mean, raw=True), list


def see_slopes(result):
    return result.index, result
