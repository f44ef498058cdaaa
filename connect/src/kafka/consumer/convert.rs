//! From librdkafka's types to ours.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rdkafka::error::KafkaError as RdKafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::{ConsumerError, KafkaOffset, Record, RecordMeta, TopicPartition};
use crate::kafka::batch::{CONTROL_HEADER, LSN_HEADER, SWEEP_HEADER, TABLE_HEADER};
use crate::kafka::control::Control;

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

/// How much is allocated at once for records; more for one that is larger.
const CHUNK_BYTES: usize = 64 << 10;

/// Copies a record out of librdkafka's memory, to the end of `bytes`. Records of a batch live about
/// as long as each other, so many share one allocation.
pub(super) fn own(
    message: &BorrowedMessage<'_>,
    (topic, with_headers): (Arc<str>, bool),
    bytes: &mut BytesMut,
) -> Result<Record, ConsumerError> {
    let length = message.key_len() + message.payload_len();
    if bytes.capacity() < length {
        *bytes = BytesMut::with_capacity(length.max(CHUNK_BYTES));
    }
    let mut copy = |part: Option<&[u8]>| -> Option<Bytes> {
        bytes.extend_from_slice(part?);
        Some(bytes.split().freeze())
    };
    let (key, value) = (copy(message.key()), copy(message.payload()));
    let partition = TopicPartition { topic, partition: message.partition() };
    let offset = KafkaOffset(message.offset());
    let headers = OurHeaders::of(message);
    let lsn = match headers.lsn {
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
    let control = match headers.control {
        None => None,
        Some(kind) => {
            Some(Control::parse(kind, headers.table, headers.before).map_err(|problem| {
                ConsumerError::Control {
                    topic: partition.topic.to_string(),
                    partition: partition.partition,
                    offset,
                    problem,
                }
            })?)
        }
    };
    let timestamp = message.timestamp().to_millis();
    let headers = if with_headers { all_headers(message) } else { Box::default() };
    let meta = RecordMeta { timestamp, headers, routed_from: None };
    Ok(Record { partition, offset, key, value, lsn, control, meta })
}

/// The headers of a record that mean something here.
#[derive(Default)]
struct OurHeaders<'m> {
    lsn: Option<&'m [u8]>,
    control: Option<&'m [u8]>,
    table: Option<&'m [u8]>,
    before: Option<&'m [u8]>,
}

impl<'m> OurHeaders<'m> {
    fn of(message: &'m BorrowedMessage<'_>) -> Self {
        let mut ours = Self::default();
        for header in message.headers().into_iter().flat_map(Headers::iter) {
            match header.key {
                LSN_HEADER => ours.lsn = header.value,
                CONTROL_HEADER => ours.control = header.value.or(Some(&[])),
                TABLE_HEADER => ours.table = header.value,
                SWEEP_HEADER => ours.before = header.value,
                _ => {}
            }
        }
        ours
    }
}

fn all_headers(message: &BorrowedMessage<'_>) -> Box<[(Box<str>, Option<Bytes>)]> {
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    headers.map(|header| (header.key.into(), header.value.map(Bytes::copy_from_slice))).collect()
}

pub(super) fn names(partitions: &TopicPartitionList) -> Vec<TopicPartition> {
    let elements = partitions.elements();
    let names = elements.iter().map(|element| TopicPartition {
        topic: element.topic().into(),
        partition: element.partition(),
    });
    names.collect()
}

/// Those that do not begin at their first record.
pub(super) fn names_with_offset(partitions: &TopicPartitionList) -> Vec<TopicPartition> {
    let begun = names(partitions).into_iter().zip(partitions.elements());
    let begun = begun.filter(|(_, element)| matches!(element.offset(), Offset::Offset(1..)));
    begun.map(|(name, _)| name).collect()
}

pub(super) fn partition_list(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(&partition.topic, partition.partition);
    }
    list
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
