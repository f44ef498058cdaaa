//! The HTTP endpoint of a running process: how far each connector and table is, metrics, and
//! commands for one table. Paths and errors that Kafka Connect has are Kafka Connect's.
//!
//! Unless it is told to ask who somebody is, it listens on this machine only.

mod audit;
mod auth;
mod body;
pub mod client;
pub mod cluster;
mod connectors;
mod guard;
mod jmx;
mod metrics;
mod offsets;
mod openapi;
mod plugins;
mod server;
mod tables;
mod tls;
mod watched;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::connector::ConnectorClass;
use crate::connector::{ConnectorKind, ConnectorName};
use crate::control::{RunState, SourceStatus, TaskHandle};
use crate::runtime::{Cluster, ClusterError, ConnectorEntry, Local, class_of};

pub(crate) use server::{Socket, bind, serve};

/// Largest body of a request: 1 MiB, our choice; a connector's settings with lists of a thousand
/// tables fit.
const BODY_MAX_BYTES: usize = 1 << 20;

/// The connectors of which tasks run in this process, for whoever asks about them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connectors(pub(crate) BTreeMap<ConnectorName, Connector>);

/// One connector and its tasks that run here.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    pub(crate) kind: ConnectorKind,
    /// By their numbers.
    pub(crate) tasks: BTreeMap<usize, TaskHandle>,
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
        let states = self.tasks.values().map(TaskHandle::run_state);
        states
            .reduce(|kept, next| if kept == RunState::Running { next } else { kept })
            .unwrap_or(RunState::Unassigned)
    }

    /// A source has one task, because a binary log is read in order.
    fn source_status(&self) -> Option<Arc<SourceStatus>> {
        self.tasks.values().find_map(TaskHandle::status)
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
struct Endpoint {
    cluster: Arc<Cluster>,
}

impl Endpoint {
    /// What runs here.
    fn connectors(&self) -> Arc<Connectors> {
        Arc::clone(&self.cluster.local().connectors)
    }

    fn local(&self) -> Arc<Local> {
        self.cluster.local()
    }

    /// Whether the worker knows what is wanted.
    fn ready(&self) -> Result<(), HttpError> {
        if self.local().is_ready { Ok(()) } else { Err(ClusterError::NotReady.into()) }
    }

    fn class(&self, entry: &ConnectorEntry) -> Option<&'static dyn ConnectorClass> {
        class_of(self.cluster.identity.classes, &entry.settings)
    }
}

type Shared = axum::extract::State<Arc<Endpoint>>;

fn router(cluster: &Arc<Cluster>) -> Router {
    let (one, table) = ("/connectors/{name}", "/connectors/{name}/tables/{table}");
    let config = get(connectors::config).put(connectors::put_config);
    let offsets = get(offsets::list).patch(offsets::alter).delete(offsets::reset);
    Router::new()
        .route("/", get(worker::root))
        .route("/health", get(worker::health))
        .route("/connectors", get(connectors::list).post(connectors::create))
        .route(one, get(connectors::info).delete(connectors::delete))
        .route(&format!("{one}/config"), config.patch(connectors::patch_config))
        .route(&format!("{one}/status"), get(connectors::status))
        .route(&format!("{one}/tasks"), get(connectors::tasks))
        .route(&format!("{one}/tasks/{{task}}/status"), get(connectors::task_status))
        .route(&format!("{one}/tasks/{{task}}/restart"), post(connectors::restart_task))
        .route(&format!("{one}/restart"), post(connectors::restart))
        .route(&format!("{one}/pause"), put(connectors::pause))
        .route(&format!("{one}/resume"), put(connectors::resume))
        .route(&format!("{one}/stop"), put(connectors::stop))
        .route(&format!("{one}/offsets"), offsets)
        .route(&format!("{one}/topics"), get(connectors::topics))
        .route(&format!("{one}/topics/reset"), put(connectors::reset_topics))
        .route(&format!("{one}/tables"), get(tables::of_connector))
        .route(&format!("{table}/{{action}}"), post(tables::command))
        .route("/connector-plugins", get(plugins::list))
        .route("/connector-plugins/{plugin}/config", get(plugins::config))
        .route("/connector-plugins/{plugin}/config/validate", put(plugins::validate))
        .route("/admin/loggers", get(worker::all_loggers))
        .route("/admin/loggers/{logger}", get(worker::logger).put(worker::set_logger))
        .route("/tables", get(tables::all))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(openapi::document))
        .fallback(|| async { HttpError::not_found("HTTP 404 Not Found") })
        .method_not_allowed_fallback(|| async {
            HttpError::new(StatusCode::METHOD_NOT_ALLOWED, "HTTP 405 Method Not Allowed")
        })
        .layer(axum::extract::DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(Arc::new(Endpoint { cluster: Arc::clone(cluster) }))
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

    fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    fn no_connector(name: &str) -> Self {
        Self::not_found(format!("Connector {name} not found"))
    }
}

impl From<ClusterError> for HttpError {
    fn from(error: ClusterError) -> Self {
        let status = match &error {
            ClusterError::NotReady => StatusCode::SERVICE_UNAVAILABLE,
            ClusterError::Kafka(_) | ClusterError::Timeout => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, schema::fault::chain(&error))
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
