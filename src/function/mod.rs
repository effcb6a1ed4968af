//! Closures as functions of rows, columns and parts.
//!
//! Only the argument types of a closure determine how the frame is read. Each trait has a marker parameter that is inferred
//! from the closure's own signature, so that one trait can be implemented for closures of every shape. The plain `Fn` bound
//! names the argument types, and the bound `for<'a> Fn(A::Of<'a>)` allows the call to pass values that borrow.

mod rows;
mod spans;

use crate::sync::Arc;
use std::fmt;
use std::marker::PhantomData;

#[cfg(feature = "arrow")]
use arrow_array::RecordBatch;
use polars::prelude::{Column, DataFrame, DataType, PlSmallStr};

use crate::arity::for_each_arity;
#[cfg(any(feature = "arrow", feature = "arrow2"))]
use crate::arrow;
#[cfg(feature = "arrow2")]
use crate::arrow::Arrow2Chunk;
use crate::context::{IntoUnit, NoContext, WithState};
#[cfg(feature = "rand")]
use crate::context::{RowRng, WithSeed, WithStateAndSeed};
use crate::error::Error;
use crate::partition::Chunk;
use crate::read::tuple::{list, pairs};
use crate::read::{
    Argument, Cell, Cells, ColumnChunks, Cons, Fault, FromRow, Names, Nil, SpanArgs, Values,
    first_null, with_values,
};
use crate::write::{Emit, EmitRow};

use rows::TakesRow;
pub use spans::{GroupFn, WindowFn};

/// A closure or function that [`rows`](crate::Apply::rows) takes: of 1 to 12 cells, or of one whole row.
///
/// The trait is implemented for every such `Fn`, and its first parameter is inferred. The second parameter says which leading
/// arguments there are: none, or those of [`WithState`](crate::WithState) and similar types. A generic function that passes a
/// closure on looks like this:
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// fn of_x<M, F>(df: &DataFrame, f: F) -> polars_par_apply::Result<<F::Out as IntoRow>::Output>
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
/// # Closures in variables
///
/// A closure can come from anywhere: from a function that returns `impl Fn(f64) -> f64 + Sync`, as a type parameter
/// `F: Fn(f64) -> f64 + Sync`, in a `Box<dyn Fn(f64) -> f64 + Send + Sync>`, or in an [`Arc`] of any row function. All of these
/// can be passed by value. For all of them except an `Arc`, a reference `&f` can be passed too, and for any of them
/// [`by_ref(&f)`](by_ref).
///
/// ```
/// use std::sync::Arc;
///
/// use polars_par_apply::prelude::*;
///
/// fn scale(by: f64) -> impl Fn(f64) -> f64 + Send + Sync + 'static {
///     move |x| x * by
/// }
///
/// let df = df!["x" => [1.0, 4.0]]?;
/// let by_name = |name: &str| -> Arc<dyn Fn(f64) -> f64 + Send + Sync> {
///     match name {
///         "root" => Arc::new(f64::sqrt),
///         _ => Arc::new(scale(2.0)),
///     }
/// };
/// assert_eq!(df.par_apply_rows(scale(2.0))?, df.par_apply_rows(by_name("double"))?);
/// let root = by_name("root");
/// let job = df.par_apply().spawn_rows(Arc::clone(&root));
/// assert_eq!(job.get()?, df.par_apply_rows(root)?);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// [`around`] makes a row function that calls another row function of any kind, for example to time it or to log its results.
///
/// `F::Out` is the type that the function `F` returns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function of a row",
    label = "it must be `Fn` and `Sync`, and take 1 to 12 arguments after those that the options give it",
    note = "`.state(init)` gives it a first argument `&mut S`, of exactly the type that `init` makes; `.seed(n)` gives it `&mut RowRng` next; without these options it has no such argument",
    note = "to read more than 12 columns, take one row: `Row<'_>`, an array, or a struct with `#[derive(FromRow)]`",
    note = "a reference to a row function (`F: RowFn<M>`, an `Arc`) is passed as `by_ref(&f)`"
)]
pub trait RowFn<Marker, Context = NoContext>:
    SealedFor<Marker> + TakesRow<Marker, Context> + Sync
{
    #[doc(hidden)]
    type Cells: Cells;

    #[doc(hidden)]
    const NAMES: Names;

    #[doc(hidden)]
    fn call<'a>(&self, context: &mut Context, cells: <Self::Cells as Cells>::Of<'a>) -> Self::Out;
}

/// The marker of closures of cells.
#[doc(hidden)]
#[derive(Debug)]
pub struct OfCells;

/// The marker of closures of one whole row, column or part.
#[doc(hidden)]
#[derive(Debug)]
pub struct OfWhole;

/// The marker of closures of a row: the kind of their arguments, and the types after the leading ones as `fn(A, B) -> Out`.
#[doc(hidden)]
#[derive(Debug)]
pub struct Typed<Kind, Signature>(PhantomData<fn() -> (Kind, Signature)>);

/// The marker of functions that call another one, whose marker is `M`.
#[doc(hidden)]
#[derive(Debug)]
pub struct Through<M>(PhantomData<fn() -> M>);

/// Prevents implementations of the traits outside this crate, where the markers cannot be named.
pub trait SealedFor<Marker> {}

impl<F: ?Sized, A> SealedFor<(OfCells, A)> for F {}
impl<F: ?Sized, A> SealedFor<(OfWhole, A)> for F {}
impl<F: ?Sized, K, S> SealedFor<Typed<K, S>> for F {}
impl<F: ?Sized, M> SealedFor<Through<M>> for F {}

/// A function that takes arguments of these types.
///
/// It stands in place of `Fn` where an argument's type is a projection. If only the bounds of a function are known
/// (`impl Fn(i64) -> i64`, a type parameter), the compiler compares an `Fn` bound with them as they are written, and does not
/// see that `T::Of<'a>` is `i64`; through an implementation for every `Fn`, it does. (`&F: Fn` would work too, but it is called
/// through a function of the standard library, and a large closure would be inlined into that function instead of into the
/// loop.)
#[doc(hidden)]
pub trait CallWith<Arguments> {
    type Out;

    fn call_with(&self, arguments: Arguments) -> Self::Out;
}

macro_rules! call_with {
    ($($T:ident $t:ident),+) => {
        impl<Function, Out, $($T),+> CallWith<($($T,)+)> for Function
        where
            Function: Fn($($T),+) -> Out + ?Sized,
        {
            type Out = Out;

            #[inline(always)]
            fn call_with(&self, ($($t,)+): ($($T,)+)) -> Out {
                self($($t),+)
            }
        }
    };
}

for_each_arity!(call_with);
// These have two leading arguments, and the output that rows are pushed onto.
call_with!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l, M m);
call_with!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l, M m, N n);
call_with!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l, M m, N n, O o);

/// Calls a macro once for each context, with its type parameters, the type, the types of its leading arguments, and the
/// arguments taken from it by a name.
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

use for_each_context;

/// A closure or function that [`emit_rows`](crate::Apply::emit_rows) takes: of the leading arguments, of `&mut` [`Emit`], and
/// then of 1 to 12 cells or of one whole row.
///
/// It returns nothing, or a `Result` of nothing.
///
/// The trait is implemented for every such `Fn`; its first parameter is inferred and never written.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function that pushes the rows of a row",
    label = "its arguments must be `&mut Emit<T>`, and then 1 to 12 column values (`f64`, `&str`, `Option<i64>`, …) or one row (a tuple, an array, a derived struct, `Row<'_>`)",
    note = "annotate every argument: `|out: &mut Emit<&str>, text: &str| …`",
    note = "with `.state(init)`, its first argument is `&mut S`, of exactly the type that `init` makes; with `.seed(n)`, `&mut RowRng` comes next; then `&mut Emit<T>`",
    note = "it returns `()` or a `Result<(), E>`, and pushes its rows with `out.push(…)`",
    note = "several threads call it at once: it must be `Fn` and `Sync`, so it cannot change what it captures"
)]
pub trait EmitFn<Marker, Context = NoContext>: SealedFor<Marker> + Sync {
    /// The type that the function returns: `()`, or a `Result` of it.
    type Out: IntoUnit;

    /// The type of the rows that the function pushes.
    type Row: EmitRow;

    #[doc(hidden)]
    type Cells: Cells;

    #[doc(hidden)]
    const NAMES: Names;

    #[doc(hidden)]
    fn call<'a>(
        &self,
        context: &mut Context,
        out: &mut Emit<Self::Row>,
        cells: <Self::Cells as Cells>::Of<'a>,
    ) -> Self::Out;
}

macro_rules! emit_fn {
    (
        @ [$($G:ident)?] $Context:ty, [$($Lead:ty),*], $context:ident [$($lead:expr),*],
        $($T:ident $t:ident),+
    ) => {
        impl<Function, Out, Pushed, $($G,)? $($T),+>
            EmitFn<(OfCells, fn(Pushed, $($T),+) -> Out), $Context> for Function
        where
            Function: ?Sized,
            Function: Sync,
            Function: Fn($(&mut $Lead,)* &mut Emit<Pushed>, $($T),+) -> Out,
            for<'l, 'a> Function:
                CallWith<($(&'l mut $Lead,)* &'l mut Emit<Pushed>, $($T::Of<'a>,)+), Out = Out>,
            Out: IntoUnit,
            Pushed: EmitRow,
            $($T: Cell,)+
        {
            type Out = Out;
            type Row = Pushed;
            type Cells = list!($($T)+);
            const NAMES: Names = None;

            #[inline(always)]
            fn call<'a>(
                &self,
                $context: &mut $Context,
                out: &mut Emit<Pushed>,
                pairs!($($t)+): <Self::Cells as Cells>::Of<'a>,
            ) -> Out {
                let _ = &$context;
                self.call_with(($($lead,)* out, $($t,)+))
            }
        }
    };
    ($($cell:tt)+) => {
        for_each_context!(emit_fn! { $($cell)+ });
    };
}

for_each_arity!(emit_fn);

macro_rules! whole_row_emit_fn {
    (
        @ [$($G:ident)?] $Context:ty, [$($Lead:ty),*], $context:ident [$($lead:expr),*],
    ) => {
        impl<Function, Out, Pushed, $($G,)? R>
            EmitFn<(OfWhole, fn(Pushed, R) -> Out), $Context> for Function
        where
            Function: ?Sized,
            Function: Sync,
            Function: Fn($(&mut $Lead,)* &mut Emit<Pushed>, R) -> Out,
            for<'l, 'a> Function:
                CallWith<($(&'l mut $Lead,)* &'l mut Emit<Pushed>, R::Of<'a>,), Out = Out>,
            Out: IntoUnit,
            Pushed: EmitRow,
            R: FromRow,
        {
            type Out = Out;
            type Row = Pushed;
            type Cells = R::Cells;
            const NAMES: Names = R::NAMES;

            #[inline(always)]
            fn call<'a>(
                &self,
                $context: &mut $Context,
                out: &mut Emit<Pushed>,
                cells: <Self::Cells as Cells>::Of<'a>,
            ) -> Out {
                let _ = &$context;
                self.call_with(($($lead,)* out, R::assemble(cells),))
            }
        }
    };
}

for_each_context!(whole_row_emit_fn! {});

/// A closure or function that [`columns`](crate::Apply::columns) takes: of a `&Column`, or of its typed [`Values`].
///
/// The trait is implemented for every such `Fn`; its parameter is inferred and never written.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function of a column",
    label = "its one argument must be `&Column` or `Values<'_, T>`",
    note = "annotate the argument: `|column: &Column| …` or `|values: Values<'_, f64>| …`",
    note = "with `.state(init)`, its first argument is `&mut S`, of exactly the type that `init` makes; with `.seed(n)`, `&mut RowRng` comes next; without these options it has no such argument"
)]
pub trait ColumnFn<Marker, Context = NoContext>: SealedFor<Marker> + Sync {
    /// The type that the function returns.
    type Out;

    /// Returns the type of the column's values, for a typed closure.
    #[doc(hidden)]
    fn argument() -> Option<Argument>;

    /// Calls the function, or returns the first row whose value the argument's type cannot hold.
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

    /// Returns the first row that is null to the argument's type.
    ///
    /// # Safety
    /// The same as for `call`.
    #[doc(hidden)]
    unsafe fn first_null(chunks: &ColumnChunks<'_>, rows: usize) -> Option<usize>;
}

macro_rules! column_fn {
    (
        @ [$($G:ident)?] $Context:ty, [$($Lead:ty),*], $context:ident [$($lead:expr),*],
    ) => {
        impl<Function, Out, $($G)?> ColumnFn<(OfWhole, Out), $Context> for Function
        where
            Function: ?Sized,
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
            Function: ?Sized,
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
                // SAFETY: the caller upholds this function's contract.
                unsafe { with_values::<T, Out>(chunks, column.len(), call) }
            }

            unsafe fn first_null(chunks: &ColumnChunks<'_>, rows: usize) -> Option<usize> {
                // SAFETY: the caller upholds this function's contract.
                unsafe { first_null::<T>(chunks, rows) }
            }
        }
    };
}

for_each_context!(column_fn! {});

/// A closure or function that [`chunks`](crate::Apply::chunks) takes: of a `DataFrame`, a `&DataFrame`, or a [`Chunk`].
///
/// With the feature `arrow` it can also take a `RecordBatch`, and with the feature `arrow2` an `Arrow2Chunk`.
///
/// The trait is implemented for every such `Fn`; its parameter is inferred and never written.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function of a part of a frame",
    label = "its one argument must be `DataFrame`, `&DataFrame` or `Chunk`",
    note = "annotate the argument: `|part: DataFrame| …`",
    note = "`RecordBatch` of arrow-array 60 needs the feature `arrow` of this crate, and `Arrow2Chunk` the feature `arrow2`",
    note = "with `.state(init)`, its first argument is `&mut S`, of exactly the type that `init` makes; with `.seed(n)`, `&mut RowRng` comes next; without these options it has no such argument"
)]
pub trait ChunkFn<Marker, Context = NoContext>: SealedFor<Marker> + Sync {
    /// The type that the function returns.
    type Out;

    /// Whether the function is given the place of the part too.
    #[doc(hidden)]
    const TAKES_PLACE: bool;

    /// Returns a fault for each column that the argument cannot have.
    #[doc(hidden)]
    fn faults(fields: Fields<'_>) -> Vec<Error>;

    /// Calls the function, or returns why its argument cannot be made of the part.
    #[doc(hidden)]
    fn call(&self, context: &mut Context, chunk: Chunk) -> Result<Self::Out, Error>;
}

/// The names and dtypes of columns.
#[doc(hidden)]
pub(crate) type Fields<'f> = &'f [(&'f PlSmallStr, &'f DataType)];

macro_rules! chunk_fn {
    (
        @ [$($G:ident)?] $Context:ty, [$($Lead:ty),*], $context:ident [$($lead:expr),*],
        $Part:ty, $takes_place:literal, $faults:path, |$chunk:ident| $part:expr
    ) => {
        impl<Function, Out, $($G)?> ChunkFn<(OfWhole, fn($Part) -> Out), $Context> for Function
        where
            Function: ?Sized,
            Function: Sync,
            Function: Fn($(&mut $Lead,)* $Part) -> Out,
        {
            type Out = Out;

            const TAKES_PLACE: bool = $takes_place;

            fn faults(fields: Fields<'_>) -> Vec<Error> {
                $faults(fields)
            }

            fn call(&self, $context: &mut $Context, $chunk: Chunk) -> Result<Out, Error> {
                let _ = &$context;
                Ok(self($($lead,)* $part))
            }
        }
    };
}

/// Returns no faults: a frame can have every column of a part.
fn no_faults(_: Fields<'_>) -> Vec<Error> {
    Vec::new()
}

for_each_context!(chunk_fn! { DataFrame, false, no_faults, |chunk| chunk.into_frame() });
for_each_context!(chunk_fn! { &DataFrame, false, no_faults, |chunk| chunk.frame() });
for_each_context!(chunk_fn! { Chunk, true, no_faults, |chunk| chunk });
#[cfg(feature = "arrow")]
for_each_context!(
    chunk_fn! { RecordBatch, false, arrow::faults, |chunk| arrow::batch_of(&chunk)? }
);
#[cfg(feature = "arrow2")]
for_each_context!(
    chunk_fn! { Arrow2Chunk, false, arrow::faults_of_arrow2, |chunk| arrow::chunk_of(&chunk)? }
);

/// A row, column or chunk function behind a reference, made by [`by_ref`].
#[derive(Debug)]
pub struct ByRef<'f, F: ?Sized>(&'f F);

impl<F: ?Sized> Clone for ByRef<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: ?Sized> Copy for ByRef<'_, F> {}

/// Passes a row, column or chunk function by reference, so that it can be passed again.
///
/// A reference to a closure can be passed directly. This is for functions that are known only as `F: RowFn<M>` or the like, and
/// for an [`Arc`]:
///
/// ```
/// use polars_par_apply::{by_ref, prelude::*};
///
/// fn twice<M, F>(a: &DataFrame, b: &DataFrame, f: F) -> polars_par_apply::Result<[<F::Out as IntoRow>::Output; 2]>
/// where
///     F: RowFn<M>,
///     F::Out: IntoRow,
/// {
///     Ok([a.par_apply_rows(by_ref(&f))?, b.par_apply_rows(f)?])
/// }
///
/// let (a, b) = (df!["x" => [1]]?, df!["x" => [2, 3]]?);
/// let [a, b] = twice(&a, &b, |x: i32| x + 1)?;
/// assert_eq!((a.i32()?.to_vec(), b.i32()?.to_vec()), (vec![Some(2)], vec![Some(3), Some(4)]));
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
pub fn by_ref<F: ?Sized>(f: &F) -> ByRef<'_, F> {
    ByRef(f)
}

macro_rules! pointer {
    ([$($lifetime:lifetime)?] $Pointer:ty, |$pointer:ident| $target:expr) => {
        #[diagnostic::do_not_recommend]
        impl<$($lifetime,)? F, M, C> TakesRow<Through<M>, C> for $Pointer
        where
            F: RowFn<M, C> + ?Sized,
        {
            type Out = F::Out;
        }

        #[diagnostic::do_not_recommend]
        impl<$($lifetime,)? F, M, C> RowFn<Through<M>, C> for $Pointer
        where
            F: RowFn<M, C> + ?Sized,
            $Pointer: Sync,
        {
            type Cells = F::Cells;
            const NAMES: Names = F::NAMES;

            #[inline(always)]
            fn call<'a>(&self, context: &mut C, cells: <F::Cells as Cells>::Of<'a>) -> F::Out {
                let $pointer = self;
                $target.call(context, cells)
            }
        }

        impl<$($lifetime,)? F, M, C> EmitFn<Through<M>, C> for $Pointer
        where
            F: EmitFn<M, C> + ?Sized,
            $Pointer: Sync,
        {
            type Out = F::Out;
            type Row = F::Row;
            type Cells = F::Cells;
            const NAMES: Names = F::NAMES;

            #[inline(always)]
            fn call<'a>(
                &self,
                context: &mut C,
                out: &mut Emit<F::Row>,
                cells: <F::Cells as Cells>::Of<'a>,
            ) -> F::Out {
                let $pointer = self;
                $target.call(context, out, cells)
            }
        }

        impl<$($lifetime,)? F, M, C> ColumnFn<Through<M>, C> for $Pointer
        where
            F: ColumnFn<M, C> + ?Sized,
            $Pointer: Sync,
        {
            type Out = F::Out;

            fn argument() -> Option<Argument> {
                F::argument()
            }

            unsafe fn call(
                &self,
                context: &mut C,
                column: &Column,
                chunks: &ColumnChunks<'_>,
            ) -> Result<F::Out, (usize, Fault)> {
                let $pointer = self;
                // SAFETY: the caller upholds this function's contract.
                unsafe { $target.call(context, column, chunks) }
            }

            unsafe fn first_null(chunks: &ColumnChunks<'_>, rows: usize) -> Option<usize> {
                // SAFETY: the caller upholds this function's contract.
                unsafe { F::first_null(chunks, rows) }
            }
        }

        impl<$($lifetime,)? F, M, C> ChunkFn<Through<M>, C> for $Pointer
        where
            F: ChunkFn<M, C> + ?Sized,
            $Pointer: Sync,
        {
            type Out = F::Out;

            const TAKES_PLACE: bool = F::TAKES_PLACE;

            fn faults(fields: Fields<'_>) -> Vec<Error> {
                F::faults(fields)
            }

            fn call(&self, context: &mut C, chunk: Chunk) -> Result<F::Out, Error> {
                let $pointer = self;
                $target.call(context, chunk)
            }
        }

        impl<$($lifetime,)? F, M, C> GroupFn<Through<M>, C> for $Pointer
        where
            F: GroupFn<M, C> + ?Sized,
            $Pointer: Sync,
        {
            type Out = F::Out;
            type Arguments = F::Arguments;

            #[inline(always)]
            fn call<'a>(
                &self,
                context: &mut C,
                arguments: <F::Arguments as SpanArgs>::Of<'a>,
            ) -> F::Out {
                let $pointer = self;
                $target.call(context, arguments)
            }
        }

        impl<$($lifetime,)? F, M, C> WindowFn<Through<M>, C> for $Pointer
        where
            F: WindowFn<M, C> + ?Sized,
            $Pointer: Sync,
        {
            type Out = F::Out;
            type Arguments = F::Arguments;

            #[inline(always)]
            fn call<'a>(
                &self,
                context: &mut C,
                arguments: <F::Arguments as SpanArgs>::Of<'a>,
            ) -> F::Out {
                let $pointer = self;
                $target.call(context, arguments)
            }
        }
    };
}

pointer!(['f] ByRef<'f, F>, |pointer| pointer.0);
pointer!([] Arc<F>, |pointer| (**pointer));

/// A row function that calls another row function, made by [`around`].
#[derive(Clone, Copy, Debug)]
pub struct Around<F, W> {
    f: F,
    wrapper: W,
}

/// One call of a row function, which the wrapper of [`around`] either makes or leaves out.
#[must_use = "the row function is called by `.run()`"]
pub struct Call<'c, Out>(&'c mut dyn FnMut() -> Out);

impl<Out> Call<'_, Out> {
    /// Calls the row function with the row, and returns its result.
    #[inline(always)]
    pub fn run(self) -> Out {
        (self.0)()
    }
}

impl<Out> fmt::Debug for Call<'_, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

/// Makes a row function that calls another row function through a wrapper, for example to time it, or to log or change its
/// results.
///
/// The other function may have any arguments. For each row, the wrapper is called in its place and given that one call, which
/// it makes with [`run`](Call::run); what the wrapper returns is the row's result. Several threads call the wrapper at once, as
/// they call the row function. The columns, the leading arguments and the treatment of nulls are those of the row function.
///
/// ```
/// use std::fmt::Debug;
/// use std::sync::Mutex;
/// use std::time::{Duration, Instant};
///
/// use polars_par_apply::{Around, Call, around, prelude::*};
///
/// /// Records each row that takes long, with its result.
/// fn watched<M, F>(f: F, slow: &Mutex<Vec<String>>) -> Around<F, impl Fn(Call<'_, F::Out>) -> F::Out>
/// where
///     F: RowFn<M>,
///     F::Out: Debug,
/// {
///     around(f, |call: Call<'_, F::Out>| {
///         let began = Instant::now();
///         let out = call.run();
///         if began.elapsed() >= Duration::from_millis(20) {
///             slow.lock().unwrap().push(format!("{out:?}"));
///         }
///         out
///     })
/// }
///
/// let df = df!["name" => ["ann", "bob"], "age" => [30, 40]]?;
/// let slow = Mutex::new(Vec::new());
/// let f = |name: &str, age: i32| {
///     if age > 35 {
///         std::thread::sleep(Duration::from_millis(25));
///     }
///     format!("{name} is {age}")
/// };
/// let said = df.par_apply_rows(watched(f, &slow))?;
/// assert_eq!(said, df.par_apply_rows(f)?);
/// assert!(slow.into_inner().unwrap().contains(&r#""bob is 40""#.to_string()));
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
pub fn around<F, W>(f: F, wrapper: W) -> Around<F, W> {
    Around { f, wrapper }
}

#[diagnostic::do_not_recommend]
impl<F, W, Out, M, C> TakesRow<Through<M>, C> for Around<F, W>
where
    F: RowFn<M, C>,
    W: Fn(Call<'_, F::Out>) -> Out + Sync,
{
    type Out = Out;
}

#[diagnostic::do_not_recommend]
impl<F, W, Out, M, C> RowFn<Through<M>, C> for Around<F, W>
where
    F: RowFn<M, C>,
    W: Fn(Call<'_, F::Out>) -> Out + Sync,
{
    type Cells = F::Cells;
    const NAMES: Names = F::NAMES;

    #[inline(always)]
    fn call<'a>(&self, context: &mut C, cells: <F::Cells as Cells>::Of<'a>) -> Out {
        let mut cells = Some(cells);
        // `Call::run` takes `self`, so this is called at most once.
        let mut call = || match cells.take() {
            Some(cells) => self.f.call(context, cells),
            None => unreachable!("the row is taken once"),
        };
        (self.wrapper)(Call(&mut call))
    }
}
