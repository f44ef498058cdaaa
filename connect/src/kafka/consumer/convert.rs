//! From librdkafka's types to ours.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rdkafka::error::KafkaError as RdKafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::{ConsumerError, KafkaOffset, LSN_HEADER, Record, TopicPartition};

/// The committed offsets, and the beginning where there is none.
pub(super) fn start_offsets(
    committed: &TopicPartitionList,
) -> Result<TopicPartitionList, RdKafkaError> {
    let mut start = TopicPartitionList::with_capacity(committed.count());
    for element in committed.elements() {
        element.error()?;
        let offset = match element.offset() {
            Offset::Offset(offset) => Offset::Offset(offset),
            Offset::Beginning
            | Offset::End
            | Offset::Stored
            | Offset::Invalid
            | Offset::OffsetTail(_) => Offset::Beginning,
        };
        start.add_partition_offset(element.topic(), element.partition(), offset)?;
    }
    Ok(start)
}

/// Copies a record out of librdkafka's memory: key and value in one allocation.
pub(super) fn own(message: &BorrowedMessage<'_>, topic: Arc<str>) -> Result<Record, ConsumerError> {
    let mut bytes = BytesMut::with_capacity(message.key_len() + message.payload_len());
    let mut copy = |part: Option<&[u8]>| -> Option<Bytes> {
        bytes.extend_from_slice(part?);
        Some(bytes.split().freeze())
    };
    let (key, value) = (copy(message.key()), copy(message.payload()));
    let partition = TopicPartition { topic, partition: message.partition() };
    let offset = KafkaOffset(message.offset());
    let lsn = match header(message) {
        None => None,
        Some(text) => {
            Some(str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
                ConsumerError::InvalidLsn {
                    topic: partition.topic.to_string(),
                    partition: partition.partition,
                    offset,
                }
            })?)
        }
    };
    Ok(Record { partition, offset, key, value, lsn })
}

fn header<'m>(message: &'m BorrowedMessage<'_>) -> Option<&'m [u8]> {
    let headers = message.headers()?;
    headers.iter().find(|header| header.key == LSN_HEADER)?.value
}

pub(super) fn names(partitions: &TopicPartitionList) -> Vec<TopicPartition> {
    let elements = partitions.elements();
    let names = elements.iter().map(|element| TopicPartition {
        topic: element.topic().into(),
        partition: element.partition(),
    });
    names.collect()
}

pub(super) fn list(partitions: &[TopicPartition]) -> String {
    let names = partitions.iter().map(|p| format!("{}/{}", p.topic, p.partition));
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_without_a_committed_offset_start_at_the_beginning() {
        let mut committed = TopicPartitionList::new();
        committed.add_partition_offset("t", 0, Offset::Invalid).unwrap();
        committed.add_partition_offset("t", 1, Offset::Offset(7)).unwrap();

        let start = start_offsets(&committed).unwrap();

        let offsets: Vec<_> = start
            .elements()
            .iter()
            .map(rdkafka::topic_partition_list::TopicPartitionListElem::offset)
            .collect();
        assert_eq!(offsets, [Offset::Beginning, Offset::Offset(7)]);
    }
}
