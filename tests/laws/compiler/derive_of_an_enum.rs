use polars_par_apply::prelude::*;

#[derive(FromRow)]
pub enum Trip {
    Near,
    Far,
}
