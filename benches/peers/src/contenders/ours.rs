//! This crate.

use polars_par_apply::prelude::*;

use crate::functions;

pub(crate) fn hypotenuse(frame: &DataFrame) -> PolarsResult<Column> {
    Ok(frame.par_apply_rows(functions::hypotenuse)?)
}

pub(crate) fn count_in_range(frame: &DataFrame) -> PolarsResult<Column> {
    Ok(frame.par_apply_rows(functions::count_in_range)?)
}

pub(crate) fn clean_up(frame: &DataFrame) -> PolarsResult<Column> {
    Ok(frame.par_apply_rows(functions::clean_up)?)
}

pub(crate) fn slope(frame: &DataFrame) -> PolarsResult<DataFrame> {
    let groups = frame.par_apply().by(["key"]);
    Ok(groups.groups(|x: Values<'_, f64>, y: Values<'_, f64>| {
        functions::slope(x.iter().zip(y.iter()))
    })?)
}

pub(crate) fn trimmed_mean(frame: &DataFrame) -> PolarsResult<Column> {
    let window = Window::rows(functions::WINDOW);
    let call = frame.par_apply();
    Ok(call.windows(window, |x: Values<'_, f64>| {
        functions::trimmed_mean(&x.to_slice())
    })?)
}
