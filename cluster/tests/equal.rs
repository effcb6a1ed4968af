//! A call on a cluster gives the same as on one machine.

use polars::prelude::*;
use polars_par_apply::{ParApply, ParApplyLazy, Registry};
use polars_par_apply_cluster::ClusterApply;

use crate::functions::registry;
use crate::machines::{assert_same, read_folder, rows, shared, unequal};

crate::laws! {
    every_verb_gives_what_it_gives_locally
    parts_are_files_row_groups_or_chunks
    frames_are_sent_or_spooled
    numbers_are_those_of_the_whole_input
    seeds_give_the_same_numbers
    states_are_each_workers
    stats_count_everything
    a_call_of_no_rows_has_the_schema
}

/// The functions of rows and of chunks, with the columns that they are given.
const CALLS: [(&str, &[&str]); 7] = [
    ("hypot", &["x", "y"]),
    ("several", &["y", "text"]),
    ("seen", &["x"]),
    ("large", &["x"]),
    ("letters", &["text"]),
    ("same", &["id", "x", "text"]),
    ("counted", &["id"]),
];

fn local(functions: &Registry, name: &str, columns: &[&str], frame: &DataFrame) -> DataFrame {
    let function = functions.get(name).unwrap();
    let call = frame.par_apply().select(columns.iter().copied());
    match function.verb() {
        "rows" => call.call_with_columns(&function).unwrap(),
        _ => call.call(&function).unwrap(),
    }
}

fn every_verb_gives_what_it_gives_locally() {
    let (cluster, functions, data) = (shared(), registry(), unequal());
    for (name, columns) in CALLS {
        let function = functions.get(name).unwrap();
        let expected = local(&functions, name, columns, &data.frame);
        let select = |call: ClusterApply| call.select(columns.iter().copied()).call(&function);
        let collected = select(cluster.scan_parquet(data.pattern()))
            .collect()
            .unwrap();
        assert_same(&collected.output, &expected);
        let sent = select(cluster.of(&data.frame)).collect().unwrap();
        assert_same(&sent.output, &expected);
        let folder = data.path(name);
        let written = select(cluster.scan_parquet(data.pattern()))
            .sink_parquet(&folder)
            .unwrap();
        assert_same(&read_folder(&folder), &expected);
        assert_eq!(written.output.rows as usize, expected.height());
        assert_eq!(written.output.files.len(), 6);
        assert!(written.output.files.iter().all(|file| file.is_file()));

        // In a query, a function gives the same.
        if function.verb() != "chunks" {
            let lazy = data.frame.clone().lazy().par_apply();
            let lazy = lazy.select(columns.iter().copied()).call(&function);
            assert_same(&lazy.collect().unwrap(), &expected);
        }
    }
}

fn parts_are_files_row_groups_or_chunks() {
    let (cluster, data) = (shared(), unequal());
    let height = registry().get("height").unwrap();
    let heights = |call: ClusterApply| {
        let outcome = call.call(&height).collect().unwrap();
        let rows = outcome
            .output
            .column("rows")
            .unwrap()
            .u64()
            .unwrap()
            .clone();
        (
            rows.into_no_null_iter().collect::<Vec<u64>>(),
            outcome.stats.parts.len(),
        )
    };
    let files = cluster.scan_parquet(data.pattern());
    // A file without rows is a part too, as an empty frame is on one machine.
    assert_eq!(heights(files.clone()), (vec![0, 1, 25, 14, 0, 20], 6));
    assert_eq!(
        heights(files.chunk_rows(10)),
        (vec![0, 1, 10, 10, 5, 10, 4, 0, 10, 10], 10)
    );
    let frame = cluster.of(&data.frame).chunk_rows(25);
    assert_eq!(heights(frame), (vec![25, 25, 10], 3));

    // A list of paths keeps its order, and a folder stands for its files.
    let same = registry().get("same").unwrap();
    let path = |number: usize| data.path(&format!("in/{number:03}.parquet"));
    let reversed = cluster.scan_parquet(vec![path(5), path(3)]);
    let ids = reversed
        .select(["id"])
        .call(&same)
        .collect()
        .unwrap()
        .output;
    assert_eq!(ids.column("id").unwrap().i64().unwrap().get(0), Some(40));
    let folder = cluster
        .scan_parquet(data.path("in"))
        .call(&same)
        .collect()
        .unwrap();
    assert_same(&folder.output, &data.frame);
}

fn frames_are_sent_or_spooled() {
    let cluster = shared();
    let rows = 3_000_000;
    let ids = Column::new("id".into(), (0..rows as i64).collect::<Vec<_>>());
    let large = DataFrame::new(rows, vec![ids]).unwrap();
    let same = registry().get("same").unwrap();
    let collected = cluster.of(&large).call(&same).collect().unwrap();
    assert_same(&collected.output, &large);
    assert!(collected.stats.parts.len() > 3);
}

fn numbers_are_those_of_the_whole_input() {
    let (cluster, data) = (shared(), unequal());
    let letters = registry().get("letters").unwrap();
    let call = cluster.scan_parquet(data.pattern()).chunk_rows(9);
    let call = call
        .select(["text"])
        .keep(["id"])
        .source_rows("row")
        .first_row(1000);
    let found = call.call(&letters).collect().unwrap().output;
    let local = data.frame.par_apply().select(["text"]).keep(["id"]);
    let expected = local
        .source_rows("row")
        .first_row(1000)
        .call(&letters)
        .unwrap();
    assert_same(&found, &expected);
}

fn seeds_give_the_same_numbers() {
    let (cluster, data) = (shared(), unequal());
    let random = registry().get("random").unwrap();
    let expected = data.frame.par_apply().select(["id"]).seed(7);
    let expected = expected.call_with_columns(&random).unwrap();
    for chunk_rows in [3, 100] {
        let call = cluster.scan_parquet(data.pattern()).select(["id"]).seed(7);
        let found = call.chunk_rows(chunk_rows).call(&random).collect().unwrap();
        assert_same(&found.output, &expected);
    }
}

fn states_are_each_workers() {
    let (cluster, functions) = (shared(), registry());
    let counted = functions.get("counted").unwrap();
    let frame = rows();
    let call = cluster.of(&frame).select(["id"]).workers(1).sequential();
    let found = call.call(&counted).collect().unwrap().output;
    assert_same(&found, &local(&functions, "counted", &["id"], &frame));
}

fn stats_count_everything() {
    let (cluster, data) = (shared(), unequal());
    let hypot = registry().get("hypot").unwrap();
    let call = cluster.scan_parquet(data.pattern()).select(["x", "y"]);
    let stats = call.call(&hypot).collect().unwrap().stats;
    assert_eq!(
        (stats.rows, stats.failures, stats.retries, stats.found),
        (60, 0, 0, 0)
    );
    assert_eq!(stats.jobs, 1);
    let rows: Vec<u64> = stats.parts.iter().map(|part| part.rows).collect();
    assert_eq!(rows, [0, 1, 25, 14, 0, 20]);
    assert!(stats.parts.iter().all(|part| part.executor.contains(':')));
    assert!(stats.wall >= stats.parts.iter().map(|part| part.time).max().unwrap());
}

fn a_call_of_no_rows_has_the_schema() {
    let (cluster, functions) = (shared(), registry());
    let none = rows().clear();
    for (name, columns) in CALLS {
        let function = functions.get(name).unwrap();
        let call = cluster.of(&none).select(columns.iter().copied());
        let found = call.call(&function).collect().unwrap().output;
        assert_same(&found, &local(&functions, name, columns, &none));
    }
}
