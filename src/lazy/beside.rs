//! Adding the results of a call to the columns of a lazy frame.

use polars::prelude::{Expr, FunctionExpr, LazyFrame, PlSmallStr, StructFunction, by_name};

use super::unused_name::unused_name;

/// How results become columns of the frame.
pub(super) struct AddedColumns {
    /// The names of the columns that they become.
    pub(super) names: Vec<PlSmallStr>,
    /// Whether they are a Struct of several columns.
    pub(super) is_frame: bool,
    /// The field of the results that says which rows are kept, where rows that fail are dropped.
    pub(super) kept: Option<PlSmallStr>,
    /// The columns that exist only for the call.
    pub(super) temporary: Vec<PlSmallStr>,
}

/// Adds the results of a call to the frame's columns. Results of one column have its name already.
pub(super) fn beside(frame: LazyFrame, results: Expr, beside: AddedColumns) -> LazyFrame {
    let AddedColumns {
        names,
        is_frame,
        kept,
        mut temporary,
    } = beside;
    if !is_frame && kept.is_none() {
        return without(frame.with_columns([results]), temporary);
    }
    // The Struct that has a row's several results before its fields are taken out.
    let together = unused_name("results");
    temporary.push(together.clone());
    // The field is selected by the exact name, which Polars' own method would take for a pattern.
    let field = |name: &PlSmallStr| {
        let function = StructFunction::FieldByName(name.clone());
        let field = Expr::Function {
            input: vec![Expr::Column(together.clone())],
            function: FunctionExpr::StructExpr(function),
        };
        field.alias(name.clone())
    };
    let frame = frame
        .with_columns([results.alias(together.clone())])
        .with_columns(names.iter().map(field).collect::<Vec<Expr>>());
    let frame = match &kept {
        Some(kept) => frame.filter(field(kept)),
        None => frame,
    };
    without(frame, temporary)
}

/// Returns the frame without the temporary columns.
pub(super) fn without(frame: LazyFrame, temporary: Vec<PlSmallStr>) -> LazyFrame {
    match temporary.is_empty() {
        true => frame,
        false => frame.drop(by_name(temporary, true, false)),
    }
}
