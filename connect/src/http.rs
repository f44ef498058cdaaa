//! The HTTP endpoint of a running process: how far each connector and table is, metrics, and
//! commands for one table. Paths and errors that Kafka Connect has are Kafka Connect's.
//!
//! It asks for no password, so by default it listens on this machine only.

pub mod client;
pub mod cluster;
mod connectors;
mod metrics;
mod server;
mod tables;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::connector::{ConnectorKind, ConnectorName};
use crate::control::{RunState, SourceStatus, TaskHandle};

pub(crate) use server::{bind, serve};

/// Largest body of a request: 64 KiB, our choice; the largest that means anything is a condition
/// of a few lines.
const BODY_MAX_BYTES: usize = 64 << 10;

/// The connectors of this process, for whoever asks about them.
#[derive(Debug, Default)]
pub(crate) struct Connectors(pub(crate) BTreeMap<ConnectorName, Connector>);

/// One connector and its tasks.
#[derive(Debug)]
pub(crate) struct Connector {
    pub(crate) kind: ConnectorKind,
    pub(crate) tasks: Vec<TaskHandle>,
}

impl Connectors {
    fn get(&self, name: &str) -> Option<&Connector> {
        self.0.get(&ConnectorName::new(name))
    }

    /// The sources among them.
    fn sources(&self) -> impl Iterator<Item = (&ConnectorName, &Connector)> {
        self.0.iter().filter(|(_, connector)| connector.kind == ConnectorKind::Source)
    }
}

impl Connector {
    /// Whether it runs: the state of the first task that does not, or else `Running`.
    fn run_state(&self) -> RunState {
        let states = self.tasks.iter().map(TaskHandle::run_state);
        states
            .reduce(|kept, next| if kept == RunState::Running { next } else { kept })
            .unwrap_or(RunState::Unassigned)
    }

    /// A source has one task, because a binary log is read in order.
    fn source_status(&self) -> Option<Arc<SourceStatus>> {
        self.tasks.iter().find_map(TaskHandle::status)
    }
}

/// All tables of one source: the answer of `GET /connectors/{name}/tables`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConnectorTables {
    /// The connector's name.
    pub connector: String,
    /// Whether it runs, in Kafka Connect's words.
    pub state: String,
    /// Why it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// How far it is; none until it has begun to read the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceStatus>,
}

/// The tables of all sources: the answer of `GET /tables`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AllTables {
    /// The sources in the order of their names.
    pub connectors: Vec<ConnectorTables>,
}

/// What every handler needs.
#[derive(Debug)]
struct Endpoint {
    connectors: Arc<Connectors>,
    /// The address that answers, which is how Kafka Connect names a worker.
    worker_id: String,
}

type Shared = axum::extract::State<Arc<Endpoint>>;

fn router(connectors: Arc<Connectors>, worker_id: String) -> Router {
    let table = "/connectors/{name}/tables/{table}";
    Router::new()
        .route("/health", get(connectors::health))
        .route("/connectors", get(connectors::names))
        .route("/connectors/{name}/status", get(connectors::status))
        .route("/connectors/{name}/tables", get(tables::of_connector))
        .route("/tables", get(tables::all))
        .route(&format!("{table}/{{action}}"), post(tables::command))
        .route("/metrics", get(metrics::metrics))
        .fallback(|| async { HttpError::not_found("HTTP 404 Not Found") })
        .method_not_allowed_fallback(|| async {
            HttpError::new(StatusCode::METHOD_NOT_ALLOWED, "HTTP 405 Method Not Allowed")
        })
        .layer(axum::extract::DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(Arc::new(Endpoint { connectors, worker_id }))
}

/// An answer that is an error, in Kafka Connect's form.
#[derive(Debug)]
struct HttpError {
    status: StatusCode,
    message: String,
}

impl HttpError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    fn no_connector(name: &str) -> Self {
        Self::not_found(format!("Connector {name} not found"))
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let body = json!({ "error_code": self.status.as_u16(), "message": self.message });
        (self.status, Json(body)).into_response()
    }
}

#[cfg(test)]
mod tests;
