//! Connect's data into a batch: what a record goes through between the transforms and Kafka, in every
//! source that has it as data.
//!
//! Its topic is made if it is not there, its key, value and headers are written by the connector's
//! converters, its partition is chosen, and its size is looked at.

mod failure;
mod outlets;

use schema::avro::SchemaStyle;
use schema::registry::Registry;
use transform::{Header, HeaderConverter, Part, Record};

use crate::config::{TopicRules, WorkerConfig};
use crate::converter::{Converters, PartWriter, Side};
use crate::kafka::batch::{HeaderName, RecordBatch, RecordBounds};
use crate::kafka::partition_of;
use crate::kafka::producer::TransactionalProducer;

use failure::on;
pub use failure::{RecordFailure, Trouble};
pub use outlets::Outlet;
use outlets::Outlets;

/// How the names of our own headers begin.
const OWN_HEADERS: &str = "rowcast.";

/// Writes records by a connector's converters.
pub struct RecordStage {
    key: PartWriter,
    value: PartWriter,
    header: HeaderConverter,
    outlets: Outlets,
    registry: Registry,
}

/// How a topic of this name is made, if it is not there.
pub type Rules<'a> = &'a (dyn Fn(&str) -> TopicRules + Sync);

/// What a record has beside what a transform sees of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extra<'a> {
    /// One more header, behind its own.
    pub header: Option<(&'static str, &'a str)>,
    /// What its partition is chosen by where it has no key: records of one file stay together.
    pub partition_key: &'a [u8],
}

impl RecordStage {
    /// A stage with these converters; `style` is how schemas of Avro are written.
    ///
    /// # Errors
    ///
    /// Returns [`Trouble`] when the settings of a client make none.
    pub fn new(
        converters: Converters,
        style: SchemaStyle,
        worker: &WorkerConfig,
    ) -> Result<Self, Trouble> {
        let registry = Registry::new(&worker.registry);
        Ok(Self {
            key: PartWriter::new(Side::Key, converters.key, style),
            value: PartWriter::new(Side::Value, converters.value, style),
            header: converters.header,
            outlets: Outlets::new(worker)?,
            registry: registry.map_err(|error| Trouble::Registry(Box::new(error)))?,
        })
    }

    /// Whether who reads the values finds fields in them.
    #[must_use]
    pub fn keeps_structs(&self) -> bool {
        self.value.keeps_structs()
    }

    /// A topic, made by these rules if it is not there.
    ///
    /// # Errors
    ///
    /// Returns [`Trouble`] for a name that Kafka does not take, and what is in the way of all records.
    pub async fn outlet(
        &mut self,
        topic: (&std::sync::Arc<str>, Rules<'_>),
        producer: &mut TransactionalProducer,
    ) -> Result<Outlet, Trouble> {
        self.outlets.get(topic, producer).await
    }

    /// Appends a record.
    ///
    /// # Errors
    ///
    /// Returns [`Trouble`] for a record that cannot be written, and what is in the way of all. What was
    /// appended until then has to be taken back.
    pub async fn write(
        &mut self,
        (record, extra): (Record, Extra<'_>),
        rules: Rules<'_>,
        (out, producer): (&mut RecordBatch, &mut TransactionalProducer),
    ) -> Result<(), Trouble> {
        let outlet = self.outlets.get((&record.topic, rules), producer).await?;
        let key_start = out.bytes();
        let key = self.key.write((&record.topic, &record.key), &self.registry, out.buffer()).await;
        key.map_err(on(Side::Key))?;
        let key_end = out.bytes();
        let value = (&record.topic, &record.value);
        let has_value = self.value.write(value, &self.registry, out.buffer()).await;
        let has_value = has_value.map_err(on(Side::Value))?;
        let bounds = RecordBounds { key_start, key_end, has_value };
        let key = (out.slice(&(key_start..key_end)), extra.partition_key);
        let partition = place(&outlet, &record, key)?;
        out.push(outlet.topic, partition, bounds);
        if let Some(ms) = record.timestamp {
            out.set_time(u64::try_from(ms).map_err(|_| RecordFailure::Time)?.cast_signed());
        }
        for header in record.headers {
            let value = header_bytes(self.header, &header)?;
            out.push_header(HeaderName::Chosen(header.name.into()), value.as_deref());
        }
        if let Some((name, value)) = extra.header {
            out.push_header(HeaderName::Fixed(name), Some(value.as_bytes()));
        }
        outlet.limit.check(out.bytes() - key_start).map_err(RecordFailure::TooLarge)?;
        Ok(())
    }

    /// Appends the bytes of a control record's key.
    ///
    /// # Errors
    ///
    /// Returns [`Trouble`] when the registry cannot be asked.
    pub async fn write_control(&mut self, key: &Part, out: &mut Vec<u8>) -> Result<(), Trouble> {
        let written = self.key.write_control(key, &self.registry, out).await;
        written.map_err(on(Side::Key))
    }
}

/// A header's bytes. Those of our own are texts for our own sink, whatever the converter.
fn header_bytes(
    converter: HeaderConverter,
    header: &Header,
) -> Result<Option<Vec<u8>>, RecordFailure> {
    let is_own = header.name.starts_with(OWN_HEADERS);
    let converter = if is_own { HeaderConverter::Simple } else { converter };
    converter.write(&header.part).map_err(|problem| RecordFailure::Header {
        name: header.name.clone(),
        problem: Box::new(problem),
    })
}

/// The partition of a record: the one that a transform has chosen, else by its key.
fn place(
    outlet: &Outlet,
    record: &Record,
    (key, otherwise): (&[u8], &[u8]),
) -> Result<i32, RecordFailure> {
    if key.is_empty() && outlet.is_compacted {
        return Err(RecordFailure::NoKey { topic: record.topic.to_string() });
    }
    let partitions = outlet.partitions;
    match record.partition {
        None if key.is_empty() => Ok(partition_of(otherwise, partitions)),
        None => Ok(partition_of(key, partitions)),
        Some(partition) if (0..partitions).contains(&partition) => Ok(partition),
        Some(partition) => Err(RecordFailure::Partition { partition, partitions }),
    }
}

#[cfg(test)]
mod tests {
    use schema::fault::Fault;
    use schema::value::{Kind, Schema, Value};

    use super::*;
    use crate::kafka::RecordLimit;
    use crate::kafka::batch::TopicIndex;

    #[test]
    fn headers_are_those_of_their_converter_but_for_our_own() {
        let json = HeaderConverter::Json { schemas: false };
        let written = |converter, name: &str| {
            let value = Value::String("x y".to_owned());
            let part = Part::new(Schema::new(Kind::String).into(), value);
            header_bytes(converter, &Header { name: name.to_owned(), part })
        };

        assert_eq!(written(HeaderConverter::Simple, "h").unwrap(), Some(b"x y".to_vec()));
        assert_eq!(written(json, "h").unwrap(), Some(b"\"x y\"".to_vec()));
        assert_eq!(written(json, "rowcast.truncated").unwrap(), Some(b"x y".to_vec()));
        let refused = written(HeaderConverter::Bytes, "h").unwrap_err();
        assert!(refused.hint().unwrap().contains("header.converter"), "{refused}");
        let refused = schema::fault::chain(&refused);
        assert!(refused.contains("its header h") && refused.contains("STRING"), "{refused}");
        assert!(!refused.contains("x y"), "{refused}");
    }

    #[test]
    fn records_go_where_a_transform_or_their_key_says() {
        let limit = RecordLimit::NONE;
        let outlet = Outlet { topic: TopicIndex::FIRST, partitions: 3, limit, is_compacted: false };
        let record = |partition| Record {
            topic: "t".into(),
            partition,
            offset: None,
            timestamp: None,
            key: Part::NULL,
            value: Part::NULL,
            headers: Vec::new(),
        };
        let placed = |partition, key: &[u8]| place(&outlet, &record(partition), (key, b"f"));

        assert_eq!(placed(None, b"k").unwrap(), partition_of(b"k", 3));
        assert_eq!(placed(None, b"").unwrap(), partition_of(b"f", 3));
        assert_eq!(placed(Some(2), b"k").unwrap(), 2);
        let outside = placed(Some(3), b"k").unwrap_err().to_string();
        assert_eq!(outside, "Invalid partition given with record: 3 is not in the range [0...3).");
        let compacted = Outlet { is_compacted: true, ..outlet };
        assert!(place(&compacted, &record(None), (b"", b"")).is_err());
        assert!(place(&compacted, &record(None), (b"k", b"")).is_ok());
    }
}
