use std::sync::Arc;

use schema::value::{Field, Kind, Schema, Value};
use serde_json::{Value as Json, json};

use super::short;
use crate::json_schema::{JsonSchemaOptions, Reader};
use crate::parameter;
use crate::writer::{Format, write};

fn reader(schema: &Json, options: JsonSchemaOptions) -> Result<Reader, String> {
    Reader::new(options, &schema.to_string(), &[]).map_err(|error| error.to_string())
}

fn of(schema: &Json) -> String {
    reader(schema, JsonSchemaOptions::default()).map_or_else(|error| error, |r| short(r.schema()))
}

fn value(schema: &Json, body: &str) -> Result<Value, String> {
    let reader = reader(schema, JsonSchemaOptions::default())?;
    reader.read(body.as_bytes()).map_err(|error| error.to_string())
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[test]
fn types_are_those_of_confluents_converter() {
    let one_of = "io.confluent.connect.json.OneOf";
    for (schema, expected) in [
        (json!({"type": "boolean"}), "boolean".to_owned()),
        (json!({"type": "integer"}), "int64".to_owned()),
        (json!({"type": "integer", "connect.type": "int8"}), "int8".to_owned()),
        (json!({"type": "number"}), "float64".to_owned()),
        (json!({"type": "number", "connect.type": "float32"}), "float32".to_owned()),
        (json!({"type": "string", "connect.type": "bytes"}), "bytes".to_owned()),
        (json!({"type": "string", "title": "a.B"}), "string=a.B".to_owned()),
        (json!({"type": ["null", "string"]}), "string?".to_owned()),
        (json!({"oneOf": [{"type": "null"}, {"type": "integer"}]}), "int64?".to_owned()),
        (json!({"anyOf": [{"type": "integer"}]}), "int64".to_owned()),
        (
            json!({"oneOf": [{"type": "string"}, {"type": "integer"}]}),
            format!("{{{one_of}.field.0:string?,{one_of}.field.1:int64?}}={one_of}"),
        ),
        (json!({"type": "array", "items": {"type": "string"}}), "[string]".to_owned()),
        (
            json!({"type": "object", "connect.type": "map", "additionalProperties": {"type": "number"}}),
            "<string,float64>".to_owned(),
        ),
        (
            json!({"type": "array", "connect.type": "map", "items": {"type": "object", "properties":
                {"key": {"type": "integer"}, "value": {"type": "string"}}}}),
            "<int64,string>".to_owned(),
        ),
        (
            json!({"type": "object", "title": "R", "properties": {
                "b": {"type": "string", "connect.index": 1}, "a": {"type": "integer", "connect.index": 0}}}),
            "{a:int64,b:string}=R".to_owned(),
        ),
        (json!({"enum": ["A", "B"]}), "string".to_owned()),
        (json!({"type": "string", "const": "A"}), "string".to_owned()),
        (
            json!({"allOf": [{"$ref": "#/definitions/x"}, {"properties": {"b": {"type": "string"}}}],
                "definitions": {"x": {"type": "object", "properties": {"a": {"type": "integer"}}}}}),
            "{a:int64,b:string}".to_owned(),
        ),
        (json!({}), "string=io.debezium.data.Json?".to_owned()),
        (
            json!({"type": "object", "properties": {"p": {"$ref": "#here"}},
            "$defs": {"q": {"$anchor": "here", "type": "boolean"}}}),
            "{p:boolean}".to_owned(),
        ),
    ] {
        assert_eq!(of(&schema), expected, "{schema}");
    }
}

#[test]
fn values_are_read_by_their_schema() {
    let schema = json!({"type": "object", "properties": {
        "id": {"type": "integer"},
        "price": {"type": "number", "connect.type": "bytes",
            "title": "org.apache.kafka.connect.data.Decimal", "connect.parameters": {"scale": "2"}},
        "raw": {"type": "string", "connect.type": "bytes"},
        "any": true,
        "choice": {"oneOf": [{"type": "string"}, {"type": "object", "properties": {"x": {"type": "integer"}}},
            {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}}]},
        "given": {"type": "string", "default": "d"}
    }});
    let body = r#"{"id": 1.0, "price": 12.34, "raw": "AQI=", "any": {"k": [1]},
        "choice": {"y": 2, "x": 1}, "more": 1}"#;

    let choice = Value::Struct(vec![
        Value::Null,
        Value::Null,
        Value::Struct(vec![Value::Int64(1), Value::Int64(2)]),
    ]);
    let expected = Value::Struct(vec![
        Value::Int64(1),
        Value::Bytes(vec![4, 0xd2]),
        Value::Bytes(vec![1, 2]),
        text(r#"{"k": [1]}"#),
        choice,
        text("d"),
    ]);
    assert!(value(&schema, body).unwrap() == expected);
}

#[test]
fn what_is_not_of_its_schema_is_refused_without_its_value() {
    let field = |of: Json| json!({"type": "object", "properties": {"f": of}});
    for (of, body, expected) in [
        (json!({"type": "integer"}), r#"{"f": "geheim"}"#, "field `f`: is no whole number"),
        (json!({"type": "integer"}), r#"{"f": 1.5}"#, "is no whole number"),
        (json!({"type": "integer"}), r#"{}"#, "`use.optional.for.nonrequired`"),
        (json!({"type": "integer"}), r#"{"f": null}"#, "is null, and required"),
        (json!({"type": "integer", "connect.type": "int8"}), r#"{"f": 128}"#, "of its size"),
        (json!({"type": "string", "connect.type": "bytes"}), r#"{"f": "!"}"#, "base 64"),
        (json!({"type": "array", "items": {"type": "string"}}), r#"{"f": {}}"#, "is no array"),
        (json!({"type": "boolean"}), r#"{"f": "geheim"#, "is not one JSON value"),
        (json!({"oneOf": [{"type": "boolean"}, {"type": "integer"}]}), r#"{"f": "g"}"#, "none of"),
    ] {
        let refused = value(&field(of), body).unwrap_err();
        assert!(refused.contains(expected), "{refused}");
        assert!(!refused.contains("geheim"), "{refused}");
    }
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert!(value(&json!(true), &deep).unwrap_err().contains("64 levels"));
}

#[test]
fn what_is_not_required_may_be_null_where_that_is_set() {
    let schema = json!({"type": "object", "required": ["a"],
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}});
    let options =
        JsonSchemaOptions { optional_for_nonrequired: true, ..JsonSchemaOptions::default() };
    let reader = reader(&schema, options).unwrap();

    assert_eq!(short(reader.schema()), "{a:int64,b:int64?}");
    assert!(
        reader.read(b"{\"a\":1}").unwrap() == Value::Struct(vec![Value::Int64(1), Value::Null])
    );
}

#[test]
fn schemas_that_have_no_end_or_no_type_are_refused() {
    let itself = json!({"type": "object", "properties": {"n": {"$ref": "#"}}});
    assert!(of(&itself).contains("contains itself"), "{}", of(&itself));
    let circle =
        json!({"$ref": "#/definitions/a", "definitions": {"a": {"$ref": "#/definitions/a"}}});
    assert!(of(&circle).contains("contains itself"));
    assert!(of(&json!({"type": "null"})).contains("always null"));
    assert!(of(&json!({"not": {}})).contains("excludes values"));
    assert!(of(&json!({"$ref": "other.json"})).contains("refers to other.json"));
    assert!(of(&json!({"type": "float"})).contains("has the type float"));
}

#[test]
fn references_are_those_of_the_registry() {
    let main = json!({"$id": "http://x/main.json", "type": "object",
        "properties": {"a": {"$ref": "part.json"}, "b": {"$ref": "named#/definitions/q"}}});
    let part: Arc<str> = json!({"type": "string"}).to_string().into();
    let named: Arc<str> = json!({"definitions": {"q": {"type": "integer"}}}).to_string().into();
    let imports = [("http://x/part.json".to_owned(), part), ("named".to_owned(), named)];

    let reader = Reader::new(JsonSchemaOptions::default(), &main.to_string(), &imports).unwrap();

    assert_eq!(short(reader.schema()), "{a:string,b:int64}");
}

#[test]
fn a_schema_is_written_as_confluents_converter_does() {
    let decimal = Schema::semantic(Kind::Bytes, "org.apache.kafka.connect.data.Decimal");
    let inner =
        Schema::record("In".into(), None, vec![Field::new("x", Schema::new(Kind::Boolean))]);
    let fields = vec![
        Field::new("id", Schema::new(Kind::Int32)),
        Field::new("price", decimal.parameter("scale", "2".to_owned()).optional()),
        Field::new("inner", inner.optional()),
    ];
    let schema = Arc::new(Schema::record("a.B".into(), Some(1), fields));
    let value = Value::Struct(vec![Value::Int32(1), Value::Bytes(vec![4, 0xd2]), Value::Null]);
    let options = JsonSchemaOptions { numeric_decimals: true, ..JsonSchemaOptions::default() };

    let written = write(Format::JsonSchema(options), &schema, &value).unwrap();

    let of_price = json!({"type": "number", "connect.type": "bytes",
        "title": "org.apache.kafka.connect.data.Decimal", "connect.version": 1,
        "connect.parameters": {"scale": "2"}});
    let of_inner = json!({"type": "object",
        "properties": {"x": {"type": "boolean", "connect.index": 0}}, "title": "In"});
    let expected = json!({"type": "object", "properties": {
        "id": {"type": "integer", "connect.type": "int32", "connect.index": 0},
        "price": {"oneOf": [{"type": "null"}, of_price], "connect.index": 1},
        "inner": {"oneOf": [{"type": "null"}, of_inner], "connect.index": 2},
    }, "title": "a.B", "connect.version": 1});
    assert_eq!(serde_json::from_str::<Json>(&written.schema).unwrap(), expected);
    assert_eq!(str::from_utf8(&written.body).unwrap(), r#"{"id":1,"price":12.34,"inner":null}"#);
    let reader = Reader::new(options, &written.schema, &[]).unwrap();
    assert!(reader.read(&written.body).unwrap() == value);
    let Kind::Struct(fields) = &reader.schema().kind else { panic!("a struct") };
    assert_eq!(parameter(&fields[1].schema, "scale"), Some("2"));
    let closed = JsonSchemaOptions { additional_properties: false, ..options };
    let written = write(Format::JsonSchema(closed), &schema, &value).unwrap();
    assert!(written.schema.contains(r#""additionalProperties":false"#));
}
