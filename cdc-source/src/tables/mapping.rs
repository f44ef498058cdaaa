//! What the numbers of `TABLE_MAP` events stand for.

use std::sync::Arc;

use schema::table::TableId;

use super::TablePlan;
use crate::binlog::table_map::{EncodedTableMap, TableMap};

/// What to do with row events of a table number.
#[derive(Debug, Clone)]
pub(crate) enum Mapping {
    /// The table is not captured.
    Ignored,
    /// The table is a helper of an online schema change.
    Helper,
    /// The table is captured but cannot go on.
    Parked,
    /// The table's rows are emitted.
    Captured { map: Arc<TableMap>, plan: Arc<TablePlan> },
}

/// What a table number stands for, and the `TABLE_MAP` that said so.
pub(super) struct Numbered {
    pub(super) bytes: Box<[u8]>,
    pub(super) mapping: Mapping,
    /// The rows' shape, if they are signals.
    pub(super) signals: Option<Arc<TableMap>>,
    /// Whether the next `TABLE_MAP` decides anew, whatever it says.
    pub(super) is_over: bool,
}

impl Numbered {
    /// The table that the `TABLE_MAP` is about.
    pub(super) fn table(&self, number: u64) -> Option<TableId> {
        EncodedTableMap { number, bytes: &self.bytes }.table()
    }
}
