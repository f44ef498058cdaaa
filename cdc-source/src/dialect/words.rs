//! The table of differences: words that a version has changed. The versions are those of MySQL's
//! release notes; where both words are known for a while, the newer one is used as soon as it is
//! there.

use super::Version;

/// A word that stands for another one since a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(super) since: Version,
    pub(super) before: &'static str,
    pub(super) word: &'static str,
}

const fn since(since: Version, before: &'static str, word: &'static str) -> Difference {
    Difference { since, before, word }
}

/// Says where the log ends. The old form is gone in 8.4.
pub(crate) const LOG_STATUS: Difference =
    since(Version(8, 2, 0), "SHOW MASTER STATUS", "SHOW BINARY LOG STATUS");

/// When replication's statements stopped to speak of slaves. The old forms are gone in 8.4.
const REPLICA: Version = Version(8, 0, 22);

/// Lists those who read the log: number first, then host, the uuid last.
pub(crate) const REPLICAS: Difference = since(REPLICA, "SHOW SLAVE HOSTS", "SHOW REPLICAS");

/// Says how far the server has come as a replica.
pub(crate) const REPLICA_STATUS: Difference =
    since(REPLICA, "SHOW SLAVE STATUS", "SHOW REPLICA STATUS");

/// The column of that with its lag.
pub(crate) const SECONDS_BEHIND: Difference =
    since(REPLICA, "Seconds_Behind_Master", "Seconds_Behind_Source");

/// The column of that for the receiver.
pub(crate) const RECEIVER_RUNNING: Difference =
    since(REPLICA, "Slave_IO_Running", "Replica_IO_Running");

/// The column of that for the applier.
pub(crate) const APPLIER_RUNNING: Difference =
    since(REPLICA, "Slave_SQL_Running", "Replica_SQL_Running");

/// What is to be done about a replica that does not replicate.
pub(crate) const START_REPLICA: Difference = since(
    REPLICA,
    "START SLAVE, or RESET SLAVE ALL if it is to be none any more, or set \
     `snapshot.max.replica.lag.ms` to 0",
    "START REPLICA, or RESET REPLICA ALL if it is to be none any more, or set \
     `snapshot.max.replica.lag.ms` to 0",
);

/// When variables of a replica got names without masters and slaves.
pub(super) const SOURCE_AND_REPLICA: Version = Version(8, 0, 26);

/// What a replica asks for by user variables: the pause between heartbeats, checksums, its uuid.
pub(super) const REPLICA_VARIABLES: (&str, &str, &str) =
    ("@source_heartbeat_period", "@source_binlog_checksum", "@replica_uuid");

/// The same by their first names.
pub(super) const SLAVE_VARIABLES: (&str, &str, &str) =
    ("@master_heartbeat_period", "@master_binlog_checksum", "@slave_uuid");

/// The setting that has a replica log what it replicates.
pub(crate) const LOGS_UPDATES: Difference =
    since(SOURCE_AND_REPLICA, "log_slave_updates", "log_replica_updates");

/// Locks the rows of a SELECT against changes.
pub(crate) const SHARED_LOCK: Difference =
    since(Version(8, 0, 1), "LOCK IN SHARE MODE", "FOR SHARE");

/// The setting with a session's isolation level. The old name is gone in 8.0.3.
pub(crate) const ISOLATION: Difference =
    since(Version(5, 7, 20), "tx_isolation", "transaction_isolation");

/// The setting that says for how long logs are kept.
pub(crate) const RETENTION: Difference =
    since(Version(8, 0, 1), "raise expire_logs_days", "raise binlog_expire_logs_seconds");

/// The same on RDS and Aurora.
pub(crate) const KEEP_LOGS_ON_RDS: &str =
    "CALL mysql.rds_set_configuration('binlog retention hours', 24)";

/// What says how long they are kept there: NULL is no longer than the service itself needs them.
pub(crate) const RETENTION_ON_RDS: &str =
    "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'";

/// The oldest version that is read: `WAIT_FOR_EXECUTED_GTID_SET` and `gtid_executed` of all
/// transactions come with it.
pub(crate) const OLDEST: Version = Version(5, 7, 6);

/// When SET PERSIST came.
pub(super) const PERSIST: Version = Version(8, 0, 0);

/// When the log could name columns. Before, it does not even say which numbers have no sign.
pub(crate) const ROW_METADATA: Version = Version(8, 0, 1);

/// When the server itself, and no longer its engine, does what foreign keys ask for: then it is
/// logged, unless `innodb_native_foreign_keys` is ON.
pub(crate) const LOGGED_CASCADES: Version = Version(9, 6, 0);
