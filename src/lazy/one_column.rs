//! The results of a call as one column, with a field that says which rows are kept where failing rows are dropped.

use polars::prelude::{
    BooleanChunked, Column, DataFrame, DataType, Field, IdxCa, IdxSize, IntoColumn, PlSmallStr,
};

use crate::error::Result;
use crate::outcome::Outcome;
use crate::write::OneColumn;

/// Returns the dtype of the column that the results become, from the results for a frame without rows. Where rows that fail are
/// dropped, `kept` is the field that says which rows are kept.
pub(super) fn column_dtype<T: OneColumn>(
    output: T,
    name: &PlSmallStr,
    kept: Option<&PlSmallStr>,
) -> DataType {
    let dtype = output.one_column(name.clone()).dtype().clone();
    match kept {
        None => dtype,
        Some(kept) => dtype_with_kept(name, dtype, T::IS_FRAME, kept),
    }
}

/// Returns the column that the results of a call become.
pub(super) fn results_column<T: OneColumn>(
    outcome: Outcome<T>,
    name: PlSmallStr,
    kept: Option<&PlSmallStr>,
) -> Result<Column> {
    match kept {
        None => Ok(outcome.output.one_column(name)),
        Some(kept) => with_kept(outcome, name, kept.clone()),
    }
}

/// Returns the dtype of the results with a field that says which rows are kept.
fn dtype_with_kept(
    name: &PlSmallStr,
    results: DataType,
    is_frame: bool,
    kept: &PlSmallStr,
) -> DataType {
    let mut fields = match results {
        DataType::Struct(fields) if is_frame => fields,
        dtype => vec![Field::new(name.clone(), dtype)],
    };
    fields.push(Field::new(kept.clone(), DataType::Boolean));
    DataType::Struct(fields)
}

/// Returns the results as one Struct with a row for each row of the batch, as a query requires of a column, and with a field that
/// says which rows are kept.
fn with_kept<T: OneColumn>(
    outcome: Outcome<T>,
    name: PlSmallStr,
    kept: PlSmallStr,
) -> Result<Column> {
    let mask = outcome.kept_mask();
    let rows = mask.len();
    let results = outcome.output.one_column(name.clone());
    let mut columns: Vec<Column> = match T::IS_FRAME {
        true => {
            let fields = results.struct_()?.fields_as_series();
            fields.into_iter().map(IntoColumn::into_column).collect()
        }
        false => vec![results],
    };
    if columns[0].len() < rows {
        for column in &mut columns {
            *column = spread(column, &mask)?;
        }
    }
    columns.push(mask.with_name(kept).into_column());
    Ok(DataFrame::new(rows, columns)?
        .into_struct(name)
        .into_column())
}

/// Puts each value in its row, and null in the other rows.
fn spread(column: &Column, mask: &BooleanChunked) -> Result<Column> {
    if column.is_empty() {
        let name = column.name().clone();
        return Ok(Column::full_null(name, mask.len(), column.dtype()));
    }
    let mut next: IdxSize = 0;
    let positions = mask.iter().map(|is_kept| {
        let position = next;
        is_kept.unwrap_or_default().then(|| {
            next += 1;
            position
        })
    });
    let positions: IdxCa = positions.collect();
    Ok(column.take(&positions)?)
}
