use polars_par_apply::prelude::*;

pub struct Trip {
    pub distance: f64,
}

pub fn miles(df: &DataFrame) -> polars_par_apply::Result<Column> {
    df.par_apply_rows(|trip: Trip| trip.distance)
}
