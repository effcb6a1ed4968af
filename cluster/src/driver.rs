//! The driver of a call, which submits the missing parts until none is missing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use polars::prelude::{DataFrame, Schema};
use polars_par_apply::{CancelToken, Registry};

use crate::client::{Client, JobState, Trouble};
use crate::error::{Error, ErrorKind, Result, TaskError};
use crate::outcome::{ClusterTick, PartStats};
use crate::plan::{Codec, Piece, RunParts, input_batch};
use crate::scheduler::ClusterStatus;
use crate::sink::Sink;
use crate::source::Planned;
use crate::task::decoded;
use crate::wire::{Report, WireCall};

/// A callback that is given the call's progress.
pub(crate) type OnTick = Arc<dyn Fn(ClusterTick) + Send + Sync>;

/// What a driver has to do.
pub(crate) struct Work {
    pub(crate) url: String,
    pub(crate) client: Client,
    pub(crate) call: WireCall,
    pub(crate) planned: Planned,
    pub(crate) sink: Option<Sink>,
    pub(crate) attempts: usize,
    pub(crate) patience: Duration,
    pub(crate) deadline: Option<(Instant, Duration)>,
    pub(crate) token: CancelToken,
    pub(crate) on_tick: Option<OnTick>,
    pub(crate) max_failures: Option<usize>,
}

/// What a driver has done.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The parts' outputs in order; empty for a sink.
    pub(crate) frames: Vec<DataFrame>,
    pub(crate) failures: Vec<DataFrame>,
    pub(crate) parts: Vec<PartStats>,
    pub(crate) jobs: usize,
    pub(crate) found: usize,
    pub(crate) sink: Option<Sink>,
}

/// A part that is done.
struct Part {
    report: Report,
    failures: Option<DataFrame>,
    output: Option<DataFrame>,
}

/// The pieces of a part that arrived in one job.
#[derive(Default)]
struct Pieces {
    report: Option<Report>,
    bodies: BTreeMap<u32, Vec<u8>>,
}

impl Pieces {
    fn add(&mut self, piece: Piece) {
        match piece.number {
            0 => self.report = serde_json::from_slice(&piece.body).ok(),
            number => {
                self.bodies.insert(number, piece.body);
            }
        }
    }

    /// Returns the part, if all of its pieces arrived.
    fn whole(self) -> Option<Part> {
        let report = self.report?;
        let pieces = report.failure_pieces + report.output_pieces;
        if self.bodies.len() != pieces as usize {
            return None;
        }
        let join = |from: u32, to: u32| {
            let bodies = self.bodies.range(from..to);
            let bytes: Vec<u8> = bodies.flat_map(|(_, body)| body).copied().collect();
            match bytes.is_empty() {
                true => Some(None),
                false => decoded(&bytes).ok().map(Some),
            }
        };
        let failures = join(1, 1 + report.failure_pieces)?;
        let output = join(1 + report.failure_pieces, 1 + pieces)?;
        Some(Part {
            report,
            failures,
            output,
        })
    }
}

/// How a job ended.
enum Ended {
    /// Its results were fetched.
    Fetched,
    /// Executors, a connection or the scheduler was lost, or something else went wrong; another attempt may succeed.
    Lost(String),
}

/// How often the driver asks for a job's state: at first, and later.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LAST_LOOK: Duration = Duration::from_millis(25);
/// How often the scheduler is asked for its executors.
const STATUS_LOOK: Duration = Duration::from_millis(200);

struct Driver {
    work: Work,
    registry: Arc<Registry>,
    done: BTreeMap<u32, Part>,
    jobs: usize,
    executors: usize,
    found: usize,
    /// The message that the last attempt ended with.
    last: Option<String>,
    /// The message of a panic in the progress callback.
    panicked: Option<String>,
    /// The part and the error, if an executor could not read or write a file in the last attempt.
    trouble: Option<(u32, TaskError)>,
    /// The part of its state that can be seen from outside while it waits.
    seen: Arc<Seen>,
    /// How many done parts were reported.
    told: usize,
    /// The files that executors report to have written, with the executor.
    written: BTreeMap<u32, (String, String)>,
}

/// The part of a driver's state that can be seen from outside.
#[derive(Default)]
struct Seen {
    /// The job that runs.
    job: Mutex<Option<String>>,
    done: AtomicUsize,
}

impl Seen {
    fn set(&self, job: Option<&str>) {
        let mut running = self.job.lock().unwrap_or_else(PoisonError::into_inner);
        *running = job.map(str::to_string);
    }

    fn job(&self) -> Option<String> {
        let job = self.job.lock().unwrap_or_else(PoisonError::into_inner);
        job.clone()
    }
}

/// For how long the driver asks a job to end.
const CANCEL: Duration = Duration::from_secs(2);

/// Makes the call. It ends soon after it was cancelled or its deadline has passed, whatever it waits for.
pub(crate) async fn drive(work: Work) -> Result<Finished> {
    let seen = Arc::new(Seen::default());
    let (client, token, deadline) = (work.client.clone(), work.token.clone(), work.deadline);
    let parts = work.planned.parts.len();
    let ended = tokio::select! {
        ended = drive_on(work, seen.clone()) => ended,
        deadline = stopped(token, deadline) => {
            let done = seen.done.load(Ordering::Relaxed);
            Err(ErrorKind::Cancelled { done, parts, deadline }.into())
        }
    };
    if let Some(job) = seen.job() {
        // Otherwise the job would go on without its driver.
        let _ = tokio::time::timeout(CANCEL, client.cancel(&job)).await;
    }
    ended
}

/// Waits until the token is cancelled or the deadline has passed, and returns the deadline in the second case.
async fn stopped(token: CancelToken, deadline: Option<(Instant, Duration)>) -> Option<Duration> {
    loop {
        match deadline {
            _ if token.is_cancelled() => return None,
            Some((at, deadline)) if Instant::now() >= at => return Some(deadline),
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn drive_on(work: Work, seen: Arc<Seen>) -> Result<Finished> {
    let mut driver = Driver {
        work,
        // A driver sends only the names of functions.
        registry: Arc::new(Registry::new()),
        done: BTreeMap::new(),
        jobs: 0,
        executors: 0,
        found: 0,
        last: None,
        panicked: None,
        trouble: None,
        seen,
        told: 0,
        written: BTreeMap::new(),
    };
    driver.look_into_sink();
    driver.found = driver.done.len();
    driver.tick();
    let mut delays = delays();
    let mut idle = 0;
    while !driver.is_over() {
        let before = driver.done.len();
        let ended = driver.attempt().await?;
        driver.look_into_sink();
        driver.tick();
        if driver.is_over() {
            break;
        }
        driver.check()?;
        let message = match ended {
            Ended::Fetched => "parts of the result did not arrive".to_string(),
            Ended::Lost(message) => message,
        };
        log::warn!(
            "an attempt ended with {} parts missing: {message}",
            driver.missing().len()
        );
        driver.last = Some(message.clone());
        match driver.done.len() > before {
            true => (idle, delays) = (0, self::delays()),
            false => idle += 1,
        }
        if idle >= driver.work.attempts {
            if let Some((part, error)) = driver.trouble.take() {
                return Err(error.into_error(part as usize));
            }
            return Err(ErrorKind::Lost {
                missing: driver.missing().len(),
                parts: driver.work.planned.parts.len(),
                attempts: idle,
                message,
            }
            .into());
        }
        let delay = delays.next().unwrap_or(Duration::from_secs(5));
        tokio::time::sleep(delay).await;
    }
    driver.finish()
}

fn delays() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(5))
        .with_jitter()
        .without_max_times()
        .build()
}

impl Driver {
    fn tick(&mut self) {
        self.seen.done.store(self.done.len(), Ordering::Relaxed);
        self.tell(self.done.len());
    }

    fn tell(&mut self, parts_done: usize) {
        let Some(on_tick) = &self.work.on_tick else {
            return;
        };
        let parts = self.work.planned.parts.len();
        // A part that is run again was already counted.
        self.told = self.told.max(parts_done).min(parts);
        let tick = ClusterTick {
            parts_done: self.told,
            parts,
            jobs: self.jobs,
            executors: self.executors,
        };
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| on_tick(tick)));
        if let Err(payload) = told {
            let text = payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_string());
            let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
            self.panicked = Some(text.unwrap_or_default());
            self.work.on_tick = None;
        }
    }

    /// Returns the lowest part that failed.
    fn failed(&self) -> Option<u32> {
        let failed = self
            .done
            .iter()
            .find(|(_, part)| part.report.error.is_some());
        failed.map(|(part, _)| *part)
    }

    /// Returns the parts without a result, up to the lowest part that failed: no later part is needed.
    fn missing(&self) -> Vec<u32> {
        let end = self.failed().unwrap_or(u32::MAX);
        let parts = self.work.planned.parts.iter().map(|part| part.part);
        parts
            .filter(|part| *part < end && !self.done.contains_key(part))
            .collect()
    }

    fn is_over(&self) -> bool {
        self.missing().is_empty()
    }

    /// Takes the parts whose files are in the folder of the sink.
    fn look_into_sink(&mut self) {
        let Some(sink) = &self.work.sink else {
            return;
        };
        for part in self.missing() {
            if let Some(found) = sink.find(part) {
                let part_found = Part {
                    report: found.report,
                    failures: found.failures,
                    output: None,
                };
                self.done.insert(part, part_found);
            }
        }
    }

    /// Returns an error if the progress callback has panicked.
    fn check(&self) -> Result<()> {
        if let Some(message) = &self.panicked {
            return Err(Error::refused(format!(
                "option progress: its closure panicked: {message}"
            )));
        }
        Ok(())
    }

    /// Returns an error if more rows failed than are allowed.
    fn check_failures(&self) -> Result<()> {
        let failures = self.done.values().map(|part| part.report.failures);
        let failures = failures.sum::<u64>() as usize;
        match self.work.max_failures {
            Some(limit) if failures > limit => {
                Err(ErrorKind::TooManyFailures { limit, failures }.into())
            }
            _ => Ok(()),
        }
    }

    /// Waits for a scheduler that has an executor.
    async fn ready(&mut self) -> Result<()> {
        let began = Instant::now();
        loop {
            self.check()?;
            let status = self.work.client.status(None).await;
            let waited = began.elapsed();
            match status {
                Ok(ClusterStatus { executors, .. }) if executors > 0 => {
                    self.executors = executors;
                    return Ok(());
                }
                Ok(_) if waited >= self.work.patience => {
                    let message = self.last.clone();
                    return Err(ErrorKind::NoExecutors { waited, message }.into());
                }
                Err(trouble) => self.unless_patient(trouble, waited)?,
                Ok(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Returns an error if waiting cannot help, or if the driver has waited too long.
    fn unless_patient(&self, trouble: Trouble, waited: Duration) -> Result<()> {
        let url = self.work.url.clone();
        Err(match trouble {
            Trouble::Unauthorized => ErrorKind::Unauthorized { url }.into(),
            Trouble::TooLarge(bytes) => too_large(bytes),
            Trouble::Scheduler(_) | Trouble::Other(_) if waited < self.work.patience => {
                return Ok(());
            }
            Trouble::Scheduler(message) | Trouble::Other(message) => {
                ErrorKind::Unreachable { url, message }.into()
            }
        })
    }

    /// Submits the missing parts as a job, waits for it, and takes its results.
    async fn attempt(&mut self) -> Result<Ended> {
        self.ready().await?;
        let codec = Codec::new(self.registry.clone());
        let plan = self.plan()?;
        let job = match self.work.client.submit(plan, &codec).await {
            Ok(job) => job,
            Err(Trouble::TooLarge(bytes)) => return Err(too_large(bytes)),
            Err(Trouble::Unauthorized) => {
                let url = self.work.url.clone();
                return Err(ErrorKind::Unauthorized { url }.into());
            }
            Err(Trouble::Scheduler(message) | Trouble::Other(message)) => {
                return Ok(Ended::Lost(message));
            }
        };
        self.jobs += 1;
        log::info!("job {job} has {} parts", self.missing().len());
        self.seen.set(Some(&job));
        let ended = self.follow(&job).await?;
        self.seen.set(None);
        self.work.client.forget(&job).await;
        Ok(ended)
    }

    /// Returns the plan of the missing parts.
    ///
    /// If an executor is lost, Ballista recomputes its results only if another stage comes after them; for the last stage it returns
    /// the old locations. So a separate stage always merges the parts.
    fn plan(&self) -> Result<Arc<dyn ExecutionPlan>> {
        let planned = &self.work.planned;
        let failed = |error: datafusion::error::DataFusionError| {
            Error::refused(format!("the plan cannot be made: {error}"))
        };
        let partitions = self.missing().into_iter().map(|part| {
            let frame = planned.frames.get(part as usize).map(Vec::as_slice);
            let batch = input_batch(&planned.parts[part as usize], frame);
            batch.map(|batch| vec![batch]).map_err(failed)
        });
        let partitions = partitions.collect::<Result<Vec<_>>>()?;
        let input =
            MemorySourceConfig::try_new_exec(&partitions, crate::plan::input_schema(), None);
        let call = Ok(Arc::new(WireCall {
            run: uuid::Uuid::new_v4().simple().to_string(),
            ..self.work.call.clone()
        }));
        let run = RunParts::new(call, self.registry.clone(), input.map_err(failed)?);
        Ok(Arc::new(CoalescePartitionsExec::new(Arc::new(run))))
    }

    async fn follow(&mut self, job: &str) -> Result<Ended> {
        let began = Instant::now();
        let done_before = self.done.len();
        let mut look = FIRST_LOOK;
        let mut looked = Instant::now();
        let mut lonely: Option<Instant> = None;
        let mut lost: Option<Instant> = None;
        loop {
            self.check()?;
            match self.work.client.job(job).await {
                Ok(JobState::Done(locations)) => {
                    let ended = self.take(locations).await;
                    self.check_unseen().await?;
                    return Ok(ended);
                }
                Ok(JobState::Failed(message)) => return Ok(Ended::Lost(message)),
                Ok(JobState::Runs) => lost = None,
                Ok(JobState::Unknown) => {
                    // The scheduler has not registered the job yet, or is another one, which never had it.
                    if began.elapsed() > Duration::from_secs(2) {
                        return Ok(Ended::Lost(
                            "the scheduler does not know the job".to_string(),
                        ));
                    }
                }
                Err(trouble) => {
                    let since = *lost.get_or_insert_with(Instant::now);
                    self.unless_patient(trouble, since.elapsed())?;
                }
            }
            if looked.elapsed() >= STATUS_LOOK {
                looked = Instant::now();
                if let Ok(status) = self.work.client.status(Some(job)).await {
                    self.executors = status.executors;
                    self.tell(done_before + status.tasks_done);
                    // A job waits for ever if there are no executors.
                    match status.executors {
                        0 => {
                            let since = *lonely.get_or_insert_with(Instant::now);
                            if since.elapsed() >= self.work.patience {
                                let (waited, message) = (since.elapsed(), self.last.clone());
                                return Err(ErrorKind::NoExecutors { waited, message }.into());
                            }
                        }
                        _ => lonely = None,
                    }
                }
            }
            tokio::time::sleep(look).await;
            look = (look * 2).min(LAST_LOOK);
        }
    }

    /// Takes the results of a job that is done. If not all pieces arrived, it takes the parts that are complete.
    async fn take(
        &mut self,
        locations: Vec<ballista_core::serde::protobuf::PartitionLocation>,
    ) -> Ended {
        let mut came: BTreeMap<u32, Pieces> = BTreeMap::new();
        let client = self.work.client.clone();
        let fetched = client
            .fetch(locations, |piece| {
                came.entry(piece.part).or_default().add(piece);
            })
            .await;
        for (number, pieces) in came {
            let Some(part) = pieces.whole() else {
                continue;
            };
            let is_stopped = matches!(part.report.error, Some(TaskError::Stopped));
            // A part that was not run is still missing.
            if part.report.skipped || is_stopped || part.report.part != number {
                continue;
            }
            if let Some(error @ TaskError::Io { .. }) = &part.report.error {
                // Another executor may be able to.
                log::warn!("part {number}: {error:?}");
                self.trouble = Some((number, error.clone()));
                continue;
            }
            // A part of a sink is done when its file is found.
            if let (Some(file), true) = (&part.report.file, part.report.is_done()) {
                self.written
                    .insert(number, (file.clone(), part.report.executor.clone()));
                continue;
            }
            self.done.entry(number).or_insert(part);
        }
        match fetched {
            Ok(()) => Ended::Fetched,
            Err(message) => Ended::Lost(message),
        }
    }

    /// Waits until the driver sees the files that executors report to have written; some file systems show them late.
    async fn check_unseen(&mut self) -> Result<()> {
        for _ in 0..30 {
            self.look_into_sink();
            let missing = self.missing();
            self.written.retain(|part, _| missing.contains(part));
            if self.written.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let Some((_, (file, executor))) = self.written.pop_first() else {
            return Ok(());
        };
        let folder = self.work.sink.as_ref().map(Sink::folder);
        Err(ErrorKind::Sink {
            folder: folder.map_or_else(String::new, |folder| folder.display().to_string()),
            message: format!(
                "executor {executor} wrote {file:?}, but the driver does not find it there, or finds the file of another \
                 call; give a folder that all machines see at the same path, and use it for one call at a time"
            ),
        }
        .into())
    }

    fn finish(mut self) -> Result<Finished> {
        if let Some(failed) = self.failed()
            && let Some(part) = self.done.remove(&failed)
            && let Some(error) = part.report.error
        {
            return Err(error.into_error(failed as usize));
        }
        self.check_failures()?;
        if let Some(sink) = &self.work.sink {
            // Another call that began in the same empty folder would write files of the same names.
            let parts = self.work.planned.parts.iter();
            if let Some(part) = parts
                .map(|part| part.part)
                .find(|part| sink.find(*part).is_none())
            {
                return Err(ErrorKind::Sink {
                    folder: sink.folder().display().to_string(),
                    message: format!("the file of part {part} is gone, or was replaced by that of another call; use a folder for one call at a time"),
                }
                .into());
            }
        }
        let mut finished = Finished {
            frames: Vec::new(),
            failures: Vec::new(),
            parts: Vec::new(),
            jobs: self.jobs,
            found: self.found,
            sink: self.work.sink,
        };
        for (_, part) in self.done {
            let report = part.report;
            finished.parts.push(PartStats {
                rows: report.rows_in,
                output_rows: report.rows_out,
                failures: report.failures,
                retries: report.retries,
                time: Duration::from_nanos(report.nanoseconds),
                executor: report.executor.clone(),
            });
            finished.failures.extend(part.failures);
            if finished.sink.is_none() {
                let output = part
                    .output
                    .filter(|output| output.height() as u64 == report.rows_out);
                finished.frames.push(output.ok_or_else(|| {
                    Error::refused(format!(
                        "only some of the output of part {} arrived",
                        report.part
                    ))
                })?);
            }
        }
        Ok(finished)
    }
}

fn too_large(bytes: usize) -> Error {
    ErrorKind::TooLarge {
        bytes,
        limit: crate::scheduler::MESSAGE_LIMIT as usize,
        message: "make fewer parts, by .chunk_rows(n) or larger row groups; or write the frame to Parquet files and scan these".to_string(),
    }
    .into()
}

/// Stacks the frames of parts, whose schema is known.
pub(crate) fn stacked(frames: Vec<DataFrame>, schema: &Schema) -> Result<DataFrame> {
    let mut output = DataFrame::empty_with_schema(schema);
    for frame in frames {
        output.vstack_mut_owned(frame)?;
    }
    Ok(output)
}

/// Returns the path, or an error if it cannot be that of a sink.
pub(crate) fn folder_of(path: &Path) -> Result<&Path> {
    match path.as_os_str().is_empty() {
        true => Err(Error::refused(
            "the path of the sink is empty; give a folder",
        )),
        false => Ok(path),
    }
}
