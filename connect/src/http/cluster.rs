//! Asks a Kafka Connect cluster what it runs, by its REST API.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use schema::fault::{Disposition, Fault};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::client::segment;
use crate::offsets::ConnectorOffsets;

/// Longest wait for one answer. Kafka Connect gives up after 90 s where it has to ask its leader or
/// Kafka.
const ANSWER_WITHIN: Duration = Duration::from_secs(95);

/// Largest answer: a configuration of some 10 KiB for each of 1,000 connectors, three times over.
const ANSWER_MAX_BYTES: usize = 32 << 20;

/// What a cluster runs.
#[derive(Debug)]
pub struct Cluster {
    /// The worker's version, as `4.3.1`.
    pub version: String,
    /// Its connectors, in the order of their names.
    pub connectors: Vec<FoundConnector>,
}

/// One connector of a cluster.
pub struct FoundConnector {
    /// Its name.
    pub name: String,
    /// Its configuration, with whatever secrets are in it.
    pub config: BTreeMap<String, String>,
    /// `RUNNING`, `STOPPED` and so on.
    pub state: String,
    /// Its offsets, or why the cluster does not tell them.
    pub offsets: Result<ConnectorOffsets, String>,
}

impl std::fmt::Debug for FoundConnector {
    /// Without the configuration: it may have passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FoundConnector").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Reads what the cluster runs of which a worker answers at `url`. A user and password may be in it.
///
/// # Errors
///
/// Returns [`ClusterError`] when nothing answers there, or something else than Kafka Connect does.
pub async fn read(url: &str) -> Result<Cluster, ClusterError> {
    let worker = Worker::new(url)?;
    let about: About = worker.get("/").await?;
    let expanded: BTreeMap<String, Expanded> =
        worker.get("/connectors?expand=info&expand=status").await?;
    let mut connectors = Vec::with_capacity(expanded.len());
    for (name, Expanded { info, status }) in expanded {
        let path = format!("/connectors/{}/offsets", segment(&name));
        let offsets = match worker.get(&path).await {
            Ok(offsets) => Ok(offsets),
            Err(
                ClusterError::Refused { status: 404, .. } | ClusterError::Other { status: 404, .. },
            ) => {
                Err("this version of Kafka Connect does not tell offsets (3.5 and later do)"
                    .to_owned())
            }
            Err(ClusterError::Refused { message, .. }) => Err(message),
            Err(error) => return Err(error),
        };
        let config = info.config.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let (config, state) = (config.collect(), status.connector.state);
        connectors.push(FoundConnector { name, config, state, offsets });
    }
    Ok(Cluster { version: about.version, connectors })
}

#[derive(Deserialize)]
struct About {
    version: String,
    /// Only here to tell Kafka Connect from whatever else has a version.
    #[serde(rename = "kafka_cluster_id")]
    _cluster: String,
}

#[derive(Deserialize)]
struct Expanded {
    info: Info,
    status: Status,
}

#[derive(Deserialize)]
struct Info {
    config: BTreeMap<String, Option<String>>,
}

#[derive(Deserialize)]
struct Status {
    connector: ConnectorState,
}

#[derive(Deserialize)]
struct ConnectorState {
    state: String,
}

/// Both Connect's errors have it.
#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// The REST API of one worker.
struct Worker {
    client: reqwest::Client,
    url: String,
    /// The same without user and password, for messages.
    shown: String,
}

impl Worker {
    fn new(url: &str) -> Result<Self, ClusterError> {
        let wrong = || ClusterError::Address;
        let parsed = reqwest::Url::parse(url).map_err(|_| wrong())?;
        if !["http", "https"].contains(&parsed.scheme()) || parsed.host_str().is_none() {
            return Err(wrong());
        }
        let mut shown = parsed.clone();
        let hidden = shown.set_username("").and_then(|()| shown.set_password(None));
        hidden.map_err(|()| wrong())?;
        let shown = shown.as_str().trim_end_matches('/').to_owned();
        let client = reqwest::Client::builder()
            .timeout(ANSWER_WITHIN)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|source| ClusterError::Failed { url: shown.clone(), source })?;
        Ok(Self { client, url: parsed.as_str().trim_end_matches('/').to_owned(), shown })
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClusterError> {
        let url = || self.shown.clone();
        let failed = |source: reqwest::Error| {
            let nobody = source.is_connect() || source.is_timeout();
            let source = source.without_url();
            if nobody {
                ClusterError::Nobody { url: url(), source }
            } else {
                ClusterError::Failed { url: url(), source }
            }
        };
        let mut response =
            self.client.get(format!("{}{path}", self.url)).send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(failed)? {
            if body.len().saturating_add(piece.len()) > ANSWER_MAX_BYTES {
                return Err(ClusterError::Other { url: url(), status });
            }
            body.extend_from_slice(&piece);
        }
        if status == 200 {
            return serde_json::from_slice(&body)
                .map_err(|_| ClusterError::Other { url: url(), status });
        }
        Err(match serde_json::from_slice::<Refusal>(&body) {
            Ok(Refusal { message }) => ClusterError::Refused { url: url(), status, message },
            Err(_) => ClusterError::Other { url: url(), status },
        })
    }
}

/// A Kafka Connect cluster has not told what it runs.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The address is none.
    #[error("the address of kafka connect is not one, expected http://host:port")]
    Address,
    /// Nothing listens there.
    #[error("nothing answers at {url}")]
    Nobody {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The connection failed before the answer was whole.
    #[error("the worker at {url} could not be asked")]
    Failed {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// Something else listens there.
    #[error("what answers at {url} (status {status}) is not kafka connect")]
    Other {
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The worker says why it does not.
    #[error("the worker at {url} refuses (status {status}): {message}")]
    Refused {
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
        /// Its words.
        message: String,
    },
}

impl Fault for ClusterError {
    fn disposition(&self) -> Disposition {
        Disposition::Halt
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(match self {
            Self::Address | Self::Nobody { .. } | Self::Other { .. } => {
                "give the REST address of a Kafka Connect worker, as its `listeners` has it".into()
            }
            Self::Failed { .. } => "look at the worker's log, then try again".into(),
            Self::Refused { status: 401 | 403, .. } => {
                "give the user and password in the address: http://user:password@host:port".into()
            }
            Self::Refused { .. } => "wait until the workers have rebalanced, then try again".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_address_is_not_shown() {
        let worker = Worker::new("http://u:geheim@connect:8083/").unwrap();

        assert_eq!(worker.shown, "http://connect:8083");
        assert_eq!(worker.url, "http://u:geheim@connect:8083");
        for wrong in ["connect:8083", "ftp://connect", "http://", "geheim"] {
            let error = Worker::new(wrong).err().unwrap().to_string();
            assert!(error.contains("expected http://host:port") && !error.contains("geheim"));
        }
    }
}
