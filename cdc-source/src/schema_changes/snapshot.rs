//! The definitions that are there at the beginning, told as the statements that would make them: a
//! reader who runs all records has the tables.

use std::collections::BTreeMap;

use connect::kafka::batch::RecordBatch;
use schema::envelope::SnapshotMarker;
use schema::position::BinlogPosition;
use schema::schema_change::{SchemaChange, StatementSource, TableChange, TableChangeKind};
use schema::table::TableId;

use super::{SchemaChanges, definition};
use crate::config::SourceConfig;
use crate::connection::Connection;
use crate::error::SourceError;
use crate::snapshot::structure::{quoted, quoted_name};
use crate::stage::Sending;

/// Bytes after which what was collected is written, so that it is never in memory as a whole.
const PART_BYTES: usize = 1 << 20;

/// Tells all definitions of the databases that can be captured, as Debezium does.
pub(crate) struct Telling<'a> {
    pub(crate) changes: &'a SchemaChanges,
    pub(crate) config: &'a SourceConfig,
    /// Where the stream begins.
    pub(crate) position: &'a BinlogPosition,
}

impl Telling<'_> {
    /// Gives the last part of the records; the parts before it are written. A crash in between
    /// repeats them all, which makes the same tables.
    pub(crate) async fn run(
        &self,
        connection: &mut Connection,
        (producer, mut stage): Sending<'_>,
    ) -> Result<RecordBatch, SourceError> {
        let mut batch = RecordBatch::default();
        let query = "SELECT @@GLOBAL.character_set_server, @@GLOBAL.collation_server";
        let charset: Option<(String, String)> =
            connection.first("read the server's character set", query).await?;
        if let Some((charset, collation)) = charset {
            let set = format!("SET character_set_server={charset}, collation_server={collation}");
            self.tell("", &set, None, &mut batch);
        }
        let databases = self.tables(connection).await?;
        for table in databases.values().flatten() {
            let dropped = format!("DROP TABLE IF EXISTS {}", quoted(table));
            let change = TableChange { kind: TableChangeKind::Drop, table, definition: None };
            self.tell(&table.database, &dropped, Some(change), &mut batch);
            send_if_large(&mut batch, (&mut *producer, stage.as_deref_mut())).await?;
        }
        for (database, tables) in &databases {
            self.tell_database(connection, database, &mut batch).await?;
            for table in tables {
                let comments = self.config.records.comments();
                let Some(shown) = definition::read(connection, table, comments).await? else {
                    tracing::warn!(table = %table, "its definition cannot be read and is not told");
                    continue;
                };
                let definition = Some(&shown.definition);
                let change = TableChange { kind: TableChangeKind::Create, table, definition };
                self.tell(database, &shown.statement, Some(change), &mut batch);
                send_if_large(&mut batch, (&mut *producer, stage.as_deref_mut())).await?;
            }
        }
        Ok(batch)
    }

    /// The tables of each database, in the order of their names.
    async fn tables(
        &self,
        connection: &mut Connection,
    ) -> Result<BTreeMap<String, Vec<TableId>>, SourceError> {
        let query = "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES \
                     WHERE TABLE_TYPE = 'BASE TABLE'";
        let names: Vec<(String, String)> = connection.rows("list all tables", query).await?;
        let mut databases: BTreeMap<String, Vec<TableId>> = BTreeMap::new();
        for (database, name) in names {
            if self.config.tables.matches_database(&database) {
                let table = TableId::new(&database, name);
                databases.entry(database).or_default().push(table);
            }
        }
        databases.values_mut().for_each(|tables| tables.sort_unstable());
        Ok(databases)
    }

    async fn tell_database(
        &self,
        connection: &mut Connection,
        database: &str,
        batch: &mut RecordBatch,
    ) -> Result<(), SourceError> {
        let name = quoted_name(database);
        self.tell(database, &format!("DROP DATABASE IF EXISTS {name}"), None, batch);
        let query = format!(
            "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM \
             information_schema.SCHEMATA WHERE SCHEMA_NAME = {}",
            crate::snapshot::structure::text_literal(database)
        );
        let charset: Option<(String, String)> =
            connection.first("read a database's character set", &query).await?;
        let charset = charset
            .map(|(charset, collation)| format!(" CHARSET {charset} COLLATE {collation}"))
            .unwrap_or_default();
        self.tell(database, &format!("CREATE DATABASE {name}{charset}"), None, batch);
        self.tell(database, &format!("USE {name}"), None, batch);
        Ok(())
    }

    fn tell(
        &self,
        database: &str,
        ddl: &str,
        table: Option<TableChange<'_>>,
        batch: &mut RecordBatch,
    ) {
        let now_us = i64::try_from(connect::clock::now_micros()).unwrap_or(i64::MAX);
        let source = StatementSource {
            server: &self.config.topic_prefix,
            ts_us: now_us,
            snapshot: SnapshotMarker::Yes,
            server_id: 0,
            gtid: None,
            file: self.position.file(),
            pos: self.position.offset(),
        };
        let now_ms = now_us.div_euclid(1000);
        let change = SchemaChange { source, now_ms, database, ddl: Some(ddl), table };
        self.changes.push(change, batch);
    }
}

async fn send_if_large(
    batch: &mut RecordBatch,
    (producer, stage): Sending<'_>,
) -> Result<(), SourceError> {
    if batch.bytes() >= PART_BYTES {
        let mut part = std::mem::take(batch);
        if let Some(stage) = stage {
            part = stage.run(&part, producer).await?;
        }
        // It needs no offset: without one all of them come again.
        part.end_at_boundary();
        producer.send(part).await?;
    }
    Ok(())
}
