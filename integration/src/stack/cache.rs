//! The folder that downloads are kept in, shared by all stacks and outside `target/`.
//!
//! A component is built in a folder of its own and renamed when it is whole: what is there under
//! its final name is complete, however the process before ended. The name carries the version, so
//! nothing is ever updated in place. A locked file keeps two processes from fetching the same.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{StackError, io_error};
use super::tool::{progress, timed};

/// Where downloads, class archives, port leases and the data of stacks are.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Opens the cache in `ROWCAST_CACHE`, else in the user's cache folder.
    ///
    /// # Errors
    ///
    /// [`StackError::Io`] if it cannot be made; [`StackError::Unexpected`] without a home folder.
    pub fn open() -> Result<Self, StackError> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let folder = variable("ROWCAST_CACHE")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(variable("XDG_CACHE_HOME")?).join("rowcast")))
            .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cache/rowcast")))
            .ok_or_else(|| StackError::Unexpected {
                what: "no folder for downloads; set ROWCAST_CACHE".to_owned(),
                expected: "ROWCAST_CACHE, XDG_CACHE_HOME or HOME".to_owned(),
                found: "none of them".to_owned(),
            })?;
        Self::at(&folder)
    }

    /// Opens a cache in a given folder.
    ///
    /// # Errors
    ///
    /// [`StackError::Io`] if it cannot be made.
    pub fn at(folder: &Path) -> Result<Self, StackError> {
        let make = || {
            fs::create_dir_all(folder)?;
            folder.canonicalize()
        };
        let folder = make().map_err(io_error(format!("make the cache {}", folder.display())))?;
        Ok(Self { folder })
    }

    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Gives the folder of a component, which `build` makes if it is not there yet.
    ///
    /// # Errors
    ///
    /// The error of `build`, or [`StackError::Io`]; the next call begins anew.
    pub(super) fn component(
        &self,
        name: &str,
        what: &str,
        build: impl FnOnce(&Path) -> Result<(), StackError>,
    ) -> Result<PathBuf, StackError> {
        let done = self.folder.join(name);
        if done.is_dir() {
            return Ok(done);
        }
        let _lock = self.lock(name, what)?;
        // It may have been built while this process waited for the lock.
        if done.is_dir() {
            return Ok(done);
        }
        let partial = self.folder.join(format!(".{name}.partial"));
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(io_error("remove an unfinished download"))?;
        }
        fs::create_dir_all(&partial).map_err(io_error("make a folder for a download"))?;
        timed(what, || build(&partial))?;
        fs::rename(&partial, &done).map_err(io_error("put a download into its place"))?;
        Ok(done)
    }

    /// Where a server's class archive for one build of Java is, or would be.
    pub(super) fn class_archive(&self, server: &Path, java_build: &str) -> PathBuf {
        let name = server.file_name().unwrap_or_default().to_string_lossy();
        self.folder.join("classes").join(format!("{name}-{java_build}.jsa"))
    }

    /// Makes an empty folder for the data of one unnamed stack, and clears those of dead ones.
    ///
    /// # Errors
    ///
    /// [`StackError::Io`] if the cache is not writable.
    pub(super) fn run_folder(&self) -> Result<RunFolder, StackError> {
        let runs = self.folder.join("runs");
        fs::create_dir_all(&runs).map_err(io_error("make the folder of runs"))?;
        clear_dead_runs(&runs);
        let path = tempfile::Builder::new()
            .prefix(&format!("{}-", std::process::id()))
            .tempdir_in(&runs)
            .map_err(io_error("make a folder for the servers' data"))?
            .keep();
        RunFolder::own(&path)
    }

    fn lock(&self, name: &str, what: &str) -> Result<File, StackError> {
        let locks = self.folder.join("locks");
        fs::create_dir_all(&locks).map_err(io_error("make the folder of locks"))?;
        let lock = File::create(locks.join(name)).map_err(io_error("make a lock"))?;
        if lock.try_lock().is_err() {
            progress(&format!("{what} … waiting for another process that does it"));
            lock.lock().map_err(io_error("wait for a lock"))?;
        }
        Ok(lock)
    }
}

/// A folder that belongs to this process as long as this value lives.
#[derive(Debug)]
pub(super) struct RunFolder {
    path: PathBuf,
    /// Locked; the kernel unlocks it when the process dies, however it dies.
    _owner: File,
}

impl RunFolder {
    /// Takes a folder; fails if another process has it.
    pub(super) fn own(path: &Path) -> Result<Self, StackError> {
        let take = || {
            fs::create_dir_all(path)?;
            let mut owner = File::options().create(true).append(true).open(path.join(OWNER))?;
            lock_soon(&owner)?;
            owner.set_len(0)?;
            write!(owner, "{}", std::process::id())?;
            Ok(owner)
        };
        let owner = take().map_err(io_error(format!("take the folder {}", path.display())))?;
        Ok(Self { path: path.to_owned(), _owner: owner })
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

const OWNER: &str = "owner";

/// Takes a lock that another process may hold for the moment of a look at it, but not longer.
fn lock_soon(file: &File) -> io::Result<()> {
    for _ in 0..5 {
        if file.try_lock().is_ok() {
            return Ok(());
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    Ok(file.try_lock()?)
}

/// The process that has, or had, the folder.
pub(super) fn owner_pid(folder: &Path) -> Option<u32> {
    fs::read_to_string(folder.join(OWNER)).ok()?.parse().ok()
}

/// Whether a living process has the folder.
pub(super) fn is_owned(folder: &Path) -> bool {
    File::open(folder.join(OWNER)).is_ok_and(|owner| owner.try_lock_shared().is_err())
}

/// How many dead runs keep their logs.
const KEPT_RUNS: usize = 8;

/// Removes the data of runs whose process is gone, and all but the newest such runs. What cannot
/// be removed now is tried again by the next run.
fn clear_dead_runs(runs: &Path) {
    let entries = fs::read_dir(runs).into_iter().flatten();
    let mut dead: Vec<(std::time::SystemTime, PathBuf)> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|run| run.join(OWNER).exists() && !is_owned(run))
        .filter_map(|run| Some((run.metadata().ok()?.modified().ok()?, run)))
        .collect();
    dead.sort();
    let old = dead.len().saturating_sub(KEPT_RUNS);
    for (index, (_, run)) in dead.iter().enumerate() {
        if index < old {
            fs::remove_dir_all(run).unwrap_or_default();
            continue;
        }
        for server in fs::read_dir(run).into_iter().flatten().flatten() {
            fs::remove_dir_all(server.path().join(super::server::DATA)).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        (folder, cache)
    }

    #[test]
    fn a_component_is_built_once() {
        let (_folder, cache) = cache();
        let build = |folder: &Path| fs::write(folder.join("x"), "1").map_err(io_error("write"));

        let first = cache.component("kafka-1", "testing", build).unwrap();
        let second = cache.component("kafka-1", "testing", |_| unreachable!()).unwrap();

        assert_eq!(first, second);
        assert_eq!(fs::read_to_string(second.join("x")).unwrap(), "1");
    }

    #[test]
    fn a_failed_build_leaves_nothing_that_looks_complete() {
        let (_folder, cache) = cache();
        let failing = |folder: &Path| {
            fs::write(folder.join("half"), "").unwrap();
            Err(StackError::NoPort { low: 1, high: 2 })
        };

        cache.component("kafka-1", "testing", failing).unwrap_err();
        let folder = cache.component("kafka-1", "testing", |_| Ok(())).unwrap();

        assert!(!folder.join("half").exists());
    }

    #[test]
    fn data_of_dead_runs_is_cleared_and_their_logs_are_kept() {
        let (_folder, cache) = cache();
        let dead = cache.run_folder().unwrap().path().to_owned();
        let alive = cache.run_folder().unwrap();
        for run in [&dead, alive.path()] {
            fs::create_dir_all(run.join("mysql/data")).unwrap();
            fs::write(run.join("mysql/server.log"), "started").unwrap();
        }

        cache.run_folder().unwrap();

        assert!(!dead.join("mysql/data").exists());
        assert!(dead.join("mysql/server.log").exists());
        assert!(alive.path().join("mysql/data").exists());
    }
}
