//! Runs the tools that fetch and prepare servers: with a deadline, retries and their output kept.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::error::{StackError, io_error};

/// How often a tool that downloads is tried; registries answer 5xx now and then.
const ATTEMPTS: u32 = 4;

/// The pause before the second try; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// Seconds after which a tool is ended: ten times the slowest step seen with a slow mirror.
const DEADLINE_SECONDS: &str = "900";

const DIES_WITH_PARENT: [&str; 2] = ["--pdeathsig", "KILL"];

/// How many lines of output an error shows.
const TAIL_LINES: usize = 15;

/// Starts a command line that `timeout` ends after a quarter of an hour, and that dies with the
/// calling thread: a download that outlived its lock would write below its successor.
pub(super) fn tool(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(DIES_WITH_PARENT)
        .args(["timeout", "--foreground", DEADLINE_SECONDS, "setpriv"])
        .args(DIES_WITH_PARENT)
        .arg(program)
        .stdin(Stdio::null());
    command
}

/// Runs a tool once and gives back what it wrote to standard output.
///
/// # Errors
///
/// [`StackError::Tool`] if it fails, with the end of its output.
pub(super) fn run(step: &str, command: &mut Command) -> Result<String, StackError> {
    let output = command.output().map_err(io_error(format!("run the tool for {step}")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let all = text + &String::from_utf8_lossy(&output.stderr);
    Err(StackError::Tool {
        step: step.to_owned(),
        status: output.status,
        tail: tail(&all, TAIL_LINES),
    })
}

/// Runs a tool that downloads, again if it fails.
///
/// # Errors
///
/// The last try's error.
pub(super) fn run_with_retries(step: &str, command: &mut Command) -> Result<String, StackError> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        match run(step, command) {
            Ok(output) => return Ok(output),
            Err(_) => progress(&format!("{step} failed; trying again in {} s", pause.as_secs())),
        }
        std::thread::park_timeout(pause);
        pause *= 2;
    }
    run(step, command)
}

/// Tells the person at the terminal what happens; a broken standard error is no reason to stop.
pub(super) fn progress(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap_or_default();
}

/// Runs a step and tells how long it took.
pub(super) fn timed<T>(
    what: &str,
    step: impl FnOnce() -> Result<T, StackError>,
) -> Result<T, StackError> {
    progress(&format!("{what} …"));
    let begun = Instant::now();
    let value = step()?;
    progress(&format!("{what} … done in {:.0} s", begun.elapsed().as_secs_f64()));
    Ok(value)
}

/// Gives the last lines of a text.
pub(super) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    let kept = all.get(all.len().saturating_sub(lines)..).unwrap_or_default();
    kept.join("\n")
}

/// Gives the last lines of a file, or says that it cannot be read.
pub(super) fn tail_of_file(path: &Path, lines: usize) -> String {
    match std::fs::read(path) {
        Ok(bytes) => tail(&String::from_utf8_lossy(&bytes), lines),
        Err(error) => format!("(no log: {error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::tail;

    #[test]
    fn the_tail_is_the_last_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
        assert_eq!(tail("", 2), "");
    }
}
