//! Bodies of requests, and what is wrong with them in Kafka Connect's status codes: what is no JSON,
//! or has a field that nobody knows, is its error 500.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::HttpError;
use crate::runtime::{ConnectorSettings, TargetState};

/// The body of `POST /connectors`.
#[derive(Debug, PartialEq)]
pub(super) struct CreateConnector {
    pub(super) name: String,
    pub(super) config: ConnectorSettings,
    pub(super) target: TargetState,
}

/// An object with some of these fields and no other.
pub(super) fn object(body: &[u8], fields: &[&str]) -> Result<Map<String, Value>, HttpError> {
    let object = any_object(body)?;
    let unknown = object.keys().find(|key| !fields.contains(&key.as_str()));
    match unknown {
        None => Ok(object),
        Some(key) => {
            let known: Vec<_> = fields.iter().map(|field| format!("\"{field}\"")).collect();
            let message = format!(
                "Unrecognized field \"{key}\", not marked as ignorable ({} known properties: {})",
                fields.len(),
                known.join(", ")
            );
            Err(HttpError::internal(message))
        }
    }
}

fn any_object(body: &[u8]) -> Result<Map<String, Value>, HttpError> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(HttpError::internal("The body is JSON, but no object")),
        // What serde says of it may quote a value.
        Err(error) => Err(HttpError::internal(format!(
            "The body is no JSON: line {}, column {}",
            error.line(),
            error.column()
        ))),
    }
}

pub(super) fn create(body: &[u8]) -> Result<CreateConnector, HttpError> {
    let mut object = object(body, &["config", "name", "initial_state"])?;
    let Some(Value::Object(config)) = object.remove("config") else {
        return Err(HttpError::internal("\"config\" is missing, or no object"));
    };
    let config = plain(texts(config)?);
    let name = match object.remove("name") {
        Some(Value::String(name)) => name.trim().to_owned(),
        Some(_) | None => config.get("name").cloned().unwrap_or_default(),
    };
    let target = match object.remove("initial_state") {
        None | Some(Value::Null) => TargetState::Started,
        Some(word) => {
            let known = word.as_str().and_then(TargetState::parse);
            known.ok_or_else(|| {
                HttpError::internal("\"initial_state\" is not RUNNING, PAUSED or STOPPED")
            })?
        }
    };
    let other = config.get("name").filter(|other| **other != name);
    if let Some(other) = other {
        let message = format!(
            "Connector name configuration ({other}) doesn't match connector name in the request \
             ({name})"
        );
        return Err(HttpError::new(StatusCode::BAD_REQUEST, message));
    }
    Ok(CreateConnector { name, config, target })
}

/// A parameter that is `true` or `false`, as Java reads it: clients in Python say `True`, and what is no
/// word of it is `false`.
pub(super) fn flag<'de, D: Deserializer<'de>>(parameter: D) -> Result<bool, D::Error> {
    Ok(String::deserialize(parameter)?.eq_ignore_ascii_case("true"))
}

/// Settings: an object of texts.
pub(super) fn settings(body: &[u8]) -> Result<ConnectorSettings, HttpError> {
    Ok(plain(patch(body)?))
}

/// Changes of settings; `null` takes one away.
pub(super) fn patch(body: &[u8]) -> Result<BTreeMap<String, Option<String>>, HttpError> {
    texts(any_object(body)?)
}

fn texts(object: Map<String, Value>) -> Result<BTreeMap<String, Option<String>>, HttpError> {
    let text = |(key, value)| {
        let text = match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            Value::Array(_) | Value::Object(_) => {
                return Err(HttpError::internal(format!("\"{key}\" is no text")));
            }
        };
        Ok((key, text))
    };
    object.into_iter().map(text).collect()
}

/// A setting without a value is as if it were not there.
fn plain(settings: BTreeMap<String, Option<String>>) -> ConnectorSettings {
    settings.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(body: &str) -> Result<CreateConnector, (u16, String)> {
        create(body.as_bytes()).map_err(|error| (error.status.as_u16(), error.message))
    }

    #[test]
    fn a_connector_has_a_name_settings_and_a_state() {
        let made = created(r#"{"name":" a ","config":{"x":"1","n":2,"none":null}}"#).unwrap();

        let config = [("n".to_owned(), "2".to_owned()), ("x".to_owned(), "1".to_owned())].into();
        assert_eq!(
            made,
            CreateConnector { name: "a".to_owned(), config, target: TargetState::Started }
        );
        let stopped = created(r#"{"name":"a","config":{},"initial_state":"STOPPED"}"#).unwrap();
        assert_eq!(stopped.target, TargetState::Stopped);
        let named = created(r#"{"config":{"name":"b"}}"#).unwrap();
        assert_eq!(named.name, "b");
    }

    #[test]
    fn what_is_wrong_is_said_without_a_value() {
        for (body, status, message) in [
            ("{not json", 500, "no JSON: line 1, column 2"),
            ("[]", 500, "no object"),
            (r#"{"name":"a"}"#, 500, "\"config\" is missing"),
            (r#"{"name":"a","config":{},"zzz":1}"#, 500, "Unrecognized field \"zzz\""),
            (r#"{"name":"a","config":{"x":["secret"]}}"#, 500, "\"x\" is no text"),
            (r#"{"name":"a","config":{},"initial_state":"x"}"#, 500, "RUNNING, PAUSED"),
            (r#"{"name":"a","config":{"name":"b"}}"#, 400, "(b) doesn't match"),
        ] {
            let (found, text) = created(body).unwrap_err();
            assert!(found == status && text.contains(message), "{body}: {found} {text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
