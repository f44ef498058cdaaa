//! Makes the class archives of the Java servers, once per server and build of Java.
//!
//! With one, a server is ready in a third of the time (JEP 350). It is written when a server ends
//! in good order, which tests that kill their servers never let happen; so each server is started
//! once for it, right after it was fetched.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::elasticsearch::{Elasticsearch, ElasticsearchOptions};
use super::error::{StackError, io_error};
use super::install::Installed;
use super::java::Archive;
use super::kafka::{Kafka, KafkaOptions};
use super::opensearch::{OpenSearch, OpenSearchOptions};
use super::registry::{Registry, RegistryOptions};
use super::tool::progress;

/// Makes the archives that are missing. One that cannot be made only costs time, so it is told
/// and not an error.
///
/// # Errors
///
/// [`StackError::Io`] if the cache is not writable.
pub(super) async fn warm(installed: &Installed) -> Result<(), StackError> {
    let wanted = |component: &Path| {
        let archive = installed.cache.class_archive(component, &installed.jdk.build);
        if archive.exists() { Ok(None) } else { Attempt::begin(archive).map(Some) }
    };
    let kafka = wanted(&installed.kafka)?;
    let registry = wanted(&installed.registry)?;
    let elasticsearch = wanted(&installed.elasticsearch)?;
    if kafka.is_none() && registry.is_none() && elasticsearch.is_none() {
        return Ok(());
    }
    progress("preparing the Java servers for quick starts …");
    let results = tokio::join!(
        Box::pin(warm_kafka(installed, kafka)),
        Box::pin(warm_registry(installed, registry)),
        Box::pin(warm_elasticsearch(installed, elasticsearch)),
    );
    for result in [results.0, results.1, results.2] {
        if let Err(error) = result {
            progress(&format!("no quick start for one of them: {error}"));
        }
    }
    progress("preparing the Java servers for quick starts … done");
    Ok(())
}

/// The same for OpenSearch, whose component is not among the installed ones.
///
/// # Errors
///
/// [`StackError::Io`] if the cache is not writable.
pub(super) async fn warm_opensearch(
    installed: &Installed,
    component: &Path,
) -> Result<(), StackError> {
    let archive = installed.cache.class_archive(component, &installed.jdk.build);
    if archive.exists() {
        return Ok(());
    }
    let attempt = Attempt::begin(archive)?;
    if attempt.is_ours() {
        let made = Box::pin(archive_opensearch(installed, component, attempt)).await;
        if let Err(error) = made {
            progress(&format!("no quick start for OpenSearch: {error}"));
        }
    }
    Ok(())
}

async fn archive_opensearch(
    installed: &Installed,
    component: &Path,
    attempt: Attempt,
) -> Result<(), StackError> {
    let (directory, options) = (attempt.directory(), OpenSearchOptions::default());
    let places = (component, directory.as_path());
    let node = OpenSearch::start_with(installed, places, &options, &attempt.mode()).await?;
    node.server.stop().await?;
    attempt.finish()
}

/// An archive in the making, in a folder that goes away.
struct Attempt {
    archive: PathBuf,
    partial: PathBuf,
    folder: tempfile::TempDir,
    /// Locked against a second process that would make the same.
    lock: File,
}

impl Attempt {
    fn begin(archive: PathBuf) -> Result<Self, StackError> {
        let folder = archive.parent().unwrap_or(&archive);
        let make = || {
            fs::create_dir_all(folder)?;
            let lock = File::create(archive.with_extension("lock"))?;
            Ok((lock, tempfile::Builder::new().prefix(".warm-").tempdir_in(folder)?))
        };
        let (lock, folder) = make().map_err(io_error("make the folder of class archives"))?;
        let partial = folder.path().join("classes.jsa");
        Ok(Self { archive, partial, folder, lock })
    }

    /// Whether this process is the one that makes the archive.
    fn is_ours(&self) -> bool {
        self.lock.try_lock().is_ok() && !self.archive.exists()
    }

    fn directory(&self) -> PathBuf {
        self.folder.path().join("server")
    }

    fn mode(&self) -> Archive {
        Archive::Write(self.partial.clone())
    }

    fn finish(self) -> Result<(), StackError> {
        fs::rename(&self.partial, &self.archive).map_err(io_error("keep a class archive"))
    }
}

async fn warm_kafka(installed: &Installed, attempt: Option<Attempt>) -> Result<(), StackError> {
    let Some(attempt) = attempt.filter(Attempt::is_ours) else { return Ok(()) };
    let (directory, options) = (attempt.directory(), KafkaOptions::default());
    let kafka = Kafka::start_with(installed, &directory, &options, &attempt.mode()).await?;
    kafka.server.stop().await?;
    attempt.finish()
}

async fn warm_registry(installed: &Installed, attempt: Option<Attempt>) -> Result<(), StackError> {
    let Some(attempt) = attempt.filter(Attempt::is_ours) else { return Ok(()) };
    let (directory, options) = (attempt.directory(), RegistryOptions::default());
    let registry = Registry::start_with(installed, &directory, &options, &attempt.mode()).await?;
    registry.server.stop().await?;
    attempt.finish()
}

async fn warm_elasticsearch(
    installed: &Installed,
    attempt: Option<Attempt>,
) -> Result<(), StackError> {
    let Some(attempt) = attempt.filter(Attempt::is_ours) else { return Ok(()) };
    let (directory, options) = (attempt.directory(), ElasticsearchOptions::default());
    let node = Elasticsearch::start_with(installed, &directory, &options, &attempt.mode()).await?;
    node.server.stop().await?;
    attempt.finish()
}
