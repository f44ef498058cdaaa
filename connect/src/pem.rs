//! Certificates and keys in PEM, from files or from settings that hold the text itself.
//!
//! Java's key stores are not read: their formats are Java's own, and PEM is what everything else
//! takes.

use std::io::Read;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Largest file of certificates: 4 MiB, our choice; all authorities of a system are 220 kB.
const FILE_MAX_BYTES: u64 = 4 << 20;

/// What is wrong with a certificate or a key, to be read behind the name of its setting.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// The file cannot be read.
    #[error("names {path}, which cannot be read: {source}")]
    Unreadable {
        /// Its path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is larger than any list of certificates.
    #[error("is larger than 4 MiB")]
    TooLarge,
    /// It is one of Java's key stores, or anything else that is no text in PEM.
    #[error(
        "is not PEM; a key store of Java is made PEM by `keytool -importkeystore \
         -deststoretype PKCS12` and `openssl pkcs12 -nodes`"
    )]
    NotPem,
    /// There is no certificate, or a damaged one.
    #[error("has no certificate in PEM")]
    NoCertificate,
    /// A certificate cannot be trusted as an authority's.
    #[error("has a certificate that is no authority's")]
    NoAuthority,
    /// There is no private key, or a damaged one.
    #[error("has no private key in PEM")]
    NoKey,
    /// The key needs a password.
    #[error(
        "has a key with a password, which is not read; `openssl pkey` writes it without, into a \
         file that only rowcast can read"
    )]
    EncryptedKey,
}

/// Reads a file as text in PEM.
///
/// # Errors
///
/// Returns [`PemError`] when it cannot be read, is too large, or is no PEM.
pub fn read(path: &Path) -> Result<String, PemError> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path);
    file.and_then(|file| file.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|source| PemError::Unreadable { path: path.display().to_string(), source })?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_MAX_BYTES) {
        return Err(PemError::TooLarge);
    }
    String::from_utf8(bytes).ok().filter(|text| text.contains(BEGIN)).ok_or(PemError::NotPem)
}

/// The certificates of a text, one at least.
///
/// # Errors
///
/// Returns [`PemError::NoCertificate`].
pub fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let text = in_lines(text);
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or(PemError::NoCertificate)
}

/// The certificates of a text, as authorities that are trusted.
///
/// # Errors
///
/// Returns [`PemError`] when there is none, or one cannot be an authority's.
pub fn authorities(text: &str) -> Result<RootCertStore, PemError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(text)? {
        roots.add(certificate).map_err(|_| PemError::NoAuthority)?;
    }
    Ok(roots)
}

/// The first private key of a text.
///
/// # Errors
///
/// Returns [`PemError`] when there is none, or it needs a password.
pub fn private_key(text: &str) -> Result<PrivateKeyDer<'static>, PemError> {
    let lines = in_lines(text);
    PrivateKeyDer::from_pem_slice(lines.as_bytes()).map_err(|_| {
        let is_encrypted = text.contains("ENCRYPTED");
        if is_encrypted { PemError::EncryptedKey } else { PemError::NoKey }
    })
}

/// How each section begins.
const BEGIN: &str = "-----BEGIN ";

/// Puts the marks of sections on lines of their own and breaks lines at blanks: a properties file
/// whose lines go on behind backslashes has all in one line, which Java reads.
fn in_lines(text: &str) -> String {
    let mut lines = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, mark, behind)) = next_mark(rest) {
        push_words(&mut lines, before);
        lines.push_str(mark);
        lines.push('\n');
        rest = behind;
    }
    push_words(&mut lines, rest);
    lines
}

fn push_words(lines: &mut String, text: &str) {
    for word in text.split_whitespace() {
        lines.push_str(word);
        lines.push('\n');
    }
}

/// What stands before, in and behind the next `-----BEGIN …-----` or `-----END …-----`.
fn next_mark(text: &str) -> Option<(&str, &str, &str)> {
    const DASHES: &str = "-----";
    let begins = [text.find(BEGIN), text.find("-----END ")];
    let (before, mark) = text.split_at_checked(begins.into_iter().flatten().min()?)?;
    let inside = mark.strip_prefix(DASHES)?.find(DASHES)?;
    let (mark, behind) = mark.split_at_checked(inside + 2 * DASHES.len())?;
    Some((before, mark, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn a_text_in_one_line_is_read_as_one_in_many() {
        let (certificate, key) = certificate();
        let store = format!("{key}{certificate}");
        for text in [store.clone(), store.replace('\n', " "), store.replace('\n', "")] {
            assert_eq!(certificates(&text).unwrap().len(), 1, "{text}");
            assert!(private_key(&text).is_ok());
        }
        assert_eq!(certificates(&certificate.repeat(3)).unwrap().len(), 3);
    }

    #[test]
    fn what_is_missing_or_of_java_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keystore.jks");
        std::fs::write(&path, [0xfe, 0xed, 0xfe, 0xed]).unwrap();
        let (certificate, key) = certificate();
        let locked = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");

        assert!(matches!(read(&path), Err(PemError::NotPem)));
        assert!(matches!(read(&folder.path().join("no")), Err(PemError::Unreadable { .. })));
        assert!(matches!(certificates(&key), Err(PemError::NoCertificate)));
        assert!(matches!(private_key(&certificate), Err(PemError::NoKey)));
        assert!(matches!(private_key(&locked), Err(PemError::EncryptedKey)));
    }
}
