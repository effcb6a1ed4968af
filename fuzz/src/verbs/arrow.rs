//! Frames to Arrow and back, and Arrow batches to frames, compared with plain code that reads the arrays value by value.

use std::collections::{BTreeSet, HashSet};
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use arbitrary::{Result, Unstructured};
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::{Array, RecordBatch, RecordBatchIterator};
use arrow_schema::{ArrowError, DataType as ArrowType, Field};
use polars::prelude::{
    Column, CompatLevel, DataFrame, DataType, IdxCa, IdxSize, IntoSeries, Series, StructChunked,
};
use polars_arrow::array::{Array as PolarsArray, FixedSizeListArray, ListArray};
use polars_arrow::offset::OffsetsBuffer;
use polars_par_apply::arrow2::array::new_null_array;
use polars_par_apply::arrow2::datatypes::{Metadata, Schema};
use polars_par_apply::arrow2::{self, ffi};
use polars_par_apply::prelude::{Arrow2Chunk, FromArrow, FromArrow2, ParApply, ToArrow, ToArrow2};
use polars_par_apply::{Error, frame_of};

use crate::arrow_data::{BatchPlan, BatchesPlan};
use crate::arrow_values::{dtype, has_few_categories, values};
use crate::expect::is_column;
use crate::frame::FramePlan;
use crate::options::{faults_of, rarely};
use crate::value::Value;

macro_rules! ensure {
    ($holds:expr, $($why:tt)*) => {
        if !$holds {
            return Err(format!($($why)*));
        }
    };
}

type Checked<T = ()> = std::result::Result<T, String>;
type Faults = BTreeSet<String>;

/// The type that a column's values are wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nest {
    List,
    Array,
    Struct,
}

impl Nest {
    /// Returns each value as the only item of a list or an array, or as a struct's field.
    fn of(self, series: &Series) -> Series {
        let name = series.name().clone();
        if self == Nest::Struct {
            let field = series.clone().with_name("field".into());
            let of_one = StructChunked::from_series(name, series.len(), [field].iter());
            return of_one.expect("there is one field").into_series();
        }
        let values = series.rechunk().chunks()[0].clone();
        let inner = Box::new(series.dtype().clone());
        let (chunk, dtype): (Box<dyn PolarsArray>, _) = match self {
            Nest::List => {
                let of_items = ListArray::<i64>::default_datatype(values.dtype().clone());
                let offsets =
                    OffsetsBuffer::try_from((0..=series.len() as i64).collect::<Vec<_>>());
                let offsets = offsets.expect("they are in order");
                let lists = ListArray::<i64>::new(of_items, offsets, values, None);
                (Box::new(lists), DataType::List(inner))
            }
            _ => {
                let of_items = FixedSizeListArray::default_datatype(values.dtype().clone(), 1);
                let arrays = FixedSizeListArray::new(of_items, series.len(), values, None);
                (Box::new(arrays), DataType::Array(inner, 1))
            }
        };
        // SAFETY: the items are a chunk of a series of the inner dtype.
        unsafe { Series::from_chunks_and_dtype_unchecked(name, vec![chunk], &dtype) }
    }
}

/// A frame that is converted to Arrow and back.
#[derive(Clone, Debug)]
pub struct ArrowOut {
    pub frame: FramePlan,
    /// The types that the last column is wrapped in, one after the other.
    pub nests: Vec<Nest>,
    pub last_name: Option<&'static str>,
    pub partitions: usize,
    pub overlap: Option<(usize, usize)>,
}

impl ArrowOut {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let width = u.int_in_range(0..=3)?;
        let frame = FramePlan::arbitrary(u, &vec![&[][..]; width])?;
        let nests = *u.choose(&[0, 0, 0, 1, 1, 2])?;
        let nests = (0..nests).map(|_| Ok(*u.choose(&[Nest::List, Nest::Array, Nest::Struct])?));
        Ok(ArrowOut {
            frame,
            nests: nests.collect::<Result<_>>()?,
            last_name: match u.int_in_range(0..=15)? {
                15 => Some("zero\0byte"),
                14 => Some(""),
                13 => Some("ünïcödé"),
                _ => None,
            },
            partitions: u.int_in_range(1..=5)?,
            overlap: match rarely(u, 4)? {
                true => Some((u.int_in_range(0..=3)?, u.int_in_range(0..=3)?)),
                false => None,
            },
        })
    }

    fn frame(&self) -> DataFrame {
        let mut columns = self.frame.frame().columns().to_vec();
        let last = columns.last_mut().expect("there is an id");
        for nest in &self.nests {
            *last = nest.of(last.as_materialized_series()).into();
        }
        if let Some(name) = self.last_name {
            last.rename(name.into());
        }
        DataFrame::new(self.frame.rows, columns).expect("they are of one height")
    }

    pub fn check(&self) -> Checked {
        let df = self.frame();
        let faults: Faults = df
            .columns()
            .iter()
            .filter(|column| !may_leave(column.name(), column.dtype()))
            .map(|column| format!("arrow {}", column.name()))
            .collect();

        for level in [CompatLevel::newest(), CompatLevel::oldest()] {
            let batches = df.to_batches_with(level);
            let Some(batches) = is_given(batches, &faults)? else {
                continue;
            };
            are_batches_of(&batches, &df)?;
            let back = batches.to_frame();
            same(&back.map_err(|error| error.to_string())?, &df)?;
        }
        if let Some(chunks) = is_given(df.to_arrow2(), &faults)? {
            let rows: usize = chunks.iter().map(Arrow2Chunk::num_rows).sum();
            ensure!(rows == df.height(), "the chunks have {rows} rows");
            let back = chunks.to_frame();
            same(&back.map_err(|error| error.to_string())?, &df)?;
        }

        let calls = AtomicUsize::new(0);
        let apply = || {
            let apply = df.par_apply().partitions(self.partitions);
            match self.overlap {
                Some((before, after)) => apply.overlap(before, after),
                None => apply,
            }
        };
        let as_batches = apply().chunks(|part: RecordBatch| {
            calls.fetch_add(1, SeqCst);
            part
        });
        let as_chunks = apply().chunks(|part: Arrow2Chunk| -> anyhow::Result<Arrow2Chunk> {
            calls.fetch_add(1, SeqCst);
            let (schema, chunk) = part.clone().into_parts();
            Ok(match chunk.arrays().is_empty() {
                true => part,
                false => Arrow2Chunk::try_new(schema, chunk)?,
            })
        });
        for whole in [as_batches, as_chunks] {
            if let Some(whole) = is_given(whole, &faults)? {
                same(&whole, &df)?;
            }
        }
        let calls = calls.into_inner();
        let expected = match faults.is_empty() {
            true => 2 * self.partitions,
            false => 0,
        };
        ensure!(
            calls == expected,
            "there were {calls} calls, and not {expected}"
        );
        Ok(())
    }
}

/// Returns whether Arrow has a column's name and dtype, of those that frames here have.
fn may_leave(name: &str, dtype: &DataType) -> bool {
    let inner_leaves = match dtype {
        DataType::Int128 => false,
        DataType::List(inner) | DataType::Array(inner, _) => may_leave("", inner),
        DataType::Struct(fields) => fields
            .iter()
            .all(|field| may_leave(field.name(), field.dtype())),
        _ => true,
    };
    inner_leaves && !name.contains('\0')
}

/// Returns the result, or checks that it was refused for these faults.
fn is_given<T>(got: std::result::Result<T, Error>, faults: &Faults) -> Checked<Option<T>> {
    match got {
        Ok(got) if faults.is_empty() => Ok(Some(got)),
        Ok(_) => Err(format!("it is to be refused for {faults:?}, and is not")),
        Err(error) if faults_of(&error) == *faults => Ok(None),
        Err(error) => Err(format!(
            "it is to be refused for {faults:?}, and is for {:?}: {error}",
            faults_of(&error)
        )),
    }
}

/// The values and the layout of the batches.
fn are_batches_of(batches: &[RecordBatch], df: &DataFrame) -> Checked {
    let schema = batches
        .first()
        .map(RecordBatch::schema)
        .ok_or("there are no batches")?;
    let is_cut = batches.len() == 1 || batches.iter().all(|batch| batch.num_rows() > 0);
    ensure!(is_cut, "one of several batches has no rows");
    for (position, column) in df.columns().iter().enumerate() {
        let field = schema.field(position);
        ensure!(
            field.name() == column.name().as_str(),
            "the field of {:?} is named {:?}",
            column.name(),
            field.name()
        );
        let is = dtype(field);
        ensure!(
            is.is_none() || is.as_ref() == Some(column.dtype()),
            "the field of {:?} is {field}, of which there is made {is:?}",
            column.name()
        );
        let mut read = Vec::new();
        for batch in batches {
            let array = batch.column(position);
            ensure!(
                array.data_type() == field.data_type(),
                "an array of {:?} is {}, and its field {field}",
                column.name(),
                array.data_type()
            );
            let values = values(field, &**array);
            read.extend(
                values.map_err(|_| format!("what became of {:?} is refused", column.name()))?,
            );
        }
        is_column(column, field.name(), None, &read)?;
    }
    Ok(())
}

fn same(is: &DataFrame, df: &DataFrame) -> Checked {
    ensure!(
        is.shape() == df.shape(),
        "it is {:?}, and not {:?}",
        is.shape(),
        df.shape()
    );
    for (is, column) in is.columns().iter().zip(df.columns()) {
        let (name, dtype) = (column.name(), column.dtype());
        is_column(is, name, Some(dtype), &Value::all(column))?;
    }
    Ok(())
}

/// Arrow batches that are converted to a frame.
#[derive(Clone, Debug)]
pub struct ArrowIn {
    pub plan: BatchesPlan,
    /// Whether the reader fails after the batches.
    pub reader_fails: bool,
    pub partitions: usize,
}

/// What must become of the batches.
struct Expected {
    /// The faults of the schema, all of which must be reported.
    of_schema: Faults,
    /// The other faults, some of which must be reported.
    others: Faults,
    /// Faults that may be reported, but need not be.
    unsure: Faults,
    /// Names, dtypes and values, if nothing is wrong.
    columns: Vec<(String, DataType, Vec<Value>)>,
    chunks: usize,
    height: usize,
}

impl ArrowIn {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(ArrowIn {
            plan: BatchesPlan::arbitrary(u)?,
            reader_fails: rarely(u, 12)?,
            partitions: u.int_in_range(1..=3)?,
        })
    }

    pub fn check(&self) -> Checked {
        let batches = self.plan.batches();
        let first = self.plan.batches.first();
        let whole = match first {
            Some(first) => self.expected(self.plan.fields(first), &batches),
            None => Expected {
                of_schema: ["arrow".to_owned()].into(),
                ..self.expected(&[], &batches)
            },
        };
        whole.is(batches.to_frame())?;
        let chunks: Option<Vec<Arrow2Chunk>> = batches.iter().map(of_arrow2).collect();
        if let Some(chunks) = chunks {
            whole
                .is(chunks.to_frame())
                .map_err(|why| format!("of arrow2: {why}"))?;
        }
        for (plan, batch) in self.plan.batches.iter().zip(&batches) {
            let batch = std::slice::from_ref(batch);
            let one = self.expected_of(self.plan.fields(plan), &[plan], batch);
            one.is(batch[0].to_frame())?;
        }

        let reader = batches.iter().cloned().map(Ok);
        let failure = ArrowError::ComputeError("as planned".into());
        let reader = reader.chain(self.reader_fails.then_some(Err(failure)));
        let reader: Vec<_> = reader.collect();
        let read = frame_of(RecordBatchIterator::new(reader, self.plan.schema()));
        // The reader's schema is checked first, and then the batches that it reads.
        let of_reader = self.expected(&self.plan.schema, &[]);
        if first.is_none() || self.reader_fails || !of_reader.of_schema.is_empty() {
            let others = self.reader_fails.then(|| "arrow".to_owned());
            let others = others.into_iter().collect();
            Expected {
                others,
                ..of_reader
            }
            .is(read)?;
        } else {
            whole.is(read)?;
        }

        let calls = AtomicUsize::new(0);
        let parts = batches
            .par_apply()
            .partitions(self.partitions)
            .chunks(|part: DataFrame| {
                calls.fetch_add(1, SeqCst);
                part
            });
        let calls = calls.into_inner();
        let is_called = parts.is_ok();
        ensure!(
            calls == if is_called { self.partitions } else { 0 },
            "there were {calls} calls, and it gave {parts:?}"
        );
        Expected { chunks: 0, ..whole }.is(parts)
    }

    fn expected(&self, fields: &[Field], batches: &[RecordBatch]) -> Expected {
        let plans: Vec<&BatchPlan> = self.plan.batches.iter().collect();
        self.expected_of(fields, &plans[..batches.len()], batches)
    }

    fn expected_of(
        &self,
        fields: &[Field],
        plans: &[&BatchPlan],
        batches: &[RecordBatch],
    ) -> Expected {
        let of_schema = faults_of_fields(fields);
        let mut others = Faults::new();
        let mut columns: Vec<(String, DataType, Vec<Value>)> = match of_schema.is_empty() {
            true => fields
                .iter()
                .map(|field| {
                    let dtype = dtype(field).expect("the schema is taken");
                    (field.name().clone(), dtype, Vec::new())
                })
                .collect(),
            false => Vec::new(),
        };
        for (plan, batch) in plans.iter().zip(batches) {
            let own = self.plan.fields(plan);
            others.extend(faults_of_fields(own));
            if own.len() != fields.len() {
                others.insert("arrow".into());
            }
            for (position, field) in own.iter().enumerate() {
                let Some(dtype) = dtype(field) else {
                    continue;
                };
                let fault = format!("arrow {}", field.name());
                let Ok(values) = values(field, &**batch.column(position)) else {
                    others.insert(fault);
                    continue;
                };
                match columns.get_mut(position) {
                    Some((name, of, all)) if name == field.name() && *of == dtype => {
                        all.extend(values);
                    }
                    _ => drop(others.insert(fault)),
                }
            }
        }
        // There may be more categories than their numbers allow, and keys without a value may be where nothing reads them.
        let unsure = |((name, dtype, _), field): (&(String, DataType, Vec<Value>), &Field)| {
            let is_unsure = self.plan.arrays.many && has_few_categories(dtype)
                || self.plan.arrays.lies && has_dictionaries_within(field);
            is_unsure.then(|| format!("arrow {name}"))
        };
        for (name, dtype, values) in &columns {
            let is_categorical = matches!(dtype, DataType::Categorical(..));
            let distinct: HashSet<&Value> = values.iter().collect();
            if is_categorical && has_few_categories(dtype) && distinct.len() > 257 {
                others.insert(format!("arrow {name}"));
            }
        }
        Expected {
            of_schema,
            others,
            unsure: columns.iter().zip(fields).filter_map(unsure).collect(),
            columns,
            chunks: plans.iter().filter(|plan| plan.rows > 0).count(),
            height: plans.iter().map(|plan| plan.rows).sum(),
        }
    }
}

/// Returns the same batch of arrow2, if arrow2 can take it.
fn of_arrow2(batch: &RecordBatch) -> Option<Arrow2Chunk> {
    let taken = panic::catch_unwind(AssertUnwindSafe(|| {
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            if is_beyond_arrow2(field.data_type()) {
                return None;
            }
            let schema = FFI_ArrowSchema::try_from(&**field).ok()?;
            // SAFETY: they are the same struct of the C Data Interface.
            let schema = unsafe { mem::transmute::<FFI_ArrowSchema, ffi::ArrowSchema>(schema) };
            // SAFETY: arrow-rs has made it.
            let own = unsafe { ffi::import_field_from_c(&schema) }.ok()?;
            let own_type = own.data_type().clone();
            arrays.push(match dtype(field) {
                // An array that is refused need not be a valid array of its type.
                None => new_null_array(own_type, batch.num_rows()),
                Some(_) => {
                    let array = FFI_ArrowArray::new(&array.to_data());
                    // SAFETY: as above.
                    unsafe {
                        let array = mem::transmute::<FFI_ArrowArray, ffi::ArrowArray>(array);
                        ffi::import_array_from_c(array, own_type).ok()?
                    }
                }
            });
            fields.push(own);
        }
        let metadata = Metadata::default();
        let chunk = (!fields.is_empty()).then(|| arrow2::chunk::Chunk::try_new(arrays).ok())??;
        Arrow2Chunk::try_new(Schema { fields, metadata }, chunk).ok()
    }));
    // arrow2 panics at some arrays that differ from their schema.
    taken.ok().flatten()
}

/// Returns whether arrow2 has no arrays of a type, or takes its decimals for larger ones than they are.
fn is_beyond_arrow2(dtype: &ArrowType) -> bool {
    let of_field = |field: &Field| is_beyond_arrow2(field.data_type());
    match dtype {
        ArrowType::Decimal32(..)
        | ArrowType::Decimal64(..)
        | ArrowType::FixedSizeBinary(..=0)
        | ArrowType::FixedSizeList(_, ..=0) => true,
        ArrowType::Struct(fields) => {
            fields.is_empty() || fields.iter().any(|field| of_field(field))
        }
        ArrowType::Union(fields, _) => fields.iter().any(|(_, field)| of_field(field)),
        ArrowType::List(item)
        | ArrowType::LargeList(item)
        | ArrowType::FixedSizeList(item, _)
        | ArrowType::Map(item, _) => of_field(item),
        ArrowType::Dictionary(_, values) => is_beyond_arrow2(values),
        _ => false,
    }
}

/// Returns whether there are dictionaries within another type.
fn has_dictionaries_within(field: &Field) -> bool {
    let of_item = |item: &Field| {
        matches!(item.data_type(), ArrowType::Dictionary(..)) || has_dictionaries_within(item)
    };
    match field.data_type() {
        ArrowType::List(item)
        | ArrowType::LargeList(item)
        | ArrowType::FixedSizeList(item, _)
        | ArrowType::Map(item, _) => of_item(item),
        ArrowType::Struct(fields) => fields.iter().any(|field| of_item(field)),
        _ => false,
    }
}

fn faults_of_fields(fields: &[Field]) -> Faults {
    let mut names = BTreeSet::new();
    let mut faults = Faults::new();
    for field in fields {
        if !names.insert(field.name()) {
            faults.insert(format!("duplicate_name {}", field.name()));
        }
        if dtype(field).is_none() {
            faults.insert(format!("arrow {}", field.name()));
        }
    }
    faults
}

impl Expected {
    fn is(&self, got: std::result::Result<DataFrame, Error>) -> Checked {
        let Expected {
            of_schema,
            others,
            unsure,
            ..
        } = self;
        let is_refused = !of_schema.is_empty() || !others.is_empty();
        match got {
            Err(error) => {
                let faults = faults_of(&error);
                let is_right = match of_schema.is_empty() {
                    true => !faults.is_empty() && faults.is_subset(&(others | unsure)),
                    false => faults == *of_schema,
                };
                ensure!(
                    is_right,
                    "it may be refused for {of_schema:?} or else {others:?} or {unsure:?}, and is for {faults:?}: {error}"
                );
                Ok(())
            }
            Ok(_) if is_refused => Err(format!(
                "it is to be refused for {of_schema:?} or else {others:?}, and is not"
            )),
            Ok(df) => self.is_made(&df),
        }
    }

    fn is_made(&self, df: &DataFrame) -> Checked {
        ensure!(
            df.shape() == (self.height, self.columns.len()),
            "the frame is {:?}",
            df.shape()
        );
        for (column, (name, dtype, values)) in df.columns().iter().zip(&self.columns) {
            is_column(column, name, Some(dtype), values)?;
            is_sound(column, values)?;
            let chunks = column.as_materialized_series().n_chunks();
            ensure!(
                self.chunks == 0 || *dtype == DataType::Null || chunks == self.chunks,
                "column {name:?} has {chunks} chunks of {} batches",
                self.chunks
            );
        }
        // The frame is converted to Arrow again.
        let batches = df.to_batches().map_err(|error| error.to_string())?;
        are_batches_of(&batches, df)
    }
}

/// Checks that a column knows how many nulls it has, and has the same values after its memory was copied.
fn is_sound(column: &Column, values: &[Value]) -> Checked {
    let nulls = values.iter().filter(|value| **value == Value::Null).count();
    let is = column.null_count();
    ensure!(
        is == nulls,
        "column {:?} says that it has {is} nulls, and has {nulls}",
        column.name()
    );
    let name = column.name().clone();
    is_column(&column.rechunk(), &name, Some(column.dtype()), values)?;
    let rows = (0..values.len()).rev().map(|row| row as IdxSize);
    let rows = IdxCa::from_vec("".into(), rows.collect());
    let reversed = column.take(&rows).map_err(|error| error.to_string())?;
    let values: Vec<Value> = values.iter().rev().cloned().collect();
    is_column(&reversed, &name, Some(column.dtype()), &values)
}
