//! An Elasticsearch, or an OpenSearch, in this process: versions, deletes that are forgotten,
//! mappings, refreshes, aliases; with a clock that only the test turns, and faults on request.
//!
//! What it says is what the real servers say: `integration/tests/it/contract.rs` asks both.

#![allow(
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "no product code: it is JSON that is indexed, where what is missing is null, and its \
              kinds stay six"
)]

mod bulk;
mod faults;
mod http;
mod index;
mod manage;
mod mapping;
mod product;
mod refusal;
mod route;
mod search;
mod state;
mod values;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use faults::{Fault, Phase, SearchFault};
pub use product::Product;
use state::State;

/// The server. Ends with the value.
pub struct FakeServer {
    /// Its address, without a slash at the end.
    pub url: String,
    server: Arc<Server>,
    listener: JoinHandle<()>,
}

/// What its connections share.
struct Server {
    state: Mutex<State>,
    /// Whether bulk requests wait.
    is_held: watch::Sender<bool>,
}

impl Server {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeServer {
    /// Starts an Elasticsearch 9.
    pub async fn start() -> Self {
        Self::start_as(Product::default()).await
    }

    /// Starts one of the servers.
    pub async fn start_as(product: Product) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = State::of(product);
        let (is_held, _) = watch::channel(false);
        let server = Arc::new(Server { state: Mutex::new(state), is_held });
        let shared = Arc::clone(&server);
        let listener = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(http::serve(stream, Arc::clone(&shared)));
                while connections.try_join_next().is_some() {}
            }
        });
        let fake = Self { url: format!("http://{address}"), server, listener };
        #[cfg(test)]
        super::rows::schemas().into_iter().for_each(|(id, text)| fake.register(id, text));
        fake
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.server.state()
    }

    /// Gives the schema registry, which is here too, a schema.
    pub fn register(&self, id: u32, schema: &str) {
        self.state().schemas.insert(id, schema.to_owned());
    }

    /// Makes a schema the latest one of a subject.
    pub fn register_as(&self, subject: &str, id: u32) {
        self.state().subjects.insert(subject.to_owned(), id);
    }
}

/// What goes wrong.
impl FakeServer {
    /// Each of these is for one of the next bulk requests, in this order.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.add(faults);
    }

    /// Each of these goes wrong once.
    pub fn fail_searches(&self, faults: impl IntoIterator<Item = (Phase, SearchFault)>) {
        self.state().faults.add_searches(faults);
    }

    /// The next request whose method and path, as in `PUT /i/_mapping`, have this text goes wrong.
    pub fn fail_request(&self, part: &str, fault: SearchFault) {
        self.state().faults.add_request(part, fault);
    }

    /// Faults that have not happened yet.
    pub fn faults_left(&self) -> usize {
        self.state().faults.len()
    }

    /// `http.max_content_length`; 0 for none.
    pub fn set_max_bytes(&self, bytes: usize) {
        self.state().max_bytes = bytes;
    }

    /// Refuses without an answer.
    pub fn cut_large(&self) {
        self.state().cuts_large = true;
    }

    /// From now on bulk requests wait, after they have been read and before they are applied.
    pub fn hold(&self) {
        self.server.is_held.send_replace(true);
    }

    /// Those that wait go on, also those whose clients are gone.
    pub fn release(&self) {
        self.server.is_held.send_replace(false);
    }

    /// Nothing can be written to an index, as when the disk is full (429).
    pub fn block(&self, index: &str) {
        self.set(index, "blocks.read_only_allow_delete", Some("true"));
    }

    /// Nothing can be written to an index, because somebody has said so (403).
    pub fn block_for_good(&self, index: &str) {
        self.set(index, "blocks.write", Some("true"));
    }

    /// Takes both blocks away.
    pub fn unblock(&self, index: &str) {
        self.set(index, "blocks.read_only_allow_delete", None);
        self.set(index, "blocks.write", None);
    }

    /// Requests without this header `authorization` are refused with 401.
    pub fn ask_for_login(&self, authorization: &str) {
        self.state().authorization = Some(authorization.to_owned());
    }

    /// Does not know the type `unsigned_long`.
    pub fn lack_unsigned_long(&self) {
        self.state().lacks_unsigned_long = true;
    }

    /// From now on the registry's half answers 503.
    pub fn stop_registry(&self) {
        self.state().registry_is_down = true;
    }

    /// Makes no index because of a write.
    pub fn refuse_auto_create(&self) {
        self.state().refuses_auto_create = true;
    }
}

/// What happens to the server.
impl FakeServer {
    /// Becomes OpenSearch 3.
    pub fn be_opensearch(&self) {
        self.be(Product::OpenSearch3);
    }

    /// Becomes another server.
    pub fn be(&self, product: Product) {
        self.state().product = product;
    }

    /// Lets time pass: deletes are forgotten, searches see more.
    pub fn advance(&self, time: Duration) {
        let mut state = self.state();
        state.now += time;
        let now = state.now;
        state.indices.values_mut().for_each(|index| index.refresh_if_due(now));
    }

    /// Ends in good order and starts again: deletes and points in time are forgotten.
    pub fn restart(&self) {
        self.state().indices.values_mut().for_each(index::Index::flush);
        self.crash();
    }

    /// Is killed and starts again: deletes that were flushed are forgotten, others are read again.
    pub fn crash(&self) {
        let mut state = self.state();
        let now = state.now;
        state.points.clear();
        state.indices.values_mut().for_each(|index| index.restart(now));
    }

    /// Writes an index to the disk.
    pub fn flush(&self, index: &str) {
        if let Some(index) = self.state().named_mut(index) {
            index.flush();
        }
    }

    /// Shows an index as it is to searches.
    pub fn refresh(&self, index: &str) {
        let mut state = self.state();
        let now = state.now;
        if let Some(index) = state.named_mut(index) {
            index.refresh(now);
        }
    }

    /// An index that somebody else has made.
    ///
    /// # Panics
    ///
    /// If there is one already, or the mapping is none.
    pub fn create(&self, index: &str, mapping: Value) {
        let made = manage::create(&mut self.state(), index, &json!({ "mappings": mapping }));
        assert!(made.is_ok(), "index {index} is made: {made:?}");
    }

    /// Somebody deletes an index.
    pub fn delete(&self, index: &str) {
        let mut state = self.state();
        let names: Vec<String> = state.behind(index);
        names.iter().for_each(|name| drop(state.indices.remove(name)));
    }

    /// Somebody restores an index from a snapshot: the same in another index.
    pub fn restore(&self, index: &str) {
        let mut state = self.state();
        let uuid = state.new_name("uuid");
        if let Some(index) = state.named_mut(index) {
            index.uuid = uuid;
        }
    }

    /// Somebody points an alias to this index alone.
    pub fn alias(&self, alias: &str, index: &str) {
        let mut state = self.state();
        state.indices.values_mut().for_each(|other| drop(other.aliases.remove(alias)));
        if let Some(index) = state.indices.get_mut(index) {
            index.aliases.insert(alias.to_owned(), json!({}));
        }
    }

    /// From now on no body may have this text, as a setting that a server does not let one set.
    pub fn refuse_text(&self, text: &str) {
        self.state().refused_texts.push(text.to_owned());
    }

    /// A template for indices whose names begin so.
    pub fn put_template(&self, prefix: &str, template: &Value) {
        let mut template = template.clone();
        template["index_patterns"] = json!([format!("{prefix}*")]);
        self.state().templates.insert(prefix.to_owned(), template);
    }

    /// A document of an index that is there.
    ///
    /// # Panics
    ///
    /// If it is not there.
    pub fn put(&self, index: &str, id: &str, version: u64, document: Value) {
        let mut state = self.state();
        let index = state.named_mut(index).expect("the index is there");
        index.put(id, version, document);
    }

    /// A pipeline that sets fields.
    pub fn pipeline(&self, name: &str, fields: &Value) {
        let fields = fields.as_object().cloned().unwrap_or_default();
        self.state().pipelines.insert(name.to_owned(), fields);
    }

    /// Changes a setting of an index, without `index.` before its name.
    pub fn set(&self, index: &str, setting: &str, value: Option<&str>) {
        if let Some(index) = self.state().named_mut(index) {
            match value {
                Some(value) => index.settings.insert(setting.to_owned(), value.to_owned()),
                None => index.settings.remove(setting),
            };
        }
    }
}

/// What is in it.
impl FakeServer {
    /// The documents that are there, seen by a search or not.
    pub fn documents(&self, index: &str) -> BTreeMap<String, Value> {
        let state = self.state();
        let entries = state.named(index).into_iter().flat_map(index::Index::entries);
        entries
            .filter_map(|(place, entry)| Some((place.id.clone(), entry.source.clone()?)))
            .collect()
    }

    /// The documents that a search sees.
    pub fn visible(&self, index: &str) -> BTreeMap<String, Value> {
        let state = self.state();
        let visible = state.named(index).map(index::Index::visible).unwrap_or_default();
        let entries = visible.iter();
        entries
            .filter_map(|(place, entry)| Some((place.id.clone(), entry.source.clone()?)))
            .collect()
    }

    /// The version of a document, deleted or not, that was written last, remembered or not.
    pub fn version(&self, index: &str, id: &str) -> Option<u64> {
        let state = self.state();
        let mut entries = state.named(index)?.entries();
        entries.find(|(place, _)| place.id == id).map(|(_, entry)| entry.version)
    }

    /// How many documents have an id, in different shards.
    pub fn copies(&self, index: &str, id: &str) -> usize {
        let state = self.state();
        let entries = state.named(index).into_iter().flat_map(index::Index::entries);
        entries.filter(|(place, entry)| place.id == id && entry.source.is_some()).count()
    }

    /// The mapping of an index; null if there is none.
    pub fn mapping(&self, index: &str) -> Value {
        let state = self.state();
        state.named(index).map_or(Value::Null, |index| index.mapping.clone().into())
    }

    /// A setting of an index, without `index.` before its name.
    pub fn setting(&self, index: &str, name: &str) -> Option<String> {
        self.state().named(index)?.settings.get(name).cloned()
    }

    /// What an index is known by, however often its name is given again.
    pub fn uuid(&self, index: &str) -> Option<String> {
        Some(self.state().named(index)?.uuid.clone())
    }

    /// The aliases of an index.
    pub fn aliases(&self, index: &str) -> BTreeMap<String, Value> {
        let state = self.state();
        state.named(index).map(|index| index.aliases.clone()).unwrap_or_default()
    }

    /// The one index behind an alias, and what is said of the alias there.
    pub fn alias_of(&self, alias: &str) -> Option<(String, Value)> {
        let state = self.state();
        let mut indices = state.indices.iter();
        indices.find_map(|(name, index)| Some((name.clone(), index.aliases.get(alias)?.clone())))
    }

    /// The templates by their names.
    pub fn templates(&self) -> BTreeMap<String, Value> {
        self.state().templates.clone()
    }

    /// All indices.
    pub fn indices(&self) -> Vec<String> {
        self.state().indices.keys().cloned().collect()
    }

    /// Whether there is such an index.
    pub fn has_index(&self, index: &str) -> bool {
        self.state().named(index).is_some()
    }
}

/// What was asked.
impl FakeServer {
    /// Bulk requests, those that failed included.
    pub fn bulk_requests(&self) -> usize {
        self.state().asked.bulk_requests
    }

    /// Their bytes, as they came over the network.
    pub fn bulk_bytes(&self) -> usize {
        self.state().asked.bulk_bytes
    }

    /// Actions of requests that were looked at.
    pub fn actions(&self) -> usize {
        self.state().asked.actions
    }

    /// Those of them that changed something.
    pub fn applied(&self) -> usize {
        self.state().asked.applied
    }

    /// Requests that were too large.
    pub fn refused_for_size(&self) -> usize {
        self.state().asked.refused_for_size
    }

    /// Searches.
    pub fn searches(&self) -> usize {
        self.state().asked.searches
    }

    /// Points in time that nobody has closed.
    pub fn open_points(&self) -> usize {
        self.state().points.len()
    }

    /// Bulk requests that wait to be released.
    pub fn held(&self) -> usize {
        self.state().asked.held
    }

    /// The most bulk requests at once.
    pub fn most_requests(&self) -> usize {
        self.state().asked.under_way.1
    }

    /// What the last action line about a document said.
    pub fn line(&self, index: &str, id: &str) -> Value {
        self.state().asked.lines[&(index.to_owned(), id.to_owned())].clone()
    }

    /// The most actions at once on one document. More than one, and their order is left to chance.
    pub fn most_actions_on_one_document(&self) -> usize {
        self.state().asked.most_on_one
    }

    /// How often each method and path was asked for, as in `GET /i/_mapping`.
    pub fn calls(&self) -> BTreeMap<String, usize> {
        self.state().asked.calls.clone()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.listener.abort();
        // The sink's own promise, in each of its tests.
        #[cfg(test)]
        if !std::thread::panicking() {
            assert!(self.most_actions_on_one_document() <= 1, "two actions on one document");
        }
    }
}

#[cfg(test)]
mod tests;
