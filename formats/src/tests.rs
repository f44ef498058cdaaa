//! The mapping of types, records of other clients, and what is written and read again.

mod json_schema;
mod properties;
mod protobuf;

use schema::value::{Kind, Schema};

/// A schema in short: its kind, `?` for what may be null, and its name.
fn short(schema: &Schema) -> String {
    let kind = match &schema.kind {
        Kind::Struct(fields) => {
            let fields = fields.iter().map(|f| format!("{}:{}", f.name, short(&f.schema)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Kind::Array(each) => format!("[{}]", short(each)),
        Kind::Map(key, each) => format!("<{},{}>", short(key), short(each)),
        Kind::Boolean
        | Kind::Int8
        | Kind::Int16
        | Kind::Int32
        | Kind::Int64
        | Kind::Float32
        | Kind::Float64
        | Kind::String
        | Kind::Bytes => format!("{:?}", schema.kind).to_lowercase(),
    };
    let name = schema.name.as_ref().map(|name| format!("={name}")).unwrap_or_default();
    format!("{kind}{name}{}", if schema.optional { "?" } else { "" })
}
