//! The registry's HTTP API: one call, to the first of its addresses that answers.
//! <https://docs.confluent.io/platform/current/schema-registry/develop/api.html>

use std::fmt::Write;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Url};
use serde_json::{Value as Json, json};

use super::bearer::Bearer;
use super::error::{Answer, RegistryError};
use super::{Registered, RegistryConfig, SchemaId, SchemaKind, tls};

/// Longest answer that is read: our choice, far more than a schema has.
const ANSWER_MAX_BYTES: usize = 16 << 20;
/// How much of what the registry says of an error is kept.
const REASON_MAX_CHARS: usize = 1_000;
/// What the registry speaks.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// Statuses by which a registry refuses a schema and not the request: incompatible, and invalid.
pub(super) const VERDICTS_ON_SCHEMAS: [u16; 2] = [409, 422];

/// The settings that each call takes.
pub(super) struct Client {
    config: RegistryConfig,
    urls: Vec<Url>,
    /// The addresses, for messages.
    shown: String,
    http: reqwest::Client,
    bearer: Option<Bearer>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("urls", &self.shown).finish_non_exhaustive()
    }
}

/// One call.
struct Call<'a> {
    method: Method,
    path: &'a [&'a str],
    query: Option<(&'static str, &'static str)>,
    body: Option<Json>,
}

impl<'a> Call<'a> {
    fn get(path: &'a [&'a str]) -> Self {
        Self { method: Method::GET, path, query: None, body: None }
    }

    fn post(path: &'a [&'a str], body: Json) -> Self {
        Self { method: Method::POST, body: Some(body), ..Self::get(path) }
    }
}

/// A schema as it is sent: Avro's type is left out, as older registries want it.
fn supplied((kind, text): (SchemaKind, &str)) -> Json {
    match kind {
        SchemaKind::Avro => json!({ "schema": text }),
        SchemaKind::Protobuf | SchemaKind::Json => {
            json!({ "schema": text, "schemaType": kind.name() })
        }
    }
}

impl Client {
    pub(super) fn new(config: &RegistryConfig) -> Result<Self, RegistryError> {
        let settings = |problem: &str| RegistryError::Settings { problem: problem.into() };
        let urls = config.urls.iter().map(|url| {
            let url = Url::parse(url.trim_end_matches('/')).ok();
            url.filter(|url| !url.cannot_be_a_base()).ok_or_else(|| settings("no address"))
        });
        let urls = urls.collect::<Result<_, _>>()?;
        let http = tls::client(config)?;
        let (config, shown) = (config.clone(), config.urls.join(", "));
        let bearer = config.bearer.clone().map(Bearer::new);
        Ok(Self { config, urls, shown, http, bearer })
    }

    pub(super) async fn register(
        &self,
        subject: &str,
        schema: (SchemaKind, &str),
    ) -> Result<SchemaId, RegistryError> {
        let path = ["subjects", subject, "versions"];
        let mut call = Call::post(&path, supplied(schema));
        call.query = self.config.registering.normalize.then_some(("normalize", "true"));
        let answer = self.call(&call).await;
        self.id(answer, subject)
    }

    /// The id that a schema has under a subject; none if it is not there.
    pub(super) async fn look_up(
        &self,
        subject: &str,
        schema: (SchemaKind, &str),
    ) -> Result<Option<SchemaId>, RegistryError> {
        let path = ["subjects", subject];
        let mut call = Call::post(&path, supplied(schema));
        call.query = self.config.registering.normalize.then_some(("normalize", "true"));
        match self.call(&call).await {
            Err(Answer { status: Some(404), .. }) => Ok(None),
            answer => self.id(answer, subject).map(Some),
        }
    }

    fn id(&self, answer: Result<Json, Answer>, subject: &str) -> Result<SchemaId, RegistryError> {
        let id = answer.and_then(|answer| {
            let id = answer.get("id").and_then(Json::as_u64).and_then(|id| u32::try_from(id).ok());
            id.map(SchemaId).ok_or_else(|| no_answer_of_a_registry("has no id"))
        });
        id.map_err(|source| self.judge(&of_subject(subject), &VERDICTS_ON_SCHEMAS, source))
    }

    pub(super) async fn objection(
        &self,
        subject: &str,
        schema: (SchemaKind, &str),
    ) -> Result<Option<String>, RegistryError> {
        let path = ["compatibility", "subjects", subject, "versions", "latest"];
        match self.call(&Call::post(&path, supplied(schema))).await {
            Ok(answer) if answer.get("is_compatible") == Some(&Json::Bool(true)) => {
                return Ok(None);
            }
            Ok(_) => {}
            // A subject without versions takes anything; some registries have none of that name.
            Err(Answer { status: Some(404), .. }) => return Ok(None),
            Err(source) => {
                return Err(self.judge(&of_subject(subject), &VERDICTS_ON_SCHEMAS, source));
            }
        }
        // It may be one of the older versions, which are taken again.
        let known = self.look_up(subject, schema).await?;
        let objection = || format!("its schema is not compatible with subject {subject}");
        Ok(known.is_none().then(objection))
    }

    pub(super) async fn allow_all(&self, subject: &str) -> Result<(), RegistryError> {
        let body = Some(json!({ "compatibility": "NONE" }));
        let path = ["config", subject];
        let call = Call { method: Method::PUT, body, ..Call::get(&path) };
        let done = self.call(&call).await.map(drop);
        done.map_err(|source| self.judge(&of_subject(subject), &[], source))
    }

    pub(super) async fn mode(&self) -> Result<Option<String>, RegistryError> {
        let answer = match self.call(&Call::get(&["mode"])).await {
            Err(Answer { status: Some(404), .. }) => return Ok(None),
            answer => answer,
        };
        let mode = answer.and_then(|answer| {
            let mode = answer.get("mode").and_then(Json::as_str).map(str::to_owned);
            mode.ok_or_else(|| no_answer_of_a_registry("to /mode is no mode"))
        });
        mode.map(Some).map_err(|source| self.judge("its mode", &[], source))
    }

    /// A version of a subject, `latest` or a number; none if there is no such.
    pub(super) async fn version(
        &self,
        subject: &str,
        version: &str,
    ) -> Result<Option<(SchemaId, Registered)>, RegistryError> {
        let path = ["subjects", subject, "versions", version];
        let answer = match self.call(&Call::get(&path)).await {
            Err(Answer { status: Some(404), .. }) => return Ok(None),
            answer => answer,
        };
        let what = of_subject(subject);
        let found = answer.and_then(|answer| {
            let id = answer.get("id").and_then(Json::as_u64).and_then(|id| u32::try_from(id).ok());
            // An older registry says no id here, and nobody asks for it then.
            Ok((SchemaId(id.unwrap_or_default()), registered(&answer)?))
        });
        found.map(Some).map_err(|source| self.judge(&what, &[], source))
    }

    pub(super) async fn schema(&self, id: SchemaId) -> Result<Registered, RegistryError> {
        let path = id.0.to_string();
        let answer = self.call(&Call::get(&["schemas", "ids", &path])).await;
        let found = answer.and_then(|answer| registered(&answer));
        found.map_err(|source| self.judge(&format!("schema id {}", id.0), &[404], source))
    }

    /// Calls the addresses one after the other, until one has more to say than to come back later.
    async fn call(&self, call: &Call<'_>) -> Result<Json, Answer> {
        let text = "no schema registry is configured".into();
        let mut last = Answer { status: None, text };
        for url in &self.urls {
            match self.call_logged_in(url, call).await {
                Err(answer) if is_passing(answer.status) => last = answer,
                done => return done,
            }
        }
        Err(last)
    }

    /// Calls an address with a token, if there are any; with another one if it does not take the first.
    async fn call_logged_in(&self, url: &Url, call: &Call<'_>) -> Result<Json, Answer> {
        let Some(bearer) = &self.bearer else { return self.call_one(url, call, None).await };
        let token = bearer.token(&self.http, self.config.timeout).await?;
        let answer = self.call_one(url, call, Some((bearer, &token))).await;
        let is_refused = answer.as_ref().is_err_and(|answer| answer.status == Some(401));
        if !is_refused || !bearer.reject(&token) {
            return answer;
        }
        let token = bearer.token(&self.http, self.config.timeout).await?;
        self.call_one(url, call, Some((bearer, &token))).await
    }

    async fn call_one(
        &self,
        url: &Url,
        call: &Call<'_>,
        login: Option<(&Bearer, &str)>,
    ) -> Result<Json, Answer> {
        let mut url = url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(call.path);
        }
        if let Some((name, value)) = call.query {
            url.query_pairs_mut().append_pair(name, value);
        }
        let mut request = self.http.request(call.method.clone(), url).timeout(self.config.timeout);
        if let Some((user, password)) = &self.config.basic_auth {
            request = request.basic_auth(user, Some(password));
        } else if let Some((bearer, token)) = login {
            request = bearer.log_in(request, token);
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, MEDIA_TYPE).body(body.to_string());
        }
        let failed = |error: reqwest::Error| Answer { status: None, text: reason(&error) };
        let mut answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(failed)? {
            if body.len() + part.len() > ANSWER_MAX_BYTES {
                return Err(no_answer_of_a_registry("is longer than 16 MiB"));
            }
            body.extend_from_slice(&part);
        }
        let json: Option<Json> = serde_json::from_slice(&body).ok();
        if status.is_success() {
            return json.ok_or_else(|| no_answer_of_a_registry("is no JSON"));
        }
        let said = json.as_ref().and_then(|json| json.get("message")).and_then(Json::as_str);
        let mut text = format!("it answered {status}");
        if let Some(said) = said.filter(|said| !said.is_empty()) {
            text.push_str(": ");
            text.extend(said.chars().take(REASON_MAX_CHARS));
        }
        Err(Answer { status: Some(status.as_u16()), text: text.into() })
    }

    /// No status means that no whole answer came.
    fn judge(&self, what: &str, verdicts: &[u16], source: Answer) -> RegistryError {
        let (urls, what) = (self.shown.clone(), what.to_owned());
        match source.status {
            status if is_passing(status) => RegistryError::Unavailable { urls, source },
            Some(409) if verdicts.contains(&409) => RegistryError::Incompatible { what, source },
            Some(status) if verdicts.contains(&status) => RegistryError::Refused { what, source },
            Some(_) | None => RegistryError::Unusable { urls, what, source },
        }
    }
}

fn of_subject(subject: &str) -> String {
    format!("subject {subject}")
}

/// Whether another address, or the same one later, may do better.
fn is_passing(status: Option<u16>) -> bool {
    matches!(status, None | Some(429 | 500..=599))
}

/// Something answers that is no registry: a wrong address, which no waiting makes right.
fn no_answer_of_a_registry(what: &str) -> Answer {
    Answer { status: Some(406), text: format!("its answer {what}").into() }
}

/// Why no answer came, without the address, which the error around it has.
pub(super) fn reason(error: &reqwest::Error) -> Box<str> {
    let mut text = "no answer".to_owned();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let written = write!(text, ": {cause}");
        debug_assert!(written.is_ok(), "a string takes everything");
        source = cause.source();
    }
    text.into()
}

fn registered(answer: &Json) -> Result<Registered, Answer> {
    let wrong = || no_answer_of_a_registry("is no schema");
    let text = answer.get("schema").and_then(Json::as_str).ok_or_else(wrong)?;
    let kind = match answer.get("schemaType").and_then(Json::as_str) {
        None => SchemaKind::Avro,
        Some(name) => SchemaKind::of_name(name).ok_or_else(wrong)?,
    };
    let references = answer.get("references").and_then(Json::as_array).into_iter().flatten();
    let references = references.map(|reference| {
        let text = |key: &str| reference.get(key).and_then(Json::as_str).map(str::to_owned);
        let version = reference.get("version").and_then(Json::as_i64)?;
        Some((text("name")?, text("subject")?, version))
    });
    let references = references.collect::<Option<_>>().ok_or_else(wrong)?;
    Ok(Registered { kind, text: text.into(), references, imports: Vec::new() })
}

#[cfg(test)]
mod tests;
