//! What a check has found.

use std::collections::BTreeSet;

use schema::fault::{Fault, chain};
use serde::Serialize;

use super::part;

/// What is said of a topic that a sink waits for.
const AWAITED: &str = "does not exist yet; the sink waits for it";

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// It is there and as it has to be.
    Ok,
    /// It is not there, and would be made.
    Create,
    /// It is there, and would be changed.
    Change,
    /// It works, and is probably not what somebody wants.
    Warning,
    /// Nothing would run.
    Problem,
}

impl CheckState {
    /// Its name in tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Create => "create",
            Self::Change => "change",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckItem {
    /// The connector that needs it; none for what all of a worker share.
    pub connector: Option<String>,
    /// What it is a part of: `settings`, `mysql`, `kafka`, `registry`, `elasticsearch`, `file`.
    pub part: &'static str,
    /// A setting, a server, a table, a topic, an index.
    pub name: String,
    /// How it is.
    pub state: CheckState,
    /// What was found, or what would be made. No row and no password is in it.
    pub what: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// All that was looked at, in that order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    items: Vec<CheckItem>,
}

impl Report {
    /// Only that an error is in the way.
    #[must_use]
    pub fn of_fault(name: (&'static str, &str), error: &dyn Fault) -> Self {
        let mut report = Self::default();
        report.fault(name, error);
        report
    }

    /// What was looked at.
    #[must_use]
    pub fn items(&self) -> &[CheckItem] {
        &self.items
    }

    /// How much is in the way.
    #[must_use]
    pub fn problems(&self) -> usize {
        self.items.iter().filter(|item| item.state == CheckState::Problem).count()
    }

    /// It is as it has to be. The name begins with the part that it belongs to.
    pub fn fine(&mut self, name: (&'static str, &str), what: impl Into<String>) {
        self.add(name, CheckState::Ok, (what.into(), None));
    }

    /// It would be made.
    pub fn create(&mut self, name: (&'static str, &str), what: impl Into<String>) {
        self.add(name, CheckState::Create, (what.into(), None));
    }

    /// It would be changed.
    pub fn change(&mut self, name: (&'static str, &str), what: impl Into<String>) {
        self.add(name, CheckState::Change, (what.into(), None));
    }

    /// It is probably not what somebody wants.
    pub fn warning(
        &mut self,
        name: (&'static str, &str),
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(name, CheckState::Warning, (what.into(), Some(remedy.into())));
    }

    /// It is in the way.
    pub fn problem(
        &mut self,
        name: (&'static str, &str),
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(name, CheckState::Problem, (what.into(), Some(remedy.into())));
    }

    /// An error is in the way.
    pub fn fault(&mut self, name: (&'static str, &str), error: &dyn Fault) {
        // Nobody keeps trying here.
        let hint =
            error.hint().map(|hint| hint.trim_end_matches("; rowcast keeps trying").to_owned());
        self.add(name, CheckState::Problem, (chain(error), hint));
    }

    /// Adds what another has found. What is there already, such as a registry that two connectors
    /// have, is left out.
    pub fn extend(&mut self, other: Self) {
        for item in other.items {
            if !self.items.contains(&item) {
                self.items.push(item);
            }
        }
    }

    /// The same for a connector.
    pub fn extend_of(&mut self, connector: &str, mut other: Self) {
        for item in &mut other.items {
            item.connector = Some(connector.to_owned());
        }
        self.extend(other);
    }

    /// A topic that is read does not exist yet.
    pub fn awaited(&mut self, topic: &str) {
        let remedy = "start what writes it, or correct the sink's `topics`";
        self.warning((part::KAFKA, topic), AWAITED, remedy);
    }

    /// A topic that would be made needs no warning that it is not there yet.
    pub(super) fn settle(&mut self) {
        let created = |item: &CheckItem| item.state == CheckState::Create;
        let made: BTreeSet<_> = self.items.iter().filter(|it| created(it)).map(key_of).collect();
        for item in &mut self.items {
            if item.what == AWAITED && made.contains(&key_of(item)) {
                item.state = CheckState::Ok;
                item.what = "is read as soon as the source has made it".to_owned();
                item.remedy = None;
            }
        }
    }

    fn add(
        &mut self,
        (part, name): (&'static str, &str),
        state: CheckState,
        (what, remedy): (String, Option<String>),
    ) {
        let name = name.to_owned();
        self.items.push(CheckItem { connector: None, part, name, state, what, remedy });
    }
}

fn key_of(item: &CheckItem) -> (&'static str, String) {
    (item.part, item.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_connectors_share_is_told_for_each_and_once() {
        let mut registry = Report::default();
        registry.fine(("registry", "http://r"), "answers");
        let mut report = Report::default();

        report.extend_of("a", registry.clone());
        report.extend_of("a", registry.clone());
        report.extend_of("b", registry);

        let of: Vec<_> = report.items().iter().map(|item| item.connector.as_deref()).collect();
        assert_eq!(of, [Some("a"), Some("b")]);
    }

    #[test]
    fn a_topic_that_the_source_makes_is_no_reason_to_worry() {
        let mut report = Report::default();
        report.awaited("shop.t");
        report.awaited("other");
        report.create(("kafka", "shop.t"), "1 partition");

        report.settle();

        let states: Vec<_> = report.items().iter().map(|item| item.state).collect();
        assert_eq!(states, [CheckState::Ok, CheckState::Warning, CheckState::Create]);
    }

    #[test]
    fn only_problems_are_in_the_way() {
        let mut report = Report::default();
        report.create(("kafka", "t"), "1 partition");
        report.warning(("kafka", "u"), "has 3 partitions", "change it");
        assert_eq!(report.problems(), 0);

        report.problem(("mysql", "m"), "is away", "start it");

        assert_eq!(report.problems(), 1);
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["items"][2]["state"], "problem");
        assert_eq!(json["items"][0]["remedy"], serde_json::Value::Null);
    }
}
