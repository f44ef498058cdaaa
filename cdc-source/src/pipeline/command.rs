//! What somebody wants done with a table.

use connect::control::{TableAction, TableCommand};

use super::Pipeline;
use crate::error::SourceError;

impl Pipeline {
    /// Carries a command out and answers it.
    ///
    /// # Errors
    ///
    /// Returns [`SourceError`] when what it needs of MySQL or Kafka fails.
    #[expect(clippy::unused_async, reason = "copying a table again has to ask MySQL")]
    pub(super) async fn command(&mut self, command: TableCommand) -> Result<(), SourceError> {
        if !self.tables.offsets().contains_key(&command.table) {
            let problem = format!("table {} is not captured", command.table);
            command.answer(Err(problem));
            return Ok(());
        }
        let name = match &command.action {
            TableAction::Snapshot { .. } => "a snapshot on demand",
            TableAction::Pause => "pausing a table",
            TableAction::Resume => "resuming a table",
            TableAction::Stop => "stopping a table",
        };
        let problem = format!("{name} is not available in this version of rowcast");
        command.answer(Err(problem));
        Ok(())
    }
}
