"""Polars in Python with Python's functions: they hold Python's lock, so one core is at work."""

import functions as f
import polars as pl


def contenders():
    return [
        (f.HYPOTENUSE, "map_rows", map_rows(f.HYPOTENUSE, lambda row: f.hypotenuse(*row), pl.Float64)),
        (f.HYPOTENUSE, "map_elements", map_elements(f.HYPOTENUSE, hypotenuse_of_row, pl.Float64)),
        (f.COUNT_IN_RANGE, "map_rows", map_rows(f.COUNT_IN_RANGE, f.count_in_range, pl.Int64)),
        (f.COUNT_IN_RANGE, "map_elements", map_elements(f.COUNT_IN_RANGE, count_in_range_of_row, pl.Int64)),
        (f.CLEAN_UP, "map_rows", map_rows(f.CLEAN_UP, lambda row: f.clean_up(*row), pl.String)),
        (f.CLEAN_UP, "map_elements", map_elements(f.CLEAN_UP, f.clean_up_of_row, pl.String)),
        (f.SLOPE, "map_groups", slopes),
        (f.TRIMMED_MEAN, "rolling_map", trimmed_means),
    ]


def hypotenuse_of_row(row):
    return f.hypotenuse(row["x"], row["y"])


def count_in_range_of_row(row):
    return f.count_in_range(row.values())


def map_rows(name, function, dtype):
    def make(data):
        frame = data.polars(name)
        return lambda: frame.map_rows(function, return_dtype=dtype), lambda result: result.to_series().to_list()

    return make


def map_elements(name, function, dtype):
    def make(data):
        frame = data.polars(name)
        call = pl.struct(pl.all()).map_elements(function, return_dtype=dtype)
        return lambda: frame.select(call), lambda result: result.to_series().to_list()

    return make


def slope_of_group(group):
    slope = f.slope_of_group(group)
    return group.select(pl.first("key"), pl.lit(slope).alias("slope"))


def slopes(data):
    frame = data.polars(f.SLOPE)
    return lambda: frame.group_by("key").map_groups(slope_of_group), lambda result: (result["key"], result["slope"])


def trimmed_mean(window):
    return f.trimmed_mean(window.to_numpy())


def trimmed_means(data):
    x = data.polars(f.TRIMMED_MEAN)["x"]
    return lambda: x.rolling_map(trimmed_mean, f.WINDOW), lambda result: result.to_numpy()
