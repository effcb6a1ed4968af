//! A closure's expression can be wherever an elementwise one of Polars can be, with the same answer.

use std::sync::Arc;

use polars_par_apply::prelude::*;

use crate::engines::{ENGINES, collected};
use crate::frames::watched;

/// Makes an expression of its argument.
type Of = Arc<dyn Fn(Expr) -> Expr>;

type Place = (&'static str, fn(LazyFrame, &Of) -> LazyFrame);

fn frame() -> DataFrame {
    df![
        "x" => [3i64, 1, 2, 3, 5],
        "g" => [1i64, 2, 1, 2, 1],
        "par_apply" => ["a", "b", "c", "d", "e"],
    ]
    .unwrap()
}

/// The frame, with its row numbers in a list for each `g`.
fn lists(lf: LazyFrame) -> LazyFrame {
    lf.group_by_stable([col("g")]).agg([col("x")])
}

fn sorted(lf: LazyFrame, by: &str) -> LazyFrame {
    lf.sort([by], SortMultipleOptions::default())
}

/// The places where an expression of any dtype may be.
fn places() -> Vec<Place> {
    vec![
        ("select", |lf, of| lf.select([of(col("x")).alias("out")])),
        ("with_columns", |lf, of| {
            lf.with_columns([of(col("x")).alias("x"), of(col("g")).alias("g")])
        }),
        ("key of group_by", |lf, of| {
            let groups = lf.group_by([of(col("x")).alias("key")]);
            sorted(groups.agg([col("g").sum()]), "key")
        }),
        ("within agg", |lf, of| {
            let groups = lf.group_by([col("g")]);
            sorted(groups.agg([of(col("x")).alias("out")]), "g")
        }),
        ("aggregated", |lf, of| {
            let groups = lf.group_by([col("g")]);
            sorted(groups.agg([of(col("x")).max().alias("out")]), "g")
        }),
        ("of an aggregate", |lf, of| {
            let groups = lf.group_by([col("g")]);
            sorted(groups.agg([of(col("x").sum()).alias("out")]), "g")
        }),
        ("key of the frame's sort", |lf, of| {
            let stable = SortMultipleOptions::default().with_maintain_order(true);
            lf.sort_by_exprs([of(col("x"))], stable)
        }),
        ("key of sort_by", |lf, of| {
            let stable = SortMultipleOptions::default().with_maintain_order(true);
            lf.select([col("par_apply").sort_by([of(col("x"))], stable)])
        }),
        ("over, as the value", |lf, of| {
            lf.select([of(col("x")).over([col("g")]).unwrap().alias("out")])
        }),
        ("over, as the partition", |lf, of| {
            lf.select([col("x").sum().over([of(col("g"))]).unwrap().alias("out")])
        }),
        ("then", |lf, of| {
            let then = when(col("g").eq(lit(1i64))).then(of(col("x")));
            lf.select([then.otherwise(of(col("g"))).alias("out")])
        }),
        ("list.eval", |lf, of| {
            lists(lf).select([col("x").list().eval(of(element())).alias("out")])
        }),
        ("in a struct", |lf, of| {
            let both = as_struct(vec![of(col("x")).alias("a"), col("g")]);
            let lf = lf.select([both.alias("s")]);
            lf.unnest(by_name(["s"], true, false), None)
        }),
        ("exploded", |lf, of| {
            let groups = lf.group_by([col("g")]);
            let lists = sorted(groups.agg([of(col("x")).alias("out")]), "g");
            lists.explode(
                by_name(["out"], true, false),
                ExplodeOptions {
                    empty_as_null: true,
                    keep_nulls: true,
                },
            )
        }),
        ("concatenated", |lf, of| {
            let one = lf.clone().select([of(col("x")).alias("out")]);
            let other = lf.select([of(col("g")).alias("out")]);
            concat([one, other], UnionArgs::default()).unwrap()
        }),
        ("joined beside", |lf, of| {
            let left = lf.clone().with_columns([of(col("x")).alias("k")]);
            let right = lf.select([of(col("g")).alias("k"), col("g").alias("h")]);
            let joined = left.join(
                right,
                [col("k")],
                [col("k")],
                JoinArgs::new(JoinType::Inner),
            );
            joined.sort(["x", "g", "h"], SortMultipleOptions::default())
        }),
        ("shown as a text", |lf, of| {
            lf.select([of(col("x"))
                .cast(DataType::String)
                .str()
                .len_bytes()
                .alias("out")])
        }),
        ("as a filter's part", |lf, of| {
            lf.filter(of(col("x")).neq(of(col("g"))))
        }),
    ]
}

/// Places where Polars requires an expression that it may move: there, one whose closure returns `bool` must not be pinned.
fn keys() -> Vec<Place> {
    fn joined(left: [Expr; 1], right: [Expr; 1], lf: LazyFrame, how: JoinType) -> LazyFrame {
        let other = lf
            .clone()
            .select([col("g").alias("j"), col("x").alias("y")]);
        let joined = lf.join(other, left, right, JoinArgs::new(how));
        let order = ["x", "g", "par_apply", "y", "j"].map(col);
        joined.sort_by_exprs(order, SortMultipleOptions::default())
    }
    vec![
        ("the left key", |lf, of| {
            let right = lf.clone().select([of(col("x")).alias("j")]);
            let right = right.unique(None, UniqueKeepStrategy::Any);
            let args = JoinArgs::new(JoinType::Inner);
            let joined = lf.join(right, [of(col("g"))], [col("j")], args);
            joined.sort(["x", "g"], SortMultipleOptions::default())
        }),
        ("both keys of an inner join", |lf, of| {
            joined([of(col("x"))], [of(col("j"))], lf, JoinType::Inner)
        }),
        ("both keys of a left join", |lf, of| {
            joined([of(col("x"))], [of(col("j"))], lf, JoinType::Left)
        }),
        ("both keys of a full join", |lf, of| {
            joined([of(col("x"))], [of(col("j"))], lf, JoinType::Full)
        }),
    ]
}

fn kinds() -> Vec<(&'static str, Of, Of)> {
    vec![
        (
            "a number",
            Arc::new(|of| rows([of]).apply(|x: i64| x + 1)),
            Arc::new(|of| of + lit(1i64)),
        ),
        (
            "a result",
            Arc::new(|of| rows([of]).apply(|x: i64| anyhow::Ok(x + 1))),
            Arc::new(|of| of + lit(1i64)),
        ),
        (
            "a bool",
            Arc::new(|of| rows([of]).apply(|x: i64| x > 2)),
            Arc::new(|of| of.gt(lit(2i64))),
        ),
        (
            "a bool or an error",
            Arc::new(|of| rows([of]).apply(|x: i64| anyhow::Ok(x > 2))),
            Arc::new(|of| of.gt(lit(2i64))),
        ),
        (
            "an unpinned bool",
            Arc::new(|of| rows([of]).pinned(false).apply(|x: i64| x > 2)),
            Arc::new(|of| of.gt(lit(2i64))),
        ),
        (
            "a pinned number",
            Arc::new(|of| rows([of]).pinned(true).apply(|x: i64| x + 1)),
            Arc::new(|of| of + lit(1i64)),
        ),
    ]
}

fn agree(place: &Place, kind: &(&'static str, Of, Of), wrong: &mut Vec<String>) {
    let (place, make) = place;
    let (kind, closure, native) = kind;
    for engine in ENGINES {
        let expected = collected(&make(frame().lazy(), native), engine);
        let expected = expected.unwrap_or_else(|error| panic!("{place}: {error}"));
        match collected(&make(frame().lazy(), closure), engine) {
            Ok(is) if is.equals_missing(&expected) => {}
            is => wrong.push(format!(
                "{place}, {kind}, {engine:?}: {is:?}, not {expected:?}"
            )),
        }
    }
}

#[test]
fn everywhere() {
    watched(|| {
        let mut wrong = Vec::new();
        for kind in kinds() {
            for place in places() {
                agree(&place, &kind, &mut wrong);
            }
            if !matches!(kind.0, "a bool" | "a bool or an error" | "a pinned number") {
                for place in keys() {
                    agree(&place, &kind, &mut wrong);
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    });
}

/// As a condition, and before functions for one dtype.
#[test]
fn where_the_dtype_matters() {
    watched(|| {
        let large = || rows(["x"]).apply(|x: i64| x > 2);
        let names = || {
            let both = rows(["x", "par_apply"]).names(["double", "name"]);
            both.apply(|x: i64, name: &str| (x * 2, name.to_string()))
        };
        let text = || rows(["x"]).apply(|x: i64| format!("{x}!"));
        let parts = || rows(["x"]).apply(|x: i64| vec![x, -x]);
        let native = || col("x").gt(lit(2i64));
        for engine in ENGINES {
            let out = |expr: Expr| {
                let lf = frame().lazy().select([expr.alias("out")]);
                collected(&lf, engine).unwrap()
            };
            let when_large = |of: Expr| out(when(of).then(col("x")).otherwise(lit(0i64)));
            assert_eq!(when_large(large()), when_large(native()));
            let agg = |of: Expr| {
                let groups = frame().lazy().group_by([col("g")]);
                let sums = groups.agg([col("x").filter(of).sum()]);
                collected(&sorted(sums, "g"), engine).unwrap()
            };
            assert_eq!(agg(large()), agg(native()));
            let field = out(names().struct_().field_by_name("double"));
            assert_eq!(field, out(col("x") * lit(2i64)));
            let length = out(text().str().len_bytes().cast(DataType::Int64));
            assert_eq!(length, df!["out" => [2i64; 5]].unwrap());
            assert_eq!(
                out(parts().list().get(lit(1), false)),
                out(lit(0i64) - col("x"))
            );
            let exploded = out(parts().explode(ExplodeOptions {
                empty_as_null: true,
                keep_nulls: true,
            }));
            assert_eq!(exploded.height(), 10);
        }
    });
}

/// The names are the documented ones, with an alias or without; two closures in one frame need an alias.
#[test]
fn names_are_the_closures_own() {
    watched(|| {
        let plus = || rows(["x"]).apply(|x: i64| x + 1);
        let named = || rows(["x"]).names(["y"]).apply(|x: i64| x + 1);
        for engine in ENGINES {
            let names = |exprs: Vec<Expr>| {
                let out = collected(&frame().lazy().select(exprs), engine).unwrap();
                out.get_column_names_owned()
            };
            assert_eq!(names(vec![plus()]), ["par_apply"]);
            assert_eq!(names(vec![named()]), ["y"]);
            assert_eq!(names(vec![plus().alias("z"), named()]), ["z", "y"]);
            assert_eq!(names(vec![plus() + lit(1)]), ["par_apply"]);
            let with = frame().lazy().with_columns([plus()]);
            let with = collected(&with, engine).unwrap();
            assert_eq!(with.get_column_names(), ["x", "g", "par_apply"]);
            assert_eq!(with.column("par_apply").unwrap().dtype(), &DataType::Int64);
            let schema = frame().lazy().select([plus(), named()]).collect_schema();
            assert!(schema.unwrap().iter_names().eq(["par_apply", "y"]));
        }
    });
}
