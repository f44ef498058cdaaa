//! `ByLogicalTableRouter`: the tables of several shards in one topic, with keys that say which.

use std::sync::Arc;

use schema::names::NameAdjustment;
use schema::value::{Field, Kind, Schema, Value};

use super::Envelope;
use crate::connect::Transform;
use crate::error::{ConfigProblem, Failure};
use crate::java::no_struct;
use crate::java::pattern::{Pattern, Replacement};
use crate::options::Options;
use crate::record::{Part, Record};
use crate::schemas::{SchemaCache, fields_of, with_fields};

const PURPOSE: &str = "Updating schema";

struct Router {
    topic: (Pattern, Replacement),
    /// The name of the key's additional field, if it gets one.
    key_field: Option<String>,
    key: Option<(Pattern, Replacement)>,
    names: NameAdjustment,
    keys: SchemaCache<(Arc<str>, Arc<Schema>)>,
    values: SchemaCache<(Arc<str>, Arc<Schema>)>,
}

pub(super) fn make(options: &mut Options<'_>) -> Result<Box<dyn Transform>, ConfigProblem> {
    let topic = router(options, "topic.regex", "topic.replacement")?;
    let unique = options.boolean("key.enforce.uniqueness", true)?;
    let name = options.text_or("key.field.name", "__dbz__physicalTableIdentifier");
    let has_key = options.text("key.field.regex").is_some_and(|regex| !regex.is_empty());
    let key = has_key.then(|| router(options, "key.field.regex", "key.field.replacement"));
    let names = [
        ("none", NameAdjustment::None),
        ("avro", NameAdjustment::Avro),
        ("avro_unicode", NameAdjustment::AvroUnicode),
    ];
    let key = key.transpose()?;
    // What is remembered has a bound of its own.
    options.text("logical.table.cache.size");
    Ok(Box::new(Router {
        topic,
        key_field: unique.then_some(name),
        key,
        names: options.choice("schema.name.adjustment.mode", Some(NameAdjustment::None), &names)?,
        keys: SchemaCache::default(),
        values: SchemaCache::default(),
    }))
}

fn router(
    options: &mut Options<'_>,
    regex: &str,
    replacement: &str,
) -> Result<(Pattern, Replacement), ConfigProblem> {
    let text = options.non_empty(regex)?;
    let pattern = Pattern::new(&text).map_err(|why| options.invalid(regex, &text, &why))?;
    let text = options.non_empty(replacement)?;
    let new = Replacement::new(&text, &pattern).map_err(|why| options.problem(replacement, why))?;
    Ok((pattern, new))
}

impl Transform for Router {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, Failure> {
        let (pattern, replacement) = &self.topic;
        if !pattern.matches(&record.topic) {
            return Ok(Some(record));
        }
        let topic: Arc<str> = replacement.first(&record.topic, pattern).into();
        record.key = self.key(&record, &topic)?;
        record.value = self.value(&record.value, &topic)?;
        record.topic = topic;
        Ok(Some(record))
    }
}

impl Router {
    fn key(&mut self, record: &Record, topic: &Arc<str>) -> Result<Part, Failure> {
        let Part { schema, value } = &record.key;
        if *value == Value::Null {
            return Ok(record.key.clone());
        }
        let any = Schema::new(Kind::String);
        let of = schema.as_deref().unwrap_or(&any);
        let (Some(schema), Value::Struct(values)) = (schema, value) else {
            return Err(no_struct(of, value, PURPOSE));
        };
        let (names, field) = (self.names, &self.key_field);
        let make = |old: &Schema| {
            let mut fields = fields_of(old)?.to_vec();
            fields.extend(field.iter().map(|name| Field::new(name, Schema::new(Kind::String))));
            let name = Some(format!("{}.Key", names.namespace(topic)));
            Ok((Arc::clone(topic), with_fields(&Schema { name, ..old.clone() }, fields)?))
        };
        // A topic's key has one schema, so another topic of the same one is rare.
        let (known, mut new) = self.keys.get(schema, make)?;
        if known != *topic {
            new = make(schema)?.1;
        }
        let mut values = values.clone();
        if self.key_field.is_some() {
            values.push(Value::String(self.identifier(&record.topic)));
        }
        Ok(Part::new(new, Value::Struct(values)))
    }

    /// What tells the shards apart.
    fn identifier(&self, topic: &str) -> String {
        match &self.key {
            Some((pattern, replacement)) if pattern.matches(topic) => {
                replacement.first(topic, pattern)
            }
            Some(_) | None => topic.to_owned(),
        }
    }

    fn value(&mut self, value: &Part, topic: &Arc<str>) -> Result<Part, Failure> {
        let (Some(schema), Some(_)) = (&value.schema, Envelope::of(value)) else {
            return Ok(value.clone());
        };
        let names = self.names;
        let make = |old: &Schema| {
            let namespace = names.namespace(topic);
            let rename = |field: &Field| {
                let mut field = field.clone();
                if field.name == "before" || field.name == "after" {
                    field.schema.name = Some(format!("{namespace}.Value"));
                }
                field
            };
            let fields = fields_of(old)?.iter().map(rename).collect();
            let name = Some(format!("{namespace}.Envelope"));
            Ok((Arc::clone(topic), with_fields(&Schema { name, ..old.clone() }, fields)?))
        };
        let (known, mut new) = self.values.get(schema, make)?;
        if known != *topic {
            new = make(schema)?.1;
        }
        Ok(Part::new(new, value.value.clone()))
    }
}
