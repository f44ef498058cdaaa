//! Which node gets the next request.
//!
//! All nodes are taken in turn. One that gives no answer is left out for a second, and twice as
//! long each time that it fails again, up to 30 s. Then one request tries it, before all others;
//! if that fails too, no other one has waited for it. While all are left out, the one whose time
//! ends first is tried at once, so that a cluster that comes back is noticed by the next request.
//!
//! There is no clock in here: times are counted from any moment before the first.

use std::time::Duration;

/// How long a node is left out for its first failure, and at most.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// What is known about each node.
#[derive(Debug)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    /// The node that is next in turn.
    next: usize,
}

#[derive(Debug, Clone, Copy, Default)]
enum Node {
    #[default]
    Alive,
    Dead(Dead),
}

#[derive(Debug, Clone, Copy)]
struct Dead {
    /// When it failed last.
    since: Duration,
    /// For how long it is left out.
    length: Duration,
    /// When it is tried again.
    until: Duration,
}

/// What a failure means for its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    /// It was alive so far and is left out for so long.
    Marked(Duration),
    /// It was left out already.
    Again,
}

impl Nodes {
    /// All of them are taken to be alive.
    pub(super) fn new(count: usize) -> Self {
        Self { nodes: vec![Node::Alive; count], next: 0 }
    }

    /// The node that a request is sent to now.
    pub(super) fn choose(&mut self, now: Duration) -> usize {
        if let Some((number, dead)) = self.first_dead().filter(|(_, dead)| dead.until <= now) {
            // One request tries it; the others go on with those that answer.
            let until = now.saturating_add(dead.length);
            if let Some(node) = self.nodes.get_mut(number) {
                *node = Node::Dead(Dead { until, ..dead });
            }
            return number;
        }
        let count = self.nodes.len().max(1);
        let mut in_turn = (0..count).map(|step| (self.next + step) % count);
        let is_alive = |number: &usize| matches!(self.nodes.get(*number), Some(Node::Alive));
        match in_turn.find(is_alive) {
            Some(number) => {
                self.next = (number + 1) % count;
                number
            }
            None => self.first_dead().map_or(0, |(number, _)| number),
        }
    }

    /// A node has answered. Whether that is news.
    pub(super) fn answered(&mut self, number: usize) -> bool {
        let node = self.nodes.get_mut(number).map(std::mem::take);
        matches!(node, Some(Node::Dead(_)))
    }

    /// A node has not answered a request that was sent at a moment. What was sent before it failed
    /// last says nothing new: requests in flight end together.
    pub(super) fn failed(&mut self, number: usize, sent: Duration, now: Duration) -> Failed {
        let Some(node) = self.nodes.get_mut(number) else { return Failed::Again };
        let (length, what) = match node {
            Node::Alive => (FIRST, Failed::Marked(FIRST)),
            Node::Dead(dead) if sent < dead.since => return Failed::Again,
            Node::Dead(dead) => (dead.length.saturating_mul(2).min(LONGEST), Failed::Again),
        };
        *node = Node::Dead(Dead { since: now, length, until: now.saturating_add(length) });
        what
    }

    /// The node whose time ends first, of those that are left out.
    fn first_dead(&self) -> Option<(usize, Dead)> {
        let dead = self.nodes.iter().enumerate().filter_map(|(number, node)| match node {
            Node::Alive => None,
            Node::Dead(dead) => Some((number, *dead)),
        });
        dead.min_by_key(|(_, dead)| dead.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A node that fails each time that it is asked; the times between.
    #[test]
    fn a_node_is_left_out_twice_as_long_each_time_up_to_30_s() {
        let mut nodes = Nodes::new(2);
        let (mut now, mut tried) = (secs(0), Vec::new());
        while tried.len() < 8 {
            if nodes.choose(now) == 0 {
                tried.push(now.as_secs());
                nodes.failed(0, now, now);
            }
            now += secs(1);
        }

        let between: Vec<_> = tried.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(between, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn requests_in_flight_that_end_together_are_one_failure() {
        let mut nodes = Nodes::new(2);

        let first = nodes.failed(0, secs(1), secs(5));
        for _ in 0..10 {
            assert_eq!(nodes.failed(0, secs(2), secs(5)), Failed::Again);
        }

        assert_eq!(first, Failed::Marked(secs(1)));
        assert_eq!(nodes.choose(secs(6)), 0);
    }

    #[test]
    fn a_node_whose_time_is_over_is_tried_by_one_request_first() {
        let mut nodes = Nodes::new(3);
        nodes.failed(1, secs(0), secs(0));

        let chosen: Vec<_> = (0..5).map(|_| nodes.choose(secs(1))).collect();

        assert_eq!(chosen.iter().filter(|number| **number == 1).count(), 1);
        assert_eq!(chosen[0], 1);
        assert!(nodes.answered(1));
        assert!(!nodes.answered(1));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Wait(u64),
        Send,
        Answer(usize),
        Fail(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0_u64..20_000).prop_map(Step::Wait),
            Just(Step::Send),
            (0_usize..100).prop_map(Step::Answer),
            (0_usize..100).prop_map(Step::Fail),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        /// Whatever happens: a node that is left out is chosen only when its time is over or when
        /// all are left out; that lasts 1 s to 30 s from the last failure that counts.
        #[test]
        fn a_node_is_left_out_while_others_answer(count in 1_usize..6, steps in steps()) {
            let mut nodes = Nodes::new(count);
            let (mut now, mut under_way) = (secs(0), Vec::new());
            for step in steps {
                match step {
                    Step::Wait(ms) => now += Duration::from_millis(ms),
                    Step::Send => {
                        let before = nodes.nodes.clone();
                        let chosen = nodes.choose(now);
                        if let Node::Dead(dead) = before[chosen] {
                            let all_dead = before.iter().all(|node| matches!(node, Node::Dead(_)));
                            prop_assert!(dead.until <= now || all_dead);
                        }
                        under_way.push((chosen, now));
                    }
                    Step::Answer(_) | Step::Fail(_) if under_way.is_empty() => {}
                    Step::Answer(which) => {
                        let (node, _) = under_way.remove(which % under_way.len());
                        nodes.answered(node);
                        prop_assert!(matches!(nodes.nodes[node], Node::Alive));
                    }
                    Step::Fail(which) => {
                        let (node, sent) = under_way.remove(which % under_way.len());
                        nodes.failed(node, sent, now);
                        let Node::Dead(dead) = nodes.nodes[node] else { panic!("it is alive") };
                        prop_assert!((FIRST..=LONGEST).contains(&dead.length));
                        prop_assert!(dead.since <= now && dead.until <= now + LONGEST);
                    }
                }
            }

            // All that are alive have their turn, and all others sooner or later.
            let mut chosen = std::collections::BTreeSet::new();
            for _ in 0..count * 2 {
                now += LONGEST;
                let node = nodes.choose(now);
                nodes.answered(node);
                chosen.insert(node);
            }
            prop_assert_eq!(chosen.len(), count);
        }

        #[test]
        fn nodes_that_answer_are_taken_in_turn(count in 1_usize..6, rounds in 1_usize..5) {
            let mut nodes = Nodes::new(count);

            let chosen: Vec<_> = (0..count * rounds).map(|_| nodes.choose(secs(0))).collect();

            let expected: Vec<_> = (0..rounds).flat_map(|_| 0..count).collect();
            prop_assert_eq!(chosen, expected);
        }
    }
}
