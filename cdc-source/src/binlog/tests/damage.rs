//! Damaged events: a value or a typed error, never a panic and never a read beyond the end.

use mysql_common::binlog::BinlogFile;
use mysql_common::binlog::consts::BinlogVersion;
use mysql_common::binlog::events::Event;
use proptest::prelude::*;

use super::{FILE, events, parse};
use crate::binlog::event::{BinlogEvent, EventError, RowsKind};
use crate::binlog::table_map::{EncodedTableMap, TableMap};
use crate::rows::{ImageError, ImageReader};
use schema::types::{Form, Origin, ValueOptions};

/// Everything that is done with an event's body.
fn use_up(event: &Event, map: &TableMap) {
    match parse(event) {
        Ok(BinlogEvent::TableMap(encoded)) => {
            if let Ok(map) = encoded.parse() {
                let _schema = map.table_schema();
            }
        }
        Ok(BinlogEvent::Rows(rows)) => read_rows(rows.kind, map, rows.rows),
        Ok(_) | Err(_) => {}
    }
}

fn read_rows(kind: RowsKind, map: &TableMap, data: &[u8]) {
    let (mut reader, mut at) = (ImageReader::default(), 0);
    while at < data.len() {
        let read = if kind == RowsKind::Update {
            reader.two(map, data, at).map(|(_, after, end)| (after, end))
        } else {
            reader.one(map, data, at)
        };
        let Ok((row, end)) = read else { return };
        assert!(at <= end && end <= data.len());
        // A table without columns has images without bytes. The pipeline parks it: it has no key.
        if at == end {
            assert!(map.columns.is_empty());
            return;
        }
        at = end;
        for (index, column) in map.columns.iter().enumerate() {
            if let (Some(bytes), Ok(column_type)) = (row.column(index), &column.column_type) {
                let form = Form::new(column_type, None, &ValueOptions::exact(), Origin::Log);
                let Ok(value) = column_type.read(bytes) else { continue };
                let mut avro = Vec::new();
                let written = form.write(&value, &mut avro);
                assert_eq!(form.value(&value).is_ok(), written.is_ok(), "{column_type:?}");
            }
        }
    }
}

/// The recorded table maps, and what comes before their bodies' checksums.
fn maps() -> Vec<(Vec<u8>, TableMap)> {
    let body = |event: Event| {
        let BinlogEvent::TableMap(encoded) = parse(&event).unwrap() else { return None };
        Some((encoded.bytes.to_vec(), encoded.parse().unwrap()))
    };
    events().into_iter().filter_map(body).collect()
}

/// The same file with one event's body replaced: its header says the new size, and the reader's
/// checksum is off.
fn with_body(index: usize, body: &[u8]) -> Option<Event> {
    let mut at = 4;
    for _ in 0..index {
        at += size_at(at)?;
    }
    let mut file = FILE[..at].to_vec();
    file.extend(&FILE[at..at + 9]);
    file.extend(u32::try_from(19 + body.len() + 4).unwrap().to_le_bytes());
    file.extend(&FILE[at + 13..at + 19]);
    file.extend(body);
    file.extend([0; 4]);
    BinlogFile::new(BinlogVersion::Version4, &*file).unwrap().nth(index)?.ok()
}

fn size_at(at: usize) -> Option<usize> {
    let bytes = FILE.get(at + 9..at + 13)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

#[test]
fn every_prefix_of_a_table_map_is_an_error_or_a_shorter_one() {
    for (bytes, whole) in maps() {
        for length in 0..bytes.len() {
            let Ok(encoded) = EncodedTableMap::new(&bytes[..length]) else { continue };
            if let Ok(map) = encoded.parse() {
                // The optional metadata may end early; the columns before it may not.
                assert_eq!(map.id, whole.id);
                assert_eq!(map.columns.len(), whole.columns.len());
            }
        }
    }
}

#[test]
fn every_prefix_of_every_event_is_an_error_or_a_value() {
    let (_, map) = maps().remove(0);
    for (index, event) in events().iter().enumerate().skip(1) {
        for length in 0..event.data().len() {
            if let Some(event) = with_body(index, &event.data()[..length]) {
                use_up(&event, &map);
            }
        }
    }
}

#[test]
fn a_table_map_with_impossible_metadata_still_names_its_table() {
    for (bytes, whole) in maps() {
        // Behind number, flags and names stands the number of columns, then a byte for each.
        let columns_at = 8 + 2 * 2 + whole.id.database.len() + whole.id.name.len();
        let mut too_many = bytes.clone();
        too_many.splice(columns_at..=columns_at, [0xfc, 0xff, 0xff]);
        let metadata_at = columns_at + 1 + whole.columns.len();
        let mut too_long = bytes.clone();
        too_long[metadata_at] = 0xfa;
        let ends_early = bytes[..metadata_at].to_vec();

        for damaged in [too_many, too_long, ends_early] {
            let encoded = EncodedTableMap::new(&damaged).unwrap();
            assert_eq!(encoded.parse(), Err(EventError::Malformed("table map")));
            assert_eq!(encoded.table(), Some(whole.id.clone()));
        }
        let without_name = EncodedTableMap::new(&bytes[..10]).unwrap();
        assert_eq!(without_name.table(), None);
    }
}

#[test]
fn a_row_event_that_ends_within_a_row_is_no_image_of_its_table() {
    let map = maps().into_iter().map(|(_, map)| map);
    let maps: std::collections::HashMap<_, _> = map.map(|map| (map.columns.len(), map)).collect();
    let mut truncated = 0;
    for event in &events() {
        let Ok(BinlogEvent::Rows(rows)) = parse(event) else { continue };
        let Some(map) = maps.get(&rows.columns) else { continue };
        let mut reader = ImageReader::default();
        let Ok((_, end)) = reader.change(rows.kind, map, rows.rows, 0) else { continue };
        for length in 0..end {
            let read = reader.change(rows.kind, map, &rows.rows[..length], 0);
            assert_eq!(read.map(|(_, end)| end).unwrap_err(), ImageError::Damaged);
            truncated += 1;
        }
    }
    assert!(truncated > 0);
}

#[test]
fn a_transaction_without_a_number_is_refused() {
    let is_gtid =
        |event: &Event| matches!(parse(event), Ok(BinlogEvent::Gtid { gtid: Some(_), .. }));
    let (index, event) =
        events().into_iter().enumerate().find(|(_, event)| is_gtid(event)).unwrap();
    // One byte of flags and the uuid stand before the number.
    let mut body = event.data().to_vec();
    body[17..25].fill(0);

    let damaged = with_body(index, &body).unwrap();

    assert_eq!(parse(&damaged).unwrap_err(), EventError::Malformed("transaction number"));
}

#[test]
fn a_key_that_names_a_column_twice_or_one_that_is_not_there_is_refused() {
    let (bytes, map) = maps().remove(0);
    let parse = |bytes: &[u8]| EncodedTableMap::new(bytes).and_then(EncodedTableMap::parse);
    // The field of the key is appended once more: type 8, one byte, the column's number.
    for index in [map.key[0], map.columns.len()] {
        let damaged = [&bytes[..], &[8, 1, u8::try_from(index).unwrap()]].concat();

        assert_eq!(parse(&damaged).unwrap_err(), EventError::Malformed("table map"));
    }
    assert!(parse(&bytes).is_ok());
}

/// Found by the fuzz target `row_images`, whose seed this map is.
#[test]
fn an_enum_of_three_bytes_is_a_column_of_no_known_type() {
    let seed = include_bytes!("../../../../fuzz/seeds/row_images/enum-of-three-bytes");
    let (length, rest) = seed.split_first_chunk().unwrap();
    let bytes = &rest[..usize::from(u16::from_le_bytes(*length))];

    let map = EncodedTableMap::new(bytes).unwrap().parse().unwrap();

    let unknown = map.table_schema().unwrap_err();
    assert_eq!(unknown, ("el".to_owned(), "ENUM or SET of an impossible size"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_as_a_table_map_are_an_error_or_a_map(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        if let Ok(map) = EncodedTableMap::new(&bytes).and_then(EncodedTableMap::parse) {
            prop_assert!(map.key.iter().all(|index| *index < map.columns.len()));
        }
    }

    #[test]
    fn a_recorded_table_map_with_flipped_bytes_is_an_error_or_a_map(
        pick: prop::sample::Index,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        rows in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let maps = maps();
        let mut bytes = pick.get(&maps).0.clone();
        for (place, byte) in flips {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(map) = EncodedTableMap::new(&bytes).and_then(EncodedTableMap::parse) {
            prop_assert!(map.key.iter().all(|index| *index < map.columns.len()));
            read_rows(RowsKind::Write, &map, &rows);
            read_rows(RowsKind::Update, &map, &rows);
        }
    }

    #[test]
    fn a_recorded_event_with_flipped_bytes_is_an_error_or_a_value(
        pick: prop::sample::Index,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        map: prop::sample::Index,
    ) {
        let events = events();
        let index = 1 + pick.index(events.len() - 1);
        let mut body = events[index].data().to_vec();
        for (place, byte) in flips {
            if !body.is_empty() {
                let place = place.index(body.len());
                body[place] = byte;
            }
        }
        if let Some(event) = with_body(index, &body) {
            use_up(&event, &map.get(&maps()).1);
        }
    }
}
