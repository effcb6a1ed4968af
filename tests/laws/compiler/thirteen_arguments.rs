use polars_par_apply::prelude::*;

type F = f64;

pub fn sum(df: &DataFrame) -> polars_par_apply::Result<Column> {
    df.par_apply_rows(
        |a: F, b: F, c: F, d: F, e: F, f: F, g: F, h: F, i: F, j: F, k: F, l: F, m: F| {
            a + b + c + d + e + f + g + h + i + j + k + l + m
        },
    )
}
