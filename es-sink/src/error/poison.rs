//! Records that fail by themselves: at which of Kafka Connect's stages, in which of its classes, and
//! with which of its exceptions.

use schema::fault;
use schema::registry::RegistryError;
use transform::TransformError;

use super::SinkError;

/// What is done with a record, as `__connect.errors.stage` names it. Headers are read for transforms
/// only: none becomes part of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its key's bytes are read, by a converter of this class.
    KeyConverter(&'static str),
    /// Its value's bytes are.
    ValueConverter(&'static str),
    /// Its headers' bytes are.
    HeaderConverter(&'static str),
    /// It goes through the transforms.
    Transformation,
    /// A document is made of it.
    TaskPut,
}

/// Why a record, and no other, cannot be used: what `errors.tolerance` is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Poison {
    /// Connect's name of the stage.
    pub(crate) stage: &'static str,
    /// The class that did not take it.
    pub(crate) class: &'static str,
    /// What that class throws.
    pub(crate) exception: &'static str,
    /// Why, without values of the row.
    pub(crate) message: String,
}

/// The class of what happens in `put`, as Connect's dead letters name it.
pub(crate) const SINK_TASK: &str = "org.apache.kafka.connect.sink.SinkTask";
const DATA_EXCEPTION: &str = "org.apache.kafka.connect.errors.DataException";

impl Poison {
    /// What an error at a stage says of the record, if it is about the record alone.
    ///
    /// This is a list of what is known to be so. A schema that makes no documents, an index that
    /// does not fit and a server that does not answer are about all records behind it too: they
    /// would drain a topic, so they end the task whatever is tolerated.
    pub(crate) fn of(stage: Stage, error: &SinkError) -> Option<Self> {
        if let SinkError::Transform { source, .. } = error {
            return Some(Self::of_transform(source));
        }
        if !is_unreadable(error) {
            return None;
        }
        let (stage, class) = match stage {
            Stage::KeyConverter(class) => ("KEY_CONVERTER", class),
            Stage::ValueConverter(class) => ("VALUE_CONVERTER", class),
            Stage::HeaderConverter(class) => ("HEADER_CONVERTER", class),
            Stage::Transformation => (TransformError::STAGE, "org.apache.kafka.connect.transforms"),
            Stage::TaskPut => ("TASK_PUT", SINK_TASK),
        };
        Some(Self { stage, class, exception: DATA_EXCEPTION, message: fault::chain(error) })
    }

    fn of_transform(error: &TransformError) -> Self {
        Self {
            stage: TransformError::STAGE,
            class: error.class,
            exception: error.exception.class(),
            message: error.message.to_string(),
        }
    }
}

/// Whether the bytes of a record are not what they have to be.
fn is_unreadable(error: &SinkError) -> bool {
    match error {
        SinkError::Decode { .. }
        | SinkError::NotFramed { .. }
        | SinkError::Json { .. }
        | SinkError::Convert { .. }
        | SinkError::NotText { .. } => true,
        // A schema that is not understood is about all of its records.
        SinkError::Format { source, .. } => source.part() == formats::Part::Record,
        // An id that the registry does not know. One that it does not show us is about the login.
        SinkError::Registry(error) => match error {
            RegistryError::Refused { .. } => true,
            RegistryError::Settings { .. }
            | RegistryError::NotRegistered { .. }
            | RegistryError::NotLatest { .. }
            | RegistryError::Unavailable { .. }
            | RegistryError::Unusable { .. }
            | RegistryError::Incompatible { .. } => false,
        },
        SinkError::Transform { .. }
        | SinkError::Consumer(_)
        | SinkError::Client { .. }
        | SinkError::Setting { .. }
        | SinkError::UnknownServer { .. }
        | SinkError::Plan { .. }
        | SinkError::EmbeddedPlan { .. }
        | SinkError::NoKey { .. }
        | SinkError::Date(_)
        | SinkError::IndexName { .. }
        | SinkError::Denied { .. }
        | SinkError::Refused { .. }
        | SinkError::Index(_)
        | SinkError::MixedVersions { .. }
        | SinkError::ForeignIndex { .. }
        | SinkError::Rejected { .. }
        | SinkError::Malformed { .. }
        | SinkError::TooLarge { .. }
        | SinkError::Truncated { .. }
        | SinkError::Interrupted => false,
    }
}
