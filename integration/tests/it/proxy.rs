//! A network that fails: a TCP proxy in this process that cuts connections, or falls silent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// All that is said arrives.
    Good,
    /// A connection ends after the server has said so many bytes.
    CutAfter(u64),
    /// What the server says does not arrive, and nobody is told.
    Silent,
    /// The same, after the server has said so many bytes in a connection.
    SilentAfter(u64),
}

/// The proxy; it ends with the test.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    network: watch::Sender<Network>,
    cuts: Arc<AtomicU64>,
}

impl Proxy {
    pub(crate) async fn start(server: SocketAddr, network: Network) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (network, state) = watch::channel(network);
        let cuts = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&cuts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (state, counter) = (state.clone(), Arc::clone(&counter));
                tokio::spawn(async move {
                    if forward(client, server, state).await {
                        counter.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        Self { address, network, cuts }
    }

    /// Changes the network, also for connections that are open.
    pub(crate) fn set(&self, network: Network) {
        self.network.send_replace(network);
    }

    /// How many connections it has cut.
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }
}

/// Carries bytes both ways; whether it has cut the connection.
async fn forward(
    mut client: TcpStream,
    server: SocketAddr,
    mut state: watch::Receiver<Network>,
) -> bool {
    let Ok(mut server) = TcpStream::connect(server).await else { return false };
    let (mut said, mut from_client, mut from_server) = (0, vec![0; 1 << 14], vec![0; 1 << 14]);
    loop {
        let network = *state.borrow_and_update();
        let left = match network {
            Network::CutAfter(limit) | Network::SilentAfter(limit) => limit.saturating_sub(said),
            Network::Good => u64::MAX,
            Network::Silent => 0,
        };
        if left == 0 && matches!(network, Network::CutAfter(_)) {
            return true;
        }
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(from_server.len());
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return false },
            read = client.read(&mut from_client) => match read {
                Ok(count) if count > 0 => {
                    if server.write_all(&from_client[..count]).await.is_err() {
                        return false;
                    }
                }
                Ok(_) | Err(_) => return false,
            },
            read = server.read(&mut from_server[..part]), if left > 0 => {
                match read {
                    Ok(count) if count > 0 => {
                        said += u64::try_from(count).unwrap();
                        if client.write_all(&from_server[..count]).await.is_err() {
                            return false;
                        }
                    }
                    Ok(_) | Err(_) => return false,
                }
            }
        }
    }
}
