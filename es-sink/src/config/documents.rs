//! Settings about documents: which fields they have, and where they go.

use std::collections::BTreeMap;
use std::sync::Arc;

use connect::config::{ConfigError, Settings};
use regex::Regex;
use transform::{Chain, Needs};

use super::append::AppendConfig;
use super::converters::{Converter, Converters};
use super::large::patterns;

/// What documents are made of.
#[derive(Debug, Clone, Default)]
pub struct DocumentsConfig {
    /// `field.include.list`, `field.exclude.list`, `field.renames`.
    pub fields: FieldsConfig,
    /// `index.routing.column`: the key column whose text is `_routing`. Default none.
    pub routing: Option<Box<str>>,
    /// `index.pipeline`: the ingest pipeline that written documents go through. Default none.
    pub pipeline: Option<Arc<str>>,
    /// `key.converter`, `value.converter`.
    pub converters: Converters,
    /// `schema.ignore`, `topic.schema.ignore`: topics whose fields Elasticsearch maps by itself.
    pub dynamic: DynamicTopics,
    /// `topic.to.external.resource.mapping`: `topic:index`, in place of `index.name`.
    pub indices: Vec<TopicIndex>,
    /// `write.method` = `append`, and what goes with it.
    pub append: Option<AppendConfig>,
    /// `transforms`, `predicates` and all below them; empty where documents are made without.
    pub transforms: BTreeMap<String, String>,
    /// Whether they do the same to all rows of most schemas, so that plans can.
    pub transforms_fold: bool,
}

/// The index of one topic.
#[derive(Debug, Clone)]
pub struct TopicIndex {
    pub(crate) topic: Box<str>,
    pub(crate) index: Arc<str>,
}

/// Topics whose fields Elasticsearch maps by itself, as it first sees them.
#[derive(Debug, Clone, Default)]
pub struct DynamicTopics {
    all: bool,
    some: Vec<String>,
}

impl DynamicTopics {
    /// Whether a topic is one of them.
    pub(crate) fn contains(&self, topic: &str) -> bool {
        self.all || self.some.iter().any(|name| name == topic)
    }
}

/// Which columns become fields, and under which names.
#[derive(Debug, Clone, Default)]
pub struct FieldsConfig {
    /// `field.include.list`: patterns of `database.table.column` or `column`. Default: all.
    include: Vec<Regex>,
    /// `field.exclude.list`: the same for what is left out.
    exclude: Vec<Regex>,
    /// `field.renames`: `old:new`, where `old` is `column` or `database.table.column`.
    renames: Vec<(Box<str>, Box<str>)>,
}

impl DocumentsConfig {
    pub(super) fn from_settings(
        settings: &mut Settings,
        is_append: bool,
    ) -> Result<Self, ConfigError> {
        let dynamic = DynamicTopics {
            all: settings.boolean("schema.ignore", false)?,
            some: settings.list("topic.schema.ignore"),
        };
        let append = AppendConfig::from_settings(settings, is_append)?;
        let routing = named(settings, "index.routing.column");
        if routing.is_some() && append.as_ref().is_some_and(|append| append.stream.is_some()) {
            let problem = "cannot be set beside `data.stream.type`: a data stream takes no routing";
            return Err(settings.error("index.routing.column", problem));
        }
        let converters = Converters::from_settings(settings)?;
        // What is appended shows deleted rows, which transforms would have to see as well.
        let is_plain = !converters.are_generic() && append.is_none();
        let may_fold = is_plain && converters.value == Converter::Avro;
        let (transforms, transforms_fold) = super::transforms::read(settings, may_fold)?;
        Ok(Self {
            converters,
            dynamic,
            indices: indices(settings)?,
            append,
            fields: FieldsConfig::from_settings(settings)?,
            routing: routing.map(Into::into),
            pipeline: named(settings, "index.pipeline").map(Into::into),
            transforms,
            transforms_fold,
        })
    }
}

impl DocumentsConfig {
    /// Whether records have to come with their headers.
    pub(crate) fn transforms_need_headers(&self) -> bool {
        !self.transforms_fold
            && Chain::read(&self.transforms).is_ok_and(|(chain, _)| chain.needs() > Needs::Topic)
    }
}

impl FieldsConfig {
    fn from_settings(settings: &mut Settings) -> Result<Self, ConfigError> {
        let include = patterns(settings, "field.include.list")?;
        let exclude = patterns(settings, "field.exclude.list")?;
        if !include.is_empty() && !exclude.is_empty() {
            let problem = "cannot be set beside `field.include.list`: name the fields in one list";
            return Err(settings.error("field.exclude.list", problem));
        }
        let mut renames = Vec::new();
        for rename in settings.list("field.renames") {
            let (old, new) = rename.split_once(':').unwrap_or_default();
            if old.is_empty() || new.is_empty() || new.contains([':', '.']) {
                let problem = format!("has {rename:?}, expected `old:new` without dots in `new`");
                return Err(settings.error("field.renames", problem));
            }
            renames.push((old.into(), new.into()));
        }
        Ok(Self { include, exclude, renames })
    }

    /// The field of a column of a table, as `database.table`; `None` if it has none.
    pub(crate) fn field(&self, table: &str, column: &str) -> Option<Box<str>> {
        let full = format!("{table}.{column}");
        let names = |patterns: &[Regex]| {
            patterns.iter().any(|pattern| pattern.is_match(&full) || pattern.is_match(column))
        };
        if names(&self.exclude) || (!self.include.is_empty() && !names(&self.include)) {
            return None;
        }
        // The longer name is about one table, so it holds before the shorter one.
        let renamed = |wanted: &str| self.renames.iter().find(|(old, _)| **old == *wanted);
        let new = renamed(&full).or_else(|| renamed(column));
        Some(new.map_or_else(|| column.into(), |(_, new)| new.clone()))
    }
}

fn indices(settings: &mut Settings) -> Result<Vec<TopicIndex>, ConfigError> {
    const MAPPING: &str = "topic.to.external.resource.mapping";
    const USAGE: &str = "external.resource.usage";
    let usage = settings.text(USAGE, "DISABLED");
    if !["DISABLED", "INDEX"].iter().any(|known| known.eq_ignore_ascii_case(&usage)) {
        let problem = "must be `INDEX`: name a data stream by `data.stream.*`, and an alias as an \
                       index";
        return Err(settings.error(USAGE, problem));
    }
    let mut indices = Vec::new();
    for entry in settings.list(MAPPING) {
        let (topic, index) = entry.rsplit_once(':').unwrap_or_default();
        if topic.is_empty() || index.is_empty() {
            return Err(settings.error(MAPPING, format!("has {entry:?}, expected `topic:index`")));
        }
        indices.push(TopicIndex { topic: topic.into(), index: index.into() });
    }
    Ok(indices)
}

fn named(settings: &mut Settings, key: &str) -> Option<String> {
    settings.optional(key).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect::config::Origin;

    fn parse(pairs: &[(&str, &str)]) -> Result<DocumentsConfig, String> {
        parse_as(pairs, false)
    }

    fn parse_as(pairs: &[(&str, &str)], is_append: bool) -> Result<DocumentsConfig, String> {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `s`", Origin::PipelineFile, values);
        let config = DocumentsConfig::from_settings(&mut settings, is_append);
        let config = config.map_err(|error| error.to_string())?;
        settings.finish().unwrap();
        Ok(config)
    }

    #[test]
    fn fields_are_chosen_by_their_column_or_by_their_table_and_column() {
        let config = parse(&[
            ("field.exclude.list", "password, shop\\.users\\.(phone|mail)"),
            ("field.renames", "name:title, shop.users.name:user_name"),
        ]);
        let fields = config.unwrap().fields;

        assert_eq!(fields.field("shop.users", "password"), None);
        assert_eq!(fields.field("shop.users", "mail"), None);
        assert_eq!(fields.field("shop.orders", "mail").as_deref(), Some("mail"));
        assert_eq!(fields.field("shop.users", "name").as_deref(), Some("user_name"));
        assert_eq!(fields.field("shop.orders", "name").as_deref(), Some("title"));
        let included = parse(&[("field.include.list", "id")]).unwrap().fields;
        assert_eq!(included.field("a.b", "id").as_deref(), Some("id"));
        assert_eq!(included.field("a.b", "idx"), None);
    }

    #[test]
    fn what_says_nothing_or_too_much_is_refused() {
        let error = |pairs: &[(&str, &str)]| parse(pairs).unwrap_err();

        let both = [("field.include.list", "a"), ("field.exclude.list", "b")];
        assert!(error(&both).contains("name the fields in one list"));
        let mapping = [("topic.to.external.resource.mapping", "orders")];
        assert!(error(&mapping).contains("expected `topic:index`"));
        assert!(error(&[("external.resource.usage", "DATASTREAM")]).contains("data.stream"));
        let routed = [
            ("data.stream.type", "logs"),
            ("data.stream.dataset", "a"),
            ("index.routing.column", "id"),
        ];
        assert!(parse_as(&routed, true).unwrap_err().contains("takes no routing"));
        assert!(error(&[("field.renames", "a")]).contains("expected `old:new`"));
        assert!(error(&[("field.renames", "a:b.c")]).contains("without dots"));
    }
}
