//! The role of a scheduler.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::serde::protobuf::scheduler_grpc_server::SchedulerGrpcServer;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::{SchedulerConfig, TaskDistributionPolicy};
use ballista_scheduler::scheduler_process::create_scheduler;
use ballista_scheduler::scheduler_server::SchedulerServer;
use ballista_scheduler::state::execution_stage::ExecutionStage;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use polars_par_apply::Registry;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::error::{Error, ErrorKind, Result};
use crate::plan::Codec;
use crate::security::Security;

/// How large a message between the processes may be.
pub(crate) const MESSAGE_LIMIT: u32 = 64 << 20;

/// Executors that poll for work can be silent for up to 5 seconds while they are busy.
const LEAST_TIMEOUT: Duration = Duration::from_secs(10);

/// How a scheduler is started.
#[derive(Debug)]
pub(crate) struct SchedulerOptions {
    pub(crate) bind: SocketAddr,
    /// The address by which others reach it.
    pub(crate) host: String,
    /// After how long without a heartbeat an executor counts as lost.
    pub(crate) executor_timeout: Duration,
    pub(crate) security: Security,
}

/// The state of a scheduler and of a job.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ClusterStatus {
    /// How many executors there are.
    pub(crate) executors: usize,
    /// How many tasks of the job have succeeded so far.
    pub(crate) tasks_done: usize,
}

type Scheduler = SchedulerServer<LogicalPlanNode, PhysicalPlanNode>;

/// Runs a scheduler until the process is told to end.
pub(crate) async fn run(registry: Arc<Registry>, options: SchedulerOptions) -> Result<()> {
    let SchedulerOptions {
        bind,
        host,
        executor_timeout,
        security,
    } = options;
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        let message = format!("the scheduler cannot {what} at {bind}: {error}");
        ErrorKind::Process { message }
    };
    if security.is_any() && executor_timeout < LEAST_TIMEOUT {
        return Err(Error::refused(format!(
            "with certificates or a token, busy executors report every 5 seconds; give --executor-timeout {} or more",
            LEAST_TIMEOUT.as_secs()
        )));
    }
    let listener = TcpListener::bind(bind)
        .await
        .map_err(|error| failed("listen", &error))?;
    let bind = listener.local_addr()?;
    let timeout = executor_timeout.as_secs().max(1);
    let config = SchedulerConfig {
        bind_host: bind.ip().to_string(),
        external_host: host,
        bind_port: bind.port(),
        scheduling_policy: match security.is_any() {
            true => TaskSchedulingPolicy::PullStaged,
            false => TaskSchedulingPolicy::PushStaged,
        },
        task_distribution: TaskDistributionPolicy::RoundRobin,
        executor_timeout_seconds: timeout,
        expire_dead_executor_interval_seconds: 1,
        no_executors_grace_period_seconds: 1,
        finished_job_data_clean_up_interval_seconds: 30,
        finished_job_state_clean_up_interval_seconds: 60,
        grpc_server_max_decoding_message_size: MESSAGE_LIMIT,
        grpc_server_max_encoding_message_size: MESSAGE_LIMIT,
        grpc_client_max_message_size: MESSAGE_LIMIT,
        override_physical_codec: Some(Arc::new(Codec::new(registry))),
        override_create_grpc_client_endpoint: Some(security.endpoints()),
        ..SchedulerConfig::default()
    };
    let started = async {
        let cluster = BallistaCluster::new_from_config(&config).await?;
        create_scheduler::<LogicalPlanNode, PhysicalPlanNode>(cluster, Arc::new(config)).await
    };
    let scheduler: Scheduler = started.await.map_err(|error| failed("start", &error))?;

    let service = SchedulerGrpcServer::new(scheduler.clone())
        .max_decoding_message_size(MESSAGE_LIMIT as usize)
        .max_encoding_message_size(MESSAGE_LIMIT as usize);
    let service = InterceptedService::new(service, security.check());
    let mut routes = tonic::service::Routes::new(service);
    let status = Router::new()
        .route("/status/{job}", get(status))
        .with_state(Arc::new(Watch {
            scheduler,
            timeout,
            security: security.clone(),
        }));
    let others = std::mem::take(routes.axum_router_mut());
    *routes.axum_router_mut() = others.merge(status);

    let mut server = Server::builder();
    if let Some(tls) = &security.tls {
        server = server
            .tls_config(tls.server())
            .map_err(|error| failed("use its certificates", &error))?;
    }
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    eprintln!("the scheduler listens at {bind}");
    server
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, crate::roles::told_to_end())
        .await
        .map_err(|error| failed("serve", &error).into())
}

struct Watch {
    scheduler: Scheduler,
    timeout: u64,
    security: Security,
}

/// Returns how many executors there are, and how far a job is.
async fn status(
    State(watch): State<Arc<Watch>>,
    Path(job): Path<String>,
    headers: http::HeaderMap,
) -> Response {
    if !watch.security.allows(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let state = &watch.scheduler.state;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs());
    let executors = state.executor_manager.get_executors_state().await;
    let executors = executors.unwrap_or_default();
    let alive = executors.iter().filter(|(_, seen, _)| {
        let seen = seen.map_or(0, |seen| seen.as_secs());
        now.saturating_sub(seen) < watch.timeout
    });
    let mut status = ClusterStatus {
        executors: alive.count(),
        tasks_done: 0,
    };
    let jobs = state.task_manager.get_running_job_cache();
    if let Some((_, job)) = jobs.iter().find(|(id, _)| id.to_string() == job) {
        let graph = job.execution_graph.read().await;
        let stages = graph.stages().values();
        status.tasks_done = stages
            .map(|stage| match stage {
                ExecutionStage::Running(stage) => stage.successful_tasks(),
                ExecutionStage::Successful(stage) => stage.partitions,
                _ => 0,
            })
            .sum();
    }
    match serde_json::to_string(&status) {
        Ok(text) => text.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
