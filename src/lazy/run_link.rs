//! The calls of one run of a query: what fails in one of them, the others learn before they see anything beyond the gap.
//!
//! When an operator of Polars' streaming engine fails, the engine drops its batch, and later batches go on until the query has
//! ended. What counts rows then counts over the gap. So a call that fails writes its error down before it returns it, and every
//! other call of the same run looks there first. Polars passes a later batch on, where order matters, when the one that failed
//! has returned its error: the entry is always there before anything beyond the gap is.
//!
//! A run is found by what Polars does when it plans one (as read in the source of Polars 0.55: `polars-expr/src/planner.rs`,
//! `polars-stream/src/physical_plan`, `polars-plan/src/plans/conversion/dsl_to_ir/expr_expansion.rs`):
//! - `as_column_udf` is called for each call of a run, on the thread that has asked for the run, one right after the other, and
//!   before the run begins. Calls that are planned in a row on one thread belong to one run. It ends the row that one of them
//!   has begun, or that all of them are dropped, as they are at the end of a run.
//! - `deep_clone` is called, on the same thread, when the planning of a query begins. It ends the row as well, for a thread that
//!   takes up another query while one waits.

use polars::prelude::{
    Column, DataFrame, DataType, Expr, Field, PlSmallStr, PolarsError, PolarsResult, Scalar, Schema,
};
use polars_async::executor::THREAD_SPAWNED_BY_POLARS_EXECUTOR;
use polars_plan::prelude::{AnonymousColumnsUdf, ColumnsUdf, FunctionOptions, new_column_udf};

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// One run of a query.
#[derive(Default)]
pub(super) struct QueryRun {
    has_begun: AtomicBool,
    /// The message of the first call that failed.
    failure: Mutex<Option<String>>,
}

impl QueryRun {
    /// Makes a call, unless another call of the run has failed: then its error is returned.
    ///
    /// In memory there is no gap to see: a failure ends the query before anything else is called.
    pub(super) fn call<T>(&self, call: impl FnOnce() -> PolarsResult<T>) -> PolarsResult<T> {
        self.has_begun.store(true, Ordering::Relaxed);
        if !THREAD_SPAWNED_BY_POLARS_EXECUTOR.get() {
            return call();
        }
        self.check()?;
        call().inspect_err(|error| {
            self.failure().get_or_insert_with(|| match error {
                PolarsError::ComputeError(message) => message.to_string(),
                error => error.to_string(),
            });
        })
    }

    /// The error of the call that failed, if one has.
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

/// The run that a thread has planned last.
#[derive(Clone, Default)]
pub(super) struct Planned(Arc<Mutex<Weak<QueryRun>>>);

thread_local! {
    static PLANNED: std::cell::RefCell<Planned> = std::cell::RefCell::default();
}

impl Planned {
    /// This thread's, which another may look at.
    pub(super) fn enter(&self) {
        PLANNED.set(self.clone());
    }

    /// The error of the run's call that failed, if one has.
    pub(super) fn check(&self) -> PolarsResult<()> {
        let run = self.last().upgrade();
        run.map_or(Ok(()), |run| run.check())
    }

    /// The run that is being planned on this thread.
    fn run() -> Arc<QueryRun> {
        let planned = PLANNED.with_borrow(Clone::clone);
        let mut last = planned.last();
        match last.upgrade() {
            Some(run) if !run.has_begun.load(Ordering::Relaxed) => run,
            _ => {
                let run = Arc::default();
                *last = Arc::downgrade(&run);
                run
            }
        }
    }

    /// The planning of another query begins on this thread.
    fn begin() {
        PLANNED.with_borrow(|planned| *planned.last() = Weak::new());
    }

    fn last(&self) -> MutexGuard<'_, Weak<QueryRun>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A function of columns that knows the run of the query in which it is called; otherwise as Polars' `map_multiple`.
pub(super) fn linked<R, P>(run: R, arguments: Vec<Expr>, plan: P) -> Expr
where
    R: Fn(&Arc<QueryRun>, &mut [Column]) -> PolarsResult<Column> + Send + Sync + 'static,
    P: Fn(&Schema, &[Field]) -> PolarsResult<Field> + Send + Sync + 'static,
{
    Expr::AnonymousFunction {
        input: arguments,
        function: new_column_udf(Linked { run, plan }),
        options: FunctionOptions::elementwise(),
        fmt_str: Box::new(PlSmallStr::EMPTY),
    }
}

/// The runs of a function of frames, which Polars calls without a word of its run: a column before it has the run's number.
///
/// Polars keeps a function of columns for each run, but the same function of frames for all.
pub(super) struct RunColumn {
    name: PlSmallStr,
    runs: Mutex<Vec<(u64, Weak<QueryRun>)>>,
}

impl RunColumn {
    /// With a name that no other column has.
    pub(super) fn new(name: PlSmallStr) -> Self {
        RunColumn {
            name,
            runs: Mutex::default(),
        }
    }

    /// The column, of a frame that has this one. Where a call of the run has failed, its error: the frame is then given to nobody.
    pub(super) fn expression(self: &Arc<Self>, any: PlSmallStr) -> Expr {
        let column = self.clone();
        let run = move |run: &Arc<QueryRun>, columns: &mut [Column]| {
            let rows = columns[0].len();
            let number = run.call(|| Ok(column.number(run)))?;
            let number = Scalar::from(number);
            Ok(Column::new_scalar(column.name.clone(), number, rows))
        };
        let name = self.name.clone();
        let plan = move |_: &Schema, _: &[Field]| Ok(Field::new(name.clone(), DataType::UInt64));
        linked(run, vec![Expr::Column(any)], plan).alias(self.name.clone())
    }

    /// Takes the column out of a frame of rows, and gives the run.
    pub(super) fn take(&self, frame: &mut DataFrame) -> PolarsResult<Arc<QueryRun>> {
        let column = frame.drop_in_place(&self.name)?;
        let number = column.u64()?.get(0);
        let runs = self.runs();
        let mut same = runs.iter().filter(|(other, _)| Some(*other) == number);
        let run = same.next().and_then(|(_, run)| run.upgrade());
        Ok(run.unwrap_or_default())
    }

    fn number(&self, run: &Arc<QueryRun>) -> u64 {
        let mut runs = self.runs();
        let this = Arc::downgrade(run);
        let mut same = runs.iter().filter(|(_, other)| other.ptr_eq(&this));
        if let Some((number, _)) = same.next() {
            return *number;
        }
        runs.retain(|(_, run)| run.strong_count() > 0);
        let number = runs.iter().map(|(number, _)| number + 1).max().unwrap_or(0);
        runs.push((number, this));
        number
    }

    fn runs(&self) -> MutexGuard<'_, Vec<(u64, Weak<QueryRun>)>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As it is in the plan.
struct Linked<R, P> {
    run: R,
    plan: P,
}

impl<R, P> ColumnsUdf for Linked<R, P>
where
    R: Fn(&Arc<QueryRun>, &mut [Column]) -> PolarsResult<Column> + Send + Sync,
    P: Send + Sync,
{
    fn call_udf(&self, columns: &mut [Column]) -> PolarsResult<Column> {
        (self.run)(&Arc::default(), columns)
    }
}

impl<R, P> AnonymousColumnsUdf for Linked<R, P>
where
    R: Fn(&Arc<QueryRun>, &mut [Column]) -> PolarsResult<Column> + Send + Sync + 'static,
    P: Fn(&Schema, &[Field]) -> PolarsResult<Field> + Send + Sync + 'static,
{
    fn as_column_udf(self: Arc<Self>) -> Arc<dyn ColumnsUdf> {
        Arc::new(InRun {
            linked: self,
            run: Planned::run(),
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

/// As it is in a run.
struct InRun<L> {
    linked: Arc<L>,
    run: Arc<QueryRun>,
}

impl<R, P> ColumnsUdf for InRun<Linked<R, P>>
where
    R: Fn(&Arc<QueryRun>, &mut [Column]) -> PolarsResult<Column> + Send + Sync,
    P: Send + Sync,
{
    fn call_udf(&self, columns: &mut [Column]) -> PolarsResult<Column> {
        (self.linked.run)(&self.run, columns)
    }
}
