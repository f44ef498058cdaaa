//! Changes of which the log has no rows: statements, and gaps that the server reports.
//!
//! A statement says which tables it names, but not which ones it reaches through views, triggers
//! and functions. The server is asked for those.

use std::collections::{BTreeSet, HashSet};

use schema::table::TableId;
use schema::types::Fidelity;

use super::Pipeline;
use crate::binlog::{Feature, RawEvent};
use crate::connection::Connection;
use crate::ddl;
use crate::error::SourceError;
use crate::tables::SkipReason;

/// Longest chain of views, triggers and functions that is followed.
const DEPTH: usize = 8;

/// Words that are looked up at most; a statement with more is long, but not with names.
const WORDS: usize = 1_000;

/// Statements that are remembered as harmless at most.
const HARMLESS: usize = 256;

/// What is known of statements that change rows.
#[derive(Debug, Default)]
pub(super) struct Statements {
    /// Words of those that reach no captured table, until something is created.
    harmless: HashSet<Vec<String>>,
}

impl Statements {
    /// A view, trigger or function may be there that was not.
    pub(super) fn forget(&mut self) {
        self.harmless.clear();
    }
}

impl Pipeline {
    /// Parks the captured tables that a statement has changed, or may have, without row events.
    pub(super) async fn changed_by_statement(
        &mut self,
        names: Vec<String>,
        database: &str,
        reason: &str,
    ) -> Result<(), SourceError> {
        self.tables.skip(SkipReason::Statement);
        let mut words = vec![database.to_owned()];
        words.extend(names);
        self.fold(&mut words);
        if self.statements.harmless.contains(&words) {
            return Ok(());
        }
        let reached = self.reached(&words, &self.name_case.name(database)).await?;
        let is_short = words.len() <= WORDS;
        if reached.is_empty() && is_short && self.statements.harmless.len() < HARMLESS {
            self.statements.harmless.insert(words);
        }
        for table in reached {
            self.park_with(&table, reason, ROW_FORMAT);
        }
        Ok(())
    }

    /// The words as names of this server's tables.
    fn fold(&self, words: &mut [String]) {
        words.iter_mut().for_each(|word| *word = self.name_case.name(word));
    }

    /// The server says that its log has a gap: nobody knows in which tables.
    pub(super) fn take_incident(&mut self, event: &RawEvent) -> Result<(), SourceError> {
        self.tables.skip(SkipReason::Incident);
        if self.config.records.values.fidelity == Fidelity::Debezium {
            return Err(super::unsupported(event, Feature::Gap).into());
        }
        tracing::warn!(
            position = %event.end.at(event.start),
            hint = "look for the cause in MySQL's error log",
            "the server reports a gap in its log: all tables are copied again"
        );
        self.copy_unknown("the server reports a gap in its log");
        self.pass(event);
        Ok(())
    }

    /// The captured tables whose names are among the words, or in the definition of a view, a
    /// trigger or a function that is, and so on.
    async fn reached(
        &self,
        words: &[String],
        database: &str,
    ) -> Result<BTreeSet<TableId>, SourceError> {
        let mut known: BTreeSet<String> = words.iter().take(WORDS).cloned().collect();
        let mut new = known.clone();
        let mut reached: BTreeSet<_> = self.tables.named(words, database).into_iter().collect();
        let mut connection = None;
        for _ in 0..DEPTH {
            if new.is_empty() {
                break;
            }
            let connection = match &mut connection {
                Some(connection) => connection,
                none => none.insert(Connection::open(&self.config).await?),
            };
            let statement = definitions_of(&new);
            let found: Vec<(String, Option<String>)> =
                connection.rows("look up views, triggers and functions", &statement).await?;
            new.clear();
            for (database, definition) in found {
                let mut words = ddl::words(&definition.unwrap_or_default());
                words.push(database.clone());
                self.fold(&mut words);
                reached.extend(self.tables.named(&words, &database));
                let left = WORDS.saturating_sub(known.len());
                new.extend(words.into_iter().filter(|word| !known.contains(word)).take(left));
            }
            known.extend(new.iter().cloned());
        }
        Ok(reached)
    }
}

/// What is to be done about statements in the log.
const ROW_FORMAT: &str = "let no session set binlog_format to anything but ROW, then resume the \
     table: it is copied again";

/// Views, triggers and functions of these names, in any database, with their definitions. Of those
/// that the user may not see nothing is known.
fn definitions_of(names: &BTreeSet<String>) -> String {
    let literal = |name: &String| {
        let digits = name.bytes().map(|byte| format!("{byte:02x}"));
        format!("CONVERT(x'{}' USING utf8mb4)", digits.collect::<String>())
    };
    let list = names.iter().map(literal).collect::<Vec<_>>().join(",");
    format!(
        "SELECT TABLE_SCHEMA, VIEW_DEFINITION FROM information_schema.VIEWS \
         WHERE TABLE_NAME IN ({list}) UNION ALL \
         SELECT TRIGGER_SCHEMA, ACTION_STATEMENT FROM information_schema.TRIGGERS \
         WHERE EVENT_OBJECT_TABLE IN ({list}) UNION ALL \
         SELECT ROUTINE_SCHEMA, ROUTINE_DEFINITION FROM information_schema.ROUTINES \
         WHERE ROUTINE_NAME IN ({list})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_literals_whatever_they_hold() {
        let names = BTreeSet::from(["a'); DROP".to_owned()]);

        let statement = definitions_of(&names);

        assert!(!statement.contains("DROP") && statement.contains("x'6127293b"), "{statement}");
    }
}
