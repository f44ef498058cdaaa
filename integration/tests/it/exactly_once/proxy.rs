//! Stands between Kafka's clients and a broker, and loses what it is told to lose.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// The number of `EndTxn` in Kafka's protocol: a commit or an abort.
const END_TRANSACTION: i16 = 26;

/// What is lost of the end of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The broker's answer, and then the connection.
    AnswerAndConnection,
    /// The request, before the broker has it, and then the connection.
    RequestAndConnection,
    /// The broker's answer; the connection stays, silent.
    Answer,
    /// The request; the connection stays.
    Request,
}

impl Loss {
    fn is_request(self) -> bool {
        matches!(self, Self::Request | Self::RequestAndConnection)
    }

    fn is_connection(self) -> bool {
        matches!(self, Self::AnswerAndConnection | Self::RequestAndConnection)
    }
}

#[derive(Debug)]
struct State {
    broker: OnceLock<SocketAddr>,
    loss: Mutex<Option<Loss>>,
    lost: AtomicUsize,
}

/// A proxy that runs until the process ends.
#[derive(Debug)]
pub(super) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

impl Proxy {
    /// Starts one on a thread of its own; connections wait until it knows its broker.
    pub(super) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let state =
            State { broker: OnceLock::new(), loss: Mutex::new(None), lost: AtomicUsize::new(0) };
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (client, _) = listener.accept().await.unwrap();
                    tokio::spawn(serve(client, Arc::clone(&shared)));
                }
            });
        });
        Self { address, state }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn set_broker(&self, broker: SocketAddr) {
        self.state.broker.set(broker).unwrap();
    }

    /// What is lost of each end of a transaction from now on.
    pub(super) fn lose(&self, loss: Option<Loss>) {
        *self.state.loss.lock().unwrap() = loss;
    }

    /// How often something was lost.
    pub(super) fn lost(&self) -> usize {
        self.state.lost.load(Ordering::Relaxed)
    }
}

/// Ends of transactions whose answers are lost, by their numbers on one connection.
type Doomed = Arc<Mutex<HashSet<i32>>>;

async fn serve(client: TcpStream, state: Arc<State>) {
    let broker = loop {
        match state.broker.get() {
            Some(broker) => break *broker,
            None => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    };
    let Ok(server) = TcpStream::connect(broker).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let doomed = Doomed::default();
    // Whichever ends first ends both directions.
    tokio::select! {
        _ = requests(client_read, server_write, &state, &doomed) => {}
        _ = answers(server_read, client_write, &state, &doomed) => {}
    }
}

/// Length, number of the call, its version, number of the request.
async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &State,
    doomed: &Doomed,
) -> std::io::Result<()> {
    loop {
        let frame = frame(&mut from).await?;
        let call = i16::from_be_bytes([frame[4], frame[5]]);
        let loss = *state.loss.lock().unwrap();
        if let Some(loss) = loss.filter(|_| call == END_TRANSACTION) {
            if loss.is_request() {
                state.lost.fetch_add(1, Ordering::Relaxed);
                if loss.is_connection() {
                    return Ok(());
                }
                continue;
            }
            let number = i32::from_be_bytes(frame[8..12].try_into().unwrap());
            doomed.lock().unwrap().insert(number);
        }
        to.write_all(&frame).await?;
    }
}

/// Length, number of the request.
async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &State,
    doomed: &Doomed,
) -> std::io::Result<()> {
    loop {
        let frame = frame(&mut from).await?;
        let number = i32::from_be_bytes(frame[4..8].try_into().unwrap());
        if doomed.lock().unwrap().remove(&number) {
            state.lost.fetch_add(1, Ordering::Relaxed);
            if *state.loss.lock().unwrap() == Some(Loss::AnswerAndConnection) {
                return Ok(());
            }
            continue;
        }
        to.write_all(&frame).await?;
    }
}

/// The next message with its length before it.
async fn frame(from: &mut OwnedReadHalf) -> std::io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut frame = length.to_be_bytes().to_vec();
    frame.resize(4 + usize::try_from(length).unwrap(), 0);
    from.read_exact(&mut frame[4..]).await?;
    Ok(frame)
}
