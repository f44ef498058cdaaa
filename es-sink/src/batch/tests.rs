use super::*;
use connect::kafka::consumer::{KafkaOffset, TopicPartition};
use proptest::prelude::*;
use std::collections::BTreeMap;

const ANY: BatchLimits = BatchLimits { actions: usize::MAX, bytes: usize::MAX };

fn origin(offset: usize) -> Origin {
    let partition = TopicPartition { topic: "t".into(), partition: 0 };
    Origin { partition, offset: KafkaOffset(i64::try_from(offset).unwrap()) }
}

fn bytes_of(batch: &Batch) -> usize {
    batch.actions().iter().map(Batch::bytes_of).sum()
}

/// What a step of the property does.
#[derive(Debug, Clone)]
enum Step {
    Push {
        id: u8,
        version: u64,
        is_delete: bool,
    },
    Seal {
        actions: usize,
        bytes: usize,
    },
    /// The oldest request under way ends.
    End,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0_u8..6, 0_u64..40, any::<bool>())
            .prop_map(|(id, version, is_delete)| Step::Push { id, version, is_delete }),
        2 => (1_usize..5, 40_usize..400).prop_map(|(actions, bytes)| Step::Seal { actions, bytes }),
        2 => Just(Step::End),
    ]
}

fn push(pending: &mut Pending, (id, version, is_delete): (u8, u64, bool), offset: usize) {
    let (index, id): (Arc<str>, _) = ("i".into(), id.to_string());
    let body = format!("{{\"v\":{version}}}");
    pending.push(&NewAction {
        index: &index,
        id: &id,
        version: DocVersion(version),
        verb: if is_delete { Verb::Delete } else { Verb::Index },
        line: LineOptions::default(),
        body: if is_delete { b"" } else { body.as_bytes() },
        changed_at: None,
        origin: origin(offset),
    });
}

/// Applies a request as Elasticsearch does, and looks that it says what the actions say.
fn apply(batch: &Batch, index: &mut BTreeMap<String, (u64, bool)>) {
    let places: Vec<usize> = (0..batch.actions().len()).collect();
    let whole = batch.body(&places);
    let mut lines = str::from_utf8(&whole).unwrap().lines();
    for (place, action) in batch.actions().iter().enumerate() {
        let line: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        let (verb, line) = line.as_object().unwrap().iter().next().unwrap();
        assert_eq!(line["_id"], *action.document.id);
        assert_eq!(line["version"], action.version.0);
        let document = (verb == "index").then(|| lines.next().unwrap().to_owned());
        let written = document.clone().unwrap_or_default();
        assert_eq!(batch.document(action), written.as_bytes());
        assert!(batch.body(&[place]).ends_with(&[written.as_bytes(), b"\n"].concat()));
        let entry = index.entry(action.document.id.to_string()).or_default();
        if entry.0 < action.version.0 || *entry == (0, false) {
            *entry = (action.version.0, document.is_some());
        }
    }
    assert_eq!(lines.next(), None);
}

proptest! {
    /// However actions come, are sealed and end: never two on one document under way, none is
    /// lost, each record settles once, and the documents end with their highest versions.
    #[test]
    fn the_highest_version_of_each_document_is_sent_and_every_record_settles(
        steps in prop::collection::vec(any_step(), 0..80),
    ) {
        let (mut pending, mut under_way) = (Pending::default(), std::collections::VecDeque::new());
        let (mut busy, mut index) = (FastSet::default(), BTreeMap::new());
        let (mut model, mut pushed, mut settled) = (BTreeMap::new(), 0, Vec::new());
        let mut end = |batch: Batch, busy: &mut FastSet<DocumentKey>| {
            for action in batch.actions() {
                busy.remove(&action.document);
                settled.extend(action.origins().map(|origin| origin.offset.0));
            }
            apply(&batch, &mut index);
        };
        for step in steps {
            match step {
                Step::Push { id, version, is_delete } => {
                    push(&mut pending, (id, version, is_delete), pushed);
                    pushed += 1;
                    let highest: &mut u64 = model.entry(id.to_string()).or_default();
                    *highest = (*highest).max(version);
                }
                Step::Seal { actions, bytes } => {
                    let Some(batch) = pending.seal(&busy, BatchLimits { actions, bytes }) else {
                        continue;
                    };
                    prop_assert!(batch.actions().len() <= actions);
                    prop_assert!(bytes_of(&batch) <= bytes || batch.actions().len() == 1);
                    for action in batch.actions() {
                        prop_assert!(busy.insert(action.document.clone()), "two under way");
                    }
                    under_way.push_back(batch);
                }
                Step::End => {
                    if let Some(batch) = under_way.pop_front() {
                        end(batch, &mut busy);
                    }
                }
            }
        }
        under_way.into_iter().for_each(|batch| end(batch, &mut busy));
        while let Some(batch) = pending.seal(&busy, ANY) {
            end(batch, &mut busy);
        }

        let versions: BTreeMap<_, _> =
            index.iter().map(|(id, (version, _))| (id.clone(), *version)).collect();
        prop_assert_eq!(versions, model);
        settled.sort_unstable();
        prop_assert_eq!(settled, (0..i64::try_from(pushed).unwrap()).collect::<Vec<_>>());
        prop_assert!(pending.is_empty() && pending.bytes() == 0);
    }
}

#[test]
fn what_waits_is_full_at_each_limit() {
    let mut pending = Pending::default();
    assert!(!pending.is_full(BatchLimits { actions: 1, bytes: 1 }));

    push(&mut pending, (1, 1, false), 0);

    assert!(pending.is_full(BatchLimits { actions: 1, bytes: 10_000 }));
    assert!(!pending.is_full(BatchLimits { actions: 2, bytes: 10_000 }));
    assert!(pending.is_full(BatchLimits { actions: 2, bytes: 50 }));
}

#[test]
fn a_hot_document_takes_no_more_room_and_its_records_have_a_limit() {
    let mut pending = Pending::default();
    for version in 0..RECORDS_MAX {
        assert!(!pending.is_full(BatchLimits { actions: 2, bytes: 1 << 20 }));
        push(&mut pending, (1, version as u64 + 1, false), version);
        assert!(pending.bytes() <= HOLES_MIN + 200);
    }
    assert!(pending.is_full(BatchLimits { actions: 2, bytes: 1 << 20 }));

    let batch = pending.seal(&FastSet::default(), ANY).unwrap();
    assert_eq!(batch.actions().len(), 1);
    assert_eq!(batch.actions()[0].origins().count(), RECORDS_MAX);
    assert_eq!(bytes_of(&batch), batch.body(&[0]).len());
}
