//! The server's settings, and which values of them will do.

use std::collections::BTreeMap;

use super::Finding;
use crate::connection::Connection;
use crate::dialect::{Dialect, Flavor, Version, words};
use crate::error::SourceError;

/// System variables, as text.
pub(super) struct Settings {
    values: BTreeMap<String, String>,
    dialect: Dialect,
}

/// A setting, the value that will do, and why no other does.
struct Rule(&'static str, &'static str, &'static str);

impl Settings {
    pub(super) async fn read(connection: &mut Connection) -> Result<Self, SourceError> {
        const NAMES: &str = "'log_bin','binlog_format','binlog_row_image','binlog_row_metadata',\
            'gtid_mode','gtid_executed','server_uuid','log_replica_updates','log_slave_updates',\
            'innodb_read_only','innodb_native_foreign_keys','lower_case_table_names'";
        let statement = format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({NAMES})");
        let rows: Vec<(String, String)> =
            connection.rows("read the server's settings", &statement).await?;
        let mut values: BTreeMap<_, _> = rows.into_iter().collect();
        let now: Option<u64> = connection
            .first(
                "read the server's clock",
                "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS UNSIGNED)",
            )
            .await?;
        values.insert("now_us".to_owned(), now.unwrap_or_default().to_string());
        Ok(Self { values, dialect: connection.dialect() })
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// Whether there is a log at all.
    pub(super) fn has_log(&self) -> bool {
        self.get("log_bin") != "OFF"
    }

    /// Whether the server as a replica logs what it replicates.
    pub(super) fn logs_updates(&self) -> bool {
        self.get(self.dialect.say(&words::LOGS_UPDATES)) != "OFF"
    }

    /// Whether the log has what foreign keys do to rows.
    pub(super) fn logs_cascades(&self) -> bool {
        self.dialect.version >= words::LOGGED_CASCADES
            && self.get("innodb_native_foreign_keys") != "ON"
    }

    /// Looks at each setting; one that the server does not have passes.
    pub(super) fn check(&self, findings: &mut Vec<Finding>) {
        const RULES: [Rule; 2] = [
            Rule("binlog_format", "ROW", "only row events say what a statement changed"),
            Rule("binlog_row_image", "FULL", "a document is built from the whole row"),
        ];
        let dialect = self.dialect;
        if dialect.version < words::OLDEST && dialect.version > Version(0, 0, 0) {
            findings.push(Finding {
                what: format!("the server is MySQL {}", dialect.version),
                why: "what is asked of it is not there before 5.7.6",
                remedy: "upgrade the server, or connect to a newer replica of it".to_owned(),
            });
        }
        if self.is_reader() {
            return findings.push(Finding {
                what: "the server is a reader of an Aurora cluster".to_owned(),
                why: "only the cluster's writer has a binary log",
                remedy:
                    "set `database.hostname` to the cluster endpoint, which leads to the writer"
                        .to_owned(),
            });
        }
        if !self.has_log() {
            findings.push(Finding {
                what: "log_bin is OFF".to_owned(),
                why: "changes are read from the binary log",
                remedy: dialect.turn_log_on().to_owned(),
            });
        }
        for Rule(name, fit, why) in RULES {
            // On Aurora the format is what turns the log on.
            let is_said = name == "binlog_format" && dialect.flavor == Flavor::Aurora;
            if let Some(value) = self.values.get(name)
                && value != fit
                && (self.has_log() || !is_said)
            {
                let remedy = dialect.set(name, fit);
                findings.push(Finding { what: format!("{name} is {value}"), why, remedy });
            }
        }
    }

    /// Whether the server is one of Aurora's readers.
    pub(super) fn is_reader(&self) -> bool {
        self.dialect.flavor == Flavor::Aurora && self.get("innodb_read_only") == "ON"
    }

    /// What mends a log that does not name columns; nothing if it does.
    pub(super) fn nameless_remedy(&self) -> Option<String> {
        const NAME: &str = "binlog_row_metadata";
        if self.dialect.version < words::ROW_METADATA {
            return Some("upgrade the server to MySQL 8.0 or later".to_owned());
        }
        (self.get(NAME) != "FULL").then(|| self.dialect.set(NAME, "FULL"))
    }

    #[cfg(test)]
    pub(super) fn of(version: &str, values: &[(&str, &str)]) -> Self {
        let values = values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Self { dialect: Dialect::new(version, &values), values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(version: &str, settings: &[(&str, &str)]) -> Vec<String> {
        let mut findings = Vec::new();
        Settings::of(version, settings).check(&mut findings);
        findings
            .into_iter()
            .map(|finding| format!("{}: {}", finding.what, finding.remedy))
            .collect()
    }

    #[test]
    fn each_wrong_setting_comes_with_the_statement_that_mends_it() {
        let found = findings(
            "9.7.4",
            &[("log_bin", "ON"), ("binlog_format", "MIXED"), ("binlog_row_image", "MINIMAL")],
        );

        assert_eq!(
            found,
            [
                "binlog_format is MIXED: SET PERSIST binlog_format = 'ROW'",
                "binlog_row_image is MINIMAL: SET PERSIST binlog_row_image = 'FULL'",
            ]
        );
        assert!(findings("9.7.4", &[("log_bin", "OFF")])[0].contains("--log-bin"));
        assert!(findings("5.6.51", &[])[0].starts_with("the server is MySQL 5.6.51: "));
    }

    #[test]
    fn a_log_without_names_is_no_obstacle() {
        let remedy = |version, settings: &[_]| Settings::of(version, settings).nameless_remedy();
        let minimal = [("binlog_row_metadata", "MINIMAL")];

        assert_eq!(findings("9.7.4", &minimal), [""; 0]);
        assert_eq!(remedy("9.7.4", &minimal).unwrap(), "SET PERSIST binlog_row_metadata = 'FULL'");
        assert!(remedy("5.7.44", &[]).unwrap().contains("upgrade"));
        assert_eq!(remedy("9.7.4", &[("binlog_row_metadata", "FULL")]), None);
    }

    #[test]
    fn cascades_are_logged_by_the_server_itself() {
        let logs = |version, native| {
            Settings::of(version, &[("innodb_native_foreign_keys", native)]).logs_cascades()
        };

        assert!(logs("9.6.0", "OFF") && logs("9.7.4", ""));
        assert!(!logs("9.6.0", "ON") && !logs("9.5.0", "") && !logs("5.7.44", ""));
    }
}
