//! The policy for calling a row's closure again after an error.

#[cfg(not(feature = "retry"))]
pub(crate) use never::{NoDelays as Delays, NoRetry as Retry};
#[cfg(feature = "retry")]
pub(crate) use policy::Delays;
#[cfg(feature = "retry")]
pub use policy::Retry;

#[cfg(feature = "retry")]
mod policy {
    use crate::sync::Arc;
    use std::fmt;
    use std::time::Duration;

    use backon::{BackoffBuilder, ExponentialBuilder};

    /// The delays before a row's further attempts.
    pub(crate) type Delays = <ExponentialBuilder as BackoffBuilder>::Backoff;

    /// A policy that says when and how often a row is tried again whose closure returned an error.
    ///
    /// It is given to [`Apply::retry`](crate::Apply::retry).
    ///
    /// The delay before the second attempt is [`min_delay`](Retry::min_delay), and each further delay is [`factor`](Retry::factor)
    /// times the one before, up to [`max_delay`](Retry::max_delay). A random part, at most the delay itself, is added to each
    /// delay, so that rows that failed together are not tried again together. The policy is `backon`'s exponential backoff.
    ///
    /// A row is tried again when its delay has passed and a worker is free for it: never sooner, and under load later.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use polars_par_apply::prelude::*;
    ///
    /// let patient = Retry::attempts(5)
    ///     .min_delay(Duration::from_millis(200))
    ///     .max_delay(Duration::from_secs(30))
    ///     .when(|error| error.to_string().contains("busy"));
    /// # let _ = patient;
    /// ```
    #[derive(Clone)]
    #[must_use = "a policy does nothing until it is given to `.retry(…)`"]
    pub struct Retry {
        attempts: usize,
        factor: f32,
        min_delay: Duration,
        max_delay: Duration,
        backoff: ExponentialBuilder,
        when: Option<Arc<Predicate>>,
    }

    type Predicate = dyn Fn(&anyhow::Error) -> bool + Send + Sync;

    impl Retry {
        /// Makes a policy of this many attempts in all, the first included.
        ///
        /// With 1 attempt, no row is tried again; 0 is an error of the call.
        pub fn attempts(attempts: usize) -> Self {
            Retry {
                attempts,
                factor: 2.0,
                min_delay: Duration::from_millis(100),
                max_delay: Duration::from_secs(60),
                backoff: ExponentialBuilder::new()
                    .with_jitter()
                    .with_max_times(attempts.saturating_sub(1)),
                when: None,
            }
        }

        /// Sets the delay before the second attempt; 100 ms by default.
        pub fn min_delay(mut self, delay: Duration) -> Self {
            self.min_delay = delay;
            self
        }

        /// Sets the longest delay, its random part not counted; a minute by default.
        ///
        /// If it is shorter than the first delay, every delay is as long as the first.
        pub fn max_delay(mut self, delay: Duration) -> Self {
            self.max_delay = delay;
            self
        }

        /// Sets the factor by which each delay is longer than the one before; 2 by default.
        ///
        /// A factor less than 1, infinity or NaN is an error of the call.
        pub fn factor(mut self, factor: f32) -> Self {
            self.factor = factor;
            self
        }

        /// Sets which errors are worth another attempt; by default all.
        ///
        /// With any other error, the row fails at once.
        ///
        /// The predicate sees the error as the closure returned it, so that `error.downcast_ref::<E>()` finds its type.
        /// A panic in it ends the call with an error.
        pub fn when<P>(mut self, predicate: P) -> Self
        where
            P: Fn(&anyhow::Error) -> bool + Send + Sync + 'static,
        {
            self.when = Some(Arc::new(predicate));
            self
        }

        /// Returns what is wrong with the policy, if anything.
        pub(crate) fn fault(&self) -> Option<String> {
            if self.attempts == 0 {
                return Some("0 attempts cannot run a row; give 1 or more".into());
            }
            let grows = self.factor.is_finite() && self.factor >= 1.0;
            (!grows).then(|| {
                format!(
                    "delays cannot grow by the factor {}; give a number of 1 or more",
                    self.factor
                )
            })
        }

        pub(crate) fn is_worth_it(&self, error: &anyhow::Error) -> bool {
            self.when.as_ref().is_none_or(|when| when(error))
        }

        pub(crate) fn delays(&self) -> Delays {
            self.backoff
                .with_factor(self.factor)
                .with_min_delay(self.min_delay)
                // With a first delay longer than the maximum, `backon` would shorten the delays.
                .with_max_delay(self.max_delay.max(self.min_delay))
                .build()
        }
    }

    /// The data of a policy, without its predicate.
    #[cfg(feature = "serde")]
    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(rename = "Retry", deny_unknown_fields)]
    struct Plain {
        attempts: usize,
        factor: f32,
        min_delay: Duration,
        max_delay: Duration,
    }

    /// Writes the policy; a policy with a predicate ([`when`](Retry::when)) is an error, since a closure cannot be written.
    #[cfg(feature = "serde")]
    impl serde::Serialize for Retry {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if self.when.is_some() {
                return Err(serde::ser::Error::custom(
                    "the predicate of `Retry::when` is a closure, which cannot be serialized; leave it out",
                ));
            }
            let plain = Plain {
                attempts: self.attempts,
                factor: self.factor,
                min_delay: self.min_delay,
                max_delay: self.max_delay,
            };
            plain.serialize(serializer)
        }
    }

    #[cfg(feature = "serde")]
    impl<'de> serde::Deserialize<'de> for Retry {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let plain = Plain::deserialize(deserializer)?;
            Ok(Retry::attempts(plain.attempts)
                .factor(plain.factor)
                .min_delay(plain.min_delay)
                .max_delay(plain.max_delay))
        }
    }

    impl fmt::Debug for Retry {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Retry")
                .field("attempts", &self.attempts)
                .field("factor", &self.factor)
                .field("min_delay", &self.min_delay)
                .field("max_delay", &self.max_delay)
                .field("backoff", &self.backoff)
                .finish_non_exhaustive()
        }
    }
}

/// Stands in for the policy where the feature is off: no value of it exists.
#[cfg(not(feature = "retry"))]
mod never {
    use std::time::Duration;

    #[derive(Clone, Debug)]
    pub(crate) enum NoRetry {}

    #[derive(Debug)]
    pub(crate) struct NoDelays;

    impl NoRetry {
        pub(crate) fn fault(&self) -> Option<String> {
            match *self {}
        }

        pub(crate) fn is_worth_it(&self, _: &anyhow::Error) -> bool {
            match *self {}
        }

        pub(crate) fn delays(&self) -> NoDelays {
            NoDelays
        }
    }

    impl Iterator for NoDelays {
        type Item = Duration;

        fn next(&mut self) -> Option<Duration> {
            None
        }
    }
}
