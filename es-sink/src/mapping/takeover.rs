//! Topics that rowcast has taken over from another source: first come records without an Lsn, whose
//! versions are their Kafka offsets, then records with one.
//!
//! An Lsn is greater than any offset, so documents of both kinds go well together in this order: what
//! comes later has the greater version, and an old record that is read again is void. In the other
//! order every later record would be void, and nobody would know. So an index remembers
//! (`taken_over` in `_meta`) where each partition's first record with an Lsn is, and what comes behind
//! that without one is refused. Two tasks that write it down at the same moment may lose one of two
//! notes; the next start makes it again, at its first record with an Lsn.

use std::collections::BTreeMap;
use std::sync::Arc;

use connect::kafka::consumer::{KafkaOffset, Record, TopicPartition};
use serde_json::{Map, Value, json};

use super::mark::{KEY, TAKEN_OVER, VersionKind, with_note};
use super::{Indices, Prepared};
use crate::error::SinkError;

/// Where the first record with an Lsn of each partition is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TakenOver(BTreeMap<TopicPartition, KafkaOffset>);

/// What becomes of a record in an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fits,
    /// It is the first of its partition that has an Lsn, in an index that has offsets too.
    First,
    Refused,
}

impl TakenOver {
    /// What an index says; `None` if all of its documents have versions of one kind.
    pub(super) fn of(meta: &Map<String, Value>) -> Option<Self> {
        let noted = meta.get(KEY)?.get(TAKEN_OVER)?.as_object()?;
        let entry = |(name, offset): (&String, &Value)| {
            let (topic, partition) = name.rsplit_once('/')?;
            let place = TopicPartition { topic: topic.into(), partition: partition.parse().ok()? };
            Some((place, KafkaOffset(offset.as_i64()?)))
        };
        Some(Self(noted.iter().filter_map(entry).collect()))
    }

    fn to_json(&self) -> Value {
        let entry = |(place, offset): (&TopicPartition, &KafkaOffset)| {
            (format!("{}/{}", place.topic, place.partition), json!(offset.0))
        };
        Value::Object(self.0.iter().map(entry).collect())
    }

    fn judge(&self, kind: VersionKind, record: &Record) -> Verdict {
        match (kind, self.0.get(&record.partition)) {
            (VersionKind::Lsn, Some(_)) | (VersionKind::Offset, None) => Verdict::Fits,
            (VersionKind::Lsn, None) => Verdict::First,
            (VersionKind::Offset, Some(first)) if record.offset < *first => Verdict::Fits,
            (VersionKind::Offset, Some(_)) => Verdict::Refused,
        }
    }
}

impl Prepared {
    fn judge(&self, kind: VersionKind, record: &Record) -> Verdict {
        match &self.taken_over {
            _ if !self.mark.is_of(&record.partition.topic) => Verdict::Refused,
            Some(taken_over) => taken_over.judge(kind, record),
            None => match (self.mark.versions, kind) {
                (VersionKind::Lsn, VersionKind::Lsn)
                | (VersionKind::Offset, VersionKind::Offset) => Verdict::Fits,
                (VersionKind::Offset, VersionKind::Lsn) => Verdict::First,
                (VersionKind::Lsn, VersionKind::Offset) => Verdict::Refused,
            },
        }
    }
}

impl Indices {
    /// Checks that a record may be in an index that has documents like it, or of the source that was
    /// before. An index that was not prepared with fields yet, because its first record is a
    /// tombstone, is prepared without.
    pub(crate) async fn expect(
        &mut self,
        index: &Arc<str>,
        kind: VersionKind,
        record: &Record,
    ) -> Result<(), SinkError> {
        let topic = &record.partition.topic;
        if !self.prepared.contains_key(index) {
            self.prepare(index, &[], kind, topic).await?;
        }
        let Some(known) = self.prepared.get(index) else { return Ok(()) };
        match known.judge(kind, record) {
            Verdict::Fits => Ok(()),
            Verdict::First => self.begin_lsns(index, record).await,
            Verdict::Refused => known.mark.refuse(index, &self.mark(kind, topic), topic),
        }
    }

    /// Writes down where the first record with an Lsn is, before it is sent.
    async fn begin_lsns(&mut self, index: &Arc<str>, record: &Record) -> Result<(), SinkError> {
        let TopicPartition { topic, partition } = &record.partition;
        self.prepare(index, &[], VersionKind::Lsn, topic).await?;
        let state = self.read(index).await?;
        let known = state.as_ref().and_then(|state| TakenOver::of(&state.meta));
        // Of one that is gone since, its next record tells.
        let (Some(state), Some(mut taken_over)) = (state, known) else { return Ok(()) };
        let first = taken_over.0.entry(record.partition.clone()).or_insert(record.offset);
        tracing::info!(
            index = &**index,
            topic = &**topic,
            partition,
            kafka_offset = first.0,
            "records have an lsn from here on: another source has written those before"
        );
        let meta = with_note(&state.meta, TAKEN_OVER, taken_over.to_json());
        let action = "note the takeover in";
        let path = format!("/{}/_mapping", state.name);
        let answer = self.put(path, &json!({ "_meta": meta }), action, index).await?;
        if answer.status != 200 {
            return Err(self.client.refusal(&answer, action, index));
        }
        if let Some(prepared) = self.prepared.get_mut(index) {
            prepared.taken_over = Some(taken_over);
        }
        Ok(())
    }
}
