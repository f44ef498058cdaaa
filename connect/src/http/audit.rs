//! Who has changed something, or was refused: one line each, in the log and in a file.
//!
//! No line has a secret: of a body it has the names of keys, of a query what Kafka Connect knows,
//! and a name only if somebody has it.

mod file;
mod keys;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use schema::calendar::timestamp_text;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::clock;
use crate::config::ConfigError;

pub(super) use keys::BodyCopy;

/// The target of its lines in the log, for `RUST_LOG` and for whoever reads the log.
const TARGET: &str = "rowcast::audit";

/// Lines that wait for the disk. Our choice: a line is a few hundred bytes, and more wait only if
/// the disk is away.
const WAITING_MAX: usize = 1_024;

/// Longest path that is written down whole; no name of a connector and a table is longer.
const PATH_MAX_CHARS: usize = 1_024;

/// Parameters of queries whose values are written down: Kafka Connect's, which hold no secret.
const PARAMETERS: [&str; 6] =
    ["includeTasks", "onlyFailed", "scope", "forward", "expand", "connectorsOnly"];

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Entry {
    /// When it was asked, RFC 3339 with milliseconds.
    pub(super) time: String,
    pub(super) outcome: Outcome,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
    /// From where: the client, or the proxy before it.
    pub(super) address: String,
    /// None of a connection that was refused before it could ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    /// The status of the answer; none if the client went away before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    /// The names of what a body sets, never the values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) keys: Vec<String>,
    pub(super) elapsed_ms: u64,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// It was done.
    Done,
    /// It was not: the status says why.
    Failed,
    /// Whoever asked may not.
    Refused,
    /// The client went away before there was an answer; it may be done or not.
    Unanswered,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
        }
    }
}

impl Entry {
    /// An entry of now about a client.
    pub(super) fn new(address: String, outcome: Outcome) -> Self {
        let millis = i64::try_from(clock::since_epoch().as_millis()).unwrap_or(i64::MAX);
        Self {
            time: timestamp_text(millis).unwrap_or_default(),
            outcome,
            reason: None,
            user: None,
            role: None,
            address,
            method: None,
            path: None,
            status: None,
            keys: Vec::new(),
            elapsed_ms: 0,
        }
    }

    /// Adds what was asked.
    pub(super) fn asked(self, method: &axum::http::Method, uri: &axum::http::Uri) -> Self {
        let mut path = uri.path().to_owned();
        if path.chars().count() > PATH_MAX_CHARS {
            path = path.chars().take(PATH_MAX_CHARS).chain(['…']).collect();
        }
        let known: Vec<_> = uri.query().unwrap_or_default().split('&').filter(is_known).collect();
        if !known.is_empty() {
            path = format!("{path}?{}", known.join("&"));
        }
        Self { method: Some(method.as_str().to_owned()), path: Some(path), ..self }
    }
}

fn is_known(parameter: &&str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let is_word = value.len() <= 16 && value.bytes().all(|byte| byte.is_ascii_alphabetic());
    PARAMETERS.contains(&name) && is_word
}

/// Where entries go.
#[derive(Debug, Clone)]
pub(super) struct Audit {
    lines: Option<mpsc::Sender<String>>,
    /// Lines that found no room.
    lost: Arc<AtomicU64>,
}

impl Audit {
    /// Begins to write to the log and to `path`; what writes the file ends when the last copy of
    /// the result is gone, and has written everything then.
    pub(super) fn start(path: Option<&Path>, tracker: &TaskTracker) -> Self {
        let lost = Arc::new(AtomicU64::new(0));
        let lines = path.map(|path| {
            let (sender, receiver) = mpsc::channel(WAITING_MAX);
            tracker.spawn(file::write(path.to_owned(), receiver, Arc::clone(&lost)));
            sender
        });
        Self { lines, lost }
    }

    /// Looks whether the file can be written, so that a wrong path is an error at the start.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] when it cannot.
    pub(super) fn check(path: &Path) -> Result<(), ConfigError> {
        file::append(path, b"").map_err(|error| {
            let problem = format!("names {}, which cannot be written: {error}", path.display());
            ConfigError::new("audit.log", problem)
        })
    }

    /// Writes an entry down. Never waits: for a file that is too slow the line is counted as lost,
    /// and is in the log all the same.
    pub(super) fn record(&self, entry: &Entry) {
        tracing::info!(
            target: TARGET,
            outcome = entry.outcome.as_str(),
            reason = entry.reason,
            user = entry.user,
            role = entry.role,
            address = entry.address,
            method = entry.method,
            path = entry.path,
            status = entry.status,
            keys = (!entry.keys.is_empty()).then(|| entry.keys.join(",")),
            elapsed_ms = entry.elapsed_ms,
            "{}",
            if entry.outcome == Outcome::Refused { "refused" } else { "a change was asked for" }
        );
        let (Some(lines), Ok(mut line)) = (&self.lines, serde_json::to_string(entry)) else {
            return;
        };
        line.push('\n');
        if lines.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(uri: &str) -> Entry {
        Entry::new("127.0.0.1:1".to_owned(), Outcome::Done)
            .asked(&axum::http::Method::PUT, &uri.parse().unwrap())
    }

    #[test]
    fn of_a_query_only_what_is_no_secret_is_written() {
        for (uri, path) in [
            ("/connectors/a/restart?includeTasks=true&onlyFailed=false", None),
            ("/connectors/a%0Ab/pause", None),
            ("/connectors/a/restart?includeTasks=geheim-4711", Some("/connectors/a/restart")),
            ("/connectors/a/pause?password=geheim", Some("/connectors/a/pause")),
        ] {
            assert_eq!(entry(uri).path.as_deref(), Some(path.unwrap_or(uri)));
        }
        let long = format!("/{}", "x".repeat(9_000));
        assert_eq!(entry(&long).path.unwrap().chars().count(), PATH_MAX_CHARS + 1);
    }

    #[tokio::test]
    async fn what_finds_no_room_is_counted_and_told_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let (sender, receiver) = mpsc::channel(1);
        let audit = Audit { lines: Some(sender), lost: Arc::default() };
        let lost = Arc::clone(&audit.lost);

        for _ in 0..3 {
            audit.record(&entry("/"));
        }
        drop(audit);
        file::write(path.clone(), receiver, lost).await;

        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines.len(), &lines[1]["lost"]), (2, &serde_json::json!(2)), "{text}");
        assert_eq!((&lines[0]["outcome"], &lines[0]["path"]), (&"done".into(), &"/".into()));
    }
}
