//! Records each run of rows, for a `Report`.

use crate::options::Options;

#[cfg(feature = "report")]
pub(super) use crate::report::Lane;
#[cfg(feature = "report")]
pub(crate) use crate::report::Recorder;
#[cfg(not(feature = "report"))]
pub(super) use off::NoLane as Lane;
#[cfg(not(feature = "report"))]
pub(crate) use off::NoRecorder as Recorder;

/// What records the runs of a call with these options.
pub(super) fn recorder(verb: &'static str, options: &Options<'_>) -> Recorder {
    #[cfg(feature = "report")]
    return Recorder::new(verb, options.report.as_ref());
    #[cfg(not(feature = "report"))]
    {
        let _ = (verb, options);
        Recorder
    }
}

/// Without the feature nothing is recorded.
#[cfg(not(feature = "report"))]
mod off {
    use std::ops::Range;
    use std::time::Instant;

    use crate::outcome::Stats;
    use crate::progress::TickState;

    #[derive(Clone, Debug)]
    pub(crate) struct NoRecorder;

    #[derive(Debug, Default)]
    pub(crate) struct NoLane;

    impl NoRecorder {
        pub(crate) fn lane(&self) -> NoLane {
            NoLane
        }

        pub(crate) fn leave(&self, _: usize, _: NoLane) {}

        pub(crate) fn end(&self, _: &Stats, _: TickState) {}

        pub(crate) fn failed<T>(&self, _: impl Iterator<Item = T>) {}
    }

    impl NoLane {
        #[inline(always)]
        pub(crate) fn ran(
            &mut self,
            _: Instant,
            _: Instant,
            _: usize,
            _: usize,
            _: &dyn Fn() -> Range<usize>,
        ) {
        }
    }
}
