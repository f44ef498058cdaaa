//! From a topic's name to an index's.

use std::borrow::Cow;
use std::sync::Arc;

use schema::date_hour::DateHour;

use super::name_date::{ANY_DIGIT, DatePattern};
use crate::error::SinkError;

/// `index.name`: text with `{topic}`, `{database}` and `{table}`, and `{column:NAME:yyyy.MM.dd}`.
///
/// Database and table are the last two parts of a topic `<prefix>.<database>.<table>`, as
/// Debezium and rowcast name them.
#[derive(Debug, Clone)]
pub struct IndexTemplate {
    parts: Box<[Part]>,
    needs_table: bool,
    /// The column whose date is in the name.
    date_column: Option<Box<str>>,
}

#[derive(Debug, Clone)]
enum Part {
    Text(Box<str>),
    Topic,
    Database,
    Table,
    Date(DatePattern),
}

/// What stands for the date in a pattern of names.
pub(crate) const ANY_DATE: char = '*';
/// The smallest date, for what is the same in all of them.
const NO_DATE: DateHour = DateHour { year: 0, month: 0, day: 0, hour: 0 };

/// Longest index name in bytes.
const NAME_MAX_BYTES: usize = 255;
/// What an index name cannot contain.
/// <https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-indices-create>
const FORBIDDEN: [char; 12] = ['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':'];

impl IndexTemplate {
    /// Parses a template.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with it: a placeholder that does not exist, or no text.
    pub fn parse(text: &str) -> Result<Self, Cow<'static, str>> {
        const EXPECTED: &str =
            "expected text with {topic}, {database}, {table} or {column:NAME:yyyy.MM.dd}";
        let (mut rest, mut parts, mut date_column) = (text, Vec::new(), None);
        while let Some((before, after)) = rest.split_once('{') {
            let (inside, behind) = after.split_once('}').ok_or(EXPECTED)?;
            parts.push(Part::Text(before.into()));
            parts.push(match inside {
                "topic" => Part::Topic,
                "database" => Part::Database,
                "table" => Part::Table,
                _ => {
                    let date = inside.strip_prefix("column:").and_then(|it| it.rsplit_once(':'));
                    let (column, pattern) = date.ok_or(EXPECTED)?;
                    let pattern = DatePattern::parse(pattern).filter(|_| !column.is_empty());
                    if date_column.replace(column).is_some_and(|other| other != column) {
                        return Err("has the dates of two columns, expected one".into());
                    }
                    let letters = "has a date with other letters than yyyy, MM, dd and HH, and \
                                   . - _ between them";
                    Part::Date(pattern.ok_or(letters)?)
                }
            });
            rest = behind;
        }
        parts.push(Part::Text(rest.into()));
        let is_broken = |part: &Part| matches!(part, Part::Text(text) if text.contains('}'));
        if text.is_empty() || parts.iter().any(is_broken) {
            return Err(EXPECTED.into());
        }
        let needs_table = parts.iter().any(|part| matches!(part, Part::Database | Part::Table));
        Ok(Self { parts: parts.into(), needs_table, date_column: date_column.map(Into::into) })
    }

    /// The column whose date is in the name.
    pub(crate) fn date_column(&self) -> Option<&str> {
        self.date_column.as_deref()
    }

    /// The index of a topic, in lower case; with a date, the pattern of all of its names. So many
    /// bytes have to fit behind it.
    pub(super) fn apply(&self, topic: &str, behind: usize) -> Result<Arc<str>, SinkError> {
        let name = self.on(topic, NO_DATE, behind)?;
        match self.date_column {
            None => Ok(name),
            Some(_) => Ok(self.text(topic, |_, out| out.push(ANY_DATE)).into()),
        }
    }

    /// The index of a topic on a date.
    pub(super) fn on(
        &self,
        topic: &str,
        date: DateHour,
        behind: usize,
    ) -> Result<Arc<str>, SinkError> {
        let name = self.text(topic, |pattern, out| pattern.write(date, out));
        let problem = match problem(&name, behind) {
            None if self.needs_table && split(topic).0.is_none() => {
                "needs a topic of the form prefix.database.table"
            }
            None => return Ok(name.into()),
            Some(problem) => problem,
        };
        Err(SinkError::IndexName { topic: topic.into(), name: name.into(), problem })
    }

    /// A date without what names do not say of it: two of them have one name if they are equal.
    pub(super) fn rounded(&self, date: DateHour) -> DateHour {
        let mut kept = NO_DATE;
        for part in &self.parts {
            match part {
                Part::Date(pattern) => pattern.keep(date, &mut kept),
                Part::Text(_) | Part::Topic | Part::Database | Part::Table => {}
            }
        }
        kept
    }

    /// Whether it is one of a topic's names that have a date.
    pub(super) fn is_dated(&self, topic: &str, name: &str) -> bool {
        if self.date_column.is_none() {
            return false;
        }
        let shape = self.text(topic, DatePattern::write_shape);
        shape.chars().count() == name.chars().count()
            && shape.chars().zip(name.chars()).all(|(expected, found)| match expected {
                ANY_DIGIT => found.is_ascii_digit(),
                expected => expected == found,
            })
    }

    fn text(&self, topic: &str, write_date: impl Fn(&DatePattern, &mut String)) -> String {
        let (database, table) = split(topic);
        let mut name = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Topic => name.push_str(topic),
                Part::Database => name.push_str(database.unwrap_or_default()),
                Part::Table => name.push_str(table),
                Part::Date(pattern) => write_date(pattern, &mut name),
            }
        }
        name.to_lowercase()
    }
}

/// Database and table of a topic.
fn split(topic: &str) -> (Option<&str>, &str) {
    let (rest, table) = topic.rsplit_once('.').unwrap_or(("", topic));
    (rest.rsplit_once('.').map(|(_, database)| database), table)
}

/// `database.table` of a topic `prefix.database.table`; the whole name of any other.
pub(crate) fn table_of(topic: &str) -> &str {
    let second = topic.rmatch_indices('.').nth(1);
    second.and_then(|(place, _)| topic.get(place + 1..)).unwrap_or(topic)
}

fn problem(name: &str, behind: usize) -> Option<&'static str> {
    if name.is_empty() || name == "." || name == ".." {
        Some("is no name")
    } else if name.len() > NAME_MAX_BYTES {
        Some("has more than 255 bytes")
    } else if name.len() + behind > NAME_MAX_BYTES {
        Some("has more than 248 bytes, so that its generation does not fit behind it")
    } else if name.starts_with(['-', '_', '+']) {
        Some("begins with one of - _ +")
    } else if name.contains(FORBIDDEN) || name.contains(char::is_control) {
        Some("contains one of \\ / * ? \" < > | , # : or a blank")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apply(template: &str, topic: &str) -> Result<String, String> {
        let template = IndexTemplate::parse(template).map_err(|problem| problem.to_string())?;
        template.apply(topic, 7).map(|name| name.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn placeholders_are_replaced_and_capitals_lowered() {
        assert_eq!(apply("{topic}", "Srv.Shop.Orders").unwrap(), "srv.shop.orders");
        assert_eq!(apply("{database}-{table}-v2", "a.b.shop.orders").unwrap(), "shop-orders-v2");
    }

    #[test]
    fn names_that_elasticsearch_refuses_are_refused_here() {
        assert!(apply("{topic}", "_internal").unwrap_err().contains("begins with"));
        assert!(apply("{table}", "orders").unwrap_err().contains("prefix.database.table"));
        assert!(apply("{topic}", &"x".repeat(256)).unwrap_err().contains("255 bytes"));
        assert!(apply("{topic}", &"x".repeat(249)).unwrap_err().contains("248 bytes"));
        assert!(apply("a:{topic}", "t").unwrap_err().contains("contains one of"));
        assert!(apply("{tabel}", "t").unwrap_err().contains("expected text"));
    }

    const DATED: &str = "{table}-{column:made:yyyy.MM.dd}-v2";

    #[test]
    fn a_date_is_in_the_name_and_in_place_of_it_in_the_pattern() {
        let template = IndexTemplate::parse(DATED).unwrap();
        let date = DateHour { year: 2024, month: 2, day: 29, hour: 23 };

        assert_eq!(template.date_column(), Some("made"));
        assert_eq!(&*template.on("s.d.Orders", date, 7).unwrap(), "orders-2024.02.29-v2");
        assert_eq!(apply(DATED, "s.d.Orders").unwrap(), "orders-*-v2");
        assert_eq!(template.rounded(date), DateHour { hour: 0, ..date });
        assert!(apply("{column:_d:yyyy}", "t").is_ok());
        for (wrong, problem) in [
            ("{column:made}", "expected text"),
            ("{column:made:yyyy", "expected text"),
            ("a}{topic}", "expected text"),
            ("{column::yyyy}", "other letters"),
            ("{column:made:yy}", "other letters"),
            ("{column:a:yyyy}{column:b:MM}", "two columns"),
            ("_{column:a:yyyy}", "begins with"),
        ] {
            assert!(apply(wrong, "t").unwrap_err().contains(problem), "{wrong}");
        }
        assert!(apply(&format!("{}{{column:a:yyyy}}", "x".repeat(245)), "t").is_err());
        assert!(apply(&format!("{}{{column:a:yyyy}}", "x".repeat(244)), "t").is_ok());
    }

    fn any_date() -> impl Strategy<Value = DateHour> {
        (0_u32..10_000, 1_u32..13, 1_u32..32, 0_u32..24)
            .prop_map(|(year, month, day, hour)| DateHour { year, month, day, hour })
    }

    proptest! {
        /// What a sweep looks for is what rows are written to, and nothing of another table's.
        #[test]
        fn the_names_of_a_topic_are_known_and_those_of_others_are_not(
            first in any_date(), second in any_date(),
            pattern in "(yyyy|MM|dd|HH)([._-]?(yyyy|MM|dd|HH)){0,3}", table in "[a-cA-C0-9.-]{1,4}",
            other in "[a-c0-9.-]{1,4}",
        ) {
            let text = format!("{{topic}}-{{column:c:{pattern}}}");
            let template = IndexTemplate::parse(&text).unwrap();
            let topic = format!("s.{table}");
            let (one, two) =
                (template.on(&topic, first, 7).unwrap(), template.on(&topic, second, 7).unwrap());

            prop_assert!(template.is_dated(&topic, &one));
            prop_assert_eq!(one == two, template.rounded(first) == template.rounded(second));
            let all = template.apply(&topic, 7).unwrap();
            let head = all.strip_suffix('*').unwrap();
            prop_assert!(one.starts_with(head));
            let generation = format!("{one}-000001");
            prop_assert!(!template.is_dated(&topic, &generation));
            prop_assert!(!template.is_dated(&topic, head));
            let plain = IndexTemplate::parse("{topic}").unwrap();
            prop_assert!(!plain.is_dated(&topic, &one));
            // `a` on `-1` cannot be `a-` on `1`, as the number of digits is fixed.
            let stranger = template.on(&format!("s.{other}"), second, 7).unwrap();
            let is_same = other == table.to_lowercase();
            prop_assert_eq!(template.is_dated(&topic, &stranger), is_same);
        }
    }
}
