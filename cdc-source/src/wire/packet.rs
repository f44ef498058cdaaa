//! Packets out of bytes, as fast as they come.
//!
//! A packet is one frame of up to 16 MiB - 2 bytes, or several of which all but the last have
//! 16 MiB - 1. Packets that fit into the buffer are handed out as parts of it, without a copy; its
//! memory is used again once they are gone. Longer ones are put together on their own, so the
//! buffer never grows.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::error::WireError;

/// Longest packet that is taken: the largest `max_allowed_packet` of a server.
pub(crate) const PACKET_MAX_BYTES: usize = 1 << 30;

/// Length of a frame that is followed by another of the same packet.
pub(super) const FRAME_MAX_BYTES: usize = 0xff_ffff;

/// Length 3, number 1.
const HEADER_BYTES: usize = 4;

/// Enough for hundreds of events in one read.
const BUFFER_BYTES: usize = 256 << 10;

/// With less room than this the buffer begins anew, so that reads stay large.
const READ_MIN_BYTES: usize = 64 << 10;

/// Finds the packets in what has arrived.
pub(crate) struct PacketReader {
    /// What has arrived and was not handed out.
    buffer: BytesMut,
    /// A packet that does not fit into the buffer.
    long: Option<LongPacket>,
    /// Number of the next frame.
    next: u8,
}

struct LongPacket {
    bytes: Vec<u8>,
    /// How much of the current frame is still to come.
    missing: usize,
    /// Whether another frame follows.
    is_continued: bool,
}

impl PacketReader {
    pub(crate) fn new() -> Self {
        Self { buffer: BytesMut::with_capacity(BUFFER_BYTES), long: None, next: 0 }
    }

    /// The next packet, if it is there as a whole.
    pub(crate) fn packet(&mut self) -> Result<Option<Bytes>, WireError> {
        loop {
            if let Some(long) = &mut self.long {
                long.take(&mut self.buffer);
                if long.missing > 0 {
                    return Ok(None);
                }
                if !long.is_continued {
                    return Ok(self.long.take().map(|long| Bytes::from(long.bytes)));
                }
            }
            let Some(length) = self.peek()? else { return Ok(None) };
            let is_long = length == FRAME_MAX_BYTES || length > BUFFER_BYTES - HEADER_BYTES;
            if self.long.is_some() || is_long {
                self.buffer.advance(HEADER_BYTES);
                self.next = self.next.wrapping_add(1);
                self.begin_frame(length)?;
                continue;
            }
            if self.buffer.len() < HEADER_BYTES + length {
                return Ok(None);
            }
            self.buffer.advance(HEADER_BYTES);
            self.next = self.next.wrapping_add(1);
            return Ok(Some(self.buffer.split_to(length).freeze()));
        }
    }

    /// Reads what the server has sent. Cancel safe.
    pub(crate) async fn fill(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin + ?Sized),
    ) -> Result<(), WireError> {
        let read = match &mut self.long {
            Some(long) if self.buffer.is_empty() && long.missing > 0 => {
                // Grows with what really comes, whatever the frame says.
                let part = long.missing.min(long.bytes.len().max(BUFFER_BYTES));
                long.bytes.reserve_exact(part);
                let read = stream.read_buf(&mut (&mut long.bytes).limit(part)).await?;
                long.missing -= read;
                read
            }
            Some(_) | None => {
                if self.buffer.capacity() - self.buffer.len() < READ_MIN_BYTES {
                    self.buffer.reserve(BUFFER_BYTES.saturating_sub(self.buffer.len()));
                }
                stream.read_buf(&mut self.buffer).await?
            }
        };
        if read == 0 { Err(WireError::Closed) } else { Ok(()) }
    }

    /// As if these bytes had been read.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn arrived(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next command begins: numbers start over.
    pub(super) fn restart_numbers(&mut self) {
        self.next = 0;
    }

    /// The number of the next frame, in either direction.
    pub(super) fn take_number(&mut self) -> u8 {
        let number = self.next;
        self.next = number.wrapping_add(1);
        number
    }

    /// The first byte of the next packet and its length, if it is here as a whole and not a long one.
    pub(super) fn next_is(&self) -> Option<(u8, usize)> {
        let length = self.peek().ok()??;
        let is_here = self.long.is_none() && length <= BUFFER_BYTES - HEADER_BYTES;
        let packet = self.buffer.get(HEADER_BYTES..HEADER_BYTES + length).filter(|_| is_here)?;
        Some((*packet.first()?, length))
    }

    /// Whether nothing has arrived that was not handed out.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.long.is_none()
    }

    /// Length of the frame whose header is next, if it has arrived.
    fn peek(&self) -> Result<Option<usize>, WireError> {
        let Some([low, middle, high, number]) = self.buffer.first_chunk() else { return Ok(None) };
        if *number != self.next {
            return Err(WireError::OutOfOrder { expected: self.next, found: *number });
        }
        Ok(Some(usize::from(*low) | usize::from(*middle) << 8 | usize::from(*high) << 16))
    }

    /// A frame of a long packet begins.
    fn begin_frame(&mut self, length: usize) -> Result<(), WireError> {
        let long = self.long.get_or_insert_with(|| LongPacket {
            bytes: Vec::new(),
            missing: 0,
            is_continued: false,
        });
        if long.bytes.len() + length > PACKET_MAX_BYTES {
            return Err(WireError::TooLong { limit: PACKET_MAX_BYTES });
        }
        long.missing = length;
        long.is_continued = length == FRAME_MAX_BYTES;
        Ok(())
    }
}

impl LongPacket {
    fn take(&mut self, buffer: &mut BytesMut) {
        let count = self.missing.min(buffer.len());
        if count > 0 {
            self.bytes.reserve_exact(count);
            self.bytes.put(buffer.split_to(count));
            self.missing -= count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A packet in its frames.
    fn frames(payload: &[u8], mut number: u8) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = payload;
        loop {
            let (frame, after) = rest.split_at(rest.len().min(FRAME_MAX_BYTES));
            let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
            out.extend([length[0], length[1], length[2], number]);
            out.extend(frame);
            number = number.wrapping_add(1);
            rest = after;
            if frame.len() < FRAME_MAX_BYTES {
                return out;
            }
        }
    }

    /// Reads all packets of a stream that comes in parts of this size.
    async fn read(bytes: &[u8], part: usize) -> (Vec<Bytes>, WireError) {
        let (mut ours, theirs) = tokio::io::duplex(part);
        let sent = bytes.to_vec();
        let sending = tokio::spawn(async move {
            let mut theirs = theirs;
            // The reader may have given up.
            drop(tokio::io::AsyncWriteExt::write_all(&mut theirs, &sent).await);
        });
        let (mut reader, mut packets) = (PacketReader::new(), Vec::new());
        let error = loop {
            match reader.packet() {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => {
                    if let Err(error) = reader.fill(&mut ours).await {
                        break error;
                    }
                }
                Err(error) => break error,
            }
        };
        drop(ours);
        sending.await.unwrap();
        (packets, error)
    }

    #[test]
    fn a_packet_is_announced_once_it_is_here_as_a_whole() {
        let bytes = frames(b"\xfbrow", 0);
        let mut reader = PacketReader::new();
        for byte in &bytes {
            assert_eq!(reader.next_is(), None);
            reader.arrived(&[*byte]);
        }

        assert_eq!(reader.next_is(), Some((0xfb, 4)));
        assert_eq!(reader.packet().unwrap().unwrap(), &b"\xfbrow"[..]);
        assert_eq!(reader.next_is(), None);

        // One that has no bytes, and one that is put together elsewhere.
        reader.arrived(&frames(b"", 1));
        assert_eq!(reader.next_is(), None);
        reader.packet().unwrap();
        reader.arrived(&frames(&vec![7; BUFFER_BYTES], 2));
        assert_eq!(reader.next_is(), None);
    }

    #[tokio::test]
    async fn packets_of_every_length_come_as_they_were_sent() {
        let lengths = [
            0,
            1,
            BUFFER_BYTES - HEADER_BYTES,
            BUFFER_BYTES - HEADER_BYTES + 1,
            3,
            FRAME_MAX_BYTES - 1,
            FRAME_MAX_BYTES,
            FRAME_MAX_BYTES + 1,
            2 * FRAME_MAX_BYTES,
            7,
        ];
        let payloads: Vec<Vec<u8>> = lengths
            .iter()
            .map(|length| (0..*length).map(|at| u8::try_from(at % 251).unwrap()).collect())
            .collect();
        let (mut bytes, mut number) = (Vec::new(), 0_u8);
        for payload in &payloads {
            bytes.extend(frames(payload, number));
            let count = u8::try_from(payload.len() / FRAME_MAX_BYTES + 1).unwrap();
            number = number.wrapping_add(count);
        }

        let (packets, end) = read(&bytes, 1 << 20).await;

        assert!(packets.iter().eq(payloads.iter()), "{} packets", packets.len());
        assert!(matches!(end, WireError::Closed), "{end:?}");
    }

    #[tokio::test]
    async fn numbers_go_on_after_255() {
        let bytes: Vec<u8> =
            (0..=255_u8).cycle().take(600).flat_map(|number| frames(&[7; 3], number)).collect();

        let (packets, end) = read(&bytes, 100).await;

        assert_eq!(packets.len(), 600);
        assert!(matches!(end, WireError::Closed), "{end:?}");
    }

    #[tokio::test]
    async fn a_packet_that_is_missing_is_noticed() {
        let bytes = [frames(b"a", 0), frames(b"c", 2)].concat();

        let (packets, end) = read(&bytes, 100).await;

        assert_eq!(packets.len(), 1);
        assert!(matches!(end, WireError::OutOfOrder { expected: 1, found: 2 }), "{end:?}");
    }

    #[test]
    fn a_packet_without_an_end_is_refused_at_the_limit() {
        let mut reader = PacketReader::new();
        reader.long = Some(LongPacket {
            bytes: vec![0; PACKET_MAX_BYTES - 5],
            missing: 0,
            is_continued: true,
        });
        reader.buffer.extend_from_slice(&[6, 0, 0, 0]);

        assert!(matches!(reader.packet(), Err(WireError::TooLong { .. })));
    }

    #[tokio::test]
    async fn the_buffer_is_used_again_and_a_long_packet_leaves_nothing_behind() {
        let long = vec![1; 5 * BUFFER_BYTES];
        let mut bytes = frames(&long, 0);
        for number in 1..=200_u8 {
            bytes.extend(frames(&[number; 10_000], number));
        }
        let (mut reader, mut rest) = (PacketReader::new(), &bytes[..]);
        let mut count = 0;
        while count < 201 {
            match reader.packet().unwrap() {
                Some(_) => count += 1,
                None => reader.fill(&mut rest).await.unwrap(),
            }
            assert!(reader.buffer.capacity() <= BUFFER_BYTES);
        }
        assert!(reader.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_packets_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut reader = PacketReader::new();
            reader.buffer.extend_from_slice(&bytes);
            let mut handed_out = 0;
            while let Ok(Some(packet)) = reader.packet() {
                handed_out += HEADER_BYTES + packet.len();
            }
            prop_assert!(handed_out <= bytes.len());
        }
    }
}
