//! What goes wrong between requests, and what passes by itself.

use super::*;

#[tokio::test]
async fn of_two_that_make_one_connector_at_once_the_winner_has_what_it_wants() {
    let running = Running::start().await;
    for number in 0..20 {
        let name = format!("race-{number}");
        let (plain, mut stopped) = (waiting(&name, json!({})), waiting(&name, json!({})));
        stopped["initial_state"] = json!("STOPPED");

        let (first, second) = tokio::join!(
            running.ask("POST", "/connectors", plain),
            running.ask("POST", "/connectors", stopped)
        );

        let expected = match (first.0, second.0) {
            (201, 409) => "RUNNING",
            (409, 201) => "STOPPED",
            codes => panic!("{codes:?}: {} {}", first.1, second.1),
        };
        let status = running.get(&format!("/connectors/{name}/status")).await;
        assert_eq!(status["connector"]["state"], expected, "{name}");
    }
    running.end().await;
}

#[tokio::test]
async fn settings_that_make_nothing_any_more_have_failed_until_somebody_mends_them() {
    let running = Running::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets.properties");
    std::fs::write(&file, "max=1\n").unwrap();
    let max = format!("${{file:{}:max}}", file.display());
    running.ask("POST", "/connectors", waiting("broken", json!({ "tasks.max": max }))).await;
    let status = "/connectors/broken/status";
    running.until(status, |it| it["tasks"][0]["state"] == "RUNNING").await;

    running.ask("PUT", "/connectors/broken/stop", Value::Null).await;
    std::fs::remove_file(&file).unwrap();
    running.ask("PUT", "/connectors/broken/resume", Value::Null).await;

    let failed = running.until(status, |it| it["tasks"][0]["state"] == "FAILED").await;
    let trace = failed["tasks"][0]["trace"].as_str().unwrap();
    assert!(trace.contains("tasks.max"), "{trace}");
    std::fs::write(&file, "max=1\n").unwrap();
    assert_eq!(running.ask("POST", "/connectors/broken/restart", Value::Null).await.0, 204);
    running.until(status, |it| it["tasks"][0]["state"] == "RUNNING").await;
    running.end().await;
}

#[tokio::test]
async fn topics_are_known_until_they_are_forgotten() {
    let running = Running::start().await;
    let topics = |names: Value| json!({ "tracked": { "topics": names } });
    assert_eq!(running.get("/connectors/tracked/topics").await, topics(json!([])));
    let config = json!({ "tasks.max": "1", "topic": "orders" });
    running.ask("POST", "/connectors", waiting("tracked", config)).await;

    running.until("/connectors/tracked/topics", |it| *it == topics(json!(["orders"]))).await;

    let (code, _) = running.ask("PUT", "/connectors/tracked/topics/reset", Value::Null).await;
    assert_eq!(code, 202);
    assert_eq!(running.get("/connectors/tracked/topics").await, topics(json!([])));
    running.end().await;
}

#[tokio::test]
async fn all_plugins_are_listed_to_whoever_asks_for_them() {
    let running = Running::start().await;
    let all = [
        ("io.debezium.transforms.outbox.EventRouter", "transformation"),
        ("org.apache.kafka.connect.transforms.ValueToKey", "transformation"),
        ("org.apache.kafka.connect.transforms.predicates.HasHeaderKey", "predicate"),
        ("org.apache.kafka.connect.json.JsonConverter", "converter"),
        ("org.apache.kafka.connect.storage.SimpleHeaderConverter", "header_converter"),
        ("org.apache.kafka.connect.json.JsonConverter", "header_converter"),
    ];
    for (query, are_all) in
        [("", false), ("?connectorsOnly=True", false), ("?connectorsOnly=false", true)]
    {
        let plugins = running.get(&format!("/connector-plugins{query}")).await;
        let is = |(class, kind): &(&str, &str)| {
            let mut plugins = plugins.as_array().unwrap().iter();
            plugins.any(|plugin| plugin["class"] == *class && plugin["type"] == *kind)
        };
        assert_eq!(all.iter().filter(|it| is(it)).count(), if are_all { all.len() } else { 0 });
        assert_eq!(
            (&plugins[0]["class"], &plugins[0]["type"]),
            (&json!("test.Waiting"), &json!("source"))
        );
    }
    running.end().await;
}

#[tokio::test]
async fn who_tracks_no_topics_says_so() {
    for (tracks, resets, told) in [
        (false, true, [Err("Topic tracking is disabled."), Err("Topic tracking is disabled.")]),
        (true, false, [Ok(200), Err("Topic tracking reset is disabled.")]),
    ] {
        let running = Running::start_with(|config| {
            config.cluster.tracks_topics = tracks;
            config.cluster.forgets_topics = resets;
        })
        .await;
        let requests = [("GET", "/connectors/a/topics"), ("PUT", "/connectors/a/topics/reset")];
        for ((method, path), told) in requests.into_iter().zip(told) {
            let answer = running.ask(method, path, Value::Null).await;
            match told {
                Ok(code) => assert_eq!(answer.0, code),
                Err(message) => assert_eq!(answer, refused(403, message), "{method} {path}"),
            }
        }
        running.end().await;
    }
}
