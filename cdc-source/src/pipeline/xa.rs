//! XA transactions: their rows are logged when they are prepared, their outcome later, by a
//! transaction of its own.
//!
//! The rows are passed over at first. When the outcome is a commit, they are read again from where
//! they begin, and emitted as rows of the transaction that commits. Until then the stream's offset
//! remembers where that is.

use std::sync::Arc;

use schema::gtid::Gtid;
use schema::offset::{PreparedXa, TableState};
use schema::types::Fidelity;

use super::{Pipeline, unsupported};
use crate::binlog::{BinlogEvent, BinlogStream, Feature, RawEvent, StartPoint};
use crate::error::SourceError;

impl Pipeline {
    /// The rows of an XA transaction have ended: it is prepared, or, in one phase, committed.
    pub(super) async fn xa_prepared(
        &mut self,
        is_one_phase: bool,
        event: &RawEvent,
    ) -> Result<(), SourceError> {
        if let Some(prepared) = self.transaction.xa_prepared() {
            if is_one_phase {
                self.transaction.rewind();
                self.emit_again(&prepared, event).await?;
            } else if !self.transaction.keep_prepared(prepared) {
                return Err(unsupported(event, Feature::TooManyXa).into());
            }
        }
        self.commit(event);
        Ok(())
    }

    /// An XA transaction has its outcome.
    pub(super) async fn xa_outcome(
        &mut self,
        xid: &str,
        is_commit: bool,
        event: &RawEvent,
    ) -> Result<(), SourceError> {
        match self.transaction.prepared(xid).cloned() {
            Some(prepared) if is_commit => self.emit_again(&prepared, event).await?,
            None if is_commit => {
                self.copy_unknown("an XA transaction was committed whose rows were not read");
            }
            Some(_) | None => {}
        }
        self.transaction.forget_prepared(xid);
        self.commit(event);
        Ok(())
    }

    /// Reads the rows of a prepared transaction once more and emits them. If they are not in the
    /// log any more, the tables are copied instead.
    async fn emit_again(
        &mut self,
        prepared: &PreparedXa,
        outcome: &RawEvent,
    ) -> Result<(), SourceError> {
        let numbers = self.tables.lend_numbers();
        let emitted = self.read_again(prepared, outcome).await;
        self.tables.return_numbers(numbers);
        match emitted {
            Err(SourceError::Purged { .. }) => {
                self.copy_unknown("the rows of an XA transaction were purged before its commit");
                Ok(())
            }
            other => other,
        }
    }

    async fn read_again(
        &mut self,
        prepared: &PreparedXa,
        outcome: &RawEvent,
    ) -> Result<(), SourceError> {
        let mut config = (*self.config).clone();
        config.connection.become_second_replica();
        let mut others = self.transaction.executed().cloned().unwrap_or_default();
        let start = match &prepared.gtid {
            // On another server the place is another one.
            Some(gtid) if prepared.server_uuid != self.server => {
                others = others.difference(gtid);
                StartPoint::Gtids(others)
            }
            Some(_) | None => StartPoint::Position(prepared.position.clone()),
        };
        let position = prepared.position.clone();
        let mut stream = BinlogStream::open(&config, self.server, &start, position).await?;
        let mut is_begun = false;
        loop {
            let event = stream.next().await?;
            match event.parse()? {
                BinlogEvent::Gtid { gtid, .. } => {
                    let is_it = is_transaction(prepared, gtid.as_ref(), &event);
                    if is_begun || !is_it {
                        let reason = format!("no XA transaction begins at {}", prepared.position);
                        return Err(SourceError::Purged { reason });
                    }
                    is_begun = true;
                    continue;
                }
                _ if !is_begun => continue,
                BinlogEvent::TableMap(map) if self.tables.knows(map) => {}
                BinlogEvent::TableMap(map) => {
                    let parsed = map.parse().map_err(|error| event.error(error))?;
                    self.tables.map(map, (parsed, &event.end), &mut self.producer).await?;
                }
                BinlogEvent::Rows(rows) => self.take_rows(&rows, &event)?,
                BinlogEvent::XaPrepare { .. } => break,
                BinlogEvent::Incident => {
                    let reason = format!("no rows follow {}", prepared.position);
                    return Err(SourceError::Purged { reason });
                }
                BinlogEvent::Rotate
                | BinlogEvent::Query(_)
                | BinlogEvent::Xid
                | BinlogEvent::Heartbeat
                | BinlogEvent::Ignorable
                | BinlogEvent::Other => {}
            }
            self.transaction.event_done();
            if self.batch.bytes() >= self.batch_bytes {
                self.flush().await?;
            }
        }
        for table in self.transaction.emitted() {
            if let Some(offset) = self.tables.offset_mut(&table) {
                offset.position = Some(outcome.end.clone());
            }
        }
        Ok(())
    }

    /// Rows were changed of which nobody knows any more in which tables they are: all are copied
    /// again.
    pub(super) fn copy_unknown(&mut self, reason: &str) {
        if self.config.records.values.fidelity == Fidelity::Debezium {
            // Debezium emits them when they are prepared.
            tracing::warn!(
                reason,
                hint = "copy the tables again by a signal if they were changed in it",
                "rows of an XA transaction are not emitted"
            );
            return;
        }
        let streaming = self.tables.offsets().iter().filter(|(_, offset)| {
            matches!(offset.state, TableState::Streaming | TableState::Snapshot(_))
        });
        let tables: Arc<[_]> = streaming.map(|(table, _)| table.clone()).collect();
        for table in tables.iter() {
            self.copy_again(table, None, reason);
        }
    }

    /// Rows were emitted that are rolled back in the log, as transactions with changes of
    /// non-transactional tables are: what has become of their tables is copied.
    pub(super) fn rolled_back(&mut self) {
        const REASON: &str = "rows of it were rolled back after they had been logged";
        for table in self.transaction.emitted() {
            if self.config.snapshot.sweep {
                self.copy_again(&table, None, REASON);
            } else {
                self.park(&table, REASON);
            }
        }
    }
}

/// Whether a transaction of this name is the one that was prepared; without GTIDs the place says so.
fn is_transaction(prepared: &PreparedXa, gtid: Option<&Gtid>, begin: &RawEvent) -> bool {
    match (&prepared.gtid, gtid) {
        (Some(set), Some(gtid)) => set.contains(gtid),
        (None, None) => begin.end.at(begin.start) == prepared.position,
        (Some(_), None) | (None, Some(_)) => false,
    }
}
