//! Where the workers come from.

mod builder;
mod gate;
mod lend;
mod team;
mod threads;
mod turns;
mod wait;
mod within;

use std::fmt;
use std::io;

pub use builder::{PoolBuilder, available_workers};
use gate::Gate;
pub(crate) use gate::{Entry, Pass};
pub(crate) use lend::{Crew, Work};
use team::Team;
pub(crate) use team::{
    Waits, Yielded, end_turns, give_way, is_in_turns, is_within_a_closure, wait_while,
};
pub(crate) use threads::Threads;
pub(crate) use turns::Task;
pub(crate) use within::{Lineage, Within};

use crate::error::{Error, ErrorKind, Result};
use crate::sync::Arc;

/// A pool of workers: [Polars' own](Pool::default), or [one of a given width](Pool::new).
///
/// It runs the calls over frames that it is [given to](crate::Apply::pool), and work of its own, as `multiprocessing.Pool`
/// does in Python; the page [coming from multiprocessing](crate::guide::coming_from_multiprocessing) compares the two.
///
/// | call | what |
/// |---|---|
/// | [`apply`](Pool::apply) | calls a closure on a worker |
/// | [`map`](Pool::map), [`starmap`](Pool::starmap), [`for_each`](Pool::for_each), [`map_with_state`](Pool::map_with_state) | call it for each of many items, and give the results in order |
/// | [`imap`](Pool::imap), [`imap_unordered`](Pool::imap_unordered) | the same as iterators, of which only a bounded part is under way |
/// | [`apply_async`](Pool::apply_async), [`map_async`](Pool::map_async), [`starmap_async`](Pool::starmap_async) | return a [`Job`](crate::Job) at once |
/// | [`close`](Pool::close), [`join`](Pool::join), [`terminate`](Pool::terminate) | end it |
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let pool = Pool::new(2)?;
/// assert_eq!(pool.map([1.0, 4.0, 9.0], f64::sqrt)?, [1.0, 2.0, 3.0]);
///
/// let df = df!["x" => [1.0, 4.0, 9.0]]?;
/// let roots = df.par_apply().pool(&pool).rows(f64::sqrt)?;
/// assert_eq!(roots.f64()?.to_vec(), [Some(1.0), Some(2.0), Some(3.0)]);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// # Clones, and the end of a pool
///
/// Cloning is cheap and gives the same pool. When the last clone of a pool of one's own goes, the pool is
/// [terminated](Pool::terminate) and its threads end; the drop itself waits for nobody, [`join`](Pool::join) does. A
/// [`Job`](crate::Job) is no clone: keep the pool as long as its jobs.
///
/// Polars' pool has no end. Each [`Pool::default`] is a way into it: [`close`](Pool::close), [`join`](Pool::join) and
/// [`terminate`](Pool::terminate) concern what was given through that one and its clones, and its drop ends nothing.
///
/// # Who runs what
///
/// In an owned pool, every closure runs on one of its threads. What is given from outside is begun in the order in which it was
/// given, and no more of it at a time than there are workers, those that wait included; but see below for calls. (Of a call
/// over a frame, the first rows run on the calling thread; see [`par_apply_rows`](crate::ParApply::par_apply_rows).)
///
/// Calls share the pool: those over a frame and the maps, in the background or not. After each morsel (some milliseconds of
/// rows or items; a part, a column), a worker turns to the call that has the fewest workers, and of those to the one that has
/// waited longest; a job of [`apply_async`](Pool::apply_async) is one of them until it has begun. So a short call does not wait
/// until the long ones before it have ended. For that, some 32 calls more than there are workers may be under way at a time;
/// each holds a thread that waits, and the memory of its output. A closure that runs cannot be interrupted: a job of
/// `apply_async`, or a chunk of an [`imap`](Pool::imap), keeps its worker until it ends.
///
/// A closure may give its pool, or another one, more work and wait for it, on a pool of one worker too: what a worker waits for
/// goes first, and another thread stands in for the one that waits.
///
/// In Polars' pool, what blocks the caller runs on Polars' workers, and jobs are begun on threads apart from these, for as many
/// jobs at a time (and some 32 calls more), which end when they have been idle for some seconds: a job may wait for long, and
/// Polars' queries are not to wait with it. The rows of a frame's job run on Polars' workers again; where all of these have been
/// busy with other work for 10 ms, the thread that the call was begun on takes the place of one. Polars' workers do not take
/// turns: a query of Polars, or a map, waits until a worker is free.
///
/// What a closure does with Polars, a query or `par_apply_rows` without [`pool`](crate::Apply::pool), runs on Polars' workers,
/// whoever calls it: a pool of two does not keep that to two threads. Parallel iterators of rayon run on rayon's own pool.
#[derive(Clone)]
pub struct Pool {
    threads: Threads,
    way: Way,
    /// Of a pool of one's own; none where it is seen from within.
    owner: Option<Arc<Owner>>,
}

/// How work comes into a pool.
#[derive(Clone)]
enum Way {
    /// While it is open.
    In(Arc<Gate>),
    /// As part of something that came in while it was open: unless it was terminated.
    Again(Arc<Gate>),
    /// As part of something that is inside.
    Inside(Arc<Gate>),
}

/// Ends the pool with its last clone.
struct Owner {
    gate: Arc<Gate>,
    team: Team,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.gate.terminate();
        self.team.stop();
    }
}

impl Pool {
    /// The most workers a pool can have: far beyond use, and short of what brings a system down.
    pub(crate) const WIDEST: usize = team::WIDEST;

    pub(crate) fn too_wide(workers: usize) -> String {
        format!(
            "{workers} workers are more than the {} a pool can have; give fewer",
            Self::WIDEST
        )
    }

    /// Starts a pool of `workers` threads.
    ///
    /// # Errors
    /// `workers` is 0 or more than 4,096, or the system gives no more threads.
    pub fn new(workers: usize) -> Result<Self> {
        Self::builder().workers(workers).build()
    }

    /// Starts making a pool, of which more than the width is to be chosen.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::new()
    }

    fn of(team: Team) -> Self {
        let gate = Arc::<Gate>::default();
        Pool {
            threads: Threads::Own(team.clone()),
            way: Way::In(gate.clone()),
            owner: Some(Arc::new(Owner { gate, team })),
        }
    }

    /// How many workers the pool has.
    ///
    /// Polars' pool has one on a thread of its streaming engine, which is itself one of many.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.threads.workers()
    }

    /// Takes no more work: a call from now on is an error of the kind [`PoolClosed`](crate::ErrorKind::PoolClosed), and so
    /// is the result of a job. What was given before goes on, with what it gives the pool itself. The threads end with
    /// [`join`](Pool::join), or the last clone.
    ///
    /// ```
    /// use polars_par_apply::{ErrorKind, prelude::*};
    ///
    /// let pool = Pool::new(2)?;
    /// let job = pool.map_async(vec![1, 2, 3], |x: i32| x * 2);
    /// pool.close();
    /// let error = pool.apply(|| 1).unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::PoolClosed { .. }));
    /// assert_eq!(job.get()?, [2, 4, 6]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn close(&self) {
        self.gate().close();
    }

    /// Waits until all that the pool was given is done, callbacks of jobs included; of a pool of one's own that is closed,
    /// until its threads have ended.
    ///
    /// Unlike Python's, the pool need not be closed; but then others may give it more work meanwhile, and it waits for that
    /// too.
    ///
    /// # Errors
    /// It is called within something that the pool runs, which would wait for itself.
    pub fn join(&self) -> Result<()> {
        self.gate().join()?;
        if let Some(owner) = &self.owner
            && owner.gate.is_closed()
        {
            // What came in before it was closed, and after the wait, has a thread too.
            owner.gate.join()?;
            owner.team.stop();
            owner.team.join();
        }
        Ok(())
    }

    /// Closes the pool and cancels what it was given: a job that has not begun never will; a map, a call over a frame ends
    /// when each worker is done with the item, row, column or part that it is in.
    ///
    /// It does not wait for that; [`join`](Pool::join) does. A closure that is running cannot be killed, as Python kills the
    /// processes of its pool. A call of another thread that blocks its caller, and that no worker has come to, ends when one
    /// does.
    ///
    /// ```
    /// use polars_par_apply::{ErrorKind, prelude::*};
    ///
    /// let pool = Pool::new(1)?;
    /// let endless = pool.map_async(0..u64::MAX >> 40, |_: u64| std::thread::sleep(std::time::Duration::from_millis(1)));
    /// pool.terminate();
    /// pool.join()?;
    /// assert!(matches!(endless.get().unwrap_err().kind(), ErrorKind::Cancelled { .. }));
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn terminate(&self) {
        self.gate().terminate();
    }

    fn gate(&self) -> &Arc<Gate> {
        match &self.way {
            Way::In(gate) | Way::Again(gate) | Way::Inside(gate) => gate,
        }
    }

    /// What a call is within that is given to the pool here, and waited for.
    pub(crate) fn lineage_of_call(&self) -> Lineage {
        Lineage::of_call().and(self.gate())
    }

    /// What a job is within that is given to the pool here.
    pub(crate) fn lineage_of_job(&self) -> Lineage {
        Lineage::default().and(self.gate())
    }

    /// Why a job has no thread to begin it.
    pub(crate) fn no_thread(&self, error: &io::Error) -> Error {
        if let Err(closed) = self.gate().admit() {
            return closed;
        }
        let message = format!("no thread can be had for the job: {error}");
        let option = "Pool::apply_async";
        ErrorKind::Option { option, message }.into()
    }

    pub(crate) fn threads(&self) -> &Threads {
        &self.threads
    }

    /// Lets a call or a job in. Within a job that was let in, there is nothing to ask for.
    pub(crate) fn admit(&self) -> Result<Option<Pass>> {
        match &self.way {
            Way::In(gate) => gate.admit().map(Some),
            Way::Again(gate) => gate.admit_again().map(Some),
            Way::Inside(_) => Ok(None),
        }
    }

    /// Lets a call in that blocks its caller.
    pub(crate) fn enter(&self) -> Result<Option<Entry>> {
        Ok(self.admit()?.map(Entry::new))
    }

    /// The same pool as seen within one of its jobs: it keeps nobody's threads alive, and lets everything in.
    pub(crate) fn within(&self) -> Self {
        Pool {
            threads: self.threads.clone(),
            way: Way::Inside(self.gate().clone()),
            owner: None,
        }
    }

    /// The same pool for the rest of what has come in: it keeps nobody's threads alive, and lets it in until it is
    /// terminated.
    pub(crate) fn again(&self) -> Self {
        Pool {
            threads: self.threads.clone(),
            way: Way::Again(self.gate().clone()),
            owner: None,
        }
    }

    /// The same pool for something that has yet to come in: it keeps nobody's threads alive.
    pub(crate) fn watched(&self) -> Self {
        Pool {
            owner: None,
            ..self.clone()
        }
    }
}

/// A way into Polars' own pool; see [`Pool`].
impl Default for Pool {
    fn default() -> Self {
        Pool {
            threads: Threads::Polars,
            way: Way::In(Arc::default()),
            owner: None,
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.threads)
            .field("workers", &self.workers())
            .finish()
    }
}
