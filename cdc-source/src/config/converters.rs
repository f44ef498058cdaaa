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
