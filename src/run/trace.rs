//! Spans for `tracing`: one for each call, and within it one for each run of rows.

#[cfg(not(feature = "tracing"))]
pub(super) use off::NoCallSpan as CallSpan;
#[cfg(feature = "tracing")]
pub(super) use on::CallSpan;

#[cfg(feature = "tracing")]
mod on {
    use std::ops::Range;
    use std::time::Duration;

    use tracing::field::Empty;
    use tracing::span::EnteredSpan;
    use tracing::{Span, debug_span, info_span};

    use crate::outcome::Stats;
    use crate::progress::TickState;

    #[derive(Debug)]
    pub(crate) struct CallSpan(Span);

    impl CallSpan {
        pub(crate) fn new(verb: &'static str, total: usize) -> Self {
            CallSpan(info_span!(
                target: "polars_par_apply",
                "par_apply",
                verb,
                total,
                rows = Empty,
                failures = Empty,
                retries = Empty,
                cancelled = Empty,
                wall_seconds = Empty,
                busy_seconds = Empty,
                workers = Empty,
                runs = Empty,
                longest_run_seconds = Empty,
                longest_run_start = Empty,
                longest_run_end = Empty,
                state = Empty,
            ))
        }

        pub(crate) fn end(&self, stats: &Stats, state: TickState) {
            let span = &self.0;
            span.record("state", tracing::field::debug(state));
            span.record("rows", stats.rows);
            span.record("failures", stats.failures);
            span.record("retries", stats.retries);
            span.record("cancelled", stats.cancelled);
            span.record("wall_seconds", stats.wall.as_secs_f64());
            let busy: Duration = stats.workers.iter().map(|worker| worker.busy).sum();
            span.record("busy_seconds", busy.as_secs_f64());
            span.record("workers", stats.workers.len());
            span.record("runs", stats.runs);
            if let Some(longest) = &stats.longest_run {
                span.record("longest_run_seconds", longest.time.as_secs_f64());
                span.record("longest_run_start", longest.rows.start);
                span.record("longest_run_end", longest.rows.end);
            }
        }

        /// Makes a span within that of the call, on whichever thread.
        pub(crate) fn run(&self, worker: usize, rows: &Range<usize>) -> RunSpan {
            let (start, end) = (rows.start, rows.end);
            let span = debug_span!(
                target: "polars_par_apply",
                parent: &self.0,
                "run",
                worker,
                start,
                end,
                rows = Empty,
                failures = Empty,
                busy_seconds = Empty,
            );
            RunSpan(span.entered())
        }
    }

    pub(crate) struct RunSpan(EnteredSpan);

    impl RunSpan {
        pub(crate) fn end(self, rows: usize, failures: usize, busy: Duration) {
            self.0.record("rows", rows);
            self.0.record("failures", failures);
            self.0.record("busy_seconds", busy.as_secs_f64());
        }
    }
}

/// Without the feature, nothing is reported.
#[cfg(not(feature = "tracing"))]
mod off {
    use std::ops::Range;
    use std::time::Duration;

    use crate::outcome::Stats;
    use crate::progress::TickState;

    #[derive(Debug)]
    pub(crate) struct NoCallSpan;

    pub(crate) struct NoRunSpan;

    impl NoCallSpan {
        pub(crate) fn new(_: &'static str, _: usize) -> Self {
            NoCallSpan
        }

        pub(crate) fn end(&self, _: &Stats, _: TickState) {}

        #[inline(always)]
        pub(crate) fn run(&self, _: usize, _: &Range<usize>) -> NoRunSpan {
            NoRunSpan
        }
    }

    impl NoRunSpan {
        #[inline(always)]
        pub(crate) fn end(self, _: usize, _: usize, _: Duration) {}
    }
}
