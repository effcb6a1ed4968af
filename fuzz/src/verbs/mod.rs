//! The verbs. Each has a file with a plan of a call, a plain loop that computes what the call must give, and the comparison. A new verb is
//! added to the table below.

pub mod arrow;
pub mod chunks;
pub mod columns;
pub mod elements;
pub mod emit_rows;
pub mod filter_rows;
pub mod flat_map_rows;
pub mod fold_rows;
pub mod groups;
pub mod lazy_chunks;
pub mod par_map;
pub mod rows;
pub mod transform;
pub mod windows;
pub mod with_columns;

use arbitrary::{Result, Unstructured};

/// The table of verbs.
macro_rules! verbs {
    ($($Verb:ident: $path:path, $weight:literal;)*) => {
        /// The plan of a call.
        #[derive(Clone, Debug)]
        pub enum Call {
            $($Verb($path),)*
        }

        impl Call {
            pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
                let mut left = u.int_in_range(1..=0 $(+ $weight)*)?;
                $(
                    if left <= $weight {
                        return Ok(Call::$Verb(<$path>::arbitrary(u)?));
                    }
                    left -= $weight;
                )*
                unreachable!("{left} is more than all weights")
            }

            /// Runs the case, and says what is wrong.
            pub fn check(&self) -> std::result::Result<(), String> {
                match self {
                    $(Call::$Verb(call) => call.check(),)*
                }
            }
        }
    };
}

verbs! {
    Rows: rows::Rows, 4;
    Columns: columns::Columns, 2;
    Chunks: chunks::Chunks, 2;
    FilterRows: filter_rows::FilterRows, 2;
    FlatMapRows: flat_map_rows::FlatMapRows, 2;
    EmitRows: emit_rows::EmitRows, 2;
    WithColumns: with_columns::WithColumns, 1;
    FoldRows: fold_rows::FoldRows, 2;
    Elements: elements::Elements, 2;
    ParMap: par_map::ParMap, 1;
    LazyChunks: lazy_chunks::LazyChunks, 2;
    Groups: groups::Groups, 4;
    Transform: transform::Transform, 3;
    Windows: windows::Windows, 4;
    ArrowOut: arrow::ArrowOut, 2;
    ArrowIn: arrow::ArrowIn, 2;
}
