//! Asks the endpoint of another process.

use std::borrow::Cow;
use std::time::Duration;

use schema::fault::{Disposition, Fault};

use super::AllTables;

/// Longest wait for an answer: it is made from what is in memory.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Largest answer: a few hundred bytes for each of 100,000 tables.
const ANSWER_MAX_BYTES: usize = 64 << 20;

/// The tables of all sources of the process whose endpoint is at `url`.
///
/// # Errors
///
/// Returns [`AskError`] when nothing answers there, or something else does.
pub async fn tables(url: &str) -> Result<AllTables, AskError> {
    let url = url.trim_end_matches('/').to_owned();
    let failed = |source: reqwest::Error| {
        let nobody = source.is_connect() || source.is_timeout();
        let (url, source) = (url.clone(), source.without_url());
        if nobody { AskError::Nobody { url, source } } else { AskError::Failed { url, source } }
    };
    let client = reqwest::Client::builder()
        .timeout(ANSWER_WITHIN)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(failed)?;
    let mut response = client.get(format!("{url}/tables")).send().await.map_err(failed)?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        if body.len().saturating_add(piece.len()) > ANSWER_MAX_BYTES {
            return Err(AskError::Other { url, status });
        }
        body.extend_from_slice(&piece);
    }
    let tables = serde_json::from_slice(&body).ok().filter(|_| status == 200);
    tables.ok_or(AskError::Other { url, status })
}

/// No process has told of its tables.
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
            Self::Failed { .. } | Self::Other { .. } => {
                "give the address that rowcast's log names (`http endpoint listens`) as --url"
                    .into()
            }
        })
    }
}
