//! The bodies of events, parsed without copying rows.

use std::borrow::Cow;

use mysql_common::binlog::BinlogCtx;
use mysql_common::binlog::consts::BinlogVersion;
use mysql_common::binlog::events::{BinlogEventHeader, FormatDescriptionEvent, GtidEvent};
use mysql_common::io::ParseBuf;
use schema::gtid::{Gtid, GtidSource};
use schema::types::charset::Charset;
use uuid::Uuid;

use super::reader::Reader;
use super::table_map::EncodedTableMap;
use crate::ddl::Dialect;

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
    /// The rows of an XA transaction end: it is prepared, or, in one phase, committed.
    XaPrepare { is_one_phase: bool },
    /// The server reports a gap in its log.
    Incident,
    /// Of an unknown type, but marked by the server as one that may be ignored.
    Ignorable,
    /// Nothing that concerns rows.
    Other,
}

/// A statement in the log.
#[derive(Debug, Clone)]
pub(crate) struct Query<'a> {
    pub(crate) thread: u32,
    database: &'a [u8],
    pub(crate) statement: Cow<'a, str>,
    /// How its session writes names and texts.
    pub(crate) dialect: Dialect,
}

impl<'a> Query<'a> {
    /// The database that its session had chosen.
    pub(crate) fn database(&self) -> Result<&'a str, EventError> {
        str::from_utf8(self.database).map_err(|_| EventError::Malformed("text is not UTF-8"))
    }
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
    /// An update whose JSON columns may be logged as differences.
    PartialUpdate,
    Delete,
}

/// Event types by their number in the header (`mysql::binlog::event::Log_event_type`).
pub(crate) mod kind {
    pub(crate) const QUERY: u8 = 2;
    pub(crate) const ROTATE: u8 = 4;
    pub(crate) const FORMAT_DESCRIPTION: u8 = 15;
    pub(crate) const XID: u8 = 16;
    pub(crate) const EXECUTE_LOAD_QUERY: u8 = 18;
    pub(crate) const TABLE_MAP: u8 = 19;
    pub(crate) const WRITE_ROWS_V1: u8 = 23;
    pub(crate) const UPDATE_ROWS_V1: u8 = 24;
    pub(crate) const DELETE_ROWS_V1: u8 = 25;
    pub(crate) const INCIDENT: u8 = 26;
    pub(crate) const HEARTBEAT: u8 = 27;
    pub(crate) const WRITE_ROWS: u8 = 30;
    pub(crate) const UPDATE_ROWS: u8 = 31;
    pub(crate) const DELETE_ROWS: u8 = 32;
    pub(crate) const GTID: u8 = 33;
    pub(crate) const ANONYMOUS_GTID: u8 = 34;
    pub(crate) const XA_PREPARE: u8 = 38;
    pub(crate) const PARTIAL_UPDATE_ROWS: u8 = 39;
    pub(crate) const TRANSACTION_PAYLOAD: u8 = 40;
    pub(crate) const GTID_TAGGED: u8 = 42;
    /// Formats, stops, loads and variables: what they say is about statements, which are judged by
    /// their QUERY event.
    pub(crate) const WITHOUT_ROWS: [u8; 20] =
        [1, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 28, 29, 35, 36, 37, 41];
}

/// Parses the body of an event of this type, without its checksum.
pub(crate) fn parse_body(number: u8, data: &[u8]) -> Result<BinlogEvent<'_>, EventError> {
    Ok(match number {
        kind::ROTATE => BinlogEvent::Rotate,
        kind::GTID | kind::ANONYMOUS_GTID => {
            let (gtid, committed_us) = gtid(data).ok_or(EventError::Malformed("transaction id"))?;
            let gtid = if number == kind::GTID { Some(numbered(gtid)?) } else { None };
            BinlogEvent::Gtid { gtid, committed_us }
        }
        kind::GTID_TAGGED => tagged_gtid(data)?,
        kind::QUERY => BinlogEvent::Query(query(data, 0)?),
        kind::EXECUTE_LOAD_QUERY => BinlogEvent::Query(query(data, LOAD_FIELDS)?),
        kind::XID => BinlogEvent::Xid,
        kind::TABLE_MAP => BinlogEvent::TableMap(EncodedTableMap::new(data)?),
        kind::WRITE_ROWS | kind::WRITE_ROWS_V1 => rows(data, RowsKind::Write, number)?,
        kind::UPDATE_ROWS | kind::UPDATE_ROWS_V1 => rows(data, RowsKind::Update, number)?,
        kind::DELETE_ROWS | kind::DELETE_ROWS_V1 => rows(data, RowsKind::Delete, number)?,
        kind::HEARTBEAT => BinlogEvent::Heartbeat,
        // The stream gives out its events instead.
        kind::TRANSACTION_PAYLOAD => return Err(EventError::Malformed("compressed transaction")),
        kind::XA_PREPARE => {
            let first = data.first().ok_or(EventError::Malformed("xa transaction"))?;
            BinlogEvent::XaPrepare { is_one_phase: *first != 0 }
        }
        kind::INCIDENT => BinlogEvent::Incident,
        kind::PARTIAL_UPDATE_ROWS => rows(data, RowsKind::PartialUpdate, number)?,
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
    /// A transaction is compressed in a way that no known server has.
    UnknownCompression,
}

/// Flags 1, server 16, number 8, the number 2, two logical times of 8 each, and the time of the
/// commit in 7 bytes; if its top bit is set, that of the original commit follows. Servers before
/// 5.7 end after the number, before 8.0 after the logical times.
fn gtid(data: &[u8]) -> Option<(Gtid, u64)> {
    const LOGICAL_TIMES: usize = 1 + 8 + 8;
    const ORIGINAL_FOLLOWS: u64 = 1 << 55;
    let mut reader = Reader::new(data);
    reader.take(1)?;
    let uuid = Uuid::from_bytes(reader.take(16)?.try_into().ok()?);
    let number = reader.little_endian(8)?;
    let mut committed_us = 0;
    if reader.take(LOGICAL_TIMES).is_some()
        && let Some(committed) = reader.little_endian(7)
    {
        let has_original = committed & ORIGINAL_FOLLOWS != 0;
        committed_us = if has_original { reader.little_endian(7)? } else { committed };
    }
    let source = GtidSource { uuid, tag: String::new() };
    Some((Gtid { source, number }, committed_us))
}

/// Transactions are numbered from 1; a set with another number could be stored, but not read.
fn numbered(gtid: Gtid) -> Result<Gtid, EventError> {
    if gtid.number == 0 { Err(EventError::Malformed("transaction number")) } else { Ok(gtid) }
}

/// A transaction with a tag: in the server's newer form, which `mysql_common` reads.
fn tagged_gtid(data: &[u8]) -> Result<BinlogEvent<'_>, EventError> {
    let malformed = |_| EventError::Malformed("transaction id");
    let format = FormatDescriptionEvent::new(BinlogVersion::Version4);
    let size = BinlogEventHeader::LEN + data.len();
    let context = BinlogCtx::new(size, &format, kind::GTID_TAGGED);
    let mut rest = ParseBuf(data);
    let parsed: GtidEvent = rest.parse(context).map_err(malformed)?;
    let committed_us = match parsed.original_commit_timestamp() {
        0 => parsed.immediate_commit_timestamp(),
        original => original,
    };
    let tag = parsed.tag().map(ToString::to_string).unwrap_or_default();
    let source = GtidSource { uuid: Uuid::from_bytes(parsed.sid()), tag };
    let gtid = numbered(Gtid { source, number: parsed.gno() })?;
    Ok(BinlogEvent::Gtid { gtid: Some(gtid), committed_us })
}

/// What a `LOAD DATA` in statement format has more than another statement: file 4, the two ends of the
/// file's name in the text 4 each, and what becomes of duplicates 1.
const LOAD_FIELDS: usize = 13;

/// Post-header: thread 4, time 4, length of the database's name 1, error 2, length of the status
/// variables 2, and of `LOAD DATA` in statement format more. Then the status variables, the name, a
/// zero byte, and the statement.
fn query(data: &[u8], more: usize) -> Result<Query<'_>, EventError> {
    let malformed = || EventError::Malformed("query");
    let mut reader = Reader::new(data);
    let thread = reader.little_endian(4).ok_or_else(malformed)?;
    reader.take(4).ok_or_else(malformed)?;
    let name_length = reader.little_endian(1).ok_or_else(malformed)?;
    reader.take(2).ok_or_else(malformed)?;
    let status_length = reader.little_endian(2).ok_or_else(malformed)?;
    reader.take(more).ok_or_else(malformed)?;
    let length = |length: u64| usize::try_from(length).map_err(|_| malformed());
    let status = reader.take(length(status_length)?).ok_or_else(malformed)?;
    let database = reader.take(length(name_length)?).ok_or_else(malformed)?;
    reader.take(1).ok_or_else(malformed)?;
    let thread = u32::try_from(thread).map_err(|_| malformed())?;
    // Every transaction has it.
    if reader.rest() == b"BEGIN" {
        let statement = Cow::Borrowed("BEGIN");
        return Ok(Query { thread, database, statement, dialect: Dialect::default() });
    }
    let session = Session::read(status);
    let statement = session.text(reader.rest());
    let dialect = Dialect::of_sql_mode(session.sql_mode);
    Ok(Query { thread, database, statement, dialect })
}

/// What a statement's status variables say of its session.
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/classmysql_1_1binlog_1_1event_1_1Query__event.html>
#[derive(Debug, Default)]
struct Session {
    sql_mode: u64,
    /// The collation of `character_set_client`, in which the statement is written.
    client: Option<u16>,
}

impl Session {
    /// Reads as far as what is looked for can stand; the server writes them in this order.
    fn read(variables: &[u8]) -> Self {
        const FLAGS: u64 = 0;
        const SQL_MODE: u64 = 1;
        const AUTO_INCREMENT: u64 = 3;
        const CHARSET: u64 = 4;
        const CATALOG: u64 = 6;
        let mut session = Self::default();
        let mut reader = Reader::new(variables);
        while let Some(code) = reader.little_endian(1) {
            let passed = match code {
                FLAGS | AUTO_INCREMENT => reader.take(4),
                SQL_MODE => {
                    session.sql_mode = reader.little_endian(8).unwrap_or_default();
                    Some(&[][..])
                }
                CATALOG => {
                    let length = reader.little_endian(1).and_then(|it| usize::try_from(it).ok());
                    length.and_then(|length| reader.take(length))
                }
                CHARSET => {
                    let client = reader.little_endian(2);
                    session.client = client.and_then(|id| u16::try_from(id).ok());
                    None
                }
                _ => None,
            };
            if passed.is_none() {
                break;
            }
        }
        session
    }

    /// The statement in the session's character set; where that is not known, or the statement is
    /// not in it, with `\u{fffd}` for what is not UTF-8, as within a literal of bytes.
    fn text<'a>(&self, bytes: &'a [u8]) -> Cow<'a, str> {
        let charset = self.client.filter(|_| !bytes.is_ascii()).and_then(Charset::of_collation);
        let decoded = charset.and_then(|charset| charset.decode(bytes).ok());
        decoded.unwrap_or_else(|| String::from_utf8_lossy(bytes))
    }
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
    let bitmaps = match rows_kind {
        RowsKind::Update | RowsKind::PartialUpdate => 2,
        RowsKind::Write | RowsKind::Delete => 1,
    };
    let mut is_full = true;
    for _ in 0..bitmaps {
        let bitmap = reader.take(columns.div_ceil(8)).ok_or_else(malformed)?;
        is_full &= all_set(bitmap, columns);
    }
    let rows = reader.rest();
    Ok(BinlogEvent::Rows(RowsEvent { kind: rows_kind, table_number, columns, is_full, rows }))
}

/// Whether the first `count` bits of a bitmap are set, lowest first.
fn all_set(bitmap: &[u8], count: usize) -> bool {
    let whole = count / 8;
    let rest = bitmap.get(whole).copied().unwrap_or_default();
    let mask = (1_u8 << (count % 8)) - 1;
    bitmap.iter().take(whole).all(|byte| *byte == 0xff) && rest & mask == mask
}
