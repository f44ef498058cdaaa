//! The place of each change in its transaction, and the records where a transaction begins and
//! ends, for `provide.transaction.metadata`.
//!
//! The counts of an open transaction are in the stream's offset, as Debezium's are. So whoever goes
//! on inside one knows that its beginning was told, and how many of its events.

use std::collections::HashMap;

use connect::kafka::batch::{RecordBatch, RecordBounds, TopicIndex};
use connect::kafka::partition_of;
use schema::avro::{FRAME_BYTES, frame};
use schema::change::RowChange;
use schema::envelope::TransactionBlock;
use schema::offset::TransactionCounts;
use schema::plan::record::{RecordPlan, Row};
use schema::table::TableId;
use schema::transaction_metadata::{write_begin, write_end, write_key};

use super::record_writer::{Scratch, key_changes};
use crate::tables::SideTopic;

/// Counts the changes of one transaction.
#[derive(Debug)]
pub(crate) struct TransactionOrder {
    records: TransactionRecords,
    /// Its GTID, or where it begins.
    id: String,
    /// When it was committed, milliseconds since 1970.
    ts_ms: i64,
    /// Whether its beginning was told.
    is_begun: bool,
    /// Whether what was emitted before a restart has to be counted: the offset did not say.
    counts_skipped: bool,
    total: i64,
    /// Tables in the order in which they have come, and where each is.
    tables: Vec<(String, i64)>,
    places: HashMap<TableId, usize>,
    /// What an offset says of the transaction that comes next.
    resumed: Option<TransactionCounts>,
}

/// Where the records go, and what stands before their keys and values.
#[derive(Debug)]
struct TransactionRecords {
    topic: TopicIndex,
    partitions: i32,
    key_frame: [u8; FRAME_BYTES],
    value_frame: [u8; FRAME_BYTES],
}

impl TransactionRecords {
    fn push(&self, id: &str, batch: &mut RecordBatch, write: impl FnOnce(&mut Vec<u8>)) {
        let key_start = batch.bytes();
        batch.buffer().extend_from_slice(&self.key_frame);
        write_key(id, batch.buffer());
        let key_end = batch.bytes();
        let partition = partition_of(batch.slice(&(key_start..key_end)), self.partitions);
        batch.buffer().extend_from_slice(&self.value_frame);
        write(batch.buffer());
        batch.push(self.topic, partition, RecordBounds { key_start, key_end, has_value: true });
    }
}

impl TransactionOrder {
    /// Begins with what an offset says.
    pub(crate) fn new(topic: &SideTopic, resumed: Option<TransactionCounts>) -> Self {
        let SideTopic { topic, partitions, ids: (key, value), .. } = *topic;
        let (key_frame, value_frame) = (frame(key), frame(value));
        Self {
            records: TransactionRecords { topic, partitions, key_frame, value_frame },
            id: String::new(),
            ts_ms: 0,
            is_begun: false,
            counts_skipped: false,
            total: 0,
            tables: Vec::new(),
            places: HashMap::new(),
            resumed,
        }
    }

    /// A transaction begins that was committed then.
    pub(crate) fn begin(&mut self, id: String, ts_ms: i64) {
        self.clear();
        (self.id, self.ts_ms) = (id, ts_ms);
        let resumed = self.resumed.take().filter(|resumed| resumed.id == self.id);
        self.counts_skipped = resumed.is_none();
        if let Some(TransactionCounts { tables, .. }) = resumed {
            self.is_begun = true;
            self.total = tables.iter().map(|(_, count)| count).sum();
            self.tables = tables;
        }
    }

    /// Whether the open transaction's beginning was told.
    pub(crate) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Forgets what was told of the open transaction.
    pub(crate) fn clear(&mut self) {
        self.is_begun = false;
        self.total = 0;
        self.tables.clear();
        self.places.clear();
    }

    /// Tells that the transaction has begun, once.
    pub(crate) fn tell_begin(&mut self, batch: &mut RecordBatch) {
        if !self.is_begun {
            self.is_begun = true;
            self.records.push(&self.id, batch, |out| write_begin(&self.id, self.ts_ms, out));
        }
    }

    /// Tells that it has ended, if it was told that it has begun.
    pub(crate) fn tell_end(&mut self, batch: &mut RecordBatch) {
        if self.is_begun {
            let (id, tables) = (&self.id, &self.tables);
            self.records.push(id, batch, |out| write_end(id, tables, self.ts_ms, out));
        }
        self.clear();
    }

    /// What the offset has to say of the open transaction.
    pub(crate) fn counts(&self) -> Option<TransactionCounts> {
        let open = || TransactionCounts { id: self.id.clone(), tables: self.tables.clone() };
        self.resumed.clone().or_else(|| self.is_begun.then(open))
    }

    /// Whether changes that were emitted before a restart have to be counted.
    pub(crate) fn counts_skipped(&self) -> bool {
        self.counts_skipped
    }

    /// Counts a change that was emitted before a restart: two for a new key.
    pub(crate) fn skip<R: Row>(
        &mut self,
        record: &RecordPlan,
        table: &TableId,
        change: &RowChange<R>,
        scratch: &mut Scratch,
    ) {
        if !self.counts_skipped {
            return;
        }
        self.next(table);
        // A key that cannot be converted has parked its table then, and does again.
        if key_changes(record, change, scratch).unwrap_or_default() {
            self.next(table);
        }
    }

    /// The place of the next change, which is of this table.
    pub(crate) fn next(&mut self, table: &TableId) -> TransactionBlock<'_> {
        self.total += 1;
        let place = self.places.get(table).copied().unwrap_or_else(|| self.place(table));
        let collection_order = self.tables.get_mut(place).map_or(0, |(_, count)| {
            *count += 1;
            *count
        });
        TransactionBlock { id: &self.id, total_order: self.total, collection_order }
    }

    /// Where a table is that was not looked for yet: an offset may have brought it.
    fn place(&mut self, table: &TableId) -> usize {
        let name = table.to_string();
        let known = self.tables.iter().position(|(known, _)| *known == name);
        let place = known.unwrap_or(self.tables.len());
        if known.is_none() {
            self.tables.push((name, 0));
        }
        self.places.insert(table.clone(), place);
        place
    }

    /// How many changes were counted.
    pub(crate) fn total(&self) -> i64 {
        self.total
    }

    /// Takes changes of a table back that were counted since and are no records.
    pub(crate) fn take_back(&mut self, table: &TableId, total: i64) {
        let count = self.total - total;
        self.total = total;
        let Some(place) = self.places.get(table).copied() else { return };
        if let Some((_, counted)) = self.tables.get_mut(place) {
            *counted -= count;
            if *counted == 0 && place + 1 == self.tables.len() {
                self.tables.pop();
                self.places.remove(table);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use connect::kafka::RecordLimit;
    use schema::registry::SchemaId;

    use super::*;

    fn order(resumed: Option<TransactionCounts>) -> TransactionOrder {
        let ids = (SchemaId(1), SchemaId(2));
        let limit = RecordLimit::default();
        let topic = SideTopic { topic: TopicIndex::FIRST, partitions: 1, limit, ids };
        TransactionOrder::new(&topic, resumed)
    }

    fn tables() -> [TableId; 2] {
        [TableId::new("d", "a"), TableId::new("d", "b")]
    }

    #[test]
    fn changes_are_counted_in_all_and_by_table() {
        let mut order = order(None);
        let [a, b] = tables();
        let place = |block: TransactionBlock<'_>| (block.total_order, block.collection_order);

        order.begin("x".to_owned(), 1);
        let places = [place(order.next(&a)), place(order.next(&b)), place(order.next(&a))];
        order.begin("y".to_owned(), 1);
        let next = order.next(&a);

        assert_eq!(places, [(1, 1), (2, 1), (3, 2)]);
        assert_eq!((next.id, next.total_order, next.collection_order), ("y", 1, 1));
    }

    #[test]
    fn whoever_goes_on_inside_a_transaction_tells_its_end_and_not_its_beginning_again() {
        let [a, b] = tables();
        let (mut before, mut batch) = (order(None), RecordBatch::default());
        before.begin("x".to_owned(), 1);
        before.tell_begin(&mut batch);
        before.tell_begin(&mut batch);
        before.next(&b);
        before.next(&a);
        assert_eq!(batch.records(), 1);

        let mut after = order(before.counts());
        assert_eq!(after.counts(), before.counts(), "also before anything was read");
        after.begin("x".to_owned(), 1);
        after.tell_begin(&mut batch);
        assert_eq!(after.next(&b).collection_order, 2);
        assert_eq!(batch.records(), 1);
        assert!(!after.counts_skipped());
        let tables = vec![("d.b".to_owned(), 2), ("d.a".to_owned(), 1)];
        assert_eq!(after.counts(), Some(TransactionCounts { id: "x".to_owned(), tables }));

        after.tell_end(&mut batch);
        assert_eq!((batch.records(), after.counts()), (2, None));
        after.tell_end(&mut batch);
        assert_eq!(batch.records(), 2);
    }

    #[test]
    fn what_is_no_record_is_not_counted() {
        let [a, b] = tables();
        let (mut order, mut batch) = (order(None), RecordBatch::default());
        order.begin("x".to_owned(), 1);
        order.tell_begin(&mut batch);
        order.next(&a);
        let total = order.total();
        order.next(&b);
        order.next(&b);

        order.take_back(&b, total);

        let tables = vec![("d.a".to_owned(), 1)];
        assert_eq!(order.counts(), Some(TransactionCounts { id: "x".to_owned(), tables }));
        assert_eq!(order.next(&b).total_order, 2);
    }
}
