//! Foreign keys whose cascades the log does not have: looked for again when a definition changes.

use super::Pipeline;
use crate::error::SourceError;
use crate::foreign_keys::{self, CascadePolicy, ForeignKey};
use crate::preflight::Server;

/// What is known of them.
#[derive(Debug)]
pub(super) struct Cascades {
    /// Whether the log has them all, so that there is nothing to look for.
    are_logged: bool,
    keys: Vec<ForeignKey>,
    /// Whether they may be others now.
    is_due: bool,
}

impl Cascades {
    pub(super) fn new(server: &Server) -> Self {
        Self { are_logged: server.logs_cascades, keys: server.cascades.clone(), is_due: false }
    }

    /// A definition has changed.
    pub(super) fn look_again(&mut self) {
        self.is_due = !self.are_logged;
    }

    /// How many keys change rows unseen.
    pub(super) fn count(&self) -> u64 {
        u64::try_from(self.keys.len()).unwrap_or(u64::MAX)
    }
}

impl Pipeline {
    /// Looks for such keys if they may be others now, once for all definitions that have changed.
    pub(super) async fn check_cascades(&mut self) -> Result<(), SourceError> {
        if !self.cascades.is_due {
            return Ok(());
        }
        self.cascades.is_due = false;
        let connection = self.tables.connection().await?;
        let keys = foreign_keys::read(connection, &self.config.tables).await?;
        foreign_keys::tell(&keys, &self.cascades.keys);
        if self.config.cascades == CascadePolicy::Refuse {
            let known = std::mem::take(&mut self.cascades.keys);
            for key in keys.iter().filter(|key| !known.contains(key)) {
                let reason = format!(
                    "foreign key {key} changes its rows, and the binary log does not say so \
                     (`foreign.key.cascades`)"
                );
                for table in &key.reaches {
                    self.park(table, &reason);
                }
            }
        }
        self.cascades.keys = keys;
        Ok(())
    }
}
