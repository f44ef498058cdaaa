//! Settings of the mode that keeps every change instead of every row: `write.method` = `append`.

use connect::config::{ConfigError, Origin, Settings};

/// How changes are appended.
#[derive(Debug, Clone, Default)]
pub struct AppendConfig {
    /// `data.stream.type`, `.dataset`, `.namespace`: the name of the data stream, with `${topic}`.
    /// Default none: an index by `index.name`.
    pub stream: Option<Box<str>>,
    /// `data.stream.timestamp.field`: the first of these fields that a document has is its
    /// `@timestamp`. Default: when the change was made.
    pub timestamp_fields: Vec<String>,
    /// `key.ignore`: whether ids are made of topic, partition and offset even where there is a key.
    pub ignores_key: bool,
}

/// Reads `write.method`: whether changes are appended.
///
/// Confluent's `insert`, its default, writes whole documents under the record's key, which is what
/// `upsert` does here; without keys (`key.ignore`), or into a data stream, it adds one for each
/// record, which is `append`. Its `upsert` merges, and rows are whole.
pub(super) fn is_append(settings: &mut Settings) -> Result<bool, ConfigError> {
    const METHOD: &str = "write.method";
    let is_connects = settings.origin() == Origin::Connect;
    let default = if is_connects { "insert" } else { "upsert" };
    match settings.text(METHOD, default).trim().to_ascii_lowercase().as_str() {
        "upsert" => Ok(false),
        "append" => Ok(true),
        "insert" if is_connects => Ok(adds_each_record(settings)),
        _ => {
            let problem = "must be `upsert`: leave it out, whole rows are written under their \
                           primary key; or `append`, which keeps every change";
            Err(settings.error(METHOD, problem))
        }
    }
}

/// Whether Confluent's `insert` never writes one document twice.
fn adds_each_record(settings: &Settings) -> bool {
    let is_true = |text: &str| text.trim().eq_ignore_ascii_case("true");
    let is_none = |text: &str| text.is_empty() || text.trim().eq_ignore_ascii_case("none");
    settings.peek("key.ignore").is_some_and(is_true)
        || settings.peek("data.stream.type").is_some_and(|kind| !is_none(kind))
}

impl AppendConfig {
    /// `None` unless changes are appended.
    pub(super) fn from_settings(
        settings: &mut Settings,
        is_append: bool,
    ) -> Result<Option<Self>, ConfigError> {
        let ignores_key = settings.boolean("key.ignore", false)?;
        let timestamp_fields = settings.list("data.stream.timestamp.field");
        let stream = stream(settings)?;
        if is_append {
            return Ok(Some(Self { stream, timestamp_fields, ignores_key }));
        }
        if ignores_key {
            let problem = "must be `false`: leave it out, the row's key is the document's id; with \
                           `write.method` = `append` it can be `true`";
            return Err(settings.error("key.ignore", problem));
        }
        if stream.is_some() || !timestamp_fields.is_empty() {
            let problem = "needs `write.method` = `append`: a data stream takes no updates";
            return Err(settings.error("data.stream.type", problem));
        }
        Ok(None)
    }
}

fn stream(settings: &mut Settings) -> Result<Option<Box<str>>, ConfigError> {
    let kind = settings.text("data.stream.type", "none").to_ascii_lowercase();
    let dataset = settings.text("data.stream.dataset", "");
    let namespace = settings.text("data.stream.namespace", "${topic}");
    if kind == "none" || kind.is_empty() {
        return Ok(None);
    }
    for (key, part) in [("data.stream.dataset", &dataset), ("data.stream.namespace", &namespace)] {
        if part.is_empty() || part.replace("${topic}", "").contains(['{', '}', '-']) {
            let problem = "is required, as text with or without ${topic}, and without a dash";
            return Err(settings.error(key, problem));
        }
    }
    Ok(Some(format!("{kind}-{dataset}-{namespace}").into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Option<AppendConfig>, String> {
        parse_as(Origin::PipelineFile, pairs)
    }

    fn parse_as(origin: Origin, pairs: &[(&str, &str)]) -> Result<Option<AppendConfig>, String> {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `s`", origin, values);
        let text = |error: ConfigError| error.to_string();
        let is_append = is_append(&mut settings).map_err(text)?;
        let config = AppendConfig::from_settings(&mut settings, is_append).map_err(text)?;
        settings.finish().unwrap();
        Ok(config)
    }

    #[test]
    fn a_data_stream_has_a_name_of_three_parts() {
        let append = ("write.method", "APPEND");
        let stream = [append, ("data.stream.type", "LOGS"), ("data.stream.dataset", "shop")];

        assert!(parse(&[]).unwrap().is_none());
        assert_eq!(parse(&[append]).unwrap().unwrap().stream, None);
        let stream = parse(&stream).unwrap().unwrap().stream;
        assert_eq!(stream.as_deref(), Some("logs-shop-${topic}"));
    }

    #[test]
    fn confluents_insert_without_keys_keeps_every_record() {
        let parse = |pairs: &[(&str, &str)]| parse_as(Origin::Connect, pairs).unwrap();
        let (insert, no_keys) = (("write.method", "INSERT"), ("key.ignore", "true"));
        let stream = [("data.stream.type", "LOGS"), ("data.stream.dataset", "shop")];

        assert!(parse(&[]).is_none() && parse(&[insert]).is_none());
        assert!(parse(&[("write.method", "UPSERT")]).is_none());
        assert!(parse(&[no_keys]).unwrap().ignores_key);
        assert!(parse(&[insert, no_keys]).unwrap().ignores_key);
        assert!(parse(&stream).unwrap().stream.is_some());
    }

    #[test]
    fn what_needs_the_mode_is_refused_without_it() {
        let error = |pairs: &[(&str, &str)]| parse(pairs).unwrap_err();

        assert!(error(&[("key.ignore", "true")]).contains("must be `false`"));
        assert!(error(&[("write.method", "INSERT")]).contains("must be `upsert`: leave it out"));
        let stream = [("data.stream.type", "logs"), ("data.stream.dataset", "a")];
        assert!(error(&stream).contains("takes no updates"));
        let dashed = [("data.stream.type", "logs"), ("data.stream.dataset", "a-b")];
        assert!(error(&dashed).contains("without a dash"));
    }
}
