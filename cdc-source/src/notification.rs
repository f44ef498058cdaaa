//! Notifications, in Debezium's form: what happens to copies and tables, for the log, a topic and a
//! webhook.
//!
//! They are found by what has changed in the tables' offsets whenever those are written, so a record
//! in the topic is in the same Kafka transaction as what it tells of.

use std::collections::BTreeMap;
use std::time::Duration;

use connect::kafka::batch::{RecordBatch, RecordBounds};
use connect::kafka::partition_of;
use connect::kafka::producer::TransactionalProducer;
use connect::webhook::Webhook;
use schema::avro::{frame, put_bytes, put_count, put_long};
use schema::offset::{SnapshotProgress, TableOffset, TableState};
use schema::table::TableId;
use serde::Serialize;
use tokio::time::Instant;

use crate::config::SourceConfig;
use crate::error::SourceError;
use crate::tables::{SideTopic, Tables};

/// The schema of the keys, as Debezium has it.
const KEY_SCHEMA: &str = concat!(
    r#"{"type":"record","name":"NotificationKey","namespace":"io.debezium.connector.common","#,
    r#""fields":[{"name":"id","type":"string"}],"connect.version":1,"#,
    r#""connect.name":"io.debezium.connector.common.NotificationKey"}"#,
);

/// The schema of the values.
const VALUE_SCHEMA: &str = concat!(
    r#"{"type":"record","name":"Notification","namespace":"io.debezium.connector.common","#,
    r#""fields":[{"name":"id","type":"string"},{"name":"type","type":"string"},"#,
    r#"{"name":"aggregate_type","type":"string"},"#,
    r#"{"name":"additional_data","type":["null",{"type":"map","values":"string"}],"default":null},"#,
    r#"{"name":"timestamp","type":"long"}],"connect.version":1,"#,
    r#""connect.name":"io.debezium.connector.common.Notification"}"#,
);

/// How often it is told that a table is being copied.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// One of them.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Notification {
    id: String,
    aggregate_type: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    additional_data: BTreeMap<&'static str, String>,
    /// Milliseconds since 1970.
    timestamp: i64,
}

/// Finds out what there is to tell, and tells it.
pub(crate) struct Notifier {
    /// `topic.prefix`, which is Debezium's `connector_name`.
    server: String,
    log: bool,
    topic: Option<SideTopic>,
    webhook: Option<Webhook>,
    known: BTreeMap<TableId, Known>,
    /// Tables whose copy has come to its end since, with their rows.
    copied: BTreeMap<TableId, Ended>,
}

/// A copy that has come to its end.
#[derive(Debug, Clone, Copy)]
struct Ended {
    rows: u64,
    is_first: bool,
}

/// What was told last of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    Streaming,
    Parked,
    Copied { is_first: bool, is_paused: bool, told_at: Instant },
}

impl Notifier {
    /// Prepares the channels, if the settings have any. What was stored of the tables is known.
    pub(crate) async fn start(
        config: &SourceConfig,
        tables: &Tables,
        producer: &mut TransactionalProducer,
    ) -> Result<Option<Self>, SourceError> {
        let settings = &config.notification;
        if !settings.log && settings.topic.is_none() && settings.webhook.is_none() {
            return Ok(None);
        }
        let topic = match &settings.topic {
            Some(topic) => {
                Some(tables.side_topic(topic, (KEY_SCHEMA, VALUE_SCHEMA), producer).await?)
            }
            None => None,
        };
        let webhook = settings.webhook.clone().map(|(url, timeout)| Webhook::start(url, timeout));
        let webhook = webhook.transpose().map_err(SourceError::Webhook)?;
        let known = tables.offsets().iter();
        let known = known.map(|(table, offset)| (table.clone(), Known::of(offset))).collect();
        let (server, log) = (config.topic_prefix.clone(), settings.log);
        Ok(Some(Self { server, log, topic, webhook, known, copied: BTreeMap::new() }))
    }

    /// The copy of a table has come to its end.
    pub(crate) fn copied(&mut self, table: &TableId, progress: &SnapshotProgress) {
        let ended = Ended { rows: progress.rows, is_first: is_first(progress) };
        self.copied.insert(table.clone(), ended);
    }

    /// Tells what has become of tables whose offsets are written now.
    pub(crate) fn observe(
        &mut self,
        changed: &[(TableId, TableOffset)],
        are_copied: bool,
        batch: &mut RecordBatch,
    ) {
        let mut told = Vec::new();
        for (table, offset) in changed {
            self.compare(table, offset, &mut told);
        }
        self.copied.clear();
        // Of several copies that end at the same time the last one counts.
        let ended = told.iter().rev().find(|it| it.1 == "TABLE_SCAN_COMPLETED").map(|it| it.0);
        if let Some(aggregate) = ended.filter(|_| are_copied) {
            told.push((aggregate, "COMPLETED", BTreeMap::new()));
        }
        for (aggregate_type, kind, mut additional_data) in told {
            additional_data.insert("connector_name", self.server.clone());
            let now_ms = connect::clock::now_micros() / 1000;
            self.tell(
                &Notification {
                    id: new_id(),
                    aggregate_type,
                    kind,
                    additional_data,
                    timestamp: i64::try_from(now_ms).unwrap_or(i64::MAX),
                },
                batch,
            );
        }
    }

    fn compare(&mut self, table: &TableId, offset: &TableOffset, told: &mut Vec<Told>) {
        let name = table.to_string();
        let with = |key| BTreeMap::from([(key, name.clone())]);
        let before = self.known.get(table).cloned();
        let now = Known::of(offset);
        if let (Some(ended), TableState::Streaming) = (self.copied.get(table), &offset.state) {
            // A small table is copied between two looks.
            if !matches!(before, Some(Known::Copied { .. })) {
                told.extend(begun(before.as_ref(), ended.is_first, &name));
            }
            let mut data = with("scanned_collection");
            data.insert("total_rows_scanned", ended.rows.to_string());
            data.insert("status", if ended.rows == 0 { "EMPTY" } else { "SUCCEEDED" }.into());
            told.push((aggregate(ended.is_first), "TABLE_SCAN_COMPLETED", data));
            self.known.insert(table.clone(), now);
            return;
        }
        match (&before, &offset.state) {
            (Some(Known::Parked), TableState::Parked { .. })
            | (Some(Known::Streaming) | None, TableState::Streaming) => {}
            (
                Some(Known::Copied { is_first, is_paused, told_at }),
                TableState::Snapshot(progress),
            ) => {
                let (kind, data) = match (is_paused, progress.is_paused) {
                    (false, true) => ("PAUSED", with("data_collections")),
                    (true, false) => ("RESUMED", with("data_collections")),
                    (false, false) if told_at.elapsed() >= PROGRESS_EVERY => {
                        let mut data = with("current_collection_in_progress");
                        data.insert("total_rows_scanned", progress.rows.to_string());
                        ("IN_PROGRESS", data)
                    }
                    // What is known, and since when, stays.
                    (false, false) | (true, true) => return,
                };
                told.push((aggregate(*is_first), kind, data));
            }
            (_, TableState::Snapshot(progress)) => {
                told.extend(begun(before.as_ref(), is_first(progress), &name));
            }
            (Some(Known::Copied { is_first, .. }), TableState::Streaming) => {
                told.push((aggregate(*is_first), "ABORTED", with("data_collections")));
            }
            (Some(Known::Parked), TableState::Streaming) => {
                told.push(("Table", "RESUMED", with("data_collection")));
            }
            (before, TableState::Parked { reason, .. }) => {
                if let Some(Known::Copied { is_first, .. }) = before {
                    told.push((aggregate(*is_first), "ABORTED", with("data_collections")));
                }
                let mut data = with("data_collection");
                data.insert("reason", reason.clone());
                told.push(("Table", "PARKED", data));
            }
        }
        self.known.insert(table.clone(), now);
    }

    fn tell(&mut self, notification: &Notification, batch: &mut RecordBatch) {
        let Ok(json) = serde_json::to_string(notification) else { return };
        if self.log {
            tracing::info!(notification = json, "notification");
        }
        if let Some(topic) = &self.topic {
            append(topic, notification, batch);
        }
        if let Some(webhook) = &mut self.webhook {
            webhook.send(json);
        }
    }
}

/// A copy begins, of a table of which this was known.
fn begun(before: Option<&Known>, is_first: bool, name: &str) -> Vec<Told> {
    let with = |key| BTreeMap::from([(key, name.to_owned())]);
    let resumed =
        (before == Some(&Known::Parked)).then(|| ("Table", "RESUMED", with("data_collection")));
    let started = (aggregate(is_first), "STARTED", with("data_collections"));
    resumed.into_iter().chain([started]).collect()
}

/// Aggregate, type and data.
type Told = (&'static str, &'static str, BTreeMap<&'static str, String>);

impl Known {
    fn of(offset: &TableOffset) -> Self {
        match &offset.state {
            TableState::Streaming => Self::Streaming,
            TableState::Parked { .. } => Self::Parked,
            TableState::Snapshot(progress) => Self::Copied {
                is_first: is_first(progress),
                is_paused: progress.is_paused,
                told_at: Instant::now(),
            },
        }
    }
}

/// A name that no other notification has.
fn new_id() -> String {
    let mut bytes = [0; 16];
    // Without randomness, which no machine lacks, the time has to do.
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        bytes = u128::from(connect::clock::now_micros()).to_be_bytes();
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// Whether nothing of the table was copied before: nothing older has to go.
fn is_first(progress: &SnapshotProgress) -> bool {
    progress.sweep.is_none() && progress.filter.is_none()
}

fn aggregate(is_first: bool) -> &'static str {
    if is_first { "Initial Snapshot" } else { "Incremental Snapshot" }
}

fn append(topic: &SideTopic, notification: &Notification, batch: &mut RecordBatch) {
    let (key_id, value_id) = topic.ids;
    let key_start = batch.bytes();
    let out = batch.buffer();
    let mut key = frame(key_id).to_vec();
    put_bytes(notification.id.as_bytes(), &mut key);
    out.extend_from_slice(&key);
    let key_end = batch.bytes();
    let out = batch.buffer();
    out.extend_from_slice(&frame(value_id));
    for text in [&*notification.id, notification.kind, notification.aggregate_type] {
        put_bytes(text.as_bytes(), out);
    }
    // The second of the union's two: a map in one block, which an empty one ends.
    put_long(1, out);
    if !notification.additional_data.is_empty() {
        put_count(notification.additional_data.len(), out);
        for (name, value) in &notification.additional_data {
            put_bytes(name.as_bytes(), out);
            put_bytes(value.as_bytes(), out);
        }
    }
    put_long(0, out);
    put_long(notification.timestamp, out);
    let partition = partition_of(&key, topic.partitions);
    batch.push(topic.topic, partition, RecordBounds { key_start, key_end, has_value: true });
}

#[cfg(test)]
mod tests;
