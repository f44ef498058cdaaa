//! Random traffic on a few tables: what applications do to rows, over keys so few that rows are
//! changed, deleted and made again all the time.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

use crate::random::Random;

/// MySQL ends a transaction by these: a deadlock, and a wait for a lock that took too long.
const PASSING: [u16; 2] = [1213, 1205];

/// Tables in one database, and the traffic on them.
#[derive(Debug)]
pub struct Workload {
    connection: Conn,
    database: String,
    random: Random,
    /// How many keys each table has.
    keys: u64,
    /// Names of columns that were added, so that the next has a new one.
    added: u32,
    transactions: u64,
}

/// The tables, each with another kind of key.
const TABLES: [Kind; 3] = [Kind::Number, Kind::Pair, Kind::Text];

#[derive(Clone, Copy, Debug)]
enum Kind {
    Number,
    Pair,
    Text,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Number => "numbers",
            Self::Pair => "pairs",
            Self::Text => "texts",
        }
    }

    /// The columns of the key and its definition.
    fn definition(self) -> (&'static str, &'static str) {
        match self {
            Self::Number => ("id", "id INT PRIMARY KEY"),
            Self::Pair => (
                "owner, line",
                "owner VARCHAR(20) NOT NULL, line BIGINT UNSIGNED NOT NULL, \
                 PRIMARY KEY (owner, line)",
            ),
            Self::Text => ("code", "code VARCHAR(40) PRIMARY KEY"),
        }
    }

    /// The key of a number. Texts differ in letters, case, accents and length, so that they sort
    /// otherwise than their bytes do.
    fn key(self, number: u64) -> String {
        const OWNERS: [&str; 5] = ["kim", "Zoë", "ärger", "Ångström", "a b'c"];
        let owner = |number: u64| {
            usize::try_from(number % 5).ok().and_then(|index| OWNERS.get(index)).unwrap_or(&"")
        };
        match self {
            Self::Number => (i128::from(number) - 20).to_string(),
            Self::Pair => {
                let text = owner(number).replace('\'', "''");
                format!("'{text}', {}", u64::MAX - number / 5)
            }
            Self::Text => {
                let text = owner(number).replace('\'', "''");
                format!("'{text}{}'", number / 5 * 7)
            }
        }
    }

    /// A condition that holds for the row of a key.
    fn is_key(self, number: u64) -> String {
        format!("({}) = ({})", self.definition().0, self.key(number))
    }
}

impl Workload {
    /// Makes the database and its tables, each with rows for half of its `keys`.
    ///
    /// # Errors
    ///
    /// MySQL's.
    pub async fn create(
        mysql: &str,
        database: &str,
        (keys, seed): (u64, u64),
    ) -> Result<Self, Error> {
        let mut connection = Conn::new(mysql_async::Opts::from_url(mysql)?).await?;
        connection.query_drop(format!("CREATE DATABASE {database}")).await?;
        connection.query_drop(format!("USE {database}")).await?;
        for table in TABLES {
            let (name, (_, key)) = (table.name(), table.definition());
            let columns = "n BIGINT, note VARCHAR(200), amount DECIMAL(12,2), at DATETIME(6), \
                           doc JSON";
            connection.query_drop(format!("CREATE TABLE {name} ({key}, {columns})")).await?;
        }
        let random = Random::new(seed);
        let (database, added, transactions) = (database.to_owned(), 0, 0);
        let mut workload = Self { connection, database, random, keys, added, transactions };
        for table in TABLES {
            for number in (0..keys).step_by(2) {
                let insert = workload.insert(table, number);
                workload.connection.query_drop(insert).await?;
            }
        }
        Ok(workload)
    }

    /// The tables as `database.table`.
    #[must_use]
    pub fn tables(&self) -> Vec<String> {
        TABLES.map(|table| format!("{}.{}", self.database, table.name())).into()
    }

    /// How many transactions were committed.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.transactions
    }

    /// Runs one transaction: of one statement, of several, or one that is rolled back.
    ///
    /// # Errors
    ///
    /// MySQL's, but for a deadlock or a lock that is not free in time: that one is rolled back.
    pub async fn step(&mut self) -> Result<(), Error> {
        let (statements, rolls_back) = match self.random.below(10) {
            0..=5 => (1, false),
            6..=8 => (2 + self.random.below(8), false),
            _ => (1 + self.random.below(4), true),
        };
        match self.transaction(statements, rolls_back).await {
            Err(Error::Server(error)) if PASSING.contains(&error.code) => {
                self.connection.query_drop("ROLLBACK").await
            }
            other => other,
        }
    }

    /// Changes many rows in one transaction, for a large one.
    ///
    /// # Errors
    ///
    /// MySQL's, as [`step`](Self::step).
    pub async fn large_step(&mut self, statements: u64) -> Result<(), Error> {
        match self.transaction(statements, false).await {
            Err(Error::Server(error)) if PASSING.contains(&error.code) => {
                self.connection.query_drop("ROLLBACK").await
            }
            other => other,
        }
    }

    /// Adds a column that is NULL in all rows to one of the tables. Rows get a value in it by
    /// later updates.
    ///
    /// # Errors
    ///
    /// MySQL's.
    pub async fn add_column(&mut self) -> Result<(), Error> {
        self.added += 1;
        let (table, added) = (self.table().name(), self.added);
        let kind = if added.is_multiple_of(2) { "INT" } else { "VARCHAR(30)" };
        self.connection
            .query_drop(format!("ALTER TABLE {table} ADD COLUMN added_{added} {kind} NULL"))
            .await
    }

    async fn transaction(&mut self, statements: u64, rolls_back: bool) -> Result<(), Error> {
        self.connection.query_drop("BEGIN").await?;
        for _ in 0..statements {
            let statement = self.statement();
            self.connection.query_drop(statement).await?;
        }
        let end = if rolls_back { "ROLLBACK" } else { "COMMIT" };
        self.connection.query_drop(end).await?;
        self.transactions += u64::from(!rolls_back);
        Ok(())
    }

    fn statement(&mut self) -> String {
        let table = self.table();
        let name = table.name();
        let number = self.random.below(self.keys);
        let is_key = table.is_key(number);
        match self.random.below(12) {
            0..=3 => self.insert(table, number),
            4..=6 => format!("UPDATE {name} SET {} WHERE {is_key}", self.assignments()),
            7 => {
                // A key that is taken leaves the row as it is.
                let (columns, target) = (table.definition().0, self.random.below(self.keys));
                let keys = table.key(target);
                let pairs: Vec<String> = columns
                    .split(", ")
                    .zip(keys.split(", "))
                    .map(|(column, key)| format!("{column} = {key}"))
                    .collect();
                format!("UPDATE IGNORE {name} SET {} WHERE {is_key}", pairs.join(", "))
            }
            8 => format!("UPDATE {name} SET n = n + 1 WHERE n % 5 = {}", self.random.below(5)),
            9..=10 => format!("DELETE FROM {name} WHERE {is_key}"),
            _ => format!("DELETE FROM {name} WHERE n % 11 = {}", self.random.below(11)),
        }
    }

    /// Puts a row in, or another in its place.
    fn insert(&mut self, table: Kind, number: u64) -> String {
        let (name, (key, _)) = (table.name(), table.definition());
        let (values, assignments) = (self.values(), self.assignments());
        format!(
            "INSERT INTO {name} ({key}, n, note, amount, at, doc) VALUES ({}, {values}) \
             ON DUPLICATE KEY UPDATE {assignments}",
            table.key(number)
        )
    }

    fn values(&mut self) -> String {
        let [n, note, amount, at, doc] = self.cells();
        format!("{n}, {note}, {amount}, {at}, {doc}")
    }

    fn assignments(&mut self) -> String {
        let [n, note, amount, at, doc] = self.cells();
        format!("n = {n}, note = {note}, amount = {amount}, at = {at}, doc = {doc}")
    }

    fn cells(&mut self) -> [String; 5] {
        // Texts that nobody may see: `marks::ROW`.
        const NOTES: [&str; 4] = ["'zeile-한국어'", "'😀 zeile-it''s'", "''", "NULL"];
        let index = usize::try_from(self.random.below(4)).unwrap_or_default();
        let number = self.random.bits();
        [
            (number >> 40).to_string(),
            NOTES.get(index).copied().unwrap_or("NULL").to_owned(),
            format!("{}.{:02}", number % 1_000_000, number % 100),
            format!("FROM_UNIXTIME({}.{:06})", number >> 35, number % 1_000_000),
            format!("'{{\"a\": [{}, 1.5], \"b\": \"x\"}}'", number % 1000),
        ]
    }

    fn table(&mut self) -> Kind {
        match self.random.below(3) {
            0 => Kind::Number,
            1 => Kind::Pair,
            _ => Kind::Text,
        }
    }
}
