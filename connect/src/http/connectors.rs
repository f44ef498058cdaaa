//! Connectors by Kafka Connect's REST API: their settings, what is wanted of them, how they are.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::body::{self, CreateConnector};
use super::{Endpoint, HttpError, Shared};
use crate::connector::ConnectorName;
use crate::runtime::{
    ConfigRecord, ConnectorEntry, ConnectorSettings, Created, Status, TargetState, TaskId,
};

/// `?expand=info&expand=status`.
#[derive(Debug, Default)]
struct Expand {
    info: bool,
    status: bool,
}

impl Expand {
    fn of(pairs: &[(String, String)]) -> Self {
        let asks = |word: &str| pairs.iter().any(|(key, it)| key == "expand" && it == word);
        Self { info: asks("info"), status: asks("status") }
    }
}

pub(super) async fn list(
    State(endpoint): Shared,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, HttpError> {
    endpoint.ready()?;
    let (expand, state) = (Expand::of(&pairs), endpoint.cluster.state());
    if !expand.info && !expand.status {
        return Ok(Json(state.connectors.keys().map(ConnectorName::as_str).collect()));
    }
    let mut all = Map::new();
    for (name, entry) in &state.connectors {
        let mut one = Map::new();
        if expand.info {
            one.insert("info".to_owned(), endpoint.info(name, entry));
        }
        if expand.status {
            one.insert("status".to_owned(), endpoint.status(name, entry));
        }
        all.insert(name.to_string(), Value::Object(one));
    }
    Ok(Json(Value::Object(all)))
}

pub(super) async fn create(State(endpoint): Shared, body: Bytes) -> Result<Response, HttpError> {
    endpoint.ready()?;
    let CreateConnector { name, config, target } = body::create(&body)?;
    let (name, settings) = endpoint.valid(name, config).await?;
    if endpoint.cluster.connector(name.as_str()).is_some() {
        return Err(exists(&name));
    }
    endpoint.make(&name, settings, target).await
}

pub(super) async fn info(
    State(endpoint): Shared,
    Path(name): Path<String>,
) -> Result<Json<Value>, HttpError> {
    let (name, entry) = endpoint.connector(name)?;
    Ok(Json(endpoint.info(&name, &entry)))
}

pub(super) async fn config(
    State(endpoint): Shared,
    Path(name): Path<String>,
) -> Result<Json<ConnectorSettings>, HttpError> {
    let (_, entry) = endpoint.connector(name)?;
    Ok(Json((*entry.settings).clone()))
}

pub(super) async fn put_config(
    State(endpoint): Shared,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, HttpError> {
    endpoint.ready()?;
    let config = body::settings(&body)?;
    if let Some(other) = config.get("name").filter(|other| **other != name) {
        let message = format!(
            "Connector name configuration ({other}) doesn't match connector name in the URL ({name})"
        );
        return Err(HttpError::new(StatusCode::BAD_REQUEST, message));
    }
    let (name, settings) = endpoint.valid(name, config).await?;
    if endpoint.cluster.connector(name.as_str()).is_none() {
        return endpoint.make(&name, settings, TargetState::Started).await;
    }
    endpoint.change(&name, settings).await
}

pub(super) async fn patch_config(
    State(endpoint): Shared,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, HttpError> {
    let (name, entry) = endpoint.connector(name)?;
    let mut settings = (*entry.settings).clone();
    for (key, value) in body::patch(&body)? {
        match value {
            Some(value) => drop(settings.insert(key, value)),
            None => drop(settings.remove(&key)),
        }
    }
    let (name, settings) = endpoint.valid(name.to_string(), settings).await?;
    endpoint.change(&name, settings).await
}

pub(super) async fn delete(
    State(endpoint): Shared,
    Path(name): Path<String>,
) -> Result<StatusCode, HttpError> {
    let (name, _) = endpoint.connector(name)?;
    let gone = ConfigRecord::Connector { name: name.clone(), settings: None, creation: None };
    endpoint.cluster.append([gone, ConfigRecord::Target { name, state: None }]).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn status(
    State(endpoint): Shared,
    Path(name): Path<String>,
) -> Result<Json<Value>, HttpError> {
    endpoint.ready()?;
    let missing = || HttpError::not_found(format!("No status found for connector {name}"));
    let entry = endpoint.cluster.connector(&name).ok_or_else(missing)?;
    Ok(Json(endpoint.status(&ConnectorName::new(name), &entry)))
}

pub(super) async fn tasks(
    State(endpoint): Shared,
    Path(name): Path<String>,
) -> Result<Json<Value>, HttpError> {
    let (name, entry) = endpoint.connector(name)?;
    let mut config = json!(&*entry.settings);
    if let (Some(config), Some(class)) = (config.as_object_mut(), endpoint.class(&entry)) {
        config.insert("task.class".to_owned(), Value::from(class.task_class()));
    }
    let tasks = endpoint.cluster.tasks(&name, &entry);
    let tasks = tasks.iter().map(|id| {
        json!({ "id": { "connector": id.connector.as_str(), "task": id.task }, "config": config })
    });
    Ok(Json(tasks.collect()))
}

pub(super) async fn task_status(
    State(endpoint): Shared,
    Path((name, task)): Path<(String, String)>,
) -> Result<Json<Value>, HttpError> {
    let task = number(&task)?;
    let (connector, entry) = endpoint.connector(name.clone())?;
    let id = TaskId { connector: connector.clone(), task };
    if !endpoint.cluster.tasks(&connector, &entry).contains(&id) {
        return Err(HttpError::not_found(format!("No status found for task {name}-{task}")));
    }
    Ok(Json(endpoint.task(&id, &entry)))
}

pub(super) async fn pause(endpoint: Shared, name: Path<String>) -> Result<StatusCode, HttpError> {
    set_target(endpoint, name, TargetState::Paused).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn resume(endpoint: Shared, name: Path<String>) -> Result<StatusCode, HttpError> {
    set_target(endpoint, name, TargetState::Started).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn stop(endpoint: Shared, name: Path<String>) -> Result<StatusCode, HttpError> {
    set_target(endpoint, name, TargetState::Stopped).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_target(
    State(endpoint): Shared,
    Path(name): Path<String>,
    target: TargetState,
) -> Result<(), HttpError> {
    endpoint.ready()?;
    if endpoint.cluster.connector(&name).is_none() {
        return Err(HttpError::not_found(format!("Unknown connector {name}")));
    }
    let name = ConnectorName::new(name);
    endpoint.cluster.append([ConfigRecord::Target { name, state: Some(target) }]).await?;
    Ok(())
}

/// The topics that a connector works with: none of one that is not there, as Kafka Connect has it.
pub(super) async fn topics(
    State(endpoint): Shared,
    Path(name): Path<String>,
) -> Result<Json<Value>, HttpError> {
    endpoint.tracks_topics()?;
    let topics = endpoint.cluster.topics(&ConnectorName::new(&*name));
    Ok(Json(json!({ name: { "topics": topics } })))
}

/// Forgets them: one comes back with its next record.
pub(super) async fn reset_topics(
    State(endpoint): Shared,
    Path(name): Path<String>,
) -> Result<StatusCode, HttpError> {
    endpoint.tracks_topics()?;
    if !endpoint.cluster.identity.config.cluster.forgets_topics {
        let message = "Topic tracking reset is disabled.";
        return Err(HttpError::new(StatusCode::FORBIDDEN, message));
    }
    endpoint.cluster.forget_topics(&ConnectorName::new(name)).await;
    Ok(StatusCode::ACCEPTED)
}

/// `?includeTasks=true&onlyFailed=true`; both are `false` unless they are given.
#[derive(Debug, Deserialize)]
pub(super) struct RestartQuery {
    #[serde(default, deserialize_with = "body::flag", rename = "includeTasks")]
    include_tasks: bool,
    #[serde(default, deserialize_with = "body::flag", rename = "onlyFailed")]
    only_failed: bool,
}

pub(super) async fn restart(
    State(endpoint): Shared,
    Path(name): Path<String>,
    Query(RestartQuery { include_tasks, only_failed }): Query<RestartQuery>,
) -> Result<Response, HttpError> {
    let (name, entry) = endpoint.known(&name)?;
    let record = ConfigRecord::Restart { name: name.clone(), include_tasks, only_failed };
    let starts = |status: &mut Status| {
        if !only_failed || status.state == "FAILED" {
            "RESTARTING".clone_into(&mut status.state);
        }
    };
    let starts_task = |status: &mut Status| {
        if include_tasks {
            starts(status);
        }
    };
    let answer = endpoint.status_with(&name, &entry, (&starts, &starts_task));
    endpoint.cluster.append([record]).await?;
    if !include_tasks && !only_failed {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

pub(super) async fn restart_task(
    State(endpoint): Shared,
    Path((name, task)): Path<(String, String)>,
) -> Result<StatusCode, HttpError> {
    let task = number(&task)?;
    let (connector, entry) = endpoint.known(&name)?;
    let id = TaskId { connector: connector.clone(), task };
    if !endpoint.cluster.tasks(&connector, &entry).contains(&id) {
        return Err(HttpError::not_found(format!("Unknown task: {name}-{task}")));
    }
    endpoint.cluster.append([ConfigRecord::RestartTask { name: connector, task }]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A task's number; what is none is a path that is not there.
fn number(task: &str) -> Result<usize, HttpError> {
    task.parse().map_err(|_| HttpError::not_found("HTTP 404 Not Found"))
}

fn exists(name: &ConnectorName) -> HttpError {
    HttpError::new(StatusCode::CONFLICT, format!("Connector {name} already exists"))
}

/// What becomes of a status.
type Change<'a> = &'a dyn Fn(&mut Status);

impl Endpoint {
    /// A connector that has to be there.
    pub(super) fn connector(
        &self,
        name: String,
    ) -> Result<(ConnectorName, Arc<ConnectorEntry>), HttpError> {
        self.ready()?;
        let entry = self.cluster.connector(&name).ok_or_else(|| HttpError::no_connector(&name))?;
        Ok((ConnectorName::new(name), entry))
    }

    fn tracks_topics(&self) -> Result<(), HttpError> {
        self.ready()?;
        if self.cluster.identity.config.cluster.tracks_topics {
            return Ok(());
        }
        Err(HttpError::new(StatusCode::FORBIDDEN, "Topic tracking is disabled."))
    }

    /// The same in the words of restarts.
    fn known(&self, name: &str) -> Result<(ConnectorName, Arc<ConnectorEntry>), HttpError> {
        self.ready()?;
        let unknown = || HttpError::not_found(format!("Unknown connector: {name}"));
        Ok((ConnectorName::new(name), self.cluster.connector(name).ok_or_else(unknown)?))
    }

    async fn make(
        &self,
        name: &ConnectorName,
        settings: ConnectorSettings,
        target: TargetState,
    ) -> Result<Response, HttpError> {
        match self.cluster.create(name, settings, target).await? {
            Created::Exists => Err(exists(name)),
            Created::Made => {
                let (_, entry) = self.connector(name.to_string())?;
                // Kafka Connect makes a connector's tasks later.
                let answer = self.info_with(name, &entry, &[]);
                let mut response = (StatusCode::CREATED, Json(answer)).into_response();
                let place = format!("http://{}/connectors/{name}", self.cluster.identity.id);
                if let Ok(place) = HeaderValue::from_str(&place) {
                    response.headers_mut().insert(header::LOCATION, place);
                }
                Ok(response)
            }
        }
    }

    async fn change(
        &self,
        name: &ConnectorName,
        settings: ConnectorSettings,
    ) -> Result<Response, HttpError> {
        let (settings, name) = (Some(settings), name.clone());
        let changed = ConfigRecord::Connector { name: name.clone(), settings, creation: None };
        self.cluster.append([changed]).await?;
        let (_, entry) = self.connector(name.to_string())?;
        Ok(Json(self.info(&name, &entry)).into_response())
    }

    fn info(&self, name: &ConnectorName, entry: &ConnectorEntry) -> Value {
        self.info_with(name, entry, &self.cluster.tasks(name, entry))
    }

    fn info_with(&self, name: &ConnectorName, entry: &ConnectorEntry, tasks: &[TaskId]) -> Value {
        let tasks = tasks.iter().map(|id| json!({ "connector": name.as_str(), "task": id.task }));
        json!({
            "name": name.as_str(),
            "config": &*entry.settings,
            "tasks": tasks.collect::<Value>(),
            "type": self.cluster.kind(entry).as_str(),
        })
    }

    fn status(&self, name: &ConnectorName, entry: &ConnectorEntry) -> Value {
        self.status_with(name, entry, (&|_| {}, &|_| {}))
    }

    /// As it will be when something has happened to the connector, and to its tasks.
    fn status_with(
        &self,
        name: &ConnectorName,
        entry: &ConnectorEntry,
        (connector, task): (Change<'_>, Change<'_>),
    ) -> Value {
        let mut status = self.cluster.connector_status(name, entry);
        connector(&mut status);
        let tasks = self.cluster.tasks(name, entry);
        let tasks = tasks.iter().map(|id| {
            let mut status = self.cluster.task_status(id, entry);
            task(&mut status);
            self.task_as(id, &status)
        });
        json!({
            "name": name.as_str(),
            "connector": state(&status),
            "tasks": tasks.collect::<Value>(),
            "type": self.cluster.kind(entry).as_str(),
        })
    }

    fn task(&self, id: &TaskId, entry: &ConnectorEntry) -> Value {
        self.task_as(id, &self.cluster.task_status(id, entry))
    }

    fn task_as(&self, id: &TaskId, status: &Status) -> Value {
        let mut task = Map::from_iter([("id".to_owned(), Value::from(id.task))]);
        if let Value::Object(rest) = state(status) {
            task.extend(rest);
        }
        // Ours: what Kafka Connect does not know.
        if let Some(sink) = self.cluster.handle(id).and_then(|handle| handle.sink_status()) {
            task.insert("sink".to_owned(), json!(&*sink));
        }
        Value::Object(task)
    }

    /// Settings that make a connector, with its name among them.
    async fn valid(
        &self,
        name: String,
        mut settings: ConnectorSettings,
    ) -> Result<(ConnectorName, ConnectorSettings), HttpError> {
        settings.entry("name".to_owned()).or_insert_with(|| name.clone());
        super::plugins::check(&self.cluster.identity, &name, &settings).await?;
        Ok((ConnectorName::new(name), settings))
    }
}

/// In Kafka Connect's order of fields.
fn state(status: &Status) -> Value {
    let mut state = Map::new();
    state.insert("state".to_owned(), Value::from(&*status.state));
    state.insert("worker_id".to_owned(), Value::from(&*status.worker_id));
    if let Some(trace) = &status.trace {
        state.insert("trace".to_owned(), Value::from(&**trace));
    }
    state.insert("version".to_owned(), Value::from(env!("CARGO_PKG_VERSION")));
    Value::Object(state)
}
