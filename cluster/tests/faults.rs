//! Errors have the row's number in the whole input, and a call that cannot be followed is refused before anything is run.

use std::time::Duration;

use polars::prelude::*;
use polars_par_apply::{CallOptions, OnCancel, OnError, ParApply, Retry};
use polars_par_apply_cluster::{Cluster, ClusterApply, ErrorKind};

use crate::functions::{BUILD, registry};
use crate::machines::{
    Data, assert_same, builder, files, read_folder, rows, shared, started, unequal, write,
};

crate::laws! {
    the_lowest_failing_row_is_named
    a_panic_is_an_error
    failures_that_pass_are_reported
    max_failures_are_of_all_parts
    rows_are_tried_again
    a_part_that_fails_is_named
    a_promised_schema_is_kept
    what_cannot_be_followed_is_refused
    files_are_looked_at_first
    a_file_that_changes_is_an_error
    a_plan_that_is_too_large_is_refused
    other_builds_are_refused
    addresses_are_looked_at
}

/// 60 texts, most of which are numbers.
fn texts(bad: &[usize]) -> Data {
    let ids = 0..60usize;
    let texts: Vec<String> = ids
        .clone()
        .map(|id| match bad.contains(&id) {
            true => "x".to_string(),
            false => id.to_string(),
        })
        .collect();
    let ids: Vec<i64> = ids.map(|id| id as i64).collect();
    files(df!["id" => ids, "text" => texts].unwrap(), &[10, 20, 0, 30])
}

fn parse(data: &Data) -> ClusterApply {
    let call = shared().scan_parquet(data.pattern()).select(["text"]);
    call.names(["number"]).chunk_rows(7)
}

fn the_lowest_failing_row_is_named() {
    let data = texts(&[58, 33, 47]);
    let parsed = registry().get("parsed").unwrap();
    let local = data
        .frame
        .par_apply()
        .select(["text"])
        .call(&parsed)
        .unwrap_err();
    for _ in 0..5 {
        let error = parse(&data).call(&parsed).collect().unwrap_err();
        assert_eq!(error.row(), Some(33));
        assert!(error.to_string().contains(&local.to_string()), "{error}");
        let ErrorKind::Call { kind, row, .. } = error.kind() else {
            panic!("{error}");
        };
        assert_eq!((kind.as_str(), *row), ("closure", Some(33)));
    }
    let error = parse(&data)
        .first_row(1000)
        .call(&parsed)
        .collect()
        .unwrap_err();
    assert_eq!(error.row(), Some(1033));
    let error = parse(&data)
        .row_numbers("id")
        .call(&parsed)
        .collect()
        .unwrap_err();
    assert_eq!(error.row(), Some(33));
    // A folder whose call failed does not count as finished.
    let folder = data.path("out");
    let error = parse(&data)
        .call(&parsed)
        .sink_parquet(&folder)
        .unwrap_err();
    assert_eq!(error.row(), Some(33));
}

fn a_panic_is_an_error() {
    let panics = registry().get("panics").unwrap();
    let call = shared().of(&rows()).select(["id"]).chunk_rows(10);
    let error = call.call(&panics).collect().unwrap_err();
    assert_eq!(error.row(), Some(25));
    assert!(error.to_string().contains("x is 25"), "{error}");
    let ErrorKind::Call { kind, .. } = error.kind() else {
        panic!("{error}");
    };
    assert_eq!(kind, "panic");
    // The cluster works as before.
    let same = registry().get("same").unwrap();
    assert_same(
        &shared().of(&rows()).call(&same).collect().unwrap().output,
        &rows(),
    );
}

fn failures_that_pass_are_reported() {
    let data = texts(&[3, 33, 58]);
    let parsed = registry().get("parsed").unwrap();
    for policy in [OnError::Null, OnError::Skip, OnError::Collect] {
        let local = data.frame.par_apply().select(["text"]).names(["number"]);
        let local = local.on_error(policy).call_with_columns(&parsed).unwrap();
        let found = parse(&data)
            .on_error(policy)
            .call(&parsed)
            .collect()
            .unwrap();
        assert_same(&found.output, &local.output);
        assert_same(&found.failures, &local.failures);
        assert_eq!(found.stats.failures, 3);
        let none = texts(&[]);
        let clean = parse(&none)
            .on_error(policy)
            .call(&parsed)
            .collect()
            .unwrap();
        assert_eq!((clean.failures.height(), clean.stats.failures), (0, 0));
        assert_eq!(clean.failures.schema(), local.failures.schema());

        let folder = data.path(&format!("{policy:?}"));
        let written = parse(&data).on_error(policy).call(&parsed);
        let written = written.sink_parquet(&folder).unwrap();
        assert_same(&read_folder(&folder), &local.output);
        assert_same(&written.failures, &local.failures);
        assert_eq!(written.stats.failures, 3);
    }
}

fn max_failures_are_of_all_parts() {
    let data = texts(&[3, 33, 58]);
    let parsed = registry().get("parsed").unwrap();
    let call = || parse(&data).on_error(OnError::Null);
    assert_eq!(
        call()
            .max_failures(3)
            .call(&parsed)
            .collect()
            .unwrap()
            .stats
            .failures,
        3
    );
    let error = call().max_failures(2).call(&parsed).collect().unwrap_err();
    let ErrorKind::TooManyFailures {
        limit, failures, ..
    } = error.kind()
    else {
        panic!("{error}");
    };
    assert_eq!((*limit, *failures), (2, 3));
    // All parts of the sink are there, but it does not count as finished until more failures are allowed.
    let folder = data.path("out");
    for _ in 0..2 {
        let call = call().max_failures(2).call(&parsed);
        let error = call.sink_parquet(&folder).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::TooManyFailures { .. }),
            "{error}"
        );
    }
    let error = call().max_failures(0).call(&parsed).collect().unwrap_err();
    assert_eq!(error.row(), Some(3), "{error}");
}

fn rows_are_tried_again() {
    let flaky = registry().get("flaky").unwrap();
    let frame = rows();
    let retry = || Retry::attempts(3).min_delay(Duration::from_millis(1));
    let call = || {
        shared()
            .of(&frame)
            .select(["id"])
            .names(["again"])
            .sequential()
    };
    let found = call().retry(retry()).call(&flaky).collect().unwrap();
    assert_eq!(
        found.output.column("again").unwrap().i64().unwrap().get(59),
        Some(59)
    );
    assert_eq!(found.stats.retries, 60);
    assert_eq!(call().call(&flaky).collect().unwrap_err().row(), Some(0));
    let with_predicate = retry().when(|_| true);
    let error = call()
        .retry(with_predicate)
        .call(&flaky)
        .collect()
        .unwrap_err();
    assert!(error.to_string().contains("closure"), "{error}");
    assert!(matches!(error.kind(), ErrorKind::Refused { .. }));
}

fn a_part_that_fails_is_named() {
    let bad = registry().get("bad_part").unwrap();
    let call = || shared().of(&rows()).chunk_rows(10);
    let error = call().call(&bad).collect().unwrap_err();
    assert!(
        error.to_string().contains("the part that begins with 20"),
        "{error}"
    );
    assert!(
        error.to_string().starts_with("part 2: from row 20: "),
        "{error}"
    );
    let found = call().on_error(OnError::Skip).call(&bad).collect().unwrap();
    assert_eq!(found.output.height(), 50);
    let row = found.failures.column("row").unwrap().idx().unwrap();
    assert_eq!(row.get(0), Some(20));
    let part = found.failures.column("part").unwrap().idx().unwrap();
    assert_eq!(part.get(0), Some(2));
}

fn a_promised_schema_is_kept() {
    let other = registry().get("other_schema").unwrap();
    let error = shared().of(&rows()).call(&other).collect().unwrap_err();
    assert!(error.to_string().contains("in the schema it is"), "{error}");
}

fn what_cannot_be_followed_is_refused() {
    let (cluster, functions, frame) = (shared(), registry(), rows());
    let hypot = functions.get("hypot").unwrap();
    let call = || cluster.of(&frame).select(["x", "y"]);
    let refused = |call: ClusterApply, name: &str, said: &str| {
        let error = call
            .call(&functions.get(name).unwrap())
            .collect()
            .unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert!(
            matches!(
                error.kind(),
                ErrorKind::Refused { .. } | ErrorKind::Apply(_)
            ),
            "{error}"
        );
    };
    refused(cluster.of(&frame).select(["x"]), "total", "groups");
    refused(cluster.of(&frame).select(["id"]), "random", ".seed(n)");
    refused(call().seed(1), "hypot", "draws no random numbers");
    refused(cluster.of(&frame).select(["x", "z"]), "hypot", "\"z\"");
    refused(
        cluster.of(&frame).select(["x", "text"]),
        "hypot",
        "\"text\"",
    );
    refused(call().names(["a", "b"]), "hypot", "2 names");
    refused(call().chunk_rows(0), "hypot", "chunk_rows");
    refused(call().keep(["id"]), "hypot", "keep");
    let options = [
        (CallOptions::new().partitions(3), "partitions"),
        (CallOptions::new().overlap(1, 1), "overlap"),
        (CallOptions::new().by(["id"]), "by"),
        (CallOptions::new().on_cancel(OnCancel::Partial), "on_cancel"),
    ];
    for (options, said) in options {
        refused(call().with(&options), "hypot", said);
    }
    // The other options are followed as if they had been given one by one.
    let options = CallOptions::new()
        .names(["length"])
        .first_row(7)
        .chunk_rows(9);
    let found = call().with(&options).call(&hypot).collect().unwrap();
    assert_eq!(found.stats.parts.len(), 7);
    assert!(found.output.column("length").is_ok());
}

fn files_are_looked_at_first() {
    let same = registry().get("same").unwrap();
    let data = unequal();
    let error = |files: &str| {
        let error = shared()
            .scan_parquet(files)
            .call(&same)
            .collect()
            .unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Refused { .. }), "{error}");
        error.to_string()
    };
    assert!(error("/nowhere/*.parquet").contains("no file"));
    assert!(error("").contains("no file"));
    let twice = vec![data.path("in/001.parquet"), data.path("in/001.parquet")];
    let said = shared()
        .scan_parquet(twice)
        .call(&same)
        .collect()
        .unwrap_err();
    assert!(said.to_string().contains("given twice"), "{said}");
    let text = data.path("in/text.parquet");
    std::fs::write(&text, "no table").unwrap();
    assert!(error(&data.pattern()).contains("text.parquet"));
    std::fs::remove_file(&text).unwrap();
    let other = df!["id" => [1i64], "x" => ["text"], "y" => [1.0], "text" => ["a"]].unwrap();
    write(other, &data.path("in/other.parquet"));
    let said = error(&data.pattern());
    assert!(
        said.contains("other.parquet") && said.contains("\"x\""),
        "{said}"
    );
}

fn a_file_that_changes_is_an_error() {
    let data = unequal();
    let slow = registry().get("sleep").unwrap();
    let call = shared()
        .scan_parquet(data.pattern())
        .select(["id"])
        .chunk_rows(3);
    let call = call.call(&slow);
    let job = std::thread::spawn(move || call.collect());
    let frame = data.frame.slice(40, 20);
    std::thread::sleep(Duration::from_millis(300));
    write(frame.head(Some(19)), &data.path("in/005.parquet"));
    let error = job.join().unwrap().unwrap_err();
    assert!(error.to_string().contains("005.parquet"), "{error}");
    assert!(error.to_string().contains("changed"), "{error}");
}

fn a_plan_that_is_too_large_is_refused() {
    let rows = 100_000;
    let ids = Column::new("id".into(), (0..rows as i64).collect::<Vec<_>>());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.parquet");
    let mut frame = DataFrame::new(rows, vec![ids]).unwrap();
    ParquetWriter::new(std::fs::File::create(&path).unwrap())
        .finish(&mut frame)
        .unwrap();
    let same = registry().get("same").unwrap();
    let call = shared().scan_parquet(path).chunk_rows(1).call(&same);
    let error = call.collect().unwrap_err();
    let ErrorKind::TooLarge { bytes, limit, .. } = error.kind() else {
        panic!("{error}");
    };
    println!("the plan of {rows} parts has {bytes} bytes");
    assert!(bytes > limit);
    assert!(error.to_string().contains("fewer parts"), "{error}");
}

fn other_builds_are_refused() {
    for (build, said) in [
        ("other_types", "(i64, i64) -> f64"),
        ("other_version", "version"),
        ("without", "not registered"),
    ] {
        let (_processes, cluster) = started(builder().executors(1).environment(BUILD, build));
        let hypot = registry().get("hypot").unwrap();
        let call = cluster.of(&rows()).select(["x", "y"]).call(&hypot);
        let error = call.collect().unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Mismatch { .. }),
            "{error}"
        );
        assert!(error.to_string().contains(said), "{error}");
    }
}

fn addresses_are_looked_at() {
    for url in ["", "here", "127.0.0.1:1"] {
        let error = Cluster::connect(url).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Refused { .. }), "{error}");
    }
    let began = std::time::Instant::now();
    let builder = Cluster::builder("http://127.0.0.1:9").patience(Duration::from_millis(300));
    let error = builder.connect().unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Unreachable { .. }),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(20));
}
