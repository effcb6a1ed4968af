use polars_par_apply::prelude::*;

#[derive(FromRow)]
pub struct Trip<T> {
    pub distance: T,
}
