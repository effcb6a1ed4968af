use polars_par_apply::prelude::*;

#[derive(FromRow)]
pub struct Trip {
    #[par_apply(rename)]
    pub distance: f64,
}
