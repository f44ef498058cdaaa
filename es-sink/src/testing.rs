//! An Elasticsearch and a schema registry in one, in this process, that fail on request.

mod fake_server;
mod rows;

pub(crate) use fake_server::{FakeServer, Fault, Phase, SearchFault};
pub(crate) use rows::{Change, flat_record, record, sweep_record, text_record};
