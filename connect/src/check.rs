//! `rowcast check`: what is there, what would be made and what is in the way, before anything runs.
//!
//! Everything is asked and nothing is written. Each connector class looks at its own servers
//! ([`ConnectorClass::check`]), by the code that its start runs; what all have in common is here.
//! What only a start can tell, such as whether the broker lets us write, is left to it.

mod kafka;
mod report;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use schema::fault::chain;
use schema::registry::Registry;

use crate::config::{ConnectorConfig, PipelineConfig, Settings, WorkerConfig};
use crate::connector::{ConnectorClass, ConnectorName};
use crate::definition::config_errors;
use crate::kafka::TopicCatalog;

pub use kafka::{check_routed_topic, check_topic, offsets};
pub use report::{CheckItem, CheckState, Report};

/// What [`ConnectorClass::check`] returns.
pub type CheckRun<'a> = Pin<Box<dyn Future<Output = Report> + Send + 'a>>;

/// Longest wait for a server that does not answer, 15 s: our choice, more than a start of a
/// connection takes anywhere, and short enough for somebody who waits.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// The parts of a pipeline, as a report names them.
pub mod part {
    /// Settings.
    pub const SETTINGS: &str = "settings";
    /// The broker and its topics.
    pub const KAFKA: &str = "kafka";
    /// The schema registry.
    pub const REGISTRY: &str = "registry";
}

/// What is known when a connector is looked at.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The connector's name.
    pub name: &'a ConnectorName,
    /// The worker's settings.
    pub worker: &'a WorkerConfig,
    /// The broker's topics; none if there is no broker, which has been told.
    pub topics: Option<&'a TopicCatalog>,
}

/// Looks at a pipeline: its settings, its servers, and what would be made there.
pub async fn pipeline(
    pipeline: PipelineConfig,
    classes: &'static [&'static dyn ConnectorClass],
) -> Report {
    let PipelineConfig { worker, connectors } = pipeline;
    let mut report = Report::default();
    let topics = kafka::worker(&worker, &mut report).await;
    for connector in connectors {
        let name = connector.name.clone();
        let around = Surroundings { name: &name, worker: &worker, topics: topics.as_ref() };
        let found = check_connector(connector, around, classes).await;
        report.extend_of(name.as_str(), found);
    }
    report.settle();
    report
}

/// The topics and the registry of a worker that shares its connectors with others.
pub async fn cluster(worker: &WorkerConfig) -> Report {
    let mut report = Report::default();
    let topics = kafka::worker(worker, &mut report).await;
    if let Some(topics) = &topics {
        kafka::cluster(worker, topics, &mut report).await;
    }
    if !worker.registry.urls.is_empty() {
        registry(worker, &mut report).await;
    }
    report
}

async fn check_connector(
    connector: ConnectorConfig,
    around: Surroundings<'_>,
    classes: &'static [&'static dyn ConnectorClass],
) -> Report {
    let mut report = Report::default();
    let ConnectorConfig { class: given_class, settings, given, .. } = connector;
    let class = classes.iter().find(|class| class.names().contains(&given_class.as_str()));
    let Some(class) = class else {
        let known: Vec<_> = classes.iter().map(|class| class.java_class()).collect();
        let what = format!("{given_class:?} is no class of connectors");
        let remedy = format!("name one of {}", known.join(", "));
        report.problem((part::SETTINGS, "connector.class"), what, remedy);
        return report;
    };
    check_settings((*class, &given_class), &settings, around, &mut report);
    if report.problems() > 0 {
        return report;
    }
    let what = format!("{} settings are valid", given.len());
    report.fine((part::SETTINGS, &given_class), what);
    report.extend(class.check(settings, around).await);
    report
}

/// All that is wrong with a connector's settings, in the words of Kafka Connect's validation.
fn check_settings(
    (class, class_name): (&dyn ConnectorClass, &str),
    settings: &Settings,
    around: Surroundings<'_>,
    report: &mut Report,
) {
    let mut resolved = settings.values().clone();
    resolved.insert("name".to_owned(), around.name.to_string());
    resolved.insert("connector.class".to_owned(), class_name.to_owned());
    for (key, problems) in config_errors(class, &resolved, around.worker) {
        let problem = problems.join(" ");
        report.problem((part::SETTINGS, &key), problem, format!("correct `{key}`"));
    }
}

/// Looks at the schema registry: whether it answers, and takes schemas.
pub async fn registry(worker: &WorkerConfig, report: &mut Report) -> Option<Registry> {
    let name = worker.registry.urls.join(", ");
    let name = (part::REGISTRY, &*name);
    let registry = match Registry::new(&worker.registry) {
        Ok(registry) => registry,
        Err(error) => {
            report.fault(name, &error);
            return None;
        }
    };
    match registry.mode().await {
        Ok(Some(mode)) if mode.starts_with("READONLY") => report.problem(
            name,
            format!("its mode is {mode}: it takes no schema"),
            "set its mode to READWRITE (`PUT /mode`), or name another registry",
        ),
        Ok(Some(mode)) => report.fine(name, format!("answers, its mode is {mode}")),
        Ok(None) => report.fine(name, "answers; it has no modes"),
        Err(error) => {
            tracing::debug!(error = chain(&error), "the registry is not as it has to be");
            report.fault(name, &error);
            return None;
        }
    }
    Some(registry)
}
