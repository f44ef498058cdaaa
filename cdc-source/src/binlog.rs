//! The binary log: events off the wire, their positions and their meaning.

pub(crate) mod continuity;
mod error;
pub(crate) mod event;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod header;
mod payload;
pub(crate) mod reader;
mod stream;
pub(crate) mod table_map;
#[cfg(test)]
mod tests;

pub(crate) use error::{BinlogError, Feature};
pub(crate) use event::{BinlogEvent, Query, RowsEvent, RowsKind};
pub(crate) use stream::{BinlogStream, RawEvent, StartPoint};
