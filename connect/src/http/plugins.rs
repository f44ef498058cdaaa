//! The classes that there are, and whether settings fit them.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use transform::HeaderConverter;

use super::{HttpError, Shared, body};
use crate::config::{ConfigError, Settings};
use crate::connector::ConnectorClass;
use crate::converter::Converter;
use crate::definition::{self, ConfigInfos, KeyInfo};
use crate::runtime::{Classes, ConnectorSettings, Identity, build};

/// `?connectorsOnly=false`; `true` unless it is given.
#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    #[serde(default = "yes", deserialize_with = "body::flag", rename = "connectorsOnly")]
    connectors_only: bool,
}

fn yes() -> bool {
    true
}

/// Each with rowcast's own version: a client that asks for one gets what is here.
pub(super) async fn list(
    State(endpoint): Shared,
    Query(ListQuery { connectors_only }): Query<ListQuery>,
) -> Json<Value> {
    let plugin = |(class, kind): (&str, &str)| json!({ "class": class, "type": kind, "version": env!("CARGO_PKG_VERSION") });
    let classes = endpoint.cluster.identity.classes.iter();
    let connectors = classes.map(|class| (class.java_class(), class.kind().as_str()));
    let transforms = transform::transform_classes().map(|class| (class, "transformation"));
    let predicates = transform::predicate_classes().iter().map(|class| (*class, "predicate"));
    let converters = Converter::JAVA_CLASSES.map(|class| (class, "converter"));
    let others = transforms.chain(predicates).chain(converters);
    let headers = HeaderConverter::JAVA_CLASSES.map(|class| (class, "header_converter"));
    let others = others.chain(headers);
    let others = others.filter(|_| !connectors_only);
    Json(connectors.chain(others).map(plugin).collect())
}

/// Refuses settings that make no connector, in Kafka Connect's words.
///
/// # Errors
///
/// Returns an [`HttpError`] that names what is wrong.
pub(super) async fn check(
    identity: &Identity,
    name: &str,
    settings: &ConnectorSettings,
) -> Result<(), HttpError> {
    let refused = |message: String| Err(HttpError::new(StatusCode::BAD_REQUEST, message));
    let Some(class) = settings.get("connector.class") else {
        return refused(format!("Connector config {{name={name}}} contains no connector type"));
    };
    let Some(class) = build::find(identity.classes, class) else {
        return refused(unknown(identity.classes, class));
    };
    if name.is_empty() || name.chars().any(char::is_control) {
        let problem = "The 'name' value is invalid: it is empty or has control characters";
        return refused(invalid(&[problem.to_owned()]));
    }
    match infos(identity, class, settings).await?.refusal() {
        None => Ok(()),
        Some(message) => refused(message),
    }
}

/// All that is wrong with the settings of a connector, variables replaced as this worker has them.
async fn infos(
    identity: &Identity,
    class: &'static dyn ConnectorClass,
    settings: &ConnectorSettings,
) -> Result<ConfigInfos, HttpError> {
    let resolved = replaced(identity, settings)
        .await
        .map_err(|error| HttpError::new(StatusCode::BAD_REQUEST, invalid(&[error.to_string()])))?;
    Ok(ConfigInfos::of(class, &resolved, &identity.config))
}

/// The settings with their variables replaced, without a wait on the runtime's threads.
async fn replaced(
    identity: &Identity,
    settings: &ConnectorSettings,
) -> Result<ConnectorSettings, ConfigError> {
    let providers = Arc::clone(&identity.config.providers);
    if !settings.values().any(|value| providers.is_slow(value)) {
        return Settings::variables(settings, &providers);
    }
    let settings = settings.clone();
    let reading = tokio::task::spawn_blocking(move || Settings::variables(&settings, &providers));
    reading.await.unwrap_or_else(|_| {
        Err(ConfigError::new("config.providers", "has a provider that panicked"))
    })
}

/// What settings a class has.
pub(super) async fn config(
    State(endpoint): Shared,
    Path(plugin): Path<String>,
) -> Result<Json<Vec<KeyInfo>>, HttpError> {
    let class = build::find(endpoint.cluster.identity.classes, &plugin);
    let unknown = || HttpError::not_found(format!("Unknown plugin {plugin}."));
    Ok(Json(definition::key_infos(class.ok_or_else(unknown)?)))
}

/// What is wrong with some settings, without making a connector of them.
pub(super) async fn validate(
    State(endpoint): Shared,
    Path(plugin): Path<String>,
    body: Bytes,
) -> Result<Json<ConfigInfos>, HttpError> {
    let (settings, identity) = (body::settings(&body)?, &endpoint.cluster.identity);
    let class = build::find(identity.classes, &plugin)
        .ok_or_else(|| HttpError::internal(unknown(identity.classes, &plugin)))?;
    let given = settings.get("connector.class").map_or("", String::as_str);
    if !class.names().contains(&given) {
        let message =
            format!("Included connector type {given} does not match request type {plugin}");
        return Err(HttpError::new(StatusCode::BAD_REQUEST, message));
    }
    Ok(Json(infos(identity, class, &settings).await?))
}

/// In Kafka Connect's words.
pub(super) fn unknown(classes: Classes, class: &str) -> String {
    let known: Vec<_> = classes.iter().map(|class| class.java_class()).collect();
    format!(
        "Failed to find any class that implements Connector and which name matches {class}, \
         available connectors are: {}",
        known.join(", ")
    )
}

fn invalid(problems: &[String]) -> String {
    format!(
        "Connector configuration is invalid and contains the following {} error(s):\n{}\nYou can \
         also find the above list of errors at the endpoint \
         `/connector-plugins/{{connectorType}}/config/validate`",
        problems.len(),
        problems.join("\n")
    )
}
