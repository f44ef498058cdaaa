//! The way to Elasticsearch: one request to one of the nodes, and what is known of them.
//!
//! Only calls that Elasticsearch from 7.10 on and OpenSearch have in common are sent without asking
//! which of them it is ([`EsClient::server`]).

mod gzip;
mod nodes;
mod request;
pub(crate) mod server;
#[cfg(test)]
mod tests;
mod transport;

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;
use tokio::time::Instant;

pub(crate) use request::{Answer, Method, NoAnswer, Request};
pub(crate) use server::{Feature, Server};

use crate::bulk::{SizeLimit, error_kind};
use crate::config::Connection;
use crate::error::SinkError;
use crate::patience::Patience;
use nodes::{Failed, Nodes};
use transport::{Failure, Transport};

/// A connection to one cluster.
pub(crate) struct EsClient {
    transport: Transport,
    nodes: Mutex<Nodes>,
    /// What the times of `nodes` are counted from.
    started: Instant,
    urls: Box<str>,
    limit: SizeLimit,
    server: OnceCell<Server>,
}

impl EsClient {
    /// Prepares the client. Nothing is sent yet.
    pub(crate) fn new(connection: &Connection) -> Result<Self, SinkError> {
        let transport = Transport::new(connection)?;
        let shown: Vec<_> = (0..transport.count()).map(|node| transport.shown(node)).collect();
        Ok(Self {
            nodes: Mutex::new(Nodes::new(transport.count())),
            transport,
            started: Instant::now(),
            urls: shown.join(", ").into(),
            limit: SizeLimit::unknown(),
            server: OnceCell::new(),
        })
    }

    /// Where the cluster is, for logs.
    pub(crate) fn urls(&self) -> &str {
        &self.urls
    }

    /// How large its requests may be.
    pub(crate) fn limit(&self) -> &SizeLimit {
        &self.limit
    }

    /// Which server it is. It is asked once, for as long as there is no answer; cancel safe.
    ///
    /// # Errors
    ///
    /// Returns [`SinkError`] when it is none that is supported, or does not let us in.
    pub(crate) async fn server(&self) -> Result<&Server, SinkError> {
        self.server.get_or_try_init(|| self.find_server()).await
    }

    /// Sends a request once. The error is why there is no answer.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, NoAnswer> {
        let sent = self.started.elapsed();
        let node = self.nodes().choose(sent);
        let answered = self.transport.exchange(node, request).await;
        match answered {
            Ok(answer) => {
                // What stands before the node, or a node without its cluster: others may do better.
                match answer.status {
                    502..=504 => self.mark(node, sent, "answered 502 to 504"),
                    _ => self.unmark(node),
                }
                Ok(answer)
            }
            Err(Failure::Unusable(why)) => {
                self.unmark(node);
                Err(why)
            }
            Err(Failure::Away(why)) => {
                self.mark(node, sent, &why.reason);
                Err(why)
            }
        }
    }

    /// Whether the server answers at all just now.
    pub(crate) async fn is_alive(&self) -> bool {
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
        let answer = self.answer_to(request).await;
        match answer.status {
            401 | 403 => Err(self.refusal(&answer, action, index)),
            _ => Ok(answer),
        }
    }

    /// An answer as the error that it is.
    pub(crate) fn refusal(&self, answer: &Answer, action: &'static str, index: &str) -> SinkError {
        let status = answer.status;
        if matches!(status, 401 | 403) {
            return SinkError::Denied { urls: self.urls.clone(), status, action };
        }
        let kind = error_kind(&answer.body);
        SinkError::Refused { action, index: index.into(), status, kind }
    }

    async fn answer_to(&self, request: &Request) -> Answer {
        let mut patience = Patience::with_elasticsearch();
        loop {
            let reason = match self.send(request).await {
                Ok(answer) if answer.can_pass() => answer.reason(),
                Ok(answer) => {
                    patience.succeeded();
                    return answer;
                }
                Err(NoAnswer { reason, .. }) => reason.into(),
            };
            patience.wait(&self.urls, &reason).await;
        }
    }

    async fn find_server(&self) -> Result<Server, SinkError> {
        let answer = self.answer_to(&Request::json(Method::Get, "/".to_owned(), None)).await;
        let server = match answer.status {
            200 => Server::parse(&answer.body).map_err(|found| SinkError::UnknownServer {
                urls: self.urls.clone(),
                found: found.into(),
            })?,
            403 => {
                let server = Server::assumed(answer.is_elasticsearchs);
                tracing::warn!(
                    urls = &*self.urls,
                    assumed = %server,
                    hint = "give the user the cluster privilege `monitor` (OpenSearch: \
                            `cluster:monitor/main`), so that newer field types are used",
                    "elasticsearch does not tell its version"
                );
                server
            }
            _ => return Err(self.refusal(&answer, "tell its version", "/")),
        };
        let lacks = Feature::ALL.into_iter().filter(|feature| !server.has(*feature));
        let lacks: Vec<_> = lacks.map(|feature| format!("{feature:?}")).collect();
        let lacks = lacks.join(", ");
        tracing::info!(urls = &*self.urls, %server, lacks, "elasticsearch is connected");
        Ok(server)
    }

    fn mark(&self, node: usize, sent: std::time::Duration, error: &str) {
        let failed = self.nodes().failed(node, sent, self.started.elapsed());
        // One alone cannot be left out, and whoever waits for it says so.
        if let Failed::Marked(length) = failed
            && self.transport.count() > 1
        {
            let delay_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(
                node = self.transport.shown(node),
                delay_ms,
                error,
                hint = "start it, or take it out of `connection.url`; the others are used",
                "a node of elasticsearch is left out"
            );
        }
    }

    fn unmark(&self, node: usize) {
        if self.nodes().answered(node) && self.transport.count() > 1 {
            tracing::info!(
                node = self.transport.shown(node),
                "a node of elasticsearch is used again"
            );
        }
    }

    fn nodes(&self) -> MutexGuard<'_, Nodes> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
