//! When the next chunk may begin: not faster than the settings say, and not while the server has
//! more to do than they allow.

use std::sync::Arc;
use std::time::Duration;

use schema::fault::{Fault, chain};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use crate::config::{SnapshotConfig, SourceConfig};
use crate::connection::Connection;
use crate::error::SourceError;

/// How often the server is asked what it has to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The gate that each chunk passes before it begins.
pub(super) struct Throttle {
    rows_per_second: Option<u32>,
    /// What was emitted is paid for at this time.
    free_at: Instant,
    load: Option<Load>,
}

/// Looks after the server's load as long as something is copied.
struct Load {
    config: Arc<SourceConfig>,
    watcher: Option<(watch::Receiver<bool>, AbortHandle)>,
}

impl Throttle {
    pub(super) fn new(config: &Arc<SourceConfig>) -> Self {
        let SnapshotConfig { max_rows_per_second, max_threads_running, max_replica_lag, .. } =
            config.snapshot;
        let has_limit = max_threads_running.is_some() || max_replica_lag.is_some();
        Self {
            rows_per_second: max_rows_per_second,
            free_at: Instant::now(),
            load: has_limit.then(|| Load { config: Arc::clone(config), watcher: None }),
        }
    }

    /// Whether a chunk may begin now.
    pub(super) fn lets_begin(&mut self) -> bool {
        let is_quiet = self.load.as_mut().is_none_or(Load::is_quiet);
        is_quiet && self.free_at <= Instant::now()
    }

    /// When to ask again.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        let now = Instant::now();
        let is_busy = self.load.as_ref().is_some_and(|load| !load.was_quiet());
        let load = is_busy.then(|| now + LOOK_EVERY);
        let rate = (self.free_at > now).then_some(self.free_at);
        load.max(rate)
    }

    /// So many rows were emitted.
    pub(super) fn emitted(&mut self, rows: u64) {
        let Some(per_second) = self.rows_per_second else { return };
        let cost = Duration::from_micros(rows.saturating_mul(1_000_000) / u64::from(per_second));
        self.free_at = self.free_at.max(Instant::now()) + cost;
    }

    /// Nothing is copied any more.
    pub(super) fn rest(&mut self) {
        if let Some(load) = &mut self.load {
            load.rest();
        }
    }
}

impl Load {
    fn is_quiet(&mut self) -> bool {
        if self.watcher.is_none() {
            // Busy until the first answer.
            let (quiet, is_quiet) = watch::channel(false);
            let task = tokio::spawn(watch_load(Arc::clone(&self.config), quiet));
            self.watcher = Some((is_quiet, task.abort_handle()));
        }
        self.was_quiet()
    }

    fn was_quiet(&self) -> bool {
        self.watcher.as_ref().is_some_and(|(is_quiet, _)| *is_quiet.borrow())
    }

    fn rest(&mut self) {
        if let Some((_, task)) = self.watcher.take() {
            task.abort();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.rest();
    }
}

/// Asks the server now and then. What cannot be asked counts as too much, so that a limit holds or
/// says why it does not.
async fn watch_load(config: Arc<SourceConfig>, quiet: watch::Sender<bool>) {
    let mut connection = None;
    let mut told = None;
    loop {
        let reason = match look(&config, &mut connection).await {
            Ok(reason) => reason,
            Err(error) => {
                connection = None;
                let (error, hint) = (chain(&error), error.hint());
                let hint = hint.as_deref();
                if told.as_ref() != Some(&error) {
                    tracing::warn!(error, hint, "the server's load cannot be read, copies wait");
                }
                told = Some(error.clone());
                Some(error)
            }
        };
        if quiet.send_if_modified(|it| std::mem::replace(it, reason.is_none()) != *it) {
            match &reason {
                Some(reason) => tracing::info!(reason, "copies wait for the server"),
                None => tracing::info!("copies go on, the server is quiet enough"),
            }
        }
        sleep(LOOK_EVERY).await;
    }
}

/// What is more than the settings allow.
async fn look(
    config: &SourceConfig,
    open: &mut Option<Connection>,
) -> Result<Option<String>, SourceError> {
    let connection = match open {
        Some(connection) => connection,
        None => open.insert(Connection::open(config).await?),
    };
    let SnapshotConfig { max_threads_running, max_replica_lag, .. } = config.snapshot;
    if let Some(most) = max_threads_running {
        let statement = "SHOW GLOBAL STATUS LIKE 'Threads_running'";
        let found: Option<(String, u32)> =
            connection.first("read the number of running threads", statement).await?;
        let running = found.map_or(0, |(_, running)| running);
        if running > most {
            return Ok(Some(format!("{running} threads run, at most {most} may")));
        }
    }
    if let Some(most) = max_replica_lag
        && let Some(lag) = replica_lag(connection).await?
        && lag > most
    {
        let (lag, most) = (lag.as_secs(), most.as_secs());
        return Ok(Some(format!(
            "the server is {lag} s behind its source, at most {most} s may be"
        )));
    }
    Ok(None)
}

/// How far a replica is behind; none for a server that is no replica. One that does not replicate
/// now is as far behind as can be.
async fn replica_lag(connection: &mut Connection) -> Result<Option<Duration>, SourceError> {
    let rows: Vec<mysql_common::Row> =
        connection.rows("read the replica's lag", "SHOW REPLICA STATUS").await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let lag: Option<Option<u64>> = row.get_opt("Seconds_Behind_Source").and_then(Result::ok);
    Ok(Some(lag.flatten().map_or(Duration::MAX, Duration::from_secs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(rows_per_second: Option<u32>) -> Throttle {
        Throttle { rows_per_second, free_at: Instant::now(), load: None }
    }

    #[tokio::test(start_paused = true)]
    async fn rows_are_paid_for_in_time() {
        let mut throttle = throttle(Some(1_000));
        assert!(throttle.lets_begin());

        throttle.emitted(2_500);
        throttle.emitted(500);

        let waits = throttle.waits_until().unwrap();
        assert_eq!(waits - Instant::now(), Duration::from_secs(3));
        assert!(!throttle.lets_begin());
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(throttle.lets_begin());
        assert_eq!(throttle.waits_until(), None);
    }

    /// What was not used is not saved up: after a pause the server is not hit all the harder.
    #[tokio::test(start_paused = true)]
    async fn a_pause_earns_nothing() {
        let mut throttle = throttle(Some(1_000));
        tokio::time::advance(Duration::from_secs(60)).await;

        throttle.emitted(1_000);

        assert_eq!(throttle.waits_until().unwrap() - Instant::now(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nothing_waits() {
        let mut throttle = throttle(None);

        throttle.emitted(u64::MAX);

        assert!(throttle.lets_begin());
    }
}
