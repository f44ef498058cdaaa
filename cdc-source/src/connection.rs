//! Connections to MySQL, and what their errors mean.

use std::ops::ControlFlow;
use std::time::Duration;

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, OptsBuilder};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use crate::config::SourceConfig;
use crate::error::SourceError;

/// Longest packet that is taken: the largest that a server can send.
const PACKET_MAX_BYTES: usize = 1 << 30;

/// Longest time for one of our short statements.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection for statements, or for the replication stream.
pub(crate) struct Connection {
    conn: Conn,
    address: String,
}

impl Connection {
    /// Connects and sets what all our statements rely on: UTC, literals in utf8mb4, and text as
    /// its column stores it. Were it converted, the server would send `?` for each character that
    /// it can store but not convert, and nobody would know. A CHAR is not padded, and a definition
    /// is printed in MySQL's own quotes.
    pub(crate) async fn open(config: &SourceConfig) -> Result<Self, SourceError> {
        let address = config.address();
        let options = OptsBuilder::default()
            .ip_or_hostname(config.host.clone())
            .tcp_port(config.port)
            .user(Some(config.user.clone()))
            .pass(Some(config.password.expose_secret().to_owned()))
            .prefer_socket(false)
            .tcp_keepalive(Some(Duration::from_secs(60)))
            .max_allowed_packet(Some(PACKET_MAX_BYTES))
            // Chunk statements differ in their literals: remembering them would only fill up.
            .stmt_cache_size(0)
            .init(vec![
                "SET NAMES utf8mb4, character_set_results = NULL, time_zone = '+00:00', \
                 sql_mode = '', sql_quote_show_create = 1, \
                 transaction_isolation = 'READ-COMMITTED', autocommit = 1"
                    .to_owned(),
            ]);
        let connecting = timeout(config.connect_timeout, Conn::new(options)).await;
        let Ok(connected) = connecting else {
            return Err(SourceError::Timeout { action: "connect", address });
        };
        // ER_DBACCESS_DENIED, ER_ACCESS_DENIED, ER_ACCESS_DENIED_NO_PASSWORD.
        const DENIED: [u16; 3] = [1044, 1045, 1698];
        let conn = connected.map_err(|error| {
            if let mysql_async::Error::Server(server) = &error
                && DENIED.contains(&server.code)
            {
                let user = config.user.clone();
                return SourceError::AccessDenied { address: address.clone(), user };
            }
            judge("connect", &address, error)
        })?;
        Ok(Self { conn, address })
    }

    /// Runs a statement and returns its rows.
    pub(crate) async fn rows<T: FromRow + Send + 'static>(
        &mut self,
        action: &'static str,
        statement: &str,
    ) -> Result<Vec<T>, SourceError> {
        let query = self.conn.query(statement);
        let Ok(result) = timeout(STATEMENT_TIMEOUT, query).await else {
            return Err(SourceError::Timeout { action, address: self.address.clone() });
        };
        result.map_err(|error| judge(action, &self.address, error))
    }

    /// Runs a statement and returns its first row.
    pub(crate) async fn first<T: FromRow + Send + 'static>(
        &mut self,
        action: &'static str,
        statement: &str,
    ) -> Result<Option<T>, SourceError> {
        Ok(self.rows(action, statement).await?.into_iter().next())
    }

    /// Runs a statement of the user's, whatever it returns.
    pub(crate) async fn run(
        &mut self,
        action: &'static str,
        statement: &str,
    ) -> Result<(), SourceError> {
        let query = self.conn.query_drop(statement);
        let Ok(result) = timeout(STATEMENT_TIMEOUT, query).await else {
            return Err(SourceError::Timeout { action, address: self.address.clone() });
        };
        result.map_err(|error| judge(action, &self.address, error))
    }

    /// Runs a short statement by the binary protocol, whose numbers are exact.
    pub(crate) async fn rows_in_binary(
        &mut self,
        action: &'static str,
        statement: &str,
    ) -> Result<Vec<mysql_async::Row>, SourceError> {
        let query = self.conn.exec(statement, ());
        let Ok(result) = timeout(STATEMENT_TIMEOUT, query).await else {
            return Err(SourceError::Timeout { action, address: self.address.clone() });
        };
        result.map_err(|error| judge(action, &self.address, error))
    }

    /// Runs a statement by the binary protocol and hands its rows over one by one, so that no more
    /// than one is held here. `limit` is for the wait before each row.
    pub(crate) async fn each_row(
        &mut self,
        action: &'static str,
        statement: &str,
        limit: Duration,
        mut take: impl FnMut(mysql_async::Row) -> ControlFlow<()> + Send,
    ) -> Result<(), SourceError> {
        let address = &self.address;
        let timed_out = |_| SourceError::Timeout { action, address: address.clone() };
        let judged = |error| judge(action, address, error);
        let query = self.conn.exec_iter(statement, ());
        let mut rows = timeout(limit, query).await.map_err(timed_out)?.map_err(judged)?;
        let mut taking = ControlFlow::Continue(());
        while let Some(row) =
            timeout(limit, rows.next()).await.map_err(timed_out)?.map_err(judged)?
        {
            // What is not wanted is read all the same: the connection serves the next statement.
            if taking.is_continue() {
                taking = take(row);
            }
        }
        Ok(())
    }

    /// Gives the connection away, for the replication stream.
    pub(crate) fn into_inner(self) -> (Conn, String) {
        (self.conn, self.address)
    }
}

/// Tells apart what can pass from what MySQL has decided.
pub(crate) fn judge(action: &'static str, address: &str, error: mysql_async::Error) -> SourceError {
    // Shutdown, too many connections, killed, lock waits and deadlocks pass (MySQL's server
    // error reference): 1040, 1053, 1077, 1152-1161, 1205, 1213, 1317, 3024.
    const PASSING: [u16; 13] =
        [1040, 1053, 1077, 1152, 1158, 1159, 1160, 1161, 1205, 1213, 1317, 1927, 3024];
    match &error {
        mysql_async::Error::Server(server) if !PASSING.contains(&server.code) => {
            SourceError::Statement { action, code: server.code, source: error }
        }
        mysql_async::Error::Server(_)
        | mysql_async::Error::Io(_)
        | mysql_async::Error::Driver(_)
        | mysql_async::Error::Other(_)
        | mysql_async::Error::Url(_) => {
            SourceError::Connection { action, address: address.to_owned(), source: error }
        }
    }
}
