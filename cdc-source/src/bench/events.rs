//! The log of the benches: orders of a shop, ten columns and about two hundred bytes a row.
//!
//! ```sql
//! CREATE TABLE orders (id BIGINT PRIMARY KEY, customer_id INT NOT NULL,
//!   status ENUM('new','paid','sent') NOT NULL, quantity SMALLINT NOT NULL,
//!   price DECIMAL(10,2) NOT NULL, name VARCHAR(100) NOT NULL, email VARCHAR(100),
//!   note VARCHAR(500), ordered_at DATETIME(3) NOT NULL, updated_at TIMESTAMP(6))
//! ```

use crate::binlog::event::kind;

/// Rows of an insert event in the bulk workload.
const ROWS_PER_EVENT: u32 = 1_000;
/// Rows of a workload: more than the caches hold.
const ROWS: u32 = 10_000;

/// A part of a log.
pub struct Workload {
    /// Its events, one behind the other.
    pub log: Vec<u8>,
    /// The rows in it.
    pub rows: u64,
}

/// Transactions of one insert event of 1,000 rows each.
#[must_use]
pub fn bulk_inserts() -> Workload {
    let mut log = Log::default();
    for first in (0..ROWS).step_by(usize::try_from(ROWS_PER_EVENT).unwrap_or(usize::MAX)) {
        let mut body = rows_head(&[0xff]);
        for number in first..first + ROWS_PER_EVENT {
            row(number, 0, &mut body);
        }
        log.transaction(kind::WRITE_ROWS, &body);
    }
    Workload { log: log.bytes, rows: ROWS.into() }
}

/// Transactions that change one row each.
#[must_use]
pub fn single_row_updates() -> Workload {
    let mut log = Log::default();
    for number in 0..ROWS {
        let mut body = rows_head(&[0xff, 0xff]);
        row(number, 0, &mut body);
        row(number, 1, &mut body);
        log.transaction(kind::UPDATE_ROWS, &body);
    }
    Workload { log: log.bytes, rows: ROWS.into() }
}

#[derive(Default)]
struct Log {
    bytes: Vec<u8>,
    transactions: u64,
}

impl Log {
    fn transaction(&mut self, kind_of_rows: u8, rows: &[u8]) {
        self.transactions += 1;
        self.event(kind::GTID, &gtid(self.transactions));
        self.event(kind::QUERY, &begin());
        self.event(kind::TABLE_MAP, &table_map());
        self.event(kind_of_rows, rows);
        self.event(kind::XID, &self.transactions.to_le_bytes());
    }

    fn event(&mut self, kind: u8, body: &[u8]) {
        let start = self.bytes.len();
        let size = u32::try_from(19 + body.len() + 4).unwrap_or(u32::MAX);
        let position = u32::try_from(start).unwrap_or(u32::MAX).wrapping_add(size);
        self.bytes.extend_from_slice(&1_795_227_115_u32.to_le_bytes());
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&1_u32.to_le_bytes());
        self.bytes.extend_from_slice(&size.to_le_bytes());
        self.bytes.extend_from_slice(&position.to_le_bytes());
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(body);
        let checksum = crc32fast::hash(self.bytes.get(start..).unwrap_or_default());
        self.bytes.extend_from_slice(&checksum.to_le_bytes());
    }
}

/// As 9.7 writes it: flags, server, number, logical times, time of the commit, length, version.
fn gtid(number: u64) -> Vec<u8> {
    let mut body = vec![1];
    body.extend_from_slice(&[
        0x7b, 0x40, 0xb9, 0x03, 0xe5, 0x4c, 0x11, 0xf1, 0x95, 0x37, 0x02, 0xfc, 0, 0, 0, 1,
    ]);
    body.extend_from_slice(&number.to_le_bytes());
    body.push(2);
    body.extend_from_slice(&(number - 1).to_le_bytes());
    body.extend_from_slice(&number.to_le_bytes());
    let [committed @ .., _] = (1_795_227_115_320_977_u64 + number).to_le_bytes();
    body.extend_from_slice(&committed);
    body.extend_from_slice(&[0xfc, 0, 4]);
    body.extend_from_slice(&90_704_u32.to_le_bytes());
    body
}

fn begin() -> Vec<u8> {
    let mut body = 50_u32.to_le_bytes().to_vec();
    body.extend_from_slice(&[0; 4]);
    body.push(4);
    body.extend_from_slice(&[0, 0]);
    // The status variables that 9.7 writes are as long; what they say is not read.
    body.extend_from_slice(&39_u16.to_le_bytes());
    body.extend_from_slice(&[0; 39]);
    body.extend_from_slice(b"shop\0BEGIN");
    body
}

/// Number, flags, names, types, their metadata, which can be NULL, and what
/// `binlog_row_metadata=FULL` adds.
fn table_map() -> Vec<u8> {
    let types = [8, 3, 254, 2, 246, 15, 15, 15, 18, 17];
    let metadata = [247, 1, 10, 2, 0x90, 1, 0x90, 1, 0xd0, 7, 3, 6];
    let names = [
        "id",
        "customer_id",
        "status",
        "quantity",
        "price",
        "name",
        "email",
        "note",
        "ordered_at",
        "updated_at",
    ];
    let mut body = vec![90, 0, 0, 0, 0, 0, 1, 0];
    body.extend_from_slice(b"\x04shop\0\x06orders\0\x0a");
    body.extend_from_slice(&types);
    body.push(u8::try_from(metadata.len()).unwrap_or_default());
    body.extend_from_slice(&metadata);
    body.extend_from_slice(&[0b1100_0000, 0b10]);
    let mut field = |kind: u8, value: &[u8]| {
        body.push(kind);
        body.push(u8::try_from(value.len()).unwrap_or_default());
        body.extend_from_slice(value);
    };
    // Signedness, the collation utf8mb4_0900_ai_ci, names, members and theirs, the primary key.
    field(1, &[0]);
    field(2, &[0xfc, 0xff, 0]);
    let prefixed = |name: &&str| {
        std::iter::once(u8::try_from(name.len()).unwrap_or_default()).chain(name.bytes()).collect()
    };
    field(4, &names.iter().map(prefixed).collect::<Vec<Vec<u8>>>().concat());
    field(6, b"\x03\x03new\x04paid\x04sent");
    field(10, &[0xfc, 0xff, 0]);
    field(8, &[0]);
    body
}

/// Number, flags, no extra data, ten columns, and which of them each image has.
fn rows_head(present: &[u8]) -> Vec<u8> {
    let mut body = vec![90, 0, 0, 0, 0, 0, 1, 0, 2, 0, 10];
    present.iter().for_each(|first| body.extend_from_slice(&[*first, 0b11]));
    body
}

/// The image of an order, before or after it was changed. Numbers, texts and NULLs vary.
fn row(number: u32, version: u32, out: &mut Vec<u8>) {
    let has_email = !number.is_multiple_of(8);
    out.extend_from_slice(&[if has_email { 0 } else { 0b0100_0000 }, 0]);
    out.extend_from_slice(&(4_000_000 + u64::from(number)).to_le_bytes());
    out.extend_from_slice(&(number.wrapping_mul(7919) % 1_000_000).to_le_bytes());
    let status = (number + version) % 3 + 1;
    let quantity = number % 50 + 1;
    out.extend_from_slice(status.to_le_bytes().get(..1).unwrap_or_default());
    out.extend_from_slice(quantity.to_le_bytes().get(..2).unwrap_or_default());
    // DECIMAL(10,2): eight digits in four bytes, two in one.
    let units = 0x8000_0000 | (number.wrapping_mul(104_729) % 1_000_000);
    out.extend_from_slice(&units.to_be_bytes());
    out.extend_from_slice((number % 100).to_le_bytes().get(..1).unwrap_or_default());
    let mut text = |prefix_bytes: usize, text: &str| {
        let length = text.len().to_le_bytes();
        out.extend_from_slice(length.get(..prefix_bytes).unwrap_or_default());
        out.extend_from_slice(text.as_bytes());
    };
    text(2, &format!("Order of customer {number} – Zoë"));
    if has_email {
        text(2, &format!("customer.{number}@example.com"));
    }
    let note = "delivered to the neighbour, who said that it was \"much too heavy\" for one";
    text(2, &format!("{note}; attempt {version}, number {}", number % 977));
    moments(number, version, out);
}

/// DATETIME(3) and TIMESTAMP(6).
fn moments(number: u32, version: u32, out: &mut Vec<u8>) {
    let (day, minute) = (u64::from(number % 28 + 1), u64::from(number % 60));
    let packed = 1 << 39 | (2026 * 13 + 11) << 22 | day << 17 | 12 << 12 | minute << 6 | 7;
    out.extend_from_slice(packed.to_be_bytes().get(3..).unwrap_or_default());
    out.extend_from_slice((number % 1000 * 10).to_be_bytes().get(2..).unwrap_or_default());
    out.extend_from_slice(&(1_795_000_000 + number + version).to_be_bytes());
    out.extend_from_slice((number % 1_000_000).to_be_bytes().get(1..).unwrap_or_default());
}
