//! Plans by what the server declares, where no row has said yet how it is written; and what is no
//! record.

use std::sync::Arc;

use connect::kafka::producer::TransactionalProducer;
use schema::table::TableId;

use super::{SkipReason, TablePlan, Tables};
use crate::error::SourceError;
use crate::snapshot::structure;

impl Tables {
    /// The plan of a table as it is declared now. `None` if there is no such table any more, or if it
    /// cannot be written.
    pub(crate) async fn plan_as_declared(
        &mut self,
        table: &TableId,
        producer: &mut TransactionalProducer,
    ) -> Result<Option<Arc<TablePlan>>, SourceError> {
        match structure::read(self.connection().await?, table, None).await? {
            Ok(declared) if !declared.schema.columns.is_empty() => {
                self.plan(&declared.schema, producer).await
            }
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// An event is no record because the settings say so.
    pub(crate) fn skip_operation(&mut self) {
        self.skipped.count(SkipReason::Operation);
    }

    /// A TRUNCATE is no record because the table's topic takes none without a key.
    pub(crate) fn skip_truncate_record(&mut self, table: &TableId) {
        self.skipped.count_truncate(table);
    }
}
