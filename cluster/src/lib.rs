//! Runs the named functions of [`polars_par_apply`] over Parquet files on a cluster of
//! [Apache DataFusion Ballista](https://datafusion.apache.org/ballista/).
//!
//! If a machine dies, its work is done again on another one, and no row is lost.
//!
//! ```no_run
//! use polars_par_apply::Registry;
//! use polars_par_apply_cluster::{Error, LocalCluster, run_if_role};
//!
//! /// The functions that every process of the cluster has.
//! fn registry() -> Registry {
//!     Registry::new().rows("length", f64::hypot)
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     // The scheduler and the executors run this same program.
//!     if let Some(ended) = run_if_role(registry()) {
//!         return ended;
//!     }
//!     match lengths() {
//!         Ok(rows) => println!("{rows} rows"),
//!         Err(error) => {
//!             eprintln!("{error}");
//!             return std::process::ExitCode::FAILURE;
//!         }
//!     }
//!     std::process::ExitCode::SUCCESS
//! }
//!
//! fn lengths() -> Result<u64, Error> {
//!     let mut processes = LocalCluster::builder().executors(2).start()?;
//!     let cluster = processes.connect()?;
//!     let call = cluster.scan_parquet("points/*.parquet").select(["x", "y"]);
//!     let written = call.call(&registry().get("length")?).sink_parquet("lengths")?;
//!     Ok(written.output.rows)
//! }
//! ```
//!
//! A [`Cluster`] is a connection to a scheduler. [`scan_parquet`](Cluster::scan_parquet) and [`of`](Cluster::of) begin a call, whose options are
//! those of [`Apply`](polars_par_apply::Apply) that are plain data. [`call`](ClusterApply::call) names the function, and
//! [`sink_parquet`](ClusterCall::sink_parquet) or [`collect`](ClusterCall::collect) makes the call. [`run`] is the `main` of the processes.
//! The page [on a cluster](polars_par_apply::guide::on_a_cluster) of the guide says when a cluster is worth it, how it is deployed, what
//! is promised and what is not, and how it is protected.
//!
//! # The modules
//!
//! | module | what |
//! |---|---|
//! | `error` | the error type; a task's error, as it is sent |
//! | `wire` | what is sent: calls, parts, reports |
//! | `task` | how an executor runs a part: reads it, calls the function, writes the output |
//! | `plan` | the node of a Ballista plan that runs parts, and how it is encoded |
//! | `stop` | which tasks of an executor must stop |
//! | `security` | certificates and the token |
//! | `scheduler`, `executor`, `roles`, `local` | the processes, and the command line |
//! | `source`, `sink` | files and frames as parts; the folder that a call writes to |
//! | `client`, `driver` | how a driver talks to a scheduler; its loop, which runs until no part is missing |
//! | `cluster`, `outcome` | the builder of calls, and their results |

mod client;
mod cluster;
mod driver;
mod error;
mod executor;
mod local;
mod outcome;
mod plan;
mod roles;
mod scheduler;
mod security;
mod sink;
mod source;
mod stop;
mod task;
mod wire;

pub use cluster::{Cluster, ClusterApply, ClusterBuilder, ClusterCall};
pub use error::{Error, ErrorKind, Result};
pub use local::{LocalBuilder, LocalCluster};
pub use outcome::{ClusterOutcome, ClusterStats, ClusterTick, PartStats, Written};
pub use polars_par_apply;
pub use roles::{run, run_if_role};
pub use security::Tls;
pub use source::Files;

/// Runs the programs of the guide's page.
#[cfg(doctest)]
#[doc = include_str!("../../src/guide/on_a_cluster.md")]
struct Guide;
