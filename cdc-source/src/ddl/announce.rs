//! What a statement does to definitions, for those who want to be told of it.
//!
//! Apart from what it does to captured tables: here a statement that cannot be read is told of by
//! nobody, and harms nobody.

use schema::schema_change::TableChangeKind;
use schema::table::TableId;

use super::alter::split;
use super::{Cursor, Dialect};
use crate::ddl::tokens::tokenize;
use crate::snapshot::structure::quoted;

/// One thing that a statement does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announcement {
    pub(crate) database: String,
    /// The table, unless it is about the database.
    pub(crate) table: Option<(TableId, TableChangeKind)>,
    /// The part of the statement that says so.
    pub(crate) text: String,
}

/// All that a statement does to tables and databases, as Debezium tells it: one for each table.
/// TRUNCATE changes no definition.
pub(crate) fn announcements(
    statement: &str,
    database: &str,
    dialect: Dialect,
) -> Vec<Announcement> {
    let tokens = tokenize(statement, dialect);
    let mut cursor = Cursor { tokens: &tokens, database };
    let whole = statement.trim().trim_end_matches(';').trim_end();
    match cursor.word().as_deref() {
        Some("CREATE") => cursor.announced_create(whole),
        Some("ALTER") => cursor.announced_alter(whole),
        Some("DROP") => cursor.announced_drop(whole),
        Some("RENAME") => cursor.announced_renames(),
        Some(_) | None => Vec::new(),
    }
}

impl Cursor<'_> {
    fn announced_create(&mut self, text: &str) -> Vec<Announcement> {
        while self.skip_word("OR") || self.skip_word("REPLACE") {}
        if self.skip_word("TABLE") {
            self.skip_if_exists();
            return self.announced_table(TableChangeKind::Create, text);
        }
        if self.skip_database() {
            self.skip_if_exists();
            return self.announced_database(text);
        }
        while self.skip_word("UNIQUE") || self.skip_word("FULLTEXT") || self.skip_word("SPATIAL") {}
        if self.skip_word("INDEX") { self.announced_index(text) } else { Vec::new() }
    }

    fn announced_drop(&mut self, text: &str) -> Vec<Announcement> {
        if self.skip_word("TABLE") || self.skip_word("TABLES") {
            return self.announced_table_drops();
        }
        if self.skip_database() {
            self.skip_if_exists();
            return self.announced_database(text);
        }
        if self.skip_word("INDEX") { self.announced_index(text) } else { Vec::new() }
    }

    /// Each table has a statement of its own.
    fn announced_table_drops(&mut self) -> Vec<Announcement> {
        let before = self.tokens.len();
        self.skip_if_exists();
        let condition = if self.tokens.len() < before { "IF EXISTS " } else { "" };
        let mut drops = Vec::new();
        while let Some(table) = self.table() {
            let text = format!("DROP TABLE {condition}{}", quoted(&table));
            drops.push(of_table(table, TableChangeKind::Drop, text));
            if !self.skip_symbol(',') {
                break;
            }
        }
        drops
    }

    fn announced_alter(&mut self, text: &str) -> Vec<Announcement> {
        if self.skip_database() {
            return self.announced_database(text);
        }
        self.skip_word("ONLINE");
        if !self.skip_word("TABLE") {
            return Vec::new();
        }
        let Some(table) = self.table() else { return Vec::new() };
        let parts = split(self.tokens).into_iter();
        let mut parts = parts.map(|tokens| Cursor { tokens, database: self.database });
        let renamed = parts.find_map(|mut part| part.renamed_to());
        let table = renamed.unwrap_or(table);
        vec![of_table(table, TableChangeKind::Alter, text.to_owned())]
    }

    /// The table's new name, if this part of an ALTER TABLE gives it one.
    fn renamed_to(&mut self) -> Option<TableId> {
        if !self.skip_word("RENAME") {
            return None;
        }
        let is_of_part = ["COLUMN", "INDEX", "KEY"].iter().any(|word| self.skip_word(word));
        while self.skip_word("TO") || self.skip_word("AS") || self.skip_symbol('=') {}
        if is_of_part { None } else { self.table() }
    }

    fn announced_renames(&mut self) -> Vec<Announcement> {
        let mut renames = Vec::new();
        if !(self.skip_word("TABLE") || self.skip_word("TABLES")) {
            return renames;
        }
        while let Some(source) = self.table() {
            self.skip_word("TO");
            let Some(target) = self.table() else { break };
            let text = format!("RENAME TABLE {} TO {}", quoted(&source), quoted(&target));
            renames.push(of_table(target, TableChangeKind::Alter, text));
            if !self.skip_symbol(',') {
                break;
            }
        }
        renames
    }

    fn announced_index(&mut self, text: &str) -> Vec<Announcement> {
        while !self.tokens.is_empty() && !self.skip_word("ON") {
            self.advance();
        }
        self.announced_table(TableChangeKind::Alter, text)
    }

    fn announced_table(&mut self, kind: TableChangeKind, text: &str) -> Vec<Announcement> {
        self.table().map(|table| of_table(table, kind, text.to_owned())).into_iter().collect()
    }

    fn skip_database(&mut self) -> bool {
        self.skip_word("DATABASE") || self.skip_word("SCHEMA")
    }

    /// `ALTER DATABASE` may leave the name out.
    fn announced_database(&mut self, text: &str) -> Vec<Announcement> {
        const CLAUSES: [&str; 6] =
            ["DEFAULT", "CHARACTER", "CHARSET", "COLLATE", "ENCRYPTION", "READ"];
        let clause = self.tokens.first().and_then(super::Token::keyword);
        let has_name = clause.is_none_or(|word| !CLAUSES.contains(&word.as_str()));
        let name = if has_name { self.name() } else { None };
        let database = name.unwrap_or_else(|| self.database.to_owned());
        vec![Announcement { database, table: None, text: text.to_owned() }]
    }
}

fn of_table(table: TableId, kind: TableChangeKind, text: String) -> Announcement {
    Announcement { database: table.database.clone(), table: Some((table, kind)), text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(statement: &str) -> Vec<(String, String)> {
        let tell = |it: Announcement| {
            let what = it.table.map_or(it.database, |(table, kind)| format!("{kind:?} {table}"));
            (what, it.text)
        };
        announcements(statement, "shop", Dialect::default()).into_iter().map(tell).collect()
    }

    #[test]
    fn each_table_of_a_statement_is_told_of() {
        for (statement, what) in [
            ("create table if not exists t (id int)", "Create shop.t"),
            ("ALTER TABLE `a b` ADD c INT, RENAME COLUMN d TO e", "Alter shop.a b"),
            ("ALTER TABLE t ADD c INT, RENAME TO x.u", "Alter x.u"),
            ("CREATE UNIQUE INDEX i ON t (a)", "Alter shop.t"),
            ("DROP INDEX `i` ON x.t", "Alter x.t"),
            ("CREATE DATABASE IF NOT EXISTS y", "y"),
            ("drop schema `y`", "y"),
            ("ALTER DATABASE CHARACTER SET latin1", "shop"),
            ("ALTER DATABASE y COLLATE utf8mb4_bin", "y"),
        ] {
            let text = statement.to_owned();
            assert_eq!(told(statement), [(what.to_owned(), text)], "{statement}");
        }
    }

    #[test]
    fn each_table_that_is_dropped_or_renamed_has_a_statement_of_its_own() {
        let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
        };

        assert_eq!(
            told("DROP TABLE IF EXISTS `a`,`x`.`b` /* generated by server */"),
            pairs(&[
                ("Drop shop.a", "DROP TABLE IF EXISTS `shop`.`a`"),
                ("Drop x.b", "DROP TABLE IF EXISTS `x`.`b`"),
            ])
        );
        assert_eq!(
            told("RENAME TABLE a TO b, c TO a;"),
            pairs(&[
                ("Alter shop.b", "RENAME TABLE `shop`.`a` TO `shop`.`b`"),
                ("Alter shop.a", "RENAME TABLE `shop`.`c` TO `shop`.`a`"),
            ])
        );
    }

    #[test]
    fn whatever_is_about_no_definition_is_not_told_of() {
        for statement in [
            "TRUNCATE TABLE t",
            "CREATE USER u IDENTIFIED BY 'secret'",
            "ALTER USER u IDENTIFIED BY 'secret'",
            "GRANT SELECT ON t TO u",
            "CREATE VIEW v AS SELECT 1",
            "CREATE TEMPORARY TABLE t (id INT)",
            "DROP TEMPORARY TABLE t",
            "DROP VIEW v",
            "INSERT INTO t VALUES (1)",
            "SET PASSWORD = 'secret'",
            "",
        ] {
            assert_eq!(told(statement), [], "{statement}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail(
            text in "(CREATE|ALTER|DROP|RENAME) ?(TABLE|DATABASE|INDEX)? ?.{0,60}",
        ) {
            announcements(&text, "shop", Dialect::default());
        }
    }
}
