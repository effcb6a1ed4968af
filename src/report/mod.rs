//! A picture of a run: who did what when, how fast, and what failed.

mod draw;
mod messages;
mod recording;

use std::fmt;
use std::path::Path;

use recording::Recording;
pub(crate) use recording::{Lane, Recorder};

use crate::error::Result;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A picture of one call as a self-contained SVG file, for [`Apply::report`](crate::Apply::report).
///
/// It shows a lane for each worker with its runs of rows along the time, the rate at which rows were done, the runs that took longest,
/// and the failures by their messages. A browser opens the file; it has no scripts, and loads nothing.
///
/// A clone is the same report. A report shows one call: one that begins later with the same report replaces it, and of calls that run at the
/// same time it shows the one that began last. It may be drawn while a call is running, and then lacks what the workers have not
/// handed in yet.
///
/// ```
/// use polars_par_apply::{Report, prelude::*};
///
/// let df = df!["n" => (0..10_000u64).collect::<Vec<_>>()]?;
/// let report = Report::new("Collatz steps");
/// df.par_apply().report(&report).rows(|n: u64| {
///     std::iter::successors(Some(n), |n| (*n > 1).then(|| if n % 2 == 0 { n / 2 } else { 3 * n + 1 })).count() as u64
/// })?;
///
/// let file = std::env::temp_dir().join("collatz.svg");
/// report.save(&file)?;
/// assert!(std::fs::read_to_string(&file)?.starts_with("<svg"));
/// # std::fs::remove_file(&file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Report {
    title: Arc<str>,
    /// What is recorded of the call that began last.
    last: Arc<Mutex<Arc<Mutex<Recording>>>>,
}

impl Report {
    /// Makes a report with a title, which stands above the picture.
    pub fn new(title: impl Into<String>) -> Self {
        Report {
            title: title.into().into(),
            last: Arc::default(),
        }
    }

    /// Draws the report as the text of an SVG file.
    ///
    /// # Errors
    /// [`ErrorKind::Option`](crate::ErrorKind::Option) where no call has begun that was given this report, or where the picture
    /// cannot be drawn.
    pub fn to_svg(&self) -> Result<String> {
        draw::svg(&self.title, &lock(&self.recording()))
    }

    /// Draws the report, and writes it to a file, which is replaced if it exists.
    ///
    /// # Errors
    /// As [`to_svg`](Report::to_svg); and where the file cannot be written, with its path.
    pub fn save(&self, file: impl AsRef<Path>) -> Result<()> {
        let file = file.as_ref();
        let svg = self.to_svg()?;
        std::fs::write(file, svg)
            .map_err(|error| refused(format!("{} cannot be written: {error}", file.display())))
    }

    /// Begins to record a call.
    fn begin(&self) -> Arc<Mutex<Recording>> {
        let recording = Arc::default();
        *lock(&self.last) = Arc::clone(&recording);
        recording
    }

    fn recording(&self) -> Arc<Mutex<Recording>> {
        Arc::clone(&lock(&self.last))
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("title", &self.title)
            .finish_non_exhaustive()
    }
}

fn refused(message: String) -> crate::Error {
    let option = "report";
    crate::error::ErrorKind::Option { option, message }.into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
