//! What Kafka Connect's REST API has of connectors and the worker.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::{Value, json};

use super::{HttpError, Shared};
use crate::control::{RunState, SinkStatus, TaskHandle};

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
    /// Ours: what Kafka Connect does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    sink: Option<SinkStatus>,
}

impl<'a> StateOf<'a> {
    fn new(run: &RunState, worker_id: &'a str) -> Self {
        let (id, sink) = (None, None);
        let (state, trace) = (run.as_str(), run.error().map(str::to_owned));
        Self { id, state, worker_id, trace, version: env!("CARGO_PKG_VERSION"), sink }
    }

    fn of_task(id: usize, task: &TaskHandle, worker_id: &'a str) -> Self {
        let sink = task.sink_status().as_deref().cloned();
        Self { id: Some(id), sink, ..Self::new(&task.run_state(), worker_id) }
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
    let tasks: Vec<_> = tasks.map(|(id, task)| StateOf::of_task(id, task, worker_id)).collect();
    Ok(Json(json!({
        "name": name,
        // A failed task does not stop its connector, which has nothing to do by itself.
        "connector": StateOf::new(&RunState::Running, worker_id),
        "tasks": tasks,
        "type": connector.kind.as_str(),
    })))
}
