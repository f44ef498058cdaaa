//! Settings about what the bytes of keys, values and headers are: Kafka Connect's names.

use connect::config::{ConfigError, Settings};
use connect::converter;
use formats::Format;
use transform::HeaderConverter;

/// What the bytes of keys or values are, of those that documents can be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Converter {
    /// Avro by Confluent's wire format.
    #[default]
    Avro,
    /// What `JsonConverter` writes.
    Json {
        /// `*.converter.schemas.enable`: whether each record has its schema.
        schemas: bool,
    },
    /// Protobuf or JSON Schema by Confluent's wire format.
    Registered(Format),
    /// Text. For keys only.
    Text,
}

/// `key.converter`, `value.converter` and `header.converter`. Default: Avro, and Connect's
/// `SimpleHeaderConverter`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Converters {
    pub(crate) key: Converter,
    pub(crate) value: Converter,
    /// What transforms see of headers.
    pub(crate) header: HeaderConverter,
}

impl Converters {
    pub(super) fn from_settings(settings: &mut Settings) -> Result<Self, ConfigError> {
        let converter::Converters { key, value, header } = converter::Converters::read(settings)?;
        let Some(key) = Converter::of(key) else {
            let problem = "must be `avro`, `json`, `protobuf`, `jsonschema` or `string`: bytes are \
                           no id of a document";
            return Err(settings.error("key.converter", problem));
        };
        let Some(value) = Converter::of(value).filter(|value| *value != Converter::Text) else {
            let problem = "must be `avro`, `json`, `protobuf` or `jsonschema`: a text has no fields \
                           to make a document of, nor have bytes";
            return Err(settings.error("value.converter", problem));
        };
        Ok(Self { key, value, header })
    }

    /// Whether schemas are in a registry.
    pub(crate) fn need_registry(&self) -> bool {
        [self.key, self.value].into_iter().any(Converter::is_registered)
    }

    /// Whether records are read as data of Connect first, whatever is done with them then.
    pub(crate) fn are_generic(&self) -> bool {
        [self.key, self.value].into_iter().any(|of| matches!(of, Converter::Registered(_)))
    }
}

impl Converter {
    /// Its class in Java, for `__connect.errors.class.name`.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Avro => "io.confluent.connect.avro.AvroConverter",
            Self::Json { .. } => "org.apache.kafka.connect.json.JsonConverter",
            Self::Registered(Format::Protobuf(_)) => {
                "io.confluent.connect.protobuf.ProtobufConverter"
            }
            Self::Registered(Format::JsonSchema(_)) => {
                "io.confluent.connect.json.JsonSchemaConverter"
            }
            Self::Text => "org.apache.kafka.connect.storage.StringConverter",
        }
    }

    fn is_registered(self) -> bool {
        matches!(self, Self::Avro | Self::Registered(_))
    }

    /// The same one, if documents can be made of it.
    fn of(converter: converter::Converter) -> Option<Self> {
        match converter {
            converter::Converter::Avro => Some(Self::Avro),
            converter::Converter::Json { schemas } => Some(Self::Json { schemas }),
            converter::Converter::Registered(format) => Some(Self::Registered(format)),
            converter::Converter::Text => Some(Self::Text),
            converter::Converter::Bytes => None,
        }
    }
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
    fn documents_are_made_of_avro_and_json_and_ids_of_texts_too() {
        assert_eq!(parse(&[]).unwrap(), (Converter::Avro, Converter::Avro));
        let json = [
            ("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
            ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("value.converter.schemas.enable", "false"),
        ];
        assert_eq!(parse(&json).unwrap(), (Converter::Text, Converter::Json { schemas: false }));
    }

    #[test]
    fn what_makes_no_documents_is_refused() {
        let error = |pairs: &[(&str, &str)]| parse(pairs).unwrap_err();

        assert!(error(&[("value.converter", "string")]).contains("no fields"));
        assert!(error(&[("value.converter", "bytes")]).contains("no fields"));
        assert!(error(&[("key.converter", "bytes")]).contains("no id"));
        assert!(error(&[("key.converter", "xml")]).contains("no converter that rowcast has"));
    }
}
