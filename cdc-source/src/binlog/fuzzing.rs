//! Events of the binary log, from their header to the records that their rows become.

mod rows;

use bytes::Bytes;
use schema::fuzzing::Target;
use schema::gtid::GtidSet;
use schema::position::BinlogPosition;

use super::event::{BinlogEvent, kind, parse_body};
use super::header::{CHECKSUM_BYTES, Header};
use super::payload::Payload;
use super::stream::{Place, StartPoint};
use super::table_map::{COLUMNS_MAX, EncodedTableMap, TableMap};
use crate::ddl;

pub use rows::ROW_IMAGES;

/// An event as it comes over the wire, header and checksum included, with a byte before it that is
/// even for a server without checksums.
pub const BINLOG_EVENT: Target =
    Target { name: "binlog_event", run: binlog_event, seeds: event_seeds, heap_per_byte: 1024 };

/// The body of a `TRANSACTION_PAYLOAD`. Whatever the input says, the heap holds a window of zstd,
/// which libFuzzer's own limit is for, and what was really inflated.
pub const PAYLOAD: Target =
    Target { name: "payload", run: payload, seeds: payload_seeds, heap_per_byte: 64 << 10 };

/// The body of a `TABLE_MAP`.
pub const TABLE_MAP: Target =
    Target { name: "table_map", run: table_map, seeds: table_map_seeds, heap_per_byte: 1024 };

/// A finished binlog file of MySQL 9.7.4, made by `tests/golden/types.sql`.
const FILE: &[u8] = include_bytes!("../../tests/golden/types.binlog");

/// What stands before a file's first event.
const MAGIC_BYTES: usize = 4;

/// Where the event's size stands in its header.
const SIZE_AT: usize = 9;

fn binlog_event(data: &[u8]) {
    let Some((pick, bytes)) = data.split_first() else { return };
    let Ok(position) = BinlogPosition::new("binlog.000001", 4) else { return };
    let start = StartPoint::Gtids(GtidSet::default());
    let mut place = Place::new(&start, position);
    if pick % 2 == 1 {
        let format = recorded().next().expect("the file begins with its format");
        place.accept(Bytes::from_static(format)).expect("a recorded event");
    }
    // As it came, then with its size and its checksum put right: a sender may write nonsense and
    // its sum.
    let mut right = bytes.to_vec();
    for event in [bytes.to_vec(), put_right(&mut right).map(|()| right).unwrap_or_default()] {
        let before = place.position.clone();
        let Ok(Some(event)) = place.accept(event.into()) else { continue };
        assert!(event.end.file().len() <= bytes.len() + before.file().len());
        if event.end.file() == before.file() && event.kind() != kind::ROTATE {
            assert!(event.end.offset() >= before.offset(), "the log never goes back");
        }
        if let Ok(parsed) = event.parse() {
            stays_within(&parsed, event.body());
        }
    }
}

/// Writes the right size and the right checksum.
fn put_right(event: &mut [u8]) -> Option<()> {
    let size = u32::try_from(event.len()).ok()?.to_le_bytes();
    event.get_mut(SIZE_AT..SIZE_AT + size.len())?.copy_from_slice(&size);
    let (checked, checksum) = event.split_last_chunk_mut::<CHECKSUM_BYTES>()?;
    *checksum = crc32fast::hash(checked).to_le_bytes();
    Some(())
}

/// A compressed transaction: the body of its event.
fn payload(data: &[u8]) {
    let mut payload = Payload::default();
    if payload.open(Bytes::copy_from_slice(data)).is_err() {
        return;
    }
    while let Ok(Some((header, body))) = payload.next() {
        assert_eq!(usize::try_from(header.size), Ok(Header::BYTES + body.len()));
        if let Ok(parsed) = parse_body(header.kind, &body) {
            stays_within(&parsed, &body);
        }
        if !payload.is_open() {
            return;
        }
    }
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
                // A byte of another character set can be four of UTF-8.
                assert!(database.len() + query.statement.len() <= 4 * data.len());
                // Its result is looked at in the target `ddl`.
                drop(ddl::classify(&query.statement, database, query.dialect));
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
        | BinlogEvent::XaPrepare { .. }
        | BinlogEvent::Incident
        | BinlogEvent::Ignorable
        | BinlogEvent::Other => {}
    }
}

fn table_map(data: &[u8]) {
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
        let (header, body) = event.split_at_checked(Header::BYTES)?;
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

/// The recorded events of transactions, compressed and not, without their checksums.
fn payload_seeds() -> Vec<Vec<u8>> {
    let of_transaction = [kind::QUERY, kind::TABLE_MAP, kind::WRITE_ROWS, kind::XID];
    let event = |(number, body): (u8, &[u8])| {
        let size = u32::try_from(Header::BYTES + body.len()).expect("recorded events are short");
        let mut event = vec![0; Header::BYTES];
        *event.get_mut(4).expect("a header") = number;
        event.get_mut(SIZE_AT..SIZE_AT + 4).expect("a header").copy_from_slice(&size.to_le_bytes());
        event.extend_from_slice(body);
        event
    };
    let bodies = recorded_bodies().filter(|(number, _)| of_transaction.contains(number));
    let events = bodies.map(event).take(40).collect::<Vec<_>>().concat();
    let compressed = zstd::encode_all(&*events, 3).expect("it is in memory");
    vec![
        super::payload::written(&compressed, 0, events.len()),
        super::payload::written(&events, 255, events.len()),
    ]
}
