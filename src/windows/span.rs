//! The distance that a window reaches back in its order column.

use std::fmt;
use std::time::Duration;

/// The distance that a window of [`Window::over`](crate::Window::over) reaches back: a number for an integer column, or a
/// length of time for a column of dates or times.
///
/// A span is converted from an integer of any type up to `i128`, from a [`std::time::Duration`], or from a `chrono::TimeDelta`
/// if one of the features `dtype-date`, `dtype-datetime`, `dtype-duration` and `dtype-time` is on. There is no span of calendar
/// months or years, since these differ in length.
///
/// ```
/// use std::time::Duration;
///
/// use polars_par_apply::Span;
/// # #[cfg(feature = "dtype-datetime")] {
/// use chrono::TimeDelta;
///
/// assert_eq!(Span::from(TimeDelta::days(1)), Span::from(Duration::from_secs(86_400)));
/// # }
/// assert_ne!(Span::from(86_400), Span::from(Duration::from_secs(86_400)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span(pub(super) Length);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Length {
    Number(i128),
    Nanoseconds(i128),
}

const SECOND: i128 = 1_000_000_000;

impl Span {
    pub(super) fn is_positive(self) -> bool {
        let (Length::Number(length) | Length::Nanoseconds(length)) = self.0;
        length > 0
    }
}

#[cfg(test)]
impl Span {
    pub(super) fn times(self, count: i128) -> Self {
        match self.0 {
            Length::Number(one) => Span(Length::Number(one * count)),
            Length::Nanoseconds(one) => Span(Length::Nanoseconds(one * count)),
        }
    }
}

macro_rules! number {
    ($($T:ident)*) => {
        $(impl From<$T> for Span {
            fn from(number: $T) -> Self {
                // This loses nothing: all of these types but `i128` itself are narrower.
                Span(Length::Number(number as i128))
            }
        })*
    };
}

number!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 usize);

impl From<Duration> for Span {
    fn from(time: Duration) -> Self {
        let seconds = i128::from(time.as_secs());
        Span(Length::Nanoseconds(
            seconds * SECOND + i128::from(time.subsec_nanos()),
        ))
    }
}

#[cfg(any(
    feature = "dtype-date",
    feature = "dtype-datetime",
    feature = "dtype-duration",
    feature = "dtype-time"
))]
impl From<chrono::TimeDelta> for Span {
    fn from(time: chrono::TimeDelta) -> Self {
        let seconds = i128::from(time.num_seconds());
        Span(Length::Nanoseconds(
            seconds * SECOND + i128::from(time.subsec_nanos()),
        ))
    }
}

/// Prints the span as a message names it.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Length::Number(number) => write!(f, "{number}"),
            Length::Nanoseconds(time) if time % SECOND == 0 => write!(f, "{} s", time / SECOND),
            Length::Nanoseconds(time) => write!(f, "{time} ns"),
        }
    }
}
