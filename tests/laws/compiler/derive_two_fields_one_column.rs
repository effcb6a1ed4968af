use polars_par_apply::prelude::*;

#[derive(FromRow)]
pub struct Trip {
    pub distance: f64,
    #[par_apply(rename = "distance")]
    pub miles: f64,
}
