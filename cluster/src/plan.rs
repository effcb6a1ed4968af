//! The node of a plan that runs parts, and its encoding.

use std::fmt;
use std::sync::Arc;

use ballista_core::serde::BallistaPhysicalExtensionCodec;
use datafusion::arrow::array::{
    Array, AsArray, BinaryArray, BinaryBuilder, RecordBatch, StringArray, UInt32Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
    SendableRecordBatchStream,
};
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use futures::{StreamExt, TryStreamExt};
use polars_par_apply::Registry;

use crate::stop;
use crate::task::{self, Done, PIECE};
use crate::wire::{WireCall, WirePart};

/// The input of a task: a row for each part.
pub(crate) fn input_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("part", DataType::Utf8, false),
        Field::new("frame", DataType::Binary, true),
    ]))
}

/// One part as the input of a task.
pub(crate) fn input_batch(part: &WirePart, frame: Option<&[u8]>) -> Result<RecordBatch> {
    let part =
        serde_json::to_string(part).map_err(|error| DataFusionError::External(error.into()))?;
    let columns: Vec<Arc<dyn Array>> = vec![
        Arc::new(StringArray::from(vec![part])),
        Arc::new(BinaryArray::from(vec![frame])),
    ];
    Ok(RecordBatch::try_new(input_schema(), columns)?)
}

/// The output of a task: pieces of parts, in no particular order. The first piece of a part, number 0, is its report.
pub(crate) fn output_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("part", DataType::UInt32, false),
        Field::new("piece", DataType::UInt32, false),
        Field::new("body", DataType::Binary, false),
    ]))
}

/// A piece of a part's result.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) part: u32,
    pub(crate) number: u32,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn pieces_of(batch: &RecordBatch) -> Option<Vec<Piece>> {
    let parts = batch.column(0).as_primitive_opt::<UInt32Type>()?;
    let numbers = batch.column(1).as_primitive_opt::<UInt32Type>()?;
    let bodies = batch.column(2).as_binary_opt::<i32>()?;
    let pieces = (0..batch.num_rows()).map(|row| Piece {
        part: parts.value(row),
        number: numbers.value(row),
        body: bodies.value(row).to_vec(),
    });
    Some(pieces.collect())
}

/// Makes a batch of each piece, so that none is larger than a message.
fn batches(done: &Done) -> Result<Vec<RecordBatch>> {
    let report = serde_json::to_vec(&done.report)
        .map_err(|error| DataFusionError::External(error.into()))?;
    let bodies = std::iter::once(&report[..])
        .chain(done.failures.chunks(PIECE))
        .chain(done.output.chunks(PIECE));
    let batches = bodies.enumerate().map(|(number, body)| {
        let mut bodies = BinaryBuilder::with_capacity(1, body.len());
        bodies.append_value(body);
        let columns: Vec<Arc<dyn Array>> = vec![
            Arc::new(UInt32Array::from(vec![done.report.part])),
            Arc::new(UInt32Array::from(vec![number as u32])),
            Arc::new(bodies.finish()),
        ];
        Ok(RecordBatch::try_new(output_schema(), columns)?)
    });
    batches.collect()
}

/// Runs the parts that its input has, by a function's name.
#[derive(Debug)]
pub(crate) struct RunParts {
    /// The call, or why it could not be read, which the task then reports. (If an executor cannot read a plan, it reports only that,
    /// and not why.)
    call: Result<Arc<WireCall>, String>,
    registry: Arc<Registry>,
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl RunParts {
    pub(crate) fn new(
        call: Result<Arc<WireCall>, String>,
        registry: Arc<Registry>,
        input: Arc<dyn ExecutionPlan>,
    ) -> Self {
        let partitions = input.properties().output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(output_schema()),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        RunParts {
            call,
            registry,
            input,
            properties: Arc::new(properties),
        }
    }
}

impl DisplayAs for RunParts {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.call {
            Ok(call) => write!(f, "RunParts: {}", call.function.line),
            Err(error) => write!(f, "RunParts: {error}"),
        }
    }
}

impl ExecutionPlan for RunParts {
    fn name(&self) -> &str {
        "RunParts"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().ok_or_else(|| {
            DataFusionError::Internal("the node of parts has one input".to_string())
        })?;
        let (call, registry) = (self.call.clone(), self.registry.clone());
        Ok(Arc::new(RunParts::new(call, registry, input)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let call = self.call.clone();
        let token = stop::token_of(context.task_id().as_deref());
        let input = self.input.execute(partition, context)?;
        let registry = self.registry.clone();
        let output = async move {
            let parts: Vec<RecordBatch> = input.try_collect().await?;
            let run = move || run_all(&registry, &call, &parts, &token);
            let batches = tokio::task::spawn_blocking(run).await;
            let batches = batches.map_err(|error| DataFusionError::External(error.into()))??;
            let batches = batches.into_iter().map(Ok::<_, DataFusionError>);
            Ok::<_, DataFusionError>(futures::stream::iter(batches))
        };
        let stream = futures::stream::once(output).try_flatten().boxed();
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            output_schema(),
            stream,
        )))
    }
}

fn run_all(
    registry: &Registry,
    call: &Result<Arc<WireCall>, String>,
    batches_in: &[RecordBatch],
    token: &polars_par_apply::CancelToken,
) -> Result<Vec<RecordBatch>> {
    let mut out = Vec::new();
    for batch in batches_in {
        let parts = batch.column(0).as_string::<i32>();
        let frames = batch.column(1).as_binary::<i32>();
        for row in 0..batch.num_rows() {
            let part: WirePart = serde_json::from_str(parts.value(row))
                .map_err(|error| DataFusionError::External(error.into()))?;
            let frame = frames.is_valid(row).then(|| frames.value(row));
            let done = match call {
                Ok(call) => task::run(registry, call, &part, frame, token),
                Err(message) => task::unreadable(&part, message),
            };
            out.extend(batches(&done)?);
        }
    }
    Ok(out)
}

const MAGIC: &[u8] = b"polars-par-apply-cluster 1\n";

/// Encodes a node of parts as the name and the options of its call, and all other nodes as Ballista does.
#[derive(Debug)]
pub(crate) struct Codec {
    registry: Arc<Registry>,
    others: BallistaPhysicalExtensionCodec,
}

impl Codec {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Codec {
            registry,
            others: BallistaPhysicalExtensionCodec::default(),
        }
    }
}

impl PhysicalExtensionCodec for Codec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(call) = bytes.strip_prefix(MAGIC) else {
            return self.others.try_decode(bytes, inputs, context, converter);
        };
        let input = inputs.first().cloned().ok_or_else(|| {
            DataFusionError::Internal("the node of parts has one input".to_string())
        })?;
        let call = serde_json::from_slice(call).map(Arc::new).map_err(|error| {
            format!("the call cannot be read; run one build in all processes: {error}")
        });
        Ok(Arc::new(RunParts::new(call, self.registry.clone(), input)))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some(parts) = node.downcast_ref::<RunParts>() else {
            return self.others.try_encode(node, bytes, converter);
        };
        let call = parts.call.as_ref();
        let call = call.map_err(|error| DataFusionError::Execution(error.clone()))?;
        bytes.extend_from_slice(MAGIC);
        serde_json::to_writer(bytes, &**call)
            .map_err(|error| DataFusionError::External(error.into()))
    }
}
