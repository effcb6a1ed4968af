//! A criterion group as all of ours are: flat samples, few of them, results dropped outside the measurement.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, SamplingMode, Throughput};

pub(crate) struct Group<'c>(BenchmarkGroup<'c, WallTime>);

impl<'c> Group<'c> {
    pub(crate) fn new(criterion: &'c mut Criterion, name: &str, rows: usize) -> Self {
        let mut group = criterion.benchmark_group(name);
        group
            .sampling_mode(SamplingMode::Flat)
            .sample_size(15)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_millis(1500))
            .nresamples(2000)
            .throughput(Throughput::Elements(rows as u64));
        Group(group)
    }

    /// Times `run`; what it returns is dropped after the clock has stopped.
    pub(crate) fn bench<O>(&mut self, name: &str, mut run: impl FnMut() -> O) {
        self.0.bench_function(name, |bencher| {
            bencher.iter_batched(|| (), |()| run(), BatchSize::PerIteration);
        });
    }

    /// Times `run` on what `make` has made before the clock starts.
    pub(crate) fn bench_with<I, O>(
        &mut self,
        name: &str,
        mut make: impl FnMut() -> I,
        mut run: impl FnMut(I) -> O,
    ) {
        self.0.bench_function(name, |bencher| {
            bencher.iter_batched(&mut make, &mut run, BatchSize::PerIteration);
        });
    }

    /// Times a call too short to read the clock around; dropping what it returns is included.
    pub(crate) fn bench_short<O>(&mut self, name: &str, mut run: impl FnMut() -> O) {
        self.0
            .bench_function(name, |bencher| bencher.iter(&mut run));
    }
}
