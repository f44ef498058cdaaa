//! What a statement in the binlog does to captured tables.
//!
//! Not a parser: rows are decoded by what `TABLE_MAP` says, so a statement only has to be read far
//! enough to know which tables it names and whether it changes rows without logging them. What is
//! not understood counts as the worst.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod tokens;

use schema::table::TableId;

use tokens::{Token, tokenize};

/// What a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Statement {
    /// `BEGIN`: a transaction's first statement.
    Begin,
    /// `COMMIT`: the end of a transaction of a non-transactional engine.
    Commit,
    /// `ROLLBACK`.
    Rollback,
    /// `ROLLBACK TO`: rows since a savepoint do not count.
    RollbackToSavepoint,
    /// `XA START`: rows follow whose outcome is logged later.
    XaStart {
        /// The transaction's name, as the server prints it.
        xid: String,
    },
    /// `XA COMMIT` or `XA ROLLBACK`: the outcome, as a transaction of its own.
    XaOutcome {
        /// The transaction's name, as the server prints it.
        xid: String,
        /// Whether its rows count.
        is_commit: bool,
    },
    /// It changes the definition of these tables.
    Ddl(Vec<TableChange>),
    /// It changes rows, in statement format, of tables whose names are among these words.
    Dml(Vec<String>),
    /// Nothing that concerns tables.
    Other,
    /// Not understood; the words may name tables.
    Unknown(Vec<String>),
}

/// What happens to one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableChange {
    pub(crate) table: TableId,
    pub(crate) effect: Effect,
}

/// What a definition's change does to the rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// They stay as they are; new columns are NULL in them.
    RowsStay,
    /// They may differ now, and no row event says so.
    RowsChange,
    /// They are gone, and the table is as it was.
    Emptied,
    /// They are gone with their table, or are another table's now.
    RowsGone,
    /// They were another table's until now.
    RowsArrive,
    /// The table is new.
    Created,
}

/// Reads a statement; `database` is the one that it ran in.
pub(crate) fn classify(statement: &str, database: &str) -> Statement {
    let tokens = tokenize(statement);
    let mut cursor = Cursor { tokens: &tokens, database };
    let Some(verb) = cursor.word() else { return Statement::Other };
    match verb.as_str() {
        "BEGIN" | "START" => Statement::Begin,
        "COMMIT" => Statement::Commit,
        "ROLLBACK" if cursor.contains_word("TO") => Statement::RollbackToSavepoint,
        "ROLLBACK" => Statement::Rollback,
        "XA" => match cursor.word().as_deref() {
            Some("START" | "BEGIN") => Statement::XaStart { xid: xid(statement) },
            Some(outcome @ ("COMMIT" | "ROLLBACK")) => {
                Statement::XaOutcome { xid: xid(statement), is_commit: outcome == "COMMIT" }
            }
            _ => Statement::Other,
        },
        "INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "LOAD" | "CALL" | "WITH" => {
            Statement::Dml(cursor.names())
        }
        "ALTER" => cursor.alter(),
        "CREATE" => cursor.create(),
        "DROP" => cursor.drop(),
        "RENAME" => cursor.rename(),
        "TRUNCATE" => {
            cursor.skip_word("TABLE");
            cursor.change_list(Effect::Emptied)
        }
        "ANALYZE" | "OPTIMIZE" | "REPAIR" | "CHECK" | "GRANT" | "REVOKE" | "SET" | "FLUSH"
        | "INSTALL" | "UNINSTALL" | "LOCK" | "UNLOCK" | "SAVEPOINT" | "RELEASE" => Statement::Other,
        _ => Statement::Unknown(cursor.names()),
    }
}

/// What follows `XA` and its verb: the server prints a name the same way each time.
fn xid(statement: &str) -> String {
    tokens::behind(statement, 2).to_owned()
}

/// Reads tokens from the front.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    tokens: &'a [Token],
    database: &'a str,
}

impl Cursor<'_> {
    fn create(&mut self) -> Statement {
        while self.skip_word("OR") || self.skip_word("REPLACE") {}
        if self.skip_word("TEMPORARY") {
            return Statement::Other;
        }
        if self.skip_word("TABLE") {
            self.skip_if_exists();
            return self.change_one(Effect::Created);
        }
        while self.skip_word("UNIQUE") || self.skip_word("FULLTEXT") || self.skip_word("SPATIAL") {}
        if self.skip_word("INDEX") {
            return self.index_change();
        }
        Statement::Other
    }

    fn drop(&mut self) -> Statement {
        if self.skip_word("TEMPORARY") {
            return Statement::Other;
        }
        if self.skip_word("TABLE") || self.skip_word("TABLES") {
            self.skip_if_exists();
            return self.change_list(Effect::RowsGone);
        }
        if self.skip_word("INDEX") {
            return self.index_change();
        }
        if self.skip_word("DATABASE") || self.skip_word("SCHEMA") {
            return Statement::Unknown(self.names());
        }
        Statement::Other
    }

    /// `… INDEX name … ON table`.
    fn index_change(&mut self) -> Statement {
        while !self.tokens.is_empty() && !self.skip_word("ON") {
            self.advance();
        }
        self.change_one(Effect::RowsStay)
    }

    /// `RENAME TABLE a TO b, c TO d`: each name ends up with other rows than it had.
    fn rename(&mut self) -> Statement {
        if !(self.skip_word("TABLE") || self.skip_word("TABLES")) {
            return Statement::Other;
        }
        let mut changes = Vec::new();
        while let Some(source) = self.table() {
            changes.push(TableChange { table: source, effect: Effect::RowsGone });
            self.skip_word("TO");
            let Some(target) = self.table() else { break };
            changes.push(TableChange { table: target, effect: Effect::RowsArrive });
            if !self.skip_symbol(',') {
                break;
            }
        }
        Statement::Ddl(changes)
    }

    fn alter(&mut self) -> Statement {
        self.skip_word("ONLINE");
        if !self.skip_word("TABLE") {
            return Statement::Other;
        }
        let Some(table) = self.table() else { return Statement::Unknown(self.names()) };
        let mut changes = vec![];
        let mut effect = Effect::RowsStay;
        for specification in split(self.tokens) {
            let mut part = Cursor { tokens: specification, database: self.database };
            match part.specification() {
                Effect::RowsStay => {}
                Effect::RowsGone => {
                    effect = Effect::RowsGone;
                    part.skip_word("RENAME");
                    while part.skip_word("TO") || part.skip_word("AS") || part.skip_symbol('=') {}
                    let arrives = Effect::RowsArrive;
                    changes
                        .extend(part.table().map(|table| TableChange { table, effect: arrives }));
                }
                Effect::RowsChange | Effect::RowsArrive | Effect::Created | Effect::Emptied => {
                    if effect == Effect::RowsStay {
                        effect = Effect::RowsChange;
                    }
                }
            }
        }
        changes.insert(0, TableChange { table, effect });
        Statement::Ddl(changes)
    }

    /// What one part of an ALTER TABLE does.
    fn specification(&self) -> Effect {
        let mut rest = *self;
        let Some(verb) = rest.word() else { return Effect::RowsStay };
        match verb.as_str() {
            "ADD" => rest.addition(),
            "DROP" => {
                const HARMLESS: [&str; 5] = ["INDEX", "KEY", "FOREIGN", "CONSTRAINT", "CHECK"];
                let harmless = rest.word().is_some_and(|word| HARMLESS.contains(&word.as_str()));
                if harmless { Effect::RowsStay } else { Effect::RowsChange }
            }
            "RENAME" => match rest.word().as_deref() {
                Some("INDEX" | "KEY") => Effect::RowsStay,
                Some("COLUMN") => Effect::RowsChange,
                _ => Effect::RowsGone,
            },
            "ALTER" | "ENGINE" | "COMMENT" | "AUTO_INCREMENT" | "ROW_FORMAT" | "ALGORITHM"
            | "LOCK" | "FORCE" | "ORDER" | "DISABLE" | "ENABLE" | "STATS_PERSISTENT"
            | "STATS_AUTO_RECALC" | "STATS_SAMPLE_PAGES" | "KEY_BLOCK_SIZE" | "COMPRESSION"
            | "ENCRYPTION" | "MAX_ROWS" | "MIN_ROWS" | "AVG_ROW_LENGTH" | "TABLESPACE" => {
                Effect::RowsStay
            }
            _ => Effect::RowsChange,
        }
    }

    /// `ADD …`: an index, or columns, which leave rows as they are when they begin as NULL.
    fn addition(&mut self) -> Effect {
        const INDEX: [&str; 7] =
            ["INDEX", "KEY", "UNIQUE", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK"];
        if self.skip_word("PRIMARY") || self.skip_word("PARTITION") {
            return Effect::RowsChange;
        }
        if self.skip_word("CONSTRAINT") {
            let primary = self.contains_word("PRIMARY");
            return if primary { Effect::RowsChange } else { Effect::RowsStay };
        }
        if INDEX.iter().any(|word| self.skip_word(word)) {
            return Effect::RowsStay;
        }
        self.skip_word("COLUMN");
        let starts_as_null = !self.filled_at_once();
        if starts_as_null { Effect::RowsStay } else { Effect::RowsChange }
    }

    /// Whether a new column's definition gives existing rows a value, or makes it a key.
    fn filled_at_once(&self) -> bool {
        const FILLS: [&str; 5] = ["AS", "GENERATED", "AUTO_INCREMENT", "SERIAL", "PRIMARY"];
        let words: Vec<_> = self.tokens.iter().filter_map(Token::keyword).collect();
        let pair = |first: &str, second: &str| {
            words.windows(2).any(|pair| matches!(pair, [a, b] if *a == first && *b == second))
        };
        let has_default = words.contains(&"DEFAULT".to_owned()) && !pair("DEFAULT", "NULL");
        let explicit_null = words.contains(&"NULL".to_owned()) && !pair("NOT", "NULL");
        let timestamp_alone = words.contains(&"TIMESTAMP".to_owned()) && !explicit_null;
        pair("NOT", "NULL")
            || has_default
            || timestamp_alone
            || words.iter().any(|word| FILLS.contains(&word.as_str()))
    }

    fn change_one(&mut self, effect: Effect) -> Statement {
        match self.table() {
            Some(table) => Statement::Ddl(vec![TableChange { table, effect }]),
            None => Statement::Unknown(self.names()),
        }
    }

    fn change_list(&mut self, effect: Effect) -> Statement {
        let mut changes = Vec::new();
        while let Some(table) = self.table() {
            changes.push(TableChange { table, effect });
            if !self.skip_symbol(',') {
                break;
            }
        }
        if changes.is_empty() { Statement::Unknown(self.names()) } else { Statement::Ddl(changes) }
    }

    /// `table` or `database.table`.
    fn table(&mut self) -> Option<TableId> {
        let first = self.name()?;
        if self.skip_symbol('.') {
            return Some(TableId::new(first, self.name()?));
        }
        Some(TableId::new(self.database, first))
    }

    fn name(&mut self) -> Option<String> {
        let (first, rest) = self.tokens.split_first()?;
        let name = first.name()?.to_owned();
        self.tokens = rest;
        Some(name)
    }

    /// The next word in upper case, unless it is quoted.
    fn word(&mut self) -> Option<String> {
        let (first, rest) = self.tokens.split_first()?;
        let word = first.keyword()?;
        self.tokens = rest;
        Some(word)
    }

    fn skip_word(&mut self, word: &str) -> bool {
        let is_there = self.tokens.first().and_then(Token::keyword).is_some_and(|w| w == word);
        if is_there {
            self.advance();
        }
        is_there
    }

    fn skip_symbol(&mut self, symbol: char) -> bool {
        let is_there = self.tokens.first() == Some(&Token::Symbol(symbol));
        if is_there {
            self.advance();
        }
        is_there
    }

    fn skip_if_exists(&mut self) {
        while self.skip_word("IF") || self.skip_word("NOT") || self.skip_word("EXISTS") {}
    }

    fn advance(&mut self) {
        self.tokens = self.tokens.get(1..).unwrap_or_default();
    }

    fn contains_word(&self, word: &str) -> bool {
        self.tokens.iter().filter_map(Token::keyword).any(|found| found == word)
    }

    /// Every word that could name a table.
    fn names(&self) -> Vec<String> {
        self.tokens.iter().filter_map(Token::name).map(str::to_owned).collect()
    }
}

/// Cuts tokens at the commas that are not within parentheses.
fn split(tokens: &[Token]) -> Vec<&[Token]> {
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

#[cfg(test)]
mod tests;
