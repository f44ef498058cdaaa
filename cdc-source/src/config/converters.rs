//! `key.converter` and `value.converter`: the source writes Avro, and says so to whoever asks for
//! another form, in place of writing what nobody reads.

use connect::config::{ConfigError, Settings, WorkerConfig};
use connect::converter::{Converter, Converters};

/// Looks at the connector's converters, or the worker's where it names none.
pub(super) fn check(worker: &WorkerConfig, settings: &mut Settings) -> Result<(), ConfigError> {
    worker.converters.fill(settings);
    let Converters { key, value } = Converters::read(settings)?;
    for (name, found) in [("key.converter", key), ("value.converter", value)] {
        if found != Converter::Avro {
            let problem = "must be `avro`, for the connector or for the worker: the MySQL source \
                           writes no other form";
            return Err(settings.error(name, problem));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use connect::config::{Origin, PipelineConfig};

    use super::*;

    fn checked(worker: &str, connector: &[(&str, &str)]) -> Result<(), String> {
        let text =
            format!("{{bootstrap.servers: b, {worker} connectors: {{x: {{connector.class: y}}}}}}");
        let worker = PipelineConfig::parse(&text, &|_| None).unwrap().worker;
        let values = connector.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `x`", Origin::Connect, values);
        check(&worker, &mut settings).map_err(|error| error.to_string())
    }

    #[test]
    fn other_forms_than_avro_are_refused_wherever_they_are_asked_for() {
        let avro = [("key.converter", "avro"), ("value.converter", "avro")];
        let json = [avro[0], ("value.converter", "org.apache.kafka.connect.json.JsonConverter")];
        let of_worker = "value.converter: json, key.converter: json,";

        assert_eq!(checked("", &[]), Ok(()));
        assert_eq!(checked(of_worker, &avro), Ok(()));
        for refused in [checked("", &json), checked("value.converter: json,", &[])] {
            let refused = refused.unwrap_err();
            assert!(refused.contains("`value.converter` must be `avro`"), "{refused}");
        }
    }
}
