//! MySQL's client protocol, as far as a replica needs it: connecting, logging in, statements and
//! their rows, and the packets of the binary log. What packets mean is read with `mysql_common`
//! where that one is safe with whatever a server may send; see `docs/adr/0020`.

mod auth;
mod binary;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod handshake;
mod packet;
#[cfg(test)]
pub(crate) mod scripted;
mod statement;
#[cfg(test)]
mod tests;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use self::auth::Plugin;
use self::handshake::{AuthMessage, Greeting};
use self::packet::{FRAME_MAX_BYTES, PacketReader};

pub(crate) use binary::{Cell, Cells, ColumnForm};
pub(crate) use error::WireError;
pub(crate) use packet::PACKET_MAX_BYTES;
pub(crate) use statement::{Protocol, Rows};
pub(crate) use tls::{TlsMode, TlsSettings};

/// The operating system counts in seconds.
const SECOND: Duration = Duration::from_secs(1);

/// Questions of the operating system without an answer, after which the connection has failed.
const KEEP_ALIVE_PARTS: u32 = 4;

/// Messages of one login: each plugin has three at most, and one switch is all that servers do.
const AUTH_MESSAGES_MAX: usize = 8;

/// Whom to connect to, and as whom.
#[derive(Clone, Copy)]
pub(crate) struct Login<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    pub(crate) tls: &'a TlsSettings,
    /// After so long without a byte the operating system asks whether the server is still there.
    pub(crate) keep_alive: Option<Duration>,
}

/// A connection that is logged in.
pub(crate) struct WireConnection {
    stream: Box<dyn Stream>,
    reader: PacketReader,
    /// What the server says that it is.
    version: String,
    /// Whether an answer is still to come.
    is_busy: bool,
}

/// Bytes in both directions, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

impl WireConnection {
    /// Connects and logs in. The caller sets the time limit.
    pub(crate) async fn open(login: Login<'_>) -> Result<Self, WireError> {
        let stream = TcpStream::connect((login.host, login.port)).await?;
        stream.set_nodelay(true)?;
        if let Some(time) = login.keep_alive {
            let keep_alive = TcpKeepalive::new()
                .with_time(time)
                .with_interval((time / KEEP_ALIVE_PARTS).max(SECOND))
                .with_retries(KEEP_ALIVE_PARTS);
            SockRef::from(&stream).set_tcp_keepalive(&keep_alive)?;
        }
        Self::log_in(Box::new(stream), login).await
    }

    async fn log_in(stream: Box<dyn Stream>, login: Login<'_>) -> Result<Self, WireError> {
        let (reader, version) = (PacketReader::new(), String::new());
        let mut connection = Self { stream, reader, version, is_busy: false };
        let greeting = Greeting::read(&connection.packet().await?)?;
        connection.version.clone_from(&greeting.version);
        let with_tls = match login.tls.mode {
            TlsMode::Disabled => false,
            TlsMode::Preferred => greeting.has_tls(),
            TlsMode::Required | TlsMode::VerifyCa | TlsMode::VerifyIdentity => true,
        };
        if with_tls {
            connection = connection.encrypted(&greeting, login).await?;
        }
        connection.authenticate(&greeting, login, with_tls).await?;
        Ok(connection)
    }

    async fn encrypted(mut self, greeting: &Greeting, login: Login<'_>) -> Result<Self, WireError> {
        if !greeting.has_tls() {
            return Err(WireError::NoTls);
        }
        let connector = login.tls.connector()?;
        let name = tls::server_name(login.tls.mode, login.host)
            .map_err(|error| WireError::Tls(std::io::Error::other(error)))?;
        self.send(&greeting.tls_request()).await?;
        // Somebody on the way could have put words into the server's mouth.
        if !self.reader.is_empty() {
            return Err(WireError::Malformed("answer before TLS"));
        }
        let stream = connector.connect(name, self.stream).await.map_err(|error| {
            if tls::is_disagreement(&error) { WireError::Tls(error) } else { error.into() }
        })?;
        Ok(Self { stream: Box::new(stream), ..self })
    }

    async fn authenticate(
        &mut self,
        greeting: &Greeting,
        login: Login<'_>,
        with_tls: bool,
    ) -> Result<(), WireError> {
        let Login { user, password, .. } = login;
        // If the server's default is none of ours it asks for the user's own in a moment.
        let mut plugin = Plugin::of(&greeting.plugin).unwrap_or(Plugin::CachingSha2);
        let mut nonce = greeting.nonce.clone();
        let scramble = plugin.scramble(password, &nonce);
        self.send(&greeting.response(user, plugin.name(), &scramble, with_tls)).await?;
        for _ in 0..AUTH_MESSAGES_MAX {
            let packet = self.packet().await?;
            match AuthMessage::read(&packet)? {
                AuthMessage::Accepted => return Ok(()),
                AuthMessage::Switch { plugin: name, nonce: new } => {
                    plugin = Plugin::of(&name).ok_or(WireError::UnknownPlugin { plugin: name })?;
                    nonce = new.to_vec();
                    self.send(&plugin.scramble(password, &nonce)).await?;
                }
                AuthMessage::More(auth::FAST_AUTH_SUCCEEDED) => {}
                AuthMessage::More(auth::FULL_AUTH_NEEDED) if plugin == Plugin::CachingSha2 => {
                    self.send_whole_password(password, &nonce, with_tls).await?;
                }
                AuthMessage::More(_) => return Err(WireError::Malformed("answer to the login")),
            }
        }
        Err(WireError::Malformed("login, which has no end,"))
    }

    /// The server has not seen this password since it started, so it has to see more than its
    /// scramble: itself inside TLS, else encrypted for the server's key.
    async fn send_whole_password(
        &mut self,
        password: &str,
        nonce: &[u8],
        with_tls: bool,
    ) -> Result<(), WireError> {
        if with_tls {
            return self.send(&auth::clear(password)).await;
        }
        self.send(auth::ASK_PUBLIC_KEY).await?;
        let packet = self.packet().await?;
        let AuthMessage::More(key) = AuthMessage::read(&packet)? else {
            return Err(WireError::Malformed("public key"));
        };
        self.send(&auth::encrypted(password, nonce, key)?).await
    }

    /// The version that the server has greeted with.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Waits for the server's word that a command is done.
    pub(crate) async fn accepted(&mut self) -> Result<(), WireError> {
        let packet = self.packet().await?;
        match packet.first() {
            Some(0x00) => Ok(()),
            Some(0xff) => Err(handshake::server_error(&packet)),
            Some(_) | None => Err(WireError::Malformed("answer to a statement")),
        }
    }

    /// Sends a command.
    pub(crate) async fn command(&mut self, command: &[u8]) -> Result<(), WireError> {
        self.reader.restart_numbers();
        self.send(command).await
    }

    /// The next packet of the binary log, without what says that it is one. Cancel safe.
    pub(crate) async fn log_packet(&mut self) -> Result<Bytes, WireError> {
        let packet = self.packet().await?;
        of_log(packet)
    }

    /// As [`log_packet`](Self::log_packet), if it is here already.
    pub(crate) fn log_packet_now(&mut self) -> Option<Result<Bytes, WireError>> {
        Some(self.packet().now_or_never()?.and_then(of_log))
    }

    /// The next packet. Cancel safe.
    async fn packet(&mut self) -> Result<Bytes, WireError> {
        loop {
            if let Some(packet) = self.reader.packet()? {
                return Ok(packet);
            }
            self.reader.fill(&mut *self.stream).await?;
        }
    }

    async fn send(&mut self, payload: &[u8]) -> Result<(), WireError> {
        let mut rest = payload;
        loop {
            let (frame, after) = rest.split_at_checked(FRAME_MAX_BYTES).unwrap_or((rest, &[]));
            let [low, middle, high, ..] = frame.len().to_le_bytes();
            let header = [low, middle, high, self.reader.take_number()];
            self.stream.write_all(&[&header, frame].concat()).await?;
            rest = after;
            if frame.len() < FRAME_MAX_BYTES {
                break;
            }
        }
        Ok(self.stream.flush().await?)
    }
}

/// `0x00` and an event; `0xff` and an error; `0xfe` if the server sends no more.
fn of_log(mut packet: Bytes) -> Result<Bytes, WireError> {
    match packet.first() {
        Some(0x00) => {
            bytes::Buf::advance(&mut packet, 1);
            Ok(packet)
        }
        Some(0xff) => Err(handshake::server_error(&packet)),
        Some(0xfe) => Err(WireError::Closed),
        Some(_) | None => Err(WireError::Malformed("packet of the binary log")),
    }
}
