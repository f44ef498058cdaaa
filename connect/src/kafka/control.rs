//! Control records: what a source tells whoever follows one of its topics, beside the rows.
//!
//! To everybody else a control record is a tombstone of a key that no row has: its value is null,
//! and its key has a schema of its own. What it says is in its headers, so that it is known without
//! a registry and whatever the format of the topic is. It has a number of its own in [`LSN_HEADER`],
//! like every record without an envelope.

use std::sync::Arc;

use schema::avro::put_bytes;
use schema::lsn::Lsn;
use schema::registry::SchemaId;

use super::batch::{
    CONTROL_HEADER, HeaderName, LSN_HEADER, RecordBatch, RecordBounds, SWEEP_HEADER, TABLE_HEADER,
    TopicIndex,
};

/// What a control record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// What is older than a number and has not been written again is not in the table any more.
    Sweep(Sweep),
}

/// The end of a new snapshot, or a table that was emptied.
///
/// It is in every partition of the table's topic, all of them in one Kafka transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    /// `database.table`.
    pub table: Arc<str>,
    /// The number from before the first row of the snapshot was read.
    pub before: Lsn,
}

/// Headers that say nothing that this program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// It says something else than this program knows.
    #[error("is of a kind that is not known here")]
    Unknown,
    /// It does not say for which table, or up to which number.
    #[error("lacks `{TABLE_HEADER}` or a log sequence number in `{SWEEP_HEADER}`")]
    Incomplete,
}

/// The value of [`CONTROL_HEADER`].
const SWEEP: &str = "sweep";

/// The registry's frame begins with it.
const MAGIC: u8 = 0;

impl Control {
    /// The subject of the keys' schema.
    pub const KEY_SUBJECT: &str = "rowcast.control-key";

    /// The schema of the keys.
    pub const KEY_SCHEMA: &str = concat!(
        r#"{"type":"record","name":"Control","namespace":"rowcast","fields":["#,
        r#"{"name":"control","type":"string"},{"name":"table","type":"string"}]}"#
    );

    /// Adds the record to a batch; `lsn` is its own number. `key_schema` is the registry's number of
    /// [`Self::KEY_SCHEMA`].
    pub fn push(
        &self,
        (topic, partition): (TopicIndex, i32),
        key_schema: SchemaId,
        lsn: Lsn,
        batch: &mut RecordBatch,
    ) {
        let Self::Sweep(Sweep { table, before }) = self;
        let key_start = batch.bytes();
        let buffer = batch.buffer();
        buffer.push(MAGIC);
        buffer.extend_from_slice(&key_schema.0.to_be_bytes());
        put_bytes(SWEEP.as_bytes(), buffer);
        put_bytes(table.as_bytes(), buffer);
        let key_end = buffer.len();
        batch.push(topic, partition, RecordBounds { key_start, key_end, has_value: false });
        let (before, lsn) = (before.to_string(), lsn.to_string());
        for (name, value) in [
            (CONTROL_HEADER, SWEEP),
            (TABLE_HEADER, table),
            (SWEEP_HEADER, &before),
            (LSN_HEADER, &lsn),
        ] {
            batch.push_header(HeaderName::Fixed(name), Some(value.as_bytes()));
        }
    }

    /// Reads the headers of a record that has [`CONTROL_HEADER`].
    ///
    /// # Errors
    ///
    /// Returns [`ControlError`] when they are not such as [`Self::push`] writes.
    pub fn parse(
        kind: &[u8],
        table: Option<&[u8]>,
        before: Option<&[u8]>,
    ) -> Result<Self, ControlError> {
        if kind != SWEEP.as_bytes() {
            return Err(ControlError::Unknown);
        }
        let table = table.and_then(|table| str::from_utf8(table).ok());
        let before = before.and_then(|before| str::from_utf8(before).ok()?.parse().ok());
        let (Some(table), Some(before)) = (table.filter(|table| !table.is_empty()), before) else {
            return Err(ControlError::Incomplete);
        };
        Ok(Self::Sweep(Sweep { table: table.into(), before }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_a_tombstone_whose_headers_say_it_all() {
        let (before, last) = (Lsn::new(1_700_000_000_000_000), Lsn::new(1_700_000_000_000_042));
        let sweep = Sweep { table: "shop.orders".into(), before: before.unwrap() };
        let mut batch = RecordBatch::default();

        let place = (TopicIndex::FIRST, 3);
        Control::Sweep(sweep.clone()).push(place, SchemaId(258), last.unwrap(), &mut batch);

        let record = batch.records[0];
        assert_eq!((record.partition, record.value()), (3, None));
        assert_eq!(batch.slice(&record.key()), b"\0\0\0\x01\x02\x0asweep\x16shop.orders");
        let headers: Vec<_> = batch
            .headers(&record)
            .iter()
            .map(|(name, range)| (name.as_str(), batch.slice(range.as_ref().unwrap())))
            .collect();
        assert_eq!(
            headers,
            [
                ("rowcast.control", &b"sweep"[..]),
                ("rowcast.table", b"shop.orders"),
                ("rowcast.sweep.before", b"1700000000000000"),
                ("rowcast.lsn", b"1700000000000042"),
            ]
        );
        let parsed = Control::parse(headers[0].1, Some(headers[1].1), Some(headers[2].1));
        assert_eq!(parsed, Ok(Control::Sweep(sweep)));
    }

    #[test]
    fn what_is_not_known_or_not_complete_is_refused() {
        let before = Some(&b"7"[..]);
        let incomplete = Err(ControlError::Incomplete);

        assert_eq!(Control::parse(b"merge", Some(b"a.b"), before), Err(ControlError::Unknown));
        assert_eq!(Control::parse(b"sweep", None, before), incomplete);
        assert_eq!(Control::parse(b"sweep", Some(b""), before), incomplete);
        assert_eq!(Control::parse(b"sweep", Some(b"\xff"), before), incomplete);
        assert_eq!(Control::parse(b"sweep", Some(b"a.b"), None), incomplete);
        assert_eq!(Control::parse(b"sweep", Some(b"a.b"), Some(b"x")), incomplete);
    }
}
