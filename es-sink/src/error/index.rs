//! What is wrong with an index.

use std::borrow::Cow;
use std::fmt;

use schema::fault::{Disposition, Fault};

/// An index that rows cannot be written to.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The index has fields of other types.
    #[error("index `{index}` has {}", listed(conflicts))]
    MappingConflict {
        /// The index.
        index: Box<str>,
        /// All of them.
        conflicts: Box<[FieldConflict]>,
    },
    /// The index may not have so many fields.
    #[error("index `{index}` takes no {added} more fields: its limit would be exceeded")]
    FieldLimit {
        /// The index.
        index: Box<str>,
        /// How many were to be added.
        added: usize,
    },
    /// The server does not have a type that the settings ask for.
    #[error("elasticsearch has no type `{kind}`, expected in index `{index}`")]
    MissingType {
        /// The index.
        index: Box<str>,
        /// The type.
        kind: Box<str>,
    },
    /// An index has the name of the one that is to be made, and is not behind the alias.
    #[error("index `{index}` is there without its alias `{alias}`")]
    AliasMissing {
        /// The alias.
        alias: Box<str>,
        /// The index.
        index: Box<str>,
    },
    /// Soft deletes need an alias that does not show them.
    #[error("index `{index}` has no alias, expected one that hides documents with `__deleted`")]
    NoAlias {
        /// The index.
        index: Box<str>,
    },
    /// The index is not the one that was written to.
    #[error("index `{index}` {how}, and rows that were written to it before are not in it")]
    IndexLost {
        /// The index.
        index: Box<str>,
        /// What has become of it.
        how: LostIndex,
    },
    /// The alias has come to another index, which is not looked at yet.
    #[error("alias `{index}` has moved to another index")]
    AliasMoved {
        /// The alias.
        index: Box<str>,
    },
    /// An index of a date was deleted while rows were written to it.
    #[error("index `{index}` was deleted while rows were written to it")]
    DatedGone {
        /// The index.
        index: Box<str>,
    },
    /// The index has documents of which nobody knows whose they are.
    #[error("index `{index}` has documents that rowcast has not written")]
    NotAdopted {
        /// The index.
        index: Box<str>,
    },
}

/// A field that cannot hold what the records have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldConflict {
    /// The field's path.
    pub field: Box<str>,
    /// Its type in the index.
    pub found: Box<str>,
    /// What the records need.
    pub wanted: Box<str>,
}

impl fmt::Display for FieldConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, found, wanted } = self;
        write!(f, "field `{field}` as {found}, expected {wanted}")
    }
}

/// Most conflicts that an error names: a screen of them.
const CONFLICTS_MAX: usize = 20;

fn listed(conflicts: &[FieldConflict]) -> String {
    let mut told: Vec<String> =
        conflicts.iter().take(CONFLICTS_MAX).map(ToString::to_string).collect();
    if let Some(more) = conflicts.len().checked_sub(CONFLICTS_MAX).filter(|more| *more > 0) {
        told.push(format!("and {more} more"));
    }
    told.join("; ")
}

/// What has become of an index that was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostIndex {
    /// There is none of its name.
    Deleted,
    /// There is another one of its name, which rowcast has not made.
    Recreated,
    /// It is a copy from an earlier time.
    Restored,
}

impl fmt::Display for LostIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deleted => "was deleted",
            Self::Recreated => "was deleted and made anew by somebody else",
            Self::Restored => "was restored from a copy",
        })
    }
}

impl Fault for IndexError {
    fn disposition(&self) -> Disposition {
        match self {
            // The next start looks at it, or makes it anew.
            Self::AliasMoved { .. } | Self::DatedGone { .. } => Disposition::Retry,
            Self::MappingConflict { .. }
            | Self::FieldLimit { .. }
            | Self::MissingType { .. }
            | Self::AliasMissing { .. }
            | Self::NoAlias { .. }
            | Self::IndexLost { .. }
            | Self::NotAdopted { .. } => Disposition::Halt,
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        let hint = match self {
            Self::AliasMoved { .. } | Self::DatedGone { .. } => return None,
            Self::MappingConflict { .. } => {
                "set `index.name` to a new index and have it filled from the topic, say in \
                 `index.mapping.override` what the index has, or change the column's type back"
            }
            Self::FieldLimit { .. } => {
                "raise `index.settings.mapping.total_fields.limit`, or leave columns out"
            }
            Self::MissingType { .. } => {
                "choose another type in `index.mapping.override` or in the setting that asks for it"
            }
            Self::AliasMissing { .. } => {
                "add the alias to the index, with is_write_index, or delete the index if nothing \
                 in it is needed"
            }
            Self::NoAlias { .. } => {
                "set `index.name` to a new name, so that rowcast makes an index with an alias"
            }
            Self::IndexLost { how: LostIndex::Restored, .. } => {
                "set the group's offsets back to before the copy was made and start once with \
                 `index.adopt`, or reset them to the beginning, or have the tables copied again \
                 into a new `index.name`"
            }
            Self::IndexLost { .. } => {
                "delete it if it is there, and have it filled again: reset the group's offsets to \
                 the beginning if the topic still has all rows, or else take a new snapshot of the \
                 tables"
            }
            Self::NotAdopted { .. } => {
                "set `index.name` to a new index, or `index.adopt` if the documents are those of \
                 the same tables"
            }
        };
        Some(Cow::Borrowed(hint))
    }
}
