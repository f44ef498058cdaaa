//! The first packets of a connection: who the server is, what it can do, and who we are.

use mysql_common::constants::CapabilityFlags;
use mysql_common::packets::{AuthPlugin, HandshakeResponse, SslRequest};
use mysql_common::proto::MySerialize;

use super::error::WireError;
use super::packet::PACKET_MAX_BYTES;

/// Of all collations the one that every server since 5.5 has: `utf8mb4_general_ci`.
const COLLATION: u8 = 45;

/// Length of the number that a password is scrambled with.
pub(super) const NONCE_BYTES: usize = 20;

/// What we can do; TLS comes on top.
const OURS: CapabilityFlags = CapabilityFlags::CLIENT_PROTOCOL_41
    .union(CapabilityFlags::CLIENT_LONG_PASSWORD)
    .union(CapabilityFlags::CLIENT_LONG_FLAG)
    .union(CapabilityFlags::CLIENT_TRANSACTIONS)
    .union(CapabilityFlags::CLIENT_SECURE_CONNECTION)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA)
    .union(CapabilityFlags::CLIENT_CONNECT_ATTRS);

/// Without these a server is older than 5.6.
const NEEDED: CapabilityFlags = CapabilityFlags::CLIENT_PROTOCOL_41
    .union(CapabilityFlags::CLIENT_SECURE_CONNECTION)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA);

/// What the server says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) version: String,
    capabilities: CapabilityFlags,
    pub(super) nonce: Vec<u8>,
    /// The authentication plugin of the server's default.
    pub(super) plugin: String,
}

impl Greeting {
    /// Version 10: the server's version and a zero byte; thread 4; the first 8 bytes of the nonce
    /// and a zero byte; capabilities, low half 2; collation 1; status 2; capabilities, high half 2;
    /// length of the whole nonce 1; 10 zero bytes; the rest of the nonce, at least 13 bytes with
    /// its zero byte; the plugin's name.
    pub(crate) fn read(packet: &[u8]) -> Result<Self, WireError> {
        let malformed = || WireError::Malformed("greeting");
        if packet.first() == Some(&0xff) {
            return Err(server_error(packet));
        }
        let ([10], rest) = packet.split_first_chunk().ok_or_else(malformed)? else {
            return Err(malformed());
        };
        let (version, rest) = split_at_zero(rest).ok_or_else(malformed)?;
        let (fixed, rest) = rest.split_first_chunk::<31>().ok_or_else(malformed)?;
        let [
            _,
            _,
            _,
            _,
            first @ ..,
            _,
            low0,
            low1,
            _,
            _,
            _,
            high0,
            high1,
            length,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
        ] = fixed;
        let first: &[u8; 8] = first;
        let capabilities = u32::from_le_bytes([*low0, *low1, *high0, *high1]);
        let capabilities = CapabilityFlags::from_bits_truncate(capabilities);
        if !capabilities.contains(NEEDED) {
            return Err(WireError::Malformed("greeting, of a server before 5.6,"));
        }
        let second = usize::from(*length).saturating_sub(first.len()).max(13);
        let (second, name) = rest.split_at_checked(second).ok_or_else(malformed)?;
        let nonce: Vec<u8> = first.iter().chain(second).copied().take(NONCE_BYTES).collect();
        // Some servers forget the zero byte at the end.
        let name = split_at_zero(name).map_or(name, |(name, _)| name);
        Ok(Self { version: text(version), capabilities, nonce, plugin: text(name) })
    }

    /// Whether the server offers TLS.
    pub(crate) fn has_tls(&self) -> bool {
        self.capabilities.contains(CapabilityFlags::CLIENT_SSL)
    }

    /// The packet that asks for TLS.
    pub(super) fn tls_request(&self) -> Vec<u8> {
        let mut packet = Vec::new();
        let limit = u32::try_from(PACKET_MAX_BYTES).unwrap_or(u32::MAX);
        SslRequest::new(self.agreed(true), limit, COLLATION).serialize(&mut packet);
        packet
    }

    /// The packet that says who we are.
    pub(super) fn response(
        &self,
        user: &str,
        plugin: &str,
        scramble: &[u8],
        with_tls: bool,
    ) -> Vec<u8> {
        let limit = u32::try_from(PACKET_MAX_BYTES).unwrap_or(u32::MAX);
        let attribute = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let attributes = [
            attribute("_client_name", "rowcast"),
            attribute("_client_version", env!("CARGO_PKG_VERSION")),
            attribute("program_name", "rowcast"),
        ];
        let can_attributes = self.capabilities.contains(CapabilityFlags::CLIENT_CONNECT_ATTRS);
        let response = HandshakeResponse::new(
            Some(scramble),
            (5, 6, 0),
            Some(user.as_bytes()),
            None::<&[u8]>,
            Some(AuthPlugin::from_bytes(plugin.as_bytes())),
            self.agreed(with_tls),
            can_attributes.then(|| attributes.into()),
            limit,
        );
        let mut packet = Vec::new();
        response.serialize(&mut packet);
        packet
    }

    fn agreed(&self, with_tls: bool) -> CapabilityFlags {
        let mut agreed = OURS & self.capabilities;
        agreed.set(CapabilityFlags::CLIENT_SSL, with_tls);
        agreed
    }
}

/// What the server says while it looks at the password.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AuthMessage<'a> {
    /// We are in.
    Accepted,
    /// Another plugin is to be used, with another nonce.
    Switch { plugin: String, nonce: &'a [u8] },
    /// A word of the plugin's own.
    More(&'a [u8]),
}

impl<'a> AuthMessage<'a> {
    pub(crate) fn read(packet: &'a [u8]) -> Result<Self, WireError> {
        let malformed = || WireError::Malformed("answer to the login");
        let (first, rest) = packet.split_first().ok_or_else(malformed)?;
        match first {
            0x00 => Ok(Self::Accepted),
            0x01 => Ok(Self::More(rest)),
            0xff => Err(server_error(packet)),
            // Alone it asks for the scramble of MySQL 4.0.
            0xfe if rest.is_empty() => {
                Err(WireError::UnknownPlugin { plugin: "mysql_old_password".to_owned() })
            }
            0xfe => {
                let (plugin, nonce) = split_at_zero(rest).ok_or_else(malformed)?;
                let nonce = nonce.get(..NONCE_BYTES).unwrap_or(nonce);
                Ok(Self::Switch { plugin: text(plugin), nonce })
            }
            _ => Err(malformed()),
        }
    }
}

/// `0xff`, the code 2, `#` and the SQL state 5 unless the handshake has not come so far, and the
/// message.
pub(crate) fn server_error(packet: &[u8]) -> WireError {
    let Some(([_, low, high], rest)) = packet.split_first_chunk() else {
        return WireError::Malformed("error");
    };
    let message = match rest {
        [b'#', _, _, _, _, _, message @ ..] => message,
        message => message,
    };
    WireError::Server { code: u16::from_le_bytes([*low, *high]), message: text(message) }
}

fn split_at_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == 0)?;
    let (before, after) = bytes.split_at_checked(at)?;
    Some((before, after.get(1..)?))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A greeting as MySQL 9.7.4 sends it.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn greeting(has_tls: bool) -> Vec<u8> {
    greeting_of("9.7.4", "caching_sha2_password", has_tls)
}

/// The same of another version, with another plugin.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn greeting_of(version: &str, plugin: &str, has_tls: bool) -> Vec<u8> {
    let tls = u32::from(has_tls) * CapabilityFlags::CLIENT_SSL.bits();
    let [low0, low1, high0, high1] = (OURS.bits() | tls).to_le_bytes();
    let mut packet = [b"\x0a", version.as_bytes(), b"\0\x01\0\0\0abcdefgh\0"].concat();
    packet.extend_from_slice(&[low0, low1, 255, 2, 0, high0, high1, 21]);
    packet.extend_from_slice(&[0; 10]);
    packet.extend_from_slice(&[b"ijklmnopqrst\0", plugin.as_bytes(), b"\0"].concat());
    packet
}
