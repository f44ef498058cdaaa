//! The layer around all routes: asks the [`Gate`], and writes down what the audit log is for.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::HttpError;
use super::audit::{Audit, BodyCopy, Entry, Outcome};
use super::auth::{Asked, Caller, Gate, Refusal};

/// Who is at the other end of a connection; the server puts it among a request's extensions.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// The common name of its certificate.
    pub(super) certificate: Option<Arc<str>>,
}

/// What stands before all routes.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) gate: Arc<Gate>,
    pub(super) audit: Audit,
}

impl Guard {
    /// Puts itself around a router, whatever its routes are.
    pub(super) fn around(self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(Arc::new(self), watch))
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        let status = self.gate.status(refusal);
        let mut response = HttpError::new(status, refusal.message()).into_response();
        if status == StatusCode::UNAUTHORIZED {
            for challenge in self.gate.challenges() {
                let value = HeaderValue::from_static(challenge);
                response.headers_mut().append(WWW_AUTHENTICATE, value);
            }
        }
        response
    }
}

async fn watch(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let peer = request.extensions().get::<Peer>().cloned();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let asked = Asked { method: &method, path: uri.path(), headers: request.headers() };
    let reads = asked.reads();
    let certificate = peer.as_ref().and_then(|peer| peer.certificate.as_deref());
    let admitted = guard.gate.admit(asked, certificate).await;

    let address = peer.map(|peer| peer.address.to_string()).unwrap_or_default();
    let entry = Entry::new(address, Outcome::Unanswered).asked(&method, &uri);
    let mut record = Record::new(guard.audit.clone(), entry, started);
    let caller = match admitted {
        Ok(caller) => caller,
        Err(refusal) => {
            let response = guard.refuse(&refusal);
            record.refused(&refusal, response.status());
            return response;
        }
    };
    record.by(&caller);
    request.extensions_mut().insert(caller);
    if reads {
        // Reading is not written down, unless a handler refuses it, nor is a reader that leaves.
        record.forget();
        let response = next.run(request).await;
        record.answered_to_reader(response.status());
        return response;
    }
    let (parts, body) = request.into_parts();
    let (body, copy) = BodyCopy::of(body);
    record.copy = copy;
    let response = next.run(Request::from_parts(parts, body)).await;
    record.answered(response.status());
    response
}

/// An entry that is written in any case: if the client goes away, its request ends where it is,
/// and what it has changed by then is changed.
struct Record {
    audit: Audit,
    entry: Entry,
    copy: BodyCopy,
    started: Instant,
    is_open: bool,
}

impl Record {
    fn new(audit: Audit, entry: Entry, started: Instant) -> Self {
        Self { audit, entry, copy: BodyCopy::default(), started, is_open: true }
    }

    fn by(&mut self, caller: &Caller) {
        self.entry.user.clone_from(&caller.name);
        self.entry.role = Some(caller.role.as_str());
    }

    fn refused(&mut self, refusal: &Refusal, status: StatusCode) {
        self.entry.reason = Some(refusal.reason().to_owned());
        self.entry.user = refusal.name().map(str::to_owned);
        self.answered(status);
    }

    fn forget(&mut self) {
        self.is_open = false;
    }

    fn answered_to_reader(&mut self, status: StatusCode) {
        if is_refusal(status) {
            self.is_open = true;
            self.answered(status);
        }
    }

    fn answered(&mut self, status: StatusCode) {
        self.entry.outcome = match status {
            status if is_refusal(status) => Outcome::Refused,
            status if status.is_client_error() || status.is_server_error() => Outcome::Failed,
            _ => Outcome::Done,
        };
        self.entry.status = Some(status.as_u16());
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.is_open {
            self.entry.keys = self.copy.keys();
            let elapsed = self.started.elapsed().as_millis();
            self.entry.elapsed_ms = u64::try_from(elapsed).unwrap_or(u64::MAX);
            self.audit.record(&self.entry);
        }
    }
}

fn is_refusal(status: StatusCode) -> bool {
    status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN
}
