//! Any number of rows for each row: the words of the names of 1,458 airports, counted.
//!
//! `cargo run --example words`
//!
//! Prints the most frequent words, how often they occur, and the first airport that has them:
//!
//! ```text
//! 4136 words, 1721 of them different
//! Airport 629: Lansdowne Airport
//! Intl 145: Jefferson County Intl
//! Regional 123: Schaumburg Regional
//! Municipal 116: Moton Field Municipal Airport
//! County 111: Williams County Airport
//! ```
//!
//! `data/README.md` describes the file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use polars_par_apply::prelude::*;

/// Runs the example on the files in `data` and prints to `out`.
pub fn run(data: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    let path = data.join("airports.csv");
    let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let airports = CsvReader::new(file).finish()?;

    // A word is a slice of the name, and is copied once, into the output. The column beside it has the airport's name.
    let words = airports
        .par_apply()
        .select(["name"])
        .names(["word"])
        .source_rows("airport")
        .emit_rows(|out: &mut Emit<&str>, name: &str| {
            for word in name.split(|c: char| c.is_whitespace() || c == '/') {
                if !word.is_empty() {
                    out.push(word);
                }
            }
        })?;

    // The rows are in the order of the input, so the first airport with a word comes first.
    let mut counts: HashMap<&str, (usize, IdxSize)> = HashMap::new();
    let rows = words.column("word")?.str()?.iter();
    for (word, airport) in rows.zip(words.column("airport")?.idx()?.iter()) {
        if let (Some(word), Some(airport)) = (word, airport) {
            counts.entry(word).or_insert((0, airport)).0 += 1;
        }
    }
    writeln!(
        out,
        "{} words, {} of them different",
        words.height(),
        counts.len()
    )?;

    let mut commonest: Vec<_> = counts.into_iter().collect();
    commonest.sort_unstable_by_key(|(word, (count, _))| (usize::MAX - count, *word));
    let names = airports.column("name")?.str()?;
    for (word, (count, first)) in commonest.into_iter().take(5) {
        let first = names.get(first as usize).unwrap_or_default();
        writeln!(out, "{word} {count}: {first}")?;
    }
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    run(&data, &mut io::stdout().lock())
}
