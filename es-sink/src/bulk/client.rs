//! The only file that knows the `elasticsearch` crate.
//!
//! Its raw calls are used: it copies no body, knows no product check and no retries, so the same
//! calls work with Elasticsearch 7 to 9 and with OpenSearch.

use bytes::Bytes;
use elasticsearch::auth::Credentials;
use elasticsearch::http::headers::{CONTENT_TYPE, HeaderMap, HeaderValue};
use elasticsearch::http::request::Body;
use elasticsearch::http::transport::{MultiNodeConnectionPool, Transport, TransportBuilder};
use elasticsearch::http::{self, Url};
use schema::fault;
use secrecy::ExposeSecret;

use super::{SizeLimit, response};
use crate::config::Connection;
use crate::error::SinkError;
use crate::patience::Patience;

/// A connection to one cluster.
pub(crate) struct EsClient {
    transport: Transport,
    urls: Box<str>,
    limit: SizeLimit,
}

/// One request.
pub(crate) struct Request {
    method: Method,
    path: String,
    body: Option<Bytes>,
    content_type: &'static str,
}

/// What a request does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Method {
    Get,
    Put,
    Post,
    Delete,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
pub(crate) struct NoAnswer {
    pub(crate) reason: String,
    /// The connection has ended, before the time was up.
    pub(crate) was_cut: bool,
}

impl NoAnswer {
    fn of(error: &elasticsearch::Error) -> Self {
        Self { reason: fault::chain(error), was_cut: !error.is_timeout() }
    }
}

impl Request {
    /// A request with JSON or without a body.
    pub(crate) fn json(method: Method, path: String, body: Option<String>) -> Self {
        Self { method, path, body: body.map(Bytes::from), content_type: "application/json" }
    }

    /// A bulk request. The answer is cut down to what is looked at: an item's `error.reason` would
    /// quote the row.
    pub(super) fn bulk(body: Bytes) -> Self {
        let path =
            "/_bulk?filter_path=errors,error.type,items.*.status,items.*.error.type".to_owned();
        Self { method: Method::Post, path, body: Some(body), content_type: "application/x-ndjson" }
    }
}

impl Answer {
    /// Whether the same request can get another answer later.
    pub(crate) fn can_pass(&self) -> bool {
        matches!(self.status, 429 | 500..=599)
            || response::kind_can_pass(&response::error_kind(&self.body))
    }

    /// The answer in a few words, without anything of a row.
    pub(crate) fn reason(&self) -> Box<str> {
        format!("answered {} {}", self.status, response::error_kind(&self.body)).into()
    }
}

impl EsClient {
    /// Prepares the client. Nothing is sent yet.
    pub(crate) fn new(connection: &Connection) -> Result<Self, SinkError> {
        let urls = connection.urls.iter().map(|url| Url::parse(url));
        let urls = urls.collect::<Result<Vec<_>, _>>().map_err(|error| invalid(&error))?;
        let shown: Vec<_> = urls.iter().map(shown).collect();
        let pool = MultiNodeConnectionPool::round_robin(urls, None);
        let mut builder = TransportBuilder::new(pool).timeout(connection.timeout);
        if let Some(username) = &connection.username {
            let password = connection.password.expose_secret().to_owned();
            builder = builder.auth(Credentials::Basic(username.clone(), password));
        }
        let transport = builder.build().map_err(|error| invalid(&error))?;
        Ok(Self { transport, urls: shown.join(", ").into(), limit: SizeLimit::unknown() })
    }

    /// Where the cluster is, for logs.
    pub(crate) fn urls(&self) -> &str {
        &self.urls
    }

    /// How large its requests may be.
    pub(crate) fn limit(&self) -> &SizeLimit {
        &self.limit
    }

    /// Sends a request once. The error is why there is no answer.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, NoAnswer> {
        let method = match request.method {
            Method::Get => http::Method::Get,
            Method::Put => http::Method::Put,
            Method::Post => http::Method::Post,
            Method::Delete => http::Method::Delete,
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(request.content_type));
        let body = request.body.clone().map(RawBody);
        let response = self
            .transport
            .send(method, &request.path, headers, None::<&()>, body, None)
            .await
            .map_err(|error| NoAnswer::of(&error))?;
        let status = response.status_code().as_u16();
        let body = response.bytes().await.map_err(|error| NoAnswer::of(&error))?;
        Ok(Answer { status, body })
    }

    /// Whether the server answers at all just now.
    pub(super) async fn is_alive(&self) -> bool {
        let answered = self.send(&Request::json(Method::Get, "/".to_owned(), None)).await;
        answered.is_ok_and(|answer| answer.status < 500)
    }

    /// Sends a request until there is an answer that does not pass by itself.
    pub(crate) async fn ask(
        &self,
        request: &Request,
        action: &'static str,
        index: &str,
    ) -> Result<Answer, SinkError> {
        let mut patience = Patience::with_elasticsearch();
        loop {
            let reason = match self.send(request).await {
                Ok(answer) if answer.can_pass() => answer.reason(),
                Ok(answer) if matches!(answer.status, 401 | 403) => {
                    return Err(self.refusal(&answer, action, index));
                }
                Ok(answer) => {
                    patience.succeeded();
                    return Ok(answer);
                }
                Err(NoAnswer { reason, .. }) => reason.into(),
            };
            patience.wait(&self.urls, &reason).await;
        }
    }

    /// An answer as the error that it is.
    pub(crate) fn refusal(&self, answer: &Answer, action: &'static str, index: &str) -> SinkError {
        let status = answer.status;
        if matches!(status, 401 | 403) {
            return SinkError::Denied { urls: self.urls.clone(), status, action };
        }
        let kind = response::error_kind(&answer.body);
        SinkError::Refused { action, index: index.into(), status, kind }
    }
}

fn invalid(error: &dyn std::error::Error) -> SinkError {
    SinkError::Client { problem: fault::chain(error).into() }
}

/// A URL without the password that it may have.
fn shown(url: &Url) -> String {
    let mut shown = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        shown.push_str(&format!(":{port}"));
    }
    shown
}

/// Bytes that are sent as they are: the crate's own bodies copy.
struct RawBody(Bytes);

impl Body for RawBody {
    fn bytes(&self) -> Option<Bytes> {
        Some(self.0.clone())
    }

    fn write(&self, bytes: &mut bytes::BytesMut) -> Result<(), elasticsearch::Error> {
        bytes.extend_from_slice(&self.0);
        Ok(())
    }
}
