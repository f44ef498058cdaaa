//! Events of the binary log, from their header to the records that their rows become.

mod rows;

use mysql_common::binlog::EventStreamReader;
use mysql_common::binlog::consts::BinlogVersion;
use mysql_common::binlog::events::Event;
use schema::fuzzing::Target;
use schema::gtid::GtidSet;

use super::event::{self, BinlogEvent, kind};
use super::stream::{checksum_is_right, named_position, unwrapped};
use super::table_map::{COLUMNS_MAX, EncodedTableMap, TableMap};
use crate::ddl;

pub use rows::ROW_IMAGES;

/// An event as it comes over the wire, header and checksum included, with a byte before it that is
/// even for a server without checksums.
pub const BINLOG_EVENT: Target =
    Target { name: "binlog_event", run: binlog_event, seeds: event_seeds, heap_per_byte: 1024 };

/// The body of a `TABLE_MAP`.
pub const TABLE_MAP: Target =
    Target { name: "table_map", run: table_map, seeds: table_map_seeds, heap_per_byte: 1024 };

/// A finished binlog file of MySQL 9.7.4, made by `tests/golden/types.sql`.
const FILE: &[u8] = include_bytes!("../../tests/golden/types.binlog");

/// What stands before a file's first event.
const MAGIC_BYTES: usize = 4;

/// Length of an event's header, and where the event's size stands in it.
const HEADER_BYTES: usize = 19;
const SIZE_AT: usize = 9;

const CHECKSUM_BYTES: usize = 4;

fn binlog_event(data: &[u8]) {
    let Some((pick, bytes)) = data.split_first() else { return };
    let mut reader = EventStreamReader::new(BinlogVersion::Version4);
    let has_checksums = pick % 2 == 1;
    if has_checksums {
        let format = recorded().next().expect("the file begins with its format");
        reader.read(format).expect("a recorded event");
    }
    let Some(event) = read_event(&mut reader, bytes) else { return };
    let is_right = checksum_is_right(&event);
    assert!(is_right || event.checksum().is_some(), "what has no checksum is right");
    // Not only events with a right checksum: the sender may have written nonsense and its sum.
    if let Some(position) = named_position(&event, has_checksums) {
        assert!(position.file().len() <= bytes.len());
        let next = unwrapped(position.offset(), event.header().log_pos());
        assert!(next >= position.offset(), "the log never goes back");
    }
    if let Ok(parsed) = event::parse(&event) {
        stays_within(&parsed, event.data());
    }
}

/// Reads an event as `mysql_async` does. What that one does with a header that lies about its size
/// is not ours to mend: `BinlogStream` turns it into an error. Here the size is put right.
fn read_event(reader: &mut EventStreamReader, bytes: &[u8]) -> Option<Event> {
    let mut bytes = bytes.to_vec();
    let size = u32::try_from(bytes.len()).ok()?.to_le_bytes();
    if bytes.len() < HEADER_BYTES + CHECKSUM_BYTES {
        return None;
    }
    bytes.get_mut(SIZE_AT..SIZE_AT + size.len())?.copy_from_slice(&size);
    reader.read(&*bytes).ok()?
}

/// An event of a server without checksums, with this body.
fn event_of(number: u8, body: &[u8]) -> Option<Event> {
    let mut bytes = vec![0; HEADER_BYTES];
    *bytes.get_mut(4)? = number;
    bytes.extend_from_slice(body);
    read_event(&mut EventStreamReader::new(BinlogVersion::Version4), &bytes)
}

/// What an event says lies within it.
fn stays_within(parsed: &BinlogEvent<'_>, data: &[u8]) {
    match parsed {
        BinlogEvent::Gtid { gtid: Some(gtid), .. } => {
            let mut set = GtidSet::default();
            set.insert(gtid);
            let stored = set.to_string().parse::<GtidSet>();
            assert_eq!(stored.as_ref(), Ok(&set), "the offset that holds {gtid} is readable");
        }
        BinlogEvent::Query(query) => {
            if let Ok(database) = query.database() {
                assert!(database.len() + query.statement.len() <= data.len());
                // Its result is looked at in the target `ddl`.
                drop(ddl::classify(query.statement, database));
            }
        }
        BinlogEvent::TableMap(encoded) => {
            assert_eq!(encoded.bytes, data);
            if let Ok(map) = encoded.parse() {
                is_consistent(&map);
            }
        }
        BinlogEvent::Rows(rows) => {
            assert!(rows.rows.len() <= data.len());
            // A bit for each column stands in the event.
            assert!(rows.columns <= 8 * data.len(), "{} columns", rows.columns);
        }
        BinlogEvent::Rotate
        | BinlogEvent::Gtid { gtid: None, .. }
        | BinlogEvent::Xid
        | BinlogEvent::Heartbeat
        | BinlogEvent::TransactionPayload
        | BinlogEvent::XaPrepare { .. }
        | BinlogEvent::Incident
        | BinlogEvent::Other => {}
    }
}

fn table_map(data: &[u8]) {
    // On its way every table map goes through the library's parser too.
    drop(event_of(kind::TABLE_MAP, data));
    if let Ok(map) = EncodedTableMap::new(data).and_then(EncodedTableMap::parse) {
        is_consistent(&map);
    }
}

fn is_consistent(map: &TableMap) {
    let count = map.columns.len();
    assert!(count <= COLUMNS_MAX);
    assert!(map.key.iter().all(|index| *index < count), "{:?} of {count}", map.key);
    let mut key = map.key.clone();
    key.sort_unstable();
    key.dedup();
    assert_eq!(key.len(), map.key.len(), "a column stands in a key once");
    match map.table_schema() {
        Ok(schema) => assert_eq!(schema.columns.len(), count),
        Err((column, _)) => assert!(map.columns.iter().any(|mapped| mapped.name == column)),
    }
}

/// The events of the recorded file.
fn recorded() -> impl Iterator<Item = &'static [u8]> {
    let mut rest = FILE.get(MAGIC_BYTES..).unwrap_or_default();
    std::iter::from_fn(move || {
        let size = rest.get(SIZE_AT..)?.first_chunk().map(|size| u32::from_le_bytes(*size))?;
        let (event, after) = rest.split_at_checked(usize::try_from(size).ok()?)?;
        rest = after;
        Some(event)
    })
}

/// Type and body of the recorded events.
fn recorded_bodies() -> impl Iterator<Item = (u8, &'static [u8])> {
    recorded().filter_map(|event| {
        let (header, body) = event.split_at_checked(HEADER_BYTES)?;
        let (body, _) = body.split_last_chunk::<CHECKSUM_BYTES>()?;
        Some((*header.get(4)?, body))
    })
}

fn event_seeds() -> Vec<Vec<u8>> {
    recorded().map(|event| [&[1][..], event].concat()).collect()
}

fn table_map_seeds() -> Vec<Vec<u8>> {
    let maps = recorded_bodies().filter(|(number, _)| *number == kind::TABLE_MAP);
    maps.map(|(_, body)| body.to_vec()).collect()
}
