//! What is done about a definition whose schema the registry does not take as a new version.

use connect::config::{ConfigError, Settings};

use super::policy::TablePolicy;

/// What happens to a table whose new schema is not compatible with the subject's versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incompatible {
    /// It is parked before its first row in the new form.
    Park,
    /// The source stops before it.
    Halt,
    /// The subject's compatibility is set to `NONE`, which takes it.
    Allow,
}

const POLICIES: [(&str, Incompatible); 3] =
    [("park", Incompatible::Park), ("halt", Incompatible::Halt), ("allow", Incompatible::Allow)];

/// `schema.incompatible`, and its lists of tables.
pub(super) fn read(settings: &mut Settings) -> Result<TablePolicy<Incompatible>, ConfigError> {
    TablePolicy::read(
        settings,
        ("schema.incompatible", Incompatible::Park),
        &POLICIES,
        &[
            ("schema.incompatible.park.tables", Incompatible::Park),
            ("schema.incompatible.halt.tables", Incompatible::Halt),
            ("schema.incompatible.allow.tables", Incompatible::Allow),
        ],
    )
}
