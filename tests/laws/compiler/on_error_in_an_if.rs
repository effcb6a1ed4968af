use polars_par_apply::prelude::*;

pub fn result(df: &DataFrame, strict: bool) {
    let mut call = df.par_apply();
    if !strict {
        call = call.on_error(OnError::Null);
    }
    let _ = call.rows(|x: f64| x.sqrt());
}
