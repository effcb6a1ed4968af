//! Examples with arrow-rs: see `arrow_batches.rs`.

/// Runs the programs of the guide's page about Arrow.
#[cfg(doctest)]
#[doc = include_str!("../../src/guide/arrow.md")]
struct Guide;

// The program is included as it is; nothing calls its `main`.
#[cfg(test)]
#[allow(dead_code, unreachable_pub)]
mod arrow_batches;

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use arrow_array::{ArrayRef, RecordBatch};
    use polars_par_apply::prelude::*;

    use crate::arrow_batches::{run, speeds};

    #[test]
    fn every_way_gives_the_same() {
        let data = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data"));
        let folder = tempfile::tempdir().unwrap();
        let mut out = Vec::new();
        run(data, folder.path(), &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        let mut lines = out.lines();
        assert_eq!(lines.next(), Some("flights: 336776 rows"));
        assert!(
            lines
                .next()
                .is_some_and(|line| line.starts_with("batches: "))
        );
        let said: Vec<&str> = lines.collect();
        assert_eq!(said.len(), 5);
        assert!(said.iter().all(|line| line.ends_with(": equal")), "{out}");

        // The speeds are right, also those that were computed with arrow-rs.
        let miles =
            ArrayRef::from(Arc::new(arrow_array::Int64Array::from(vec![100, 100])) as ArrayRef);
        let minutes = Arc::new(arrow_array::Int64Array::from(vec![Some(60), None])) as ArrayRef;
        let batch =
            RecordBatch::try_from_iter([("distance", miles), ("air_time", minutes)]).unwrap();
        let speeds = batch.par_apply_chunks(speeds).unwrap();
        assert_eq!(
            speeds["speed"].f64().unwrap().to_vec(),
            [Some(160.934_4), None]
        );
    }
}
