//! Indices get what documents need, before the first ones.

use std::collections::HashSet;
use std::sync::Arc;

use connect::kafka::consumer::Record;
use schema::avro::WriterSchema;
use schema::plan::document::{DocumentField, DocumentPlan, Row};

use super::dated::Name;
use super::schemas::SchemaRef;
use super::{Documents, PLANS_MAX, append, plan_error, remember, soft, version};
use crate::config::Converter;
use crate::error::SinkError;
use crate::mapping::VersionKind;

/// What has been done for indices already.
#[derive(Default)]
pub(super) struct Ready {
    /// Topic, index and schema. Of what has a schema, those in indices with dates only: for others
    /// a plan that is there says it.
    fields: HashSet<(Arc<str>, Arc<str>, Option<SchemaRef>)>,
    /// Indices that have the fields of marks.
    marked: HashSet<Arc<str>>,
}

impl Ready {
    fn forget(&mut self, index: &Arc<str>) {
        self.fields.retain(|(_, known, _)| known != index);
        self.marked.remove(index);
    }

    pub(super) fn forget_all(&mut self) {
        *self = Self::default();
    }
}

/// What has written a record's value.
pub(super) enum Written {
    /// It has none.
    Nothing,
    /// JSON without a schema.
    Schemaless,
    /// A schema.
    Schema {
        schema: SchemaRef,
        plan: Arc<DocumentPlan>,
        /// Whether the plan was made for this record.
        is_new: bool,
    },
}

impl Documents {
    /// The plan of a value's schema, and whether it was made just now.
    pub(super) async fn value_plan(
        &mut self,
        record: &Record,
        schema: SchemaRef,
    ) -> Result<(Arc<DocumentPlan>, bool), SinkError> {
        let topic = &record.partition.topic;
        if let Some(plan) = self.values.get(&(Arc::clone(topic), schema)) {
            return Ok((Arc::clone(plan), false));
        }
        let writer = self.schemas.get(schema, topic).await?;
        let plan = self.compile(&writer, topic).map_err(plan_error(record, schema))?;
        Ok((Arc::new(plan), true))
    }

    /// Gives an index what it needs for a record: the fields of its schema, the first time, or a
    /// mapping that Elasticsearch completes.
    pub(super) async fn get_ready(
        &mut self,
        record: &Record,
        name: &Name,
        (row, written): (&Row, Written),
    ) -> Result<(), SinkError> {
        let Name { index, is_dated } = name;
        let topic = &record.partition.topic;
        // It was deleted, or one of too many.
        if *is_dated && !self.indices.knows(index) {
            self.ready.forget(index);
        }
        let (schema, plan) = match written {
            Written::Nothing => return Ok(()),
            Written::Schema { is_new: false, .. } if !is_dated => return Ok(()),
            Written::Schema { schema, plan, .. } => (Some(schema), Some(plan)),
            Written::Schemaless => (None, None),
        };
        let key = (Arc::clone(topic), Arc::clone(index), schema);
        if !self.ready.fields.contains(&key) {
            let kind = version(row.lsn.or(record.lsn), record).0;
            let is_dynamic = plan.is_none() || self.config.dynamic.contains(topic);
            let of_row = plan.as_ref().filter(|_| !is_dynamic).map(|plan| plan.fields());
            let fields = self.with_own(of_row.unwrap_or_default());
            self.prepare(index, fields, is_dynamic, (kind, topic)).await?;
            if self.soft_delete {
                self.ready.marked.insert(Arc::clone(index));
            }
            if *is_dated || schema.is_none() {
                if self.ready.fields.len() >= PLANS_MAX {
                    self.ready.fields.clear();
                }
                self.ready.fields.insert(key);
            }
        }
        if let (Some(schema), Some(plan)) = (schema, &plan) {
            let key = (Arc::clone(topic), schema);
            if !self.values.contains_key(&key) {
                remember(&mut self.values, key, plan);
            }
        }
        Ok(())
    }

    /// What a topic's index has to have for rows of a schema, with its name; `None` if nobody can
    /// say. What Elasticsearch maps by itself is not in it, and the fields of a data stream are what
    /// they are.
    pub(crate) fn outlook(
        &mut self,
        topic: &Arc<str>,
        schema_text: &str,
    ) -> Option<(Arc<str>, Vec<DocumentField>)> {
        let is_stream = self.config.append.as_ref().is_some_and(|append| append.stream.is_some());
        let is_avro = self.config.converters.value == Converter::Avro;
        if is_stream {
            return None;
        }
        if !is_avro || self.config.dynamic.contains(topic) {
            return Some((self.name(topic).ok()?.index, self.with_own(&[])));
        }
        let schema = WriterSchema::parse(schema_text).ok()?;
        let plan = self.compile(&schema, topic).ok()?;
        Some((self.name(topic).ok()?.index, self.with_own(plan.fields())))
    }

    /// The fields of documents: those of rows, and those that are of none. A flattened record may
    /// bring one of our own along.
    fn with_own(&self, of_row: &[DocumentField]) -> Vec<DocumentField> {
        let mut own = Vec::new();
        if self.soft_delete {
            soft::add_fields(&mut own);
        }
        if self.config.append.is_some() {
            own.extend(append::fields());
        }
        let of_row = of_row.iter().filter(|field| own.iter().all(|own| own.name != field.name));
        of_row.chain(&own).cloned().collect()
    }

    async fn prepare(
        &mut self,
        index: &Arc<str>,
        fields: Vec<DocumentField>,
        is_dynamic: bool,
        (kind, topic): (VersionKind, &Arc<str>),
    ) -> Result<(), SinkError> {
        if self.config.append.as_ref().is_some_and(|append| append.stream.is_some()) {
            self.indices.prepare_stream(index, &fields, is_dynamic).await
        } else if is_dynamic {
            self.indices.prepare_dynamic(index, &fields, kind, topic).await
        } else {
            self.indices.prepare(index, &fields, kind, topic).await
        }
    }

    /// Gives an index the fields of marks, if it has not got them with those of its rows.
    pub(super) async fn expect_marks(
        &mut self,
        index: &Arc<str>,
        (kind, record): (VersionKind, &Record),
    ) -> Result<(), SinkError> {
        if !self.ready.marked.contains(index) {
            let mut fields = Vec::new();
            soft::add_fields(&mut fields);
            self.indices.prepare(index, &fields, kind, &record.partition.topic).await?;
            self.ready.marked.insert(Arc::clone(index));
        }
        Ok(())
    }
}
