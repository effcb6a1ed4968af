//! A row function as an expression of a lazy query.

use std::sync::Arc;

use polars::prelude::{
    Column, DataFrame, DataType, Expr, Field, IntoColumn, PlSmallStr, PolarsError, PolarsResult,
    Schema, map_multiple,
};

use crate::cancel::CancelToken;
use crate::context::{Leading, NoContext, NoSeed, NoState};
use crate::error::{ErrorKind, Result, counted};
use crate::function::RowFn;
use crate::options::{Casts, Nulls, Options};
use crate::verbs;
use crate::write::{IntoRow, Sinks};

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
        options: Options::default(),
        name: "par_apply_rows".into(),
        returns: None,
        whole: false,
    }
}

/// An expression in the making: options, then [`apply`](RowsExpr::apply). Made by [`rows`].
#[must_use = "a builder is no expression before `.apply(f)`"]
#[derive(Clone, Debug)]
pub struct RowsExpr {
    pub(super) arguments: Vec<Expr>,
    pub(super) options: Options<'static>,
    name: PlSmallStr,
    returns: Option<DataType>,
    /// Whether the one argument is a Struct of the frame's columns, which are meant.
    pub(super) whole: bool,
}

impl RowsExpr {
    /// The name of the function in `explain()`; `par_apply_rows` by default.
    pub fn name(mut self, name: impl Into<PlSmallStr>) -> Self {
        self.name = name.into();
        self
    }

    /// The names of the Struct's fields, where the closure returns several cells; where it returns one, the output's.
    pub fn names<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.options.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// What nulls do to arguments of a plain type; as [`Apply::nulls`](crate::Apply::nulls).
    pub fn nulls(mut self, nulls: Nulls) -> Self {
        self.options.nulls = nulls;
        self
    }

    /// Which conversions are made; as [`Apply::casts`](crate::Apply::casts).
    pub fn casts(mut self, casts: Casts) -> Self {
        self.options.casts = casts;
        self
    }

    /// Gives the query's calls a token that cancels them; the query then fails.
    pub fn cancel_token(mut self, token: &CancelToken) -> Self {
        self.options.cancel = Some(token.clone());
        self
    }

    /// The output's dtype, which a closure that returns `AnyValue` or `Series` does not tell: without it, such a closure is
    /// refused when the query is planned. Of other closures it is checked.
    pub fn returns(mut self, dtype: DataType) -> Self {
        self.returns = Some(dtype);
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
    /// row that it names is counted in the batch that the expression was given: in the streaming engine a part of the frame,
    /// in memory the column or one of its chunks, within `agg` the groups' rows. If filters come after it, Polars may move
    /// them before it.
    pub fn apply<M, F>(self, f: F) -> Expr
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoRow<Output: OneColumn>,
    {
        let call = Arc::new(Call {
            name: match self.options.names.as_deref() {
                Some([name]) => name.clone(),
                _ => "par_apply".into(),
            },
            options: self.options,
            returns: self.returns,
            whole: self.whole,
            f,
        });
        let output_name = call.name.clone();
        let planned = call.clone();
        let run = move |columns: &mut [Column]| -> PolarsResult<Column> {
            call.run::<M>(columns.to_vec())
                .map_err(|error| call.of_batch(error, columns))
        };
        let plan = move |_: &Schema, fields: &[Field]| -> PolarsResult<Field> {
            Ok(planned.plan::<M>(fields)?)
        };
        let mut expr = map_multiple(run, self.arguments, plan);
        if let Expr::AnonymousFunction { fmt_str, .. } = &mut expr {
            **fmt_str = self.name;
        }
        expr.alias(output_name)
    }
}

/// A call over whatever batches the query gives it.
struct Call<F> {
    f: F,
    options: Options<'static>,
    returns: Option<DataType>,
    whole: bool,
    name: PlSmallStr,
}

impl<F> Call<F> {
    /// The output's field: that of a call over no rows, which makes every check and does not call the closure.
    fn plan<M>(&self, fields: &[Field]) -> Result<Field>
    where
        F: RowFn<M>,
        F::Out: IntoRow<Output: OneColumn>,
    {
        let columns = fields.iter().map(|field| {
            // A literal's dtype is open until here.
            let dtype = field.dtype().clone().materialize_unknown(true)?;
            Ok(Column::new_empty(field.name().clone(), &dtype))
        });
        let output = self.output::<M>(columns.collect::<PolarsResult<_>>()?)?;
        let tells = <<F::Out as IntoRow>::Sink as Sinks>::FIXED;
        let dtype = match &self.returns {
            Some(dtype) if !tells => dtype.clone(),
            Some(dtype) => {
                self.check(output.dtype(), dtype)?;
                dtype.clone()
            }
            None if tells => output.dtype().clone(),
            None => {
                return Err(refused(
                    "the closure's type does not tell the output's dtype; give it with .returns(dtype)".into(),
                ));
            }
        };
        Ok(Field::new(self.name.clone(), dtype))
    }

    fn run<M>(&self, columns: Vec<Column>) -> Result<Column>
    where
        F: RowFn<M>,
        F::Out: IntoRow<Output: OneColumn>,
    {
        let output = self.output::<M>(columns)?;
        match &self.returns {
            Some(dtype) if output.null_count() == output.len() && output.dtype() != dtype => {
                Ok(Column::full_null(self.name.clone(), output.len(), dtype))
            }
            Some(dtype) => {
                self.check(output.dtype(), dtype)?;
                Ok(output)
            }
            None => Ok(output),
        }
    }

    fn output<M>(&self, mut columns: Vec<Column>) -> Result<Column>
    where
        F: RowFn<M>,
        F::Out: IntoRow<Output: OneColumn>,
    {
        if self.whole {
            let fields = columns[0].struct_()?.fields_as_series();
            columns = fields.into_iter().map(IntoColumn::into_column).collect();
        }
        let height = columns.iter().map(Column::len).find(|len| *len != 1);
        let height = height.unwrap_or(usize::from(!columns.is_empty()));
        let mut given: Vec<Column> = Vec::with_capacity(columns.len());
        for (position, column) in columns.into_iter().enumerate() {
            let mut column = match column.len() == height {
                true => column,
                false => column.new_from_index(0, height),
            };
            // Expressions of one column have one name; a frame cannot, and position is what counts.
            let is_taken = |other: &Column| other.name() == column.name();
            if F::NAMES.is_none() && given.iter().any(is_taken) {
                column.rename(format!("{} (argument {position})", column.name()).into());
            }
            given.push(column);
        }
        let frame = DataFrame::new(height, given)?;
        let lead = Leading {
            state: NoState,
            seed: NoSeed,
        };
        let outcome = verbs::rows::<M, NoContext, F>(&frame, &self.options, lead, &self.f)?;
        Ok(outcome.output.one_column(self.name.clone()))
    }

    /// An error of a run, which counts rows in its batch: it says so, since the query has more.
    fn of_batch(&self, error: crate::Error, columns: &[Column]) -> PolarsError {
        let rows = columns.iter().map(Column::len).max().unwrap_or_default();
        let message = format!("in a batch of {}: {error}", counted(rows, "row"));
        PolarsError::ComputeError(message.into())
    }

    fn check(&self, is: &DataType, returns: &DataType) -> Result<()> {
        if is == returns {
            return Ok(());
        }
        Err(refused(format!(
            "the closure's results are {is}, and not {returns}"
        )))
    }
}

fn refused(message: String) -> crate::Error {
    ErrorKind::Option {
        option: "returns",
        message,
    }
    .into()
}

/// What rows' results become together, as one column.
#[doc(hidden)]
pub trait OneColumn {
    /// Whether the column is a Struct of several.
    const IS_FRAME: bool;

    fn one_column(self, name: PlSmallStr) -> Column;
}

impl OneColumn for Column {
    const IS_FRAME: bool = false;

    fn one_column(self, name: PlSmallStr) -> Column {
        self.with_name(name)
    }
}

impl OneColumn for DataFrame {
    const IS_FRAME: bool = true;

    fn one_column(self, name: PlSmallStr) -> Column {
        self.into_struct(name).into_column()
    }
}
