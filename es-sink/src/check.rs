//! `rowcast check` of a sink: which server it is, and what would become of the indices.

use std::sync::Arc;

use connect::check::{self, PATIENCE, Report, Surroundings, check_topic, part};
use connect::kafka::consumer::{ConsumerConfig, Topics};
use schema::registry::Registry;
use tokio::time::timeout;

use crate::client::{EsClient, Method, Request};
use crate::config::SinkConfig;
use crate::document::Documents;
use crate::error::SinkError;
use crate::mapping::{IndexOutlook, Indices};

/// What a report calls it.
const ELASTICSEARCH: &str = "elasticsearch";
/// Most topics that are looked at: some three requests each.
const TOPICS_MAX: usize = 1_000;

/// Looks at the registry, the topics, Elasticsearch and its indices.
pub(crate) async fn check(
    config: &SinkConfig,
    consumer: &ConsumerConfig,
    around: Surroundings<'_>,
) -> Report {
    let mut report = Report::default();
    let needs_registry = config.documents.converters.need_registry();
    let registry = match needs_registry {
        true => check::registry(around.worker, &mut report).await,
        false => Registry::new(&around.worker.registry).ok(),
    };
    let topics = topics(consumer, around, &mut report).await;
    if let Some(letters) = &config.large.dead_letters {
        let rules = letters.rules(around.worker);
        check_topic(&letters.topic, &rules, around, &mut report).await;
    }
    let client = match EsClient::new(&config.connection) {
        Ok(client) => Arc::new(client),
        Err(error) => {
            report.fault((ELASTICSEARCH, "connection.url"), &error);
            return report;
        }
    };
    if !is_there(&client, &mut report).await {
        return report;
    }
    let Some(registry) = registry else { return report };
    let indices = Indices::new(client, config.index.clone()).of_connector(around.name.as_str());
    let mut documents = Documents::new(registry, indices, &config.index, config.documents.clone());
    for topic in topics.iter().take(TOPICS_MAX) {
        index(topic, &mut documents, &mut report).await;
    }
    report
}

/// The topics that the sink would read.
async fn topics(
    consumer: &ConsumerConfig,
    around: Surroundings<'_>,
    report: &mut Report,
) -> Vec<Arc<str>> {
    let Some(there) = around.topics else { return Vec::new() };
    let topics = match consumer.topics_now().await {
        Ok(topics) => topics,
        Err(error) => {
            report.fault((part::KAFKA, "topics"), &error);
            return Vec::new();
        }
    };
    if let (Topics::Regex(pattern), true) = (&consumer.topics, topics.is_empty()) {
        report.warning(
            (part::KAFKA, pattern),
            "matches no topic yet; the sink waits for the first one",
            "start what writes them, or correct `topics.regex`",
        );
    }
    for topic in &topics {
        match there.partitions(topic) {
            Some(partitions) => {
                let group = &consumer.group_id;
                let what = format!("{partitions} partition(s), read by group {group}");
                report.fine((part::KAFKA, topic), what);
            }
            None => report.awaited(topic),
        }
    }
    topics
}

/// Whether Elasticsearch answers, lets us in and is one that is supported.
async fn is_there(client: &EsClient, report: &mut Report) -> bool {
    let urls = client.urls().to_owned();
    let name = (ELASTICSEARCH, &*urls);
    // Once, because a start waits for it without a limit.
    if let Err(error) = client.send(&Request::json(Method::Get, "/".to_owned(), None)).await {
        let what = format!("does not answer: {}", error.reason);
        report.problem(name, what, "start Elasticsearch or correct `connection.url`");
        return false;
    }
    match timeout(PATIENCE, client.server()).await {
        Ok(Ok(server)) => {
            report.fine(name, server.to_string());
            return true;
        }
        Ok(Err(error)) => report.fault(name, &error),
        Err(_) => report.problem(
            name,
            format!("does not say what it is within {} s", PATIENCE.as_secs()),
            "look at the health of the cluster (`GET /_cluster/health`)",
        ),
    }
    false
}

/// What would become of the index of a topic.
async fn index(topic: &Arc<str>, documents: &mut Documents, report: &mut Report) {
    let Some(routed) = documents.routed(topic) else {
        let what = "is no index: its records go where the transforms send each of them";
        return report.fine((ELASTICSEARCH, topic), what);
    };
    let named = match documents.indices().name(&routed) {
        Ok(name) => name,
        Err(error) => return report.fault((ELASTICSEARCH, topic), &error),
    };
    match timeout(PATIENCE, outlook((topic, &routed), &named, documents)).await {
        Ok(Ok(Some(IndexOutlook::Made { own_name, fields }))) => {
            let what = match *own_name == *named {
                true => format!("would be made with {fields} fields"),
                false => {
                    format!("would be made as {own_name} behind this alias, with {fields} fields")
                }
            };
            report.create((ELASTICSEARCH, &named), what);
        }
        Ok(Ok(Some(IndexOutlook::Extended { fields }))) => {
            let what = format!("its mapping would be extended by {}", fields.join(", "));
            report.change((ELASTICSEARCH, &named), what);
        }
        Ok(Ok(Some(IndexOutlook::Fits))) => {
            report.fine((ELASTICSEARCH, &named), "is there, and its mapping fits");
        }
        Ok(Ok(None)) => {
            report
                .create((ELASTICSEARCH, &named), "is looked at with the first record of its topic");
        }
        Ok(Err(error)) => report.fault((ELASTICSEARCH, &named), &error),
        Err(_) => report.problem(
            (ELASTICSEARCH, &named),
            format!("nothing is said of it within {} s", PATIENCE.as_secs()),
            "look at the health of the cluster (`GET /_cluster/health`)",
        ),
    }
}

/// None if nobody can say what its rows are.
async fn outlook(
    (topic, routed): (&Arc<str>, &Arc<str>),
    named: &Arc<str>,
    documents: &mut Documents,
) -> Result<Option<IndexOutlook>, SinkError> {
    let latest = documents.registry().latest(&format!("{topic}-value")).await;
    let schema = latest.ok().flatten().unwrap_or_default();
    let Some((index, fields)) = documents.outlook(routed, &schema) else {
        // What there is of it can be looked at all the same.
        let found = documents.indices().outlook(named, topic, &[]).await?;
        return Ok(Some(found).filter(|found| matches!(found, IndexOutlook::Fits)));
    };
    documents.indices().outlook(&index, topic, &fields).await.map(Some)
}
