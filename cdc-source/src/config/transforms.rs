//! Transforms that are folded into where records go: routers of topics.
//!
//! The topic of a table is known before its first row, so a router is asked once for each version of
//! a table and costs nothing per row. The chain that is asked is the generic one, so the answer is
//! the same by construction.

use std::collections::BTreeMap;
use std::sync::Arc;

use connect::config::{ConfigError, Settings};
use transform::Chain;

/// Debezium's, which the plans do by themselves.
const UNWRAP: &str = "io.debezium.transforms.ExtractNewRecordState";
/// Options of it that need values.
const UNWRAP_BY_VALUE: [&str; 4] =
    ["route.by.field", "drop.fields.header.name", "predicate", "negate"];
/// Kafka Connect's router, which only looks at the topic.
const ROUTER: &str = "org.apache.kafka.connect.transforms.RegexRouter";
/// The predicate that only looks at the topic.
const BY_TOPIC: &str = "org.apache.kafka.connect.transforms.predicates.TopicNameMatches";

/// Whether the plans do all that `transforms` ask for: routers that look at topics only, and one
/// `ExtractNewRecordState`. The order of these two does not matter, because neither sees what the
/// other changes. In the place of a deleted row `ExtractNewRecordState` leaves a null that has a
/// schema, which is nothing in Avro (`avro`) and something in JSON: there it does not fold.
pub(super) fn fold(settings: &Settings, avro: bool) -> bool {
    let of = |key: String| settings.peek(&key).map(str::trim);
    let names = |key: &str| list(settings.peek(key));
    let by_topic = names("predicates")
        .iter()
        .all(|name| of(format!("predicates.{name}.type")).is_some_and(|it| is(it, BY_TOPIC)));
    let mut unwraps = 0;
    let each = names("transforms").iter().all(|name| {
        let class = of(format!("transforms.{name}.type")).unwrap_or_default();
        let is_unwrap = avro && is(class, UNWRAP);
        unwraps += usize::from(is_unwrap);
        let has = |option: &str| settings.peek(&format!("transforms.{name}.{option}")).is_some();
        is(class, ROUTER) || is_unwrap && !UNWRAP_BY_VALUE.iter().any(|option| has(option))
    });
    by_topic && each && unwraps <= 1
}

fn list(text: Option<&str>) -> Vec<String> {
    let names = text.unwrap_or_default().split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Which topics are other ones.
#[derive(Clone, Default)]
pub(crate) struct Routes {
    /// The settings of the routers and of their predicates.
    settings: BTreeMap<String, String>,
}

impl Routes {
    /// Takes routers out of `transforms`; gives the names of those that are none.
    pub(super) fn read(settings: &mut Settings) -> Result<(Self, Vec<String>), ConfigError> {
        let (mut routers, mut others) = (Vec::new(), Vec::new());
        for name in settings.list("transforms") {
            let class = settings.peek(&format!("transforms.{name}.type")).map(str::trim);
            let is_router = class.is_some_and(|class| is(class, ROUTER));
            if is_router { routers.push(name) } else { others.push(name) }
        }
        if routers.is_empty() {
            return Ok((Self::default(), others));
        }
        let mut given = BTreeMap::from([("transforms".to_owned(), routers.join(","))]);
        for name in &routers {
            take(settings, &format!("transforms.{name}."), &mut given);
        }
        let predicates = settings.list("predicates");
        for name in &predicates {
            let key = format!("predicates.{name}.type");
            if !settings.peek(&key).is_some_and(|class| is(class.trim(), BY_TOPIC)) {
                let problem = format!("must be {BY_TOPIC}: the source looks at topics only");
                return Err(settings.error(&key, problem));
            }
            take(settings, &format!("predicates.{name}."), &mut given);
        }
        given.insert("predicates".to_owned(), predicates.join(","));
        let (_, asked) = Chain::read(&given).map_err(|error| {
            settings.error(&error.key, format!("is not what it has to be: {}", error.problem))
        })?;
        let unknown = given.iter().filter(|(key, _)| !asked.contains(*key));
        unknown.for_each(|(key, value)| settings.replace(key, value));
        Ok((Self { settings: given }, others))
    }

    /// The topic that records for one go to.
    pub(crate) fn topic(&self, topic: &str) -> Arc<str> {
        let before: Arc<str> = topic.into();
        // The settings were read once already.
        let Ok((mut chain, _)) = Chain::read(&self.settings) else { return before };
        // A router takes and keeps every record.
        chain.route(&before).unwrap_or(before)
    }
}

/// Whether a class is this one, in full or by its last part.
fn is(class: &str, known: &str) -> bool {
    class == known || known.rsplit('.').next() == Some(class)
}

fn take(settings: &mut Settings, prefix: &str, given: &mut BTreeMap<String, String>) {
    let taken = settings.with_prefix(prefix).into_iter();
    given.extend(taken.map(|(rest, value)| (format!("{prefix}{rest}"), value)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect::config::Origin;

    const ROUTE: [(&str, &str); 4] = [
        ("transforms", "route,unwrap"),
        ("transforms.route.type", ROUTER),
        ("transforms.route.regex", r"srv\.(.*)\.(.*)"),
        ("transforms.route.replacement", "$1-$2"),
    ];

    fn read(pairs: &[(&str, &str)]) -> Result<(Routes, Vec<String>), String> {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `s`", Origin::PipelineFile, values);
        let read = Routes::read(&mut settings).map_err(|error| error.to_string())?;
        settings.finish().map_err(|error| error.to_string())?;
        Ok(read)
    }

    #[test]
    fn a_topic_is_another_one_and_other_transforms_are_left() {
        let (routes, others) = read(&ROUTE).unwrap();

        assert_eq!(&*routes.topic("srv.shop.orders"), "shop-orders");
        assert_eq!(&*routes.topic("other"), "other");
        assert_eq!(others, ["unwrap"]);
        assert_eq!(&*Routes::default().topic("srv.a.b"), "srv.a.b");
    }

    #[test]
    fn a_predicate_chooses_topics() {
        let predicate = [
            ("transforms.route.predicate", "p"),
            ("predicates", "p"),
            ("predicates.p.type", "TopicNameMatches"),
            ("predicates.p.pattern", ".*orders"),
        ];
        let (routes, _) = read(&[&ROUTE[..], &predicate].concat()).unwrap();

        assert_eq!(&*routes.topic("srv.shop.orders"), "shop-orders");
        assert_eq!(&*routes.topic("srv.shop.items"), "srv.shop.items");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |pair| read(&[&ROUTE[..], &[pair]].concat()).err().unwrap();

        assert!(
            error(("transforms.route.predicate", "q")).contains("`transforms.route.predicate`")
        );
        assert!(error(("transforms.route.x", "1")).contains("`transforms.route.x` is not a known"));
        assert!(error(("predicates", "p")).contains("looks at topics only"));
        let lookahead = [ROUTE[0], ROUTE[1], ("transforms.route.regex", "(?=a)"), ROUTE[3]];
        assert!(read(&lookahead).err().unwrap().contains("Invalid regex"));
    }

    #[test]
    fn only_what_looks_at_no_value_folds() {
        let folds = |avro, pairs: &[(&str, &str)]| {
            let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            fold(&Settings::new("connector `s`", Origin::PipelineFile, values), avro)
        };
        let unwrap = [("transforms", "u"), ("transforms.u.type", UNWRAP)];
        let with = |pair: (&'static str, &'static str)| [&unwrap[..], &[pair]].concat();

        assert!(folds(true, &[]) && folds(false, &[]));
        assert!(folds(true, &unwrap) && !folds(false, &unwrap));
        assert!(folds(true, &[&ROUTE[..], &[("transforms.unwrap.type", UNWRAP)]].concat()));
        assert!(folds(false, &[&[("transforms", "route")], &ROUTE[1..]].concat()));
        assert!(folds(true, &with(("transforms.u.add.fields", "op"))));
        assert!(!folds(true, &with(("transforms.u.route.by.field", "name"))));
        assert!(!folds(true, &with(("transforms.u.predicate", "p"))));
        assert!(!folds(true, &[("transforms", "f"), ("transforms.f.type", "Filter")]));
        assert!(!folds(true, &[("transforms", "f")]));
        let twice = [("transforms", "u,v"), unwrap[1], ("transforms.v.type", UNWRAP)];
        assert!(!folds(true, &twice));
        let by_header = [("predicates", "p"), ("predicates.p.type", "HasHeaderKey")];
        assert!(!folds(true, &[&ROUTE[..], &by_header].concat()));
    }
}
