//! What is measured, and the statements that make its rows.

use clap::ValueEnum;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::BenchError;

/// Rows of a transaction where nothing else is said: those of the table of numbers.
const TRANSACTION: u64 = 1_000;
/// Columns of the wide table.
const WIDE_COLUMNS: usize = 100;
/// Tables of the workload with many.
const MANY_TABLES: u64 = 1_000;
/// Rows of a transaction into one of them.
const MANY_TRANSACTION: u64 = 10;

/// A workload by its name on the command line and in reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Workload {
    /// A million new rows in transactions of 1,000 rows.
    CatchupBulk,
    /// 200,000 updates, each a transaction.
    CatchupSingleRow,
    /// The first copy of two million rows.
    Snapshot,
    /// Commit to readable at 1,000 rows a second.
    #[value(name = "latency_1k")]
    Latency1k,
    /// Commit to readable at 10,000 rows a second.
    #[value(name = "latency_10k")]
    Latency10k,
    /// 200,000 rows of 100 columns in transactions of 1,000 rows.
    Wide,
    /// 50,000 rows with a JSON document of 1 KiB and a text of 3 KiB, in transactions of 100 rows.
    LargeText,
    /// MySQL to Elasticsearch: the copy of 500,000 rows until a search finds all of them.
    Chain,
    /// 200,000 rows in 1,000 tables, in transactions of 10 rows.
    ManyTables,
    /// Kafka to Elasticsearch: 500,000 documents, beside a bare bulk loader.
    Sink,
    /// As `catchup_bulk`, with four million rows.
    #[value(name = "growth_4m")]
    Growth4m,
    /// As `catchup_bulk`, with sixteen million rows.
    #[value(name = "growth_16m")]
    Growth16m,
}

/// How a workload is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The log that was written before is read.
    CatchUp(Change),
    /// Tables that were filled before are copied.
    Snapshot,
    /// At so many rows a second.
    Latency { rate: u64 },
    /// Into the index.
    Chain,
    /// Without MySQL.
    Sink,
}

/// What is written into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// New rows, so many in a transaction.
    Inserts { transaction: u64 },
    /// One row at a time.
    Updates,
    /// New rows in one table after the other.
    ManyTables,
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Ten columns of nine types: some 170 bytes of log.
    Usual,
    /// A hundred columns of five types.
    Wide,
    /// JSON and text.
    Text,
}

impl Workload {
    /// What it is called, how many rows it has, what they are and what becomes of them.
    fn parts(self) -> (&'static str, u64, Shape, Kind) {
        const BULK: Kind = Kind::CatchUp(Change::Inserts { transaction: TRANSACTION });
        const SMALLER: Kind = Kind::CatchUp(Change::Inserts { transaction: TRANSACTION / 10 });
        const SINGLE: Kind = Kind::CatchUp(Change::Updates);
        const MANY: Kind = Kind::CatchUp(Change::ManyTables);
        match self {
            Self::CatchupBulk => ("catchup_bulk", 1_000_000, Shape::Usual, BULK),
            Self::CatchupSingleRow => ("catchup_single_row", 200_000, Shape::Usual, SINGLE),
            Self::Snapshot => ("snapshot", 2_000_000, Shape::Usual, Kind::Snapshot),
            Self::Latency1k => ("latency_1k", 0, Shape::Usual, Kind::Latency { rate: 1_000 }),
            Self::Latency10k => ("latency_10k", 0, Shape::Usual, Kind::Latency { rate: 10_000 }),
            Self::Wide => ("wide", 200_000, Shape::Wide, BULK),
            Self::LargeText => ("large_text", 50_000, Shape::Text, SMALLER),
            Self::Chain => ("chain", 500_000, Shape::Usual, Kind::Chain),
            Self::ManyTables => ("many_tables", 200_000, Shape::Usual, MANY),
            Self::Sink => ("sink", 500_000, Shape::Usual, Kind::Sink),
            Self::Growth4m => ("growth_4m", 4_000_000, Shape::Usual, BULK),
            Self::Growth16m => ("growth_16m", 16_000_000, Shape::Usual, BULK),
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.parts().0
    }

    /// Whether it shows only that more rows cost as much each.
    #[must_use]
    pub fn is_growth(self) -> bool {
        matches!(self, Self::Growth4m | Self::Growth16m)
    }

    pub(super) fn kind(self) -> Kind {
        self.parts().3
    }

    /// Rows of a run at so many percent: whole transactions of the largest size, and at least one.
    pub(super) fn rows(self, percent: u64) -> u64 {
        let all = self.parts().1;
        (all * percent / 100 / TRANSACTION * TRANSACTION).max(TRANSACTION.min(all))
    }

    /// The tables whose rows count, in the workload's database.
    pub(super) fn tables(self) -> Vec<String> {
        if self.kind() == Kind::CatchUp(Change::ManyTables) {
            return (0..MANY_TABLES).map(|number| format!("t{number}")).collect();
        }
        vec!["r".to_owned()]
    }

    /// Makes the database, its tables, and what is in them before anything is measured.
    pub(super) async fn prepare(
        self,
        connection: &mut Conn,
        database: &str,
        rows: u64,
    ) -> Result<(), BenchError> {
        connection.query_drop(format!("CREATE DATABASE {database}")).await?;
        connection.query_drop(format!("USE {database}")).await?;
        connection.query_drop("CREATE TABLE marker (id BIGINT PRIMARY KEY)").await?;
        for table in self.tables() {
            let columns = self.parts().2.columns();
            connection.query_drop(format!("CREATE TABLE {table} ({columns})")).await?;
        }
        match self.kind() {
            Kind::Snapshot | Kind::Chain => self.fill(connection, rows).await?,
            Kind::CatchUp(Change::Updates) => {
                self.fill(connection, rows).await?;
                connection.query_drop(UPDATES).await?;
            }
            Kind::CatchUp(Change::Inserts { .. } | Change::ManyTables)
            | Kind::Latency { .. }
            | Kind::Sink => {}
        }
        Ok(())
    }

    /// Writes changes of so many rows.
    pub(super) async fn write(
        self,
        connection: &mut Conn,
        (change, rows): (Change, u64),
    ) -> Result<(), BenchError> {
        match change {
            Change::Inserts { transaction } => {
                self.insert_all(connection, (rows, transaction)).await?;
            }
            Change::Updates => connection.query_drop(format!("CALL updates({rows})")).await?,
            Change::ManyTables => {
                for number in 0..rows / MANY_TRANSACTION {
                    let table = format!("t{}", number % MANY_TABLES);
                    let rows = (number * MANY_TRANSACTION, MANY_TRANSACTION);
                    connection.query_drop(self.insert(&table, rows)).await?;
                }
            }
        }
        Ok(())
    }

    /// Rows that are older than the log.
    async fn fill(self, connection: &mut Conn, rows: u64) -> Result<(), BenchError> {
        connection.query_drop("SET sql_log_bin = OFF").await?;
        self.insert_all(connection, (rows, TRANSACTION)).await?;
        connection.query_drop("ANALYZE NO_WRITE_TO_BINLOG TABLE r").await?;
        connection.query_drop("SET sql_log_bin = ON").await?;
        Ok(())
    }

    async fn insert_all(
        self,
        connection: &mut Conn,
        (rows, transaction): (u64, u64),
    ) -> Result<(), BenchError> {
        let mut first = 0;
        while first < rows {
            let some = transaction.min(rows - first);
            connection.query_drop(self.insert("r", (first, some))).await?;
            first += some;
        }
        Ok(())
    }

    /// One statement, which is one transaction, of the rows from `first` on.
    fn insert(self, table: &str, (first, rows): (u64, u64)) -> String {
        let values = self.parts().2.values();
        format!(
            "INSERT INTO {table} SELECT {values} FROM \
             (SELECT {first} + i AS id FROM {NUMBERS} WHERE i < {rows} ORDER BY i) n"
        )
    }
}

impl Shape {
    fn columns(self) -> String {
        match self {
            Self::Usual => format!("{ROW_KEY}, {ROW_COLUMNS}"),
            Self::Wide => wide(ROW_KEY, |number, (kind, _)| format!("c{number} {kind}")),
            Self::Text => format!("{ROW_KEY}, document JSON, body TEXT"),
        }
    }

    fn values(self) -> String {
        match self {
            Self::Usual => format!("id, {ROW_VALUES}"),
            Self::Wide => wide("id", |_, (_, value)| value.to_owned()),
            Self::Text => format!("id, {TEXT_VALUES}"),
        }
    }
}

/// The table of the numbers 0 to 999, which nobody captures.
pub(super) const NUMBERS: &str = "e2e_numbers.n";

/// Makes it.
pub(super) async fn make_numbers(connection: &mut Conn) -> Result<(), BenchError> {
    connection.query_drop("CREATE DATABASE e2e_numbers").await?;
    connection.query_drop(format!("CREATE TABLE {NUMBERS} (i INT PRIMARY KEY)")).await?;
    let rows: Vec<_> = (0..TRANSACTION).map(|i| format!("({i})")).collect();
    connection.query_drop(format!("INSERT INTO {NUMBERS} VALUES {}", rows.join(", "))).await?;
    Ok(())
}

const ROW_KEY: &str = "id BIGINT NOT NULL PRIMARY KEY";

const ROW_COLUMNS: &str = "a INT NOT NULL, b BIGINT UNSIGNED, c VARCHAR(64) NOT NULL, \
     d VARCHAR(120), e DECIMAL(12, 2), f DOUBLE, g DATETIME(3), h TIMESTAMP(6) NULL, \
     i TINYINT(1) NOT NULL DEFAULT 0, j ENUM('x', 'y', 'z')";

const ROW_VALUES: &str = "id, id * 7919, CONCAT('name-', LEFT(SHA2(id, 256), 32)), \
     CONCAT(LEFT(SHA2(id, 256), 40), '-', LEFT(SHA2(id * 3, 256), 32)), id / 100, id * 1.37, \
     '2024-01-01 00:00:00.123' + INTERVAL id % 86400 SECOND, \
     '2024-06-01 01:02:03.456789' + INTERVAL id % 86400 SECOND, id % 2, ELT(1 + id % 3, 'x', 'y', 'z')";

const TEXT_VALUES: &str = "JSON_OBJECT('id', id, 'name', CONCAT('name ', id), 'tags', \
     JSON_ARRAY('new', 'paid', id % 7), 'price', id * 1.37, 'address', JSON_OBJECT('city', \
     CONCAT('city ', id % 977), 'zip', id % 99999, 'isHome', id % 2 = 0), 'history', \
     JSON_ARRAY(SHA2(id, 512), SHA2(id + 1, 512), SHA2(id + 2, 512), SHA2(id + 3, 512), \
     SHA2(id + 4, 512), SHA2(id + 5, 512))), \
     CONCAT('A text with \"quotes\" and lines:\\n', REPEAT(CONCAT(SHA2(id, 256), ' ähnlich\\n'), 40))";

/// A change of two columns of one row a transaction; which row jumps about.
const UPDATES: &str = "CREATE PROCEDURE updates(changes INT) \
     BEGIN DECLARE i INT DEFAULT 0; \
     SELECT COUNT(*) INTO @there FROM r; \
     WHILE i < changes DO \
       UPDATE r SET a = a + 1, d = CONCAT('update ', i) WHERE id = (i * 7) % @there; \
       SET i = i + 1; \
     END WHILE; END";

/// A list of the key and something of each further column: its type or its value.
fn wide(key: &str, of: impl Fn(usize, (&str, &str)) -> String) -> String {
    const KINDS: [(&str, &str); 5] = [
        ("INT", "id + 1"),
        ("BIGINT", "id * 7919"),
        ("VARCHAR(40)", "CONCAT('value-', id)"),
        ("DECIMAL(12, 2)", "id / 100"),
        ("DATETIME(3)", "'2024-01-01 00:00:00.123' + INTERVAL id % 86400 SECOND"),
    ];
    let columns = (1..WIDE_COLUMNS).zip(KINDS.into_iter().cycle());
    let columns: Vec<_> = columns.map(|(number, column)| of(number, column)).collect();
    format!("{key}, {}", columns.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for workload in Workload::value_variants() {
            assert_eq!(workload.to_possible_value().unwrap().get_name(), workload.name());
        }
    }

    #[test]
    fn a_part_of_the_rows_is_whole_transactions() {
        assert_eq!(Workload::CatchupBulk.rows(100), 1_000_000);
        assert_eq!(Workload::LargeText.rows(3), 1_000);
        assert_eq!(Workload::Snapshot.rows(0), 1_000);
        assert_eq!(Workload::Latency1k.rows(100), 0);
    }

    #[test]
    fn the_wide_table_has_as_many_values_as_columns() {
        assert_eq!(Shape::Wide.columns().matches(", c").count(), WIDE_COLUMNS - 1);
        assert_eq!(Shape::Wide.values().matches("id").count(), WIDE_COLUMNS);
    }
}
