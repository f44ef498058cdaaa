//! How tables are copied.

use std::time::Duration;

use connect::config::{ConfigError, Settings};
use schema::types::Fidelity;

/// How tables are copied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SnapshotConfig {
    /// `snapshot.mode`.
    pub(crate) mode: SnapshotMode,
    /// `snapshot.chunk.rows`, 1 to 1,000,000: most rows of one chunk. Default 4,096, our choice: a
    /// chunk of small rows is one Kafka transaction of about 1 MiB.
    pub(crate) chunk_rows: u32,
    /// `snapshot.max.threads`, 1 to 64: chunks that are read at once. Default 2, our choice; 1 is
    /// Debezium's.
    pub(crate) max_threads: usize,
    /// `snapshot.sweep`: whether a copy that replaces an older one ends with a control record that
    /// sweeps what is left of that. Default true, and false for records in Debezium's forms, whose
    /// readers do not expect it.
    pub(crate) sweep: bool,
    /// `table.without.key`: whether the rows of a table without any key are written without one, or
    /// the table is refused. Default refuse, and copy for records in Debezium's forms, as Debezium.
    pub(crate) copies_without_key: bool,
    /// `snapshot.max.rows.per.second`, 0 to 100,000,000: rows copied in a second, over all tables.
    /// Default 0, no limit.
    pub(crate) max_rows_per_second: Option<u32>,
    /// `snapshot.max.threads.running`, 0 to 100,000: no chunk begins while the server's
    /// `Threads_running` is higher. Default 0, no limit.
    pub(crate) max_threads_running: Option<u32>,
    /// `snapshot.max.replica.lag.ms`, 0 to 86,400,000: no chunk begins while the server is a replica
    /// that is further behind its source. Default 0, no limit.
    pub(crate) max_replica_lag: Option<Duration>,
}

/// What is copied before changes are streamed, by Debezium's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SnapshotMode {
    /// Each table once.
    Initial,
    /// Each table once, and then the task is done.
    InitialOnly,
    /// Nothing.
    NoData,
    /// As `initial`, and all tables again if the log is not there any more that is needed.
    WhenNeeded,
    /// All tables at every start.
    Always,
    /// Nothing, and the stream goes on where it was.
    Recovery,
}

impl SnapshotMode {
    /// Whether tables are copied that have not been.
    pub(crate) fn copies(self) -> bool {
        match self {
            Self::Initial | Self::InitialOnly | Self::WhenNeeded | Self::Always => true,
            Self::NoData | Self::Recovery => false,
        }
    }
}

impl SnapshotConfig {
    pub(super) fn read(settings: &mut Settings, fidelity: Fidelity) -> Result<Self, ConfigError> {
        use SnapshotMode::{Always, Initial, InitialOnly, NoData, Recovery, WhenNeeded};
        let modes = [
            ("initial", Initial),
            ("initial_only", InitialOnly),
            ("no_data", NoData),
            ("when_needed", WhenNeeded),
            ("always", Always),
            ("recovery", Recovery),
        ];
        let limit = |value: u32| (value > 0).then_some(value);
        let threads: u32 = settings.integer("snapshot.max.threads", 2, 1..=64)?;
        let lag = settings.duration_ms("snapshot.max.replica.lag.ms", 0, 0..=86_400_000)?;
        Ok(Self {
            mode: settings.choice("snapshot.mode", Initial, &modes)?,
            chunk_rows: settings.integer("snapshot.chunk.rows", 4096, 1..=1_000_000)?,
            max_threads: usize::try_from(threads).unwrap_or(1),
            sweep: settings.boolean("snapshot.sweep", fidelity != Fidelity::Debezium)?,
            copies_without_key: settings.choice(
                "table.without.key",
                fidelity == Fidelity::Debezium,
                &[("refuse", false), ("copy", true)],
            )?,
            max_rows_per_second: limit(settings.integer(
                "snapshot.max.rows.per.second",
                0,
                0..=100_000_000,
            )?),
            max_threads_running: limit(settings.integer(
                "snapshot.max.threads.running",
                0,
                0..=100_000,
            )?),
            max_replica_lag: Some(lag).filter(|lag| !lag.is_zero()),
        })
    }
}
