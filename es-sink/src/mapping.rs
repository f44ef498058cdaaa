//! Indices: their names, and mappings that are made from the records' schemas.
//!
//! An index is prepared before the first record of each schema: created when it is missing, given
//! the fields that it lacks, refused when fields have other types. So Elasticsearch never has to
//! guess a type, and new indices are told not to (`dynamic: false`: a field that someone adds on
//! the way, as an ingest pipeline does, is kept in the document and is not in the way).
//!
//! ```text
//! state          what the server says of the index       → none: create, with its alias
//! lost           is it the one that was written to        → halt
//! mark           whose documents, which versions          → halt
//! difference     fields that it has, and should have      → added, or halt with all of them
//! gc_deletes     how long deletes are remembered          → raised
//! ```
//!
//! What kind of versions an index has, whose documents, and which index it is, stands in its
//! mapping's `_meta` (`mark.rs`).

mod bulk_load;
mod create;
mod dated;
mod difference;
mod dynamic;
mod field_type;
mod gc_deletes;
mod hand_back;
mod index_name;
mod lost;
mod mark;
mod name_date;
mod outlook;
mod state;
mod stream;
mod takeover;
mod template;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use connect::backoff::Backoff;
use schema::plan::document::DocumentField;
use serde_json::{Map, Value, json};

pub(crate) use bulk_load::BulkLoad;
pub use hand_back::{HandBack, HandBackStep, HandedBack};
pub(crate) use index_name::{ANY_DATE, IndexTemplate, table_of};
pub(crate) use mark::{Mark, Owner, TOPIC_FIELD, VersionKind};
pub(crate) use outlook::IndexOutlook;

use crate::client::{Answer, EsClient, Method, Request};
use crate::config::IndexConfig;
use crate::error::{IndexError, LostIndex, SinkError};
use crate::fast::FastMap;
use create::Step;
use difference::{Difference, Existing};
use field_type::FieldTypes;
use lost::Standing;
use state::IndexState;
use takeover::TakenOver;

/// How often an index that somebody else makes at the same moment is looked at: some two seconds
/// in all.
const ROUNDS_MAX: u32 = 8;

/// The indices that are ready to be written to.
pub(crate) struct Indices {
    client: Arc<EsClient>,
    config: IndexConfig,
    types: FieldTypes,
    /// The connector's name, for its index template.
    connector: Box<str>,
    prepared: FastMap<Arc<str>, Prepared>,
    /// Topics of which the group has committed offsets.
    history: HashSet<Arc<str>>,
    /// The server does not let `gc_deletes` be set.
    keeps_gc_deletes: bool,
    bulk_load: BulkLoad,
}

/// An index that is ready.
#[derive(Debug)]
struct Prepared {
    mark: Mark,
    /// Where its records begin to have an Lsn, if there are others before.
    taken_over: Option<TakenOver>,
    /// Its own name.
    index: Box<str>,
    uuid: Option<Box<str>>,
    is_alias: bool,
    /// Whether its name has a date.
    is_dated: bool,
}

/// What an index has to be.
struct Wanted<'a> {
    index: &'a Arc<str>,
    topic: &'a Arc<str>,
    /// `database.table`, as far as the topic's name says.
    table: &'a str,
    mark: Mark,
    is_dated: bool,
    fields: Vec<DocumentField>,
}

impl Indices {
    pub(crate) fn new(client: Arc<EsClient>, config: IndexConfig) -> Self {
        Self {
            types: FieldTypes::new(&config),
            bulk_load: BulkLoad::new(Arc::clone(&client), config.bulk_load),
            client,
            config,
            connector: "sink".into(),
            prepared: FastMap::default(),
            history: HashSet::new(),
            keeps_gc_deletes: false,
        }
    }

    /// Names the connector that the indices are for.
    #[must_use]
    pub(crate) fn of_connector(self, name: &str) -> Self {
        Self { connector: name.into(), ..self }
    }

    /// Tells of which topics the group has committed offsets: their indices must be there.
    pub(crate) fn add_history(&mut self, topics: impl IntoIterator<Item = Arc<str>>) {
        self.history.extend(topics);
    }

    /// The settings of indices while a snapshot fills them.
    pub(crate) fn bulk_load(&mut self) -> &mut BulkLoad {
        &mut self.bulk_load
    }

    /// The index that a topic's rows go to. With a date, the pattern of all of them.
    pub(crate) fn name(&self, topic: &str) -> Result<Arc<str>, SinkError> {
        self.config.name.apply(topic, self.behind_name())
    }

    /// How many bytes an index's own name has behind its alias.
    fn behind_name(&self) -> usize {
        if self.config.alias { create::FIRST_GENERATION.len() } else { 0 }
    }

    /// Whether a bulk request has to name an alias for an index that was prepared.
    ///
    /// With the name of an alias only: `require_alias` keeps the server from making an index of this
    /// name, with guessed types, when the alias is gone.
    pub(crate) fn requires_alias(&self, index: &Arc<str>) -> bool {
        self.prepared.get(index).is_some_and(|known| known.is_alias)
    }

    /// What the records of a topic make of an index.
    pub(crate) fn mark(&self, versions: VersionKind, topic: &Arc<str>) -> Mark {
        let owner = match self.config.shared {
            true => Owner::Shared,
            false => Owner::Topic(Arc::clone(topic)),
        };
        Mark { versions, owner }
    }

    /// Makes an index ready for documents with these fields.
    pub(crate) async fn prepare(
        &mut self,
        index: &Arc<str>,
        fields: &[DocumentField],
        versions: VersionKind,
        topic: &Arc<str>,
    ) -> Result<(), SinkError> {
        self.client.server().await?;
        let (fields, mark) = (self.with_own(fields), self.mark(versions, topic));
        let is_dated = self.config.name.is_dated(topic, index);
        let wanted = Wanted { index, topic, table: table_of(topic), mark, is_dated, fields };
        let prepared = self.until_prepared(&wanted).await?;
        self.prepared.insert(Arc::clone(index), prepared);
        Ok(())
    }

    /// The fields of documents, with those that the index itself asks for.
    fn with_own(&self, fields: &[DocumentField]) -> Vec<DocumentField> {
        let mut fields = fields.to_vec();
        if self.config.shared {
            fields.push(mark::topic_field());
        }
        if self.config.soft_delete {
            fields.retain(|field| &*field.name != mark::DELETED_FIELD);
            fields.push(mark::deleted_field());
        }
        fields
    }

    /// Finds all fields of an index that cannot hold what the records of a topic have; changes
    /// nothing. An index that is not there has none. Of those with dates the latest one counts. One
    /// that was left in the middle of a load is noted: its settings come back, whether another row of
    /// it comes or not.
    ///
    /// # Errors
    ///
    /// Returns [`IndexError::MappingConflict`] with all of them.
    pub(crate) async fn check(
        &mut self,
        index: &Arc<str>,
        topic: &Arc<str>,
        fields: &[DocumentField],
    ) -> Result<(), SinkError> {
        let index = match index.contains(ANY_DATE) {
            true => self.of_topic(index, topic).await?.pop(),
            false => Some(Arc::clone(index)),
        };
        let Some(index) = index else { return Ok(()) };
        let Some(state) = self.read(&index).await? else { return Ok(()) };
        self.find_load(&state, &index);
        self.difference(&state, table_of(topic), &self.with_own(fields)).map(drop)
    }

    /// Whether a topic has documents in an index that exists. Such an index is its own or shared
    /// afterwards, which it may not have said before.
    pub(crate) async fn has_documents_of(
        &mut self,
        index: &Arc<str>,
        versions: VersionKind,
        topic: &Arc<str>,
    ) -> Result<bool, SinkError> {
        let is_marked = self.read(index).await?.is_some_and(|state| state.is_marked());
        if is_marked {
            self.prepare(index, &[], versions, topic).await?;
        }
        Ok(is_marked)
    }

    /// Makes an index that is missing. Once a record of its topic is committed its absence would be
    /// taken for a loss, unless its name has a date.
    pub(crate) async fn make_missing(
        &mut self,
        index: &Arc<str>,
        versions: VersionKind,
        topic: &Arc<str>,
    ) -> Result<(), SinkError> {
        if self.config.name.is_dated(topic, index) {
            return Ok(());
        }
        match self.read(index).await? {
            None => self.prepare(index, &[], versions, topic).await,
            Some(_) => Ok(()),
        }
    }

    /// What there is of an index; none if there is no such index.
    async fn read(&self, index: &str) -> Result<Option<IndexState>, SinkError> {
        let request = Request::json(Method::Get, format!("/{index}"), None);
        let action = "look at index";
        let answer = self.client.ask(&request, action, index).await?;
        match answer.status {
            404 => Ok(None),
            200 => match IndexState::parse(index, &answer.body) {
                Some(state) => Ok(Some(state)),
                None => Err(self.client.refusal(&answer, action, index)),
            },
            _ => Err(self.client.refusal(&answer, action, index)),
        }
    }

    async fn until_prepared(&mut self, wanted: &Wanted<'_>) -> Result<Prepared, SinkError> {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
        let mut was_made = false;
        for _ in 0..ROUNDS_MAX {
            match self.read(wanted.index).await? {
                None if !was_made && !wanted.is_dated && self.has_history(wanted) => {
                    let (index, how) = ((**wanted.index).into(), LostIndex::Deleted);
                    return Err(IndexError::IndexLost { index, how }.into());
                }
                None => match self.create(wanted).await? {
                    Step::Done => was_made = true,
                    Step::Again => tokio::time::sleep(backoff.next_delay()).await,
                },
                Some(state) => {
                    self.check_standing(&state, wanted).await?;
                    let is_marked = wanted.mark.meets(&state.meta, wanted.index, wanted.topic)?;
                    let step = self.complete(&state, wanted, is_marked).await?;
                    if step == Step::Done {
                        return self.finish(state, wanted).await;
                    }
                }
            }
        }
        let (alias, index) = ((**wanted.index).into(), self.generation(wanted.index).into());
        Err(IndexError::AliasMissing { alias, index }.into())
    }

    /// Whether there must be rows in the index already.
    fn has_history(&self, wanted: &Wanted<'_>) -> bool {
        self.history.contains(wanted.topic) || self.prepared.contains_key(wanted.index)
    }

    /// Refuses an index that is not the one that was written to, and documents of others.
    async fn check_standing(
        &self,
        state: &IndexState,
        wanted: &Wanted<'_>,
    ) -> Result<(), SinkError> {
        let index = &**wanted.index;
        let lost = |how| SinkError::from(IndexError::IndexLost { index: index.into(), how });
        let has_history = self.has_history(wanted);
        match lost::standing(state, has_history) {
            Standing::Same => Ok(()),
            Standing::Lost(how) if !self.config.adopt => Err(lost(how)),
            Standing::Lost(how) => {
                tracing::warn!(index, "index {how}, and is taken as it is: `index.adopt` is set");
                Ok(())
            }
            Standing::Unknown => match (self.is_empty(&state.name).await?, self.config.adopt) {
                // Somebody may make one for tomorrow.
                (true, _) if wanted.is_dated => Ok(()),
                (true, _) | (_, false) if has_history => Err(lost(LostIndex::Recreated)),
                (true, _) => Ok(()),
                (false, false) => Err(IndexError::NotAdopted { index: index.into() }.into()),
                (false, true) => {
                    tracing::warn!(index, "documents of others are taken: `index.adopt` is set");
                    Ok(())
                }
            },
        }
    }

    /// Documents that no search finds yet count as well.
    async fn is_empty(&self, index: &str) -> Result<bool, SinkError> {
        let (action, path) = ("refresh", format!("/{index}/_refresh"));
        let refreshed =
            self.client.ask(&Request::json(Method::Post, path, None), action, index).await?;
        if refreshed.status != 200 {
            return Err(self.client.refusal(&refreshed, action, index));
        }
        self.has_documents(index).await.map(|has| !has)
    }

    fn difference(
        &self,
        state: &IndexState,
        table: &str,
        fields: &[DocumentField],
    ) -> Result<Map<String, Value>, SinkError> {
        let existing = Existing { properties: &state.properties, is_ours: state.has_our_fields() };
        let Difference { missing, conflicts } =
            Difference::of(existing, table, fields, &self.types);
        if conflicts.is_empty() {
            return Ok(missing);
        }
        let (index, conflicts) = (state.name.clone(), conflicts.into());
        Err(IndexError::MappingConflict { index, conflicts }.into())
    }

    /// Adds the fields that are missing, and the mark.
    async fn complete(
        &mut self,
        state: &IndexState,
        wanted: &Wanted<'_>,
        is_marked: bool,
    ) -> Result<Step, SinkError> {
        let index = &*state.name;
        let missing = self.difference(state, wanted.table, &wanted.fields)?;
        let noted = state.noted(mark::INDEX_UUID).and_then(Value::as_str);
        let is_noted = state.uuid().is_none() || noted == state.uuid();
        if missing.is_empty() && is_marked && is_noted {
            return Ok(Step::Done);
        }
        let added = missing.len();
        // `_meta` is replaced as a whole, so what others have put there goes back with it.
        let meta = wanted.mark.added_to(&state.meta);
        let meta = mark::with_note(&meta, mark::INDEX_UUID, json!(state.uuid()));
        let body = json!({ "_meta": meta, "properties": missing });
        let action = "extend the mapping of";
        let answer = self.put(format!("/{index}/_mapping"), &body, action, index).await?;
        if answer.status == 200 {
            tracing::info!(index, fields = added, "mapping extended");
            // Who has marked it at the same moment for another topic must be met.
            return Ok(if is_marked && is_noted { Step::Done } else { Step::Again });
        }
        match self.learn(&answer, action, (index, &wanted.fields)) {
            Err(SinkError::Index(IndexError::FieldLimit { .. }))
                if self.raise_limit(state).await? =>
            {
                Ok(Step::Again)
            }
            learnt => learnt,
        }
    }

    /// Gives an index of ours the limit of fields that the settings have by now; `false` if it has
    /// that already.
    async fn raise_limit(&self, state: &IndexState) -> Result<bool, SinkError> {
        const LIMIT: &str = "mapping.total_fields.limit";
        let Some(wanted) = self.config.settings.get(LIMIT) else { return Ok(false) };
        let pointer = ["mapping", "total_fields", "limit"];
        let found = pointer
            .iter()
            .try_fold(&Value::Object(state.settings.clone()), |value, key| value.get(key))
            .and_then(Value::as_str)
            .map(str::to_owned);
        if found.as_deref() == Some(wanted) {
            return Ok(false);
        }
        let (index, body) = (&*state.name, json!({ "index": { LIMIT: wanted } }));
        let action = "raise the limit of fields of";
        let answer = self.put(format!("/{index}/_settings"), &body, action, index).await?;
        if answer.status == 200 {
            tracing::info!(index, limit = wanted, "limit of fields raised");
        }
        Ok(answer.status == 200)
    }

    /// What is beside the mapping.
    async fn finish(
        &mut self,
        state: IndexState,
        wanted: &Wanted<'_>,
    ) -> Result<Prepared, SinkError> {
        if self.config.soft_delete {
            self.hide_deleted(&state, wanted.index).await?;
        }
        if !self.prepared.contains_key(wanted.index) {
            if !state.is_alias && self.config.alias {
                tracing::info!(index = &*state.name, "index is there already and used as it is");
            }
            self.raise_gc_deletes(&state).await?;
            self.find_load(&state, wanted.index);
        }
        let uuid = state.uuid().map(Into::into);
        let is_alias = state.is_alias;
        let is_dated = wanted.is_dated;
        let taken_over = TakenOver::of(&state.meta);
        let mut mark = wanted.mark.clone();
        if taken_over.is_some() {
            mark.versions = VersionKind::Lsn;
        }
        Ok(Prepared { mark, taken_over, index: state.name, uuid, is_alias, is_dated })
    }

    fn find_load(&mut self, state: &IndexState, index: &Arc<str>) {
        if state.noted(mark::BULK_LOAD).is_some() {
            self.bulk_load.found(index);
        }
    }

    /// Gives the alias its filter, if it has none.
    async fn hide_deleted(&self, state: &IndexState, alias: &str) -> Result<(), SinkError> {
        if state.is_filtered {
            return Ok(());
        }
        if !state.is_alias {
            return Err(IndexError::NoAlias { index: state.name.clone() }.into());
        }
        let mut added = self.alias();
        added.insert("index".to_owned(), json!(*state.name));
        added.insert("alias".to_owned(), json!(alias));
        let body = json!({ "actions": [{ "add": added }] }).to_string();
        let action = "filter the alias";
        let request = Request::json(Method::Post, "/_aliases".to_owned(), Some(body));
        let answer = self.client.ask(&request, action, alias).await?;
        match answer.status {
            200 => Ok(()),
            _ => Err(self.client.refusal(&answer, action, alias)),
        }
    }

    async fn put(
        &self,
        path: String,
        body: &Value,
        action: &'static str,
        index: &str,
    ) -> Result<Answer, SinkError> {
        let request = Request::json(Method::Put, path, Some(body.to_string()));
        self.client.ask(&request, action, index).await
    }
}
