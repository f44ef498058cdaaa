//! Heartbeats: records that say that the connector lives where nothing changes, in Debezium's topic
//! and form, and a statement of the user's that goes with each. Offsets advance without them.

use std::sync::Arc;
use std::time::Duration;

use connect::kafka::batch::{RecordBatch, RecordBounds, TopicIndex};
use connect::kafka::partition_of;
use connect::kafka::producer::TransactionalProducer;
use schema::avro::{FRAME_BYTES, frame, put_bytes, put_long};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::config::{HeartbeatConfig, SourceConfig};
use crate::connection::Connection;
use crate::error::SourceError;
use crate::tables::{SideTopic, Tables};

/// The schema of the keys, as Debezium registers it.
const KEY_SCHEMA: &str = concat!(
    r#"{"type":"record","name":"ServerNameKey","namespace":"io.debezium.connector.common","#,
    r#""fields":[{"name":"serverName","type":"string"}],"connect.version":1,"#,
    r#""connect.name":"io.debezium.connector.common.ServerNameKey"}"#,
);

/// The schema of the values.
const VALUE_SCHEMA: &str = concat!(
    r#"{"type":"record","name":"Heartbeat","namespace":"io.debezium.connector.common","#,
    r#""fields":[{"name":"ts_ms","type":"long"}],"connect.version":1,"#,
    r#""connect.name":"io.debezium.connector.common.Heartbeat"}"#,
);

/// Writes a heartbeat whenever one is due.
pub(crate) struct Heartbeat {
    interval: Duration,
    due: Instant,
    record: HeartbeatRecord,
    query: Option<mpsc::Sender<()>>,
    /// Whether it was told that the statement does not keep up.
    is_late: bool,
}

/// A heartbeat but for its time.
struct HeartbeatRecord {
    topic: TopicIndex,
    partition: i32,
    key: Vec<u8>,
    value_frame: [u8; FRAME_BYTES],
}

impl HeartbeatRecord {
    fn new(server: &str, topic: &SideTopic) -> Self {
        let (key_id, value_id) = topic.ids;
        let mut key = frame(key_id).to_vec();
        put_bytes(server.as_bytes(), &mut key);
        let partition = partition_of(&key, topic.partitions);
        Self { topic: topic.topic, partition, key, value_frame: frame(value_id) }
    }

    fn append(&self, now_ms: i64, batch: &mut RecordBatch) {
        let key_start = batch.bytes();
        batch.buffer().extend_from_slice(&self.key);
        let key_end = batch.bytes();
        batch.buffer().extend_from_slice(&self.value_frame);
        put_long(now_ms, batch.buffer());
        let bounds = RecordBounds { key_start, key_end, has_value: true };
        batch.push(self.topic, self.partition, bounds);
    }
}

impl Heartbeat {
    /// Makes the topic and the schemas if the settings ask for heartbeats. The first one is due at
    /// once.
    pub(crate) async fn start(
        config: &Arc<SourceConfig>,
        tables: &Tables,
        producer: &mut TransactionalProducer,
    ) -> Result<Option<Self>, SourceError> {
        let Some(settings) = &config.heartbeat else { return Ok(None) };
        let topic =
            tables.side_topic(&settings.topic, (KEY_SCHEMA, VALUE_SCHEMA), producer).await?;
        Ok(Some(Self::new(config, settings, &topic)))
    }

    fn new(config: &Arc<SourceConfig>, settings: &HeartbeatConfig, topic: &SideTopic) -> Self {
        Self {
            interval: settings.interval,
            due: Instant::now(),
            record: HeartbeatRecord::new(&config.topic_prefix, topic),
            query: settings.query.clone().map(|query| start_query(Arc::clone(config), query)),
            is_late: false,
        }
    }

    /// When the next one is due.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Appends a heartbeat if one is due, and runs the statement. Whether it did.
    pub(crate) fn beat(&mut self, now_ms: i64, batch: &mut RecordBatch) -> bool {
        let now = Instant::now();
        if now < self.due {
            return false;
        }
        // Those that were missed are not made up for.
        self.due = now + self.interval;
        self.record.append(now_ms, batch);
        if let Some(query) = &self.query {
            let is_late = query.try_send(()).is_err();
            // Once, because heartbeats may come by the millisecond.
            if is_late && !self.is_late {
                tracing::warn!(
                    hint = "raise heartbeat.interval.ms, or look for what holds the statement up",
                    "heartbeat.action.query is still running, heartbeats go without it"
                );
            }
            self.is_late = is_late;
        }
        true
    }
}

/// Runs the statement whenever it is asked for, until nobody can ask any more. What it returns is
/// not looked at, and that it fails harms nobody: it is told of, once until it works again.
fn start_query(config: Arc<SourceConfig>, query: String) -> mpsc::Sender<()> {
    let (ask, mut asked) = mpsc::channel(1);
    tokio::spawn(async move {
        let (mut connection, mut has_failed) = (None, false);
        while asked.recv().await.is_some() {
            match run_query(&config, &query, &mut connection).await {
                Ok(()) if has_failed => {
                    has_failed = false;
                    tracing::info!("heartbeat.action.query works again");
                }
                Ok(()) => {}
                Err(error) => {
                    // The next try has a connection of its own.
                    connection = None;
                    if !has_failed {
                        has_failed = true;
                        tell_failure(&error);
                    }
                }
            }
        }
    });
    ask
}

fn tell_failure(error: &SourceError) {
    tracing::warn!(
        // Its source may quote values.
        error = %error,
        hint = "correct heartbeat.action.query or the grants of database.user",
        "heartbeat.action.query failed"
    );
}

async fn run_query(
    config: &SourceConfig,
    query: &str,
    connection: &mut Option<Connection>,
) -> Result<(), SourceError> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(Connection::open(config).await?),
    };
    connection.run("run heartbeat.action.query", query).await
}

#[cfg(test)]
mod tests {
    use connect::kafka::RecordLimit;
    use schema::registry::SchemaId;

    use super::*;

    #[test]
    fn the_schemas_are_debeziums() {
        assert_eq!(KEY_SCHEMA, include_str!("../tests/golden/heartbeat-key.json").trim());
        assert_eq!(VALUE_SCHEMA, include_str!("../tests/golden/heartbeat-value.json").trim());
    }

    /// A record of Debezium 3.6.3.
    #[test]
    fn the_bytes_are_debeziums() {
        let ids = (SchemaId(11), SchemaId(12));
        let (topic, limit) = (TopicIndex::FIRST, RecordLimit::default());
        let topic = SideTopic { topic, partitions: 1, limit, ids };
        let mut batch = RecordBatch::default();

        HeartbeatRecord::new("srv3", &topic).append(1_795_227_109_882, &mut batch);

        let bytes = batch.slice(&(0..batch.bytes()));
        let (key, value) = bytes.split_at(10);
        assert_eq!(key, b"\0\0\0\0\x0b\x08srv3");
        assert_eq!(value, b"\0\0\0\0\x0c\xf4\xa7\xfe\xbd\xbf\x68");
        assert_eq!(batch.records(), 1);
    }
}
