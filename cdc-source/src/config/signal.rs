//! Where signals come from.

use std::path::PathBuf;
use std::time::Duration;

use connect::config::{ConfigError, Settings};
use schema::table::TableId;

/// Where signals come from.
#[derive(Debug, Clone)]
pub(crate) struct SignalConfig {
    /// `signal.data.collection`: a table of the server; a row that is inserted there is a signal.
    pub(crate) table: Option<TableId>,
    /// `signal.file`, if signals are read from a file.
    pub(crate) file: Option<SignalFile>,
    /// `signal.kafka.topic` and what goes with it, if signals are read from Kafka.
    pub(crate) kafka: Option<SignalTopic>,
}

/// A file of signals.
#[derive(Debug, Clone)]
pub(crate) struct SignalFile {
    /// `signal.file`. Default `file-signals.txt`, Debezium's.
    pub(crate) path: PathBuf,
    /// `signal.poll.interval.ms`, 100 to 3,600,000. Default 5 s, Debezium's.
    pub(crate) interval: Duration,
}

/// A topic of signals.
#[derive(Debug, Clone)]
pub(crate) struct SignalTopic {
    /// `signal.kafka.topic`. Default `<topic.prefix>-signal`, Debezium's.
    pub(crate) topic: String,
    /// `signal.kafka.groupId`. Default `<group.id>-<connector>-signal`, so that two connectors do
    /// not take each other's signals; Debezium's is `kafka-signal` for all.
    pub(crate) group_id: String,
    /// `signal.kafka.bootstrap.servers`. Default the worker's brokers.
    pub(crate) bootstrap: Option<String>,
}

impl SignalConfig {
    pub(super) fn read(
        (group, name): (&str, &str),
        topic_prefix: &str,
        settings: &mut Settings,
    ) -> Result<Self, ConfigError> {
        let channels = settings.text("signal.enabled.channels", "source");
        let (mut source, mut kafka, mut file) = (false, false, false);
        for channel in channels.split(',').map(str::trim).filter(|channel| !channel.is_empty()) {
            match channel {
                "source" => source = true,
                "kafka" => kafka = true,
                "file" => file = true,
                // What a JMX bean would take is what the HTTP endpoint and `rowcast table` take.
                "jmx" => {}
                other => {
                    let problem = format!("has {other:?}, expected source, kafka, file or jmx");
                    return Err(settings.error("signal.enabled.channels", problem));
                }
            }
        }
        let table = settings.optional("signal.data.collection").filter(|text| !text.is_empty());
        let table = table.map(|text| {
            let problem = "expected the name of a table, database.table";
            text.parse().map_err(|_| settings.error("signal.data.collection", problem))
        });
        let table = table.transpose()?;
        let default_topic = format!("{topic_prefix}-signal");
        let default_group = format!("{group}-{name}-signal");
        let topic = SignalTopic {
            topic: settings.topic_name("signal.kafka.topic")?.unwrap_or(default_topic),
            group_id: settings.text("signal.kafka.groupId", &default_group),
            bootstrap: settings.optional("signal.kafka.bootstrap.servers"),
        };
        let lines = SignalFile {
            path: settings.text("signal.file", "file-signals.txt").into(),
            interval: settings.duration_ms("signal.poll.interval.ms", 5_000, 100..=3_600_000)?,
        };
        Ok(Self {
            table: table.filter(|_| source),
            file: file.then_some(lines),
            kafka: kafka.then_some(topic),
        })
    }
}
