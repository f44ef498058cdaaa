//! Elasticsearch on a core of its own, as where it is on a machine of its own.

use tokio::process::Command;

use super::SinkBenchError;
use crate::stack::{Server, Stack};

/// Lets Elasticsearch have the first core, and everything else, what this process starts from now on
/// among it, the second one.
///
/// # Errors
///
/// [`SinkBenchError::Unexpected`] where `taskset` or a second core is missing.
pub async fn keep_apart(stack: &Stack) -> Result<(), SinkBenchError> {
    let others = [&stack.kafka.server, &stack.registry.server, &stack.mysql.server];
    let others = others.into_iter().filter_map(Server::pid);
    for pid in others.chain([std::process::id()]) {
        pin(pid, "1").await?;
    }
    match stack.elasticsearch.server.pid() {
        Some(pid) => pin(pid, "0").await,
        None => Err(SinkBenchError::Unexpected("elasticsearch has ended".to_owned())),
    }
}

/// All threads of a process; those that it makes later are where their maker is.
async fn pin(pid: u32, core: &str) -> Result<(), SinkBenchError> {
    let pid = pid.to_string();
    let output = Command::new("taskset").args(["-a", "-c", "-p", core, &pid]).output().await?;
    if output.status.success() {
        return Ok(());
    }
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(SinkBenchError::Unexpected(format!("taskset: {problem}")))
}
