//! Settings of an index while a snapshot fills it: no refresh and no replicas, with
//! `index.bulk.load`.
//!
//! What was in force before is noted in `_meta` first, so that whoever comes after a crash can put
//! it back. Only indices that rowcast has made are touched. A setting that cannot be put back is
//! tried again and told of; it never ends the task, as the documents are right in any case.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout};

use super::mark;
use super::state::IndexState;
use crate::client::{Answer, EsClient, Method, Request};
use crate::fast::FastMap;

/// Rows of a snapshot after which it is worth two changes of settings: a second's worth.
const ROWS_MIN: u32 = 10_000;
/// How long no such row has come when a snapshot counts as ended.
const QUIET: Duration = Duration::from_secs(10);
/// Pause between two tries to put settings back.
const RETRY: Duration = Duration::from_secs(5);
/// How long a stop or a revocation waits for it, which has 20 s in all.
const END_DEADLINE: Duration = Duration::from_secs(5);
/// What is changed, and to what.
const REFRESH: &str = "refresh_interval";
const REPLICAS: &str = "number_of_replicas";

/// The indices that snapshots fill.
pub(crate) struct BulkLoad {
    client: Arc<EsClient>,
    is_enabled: bool,
    /// [`QUIET`], but in tests.
    pub(super) quiet: Duration,
    loads: FastMap<Arc<str>, Load>,
}

#[derive(Debug)]
struct Load {
    rows: u32,
    last: Instant,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Its rows are counted.
    Counting,
    /// Its settings are those of a load.
    On,
    /// It is not ours, or the server does not let its settings be changed.
    Never,
}

/// Why settings are not as they should be. Never more than a line of the log.
type Failure = Box<str>;

impl BulkLoad {
    pub(super) fn new(client: Arc<EsClient>, is_enabled: bool) -> Self {
        Self { client, is_enabled, quiet: QUIET, loads: FastMap::default() }
    }

    /// Counts a row that goes to an index. Cheap.
    pub(crate) fn seen(&mut self, index: &Arc<str>, is_snapshot: bool) {
        if !is_snapshot || !self.is_enabled {
            return;
        }
        let now = Instant::now();
        let load = self.loads.entry(Arc::clone(index)).or_insert(Load {
            rows: 0,
            last: now,
            phase: Phase::Counting,
        });
        let is_new = load.phase == Phase::Counting && now - load.last >= self.quiet;
        load.rows = if is_new { 1 } else { load.rows.saturating_add(1) };
        load.last = now;
    }

    /// Forgets the rows that were counted; what has been changed is still put back.
    pub(super) fn forget_counts(&mut self) {
        self.loads.retain(|_, load| load.phase == Phase::On);
    }

    /// An index has the settings of a load already, from another task or from before a crash.
    pub(super) fn found(&mut self, index: &Arc<str>) {
        let load = Load { rows: 0, last: Instant::now(), phase: Phase::On };
        self.loads.insert(Arc::clone(index), load);
    }

    /// When [`act`](Self::act) has something to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.loads.values().filter_map(|load| load.due(self.quiet)).min()
    }

    /// Changes what is due. Each request is sent once and has the client's time at most.
    ///
    /// Not cancel safe in what it has done, only in what it leaves: whoever calls it again, or
    /// prepares the index, ends it.
    pub(crate) async fn act(&mut self) {
        let now = Instant::now();
        let is_due = |load: &Load| load.due(self.quiet).is_some_and(|due| due <= now);
        let due = self.loads.iter().filter(|(_, load)| is_due(load));
        let due: Vec<_> = due.map(|(index, load)| (Arc::clone(index), load.phase)).collect();
        for (index, phase) in due {
            match phase {
                Phase::Counting => self.begin(&index).await,
                Phase::On => self.restore(&index).await,
                Phase::Never => {}
            }
        }
    }

    /// Puts all settings back, for a stop or a revocation. What does not work in time is left to
    /// the next start.
    pub(crate) async fn end(&mut self) {
        let on = self.loads.iter().filter(|(_, load)| load.phase == Phase::On);
        let on: Vec<_> = on.map(|(index, _)| Arc::clone(index)).collect();
        let all = async {
            for index in &on {
                self.restore(index).await;
            }
        };
        if timeout(END_DEADLINE, all).await.is_err() {
            tracing::warn!("settings of a bulk load are put back by the next start");
        }
    }

    async fn begin(&mut self, index: &Arc<str>) {
        let phase = match self.switch_on(index).await {
            Ok(true) => {
                tracing::info!(index = &**index, "bulk load: no refresh and no replicas for now");
                Phase::On
            }
            Ok(false) => Phase::Never,
            Err(error) => {
                tracing::info!(index = &**index, error = &*error, "no bulk load");
                Phase::Never
            }
        };
        if let Some(load) = self.loads.get_mut(index) {
            load.phase = phase;
        }
    }

    async fn restore(&mut self, index: &Arc<str>) {
        match self.switch_off(index).await {
            Ok(()) => {
                tracing::info!(index = &**index, "bulk load ended: settings are as before");
                self.loads.remove(index);
            }
            Err(error) => {
                tracing::warn!(
                    index = &**index,
                    error = &*error,
                    "settings of a bulk load are not put back yet, trying again"
                );
                if let Some(load) = self.loads.get_mut(index) {
                    // As if its last row had come so late that the next try is due.
                    load.last =
                        (Instant::now() + RETRY).checked_sub(self.quiet).unwrap_or(load.last);
                }
            }
        }
    }

    /// `false` for an index that is not ours.
    async fn switch_on(&self, index: &str) -> Result<bool, Failure> {
        let Some(state) = self.state(index).await? else { return Ok(false) };
        if !state.is_ours() {
            return Ok(false);
        }
        let has_own_replicas = !state.settings.contains_key("auto_expand_replicas");
        let before = |key: &str| state.settings.get(key).cloned().unwrap_or(Value::Null);
        if state.noted(mark::BULK_LOAD).is_none() {
            let mut note = Map::from_iter([(REFRESH.to_owned(), before(REFRESH))]);
            if has_own_replicas {
                note.insert(REPLICAS.to_owned(), before(REPLICAS));
            }
            self.note(&state, note.into()).await?;
        }
        let mut settings = Map::from_iter([(REFRESH.to_owned(), json!("-1"))]);
        if has_own_replicas {
            settings.insert(REPLICAS.to_owned(), json!(0));
        }
        if let Err(error) = self.set(&state.name, settings.into()).await {
            // Nothing was changed, so nothing is to be put back.
            self.note(&state, Value::Null).await?;
            return Err(error);
        }
        Ok(true)
    }

    async fn switch_off(&self, index: &str) -> Result<(), Failure> {
        let Some(state) = self.state(index).await? else { return Ok(()) };
        let Some(before) = state.noted(mark::BULK_LOAD).cloned() else { return Ok(()) };
        self.set(&state.name, before).await?;
        self.send(Method::Post, format!("/{}/_refresh", state.name), None).await?;
        self.note(&state, Value::Null).await
    }

    async fn state(&self, index: &str) -> Result<Option<IndexState>, Failure> {
        let request = Request::json(Method::Get, format!("/{index}"), None);
        let answer = self.client.send(&request).await.map_err(|error| error.reason)?;
        match answer.status {
            404 => Ok(None),
            200 => Ok(IndexState::parse(index, &answer.body)),
            _ => Err(answer.reason()),
        }
    }

    async fn note(&self, state: &IndexState, note: Value) -> Result<(), Failure> {
        let meta: Map<String, Value> = mark::with_note(&state.meta, mark::BULK_LOAD, note);
        let body = json!({ "_meta": meta });
        self.send(Method::Put, format!("/{}/_mapping", state.name), Some(&body)).await.map(drop)
    }

    async fn set(&self, index: &str, settings: Value) -> Result<(), Failure> {
        let body = json!({ "index": settings });
        self.send(Method::Put, format!("/{index}/_settings"), Some(&body)).await.map(drop)
    }

    async fn send(
        &self,
        method: Method,
        path: String,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let request = Request::json(method, path, body.map(ToString::to_string));
        let answer = self.client.send(&request).await.map_err(|error| error.reason)?;
        if answer.status == 200 { Ok(answer) } else { Err(answer.reason()) }
    }
}

impl Load {
    fn due(&self, quiet: Duration) -> Option<Instant> {
        match self.phase {
            Phase::Counting => (self.rows >= ROWS_MIN).then_some(self.last),
            Phase::On => Some(self.last + quiet),
            Phase::Never => None,
        }
    }
}
