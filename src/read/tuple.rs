//! Rows by position: tuples and arrays.

use super::{Cell, Cells, Cons, FromRow, Nil, Repeat};

macro_rules! list {
    () => { Nil };
    ($First:ident $($Rest:ident)*) => { Cons<$First, list!($($Rest)*)> };
}

macro_rules! pairs {
    () => { () };
    ($first:ident $($rest:ident)*) => { ($first, pairs!($($rest)*)) };
}

macro_rules! tuple {
    ($($T:ident $t:ident),+) => {
        impl<$($T: Cell),+> FromRow for ($($T,)+) {
            type Of<'a> = ($($T::Of<'a>,)+);
            type Cells = list!($($T)+);
            const NAMES: Option<&'static [&'static str]> = None;

            #[inline(always)]
            fn assemble<'a>(pairs!($($t)+): <Self::Cells as Cells>::Of<'a>) -> Self::Of<'a> {
                ($($t,)+)
            }
        }
    };
}

crate::arity::for_each_arity!(tuple);

impl<T: Cell, const N: usize> FromRow for [T; N] {
    type Of<'a> = [T::Of<'a>; N];
    type Cells = Repeat<T, N>;
    const NAMES: Option<&'static [&'static str]> = None;

    #[inline(always)]
    fn assemble<'a>(cells: <Self::Cells as Cells>::Of<'a>) -> Self::Of<'a> {
        cells
    }
}

pub(crate) use {list, pairs};
