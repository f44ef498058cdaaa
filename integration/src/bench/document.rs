//! From records to bulk JSON, as the sink does it: the id from the key, the document from the
//! value, and the two lines of a bulk request.
//!
//! A row has ten columns and about 200 bytes, in Debezium's envelope of an insert: what a topic
//! holds most of. The generic twin differs in the document only.

mod rows;

use std::hint::black_box;
use std::sync::Arc;

use es_sink::bulk_action::{ActionLine, ActionLines, LineOptions, Verb};
use schema::plan::document::{
    DecodeError, DocumentOptions, DocumentPlan, GenericDocument, IdPlan, Row, RowChange,
};

use super::Bench;
use super::measure::{Effort, Input, Measured, measure};
use rows::{KEY_SCHEMA, Record, value_schema};

/// Different rows, so that no branch is learnt by heart.
const ROWS: u32 = 1_000;
const INDEX: &str = "shop.shop.orders";

/// Both paths.
pub const BENCHES: [Bench; 2] = [
    Bench { name: "avro_to_json", run: |effort| Ok(avro_to_json(effort)) },
    Bench { name: "avro_to_json_generic", run: |effort| Ok(avro_to_json_generic(effort)) },
];

/// Documents by the compiled plan.
///
/// # Panics
///
/// Panics when the bench's own schema makes no plan.
#[must_use]
pub fn avro_to_json(effort: Effort) -> Measured {
    let plan = DocumentPlan::compile(&value_schema(), DocumentOptions::default())
        .expect("the bench's own schema makes a plan");
    bulk_bodies("avro_to_json", effort, |body, out| plan.run(body, out))
}

/// Documents by way of a tree of values.
///
/// # Panics
///
/// Panics when the bench's own schema makes no documents.
#[must_use]
pub fn avro_to_json_generic(effort: Effort) -> Measured {
    let generic = GenericDocument::new(&value_schema(), DocumentOptions::default())
        .expect("the bench's own schema makes documents");
    bulk_bodies("avro_to_json_generic", effort, |body, out| generic.run(body, out))
}

/// Turns all rows into one bulk body, again and again. Buffers are reused, as a batch does.
fn bulk_bodies(
    bench: &'static str,
    effort: Effort,
    document: impl Fn(&[u8], &mut Vec<u8>) -> Result<Row, DecodeError>,
) -> Measured {
    let records: Vec<Record> = (0..ROWS).map(Record::new).collect();
    let bytes = records.iter().map(|record| record.key.len() + record.value.len()).sum::<usize>();
    let input = Input { rows: ROWS.into(), bytes: u64::try_from(bytes).unwrap_or(u64::MAX) };
    let ids = IdPlan::compile(KEY_SCHEMA).expect("the bench's own key makes ids");
    let (mut id, mut documents, mut body) = (String::new(), Vec::new(), Vec::new());
    let index = Arc::from(INDEX);
    measure(bench, input, effort, || {
        let mut lines = ActionLines::default();
        documents.clear();
        body.clear();
        for record in &records {
            id.clear();
            ids.run(&record.key, &mut id).expect("the bench's own key fits its schema");
            let row = document(&record.value, &mut documents)
                .expect("the bench's own record fits its schema");
            let version = row.lsn.map_or(0, schema::lsn::Lsn::value);
            if let RowChange::Upsert { document } = row.change {
                let (version, options) = (Some(version), LineOptions::default());
                let line =
                    ActionLine { verb: Verb::Index, index: &index, id: &id, version, options };
                lines.write(&line, &mut body);
                body.extend_from_slice(documents.get(document).unwrap_or_default());
                body.push(b'\n');
            }
        }
        black_box(&body);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_paths_give_the_same_documents() {
        let plan = DocumentPlan::compile(&value_schema(), DocumentOptions::default()).unwrap();
        let generic = GenericDocument::new(&value_schema(), DocumentOptions::default()).unwrap();
        for record in (0..ROWS).map(Record::new) {
            let (mut planned, mut plain) = (Vec::new(), Vec::new());

            let row = plan.run(&record.value, &mut planned).unwrap();

            assert_eq!(row, generic.run(&record.value, &mut plain).unwrap());
            assert_eq!(str::from_utf8(&planned), str::from_utf8(&plain));
            let document: serde_json::Value = serde_json::from_slice(&planned).unwrap();
            assert_eq!(document.as_object().unwrap().len(), 10);
        }
    }
}
