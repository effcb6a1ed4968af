//! The steps of a call that all verbs share: checks, plan, run, report, finish, output.

use polars::prelude::{DataType, PlSmallStr};

use super::follows::{Shape, refuse};
use super::report::{Gaps, Items, report};
use super::{check_duplicates, check_names, check_returns};
use crate::cancel::Halt;
use crate::context::{Context, Contexts, Lead};
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::outcome::{Outcome, SlowestGroup};
use crate::partition::Cut;
use crate::run::{Kernel, Plan, Run};
use crate::write::Misfit;

/// The checks before the closure is called: every fault is noted, and all of them are returned at once.
pub(crate) struct Checks<'o> {
    options: &'o Options<'o>,
    shape: Shape,
    pub(super) faults: Vec<Error>,
}

impl<'o> Checks<'o> {
    pub(crate) fn new(options: &'o Options<'o>, shape: Shape) -> Self {
        Checks {
            options,
            shape,
            faults: Vec::new(),
        }
    }

    /// Returns the dtypes that results are encoded for, if dtypes are given and the results do not have them already.
    pub(super) fn returns(
        &mut self,
        width: usize,
        own_names: &[PlSmallStr],
        fit: fn(&[DataType], &mut Vec<Misfit>) -> bool,
    ) -> Option<&'o [DataType]> {
        let is_whole = self.shape.is_whole;
        check_returns(
            self.options,
            is_whole,
            width,
            own_names,
            fit,
            &mut self.faults,
        )
    }

    /// Returns the plan if there is no fault: neither among those that were noted, nor in the options, nor in the names of the
    /// output. `width` is the number of columns that the closure gives, if that is known, and `names` are all names to check.
    pub(super) fn pass(mut self, width: Option<usize>, names: &[PlSmallStr]) -> Result<Plan> {
        if let Some(Err(panic)) = &self.options.select_where {
            let (option, message) = ("select_where", format!("the closure panicked: {panic}"));
            self.faults
                .push(ErrorKind::Option { option, message }.into());
        }
        let plan = Plan::new(self.options, &mut self.faults);
        check_names(self.options, width, &mut self.faults);
        check_duplicates(names, &mut self.faults);
        refuse(self.options, self.shape, &mut self.faults);
        if self.shape.is_seeded && self.shape.draws_by_part() && plan.asked_cut().is_none() {
            self.faults.push(super::follows::no_cut());
        }
        Error::of_all(self.faults)?;
        Ok(plan)
    }
}

/// A verb: its items, the work for each of them, and what happens to the results.
pub(crate) trait Verb<C>: Sized {
    type Output;

    /// The verb's name in tracing spans.
    const NAME: &'static str;

    /// Whether a result cannot be null, so that an item without a result is dropped.
    const WHOLE: bool = false;

    /// Whether items run only on a pool's workers; see [`Run::on_workers`].
    const ON_WORKERS: bool = false;

    fn items(&self) -> &dyn Items;

    /// Returns how the items are handed out, if not by how long they take.
    fn cut(&self, plan: &Plan) -> Option<Cut> {
        let _ = plan;
        Some(Cut::ChunkRows(1))
    }

    /// Returns the items that are expected to take longest, ascending, if items may take so long that each of them is claimed
    /// before it is done.
    fn claims(&self, plan: &Plan) -> Option<Vec<usize>> {
        let _ = plan;
        None
    }

    /// Returns the group that took longest, for a verb that has groups.
    fn slowest(&self) -> Option<SlowestGroup> {
        None
    }

    /// Whether the first items are used to find out if the rest is worth waking other workers for, even if there is a cut.
    fn tries_first(&self) -> bool {
        false
    }

    fn kernel<'j>(&'j self, contexts: &'j Contexts<'j, C>, halt: Option<&'j Halt>) -> impl Kernel;

    /// Puts the results together; there are none for the items in the gaps.
    fn output(self, gaps: &Gaps) -> Result<Self::Output>;
}

/// Makes a call that has passed its checks.
pub(crate) fn call<C, V>(
    options: &Options<'_>,
    plan: &Plan,
    lead: impl Lead<C>,
    verb: V,
) -> Result<Outcome<V::Output>>
where
    C: Context,
    V: Verb<C>,
{
    let (make, finish) = lead.split();
    let contexts = Contexts::new(&make);
    let items = verb.items();
    let mut run = Run::new(
        V::NAME,
        options,
        plan,
        verb.cut(plan),
        items.len(),
        items.total(),
    )
    .counts(items.counted());
    if V::ON_WORKERS {
        run = run.on_workers();
    }
    if verb.tries_first() {
        run = run.tries_first();
    }
    if let Some(first) = verb.claims(plan) {
        run = run.claimed(first);
    }
    let (halt, recorder) = (run.halt_flag(), run.recorder());
    let ended = {
        let kernel = verb.kernel(&contexts, halt.as_deref());
        run.drive(&kernel)
    };
    let report = report(ended, &recorder, options, items, V::WHOLE);
    // The states are finished however the run has ended; the run's own error is returned first.
    let finished = finish(contexts.into_all());
    let (gaps, mut told) = report?;
    told.stats.slowest_group = verb.slowest();
    finished?;
    Ok(told.with(verb.output(&gaps)?))
}
