//! Letters go back: each record once more to its topic, and in the same transaction a marker that
//! says so. So a letter is sent back once, whatever is killed in between.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rdkafka::Message;
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::scan::{partitions, read_from};
use super::{
    KafkaError, Letter, LetterPlace, LetterState, Letters, LettersError, REDRIVEN_HEADER,
    RecordPlace, original, reader,
};
use crate::config::KAFKA_REQUEST_TIMEOUT;
use crate::kafka::client_config;
use crate::kafka::log::LogContext;

/// Records and bytes of one transaction: our choice, seconds of work.
const TRANSACTION_RECORDS: usize = 1_000;
const TRANSACTION_BYTES: usize = 16 << 20;
/// The largest record that librdkafka sends. What the topic takes, the broker says.
const MESSAGE_MAX_BYTES: &str = "1000000000";

/// Which letters go back.
#[derive(Debug, Clone)]
pub enum Selection {
    /// All that may, of this connector if one is named.
    All(Option<String>),
    /// These, or none if one of them must not.
    Places(Vec<LetterPlace>),
}

/// What is to be sent back.
#[derive(Debug, Clone)]
pub struct Redrive {
    /// Which letters.
    pub selection: Selection,
    /// Also those that are healed or were sent back before.
    pub force: bool,
    /// Also those without an Lsn, whose version is their offset: the new one is the highest, and
    /// what was written to the document in the meantime is overwritten.
    pub unsafe_allow_overwrite: bool,
}

/// What was sent back.
#[derive(Debug, Clone, Default)]
pub struct Redriven {
    /// The letters whose records were written.
    pub written: Vec<Letter>,
    /// Those that were left, and why.
    pub left: Vec<(Letter, &'static str)>,
}

/// Blocks its thread.
pub(super) fn run(letters: &Letters, redrive: &Redrive) -> Result<Redriven, LettersError> {
    let failed = |error| letters.failed("send dead letters back", error);
    let producer = producer(letters).map_err(failed)?;
    // First of all: whoever did this before us cannot commit any more, so what is read is the end.
    producer.init_transactions(KAFKA_REQUEST_TIMEOUT).map_err(failed)?;
    let known = letters.scan()?.into_letters();
    let Redriven { written: selected, left } = select(&letters.topic, known, redrive)?;
    let consumer = reader(&letters.worker.kafka).map_err(failed)?;
    let mut places = HashMap::new();
    let mut starts = BTreeMap::new();
    for letter in &selected {
        let Some(origin) = letter.origin.clone() else { continue };
        let start = starts.entry(letter.place.partition).or_insert(letter.place.offset);
        *start = letter.place.offset.min(*start);
        places.insert(letter.place, origin);
    }
    check_partitions(places.values(), |topic| partitions(&consumer, topic).map_err(failed))?;
    let mut sender = Sender { topic: &letters.topic, producer, records: 0, bytes: 0 };
    let sent = read_from(&consumer, &letters.topic, &starts, |message| {
        let place = LetterPlace { partition: message.partition(), offset: message.offset() };
        if let Some(origin) = places.remove(&place) {
            sender.send(message, &origin)?;
        }
        Ok(!places.is_empty())
    });
    sent.and_then(|()| sender.commit()).map_err(|error| {
        // The broker would do it too, a minute later.
        drop(sender.producer.abort_transaction(KAFKA_REQUEST_TIMEOUT));
        failed(error)
    })?;
    // Expired between the two reads.
    let (gone, written) = selected.into_iter().partition(|it| places.contains_key(&it.place));
    let gone: Vec<Letter> = gone;
    let gone = gone.into_iter().map(|letter| (letter, "it is not in its topic any more"));
    Ok(Redriven { written, left: left.into_iter().chain(gone).collect() })
}

/// What would be written, and what would be left.
fn select(topic: &str, known: Vec<Letter>, redrive: &Redrive) -> Result<Redriven, LettersError> {
    let mut answer = Redriven::default();
    match &redrive.selection {
        Selection::All(connector) => {
            let is_meant = |letter: &Letter| match connector {
                Some(_) => letter.connector == *connector,
                None => true,
            };
            for letter in known.into_iter().filter(is_meant) {
                match objection(&letter, redrive) {
                    None => answer.written.push(letter),
                    Some(why) => answer.left.push((letter, why)),
                }
            }
        }
        Selection::Places(places) => {
            let mut known: HashMap<_, _> = known.into_iter().map(|it| (it.place, it)).collect();
            for place in places {
                let none = || LettersError::NoLetter { topic: topic.to_owned(), place: *place };
                let letter = known.remove(place).ok_or_else(none)?;
                if let Some(why) = objection(&letter, redrive) {
                    return Err(LettersError::Refused { place: *place, why });
                }
                answer.written.push(letter);
            }
        }
    }
    Ok(answer)
}

/// Why a letter must not go back.
fn objection(letter: &Letter, redrive: &Redrive) -> Option<&'static str> {
    if letter.origin.is_none() {
        return Some(
            "it does not say where it is from; set \
             `errors.deadletterqueue.context.headers.enable` for later ones",
        );
    }
    match letter.state {
        LetterState::Healed if !redrive.force => {
            return Some("it is healed, a later version is indexed; --force sends it all the same");
        }
        LetterState::Redriven if !redrive.force => {
            return Some("it was sent back before; --force does it again");
        }
        LetterState::Open | LetterState::Healed | LetterState::Redriven => {}
    }
    if letter.lsn.is_none() && !redrive.unsafe_allow_overwrite {
        return Some(
            "it has no Lsn, so it would overwrite what came later; \
             --unsafe-allow-overwrite sends it all the same",
        );
    }
    None
}

fn check_partitions<'a>(
    origins: impl Iterator<Item = &'a RecordPlace>,
    mut partitions: impl FnMut(&str) -> Result<Vec<i32>, KafkaError>,
) -> Result<(), LettersError> {
    let mut known: HashMap<String, Vec<i32>> = HashMap::new();
    for origin in origins {
        let (topic, partition) = (origin.partition.topic.to_string(), origin.partition.partition);
        if !known.contains_key(&topic) {
            known.insert(topic.clone(), partitions(&topic)?);
        }
        if !known.get(&topic).is_some_and(|found| found.contains(&partition)) {
            return Err(LettersError::NoPartition { topic, partition });
        }
    }
    Ok(())
}

fn producer(letters: &Letters) -> Result<BaseProducer<LogContext>, RdKafkaError> {
    let Letters { worker, topic } = letters;
    let id = format!("{}-dlq-{topic}", worker.group_id);
    client_config(&id, &worker.kafka)
        .set("transactional.id", &id)
        .set("allow.auto.create.topics", "false")
        .set("message.max.bytes", MESSAGE_MAX_BYTES)
        .create_with_context(LogContext)
}

/// Writes records and their markers, and commits now and then.
struct Sender<'a> {
    topic: &'a str,
    producer: BaseProducer<LogContext>,
    records: usize,
    bytes: usize,
}

impl Sender<'_> {
    fn send(
        &mut self,
        letter: &BorrowedMessage<'_>,
        origin: &RecordPlace,
    ) -> Result<(), RdKafkaError> {
        if self.records == 0 {
            self.producer.begin_transaction()?;
        }
        let letter = letter.detach();
        let mut headers = OwnedHeaders::new();
        for (key, value) in original(&letter) {
            headers = headers.insert(Header { key: &key, value: value.as_deref() });
        }
        let mut record = BaseRecord::<[u8], [u8]>::to(&origin.partition.topic)
            .partition(origin.partition.partition)
            .headers(headers);
        (record.key, record.payload) = (letter.key(), letter.payload());
        record.timestamp = letter.timestamp().to_millis();
        self.enqueue(record)?;
        let place = origin.to_string();
        let header = Header { key: REDRIVEN_HEADER, value: Some(place.as_bytes()) };
        let mut marker = BaseRecord::<[u8], [u8]>::to(self.topic)
            .partition(letter.partition())
            .headers(OwnedHeaders::new().insert(header));
        marker.key = letter.key();
        self.enqueue(marker)?;
        self.records += 1;
        self.bytes = self.bytes.saturating_add(letter.payload().map_or(0, <[u8]>::len));
        if self.records >= TRANSACTION_RECORDS || self.bytes >= TRANSACTION_BYTES {
            self.commit()?;
        }
        Ok(())
    }

    fn enqueue(&self, mut record: BaseRecord<'_, [u8], [u8]>) -> Result<(), RdKafkaError> {
        // Each poll makes room or fails the records that wait, after their own timeout.
        while let Err((error, refused)) = self.producer.send(record) {
            if error.rdkafka_error_code() != Some(Code::QueueFull) {
                return Err(error);
            }
            self.producer.poll(Duration::from_millis(100));
            record = refused;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), RdKafkaError> {
        if self.records > 0 {
            self.producer.commit_transaction(KAFKA_REQUEST_TIMEOUT)?;
            (self.records, self.bytes) = (0, 0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::consumer::{KafkaOffset, TopicPartition};

    fn letter(offset: i64, state: LetterState, lsn: Option<&str>) -> Letter {
        let place = LetterPlace { partition: 0, offset };
        Letter {
            place,
            origin: Some(RecordPlace {
                partition: TopicPartition { topic: "t".into(), partition: 0 },
                offset: KafkaOffset(offset),
            }),
            connector: Some("sink".to_owned()),
            index: None,
            id: None,
            error: None,
            lsn: lsn.map(str::to_owned),
            timestamp_ms: None,
            state,
        }
    }

    fn letters() -> Vec<Letter> {
        let no_origin = Letter { origin: None, ..letter(4, LetterState::Open, Some("1")) };
        let other = Letter { connector: None, ..letter(5, LetterState::Open, Some("1")) };
        vec![
            letter(0, LetterState::Open, Some("1")),
            letter(1, LetterState::Healed, Some("1")),
            letter(2, LetterState::Redriven, Some("1")),
            letter(3, LetterState::Open, None),
            no_origin,
            other,
        ]
    }

    fn offsets(redrive: &Redrive) -> (Vec<i64>, usize) {
        let answer = select("dlq", letters(), redrive).unwrap();
        (answer.written.iter().map(|it| it.place.offset).collect(), answer.left.len())
    }

    #[test]
    fn all_are_those_that_may_go_back_without_harm() {
        let mut redrive = Redrive {
            selection: Selection::All(None),
            force: false,
            unsafe_allow_overwrite: false,
        };
        assert_eq!(offsets(&redrive), (vec![0, 5], 4));
        redrive.selection = Selection::All(Some("sink".to_owned()));
        assert_eq!(offsets(&redrive), (vec![0], 4));
        redrive.force = true;
        assert_eq!(offsets(&redrive), (vec![0, 1, 2], 2));
        redrive.unsafe_allow_overwrite = true;
        assert_eq!(offsets(&redrive), (vec![0, 1, 2, 3], 1));
    }

    #[test]
    fn one_that_must_not_go_back_keeps_all_others_that_are_named() {
        let place = |offset| LetterPlace { partition: 0, offset };
        for (offset, told) in [(1, "it is healed"), (2, "before"), (3, "no Lsn"), (4, "from")] {
            let redrive = Redrive {
                selection: Selection::Places(vec![place(0), place(offset)]),
                force: false,
                unsafe_allow_overwrite: false,
            };
            let error = select("dlq", letters(), &redrive).unwrap_err().to_string();
            assert!(error.starts_with(&format!("dead letter 0@{offset} ")), "{error}");
            assert!(error.contains(told), "{error}");
        }
    }
}
