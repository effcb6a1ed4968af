//! Plans of frames: of every dtype, with nulls, in very different layouts.

use arbitrary::{Result, Unstructured};
use polars::prelude::{
    AnyValue, CategoricalPhysical, Categories, Column, DataFrame, DataType, FrozenCategories,
    IdxCa, IdxSize, IntoColumn, IntoSeries, NamedFrom, NewChunkedArray, Scalar, Series,
    StructChunked, TimeUnit, TimeZone,
};
use polars_arrow::bitmap::Bitmap;

/// The words that texts, categories and lists are made of, with different lengths.
pub const WORDS: [&str; 6] = [
    "",
    "a",
    "bb",
    "twelve bytes",
    "thirteen byte",
    "a text of more bytes, and ünïcödé",
];

/// The kind of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Int8,
    Int16,
    Int32,
    Int64,
    Int128,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float32,
    Float64,
    Bool,
    Text,
    Binary,
    Date,
    Time,
    Datetime(TimeUnit),
    Zoned(TimeUnit),
    Duration(TimeUnit),
    Decimal(usize, usize),
    Categorical,
    NarrowCategorical,
    Enum,
    ListOfInts,
    ListOfSmallInts,
    ListOfTexts,
    ArrayOfInts,
    Struct,
    Null,
}

const MS: TimeUnit = TimeUnit::Milliseconds;
const US: TimeUnit = TimeUnit::Microseconds;
const NS: TimeUnit = TimeUnit::Nanoseconds;

pub const KINDS: [Kind; 38] = [
    Kind::Int8,
    Kind::Int16,
    Kind::Int32,
    Kind::Int64,
    Kind::Int128,
    Kind::UInt8,
    Kind::UInt16,
    Kind::UInt32,
    Kind::UInt64,
    Kind::Float32,
    Kind::Float64,
    Kind::Bool,
    Kind::Text,
    Kind::Binary,
    Kind::Date,
    Kind::Time,
    Kind::Datetime(MS),
    Kind::Datetime(US),
    Kind::Datetime(NS),
    Kind::Zoned(MS),
    Kind::Zoned(US),
    Kind::Zoned(NS),
    Kind::Duration(MS),
    Kind::Duration(US),
    Kind::Duration(NS),
    Kind::Decimal(12, 2),
    Kind::Decimal(38, 0),
    Kind::Decimal(38, 30),
    Kind::Decimal(38, 38),
    Kind::Categorical,
    Kind::NarrowCategorical,
    Kind::Enum,
    Kind::ListOfInts,
    Kind::ListOfSmallInts,
    Kind::ListOfTexts,
    Kind::ArrayOfInts,
    Kind::Struct,
    Kind::Null,
];

impl Kind {
    pub fn dtype(self) -> DataType {
        let list = |inner| DataType::List(Box::new(inner));
        match self {
            Kind::Int8 => DataType::Int8,
            Kind::Int16 => DataType::Int16,
            Kind::Int32 => DataType::Int32,
            Kind::Int64 => DataType::Int64,
            Kind::Int128 => DataType::Int128,
            Kind::UInt8 => DataType::UInt8,
            Kind::UInt16 => DataType::UInt16,
            Kind::UInt32 => DataType::UInt32,
            Kind::UInt64 => DataType::UInt64,
            Kind::Float32 => DataType::Float32,
            Kind::Float64 => DataType::Float64,
            Kind::Bool => DataType::Boolean,
            Kind::Text => DataType::String,
            Kind::Binary => DataType::Binary,
            Kind::Date => DataType::Date,
            Kind::Time => DataType::Time,
            Kind::Datetime(unit) => DataType::Datetime(unit, None),
            Kind::Zoned(unit) => DataType::Datetime(unit, Some(TimeZone::UTC)),
            Kind::Duration(unit) => DataType::Duration(unit),
            Kind::Decimal(precision, scale) => DataType::Decimal(precision, scale),
            Kind::Categorical => DataType::from_categories(Categories::global()),
            Kind::NarrowCategorical => DataType::from_categories(Categories::new(
                "narrow".into(),
                "fuzz".into(),
                CategoricalPhysical::U8,
            )),
            Kind::Enum => DataType::from_frozen_categories(
                FrozenCategories::new(WORDS).expect("no word twice"),
            ),
            Kind::ListOfInts => list(DataType::Int64),
            Kind::ListOfSmallInts => list(DataType::Int16),
            Kind::ListOfTexts => list(DataType::String),
            Kind::ArrayOfInts => DataType::Array(Box::new(DataType::Int64), 2),
            Kind::Struct => DataType::Struct(vec![
                polars::prelude::Field::new("x".into(), DataType::Int64),
                polars::prelude::Field::new("y".into(), DataType::String),
            ]),
            Kind::Null => DataType::Null,
        }
    }

    /// Returns a column without nulls, except within lists, arrays and structs.
    pub fn series(self, name: &str, of: &mut Draw, rows: usize) -> Series {
        let name = || name.into();
        macro_rules! numbers {
            ($T:ty) => {
                Series::new(
                    name(),
                    (0..rows).map(|_| of.int() as $T).collect::<Vec<$T>>(),
                )
            };
        }
        let as_dtype = |series: Series| {
            let cast = series.strict_cast(&self.dtype());
            cast.expect("the dtype holds every value")
        };
        match self {
            Kind::Int8 => numbers!(i8),
            Kind::Int16 => numbers!(i16),
            Kind::Int32 => numbers!(i32),
            Kind::Int64 => numbers!(i64),
            Kind::Int128 => numbers!(i128),
            Kind::UInt8 => numbers!(u8),
            Kind::UInt16 => numbers!(u16),
            Kind::UInt32 => numbers!(u32),
            Kind::UInt64 => numbers!(u64),
            Kind::Float32 => Series::new(
                name(),
                (0..rows).map(|_| of.float() as f32).collect::<Vec<f32>>(),
            ),
            Kind::Float64 => {
                Series::new(name(), (0..rows).map(|_| of.float()).collect::<Vec<f64>>())
            }
            Kind::Bool => Series::new(
                name(),
                (0..rows).map(|_| of.one_in(2)).collect::<Vec<bool>>(),
            ),
            Kind::Text => Series::new(
                name(),
                (0..rows).map(|_| of.text()).collect::<Vec<String>>(),
            ),
            Kind::Binary => {
                let bytes = (0..rows).map(|_| {
                    let mut bytes = of.text().into_bytes();
                    bytes.push(of.bits() as u8);
                    bytes
                });
                Series::new(name(), bytes.collect::<Vec<Vec<u8>>>())
            }
            Kind::Date => {
                let days = (0..rows).map(|_| of.int() as i32).collect::<Vec<i32>>();
                as_dtype(Series::new(name(), days))
            }
            Kind::Time => {
                let of_day = (0..rows).map(|_| (of.int() as i64).rem_euclid(86_400_000_000_000));
                as_dtype(Series::new(name(), of_day.collect::<Vec<i64>>()))
            }
            Kind::Datetime(_) | Kind::Zoned(_) | Kind::Duration(_) => {
                let counts = (0..rows).map(|_| of.int() as i64).collect::<Vec<i64>>();
                as_dtype(Series::new(name(), counts))
            }
            Kind::Decimal(precision, scale) => {
                let bound = 10i128.pow(precision as u32);
                let counts =
                    (0..rows).map(|_| AnyValue::Decimal(of.int() % bound, precision, scale));
                let counts = counts.collect::<Vec<_>>();
                Series::from_any_values_and_dtype(name(), &counts, &self.dtype(), true)
                    .expect("they are of the dtype")
            }
            Kind::Categorical | Kind::NarrowCategorical | Kind::Enum => as_dtype(Series::new(
                name(),
                (0..rows).map(|_| of.word()).collect::<Vec<&str>>(),
            )),
            Kind::ListOfInts | Kind::ListOfSmallInts | Kind::ArrayOfInts => {
                let lists = (0..rows).map(|_| {
                    let len = if self == Kind::ArrayOfInts {
                        2
                    } else {
                        of.bits() % 4
                    };
                    let items = (0..len).map(|_| {
                        let item = of.int() as i16;
                        (!of.one_in(8)).then_some(i64::from(item))
                    });
                    Series::new("".into(), items.collect::<Vec<Option<i64>>>())
                });
                let lists = Series::new(name(), lists.collect::<Vec<Series>>());
                match rows {
                    0 => Series::new_empty(name(), &self.dtype()),
                    _ => as_dtype(lists),
                }
            }
            Kind::ListOfTexts => {
                let lists = (0..rows).map(|_| {
                    let len = of.bits() % 4;
                    let items = (0..len).map(|_| (!of.one_in(8)).then(|| of.word()));
                    Series::new("".into(), items.collect::<Vec<Option<&str>>>())
                });
                match rows {
                    0 => Series::new_empty(name(), &self.dtype()),
                    _ => Series::new(name(), lists.collect::<Vec<Series>>()),
                }
            }
            Kind::Struct => {
                let x = (0..rows).map(|_| (!of.one_in(8)).then_some(1));
                let x = x.collect::<Vec<Option<i64>>>();
                let x = x.into_iter().map(|x| x.map(|_| of.int() as i64));
                let x = Series::new("x".into(), x.collect::<Vec<Option<i64>>>());
                let y = (0..rows).map(|_| (!of.one_in(8)).then(|| of.word()));
                let y = Series::new("y".into(), y.collect::<Vec<Option<&str>>>());
                StructChunked::from_series(name(), rows, [x, y].iter())
                    .expect("they are of one height")
                    .into_series()
            }
            Kind::Null => Series::full_null(name(), rows, &DataType::Null),
        }
    }
}

/// Values from a seed, often the smallest and largest of their types.
#[derive(Debug)]
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Draw(seed)
    }

    /// Uses the method of `SplitMix64`.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub fn one_in(&mut self, of: u64) -> bool {
        self.bits().is_multiple_of(of)
    }

    /// Narrower types truncate it, which gives one of their own limits or a small number.
    pub fn int(&mut self) -> i128 {
        let x = self.bits();
        match x % 16 {
            0 => i128::from(i64::MAX),
            1 => i128::from(i64::MIN),
            2 => i128::from(u64::MAX),
            3 => i128::MAX,
            4 => i128::MIN,
            5 => 0,
            6 => -1,
            7 => i128::from(i32::MAX) + 1,
            8 => i128::from(x as i64),
            9 => i128::from(x as i64) << 48,
            _ => i128::from((x >> 8) as i16),
        }
    }

    pub fn float(&mut self) -> f64 {
        let x = self.bits();
        match x % 16 {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => f64::NEG_INFINITY,
            3 => -0.0,
            4 => 1e300,
            5 => 2f64.powi(63),
            6 => f64::from_bits(x),
            7 => 0.0,
            8 => (x >> 8) as f64,
            _ => f64::from((x >> 8) as i16) / 4.0,
        }
    }

    pub fn word(&mut self) -> &'static str {
        WORDS[(self.bits() % 6) as usize]
    }

    pub fn text(&mut self) -> String {
        match self.bits() % 4 {
            0 => self.word().repeat(2),
            1 => self.bits().to_string(),
            _ => self.word().to_owned(),
        }
    }
}

/// Which rows are null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    No,
    All,
    EachWith { every: u8, from: u8 },
    Drawn { seed: u8 },
}

impl Nulls {
    fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match u.int_in_range(0..=7)? {
            0..=2 => Nulls::No,
            3 => Nulls::All,
            4 | 5 => Nulls::EachWith {
                every: u.int_in_range(1..=9)?,
                from: u.int_in_range(0..=8)?,
            },
            _ => Nulls::Drawn {
                seed: u.arbitrary()?,
            },
        })
    }

    fn of(self, rows: usize) -> Vec<bool> {
        let mut draw = Draw::new(match self {
            Nulls::Drawn { seed } => seed.into(),
            _ => 0,
        });
        let is_null = |row: usize| match self {
            Nulls::No => false,
            Nulls::All => true,
            Nulls::EachWith { every, from } => {
                row % usize::from(every) == usize::from(from % every)
            }
            Nulls::Drawn { .. } => draw.one_in(3),
        };
        (0..rows).map(is_null).collect()
    }
}

/// The layout of a column in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Chunks of these lengths, repeated; 0 is an empty chunk. Without lengths there is one chunk.
    Chunks(Vec<u8>),
    /// The same, for a slice from the middle of a longer column, at this offset.
    Slice { before: u8, chunks: Vec<u8> },
    /// A scalar column with the value of the first row.
    Scalar,
}

impl Layout {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let lengths = |u: &mut Unstructured<'_>| -> Result<Vec<u8>> {
            let lengths = u.int_in_range(0..=3)?;
            (0..lengths).map(|_| u.int_in_range(0..=9)).collect()
        };
        Ok(match u.int_in_range(0..=7)? {
            0..=3 => Layout::Chunks(lengths(u)?),
            4..=6 => Layout::Slice {
                before: u.int_in_range(1..=20)?,
                chunks: lengths(u)?,
            },
            _ => Layout::Scalar,
        })
    }

    pub fn lay(&self, series: Series) -> Column {
        match self {
            Layout::Scalar if !series.is_empty() => {
                let value = series.get(0).expect("there is a row").into_static();
                let scalar = Scalar::new(series.dtype().clone(), value);
                Column::new_scalar(series.name().clone(), scalar, series.len())
            }
            Layout::Scalar => series.into_column(),
            Layout::Chunks(lengths) => cut(&series, lengths),
            Layout::Slice { before, chunks } => cut(&inside(&series, (*before).into()), chunks),
        }
    }
}

/// Returns the series in chunks of these lengths, repeated.
fn cut(series: &Series, lengths: &[u8]) -> Column {
    if lengths.iter().all(|length| *length == 0) {
        return series.clone().into_column();
    }
    let (mut chunks, mut start) = (Vec::new(), 0);
    for length in lengths.iter().cycle() {
        let length = usize::from(*length).min(series.len() - start);
        let slice = series.slice(start as i64, length);
        chunks.extend(slice.chunks().iter().cloned());
        start += length;
        if start == series.len() {
            break;
        }
    }
    let name = series.name().clone();
    // SAFETY: the chunks are slices of those of a series of this dtype.
    unsafe { Series::from_chunks_and_dtype_unchecked(name, chunks, series.dtype()) }.into_column()
}

/// Returns the series as a slice from the middle of a longer one.
fn inside(series: &Series, before: usize) -> Series {
    let padding = match series.len() {
        0 => Series::full_null(series.name().clone(), before, series.dtype()),
        len => series.new_from_index(len / 2, before),
    };
    let mut long = padding.clone();
    long.append(series).expect("they are of one dtype");
    long.append(&padding).expect("they are of one dtype");
    let slice = long.rechunk().slice(before as i64, series.len());
    slice.with_name(series.name().clone())
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnPlan {
    pub kind: Kind,
    pub seed: u8,
    pub nulls: Nulls,
    /// Whether there are values beneath the nulls.
    pub filled_nulls: bool,
    pub layout: Layout,
}

impl ColumnPlan {
    pub fn arbitrary(u: &mut Unstructured<'_>, wished: &[Kind]) -> Result<Self> {
        let kind = match wished {
            [] => *u.choose(&KINDS)?,
            _ if u.int_in_range(1..=12)? == 12 => *u.choose(&KINDS)?,
            wished => *u.choose(wished)?,
        };
        Ok(ColumnPlan {
            kind,
            seed: u.arbitrary()?,
            nulls: Nulls::arbitrary(u)?,
            filled_nulls: u.arbitrary()?,
            layout: Layout::arbitrary(u)?,
        })
    }

    pub fn column(&self, name: &str, rows: usize) -> Column {
        self.of(self
            .kind
            .series(name, &mut Draw::new(self.seed.into()), rows))
    }

    /// Makes a column of a series that has no nulls itself.
    pub fn of(&self, series: Series) -> Column {
        let nulls = self.nulls.of(series.len());
        let has_nulls = nulls.contains(&true) && self.kind != Kind::Null;
        let series = match has_nulls {
            false => series,
            // In Polars, the fields of a null struct are null.
            true if self.filled_nulls && self.kind != Kind::Struct => {
                let series = series.rechunk();
                let valid: Bitmap = nulls.iter().map(|is_null| !is_null).collect();
                let chunk = series.chunks()[0].with_validity(Some(valid));
                let name = series.name().clone();
                // SAFETY: the chunk is that of a series of this dtype.
                unsafe {
                    Series::from_chunks_and_dtype_unchecked(name, vec![chunk], series.dtype())
                }
            }
            true => {
                let rows = nulls.iter().enumerate();
                let rows = rows.map(|(row, is_null)| (!is_null).then_some(row as IdxSize));
                let rows = IdxCa::from_iter_options("".into(), rows);
                series.take(&rows).expect("the rows are within the series")
            }
        };
        self.layout.lay(series)
    }
}

/// A column of row numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    Descending,
    Sparse,
    Large,
    WithNull,
    Negative,
    Texts,
}

impl Lines {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match u.int_in_range(0..=11)? {
            0..=2 => Lines::Descending,
            3..=5 => Lines::Sparse,
            6..=8 => Lines::Large,
            9 => Lines::WithNull,
            10 => Lines::Negative,
            _ => Lines::Texts,
        })
    }

    pub fn column(self, rows: usize) -> Column {
        let name = "line".into();
        let rows = 0..rows as u64;
        match self {
            Lines::Descending => Column::new(
                name,
                rows.map(|row| 100_000 - row as u32).collect::<Vec<u32>>(),
            ),
            Lines::Sparse => Column::new(
                name,
                rows.map(|row| 7 * row as i64 + 3).collect::<Vec<i64>>(),
            ),
            Lines::Large => {
                Column::new(name, rows.map(|row| (1 << 40) + row).collect::<Vec<u64>>())
            }
            Lines::WithNull => {
                let numbers = rows.map(|row| (row % 5 != 3).then_some(row as u32));
                Column::new(name, numbers.collect::<Vec<Option<u32>>>())
            }
            Lines::Negative => {
                Column::new(name, rows.map(|row| 2 - row as i64).collect::<Vec<i64>>())
            }
            Lines::Texts => Column::new(
                name,
                rows.map(|row| row.to_string()).collect::<Vec<String>>(),
            ),
        }
    }

    /// Returns whether each of these rows has a number in it.
    pub fn are_complete(self, rows: usize) -> bool {
        match self {
            Lines::Descending | Lines::Sparse | Lines::Large => true,
            Lines::WithNull => rows < 4,
            Lines::Negative => rows < 4,
            Lines::Texts => false,
        }
    }

    pub fn of(self, row: usize) -> usize {
        match self {
            Lines::Descending => 100_000 - row,
            Lines::Sparse => 7 * row + 3,
            Lines::Large => (1 << 40) + row,
            Lines::WithNull => row,
            // It has fewer than four rows, and the last is the first negative one.
            Lines::Negative => 2usize.saturating_sub(row),
            Lines::Texts => row,
        }
    }
}

/// A frame: a column `id` that has the rows' positions, and the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FramePlan {
    pub rows: usize,
    pub id: Layout,
    pub columns: Vec<ColumnPlan>,
}

pub const NAMES: [&str; 4] = ["a", "b", "c", "d"];

impl FramePlan {
    /// Returns a frame with a column for each wish, most often of one of the wished kinds.
    pub fn arbitrary(u: &mut Unstructured<'_>, wished: &[&[Kind]]) -> Result<Self> {
        let rows = match u.int_in_range(0..=31)? {
            31 => 0,
            30 => 1,
            29 => 500 + usize::from(u.arbitrary::<u16>()? % 3000),
            _ => u.int_in_range(0..=60)?,
        };
        let id = match Layout::arbitrary(u)? {
            Layout::Scalar => Layout::Chunks(Vec::new()),
            other => other,
        };
        let columns = wished.iter().map(|wished| ColumnPlan::arbitrary(u, wished));
        Ok(FramePlan {
            rows,
            id,
            columns: columns.collect::<Result<_>>()?,
        })
    }

    pub fn frame(&self) -> DataFrame {
        let ids = Series::new("id".into(), (0..self.rows as u32).collect::<Vec<u32>>());
        let columns = self.columns.iter().zip(NAMES);
        let columns = columns.map(|(column, name)| column.column(name, self.rows));
        let columns = std::iter::once(self.id.lay(ids)).chain(columns);
        DataFrame::new(self.rows, columns.collect()).expect("the columns are of one height")
    }
}
