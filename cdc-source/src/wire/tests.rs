//! A server that is played by the test: what a login makes of every answer.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::handshake::greeting;
use super::*;

const NONCE: &[u8] = b"abcdefghijklmnopqrst";

const WITHOUT_TLS: TlsSettings = TlsSettings { mode: TlsMode::Preferred, ca: None, identity: None };

fn login(tls: &TlsSettings) -> Login<'_> {
    Login { host: "db", port: 1, user: "app", password: "geheim", tls, keep_alive: None }
}

/// The other end of a connection.
struct Server(DuplexStream);

impl Server {
    async fn send(&mut self, number: u8, payload: &[u8]) {
        let [low, middle, high, ..] = payload.len().to_le_bytes();
        let frame = [&[low, middle, high, number][..], payload].concat();
        self.0.write_all(&frame).await.unwrap();
    }

    /// The next packet of the client, which must have this number.
    async fn receive(&mut self, number: u8) -> Vec<u8> {
        let mut header = [0; 4];
        self.0.read_exact(&mut header).await.unwrap();
        assert_eq!(header[3], number);
        let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).await.unwrap();
        payload
    }
}

/// A login against a played server.
async fn log_in<F: Future<Output = Server> + Send + 'static>(
    tls: &TlsSettings,
    play: impl FnOnce(Server) -> F,
) -> Result<WireConnection, WireError> {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let playing = tokio::spawn(play(Server(theirs)));
    let result = WireConnection::log_in(Box::new(ours), login(tls)).await;
    drop(playing.await.unwrap());
    result
}

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];

#[tokio::test]
async fn the_first_login_sends_a_scramble_and_never_the_password() {
    let connected = log_in(&WITHOUT_TLS, |mut server| async move {
        server.send(0, &greeting(false)).await;
        let response = server.receive(1).await;
        let scramble = Plugin::CachingSha2.scramble("geheim", NONCE);
        assert!(response.windows(32).any(|part| part == scramble));
        assert!(response.windows(4).any(|part| part == b"app\0"));
        assert!(!response.windows(6).any(|part| part == b"geheim"));
        server.send(2, &[1, 3]).await;
        server.send(3, OK).await;
        server
    })
    .await;

    assert!(connected.is_ok(), "{:?}", connected.err());
}

#[tokio::test]
async fn without_tls_a_password_that_is_not_cached_is_encrypted_for_the_servers_key() {
    let connected = log_in(&WITHOUT_TLS, |mut server| async move {
        server.send(0, &greeting(false)).await;
        server.receive(1).await;
        server.send(2, &[1, 4]).await;
        assert_eq!(server.receive(3).await, [2]);
        let key = include_bytes!("../../tests/golden/public_key.pem");
        server.send(4, &[&[1], &key[..]].concat()).await;
        assert_eq!(server.receive(5).await.len(), 256);
        server.send(6, OK).await;
        server
    })
    .await;

    assert!(connected.is_ok(), "{:?}", connected.err());
}

#[tokio::test]
async fn a_key_that_is_none_is_an_error_and_the_password_stays_here() {
    for key in [&b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"[..], b"", b"x"] {
        let refused = log_in(&WITHOUT_TLS, |mut server| async move {
            server.send(0, &greeting(false)).await;
            server.receive(1).await;
            server.send(2, &[1, 4]).await;
            server.receive(3).await;
            server.send(4, &[&[1], key].concat()).await;
            server
        })
        .await;

        assert!(matches!(refused, Err(WireError::PublicKey)), "{:?}", refused.err());
    }
}

#[tokio::test]
async fn the_server_can_switch_to_another_plugin_and_another_nonce() {
    let connected = log_in(&WITHOUT_TLS, |mut server| async move {
        server.send(0, &greeting(false)).await;
        server.receive(1).await;
        server.send(2, b"\xfemysql_native_password\0ABCDEFGHIJKLMNOPQRST\0").await;
        let expected = Plugin::Native.scramble("geheim", b"ABCDEFGHIJKLMNOPQRST");
        assert_eq!(server.receive(3).await, expected);
        server.send(4, OK).await;
        server
    })
    .await;

    assert!(connected.is_ok(), "{:?}", connected.err());
}

#[tokio::test]
async fn a_plugin_that_is_not_there_is_named() {
    for (asked, named) in [
        (&b"\xfeauthentication_ldap_simple\0"[..], "authentication_ldap_simple"),
        (b"\xfesha256_password\0abc\0", "sha256_password"),
        (b"\xfe", "mysql_old_password"),
    ] {
        let refused = log_in(&WITHOUT_TLS, |mut server| async move {
            server.send(0, &greeting(false)).await;
            server.receive(1).await;
            server.send(2, asked).await;
            server
        })
        .await;

        let Err(WireError::UnknownPlugin { plugin }) = refused else { panic!("{named}") };
        assert_eq!(plugin, named);
    }
}

#[tokio::test]
async fn a_server_without_tls_is_refused_by_every_mode_that_asks_for_it() {
    for mode in [TlsMode::Required, TlsMode::VerifyCa, TlsMode::VerifyIdentity] {
        let tls = TlsSettings { mode, ..WITHOUT_TLS };
        let refused = log_in(&tls, |mut server| async move {
            server.send(0, &greeting(false)).await;
            server
        })
        .await;

        assert!(matches!(refused, Err(WireError::NoTls)), "{mode:?}: {:?}", refused.err());
    }
}

#[tokio::test]
async fn tls_is_not_given_up_when_the_server_offers_it_and_fails() {
    let refused = log_in(&WITHOUT_TLS, |mut server| async move {
        server.send(0, &greeting(true)).await;
        assert_eq!(server.receive(1).await.len(), 32);
        // Now a TLS handshake should come.
        let mut first = [0; 1];
        server.0.read_exact(&mut first).await.unwrap();
        assert_eq!(first, [0x16]);
        server.0.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        server
    })
    .await;

    assert!(matches!(refused, Err(WireError::Tls(_))), "{:?}", refused.err());
}

#[tokio::test]
async fn words_before_tls_are_not_taken_for_words_inside_it() {
    let refused = log_in(&WITHOUT_TLS, |mut server| async move {
        let packet = greeting(true);
        let [low, middle, high, ..] = packet.len().to_le_bytes();
        let smuggled = [&[low, middle, high, 0][..], &packet, &[7, 0, 0, 2], OK].concat();
        server.0.write_all(&smuggled).await.unwrap();
        server
    })
    .await;

    let Err(WireError::Malformed(what)) = refused else { panic!() };
    assert_eq!(what, "answer before TLS");
}

#[tokio::test]
async fn a_connection_that_ends_at_any_byte_is_an_error() {
    let length = u8::try_from(greeting(false).len()).unwrap();
    let script = [&[length, 0, 0, 0][..], &greeting(false)].concat();
    for length in 0..script.len() {
        let part = script[..length].to_vec();
        let refused = log_in(&WITHOUT_TLS, |mut server| async move {
            server.0.write_all(&part).await.unwrap();
            server.0.shutdown().await.unwrap();
            server
        })
        .await;

        assert!(matches!(refused, Err(WireError::Closed)), "{length}: {:?}", refused.err());
    }
}

#[tokio::test]
async fn an_error_instead_of_a_greeting_is_told() {
    let refused = log_in(&WITHOUT_TLS, |mut server| async move {
        server.send(0, b"\xff\x10\x04Too many connections").await;
        server
    })
    .await;

    let Err(WireError::Server { code, message }) = refused else { panic!() };
    assert_eq!((code, message.as_str()), (1040, "Too many connections"));
}

/// A connection that is logged in, and its server.
async fn logged_in() -> (WireConnection, Server) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let mut server = Server(theirs);
    server.send(0, &greeting(false)).await;
    server.send(2, OK).await;
    let tls = WITHOUT_TLS;
    let connection = WireConnection::log_in(Box::new(ours), login(&tls)).await.unwrap();
    server.receive(1).await;
    (connection, server)
}

#[tokio::test]
async fn a_statement_after_one_whose_answer_was_given_up_is_refused() {
    let (mut connection, _server) = logged_in().await;
    let given_up = connection.query(Protocol::Text, "SELECT SLEEP(9)").now_or_never();
    assert!(given_up.is_none());

    let refused = connection.query(Protocol::Text, "SELECT 1").await;

    assert!(matches!(refused, Err(WireError::Malformed(_))));
}

#[tokio::test]
async fn damaged_results_are_errors() {
    let eof: &[u8] = &[0xfe, 0, 0, 2, 0];
    for answer in [
        &[&[0xfb_u8][..]][..],
        &[&[0xfc, 0xff, 0xff]],
        &[&[]],
        &[&[1], b"no column", eof],
        &[&[1], eof, eof],
        &[&[0xfe, 1, 2]],
        &[&[0]],
    ] {
        let (mut connection, mut server) = logged_in().await;
        for (number, packet) in (1..).zip(answer) {
            server.send(number, packet).await;
        }

        let result = connection.query(Protocol::Text, "SELECT 1").await;

        assert!(matches!(result, Err(WireError::Malformed(_))), "{answer:?}");
    }
}
