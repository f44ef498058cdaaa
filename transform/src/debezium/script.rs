//! `Filter` and `ContentBasedRouter`: what becomes of a record by what an expression says of it.
//!
//! Debezium runs scripts of Groovy or JavaScript; here expressions are CEL. Its documented examples
//! are the same text in both.
//!
//! <https://debezium.io/documentation/reference/3.6/transformations/filtering.html>
//! <https://debezium.io/documentation/reference/3.6/transformations/content-based-routing.html>

use crate::cel::{Program, Val};
use crate::connect::Transform;
use crate::error::{ConfigProblem, Exception, Failure};
use crate::java::pattern::Pattern;
use crate::options::Options;
use crate::record::Record;

/// What both of them have.
struct Script {
    program: Program,
    /// Topics whose records are meant; all without it.
    topics: Option<Pattern>,
    nulls: Nulls,
}

/// What becomes of records without a value, as tombstones.
#[derive(Clone, Copy)]
enum Nulls {
    Keep,
    Drop,
    Evaluate,
}

/// Whether the expression is asked about a record, and else what becomes of it.
enum Asked {
    Yes(Record),
    No(Option<Record>),
}

struct Filter(Script);
struct Router(Script);

pub(super) fn make_filter(options: &mut Options<'_>) -> Result<Box<dyn Transform>, ConfigProblem> {
    Ok(Box::new(Filter(Script::read(options, "condition")?)))
}

pub(super) fn make_router(options: &mut Options<'_>) -> Result<Box<dyn Transform>, ConfigProblem> {
    Ok(Box::new(Router(Script::read(options, "topic.expression")?)))
}

const REMEDY: &str = "rowcast runs expressions of CEL: set it to `cel`. `value.op == 'u' && \
                      value.before.id == 2` and `value.op == 'u' ? 'updates' : null` are the same in \
                      CEL; for `value.get('op')` write `value.op`, for `value.after?.id == 2` write \
                      `has(value.after) && value.after.id == 2`";

impl Script {
    fn read(options: &mut Options<'_>, key: &str) -> Result<Self, ConfigProblem> {
        let language = options.required("language")?;
        if !language.eq_ignore_ascii_case("cel") {
            return Err(options.invalid("language", &language, REMEDY));
        }
        let text = options.non_empty(key)?;
        let program = Program::compile(&text)
            .map_err(|why| options.problem(key, format!("is no expression of CEL: {why}")))?;
        let topics = options.text("topic.regex").filter(|regex| !regex.is_empty());
        let topics = topics.map(|regex| {
            Pattern::new(&regex).map_err(|why| options.invalid("topic.regex", &regex, &why))
        });
        let topics = topics.transpose()?;
        let nulls = [("keep", Nulls::Keep), ("drop", Nulls::Drop), ("evaluate", Nulls::Evaluate)];
        let nulls = options.choice("null.handling.mode", Some(Nulls::Keep), &nulls)?;
        Ok(Self { program, topics, nulls })
    }

    fn asks(&self, record: Record) -> Asked {
        if self.topics.as_ref().is_some_and(|topics| !topics.matches(&record.topic)) {
            return Asked::No(Some(record));
        }
        match self.nulls {
            Nulls::Keep if record.value.is_null() => Asked::No(Some(record)),
            Nulls::Drop if record.value.is_null() => Asked::No(None),
            Nulls::Keep | Nulls::Drop | Nulls::Evaluate => Asked::Yes(record),
        }
    }

    fn run<'a>(&'a self, record: &'a Record) -> Result<Val<'a>, Failure> {
        self.program.run(record).map_err(|why| failure(&format!("cannot be evaluated: {why}")))
    }
}

fn failure(what: &str) -> Failure {
    Failure::new(Exception::Debezium, format!("The expression {what}"))
}

impl Transform for Filter {
    fn apply(&mut self, record: Record) -> Result<Option<Record>, Failure> {
        let record = match self.0.asks(record) {
            Asked::Yes(record) => record,
            Asked::No(record) => return Ok(record),
        };
        let answer = self.0.run(&record)?;
        let Val::Bool(keeps) = answer else {
            return Err(failure(&format!("gives {}, expected true or false", answer.kind())));
        };
        Ok(keeps.then_some(record))
    }
}

impl Transform for Router {
    fn apply(&mut self, record: Record) -> Result<Option<Record>, Failure> {
        let mut record = match self.0.asks(record) {
            Asked::Yes(record) => record,
            Asked::No(record) => return Ok(record),
        };
        let answer = self.0.run(&record)?;
        let topic = match (answer.kind(), answer) {
            (_, Val::Null) => None,
            (_, Val::Text(topic)) if !topic.is_empty() => Some(topic.into()),
            (kind, _) => {
                return Err(failure(&format!(
                    "gives {kind}, expected the name of a topic or null"
                )));
            }
        };
        record.topic = topic.unwrap_or(record.topic);
        Ok(Some(record))
    }
}
