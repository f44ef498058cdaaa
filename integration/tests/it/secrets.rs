//! Secrets of config providers: where they come from, what becomes of those that cannot be read, and
//! that nobody sees them.

mod chain;
mod oauth;
mod tls;
mod vault;

use std::path::Path;
use std::time::Duration;

use connect::config::PipelineConfig;
use integration::process::Rowcast;
use integration::stack::{Stack, shared};
use serde_json::{Value, json};

use self::vault::FakeVault;
use crate::scenario::{LOG, stop};
use crate::scene::{SECRET, records, until};
use crate::worker::{Worker, properties};

/// Texts that must not be seen anywhere.
const TOKEN: &str = "hvs.geheim-token-4711";
const ROLE_SECRET: &str = "geheim-role-4712";
const PASSWORD: &str = "geheim-wort-4713";

/// A provider of this name, as `worker.properties` have it.
fn provider(name: &str, class: &str, params: &[(&str, &str)]) -> String {
    let params = params.iter();
    let params =
        params.map(|(key, value)| format!("config.providers.{name}.param.{key}={value}\n"));
    format!("config.providers.{name}.class={class}\n{}", params.collect::<String>())
}

const VAULT: &str = "io.lenses.connect.secrets.providers.VaultSecretProvider";

fn with_token(vault: &FakeVault) -> String {
    provider("vault", VAULT, &[("vault.addr", &vault.url), ("vault.token", TOKEN)])
}

fn with_role(vault: &FakeVault) -> String {
    vault.with(|state| state.role_secret = ROLE_SECRET.to_owned());
    let role = [("app.role.id", "role-4711"), ("app.role.secret.id", ROLE_SECRET)];
    let at = [("vault.addr", &*vault.url), ("vault.auth.method", "approle")];
    provider("vault", VAULT, &[&at[..], &role[..]].concat())
}

/// What becomes of settings of a connector on a worker with this in its properties, or what is told
/// of them. Reading blocks.
async fn replaced(providers: &str, settings: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    let (worker, connector) = (folder.path().join("w.properties"), folder.path().join("c.json"));
    let names: Vec<_> = providers
        .lines()
        .filter_map(|line| line.split_once(".class=")?.0.strip_prefix("config.providers."))
        .collect();
    let list = names.join(",");
    let text = format!("bootstrap.servers=b\nconfig.providers={list}\n{providers}");
    std::fs::write(&worker, text).unwrap();
    let keys: Vec<String> = settings.iter().map(|(key, _)| (*key).to_owned()).collect();
    let mut given: Value = json!({ "name": "c", "connector.class": "x.Y" });
    for (key, value) in settings {
        given[*key] = (*value).into();
    }
    std::fs::write(&connector, given.to_string()).unwrap();
    let reading = tokio::task::spawn_blocking(move || {
        let read = PipelineConfig::from_properties(&worker, &[&connector]);
        let mut read = read.map_err(|error| error.to_string())?;
        let mut settings = read.connectors.remove(0).settings;
        Ok(keys.iter().map(|key| settings.optional(key).unwrap()).collect())
    });
    reading.await.unwrap()
}

/// Nothing of what must not be seen is in a text.
fn tells_nothing(text: &str) {
    for secret in ["geheim", "hvs.", SECRET] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
}

/// It would see one.
#[test]
fn a_secret_that_is_told_is_seen() {
    for planted in [TOKEN, ROLE_SECRET, PASSWORD, SECRET] {
        let told = std::panic::catch_unwind(|| tells_nothing(&format!("a {planted} b")));
        assert!(told.is_err());
    }
}

#[tokio::test]
async fn providers_are_named_and_told_as_in_kafka_connect() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_str().unwrap();
    std::fs::write(folder.path().join("a.properties"), "key=value\n").unwrap();
    let apache = "org.apache.kafka.common.config.provider";
    let allowed = format!("{at}/in");
    std::fs::create_dir(&allowed).unwrap();
    std::fs::write(folder.path().join("in/word"), "inside\n").unwrap();
    let providers = [
        provider("secrets", &format!("{apache}.FileConfigProvider"), &[]),
        provider("d", &format!("{apache}.DirectoryConfigProvider"), &[("allowed.paths", &allowed)]),
        provider("e", &format!("{apache}.EnvVarConfigProvider"), &[("allowlist.pattern", "PA.*")]),
    ]
    .concat();
    let one = async |value: &str| replaced(&providers, &[("a", value)]).await;

    assert_eq!(one(&format!("x${{secrets:{at}/a.properties:key}}")).await.unwrap(), ["xvalue"]);
    assert_eq!(one(&format!("${{d:{allowed}:word}}")).await.unwrap(), ["inside"]);
    assert!(!one("${e:PATH}").await.unwrap()[0].is_empty());
    let outside = one(&format!("${{d:{allowed}/..:a.properties}}")).await.unwrap_err();
    assert!(outside.contains("is not in allowed.paths"), "{outside}");
    let unmatched = one("${e:HOME}").await.unwrap_err();
    assert!(unmatched.contains("HOME, which allowlist.pattern does not match"), "{unmatched}");
    let class = replaced(&provider("aws", "com.x.AwsProvider", &[]), &[]).await.unwrap_err();
    assert!(class.contains("config.providers.aws.class") && class.contains("Vault"), "{class}");
}

/// Whose certificate nobody trusts, as with a proxy in between, gets no token.
#[tokio::test]
async fn a_vault_is_trusted_by_its_authority_only() {
    let (vault, folder) = (FakeVault::start().await, tempfile::tempdir().unwrap());
    vault.token(TOKEN, None);
    vault.put("app", json!({ "password": PASSWORD }));
    let plain: std::net::SocketAddr = vault.url.strip_prefix("http://").unwrap().parse().unwrap();
    let guarded = tls::in_front_of(plain, &folder.path().join("vault.pem")).await;
    tls::authority(&folder.path().join("other.pem"));
    let read = async |authority: &str| {
        let pem = folder.path().join(authority).to_str().unwrap().to_owned();
        let at = [("vault.addr", &*guarded), ("vault.token", TOKEN), ("vault.pem", &*pem)];
        let providers = provider("vault", VAULT, if authority.is_empty() { &at[..2] } else { &at });
        replaced(&providers, &[("database.password", "${vault:secret/app:password}")]).await
    };

    assert_eq!(read("vault.pem").await.unwrap(), [PASSWORD]);
    let reads = vault.with(|state| state.reads);
    for wrong in ["other.pem", ""] {
        let error = read(wrong).await.unwrap_err();
        tells_nothing(&error);
        assert!(error.contains("whose certificate is not trusted"), "{error}");
        assert!(error.contains("give its authority as vault.pem"), "{error}");
    }
    assert_eq!(vault.with(|state| state.reads), reads, "it was asked for nothing");
}

#[tokio::test]
async fn a_secret_of_vault_is_read_once_for_all_its_keys() {
    let vault = FakeVault::start().await;
    vault.token(TOKEN, None);
    vault.put("my/app", json!({ "user": "u", "password": PASSWORD, "port": 3306 }));

    let providers = with_token(&vault);
    let found = replaced(
        &providers,
        &[
            ("a", "${vault:secret/my/app:user}:${vault:secret/my/app:password}"),
            ("b", "${vault:secret/data/my/app:port}"),
            ("c", "${vault:secret/my/app:password}"),
        ],
    );

    let expected = [format!("u:{PASSWORD}"), "3306".to_owned(), PASSWORD.to_owned()];
    assert_eq!(found.await.unwrap(), expected);
    // Once for each of the two ways to write its path.
    assert_eq!(vault.with(|state| state.reads), 2);
    let none = replaced(&with_token(&vault), &[("a", "${vault:secret/my/app:nokey}")]).await;
    assert!(none.unwrap_err().contains("key nokey, which secret/my/app does not have"));
}

#[tokio::test]
async fn a_role_of_a_namespace_logs_in_once_and_leases_are_read_as_they_are() {
    let vault = FakeVault::start().await;
    vault.put("database/creds/app", json!({ "username": "v-app", "password": PASSWORD }));
    vault.with(|state| state.namespace = Some("team/a".to_owned()));
    let more = "config.providers.vault.param.vault.namespace=team/a\n\
                config.providers.vault.param.vault.engine.version=1\n";
    let providers = with_role(&vault) + more;

    let found = replaced(&providers, &[("a", "${vault:database/creds/app:username}")]).await;

    assert_eq!(found.unwrap(), ["v-app"]);
    assert_eq!(vault.with(|state| state.logins), 1);
}

/// Each is told with what to do about it, and with nothing that is secret.
#[tokio::test]
async fn a_vault_that_denies_or_is_sealed_or_away_is_told_of_without_secrets() {
    let vault = FakeVault::start().await;
    vault.put("app", json!({ "password": PASSWORD }));
    let read = async |providers: &str, path: &str| {
        let value = format!("${{vault:{path}:password}}");
        let error = replaced(providers, &[("database.password", &value)]).await.unwrap_err();
        tells_nothing(&error);
        assert!(error.contains("database.password"), "{error}");
        error
    };
    let token = with_token(&vault);

    // It is not known, or has expired.
    let denied = read(&token, "secret/app").await;
    assert!(denied.contains("(403)") && denied.contains("token has expired"), "{denied}");
    vault.token(TOKEN, None);
    let missing = read(&token, "secret/other").await;
    assert!(missing.contains("no such secret (404)"), "{missing}");
    vault.with(|state| state.is_sealed = true);
    let sealed = read(&token, "secret/app").await;
    assert!(sealed.contains("sealed") && sealed.contains("unseal"), "{sealed}");
    vault.with(|state| state.is_sealed = false);
    let role = with_role(&vault);
    vault.with(|state| state.role_secret = "another".to_owned());
    let refused = read(&role, "secret/app").await;
    assert!(refused.contains("login by AppRole (400)"), "{refused}");
    let away = token.replace(&vault.url, "http://127.0.0.1:1");
    let away = read(&away, "secret/app").await;
    assert!(away.contains("cannot be reached"), "{away}");
    vault.with(|state| state.is_silent = true);
    let slow = read(&token, "secret/app").await;
    assert!(slow.contains("does not answer"), "{slow}");
}

/// A worker, and what its log and its answers must not have.
async fn worker(stack: &Stack, group: &str, folder: &Path, providers: &str) -> Worker {
    let text = properties(stack, group, "org.apache.kafka.connect.storage.StringConverter");
    let file = folder.join("worker.properties");
    std::fs::write(&file, format!("{text}config.providers=vault\n{providers}")).unwrap();
    let arguments = ["worker", file.to_str().unwrap()];
    let process = Rowcast::start(&arguments, &[LOG], &folder.join("w.log")).await.unwrap();
    Worker::of(process).await
}

/// A connector that has a file's name from Vault.
fn file_source(topic: &str) -> Value {
    json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "file": "${vault:secret/files:name}",
        "topic": topic,
    })
}

/// Its token is a role's, which lasts for seconds and is renewed while nobody asks.
#[tokio::test]
async fn a_connector_begins_anew_when_its_secrets_end() {
    let stack = shared().await.unwrap();
    let (folder, vault) = (tempfile::tempdir().unwrap(), FakeVault::start().await);
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for name in ["secret-a", "secret-b"] {
        std::fs::write(file(name), format!("{name}\n")).unwrap();
    }
    vault.put("files", json!({ "name": file("secret-a") }));
    vault.with(|state| state.login_ttl = Duration::from_secs(6));
    let ttl = "config.providers.vault.param.secret.default.ttl=2500\n";
    let worker = worker(stack, "sec-reload", folder.path(), &(with_role(&vault) + ttl)).await;

    worker.make("sec-reload", file_source("sec_reload")).await;
    let mut stays = file_source("sec_stays");
    stays["config.action.reload"] = "none".into();
    worker.make("sec-stays", stays).await;
    let has = |topic: &'static str, count: usize| {
        let bootstrap = stack.kafka.bootstrap();
        until(move || {
            let bootstrap = bootstrap.clone();
            async move { records(&bootstrap, topic).len() == count }
        })
    };
    assert!(has("sec_reload", 1).await && has("sec_stays", 1).await);
    vault.put("files", json!({ "name": file("secret-b") }));

    assert!(has("sec_reload", 2).await, "{}", worker.process.log().unwrap());
    assert_eq!(records(&stack.kafka.bootstrap(), "sec_stays").len(), 1);
    let is_renewed = until(|| async { vault.with(|state| state.renewals) > 1 }).await;
    assert!(is_renewed, "{}", worker.process.log().unwrap());
    assert_eq!(vault.with(|state| state.logins), 1);
    let config = worker.get("/connectors/sec-reload/config").await;
    assert_eq!(config["file"], "${vault:secret/files:name}");
    stop(&worker.process).await;
}

/// Its failure is told, and passes when Vault's does.
#[tokio::test]
async fn a_connector_whose_vault_is_sealed_fails_and_begins_when_it_is_not() {
    let stack = shared().await.unwrap();
    let (folder, vault) = (tempfile::tempdir().unwrap(), FakeVault::start().await);
    let name = folder.path().join("secret-file").to_str().unwrap().to_owned();
    std::fs::write(&name, "row\n").unwrap();
    vault.put("files", json!({ "name": name }));
    let worker = worker(stack, "sec-sealed", folder.path(), &with_role(&vault)).await;
    worker.make("sec-sealed", file_source("sec_sealed")).await;
    let status = "/connectors/sec-sealed/status";
    worker.until(status, |it| it["tasks"][0]["state"] == "RUNNING").await;

    vault.with(|state| state.is_sealed = true);
    vault.revoke();
    worker.ask("POST", "/connectors/sec-sealed/tasks/0/restart", &Value::Null).await;
    let failed = worker.until(status, |it| it["tasks"][0]["state"] == "FAILED").await;
    assert!(failed.to_string().contains("which is sealed"), "{failed}");
    let (refused, answer) =
        worker.ask("PUT", "/connectors/sec-other/config", &file_source("sec_other")).await;
    assert_eq!(refused, 400, "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("which is sealed"), "{answer}");

    // By itself, ten seconds later.
    vault.with(|state| state.is_sealed = false);
    worker.until(status, |it| it["tasks"][0]["state"] == "RUNNING").await;
    assert_eq!(vault.with(|state| state.logins), 2, "the revoked token is replaced");
    let stored = stored(stack, "sec-sealed-configs");
    assert!(stored.contains("${vault:secret/files:name}"), "{stored}");
    let log = worker.process.log().unwrap();
    for seen in [&stored, &log, &failed.to_string(), &answer.to_string()] {
        tells_nothing(seen);
    }
    stop(&worker.process).await;
}

/// All values of a topic.
fn stored(stack: &Stack, topic: &str) -> String {
    let all = records(&stack.kafka.bootstrap(), topic).into_iter().filter_map(|(_, value)| value);
    all.map(|value| String::from_utf8_lossy(&value).into_owned()).collect()
}
