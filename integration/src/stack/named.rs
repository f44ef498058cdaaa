//! Stacks that a person starts by name, and finds again from another terminal.
//!
//! A named stack has a folder in the cache. The process that owns its servers holds a lock in it,
//! which the kernel frees however that process ends: a stack is up as long as the lock is held,
//! and a process id that was given out again is never mistaken for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::cache::{Cache, is_owned, owner_pid};
use super::error::{StackError, io_error};
use super::supervise::{Signal, send};
use super::tool::tail_of_file;
use super::{Addresses, ServerName, Stack, StackOptions};

/// How long a stack may take to go down: its servers stop side by side, each in half a minute.
const DOWN_WITHIN: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(100);

/// The file that describes a running stack.
const DESCRIPTION: &str = "stack.json";

/// A stack of a given name, up or not.
#[derive(Clone, Debug)]
pub struct NamedStack {
    name: String,
    folder: PathBuf,
}

/// What other processes may know of a running stack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Description {
    /// The process that owns the servers.
    pub pid: u32,
    /// The servers' processes.
    pub server_pids: Vec<u32>,
    /// Where the servers can be reached.
    pub addresses: Addresses,
}

/// Whether a named stack runs.
#[derive(Clone, Debug)]
pub enum State {
    /// Its servers are ready.
    Up(Description),
    /// Its process runs and the servers are not ready yet.
    Starting,
    /// Its process is gone; data of an earlier run may be there.
    Down,
}

impl NamedStack {
    /// Names a stack; nothing is made or looked for yet.
    #[must_use]
    pub fn new(cache: &Cache, name: &str) -> Self {
        Self { name: name.to_owned(), folder: stacks(cache).join(name) }
    }

    /// All stacks that have a folder, by name.
    #[must_use]
    pub fn all(cache: &Cache) -> Vec<Self> {
        let entries = fs::read_dir(stacks(cache)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names.iter().map(|name| Self::new(cache, name)).collect()
    }

    /// Starts the servers in this process, with the data that the name had before.
    ///
    /// # Errors
    ///
    /// [`StackError::AlreadyUp`], or what [`Stack::start`] gives.
    pub async fn up(&self) -> Result<(Stack, Description), StackError> {
        if is_owned(&self.folder) {
            return Err(StackError::AlreadyUp { name: self.name.clone() });
        }
        let mut options =
            StackOptions { directory: Some(self.folder.clone()), ..StackOptions::default() };
        // The broker's data outlives this run, so the schemas of its records must too.
        options.registry.is_persistent = true;
        fs::create_dir_all(&self.folder).map_err(io_error("make the stack's folder"))?;
        self.forget()?;
        let stack = Stack::start(options).await?;
        let description = Description {
            pid: std::process::id(),
            server_pids: stack.pids(),
            addresses: stack.addresses(),
        };
        let text = serde_json::to_string_pretty(&description).unwrap_or_default();
        // Renamed, so that no other process reads half of it.
        let partial = self.folder.join(".stack.json");
        fs::write(&partial, text)
            .and_then(|()| fs::rename(&partial, self.folder.join(DESCRIPTION)))
            .map_err(io_error("write stack.json"))?;
        Ok((stack, description))
    }

    /// Asks the stack's process to stop its servers, and waits until it is gone. Says whether
    /// there was one.
    ///
    /// # Errors
    ///
    /// [`StackError::NotStopped`] if it does not go within a minute.
    pub async fn down(&self) -> Result<bool, StackError> {
        if !is_owned(&self.folder) {
            return Ok(false);
        }
        if let Some(pid) = owner_pid(&self.folder) {
            send(Signal::Terminate, pid).map_err(io_error("stop the stack"))?;
        }
        let end = Instant::now() + DOWN_WITHIN;
        while is_owned(&self.folder) {
            if Instant::now() >= end {
                let seconds = DOWN_WITHIN.as_secs();
                return Err(StackError::NotStopped { server: "the stack", seconds });
            }
            tokio::time::sleep(POLL).await;
        }
        self.forget()?;
        Ok(true)
    }

    /// Removes the data and logs of a stack that is down.
    ///
    /// # Errors
    ///
    /// [`StackError::AlreadyUp`] if it runs.
    pub fn remove(&self) -> Result<(), StackError> {
        if is_owned(&self.folder) {
            return Err(StackError::AlreadyUp { name: self.name.clone() });
        }
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(io_error("remove the stack's data")(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Looks whether the stack runs.
    #[must_use]
    pub fn state(&self) -> State {
        if !is_owned(&self.folder) {
            return State::Down;
        }
        let text = fs::read_to_string(self.folder.join(DESCRIPTION)).unwrap_or_default();
        serde_json::from_str(&text).map_or(State::Starting, State::Up)
    }

    /// The stack's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder that has a folder for each server, and `stack.json` while it is up.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The last lines of a server's log.
    #[must_use]
    pub fn log_tail(&self, server: ServerName, lines: usize) -> String {
        tail_of_file(&server.log(&self.folder), lines)
    }

    fn forget(&self) -> Result<(), StackError> {
        match fs::remove_file(self.folder.join(DESCRIPTION)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(io_error("remove an old stack.json")(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn stacks(cache: &Cache) -> PathBuf {
    cache.folder().join("stacks")
}
