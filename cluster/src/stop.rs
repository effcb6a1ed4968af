//! Which tasks of this process must stop.
//!
//! Ballista drops the future of a task that is cancelled. But the work that the future has begun goes on, because each partition is driven
//! by a separate tokio task. So the drop of the future cancels a token, and the call of the closure looks at that token.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use ballista_core::JobId;
use ballista_core::serde::protobuf::{
    RuntimeStatsReport, ShuffleWritePartition, TaskColumnStats, WindowStateReport,
};
use ballista_executor::execution_engine::{
    DefaultExecutionEngine, ExecutionEngine, QueryStageExecutor,
};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::prelude::SessionConfig;
use polars_par_apply::CancelToken;

static TOKENS: LazyLock<Mutex<HashMap<String, CancelToken>>> = LazyLock::new(Mutex::default);

/// Returns the token of a task that runs in this process. If the task is not known, nobody cancels the token.
pub(crate) fn token_of(task: Option<&str>) -> CancelToken {
    let tokens = TOKENS.lock().unwrap_or_else(PoisonError::into_inner);
    let token = task.and_then(|task| tokens.get(task));
    token.cloned().unwrap_or_default()
}

/// Gives a task a token, which is cancelled when this value is dropped.
struct Watched {
    task: String,
    token: CancelToken,
}

impl Watched {
    fn new(task: String) -> Self {
        let token = CancelToken::new();
        let mut tokens = TOKENS.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(task.clone(), token.clone());
        Watched { task, token }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut tokens = TOKENS.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.remove(&self.task);
        drop(tokens);
        self.token.cancel();
    }
}

/// Ballista's own engine, with a token for each task.
#[derive(Default)]
pub(crate) struct Engine(DefaultExecutionEngine);

impl ExecutionEngine for Engine {
    fn create_query_stage_exec(
        &self,
        job_id: JobId,
        stage_id: usize,
        task_id: usize,
        global_output_partition_ids: Vec<usize>,
        plan: Arc<dyn ExecutionPlan>,
        work_dir: &str,
        config: &SessionConfig,
    ) -> Result<Arc<dyn QueryStageExecutor>> {
        let stage = self.0.create_query_stage_exec(
            job_id,
            stage_id,
            task_id,
            global_output_partition_ids,
            plan,
            work_dir,
            config,
        )?;
        Ok(Arc::new(Stage(stage)))
    }
}

#[derive(Debug)]
struct Stage(Arc<dyn QueryStageExecutor>);

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[async_trait::async_trait]
impl QueryStageExecutor for Stage {
    async fn execute_query_stage(
        &self,
        task_id: usize,
        context: Arc<TaskContext>,
    ) -> Result<Vec<ShuffleWritePartition>> {
        let _watched = context.task_id().map(Watched::new);
        self.0.execute_query_stage(task_id, context).await
    }

    fn collect_plan_metrics(&self) -> Vec<MetricsSet> {
        self.0.collect_plan_metrics()
    }

    fn collect_runtime_stats_reports(&self) -> Vec<RuntimeStatsReport> {
        self.0.collect_runtime_stats_reports()
    }

    fn collect_window_state_reports(&self) -> Result<Vec<WindowStateReport>> {
        self.0.collect_window_state_reports()
    }

    fn collect_column_stats(&self) -> Vec<TaskColumnStats> {
        self.0.collect_column_stats()
    }
}
