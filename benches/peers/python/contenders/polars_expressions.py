"""Polars' expressions, which are Rust and have both cores: no function of one's own. The text is cleaned by a regular expression."""

import functions as f
import polars as pl


def contenders():
    digits = (pl.col(digit).is_between(4, 8) for digit in f.DIGITS)
    words = pl.col("text").str.to_lowercase().str.strip_chars().str.replace_all(r"\s+", " ")
    return [
        (f.HYPOTENUSE, "select", select(f.HYPOTENUSE, (pl.col("x") ** 2 + pl.col("y") ** 2).sqrt())),
        (f.COUNT_IN_RANGE, "select", select(f.COUNT_IN_RANGE, pl.sum_horizontal(digits))),
        (f.CLEAN_UP, "select", select(f.CLEAN_UP, pl.format("{} {}", words, "number"))),
        (f.SLOPE, "group_by_agg", slopes),
        (f.TRIMMED_MEAN, "rolling_agg", trimmed_means),
    ]


def select(name, expression):
    def make(data):
        frame = data.polars(name)
        return lambda: frame.select(expression.alias("result")), lambda result: result["result"].to_list()

    return make


def slopes(data):
    frame = data.polars(f.SLOPE)
    slope = pl.cov("x", "y") / pl.var("x")
    return (
        lambda: frame.group_by("key").agg(slope.alias("slope")),
        lambda result: (result["key"], result["slope"]),
    )


def trimmed_means(data):
    frame = data.polars(f.TRIMMED_MEAN).with_row_index()
    mean = pl.col("x").sort().slice(f.TRIMMED, f.WINDOW - 2 * f.TRIMMED).mean()

    def run():
        return frame.rolling("index", period=f"{f.WINDOW}i").agg(mean)

    return run, lambda result: result["x"].to_numpy()
