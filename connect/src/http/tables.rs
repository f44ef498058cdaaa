//! Captured tables: how far they are, and commands for one of them.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use schema::table::TableId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AllTables, Connector, ConnectorTables, HttpError, Shared};
use crate::connector::{ConnectorKind, ConnectorName};
use crate::control::{CommandError, TableAction, TaskHandle};

/// Longest wait for a task's answer: it may be in the middle of a few thousand events, or wait
/// for Kafka.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Longest condition of a snapshot.
const FILTER_MAX_BYTES: usize = 16 << 10;

pub(super) async fn all(State(endpoint): Shared) -> Json<AllTables> {
    let connectors = endpoint.connectors();
    let sources = connectors.sources();
    Json(AllTables { connectors: sources.map(|(name, it)| tables_of(name, it)).collect() })
}

pub(super) async fn of_connector(
    State(endpoint): Shared,
    Path(name): Path<String>,
) -> Result<Json<ConnectorTables>, HttpError> {
    let connectors = endpoint.connectors();
    let connector = connectors.get(&name).ok_or_else(|| HttpError::no_connector(&name))?;
    Ok(Json(tables_of(&ConnectorName::new(name), connector)))
}

fn tables_of(name: &ConnectorName, connector: &Connector) -> ConnectorTables {
    let run = connector.run_state();
    ConnectorTables {
        connector: name.to_string(),
        state: run.as_str().to_owned(),
        trace: run.error().map(str::to_owned),
        source: connector.source_status().map(|status| (*status).clone()),
    }
}

/// What may stand in a command's body.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandBody {
    #[serde(default)]
    filter: Option<String>,
}

pub(super) async fn command(
    State(endpoint): Shared,
    Path((name, table, action)): Path<(String, String, String)>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), HttpError> {
    let connectors = endpoint.connectors();
    let connector = connectors.get(&name).ok_or_else(|| HttpError::no_connector(&name))?;
    let action = action_of(&action, &body)?;
    let (task, table) = captured(&name, connector, &table)?;
    let done = task.command(table, action, ANSWER_WITHIN).await;
    let message = done.map_err(|error| {
        let status = match &error {
            CommandError::Refused(_) | CommandError::Gone => StatusCode::CONFLICT,
            CommandError::Busy => StatusCode::SERVICE_UNAVAILABLE,
            CommandError::NoAnswer { .. } => StatusCode::GATEWAY_TIMEOUT,
        };
        HttpError::new(status, error.to_string())
    })?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "message": message }))))
}

fn action_of(action: &str, body: &[u8]) -> Result<TableAction, HttpError> {
    let bad = |message: String| HttpError::new(StatusCode::BAD_REQUEST, message);
    let CommandBody { filter } = if body.is_empty() {
        CommandBody::default()
    } else {
        // What is wrong is said by its place: a condition may hold values of rows.
        serde_json::from_slice(body).map_err(|error| {
            bad(format!(
                "The body is not {{\"filter\": \"...\"}}: line {}, column {}",
                error.line(),
                error.column()
            ))
        })?
    };
    if filter.as_ref().is_some_and(|filter| filter.len() > FILTER_MAX_BYTES) {
        return Err(bad(format!("The filter is longer than {FILTER_MAX_BYTES} bytes")));
    }
    let action = match action {
        "snapshot" => return Ok(TableAction::Snapshot { filter }),
        "pause" => TableAction::Pause,
        "resume" => TableAction::Resume,
        "stop" => TableAction::Stop,
        other => {
            let message =
                format!("Unknown action {other}, expected snapshot, pause, resume or stop");
            return Err(HttpError::not_found(message));
        }
    };
    match filter {
        None => Ok(action),
        Some(_) => Err(bad(format!("Action {} takes no filter", action.as_str()))),
    }
}

/// The task of a connector, and the table of it that has this name.
fn captured<'a>(
    name: &str,
    connector: &'a Connector,
    table: &str,
) -> Result<(&'a TaskHandle, TableId), HttpError> {
    if connector.kind == ConnectorKind::Sink {
        return Err(HttpError::not_found(format!("Connector {name} is a sink and has no tables")));
    }
    let conflict = |why: String| HttpError::new(StatusCode::CONFLICT, why);
    let not_begun = || match connector.run_state().error() {
        Some(error) => conflict(format!("Connector {name} does not run: {error}")),
        None => conflict(format!("Connector {name} has not begun yet")),
    };
    let begun = connector.tasks.values().find_map(|task| Some((task, task.status()?)));
    let (task, status) = begun.ok_or_else(not_begun)?;
    let found = status.tables.iter().find(|status| status.table.to_string() == table);
    let missing = || HttpError::not_found(format!("Table {table} is not captured by {name}"));
    Ok((task, found.ok_or_else(missing)?.table.clone()))
}
