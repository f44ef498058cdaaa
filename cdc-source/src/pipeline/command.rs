//! What somebody wants done with a table, by a command or by a signal.

use connect::control::{TableAction, TableCommand};
use schema::offset::{SnapshotProgress, TableState};
use schema::table::TableId;

use super::Pipeline;
use crate::connection::Connection;
use crate::error::SourceError;
use crate::snapshot;

/// What happens now, or why nothing does.
pub(super) type Answer = Result<String, String>;

impl Pipeline {
    /// Carries a command out and answers it.
    ///
    /// # Errors
    ///
    /// Returns [`SourceError`] when Kafka fails.
    pub(super) async fn command(&mut self, command: TableCommand) -> Result<(), SourceError> {
        let answer = self.act(&command.table, command.action.clone()).await;
        // The answer is true of what is handed over for the next commit.
        self.flush().await?;
        command.answer(answer);
        Ok(())
    }

    /// Does something with a table.
    pub(super) async fn act(&mut self, table: &TableId, action: TableAction) -> Answer {
        let Some(state) = self.tables.state_of(table).cloned() else {
            return Err(format!("table {table} is not captured"));
        };
        let name = action.as_str();
        tracing::info!(table = %table, action = name, "asked to do something with a table");
        match (action, state) {
            (TableAction::Snapshot { filter }, state) => {
                self.snapshot_on_demand(table, filter, &state).await
            }
            (TableAction::Pause, TableState::Snapshot(progress)) => self.pause(table, &progress),
            (TableAction::Resume, TableState::Snapshot(progress)) => self.resume(table, &progress),
            (TableAction::Resume, TableState::Parked { .. }) => {
                self.copy_again(table, None, "it was parked and is resumed");
                Ok(format!("table {table} is copied again, then its changes are followed"))
            }
            (TableAction::Stop, TableState::Snapshot(progress)) => {
                self.snapshot.give_up(table);
                self.tables.set_state(table, TableState::Streaming);
                let rows = progress.rows;
                Ok(format!("the copy of {table} has ended after {rows} rows, changes are followed"))
            }
            (TableAction::Pause | TableAction::Stop, _) => {
                Err(format!("{table} is not copied now"))
            }
            (TableAction::Resume, TableState::Streaming) => {
                Err(format!("{table} is neither paused nor parked"))
            }
        }
    }

    async fn snapshot_on_demand(
        &mut self,
        table: &TableId,
        filter: Option<String>,
        state: &TableState,
    ) -> Answer {
        match state {
            TableState::Snapshot(_) => {
                return Err(format!("{table} is copied already; stop or resume that copy first"));
            }
            TableState::Parked { .. } if filter.is_some() => {
                return Err(format!("{table} is parked; resume it, which copies all of it"));
            }
            TableState::Streaming | TableState::Parked { .. } => {}
        }
        if let Some(filter) = &filter {
            self.check_filter(table, filter).await?;
        }
        let what = if filter.is_some() { "the rows that were asked for" } else { "all rows" };
        self.copy_again(table, filter, "a snapshot was asked for");
        Ok(format!("{what} of {table} are copied beside the stream"))
    }

    /// Lets MySQL read the condition before a table depends on it.
    async fn check_filter(&self, table: &TableId, filter: &str) -> Result<(), String> {
        let refused = |error: SourceError| format!("the condition cannot be used: {error}");
        let mut connection = Connection::open(&self.config).await.map_err(refused)?;
        let statement = snapshot::explain(table, filter);
        connection.run("read the condition", &statement).await.map_err(refused)
    }

    fn pause(&mut self, table: &TableId, progress: &SnapshotProgress) -> Answer {
        if progress.is_paused {
            return Err(format!("the copy of {table} is paused already"));
        }
        self.snapshot.give_up(table);
        let paused = SnapshotProgress { is_paused: true, ..progress.clone() };
        self.tables.set_state(table, TableState::Snapshot(paused));
        Ok(format!("the copy of {table} waits after {} rows until it is resumed", progress.rows))
    }

    fn resume(&mut self, table: &TableId, progress: &SnapshotProgress) -> Answer {
        if !progress.is_paused {
            return Err(format!("the copy of {table} is not paused"));
        }
        let resumed = SnapshotProgress { is_paused: false, ..progress.clone() };
        self.tables.set_state(table, TableState::Snapshot(resumed));
        Ok(format!("the copy of {table} goes on after {} rows", progress.rows))
    }
}
