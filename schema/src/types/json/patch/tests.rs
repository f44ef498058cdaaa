use super::super::{kind, write_text};
use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A tree of a value; its scalars live until the test ends.
fn tree(value: &Value) -> Node<'static> {
    let scalar = |kind, bytes: &[u8]| Node::Scalar { kind, bytes: bytes.to_vec().leak() };
    match value {
        Value::Null => scalar(kind::LITERAL, &[0]),
        Value::Bool(flag) => scalar(kind::LITERAL, &[if *flag { 1 } else { 2 }]),
        Value::Number(number) => integer(number.as_i64().unwrap()),
        Value::String(text) => {
            let (mut bytes, mut length) = (Vec::new(), text.len());
            while length > 0x7f {
                bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
                length >>= 7;
            }
            bytes.push(u8::try_from(length).unwrap());
            bytes.extend(text.bytes());
            scalar(kind::STRING, &bytes)
        }
        Value::Array(values) => Node::Array(values.iter().map(tree).collect()),
        Value::Object(members) => {
            let member =
                |(name, value): (&String, _)| (Key::Owned(name.clone().into_bytes()), tree(value));
            let mut members: Vec<_> = members.iter().map(member).collect();
            members.sort_by(|(left, _), (right, _)| key_order(left, right));
            Node::Object(members)
        }
    }
}

/// The smallest kind that holds the number, as MySQL stores it.
fn integer(number: i64) -> Node<'static> {
    let (kind, bytes) = if let Ok(small) = i16::try_from(number) {
        (kind::INT16, small.to_le_bytes().to_vec())
    } else if let Ok(middle) = i32::try_from(number) {
        (kind::INT32, middle.to_le_bytes().to_vec())
    } else {
        (kind::INT64, number.to_le_bytes().to_vec())
    };
    Node::Scalar { kind, bytes: bytes.leak() }
}

fn binary(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode::write(&tree(value), &mut out).unwrap();
    out
}

/// The text of a value with its keys in MySQL's order.
fn print(value: &Value) -> String {
    match value {
        Value::Array(values) => {
            format!("[{}]", values.iter().map(print).collect::<Vec<_>>().join(","))
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(left, _), (right, _)| key_order(left.as_bytes(), right.as_bytes()));
            let member =
                |(name, value): (&String, &Value)| format!("{}:{}", json!(name), print(value));
            format!("{{{}}}", members.into_iter().map(member).collect::<Vec<_>>().join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

fn text(binary: &[u8]) -> String {
    let mut out = Vec::new();
    write_text(binary, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn with_length(bytes: &[u8]) -> Vec<u8> {
    let length = u64::try_from(bytes.len()).unwrap().to_le_bytes();
    [&[0xfe][..], &length, bytes].concat()
}

/// A difference as the log holds it.
fn diff(operation: u8, path: &str, value: Option<&Value>) -> Vec<u8> {
    let value = value.map(|value| with_length(&binary(value))).unwrap_or_default();
    [&[operation][..], &with_length(path.as_bytes()), &value].concat()
}

fn patched(document: &Value, diffs: &[Vec<u8>]) -> Result<String, ValueError> {
    let mut out = Vec::new();
    write_patched(&binary(document), &diffs.concat(), &mut out)?;
    Ok(text(&out))
}

const REPLACE: u8 = 0;
const INSERT: u8 = 1;
const REMOVE: u8 = 2;

#[test]
fn each_operation_on_members_and_cells() {
    let document = json!({"a": [1, 2, 3], "bb": {"c d": "x"}, "e": null});
    let seven = json!(7);

    let diffs = [
        diff(REPLACE, "$.a[last]", Some(&json!([true]))),
        diff(INSERT, "$.a[0]", Some(&seven)),
        diff(INSERT, "$.a[99]", Some(&seven)),
        diff(REMOVE, "$.a[last-2]", None),
        diff(REPLACE, r#"$.bb."c d""#, Some(&json!({"z": 1, "größe": 2}))),
        diff(INSERT, "$.ä", Some(&json!("neu"))),
        diff(REMOVE, "$.e", None),
    ];

    let expected = r#"{"a":[7,1,[true],7],"bb":{"c d":{"z":1,"größe":2}},"ä":"neu"}"#;
    assert_eq!(patched(&document, &diffs).unwrap(), expected);
    assert_eq!(patched(&document, &[]).unwrap(), print(&document));
}

#[test]
fn what_does_not_fit_the_document_is_refused() {
    let document = json!({"a": [1, 2, 3], "b": 4});
    let seven = json!(7);
    for diff in [
        diff(REPLACE, "$", Some(&seven)),
        diff(REPLACE, "$.c", Some(&seven)),
        diff(REPLACE, "$.a[3]", Some(&seven)),
        diff(REPLACE, "$.b[0]", Some(&seven)),
        diff(REPLACE, "$.a.b", Some(&seven)),
        diff(INSERT, "$.b", Some(&seven)),
        diff(INSERT, "$.b[0]", Some(&seven)),
        diff(INSERT, "$.a[*]", Some(&seven)),
        diff(REMOVE, "$.a[last-3]", None),
        diff(REMOVE, "$.c", None),
        diff(3, "$.b", Some(&seven)),
        [diff(REMOVE, "$.b", None), vec![REMOVE]].concat(),
        [&[REPLACE][..], &with_length(b"$.b"), &[0]].concat(),
        [&[REPLACE][..], &with_length(b"$.b"), &[2, kind::INT16, 1]].concat(),
        [&[REMOVE][..], &with_length(b"$.\xff")].concat(),
    ] {
        assert_eq!(patched(&document, std::slice::from_ref(&diff)), Err(ValueError::JsonDiff));
    }
}

#[test]
fn no_difference_makes_a_document_too_deep() {
    let deep = (0..60).fold(json!(1), |inner, _| json!([inner]));
    let path = format!("${}", "[0]".repeat(60));
    let document = binary(&deep);

    let once = diff(REPLACE, &path, Some(&json!([1])));
    let twice = diff(REPLACE, &path, Some(&deep));

    let mut out = Vec::new();
    assert_eq!(write_patched(&document, &once, &mut out), Ok(()));
    assert_eq!(write_patched(&document, &twice, &mut out), Err(ValueError::JsonDiff));
}

#[test]
fn a_container_grows_into_the_large_form_and_shrinks_back() {
    let long = json!({"text": "ä".repeat(20_000), "n": [1, 70_000, -5_000_000_000_i64]});
    let document = json!({"a": long, "b": [long, long], "c": 70_000});

    let grown = patched(&document, &[diff(INSERT, "$.b[2]", Some(&long))]).unwrap();
    let shrunk =
        patched(&document, &[diff(REMOVE, "$.a", None), diff(REMOVE, "$.b", None)]).unwrap();

    assert_eq!(grown, print(&json!({"a": long, "b": [long, long, long], "c": 70_000})));
    assert_eq!(shrunk, r#"{"c":70000}"#);
}

#[test]
fn values_that_share_their_bytes_are_refused() {
    let mut out = Vec::new();

    assert_eq!(write_patched(&shared_string(1), &[], &mut out), Ok(()));
    assert_eq!(write_patched(&shared_string(2000), &[], &mut out), Err(ValueError::Json));
}

/// An array of entries that are all about one string, one thousand bytes long.
fn shared_string(count: u16) -> Vec<u8> {
    let start = 4 + 3 * count;
    let entry = [&[kind::STRING][..], &start.to_le_bytes()].concat();
    let string = [&[0xe8, 0x07][..], &[b'x'; 1000]].concat();
    let size = start + u16::try_from(string.len()).unwrap();
    let entries = entry.repeat(count.into());
    [&[0x02][..], &count.to_le_bytes(), &size.to_le_bytes(), &entries, &string].concat()
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i16>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-c\"\\\\ .ä]{0,3}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The path of some value of a document other than the root.
fn paths(value: &Value, path: &str, out: &mut Vec<String>) {
    let mut found = |path: String, value: &Value| {
        out.push(path.clone());
        paths(value, &path, out);
    };
    match value {
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                found(format!("{path}[{index}]"), value);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                found(format!("{path}.{}", json!(name)), value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The value at a path, by another way than the one that is tested.
fn at<'v>(document: &'v mut Value, path: &str) -> &'v mut Value {
    path::parse(path).unwrap().into_iter().fold(document, |value, leg| match leg {
        Leg::Member(name) => &mut value[name.as_str()],
        Leg::Cell(cell) => &mut value[cell.index],
    })
}

proptest! {
    #[test]
    fn what_is_encoded_prints_and_parses_as_it_was(value in document()) {
        let binary = binary(&value);

        prop_assert_eq!(text(&binary), print(&value));
        prop_assert_eq!(Node::parse(&binary, 0).unwrap(), tree(&value));
    }

    #[test]
    fn a_replaced_value_changes_nothing_else(
        mut value in document(),
        new in document(),
        pick in any::<prop::sample::Index>(),
    ) {
        let mut all = Vec::new();
        paths(&value, "$", &mut all);
        prop_assume!(!all.is_empty());
        let path = pick.get(&all);
        let before = value.clone();

        *at(&mut value, path) = new.clone();

        let diffs = [diff(REPLACE, path, Some(&new))];
        prop_assert_eq!(patched(&before, &diffs).unwrap(), print(&value));
    }

    #[test]
    fn what_is_removed_and_inserted_again_is_as_it_was(
        value in document(),
        pick in any::<prop::sample::Index>(),
    ) {
        let mut all = Vec::new();
        paths(&value, "$", &mut all);
        prop_assume!(!all.is_empty());
        let path = pick.get(&all);
        let taken = at(&mut value.clone(), path).clone();

        let diffs = [diff(REMOVE, path, None), diff(INSERT, path, Some(&taken))];

        prop_assert_eq!(patched(&value, &diffs).unwrap(), print(&value));
    }

    #[test]
    fn damaged_differences_and_documents_give_json_or_an_error(
        value in document(),
        new in document(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut all = vec!["$.a".to_owned()];
        paths(&value, "$", &mut all);
        let path = all.last().unwrap();
        let mut damaged = [binary(&value), diff(REPLACE, path, Some(&new))].concat();
        for (place, byte) in flips {
            let place = place.index(damaged.len());
            damaged[place] = byte;
        }
        let (document, diffs) = damaged.split_at(binary(&value).len());
        let diffs = &diffs[..cut.index(diffs.len() + 1)];

        let mut out = Vec::new();
        if write_patched(document, diffs, &mut out).is_ok() {
            prop_assert!(out.len() <= 16 + 4 * damaged.len());
            prop_assert!(Node::parse(&out, 0).is_ok());
        }
    }
}
