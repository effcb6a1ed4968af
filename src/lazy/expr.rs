//! A row function as an expression of a lazy query.

use std::sync::Arc;

use polars::prelude::{
    Column, DataFrame, DataType, Expr, Field, IntoColumn, PlSmallStr, PolarsError, PolarsResult,
    Schema, map_multiple,
};

use super::call::{Call, NO_LEAD, OneColumn, empty_columns};
use super::failures::Failures;
use super::settings::{Settings, settings};
use crate::cancel::CancelToken;
use crate::context::NoContext;
use crate::error::{Error, ErrorKind, Result, counted};
use crate::function::RowFn;
use crate::options::{Casts, Nulls, OnError};
use crate::progress::Progress;
use crate::write::IntoRow;

/// Begins an expression that calls a closure for each row: names or expressions, one for each argument, then
/// [`apply`](RowsExpr::apply).
///
/// The expression goes wherever an elementwise one of Polars goes: `select`, `with_columns`, `filter`, within
/// `group_by().agg` and `over`. Polars reads the columns that it names, and no others for its sake.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["name" => ["a", "b"], "x" => [3.0, 5.0], "y" => [4.0, 12.0]]?;
/// let out = df
///     .lazy()
///     .filter(rows(["name"]).apply(|name: &str| name != "a"))
///     .select([rows([col("x"), col("y") + lit(0.0)]).apply(f64::hypot).alias("h")])
///     .collect()?;
/// assert_eq!(out, df!["h" => [13.0]]?);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
pub fn rows<I, E>(arguments: I) -> RowsExpr
where
    I: IntoIterator<Item = E>,
    E: Into<Expr>,
{
    RowsExpr {
        arguments: arguments.into_iter().map(Into::into).collect(),
        row_numbers: None,
        settings: Settings::new(),
        whole: false,
    }
}

/// An expression in the making: options, then [`apply`](RowsExpr::apply). Made by [`rows`].
#[must_use = "a builder is no expression before `.apply(f)`"]
#[derive(Clone, Debug)]
pub struct RowsExpr {
    pub(super) arguments: Vec<Expr>,
    pub(super) row_numbers: Option<Expr>,
    pub(super) settings: Settings,
    /// Whether the one argument is a Struct of the frame's columns, which are meant.
    pub(super) whole: bool,
}

impl RowsExpr {
    settings!();

    fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// The names of the Struct's fields, where the closure returns several cells; where it returns one, the output's.
    pub fn names<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.settings.options.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Numbers for the rows that errors and [`failures`](RowsExpr::failures) name: an expression of integers, for one a
    /// column made by `with_row_index`. Without it, rows are counted in the batch that the expression is given.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df!["text" => ["1", "2", "x"]]?.lazy().with_row_index("line", Some(1));
    /// let parsed = rows(["text"]).row_numbers(col("line")).apply(|text: &str| text.parse::<i32>());
    /// let error = lf.slice(1, 2).select([parsed]).collect().unwrap_err();
    /// assert!(error.to_string().contains("row 3: the closure returned an error"));
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn row_numbers(mut self, numbers: impl Into<Expr>) -> Self {
        self.row_numbers = Some(numbers.into());
        self
    }

    /// The expression. Its name is `par_apply`, or that of [`names`](RowsExpr::names) where the closure returns one cell;
    /// several cells are a Struct, which `unnest` takes apart.
    ///
    /// A closure takes the arguments by position, and a derived struct by their names, of which no two may be the same. An
    /// argument of one row is repeated for all.
    ///
    /// In memory the rows are shared out among Polars' workers; in the streaming engine, whose threads each have a batch,
    /// a batch runs on its thread.
    ///
    /// # Errors
    /// When the query is planned: an argument whose type does not take its column, by column and argument, and whatever else
    /// a call over a frame checks first. When it runs: the error of a closure that fails or panics, as a `ComputeError`. The
    /// row that it names is that of [`row_numbers`](RowsExpr::row_numbers); without them it is counted in the batch that the
    /// expression was given: in the streaming engine a part of the frame, in memory the column or one of its chunks, within
    /// `agg` the groups' rows. If filters come after it, Polars may move them before it.
    pub fn apply<M, F>(self, f: F) -> Expr
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoRow<Output: OneColumn>,
    {
        let name = self.settings.name_or("par_apply_rows");
        let batches = Arc::new(OfBatches {
            call: Call::new(f, self.settings),
            whole: self.whole,
            numbered: self.row_numbers.is_some(),
        });
        let output_name = batches.call.name.clone();
        let planned = batches.clone();
        let run =
            move |columns: &mut [Column]| -> PolarsResult<Column> { batches.run::<M>(columns) };
        let plan = move |_: &Schema, fields: &[Field]| -> PolarsResult<Field> {
            Ok(planned.plan::<M>(fields)?)
        };
        let mut arguments = self.arguments;
        arguments.extend(self.row_numbers);
        let mut expr = map_multiple(run, arguments, plan);
        if let Expr::AnonymousFunction { fmt_str, .. } = &mut expr {
            **fmt_str = name;
        }
        expr.alias(output_name)
    }
}

/// A call over whatever columns the query gives it.
struct OfBatches<F> {
    call: Call<F>,
    whole: bool,
    /// Whether the last column is the rows' numbers.
    numbered: bool,
}

impl<F> OfBatches<F> {
    fn plan<M>(&self, fields: &[Field]) -> Result<Field>
    where
        F: RowFn<M>,
        F::Out: IntoRow<Output: OneColumn>,
    {
        if let (true, Some(numbers)) = (self.numbered, fields.last())
            && !numbers.dtype().is_integer()
        {
            let message = format!(
                "{:?} is {}, and no integer",
                numbers.name(),
                numbers.dtype()
            );
            let option = "row_numbers";
            return Err(ErrorKind::Option { option, message }.into());
        }
        let (frame, _) = self.frame::<M>(empty_columns(fields.iter().cloned())?)?;
        let dtype = self.call.plan::<M, NoContext>(&frame, NO_LEAD);
        let dtype = dtype.map_err(|error| self.of_arguments(error))?;
        Ok(Field::new(self.call.name.clone(), dtype))
    }

    fn run<M>(&self, columns: &[Column]) -> PolarsResult<Column>
    where
        F: RowFn<M>,
        F::Out: IntoRow<Output: OneColumn>,
    {
        let (frame, numbers) = self.frame::<M>(columns.to_vec())?;
        let number = |row| {
            let number = numbers.as_ref().and_then(|numbers| numbers.get(row).ok());
            number.and_then(|number| number.extract()).unwrap_or(row)
        };
        let output = self
            .call
            .run::<M, NoContext>(&frame, NO_LEAD, &number, false);
        output.map_err(|error| match numbers {
            Some(_) => error.into(),
            None => of_batch(error, frame.height()),
        })
    }

    /// The columns that the closure takes, all of the same height, and the rows' numbers.
    fn frame<M>(&self, mut columns: Vec<Column>) -> Result<(DataFrame, Option<Column>)>
    where
        F: RowFn<M>,
    {
        let numbers = if self.numbered { columns.pop() } else { None };
        if self.whole {
            let fields = columns[0].struct_()?.fields_as_series();
            columns = fields.into_iter().map(IntoColumn::into_column).collect();
        }
        let all = || columns.iter().chain(&numbers);
        let height = all().map(Column::len).find(|len| *len != 1);
        let height = height.unwrap_or(usize::from(all().next().is_some()));
        let stretched = |column: Column| match column.len() == height {
            true => column,
            false => column.new_from_index(0, height),
        };
        let numbers = numbers.map(stretched);
        let mut given: Vec<Column> = Vec::with_capacity(columns.len());
        for (position, column) in columns.into_iter().enumerate() {
            let mut column = stretched(column);
            // Expressions of one column have one name; a frame cannot, and position is what counts.
            let is_taken = |other: &Column| other.name() == column.name();
            if F::NAMES.is_none() && given.iter().any(is_taken) {
                column.rename(format!("{} (argument {position})", column.name()).into());
            }
            given.push(column);
        }
        Ok((DataFrame::new(height, given)?, numbers))
    }

    /// In an expression, its arguments are the columns.
    fn of_arguments(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::ArgumentCount { arguments, columns } if !self.whole => {
                anyhow::anyhow!(
                    "the closure takes {}, and rows([…]) gives it {}: {}; give one name or expression for each argument",
                    counted(*arguments, "argument"),
                    columns.len(),
                    columns.join(", "),
                )
                .into()
            }
            _ => error,
        }
    }
}

/// An error of a run, which counts rows in its batch: it says so, since the query has more.
fn of_batch(error: Error, rows: usize) -> PolarsError {
    let message = format!("in a batch of {}: {error}", counted(rows, "row"));
    PolarsError::ComputeError(message.into())
}
