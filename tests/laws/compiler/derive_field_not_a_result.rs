use polars_par_apply::prelude::*;

#[derive(IntoRow)]
pub struct Trip {
    pub carrier: String,
    pub distance: usize,
}
