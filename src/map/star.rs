//! Closures that take a tuple's fields as their arguments.

use crate::arity::for_each_arity;

/// A closure or function that [`starmap`](crate::Pool::starmap) calls with the 1 to 12 fields of a tuple `Args`.
///
/// It is implemented for every such `Fn`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not take the fields of `{Args}` as its arguments",
    note = "the items are tuples of 1 to 12 fields, and the closure has an argument for each: `|name: &str, age: u32| …`",
    note = "annotate every argument; several threads call it at once, so it must be `Fn`"
)]
pub trait StarFn<Args> {
    /// The type that the closure returns.
    type Out;

    #[doc(hidden)]
    fn call(&self, args: Args) -> Self::Out;
}

macro_rules! star_fn {
    ($($T:ident $t:ident),+) => {
        impl<Function, Out, $($T),+> StarFn<($($T,)+)> for Function
        where
            Function: Fn($($T),+) -> Out,
        {
            type Out = Out;

            #[inline(always)]
            fn call(&self, ($($t,)+): ($($T,)+)) -> Out {
                self($($t),+)
            }
        }
    };
}

for_each_arity!(star_fn);
