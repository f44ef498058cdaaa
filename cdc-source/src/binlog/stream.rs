//! The replication stream: events with their positions, checked.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use mysql_async::prelude::Queryable;
use mysql_async::{BinlogStreamRequest, Sid};
use mysql_common::binlog::consts::BinlogChecksumAlg;
use mysql_common::binlog::events::Event;
use schema::gtid::{GtidSet, GtidSource, Interval};
use schema::position::BinlogPosition;

use super::error::{BinlogError, Feature};
use super::event::{self, BinlogEvent, EventError};
use crate::config::SourceConfig;
use crate::connection::{self, Connection};
use crate::error::SourceError;

/// How often an idle server tells that it is there. Also closes snapshot windows on idle servers.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Without so much as a heartbeat for so long, the connection is dead.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// `LOG_EVENT_ARTIFICIAL_F`: made for the stream, not in the file.
const ARTIFICIAL: u16 = 0x20;

const ROTATE_EVENT: u8 = 4;
const FORMAT_DESCRIPTION_EVENT: u8 = 15;
const HEARTBEAT_EVENT: u8 = 27;

/// Where the stream begins.
#[derive(Debug, Clone)]
pub(crate) enum StartPoint {
    /// After a set of transactions.
    Gtids(GtidSet),
    /// At a position of this server.
    Position(BinlogPosition),
}

/// Events from one server, in order.
pub(crate) struct BinlogStream {
    events: mysql_async::BinlogStream,
    address: String,
    /// After the last event.
    position: BinlogPosition,
    saw_format: bool,
}

/// One event, not yet parsed, with what its header says.
pub(crate) struct RawEvent {
    event: Event,
    /// Where it begins.
    pub(crate) start: u64,
    /// Where it ends.
    pub(crate) end: BinlogPosition,
}

impl BinlogStream {
    /// Asks for the log from `start` on. `position` is where that is thought to be, which names
    /// the file until the server does.
    pub(crate) async fn open(
        config: &SourceConfig,
        start: &StartPoint,
        position: BinlogPosition,
    ) -> Result<Self, SourceError> {
        let (mut conn, address) = Connection::open(config).await?.into_inner();
        let period = HEARTBEAT.as_nanos();
        conn.query_drop(format!(
            "SET @source_heartbeat_period = {period}, @master_heartbeat_period = {period}"
        ))
        .await
        .map_err(|error| connection::judge("ask for heartbeats", &address, error))?;
        let request = BinlogStreamRequest::new(config.server_id);
        let file = position.file().to_owned();
        let request = match start {
            StartPoint::Gtids(set) => request.with_gtid().with_gtid_set(sids(set)),
            StartPoint::Position(position) => {
                request.with_filename(file.as_bytes()).with_pos(position.offset())
            }
        };
        let events =
            conn.get_binlog_stream(request).await.map_err(|error| judge_stream(&address, error))?;
        Ok(Self { events, address, position, saw_format: false })
    }

    /// The next event. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<RawEvent, SourceError> {
        let next = tokio::time::timeout(SILENCE_MAX, caught(self.events.next())).await;
        let Ok(next) = next else {
            let address = self.address.clone();
            return Err(SourceError::Timeout { action: "send the binary log", address });
        };
        self.accept(next)
    }

    /// The next event if it is here already.
    pub(crate) fn next_now(&mut self) -> Option<Result<RawEvent, SourceError>> {
        let next = caught(self.events.next()).now_or_never()?;
        Some(self.accept(next))
    }

    /// After the last event.
    pub(crate) fn position(&self) -> &BinlogPosition {
        &self.position
    }

    fn accept(
        &mut self,
        next: Option<Option<Result<Event, mysql_async::Error>>>,
    ) -> Result<RawEvent, SourceError> {
        let next = next.ok_or_else(|| self.malformed("its header does not fit its length"))?;
        let event = match next {
            Some(Ok(event)) => event,
            Some(Err(error)) => return Err(judge_stream(&self.address, error)),
            None => {
                let source = mysql_async::Error::Driver(mysql_async::DriverError::ConnectionClosed);
                return Err(connection::judge("read the binary log", &self.address, source));
            }
        };
        self.check(&event)?;
        let header = event.header();
        let is_artificial = header.flags_raw() & ARTIFICIAL != 0 || header.log_pos() == 0;
        let kind = header.event_type_raw();
        self.saw_format |= kind == FORMAT_DESCRIPTION_EVENT;
        let mut start = self.position.offset();
        if kind == HEARTBEAT_EVENT {
            // It may be about an event that came already; the stream never goes back.
            let here = self.position.offset().max(header.log_pos().into());
            self.position.set_offset(here);
        } else if !is_artificial && kind != ROTATE_EVENT {
            let end = unwrapped(self.position.offset(), header.log_pos());
            self.position.set_offset(end);
            start = end.saturating_sub(header.event_size().into());
        }
        if kind == ROTATE_EVENT {
            self.position = self.rotated(&event)?;
        }
        Ok(RawEvent { event, start, end: self.position.clone() })
    }

    fn rotated(&self, event: &Event) -> Result<BinlogPosition, BinlogError> {
        named_position(event, self.saw_format).ok_or_else(|| self.malformed("rotate names no file"))
    }

    fn check(&self, event: &Event) -> Result<(), BinlogError> {
        if checksum_is_right(event) {
            return Ok(());
        }
        Err(BinlogError::Checksum { position: self.position.to_string() })
    }

    fn malformed(&self, what: &'static str) -> BinlogError {
        BinlogError::Malformed { position: self.position.to_string(), what }
    }
}

impl RawEvent {
    /// What the event says.
    pub(crate) fn parse(&self) -> Result<BinlogEvent<'_>, BinlogError> {
        event::parse(&self.event).map_err(|error| self.error(error))
    }

    /// Says where an error is.
    pub(crate) fn error(&self, error: EventError) -> BinlogError {
        let position = self.end.at(self.start).to_string();
        match error {
            EventError::Malformed(what) => BinlogError::Malformed { position, what },
            EventError::Unknown => {
                BinlogError::Unsupported { position, feature: Feature::UnknownEvent }
            }
        }
    }

    /// Time in the header, seconds since 1970.
    pub(crate) fn timestamp(&self) -> u32 {
        self.event.header().timestamp()
    }

    /// `server_id` of the server that logged it first.
    pub(crate) fn server_id(&self) -> u32 {
        self.event.header().server_id()
    }
}

/// What a future gives, or `None` if it panics. `mysql_common` 0.37 panics on an event whose header
/// says another size than its packet has (`Event::read`); the stream is given up after that.
async fn caught<T>(next: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(next).catch_unwind().await.ok()
}

/// Whether the event has the checksum that it says, if it has one.
pub(super) fn checksum_is_right(event: &Event) -> bool {
    let found = || event.calc_checksum(BinlogChecksumAlg::BINLOG_CHECKSUM_ALG_CRC32);
    event.checksum().is_none_or(|expected| found().to_le_bytes() == expected)
}

/// The position that a rotate event names. The first one comes before the server has said whether
/// events have checksums (`saw_format`), so its checksum is still part of its data.
pub(super) fn named_position(event: &Event, saw_format: bool) -> Option<BinlogPosition> {
    let data = event.data();
    let data = if saw_format { data } else { without_checksum(event, data) };
    let (offset, file) = data.split_at_checked(8)?;
    let offset = offset.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    // No file is that long, and positions behind it would overflow.
    if offset > i64::MAX.cast_unsigned() {
        return None;
    }
    BinlogPosition::new(std::str::from_utf8(file).ok()?, offset).ok()
}

/// `log_pos` has 32 bits, files can be longer: the high bits are those of the position before.
pub(super) fn unwrapped(before: u64, log_pos: u32) -> u64 {
    let candidate = before & !u64::from(u32::MAX) | u64::from(log_pos);
    if candidate < before { candidate + (1 << 32) } else { candidate }
}

/// Cuts the last four bytes off if they are the checksum of the rest.
fn without_checksum<'a>(event: &Event, data: &'a [u8]) -> &'a [u8] {
    let Some((body, checksum)) = data.split_last_chunk::<4>() else { return data };
    let mut hasher = crc32fast::Hasher::new();
    let header = event.header();
    hasher.update(&header.timestamp().to_le_bytes());
    hasher.update(&[header.event_type_raw()]);
    hasher.update(&header.server_id().to_le_bytes());
    hasher.update(&header.event_size().to_le_bytes());
    hasher.update(&header.log_pos().to_le_bytes());
    hasher.update(&header.flags_raw().to_le_bytes());
    hasher.update(body);
    if hasher.finalize().to_le_bytes() == *checksum { body } else { data }
}

/// The set as the dump request takes it: one entry for each server and tag.
fn sids(set: &GtidSet) -> Vec<Sid<'static>> {
    let entry = |(source, intervals): (&GtidSource, &[Interval])| {
        let mut text = source.uuid.to_string();
        if !source.tag.is_empty() {
            text.push(':');
            text.push_str(&source.tag);
        }
        for Interval { first, last } in intervals {
            text.push_str(&format!(":{first}-{last}"));
        }
        text.parse::<Sid<'static>>().ok()
    };
    set.iter().filter_map(entry).collect()
}

/// Errors that the server sends instead of events. 1236 means that it cannot serve the position.
fn judge_stream(address: &str, error: mysql_async::Error) -> SourceError {
    let mysql_async::Error::Server(server) = &error else {
        return connection::judge("read the binary log", address, error);
    };
    if server.code != 1236 {
        return connection::judge("read the binary log", address, error);
    }
    // Somebody has come later with our number: our successor, or a replica that is none of ours.
    if server.message.contains("same server_uuid/server_id") {
        return SourceError::ServerIdTaken { address: address.to_owned() };
    }
    SourceError::Purged { reason: server.message.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_event_whose_header_lies_about_its_size_is_none() {
        use mysql_common::binlog::EventStreamReader;
        use mysql_common::binlog::consts::BinlogVersion;
        // A size of 255 bytes in a packet of 19.
        let mut packet = [0; 19];
        packet[9] = 255;
        let mut reader = EventStreamReader::new(BinlogVersion::Version4);

        let read = caught(async { reader.read(&packet[..]).map(|event| event.is_some()) }).await;

        assert!(read.is_none());
    }

    #[test]
    fn a_rotate_event_to_a_place_that_no_file_has_is_refused() {
        use mysql_common::binlog::EventStreamReader;
        use mysql_common::binlog::consts::BinlogVersion;
        let rotate = |offset: u64| {
            let mut packet = vec![0; 19];
            packet.extend(offset.to_le_bytes());
            packet.extend(b"binlog.000002");
            (packet[4], packet[9]) = (ROTATE_EVENT, u8::try_from(packet.len()).unwrap());
            let event = EventStreamReader::new(BinlogVersion::Version4).read(&*packet);
            named_position(&event.unwrap().unwrap(), true)
        };

        assert_eq!(rotate(4).unwrap().to_string(), "binlog.000002:4");
        assert_eq!(rotate(u64::MAX), None);
    }

    #[test]
    fn positions_go_on_beyond_4_gib() {
        assert_eq!(unwrapped(100, 200), 200);
        assert_eq!(unwrapped(0xffff_fff0, 16), 0x1_0000_0010);
        assert_eq!(unwrapped(0x1_0000_0010, 32), 0x1_0000_0020);
    }
}
