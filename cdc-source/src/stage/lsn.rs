//! Where a record's number is: in the envelope, as long as there is one.

use schema::value::{Kind, Schema, Value};
use serde_json::Value as Json;
use transform::Part;

/// The text of `source.sequence`.
pub(super) fn lsn_of(value: &Part) -> Option<String> {
    let text = |value: &Value| {
        if let Value::String(text) = value { Some(text.clone()) } else { None }
    };
    match value.schema.as_deref() {
        Some(schema) => {
            let (schema, source) = field(schema, &value.value, "source")?;
            text(field(schema, source, "sequence")?.1)
        }
        None => text(entry(entry(&value.value, "source")?, "sequence")?),
    }
}

fn field<'a>(schema: &'a Schema, value: &'a Value, name: &str) -> Option<(&'a Schema, &'a Value)> {
    let (Kind::Struct(fields), Value::Struct(values)) = (&schema.kind, value) else { return None };
    let (field, value) = fields.iter().zip(values).find(|(field, _)| field.name == name)?;
    Some((&field.schema, value))
}

fn entry<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Map(entries) = value else { return None };
    let is = |key: &Value| if let Value::String(key) = key { key == name } else { false };
    entries.iter().find(|(key, _)| is(key)).map(|(_, value)| value)
}

/// The same of a record in JSON, with its schema or without.
pub(crate) fn lsn_in_json(value: &[u8]) -> Option<String> {
    if value.first() != Some(&b'{') {
        return None;
    }
    let json: Json = serde_json::from_slice(value).ok()?;
    let payload = json.get("payload").filter(|_| json.get("schema").is_some()).unwrap_or(&json);
    payload.get("source")?.get("sequence")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_its_number_with_and_without_a_schema() {
        let lsn = |text: &str| lsn_in_json(text.as_bytes());

        assert_eq!(lsn(r#"{"source":{"sequence":"7"}}"#).as_deref(), Some("7"));
        let enveloped = r#"{"schema":{},"payload":{"source":{"sequence":"8"}}}"#;
        assert_eq!(lsn(enveloped).as_deref(), Some("8"));
        for other in ["", "7", "{", "{}", r#"{"source":{"sequence":null}}"#, r#"{"source":1}"#] {
            assert_eq!(lsn(other), None, "{other}");
        }
    }
}
