//! The roles of a process, chosen by its command line.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use polars_par_apply::Registry;

use crate::error::{Error, ErrorKind, Result};
use crate::executor::{self, ExecutorOptions};
use crate::local::LocalCluster;
use crate::scheduler::{self, SchedulerOptions};
use crate::security::{Security, Tls};

/// Runs the role that the command line names: `scheduler`, `executor` or `local`.
///
/// It is the `main` of a program that all processes of a cluster run. `--help` lists the options of each role.
///
/// ```no_run
/// use polars_par_apply::Registry;
///
/// fn registry() -> Registry {
///     Registry::new().rows("length", f64::hypot)
/// }
///
/// fn main() -> std::process::ExitCode {
///     polars_par_apply_cluster::run(registry())
/// }
/// ```
pub fn run(registry: Registry) -> ExitCode {
    match Program::try_parse() {
        Ok(program) => exit(started(registry, program.role)),
        Err(error) => {
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

/// Runs the role that the command line names, as [`run`] does, and returns `None` if the first argument names no role.
///
/// It is for a program that does something else without a role. A driver that starts a [`LocalCluster`] begins with it, since the cluster's
/// processes run the same program.
#[must_use = "the process has done its role, and is to end with this"]
pub fn run_if_role(registry: Registry) -> Option<ExitCode> {
    let first = std::env::args().nth(1)?;
    let roles = ["scheduler", "executor", "local"];
    roles.contains(&first.as_str()).then(|| run(registry))
}

fn exit(ended: Result<()>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A process of a cluster that runs named functions over Parquet files.
#[derive(Debug, Parser)]
#[command(version)]
struct Program {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Runs the scheduler, which assigns the parts of jobs to executors
    Scheduler(SchedulerArgs),
    /// Runs an executor, which calls the functions over parts
    Executor(ExecutorArgs),
    /// Runs a scheduler and executors as processes of this machine, until it receives SIGINT or SIGTERM
    Local(LocalArgs),
}

/// The environment variable that has the token.
pub(crate) const TOKEN: &str = "POLARS_PAR_APPLY_TOKEN";

#[derive(Debug, Args)]
struct SecurityArgs {
    /// The certificate of the authority that signed the certificates of all processes, as a PEM file
    #[arg(long, requires_all = ["tls_cert", "tls_key"])]
    tls_ca: Option<PathBuf>,
    /// This process's certificate, with the DNS name polars-par-apply-cluster
    #[arg(long, requires = "tls_ca")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key
    #[arg(long, requires = "tls_ca")]
    tls_key: Option<PathBuf>,
    /// A file with the token that all processes and drivers must have: a long random text. Without this option, the variable
    /// POLARS_PAR_APPLY_TOKEN is read
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// Ends when its standard input is closed
    #[arg(long, hide = true)]
    with_parent: bool,
}

impl SecurityArgs {
    fn security(&self) -> Result<Security> {
        let tls = match (&self.tls_ca, &self.tls_cert, &self.tls_key) {
            (Some(ca), Some(certificate), Some(key)) => {
                Some(Tls::from_files(ca, certificate, key)?)
            }
            _ => None,
        };
        let token = match &self.token_file {
            None => std::env::var(TOKEN).ok(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Error::refused(format!("file {:?} cannot be read: {error}", path.display()))
                })?;
                Some(text)
            }
        };
        let token = token.map(|token| token.trim().to_string());
        if token.as_deref() == Some("") {
            return Err(Error::refused(format!(
                "the token is empty; give one, or leave --token-file and the variable {TOKEN} out"
            )));
        }
        Ok(Security { tls, token })
    }
}

#[derive(Debug, Args)]
struct SchedulerArgs {
    /// The address that the scheduler listens at
    #[arg(long, default_value = "127.0.0.1:50050")]
    bind: SocketAddrV4,
    /// The name or IP address by which executors reach the scheduler; by default the address of --bind
    #[arg(long)]
    host: Option<String>,
    /// After how many seconds without a heartbeat an executor counts as lost, and others run its parts; at least 10 with certificates or a
    /// token
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    executor_timeout: u64,
    #[command(flatten)]
    security: SecurityArgs,
}

#[derive(Debug, Args)]
struct ExecutorArgs {
    /// The scheduler's address
    #[arg(long, default_value = "127.0.0.1:50050")]
    scheduler: String,
    /// The IP address that the executor listens at
    #[arg(long, default_value = "127.0.0.1")]
    bind: Ipv4Addr,
    /// The name or IP address by which others reach the executor; by default the address of --bind
    #[arg(long)]
    host: Option<String>,
    /// The port for results; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The port for tasks; 0 takes a free one. It is not used with certificates or a token
    #[arg(long, default_value_t = 0)]
    task_port: u16,
    /// How many parts the executor runs at the same time; by default as many as there are cores. The variable POLARS_MAX_THREADS sets
    /// how many threads Polars has
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// The folder for intermediate results; by default a temporary one
    #[arg(long)]
    folder: Option<PathBuf>,
    /// How many seconds there are between two heartbeats; it must be less than a third of the scheduler's --executor-timeout. It is not
    /// used with certificates or a token
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    heartbeat: u64,
    /// How many seconds the executor waits for the scheduler at its start
    #[arg(long, default_value_t = 30)]
    patience: u64,
    #[command(flatten)]
    security: SecurityArgs,
}

#[derive(Debug, Args)]
struct LocalArgs {
    /// How many executors there are
    #[arg(long, default_value_t = 2)]
    executors: usize,
    /// How many parts each executor runs at the same time; by default its share of the cores
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// The scheduler's port
    #[arg(long, default_value_t = 50050)]
    port: u16,
}

fn started(registry: Registry, role: Role) -> Result<()> {
    registry.check()?;
    let _ = env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("error"))
        .try_init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    match role {
        Role::Scheduler(args) => {
            let security = args.security.security()?;
            warn_if_open(*args.bind.ip(), &security);
            end_with_parent(args.security.with_parent);
            let options = SchedulerOptions {
                bind: args.bind.into(),
                host: host_of(args.host, *args.bind.ip())?,
                executor_timeout: Duration::from_secs(args.executor_timeout),
                security,
            };
            runtime.block_on(scheduler::run(Arc::new(registry), options))
        }
        Role::Executor(args) => {
            let security = args.security.security()?;
            warn_if_open(args.bind, &security);
            end_with_parent(args.security.with_parent);
            let (scheduler_host, scheduler_port) = host_and_port(&args.scheduler)?;
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let options = ExecutorOptions {
                scheduler_host,
                scheduler_port,
                bind: args.bind.into(),
                host: host_of(args.host, args.bind)?,
                port: args.port,
                task_port: args.task_port,
                threads: args.threads.map_or(cores, usize::from),
                folder: args.folder,
                heartbeat: Duration::from_secs(args.heartbeat),
                security,
                patience: Duration::from_secs(args.patience),
            };
            runtime.block_on(executor::run(Arc::new(registry), options))
        }
        Role::Local(args) => {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let share = cores.div_ceil(args.executors.max(1));
            let mut cluster = LocalCluster::builder()
                .executors(args.executors)
                .threads(args.threads.map_or(share, usize::from))
                .port(args.port)
                .start()?;
            println!("the cluster is ready at {}", cluster.url());
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        () = told_to_end() => return Ok(()),
                        () = tokio::time::sleep(Duration::from_millis(500)) => cluster.check()?,
                    }
                }
            })
        }
    }
}

/// Returns the address by which others reach a process that listens at `bind`.
fn host_of(host: Option<String>, bind: Ipv4Addr) -> Result<String> {
    match host {
        Some(host) => Ok(host),
        None if bind.is_unspecified() => Err(Error::refused(format!(
            "the process listens at every address ({bind}); give --host, the address at which others reach it"
        ))),
        None => Ok(bind.to_string()),
    }
}

/// Returns the host and port of an address, which may be written as a URL.
fn host_and_port(text: &str) -> Result<(String, u16)> {
    let address = text.split_once("://").map_or(text, |(_, address)| address);
    let parts = address.trim_end_matches('/').rsplit_once(':');
    parts
        .and_then(|(host, port)| Some((host.to_string(), port.parse().ok()?)))
        .ok_or_else(|| {
            Error::refused(format!(
                "{text:?} is not an address; write it as 127.0.0.1:50050"
            ))
        })
}

fn warn_if_open(bind: Ipv4Addr, security: &Security) {
    if bind.is_loopback() || security.has_tls() {
        return;
    }
    let who = match security.token {
        None => {
            "whoever reaches it can run the registered functions over any file that the executors read, and"
        }
        Some(_) => "whoever sees the traffic can",
    };
    eprintln!(
        "warning: the process listens at {bind} without certificates: {who} read what is sent; see --tls-ca"
    );
}

/// Ends the process when its standard input is closed, which means that the process that started it is gone.
fn end_with_parent(wanted: bool) {
    if !wanted {
        return;
    }
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        std::process::exit(0);
    });
}

/// Waits until the process is interrupted or receives SIGTERM.
pub(crate) async fn told_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            let _ = tokio::signal::ctrl_c().await;
            return;
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    let _ = tokio::signal::ctrl_c().await;
}

/// Returns an error about a process.
pub(crate) fn process_error(message: impl Into<String>) -> Error {
    let message = message.into();
    ErrorKind::Process { message }.into()
}
