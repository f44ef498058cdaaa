//! How two values, schemas or headers differ.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::avro::Leaf;

/// Leaves that differ, with how.
pub(super) fn different_leaves(theirs: &[Leaf], ours: &[Leaf]) -> Vec<(String, String)> {
    let theirs: BTreeMap<&String, &Vec<u8>> = theirs.iter().map(|(path, b)| (path, b)).collect();
    let ours: BTreeMap<&String, &Vec<u8>> = ours.iter().map(|(path, b)| (path, b)).collect();
    let paths: BTreeSet<&String> = theirs.keys().chain(ours.keys()).copied().collect();
    let mut different = Vec::new();
    for path in paths {
        let (theirs, ours) = (theirs.get(path), ours.get(path));
        if theirs == ours || is_about_the_run(path) {
            continue;
        }
        let (theirs, ours) =
            (hex_of(theirs.map(|b| b.as_slice())), hex_of(ours.map(|b| b.as_slice())));
        different.push((path.clone(), format!("{path} is {ours}, not {theirs}")));
    }
    different
}

/// What is not compared, because it is about us or about the run: clocks, places in the log,
/// the server, and the version of the program. Whether there is such a value is compared.
fn is_about_the_run(path: &str) -> bool {
    const NAMES: [&str; 9] =
        ["ts_ms", "ts_us", "ts_ns", "gtid", "file", "pos", "thread", "server_id", "version"];
    let is_one = |name: &str| NAMES.contains(&name);
    if let Some(name) = path.strip_prefix(".source.") {
        return is_one(name) || matches!(name, "sequence" | "sequence?");
    }
    let added = |name: &str| {
        let name = name.strip_prefix("__").or(name.strip_prefix("m_"))?;
        Some(is_one(name) || is_one(name.strip_prefix("source_")?))
    };
    let top = path.trim_start_matches('.');
    is_one(top)
        || ["ts_us?", "ts_ns?", "transaction.id", "__transaction_id"].contains(&top)
        || added(top).unwrap_or_default()
}

pub(super) fn same_headers(
    theirs: &[(String, Option<Vec<u8>>)],
    ours: &[(String, Option<Vec<u8>>)],
) -> bool {
    let is_same = |((a, theirs), (b, ours)): (&(String, _), &(String, _))| {
        let theirs: &Option<Vec<u8>> = theirs;
        let varies = ["ts_ms", "_pos", "server_id"].iter().any(|end| a.ends_with(end));
        a == b && (theirs == ours || varies && theirs.is_some() == ours.is_some())
    };
    theirs.len() == ours.len() && theirs.iter().zip(ours).all(is_same)
}

pub(super) fn shown(headers: &[(String, Option<Vec<u8>>)]) -> String {
    let one = |(name, value): &(String, Option<Vec<u8>>)| {
        let value = value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned());
        format!("{name}={value:?}")
    };
    headers.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Fields of the row whose schemas differ, by name; what else differs is named by its place.
pub(super) fn schema_differences(theirs: &str, ours: &str) -> Vec<(String, String)> {
    let (theirs, ours): (Json, Json) =
        (serde_json::from_str(theirs).unwrap(), serde_json::from_str(ours).unwrap());
    let (mut their_fields, mut our_fields) = (BTreeMap::new(), BTreeMap::new());
    let rests = (take_row(theirs, &mut their_fields), take_row(ours, &mut our_fields));
    let mut differences = Vec::new();
    let names: BTreeSet<&String> = their_fields.keys().chain(our_fields.keys()).collect();
    for name in names {
        let (theirs, ours) = (their_fields.get(name), our_fields.get(name));
        // As text: the order of attributes counts.
        if theirs.map(ToString::to_string) != ours.map(ToString::to_string) {
            let text = |field: Option<&Json>| field.map_or("missing".to_owned(), Json::to_string);
            let how = format!("{name} is {}, not {}", text(ours), text(theirs));
            differences.push((name.clone(), how));
        }
    }
    let (theirs, ours) = (rests.0.to_string(), rests.1.to_string());
    if theirs != ours {
        let at = theirs.bytes().zip(ours.bytes()).take_while(|(a, b)| a == b).count();
        let around = |text: &str| {
            text.get(at.saturating_sub(40)..)
                .unwrap_or_default()
                .chars()
                .take(120)
                .collect::<String>()
        };
        differences
            .push((String::new(), format!("{:?}, not {:?}", around(&ours), around(&theirs))));
    }
    differences
}

/// Takes the row's fields out of an envelope, a flat record or a key; what is left has the names
/// in their order.
fn take_row(mut schema: Json, fields: &mut BTreeMap<String, Json>) -> Json {
    let at = if schema.pointer("/fields/0/name") == Some(&Json::from("before"))
        && schema.pointer("/fields/0/type/1/fields").is_some()
    {
        "/fields/0/type/1/fields"
    } else {
        "/fields"
    };
    let row = schema.pointer_mut(at).unwrap();
    let mut order = Vec::new();
    for field in row.as_array().unwrap() {
        let name = field["name"].as_str().unwrap().to_owned();
        order.push(Json::from(name.clone()));
        fields.insert(name, field.clone());
    }
    *row = Json::Array(order);
    schema
}

pub(super) fn hex_of(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "nothing".to_owned() };
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digits} ({})", String::from_utf8_lossy(bytes).escape_debug())
}
