//! Tokens of an OAuth server.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::super::{BearerConfig, IssuerConfig, TokenSource};
use super::tls::Authority;
use super::*;

const SECRET: &str = "very-secret";
const TOKEN: &str = "issued-token";

fn bearer(url: &str) -> BearerConfig {
    let issuer = IssuerConfig {
        url: url.to_owned(),
        client_id: "rowcast".to_owned(),
        client_secret: SECRET.to_owned(),
        scope: Some("registry read".to_owned()),
        expiry_buffer: Duration::from_secs(300),
    };
    BearerConfig {
        source: TokenSource::Issuer(issuer),
        logical_cluster: Some("lsrc-1".to_owned()),
        identity_pool: Some("pool-1".to_owned()),
    }
}

/// Asks a registry with a token of an issuer so often, and gives what the registry did last.
async fn ask(registry: &Fake, issuer: &str, times: usize) -> Result<Option<String>, String> {
    let client = registry.registry(|config| {
        config.bearer = Some(bearer(issuer));
        config.timeout = Duration::from_millis(500);
    });
    let mut last = Ok(None);
    for _ in 0..times {
        last = client
            .mode()
            .await
            .map_err(|error| format!("{:?}: {}", error.disposition(), crate::fault::chain(&error)));
    }
    last
}

fn mode(_: &str) -> (u16, &'static str) {
    (200, r#"{"mode":"READWRITE"}"#)
}

fn is_fine(answer: Result<Option<String>, String>) {
    assert_eq!(answer, Ok(Some("READWRITE".to_owned())));
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_sent_with_every_call() {
    let issuer = Fake::start(|_| {
        (200, r#"{"access_token":"issued-token","token_type":"Bearer","expires_in":3600}"#)
    });
    let (issuer, registry) = (issuer.await, Fake::start(mode).await);

    is_fine(ask(&registry, &issuer.url, 3).await);

    let asked = issuer.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let expected = "POST /apis/ccompat/v7 grant_type=client_credentials&scope=registry+read\
                    authorization: Basic cm93Y2FzdDp2ZXJ5LXNlY3JldA==";
    assert_eq!(asked[0], expected);
    let asked = registry.asked();
    assert_eq!(asked.len(), 3);
    assert!(
        asked.iter().all(|it| it.ends_with(&format!("Bearer {TOKEN} lsrc-1 pool-1"))),
        "{asked:?}"
    );
}

/// One that is valid for no time at all, by what the server says or by the token itself.
#[tokio::test]
async fn an_expired_token_is_replaced_before_the_next_call() {
    for answers in [
        (|_| (200, r#"{"access_token":"t","expires_in":"0"}"#)) as Answers,
        // {"iat":1,"exp":1}
        |_| (200, r#"{"access_token":"e30.eyJpYXQiOjEsImV4cCI6MX0.x"}"#),
    ] {
        let (issuer, registry) = (Fake::start(answers).await, Fake::start(mode).await);

        is_fine(ask(&registry, &issuer.url, 3).await);

        assert_eq!(issuer.asked().len(), 3);
    }
}

#[tokio::test]
async fn a_token_that_the_registry_does_not_take_is_replaced_once() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let issuer = || Fake::start(|_| (200, r#"{"access_token":"issued-token"}"#));
    let registry = Fake::start(|_| match ASKED.fetch_add(1, Ordering::SeqCst) {
        1 => (401, r#"{"error_code":401,"message":"Unauthorized"}"#),
        _ => (200, r#"{"mode":"READWRITE"}"#),
    });
    let (one, registry) = (issuer().await, registry.await);

    is_fine(ask(&registry, &one.url, 2).await);
    assert_eq!((one.asked().len(), registry.asked().len()), (2, 3));

    let (two, closed) = (issuer().await, Fake::start(|_| (401, "{}")).await);
    let refused = ask(&closed, &two.url, 1).await.unwrap_err();
    assert!(refused.starts_with("Halt") && refused.contains("401"), "{refused}");
    assert_eq!((two.asked().len(), closed.asked().len()), (2, 2));
    assert!(!refused.contains(SECRET) && !refused.contains(TOKEN), "{refused}");
}

#[tokio::test]
async fn what_the_issuer_does_not_do_is_told_without_a_secret() {
    let cases: [(Answers, &str, &str); 7] = [
        (
            |_| (400, r#"{"error":"invalid_client","error_description":"very-secret is wrong"}"#),
            "Halt",
            "which answered 400 Bad Request: invalid_client",
        ),
        (|_| (401, r#"{"error":"very-secret"}"#), "Halt", "which answered 401"),
        (|_| (404, "very-secret"), "Halt", "which answered 404"),
        (|_| (503, ""), "Retry", "which answered 503"),
        (|_| (200, "very-secret"), "Halt", "answers with no `access_token`"),
        (|_| (200, r#"{"access_token":7}"#), "Halt", "answers with no `access_token`"),
        (|_| (200, r#"{"access_token":"issued-token \n"}"#), "Halt", "no `access_token`"),
    ];
    for (answers, disposition, expected) in cases {
        let (issuer, registry) = (Fake::start(answers).await, Fake::start(mode).await);

        let refused = ask(&registry, &issuer.url, 1).await.unwrap_err();

        assert!(refused.starts_with(disposition) && refused.contains(expected), "{refused}");
        assert!(refused.contains(&issuer.url), "{refused}");
        assert!(!refused.contains(SECRET) && !refused.contains(TOKEN), "{refused}");
        assert!(registry.asked().is_empty(), "nobody is let in without a token");
    }
}

#[tokio::test]
async fn an_issuer_that_is_slow_or_of_an_unknown_authority_is_waited_for() {
    let registry = Fake::start(mode).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = format!("http://{}", silent.local_addr().unwrap());
    let foreign = Authority::new().issuer("127.0.0.1").await;

    for (issuer, expected) in [(slow.as_str(), "timed out"), (&foreign.url, "certificate")] {
        let refused = ask(&registry, issuer, 1).await.unwrap_err();
        assert!(refused.starts_with("Retry") && refused.contains(expected), "{refused}");
        assert!(!refused.contains(SECRET), "{refused}");
    }
    assert!(registry.asked().is_empty());
}
