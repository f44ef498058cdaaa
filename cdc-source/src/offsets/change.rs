//! What somebody wants to be stored, checked as far as it can be without a server.

use connect::offsets::{ConnectorOffset, ConnectorOffsets};
use schema::fault::chain;
use schema::offset::{SourcePartition, StreamOffset, TableOffset};
use schema::table::TableId;
use serde_json::{Map, Value};

use super::{OffsetsError, SourceOffsets};

/// A valid change of one partition's offset.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    /// The stream's; none takes it away.
    Stream(Option<New<StreamOffset>>),
    /// A table's; none takes it away.
    Table(TableId, Option<New<TableOffset>>),
}

/// A new offset and its JSON as it was given, which may have fields of Debezium's that are kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct New<T> {
    pub(super) offset: T,
    pub(super) json: Vec<u8>,
}

impl SourceOffsets {
    /// The changes that a request asks for.
    pub(super) fn changes(&self, request: &ConnectorOffsets) -> Result<Vec<Change>, OffsetsError> {
        if request.offsets.is_empty() {
            return Err(OffsetsError::Empty);
        }
        let mut seen = Vec::new();
        let mut changes = Vec::new();
        for entry in &request.offsets {
            if seen.contains(&&entry.partition) {
                return Err(invalid(entry, "it is given twice"));
            }
            seen.push(&entry.partition);
            changes.push(self.change(entry)?);
        }
        Ok(changes)
    }

    fn change(&self, entry: &ConnectorOffset) -> Result<Change, OffsetsError> {
        let prefix = &self.config.topic_prefix;
        let unknown = || {
            let problem = format!(
                "connector {} has {{\"server\":\"{prefix}\"}} and \
                 {{\"server\":\"{prefix}\",\"db\":…,\"table\":…}}",
                self.name
            );
            invalid(entry, problem)
        };
        let partition = Value::Object(entry.partition.clone());
        match self.partition_of(&partition).ok_or_else(unknown)? {
            SourcePartition::Stream { .. } => {
                let offset = entry.offset.as_ref().map(|offset| {
                    read(offset, StreamOffset::from_json).map_err(|problem| invalid(entry, problem))
                });
                Ok(Change::Stream(offset.transpose()?))
            }
            SourcePartition::Table { table, .. } => {
                if entry.offset.is_some() && !self.config.tables.matches(&table) {
                    let problem = "the table is not captured by the lists of the pipeline file";
                    return Err(invalid(entry, problem));
                }
                let offset = entry.offset.as_ref().map(|offset| {
                    read(offset, TableOffset::from_json).map_err(|problem| invalid(entry, problem))
                });
                Ok(Change::Table(table, offset.transpose()?))
            }
        }
    }
}

fn read<T>(
    offset: &Map<String, Value>,
    parse: impl Fn(&[u8]) -> Result<T, schema::offset::OffsetError>,
) -> Result<New<T>, String> {
    let json = serde_json::to_vec(offset).map_err(|error| error.to_string())?;
    let offset = parse(&json).map_err(|error| chain(&error))?;
    Ok(New { offset, json })
}

fn invalid(entry: &ConnectorOffset, problem: impl Into<String>) -> OffsetsError {
    let partition = Value::Object(entry.partition.clone()).to_string();
    OffsetsError::Invalid { partition, problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offsets::tests::shop;

    fn changes(json: &str) -> Result<Vec<Change>, String> {
        let request = serde_json::from_str(json).unwrap();
        shop().changes(&request).map_err(|error| error.to_string())
    }

    fn one(partition: &str, offset: &str) -> Result<Change, String> {
        let json = format!(r#"{{"offsets":[{{"partition":{partition},"offset":{offset}}}]}}"#);
        changes(&json).map(|mut changes| changes.remove(0))
    }

    const STREAM: &str = r#"{"server":"shop"}"#;
    const TABLE: &str = r#"{"server":"shop","db":"shop","table":"t"}"#;

    #[test]
    fn offsets_are_read_as_the_source_reads_them() {
        let debezium = r#"{"ts_sec":1,"file":"binlog.000001","pos":4,"transaction_id":null}"#;
        let Change::Stream(Some(new)) = one(STREAM, debezium).unwrap() else { panic!() };
        assert_eq!(new.offset.position.to_string(), "binlog.000001:4");
        assert_eq!(new.json, debezium.as_bytes());

        let table = one(TABLE, r#"{"state":"streaming","rowcast":1}"#).unwrap();
        assert!(
            matches!(table, Change::Table(table, Some(_)) if table == TableId::new("shop", "t"))
        );
        let reordered = one(r#"{"table":"t","db":"shop","server":"shop"}"#, "null").unwrap();
        assert_eq!(reordered, Change::Table(TableId::new("shop", "t"), None));
        // A table that is captured no more can still be forgotten.
        assert!(one(r#"{"server":"shop","db":"old","table":"t"}"#, "null").is_ok());
    }

    #[test]
    fn what_no_start_would_take_is_refused() {
        for (partition, offset, problem) in [
            (r#"{"zzz":"shop"}"#, "null", "connector shop has"),
            (r#"{"server":"other"}"#, "null", "connector shop has"),
            (r#"{"server":"shop","zzz":1}"#, "null", "connector shop has"),
            (r#"{"server":"shop","db":"shop"}"#, "null", "connector shop has"),
            (
                r#"{"server":"shop","db":"old","table":"t"}"#,
                r#"{"state":"streaming","rowcast":1}"#,
                "not captured",
            ),
            (STREAM, r#"{"file":"binlog.000001"}"#, "damaged offset record"),
            (STREAM, r#"{"ts_sec":1,"file":"x","pos":4}"#, "field `file`"),
            (STREAM, r#"{"ts_sec":1,"file":"b.1","pos":4,"gtids":"x"}"#, "field `gtids`"),
            (STREAM, r#"{"ts_sec":1,"file":"b.1","pos":4,"rowcast":99}"#, "of format 99"),
            (TABLE, r#"{"state":"dancing","rowcast":1}"#, "damaged offset record"),
            (TABLE, r#"{"state":"streaming","rowcast":99}"#, "of format 99"),
        ] {
            let error = one(partition, offset).unwrap_err();
            assert!(error.contains(problem), "{partition} {offset}: {error}");
        }
        let twice = format!(
            r#"{{"offsets":[{{"partition":{STREAM},"offset":null}},{{"partition":{STREAM},"offset":null}}]}}"#
        );
        assert!(changes(&twice).unwrap_err().contains("given twice"));
        assert_eq!(changes(r#"{"offsets":[]}"#).unwrap_err(), "the request has no offsets");
    }
}
