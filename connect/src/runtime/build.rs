//! From a connector's settings to its tasks.

use std::time::Duration;

use super::records::ConnectorSettings;
use super::{Classes, TaskId};
use crate::config::{ConfigError, Settings, WorkerConfig};
use crate::connector::{ConnectorClass, ConnectorKind, ConnectorName};
use crate::task::Task;

/// What a connector's settings make.
pub(crate) struct Built {
    pub(crate) kind: ConnectorKind,
    pub(crate) tasks: Vec<(TaskId, Box<dyn Task>)>,
    /// After how long its secrets have to be read again, which begins it anew.
    pub(crate) reload_after: Option<Duration>,
}

/// The class that a name means.
pub(crate) fn find(classes: Classes, name: &str) -> Option<&'static dyn ConnectorClass> {
    classes.iter().copied().find(|class| class.names().contains(&name))
}

/// The class of a connector with these settings.
pub(crate) fn class_of(
    classes: Classes,
    settings: &ConnectorSettings,
) -> Option<&'static dyn ConnectorClass> {
    find(classes, settings.get("connector.class")?)
}

/// Makes a connector's tasks. Connects to nothing.
///
/// # Errors
///
/// Returns [`ConfigError`] when the class is unknown or its settings are not valid here: a variable
/// may be missing on this machine only.
pub(crate) fn build(
    name: &ConnectorName,
    settings: &ConnectorSettings,
    worker: &WorkerConfig,
    classes: Classes,
) -> Result<Built, ConfigError> {
    make(name, replaced(name, settings, worker)?, worker, classes)
}

/// A connector's settings with the variables replaced. May block for seconds where
/// [`Providers::is_slow`](crate::config::Providers) says so.
///
/// # Errors
///
/// Returns [`ConfigError`] for a variable that has no value here.
pub(crate) fn replaced(
    name: &ConnectorName,
    settings: &ConnectorSettings,
    worker: &WorkerConfig,
) -> Result<Settings, ConfigError> {
    Settings::of_connector(name, settings, &worker.providers)
}

/// Makes a connector's tasks of settings without variables.
///
/// # Errors
///
/// As [`build`].
pub(crate) fn make(
    name: &ConnectorName,
    mut resolved: Settings,
    worker: &WorkerConfig,
    classes: Classes,
) -> Result<Built, ConfigError> {
    let reload_after = resolved.reload_after()?;
    let class = resolved.required("connector.class")?;
    let found = find(classes, &class).ok_or_else(|| {
        let known: Vec<_> = classes.iter().flat_map(|class| class.names()).copied().collect();
        let problem = format!("is {class:?}, expected one of {}", known.join(", "));
        resolved.error("connector.class", problem)
    })?;
    let tasks = found.tasks(name, resolved, worker)?;
    let tasks = tasks.into_iter().enumerate();
    let tasks = tasks.map(|(task, it)| (TaskId { connector: name.clone(), task }, it)).collect();
    Ok(Built { kind: found.kind(), tasks, reload_after })
}
