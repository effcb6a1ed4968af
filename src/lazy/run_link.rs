//! Links the calls of one run of a query: when one of them fails, the others learn of it before they see anything beyond the gap.
//!
//! When an operator of Polars' streaming engine fails, the engine drops its batch, and later batches go on until the query has
//! ended. Whatever counts rows then counts as if the dropped rows did not exist. So a call that fails records its error before it
//! returns it, and every other call of the same run looks there first. Where order matters, Polars passes a later batch on only
//! after the failed call has returned its error. So the record always exists before anything beyond the gap arrives.
//!
//! A run is recognised by what Polars does when it plans one (as read in the source of Polars 0.55: `polars-expr/src/planner.rs`,
//! `polars-stream/src/physical_plan`, `polars-plan/src/plans/conversion/dsl_to_ir/expr_expansion.rs`):
//! - `as_column_udf` is called for each call of a run, on the thread that has asked for the run, one right after the other, and
//!   before the run begins. Calls that are planned in sequence on one thread belong to one run. The sequence ends when one of
//!   the calls has begun, or when all of them are dropped, as they are at the end of a run.
//! - `deep_clone` is called, on the same thread, when the planning of a query begins. It ends the sequence too, for a thread that
//!   begins another query while one waits.

use std::marker::PhantomData;
use std::time::Instant;

use polars::prelude::{
    Column, DataFrame, DataType, Expr, Field, PlSmallStr, PolarsError, PolarsResult, Scalar, Schema,
};
use polars_async::executor::THREAD_SPAWNED_BY_POLARS_EXECUTOR;
use polars_plan::prelude::{AnonymousColumnsUdf, ColumnsUdf, FunctionOptions, new_column_udf};

use crate::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// One run of a query.
#[derive(Default)]
pub(super) struct QueryRun {
    /// The time of the first call of the run.
    began: OnceLock<Instant>,
    /// The message of the first call that failed.
    failure: Mutex<Option<String>>,
}

impl QueryRun {
    /// Makes a call. If another call of the run has failed, returns that call's error instead.
    ///
    /// In memory there is no gap: a failure ends the query before anything else is called.
    pub(super) fn call<T>(&self, call: impl FnOnce() -> PolarsResult<T>) -> PolarsResult<T> {
        self.began();
        if !THREAD_SPAWNED_BY_POLARS_EXECUTOR.get() {
            return call();
        }
        self.check()?;
        let unwinds = Unwinds(self);
        let result = call();
        std::mem::forget(unwinds);
        result.inspect_err(|error| {
            self.failure().get_or_insert_with(|| match error {
                PolarsError::ComputeError(message) => message.to_string(),
                error => error.to_string(),
            });
        })
    }

    /// Returns the time of the first call of the run.
    pub(super) fn began(&self) -> Instant {
        *self.began.get_or_init(Instant::now)
    }

    /// Returns the error of the call that failed, if one has.
    pub(super) fn check(&self) -> PolarsResult<()> {
        match &*self.failure() {
            None => Ok(()),
            Some(message) => Err(PolarsError::ComputeError(message.clone().into())),
        }
    }

    fn failure(&self) -> MutexGuard<'_, Option<String>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records, when it is dropped, that a call of the run is unwinding because Polars panicked in it.
struct Unwinds<'r>(&'r QueryRun);

impl Drop for Unwinds<'_> {
    fn drop(&mut self) {
        let mut failure = self.0.failure();
        failure.get_or_insert_with(|| "a call of this query panicked".into());
    }
}

/// The last run that a thread has planned.
#[derive(Clone, Default)]
pub(super) struct Planned(Arc<Mutex<Weak<QueryRun>>>);

thread_local! {
    static PLANNED: std::cell::RefCell<Planned> = std::cell::RefCell::default();
}

impl Planned {
    /// Makes this the current thread's, so that another thread can look at it.
    pub(super) fn enter(&self) {
        PLANNED.set(self.clone());
    }

    /// Returns the error of the run's call that failed, if one has.
    pub(super) fn check(&self) -> PolarsResult<()> {
        let run = self.last().upgrade();
        run.map_or(Ok(()), |run| run.check())
    }

    /// Returns the run that is being planned on this thread.
    fn run() -> Arc<QueryRun> {
        let planned = PLANNED.with_borrow(Clone::clone);
        let mut last = planned.last();
        match last.upgrade() {
            Some(run) if run.began.get().is_none() => run,
            _ => {
                let run = Arc::default();
                *last = Arc::downgrade(&run);
                run
            }
        }
    }

    /// Begins the planning of another query on this thread.
    fn begin() {
        PLANNED.with_borrow(|planned| *planned.last() = Weak::new());
    }

    fn last(&self) -> MutexGuard<'_, Weak<QueryRun>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a function of columns that knows the run of the query in which it is called, and what is kept for that run. In all else it
/// is Polars' `map_multiple`.
pub(super) fn linked<T, R, P>(
    options: FunctionOptions,
    run: R,
    arguments: Vec<Expr>,
    plan: P,
) -> Expr
where
    T: Default + Send + Sync + 'static,
    R: Fn(&Arc<QueryRun>, &Arc<T>, &mut [Column]) -> PolarsResult<Column> + Send + Sync + 'static,
    P: Fn(&Schema, &[Field]) -> PolarsResult<Field> + Send + Sync + 'static,
{
    Expr::AnonymousFunction {
        input: arguments,
        function: new_column_udf(Linked {
            run,
            plan,
            kept: PhantomData,
        }),
        options,
        fmt_str: Box::new(PlSmallStr::EMPTY),
    }
}

/// The runs of a function of frames. Polars does not say to which run a call belongs, so a column that is added before it has the
/// run's number.
///
/// Polars keeps one function of columns for each run, but the same function of frames for all runs.
pub(super) struct RunColumn<T> {
    name: PlSmallStr,
    runs: Mutex<Vec<OfRun<T>>>,
}

/// A run, its number, and what is kept for it.
struct OfRun<T> {
    number: u64,
    run: Weak<QueryRun>,
    kept: Weak<T>,
}

impl<T: Default + Send + Sync + 'static> RunColumn<T> {
    /// Makes one whose column has this name, which no other column may have.
    pub(super) fn new(name: PlSmallStr) -> Self {
        RunColumn {
            name,
            runs: Mutex::default(),
        }
    }

    /// Returns the column, for a frame that has the column `any`. If a call of the run has failed, the column is that error, and
    /// the function is not called.
    pub(super) fn expression(self: &Arc<Self>, any: PlSmallStr) -> Expr {
        let column = self.clone();
        let run = move |run: &Arc<QueryRun>, kept: &Arc<T>, columns: &mut [Column]| {
            let rows = columns[0].len();
            let number = run.call(|| Ok(column.number(run, kept)))?;
            let number = Scalar::from(number);
            Ok(Column::new_scalar(column.name.clone(), number, rows))
        };
        let name = self.name.clone();
        let plan = move |_: &Schema, _: &[Field]| Ok(Field::new(name.clone(), DataType::UInt64));
        linked(
            FunctionOptions::elementwise(),
            run,
            vec![Expr::Column(any)],
            plan,
        )
        .alias(self.name.clone())
    }

    /// Takes the column out of a frame that has rows, and returns the run and what is kept for it.
    pub(super) fn take(&self, frame: &mut DataFrame) -> PolarsResult<(Arc<QueryRun>, Arc<T>)> {
        let column = frame.drop_in_place(&self.name)?;
        // The value is not read from a `ChunkedArray`, which would have a number for each row.
        let number: Option<u64> = column.get(0)?.extract();
        let runs = self.runs();
        let of_run = runs.iter().find(|of_run| Some(of_run.number) == number);
        let found = of_run.and_then(|of_run| Some((of_run.run.upgrade()?, of_run.kept.upgrade()?)));
        Ok(found.unwrap_or_default())
    }

    fn number(&self, run: &Arc<QueryRun>, kept: &Arc<T>) -> u64 {
        let mut runs = self.runs();
        let (this, kept) = (Arc::downgrade(run), Arc::downgrade(kept));
        if let Some(of_run) = runs.iter().find(|of_run| of_run.kept.ptr_eq(&kept)) {
            return of_run.number;
        }
        runs.retain(|of_run| of_run.kept.strong_count() > 0);
        let numbers = runs.iter().map(|of_run| of_run.number + 1);
        let number = numbers.max().unwrap_or(0);
        runs.push(OfRun {
            number,
            run: this,
            kept,
        });
        number
    }

    fn runs(&self) -> MutexGuard<'_, Vec<OfRun<T>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The function as it is in the plan.
struct Linked<T, R, P> {
    run: R,
    plan: P,
    kept: PhantomData<fn() -> T>,
}

impl<T, R, P> ColumnsUdf for Linked<T, R, P>
where
    T: Default,
    R: Fn(&Arc<QueryRun>, &Arc<T>, &mut [Column]) -> PolarsResult<Column> + Send + Sync,
    P: Send + Sync,
{
    fn call_udf(&self, columns: &mut [Column]) -> PolarsResult<Column> {
        (self.run)(&Arc::default(), &Arc::default(), columns)
    }
}

impl<T, R, P> AnonymousColumnsUdf for Linked<T, R, P>
where
    T: Default + Send + Sync + 'static,
    R: Fn(&Arc<QueryRun>, &Arc<T>, &mut [Column]) -> PolarsResult<Column> + Send + Sync + 'static,
    P: Fn(&Schema, &[Field]) -> PolarsResult<Field> + Send + Sync + 'static,
{
    fn as_column_udf(self: Arc<Self>) -> Arc<dyn ColumnsUdf> {
        Arc::new(InRun {
            linked: self,
            run: Planned::run(),
            kept: Arc::default(),
        })
    }

    fn deep_clone(self: Arc<Self>) -> Arc<dyn AnonymousColumnsUdf> {
        Planned::begin();
        self
    }

    fn get_field(&self, schema: &Schema, fields: &[Field]) -> PolarsResult<Field> {
        (self.plan)(schema, fields)
    }
}

/// The function as it is in a run.
struct InRun<T, R, P> {
    linked: Arc<Linked<T, R, P>>,
    run: Arc<QueryRun>,
    kept: Arc<T>,
}

impl<T, R, P> ColumnsUdf for InRun<T, R, P>
where
    T: Send + Sync,
    R: Fn(&Arc<QueryRun>, &Arc<T>, &mut [Column]) -> PolarsResult<Column> + Send + Sync,
    P: Send + Sync,
{
    fn call_udf(&self, columns: &mut [Column]) -> PolarsResult<Column> {
        (self.linked.run)(&self.run, &self.kept, columns)
    }
}
