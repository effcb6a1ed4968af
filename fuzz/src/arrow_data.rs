//! Plans of arrow-rs batches: of every type that a schema can have, with nulls, slices, and arrays that differ from their schema.

use std::collections::HashMap;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use arrow_array::types as a;
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryViewArray, BooleanArray, DictionaryArray,
    FixedSizeBinaryArray, FixedSizeListArray, GenericBinaryArray, GenericListArray,
    GenericStringArray, MapArray, NullArray, OffsetSizeTrait, PrimitiveArray, RecordBatch,
    StringViewArray, StructArray, new_null_array,
};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::{
    DataType, Field, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit, UnionFields, UnionMode,
};

use crate::frame::{Draw, NAMES, WORDS};
use crate::options::rarely;

/// What a field's metadata say about the categories of its dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Those of an Enum.
    Enum(&'static [&'static str]),
    /// A Categorical: the name of the categories, their namespace, and the bits of their numbers.
    Categories(&'static str, &'static str, u8),
    /// Text that cannot be read.
    Unreadable,
}

/// Metadata as Polars writes them, and as another program may write them.
pub const MARKS: [(&str, &str, Mark); 22] = [
    ("_PL_ENUM_VALUES2", ALL_WORDS, Mark::Enum(&WORDS)),
    ("_PL_ENUM_VALUES", ALL_WORDS, Mark::Enum(&WORDS)),
    ("_PL_ENUM_VALUES2", "2;bb1;a", Mark::Enum(&["bb", "a"])),
    ("_PL_ENUM_VALUES2", "0;", Mark::Enum(&[""])),
    ("_PL_ENUM_VALUES2", "", Mark::Enum(&[])),
    ("_PL_ENUM_VALUES2", "1;a1;a", Mark::Unreadable),
    ("_PL_ENUM_VALUES2", "1;a2;b", Mark::Unreadable),
    ("_PL_ENUM_VALUES2", "x;a", Mark::Unreadable),
    ("_PL_ENUM_VALUES2", "-1;a", Mark::Unreadable),
    ("_PL_ENUM_VALUES2", "1;ü", Mark::Unreadable),
    ("_PL_ENUM_VALUES", "none", Mark::Unreadable),
    (
        "_PL_CATEGORICAL2",
        "6;narrow4;fuzzu8;",
        Mark::Categories("narrow", "fuzz", 8),
    ),
    (
        "_PL_CATEGORICAL2",
        "5;other0;u16;",
        Mark::Categories("other", "", 16),
    ),
    (
        "_PL_CATEGORICAL2",
        "5;other0;u16;and more",
        Mark::Categories("other", "", 16),
    ),
    (
        "_PL_CATEGORICAL2",
        "6;narrow4;fuzzu32;",
        Mark::Categories("narrow", "fuzz", 32),
    ),
    ("_PL_CATEGORICAL2", "0;0;u32;", Mark::Categories("", "", 32)),
    ("_PL_CATEGORICAL2", "", Mark::Unreadable),
    ("_PL_CATEGORICAL2", "6;narrow", Mark::Unreadable),
    ("_PL_CATEGORICAL2", "1;ü4;fuzzu8;", Mark::Unreadable),
    ("_PL_CATEGORICAL2", "6;narrow4;fuzzu9;", Mark::Unreadable),
    ("_PL_CATEGORICAL2", "6;narrow4;fuzzu8", Mark::Unreadable),
    ("_PL_CATEGORICAL2", "9;narrow4;fuzzu8;", Mark::Unreadable),
];

const ALL_WORDS: &str =
    "0;1;a2;bb12;twelve bytes13;thirteen byte37;a text of more bytes, and ünïcödé";

/// Returns what a field's metadata say about categories, if anything.
pub fn mark(field: &Field) -> Option<Mark> {
    let is_there = |(key, text, _): &&(&str, &str, Mark)| {
        field.metadata().get(key).is_some_and(|is| is == text)
    };
    MARKS.iter().find(is_there).map(|(_, _, mark)| *mark)
}

/// Time zones, and the zones that Polars has for them.
pub const ZONES: [(&str, Option<&str>); 10] = [
    ("UTC", Some("UTC")),
    ("Europe/Berlin", Some("Europe/Berlin")),
    ("+02:00", Some("Etc/GMT-2")),
    ("+00:00", Some("UTC")),
    ("Etc/GMT-2", Some("Etc/GMT-2")),
    ("+05:30", None),
    ("Nowhere/City", None),
    ("*", None),
    (" ", None),
    ("U\0TC", None),
];

const UNITS: [TimeUnit; 4] = [
    TimeUnit::Second,
    TimeUnit::Millisecond,
    TimeUnit::Microsecond,
    TimeUnit::Nanosecond,
];

fn data_type(u: &mut Unstructured<'_>, depth: u8) -> Result<DataType> {
    use DataType as A;

    let item = |u: &mut Unstructured<'_>| Ok(Arc::new(field(u, "item", depth - 1)?));
    let last = if depth > 0 { 35 } else { 26 };
    Ok(match u.int_in_range(0..=last)? {
        0 => A::Int64,
        1 => A::Int8,
        2 => A::Int16,
        3 => A::Int32,
        4 => A::UInt8,
        5 => A::UInt16,
        6 => A::UInt32,
        7 => A::UInt64,
        8 => A::Float32,
        9 => A::Float64,
        10 => A::Boolean,
        11 => A::Null,
        12 | 13 => u.choose(&[A::Utf8View, A::Utf8, A::LargeUtf8])?.clone(),
        14 => u
            .choose(&[A::BinaryView, A::Binary, A::LargeBinary])?
            .clone(),
        15 => A::FixedSizeBinary(*u.choose(&[1, 2, 3, 17, 0])?),
        16 => u.choose(&[A::Date32, A::Date64])?.clone(),
        17 => u
            .choose(&[
                A::Time32(TimeUnit::Second),
                A::Time32(TimeUnit::Millisecond),
                A::Time64(TimeUnit::Microsecond),
                A::Time64(TimeUnit::Nanosecond),
            ])?
            .clone(),
        18 | 19 => {
            let zone = match u.int_in_range(0..=2)? {
                0 => None,
                1 => Some("UTC"),
                _ => Some(u.choose(&ZONES)?.0),
            };
            A::Timestamp(*u.choose(&UNITS)?, zone.map(Arc::from))
        }
        20 => A::Duration(*u.choose(&UNITS)?),
        21 | 22 => decimal(u)?,
        // Polars has no dtype for these.
        23 => u
            .choose(&[
                A::Float16,
                A::Interval(IntervalUnit::YearMonth),
                A::Interval(IntervalUnit::DayTime),
                A::Interval(IntervalUnit::MonthDayNano),
                A::Time32(TimeUnit::Nanosecond),
                A::Time64(TimeUnit::Second),
                A::FixedSizeBinary(-1),
            ])?
            .clone(),
        24..=26 => {
            let keys = u.choose(&[
                A::Int32,
                A::UInt32,
                A::Int8,
                A::Int16,
                A::Int64,
                A::UInt8,
                A::UInt16,
                A::UInt64,
            ])?;
            let values = match rarely(u, 3)? {
                true => data_type(u, depth.min(1))?,
                false => u.choose(&[A::Utf8, A::Utf8View, A::LargeUtf8])?.clone(),
            };
            A::Dictionary(Box::new(keys.clone()), Box::new(values))
        }
        27 | 28 => A::List(item(u)?),
        29 => A::LargeList(item(u)?),
        30 => A::FixedSizeList(item(u)?, *u.choose(&[1, 2, 3, 0])?),
        31..=33 => {
            let fields = u.int_in_range(0..=3)?;
            let fields = (0..fields).map(|position| {
                let name = any_name(u, position)?;
                field(u, name, depth - 1)
            });
            A::Struct(fields.collect::<Result<Fields>>()?)
        }
        34 => {
            let name = if rarely(u, 20)? { "key" } else { "value" };
            let key = field(u, "key", depth - 1)?.with_nullable(false);
            let value = field(u, name, depth - 1)?;
            let entries = Field::new("entries", A::Struct(vec![key, value].into()), false);
            A::Map(Arc::new(entries), u.arbitrary()?)
        }
        _ => match u.int_in_range(0..=4)? {
            0 => A::ListView(item(u)?),
            1 => A::LargeListView(item(u)?),
            2 => A::Union(
                UnionFields::try_new([3, 5], [field(u, "a", 0)?, field(u, "b", 0)?])
                    .expect("they have ids of their own"),
                *u.choose(&[UnionMode::Sparse, UnionMode::Dense])?,
            ),
            3 => A::FixedSizeList(item(u)?, -1),
            _ => A::RunEndEncoded(Arc::new(Field::new("run_ends", A::Int32, false)), item(u)?),
        },
    })
}

fn decimal(u: &mut Unstructured<'_>) -> Result<DataType> {
    let precisions: &[u8];
    let decimal = match u.int_in_range(0..=7)? {
        0..=3 => {
            precisions = &[5, 12, 38, 1, 19, 0, 39];
            DataType::Decimal128
        }
        4 => {
            precisions = &[5, 9, 1, 0, 10];
            DataType::Decimal32
        }
        5 | 6 => {
            precisions = &[12, 18, 10, 0, 39];
            DataType::Decimal64
        }
        _ => {
            precisions = &[5, 38, 76];
            DataType::Decimal256
        }
    };
    let precision = *u.choose(precisions)?;
    let most = precision as i8;
    let scale = match u.int_in_range(0..=15)? {
        0..=4 => 0,
        5..=9 => 2.min(most),
        10..=13 => most,
        14 => -1,
        _ => most + 1,
    };
    Ok(decimal(precision, scale))
}

/// The name of the field at a position; most often a unique one.
fn any_name(u: &mut Unstructured<'_>, position: usize) -> Result<&'static str> {
    Ok(match u.int_in_range(0..=31)? {
        31 => "zero\0byte",
        30 => "",
        29 => NAMES[0],
        _ => NAMES[position],
    })
}

fn field(u: &mut Unstructured<'_>, name: &str, depth: u8) -> Result<Field> {
    let dtype = data_type(u, depth)?;
    let is_dictionary = matches!(dtype, DataType::Dictionary(..));
    let field = Field::new(name, dtype, !rarely(u, 4)?);
    let mut metadata = HashMap::new();
    let mut add = |key: &str, value: &str| {
        metadata.insert(key.to_owned(), value.to_owned());
    };
    if rarely(u, if is_dictionary { 2 } else { 60 })? {
        let (key, value, _) = u.choose(&MARKS)?;
        add(key, value);
    }
    match u.int_in_range(0..=31)? {
        31 => add("ARROW:extension:name", "fuzz.kind"),
        30 => {
            add("ARROW:extension:name", "POLARS_EXTENSION_TYPE");
            add("ARROW:extension:metadata", "1;2");
        }
        29 => add("ARROW:extension:name", ""),
        28 => add("pl", "maintain_type"),
        27 => add("made by", "somebody else"),
        _ => {}
    }
    Ok(match metadata.is_empty() {
        true => field,
        false => field.with_metadata(metadata),
    })
}

/// A field of a dictionary with at most 256 categories, or of a type that contains one.
fn few_categories(u: &mut Unstructured<'_>, name: &str) -> Result<Field> {
    let keys = u.choose(&[DataType::UInt16, DataType::UInt8, DataType::Int64])?;
    let dictionary = DataType::Dictionary(Box::new(keys.clone()), Box::new(DataType::Utf8));
    let metadata = HashMap::from([(
        "_PL_CATEGORICAL2".to_owned(),
        "6;narrow4;fuzzu8;".to_owned(),
    )]);
    let mut field = Field::new("a", dictionary, true).with_metadata(metadata);
    for _ in 0..u.int_in_range(0..=2)? {
        let within = match u.int_in_range(0..=2)? {
            0 => DataType::Struct(vec![field].into()),
            1 => DataType::List(Arc::new(field)),
            _ => DataType::FixedSizeList(Arc::new(field), 1),
        };
        field = Field::new("a", within, true);
    }
    Ok(field.with_name(name))
}

/// How the arrays of a case are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrays {
    /// Whether values are often the smallest and largest of their types.
    pub edges: bool,
    /// Whether there may be nulls although the schema says that there are none, and keys without a value.
    pub lies: bool,
    /// Whether they are slices of longer ones, at any depth.
    pub sliced: bool,
    /// Whether dictionaries of text have as many values as there are rows, which are more than some categories may be.
    pub many: bool,
}

/// A batch.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchPlan {
    pub rows: usize,
    pub seed: u8,
    /// Its fields, if it does not share the schema of the others.
    pub own: Option<Vec<Field>>,
}

/// Batches, and the schema of their reader.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchesPlan {
    pub schema: Vec<Field>,
    pub arrays: Arrays,
    pub batches: Vec<BatchPlan>,
}

impl BatchesPlan {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let width = *u.choose(&[1, 1, 1, 2, 2, 3, 0])?;
        let schema = (0..width).map(|position| {
            let name = any_name(u, position)?;
            let depth = *u.choose(&[1, 0, 2, 3])?;
            field(u, name, depth)
        });
        let mut schema = schema.collect::<Result<Vec<_>>>()?;
        let arrays = Arrays {
            edges: rarely(u, 4)?,
            lies: rarely(u, 4)?,
            sliced: u.arbitrary()?,
            many: rarely(u, 16)?,
        };
        if arrays.many
            && let Some(first) = schema.first_mut()
        {
            *first = few_categories(u, first.name())?;
        }
        let batches = *u.choose(&[1, 1, 2, 2, 3, 0])?;
        let batches = (0..batches).map(|_| {
            Ok(BatchPlan {
                rows: match arrays.many {
                    true => u.int_in_range(0..=300)?,
                    false => u.int_in_range(0..=8)?,
                },
                seed: u.arbitrary()?,
                own: match rarely(u, 5)? {
                    true => Some(other_fields(u, &schema)?),
                    false => None,
                },
            })
        });
        let batches = batches.collect::<Result<_>>()?;
        Ok(BatchesPlan {
            schema,
            arrays,
            batches,
        })
    }

    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.schema.clone()))
    }

    pub fn fields<'p>(&'p self, batch: &'p BatchPlan) -> &'p [Field] {
        batch.own.as_deref().unwrap_or(&self.schema)
    }

    pub fn batches(&self) -> Vec<RecordBatch> {
        let schema = self.schema();
        let batch = |plan: &BatchPlan| {
            let schema = match &plan.own {
                Some(fields) => Arc::new(Schema::new(fields.clone())),
                None => Arc::clone(&schema),
            };
            let mut draw = Draw::new(plan.seed.into());
            let fields = self.fields(plan).iter();
            let columns = fields.map(|field| self.arrays.array(field, plan.rows, &mut draw));
            // SAFETY: each column has this many rows, and has its field's type, unless nothing takes that type.
            unsafe { RecordBatch::new_unchecked(schema, columns.collect(), plan.rows) }
        };
        self.batches.iter().map(batch).collect()
    }
}

/// Returns fields that differ a little from these.
fn other_fields(u: &mut Unstructured<'_>, fields: &[Field]) -> Result<Vec<Field>> {
    let mut other = fields.to_vec();
    let Some(last) = other.pop() else {
        return Ok(vec![field(u, "a", 1)?]);
    };
    match u.int_in_range(0..=7)? {
        0 | 1 => other.push(last),
        2 => other.push(last.with_name("renamed")),
        3 => {
            let nullable = !last.is_nullable();
            other.push(last.with_nullable(nullable));
        }
        4 => {
            let name = last.name().clone();
            other.push(field(u, &name, 1)?);
        }
        5 => {}
        6 => other.insert(0, last),
        _ => {
            let metadata = HashMap::from([("of".to_owned(), "another".to_owned())]);
            other.push(last.with_metadata(metadata));
        }
    }
    Ok(other)
}

impl Arrays {
    fn array(self, field: &Field, rows: usize, draw: &mut Draw) -> ArrayRef {
        if !self.sliced || draw.one_in(2) {
            return self.whole(field, rows, draw);
        }
        let (before, after) = ((draw.bits() % 10) as usize, (draw.bits() % 3) as usize);
        let whole = self.whole(field, before + rows + after, draw);
        whole.slice(before, rows)
    }

    fn nulls(self, field: &Field, rows: usize, draw: &mut Draw) -> Option<NullBuffer> {
        let may_be = field.is_nullable() || self.lies && draw.one_in(2);
        if !may_be || draw.one_in(3) {
            return None;
        }
        let often = 1 + draw.bits() % 5;
        let valid: Vec<bool> = (0..rows).map(|_| !draw.one_in(often)).collect();
        Some(valid.into())
    }

    fn int(self, draw: &mut Draw) -> i128 {
        match self.edges {
            true => draw.int(),
            false => i128::from(draw.bits() as i16),
        }
    }

    /// An array that is not a slice itself.
    fn whole(self, field: &Field, rows: usize, draw: &mut Draw) -> ArrayRef {
        use DataType as A;

        let dtype = field.data_type();
        let nulls = self.nulls(field, rows, draw);
        macro_rules! numbers {
            ($T:ty) => {
                numbers!($T, |x| x as <$T as ArrowPrimitiveType>::Native)
            };
            ($T:ty, $of:expr) => {{
                let of = $of;
                let values: Vec<<$T as ArrowPrimitiveType>::Native> =
                    (0..rows).map(|_| of(self.int(draw))).collect();
                let array = PrimitiveArray::<$T>::new(values.into(), nulls);
                Arc::new(array.with_data_type(dtype.clone()))
            }};
        }
        macro_rules! floats {
            ($T:ty, $N:ty) => {{
                let values: Vec<$N> = (0..rows).map(|_| draw.float() as $N).collect();
                Arc::new(PrimitiveArray::<$T>::new(values.into(), nulls))
            }};
        }
        // Times that are in no day are rare, since one is enough.
        macro_rules! times {
            ($T:ty, $day:expr) => {{
                let is_any = self.edges && draw.one_in(2);
                numbers!($T, |x: i128| match is_any {
                    true => x as <$T as ArrowPrimitiveType>::Native,
                    false => x.rem_euclid($day) as <$T as ArrowPrimitiveType>::Native,
                })
            }};
        }
        match dtype {
            A::Null => Arc::new(NullArray::new(rows)),
            A::Boolean => {
                let values: Vec<bool> = (0..rows).map(|_| draw.one_in(2)).collect();
                Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls))
            }
            A::Int8 => numbers!(a::Int8Type),
            A::Int16 => numbers!(a::Int16Type),
            A::Int32 => numbers!(a::Int32Type),
            A::Int64 => numbers!(a::Int64Type),
            A::UInt8 => numbers!(a::UInt8Type),
            A::UInt16 => numbers!(a::UInt16Type),
            A::UInt32 => numbers!(a::UInt32Type),
            A::UInt64 => numbers!(a::UInt64Type),
            A::Float32 => floats!(a::Float32Type, f32),
            A::Float64 => floats!(a::Float64Type, f64),
            A::Date32 => numbers!(a::Date32Type),
            A::Date64 => numbers!(a::Date64Type),
            A::Time32(TimeUnit::Second) => times!(a::Time32SecondType, 86_400),
            A::Time32(TimeUnit::Millisecond) => times!(a::Time32MillisecondType, 86_400_000),
            A::Time64(TimeUnit::Microsecond) => {
                times!(a::Time64MicrosecondType, 86_400_000_000)
            }
            A::Time64(TimeUnit::Nanosecond) => {
                times!(a::Time64NanosecondType, 86_400_000_000_000)
            }
            A::Timestamp(TimeUnit::Second, _) => numbers!(a::TimestampSecondType),
            A::Timestamp(TimeUnit::Millisecond, _) => numbers!(a::TimestampMillisecondType),
            A::Timestamp(TimeUnit::Microsecond, _) => numbers!(a::TimestampMicrosecondType),
            A::Timestamp(TimeUnit::Nanosecond, _) => numbers!(a::TimestampNanosecondType),
            A::Duration(TimeUnit::Second) => numbers!(a::DurationSecondType),
            A::Duration(TimeUnit::Millisecond) => numbers!(a::DurationMillisecondType),
            A::Duration(TimeUnit::Microsecond) => numbers!(a::DurationMicrosecondType),
            A::Duration(TimeUnit::Nanosecond) => numbers!(a::DurationNanosecondType),
            A::Decimal32(precision, _) => {
                let bound = 10i128.pow((*precision).min(9).into());
                numbers!(a::Decimal32Type, |x| (x % bound) as i32)
            }
            A::Decimal64(precision, _) => {
                let bound = 10i128.pow((*precision).min(18).into());
                numbers!(a::Decimal64Type, |x| (x % bound) as i64)
            }
            A::Decimal128(precision, _) => {
                let bound = 10i128.pow((*precision).min(38).into());
                numbers!(a::Decimal128Type, |x| x % bound)
            }
            A::Utf8 => Arc::new(texts::<i32>(rows, draw, nulls)),
            A::LargeUtf8 => Arc::new(texts::<i64>(rows, draw, nulls)),
            A::Utf8View => {
                let texts = (0..rows).map(|_| draw.text());
                let (views, buffers, _) = StringViewArray::from_iter_values(texts).into_parts();
                Arc::new(StringViewArray::new(views, buffers, nulls))
            }
            A::Binary => Arc::new(binaries::<i32>(rows, draw, nulls)),
            A::LargeBinary => Arc::new(binaries::<i64>(rows, draw, nulls)),
            A::BinaryView => {
                let values = (0..rows).map(|_| bytes(draw));
                let (views, buffers, _) = BinaryViewArray::from_iter_values(values).into_parts();
                Arc::new(BinaryViewArray::new(views, buffers, nulls))
            }
            A::FixedSizeBinary(width @ 0..) => {
                let length = rows * *width as usize;
                let values: Vec<u8> = (0..length).map(|_| draw.bits() as u8).collect();
                let values = Buffer::from(values);
                // SAFETY: the lengths are right.
                Arc::new(unsafe {
                    FixedSizeBinaryArray::new_unchecked(*width, values, nulls, rows)
                })
            }
            A::List(item) => Arc::new(self.list::<i32>(item, rows, draw, nulls)),
            A::LargeList(item) => Arc::new(self.list::<i64>(item, rows, draw, nulls)),
            A::FixedSizeList(item, width @ 0..) => {
                let values = self.array(item, rows * *width as usize, draw);
                let item = Arc::clone(item);
                // SAFETY: the lengths are right. Here and below there may be nulls in a field that says that it has none, but they make no code
                // read a buffer beyond its end.
                Arc::new(unsafe {
                    FixedSizeListArray::new_unchecked(item, *width, values, nulls, rows)
                })
            }
            A::Struct(fields) => Arc::new(self.fields(fields, rows, draw, nulls)),
            A::Map(entries, is_sorted) => {
                let A::Struct(fields) = entries.data_type() else {
                    unreachable!("entries are structs");
                };
                let (offsets, length) = offsets::<i32>(rows, draw);
                let entries_nulls = self.nulls(entries, length, draw);
                let values = self.fields(fields, length, draw, entries_nulls);
                let entries = Arc::clone(entries);
                // SAFETY: as above.
                Arc::new(unsafe {
                    MapArray::new_unchecked(entries, offsets, values, nulls, *is_sorted)
                })
            }
            A::Dictionary(keys, values, ..) => {
                let count = match (rows, self.many) {
                    (0, _) => 0,
                    (rows, true) => rows.min(most_keys(keys)),
                    _ => 1 + (draw.bits() % 6) as usize,
                };
                let mut texts = || self.texts_of_dictionary(count, draw).into_iter();
                let values = match **values {
                    A::Utf8 => Arc::new(texts().collect::<GenericStringArray<i32>>()) as ArrayRef,
                    A::LargeUtf8 => Arc::new(texts().collect::<GenericStringArray<i64>>()),
                    A::Utf8View => Arc::new(texts().collect::<StringViewArray>()),
                    _ => {
                        let values = Field::new("values", (**values).clone(), true);
                        self.array(&values, count, draw)
                    }
                };
                macro_rules! of_keys {
                    ($K:ty) => {
                        Arc::new(self.dictionary::<$K>(values, rows, draw, nulls))
                    };
                }
                match **keys {
                    A::Int8 => of_keys!(a::Int8Type),
                    A::Int16 => of_keys!(a::Int16Type),
                    A::Int32 => of_keys!(a::Int32Type),
                    A::Int64 => of_keys!(a::Int64Type),
                    A::UInt8 => of_keys!(a::UInt8Type),
                    A::UInt16 => of_keys!(a::UInt16Type),
                    A::UInt32 => of_keys!(a::UInt32Type),
                    _ => of_keys!(a::UInt64Type),
                }
            }
            A::Float16 | A::Interval(_) | A::Decimal256(..) => new_null_array(dtype, rows),
            // The remaining types cannot become a frame, and some of them have no arrays here.
            _ => Arc::new(NullArray::new(rows)),
        }
    }

    fn list<O: OffsetSizeTrait>(
        self,
        item: &Arc<Field>,
        rows: usize,
        draw: &mut Draw,
        nulls: Option<NullBuffer>,
    ) -> GenericListArray<O> {
        let (offsets, length) = offsets(rows, draw);
        let values = self.array(item, length, draw);
        // SAFETY: as above.
        unsafe { GenericListArray::new_unchecked(Arc::clone(item), offsets, values, nulls) }
    }

    fn fields(
        self,
        fields: &Fields,
        rows: usize,
        draw: &mut Draw,
        nulls: Option<NullBuffer>,
    ) -> StructArray {
        let arrays = fields.iter().map(|field| self.array(field, rows, draw));
        let arrays = arrays.collect();
        // SAFETY: as above.
        unsafe { StructArray::new_unchecked_with_length(fields.clone(), arrays, nulls, rows) }
    }

    /// The values of a dictionary. Some may be null, and some may be equal.
    fn texts_of_dictionary(self, count: usize, draw: &mut Draw) -> Vec<Option<String>> {
        let first = draw.bits() % 3 * 150;
        let text = |position: u64| match self.many {
            true => Some((first + position).to_string()),
            false => (!draw.one_in(6)).then(|| draw.word().to_owned()),
        };
        (0..count as u64).map(text).collect()
    }

    fn dictionary<K: a::ArrowDictionaryKeyType>(
        self,
        values: ArrayRef,
        rows: usize,
        draw: &mut Draw,
        nulls: Option<NullBuffer>,
    ) -> DictionaryArray<K> {
        let beyond = self.lies && draw.one_in(4);
        let count = values.len();
        let keys = (0..rows).map(|row| {
            let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            // Under a null, the key may be any.
            let key = match is_null || beyond && draw.one_in(8) {
                true => draw.bits() as usize % 128,
                false if self.many => row % count,
                false => draw.bits() as usize % count,
            };
            K::Native::usize_as(key)
        });
        let keys = keys.collect::<Vec<_>>();
        let keys = PrimitiveArray::<K>::new(keys.into(), nulls);
        // SAFETY: all readers check whether there is such a value.
        unsafe { DictionaryArray::new_unchecked(keys, values) }
    }
}

/// Lists of up to three items, which need not begin with the first nor end with the last.
fn offsets<O: OffsetSizeTrait>(rows: usize, draw: &mut Draw) -> (OffsetBuffer<O>, usize) {
    let mut end = (draw.bits() % 3) as usize;
    let mut offsets = vec![O::usize_as(end)];
    for _ in 0..rows {
        end += (draw.bits() % 4) as usize;
        offsets.push(O::usize_as(end));
    }
    let unused = (draw.bits() % 3) as usize;
    (OffsetBuffer::new(offsets.into()), end + unused)
}

fn texts<O: OffsetSizeTrait>(
    rows: usize,
    draw: &mut Draw,
    nulls: Option<NullBuffer>,
) -> GenericStringArray<O> {
    let texts = (0..rows).map(|_| draw.text());
    let (offsets, values, _) = GenericStringArray::from_iter_values(texts).into_parts();
    GenericStringArray::new(offsets, values, nulls)
}

fn binaries<O: OffsetSizeTrait>(
    rows: usize,
    draw: &mut Draw,
    nulls: Option<NullBuffer>,
) -> GenericBinaryArray<O> {
    let values = (0..rows).map(|_| bytes(draw));
    let (offsets, values, _) = GenericBinaryArray::from_iter_values(values).into_parts();
    GenericBinaryArray::new(offsets, values, nulls)
}

fn bytes(draw: &mut Draw) -> Vec<u8> {
    let mut bytes = draw.text().into_bytes();
    bytes.push(draw.bits() as u8);
    bytes
}

/// How many values the keys may refer to.
fn most_keys(keys: &DataType) -> usize {
    match keys {
        DataType::Int8 => 128,
        DataType::UInt8 => 256,
        _ => usize::MAX,
    }
}
