//! MariaDB, the server that logs users in with `mysql_native_password`: the login is MySQL's, the
//! binary log is not.

use integration::stack::{MariaDb, shared};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::sync::OnceCell;

use crate::scene::{Refusal, SECRET, Scene, until};

/// The server that the tests share.
async fn server() -> &'static MariaDb {
    static SERVER: OnceCell<MariaDb> = OnceCell::const_new();
    let start = || async {
        let stack = shared().await.unwrap();
        let folder = stack.directory().join("mariadb");
        Box::pin(MariaDb::start(&stack.installed, &folder)).await.unwrap()
    };
    SERVER.get_or_init(start).await
}

async fn scene(name: &str) -> Scene {
    let server = server().await;
    Scene::at(server.address(), server.url(), name).await
}

/// Waits until the server has logged a text.
async fn server_logs(text: &str) {
    let path = server().await.server.log();
    let log = || std::fs::read_to_string(path).unwrap();
    assert!(until(|| async { log().contains(text) }).await, "no {text:?} in:\n{}", log());
}

/// What the server logs of a session that ends without a word, which is that of a user who is in.
fn was_in(user: &str) -> String {
    format!("to db: 'unconnected' user: '{user}' host: '127.0.0.1'")
}

fn denied(user: &str, has_password: &str) -> String {
    format!("Access denied for user '{user}'@'127.0.0.1' (using password: {has_password})")
}

/// The answers to a statement of root's.
async fn texts(connection: &mut Conn, statement: &str) -> Vec<String> {
    connection.query(statement).await.unwrap()
}

/// The login was right: what is wrong is the server.
async fn assert_is_refused_as_mariadb(refusal: &Refusal, scene: &Scene) {
    let mut root = scene.connect().await;
    let version = texts(&mut root, "SELECT VERSION()").await.remove(0);
    assert!(version.starts_with("10.11.") && version.contains("MariaDB"), "{version}");
    assert_eq!(
        refusal.error,
        format!(
            "mysql is not ready to be captured: the server is {version}, but MariaDB's binary log \
             differs from MySQL's"
        )
    );
    assert_eq!(refusal.hint, "set `database.hostname` and `database.port` to a MySQL server");
    assert!(scene.offsets().is_empty());
}

#[tokio::test]
async fn a_right_native_password_gets_in_and_the_preflight_refuses_mariadb() {
    let mut scene = scene("maria_right").await;
    let mut root = scene.connect().await;
    let plugin = "SELECT plugin FROM mysql.user WHERE user = 'maria_right'";
    assert_eq!(texts(&mut root, plugin).await, ["mysql_native_password"]);

    // It has no certificate, so that what is preferred is no TLS.
    for mode in ["preferred", "disabled"] {
        scene.set("database.ssl.mode", mode);
        let refusal = scene.refused().await;
        assert_is_refused_as_mariadb(&refusal, &scene).await;
    }
    server_logs(&was_in("maria_right")).await;
}

#[tokio::test]
async fn a_wrong_native_password_is_refused_and_in_no_log() {
    let mut scene = scene("maria_wrong").await;

    // Also none, which is another packet.
    for (password, has_password) in [(format!("{SECRET}-wrong"), "YES"), (String::new(), "NO")] {
        scene.set("database.password", password);
        let refusal = scene.refused().await;
        assert!(refusal.error.ends_with("refuses user `maria_wrong`"), "{refusal:?}");
        assert_eq!(refusal.hint, "correct `database.user` and `database.password`");
        assert!(!refusal.log.contains("MariaDB"), "{refusal:?}");
        server_logs(&denied("maria_wrong", has_password)).await;
    }
}

#[tokio::test]
async fn an_empty_native_password_is_a_password() {
    let mut scene = scene("maria_empty").await;
    scene.sql("ALTER USER maria_empty IDENTIFIED BY ''").await;

    // It is the only one that is right.
    let refusal = scene.refused().await;
    assert!(refusal.error.ends_with("refuses user `maria_empty`"), "{refusal:?}");
    scene.set("database.password", "");

    let refusal = scene.refused().await;
    assert_is_refused_as_mariadb(&refusal, &scene).await;
    server_logs(&was_in("maria_empty")).await;
}
