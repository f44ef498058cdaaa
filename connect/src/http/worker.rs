//! The worker itself: who it is, whether it is ready, and how much it logs.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{HttpError, Shared, body};
use crate::kafka;
use crate::loggers::{self, Level};
use crate::runtime::ConfigRecord;

/// `GET /`.
pub(super) async fn root(State(endpoint): Shared) -> Result<Json<Value>, HttpError> {
    let config = &endpoint.cluster.identity.config;
    let cluster = kafka::cluster_id(config).await.map_err(|error| {
        HttpError::internal(format!("the id of the Kafka cluster is not known: {error}"))
    })?;
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": option_env!("ROWCAST_COMMIT").unwrap_or("unknown"),
        "kafka_cluster_id": cluster,
    })))
}

/// As Kafka Connect has it: that a connector has failed says its status.
pub(super) async fn health(State(endpoint): Shared) -> Response {
    let (status, word, message) = if endpoint.cluster.local().is_ready {
        let message = "Worker has completed startup and is ready to handle requests.";
        (StatusCode::OK, "healthy", message)
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting", "Worker is still starting up.")
    };
    (status, Json(json!({ "status": word, "message": message }))).into_response()
}

fn level_of(level: &Level) -> Value {
    json!({ "level": level.name, "last_modified": level.changed_at_ms })
}

pub(super) async fn all_loggers() -> Json<Value> {
    let all = loggers::all();
    Json(all.iter().map(|(logger, level)| (logger.clone(), level_of(level))).collect())
}

pub(super) async fn logger(Path(logger): Path<String>) -> Result<Json<Value>, HttpError> {
    let all = loggers::all();
    let missing = || HttpError::not_found(format!("Logger {logger} not found."));
    all.get(&logger).map(|level| Json(level_of(level))).ok_or_else(missing)
}

/// `?scope=worker`, which is what holds without it, or `?scope=cluster`.
#[derive(Debug, Deserialize)]
pub(super) struct Scope {
    scope: Option<String>,
}

pub(super) async fn set_logger(
    State(endpoint): Shared,
    Path(logger): Path<String>,
    Query(Scope { scope }): Query<Scope>,
    body: Bytes,
) -> Result<Response, HttpError> {
    let bad = |message: String| HttpError::new(StatusCode::BAD_REQUEST, message);
    let mut body = body::object(&body, &["level"])?;
    let Some(Value::String(word)) = body.remove("level") else {
        return Err(bad("Desired 'level' parameter was not specified in request.".to_owned()));
    };
    let level = loggers::parse(&word)
        .ok_or_else(|| HttpError::not_found(format!("invalid log level '{word}'.")))?;
    if !loggers::is_logger(&logger) {
        return Err(bad("a logger is `root` or the name of a module".to_owned()));
    }
    match scope.as_deref() {
        Some("cluster") => {
            endpoint.ready()?;
            let level = level.to_owned();
            endpoint.cluster.append([ConfigRecord::Logger { logger, level }]).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        // Kafka Connect takes a word that it does not know as `worker`.
        Some(_) | None => Ok(Json(loggers::set(&logger, level)).into_response()),
    }
}
