//! Logins with `caching_sha2_password`, and what the server's cache of passwords changes.

use integration::stack::shared;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};

use crate::scene::{SECRET, Scene, stop, until, wait_for_log};

/// The ciphers of all connections of a user: empty texts for those without TLS.
pub(super) async fn ciphers(url: &str, user: &str) -> Vec<String> {
    let mut connection = Conn::new(Opts::from_url(url).unwrap()).await.unwrap();
    connection
        .query(format!(
            "SELECT s.VARIABLE_VALUE FROM performance_schema.status_by_thread s \
             JOIN performance_schema.threads t USING (THREAD_ID) \
             WHERE s.VARIABLE_NAME = 'Ssl_cipher' AND t.PROCESSLIST_USER = '{user}'"
        ))
        .await
        .unwrap()
}

/// Runs until three rows have come, and gives the ciphers that its connections had.
async fn captured(scene: &Scene) -> Vec<String> {
    let rowcast = scene.start().await;
    scene.wait_for_rows(&rowcast, 3).await;
    let url = shared().await.unwrap().mysql.url();
    let is_connected = until(|| async { !ciphers(&url, &scene.name).await.is_empty() }).await;
    assert!(is_connected, "{}", rowcast.log().unwrap());
    let found = ciphers(&url, &scene.name).await;
    stop(&rowcast).await;
    found
}

#[tokio::test]
async fn a_password_that_the_server_has_not_seen_is_encrypted_for_its_key_without_tls() {
    // A new user is in no cache.
    let mut scene = Scene::new("login_rsa").await;
    scene.set("database.ssl.mode", "disabled");

    let found = captured(&scene).await;
    assert!(found.iter().all(String::is_empty), "{found:?}");

    // Now it is in the cache, then not any more.
    captured(&scene).await;
    scene.sql("FLUSH PRIVILEGES").await;
    captured(&scene).await;
}

#[tokio::test]
async fn a_password_that_the_server_has_not_seen_is_sent_inside_tls() {
    let mut scene = Scene::new("login_tls").await;

    // Preferred is the default.
    let found = captured(&scene).await;
    assert!(found.iter().all(|cipher| cipher.starts_with("TLS_")), "{found:?}");

    scene.sql("FLUSH PRIVILEGES").await;
    scene.set("database.ssl.mode", "required");
    captured(&scene).await;
}

#[tokio::test]
async fn a_wrong_password_is_refused_with_and_without_tls_and_in_no_log() {
    let mut scene = Scene::new("login_wrong").await;
    scene.set("database.password", format!("{SECRET}-wrong"));

    for mode in ["disabled", "required"] {
        scene.set("database.ssl.mode", mode);
        let refusal = scene.refused().await;
        assert!(refusal.error.ends_with("refuses user `login_wrong`"), "{refusal:?}");
    }
}

#[tokio::test]
async fn an_empty_password_needs_no_key() {
    let mut scene = Scene::new("login_empty").await;
    scene.sql("ALTER USER login_empty IDENTIFIED BY ''").await;
    scene.set("database.password", "");
    scene.set("database.ssl.mode", "disabled");

    captured(&scene).await;
}

#[tokio::test]
async fn a_plugin_that_is_not_there_is_named_with_what_to_do() {
    let mut scene = Scene::new("login_plugin").await;
    scene.sql("ALTER USER login_plugin IDENTIFIED WITH sha256_password BY 'geheim-4711-x'").await;
    scene.set("database.ssl.mode", "disabled");

    let refusal = scene.refused().await;

    assert!(refusal.error.contains("authentication plugin sha256_password"), "{refusal:?}");
    assert!(refusal.hint.contains("IDENTIFIED WITH caching_sha2_password"), "{refusal:?}");
}

#[tokio::test]
async fn passwords_come_from_files_folders_and_the_environment_as_in_kafka_connect() {
    let scene = Scene::new("login_secret").await;
    let text = scene.pipeline();
    std::fs::write(scene.path("properties"), format!("# ours\nuser=x\npassword={SECRET}\n"))
        .unwrap();
    std::fs::create_dir(scene.path("mounted")).unwrap();
    std::fs::write(scene.path("mounted/db-password"), format!("{SECRET}\n")).unwrap();
    let properties = format!("${{file:{}:password}}", scene.path("properties").display());
    let folder = format!("${{dir:{}:db-password}}", scene.path("mounted").display());

    for variable in [properties, folder, "${env:LOGIN_SECRET}".to_owned()] {
        let text = text.replace(SECRET, &variable);
        assert!(!text.contains(SECRET));
        let rowcast = scene.start_with(&text, &[("LOGIN_SECRET", SECRET)]).await;
        wait_for_log(&rowcast, "source starts").await;
        stop(&rowcast).await;
    }
}
