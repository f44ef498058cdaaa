//! What a statement in the binlog does to captured tables.
//!
//! Not a parser: rows are decoded by what `TABLE_MAP` says, so a statement only has to be read far
//! enough to know which tables it names and whether it changes rows without logging them. What is
//! not understood counts as the worst.

mod alter;
mod announce;
mod cursor;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod tokens;

use schema::table::TableId;

pub(crate) use announce::{Announcement, announcements};
use cursor::Cursor;
pub(crate) use tokens::Dialect;
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
    /// All tables of this database are gone.
    DatabaseDropped(String),
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
    /// They stay as they are, but in a table without a primary key another unique key may tell them
    /// apart now.
    KeyMayChange,
    /// They may differ now, and no row event says so.
    RowsChange,
    /// They are gone, and the table is as it was.
    Emptied,
    /// They are gone with their table, or are another table's now.
    RowsGone,
    /// They were another table's until now.
    RowsArrive,
    /// Their file is taken away: nobody can read them.
    Discarded,
    /// They come from a file.
    Imported,
    /// The table is new.
    Created,
    /// The table is new, unless there was one.
    CreatedIfMissing,
}

/// Reads a statement; `database` is the one that it ran in.
pub(crate) fn classify(statement: &str, database: &str, dialect: Dialect) -> Statement {
    let tokens = tokenize(statement, dialect);
    let mut cursor = Cursor { tokens: &tokens, database };
    let Some(verb) = cursor.word() else { return Statement::Other };
    let xid = || tokens::behind(statement, 2, dialect).to_owned();
    match verb.as_str() {
        "BEGIN" | "START" => Statement::Begin,
        "COMMIT" => Statement::Commit,
        "ROLLBACK" if cursor.contains_word("TO") => Statement::RollbackToSavepoint,
        "ROLLBACK" => Statement::Rollback,
        // The server prints a transaction's name the same way each time.
        "XA" => match cursor.word().as_deref() {
            Some("START" | "BEGIN") => Statement::XaStart { xid: xid() },
            Some(outcome @ ("COMMIT" | "ROLLBACK")) => {
                Statement::XaOutcome { xid: xid(), is_commit: outcome == "COMMIT" }
            }
            _ => Statement::Other,
        },
        "INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "LOAD" | "CALL" | "WITH" => {
            Statement::Dml(cursor.names())
        }
        "ALTER" => cursor.alter(),
        "CREATE" => create(&mut cursor),
        "DROP" => drop_statement(&mut cursor),
        "RENAME" => rename(&mut cursor),
        "TRUNCATE" => {
            cursor.skip_word("TABLE");
            change_list(&mut cursor, Effect::Emptied)
        }
        "ANALYZE" | "OPTIMIZE" | "REPAIR" | "CHECK" | "GRANT" | "REVOKE" | "SET" | "FLUSH"
        | "INSTALL" | "UNINSTALL" | "LOCK" | "UNLOCK" | "SAVEPOINT" | "RELEASE" => Statement::Other,
        _ => Statement::Unknown(cursor.names()),
    }
}

/// The words and quoted names of a text.
pub(crate) fn words(text: &str) -> Vec<String> {
    tokenize(text, Dialect::default()).iter().filter_map(Token::name).map(str::to_owned).collect()
}

fn create(cursor: &mut Cursor<'_>) -> Statement {
    while cursor.skip_word("OR") || cursor.skip_word("REPLACE") {}
    if cursor.skip_word("TEMPORARY") {
        return Statement::Other;
    }
    cursor.skip_word("EXTERNAL");
    if cursor.skip_word("TABLE") {
        let may_exist = cursor.skip_if_exists();
        let effect = if may_exist { Effect::CreatedIfMissing } else { Effect::Created };
        return change_one(cursor, effect);
    }
    let is_unique = cursor.skip_word("UNIQUE");
    while cursor.skip_word("FULLTEXT") || cursor.skip_word("SPATIAL") {}
    if cursor.skip_word("INDEX") {
        let effect = if is_unique { Effect::KeyMayChange } else { Effect::RowsStay };
        return index_change(cursor, effect);
    }
    Statement::Other
}

fn drop_statement(cursor: &mut Cursor<'_>) -> Statement {
    if cursor.skip_word("TEMPORARY") {
        return Statement::Other;
    }
    if cursor.skip_word("TABLE") || cursor.skip_word("TABLES") {
        cursor.skip_if_exists();
        return change_list(cursor, Effect::RowsGone);
    }
    if cursor.skip_word("INDEX") {
        let effect = cursor.index_dropped();
        return index_change(cursor, effect);
    }
    if cursor.skip_word("DATABASE") || cursor.skip_word("SCHEMA") {
        cursor.skip_if_exists();
        return match cursor.name() {
            Some(database) => Statement::DatabaseDropped(database),
            None => Statement::Unknown(cursor.names()),
        };
    }
    Statement::Other
}

/// `… INDEX name … ON table`.
fn index_change(cursor: &mut Cursor<'_>, effect: Effect) -> Statement {
    while !cursor.tokens.is_empty() && !cursor.skip_word("ON") {
        cursor.advance();
    }
    change_one(cursor, effect)
}

/// `RENAME TABLE a TO b, c TO d`: each name ends up with other rows than it had.
fn rename(cursor: &mut Cursor<'_>) -> Statement {
    if !(cursor.skip_word("TABLE") || cursor.skip_word("TABLES")) {
        return Statement::Other;
    }
    let mut changes = Vec::new();
    while let Some(source) = cursor.table() {
        changes.push(TableChange { table: source, effect: Effect::RowsGone });
        cursor.skip_word("TO");
        let Some(target) = cursor.table() else { break };
        changes.push(TableChange { table: target, effect: Effect::RowsArrive });
        if !cursor.skip_symbol(',') {
            break;
        }
    }
    Statement::Ddl(changes)
}

fn change_one(cursor: &mut Cursor<'_>, effect: Effect) -> Statement {
    match cursor.table() {
        Some(table) => Statement::Ddl(vec![TableChange { table, effect }]),
        None => Statement::Unknown(cursor.names()),
    }
}

fn change_list(cursor: &mut Cursor<'_>, effect: Effect) -> Statement {
    let mut changes = Vec::new();
    while let Some(table) = cursor.table() {
        changes.push(TableChange { table, effect });
        if !cursor.skip_symbol(',') {
            break;
        }
    }
    if changes.is_empty() { Statement::Unknown(cursor.names()) } else { Statement::Ddl(changes) }
}

#[cfg(test)]
mod tests;
