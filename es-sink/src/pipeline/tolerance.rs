//! Records that fail by themselves under `errors.tolerance` = all: counted, told of and done with.

use std::collections::BTreeMap;
use std::time::Duration;

use connect::control::ToleratedStatus;
use tokio::time::Instant;

use crate::config::{ErrorsConfig, Tolerance};
use crate::error::{Origin, Poison, SinkError, Stage};
use crate::writer::Buried;

/// How often the log says how many there were, where they have no line each.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What is tolerated, and what was.
pub(super) struct Tolerated {
    config: ErrorsConfig,
    stages: BTreeMap<&'static str, ToleratedStatus>,
    /// Not told of yet.
    untold: u64,
    told: Option<Instant>,
}

impl Tolerated {
    pub(super) fn new(config: ErrorsConfig) -> Self {
        Self { config, stages: BTreeMap::new(), untold: 0, told: None }
    }

    /// What is wrong with the record, if the task goes on without it.
    pub(super) fn takes(&self, stage: Stage, error: &SinkError) -> Option<Poison> {
        match self.config.tolerance {
            Tolerance::None => None,
            Tolerance::All => Poison::of(stage, error),
        }
    }

    /// Counts a record that the task goes on without.
    pub(super) fn add(
        &mut self,
        (origin, timestamp): (&Origin, Option<i64>),
        poison: &Poison,
        buried: Buried,
    ) {
        let stage = self.stages.entry(poison.stage).or_default();
        match buried {
            Buried::Letter => stage.dead_letters += 1,
            Buried::Nowhere => stage.skipped += 1,
        }
        if self.config.log {
            let timestamp = timestamp.filter(|_| self.config.log_messages);
            self.tell_one((origin, timestamp), poison, buried);
        } else {
            self.untold += 1;
            self.tell_all(origin, poison);
        }
    }

    /// As Kafka Connect's log: where the record is, and on demand when it was written. Its values
    /// are in neither.
    fn tell_one(
        &self,
        (record, timestamp): (&Origin, Option<i64>),
        poison: &Poison,
        buried: Buried,
    ) {
        let Poison { stage, class, exception, message } = poison;
        let become_of = match buried {
            Buried::Letter => "in the dead-letter topic",
            Buried::Nowhere => "passed over",
        };
        tracing::warn!(
            %record,
            timestamp,
            stage,
            class,
            exception,
            error = message,
            "record fails and is {become_of}"
        );
    }

    fn tell_all(&mut self, last: &Origin, poison: &Poison) {
        if self.told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return;
        }
        self.told = Some(Instant::now());
        let count = std::mem::take(&mut self.untold);
        tracing::warn!(
            count,
            %last,
            stage = poison.stage,
            class = poison.class,
            error = poison.message,
            hint = "set `errors.log.enable` to see each of them, and \
                    `errors.deadletterqueue.topic.name` to keep them",
            "records fail, and the sink goes on without them as `errors.tolerance` says"
        );
    }

    /// What was tolerated since the task began, by stage.
    pub(super) fn status(&self) -> BTreeMap<String, ToleratedStatus> {
        self.stages.iter().map(|(stage, status)| ((*stage).to_owned(), status.clone())).collect()
    }
}
