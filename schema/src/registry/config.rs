//! Where the registry is, who we are there, and what is registered how.

use std::path::PathBuf;
use std::time::Duration;

use super::bearer::BearerConfig;
use super::subject::Strategy;

/// Where the registry is and how to log in.
#[derive(Clone)]
pub struct RegistryConfig {
    /// Base URLs, tried in order. A path, as Apicurio's `/apis/ccompat/v7`, is kept.
    pub urls: Vec<String>,
    /// User and password for basic authentication.
    pub basic_auth: Option<(String, String)>,
    /// Tokens that are sent in place of them.
    pub bearer: Option<BearerConfig>,
    /// What HTTPS needs.
    pub tls: TlsFiles,
    /// Longest time for one call. Default 10 s.
    pub timeout: Duration,
    /// How ids of schemas are come by.
    pub registering: Registering,
    /// What the subjects of keys are called.
    pub key_subjects: Strategy,
    /// What the subjects of values are called.
    pub value_subjects: Strategy,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            basic_auth: None,
            bearer: None,
            tls: TlsFiles::default(),
            timeout: Duration::from_secs(10),
            registering: Registering::default(),
            key_subjects: Strategy::default(),
            value_subjects: Strategy::default(),
        }
    }
}

impl std::fmt::Debug for RegistryConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryConfig").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// What HTTPS needs: files in PEM, read when a client is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authorities that are trusted, and no others. Without it those of the operating system are.
    pub ca: Option<PathBuf>,
    /// Who we are: a certificate, with those that signed it, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether the certificate may be for another host than the one that is connected to. Only
    /// beside authorities of one's own.
    pub ignores_host: bool,
}

/// How ids of schemas are come by: Confluent's settings, with its names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registering {
    /// `auto.register.schemas`: schemas are registered. Default `true`.
    pub auto: bool,
    /// `use.latest.version`: without registering, the subject's latest schema is taken. Default
    /// `false`.
    pub use_latest: bool,
    /// `latest.compatibility.strict`: only if it goes with the record's. Default `true`.
    pub strict: bool,
    /// `normalize.schemas`: the registry takes schemas for the same that differ in their order only.
    /// Default `false`.
    pub normalize: bool,
}

impl Default for Registering {
    fn default() -> Self {
        Self { auto: true, use_latest: false, strict: true, normalize: false }
    }
}
