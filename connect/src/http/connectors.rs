//! What Kafka Connect's REST API has of connectors and the worker.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::{Value, json};

use super::{HttpError, Shared};
use crate::control::RunState;

/// The worker itself, as Kafka Connect has it: that a connector has failed says its status.
pub(super) async fn health() -> Json<Value> {
    let message = "Worker has completed startup and is ready to handle requests.";
    Json(json!({ "status": "healthy", "message": message }))
}

pub(super) async fn names(State(endpoint): Shared) -> Json<Vec<String>> {
    Json(endpoint.connectors.0.keys().map(ToString::to_string).collect())
}

/// The state of a connector or a task, in Kafka Connect's order of fields.
#[derive(Serialize)]
struct StateOf<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    state: &'static str,
    worker_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    version: &'static str,
}

impl<'a> StateOf<'a> {
    fn new(id: Option<usize>, run: &RunState, worker_id: &'a str) -> Self {
        let trace = run.error().map(str::to_owned);
        Self { id, state: run.as_str(), worker_id, trace, version: env!("CARGO_PKG_VERSION") }
    }
}

pub(super) async fn status(
    State(endpoint): Shared,
    Path(name): Path<String>,
) -> Result<Json<Value>, HttpError> {
    let connector = endpoint.connectors.get(&name);
    let missing = || HttpError::not_found(format!("No status found for connector {name}"));
    let connector = connector.ok_or_else(missing)?;
    let worker_id = endpoint.worker_id.as_str();
    let tasks = connector.tasks.iter().enumerate();
    let tasks: Vec<_> =
        tasks.map(|(id, task)| StateOf::new(Some(id), &task.run_state(), worker_id)).collect();
    Ok(Json(json!({
        "name": name,
        // A failed task does not stop its connector, which has nothing to do by itself.
        "connector": StateOf::new(None, &RunState::Running, worker_id),
        "tasks": tasks,
        "type": connector.kind.as_str(),
    })))
}
