//! Groups compared with those of Polars, and columns in group order with Polars' take.

use polars::prelude::*;
use polars_arrow::bitmap::Bitmap;

use super::keys::Keys;
use super::layout::GroupLayout;
use super::memory::ranges;
use super::{Groups, Limits, ShareOut, check_keys, dictionary, has_groups, radix, runs};
use crate::error::Result;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::thread;

/// A small generator of pseudo-random numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Runs the work on new threads.
fn on_threads(items: usize, work: &(dyn Fn(usize) + Sync)) -> Result<()> {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    match next.fetch_add(1, Ordering::Relaxed) {
                        item if item < items => work(item),
                        _ => break,
                    }
                }
            });
        }
    });
    Ok(())
}

/// Runs the work on the calling thread, in another order than that of the items.
fn here(items: usize, work: &(dyn Fn(usize) + Sync)) -> Result<()> {
    (0..items).rev().for_each(work);
    Ok(())
}

/// The limits that lead to each of the methods.
fn methods() -> [(&'static str, Limits); 3] {
    let shortest = 1024;
    [
        (
            "one range",
            Limits {
                shortest: usize::MAX / 2,
                ..Limits::default()
            },
        ),
        (
            "dictionary",
            Limits {
                shortest,
                ..Limits::default()
            },
        ),
        (
            "radix",
            Limits {
                shortest,
                dictionary: 0,
                partition: 200,
            },
        ),
    ]
}

/// Returns the groups that Polars makes: the rows of each.
fn of_polars(keys: &[&Column], rows: usize, drop_nulls: bool) -> Vec<Vec<IdxSize>> {
    if rows == 0 {
        return Vec::new();
    }
    let frame = DataFrame::new(rows, Vec::new()).unwrap();
    let mut own: Vec<Column> = keys.iter().map(|key| (*key).clone()).collect();
    for (i, key) in own.iter_mut().enumerate() {
        key.rename(i.to_string().into());
        // A flag must not mislead Polars.
        let mut series = key.as_materialized_series().clone();
        series.set_sorted_flag(polars::series::IsSorted::Not);
        *key = series.into();
    }
    // Polars groups by such a column only among others; alone, only if it is built with unsigned 128-bit integers.
    if own.len() == 1 && own[0].dtype().to_physical() == DataType::Int128 {
        own.push(own[0].clone().with_name("again".into()));
    }
    let groups = frame.group_by_with_series(own, true, true).unwrap();
    let mut groups: Vec<Vec<IdxSize>> = match &**groups.get_groups() {
        GroupsType::Idx(groups) => groups.all().iter().map(|rows| rows.to_vec()).collect(),
        GroupsType::Slice { groups, .. } => groups
            .iter()
            .map(|[first, len]| (*first..first + len).collect())
            .collect(),
    };
    if drop_nulls {
        let is_null = |row: usize| keys.iter().any(|key| key.get(row).unwrap().is_null());
        groups.retain(|rows| !is_null(rows[0] as usize));
    }
    groups
}

/// Returns the rows of each group as the groups report them, and checks that their reports agree.
fn listed(groups: &Groups) -> Vec<Vec<IdxSize>> {
    let order = groups.order();
    if let Some(order) = order {
        assert_eq!(order.len(), groups.grouped_rows());
    } else {
        assert_eq!(groups.grouped_rows(), groups.height());
    }
    let mut end = 0;
    let lists = (0..groups.len()).map(|group| {
        let span = groups.span(group);
        assert_eq!(span.start, end);
        end = span.end;
        let rows = span.map(|position| groups.row_at(position) as IdxSize);
        rows.collect::<Vec<_>>()
    });
    let lists: Vec<Vec<IdxSize>> = lists.collect();
    assert_eq!(end, groups.grouped_rows());
    assert_eq!(groups.first_rows().len(), groups.len());
    lists
}

/// Groups by keys with every method, and compares the groups with those of Polars.
fn check(name: &str, keys: &[&Column]) {
    let rows = keys[0].len();
    check_keys(keys).unwrap();
    for drop_nulls in [false, true] {
        let expected = of_polars(keys, rows, drop_nulls);
        for (method, limits) in methods() {
            for (workers, share_out) in [(1, &here as ShareOut<'_>), (3, &on_threads)] {
                let groups =
                    Groups::within(limits, keys, rows, drop_nulls, workers, share_out).unwrap();
                let of =
                    format!("{name}, {method}, {workers} workers, dropping nulls: {drop_nulls}");
                assert_eq!(groups.height(), rows, "{of}");
                assert_eq!(listed(&groups), expected, "{of}");
                let firsts = expected.iter().map(|rows| rows[0]);
                assert_eq!(groups.first_rows(), firsts.collect::<Vec<_>>(), "{of}");
                if workers > 1 {
                    check_columns(&of, &groups, keys, workers, share_out);
                    check_keep(&of, &groups, &expected, workers, share_out);
                }
            }
        }
    }
}

/// Checks that columns in group order are what a take gives, and that they can be restored.
fn check_columns(
    of: &str,
    groups: &Groups,
    columns: &[&Column],
    workers: usize,
    share_out: ShareOut<'_>,
) {
    let order: Vec<IdxSize> = (0..groups.grouped_rows())
        .map(|position| groups.row_at(position) as IdxSize)
        .collect();
    let mut in_group = vec![false; groups.height()];
    order.iter().for_each(|row| in_group[*row as usize] = true);
    for column in columns {
        let column = column.as_materialized_series();
        let there = groups.reorder(column, workers, share_out).unwrap();
        let name = format!("{of}: {}", column.dtype());
        assert_eq!(there.n_chunks(), 1, "{name}");
        assert_eq!(there.dtype(), column.dtype(), "{name}");
        assert_eq!(there.name(), column.name(), "{name}");
        let taken = match order.is_empty() {
            true => column.clear(),
            false => column.take_slice(&order).unwrap(),
        };
        assert_same(&there, &taken, &name);
        let back = groups.restore(&there, workers, share_out).unwrap();
        assert_eq!(back.n_chunks(), 1, "{name}");
        assert_eq!(back.dtype(), column.dtype(), "{name}");
        let rows = in_group.iter().enumerate();
        let rows: IdxCa = rows
            .map(|(row, is_in)| is_in.then_some(row as IdxSize))
            .collect();
        let taken = match order.is_empty() {
            true => Series::full_null("".into(), column.len(), column.dtype()),
            false => column.rechunk().take(&rows).unwrap(),
        };
        assert_same(&back, &taken, &name);
    }
}

fn assert_same(one: &Series, other: &Series, of: &str) {
    assert_eq!(one.len(), other.len(), "{of}");
    assert_eq!(one.null_count(), other.null_count(), "{of}");
    // For floats, every bit counts.
    if let (Ok(one), Ok(other)) = (one.f64(), other.f64()) {
        let bits = |value: Option<f64>| value.map(f64::to_bits);
        assert!(one.iter().map(bits).eq(other.iter().map(bits)), "{of}");
    } else if let (Ok(one), Ok(other)) = (one.f32(), other.f32()) {
        let bits = |value: Option<f32>| value.map(f32::to_bits);
        assert!(one.iter().map(bits).eq(other.iter().map(bits)), "{of}");
    } else {
        assert!(one.equals_missing(other), "{of}");
    }
}

fn check_keep(
    of: &str,
    groups: &Groups,
    all: &[Vec<IdxSize>],
    workers: usize,
    share_out: ShareOut<'_>,
) {
    let seen = |row: usize| !row.is_multiple_of(3) && !(40..2000).contains(&row);
    let bits: Bitmap = (0..groups.height()).map(seen).collect();
    let kept = groups.keep(&bits, workers, share_out).unwrap();
    let some = all.iter().map(|rows| {
        let rows = rows.iter().copied().filter(|row| seen(*row as usize));
        rows.collect::<Vec<_>>()
    });
    assert_eq!(kept.height(), groups.height(), "{of}");
    assert_eq!(kept.first_rows(), groups.first_rows(), "{of}");
    assert_eq!(listed(&kept), some.collect::<Vec<_>>(), "{of}");
    let rows = IdxCa::from_vec("row".into(), (0..groups.height() as IdxSize).collect());
    check_columns(of, &kept, &[&rows.into_column()], workers, share_out);
}

/// Returns columns of every dtype, with or without nulls, whose keys occur repeatedly.
fn columns(rows: usize, random: &mut Random, nulls: bool) -> Vec<Column> {
    let few = 1 + random.below(20);
    let mut picks = || {
        let many = if random.below(2) == 0 { few } else { 1 + rows };
        let picks = (0..rows).map(|_| {
            let is_null = nulls && random.below(7) == 0;
            (!is_null).then(|| random.below(many) as u64)
        });
        picks.collect::<Vec<Option<u64>>>()
    };
    let spread = |pick: u64| pick.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let floats = [
        f64::NAN,
        -f64::NAN,
        0.0,
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    let float = |pick: u64| match floats.get(pick as usize) {
        Some(float) => *float,
        None => spread(pick) as i64 as f64,
    };
    let number = |picks: Vec<Option<u64>>| -> Int64Chunked {
        picks
            .into_iter()
            .map(|pick| pick.map(|pick| spread(pick) as i64))
            .collect()
    };
    let small = |picks: Vec<Option<u64>>| -> Int64Chunked {
        picks
            .into_iter()
            .map(|pick| pick.map(|pick| (pick % 100) as i64 - 20))
            .collect()
    };
    let text = |picks: Vec<Option<u64>>, long: bool| -> StringChunked {
        picks
            .into_iter()
            .map(|pick| {
                pick.map(|pick| match (pick % 3, long) {
                    (_, false) => format!("{pick}")[..].chars().take(12).collect(),
                    (0, _) => String::new(),
                    (1, _) => format!("a text that is longer than a view {pick}"),
                    (_, _) => format!("\0{pick}\0"),
                })
            })
            .collect()
    };
    let mut all: Vec<Series> = vec![
        picks()
            .into_iter()
            .map(|pick| pick.map(|p| p % 2 == 0))
            .collect::<BooleanChunked>()
            .into_series(),
        number(picks()).into_series(),
        picks()
            .into_iter()
            .map(|pick| pick.map(spread))
            .collect::<UInt64Chunked>()
            .into_series(),
        small(picks()).into_series().cast(&DataType::Int32).unwrap(),
        picks()
            .into_iter()
            .map(|pick| pick.map(float))
            .collect::<Float64Chunked>()
            .into_series(),
        picks()
            .into_iter()
            .map(|pick| pick.map(|p| float(p) as f32))
            .collect::<Float32Chunked>()
            .into_series(),
        text(picks(), false).into_series(),
        text(picks(), true).into_series(),
        text(picks(), true).as_binary().into_series(),
        Series::new_null("null".into(), rows),
        small(picks()).into_series().cast(&DataType::Date).unwrap(),
        number(picks())
            .into_series()
            .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
            .unwrap(),
        number(picks())
            .into_series()
            .cast(&DataType::Duration(TimeUnit::Nanoseconds))
            .unwrap(),
    ];
    let mut listed =
        ListPrimitiveChunkedBuilder::<Float64Type>::new("".into(), rows, rows, DataType::Float64);
    for pick in picks() {
        match pick {
            None => listed.append_null(),
            Some(pick) => listed.append_slice(&vec![float(pick % 7); (pick % 4) as usize]),
        }
    }
    all.push(listed.finish().into_series());
    #[cfg(feature = "dtype-full")]
    {
        all.push(small(picks()).into_series().cast(&DataType::Int8).unwrap());
        all.push(small(picks()).into_series().cast(&DataType::Int16).unwrap());
        all.push(small(picks()).abs_small().cast(&DataType::UInt8).unwrap());
        all.push(small(picks()).abs_small().cast(&DataType::UInt16).unwrap());
        all.push(small(picks()).abs_small().cast(&DataType::UInt32).unwrap());
        all.push(
            number(picks())
                .into_series()
                .cast(&DataType::Int128)
                .unwrap(),
        );
        all.push(small(picks()).abs_small().cast(&DataType::Time).unwrap());
        all.push(
            text(picks(), true)
                .into_series()
                .cast(&DataType::from_categories(Categories::global()))
                .unwrap(),
        );
        let fields = [
            number(picks()).into_series(),
            text(picks(), true).into_series().with_name("t".into()),
        ];
        let fields = StructChunked::from_series("".into(), rows, fields.iter()).unwrap();
        all.push(fields.clone().into_series());
        let holes: Bitmap = picks().into_iter().map(|pick| pick.is_some()).collect();
        all.push(fields.with_outer_validity(Some(holes)).into_series());
        let pairs: Vec<Option<u64>> = picks().into_iter().flat_map(|pick| [pick, pick]).collect();
        let width = ReshapeDimension::new_dimension(2);
        let pairs = number(pairs)
            .into_series()
            .reshape_array(&[ReshapeDimension::Infer, width]);
        all.extend((rows > 0).then(|| pairs.unwrap()));
    }
    all.into_iter()
        .enumerate()
        .map(|(i, series)| series.with_name(format!("c{i}").into()).into_column())
        .collect()
}

#[cfg(feature = "dtype-full")]
trait AbsSmall {
    fn abs_small(self) -> Series;
}

#[cfg(feature = "dtype-full")]
impl AbsSmall for Int64Chunked {
    fn abs_small(self) -> Series {
        self.apply_values(i64::abs).into_series()
    }
}

/// Returns the same column, sliced out of a longer one, in chunks of any lengths, some of them empty.
fn cut(column: &Column, random: &mut Random) -> Column {
    let rows = column.len();
    let mut whole = column.as_materialized_series().clone();
    let front = random.below(5).min(rows);
    let mut longer = whole.slice(0, front);
    longer.append(&whole).unwrap();
    whole = longer.rechunk().slice(front as i64, rows);
    let mut cut = whole.slice(0, 0);
    let mut start = 0;
    while start < rows {
        let len = (random.below(rows + 1)).min(rows - start);
        cut.append(&whole.slice(start as i64, len)).unwrap();
        start += len;
    }
    cut.into_column()
}

#[test]
fn groups_are_polars_own_for_every_dtype() {
    let mut random = Random(7);
    for rows in [0, 1, 2, 60, 1025, 2500] {
        for nulls in [false, true] {
            for column in columns(rows, &mut random, nulls) {
                let name = format!("{rows} rows of {}", column.dtype());
                check(&name, &[&column]);
                check(&format!("{name} in pieces"), &[&cut(&column, &mut random)]);
            }
        }
    }
}

#[test]
fn several_keys_are_one() {
    let mut random = Random(11);
    for rows in [1, 50, 2500] {
        for nulls in [false, true] {
            let columns = columns(rows, &mut random, nulls);
            for _ in 0..15 {
                let width = 2 + random.below(3);
                let keys: Vec<Column> = (0..width)
                    .map(|_| cut(&columns[random.below(columns.len())], &mut random))
                    .collect();
                let dtypes: Vec<_> = keys.iter().map(|key| key.dtype().to_string()).collect();
                let keys: Vec<&Column> = keys.iter().collect();
                check(&format!("{rows} rows of {dtypes:?}"), &keys);
            }
        }
    }
}

#[test]
fn sorted_and_wrongly_flagged_columns_give_the_same() {
    let mut random = Random(13);
    let rows = 2500;
    for column in columns(rows, &mut random, true) {
        let series = column.as_materialized_series();
        let Ok(sorted) = series.sort(SortOptions::default()) else {
            continue;
        };
        let backwards = series
            .sort(
                SortOptions::default()
                    .with_order_descending(true)
                    .with_nulls_last(true),
            )
            .unwrap();
        // These have a key that comes back at the end, and one that comes back in the middle.
        let mut back = sorted.clone();
        back.append(&sorted.slice(0, 1)).unwrap();
        let mut middle = sorted.slice(0, rows / 2);
        middle.append(&sorted.slice(3, 1)).unwrap();
        middle.append(&sorted.slice(rows as i64 / 2, rows)).unwrap();
        for (name, series) in [
            ("sorted", &sorted),
            ("descending", &backwards),
            ("coming back", &back),
            ("coming back between", &middle),
            ("unsorted", series),
        ] {
            let mut flagged = series.clone();
            flagged.set_sorted_flag(polars::series::IsSorted::Ascending);
            let name = format!("{name} {}", series.dtype());
            check(&name, &[&series.clone().into_column()]);
            check(&format!("{name}, flagged"), &[&flagged.into_column()]);
        }
    }
}

#[test]
fn scalar_columns_are_one_group() {
    let rows = 2000;
    let scalar = Column::new_scalar("s".into(), Scalar::from(7i32), rows);
    let null = Column::new_scalar("n".into(), Scalar::null(DataType::Int32), rows);
    let ids = Int32Chunked::from_vec("i".into(), (0..rows as i32).map(|i| i % 5).collect());
    let ids = ids.into_column();
    check("a scalar", &[&scalar]);
    check("a null", &[&null]);
    check("two scalars", &[&scalar, &null]);
    check("a scalar and a column", &[&scalar, &ids]);
    check("a null and a column", &[&null, &ids]);
    let groups = Groups::of(&[&scalar], rows, true, 1, &here).unwrap();
    assert!(groups.order().is_none() && groups.len() == 1);
}

#[test]
fn rows_that_lie_side_by_side_are_recognised() {
    let rows = 5000;
    let column = |key: &dyn Fn(usize) -> i64| {
        let keys = (0..rows).map(key);
        Int64Chunked::from_vec("k".into(), keys.collect()).into_column()
    };
    let group = |column: &Column, dictionary: usize| {
        let limits = Limits {
            shortest: 1024,
            dictionary,
            partition: 200,
        };
        Groups::within(limits, &[column], rows, false, 3, &on_threads).unwrap()
    };
    let is_as_is = |groups: Groups| matches!(groups.layout, GroupLayout::AsIs);
    // These are ascending and descending keys, and long unordered runs; then long runs of which one comes back, and short
    // unordered runs.
    assert!(is_as_is(group(&column(&|row| row as i64), 10)));
    assert!(is_as_is(group(&column(&|row| -(row as i64) / 3), 10)));
    assert!(is_as_is(group(
        &column(&|row| (row / 100 * 7 % 50) as i64),
        10
    )));
    assert!(!is_as_is(group(
        &column(&|row| (row / 100 * 7 % 49) as i64),
        10
    )));
    assert!(!is_as_is(group(
        &column(&|row| (row / 2 * 7 % 2500) as i64),
        10
    )));
}

/// Keys that all look equal until the rows are compared.
struct Colliding(Vec<u64>);

impl Keys for Colliding {
    type Key = u64;
    const EXACT: bool = false;

    fn rows(&self) -> usize {
        self.0.len()
    }

    fn validity(&self) -> Option<&Bitmap> {
        None
    }

    fn read(&self, _: usize, keys: &mut [u64]) {
        keys.fill(7);
    }

    fn hash(key: u64) -> u64 {
        key
    }

    fn same(&self, row: usize, other: usize) -> bool {
        self.0[row] == self.0[other]
    }
}

#[test]
fn equal_hashes_are_not_equal_keys() {
    let mut random = Random(17);
    let rows = 3000;
    let scattered: Vec<u64> = (0..rows).map(|_| random.below(40) as u64).collect();
    let in_runs = (0..rows).map(|row| row as u64 / 100).collect();
    for values in [scattered, in_runs] {
        let column = UInt64Chunked::from_slice("v".into(), &values).into_column();
        let expected = of_polars(&[&column], rows, false);
        let keys = Colliding(values);
        let ranges = ranges(rows, 3, 1024);
        let few = dictionary::group(&keys, false, &ranges, 1000, &on_threads).unwrap();
        assert_eq!(listed(&few.unwrap()), expected);
        let many = radix::group(&keys, false, &ranges, 100, &on_threads).unwrap();
        assert_eq!(listed(&many), expected);
        if let Some(groups) = runs::group(&keys, false, &ranges, &on_threads).unwrap() {
            assert_eq!(listed(&groups), expected);
        }
    }
}

#[test]
fn what_has_no_equal_values_is_no_key() {
    let unknown = DataType::Unknown(UnknownKind::Any);
    assert!(!has_groups(&unknown));
    assert!(!has_groups(&DataType::List(Box::new(unknown))));
    assert!(has_groups(&DataType::List(Box::new(DataType::Float64))));
}
