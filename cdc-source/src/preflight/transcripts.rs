//! The start against servers of each version and service, played by a script: each knows the
//! statements, variables and columns that it has, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use connect::config::{Origin, PipelineConfig, Settings as ConnectorSettings};
use schema::fault::Fault;

use super::*;
use crate::dialect::{Dialect, Flavor, Version};
use crate::offsets::server_log_for_tests;
use crate::wire::scripted::{Answer, Cell, Script, ScriptedServer};

const UUID: &str = "7b40b903-e54c-11f1-9537-02fc00000001";

/// What makes a server another one than the next.
#[derive(Clone)]
struct Part {
    version: &'static str,
    plugin: &'static str,
    variables: BTreeMap<&'static str, &'static str>,
    /// Statements that only some know: their beginnings, and what is answered.
    own: Vec<(&'static str, Answer)>,
}

fn cells(row: &[&str]) -> Vec<Cell> {
    row.iter().map(|text| Some((*text).to_owned())).collect()
}

fn rows(columns: &[&'static str], rows: &[&[&str]]) -> Answer {
    Answer::Rows(columns.to_vec(), rows.iter().map(|row| cells(row)).collect())
}

const STATUS: [&str; 5] =
    ["File", "Position", "Binlog_Do_DB", "Binlog_Ignore_DB", "Executed_Gtid_Set"];
const LOG_END: [&str; 5] = ["mysql-bin.000007", "1543", "", "", ""];

impl Part {
    fn new(version: &'static str, plugin: &'static str) -> Self {
        let variables = [
            ("version", version),
            ("version_comment", "MySQL Community Server (GPL)"),
            ("basedir", "/usr/"),
            ("log_bin", "ON"),
            ("binlog_format", "ROW"),
            ("binlog_row_image", "FULL"),
            ("gtid_mode", "ON"),
            ("gtid_executed", "7b40b903-e54c-11f1-9537-02fc00000001:1-5"),
            ("server_uuid", UUID),
            ("innodb_read_only", "OFF"),
        ];
        Self { version, plugin, variables: variables.into(), own: Vec::new() }
    }

    fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.insert(name, value);
        self
    }

    fn knows(mut self, statement: &'static str, answer: Answer) -> Self {
        self.own.insert(0, (statement, answer));
        self
    }

    /// Statements with masters and slaves.
    fn old_words(self) -> Self {
        let hosts = ["Server_id", "Host", "Port", "Master_id", "Slave_UUID"];
        self.knows("SHOW MASTER STATUS", rows(&STATUS, &[&LOG_END]))
            .knows("SHOW SLAVE HOSTS", rows(&hosts, &[]))
            .knows("SHOW SLAVE STATUS", rows(&["Slave_IO_State"], &[]))
            .variable("log_slave_updates", "ON")
    }

    /// Statements with sources and replicas, as far as 8.0 has them.
    fn new_words(self) -> Self {
        let hosts = ["Server_Id", "Host", "Port", "Source_Id", "Replica_UUID"];
        self.knows("SHOW REPLICAS", rows(&hosts, &[]))
            .knows("SHOW REPLICA STATUS", rows(&["Replica_IO_State"], &[]))
            .variable("log_replica_updates", "ON")
            .variable("binlog_row_metadata", "MINIMAL")
    }

    fn log_status(self) -> Self {
        self.knows("SHOW BINARY LOG STATUS", rows(&STATUS, &[&LOG_END]))
    }

    fn retention(self, hours: Option<&str>) -> Self {
        let row = vec![hours.map(str::to_owned)];
        self.knows(
            "SELECT value FROM mysql.rds_configuration",
            Answer::Rows(vec!["value"], vec![row]),
        )
    }

    fn answer(&self, statement: &str) -> Option<Answer> {
        let own = self.own.iter().find(|(beginning, _)| statement.starts_with(beginning));
        if let Some((_, answer)) = own {
            return Some(answer.clone());
        }
        if statement.starts_with("SHOW GLOBAL VARIABLES WHERE Variable_name IN (") {
            let is_asked = |name: &str| statement.contains(&format!("'{name}'"));
            let found = self.variables.iter().filter(|(name, _)| is_asked(name));
            let rows = found.map(|(name, value)| cells(&[name, value])).collect();
            return Some(Answer::Rows(vec!["Variable_name", "Value"], rows));
        }
        if statement.starts_with("SET NAMES utf8mb4, ") {
            let isolation =
                if self.version < "5.7.20" { " tx_isolation" } else { " transaction_isolation" };
            return statement.contains(isolation).then_some(Answer::Done);
        }
        Some(match statement {
            "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS UNSIGNED)" => {
                rows(&["now"], &[&["1795280000000000"]])
            }
            "SELECT * FROM `shop`.`orders` LIMIT 0" => rows(&["id", "note"], &[]),
            "SHOW BINARY LOGS" => {
                rows(&["Log_name", "File_size"], &[&["mysql-bin.000007", "1543"]])
            }
            "SHOW KEYS FROM `shop`.`orders`" => self.keys(),
            "SHOW CREATE TABLE `shop`.`orders`" => rows(
                &["Table", "Create Table"],
                &[&["orders", "CREATE TABLE `orders` (\n  `id` int(11) NOT NULL\n)"]],
            ),
            _ if statement.contains("FROM information_schema.TABLES ") => {
                rows(&["TABLE_SCHEMA", "TABLE_NAME"], &[&["shop", "orders"]])
            }
            _ if statement.contains("FROM information_schema.COLUMNS ") => columns(),
            _ if statement.contains("FROM information_schema.REFERENTIAL_CONSTRAINTS ") => {
                rows(&["a", "b", "c", "d", "e", "f", "g"], &[])
            }
            _ if statement.contains("@@GLOBAL.gtid_purged") => {
                rows(&["a", "b", "c", "d"], &[&[UUID, "ON", "", ""]])
            }
            _ => return None,
        })
    }

    /// 5.7 says less of keys.
    fn keys(&self) -> Answer {
        let names = [
            "Table",
            "Non_unique",
            "Key_name",
            "Seq_in_index",
            "Column_name",
            "Collation",
            "Cardinality",
            "Sub_part",
            "Packed",
            "Null",
            "Index_type",
            "Comment",
            "Index_comment",
        ];
        let mut row = cells(&["orders", "0", "PRIMARY", "1", "id", "A", "0"]);
        row.extend([None, None]);
        row.extend(cells(&["", "BTREE", "", ""]));
        let mut names = names.to_vec();
        if !self.version.starts_with("5.") {
            names.extend(["Visible", "Expression"]);
            row.extend([Some("YES".to_owned()), None]);
        }
        Answer::Rows(names, vec![row])
    }

    async fn start(self) -> (ScriptedServer, SourceConfig) {
        let script = Script {
            version: self.version.to_owned(),
            plugin: self.plugin,
            answer: {
                let part = Arc::new(self);
                Box::new(move |statement| part.answer(statement))
            },
        };
        let server = ScriptedServer::start(script).await;
        let config = config(&server);
        (server, config)
    }
}

/// `id INT NOT NULL`, `note VARCHAR(20)`.
fn columns() -> Answer {
    let row = |name: &str, data_type: &str, column_type: &str, nullable: &str| {
        let mut row = cells(&[name, data_type, column_type, nullable]);
        let is_text = data_type == "varchar";
        row.extend(["45", "utf8mb4", "80"].map(|text| is_text.then(|| text.to_owned())));
        row.push(None);
        row.extend(cells(&["", ""]));
        row
    };
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let rows =
        vec![row("id", "int", "int(11)", "NO"), row("note", "varchar", "varchar(20)", "YES")];
    Answer::Rows(names.to_vec(), rows)
}

fn config(server: &ScriptedServer) -> SourceConfig {
    let file = "{bootstrap.servers: b, schema.registry.url: http://r, group.id: g, \
                 connectors: {x: {connector.class: mysql}}}";
    let worker = PipelineConfig::parse(file, &|_| None).unwrap().worker;
    let (host, port) = (server.address.ip().to_string(), server.address.port().to_string());
    let values = [
        ("database.hostname", host.as_str()),
        ("database.port", &port),
        ("database.user", "cdc"),
        ("database.password", "geheim"),
        ("topic.prefix", "p"),
        ("table.include.list", "shop.orders"),
    ];
    let values = values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let mut settings = ConnectorSettings::new("connector `x`", Origin::PipelineFile, values);
    SourceConfig::read("x", &worker, &mut settings).unwrap()
}

fn mysql_5_7() -> Part {
    Part::new("5.7.44-log", "mysql_native_password").old_words()
}

fn mysql_8_0() -> Part {
    Part::new("8.0.36", "caching_sha2_password").old_words().new_words()
}

fn mysql_8_4() -> Part {
    Part::new("8.4.3", "caching_sha2_password").new_words().log_status()
}

fn mysql_9() -> Part {
    Part::new("9.7.4", "caching_sha2_password")
        .new_words()
        .log_status()
        .variable("innodb_native_foreign_keys", "OFF")
}

fn rds() -> Part {
    mysql_8_0()
        .variable("basedir", "/rdsdbbin/mysql-8.0.36.R2/")
        .variable("version_comment", "Source distribution")
        .retention(Some("24"))
}

fn aurora() -> Part {
    mysql_8_0()
        .variable("version", "8.0.32")
        .variable("basedir", "/rdsdbbin/oscar-8.0.mysql_aurora.3.05.2/")
        .variable("aurora_version", "3.05.2")
        .retention(None)
}

async fn checked(part: Part) -> (Result<Server, SourceError>, Dialect, ScriptedServer) {
    let (server, config) = part.start().await;
    let mut connection = Connection::open(&config).await.unwrap();
    let dialect = connection.dialect();
    let checked = check(&mut connection, &config).await;
    assert_eq!(server.unknown(), [""; 0], "statements that this server does not know");
    (checked, dialect, server)
}

#[tokio::test]
async fn servers_of_each_version_and_service_are_fit_when_they_are_set_right() {
    for (part, flavor, version) in [
        (mysql_5_7(), Flavor::MySql, Version(5, 7, 44)),
        (mysql_8_0(), Flavor::MySql, Version(8, 0, 36)),
        (mysql_8_4(), Flavor::MySql, Version(8, 4, 3)),
        (mysql_9(), Flavor::MySql, Version(9, 7, 4)),
        (rds(), Flavor::Rds, Version(8, 0, 36)),
        (aurora(), Flavor::Aurora, Version(8, 0, 32)),
    ] {
        let (checked, dialect, script) = checked(part).await;

        let server = checked.unwrap();
        assert_eq!(dialect, Dialect { version, flavor });
        assert_eq!(server.position.to_string(), "mysql-bin.000007:1543");
        assert_eq!(server.tables, [TableId::new("shop", "orders")]);
        assert_eq!(server.definitions.0.len(), 1, "without names, definitions are kept");
        let looks_for_keys =
            script.statements().iter().any(|it| it.contains("REFERENTIAL_CONSTRAINTS"));
        assert_eq!(looks_for_keys, version < Version(9, 6, 0), "{version}");
        assert_eq!(server.logs_cascades, !looks_for_keys);
    }
}

/// What is wrong, and what mends it.
async fn refusal(part: Part) -> (String, String) {
    let error = checked(part).await.0.unwrap_err();
    let text = error.to_string();
    let text = text.strip_prefix("mysql is not ready to be captured: ").unwrap_or(&text);
    (text.to_owned(), error.hint().unwrap().into_owned())
}

#[tokio::test]
async fn what_is_set_wrong_is_mended_where_the_server_keeps_its_settings() {
    let wrong = |part: Part| part.variable("binlog_format", "MIXED");

    for (part, remedy) in [
        (mysql_5_7(), "SET GLOBAL binlog_format = 'ROW', and write"),
        (mysql_8_4(), "SET PERSIST binlog_format = 'ROW'"),
        (rds(), "set binlog_format to ROW in the instance's DB parameter group"),
        (aurora(), "set binlog_format to ROW in the DB cluster parameter group"),
    ] {
        let (what, hint) = refusal(wrong(part)).await;

        assert!(what.starts_with("binlog_format is MIXED, but "), "{what}");
        assert!(hint.starts_with(remedy), "{hint}");
    }
}

#[tokio::test]
async fn a_reader_of_aurora_is_told_from_a_writer_without_a_log() {
    let empty = || rows(&STATUS, &[]);
    let silent = || aurora().knows("SHOW MASTER STATUS", empty()).variable("log_bin", "OFF");

    let (reader, hint) = refusal(silent().variable("innodb_read_only", "ON")).await;
    assert!(reader.starts_with("the server is a reader of an Aurora cluster, but "), "{reader}");
    assert!(hint.contains("cluster endpoint"), "{hint}");

    let (writer, hint) = refusal(silent().variable("binlog_format", "STATEMENT")).await;
    assert!(writer.starts_with("log_bin is OFF, but ") && !writer.contains(';'), "{writer}");
    assert!(hint.contains("DB cluster parameter group"), "{hint}");
}

#[tokio::test]
async fn a_log_that_does_not_say_where_it_is_is_a_finding() {
    let (what, hint) = refusal(rds().knows("SHOW MASTER STATUS", rows(&STATUS, &[]))).await;

    assert!(what.starts_with("SHOW MASTER STATUS does not say where the log is"), "{what}");
    assert!(hint.contains("automated backups"), "{hint}");
}

#[tokio::test]
async fn a_grant_that_is_missing_is_named_and_a_table_of_the_service_that_is_hidden_is_not() {
    let denied =
        Answer::Error(1227, "Access denied; you need (at least one of) the … privilege(s)");
    let hidden = Answer::Error(1142, "SELECT command denied to user");
    let part = rds()
        .knows("SHOW MASTER STATUS", denied.clone())
        .knows("SHOW REPLICAS", denied)
        .knows("SELECT value FROM mysql.rds_configuration", hidden);

    let (what, hint) = refusal(part).await;

    assert!(what.contains("REPLICATION CLIENT") && what.contains("REPLICATION SLAVE"), "{what}");
    assert!(hint.contains("GRANT REPLICATION SLAVE ON *.* TO 'cdc'"), "{hint}");
    assert!(!what.contains("rds") && !hint.contains("SUPER"), "{what} {hint}");
}

#[tokio::test]
async fn logs_that_amazon_keeps_for_no_longer_than_it_needs_them_are_told_of() {
    let hidden = || Answer::Error(1142, "SELECT command denied to user");
    let statement = "SELECT value FROM mysql.rds_configuration";

    for (part, expected) in [
        (mysql_8_0(), None),
        (rds(), None),
        (rds().retention(None), Some("is NULL")),
        (aurora(), Some("is NULL")),
        (aurora().knows(statement, hidden()), Some("cannot be read")),
        (rds().knows(statement, Answer::Rows(vec!["value"], Vec::new())), Some("is NULL")),
    ] {
        let (server, config) = part.start().await;
        let mut connection = Connection::open(&config).await.unwrap();

        let problem = retention::problem(&mut connection).await.unwrap();

        let is_as_expected = match (problem, expected) {
            (None, None) => true,
            (Some(problem), Some(expected)) => problem.contains(expected),
            (Some(_), None) | (None, Some(_)) => false,
        };
        assert!(is_as_expected, "{problem:?} {expected:?}");
        assert_eq!(server.unknown(), [""; 0]);
    }
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused() {
    let part = Part::new("5.6.51-log", "mysql_native_password").old_words();
    // It has the older name of the isolation level only.
    let (what, _) = refusal(part).await;

    assert!(what.starts_with("the server is MySQL 5.6.51, but "), "{what}");
}

#[tokio::test]
async fn the_log_of_each_version_is_looked_at_in_its_own_words() {
    for part in [mysql_5_7(), mysql_8_0(), mysql_8_4(), mysql_9(), rds(), aurora()] {
        let (server, config) = part.start().await;

        let position = server_log_for_tests(&config).await.unwrap();

        assert_eq!(position.unwrap().to_string(), "mysql-bin.000007:1543");
        assert_eq!(server.unknown(), [""; 0]);
    }
}
