//! One server: started, waited for, stopped, killed and started again on the same port and data.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::{StackError, io_error};
use super::probe::Probe;
use super::supervise::{Launch, Signal, Supervised};
use super::tool::{tail, tail_of_file};

/// The folder, in a server's own, that holds its data.
pub(super) const DATA: &str = "data";

/// The file, in a server's own folder, that its output is appended to.
pub(super) const LOG: &str = "server.log";

/// How long a server may take to be ready: twenty times the usual, for a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// How long a server may take to stop before it is killed.
const STOPPED_WITHIN: Duration = Duration::from_secs(30);

/// The pause between two looks at whether a server is ready.
const POLL: Duration = Duration::from_millis(50);

/// How many lines of its log an error shows.
const TAIL_LINES: usize = 25;

/// A running, or stopped, server of this process. Dropping it kills the server.
#[derive(Debug)]
pub struct Server {
    name: &'static str,
    launch: Launch,
    probe: Probe,
    process: Supervised,
}

impl Server {
    /// Starts a server and waits until it is ready.
    pub(super) async fn start(
        name: &'static str,
        launch: Launch,
        probe: Probe,
    ) -> Result<Self, StackError> {
        let process = Supervised::start(&launch).map_err(io_error(format!("start {name}")))?;
        let server = Self { name, launch, probe, process };
        server.wait_ready().await?;
        Ok(server)
    }

    /// Starts the server again after it was stopped or killed, or has died, and waits until it is
    /// ready; a running server is only waited for.
    ///
    /// # Errors
    ///
    /// [`StackError::Ended`] or [`StackError::NotReady`] with the end of the log.
    pub async fn start_again(&self) -> Result<(), StackError> {
        self.process
            .start_again(&self.launch)
            .map_err(io_error(format!("start {} again", self.name)))?;
        self.wait_ready().await
    }

    /// Stops the server in good order.
    ///
    /// # Errors
    ///
    /// [`StackError::NotStopped`] if it did not stop within half a minute and was killed.
    pub async fn stop(&self) -> Result<(), StackError> {
        let stop = || io_error(format!("stop {}", self.name));
        self.process.signal(Signal::Terminate).map_err(stop())?;
        if self.process.wait(STOPPED_WITHIN).await.map_err(stop())?.is_some() {
            return Ok(());
        }
        self.kill()?;
        Err(StackError::NotStopped { server: self.name, seconds: STOPPED_WITHIN.as_secs() })
    }

    /// Stops the server and starts it again.
    ///
    /// # Errors
    ///
    /// Those of [`stop`](Self::stop) and [`start_again`](Self::start_again).
    pub async fn restart(&self) -> Result<(), StackError> {
        self.stop().await?;
        self.start_again().await
    }

    /// Kills the server with `SIGKILL`; it is gone when this returns.
    ///
    /// # Errors
    ///
    /// [`StackError::Io`] if the operating system refuses.
    pub fn kill(&self) -> Result<(), StackError> {
        self.process.kill().map_err(io_error(format!("kill {}", self.name)))
    }

    /// Freezes the server: its connections stay open and silent.
    ///
    /// # Errors
    ///
    /// [`StackError::Io`] if the operating system refuses.
    pub fn pause(&self) -> Result<(), StackError> {
        self.process.signal(Signal::Pause).map_err(io_error(format!("pause {}", self.name)))
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    ///
    /// [`StackError::Io`] if the operating system refuses.
    pub fn resume(&self) -> Result<(), StackError> {
        self.process.signal(Signal::Resume).map_err(io_error(format!("resume {}", self.name)))
    }

    /// The id of the server's process; nothing if it does not run.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// The folder that holds the server's data and log.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.launch.directory
    }

    /// The file that the server's output is appended to, over all of its starts.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.launch.log
    }

    async fn wait_ready(&self) -> Result<(), StackError> {
        let end = Instant::now() + READY_WITHIN;
        loop {
            let status = self.process.exit_status();
            if let Some(status) = status.map_err(io_error(format!("wait for {}", self.name)))? {
                let (server, log, tail) = (self.name, self.launch.log.clone(), self.tail());
                return Err(StackError::Ended { server, status, log, tail });
            }
            if self.probe.is_ready().await {
                return Ok(());
            }
            if Instant::now() >= end {
                let (server, log, tail) = (self.name, self.launch.log.clone(), self.tail());
                let seconds = READY_WITHIN.as_secs();
                return Err(StackError::NotReady { server, seconds, log, tail });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn tail(&self) -> String {
        tail(&tail_of_file(&self.launch.log, TAIL_LINES), TAIL_LINES)
    }
}

/// Makes a server's folder and says where things are in it.
pub(super) fn prepare(directory: &Path) -> Result<(PathBuf, PathBuf), StackError> {
    let make = || {
        std::fs::create_dir_all(directory)?;
        directory.canonicalize()
    };
    let directory = make().map_err(io_error(format!("make {}", directory.display())))?;
    let data = directory.join(DATA);
    Ok((directory, data))
}

/// A port of the loopback interface.
pub(super) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
