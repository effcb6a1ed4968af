//! Batches of Arrow: a frame there and back, and a closure of a batch beside one of a frame.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use polars_par_apply::arrow2::array::Float64Array;
use polars_par_apply::prelude::*;

pub(crate) const ROWS: usize = 10_000_000;
const PARTS: usize = 16;

pub(crate) struct Arrow {
    /// Two columns of f64, and one of text.
    pub(crate) df: DataFrame,
    pub(crate) batches: Vec<RecordBatch>,
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

impl Arrow {
    pub(crate) fn new(rows: usize) -> Self {
        let numbers = |by: f64| (0..rows).map(|row| row as f64 * by).collect::<Vec<f64>>();
        let texts = (0..rows).map(|row| ["oak", "a text of more than twelve bytes"][row % 2]);
        let df = df![
            "x" => numbers(0.5),
            "y" => numbers(0.25),
            "text" => StringChunked::from_iter_values("text".into(), texts).into_series(),
        ]
        .unwrap();
        let batches = df.to_batches().unwrap();
        Arrow { df, batches }
    }

    /// Checks that all closures give the same, and that values, views and buffers are shared.
    pub(crate) fn check(&self) {
        let by_frame = self.of_frame();
        assert_eq!(by_frame, self.of_batch());
        assert_eq!(by_frame, self.of_arrow2());
        let back = self.to_frame();
        assert!(back.equals(&self.df));
        for name in ["x", "y"] {
            let pointer = |df: &DataFrame| df[name].f64().unwrap().cont_slice().unwrap().as_ptr();
            assert_eq!(pointer(&back), pointer(&self.df));
            let array = self.batches[0][name].as_primitive::<Float64Type>();
            assert_eq!(array.values().as_ptr(), pointer(&self.df));
        }
        let buffers = |df: &DataFrame| {
            let chunks = df["text"].str().unwrap().clone();
            let mut pointers = Vec::new();
            for array in chunks.downcast_iter() {
                pointers.push(array.views().as_ptr().cast::<u8>());
                pointers.extend(array.data_buffers().iter().map(|buffer| buffer.as_ptr()));
            }
            pointers
        };
        assert_eq!(buffers(&back), buffers(&self.df));
    }

    pub(crate) fn to_batches(&self) -> Vec<RecordBatch> {
        self.df.to_batches().unwrap()
    }

    pub(crate) fn to_frame(&self) -> DataFrame {
        self.batches.to_frame().unwrap()
    }

    fn call(&self) -> Apply<'_, 'static> {
        self.df.par_apply().select(["x", "y"]).partitions(PARTS)
    }

    pub(crate) fn of_frame(&self) -> Column {
        let f = |part: DataFrame| {
            let column = |name| {
                part.column(name)
                    .unwrap()
                    .f64()
                    .unwrap()
                    .cont_slice()
                    .unwrap()
            };
            dot(column("x"), column("y"))
        };
        self.call().chunks(f).unwrap()
    }

    pub(crate) fn of_batch(&self) -> Column {
        let f = |part: RecordBatch| {
            let column = |name| {
                part.column_by_name(name)
                    .unwrap()
                    .as_primitive::<Float64Type>()
            };
            dot(column("x").values(), column("y").values())
        };
        self.call().chunks(f).unwrap()
    }

    pub(crate) fn of_arrow2(&self) -> Column {
        let f = |part: Arrow2Chunk| {
            let column = |name| {
                let array = part.column(name).unwrap().as_any();
                array
                    .downcast_ref::<Float64Array>()
                    .unwrap()
                    .values()
                    .as_slice()
            };
            dot(column("x"), column("y"))
        };
        self.call().chunks(f).unwrap()
    }
}
