//! A map in the background allocates memory for its items and results as a whole, and not for each of them. A column's values
//! allocate none.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use polars_core::runtime::RAYON;
use polars_par_apply::prelude::*;

use crate::frames::{alone, watched};

/// The system's allocator, which counts allocations while it is asked to. Only a separate process asks for that.
struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static TIMES: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: usize) {
    if COUNTS.load(std::sync::atomic::Ordering::Relaxed) {
        TIMES.fetch_add(1, SeqCst);
        BYTES.fetch_add(bytes, SeqCst);
    }
}

// SAFETY: every method calls the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller vouches.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as the caller vouches.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller vouches.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Returns how many allocations any thread makes while `work` runs.
fn allocations(work: impl FnOnce()) -> usize {
    TIMES.store(0, SeqCst);
    COUNTS.store(true, SeqCst);
    work();
    COUNTS.store(false, SeqCst);
    TIMES.load(SeqCst)
}

/// Returns how many bytes any thread allocates while `work` runs.
fn bytes(work: impl FnOnce()) -> usize {
    BYTES.store(0, SeqCst);
    allocations(work);
    BYTES.load(SeqCst)
}

#[test]
fn a_million_items_take_few_allocations() {
    alone("allocations::of_maps_of_a_million", |command| command);
}

#[test]
#[ignore = "run by a_million_items_take_few_allocations, in a process of its own"]
fn of_maps_of_a_million() {
    const ITEMS: u64 = 1_000_000;
    let few = |what: &str, work: &mut dyn FnMut()| {
        let times = allocations(work);
        assert!(times < 1000, "{what}: {times} allocations");
    };
    watched(move || {
        assert!(allocations(|| drop(std::hint::black_box(vec![1]))) > 0);
        RAYON.install(|| ());
        for pool in [Pool::new(2).unwrap(), Pool::default()] {
            pool.map_async(0..10u64, |i| i).get().unwrap();
            few("a range", &mut || {
                let results = pool.map_async(0..ITEMS, |i| i + 1).get().unwrap();
                assert_eq!(results.last(), Some(&ITEMS));
            });
            let items: Vec<u64> = (0..ITEMS).collect();
            let pairs: Vec<(u64, u32)> = (0..ITEMS).map(|i| (i, 1)).collect();
            let mut given = Some((items, pairs));
            few("vectors", &mut || {
                let (items, pairs) = given.take().unwrap();
                let results = pool.map_async(items, |i| i + 1).get().unwrap();
                assert_eq!(results.last(), Some(&ITEMS));
                let results = pool.starmap_async(pairs, u64::pow).get().unwrap();
                assert_eq!(results.last(), Some(&(ITEMS - 1)));
            });
            few("an iterator, cancelled", &mut || {
                let job = pool.map_async((0..ITEMS).filter(|i| i % 2 == 0), |i| i);
                job.cancel();
                drop(job.get());
            });
            few("a failure", &mut || {
                let half = |i: u64| {
                    if i < ITEMS / 2 {
                        Ok(i)
                    } else {
                        Err(std::fmt::Error)
                    }
                };
                let job: Job<Vec<u64>> = pool.map_async(0..ITEMS, half);
                assert!(job.get().is_err());
            });
        }
    });
}

#[test]
fn a_column_s_values_take_no_memory() {
    alone("allocations::of_values", |command| command);
}

/// This is also so if the values are converted to a wider type, and are in several chunks or have nulls.
#[test]
#[ignore = "run by a_column_s_values_take_no_memory, in a process of its own"]
fn of_values() {
    const ROWS: i32 = 1_000_000;
    let nulls = (0..ROWS).map(|i| (i % 3 > 0).then_some(i));
    let whole =
        df!["x" => (0..ROWS).collect::<Vec<_>>(), "y" => nulls.collect::<Int32Chunked>()].unwrap();
    let half = i64::from(ROWS / 2);
    let mut halves = whole.slice(0, half as usize);
    halves
        .vstack_mut(&whole.slice(half, half as usize))
        .unwrap();
    for df in [whole, halves] {
        let memory =
            |name: &str,
             call: &dyn Fn(Apply<'_, 'static>) -> polars_par_apply::Result<DataFrame>| {
                // The first call makes what later calls share, so it is made before.
                call(df.par_apply()).unwrap();
                let bytes = bytes(|| drop(call(df.par_apply()).unwrap()));
                assert!(bytes < 100_000, "{name}: {bytes} bytes");
            };
        memory("i32", &|apply| {
            apply.columns(|v: Values<'_, i32>| v.iter().map(i64::from).sum::<i64>())
        });
        memory("f64", &|apply| {
            apply.columns(|v: Values<'_, f64>| v.iter().sum::<f64>())
        });
        memory("f64, one by one", &|apply| {
            apply.columns(|v: Values<'_, f64>| {
                let mut sum = 0.0;
                for x in v {
                    sum += x;
                }
                sum
            })
        });
        memory("Option<f64>", &|apply| {
            apply.columns(|v: Values<'_, Option<f64>>| v.iter().flatten().sum::<f64>())
        });
        memory("f64, by row", &|apply| {
            apply.columns(|v: Values<'_, f64>| {
                (0..v.len()).filter_map(|row| v.get(row)).sum::<f64>()
            })
        });
        let x = df.select(["x"]).unwrap();
        if x.columns()[0].n_chunks() == 1 {
            let sum = bytes(|| {
                x.par_apply_columns(|v: Values<'_, i32>| {
                    v.to_slice().iter().map(|x| i64::from(*x)).sum::<i64>()
                })
                .unwrap();
            });
            assert!(sum < 100_000, "{sum} bytes");
        }
    }
}
