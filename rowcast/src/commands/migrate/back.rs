//! `rowcast migrate --back`: a sink's indices for a sink whose versions are Kafka offsets.

use std::path::Path;

use connect::config::{Listener, PipelineConfig};
use connect::connector::ConnectorClass;
use connect::http::cluster;
use connect::kafka::consumer::Topics;
use es_sink::{ElasticsearchSink, HandBack, HandBackStep, HandedBack, SinkConfig};

use super::super::columns::columns;
use super::super::{CommandError, print};
use crate::arguments::MigrateArguments;

pub(super) async fn give(pipeline: &Path, given: &MigrateArguments) -> Result<(), CommandError> {
    let (name, config) = find(pipeline, given).await?;
    let named = match &config.topics {
        Topics::List(topics) => topics.clone(),
        Topics::Regex(_) => Vec::new(),
    };
    let topics = if given.topics.is_empty() { &named } else { &given.topics };
    if topics.is_empty() {
        return Err(CommandError::WhichTopics { connector: name });
    }
    let how = match (given.new_index, given.delete_old) {
        (false, _) => HandBack::Look,
        (true, false) => HandBack::NewIndex,
        (true, true) => HandBack::NewIndexForOld,
    };
    let handed = ElasticsearchSink::hand_back(&config, topics, how).await.map_err(Box::new)?;
    print(&report(&handed))?;
    let left = |step: fn(&HandBackStep) -> bool| {
        let names = handed.iter().filter(|it| step(&it.step)).map(|it| it.name.clone());
        Some(names.collect::<Vec<_>>()).filter(|names| !names.is_empty()).map(|it| it.join(", "))
    };
    let is_needed = |step: &HandBackStep| matches!(step, HandBackStep::Needed { .. });
    if let Some(indices) = left(is_needed) {
        return Err(CommandError::NewIndexNeeded { indices });
    }
    match left(|step| matches!(step, HandBackStep::InTheWay)) {
        Some(indices) => Err(CommandError::IndexInTheWay { indices }),
        None => Ok(()),
    }
}

/// The sink that is meant. One that runs would go on writing, into the new index.
async fn find(path: &Path, given: &MigrateArguments) -> Result<(String, SinkConfig), CommandError> {
    let file = PipelineConfig::load(path)?;
    let is_meant = |name: &str| given.connector.as_ref().is_none_or(|meant| meant == name);
    let is_sink = |class: &str| ElasticsearchSink.names().contains(&class);
    let connectors = file.connectors.into_iter();
    let mut sinks = connectors.filter(|it| is_sink(&it.class) && is_meant(it.name.as_str()));
    let (Some(sink), None) = (sinks.next(), sinks.next()) else {
        return Err(CommandError::WhichSink);
    };
    let name = sink.name.to_string();
    for url in file.worker.listeners.addresses.iter().filter_map(Listener::url) {
        let Ok(found) = cluster::read(&url).await else { continue };
        if found.connectors.iter().any(|it| it.name == name && it.state != "STOPPED") {
            return Err(CommandError::SinkRunning { connector: name, url });
        }
    }
    Ok((name, ElasticsearchSink::config(sink.settings, &file.worker)?))
}

fn report(handed: &[HandedBack]) -> String {
    let rows: Vec<_> =
        handed.iter().map(|it| [it.topic.clone(), it.name.clone(), step(&it.step)]).collect();
    let mut text = columns(["TOPIC", "INDEX", "BECOMES"], &rows);
    if handed.iter().any(|it| matches!(it.step, HandBackStep::Made { .. })) {
        text.push_str(
            "\nto do:\n  let the other sink read its topics from the beginning: in Kafka Connect, stop \
             it, DELETE /connectors/NAME/offsets, and resume it\n  delete the old indices when nobody \
             needs them\n",
        );
    }
    text
}

fn step(step: &HandBackStep) -> String {
    match step {
        HandBackStep::Needless(why) => format!("stays: {why}"),
        HandBackStep::Needed { old } => format!("needs a new index in place of {old}"),
        HandBackStep::InTheWay => "needs a new index, and is no alias".to_owned(),
        HandBackStep::Made { old, is_kept: true, new } => {
            format!("an alias of {new}, which is new and empty; {old} is kept")
        }
        HandBackStep::Made { is_kept: false, new, .. } => {
            format!("an alias of {new}, which is new and empty; the old one is deleted")
        }
    }
}
