//! Records that go through transforms.

use bytes::Bytes;
use connect::kafka::consumer::RecordMeta;
use schema::fault;

use super::*;
use crate::testing::{dated_record, pair_record};

const CONNECT: &str = "org.apache.kafka.connect.transforms.";

/// Classes of transforms with their settings.
type Steps<'a> = &'a [(&'a str, &'a [(&'a str, &'a str)])];

/// The settings of transforms `t0`, `t1` and so on.
fn chain(steps: Steps<'_>) -> Vec<(String, String)> {
    let names: Vec<_> = (0..steps.len()).map(|number| format!("t{number}")).collect();
    let mut settings = vec![("transforms".to_owned(), names.join(","))];
    for (name, (class, options)) in names.iter().zip(steps) {
        settings.push((format!("transforms.{name}.type"), format!("{CONNECT}{class}")));
        for (key, value) in *options {
            settings.push((format!("transforms.{name}.{key}"), (*value).to_owned()));
        }
    }
    settings
}

fn start(server: FakeServer, settings: &[(String, String)]) -> Bench {
    let settings: Vec<_> = settings.iter().map(|(k, v)| (&**k, &**v)).collect();
    Bench::start(server, &settings)
}

async fn after(settings: &[(String, String)], records: Vec<Record>) -> FakeServer {
    let mut bench = start(FakeServer::start().await, settings);
    let next = records.last().unwrap().offset.0 + 1;
    bench.feed.assigned(vec![partition(0)]).await;
    bench.deliver(records).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&next)).await;
    let (ended, server, _) = bench.end().await;
    ended.unwrap();
    server
}

fn flat(offset: i64, id: i64, change: Change) -> Record {
    flat_record(&partition(0), offset, id, change, Some(offset.unsigned_abs() + 1))
}

/// What changes nothing and looks at the data, and so takes the generic path to the same documents.
const NOTHING: (&str, &[(&str, &str)]) =
    ("Cast$Value", &[("spec", "nothing:string"), ("replace.null.with.default", "false")]);

#[tokio::test]
async fn documents_are_the_same_by_the_generic_path_and_by_plans() {
    let p = partition(0);
    let records = || {
        vec![
            record(&p, 0, 1, Change::Write { n: 5 }, Some(1)),
            record(&p, 1, 2, Change::Write { n: i64::MAX }, Some(2)),
            record(&p, 2, 2, Change::Delete, Some(3)),
            record(&p, 3, 3, Change::Write { n: i64::MIN }, Some(4)),
            flat_record(&p, 4, 4, Change::Write { n: 7 }, Some(5)),
            flat_record(&p, 5, 3, Change::Delete, Some(6)),
            text_record(&p, 6, (6, 30)),
            pair_record(&p, 7, ("a", "b:c")),
            dated_record(&p, 8, (9, 19_000), Some(Some("2024-02-29T08:00:00Z"))),
            dated_record(&p, 9, (10, 19_001), Some(None)),
        ]
    };

    let plans = after(&[], records()).await;
    let generic = after(&chain(&[NOTHING]), records()).await;

    assert_eq!(generic.documents(TOPIC), plans.documents(TOPIC));
    assert_eq!(generic.mapping(TOPIC), plans.mapping(TOPIC));
    for id in generic.documents(TOPIC).keys() {
        assert_eq!(generic.version(TOPIC, id), plans.version(TOPIC, id), "{id}");
    }
}

#[tokio::test]
async fn fields_are_what_transforms_make_of_them() {
    let settings = chain(&[
        ("ReplaceField$Value", &[("renames", "n:number"), ("exclude", "__deleted")]),
        ("Cast$Value", &[("spec", "number:string")]),
        ("InsertField$Value", &[("offset.field", "at"), ("topic.field", "from")]),
    ]);

    let server = after(&settings, vec![flat(4, 7, Change::Write { n: 5 })]).await;

    let expected = json!({"id": 7, "number": "5", "at": 4, "from": TOPIC});
    assert_eq!(server.documents(TOPIC)["7"], expected);
    assert_eq!(server.mapping(TOPIC)["properties"]["at"], json!({"type": "long"}));
}

#[tokio::test]
async fn a_row_that_is_taken_out_of_its_envelope_keeps_its_version() {
    let settings = chain(&[("ExtractField$Value", &[("field", "after")])]);
    let p = partition(0);
    let records = vec![
        record(&p, 0, 7, Change::Write { n: 5 }, Some(900)),
        record(&p, 1, 8, Change::Write { n: 6 }, Some(901)),
        // Without a row after the change there is none.
        record(&p, 2, 8, Change::Delete, Some(902)),
    ];

    let server = after(&settings, records).await;

    assert_eq!(server.documents(TOPIC).keys().collect::<Vec<_>>(), ["7"]);
    assert_eq!(server.version(TOPIC, "7"), Some(900));
}

#[tokio::test]
async fn a_topic_is_another_index() {
    let router = ("RegexRouter", &[("regex", r".*\.(.*)"), ("replacement", "to-$1")][..]);
    let server = after(&chain(&[router]), vec![flat(0, 7, Change::Write { n: 5 })]).await;

    assert_eq!(server.documents("to-orders").keys().collect::<Vec<_>>(), ["7"]);

    let mut dated = flat(0, 7, Change::Write { n: 5 });
    dated.meta = RecordMeta { timestamp: Some(1_700_000_000_123), ..RecordMeta::default() };
    let server = after(&chain(&[("TimestampRouter", &[])]), vec![dated]).await;

    let index = format!("{TOPIC}-20231114");
    assert_eq!(server.documents(&index).keys().collect::<Vec<_>>(), ["7"]);
}

#[tokio::test]
async fn what_a_filter_drops_is_done_with() {
    let mut settings = chain(&[("Filter", &[("predicate", "p")])]);
    for (key, value) in
        [("predicates", "p"), ("predicates.p.type", "HasHeaderKey"), ("predicates.p.name", "skip")]
    {
        settings.push((key.to_owned(), value.to_owned()));
    }
    let mut skipped = flat(1, 8, Change::Write { n: 6 });
    let headers = Box::new([("skip".into(), Some(Bytes::from_static(b"1")))]);
    skipped.meta = RecordMeta { headers, ..RecordMeta::default() };
    let records = vec![flat(0, 7, Change::Write { n: 5 }), skipped];

    let server = after(&settings, records).await;

    assert_eq!(server.documents(TOPIC).keys().collect::<Vec<_>>(), ["7"]);
}

#[tokio::test]
async fn json_goes_through_with_and_without_its_schema() {
    let settings = |schemas: &str| {
        let mut settings = chain(&[
            ("MaskField$Value", &[("fields", "name")]),
            ("ExtractField$Key", &[("field", "id")]),
        ]);
        for (key, value) in [
            ("key.converter", "json"),
            ("value.converter", "json"),
            ("key.converter.schemas.enable", schemas),
            ("value.converter.schemas.enable", schemas),
        ] {
            settings.push((key.to_owned(), value.to_owned()));
        }
        settings
    };
    let record = |key: &Value, value: &Value| Record {
        key: Some(key.to_string().into()),
        value: Some(value.to_string().into()),
        ..flat(0, 0, Change::Delete)
    };
    let field = |name: &str, kind: &str| json!({"field": name, "type": kind, "optional": false});
    let of = |fields: Value, payload: Value| json!({"schema": {"type": "struct", "fields": fields}, "payload": payload});

    let free = record(&json!({"id": 7}), &json!({"id": 7, "name": "x", "z": [1.5]}));
    let server = after(&settings("false"), vec![free]).await;
    assert_eq!(server.documents(TOPIC)["7"], json!({"id": 7, "name": "", "z": [1.5]}));

    let key = of(json!([field("id", "int64")]), json!({"id": 7}));
    let fields = json!([field("id", "int64"), field("name", "string")]);
    let typed = record(&key, &of(fields, json!({"id": 7, "name": "x"})));
    let server = after(&settings("true"), vec![typed]).await;
    assert_eq!(server.documents(TOPIC)["7"], json!({"id": 7, "name": ""}));
}

#[tokio::test]
async fn a_record_that_a_transform_refuses_is_named_and_shows_no_value() {
    let settings = chain(&[("Cast$Value", &[("spec", "__deleted:int8")])]);
    let mut bench = start(FakeServer::start().await, &settings);
    bench.feed.assigned(vec![partition(0)]).await;
    bench.deliver(vec![flat(3, 7, Change::Write { n: 5 })]).await;

    let error = failure(bench).await;

    assert_eq!(error.disposition(), Disposition::DeadLetter);
    let text = fault::chain(&error);
    let expected = "transform `t0` (org.apache.kafka.connect.transforms.Cast$Value)";
    assert!(text.contains(expected) && text.contains(&format!("{TOPIC}/0@3")), "{text}");
    assert!(!text.contains("(false)"), "{text}");
    assert!(error.hint().unwrap().contains("`transforms.t0.*`"));
}
