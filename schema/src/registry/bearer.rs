//! Tokens for the registry: one that is given, or those that an OAuth server issues for an id and a
//! secret (client credentials, RFC 6749 §4.4), as Confluent's clients have it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, Url};
use serde_json::Value as Json;
use tokio::time::Instant;

use super::error::Answer;

/// Longest answer that is read: our choice, far more than a token has.
const ANSWER_MAX_BYTES: usize = 1 << 20;
/// Errors of RFC 6749 §5.2. Nothing else of an answer is shown: it may repeat what it was sent.
const CODES: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// What is sent as a bearer's token (`bearer.auth.*`). Never printed.
#[derive(Clone)]
pub struct BearerConfig {
    /// `bearer.auth.credentials.source`: where tokens come from.
    pub source: TokenSource,
    /// `bearer.auth.logical.cluster`: the header `target-sr-cluster`.
    pub logical_cluster: Option<String>,
    /// `bearer.auth.identity.pool.id`: the header `Confluent-Identity-Pool-Id`.
    pub identity_pool: Option<String>,
}

/// Where tokens come from.
#[derive(Clone)]
pub enum TokenSource {
    /// `STATIC_TOKEN`: one that does not change.
    Static(String),
    /// `OAUTHBEARER`: an OAuth server.
    Issuer(IssuerConfig),
}

/// An OAuth server, and who we are there.
#[derive(Clone)]
pub struct IssuerConfig {
    /// `bearer.auth.issuer.endpoint.url`.
    pub url: String,
    /// `bearer.auth.client.id`.
    pub client_id: String,
    /// `bearer.auth.client.secret`.
    pub client_secret: String,
    /// `bearer.auth.scope`.
    pub scope: Option<String>,
    /// `bearer.auth.cache.expiry.buffer.seconds`: how long before it expires a token is replaced.
    /// Confluent's default is 300 s; of a token that is not valid for so long, the last fifth.
    pub expiry_buffer: Duration,
}

/// The login of a client, with the token that it has.
pub(super) struct Bearer {
    config: BearerConfig,
    issued: Mutex<Option<Issued>>,
}

#[derive(Clone)]
struct Issued {
    token: String,
    /// When it is replaced; never if nothing says how long it is valid.
    until: Option<Instant>,
}

impl Bearer {
    pub(super) fn new(config: BearerConfig) -> Self {
        Self { config, issued: Mutex::default() }
    }

    /// The token of the next call.
    pub(super) async fn token(
        &self,
        http: &reqwest::Client,
        timeout: Duration,
    ) -> Result<String, Answer> {
        let issuer = match &self.config.source {
            TokenSource::Static(token) => return Ok(token.clone()),
            TokenSource::Issuer(issuer) => issuer,
        };
        let known = self.issued.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(issued) = known.filter(Issued::is_valid) {
            return Ok(issued.token);
        }
        // Two calls at once may ask twice, which is no harm.
        let issued = issuer.issue(http, timeout).await?;
        let token = issued.token.clone();
        *self.issued.lock().unwrap_or_else(PoisonError::into_inner) = Some(issued);
        Ok(token)
    }

    /// Forgets a token that the registry did not take. Whether there can be another one.
    pub(super) fn reject(&self, token: &str) -> bool {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.take_if(|issued| issued.token == token);
        matches!(self.config.source, TokenSource::Issuer(_))
    }

    /// A request with a token.
    pub(super) fn log_in(&self, request: RequestBuilder, token: &str) -> RequestBuilder {
        let mut request = request.bearer_auth(token);
        let headers = [
            ("target-sr-cluster", &self.config.logical_cluster),
            ("Confluent-Identity-Pool-Id", &self.config.identity_pool),
        ];
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        request
    }
}

impl Issued {
    fn is_valid(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

impl IssuerConfig {
    async fn issue(&self, http: &reqwest::Client, timeout: Duration) -> Result<Issued, Answer> {
        let mut form = Url::parse(&self.url).map_err(|_| self.refused("has no address"))?;
        let url = form.clone();
        // The pairs of an address are those of a form.
        form.set_query(None);
        form.query_pairs_mut().append_pair("grant_type", "client_credentials");
        if let Some(scope) = &self.scope {
            form.query_pairs_mut().append_pair("scope", scope);
        }
        let body = form.query().unwrap_or_default().to_owned();
        let request = http.post(url).timeout(timeout);
        let request = request.basic_auth(&self.client_id, Some(&self.client_secret));
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        let failed = |error: reqwest::Error| Answer {
            status: None,
            text: format!("no token of {}: {}", self.url, super::client::reason(&error)).into(),
        };
        let mut answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(failed)? {
            if body.len() + part.len() > ANSWER_MAX_BYTES {
                return Err(self.refused("answers with more than 1 MiB"));
            }
            body.extend_from_slice(&part);
        }
        let json: Option<Json> = serde_json::from_slice(&body).ok();
        let text = |key: &str| json.as_ref()?.get(key)?.as_str();
        if !status.is_success() {
            let code = text("error").filter(|code| CODES.contains(code));
            let code = code.map(|code| format!(": {code}")).unwrap_or_default();
            let refused = self.refused(&format!("answered {status}{code}"));
            let is_passing = status.is_server_error() || status.as_u16() == 429;
            return Err(Answer { status: refused.status.filter(|_| !is_passing), ..refused });
        }
        let token = text("access_token").filter(|token| is_token(token));
        let token = token.ok_or_else(|| self.refused("answers with no `access_token`"))?;
        let seconds = json.as_ref().and_then(|json| json.get("expires_in")).and_then(seconds);
        let valid = seconds.or_else(|| valid_for(token));
        Ok(Issued { token: token.to_owned(), until: valid.map(|valid| self.end_of(valid)) })
    }

    fn end_of(&self, valid: Duration) -> Instant {
        let buffer = self.expiry_buffer.min(valid / 5);
        Instant::now() + valid.saturating_sub(buffer)
    }

    /// No waiting makes it right: as if the registry had not let us in.
    fn refused(&self, what: &str) -> Answer {
        let text = format!("no token of {}, which {what}", self.url);
        Answer { status: Some(401), text: text.into() }
    }
}

/// Whether a token can stand in a header.
fn is_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Some servers write the number as a text. More than a year is as good as a year.
fn seconds(json: &Json) -> Option<Duration> {
    const YEAR: u64 = 365 * 86_400;
    let seconds = json.as_u64().or_else(|| json.as_str()?.parse().ok())?;
    Some(Duration::from_secs(seconds.min(YEAR)))
}

/// For how long a JSON Web Token was issued, by its claims `iat` and `exp`. It was issued now, so that
/// no clock of ours has to agree with that of the server.
fn valid_for(token: &str) -> Option<Duration> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Json = serde_json::from_slice(&claims).ok()?;
    let moment = |name: &str| claims.get(name)?.as_u64();
    seconds(&Json::from(moment("exp")?.saturating_sub(moment("iat")?)))
}
