//! Ends transactions of ours that the brokers have left open: with a record behind them in each of their
//! partitions, and an abort, whose markers end both.

use std::time::Duration;

use rdkafka::Message;
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseRecord, Producer};

use super::Session;
use crate::kafka::batch::LeftOpen;
use crate::kafka::error::KafkaError;
use crate::kafka::open_records::OpenRecord;

/// Longest wait for the deliveries, and for the abort.
const ENDED_WITHIN: Duration = Duration::from_secs(15);

impl Session {
    /// Writes each of these records once more, and takes all of them back. Nothing else is open.
    pub(super) fn abort(&mut self, left_open: LeftOpen) -> Result<(), KafkaError> {
        let action = "end a transaction that was left open";
        let begun = self.producer.begin_transaction();
        begun.map_err(|error| self.judge(action, error))?;
        for OpenRecord(record) in &left_open.records {
            let mut message = BaseRecord::<[u8], [u8]>::to(record.topic());
            message.partition = Some(record.partition());
            message.key = record.key();
            message.payload = record.payload();
            message.headers = record.headers().cloned();
            self.produce(message).map_err(|error| self.judge(action, error))?;
        }
        let ended = self.producer.flush(ENDED_WITHIN);
        ended.map_err(|error| self.judge(action, error))?;
        if let Some(error) = self.deliveries.take_failure(&self.brokers) {
            return Err(error);
        }
        let ended = self.producer.abort_transaction(ENDED_WITHIN);
        ended.map_err(|error| self.judge(action, error))?;
        // Whoever has asked may be gone.
        left_open.ended.send(()).unwrap_or_default();
        Ok(())
    }

    fn produce(&self, message: BaseRecord<'_, [u8], [u8]>) -> Result<(), RdKafkaError> {
        match self.producer.send(message) {
            Ok(()) => Ok(()),
            Err((RdKafkaError::MessageProduction(Code::QueueFull), message)) => {
                self.producer.flush(ENDED_WITHIN)?;
                self.producer.send(message).map_err(|(error, _)| error)
            }
            Err((error, _)) => Err(error),
        }
    }
}
