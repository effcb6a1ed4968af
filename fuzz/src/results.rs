//! The types that closures return: the documented dtype of their column, and values of them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use polars::prelude::{
    AnyValue, Column, DataFrame, DataType, Field, NamedFrom, PlSmallStr, Series, TimeUnit, TimeZone,
};
use polars_par_apply::{Each, Many, Struct};
use rust_decimal::Decimal;

use crate::frame::{Draw, WORDS};
use crate::value::Value;

/// A type that closures return, as a cell.
pub trait Made: Sized {
    fn dtype() -> DataType;

    /// Draws the next value.
    fn draw(draw: &mut Draw) -> Self;

    fn value(&self) -> Value;
}

macro_rules! made {
    ($($T:ty: $dtype:expr, |$draw:ident| $make:expr, |$value:ident| $shown:expr;)*) => {
        $(impl Made for $T {
            fn dtype() -> DataType {
                $dtype
            }

            fn draw($draw: &mut Draw) -> Self {
                $make
            }

            fn value(&self) -> Value {
                let $value = self;
                $shown
            }
        })*
    };
}

fn word(draw: &mut Draw) -> &'static str {
    WORDS[(draw.bits() % 6) as usize]
}

/// Most of them have at most two digits after the point, and fit into `Decimal(12, 2)`.
fn decimal(draw: &mut Draw) -> Decimal {
    let scale = [0, 1, 2, 2, 2, 2, 3, 28][(draw.bits() % 8) as usize];
    let count = match draw.one_in(8) {
        true => draw.int() >> 32,
        false => i128::from(draw.int() as i32),
    };
    Decimal::from_i128_with_scale(count, scale)
}

/// Some seconds and microseconds after the epoch, or before it.
fn moment(draw: &mut Draw) -> DateTime<Utc> {
    let microseconds = draw.bits() as i64 >> 12;
    DateTime::from_timestamp_micros(microseconds).expect("it is within some thousand years")
}

fn microseconds(time: &DateTime<Utc>) -> Value {
    Value::Datetime(i128::from(time.timestamp_micros()) * 1_000)
}

const US: TimeUnit = TimeUnit::Microseconds;

made! {
    i8: DataType::Int8, |draw| draw.int() as i8, |x| Value::Int((*x).into());
    i16: DataType::Int16, |draw| draw.int() as i16, |x| Value::Int((*x).into());
    i32: DataType::Int32, |draw| draw.int() as i32, |x| Value::Int((*x).into());
    i64: DataType::Int64, |draw| draw.int() as i64, |x| Value::Int((*x).into());
    i128: DataType::Int128, |draw| draw.int(), |x| Value::Int(*x);
    u8: DataType::UInt8, |draw| draw.int() as u8, |x| Value::Int((*x).into());
    u16: DataType::UInt16, |draw| draw.int() as u16, |x| Value::Int((*x).into());
    u32: DataType::UInt32, |draw| draw.int() as u32, |x| Value::Int((*x).into());
    u64: DataType::UInt64, |draw| draw.int() as u64, |x| Value::Int((*x).into());
    f32: DataType::Float32, |draw| draw.int() as i16 as f32 / 4.0, |x| Value::float((*x).into());
    f64: DataType::Float64, |draw| draw.int() as f64, |x| Value::float(*x);
    bool: DataType::Boolean, |draw| draw.one_in(2), |x| Value::Bool(*x);
    String: DataType::String, |draw| word(draw).repeat(2), |x| Value::Text(x.clone());
    PlSmallStr: DataType::String, |draw| word(draw).into(), |x| Value::Text(x.to_string());
    &'static str: DataType::String, |draw| word(draw), |x| Value::Text((*x).into());
    char: DataType::String, |draw| if draw.one_in(2) { 'x' } else { 'ü' }, |x| Value::Text((*x).into());
    Vec<u8>: DataType::Binary, |draw| word(draw).into(), |x| Value::Bytes(x.clone());
    NaiveDate: DataType::Date, |draw| moment(draw).date_naive(), |x| Value::Date(x.to_epoch_days());
    NaiveTime: DataType::Time, |draw| moment(draw).time(), |x| crate::arguments::Argument::seen(*x);
    NaiveDateTime: DataType::Datetime(US, None), |draw| moment(draw).naive_utc(), |x| microseconds(&x.and_utc());
    DateTime<Utc>: DataType::Datetime(US, Some(TimeZone::UTC)), |draw| moment(draw), |x| microseconds(x);
    TimeDelta: DataType::Duration(US), |draw| TimeDelta::microseconds(draw.int() as i32 as i64),
        |x| crate::arguments::Argument::seen(*x);
    Decimal: DataType::Decimal(12, 2), |draw| decimal(draw), |x| Value::decimal(x.mantissa(), x.scale() as usize);
    (): DataType::Null, |_draw| (), |_x| Value::Null;
    AnyValue<'static>: DataType::Int64, |draw| AnyValue::Int64(draw.int() as i64), |x| Value::of(x);
}

impl Made for Struct<(i64, Option<String>)> {
    fn dtype() -> DataType {
        let field = |name: &'static str, dtype| Field::new(name.into(), dtype);
        DataType::Struct(vec![
            field("field_0", DataType::Int64),
            field("field_1", DataType::String),
        ])
    }

    fn draw(draw: &mut Draw) -> Self {
        Struct((i64::draw(draw), Option::<String>::draw(draw)))
    }

    fn value(&self) -> Value {
        Value::Struct(vec![self.0.0.value(), self.0.1.value()])
    }
}

impl<T: Made> Made for Option<T> {
    fn dtype() -> DataType {
        T::dtype()
    }

    fn draw(draw: &mut Draw) -> Self {
        (!draw.one_in(4)).then(|| T::draw(draw))
    }

    fn value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::value)
    }
}

/// A list of items; of bytes it would be a Binary.
macro_rules! lists {
    ($($T:ty),*) => {
        $(impl Made for Vec<$T> {
            fn dtype() -> DataType {
                DataType::List(Box::new(<$T>::dtype()))
            }

            fn draw(draw: &mut Draw) -> Self {
                (0..draw.bits() % 4).map(|_| <$T>::draw(draw)).collect()
            }

            fn value(&self) -> Value {
                Value::List(self.iter().map(Made::value).collect())
            }
        })*
    };
}

lists!(i64, Option<String>, Option<f64>, Vec<u16>, NaiveDate, u16);

/// A type that closures of rows return: a cell, or several.
pub trait MadeRow: Sized {
    fn dtypes() -> Vec<DataType>;

    /// The names that the crate gives.
    fn names() -> Vec<&'static str>;

    fn draw_row(draw: &mut Draw) -> Self;

    fn values(&self) -> Vec<Value>;

    /// Itself.
    fn rows(&self) -> Vec<Vec<Value>> {
        vec![self.values()]
    }
}

impl<T: Made> MadeRow for T {
    fn dtypes() -> Vec<DataType> {
        vec![T::dtype()]
    }

    fn names() -> Vec<&'static str> {
        vec!["par_apply"]
    }

    fn draw_row(draw: &mut Draw) -> Self {
        T::draw(draw)
    }

    fn values(&self) -> Vec<Value> {
        vec![self.value()]
    }
}

macro_rules! tuples {
    ($(($($T:ident $t:ident $name:literal),+))*) => {
        $(impl<$($T: Made),+> MadeRow for ($($T,)+) {
            fn dtypes() -> Vec<DataType> {
                vec![$($T::dtype()),+]
            }

            fn names() -> Vec<&'static str> {
                vec![$($name),+]
            }

            fn draw_row(draw: &mut Draw) -> Self {
                ($($T::draw(draw),)+)
            }

            fn values(&self) -> Vec<Value> {
                let ($($t,)+) = self;
                vec![$($t.value()),+]
            }
        })*
    };
}

tuples! {
    (A a "column_0", B b "column_1")
    (A a "column_0", B b "column_1", C c "column_2")
}

/// A type that closures return for any number of rows.
pub trait MadeRows: Sized {
    type Row: MadeRow;

    fn dtypes() -> Vec<DataType> {
        <Self::Row as MadeRow>::dtypes()
    }

    fn names() -> Vec<&'static str> {
        <Self::Row as MadeRow>::names()
    }

    fn draw_row(draw: &mut Draw) -> Self;

    fn rows(&self) -> Vec<Vec<Value>>;
}

/// Most often none or a few; rarely, more than a block has rows.
pub fn some_rows<T: MadeRow>(draw: &mut Draw) -> Vec<T> {
    let rows = match draw.bits() % 64 {
        0 => 100,
        1..=20 => 0,
        other => other % 4,
    };
    (0..rows).map(|_| T::draw_row(draw)).collect()
}

fn values_of<T: MadeRow>(rows: &[T]) -> Vec<Vec<Value>> {
    rows.iter().map(MadeRow::values).collect()
}

impl<T: MadeRow> MadeRows for Vec<T> {
    type Row = T;

    fn draw_row(draw: &mut Draw) -> Self {
        some_rows(draw)
    }

    fn rows(&self) -> Vec<Vec<Value>> {
        values_of(self)
    }
}

impl<T: MadeRow, const N: usize> MadeRows for [T; N] {
    type Row = T;

    fn draw_row(draw: &mut Draw) -> Self {
        std::array::from_fn(|_| T::draw_row(draw))
    }

    fn rows(&self) -> Vec<Vec<Value>> {
        values_of(self)
    }
}

impl<T: MadeRow> MadeRows for Option<T> {
    type Row = T;

    fn draw_row(draw: &mut Draw) -> Self {
        draw.one_in(2).then(|| T::draw_row(draw))
    }

    fn rows(&self) -> Vec<Vec<Value>> {
        values_of(self.as_slice())
    }
}

impl<T: MadeRow> MadeRows for Many<std::vec::IntoIter<T>> {
    type Row = T;

    fn draw_row(draw: &mut Draw) -> Self {
        Many(some_rows(draw).into_iter())
    }

    fn rows(&self) -> Vec<Vec<Value>> {
        values_of(self.0.as_slice())
    }
}

/// The kind of a closure's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Cells of one row.
    Cells,
    /// Any number of rows, as a whole frame or column.
    Whole,
    /// A row for each row that the closure is given.
    Rows,
    /// One row for all of these.
    Each,
    /// A column with a row for each of these.
    Column,
}

/// A type that closures of groups or of windows return.
pub trait MadeGroup: Sized {
    const SHAPE: Shape;

    fn dtypes() -> Vec<DataType>;

    fn names() -> Vec<&'static str>;

    fn draw_span(draw: &mut Draw, rows: usize) -> Self;

    fn rows(&self) -> Vec<Vec<Value>>;
}

impl<T: MadeRow> MadeGroup for T {
    const SHAPE: Shape = Shape::Cells;

    fn dtypes() -> Vec<DataType> {
        <T as MadeRow>::dtypes()
    }

    fn names() -> Vec<&'static str> {
        <T as MadeRow>::names()
    }

    fn draw_span(draw: &mut Draw, _: usize) -> Self {
        T::draw_row(draw)
    }

    fn rows(&self) -> Vec<Vec<Value>> {
        MadeRow::rows(self)
    }
}

impl MadeGroup for DataFrame {
    const SHAPE: Shape = Shape::Whole;

    fn dtypes() -> Vec<DataType> {
        vec![DataType::Int64, DataType::String]
    }

    fn names() -> Vec<&'static str> {
        vec!["whole", "word"]
    }

    fn draw_span(draw: &mut Draw, _: usize) -> Self {
        let rows: Vec<(i64, Option<String>)> = some_rows(draw);
        let (whole, word): (Vec<i64>, Vec<Option<String>>) = rows.into_iter().unzip();
        let columns = vec![
            Column::new("whole".into(), whole),
            Column::new("word".into(), word),
        ];
        DataFrame::new(columns[0].len(), columns).expect("they are of one height")
    }

    fn rows(&self) -> Vec<Vec<Value>> {
        let columns: Vec<Vec<Value>> = self.columns().iter().map(Value::all).collect();
        let row = |row: usize| columns.iter().map(|column| column[row].clone()).collect();
        (0..self.height()).map(row).collect()
    }
}

/// A whole column, of a group or of a transform.
macro_rules! wholes {
    ($($Whole:ty)*) => {
        $(impl MadeGroup for $Whole {
            const SHAPE: Shape = Shape::Whole;

            fn dtypes() -> Vec<DataType> {
                vec![DataType::Int64]
            }

            fn names() -> Vec<&'static str> {
                vec!["whole"]
            }

            fn draw_span(draw: &mut Draw, _: usize) -> Self {
                <$Whole>::new("whole".into(), some_rows::<Option<i64>>(draw))
            }

            fn rows(&self) -> Vec<Vec<Value>> {
                let rows = 0..self.len();
                rows.map(|row| vec![Value::of(&self.get(row).expect("it has the row"))]).collect()
            }
        }

        impl MadeTransform for $Whole {
            const SHAPE: Shape = Shape::Column;

            fn dtypes() -> Vec<DataType> {
                vec![DataType::Int64]
            }

            fn names() -> Vec<&'static str> {
                vec!["whole"]
            }

            fn draw_span(draw: &mut Draw, rows: usize) -> Self {
                <$Whole>::new("whole".into(), so_many::<Option<i64>>(draw, rows))
            }

            fn rows(&self) -> Vec<Vec<Value>> {
                MadeGroup::rows(self)
            }
        })*
    };
}

wholes!(Column Series);

/// This many rows; rarely, one more.
fn so_many<T: MadeRow>(draw: &mut Draw, rows: usize) -> Vec<T> {
    let more = usize::from(draw.one_in(48));
    (0..rows + more).map(|_| T::draw_row(draw)).collect()
}

/// A type that closures of `transform` return.
pub trait MadeTransform: Sized {
    const SHAPE: Shape;

    fn dtypes() -> Vec<DataType>;

    fn names() -> Vec<&'static str>;

    fn draw_span(draw: &mut Draw, rows: usize) -> Self;

    fn rows(&self) -> Vec<Vec<Value>>;
}

impl<T: MadeRow> MadeTransform for Vec<T> {
    const SHAPE: Shape = Shape::Rows;

    fn dtypes() -> Vec<DataType> {
        <T as MadeRow>::dtypes()
    }

    fn names() -> Vec<&'static str> {
        <T as MadeRow>::names()
    }

    fn draw_span(draw: &mut Draw, rows: usize) -> Self {
        so_many(draw, rows)
    }

    fn rows(&self) -> Vec<Vec<Value>> {
        values_of(self)
    }
}

impl<T: MadeRow> MadeTransform for Each<T> {
    const SHAPE: Shape = Shape::Each;

    fn dtypes() -> Vec<DataType> {
        <T as MadeRow>::dtypes()
    }

    fn names() -> Vec<&'static str> {
        <T as MadeRow>::names()
    }

    fn draw_span(draw: &mut Draw, _: usize) -> Self {
        Each(T::draw_row(draw))
    }

    fn rows(&self) -> Vec<Vec<Value>> {
        MadeRow::rows(&self.0)
    }
}
