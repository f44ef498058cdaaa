//! An Elasticsearch and a schema registry in one, in this process, that fail on request.

mod fake;
#[cfg(test)]
mod rows;

pub use fake::{FakeServer, Fault, Phase, Product, SearchFault};
#[cfg(test)]
pub(crate) use rows::{
    Change, DATED_SCHEMA_ID, dated_record, flat_record, pair_record, record, sweep_record,
    text_record, truncate_record,
};
