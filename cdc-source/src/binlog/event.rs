//! The bodies of events, parsed without copying rows.

use mysql_common::binlog::events::{Event, GtidEvent};
use schema::gtid::{Gtid, GtidSource};
use uuid::Uuid;

use super::reader::{Reader, bits};
use super::table_map::EncodedTableMap;

/// What an event says.
#[derive(Debug)]
pub(crate) enum BinlogEvent<'a> {
    /// The log goes on in another file.
    Rotate,
    /// A transaction begins; without GTIDs it has no name.
    Gtid { gtid: Option<Gtid>, committed_us: u64 },
    /// A statement: `BEGIN`, DDL, or DML in statement format.
    Query(Query<'a>),
    /// A transaction of a transactional engine ends.
    Xid,
    /// What the rows that follow look like.
    TableMap(EncodedTableMap<'a>),
    /// Row changes.
    Rows(RowsEvent<'a>),
    /// Nothing new; the server is here.
    Heartbeat,
    /// A compressed transaction.
    TransactionPayload,
    /// A prepared XA transaction.
    XaPrepare,
    /// The server reports a gap in its log.
    Incident,
    /// Rows of which some columns are stored as differences.
    PartialRows,
    /// Nothing that concerns rows.
    Other,
}

/// A statement in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'a> {
    pub(crate) thread: u32,
    pub(crate) database: &'a str,
    pub(crate) statement: &'a str,
}

/// The head of a row event; its rows are still bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowsEvent<'a> {
    pub(crate) kind: RowsKind,
    pub(crate) table_number: u64,
    pub(crate) columns: usize,
    /// Whether every image has every column.
    pub(crate) is_full: bool,
    pub(crate) rows: &'a [u8],
}

/// Which operation a row event logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowsKind {
    Write,
    Update,
    Delete,
}

/// Event types by their number in the header (`mysql::binlog::event::Log_event_type`).
pub(super) mod kind {
    pub(in crate::binlog) const QUERY: u8 = 2;
    pub(in crate::binlog) const ROTATE: u8 = 4;
    pub(in crate::binlog) const XID: u8 = 16;
    pub(in crate::binlog) const TABLE_MAP: u8 = 19;
    pub(in crate::binlog) const WRITE_ROWS_V1: u8 = 23;
    pub(in crate::binlog) const UPDATE_ROWS_V1: u8 = 24;
    pub(in crate::binlog) const DELETE_ROWS_V1: u8 = 25;
    pub(in crate::binlog) const INCIDENT: u8 = 26;
    pub(in crate::binlog) const HEARTBEAT: u8 = 27;
    pub(in crate::binlog) const WRITE_ROWS: u8 = 30;
    pub(in crate::binlog) const UPDATE_ROWS: u8 = 31;
    pub(in crate::binlog) const DELETE_ROWS: u8 = 32;
    pub(in crate::binlog) const GTID: u8 = 33;
    pub(in crate::binlog) const ANONYMOUS_GTID: u8 = 34;
    pub(in crate::binlog) const XA_PREPARE: u8 = 38;
    pub(in crate::binlog) const PARTIAL_UPDATE_ROWS: u8 = 39;
    pub(in crate::binlog) const TRANSACTION_PAYLOAD: u8 = 40;
    pub(in crate::binlog) const GTID_TAGGED: u8 = 42;
    /// Formats, stops, loads and variables: what they say is about statements, which are judged by
    /// their QUERY event.
    pub(in crate::binlog) const WITHOUT_ROWS: [u8; 21] =
        [1, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 28, 29, 35, 36, 37, 41];
}

/// Parses an event's body; `Err` says what is wrong with it.
pub(super) fn parse<'a>(event: &'a Event) -> Result<BinlogEvent<'a>, EventError> {
    let data = event.data();
    let number = event.header().event_type_raw();
    Ok(match number {
        kind::ROTATE => BinlogEvent::Rotate,
        kind::GTID | kind::ANONYMOUS_GTID | kind::GTID_TAGGED => gtid(event, number)?,
        kind::QUERY => BinlogEvent::Query(query(data)?),
        kind::XID => BinlogEvent::Xid,
        kind::TABLE_MAP => BinlogEvent::TableMap(EncodedTableMap::new(data)?),
        kind::WRITE_ROWS | kind::WRITE_ROWS_V1 => rows(data, RowsKind::Write, number)?,
        kind::UPDATE_ROWS | kind::UPDATE_ROWS_V1 => rows(data, RowsKind::Update, number)?,
        kind::DELETE_ROWS | kind::DELETE_ROWS_V1 => rows(data, RowsKind::Delete, number)?,
        kind::HEARTBEAT => BinlogEvent::Heartbeat,
        kind::TRANSACTION_PAYLOAD => BinlogEvent::TransactionPayload,
        kind::XA_PREPARE => BinlogEvent::XaPrepare,
        kind::INCIDENT => BinlogEvent::Incident,
        kind::PARTIAL_UPDATE_ROWS => BinlogEvent::PartialRows,
        known if kind::WITHOUT_ROWS.contains(&known) => BinlogEvent::Other,
        _ => return Err(EventError::Unknown),
    })
}

/// Why an event cannot be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventError {
    /// Its bytes contradict themselves.
    Malformed(&'static str),
    /// No known server sends this type.
    Unknown,
}

fn gtid(event: &Event, number: u8) -> Result<BinlogEvent<'_>, EventError> {
    let parsed: GtidEvent =
        event.read_event().map_err(|_| EventError::Malformed("transaction id"))?;
    let committed_us = match parsed.original_commit_timestamp() {
        0 => parsed.immediate_commit_timestamp(),
        original => original,
    };
    if number == kind::ANONYMOUS_GTID {
        return Ok(BinlogEvent::Gtid { gtid: None, committed_us });
    }
    let tag = parsed.tag().map(ToString::to_string).unwrap_or_default();
    let source = GtidSource { uuid: Uuid::from_bytes(parsed.sid()), tag };
    // Transactions are numbered from 1; a set with another number could be stored, but not read.
    let number = parsed.gno();
    if number == 0 {
        return Err(EventError::Malformed("transaction number"));
    }
    let gtid = Gtid { source, number };
    Ok(BinlogEvent::Gtid { gtid: Some(gtid), committed_us })
}

/// Post-header: thread 4, time 4, length of the database's name 1, error 2, length of the status
/// variables 2. Then the status variables, the name, a zero byte, and the statement.
fn query(data: &[u8]) -> Result<Query<'_>, EventError> {
    let malformed = || EventError::Malformed("query");
    let mut reader = Reader::new(data);
    let thread = reader.little_endian(4).ok_or_else(malformed)?;
    reader.take(4).ok_or_else(malformed)?;
    let name_length = reader.little_endian(1).ok_or_else(malformed)?;
    reader.take(2).ok_or_else(malformed)?;
    let status_length = reader.little_endian(2).ok_or_else(malformed)?;
    let length = |length: u64| usize::try_from(length).map_err(|_| malformed());
    reader.take(length(status_length)?).ok_or_else(malformed)?;
    let database = text(reader.take(length(name_length)?).ok_or_else(malformed)?)?;
    reader.take(1).ok_or_else(malformed)?;
    Ok(Query {
        thread: u32::try_from(thread).map_err(|_| malformed())?,
        database,
        statement: text_prefix(reader.rest()),
    })
}

/// Table number 6, flags 2, in version 2 the length of extra data (its own two bytes included);
/// then the number of columns, and for each image a bitmap of the columns in it.
fn rows(data: &[u8], rows_kind: RowsKind, number: u8) -> Result<BinlogEvent<'_>, EventError> {
    let malformed = || EventError::Malformed("rows");
    let mut reader = Reader::new(data);
    let table_number = reader.little_endian(6).ok_or_else(malformed)?;
    reader.take(2).ok_or_else(malformed)?;
    if number >= kind::WRITE_ROWS {
        let extra = reader.little_endian(2).and_then(|length| length.checked_sub(2));
        let extra = extra.and_then(|length| usize::try_from(length).ok()).ok_or_else(malformed)?;
        reader.take(extra).ok_or_else(malformed)?;
    }
    let columns = reader.length().ok_or_else(malformed)?;
    let bitmaps = if rows_kind == RowsKind::Update { 2 } else { 1 };
    let mut is_full = true;
    for _ in 0..bitmaps {
        let bitmap = reader.take(columns.div_ceil(8)).ok_or_else(malformed)?;
        is_full &= bits(bitmap, columns).all(|present| present);
    }
    let rows = reader.rest();
    Ok(BinlogEvent::Rows(RowsEvent { kind: rows_kind, table_number, columns, is_full, rows }))
}

fn text(bytes: &[u8]) -> Result<&str, EventError> {
    std::str::from_utf8(bytes).map_err(|_| EventError::Malformed("text is not UTF-8"))
}

/// A statement in another character set is read as far as it is UTF-8: what follows can only be
/// within a literal, and the words that decide stand before it.
fn text_prefix(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => bytes
            .get(..error.valid_up_to())
            .and_then(|valid| std::str::from_utf8(valid).ok())
            .unwrap_or_default(),
    }
}
