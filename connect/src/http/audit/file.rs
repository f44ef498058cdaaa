//! Appends the lines of the audit log to a file.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use schema::calendar::timestamp_text;
use tokio::sync::mpsc;

use crate::clock;

/// Lines that are written at once.
const TOGETHER_MAX: usize = 256;

/// Writes lines until nobody can send any more. A file that cannot be written is told of once,
/// until it can be again; its lines are in the process's log.
pub(super) async fn write(path: PathBuf, mut lines: mpsc::Receiver<String>, lost: Arc<AtomicU64>) {
    let mut taken = Vec::new();
    let mut is_failing = false;
    while lines.recv_many(&mut taken, TOGETHER_MAX).await > 0 {
        let count = u64::try_from(taken.len()).unwrap_or(u64::MAX);
        let missing = lost.swap(0, Ordering::Relaxed);
        let mut text = taken.concat();
        text.push_str(&gap(missing));
        taken.clear();
        let to = path.clone();
        let written = tokio::task::spawn_blocking(move || append(&to, text.as_bytes())).await;
        match written.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) if is_failing => {
                is_failing = false;
                tracing::info!(path = %path.display(), "the audit log can be written again");
            }
            Ok(()) => {}
            Err(error) => {
                lost.fetch_add(missing.saturating_add(count), Ordering::Relaxed);
                if !is_failing {
                    tracing::error!(
                        path = %path.display(),
                        error = %error,
                        hint = "make room, or let `audit.log` name another file; until then the \
                                lines are in this log only, as rowcast::audit",
                        "the audit log cannot be written"
                    );
                }
                is_failing = true;
            }
        }
    }
}

/// A line about lines that are missing.
fn gap(lost: u64) -> String {
    let millis = i64::try_from(clock::since_epoch().as_millis()).unwrap_or(i64::MAX);
    let time = timestamp_text(millis).unwrap_or_default();
    match lost {
        0 => String::new(),
        _ => format!("{}\n", serde_json::json!({ "time": time, "lost": lost })),
    }
}

/// Appends to a file that only its owner reads. It is opened each time, so that it can be moved
/// away, as `logrotate` does.
pub(super) fn append(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true).mode(0o600).open(path)?.write_all(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_file_that_was_away_says_how_many_lines_it_misses() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("not-there-yet");
        let path = below.join("audit.jsonl");
        let (sender, receiver) = mpsc::channel(8);
        let lost = Arc::new(AtomicU64::new(0));
        let writing = tokio::spawn(write(path.clone(), receiver, Arc::clone(&lost)));

        sender.send("{\"a\":1}\n".to_owned()).await.unwrap();
        let counted = async {
            while lost.load(Ordering::Relaxed) != 1 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), counted).await.unwrap();
        std::fs::create_dir(&below).unwrap();
        sender.send("{\"a\":2}\n".to_owned()).await.unwrap();
        drop(sender);
        writing.await.unwrap();

        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("{\"a\":2}\n") && text.contains("\"lost\":1"), "{text}");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
