//! Closures of cells, or of one whole row, as row functions.
//!
//! [`RowFn`] is implemented in two steps, for the compiler's messages about a closure that is not a row function. First
//! [`TakesRow`] finds the types of the closure's arguments, whatever they are. Then [`CallRow`] is a trait of these types, and
//! not of the closure, so that a type that cannot be an argument is reported by its own name.

use super::{CallWith, OfCells, OfWhole, RowFn, Typed, for_each_context};
use crate::arity::for_each_arity;
use crate::context::{NoContext, WithState};
#[cfg(feature = "rand")]
use crate::context::{RowRng, WithSeed, WithStateAndSeed};
use crate::read::tuple::{list, pairs};
use crate::read::{Cell, Cells, Cons, FromRow, Names, Nil};

/// A function of 1 to 12 arguments of any types, after the leading arguments of its context.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function of a row",
    label = "it must be `Fn` and `Sync`, and take 1 to 12 arguments after those that the options give it",
    note = "`.state(init)` gives it a first argument `&mut S`, of exactly the type that `init` makes; `.seed(n)` gives it `&mut RowRng` next; without these options it has no such argument",
    note = "to read more than 12 columns, take one row: `Row<'_>`, an array, or a struct with `#[derive(FromRow)]`",
    note = "a reference to a row function (`F: RowFn<M>`, an `Arc`) is passed as `by_ref(&f)`"
)]
pub trait TakesRow<Marker, Context> {
    /// The type that the function returns.
    type Out;
}

macro_rules! takes_row {
    (
        @ [$($G:ident)?] $Context:ty, [$($Lead:ty),*], $context:ident [$($lead:expr),*],
        $($T:ident $t:ident),+
    ) => {
        impl<Function, Out, Kind, $($G,)? $($T),+>
            TakesRow<Typed<Kind, fn($($T),+) -> Out>, $Context> for Function
        where
            Function: ?Sized,
            Function: Fn($(&mut $Lead,)* $($T),+) -> Out,
        {
            type Out = Out;
        }
    };
    ($($cell:tt)+) => {
        for_each_context!(takes_row! { $($cell)+ });
    };
}

for_each_arity!(takes_row);

impl<Function, Kind, Signature, Out, Context> RowFn<Typed<Kind, Signature>, Context> for Function
where
    Function: ?Sized,
    Function: TakesRow<Typed<Kind, Signature>, Context, Out = Out>,
    Signature: CallRow<Function, Kind, Context, Out = Out>,
    Function: Sync,
{
    type Cells = Signature::Cells;
    const NAMES: Names = Signature::NAMES;

    #[inline(always)]
    fn call<'a>(&self, context: &mut Context, cells: <Self::Cells as Cells>::Of<'a>) -> Out {
        Signature::call_row(self, context, cells)
    }
}

/// The types of a row function after the leading arguments, `fn(A, B) -> Out`, and how the function is called.
#[doc(hidden)]
pub trait CallRow<Function: ?Sized, Kind, Context> {
    type Out;
    type Cells: Cells;
    const NAMES: Names;

    fn call_row<'a>(
        function: &Function,
        context: &mut Context,
        cells: <Self::Cells as Cells>::Of<'a>,
    ) -> Self::Out;
}

macro_rules! call_row {
    (
        @ [$($G:ident)?] $Context:ty, [$($Lead:ty),*], $context:ident [$($lead:expr),*],
        $A:ident $a:ident
    ) => {
        impl<Function, Kind, Out, $($G,)? $A> CallRow<Function, Kind, $Context> for fn($A) -> Out
        where
            $A: RowArgument<Kind>,
            Function: ?Sized,
            for<'l, 'a> Function: CallWith<($(&'l mut $Lead,)* $A::Of<'a>,), Out = Out>,
        {
            type Out = Out;
            type Cells = $A::Cells;
            const NAMES: Names = $A::NAMES;

            #[inline(always)]
            fn call_row<'a>(
                function: &Function,
                $context: &mut $Context,
                cells: <Self::Cells as Cells>::Of<'a>,
            ) -> Out {
                let _ = &$context;
                function.call_with(($($lead,)* $A::assemble(cells),))
            }
        }
    };
    (
        @ [$($G:ident)?] $Context:ty, [$($Lead:ty),*], $context:ident [$($lead:expr),*],
        $($T:ident $t:ident),+
    ) => {
        impl<Function, Out, $($G,)? $($T),+> CallRow<Function, OfCells, $Context>
            for fn($($T),+) -> Out
        where
            $($T: Cell,)+
            Function: ?Sized,
            for<'l, 'a> Function: CallWith<($(&'l mut $Lead,)* $($T::Of<'a>,)+), Out = Out>,
        {
            type Out = Out;
            type Cells = list!($($T)+);
            const NAMES: Names = None;

            #[inline(always)]
            fn call_row<'a>(
                function: &Function,
                $context: &mut $Context,
                pairs!($($t)+): <Self::Cells as Cells>::Of<'a>,
            ) -> Out {
                let _ = &$context;
                function.call_with(($($lead,)* $($t,)+))
            }
        }
    };
    ($($cell:tt)+) => {
        for_each_context!(call_row! { $($cell)+ });
    };
}

for_each_arity!(call_row);

/// The only argument of a row function: a cell, or one whole row.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a column's value nor a row",
    label = "a row closure cannot take `{Self}`",
    note = "a row closure takes cells by value: `f64`, `u64`, `bool`, `&str`, `Option<i64>`, `Vec<f64>`, …; instead of `usize` take `u64`, instead of `&String` take `&str`, instead of `&f64` take `f64`",
    note = "or it takes one row: a tuple of 1 to 12 cells, an array of cells, a struct with `#[derive(FromRow)]`, or `Row<'_>`",
    note = "dates, times, small integers and Struct need the feature of this crate named after the dtype"
)]
pub trait RowArgument<Kind> {
    type Of<'a>;
    type Cells: Cells;
    const NAMES: Names;

    fn assemble<'a>(cells: <Self::Cells as Cells>::Of<'a>) -> Self::Of<'a>;
}

impl<T: Cell> RowArgument<OfCells> for T {
    type Of<'a> = T::Of<'a>;
    type Cells = Cons<T, Nil>;
    const NAMES: Names = None;

    #[inline(always)]
    fn assemble<'a>((cell, ()): (T::Of<'a>, ())) -> T::Of<'a> {
        cell
    }
}

impl<R: FromRow> RowArgument<OfWhole> for R {
    type Of<'a> = R::Of<'a>;
    type Cells = R::Cells;
    const NAMES: Names = R::NAMES;

    #[inline(always)]
    fn assemble<'a>(cells: <R::Cells as Cells>::Of<'a>) -> R::Of<'a> {
        R::assemble(cells)
    }
}
