//! What must hold for any bytes that a server sends.

use bytes::Bytes;
use schema::fuzzing::{Target, join_parts, split_part};

use super::auth::{self, Plugin};
use super::handshake::{AuthMessage, Greeting};
use super::packet::PacketReader;

/// Bytes of a connection, in parts as they arrive.
pub const PACKET: Target =
    Target { name: "packet", run: packet, seeds: packet_seeds, heap_per_byte: 64 };

/// A server's greeting, and its answer to our login.
pub const HANDSHAKE: Target =
    Target { name: "handshake", run: handshake, seeds: handshake_seeds, heap_per_byte: 64 };

/// Packets are the bytes that were sent, in their order, however they arrive.
fn packet(data: &[u8]) {
    let (first, second) = split_part(data);
    let whole = [first, second].concat();
    let (mut reader, mut packets) = (PacketReader::new(), Vec::new());
    let mut refused = false;
    for part in [first, second] {
        reader.arrived(part);
        refused = refused || take(&mut reader, &mut packets);
    }
    let (mut at_once, mut same) = (PacketReader::new(), Vec::new());
    at_once.arrived(&whole);
    assert_eq!(take(&mut at_once, &mut same), refused);
    assert_eq!(packets, same, "it does not matter how they arrive");
    let taken: usize = packets.iter().map(|packet| 4 + packet.len()).sum();
    assert!(taken <= whole.len());
}

/// Takes all packets out that are there; whether one was refused.
fn take(reader: &mut PacketReader, packets: &mut Vec<Bytes>) -> bool {
    loop {
        match reader.packet() {
            Ok(Some(packet)) => packets.push(packet),
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

fn handshake(data: &[u8]) {
    let (greeting, answer) = split_part(data);
    if let Ok(greeting) = Greeting::read(greeting) {
        assert!(greeting.nonce.len() <= 20);
        let plugin = Plugin::of(&greeting.plugin).unwrap_or(Plugin::CachingSha2);
        let scramble = plugin.scramble("secret", &greeting.nonce);
        let response = greeting.response("user", plugin.name(), &scramble, true);
        assert!(response.len() < 512);
        assert!(!response.windows(6).any(|part| part == b"secret"));
    }
    match AuthMessage::read(answer) {
        Ok(AuthMessage::Switch { plugin, nonce }) => {
            assert!(nonce.len() <= 20);
            let length = Plugin::of(&plugin).map(|plugin| plugin.scramble("secret", nonce).len());
            assert!(matches!(length, None | Some(20 | 32)));
        }
        Ok(AuthMessage::More(key)) => drop(auth::encrypted("secret", b"nonce", key)),
        Ok(AuthMessage::Accepted) | Err(_) => {}
    }
}

fn packet_seeds() -> Vec<Vec<u8>> {
    let one = [3, 0, 0, 0, 1, 2, 3, 0, 0, 0, 1, 1, 0, 0, 2, 9];
    let long = [&[0xff, 0xff, 0xff, 0][..], &[7; 300]].concat();
    vec![join_parts(one.get(..5).unwrap_or_default(), &one), join_parts(&one, &long)]
}

fn handshake_seeds() -> Vec<Vec<u8>> {
    let key = include_bytes!("../../tests/golden/public_key.pem");
    let answers: [&[u8]; 6] = [
        &[0, 0, 0, 2, 0, 0, 0],
        b"\xfemysql_native_password\x00abcdefghijklmnopqrst\x00",
        b"\xff\x15\x04#28000Access denied",
        &[1, 3],
        &[1, 4],
        &[&[1], &key[..]].concat(),
    ];
    answers.iter().map(|answer| join_parts(&super::handshake::greeting(true), answer)).collect()
}
