//! What a table is at the moment, as the server says: what statements are drawn by.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::random::Random;

/// A column that is not part of the key.
#[derive(Clone, Debug, Default)]
pub(super) struct Column {
    pub(super) name: String,
    /// As `information_schema` prints it.
    pub(super) column_type: String,
    pub(super) is_nullable: bool,
}

/// A table.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// The primary key's columns: `id`, or `id` and `k`.
    pub(super) key: Vec<String>,
    /// How it is divided, and into what.
    pub(super) partitioning: Option<String>,
    pub(super) partitions: Vec<String>,
    /// Names of other indexes.
    pub(super) indexes: Vec<String>,
}

impl Shape {
    /// Reads a table; none if it is not there.
    pub(super) async fn read(
        connection: &mut Conn,
        (database, name): (&str, &str),
    ) -> Result<Option<Self>, mysql_async::Error> {
        let it = (database, name);
        let columns: Vec<(String, String, String)> = connection
            .exec(
                "SELECT column_name, column_type, is_nullable FROM information_schema.columns \
                 WHERE table_schema = ? AND table_name = ? AND column_name NOT IN ('id', 'k') \
                 ORDER BY ordinal_position",
                it,
            )
            .await?;
        let indexes: Vec<(String, String)> = connection
            .exec(
                "SELECT index_name, column_name FROM information_schema.statistics \
                 WHERE table_schema = ? AND table_name = ? ORDER BY index_name, seq_in_index",
                it,
            )
            .await?;
        let parts: Vec<(Option<String>, Option<String>)> = connection
            .exec(
                "SELECT partition_method, partition_name FROM information_schema.partitions \
                 WHERE table_schema = ? AND table_name = ? ORDER BY partition_ordinal_position",
                it,
            )
            .await?;
        if parts.is_empty() {
            return Ok(None);
        }
        let column = |(name, column_type, nullable): (String, String, String)| Column {
            name,
            column_type,
            is_nullable: nullable == "YES",
        };
        let mut others: Vec<String> =
            indexes.iter().map(|(index, _)| index.clone()).filter(|it| it != "PRIMARY").collect();
        others.dedup();
        let of_key = indexes.into_iter().filter(|(index, _)| index == "PRIMARY");
        Ok(Some(Self {
            name: name.to_owned(),
            columns: columns.into_iter().map(column).collect(),
            key: of_key.map(|(_, column)| column).collect(),
            partitioning: parts.first().and_then(|(method, _)| method.clone()),
            partitions: parts.into_iter().filter_map(|(_, name)| name).collect(),
            indexes: others,
        }))
    }

    /// One of its columns beside the key.
    pub(super) fn column(&self, random: &mut Random) -> Option<Column> {
        (!self.columns.is_empty()).then(|| random.pick(&self.columns))
    }
}

impl Column {
    /// A literal that the column takes.
    pub(super) fn value(&self, random: &mut Random) -> String {
        if self.is_nullable && random.chance(20) {
            return "NULL".to_owned();
        }
        let number = random.below(100);
        let kind = self.column_type.as_str();
        if kind.starts_with("enum") || kind.starts_with("set") {
            return (1 + random.below(2)).to_string();
        }
        if kind.starts_with("varchar") || kind.starts_with("char") || kind.ends_with("text") {
            return if random.chance(30) { format!("'ä{number}'") } else { format!("'{number}'") };
        }
        if kind.starts_with("datetime") || kind.starts_with("timestamp") {
            return format!("'2024-02-{:02} 10:20:30.123456'", 1 + number % 28);
        }
        if kind.starts_with("decimal") || kind.starts_with("double") {
            return format!("{number}.25");
        }
        number.to_string()
    }
}

/// A type of a new or changed column.
pub(super) fn any_type(random: &mut Random) -> String {
    const TYPES: [&str; 12] = [
        "INT",
        "BIGINT",
        "SMALLINT",
        "VARCHAR(20)",
        "VARCHAR(60)",
        "VARCHAR(20) CHARACTER SET latin1",
        "TEXT",
        "DECIMAL(8,2)",
        "ENUM('a','b')",
        "ENUM('b','a','c')",
        "DATETIME(3)",
        "DOUBLE",
    ];
    random.pick(&TYPES).to_owned()
}
