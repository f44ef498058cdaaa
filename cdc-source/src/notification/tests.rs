use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use connect::kafka::RecordLimit;
use connect::kafka::batch::{RecordBatch, TopicIndex};
use schema::registry::SchemaId;

use super::*;

fn notifier() -> Notifier {
    Notifier {
        server: "shop".to_owned(),
        log: false,
        topic: None,
        webhook: None,
        known: BTreeMap::new(),
        copied: BTreeMap::new(),
    }
}

fn offset(state: TableState) -> TableOffset {
    TableOffset::new(state)
}

fn copying(rows: u64, is_paused: bool) -> TableState {
    TableState::Snapshot(SnapshotProgress { rows, is_paused, ..SnapshotProgress::default() })
}

fn parked() -> TableState {
    TableState::Parked { reason: "it was dropped".to_owned(), remedy: None }
}

/// What is told of each of these states of one table, one after the other.
fn told(states: Vec<(TableState, Option<u64>)>) -> Vec<Vec<(&'static str, &'static str)>> {
    let mut notifier = notifier();
    let table = TableId::new("shop", "orders");
    let told_of = |(state, copied): (TableState, Option<u64>)| {
        if let Some(rows) = copied {
            notifier.copied(&table, &SnapshotProgress { rows, ..SnapshotProgress::default() });
        }
        let mut told = Vec::new();
        notifier.compare(&table, &offset(state), &mut told);
        notifier.copied.clear();
        told.into_iter().map(|(aggregate, kind, _)| (aggregate, kind)).collect()
    };
    states.into_iter().map(told_of).collect()
}

#[test]
fn a_copy_is_told_of_from_its_start_to_its_end() {
    let initial = |kind| vec![("Initial Snapshot", kind)];

    assert_eq!(
        told(vec![
            (copying(0, false), None),
            (copying(5, false), None),
            (copying(5, true), None),
            (copying(5, true), None),
            (copying(5, false), None),
            (TableState::Streaming, Some(9)),
            (TableState::Streaming, None),
        ]),
        [
            initial("STARTED"),
            vec![],
            initial("PAUSED"),
            vec![],
            initial("RESUMED"),
            initial("TABLE_SCAN_COMPLETED"),
            vec![],
        ]
    );
    let again = TableState::Snapshot(SnapshotProgress::again(schema::lsn::Lsn::new(7)));
    assert_eq!(
        told(vec![(TableState::Streaming, None), (again, None), (TableState::Streaming, None)]),
        [
            vec![],
            vec![("Incremental Snapshot", "STARTED")],
            vec![("Incremental Snapshot", "ABORTED")]
        ]
    );
}

#[test]
fn a_copy_that_is_done_at_once_is_told_of_as_a_whole() {
    let whole = vec![("Initial Snapshot", "STARTED"), ("Initial Snapshot", "TABLE_SCAN_COMPLETED")];
    assert_eq!(told(vec![(TableState::Streaming, Some(2))]).concat(), whole);

    let resumed = [vec![("Table", "RESUMED")], whole].concat();
    let parked_first = vec![(parked(), None), (TableState::Streaming, Some(2))];
    assert_eq!(told(parked_first)[1], resumed);
}

#[test]
fn a_parked_table_is_told_of_once_and_when_it_is_resumed() {
    assert_eq!(
        told(vec![
            (copying(0, false), None),
            (parked(), None),
            (parked(), None),
            (copying(0, false), None),
        ]),
        [
            vec![("Initial Snapshot", "STARTED")],
            vec![("Initial Snapshot", "ABORTED"), ("Table", "PARKED")],
            vec![],
            vec![("Table", "RESUMED"), ("Initial Snapshot", "STARTED")],
        ]
    );
}

fn decode(schema: &Schema, bytes: &mut &[u8]) -> Value {
    GenericDatumReader::builder(schema).build().unwrap().read_value(bytes).unwrap()
}

#[test]
fn a_record_is_what_its_schema_says() {
    let topic = SideTopic {
        topic: TopicIndex::FIRST,
        partitions: 1,
        limit: RecordLimit::default(),
        ids: (SchemaId(3), SchemaId(4)),
    };
    let notification = Notification {
        id: "1-2".to_owned(),
        aggregate_type: "Table",
        kind: "PARKED",
        additional_data: BTreeMap::from([("reason", "gone".to_owned()), ("x", "y".to_owned())]),
        timestamp: 1_795_227_106_514,
    };
    let mut batch = RecordBatch::default();

    append(&topic, &notification, &mut batch);

    let bytes = batch.buffer().clone();
    let schema = Schema::parse_str(VALUE_SCHEMA).unwrap();
    let key = Schema::parse_str(KEY_SCHEMA).unwrap();
    // A frame of five bytes, the length of the text, and the text.
    let mut key_bytes = &bytes[5..9];
    let read = decode(&key, &mut key_bytes);
    assert_eq!(read, Value::Record(vec![("id".into(), Value::String("1-2".into()))]));
    let mut rest = &bytes[14..];
    let Value::Record(fields) = decode(&schema, &mut rest) else {
        panic!("it is a record");
    };
    assert!(rest.is_empty());
    let texts: Vec<_> = fields.iter().map(|(name, value)| format!("{name} {value:?}")).collect();
    assert!(texts[1].contains("PARKED") && texts[2].contains("Table"), "{texts:?}");
    assert!(texts[3].contains("gone") && texts[3].contains('y'), "{texts:?}");
    assert_eq!(fields[4].1, Value::Long(1_795_227_106_514));
}
