//! Transforms that ask for what the sink does by itself.

use connect::config::{ConfigError, Settings};

/// Debezium's transform that makes a row of an envelope. The sink takes the row out of it anyway.
const UNWRAP: &str = "io.debezium.transforms.ExtractNewRecordState";

/// Kafka Connect's transform that makes a key of one of its columns. That column's text is the
/// document's id anyway; of several columns all are in it, so that no two rows are one document.
const EXTRACT: &str = "org.apache.kafka.connect.transforms.ExtractField$Key";

/// Takes transforms out that change nothing here.
///
/// # Errors
///
/// Any other one would change documents, so it is an error to leave it out unseen.
pub(super) fn refuse_others(settings: &mut Settings) -> Result<(), ConfigError> {
    for name in settings.list("transforms") {
        let prefix = format!("transforms.{name}.");
        let kind = format!("{prefix}type");
        match settings.required(&kind)?.as_str() {
            UNWRAP => refuse_options(settings, &prefix)?,
            EXTRACT => {
                settings.required(&format!("{prefix}field"))?;
            }
            other => {
                let problem = format!(
                    "is {other}, which is not there yet: the sink takes {UNWRAP} and {EXTRACT}, \
                     and does by itself what they do; leave the others out"
                );
                return Err(settings.error(&kind, problem));
            }
        }
    }
    Ok(())
}

/// Options of Debezium's transform under which documents would be others.
fn refuse_options(settings: &mut Settings, prefix: &str) -> Result<(), ConfigError> {
    // Whether a delete is a record of its own or a tombstone, the document is deleted once.
    for key in ["drop.tombstones", "add.headers", "add.headers.prefix", "add.fields.prefix"] {
        drop(settings.optional(&format!("{prefix}{key}")));
    }
    for key in ["delete.handling.mode", "delete.tombstone.handling.mode"] {
        let key = format!("{prefix}{key}");
        if settings.optional(&key).is_some_and(|mode| mode.trim().starts_with("rewrite")) {
            let problem = "keeps deleted rows: leave it out and set `behavior.on.delete` = soft";
            return Err(settings.error(&key, problem));
        }
    }
    for key in ["add.fields", "drop.fields.header.name", "drop.fields.from.key", "route.by.field"] {
        let key = format!("{prefix}{key}");
        if settings.optional(&key).is_some_and(|value| !value.trim().is_empty()) {
            return Err(settings.error(&key, "is not supported by the sink yet: leave it out"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect::config::Origin;

    fn read(pairs: &[(&str, &str)]) -> Result<(), String> {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `s`", Origin::PipelineFile, values);
        refuse_others(&mut settings).map_err(|error| error.to_string())?;
        settings.finish().map_err(|error| error.to_string())
    }

    #[test]
    fn debeziums_example_for_elasticsearch_is_taken_as_it_is() {
        let example = [
            ("transforms", "unwrap,key"),
            ("transforms.unwrap.type", UNWRAP),
            ("transforms.unwrap.drop.tombstones", "false"),
            ("transforms.key.type", EXTRACT),
            ("transforms.key.field", "id"),
        ];

        assert_eq!(read(&example), Ok(()));
        assert_eq!(read(&[]), Ok(()));
    }

    #[test]
    fn what_would_change_documents_is_refused() {
        let unwrap = [("transforms", "t"), ("transforms.t.type", UNWRAP)];
        let with = |pair| read(&[unwrap[0], unwrap[1], pair]).unwrap_err();

        assert!(
            with(("transforms.t.delete.handling.mode", "rewrite")).contains("`behavior.on.delete`")
        );
        assert!(with(("transforms.t.add.fields", "op")).contains("not supported by the sink yet"));
        let router =
            [unwrap[0], ("transforms.t.type", "org.apache.kafka.connect.transforms.RegexRouter")];
        assert!(read(&router).unwrap_err().contains("which is not there yet"));
        assert!(
            read(&[("transforms", "t")]).unwrap_err().contains("`transforms.t.type` is required")
        );
    }
}
