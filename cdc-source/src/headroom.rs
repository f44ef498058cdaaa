//! How long what is still needed of the binary log stays on the server.
//!
//! MySQL purges a file when its last event is older than `binlog_expire_logs_seconds`. Nobody says
//! when that event was, but it is not older than the one that is read now: so what is left is at
//! least the setting less the age of that one.

use std::sync::Arc;
use std::time::Duration;

use mysql_common::Row;
use schema::fault::chain;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use crate::config::SourceConfig;
use crate::connection::Connection;
use crate::dialect::words;
use crate::error::SourceError;

/// How often the server's settings are read: people change them while a source is behind.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How often a small headroom is warned of.
const TELL_EVERY: Duration = Duration::from_secs(600);

/// How long the server keeps its log, as read in the background.
pub(crate) struct Headroom {
    kept: watch::Receiver<Option<Duration>>,
    task: AbortHandle,
    /// Of the time that the log is kept, how much has to be left; 0 for no warning.
    warn_percent: u32,
    told_at: Option<Instant>,
}

impl Headroom {
    pub(crate) fn start(config: &Arc<SourceConfig>) -> Self {
        let (send, kept) = watch::channel(None);
        let task = tokio::spawn(follow(Arc::clone(config), send)).abort_handle();
        Self { kept, task, warn_percent: config.headroom_warn_percent, told_at: None }
    }

    /// How long the log after an event of this age stays at least; `None` while it is kept for ever
    /// or not known.
    pub(crate) fn left(&self, age: Duration) -> Option<Duration> {
        (*self.kept.borrow()).map(|kept| kept.saturating_sub(age))
    }

    /// Warns now and then if little is left.
    pub(crate) fn tell(&mut self, age: Duration) {
        let kept = *self.kept.borrow();
        let Some(kept) = kept else { return };
        let left = kept.saturating_sub(age);
        if !is_small(left, kept, self.warn_percent) {
            self.told_at = None;
            return;
        }
        if self.told_at.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            tracing::warn!(
                seconds_left = left.as_secs(),
                seconds_kept = kept.as_secs(),
                seconds_behind = age.as_secs(),
                hint = "raise binlog_expire_logs_seconds, or find out what holds the source up: what \
                        is purged before it is read has to be copied again",
                "mysql will soon purge binary log that is not read yet"
            );
            self.told_at = Some(Instant::now());
        }
    }
}

impl Drop for Headroom {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn is_small(left: Duration, kept: Duration, percent: u32) -> bool {
    left.as_millis() * 100 < kept.as_millis() * u128::from(percent)
}

/// Reads the settings again and again. What fails is no reason to stop the stream.
async fn follow(config: Arc<SourceConfig>, send: watch::Sender<Option<Duration>>) {
    let (mut connection, mut has_failed) = (None, false);
    loop {
        let kept = read(&mut connection, &config).await;
        if let Err(error) = &kept {
            connection = None;
            // Once until it works again: the stream itself tells of a server that is away.
            if !has_failed {
                tracing::warn!(
                    error = chain(error),
                    hint = "let the user connect once more; until then nobody is warned of log that \
                            is soon purged",
                    "how long mysql keeps its log is not known"
                );
            }
        }
        has_failed = kept.is_err();
        send.send_replace(kept.unwrap_or(None));
        sleep(LOOK_EVERY).await;
    }
}

async fn read(
    connection: &mut Option<Connection>,
    config: &SourceConfig,
) -> Result<Option<Duration>, SourceError> {
    let connection = match connection {
        Some(connection) => connection,
        none => none.insert(Connection::open(config).await?),
    };
    let statement = "SHOW GLOBAL VARIABLES WHERE Variable_name IN \
                     ('binlog_expire_logs_seconds', 'expire_logs_days', \
                      'binlog_expire_logs_auto_purge')";
    let rows: Vec<Row> = connection.rows("read how long the log is kept", statement).await?;
    let settings = rows.iter().filter_map(|row| {
        Some((row.get_opt::<String, _>(0)?.ok()?, row.get_opt::<String, _>(1)?.ok()?))
    });
    let kept = kept(settings);
    if !connection.dialect().is_amazons() {
        return Ok(kept);
    }
    // There the service purges what it does not need, whatever MySQL's own setting says.
    let hours: Option<Option<String>> =
        connection.first("read how long the log is kept", words::RETENTION_ON_RDS).await?;
    let hours = hours.flatten().and_then(|hours| hours.trim().parse::<u64>().ok());
    Ok(hours.map(|hours| Duration::from_secs(hours.saturating_mul(3600))).or(kept))
}

/// Before 8.0 there are only days; after, the larger unit counts if the seconds are 0. Since 8.0.29
/// nothing may be purged by itself.
fn kept(settings: impl Iterator<Item = (String, String)>) -> Option<Duration> {
    let (mut seconds, mut days) = (0_u64, 0_u64);
    for (name, value) in settings {
        match name.as_str() {
            "binlog_expire_logs_seconds" => seconds = value.parse().unwrap_or_default(),
            "expire_logs_days" => days = value.parse().unwrap_or_default(),
            "binlog_expire_logs_auto_purge" if value == "OFF" => return None,
            _ => {}
        }
    }
    let all = if seconds > 0 { seconds } else { days.saturating_mul(24 * 3600) };
    (all > 0).then(|| Duration::from_secs(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(settings: &[(&str, &str)]) -> Option<u64> {
        let owned = settings.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        kept(owned).map(|kept| kept.as_secs())
    }

    #[test]
    fn each_server_says_it_in_its_own_setting() {
        assert_eq!(of(&[("expire_logs_days", "2")]), Some(172_800), "5.7");
        assert_eq!(of(&[("expire_logs_days", "0")]), None, "5.7 keeps it for ever");
        let seconds = ("binlog_expire_logs_seconds", "2592000");
        assert_eq!(of(&[("expire_logs_days", "0"), seconds]), Some(2_592_000), "8.0");
        let auto = |value| ("binlog_expire_logs_auto_purge", value);
        assert_eq!(of(&[auto("ON"), seconds]), Some(2_592_000), "8.4");
        assert_eq!(of(&[auto("OFF"), seconds]), None, "8.4, nothing by itself");
        assert_eq!(of(&[("binlog_expire_logs_seconds", "0")]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn little_is_less_than_the_part_that_is_asked_for() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);

        assert!(is_small(hours(5), hours(24), 25));
        assert!(!is_small(hours(6), hours(24), 25));
        assert!(!is_small(hours(0), hours(24), 0), "switched off");
    }
}
