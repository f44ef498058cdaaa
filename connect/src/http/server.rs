//! Takes connections and answers them, within limits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{Request, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::audit::{Audit, Entry, Outcome};
use super::auth::Gate;
use super::guard::{Guard, Peer};
use super::router;
use super::tls::{self, Tls};
use crate::config::{ConfigError, HttpSecurity, Listeners};
use crate::runtime::Cluster;

/// Connections at a time. The next ones wait in the operating system's queue.
const CONNECTIONS_MAX: usize = 64;

/// Longest time for a request's head to arrive, also on a connection that is kept open, and for
/// TLS to be agreed on.
const HEAD_WITHIN: Duration = Duration::from_secs(30);

/// Longest life of a connection: a client that sends or reads drop by drop loses it.
const CONNECTION_WITHIN: Duration = Duration::from_secs(300);

/// Longest time that a stop waits for answers that are under way.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// An address that is listened on.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: TcpListener,
    is_https: bool,
    door: Arc<Door>,
}

impl Socket {
    /// Where it listens.
    pub(crate) fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// What all addresses have in common: their files have been read.
#[derive(Debug)]
struct Door {
    security: HttpSecurity,
    tls: Option<Arc<Tls>>,
    gate: Arc<Gate>,
}

impl Door {
    fn open(security: &HttpSecurity) -> Result<Self, ConfigError> {
        if let Some(path) = &security.audit_log {
            Audit::check(path)?;
        }
        let tls = security.tls.as_ref().map(tls::load).transpose()?.map(Arc::new);
        let gate = Arc::new(Gate::open(&security.authentication)?);
        Ok(Self { security: security.clone(), tls, gate })
    }

    /// Starts what reads its files again and what writes the audit log.
    fn start(&self, tracker: &TaskTracker, stop: &CancellationToken) -> Guard {
        if let Some(tls) = &self.tls {
            tracker.spawn(Arc::clone(tls).keep(stop.clone()));
        }
        self.gate.keep(tracker, stop);
        let audit = Audit::start(self.security.audit_log.as_deref(), tracker);
        Guard { gate: Arc::clone(&self.gate), audit }
    }
}

/// Reads what the addresses need, and listens on all of them. One that cannot be had is an error
/// if it was chosen, and else a warning.
pub(crate) async fn bind(listeners: &Listeners) -> Result<Vec<Socket>, ConfigError> {
    let door = Arc::new(Door::open(&listeners.security)?);
    let mut bound = Vec::new();
    for listener in &listeners.addresses {
        match TcpListener::bind((listener.host.as_str(), listener.port)).await {
            Ok(socket) => {
                let (is_https, door) = (listener.is_https, Arc::clone(&door));
                bound.push(Socket { listener: socket, is_https, door });
            }
            Err(error) if listeners.is_chosen => {
                let problem = format!("has {listener}, which cannot be listened on: {error}");
                return Err(ConfigError::new("listeners", problem));
            }
            Err(error) => tracing::warn!(
                address = %listener,
                error = %error,
                hint = "set `listeners` to a free address, or to nothing for no endpoint",
                "no http endpoint: its default address cannot be listened on"
            ),
        }
    }
    Ok(bound)
}

/// Answers until `stop` is cancelled.
pub(crate) fn serve(
    sockets: Vec<Socket>,
    cluster: &Arc<Cluster>,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) {
    let Some(first) = sockets.first() else { return };
    let guard = first.door.start(tracker, stop);
    warn_of_open_doors(&sockets);
    for socket in sockets {
        let address = socket.local_addr().map(|address| address.to_string()).unwrap_or_default();
        tracing::info!(address, https = socket.is_https, "http endpoint listens");
        let router = guard.clone().around(router(cluster));
        let server = Server {
            router,
            tls: socket.door.tls.clone().filter(|_| socket.is_https),
            audit: guard.audit.clone(),
            stop: stop.clone(),
        };
        tracker.spawn(accept(socket.listener, server, tracker.clone()));
    }
}

/// Says once what everybody on the network may do, or read.
fn warn_of_open_doors(sockets: &[Socket]) {
    let is_far =
        |socket: &&Socket| socket.local_addr().is_ok_and(|address| !address.ip().is_loopback());
    let shown = |socket: &Socket| socket.local_addr().map_or(String::new(), |it| it.to_string());
    let far: Vec<_> = sockets.iter().filter(is_far).collect();
    let asks = |socket: &&&Socket| socket.door.security.asks(socket.is_https);
    if let Some(open) = far.iter().find(|socket| !asks(socket)) {
        tracing::warn!(
            address = shown(open),
            hint = "set `rest.authentication`, or let `listeners` have addresses of this machine",
            "whoever reaches the http endpoint may change everything: it asks for no login"
        );
    }
    let sends_secrets = |socket: &&&Socket| !socket.is_https && socket.door.gate.has_secrets();
    if let Some(plain) = far.iter().find(sends_secrets) {
        tracing::warn!(
            address = shown(plain),
            hint = "let `listeners` have https:// addresses",
            "passwords and tokens for the http endpoint go over the network as they are"
        );
    }
}

/// What answers the connections of one address.
#[derive(Clone)]
struct Server {
    router: Router,
    tls: Option<Arc<Tls>>,
    audit: Audit,
    stop: CancellationToken,
}

async fn accept(listener: TcpListener, server: Server, tracker: TaskTracker) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let accepted = tokio::select! {
            biased;
            () = server.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, address)) = accepted else {
            // Out of file descriptors, most likely: at once it would fail again.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let server = server.clone();
        tracker.spawn(async move {
            server.answer(stream, address).await;
            drop(permit);
        });
    }
}

impl Server {
    async fn answer(self, stream: TcpStream, address: SocketAddr) {
        let Some(tls) = &self.tls else {
            return self.answer_on(stream, Peer { address, certificate: None }).await;
        };
        let acceptor = tls.current();
        let agreed = tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            agreed = tokio::time::timeout(HEAD_WITHIN, acceptor.accept(stream)) => agreed,
        };
        match agreed {
            Ok(Ok(stream)) => {
                let certificate = tls::common_name(&stream).map(Arc::from);
                self.answer_on(stream, Peer { address, certificate }).await;
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "a tls handshake failed");
                let Some(reason) = tls::refusal(&error) else { return };
                let entry = Entry::new(address.to_string(), Outcome::Refused);
                self.audit.record(&Entry { reason: Some(reason.to_owned()), ..entry });
            }
            Err(_) => tracing::debug!("a tls handshake took too long"),
        }
    }

    async fn answer_on<S>(self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = TowerToHyperService::new(self.router);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            leave_slash_out(&mut request);
            router.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            biased;
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::time::timeout(STOP_WITHIN, connection).await
            }
            ended = tokio::time::timeout(CONNECTION_WITHIN, connection.as_mut()) => ended,
        };
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "an http connection failed"),
            Err(_) => tracing::debug!("an http connection took too long"),
        }
    }
}

/// Takes a path that ends in a slash as the same without, as Kafka Connect does: Debezium's tutorial
/// posts to `/connectors/`. Before anything looks at the path, also at who may ask for it.
fn leave_slash_out<B>(request: &mut Request<B>) {
    let path = request.uri().path();
    let Some(rest) = path.strip_suffix('/').filter(|rest| !rest.is_empty()) else { return };
    let rest = match request.uri().query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    if let Ok(uri) = rest.parse::<Uri>() {
        *request.uri_mut() = uri;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slash_at_the_end_of_a_path_is_as_none() {
        for (path, expected) in [
            ("/connectors/", "/connectors"),
            ("/connectors/?expand=info", "/connectors?expand=info"),
            ("/connectors/a%2Fb/status/", "/connectors/a%2Fb/status"),
            ("/connectors", "/connectors"),
            ("/", "/"),
        ] {
            let mut request = Request::builder().uri(path).body(()).unwrap();

            leave_slash_out(&mut request);

            assert_eq!(request.uri().to_string(), expected);
        }
    }
}
