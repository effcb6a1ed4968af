use polars_par_apply::prelude::*;

#[derive(FromRow)]
pub struct Trip(pub f64, pub f64);
