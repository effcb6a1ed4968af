//! The description of a window, as users write it.

use std::fmt;

use polars::prelude::{Column, PlSmallStr};

use super::order;
use super::span::Span;
use crate::error::{Error, ErrorKind, counted};

/// The window of rows around each row, in the order of the frame or of the row's group.
///
/// | window | rows in it | [`min_rows`](Window::min_rows) unless given |
/// |---|---|---|
/// | [`Window::rows(n)`](Window::rows) | the row and the `n - 1` before it | `n` |
/// | `Window::rows(n)`[`.centered()`](Window::centered) | `n` rows around the row | `n` |
/// | [`Window::before(a)`](Window::before)[`.after(b)`](Window::after) | the `a` rows before the row, the row itself, and the `b` rows after it | 1 |
/// | [`Window::expanding()`](Window::expanding) | all rows up to the row, the row included | 1 |
/// | [`Window::over(column, span)`](Window::over) | the rows whose value in `column` is the row's own, or less than `span` before it; [`closed`](Window::closed) sets the ends | 1 |
///
/// A window is a plain value, and any setter can be called on any window. Settings that do not fit together are refused when a
/// call is given the window, before the closure is called, and together with every other fault of the call. They are: 0 rows; a
/// step of 0; a span that is not above 0, or does not suit its column; more `min_rows` than a window can have; `centered` for a
/// window other than `rows(n)`, `after` for one other than `before(a)`, and `closed` for one other than `over`.
///
/// `Debug` prints a window in the form in which it was written:
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let window = Window::rows(100).min_rows(1).step(10);
/// assert_eq!(format!("{window:?}"), "Window::rows(100).min_rows(1).step(10)");
/// assert_eq!(window, Window::rows(100).step(10).min_rows(1));
/// assert_ne!(window, Window::rows(100));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[must_use = "a window does nothing until a call is given it"]
pub struct Window {
    pub(super) extent: Extent,
    is_centered: bool,
    after: Option<usize>,
    closed: Option<Closed>,
    min_rows: Option<usize>,
    step: Option<usize>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Extent {
    /// This many rows, the row itself included.
    Rows(usize),
    /// This many rows before the row.
    Before(usize),
    Expanding,
    Over {
        column: PlSmallStr,
        span: Span,
    },
}

/// The ends of a window of [`Window::over`] that belong to it.
///
/// In this table, `t` is the row's own value in the order column:
///
/// | | values in the window |
/// |---|---|
/// | `Right`, the default | above `t - span` and up to `t` |
/// | `Left` | at or above `t - span` and below `t` |
/// | `Both` | at or above `t - span` and up to `t` |
/// | `Neither` | above `t - span` and below `t` |
///
/// A window that does not include its right end includes neither its own row nor any other row of the same value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Closed {
    /// The later end belongs to the window: `(t - span, t]`.
    #[default]
    Right,
    /// The earlier end belongs to the window: `[t - span, t)`.
    Left,
    /// Both ends belong to the window: `[t - span, t]`.
    Both,
    /// Neither end belongs to the window: `(t - span, t)`.
    Neither,
}

impl Closed {
    pub(super) fn has_left(self) -> bool {
        matches!(self, Closed::Left | Closed::Both)
    }

    pub(super) fn has_right(self) -> bool {
        matches!(self, Closed::Right | Closed::Both)
    }
}

impl Window {
    fn new(extent: Extent) -> Self {
        Window {
            extent,
            is_centered: false,
            after: None,
            closed: None,
            min_rows: None,
            step: None,
        }
    }

    /// Makes a window of the row and the `rows - 1` rows before it.
    ///
    /// The first `rows - 1` rows of a frame or a group have fewer rows before them. Their results are null, unless
    /// [`min_rows`](Window::min_rows) allows fewer rows.
    pub fn rows(rows: usize) -> Self {
        Window::new(Extent::Rows(rows))
    }

    /// Makes a window of the `rows` rows before the row, the row itself, and those that [`after`](Window::after) adds.
    ///
    /// At the edges of the frame or the group, the window has as many of these rows as there are.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let window = Window::before(2).after(1); // at most 4 rows
    /// assert_eq!(format!("{window:?}"), "Window::before(2).after(1)");
    /// ```
    pub fn before(rows: usize) -> Self {
        Window::new(Extent::Before(rows))
    }

    /// Makes a window of all rows up to the row, the row included, of the whole frame or of the row's group.
    pub fn expanding() -> Self {
        Window::new(Extent::Expanding)
    }

    /// Makes a window of the rows whose value in an order column is the row's own value, or less than `span` before it.
    ///
    /// The order column has an integer dtype and the span is an integer; or the column is of Date, Datetime (of any unit, with
    /// or without a time zone), Duration or Time, and the span is a length of time. Both are compared without rounding,
    /// whatever their units: a window of 36 hours over a Date column has the day itself and the day before it.
    /// [`closed`](Window::closed) sets which ends of the span belong to the window; by default the window is `(t - span, t]`.
    ///
    /// Rows of the same value are in each other's windows, even those that come later, as in Polars' `rolling` and in SQL's
    /// `RANGE`.
    ///
    /// The column's values must not decrease, and none of them may be null: in the whole frame, or within each group. Otherwise
    /// the call returns an error that names the first row at fault, before the closure is called. The call checks the values
    /// themselves; whether the column is flagged as sorted makes no difference.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let window = Window::over("second", 60).closed(Closed::Left);
    /// assert_eq!(format!("{window:?}"), r#"Window::over("second", 60).closed(Closed::Left)"#);
    /// # #[cfg(feature = "dtype-datetime")] {
    /// use chrono::TimeDelta;
    ///
    /// let window = Window::over("time", TimeDelta::hours(24));
    /// assert_eq!(window, Window::over("time", TimeDelta::days(1)));
    /// # }
    /// ```
    pub fn over(column: impl Into<PlSmallStr>, span: impl Into<Span>) -> Self {
        Window::new(Extent::Over {
            column: column.into(),
            span: span.into(),
        })
    }

    /// Puts the row into the middle of its window of [`rows(n)`](Window::rows).
    ///
    /// Where `n` is even, there is one more row before the row than after it: from `i - n/2` to `i + n/2 - 1`, as in Polars and
    /// pandas.
    pub fn centered(mut self) -> Self {
        self.is_centered = true;
        self
    }

    /// Adds `rows` rows after the row to a window of the rows [`before`](Window::before) it.
    pub fn after(mut self, rows: usize) -> Self {
        self.after = Some(rows);
        self
    }

    /// Sets which ends of a window [`over`](Window::over) an order column belong to it; the default is [`Closed::Right`].
    pub fn closed(mut self, closed: Closed) -> Self {
        self.closed = Some(closed);
        self
    }

    /// Sets how many rows a window must have for the closure to be called; the result of a smaller window is null.
    ///
    /// Only rows that the closure sees are counted: a row that is null in an argument of a plain type is not one of them. The
    /// default is `n` for [`rows(n)`](Window::rows), and 1 for any other window. With 0 the closure is called for every row,
    /// and may see an empty window.
    pub fn min_rows(mut self, rows: usize) -> Self {
        self.min_rows = Some(rows);
        self
    }

    /// Calls the closure only for every `rows`-th row, starting with the first row of the frame or of each group; the results
    /// of the other rows are null.
    ///
    /// The windows themselves do not change: they include all rows.
    pub fn step(mut self, rows: usize) -> Self {
        self.step = Some(rows);
        self
    }

    /// Returns the column that windows go over, if they go over one.
    pub(crate) fn order_column(&self) -> Option<&PlSmallStr> {
        match &self.extent {
            Extent::Over { column, .. } => Some(column),
            _ => None,
        }
    }

    pub(super) fn which_closed(&self) -> Closed {
        self.closed.unwrap_or_default()
    }

    pub(super) fn least_rows(&self) -> usize {
        match self.extent {
            Extent::Rows(rows) => self.min_rows.unwrap_or(rows),
            _ => self.min_rows.unwrap_or(1),
        }
    }

    pub(super) fn every(&self) -> usize {
        self.step.unwrap_or(1).max(1)
    }

    /// Returns how many rows before and after the row are in its window, if windows are numbers of rows.
    pub(super) fn sides(&self) -> Option<(usize, usize)> {
        match self.extent {
            Extent::Rows(rows) if self.is_centered => {
                let before = rows / 2;
                Some((before, rows.saturating_sub(before + 1)))
            }
            Extent::Rows(rows) => Some((rows.saturating_sub(1), 0)),
            Extent::Before(before) => Some((before, self.after.unwrap_or(0))),
            Extent::Expanding => Some((usize::MAX, 0)),
            Extent::Over { .. } => None,
        }
    }

    /// Notes the settings that do not fit together, and a span that does not suit the order column, if the column was found.
    pub(crate) fn check(&self, order: Option<&Column>, faults: &mut Vec<Error>) {
        let mut refuse = |message: String| {
            let option = "windows";
            faults.push(ErrorKind::Option { option, message }.into());
        };
        let is_rows = matches!(self.extent, Extent::Rows(_));
        if matches!(self.extent, Extent::Rows(0)) {
            refuse("Window::rows(0) has no rows; give 1 or more".into());
        }
        if self.is_centered && !is_rows {
            refuse(
                "centered() is for Window::rows(n); to count rows on each side, give Window::before(a).after(b)"
                    .into(),
            );
        }
        if self.after.is_some() && !matches!(self.extent, Extent::Before(_)) {
            refuse("after(b) is for Window::before(a); give Window::before(a).after(b)".into());
        }
        if self.closed.is_some() && self.sides().is_some() {
            refuse(
                "closed(…) is for Window::over(…); a window that counts rows has no open or closed ends, so change the count \
                 instead"
                    .into(),
            );
        }
        if self.step == Some(0) {
            refuse("step(0) never reaches a second row; give 1 or more".into());
        }
        if let (Some(least), Some(most)) = (self.min_rows, self.most_rows())
            && least > most
            && most > 0
        {
            refuse(format!(
                "min_rows({least}) is more than the {} that a window has at most; give {most} or less",
                counted(most, "row")
            ));
        }
        let Extent::Over { column, span } = &self.extent else {
            return;
        };
        if !span.is_positive() {
            refuse(format!(
                "the span over column {:?} is {span}; give one above 0",
                column.as_str()
            ));
        }
        if let Some(order) = order
            && let Some(message) = order::misfit(order, *span)
        {
            refuse(message);
        }
    }

    /// Returns how many rows a window can have, if that is limited.
    fn most_rows(&self) -> Option<usize> {
        match self.extent {
            Extent::Rows(rows) => Some(rows),
            Extent::Before(before) => {
                let sides = before.checked_add(self.after.unwrap_or(0))?;
                sides.checked_add(1)
            }
            Extent::Expanding | Extent::Over { .. } => None,
        }
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.extent {
            Extent::Rows(rows) => write!(f, "Window::rows({rows})")?,
            Extent::Before(rows) => write!(f, "Window::before({rows})")?,
            Extent::Expanding => f.write_str("Window::expanding()")?,
            Extent::Over { column, span } => {
                write!(f, "Window::over({:?}, {span})", column.as_str())?;
            }
        }
        if self.is_centered {
            f.write_str(".centered()")?;
        }
        if let Some(rows) = self.after {
            write!(f, ".after({rows})")?;
        }
        if let Some(closed) = self.closed {
            write!(f, ".closed(Closed::{closed:?})")?;
        }
        if let Some(rows) = self.min_rows {
            write!(f, ".min_rows({rows})")?;
        }
        if let Some(rows) = self.step {
            write!(f, ".step({rows})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use polars::prelude::{NamedFrom, Series};

    use super::*;

    fn faults(window: &Window, order: Option<&Column>) -> Vec<String> {
        let mut faults = Vec::new();
        window.check(order, &mut faults);
        faults.iter().map(Error::to_string).collect()
    }

    #[test]
    fn what_goes_together_is_not_refused() {
        for window in [
            Window::rows(1),
            Window::rows(3).centered().min_rows(3).step(2),
            Window::rows(3).min_rows(0),
            Window::before(0),
            Window::before(2).after(1).min_rows(4),
            Window::before(usize::MAX)
                .after(usize::MAX)
                .min_rows(usize::MAX),
            Window::expanding().min_rows(1_000),
            Window::over("t", 1)
                .closed(Closed::Neither)
                .min_rows(7)
                .step(1),
        ] {
            let order = Column::from(Series::new("t".into(), [1i64]));
            assert!(faults(&window, Some(&order)).is_empty(), "{window:?}");
            assert!(faults(&window, None).is_empty(), "{window:?}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused_by_name() {
        let hour = Duration::from_secs(3_600);
        let cases = [
            (
                Window::rows(0),
                "Window::rows(0) has no rows; give 1 or more",
            ),
            (
                Window::rows(0).min_rows(1),
                "Window::rows(0) has no rows; give 1 or more",
            ),
            (
                Window::before(1).centered(),
                "centered() is for Window::rows(n); to count rows on each side, give Window::before(a).after(b)",
            ),
            (
                Window::rows(3).after(0),
                "after(b) is for Window::before(a); give Window::before(a).after(b)",
            ),
            (
                Window::expanding().closed(Closed::Right),
                "closed(…) is for Window::over(…); a window that counts rows has no open or closed ends, so change the count instead",
            ),
            (
                Window::rows(3).step(0),
                "step(0) never reaches a second row; give 1 or more",
            ),
            (
                Window::rows(3).min_rows(4),
                "min_rows(4) is more than the 3 rows that a window has at most; give 3 or less",
            ),
            (
                Window::before(2).min_rows(4),
                "min_rows(4) is more than the 3 rows that a window has at most; give 3 or less",
            ),
            (
                Window::over("t", 0),
                "the span over column \"t\" is 0; give one above 0",
            ),
            (
                Window::over("t", -7),
                "the span over column \"t\" is -7; give one above 0",
            ),
            (
                Window::over("t", hour),
                "column \"t\" is Int64, but the span over it is a length of time (3600 s); give an integer, or cast the \
                 column to Datetime or Duration first",
            ),
        ];
        let order = Column::from(Series::new("t".into(), [1i64]));
        for (window, message) in cases {
            let expected = format!(".windows(…): {message}");
            assert_eq!(faults(&window, Some(&order)), [expected], "{window:?}");
        }
        let all = Window::over("t", 0).centered().after(1).step(0);
        assert_eq!(faults(&all, Some(&order)).len(), 4);
    }

    #[test]
    fn a_column_that_is_no_order_is_refused() {
        let columns = [
            (Series::new("t".into(), [1.5f64]), "Float64"),
            (Series::new("t".into(), [1.5f32]), "Float32"),
            (Series::new("t".into(), ["1"]), "String"),
            (Series::new("t".into(), [true]), "Boolean"),
            (Series::new_null("t".into(), 1), "Null"),
        ];
        for (series, dtype) in columns {
            let order = Column::from(series);
            for window in [
                Window::over("t", 1),
                Window::over("t", Duration::from_secs(1)),
            ] {
                let expected = format!(
                    ".windows(…): the order column of windows must be an integer, date or time column, but column \"t\" is \
                     {dtype}; cast it first, or count rows with Window::rows(n)"
                );
                assert_eq!(faults(&window, Some(&order)), [expected]);
            }
        }
    }

    #[cfg(feature = "dtype-datetime")]
    #[test]
    fn a_number_is_no_span_of_time() {
        use polars::prelude::{DataType, TimeUnit};

        let counts = Series::new("t".into(), [1i64]);
        let time = counts.cast(&DataType::Datetime(TimeUnit::Milliseconds, None));
        let order = Column::from(time.unwrap());
        let told = faults(&Window::over("t", 5), Some(&order));
        assert_eq!(told.len(), 1);
        assert!(told[0].ends_with("but the span over it is the number 5; give a length of time such as TimeDelta::hours(24)"), "{told:?}");
        assert!(
            faults(
                &Window::over("t", chrono::TimeDelta::nanoseconds(1)),
                Some(&order)
            )
            .is_empty()
        );
        let none = Window::over("t", chrono::TimeDelta::milliseconds(-1));
        let told = faults(&none, Some(&order));
        assert_eq!(
            told,
            [".windows(…): the span over column \"t\" is -1000000 ns; give one above 0"]
        );
    }

    #[test]
    fn a_window_is_a_value() {
        let window = Window::over("t", 5)
            .closed(Closed::Both)
            .min_rows(0)
            .step(3);
        assert_eq!(window.clone(), window);
        assert_eq!(window.order_column().map(PlSmallStr::as_str), Some("t"));
        assert_eq!(Window::expanding().order_column(), None);
        assert_eq!(
            format!("{window:?}"),
            "Window::over(\"t\", 5).closed(Closed::Both).min_rows(0).step(3)"
        );
        let centered = Window::rows(4).centered();
        assert_eq!(format!("{centered:?}"), "Window::rows(4).centered()");
    }
}
