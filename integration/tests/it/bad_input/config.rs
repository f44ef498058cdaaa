//! Pipeline files that are not valid: refused before anything is started.

use integration::process::Rowcast;

use crate::scene::{DEADLINE, Refusal, SECRET, refusal};

const VALID: &str = "
bootstrap.servers: 127.0.0.1:1
schema.registry.url: http://127.0.0.1:1
connectors:
  shop:
    connector.class: mysql
    database.hostname: 127.0.0.1
    database.port: 1
    database.user: app
    database.password: geheim-4711-x
    topic.prefix: shop
    table.include.list: shop.t
";

/// Runs a pipeline file that is `VALID` with one text replaced, and gives the refusal.
async fn refused_with(text: &str, replacement: &str) -> Refusal {
    assert!(VALID.contains(text) && VALID.contains(SECRET));
    refused(&VALID.replace(text, replacement)).await
}

async fn refused(pipeline: &str) -> Refusal {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pipeline.yaml");
    std::fs::write(&file, pipeline).unwrap();
    let log = folder.path().join("rowcast.log");
    let arguments = ["run", file.to_str().unwrap()];
    let rowcast = Rowcast::start(&arguments, &[], &log).await.unwrap();
    refusal(&rowcast).await
}

#[tokio::test]
async fn a_missing_pipeline_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("rowcast.log");

    let rowcast = Rowcast::start(&["run", "no-such-file.yaml"], &[], &log).await.unwrap();
    let refusal = refusal(&rowcast).await;

    assert!(refusal.error.contains("no-such-file.yaml"), "{refusal:?}");
    assert!(refusal.error.contains("No such file"), "{refusal:?}");
    assert!(refusal.hint.contains("path of the pipeline file"), "{refusal:?}");
}

#[tokio::test]
async fn a_command_without_a_pipeline_file_shows_how_it_is_used() {
    let output = integration::process::run_rowcast(&["run"], &[], DEADLINE).await.unwrap();

    let shown = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(shown.contains("Usage: rowcast run <PIPELINE>"), "{shown}");
}

#[tokio::test]
async fn broken_yaml_is_shown_by_its_place_and_never_by_its_text() {
    // The line before the broken one has the password.
    let refusal = refused_with("    topic.prefix: shop", "   topic.prefix: [").await;

    assert!(refusal.error.contains("is not valid YAML"), "{refusal:?}");
    assert!(refusal.error.contains("line 1"), "{refusal:?}");
    assert!(!refusal.error.contains('\n') && !refusal.hint.is_empty(), "{refusal:?}");
}

#[tokio::test]
async fn each_mistake_in_a_pipeline_file_names_its_key_and_what_is_expected() {
    let mistakes = [
        ("topic.prefix:", "topic.prefxi:", "connector `shop`: `topic.prefix` is required"),
        ("database.port: 1", "databse.port: 1", "`databse.port` is not a known setting"),
        (
            "schema.registry.url: http",
            "schema.registry.urls: http",
            "`schema.registry.urls` is not a known setting",
        ),
        ("bootstrap.servers: 127.0.0.1:1", "bootstrap.servers: ''", "`bootstrap.servers` is requi"),
        ("127.0.0.1:1\nschema", "${env:ROWCAST_NOT_SET}\nschema", "ROWCAST_NOT_SET, which is not"),
        ("database.port: 1", "database.port: 70000", "expected a number from 1 to 65535"),
        ("database.port: 1", "database.port: zero", "expected a number from 1 to 65535"),
        ("database.port: 1", "snapshot.mode: maybe", "expected one of initial, initial_only"),
        ("database.port: 1", "tombstones.on.delete: 1", "expected true or false"),
        ("database.port: 1", "commit.interval.ms: 0", "expected a number from 1 to 10000"),
        ("list: shop.t", "list: 'shop.(t'", "`table.include.list` has the invalid pattern"),
        ("class: mysql", "class: mysqll", "is \"mysqll\", expected one of mysql"),
        ("prefix: shop", "prefix: shop/1", "`topic.prefix` expected letters, digits"),
        ("http://127.0.0.1:1", "127.0.0.1:8081", "expected an address that begins with http://"),
        (
            "connectors:",
            "offset.storage.topic: a b\nconnectors:",
            "`offset.storage.topic` expected",
        ),
    ];
    for (text, replacement, expected) in mistakes {
        let refusal = refused_with(text, replacement).await;

        assert!(refusal.error.contains(expected), "{replacement}: {refusal:?}");
        assert!(refusal.hint.contains("pipeline file"), "{replacement}: {refusal:?}");
    }
}

#[tokio::test]
async fn a_pipeline_file_without_connectors_is_refused() {
    let (head, _) = VALID.split_once("connectors:").unwrap();
    for tail in ["", "connectors:", "connectors: {}", "connectors: [shop]"] {
        let refusal = refused(&format!("{head}{tail}")).await;

        assert!(refusal.error.contains("`connectors` is required"), "{tail}: {refusal:?}");
    }
    let refusal = refused("").await;
    assert!(refusal.error.contains("the pipeline file"), "{refusal:?}");
}

#[tokio::test]
async fn what_stands_twice_in_a_pipeline_file_is_refused() {
    let (_, connector) = VALID.split_once("connectors:\n").unwrap();

    let two_connectors = refused(&format!("{VALID}{connector}")).await;
    let two_keys = refused_with("database.port: 1", "database.user: other").await;
    let nested = refused_with("database.port: 1", "database:\n      user: other").await;

    assert!(two_connectors.error.contains("`shop` is given twice"), "{two_connectors:?}");
    assert!(two_keys.error.contains("`database.user` is given twice"), "{two_keys:?}");
    assert!(nested.error.contains("`database.user` is given twice"), "{nested:?}");
}

#[tokio::test]
async fn a_registry_address_with_a_password_is_refused_without_showing_it() {
    let refusal = refused_with("http://127", &format!("http://app:{SECRET}@127")).await;

    assert!(refusal.error.contains("`schema.registry.url`"), "{refusal:?}");
    assert!(refusal.error.contains("schema.registry.basic.auth.user.info"), "{refusal:?}");
}

#[tokio::test]
async fn a_variable_of_an_unknown_kind_is_refused_without_showing_it() {
    // Part of a password, perhaps.
    let refusal = refused_with("geheim-4711-x", &format!("'a${{{SECRET}}}b'")).await;

    assert!(refusal.error.contains("`database.password`"), "{refusal:?}");
    assert!(refusal.error.contains("${file:PATH} or ${dir:PATH:FILE}"), "{refusal:?}");
}
