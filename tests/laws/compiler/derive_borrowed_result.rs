use polars_par_apply::prelude::*;

#[derive(IntoRow)]
pub struct Trip<'a> {
    pub carrier: &'a str,
}
