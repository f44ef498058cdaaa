//! What CEL's definition says, on a change event of Debezium.

use std::sync::Arc;

use proptest::prelude::*;
use schema::value::{Field, Kind, Schema, Value};

use super::*;
use crate::record::{Header, Part};

/// An update of a row with an id, a text, a price of two decimals, a list and null.
fn record() -> Record {
    let text = || Schema::new(Kind::String);
    let price = Schema::new(Kind::Bytes).parameter("scale", "2".to_owned());
    let name = Some("org.apache.kafka.connect.data.Decimal".to_owned());
    let row = Schema::new(Kind::Struct(vec![
        Field::new("id", Schema::new(Kind::Int32)),
        Field::new("name", text().optional()),
        Field::new("price", Schema { name, ..price }),
        Field::new("tags", Schema::new(Kind::Array(Box::new(text())))),
        Field::new("odd name", Schema::new(Kind::Float64)),
    ]))
    .optional();
    let values = |id: i32| {
        let tags = ["a", "bb"].map(|tag| Value::String(tag.to_owned()));
        Value::Struct(vec![
            Value::Int32(id),
            Value::Null,
            Value::Bytes(vec![0x04, 0xd2]),
            Value::Array(tags.into()),
            Value::Float64(1.5),
        ])
    };
    let fields = vec![
        Field::new("before", row.clone()),
        Field::new("after", row),
        Field::new("op", text()),
        Field::new("ts_ms", Schema::new(Kind::Int64).optional()),
    ];
    let envelope = Schema::record("shop.db.t.Envelope".to_owned(), Some(2), fields);
    let value = Value::Struct(vec![
        values(2),
        values(2),
        Value::String("u".to_owned()),
        Value::Int64(1_700_000_000_000),
    ]);
    let key = vec![(Value::String("id".to_owned()), Value::Int64(2))];
    let header = |name: &str, text: &str| Header {
        name: name.to_owned(),
        part: Part::free(Value::String(text.to_owned())),
    };
    Record {
        topic: "shop.db.t".into(),
        partition: Some(0),
        offset: Some(7),
        timestamp: None,
        key: Part::free(Value::Map(key)),
        value: Part::new(Arc::new(envelope), value),
        headers: vec![header("h", "1"), header("h", "2")],
    }
}

fn said(text: &str) -> Result<String, String> {
    let (record, program) = (record(), Program::compile(text)?);
    let value = program.run(&record)?;
    Ok(match (value.kind(), &value) {
        (_, Val::Null) => "null".to_owned(),
        (_, Val::Bool(flag)) => flag.to_string(),
        (_, Val::Int(number)) => number.to_string(),
        (_, Val::Uint(number)) => format!("{number}u"),
        (_, Val::Double(number)) => format!("{number:?}"),
        (_, Val::Text(text)) => format!("'{text}'"),
        (kind, _) => kind.to_owned(),
    })
}

#[test]
fn expressions_say_what_cel_says() {
    for (text, expected) in [
        // Debezium's documented examples.
        ("value.op == 'u' && value.before.id == 2", "true"),
        ("value.op == 'u' ? 'updates' : null", "'updates'"),
        ("value.op == 'd' ? 'updates' : null", "null"),
        // Records.
        ("topic", "'shop.db.t'"),
        ("key.id == 2 && key['id'] == 2", "true"),
        ("value.before == value.after", "true"),
        ("value.after.name == null", "true"),
        ("has(value.after.name)", "false"),
        ("has(value.after)", "true"),
        ("has(value.nothing)", "false"),
        ("has(value.after) && value.after.id > 1", "true"),
        ("value.after.price", "12.34"),
        ("value.after['odd name'] + 0.5", "2.0"),
        ("value.after.`odd name`", "1.5"),
        ("valueSchema.name.endsWith('.Envelope')", "true"),
        ("valueSchema.version", "2"),
        ("keySchema", "null"),
        ("header.h.value", "'2'"),
        ("headers.h.value == '2' && has(headers.h) && !has(headers.g)", "true"),
        ("'h' in headers && !('g' in headers) && 'id' in key", "true"),
        ("value.after.tags[1]", "'bb'"),
        ("value.after.tags.all(tag, size(tag) > 0)", "true"),
        ("value.after.tags.exists(tag, tag == 'bb' && value.op == 'u')", "true"),
        ("value.after.tags.exists_one(tag, size(tag) == 3)", "false"),
        ("[[1, 2], [3]].all(list, list.exists(n, n in list))", "true"),
        // Numbers.
        ("1 == 1.0 && 1u == 1 && 1.5 > 1 && 2u > 1", "true"),
        ("9007199254740993 > 9007199254740992.0", "true"),
        ("7 / 2 * 10 + -7 / 2 - -7 % 2", "28"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("0x1F + 1", "32"),
        ("1e3 / 4.0", "250.0"),
        ("-(2 + 3) * 2", "-10"),
        ("int('12') + int(1.9) + int(3u)", "16"),
        ("double('1.5') + double(2)", "3.5"),
        ("string(7) + string(1.5) + string(true)", "'71.5true'"),
        // Texts.
        (r#""a\tb\u0041" + r'\n' + '\''"#, "'a\tbA\\n''"),
        ("'abc'.startsWith('a') && 'abc'.contains('b') && 'abc'.endsWith('c')", "true"),
        ("'order-7'.matches('^order-[0-9]+$') && size('äb') == 2", "true"),
        ("'a' < 'b' && 'x' in ['x', 'y'] && 1 != '1'", "true"),
        // What is wrong is no matter where the rest says it all.
        ("false && value.nothing == 1", "false"),
        ("value.nothing == 1 && false", "false"),
        ("1 / 0 == 1 || true", "true"),
        ("true ? 1 : 1 / 0 // what is not chosen is not asked", "1"),
        ("true || false && false", "true"),
        ("!true || !!true", "true"),
        ("false ? 1 : true ? 2 : 3", "2"),
    ] {
        assert_eq!(said(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_wrong_is_told_with_what_to_write() {
    for (text, expected) in [
        ("value.get('op') == 'u'", "write `a.b` for `a.get('b')`"),
        ("value.after?.id == 2", "has(a.b)"),
        ("value.op === 'u'", "write `==`"),
        ("value.op ==~ /u/", "matches"),
        ("value.op.equals('u')", "write `a == b`"),
        ("record.op == 'u'", "expected one of key, value, keySchema"),
        ("value.op = 'u'", "`=` is not CEL"),
        ("value.op == 'u", "no ' at its end"),
        ("(value.op == 'u'", "`)` is expected where the expression has its end"),
        ("value.op == 'u')", "`)` is not expected there"),
        ("", "ends too early"),
        ("{'a': 1}", "maps are not supported"),
        ("'a'.matches(topic)", "takes a text in quotes"),
        ("'a'.matches('(')", "no pattern"),
        ("has(topic)", "takes one field"),
        ("now()", "there is no function `now`"),
        ("size(1, 2)", "does not take these values"),
        ("9223372036854775808", "too large"),
        (r"'\q'", "no escape"),
        (r"'\ud800'", "hexadecimal digits"),
        ("[1].all(x > 0)", "`,` is expected"),
        ("1 == 1 ? 2", "`:` is expected"),
    ] {
        let error = said(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn what_a_record_makes_impossible_is_told_without_its_values() {
    for (text, expected) in [
        ("value.nothing", "there is no field `nothing`"),
        ("value.after.name.first", "null has no field `first`: ask `has` before"),
        ("value.after.id + value.op", "a whole number and a text make no sum"),
        ("value.after.id + 1.5", "`double(...)`"),
        ("value.op < 1", "a text and a whole number have no order"),
        ("value.op && true", "a condition is true or false and not a text"),
        ("value.ts_ms * value.ts_ms", "beyond 64 bits"),
        ("value.after.id % 0", "divided by zero"),
        ("value.after.tags[2]", "not that long"),
        ("value.after.tags[-1]", "not that long"),
        ("int(value.op)", "a text makes no whole number"),
        ("int(1e19)", "makes no whole number"),
        ("header.h == '2'", "name a field of it"),
        ("header.h.value.x", "a text has no field"),
    ] {
        let error = said(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains("1700000000000") && !error.contains("'u'"), "{error}");
    }
}

#[test]
fn expressions_are_bounded() {
    let deep = |count: usize| format!("{}1{}", "(".repeat(count), ")".repeat(count));
    assert!(said(&deep(40)).is_ok());
    for text in [
        deep(100_000 / 20),
        "!".repeat(5_000) + "true",
        "-".repeat(5_000) + "1",
        "1".to_owned() + &"+1".repeat(400),
        "value".to_owned() + &".a".repeat(400),
        "1 ?".repeat(200) + "1",
        "[".repeat(3_000),
    ] {
        let error = said(&text).unwrap_err();
        assert!(error.contains("at most") || error.contains("expected"), "{error}");
    }
    assert!(said(&"1 + ".repeat(3_000)).unwrap_err().contains("at most 10000 characters"));
    let many = format!("[{}]", ["1"; 300].join(","));
    assert!(said(&format!("{many} == 1")).is_ok());
    assert!(said(&format!("{many} == {many}")).unwrap_err().contains("at most 500 parts"));

    let list = format!("[{}]", ["1"; 40].join(","));
    let mut walk = "true".to_owned();
    for depth in 0..6 {
        walk = format!("{list}.all(x{depth}, {walk})");
    }
    assert!(said(&walk).unwrap_err().contains("too many steps"));
}

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("value.after.id"),
        Just("value.op"),
        Just("value.after"),
        Just("value.nothing"),
        Just("key"),
        Just("topic"),
        Just("null"),
        Just("true"),
        Just("9223372036854775807"),
        Just("-1"),
        Just("0"),
        Just("1.5"),
        Just("3u"),
        Just("'a'"),
        Just("[1, 'b']"),
        Just("header.h.value"),
        Just("header.h"),
        Just("valueSchema"),
    ];
    leaf.prop_map(str::to_owned).prop_recursive(5, 40, 3, |inner| {
        const OPERATORS: [&str; 14] =
            ["&&", "||", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "in"];
        const FUNCTIONS: [&str; 4] = ["size", "int", "double", "string"];
        prop_oneof![
            (inner.clone(), prop::sample::select(&OPERATORS[..]), inner.clone())
                .prop_map(|(a, operator, b)| format!("({a} {operator} {b})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (prop::sample::select(&FUNCTIONS[..]), inner.clone())
                .prop_map(|(function, a)| format!("{function}({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}).exists(x, {b} == x)")),
            inner.clone().prop_map(|a| format!("!({a})")),
            inner.prop_map(|a| format!("-({a})")),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,60}") {
        drop(said(&text));
    }

    #[test]
    fn no_tokens_panic(text in "([a-z'\"`.()\\[\\]?:&|!=<>+*/%0-9eExu -]|value|has|in|\\\\){0,40}") {
        drop(said(&text));
    }

    /// Whatever an expression does with a record, it ends, and says the same again.
    #[test]
    fn every_expression_has_an_answer(text in expression()) {
        prop_assert_eq!(said(&text), said(&text));
    }
}
