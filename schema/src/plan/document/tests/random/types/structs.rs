//! Types that Debezium makes of several parts.

use apache_avro::types::Value as Avro;
use proptest::prelude::*;
use proptest::strategy::Union;
use serde_json::{Value, json, to_string};

use super::{Typed, base64_of, decimal_text, typed};

/// Debezium's records, and its vectors.
pub(super) fn structs() -> Union<BoxedStrategy<Typed>> {
    Union::new([geometries(), points(), variable_decimals(), vectors()])
}

fn record(fields: Vec<(&str, Avro)>) -> Avro {
    Avro::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn maybe<T>(value: Option<T>, avro: impl Fn(T) -> Avro) -> Avro {
    match value {
        None => Avro::Union(0, Box::new(Avro::Null)),
        Some(value) => Avro::Union(1, Box::new(avro(value))),
    }
}

fn srid() -> Value {
    json!({"name": "srid", "type": ["null", "int"], "default": null})
}

fn geometries() -> BoxedStrategy<Typed> {
    let schema = json!({"type": "record", "name": "?",
        "connect.name": "io.debezium.data.geometry.Geometry",
        "fields": [{"name": "wkb", "type": "bytes"}, srid()]});
    typed(schema, None, any::<([u8; 5], Option<i32>)>(), |(wkb, srid)| {
        let text =
            format!("{{\"wkb\":{},\"srid\":{}}}", base64_of(&wkb), to_string(&srid).unwrap());
        let wkb = Avro::Bytes(wkb.to_vec());
        (record(vec![("wkb", wkb), ("srid", maybe(srid, Avro::Int))]), text)
    })
}

fn points() -> BoxedStrategy<Typed> {
    let schema = json!({"type": "record", "name": "?",
        "connect.name": "io.debezium.data.geometry.Point",
        "fields": [{"name": "x", "type": "double"}, {"name": "y", "type": "double"},
            {"name": "wkb", "type": ["null", "bytes"], "default": null}, srid()]});
    let place = (-180.0_f64..180.0, -90.0_f64..90.0);
    typed(
        schema,
        None,
        (place, any::<Option<[u8; 5]>>(), any::<Option<i32>>()),
        |(place, wkb, srid)| {
            let (x, y) = place;
            let bytes = wkb.map_or("null".to_owned(), |wkb| base64_of(&wkb));
            let [shown_x, shown_y] = [x, y].map(|number| to_string(&number).unwrap());
            let srid_text = to_string(&srid).unwrap();
            let text =
                format!("{{\"x\":{shown_x},\"y\":{shown_y},\"wkb\":{bytes},\"srid\":{srid_text}}}");
            let wkb = maybe(wkb, |wkb| Avro::Bytes(wkb.to_vec()));
            let (x, y) = (Avro::Double(x), Avro::Double(y));
            (record(vec![("x", x), ("y", y), ("wkb", wkb), ("srid", maybe(srid, Avro::Int))]), text)
        },
    )
}

fn variable_decimals() -> BoxedStrategy<Typed> {
    let schema = json!({"type": "record", "name": "?", "connect.version": 1,
        "connect.name": "io.debezium.data.VariableScaleDecimal",
        "fields": [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}]});
    typed(schema, None, (any::<i64>(), -5_i32..30), |(value, scale)| {
        let text = match usize::try_from(scale) {
            Ok(scale) => decimal_text(value.into(), scale),
            Err(_) => (i128::from(value) * 10_i128.pow(scale.unsigned_abs())).to_string(),
        };
        let value = Avro::Bytes(value.to_be_bytes().to_vec());
        (record(vec![("scale", Avro::Int(scale)), ("value", value)]), text)
    })
}

fn vectors() -> BoxedStrategy<Typed> {
    let schema = json!({"type": "array", "items": "float",
        "connect.name": "io.debezium.data.FloatVector"});
    typed(schema, None, prop::collection::vec(-1.0_f32..1.0, 0..5), |v| {
        (Avro::Array(v.iter().copied().map(Avro::Float).collect()), to_string(&v).unwrap())
    })
}
