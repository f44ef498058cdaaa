//! XA transactions that wait for their outcome.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::OffsetError;
use crate::gtid::GtidSet;
use crate::position::BinlogPosition;

/// An XA transaction whose rows are in the log, and whose outcome is not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedXa {
    /// Its name, as `XA COMMIT` repeats it.
    pub xid: String,
    /// Where it begins.
    pub position: BinlogPosition,
    /// Its GTID, as a set; `None` on servers without GTIDs.
    pub gtid: Option<GtidSet>,
    /// The server whose binlog `position` is about.
    pub server_uuid: Uuid,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RawPreparedXa {
    xid: String,
    file: String,
    pos: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gtid: Option<String>,
    server_uuid: Uuid,
}

impl PreparedXa {
    pub(super) fn to_raw(&self) -> RawPreparedXa {
        RawPreparedXa {
            xid: self.xid.clone(),
            file: self.position.file().to_owned(),
            pos: self.position.offset(),
            gtid: self.gtid.as_ref().map(ToString::to_string),
            server_uuid: self.server_uuid,
        }
    }

    pub(super) fn from_raw(raw: RawPreparedXa) -> Result<Self, OffsetError> {
        let damaged = |_| OffsetError::Damaged { what: "prepared" };
        Ok(Self {
            position: BinlogPosition::new(&raw.file, raw.pos).map_err(damaged)?,
            gtid: raw
                .gtid
                .map(|text| text.parse().map_err(|_| OffsetError::Damaged { what: "prepared" }))
                .transpose()?,
            xid: raw.xid,
            server_uuid: raw.server_uuid,
        })
    }
}
