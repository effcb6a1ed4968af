//! Pools of workers, which run calls and jobs.

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
/// It runs the calls over frames that it is [given to](crate::Apply::pool). It also runs closures without a frame, as
/// `multiprocessing.Pool` does in Python; the page [coming from multiprocessing](crate::guide::coming_from_multiprocessing)
/// compares the two.
///
/// | call | what |
/// |---|---|
/// | [`apply`](Pool::apply) | calls a closure on a worker |
/// | [`map`](Pool::map), [`starmap`](Pool::starmap), [`for_each`](Pool::for_each), [`map_with_state`](Pool::map_with_state) | call a closure for each of many items, and give the results in order |
/// | [`imap`](Pool::imap), [`imap_unordered`](Pool::imap_unordered) | return the same as iterators that run only a bounded number of items ahead |
/// | [`apply_async`](Pool::apply_async), [`map_async`](Pool::map_async), [`starmap_async`](Pool::starmap_async) | return a [`Job`](crate::Job) at once |
/// | [`close`](Pool::close), [`join`](Pool::join), [`terminate`](Pool::terminate) | end the pool |
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
/// # Clones and the end of a pool
///
/// Cloning is cheap and gives the same pool. When the last clone of an owned pool is dropped, the pool is
/// [terminated](Pool::terminate) and its threads end. The drop itself waits for nothing; [`join`](Pool::join) does. A
/// [`Job`](crate::Job) does not count as a clone, so keep the pool as long as its jobs.
///
/// Polars' pool has no end. Each [`Pool::default`] is a handle to it: [`close`](Pool::close), [`join`](Pool::join) and
/// [`terminate`](Pool::terminate) affect only the work that was given through that handle and its clones, and dropping it ends
/// nothing.
///
/// # Who runs what
///
/// In an owned pool, every closure runs on one of its threads. Work that is given from outside begins in the order in which it was
/// given. At any time no more of it has begun than there are workers, counting work that waits; calls are an exception, as
/// described below. (A call over a frame runs its first rows on the calling thread; see
/// [`par_apply_rows`](crate::ParApply::par_apply_rows). It runs there as a whole if it is small, has one worker, or is one piece of work,
/// such as a single part or group. Names and [stack sizes](PoolBuilder::stack_size) of the pool's threads do not matter there.)
///
/// Calls share the pool: calls over a frame and maps, in the background or not. After each morsel (some milliseconds of rows or
/// items; a part, a column), a worker turns to the call that has the fewest workers, and among equals to the one that has waited
/// longest. A job of [`apply_async`](Pool::apply_async) counts as such a call until it has begun. So a short call does not wait for
/// the long ones before it to end. To allow this, about 32 more calls than there are workers may be under way at a time; each holds
/// a thread that waits, and the memory of its output. A closure that runs cannot be interrupted: a job of `apply_async`, or a chunk
/// of an [`imap`](Pool::imap), keeps its worker until it ends.
///
/// A closure may give work to its own pool or to another one and wait for it, even on a pool of one worker. The work that a worker
/// waits for goes first, and another thread stands in for the worker that waits.
///
/// In Polars' pool, calls that block their caller run on Polars' workers. Jobs begin on separate threads, since a job may wait for
/// long and must not delay Polars' queries. As many jobs as Polars has workers can be under way at a time (and some 32 calls more);
/// their threads end when they have been idle for some seconds. The rows of a frame's job run on Polars' workers again. Where all of
/// these have been busy with other work for 10 ms, the thread on which the call began takes the place of one worker. Polars' workers
/// do not take turns: a query of Polars, or a map, waits until a worker is free.
///
/// Whatever a closure does with Polars, such as a query or `par_apply_rows` without [`pool`](crate::Apply::pool), runs on Polars'
/// workers, whichever pool called the closure. So a pool of two does not limit that work to two threads. Parallel iterators of
/// rayon run on rayon's own pool.
#[derive(Clone)]
pub struct Pool {
    threads: Threads,
    way: Way,
    /// Set for an owned pool; not set where the pool is seen from within.
    owner: Option<Arc<Owner>>,
}

/// How work enters a pool.
#[derive(Clone)]
enum Way {
    /// As new work, while the pool is open.
    In(Arc<Gate>),
    /// As part of work that entered while the pool was open, unless the pool was terminated since.
    Again(Arc<Gate>),
    /// As part of work that is inside the pool.
    Inside(Arc<Gate>),
}

/// Ends the pool when its last clone is dropped.
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
    /// The most workers that a pool can have: far more than is useful, and few enough that the system can start them.
    pub(crate) const WIDEST: usize = team::WIDEST;

    pub(crate) fn too_wide(workers: usize) -> String {
        format!(
            "{workers} workers are more than the {} that a pool can have; give fewer",
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

    /// Starts building a pool with more settings than its width.
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

    /// Returns how many workers the pool has.
    ///
    /// On a thread of Polars' streaming engine, which is itself one of many, Polars' pool has one worker.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.threads.workers()
    }

    /// Closes the pool: from now on, it takes no new work.
    ///
    /// A later call returns an error of the kind [`PoolClosed`](crate::ErrorKind::PoolClosed), and a later job has this error as
    /// its result. Work that was given before goes on, including the work that it gives the pool itself. The threads end with
    /// [`join`](Pool::join), or when the last clone is dropped.
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

    /// Waits until all work that the pool was given is done, including callbacks of jobs.
    ///
    /// For an owned pool that is closed, it also waits until the pool's threads have ended.
    ///
    /// Unlike in Python, the pool need not be closed. If it is open, others may give it more work meanwhile, and `join` waits for
    /// that too.
    ///
    /// # Errors
    /// An error is returned if it is called within work that the pool runs, since that work would wait for itself.
    pub fn join(&self) -> Result<()> {
        self.gate().join()?;
        if let Some(owner) = &self.owner
            && owner.gate.is_closed()
        {
            // Work that entered before the pool was closed, but after the first wait, needs the threads too.
            owner.gate.join()?;
            owner.team.stop();
            owner.team.join();
        }
        Ok(())
    }

    /// Closes the pool and cancels the work that it was given.
    ///
    /// A job that has not begun never will. A map or a call over a frame ends when each worker is done with the item, row, column
    /// or part that it is in.
    ///
    /// It does not wait for that; [`join`](Pool::join) does. A closure that is running cannot be killed, unlike the processes of a
    /// Python pool. A call on another thread that blocks its caller, and that no worker has reached yet, ends when a worker reaches
    /// it.
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

    /// Returns the lineage of a call that is given to the pool here and waited for.
    pub(crate) fn lineage_of_call(&self) -> Lineage {
        Lineage::of_call().and(self.gate())
    }

    /// Returns the lineage of a job that is given to the pool here.
    pub(crate) fn lineage_of_job(&self) -> Lineage {
        Lineage::default().and(self.gate())
    }

    /// Returns the error of a job for which no thread could be started.
    pub(crate) fn no_thread(&self, error: &io::Error) -> Error {
        if let Err(closed) = self.gate().admit() {
            return closed;
        }
        let message = format!("no thread could be started for the job: {error}");
        let option = "Pool::apply_async";
        ErrorKind::Option { option, message }.into()
    }

    pub(crate) fn threads(&self) -> &Threads {
        &self.threads
    }

    /// Admits a call or a job. Within a job that was admitted, no pass is needed.
    pub(crate) fn admit(&self) -> Result<Option<Pass>> {
        match &self.way {
            Way::In(gate) => gate.admit().map(Some),
            Way::Again(gate) => gate.admit_again().map(Some),
            Way::Inside(_) => Ok(None),
        }
    }

    /// Admits a call that blocks its caller.
    pub(crate) fn enter(&self) -> Result<Option<Entry>> {
        Ok(self.admit()?.map(Entry::new))
    }

    /// Returns the same pool as seen within one of its jobs: it keeps no threads alive, and admits everything.
    pub(crate) fn within(&self) -> Self {
        Pool {
            threads: self.threads.clone(),
            way: Way::Inside(self.gate().clone()),
            owner: None,
        }
    }

    /// Returns the same pool for the rest of work that has entered: it keeps no threads alive, and admits that work until the pool
    /// is terminated.
    pub(crate) fn again(&self) -> Self {
        Pool {
            threads: self.threads.clone(),
            way: Way::Again(self.gate().clone()),
            owner: None,
        }
    }

    /// Returns the same pool for work that has yet to enter: it keeps no threads alive.
    pub(crate) fn watched(&self) -> Self {
        Pool {
            owner: None,
            ..self.clone()
        }
    }
}

/// Makes a handle to Polars' own pool; see [`Pool`].
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
