//! Who asks, and whether it may: logins, roles, and what anybody may read.
//!
//! Nothing here knows what the paths mean: GET and HEAD read, every other method changes something.

mod secrets;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::header::{AUTHORIZATION, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::secrets::Secrets;
use super::watched::Watched;
use crate::config::{Authentication, ConfigError};

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Everything.
    Admin,
    /// GET and HEAD.
    Reader,
}

impl Role {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Reader => "reader",
        }
    }
}

/// Who asks; handlers find it among a request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// The name of the login; none where none is asked for.
    pub(super) name: Option<String>,
    pub(super) role: Role,
}

/// Why a request is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nobody said who it is.
    NoLogin,
    /// The name or the secret is wrong. The name is kept only if somebody has it: else it may be
    /// a password that was typed into the wrong field.
    WrongLogin { name: Option<String> },
    /// It is known who asks, but that name may not ask anything.
    NoRole { name: String },
    /// A reader wants to change something.
    ReadOnly { name: Option<String> },
    /// A page in somebody's browser wants to change something.
    FromPage,
}

impl Refusal {
    /// Why, for the audit log.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::NoLogin => "no login",
            Self::WrongLogin { .. } => "wrong login",
            Self::NoRole { .. } => "no role",
            Self::ReadOnly { .. } => "readers change nothing",
            Self::FromPage => "web pages change nothing",
        }
    }

    /// Whose name it is about, as far as it is known.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::WrongLogin { name } | Self::ReadOnly { name } => name.as_deref(),
            Self::NoRole { name } => Some(name),
            Self::NoLogin | Self::FromPage => None,
        }
    }

    /// What the answer says; not which of name and secret was wrong.
    pub(super) fn message(&self) -> &'static str {
        match self {
            // Kafka Connect's extension answers with these words.
            Self::NoLogin | Self::WrongLogin { .. } => "User cannot access the resource.",
            Self::NoRole { .. } => "This user has no role here.",
            Self::ReadOnly { .. } => "This user may only read.",
            Self::FromPage => "Commands from web pages are not taken",
        }
    }
}

/// Decides about requests.
#[derive(Debug)]
pub(super) struct Gate {
    users: Option<Arc<Watched<Secrets>>>,
    tokens: Option<Arc<Watched<Secrets>>>,
    takes_certificates: bool,
    admins: Option<BTreeSet<String>>,
    readers: BTreeSet<String>,
    exempt: Vec<String>,
}

impl Gate {
    /// Reads the files of users and tokens.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] when one cannot be used.
    pub(super) fn open(authentication: &Authentication) -> Result<Self, ConfigError> {
        let Authentication { users, tokens, takes_certificates, admins, readers, exempt } =
            authentication.clone();
        let users = users.map(|path| {
            Watched::new(vec![path.clone()], move || secrets::passwords(&path)).map(Arc::new)
        });
        let tokens = tokens.map(|path| {
            Watched::new(vec![path.clone()], move || secrets::tokens(&path)).map(Arc::new)
        });
        let (users, tokens) = (users.transpose()?, tokens.transpose()?);
        Ok(Self { users, tokens, takes_certificates, admins, readers, exempt })
    }

    /// Starts what reads the files again when they change.
    pub(super) fn keep(&self, tracker: &TaskTracker, stop: &CancellationToken) {
        for secrets in self.users.iter().chain(&self.tokens) {
            tracker.spawn(Arc::clone(secrets).keep(stop.clone()));
        }
    }

    /// Whether a login is a secret that goes over the network.
    pub(super) fn has_secrets(&self) -> bool {
        self.users.is_some() || self.tokens.is_some()
    }

    /// Whether a login is needed at all.
    fn is_on(&self) -> bool {
        self.has_secrets() || self.takes_certificates
    }

    /// The kinds of login that a client may try, for `WWW-Authenticate`. None for certificates:
    /// they are shown before there is a request.
    pub(super) fn challenges(&self) -> impl Iterator<Item = &'static str> {
        let basic = self.users.as_ref().map(|_| r#"Basic realm="rowcast", charset="UTF-8""#);
        let bearer = self.tokens.as_ref().map(|_| r#"Bearer realm="rowcast""#);
        basic.into_iter().chain(bearer)
    }

    /// The status of a refusal. Without a challenge 401 would be no answer (RFC 9110, 15.5.2).
    pub(super) fn status(&self, refusal: &Refusal) -> StatusCode {
        match refusal {
            Refusal::NoLogin | Refusal::WrongLogin { .. } if self.challenges().next().is_some() => {
                StatusCode::UNAUTHORIZED
            }
            Refusal::NoLogin
            | Refusal::WrongLogin { .. }
            | Refusal::NoRole { .. }
            | Refusal::ReadOnly { .. }
            | Refusal::FromPage => StatusCode::FORBIDDEN,
        }
    }

    /// Says who asks, or why it may not. `certificate` is the common name of the client's.
    pub(super) async fn admit(
        &self,
        request: Asked<'_>,
        certificate: Option<&str>,
    ) -> Result<Caller, Refusal> {
        let caller = self.caller(request, certificate).await?;
        if request.reads() {
            return Ok(caller);
        }
        // A page in somebody's browser can send a request to this machine, with the login that the
        // browser remembers; browsers say where it comes from, and nobody else does.
        if request.headers.contains_key(ORIGIN) {
            return Err(Refusal::FromPage);
        }
        match caller.role {
            Role::Admin => Ok(caller),
            Role::Reader => Err(Refusal::ReadOnly { name: caller.name }),
        }
    }

    async fn caller(
        &self,
        request: Asked<'_>,
        certificate: Option<&str>,
    ) -> Result<Caller, Refusal> {
        if !self.is_on() {
            // A certificate that TLS asks for is no login, but it says who has asked.
            return Ok(Caller { name: certificate.map(str::to_owned), role: Role::Admin });
        }
        if request.reads() && self.exempt.iter().any(|path| path == request.path) {
            return Ok(Caller { name: None, role: Role::Reader });
        }
        let name = match (request.headers.get(AUTHORIZATION), certificate) {
            (Some(said), _) => self.by_header(said.to_str().unwrap_or_default()).await?,
            (None, Some(name)) if self.takes_certificates => name.to_owned(),
            (None, _) => return Err(Refusal::NoLogin),
        };
        match self.role(&name) {
            Some(role) => Ok(Caller { name: Some(name), role }),
            None => Err(Refusal::NoRole { name }),
        }
    }

    /// The name that an `Authorization` header proves.
    async fn by_header(&self, header: &str) -> Result<String, Refusal> {
        let wrong = || Refusal::WrongLogin { name: None };
        let (scheme, said) = header.split_once(' ').ok_or_else(wrong)?;
        let said = said.trim();
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => {
                let users = self.users.as_ref().ok_or_else(wrong)?.current();
                let plain = STANDARD.decode(said).ok().and_then(|it| String::from_utf8(it).ok());
                let plain = plain.ok_or_else(wrong)?;
                let (name, password) = plain.split_once(':').ok_or_else(wrong)?;
                match users.has_password(name, password).await {
                    true => Ok(name.to_owned()),
                    false => {
                        let name = users.knows(name).then(|| name.to_owned());
                        Err(Refusal::WrongLogin { name })
                    }
                }
            }
            "bearer" => {
                let tokens = self.tokens.as_ref().ok_or_else(wrong)?.current();
                tokens.name_of_token(said).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }

    fn role(&self, name: &str) -> Option<Role> {
        let is_reader = self.readers.contains(name) || self.readers.contains("*");
        match &self.admins {
            Some(admins) if admins.contains(name) => Some(Role::Admin),
            Some(_) => is_reader.then_some(Role::Reader),
            None if is_reader => Some(Role::Reader),
            None => Some(Role::Admin),
        }
    }
}

/// What counts of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) headers: &'a HeaderMap,
}

impl Asked<'_> {
    /// Whether it only reads.
    pub(super) fn reads(self) -> bool {
        *self.method == Method::GET || *self.method == Method::HEAD
    }
}

#[cfg(test)]
mod tests;
