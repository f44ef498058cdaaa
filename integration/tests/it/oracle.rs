//! Tests of the comparison itself, on the real servers: it finds what differs, and only that.

use std::time::Duration;

use integration::oracle::{Comparison, compare_table, wait_until_equal};
use integration::stack::{Stack, shared};
use mysql_async::Pool;
use mysql_async::prelude::Queryable;

/// Makes a table `name.t` with one row of all types, and the document that it should be.
async fn all_types(stack: &Stack, name: &str) -> (Pool, String) {
    let mysql = Pool::from_url(stack.mysql.url()).unwrap();
    let mut connection = mysql.get_conn().await.unwrap();
    for statement in [
        format!("CREATE DATABASE {name}"),
        format!(
            "CREATE TABLE {name}.t (a INT, b VARCHAR(20), i8 TINYINT, big BIGINT UNSIGNED, \
             price DECIMAL(20,10), f FLOAT, d DOUBLE, day DATE, at3 DATETIME(3), at6 DATETIME(6), \
             stamp TIMESTAMP(2) NULL, span TIME(1), y YEAR, flag BIT(1), bits BIT(12), \
             kind ENUM('x','가'), chosen SET('p','q','r'), doc JSON, scalar JSON, raw BLOB, \
             nothing INT, PRIMARY KEY (b, a))"
        ),
        "SET time_zone = '+09:00'".to_owned(),
        format!(
            "INSERT INTO {name}.t VALUES (7, 'k:1', -1, 18446744073709551615, -0.0000000001, 0.1, \
             1e300, '2024-02-29', '2024-02-29 01:02:03.004', '2024-02-29 01:02:03.000004', \
             '2024-03-01 09:00:00.25', '-838:59:58.5', 2155, b'1', 0xabc, '가', 'p,r', \
             '{{\"n\": 12345678901234567890, \"u\": \"\\\\uac00\"}}', '[1]', 0x00ff, NULL)"
        ),
    ] {
        connection.query_drop(statement).await.unwrap();
    }
    let document = r#"{"a":7,"b":"k:1","i8":-1,"big":18446744073709551615,
        "price":-0.0000000001,"f":0.1,"d":1e300,"day":"2024-02-29","at3":"2024-02-29T01:02:03.004",
        "at6":"2024-02-29T01:02:03.000004","stamp":"2024-03-01T00:00:00.25Z",
        "span":"-838:59:58.500000","y":2155,"flag":true,"bits":"vAo=","kind":"가",
        "chosen":["p","r"],"doc":{"u":"가","n":12345678901234567890},"scalar":{"value":[1]},
        "raw":"AP8="}"#;
    (mysql, document.to_owned())
}

/// Makes an index that keeps documents without looking at their values.
async fn put(stack: &Stack, index: &str, id: &str, document: &str) {
    let client = reqwest::Client::new();
    let url = stack.elasticsearch.url();
    let mapping = serde_json::json!({ "mappings": { "dynamic": false } });
    let made = client.put(format!("{url}/{index}")).json(&mapping).send().await.unwrap();
    assert!(made.status().is_success() || made.status() == 400, "{}", made.status());
    let put = client
        .put(format!("{url}/{index}/_doc/{id}"))
        .header("content-type", "application/json")
        .body(document.to_owned());
    let answer = put.send().await.unwrap();
    let status = answer.status();
    assert!(status.is_success(), "{status}: {}", answer.text().await.unwrap());
}

async fn compare(stack: &Stack, mysql: &Pool, name: &str) -> Comparison {
    let url = stack.elasticsearch.url();
    compare_table(mysql, &url, &format!("{name}.t"), name).await.unwrap()
}

#[tokio::test]
async fn a_row_of_all_types_equals_its_document() {
    let stack = shared().await.unwrap();
    let (mysql, document) = all_types(stack, "oracle_equal").await;
    put(stack, "oracle_equal", "k%253A1:7", &document).await;

    let comparison = compare(stack, &mysql, "oracle_equal").await;

    assert_eq!(comparison.differences, Vec::<String>::new());
    assert_eq!((comparison.rows, comparison.documents, comparison.equal_values), (1, 1, 21));
}

#[tokio::test]
async fn each_wrong_value_is_one_difference() {
    let stack = shared().await.unwrap();
    let (mysql, document) = all_types(stack, "oracle_wrong").await;
    let wrong = document
        .replace("18446744073709551615", "18446744073709551616")
        .replace("-0.0000000001", "-1e-10")
        .replace(".25Z", ".250Z")
        .replace("\"kind\":\"가\"", "\"kind\":null")
        .replace("\"value\":[1]", "\"value\":[1,1]")
        .replace("AP8=\"", "AP8=\",\"more\":1");
    put(stack, "oracle_wrong", "k%253A1:7", &wrong).await;

    let comparison = compare(stack, &mysql, "oracle_wrong").await;

    let named: Vec<&str> =
        comparison.differences.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(named, ["big", "price", "stamp", "kind", "scalar", "more"]);
    assert_eq!(comparison.equal_values, 16);
}

#[tokio::test]
async fn rows_and_documents_without_each_other_are_differences() {
    let stack = shared().await.unwrap();
    let (mysql, document) = all_types(stack, "oracle_alone").await;
    put(stack, "oracle_alone", "k:1:7", &document).await;

    let comparison = compare(stack, &mysql, "oracle_alone").await;

    let expected = ["k%3A1:7: the row has no document", "k:1:7: the document has no row"];
    assert_eq!(comparison.differences, expected);
    assert!(!comparison.is_equal());
}

#[tokio::test]
async fn an_index_that_does_not_exist_has_no_documents() {
    let stack = shared().await.unwrap();
    let (mysql, _) = all_types(stack, "oracle_none").await;

    let url = stack.elasticsearch.url();
    let deadline = Duration::from_millis(300);
    let error = wait_until_equal(&mysql, &url, "oracle_none.t", "oracle_none", deadline).await;

    let message = error.unwrap_err().to_string();
    assert!(message.contains("1 rows, 0 documents"), "{message}");
}

#[tokio::test]
async fn more_documents_than_one_page_are_all_compared() {
    let stack = shared().await.unwrap();
    let mysql = Pool::from_url(stack.mysql.url()).unwrap();
    let mut connection = mysql.get_conn().await.unwrap();
    connection.query_drop("CREATE DATABASE oracle_many").await.unwrap();
    connection.query_drop("CREATE TABLE oracle_many.t (id INT PRIMARY KEY)").await.unwrap();
    let rows: Vec<String> = (0..5_001).map(|id| format!("({id})")).collect();
    let insert = format!("INSERT INTO oracle_many.t VALUES {}", rows.join(","));
    connection.query_drop(insert).await.unwrap();
    let lines: Vec<String> = (0..5_001)
        .map(|id| format!("{{\"index\":{{\"_id\":\"{id}\"}}}}\n{{\"id\":{id}}}\n"))
        .collect();
    let bulk = reqwest::Client::new()
        .post(format!("{}/oracle_many/_bulk", stack.elasticsearch.url()))
        .header("content-type", "application/x-ndjson")
        .body(lines.concat());
    assert!(bulk.send().await.unwrap().status().is_success());

    let comparison = compare(stack, &mysql, "oracle_many").await;

    assert_eq!(comparison.differences, Vec::<String>::new());
    assert_eq!((comparison.rows, comparison.documents), (5_001, 5_001));
}
