//! Child processes that cannot outlive the process that started them.
//!
//! `setpriv --pdeathsig KILL` asks the kernel to kill the child when its parent dies, by whatever
//! signal. The kernel means the parent *thread*, so every child is started by one thread that
//! lives as long as the process; a runtime's worker would take its servers with it when it parks
//! for good. A watchdog on a pipe was the alternative: it needs a second process per server,
//! which can itself be killed.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a process is looked at while it is waited for.
const POLL: Duration = Duration::from_millis(20);

/// The command line, environment, folder and log of a process that may be started many times.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// The program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// What is added to this process's environment.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Its working folder.
    pub(crate) directory: PathBuf,
    /// Where standard output and standard error are appended.
    pub(crate) log: PathBuf,
}

/// A signal that tests and the launcher send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `SIGTERM`: asks the process to end.
    Terminate,
    /// `SIGSTOP`: freezes the process; its connections stay open and silent.
    Pause,
    /// `SIGCONT`: lets a frozen process go on.
    Resume,
}

/// A process that dies with this one.
#[derive(Debug)]
pub(crate) struct Supervised {
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Running(Child),
    Ended(ExitStatus),
}

impl Supervised {
    /// Starts the process.
    pub(crate) fn start(launch: &Launch) -> io::Result<Self> {
        Ok(Self { state: Mutex::new(State::Running(spawn(launch)?)) })
    }

    /// Starts the process again if it has ended.
    pub(crate) fn start_again(&self, launch: &Launch) -> io::Result<()> {
        if self.exit_status()?.is_some() {
            let child = spawn(launch)?;
            *self.lock() = State::Running(child);
        }
        Ok(())
    }

    /// The process's id; nothing if it has ended.
    pub(crate) fn pid(&self) -> Option<u32> {
        match &mut *self.lock() {
            State::Running(child) => matches!(child.try_wait(), Ok(None)).then(|| child.id()),
            State::Ended(_) => None,
        }
    }

    /// How the process ended; nothing while it runs.
    pub(crate) fn exit_status(&self) -> io::Result<Option<ExitStatus>> {
        let mut state = self.lock();
        let ended = match &mut *state {
            State::Ended(status) => return Ok(Some(*status)),
            State::Running(child) => child.try_wait()?,
        };
        if let Some(status) = ended {
            *state = State::Ended(status);
        }
        Ok(ended)
    }

    /// Kills the process with `SIGKILL` and waits for its end, which the kernel makes short.
    pub(crate) fn kill(&self) -> io::Result<()> {
        let mut state = self.lock();
        if let State::Running(child) = &mut *state {
            child.kill()?;
            *state = State::Ended(child.wait()?);
        }
        Ok(())
    }

    /// Sends a signal; to a process that has ended, it does nothing.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        self.pid().map_or(Ok(()), |pid| send(signal, pid))
    }

    /// Waits until the process has ended; nothing if it has not by the deadline. Cancel safe.
    pub(crate) async fn wait(&self, deadline: Duration) -> io::Result<Option<ExitStatus>> {
        let end = Instant::now() + deadline;
        loop {
            let status = self.exit_status()?;
            if status.is_some() || Instant::now() >= end {
                return Ok(status);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Nothing is left to do about a process that cannot be killed.
        self.kill().unwrap_or_default();
    }
}

/// Sends a signal to a process, through the shell: `unsafe` code is forbidden here.
pub(crate) fn send(signal: Signal, pid: u32) -> io::Result<()> {
    let name = match signal {
        Signal::Terminate => "TERM",
        Signal::Pause => "STOP",
        Signal::Resume => "CONT",
    };
    let status = Command::new("sh")
        .args(["-c", "kill -s \"$0\" \"$1\" 2>/dev/null", name, &pid.to_string()])
        .status()?;
    // It may have ended a moment ago; that is what every caller wants to know from `wait`.
    if status.success() || !is_alive(pid) {
        return Ok(());
    }
    Err(io::Error::other(format!("kill -s {name} {pid} failed")))
}

/// Says whether a process runs; one that only waits to be reaped does not.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| {
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        !matches!(state, None | Some('Z' | 'X'))
    })
}

/// A child to be started, and where the answer goes.
struct Order {
    command: Command,
    answer: SyncSender<io::Result<Child>>,
}

fn spawn(launch: &Launch) -> io::Result<Child> {
    let mut log = open_log(&launch.log)?;
    writeln!(log, "--- start of {}", launch.program.display())?;
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "sh", "-c", STILL_THERE, "sh"])
        .arg(std::process::id().to_string())
        .arg(&launch.program)
        .args(&launch.arguments)
        .envs(launch.environment.iter().map(|(key, value)| (key, value)))
        .current_dir(&launch.directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let (answer, child) = sync_channel(1);
    keeper()?.send(Order { command, answer }).map_err(io::Error::other)?;
    child.recv().map_err(io::Error::other)?
}

/// Ends at once if the parent died before the kernel was asked to tell.
const STILL_THERE: &str = "[ \"$PPID\" = \"$1\" ] || exit 1; shift; exec \"$@\"";

/// The thread that starts all children; it ends with the process only.
fn keeper() -> io::Result<SyncSender<Order>> {
    static KEEPER: Mutex<Option<SyncSender<Order>>> = Mutex::new(None);
    let mut keeper = KEEPER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sender) = &*keeper {
        return Ok(sender.clone());
    }
    let (sender, orders) = sync_channel::<Order>(1);
    std::thread::Builder::new().name("keeper".to_owned()).spawn(move || {
        for mut order in orders {
            // A caller that went away gets no child: it is killed here rather than leaked.
            if let Err(unsent) = order.answer.send(order.command.spawn())
                && let Ok(mut child) = unsent.0
            {
                child.kill().unwrap_or_default();
            }
        }
    })?;
    *keeper = Some(sender.clone());
    Ok(sender)
}

fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(folder: &Path, script: &str) -> Launch {
        Launch {
            program: "sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("GREETING".into(), "hello".into())],
            directory: folder.to_owned(),
            log: folder.join("log"),
        }
    }

    #[tokio::test]
    async fn output_is_appended_to_the_log_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let launch = launch(folder.path(), "echo $GREETING; exit 3");

        let process = Supervised::start(&launch).unwrap();
        let status = process.wait(Duration::from_secs(10)).await.unwrap().unwrap();
        process.start_again(&launch).unwrap();
        process.wait(Duration::from_secs(10)).await.unwrap().unwrap();

        assert_eq!(status.code(), Some(3));
        let log = std::fs::read_to_string(&launch.log).unwrap();
        assert_eq!(log.matches("hello").count(), 2);
    }

    #[tokio::test]
    async fn a_process_outlives_the_thread_that_asked_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let launch = launch(folder.path(), "exec sleep 60");

        let process =
            std::thread::spawn(move || Supervised::start(&launch).unwrap()).join().unwrap();

        assert_eq!(process.wait(Duration::from_millis(300)).await.unwrap(), None);
        process.signal(Signal::Terminate).unwrap();
        assert!(process.wait(Duration::from_secs(10)).await.unwrap().is_some());
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let process = Supervised::start(&launch(folder.path(), "exec sleep 60")).unwrap();
        let pid = process.pid().unwrap();
        assert!(is_alive(pid));

        drop(process);

        assert!(!is_alive(pid));
    }
}
