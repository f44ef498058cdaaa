//! `key.converter`, `value.converter` and `header.converter`. Avro is what the plans write; whatever else is asked for is
//! made of that (`stage.rs`).

use connect::config::{ConfigError, Settings, WorkerConfig};
use connect::converter::Converters;

/// Reads the connector's converters, or the worker's where it names none.
pub(super) fn read(
    worker: &WorkerConfig,
    settings: &mut Settings,
) -> Result<Converters, ConfigError> {
    worker.converters.fill(settings);
    Converters::read(settings)
}

#[cfg(test)]
mod tests {
    use connect::config::{Origin, PipelineConfig};
    use connect::converter::Converter;

    use super::*;

    fn converters(worker: &str, connector: &[(&str, &str)]) -> Result<Converters, String> {
        let text =
            format!("{{bootstrap.servers: b, {worker} connectors: {{x: {{connector.class: y}}}}}}");
        let worker = PipelineConfig::parse(&text, &|_| None).unwrap().worker;
        let values = connector.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `x`", Origin::Connect, values);
        read(&worker, &mut settings).map_err(|error| error.to_string())
    }

    #[test]
    fn a_connectors_converters_come_before_the_workers() {
        let json = Converter::Json { schemas: true };
        let of_worker = "value.converter: json, key.converter: string,";
        let avro = [("key.converter", "avro"), ("value.converter", "avro")];

        assert_eq!(converters("", &[]), Ok(Converters::default()));
        assert_eq!(converters(of_worker, &avro), Ok(Converters::default()));
        let both = Converters { key: Converter::Text, value: json, ..Converters::default() };
        assert_eq!(converters(of_worker, &[]), Ok(both));
        let refused = converters("", &[("value.converter", "com.example.Mine")]).unwrap_err();
        assert!(refused.contains("`value.converter` is no converter"), "{refused}");
    }
}
