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

/// A connection to a cluster, by the address of its scheduler.
///
/// A clone is the same connection. Calls may be made from several threads at the same time.
///
/// ```no_run
/// use polars_par_apply::{Registry, prelude::*};
/// use polars_par_apply_cluster::Cluster;
///
/// /// The functions that every process of the cluster has.
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
        // The drop may be within another runtime, where waiting for the threads is not allowed.
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

/// A builder for a [`Cluster`]: options, then [`connect`](ClusterBuilder::connect).
///
/// [`Cluster::builder`] makes it.
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
    /// Sets the certificates that the driver shows, and by which it checks those of the other processes.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.security.tls = Some(tls);
        self
    }

    /// Sets the token: the one that the cluster's processes were started with.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.security.token = Some(token.into());
        self
    }

    /// Sets how many jobs in a row may finish no part before a call ends with [`ErrorKind::Lost`]; 5 by default.
    ///
    /// The driver submits another job, with the missing parts, if executors or connections were lost and the scheduler could not
    /// recover.
    pub fn attempts(mut self, attempts: usize) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets how long a call waits for a scheduler that cannot be reached, or for an executor if there is none; 20 seconds by
    /// default.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sets the folder in which large frames are written for the executors.
    ///
    /// All machines must see it at the same path. If the scheduler is on this machine, the default is the system's folder for temporary
    /// files.
    pub fn spool_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.spool = Some(folder.into());
        self
    }

    /// Connects to the scheduler, and asks for its state.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`], after [`patience`](ClusterBuilder::patience); [`ErrorKind::Unauthorized`]; [`ErrorKind::Refused`] if the
    /// address is invalid.
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
    /// Those of [`ClusterBuilder::connect`].
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

    /// Begins a call over Parquet files, which the executors read themselves.
    ///
    /// `files` is a path, a pattern such as `flights/*.parquet`, a folder, or a list of paths. The order of the files is that of the
    /// list, and within a pattern that of the names. All files must have one schema. Executors read them at the same paths as the driver,
    /// so several machines need a shared file system.
    ///
    /// Each file is a part. A file of many rows is cut between its row groups into parts of about a million rows, or by
    /// [`chunk_rows`](ClusterApply::chunk_rows).
    pub fn scan_parquet(&self, files: impl Into<Files>) -> ClusterApply {
        self.apply(Source::Parquet(files.into()))
    }

    /// Begins a call over a frame.
    ///
    /// A frame of up to 8 MiB is sent to the executors with the job. A larger one is written to a
    /// [folder](ClusterBuilder::spool_folder) that they see, and stays there until the call has ended.
    pub fn of(&self, frame: &DataFrame) -> ClusterApply {
        self.apply(Source::Frame(frame.clone()))
    }

    /// Returns how many executors the scheduler has at the moment.
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

    /// Returns the address of the scheduler.
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

/// A builder for a call on a cluster: options, then [`call`](ClusterApply::call) with a function.
///
/// [`Cluster::scan_parquet`] and [`Cluster::of`] make it. The options are those of [`polars_par_apply::Apply`] that are plain data, and have
/// the same meaning.
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
    /// Sets the columns that the function is given, in the order of its arguments; all columns by default.
    pub fn select<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.options = self.options.select(names);
        self
    }

    /// Sets the names of the output's columns.
    pub fn names<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.options = self.options.names(names);
        self
    }

    /// Sets the dtypes of the output's columns.
    pub fn returns(mut self, dtypes: impl IntoIterator<Item = DataType>) -> Self {
        self.options = self.options.returns(dtypes);
        self
    }

    /// Sets which input columns are repeated before the output's, for `flat_map_rows`.
    pub fn keep<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.options = self.options.keep(names);
        self
    }

    /// Adds a column with the number that each output row's input row has in the whole input, for `flat_map_rows`.
    pub fn source_rows(mut self, name: impl Into<PlSmallStr>) -> Self {
        self.options = self.options.source_rows(name);
        self
    }

    /// Sets the column that has the rows' numbers; by default rows are counted from 0 in the whole input.
    pub fn row_numbers(mut self, column: impl Into<PlSmallStr>) -> Self {
        self.options = self.options.row_numbers(column);
        self
    }

    options! {
        /// Sets what a null does to a row whose argument has a plain type.
        nulls(nulls: Nulls);
        /// Sets which conversions of values are made.
        casts(casts: Casts);
        /// Cuts each file, or the frame, into parts of this many rows; the last of a file may be shorter.
        chunk_rows(rows: usize);
        /// Sets the number of the first row of the whole input; 0 by default.
        first_row(row: u64);
        /// Sets what becomes of a row (of `chunks`: a part) that fails.
        ///
        /// The failures that the policy lets pass are in [`ClusterOutcome::failures`](crate::ClusterOutcome::failures).
        on_error(on_error: OnError);
        /// Sets how many failures are allowed, in all parts together.
        max_failures(failures: usize);
        /// Sets the most threads of an executor that run one part; by default, as many as Polars has there.
        workers(workers: usize);
        /// Sets after how long the call is cancelled, counted from [`collect`](ClusterCall::collect) or
        /// [`sink_parquet`](ClusterCall::sink_parquet).
        deadline(deadline: Duration);
    }

    /// Runs each part on one thread.
    ///
    /// An executor with several threads still runs several parts at the same time.
    pub fn sequential(mut self) -> Self {
        self.options = self.options.sequential();
        self
    }

    /// Sets the options that `options` has; see [`polars_par_apply::Apply::with`].
    ///
    /// Options that only a call on one machine can follow are refused: `partitions`, `overlap`, `on_cancel`, and those of keys.
    pub fn with(mut self, options: &CallOptions) -> Self {
        self.options = merged(&self.options, options);
        self
    }

    /// Sets when, and how often, a row whose closure returned an error is tried again.
    ///
    /// A policy with a predicate ([`Retry::when`]) is refused, because a closure cannot be sent.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Sets the seed of a function that draws random numbers.
    ///
    /// A row's random stream depends on its number in the whole input, and not on the executor that runs it.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets a token that can cancel the call from another thread.
    ///
    /// Rows that are being run at that moment are finished.
    pub fn cancel_token(mut self, token: &CancelToken) -> Self {
        self.token = token.clone();
        self
    }

    /// Sets a callback that reports progress.
    ///
    /// It is called on a thread of the driver about five times a second, and should return soon. A panic in it ends the call with an error.
    pub fn progress(mut self, progress: impl Fn(ClusterTick) + Send + Sync + 'static) -> Self {
        self.on_tick = Some(Arc::new(progress));
        self
    }

    /// Sets the function to call, and returns the call.
    ///
    /// The function's verb determines the output, as in a query: a function of `rows` adds columns, one of `filter_rows` keeps some of the
    /// rows, and one of `flat_map_rows` or `chunks` replaces them. A function of `groups` is refused, because the rows of a group may be in
    /// several files.
    pub fn call(self, function: &Function) -> ClusterCall {
        ClusterCall {
            apply: self,
            function: function.clone(),
        }
    }
}

/// A call on a cluster that is ready to be made, by [`collect`](ClusterCall::collect) or [`sink_parquet`](ClusterCall::sink_parquet).
#[derive(Clone, Debug)]
#[must_use = "a call is made by `.collect()` or `.sink_parquet(folder)`"]
pub struct ClusterCall {
    apply: ClusterApply,
    function: Function,
}

/// The options of a call: those that are sent to executors, and those that the driver follows itself.
struct Said {
    /// Those that are sent.
    options: CallOptions,
    chunk_rows: Option<usize>,
    deadline: Option<Duration>,
    max_failures: Option<usize>,
    /// The first row's number; `None` if a column has the numbers.
    first_row: Option<u64>,
}

impl ClusterCall {
    /// Makes the call, and returns its output as one frame, in the order of the input.
    ///
    /// All dtypes are kept. The frame must fit in the driver's memory, and twice while it is put together.
    /// [`sink_parquet`](ClusterCall::sink_parquet) has no such limit.
    ///
    /// # Errors
    /// Before anything is run: [`ErrorKind::Refused`] and [`ErrorKind::Apply`], with every fault of the call that can be seen from the files
    /// and the options. From the run: [`ErrorKind::Call`] of the lowest part that failed, with the lowest failing row in it; and the errors
    /// of the cluster.
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

    /// Makes the call, and writes its output to a folder: a Parquet file for each part, written by the executor that ran the part.
    ///
    /// The folder must be empty or new, on a file system that all machines see at the same path. A part is written under a temporary
    /// name, synced, and renamed, so each file is complete, and exists once, whatever was lost during the run. When the call has returned, all
    /// files exist. If the scheduler, the driver or all executors were lost before that, make the same call on the same folder: it runs
    /// the missing parts. Each file's metadata say which call wrote it.
    ///
    /// # Errors
    /// Those of [`collect`](ClusterCall::collect); [`ErrorKind::Sink`] if the folder has other files, or files of another call, or the
    /// finished output of this one.
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

    /// Returns the parts and the options, or an error if the call cannot follow an option.
    fn planned(&self) -> Result<(Planned, Said)> {
        if self.function.verb() == "groups" {
            return Err(Error::refused(format!(
                "function {:?} is a function of groups, whose rows may be in several files; sort the rows into one file for \
                 each set of groups and register a function of chunks, or call it on one machine",
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

    /// Returns the columns that are read of files; `None` stands for all, for a verb whose output has all of them.
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

/// Returns the options that are given, by their names.
fn fields(options: &CallOptions) -> Result<Fields> {
    let value = serde_json::to_value(options).map_err(std::io::Error::from)?;
    match value {
        serde_json::Value::Object(fields) => Ok(fields),
        _ => Err(Error::refused("the options cannot be read")),
    }
}

/// Returns `options`, with those of `others` where `options` has none.
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
                "option {option} cannot be used in a call on a cluster: {why}"
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
