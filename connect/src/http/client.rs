//! Asks the endpoint of another process.
//!
//! Who it is and whom it trusts stands in the environment: a command line is seen by everybody on
//! the machine.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, ClientBuilder, Identity, RequestBuilder};
use schema::fault::{Disposition, Fault, chain};
use secrecy::{ExposeSecret, SecretString};

use super::AllTables;
use crate::control::TableAction;
use crate::pem::{self, PemError};

/// Longest wait for an answer: it is made from what is in memory.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Largest answer: a few hundred bytes for each of 100,000 tables.
const ANSWER_MAX_BYTES: usize = 64 << 20;

/// Longest wait for what a task makes of a command: the endpoint gives up after 20 s.
const CARRIED_OUT_WITHIN: Duration = Duration::from_secs(30);

/// The tables of all sources of the process whose endpoint is at `url`.
///
/// # Errors
///
/// Returns [`AskError`] when nothing answers there, or something else does.
pub async fn tables(url: &str) -> Result<AllTables, AskError> {
    tables_as(url, &Access::of_environment()).await
}

pub(super) async fn tables_as(url: &str, access: &Access) -> Result<AllTables, AskError> {
    let asked =
        Asked::new(url, access, ANSWER_WITHIN, |client, url| client.get(format!("{url}/tables")));
    let (asked, status, body) = asked.await?;
    let tables = serde_json::from_slice(&body).ok().filter(|_| status == 200);
    tables.ok_or_else(|| asked.other(status))
}

/// What is asked of a table of a running source.
#[derive(Debug, Clone, Copy)]
pub struct TableOrder<'a> {
    /// The source's name.
    pub connector: &'a str,
    /// `database.table`.
    pub table: &'a str,
    /// What is to happen.
    pub action: &'a TableAction,
}

/// Gives a command to the process whose endpoint is at `url`; returns what happens now.
///
/// # Errors
///
/// Returns [`AskError`] when nothing answers there, something else does, or the command is refused.
pub async fn order(url: &str, order: TableOrder<'_>) -> Result<String, AskError> {
    let access = Access::of_environment();
    let asked = Asked::new(url, &access, CARRIED_OUT_WITHIN, |client, url| {
        let action = order.action.as_str();
        let path = ["connectors", order.connector, "tables", order.table, action];
        let path: Vec<_> = path.map(segment).into();
        let post = client.post(format!("{url}/{}", path.join("/")));
        match order.action {
            TableAction::Snapshot { filter: Some(filter) } => {
                post.json(&serde_json::json!({ "filter": filter }))
            }
            TableAction::Snapshot { filter: None }
            | TableAction::Pause
            | TableAction::Resume
            | TableAction::Stop => post,
        }
    });
    let (asked, status, body) = asked.await?;
    let answer: Option<Answer> = serde_json::from_slice(&body).ok();
    match answer {
        Some(Answer { message }) if status == 202 => Ok(message),
        Some(Answer { message }) => Err(AskError::Refused { message }),
        None => Err(asked.other(status)),
    }
}

/// Both an answer and an error have it.
#[derive(serde::Deserialize)]
struct Answer {
    message: String,
}

/// A part of a path, in which only letters, digits and a few signs stand as they are (RFC 3986).
pub(crate) fn segment(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~$".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}

/// A name with its password, `name:password`, or a token.
const LOGIN: &str = "ROWCAST_HTTP_LOGIN";
/// A file in PEM with the authorities that an endpoint's certificate may be of.
const AUTHORITIES: &str = "ROWCAST_HTTP_CA";
/// A file in PEM with a certificate of our own and its key.
const IDENTITY: &str = "ROWCAST_HTTP_CERTIFICATE";

/// Who asks, and whom it trusts.
#[derive(Default)]
pub(super) struct Access {
    pub(super) login: Option<SecretString>,
    pub(super) authorities: Option<String>,
    pub(super) identity: Option<String>,
}

impl Access {
    fn of_environment() -> Self {
        let given = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            login: given(LOGIN).map(SecretString::from),
            authorities: given(AUTHORITIES),
            identity: given(IDENTITY),
        }
    }

    fn trust(&self, mut builder: ClientBuilder) -> Result<ClientBuilder, AskError> {
        let wrong = |variable, problem: PemError| AskError::Access { variable, problem };
        if let Some(path) = &self.authorities {
            let text = pem::read(Path::new(path)).map_err(|error| wrong(AUTHORITIES, error))?;
            let found = Certificate::from_pem_bundle(text.as_bytes())
                .map_err(|_| wrong(AUTHORITIES, PemError::NoCertificate))?;
            builder = builder.tls_certs_only(found);
        }
        if let Some(path) = &self.identity {
            let text = pem::read(Path::new(path)).map_err(|error| wrong(IDENTITY, error))?;
            let identity = Identity::from_pem(text.as_bytes())
                .map_err(|_| wrong(IDENTITY, PemError::NoKey))?;
            builder = builder.identity(identity);
        }
        Ok(builder)
    }

    fn log_in(&self, request: RequestBuilder) -> RequestBuilder {
        let Some(login) = self.login.as_ref().map(ExposeSecret::expose_secret) else {
            return request;
        };
        match login.split_once(':') {
            Some((name, password)) => request.basic_auth(name, Some(password)),
            None => request.bearer_auth(login),
        }
    }
}

/// An endpoint that was asked.
struct Asked {
    url: String,
}

impl Asked {
    /// Asks, and returns the status and the body of the answer.
    async fn new(
        url: &str,
        access: &Access,
        within: Duration,
        request: impl FnOnce(&reqwest::Client, &str) -> RequestBuilder,
    ) -> Result<(Self, u16, Vec<u8>), AskError> {
        let asked = Self { url: url.trim_end_matches('/').to_owned() };
        let failed = |source| asked.failed(source);
        let builder = reqwest::Client::builder()
            .timeout(within)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        let client = access.trust(builder)?.build().map_err(failed)?;
        let request = access.log_in(request(&client, &asked.url));
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        if status == 401 {
            return Err(AskError::Denied { url: asked.url });
        }
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(failed)? {
            if body.len().saturating_add(piece.len()) > ANSWER_MAX_BYTES {
                return Err(asked.other(status));
            }
            body.extend_from_slice(&piece);
        }
        Ok((asked, status, body))
    }

    fn failed(&self, source: reqwest::Error) -> AskError {
        let (url, nobody) = (self.url.clone(), source.is_connect() || source.is_timeout());
        let source = source.without_url();
        // A connection that fails for a certificate has found somebody.
        let nobody = nobody && !chain(&source).contains("certificate");
        if nobody { AskError::Nobody { url, source } } else { AskError::Failed { url, source } }
    }

    fn other(&self, status: u16) -> AskError {
        AskError::Other { url: self.url.clone(), status }
    }
}

/// No process has told of its tables, or done with one what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nothing listens there.
    #[error("nothing answers at {url}")]
    Nobody {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The connection failed, or the address is none.
    #[error("the endpoint at {url} could not be asked")]
    Failed {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// Something else listens there.
    #[error("what answers at {url} (status {status}) is no endpoint of rowcast")]
    Other {
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The process asks who somebody is.
    #[error("the endpoint at {url} takes no request without a login, or the login is wrong")]
    Denied {
        /// Where.
        url: String,
    },
    /// A file that the environment names cannot be used.
    #[error("{variable} {problem}")]
    Access {
        /// The variable.
        variable: &'static str,
        /// What is wrong with the file.
        problem: PemError,
    },
    /// The process says why it does not.
    #[error("the command was refused: {message}")]
    Refused {
        /// Its words.
        message: String,
    },
}

impl Fault for AskError {
    fn disposition(&self) -> Disposition {
        Disposition::Halt
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(match self {
            Self::Nobody { .. } => "start `rowcast run`, or give the address that its log names \
                                    (`http endpoint listens`) as --url, or the pipeline file for \
                                    what the offsets topic says"
                .into(),
            Self::Failed { .. } => "give the address that rowcast's log names (`http endpoint \
                                    listens`) as --url, and with https:// let ROWCAST_HTTP_CA name \
                                    the authority of its certificate"
                .into(),
            Self::Other { .. } => {
                "give the address that rowcast's log names (`http endpoint listens`) as --url"
                    .into()
            }
            Self::Denied { .. } => {
                "set ROWCAST_HTTP_LOGIN to `name:password`, or to a token".into()
            }
            Self::Access { .. } => "let the variable name a file in PEM, or unset it".into(),
            Self::Refused { .. } => "`rowcast tables` shows what state each table is in".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_a_path_whatever_is_in_them() {
        assert_eq!(segment("shop.order_items$1"), "shop.order_items$1");
        assert_eq!(segment("a/b c?\u{e9}"), "a%2Fb%20c%3F%C3%A9");
    }
}
