//! 100,000 jobs from 8 threads at the same time: each ends as it should, nothing hangs, and nothing is left.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use polars_core::runtime::RAYON;
use polars_par_apply::prelude::*;

use crate::frames::{alone, threads, watched};
use crate::jobs::{Counted, Drops, word, word_of};

const THREADS: usize = 8;
const JOBS: usize = 100_000;

#[test]
fn on_a_pool_of_two() {
    alone("stress::a_pool_of_two_for_100_000_jobs", |command| command);
}

#[test]
#[ignore = "run by on_a_pool_of_two, in a process of its own"]
fn a_pool_of_two_for_100_000_jobs() {
    watched(|| under_stress(|| Pool::new(2).unwrap()));
}

#[test]
fn on_polars_pool() {
    alone("stress::polars_pool_for_100_000_jobs", |command| command);
}

#[test]
#[ignore = "run by on_polars_pool, in a process of its own"]
fn polars_pool_for_100_000_jobs() {
    watched(|| under_stress(Pool::default));
}

/// Which of its callbacks were called for each job, and how often.
struct Called(Vec<[AtomicU8; 4]>);

const CALLBACKS: [&str; 4] = ["value", "error", "panic", "cancelled"];

impl Called {
    fn note(&self, job: usize, word: &str) {
        let callback = CALLBACKS.iter().position(|callback| *callback == word);
        self.0[job][callback.expect(word)].fetch_add(1, SeqCst);
    }

    /// Returns the one that was called.
    fn once(&self, job: usize) -> &'static str {
        let called: Vec<u8> = self.0[job]
            .iter()
            .map(|called| called.load(SeqCst))
            .collect();
        assert_eq!(called.iter().sum::<u8>(), 1, "job {job}: {called:?}");
        CALLBACKS[called.iter().position(|called| *called == 1).unwrap()]
    }
}

/// What is done to jobs, by the last digit of their number.
const DEEDS: [&str; 10] = [
    "cancelled",
    "panics",
    "dropped",
    "detached",
    "map",
    "error",
    "in time",
    "polled",
    "got",
    "got",
];

fn under_stress(make: fn() -> Pool) {
    // Thousands of panics should not be printed.
    std::panic::set_hook(Box::new(|_| ()));
    RAYON.install(|| ());
    let before = threads();
    let pool = make();
    // For each job: the value that its closure holds, its result, and the value that a callback holds.
    let drops = Drops::of(3 * JOBS);
    let called = Arc::new(Called((0..JOBS).map(|_| Default::default()).collect()));
    let mut ended = BTreeMap::new();
    thread::scope(|scope| {
        let givers: Vec<_> = (0..THREADS)
            .map(|giver| {
                let (pool, drops, called) = (&pool, &drops, &called);
                scope.spawn(move || gives(pool, drops, called, giver))
            })
            .collect();
        for giver in givers {
            for (end, times) in giver.join().unwrap() {
                *ended.entry(end).or_insert(0) += times;
            }
        }
    });
    pool.join().unwrap();
    let mut told = BTreeMap::new();
    for job in 0..JOBS {
        *told.entry((DEEDS[job % 10], called.once(job))).or_insert(0) += 1;
    }
    // A thread that waited for a job has the result that its callbacks were given.
    for (end, times) in &ended {
        assert_eq!(told.get(end), Some(times), "{end:?}");
    }
    let times = |end| told.get(&end).copied().unwrap_or(0);
    let each = JOBS / 10;
    assert_eq!(times(("panics", "panic")), each);
    assert_eq!(times(("error", "error")), each);
    assert_eq!(times(("got", "value")), 2 * each);
    for deed in ["detached", "map", "in time", "polled"] {
        assert_eq!(times((deed, "value")), each, "{deed}");
    }
    for deed in ["cancelled", "dropped"] {
        assert_eq!(times((deed, "cancelled")) + times((deed, "value")), each);
    }
    let made = drops.made("under stress");
    for (job, made) in made.chunks(3).enumerate() {
        let has_value = called.once(job) == "value";
        assert_eq!(made, [1, usize::from(has_value), 1], "job {job}");
    }

    drop(pool);
    while threads() > before {
        // The threads of Polars' pool are kept for some seconds.
        thread::sleep(Duration::from_millis(20));
    }
}

type Values = Vec<Option<Counted>>;

type Ended = BTreeMap<(&'static str, &'static str), usize>;

/// Begins a share of the jobs; some of them run at any time.
fn gives(pool: &Pool, drops: &Drops, called: &Arc<Called>, giver: usize) -> Ended {
    let mut ended = Ended::new();
    let mut under_way = VecDeque::new();
    let mut end = |(number, job): (usize, Job<Values>)| {
        if let Some(result) = does(DEEDS[number % 10], job) {
            *ended.entry((DEEDS[number % 10], result)).or_insert(0) += 1;
        }
    };
    for number in (giver..JOBS).step_by(THREADS) {
        under_way.push_back((number, given(pool, drops, called, number)));
        // The delay differs, so that jobs are met in every phase.
        let most = number / THREADS % 61;
        while under_way.len() > most {
            end(under_way.pop_front().unwrap());
        }
    }
    under_way.into_iter().for_each(end);
    ended
}

fn given(pool: &Pool, drops: &Drops, called: &Arc<Called>, number: usize) -> Job<Values> {
    let deed = DEEDS[number % 10];
    let (held, made) = (drops.value(3 * number), drops.clone());
    let value = move |held: &Counted| {
        assert_ne!(deed, "panics", "{}", held.number());
        anyhow::ensure!(deed != "error", "an error");
        Ok(made.value(3 * number + 1))
    };
    let job = if deed == "map" {
        let items = [None, Some(held), None];
        pool.map_async(items, move |held| held.as_ref().map(&value).transpose())
    } else {
        pool.apply_async(move || value(&held).map(|value| vec![Some(value)]))
    };
    let both = Arc::new(drops.value(3 * number + 2));
    let ((success, first), (error, second)) =
        ((called.clone(), both.clone()), (called.clone(), both));
    job.on_success(move |values| {
        assert_eq!(values.iter().flatten().count(), 1);
        success.note(first.number() / 3, "value");
    })
    .on_error(move |told| error.note(second.number() / 3, word_of(told)))
}

/// Does what the holder of a job does, and returns the result, if there is one to see.
fn does(deed: &str, mut job: Job<Values>) -> Option<&'static str> {
    match deed {
        "cancelled" => {
            job.cancel();
            Some(word(&job.get()))
        }
        "dropped" => None,
        "detached" => {
            job.detach();
            None
        }
        "in time" => loop {
            match word(&job.get_timeout(Duration::from_micros(20))) {
                "timeout" => {}
                other => return Some(other),
            }
        },
        "polled" => Some(word(&pollster::block_on(job))),
        _ => Some(word(&job.get())),
    }
}
