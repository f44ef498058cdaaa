//! Debezium's documented examples of filters and of routing by content.

use super::*;

/// What becomes of a record with this value, topic `t` and a header.
fn done(class: &str, options: &[(&str, &str)], value: Json) -> Result<Option<Record>, String> {
    let mut settings = std::collections::BTreeMap::new();
    let class = format!("io.debezium.transforms.{class}");
    for (key, value) in [("type", &*class)].iter().chain(options) {
        settings.insert(format!("transforms.s.{key}"), (*value).to_owned());
    }
    settings.insert("transforms".to_owned(), "s".to_owned());
    let (mut chain, asked) = Chain::read(&settings).map_err(|error| error.to_string())?;
    assert!(settings.keys().all(|key| asked.contains(key)), "{settings:?}");
    let record = Record {
        topic: "t".into(),
        partition: Some(0),
        offset: Some(0),
        timestamp: None,
        key: Part::NULL,
        value: part_of(None, &value).unwrap(),
        headers: vec![Header {
            name: "h".to_owned(),
            part: Part::free(schema::value::Value::Null),
        }],
    };
    let done = chain.apply(record);
    done.map_err(|error| format!("{}: {error}", error.exception.class()))
}

fn update(id: i64) -> Json {
    json!({ "op": "u", "before": { "id": id }, "after": { "id": id } })
}

const CEL: (&str, &str) = ("language", "cel");

#[test]
fn a_filter_keeps_what_its_condition_is_true_of() {
    let condition = ("condition", "value.op == 'u' && value.before.id == 2");
    let keeps = |options: &[(&str, &str)], value: Json| {
        let done = done("Filter", &[&[CEL, condition], options].concat(), value).unwrap();
        done.is_some()
    };

    assert!(keeps(&[], update(2)));
    assert!(!keeps(&[], update(3)));
    assert!(!keeps(&[], json!({ "op": "c", "before": null, "after": { "id": 2 } })));
    // Tombstones.
    assert!(keeps(&[], Json::Null));
    assert!(keeps(&[("null.handling.mode", "keep")], Json::Null));
    assert!(!keeps(&[("null.handling.mode", "drop")], Json::Null));
    // Other topics.
    assert!(keeps(&[("topic.regex", "orders.*")], update(3)));
    assert!(!keeps(&[("topic.regex", "[st]")], update(3)));
    let nulls = [CEL, ("condition", "value == null"), ("null.handling.mode", "evaluate")];
    assert!(done("Filter", &nulls, Json::Null).unwrap().is_some());
    assert!(done("Filter", &nulls, update(2)).unwrap().is_none());
}

#[test]
fn a_router_sends_records_to_the_topic_that_its_expression_says() {
    let expression = ("topic.expression", "value.op == 'u' ? 'updates' : null");
    let topic =
        |value: Json| done("ContentBasedRouter", &[CEL, expression], value).unwrap().unwrap().topic;

    assert_eq!(&*topic(update(2)), "updates");
    assert_eq!(&*topic(json!({ "op": "c" })), "t");
    assert_eq!(&*topic(Json::Null), "t");
    let by_id = [CEL, ("topic.expression", "topic + '-' + string(value.after.id)")];
    let routed = done("ContentBasedRouter", &by_id, update(7)).unwrap().unwrap();
    assert_eq!(&*routed.topic, "t-7");
}

#[test]
fn other_languages_are_refused_with_the_form_of_cel() {
    for language in ["jsr223.groovy", "graal.js", "jsr223.graal.js"] {
        let options = [("language", language), ("condition", "value.op == 'u'")];
        let error = done("Filter", &options, Json::Null).unwrap_err();
        assert!(error.starts_with("`transforms.s.language`"), "{error}");
        assert!(error.contains("value.op == 'u' && value.before.id == 2"), "{error}");
    }
    let missing = done("Filter", &[("condition", "true")], Json::Null).unwrap_err();
    assert!(missing.contains("Missing required configuration \"language\""), "{missing}");
    let missing = done("ContentBasedRouter", &[CEL], Json::Null).unwrap_err();
    assert!(missing.contains("\"topic.expression\""), "{missing}");
    let wrong = [CEL, ("condition", "value.get('op') == 'u'")];
    let wrong = done("Filter", &wrong, Json::Null).unwrap_err();
    assert!(wrong.contains("`transforms.s.condition`") && wrong.contains("write `a.b`"), "{wrong}");
}

#[test]
fn what_an_expression_cannot_say_of_a_record_is_an_error_of_debezium() {
    for (class, key, expression, expected) in [
        ("Filter", "condition", "value.op", "gives a text, expected true or false"),
        ("Filter", "condition", "value.after.nothing == 1", "there is no field `nothing`"),
        ("ContentBasedRouter", "topic.expression", "1", "expected the name of a topic"),
        ("ContentBasedRouter", "topic.expression", "''", "expected the name of a topic"),
    ] {
        let error = done(class, &[CEL, (key, expression)], update(2)).unwrap_err();
        assert!(error.starts_with("io.debezium.DebeziumException"), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

/// By the last part of its name `Filter` is Kafka Connect's.
#[test]
fn a_filter_without_a_package_is_connects() {
    let settings =
        [("transforms", "f"), ("transforms.f.type", "Filter"), ("transforms.f.condition", "true")];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let (_, asked) = Chain::read(&settings).unwrap();
    assert!(!asked.contains("transforms.f.condition"));
}
