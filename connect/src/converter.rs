//! What the bytes of keys and values are: Kafka Connect's converters, by its names.
//!
//! Only the choice is here, and what a record that is one text needs. How a row becomes bytes is the
//! matter of `schema`.

mod header;
mod part_reader;
mod part_writer;
mod text;

use std::collections::BTreeMap;

use formats::{Format, JsonSchemaOptions, ProtobufOptions};
use transform::HeaderConverter;

use crate::config::{ConfigError, Settings};

pub use header::{HeaderError, connect_record};
pub use part_reader::PartReader;
pub use part_writer::{PartError, PartWriter, Side};
pub use text::{NotUtf8, TextDecoder, TextEncoder, TextError};

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
    /// `io.confluent.connect.protobuf.ProtobufConverter`, or `protobuf`, and
    /// `io.confluent.connect.json.JsonSchemaConverter`, or `jsonschema`: by Confluent's wire format.
    Registered(Format),
    /// `org.apache.kafka.connect.storage.StringConverter`, or `string`: the text itself.
    Text,
    /// `org.apache.kafka.connect.converters.ByteArrayConverter`, or `bytes`: whatever the bytes are.
    Bytes,
}

const AVRO: [&str; 2] = ["io.confluent.connect.avro.AvroConverter", "avro"];
const JSON: [&str; 2] = ["org.apache.kafka.connect.json.JsonConverter", "json"];
const PROTOBUF: [&str; 2] = ["io.confluent.connect.protobuf.ProtobufConverter", "protobuf"];
const JSON_SCHEMA: [&str; 2] = ["io.confluent.connect.json.JsonSchemaConverter", "jsonschema"];
const TEXT: [&str; 2] = ["org.apache.kafka.connect.storage.StringConverter", "string"];
const BYTES: [&str; 2] = ["org.apache.kafka.connect.converters.ByteArrayConverter", "bytes"];

impl Converter {
    /// Those that there are, by their Java names.
    pub(crate) const JAVA_CLASSES: [&str; 6] =
        [AVRO[0], JSON[0], PROTOBUF[0], JSON_SCHEMA[0], TEXT[0], BYTES[0]];

    fn read(settings: &mut Settings, key: &str, schemas: bool) -> Result<Self, ConfigError> {
        let name = settings.text(key, AVRO[0]);
        let is = |names: [&str; 2]| names.iter().any(|known| known.eq_ignore_ascii_case(&name));
        Ok(match () {
            () if is(AVRO) => Self::Avro,
            () if is(JSON) => Self::Json { schemas },
            () if is(PROTOBUF) => {
                Self::Registered(Format::Protobuf(protobuf(settings, &format!("{key}."))?))
            }
            () if is(JSON_SCHEMA) => {
                Self::Registered(Format::JsonSchema(json_schema(settings, &format!("{key}."))?))
            }
            () if is(TEXT) => Self::Text,
            () if is(BYTES) => Self::Bytes,
            () => {
                let problem = "is no converter that rowcast has, expected `avro`, `json`, \
                               `protobuf`, `jsonschema`, `string` or `bytes`, or their Java classes";
                return Err(settings.error(key, problem));
            }
        })
    }
}

/// The settings of `ProtobufConverter`, behind the name of the converter.
fn protobuf(settings: &mut Settings, prefix: &str) -> Result<ProtobufOptions, ConfigError> {
    refuse_sum_types(settings, prefix)?;
    let mut is = |key: String, default| settings.boolean(&key, default);
    let options = ProtobufOptions {
        keeps_packages: is(format!("{prefix}enhanced.protobuf.schema.support"), false)?,
        scrubs_names: is(format!("{prefix}scrub.invalid.names"), false)?,
        int_for_enums: is(format!("{prefix}int.for.enums"), false)?,
        optional_for_nullables: is(format!("{prefix}optional.for.nullables"), false)?,
        optional_for_proto2: is(format!("{prefix}optional.for.proto2"), true)?,
        wrapper_for_nullables: is(format!("{prefix}wrapper.for.nullables"), false)?,
        wrapper_for_raw_primitives: is(format!("{prefix}wrapper.for.raw.primitives"), true)?,
        struct_for_nulls: is(format!("{prefix}generate.struct.for.nulls"), false)?,
        index_for_unions: is(format!("{prefix}generate.index.for.unions"), true)?,
        flatten_unions: is(format!("{prefix}flatten.unions"), false)?,
        ignores_defaults: is(format!("{prefix}ignore.default.for.nullables"), false)?,
    };
    Ok(options)
}

/// The settings of `JsonSchemaConverter`.
fn json_schema(settings: &mut Settings, prefix: &str) -> Result<JsonSchemaOptions, ConfigError> {
    refuse_sum_types(settings, prefix)?;
    let key = format!("{prefix}decimal.format");
    let decimals = settings.text(&key, "BASE64").trim().to_uppercase();
    if !["BASE64", "NUMERIC"].contains(&&*decimals) {
        return Err(settings.error(&key, "expected one of BASE64, NUMERIC"));
    }
    let mut is = |key: String, default| settings.boolean(&key, default);
    Ok(JsonSchemaOptions {
        additional_properties: is(format!("{prefix}object.additional.properties"), true)?,
        optional_for_nonrequired: is(format!("{prefix}use.optional.for.nonrequired"), false)?,
        numeric_decimals: decimals == "NUMERIC",
        flatten_singletons: is(format!("{prefix}flatten.singleton.unions"), true)?,
        ignores_defaults: is(format!("{prefix}ignore.default.for.nullables"), false)?,
    })
}

/// Unions and enums by names of their own, which few have and none need.
fn refuse_sum_types(settings: &mut Settings, prefix: &str) -> Result<(), ConfigError> {
    let key = format!("{prefix}generalized.sum.type.support");
    if settings.boolean(&key, false)? {
        let problem = "can only be false: unions and enums have the names of their format";
        return Err(settings.error(&key, problem));
    }
    Ok(())
}

/// `key.converter`, `value.converter` and `header.converter`. Default: Avro, and for headers Connect's
/// `SimpleHeaderConverter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Converters {
    /// What the bytes of keys are.
    pub key: Converter,
    /// What the bytes of values are.
    pub value: Converter,
    /// What the bytes of headers are.
    pub header: HeaderConverter,
}

impl Converters {
    /// Reads a connector's converters. Where it names none, the worker's have to be in `settings`
    /// already ([`ConverterDefaults::fill`]).
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for a converter that is not known.
    pub fn read(settings: &mut Settings) -> Result<Self, ConfigError> {
        let key_schemas = settings.boolean("key.converter.schemas.enable", true)?;
        let value_schemas = settings.boolean("value.converter.schemas.enable", true)?;
        Ok(Self {
            key: Converter::read(settings, "key.converter", key_schemas)?,
            value: Converter::read(settings, "value.converter", value_schemas)?,
            header: header::read(settings)?,
        })
    }
}

/// The worker's own converters, with all that is set for them, for connectors that name none.
#[derive(Clone, Default)]
pub struct ConverterDefaults {
    key: BTreeMap<String, String>,
    value: BTreeMap<String, String>,
    header: BTreeMap<String, String>,
}

impl ConverterDefaults {
    /// Reads the worker's.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigError`] for a converter that is not known.
    pub(crate) fn read(settings: &mut Settings) -> Result<Self, ConfigError> {
        Converters::read(&mut settings.clone())?;
        let mut all_of = |name: &str| {
            let all = settings.with_prefix(name).into_iter();
            all.map(|(rest, value)| (format!("{name}{rest}"), value)).collect()
        };
        Ok(Self {
            key: all_of("key.converter"),
            value: all_of("value.converter"),
            header: all_of(header::KEY),
        })
    }

    /// Gives a connector that names no converter the worker's. What it sets for a converter without
    /// naming one has no effect then, as in Kafka Connect.
    pub fn fill(&self, settings: &mut Settings) {
        for (name, ours) in [
            ("key.converter", &self.key),
            ("value.converter", &self.value),
            (header::KEY, &self.header),
        ] {
            if !ours.contains_key(name) || settings.has(name) {
                continue;
            }
            drop(settings.with_prefix(&format!("{name}.")));
            ours.iter().for_each(|(key, value)| settings.insert(key, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Origin;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::new("connector `s`", Origin::PipelineFile, values)
    }

    fn parse(pairs: &[(&str, &str)]) -> Result<Converters, String> {
        let mut settings = settings(pairs);
        let converters = Converters::read(&mut settings).map_err(|error| error.to_string())?;
        settings.finish().map_err(|error| error.to_string())?;
        Ok(converters)
    }

    #[test]
    fn converters_have_their_classes_and_short_names() {
        let of = |key, value| Converters { key, value, ..Converters::default() };
        assert_eq!(parse(&[]), Ok(Converters::default()));
        let json = [
            ("key.converter", TEXT[0]),
            ("value.converter", JSON[0]),
            ("value.converter.schemas.enable", "false"),
        ];
        assert_eq!(parse(&json), Ok(of(Converter::Text, Converter::Json { schemas: false })));
        let short = [("key.converter", "bytes"), ("value.converter", "JSON")];
        assert_eq!(parse(&short), Ok(of(Converter::Bytes, Converter::Json { schemas: true })));
        let error = parse(&[("key.converter", "xml")]).unwrap_err();
        assert!(error.contains("`key.converter` is no converter that rowcast has"), "{error}");
    }

    #[test]
    fn the_formats_of_the_registry_have_confluents_settings() {
        let converters = parse(&[
            ("key.converter", PROTOBUF[0]),
            ("key.converter.optional.for.nullables", "true"),
            ("key.converter.generate.index.for.unions", "false"),
            ("value.converter", JSON_SCHEMA[0]),
            ("value.converter.use.optional.for.nonrequired", "true"),
            ("value.converter.decimal.format", "numeric"),
        ]);

        let protobuf = ProtobufOptions {
            optional_for_nullables: true,
            index_for_unions: false,
            ..ProtobufOptions::default()
        };
        let json = JsonSchemaOptions {
            optional_for_nonrequired: true,
            numeric_decimals: true,
            ..JsonSchemaOptions::default()
        };
        let key = Converter::Registered(Format::Protobuf(protobuf));
        let value = Converter::Registered(Format::JsonSchema(json));
        assert_eq!(converters, Ok(Converters { key, value, ..Converters::default() }));
        let error = |name, value| {
            let converter = ("value.converter", "jsonschema");
            parse(&[converter, (name, value)]).unwrap_err()
        };
        assert!(error("value.converter.decimal.format", "x").contains("BASE64, NUMERIC"));
        let sums = error("value.converter.generalized.sum.type.support", "true");
        assert!(sums.contains("can only be false"), "{sums}");
        // A setting of another converter is none of this one's.
        assert!(error("value.converter.flatten.unions", "true").contains("not a known setting"));
    }

    fn filled(worker: &[(&str, &str)], connector: &[(&str, &str)]) -> Converters {
        let mut worker = settings(worker);
        let defaults = ConverterDefaults::read(&mut worker).unwrap();
        worker.finish().unwrap();
        let mut connector = settings(connector);
        defaults.fill(&mut connector);
        let converters = Converters::read(&mut connector).unwrap();
        connector.finish().unwrap();
        converters
    }

    /// Kafka Connect takes a converter with all its settings from one place.
    #[test]
    fn a_connector_that_names_no_converter_has_the_workers_as_it_is() {
        let plain = Converter::Json { schemas: false };
        let worker = [
            ("key.converter", "json"),
            ("key.converter.schemas.enable", "false"),
            ("value.converter", "string"),
        ];

        let none = filled(&worker, &[]);
        let half = filled(&worker, &[("key.converter.schemas.enable", "true")]);
        let own = filled(&worker, &[("key.converter", "json"), ("value.converter", "bytes")]);
        let neither = filled(&[], &[("value.converter", "json")]);

        assert_eq!((none.key, none.value), (plain, Converter::Text));
        assert_eq!(half, none);
        let with_schemas = Converter::Json { schemas: true };
        assert_eq!((own.key, own.value), (with_schemas, Converter::Bytes));
        assert_eq!((neither.key, neither.value), (Converter::Avro, with_schemas));
    }

    #[test]
    fn the_workers_converters_are_checked_when_it_starts() {
        let read = ConverterDefaults::read(&mut settings(&[("value.converter", "xml")]));

        assert!(read.err().unwrap().to_string().contains("`value.converter` is no converter"));
    }
}
