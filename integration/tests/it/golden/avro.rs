//! Avro by a schema's JSON, as far as a comparison needs it: which bytes belong to which field.

use std::collections::HashMap;

use serde_json::Value as Json;

/// A field that is no record: its path, and its bytes. The branch of a union comes before its
/// value, under the path with `?`.
pub(super) type Leaf = (String, Vec<u8>);

/// Takes a value apart.
pub(super) fn leaves(schema: &str, bytes: &[u8]) -> Vec<Leaf> {
    let schema: Json = serde_json::from_str(schema).unwrap();
    let mut walk = Walk { rest: bytes, names: HashMap::new(), leaves: Vec::new() };
    walk.learn(&schema);
    walk.value(&schema, "");
    assert!(walk.rest.is_empty(), "{} bytes are left", walk.rest.len());
    walk.leaves
}

struct Walk<'a> {
    rest: &'a [u8],
    names: HashMap<String, Json>,
    leaves: Vec<Leaf>,
}

impl Walk<'_> {
    /// Takes note of all records that a schema names.
    fn learn(&mut self, schema: &Json) {
        if schema["type"] == "record" {
            let name = schema["name"].as_str().unwrap();
            self.names.insert(name.to_owned(), schema.clone());
            if let Some(namespace) = schema.get("namespace").and_then(Json::as_str) {
                self.names.insert(format!("{namespace}.{name}"), schema.clone());
            }
        }
        let parts = schema.as_object().into_iter().flat_map(serde_json::Map::values);
        for part in parts.chain(schema.as_array().into_iter().flatten()) {
            self.learn(part);
        }
    }

    fn value(&mut self, schema: &Json, path: &str) {
        match schema {
            Json::Array(branches) => {
                let start = self.rest;
                let branch = usize::try_from(self.long()).unwrap();
                self.leaf(&format!("{path}?"), start);
                self.value(&branches[branch], path);
            }
            Json::Object(object) if object["type"] == "record" => {
                for field in object["fields"].as_array().unwrap() {
                    let name = field["name"].as_str().unwrap();
                    self.value(&field["type"], &format!("{path}.{name}"));
                }
            }
            Json::Object(object) if object["type"] == "array" => {
                let items = &object["items"];
                if items.is_array() || items["type"] == "record" {
                    return self.records(items, path);
                }
                let start = self.rest;
                self.array(items);
                self.leaf(path, start);
            }
            Json::Object(object) => self.value(&object["type"], path),
            Json::String(name) => match self.names.get(name).cloned() {
                Some(record) => self.value(&record, path),
                None => {
                    let start = self.rest;
                    self.primitive(name);
                    self.leaf(path, start);
                }
            },
            Json::Null | Json::Bool(_) | Json::Number(_) => panic!("no schema: {schema}"),
        }
    }

    /// An array whose items have leaves of their own.
    fn records(&mut self, items: &Json, path: &str) {
        let mut number = 0;
        loop {
            let start = self.rest;
            let count = self.long();
            self.leaf(&format!("{path}#{number}"), start);
            assert!(count >= 0, "blocks with sizes are not expected");
            for _ in 0..count {
                self.value(items, &format!("{path}[{number}]"));
                number += 1;
            }
            if count == 0 {
                return;
            }
        }
    }

    /// What was read since `start` is a leaf.
    fn leaf(&mut self, path: &str, start: &[u8]) {
        let bytes = start[..start.len() - self.rest.len()].to_vec();
        self.leaves.push((path.to_owned(), bytes));
    }

    fn array(&mut self, items: &Json) {
        loop {
            let count = self.long();
            assert!(count >= 0, "blocks with sizes are not expected");
            for _ in 0..count {
                self.primitive(items.as_str().or(items["type"].as_str()).unwrap());
            }
            if count == 0 {
                return;
            }
        }
    }

    fn primitive(&mut self, name: &str) {
        match name {
            "null" => {}
            "boolean" => self.skip(1),
            "float" => self.skip(4),
            "double" => self.skip(8),
            "int" | "long" => {
                self.long();
            }
            "string" | "bytes" => {
                let length = self.long();
                self.skip(usize::try_from(length).unwrap());
            }
            other => panic!("no type: {other}"),
        }
    }

    fn skip(&mut self, count: usize) {
        self.rest = &self.rest[count..];
    }

    /// A number in zigzag.
    fn long(&mut self) -> i64 {
        let mut number = 0_u64;
        for shift in (0..).step_by(7) {
            let byte = self.rest[0];
            self.skip(1);
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
    }
}

#[test]
fn a_record_is_taken_apart() {
    let schema = r#"{"type":"record","name":"R","namespace":"n","fields":[
        {"name":"a","type":["null",{"type":"record","name":"V","fields":[
            {"name":"x","type":"int"}, {"name":"y","type":{"type":"array","items":"float"}}]}]},
        {"name":"b","type":["null","V"]}]}"#;

    let found = leaves(schema, &[2, 1, 2, 0, 0, 0, 0, 0, 0]);

    let expected = [("?", 2), (".x", 1), (".y", 0), ("?", 0)];
    assert_eq!(found.len(), 5);
    assert_eq!(found[0], (format!(".a{}", expected[0].0), vec![2]));
    assert_eq!(found[2].1, [2, 0, 0, 0, 0, 0]);
    assert_eq!(found[3], (".b?".to_owned(), vec![0]));
}
