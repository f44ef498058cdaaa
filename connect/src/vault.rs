//! Secrets of `HashiCorp` Vault, read when settings are replaced.
//!
//! A thread of its own asks the server, one request after the other: settings are read where nothing
//! may wait on a runtime, and a token has to be renewed while nobody asks.

mod session;

use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::session::Session;

/// Longest wait for a secret, with all that are before it: a start is tried again later, and a
/// request of the REST API must be answered within 30 s.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// Secrets that wait at most: more than a worker's connectors need at once.
const WAITING_MAX: usize = 256;

/// Where Vault is, and who asks.
pub(crate) struct VaultConfig {
    /// `http(s)://host:port`.
    pub(crate) address: String,
    pub(crate) namespace: Option<String>,
    pub(crate) login: Login,
    /// Whose certificates it may have, in PEM; the system's if none.
    pub(crate) authorities: Option<String>,
    /// Whether its engine is KV v2; a path is asked for as it is otherwise.
    pub(crate) is_versioned: bool,
    /// For how long a secret is valid of which Vault does not say it.
    pub(crate) ttl: Option<Duration>,
}

/// How a session begins.
pub(crate) enum Login {
    /// With a token, which is renewed as long as Vault lets it.
    Token(SecretString),
    /// With a role and its secret, which make a token whenever there is none.
    AppRole { mount: String, role: SecretString, secret: SecretString },
}

/// One secret: several values by their keys.
#[derive(Clone, Default)]
pub(crate) struct Secret {
    pub(crate) values: BTreeMap<String, SecretString>,
    pub(crate) valid_for: Option<Duration>,
}

/// A secret cannot be read. The text goes on after where it is, and has nothing that the server said:
/// that may quote what it was asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VaultError {
    #[error("which is sealed or in standby (503); unseal it")]
    Sealed,
    #[error(
        "which denies it (403): the token has expired or its policies do not let it read this path; \
         give it another token or policy"
    )]
    Denied,
    #[error(
        "which refuses the login by AppRole ({0}); look at app.role.id, app.role.secret.id, which may \
         have expired, and app.role.path"
    )]
    Login(u16),
    #[error(
        "which has no such secret (404); the path begins with the engine's mount, without `data`, as \
         in secret/my/app"
    )]
    Missing,
    #[error("which is overloaded or not ready (status {0})")]
    Unavailable(u16),
    #[error("which answers with status {0}; look whether vault.addr is Vault's")]
    Status(u16),
    #[error("whose certificate is not trusted; give its authority as vault.pem")]
    Certificate,
    #[error("which cannot be reached")]
    Unreachable,
    #[error("which does not answer within {} s", READ_WITHIN.as_secs())]
    Slow,
    #[error("which answers with something that is no secret; look at vault.engine.version")]
    Answer,
    #[error("of which too much is asked at once")]
    Busy,
}

impl VaultError {
    /// Whether the same request may succeed soon.
    fn passes(self) -> bool {
        match self {
            Self::Sealed | Self::Unavailable(_) | Self::Unreachable => true,
            Self::Denied
            | Self::Login(_)
            | Self::Missing
            | Self::Status(_)
            | Self::Certificate
            | Self::Slow
            | Self::Answer
            | Self::Busy => false,
        }
    }
}

/// One secret that is asked for.
struct Request {
    path: String,
    /// Nobody waits for it any more then.
    until: Instant,
    answer: SyncSender<Result<Secret, VaultError>>,
}

/// A server of secrets. Its thread ends when this is dropped.
pub(crate) struct Vault {
    address: String,
    requests: mpsc::Sender<Request>,
}

impl Vault {
    /// Starts the thread. Asks for nothing yet.
    ///
    /// # Errors
    ///
    /// Returns a text when the settings do not make a client.
    pub(crate) fn start(config: VaultConfig) -> Result<Self, String> {
        let address = config.address.clone();
        let session = Session::new(config)?;
        let (requests, asked) = mpsc::channel(WAITING_MAX);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        std::thread::Builder::new()
            .name("vault".to_owned())
            .spawn(move || runtime.block_on(serve(session, asked)))
            .map_err(|error| error.to_string())?;
        Ok(Self { address, requests })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Reads a secret. Blocks for up to [`READ_WITHIN`].
    pub(crate) fn read(&self, path: &str) -> Result<Secret, VaultError> {
        let (answer, answered) = sync_channel(1);
        let request =
            Request { path: path.to_owned(), until: Instant::now() + READ_WITHIN, answer };
        self.requests.try_send(request).map_err(|_| VaultError::Busy)?;
        answered.recv_timeout(READ_WITHIN).unwrap_or_else(|error| match error {
            RecvTimeoutError::Timeout => Err(VaultError::Slow),
            RecvTimeoutError::Disconnected => Err(VaultError::Unreachable),
        })
    }
}

/// Answers requests, and renews the token between them.
async fn serve(mut session: Session, mut requests: mpsc::Receiver<Request>) {
    loop {
        let renewal = session.renews_at();
        tokio::select! {
            request = requests.recv() => {
                let Some(Request { path, until, answer }) = request else { return };
                if until > Instant::now() {
                    let read = tokio::time::timeout_at(until, session.read(&path)).await;
                    // Whoever waited may have gone.
                    drop(answer.send(read.unwrap_or(Err(VaultError::Slow))));
                }
            }
            () = at(renewal) => session.renew().await,
        }
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}
