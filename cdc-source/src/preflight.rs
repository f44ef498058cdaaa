//! What must be true of a server before its log is read: each finding with its reason and the
//! statement that mends it.

use std::borrow::Cow;
use std::fmt;

use schema::fault::{Disposition, Fault};
use schema::position::BinlogPosition;
use schema::table::TableId;
use schema::types::Fidelity;
use uuid::Uuid;

use crate::config::SourceConfig;
use crate::connection::Connection;
use crate::error::SourceError;
use crate::snapshot::structure;

/// What is known of the server after the checks.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) uuid: Uuid,
    /// Whether the log can be read by GTID set.
    pub(crate) has_gtids: bool,
    /// Where the log ends now.
    pub(crate) position: BinlogPosition,
    /// `gtid_executed`, empty without GTIDs.
    pub(crate) executed: String,
    /// The captured tables that exist.
    pub(crate) tables: Vec<TableId>,
    /// MySQL's clock, microseconds since 1970.
    pub(crate) now_us: u64,
}

/// One thing that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    what: String,
    why: &'static str,
    remedy: String,
}

/// The server, the grants or the tables are not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PreflightError {
    findings: Vec<Finding>,
}

impl fmt::Display for PreflightError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mysql is not ready to be captured")?;
        // What mends it is the hint's part.
        for (index, Finding { what, why, .. }) in self.findings.iter().enumerate() {
            let separator = if index == 0 { ":" } else { ";" };
            write!(f, "{separator} {what}, but {why}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PreflightError {}

impl Fault for PreflightError {
    fn disposition(&self) -> Disposition {
        Disposition::Halt
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        let remedies: Vec<_> = self.findings.iter().map(|f| f.remedy.as_str()).collect();
        Some(Cow::Owned(remedies.join("; ")))
    }
}

/// Looks at the server; refuses it with all findings at once.
pub(crate) async fn check(
    connection: &mut Connection,
    config: &SourceConfig,
) -> Result<Server, SourceError> {
    let mut findings = Vec::new();
    let settings = Settings::read(connection).await?;
    settings.check(&mut findings);
    let status = log_status(connection, config, &settings, &mut findings).await?;
    check_replication(connection, config, &settings, &mut findings).await?;
    let tables = check_tables(connection, config, &mut findings).await?;
    let refused = |findings| SourceError::Preflight(PreflightError { findings });
    let Some(status) = status.filter(|_| findings.is_empty()) else {
        return Err(refused(findings));
    };
    let uuid = settings.get("server_uuid").parse().unwrap_or_else(|_| Uuid::nil());
    Ok(Server {
        uuid,
        has_gtids: settings.get("gtid_mode") == "ON",
        position: status,
        executed: settings.get("gtid_executed").replace('\n', ""),
        tables,
        now_us: settings.get("now_us").parse().unwrap_or_default(),
    })
}

/// Where the log of a server ends: the high watermark of a chunk.
pub(crate) async fn log_position(
    connection: &mut Connection,
    statement: &str,
) -> Result<Option<BinlogPosition>, SourceError> {
    let row: Option<mysql_common::Row> =
        connection.first("read the position of the binary log", statement).await?;
    Ok(row.as_ref().and_then(position_of))
}

/// The statement that says where the log ends: renamed in 8.2, gone by its old name in 8.4.
pub(crate) async fn status_statement(
    connection: &mut Connection,
) -> Result<&'static str, SourceError> {
    let version: Option<String> =
        connection.first("read the server's version", "SELECT VERSION()").await?;
    Ok(status_statement_of(&version.unwrap_or_default()))
}

fn status_statement_of(version: &str) -> &'static str {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (8, 2) { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" }
}

fn position_of(row: &mysql_common::Row) -> Option<BinlogPosition> {
    let file: String = row.get_opt(0)?.ok()?;
    let offset: u64 = row.get_opt(1)?.ok()?;
    BinlogPosition::new(&file, offset).ok()
}

/// System variables, as text.
struct Settings(std::collections::BTreeMap<String, String>);

impl Settings {
    async fn read(connection: &mut Connection) -> Result<Self, SourceError> {
        const NAMES: &str = "'version','version_comment','log_bin','binlog_format',\
            'binlog_row_image','binlog_row_metadata',\
            'gtid_mode','gtid_executed','server_uuid',\
            'log_replica_updates','log_slave_updates'";
        let statement = format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({NAMES})");
        let rows: Vec<(String, String)> =
            connection.rows("read the server's settings", &statement).await?;
        let mut settings: std::collections::BTreeMap<_, _> = rows.into_iter().collect();
        let now: Option<u64> = connection
            .first(
                "read the server's clock",
                "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS UNSIGNED)",
            )
            .await?;
        settings.insert("now_us".to_owned(), now.unwrap_or_default().to_string());
        Ok(Self(settings))
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Each setting with the values that will do; a setting that the server does not have passes.
    fn check(&self, findings: &mut Vec<Finding>) {
        const RULES: [(&str, &[&str], &str, &str); 4] = [
            (
                "log_bin",
                &["ON"],
                "changes are read from the binary log",
                "start mysqld with --log-bin",
            ),
            (
                "binlog_format",
                &["ROW"],
                "only row events say what a statement changed",
                "SET PERSIST binlog_format = 'ROW'",
            ),
            (
                "binlog_row_image",
                &["FULL"],
                "a document is built from the whole row",
                "SET PERSIST binlog_row_image = 'FULL'",
            ),
            (
                "binlog_row_metadata",
                &["FULL"],
                "rows are decoded by the names and types in the log itself",
                "SET PERSIST binlog_row_metadata = 'FULL'",
            ),
        ];
        if self.get("version").contains("MariaDB") {
            findings.push(Finding {
                what: format!("the server is {}", self.get("version")),
                why: "MariaDB's binary log differs from MySQL's",
                remedy: "connect to MySQL".to_owned(),
            });
            return;
        }
        for (name, fit, why, remedy) in RULES {
            if let Some(value) = self.0.get(name)
                && !fit.contains(&value.as_str())
            {
                findings.push(Finding {
                    what: format!("{name} is {value}"),
                    why,
                    remedy: remedy.to_owned(),
                });
            }
        }
    }
}

/// Where the log ends; finds a log that leaves databases out, and a missing grant.
async fn log_status(
    connection: &mut Connection,
    config: &SourceConfig,
    settings: &Settings,
    findings: &mut Vec<Finding>,
) -> Result<Option<BinlogPosition>, SourceError> {
    let statement = status_statement_of(settings.get("version"));
    let status = connection
        .first::<mysql_common::Row>("read the position of the binary log", statement)
        .await;
    let row = match status {
        Ok(row) => row,
        Err(error) if is_denied(&error) => {
            let why = "the log's position is asked for";
            findings.push(missing_grant("REPLICATION CLIENT", why, config));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let Some(row) = row else { return Ok(None) };
    for (column, option) in [(2, "binlog_do_db"), (3, "binlog_ignore_db")] {
        let databases = row.get_opt::<String, _>(column).and_then(Result::ok).unwrap_or_default();
        if !databases.is_empty() {
            findings.push(Finding {
                what: format!("{option} is {databases}"),
                why: "a log that leaves databases out loses changes without a trace",
                remedy: format!("start mysqld without --{}", option.replace('_', "-")),
            });
        }
    }
    Ok(position_of(&row))
}

/// A replica must log what it replicates, and we must be allowed to be a replica.
async fn check_replication(
    connection: &mut Connection,
    config: &SourceConfig,
    settings: &Settings,
    findings: &mut Vec<Finding>,
) -> Result<(), SourceError> {
    let logs_updates =
        settings.0.get("log_replica_updates").or(settings.0.get("log_slave_updates"));
    if logs_updates.is_some_and(|value| value == "OFF") {
        let statement = if settings.0.contains_key("log_replica_updates") {
            "SHOW REPLICA STATUS"
        } else {
            "SHOW SLAVE STATUS"
        };
        let status = connection.rows::<mysql_common::Row>("read the replica's status", statement);
        match status.await {
            Ok(rows) if rows.is_empty() => {}
            Ok(_) => findings.push(Finding {
                what: "the server is a replica with log_replica_updates = OFF".to_owned(),
                why: "its binary log lacks what it replicates",
                remedy: "start mysqld with --log-replica-updates, or connect to its source"
                    .to_owned(),
            }),
            Err(error) if is_denied(&error) => {}
            Err(error) => return Err(error),
        }
    }
    let statement = match status_statement_of(settings.get("version")) {
        "SHOW BINARY LOG STATUS" => "SHOW REPLICAS",
        _ => "SHOW SLAVE HOSTS",
    };
    match connection.rows::<mysql_common::Row>("list replicas", statement).await {
        Ok(replicas) => {
            warn_of_others(&replicas, config);
            Ok(())
        }
        Err(error) if is_denied(&error) => {
            let why = "the log is read as a replica does";
            findings.push(missing_grant("REPLICATION SLAVE", why, config));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Replicas that have our number and are not ours. The server tells us apart by our uuid, so that
/// neither ends the other's stream; but a replica of both of us, and people, would mix us up.
fn warn_of_others(replicas: &[mysql_common::Row], config: &SourceConfig) {
    let (ours, uuid) = (config.connection.server_id, config.connection.replica_uuid.to_string());
    for replica in replicas {
        let number: Option<u32> = replica.get_opt(0).and_then(Result::ok);
        let found: String = replica.get_opt(4).and_then(Result::ok).unwrap_or_default();
        if number == Some(ours) && found != uuid {
            let host: String = replica.get_opt(1).and_then(Result::ok).unwrap_or_default();
            tracing::warn!(
                server_id = ours,
                replica_uuid = found,
                host,
                hint = "give one of the two its own number; ours is `database.server.id`",
                "another replica has our server id"
            );
        }
    }
}

/// The captured tables: they exist, can be read, have a key, and every column is exact.
async fn check_tables(
    connection: &mut Connection,
    config: &SourceConfig,
    findings: &mut Vec<Finding>,
) -> Result<Vec<TableId>, SourceError> {
    let rows: Vec<(String, String)> = connection
        .rows(
            "list tables",
            "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES \
             WHERE TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_SCHEMA, TABLE_NAME",
        )
        .await?;
    let tables = rows.into_iter().map(|(database, name)| TableId { database, name });
    let captured: Vec<TableId> = tables.filter(|table| config.tables.matches(table)).collect();
    for pattern in config.tables.unmatched(&captured) {
        findings.push(Finding {
            what: format!("`table.include.list` has {pattern}"),
            why: "no table of this name can be seen",
            remedy: format!(
                "correct the list, create the table, or GRANT SELECT ON it TO '{}'",
                config.connection.user
            ),
        });
    }
    for table in &captured {
        check_table(connection, config, table, findings).await?;
    }
    Ok(captured)
}

async fn check_table(
    connection: &mut Connection,
    config: &SourceConfig,
    table: &TableId,
    findings: &mut Vec<Finding>,
) -> Result<(), SourceError> {
    // All columns: a grant of some of them would hide the others from information_schema too.
    let probe = format!("SELECT * FROM {} LIMIT 0", structure::quoted(table));
    match connection.rows::<mysql_common::Row>("read a table", &probe).await {
        Ok(_) => {}
        Err(error) if is_denied(&error) => {
            findings.push(Finding {
                what: format!("table {table} cannot be read"),
                why: "its rows are copied first",
                remedy: format!(
                    "GRANT SELECT ON {} TO '{}'",
                    structure::quoted(table),
                    config.connection.user
                ),
            });
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    match structure::read(connection, table).await? {
        Ok(_) if !config.snapshot.mode.copies() => {}
        // As Debezium: its records have no key then, which no sink here can take.
        Ok(found)
            if found.schema.key.is_empty()
                && config.records.values.fidelity == Fidelity::Debezium => {}
        Ok(found) if found.schema.key.is_empty() => findings.push(Finding {
            what: format!("table {table} has no primary key and no unique key without NULL"),
            why: "its rows cannot be copied in chunks, and a document needs an id",
            remedy: format!("add a primary key to {table}, or take it off `table.include.list`"),
        }),
        Ok(_) => {}
        Err(problem) => findings.push(Finding {
            what: format!("column {} of {table} is {}", problem.column, problem.type_name),
            why: "that cannot be captured exactly yet",
            remedy: format!("take {table} off `table.include.list`"),
        }),
    }
    Ok(())
}

fn missing_grant(privilege: &str, why: &'static str, config: &SourceConfig) -> Finding {
    Finding {
        what: format!("the user lacks {privilege}"),
        why,
        remedy: format!("GRANT {privilege} ON *.* TO '{}'", config.connection.user),
    }
}

/// `ER_SPECIFIC_ACCESS_DENIED_ERROR`, `ER_TABLEACCESS_DENIED_ERROR`, `ER_COLUMNACCESS_DENIED_ERROR`
/// and `ER_DBACCESS_DENIED_ERROR`.
fn is_denied(error: &SourceError) -> bool {
    matches!(error, SourceError::Statement { code: 1227 | 1142 | 1143 | 1044, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(settings: &[(&str, &str)]) -> Vec<String> {
        let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut findings = Vec::new();
        Settings(settings).check(&mut findings);
        findings
            .into_iter()
            .map(|finding| format!("{}: {}", finding.what, finding.remedy))
            .collect()
    }

    #[test]
    fn each_wrong_setting_comes_with_the_statement_that_mends_it() {
        let found = findings(&[
            ("log_bin", "ON"),
            ("binlog_row_image", "MINIMAL"),
            ("binlog_row_metadata", "MINIMAL"),
        ]);

        assert_eq!(
            found,
            [
                "binlog_row_image is MINIMAL: SET PERSIST binlog_row_image = 'FULL'",
                "binlog_row_metadata is MINIMAL: SET PERSIST binlog_row_metadata = 'FULL'",
            ]
        );
        assert!(findings(&[("log_bin", "OFF")])[0].contains("--log-bin"));
        assert!(findings(&[("version", "10.11.6-MariaDB")])[0].contains("MariaDB"));
    }

    #[test]
    fn the_status_statement_follows_the_version() {
        assert_eq!(status_statement_of("9.7.4"), "SHOW BINARY LOG STATUS");
        assert_eq!(status_statement_of("8.4.0-commercial"), "SHOW BINARY LOG STATUS");
        assert_eq!(status_statement_of("8.0.36"), "SHOW MASTER STATUS");
        assert_eq!(status_statement_of("5.7.44-log"), "SHOW MASTER STATUS");
    }
}
