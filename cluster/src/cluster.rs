//! A connection to a cluster, and the calls on it.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use polars::prelude::{DataFrame, DataType, PlSmallStr, Schema, SchemaRef};
use polars_par_apply::{CallOptions, CancelToken, Casts, Function, Nulls, OnError, Retry};
use tokio::runtime::Runtime;

use crate::client::{Client, Trouble};
use crate::driver::{Finished, OnTick, Work, drive, folder_of, stacked};
use crate::error::{Error, ErrorKind, Result};
use crate::outcome::{ClusterOutcome, ClusterStats, ClusterTick, Written};
use crate::security::{Security, Tls};
use crate::sink::{Sink, job_id};
use crate::source::{Files, Planned, Source};
use crate::wire::{GivesBack, Named, WireCall};

/// A cluster, by the address of its scheduler. A clone is the same connection; calls may be made from many threads at once.
///
/// ```no_run
/// use polars_par_apply::{Registry, prelude::*};
/// use polars_par_apply_cluster::Cluster;
///
/// /// What every process of the cluster has.
/// fn registry() -> Registry {
///     Registry::new().rows("length", f64::hypot)
/// }
///
/// # fn main() -> Result<(), polars_par_apply_cluster::Error> {
/// let cluster = Cluster::connect("http://127.0.0.1:50050")?;
/// let length = registry().get("length")?;
/// let written = cluster
///     .scan_parquet("points/*.parquet")
///     .select(["x", "y"])
///     .names(["length"])
///     .call(&length)
///     .sink_parquet("lengths")?;
/// println!("{} rows in {} files", written.output.rows, written.output.files.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cluster(Arc<Connection>);

struct Connection {
    url: String,
    client: Client,
    runtime: Option<Runtime>,
    attempts: usize,
    patience: Duration,
    spool: Option<PathBuf>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Within another runtime, one may not wait for its threads.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("url", &self.0.url)
            .finish_non_exhaustive()
    }
}

/// A [`Cluster`] in the making: options, then [`connect`](ClusterBuilder::connect). Made by [`Cluster::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder connects to nothing before `.connect()`"]
pub struct ClusterBuilder {
    url: String,
    security: Security,
    attempts: usize,
    patience: Duration,
    spool: Option<PathBuf>,
}

impl ClusterBuilder {
    /// Shows these certificates, and asks for such of the others'.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.security.tls = Some(tls);
        self
    }

    /// Shows this token, which the cluster's processes were started with.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.security.token = Some(token.into());
        self
    }

    /// How many jobs are submitted, one after the other, without one more part being done, before a call ends with
    /// [`ErrorKind::Lost`]; 5 by default. A job is submitted anew, with the parts that are missing, where executors or
    /// connections were lost in a way that the scheduler could not mend.
    pub fn attempts(mut self, attempts: usize) -> Self {
        self.attempts = attempts;
        self
    }

    /// How long a call waits for a scheduler that cannot be reached, and for an executor where there is none; 20 seconds by
    /// default.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The folder in which large frames are written for the executors: one that all machines see at the same path. Where the scheduler is on
    /// this machine, the system's folder for temporary files by default.
    pub fn spool_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.spool = Some(folder.into());
        self
    }

    /// Connects: asks the scheduler for its state.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`], after [`patience`](ClusterBuilder::patience); [`ErrorKind::Unauthorized`]; an invalid address.
    pub fn connect(self) -> Result<Cluster> {
        if self.attempts == 0 {
            return Err(Error::refused(
                ".attempts(0) never runs a part; give 1 or more",
            ));
        }
        let uri: http::Uri = self.url.parse().map_err(|error| {
            Error::refused(format!(
                "{:?} is not an address ({error}); write it as http://127.0.0.1:50050",
                self.url
            ))
        })?;
        let Some(host) = uri.host().filter(|_| uri.scheme().is_some()) else {
            return Err(Error::refused(format!(
                "{:?} is not an address; write it as http://127.0.0.1:50050",
                self.url
            )));
        };
        let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        let url = self.url.trim_end_matches('/').to_string();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("polars-par-apply-driver")
            .enable_all()
            .build()?;
        let client = {
            // A channel belongs to the runtime that it is made in.
            let _entered = runtime.enter();
            Client::new(&url, &self.security).map_err(|trouble| self.unreachable(trouble))?
        };
        let spool = self
            .spool
            .clone()
            .or_else(|| is_here.then(std::env::temp_dir));
        let cluster = Cluster(Arc::new(Connection {
            url,
            client: client.clone(),
            runtime: Some(runtime),
            attempts: self.attempts,
            patience: self.patience,
            spool,
        }));
        let patience = self.patience;
        let reached = cluster.block_on(async move {
            let began = Instant::now();
            loop {
                match client.status(None).await {
                    Ok(_) => return Ok(()),
                    Err(Trouble::Scheduler(_)) if began.elapsed() < patience => {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    Err(trouble) => return Err(trouble),
                }
            }
        })?;
        reached.map_err(|trouble| self.unreachable(trouble))?;
        Ok(cluster)
    }

    fn unreachable(&self, trouble: Trouble) -> Error {
        let url = self.url.clone();
        match trouble {
            Trouble::Unauthorized => ErrorKind::Unauthorized { url }.into(),
            Trouble::Scheduler(message) | Trouble::Other(message) => {
                ErrorKind::Unreachable { url, message }.into()
            }
            Trouble::TooLarge(_) => Error::refused("the request is too large"),
        }
    }
}

impl Cluster {
    /// Connects to the scheduler at this address, such as `http://127.0.0.1:50050`, without certificates or a token.
    ///
    /// # Errors
    /// As [`ClusterBuilder::connect`].
    pub fn connect(url: impl Into<String>) -> Result<Self> {
        Cluster::builder(url).connect()
    }

    /// Begins a connection with options.
    pub fn builder(url: impl Into<String>) -> ClusterBuilder {
        ClusterBuilder {
            url: url.into(),
            security: Security::default(),
            attempts: 5,
            patience: Duration::from_secs(20),
            spool: None,
        }
    }

    /// Begins a call over Parquet files, which the executors read themselves: a path, a pattern such as `flights/*.parquet`, a
    /// folder, or a list of paths. Their order is that of the list, and of names within a pattern. All have one schema. Executors read them
    /// at the same paths as the driver: from a shared file system, where there are several machines.
    ///
    /// A file is a part; one of many rows is cut between its row groups into parts of about a million rows, or by
    /// [`chunk_rows`](ClusterApply::chunk_rows).
    pub fn scan_parquet(&self, files: impl Into<Files>) -> ClusterApply {
        self.apply(Source::Parquet(files.into()))
    }

    /// Begins a call over a frame. One of up to 8 MiB is sent to the executors with the job; a larger one is written to a
    /// [folder](ClusterBuilder::spool_folder) that they see, until the call has ended.
    pub fn of(&self, frame: &DataFrame) -> ClusterApply {
        self.apply(Source::Frame(frame.clone()))
    }

    /// How many executors the scheduler has at the moment.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`], [`ErrorKind::Unauthorized`].
    pub fn executors(&self) -> Result<usize> {
        let client = self.0.client.clone();
        let status = self.block_on(async move { client.status(None).await })?;
        match status {
            Ok(status) => Ok(status.executors),
            Err(Trouble::Unauthorized) => {
                let url = self.0.url.clone();
                Err(ErrorKind::Unauthorized { url }.into())
            }
            Err(trouble) => {
                let url = self.0.url.clone();
                let message = match trouble {
                    Trouble::Scheduler(message) | Trouble::Other(message) => message,
                    other => format!("{other:?}"),
                };
                Err(ErrorKind::Unreachable { url, message }.into())
            }
        }
    }

    /// The address of its scheduler.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    fn apply(&self, source: Source) -> ClusterApply {
        ClusterApply {
            cluster: self.clone(),
            source,
            options: CallOptions::new(),
            retry: None,
            seed: None,
            token: CancelToken::new(),
            on_tick: None,
        }
    }

    /// Waits for a future that runs on the connection's own threads. So it may be called within another runtime.
    fn block_on<F>(&self, future: F) -> Result<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        let runtime = self.0.runtime.as_ref();
        let gone = || {
            Error::from(ErrorKind::Process {
                message: "the driver's threads ended".to_string(),
            })
        };
        runtime.ok_or_else(gone)?.spawn(async move {
            let _ = send.send(future.await);
        });
        receive.recv().map_err(|_| gone())
    }
}

/// A call on a cluster in the making: options, then [`call`](ClusterApply::call) with a function. Made by [`Cluster::scan_parquet`] and
/// [`Cluster::of`].
///
/// The options are those of [`polars_par_apply::Apply`] that are plain data, and mean the same.
#[derive(Clone)]
#[must_use = "a builder calls nothing before `.call(&function)`"]
pub struct ClusterApply {
    cluster: Cluster,
    source: Source,
    options: CallOptions,
    retry: Option<Retry>,
    seed: Option<u64>,
    token: CancelToken,
    on_tick: Option<OnTick>,
}

impl fmt::Debug for ClusterApply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterApply")
            .field("options", &self.options)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

macro_rules! options {
    ($($(#[$doc:meta])* $option:ident($($argument:ident: $Type:ty),*);)*) => {
        $(
            $(#[$doc])*
            pub fn $option(mut self, $($argument: $Type),*) -> Self {
                self.options = self.options.$option($($argument),*);
                self
            }
        )*
    };
}

impl ClusterApply {
    /// The columns that the function is given, in the order of its arguments; all of them by default.
    pub fn select<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.options = self.options.select(names);
        self
    }

    /// The output columns' names.
    pub fn names<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.options = self.options.names(names);
        self
    }

    /// The dtypes of the output's columns.
    pub fn returns(mut self, dtypes: impl IntoIterator<Item = DataType>) -> Self {
        self.options = self.options.returns(dtypes);
        self
    }

    /// Which input columns stand before the output's, of `flat_map_rows`.
    pub fn keep<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.options = self.options.keep(names);
        self
    }

    /// The column that has the number of each output row's input row in the whole input, of `flat_map_rows`.
    pub fn source_rows(mut self, name: impl Into<PlSmallStr>) -> Self {
        self.options = self.options.source_rows(name);
        self
    }

    /// The column that has the rows' numbers; by default they are counted from 0 in the whole input.
    pub fn row_numbers(mut self, column: impl Into<PlSmallStr>) -> Self {
        self.options = self.options.row_numbers(column);
        self
    }

    options! {
        /// What nulls do to arguments of a plain type.
        nulls(nulls: Nulls);
        /// Which conversions are made.
        casts(casts: Casts);
        /// Cuts each file, or the frame, into parts of this many rows; the last of a file may be shorter.
        chunk_rows(rows: usize);
        /// The number of the first row of the whole input.
        first_row(row: u64);
        /// What becomes of a row (of `chunks`: a part) that fails. The failures that pass are in
        /// [`ClusterOutcome::failures`](crate::ClusterOutcome::failures).
        on_error(on_error: OnError);
        /// How many failures are let pass, of all parts together.
        max_failures(failures: usize);
        /// How many threads of an executor run a part at the same time, at most; by default, as many as Polars has there.
        workers(workers: usize);
        /// When the call is cancelled, counted from [`collect`](ClusterCall::collect) or [`sink_parquet`](ClusterCall::sink_parquet).
        deadline(deadline: Duration);
    }

    /// Runs each part on one thread. An executor with several threads runs as many parts at the same time.
    pub fn sequential(mut self) -> Self {
        self.options = self.options.sequential();
        self
    }

    /// Gives the call options that are kept as a value; see [`polars_par_apply::Apply::with`]. Those that only a call on one
    /// machine can follow are refused: `partitions`, `overlap`, `on_cancel`, and those of keys.
    pub fn with(mut self, options: &CallOptions) -> Self {
        self.options = merged(&self.options, options);
        self
    }

    /// When, and how often, a row whose closure returned an error is tried again. A policy with a predicate
    /// ([`Retry::when`]) is refused: a closure cannot be sent.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// The seed of a function that draws random numbers: a row has the stream of its number in the whole input, wherever it is run.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// A token that cancels the call, from another thread. Rows that are being done when it is cancelled are finished.
    pub fn cancel_token(mut self, token: &CancelToken) -> Self {
        self.token = token.clone();
        self
    }

    /// Sets a callback that reports progress. It is called on a thread of the driver about five times a second, and should return soon; a panic in it
    /// ends the call with an error.
    pub fn progress(mut self, progress: impl Fn(ClusterTick) + Send + Sync + 'static) -> Self {
        self.on_tick = Some(Arc::new(progress));
        self
    }

    /// Names the function. Its verb determines the output, as in a query: one of `rows` adds
    /// columns, one of `filter_rows` keeps rows, one of `flat_map_rows` or `chunks` replaces them. A function of `groups` is
    /// refused: the rows of a group may be in several files.
    pub fn call(self, function: &Function) -> ClusterCall {
        ClusterCall {
            apply: self,
            function: function.clone(),
        }
    }
}

/// A call on a cluster that is ready: [`collect`](ClusterCall::collect) or [`sink_parquet`](ClusterCall::sink_parquet) makes it.
#[derive(Clone, Debug)]
#[must_use = "a call is made by `.collect()` or `.sink_parquet(folder)`"]
pub struct ClusterCall {
    apply: ClusterApply,
    function: Function,
}

/// The driver's options, separated from those that are sent.
struct Said {
    /// What is sent.
    options: CallOptions,
    chunk_rows: Option<usize>,
    deadline: Option<Duration>,
    max_failures: Option<usize>,
    /// The first row's number; none where a column has the numbers.
    first_row: Option<u64>,
}

impl ClusterCall {
    /// Makes the call, and gives its output as one frame, in the order of the input.
    ///
    /// Parts come back with every dtype that their columns have. The frame has to fit in the driver's memory, twice while it is put
    /// together; [`sink_parquet`](ClusterCall::sink_parquet) has no such limit.
    ///
    /// # Errors
    /// Before anything is run: [`ErrorKind::Refused`] and [`ErrorKind::Apply`] with every fault of the call that files and options show.
    /// From the run: [`ErrorKind::Call`] of the lowest part that failed, with the lowest row in it; and those of the cluster.
    pub fn collect(self) -> Result<ClusterOutcome<DataFrame>> {
        let began = Instant::now();
        let (planned, said) = self.planned()?;
        let schema = self.output_schema(&planned.schema)?;
        let call = self.wire_call(&said, GivesBack::Frames)?;
        let (finished, outcome) = self.drive(began, planned, said, call, None)?;
        Ok(ClusterOutcome {
            output: stacked(finished.frames, &schema)?,
            ..outcome
        })
    }

    /// Makes the call, and writes its output to a folder: a Parquet file for each part, by the executor that ran it.
    ///
    /// The folder is empty or new, on a file system that all machines see at the same path. A part is written under a temporary
    /// name, synced, and renamed, so that each file is whole, and there once, whatever was lost on the way. All are there when the call
    /// has returned. Where it did not, because the scheduler, the driver or all executors were lost, the same call on the same folder goes on
    /// with the parts that are missing: each file's metadata say of which call it is.
    ///
    /// # Errors
    /// As [`collect`](ClusterCall::collect); [`ErrorKind::Sink`] where the folder has other files, or those of another call, or the finished output of this one.
    pub fn sink_parquet(self, folder: impl AsRef<Path>) -> Result<ClusterOutcome<Written>> {
        let began = Instant::now();
        let (planned, said) = self.planned()?;
        self.output_schema(&planned.schema)?;
        let mut call = self.wire_call(&said, GivesBack::Frames)?;
        let job = job_id(&call, &planned)?;
        let max_failures = said.max_failures.map_or(u64::MAX, |limit| limit as u64);
        let folder = folder_of(folder.as_ref())?;
        let sink = Sink::open(folder, job, &planned.parts, max_failures)?;
        call.gives = GivesBack::Files {
            folder: sink.folder().to_string_lossy().into_owned(),
            job: sink.job().to_string(),
            digits: sink.digits(),
        };
        let paths: Vec<PathBuf> = planned
            .parts
            .iter()
            .map(|part| sink.path(part.part))
            .collect();
        let (finished, outcome) = self.drive(began, planned, said, call, Some(sink))?;
        let Some(sink) = finished.sink else {
            return Err(Error::refused("the sink is gone"));
        };
        let folder = sink.folder().to_path_buf();
        sink.finish()?;
        let rows = outcome
            .stats
            .parts
            .iter()
            .map(|part| part.output_rows)
            .sum();
        Ok(ClusterOutcome {
            output: Written {
                folder,
                files: paths,
                rows,
            },
            failures: outcome.failures,
            stats: outcome.stats,
        })
    }

    /// The parts, and what the options say; or what cannot be followed.
    fn planned(&self) -> Result<(Planned, Said)> {
        if self.function.verb() == "groups" {
            return Err(Error::refused(format!(
                "function {:?} is one of groups, whose rows may be in several files; sort the rows into one file for each set of groups and register a function of chunks, or call it on one machine",
                self.function.name()
            )));
        }
        match (self.function.is_seeded(), self.apply.seed) {
            (true, None) => {
                return Err(Error::refused(format!(
                    "function {:?} draws random numbers; give the call .seed(n)",
                    self.function.name()
                )));
            }
            (false, Some(_)) => {
                return Err(Error::refused(format!(
                    "function {:?} draws no random numbers; leave .seed(n) out",
                    self.function.name()
                )));
            }
            _ => {}
        }
        if let Some(retry) = &self.apply.retry {
            serde_json::to_string(retry)
                .map_err(|error| Error::refused(format!("option retry: {error}")))?;
        }
        let said = said(&self.apply.options)?;
        let spool = self.apply.cluster.0.spool.as_deref();
        let planned = self
            .apply
            .source
            .plan(said.chunk_rows, said.first_row, spool)?;
        Ok((planned, said))
    }

    fn output_schema(&self, input: &Schema) -> Result<SchemaRef> {
        let options = &self.apply.options;
        Ok(match self.function.verb() {
            "rows" => self.function.output_schema_with_columns(input, options)?,
            _ => self.function.output_schema(input, options)?,
        })
    }

    /// The columns of files that are read, where not all of them are in the output.
    fn columns(&self) -> Result<Option<Vec<String>>> {
        let options = fields(&self.apply.options)?;
        let names = |option: &str| -> Option<Vec<String>> {
            let names = options.get(option)?.as_array()?;
            names
                .iter()
                .map(|name| name.as_str().map(str::to_string))
                .collect()
        };
        let mut read = match (self.function.verb(), names("select")) {
            ("flat_map_rows" | "chunks", Some(select)) => select,
            _ => return Ok(None),
        };
        read.extend(names("keep").unwrap_or_default());
        if let Some(numbers) = options
            .get("numbering")
            .and_then(|numbering| numbering.get("row_numbers")?.as_str())
        {
            read.push(numbers.to_string());
        }
        let mut seen = std::collections::HashSet::new();
        read.retain(|name| seen.insert(name.clone()));
        Ok(Some(read))
    }

    fn wire_call(&self, said: &Said, gives: GivesBack) -> Result<WireCall> {
        Ok(WireCall {
            function: Named::of(&self.function),
            options: said.options.clone(),
            retry: self.apply.retry.clone(),
            seed: self.apply.seed,
            run: String::new(),
            columns: self.columns()?,
            gives,
        })
    }

    fn drive(
        &self,
        began: Instant,
        planned: Planned,
        said: Said,
        call: WireCall,
        sink: Option<Sink>,
    ) -> Result<(Finished, ClusterOutcome<DataFrame>)> {
        let connection = &self.apply.cluster.0;
        let rows: u64 = planned.parts.iter().map(|part| part.rows).sum();
        let work = Work {
            url: connection.url.clone(),
            client: connection.client.clone(),
            call,
            planned,
            sink,
            attempts: connection.attempts,
            patience: connection.patience,
            deadline: said
                .deadline
                .and_then(|deadline| Some((began.checked_add(deadline)?, deadline))),
            token: self.apply.token.clone(),
            on_tick: self.apply.on_tick.clone(),
            max_failures: said.max_failures,
        };
        let mut finished = self.apply.cluster.block_on(drive(work))??;
        let failures = finished.parts.iter().map(|part| part.failures).sum();
        let mut failed: Option<DataFrame> = None;
        for frame in finished.failures.drain(..) {
            match &mut failed {
                None => failed = Some(frame),
                Some(all) => {
                    all.vstack_mut_owned(frame)?;
                }
            }
        }
        let stats = ClusterStats {
            rows,
            failures,
            retries: finished.parts.iter().map(|part| part.retries).sum(),
            wall: began.elapsed(),
            jobs: finished.jobs,
            found: finished.found,
            parts: std::mem::take(&mut finished.parts),
        };
        let outcome = ClusterOutcome {
            output: DataFrame::empty(),
            failures: failed.unwrap_or_default(),
            stats,
        };
        Ok((finished, outcome))
    }
}

type Fields = serde_json::Map<String, serde_json::Value>;

/// The options that are given, by their names.
fn fields(options: &CallOptions) -> Result<Fields> {
    let value = serde_json::to_value(options).map_err(std::io::Error::from)?;
    match value {
        serde_json::Value::Object(fields) => Ok(fields),
        _ => Err(Error::refused("the options cannot be read")),
    }
}

/// These options, and where one is not given here, that of `others`.
fn merged(others: &CallOptions, options: &CallOptions) -> CallOptions {
    let merge = || -> Option<CallOptions> {
        let (mut all, given) = (fields(others).ok()?, fields(options).ok()?);
        all.extend(given.into_iter().filter(|(_, value)| !value.is_null()));
        serde_json::from_value(serde_json::Value::Object(all)).ok()
    };
    merge().unwrap_or_else(|| options.clone())
}

fn said(options: &CallOptions) -> Result<Said> {
    let mut given = fields(options)?;
    let refused = [
        (
            "partitions",
            "parts are files, their row groups, or .chunk_rows(n)",
        ),
        ("overlap", "a part's neighbours may be on another machine"),
        (
            "on_cancel",
            "what is done of a cancelled call is in the folder of a sink, where the same call goes on",
        ),
        ("by", "the rows of a key may be in several files"),
        ("without_keys", "a call on a cluster has no keys"),
        ("null_keys", "a call on a cluster has no keys"),
    ];
    for (option, why) in refused {
        if given.get(option).is_some_and(|value| !value.is_null()) {
            return Err(Error::refused(format!(
                "option {option}: a call on a cluster cannot follow it: {why}"
            )));
        }
    }
    let number = |value: Option<serde_json::Value>| value.and_then(|value| value.as_u64());
    let chunk_rows = number(given.remove("chunk_rows"));
    let max_failures = number(given.get("max_failures").cloned());
    let deadline = given.remove("deadline").unwrap_or_default();
    let deadline: Option<Duration> =
        serde_json::from_value(deadline).map_err(std::io::Error::from)?;
    let numbering = given.get("numbering").cloned().unwrap_or_default();
    let first_row = match numbering.get("row_numbers") {
        Some(_) => None,
        None => Some(number(numbering.get("first_row").cloned()).unwrap_or_default()),
    };
    let options = serde_json::from_value(serde_json::Value::Object(given));
    Ok(Said {
        options: options.map_err(std::io::Error::from)?,
        chunk_rows: chunk_rows.map(|rows| rows as usize),
        deadline,
        max_failures: max_failures.map(|failures| failures as usize),
        first_row,
    })
}
