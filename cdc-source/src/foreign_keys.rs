//! Foreign keys whose cascades the log does not have: `InnoDB` changes the child's rows itself, and
//! nobody else hears of it. Since MySQL 9.6 the server does it, and logs it, unless
//! `innodb_native_foreign_keys` is ON.

use std::collections::BTreeSet;
use std::fmt;

use schema::table::TableId;

use crate::config::TableFilter;
use crate::connection::Connection;
use crate::error::SourceError;

/// What is done about such keys: `foreign.key.cascades`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CascadePolicy {
    /// They are named, and the tables are captured.
    Warn,
    /// Their tables are not captured.
    Refuse,
}

/// What mends it.
pub(crate) const REMEDY: &str = "change the child's rows by statements of their own before the \
    parent's, or drop the key's ON DELETE and ON UPDATE actions, or move to MySQL 9.6 or later with \
    innodb_native_foreign_keys=OFF, which logs them; what was missed a copy of the table mends";

/// A foreign key that changes rows unseen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignKey {
    name: String,
    child: TableId,
    parent: TableId,
    on_delete: Action,
    on_update: Action,
    /// The captured tables whose rows it changes, itself or by the cascades that follow.
    pub(crate) reaches: BTreeSet<TableId>,
}

/// What happens to a child's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// Nothing, or the parent cannot be changed.
    None,
    Cascade,
    /// Its columns are set to NULL or their defaults.
    Set,
}

impl Action {
    fn parse(rule: &str) -> Self {
        match rule {
            "CASCADE" => Self::Cascade,
            "SET NULL" | "SET DEFAULT" => Self::Set,
            _ => Self::None,
        }
    }
}

impl ForeignKey {
    fn acts(&self) -> bool {
        self.on_delete != Action::None || self.on_update != Action::None
    }

    /// Whether what this key does to its child sets off what `next`, a key on that child, does.
    fn sets_off(&self, next: &Self) -> bool {
        let deletes = self.on_delete == Action::Cascade;
        let updates = self.on_update != Action::None || self.on_delete == Action::Set;
        self.child == next.parent
            && (deletes && next.on_delete != Action::None
                || updates && next.on_update != Action::None)
    }
}

impl fmt::Display for ForeignKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} on {}", self.name, self.child, self.parent)
    }
}

/// All foreign keys that change rows of captured tables unseen. Those of tables that the user may
/// not see are not among them.
pub(crate) async fn read(
    connection: &mut Connection,
    captured: &TableFilter,
) -> Result<Vec<ForeignKey>, SourceError> {
    let statement = "SELECT CONSTRAINT_NAME, CONSTRAINT_SCHEMA, TABLE_NAME, \
        UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME, DELETE_RULE, UPDATE_RULE \
        FROM information_schema.REFERENTIAL_CONSTRAINTS \
        ORDER BY CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME";
    let rows: Vec<KeyRow> = connection.rows("list foreign keys", statement).await?;
    let key = |(name, schema, table, parent_schema, parent, on_delete, on_update): KeyRow| {
        let child = TableId::new(schema, table);
        ForeignKey {
            name,
            parent: TableId::new(parent_schema, parent),
            on_delete: Action::parse(&on_delete),
            on_update: Action::parse(&on_update),
            reaches: captured.matches(&child).then(|| child.clone()).into_iter().collect(),
            child,
        }
    };
    Ok(that_reach(rows.into_iter().map(key).collect()))
}

/// Constraint, its schema and table, the parent's schema and table, both rules.
type KeyRow = (String, String, String, String, String, String, String);

/// Follows cascades from table to table; keeps the keys that reach captured ones.
fn that_reach(mut keys: Vec<ForeignKey>) -> Vec<ForeignKey> {
    keys.retain(ForeignKey::acts);
    // Each round some key reaches one table more, or it is the last one.
    loop {
        let mut has_grown = false;
        for index in 0..keys.len() {
            let Some(key) = keys.get(index) else { break };
            let further = keys.iter().filter(|next| key.sets_off(next));
            let new: Vec<_> =
                further.flat_map(|next| next.reaches.difference(&key.reaches)).cloned().collect();
            if let Some(key) = keys.get_mut(index).filter(|_| !new.is_empty()) {
                key.reaches.extend(new);
                has_grown = true;
            }
        }
        if !has_grown {
            break;
        }
    }
    keys.retain(|key| !key.reaches.is_empty());
    keys
}

/// Names each key that is not among those that are known.
pub(crate) fn tell(keys: &[ForeignKey], known: &[ForeignKey]) {
    for key in keys.iter().filter(|key| !known.contains(key)) {
        let tables: Vec<_> = key.reaches.iter().map(TableId::to_string).collect();
        tracing::warn!(
            foreign_key = %key,
            tables = tables.join(", "),
            hint = REMEDY,
            "what this foreign key does to rows of the tables is not in the binary log: it is missing \
             in their topics"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(child: &str, parent: &str, rules: (&str, &str), captured: &[&str]) -> ForeignKey {
        let table = |name| TableId::new("shop", name);
        let is_captured = captured.contains(&child);
        ForeignKey {
            name: format!("{child}_{parent}"),
            child: table(child),
            parent: table(parent),
            on_delete: Action::parse(rules.0),
            on_update: Action::parse(rules.1),
            reaches: is_captured.then(|| table(child)).into_iter().collect(),
        }
    }

    fn named(keys: Vec<ForeignKey>) -> Vec<String> {
        let one = |key: &ForeignKey| {
            let tables: Vec<_> = key.reaches.iter().map(|it| it.name.as_str()).collect();
            format!("{} -> {}", key.name, tables.join(","))
        };
        that_reach(keys).iter().map(one).collect()
    }

    #[test]
    fn keys_are_followed_to_captured_tables_through_others() {
        let captured = ["leaf", "safe", "noted"];
        let keys = vec![
            key("middle", "root", ("CASCADE", "NO ACTION"), &captured),
            key("leaf", "middle", ("SET NULL", "RESTRICT"), &captured),
            key("safe", "root", ("NO ACTION", "RESTRICT"), &captured),
            key("other", "root", ("CASCADE", "CASCADE"), &captured),
            key("noted", "other", ("NO ACTION", "CASCADE"), &captured),
        ];

        assert_eq!(
            named(keys),
            [
                "middle_root -> leaf",
                "leaf_middle -> leaf",
                "other_root -> noted",
                "noted_other -> noted"
            ]
        );
    }

    #[test]
    fn what_a_cascade_does_not_set_off_is_not_reached() {
        let keys = vec![
            // Deletes rows of the middle, but the leaf only follows its updates.
            key("middle", "root", ("CASCADE", "NO ACTION"), &["leaf"]),
            key("leaf", "middle", ("NO ACTION", "CASCADE"), &["leaf"]),
        ];

        assert_eq!(named(keys), ["leaf_middle -> leaf"]);
    }

    #[test]
    fn keys_in_a_circle_come_to_an_end() {
        let keys = vec![
            key("a", "b", ("CASCADE", "CASCADE"), &["a"]),
            key("b", "a", ("CASCADE", "CASCADE"), &["a"]),
            key("a", "a", ("SET NULL", "NO ACTION"), &["a"]),
        ];

        assert_eq!(named(keys), ["a_b -> a", "b_a -> a", "a_a -> a"]);
    }
}
