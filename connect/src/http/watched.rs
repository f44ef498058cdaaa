//! What is made of files, made anew when one of them changes.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use schema::fault::{Fault, chain};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::ConfigError;

/// How often the files are looked at. Our choice: soon enough for a person who has changed one.
const LOOK_EVERY: Duration = Duration::from_secs(1);

type Make<T> = Box<dyn Fn() -> Result<T, ConfigError> + Send + Sync>;

/// A value and the files that it is made of.
pub(super) struct Watched<T> {
    value: watch::Sender<Arc<T>>,
    files: Vec<PathBuf>,
    make: Make<T>,
    /// Of the files, before the value was made of them: what changes meanwhile is seen later.
    first: Vec<Stamp>,
}

/// By what a file is known to be another one; none if it is not there. A new file may be as old
/// and as large as the one that it replaces, as Kubernetes does it, but it has another number.
type Stamp = Option<(SystemTime, u64, u64)>;

impl<T: Send + Sync + 'static> Watched<T> {
    /// Makes the value for the first time.
    ///
    /// # Errors
    ///
    /// Returns what `make` returns.
    pub(super) fn new(
        files: Vec<PathBuf>,
        make: impl Fn() -> Result<T, ConfigError> + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        let first = stamps(&files);
        let value = watch::Sender::new(Arc::new(make()?));
        Ok(Self { value, files, make: Box::new(make), first })
    }

    /// The value of now.
    pub(super) fn current(&self) -> Arc<T> {
        Arc::clone(&self.value.borrow())
    }

    /// Makes the value anew whenever a file has changed, until `stop` is cancelled. Files that are
    /// no longer right leave it as it is: a slip of the pen must not shut everybody out.
    pub(super) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let mut known = self.first.clone();
        while !self.files.is_empty() {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            // Files may be on a disk that is away.
            let own = Arc::clone(&self);
            let looking = tokio::task::spawn_blocking(move || own.look(&known));
            let Ok(now) = looking.await else { return };
            known = now;
        }
    }

    fn look(&self, known: &[Stamp]) -> Vec<Stamp> {
        let now = stamps(&self.files);
        if now != known {
            match (self.make)() {
                Ok(value) => {
                    self.value.send_replace(Arc::new(value));
                    tracing::info!(files = %Paths(&self.files), "read again, because they changed");
                }
                Err(error) => tracing::error!(
                    error = chain(&error),
                    hint = error.hint().as_deref(),
                    "a file of the http endpoint has changed and cannot be used; what it was counts"
                ),
            }
        }
        now
    }
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("files", &self.files).finish_non_exhaustive()
    }
}

struct Paths<'a>(&'a [PathBuf]);

impl fmt::Display for Paths<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<_> = self.0.iter().map(|path| path.display().to_string()).collect();
        f.write_str(&paths.join(", "))
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
    };
    files.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_changes_is_read_again_and_a_wrong_one_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        std::fs::write(&path, "1").unwrap();
        let own = path.clone();
        let number = move || {
            let text = std::fs::read_to_string(&own).unwrap_or_default();
            text.parse::<u32>().map_err(|_| ConfigError::new("x", "is no number"))
        };
        let watched = Arc::new(Watched::new(vec![path.clone()], number).unwrap());
        let mut seen = watched.value.subscribe();
        let stop = CancellationToken::new();
        let keeping = tokio::spawn(Arc::clone(&watched).keep(stop.clone()));

        std::fs::write(&path, "wrong").unwrap();
        assert_eq!(watched.look(&[]), stamps(std::slice::from_ref(&path)));
        assert_eq!(*watched.current(), 1);
        std::fs::write(&path, "123").unwrap();
        let changed = seen.wait_for(|number| **number == 123);
        tokio::time::timeout(Duration::from_secs(60), changed).await.unwrap().unwrap();
        assert_eq!(*watched.current(), 123);

        stop.cancel();
        keeping.await.unwrap();
    }
}
