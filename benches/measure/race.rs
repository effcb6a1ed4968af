//! Contenders timed in turn, so that what slows the machine for a while slows them all.
//!
//! What one leaves behind (threads that still spin, pages to be given back) can slow the next, so each round has another
//! order.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rand::seq::SliceRandom;

use super::run::Run;
use crate::groups::random;

/// Runs contenders round by round.
pub(crate) struct Race<'a> {
    extent: Run,
    contenders: Vec<Contender<'a>>,
}

struct Contender<'a> {
    name: &'static str,
    time: Box<dyn FnMut() -> Duration + 'a>,
    times: Vec<Duration>,
}

/// Each contender's times.
#[derive(Debug)]
pub(crate) struct Results(Vec<(&'static str, Times)>);

/// What a contender took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) median: Duration,
    /// Shows whether a median was spoilt by what else ran on the machine.
    pub(crate) fastest: Duration,
}

impl<'a> Race<'a> {
    pub(crate) fn new(extent: Run) -> Self {
        Race {
            extent,
            contenders: Vec::new(),
        }
    }

    /// Enters a contender. What it returns is dropped after the clock has stopped.
    pub(crate) fn enter<O>(
        self,
        name: &'static str,
        mut contender: impl FnMut() -> O + 'a,
    ) -> Self {
        self.enter_with(name, || (), move |()| contender())
    }

    /// Enters a contender that is given what `make` has made before the clock starts.
    pub(crate) fn enter_with<I, O>(
        self,
        name: &'static str,
        mut make: impl FnMut() -> I + 'a,
        mut contender: impl FnMut(I) -> O + 'a,
    ) -> Self {
        self.enter_timed(name, move || {
            let input = black_box(make());
            let start = Instant::now();
            let output = black_box(contender(input));
            let time = start.elapsed();
            drop(output);
            time
        })
    }

    /// Enters a contender that is too short to be timed alone: the time of one of `calls`, dropping included.
    pub(crate) fn enter_short<O>(
        self,
        name: &'static str,
        calls: u32,
        mut contender: impl FnMut() -> O + 'a,
    ) -> Self {
        let calls = if self.extent.rounds == 1 { 1 } else { calls };
        self.enter_timed(name, move || {
            let start = Instant::now();
            for _ in 0..calls {
                black_box(contender());
            }
            start.elapsed() / calls
        })
    }

    fn enter_timed(mut self, name: &'static str, time: impl FnMut() -> Duration + 'a) -> Self {
        self.contenders.push(Contender {
            name,
            time: Box::new(time),
            times: Vec::new(),
        });
        self
    }

    /// Runs the rounds.
    pub(crate) fn results(mut self) -> Results {
        let mut order: Vec<usize> = (0..self.contenders.len()).collect();
        let mut random = random::generator(0);
        for round in 0..self.extent.warm_up + self.extent.rounds {
            order.shuffle(&mut random);
            for contender in &order {
                let contender = &mut self.contenders[*contender];
                let time = (contender.time)();
                if round >= self.extent.warm_up {
                    contender.times.push(time);
                }
            }
        }
        let results = self.contenders.into_iter().map(|mut contender| {
            contender.times.sort_unstable();
            let times = Times {
                median: contender.times[contender.times.len() / 2],
                fastest: contender.times[0],
            };
            (contender.name, times)
        });
        Results(results.collect())
    }
}

impl Results {
    pub(crate) fn of(&self, name: &str) -> Times {
        let found = self.0.iter().find(|(contender, _)| *contender == name);
        found.expect("the contender was entered").1
    }

    /// Adds one that has timed itself.
    pub(crate) fn and(mut self, name: &'static str, times: Times) -> Self {
        self.0.push((name, times));
        self
    }
}
