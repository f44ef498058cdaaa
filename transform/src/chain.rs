//! `transforms` and `predicates` of a connector: which there are, in which order, for which records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schema::value::Schema;

use crate::connect::predicate::Predicate;
use crate::connect::{self, Transform};
use crate::debezium;
use crate::error::{ConfigProblem, TransformError};
use crate::fold::{Folded, Origin, Row};
use crate::options::Options;
use crate::record::{Part, Record};

/// The transforms of one connector in their order. There are none by default.
#[derive(Default)]
pub struct Chain {
    steps: Vec<Step>,
}

struct Step {
    alias: Box<str>,
    class: &'static str,
    condition: Option<Condition>,
    transform: Box<dyn Transform>,
}

/// What transforms look at, beside the name of the topic. What needs less can be asked without taking
/// keys and values apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// Nothing: what comes out is the same topic for all records of one, or none.
    Topic,
    /// Headers, the time, and whether there is a key and a value.
    Frame,
    /// What keys and values say.
    Data,
}

/// For which records a transform is.
struct Condition {
    predicate: Predicate,
    negate: bool,
}

impl Chain {
    /// Reads `transforms`, `transforms.*`, `predicates` and `predicates.*` of a connector's settings.
    /// Also gives the full names of all settings that these transforms know.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigProblem`] for a transform or a predicate that is not known, and for settings
    /// that it does not take.
    pub fn read(
        settings: &BTreeMap<String, String>,
    ) -> Result<(Self, BTreeSet<String>), ConfigProblem> {
        let mut asked = BTreeSet::new();
        let predicates = read_predicates(settings, &mut asked)?;
        let mut steps = Vec::new();
        for alias in aliases("transforms", settings, &mut asked)? {
            let prefix = format!("transforms.{alias}.");
            let mut options = Options { prefix, settings, asked: &mut asked };
            let class = options.required("type")?;
            let found = connect::find(&class).or_else(|| debezium::find(&class));
            let (class, make) = found.ok_or_else(|| unknown(&options, &class))?;
            let condition = read_condition(&mut options, &predicates)?;
            let transform = make(&mut options)?;
            steps.push(Step { alias: alias.into(), class, condition, transform });
        }
        Ok((Self { steps }, asked))
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// What the transforms need to know of a record. With [`Needs::Topic`] and [`Needs::Frame`] they
    /// change nothing but its topic and its headers.
    #[must_use]
    pub fn needs(&self) -> Needs {
        self.steps.iter().map(Step::needs).max().unwrap_or(Needs::Topic)
    }

    /// The same without what looks at more than the topic's name.
    #[must_use]
    pub fn of_topics(mut self) -> Self {
        self.steps.retain(|step| step.needs() == Needs::Topic);
        self
    }

    /// The fields that rows of a schema have afterwards, and what each is made of: the same for all
    /// rows, so that a plan can make them without looking at one. The topic is left to
    /// [`Self::of_topics`], and only rows are meant: what is null goes through by itself. `None`
    /// where rows have to go through one by one.
    #[must_use]
    pub fn fold(&self, value: &Schema) -> Option<Vec<Folded>> {
        let (mut row, mut makes_nulls) = (Row::of(value)?, false);
        for step in self.steps.iter().filter(|step| step.needs() == Needs::Data) {
            // It refuses the null that a deleted row was made.
            if makes_nulls && step.condition.is_none() && step.class.ends_with("MaskField$Value") {
                return None;
            }
            makes_nulls |= step.class.ends_with("ExtractNewRecordState");
            row = step.transform.fold(row)?;
        }
        let fields = row.finished(value)?;
        let is_routed = self.steps.iter().any(|step| step.class.ends_with("RegexRouter"));
        let has_topic = fields.iter().any(|field| field.origin == Origin::Topic);
        (self.folds_by_class() && !(is_routed && has_topic)).then_some(fields)
    }

    /// Whether every step is for all rows, or all rows of a topic.
    fn folds_by_class(&self) -> bool {
        self.steps.iter().all(|step| {
            let is_for_rows = step.condition.as_ref().is_none_or(Condition::is_for_rows);
            step.needs() == Needs::Topic || (step.needs() == Needs::Data && is_for_rows)
        })
    }

    /// Sends a record through all transforms. `None` if one of them drops it.
    ///
    /// # Errors
    ///
    /// Returns [`TransformError`] when one of them does not take it.
    pub fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        for step in &mut self.steps {
            let is_for =
                |condition: &Condition| condition.predicate.holds(&record) != condition.negate;
            if !step.condition.as_ref().is_none_or(is_for) {
                continue;
            }
            let done = step.transform.apply(record).map_err(|failure| TransformError {
                alias: step.alias.clone(),
                class: step.class,
                exception: failure.exception,
                message: failure.message,
            })?;
            let Some(done) = done else { return Ok(None) };
            record = done;
        }
        Ok(Some(record))
    }

    /// The topic that records of a topic go to, as far as its name says: that of a record with neither
    /// key nor value. `None` if a transform drops such a record, or does not take it.
    pub fn route(&mut self, topic: &Arc<str>) -> Option<Arc<str>> {
        let record = Record {
            topic: Arc::clone(topic),
            partition: None,
            offset: None,
            timestamp: None,
            key: Part::NULL,
            value: Part::NULL,
            headers: Vec::new(),
        };
        self.apply(record).ok().flatten().map(|record| record.topic)
    }
}

impl Condition {
    /// Whether it says no more than that the record is no tombstone.
    fn is_for_rows(&self) -> bool {
        self.negate && self.predicate.is_tombstone()
    }
}

impl Step {
    fn needs(&self) -> Needs {
        let name = self.class.strip_prefix("org.apache.kafka.connect.transforms.");
        let own = match name.unwrap_or_default() {
            "RegexRouter" | "Filter" => Needs::Topic,
            "TimestampRouter" | "DropHeaders" | "InsertHeader" => Needs::Frame,
            _ => Needs::Data,
        };
        let predicate = self.condition.as_ref().map(|condition| condition.predicate.needs());
        own.max(predicate.unwrap_or(Needs::Topic))
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.steps.iter().map(|step| &step.alias)).finish()
    }
}

fn aliases(
    key: &str,
    settings: &BTreeMap<String, String>,
    asked: &mut BTreeSet<String>,
) -> Result<Vec<String>, ConfigProblem> {
    let mut options = Options { prefix: String::new(), settings, asked };
    let aliases = options.list(key).unwrap_or_default();
    let mut seen = BTreeSet::new();
    if aliases.iter().any(|alias| !seen.insert(alias)) {
        let all = format!("[{}]", aliases.join(", "));
        return Err(options.invalid(key, &all, "Duplicate alias provided."));
    }
    Ok(aliases)
}

fn read_predicates(
    settings: &BTreeMap<String, String>,
    asked: &mut BTreeSet<String>,
) -> Result<BTreeMap<String, Predicate>, ConfigProblem> {
    let mut predicates = BTreeMap::new();
    for alias in aliases("predicates", settings, asked)? {
        let prefix = format!("predicates.{alias}.");
        let mut options = Options { prefix, settings, asked };
        let class = options.required("type")?;
        let predicate = Predicate::read(&class, &mut options)?;
        predicates.insert(alias, predicate.ok_or_else(|| unknown(&options, &class))?);
    }
    Ok(predicates)
}

fn read_condition(
    options: &mut Options<'_>,
    predicates: &BTreeMap<String, Predicate>,
) -> Result<Option<Condition>, ConfigProblem> {
    let name = options.text("predicate").filter(|name| !name.is_empty());
    let is_negated = options.text("negate");
    let Some(name) = name else {
        if is_negated.is_none() {
            return Ok(None);
        }
        let prefix = &options.prefix;
        let problem = format!(
            "Config '{prefix}negate' there is no config '{prefix}predicate' defining a predicate to \
             be negated."
        );
        return Err(options.problem("negate", problem));
    };
    let predicate = predicates.get(&name).cloned().ok_or_else(|| {
        let known: Vec<_> = predicates.keys().map(String::as_str).collect();
        let known = format!("there is no such predicate, `predicates` has {}", known.join(", "));
        options.invalid("predicate", &name, &known)
    })?;
    Ok(Some(Condition { predicate, negate: options.boolean("negate", false)? }))
}

fn unknown(options: &Options<'_>, class: &str) -> ConfigProblem {
    options.invalid("type", class, &format!("Class {class} could not be found."))
}
