//! Where the stream is when another file begins, also on servers on which GTIDs are switched on while
//! they run: from then on its place is a set.

use schema::gtid::GtidSet;

use super::Pipeline;
use crate::binlog::{RawEvent, continuity};
use crate::connection::Connection;
use crate::error::SourceError;

impl Pipeline {
    /// The log goes on in another file.
    pub(super) async fn take_rotate(&mut self, event: &RawEvent) -> Result<(), SourceError> {
        self.tables.forget_numbers();
        self.transaction.advance(&event.end);
        self.transaction.file_begins(None);
        self.adopt_gtids(event.end.file()).await
    }

    /// Another file begins. If the place was none by GTIDs and could be one, it becomes one: all
    /// transactions of the files before are done, and the file says which those are.
    async fn adopt_gtids(&mut self, file: &str) -> Result<(), SourceError> {
        if !self.has_gtids || self.transaction.executed().is_some() {
            return Ok(());
        }
        let mut connection = Connection::open(&self.config).await?;
        let Some(before) = continuity::before_file(&mut connection, file).await? else {
            return Ok(());
        };
        let Ok(executed) = before.parse::<GtidSet>() else { return Ok(()) };
        tracing::info!(file, "the place in the log is known by GTIDs from here on");
        self.transaction.adopt(executed);
        Ok(())
    }
}
