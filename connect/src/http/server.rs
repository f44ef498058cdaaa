//! Takes connections and answers them, within limits.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::router;
use crate::config::{ConfigError, Listeners};
use crate::runtime::Cluster;

/// Connections at a time. The next ones wait in the operating system's queue.
const CONNECTIONS_MAX: usize = 64;

/// Longest time for a request's head to arrive, also on a connection that is kept open.
const HEAD_WITHIN: Duration = Duration::from_secs(30);

/// Longest life of a connection: a client that sends or reads drop by drop loses it.
const CONNECTION_WITHIN: Duration = Duration::from_secs(300);

/// Longest time that a stop waits for answers that are under way.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// Listens on all addresses. One that cannot be had is an error if it was chosen, and else a
/// warning.
pub(crate) async fn bind(listeners: &Listeners) -> Result<Vec<TcpListener>, ConfigError> {
    let mut bound = Vec::new();
    for listener in &listeners.addresses {
        match TcpListener::bind((listener.host.as_str(), listener.port)).await {
            Ok(socket) => bound.push(socket),
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
    sockets: Vec<TcpListener>,
    cluster: &Arc<Cluster>,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) {
    for socket in sockets {
        let address = socket.local_addr().map(|address| address.to_string()).unwrap_or_default();
        tracing::info!(address, "http endpoint listens");
        let router = router(cluster);
        tracker.spawn(accept(socket, router, tracker.clone(), stop.clone()));
    }
}

async fn accept(
    socket: TcpListener,
    router: Router,
    tracker: TaskTracker,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: at once it would fail again.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (router, stop) = (router.clone(), stop.clone());
        tracker.spawn(async move {
            answer(stream, router, stop).await;
            drop(permit);
        });
    }
}

async fn answer(stream: TcpStream, router: Router, stop: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        biased;
        () = stop.cancelled() => {
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
