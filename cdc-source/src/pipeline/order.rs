//! The place of each change in its transaction, for `provide.transaction.metadata`.

use std::collections::HashMap;

use schema::change::RowChange;
use schema::envelope::TransactionBlock;
use schema::plan::record::{RecordPlan, Row};
use schema::table::TableId;

use super::record_writer::{Scratch, key_changes};

/// Counts the changes of one transaction.
#[derive(Debug, Default)]
pub(crate) struct TransactionOrder {
    /// Its GTID, or where it begins.
    id: String,
    total: i64,
    /// By table; few tables are in one transaction.
    of_table: HashMap<TableId, i64>,
}

impl TransactionOrder {
    /// A transaction begins.
    pub(crate) fn begin(&mut self, id: String) {
        self.id = id;
        self.total = 0;
        self.of_table.clear();
    }

    /// Counts a change that was emitted before a restart: two for a new key.
    pub(crate) fn skip<R: Row>(
        &mut self,
        record: &RecordPlan,
        table: &TableId,
        change: &RowChange<R>,
        scratch: &mut Scratch,
    ) {
        self.next(table);
        // A key that cannot be converted has parked its table then, and does again.
        if key_changes(record, change, scratch).unwrap_or_default() {
            self.next(table);
        }
    }

    /// The place of the next change, which is of this table.
    pub(crate) fn next(&mut self, table: &TableId) -> TransactionBlock<'_> {
        self.total += 1;
        let collection_order = match self.of_table.get_mut(table) {
            Some(count) => {
                *count += 1;
                *count
            }
            None => {
                self.of_table.insert(table.clone(), 1);
                1
            }
        };
        TransactionBlock { id: &self.id, total_order: self.total, collection_order }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_counted_in_all_and_by_table() {
        let mut order = TransactionOrder::default();
        let (a, b) = (TableId::new("d", "a"), TableId::new("d", "b"));
        let place = |block: TransactionBlock<'_>| (block.total_order, block.collection_order);

        order.begin("x".to_owned());
        let places = [place(order.next(&a)), place(order.next(&b)), place(order.next(&a))];
        order.begin("y".to_owned());
        let next = order.next(&a);

        assert_eq!(places, [(1, 1), (2, 1), (3, 2)]);
        assert_eq!((next.id, next.total_order, next.collection_order), ("y", 1, 1));
    }
}
