//! `header.converter`, and the records that transforms see with it.

use std::sync::Arc;

use bytes::Bytes;
use transform::{Header, HeaderConverter, HeaderProblem, Part};

use crate::config::{ConfigError, Settings};
use crate::kafka::consumer::Record;

/// The setting.
pub(super) const KEY: &str = "header.converter";

const SCHEMAS: &str = "header.converter.schemas.enable";

/// Reads the converter of headers, by its Java class or its short name.
pub(super) fn read(settings: &mut Settings) -> Result<HeaderConverter, ConfigError> {
    let [simple, json, string, bytes] = HeaderConverter::JAVA_CLASSES;
    let name = settings.text(KEY, simple);
    let is = |class: &str, short: &str| class == name || short.eq_ignore_ascii_case(&name);
    Ok(match () {
        () if is(simple, "simple") => HeaderConverter::Simple,
        () if is(json, "json") => {
            HeaderConverter::Json { schemas: settings.boolean(SCHEMAS, true)? }
        }
        () if is(string, "string") => HeaderConverter::Text,
        () if is(bytes, "bytes") => HeaderConverter::Bytes,
        () => {
            let problem = "is no converter of headers that rowcast has, expected `simple`, `json`, \
                           `string` or `bytes`, or their Java classes";
            return Err(settings.error(KEY, problem));
        }
    })
}

/// A header that is not what the converter says. Has no value in it.
#[derive(Debug, thiserror::Error)]
#[error("its header {name} is not what `header.converter` says")]
pub struct HeaderError {
    /// Its name.
    pub name: Box<str>,
    /// Why.
    #[source]
    pub problem: HeaderProblem,
}

/// A record as transforms see it, once its key and its value are read.
///
/// # Errors
///
/// Returns [`HeaderError`] for the first header that is not what the converter says.
pub fn connect_record(
    record: &Record,
    (key, value): (Part, Part),
    converter: HeaderConverter,
) -> Result<transform::Record, HeaderError> {
    let header = |(name, value): &(Box<str>, Option<Bytes>)| {
        let part = converter.read(value.as_deref());
        let part = part.map_err(|problem| HeaderError { name: name.clone(), problem })?;
        Ok(Header { name: name.to_string(), part })
    };
    Ok(transform::Record {
        topic: Arc::clone(&record.partition.topic),
        partition: Some(record.partition.partition),
        offset: Some(record.offset.0),
        timestamp: record.meta.timestamp,
        key,
        value,
        headers: record.meta.headers.iter().map(header).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Origin;
    use crate::converter::ConverterDefaults;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::new("connector `s`", Origin::PipelineFile, values)
    }

    fn parse(pairs: &[(&str, &str)]) -> Result<HeaderConverter, String> {
        let mut settings = settings(pairs);
        let read = read(&mut settings).map_err(|error| error.to_string())?;
        settings.finish().map_err(|error| error.to_string())?;
        Ok(read)
    }

    #[test]
    fn headers_have_converters_by_their_classes_and_short_names() {
        let json = [(KEY, HeaderConverter::JAVA_CLASSES[1]), (SCHEMAS, "false")];

        assert_eq!(parse(&[]), Ok(HeaderConverter::Simple));
        assert_eq!(parse(&json), Ok(HeaderConverter::Json { schemas: false }));
        assert_eq!(parse(&json[..1]), Ok(HeaderConverter::Json { schemas: true }));
        for converter in [HeaderConverter::Simple, HeaderConverter::Text, HeaderConverter::Bytes] {
            assert_eq!(parse(&[(KEY, converter.class())]), Ok(converter));
        }
        assert_eq!(parse(&[(KEY, "bytes")]), Ok(HeaderConverter::Bytes));
        let error = parse(&[(KEY, "avro")]).unwrap_err();
        assert!(error.contains("is no converter of headers that rowcast has"), "{error}");
        assert!(parse(&[(SCHEMAS, "true")]).unwrap_err().contains("not a known setting"));
    }

    #[test]
    fn a_connector_that_names_none_has_the_workers() {
        let mut worker = settings(&[(KEY, "json"), (SCHEMAS, "false")]);
        let defaults = ConverterDefaults::read(&mut worker).unwrap();
        let filled = |pairs: &[(&str, &str)]| {
            let mut settings = settings(pairs);
            defaults.fill(&mut settings);
            read(&mut settings).unwrap()
        };

        assert_eq!(filled(&[]), HeaderConverter::Json { schemas: false });
        assert_eq!(filled(&[(KEY, "string")]), HeaderConverter::Text);
    }
}
