//! The role of an executor.

use std::net::{IpAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::extension::SessionConfigExt;
use ballista_core::utils::create_grpc_server;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_executor::flight_service::BallistaFlightService;
use datafusion::prelude::SessionConfig;
use polars_par_apply::Registry;
use tonic::service::interceptor::InterceptedService;

use crate::client::{Client, Trouble};
use crate::error::{ErrorKind, Result};
use crate::plan::Codec;
use crate::scheduler::MESSAGE_LIMIT;
use crate::security::Security;
use crate::stop::Engine;

/// How an executor is started.
#[derive(Debug)]
pub(crate) struct ExecutorOptions {
    pub(crate) scheduler_host: String,
    pub(crate) scheduler_port: u16,
    pub(crate) bind: IpAddr,
    /// The address by which others reach it.
    pub(crate) host: String,
    /// The ports for data and for tasks; 0 takes a free one.
    pub(crate) port: u16,
    pub(crate) task_port: u16,
    /// How many parts it runs at the same time.
    pub(crate) threads: usize,
    /// The folder for intermediate results; by default a folder that is removed at the end.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) heartbeat: Duration,
    pub(crate) security: Security,
    /// How long it waits for the scheduler when it starts.
    pub(crate) patience: Duration,
}

/// Runs an executor until the process is told to end, or the scheduler is gone.
pub(crate) async fn run(registry: Arc<Registry>, options: ExecutorOptions) -> Result<()> {
    let temporary = match &options.folder {
        Some(_) => None,
        None => Some(tempfile::tempdir()?),
    };
    let folder = temporary.as_ref().map(tempfile::TempDir::path);
    let folder = folder
        .or(options.folder.as_deref())
        .unwrap_or(std::path::Path::new("."));
    let (port, task_port) = match (options.port, options.task_port) {
        (0, 0) => {
            let first = TcpListener::bind((options.bind, 0))?;
            let second = TcpListener::bind((options.bind, 0))?;
            (first.local_addr()?.port(), second.local_addr()?.port())
        }
        (0, given) => (free_port(options.bind)?, given),
        (given, 0) => (given, free_port(options.bind)?),
        given => given,
    };
    let security = options.security.clone();
    let url = format!(
        "http://{}:{}",
        options.scheduler_host, options.scheduler_port
    );
    let client = wait_for_scheduler(&options, &url).await?;
    let producer_security = security.clone();
    let config = ExecutorProcessConfig {
        bind_host: options.bind.to_string(),
        external_host: Some(options.host),
        port,
        grpc_port: task_port,
        scheduler_host: options.scheduler_host,
        scheduler_port: options.scheduler_port,
        scheduler_connect_timeout_seconds: 0,
        vcores: options.threads,
        task_scheduling_policy: match security.is_any() {
            true => TaskSchedulingPolicy::PullStaged,
            false => TaskSchedulingPolicy::PushStaged,
        },
        work_dir: Some(folder.to_string_lossy().into_owned()),
        grpc_max_decoding_message_size: MESSAGE_LIMIT,
        grpc_max_encoding_message_size: MESSAGE_LIMIT,
        executor_heartbeat_interval_seconds: options.heartbeat.as_secs().max(1),
        override_execution_engine: Some(Arc::new(Engine::default())),
        override_physical_codec: Some(Arc::new(Codec::new(registry))),
        override_config_producer: Some(Arc::new(move || {
            // How other executors are reached is not sent with a job, so it is set here.
            SessionConfig::new_with_ballista()
                .with_ballista_override_create_grpc_client_endpoint(producer_security.endpoints())
        })),
        override_create_grpc_client_endpoint: Some(security.endpoints()),
        override_arrow_flight_service: security.is_any().then(|| flight(&security)),
        ..ExecutorProcessConfig::default()
    };
    eprintln!(
        "the executor is at {}:{port}, of the scheduler {url}",
        config.bind_host
    );
    let ended = |error: &dyn std::fmt::Display| {
        let message = format!("the executor ended: {error}");
        ErrorKind::Process { message }
    };
    tokio::select! {
        run = start_executor_process(Arc::new(config)) => run.map_err(|error| ended(&error).into()),
        // An executor that polls for work would poll for ever.
        lost = watched(client), if security.is_any() => Err(lost),
    }
}

/// Waits until the scheduler has not answered for some time, and returns the error.
async fn watched(client: Client) -> crate::Error {
    let mut missed = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let message = match client.status(None).await {
            Ok(_) => {
                missed = 0;
                continue;
            }
            Err(Trouble::Unauthorized) => {
                let url = client.url().to_string();
                return ErrorKind::Unauthorized { url }.into();
            }
            Err(trouble) => trouble.to_string(),
        };
        missed += 1;
        if missed == 5 {
            let url = client.url().to_string();
            return ErrorKind::Unreachable { url, message }.into();
        }
    }
}

/// The service from which other executors and drivers fetch results, with certificates and the token.
fn flight(security: &Security) -> Arc<ballista_executor::ArrowFlightServerProvider> {
    let security = security.clone();
    Arc::new(move |folder: String, address, mut shutdown, config| {
        let security = security.clone();
        tokio::spawn(async move {
            let service = arrow_flight::flight_service_server::FlightServiceServer::new(
                BallistaFlightService::new(folder),
            )
            .max_decoding_message_size(MESSAGE_LIMIT as usize)
            .max_encoding_message_size(MESSAGE_LIMIT as usize);
            let service = InterceptedService::new(service, security.check());
            let mut server = create_grpc_server(&config);
            if let Some(tls) = &security.tls {
                server = server.tls_config(tls.server())?;
            }
            server
                .add_service(service)
                .serve_with_shutdown(address, async move { shutdown.recv().await })
                .await?;
            Ok(())
        })
    })
}

fn free_port(bind: IpAddr) -> Result<u16> {
    Ok(TcpListener::bind((bind, 0))?.local_addr()?.port())
}

/// Waits until the scheduler answers.
async fn wait_for_scheduler(options: &ExecutorOptions, url: &str) -> Result<Client> {
    let began = std::time::Instant::now();
    let url = url.to_string();
    let client = Client::new(&url, &options.security);
    let client = client.map_err(|trouble| ErrorKind::Unreachable {
        url: url.clone(),
        message: trouble.to_string(),
    })?;
    loop {
        let message = match client.status(None).await {
            Ok(_) => return Ok(client),
            Err(Trouble::Unauthorized) => return Err(ErrorKind::Unauthorized { url }.into()),
            Err(trouble) => trouble.to_string(),
        };
        if began.elapsed() >= options.patience {
            return Err(ErrorKind::Unreachable { url, message }.into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
