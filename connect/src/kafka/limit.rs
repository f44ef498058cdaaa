//! How large a record may be.

use std::collections::BTreeMap;

/// `message.max.bytes` of our producer unless the user says otherwise.
const MESSAGE_MAX_BYTES_DEFAULT: usize = 10 << 20;

/// What a record takes beside its key, its value and its headers: lengths, and the head of the
/// batch that it is in (61 bytes), rounded up.
const OVERHEAD_BYTES: usize = 256;

/// The largest record that a topic takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordLimit {
    bytes: usize,
    setting: &'static str,
}

/// A record that is larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a record of {bytes} bytes is larger than the {limit} of {setting}; raise it, choose another `record.too.large`, or exclude the large column"
)]
pub struct RecordTooLarge {
    bytes: usize,
    limit: usize,
    setting: &'static str,
}

impl RecordTooLarge {
    /// The bytes of the record's key and value.
    #[must_use]
    pub fn bytes(self) -> usize {
        self.bytes
    }

    /// The limit that it exceeds.
    #[must_use]
    pub fn limit(self) -> usize {
        self.limit
    }
}

impl RecordLimit {
    /// Of records that are not sent as they are.
    pub const NONE: Self = Self { bytes: usize::MAX, setting: "nothing" };

    /// The producer's property.
    pub(super) const PROPERTY: &str = "message.max.bytes";

    /// The topic's setting.
    pub(super) const TOPIC_SETTING: &str = "max.message.bytes";

    /// That of our producer, by the properties of its client.
    #[must_use]
    pub fn of_producer(properties: &BTreeMap<String, String>) -> Self {
        let given = properties.get(Self::PROPERTY).and_then(|bytes| bytes.parse().ok());
        let bytes = given.unwrap_or(MESSAGE_MAX_BYTES_DEFAULT);
        Self { bytes, setting: "`kafka: message.max.bytes`" }
    }

    /// The smaller one of this limit and that of a topic.
    pub(super) fn and_of_topic(self, bytes: usize) -> Self {
        if bytes < self.bytes {
            Self { bytes, setting: "the topic's `max.message.bytes`" }
        } else {
            self
        }
    }

    /// Its bytes.
    pub(super) fn bytes(self) -> usize {
        self.bytes
    }

    /// The most bytes of a record's key and value.
    #[must_use]
    pub fn room(self) -> usize {
        self.bytes.saturating_sub(OVERHEAD_BYTES)
    }

    /// Looks at the size of a record's key, value and headers.
    ///
    /// Compressed, the record could be smaller than a topic's limit, but nobody knows before.
    ///
    /// # Errors
    ///
    /// Returns [`RecordTooLarge`] when the producer or the broker would refuse the record.
    pub fn check(self, bytes: usize) -> Result<(), RecordTooLarge> {
        let Self { bytes: limit, setting } = self;
        if bytes.saturating_add(OVERHEAD_BYTES) > limit {
            return Err(RecordTooLarge { bytes, limit, setting });
        }
        Ok(())
    }
}

impl Default for RecordLimit {
    fn default() -> Self {
        Self::of_producer(&BTreeMap::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_limit_decides_and_is_named() {
        let given = [("message.max.bytes".to_owned(), "5000".to_owned())].into();
        let producer = RecordLimit::of_producer(&given);
        let topic = producer.and_of_topic(3000);

        assert_eq!(producer.check(4744), Ok(()));
        assert!(producer.check(4745).unwrap_err().to_string().contains("of `kafka: message.max"));
        assert_eq!(topic.check(2744), Ok(()));
        assert_eq!(
            topic.check(2745).unwrap_err().to_string(),
            "a record of 2745 bytes is larger than the 3000 of the topic's `max.message.bytes`; \
             raise it, choose another `record.too.large`, or exclude the large column"
        );
        assert_eq!(producer.and_of_topic(9000), producer);
        assert!(RecordLimit::default().check(usize::MAX).is_err());
    }
}
