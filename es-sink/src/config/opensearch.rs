//! Aiven's names of settings, for what the sink has by Confluent's.

use connect::config::{ConfigError, Settings};

/// Gives Aiven's settings the names and values that the sink reads.
///
/// # Errors
///
/// Returns [`ConfigError`] for a value that asks for something else.
pub(crate) fn translate(settings: &mut Settings) -> Result<(), ConfigError> {
    const RESOURCE: &str = "existing.resource.type";
    const MALFORMED: &str = "behavior.on.malformed.documents";
    const STRATEGY: &str = "key.ignore.id.strategy";
    settings.rename("index.write.method", "write.method");
    settings.rename("topic.to.existing.resource.mapping", "topic.to.external.resource.mapping");
    // Letters are what both mean that report.
    if settings.peek(MALFORMED).is_some_and(|policy| policy.eq_ignore_ascii_case("report")) {
        settings.replace(MALFORMED, "dead_letter");
    }
    let resource = settings.text(RESOURCE, "none").to_ascii_lowercase();
    if !["none", "index", "index_alias"].contains(&resource.as_str()) {
        let problem = "must be `index`, `index_alias` or `none`: name a data stream by \
                       `data.stream.*`";
        return Err(settings.error(RESOURCE, problem));
    }
    if let Some(strategy) = settings.optional(STRATEGY)
        && !strategy.split('.').eq(["topic", "partition", "offset"])
    {
        let problem = "must be of topic, partition and offset: for ids made of keys leave \
                       `key.ignore` out too";
        return Err(settings.error(STRATEGY, problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SinkConfig;
    use connect::config::Origin;

    fn read(pairs: &[(&str, &str)]) -> Result<SinkConfig, String> {
        let base = [("topics", "a"), ("connection.url", "http://os:9200")];
        let all = base.iter().chain(pairs);
        let values = all.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `s`", Origin::Connect, values);
        translate(&mut settings).map_err(|error| error.to_string())?;
        SinkConfig::from_settings(settings).map_err(|error| error.to_string())
    }

    #[test]
    fn aivens_settings_have_their_meaning() {
        let config = read(&[
            ("index.write.method", "insert"),
            ("key.ignore", "true"),
            ("key.ignore.id.strategy", "topic.partition.offset"),
            ("existing.resource.type", "index"),
            ("topic.to.existing.resource.mapping", "a:b"),
            ("errors.deadletterqueue.topic.name", "dead"),
            ("behavior.on.malformed.documents", "report"),
        ]);
        let config = config.unwrap();

        assert!(config.documents.append.unwrap().ignores_key);
        assert_eq!(config.documents.indices.len(), 1);
        assert!(read(&[("index.write.method", "upsert")]).unwrap().documents.append.is_none());
    }

    #[test]
    fn what_it_has_not_is_refused() {
        let error = |pair| read(&[pair]).err().unwrap();

        assert!(error(("key.ignore.id.strategy", "none")).contains("for ids made of keys"));
        assert!(error(("existing.resource.type", "data_stream")).contains("`data.stream.*`"));
    }
}
