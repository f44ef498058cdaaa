//! Rebalances against records, without Kafka.

use super::*;

fn partition(number: i32) -> TopicPartition {
    TopicPartition { topic: "t".into(), partition: number }
}

fn record(number: i32, offset: i64) -> Record {
    let (partition, offset) = (partition(number), KafkaOffset(offset));
    Record {
        partition,
        offset,
        key: None,
        value: None,
        lsn: None,
        control: None,
        meta: RecordMeta::default(),
    }
}

async fn send(feed: &ConsumerFeed, records: Vec<Record>) {
    assert!(feed.records(feed.polled(records), Duration::ZERO).await.is_ok());
}

async fn offsets(consumer: &mut SinkConsumer) -> Vec<i64> {
    match consumer.next().await {
        ConsumerEvent::Records(records) => records.iter().map(|r| r.offset.0).collect(),
        other @ (ConsumerEvent::Assigned { .. }
        | ConsumerEvent::Revoked { .. }
        | ConsumerEvent::Failed(_)) => panic!("expected records, found {other:?}"),
    }
}

#[tokio::test]
async fn a_revocation_overtakes_records_and_voids_them() {
    let (mut consumer, mut feed) = SinkConsumer::with_feed();
    feed.assigned(vec![partition(0), partition(1)]).await;
    send(&feed, vec![record(0, 5), record(1, 6)]).await;
    feed.revoked(vec![partition(0)], false).await;

    assert!(matches!(consumer.next().await, ConsumerEvent::Assigned { .. }));
    let ConsumerEvent::Revoked { done, .. } = consumer.next().await else { panic!() };
    done.done();

    assert!(matches!(feed.command(Duration::from_secs(1)), Some(Command::RevokeDone)));
    assert_eq!(offsets(&mut consumer).await, [6]);
}

/// Records polled before a partition went and came back are delivered again from its
/// committed offset; those of the first time must not be taken for them.
#[tokio::test]
async fn records_of_an_earlier_assignment_do_not_survive_the_next_one() {
    let (mut consumer, mut feed) = SinkConsumer::with_feed();
    feed.assigned(vec![partition(0)]).await;
    send(&feed, vec![record(0, 9)]).await;
    feed.revoked(vec![partition(0)], false).await;
    feed.assigned(vec![partition(0)]).await;
    send(&feed, vec![record(0, 3)]).await;

    for _ in 0..3 {
        assert!(!matches!(consumer.next().await, ConsumerEvent::Records(_)));
    }
    assert_eq!(offsets(&mut consumer).await, [3]);
}

/// A batch that was polled before a revocation and found room only after it.
#[tokio::test]
async fn records_that_had_to_wait_are_judged_by_when_they_were_polled() {
    let (mut consumer, mut feed) = SinkConsumer::with_feed();
    feed.assigned(vec![partition(0), partition(1)]).await;
    let polled = feed.polled(vec![record(0, 5), record(1, 6)]);
    feed.revoked(vec![partition(0)], false).await;
    assert!(feed.records(polled, Duration::ZERO).await.is_ok());

    for _ in 0..2 {
        assert!(!matches!(consumer.next().await, ConsumerEvent::Records(_)));
    }
    assert_eq!(offsets(&mut consumer).await, [6]);
}

#[tokio::test]
async fn a_thread_that_is_gone_is_a_failure() {
    let (mut consumer, feed) = SinkConsumer::with_feed();
    drop(feed);

    assert!(matches!(consumer.next().await, ConsumerEvent::Failed(_)));
    assert!(consumer.commit(Vec::new()).await.is_err());
}

#[tokio::test]
async fn what_is_held_is_told_once_and_as_a_whole() {
    let (consumer, mut feed) = SinkConsumer::with_feed();
    assert_eq!(feed.held(), None);

    consumer.hold(partition(0));
    consumer.hold(partition(1));
    consumer.hold(partition(0));
    assert_eq!(feed.held(), Some(Held::from([partition(0), partition(1)])));
    assert_eq!(feed.held(), None);

    consumer.release(&partition(0));
    consumer.release(&partition(7));
    assert_eq!(feed.held(), Some(Held::from([partition(1)])));
    assert_eq!(feed.held(), None);
}
