//! The registry's HTTP API, by `schema_registry_converter`'s plain calls.

use std::borrow::Cow;
use std::time::Duration;

use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_schema_by_id, is_compatible_schema, perform_sr_call, post_schema,
};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{SchemaType, SrCall, SuppliedSchema};

use super::SchemaId;
use crate::fault::{Disposition, Fault};

/// Where the registry is and how to log in.
#[derive(Clone)]
pub struct RegistryConfig {
    /// Base URLs, tried in order. A path, as Apicurio's `/apis/ccompat/v7`, is kept.
    pub urls: Vec<String>,
    /// User and password for basic authentication.
    pub basic_auth: Option<(String, String)>,
    /// Longest time for one call. Default 10 s.
    pub timeout: Duration,
}

impl std::fmt::Debug for RegistryConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryConfig").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// A call to the schema registry failed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The settings do not make a client.
    #[error("invalid schema registry settings")]
    Settings(#[source] SRCError),
    /// No answer, or one that says to come back later.
    #[error("could not reach the schema registry at {urls}")]
    Unavailable {
        /// The URLs that were tried.
        urls: String,
        /// What the last of them did.
        #[source]
        source: SRCError,
    },
    /// What answers does not do what a registry does, or not for us: a wrong address or login.
    #[error("the schema registry at {urls} does not serve {what}")]
    Unusable {
        /// The URLs that were tried.
        urls: String,
        /// The subject or id that was asked for.
        what: String,
        /// The answer.
        #[source]
        source: SRCError,
    },
    /// The schema is not compatible with the subject's versions.
    #[error("the schema is not compatible with {what}")]
    Incompatible {
        /// The subject.
        what: String,
        /// The registry's reason.
        #[source]
        source: SRCError,
    },
    /// The registry has judged the schema, or does not know the id.
    #[error("schema registry refuses {what}")]
    Refused {
        /// The subject or id that was asked for.
        what: String,
        /// The registry's reason.
        #[source]
        source: SRCError,
    },
}

impl Fault for RegistryError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Unavailable { .. } => Disposition::Retry,
            Self::Settings(_)
            | Self::Unusable { .. }
            | Self::Incompatible { .. }
            | Self::Refused { .. } => Disposition::Halt,
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::Settings(_) => "correct `schema.registry.url`",
            Self::Unavailable { .. } => {
                "start the schema registry or correct `schema.registry.url`; rowcast keeps trying"
            }
            Self::Unusable { .. } => {
                "correct `schema.registry.url`, its path included, and \
                 `schema.registry.basic.auth.user.info`"
            }
            Self::Incompatible { .. } | Self::Refused { .. } => {
                "compare the new schema with the subject's versions and its compatibility setting"
            }
        }))
    }
}

/// The settings that each call takes.
pub(super) struct Client {
    settings: SrSettings,
    urls: String,
    config: RegistryConfig,
    http: reqwest::Client,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("urls", &self.urls).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(config: &RegistryConfig) -> Result<Self, RegistryError> {
        let mut urls = config.urls.iter().map(|url| url.trim_end_matches('/').to_owned());
        let mut builder = SrSettings::new_builder(urls.next().unwrap_or_default());
        for url in urls {
            builder.add_url(url);
        }
        builder.set_timeout(config.timeout);
        if let Some((user, password)) = &config.basic_auth {
            builder.set_basic_authorization(user, Some(password));
        }
        let settings = builder.build().map_err(RegistryError::Settings)?;
        let http = reqwest::Client::builder().build().map_err(|error| {
            RegistryError::Settings(SRCError::new(&error.to_string(), None, false))
        })?;
        Ok(Self { settings, urls: config.urls.join(", "), config: config.clone(), http })
    }

    pub(super) async fn register(
        &self,
        subject: &str,
        schema: &str,
    ) -> Result<SchemaId, RegistryError> {
        let supplied = SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned());
        post_schema(&self.settings, subject.to_owned(), supplied)
            .await
            .map(|registered| SchemaId(registered.id))
            .map_err(|source| {
                self.judge(&format!("subject {subject}"), &VERDICTS_ON_SCHEMAS, source)
            })
    }

    pub(super) async fn objection(
        &self,
        subject: &str,
        schema: &str,
    ) -> Result<Option<String>, RegistryError> {
        let supplied = SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned());
        let asked = is_compatible_schema(&self.settings, subject.to_owned(), supplied).await;
        match asked {
            Ok(true) => return Ok(None),
            Ok(false) => {}
            // A subject without versions takes anything; some registries have none of that name.
            Err(error) if status(&error.error) == Some(404) => return Ok(None),
            Err(error) => {
                return Err(self.judge(&format!("subject {subject}"), &VERDICTS_ON_SCHEMAS, error));
            }
        }
        // It may be one of the older versions, which are taken again.
        let body = serde_json::json!({ "schema": schema }).to_string();
        match perform_sr_call(&self.settings, SrCall::PostForVersion(subject, &body)).await {
            Ok(_) => Ok(None),
            Err(error) if status(&error.error) == Some(404) => {
                Ok(Some(format!("its schema is not compatible with subject {subject}")))
            }
            Err(error) => {
                Err(self.judge(&format!("subject {subject}"), &VERDICTS_ON_SCHEMAS, error))
            }
        }
    }

    /// `PUT /config/{subject}`, which the crate has no call for.
    pub(super) async fn allow_all(&self, subject: &str) -> Result<(), RegistryError> {
        let mut failed = None;
        for url in &self.config.urls {
            match self.put_compatibility(url.trim_end_matches('/'), subject).await {
                Ok(()) => return Ok(()),
                Err(error) => failed = Some(error),
            }
        }
        let none = || SRCError::new("no schema registry is configured", None, false);
        Err(self.judge(&format!("subject {subject}"), &[], failed.unwrap_or_else(none)))
    }

    async fn put_compatibility(&self, url: &str, subject: &str) -> Result<(), SRCError> {
        let mut request = self
            .http
            .put(format!("{url}/config/{subject}"))
            .header("content-type", "application/vnd.schemaregistry.v1+json")
            .timeout(self.config.timeout)
            .body(r#"{"compatibility":"NONE"}"#);
        if let Some((user, password)) = &self.config.basic_auth {
            request = request.basic_auth(user, Some(password));
        }
        let failed = |text: &str| SRCError::new(text, None, true);
        let answer = request.send().await.map_err(|error| failed(&error.to_string()))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        Err(failed(&format!("request to the schema registry failed with status {status}")))
    }

    /// `GET /mode`, which the crate has no call for.
    pub(super) async fn mode(&self) -> Result<Option<String>, RegistryError> {
        let mut failed = None;
        for url in &self.config.urls {
            match self.get_mode(url.trim_end_matches('/')).await {
                Ok(mode) => return Ok(Some(mode)),
                Err(error) if status(&error.error) == Some(404) => return Ok(None),
                Err(error) => failed = Some(error),
            }
        }
        let none = || SRCError::new("no schema registry is configured", None, false);
        Err(self.judge("its mode", &[], failed.unwrap_or_else(none)))
    }

    async fn get_mode(&self, url: &str) -> Result<String, SRCError> {
        let mut request = self.http.get(format!("{url}/mode")).timeout(self.config.timeout);
        if let Some((user, password)) = &self.config.basic_auth {
            request = request.basic_auth(user, Some(password));
        }
        let failed = |text: &str| SRCError::new(text, None, true);
        let answer = request.send().await.map_err(|error| failed(&error.to_string()))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(failed(&format!(
                "request to the schema registry failed with status {status}"
            )));
        }
        let body = answer.text().await.map_err(|error| failed(&error.to_string()))?;
        let mode: Option<Mode> = serde_json::from_str(&body).ok();
        let what = "failed with status 406: the answer to /mode is no mode";
        mode.map(|mode| mode.mode).ok_or_else(|| failed(what))
    }

    pub(super) async fn latest(&self, subject: &str) -> Result<Option<String>, RegistryError> {
        match perform_sr_call(&self.settings, SrCall::GetLatest(subject)).await {
            Ok(registered) => Ok(registered.schema),
            Err(error) if status(&error.error) == Some(404) => Ok(None),
            Err(error) => Err(self.judge(&format!("subject {subject}"), &[], error)),
        }
    }

    pub(super) async fn schema(&self, id: SchemaId) -> Result<String, RegistryError> {
        get_schema_by_id(id.0, &self.settings)
            .await
            .map(|registered| registered.schema)
            .map_err(|source| self.judge(&format!("schema id {}", id.0), &[404], source))
    }

    /// The crate keeps the HTTP status in its message only, and counts 429, 500 and 504 as final.
    /// No status means that no whole answer came.
    fn judge(&self, what: &str, verdicts: &[u16], source: SRCError) -> RegistryError {
        let (urls, what) = (self.urls.clone(), what.to_owned());
        match status(&source.error) {
            None | Some(429 | 500..=599) => RegistryError::Unavailable { urls, source },
            Some(409) if verdicts.contains(&409) => RegistryError::Incompatible { what, source },
            Some(status) if verdicts.contains(&status) => RegistryError::Refused { what, source },
            Some(_) => RegistryError::Unusable { urls, what, source },
        }
    }
}

/// The answer to `GET /mode`.
#[derive(serde::Deserialize)]
struct Mode {
    mode: String,
}

/// Statuses by which a registry refuses a schema and not the request: incompatible, and invalid.
const VERDICTS_ON_SCHEMAS: [u16; 2] = [409, 422];

/// The HTTP status in "HTTP request to schema registry failed with status 409 Conflict".
fn status(message: &str) -> Option<u16> {
    let (_, status) = message.rsplit_once("failed with status ")?;
    status.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_found_in_the_crates_message() {
        let message = "HTTP request to schema registry failed with status 409 Conflict";

        assert_eq!(status(message), Some(409));
        assert_eq!(status("error sending request"), None);
    }

    #[test]
    fn only_a_verdict_on_the_schema_is_a_refusal() {
        let config = RegistryConfig {
            urls: vec!["http://registry".to_owned()],
            basic_auth: None,
            timeout: Duration::from_secs(1),
        };
        let client = Client::new(&config).unwrap();
        let judged = |message: &str| {
            let source = SRCError::new(message, None, false);
            client.judge("subject s", &VERDICTS_ON_SCHEMAS, source)
        };
        let failed = |status: &str| judged(&format!("request failed with status {status}"));

        assert!(matches!(failed("409 Conflict"), RegistryError::Incompatible { .. }));
        assert!(matches!(failed("422 Unprocessable Entity"), RegistryError::Refused { .. }));
        // A wrong path or login must never park a table.
        for status in ["401 Unauthorized", "403 Forbidden", "404 Not Found", "405 Method"] {
            assert!(matches!(failed(status), RegistryError::Unusable { .. }), "{status}");
        }
        for status in ["429 Too Many Requests", "503 Service Unavailable"] {
            assert!(matches!(failed(status), RegistryError::Unavailable { .. }), "{status}");
        }
        assert!(matches!(judged("connection refused"), RegistryError::Unavailable { .. }));
    }
}
