//! What foreign keys do to rows of captured tables: logged since MySQL 9.6, and not at all where
//! `InnoDB` does it itself.

use integration::stack::{MySql, shared};
use integration::topic::Operation;
use tokio::sync::OnceCell;

use crate::scenario::{Scenario, count, log_has, own_server, stop};
use crate::scene::metrics_have;

/// A server whose cascades are not in its log, which these tests share.
async fn server() -> &'static MySql {
    static SERVER: OnceCell<MySql> = OnceCell::const_new();
    const NATIVE: &str = "--innodb-native-foreign-keys=ON";
    SERVER.get_or_init(|| Box::pin(own_server("mysql-native-keys", &[NATIVE]))).await
}

async fn parent_and_child(scenario: &mut Scenario) {
    scenario.sql("CREATE TABLE parent (id INT PRIMARY KEY)").await;
    scenario.sql("CREATE TABLE between_them (id INT PRIMARY KEY, parent INT)").await;
    scenario.sql("CREATE TABLE child (id INT PRIMARY KEY, parent INT)").await;
    scenario.sql("CREATE TABLE later (id INT PRIMARY KEY, parent INT)").await;
    scenario.sql(&foreign_key("child", "between_them")).await;
    scenario.sql("INSERT INTO parent VALUES (1), (2)").await;
    scenario.sql("INSERT INTO between_them VALUES (1, 1), (2, 2)").await;
    scenario.sql("INSERT INTO child VALUES (1, 1), (2, 2)").await;
    scenario.sql("INSERT INTO later VALUES (1, 1)").await;
}

fn foreign_key(child: &str, parent: &str) -> String {
    format!(
        "ALTER TABLE {child} ADD CONSTRAINT {child}_key FOREIGN KEY (parent) \
         REFERENCES {parent} (id) ON DELETE CASCADE"
    )
}

#[tokio::test]
async fn cascades_that_are_not_logged_are_named_also_those_of_later_keys() {
    let mysql = server().await;
    let mut scenario = Scenario::on("native_keys", mysql).await;
    parent_and_child(&mut scenario).await;
    let pipeline =
        scenario.source(mysql).with("table.include.list", "native_keys.child, native_keys.later");
    let rowcast = scenario.start(&pipeline).await;

    log_has(&rowcast, "child_key of native_keys.child on native_keys.between_them").await;
    metrics_have(&rowcast, &[r#"rowcast_source_unlogged_cascades{connector="native_keys"} 1.0"#])
        .await;
    scenario.topic_is_table("child").await;
    scenario.sql("DELETE FROM between_them WHERE id = 1").await;
    scenario.sql("INSERT INTO between_them VALUES (3, 1)").await;
    scenario.sql("INSERT INTO child VALUES (3, 3)").await;
    scenario.record("child", |record| record.operation == Operation::Create).await;
    let left: Vec<(u32,)> = scenario.rows("SELECT id FROM child").await;
    assert_eq!(left, [(2,), (3,)]);
    let records = scenario.records("child").await;
    assert_eq!(count(&records, Operation::Delete), 0, "the server does log it");

    // A key of a captured table, and one of a table that is not, whose rows lead to one.
    scenario.sql(&foreign_key("later", "parent")).await;
    log_has(&rowcast, "later_key of native_keys.later on native_keys.parent").await;
    scenario.sql(&foreign_key("between_them", "parent")).await;
    log_has(&rowcast, "between_them_key of native_keys.between_them on native_keys.parent").await;
    metrics_have(&rowcast, &[r#"rowcast_source_unlogged_cascades{connector="native_keys"} 3.0"#])
        .await;
    scenario.sql("ALTER TABLE later DROP FOREIGN KEY later_key").await;
    metrics_have(&rowcast, &[r#"rowcast_source_unlogged_cascades{connector="native_keys"} 2.0"#])
        .await;
    let log = rowcast.log().unwrap();
    assert_eq!(log.matches("foreign_key=child_key").count(), 1, "{log}");
    stop(&rowcast).await;
}

#[tokio::test]
async fn cascades_that_are_not_logged_can_be_refused() {
    let mysql = server().await;
    let mut scenario = Scenario::on("refused_keys", mysql).await;
    parent_and_child(&mut scenario).await;
    let pipeline = scenario.source(mysql).with("foreign.key.cascades", "refuse");
    let refused = scenario.launch("refused", &pipeline).await;
    let status = refused.wait(std::time::Duration::from_secs(60)).await.unwrap();
    assert!(!status.success());
    let log = refused.log().unwrap();
    let named = "foreign key child_key of refused_keys.child on refused_keys.between_them";
    assert!(log.contains(named) && log.contains("innodb_native_foreign_keys=OFF"), "{log}");

    scenario.sql("ALTER TABLE child DROP FOREIGN KEY child_key").await;
    let rowcast = scenario.start(&pipeline).await;
    scenario.topic_is_table("child").await;
    scenario.sql(&foreign_key("later", "parent")).await;
    log_has(
        &rowcast,
        "table parked, its changes are not emitted any more table=refused_keys.later",
    )
    .await;
    scenario.sql("INSERT INTO child VALUES (9, 2)").await;
    scenario.topic_is_table("child").await;
    stop(&rowcast).await;
}

#[tokio::test]
async fn cascades_that_are_logged_are_followed() {
    let mysql = &shared().await.unwrap().mysql;
    let mut scenario = Scenario::new("logged_keys").await;
    parent_and_child(&mut scenario).await;
    let rowcast = scenario.start(&scenario.source(mysql)).await;
    scenario.topic_is_table("child").await;

    scenario.sql("DELETE FROM between_them WHERE id = 1").await;

    let records = scenario.topic_is_table("child").await;
    assert_eq!(count(&records, Operation::Delete), 1);
    metrics_have(&rowcast, &[r#"rowcast_source_unlogged_cascades{connector="logged_keys"} 0.0"#])
        .await;
    assert!(!rowcast.log().unwrap().contains("foreign_key="), "{}", rowcast.log().unwrap());
    stop(&rowcast).await;
}
