//! What can end the source, and what is to be done about it.

use std::borrow::Cow;

use connect::kafka::KafkaError;
use connect::kafka::consumer::ConsumerError;
use connect::stage::RecordFailure;
use schema::fault::{Disposition, Fault};
use schema::offset::OffsetError;
use schema::registry::RegistryError;

use crate::binlog::BinlogError;
use crate::preflight::PreflightError;
use crate::wire::WireError;

/// The source cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// MySQL cannot be reached or has ended the connection.
    #[error("could not {action} at {address}")]
    Connection {
        action: &'static str,
        address: String,
        #[source]
        source: WireError,
    },
    /// MySQL refuses the user.
    #[error("mysql at {address} refuses user `{user}`")]
    AccessDenied { address: String, user: String },
    /// What the settings say of TLS or of the user does not fit the server.
    #[error("could not log in at {address}")]
    Login {
        address: String,
        #[source]
        source: WireError,
    },
    /// MySQL refuses a statement.
    #[error("mysql refuses to {action} (error {code})")]
    Statement {
        action: &'static str,
        code: u16,
        #[source]
        source: WireError,
    },
    /// No answer within the time limit.
    #[error("mysql at {address} did not answer in time to {action}")]
    Timeout { action: &'static str, address: String },
    /// Of two connections of one start the second one led to another server.
    #[error("mysql at {address} is another server than a moment ago")]
    ServerChanged { address: String },
    /// MySQL has given our stream to another replica with our number.
    #[error("mysql at {address} now sends the binary log to another replica with our server id")]
    ServerIdTaken { address: String },
    /// The binlog that is still needed is gone, or was never there.
    #[error("mysql cannot send the binary log from where it is needed: {reason}")]
    Purged { reason: String },
    /// The server is another one than the offset is about.
    #[error("the stored position is of server {stored}, but this is server {found}")]
    OtherServer { stored: String, found: String },
    /// A replica that has not applied yet what was emitted.
    #[error("this server has not executed {transactions} yet, which were emitted")]
    Behind { transactions: String },
    /// The server was promoted, or restored, without what was emitted.
    #[error("this server has never executed {transactions}, which were emitted")]
    Diverged { transactions: String },
    /// The clocks of this machine and of MySQL are too far apart to begin.
    #[error("the clock of this machine and that of mysql differ by {seconds} s")]
    ClockSkew { seconds: u64 },
    /// A part of us panicked; its own message is on standard error.
    #[error("a part of the source panicked")]
    Panicked,
    /// The server's settings, grants or tables are not fit.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    /// The binary log holds what cannot be understood or followed.
    #[error(transparent)]
    Binlog(#[from] BinlogError),
    /// An offset record cannot be used.
    #[error(transparent)]
    Offset(#[from] OffsetError),
    /// Kafka failed.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The topic of signals cannot be read.
    #[error("could not read the topic of signals")]
    Signals(#[source] ConsumerError),
    /// The settings of the webhook do not make a client.
    #[error("the webhook cannot be used: {0}")]
    Webhook(String),
    /// There is nothing to go on from, which is all that the settings allow.
    #[error("no position is stored, and snapshot.mode is `recovery`")]
    NothingToRecover,
    /// The registry does not take a table's new schema, and the settings say to stop then.
    #[error("the new schema of {table} is not compatible: {reason}")]
    Incompatible { table: String, reason: String },
    /// A record cannot be transformed, converted or sent, and the settings do not say to skip it.
    #[error("a record of {topic} cannot be written")]
    Record {
        topic: String,
        #[source]
        source: Box<RecordFailure>,
    },
    /// The schema registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// What helps with [`SourceError::Behind`].
const BEHIND: &str = "wait until the replica has caught up, or connect to the server that it \
     replicates from; rowcast keeps trying";

/// What helps with [`SourceError::Diverged`].
const DIVERGED: &str = "connect to a server that has them, or set snapshot.mode to `when_needed` to \
     copy all tables of this one again";

/// What helps with [`SourceError::Incompatible`].
const INCOMPATIBLE: &str = "give the change a compatible form, or set `schema.incompatible` to park or \
     allow for the table, then start rowcast again";

impl Fault for SourceError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Connection { .. }
            | Self::Timeout { .. }
            | Self::ServerChanged { .. }
            | Self::ServerIdTaken { .. }
            | Self::Behind { .. }
            | Self::Panicked => Disposition::Retry,
            Self::AccessDenied { .. }
            | Self::Login { .. }
            | Self::Statement { .. }
            | Self::Purged { .. }
            | Self::OtherServer { .. }
            | Self::Diverged { .. }
            | Self::NothingToRecover
            | Self::Incompatible { .. }
            | Self::Webhook(_)
            | Self::Record { .. }
            | Self::ClockSkew { .. } => Disposition::Halt,
            Self::Signals(error) => error.disposition(),
            Self::Preflight(error) => error.disposition(),
            Self::Binlog(error) => error.disposition(),
            Self::Offset(error) => error.disposition(),
            Self::Kafka(error) => error.disposition(),
            Self::Registry(error) => error.disposition(),
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Connection { .. } | Self::Timeout { .. } => Some(
                "start MySQL or correct `database.hostname` and `database.port`; rowcast keeps \
                 trying"
                    .into(),
            ),
            Self::AccessDenied { .. } => {
                Some("correct `database.user` and `database.password`".into())
            }
            Self::Login { source, .. } => source.hint().map(Into::into),
            Self::Statement { .. } => Some(
                "remove the cause that mysql names, in its settings or the user's grants, then \
                 start rowcast again"
                    .into(),
            ),
            Self::ServerChanged { .. } => Some(
                "if it happens again and again, name servers in `database.hostname` and not a \
                 balancer between them"
                    .into(),
            ),
            Self::ServerIdTaken { .. } => Some(
                "stop the other replica, or give one of the two its own `database.server.id`"
                    .into(),
            ),
            Self::Purged { .. } => Some(
                "set snapshot.mode to `when_needed` to copy all tables again, and keep binary logs \
                 longer (binlog_expire_logs_seconds; before MySQL 8 expire_logs_days; on RDS and \
                 Aurora `CALL mysql.rds_set_configuration('binlog retention hours', 24)`)"
                    .into(),
            ),
            Self::OtherServer { .. } => Some(
                "connect to the server of the stored position, or switch both servers to \
                 gtid_mode=ON, which makes a change of server safe"
                    .into(),
            ),
            Self::Behind { .. } => Some(BEHIND.into()),
            Self::Diverged { .. } => Some(DIVERGED.into()),
            Self::ClockSkew { .. } => {
                Some("synchronise both clocks, or raise `max.clock.skew.ms`".into())
            }
            Self::Panicked => Some("report the panic; rowcast goes on from what is stored".into()),
            Self::Signals(error) => error.hint(),
            Self::NothingToRecover => Some(
                "set snapshot.mode to `initial` to copy the tables, or restore the offsets".into(),
            ),
            Self::Incompatible { .. } => Some(INCOMPATIBLE.into()),
            Self::Record { source, .. } => source.hint(),
            Self::Webhook(_) => Some("correct `notification.webhook.url`".into()),
            Self::Preflight(error) => error.hint(),
            Self::Binlog(error) => error.hint(),
            Self::Offset(error) => error.hint(),
            Self::Kafka(error) => error.hint(),
            Self::Registry(error) => error.hint(),
        }
    }
}
