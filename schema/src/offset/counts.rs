//! How many events of a transaction were written: Debezium's fields of an offset.

use std::collections::BTreeMap;

use serde_json::Value;

/// Events of a transaction that were written, as Debezium counts them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionCounts {
    /// Its GTID, or `file=…,pos=…`.
    pub id: String,
    /// Of each table, by `database.table`.
    pub tables: Vec<(String, i64)>,
}

const ID: &str = "transaction_id";
const COUNT_PREFIX: &str = "transaction_data_collection_order_";

impl TransactionCounts {
    pub(super) fn to_raw(&self) -> BTreeMap<String, Value> {
        let count = |(table, count): &(String, i64)| {
            (format!("{COUNT_PREFIX}{table}"), Value::from(*count))
        };
        let mut fields: BTreeMap<_, _> = self.tables.iter().map(count).collect();
        fields.insert(ID.to_owned(), Value::from(self.id.as_str()));
        fields
    }

    /// None between transactions.
    pub(super) fn from_raw(fields: &BTreeMap<String, Value>) -> Option<Self> {
        let id = fields.get(ID)?.as_str()?.to_owned();
        let count = |(name, count): (&String, &Value)| {
            Some((name.strip_prefix(COUNT_PREFIX)?.to_owned(), count.as_i64()?))
        };
        Some(Self { id, tables: fields.iter().filter_map(count).collect() })
    }
}
