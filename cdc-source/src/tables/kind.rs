//! What neither a statement nor a row event says of a table: the server is asked, as it is now.

use schema::table::TableId;

use super::Tables;
use crate::error::SourceError;
use crate::snapshot::structure::text_literal;

impl Tables {
    /// Whether the table is there and has no primary key: then a unique key takes its place.
    pub(crate) async fn lacks_primary_key(&mut self, table: &TableId) -> Result<bool, SourceError> {
        let of_it = of(table);
        let statement = format!(
            "SELECT EXISTS (SELECT * FROM information_schema.TABLES WHERE {of_it}) AND NOT EXISTS \
             (SELECT * FROM information_schema.STATISTICS WHERE {of_it} AND INDEX_NAME = 'PRIMARY')"
        );
        self.is_true("look for a table's primary key", &statement).await
    }

    /// Whether the name is a view's, which is renamed as a table is.
    pub(crate) async fn is_view(&mut self, table: &TableId) -> Result<bool, SourceError> {
        let of_it = of(table);
        let statement =
            format!("SELECT EXISTS (SELECT * FROM information_schema.VIEWS WHERE {of_it})");
        self.is_true("look for a view", &statement).await
    }

    async fn is_true(
        &mut self,
        action: &'static str,
        statement: &str,
    ) -> Result<bool, SourceError> {
        let answer: Option<u8> = self.connection().await?.first(action, statement).await?;
        Ok(answer == Some(1))
    }
}

fn of(table: &TableId) -> String {
    let (database, name) = (text_literal(&table.database), text_literal(&table.name));
    format!("TABLE_SCHEMA = {database} AND TABLE_NAME = {name}")
}
