//! Compressed transactions (`binlog_transaction_compression=ON`): one event of the log that holds
//! all events of a transaction, inflated as a stream, so that memory holds the compressed packet,
//! zstd's window and one event, however large the transaction is.

use bytes::{Buf, Bytes, BytesMut};
use zstd::stream::raw::{DParameter, Decoder, Operation};

use super::event::{EventError, kind};
use super::header::Header;
use super::reader::Reader;
use crate::wire::PACKET_MAX_BYTES;

/// The largest window that is accepted, 128 MiB: what zstd's highest level, 22, takes
/// (`binlog_transaction_compression_level_zstd`). The default level, 3, takes 2 MiB.
const WINDOW_LOG_MAX: u32 = 27;

/// Inflated at once.
const PART_BYTES: usize = 128 << 10;

/// A buffer that has grown beyond this for one event is given back.
const BUFFER_MAX_BYTES: usize = 1 << 20;

/// Fields of the payload's head (`mysql::binlog::event::Transaction_payload_event`).
const HEAD_END: usize = 0;
const PAYLOAD_SIZE: usize = 1;
const COMPRESSION_TYPE: usize = 2;
const UNCOMPRESSED_SIZE: usize = 3;

/// Values of [`COMPRESSION_TYPE`].
const ZSTD: usize = 0;
const NONE: usize = 255;

/// Gives out the events of compressed transactions, one transaction after the other.
#[derive(Default)]
pub(crate) struct Payload {
    /// Kept from one transaction to the next.
    decoder: Option<Decoder<'static>>,
    input: Bytes,
    is_compressed: bool,
    /// Whether the input may not end here, because it is within a compressed frame.
    in_frame: bool,
    /// What has been inflated and was not given out.
    buffer: BytesMut,
    /// Bytes of events that are still to be given out, if the head says how many there are.
    left: Option<usize>,
    is_open: bool,
}

/// What the head says.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    is_compressed: bool,
    uncompressed: Option<usize>,
    /// Length of the head itself.
    length: usize,
}

impl Payload {
    /// Begins with a transaction: the body of its event, without a checksum.
    pub(crate) fn open(&mut self, mut body: Bytes) -> Result<(), EventError> {
        let head = Head::read(&body)?;
        body.advance(head.length);
        if head.is_compressed && self.decoder.is_none() {
            self.decoder = Some(decoder().ok_or(DOES_NOT_INFLATE)?);
        }
        if let Some(decoder) = &mut self.decoder {
            decoder.reinit().map_err(|_| DOES_NOT_INFLATE)?;
        }
        self.left = head.uncompressed;
        self.is_compressed = head.is_compressed;
        self.in_frame = head.is_compressed;
        self.input = body;
        self.buffer.clear();
        self.is_open = true;
        Ok(())
    }

    /// Whether the transaction has not been read to its end.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// The header and the body of the transaction's next event; these have no checksums. `None`
    /// after the last, when everything that the head says has proved true.
    pub(crate) fn next(&mut self) -> Result<Option<(Header, Bytes)>, EventError> {
        loop {
            if self.left == Some(0) && !self.buffer.is_empty() {
                return Err(SIZES_DISAGREE);
            }
            if let Some(header) = Header::read(&self.buffer) {
                let size = self.size_of(&header)?;
                if let Some(event) = self.event(size) {
                    return Ok(Some((header, event)));
                }
            }
            if !self.inflate()? {
                break;
            }
        }
        let is_whole = self.buffer.is_empty() && self.left.is_none_or(|left| left == 0);
        self.is_open = false;
        self.input = Bytes::new();
        if self.buffer.capacity() > BUFFER_MAX_BYTES {
            self.buffer = BytesMut::new();
        }
        if is_whole { Ok(None) } else { Err(ENDS_EARLY) }
    }

    /// The size of the event that is next.
    fn size_of(&self, header: &Header) -> Result<usize, EventError> {
        let size = usize::try_from(header.size).unwrap_or(usize::MAX);
        if !(Header::BYTES..=PACKET_MAX_BYTES).contains(&size) {
            return Err(EventError::Malformed("size of an event in a compressed transaction"));
        }
        if self.left.is_some_and(|left| size > left) {
            return Err(SIZES_DISAGREE);
        }
        match header.kind {
            // These stand between transactions.
            kind::ROTATE
            | kind::FORMAT_DESCRIPTION
            | kind::HEARTBEAT
            | kind::GTID
            | kind::ANONYMOUS_GTID
            | kind::GTID_TAGGED
            | kind::TRANSACTION_PAYLOAD => {
                Err(EventError::Malformed("compressed transaction, which has a foreign event"))
            }
            _ => Ok(size),
        }
    }

    /// The body of the event that is next, if it is there as a whole.
    fn event(&mut self, size: usize) -> Option<Bytes> {
        let missing = size.saturating_sub(self.buffer.len());
        if missing > 0 {
            // Grows with what really comes, whatever the header says.
            self.buffer.reserve(missing.min(self.buffer.len().max(PART_BYTES)));
            return None;
        }
        let mut event = self.buffer.split_to(size);
        event.advance(Header::BYTES);
        self.left = self.left.map(|left| left.saturating_sub(size));
        Some(event.freeze())
    }

    /// Inflates a part; `false` at the end.
    fn inflate(&mut self) -> Result<bool, EventError> {
        // One more than there should be, to notice it.
        let expected = self.left.map_or(usize::MAX, |left| left.saturating_sub(self.buffer.len()));
        let room = expected.saturating_add(1).min(PART_BYTES);
        let Some(decoder) = self.decoder.as_mut().filter(|_| self.is_compressed) else {
            let part = self.input.split_to(room.min(self.input.len()));
            self.buffer.extend_from_slice(&part);
            return Ok(!part.is_empty());
        };
        let before = self.buffer.len();
        while !self.input.is_empty() || self.in_frame {
            self.buffer.resize(before + room, 0);
            let output = self.buffer.get_mut(before..).unwrap_or_default();
            let status =
                decoder.run_on_buffers(&self.input, output).map_err(|_| DOES_NOT_INFLATE)?;
            self.buffer.truncate(before + status.bytes_written);
            self.input.advance(status.bytes_read.min(self.input.len()));
            self.in_frame = status.remaining != 0;
            if status.bytes_written > 0 {
                return Ok(true);
            }
            if status.bytes_read == 0 && self.in_frame {
                return Err(ENDS_EARLY);
            }
        }
        Ok(false)
    }
}

const DOES_NOT_INFLATE: EventError =
    EventError::Malformed("compressed transaction, which does not inflate");
const ENDS_EARLY: EventError = EventError::Malformed("compressed transaction, which ends early");
const SIZES_DISAGREE: EventError =
    EventError::Malformed("compressed transaction, whose sizes disagree");

fn decoder() -> Option<Decoder<'static>> {
    let mut decoder = Decoder::new().ok()?;
    decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).ok()?;
    Some(decoder)
}

impl Head {
    /// Fields of a type, a length and a number, until the field that ends them. Unknown ones are
    /// left out, as servers do.
    fn read(body: &[u8]) -> Result<Self, EventError> {
        let malformed = || EventError::Malformed("head of a compressed transaction");
        let mut reader = Reader::new(body);
        let (mut size, mut compression, mut uncompressed) = (None, None, None);
        loop {
            let field = reader.length().ok_or_else(malformed)?;
            if field == HEAD_END {
                break;
            }
            let value = Reader::new(reader.short_bytes().ok_or_else(malformed)?);
            let number = || value.clone().length().ok_or_else(malformed);
            match field {
                PAYLOAD_SIZE => size = Some(number()?),
                COMPRESSION_TYPE => compression = Some(number()?),
                UNCOMPRESSED_SIZE => uncompressed = Some(number()?),
                _ => {}
            }
        }
        let payload = reader.rest().len();
        if size != Some(payload) {
            return Err(SIZES_DISAGREE);
        }
        let is_compressed = match compression.ok_or_else(malformed)? {
            ZSTD => true,
            NONE => false,
            _ => return Err(EventError::UnknownCompression),
        };
        let uncompressed = if is_compressed { uncompressed } else { Some(payload) };
        Ok(Self { is_compressed, uncompressed, length: body.len() - payload })
    }
}

/// The body of an event with this payload.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn written(payload: &[u8], compression: u8, uncompressed: usize) -> Vec<u8> {
    fn number(value: usize) -> Vec<u8> {
        let [a, b, c, d, ..] = value.to_le_bytes();
        vec![0xfe, a, b, c, d, 0, 0, 0, 0]
    }
    let compression =
        if compression > 250 { vec![0xfc, compression, 0] } else { vec![compression] };
    let mut body = Vec::new();
    for (field, value) in [
        (COMPRESSION_TYPE, compression),
        (UNCOMPRESSED_SIZE, number(uncompressed)),
        (PAYLOAD_SIZE, number(payload.len())),
    ] {
        body.extend(u8::try_from(field));
        body.extend(u8::try_from(value.len()));
        body.extend(value);
    }
    body.push(0);
    body.extend_from_slice(payload);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: u8, length: usize) -> Vec<u8> {
        let mut event = vec![0; Header::BYTES];
        event[4] = kind;
        let size = u32::try_from(Header::BYTES + length).unwrap();
        event[9..13].copy_from_slice(&size.to_le_bytes());
        event.extend((0..length).map(|at| u8::try_from(at * 7 % 256).unwrap()));
        event
    }

    fn read(payload: &mut Payload, body: Vec<u8>) -> Result<Vec<usize>, EventError> {
        payload.open(body.into())?;
        let mut lengths = Vec::new();
        while let Some((header, body)) = payload.next()? {
            assert_eq!(event(header.kind, body.len())[Header::BYTES..], body);
            lengths.push(body.len());
        }
        assert!(!payload.is_open());
        Ok(lengths)
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 3).unwrap()
    }

    #[test]
    fn events_come_as_they_were_written_from_one_transaction_after_the_other() {
        let mut payload = Payload::default();
        for lengths in [vec![5, 0, 300_000, 1], vec![], vec![9_000_000, 3], vec![0]] {
            let events: Vec<u8> = lengths.iter().flat_map(|n| event(kind::QUERY, *n)).collect();
            let compressed = written(&zstd(&events), 0, events.len());
            assert_eq!(read(&mut payload, compressed).unwrap(), lengths);
            assert!(payload.buffer.capacity() <= BUFFER_MAX_BYTES);

            let plain = written(&events, 255, events.len());
            assert_eq!(read(&mut payload, plain).unwrap(), lengths);
        }
    }

    #[test]
    fn several_frames_are_one_payload() {
        let (first, second) = (event(kind::QUERY, 10), event(kind::XID, 8));
        let frames = [zstd(&first), zstd(&second)].concat();

        let lengths = read(&mut Payload::default(), written(&frames, 0, 29 + 27)).unwrap();

        assert_eq!(lengths, [10, 8]);
    }

    #[test]
    fn what_is_cut_off_or_disagrees_is_an_error() {
        let events = [event(kind::QUERY, 5000), event(kind::XID, 8)].concat();
        let compressed = zstd(&events);
        let refused = |payload: &[u8], compression, uncompressed| {
            read(&mut Payload::default(), written(payload, compression, uncompressed)).unwrap_err()
        };
        let size = events.len();
        for cut in 1..compressed.len() {
            let part = &compressed[..compressed.len() - cut];
            assert!(matches!(refused(part, 0, size), EventError::Malformed(_)), "{cut}");
        }
        assert_eq!(refused(&compressed, 0, size - 1), SIZES_DISAGREE);
        assert_eq!(refused(&compressed, 0, size - 27), SIZES_DISAGREE);
        assert_eq!(refused(&compressed, 0, size + 1), ENDS_EARLY);
        assert_eq!(refused(&zstd(&events[..size - 1]), 0, size), ENDS_EARLY);
        assert_eq!(refused(&events[..size - 1], 255, size - 1), SIZES_DISAGREE);
        assert_eq!(refused(&compressed, 7, size), EventError::UnknownCompression);
        let lying = written(&compressed, 0, size);
        assert_eq!(read(&mut Payload::default(), [lying, vec![0]].concat()), Err(SIZES_DISAGREE));
        assert_eq!(refused(&[1; 40], 0, 40), DOES_NOT_INFLATE);
    }

    #[test]
    fn every_damaged_byte_of_a_payload_is_an_error_or_the_same_length() {
        let events = [event(kind::QUERY, 50), event(kind::XID, 8)].concat();
        let whole = written(&zstd(&events), 0, events.len());
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                let mut payload = Payload::default();
                if payload.open(damaged.into()).is_err() {
                    continue;
                }
                let mut length = 0;
                while let Ok(Some((header, _))) = payload.next() {
                    length += usize::try_from(header.size).unwrap();
                }
                assert!(length <= events.len());
            }
        }
    }

    #[test]
    fn events_that_stand_between_transactions_are_refused_in_one() {
        for foreign in [kind::ROTATE, kind::GTID, kind::TRANSACTION_PAYLOAD] {
            let events = event(foreign, 30);
            let error = read(&mut Payload::default(), written(&events, 255, events.len()));
            let EventError::Malformed(what) = error.unwrap_err() else { panic!() };
            assert!(what.contains("foreign event"), "{what}");
        }
    }

    #[test]
    fn an_event_that_says_it_is_huge_takes_no_memory_before_it_comes() {
        let mut event = event(kind::QUERY, 5);
        event[9..13].copy_from_slice(&(1_u32 << 30).to_le_bytes());
        let mut payload = Payload::default();
        payload.open(written(&zstd(&event), 0, 1 << 30).into()).unwrap();

        assert_eq!(payload.next().unwrap_err(), ENDS_EARLY);
        assert!(payload.buffer.capacity() <= BUFFER_MAX_BYTES);
    }

    /// A bomb: 64 MiB of the same byte take a few kilobytes.
    #[test]
    fn a_small_payload_of_a_huge_event_is_inflated_only_as_far_as_its_size_says() {
        let event = event(kind::QUERY, 5);
        let bomb = [event.clone(), vec![0; 64 << 20]].concat();
        let mut payload = Payload::default();
        payload.open(written(&zstd(&bomb), 0, event.len()).into()).unwrap();

        assert_eq!(payload.next().unwrap().unwrap().1.len(), 5);
        assert_eq!(payload.next().unwrap_err(), SIZES_DISAGREE);
        assert!(payload.buffer.capacity() <= BUFFER_MAX_BYTES);
    }
}
