//! Every kind of failure, in every verb, on every pool and under every policy: the call ends as documented, leaks nothing, and
//! leaves the pool usable.

use std::collections::BTreeSet;
use std::panic::panic_any;
use std::sync::atomic::{AtomicIsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use polars_par_apply::Result;
use polars_par_apply::prelude::*;

use crate::frames::{alone, counting, threads, watched};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Error,
    Panic,
    Cancel,
    Deadline,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verb {
    Rows,
    FilterRows,
    WithColumns,
    FlatMapRows,
    EmitRows,
    Columns,
    Chunks,
    Elements,
    FoldRows,
    Groups,
    Transform,
    Windows,
}

impl Verb {
    /// Whether it follows these options; the guide's table has those that it refuses.
    fn follows(self, policy: OnError, on_cancel: OnCancel) -> bool {
        match self {
            Verb::Elements => policy != OnError::Skip && on_cancel == OnCancel::Error,
            Verb::FoldRows => policy == OnError::Fail && on_cancel == OnCancel::Error,
            _ => true,
        }
    }
}

impl Verb {
    /// Whether a row gives any number of rows, and a failing row none.
    fn is_many(self) -> bool {
        matches!(self, Verb::FlatMapRows | Verb::EmitRows)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    OneWorker,
    All,
    /// More than the pool of Polars may have.
    Many,
    /// Within a call on Polars' pool.
    Nested,
}

const FAULTS: [Fault; 4] = [Fault::Error, Fault::Panic, Fault::Cancel, Fault::Deadline];
const VERBS: [Verb; 12] = [
    Verb::Rows,
    Verb::FilterRows,
    Verb::WithColumns,
    Verb::FlatMapRows,
    Verb::EmitRows,
    Verb::Columns,
    Verb::Chunks,
    Verb::Elements,
    Verb::FoldRows,
    Verb::Groups,
    Verb::Transform,
    Verb::Windows,
];
const PLACES: [Place; 4] = [Place::OneWorker, Place::All, Place::Many, Place::Nested];
const POLICIES: [OnError; 4] = [
    OnError::Fail,
    OnError::Null,
    OnError::Skip,
    OnError::Collect,
];
const ON_CANCEL: [OnCancel; 2] = [OnCancel::Error, OnCancel::Partial];

/// How many rows, columns or parts a call has; a part has three rows.
const ITEMS: usize = 40;

/// The first item that waits for the deadline, or cancels.
const LATE: usize = 10;

const DEADLINE: Duration = Duration::from_millis(3);

/// Counts values that are alive. A value that is dropped twice makes the count too low.
#[derive(Debug)]
struct Alive(Arc<AtomicIsize>);

impl Alive {
    fn new(count: &Arc<AtomicIsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Alive(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl std::fmt::Display for Alive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an error")
    }
}

impl std::error::Error for Alive {}

/// One cell of the matrix.
#[derive(Clone, Copy, Debug)]
struct Cell {
    fault: Fault,
    verb: Verb,
    place: Place,
    policy: OnError,
    on_cancel: OnCancel,
}

impl Cell {
    /// Returns whether an item fails: every fourth does, unless the run is to be cancelled before the policy ends it.
    fn fails(self, item: usize) -> bool {
        let stopped = matches!(self.fault, Fault::Cancel | Fault::Deadline);
        item % 4 == 1 && !(stopped && self.policy == OnError::Fail)
    }

    fn run(self) {
        let (alive, states) = (Arc::new(AtomicIsize::new(0)), Arc::new(AtomicIsize::new(0)));
        let value = Series::new("kept".into(), [1i64, 2]);
        let called = Mutex::new(BTreeSet::new());
        let token = CancelToken::new();
        let began = Instant::now();
        let step = &|item: usize| -> anyhow::Result<AnyValue<'static>> {
            let _held = Alive::new(&alive);
            assert!(
                called.lock().unwrap().insert(item),
                "item {item} is called twice"
            );
            match self.fault {
                Fault::Cancel if item == LATE => token.cancel(),
                // Otherwise the item that cancels might be the last to be done, and the call would be complete.
                Fault::Cancel if item > LATE => {
                    while !token.is_cancelled() {
                        thread::yield_now();
                    }
                }
                Fault::Deadline if item >= LATE => {
                    // Each item takes twice as long, so that even on a slow machine the call is stopped before it is done.
                    let passed = DEADLINE.saturating_sub(began.elapsed());
                    let doubled = 1u64 << (item - LATE).min(14);
                    thread::sleep(passed + Duration::from_millis(doubled));
                }
                _ => {}
            }
            if self.fails(item) {
                if self.fault == Fault::Panic {
                    panic_any(Alive::new(&alive));
                }
                return Err(Alive::new(&alive).into());
            }
            Ok(AnyValue::List(value.clone()))
        };

        let df = counting(match self.verb {
            Verb::Chunks | Verb::Columns => 3 * ITEMS,
            _ => ITEMS,
        });
        let wide = (0..ITEMS).map(|c| Column::new(format!("c{c}").into(), [c as i64]));
        let wide = DataFrame::new(1, wide.collect()).unwrap();
        let ten = |c: usize| (10 * c as i64..).take(ITEMS / 4).collect::<Vec<i64>>();
        let four = (0..4).map(|c| Column::new(format!("c{c}").into(), ten(c)));
        let four = DataFrame::new(ITEMS / 4, four.collect()).unwrap();
        let on = match self.verb {
            Verb::Columns => &wide,
            Verb::Elements => &four,
            _ => &df,
        };
        let apply = on.par_apply().cancel_token(&token);
        let apply = match self.place {
            Place::OneWorker => apply.workers(1),
            Place::Many => apply.workers(4),
            Place::All | Place::Nested => apply,
        };
        let apply = match self.fault {
            Fault::Deadline => apply.deadline(DEADLINE),
            _ => apply,
        };
        let made = Mutex::new(0);
        let finished = Mutex::new(0);
        let fold = apply.clone();
        let apply = apply
            .on_error(self.policy)
            .on_cancel(self.on_cancel)
            .state(|| {
                *made.lock().unwrap() += 1;
                Alive::new(&states)
            })
            .finish(|_: Alive| *finished.lock().unwrap() += 1);
        let result = match self.verb {
            Verb::Rows => apply
                .rows(|_: &mut Alive, i: i64| step(i as usize))
                .map(Told::of_column),
            Verb::FilterRows => apply
                .filter_rows(|_: &mut Alive, i: i64| step(i as usize).map(|_| true))
                .map(Told::of_frame),
            Verb::WithColumns => apply
                .names(["i"])
                .with_columns(|_: &mut Alive, i: i64| step(i as usize))
                .map(Told::of_frame),
            Verb::FlatMapRows => apply
                .flat_map_rows(|_: &mut Alive, i: i64| {
                    // The results of the item before the failing one are taken back.
                    let first = self.fails(i as usize).then_some(Ok(AnyValue::Null));
                    Many(
                        first
                            .into_iter()
                            .chain(std::iter::once_with(move || step(i as usize))),
                    )
                })
                .map(Told::of_frame),
            Verb::EmitRows => apply
                .emit_rows(|_: &mut Alive, out: &mut Emit<AnyValue<'static>>, i: i64| {
                    if self.fails(i as usize) {
                        out.push(AnyValue::List(value.clone()));
                    }
                    step(i as usize).map(|value| out.push(value))
                })
                .map(Told::of_frame),
            Verb::Chunks => apply
                .partitions(ITEMS)
                .chunks(|_: &mut Alive, part: Chunk| step(part.index()))
                .map(Told::of_column),
            Verb::Columns => apply
                .columns(|_: &mut Alive, column: &Column| {
                    step(column.i64().unwrap().get(0).unwrap() as usize)
                })
                .map(Told::of_frame),
            Verb::Elements => apply
                .elements(|_: &mut Alive, i: i64| step(i as usize))
                .map(Told::of_frame),
            Verb::Groups => apply
                .by(["i"])
                .without_keys()
                .groups(|_: &mut Alive, i: i64| step(i as usize))
                .map(Told::of_frame),
            Verb::Transform => apply
                .by(["i"])
                .transform(|_: &mut Alive, i: i64| step(i as usize).map(Each))
                .map(Told::of_column),
            Verb::Windows => apply
                .windows(Window::rows(1), |_: &mut Alive, i: i64| step(i as usize))
                .map(Told::of_column),
            // Its accumulators are counted in the place of states.
            Verb::FoldRows => fold
                .fold_rows(
                    || Alive::new(&states),
                    |_: &mut Alive, i: i64| step(i as usize).map(drop),
                    |alive, _| alive,
                )
                .map(|_| panic!("{self:?}: it has a result")),
        };
        let called = called.into_inner().unwrap();
        self.check(&result, &called);
        let (made, finished) = (made.into_inner().unwrap(), finished.into_inner().unwrap());
        assert_eq!(made, finished, "{self:?}: states");
        assert!(
            made <= 4.max(Pool::default().workers()),
            "{self:?}: {made} states"
        );
        assert_eq!(states.load(SeqCst), 0, "{self:?}: states");
        drop(result);
        assert_eq!(alive.load(SeqCst), 0, "{self:?}: errors, payloads, locals");
        assert_eq!(Arc::strong_count(&value.0), 1, "{self:?}: values");
        assert_eq!(Arc::strong_count(&alive), 1);

        // The pool and Polars itself work as before.
        let again = counting(50).par_apply().rows(|i: i64| i).unwrap();
        assert_eq!(again.i64().unwrap().sum(), Some(1225), "{self:?}");
    }

    /// The documented result.
    fn check(self, result: &Result<Told>, called: &BTreeSet<usize>) {
        let stopped = matches!(self.fault, Fault::Cancel | Fault::Deadline);
        let per_item = if self.verb == Verb::Chunks { 3 } else { 1 };
        match result {
            Err(error) if stopped => {
                assert_eq!(self.on_cancel, OnCancel::Error, "{self:?}: {error:?}");
                let ErrorKind::Cancelled {
                    done,
                    total,
                    deadline,
                    ..
                } = error.kind()
                else {
                    panic!("{self:?}: {error:?}")
                };
                assert_eq!(*done, per_item * called.len(), "{self:?}");
                assert_eq!(*total, per_item * ITEMS, "{self:?}");
                let told = (self.fault == Fault::Deadline).then_some(DEADLINE);
                assert_eq!(*deadline, told, "{self:?}");
                assert!(called.len() < ITEMS, "{self:?}");
            }
            Err(error) => {
                assert_eq!(self.policy, OnError::Fail, "{self:?}: {error:?}");
                let place = match error.kind() {
                    ErrorKind::Closure { place, cause, .. } if self.fault == Fault::Error => {
                        assert!(cause.is::<Alive>());
                        place
                    }
                    ErrorKind::Panic { place, .. } if self.fault == Fault::Panic => place,
                    _ => panic!("{self:?}: {error:?}"),
                };
                let place = place.to_string();
                let expected = match self.verb {
                    Verb::Rows
                    | Verb::FilterRows
                    | Verb::WithColumns
                    | Verb::FlatMapRows
                    | Verb::EmitRows
                    | Verb::FoldRows => "row 1",
                    Verb::Elements => "row 1, column \"c0\"",
                    Verb::Columns => "column \"c1\"",
                    Verb::Chunks => "part 1 (from row 3)",
                    Verb::Groups | Verb::Transform => "group 1 (from row 1)",
                    Verb::Windows => "the window of row 1",
                };
                assert_eq!(place, expected, "{self:?}");
            }
            Ok(told) => {
                assert_eq!(told.cancelled, stopped, "{self:?}");
                if stopped {
                    assert_eq!(self.on_cancel, OnCancel::Partial, "{self:?}");
                    assert!(called.len() < ITEMS, "{self:?}");
                } else {
                    assert_ne!(self.policy, OnError::Fail, "{self:?}");
                    assert_eq!(called.len(), ITEMS, "{self:?}");
                }
                let failed: Vec<usize> = called
                    .iter()
                    .copied()
                    .filter(|item| self.fails(*item))
                    .collect();
                assert_eq!(told.failed, failed, "{self:?}");
                assert_eq!(told.done, per_item * called.len(), "{self:?}");
                let skips = self.policy == OnError::Skip
                    || self.verb == Verb::FilterRows
                    || self.verb.is_many();
                let cells = called.iter().filter(|item| !(skips && self.fails(**item)));
                let cells: Vec<bool> = cells.map(|item| !self.fails(*item)).collect();
                assert_eq!(told.cells, cells, "{self:?}");
            }
        }
    }
}

/// The parts of an outcome that are the same for each verb.
#[derive(Debug)]
struct Told {
    cancelled: bool,
    done: usize,
    /// The items that failed.
    failed: Vec<usize>,
    /// Whether each cell of the output is present, or null.
    cells: Vec<bool>,
}

impl Told {
    fn of<T>(outcome: Outcome<T>, cells: impl Fn(T) -> Vec<Series>) -> Self {
        let failures = &outcome.failures;
        let numbers = |name: &str| -> Option<Vec<usize>> {
            let numbers = failures.column(name).ok()?.idx().unwrap();
            Some(numbers.into_no_null_iter().map(|n| n as usize).collect())
        };
        let names = failures.column("column").ok().map(|names| -> Vec<usize> {
            let names = names.str().unwrap().no_null_iter();
            names.map(|name| name[1..].parse().unwrap()).collect()
        });
        let failed = match (numbers("part"), numbers("row"), names) {
            (Some(parts), ..) => parts,
            // Of values: ten to a column.
            (None, Some(rows), Some(columns)) => {
                let places = rows.into_iter().zip(columns);
                places.map(|(row, column)| 10 * column + row).collect()
            }
            (None, Some(of_one_kind), None) | (None, None, Some(of_one_kind)) => of_one_kind,
            (None, None, None) => unreachable!("failures have a place"),
        };
        let stats = outcome.stats;
        assert_eq!(stats.failures, outcome.failures.height());
        let cells = cells(outcome.output);
        Told {
            cancelled: stats.cancelled,
            done: stats.rows,
            failed,
            cells: cells
                .iter()
                .flat_map(|series| series.is_not_null().no_null_iter().collect::<Vec<_>>())
                .collect(),
        }
    }

    fn of_column(outcome: Outcome<Column>) -> Self {
        Told::of(outcome, |column| vec![column.take_materialized_series()])
    }

    fn of_frame(outcome: Outcome<DataFrame>) -> Self {
        let series = |column: &Column| column.as_materialized_series().clone();
        Told::of(outcome, |df| df.columns().iter().map(series).collect())
    }
}

#[test]
#[ignore = "run by fault_matrix, in a process of its own, whose threads are counted"]
fn every_cell() {
    watched(|| {
        // Before threads are counted, Polars' pool is started, and the one thread for all deadlines.
        let small = counting(8);
        let warm = small.par_apply().deadline(Duration::from_secs(3600));
        let warm = warm.partitions(8).rows(|i: i64| {
            thread::sleep(Duration::from_millis(1));
            i
        });
        assert_eq!(warm.unwrap().len(), 8);
        let before = threads();
        for fault in FAULTS {
            for verb in VERBS {
                for place in PLACES {
                    for policy in POLICIES {
                        for on_cancel in ON_CANCEL {
                            if !verb.follows(policy, on_cancel) {
                                continue;
                            }
                            let cell = Cell {
                                fault,
                                verb,
                                place,
                                policy,
                                on_cancel,
                            };
                            if policy == OnError::Null && verb.is_many() {
                                // It is refused.
                                continue;
                            }
                            if place == Place::Nested {
                                small
                                    .par_apply()
                                    .partitions(8)
                                    .rows(|_: i64| cell.run())
                                    .unwrap();
                            } else {
                                cell.run();
                            }
                        }
                    }
                }
            }
        }
        // The threads of pools that are made for a call end soon after it. If one were left, this would not end.
        while threads() > before {
            thread::yield_now();
        }
    });
}

#[test]
fn fault_matrix() {
    alone("fault_matrix::every_cell", |command| command);
}

/// The same with one thread in Polars' pool.
#[test]
fn fault_matrix_on_one_thread() {
    alone("fault_matrix::every_cell", |command| {
        command.env("POLARS_MAX_THREADS", "1")
    });
}
