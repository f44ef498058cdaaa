//! The server that a sink writes to: the fake, or a real one that may be restarted and killed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use es_sink::testing::{FakeServer, Fault};
use serde_json::{Value, json};

use super::super::SoakError;
use super::Kind;
use crate::random::Random;
use crate::stack::{
    Elasticsearch, ElasticsearchOptions, Installed, OpenSearch, OpenSearchOptions, Server,
};

/// A running server.
pub(super) enum Target {
    Fake(FakeServer),
    Elasticsearch(Elasticsearch),
    OpenSearch(OpenSearch),
}

/// The value and the version of each document.
pub(super) type Documents = BTreeMap<u64, (u64, u64)>;

impl Target {
    pub(super) async fn start(
        kind: Kind,
        installed: &Installed,
        folder: &Path,
    ) -> Result<Self, SoakError> {
        Ok(match kind {
            Kind::Fake => Self::Fake(FakeServer::start().await),
            Kind::Elasticsearch => {
                let options = ElasticsearchOptions::default();
                let start = Elasticsearch::start(installed, folder, &options);
                Self::Elasticsearch(Box::pin(start).await?)
            }
            Kind::Opensearch => {
                let options = OpenSearchOptions::default();
                let start = OpenSearch::start(installed, folder, &options);
                Self::OpenSearch(Box::pin(start).await?)
            }
        })
    }

    pub(super) fn address(&self) -> Result<SocketAddr, SoakError> {
        let url = self.url();
        let address = url.trim_start_matches("http://").parse();
        address.map_err(|error| SoakError::Io(std::io::Error::other(error)))
    }

    /// In good order: deletes are forgotten.
    pub(super) async fn restart(&self) -> Result<(), SoakError> {
        match self {
            Self::Fake(fake) => fake.restart(),
            Self::Elasticsearch(node) => node.server.restart().await?,
            Self::OpenSearch(node) => node.server.restart().await?,
        }
        Ok(())
    }

    pub(super) async fn kill(&self) -> Result<(), SoakError> {
        match self {
            Self::Fake(fake) => fake.crash(),
            Self::Elasticsearch(node) => again(&node.server).await?,
            Self::OpenSearch(node) => again(&node.server).await?,
        }
        Ok(())
    }

    /// What only the fake can do: answers that are wrong, late or missing.
    pub(super) fn misbehave(&self, random: &mut Random) {
        const FAULTS: [Fault; 9] = [
            Fault::CutBefore,
            Fault::CutAfter,
            Fault::CutWithin,
            Fault::WrongCount,
            Fault::Unavailable,
            Fault::BadGateway,
            Fault::Busy,
            Fault::ItemsBusy,
            Fault::ItemsUnavailable,
        ];
        if let Self::Fake(fake) = self {
            let at = usize::try_from(random.below(FAULTS.len() as u64)).unwrap_or_default();
            fake.fail(FAULTS.get(at).copied());
        }
    }

    /// The documents of an index that a search sees; none without an index, or an answer.
    pub(super) async fn documents(&self, index: &str) -> Documents {
        self.read(index).await.unwrap_or_default()
    }

    async fn read(&self, index: &str) -> Option<Documents> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().ok()?;
        let url = format!("{}/{index}", self.url());
        client.post(format!("{url}/_refresh")).send().await.ok()?.error_for_status().ok()?;
        let search = json!({ "size": 10_000, "version": true });
        let request = client.post(format!("{url}/_search")).json(&search);
        let answer: Value = request.send().await.ok()?.json().await.ok()?;
        let hits = answer.pointer("/hits/hits")?.as_array()?.iter();
        hits.map(|hit| {
            let key = hit.get("_id")?.as_str()?.parse().ok()?;
            Some((key, (hit.pointer("/_source/n")?.as_u64()?, hit.get("_version")?.as_u64()?)))
        })
        .collect()
    }

    fn url(&self) -> String {
        match self {
            Self::Fake(fake) => fake.url.clone(),
            Self::Elasticsearch(node) => node.url(),
            Self::OpenSearch(node) => node.url(),
        }
    }
}

async fn again(server: &Server) -> Result<(), SoakError> {
    server.kill()?;
    Ok(server.start_again().await?)
}
