//! What a call costs whatever the rows: frames of 1, 100 and 1,000 rows.

use criterion::Criterion;
use polars_par_apply::prelude::*;

use super::group::Group;
use super::rows_f64::RowsF64;
use super::workers::{BOTH, Workers};

pub(crate) const ROWS: usize = 1000;

/// The same arithmetic on columns, without a query.
fn arithmetic(frame: &DataFrame) -> PolarsResult<Column> {
    let (a, b) = (frame.column("a")?, frame.column("b")?);
    let squares = ((a * a)? + (b * b)?)?;
    let squares = squares.f64()?;
    Ok(squares.apply_values(f64::sqrt).into_column())
}

pub(crate) fn bench(criterion: &mut Criterion) {
    for rows in [1, 100, ROWS] {
        let case = RowsF64::new(rows);
        case.check();
        let result = arithmetic(&case.frame).expect("the columns are f64");
        assert_eq!(
            result.with_name("par_apply".into()),
            case.ours(Workers::One)
        );
        let mut group = Group::new(criterion, &format!("small, {rows} rows"), rows);
        for workers in BOTH {
            group.bench_short(&format!("ours, {}", workers.label()), || case.ours(workers));
        }
        group.bench_short("serial zip", || case.serial_zip());
        group.bench_short("Column arithmetic", || arithmetic(&case.frame));
        group.bench_short("lazy query, in memory", || case.query(Engine::InMemory));
    }
}
