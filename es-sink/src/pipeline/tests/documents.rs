//! Which fields documents have, where they go, and what is left of a row that is gone.

use super::*;
use crate::testing::{sweep_record, truncate_record};

const INDEX: &str = TOPIC;

/// A pipeline with one partition that these records have gone through.
async fn after(extra: &[(&str, &str)], records: Vec<Record>) -> FakeServer {
    let server = FakeServer::start().await;
    server.pipeline("tidy_up", &json!({"tidy": true}));
    let mut bench = Bench::start(server, extra);
    run(&mut bench, records).await;
    let (ended, server, _) = bench.end().await;
    ended.unwrap();
    server
}

async fn run(bench: &mut Bench, records: Vec<Record>) {
    let next = records.last().unwrap().offset.0 + 1;
    *bench.group.ends.lock().unwrap() = vec![(partition(0), KafkaOffset(next))];
    bench.feed.assigned(vec![partition(0)]).await;
    bench.deliver(records).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&next)).await;
}

fn tombstone(offset: i64, id: i64, lsn: Option<u64>) -> Record {
    let record = record(&partition(0), offset, id, Change::Delete, None);
    Record { value: None, lsn: lsn.and_then(schema::lsn::Lsn::new), ..record }
}

#[tokio::test]
async fn fields_are_left_out_and_renamed_and_the_id_stays() {
    let p = partition(0);
    let extra = [("field.exclude.list", "db.orders.id"), ("field.renames", "n:number")];

    let server = after(&extra, vec![record(&p, 0, 7, Change::Write { n: 5 }, Some(1))]).await;

    assert_eq!(server.documents(INDEX)["7"], json!({"number": 5, "u": null}));
    let properties = &server.mapping(INDEX)["properties"];
    assert_eq!(properties["number"], json!({"type": "long"}));
    assert!(properties.get("id").is_none() && properties.get("n").is_none());
}

#[tokio::test]
async fn every_action_on_a_row_has_its_routing_and_only_writes_have_the_pipeline() {
    let p = partition(0);
    let extra = [("index.routing.column", "id"), ("index.pipeline", "tidy_up")];

    let records = vec![
        record(&p, 0, 7, Change::Write { n: 5 }, Some(1)),
        record(&p, 1, 8, Change::Delete, Some(2)),
        tombstone(2, 9, Some(3)),
        record(&p, 3, 6, Change::Write { n: 5 }, Some(4)),
        sweep_record(&p, 4, 5),
    ];
    let server = after(&extra, records).await;

    let said = |id: &str| {
        let line = server.line(INDEX, id);
        (line["routing"].clone(), line.get("pipeline").cloned())
    };
    // The sweep has deleted the two rows.
    assert_eq!(said("7"), (json!("7"), None));
    assert_eq!(said("8"), (json!("8"), None));
    assert_eq!(said("9"), (json!("9"), None));
    let server = after(&extra, vec![record(&p, 0, 7, Change::Write { n: 5 }, Some(1))]).await;
    assert_eq!(server.line(INDEX, "7")["pipeline"], "tidy_up");
}

#[tokio::test]
async fn a_routing_that_is_not_in_the_key_halts_with_the_remedy() {
    let mut bench = Bench::start(FakeServer::start().await, &[("index.routing.column", "n")]);
    bench.feed.assigned(vec![partition(0)]).await;
    bench.deliver(vec![record(&partition(0), 0, 1, Change::Write { n: 5 }, Some(1))]).await;

    let error = failure(bench).await;

    assert_eq!(error.disposition(), Disposition::Halt);
    let chain = fault::chain(&error);
    assert!(chain.contains("no column `n`, which `index.routing.column` asks for"), "{chain}");
    assert!(error.hint().unwrap().contains("part of the key"));
}

#[tokio::test]
async fn a_soft_delete_leaves_a_mark_that_nothing_older_replaces() {
    let p = partition(0);
    let mut bench = Bench::start(FakeServer::start().await, &[("behavior.on.delete", "soft")]);

    let records = vec![
        record(&p, 0, 7, Change::Write { n: 5 }, Some(10)),
        record(&p, 1, 7, Change::Delete, Some(20)),
        tombstone(2, 8, Some(21)),
        record(&p, 3, 9, Change::Write { n: 5 }, Some(22)),
    ];
    run(&mut bench, records).await;
    // A zombie's late write.
    bench.deliver(vec![record(&p, 4, 7, Change::Write { n: 6 }, Some(15))]).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&5)).await;
    let (ended, server, _) = bench.end().await;

    ended.unwrap();
    let documents = server.documents(INDEX);
    let mark = |id: i64| {
        let at = &documents[&id.to_string()]["__deleted_at"];
        assert!(at.as_str().unwrap().ends_with('Z'));
        json!({"id": id, "__deleted": true, "__deleted_at": at})
    };
    assert_eq!(documents["7"], mark(7));
    assert_eq!(documents["8"], mark(8));
    assert_eq!(documents["9"], json!({"id": 9, "n": 5, "u": null}));
    assert_eq!(server.version(INDEX, "7"), Some(20));
    let properties = &server.mapping(INDEX)["properties"];
    assert_eq!(properties["__deleted"], json!({"type": "boolean"}));
    assert_eq!(properties["__deleted_at"], json!({"type": "date"}));
}

/// The first record of a topic may be a tombstone: the index has no fields of a row yet.
#[tokio::test]
async fn a_mark_is_searchable_before_the_first_row() {
    let server = after(&[("behavior.on.delete", "soft")], vec![tombstone(0, 8, Some(21))]).await;

    assert_eq!(server.mapping(INDEX)["properties"]["__deleted"], json!({"type": "boolean"}));
    assert_eq!(server.documents(INDEX)["8"]["id"], 8);
}

#[tokio::test]
async fn a_sweep_marks_what_is_not_marked_yet() {
    let p = partition(0);
    for extra in [
        &[("behavior.on.delete", "soft")][..],
        &[("behavior.on.delete", "soft"), ("index.shared", "true")],
    ] {
        let records = vec![
            record(&p, 0, 6, Change::Delete, Some(9)),
            record(&p, 1, 7, Change::Write { n: 5 }, Some(10)),
            record(&p, 2, 8, Change::Write { n: 5 }, Some(300)),
            sweep_record(&p, 3, 100),
        ];
        let server = after(extra, records).await;

        let (documents, shared) = (server.documents(INDEX), extra.len() > 1);
        let id = |id: i64| if shared { format!("{TOPIC}:{id}") } else { id.to_string() };
        assert_eq!(documents[&id(7)]["__deleted"], true);
        assert_eq!(documents[&id(7)].get("__topic").is_some(), shared);
        assert_eq!(documents[&id(8)]["n"], 5);
        assert_eq!(server.version(INDEX, &id(7)), Some(100));
        // It was marked before, so the sweep has not looked at it.
        assert_eq!(server.version(INDEX, &id(6)), Some(9));
    }
}

#[tokio::test]
async fn a_truncate_of_debeziums_marks_too() {
    let p = partition(0);
    let records =
        vec![record(&p, 0, 7, Change::Write { n: 5 }, None), truncate_record(&p, 1, None)];

    let server = after(&[("behavior.on.delete", "soft")], records).await;

    assert_eq!(server.documents(INDEX)["7"]["__deleted"], true);
    assert_eq!(server.version(INDEX, "7"), Some(1));
}
