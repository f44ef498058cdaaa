//! A raw record as a change.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use serde_json::Value as Json;

use super::fetch::{RawRecord, frame};
use super::{ChangeRecord, Image, Operation, Origin, TopicError};
use crate::cell::{Cells, Meaning, of_avro};

/// A schema of the registry.
#[derive(Debug)]
pub(super) struct WriterSchema {
    schema: Schema,
    /// What the fields of the row mean; apache-avro does not keep that of plain types.
    meanings: HashMap<String, Meaning>,
}

/// Decodes records of one schema, field by field.
pub(super) struct Decoder<'a> {
    fields: Vec<(&'a str, GenericDatumReader<'a>)>,
    meanings: &'a HashMap<String, Meaning>,
}

impl WriterSchema {
    pub(super) fn parse(text: &str) -> Result<Self, Box<apache_avro::Error>> {
        let json: Json = serde_json::from_str(text).unwrap_or_default();
        // A value's row is the record within `before`; a key is the row itself.
        let before = json.pointer("/fields/0/type/1/fields");
        let row = before.or(json.get("fields")).and_then(Json::as_array);
        let named = row.into_iter().flatten().filter_map(|field| {
            Some((field.get("name")?.as_str()?.to_owned(), meaning(field.get("type")?)))
        });
        Ok(Self { schema: Schema::parse_str(text)?, meanings: named.collect() })
    }

    pub(super) fn decoder(&self) -> Result<Decoder<'_>, Box<apache_avro::Error>> {
        let Schema::Record(record) = &self.schema else {
            return Ok(Decoder { fields: Vec::new(), meanings: &self.meanings });
        };
        let mut fields = Vec::new();
        for field in &record.fields {
            let builder = GenericDatumReader::builder(&field.schema);
            let reader = builder.writer_schemata(vec![&self.schema])?.build()?;
            fields.push((field.name.as_str(), reader));
        }
        Ok(Decoder { fields, meanings: &self.meanings })
    }
}

/// The meaning of a field; of a union it is that of the branch that is not null.
fn meaning(kind: &Json) -> Meaning {
    let branch = kind.as_array().and_then(|all| all.iter().find(|branch| **branch != "null"));
    let kind = branch.unwrap_or(kind);
    let name = kind.get("connect.name").and_then(Json::as_str).unwrap_or_default();
    let scale = kind.get("scale").and_then(Json::as_u64).unwrap_or_default();
    Meaning { name: name.to_owned(), scale: usize::try_from(scale).unwrap_or_default() }
}

/// The fields of a record with the bytes that each takes.
type Fields<'a> = HashMap<&'a str, (Value, &'a [u8])>;

impl Decoder<'_> {
    fn fields<'b>(&'b self, body: &'b [u8]) -> Result<Fields<'b>, apache_avro::Error> {
        let mut rest = body;
        let mut fields = HashMap::new();
        for (name, reader) in &self.fields {
            let start = rest;
            let value = reader.read_value(&mut rest)?;
            let bytes = start.get(..start.len() - rest.len()).unwrap_or_default();
            fields.insert(*name, (value, bytes));
        }
        Ok(fields)
    }

    fn cells(&self, fields: impl IntoIterator<Item = (String, Value)>) -> Option<Cells> {
        let cell = |(name, value): (String, Value)| {
            let cell = of_avro(&value, self.meanings.get(&name)?)?;
            Some((name, cell))
        };
        fields.into_iter().map(cell).collect()
    }

    /// `before` or `after`; the inner `None` is null.
    fn image(&self, field: Option<&(Value, &[u8])>) -> Option<Option<Image>> {
        let (Value::Union(branch, value), bytes) = field? else { return None };
        if *branch == 0 {
            return Some(None);
        }
        let Value::Record(row) = value.as_ref() else { return None };
        let avro = bytes.get(1..)?.to_vec();
        Some(Some(Image { avro, cells: self.cells(row.iter().cloned())? }))
    }
}

/// A raw record as a change.
pub(super) fn record(
    raw: &RawRecord,
    decoders: &HashMap<u32, Decoder<'_>>,
) -> Result<ChangeRecord, TopicError> {
    let wrong = |problem| TopicError::Record {
        topic: raw.topic.clone(),
        partition: raw.partition,
        offset: raw.offset,
        problem,
    };
    let avro = |source| TopicError::Avro { topic: raw.topic.clone(), source: Box::new(source) };
    let body = |bytes: &'_ [u8]| {
        let (id, body) = frame(bytes)?;
        Some((decoders.get(&id)?, body.to_vec()))
    };
    let key = match raw.key.as_deref() {
        None => Cells::new(),
        Some(key) => {
            let (decoder, key) = body(key).ok_or_else(|| wrong("its key has no schema"))?;
            let fields = decoder.fields(&key).map_err(avro)?;
            let fields = fields.into_iter().map(|(name, (value, _))| (name.to_owned(), value));
            decoder.cells(fields).ok_or_else(|| wrong("its key is not understood"))?
        }
    };
    let mut change = ChangeRecord {
        topic: raw.topic.clone(),
        partition: raw.partition,
        offset: raw.offset,
        key,
        operation: Operation::Tombstone,
        before: None,
        after: None,
        origin: Origin::default(),
        lsn: 0,
    };
    let Some(value) = &raw.value else {
        let header = raw.lsn_header.as_deref().and_then(|text| text.parse().ok());
        change.lsn = header.ok_or_else(|| wrong("a tombstone has no lsn in its header"))?;
        if let Some(before) = &raw.sweep_header {
            let before = before.parse().map_err(|_| wrong("its sweep has no number"))?;
            change.operation = Operation::Sweep { before };
        }
        return Ok(change);
    };
    let (decoder, value) = body(value).ok_or_else(|| wrong("its value has no schema"))?;
    let fields = decoder.fields(&value).map_err(avro)?;
    change.operation = operation(&fields).ok_or_else(|| wrong("its op is not known"))?;
    let images = decoder.image(fields.get("before")).zip(decoder.image(fields.get("after")));
    (change.before, change.after) = images.ok_or_else(|| wrong("its row is not understood"))?;
    let source = fields.get("source").and_then(|(value, _)| source(value));
    (change.origin, change.lsn) = source.ok_or_else(|| wrong("its source is not understood"))?;
    Ok(change)
}

fn operation(fields: &Fields<'_>) -> Option<Operation> {
    let (Value::String(op), _) = fields.get("op")? else { return None };
    Some(match op.as_str() {
        "r" => Operation::Read,
        "c" => Operation::Create,
        "u" => Operation::Update,
        "d" => Operation::Delete,
        "t" => Operation::Truncate,
        _ => return None,
    })
}

fn source(value: &Value) -> Option<(Origin, u64)> {
    let Value::Record(fields) = value else { return None };
    let field = |name: &str| {
        let (_, value) = fields.iter().find(|(known, _)| known == name)?;
        if let Value::Union(_, inner) = value { Some(inner.as_ref()) } else { Some(value) }
    };
    let text = |name| {
        let Value::String(text) = field(name)? else { return None };
        Some(text.clone())
    };
    let (Value::Long(position), Value::Int(row)) = (field("pos")?, field("row")?) else {
        return None;
    };
    let origin = Origin { gtid: text("gtid"), file: text("file")?, position: *position, row: *row };
    Some((origin, text("sequence")?.parse().ok()?))
}
