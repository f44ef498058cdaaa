//! Reads the envelopes of the run's table by their writer's schema: only as much of Avro as they
//! need, and without a value in memory for what is passed over, because there are millions.

use std::collections::HashMap;

use serde_json::Value as Json;

/// A type, its named parts written out.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    Null,
    Boolean,
    /// A number of variable length: `int`, `long`, an enum.
    Number,
    Fixed(usize),
    /// A length and so many bytes: `bytes`, `string`.
    Bytes,
    Union(Vec<Self>),
    Record(Vec<(String, Self)>),
    Array(Box<Self>),
    Map(Box<Self>),
}

/// A change of the run's table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change<'a> {
    pub(super) op: &'a [u8],
    pub(super) before: Option<Row<'a>>,
    pub(super) after: Option<Row<'a>>,
    pub(super) lsn: u64,
}

/// A row of the run's table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row<'a> {
    pub(super) id: i64,
    pub(super) a: i64,
    pub(super) b: &'a [u8],
    /// Milliseconds since 1970.
    pub(super) c: i64,
}

impl Shape {
    /// The shape of a schema; nothing if it is none.
    pub(super) fn parse(schema: &str) -> Option<Self> {
        shape(&serde_json::from_str(schema).ok()?, &mut HashMap::new())
    }

    /// An envelope; nothing if the bytes are not one of the run's table.
    pub(super) fn change<'a>(&self, mut bytes: &'a [u8]) -> Option<Change<'a>> {
        let Self::Record(fields) = self else { return None };
        let (mut before, mut after, mut op, mut lsn) = (None, None, None, None);
        for (name, shape) in fields {
            match name.as_str() {
                "before" => before = Some(shape.row(&mut bytes)?),
                "after" => after = Some(shape.row(&mut bytes)?),
                "op" => op = Some(blob(&mut bytes)?),
                "source" => lsn = Some(shape.lsn(&mut bytes)?),
                _ => shape.skip(&mut bytes)?,
            }
        }
        bytes.is_empty().then_some(Change { op: op?, before: before?, after: after?, lsn: lsn? })
    }

    /// An image; the inner `None` is null.
    fn row<'a>(&self, bytes: &mut &'a [u8]) -> Option<Option<Row<'a>>> {
        let Self::Record(fields) = self.branch(bytes)? else { return Some(None) };
        let mut row = Row::default();
        for (name, shape) in fields {
            match (name.as_str(), shape) {
                ("id", Self::Number) => row.id = number(bytes)?,
                ("a", Self::Number) => row.a = number(bytes)?,
                ("b", Self::Bytes) => row.b = blob(bytes)?,
                ("c", Self::Number) => row.c = number(bytes)?,
                _ => return None,
            }
        }
        (fields.len() == 4).then_some(Some(row))
    }

    fn lsn(&self, bytes: &mut &[u8]) -> Option<u64> {
        let Self::Record(fields) = self else { return None };
        let mut lsn = None;
        for (name, shape) in fields {
            if name == "sequence" {
                shape.branch(bytes)?;
                lsn = std::str::from_utf8(blob(bytes)?).ok()?.parse().ok();
            } else {
                shape.skip(bytes)?;
            }
        }
        lsn
    }

    /// The branch of a union that follows; of another type it is itself.
    fn branch(&self, bytes: &mut &[u8]) -> Option<&Self> {
        let Self::Union(branches) = self else { return Some(self) };
        branches.get(usize::try_from(number(bytes)?).ok()?)
    }

    fn skip(&self, bytes: &mut &[u8]) -> Option<()> {
        match self {
            Self::Null => {}
            Self::Boolean => drop(take(bytes, 1)?),
            Self::Number => drop(number(bytes)?),
            Self::Fixed(length) => drop(take(bytes, *length)?),
            Self::Bytes => drop(blob(bytes)?),
            Self::Union(_) => self.branch(bytes)?.skip(bytes)?,
            Self::Record(fields) => {
                for (_, field) in fields {
                    field.skip(bytes)?;
                }
            }
            Self::Array(item) => skip_blocks(bytes, |bytes| item.skip(bytes))?,
            Self::Map(item) => skip_blocks(bytes, |bytes| {
                blob(bytes)?;
                item.skip(bytes)
            })?,
        }
        Some(())
    }
}

fn shape(json: &Json, names: &mut HashMap<String, Shape>) -> Option<Shape> {
    if let Some(branches) = json.as_array() {
        let branches: Option<_> = branches.iter().map(|branch| shape(branch, names)).collect();
        return branches.map(Shape::Union);
    }
    let kind = json.get("type").unwrap_or(json);
    let Some(kind) = kind.as_str() else { return shape(kind, names) };
    Some(match kind {
        "null" => Shape::Null,
        "boolean" => Shape::Boolean,
        "int" | "long" | "enum" => Shape::Number,
        "float" => Shape::Fixed(4),
        "double" => Shape::Fixed(8),
        "bytes" | "string" => Shape::Bytes,
        "fixed" => Shape::Fixed(usize::try_from(json.get("size")?.as_u64()?).ok()?),
        "array" => Shape::Array(Box::new(shape(json.get("items")?, names)?)),
        "map" => Shape::Map(Box::new(shape(json.get("values")?, names)?)),
        "record" => {
            let field = |field: &Json| {
                let name = field.get("name")?.as_str()?.to_owned();
                Some((name, shape(field.get("type")?, names)?))
            };
            let fields: Option<_> = json.get("fields")?.as_array()?.iter().map(field).collect();
            let record = Shape::Record(fields?);
            names.insert(short(json.get("name")?.as_str()?).to_owned(), record.clone());
            record
        }
        name => names.get(short(name))?.clone(),
    })
}

/// A name without its namespace: the schemas of one table have no two that differ only there.
fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn skip_blocks<'a>(
    bytes: &mut &'a [u8],
    mut item: impl FnMut(&mut &'a [u8]) -> Option<()>,
) -> Option<()> {
    loop {
        let count = number(bytes)?;
        if count == 0 {
            return Some(());
        }
        if count < 0 {
            // A negative count is followed by the block's length.
            number(bytes)?;
        }
        for _ in 0..count.unsigned_abs() {
            item(bytes)?;
        }
    }
}

/// A number in zigzag form, seven bits to the byte.
pub(super) fn number(bytes: &mut &[u8]) -> Option<i64> {
    let mut bits = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&first, rest) = bytes.split_first()?;
        *bytes = rest;
        bits |= u64::from(first & 0x7f) << shift;
        if first < 0x80 {
            let half = (bits >> 1).cast_signed();
            return Some(if bits & 1 == 0 { half } else { !half });
        }
    }
    None
}

fn blob<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(bytes)?).ok()?;
    take(bytes, length)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use apache_avro::types::Value;
    use apache_avro::writer::datum::GenericDatumWriter;

    use super::*;

    const ROW: &str = r#"{"type": "record", "name": "Value", "fields": [
        {"name": "id", "type": "long"}, {"name": "a", "type": "int"},
        {"name": "b", "type": "string"},
        {"name": "c", "type": {"type": "long", "connect.name": "io.debezium.time.Timestamp"}}]}"#;

    fn schema() -> String {
        format!(
            r#"{{"type": "record", "name": "Envelope", "namespace": "p.d.t", "fields": [
            {{"name": "before", "type": ["null", {ROW}]}},
            {{"name": "after", "type": ["null", "p.d.t.Value"]}},
            {{"name": "source", "type": {{"type": "record", "name": "Source", "fields": [
                {{"name": "tags", "type": {{"type": "map", "values": "double"}}}},
                {{"name": "sequence", "type": ["null", "string"]}}]}}}},
            {{"name": "some", "type": {{"type": "array", "items": "boolean"}}}},
            {{"name": "op", "type": "string"}}]}}"#
        )
    }

    /// As apache-avro writes it.
    fn written() -> Vec<u8> {
        let row = |a| {
            Value::Record(vec![
                ("id".into(), Value::Long(-70_000_000_000)),
                ("a".into(), Value::Int(a)),
                ("b".into(), Value::String("text".into())),
                ("c".into(), Value::Long(1_600_000_000_000)),
            ])
        };
        let union = |branch, value| Value::Union(branch, Box::new(value));
        let tags = [("x".to_owned(), Value::Double(1.5))].into();
        let source = vec![
            ("tags".into(), Value::Map(tags)),
            ("sequence".into(), union(1, Value::String("18446744073709551615".into()))),
        ];
        let envelope = Value::Record(vec![
            ("before".into(), union(0, Value::Null)),
            ("after".into(), union(1, row(i32::MIN))),
            ("source".into(), Value::Record(source)),
            ("some".into(), Value::Array(vec![Value::Boolean(true); 3])),
            ("op".into(), Value::String("c".into())),
        ]);
        let schema = apache_avro::Schema::parse_str(&schema()).unwrap();
        let writer = GenericDatumWriter::builder(&schema).build().unwrap();
        writer.write_value_to_vec(envelope).unwrap()
    }

    #[test]
    fn what_apache_avro_writes_is_read() {
        let shape = Shape::parse(&schema()).unwrap();
        let bytes = written();

        let after =
            Row { id: -70_000_000_000, a: i32::MIN.into(), b: b"text", c: 1_600_000_000_000 };
        let change = Change { op: b"c", before: None, after: Some(after), lsn: u64::MAX };
        assert_eq!(shape.change(&bytes), Some(change));
    }

    #[test]
    fn bytes_that_are_cut_or_too_many_are_no_envelope() {
        let shape = Shape::parse(&schema()).unwrap();
        let mut bytes = written();

        for length in 0..bytes.len() {
            assert_eq!(shape.change(&bytes[..length]), None, "{length}");
        }
        bytes.push(0);
        assert_eq!(shape.change(&bytes), None);
        assert_eq!(Shape::parse("{\"type\": \"unknown\"}"), None);
    }
}
