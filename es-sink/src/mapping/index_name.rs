//! From a topic's name to an index's.

use std::borrow::Cow;
use std::sync::Arc;

use crate::error::SinkError;

/// `index.name`: text with `{topic}`, `{database}` and `{table}`.
///
/// Database and table are the last two parts of a topic `<prefix>.<database>.<table>`, as
/// Debezium and rowcast name them.
#[derive(Debug, Clone)]
pub struct IndexTemplate {
    text: Box<str>,
    needs_table: bool,
}

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
        let rest = text.replace("{topic}", "").replace("{database}", "").replace("{table}", "");
        if text.is_empty() || rest.contains(['{', '}']) {
            return Err("expected text with {topic}, {database} or {table}".into());
        }
        let needs_table = text.contains("{database}") || text.contains("{table}");
        Ok(Self { text: text.into(), needs_table })
    }

    /// The index of a topic, in lower case.
    pub(super) fn apply(&self, topic: &str) -> Result<Arc<str>, SinkError> {
        let (rest, table) = topic.rsplit_once('.').unwrap_or(("", topic));
        let database = rest.rsplit_once('.').map(|(_, database)| database);
        let name = self
            .text
            .replace("{topic}", topic)
            .replace("{database}", database.unwrap_or_default())
            .replace("{table}", table)
            .to_lowercase();
        let problem = match problem(&name) {
            None if self.needs_table && database.is_none() => {
                "needs a topic of the form prefix.database.table"
            }
            None => return Ok(name.into()),
            Some(problem) => problem,
        };
        Err(SinkError::IndexName { topic: topic.into(), name: name.into(), problem })
    }
}

fn problem(name: &str) -> Option<&'static str> {
    if name.is_empty() || name == "." || name == ".." {
        Some("is no name")
    } else if name.len() > NAME_MAX_BYTES {
        Some("has more than 255 bytes")
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

    fn apply(template: &str, topic: &str) -> Result<String, String> {
        let template = IndexTemplate::parse(template).map_err(|problem| problem.to_string())?;
        template.apply(topic).map(|name| name.to_string()).map_err(|error| error.to_string())
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
        assert!(apply("a:{topic}", "t").unwrap_err().contains("contains one of"));
        assert!(apply("{tabel}", "t").unwrap_err().contains("expected text"));
    }
}
