//! `EventRouter`: rows of an outbox table as events of their aggregates.

use std::sync::Arc;

use schema::value::{Field, Kind, Schema, Value};

use super::expand::{Nulls, expand};
use super::{Envelope, row_field, row_text};
use crate::connect::Transform;
use crate::error::{ConfigProblem, Exception, Failure};
use crate::java::pattern::{Pattern, Replacement};
use crate::options::Options;
use crate::record::{Header, Part, Record};
use crate::schemas::{logical, nameless};

struct EventRouter {
    /// Columns: of the event's id, key, payload, and maybe its time and version.
    id: String,
    key: String,
    payload: String,
    timestamp: Option<String>,
    version: Option<String>,
    route: String,
    pattern: Pattern,
    replacement: Replacement,
    /// Whether an event without a payload is a tombstone.
    tombstones: bool,
    /// Whether an update ends the task.
    fatal: bool,
    placed: Vec<Placed>,
    /// Whether a payload in JSON becomes a struct, and what of its nulls.
    expands: Option<Nulls>,
}

const NULLS: &str = "table.json.payload.null.behavior";

/// Where an additional column goes.
struct Placed {
    column: String,
    place: Place,
    alias: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Header,
    Envelope,
    Partition,
}

pub(super) fn make(options: &mut Options<'_>) -> Result<Box<dyn Transform>, ConfigProblem> {
    let text = options.text_or("route.topic.regex", "(?<routedByValue>.*)");
    let invalid = |why: String| options.invalid("route.topic.regex", &text, &why);
    let pattern = Pattern::new(&text).map_err(invalid)?;
    let text = options.text_or("route.topic.replacement", "outbox.event.${routedByValue}");
    let replacement = match Replacement::new(&text, &pattern) {
        Ok(replacement) => replacement,
        // With a pattern of one's own the default has no such group: the value itself is the topic.
        Err(_) if options.text("route.topic.replacement").is_none() => {
            Replacement::new("$0", &pattern)
                .map_err(|why| options.problem("route.topic.replacement", why))?
        }
        Err(why) => return Err(options.problem("route.topic.replacement", why)),
    };
    let text = options.text_or(NULLS, "ignore");
    let nulls = match text.to_ascii_lowercase().as_str() {
        "ignore" => Nulls::Ignored,
        "optional_bytes" => Nulls::Bytes,
        _ => return Err(options.invalid(NULLS, &text, "expected ignore or optional_bytes")),
    };
    let expands = options.boolean("table.expand.json.payload", false)?;
    options.text("table.field.event.type");
    options.boolean("table.fields.additional.error.on.missing", true)?;
    let behaviors = [("warn", false), ("error", false), ("fatal", true)];
    let optional = |text: Option<String>| text.filter(|name| !name.is_empty());
    Ok(Box::new(EventRouter {
        id: options.text_or("table.field.event.id", "id"),
        key: options.text_or("table.field.event.key", "aggregateid"),
        payload: options.text_or("table.field.event.payload", "payload"),
        timestamp: optional(options.text("table.field.event.timestamp")),
        version: optional(options.text("table.field.event.schema.version")),
        route: options.text_or("route.by.field", "aggregatetype"),
        pattern,
        replacement,
        tombstones: options.boolean("route.tombstone.on.empty.payload", false)?,
        fatal: options.choice("table.op.invalid.behavior", Some(false), &behaviors)?,
        placed: placed(options)?,
        expands: expands.then_some(nulls),
    }))
}

fn placed(options: &mut Options<'_>) -> Result<Vec<Placed>, ConfigProblem> {
    const KEY: &str = "table.fields.additional.placement";
    let entries = options.list(KEY).unwrap_or_default();
    let placed = entries.iter().map(|entry| {
        let parts: Vec<_> = entry.split(':').map(str::trim).collect();
        let (column, place, alias) = match parts.as_slice() {
            [column, place] => (column, place, column),
            [column, place, alias] => (column, place, alias),
            _ => {
                let why = format!(
                    "The '{KEY}' value is invalid: A comma-separated list of valid String pairs or \
                     trios is expected but got: [{entry}]"
                );
                return Err(options.invalid(KEY, entry, &why));
            }
        };
        let place = match place.to_ascii_lowercase().as_str() {
            "header" => Place::Header,
            "envelope" => Place::Envelope,
            "partition" => Place::Partition,
            _ => {
                let why = "expected header, envelope or partition behind the column";
                return Err(options.invalid(KEY, entry, why));
            }
        };
        Ok(Placed { column: (*column).to_owned(), place, alias: (*alias).to_owned() })
    });
    placed.collect()
}

impl Transform for EventRouter {
    fn apply(&mut self, record: Record) -> Result<Option<Record>, Failure> {
        if record.value.is_null() {
            return Ok(None);
        }
        let Some(event) = Envelope::of(&record.value) else { return Ok(Some(record)) };
        match event.operation() {
            "c" | "r" => {}
            "u" if self.fatal => {
                let message = "Unexpected update message received, fail.";
                return Err(Failure::new(Exception::IllegalState, message));
            }
            _ => return Ok(None),
        }
        let Some((schema, row)) = event.field("after") else { return Ok(None) };
        let route = row_text(schema, row, &self.route)?.unwrap_or_default();
        let topic = match self.pattern.matches(route) {
            true => self.replacement.first(route, &self.pattern),
            false => route.to_owned(),
        };
        let (key_schema, key) = row_field(schema, row, &self.key)?;
        let (id_schema, id) = row_field(schema, row, &self.id)?;
        let part =
            |schema: &Schema, value: &Value| Part::new(Arc::new(schema.clone()), value.clone());
        let timestamp = self.timestamp(event, (schema, row))?;
        let value = self.value(schema, row, route)?;
        let mut done = Record {
            topic: topic.into(),
            timestamp: timestamp.or(record.timestamp),
            key: part(key_schema, key),
            value,
            partition: None,
            offset: record.offset,
            headers: record.headers.clone(),
        };
        done.headers.push(Header { name: "id".to_owned(), part: part(id_schema, id) });
        for placed in &self.placed {
            if placed.place == Place::Envelope {
                continue;
            }
            let (schema, value) = row_field(schema, row, &placed.column)?;
            if placed.place == Place::Header {
                let name = placed.alias.clone();
                done.headers.push(Header { name, part: part(schema, value) });
            } else if let Value::Int32(number) = value {
                done.partition = Some(*number);
            } else {
                let column = &placed.column;
                return Err(Failure::data(format!("Field '{column}' is not of type INT32")));
            }
        }
        Ok(Some(done))
    }
}

impl EventRouter {
    /// When the event was: the change, or a column.
    fn timestamp(
        &self,
        event: Envelope<'_>,
        (schema, row): (&Schema, &Value),
    ) -> Result<Option<i64>, Failure> {
        let Some(column) = &self.timestamp else {
            let changed = event.field("ts_ms").map(|(_, value)| value);
            return Ok(if let Some(Value::Int64(millis)) = changed { Some(*millis) } else { None });
        };
        let (schema, value) = row_field(schema, row, column).map_err(|_| {
            let message = format!("Unable to find timestamp field {column} in event");
            Failure::new(Exception::Connect, message)
        })?;
        let Value::Int64(number) = value else {
            return Err(Failure::data(format!("Field '{column}' is not of type INT64")));
        };
        match schema.name.as_deref() {
            Some(logical::TIMESTAMP | "io.debezium.time.Timestamp") => Ok(Some(*number)),
            Some("io.debezium.time.MicroTimestamp") => Ok(Some(number / 1_000)),
            Some("io.debezium.time.NanoTimestamp") => Ok(Some(number / 1_000_000)),
            name => {
                let name = match name {
                    Some(name) => format!("with logical schema name {name}"),
                    None => "without logical schema name".to_owned(),
                };
                let message = format!("Unsupported field type INT64 ({name}) for event timestamp");
                Err(Failure::new(Exception::Connect, message))
            }
        }
    }

    /// The payload, or a struct of it and the columns that go beside it.
    fn value(&self, schema: &Schema, row: &Value, route: &str) -> Result<Part, Failure> {
        let missing = |column: &str, what: &str| {
            let message = format!("Unable to find {what}field {column} in event");
            Failure::new(Exception::Connect, message)
        };
        let (payload_schema, payload) = row_field(schema, row, &self.payload)
            .map_err(|_| missing(&self.payload, "payload "))?;
        let nothings = [Value::Null, Value::String(String::new()), Value::Bytes(Vec::new())];
        let is_empty = nothings.contains(payload);
        if is_empty && self.tombstones {
            return Ok(Part::NULL);
        }
        let expanded = match (self.expands, payload) {
            (Some(nulls), Value::String(text)) => expand(text, &self.payload, nulls),
            (Some(_) | None, _) => None,
        };
        let (payload_schema, payload) =
            expanded.unwrap_or_else(|| (payload_schema.clone(), payload.clone()));
        let version = self.version.as_ref().and_then(|column| row_field(schema, row, column).ok());
        let version = match version {
            Some((_, Value::Int32(version))) => u32::try_from(*version).ok(),
            Some(_) | None => None,
        };
        let beside: Vec<_> =
            self.placed.iter().filter(|placed| placed.place == Place::Envelope).collect();
        if beside.is_empty() {
            return Ok(Part::new(Arc::new(payload_schema), payload));
        }
        let mut fields = vec![Field::new("payload", payload_schema)];
        let mut values = vec![payload];
        for placed in beside {
            let (schema, value) =
                row_field(schema, row, &placed.column).map_err(|_| missing(&placed.column, ""))?;
            fields.push(Field::new(&placed.alias, schema.clone()));
            values.push(value.clone());
        }
        let table = schema.name.as_deref().and_then(|name| name.rsplit_once('.'));
        let prefix = table.map(|(table, _)| format!("{table}.")).unwrap_or_default();
        let name = Some(format!("{prefix}{route}.Value"));
        let Kind::Struct(fields) = nameless(fields)?.kind.clone() else { return Ok(Part::NULL) };
        let schema = Schema { name, version, ..Schema::new(Kind::Struct(fields)) };
        Ok(Part::new(Arc::new(schema), Value::Struct(values)))
    }
}
