//! The HTTP endpoint of a running process, and `rowcast tables`.

use serde_json::{Value, json};

use super::{request, rowcast};
use crate::scene::{Scene, asked, endpoint as url, records, refusal, stop, told, until};

async fn get(url: &str) -> Value {
    serde_json::from_str(&told(url).await).unwrap()
}

async fn post(url: &str) -> (u16, Value) {
    asked("POST", url, &Value::Null).await
}

/// The only table of the only connector, once it streams.
async fn table(url: &str) -> (Value, Value) {
    let streams = || async {
        get(&format!("{url}/tables")).await["connectors"][0]["source"]["tables"][0]["state"]
            == "streaming"
    };
    let arrived = until(streams).await;
    let connector = get(&format!("{url}/tables")).await["connectors"][0].clone();
    assert!(arrived, "{connector:#}");
    (connector.clone(), connector["source"]["tables"][0].clone())
}

#[tokio::test]
async fn a_running_process_tells_where_it_and_its_tables_are() {
    let scene = Scene::new("cmd_endpoint").await;
    let running = scene.start().await;
    scene.wait_for_rows(&running, 3).await;
    let url = url(&running).await.for_others().to_owned();
    let (_, copied) = table(&url).await;
    assert_eq!((&copied["table"], &copied["snapshot"]), (&json!("cmd_endpoint.t"), &Value::Null));

    scene.insert(4..=5).await;
    scene.wait_for_rows(&running, 5).await;

    // What is told is what is committed.
    let committed = || {
        let offsets = scene.offsets();
        let (stream, t) = (&offsets[r#"{"server":"cmd_endpoint"}"#], offsets.len() - 1);
        (stream["lsn"].clone(), t)
    };
    let caught_up = until(|| async {
        let (connector, _) = table(&url).await;
        connector["source"]["lsn"] == committed().0 && connector["source"]["lag_ms"] == 0
    });
    let (connector, after) = (caught_up.await, table(&url).await);
    assert!(connector, "{after:?} {:?}", committed());
    let (connector, after) = after;
    assert_eq!(
        (&connector["connector"], &connector["state"]),
        (&json!("cmd_endpoint"), &json!("RUNNING"))
    );
    assert_eq!(after["lsn"], connector["source"]["lsn"]);
    assert!(after["lsn"].as_u64() > copied["lsn"].as_u64(), "{after} {copied}");
    assert_eq!(
        connector["source"]["server"],
        format!("{}:{}", scene.settings["database.hostname"], scene.settings["database.port"])
    );

    let status = get(&format!("{url}/connectors/cmd_endpoint/status")).await;
    assert_eq!(
        (&status["type"], &status["tasks"][0]["state"]),
        (&json!("source"), &json!("RUNNING"))
    );
    let metrics = told(&format!("{url}/metrics")).await;
    let expected = r#"rowcast_source_table_state{connector="cmd_endpoint",table="cmd_endpoint.t",state="streaming"} 1"#;
    assert!(metrics.contains(expected), "{metrics}");

    let shown = rowcast(&["tables", "--url", &url]).await;
    assert!(shown.is_success, "{shown:?}");
    let line = shown.out.lines().find(|line| line.starts_with("cmd_endpoint.t ")).unwrap();
    let cells: Vec<_> = line.split_whitespace().collect();
    assert_eq!(
        cells[1..4],
        ["streaming", after["position"].as_str().unwrap(), &after["lsn"].to_string()]
    );
    let json = rowcast(&["tables", "--url", &url, "--output", "json"]).await.json();
    assert_eq!(json["connectors"][0]["source"]["tables"][0], after);
    stop(&running).await;
}

#[tokio::test]
async fn the_process_of_a_pipeline_file_is_asked_and_no_other() {
    let mut scene = Scene::new("cmd_file").await;
    let running = scene.start().await;
    scene.wait_for_rows(&running, 3).await;
    let url = url(&running).await.for_others().to_owned();
    table(&url).await;
    scene.worker.insert("listeners".to_owned(), url.clone());
    let file = scene.write_pipeline();

    let own = rowcast(&["tables", &file]).await;
    let exported = rowcast(&["offsets", "export", &file]).await.json();
    let from = request(&scene, &exported);
    let set = rowcast(&["offsets", "set", &file, "--from", &from]).await;
    scene.name = "cmd_file_other".to_owned();
    let other = rowcast(&["tables", &scene.write_pipeline()]).await;

    assert!(own.is_success && own.error.is_empty(), "{own:?}");
    assert!(own.out.starts_with("cmd_file: RUNNING, at "), "{own:?}");
    set.refused(&format!("connector cmd_file runs in the process at {url}"), "stop it first");
    assert!(other.out.contains("cmd_file_other: never started"), "{other:?}");
    assert!(
        other.error.contains(&format!("the process at {url} has other connectors")),
        "{other:?}"
    );
    stop(&running).await;
}

#[tokio::test]
async fn commands_for_a_table_are_answered_by_its_task() {
    let scene = Scene::new("cmd_actions").await;
    let running = scene.start().await;
    scene.wait_for_rows(&running, 3).await;
    let url = url(&running).await.for_others().to_owned();
    table(&url).await;
    let of =
        |table: &str, action: &str| format!("{url}/connectors/cmd_actions/tables/{table}/{action}");

    for action in ["snapshot", "pause", "resume", "stop"] {
        let (status, answer) = post(&of("cmd_actions.absent", action)).await;
        let message = "Table cmd_actions.absent is not captured by cmd_actions";
        assert_eq!((status, answer), (404, json!({ "error_code": 404, "message": message })));
    }
    let (status, answer) = post(&of("cmd_actions.t", "dance")).await;
    assert_eq!(status, 404, "{answer}");
    let (status, answer) = post(&format!("{url}/connectors/nope/tables/a.b/stop")).await;
    assert_eq!((status, &answer["message"]), (404, &json!("Connector nope not found")));
    for (action, refusal) in [("pause", "not copied"), ("stop", "not copied"), ("resume", "paused")]
    {
        let (status, answer) = post(&of("cmd_actions.t", action)).await;
        assert_eq!((status, &answer["error_code"]), (409, &json!(409)), "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(refusal), "{action}: {answer}");
    }
    let filter = json!({ "filter": "no_such_column > 1" });
    assert_eq!(asked("POST", &of("cmd_actions.t", "snapshot"), &filter).await.0, 409);

    // All rows once more, and what comes behind them.
    let (status, answer) = post(&of("cmd_actions.t", "snapshot")).await;

    assert_eq!(status, 202, "{answer}");
    let rows = || async {
        let records = records(&scene.worker["bootstrap.servers"], &scene.topic());
        records.iter().filter(|(key, _)| !key.is_empty()).count() >= 6
    };
    assert!(until(rows).await, "{}", running.log().unwrap());
    table(&url).await;
    stop(&running).await;
}

#[tokio::test]
async fn commands_for_a_table_can_be_given_on_the_command_line() {
    let mut scene = Scene::new("cmd_table").await;
    let running = scene.start().await;
    scene.wait_for_rows(&running, 3).await;
    let url = url(&running).await.for_others().to_owned();
    table(&url).await;
    let order = async |arguments: &[&str]| {
        rowcast(&[&["table"], arguments, &["--url", &url]].concat()).await
    };

    let refused = order(&["pause", "cmd_table.t"]).await;
    refused.refused("the command was refused: ", "");
    let absent = order(&["snapshot", "cmd_table.absent"]).await;
    absent.refused("captures cmd_table.absent", "`rowcast tables` lists them");
    let needless = order(&["stop", "cmd_table.t", "--filter", "id > 1"]).await;
    needless.refused("`--filter` is for `snapshot` only", "leave it out");
    let wrong = order(&["snapshot", "cmd_table.t", "--filter", "no_such > 1"]).await;
    wrong.refused("the command was refused: ", "");
    let other = order(&["snapshot", "cmd_table.t", "--connector", "nope"]).await;
    other.refused("the command was refused: Connector nope not found", "");
    let some = order(&["snapshot", "cmd_table.t", "--filter", "id > 1"]).await;
    assert!(some.is_success && some.out.starts_with("cmd_table.t: "), "{some:?}");

    // Two rows once more.
    scene.wait_for_records(&running, 3, 5).await;
    table(&url).await;
    scene.worker.insert("listeners".to_owned(), url.clone());
    let file = scene.write_pipeline();
    let all = rowcast(&["table", "snapshot", "cmd_table.t", &file]).await;
    assert!(all.is_success, "{all:?}");
    // Another pipeline may have a table of this name: what answers has to be the file's.
    scene.name = "cmd_table_other".to_owned();
    let other = scene.write_pipeline();
    let of_other = rowcast(&["table", "snapshot", "cmd_table.t", &other]).await;
    of_other.refused("captures cmd_table.t", "`rowcast tables` lists them");
    stop(&running).await;
}

#[tokio::test]
async fn without_a_process_the_offsets_topic_answers_and_says_so() {
    let mut scene = Scene::new("cmd_tables").await;
    let file = scene.write_pipeline();
    let fresh = rowcast(&["tables", &file]).await;
    assert!(fresh.is_success && fresh.out.contains("cmd_tables: never started"), "{fresh:?}");
    let running = scene.start().await;
    scene.wait_for_rows(&running, 3).await;
    stop(&running).await;
    // Where nothing listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    scene.worker.insert("listeners".to_owned(), format!("http://127.0.0.1:{port}"));
    let file = scene.write_pipeline();

    let shown = rowcast(&["tables", &file]).await;

    assert!(shown.is_success, "{shown:?}");
    let offsets = scene.offsets();
    let stream = &offsets[r#"{"server":"cmd_tables"}"#];
    let position = format!("{}:{}", stream["file"].as_str().unwrap(), stream["pos"]);
    assert!(shown.out.contains(&format!("cmd_tables: unknown, at {position}")), "{shown:?}");
    assert!(shown.out.contains("cmd_tables.t  streaming"), "{shown:?}");
    let said = "no process was asked, this is what the offsets topic says";
    assert!(shown.error.contains(said), "{shown:?}");
    assert!(
        shown.error.contains(&format!("nothing answers at http://127.0.0.1:{port}")),
        "{shown:?}"
    );
}

#[tokio::test]
async fn tables_of_nobody_are_an_error_with_what_to_do() {
    let none = rowcast(&["tables", "--url", "http://127.0.0.1:1"]).await;
    none.refused("nothing answers at http://127.0.0.1:1", "start `rowcast run`");
    let other = integration::stack::shared().await.unwrap().registry.url();
    let registry = rowcast(&["tables", "--url", &other]).await;
    registry.refused("is no endpoint of rowcast", "as --url");
    let file = rowcast(&["tables", "no-such-file.yaml"]).await;
    file.refused("pipeline file no-such-file.yaml cannot be read", "correct the path");
    let url = rowcast(&["tables", "--url", "nonsense"]).await;
    url.refused("the endpoint at nonsense could not be asked", "as --url");
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_its_setting() {
    let mut scene = Scene::new("cmd_taken").await;
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    scene.worker.insert("listeners".to_owned(), format!("http://{address}"));

    let refused = refusal(&scene.start().await).await;

    assert!(refused.error.contains(&format!("`listeners` has {address}, which")), "{refused:?}");
    assert!(refused.hint.contains("`listeners`"), "{refused:?}");
    assert!(scene.offsets().is_empty());
}
