//! Where a connector stands, in Kafka Connect's JSON: one logical partition for the stream and
//! one for each captured table.

mod counts;
mod debezium;
mod error;
mod prepared;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::gtid::GtidSet;
use crate::lsn::Lsn;
use crate::position::BinlogPosition;
use crate::table::TableId;

pub use counts::TransactionCounts;
pub use debezium::DebeziumCopies;
pub use error::OffsetError;
pub use prepared::PreparedXa;
use prepared::RawPreparedXa;

/// The newest format of what we add to Debezium's offset. A record with a higher one was written
/// by a newer rowcast and is refused. Each record is written in the oldest format that can say
/// what it says, so that an older rowcast can take over whenever that is safe.
///
/// 1: positions, Lsn, states, progress of a first copy. 2: what else a copy has to remember (the
/// definition of its key, a sweep at its end, a condition, a pause), and prepared XA transactions.
/// 3: lists of the stream's offset as texts (ADR 0084).
pub const FORMAT_VERSION: u32 = 3;

/// The oldest format.
const FIRST_FORMAT: u32 = 1;

/// The format of all that a copy has to remember.
const COPY_FORMAT: u32 = 2;

/// The logical partition of an offset.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourcePartition {
    /// The binlog stream: Debezium's own partition, `{"server": "<topic.prefix>"}`.
    Stream {
        /// `topic.prefix` of the connector.
        server: String,
    },
    /// One captured table.
    Table {
        /// `topic.prefix` of the connector.
        server: String,
        /// The table.
        table: TableId,
    },
}

#[derive(Serialize, Deserialize)]
struct RawPartition {
    server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    db: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table: Option<String>,
}

impl SourcePartition {
    /// The key of its record in Connect's offsets topic: `["<connector>",{…}]`.
    #[must_use]
    pub fn key(&self, connector: &str) -> Vec<u8> {
        let raw = match self {
            Self::Stream { server } => {
                RawPartition { server: server.clone(), db: None, table: None }
            }
            Self::Table { server, table } => RawPartition {
                server: server.clone(),
                db: Some(table.database.clone()),
                table: Some(table.name.clone()),
            },
        };
        to_json(&(connector, raw))
    }

    /// Reads the key of a record: the connector and, if it is one of ours, the partition.
    #[must_use]
    pub fn parse_key(key: &[u8]) -> Option<(String, Self)> {
        let (connector, raw): (String, RawPartition) = serde_json::from_slice(key).ok()?;
        let partition = match (raw.db, raw.table) {
            (None, None) => Self::Stream { server: raw.server },
            (Some(database), Some(name)) => {
                Self::Table { server: raw.server, table: TableId { database, name } }
            }
            (None, Some(_)) | (Some(_), None) => return None,
        };
        Some((connector, partition))
    }
}

/// The restart point of the stream.
///
/// The first seven fields are Debezium's, so that either can take over from the other. `position`
/// is where the open transaction begins (or where the next one will), `gtids` what was executed
/// *before* it, and `event` and `row` are what to skip after its begin.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamOffset {
    /// Where the transaction begins of which `event` events and `row` rows are done.
    pub position: BinlogPosition,
    /// The set executed before it; `None` on servers without GTIDs.
    pub gtids: Option<GtidSet>,
    /// Events to skip from the transaction's `BEGIN` on, of whatever kind.
    pub event: u64,
    /// Rows to skip after those events.
    pub row: u64,
    /// `server_id` of the last event, 0 before the first.
    pub server_id: u32,
    /// Time of the last event, seconds since 1970.
    pub ts_sec: i64,
    /// The server whose binlog `position` is about; unknown in an offset that Debezium wrote.
    pub server_uuid: Option<Uuid>,
    /// When the file of `position` was begun, seconds since 1970, as the file itself says: a log of the
    /// same name that was begun at another time is another one.
    pub file_created: Option<u32>,
    /// The last number given out; unknown in an offset that Debezium wrote.
    pub lsn: Option<Lsn>,
    /// XA transactions that are prepared and whose outcome was not read yet, oldest first.
    pub prepared: Vec<PreparedXa>,
    /// The rows of the open transaction that are done, table by table: another server may group
    /// them into other events, but has those of each table in the same order. Unknown in an offset
    /// that Debezium wrote.
    pub done: Option<Vec<TableRows>>,
    /// The events of the open transaction, if its beginning is a record too.
    pub transaction: Option<TransactionCounts>,
}

/// Rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRows {
    /// The table's database.
    pub db: String,
    /// Its name.
    pub table: String,
    /// How many.
    pub rows: u64,
}

#[derive(Serialize, Deserialize)]
struct RawStreamOffset {
    ts_sec: i64,
    file: String,
    pos: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gtids: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    row: u64,
    #[serde(default)]
    server_id: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    event: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server_uuid: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_created: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lsn: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "as_text")]
    prepared: Vec<RawPreparedXa>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "as_text")]
    done: Option<Vec<TableRows>>,
    #[serde(default, rename = "rowcast", skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    /// Debezium's counts of the open transaction, each a field of its own.
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// Lists as texts: Kafka Connect takes only plain values in an offset, and passes over one that has
/// others, as if nothing were stored. Older records have them as lists.
mod as_text {
    use serde::de::{DeserializeOwned, Error as _};
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        list: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(list).map_err(S::Error::custom)?)
    }

    pub(super) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let read = match Value::deserialize(deserializer)? {
            Value::String(text) => serde_json::from_str(&text),
            list @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_)) => serde_json::from_value(list),
        };
        read.map_err(D::Error::custom)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl StreamOffset {
    /// The value of its record.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Between transactions there is nothing to say.
        let done = self.done.clone().filter(|done| self.is_inside() || !done.is_empty());
        let has_texts = done.is_some() || !self.prepared.is_empty();
        to_json(&RawStreamOffset {
            ts_sec: self.ts_sec,
            file: self.position.file().to_owned(),
            pos: self.position.offset(),
            gtids: self.gtids.as_ref().map(ToString::to_string),
            row: self.row,
            server_id: self.server_id,
            event: self.event,
            server_uuid: self.server_uuid,
            file_created: self.file_created,
            lsn: self.lsn.map(Lsn::value),
            prepared: self.prepared.iter().map(PreparedXa::to_raw).collect(),
            done,
            version: Some(if has_texts { FORMAT_VERSION } else { FIRST_FORMAT }),
            others: self.transaction.as_ref().map(TransactionCounts::to_raw).unwrap_or_default(),
        })
    }

    /// Whether events or rows of a transaction are to be skipped.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        (self.event, self.row) != (0, 0)
    }

    /// Reads the value of a record, ours or Debezium's.
    ///
    /// # Errors
    ///
    /// Returns [`OffsetError`] when it is damaged or from a newer version.
    pub fn from_json(json: &[u8]) -> Result<Self, OffsetError> {
        let raw: RawStreamOffset = parse(json)?;
        check_version(raw.version)?;
        let damaged = |what| OffsetError::Damaged { what };
        // Empty is not the same as none: it is a server with GTIDs that has executed nothing yet.
        let gtids = raw.gtids;
        Ok(Self {
            position: BinlogPosition::new(&raw.file, raw.pos).map_err(|_| damaged("file"))?,
            gtids: gtids.map(|text| text.parse().map_err(|_| damaged("gtids"))).transpose()?,
            event: raw.event,
            row: raw.row,
            server_id: raw.server_id,
            ts_sec: raw.ts_sec,
            server_uuid: raw.server_uuid,
            file_created: raw.file_created,
            lsn: raw.lsn.map(|lsn| Lsn::new(lsn).ok_or(damaged("lsn"))).transpose()?,
            prepared: raw
                .prepared
                .into_iter()
                .map(PreparedXa::from_raw)
                .collect::<Result<_, _>>()?,
            done: raw.done,
            transaction: TransactionCounts::from_raw(&raw.others),
        })
    }
}

/// How far one captured table is.
#[derive(Debug, Clone, PartialEq)]
pub struct TableOffset {
    /// Where its last emitted change was; `None` before the first.
    pub position: Option<BinlogPosition>,
    /// The number of its last emitted change.
    pub lsn: Option<Lsn>,
    /// What happens to it now.
    pub state: TableState,
    /// Rows were named by a definition that was read when the log ended here, and the stream had not
    /// come so far: a change of the definition before may have been overlooked.
    pub names_until: Option<BinlogPosition>,
    /// Up to here the table is what Debezium's schema history says: the stream was taken over from
    /// Debezium, and the table's definition was changed first here.
    pub history_until: Option<BinlogPosition>,
}

/// What happens to a captured table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TableState {
    /// Its rows are being copied, beside the stream.
    Snapshot(SnapshotProgress),
    /// Its rows are copied; changes follow.
    Streaming,
    /// It cannot go on, and nothing of it is emitted any more.
    Parked {
        /// Why.
        reason: String,
        /// What to do, if it is more than to resume the table.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remedy: Option<String>,
    },
}

/// How far the copy of a table is: every row up to and with `last_key` has been emitted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SnapshotProgress {
    /// The key of the last row of the last finished chunk, one literal for each key column;
    /// `None` before the first chunk is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_key: Option<Vec<KeyLiteral>>,
    /// Rows emitted so far.
    #[serde(default)]
    pub rows: u64,
    /// Chunks finished so far.
    #[serde(default)]
    pub chunks: u64,
    /// How `last_key` is ordered: one text for each key column, with all that its order depends
    /// on. Empty before the first chunk is done, and in format 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// The copy takes the place of older rows: those written below this number, and not since, are
    /// swept when it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Lsn>,
    /// Only rows for which this SQL expression is true are copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Whether the copy waits until it is told to go on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_paused: bool,
}

impl SnapshotProgress {
    /// A copy from the beginning that takes the place of all rows written below `sweep`.
    #[must_use]
    pub fn again(sweep: Option<Lsn>) -> Self {
        Self { sweep, ..Self::default() }
    }

    /// A copy from the beginning of the same rows, because what was copied of them does not count.
    #[must_use]
    pub fn restarted(&self, sweep: Option<Lsn>) -> Self {
        Self { sweep, filter: self.filter.clone(), is_paused: self.is_paused, ..Self::default() }
    }
}

impl TableState {
    /// The oldest format that has room for it.
    fn format(&self) -> u32 {
        match self {
            Self::Snapshot(progress) => {
                let SnapshotProgress { key, sweep, filter, is_paused, .. } = progress;
                let is_first = key.is_empty() && sweep.is_none() && filter.is_none() && !is_paused;
                if is_first { FIRST_FORMAT } else { COPY_FORMAT }
            }
            Self::Streaming | Self::Parked { .. } => FIRST_FORMAT,
        }
    }
}

/// One value of a key as a chunk's bound: exact, and independent of how it is displayed.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyLiteral {
    /// A signed integer.
    Signed(i64),
    /// An unsigned integer.
    Unsigned(u64),
    /// Characters, and everything that MySQL compares as its text: decimals and dates.
    Text(String),
    /// Bytes, in hexadecimal; also those of text in another character set than utf8mb4.
    Binary(String),
}

impl fmt::Debug for KeyLiteral {
    /// A key is a row's value: it is never printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyLiteral(..)")
    }
}

#[derive(Serialize, Deserialize)]
struct RawTableOffset {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pos: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lsn: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    names_until: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    history_until: Option<String>,
    #[serde(flatten)]
    state: TableState,
    rowcast: u32,
}

impl TableOffset {
    /// A table of which nothing was done yet.
    #[must_use]
    pub fn new(state: TableState) -> Self {
        Self { position: None, lsn: None, state, names_until: None, history_until: None }
    }

    /// The value of its record.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        to_json(&RawTableOffset {
            file: self.position.as_ref().map(|position| position.file().to_owned()),
            pos: self.position.as_ref().map(BinlogPosition::offset),
            lsn: self.lsn.map(Lsn::value),
            names_until: self.names_until.as_ref().map(ToString::to_string),
            // An older one that forgets it parks the table, as it would have without.
            history_until: self.history_until.as_ref().map(ToString::to_string),
            state: self.state.clone(),
            // An older one would forget it and overlook what it is about.
            rowcast: match self.names_until {
                Some(_) => COPY_FORMAT,
                None => self.state.format(),
            },
        })
    }

    /// Reads the value of a record.
    ///
    /// # Errors
    ///
    /// Returns [`OffsetError`] when it is damaged or from a newer version.
    pub fn from_json(json: &[u8]) -> Result<Self, OffsetError> {
        let version = serde_json::from_slice::<Value>(json).ok();
        let version = version.as_ref().and_then(|v| v.get("rowcast")).and_then(Value::as_u64);
        check_version(version.and_then(|v| u32::try_from(v).ok()))?;
        let raw: RawTableOffset = parse(json)?;
        let damaged = |what| OffsetError::Damaged { what };
        let position = match (raw.file, raw.pos) {
            (Some(file), Some(pos)) => {
                Some(BinlogPosition::new(&file, pos).map_err(|_| damaged("file"))?)
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(damaged("pos")),
        };
        let lsn = raw.lsn.map(|lsn| Lsn::new(lsn).ok_or(damaged("lsn"))).transpose()?;
        let place = |text: Option<String>, name| {
            text.map(|text| text.parse()).transpose().map_err(|_| damaged(name))
        };
        let names_until = place(raw.names_until, "names_until")?;
        let history_until = place(raw.history_until, "history_until")?;
        Ok(Self { position, lsn, state: raw.state, names_until, history_until })
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, OffsetError> {
    serde_json::from_slice(json).map_err(OffsetError::Json)
}

fn check_version(version: Option<u32>) -> Result<(), OffsetError> {
    match version {
        Some(found) if found > FORMAT_VERSION => Err(OffsetError::Newer { found }),
        Some(_) | None => Ok(()),
    }
}

/// Plain structs of text and numbers always have a JSON form.
fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debezium_offset_is_read_as_it_is() {
        // From the golden recording of Connect's offsets topic.
        let json = br#"{"ts_sec":1795227115,"file":"binlog.000001","pos":42986,"gtids":"7b40b903-e54c-11f1-9537-02fc00000001:1-80","row":1,"server_id":1,"event":2}"#;

        let offset = StreamOffset::from_json(json).unwrap();

        assert_eq!(offset.position.to_string(), "binlog.000001:42986");
        assert_eq!((offset.event, offset.row, offset.server_id), (2, 1, 1));
        assert_eq!(offset.lsn, None);
    }

    #[test]
    fn a_server_that_has_executed_nothing_keeps_its_empty_set() {
        let json = br#"{"ts_sec":0,"file":"binlog.000001","pos":4,"gtids":""}"#;

        let offset = StreamOffset::from_json(json).unwrap();

        assert_eq!(offset.gtids, Some(GtidSet::default()));
        assert_eq!(StreamOffset::from_json(&offset.to_json()).unwrap(), offset);
    }

    #[test]
    fn keys_are_debeziums_for_the_stream_and_ours_for_tables() {
        let stream = SourcePartition::Stream { server: "srv1".to_owned() };
        let table =
            SourcePartition::Table { server: "srv1".to_owned(), table: TableId::new("a", "b") };

        assert_eq!(stream.key("srv1"), br#"["srv1",{"server":"srv1"}]"#);
        assert_eq!(table.key("c"), br#"["c",{"server":"srv1","db":"a","table":"b"}]"#);
        for partition in [stream, table] {
            let key = partition.key("c");
            assert_eq!(SourcePartition::parse_key(&key), Some(("c".to_owned(), partition)));
        }
        assert_eq!(SourcePartition::parse_key(br#"["srv1",{"zzz":"srv1"}]"#), None);
    }

    #[test]
    fn table_offsets_come_back_as_they_were() {
        let progress = SnapshotProgress {
            last_key: Some(vec![KeyLiteral::Signed(-7), KeyLiteral::Text("가".to_owned())]),
            rows: 12,
            chunks: 3,
            ..SnapshotProgress::default()
        };
        let again = SnapshotProgress {
            key: vec!["id int".to_owned()],
            sweep: Lsn::new(99),
            filter: Some("id > 3".to_owned()),
            is_paused: true,
            ..progress.clone()
        };
        for state in [
            TableState::Snapshot(progress),
            TableState::Snapshot(again),
            TableState::Streaming,
            TableState::Parked { reason: "r".to_owned(), remedy: Some("do".to_owned()) },
        ] {
            let offset = TableOffset {
                position: Some("binlog.000002:9".parse().unwrap()),
                lsn: Lsn::new(5),
                names_until: (state != TableState::Streaming)
                    .then(|| "binlog.000003:4".parse().unwrap()),
                history_until: (state == TableState::Streaming)
                    .then(|| "binlog.000003:9".parse().unwrap()),
                state,
            };
            assert_eq!(TableOffset::from_json(&offset.to_json()).unwrap(), offset);
        }
    }

    /// An older rowcast would forget the sweep, so it must not read it; without one it may.
    #[test]
    fn a_table_offset_has_the_oldest_format_that_will_do() {
        let format = |state| {
            let json = TableOffset::new(state).to_json();
            serde_json::from_slice::<Value>(&json).unwrap()["rowcast"].as_u64().unwrap()
        };
        let progress = SnapshotProgress { rows: 5, chunks: 1, ..SnapshotProgress::default() };

        assert_eq!(format(TableState::Streaming), 1);
        assert_eq!(format(TableState::Snapshot(progress)), 1);
        assert_eq!(format(TableState::Snapshot(SnapshotProgress::again(Lsn::new(7)))), 2);
    }

    #[test]
    fn stream_offsets_come_back_as_they_were_and_newer_ones_are_refused() {
        let offset = StreamOffset {
            position: "binlog.000002:9".parse().unwrap(),
            gtids: Some("7b40b903-e54c-11f1-9537-02fc00000001:1-80".parse().unwrap()),
            event: 3,
            row: 1,
            server_id: 7,
            ts_sec: 12,
            server_uuid: Some(Uuid::nil()),
            file_created: Some(1_795_227_106),
            lsn: Lsn::new(77),
            prepared: Vec::new(),
            done: None,
            transaction: None,
        };
        assert_eq!(StreamOffset::from_json(&offset.to_json()).unwrap(), offset);
        let (db, table) = ("shop".to_owned(), "orders".to_owned());
        let done = Some(vec![TableRows { db, table, rows: 4 }]);
        let inside = StreamOffset { done, ..offset.clone() };
        assert_eq!(StreamOffset::from_json(&inside.to_json()).unwrap(), inside);
        assert!(inside.to_json().ends_with(br#""rowcast":3}"#));
        let prepared = PreparedXa {
            xid: "X'61',X'',1".to_owned(),
            position: "binlog.000001:77".parse().unwrap(),
            gtid: Some("7b40b903-e54c-11f1-9537-02fc00000001:79".parse().unwrap()),
            server_uuid: Uuid::nil(),
        };
        let tables = vec![("shop.a.b".to_owned(), 2), ("shop.orders".to_owned(), 40)];
        let counted = TransactionCounts { id: "file=binlog.000001,pos=4".to_owned(), tables };
        let counted = StreamOffset { transaction: Some(counted), ..inside };
        assert_eq!(StreamOffset::from_json(&counted.to_json()).unwrap(), counted);
        let pending = StreamOffset { prepared: vec![prepared], ..offset.clone() };
        assert_eq!(StreamOffset::from_json(&pending.to_json()).unwrap(), pending);
        assert!(pending.to_json().ends_with(br#""rowcast":3}"#));

        let newer = String::from_utf8(offset.to_json())
            .unwrap()
            .replace(r#""rowcast":1"#, r#""rowcast":4"#);
        assert!(matches!(
            StreamOffset::from_json(newer.as_bytes()),
            Err(OffsetError::Newer { found: 4 })
        ));
        assert!(StreamOffset::from_json(b"{").is_err());
    }

    /// Kafka Connect passes over an offset with other values, and Debezium begins anew.
    #[test]
    fn the_streams_offset_has_plain_values_and_older_lists_are_read() {
        let old = br#"{"ts_sec":1,"file":"b.000001","pos":4,"event":2,"row":1,"server_id":1,
            "prepared":[{"xid":"X'61',X'',1","file":"b.000001","pos":77,
                "server_uuid":"7b40b903-e54c-11f1-9537-02fc00000001"}],
            "done":[{"db":"shop","table":"t","rows":4}],"rowcast":2}"#;

        let offset = StreamOffset::from_json(old).unwrap();

        assert_eq!((offset.prepared.len(), offset.done.as_ref().map(Vec::len)), (1, Some(1)));
        let json: BTreeMap<String, Value> = serde_json::from_slice(&offset.to_json()).unwrap();
        assert!(json.values().all(|value| !value.is_array() && !value.is_object()), "{json:?}");
        assert_eq!(StreamOffset::from_json(&offset.to_json()).unwrap(), offset);
        for damaged in [r#""prepared":"[""#, r#""done":"{}""#, r#""done":7"#] {
            let json = format!(r#"{{"ts_sec":1,"file":"b.000001","pos":4,{damaged}}}"#);
            assert!(StreamOffset::from_json(json.as_bytes()).is_err(), "{json}");
        }
    }
}
