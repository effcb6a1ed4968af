//! The arguments that a closure of rows is given, for the verbs that call one.

use std::marker::PhantomData;

use super::call::Checks;
use super::follows::{Kind, Over, Shape};
use crate::error::{ErrorKind, Result};
use crate::options::{Nulls, Options};
use crate::partition::Layout;
use crate::read::{Cells, Given, Names, NumbersOf, Reader, Sources};
use crate::row_numbers::RowNumbers;

/// The columns that bind to the cells `C`, and the numbers of the rows.
pub(super) struct Arguments<'a, C> {
    /// The columns are chosen for `C` if there are no faults, so they must not change.
    sources: Sources<'a>,
    numbers: NumbersOf<'a>,
    cells: PhantomData<fn(C)>,
}

impl<'a, C: Cells> Arguments<'a, C> {
    /// Chooses the columns, and begins the checks of a call, which note the faults of this choice.
    pub(super) fn choose<'o>(
        given: Given<'a>,
        options: &'o Options<'o>,
        verb: Kind,
        names: Names,
        is_seeded: bool,
    ) -> (Checks<'o>, Self) {
        let arguments = C::arguments();
        let shape = Shape {
            verb,
            over: Over::of(given),
            sees_nulls: arguments.is_none(),
            is_whole: false,
            is_seeded,
        };
        let mut checks = Checks::new(options, shape);
        let faults = &mut checks.faults;
        let numbers = given.row_numbers(options, faults);
        let sources = Sources::choose(given, options, arguments.as_deref(), names, faults);
        let cells = PhantomData;
        let chosen = Arguments {
            sources,
            numbers,
            cells,
        };
        (checks, chosen)
    }

    pub(super) fn sources(&self) -> &Sources<'a> {
        &self.sources
    }

    pub(super) fn numbers(&self) -> &RowNumbers {
        &self.numbers
    }

    /// Binds the columns once the checks have passed, or refuses a null if the options say so.
    pub(super) fn bind(&self, layout: &Layout, options: &Options<'_>) -> Result<C::Bound<'_>> {
        let chunks = self.sources.chunks();
        // SAFETY: the chunks are those of the frame's columns, cast to what `C` takes (`Sources::choose`).
        let bound = unsafe { C::bind(&chunks, &self.numbers) };
        if options.nulls() == Nulls::Error && C::has_nulls(&bound) {
            no_nulls::<C>(&bound, layout, &self.sources, &self.numbers)?;
        }
        Ok(bound)
    }
}

/// Refuses the first null of an argument that cannot take it.
pub(super) fn no_nulls<C: Cells>(
    bound: &C::Bound<'_>,
    layout: &Layout,
    sources: &Sources<'_>,
    numbers: &RowNumbers,
) -> Result<()> {
    let mut scratch = C::Scratch::default();
    let mut blocks = layout.blocks(0..sources.rows);
    while let Some((row, len, places)) = blocks.next() {
        let reader = C::open(bound, places, row, len, &mut scratch);
        if !reader.has_nulls() {
            continue;
        }
        for i in 0..len {
            // SAFETY: `i` is within the block; a fault is asked for only where the row is not valid.
            let fault = unsafe { (!reader.is_valid(i)).then(|| reader.fault(i)) };
            if let Some(fault) = fault.filter(|fault| fault.message.is_none()) {
                return Err(ErrorKind::Null {
                    column: sources.columns[fault.argument].name().to_string(),
                    row: numbers.of(row + i),
                }
                .into());
            }
        }
    }
    Ok(())
}
