//! The file of signals: each line is one. What is read of it is taken away, as Debezium does.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schema::fault::chain;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep_until};

use super::{Signal, SignalError, parse_json};
use crate::config::SignalFile;

/// What is read of a file at most; more is somebody's mistake.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// Looks for the file now and then.
pub(crate) struct SignalFileReader {
    path: PathBuf,
    /// Where it is put to be read, so that nobody writes into it meanwhile.
    taken: PathBuf,
    interval: Duration,
    look_at: Instant,
    /// Lines that were read and not yet handed over.
    waiting: VecDeque<String>,
    /// Whether `taken` was read.
    is_read: bool,
    /// Whether it was told that the file cannot be read.
    has_failed: bool,
}

impl SignalFileReader {
    pub(crate) fn new(file: &SignalFile) -> Self {
        let mut taken = file.path.clone().into_os_string();
        taken.push(".taken");
        Self {
            path: file.path.clone(),
            taken: taken.into(),
            interval: file.interval,
            look_at: Instant::now(),
            waiting: VecDeque::new(),
            is_read: false,
            has_failed: false,
        }
    }

    /// The next signal, or why a line is none. Whatever was handed over before is done with: a crash
    /// repeats the lines of one file. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Signal, SignalError> {
        loop {
            if let Some(line) = self.waiting.pop_front() {
                return parse_json(line.as_bytes());
            }
            if self.is_read {
                let removed = tokio::fs::remove_file(&self.taken).await;
                self.is_read = false;
                self.tell(removed);
            }
            sleep_until(self.look_at).await;
            self.look_at = Instant::now() + self.interval;
            let looked = self.look().await;
            self.tell(looked);
        }
    }

    /// Takes the file, if it is there, and reads it. One that was taken before a crash comes first.
    async fn look(&mut self) -> io::Result<()> {
        if !exists(&self.taken).await? {
            if !exists(&self.path).await? {
                return Ok(());
            }
            tokio::fs::rename(&self.path, &self.taken).await?;
        }
        let file = tokio::fs::File::open(&self.taken).await?;
        let mut bytes = Vec::new();
        file.take(FILE_MAX_BYTES).read_to_end(&mut bytes).await?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        self.waiting = lines.map(str::to_owned).collect();
        self.is_read = true;
        Ok(())
    }

    fn tell(&mut self, result: io::Result<()>) {
        if let Err(error) = &result
            && !self.has_failed
        {
            tracing::warn!(
                file = %self.path.display(),
                error = chain(error),
                hint = "let rowcast read, rename and remove the file of `signal.file`, and write into \
                        its folder",
                "the file of signals cannot be read"
            );
        }
        self.has_failed = result.is_err();
    }
}

async fn exists(path: &Path) -> io::Result<bool> {
    match tokio::fs::metadata(path).await {
        Ok(found) => Ok(found.len() > 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(folder: &Path) -> SignalFileReader {
        let path = folder.join("signals");
        SignalFileReader::new(&SignalFile { path, interval: Duration::from_millis(10) })
    }

    #[tokio::test]
    async fn each_line_is_a_signal_and_comes_again_until_it_is_done() {
        let folder = std::env::temp_dir().join(format!("rowcast-signals-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("signals");
        let (log, wrong) = (r#"{"type":"log","data":{"message":"a"}}"#, r#"{"type":"x"}"#);
        std::fs::write(&path, format!("{log}\n\n{wrong}\n")).unwrap();
        let mut first = reader(&folder);
        assert!(matches!(first.next().await, Ok(Signal::Log(text)) if text == "a"));
        assert!(!path.exists(), "others may write a new one");
        drop(first);

        // After a crash all lines of the file come again.
        let mut second = reader(&folder);
        assert!(matches!(second.next().await, Ok(Signal::Log(_))));
        assert_eq!(second.next().await.unwrap_err(), SignalError::Type);
        std::fs::write(&path, log).unwrap();
        assert!(matches!(second.next().await, Ok(Signal::Log(_))));
        assert!(!path.exists());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
