//! How long it takes until a search finds what was written: now and then one document of each index
//! is looked for.
//!
//! Nothing waits for it, and what goes wrong costs a figure and nothing else. A search makes
//! Elasticsearch refresh an index that nobody has searched for a while, so it is rare.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connect::clock::since_epoch;
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::batch::Batch;
use crate::bulk::{BulkAction, DocumentKey};
use crate::bulk_action::Verb;
use crate::client::{EsClient, Method, Request};
use crate::meter::Meter;

/// How often one document of an index is looked for: once a minute.
const EVERY: Duration = Duration::from_secs(60);
/// First pause between two looks, and the longest.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long it is looked for: longer than any usual `refresh_interval`.
const PATIENCE: Duration = Duration::from_secs(120);
/// Documents that are looked for at once, so that many indices are no burden.
const AT_ONCE: usize = 4;

/// Looks for documents.
pub(crate) struct Probe {
    client: Arc<EsClient>,
    meter: Arc<Meter>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When an index is due again. As many entries as there are indices.
    next: HashMap<Arc<str>, Instant>,
    under_way: JoinSet<()>,
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    hits: Hits,
}

#[derive(Deserialize, Default)]
struct Hits {
    #[serde(default)]
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_version")]
    version: u64,
}

impl Probe {
    pub(crate) fn new(client: Arc<EsClient>, meter: Arc<Meter>) -> Self {
        Self { client, meter, state: Mutex::default() }
    }

    /// Looks for the last document of each index of a batch that was applied just now, if its index
    /// is due.
    pub(crate) fn look_for(&self, batch: &Batch) {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.under_way.try_join_next().is_some() {}
        for action in batch.actions().iter().rev() {
            let (Verb::Index, Some(changed_at)) = (action.verb, action.changed_at) else {
                continue;
            };
            let index = &action.document.index;
            if state.next.get(index).is_some_and(|next| now < *next) {
                continue;
            }
            if state.under_way.len() >= AT_ONCE {
                return;
            }
            state.next.insert(Arc::clone(index), now + EVERY);
            let look = look(Arc::clone(&self.client), action.clone());
            let (meter, index) = (Arc::clone(&self.meter), Arc::clone(index));
            state.under_way.spawn(async move {
                if let Ok(()) = timeout(PATIENCE, look).await {
                    let lag = since_epoch().saturating_sub(changed_at).as_millis();
                    let lag = u64::try_from(lag).unwrap_or(u64::MAX);
                    meter.index(&index, |index| index.searchable_lag_ms = Some(lag));
                }
            });
        }
    }
}

/// Returns when a search has found the document, or a later state of it.
async fn look(client: Arc<EsClient>, action: BulkAction) {
    let DocumentKey { index, id } = &action.document;
    let path = format!("/{index}/_search?filter_path=hits.hits._version");
    let query = json!({
        "size": 1,
        "version": true,
        "_source": false,
        "track_total_hits": false,
        "query": { "ids": { "values": [&**id] } },
    });
    let request = Request::json(Method::Post, path, Some(query.to_string()));
    let mut pause = FIRST_LOOK;
    loop {
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let Ok(answer) = client.send(&request).await else { continue };
        let found = serde_json::from_slice::<Found>(&answer.body);
        let versions = found.map(|found| found.hits.hits).unwrap_or_default();
        if versions.iter().any(|hit| hit.version >= action.version.0) {
            return;
        }
    }
}
