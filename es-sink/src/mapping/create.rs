//! Making an index: its first generation and the alias that it is known by, in one request.

use schema::plan::document::DocumentField;
use serde_json::{Map, Value, json};

use super::difference::{Difference, Existing};
use super::template::Template;
use super::{Indices, Wanted, gc_deletes, mark};
use crate::bulk::error_kind;
use crate::client::Answer;
use crate::error::{IndexError, SinkError};
use crate::mapping::field_type::FieldTypes;

/// What stands behind the alias's name, as in Elasticsearch's own rollover: the next one is
/// `-000002`.
pub(super) const FIRST_GENERATION: &str = "-000001";

/// What a request has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It was done.
    Done,
    /// Something was learnt, or another task was faster: look again.
    Again,
}

impl Indices {
    /// The name that an index has itself.
    pub(super) fn generation(&self, index: &str) -> String {
        match self.config.alias {
            true => format!("{index}{FIRST_GENERATION}"),
            false => index.to_owned(),
        }
    }

    /// Makes the index. Its UUID is not known before, so it is noted by the next round.
    pub(super) async fn create(&mut self, wanted: &Wanted<'_>) -> Result<Step, SinkError> {
        self.put_template().await?;
        let generation = self.generation(wanted.index);
        let template = self.template_for(&generation).await?;
        let fields = &wanted.fields;
        let existing = Existing { properties: &template.properties, is_ours: false };
        let difference = Difference::of(existing, wanted.table, fields, &self.types);
        if !difference.conflicts.is_empty() {
            let conflicts = difference.conflicts.into();
            let index = (*generation).into();
            return Err(IndexError::MappingConflict { index, conflicts }.into());
        }
        let body = self.creation(wanted, &template, difference.missing);
        let action = "create index";
        let answer = self.put(format!("/{generation}"), &body, action, &generation).await?;
        match (answer.status, &*error_kind(&answer.body)) {
            (200, _) => {
                tracing::info!(index = generation, fields = fields.len(), "index created");
                Ok(Step::Done)
            }
            // Another task was faster: look at what it has made. Or somebody has made one with the
            // alias's name just now.
            (400, "resource_already_exists_exception" | "invalid_alias_name_exception") => {
                Ok(Step::Again)
            }
            _ => self.learn(&answer, action, (&generation, fields)),
        }
    }

    fn creation(
        &self,
        wanted: &Wanted<'_>,
        template: &Template,
        properties: Map<String, Value>,
    ) -> Value {
        let mut settings = Map::new();
        if !template.settings.contains_key(gc_deletes::KEY) && !self.keeps_gc_deletes {
            settings.insert(gc_deletes::KEY.to_owned(), json!(gc_deletes::DEFAULT));
        }
        let own = self.config.settings.iter();
        settings.extend(own.map(|(key, value)| (key.clone(), json!(value))));
        let mut meta =
            mark::with_note(&wanted.mark.added_to(&Map::new()), mark::CREATED, json!(true));
        if !template.properties.is_empty() {
            meta = mark::with_note(&meta, mark::TEMPLATED, json!(true));
        }
        let mut mappings = Map::from_iter([
            ("_meta".to_owned(), Value::from(meta)),
            ("properties".to_owned(), properties.into()),
        ]);
        if !template.says_dynamic {
            mappings.insert("dynamic".to_owned(), json!(false));
        }
        let mut aliases = Map::new();
        if self.config.alias {
            aliases.insert(wanted.index.to_string(), self.alias().into());
        }
        json!({ "settings": { "index": settings }, "mappings": mappings, "aliases": aliases })
    }

    /// How the alias is to be. Where deletes are soft it does not show what is deleted.
    pub(super) fn alias(&self) -> Map<String, Value> {
        let mut alias = Map::from_iter([("is_write_index".to_owned(), json!(true))]);
        if self.config.soft_delete {
            let deleted = json!({ "term": { mark::DELETED_FIELD: true } });
            alias.insert("filter".to_owned(), json!({ "bool": { "must_not": deleted } }));
        }
        alias
    }

    /// Takes from a refusal what the server does not have, or names what is to be changed.
    pub(super) fn learn(
        &mut self,
        answer: &Answer,
        action: &'static str,
        (index, fields): (&str, &[DocumentField]),
    ) -> Result<Step, SinkError> {
        if let Some(kind) = FieldTypes::absent_type(&answer.body) {
            if !self.types.forget(&kind) {
                return Err(IndexError::MissingType { index: index.into(), kind }.into());
            }
            tracing::warn!(
                index,
                kind = &*kind,
                "the server has no such type, doing without: searches may be less exact, documents \
                 are the same"
            );
            return Ok(Step::Again);
        }
        let text = String::from_utf8_lossy(&answer.body);
        if text.contains("Limit of total fields") {
            let added = fields.len();
            return Err(IndexError::FieldLimit { index: index.into(), added }.into());
        }
        // Serverless manages it by itself.
        if answer.status == 400 && text.contains(gc_deletes::KEY) && !self.keeps_gc_deletes {
            self.keeps_gc_deletes = true;
            tracing::warn!(index, "the server does not let gc_deletes be set");
            return Ok(Step::Again);
        }
        Err(self.client.refusal(answer, action, index))
    }
}
