use std::rc::Rc;

use polars_par_apply::prelude::*;

pub fn result(df: &DataFrame) -> polars_par_apply::Result<Column> {
    let factor = Rc::new(2.0);
    df.par_apply_rows(|x: f64| x * *factor)
}
