//! What servers differ in: MySQL's versions, and those who run MySQL for others. Every statement
//! that is not the same everywhere stands in [`words`]; nothing else looks at a version.

pub(crate) mod words;

use std::collections::BTreeMap;
use std::fmt;

/// A server's version and who has made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) version: Version,
    pub(crate) flavor: Flavor,
}

/// `major.minor.patch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32, pub(crate) u32);

/// Who has made the server or runs it, as far as that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavor {
    MySql,
    Percona,
    /// Amazon's service for MySQL: settings are in a parameter group, and nobody has SUPER.
    Rds,
    /// Amazon's own server of MySQL's kind: the same, and only the writer has a log.
    Aurora,
}

impl Flavor {
    /// What people call it.
    pub(crate) fn brand(self) -> &'static str {
        match self {
            Self::MySql => "MySQL",
            Self::Percona => "Percona Server",
            Self::Rds => "MySQL on RDS",
            Self::Aurora => "Aurora MySQL",
        }
    }
}

impl Dialect {
    /// What tells servers apart, as `SHOW GLOBAL VARIABLES` says it. A proxy may greet with a
    /// version of its own, so the greeting alone does not do.
    pub(crate) const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN \
        ('version','version_comment','basedir','aurora_version')";

    /// Reads the answer; what is missing is taken from the version that the server greeted with.
    pub(crate) fn new(greeting: &str, variables: &BTreeMap<String, String>) -> Self {
        let value = |name: &str| variables.get(name).map_or("", String::as_str);
        let flavor = if variables.contains_key("aurora_version") {
            Flavor::Aurora
        } else if value("basedir").starts_with("/rdsdbbin") {
            Flavor::Rds
        } else if value("version_comment").contains("Percona") {
            Flavor::Percona
        } else {
            Flavor::MySql
        };
        let version = variables.get("version").map_or(greeting, String::as_str);
        Self { version: Version::parse(version), flavor }
    }

    /// The word of this server.
    pub(crate) fn say(self, difference: &words::Difference) -> &'static str {
        if self.version >= difference.since { difference.word } else { difference.before }
    }

    /// What all our statements rely on: UTC, literals in utf8mb4, and text as its column stores it.
    /// Were it converted, the server would send `?` for each character that it can store but not
    /// convert, and nobody would know. A CHAR is not padded, and a definition is printed in MySQL's
    /// own quotes.
    pub(crate) fn session(self) -> String {
        format!(
            "SET NAMES utf8mb4, character_set_results = NULL, time_zone = '+00:00', \
             sql_mode = '', sql_quote_show_create = 1, \
             {} = 'READ-COMMITTED', autocommit = 1",
            self.say(&words::ISOLATION)
        )
    }

    /// What makes a session a replica's. The old names are read by all versions.
    pub(crate) fn replica_session(self, period_ns: u128, replica: &dyn fmt::Display) -> String {
        let names: &[(&str, &str, &str)] = if self.version >= words::SOURCE_AND_REPLICA {
            &[words::REPLICA_VARIABLES, words::SLAVE_VARIABLES]
        } else {
            &[words::SLAVE_VARIABLES]
        };
        let set = |(period, checksum, uuid): &(&str, &str, &str)| {
            format!("{period} = {period_ns}, {checksum} = 'CRC32', {uuid} = '{replica}'")
        };
        let sets: Vec<_> = names.iter().map(set).collect();
        format!("SET {}", sets.join(", "))
    }

    /// How a setting is changed for good.
    pub(crate) fn set(self, name: &str, value: &str) -> String {
        match self.flavor {
            Flavor::Rds => format!("set {name} to {value} in the instance's DB parameter group"),
            Flavor::Aurora => format!(
                "set {name} to {value} in the DB cluster parameter group, then reboot the writer"
            ),
            Flavor::MySql | Flavor::Percona if self.version < words::PERSIST => format!(
                "SET GLOBAL {name} = '{value}', and write {name} = {value} below [mysqld] in my.cnf"
            ),
            Flavor::MySql | Flavor::Percona => format!("SET PERSIST {name} = '{value}'"),
        }
    }

    /// How a server gets a binary log.
    pub(crate) fn turn_log_on(self) -> &'static str {
        match self.flavor {
            Flavor::MySql | Flavor::Percona => "start mysqld with --log-bin",
            Flavor::Rds => {
                "turn automated backups on: give the instance a backup retention period of a day \
                 or more"
            }
            Flavor::Aurora => {
                "set binlog_format to ROW in the DB cluster parameter group, then reboot the writer"
            }
        }
    }

    /// How binary logs are kept for longer.
    pub(crate) fn keep_logs(self) -> &'static str {
        match self.flavor {
            Flavor::Rds | Flavor::Aurora => words::KEEP_LOGS_ON_RDS,
            Flavor::MySql | Flavor::Percona => self.say(&words::RETENTION),
        }
    }

    /// Whether Amazon runs it.
    pub(crate) fn is_amazons(self) -> bool {
        matches!(self.flavor, Flavor::Rds | Flavor::Aurora)
    }
}

impl Version {
    /// The first three numbers of `8.0.36-28`, `5.7.44-log` or `8.0.mysql_aurora.3.04.0`.
    pub(crate) fn parse(text: &str) -> Self {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        let mut number = || numbers.next().and_then(Result::ok).unwrap_or(0);
        Self(number(), number(), number())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::words::*;
    use super::*;

    fn dialect(variables: &[(&str, &str)]) -> Dialect {
        let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Dialect::new("8.0.11", &variables.collect())
    }

    fn of(version: &str) -> Dialect {
        dialect(&[("version", version)])
    }

    #[test]
    fn each_word_changes_with_its_version_and_not_before() {
        for (difference, last_before, first) in [
            (&LOG_STATUS, "8.1.0", "8.2.0"),
            (&REPLICAS, "8.0.21", "8.0.22"),
            (&REPLICA_STATUS, "8.0.21", "8.0.22"),
            (&SECONDS_BEHIND, "8.0.21", "8.0.22"),
            (&RECEIVER_RUNNING, "8.0.21", "8.0.22"),
            (&APPLIER_RUNNING, "8.0.21", "8.0.22"),
            (&START_REPLICA, "8.0.21", "8.0.22"),
            (&SHARED_LOCK, "8.0.0", "8.0.1"),
            (&ISOLATION, "5.7.19", "5.7.20"),
            (&RETENTION, "8.0.0", "8.0.1"),
            (&LOGS_UPDATES, "8.0.25", "8.0.26"),
        ] {
            assert_eq!(of(last_before).say(difference), difference.before);
            assert_eq!(of(first).say(difference), difference.word);
            assert_eq!(of("5.7.6").say(difference), difference.before);
            assert_eq!(of("9.7.4").say(difference), difference.word);
        }
    }

    #[test]
    fn a_replica_uses_the_names_that_the_server_reads() {
        let old = "@master_heartbeat_period = 5, @master_binlog_checksum = 'CRC32', \
                   @slave_uuid = 'u'";

        assert_eq!(of("8.0.25").replica_session(5, &"u"), format!("SET {old}"));
        assert_eq!(
            of("8.0.26").replica_session(5, &"u"),
            format!(
                "SET @source_heartbeat_period = 5, @source_binlog_checksum = 'CRC32', \
                 @replica_uuid = 'u', {old}"
            )
        );
    }

    #[test]
    fn servers_are_told_apart() {
        let rds = [("version", "8.0.36"), ("basedir", "/rdsdbbin/mysql-8.0.36.R2/")];
        let aurora = [("version", "8.0.28"), ("basedir", "/rdsdbbin/oscar-8.0/")];
        let aurora = [&aurora[..], &[("aurora_version", "3.04.0")]].concat();
        let percona = [("version", "5.7.44-48"), ("version_comment", "Percona Server (GPL)")];

        assert_eq!(dialect(&rds), Dialect { version: Version(8, 0, 36), flavor: Flavor::Rds });
        assert_eq!(dialect(&aurora).flavor, Flavor::Aurora);
        assert_eq!(
            dialect(&percona),
            Dialect { version: Version(5, 7, 44), flavor: Flavor::Percona }
        );
        assert_eq!(dialect(&[]), Dialect { version: Version(8, 0, 11), flavor: Flavor::MySql });
        assert_eq!(Version::parse("8.0.mysql_aurora.3.04.0"), Version(8, 0, 0));
        assert_eq!(Version::parse("8.4.0-commercial"), Version(8, 4, 0));
    }

    #[test]
    fn a_setting_is_changed_where_its_server_keeps_it() {
        let set = |dialect: Dialect| dialect.set("binlog_format", "ROW");
        let aurora = dialect(&[("version", "8.0.28"), ("aurora_version", "3.04.0")]);
        let rds = dialect(&[("version", "8.4.3"), ("basedir", "/rdsdbbin/mysql/")]);

        assert_eq!(set(of("8.0.11")), "SET PERSIST binlog_format = 'ROW'");
        assert!(set(of("5.7.44")).starts_with("SET GLOBAL binlog_format = 'ROW', and write "));
        assert!(set(rds).ends_with("in the instance's DB parameter group"));
        assert!(set(aurora).contains("in the DB cluster parameter group"));
        assert!(aurora.turn_log_on().contains("DB cluster parameter group"));
        assert!(rds.turn_log_on().contains("automated backups"));
        assert!(rds.keep_logs().contains("rds_set_configuration"));
    }

    #[test]
    fn the_isolation_is_set_by_the_name_that_the_server_has() {
        assert!(of("5.7.19").session().contains(" tx_isolation = 'READ-COMMITTED'"));
        assert!(of("9.7.4").session().contains(" transaction_isolation = 'READ-COMMITTED'"));
    }
}
