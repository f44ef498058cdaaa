//! Records about transactions, as Debezium's `provide.transaction.metadata` writes them beside the
//! rows: one where a transaction begins, and one at its end with its counts.

use crate::avro::{SchemaStyle, put_bytes, put_count, put_long, schema_text};
use crate::value::{Field, Kind, Schema};

/// The Avro schema of the keys.
#[must_use]
pub fn key_schema(style: SchemaStyle) -> String {
    let fields = vec![Field::new("id", Schema::new(Kind::String))];
    let name = "io.debezium.connector.common.TransactionMetadataKey".to_owned();
    schema_text(&Schema::record(name, Some(1), fields), style)
}

/// The Avro schema of the values.
#[must_use]
pub fn value_schema(style: SchemaStyle) -> String {
    let required = |name, kind| Field::new(name, Schema::new(kind));
    let collection =
        vec![required("data_collection", Kind::String), required("event_count", Kind::Int64)];
    let collection = Schema::record("event.collection".to_owned(), Some(1), collection);
    let collections = Schema::new(Kind::Array(Box::new(collection.optional())));
    let fields = vec![
        required("status", Kind::String),
        required("id", Kind::String),
        Field::new("event_count", Schema::new(Kind::Int64).optional()),
        Field::new("data_collections", collections.optional()),
        required("ts_ms", Kind::Int64),
    ];
    let name = "io.debezium.connector.common.TransactionMetadataValue".to_owned();
    schema_text(&Schema::record(name, Some(1), fields), style)
}

/// Appends a key; `id` is the transaction's GTID, or `file=…,pos=…`.
pub fn write_key(id: &str, out: &mut Vec<u8>) {
    put_bytes(id.as_bytes(), out);
}

/// Appends the value of a transaction's beginning, which was at `ts_ms` since 1970.
pub fn write_begin(id: &str, ts_ms: i64, out: &mut Vec<u8>) {
    put_bytes(b"BEGIN", out);
    put_bytes(id.as_bytes(), out);
    put_long(0, out);
    put_long(0, out);
    put_long(ts_ms, out);
}

/// Appends the value of a transaction's end: how many events it has of each table, in the order in
/// which the tables have come.
pub fn write_end(id: &str, tables: &[(String, i64)], ts_ms: i64, out: &mut Vec<u8>) {
    put_bytes(b"END", out);
    put_bytes(id.as_bytes(), out);
    put_long(1, out);
    put_long(tables.iter().map(|(_, count)| count).sum(), out);
    put_long(1, out);
    if !tables.is_empty() {
        put_count(tables.len(), out);
    }
    for (table, count) in in_order_of_java(tables) {
        put_long(1, out);
        put_bytes(table.as_bytes(), out);
        put_long(*count, out);
    }
    put_long(0, out);
    put_long(ts_ms, out);
}

/// The order in which Debezium writes them, so that the bytes are the same: that of Java's
/// `HashMap`, by buckets, and in one bucket as they have come.
fn in_order_of_java(tables: &[(String, i64)]) -> Vec<&(String, i64)> {
    let mut buckets = 16_usize;
    // It grows when it is fuller than three quarters.
    while tables.len() * 4 > buckets * 3 {
        buckets *= 2;
    }
    let bucket = |(table, _): &&(String, i64)| {
        let hash = table
            .encode_utf16()
            .fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
        usize::try_from(hash ^ (hash >> 16)).unwrap_or_default() & (buckets - 1)
    };
    let mut ordered: Vec<_> = tables.iter().collect();
    ordered.sort_by_key(bucket);
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a real Debezium registered them.
    #[test]
    fn the_schemas_are_debeziums() {
        assert_eq!(
            key_schema(SchemaStyle::Debezium),
            include_str!("../tests/golden/transaction-key.json").trim()
        );
        assert_eq!(
            value_schema(SchemaStyle::Debezium),
            include_str!("../tests/golden/transaction-value.json").trim()
        );
    }

    #[test]
    fn tables_are_in_debeziums_order() {
        let tables = ["gold.t_cpk", "gold.t_uk", "gold.t_nopk"].map(|name| (name.to_owned(), 1));

        let ordered: Vec<_> = in_order_of_java(&tables).iter().map(|(name, _)| &**name).collect();

        assert_eq!(ordered, ["gold.t_uk", "gold.t_cpk", "gold.t_nopk"]);
    }

    /// Values of Debezium 3.6.3.
    #[test]
    fn the_bytes_are_debeziums() {
        let id = "7b40b903-e54c-11f1-9537-02fc00000001:80";
        let (mut begin, mut end) = (Vec::new(), Vec::new());

        write_begin(id, 1_795_227_115_352, &mut begin);
        write_end(id, &[], 1_795_227_115_352, &mut end);

        let mut expected = b"\x0aBEGIN\x4e".to_vec();
        expected.extend_from_slice(id.as_bytes());
        expected.extend_from_slice(b"\0\0\xb0\xfd\xfe\xbd\xbf\x68");
        assert_eq!(begin, expected);
        let mut expected = b"\x06END\x4e".to_vec();
        expected.extend_from_slice(id.as_bytes());
        expected.extend_from_slice(b"\x02\0\x02\0\xb0\xfd\xfe\xbd\xbf\x68");
        assert_eq!(end, expected);
    }
}
