//! Whether the log is still the one that a stored position is about.
//!
//! `RESET BINARY LOGS AND GTIDS`, or a restored data folder, begins a new log under the same
//! server uuid, with the same file names and the same transaction numbers. As long as the new log
//! is shorter the server refuses the old GTID set; once it is longer the set looks as if it were
//! part of it, and everything up to there would be missed without a trace. So the place itself is
//! looked at: the file is there, it is long enough, an event begins at the position, and the first
//! transaction from there on is not one that was already processed.

use schema::gtid::GtidSet;
use schema::offset::StreamOffset;
use schema::position::BinlogPosition;

use super::stream::{BinlogStream, StartPoint};
use crate::config::SourceConfig;
use crate::connection::{Connection, position_of};
use crate::dialect::words;
use crate::error::SourceError;

/// `ER_ERROR_WHEN_EXECUTING_COMMAND`: no event begins at the position.
const WRONG_OFFSET: u16 = 1220;

/// Events to look at: the format description and the previous GTIDs stand before the first
/// transaction of a file.
const EVENTS: usize = 3;

/// How the server shows the name of a transaction.
const GTID_PREFIX: &str = "SET @@SESSION.GTID_NEXT= '";

/// Refuses a log that is another one than the stored offset's. A file that is gone is none of this
/// check's business: with GTIDs it may have been purged rightly, without them the server says so.
pub(crate) async fn check(
    connection: &mut Connection,
    stored: &StreamOffset,
) -> Result<(), SourceError> {
    let position = &stored.position;
    let refused = |found: String| SourceError::Purged {
        reason: format!("it is not the log of the stored position {position} any more, {found}"),
    };
    let files: Vec<mysql_common::Row> =
        connection.rows("list the binary logs", "SHOW BINARY LOGS").await?;
    let ends: Vec<BinlogPosition> = files.iter().filter_map(position_of).collect();
    if ends.last().is_some_and(|last| is_before(last, position)) {
        return Err(refused("because it ends before it".to_owned()));
    }
    let Some(end) = ends.iter().find(|end| end.file() == position.file()) else { return Ok(()) };
    if is_before(end, position) {
        return Err(refused(format!("because the file ends at {}", end.offset())));
    }
    if end == position {
        return Ok(());
    }
    let statement = format!(
        "SHOW BINLOG EVENTS IN '{}' FROM {} LIMIT {EVENTS}",
        position.file().replace('\'', "''"),
        position.offset()
    );
    match connection.rows::<mysql_common::Row>("look at the stored position", &statement).await {
        Ok(events) => match first_transaction(&events, stored.gtids.as_ref()) {
            Some(gtid) => Err(refused(format!("because {gtid} begins there, which was processed"))),
            None => Ok(()),
        },
        Err(SourceError::Statement { code: WRONG_OFFSET, .. }) => {
            Err(refused("because no event begins there".to_owned()))
        }
        Err(error) => Err(error),
    }
}

/// Refuses a file that was begun at another time than that of the stored offset: after a restore from
/// a backup the same server writes files of the same names, with transactions of the same numbers.
pub(crate) async fn check_file(
    connection: &mut Connection,
    config: &SourceConfig,
    stored: &StreamOffset,
) -> Result<(), SourceError> {
    let (Some(created), Some(uuid)) = (stored.file_created, stored.server_uuid) else {
        return Ok(());
    };
    let file = stored.position.file();
    let files: Vec<mysql_common::Row> =
        connection.rows("list the binary logs", "SHOW BINARY LOGS").await?;
    if !files.iter().filter_map(position_of).any(|end| end.file() == file) {
        return Ok(());
    }
    // What a file begins with is only in the stream.
    let mut config = config.clone();
    config.connection.become_second_replica();
    let begin = stored.position.at(FILE_BEGIN);
    let start = StartPoint::Position(begin.clone());
    let mut stream = BinlogStream::open(&config, uuid, &start, begin).await?;
    for _ in 0..EVENTS {
        if let Some(found) = stream.next().await?.file_created() {
            let reason =
                || format!("{file} is not the file of the stored position {}", stored.position);
            let is_same = found == created;
            return if is_same { Ok(()) } else { Err(SourceError::Purged { reason: reason() }) };
        }
    }
    Ok(())
}

/// Where the first event of a file begins.
const FILE_BEGIN: u64 = 4;

/// The transactions of a stored place that another server has not executed.
///
/// It would take them for done and never send them, so its tables would differ from what was
/// emitted: they were lost with the server that had them, or are still on their way to this one.
pub(crate) async fn check_other(
    connection: &mut Connection,
    processed: &GtidSet,
) -> Result<(), SourceError> {
    let executed: Option<String> =
        connection.first("read the executed transactions", "SELECT @@GLOBAL.gtid_executed").await?;
    let executed: GtidSet = executed.unwrap_or_default().parse().unwrap_or_default();
    let unknown = processed.difference(&executed);
    if unknown.is_empty() {
        return Ok(());
    }
    let transactions = unknown.to_string();
    let status = connection.dialect().say(&words::REPLICA_STATUS);
    let replicas =
        connection.rows::<mysql_common::Row>("read the replica's status", status).await?;
    if replicas.is_empty() {
        return Err(SourceError::Diverged { transactions });
    }
    Err(SourceError::Behind { transactions })
}

/// The transactions of all files before one, as the file itself says.
pub(crate) async fn before_file(
    connection: &mut Connection,
    file: &str,
) -> Result<Option<String>, SourceError> {
    let file = file.replace('\'', "''");
    let statement = format!("SHOW BINLOG EVENTS IN '{file}' LIMIT 2");
    let events: Vec<mysql_common::Row> =
        connection.rows("look at the beginning of a file", &statement).await?;
    let text = |row: &mysql_common::Row, column| row.get_opt::<String, _>(column)?.ok();
    let previous = events.iter().find(|row| text(row, 2).as_deref() == Some("Previous_gtids"));
    Ok(previous.and_then(|row| text(row, 5)).map(|set| set.replace('\n', "")))
}

/// What of the log is needed and not there any more; nothing if all is there.
pub(crate) async fn missing(
    connection: &mut Connection,
    stored: &StreamOffset,
) -> Result<Option<String>, SourceError> {
    if let Some(processed) = &stored.gtids {
        let purged: Option<String> =
            connection.first("read the purged transactions", "SELECT @@GLOBAL.gtid_purged").await?;
        let purged = purged.unwrap_or_default().replace('\n', "");
        let Ok(purged) = purged.parse::<GtidSet>() else {
            return Ok(Some("its gtid_purged cannot be read".to_owned()));
        };
        let missing = purged.difference(processed);
        let count = missing.count();
        let reason =
            || format!("{count} transactions were purged before they were read: {missing}");
        return Ok((!missing.is_empty()).then(reason));
    }
    let files: Vec<mysql_common::Row> =
        connection.rows("list the binary logs", "SHOW BINARY LOGS").await?;
    let file = stored.position.file();
    let is_there = files.iter().filter_map(position_of).any(|end| end.file() == file);
    Ok((!is_there).then(|| format!("file {file} was purged before it was read")))
}

/// Positions in files of different base names do not compare: such a log is another one.
fn is_before(end: &BinlogPosition, position: &BinlogPosition) -> bool {
    end.partial_cmp(position).is_none_or(std::cmp::Ordering::is_lt)
}

/// The first transaction of the events, if it is one of `processed`.
fn first_transaction(events: &[mysql_common::Row], processed: Option<&GtidSet>) -> Option<String> {
    let info = |row: &mysql_common::Row| row.get_opt::<String, _>(5)?.ok();
    let gtid = events.iter().filter_map(info).find_map(|info| gtid_of(&info))?;
    let set: GtidSet = gtid.parse().ok()?;
    set.is_subset(processed?).then_some(gtid)
}

/// The GTID in `SET @@SESSION.GTID_NEXT= 'uuid:7'`.
fn gtid_of(info: &str) -> Option<String> {
    let (gtid, _) = info.strip_prefix(GTID_PREFIX)?.split_once('\'')?;
    Some(gtid.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gtid_is_read_from_what_the_server_shows() {
        let info = "SET @@SESSION.GTID_NEXT= 'a17c14b2-0b3c-11ef-8d2f-0242ac120002:tag:7'";

        assert_eq!(gtid_of(info).unwrap(), "a17c14b2-0b3c-11ef-8d2f-0242ac120002:tag:7");
        assert_eq!(gtid_of("BEGIN"), None);
    }

    #[test]
    fn a_log_of_another_name_or_a_shorter_one_ends_before() {
        let at = |text: &str| text.parse::<BinlogPosition>().unwrap();

        assert!(is_before(&at("binlog.000001:900"), &at("binlog.000003:4")));
        assert!(is_before(&at("binlog.000003:100"), &at("binlog.000003:101")));
        assert!(is_before(&at("other.000009:100"), &at("binlog.000003:101")));
        assert!(!is_before(&at("binlog.000004:4"), &at("binlog.000003:101")));
        assert!(!is_before(&at("binlog.000003:101"), &at("binlog.000003:101")));
    }
}
