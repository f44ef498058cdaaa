//! `ExtractNewRecordState`: the row out of its change event.

use std::sync::Arc;

use schema::value::{Field, Kind, Schema, Value};

use super::{Envelope, row_text};
use crate::connect::Transform;
use crate::error::{ConfigProblem, Failure};
use crate::fold::Row;
use crate::options::Options;
use crate::record::{Header, Part, Record};
use crate::schemas::{SchemaCache, fields_of, read, with_fields};

struct Unwrap {
    deletes: Deletes,
    fields: Vec<Added>,
    headers: Vec<Added>,
    /// The column whose text is the topic.
    route: Option<String>,
    dropped: Option<Dropped>,
    schemas: SchemaCache<Arc<Schema>>,
    /// Those of tombstones.
    befores: SchemaCache<Arc<Schema>>,
}

/// What becomes of a delete (`delete.tombstone.handling.mode`).
#[derive(Clone, Copy, PartialEq)]
enum Deletes {
    Drop,
    Tombstone,
    Rewrite,
    RewriteWithTombstone,
    DeleteToTombstone,
}

/// Columns that a header names are left out.
struct Dropped {
    header: String,
    from_key: bool,
    /// Only those that can be null.
    compatible: bool,
}

/// What is added out of the event, as `op` or `source.ts_ms:when`.
struct Added {
    outer: Option<String>,
    name: String,
    new_name: String,
}

const MODES: [(&str, Deletes); 5] = [
    ("drop", Deletes::Drop),
    ("tombstone", Deletes::Tombstone),
    ("rewrite", Deletes::Rewrite),
    ("rewrite-with-tombstone", Deletes::RewriteWithTombstone),
    ("delete-to-tombstone", Deletes::DeleteToTombstone),
];

pub(super) fn make(options: &mut Options<'_>) -> Result<Box<dyn Transform>, ConfigProblem> {
    let deletes =
        options.choice("delete.tombstone.handling.mode", Some(Deletes::Tombstone), &MODES)?;
    let mut added = |key: &str| {
        let prefix = options.text_or(&format!("{key}.prefix"), "__");
        let entries = options.list(key).unwrap_or_default();
        entries.iter().map(|entry| Added::new(entry, &prefix)).collect::<Vec<_>>()
    };
    let (fields, headers) = (added("add.fields"), added("add.headers"));
    let from_key = options.boolean("drop.fields.from.key", false)?;
    let compatible = options.boolean("drop.fields.keep.schema.compatible", true)?;
    let dropped = options.text("drop.fields.header.name").filter(|name| !name.is_empty());
    options.defaults()?;
    Ok(Box::new(Unwrap {
        deletes,
        fields,
        headers,
        route: options.text("route.by.field").filter(|name| !name.is_empty()),
        dropped: dropped.map(|header| Dropped { header, from_key, compatible }),
        schemas: SchemaCache::default(),
        befores: SchemaCache::default(),
    }))
}

impl Added {
    fn new(entry: &str, prefix: &str) -> Self {
        let (path, alias) = match entry.split_once(':') {
            Some((path, alias)) => (path.trim(), Some(alias.trim())),
            None => (entry, None),
        };
        let (outer, name) = match path.split_once('.') {
            Some((outer, name)) => (Some(outer), name),
            None if ["op", "ts_ms", "ts_us", "ts_ns"].contains(&path) => (None, path),
            None if ["id", "total_order", "data_collection_order"].contains(&path) => {
                (Some("transaction"), path)
            }
            None => (Some("source"), path),
        };
        let new_name = match alias {
            Some(alias) => format!("{prefix}{alias}"),
            None => format!("{prefix}{}", path.replace('.', "_")),
        };
        Self { outer: outer.map(str::to_owned), name: name.to_owned(), new_name }
    }

    fn of<'a>(&self, event: Envelope<'a>) -> Option<(Schema, &'a Value)> {
        let (schema, value) = event.path(self.outer.as_deref(), &self.name)?;
        Some((Schema { default: None, ..schema.clone().optional() }, value))
    }
}

impl Transform for Unwrap {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, Failure> {
        if record.value.is_null() {
            // Of a delete it is made anew, where it is wanted.
            let stays = self.deletes == Deletes::RewriteWithTombstone;
            return Ok(stays.then_some(record));
        }
        let Some(event) = Envelope::of(&record.value) else { return Ok(Some(record)) };
        let is_delete = event.operation() == "d"
            || event.field("after").is_none_or(|(_, after)| *after == Value::Null);
        if event.operation() == "t" || (is_delete && self.deletes == Deletes::Drop) {
            return Ok(None);
        }
        let image = if is_delete { "before" } else { "after" };
        let Some((row_schema, row)) = event.field(image) else { return Ok(Some(record)) };
        if let Some(column) = &self.route
            && let Some(topic) = row_text(row_schema, row, column)?
        {
            let topic: Arc<str> = topic.into();
            record.topic = topic;
            return self.unwrap_to(record, is_delete);
        }
        self.unwrap_to(record, is_delete)
    }

    fn fold(&self, row: Row) -> Option<Row> {
        let adds = !self.fields.is_empty() || !self.headers.is_empty();
        let is_plain = !adds && self.route.is_none() && self.dropped.is_none();
        let deletes = matches!(self.deletes, Deletes::Tombstone | Deletes::DeleteToTombstone);
        if is_plain && deletes { row.unwrapped() } else { None }
    }
}

impl Unwrap {
    fn unwrap_to(
        &mut self,
        mut record: Record,
        is_delete: bool,
    ) -> Result<Option<Record>, Failure> {
        let Some(event) = Envelope::of(&record.value) else { return Ok(Some(record)) };
        let headers: Vec<_> = self
            .headers
            .iter()
            .filter_map(|added| {
                let (schema, value) = added.of(event)?;
                let part = Part::new(Arc::new(schema), value.clone());
                Some(Header { name: added.new_name.clone(), part })
            })
            .collect();
        let names = self.dropped.as_ref().map(|dropped| dropped.names(&record.headers));
        let names = names.unwrap_or_default();
        let rewrites = matches!(self.deletes, Deletes::Rewrite | Deletes::RewriteWithTombstone);
        let value = match (is_delete, self.deletes) {
            (true, Deletes::DeleteToTombstone) => Part::NULL,
            (true, Deletes::Tombstone | Deletes::Drop) => self.tombstone(&record.value)?,
            (true | false, _) => self.row(&record.value, (is_delete, rewrites), &names)?,
        };
        if let Some(dropped) = self.dropped.as_ref().filter(|dropped| dropped.from_key) {
            record.key = dropped.without(&record.key, &names)?;
        }
        record.value = value;
        record.headers.extend(headers);
        Ok(Some(record))
    }

    /// Null, with the row's schema.
    fn tombstone(&mut self, value: &Part) -> Result<Part, Failure> {
        let Some(schema) = &value.schema else { return Ok(Part::NULL) };
        let before = self.befores.get(schema, |schema| {
            let before = fields_of(schema)?.iter().find(|field| field.name == "before");
            let before = before.ok_or_else(|| Failure::data("before is not a valid field name"))?;
            Ok(Arc::new(before.schema.clone()))
        })?;
        Ok(Part::new(before, Value::Null))
    }

    fn row(
        &mut self,
        value: &Part,
        (is_delete, rewrites): (bool, bool),
        dropped: &[String],
    ) -> Result<Part, Failure> {
        let (Some(schema), Some(event)) = (&value.schema, Envelope::of(value)) else {
            return Ok(Part::NULL);
        };
        let image = if is_delete { "before" } else { "after" };
        let Some((row_schema, Value::Struct(row))) = event.field(image) else {
            return Ok(Part::NULL);
        };
        let compatible = self.dropped.as_ref().is_some_and(|dropped| dropped.compatible);
        let stays = |field: &&Field| {
            !dropped.contains(&field.name) || (compatible && !field.schema.optional)
        };
        let added: Vec<_> =
            self.fields.iter().filter_map(|added| Some((added, added.of(event)?))).collect();
        let make = |_: &Schema| {
            let mut fields: Vec<_> = fields_of(row_schema)?.iter().filter(stays).cloned().collect();
            if rewrites {
                fields.push(Field::new("__deleted", Schema::new(Kind::String).optional()));
            }
            let new = added
                .iter()
                .map(|(added, (schema, _))| Field::new(&added.new_name, schema.clone()));
            fields.extend(new);
            let required = Schema { optional: false, ..row_schema.clone() };
            with_fields(&required, fields)
        };
        // Which columns are dropped is another matter with every record.
        let new = if dropped.is_empty() { self.schemas.get(schema, make)? } else { make(schema)? };
        let fields = fields_of(row_schema)?.iter().zip(row);
        let mut values: Vec<_> = fields
            .filter(|(field, _)| stays(field))
            .map(|(field, value)| read(field, value, rewrites))
            .collect();
        if rewrites {
            values.push(Value::String(is_delete.to_string()));
        }
        values.extend(added.iter().map(|(_, (_, value))| (*value).clone()));
        Ok(Part::new(new, Value::Struct(values)))
    }
}

impl Dropped {
    /// The columns that the header names: an array of texts, or its JSON.
    fn names(&self, headers: &[Header]) -> Vec<String> {
        let found = headers.iter().rfind(|header| header.name == self.header);
        match found.map(|header| &header.part.value) {
            Some(Value::Array(names)) => names
                .iter()
                .filter_map(
                    |name| if let Value::String(name) = name { Some(name.clone()) } else { None },
                )
                .collect(),
            Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
            Some(_) | None => Vec::new(),
        }
    }

    fn without(&self, key: &Part, names: &[String]) -> Result<Part, Failure> {
        let (Some(schema), Value::Struct(values)) = (&key.schema, &key.value) else {
            return Ok(key.clone());
        };
        let stays = |field: &Field| {
            !names.contains(&field.name) || (self.compatible && !field.schema.optional)
        };
        let fields = fields_of(schema)?;
        if fields.iter().all(stays) {
            return Ok(key.clone());
        }
        let kept = fields.iter().zip(values).filter(|(field, _)| stays(field));
        let (fields, values) = kept.map(|(field, value)| (field.clone(), value.clone())).unzip();
        Ok(Part::new(with_fields(schema, fields)?, Value::Struct(values)))
    }
}
