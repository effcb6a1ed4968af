//! How a driver talks to the scheduler, and fetches results from executors.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ballista_core::client::BallistaClient;
use ballista_core::extension::{
    BallistaConfigGrpcEndpoint, SessionConfigExt, SessionConfigHelperExt,
};
use ballista_core::serde::protobuf::execute_query_params::Query;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{
    self as pb, execute_query_failure_result, execute_query_result, job_status,
};
use ballista_core::serde::scheduler::PartitionId;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use datafusion_proto::physical_plan::{AsExecutionPlan, PhysicalExtensionCodec};
use datafusion_proto::protobuf::PhysicalPlanNode;
use futures::StreamExt;
use http_body_util::BodyExt;
use tonic::transport::Channel;
use tower_service::Service;

use crate::plan::{Piece, pieces_of};
use crate::scheduler::{ClusterStatus, MESSAGE_LIMIT};
use crate::security::Security;

/// Why a request failed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The scheduler cannot be reached, or does not answer.
    Scheduler(String),
    Unauthorized,
    /// The plan is too large to be sent.
    TooLarge(usize),
    /// Anything else; another attempt may succeed.
    Other(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Scheduler(message) | Trouble::Other(message) => f.write_str(message),
            Trouble::Unauthorized => f.write_str("the token is missing or wrong"),
            Trouble::TooLarge(bytes) => write!(f, "a message of {bytes} bytes is too large"),
        }
    }
}

/// The state of a job.
#[derive(Debug)]
pub(crate) enum JobState {
    /// It is queued or runs.
    Runs,
    Unknown,
    Done(Vec<pb::PartitionLocation>),
    Failed(String),
}

#[derive(Clone, Debug)]
pub(crate) struct Client {
    url: String,
    channel: Channel,
    security: Security,
    session: String,
}

/// How long an answer may take. Only results are large, and they are fetched in another way.
const ANSWER: Duration = Duration::from_secs(5);

async fn within<T>(answer: impl Future<Output = Result<T, tonic::Status>>) -> Result<T, Trouble> {
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(status)) => Err(trouble(&status)),
        Err(_) => Err(Trouble::Scheduler(format!("no answer within {ANSWER:?}"))),
    }
}

fn trouble(status: &tonic::Status) -> Trouble {
    use tonic::Code;
    let message = chain(status);
    match status.code() {
        Code::Unauthenticated => Trouble::Unauthorized,
        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded => Trouble::Scheduler(message),
        // Tonic reports a broken connection in this way.
        Code::Unknown if status.message().contains("transport") => Trouble::Scheduler(message),
        _ => Trouble::Other(message),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = error.source();
    }
    text
}

impl Client {
    /// Makes a client; it connects when it is first used, and again when its connection is lost.
    pub(crate) fn new(url: &str, security: &Security) -> Result<Self, Trouble> {
        let endpoint = security.endpoint(url);
        let endpoint = endpoint.map_err(|error| Trouble::Scheduler(error.to_string()))?;
        Ok(Client {
            url: url.to_string(),
            channel: endpoint.connect_lazy(),
            security: security.clone(),
            session: uuid::Uuid::new_v4().to_string(),
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn scheduler(&self) -> SchedulerGrpcClient<Channel> {
        SchedulerGrpcClient::new(self.channel.clone())
            .max_encoding_message_size(MESSAGE_LIMIT as usize)
            .max_decoding_message_size(MESSAGE_LIMIT as usize)
    }

    /// Returns how many executors there are, and how far a job is.
    pub(crate) async fn status(&self, job: Option<&str>) -> Result<ClusterStatus, Trouble> {
        let url = format!("{}/status/{}", self.url, job.unwrap_or("-"));
        let request = http::Request::get(url).body(tonic::body::Body::empty());
        let request = request.map_err(|error| Trouble::Other(error.to_string()))?;
        let mut channel = self.channel.clone();
        let answer = async move {
            std::future::poll_fn(|context| channel.poll_ready(context)).await?;
            channel.call(request).await
        };
        let answer = tokio::time::timeout(ANSWER, answer).await;
        let answer =
            answer.map_err(|_| Trouble::Scheduler(format!("no answer within {ANSWER:?}")))?;
        let answer = answer.map_err(|error| Trouble::Scheduler(chain(&error)))?;
        if answer.status() == http::StatusCode::UNAUTHORIZED {
            return Err(Trouble::Unauthorized);
        }
        if !answer.status().is_success() {
            return Err(Trouble::Other(format!(
                "what listens there answered {}, so it is not a scheduler of polars-par-apply-cluster",
                answer.status()
            )));
        }
        let body = tokio::time::timeout(ANSWER, answer.into_body().collect()).await;
        let body = body.map_err(|_| Trouble::Scheduler(format!("no answer within {ANSWER:?}")))?;
        let body = body.map_err(|error| Trouble::Scheduler(chain(&error)))?;
        serde_json::from_slice(&body.to_bytes()).map_err(|error| Trouble::Other(error.to_string()))
    }

    /// Sends a plan, and returns the job's id.
    pub(crate) async fn submit(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        codec: &dyn PhysicalExtensionCodec,
    ) -> Result<String, Trouble> {
        let other = |error: &dyn std::fmt::Display| Trouble::Other(error.to_string());
        let node = PhysicalPlanNode::try_from_physical_plan(plan, codec);
        let node = node.map_err(|error| other(&error))?;
        let mut bytes = Vec::new();
        node.try_encode(&mut bytes).map_err(|error| other(&error))?;
        // The rest of the message is the settings, which are some kilobytes.
        if bytes.len() + (1 << 20) > MESSAGE_LIMIT as usize {
            return Err(Trouble::TooLarge(bytes.len()));
        }
        let config = SessionConfig::new_with_ballista()
            // This is how many pieces a batch of a later stage has.
            .with_batch_size(16)
            .with_ballista_grpc_client_max_message_size(MESSAGE_LIMIT as usize)
            .with_ballista_use_tls(self.security.has_tls())
            .set_str("ballista.scheduler.max_partitions_per_task", "1")
            .set_str("ballista.client.io_retry_wait_time_ms", "300");
        let mut request = tonic::Request::new(pb::ExecuteQueryParams {
            session_id: self.session.clone(),
            settings: config.to_key_value_pairs(),
            operation_id: uuid::Uuid::new_v4().to_string(),
            query: Some(Query::PhysicalPlan(bytes)),
        });
        ballista_core::version::insert_version_header(request.metadata_mut());
        let mut scheduler = self.scheduler();
        let answer = within(scheduler.execute_query(request)).await?.into_inner();
        match answer.result {
            Some(execute_query_result::Result::Success(success)) => Ok(success.job_id),
            Some(execute_query_result::Result::Failure(failure)) => {
                use execute_query_failure_result::Failure;
                Err(Trouble::Other(match failure.failure {
                    Some(Failure::SessionNotFound(said) | Failure::PlanParsingFailure(said)) => {
                        said
                    }
                    Some(Failure::SqlParsingFailure(said)) => said,
                    None => "the scheduler refused the plan".to_string(),
                }))
            }
            None => Err(Trouble::Other("the scheduler gave no answer".to_string())),
        }
    }

    pub(crate) async fn job(&self, job: &str) -> Result<JobState, Trouble> {
        let job_id = job.to_string();
        let mut scheduler = self.scheduler();
        let asked = scheduler.get_job_status(pb::GetJobStatusParams { job_id });
        let answer = within(asked).await?.into_inner();
        Ok(match answer.status.and_then(|status| status.status) {
            Some(job_status::Status::Successful(job)) => JobState::Done(job.partition_location),
            Some(job_status::Status::Failed(job)) => JobState::Failed(job.error),
            Some(job_status::Status::Queued(_) | job_status::Status::Running(_)) => JobState::Runs,
            None => JobState::Unknown,
        })
    }

    /// Asks the scheduler to end the job, several times, because a scheduler ignores the request for a job that it has not planned yet.
    pub(crate) async fn cancel(&self, job: &str) {
        for _ in 0..40 {
            let job_id = job.to_string();
            let mut scheduler = self.scheduler();
            let asked = scheduler.cancel_job(pb::CancelJobParams { job_id });
            if within(asked).await.is_err() {
                return;
            }
            match self.job(job).await {
                Ok(JobState::Runs) => tokio::time::sleep(Duration::from_millis(50)).await,
                _ => return,
            }
        }
    }

    /// Tells the executors that the job's results are not needed any more.
    pub(crate) async fn forget(&self, job: &str) {
        let job_id = job.to_string();
        let mut scheduler = self.scheduler();
        let asked = scheduler.clean_job_data(pb::CleanJobDataParams {
            job_id,
            remove_stage_ids: Vec::new(),
        });
        let _ = within(asked).await;
    }

    /// Fetches the pieces at these locations, and gives each to `take`, up to the first that cannot be fetched.
    pub(crate) async fn fetch(
        &self,
        locations: Vec<pb::PartitionLocation>,
        mut take: impl FnMut(Piece),
    ) -> Result<(), String> {
        // After a loss, Ballista lists the locations of the lost executor too, before those of the new results.
        let mut latest: Vec<pb::PartitionLocation> = Vec::new();
        for location in locations {
            let id = |location: &pb::PartitionLocation| {
                location.partition_id.as_ref().map(|id| id.partition_id)
            };
            latest.retain(|other| id(other) != id(&location));
            latest.push(location);
        }
        for location in latest {
            let layout = location.layout();
            let executor = location.executor_meta.ok_or("a result names no executor")?;
            let partition = location.partition_id.ok_or("a result names no partition")?;
            let partition: PartitionId = partition.into();
            let endpoints = BallistaConfigGrpcEndpoint::new(self.security.endpoints());
            let connected = BallistaClient::try_new(
                &executor.host,
                executor.port as u16,
                MESSAGE_LIMIT as usize,
                self.security.has_tls(),
                Some(Arc::new(endpoints)),
                1,
                100,
                64 << 20,
                16 << 20,
            );
            let mut client = connected.await.map_err(|error| error.to_string())?;
            let fetched = client.fetch_partition_proxied(
                &executor.id,
                &partition,
                location.file_id,
                layout,
                &executor.host,
                executor.port as u16,
                false,
            );
            let mut batches = fetched.await.map_err(|error| error.to_string())?;
            while let Some(batch) = batches.next().await {
                let batch = batch.map_err(|error| error.to_string())?;
                let pieces = pieces_of(&batch).ok_or("a result has another schema")?;
                pieces.into_iter().for_each(&mut take);
            }
        }
        Ok(())
    }
}
