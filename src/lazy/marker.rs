//! Markers that keep Polars from moving a call to where it would be made for values that are not rows, or for rows that were
//! dropped.
//!
//! To Polars' optimiser a function is either elementwise, and then free to go before joins, `concat`s and other filters and into a
//! scan, or it is not, and stays. A function that may fail is between the two. Each case is marked by an additional argument, which
//! the closure is not given. All of this was read in the source of Polars 0.55 (`predicate_pushdown`, `aexpr/properties`,
//! `aexpr/predicates`).

use polars::prelude::{Column, DataType, Expr, Field, PlSmallStr, Schema, lit, map_multiple};
use polars_plan::prelude::FunctionFlags;

use crate::error::Result;

/// Gives a function its name in the plan. A selector among its arguments stands for several arguments, and where Polars calls the
/// function group by group, the arguments keep their names.
pub(super) fn named(mut function: Expr, plan_name: PlSmallStr) -> Expr {
    if let Expr::AnonymousFunction {
        fmt_str, options, ..
    } = &mut function
    {
        **fmt_str = plan_name;
        options.flags |=
            FunctionFlags::INPUT_WILDCARD_EXPANSION | FunctionFlags::PASS_NAME_TO_APPLY;
    }
    function
}

/// An argument that the closure is not given, and that makes Polars treat the call as one that may fail. Without it, Polars would
/// join the call with other conditions of a filter, or move it before a join, and call it for rows that these drop. Polars looks
/// for a strict cast of anything but a literal.
pub(super) fn may_fail() -> Expr {
    cell("may_fail").strict_cast(DataType::Int32)
}

/// An argument that the closure is not given, and that makes Polars treat the call as one that cannot be moved. A call that may
/// fail is still moved to a scan, where the condition is tried on values that are not rows: the least value of a row group, the
/// entries of a dictionary, a null that is made up. There Polars panics if the call fails. An aggregate is not moved.
pub(super) fn stays() -> Expr {
    cell("stays").min()
}

/// A single cell, as cheap as a literal, made anew for each batch. It must not be a literal: an operation on two equal literals is
/// done once by Polars, and its result, of one row, is put among a frame's columns.
fn cell(plan_name: &'static str) -> Expr {
    let same = |columns: &mut [Column]| Ok(columns[0].clone());
    let field = |_: &Schema, fields: &[Field]| Ok(fields[0].clone());
    let cell = map_multiple(same, [lit(false)], field);
    named(cell, PlSmallStr::from_static(plan_name))
}

/// Refuses to be planned for the statistics of a file, which have the least value, the greatest value and the null count of each
/// column. The closure would be called with the least values.
pub(super) fn refuse_statistics(schema: &Schema, arguments: &[Field]) -> Result<()> {
    let names = || schema.iter_names().map(PlSmallStr::as_str);
    let rest: Vec<&str> = names().skip(1).collect();
    let are_statistics = |of_one: &[&str]| {
        let [least, greatest, nulls] = of_one else {
            return false;
        };
        let column = least.strip_suffix("_min");
        column.is_some()
            && column == greatest.strip_suffix("_max")
            && column == nulls.strip_suffix("_nc")
    };
    // A user's frame with such columns has them as arguments. In statistics, the columns have the names of the file's columns.
    let is_there = |field: &Field| {
        let name = field.name();
        schema.contains(name) && !schema.contains(&format!("{name}_min"))
    };
    if names().next() != Some("len")
        || rest.is_empty()
        || !rest.chunks(3).all(are_statistics)
        || arguments.iter().any(is_there)
    {
        return Ok(());
    }
    // In statistics, an argument has the name of its column's least value.
    let names = arguments.iter().map(|field| {
        let name = field.name().as_str();
        format!("{:?}", name.strip_suffix("_min").unwrap_or(name))
    });
    let names = names.collect::<Vec<String>>().join(", ");
    let message = format!(
        "Polars would move this filter into the scan of files and call the closure on the files' statistics, which are not \
         rows; keep the filter in its place: write rows([{names}]).pinned(true).apply(…) instead of rows([{names}]).apply(…)"
    );
    Err(anyhow::Error::msg(message).into())
}
