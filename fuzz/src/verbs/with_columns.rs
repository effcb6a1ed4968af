//! `with_columns`: the closures of `rows`, whose results are put beside the frame's columns.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use polars::prelude::DataFrame;

use crate::row_call::{Done, How, RowCall, RowVerb};
use crate::verbs::rows::{CELLS, OTHERS};

/// A call of `with_columns`.
#[derive(Clone, Debug)]
pub struct WithColumns(RowCall);

impl WithColumns {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let mut case = RowCall::arbitrary(u, &[(CELLS, 1), (&OTHERS, 3)])?;
        case.beside = true;
        if case.in_query() {
            // In a query, this verb is `rows`.
            case.how = How::Call;
        }
        Ok(WithColumns(case))
    }

    pub fn check(&self) -> std::result::Result<(), String> {
        self.0.check(self)
    }
}

impl RowVerb for WithColumns {
    fn faults(&self, _: &RowCall, _: &mut BTreeSet<String>) {}

    fn output(&self, done: &Done<'_>, output: &DataFrame) -> std::result::Result<(), String> {
        done.is_frame_with_results(output)
    }
}
