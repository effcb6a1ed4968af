use polars_par_apply::prelude::*;

pub struct Job<F: Fn(f64) -> f64> {
    pub f: F,
}

impl<F: Fn(f64) -> f64> Job<F> {
    pub fn run(&self, df: &DataFrame) -> polars_par_apply::Result<Column> {
        df.par_apply_rows(&self.f)
    }
}
