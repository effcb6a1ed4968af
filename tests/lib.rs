//! The laws of `polars-par-apply`, as one integration test: see `laws/`. And the programs of those pages of its guide that read `data/`, or that use
//! crates which nobody else should build: as doc tests of this package.

#[cfg(doctest)]
macro_rules! pages {
    ($($page:ident)*) => {$(
        #[doc = include_str!(concat!("../src/guide/", stringify!($page), ".md"))]
        pub mod $page {}
    )*};
}

#[cfg(doctest)]
pages! { building_on_it cookbook in_a_lazy_pipeline in_a_service when_something_goes_wrong }
