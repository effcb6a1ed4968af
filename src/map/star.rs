//! Closures that take a tuple's fields as their arguments.

use crate::arity::for_each_arity;

/// A closure or function that [`starmap`](crate::Pool::starmap) takes: of the fields of a tuple `Args`, 1 to 12 of them.
///
/// It is implemented for every such `Fn`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not take the fields of `{Args}` as its arguments",
    note = "the items are tuples of 1 to 12 fields, and the closure has an argument for each: `|name: &str, age: u32| …`",
    note = "annotate every argument; several threads call it at once, so it must be `Fn`"
)]
pub trait StarFn<Args> {
    /// What it returns.
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
