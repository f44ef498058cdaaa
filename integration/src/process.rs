//! Runs the `rowcast` binary beside the servers, as a user would.
//!
//! A test of this package is built without `rowcast`'s binary, so it is built here, once per
//! process; cargo holds no lock while tests run.

mod answers;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::marks::{self, Kind};
use crate::stack::Signal;
use crate::stack::supervise::{Launch, Supervised};

/// How long a build may take; a cold one of all dependencies takes ten minutes on two cores.
const BUILT_WITHIN: Duration = Duration::from_secs(1800);

/// Why the binary could not be built, started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// A file or a process could not be handled by the operating system.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },

    /// The binary could not be built.
    #[error("`cargo build` of rowcast failed ({status}):\n{output}")]
    Build {
        /// How cargo ended.
        status: ExitStatus,
        /// What it wrote.
        output: String,
    },

    /// There is nothing to measure.
    #[error(
        "no rowcast at {}: run `cargo build --release --bin rowcast`, or name one in ROWCAST_BIN",
        .path.display()
    )]
    NoRelease {
        /// Where it was looked for.
        path: PathBuf,
    },

    /// The process did not end in time.
    #[error("rowcast did not end within {seconds} s; its log is {}", .log.display())]
    Running {
        /// How long it was waited for.
        seconds: u64,
        /// Its log.
        log: PathBuf,
    },

    /// A command did not end in time and was killed.
    #[error("the command did not end within {seconds} s and was killed")]
    TimedOut {
        /// How long it was waited for.
        seconds: u64,
    },
}

/// A `rowcast` process. It dies with this one; dropping it kills it, and looks whether its log, over all
/// of its starts, tells what nobody may see, or that it panicked.
#[derive(Debug)]
pub struct Rowcast {
    process: Supervised,
    launch: Launch,
    /// Its log, also when its folder has gone before it.
    log: File,
}

impl Rowcast {
    /// Starts `rowcast` with arguments and further environment variables. What it writes is
    /// appended to `log`; its working folder is the log's.
    ///
    /// # Errors
    ///
    /// [`ProcessError`] if it cannot be built or started.
    pub async fn start(
        arguments: &[&str],
        environment: &[(&str, &str)],
        log: &Path,
    ) -> Result<Self, ProcessError> {
        let launch = Launch {
            program: binary().await?,
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: environment.iter().map(|(k, v)| (k.into(), v.into())).collect(),
            directory: log.parent().unwrap_or(Path::new(".")).to_owned(),
            log: log.to_owned(),
        };
        let process = Supervised::start(&launch).map_err(io_error("start rowcast"))?;
        let log = File::open(log).map_err(io_error("open rowcast's log"))?;
        Ok(Self { process, launch, log })
    }

    /// Starts it again, in the same way, after it has ended.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Io`] if it cannot be started.
    pub fn start_again(&self) -> Result<(), ProcessError> {
        self.process.start_again(&self.launch).map_err(io_error("start rowcast again"))
    }

    /// Kills it with `SIGKILL`; it is gone when this returns.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Io`] if the operating system refuses.
    pub fn kill(&self) -> Result<(), ProcessError> {
        self.process.kill().map_err(io_error("kill rowcast"))
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Io`] if the operating system refuses.
    pub fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        self.process.signal(signal).map_err(io_error("signal rowcast"))
    }

    /// Looks whether it tells over HTTP what nobody may see, sends it `SIGTERM` and waits for its end.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Running`] if it does not end by the deadline; it is left running.
    pub async fn stop(&self, deadline: Duration) -> Result<ExitStatus, ProcessError> {
        if self.pid().is_some() {
            answers::look_through(&self.log().unwrap_or_default()).await;
        }
        self.signal(Signal::Terminate)?;
        self.wait(deadline).await
    }

    /// Waits until it has ended by itself. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Running`] if it does not end by the deadline; it is left running.
    pub async fn wait(&self, deadline: Duration) -> Result<ExitStatus, ProcessError> {
        let status = self.process.wait(deadline).await.map_err(io_error("wait for rowcast"))?;
        let (seconds, log) = (deadline.as_secs(), self.launch.log.clone());
        status.ok_or(ProcessError::Running { seconds, log })
    }

    /// Its process id; nothing if it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// Where it writes to.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.launch.log
    }

    /// All that it has written, over all of its starts.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Io`] if the log cannot be read.
    pub fn log(&self) -> Result<String, ProcessError> {
        let bytes = std::fs::read(&self.launch.log).map_err(io_error("read rowcast's log"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Rowcast {
    fn drop(&mut self) {
        // What was not killed writes on, and is killed by dropping it.
        self.process.kill().unwrap_or_default();
        let mut bytes = Vec::new();
        if self.log.rewind().and_then(|()| self.log.read_to_end(&mut bytes)).is_ok() {
            let log = String::from_utf8_lossy(&bytes);
            marks::absent(Kind::Log, &log);
            marks::did_not_panic(&log);
        }
    }
}

/// Runs `rowcast` to its end and gives what it wrote, for commands that answer at once.
///
/// # Errors
///
/// [`ProcessError::TimedOut`] if it does not end by the deadline. A failure of the command itself
/// is in the output's status.
pub async fn run_rowcast(
    arguments: &[&str],
    environment: &[(&str, &str)],
    deadline: Duration,
) -> Result<Output, ProcessError> {
    let mut command = Command::new(binary().await?);
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(deadline, command.output()).await;
    let seconds = deadline.as_secs();
    let output = output.map_err(|_| ProcessError::TimedOut { seconds })?;
    let output = output.map_err(io_error("run rowcast"))?;
    for written in [&output.stdout, &output.stderr] {
        marks::absent(Kind::Output, &String::from_utf8_lossy(written));
    }
    Ok(output)
}

static BINARY: OnceCell<PathBuf> = OnceCell::const_new();

/// From now on the binary is the one in `ROWCAST_BIN`, else that of a release build, which is not
/// made here: a compiler would be in the way of what is to be measured.
///
/// # Errors
///
/// [`ProcessError::NoRelease`] if there is none.
pub fn use_release() -> Result<PathBuf, ProcessError> {
    let path = match std::env::var_os("ROWCAST_BIN") {
        Some(path) => PathBuf::from(path),
        None => {
            let me = std::env::current_exe().map_err(io_error("find this program"))?;
            // Two folders up from `target/PROFILE/bench-e2e`.
            let target = me.ancestors().nth(2).unwrap_or(Path::new("."));
            target.join("release/rowcast")
        }
    };
    if !path.is_file() {
        return Err(ProcessError::NoRelease { path });
    }
    // Set already is set to the same.
    let _set = BINARY.set(path.clone());
    Ok(path)
}

/// Gives the binary: the one in `ROWCAST_BIN`, else the one of this build, brought up to date.
///
/// # Errors
///
/// [`ProcessError::Build`] with the compiler's messages.
pub async fn binary() -> Result<PathBuf, ProcessError> {
    let path = BINARY.get_or_try_init(|| async {
        match std::env::var_os("ROWCAST_BIN") {
            Some(path) => Ok(PathBuf::from(path)),
            None => Box::pin(build()).await,
        }
    });
    path.await.cloned()
}

/// Builds into the folder that this program was built into, so that nothing is compiled twice.
async fn build() -> Result<PathBuf, ProcessError> {
    let me = std::env::current_exe().map_err(io_error("find this program"))?;
    let profile_folder = me
        .ancestors()
        .skip(1)
        .find(|folder| !folder.ends_with("deps") && !folder.ends_with("examples"))
        .unwrap_or(Path::new("."));
    let profile = match profile_folder.file_name() {
        Some(name) if name != "debug" => name.to_owned(),
        Some(_) | None => OsString::from("dev"),
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let mut command = Command::new(cargo);
    // With the whole workspace, features are resolved as for the tests: no second build.
    command
        .args(["build", "--quiet", "--workspace", "--bin", "rowcast", "--profile"])
        .arg(profile)
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(profile_folder.parent().unwrap_or(profile_folder))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    // Under `cargo run` and `cargo test` these are ours, and the build script of ring, which asks
    // for them, would run again: with each change of hands everything above ring is built anew.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    let output = tokio::time::timeout(BUILT_WITHIN, command.output())
        .await
        .map_err(|_| ProcessError::TimedOut { seconds: BUILT_WITHIN.as_secs() })?
        .map_err(io_error("run cargo"))?;
    if output.status.success() {
        return Ok(profile_folder.join("rowcast"));
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(ProcessError::Build { status: output.status, output: text })
}

fn io_error(action: &'static str) -> impl FnOnce(io::Error) -> ProcessError {
    move |source| ProcessError::Io { action, source }
}
