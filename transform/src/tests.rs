//! Every transform and predicate against what Kafka Connect's own classes answered.

mod fold;
mod headers;
mod properties;
mod scripts;

use std::sync::Arc;

use schema::value::Schema;
use serde_json::{Value as Json, json};

use super::*;

struct Golden {
    schemas: Vec<Arc<Schema>>,
    cases: Vec<Json>,
}

fn golden(text: &str) -> Golden {
    let all: Json = serde_json::from_str(text).unwrap();
    let schemas = all["schemas"].as_array().unwrap().iter();
    let schemas = schemas.map(|json| Arc::new(schema_of(json).unwrap())).collect();
    Golden { schemas, cases: all["cases"].as_array().unwrap().clone() }
}

impl Golden {
    /// `[schema's number or null, payload]`, or null for nothing at all.
    fn part(&self, json: &Json) -> Part {
        if json.is_null() {
            return Part::NULL;
        }
        let schema = json[0].as_u64().map(|at| &self.schemas[usize::try_from(at).unwrap()]);
        part_of(schema, &json[1]).unwrap()
    }

    fn record(&self, json: &Json) -> Record {
        let header = |json: &Json| Header {
            name: json[0].as_str().unwrap().to_owned(),
            part: self.part(&json[1]),
        };
        Record {
            topic: json["topic"].as_str().unwrap().into(),
            partition: Some(2),
            offset: Some(41),
            timestamp: json["timestamp"].as_i64(),
            key: self.part(&json["key"]),
            value: self.part(&json["value"]),
            headers: json["headers"].as_array().unwrap().iter().map(header).collect(),
        }
    }

    /// What was expected, with schemas in place of their numbers.
    fn spelt_out(&self, json: &Json) -> Json {
        if json.is_null() {
            return Json::Null;
        }
        let schema =
            json[0].as_u64().map(|at| schema_json(&self.schemas[usize::try_from(at).unwrap()]));
        json!([schema, json[1]])
    }
}

fn part_json(part: &Part) -> Result<Json, JsonProblem> {
    let schema = part.schema.as_deref();
    let payload = json_of(schema, &part.value)?;
    if schema.is_none() && payload.is_null() {
        return Ok(Json::Null);
    }
    Ok(json!([schema.map(schema_json), payload]))
}

fn chain(config: &Json) -> Result<Chain, ConfigProblem> {
    let class = config["type"].as_str().unwrap();
    let (kind, extra): (&str, &[(&str, &str)]) = if class.contains("predicates") {
        let filter = "org.apache.kafka.connect.transforms.Filter";
        ("predicates", &[("transforms.a.type", filter), ("transforms.a.predicate", "a")])
    } else {
        ("transforms", &[])
    };
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let mut settings: std::collections::BTreeMap<_, _> = extra.iter().map(pair).collect();
    settings.insert("transforms".to_owned(), "a".to_owned());
    settings.insert(kind.to_owned(), "a".to_owned());
    for (key, value) in config.as_object().unwrap() {
        settings.insert(format!("{kind}.a.{key}"), value.as_str().unwrap().to_owned());
    }
    Chain::read(&settings).map(|(chain, _)| chain)
}

/// What becomes of a case, in the words of the golden file.
fn answer(golden: &Golden, case: &Json) -> Result<Json, (&'static str, String)> {
    let mut chain = chain(&case["config"]).map_err(|error| ("config", error.problem))?;
    let record = golden.record(&case["in"]);
    let done = chain
        .apply(record)
        .map_err(|error| ("record", format!("{}: {}", error.exception.class(), error.message)))?;
    if case["out"].get("holds").is_some() {
        return Ok(json!({ "holds": done.is_none() }));
    }
    let Some(record) = done else { return Ok(json!({ "record": null })) };
    let output = |problem: JsonProblem| ("output", problem.to_string());
    let headers =
        record.headers.iter().map(|header| Ok(json!([header.name, part_json(&header.part)?])));
    Ok(json!({ "record": {
        "topic": *record.topic,
        "timestamp": record.timestamp,
        "key": part_json(&record.key).map_err(output)?,
        "value": part_json(&record.value).map_err(output)?,
        "headers": headers.collect::<Result<Vec<_>, _>>().map_err(output)?,
    }}))
}

fn expected(golden: &Golden, out: &Json) -> Result<Json, (String, String)> {
    if let Some(stage) = out.get("stage") {
        let (class, message) = (out["exception"].as_str().unwrap(), &out["message"]);
        let message = message.as_str().unwrap_or_default();
        let text = match stage.as_str().unwrap() {
            "config" => message.to_owned(),
            _ => format!("{class}: {message}"),
        };
        return Err((stage.as_str().unwrap().to_owned(), text));
    }
    let record = &out["record"];
    if record.is_null() {
        return Ok(out.clone());
    }
    let headers = record["headers"].as_array().unwrap().iter();
    let headers: Vec<_> =
        headers.map(|each| json!([each[0], golden.spelt_out(&each[1])])).collect();
    Ok(json!({ "record": {
        "topic": record["topic"],
        "timestamp": record["timestamp"],
        "key": golden.spelt_out(&record["key"]),
        "value": golden.spelt_out(&record["value"]),
        "headers": headers,
    }}))
}

/// Whether two messages are one but for values, which ours do not have.
fn is_same_message(ours: &str, theirs: &str) -> bool {
    let pieces =
        regex::Regex::new(r"value \([^)]*\) |\(.*\) was out|Value \(.*\) |: SinkRecord.*").unwrap();
    let plain = |text: &str| pieces.replace_all(text, "").replace([' ', ':'], "").to_lowercase();
    let (ours, theirs) = (plain(ours), plain(theirs));
    let ours = ours.replace("valuewasout", "wasout").replace("valuedoes", "does");
    let theirs = theirs.replace("valuewasout", "wasout");
    ours == theirs
}

/// Answers that are other than Connect's on purpose, by what they say.
///
/// Refusals whose words are of Java or name the wrong setting; settings that Connect takes and that
/// fail with the first record; literals of headers that have parts; and two fields that get one name
/// in an object without a schema, where Connect's answer hangs on the order of a Java map.
const OTHERWISE: [&str; 14] = [
    "Invalid type found in casting spec",
    "for configuration spec: Invalid rename mapping",
    "the value has no field",
    "A path of no names leads nowhere",
    "No value specified for static field",
    "No group 2",
    "No group with name {none}",
    "Illegal group reference: group index is missing",
    "unclosed group",
    "requires a SimpleDateFormat-compatible pattern",
    "the setting `format` is needed",
    "Illegal pattern character 'b'",
    "Object {\"name\": String(\"ann\"), \"n\": Number(5), \"in\": Object",
    "Object {\"name\": Null, \"n\": Null, \"in\": Null}",
];

/// The same for Debezium: a replacement is looked at before the first record that it is for, and a
/// place that there is not is refused at once; no message has the key in it.
const OTHER_THAN_DEBEZIUM: [&str; 3] = [
    "No group 1",
    "expected header, envelope or partition",
    "Unexpected update message received, fail.",
];

/// Whether two answers are one. Java 17 writes more digits of a single than tell it from others.
fn is_same(ours: &Json, theirs: &Json) -> bool {
    match (ours, theirs) {
        (Json::Number(ours), Json::Number(theirs)) if ours.is_f64() && theirs.is_f64() => {
            let single =
                |number: &serde_json::Number| number.as_f64().unwrap().to_string().parse::<f32>();
            ours == theirs || single(ours) == single(theirs)
        }
        (Json::Array(ours), Json::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| is_same(a, b))
        }
        (Json::Object(ours), Json::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().all(|(key, a)| theirs.get(key).is_some_and(|b| is_same(a, b)))
        }
        _ => ours == theirs,
    }
}

#[test]
fn every_transform_answers_as_kafka_connects_own() {
    compare(&golden(include_str!("golden/connect.json")), &OTHERWISE);
}

#[test]
fn debeziums_transforms_answer_as_debeziums_own() {
    compare(&golden(include_str!("golden/debezium.json")), &OTHER_THAN_DEBEZIUM);
}

/// An array at the top stays a text, and so does what has a number above all doubles; a whole number of
/// more than 64 bits is a double, and so is -0.
const OTHER_THAN_EXPANDED: [&str; 4] =
    [r#""[]""#, r#"{\"a\":1e400}"#, r#"\"b\":-0}"#, "123456789012345678901234567890"];

/// The order of fields that several objects have hangs on hashes there.
fn in_order(json: &Json) -> Json {
    match json {
        Json::Array(entries) => entries.iter().map(in_order).collect(),
        Json::Object(members) => {
            let mut members: serde_json::Map<_, _> =
                members.iter().map(|(name, json)| (name.clone(), in_order(json))).collect();
            if let Some(Json::Array(fields)) = members.get_mut("fields") {
                fields.sort_by_key(|field| field["field"].to_string());
            }
            Json::Object(members)
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => json.clone(),
    }
}

#[test]
fn payloads_in_json_are_expanded_as_by_debezium() {
    let golden = golden(include_str!("golden/outbox.json"));
    let mut wrong = Vec::new();
    for case in &golden.cases {
        let (ours, theirs) = (answer(&golden, case), expected(&golden, &case["out"]));
        let is_same = match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => is_same(&in_order(ours), &in_order(theirs)),
            // A type that its value is not of, which no converter takes: ours stays a text.
            (Ok(ours), Err((stage, _))) => {
                stage != "config" && ours["record"]["value"].to_string().contains("string")
            }
            (Err((ours, _)), Err((theirs, _))) => ours == theirs,
            (Err(_), Ok(_)) => false,
        };
        let given = case["in"]["value"].to_string();
        if !is_same && !OTHER_THAN_EXPANDED.iter().any(|known| given.contains(known)) {
            let show = |answer: Result<&Json, String>| {
                answer.map_or_else(|error| error, |it| it["record"]["value"].to_string())
            };
            let ours = show(ours.as_ref().map_err(|error| format!("{error:?}")));
            let theirs = show(theirs.as_ref().map_err(|error| format!("{error:?}")));
            wrong.push(format!("{given}\n ours   {ours}\n theirs {theirs}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), golden.cases.len(), wrong.join("\n"));
}

fn compare(golden: &Golden, otherwise: &[&str]) {
    let mut wrong = Vec::new();
    for case in &golden.cases {
        let (ours, theirs) = (answer(golden, case), expected(golden, &case["out"]));
        let is_same = match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => is_same(ours, theirs),
            // Connect's transform makes something that its own converters refuse.
            (_, Err((stage, _))) if stage == "output" => true,
            (Err((stage, ours)), Err((their_stage, theirs))) => {
                // Debezium says only in its log what is wrong with settings.
                let is_silent = theirs == "Unable to validate config.";
                stage == their_stage && (is_silent || is_same_message(ours, theirs))
            }
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
        };
        let text = format!("{ours:?}");
        if !is_same && !otherwise.iter().any(|known| text.contains(known)) {
            let show = |answer: Result<&Json, String>| match answer {
                Ok(answer) => answer["record"]["value"].to_string(),
                Err(error) => error,
            };
            let ours = show(ours.as_ref().map_err(|error| format!("{error:?}")));
            let theirs = show(theirs.as_ref().map_err(|error| format!("{error:?}")));
            let (config, given) = (&case["config"], &case["in"]["value"]);
            wrong.push(format!("{config} of {given}\n ours   {ours}\n theirs {theirs}"));
        }
    }
    let count = wrong.len();
    wrong.truncate(20);
    assert!(wrong.is_empty(), "{count} of {}:\n{}", golden.cases.len(), wrong.join("\n"));
}
