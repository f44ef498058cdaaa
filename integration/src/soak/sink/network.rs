//! The network between the sink and its server: it can be cut, or fall silent.

use std::io;
use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What it does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    Good,
    /// Those that are open end, and new ones too.
    Cut,
    /// Nothing is carried, and nobody is told.
    Silent,
}

/// A proxy in this process. Ends with the value.
pub(super) struct Proxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    listener: JoinHandle<()>,
}

impl Proxy {
    pub(super) async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (network, state) = watch::channel(Network::Good);
        let listener = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(forward(client, server, state.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, network, listener })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn cut(&self) {
        self.network.send_replace(Network::Cut);
    }

    pub(super) fn silence(&self) {
        self.network.send_replace(Network::Silent);
    }

    pub(super) fn mend(&self) {
        self.network.send_replace(Network::Good);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Carries bytes both ways, until the network is not good. What is silent stays so: its bytes are
/// lost with it.
async fn forward(mut client: TcpStream, server: SocketAddr, mut state: watch::Receiver<Network>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let mut is_silent = false;
    loop {
        let network = *state.borrow_and_update();
        is_silent |= network == Network::Silent;
        if network == Network::Cut || (is_silent && network == Network::Good) {
            return;
        }
        let carried = async {
            if is_silent {
                return std::future::pending().await;
            }
            copy_bidirectional(&mut client, &mut server).await
        };
        tokio::select! {
            biased;
            changed = state.changed() => if changed.is_err() { return },
            _ended = carried => return,
        }
    }
}
