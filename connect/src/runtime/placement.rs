//! Which slot each task runs in: the leader's decision.
//!
//! A slot is a partition of the slots topic, and who has it Kafka's consumer group decides. Tasks go
//! with their slots, so a worker that dies hands its tasks over without the leader. What the leader
//! adds: new tasks go where there is least to do, and no worker has two tasks more than another.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::records::Placement;
use crate::connector::ConnectorName;

/// Places the tasks of all connectors, moving as few as it can. `owners` says who has each slot;
/// tasks in a slot that nobody has stay there, as somebody is about to get it.
pub(crate) fn place(
    tasks: &BTreeMap<ConnectorName, usize>,
    current: &Placement,
    owners: &BTreeMap<i32, Arc<str>>,
) -> Placement {
    let mut plan = Plan::new(owners);
    let mut placement: BTreeMap<&ConnectorName, Vec<Option<i32>>> = BTreeMap::new();
    for (name, count) in tasks {
        let old = current.get(name).map(Vec::as_slice).unwrap_or_default();
        let slots = (0..*count).map(|task| old.get(task).copied()).collect::<Vec<_>>();
        slots.iter().flatten().for_each(|slot| plan.add(*slot));
        placement.insert(name, slots);
    }
    for slot in placement.values_mut().flatten().filter(|slot| slot.is_none()) {
        *slot = plan.take_least();
    }
    while let Some((from, to)) = plan.uneven() {
        let of_busiest =
            placement.values_mut().flatten().find(|slot| slot.is_some_and(|it| from.contains(&it)));
        let Some(slot) = of_busiest else { break };
        slot.iter().for_each(|it| plan.remove(*it));
        plan.add(to);
        *slot = Some(to);
    }
    let placed = |slots: Vec<Option<i32>>| slots.into_iter().map(Option::unwrap_or_default);
    placement.into_iter().map(|(name, slots)| (name.clone(), placed(slots).collect())).collect()
}

/// How many tasks there are in each slot.
struct Plan {
    /// By worker, its slots with their tasks.
    workers: BTreeMap<Arc<str>, BTreeMap<i32, usize>>,
}

impl Plan {
    fn new(owners: &BTreeMap<i32, Arc<str>>) -> Self {
        let mut workers: BTreeMap<Arc<str>, BTreeMap<i32, usize>> = BTreeMap::new();
        for (slot, worker) in owners {
            workers.entry(Arc::clone(worker)).or_default().insert(*slot, 0);
        }
        Self { workers }
    }

    fn count(&mut self, slot: i32) -> Option<&mut usize> {
        self.workers.values_mut().find_map(|slots| slots.get_mut(&slot))
    }

    fn add(&mut self, slot: i32) {
        if let Some(count) = self.count(slot) {
            *count += 1;
        }
    }

    fn remove(&mut self, slot: i32) {
        if let Some(count) = self.count(slot) {
            *count = count.saturating_sub(1);
        }
    }

    /// The emptiest slot of the worker with the fewest tasks, with one more task in it.
    fn take_least(&mut self) -> Option<i32> {
        let least = self.workers.values_mut().min_by_key(|slots| slots.values().sum::<usize>())?;
        let (slot, count) = least.iter_mut().min_by_key(|(_, count)| **count)?;
        *count += 1;
        Some(*slot)
    }

    /// The slots of a worker that has two tasks more than another, and where one of them could go.
    fn uneven(&self) -> Option<(Vec<i32>, i32)> {
        let load = |slots: &&BTreeMap<i32, usize>| slots.values().sum::<usize>();
        let most = self.workers.values().max_by_key(load)?;
        let least = self.workers.values().min_by_key(load)?;
        if load(&most) < load(&least) + 2 {
            return None;
        }
        let used = most.iter().filter(|(_, count)| **count > 0).map(|(slot, _)| *slot).collect();
        let (emptiest, _) = least.iter().min_by_key(|(_, count)| **count)?;
        Some((used, *emptiest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owners(of: &[(i32, &str)]) -> BTreeMap<i32, Arc<str>> {
        of.iter().map(|(slot, worker)| (*slot, Arc::from(*worker))).collect()
    }

    fn tasks(of: &[(&str, usize)]) -> BTreeMap<ConnectorName, usize> {
        of.iter().map(|(name, count)| (ConnectorName::new(*name), *count)).collect()
    }

    #[test]
    fn new_tasks_go_where_there_is_least_to_do() {
        let owners = owners(&[(0, "a"), (1, "b"), (2, "a"), (3, "b")]);

        let first = place(&tasks(&[("x", 1)]), &Placement::new(), &owners);
        let both = place(&tasks(&[("w", 2), ("x", 1)]), &first, &owners);

        assert_eq!(first[&ConnectorName::new("x")], [0]);
        assert_eq!(both[&ConnectorName::new("x")], [0], "it stays");
        assert_eq!(both[&ConnectorName::new("w")], [1, 2]);
    }

    #[test]
    fn tasks_of_nobody_stay_and_gone_ones_go() {
        let placement: Placement =
            [(ConnectorName::new("x"), vec![7]), (ConnectorName::new("gone"), vec![0])].into();

        let placed = place(&tasks(&[("x", 1)]), &placement, &owners(&[(0, "a")]));

        assert_eq!(placed, [(ConnectorName::new("x"), vec![7])].into());
    }

    proptest! {
        /// Any tasks, placed before on any workers: then none has two more than another, and what is
        /// placed once more stays.
        #[test]
        fn work_is_even_and_calm(
            counts in prop::collection::vec(0..5_usize, 0..8),
            before in prop::collection::vec(0..3_u8, 12),
            after in prop::collection::vec(0..4_u8, 12),
        ) {
            let owned = |workers: &[u8]| -> BTreeMap<i32, Arc<str>> {
                (0..).zip(workers).map(|(slot, it)| (slot, Arc::from(it.to_string()))).collect()
            };
            let tasks: BTreeMap<_, _> = counts
                .iter()
                .enumerate()
                .map(|(number, count)| (ConnectorName::new(number.to_string()), *count))
                .collect();
            let (before, after) = (owned(&before), owned(&after));
            let first = place(&tasks, &Placement::new(), &before);

            let second = place(&tasks, &first, &after);

            let mut loads: BTreeMap<&str, usize> =
                after.values().map(|worker| (&**worker, 0)).collect();
            for slot in second.values().flatten() {
                *loads.get_mut(&*after[slot]).unwrap() += 1;
            }
            let (most, least) = (loads.values().max().unwrap(), loads.values().min().unwrap());
            prop_assert!(most - least < 2, "{loads:?}");
            for (name, count) in &tasks {
                prop_assert_eq!(second[name].len(), *count);
            }
            prop_assert_eq!(&place(&tasks, &second, &after), &second);
        }
    }
}
