//! What is said to Vault: the login, its renewal, and secrets.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, Client, Method, RequestBuilder};
use schema::fault::chain;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Login, Secret, VaultConfig, VaultError};
use crate::backoff::Backoff;

/// Longest wait for one answer; Vault's take milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How often a request is tried whose failure may pass.
const ATTEMPTS: u32 = 4;

/// Largest answer: Vault's own limit of an entry is 1 MiB.
const ANSWER_MAX_BYTES: usize = 2 << 20;

/// Shortest time between two renewals.
const RENEW_EVERY_MIN: Duration = Duration::from_secs(1);

/// A client, and the token that it has.
pub(super) struct Session {
    config: VaultConfig,
    client: Client,
    token: Option<Token>,
}

struct Token {
    text: SecretString,
    /// None if it never ends, or cannot be renewed.
    renews_at: Option<Instant>,
    ends_at: Option<Instant>,
    /// For how long it was given.
    lease: Duration,
}

impl Session {
    /// Connects to nothing.
    pub(super) fn new(config: VaultConfig) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        // Vault's agents can be told to refuse requests without it: no web page can send it.
        headers.insert("x-vault-request", HeaderValue::from_static("true"));
        if let Some(namespace) = &config.namespace {
            let value = HeaderValue::from_str(namespace);
            let value = value.map_err(|_| "has a vault.namespace that is no name".to_owned())?;
            headers.insert("x-vault-namespace", value);
        }
        let mut client = Client::builder()
            .default_headers(headers)
            .timeout(ANSWER_WITHIN)
            .redirect(Policy::custom(follow));
        if let Some(authorities) = &config.authorities {
            let found = Certificate::from_pem_bundle(authorities.as_bytes());
            let found = found.map_err(|_| "has a vault.pem that cannot be read".to_owned())?;
            client = client.tls_certs_only(found);
        }
        let client = client.build().map_err(|error| chain(&error.without_url()))?;
        Ok(Self { config, client, token: None })
    }

    /// When the token has to be renewed.
    pub(super) fn renews_at(&self) -> Option<Instant> {
        self.token.as_ref()?.renews_at
    }

    /// Reads a secret; what may pass is tried a few times.
    pub(super) async fn read(&mut self, path: &str) -> Result<Secret, VaultError> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        loop {
            match self.read_once(path).await {
                Err(error) if error.passes() && backoff.attempts() + 1 < ATTEMPTS => {
                    tokio::time::sleep(backoff.next_delay()).await;
                }
                read => return read,
            }
        }
    }

    async fn read_once(&mut self, path: &str) -> Result<Secret, VaultError> {
        let had_token = self.token.is_some();
        let token = self.token().await?;
        match self.secret(path, &token).await {
            // It may have ended or been revoked, and with a role there is another one.
            Err(VaultError::Denied) if had_token && self.config.login.makes_tokens() => {
                self.token = None;
                let token = self.token().await?;
                self.secret(path, &token).await
            }
            read => read,
        }
    }

    async fn secret(&self, path: &str, token: &SecretString) -> Result<Secret, VaultError> {
        let path = self.config.api_path(path);
        let answer = ask(self.request(Method::GET, &path, Some(token))).await?;
        let lease = duration(answer.get("lease_duration"));
        let mut data = answer.get("data").ok_or(VaultError::Answer)?;
        if self.config.is_versioned {
            // A deleted version has metadata and no data.
            data = data.get("data").ok_or(VaultError::Answer)?;
        }
        let data = data.as_object().ok_or(VaultError::Answer)?;
        let values = data.iter().map(|(key, value)| (key.clone(), text(value).into())).collect();
        Ok(Secret { values, valid_for: lease.or(self.config.ttl) })
    }

    /// The token, which an `AppRole` makes if there is none.
    async fn token(&mut self) -> Result<SecretString, VaultError> {
        let has_ended = |token: &Token| token.ends_at.is_some_and(|end| end <= Instant::now());
        if self.config.login.makes_tokens() && self.token.as_ref().is_some_and(has_ended) {
            self.token = None;
        }
        if let Some(token) = &self.token {
            return Ok(token.text.clone());
        }
        let token = match &self.config.login {
            Login::Token(text) => self.given(text).await?,
            Login::AppRole { mount, role, secret } => self.log_in(mount, (role, secret)).await?,
        };
        let text = token.text.clone();
        self.token = Some(token);
        Ok(text)
    }

    /// Asks how long a token lasts. One that may not ask that is used as it is.
    async fn given(&self, text: &SecretString) -> Result<Token, VaultError> {
        let request = self.request(Method::GET, "auth/token/lookup-self", Some(text));
        let answer = match ask(request).await {
            Ok(answer) => answer,
            Err(VaultError::Denied) => Value::Null,
            Err(error) => return Err(error),
        };
        let data = answer.get("data").unwrap_or(&Value::Null);
        Ok(Token::new(text.clone(), data.get("ttl"), data.get("renewable")))
    }

    async fn log_in(
        &self,
        mount: &str,
        (role, secret): (&SecretString, &SecretString),
    ) -> Result<Token, VaultError> {
        let request = self.request(Method::POST, &format!("auth/{mount}/login"), None);
        let body = json!({ "role_id": role.expose_secret(), "secret_id": secret.expose_secret() });
        let answer = ask(request.json(&body)).await.map_err(|error| match error {
            VaultError::Denied => VaultError::Login(403),
            VaultError::Missing => VaultError::Login(404),
            VaultError::Status(status) => VaultError::Login(status),
            VaultError::Sealed
            | VaultError::Login(_)
            | VaultError::Unavailable(_)
            | VaultError::Certificate
            | VaultError::Unreachable
            | VaultError::Slow
            | VaultError::Answer
            | VaultError::Busy => error,
        })?;
        let auth = answer.get("auth").ok_or(VaultError::Answer)?;
        let text = auth.get("client_token").and_then(Value::as_str).ok_or(VaultError::Answer)?;
        let text = SecretString::from(text);
        Ok(Token::new(text, auth.get("lease_duration"), auth.get("renewable")))
    }

    /// Makes the token last longer. What fails is tried again until the token ends.
    pub(super) async fn renew(&mut self) {
        let Some(token) = &self.token else { return };
        let request = self.request(Method::POST, "auth/token/renew-self", Some(&token.text));
        let renewed = ask(request.json(&json!({}))).await;
        let now = Instant::now();
        let Some(token) = &mut self.token else { return };
        match renewed {
            Ok(answer) => {
                let auth = answer.get("auth").unwrap_or(&Value::Null);
                let text = token.text.clone();
                let first = token.lease;
                *token = Token::new(text, auth.get("lease_duration"), auth.get("renewable"));
                // Near the longest life that Vault allows it, it gives less and less.
                if token.lease < first / 2 {
                    token.renews_at = None;
                    let left_ms = token.lease.as_millis();
                    tracing::info!(left_ms, "a token of Vault has been renewed for the last time");
                }
            }
            Err(VaultError::Denied) if self.config.login.makes_tokens() => self.token = None,
            Err(error) => {
                let left = token.ends_at.map_or(Duration::ZERO, |end| end.duration_since(now));
                let next = now + (left / 2).max(RENEW_EVERY_MIN);
                token.renews_at = token.ends_at.is_some_and(|end| next < end).then_some(next);
                let (left_ms, error) = (left.as_millis(), error.to_string());
                let hint = "look whether Vault is there and lets the token renew itself";
                tracing::warn!(left_ms, error, hint, "a token of Vault cannot be renewed");
            }
        }
    }

    fn request(&self, method: Method, path: &str, token: Option<&SecretString>) -> RequestBuilder {
        let url = format!("{}/v1/{path}", self.config.address);
        let request = self.client.request(method, url);
        // What is no header's text is no token either; Vault denies it.
        let value = token.and_then(|it| HeaderValue::from_str(it.expose_secret()).ok());
        match value {
            Some(mut value) => {
                value.set_sensitive(true);
                request.header("x-vault-token", value)
            }
            None => request,
        }
    }
}

impl Login {
    fn makes_tokens(&self) -> bool {
        matches!(self, Self::AppRole { .. })
    }
}

impl VaultConfig {
    /// KV v2 has `data` between the mount and the path; who writes it himself is understood too.
    fn api_path(&self, path: &str) -> String {
        let encoded: Vec<_> =
            path.trim_matches('/').split('/').map(crate::http::client::segment).collect();
        match encoded.split_first() {
            Some((mount, rest))
                if self.is_versioned && rest.first().is_none_or(|it| it != "data") =>
            {
                format!("{mount}/data/{}", rest.join("/"))
            }
            Some(_) | None => encoded.join("/"),
        }
    }
}

impl Token {
    fn new(text: SecretString, ttl: Option<&Value>, is_renewable: Option<&Value>) -> Self {
        let now = Instant::now();
        let lease = duration(ttl);
        let is_renewable = is_renewable.and_then(Value::as_bool) == Some(true);
        // Two thirds, as Vault's own agent does: time is left to try again.
        let renews_in = lease.filter(|_| is_renewable).map(|ttl| ttl * 2 / 3);
        Self {
            text,
            renews_at: renews_in.map(|wait| now + wait.max(RENEW_EVERY_MIN)),
            ends_at: lease.map(|ttl| now + ttl),
            lease: lease.unwrap_or_default(),
        }
    }
}

/// Seconds; none for zero, which means for ever. At most a year, that sums do not overflow.
fn duration(seconds: Option<&Value>) -> Option<Duration> {
    let seconds = seconds.and_then(Value::as_u64).filter(|seconds| *seconds > 0);
    seconds.map(|seconds| Duration::from_secs(seconds.min(31_536_000)))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Once, from a server in standby to the active one, and never from https to http: as Vault's own
/// client.
fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let was_https = attempt.previous().first().is_some_and(|url| url.scheme() == "https");
    if attempt.previous().len() > 1 || (was_https && attempt.url().scheme() != "https") {
        attempt.stop()
    } else {
        attempt.follow()
    }
}

async fn ask(request: RequestBuilder) -> Result<Value, VaultError> {
    let mut answer = request.send().await.map_err(|error| transport(&error))?;
    match answer.status().as_u16() {
        200..=299 => {}
        403 => return Err(VaultError::Denied),
        404 => return Err(VaultError::Missing),
        503 => return Err(VaultError::Sealed),
        // 412: a replica does not have yet what the token was made with.
        status @ (412 | 429 | 500..) => return Err(VaultError::Unavailable(status)),
        status => return Err(VaultError::Status(status)),
    }
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(|error| transport(&error))? {
        if body.len() + part.len() > ANSWER_MAX_BYTES {
            return Err(VaultError::Answer);
        }
        body.extend_from_slice(&part);
    }
    serde_json::from_slice(&body).map_err(|_| VaultError::Answer)
}

fn transport(error: &reqwest::Error) -> VaultError {
    if error.is_timeout() {
        return VaultError::Slow;
    }
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(found) = cause {
        // rustls has no type of its own at this place: it is inside of an `io::Error`.
        if found.to_string().contains("certificate") {
            return VaultError::Certificate;
        }
        cause = found.source();
    }
    VaultError::Unreachable
}
