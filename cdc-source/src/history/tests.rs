use serde_json::{Value, json};

use super::*;

/// What the real Debezium wrote about the statements of `integration/tests/it/takeover`.
const RECORDED: &str = include_str!("recorded.jsonl");

fn records() -> Vec<Value> {
    RECORDED.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn history(offset: &Value, names: &[&str]) -> History {
    let offset = StreamOffset::from_json(offset.to_string().as_bytes()).unwrap();
    let tables = names.iter().map(|name| name.parse().unwrap());
    History::new(offset, tables, NameCase::Kept)
}

/// What some tables were at an offset.
fn found(records: &[Value], offset: &Value, names: &[&str]) -> Found {
    let mut history = history(offset, names);
    for record in records {
        history.take(record.to_string().as_bytes());
    }
    history.found
}

/// Behind all that was recorded.
fn end() -> Value {
    let gtids = records().last().unwrap()["position"]["gtids"].as_str().unwrap().to_owned();
    let (source, _) = gtids.split_once(':').unwrap();
    json!({ "ts_sec": 1, "file": "binlog.000009", "pos": 4, "gtids": format!("{source}:1-1000") })
}

fn columns(found: &Found, name: &str) -> Vec<String> {
    let structure = found[&name.parse::<TableId>().unwrap()].as_ref().unwrap();
    structure.schema.columns.iter().map(|column| column.name.clone()).collect()
}

fn reason(found: &Found, name: &str) -> String {
    found[&name.parse::<TableId>().unwrap()].as_ref().unwrap_err().clone()
}

/// The statement that a copied table is recorded by is the server's own.
#[test]
fn each_column_has_the_type_that_the_server_prints() {
    let found = found(&records(), &end(), &["history.copied"]);
    let structure = found[&TableId::new("history", "copied")].as_ref().unwrap();
    let is_it = |record: &&Value| {
        record["ddl"].as_str().is_some_and(|ddl| ddl.starts_with("CREATE TABLE `copied`"))
    };
    let record = records().iter().find(is_it).unwrap()["ddl"].as_str().unwrap().to_owned();

    for column in &structure.schema.columns {
        let type_text = &column.declaration.as_ref().unwrap().type_text;
        let begins = format!("  `{}` {type_text}", column.name);
        let line = record.lines().find(|line| line.starts_with(&begins));
        let line = line.unwrap_or_else(|| panic!("{begins} in {record}"));
        let rest = line.strip_prefix(&begins).unwrap();
        assert!(rest.is_empty() || rest.starts_with([' ', ',']), "{line}");
        let is_required = line.contains("NOT NULL");
        assert_eq!(column.nullable, !is_required, "{line}");
    }
    assert_eq!(structure.schema.columns.len(), 46);
    assert_eq!(structure.schema.key, [0]);
}

#[test]
fn types_are_known_by_all_their_names() {
    let found = found(&records(), &end(), &["history.written"]);
    let structure = found[&TableId::new("history", "written")].as_ref().unwrap();
    let of = |column: &schema::table::Column| column.declaration.clone().unwrap().type_text;

    let types: Vec<_> =
        structure.schema.columns.iter().map(|it| format!("{} {}", it.name, of(it))).collect();
    let octets: Vec<_> = structure.texts.iter().map(|text| text.octets).collect();

    assert_eq!(
        types,
        [
            "first_one int",
            "id int",
            "added varchar(12)",
            "yes tinyint(1)",
            "n decimal(8,3)",
            "dec_0 decimal(10,0)",
            "f double",
            "renamed double",
            "dpp double",
            "c char(1)",
            "nc char(3)",
            "nv varchar(5)",
            "cv varchar(7)",
            "bin binary(1)",
            "small_text tinytext",
            "middle_text text",
            "small_blob tinyblob",
            "long_one mediumtext",
            "s bigint unsigned",
            "l char(3)",
            "at datetime",
            "i int unsigned"
        ]
    );
    let text = [4, 9, 15, 28, 1, 0xff, 0xffff, 0xff, 0xff_ffff, 0, 3, 0, 0];
    assert_eq!((octets[2], &octets[9..]), (48, &text[..]));
    assert_eq!(structure.schema.key, [1, 2]);
}

#[test]
fn a_table_is_what_the_last_statement_before_the_offset_has_left() {
    let records = records();
    let at = |ddl: &str| {
        let is_it = |record: &&Value| record["ddl"].as_str().unwrap().starts_with(ddl);
        records.iter().find(is_it).unwrap()["position"].clone()
    };
    let written =
        |offset: &Value| columns(&found(&records, offset, &["history.written"]), "history.written");

    // In front of the statement, whose own place is behind it.
    let mut before = at("ALTER TABLE written ADD COLUMN");
    before["pos"] = json!(before["pos"].as_u64().unwrap() - 1);
    assert_eq!(written(&before)[..2], ["id", "flag"]);
    let behind = at("ALTER TABLE written DROP COLUMN");
    assert_eq!(written(&behind)[..3], ["first_one", "id", "added"]);
    assert!(!written(&behind).contains(&"flag".to_owned()), "it ends here");
    // The same where there are no GTIDs.
    before.as_object_mut().unwrap().remove("gtids");
    assert_eq!(written(&before)[..2], ["id", "flag"]);
    let copied = found(&records, &records[0]["position"], &["history.copied", "history.written"]);
    assert_eq!(columns(&copied, "history.copied").len(), 46, "a copy is what was there");
    assert!(reason(&copied, "history.written").contains("does not have the table"));
}

#[test]
fn a_table_goes_by_its_name() {
    let names = ["alike", "renamed", "renamed_again", "dropped", "two_keys", "seen", "odd `name.1"];
    let names = names.map(|name| format!("history.{name}"));
    let mut names: Vec<_> = names.iter().map(String::as_str).collect();
    names.push("history_2.t");
    let found = found(&records(), &end(), &names);

    assert_eq!(columns(&found, "history.renamed_again"), ["b", "a", "d"]);
    assert_eq!(columns(&found, "history.two_keys"), ["b", "a"], "truncated");
    assert_eq!(columns(&found, "history.odd `name.1"), ["a.b", "c\"d"]);
    for gone in ["history.alike", "history.dropped", "history_2.t", "history.renamed"] {
        assert!(reason(&found, gone).contains("dropped or has got another name"), "{gone}");
    }
    assert!(reason(&found, "history.seen").contains("does not have"), "it is a view");
}

/// The first record of a definition, changed.
fn changed(pointer: &str, value: Value) -> Value {
    let is_it = |record: &Value| record["tableChanges"][0]["id"] == "\"history\".\"two_keys\"";
    let is_created = |record: &Value| record["tableChanges"][0]["type"] == "CREATE";
    let mut record =
        records().into_iter().find(|record| is_it(record) && is_created(record)).unwrap();
    *record.pointer_mut(pointer).unwrap() = value;
    record
}

#[test]
fn what_is_not_understood_is_not_guessed() {
    let (table, column) = ("/tableChanges/0/table", "/tableChanges/0/table/columns/1");
    let typed = format!("{column}/typeName");
    for (pointer, value, expected) in [
        ("/tableChanges/0/type", json!("MERGE"), "not of its form"),
        ("/tableChanges", json!("all"), "not of its form"),
        ("/tableChanges", json!([]), "only the words of a statement"),
        ("/tableChanges/0/id", json!("history.two_keys"), "in another way"),
        ("/tableChanges/0/id", json!("\"a\".\"history\".\"two_keys\""), "in another way"),
        ("/position", json!({}), "not of its form"),
        ("/position", json!({ "file": "other.000001", "pos": 9 }), "another log"),
        ("/position/gtids", json!("nonsense"), "another log"),
        (table, Value::Null, "only its name"),
        (&format!("{table}/columns"), json!([]), "one after the other"),
        (&format!("{column}/position"), json!(3), "one after the other"),
        (&format!("{table}/primaryKeyColumnNames"), json!(["z"]), "which it has not"),
        (&typed, json!("UUID"), "column `a` is UUID there"),
        (&typed, json!("VARCHAR"), "column `a` is VARCHAR there"),
        (&typed, json!("ENUM"), "column `a` is ENUM there"),
        (&format!("{table}/columns/0/charsetName"), json!("klingon"), "column `b` is VARCHAR"),
    ] {
        let records = [changed(pointer, value.clone())];
        let found = found(&records, &end(), &["history.two_keys"]);

        let reason = reason(&found, "history.two_keys");
        assert!(reason.contains(expected), "{pointer} = {value}: {reason}");
    }
}

/// What comes later makes up for it, and nothing is known of a table that was not asked for.
#[test]
fn a_later_definition_holds_whatever_was_before() {
    let mut history = history(&end(), &["history.two_keys"]);
    history.take(b"{");
    history.take(changed("/databaseName", json!("history")).to_string().as_bytes());
    assert_eq!(columns(&history.found, "history.two_keys"), ["b", "a"]);
    assert_eq!(history.found.len(), 1);

    for statement in ["ALTER TABLE two_keys ADD x INT", "DROP TABLE `history`.two_keys, other"] {
        let (mut record, mut history) = (changed("/tableChanges", json!([])), history.clone());
        record["ddl"] = json!(statement);
        history.take(record.to_string().as_bytes());
        assert!(
            reason(&history.found, "history.two_keys").contains("only the words"),
            "{statement}"
        );
    }
    for statement in ["CREATE INDEX i ON two_keys (a)", "TRUNCATE two_keys", "SET a = 'two_keys'"] {
        let (mut record, mut history) = (changed("/tableChanges", json!([])), history.clone());
        record["ddl"] = json!(statement);
        history.take(record.to_string().as_bytes());
        assert_eq!(columns(&history.found, "history.two_keys"), ["b", "a"], "{statement}");
    }
}

#[test]
fn character_sets_are_the_servers() {
    for (name, collation, _) in column::CHARSETS {
        let known = schema::types::charset::Charset::of_collation(collation);
        assert_eq!(known.map_or("binary", schema::types::charset::Charset::name), name);
    }
}
