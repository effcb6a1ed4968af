//! The page "Errors" of the guide has every kind of error, and the message of its example is what the error says.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use polars_par_apply::prelude::*;
use polars_par_apply::{Error, ErrorKind, Place, Registry};

const PAGE: &str = include_str!("../../src/guide/errors.md");
const SOURCE: &str = include_str!("../../src/error/mod.rs");

/// The rows of the page's tables whose first cell is a link to a variant of this type: the link's text, the variant, and the
/// other cells.
fn rows(of: &str) -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    let link = format!("](crate::{of}::");
    let mut rows = Vec::new();
    for line in PAGE.lines() {
        let Some(line) = line.strip_prefix("| [`") else {
            continue;
        };
        let cells: Vec<&str> = line.trim_end_matches(" |").split(" | ").collect();
        let Some((text, variant)) = cells[0].split_once(&link) else {
            continue;
        };
        rows.push((
            text.trim_end_matches('`'),
            variant.trim_end_matches(')'),
            cells[1..].to_vec(),
        ));
    }
    rows
}

/// The variants of [`ErrorKind`] and their names, as `ErrorKind::name` has them. Its match has no arm for "all others", so that
/// a new variant is among them.
fn names() -> BTreeMap<&'static str, &'static str> {
    let (_, body) = SOURCE
        .split_once("pub fn name(&self) -> &'static str {")
        .unwrap();
    let (body, _) = body.split_once("\n    }\n").unwrap();
    assert!(!body.contains("_ =>"), "every variant has its own arm");
    let arms = body.split("ErrorKind::").skip(1);
    arms.map(|arm| {
        let end = arm.find(|c: char| !c.is_ascii_alphanumeric()).unwrap();
        let name = arm.split('"').nth(1).unwrap();
        (name, &arm[..end])
    })
    .collect()
}

/// One error of each kind.
fn one_of_each() -> Vec<Error> {
    let df = df![
        "price" => [1.5, 2.5],
        "note" => ["a", "b"],
    ]
    .unwrap();
    let price = || df.par_apply().select(["price"]);
    let texts = df!["price" => ["1.5", "free", "?"]].unwrap();
    let parse = |price: &str| price.parse::<f64>();
    let numbers = df!["x" => [1, 0]].unwrap();
    let missing = df!["price" => [Some(1.5), None]].unwrap();

    let no_column_at = df.par_apply_rows(|row: Row<'_>| row.at::<f64>(2));
    let ErrorKind::Closure { cause, .. } = no_column_at.unwrap_err().into_kind() else {
        panic!("the closure returns what the row says");
    };
    let no_column_at = cause.downcast::<Error>().unwrap();

    let token = CancelToken::new();
    let cancelled = price()
        .sequential()
        .cancel_token(&token)
        .rows(|price: f64| {
            token.cancel();
            price
        });

    let (pool, ends) = (Pool::new(1).unwrap(), CancelToken::new());
    let waits = ends.clone();
    let mut job: Job<()> = pool.apply_async(move || {
        while !waits.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let timeout = job.get_timeout(Duration::from_millis(1)).unwrap_err();
    ends.cancel();
    job.wait();
    job.get_timeout(Duration::ZERO).unwrap();
    let taken = job.get_timeout(Duration::ZERO).unwrap_err();
    pool.close();
    let closed: Result<(), Error> = pool.apply(|| ());

    let registry = Registry::new().rows("length", f64::hypot);
    let of_polars = || -> Result<Column, Error> { Ok(df.column("prise")?.clone()) };
    let of_anyhow = || -> Result<(), Error> { Err(anyhow::anyhow!("prices.csv is empty"))? };

    vec![
        df.par_apply()
            .select(["prise"])
            .rows(|price: f64| price)
            .unwrap_err(),
        df.par_apply_rows(|price: f64| price).unwrap_err(),
        price().rows(|price: &str| price.len() as u64).unwrap_err(),
        price()
            .names(["x", "x"])
            .rows(|price: f64| (price, price))
            .unwrap_err(),
        price()
            .names(["x", "y"])
            .rows(|price: f64| price)
            .unwrap_err(),
        price().workers(0).rows(|price: f64| price).unwrap_err(),
        registry.get("lenght").unwrap_err(),
        df.par_apply()
            .select(["prise"])
            .workers(0)
            .rows(|price: f64| price)
            .unwrap_err(),
        texts.par_apply_rows(parse).unwrap_err(),
        numbers.par_apply_rows(|x: i32| 1 / x).unwrap_err(),
        missing
            .par_apply()
            .nulls(Nulls::Error)
            .rows(|price: f64| price)
            .unwrap_err(),
        price()
            .names(["price"])
            .returns([DataType::Int32])
            .rows(|price: f64| price)
            .unwrap_err(),
        no_column_at,
        texts
            .par_apply()
            .on_error(OnError::Null)
            .max_failures(1)
            .outcome()
            .rows(parse)
            .unwrap_err(),
        price()
            .partitions(2)
            .chunks(|part: Chunk| match part.index() {
                0 => part.columns()[0].clone(),
                _ => part.columns()[0].cast(&DataType::String).unwrap(),
            })
            .unwrap_err(),
        price()
            .state(|| Err::<(), _>(io::Error::other("no connection")))
            .rows(|_: &mut (), price: f64| price)
            .unwrap_err(),
        price()
            .state(|| ())
            .finish(|_: ()| Err(io::Error::other("the disk is full")))
            .rows(|_: &mut (), price: f64| price)
            .unwrap_err(),
        cancelled.unwrap_err(),
        closed.unwrap_err(),
        timeout,
        taken,
        df!["id" => [1i128]].unwrap().to_batches().unwrap_err(),
        of_polars().unwrap_err(),
        of_anyhow().unwrap_err(),
    ]
}

/// A message in one line.
fn in_one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_page_has_every_kind_and_nothing_else() {
    let mut page: Vec<(&str, &str)> = rows("ErrorKind")
        .iter()
        .map(|(name, variant, _)| (*name, *variant))
        .collect();
    page.sort_unstable();
    let all: Vec<(&str, &str)> = names().into_iter().collect();
    assert!(all.len() >= 24, "{all:?}");
    assert_eq!(page, all);
}

#[test]
fn each_example_says_what_the_page_says() {
    let mut examples: BTreeMap<&str, String> = BTreeMap::new();
    let errors = one_of_each();
    for error in &errors {
        let message = in_one_line(&error.to_string());
        let before = examples.insert(error.kind().name(), message);
        assert_eq!(before, None, "two examples of {}", error.kind().name());
    }
    for (name, _, cells) in rows("ErrorKind") {
        let [when, message, mend] = cells[..] else {
            panic!("{name} has another number of cells: {cells:?}");
        };
        assert!(!when.is_empty() && !mend.is_empty(), "{name}");
        let message = message.trim_matches('`');
        assert_eq!(Some(message), examples.remove(name).as_deref(), "{name}");
    }
    assert!(examples.is_empty(), "not on the page: {examples:?}");
}

/// A failure at each place.
fn places() -> Vec<Error> {
    let df = df!["price" => ["1.5", "free"]].unwrap();
    let parse = |price: &str| price.parse::<f64>();
    let values = |values: Values<'_, &str>| values.iter().last().unwrap().parse::<f64>();
    let pool = Pool::new(1).unwrap();
    vec![
        df.par_apply_rows(parse).unwrap_err(),
        df.par_apply_columns(values).unwrap_err(),
        df.par_apply().elements(parse).unwrap_err(),
        df.par_apply()
            .partitions(2)
            .chunks(|part: Chunk| match part.index() {
                0 => Ok(0),
                _ => Err(io::Error::other("late")),
            })
            .unwrap_err(),
        df.par_apply()
            .by(["price"])
            .groups(|price: &str| price.parse::<f64>())
            .unwrap_err(),
        df.par_apply().windows(Window::rows(1), values).unwrap_err(),
        pool.map::<i64, _, _, _>(["1", "x"], |text: &str| text.parse())
            .unwrap_err(),
        pool.apply::<i64, _, _>(|| "x".parse()).unwrap_err(),
    ]
}

#[test]
fn each_place_is_shown_as_the_page_shows_it() {
    let errors = places();
    let page = rows("Place");
    assert_eq!(page.len(), errors.len());
    for ((name, variant, cells), error) in page.into_iter().zip(errors) {
        assert_eq!(name, variant);
        let ErrorKind::Closure { place, .. } = error.kind() else {
            panic!("{error}");
        };
        assert!(format!("{place:?}").starts_with(name), "{place:?}");
        let begins = match cells[1] {
            "nothing" => {
                assert_eq!(*place, Place::Job);
                String::new()
            }
            begins => begins.trim_matches('`').to_string(),
        };
        let expected = format!("{begins}the closure returned an error: ");
        let said = error.to_string();
        assert!(said.starts_with(&expected), "{said}");
    }
}
