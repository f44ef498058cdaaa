//! Rows of two tables in one index, with keys that are made to meet.

use super::*;
use crate::testing::pair_record;

/// A row's key, and what of its id stands behind the topic and its colon; none for a digest.
fn keys() -> Vec<((String, String), Option<&'static str>)> {
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    vec![
        (pair("1", "2"), Some("1:2")),
        (pair("1:2", ""), Some("1%3A2:")),
        (pair("", "1:2"), Some(":1%3A2")),
        (pair("%3A", ":"), Some("%253A:%3A")),
        // As the other topic's ids begin.
        (pair("s.db.items:1", "2"), Some("s.db.items%3A1:2")),
        (pair("sha256:", ""), Some("sha256%3A:")),
        (pair(&"x".repeat(600), "1"), None),
        (pair(&"x".repeat(600), "2"), None),
        (pair("x", &"é".repeat(300)), None),
    ]
}

/// An id taken apart as docs/semantics.md says it.
fn decoded(topic: &str, id: &str) -> Vec<String> {
    let rest = id.strip_prefix(topic).unwrap().strip_prefix(':').unwrap();
    rest.split(':').map(|text| text.replace("%3A", ":").replace("%25", "%")).collect()
}

#[tokio::test]
async fn two_tables_with_the_same_keys_do_not_meet() {
    let extra = [("index.shared", "true"), ("index.name", "all")];
    let mut bench = Bench::start(FakeServer::start().await, &extra);
    let topics = ["s.db.orders", "s.db.items"];
    let partitions = topics.map(|topic| TopicPartition { topic: topic.into(), partition: 0 });
    bench.feed.assigned(partitions.to_vec()).await;
    let keys = keys();
    for (partition, number) in partitions.iter().zip(0..) {
        // The fake group tells partitions apart by their numbers only, so they differ in offsets.
        let rows = keys.iter().zip(0..).map(|(((a, b), _), place): (_, i64)| {
            let offset = 1_000 * number + place;
            pair_record(partition, offset, (a, b))
        });
        bench.deliver(rows.collect()).await;
        let end = 1_000 * number + i64::try_from(keys.len()).unwrap();
        bench.until(|bench, _| bench.committed.get(&0) == Some(&end)).await;
    }

    let (ended, server, _) = bench.end().await;

    ended.unwrap();
    let documents = server.documents("all");
    assert_eq!(documents.len(), 2 * keys.len());
    for topic in topics {
        for id in keys.iter().filter_map(|(_, id)| *id) {
            assert_eq!(documents[&format!("{topic}:{id}")]["__topic"], topic);
        }
        for (key, id) in &keys {
            let Some(id) = id else { continue };
            assert_eq!(decoded(topic, &format!("{topic}:{id}")), [&*key.0, &*key.1]);
        }
        let is_digest = |id: &String| id.starts_with("sha256:") && id.len() == 71;
        let of_topic = documents.iter().filter(|(_, document)| document["__topic"] == topic);
        assert_eq!(of_topic.filter(|(id, _)| is_digest(id)).count(), 3);
    }
}
