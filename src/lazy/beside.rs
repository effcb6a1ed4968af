//! Results of a call beside a lazy frame's columns.

use polars::prelude::{Expr, FunctionExpr, LazyFrame, PlSmallStr, StructFunction, by_name};

use super::unused_name::unused_name;

/// How results become columns of the frame.
pub(super) struct AddedColumns {
    /// The columns that they become.
    pub(super) names: Vec<PlSmallStr>,
    /// Whether they are a Struct of several columns.
    pub(super) is_frame: bool,
    /// Where rows that fail are dropped: the field of the results that says which are kept.
    pub(super) kept: Option<PlSmallStr>,
    /// The columns that are there for the call alone.
    pub(super) temporary: Vec<PlSmallStr>,
}

/// Adds the results of a call, which have the name of the one column that they become, to the frame's columns.
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
    // The Struct that a row's several results are, before its fields are taken out.
    let together = unused_name("results");
    temporary.push(together.clone());
    // By the name itself, where Polars' own method would take it for a pattern.
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

/// The frame without columns that were there for a while.
pub(super) fn without(frame: LazyFrame, temporary: Vec<PlSmallStr>) -> LazyFrame {
    match temporary.is_empty() {
        true => frame,
        false => frame.drop(by_name(temporary, true, false)),
    }
}
