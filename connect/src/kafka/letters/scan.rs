//! Reads a topic of dead letters from its beginning to its end, without values.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::numbers::Numbers;
use super::{
    CONTEXT, ERROR_HEADER, HEALED_HEADER, ID_HEADER, INDEX_HEADER, KafkaOffset, LSN_HEADER, Letter,
    LetterPlace, LetterState, REDRIVEN_HEADER, RecordPlace, TopicPartition, headers, reader,
};
use crate::config::{KAFKA_REQUEST_TIMEOUT, WorkerConfig};
use crate::kafka::log::LogContext;

/// Letters that are kept at most, some 50 MB: our choice.
const LETTERS_MAX: usize = 100_000;
/// Longest text of a header that is kept.
const TEXT_MAX_BYTES: usize = 1_000;
/// Longest time without any record. An end of partition is an answer too.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What a topic says about its letters.
#[derive(Debug, Default)]
pub(super) struct Found {
    letters: BTreeMap<LetterPlace, Letter>,
    healed: HashSet<String>,
    redriven: HashSet<String>,
}

impl Found {
    /// Takes one record. `number` looks for an Lsn in its value.
    pub(super) fn note(
        &mut self,
        place: LetterPlace,
        timestamp_ms: Option<i64>,
        headers: &[(String, Option<Vec<u8>>)],
        number: impl FnOnce() -> Option<String>,
    ) {
        let mut is_marker = false;
        for (key, value) in headers {
            let marked = match key.as_str() {
                HEALED_HEADER => &mut self.healed,
                REDRIVEN_HEADER => &mut self.redriven,
                _ => continue,
            };
            is_marker = true;
            marked.extend(value.as_deref().map(text));
        }
        if is_marker {
            return;
        }
        let found = |name: &str| {
            let (_, value) = headers.iter().rev().find(|(key, _)| key == name)?;
            value.as_deref().map(text)
        };
        let context = |name: &str| found(&format!("{CONTEXT}{name}"));
        let letter = Letter {
            place,
            origin: origin(&context),
            connector: context("connector.name"),
            index: found(INDEX_HEADER),
            id: found(ID_HEADER),
            error: found(ERROR_HEADER).or_else(|| context("exception.message")),
            lsn: found(LSN_HEADER).or_else(number),
            timestamp_ms,
            state: LetterState::Open,
        };
        self.letters.insert(place, letter);
        if self.letters.len() > LETTERS_MAX {
            self.letters.pop_first();
        }
    }

    /// The letters, each with what has become of it.
    pub(super) fn into_letters(self) -> Vec<Letter> {
        let Self { letters, healed, redriven } = self;
        let state = |letter: &Letter| match letter.origin.as_ref().map(ToString::to_string) {
            Some(origin) if healed.contains(&origin) => LetterState::Healed,
            Some(origin) if redriven.contains(&origin) => LetterState::Redriven,
            Some(_) | None => LetterState::Open,
        };
        let known = |letter: Letter| Letter { state: state(&letter), ..letter };
        letters.into_values().map(known).collect()
    }
}

fn origin(context: &impl Fn(&str) -> Option<String>) -> Option<RecordPlace> {
    let partition = context("partition")?.parse().ok()?;
    let offset = KafkaOffset(context("offset")?.parse().ok()?);
    let partition = TopicPartition { topic: context("topic")?.into(), partition };
    Some(RecordPlace { partition, offset })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..TEXT_MAX_BYTES).unwrap_or(bytes)).into_owned()
}

/// Blocks its thread.
pub(super) fn read(worker: &WorkerConfig, topic: &str) -> Result<Found, RdKafkaError> {
    let (mut found, mut numbers) = (Found::default(), Numbers::new(worker));
    let consumer = reader(&worker.kafka)?;
    let mut starts = BTreeMap::new();
    for partition in partitions(&consumer, topic)? {
        let (low, high) = consumer.fetch_watermarks(topic, partition, KAFKA_REQUEST_TIMEOUT)?;
        if high > low {
            starts.insert(partition, low);
        }
    }
    read_from(&consumer, topic, &starts, |message| {
        let place = LetterPlace { partition: message.partition(), offset: message.offset() };
        let number = || numbers.of(message.payload()?);
        found.note(place, message.timestamp().to_millis(), &headers(message), number);
        Ok(true)
    })?;
    Ok(found)
}

/// The partitions of a topic; none if there is no such topic.
pub(super) fn partitions(
    consumer: &BaseConsumer<LogContext>,
    topic: &str,
) -> Result<Vec<i32>, RdKafkaError> {
    crate::kafka::partitions::partitions(consumer.client(), topic)
}

/// Reads some partitions from some offsets to their ends, until `take` has enough.
pub(super) fn read_from(
    consumer: &BaseConsumer<LogContext>,
    topic: &str,
    starts: &BTreeMap<i32, i64>,
    mut take: impl FnMut(&rdkafka::message::BorrowedMessage<'_>) -> Result<bool, RdKafkaError>,
) -> Result<(), RdKafkaError> {
    let mut assignment = TopicPartitionList::new();
    for (partition, offset) in starts {
        assignment.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    consumer.assign(&assignment)?;
    let mut open: HashSet<i32> = starts.keys().copied().collect();
    while !open.is_empty() {
        match consumer.poll(SILENCE_MAX) {
            None => return Err(RdKafkaError::MessageConsumption(Code::OperationTimedOut)),
            Some(Err(RdKafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(error)) => return Err(error),
            Some(Ok(message)) => {
                if !take(&message)? {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Headers = Vec<(String, Option<Vec<u8>>)>;

    fn header(key: &str, value: &str) -> (String, Option<Vec<u8>>) {
        (key.to_owned(), Some(value.as_bytes().to_vec()))
    }

    fn letter(offset: i64) -> Headers {
        vec![
            header("rowcast.lsn", "7"),
            header("__connect.errors.topic", "a/b.c"),
            header("__connect.errors.partition", "3"),
            header("__connect.errors.offset", &offset.to_string()),
            header("__connect.errors.exception.message", "too large"),
        ]
    }

    #[test]
    fn a_letter_is_known_by_its_headers() {
        let mut found = Found::default();
        let place = LetterPlace { partition: 0, offset: 5 };
        let mut headers = letter(41);
        headers.push(header("rowcast.dlq.error", "{}"));
        headers.push(header("rowcast.dlq.index", "orders"));

        found.note(place, Some(1), &headers, || unreachable!("it is in the header"));

        let letters = found.into_letters();
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].origin.as_ref().unwrap().to_string(), "a/b.c/3@41");
        assert_eq!(
            (letters[0].lsn.as_deref(), letters[0].error.as_deref()),
            (Some("7"), Some("{}"))
        );
        assert_eq!(
            (place.to_string().parse(), "x".parse::<LetterPlace>().is_ok()),
            (Ok(place), false)
        );
    }

    #[test]
    fn a_letter_without_context_is_open_for_ever() {
        let mut found = Found::default();
        found.note(LetterPlace { partition: 0, offset: 0 }, None, &[header("other", "x")], || None);

        let letters = found.into_letters();

        assert_eq!((letters[0].origin.as_ref(), letters[0].state), (None, LetterState::Open));
    }

    proptest! {
        /// In whichever order letters and markers are read, and however often each comes.
        #[test]
        fn a_marker_holds_for_all_letters_of_its_record(
            letters in prop::collection::vec(0_i64..6, 0..10),
            marks in prop::collection::vec((0_i64..6, any::<bool>()), 0..6),
            seed in any::<u64>(),
        ) {
            let marker = |(of, heals): &(i64, bool)| {
                let key = if *heals { HEALED_HEADER } else { REDRIVEN_HEADER };
                vec![header(key, &format!("a/b.c/3@{of}"))]
            };
            let mut records: Vec<Headers> =
                letters.iter().map(|of| letter(*of)).chain(marks.iter().map(marker)).collect();
            let turn = usize::try_from(seed % 16).unwrap() % records.len().max(1);
            records.rotate_left(turn);
            let mut found = Found::default();
            for (headers, offset) in records.iter().zip(0..) {
                found.note(LetterPlace { partition: 0, offset }, None, headers, || None);
            }

            let known = found.into_letters();

            prop_assert_eq!(known.len(), letters.len());
            for letter in known {
                let of = letter.origin.unwrap().offset.0;
                let expected = if marks.contains(&(of, true)) {
                    LetterState::Healed
                } else if marks.contains(&(of, false)) {
                    LetterState::Redriven
                } else {
                    LetterState::Open
                };
                prop_assert_eq!(letter.state, expected);
            }
        }
    }
}
