//! Closures as functions of rows, columns and parts.
//!
//! A closure's argument types alone choose how the frame is read. Each trait has a marker parameter that is inferred
//! from the closure's own signature, so that one trait can be implemented for closures of every shape: the plain `Fn`
//! bound names the argument types, and the bound `for<'a> Fn(A::Of<'a>)` lets the call lend values that borrow.

use polars::prelude::{Column, DataFrame};

use crate::arity::for_each_arity;
use crate::context::{NoContext, WithState};
#[cfg(feature = "rand")]
use crate::context::{RowRng, WithSeed, WithStateAndSeed};
use crate::partition::Chunk;
use crate::read::tuple::{list, pairs};
use crate::read::{
    Argument, Cell, Cells, ColumnChunks, Cons, Fault, FromRow, Names, Nil, Values, first_null,
    with_values,
};

/// A closure or function that [`rows`](crate::Apply::rows) takes: of 1 to 12 cells, or of one whole row.
///
/// It is implemented for every such `Fn`; its first parameter is inferred. The second says which leading arguments there
/// are: none, or those of [`WithState`](crate::WithState) and its like. A function that passes a closure on writes:
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// fn of_x<M, F>(df: &DataFrame, f: F) -> Result<<F::Out as IntoRow>::Output>
/// where
///     F: RowFn<M>,
///     F::Out: IntoRow,
/// {
///     df.par_apply().select(["x"]).rows(f)
/// }
///
/// let df = df!["x" => [1.0, 4.0], "y" => [0, 0]]?;
/// assert_eq!(of_x(&df, f64::sqrt)?.f64()?.to_vec(), [Some(1.0), Some(2.0)]);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// A function that is generic over `F: Fn(f64) -> f64 + Sync` passes `&f`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function of a row",
    label = "its arguments must be 1 to 12 column values (`f64`, `&str`, `Option<i64>`, …) or one row (a tuple, an array, a derived struct, `Row<'_>`)",
    note = "annotate every argument: `|price: f64, name: &str| …`",
    note = "with `.state(init)`, its first argument is `&mut S`, of exactly the type that `init` makes; with `.seed(n)`, `&mut RowRng` comes next; without these options it has no such argument",
    note = "`usize` and `isize` are no column's type: take `u64` or `i64`",
    note = "dates, times, small integers, Struct, … need the feature of this crate named after the dtype",
    note = "several threads call it at once: it must be `Fn` and `Sync`, so it cannot change what it captures",
    note = "a closure cannot return a borrow of its argument: return `String`, or name the function"
)]
pub trait RowFn<Marker, Context = NoContext>: Sync {
    /// What it returns.
    type Out;

    #[doc(hidden)]
    type Cells: Cells;

    #[doc(hidden)]
    const NAMES: Names;

    #[doc(hidden)]
    fn call<'a>(&self, context: &mut Context, cells: <Self::Cells as Cells>::Of<'a>) -> Self::Out;
}

/// Marks closures of cells.
#[doc(hidden)]
#[derive(Debug)]
pub struct OfCells;

/// Marks closures of one whole row, column or part.
#[doc(hidden)]
#[derive(Debug)]
pub struct OfWhole;

/// Calls a macro once for each context: its type parameters, the type, the leading arguments' types, and the arguments
/// taken from it by a name.
macro_rules! for_each_context {
    ($macro:ident! { $($rest:tt)* }) => {
        $macro!(@ [] NoContext, [], context [], $($rest)*);
        $macro!(@ [S] WithState<S>, [S], context [&mut context.0], $($rest)*);
        #[cfg(feature = "rand")]
        $macro!(@ [] WithSeed, [RowRng], context [&mut context.0.generator], $($rest)*);
        #[cfg(feature = "rand")]
        $macro!(@ [S] WithStateAndSeed<S>, [S, RowRng], context [&mut context.0, &mut context.1.generator], $($rest)*);
    };
}

macro_rules! row_fn {
    (
        @ [$($G:ident)?] $Context:ty, [$($Lead:ty),*], $context:ident [$($lead:expr),*],
        $($T:ident $t:ident),+
    ) => {
        impl<Function, Out, $($G,)? $($T),+> RowFn<(OfCells, fn($($T),+) -> Out), $Context> for Function
        where
            Function: Sync,
            Function: Fn($(&mut $Lead,)* $($T),+) -> Out,
            Function: for<'a> Fn($(&mut $Lead,)* $($T::Of<'a>),+) -> Out,
            $($T: Cell,)+
        {
            type Out = Out;
            type Cells = list!($($T)+);
            const NAMES: Names = None;

            #[inline(always)]
            fn call<'a>(
                &self,
                $context: &mut $Context,
                pairs!($($t)+): <Self::Cells as Cells>::Of<'a>,
            ) -> Out {
                let _ = &$context;
                self($($lead,)* $($t),+)
            }
        }
    };
    ($($cell:tt)+) => {
        for_each_context!(row_fn! { $($cell)+ });
    };
}

for_each_arity!(row_fn);

macro_rules! whole_row_fn {
    (
        @ [$($G:ident)?] $Context:ty, [$($Lead:ty),*], $context:ident [$($lead:expr),*],
    ) => {
        impl<Function, Out, $($G,)? R> RowFn<(OfWhole, fn(R) -> Out), $Context> for Function
        where
            Function: Sync,
            Function: Fn($(&mut $Lead,)* R) -> Out,
            Function: for<'a> Fn($(&mut $Lead,)* R::Of<'a>) -> Out,
            R: FromRow,
        {
            type Out = Out;
            type Cells = R::Cells;
            const NAMES: Names = R::NAMES;

            #[inline(always)]
            fn call<'a>(
                &self,
                $context: &mut $Context,
                cells: <Self::Cells as Cells>::Of<'a>,
            ) -> Out {
                let _ = &$context;
                self($($lead,)* R::assemble(cells))
            }
        }
    };
}

for_each_context!(whole_row_fn! {});

/// A closure or function that [`columns`](crate::Apply::columns) takes: of a `&Column`, or of its typed [`Values`].
///
/// It is implemented for every such `Fn`; its parameter is inferred and never written.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function of a column",
    label = "its one argument must be `&Column` or `Values<'_, T>`",
    note = "annotate the argument: `|column: &Column| …` or `|values: Values<'_, f64>| …`",
    note = "with `.state(init)`, its first argument is `&mut S`, of exactly the type that `init` makes; with `.seed(n)`, `&mut RowRng` comes next; without these options it has no such argument"
)]
pub trait ColumnFn<Marker, Context = NoContext>: Sync {
    /// What it returns.
    type Out;

    /// The type of the column's values, for a typed closure.
    #[doc(hidden)]
    fn argument() -> Option<Argument>;

    /// Calls it; or tells the first row whose value the argument's type cannot hold.
    ///
    /// # Safety
    /// The chunks are of one column of their dtype, which `argument` takes without a cast.
    #[doc(hidden)]
    unsafe fn call(
        &self,
        context: &mut Context,
        column: &Column,
        chunks: &ColumnChunks<'_>,
    ) -> Result<Self::Out, (usize, Fault)>;

    /// The first row that is null to the argument's type.
    ///
    /// # Safety
    /// As `call`.
    #[doc(hidden)]
    unsafe fn first_null(chunks: &ColumnChunks<'_>, rows: usize) -> Option<usize>;
}

macro_rules! column_fn {
    (
        @ [$($G:ident)?] $Context:ty, [$($Lead:ty),*], $context:ident [$($lead:expr),*],
    ) => {
        impl<Function, Out, $($G)?> ColumnFn<(OfWhole, Out), $Context> for Function
        where
            Function: Sync,
            Function: Fn($(&mut $Lead,)* &Column) -> Out,
        {
            type Out = Out;

            fn argument() -> Option<Argument> {
                None
            }

            unsafe fn call(
                &self,
                $context: &mut $Context,
                column: &Column,
                _: &ColumnChunks<'_>,
            ) -> Result<Out, (usize, Fault)> {
                let _ = &$context;
                Ok(self($($lead,)* column))
            }

            unsafe fn first_null(_: &ColumnChunks<'_>, _: usize) -> Option<usize> {
                None
            }
        }

        impl<Function, Out, $($G,)? T> ColumnFn<(OfCells, fn(T) -> Out), $Context> for Function
        where
            Function: Sync,
            Function: for<'a> Fn($(&mut $Lead,)* Values<'a, T>) -> Out,
            T: Cell,
        {
            type Out = Out;

            fn argument() -> Option<Argument> {
                Some(Argument::of::<T>())
            }

            unsafe fn call(
                &self,
                $context: &mut $Context,
                column: &Column,
                chunks: &ColumnChunks<'_>,
            ) -> Result<Out, (usize, Fault)> {
                let _ = &$context;
                let call = |values: Values<'_, T>| self($($lead,)* values);
                // SAFETY: as the caller vouches.
                unsafe { with_values::<T, Out>(chunks, column.len(), call) }
            }

            unsafe fn first_null(chunks: &ColumnChunks<'_>, rows: usize) -> Option<usize> {
                // SAFETY: as the caller vouches.
                unsafe { first_null::<T>(chunks, rows) }
            }
        }
    };
}

for_each_context!(column_fn! {});

/// A closure or function that [`chunks`](crate::Apply::chunks) takes: of a `DataFrame`, a `&DataFrame`, or a [`Chunk`].
///
/// It is implemented for every such `Fn`; its parameter is inferred and never written.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function of a part of a frame",
    label = "its one argument must be `DataFrame`, `&DataFrame` or `Chunk`",
    note = "annotate the argument: `|part: DataFrame| …`",
    note = "with `.state(init)`, its first argument is `&mut S`, of exactly the type that `init` makes; with `.seed(n)`, `&mut RowRng` comes next; without these options it has no such argument"
)]
pub trait ChunkFn<Marker, Context = NoContext>: Sync {
    /// What it returns.
    type Out;

    /// Whether it is given the part's place too.
    #[doc(hidden)]
    const TAKES_PLACE: bool;

    #[doc(hidden)]
    fn call(&self, context: &mut Context, chunk: Chunk) -> Self::Out;
}

macro_rules! chunk_fn {
    (
        @ [$($G:ident)?] $Context:ty, [$($Lead:ty),*], $context:ident [$($lead:expr),*],
        $Part:ty, $takes_place:literal, |$chunk:ident| $part:expr
    ) => {
        impl<Function, Out, $($G)?> ChunkFn<($Part, Out), $Context> for Function
        where
            Function: Sync,
            Function: Fn($(&mut $Lead,)* $Part) -> Out,
        {
            type Out = Out;

            const TAKES_PLACE: bool = $takes_place;

            fn call(&self, $context: &mut $Context, $chunk: Chunk) -> Out {
                let _ = &$context;
                self($($lead,)* $part)
            }
        }
    };
}

for_each_context!(chunk_fn! { DataFrame, false, |chunk| chunk.into_frame() });
for_each_context!(chunk_fn! { &DataFrame, false, |chunk| chunk.frame() });
for_each_context!(chunk_fn! { Chunk, true, |chunk| chunk });
