//! What the settings of connectors make here, and when those that make nothing are tried again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use schema::fault::chain;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Identity;
use crate::backoff::Backoff;
use crate::config::{ConfigError, Settings};
use crate::connector::ConnectorName;
use crate::runtime::build::{self, Built};
use crate::runtime::runner::{MENDED_FIRST, MENDED_LONGEST};
use crate::runtime::state::ConnectorEntry;

/// All connectors, as far as their settings have been looked at.
#[derive(Default)]
pub(super) struct Builds(BTreeMap<ConnectorName, Known>);

/// One connector.
struct Known {
    /// Where its settings stand.
    revision: i64,
    /// How many tasks they make; none if they have made none so far.
    count: usize,
    failure: Option<Failure>,
    secrets: Secrets,
    /// When its tasks have to begin anew because their secrets end.
    reload_at: Option<Instant>,
}

/// For how long secrets that have been read make tasks: the count of tasks is needed before the tasks
/// are.
const FRESH: Duration = Duration::from_secs(10);

/// The settings of a connector of which a provider may take seconds to answer: the herder goes on
/// meanwhile.
#[derive(Default)]
enum Secrets {
    /// They are read when tasks are made.
    #[default]
    Unread,
    Reading(JoinHandle<Result<Settings, ConfigError>>),
    /// Until tasks have been made of them, or they are [`FRESH`] no more.
    Read(Settings, Instant),
}

/// They were valid when they were given, but not here or not any more: a variable's file may be
/// missing on this machine, until somebody mends it.
struct Failure {
    error: String,
    again_at: Instant,
    backoff: Backoff,
}

impl Builds {
    /// How many tasks a connector has.
    pub(super) fn count(
        &mut self,
        name: &ConnectorName,
        entry: &ConnectorEntry,
        identity: &Identity,
    ) -> usize {
        let is_known = |known: &&Known| known.revision == entry.revision && !known.is_due();
        if self.0.get(name).filter(is_known).is_none() {
            drop(self.make(name, entry, identity));
        }
        self.0.get(name).map_or(0, |known| known.count)
    }

    /// Makes a connector's tasks to run them; none while a failure waits for its next try, or its
    /// secrets are being read.
    pub(super) fn build(
        &mut self,
        name: &ConnectorName,
        entry: &ConnectorEntry,
        identity: &Identity,
    ) -> Option<Built> {
        let built = self.make(name, entry, identity)?;
        if let Some(known) = self.0.get_mut(name) {
            known.secrets = Secrets::Unread;
            known.reload_at = built.reload_after.map(|after| Instant::now() + after);
        }
        Some(built)
    }

    fn make(
        &mut self,
        name: &ConnectorName,
        entry: &ConnectorEntry,
        identity: &Identity,
    ) -> Option<Built> {
        let known = self.0.remove(name).filter(|known| known.revision == entry.revision);
        let known = known.unwrap_or_else(|| Known::new(entry.revision));
        let known = self.0.entry(name.clone()).or_insert(known);
        if known.failure.is_some() && !known.is_due() {
            return None;
        }
        let settings = known.settings(name, entry, identity)?;
        let built = settings
            .and_then(|settings| build::make(name, settings, &identity.config, identity.classes));
        match built {
            Ok(built) => {
                known.count = built.tasks.len();
                known.failure = None;
                Some(built)
            }
            Err(error) => {
                known.fail(name, chain(&error));
                None
            }
        }
    }

    /// Connectors whose secrets have ended, each once.
    pub(super) fn take_ended(&mut self) -> Vec<ConnectorName> {
        let now = Instant::now();
        let ended = self.0.iter_mut().filter_map(|(name, known)| {
            known.reload_at.take_if(|at| *at <= now).map(|_| name.clone())
        });
        ended.collect()
    }

    /// Whether a failure's wait is over, or secrets have been read.
    pub(super) fn is_any_due(&self) -> bool {
        self.0.values().any(Known::is_due)
    }

    /// Ends the wait of a connector that somebody wants to start again.
    pub(super) fn try_now(&mut self, name: &ConnectorName) {
        if let Some(failure) = self.0.get_mut(name).and_then(|known| known.failure.as_mut()) {
            failure.again_at = Instant::now();
        }
    }

    /// Leaves out those that are gone.
    pub(super) fn retain(&mut self, is_there: impl Fn(&ConnectorName) -> bool) {
        self.0.retain(|name, _| is_there(name));
    }

    /// How many tasks each has.
    pub(super) fn counts(&self) -> BTreeMap<ConnectorName, usize> {
        self.0.iter().map(|(name, known)| (name.clone(), known.count)).collect()
    }

    /// Those of which the last try has failed, and why.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&ConnectorName, &str)> {
        self.0.iter().filter_map(|(name, known)| Some((name, &*known.failure.as_ref()?.error)))
    }

    /// Whether a connector's settings have never made tasks.
    pub(super) fn is_without_tasks(&self, name: &ConnectorName) -> bool {
        self.0.get(name).is_some_and(|known| known.count == 0)
    }
}

impl Known {
    fn new(revision: i64) -> Self {
        Self { revision, count: 0, failure: None, secrets: Secrets::Unread, reload_at: None }
    }

    fn is_due(&self) -> bool {
        let is_over = |failure: &Failure| failure.again_at <= Instant::now();
        self.secrets.have_come() || self.failure.as_ref().is_some_and(is_over)
    }

    /// The settings with their variables replaced; none until a slow provider has answered.
    fn settings(
        &mut self,
        name: &ConnectorName,
        entry: &ConnectorEntry,
        identity: &Identity,
    ) -> Option<Result<Settings, ConfigError>> {
        let (config, given) = (&identity.config, &entry.settings);
        if !given.values().any(|value| config.providers.is_slow(value)) {
            return Some(build::replaced(name, given, config));
        }
        match std::mem::take(&mut self.secrets) {
            Secrets::Reading(reading) if !reading.is_finished() => {
                self.secrets = Secrets::Reading(reading);
                None
            }
            Secrets::Reading(reading) => {
                let read = reading.now_or_never().and_then(Result::ok).unwrap_or_else(|| {
                    Err(ConfigError::new("config.providers", "has a provider that panicked"))
                });
                if let Ok(settings) = &read {
                    self.secrets = Secrets::Read(settings.clone(), Instant::now());
                }
                Some(read)
            }
            Secrets::Read(settings, at) if at.elapsed() <= FRESH => {
                self.secrets = Secrets::Read(settings.clone(), at);
                Some(Ok(settings))
            }
            Secrets::Unread | Secrets::Read(..) => {
                let (name, given, config) = (name.clone(), Arc::clone(given), Arc::clone(config));
                let read = move || build::replaced(&name, &given, &config);
                self.secrets = Secrets::Reading(tokio::task::spawn_blocking(read));
                None
            }
        }
    }

    fn fail(&mut self, connector: &ConnectorName, error: String) {
        let backoff = self.failure.take().map(|failure| failure.backoff);
        let mut backoff = backoff.unwrap_or_else(|| Backoff::new(MENDED_FIRST, MENDED_LONGEST));
        let delay = backoff.next_delay();
        let delay_ms = delay.as_millis();
        tracing::error!(%connector, error, delay_ms, "connector cannot be started, trying again");
        self.failure = Some(Failure { error, again_at: Instant::now() + delay, backoff });
    }
}

impl Secrets {
    fn have_come(&self) -> bool {
        match self {
            Self::Reading(reading) => reading.is_finished(),
            Self::Unread | Self::Read(..) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::config::{ConfigError, PipelineConfig, Settings, WorkerConfig};
    use crate::connector::{ConnectorClass, ConnectorKind};
    use crate::runtime::TargetState;
    use crate::task::Task;

    /// A class whose settings make nothing until somebody mends it.
    struct Broken;

    static IS_MENDED: AtomicBool = AtomicBool::new(false);
    static TRIES: AtomicUsize = AtomicUsize::new(0);

    impl ConnectorClass for Broken {
        fn names(&self) -> &'static [&'static str] {
            &["test.Broken"]
        }

        fn task_class(&self) -> &'static str {
            "test.BrokenTask"
        }

        fn kind(&self) -> ConnectorKind {
            ConnectorKind::Source
        }

        fn tasks(
            &self,
            _: &ConnectorName,
            settings: Settings,
            _: &WorkerConfig,
        ) -> Result<Vec<Box<dyn Task>>, ConfigError> {
            TRIES.fetch_add(1, Ordering::Relaxed);
            if IS_MENDED.load(Ordering::Relaxed) {
                return Ok(Vec::new());
            }
            Err(settings.error("file", "is not here"))
        }
    }

    static CLASSES: [&dyn ConnectorClass; 1] = [&Broken];

    fn identity() -> Identity {
        let yaml = "{bootstrap.servers: b, schema.registry.url: http://r, \
                    connectors: {x: {connector.class: y}}}";
        let config = PipelineConfig::parse(yaml, &|_| None).unwrap().worker;
        Identity { id: "w:1".into(), config: Arc::new(config), classes: &CLASSES }
    }

    /// They were looked at again only when they changed.
    #[tokio::test(start_paused = true)]
    async fn settings_that_make_nothing_are_tried_again_after_longer_and_longer_waits() {
        let (identity, name) = (identity(), ConnectorName::new("x"));
        let settings = [("connector.class".to_owned(), "test.Broken".to_owned())].into();
        let entry = ConnectorEntry {
            settings: Arc::new(settings),
            target: TargetState::Started,
            revision: 3,
            creation: None,
        };
        let mut builds = Builds::default();
        let tries = || TRIES.load(Ordering::Relaxed);

        assert_eq!(builds.count(&name, &entry, &identity), 0);
        assert!(builds.build(&name, &entry, &identity).is_none());
        assert_eq!((tries(), builds.is_any_due()), (1, false));
        let (failed, error) = builds.failures().next().unwrap();
        assert!(failed == &name && error.contains("is not here"), "{error}");
        tokio::time::advance(MENDED_FIRST).await;
        assert!(builds.is_any_due());
        builds.count(&name, &entry, &identity);
        tokio::time::advance(MENDED_FIRST).await;
        assert_eq!((tries(), builds.is_any_due()), (2, false), "the second wait is longer");

        IS_MENDED.store(true, Ordering::Relaxed);
        builds.try_now(&name);
        builds.count(&name, &entry, &identity);
        tokio::time::advance(MENDED_LONGEST + Duration::from_secs(1)).await;

        assert_eq!((tries(), builds.failures().count()), (3, 0));
        assert!(!builds.is_any_due());
    }
}
