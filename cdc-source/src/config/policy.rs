//! Settings that say what happens to a table, with lists of tables for which it is something else.

use connect::config::{ConfigError, Settings};
use regex::Regex;
use schema::table::TableId;

/// What happens to each table in some case.
#[derive(Debug, Clone)]
pub(crate) struct TablePolicy<T> {
    default: T,
    /// Patterns of `database.table`; the first that matches holds.
    tables: Vec<(Regex, T)>,
}

impl<T: Copy + PartialEq> TablePolicy<T> {
    /// Reads the setting of this name and the lists of tables with another policy, in their order.
    pub(super) fn read(
        settings: &mut Settings,
        (key, default): (&'static str, T),
        choices: &[(&'static str, T)],
        lists: &[(&'static str, T)],
    ) -> Result<Self, ConfigError> {
        let default = settings.choice(key, default, choices)?;
        let mut tables = Vec::new();
        for (key, policy) in lists {
            let patterns = super::patterns(settings, key)?;
            tables.extend(patterns.into_iter().map(|pattern| (pattern, *policy)));
        }
        Ok(Self { default, tables })
    }

    /// What happens to a table.
    pub(crate) fn of(&self, table: &TableId) -> T {
        let name = table.to_string();
        let found = self.tables.iter().find(|(tables, _)| tables.is_match(&name));
        found.map_or(self.default, |(_, policy)| *policy)
    }

    /// Whether it may happen to any table.
    pub(super) fn may_be(&self, wanted: T) -> bool {
        self.default == wanted || self.tables.iter().any(|(_, policy)| *policy == wanted)
    }
}
