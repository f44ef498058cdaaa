//! Which topics a task works with, as Kafka Connect's topic tracking has it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The topics that a task has written records to, or has had records from, since it was made or they
/// were forgotten. There are no more of them than topics in Kafka.
#[derive(Debug, Clone, Default)]
pub struct ActiveTopics(Arc<Mutex<BTreeSet<String>>>);

impl ActiveTopics {
    /// Adds the topics of a few records, in their order: neighbours are mostly of one.
    pub(crate) fn mark<'a>(&self, topics: impl IntoIterator<Item = &'a str>) {
        let mut last = None;
        for topic in topics {
            if last == Some(topic) {
                continue;
            }
            last = Some(topic);
            let mut names = self.lock();
            if !names.contains(topic) {
                names.insert(topic.to_owned());
            }
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> BTreeSet<String> {
        self.lock().clone()
    }

    /// Looks at each of them.
    pub(crate) fn visit(&self, look: impl FnMut(&str)) {
        self.lock().iter().map(String::as_str).for_each(look);
    }

    /// Forgets one, until there is another record of it.
    pub(crate) fn forget(&self, topic: &str) {
        self.lock().remove(topic);
    }

    /// Forgets all.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// A set is whole even after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_was_forgotten_comes_back_with_its_next_record() {
        let (topics, ours) = (ActiveTopics::default(), ActiveTopics::default());
        let same = topics.clone();
        topics.mark(["b", "a", "a", "b"]);
        topics.forget("b");

        assert_eq!(same.all(), ["a".to_owned()].into());
        same.mark(["b"]);
        assert_eq!(topics.all().len(), 2);
        assert!(ours.all().is_empty());
    }
}
