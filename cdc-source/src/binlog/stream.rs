//! The replication stream: events with their positions, checked.

use std::time::Duration;

use bytes::{Buf, Bytes};
use mysql_common::packets::{ComBinlogDump, ComBinlogDumpGtid, ComRegisterSlave, Sid};
use mysql_common::proto::MySerialize;
use schema::gtid::{GtidSet, GtidSource, Interval};
use schema::position::BinlogPosition;
use uuid::Uuid;

use super::error::{BinlogError, Feature};
use super::event::{self, BinlogEvent, EventError, kind};
use super::header::{CHECKSUM_BYTES, Header, announces_checksums, has_right_checksum};
use super::payload::Payload;
use crate::config::SourceConfig;
use crate::connection::{self, Connection};
use crate::error::SourceError;
use crate::wire::{WireConnection, WireError};

/// Where the first event of a file begins.
const FIRST_OFFSET: u32 = 4;

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
    wire: WireConnection,
    address: String,
    place: Place,
    /// The compressed transaction that is being read.
    payload: Payload,
    /// Where that one begins.
    payload_start: u64,
    /// Longest silence of the server.
    silence_max: Duration,
}

/// Where the stream is.
pub(super) struct Place {
    /// After the last event.
    pub(super) position: BinlogPosition,
    /// Events of this file that end up to here are passed over.
    pass_over: Option<u64>,
    /// Whether events have checksums; `None` before the first format description.
    has_checksums: Option<bool>,
    /// Knows what the processor can do.
    sum: crc32fast::Hasher,
}

/// One event, not yet parsed, with what its header says.
pub(crate) struct RawEvent {
    header: Header,
    /// Without header and checksum.
    body: Bytes,
    /// Where it begins; an event of a compressed transaction, where that one begins.
    pub(crate) start: u64,
    /// Where it ends; an event of a compressed transaction, where that one ends.
    pub(crate) end: BinlogPosition,
}

impl BinlogStream {
    /// Asks the server `uuid` for the log from `start` on. `position` is where that is thought to
    /// be, which names the file until the server does.
    pub(crate) async fn open(
        config: &SourceConfig,
        uuid: Uuid,
        start: &StartPoint,
        position: BinlogPosition,
    ) -> Result<Self, SourceError> {
        let mut connection = Connection::open(config).await?;
        connection.is_of(uuid).await?;
        let config = &config.connection;
        let (period, replica) = (config.heartbeat_period.as_nanos(), config.replica_uuid);
        let session = connection.dialect().replica_session(period, &replica);
        connection.run("begin a replica's session", &session).await?;
        let (mut wire, address) = connection.into_inner();
        let asking = ask(&mut wire, config.server_id, start);
        match tokio::time::timeout(config.connect_timeout, asking).await {
            Ok(asked) => asked.map_err(|error| judge_stream(&address, error))?,
            Err(_) => {
                return Err(SourceError::Timeout { action: "register as a replica", address });
            }
        }
        let silence_max = config.silence_max;
        let place = Place::new(start, position);
        Ok(Self {
            wire,
            address,
            place,
            payload: Payload::default(),
            payload_start: 0,
            silence_max,
        })
    }

    /// The next event. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<RawEvent, SourceError> {
        loop {
            if let Some(event) = self.next_of_payload()? {
                return Ok(event);
            }
            let next = tokio::time::timeout(self.silence_max, self.wire.log_packet()).await;
            let Ok(next) = next else {
                let address = self.address.clone();
                return Err(SourceError::Timeout { action: "send the binary log", address });
            };
            if let Some(event) = self.accept(next)? {
                return Ok(event);
            }
        }
    }

    /// The next event if it is here already.
    pub(crate) fn next_now(&mut self) -> Option<Result<RawEvent, SourceError>> {
        loop {
            if let Some(event) = self.next_of_payload().transpose() {
                return Some(event);
            }
            let next = self.wire.log_packet_now()?;
            if let Some(event) = self.accept(next).transpose() {
                return Some(event);
            }
        }
    }

    /// The event of a packet; none for a compressed transaction, which is given out by its events.
    fn accept(&mut self, next: Result<Bytes, WireError>) -> Result<Option<RawEvent>, SourceError> {
        let packet = next.map_err(|error| judge_stream(&self.address, error))?;
        let Some(event) = self.place.accept(packet)? else { return Ok(None) };
        if event.header.kind != kind::TRANSACTION_PAYLOAD {
            return Ok(Some(event));
        }
        self.payload.open(event.body.clone()).map_err(|error| event.error(error))?;
        self.payload_start = event.start;
        Ok(None)
    }

    /// The next event of the compressed transaction, if there is one.
    fn next_of_payload(&mut self) -> Result<Option<RawEvent>, SourceError> {
        if !self.payload.is_open() {
            return Ok(None);
        }
        let start = self.payload_start;
        let end = &self.place.position;
        let next = self.payload.next().map_err(|error| named(error, end.at(start)))?;
        Ok(next.map(|(header, body)| RawEvent { header, body, start, end: end.clone() }))
    }

    /// The server that it is of, as messages name it.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// After the last event.
    pub(crate) fn position(&self) -> &BinlogPosition {
        &self.place.position
    }
}

impl Place {
    pub(super) fn new(start: &StartPoint, position: BinlogPosition) -> Self {
        let wanted = position.offset();
        let asked = u64::from(asked_offset(wanted));
        let is_far = matches!(start, StartPoint::Position(_)) && asked < wanted;
        Self {
            position: if is_far { position.at(asked) } else { position },
            pass_over: is_far.then_some(wanted),
            has_checksums: None,
            sum: crc32fast::Hasher::new(),
        }
    }

    /// Takes a packet in: what its event is, unless it is passed over, and where the stream is
    /// after it.
    pub(super) fn accept(&mut self, packet: Bytes) -> Result<Option<RawEvent>, BinlogError> {
        let (header, body) = self.checked(packet)?;
        let mut start = self.position.offset();
        if header.kind == kind::HEARTBEAT {
            // It may be about an event that came already; the stream never goes back.
            self.position.set_offset(start.max(header.log_pos.into()));
        } else if header.kind == kind::ROTATE {
            let next = rotated(&body).ok_or_else(|| self.malformed("rotate names no file"))?;
            self.pass_over = self.pass_over.filter(|_| next.file() == self.position.file());
            self.position = next;
        } else if !header.is_artificial() {
            let end = unwrapped(start, header.log_pos);
            self.position.set_offset(end);
            start = end.saturating_sub(header.size.into());
        }
        // The file is named first.
        if let Some(until) = self.pass_over.filter(|_| header.kind != kind::ROTATE) {
            if self.position.offset() <= until {
                return Ok(None);
            }
            self.pass_over = None;
        }
        Ok(Some(RawEvent { header, body, start, end: self.position.clone() }))
    }

    /// Takes the header off the front and the checksum, if there is one, off the end.
    fn checked(&mut self, mut event: Bytes) -> Result<(Header, Bytes), BinlogError> {
        let malformed = "its header does not fit its length";
        let header = Header::read(&event).ok_or_else(|| self.malformed(malformed))?;
        if usize::try_from(header.size) != Ok(event.len()) {
            return Err(self.malformed(malformed));
        }
        let is_right = || has_right_checksum(&event, self.sum.clone());
        let has_checksum = match (header.kind, self.has_checksums) {
            // It always has one; without checksums the server changes the event and not its sum.
            (kind::FORMAT_DESCRIPTION, _) => {
                let announced = event.get(Header::BYTES..).and_then(announces_checksums);
                let announced = announced.ok_or_else(|| self.malformed("format description"))?;
                if announced && !is_right() {
                    return Err(self.wrong_checksum());
                }
                self.has_checksums = Some(announced);
                true
            }
            (_, Some(false)) => false,
            (_, Some(true)) if is_right() => true,
            (_, Some(true)) => return Err(self.wrong_checksum()),
            // The first one comes before the server has said so.
            (_, None) => is_right(),
        };
        event.advance(Header::BYTES);
        if has_checksum {
            event.truncate(event.len().saturating_sub(CHECKSUM_BYTES));
        }
        Ok((header, event))
    }

    fn wrong_checksum(&self) -> BinlogError {
        BinlogError::Checksum { position: self.position.to_string() }
    }

    fn malformed(&self, what: &'static str) -> BinlogError {
        BinlogError::Malformed { position: self.position.to_string(), what }
    }
}

impl RawEvent {
    /// What the event says.
    pub(crate) fn parse(&self) -> Result<BinlogEvent<'_>, BinlogError> {
        match event::parse_body(self.header.kind, &self.body) {
            Err(EventError::Unknown) if self.header.is_ignorable() => Ok(BinlogEvent::Ignorable),
            parsed => parsed.map_err(|error| self.error(error)),
        }
    }

    /// Says where an error is.
    pub(crate) fn error(&self, error: EventError) -> BinlogError {
        named(error, self.end.at(self.start))
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn kind(&self) -> u8 {
        self.header.kind
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// If the event is the first of a file, when that was begun, seconds since 1970.
    pub(crate) fn file_created(&self) -> Option<u32> {
        (self.header.kind == kind::FORMAT_DESCRIPTION).then_some(self.header.timestamp)
    }

    /// Time in the header, seconds since 1970.
    pub(crate) fn timestamp(&self) -> u32 {
        self.header.timestamp
    }

    /// `server_id` of the server that logged it first.
    pub(crate) fn server_id(&self) -> u32 {
        self.header.server_id
    }
}

/// Says where an error is.
fn named(error: EventError, position: BinlogPosition) -> BinlogError {
    let position = position.to_string();
    match error {
        EventError::Malformed(what) => BinlogError::Malformed { position, what },
        EventError::Unknown => {
            BinlogError::Unsupported { position, feature: Feature::UnknownEvent }
        }
        EventError::UnknownCompression => {
            BinlogError::Unsupported { position, feature: Feature::UnknownCompression }
        }
    }
}

/// Registers as a replica, with which `SHOW REPLICAS` shows us, and asks for the log.
async fn ask(
    wire: &mut WireConnection,
    server_id: u32,
    start: &StartPoint,
) -> Result<(), WireError> {
    let mut register = Vec::new();
    ComRegisterSlave::new(server_id).serialize(&mut register);
    wire.command(&register).await?;
    wire.accepted().await?;
    let mut dump = Vec::new();
    match start {
        StartPoint::Gtids(set) => {
            ComBinlogDumpGtid::new(server_id)
                .with_pos(FIRST_OFFSET.into())
                .with_sids(sids(set))
                .serialize(&mut dump);
        }
        StartPoint::Position(position) => {
            let file = position.file().as_bytes();
            let offset = asked_offset(position.offset());
            ComBinlogDump::new(server_id).with_filename(file).with_pos(offset).serialize(&mut dump);
        }
    }
    wire.command(&dump).await
}

/// The offset in a file that is asked for: the command has 32 bits for it. From a place behind that
/// the file is read from its beginning, and what is already known is passed over.
fn asked_offset(offset: u64) -> u32 {
    u32::try_from(offset).unwrap_or(FIRST_OFFSET)
}

/// The position that a rotate event names.
fn rotated(body: &[u8]) -> Option<BinlogPosition> {
    let (offset, file) = body.split_first_chunk()?;
    let offset = u64::from_le_bytes(*offset);
    // No file is that long, and positions behind it would overflow.
    if offset > i64::MAX.cast_unsigned() {
        return None;
    }
    BinlogPosition::new(std::str::from_utf8(file).ok()?, offset).ok()
}

/// `log_pos` has 32 bits, files can be longer: the high bits are those of the position before.
fn unwrapped(before: u64, log_pos: u32) -> u64 {
    let candidate = before & !u64::from(u32::MAX) | u64::from(log_pos);
    if candidate < before { candidate + (1 << 32) } else { candidate }
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
fn judge_stream(address: &str, error: WireError) -> SourceError {
    let WireError::Server { code: 1236, message } = error else {
        return connection::judge("read the binary log", address, error);
    };
    // Somebody has come later with our number: our successor, or a replica that is none of ours.
    if message.contains("same server_uuid/server_id") {
        return SourceError::ServerIdTaken { address: address.to_owned() };
    }
    SourceError::Purged { reason: message }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event whose checksum is right.
    fn event(kind: u8, log_pos: u32, body: &[u8]) -> Bytes {
        let mut event = vec![1, 0, 0, 0, kind, 7, 0, 0, 0];
        event.extend(u32::try_from(Header::BYTES + body.len() + 4).unwrap().to_le_bytes());
        event.extend(log_pos.to_le_bytes());
        event.extend([0, 0]);
        event.extend(body);
        event.extend(crc32fast::hash(&event).to_le_bytes());
        Bytes::from(event)
    }

    fn format(log_pos: u32, has_checksums: bool) -> Bytes {
        event(
            kind::FORMAT_DESCRIPTION,
            log_pos,
            &[&[0; 90][..], &[u8::from(has_checksums)]].concat(),
        )
    }

    fn rotate(offset: u64, file: &str) -> Vec<u8> {
        [&offset.to_le_bytes(), file.as_bytes()].concat()
    }

    fn at(text: &str) -> Place {
        let position: BinlogPosition = text.parse().unwrap();
        Place::new(&StartPoint::Position(position.clone()), position)
    }

    #[test]
    fn an_event_whose_header_lies_about_its_size_is_none() {
        let mut place = at("binlog.000001:4");
        for length in 0..30 {
            let mut packet = vec![0; length];
            if let Some(size) = packet.get_mut(9) {
                *size = 255;
            }
            let error = place.accept(packet.into()).err().unwrap();
            assert!(error.to_string().contains("does not fit its length"), "{error}");
        }
    }

    #[test]
    fn events_have_checksums_when_the_format_description_says_so() {
        let mut place = at("binlog.000001:4");
        let first = event(kind::ROTATE, 0, &rotate(4, "binlog.000002"));
        assert_eq!(place.accept(first).unwrap().unwrap().end.to_string(), "binlog.000002:4");
        place.accept(format(126, true)).unwrap();

        let right = place.accept(event(kind::QUERY, 200, b"body")).unwrap().unwrap();
        assert_eq!((&right.body[..], right.start, right.end.offset()), (&b"body"[..], 173, 200));
        let mut wrong = event(kind::QUERY, 300, b"body").to_vec();
        wrong[20] ^= 1;
        let error = place.accept(wrong.into()).err().unwrap();
        assert!(matches!(error, BinlogError::Checksum { .. }), "{error}");

        place.accept(format(400, false)).unwrap();
        let without = place.accept(event(kind::QUERY, 500, b"body")).unwrap().unwrap();
        assert_eq!(without.body.len(), 8);
    }

    #[test]
    fn a_damaged_format_description_is_not_believed() {
        let mut damaged = format(126, true).to_vec();
        damaged[30] ^= 1;

        let error = at("binlog.000001:4").accept(damaged.into()).err().unwrap();

        assert!(matches!(error, BinlogError::Checksum { .. }), "{error}");
    }

    #[test]
    fn a_rotate_event_to_a_place_that_no_file_has_is_refused() {
        let place = |offset| rotated(&rotate(offset, "binlog.000002"));

        assert_eq!(place(4).unwrap().to_string(), "binlog.000002:4");
        assert_eq!(place(u64::MAX), None);
        assert_eq!(rotated(b"short"), None);
    }

    #[test]
    fn positions_go_on_beyond_4_gib() {
        assert_eq!(unwrapped(100, 200), 200);
        assert_eq!(unwrapped(0xffff_fff0, 16), 0x1_0000_0010);
        assert_eq!(unwrapped(0x1_0000_0010, 32), 0x1_0000_0020);
    }

    #[test]
    fn a_place_beyond_4_gib_is_found_from_the_beginning_of_its_file() {
        let mut place = at("binlog.000007:4294967396");
        assert_eq!(place.position.to_string(), "binlog.000007:4");
        let named = event(kind::ROTATE, 0, &rotate(4, "binlog.000007"));
        assert!(place.accept(named).unwrap().is_some());
        assert!(place.accept(format(126, true)).unwrap().is_none());
        for log_pos in [1 << 31, u32::MAX - 3, 100] {
            assert!(place.accept(event(kind::QUERY, log_pos, b"")).unwrap().is_none());
        }

        let next = place.accept(event(kind::QUERY, 123, b"")).unwrap().unwrap();

        assert_eq!((next.start, next.end.offset()), (4_294_967_396, 4_294_967_419));
    }

    #[test]
    fn a_file_that_ends_before_such_a_place_is_not_passed_over_any_further() {
        let mut place = at("binlog.000007:4294967396");
        place.accept(event(kind::ROTATE, 0, &rotate(4, "binlog.000008"))).unwrap();

        assert!(place.accept(event(kind::QUERY, 100, b"")).unwrap().is_some());
    }
}
