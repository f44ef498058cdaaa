//! Plans: a table version or a writer schema, compiled once into a flat list of column operations
//! that runs for each record.

pub mod document;
pub mod record;
