//! Records of Debezium's schema history.

use schema::fuzzing::Target;
use schema::offset::StreamOffset;
use schema::table::TableId;

use super::History;
use crate::tables::NameCase;

/// Records, one a line.
pub const HISTORY: Target = Target { name: "history", run, seeds, heap_per_byte: 1024 };

fn run(data: &[u8]) {
    let offset = br#"{"file":"binlog.000002","pos":4,"ts_sec":1}"#;
    let Ok(offset) = StreamOffset::from_json(offset) else { return };
    let names = ["copied", "written", "two_keys", "without_key"];
    let tables = names.map(|name| TableId::new("history", name));
    let mut history = History::new(offset, tables.into_iter(), NameCase::Kept);
    for record in data.split(|byte| *byte == b'\n') {
        history.take(record);
    }
    assert_eq!(history.found.len(), names.len(), "only what was asked for is kept");
    for (table, structure) in &history.found {
        let Ok(structure) = structure else { continue };
        let schema = &structure.schema;
        assert_eq!(schema.id, *table);
        assert!(!schema.columns.is_empty() && schema.columns.len() <= data.len());
        assert_eq!(structure.texts.len(), schema.columns.len());
        assert_eq!(structure.charsets.len(), schema.columns.len());
        assert!(schema.key.iter().all(|place| *place < schema.columns.len()));
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let recorded = include_str!("recorded.jsonl");
    let mut seeds: Vec<_> = recorded.lines().map(|line| line.as_bytes().to_vec()).collect();
    seeds.push(recorded.as_bytes().to_vec());
    seeds
}
