//! What can go wrong with Kafka, as far as a caller does something different about it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode as Code};
use schema::fault::{Disposition, Fault};

use super::cause::{self, Cause};

/// A call to Kafka failed.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// A property that librdkafka refuses.
    #[error("invalid kafka client property `{property}`: {problem}")]
    Property {
        /// Its name; its value may be a secret.
        property: String,
        /// What librdkafka says.
        problem: String,
    },
    /// No broker answered in time, or one said to come back.
    #[error("could not {action} at {brokers}")]
    Unavailable {
        /// What was tried.
        action: &'static str,
        /// `bootstrap.servers`.
        brokers: String,
        /// The last error.
        #[source]
        source: RdKafkaError,
    },
    /// A broker answers and does not let us in.
    #[error("could not {action} at {brokers}: {cause}")]
    NotLetIn {
        /// What was tried.
        action: &'static str,
        /// `bootstrap.servers`.
        brokers: String,
        /// Why.
        cause: Cause,
    },
    /// Another producer with our transactional id has taken over.
    #[error("another instance has taken over the transactional id {transactional_id}")]
    Fenced {
        /// The id.
        transactional_id: String,
    },
    /// Another consumer has joined the group as the same member.
    #[error("another instance of this task has taken its place in the consumer group")]
    Displaced {
        /// What the broker says.
        #[source]
        source: RdKafkaError,
    },
    /// The open transaction cannot be committed any more.
    #[error("kafka transaction was aborted")]
    Aborted {
        /// Why.
        #[source]
        source: RdKafkaError,
    },
    /// The broker has ended the open transaction because it did not hear of it for too long.
    #[error("kafka ended the transaction for its age, and no other instance has written since")]
    Expired,
    /// A record that the broker or the client refuses for its size.
    #[error("record for topic {topic} has {bytes} bytes, more than the broker takes")]
    TooLarge {
        /// The topic.
        topic: String,
        /// Size of key and value.
        bytes: usize,
    },
    /// The broker does not make a topic as it was asked to.
    #[error("kafka does not make topic {topic} as its settings say: {code}")]
    TopicRefused {
        /// The topic.
        topic: String,
        /// What the broker says.
        code: Code,
    },
    /// The broker does not take a record, whatever its size.
    #[error("kafka does not take a record for topic {topic}: {code}")]
    Rejected {
        /// The topic.
        topic: String,
        /// What the broker says.
        code: Code,
    },
    /// Somebody's transaction hides what is behind it.
    #[error("a transaction stays open in topic {topic}, partition {partition}")]
    OpenTransaction {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// Offsets would be deleted after a while.
    #[error("offsets topic {topic} has cleanup.policy={found}, which deletes offsets")]
    OffsetTopicDeletes {
        /// The topic.
        topic: String,
        /// Its policy.
        found: String,
    },
    /// The broker refuses the credentials or the access.
    #[error("kafka refuses to {action}")]
    Denied {
        /// What was tried.
        action: &'static str,
        /// The broker's reason.
        #[source]
        source: RdKafkaError,
    },
    /// Anything else.
    #[error("kafka failed to {action}")]
    Other {
        /// What was tried.
        action: &'static str,
        /// The error.
        #[source]
        source: RdKafkaError,
    },
    /// The thread that owns the client is gone.
    #[error("kafka client thread ended")]
    Gone,
}

impl KafkaError {
    /// Judges an error of rdkafka.
    pub(super) fn of(action: &'static str, brokers: &str, source: RdKafkaError) -> Self {
        if let RdKafkaError::ClientConfig(_, problem, property, _) = &source {
            return Self::Property { property: property.clone(), problem: problem.clone() };
        }
        let code = if let RdKafkaError::Transaction(error) = &source {
            Some(error.code())
        } else {
            source.rdkafka_error_code()
        };
        match code {
            Some(Code::FencedInstanceId) => Self::Displaced { source },
            Some(code) if is_passing(code) => {
                Self::Unavailable { action, brokers: brokers.to_owned(), source }
            }
            Some(code) if is_denied(code) => Self::Denied { action, source },
            Some(_) | None => Self::Other { action, source },
        }
    }
}

impl KafkaError {
    /// The same, with the reason where nobody answers because nobody lets us in. Blocks for a few
    /// seconds if nobody answers.
    pub(super) fn explained(self, properties: &BTreeMap<String, String>) -> Self {
        let Self::Unavailable { action, brokers, .. } = &self else { return self };
        match cause::ask(properties) {
            Some(cause) => Self::NotLetIn { action, brokers: brokers.clone(), cause },
            None => self,
        }
    }
}

/// Codes after which the same call can succeed.
pub(super) fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::MessageTimedOut
            | Code::TimedOutQueue
            | Code::Resolve
            | Code::NodeUpdate
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::NotController
            | Code::UnknownPartition
            | Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::ConcurrentTransactions
            | Code::NetworkException
            | Code::KafkaStorageError
            | Code::UnstableOffsetCommit
    )
}

pub(super) fn is_denied(code: Code) -> bool {
    matches!(
        code,
        Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
    )
}

impl Fault for KafkaError {
    fn disposition(&self) -> Disposition {
        match self {
            // Whoever mends a password need not start us again.
            Self::NotLetIn { .. }
            | Self::Unavailable { .. }
            | Self::Aborted { .. }
            | Self::OpenTransaction { .. }
            | Self::Expired
            | Self::Gone => Disposition::Retry,
            // With fewer brokers than copies nothing can be made until they are back.
            Self::TopicRefused { code: Code::InvalidReplicationFactor, .. } => Disposition::Retry,
            Self::Property { .. }
            | Self::TopicRefused { .. }
            | Self::Rejected { .. }
            | Self::OffsetTopicDeletes { .. }
            | Self::Fenced { .. }
            | Self::Displaced { .. }
            | Self::TooLarge { .. }
            | Self::Denied { .. }
            | Self::Other { .. } => Disposition::Halt,
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::Property { .. } => "correct the property below `kafka` in the pipeline file",
            Self::Unavailable { .. } => {
                "start Kafka or correct `bootstrap.servers`; rowcast keeps trying"
            }
            Self::NotLetIn { cause, .. } => cause.remedy(),
            Self::Fenced { .. } | Self::Displaced { .. } => {
                "stop one of the two instances, or give them different group ids or names"
            }
            Self::TooLarge { .. } => {
                "raise `max.message.bytes` of the topic and `kafka: message.max.bytes`, or exclude \
                 the large column"
            }
            Self::TopicRefused { code: Code::InvalidReplicationFactor, .. } => {
                "start more brokers, or lower `topic.creation.default.replication.factor`; rowcast \
                 keeps trying"
            }
            Self::TopicRefused { .. } => {
                "correct the settings `topic.creation.*` that are for this topic"
            }
            Self::Rejected { code: Code::InvalidRecord, .. } => {
                "set cleanup.policy=delete on the topic if its table has no key: a compacted topic \
                 takes no record without one"
            }
            Self::Rejected { .. } => "remove the cause that kafka names, then start rowcast again",
            Self::OffsetTopicDeletes { .. } => {
                "set cleanup.policy=compact on the topic with Kafka's tools (kafka-configs --alter)"
            }
            Self::Denied { .. } => "correct the credentials below `kafka`, or grant the access",
            Self::Other { .. } => {
                "remove the cause that kafka names, or correct the properties below `kafka`, then \
                 start rowcast again"
            }
            Self::OpenTransaction { .. } => {
                "if nobody writes there, `kafka-transactions.sh find-hanging` names it and `abort` \
                 ends it; rowcast keeps trying"
            }
            Self::Expired => {
                "find out what held rowcast or Kafka up for 15 s; rowcast starts again by itself"
            }
            Self::Aborted { .. } | Self::Gone => return None,
        }))
    }
}
