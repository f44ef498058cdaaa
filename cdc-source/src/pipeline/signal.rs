//! Signals are carried out.

use connect::control::TableAction;
use schema::change::RowChange;
use schema::offset::TableState;
use schema::table::TableId;
use schema::types::MysqlValue;

use super::Pipeline;
use crate::binlog::table_map::TableMap;
use crate::binlog::{RowsEvent, RowsKind};
use crate::rows::ImageReader;
use crate::signal::{Signal, SignalError, Tables};

/// The columns of a signal table: an id of the writer's, a type, and data.
const TYPE_COLUMN: usize = 1;
const DATA_COLUMN: usize = 2;

impl Pipeline {
    /// Carries out what a signal asks for; what cannot be done is said in the log.
    pub(super) async fn take_signal(&mut self, signal: Result<Signal, SignalError>) {
        let signal = match signal {
            Ok(signal) => signal,
            Err(error) => {
                tracing::warn!(
                    %error,
                    hint = "write it again in one of the forms of docs/snapshots.md",
                    "a signal cannot be carried out"
                );
                return;
            }
        };
        match signal {
            Signal::Log(message) => tracing::info!(message, "signal"),
            Signal::Snapshot(all) => {
                for one in all {
                    let tables = self.tables_of(Some(&one.tables), |_| true);
                    let filter = one.filter;
                    self.act_on(tables, &TableAction::Snapshot { filter }).await;
                }
            }
            Signal::Pause(tables) => {
                let of = |state: &TableState| matches!(state, TableState::Snapshot(progress) if !progress.is_paused);
                self.act_on(self.tables_of(tables.as_ref(), of), &TableAction::Pause).await;
            }
            Signal::Resume(tables) => {
                let of = |state: &TableState| matches!(state, TableState::Snapshot(progress) if progress.is_paused);
                self.act_on(self.tables_of(tables.as_ref(), of), &TableAction::Resume).await;
            }
            Signal::Stop(tables) => {
                let of = |state: &TableState| matches!(state, TableState::Snapshot(_));
                self.act_on(self.tables_of(tables.as_ref(), of), &TableAction::Stop).await;
            }
        }
    }

    /// The captured tables that are named, or, if none are, all in such a state.
    fn tables_of(
        &self,
        named: Option<&Tables>,
        state: impl Fn(&TableState) -> bool,
    ) -> Vec<TableId> {
        let is_meant = |table: &TableId, is: &TableState| match named {
            Some(named) => named.has(table),
            None => state(is),
        };
        let all = self.tables.offsets().iter();
        all.filter(|(table, offset)| is_meant(table, &offset.state))
            .map(|(table, _)| table.clone())
            .collect()
    }

    async fn act_on(&mut self, tables: Vec<TableId>, action: &TableAction) {
        if tables.is_empty() {
            tracing::warn!(
                action = action.as_str(),
                hint = "name captured tables, as database.table or by a pattern",
                "a signal is for no table"
            );
        }
        for table in tables {
            match self.act(&table, action.clone()).await {
                Ok(answer) => tracing::info!(table = %table, answer, "signal carried out"),
                Err(problem) => tracing::warn!(
                    table = %table,
                    problem,
                    hint = "look at the table's state before the signal is sent again",
                    "a signal cannot be carried out"
                ),
            }
        }
    }

    /// Reads the rows that were inserted into the table of signals.
    ///
    /// Those of a transaction whose rows were emitted before a restart were carried out then.
    pub(super) fn signals_in(
        &self,
        rows: &RowsEvent<'_>,
        map: &TableMap,
    ) -> Vec<Result<Signal, SignalError>> {
        let mut signals = Vec::new();
        if self.transaction.rows_to_skip_by_events() != Some(0) {
            return signals;
        }
        let mut images = ImageReader::default();
        let mut at = 0;
        while rows.kind == RowsKind::Write && at < rows.rows.len() {
            let Ok((change, end)) = images.change(rows.kind, map, rows.rows, at) else {
                signals.push(Err(SignalError::Data));
                break;
            };
            at = end;
            if let RowChange::Create(row) = change {
                let text = |index| text_of(map, index, row.column(index));
                let parsed = text(TYPE_COLUMN)
                    .ok_or(SignalError::Type)
                    .and_then(|kind| Signal::parse(&kind, text(DATA_COLUMN).as_deref()));
                signals.push(parsed);
            }
        }
        signals
    }
}

/// A column's text, if it is one that has text.
fn text_of(map: &TableMap, index: usize, bytes: Option<&[u8]>) -> Option<String> {
    let (schema, bytes) = (map.table_schema().ok()?, bytes?);
    let value = schema.columns.get(index)?.column_type.read(bytes).ok()?;
    if let MysqlValue::Text(text) = value { Some(text.into_owned()) } else { None }
}
