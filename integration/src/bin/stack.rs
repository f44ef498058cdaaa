//! `cargo stack up | down | status | logs`: the real servers, for a person at a terminal.

use std::io::{self, Write};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use integration::stack::named::{Description, NamedStack, State};
use integration::stack::{Cache, ServerName, StackError};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

/// Runs MySQL, Kafka, a schema registry and Elasticsearch natively, on loopback.
#[derive(Debug, Parser)]
#[command(name = "cargo stack")]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Fetches what is missing and starts the servers; they run until Ctrl-C.
    Up {
        /// The name of the stack; several may run side by side.
        #[arg(long, default_value = "default")]
        name: String,
        /// Comes back when the servers are ready; `down` ends them.
        #[arg(long)]
        detach: bool,
    },
    /// Stops a stack.
    Down {
        /// The name of the stack.
        #[arg(long, default_value = "default")]
        name: String,
        /// Removes its data and logs too.
        #[arg(long)]
        delete: bool,
    },
    /// Lists the stacks and where their servers can be reached.
    Status,
    /// Shows the end of the servers' logs and where they are.
    Logs {
        /// The server; all of them if none is named.
        server: Option<LoggingServer>,
        /// The name of the stack.
        #[arg(long, default_value = "default")]
        name: String,
        /// How many lines of each log.
        #[arg(long, default_value_t = 20)]
        lines: usize,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LoggingServer {
    Mysql,
    Kafka,
    Registry,
    Elasticsearch,
}

impl From<LoggingServer> for ServerName {
    fn from(server: LoggingServer) -> Self {
        match server {
            LoggingServer::Mysql => Self::MySql,
            LoggingServer::Kafka => Self::Kafka,
            LoggingServer::Registry => Self::Registry,
            LoggingServer::Elasticsearch => Self::Elasticsearch,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Stack(#[from] StackError),
    #[error("cannot write to the terminal or start a process")]
    Io(#[from] io::Error),
    #[error("the stack did not come up; its output is in {log}")]
    Detached { log: String },
}

#[tokio::main]
async fn main() -> ExitCode {
    let action = Arguments::parse().action;
    let Err(failure) = Box::pin(run(action)).await else { return ExitCode::SUCCESS };
    let mut chain = failure.to_string();
    let mut source = std::error::Error::source(&failure);
    while let Some(cause) = source {
        chain = format!("{chain}: {cause}");
        source = cause.source();
    }
    writeln!(io::stderr(), "{chain}").unwrap_or_default();
    ExitCode::FAILURE
}

async fn run(action: Action) -> Result<(), Failure> {
    let cache = Cache::open()?;
    match action {
        Action::Up { name, detach: false } => up(&NamedStack::new(&cache, &name)).await,
        Action::Up { name, detach: true } => detach(&NamedStack::new(&cache, &name)).await,
        Action::Down { name, delete } => down(&NamedStack::new(&cache, &name), delete).await,
        Action::Status => status(&NamedStack::all(&cache)),
        Action::Logs { server, name, lines } => {
            logs(&NamedStack::new(&cache, &name), server.map(ServerName::from), lines)
        }
    }
}

async fn up(named: &NamedStack) -> Result<(), Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stopped = async {
        tokio::select! {
            biased;
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    tokio::pin!(stopped);
    let (stack, description) = tokio::select! {
        biased;
        // Servers that have started by now die with this process.
        () = &mut stopped => return Ok(()),
        started = Box::pin(named.up()) => started?,
    };
    show(named, &description)?;
    writeln!(io::stdout(), "\nCtrl-C stops the servers and keeps their data.")?;
    stopped.await;
    stack.stop().await?;
    Ok(())
}

/// Leaves a process behind that does what `up` does.
async fn detach(named: &NamedStack) -> Result<(), Failure> {
    if !matches!(named.state(), State::Down) {
        return Err(StackError::AlreadyUp { name: named.name().to_owned() }.into());
    }
    std::fs::create_dir_all(named.folder())?;
    let log = named.folder().join("stack.log");
    let progress = std::fs::File::create(&log)?;
    // A session of its own: neither Ctrl-C nor the end of the terminal reaches it.
    let mut keeper = Command::new("setsid")
        .arg(std::env::current_exe()?)
        .args(["up", "--name", named.name()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(progress)
        .spawn()?;
    let mut shown = 0;
    loop {
        let ended = keeper.try_wait()?.is_some();
        shown = pass_on(&log, shown)?;
        if let State::Up(description) = named.state() {
            return Ok(show(named, &description)?);
        }
        if ended {
            return Err(Failure::Detached { log: log.display().to_string() });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Shows the whole lines that the process left behind has written since the last look, and says
/// how far that was.
fn pass_on(log: &Path, shown: usize) -> io::Result<usize> {
    let bytes = std::fs::read(log)?;
    let new = bytes.get(shown..).unwrap_or_default();
    let length = new.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    io::stderr().write_all(new.get(..length).unwrap_or_default())?;
    Ok(shown + length)
}

async fn down(named: &NamedStack, delete: bool) -> Result<(), Failure> {
    let was_up = named.down().await?;
    if delete {
        named.remove()?;
    }
    let said = if was_up { "stopped" } else { "was not up" };
    writeln!(io::stdout(), "stack {:?} {said}", named.name())?;
    Ok(())
}

fn status(stacks: &[NamedStack]) -> Result<(), Failure> {
    if stacks.is_empty() {
        writeln!(io::stdout(), "no stacks")?;
    }
    for named in stacks {
        match named.state() {
            State::Up(description) => show(named, &description)?,
            State::Starting => writeln!(io::stdout(), "stack {:?} is starting", named.name())?,
            State::Down => {
                let folder = named.folder().display();
                writeln!(io::stdout(), "stack {:?} is down; its data: {folder}", named.name())?;
            }
        }
    }
    Ok(())
}

fn logs(named: &NamedStack, server: Option<ServerName>, lines: usize) -> Result<(), Failure> {
    let mut out = io::stdout();
    let servers = ServerName::ALL.into_iter().filter(|known| server.is_none_or(|s| s == *known));
    for server in servers {
        writeln!(out, "==> {}", server.log(named.folder()).display())?;
        writeln!(out, "{}\n", named.log_tail(server, lines))?;
    }
    Ok(())
}

fn show(named: &NamedStack, description: &Description) -> io::Result<()> {
    let mut out = io::stdout();
    let Description { pid, addresses, .. } = description;
    let (name, folder) = (named.name(), named.folder().display());
    writeln!(out, "stack {name:?} is up (process {pid}); data and logs: {folder}\n")?;
    let rows = [
        ("mysql", "MYSQL_URL", &addresses.mysql),
        ("kafka", "KAFKA_BOOTSTRAP_SERVERS", &addresses.kafka),
        ("registry", "SCHEMA_REGISTRY_URL", &addresses.registry),
        ("elasticsearch", "ELASTICSEARCH_URL", &addresses.elasticsearch),
    ];
    for (server, _, address) in &rows {
        writeln!(out, "  {server:<14} {address}")?;
    }
    writeln!(out)?;
    for (_, variable, address) in &rows {
        writeln!(out, "export {variable}={address}")?;
    }
    Ok(())
}
