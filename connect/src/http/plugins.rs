//! The classes that there are, and whether settings fit them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{HttpError, Shared};
use crate::connector::ConnectorName;
use crate::runtime::{Classes, ConnectorSettings, Identity, build};

pub(super) async fn list(State(endpoint): Shared) -> Json<Value> {
    let plugins = endpoint.cluster.identity.classes.iter().map(|class| {
        json!({
            "class": class.java_class(),
            "type": class.kind().as_str(),
            "version": env!("CARGO_PKG_VERSION"),
        })
    });
    Json(plugins.collect())
}

/// Refuses settings that make no connector, in Kafka Connect's words.
///
/// # Errors
///
/// Returns an [`HttpError`] that names what is wrong.
pub(super) fn check(
    identity: &Identity,
    name: &str,
    settings: &ConnectorSettings,
) -> Result<(), HttpError> {
    let refused = |message: String| Err(HttpError::new(StatusCode::BAD_REQUEST, message));
    let Some(class) = settings.get("connector.class") else {
        return refused(format!("Connector config {{name={name}}} contains no connector type"));
    };
    if build::find(identity.classes, class).is_none() {
        return refused(unknown(identity.classes, class));
    }
    if name.is_empty() || name.chars().any(char::is_control) {
        let problem = "The 'name' value is invalid: it is empty or has control characters";
        return refused(invalid(&[problem.to_owned()]));
    }
    let built =
        build::build(&ConnectorName::new(name), settings, &identity.config, identity.classes);
    match built {
        Ok(_) => Ok(()),
        Err(error) => refused(invalid(&[error.to_string()])),
    }
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
