//! What stands before and behind an event's body.

/// The header of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Seconds since 1970.
    pub(crate) timestamp: u32,
    pub(crate) kind: u8,
    /// `server_id` of the server that logged it first.
    pub(crate) server_id: u32,
    /// Of the whole event.
    pub(crate) size: u32,
    /// Where the event ends, the lower 32 bits.
    pub(crate) log_pos: u32,
    flags: u16,
}

/// `LOG_EVENT_ARTIFICIAL_F`: made for the stream, not in the file.
const ARTIFICIAL: u16 = 0x20;

/// `LOG_EVENT_IGNORABLE_F`: who does not know the type may pass it over.
const IGNORABLE: u16 = 0x80;

/// `LOG_EVENT_BINLOG_IN_USE_F` in a format description: the file is being written. It is not part
/// of the checksum.
const IN_USE: u8 = 0x01;

/// Where the flags begin.
const FLAGS_AT: usize = 17;

/// Length of a CRC-32.
pub(super) const CHECKSUM_BYTES: usize = 4;

impl Header {
    pub(crate) const BYTES: usize = 19;

    /// Time 4, type 1, server 4, size 4, position 4, flags 2.
    #[inline]
    pub(crate) fn read(event: &[u8]) -> Option<Self> {
        let [t0, t1, t2, t3, kind, s0, s1, s2, s3, z0, z1, z2, z3, p0, p1, p2, p3, f0, f1] =
            *event.first_chunk::<{ Self::BYTES }>()?;
        Some(Self {
            timestamp: u32::from_le_bytes([t0, t1, t2, t3]),
            kind,
            server_id: u32::from_le_bytes([s0, s1, s2, s3]),
            size: u32::from_le_bytes([z0, z1, z2, z3]),
            log_pos: u32::from_le_bytes([p0, p1, p2, p3]),
            flags: u16::from_le_bytes([f0, f1]),
        })
    }

    /// Whether it may be passed over if its type is not known.
    pub(crate) fn is_ignorable(&self) -> bool {
        self.flags & IGNORABLE != 0
    }

    /// Whether it is of the stream only.
    pub(super) fn is_artificial(&self) -> bool {
        self.flags & ARTIFICIAL != 0 || self.log_pos == 0
    }
}

/// Whether the last four bytes of an event are the CRC-32 of the others.
pub(super) fn has_right_checksum(event: &[u8], mut sum: crc32fast::Hasher) -> bool {
    let Some((checked, checksum)) = event.split_last_chunk::<CHECKSUM_BYTES>() else {
        return false;
    };
    match (Header::read(checked), checked.split_at_checked(FLAGS_AT)) {
        (Some(Header { kind: super::event::kind::FORMAT_DESCRIPTION, .. }), Some((head, rest))) => {
            let (flags, body) = rest.split_first().unwrap_or((&0, rest));
            sum.update(head);
            sum.update(&[flags & !IN_USE]);
            sum.update(body);
        }
        (Some(_) | None, _) => sum.update(checked),
    }
    sum.finalize().to_le_bytes() == *checksum
}

/// Whether the events behind a format description have checksums. Its body ends with a byte that
/// says so and, on every server that has this byte, its own checksum.
pub(super) fn announces_checksums(body_with_checksum: &[u8]) -> Option<bool> {
    const NONE: u8 = 0;
    const CRC32: u8 = 1;
    let (body, _) = body_with_checksum.split_last_chunk::<CHECKSUM_BYTES>()?;
    match *body.last()? {
        NONE => Some(false),
        CRC32 => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_a_format_description_is_that_of_a_closed_file() {
        let mut event = vec![7; 60];
        event[4] = super::super::event::kind::FORMAT_DESCRIPTION;
        event[FLAGS_AT] = 0;
        let sum = crc32fast::hash(&event).to_le_bytes();
        event.extend(sum);
        assert!(has_right_checksum(&event, crc32fast::Hasher::new()));
        event[FLAGS_AT] = IN_USE;
        assert!(has_right_checksum(&event, crc32fast::Hasher::new()));

        event[4] = super::super::event::kind::QUERY;

        assert!(!has_right_checksum(&event, crc32fast::Hasher::new()));
    }

    #[test]
    fn an_event_shorter_than_its_header_is_none() {
        assert_eq!(Header::read(&[0; Header::BYTES - 1]), None);
        assert!(!has_right_checksum(&[1, 2, 3], crc32fast::Hasher::new()));
    }
}
