//! Settings about what the bytes of keys and values are: Kafka Connect's names.

use connect::config::{ConfigError, Settings};

/// What the bytes of keys or values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Converter {
    /// `io.confluent.connect.avro.AvroConverter`, or `avro`: Avro by Confluent's wire format.
    #[default]
    Avro,
    /// `org.apache.kafka.connect.json.JsonConverter`, or `json`.
    Json {
        /// `*.converter.schemas.enable`: whether each record has its schema. Default `true`,
        /// Connect's.
        schemas: bool,
    },
    /// `org.apache.kafka.connect.storage.StringConverter`, or `string`. For keys only.
    Text,
}

/// `key.converter` and `value.converter`. Default: Avro.
#[derive(Debug, Clone, Copy, Default)]
pub struct Converters {
    pub(crate) key: Converter,
    pub(crate) value: Converter,
}

const AVRO: [&str; 2] = ["io.confluent.connect.avro.AvroConverter", "avro"];
const JSON: [&str; 2] = ["org.apache.kafka.connect.json.JsonConverter", "json"];
const TEXT: [&str; 2] = ["org.apache.kafka.connect.storage.StringConverter", "string"];

impl Converters {
    pub(super) fn from_settings(settings: &mut Settings) -> Result<Self, ConfigError> {
        let key_schemas = settings.boolean("key.converter.schemas.enable", true)?;
        let value_schemas = settings.boolean("value.converter.schemas.enable", true)?;
        let key = converter(settings, "key.converter", key_schemas)?;
        let value = converter(settings, "value.converter", value_schemas)?;
        if value == Converter::Text {
            let problem = "must be `avro` or `json`: a text has no fields to make a document of";
            return Err(settings.error("value.converter", problem));
        }
        Ok(Self { key, value })
    }
}

fn converter(settings: &mut Settings, key: &str, schemas: bool) -> Result<Converter, ConfigError> {
    let name = settings.text(key, AVRO[0]);
    let is = |names: [&str; 2]| names.iter().any(|known| known.eq_ignore_ascii_case(&name));
    Ok(match () {
        () if is(AVRO) => Converter::Avro,
        () if is(JSON) => Converter::Json { schemas },
        () if is(TEXT) => Converter::Text,
        () => {
            let problem = "is no converter that rowcast has, expected `avro`, `json`, or `string` \
                           for keys, or their Java classes";
            return Err(settings.error(key, problem));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect::config::Origin;

    fn parse(pairs: &[(&str, &str)]) -> Result<(Converter, Converter), String> {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `s`", Origin::Connect, values);
        let converters = Converters::from_settings(&mut settings).map_err(|e| e.to_string())?;
        settings.finish().unwrap();
        Ok((converters.key, converters.value))
    }

    #[test]
    fn converters_have_their_classes_and_short_names() {
        assert_eq!(parse(&[]).unwrap(), (Converter::Avro, Converter::Avro));
        let json = [
            ("key.converter", TEXT[0]),
            ("value.converter", JSON[0]),
            ("value.converter.schemas.enable", "false"),
        ];
        assert_eq!(parse(&json).unwrap(), (Converter::Text, Converter::Json { schemas: false }));
        let short = [("key.converter", "json"), ("value.converter", "JSON")];
        let json = Converter::Json { schemas: true };
        assert_eq!(parse(&short).unwrap(), (json, json));
    }

    #[test]
    fn what_makes_no_documents_is_refused() {
        let error = |pairs: &[(&str, &str)]| parse(pairs).unwrap_err();

        assert!(error(&[("value.converter", "string")]).contains("no fields"));
        assert!(error(&[("key.converter", "Protobuf")]).contains("no converter that rowcast has"));
    }
}
