//! Makes a call over a frame: in the background or not, with an outcome or not.

use polars::prelude::{Column, DataFrame};

/// A verb's output as a frame.
pub trait IntoFrame {
    fn frame(self) -> DataFrame;
}

impl IntoFrame for Column {
    fn frame(self) -> DataFrame {
        self.into_frame()
    }
}

impl IntoFrame for DataFrame {
    fn frame(self) -> DataFrame {
        self
    }
}

/// Makes a call with the one verb, or in the background with the other.
macro_rules! call {
    ($apply:expr, $in_background:expr, $outcome:expr, $df:expr, $verb:ident or $spawn:ident ($($given:expr),+)) => {{
        let told = |outcome| {
            let (output, told) = $crate::expect::Told::of(outcome, $df);
            $crate::expect::Got {
                output: $crate::call::IntoFrame::frame(output),
                told: Some(told),
            }
        };
        let bare = |output| $crate::expect::Got {
            output: $crate::call::IntoFrame::frame(output),
            told: None,
        };
        let apply = $apply;
        match ($in_background, $outcome) {
            (true, true) => apply.outcome().$spawn($($given),+).get().map(told),
            (true, false) => apply.$spawn($($given),+).get().map(bare),
            (false, true) => apply.outcome().$verb($($given),+).map(told),
            (false, false) => apply.$verb($($given),+).map(bare),
        }
    }};
}

pub(crate) use call;
