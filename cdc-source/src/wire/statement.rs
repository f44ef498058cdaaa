//! Statements and the rows that they return, by the text and by the binary protocol.

use std::sync::Arc;

use bytes::Bytes;
use mysql_common::constants::ColumnType;
use mysql_common::io::ParseBuf;
use mysql_common::packets::Column;
use mysql_common::proto::{Binary, Text};
use mysql_common::row::{Row, RowDeserializer};
use mysql_common::value::ServerSide;

use super::binary::ColumnForm;
use super::handshake::server_error;
use super::{WireConnection, WireError};
use crate::binlog::reader::Reader;

const COM_QUERY: u8 = 0x03;
const COM_STMT_PREPARE: u8 = 0x16;
const COM_STMT_EXECUTE: u8 = 0x17;
const COM_STMT_CLOSE: u8 = 0x19;

/// `SERVER_MORE_RESULTS_EXISTS`.
const MORE_RESULTS: u64 = 0x8;

/// Columns that a result may have: MySQL's own limit.
const COLUMNS_MAX: usize = 4096;

/// Longest packet that ends a result: a longer one with this first byte is a row.
const END_BYTES_MAX: usize = 8;

/// The two ways in which rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Numbers as text. The statement may be several.
    Text,
    /// Numbers are exact, one statement.
    Binary,
}

/// A statement whose rows are being read.
#[derive(Debug)]
pub(crate) struct Rows {
    protocol: Protocol,
    columns: Arc<[Column]>,
    /// What the columns' values look like in the binary protocol.
    forms: Arc<[ColumnForm]>,
    /// The number of a prepared statement.
    number: Option<[u8; 4]>,
    /// Whether all rows of the first result have come.
    is_over: bool,
}

impl Rows {
    /// What the columns' values look like in the binary protocol.
    pub(crate) fn forms(&self) -> &Arc<[ColumnForm]> {
        &self.forms
    }

    /// A row in memory of its own.
    pub(crate) fn parsed(&self, packet: &[u8]) -> Result<Row, WireError> {
        let (columns, mut buffer) = (Arc::clone(&self.columns), ParseBuf(packet));
        let row: std::io::Result<Row> = match self.protocol {
            Protocol::Text => {
                buffer.parse::<RowDeserializer<ServerSide, Text>>(columns).map(Into::into)
            }
            Protocol::Binary => {
                buffer.parse::<RowDeserializer<ServerSide, Binary>>(columns).map(Into::into)
            }
        };
        row.map_err(|_| WireError::Malformed("row"))
    }
}

impl WireConnection {
    /// Runs a statement; its rows are to be taken by [`next_packet`](Self::next_packet), all of them,
    /// before the next statement.
    pub(crate) async fn query(
        &mut self,
        protocol: Protocol,
        statement: &str,
    ) -> Result<Rows, WireError> {
        if std::mem::replace(&mut self.is_busy, true) {
            // Its answer was not waited for to the end.
            return Err(WireError::Malformed("answer to the statement before"));
        }
        let number = match protocol {
            Protocol::Text => {
                self.command(&[&[COM_QUERY], statement.as_bytes()].concat()).await?;
                None
            }
            Protocol::Binary => {
                let number = self.prepare(statement).await?;
                // No cursor, once, no parameters.
                let rest = [&number[..], &[0], &1_u32.to_le_bytes()].concat();
                self.command(&[&[COM_STMT_EXECUTE], &rest[..]].concat()).await?;
                Some(number)
            }
        };
        let (columns, forms) = (Arc::new([]), Arc::new([]));
        let mut rows = Rows { protocol, columns, forms, number, is_over: false };
        let has_more = self.head(&mut rows).await?;
        self.drain(&mut rows, has_more).await?;
        Ok(rows)
    }

    fn has_row(&self, rows: &Rows) -> bool {
        let next = self.reader.next_is();
        // Neither an error nor the end, behind which other results may follow.
        !rows.is_over
            && next.is_some_and(|(first, length)| {
                first != 0xff && (first != 0xfe || length > END_BYTES_MAX)
            })
    }

    /// The next row as it came, if it is here.
    pub(crate) fn row_here(&mut self, rows: &Rows) -> Result<Option<Bytes>, WireError> {
        if self.has_row(rows) { self.reader.packet() } else { Ok(None) }
    }

    /// The next row of the statement's first result as it came; [`Cells`](super::Cells) reads that
    /// of a prepared statement. Later results are read and dropped.
    pub(crate) async fn next_packet(
        &mut self,
        rows: &mut Rows,
    ) -> Result<Option<Bytes>, WireError> {
        if rows.is_over {
            return Ok(None);
        }
        match self.row().await? {
            Ok(packet) => Ok(Some(packet)),
            Err(has_more) => {
                self.drain(rows, Some(has_more)).await?;
                Ok(None)
            }
        }
    }

    /// Reads the results behind the first one, if that is over, and closes the statement.
    /// `has_more` is `None` if rows of the first one are still to come.
    async fn drain(
        &mut self,
        rows: &mut Rows,
        mut has_more: Option<bool>,
    ) -> Result<(), WireError> {
        while let Some(true) = has_more {
            has_more = self.head(rows).await?;
            while has_more.is_none() {
                has_more = self.row().await?.err();
            }
        }
        if has_more.is_some() {
            rows.is_over = true;
            if let Some(number) = rows.number {
                // Nobody answers to this.
                self.command(&[&[COM_STMT_CLOSE][..], &number].concat()).await?;
            }
            self.is_busy = false;
        }
        Ok(())
    }

    /// Reads the head of a result; for one without rows, whether another follows.
    async fn head(&mut self, rows: &mut Rows) -> Result<Option<bool>, WireError> {
        let packet = self.packet().await?;
        let count = match packet.first() {
            Some(0x00) => {
                return more_after(&packet).map(Some).ok_or(WireError::Malformed("result"));
            }
            Some(0xff) => return Err(self.refused(&packet)),
            Some(_) | None => Reader::new(&packet).length(),
        };
        rows.columns = self.columns(count).await?;
        rows.forms = rows.columns.iter().map(ColumnForm::of).collect();
        Ok(None)
    }

    /// The next row of a result, or whether another result follows.
    async fn row(&mut self) -> Result<Result<Bytes, bool>, WireError> {
        let packet = self.packet().await?;
        if packet.first() == Some(&0xff) {
            return Err(self.refused(&packet));
        }
        Ok(end_of(&packet)?.map_or(Ok(packet), Err))
    }

    /// An error ends the statement, and the connection serves the next one.
    fn refused(&mut self, packet: &[u8]) -> WireError {
        self.is_busy = false;
        server_error(packet)
    }

    /// The number of a prepared statement. What it says of its columns comes again with its rows.
    async fn prepare(&mut self, statement: &str) -> Result<[u8; 4], WireError> {
        self.command(&[&[COM_STMT_PREPARE], statement.as_bytes()].concat()).await?;
        let packet = self.packet().await?;
        if packet.first() == Some(&0xff) {
            return Err(self.refused(&packet));
        }
        let Some([0, number @ .., columns0, columns1, params0, params1]) =
            packet.first_chunk::<9>()
        else {
            return Err(WireError::Malformed("answer to a prepared statement"));
        };
        let params = u16::from_le_bytes([*params0, *params1]);
        let columns = u16::from_le_bytes([*columns0, *columns1]);
        for count in [params, columns] {
            for _ in 0..count {
                self.packet().await?;
            }
            if count > 0 {
                end_of(&self.packet().await?)?.ok_or(WireError::Malformed("list of columns"))?;
            }
        }
        Ok(*number)
    }

    async fn columns(&mut self, count: Option<usize>) -> Result<Arc<[Column]>, WireError> {
        let malformed = || WireError::Malformed("list of columns");
        let count = count.filter(|count| *count <= COLUMNS_MAX).ok_or_else(malformed)?;
        let mut columns = Vec::with_capacity(count);
        for _ in 0..count {
            let packet = self.packet().await?;
            let column: Column = ParseBuf(&packet).parse(()).map_err(|_| malformed())?;
            if !is_sent(column.column_type()) {
                return Err(malformed());
            }
            columns.push(column);
        }
        end_of(&self.packet().await?)?.ok_or_else(malformed)?;
        Ok(columns.into())
    }
}

/// `0xfe`, warnings 2, status 2: the end of rows or columns, and whether another result follows.
fn end_of(packet: &[u8]) -> Result<Option<bool>, WireError> {
    if packet.first() != Some(&0xfe) || packet.len() > END_BYTES_MAX {
        return Ok(None);
    }
    let mut reader = Reader::new(packet);
    let status = reader.take(3).and_then(|_| reader.little_endian(2));
    let status = status.ok_or(WireError::Malformed("end of a result"))?;
    Ok(Some(status & MORE_RESULTS != 0))
}

/// `0x00`, rows, the last id, status 2: the end of a statement without rows.
fn more_after(packet: &[u8]) -> Option<bool> {
    let mut reader = Reader::new(packet);
    reader.take(1)?;
    // Both may be larger than a length is here, on 32 bits only.
    reader.length()?;
    reader.length()?;
    Some(reader.little_endian(2)? & MORE_RESULTS != 0)
}

/// Whether columns of this type are sent; `mysql_common` panics on values of others.
fn is_sent(column_type: ColumnType) -> bool {
    !matches!(
        column_type,
        ColumnType::MYSQL_TYPE_TIMESTAMP2
            | ColumnType::MYSQL_TYPE_DATETIME2
            | ColumnType::MYSQL_TYPE_TIME2
            | ColumnType::MYSQL_TYPE_TYPED_ARRAY
            | ColumnType::MYSQL_TYPE_UNKNOWN
    )
}
