//! Connections to MySQL, and what their errors mean.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mysql_common::Row;
use mysql_common::prelude::FromRow;
use schema::fault::{Disposition, Fault, chain};
use schema::position::BinlogPosition;
use secrecy::ExposeSecret;
use tokio::time::timeout;
use uuid::Uuid;

use crate::config::{ConnectionConfig, Host, SourceConfig};
use crate::dialect::{Dialect, words};
use crate::error::SourceError;
use crate::preflight;
use crate::wire::{ColumnForm, Login, Protocol, Rows, WireConnection, WireError};

/// A connection for statements.
pub(crate) struct Connection {
    wire: WireConnection,
    address: String,
    query_timeout: Duration,
    dialect: Dialect,
}

impl Connection {
    /// Connects and sets what all our statements rely on, unless the server does not know them.
    pub(crate) async fn open(config: &SourceConfig) -> Result<Self, SourceError> {
        let config = &config.connection;
        let (wire, address) = connect(config).await?;
        preflight::check_brand(wire.version())?;
        let query_timeout = config.query_timeout;
        let dialect = Dialect::new(wire.version(), &BTreeMap::new());
        let mut connection = Self { wire, address, query_timeout, dialect };
        let found = connection.rows("read the server's version", Dialect::VARIABLES).await?;
        connection.dialect = Dialect::new(connection.wire.version(), &found.into_iter().collect());
        connection.run("begin a session", &connection.dialect.session()).await?;
        Ok(connection)
    }

    /// What the server understands.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Where the server's log ends: the high watermark of a chunk.
    pub(crate) async fn log_position(&mut self) -> Result<Option<BinlogPosition>, SourceError> {
        let statement = self.dialect.say(&words::LOG_STATUS);
        let row: Option<Row> = self.first("read the position of the binary log", statement).await?;
        Ok(row.as_ref().and_then(position_of))
    }

    /// Makes sure of the server: a list of hosts, or a name for several, can lead to another one
    /// each time.
    pub(crate) async fn is_of(&mut self, server: Uuid) -> Result<(), SourceError> {
        let found: Option<String> =
            self.first("read the server's uuid", "SELECT @@GLOBAL.server_uuid").await?;
        if found.and_then(|found| found.parse().ok()) == Some(server) {
            return Ok(());
        }
        Err(SourceError::ServerChanged { address: self.address.clone() })
    }

    /// Runs a statement and returns its rows.
    pub(crate) async fn rows<T: FromRow + Send + 'static>(
        &mut self,
        action: &'static str,
        statement: &str,
    ) -> Result<Vec<T>, SourceError> {
        let (mut rows, query) = (Vec::new(), (Protocol::Text, statement));
        self.each(action, query, self.query_timeout, |row| rows.push(row)).await?;
        let rows: Result<Vec<T>, _> = rows.into_iter().map(T::from_row_opt).collect();
        rows.map_err(|_| self.judge(action, WireError::Malformed("result, as it is expected,")))
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
        self.each(action, (Protocol::Text, statement), self.query_timeout, |_| ()).await
    }

    /// Runs a short statement by the binary protocol, whose numbers are exact.
    pub(crate) async fn rows_in_binary(
        &mut self,
        action: &'static str,
        statement: &str,
    ) -> Result<Vec<Row>, SourceError> {
        let (mut rows, query) = (Vec::new(), (Protocol::Binary, statement));
        self.each(action, query, self.query_timeout, |row| rows.push(row)).await?;
        Ok(rows)
    }

    async fn each(
        &mut self,
        action: &'static str,
        query: (Protocol, &str),
        limit: Duration,
        mut take: impl FnMut(Row) + Send,
    ) -> Result<(), SourceError> {
        let mut rows = self.begin(action, query, limit).await?;
        while let Some(row) = rows.next_parsed().await? {
            take(row);
        }
        Ok(())
    }

    /// Runs a statement by the binary protocol whose rows are taken one by one, as fast as they are
    /// wanted. `limit` is for the wait before each row.
    pub(crate) async fn select(
        &mut self,
        action: &'static str,
        statement: &str,
        limit: Duration,
    ) -> Result<SelectedRows<'_>, SourceError> {
        self.begin(action, (Protocol::Binary, statement), limit).await
    }

    async fn begin(
        &mut self,
        action: &'static str,
        (protocol, statement): (Protocol, &str),
        limit: Duration,
    ) -> Result<SelectedRows<'_>, SourceError> {
        let query = self.wire.query(protocol, statement);
        let timed_out = |_| SourceError::Timeout { action, address: self.address.clone() };
        let rows = timeout(limit, query).await.map_err(timed_out)?;
        let rows = rows.map_err(|error| judge(action, &self.address, error))?;
        Ok(SelectedRows { connection: self, rows, action, limit })
    }

    /// The server that it is connected to, as messages name it.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    fn judge(&self, action: &'static str, error: WireError) -> SourceError {
        judge(action, &self.address, error)
    }

    /// Gives the connection away, for the replication stream.
    pub(crate) fn into_inner(self) -> (WireConnection, String) {
        (self.wire, self.address)
    }
}

/// The file and the offset that a row begins with.
pub(crate) fn position_of(row: &Row) -> Option<BinlogPosition> {
    let file: String = row.get_opt(0)?.ok()?;
    let offset: u64 = row.get_opt(1)?.ok()?;
    BinlogPosition::new(&file, offset).ok()
}

/// The rows of a statement that is under way.
pub(crate) struct SelectedRows<'a> {
    connection: &'a mut Connection,
    rows: Rows,
    action: &'static str,
    limit: Duration,
}

impl SelectedRows<'_> {
    /// The next row as it came, by the binary protocol; `None` behind the last one.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        let Connection { wire, address, .. } = &mut *self.connection;
        let (action, limit) = (self.action, self.limit);
        // Most are here, and to wait for one takes longer than to read it.
        let here = wire.row_here(&self.rows);
        if let Some(row) = here.map_err(|error| judge(action, address, error))? {
            return Ok(Some(row));
        }
        let row = timeout(limit, wire.next_packet(&mut self.rows)).await;
        let timed_out = |_| SourceError::Timeout { action, address: address.clone() };
        row.map_err(timed_out)?.map_err(|error| judge(action, address, error))
    }

    async fn next_parsed(&mut self) -> Result<Option<Row>, SourceError> {
        let row = self.next().await?;
        row.map(|row| self.parsed(&row)).transpose()
    }

    /// Reads the rows that nobody wants, so that the connection serves the next statement.
    pub(crate) async fn skip(&mut self) -> Result<(), SourceError> {
        while self.next().await?.is_some() {}
        Ok(())
    }

    /// What the columns' values look like.
    pub(crate) fn forms(&self) -> &Arc<[ColumnForm]> {
        self.rows.forms()
    }

    /// A row in memory of its own.
    pub(crate) fn parsed(&self, row: &Bytes) -> Result<Row, SourceError> {
        self.rows.parsed(row).map_err(|error| self.failed(error))
    }

    /// What comes of a row that is none.
    pub(crate) fn failed(&self, error: WireError) -> SourceError {
        judge(self.action, &self.connection.address, error)
    }
}

/// Connects to the first server of the list that can be reached, and logs in.
async fn connect(config: &ConnectionConfig) -> Result<(WireConnection, String), SourceError> {
    let mut failed = None;
    for host in &config.hosts {
        match connect_to(config, host).await {
            Ok(wire) => return Ok((wire, host.to_string())),
            Err(error) if error.disposition() != Disposition::Retry => return Err(error),
            Err(error) => {
                if config.hosts.len() > 1 {
                    tracing::info!(server = %host, error = chain(&error), "server cannot be used");
                }
                failed = Some(error);
            }
        }
    }
    // The list has at least one.
    let address = String::new();
    Err(failed.unwrap_or(SourceError::Timeout { action: CONNECT, address }))
}

/// What messages call it.
const CONNECT: &str = "connect";

async fn connect_to(config: &ConnectionConfig, host: &Host) -> Result<WireConnection, SourceError> {
    let login = Login {
        host: &host.name,
        port: host.port,
        user: &config.user,
        password: config.password.expose_secret(),
        tls: &config.tls,
        keep_alive: config.keep_alive,
    };
    // ER_DBACCESS_DENIED, ER_ACCESS_DENIED, ER_ACCESS_DENIED_NO_PASSWORD.
    const DENIED: [u16; 3] = [1044, 1045, 1698];
    let address = host.to_string();
    match timeout(config.connect_timeout, WireConnection::open(login)).await {
        Ok(Ok(wire)) => Ok(wire),
        Ok(Err(WireError::Server { code, .. })) if DENIED.contains(&code) => {
            Err(SourceError::AccessDenied { address, user: config.user.clone() })
        }
        Ok(Err(error)) => Err(judge(CONNECT, &address, error)),
        Err(_) => Err(SourceError::Timeout { action: CONNECT, address }),
    }
}

/// Tells apart what can pass from what MySQL has decided.
pub(crate) fn judge(action: &'static str, address: &str, error: WireError) -> SourceError {
    // Shutdown, too many connections, killed, lock waits and deadlocks pass (MySQL's server
    // error reference): 1040, 1053, 1077, 1152-1161, 1205, 1213, 1317, 3024.
    const PASSING: [u16; 13] =
        [1040, 1053, 1077, 1152, 1158, 1159, 1160, 1161, 1205, 1213, 1317, 1927, 3024];
    let address = address.to_owned();
    match error {
        WireError::Server { code, .. } if !PASSING.contains(&code) => {
            SourceError::Statement { action, code, source: error }
        }
        WireError::UnknownPlugin { .. }
        | WireError::PublicKey
        | WireError::NoTls
        | WireError::Tls(_)
        | WireError::TlsFile(_) => SourceError::Login { address, source: error },
        WireError::Server { .. }
        | WireError::Io(_)
        | WireError::Closed
        | WireError::OutOfOrder { .. }
        | WireError::TooLong { .. }
        | WireError::Malformed(_) => SourceError::Connection { action, address, source: error },
    }
}
