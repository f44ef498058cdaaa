//! `ALTER TABLE`: its parts, and what each does to the rows that are there.
//! <https://dev.mysql.com/doc/refman/9.4/en/alter-table.html>

use super::cursor::Cursor;
use super::tokens::Token;
use super::{Effect, Statement, TableChange};

/// Engines that keep all rows of a table that is changed to them.
const KEEPING_ENGINES: [&str; 8] =
    ["INNODB", "MYISAM", "MEMORY", "HEAP", "ARCHIVE", "CSV", "NDB", "NDBCLUSTER"];

impl Cursor<'_> {
    /// Behind `ALTER`.
    pub(super) fn alter(&mut self) -> Statement {
        self.skip_word("ONLINE");
        if !self.skip_word("TABLE") {
            return Statement::Other;
        }
        let Some(table) = self.table() else { return Statement::Unknown(self.names()) };
        self.cut_partitioning();
        let mut others = Vec::new();
        let mut effect = Effect::RowsStay;
        let specifications = split(self.tokens);
        let converts = !has_online_algorithm(&specifications);
        let mut is_ordered = false;
        for tokens in specifications {
            let part = Cursor { tokens, database: self.database };
            // A name behind the comma of `ORDER BY a, b`.
            if is_ordered && part.is_only_a_name() {
                continue;
            }
            is_ordered = part.tokens.first().is_some_and(|token| token.is_word("ORDER"));
            if let Some(done) = part.partition_action(&mut others) {
                // It is the last of a statement, and its own commas are between partitions.
                effect = worse(effect, done);
                break;
            }
            let does = part.specification(converts);
            if does == Effect::RowsGone {
                others.extend(part.new_name());
            }
            effect = worse(effect, does);
        }
        others.insert(0, TableChange { table, effect });
        Statement::Ddl(others)
    }

    /// Leaves out how rows are divided: `PARTITION BY` and `REMOVE PARTITIONING` stand behind the
    /// last part without a comma, and change no row.
    fn cut_partitioning(&mut self) {
        let by = self.find_pair("PARTITION", "BY");
        let removed = self.find_pair("REMOVE", "PARTITIONING");
        if let Some(end) = by.into_iter().chain(removed).min() {
            self.tokens = self.tokens.get(..end).unwrap_or_default();
        }
    }

    fn is_only_a_name(&self) -> bool {
        let is_part = |token: &Token| token.name().is_some() || *token == Token::Symbol('.');
        match self.tokens {
            [one] => is_part(one),
            [names @ .., last] if last.is_word("ASC") || last.is_word("DESC") => {
                names.iter().all(is_part)
            }
            _ => false,
        }
    }

    /// What is done to partitions; the table that is exchanged for one changes, too.
    fn partition_action(mut self, others: &mut Vec<TableChange>) -> Option<Effect> {
        let verb = self.word()?;
        if !self.skip_word("PARTITION") {
            return None;
        }
        match verb.as_str() {
            // Rows are put into other partitions, or none are touched.
            "ADD" | "REORGANIZE" | "REBUILD" | "COALESCE" | "ANALYZE" | "CHECK" | "OPTIMIZE"
            | "REPAIR" => Some(Effect::RowsStay),
            "DISCARD" => Some(Effect::Discarded),
            "IMPORT" => Some(Effect::Imported),
            "EXCHANGE" => {
                while !self.tokens.is_empty() && !self.skip_word("TABLE") {
                    self.advance();
                }
                let changed = |table| TableChange { table, effect: Effect::RowsChange };
                others.extend(self.table().map(changed));
                Some(Effect::RowsChange)
            }
            _ => Some(Effect::RowsChange),
        }
    }

    /// What one part does. `converts` says that stored values may be converted.
    fn specification(&self, converts: bool) -> Effect {
        let mut rest = *self;
        let Some(verb) = rest.word() else { return Effect::RowsStay };
        match verb.as_str() {
            "ADD" => rest.addition(),
            "DROP" => rest.removal(),
            "MODIFY" => rest.modification(converts),
            "RENAME" => match rest.word().as_deref() {
                Some("INDEX" | "KEY") => Effect::RowsStay,
                Some("COLUMN") => Effect::RowsChange,
                _ => Effect::RowsGone,
            },
            "DISCARD" => Effect::Discarded,
            "IMPORT" => Effect::Imported,
            "ALTER" | "ALGORITHM" | "LOCK" | "FORCE" | "ORDER" | "DISABLE" | "ENABLE" | "WITH"
            | "WITHOUT" | "SECONDARY_LOAD" | "SECONDARY_UNLOAD" => Effect::RowsStay,
            _ => self.options(),
        }
    }

    /// `ADD …`: an index, or columns, which leave rows as they are when they begin as NULL.
    fn addition(&mut self) -> Effect {
        const INDEX: [&str; 6] = ["INDEX", "KEY", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK"];
        if self.skip_word("PRIMARY") {
            return Effect::RowsChange;
        }
        if self.skip_word("CONSTRAINT") {
            return match (self.contains_word("PRIMARY"), self.contains_word("UNIQUE")) {
                (true, _) => Effect::RowsChange,
                (false, true) => Effect::KeyMayChange,
                (false, false) => Effect::RowsStay,
            };
        }
        if self.skip_word("UNIQUE") {
            return Effect::KeyMayChange;
        }
        if INDEX.iter().any(|word| self.skip_word(word)) {
            return Effect::RowsStay;
        }
        self.skip_word("COLUMN");
        if self.is_filled_at_once() {
            Effect::RowsChange
        } else if self.contains_word("UNIQUE") {
            Effect::KeyMayChange
        } else {
            Effect::RowsStay
        }
    }

    /// Whether a new column's definition gives existing rows a value, or makes it a key.
    fn is_filled_at_once(&self) -> bool {
        const FILLS: [&str; 5] = ["AS", "GENERATED", "AUTO_INCREMENT", "SERIAL", "PRIMARY"];
        let has_default = self.contains_word("DEFAULT") && !self.contains_pair("DEFAULT", "NULL");
        let is_not_null = self.contains_pair("NOT", "NULL");
        let explicit_null = self.contains_word("NULL") && !is_not_null;
        let timestamp_alone = self.contains_word("TIMESTAMP") && !explicit_null;
        is_not_null
            || has_default
            || timestamp_alone
            || FILLS.iter().any(|word| self.contains_word(word))
            || self.is_key_by_one_word()
    }

    /// `KEY` in a column's definition means the primary key, unless it is `UNIQUE KEY`.
    fn is_key_by_one_word(&self) -> bool {
        // In parentheses it can be an index of its own.
        let is_list = self.tokens.first() == Some(&Token::Symbol('('));
        let keys = self.tokens.iter().filter(|token| token.is_word("KEY")).count();
        !is_list && keys > 0 && !self.contains_pair("UNIQUE", "KEY")
    }

    fn removal(&mut self) -> Effect {
        if self.skip_word("FOREIGN") || self.skip_word("CHECK") {
            return Effect::RowsStay;
        }
        if self.skip_word("INDEX") || self.skip_word("KEY") || self.skip_word("CONSTRAINT") {
            return self.index_dropped();
        }
        Effect::RowsChange
    }

    /// A column that keeps its name. An algorithm that does not copy the table converts no value:
    /// the server refuses the statement if it had to.
    fn modification(&self, converts: bool) -> Effect {
        let is_computed = self.contains_word("AS") || self.contains_word("GENERATED");
        if converts || is_computed { Effect::RowsChange } else { Effect::KeyMayChange }
    }

    /// Options of the table, of which several can be in one part.
    fn options(&self) -> Effect {
        const HARMLESS: [&str; 32] = [
            "DEFAULT",
            "CHARACTER",
            "CHARSET",
            "COLLATE",
            "ENGINE",
            "COMMENT",
            "AUTO_INCREMENT",
            "AUTOEXTEND_SIZE",
            "ROW_FORMAT",
            "STATS_PERSISTENT",
            "STATS_AUTO_RECALC",
            "STATS_SAMPLE_PAGES",
            "KEY_BLOCK_SIZE",
            "COMPRESSION",
            "ENCRYPTION",
            "MAX_ROWS",
            "MIN_ROWS",
            "AVG_ROW_LENGTH",
            "TABLESPACE",
            "CHECKSUM",
            "DELAY_KEY_WRITE",
            "DATA",
            "INDEX",
            "ENGINE_ATTRIBUTE",
            "SECONDARY_ENGINE_ATTRIBUTE",
            "SECONDARY_ENGINE",
            "PACK_KEYS",
            "PASSWORD",
            "STORAGE",
            "START",
            "UPGRADE",
            "TABLE_CHECKSUM",
        ];
        // What a table reads from other tables or servers.
        const ELSEWHERE: [&str; 3] = ["UNION", "CONNECTION", "INSERT_METHOD"];
        let first = self.tokens.first();
        let is_known = HARMLESS.iter().any(|word| first.is_some_and(|token| token.is_word(word)));
        let is_elsewhere = ELSEWHERE.iter().any(|word| self.contains_word(word));
        if is_known && !is_elsewhere && self.engine_keeps_rows() {
            Effect::RowsStay
        } else {
            Effect::RowsChange
        }
    }

    fn engine_keeps_rows(&self) -> bool {
        let Some(at) = self.tokens.iter().position(|token| token.is_word("ENGINE")) else {
            return true;
        };
        let mut engine = Cursor { tokens: self.tokens.get(at + 1..).unwrap_or_default(), ..*self };
        engine.skip_symbol('=');
        let name = engine.name().unwrap_or_default().to_ascii_uppercase();
        KEEPING_ENGINES.contains(&name.as_str())
    }

    /// `RENAME TO name`.
    fn new_name(mut self) -> Option<TableChange> {
        self.skip_word("RENAME");
        while self.skip_word("TO") || self.skip_word("AS") || self.skip_symbol('=') {}
        Some(TableChange { table: self.table()?, effect: Effect::RowsArrive })
    }
}

/// Whether the statement asks for an algorithm that does not make a copy of the table.
fn has_online_algorithm(specifications: &[&[Token]]) -> bool {
    specifications.iter().any(|tokens| {
        tokens.first().is_some_and(|token| token.is_word("ALGORITHM"))
            && tokens.last().is_some_and(|last| last.is_word("INSTANT") || last.is_word("INPLACE"))
    })
}

/// Of what two parts of one statement do, what covers both.
fn worse(one: Effect, other: Effect) -> Effect {
    let rank = |effect| match effect {
        Effect::RowsStay => 0,
        Effect::KeyMayChange => 1,
        Effect::RowsChange => 2,
        Effect::Created | Effect::CreatedIfMissing | Effect::Emptied => 3,
        Effect::Imported | Effect::RowsArrive => 4,
        Effect::Discarded => 5,
        Effect::RowsGone => 6,
    };
    if rank(other) > rank(one) { other } else { one }
}

/// Cuts tokens at the commas that are not within parentheses.
pub(super) fn split(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_usize;
    tokens
        .split(|token| {
            if *token == Token::Symbol('(') {
                depth += 1;
            } else if *token == Token::Symbol(')') {
                depth = depth.saturating_sub(1);
            }
            depth == 0 && *token == Token::Symbol(',')
        })
        .collect()
}
