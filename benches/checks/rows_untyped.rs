//! `Row` against Polars' `get_row`.

use polars_par_apply::prelude::*;

use crate::groups::rows_untyped::{ROWS, Untyped};
use crate::groups::workers::{BOTH, Workers};
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Table};

type Ours = fn(&Untyped, Workers) -> Column;

pub(crate) fn check(run: &Run, table: &mut Table) {
    let case = Untyped::new(run.rows(ROWS));
    case.check();
    let ways: [(&str, Ours); 3] = [
        ("Row::value(i) of all", Untyped::ours_values),
        ("Row::get(name) of all", Untyped::ours_get),
        ("Row::iter()", Untyped::ours_iter),
    ];
    for workers in BOTH {
        for (what, ours) in ways {
            let results = Race::new(run.clone())
                .enter("ours", || ours(&case, workers))
                .enter("get_row", || case.get_row())
                .enter("amortized", || case.get_row_amortized())
                .results();
            let name = format!("rows_untyped, {}, {what}", workers.label());
            table.times_faster(&name, &results, "get_row", Limit::AtLeast(10.0));
            table.times_faster(&name, &results, "amortized", Limit::None);
        }
    }
}
