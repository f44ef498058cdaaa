//! Random statements. Each draw is a short script for one session; a statement that the server
//! refuses is passed over, because what is valid is for the server to know.

use super::shape::{Column, Shape, any_type};
use crate::random::Random;

/// Columns beside the key have these names.
const NAMES: u64 = 8;

/// Rows that are there already. `IGNORE` would store what no column takes, such as dates of zeros.
const ON_DUPLICATE: &str = "ON DUPLICATE KEY UPDATE k = VALUES(k)";

/// Keys are below this.
const IDS: u64 = 60;

/// The table that partitions are exchanged with: captured as any, and dropped again.
pub(super) const EXCHANGED: &str = "exchanged";

/// The database that tables are moved to and back, which is not captured.
pub(super) const ELSEWHERE: &str = "soak_elsewhere";

/// What a script is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Rows only.
    Rows,
    /// A definition.
    Definition,
}

/// A script.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) kind: Kind,
    pub(super) statements: Vec<String>,
}

/// Draws a script. `tables` are those that are there, `free` the names of those that are not.
pub(super) fn draw(random: &mut Random, tables: &[Shape], free: &[String]) -> Script {
    let Some(table) = (!tables.is_empty()).then(|| random.pick(tables)) else {
        let name = random.pick(free);
        return definition(vec![create(random, &name)]);
    };
    if !free.is_empty() && random.chance(if tables.len() < 4 { 30 } else { 4 }) {
        let name = random.pick(free);
        return definition(new_table(random, &table, &name));
    }
    if random.chance(40) {
        return Script { kind: Kind::Rows, statements: rows(random, &table, tables) };
    }
    let statements = match random.below(20) {
        0..=6 => vec![column_change(random, &table)],
        7..=8 => vec![key_or_index(random, &table)],
        9..=12 => partitions(random, &table),
        13 => vec![table_option(random, &table)],
        14..=15 => renames(random, &table, tables, free),
        16 => vec![format!("TRUNCATE TABLE {}", table.name)],
        17 => vec![format!("DROP TABLE {}", table.name), create(random, &table.name)],
        18 if tables.len() > 3 => vec![format!("DROP TABLE {}", table.name)],
        18 => vec![format!("CREATE TABLE IF NOT EXISTS {} (x INT PRIMARY KEY)", table.name)],
        _ => online_change(random, &table),
    };
    definition(statements)
}

fn definition(statements: Vec<String>) -> Script {
    Script { kind: Kind::Definition, statements }
}

/// A table with a few columns.
pub(super) fn create(random: &mut Random, name: &str) -> String {
    let columns: Vec<String> = (0..random.between(1, 4))
        .map(|number| {
            let null = if random.chance(75) { "NULL" } else { "NOT NULL" };
            format!("c{number} {} {null}", any_type(random))
        })
        .collect();
    let key = if random.chance(80) { "id" } else { "id, k" };
    format!(
        "CREATE TABLE {name} (id INT NOT NULL, k INT NOT NULL DEFAULT 0, {}, PRIMARY KEY ({key}))",
        columns.join(", ")
    )
}

/// A table under a name that is free.
fn new_table(random: &mut Random, like: &Shape, name: &str) -> Vec<String> {
    let source = &like.name;
    match random.below(3) {
        0 => vec![create(random, name)],
        1 => vec![
            format!("CREATE TABLE {name} LIKE {source}"),
            format!("INSERT INTO {name} SELECT * FROM {source}"),
        ],
        _ => {
            let key = if like.key.is_empty() { "id".to_owned() } else { like.key.join(", ") };
            vec![format!("CREATE TABLE {name} (PRIMARY KEY ({key})) SELECT * FROM {source}")]
        }
    }
}

/// Changes of rows, of which some are transactions.
fn rows(random: &mut Random, table: &Shape, tables: &[Shape]) -> Vec<String> {
    let mut statements: Vec<String> =
        (0..random.between(1, 3)).map(|_| row_change(random, table, tables)).collect();
    if statements.len() > 1 {
        if random.chance(25) {
            let other = random.pick(tables);
            statements.insert(1, "SAVEPOINT s".to_owned());
            statements.push(row_change(random, &other, tables));
            statements.push("ROLLBACK TO s".to_owned());
            statements.push(row_change(random, table, tables));
        }
        statements.insert(0, "BEGIN".to_owned());
        statements.push(if random.chance(25) { "ROLLBACK" } else { "COMMIT" }.to_owned());
    }
    statements
}

fn row_change(random: &mut Random, table: &Shape, tables: &[Shape]) -> String {
    let name = &table.name;
    let (from, rows) = (random.below(IDS), random.between(1, 12));
    match random.below(10) {
        0..=4 => insert(random, table),
        5..=6 => match table.column(random) {
            Some(column) => {
                let (name_of, value) = (&column.name, column.value(random));
                let until = from + rows;
                format!("UPDATE {name} SET {name_of} = {value} WHERE id BETWEEN {from} AND {until}")
            }
            None => insert(random, table),
        },
        7 => format!("UPDATE {name} SET id = id + {IDS} WHERE id = {from}"),
        8 => {
            let other = random.pick(tables);
            format!(
                "INSERT INTO {name} (id, k) SELECT o.id + 7, o.k FROM {} o {ON_DUPLICATE}",
                other.name
            )
        }
        _ => format!("DELETE FROM {name} WHERE id BETWEEN {from} AND {}", from + rows / 3),
    }
}

/// Several rows, some of which are there already.
fn insert(random: &mut Random, table: &Shape) -> String {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let values: Vec<String> = (0..random.between(1, 8))
        .map(|_| {
            let mut row = vec![random.below(IDS).to_string(), random.below(3).to_string()];
            row.extend(table.columns.iter().map(|column| column.value(random)));
            format!("({})", row.join(", "))
        })
        .collect();
    let (verb, end) = if random.chance(50) { ("REPLACE", "") } else { ("INSERT", ON_DUPLICATE) };
    let columns = ["id", "k"].into_iter().chain(names).collect::<Vec<_>>().join(", ");
    format!("{verb} INTO {} ({columns}) VALUES {} {end}", table.name, values.join(", "))
}

/// Adds, drops, renames, retypes or moves a column.
fn column_change(random: &mut Random, table: &Shape) -> String {
    let name = &table.name;
    let place = match (random.below(3), table.column(random)) {
        (0, _) => " FIRST".to_owned(),
        (1, Some(column)) => format!(" AFTER {}", column.name),
        _ => String::new(),
    };
    let fresh = format!("c{}", random.below(NAMES));
    let instant = if random.chance(40) { ", ALGORITHM=INSTANT" } else { "" };
    let new_type = any_type(random);
    let addition = match random.below(5) {
        0 => format!("ALTER TABLE {name} ADD COLUMN {fresh} {new_type} NOT NULL{place}"),
        1 => {
            format!("ALTER TABLE {name} ADD COLUMN {fresh} INT NOT NULL DEFAULT 7{place}{instant}")
        }
        _ => format!("ALTER TABLE {name} ADD COLUMN {fresh} {new_type} NULL{place}{instant}"),
    };
    let Some(Column { name: old, column_type, is_nullable }) = table.column(random) else {
        return addition;
    };
    let null = if is_nullable { "NULL" } else { "NOT NULL" };
    match random.below(12) {
        0..=4 => addition,
        5..=6 => format!("ALTER TABLE {name} DROP COLUMN {old}{instant}"),
        7 => format!("ALTER TABLE {name} RENAME COLUMN {old} TO {fresh}{instant}"),
        8 => format!("ALTER TABLE {name} CHANGE {old} {fresh} {new_type} {null}{place}"),
        9 => format!("ALTER TABLE {name} MODIFY {old} {new_type} {null}"),
        10 => format!("ALTER TABLE {name} MODIFY {old} {column_type} {null}{place}"),
        _ => {
            let members = column_type.strip_suffix(')').filter(|it| it.starts_with("enum("));
            match members {
                Some(members) => format!(
                    "ALTER TABLE {name} MODIFY {old} {members},'m{}') {null}{instant}",
                    random.below(1000)
                ),
                None => format!("ALTER TABLE {name} ALTER COLUMN {old} DROP DEFAULT"),
            }
        }
    }
}

fn key_or_index(random: &mut Random, table: &Shape) -> String {
    let name = &table.name;
    match random.below(6) {
        0 => format!("ALTER TABLE {name} DROP PRIMARY KEY, ADD PRIMARY KEY (id, k)"),
        1 => format!("ALTER TABLE {name} DROP PRIMARY KEY, ADD PRIMARY KEY (id)"),
        2 => format!("ALTER TABLE {name} ADD UNIQUE KEY u{} (id, k)", random.below(9)),
        3 if !table.indexes.is_empty() => {
            format!("DROP INDEX {} ON {name}", random.pick(&table.indexes))
        }
        4 => format!("CREATE INDEX i{} ON {name} (k)", random.below(9)),
        _ => format!("ALTER TABLE {name} ADD INDEX j{} (k, id)", random.below(9)),
    }
}

fn table_option(random: &mut Random, table: &Shape) -> String {
    const OPTIONS: [&str; 7] = [
        "CONVERT TO CHARACTER SET utf8mb4",
        "DEFAULT CHARACTER SET utf8mb3",
        "ENGINE=InnoDB",
        "COMMENT='a, DROP COLUMN b'",
        "FORCE",
        "ROW_FORMAT=COMPACT",
        "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    ];
    format!("ALTER TABLE {} {}", table.name, random.pick(&OPTIONS))
}

fn partitions(random: &mut Random, table: &Shape) -> Vec<String> {
    let name = &table.name;
    let one = random.pick(&table.partitions);
    let alter = |rest: String| vec![format!("ALTER TABLE {name} {rest}")];
    match (table.partitioning.as_deref(), random.below(6)) {
        (None, 0) => alter("PARTITION BY HASH (id) PARTITIONS 3".to_owned()),
        (None, _) => alter(
            "PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (20), PARTITION p1 VALUES \
             LESS THAN (40), PARTITION p2 VALUES LESS THAN (1000))"
                .to_owned(),
        ),
        (Some(_), 0) => alter("REMOVE PARTITIONING".to_owned()),
        (Some("HASH"), 1) => alter("ADD PARTITION PARTITIONS 2".to_owned()),
        (Some("HASH"), 2) => alter("COALESCE PARTITION 1".to_owned()),
        (Some("HASH"), 3) => alter(format!("TRUNCATE PARTITION {one}")),
        (Some(_), 1) => alter(format!(
            "ADD PARTITION (PARTITION p{} VALUES LESS THAN ({}))",
            random.below(1000),
            1000 + random.below(100_000)
        )),
        (Some(_), 2) => alter(format!("DROP PARTITION {one}")),
        (Some(_), 3) => alter(format!("TRUNCATE PARTITION {one}")),
        (Some(_), 4) => {
            let other = EXCHANGED;
            vec![
                format!("CREATE TABLE {other} LIKE {name}"),
                format!("ALTER TABLE {other} REMOVE PARTITIONING"),
                format!("INSERT INTO {other} (id) VALUES ({})", random.below(20)),
                format!("ALTER TABLE {name} EXCHANGE PARTITION {one} WITH TABLE {other}"),
                format!("DROP TABLE {other}"),
            ]
        }
        (Some(_), _) => alter(format!("REBUILD PARTITION {one}")),
    }
}

fn renames(random: &mut Random, table: &Shape, tables: &[Shape], free: &[String]) -> Vec<String> {
    let name = &table.name;
    let other = random.pick(tables).name;
    match random.below(5) {
        0..=1 if other != *name => {
            vec![format!("RENAME TABLE {name} TO soak_tmp, {other} TO {name}, soak_tmp TO {other}")]
        }
        2 if !free.is_empty() => {
            vec![format!("ALTER TABLE {name} RENAME TO {}, ADD INDEX r (k)", random.pick(free))]
        }
        3 => vec![
            format!("RENAME TABLE {name} TO {ELSEWHERE}.{name}"),
            format!("INSERT INTO {ELSEWHERE}.{name} (id, k) VALUES (59, 1) {ON_DUPLICATE}"),
            format!("RENAME TABLE {ELSEWHERE}.{name} TO {name}"),
        ],
        _ => vec![
            format!("RENAME TABLE {name} TO _{name}_del"),
            format!("RENAME TABLE _{name}_del TO {name}"),
        ],
    }
}

/// What gh-ost and pt-online-schema-change do, without what runs beside them.
fn online_change(random: &mut Random, table: &Shape) -> Vec<String> {
    let name = &table.name;
    let (new, old) = random.pick(&[("gho", "del"), ("new", "old")]);
    let (new, old) = (format!("_{name}_{new}"), format!("_{name}_{old}"));
    let alter = column_change(random, table).replacen(name, &new, 1);
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let columns = ["id", "k"].into_iter().chain(names).collect::<Vec<_>>().join(", ");
    let mut statements = vec![
        format!("CREATE TABLE {new} LIKE {name}"),
        alter,
        format!("INSERT INTO {new} ({columns}) SELECT {columns} FROM {name}"),
        insert(random, &Shape { name: new.clone(), ..table.clone() }),
    ];
    if random.chance(30) {
        statements.push(format!("DROP TABLE {name}"));
        statements.push(format!("RENAME TABLE {new} TO {name}"));
    } else {
        statements.push(format!("RENAME TABLE {name} TO {old}, {new} TO {name}"));
        statements.push(format!("DROP TABLE {old}"));
    }
    statements
}
