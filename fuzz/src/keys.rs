//! Keys: columns whose values say which rows belong together, and a plain loop that finds the groups.

use std::collections::{BTreeSet, HashMap};

use arbitrary::{Result, Unstructured};
use polars::prelude::{Column, DataFrame, IdxCa, IdxSize, NewChunkedArray};
use polars_par_apply::NullKeys;

use crate::arguments::Taken;
use crate::frame::{ColumnPlan, Draw, Kind};
use crate::options::rarely;
use crate::value::Value;

pub const KEYS: [&str; 3] = ["k", "l", "m"];

/// Which of a few values each row has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    Drawn {
        seed: u8,
    },
    /// This many consecutive rows have the same value.
    Runs(u8),
    Cycle,
    /// Each row has its own value, as far as there are enough values.
    No,
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPlan {
    pub column: ColumnPlan,
    pub values: u8,
    pub repeats: Repeats,
}

impl KeyPlan {
    fn arbitrary(u: &mut Unstructured<'_>, wished: &[Kind]) -> Result<Self> {
        Ok(KeyPlan {
            column: ColumnPlan::arbitrary(u, wished)?,
            values: u.int_in_range(1..=12)?,
            repeats: match u.int_in_range(0..=7)? {
                0..=2 => Repeats::Drawn {
                    seed: u.arbitrary()?,
                },
                3 | 4 => Repeats::Runs(u.int_in_range(1..=20)?),
                5 | 6 => Repeats::Cycle,
                _ => Repeats::No,
            },
        })
    }

    fn column(&self, name: &str, rows: usize) -> Column {
        if self.repeats == Repeats::No || rows == 0 {
            return self.column.column(name, rows);
        }
        let kind = self.column.kind;
        let values = usize::from(self.values);
        let few = kind.series(name, &mut Draw::new(self.column.seed.into()), values);
        let mut draw = Draw::new(match self.repeats {
            Repeats::Drawn { seed } => seed.into(),
            _ => 0,
        });
        let which = (0..rows).map(|row| match self.repeats {
            Repeats::Drawn { .. } => (draw.bits() % values as u64) as usize,
            Repeats::Runs(length) => row / usize::from(length) % values,
            _ => row % values,
        });
        let which: Vec<IdxSize> = which.map(|value| value as IdxSize).collect();
        let which = IdxCa::from_slice("".into(), &which);
        self.column
            .of(few.take(&which).expect("there are so many values"))
    }
}

/// What is wrong with the given names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misnamed {
    No,
    /// The last name is not that of a column.
    Missing,
    /// The first name is given twice.
    Twice,
    /// There is no name.
    Empty,
}

/// The keys of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    pub plans: Vec<KeyPlan>,
    pub null_keys: Option<NullKeys>,
    pub without_keys: bool,
    /// Whether they are before the other columns.
    pub are_first: bool,
    pub misnamed: Misnamed,
}

impl Keys {
    /// Returns keys for these cells of the closure; any keys, if it has no cells.
    pub fn arbitrary(u: &mut Unstructured<'_>, cells: &[Taken]) -> Result<Self> {
        let kinds: Vec<Vec<Kind>> = cells.iter().map(Taken::kinds).collect();
        let mut wished: Vec<&[Kind]> = kinds.iter().map(Vec::as_slice).collect();
        if wished.is_empty() {
            wished.push(&[]);
            if rarely(u, 3)? {
                wished.push(&[]);
            }
        } else if rarely(u, 40)? {
            wished.push(&[]);
        }
        let plans = wished.iter().map(|wished| KeyPlan::arbitrary(u, wished));
        Ok(Keys {
            plans: plans.collect::<Result<_>>()?,
            null_keys: match u.int_in_range(0..=5)? {
                0..=2 => None,
                3 => Some(NullKeys::Group),
                _ => Some(NullKeys::Drop),
            },
            without_keys: rarely(u, 4)?,
            are_first: u.arbitrary()?,
            misnamed: match rarely(u, 40)? {
                true => *u.choose(&[Misnamed::Missing, Misnamed::Twice, Misnamed::Empty])?,
                false => Misnamed::No,
            },
        })
    }

    /// Returns the names of their columns.
    pub fn names(&self) -> &'static [&'static str] {
        &KEYS[..self.plans.len()]
    }

    /// Returns the names that the call is given.
    pub fn given(&self) -> Vec<&'static str> {
        let mut names = self.names().to_vec();
        match self.misnamed {
            Misnamed::No => {}
            Misnamed::Missing => names.push("no key"),
            Misnamed::Twice => names.push(names[0]),
            Misnamed::Empty => names.clear(),
        }
        names
    }

    /// Notes what is wrong with them, for a closure that takes this many cells.
    pub fn faults(&self, cells: usize, faults: &mut BTreeSet<String>) {
        let fault = match self.misnamed {
            Misnamed::No => None,
            Misnamed::Missing => Some("column_not_found no key"),
            Misnamed::Twice => Some("duplicate_name k"),
            Misnamed::Empty => Some("option by"),
        };
        faults.extend(fault.map(str::to_owned));
        if !self.are_for(cells) {
            faults.insert("option by".into());
        }
    }

    /// Returns whether a closure can take this many cells.
    pub fn are_for(&self, cells: usize) -> bool {
        let found = match self.misnamed {
            Misnamed::No | Misnamed::Missing => self.plans.len(),
            Misnamed::Twice => self.plans.len() + 1,
            Misnamed::Empty => 0,
        };
        cells == 0 || cells == found
    }

    /// Returns the frame with their columns.
    pub fn beside(&self, df: DataFrame) -> DataFrame {
        let rows = df.height();
        let plans = self.plans.iter().zip(KEYS);
        let keys = plans.map(|(plan, name)| plan.column(name, rows));
        let (mut columns, others) = match self.are_first {
            true => (keys.collect(), df.into_columns()),
            false => (df.into_columns(), keys.collect()),
        };
        columns.extend(others);
        DataFrame::new(rows, columns).expect("the columns are of one height")
    }

    /// Returns the rows of each group, in the order of their first rows.
    pub fn groups(&self, df: &DataFrame) -> Vec<Vec<usize>> {
        let columns = self.names().iter();
        let columns =
            columns.map(|name| Value::all(df.column(name).expect("it has the keys")).into_iter());
        let mut columns: Vec<_> = columns.collect();
        let mut places: HashMap<Vec<Value>, usize> = HashMap::new();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for row in 0..df.height() {
            let key = columns.iter_mut().map(Iterator::next);
            let key: Vec<Value> = key.flatten().map(same).collect();
            if self.null_keys == Some(NullKeys::Drop) && key.contains(&Value::Null) {
                continue;
            }
            let place = *places.entry(key).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[place].push(row);
        }
        groups
    }
}

/// Returns one value for all values that are equal as keys.
fn same(key: Value) -> Value {
    match key {
        Value::Float(bits) if f64::from_bits(bits) == 0.0 => Value::float(0.0),
        other => other,
    }
}
