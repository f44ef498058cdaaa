//! `RegexRouter` and `TimestampRouter`: another topic.

use super::Transform;
use crate::error::{ConfigProblem, Failure};
use crate::java::date_format::DateFormat;
use crate::java::pattern::{Pattern, Replacement};
use crate::options::Options;
use crate::record::Record;

/// A topic whose whole name matches becomes another one.
struct RegexRouter {
    pattern: Pattern,
    replacement: Replacement,
}

pub(super) fn make_regex(options: &mut Options<'_>) -> Result<Box<dyn Transform>, ConfigProblem> {
    let (text, replacement) = (options.required("regex")?, options.required("replacement")?);
    let pattern = Pattern::new(&text).map_err(|why| options.invalid("regex", &text, &why))?;
    let replacement = Replacement::new(&replacement, &pattern)
        .map_err(|why| options.problem("replacement", why))?;
    Ok(Box::new(RegexRouter { pattern, replacement }))
}

impl Transform for RegexRouter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, Failure> {
        if self.pattern.matches(&record.topic) {
            record.topic = self.replacement.first(&record.topic, &self.pattern).into();
        }
        Ok(Some(record))
    }
}

/// The topic's name and the record's time.
struct TimestampRouter {
    topic_format: String,
    time_format: DateFormat,
}

pub(super) fn make_timestamp(
    options: &mut Options<'_>,
) -> Result<Box<dyn Transform>, ConfigProblem> {
    let topic_format = options.text_or("topic.format", "${topic}-${timestamp}");
    let text = options.text_or("timestamp.format", "yyyyMMdd");
    let time_format =
        DateFormat::new(&text).map_err(|why| options.problem("timestamp.format", why))?;
    Ok(Box::new(TimestampRouter { topic_format, time_format }))
}

impl Transform for TimestampRouter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, Failure> {
        let Some(millis) = record.timestamp else {
            return Err(Failure::data("Timestamp missing on record"));
        };
        let time = self.time_format.format(millis);
        let topic = self.topic_format.replace("${topic}", &record.topic);
        record.topic = topic.replace("${timestamp}", &time).into();
        Ok(Some(record))
    }
}
