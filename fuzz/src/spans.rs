//! What closures of several rows take: from which columns, and what they are given of them.

use polars::prelude::DataFrame;
use polars_par_apply::prelude::{Cell, FromRow, Group, Row, Rows, Values};

use crate::arguments::{Argument, Taken};
use crate::frame::NAMES;
use crate::value::Value;

/// The columns of an argument.
#[derive(Clone, Debug)]
pub struct Span {
    pub columns: Vec<Taken>,
    /// Whether it is given them row by row.
    pub is_rows: bool,
}

/// An argument that has several rows.
pub trait Spans {
    fn span() -> Span;

    /// Returns all that the closure was given.
    fn all(&self) -> Value;

    /// The number in the first column of its first row.
    fn first(&self) -> Option<usize> {
        let Value::List(rows) = self.all() else {
            return None;
        };
        match rows.first() {
            Some(Value::Int(id)) => Some(*id as usize),
            Some(Value::Struct(cells)) => match cells.first() {
                Some(Value::Int(id)) => Some(*id as usize),
                _ => None,
            },
            _ => None,
        }
    }
}

impl<'a, T> Spans for Values<'a, T>
where
    T: Cell + Argument,
    T::Of<'a>: Argument + Clone + 'a,
{
    fn span() -> Span {
        Span {
            columns: vec![T::taken()],
            is_rows: false,
        }
    }

    fn all(&self) -> Value {
        let seen: Vec<Value> = self.iter().map(Argument::seen).collect();
        assert_eq!(seen.len(), self.len(), "the values are not as many");
        for row in (0..=self.len()).step_by(7) {
            let one = self.get(row).map(Argument::seen);
            assert_eq!(one.as_ref(), seen.get(row), "the value of row {row}");
        }
        if self.len() <= 16 {
            let slice = self.to_slice().into_owned().into_iter();
            let slice: Vec<Value> = slice.map(Argument::seen).collect();
            assert_eq!(slice, seen, "the slice is another");
        }
        Value::List(seen)
    }
}

/// All rows, by what is seen of one.
fn all_rows<'a, R: FromRow>(rows: &Rows<'a, R>, seen: impl Fn(R::Of<'a>) -> Value) -> Value {
    let all: Vec<Value> = rows.iter().map(&seen).collect();
    assert_eq!(all.len(), rows.len(), "the rows are not as many");
    for row in (0..=rows.len()).step_by(7) {
        let one = rows.get(row).map(&seen);
        assert_eq!(one.as_ref(), all.get(row), "row {row}");
    }
    let last = rows.iter().next_back().map(&seen);
    assert_eq!(last.as_ref(), all.last(), "the last row");
    Value::List(all)
}

macro_rules! tuples {
    ($(($($T:ident $t:ident),+))*) => {
        $(impl<'a, $($T),+> Spans for Rows<'a, ($($T,)+)>
        where
            $($T: Cell + Argument, $T::Of<'a>: Argument,)+
        {
            fn span() -> Span {
                Span { columns: vec![$($T::taken()),+], is_rows: true }
            }

            fn all(&self) -> Value {
                all_rows(self, |($($t,)+)| Value::Struct(vec![$($t.seen()),+]))
            }
        })*
    };
}

tuples! {
    (A a, B b)
    (A a, B b, C c)
}

impl<'a, T> Spans for Rows<'a, [T; 2]>
where
    T: Cell + Argument,
    T::Of<'a>: Argument,
{
    fn span() -> Span {
        Span {
            columns: vec![T::taken(), T::taken()],
            is_rows: true,
        }
    }

    fn all(&self) -> Value {
        all_rows(self, |cells| {
            Value::Struct(cells.into_iter().map(Argument::seen).collect())
        })
    }
}

/// A row that binds by name.
#[derive(Debug, FromRow)]
pub struct Named<'a> {
    id: u32,
    a: Option<i64>,
    #[par_apply(rename = "b")]
    word: &'a str,
}

impl Spans for Rows<'_, Named<'_>> {
    fn span() -> Span {
        Span {
            columns: vec![u32::taken(), Option::<i64>::taken(), <&str>::taken()],
            is_rows: true,
        }
    }

    fn all(&self) -> Value {
        all_rows(self, |row| {
            Value::Struct(vec![row.id.seen(), row.a.seen(), row.word.seen()])
        })
    }
}

impl Spans for Rows<'_, Row<'_>> {
    fn span() -> Span {
        Span {
            columns: vec![Taken::Any, Taken::Any, Taken::Any],
            is_rows: true,
        }
    }

    fn all(&self) -> Value {
        all_rows(self, |row| {
            let cells = row.iter().filter(|(name, _)| is_own(name));
            Value::Struct(cells.map(|(_, value)| Value::of(&value)).collect())
        })
    }
}

fn is_own(name: &str) -> bool {
    name == "id" || NAMES.contains(&name)
}

/// A whole group.
pub trait WholeGroup {
    /// Whether it says which group it is.
    const IS_KNOWN: bool;

    /// Returns all that the closure was given.
    fn whole(&self) -> Vec<Value>;

    /// The frame.
    fn of(&self) -> &DataFrame;

    /// The position in its first row.
    fn first(&self) -> Option<usize> {
        let ids = self.of().column("id").ok()?;
        match Value::of(&ids.get(0).ok()?) {
            Value::Int(id) => Some(id as usize),
            _ => None,
        }
    }
}

/// The height and the columns of a frame.
pub fn seen_of(df: &DataFrame) -> Vec<Value> {
    let columns = df.columns().iter();
    let columns = columns.flat_map(|column| {
        let name = Value::Text(column.name().to_string());
        [name, Value::List(Value::all(column))]
    });
    let height = Value::Int(df.height() as i128);
    std::iter::once(height).chain(columns).collect()
}

impl WholeGroup for DataFrame {
    const IS_KNOWN: bool = false;

    fn whole(&self) -> Vec<Value> {
        seen_of(self)
    }

    fn of(&self) -> &DataFrame {
        self
    }
}

impl WholeGroup for &DataFrame {
    const IS_KNOWN: bool = false;

    fn whole(&self) -> Vec<Value> {
        seen_of(self)
    }

    fn of(&self) -> &DataFrame {
        self
    }
}

impl WholeGroup for Group {
    const IS_KNOWN: bool = true;

    fn whole(&self) -> Vec<Value> {
        let place = [self.index(), self.first_row()];
        let place = place.map(|number| Value::Int(number as i128));
        let key = seen_of(self.key());
        let rows = seen_of(self.frame());
        place.into_iter().chain(key).chain(rows).collect()
    }

    fn of(&self) -> &DataFrame {
        self.frame()
    }
}
