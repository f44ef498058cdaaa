//! gh-ost's statements: it copies in chunks, applies what changes from the log, and ends with a
//! rename that waits for the lock of another session.
//! <https://github.com/github/gh-ost/issues/82>

use integration::stack::MySql;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::load::{BASE_ROWS, Changed, Load};
use crate::scenario::{connect, until_async};

const CHUNK: u32 = 100;

pub(super) async fn migrate(load: &mut Load, mysql: &MySql, database: &str) {
    let mut applier = session(mysql, database).await;
    for statement in [
        "CREATE /* gh-ost */ TABLE _orders_ghc (id BIGINT AUTO_INCREMENT PRIMARY KEY, last_update \
         TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, hint VARCHAR(64) \
         NOT NULL UNIQUE, value VARCHAR(4096) NOT NULL) AUTO_INCREMENT = 256",
        "CREATE /* gh-ost */ TABLE _orders_gho LIKE orders",
        "ALTER /* gh-ost */ TABLE _orders_gho ADD COLUMN b INT NOT NULL DEFAULT 5",
    ] {
        run(&mut applier, statement).await;
    }
    let mut first = 1;
    while first <= BASE_ROWS {
        let last = first + CHUNK - 1;
        run(
            &mut applier,
            &format!(
                "INSERT /* gh-ost */ IGNORE INTO _orders_gho (id, a, note) (SELECT id, a, note FROM \
                 orders FORCE INDEX (PRIMARY) WHERE id >= {first} AND id <= {last} LOCK IN SHARE MODE)"
            ),
        )
        .await;
        let beat = "INSERT INTO _orders_ghc (hint, value) VALUES ('heartbeat', NOW(6)) \
                    ON DUPLICATE KEY UPDATE value = VALUES(value)";
        run(&mut applier, beat).await;
        // What is left is applied while the table is locked.
        for _ in 0..CHUNK {
            let Ok(changed) = load.changes.try_recv() else { break };
            apply(&mut applier, changed).await;
        }
        first += CHUNK;
    }
    cut_over(load, &mut applier, (mysql, database)).await;
    run(&mut applier, "DROP TABLE IF EXISTS _orders_ghc").await;
    run(&mut applier, "DROP TABLE IF EXISTS _orders_del").await;
}

/// One session locks both names, another one waits to rename, and the first one lets it.
async fn cut_over(load: &mut Load, applier: &mut Conn, (mysql, database): (&MySql, &str)) {
    let mut locking = session(mysql, database).await;
    let sentry = "CREATE /* gh-ost */ TABLE _orders_del (id INT AUTO_INCREMENT PRIMARY KEY) \
                  COMMENT = 'ghost-cut-over-sentry'";
    run(&mut locking, sentry).await;
    run(&mut locking, "LOCK /* gh-ost */ TABLES orders WRITE, _orders_del WRITE").await;
    until_async(async || {
        while let Ok(changed) = load.changes.try_recv() {
            apply(applier, changed).await;
        }
        sums(&mut locking, "orders").await == sums(applier, "_orders_gho").await
    })
    .await;
    let mut renaming = session(mysql, database).await;
    let id = renaming.id();
    let rename = tokio::spawn(async move {
        let statement = "RENAME /* gh-ost */ TABLE orders TO _orders_del, _orders_gho TO orders";
        run(&mut renaming, statement).await;
    });
    waits_for(applier, id, "_orders_del").await;
    run(&mut locking, "DROP TABLE IF EXISTS _orders_del").await;
    // Only one that waits already is served before the writers.
    waits_for(applier, id, "orders").await;
    run(&mut locking, "UNLOCK TABLES").await;
    rename.await.unwrap();
}

/// Waits until a session waits for the lock of a table.
async fn waits_for(connection: &mut Conn, session: u32, table: &str) {
    until_async(async || {
        let waits = format!(
            "SELECT COUNT(*) FROM performance_schema.metadata_locks JOIN performance_schema.threads \
             ON owner_thread_id = thread_id WHERE processlist_id = {session} \
             AND lock_status = 'PENDING' AND object_name = '{table}'"
        );
        connection.query_first::<u8, _>(waits).await.unwrap() == Some(1)
    })
    .await;
}

async fn sums(connection: &mut Conn, table: &str) -> Option<(u64, u64)> {
    let sums = format!("SELECT COUNT(*), CAST(SUM(a) AS UNSIGNED) FROM {table}");
    connection.query_first(sums).await.unwrap()
}

/// A change that was read from the log.
async fn apply(connection: &mut Conn, (id, row): Changed) {
    let statement = match row {
        Some((a, note)) => {
            format!("REPLACE INTO _orders_gho (id, a, note) VALUES ({id}, {a}, '{note}')")
        }
        None => format!("DELETE FROM _orders_gho WHERE id = {id}"),
    };
    run(connection, &statement).await;
}

async fn session(mysql: &MySql, database: &str) -> Conn {
    let mut connection = connect(mysql).await;
    run(&mut connection, &format!("USE {database}")).await;
    connection
}

/// Again, if it met the lock of a writer.
async fn run(connection: &mut Conn, statement: &str) {
    loop {
        match connection.query_drop(statement).await {
            Ok(()) => return,
            Err(mysql_async::Error::Server(error)) if error.code == 1213 => {}
            Err(error) => panic!("{statement}: {error}"),
        }
    }
}
