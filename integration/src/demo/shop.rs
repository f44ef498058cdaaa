//! The sample database.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Pool};

use super::DemoError;

/// The user that rowcast reads as, made by the script.
pub(super) const USER: &str = "rowcast";

/// Its password; docker-compose.yml has the same.
pub(super) const PASSWORD: &str = "rowcast";

/// The script that docker compose mounts into MySQL.
const SCRIPT: &str = include_str!("../../demo/shop.sql");

/// Runs the script.
pub(super) async fn load(mysql: &Pool) -> Result<(), DemoError> {
    let mut connection = connect(mysql).await?;
    // The whole text at once, as MySQL's own client would send it.
    let results = connection.query_iter(SCRIPT).await.map_err(refused("load the database"))?;
    results.drop_result().await.map_err(refused("load the database"))?;
    Ok(())
}

/// How many rows a table has.
pub(super) async fn count(mysql: &Pool, table: &str) -> Result<u64, DemoError> {
    let mut connection = connect(mysql).await?;
    let statement = format!("SELECT count(*) FROM {table}");
    let rows = connection.query_first(statement).await.map_err(refused("count rows"))?;
    Ok(rows.unwrap_or_default())
}

/// Takes a connection.
pub(super) async fn connect(mysql: &Pool) -> Result<Conn, DemoError> {
    mysql.get_conn().await.map_err(refused("connect"))
}

/// Adds what was tried to MySQL's answer.
pub(super) fn refused(what: &'static str) -> impl FnOnce(mysql_async::Error) -> DemoError {
    move |source| DemoError::MySql { what, source }
}
