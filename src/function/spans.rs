//! Closures as functions of groups and of windows.

use polars::prelude::DataFrame;

use super::{CallWith, OfCells, OfWhole, SealedFor, for_each_context};
use crate::arity::for_each_arity;
use crate::context::{NoContext, WithState};
#[cfg(feature = "rand")]
use crate::context::{RowRng, WithSeed, WithStateAndSeed};
use crate::read::tuple::{list, pairs};
use crate::read::{Cons, Group, GroupArg, Nil, OneGroup, SpanArgs};

/// A closure or function that [`windows`](crate::Apply::windows) takes: of 1 to 12 [arguments](GroupArg), each of which is the
/// window's [`Values`](crate::Values) of one column, its [`Rows`](crate::Rows) of several columns, or a cell of the current
/// row.
///
/// The trait is implemented for every such `Fn`; its parameter is inferred and never written.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function of a window",
    label = "its arguments must be `Values<'_, T>` (a column's values in the window), `Rows<'_, (T, U)>` (several columns', row by row), or cells (the current row's values)",
    note = "annotate every argument: `|now: f64, window: Values<'_, f64>| …`",
    note = "with `.state(init)`, its first argument is `&mut S`, of exactly the type that `init` makes; with `.seed(n)`, `&mut RowRng` comes next; without these options it has no such argument",
    note = "a window is not a `DataFrame`: take the columns that are needed",
    note = "several threads call it at once: it must be `Fn` and `Sync`, so it cannot change what it captures"
)]
pub trait WindowFn<Marker, Context = NoContext>: SealedFor<Marker> + Sync {
    /// The type that the function returns.
    type Out;

    #[doc(hidden)]
    type Arguments: SpanArgs;

    #[doc(hidden)]
    fn call<'a>(
        &self,
        context: &mut Context,
        arguments: <Self::Arguments as SpanArgs>::Of<'a>,
    ) -> Self::Out;
}

macro_rules! window_fn {
    (
        @ [$($G:ident)?] $Context:ty, [$($Lead:ty),*], $context:ident [$($lead:expr),*],
        $($T:ident $t:ident),+
    ) => {
        impl<Function, Out, $($G,)? $($T),+> WindowFn<(OfCells, fn($($T),+) -> Out), $Context> for Function
        where
            Function: ?Sized,
            Function: Sync,
            Function: Fn($(&mut $Lead,)* $($T),+) -> Out,
            for<'l, 'a> Function: CallWith<($(&'l mut $Lead,)* $($T::Of<'a>,)+), Out = Out>,
            $($T: GroupArg,)+
        {
            type Out = Out;
            type Arguments = list!($($T)+);

            #[inline(always)]
            fn call<'a>(
                &self,
                $context: &mut $Context,
                pairs!($($t)+): <Self::Arguments as SpanArgs>::Of<'a>,
            ) -> Out {
                let _ = &$context;
                self.call_with(($($lead,)* $($t,)+))
            }
        }
    };
    ($($cell:tt)+) => {
        for_each_context!(window_fn! { $($cell)+ });
    };
}

for_each_arity!(window_fn);

/// A closure or function that [`groups`](crate::Apply::groups) and [`transform`](crate::Apply::transform) take: of a whole
/// group (`DataFrame`, `&DataFrame` or [`Group`]), or of 1 to 12 [arguments](GroupArg).
///
/// These arguments are the keys as cells, if the closure wants them, and then [`Values`](crate::Values) of one column and
/// [`Rows`](crate::Rows) of several columns.
///
/// The trait is implemented for every such `Fn`; its parameter is inferred and never written.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function of a group",
    label = "its arguments must be the keys as cells (or none of them), and then `Values<'_, T>` (a column's values) or `Rows<'_, (T, U)>` (several columns', row by row); or it takes one whole group: `DataFrame`, `&DataFrame` or `Group`",
    note = "annotate every argument: `|key: &str, x: Values<'_, f64>| …`, or `|group: DataFrame| …`",
    note = "with `.state(init)`, its first argument is `&mut S`, of exactly the type that `init` makes; with `.seed(n)`, `&mut RowRng` comes next; without these options it has no such argument",
    note = "several threads call it at once: it must be `Fn` and `Sync`, so it cannot change what it captures"
)]
pub trait GroupFn<Marker, Context = NoContext>: SealedFor<Marker> + Sync {
    /// The type that the function returns.
    type Out;

    #[doc(hidden)]
    type Arguments: SpanArgs;

    #[doc(hidden)]
    fn call<'a>(
        &self,
        context: &mut Context,
        arguments: <Self::Arguments as SpanArgs>::Of<'a>,
    ) -> Self::Out;
}

macro_rules! typed_group_fn {
    (
        @ [$($G:ident)?] $Context:ty, [$($Lead:ty),*], $context:ident [$($lead:expr),*],
        $($T:ident $t:ident),+
    ) => {
        impl<Function, Out, $($G,)? $($T),+> GroupFn<(OfCells, fn($($T),+) -> Out), $Context> for Function
        where
            Function: ?Sized,
            Function: WindowFn<(OfCells, fn($($T),+) -> Out), $Context, Out = Out, Arguments = list!($($T)+)>,
            Function: Fn($(&mut $Lead,)* $($T),+) -> Out,
            $($T: GroupArg,)+
        {
            type Out = Out;
            type Arguments = list!($($T)+);

            #[inline(always)]
            fn call<'a>(
                &self,
                context: &mut $Context,
                arguments: <Self::Arguments as SpanArgs>::Of<'a>,
            ) -> Out {
                WindowFn::call(self, context, arguments)
            }
        }
    };
    ($($cell:tt)+) => {
        for_each_context!(typed_group_fn! { $($cell)+ });
    };
}

for_each_arity!(typed_group_fn);

macro_rules! whole_group_fn {
    (
        @ [$($G:ident)?] $Context:ty, [$($Lead:ty),*], $context:ident [$($lead:expr),*],
        $Whole:ty, |$group:ident| $whole:expr
    ) => {
        impl<Function, Out, $($G)?> GroupFn<(OfWhole, fn($Whole) -> Out), $Context> for Function
        where
            Function: ?Sized,
            Function: Sync,
            Function: Fn($(&mut $Lead,)* $Whole) -> Out,
        {
            type Out = Out;
            type Arguments = OneGroup;

            fn call<'a>(&self, $context: &mut $Context, $group: Group) -> Out {
                let _ = &$context;
                self($($lead,)* $whole)
            }
        }
    };
}

for_each_context!(whole_group_fn! { DataFrame, |group| group.into_frame() });
for_each_context!(whole_group_fn! { &DataFrame, |group| group.frame() });
for_each_context!(whole_group_fn! { Group, |group| group });
