//! Indices with a date in their names.

use super::*;
use crate::testing::{dated_record, sweep_record, truncate_record};

/// Days since 1970.
const LEAP_DAY: i64 = 19_782;
const BY_DAY: (&str, &str) = ("index.name", "{table}-{column:day:yyyy.MM.dd}");
const BY_HOUR: (&str, &str) = ("index.name", "{table}-{column:at:yyyyMMdd-HH}");
const APPEND: (&str, &str) = ("write.method", "append");

fn row(offset: i64, id: i64, day: i64) -> Record {
    dated_record(&partition(0), offset, (id, LEAP_DAY + day), Some(None))
}

fn gone(offset: i64, id: i64, day: i64) -> Record {
    dated_record(&partition(0), offset, (id, LEAP_DAY + day), None)
}

async fn run(bench: &mut Bench, records: Vec<Record>) {
    let next = records.last().unwrap().offset.0 + 1;
    *bench.group.ends.lock().unwrap() = vec![(partition(0), KafkaOffset(next))];
    bench.feed.assigned(vec![partition(0)]).await;
    bench.deliver(records).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&next)).await;
}

async fn after(server: FakeServer, extra: &[(&str, &str)], records: Vec<Record>) -> FakeServer {
    let mut bench = Bench::start(server, extra);
    run(&mut bench, records).await;
    let (ended, server, _) = bench.end().await;
    ended.unwrap();
    server
}

async fn error_of(extra: &[(&str, &str)], record: Record) -> SinkError {
    let mut bench = Bench::start(FakeServer::start().await, extra);
    bench.feed.assigned(vec![partition(0)]).await;
    bench.deliver(vec![record]).await;
    failure(bench).await
}

fn ids(server: &FakeServer, index: &str) -> Vec<String> {
    server.documents(index).into_keys().collect()
}

#[tokio::test]
async fn rows_go_to_the_index_of_their_keys_date_and_are_deleted_there() {
    let records = vec![row(0, 1, 0), row(1, 2, 1), row(2, 3, 1), row(3, 4, 0), gone(4, 2, 1)];

    let server = after(FakeServer::start().await, &[BY_DAY], records).await;

    assert_eq!(server.indices(), ["orders-2024.02.29-000001", "orders-2024.03.01-000001"]);
    assert_eq!(ids(&server, "orders-2024.02.29"), ["1:2024-02-29", "4:2024-02-29"]);
    assert_eq!(ids(&server, "orders-2024.03.01"), ["3:2024-03-01"]);
    for index in ["orders-2024.02.29", "orders-2024.03.01"] {
        let mapping = server.mapping(index);
        assert_eq!(mapping["properties"]["at"], json!({"type": "date"}));
        assert_eq!(mapping["_meta"]["rowcast"]["topic"], TOPIC);
    }
    assert_eq!(server.line("orders-2024.03.01", "3:2024-03-01")["require_alias"], true);
}

/// A tombstone makes the index of its date, and the row after it gives it its fields.
#[tokio::test]
async fn an_index_gets_its_fields_whatever_comes_first() {
    let soft = ("behavior.on.delete", "soft");

    let server =
        after(FakeServer::start().await, &[BY_DAY, soft], vec![row(0, 1, 0), gone(1, 2, 1)]).await;
    let fields = server.mapping("orders-2024.03.01")["properties"].clone();
    assert_eq!((&fields["__deleted"], &fields["id"]), (&json!({"type": "boolean"}), &Value::Null));

    let records = vec![gone(0, 2, 1), row(1, 1, 0), row(2, 3, 1)];
    let server = after(FakeServer::start().await, &[BY_DAY, soft], records).await;
    let fields = server.mapping("orders-2024.03.01")["properties"].clone();
    assert_eq!(fields["id"], json!({"type": "long"}));
    assert_eq!(server.documents("orders-2024.03.01")["2:2024-03-01"]["__deleted"], true);
}

#[tokio::test]
async fn a_column_that_is_not_in_the_key_is_refused_with_the_remedy() {
    let error = error_of(&[BY_HOUR], row(0, 1, 0)).await;

    assert_eq!(error.disposition(), Disposition::Halt);
    assert_eq!(
        error.to_string(),
        "the key of record shop.db.orders/0@0 has no column `at`, whose date `index.name` asks for"
    );
    assert!(error.hint().unwrap().contains("`write.method` to append"));
    let number = ("index.name", "{table}-{column:id:yyyy}");
    let error = error_of(&[number], row(0, 1, 0)).await;
    assert!(error.to_string().contains("has something else in column `id`"), "{error}");
}

#[tokio::test]
async fn changes_go_to_the_index_of_any_columns_date_in_utc() {
    let p = partition(0);
    let at = |offset, text| dated_record(&p, offset, (offset, LEAP_DAY), Some(Some(text)));
    let records = vec![
        at(0, "2024-02-29T23:30:00Z"),
        at(1, "2024-03-01T01:30:00+02:00"),
        at(2, "2024-02-29T22:59:59.999999Z"),
    ];
    let extra = [BY_HOUR, APPEND, ("field.renames", "at:made_at")];

    let mut records_and_truncate = records;
    records_and_truncate.push(truncate_record(&p, 3, Some(9)));
    let server = after(FakeServer::start().await, &extra, records_and_truncate).await;

    assert_eq!(server.documents("orders-20240229-23").len(), 2);
    assert_eq!(server.documents("orders-20240229-22").len(), 1);
    // The truncation is where it was read: it has no row.
    assert_eq!(server.indices().len(), 3);

    let error = error_of(&[BY_HOUR, APPEND], row(7, 1, 0)).await;
    assert_eq!(error.disposition(), Disposition::Halt);
    assert_eq!(
        error.to_string(),
        "record shop.db.orders/0@7 has null in column `at`, expected the date for `index.name`"
    );
    assert!(error.hint().unwrap().contains("never NULL"));
    let error = error_of(&[("index.name", "{column:x:yyyy}"), APPEND], row(7, 1, 0)).await;
    assert!(error.to_string().contains("has no value in column `x`"), "{error}");
}

/// One table's rows are in many indices, and a sweep is about all of them: also those that this
/// task has never written to, and of no other table and no other kind.
#[tokio::test]
async fn a_sweep_goes_through_all_indices_of_its_table() {
    let server = FakeServer::start().await;
    let mark = |topic: &str| json!({"_meta": {"rowcast": {"versions": "lsn", "topic": topic}}});
    for (index, topic) in [
        ("orders-1999.12.31", TOPIC),
        ("orders-1999.12.30", "shop.old.orders"),
        ("orders-copy-1999.12.31", TOPIC),
        ("orders-1999.12.31-v2", TOPIC),
    ] {
        server.create(index, mark(topic));
        server.put(index, "9:1999-12-31", 5, json!({}));
    }
    server.create("orders-1999.12.29", json!({}));
    server.put("orders-1999.12.29", "9:1999-12-31", 5, json!({}));
    let records =
        vec![row(0, 1, 0), row(1, 2, 1), row(100, 3, 1), sweep_record(&partition(0), 101, 50)];

    let server = after(server, &[BY_DAY], records).await;

    assert_eq!(ids(&server, "orders-2024.02.29"), [""; 0]);
    assert_eq!(ids(&server, "orders-2024.03.01"), ["3:2024-03-01"]);
    assert_eq!(ids(&server, "orders-1999.12.31"), [""; 0]);
    for other in
        ["orders-1999.12.30", "orders-copy-1999.12.31", "orders-1999.12.31-v2", "orders-1999.12.29"]
    {
        assert_eq!(ids(&server, other).len(), 1, "{other}");
    }
    assert!(!server.has_index("orders-*"));
}

#[tokio::test]
async fn a_sweep_of_shared_indices_is_about_one_table() {
    let extra = [("index.name", "all-{column:day:yyyy}"), ("index.shared", "true")];
    let server = FakeServer::start().await;
    let records = vec![row(0, 1, 0), row(1, 2, 400), sweep_record(&partition(0), 2, 50)];
    let shared = json!({"_meta": {"rowcast": {"versions": "lsn", "shared": true}}});
    server.create("all-2023", shared);
    server.put("all-2023", "other:1", 5, json!({"__topic": "other"}));
    server.put("all-2023", "mine:1", 5, json!({"__topic": TOPIC}));

    let server = after(server, &extra, records).await;

    assert_eq!(ids(&server, "all-2023"), ["other:1"]);
    assert_eq!(ids(&server, "all-2024").len() + ids(&server, "all-2025").len(), 0);
}

/// Who deletes the days that are old enough does not stop the others.
#[tokio::test]
async fn an_index_that_is_deleted_is_made_anew_by_its_next_row() {
    let mut bench = Bench::start(FakeServer::start().await, &[BY_DAY]);
    run(&mut bench, vec![row(0, 1, 0)]).await;
    bench.server.delete("orders-2024.02.29");
    bench.deliver(vec![row(1, 2, 0)]).await;
    // The task that has known it ends, and the worker starts it again.
    let server = std::mem::replace(&mut bench.server, FakeServer::start().await);
    let error = failure(bench).await;
    assert_eq!(error.disposition(), Disposition::Retry);
    assert!(error.to_string().contains("`orders-2024.02.29` was deleted"), "{error}");

    let server = after(server, &[BY_DAY], vec![row(1, 2, 0)]).await;

    assert_eq!(ids(&server, "orders-2024.02.29"), ["2:2024-02-29"]);
    assert_eq!(server.mapping("orders-2024.02.29")["properties"]["id"], json!({"type": "long"}));
}

#[tokio::test]
async fn more_dates_than_are_kept_are_looked_at_again() {
    const DAYS: i64 = 35;
    let mut bench = Bench::start(FakeServer::start().await, &[BY_DAY]);
    // Twice one after the other, and then those far from each other by turns.
    let days = (0..DAYS).chain(0..DAYS).chain((0..DAYS).map(|n| n * 12 % DAYS));
    let records = days.zip(0..).map(|(day, offset)| row(offset, offset, day)).collect();

    run(&mut bench, records).await;
    let (ended, server, _) = bench.end().await;

    ended.unwrap();
    let indices = server.indices();
    assert_eq!(indices.len(), 35);
    for index in indices {
        assert_eq!(ids(&server, &index).len(), 3, "{index}");
        assert_eq!(server.mapping(&index)["properties"]["id"], json!({"type": "long"}));
    }
}

#[tokio::test]
async fn json_has_dates_as_texts() {
    let extra = [
        ("key.converter", "json"),
        ("value.converter", "json"),
        ("key.converter.schemas.enable", "false"),
        ("value.converter.schemas.enable", "false"),
        BY_DAY,
    ];
    let record = |offset, key: &Value, value: Option<&Value>| Record {
        key: Some(key.to_string().into()),
        value: value.map(|value| value.to_string().into()),
        ..row(offset, 0, 0)
    };
    let key = |id: i64, day: &str| json!({"id": id, "day": day});
    let (first, second) = (key(1, "2024-02-29T08:00:00Z"), key(2, "2024-03-01"));
    let records = vec![
        record(0, &first, Some(&first)),
        record(1, &second, Some(&second)),
        record(2, &first, None),
    ];

    let server = after(FakeServer::start().await, &extra, records).await;

    assert_eq!(ids(&server, "orders-2024.02.29"), [""; 0]);
    assert_eq!(ids(&server, "orders-2024.03.01"), ["2:2024-03-01"]);
    assert_eq!(server.mapping("orders-2024.03.01")["dynamic"], true);
    for (day, found) in [(json!(19_782), "something else"), (Value::Null, "null")] {
        let key = json!({"id": 1, "day": day});
        let error = error_of(&extra, record(0, &key, Some(&key))).await;
        assert_eq!(error.disposition(), Disposition::Halt);
        let expected = format!("has {found} in column `day`");
        assert!(error.to_string().contains(&expected), "{error}");
    }
}
