use polars_par_apply::prelude::*;

#[derive(FromRow)]
pub struct Trip {
    #[par_apply(name = "dist")]
    pub distance: f64,
}
