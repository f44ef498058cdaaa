//! Tables that tools for online schema changes work with: they come and go beside the table that
//! they belong to, and what they end as is copied when it takes that table's place.
//!
//! | tool | tables of `orders` |
//! |---|---|
//! | gh-ost | `_orders_gho`, `_ghc`, `_ghk`, `_ght`, `_ghr`, `_del`, `_orders_20260131235959_del` |
//! | pt-online-schema-change | `_orders_new`, `_orders_old`, with up to ten underscores before them |
//! | Spirit | `_orders_new`, `_orders_old`, `_orders_old_20260131_235959`, `_orders_chkpnt` |

use std::collections::BTreeMap;

use schema::offset::TableOffset;
use schema::table::TableId;

use super::Tables;
use crate::config::{OnlineSchemaChanges, SourceConfig};

/// Longest name of a table, in characters; the tools cut the table's name to fit.
/// <https://dev.mysql.com/doc/refman/9.4/en/identifier-length.html>
const NAME_MAX_CHARS: usize = 64;

/// What a helper's name ends with.
const ENDINGS: [&str; 9] =
    ["_gho", "_ghc", "_ghk", "_ght", "_ghr", "_del", "_new", "_old", "_chkpnt"];

/// Of tables that are captured, the one that `table` is a helper of, if it is any's.
pub(crate) fn base_of<'a>(
    table: &TableId,
    config: &SourceConfig,
    mut captured: impl Iterator<Item = &'a TableId> + Clone,
) -> Option<TableId> {
    let follows = config.online_schema_changes == OnlineSchemaChanges::Follow;
    if !follows || !table.name.starts_with('_') || config.tables.names(table) {
        return None;
    }
    let bases = bases(table);
    let is_cut = table.name.chars().count() >= NAME_MAX_CHARS;
    let is_base = |other: &&TableId| {
        let begins_with =
            |stem: &TableId| other.database == stem.database && other.name.starts_with(&stem.name);
        bases.contains(other) || (is_cut && bases.first().is_some_and(begins_with))
    };
    captured.find(|other| *other != table && is_base(other)).cloned()
}

impl Tables {
    /// The captured table that this one is a helper of in an online schema change.
    pub(crate) fn helper_of(&self, table: &TableId) -> Option<TableId> {
        base_of(table, &self.config, self.offsets.keys())
    }
}

/// The offsets without those of helpers, which an earlier version has captured.
pub(super) fn left_out(
    mut offsets: BTreeMap<TableId, TableOffset>,
    config: &SourceConfig,
) -> BTreeMap<TableId, TableOffset> {
    let known: Vec<_> = offsets.keys().cloned().collect();
    offsets.retain(|table, _| {
        let base = base_of(table, config, known.iter());
        if let Some(base) = &base {
            tell(table, base);
        }
        base.is_none()
    });
    offsets
}

/// Says that a table is not captured, and why.
pub(super) fn tell(table: &TableId, base: &TableId) {
    tracing::info!(
        table = %table,
        belongs_to = %base,
        hint = "name the table in `table.include.list` without a pattern to capture it all the same",
        "a helper of an online schema change is not captured"
    );
}

/// Tables that this one may be a helper of, by its name; none if it has no helper's name.
fn bases(table: &TableId) -> Vec<TableId> {
    let Some(name) = table.name.strip_prefix('_') else { return Vec::new() };
    let mut stems = Vec::new();
    for ending in ENDINGS {
        stems.extend(name.strip_suffix(ending));
    }
    // Spirit's time stands behind the ending.
    stems.extend(without_digits(name, &[6, 8]).and_then(|rest| rest.strip_suffix("_old")));
    // gh-ost's before it.
    let timed = stems.iter().find_map(|stem| without_digits(stem, &[14]));
    stems.extend(timed);
    let mut bases = Vec::new();
    for stem in stems {
        // More underscores, or a table whose own name begins with some.
        let mut stem = Some(stem);
        while let Some(base) = stem.filter(|base| !base.is_empty()) {
            bases.push(TableId::new(table.database.clone(), base));
            stem = base.strip_prefix('_');
        }
    }
    bases
}

/// The name without groups of so many digits, each behind an underscore, at its end.
fn without_digits<'a>(name: &'a str, groups: &[usize]) -> Option<&'a str> {
    let mut rest = name;
    for digits in groups {
        let (head, tail) = rest.split_at_checked(rest.len().checked_sub(digits + 1)?)?;
        let tail = tail.strip_prefix('_')?;
        if !tail.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        rest = head;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_of(helper: &str, base: &str) -> bool {
        bases(&TableId::new("shop", helper)).contains(&TableId::new("shop", base))
    }

    #[test]
    fn the_tables_of_each_tool_are_told_by_their_names() {
        for helper in [
            "_orders_gho",
            "_orders_ghc",
            "_orders_ghk",
            "_orders_del",
            "_orders_20260131235959_del",
            "_orders_new",
            "__orders_new",
            "__________orders_old",
            "_orders_old",
            "_orders_old_20260131_235959",
            "_orders_chkpnt",
        ] {
            assert!(is_of(helper, "orders"), "{helper}");
        }
        assert!(is_of("__orders_new", "_orders"), "of a table with an underscore of its own");
        assert!(is_of("_orders_old_del", "orders_old"));
        assert!(is_of("_größe_new", "größe"));
    }

    #[test]
    fn other_names_are_no_helpers() {
        for name in [
            "orders",
            "orders_new",
            "_orders",
            "_new",
            "__old",
            "_orders_newer",
            "_orders_2026",
            "_orders_old_2026_01",
            "_",
            "",
            "_orders_NEW",
        ] {
            assert_eq!(bases(&TableId::new("shop", name)), [], "{name}");
        }
        assert!(!is_of("_orders_2026013123595_del", "orders"), "thirteen digits are no time");
    }
}
