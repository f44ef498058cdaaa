//! What can be wrong with a connection.

use std::io;

use super::tls::TlsFileError;

/// The connection or what came over it cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The network failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// The server has ended the connection.
    #[error("the server has closed the connection")]
    Closed,
    /// A packet has another number than the one that comes next: some are lost or come twice.
    #[error("packet {found} came instead of packet {expected}")]
    OutOfOrder { expected: u8, found: u8 },
    /// A packet is longer than any server sends.
    #[error("a packet is longer than {limit} bytes")]
    TooLong { limit: usize },
    /// A packet contradicts itself or the protocol.
    #[error("the server's {0} is malformed")]
    Malformed(&'static str),
    /// The server refuses.
    #[error("the server answers with error {code}: {message}")]
    Server { code: u16, message: String },
    /// The server wants a password in a way that rowcast does not have.
    #[error("the server asks for the authentication plugin {plugin}")]
    UnknownPlugin { plugin: String },
    /// The server's key, or a password that does not fit it.
    #[error("the password cannot be encrypted with the server's public key")]
    PublicKey,
    /// The server has no TLS.
    #[error("the server does not offer TLS")]
    NoTls,
    /// The files of TLS cannot be used.
    #[error(transparent)]
    TlsFile(#[from] TlsFileError),
    /// TLS was begun and not agreed on.
    #[error("TLS failed")]
    Tls(#[source] io::Error),
}

impl WireError {
    /// What to do about an error that does not pass.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::UnknownPlugin { .. } => Some(
                "give the user a plugin that rowcast has: ALTER USER \u{2026} IDENTIFIED WITH \
                 caching_sha2_password BY \u{2026}",
            ),
            Self::PublicKey => Some(
                "set `database.ssl.mode` to required, which needs no key, or mend the server's \
                 caching_sha2_password_public_key_path",
            ),
            Self::NoTls => Some(
                "give the server a certificate (ssl_cert, ssl_key), or set `database.ssl.mode` to \
                 preferred",
            ),
            Self::Tls(_) => Some(
                "set `database.ssl.ca` to the authority that signed the server's certificate, and \
                 `database.hostname` to a name in it; a server that asks for a certificate wants \
                 `database.ssl.cert` and `database.ssl.key`",
            ),
            Self::TlsFile(_) => Some("correct the file or the setting that names it"),
            Self::Io(_)
            | Self::Closed
            | Self::OutOfOrder { .. }
            | Self::TooLong { .. }
            | Self::Malformed(_)
            | Self::Server { .. } => None,
        }
    }
}
