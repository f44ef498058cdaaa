//! When the next chunk may begin: not faster than the settings say, and not while the server has
//! more to do than they allow.

use std::borrow::Cow;
use std::fmt;
use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use mysql_common::Row;
use schema::fault::{Fault, chain};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use crate::config::{SnapshotConfig, SourceConfig};
use crate::connection::Connection;
use crate::dialect::Dialect;
use crate::dialect::words::{self, Difference};
use crate::error::SourceError;

/// How often the server is asked what it has to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The gate that each chunk passes before it begins.
pub(super) struct Throttle {
    rows_per_second: Option<u32>,
    /// What was emitted is paid for at this time.
    free_at: Instant,
    /// The settings, if they limit the server's load.
    limits: Option<Arc<SourceConfig>>,
    /// There as long as something is to be copied.
    watcher: Option<Watcher>,
}

/// Looks after the server's load.
struct Watcher {
    is_quiet: watch::Receiver<bool>,
    task: AbortHandle,
}

impl Throttle {
    pub(super) fn new(config: &Arc<SourceConfig>) -> Self {
        let SnapshotConfig { max_rows_per_second, max_threads_running, max_replica_lag, .. } =
            config.snapshot;
        let has_limit = max_threads_running.is_some() || max_replica_lag.is_some();
        Self {
            rows_per_second: max_rows_per_second,
            free_at: Instant::now(),
            limits: has_limit.then(|| Arc::clone(config)),
            watcher: None,
        }
    }

    /// Whether a chunk may begin now.
    pub(super) fn lets_begin(&mut self) -> bool {
        let is_quiet = self.limits.as_ref().is_none_or(|config| {
            self.watcher.get_or_insert_with(|| Watcher::start(Arc::clone(config))).is_quiet()
        });
        is_quiet && self.free_at <= Instant::now()
    }

    /// When to ask again, if somebody has asked.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        let now = Instant::now();
        let is_busy = self.watcher.as_ref().is_some_and(|watcher| !watcher.is_quiet());
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
        self.watcher = None;
    }
}

impl Watcher {
    fn start(config: Arc<SourceConfig>) -> Self {
        // Busy until the first answer.
        let (quiet, is_quiet) = watch::channel(false);
        Self { is_quiet, task: tokio::spawn(watch_load(config, quiet)).abort_handle() }
    }

    fn is_quiet(&self) -> bool {
        *self.is_quiet.borrow()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why no chunk may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Busy {
    Threads {
        running: u32,
        most: u32,
    },
    Behind {
        lag: Duration,
        most: Duration,
    },
    /// A replica that does not replicate now. Nobody knows how far it is behind.
    Stopped {
        receiver: String,
        applier: String,
        remedy: &'static str,
    },
    /// The server cannot be asked. That counts as too much, so that a limit holds or says why it
    /// does not.
    Unknown {
        error: String,
        hint: Option<String>,
    },
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threads { running, most } => {
                write!(f, "{running} threads run, at most {most} may")
            }
            Self::Behind { lag, most } => {
                write!(f, "the server is {lag:?} behind its source, at most {most:?} may be")
            }
            Self::Stopped { receiver, applier, .. } => write!(
                f,
                "the server is a replica that does not replicate, so nobody knows how far it is \
                 behind: Replica_IO_Running is {receiver}, Replica_SQL_Running is {applier}"
            ),
            Self::Unknown { error, .. } => f.write_str(error),
        }
    }
}

impl Busy {
    fn hint(&self) -> Option<&str> {
        match self {
            Self::Stopped { remedy, .. } => Some(remedy),
            Self::Unknown { hint, .. } => hint.as_deref(),
            Self::Threads { .. } | Self::Behind { .. } => None,
        }
    }

    /// Whether the log has said it with the other one. Numbers change with each look.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unknown { error: one, .. }, Self::Unknown { error: other, .. }) => one == other,
            (one, other) => discriminant(one) == discriminant(other),
        }
    }

    fn tell(&self) {
        let hint = self.hint();
        match self {
            Self::Threads { .. } | Self::Behind { .. } | Self::Stopped { .. } => {
                tracing::info!(reason = self.to_string(), hint, "copies wait for the server");
            }
            Self::Unknown { error, .. } => {
                tracing::warn!(error, hint, "the server's load cannot be read, copies wait");
            }
        }
    }
}

/// What the log has to say of the load now.
#[derive(Debug, PartialEq, Eq)]
enum News<'a> {
    None,
    Waits(&'a Busy),
    GoesOn,
}

impl<'a> News<'a> {
    /// What is told is each beginning, end and other reason of a wait, also if it is the first look
    /// that begins one.
    fn of(before: Option<&Busy>, now: Option<&'a Busy>) -> Self {
        match (before, now) {
            (None, None) => Self::None,
            (Some(_), None) => Self::GoesOn,
            (Some(before), Some(now)) if now.is_like(before) => Self::None,
            (_, Some(now)) => Self::Waits(now),
        }
    }
}

/// Asks the server now and then.
async fn watch_load(config: Arc<SourceConfig>, quiet: watch::Sender<bool>) {
    let (mut connection, mut before) = (None, None);
    loop {
        let now = match look(&config, &mut connection).await {
            Ok(busy) => busy,
            Err(error) => {
                connection = None;
                let hint = error.hint().map(Cow::into_owned);
                Some(Busy::Unknown { error: chain(&error), hint })
            }
        };
        match News::of(before.as_ref(), now.as_ref()) {
            News::None => {}
            News::Waits(busy) => busy.tell(),
            News::GoesOn => tracing::info!("copies go on, the server is quiet enough"),
        }
        quiet.send_replace(now.is_none());
        before = now;
        sleep(LOOK_EVERY).await;
    }
}

/// What is more than the settings allow.
async fn look(
    config: &SourceConfig,
    open: &mut Option<Connection>,
) -> Result<Option<Busy>, SourceError> {
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
            return Ok(Some(Busy::Threads { running, most }));
        }
    }
    let Some(most) = max_replica_lag else { return Ok(None) };
    let dialect = connection.dialect();
    let statement = dialect.say(&words::REPLICA_STATUS);
    let channels: Vec<Row> = connection.rows("read the replica's lag", statement).await?;
    Ok(channels.iter().find_map(|channel| too_far_behind(channel, most, dialect)))
}

/// What the replica's status says of one source; a server that is no replica has none. The lag is
/// NULL if the applier is stopped, or if it has applied all and the receiver is not connected.
fn too_far_behind(channel: &Row, most: Duration, dialect: Dialect) -> Option<Busy> {
    let text = |column: &Difference| -> String {
        channel.get_opt(dialect.say(column)).and_then(Result::ok).unwrap_or_default()
    };
    let seconds: Option<Option<u64>> =
        channel.get_opt(dialect.say(&words::SECONDS_BEHIND)).and_then(Result::ok);
    match seconds.flatten().map(Duration::from_secs) {
        Some(lag) => (lag > most).then_some(Busy::Behind { lag, most }),
        None => Some(Busy::Stopped {
            receiver: text(&words::RECEIVER_RUNNING),
            applier: text(&words::APPLIER_RUNNING),
            remedy: dialect.say(&words::START_REPLICA),
        }),
    }
}

#[cfg(test)]
mod tests {
    use mysql_common::constants::ColumnType;
    use mysql_common::packets::Column;
    use mysql_common::row::new_row;
    use mysql_common::value::Value;

    use super::*;

    fn throttle(rows_per_second: Option<u32>) -> Throttle {
        Throttle { rows_per_second, free_at: Instant::now(), limits: None, watcher: None }
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

    /// Without an event of the stream nothing else would wake the first chunk of a copy.
    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_server_asks_again_soon() {
        let mut throttle = throttle(None);
        assert_eq!(throttle.waits_until(), None);

        let (quiet, is_quiet) = watch::channel(false);
        let task = tokio::spawn(std::future::pending::<()>()).abort_handle();
        throttle.watcher = Some(Watcher { is_quiet, task });

        assert_eq!(throttle.waits_until(), Some(Instant::now() + LOOK_EVERY));
        quiet.send_replace(true);
        assert_eq!(throttle.waits_until(), None);
    }

    fn dialect() -> Dialect {
        Dialect::new("9.7.4", &std::collections::BTreeMap::new())
    }

    /// A row of `SHOW REPLICA STATUS`, as far as it is looked at.
    fn channel(receiver: &str, applier: &str, seconds: Option<&str>) -> Row {
        let columns = ["Replica_IO_Running", "Replica_SQL_Running", "Seconds_Behind_Source"];
        let column =
            |name: &str| Column::new(ColumnType::MYSQL_TYPE_VAR_STRING).with_name(name.as_bytes());
        let values = vec![receiver.into(), applier.into(), seconds.map_or(Value::NULL, Into::into)];
        new_row(values, columns.map(column).into())
    }

    #[test]
    fn a_replica_may_be_as_far_behind_as_the_settings_say() {
        let most = Duration::from_millis(1_500);
        let busy = |seconds| too_far_behind(&channel("Yes", "Yes", Some(seconds)), most, dialect());

        assert_eq!(busy("0"), None);
        assert_eq!(busy("1"), None);
        let text = busy("12").unwrap().to_string();
        assert_eq!(text, "the server is 12s behind its source, at most 1.5s may be");
    }

    #[test]
    fn a_replica_that_does_not_replicate_is_too_far_behind_and_says_so() {
        let most = Duration::from_hours(24);
        let busy =
            |receiver, applier| too_far_behind(&channel(receiver, applier, None), most, dialect());

        let text = busy("Yes", "No").unwrap().to_string();
        assert!(text.ends_with("Replica_IO_Running is Yes, Replica_SQL_Running is No"), "{text}");
        let stopped = busy("Connecting", "Yes").unwrap();
        assert!(stopped.to_string().contains("Replica_IO_Running is Connecting"), "{stopped}");
        assert!(stopped.hint().unwrap().starts_with("START REPLICA"));
    }

    #[test]
    fn the_log_tells_when_a_wait_begins_and_ends_and_of_each_other_reason() {
        let behind = |lag| Busy::Behind { lag: Duration::from_secs(lag), most: Duration::ZERO };
        let unknown = |error: &str| Busy::Unknown { error: error.to_owned(), hint: None };
        let stopped =
            Busy::Stopped { receiver: "No".to_owned(), applier: "No".to_owned(), remedy: "" };

        assert_eq!(News::of(None, None), News::None);
        assert_eq!(News::of(None, Some(&behind(1))), News::Waits(&behind(1)));
        assert_eq!(News::of(Some(&behind(1)), Some(&behind(2))), News::None);
        assert_eq!(News::of(Some(&behind(2)), Some(&stopped)), News::Waits(&stopped));
        assert_eq!(News::of(Some(&unknown("a")), Some(&unknown("a"))), News::None);
        assert_eq!(News::of(Some(&unknown("a")), Some(&unknown("b"))), News::Waits(&unknown("b")));
        assert_eq!(News::of(Some(&stopped), None), News::GoesOn);
    }

    #[test]
    fn an_older_server_says_the_same_in_other_words() {
        let old = Dialect::new("5.7.44-log", &std::collections::BTreeMap::new());
        let columns = ["Slave_IO_Running", "Slave_SQL_Running", "Seconds_Behind_Master"];
        let column =
            |name: &str| Column::new(ColumnType::MYSQL_TYPE_VAR_STRING).with_name(name.as_bytes());
        let channel = |seconds: Option<&str>| {
            let values = vec!["Yes".into(), "No".into(), seconds.map_or(Value::NULL, Into::into)];
            new_row(values, columns.map(column).into())
        };

        assert_eq!(too_far_behind(&channel(Some("1")), Duration::from_secs(1), old), None);
        assert!(too_far_behind(&channel(Some("2")), Duration::from_secs(1), old).is_some());
        let stopped = too_far_behind(&channel(None), Duration::from_secs(1), old).unwrap();
        assert!(stopped.to_string().contains("Replica_SQL_Running is No"), "{stopped}");
        assert!(stopped.hint().unwrap().starts_with("START SLAVE"));
    }
}
