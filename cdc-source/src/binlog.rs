//! The binary log: events off the wire, their positions and their meaning.

mod error;
mod event;
mod stream;
pub(crate) mod table_map;

pub(crate) use error::BinlogError;
pub(crate) use event::{BinlogEvent, RowsEvent, RowsKind};
pub(crate) use stream::{BinlogStream, RawEvent, StartPoint};
