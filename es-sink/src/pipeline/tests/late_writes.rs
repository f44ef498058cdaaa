//! A write that comes after the delete of its row, although it was before it: from a sink that nobody
//! knew was alive any more, or after somebody has set the offset back.

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

/// A row was written and deleted. Now something happens, and its write comes again.
async fn late_write(extra: &[(&str, &str)], happens: impl FnOnce(&FakeServer)) -> FakeServer {
    let mut bench = Bench::start(FakeServer::start().await, extra);
    let p = partition(0);
    bench.feed.assigned(vec![p.clone()]).await;
    let write = record(&p, 0, 1, Change::Write { n: 5 }, Some(7));
    let delete = record(&p, 1, 1, Change::Delete, Some(8));
    bench.deliver(vec![write.clone()]).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&1)).await;
    bench.deliver(vec![delete]).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&2)).await;
    happens(&bench.server);

    let again = Record { offset: KafkaOffset(2), ..write };
    bench.deliver(vec![again]).await;
    bench.until(|bench, _| bench.committed.get(&0) == Some(&3)).await;

    let (ended, server, _) = bench.end().await;
    ended.unwrap();
    server
}

fn is_there(server: &FakeServer) -> bool {
    server.documents(TOPIC).get("1").is_some_and(|row| row.get("__deleted") != Some(&json!(true)))
}

#[tokio::test]
async fn a_late_write_does_not_bring_a_row_back_for_an_hour() {
    let server = late_write(&[], |server| server.advance(HOUR / 2)).await;

    assert!(!is_there(&server));
}

/// The documented limit: `gc_deletes` has passed, or the server has restarted.
#[tokio::test]
async fn after_gc_deletes_and_after_a_restart_a_late_write_brings_a_row_back() {
    assert!(is_there(&late_write(&[], |server| server.advance(2 * HOUR)).await));
    assert!(is_there(&late_write(&[], FakeServer::restart).await));
}

#[tokio::test]
async fn soft_deletes_hold_whatever_the_server_has_forgotten() {
    let soft = [("behavior.on.delete", "soft")];
    for happens in [FakeServer::restart, |server: &FakeServer| server.advance(2 * HOUR)] {
        let server = late_write(&soft, happens).await;

        assert!(!is_there(&server));
        assert_eq!(server.documents(TOPIC)["1"]["__deleted"], true);
    }
}
