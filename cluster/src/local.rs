//! A cluster of processes on this machine.

use std::fmt;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::error::Result;
use crate::roles::{TOKEN, process_error};

/// A scheduler and executors as child processes of this one, for a laptop, an example or a test.
///
/// The processes end when the `LocalCluster` is dropped, and when this process ends in any way.
///
/// The children run this same program, in the roles that [`run`](crate::run) and [`run_if_role`](crate::run_if_role) give it. So `main`
/// must begin with one of these.
#[derive(Debug)]
pub struct LocalCluster {
    options: LocalBuilder,
    url: String,
    folder: tempfile::TempDir,
    scheduler: Option<Child>,
    executors: Vec<Child>,
    started: usize,
}

/// A builder for a [`LocalCluster`]: options, then [`start`](LocalBuilder::start).
#[derive(Clone)]
#[must_use = "a builder starts nothing before `.start()`"]
pub struct LocalBuilder {
    executors: usize,
    threads: usize,
    port: u16,
    executor_timeout: Duration,
    program: Option<PathBuf>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

/// Prints neither the environment nor the arguments, which may contain secrets.
impl fmt::Debug for LocalBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBuilder")
            .field("executors", &self.executors)
            .field("threads", &self.threads)
            .field("port", &self.port)
            .field("executor_timeout", &self.executor_timeout)
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

impl LocalBuilder {
    /// Sets how many executors there are; 2 by default.
    pub fn executors(mut self, executors: usize) -> Self {
        self.executors = executors;
        self
    }

    /// Sets how many parts each executor runs at the same time, and how many threads its Polars has; 1 by default.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets the scheduler's port; by default a free one is used.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets after how long without a heartbeat an executor is lost; 10 seconds by default, and at least one.
    pub fn executor_timeout(mut self, timeout: Duration) -> Self {
        self.executor_timeout = timeout;
        self
    }

    /// Sets the program that the processes run; by default, this one.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Adds arguments for all processes, such as `--tls-ca`.
    pub fn arguments<I, S>(mut self, arguments: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable in the environment of all processes.
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts the processes, and returns when the scheduler listens; the executors connect soon afterwards.
    ///
    /// # Errors
    /// [`ErrorKind::Process`](crate::ErrorKind::Process) if a process cannot be started, or the scheduler ends at once. An executor that
    /// ends is noticed by [`connect`](LocalCluster::connect).
    pub fn start(self) -> Result<LocalCluster> {
        let port = match self.port {
            0 => free_port()?,
            port => {
                TcpListener::bind(("127.0.0.1", port)).map_err(|error| {
                    process_error(format!(
                        "port {port} of this machine cannot be used: {error}"
                    ))
                })?;
                port
            }
        };
        let mut cluster = LocalCluster {
            url: format!("http://127.0.0.1:{port}"),
            folder: tempfile::tempdir()?,
            scheduler: None,
            executors: Vec::new(),
            started: 0,
            options: LocalBuilder { port, ..self },
        };
        cluster.start_scheduler()?;
        for _ in 0..cluster.options.executors {
            cluster.add_executor()?;
        }
        Ok(cluster)
    }
}

impl LocalCluster {
    /// Returns a builder for a local cluster.
    pub fn builder() -> LocalBuilder {
        LocalBuilder {
            executors: 2,
            threads: 1,
            port: 0,
            executor_timeout: Duration::from_secs(10),
            program: None,
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Returns the scheduler's address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Connects to the cluster, without certificates or a token, and waits until all of its executors are connected.
    ///
    /// # Errors
    /// Those of [`Cluster::connect`]; [`ErrorKind::Process`](crate::ErrorKind::Process) if a process has ended, or if an executor is not
    /// connected after half a minute.
    pub fn connect(&mut self) -> Result<Cluster> {
        let cluster = Cluster::connect(self.url.clone())?;
        self.wait_for(&cluster)?;
        Ok(cluster)
    }

    /// Waits until the scheduler has as many executors as are running here.
    ///
    /// One that was killed counts until its [timeout](LocalBuilder::executor_timeout), so wait for that before you wait for another in its
    /// place.
    ///
    /// # Errors
    /// [`ErrorKind::Process`](crate::ErrorKind::Process) if an executor has ended, or is not connected after half a minute.
    pub fn wait_for(&mut self, cluster: &Cluster) -> Result<()> {
        let began = Instant::now();
        while cluster.executors()? < self.executors.len() {
            for child in &mut self.executors {
                if let Some(ended) = child.try_wait()? {
                    return Err(process_error(format!("an executor ended: {ended}")));
                }
            }
            if began.elapsed() > Duration::from_secs(30) {
                return Err(process_error(format!(
                    "of {} executors, {} are connected after 30 seconds",
                    self.executors.len(),
                    cluster.executors()?
                )));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Returns the ids of the executors' processes, in the order in which they were started.
    #[must_use]
    pub fn executor_ids(&self) -> Vec<u32> {
        self.executors.iter().map(Child::id).collect()
    }

    /// Returns the id of the scheduler's process, if it runs.
    #[must_use]
    pub fn scheduler_id(&self) -> Option<u32> {
        self.scheduler.as_ref().map(Child::id)
    }

    /// Starts one more executor.
    ///
    /// # Errors
    /// [`ErrorKind::Process`](crate::ErrorKind::Process) if it cannot be started.
    pub fn add_executor(&mut self) -> Result<()> {
        let folder = self.folder.path().join(self.started.to_string());
        std::fs::create_dir_all(&folder)?;
        self.started += 1;
        let address = self.url.trim_start_matches("http://").to_string();
        let threads = self.options.threads.to_string();
        let folder = folder.to_string_lossy().into_owned();
        let arguments = [
            "executor",
            "--scheduler",
            &address,
            "--threads",
            &threads,
            "--folder",
            &folder,
        ];
        let child = self.spawn(&arguments)?;
        self.executors.push(child);
        Ok(())
    }

    /// Kills an executor's process, as a failing machine would, and returns the process's id; the first executor is number 0.
    ///
    /// # Errors
    /// [`ErrorKind::Process`](crate::ErrorKind::Process) if there is no such executor.
    pub fn kill_executor(&mut self, number: usize) -> Result<u32> {
        if number >= self.executors.len() {
            return Err(process_error(format!("there is no executor {number}")));
        }
        let mut child = self.executors.remove(number);
        let id = child.id();
        end(&mut child);
        Ok(id)
    }

    /// Kills the scheduler's process.
    pub fn kill_scheduler(&mut self) {
        if let Some(mut child) = self.scheduler.take() {
            end(&mut child);
        }
    }

    /// Starts the scheduler again at the same address, after it was killed.
    ///
    /// # Errors
    /// [`ErrorKind::Process`](crate::ErrorKind::Process) if it cannot be started, or already runs.
    pub fn start_scheduler(&mut self) -> Result<()> {
        if self.scheduler.is_some() {
            return Err(process_error("the scheduler already runs; end it first"));
        }
        let bind = self.url.trim_start_matches("http://").to_string();
        let timeout = self.options.executor_timeout.as_secs().max(1).to_string();
        let arguments = ["scheduler", "--bind", &bind, "--executor-timeout", &timeout];
        let mut child = self.spawn(&arguments)?;
        let began = Instant::now();
        let address = self.url.trim_start_matches("http://");
        while std::net::TcpStream::connect(address).is_err() {
            if let Some(ended) = child.try_wait()? {
                return Err(process_error(format!("the scheduler ended: {ended}")));
            }
            if began.elapsed() > Duration::from_secs(30) {
                end(&mut child);
                return Err(process_error(format!(
                    "the scheduler does not listen at {address} after 30 seconds"
                )));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // Another process may be listening there instead.
        if let Some(ended) = child.try_wait()? {
            return Err(process_error(format!("the scheduler ended: {ended}")));
        }
        self.scheduler = Some(child);
        Ok(())
    }

    /// Checks that all processes still run, except those that were killed by a method of this type.
    ///
    /// # Errors
    /// [`ErrorKind::Process`](crate::ErrorKind::Process), about the first process that has ended.
    pub fn check(&mut self) -> Result<()> {
        let scheduler = self
            .scheduler
            .iter_mut()
            .map(|child| ("the scheduler", child));
        let executors = self
            .executors
            .iter_mut()
            .map(|child| ("an executor", child));
        for (role, child) in scheduler.chain(executors) {
            if let Some(ended) = child.try_wait()? {
                return Err(process_error(format!("{role} ended: {ended}")));
            }
        }
        Ok(())
    }

    fn spawn(&self, arguments: &[&str]) -> Result<Child> {
        let program = match &self.options.program {
            Some(program) => program.clone(),
            None => std::env::current_exe()?,
        };
        let threads = self.options.threads.max(1).to_string();
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .arg("--with-parent")
            .args(&self.options.arguments)
            .env("POLARS_MAX_THREADS", threads)
            // The driver of this cluster shows no token, so its processes must not require the one of the environment.
            .env_remove(TOKEN)
            .envs(self.options.environment.iter().cloned())
            // The pipe is closed when this process ends in any way, and the child then ends too.
            .stdin(Stdio::piped());
        command.spawn().map_err(|error| {
            process_error(format!("{} cannot be started: {error}", program.display()))
        })
    }
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        self.executors.iter_mut().for_each(end);
        self.kill_scheduler();
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
