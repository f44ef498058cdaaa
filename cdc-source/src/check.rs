//! `rowcast check` of a source: what its start would find in MySQL, and what it would make in Kafka.

use std::collections::BTreeMap;

use connect::check::{self, Report, Surroundings, check_routed_topic, check_topic};
use connect::config::TopicRules;
use schema::names::data_topic;
use schema::offset::TableState;

use crate::config::SourceConfig;
use crate::connection::Connection;
use crate::error::SourceError;
use crate::pipeline::{Outlook, outlook};
use crate::preflight::{self, Server};
use crate::stage::routes;

/// What a report calls it.
const MYSQL: &str = "mysql";

/// Looks at MySQL, the registry and the topics, in the order of a start.
pub(crate) async fn check(config: &SourceConfig, around: Surroundings<'_>) -> Report {
    let mut report = Report::default();
    if config.has_registry {
        check::registry(around.worker, &mut report).await;
    }
    if let Some(topics) = around.topics {
        check::offsets(around.worker, topics, &mut report).await;
    }
    side_topics(config, around, &mut report).await;
    let Some((mut connection, server)) = server(config, &mut report).await else { return report };
    for table in &server.tables {
        let topic = data_topic(&config.topic_prefix, table);
        let routed = routes(config, vec![config.records.routed(&topic).to_string()]).pop();
        let rules = config.topics.rules(routed.as_deref().unwrap_or_default());
        check_routed_topic((&topic, routed.as_deref()), &rules, around, &mut report).await;
    }
    if around.topics.is_some() {
        match outlook((&mut connection, config), &server, (around.name, around.worker)).await {
            Ok(outlook) => tell_outlook(&outlook, &server, &mut report),
            Err(error) => report.fault((MYSQL, connection.address()), &error),
        }
    }
    report
}

/// Connects and looks at settings, grants and tables.
async fn server(config: &SourceConfig, report: &mut Report) -> Option<(Connection, Server)> {
    let addresses = config.connection.addresses();
    let mut connection = match Connection::open(config).await {
        Ok(connection) => connection,
        Err(error) => {
            report.fault((MYSQL, &addresses), &error);
            return None;
        }
    };
    let address = connection.address().to_owned();
    let name = (MYSQL, &*address);
    let server = match preflight::check(&mut connection, config).await {
        Ok(server) => server,
        Err(SourceError::Preflight(error)) => {
            for finding in error.findings() {
                report.problem(
                    name,
                    format!("{}, but {}", finding.what, finding.why),
                    &*finding.remedy,
                );
            }
            return None;
        }
        Err(error) => {
            report.fault(name, &error);
            return None;
        }
    };
    let (dialect, position) = (connection.dialect(), &server.position);
    let by = if server.has_gtids { "by GTIDs" } else { "by file and position, without GTIDs" };
    report.fine(
        name,
        format!(
            "{} {}; its log is followed {by} and ends at {position}",
            dialect.flavor.brand(),
            dialect.version
        ),
    );
    server_id(config, &server, report);
    for key in &server.cascades {
        report.warning(
            (MYSQL, &key.to_string()),
            "changes rows of captured tables, and the log does not say so",
            crate::foreign_keys::REMEDY,
        );
    }
    Some((connection, server))
}

fn server_id(config: &SourceConfig, server: &Server, report: &mut Report) {
    let name = (MYSQL, "database.server.id");
    let number = config.connection.server_id;
    if server.same_number.is_empty() {
        report.fine(name, format!("{number} is no other replica's"));
    }
    for replica in &server.same_number {
        report.warning(
            name,
            format!("{number} is also that of the replica {replica}"),
            "give one of the two its own number (`database.server.id`)",
        );
    }
}

/// The topics that are about no table, as far as the settings ask for them.
async fn side_topics(config: &SourceConfig, around: Surroundings<'_>, report: &mut Report) {
    let replication = Some(config.topics.replication());
    let rules = TopicRules { partitions: Some(1), replication, settings: BTreeMap::new() };
    let records = [
        config.schema_changes.then_some(&config.topic_prefix),
        config.transaction_topic.as_ref(),
        config.heartbeat.as_ref().map(|heartbeat| &heartbeat.topic),
        config.notification.topic.as_ref(),
    ];
    for topic in records.into_iter().flatten() {
        let routed = routes(config, vec![topic.clone()]).pop();
        check_routed_topic((topic, routed.as_deref()), &rules, around, report).await;
    }
    let others = [
        config.signal.kafka.as_ref().map(|signal| &signal.topic),
        config.oversized.dead_letter_topic.as_ref(),
    ];
    for topic in others.into_iter().flatten() {
        check_topic(topic, &rules, around, report).await;
    }
}

/// Where the stream would begin, and what would become of each table.
fn tell_outlook(outlook: &Outlook, server: &Server, report: &mut Report) {
    let Outlook { position, is_first, is_anew, .. } = outlook;
    let stream = (MYSQL, "stream");
    match (is_first, is_anew) {
        (true, _) => report.create(stream, format!("would begin where the log ends: {position}")),
        (false, false) => report.fine(stream, format!("would go on at {position}")),
        (false, true) => report.warning(
            stream,
            format!("cannot go on where it was: all tables are copied, from {position} on"),
            "keep logs for longer than rowcast may be down",
        ),
    }
    for table in &server.tables {
        let shown = table.to_string();
        let name = (MYSQL, &*shown);
        match outlook.state_of(table) {
            TableState::Snapshot(progress) if progress.rows == 0 => {
                report.create(name, "would be copied, beside the stream");
            }
            TableState::Snapshot(progress) => {
                let rows = progress.rows;
                report.create(name, format!("its copy would go on after {rows} rows"));
            }
            TableState::Streaming => report.fine(name, "its changes would be followed"),
            TableState::Parked { reason, remedy } => {
                let again = || "`rowcast table resume` copies it again".to_owned();
                let remedy = remedy.unwrap_or_else(again);
                report.warning(name, format!("is parked: {reason}"), remedy);
            }
        }
    }
}
