//! `HasHeaderKey`, `RecordIsTombstone`, `TopicNameMatches`, and `Filter`, which drops what a
//! predicate holds for.

use super::Transform;
use crate::chain::Needs;
use crate::error::{ConfigProblem, Failure};
use crate::java::pattern::Pattern;
use crate::options::Options;
use crate::record::Record;

const PACKAGE: &str = "org.apache.kafka.connect.transforms.predicates.";

/// The classes that there are.
pub(crate) const CLASSES: [&str; 3] = [
    "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
    "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
    "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
];

/// What can hold for a record.
#[derive(Debug, Clone)]
pub(crate) enum Predicate {
    /// It has a header of this name.
    HasHeader(String),
    /// It has no value.
    IsTombstone,
    /// The whole name of its topic matches.
    TopicMatches(Pattern),
}

impl Predicate {
    /// Reads a predicate; `None` if there is none of this class.
    pub(crate) fn read(
        class: &str,
        options: &mut Options<'_>,
    ) -> Result<Option<Self>, ConfigProblem> {
        Ok(Some(match class.strip_prefix(PACKAGE).unwrap_or(class) {
            "HasHeaderKey" => Self::HasHeader(options.non_empty("name")?),
            "RecordIsTombstone" => Self::IsTombstone,
            "TopicNameMatches" => {
                let text = options.non_empty("pattern")?;
                let invalid = |why: String| options.invalid("pattern", &text, &why);
                Self::TopicMatches(Pattern::new(&text).map_err(invalid)?)
            }
            _ => return Ok(None),
        }))
    }

    pub(crate) fn needs(&self) -> Needs {
        match self {
            Self::HasHeader(_) | Self::IsTombstone => Needs::Frame,
            Self::TopicMatches(_) => Needs::Topic,
        }
    }

    pub(crate) fn is_tombstone(&self) -> bool {
        matches!(self, Self::IsTombstone)
    }

    pub(crate) fn holds(&self, record: &Record) -> bool {
        match self {
            Self::HasHeader(name) => record.headers.iter().any(|header| header.name == *name),
            Self::IsTombstone => record.value.is_null(),
            Self::TopicMatches(pattern) => pattern.matches(&record.topic),
        }
    }
}

struct Filter;

/// `Filter` has no settings.
pub(super) fn make_filter(_: &mut Options<'_>) -> Result<Box<dyn Transform>, ConfigProblem> {
    Ok(Box::new(Filter))
}

impl Transform for Filter {
    fn apply(&mut self, _: Record) -> Result<Option<Record>, Failure> {
        Ok(None)
    }
}
