//! The log of MySQL 5.7, put together by its manual: no names, no signs, no collations, and
//! transaction ids without times.

use bytes::Bytes;
use schema::position::BinlogPosition;
use schema::table::{Column, Declaration, Default as ColumnDefault, TableId, TableSchema};
use schema::types::charset::Charset;

use super::super::stream::{Place, StartPoint};
use super::*;
use crate::binlog::RawEvent;
use crate::snapshot::structure::{ChunkKey, Collation, Structure, Text};

/// Lengths of the fixed parts of events 1 to 38, as 5.7 lists them.
const POST_HEADERS: [u8; 38] = [
    0x38, 0x0d, 0, 8, 0, 0x12, 0, 4, 4, 4, 4, 0x12, 0, 0, 0x5f, 0, 4, 0x1a, 8, 0, 0, 0, 8, 8, 8, 2,
    0, 0, 0, 0x0a, 0x0a, 0x0a, 0x2a, 0x2a, 0, 0x12, 0x34, 0,
];

const UTF8MB4_GENERAL: u16 = 45;

fn event(kind: u8, log_pos: u32, body: &[u8]) -> Bytes {
    let mut event = vec![1, 0, 0, 0, kind, 7, 0, 0, 0];
    event.extend(u32::try_from(19 + body.len() + 4).unwrap().to_le_bytes());
    event.extend(log_pos.to_le_bytes());
    event.extend([0, 0]);
    event.extend(body);
    event.extend(crc32fast::hash(&event).to_le_bytes());
    Bytes::from(event)
}

fn format_description() -> Vec<u8> {
    let mut version = b"5.7.44-log".to_vec();
    version.resize(50, 0);
    [&[4, 0][..], &version, &[0; 4], &[19], &POST_HEADERS, &[1]].concat()
}

/// Flags, server, number, the number 2, two logical times.
fn gtid() -> Vec<u8> {
    let times = [7_u64.to_le_bytes(), 8_u64.to_le_bytes()].concat();
    [&[1][..], &[0xab; 16], &9_u64.to_le_bytes(), &[2], &times].concat()
}

/// `id INT UNSIGNED`, `name VARCHAR(20)`, `mood ENUM`, `at DATETIME(3)`, `data BLOB`.
fn table_map(nullable: u8) -> Vec<u8> {
    let head = [&[42, 0, 0, 0, 0, 0, 1, 0][..], b"\x04shop\0\x06orders\0"].concat();
    // VARCHAR of 80 bytes; STRING that is an ENUM of a byte; three digits; a length of two bytes.
    let metadata = [80, 0, 247, 1, 3, 2];
    [&head[..], &[5, 3, 15, 254, 18, 252, 6], &metadata, &[nullable]].concat()
}

/// A row of version 2 without extra data.
fn write_rows() -> Vec<u8> {
    let head = [42, 0, 0, 0, 0, 0, 1, 0, 2, 0, 5, 0b1_1111];
    let row = [&[0][..], &4_000_000_000_u32.to_le_bytes(), b"\x04z\xc3\xa4h", &[2]].concat();
    let moment = [0x99, 0xb2, 0xd7, 0x63, 0xc5, 0x1a, 0x18];
    [&head[..], &row, &moment, &[2, 0, 0xca, 0xfe]].concat()
}

fn column(name: &str, type_text: &str, column_type: ColumnType) -> Column {
    let declaration = Declaration {
        type_text: type_text.to_owned(),
        default: ColumnDefault::None,
        comment: String::new(),
    };
    Column { name: name.to_owned(), column_type, nullable: true, declaration: Some(declaration) }
}

/// What `information_schema` says of the table.
fn structure() -> Structure {
    let charset = Charset::of_collation(UTF8MB4_GENERAL).unwrap();
    let members = ["sad", "glad"].map(str::to_owned).to_vec();
    let fraction = Fraction::new(3).unwrap();
    let mut columns = vec![
        column("id", "int(10) unsigned", ColumnType::Int { unsigned: true }),
        column("name", "varchar(20)", ColumnType::Text { charset }),
        column("mood", "enum('sad','glad')", ColumnType::Enum { members }),
        column("at", "datetime(3)", ColumnType::DateTime { fraction }),
        column("data", "blob", ColumnType::Blob),
    ];
    columns[0].nullable = false;
    let text = |collation: Option<u16>, octets| Text {
        collation: collation.map(Collation::Number),
        octets,
    };
    Structure {
        schema: TableSchema { id: TableId::new("shop", "orders"), columns, key: vec![0] },
        charsets: vec![None, Some(charset), Some(charset), None, None],
        texts: vec![
            Text::default(),
            text(Some(UTF8MB4_GENERAL), 80),
            text(Some(UTF8MB4_GENERAL), 16),
            Text::default(),
            text(None, 65_535),
        ],
        chunk_key: ChunkKey::default(),
        key_order: Vec::new(),
    }
}

fn map_of(body: &[u8]) -> TableMap {
    let BinlogEvent::TableMap(encoded) = event::parse_body(19, body).unwrap() else { panic!() };
    encoded.parse().unwrap()
}

#[test]
fn a_transaction_of_5_7_is_read_with_the_definitions_names() {
    let begin = BinlogPosition::new("mysql-bin.000007", 4).unwrap();
    let mut place = Place::new(&StartPoint::Position(begin.clone()), begin);
    let bodies =
        [(15, format_description()), (33, gtid()), (19, table_map(0b1_1110)), (30, write_rows())];
    let mut end = 4;
    let events: Vec<RawEvent> = bodies
        .iter()
        .map(|(kind, body)| {
            end += u32::try_from(19 + body.len() + 4).unwrap();
            place.accept(event(*kind, end, body)).unwrap().unwrap()
        })
        .collect();

    let BinlogEvent::Gtid { gtid, committed_us } = events[1].parse().unwrap() else { panic!() };
    assert_eq!((gtid.unwrap().number, committed_us), (9, 0));
    let BinlogEvent::TableMap(encoded) = events[2].parse().unwrap() else { panic!() };
    let map = encoded.parse().unwrap();
    assert!(!map.has_names());
    let named = map.named(&structure()).unwrap();
    let BinlogEvent::Rows(rows) = events[3].parse().unwrap() else { panic!() };
    assert!(rows.is_full);
    let names: Vec<_> = named.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["id", "name", "mood", "at", "data"]);
    assert_eq!(named.key, [0]);
    let values = images(&named, rows.kind, rows.rows).remove(0);
    let values: Vec<_> = values.into_iter().map(|value| value.unwrap().unwrap()).collect();
    assert_eq!(values[..3], ["4000000000", "zäh", "glad"].map(str::to_owned));
    assert_eq!(values[3], "2024-03-11T22:15:05.668000Z");
    assert_eq!(values[4], "cafe");
}

/// Each of these the log of 5.7 contradicts.
#[test]
fn a_definition_that_is_not_the_logs_is_not_taken() {
    let map = map_of(&table_map(0b1_1110));
    assert!(map.named(&structure()).is_ok());

    let mut other = structure();
    other.schema.columns.pop();
    assert!(map.named(&other).unwrap_err().to_string().contains("5 columns, its definition 4"));

    let charset = Charset::of_collation(UTF8MB4_GENERAL).unwrap();
    let many: Vec<_> = (0..300).map(|number| number.to_string()).collect();
    for (place, column_type) in [
        (0, ColumnType::BigInt { unsigned: true }),
        (0, ColumnType::Text { charset }),
        (2, ColumnType::Enum { members: many }),
        (2, ColumnType::Set { members: vec!["a".to_owned()] }),
        (3, ColumnType::DateTime { fraction: Fraction::new(6).unwrap() }),
        (3, ColumnType::Timestamp { fraction: Fraction::new(3).unwrap() }),
        (4, ColumnType::Json),
    ] {
        let mut other = structure();
        other.schema.columns[place].column_type = column_type.clone();
        assert!(map.named(&other).is_err(), "{column_type:?}");
    }
    for (place, octets) in [(1, 84), (4, 255), (4, 16_777_215)] {
        let mut other = structure();
        other.texts[place].octets = octets;
        assert!(map.named(&other).is_err(), "{place} {octets}");
    }
    let mut padded = structure();
    padded.schema.columns[1].declaration.as_mut().unwrap().type_text = "char(20)".to_owned();
    assert!(map.named(&padded).is_err());
    assert!(map_of(&table_map(0b1_1111)).named(&structure()).is_err(), "nullable");
}

/// MySQL 8 logs signs and collations also without names.
#[test]
fn signs_and_collations_are_compared_where_the_log_has_them() {
    let with = |signs: u8, collation: u8| {
        // The BLOB is one of the character columns, of the collation `binary`.
        map_of(&[&table_map(0b1_1110)[..], &[1, 1, signs, 3, 2, collation, 63]].concat())
    };

    assert!(with(0x80, 45).named(&structure()).is_ok());
    assert!(with(0x00, 45).named(&structure()).is_err(), "signed");
    assert!(with(0x80, 46).named(&structure()).is_err(), "utf8mb4_bin");
}

#[test]
fn members_that_the_server_does_not_show_are_not_guessed() {
    let map = map_of(&table_map(0b1_1110));
    let mut hidden = structure();
    hidden.schema.columns[2].column_type =
        ColumnType::Enum { members: vec!["?".to_owned(), "glad".to_owned()] };

    let error = map.named(&hidden).unwrap_err().to_string();
    assert!(error.contains("members of column `mood`"), "{error}");

    // In latin1 it can only be itself.
    hidden.charsets[2] = Charset::of_collation(8);
    assert!(map.named(&hidden).is_ok());
}
