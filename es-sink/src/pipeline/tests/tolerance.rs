//! Records that fail by themselves, under both values of `errors.tolerance`.

use bytes::Bytes;
use connect::control::ToleratedStatus;
use schema::fault;

use super::*;

const ALL: (&str, &str) = ("errors.tolerance", "all");
const JSON: [(&str, &str); 4] = [
    ("key.converter", "json"),
    ("key.converter.schemas.enable", "false"),
    ("value.converter", "json"),
    ("value.converter.schemas.enable", "false"),
];
/// A cast that a flag has no number for.
const CAST: [(&str, &str); 3] = [
    ("transforms", "c"),
    ("transforms.c.type", "org.apache.kafka.connect.transforms.Cast$Value"),
    ("transforms.c.spec", "__deleted:int8"),
];

/// The same, with headers in JSON.
const JSON_HEADERS: [(&str, &str); 4] =
    [CAST[0], CAST[1], ("transforms.c.spec", "n:string"), ("header.converter", "json")];

type Pair = (&'static str, &'static str);

fn good(offset: i64) -> Record {
    let lsn = Some(offset.unsigned_abs() + 1);
    flat_record(&partition(0), offset, offset, Change::Write { n: 5 }, lsn)
}

fn with(offset: i64, key: Option<&'static [u8]>, value: Option<&'static [u8]>) -> Record {
    let good = good(offset);
    Record {
        key: key.map(Bytes::from_static).or(good.key.clone()),
        value: value.map(Bytes::from_static).or(good.value.clone()),
        ..good
    }
}

fn with_header(offset: i64, value: &'static [u8]) -> Record {
    let headers = Box::new([("h".into(), Some(Bytes::from_static(value)))]);
    let good = good(offset);
    let meta = connect::kafka::consumer::RecordMeta { headers, ..good.meta };
    Record { meta, ..good }
}

/// What is wrong, and at which stage Kafka Connect would say so.
fn poisons() -> Vec<(&'static str, &'static [Pair], Record)> {
    vec![
        ("KEY_CONVERTER", &[], with(1, Some(b"no frame"), None)),
        ("KEY_CONVERTER", &[], with(1, Some(&[0, 0, 0, 0, 1]), None)),
        // The registry has no such id.
        ("KEY_CONVERTER", &[], with(1, Some(&[0, 0, 0, 1, 0, 2]), None)),
        ("VALUE_CONVERTER", &[], with(1, None, Some(b"no frame"))),
        ("VALUE_CONVERTER", &[], with(1, None, Some(&[0, 0, 0, 0, 3, 2]))),
        ("VALUE_CONVERTER", &[], with(1, None, Some(&[0, 0, 0, 1, 0, 2]))),
        ("KEY_CONVERTER", &CAST, with(1, Some(b"no frame"), None)),
        ("VALUE_CONVERTER", &CAST, with(1, None, Some(&[0, 0, 0, 0, 3, 2]))),
        ("TRANSFORMATION", &CAST, good(1)),
        ("HEADER_CONVERTER", &JSON_HEADERS, with_header(1, b"{")),
    ]
}

fn all_of(extra: &[Pair], more: &[Pair]) -> Vec<Pair> {
    [extra, more].concat()
}

#[tokio::test]
async fn what_fails_by_itself_ends_the_task_unless_it_is_tolerated() {
    for (stage, settings, poison) in poisons() {
        let mut bench = Bench::start(FakeServer::start().await, settings);
        bench.feed.assigned(vec![partition(0)]).await;
        bench.deliver(vec![poison.clone()]).await;
        let error = fault::chain(&failure(bench).await);
        assert!(error.contains(&format!("{TOPIC}/0@1")) || error.contains("schema id"), "{error}");

        let settings = all_of(settings, &[ALL]);
        let mut bench = Bench::start(FakeServer::start().await, &settings);
        bench.feed.assigned(vec![partition(0)]).await;
        bench.deliver(vec![poison]).await;
        bench.until(|bench, _| bench.committed.get(&0) == Some(&2)).await;
        let expected = ToleratedStatus { skipped: 1, dead_letters: 0 };
        let expected = BTreeMap::from([(stage.to_owned(), expected)]);
        bench
            .until(|bench, _| {
                bench.told.sink_status().is_some_and(|told| told.tolerated == expected)
            })
            .await;
        bench.end().await.0.unwrap();
    }
}

#[tokio::test]
async fn the_rows_around_a_poison_record_are_written() {
    let mut bench = Bench::start(FakeServer::start().await, &[ALL]);
    bench.feed.assigned(vec![partition(0)]).await;
    let poison = with(1, None, Some(b"no frame"));
    let other = with(2, Some(b"no frame"), None);
    bench.deliver(vec![good(0), poison, other, good(3)]).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&4)).await;

    let (ended, server, _) = bench.end().await;

    ended.unwrap();
    assert_eq!(server.documents(TOPIC).into_keys().collect::<Vec<_>>(), ["0", "3"]);
}

#[tokio::test]
async fn json_that_is_none_is_a_matter_of_its_converter() {
    let settings = all_of(&JSON, &[ALL, ("errors.log.enable", "true")]);
    let mut bench = Bench::start(FakeServer::start().await, &settings);
    bench.feed.assigned(vec![partition(0)]).await;
    let row = with(2, Some(b"7"), Some(b"{\"n\": 1}"));
    bench
        .deliver(vec![
            with(0, Some(b"7"), Some(b"{\"n\": ")),
            with(1, Some(b"{"), Some(b"{}")),
            row,
        ])
        .await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&3)).await;
    bench
        .until(|bench, _| {
            let told =
                bench.told.sink_status().map(|told| told.tolerated.clone()).unwrap_or_default();
            told.keys().eq(["KEY_CONVERTER", "VALUE_CONVERTER"])
        })
        .await;

    let (ended, server, _) = bench.end().await;

    ended.unwrap();
    assert_eq!(server.documents(TOPIC)["7"], json!({"n": 1}));
}

/// A schema that makes no documents is about every record behind this one too.
#[tokio::test]
async fn what_is_about_all_records_is_never_tolerated() {
    let no_key = Record { key: None, ..good(1) };
    let server = FakeServer::start().await;
    server.fail([Fault::WrongPassword]);
    for (server, record) in [(FakeServer::start().await, no_key), (server, good(1))] {
        let mut bench = Bench::start(server, &[ALL]);
        bench.feed.assigned(vec![partition(0)]).await;
        bench.deliver(vec![record]).await;
        assert_eq!(failure(bench).await.disposition(), Disposition::Halt);
    }
}

#[tokio::test]
async fn a_registry_is_waited_for_as_long_as_the_settings_say() {
    let server = FakeServer::start().await;
    server.stop_registry();
    let settings = [ALL, ("errors.retry.timeout", "40"), ("errors.retry.delay.max.ms", "10")];
    let mut bench = Bench::start(server, &settings);
    bench.feed.assigned(vec![partition(0)]).await;
    bench.deliver(vec![good(1)]).await;

    // It says nothing about the record, so the task begins anew and nothing is passed over.
    assert_eq!(failure(bench).await.disposition(), Disposition::Retry);
}
