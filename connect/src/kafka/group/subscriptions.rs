//! What the members of a group have subscribed to, as they tell its coordinator.

use std::collections::BTreeSet;

use rdkafka::groups::GroupInfo;

/// The members of a group that uses Kafka's own protocol for consumers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subscriptions {
    /// The topics of all of them; none without members.
    Settled(BTreeSet<String>),
    /// They are about to be shared out anew: who is there is not known yet.
    Rebalancing,
}

/// What a coordinator tells of a group; `None` if it does not know it.
pub(super) fn of_group(group: Option<&GroupInfo>) -> Subscriptions {
    let Some(group) = group else { return Subscriptions::Settled(BTreeSet::new()) };
    if group.state().ends_with("Rebalance") {
        return Subscriptions::Rebalancing;
    }
    // Others, as Kafka Connect's own, are refused by the broker.
    let members = group.members().iter().filter(|_| group.protocol_type() == "consumer");
    let topics = members.filter_map(|member| topics(member.metadata()?));
    Subscriptions::Settled(topics.flatten().collect())
}

/// Kafka's `ConsumerProtocolSubscription`: a version, then the topics, then what differs by version.
fn topics(metadata: &[u8]) -> Option<Vec<String>> {
    let (_version, mut rest) = metadata.split_first_chunk::<2>()?;
    let count;
    (count, rest) = rest.split_first_chunk::<4>()?;
    let mut topics = Vec::new();
    for _ in 0..i32::from_be_bytes(*count) {
        let length;
        (length, rest) = rest.split_first_chunk::<2>()?;
        let topic;
        (topic, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        topics.push(String::from_utf8(topic.to_vec()).ok()?);
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topics_of_a_subscription_are_read_and_damaged_ones_are_not() {
        let two = b"\x00\x03\x00\x00\x00\x02\x00\x01a\x00\x02bc\x00\x00\x00\x00";

        assert_eq!(topics(two), Some(vec!["a".to_owned(), "bc".to_owned()]));
        assert_eq!(topics(b"\x00\x00\x00\x00\x00\x00"), Some(Vec::new()));
        for length in 0..11 {
            assert_eq!(topics(&two[..length]), None, "{length}");
        }
        assert_eq!(topics(b"\x00\x00\xff\xff\xff\xff"), Some(Vec::new()));
        assert_eq!(topics(b"\x00\x00\x7f\xff\xff\xff"), None);
    }
}
