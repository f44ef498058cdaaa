//! The topics beside the rows: every statement that changes a definition, and where transactions
//! begin and end, in Debezium's order.

use integration::stack::shared;

use super::avro::leaves;
use super::differences::different_leaves;
use super::recording::{Recorded, Recording, beside, pairs, recordings};
use super::registry::RegistryClient;
use super::relay::Relay;
use super::run::{capture, prepare};
use super::topics::{Written, frame_id, written};
use crate::scenario::own_server;

/// Records of schema changes and of transactions, so that less is noticed.
const RECORDS: [(&str, usize); 2] = [("srv1", 27 + 50), ("srv-2", 27)];

/// Debezium marks the last definition that its snapshot tells if the table is not captured; rowcast
/// marks none ("Marks of told definitions" in `docs/semantics.md`).
const LAST: &str = "srv-2 21: .source.snapshot is 0874727565 (\\u{8}true), not 086c617374 \
     (\\u{8}last)";

#[tokio::test]
async fn schema_changes_and_transactions_are_debeziums() {
    let _alone = super::ALONE.lock().await;
    let stack = shared().await.unwrap();
    let mut pairs = pairs();
    pairs.retain(|pair| pair.name == "gold");
    let mysql = own_server("mysql-of-golden-beside", &[]).await;
    prepare(&mysql, &pairs).await;
    let mut connectors: Vec<Recording> = recordings();
    connectors.retain(|it| RECORDS.iter().any(|(name, _)| it.name == *name));
    let names: Vec<String> = connectors.iter().map(|it| it.name.clone()).collect();
    let registry = RegistryClient::new(&stack.registry.url());
    let (mut recorded, mut ids) = (Vec::new(), Vec::new());
    for connector in &mut connectors {
        let mut recording = beside("gold", &connector.name);
        connector.name = own_name(&connector.name);
        connector.config.insert("topic.prefix".to_owned(), connector.name.clone());
        for (subject, _) in &mut recording.schemas {
            *subject = own_name(subject);
        }
        ids.push(registry.register(&recording).await);
        recorded.push(recording);
    }
    let relay = Relay::start(&stack.registry.url());

    capture("golden-beside", (stack, &relay), &mysql, &pairs, &connectors).await;

    let all = written(&stack.kafka.bootstrap(), &["beside-".to_owned()]);
    let mut differences = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let recording = &recorded[place];
        let mut count = 0;
        for topic in [name.clone(), format!("{name}.transaction")] {
            let theirs = recording.records.iter().filter(|it| it.topic == topic);
            let theirs: Vec<&Recorded> = theirs.collect();
            let ours = all.get(&own_name(&topic)).map(Vec::as_slice).unwrap_or_default();
            if theirs.len() != ours.len() {
                differences.push(format!("{topic}: {}, not {}", ours.len(), theirs.len()));
            }
            for (number, (theirs, ours)) in theirs.into_iter().zip(ours).enumerate() {
                let found = compare(recording, &ids[place], theirs, ours);
                let found = found.into_iter().map(|how| format!("{topic} {number}: {how}"));
                differences.extend(found.filter(|how| how != LAST));
                count += 1;
            }
        }
        assert!(RECORDS.contains(&(name, count)), "{name} has {count} records");
    }
    let (registered, texts) = (relay.texts(), recorded.iter().flat_map(|it| &it.schemas));
    for (subject, text) in texts {
        assert_eq!(registered[subject].as_slice(), std::slice::from_ref(text), "{subject}");
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    transactions_are_told_as_they_are(&all["beside-srv1.transaction"]);
}

/// Another prefix, as the recordings' own are in use by another test.
fn own_name(name: &str) -> String {
    format!("beside-{name}")
}

fn compare(recording: &Recording, ids: &[u32], theirs: &Recorded, ours: &Written) -> Vec<String> {
    let mut found = Vec::new();
    for ((place, body), bytes) in theirs.parts().zip(ours.parts()) {
        if frame_id(bytes) != ids[*place] {
            found.push(format!("has schema {}, not {}", frame_id(bytes), ids[*place]));
            continue;
        }
        let schema = &recording.schemas[*place].1;
        let different = different_leaves(&leaves(schema, body), &leaves(schema, &bytes[5..]));
        // The transaction's number and our prefix.
        let is_own = |path: &str| [".id", ".source.name"].contains(&path);
        let different = different.into_iter().filter(|(path, _)| !is_own(path));
        found.extend(different.map(|(_, how)| how));
    }
    if !ours.headers.is_empty() {
        found.push(format!("has headers {:?}", ours.headers));
    }
    found
}

/// A beginning and its end have one id and one time, and stand side by side.
fn transactions_are_told_as_they_are(records: &[Written]) {
    for pair in records.chunks(2) {
        let [begin, end] = pair else { panic!("one without an end") };
        assert_eq!(begin.key, end.key);
        let time = |it: &Written| {
            let value = it.value.clone().unwrap();
            value[value.len() - 6..].to_vec()
        };
        assert_eq!(time(begin), time(end));
    }
}
