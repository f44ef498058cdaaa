//! What must be true of a server before its log is read: each finding with its reason and the
//! statement that mends it.

mod retention;
mod settings;
mod tables;
#[cfg(test)]
mod transcripts;

use std::borrow::Cow;
use std::fmt;

use schema::fault::{Disposition, Fault};
use schema::position::BinlogPosition;
use schema::table::TableId;
use uuid::Uuid;

use crate::config::SourceConfig;
use crate::connection::{Connection, position_of};
use crate::dialect::words;
use crate::error::SourceError;
use crate::foreign_keys::{self, CascadePolicy, ForeignKey};
use crate::snapshot::structure::Structure;
use crate::tables::NameCase;
use settings::Settings;

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
    /// Whether the log has what foreign keys do to rows.
    pub(crate) logs_cascades: bool,
    /// The definitions of the captured tables, if the log does not name columns, and where the log
    /// ended after they had been read.
    pub(crate) definitions: (Vec<Structure>, BinlogPosition),
    /// Other replicas that have our number, as host and uuid.
    pub(crate) same_number: Vec<String>,
    /// The keys of which it has not.
    pub(crate) cascades: Vec<ForeignKey>,
    /// How it writes names of tables.
    pub(crate) name_case: NameCase,
}

/// One thing that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) what: String,
    pub(crate) why: &'static str,
    pub(crate) remedy: String,
}

/// The server, the grants or the tables are not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PreflightError {
    findings: Vec<Finding>,
}

impl PreflightError {
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }
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

/// Refuses MariaDB by the version that it greets with: it does not know the statements by which the
/// rest is looked at, nor those that begin a session.
pub(crate) fn check_brand(version: &str) -> Result<(), PreflightError> {
    if !version.contains("MariaDB") {
        return Ok(());
    }
    // Before 11 it says first that it is 5.5.5, for replicas that would not believe a 10.
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    Err(PreflightError {
        findings: vec![Finding {
            what: format!("the server is {version}"),
            why: "MariaDB's binary log differs from MySQL's",
            remedy: "set `database.hostname` and `database.port` to a MySQL server".to_owned(),
        }],
    })
}

/// Looks at the server; refuses it with all findings at once.
pub(crate) async fn check(
    connection: &mut Connection,
    config: &SourceConfig,
) -> Result<Server, SourceError> {
    let mut findings = Vec::new();
    let settings = Settings::read(connection).await?;
    settings.check(&mut findings);
    let (mut status, mut same_number) = (None, Vec::new());
    if settings.has_log() && !settings.is_reader() {
        status = log_status(connection, config, &mut findings).await?;
        same_number = check_replication(connection, config, &settings, &mut findings).await?;
        retention::check(connection).await?;
    }
    let (tables, structures) = tables::check(connection, config, &mut findings).await?;
    let ends = if status.is_some() { connection.log_position().await? } else { None };
    let cascades = check_cascades(connection, config, &settings, &mut findings).await?;
    let refused = |findings| SourceError::Preflight(PreflightError { findings });
    let Some((status, end)) = status.zip(ends).filter(|_| findings.is_empty()) else {
        return Err(refused(findings));
    };
    let mut definitions = (Vec::new(), end);
    if let Some(hint) = settings.nameless_remedy() {
        definitions.0 = structures;
        tracing::warn!(
            hint,
            "the log does not name columns (binlog_row_metadata): names are those that tables have \
             when they are read, and a table whose definition was changed meanwhile is parked"
        );
    }
    foreign_keys::tell(&cascades, &[]);
    let uuid = settings.get("server_uuid").parse().unwrap_or_else(|_| Uuid::nil());
    Ok(Server {
        uuid,
        has_gtids: settings.get("gtid_mode") == "ON",
        position: status,
        executed: settings.get("gtid_executed").replace('\n', ""),
        tables,
        now_us: settings.get("now_us").parse().unwrap_or_default(),
        definitions,
        logs_cascades: settings.logs_cascades(),
        same_number,
        cascades,
        name_case: NameCase::of_setting(settings.get("lower_case_table_names")),
    })
}

/// Foreign keys that change rows of captured tables without a trace in the log.
async fn check_cascades(
    connection: &mut Connection,
    config: &SourceConfig,
    settings: &Settings,
    findings: &mut Vec<Finding>,
) -> Result<Vec<ForeignKey>, SourceError> {
    if settings.logs_cascades() {
        return Ok(Vec::new());
    }
    let keys = foreign_keys::read(connection, &config.tables).await?;
    if config.cascades == CascadePolicy::Refuse {
        findings.extend(keys.iter().map(|key| Finding {
            what: format!("foreign key {key} changes rows of captured tables"),
            why: "the binary log does not say so (`foreign.key.cascades`)",
            remedy: foreign_keys::REMEDY.to_owned(),
        }));
    }
    Ok(keys)
}

/// Where the log ends; finds a log that leaves databases out, and a missing grant.
async fn log_status(
    connection: &mut Connection,
    config: &SourceConfig,
    findings: &mut Vec<Finding>,
) -> Result<Option<BinlogPosition>, SourceError> {
    let statement = connection.dialect().say(&words::LOG_STATUS);
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
    let position = row.as_ref().and_then(position_of);
    let Some((row, position)) = row.zip(position) else {
        findings.push(Finding {
            what: format!("{statement} does not say where the log is"),
            why: "changes are read from the binary log",
            remedy: connection.dialect().turn_log_on().to_owned(),
        });
        return Ok(None);
    };
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
    Ok(Some(position))
}

/// A replica must log what it replicates, and we must be allowed to be a replica. Returns other
/// replicas that have our number.
async fn check_replication(
    connection: &mut Connection,
    config: &SourceConfig,
    settings: &Settings,
    findings: &mut Vec<Finding>,
) -> Result<Vec<String>, SourceError> {
    let dialect = connection.dialect();
    if !settings.logs_updates() {
        let statement = dialect.say(&words::REPLICA_STATUS);
        let setting = dialect.say(&words::LOGS_UPDATES);
        let status = connection.rows::<mysql_common::Row>("read the replica's status", statement);
        match status.await {
            Ok(rows) if rows.is_empty() => {}
            Ok(_) => findings.push(Finding {
                what: format!("the server is a replica with {setting} = OFF"),
                why: "its binary log lacks what it replicates",
                remedy: format!(
                    "start mysqld with --{}, or connect to its source",
                    setting.replace('_', "-")
                ),
            }),
            Err(error) if is_denied(&error) => {}
            Err(error) => return Err(error),
        }
    }
    let statement = dialect.say(&words::REPLICAS);
    match connection.rows::<mysql_common::Row>("list replicas", statement).await {
        Ok(replicas) => Ok(others_of_our_number(&replicas, config)),
        Err(error) if is_denied(&error) => {
            let why = "the log is read as a replica does";
            findings.push(missing_grant("REPLICATION SLAVE", why, config));
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// Replicas that have our number and are not ours. The server tells us apart by our uuid, so that
/// neither ends the other's stream; but a replica of both of us, and people, would mix us up.
fn others_of_our_number(replicas: &[mysql_common::Row], config: &SourceConfig) -> Vec<String> {
    let mut others = Vec::new();
    let (ours, uuid) = (config.connection.server_id, config.connection.replica_uuid.to_string());
    for replica in replicas {
        let number: Option<u32> = replica.get_opt(0).and_then(Result::ok);
        let last = replica.len().saturating_sub(1);
        let found: String = replica.get_opt(last).and_then(Result::ok).unwrap_or_default();
        if number == Some(ours) && found != uuid {
            let host: String = replica.get_opt(1).and_then(Result::ok).unwrap_or_default();
            tracing::warn!(
                server_id = ours,
                replica_uuid = found,
                host,
                hint = "give one of the two its own number; ours is `database.server.id`",
                "another replica has our server id"
            );
            others.push(format!("{host} ({found})"));
        }
    }
    others
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

    #[test]
    fn mariadb_is_refused_by_its_greeting() {
        let refusal = check_brand("5.5.5-10.11.6-MariaDB-0+deb12u1-log").unwrap_err();

        assert_eq!(
            refusal.to_string(),
            "mysql is not ready to be captured: the server is 10.11.6-MariaDB-0+deb12u1-log, but \
             MariaDB's binary log differs from MySQL's"
        );
        assert!(check_brand("11.8.3-MariaDB").is_err());
        assert_eq!(check_brand("5.5.5"), Ok(()));
        assert_eq!(check_brand("8.4.0-commercial"), Ok(()));
    }
}
