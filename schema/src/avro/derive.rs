//! Connect schema → Avro schema.
//!
//! In Debezium's style as Confluent's `AvroData` derives it and Avro's Java library prints it: same
//! attributes, same order, same escapes, so that the registry answers with the same id. In the
//! clean style without the `connect.*` attributes, and with Avro's own logical types instead.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::value::{Field, Kind, Schema, Value};

/// Name of Connect's decimal type, which Avro has a logical type for in both styles.
const CONNECT_DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";

/// Connect's own types for which `AvroData` names a logical type.
const CONNECT_LOGICAL_TYPES: [(&str, &str); 4] = [
    (CONNECT_DECIMAL, "decimal"),
    ("org.apache.kafka.connect.data.Date", "date"),
    ("org.apache.kafka.connect.data.Time", "time-millis"),
    ("org.apache.kafka.connect.data.Timestamp", "timestamp-millis"),
];

/// What `AvroData` calls a struct without a name; the second one has a 2 behind it, and so on.
pub(super) const NAMELESS: &str = "io.confluent.connect.avro.ConnectDefault";

/// What the clean style makes of semantic types.
pub(super) const CLEAN_LOGICAL_TYPES: [(&str, &str); 5] = [
    (CONNECT_DECIMAL, "decimal"),
    ("io.debezium.time.Date", "date"),
    ("io.debezium.time.MicroTime", "time-micros"),
    ("io.debezium.time.MicroTimestamp", "local-timestamp-micros"),
    (INSTANT, "timestamp-micros"),
];

/// Semantic name of a moment in microseconds since 1970 UTC. Only the clean style has it, so it
/// is in no schema's text.
pub(crate) const INSTANT: &str = "rowcast.Instant";

/// How schemas are written (`schema.style`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaStyle {
    /// As Debezium's through Confluent's converter.
    Debezium,
    /// Avro's logical types, and no attributes of Kafka Connect.
    Clean,
}

/// The Avro schema of a Connect schema, as text.
#[must_use]
pub fn schema_text(schema: &Schema, style: SchemaStyle) -> String {
    let mut writer = Writer { text: String::new(), style, named: HashSet::new(), nameless: 0 };
    writer.any(schema, "");
    writer.text
}

struct Writer {
    text: String,
    style: SchemaStyle,
    /// The records that were spelt out; the next time their name is enough.
    named: HashSet<String>,
    /// How many structs had no name.
    nameless: usize,
}

impl Writer {
    /// The Avro form of a schema within `namespace`.
    fn any(&mut self, schema: &Schema, namespace: &str) {
        if !schema.optional {
            return self.required(schema, namespace);
        }
        // The branch of the default stands first.
        self.text.push('[');
        if schema.default.is_none() {
            self.text.push_str("\"null\",");
        }
        self.required(schema, namespace);
        if schema.default.is_some() {
            self.text.push_str(",\"null\"");
        }
        self.text.push(']');
    }

    fn required(&mut self, schema: &Schema, namespace: &str) {
        if let Kind::Struct(fields) = &schema.kind {
            return self.record(schema, fields, namespace);
        }
        let start = self.text.len();
        self.text.push_str("{\"type\":");
        let base = base_type(&schema.kind);
        self.string(base);
        let plain = self.text.len();
        if let Kind::Array(entry) = &schema.kind {
            self.text.push_str(",\"items\":");
            self.any(entry, namespace);
        }
        if let Kind::Map(_, entry) = &schema.kind {
            self.text.push_str(",\"values\":");
            self.any(entry, namespace);
        }
        if schema.name.as_deref() == Some(CONNECT_DECIMAL) {
            self.number("scale", parameter(schema, "scale"));
            self.number("precision", parameter(schema, "connect.decimal.precision"));
        }
        self.connect_attributes(schema);
        self.logical_type(schema);
        if self.text.len() == plain {
            // Nothing but the type: then its name stands alone.
            self.text.truncate(start);
            self.string(base);
        } else {
            self.text.push('}');
        }
    }

    fn record(&mut self, schema: &Schema, fields: &[Field], namespace: &str) {
        let full_name = schema.name.clone().unwrap_or_else(|| self.next_default());
        let (own_namespace, name) = full_name.rsplit_once('.').unwrap_or(("", &full_name));
        if !self.named.insert(full_name.clone()) {
            return self.string(if own_namespace == namespace { name } else { &full_name });
        }
        self.text.push_str("{\"type\":\"record\",\"name\":");
        self.string(name);
        if own_namespace != namespace {
            self.attribute("namespace", own_namespace);
        }
        self.text.push_str(",\"fields\":[");
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            self.field(field, own_namespace);
        }
        self.text.push(']');
        self.connect_attributes(schema);
        self.text.push('}');
    }

    /// The name of the next struct that has none.
    fn next_default(&mut self) -> String {
        self.nameless += 1;
        match self.nameless {
            1 => NAMELESS.to_owned(),
            number => format!("{NAMELESS}{number}"),
        }
    }

    fn field(&mut self, field: &Field, namespace: &str) {
        self.text.push_str("{\"name\":");
        self.string(&field.name);
        self.text.push_str(",\"type\":");
        self.any(&field.schema, namespace);
        if let Some(default) = &field.schema.default {
            self.text.push_str(",\"default\":");
            // Avro's own attribute of a single is written as a double.
            if let Value::Float32(number) = default {
                self.value(&Value::Float64(f64::from(*number)));
            } else {
                self.value(default);
            }
        } else if field.schema.optional {
            self.text.push_str(",\"default\":null");
        }
        self.text.push('}');
    }

    /// The attributes in which the converter keeps what Avro has no word for.
    fn connect_attributes(&mut self, schema: &Schema) {
        if self.style == SchemaStyle::Clean {
            return;
        }
        if let Some(doc) = &schema.doc {
            self.attribute("connect.doc", doc);
        }
        if let Some(version) = schema.version {
            self.number("connect.version", version);
        }
        if !schema.parameters.is_empty() {
            self.text.push_str(",\"connect.parameters\":{");
            for (index, (name, value)) in schema.parameters.iter().enumerate() {
                if index > 0 {
                    self.text.push(',');
                }
                self.string(name);
                self.text.push(':');
                self.string(value);
            }
            self.text.push('}');
        }
        if let Some(default) = &schema.default {
            self.text.push_str(",\"connect.default\":");
            self.value(default);
        }
        if let Some(name) = &schema.name {
            self.attribute("connect.name", name);
        }
        if schema.kind == Kind::Int16 {
            self.attribute("connect.type", "int16");
        } else if schema.kind == Kind::Int8 {
            self.attribute("connect.type", "int8");
        }
    }

    fn logical_type(&mut self, schema: &Schema) {
        let known: &[(&str, &str)] = match self.style {
            SchemaStyle::Debezium => &CONNECT_LOGICAL_TYPES,
            SchemaStyle::Clean => &CLEAN_LOGICAL_TYPES,
        };
        let Some(name) = schema.name.as_deref() else { return };
        if let Some((_, logical)) = known.iter().find(|(semantic, _)| *semantic == name) {
            self.attribute("logicalType", logical);
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.text.push(',');
        self.string(name);
        self.text.push(':');
        self.string(value);
    }

    fn number(&mut self, name: &str, number: u32) {
        self.text.push(',');
        self.string(name);
        self.text.push(':');
        self.display(number);
    }

    /// A default, as Avro writes it in a schema: bytes are text of one character each.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Null | Value::Struct(_) | Value::Map(_) | Value::Date(_) => {
                self.text.push_str("null");
            }
            Value::Boolean(value) => self.display(value),
            Value::Int32(value) => self.display(value),
            Value::Int64(value) => self.display(value),
            Value::Float32(value) => self.text.push_str(&java_decimal(f64::from(*value), value)),
            Value::Float64(value) => self.text.push_str(&java_decimal(*value, value)),
            Value::String(value) => self.string(value),
            Value::Bytes(value) => {
                let text: String = value.iter().map(|byte| char::from(*byte)).collect();
                self.string(&text);
            }
            Value::Array(values) => {
                self.text.push('[');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        self.text.push(',');
                    }
                    self.value(value);
                }
                self.text.push(']');
            }
        }
    }

    /// A JSON string with the escapes of Java's Jackson library: capital hexadecimal digits, and
    /// only what has to be escaped.
    fn string(&mut self, text: &str) {
        self.text.push('"');
        for c in text.chars() {
            match c {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\u{8}' => self.text.push_str("\\b"),
                '\t' => self.text.push_str("\\t"),
                '\n' => self.text.push_str("\\n"),
                '\u{c}' => self.text.push_str("\\f"),
                '\r' => self.text.push_str("\\r"),
                control @ '\0'..'\u{20}' => {
                    self.display(format_args!("\\u{:04X}", u32::from(control)));
                }
                other => self.text.push(other),
            }
        }
        self.text.push('"');
    }

    fn display(&mut self, value: impl std::fmt::Display) {
        // Writing into a String cannot fail.
        write!(self.text, "{value}").unwrap_or_default();
    }
}

/// A floating point number as Java's `Double.toString` prints it: plain from a thousandth to ten
/// million, else with an exponent; always with a point. `shortest` prints the fewest digits that
/// tell the number from its neighbours.
#[must_use]
pub fn java_decimal(
    number: f64,
    shortest: &(impl std::fmt::Display + std::fmt::LowerExp),
) -> String {
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-3..1e7).contains(&magnitude) {
        let text = format!("{shortest:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let point = if digits.contains('.') { "" } else { ".0" };
        return format!("{digits}{point}E{exponent}");
    }
    let text = shortest.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

fn parameter(schema: &Schema, name: &str) -> u32 {
    let text = schema.parameters.iter().find(|(parameter, _)| parameter == name);
    text.and_then(|(_, value)| value.parse().ok()).unwrap_or_default()
}

fn base_type(kind: &Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::Int8 | Kind::Int16 | Kind::Int32 => "int",
        Kind::Int64 => "long",
        Kind::Float32 => "float",
        Kind::Float64 => "double",
        Kind::String => "string",
        Kind::Bytes => "bytes",
        Kind::Array(_) => "array",
        Kind::Map(..) => "map",
        Kind::Struct(_) => "record",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floating_point_defaults_print_as_java_prints_them() {
        let double = |number: f64| java_decimal(number, &number);
        let single = |number: f32| java_decimal(f64::from(number), &number);

        assert_eq!(double(1.5), "1.5");
        assert_eq!(double(-0.0), "-0.0");
        assert_eq!(double(1e10), "1.0E10");
        assert_eq!(double(1.25e-7), "1.25E-7");
        assert_eq!(double(9_999_999.0), "9999999.0");
        assert_eq!(single(0.1), "0.1");
        assert_eq!(single(16_777_217.0), "1.6777216E7");
    }

    #[test]
    fn strings_are_escaped_as_jackson_escapes_them() {
        let schema = Schema::new(Kind::String)
            .default_value(Value::String("\u{0}\u{1f}\"\\\n\u{7f}é".to_owned()));

        let text = schema_text(&schema, SchemaStyle::Debezium);

        let expected =
            "{\"type\":\"string\",\"connect.default\":\"\\u0000\\u001F\\\"\\\\\\n\u{7f}é\"}";
        assert_eq!(text, expected);
    }
}
