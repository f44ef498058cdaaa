//! `rowcast check` of the two: whether the file can be read or written, and the topics.

use std::path::Path;

use super::config::{SinkConfig, SourceConfig};
use crate::check::{self, Report, Surroundings, check_routed_topic, part};
use crate::config::Settings;
use crate::kafka::consumer::Topics;

/// What a report calls it.
const FILE: &str = "file";

pub(super) async fn source(mut settings: Settings, around: Surroundings<'_>) -> Report {
    let own = around.worker.for_connector(&mut settings);
    let read = own.and_then(|worker| SourceConfig::read(around.name, settings, &worker));
    let config = match read {
        Ok(config) => config,
        Err(error) => return Report::of_fault((part::SETTINGS, around.name.as_str()), &error),
    };
    let mut report = Report::default();
    match tokio::fs::File::open(&config.file).await {
        Ok(_) => report.fine((FILE, &config.file), "can be read"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let what = "does not exist yet; the source waits for it";
            report.warning((FILE, &config.file), what, "write it, or correct `file`");
        }
        Err(error) => {
            let what = format!("cannot be read: {error}");
            report.problem((FILE, &config.file), what, "correct `file`, or its access");
        }
    }
    if let Some(topics) = around.topics {
        check::offsets(around.worker, topics, &mut report).await;
    }
    let routed = match &config.chain {
        None => Some(config.topic.as_str().into()),
        Some(chain) => chain.chain().route(&config.topic.as_str().into()),
    };
    let routed = routed.as_deref();
    let rules = config.creation.rules(routed.unwrap_or_default());
    check_routed_topic((&config.topic, routed), &rules, around, &mut report).await;
    report
}

pub(super) fn sink(mut settings: Settings, around: Surroundings<'_>) -> Report {
    let own = around.worker.for_connector(&mut settings);
    let read = own.and_then(|worker| SinkConfig::read(around.name, settings, &worker));
    let config = match read {
        Ok(config) => config,
        Err(error) => return Report::of_fault((part::SETTINGS, around.name.as_str()), &error),
    };
    let mut report = Report::default();
    if let Some(file) = &config.file {
        let path = Path::new(file);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        match folder.is_none_or(Path::is_dir) {
            true if path.exists() => report.fine((FILE, file), "is there; lines are added to it"),
            true => report.create((FILE, file), "would be made"),
            false => report.problem(
                (FILE, file),
                "its folder does not exist",
                "make the folder, or correct `file`",
            ),
        }
    }
    if let (Topics::List(names), Some(topics)) = (&config.topics, around.topics) {
        for topic in names {
            match topics.partitions(topic) {
                Some(count) => report.fine((part::KAFKA, topic), format!("{count} partition(s)")),
                None => report.awaited(topic),
            }
        }
    }
    report
}
