//! A random table and the statements that fill and change it.

use super::kind::{self, Collation, Kind};
use super::value;
use crate::random::Random;

/// Names of columns that are words of SQL, or look odd; each is a name in Avro too.
const NAMES: [&str; 6] = ["select", "Order", "_", "CamelCase", "before", "key"];

/// A table that one seed draws.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// What draws the same table and the same rows again.
    pub(super) seed: u64,
    /// `CREATE TABLE`.
    pub(super) create: String,
    /// Statements in their order.
    pub(super) changes: Vec<String>,
}

impl Table {
    /// Whether a member of an ENUM or SET has a character of four bytes: the server shows a `?`.
    pub(super) fn has_hidden_members(&self) -> bool {
        self.create.contains('😀')
    }
}

#[derive(Clone, Debug)]
struct Column {
    name: String,
    kind: Kind,
    sql: String,
    is_key: bool,
    is_nullable: bool,
    has_default: bool,
    /// The rest of the definition.
    suffix: String,
    is_generated: bool,
}

/// Draws a table and its rows. Its name is `name`; MySQL may refuse it, as too wide for example.
pub(super) fn draw(seed: u64, name: &str, collations: &[Collation]) -> Table {
    let mut random = Random::new(seed);
    let mut columns = columns(&mut random, collations);
    let key = key(&mut random, &mut columns);
    // The place of a column has nothing to do with its place in the key.
    for last in (1..columns.len()).rev() {
        let other = random.below(u64::try_from(last + 1).unwrap_or(1));
        columns.swap(last, usize::try_from(other).unwrap_or_default());
    }
    let definitions: Vec<_> = columns
        .iter()
        .map(|column| format!("`{}` {}{}", column.name, column.sql, column.suffix))
        .collect();
    let create = format!("CREATE TABLE {name} ({}, PRIMARY KEY ({key}))", definitions.join(", "));
    let changes = changes(&mut random, name, &columns);
    Table { seed, create, changes }
}

fn columns(random: &mut Random, collations: &[Collation]) -> Vec<Column> {
    let some = random.between(1, 12);
    let count = random.pick(&[1, some, some, some, 40]);
    let mut columns: Vec<Column> = Vec::new();
    for number in 0..count {
        let name = match random.below(12) {
            0 => format!("{}{number}", random.pick(&NAMES)),
            1 => format!("c{number:x<63}"),
            _ => format!("c{number}"),
        };
        let source = random.pick(&columns.iter().map(Some).collect::<Vec<_>>());
        let source = source
            .filter(|source| !source.is_generated && !source.has_default && random.chance(10));
        let column = match source {
            Some(source) => generated(random, name, source),
            None => plain(random, name, collations),
        };
        columns.push(column);
    }
    columns
}

/// A column whose values are those of another one.
fn generated(random: &mut Random, name: String, source: &Column) -> Column {
    let how = random.pick(&["STORED", "VIRTUAL"]);
    let invisible = random.pick(&["", "", " INVISIBLE"]);
    // SRID is no part of the type, and stands behind the expression if anywhere.
    let sql = source.sql.split(" SRID").next().unwrap_or_default().to_owned();
    Column {
        name,
        sql,
        suffix: format!(" GENERATED ALWAYS AS (`{}`) {how}{invisible}", source.name),
        is_generated: true,
        has_default: false,
        ..source.clone()
    }
}

fn plain(random: &mut Random, name: String, collations: &[Collation]) -> Column {
    let (kind, sql) = kind::draw(random, collations);
    let is_nullable = random.chance(70);
    let mut suffix = if is_nullable { " NULL" } else { " NOT NULL" }.to_owned();
    let has_default = random.chance(30);
    if has_default {
        let value = value::default(random, &kind);
        suffix += &if let Kind::Enum { .. } | Kind::Set { .. } = kind {
            // A default names members; of numbers an expression is made.
            format!(" DEFAULT ({value})")
        } else if kind.takes_literal_default(&sql) && !value.starts_with("REPEAT") {
            format!(" DEFAULT {value}")
        } else {
            format!(" DEFAULT ({value})")
        };
    }
    if random.chance(10) {
        suffix += " INVISIBLE";
    }
    Column { name, kind, sql, is_key: false, is_nullable, has_default, suffix, is_generated: false }
}

/// Makes one to four columns the key, another one if none can be; the columns of the key in SQL.
fn key(random: &mut Random, columns: &mut Vec<Column>) -> String {
    let wanted = random.pick(&[1, 1, 2, 3, 4]);
    let mut parts = Vec::new();
    for column in columns.iter_mut() {
        let can_be = column.kind.can_be_key(&column.sql) && !column.is_generated;
        if !can_be || parts.len() >= wanted {
            continue;
        }
        column.is_key = true;
        column.is_nullable = false;
        column.suffix = column.suffix.replacen(
            " NULL",
            " NOT NULL",
            usize::from(!column.suffix.starts_with(" NOT")),
        );
        let order = random.pick(&["", "", " DESC"]);
        parts.push(format!("`{}`{order}", column.name));
    }
    if parts.is_empty() || random.chance(30) {
        parts.push("`id`".to_owned());
        columns.push(Column {
            name: "id".to_owned(),
            kind: Kind::Integer { bits: 32, unsigned: false },
            sql: "INT".to_owned(),
            is_key: true,
            is_nullable: false,
            has_default: false,
            suffix: " NOT NULL".to_owned(),
            is_generated: false,
        });
    }
    if random.chance(50) {
        parts.reverse();
    }
    parts.join(", ")
}

fn changes(random: &mut Random, name: &str, columns: &[Column]) -> Vec<String> {
    let given: Vec<&Column> = columns.iter().filter(|column| !column.is_generated).collect();
    let mut changes = Vec::new();
    for _ in 0..random.between(4, 20) {
        changes.push(match random.below(10) {
            0..=5 => insert(random, name, &given),
            6..=8 => update(random, name, &given),
            _ => {
                let seed = random.below(1000);
                format!("DELETE FROM {name} ORDER BY RAND({seed}) LIMIT {}", random.between(1, 3))
            }
        });
    }
    changes.push(insert(random, name, &given));
    changes
}

fn insert(random: &mut Random, name: &str, columns: &[&Column]) -> String {
    let names: Vec<_> = columns.iter().map(|column| format!("`{}`", column.name)).collect();
    let rows: Vec<String> = (0..random.between(1, 6))
        .map(|_| {
            let values: Vec<_> = columns.iter().map(|column| drawn(random, column)).collect();
            format!("({})", values.join(", "))
        })
        .collect();
    format!("INSERT IGNORE INTO {name} ({}) VALUES {}", names.join(", "), rows.join(", "))
}

fn update(random: &mut Random, name: &str, columns: &[&Column]) -> String {
    let mut set: Vec<String> = Vec::new();
    for column in columns {
        if random.chance(if column.is_key { 10 } else { 50 }) {
            set.push(format!("`{}` = {}", column.name, drawn(random, column)));
        }
    }
    if set.is_empty() {
        return insert(random, name, columns);
    }
    let (seed, limit) = (random.below(1000), random.between(1, 4));
    format!("UPDATE IGNORE {name} SET {} ORDER BY RAND({seed}) LIMIT {limit}", set.join(", "))
}

fn drawn(random: &mut Random, column: &Column) -> String {
    if column.is_nullable && random.chance(20) {
        "NULL".to_owned()
    } else if column.has_default && random.chance(20) {
        "DEFAULT".to_owned()
    } else {
        value::draw(random, &column.kind)
    }
}
