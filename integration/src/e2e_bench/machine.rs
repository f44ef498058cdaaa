//! What it was measured on.

use std::collections::BTreeMap;
use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::BenchError;
use crate::process::run_rowcast;
use crate::stack::{self, Stack};

/// Longest wait for `rowcast --version`.
const DEADLINE: Duration = Duration::from_secs(10);

/// The machine and the versions of everything that runs.
pub(super) async fn describe(
    stack: &Stack,
    connection: &mut Conn,
) -> Result<BTreeMap<&'static str, String>, BenchError> {
    let version: Option<String> = connection.query_first("SELECT VERSION()").await?;
    let rowcast = run_rowcast(&["--version"], &[], DEADLINE).await?;
    let rowcast = String::from_utf8_lossy(&rowcast.stdout).trim().to_owned();
    let processor = line("/proc/cpuinfo", "model name").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = line("/proc/meminfo", "MemTotal").unwrap_or_default();
    let gib = memory.trim_end_matches(" kB").parse::<u64>().unwrap_or_default() >> 20;
    let system = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut found = BTreeMap::from([
        ("processor", format!("{processor}, {cores} cores")),
        ("memory", format!("{gib} GiB")),
        ("system", format!("Linux {}", system.trim())),
        ("rowcast", rowcast),
        ("MySQL", version.unwrap_or_default()),
    ]);
    found.extend(stack::versions().map(|(name, version)| (name, version.to_owned())));
    let log = std::fs::read_to_string(stack.kafka.server.log()).unwrap_or_default();
    let java = log.lines().find_map(|line| line.split_once("java.version=")).map(|(_, v)| v.trim());
    if let Some(java) = java {
        found.insert("Java", java.to_owned());
    }
    Ok(found)
}

/// What is behind the colon of the first line with this name.
fn line(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
    value.map(|(_, value)| value.trim().to_owned())
}
