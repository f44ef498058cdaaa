//! Records on their way to the producer's thread: encoded into one buffer, sent as a unit.

use std::ops::Range;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::open_records::OpenRecord;

/// A topic that a producer writes to, by its place in the producer's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicIndex(pub(super) usize);

impl TopicIndex {
    /// The first topic of a producer.
    pub const FIRST: Self = Self(0);

    /// A place in a list that is not a producer's: of records that are not sent as they are.
    #[must_use]
    pub fn of_draft(place: usize) -> Self {
        Self(place)
    }

    /// The place in the list.
    #[must_use]
    pub fn place(self) -> usize {
        self.0
    }
}

/// Header that carries the order of a record that has no envelope.
pub const LSN_HEADER: &str = "rowcast.lsn";

/// Header with the kind of a control record.
pub const CONTROL_HEADER: &str = "rowcast.control";

/// Header with the table that a control record is about, as `database.table`.
pub const TABLE_HEADER: &str = "rowcast.table";

/// Header with the number below which a sweep takes what is older.
pub const SWEEP_HEADER: &str = "rowcast.sweep.before";

/// Header with the key that a row will have, on the delete that ends its old key.
pub const NEW_KEY_HEADER: &str = "__debezium.newkey";

/// Header with the key that a row had, on the create that begins its new key.
pub const OLD_KEY_HEADER: &str = "__debezium.oldkey";

/// A header's name: one of ours, or one that the settings chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderName {
    /// Known when rowcast was compiled.
    Fixed(&'static str),
    /// Known when a plan was compiled.
    Chosen(Arc<str>),
}

impl HeaderName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Fixed(name) => name,
            Self::Chosen(name) => name,
        }
    }
}

/// One record of a batch.
#[derive(Debug, Clone, Copy)]
pub struct BatchRecord<'a> {
    /// Where it goes.
    pub topic: TopicIndex,
    /// The partition that was chosen for it.
    pub partition: i32,
    /// Its key; empty is none.
    pub key: &'a [u8],
    /// Its value; none for a tombstone.
    pub value: Option<&'a [u8]>,
    headers: &'a [HeaderSlot],
    batch: &'a RecordBatch,
}

impl<'a> BatchRecord<'a> {
    /// Its headers in their order; `None` is a header without a value.
    pub fn headers(&self) -> impl Iterator<Item = (&'a HeaderName, Option<&'a [u8]>)> + use<'a> {
        let batch = self.batch;
        self.headers
            .iter()
            .map(move |(name, value)| (name, value.as_ref().map(|range| batch.slice(range))))
    }
}

/// Encoded records and the offsets that are true once they are delivered.
#[derive(Debug, Default)]
pub struct RecordBatch {
    pub(super) bytes: Vec<u8>,
    pub(super) records: Vec<RecordSlot>,
    headers: Vec<HeaderSlot>,
    /// Milliseconds since 1970 of records that have a time of their own, and the place of each: few
    /// connectors give any.
    times: Vec<(usize, i64)>,
    /// Keys and values for the offsets topic.
    pub(super) offsets: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Whether a MySQL transaction ends here, so that a Kafka transaction can.
    pub(super) is_boundary: bool,
    /// What was left open and is ended; such a batch has nothing else.
    pub(super) left_open: Option<LeftOpen>,
}

/// Transactions that are aborted: their first records, and who is told when it has happened.
#[derive(Debug)]
pub(super) struct LeftOpen {
    pub(super) records: Vec<OpenRecord>,
    pub(super) ended: oneshot::Sender<()>,
}

/// Where one record is in the batch's bytes: key, value, headers, one behind the other. Small,
/// because a batch has thousands.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordSlot {
    pub(super) topic: TopicIndex,
    pub(super) partition: i32,
    key_start: usize,
    key_end: usize,
    value_end: usize,
    has_value: bool,
    /// Its headers among the batch's.
    headers_start: usize,
    headers_end: usize,
}

impl RecordSlot {
    pub(super) fn key(&self) -> Range<usize> {
        self.key_start..self.key_end
    }

    /// None for a tombstone.
    pub(super) fn value(&self) -> Option<Range<usize>> {
        self.has_value.then_some(self.key_end..self.value_end)
    }
}

/// A header's name, and where its value is; none has no value.
pub(super) type HeaderSlot = (HeaderName, Option<Range<usize>>);

/// A record that was written into a batch's buffer: its parts end where they are said to.
#[derive(Debug, Clone, Copy)]
pub struct RecordBounds {
    /// Where the key begins. An empty one is none.
    pub key_start: usize,
    /// Where the key ends and the value begins.
    pub key_end: usize,
    /// Whether there is a value; without one the record is a tombstone.
    pub has_value: bool,
}

impl RecordBatch {
    /// One that ends what was left open.
    pub(super) fn of_open(left_open: LeftOpen) -> Self {
        Self { left_open: Some(left_open), ..Self::default() }
    }

    /// The buffer to append a record's key, and then its value, to.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Bytes that the batch holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Records in the batch.
    #[must_use]
    pub fn records(&self) -> usize {
        self.records.len()
    }

    /// Whether it holds neither a record nor an offset.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.offsets.is_empty()
    }

    /// Takes what was appended to the buffer as one record.
    pub fn push(&mut self, topic: TopicIndex, partition: i32, bounds: RecordBounds) {
        let headers = self.headers.len();
        self.records.push(RecordSlot {
            topic,
            partition,
            key_start: bounds.key_start,
            key_end: bounds.key_end,
            value_end: self.bytes.len(),
            has_value: bounds.has_value,
            headers_start: headers,
            headers_end: headers,
        });
    }

    /// The headers of a record.
    pub(super) fn headers(&self, record: &RecordSlot) -> &[HeaderSlot] {
        let range = record.headers_start..record.headers_end;
        self.headers.get(range).unwrap_or_default()
    }

    /// The records in their order.
    pub fn iter(&self) -> impl Iterator<Item = BatchRecord<'_>> {
        self.records.iter().map(|record| BatchRecord {
            topic: record.topic,
            partition: record.partition,
            key: self.slice(&record.key()),
            value: record.value().map(|value| self.slice(&value)),
            headers: self.headers(record),
            batch: self,
        })
    }

    /// Gives the last record a time of its own: milliseconds since 1970.
    pub fn set_time(&mut self, ms: i64) {
        self.times.push((self.records.len().saturating_sub(1), ms));
    }

    /// The time of the record at a place, if it has one of its own.
    #[must_use]
    pub fn time(&self, place: usize) -> Option<i64> {
        let found = self.times.binary_search_by_key(&place, |(place, _)| *place).ok()?;
        self.times.get(found).map(|(_, ms)| *ms)
    }

    /// Adds a header to the last record; `None` is a header without a value.
    pub fn push_header(&mut self, name: HeaderName, value: Option<&[u8]>) {
        let range = value.map(|value| {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(value);
            start..self.bytes.len()
        });
        self.headers.push((name, range));
        if let Some(record) = self.records.last_mut() {
            record.headers_end = self.headers.len();
        }
    }

    /// The bytes of the key that begins and ends there, for choosing its partition.
    #[must_use]
    pub fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    /// Takes back everything from a mark on: the record there could not be encoded.
    pub fn truncate(&mut self, records: usize, bytes: usize) {
        let headers = self.records.get(records).map(|record| record.headers_start);
        self.headers.truncate(headers.unwrap_or(self.headers.len()));
        self.times.retain(|(place, _)| *place < records);
        self.records.truncate(records);
        self.bytes.truncate(bytes);
    }

    /// Adds an offset record: a later one for the same key takes its place.
    pub fn set_offset(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.put_offset(key, Some(value));
    }

    /// Adds an offset record that takes the offset of its key away.
    pub fn reset_offset(&mut self, key: Vec<u8>) {
        self.put_offset(key, None);
    }

    fn put_offset(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.offsets.retain(|(existing, _)| *existing != key);
        self.offsets.push((key, value));
    }

    /// Marks the end of the batch as the end of a MySQL transaction.
    pub fn end_at_boundary(&mut self) {
        self.is_boundary = true;
    }
}
