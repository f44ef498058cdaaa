//! Passwords: scrambled, encrypted, or as they are inside TLS, as the server's plugin wants them.

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use mysql_common::scramble::{scramble_native, scramble_sha256};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;

use super::error::WireError;

/// How the password is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plugin {
    /// `caching_sha2_password`, the default since 8.0.
    CachingSha2,
    /// `mysql_native_password`, gone in 9.0.
    Native,
}

/// What `caching_sha2_password` says after the scramble.
pub(super) const FAST_AUTH_SUCCEEDED: &[u8] = &[3];
pub(super) const FULL_AUTH_NEEDED: &[u8] = &[4];

/// What asks `caching_sha2_password` for the server's public key.
pub(super) const ASK_PUBLIC_KEY: &[u8] = &[2];

impl Plugin {
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "caching_sha2_password" => Some(Self::CachingSha2),
            "mysql_native_password" => Some(Self::Native),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CachingSha2 => "caching_sha2_password",
            Self::Native => "mysql_native_password",
        }
    }

    /// The proof that goes first; empty without a password.
    pub(crate) fn scramble(self, password: &str, nonce: &[u8]) -> Vec<u8> {
        let password = password.as_bytes();
        match self {
            Self::CachingSha2 => scramble_sha256(nonce, password).map(Vec::from),
            Self::Native => scramble_native(nonce, password).map(Vec::from),
        }
        .unwrap_or_default()
    }
}

/// The password as it is sent inside TLS.
pub(super) fn clear(password: &str) -> Vec<u8> {
    [password.as_bytes(), &[0]].concat()
}

/// The password, mixed with the nonce and encrypted for the key that the server has sent.
pub(crate) fn encrypted(password: &str, nonce: &[u8], pem: &[u8]) -> Result<Vec<u8>, WireError> {
    let mixed: Vec<u8> =
        clear(password).iter().zip(nonce.iter().cycle()).map(|(byte, salt)| byte ^ salt).collect();
    let encrypt = || {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?;
        let key = PublicEncryptingKey::from_der(&der).ok()?;
        let key = OaepPublicEncryptingKey::new(key).ok()?;
        let mut sealed = vec![0; key.ciphertext_size()];
        let length = key.encrypt(&OAEP_SHA1_MGF1SHA1, &mixed, &mut sealed, None).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    };
    encrypt().ok_or(WireError::PublicKey)
}
