//! The list of arities, 1 to 12, in one place.

/// Calls a macro once for each arity, with the names of that many types and values.
macro_rules! for_each_arity {
    ($macro:ident) => {
        $macro!(A a);
        $macro!(A a, B b);
        $macro!(A a, B b, C c);
        $macro!(A a, B b, C c, D d);
        $macro!(A a, B b, C c, D d, E e);
        $macro!(A a, B b, C c, D d, E e, F f);
        $macro!(A a, B b, C c, D d, E e, F f, G g);
        $macro!(A a, B b, C c, D d, E e, F f, G g, H h);
        $macro!(A a, B b, C c, D d, E e, F f, G g, H h, I i);
        $macro!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j);
        $macro!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k);
        $macro!(A a, B b, C c, D d, E e, F f, G g, H h, I i, J j, K k, L l);
    };
}
pub(crate) use for_each_arity;
