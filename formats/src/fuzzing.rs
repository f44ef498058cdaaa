//! What must hold for any input of this crate's decoders: the body of each fuzz target.
//!
//! As in `schema::fuzzing`, the same functions run under libFuzzer and in `cargo test`.

use std::cell::RefCell;

use schema::fuzzing::{Target, join_parts, split_part};

use crate::json_schema::{self, JsonSchemaOptions};
use crate::protobuf::{self, ProtobufOptions};
use crate::writer::{Format, Prepared, write};

/// Records in Protobuf, behind the registry's id.
pub const PROTOBUF: Target =
    Target { name: "protobuf", run: read_protobuf, seeds: protobuf_seeds, heap_per_byte: 4_096 };

/// A JSON Schema and a record of it.
pub const JSON_SCHEMA: Target =
    Target { name: "json_schema", run: read_json, seeds: json_seeds, heap_per_byte: 16_384 };

/// A schema with one field of each kind.
pub(crate) const ORDER: &str = r#"syntax = "proto3";
package shop.v1;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
message Order {
  enum State { OPEN = 0; PAID = 1; }
  message Line { string sku = 1; uint32 count = 2; }
  int64 id = 1;
  optional string note = 2;
  State state = 3;
  repeated Line lines = 4;
  map<string, double> weights = 5;
  google.protobuf.Timestamp at = 6;
  google.protobuf.StringValue coupon = 7;
  oneof payment { string card = 8; bytes cash = 9; }
  uint64 big = 10;
  sint32 delta = 11;
  bool paid = 12;
  float ratio = 13;
}
"#;

const WRAPS: ProtobufOptions = ProtobufOptions {
    keeps_packages: false,
    scrubs_names: false,
    int_for_enums: true,
    optional_for_nullables: false,
    optional_for_proto2: true,
    wrapper_for_nullables: true,
    wrapper_for_raw_primitives: true,
    struct_for_nulls: false,
    index_for_unions: true,
    flatten_unions: false,
    ignores_defaults: false,
};

/// A reader of [`ORDER`], and what writes and reads an order again.
struct Orders {
    reader: protobuf::Reader,
    prepared: Prepared,
    again: protobuf::Reader,
}

impl Orders {
    fn new() -> Self {
        let reader = |text: &str| protobuf::Reader::new(WRAPS, text, &[]);
        let mut first = reader(ORDER).expect("the schema is right");
        let (schema, _) = first.read(&[0]).expect("an empty order is one");
        let prepared = Format::Protobuf(WRAPS).prepare(&schema).expect("it is of Protobuf");
        let again = reader(prepared.text()).expect("it is ours");
        Self { reader: first, prepared, again }
    }
}

thread_local! {
    static ORDERS: RefCell<Orders> = RefCell::new(Orders::new());
}

/// What is written of an order that could be read is read as the same.
fn read_protobuf(data: &[u8]) {
    ORDERS.with_borrow_mut(|orders| {
        let Ok((schema, value)) = orders.reader.read(data) else { return };
        if schema.name.as_deref() != Some("Order") {
            return;
        }
        let mut body = Vec::new();
        orders.prepared.write(&value, &mut body).expect("what is read can be written");
        let (_, again) = orders.again.read(&body).expect("what is written can be read");
        let mut twice = Vec::new();
        orders.prepared.write(&again, &mut twice).expect("it was written before");
        // Not the values: what is no number is not the same as itself.
        assert_eq!(body, twice, "what was written is another value");
    });
}

fn protobuf_seeds() -> Vec<Vec<u8>> {
    // Of Confluent's client for Python, without magic and id.
    let full = "0008071200180122090a01611080d0acf30e22030a01622a0c0a017811000000000000f83f320b08\
                80e2cfaa0610c0a9d33a3a030a016342047669736150ffffffffffffffffff01580560016d0000003f";
    let hex = |text: &str| {
        let pairs = text.as_bytes().chunks_exact(2).filter_map(|pair| str::from_utf8(pair).ok());
        pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect::<Vec<u8>>()
    };
    vec![hex(full), vec![0], hex("0400000a017a1001")]
}

/// A schema that is taken reads, writes and reads again as the same value.
fn read_json(data: &[u8]) {
    let (text, body) = split_part(data);
    let Ok(text) = str::from_utf8(text) else { return };
    let options =
        JsonSchemaOptions { optional_for_nonrequired: true, ..JsonSchemaOptions::default() };
    let Ok(reader) = json_schema::Reader::new(options, text, &[]) else { return };
    let Ok(value) = reader.read(body) else { return };
    let Ok(written) = write(Format::JsonSchema(options), reader.schema(), &value) else { return };
    let again = serde_json::from_slice::<serde_json::Value>(&written.body);
    assert!(again.is_ok(), "what is written is JSON");
    let again = json_schema::Reader::new(options, &written.schema, &[]);
    assert!(again.is_ok(), "the schema that is written is one");
}

fn json_seeds() -> Vec<Vec<u8>> {
    let pairs = [
        (
            r##"{"title":"Order","type":"object","properties":{"id":{"type":"integer","connect.type":
               "int32","connect.index":1},"name":{"oneOf":[{"type":"null"},{"type":"string"}]},
               "lines":{"type":"array","items":{"$ref":"#/definitions/l"}}},"definitions":{"l":
               {"type":"object","properties":{"n":{"type":["number","null"]}},"required":["n"]}}}"##,
            r#"{"id":1,"name":null,"lines":[{"n":1.5},{"n":null}]}"#,
        ),
        (
            r#"{"type":"object","connect.type":"map","additionalProperties":{"anyOf":[{"type":
               "string"},{"type":"integer"},{"type":"object","properties":{"a":{}}}]}}"#,
            r#"{"x":"y","z":7,"o":{"a":[1]}}"#,
        ),
        (r#"{"allOf":[{"enum":["A","B"]},{"type":"string"}]}"#, r#""A""#),
    ];
    pairs.iter().map(|(text, body)| join_parts(text.as_bytes(), body.as_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use schema::fuzzing::replay::replay;

    use super::*;

    #[test]
    fn protobuf_holds_for_seeds_and_their_mutations() {
        replay(&PROTOBUF);
    }

    #[test]
    fn json_schema_holds_for_seeds_and_their_mutations() {
        replay(&JSON_SCHEMA);
    }
}
