//! The hypotenuse as a row function of a lazy query.

use criterion::Criterion;
use polars_par_apply::Result;
use polars_par_apply::prelude::*;

use super::group::Group;
use super::rows_f64::{ROWS, RowsF64, expression, hypotenuse};
use super::workers::Workers;

pub(crate) const ENGINES: [(Engine, &str); 2] = [
    (Engine::InMemory, "in memory"),
    (Engine::Streaming, "streaming"),
];

#[derive(Debug)]
pub(crate) struct LazyRows(RowsF64);

impl LazyRows {
    pub(crate) fn new(rows: usize) -> Self {
        LazyRows(RowsF64::new(rows))
    }

    /// As an expression.
    pub(crate) fn ours(&self, engine: Engine) -> DataFrame {
        let query = self.0.frame.clone().lazy();
        collect(query.select([rows(["a", "b"]).apply(hypotenuse)]), engine)
    }

    /// On the `LazyFrame`, where the rows are numbered for the errors' sake.
    pub(crate) fn ours_numbered(&self, engine: Engine) -> DataFrame {
        let call = self.0.frame.clone().lazy().par_apply().numbered(true);
        collect(call.rows(hypotenuse).select([col("par_apply")]), engine)
    }

    /// In a filter.
    pub(crate) fn ours_filter(&self, engine: Engine) -> DataFrame {
        let is_long = |a: f64, b: f64| hypotenuse(a, b) > 1.0;
        let query = self.0.frame.clone().lazy();
        collect(query.filter(rows(["a", "b"]).apply(is_long)), engine)
    }

    /// Polars' own filter.
    pub(crate) fn filter(&self, engine: Engine) -> DataFrame {
        let query = self.0.frame.clone().lazy();
        collect(query.filter(expression().gt(lit(1.0))), engine)
    }

    /// As a stream of batches, which come one after the other.
    pub(crate) fn ours_batches(&self) -> usize {
        let batches = self.0.frame.clone().lazy().par_apply();
        let batches = batches.row_batches(hypotenuse);
        let heights = batches.map(|batch| batch.map(|batch| batch.height()));
        heights.sum::<Result<usize>>().expect("the columns are f64")
    }

    /// The eager call.
    pub(crate) fn eager(&self) -> Column {
        self.0.ours(Workers::All)
    }

    /// Polars' own expression.
    pub(crate) fn expression(&self, engine: Engine) -> DataFrame {
        self.0.query(engine)
    }

    pub(crate) fn check(&self) {
        let expected = self.eager().into_frame();
        for (engine, _) in ENGINES {
            assert_eq!(self.ours(engine), expected);
            assert_eq!(self.ours_numbered(engine), expected);
            assert_eq!(self.expression(engine).height(), expected.height());
            assert_eq!(self.ours_filter(engine), self.filter(engine));
        }
        assert_eq!(self.ours_batches(), expected.height());
    }
}

fn collect(query: LazyFrame, engine: Engine) -> DataFrame {
    let result = query.collect_with_engine(engine);
    result.expect("the columns are f64").unwrap_single()
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let case = LazyRows::new(ROWS);
    case.check();
    let mut group = Group::new(criterion, "lazy", ROWS);
    group.bench("eager", || case.eager());
    for (engine, name) in ENGINES {
        group.bench(&format!("ours, {name}"), || case.ours(engine));
        group.bench(&format!("ours, numbered, {name}"), || {
            case.ours_numbered(engine)
        });
        group.bench(&format!("expression, {name}"), || case.expression(engine));
        group.bench(&format!("ours, filter, {name}"), || {
            case.ours_filter(engine)
        });
        group.bench(&format!("expression, filter, {name}"), || {
            case.filter(engine)
        });
    }
    group.bench("ours, batches", || case.ours_batches());
}
