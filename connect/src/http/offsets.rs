//! A connector's offsets: Kafka Connect's `GET`, `PATCH` and `DELETE /connectors/{name}/offsets`.
//!
//! Those of a source stand in the offsets topic, those of a sink are its consumer group's.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use schema::fault::{Fault, chain};
use serde_json::{Map, Value, json};

use super::{Endpoint, HttpError, Shared, body};
use crate::connector::{ConnectorKind, ConnectorName};
use crate::kafka::group::{Group, GroupOffset};
use crate::offsets::{self, ConnectorOffset, OffsetChange, OffsetsWriter};
use crate::runtime::{ConnectorEntry, TargetState};

const NOT_STOPPED: &str = "Connectors must be in the STOPPED state before their offsets can be \
                           modified. This can be done for the specified connector by issuing a 'PUT' \
                           request to the '/connectors/{name}/stop' endpoint";
const ALTERED: &str = "The Connect framework-managed offsets for this connector have been altered \
                       successfully. However, if this connector manages offsets externally, they \
                       will need to be manually altered in the system that the connector uses.";
const RESET: &str = "The Connect framework-managed offsets for this connector have been reset \
                     successfully. However, if this connector manages offsets externally, they will \
                     need to be manually reset in the system that the connector uses.";

pub(super) async fn list(
    State(endpoint): Shared,
    Path(name): Path<String>,
) -> Result<Json<Value>, HttpError> {
    let (name, entry) = endpoint.connector(name)?;
    let offsets = match endpoint.cluster.kind(&entry) {
        ConnectorKind::Source => of_source(&endpoint, &name).await?,
        ConnectorKind::Sink => of_sink(&endpoint, &name, &entry).await?,
    };
    Ok(Json(json!({ "offsets": offsets })))
}

async fn of_source(endpoint: &Endpoint, name: &ConnectorName) -> Result<Vec<Value>, HttpError> {
    let stored = offsets::stored(&endpoint.cluster.identity.config, name).await.map_err(failed)?;
    let value = |stored: &offsets::StoredOffset| {
        let offset: Value = serde_json::from_slice(&stored.value).unwrap_or_default();
        json!({ "partition": stored.partition, "offset": offset })
    };
    Ok(stored.iter().map(value).collect())
}

async fn of_sink(
    endpoint: &Endpoint,
    name: &ConnectorName,
    entry: &ConnectorEntry,
) -> Result<Vec<Value>, HttpError> {
    let committed = group(endpoint, name, entry).committed().await.map_err(failed)?;
    let value = |GroupOffset { topic, partition, offset }: &GroupOffset| {
        json!({
            "partition": { "kafka_topic": topic, "kafka_partition": partition },
            "offset": offset.map(|offset| json!({ "kafka_offset": offset })),
        })
    };
    Ok(committed.iter().map(value).collect())
}

fn group(endpoint: &Endpoint, name: &ConnectorName, entry: &ConnectorEntry) -> Group {
    // Kafka Connect's name for it, and the setting that overrides it.
    let own = entry.settings.get("consumer.override.group.id");
    let id = own.cloned().unwrap_or_else(|| format!("connect-{name}"));
    Group::new(&endpoint.cluster.identity.config, id)
}

pub(super) async fn alter(
    State(endpoint): Shared,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, HttpError> {
    let mut body = body::object(&body, &["offsets"])?;
    let changes = changes(body.remove("offsets"))?;
    let (name, entry) = stopped(&endpoint, name)?;
    match endpoint.cluster.kind(&entry) {
        ConnectorKind::Source => {
            let changes = changes.into_iter().map(|it| of_change(&name, it)).collect();
            write(&endpoint, &name, changes).await?;
        }
        ConnectorKind::Sink => {
            let group = group(&endpoint, &name, &entry);
            let offsets = changes.into_iter().map(group_offset).collect::<Result<_, _>>()?;
            group.alter(offsets).await.map_err(failed)?;
        }
    }
    Ok(Json(json!({ "message": ALTERED })))
}

pub(super) async fn reset(
    State(endpoint): Shared,
    Path(name): Path<String>,
) -> Result<Json<Value>, HttpError> {
    let (name, entry) = stopped(&endpoint, name)?;
    match endpoint.cluster.kind(&entry) {
        ConnectorKind::Source => {
            let config = &endpoint.cluster.identity.config;
            let stored = offsets::stored(config, &name).await.map_err(failed)?;
            let gone = |it: offsets::StoredOffset| OffsetChange { key: it.into_key(), value: None };
            write(&endpoint, &name, stored.into_iter().map(gone).collect()).await?;
        }
        ConnectorKind::Sink => group(&endpoint, &name, &entry).reset().await.map_err(failed)?,
    }
    Ok(Json(json!({ "message": RESET })))
}

fn stopped(
    endpoint: &Endpoint,
    name: String,
) -> Result<(ConnectorName, std::sync::Arc<ConnectorEntry>), HttpError> {
    let (name, entry) = endpoint.connector(name)?;
    if entry.target != TargetState::Stopped {
        let message = NOT_STOPPED.replace("{name}", name.as_str());
        return Err(HttpError::new(StatusCode::BAD_REQUEST, message));
    }
    Ok((name, entry))
}

fn changes(offsets: Option<Value>) -> Result<Vec<ConnectorOffset>, HttpError> {
    let offsets: Vec<ConnectorOffset> = match offsets {
        None | Some(Value::Null) => Vec::new(),
        Some(offsets) => serde_json::from_value(offsets).map_err(|_| {
            HttpError::internal("\"offsets\" are no list of {\"partition\": {…}, \"offset\": {…}}")
        })?,
    };
    if offsets.is_empty() {
        let message = "Partitions / offsets need to be provided for an alter offsets request";
        return Err(HttpError::new(StatusCode::BAD_REQUEST, message));
    }
    Ok(offsets)
}

/// The key as Kafka Connect writes it: the connector's name and the partition.
fn of_change(name: &ConnectorName, change: ConnectorOffset) -> OffsetChange {
    let key = json!([name.as_str(), change.partition]).to_string().into_bytes();
    let value = change.offset.map(|offset| Value::Object(offset).to_string().into_bytes());
    OffsetChange { key, value }
}

fn group_offset(change: ConnectorOffset) -> Result<GroupOffset, HttpError> {
    let bad = |message: &str| HttpError::new(StatusCode::BAD_REQUEST, message);
    let number = |of: &Map<String, Value>, key: &str| of.get(key).and_then(number);
    let topic = change.partition.get("kafka_topic").and_then(Value::as_str);
    let partition = number(&change.partition, "kafka_partition");
    let partition = partition.and_then(|it| i32::try_from(it).ok()).filter(|it| *it >= 0);
    let (Some(topic), Some(partition)) = (topic, partition) else {
        return Err(bad(
            "The partition of a sink's offset is {\"kafka_topic\": \"…\", \"kafka_partition\": 0}",
        ));
    };
    let offset = match &change.offset {
        None => None,
        Some(offset) => {
            let found = number(offset, "kafka_offset").filter(|offset| *offset >= 0);
            Some(found.ok_or_else(|| bad("A sink's offset is {\"kafka_offset\": 0}"))?)
        }
    };
    Ok(GroupOffset { topic: topic.to_owned(), partition, offset })
}

/// A number, or one as text, which Kafka Connect takes as well.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

async fn write(
    endpoint: &Endpoint,
    name: &ConnectorName,
    changes: Vec<OffsetChange>,
) -> Result<(), HttpError> {
    let writer = OffsetsWriter::start(&endpoint.cluster.identity.config, name);
    let writer = writer.await.map_err(failed)?;
    writer.write(changes).await.map_err(failed)
}

fn failed<E: Fault>(error: E) -> HttpError {
    HttpError::internal(chain(&error))
}
