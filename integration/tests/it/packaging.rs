//! What is below `packaging/`, held against what it is for: the dashboard and the alerts against a real
//! `/metrics`, the unit against systemd, the manifests against Kubernetes' schemas and a real worker.

mod metrics;
mod units;

use std::path::Path;
use std::time::Duration;

use integration::stack::ManifestCheck;
use integration::stack::shared;
use serde_json::Value;

use crate::scenario::stop;
use crate::tidy::{read, repository};
use crate::worker::Worker;

fn packaged(file: &str) -> String {
    read(&repository().join("packaging").join(file))
}

/// A constant of so many seconds in a file of the program.
fn seconds(file: &str, name: &str) -> u64 {
    let text = read(&repository().join(file));
    let definition = format!("const {name}: Duration = Duration::from_secs(");
    let value = text.split(&definition).nth(1).unwrap_or_else(|| panic!("no {name} in {file}"));
    value.split(')').next().unwrap().parse().unwrap()
}

/// How long a stop in good order may take: the tasks, then the endpoint and the clients of Kafka.
fn stops_within() -> Duration {
    let tasks = seconds("connect/src/runtime/herder.rs", "STOP_DEADLINE");
    let endpoint = seconds("connect/src/http/server.rs", "STOP_WITHIN");
    let kafka = seconds("connect/src/kafka/consumer.rs", "CLOSE_DEADLINE");
    Duration::from_secs(tasks + endpoint + kafka)
}

/// The objects of a file of manifests by their kinds.
fn objects(file: &str) -> Vec<(String, Value)> {
    let text = packaged(file);
    let documents = text.split("\n---\n");
    let parsed = documents.map(|text| serde_saphyr::from_str::<Value>(text).unwrap());
    parsed.map(|object| (object["kind"].as_str().unwrap().to_owned(), object)).collect()
}

fn object(kind: &str) -> Value {
    let all = objects("kubernetes/rowcast.yaml");
    all.into_iter().find(|(found, _)| found == kind).unwrap_or_else(|| panic!("no {kind}")).1
}

#[tokio::test]
async fn kubernetes_knows_all_that_stands_in_its_manifests() {
    let check = ManifestCheck::fetch().await.unwrap();
    let file = repository().join("packaging/kubernetes/rowcast.yaml");
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.yaml");
    std::fs::write(&wrong, read(&file).replace("readOnlyRootFilesystem", "readOnlyRoot")).unwrap();

    let told = check.look_at(&file).unwrap();

    // Of the oldest and of the newest version.
    assert_eq!(told.matches(" passed for resource ").count(), 10, "{told}");
    let refused = check.look_at(&wrong).unwrap_err().to_string();
    assert!(refused.contains("readOnlyRoot"), "{refused}");
}

#[test]
fn the_manifests_belong_together() {
    let deployment = object("Deployment");
    let pod = &deployment["spec"]["template"];
    let (spec, container) = (&pod["spec"], &pod["spec"]["containers"][0]);
    let labels = &pod["metadata"]["labels"];
    let monitor = objects("kubernetes/podmonitor.yaml").remove(0).1;

    assert_eq!(&deployment["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&object("PodDisruptionBudget")["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&object("Service")["spec"]["selector"], labels);
    assert_eq!(&object("NetworkPolicy")["spec"]["podSelector"]["matchLabels"], labels);
    assert_eq!(&monitor["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(container["image"], format!("rowcast:{}", env!("CARGO_PKG_VERSION")));
    let port = &container["ports"][0];
    assert_eq!(object("Service")["spec"]["ports"][0]["targetPort"], port["name"]);
    assert_eq!(object("NetworkPolicy")["spec"]["ingress"][0]["ports"][0]["port"], port["name"]);
    assert_eq!(monitor["spec"]["podMetricsEndpoints"][0]["port"], port["name"]);
    let listeners = format!("listeners=http://:{}\n", port["containerPort"]);
    let properties = object("ConfigMap")["data"]["worker.properties"].clone();
    assert!(properties.as_str().unwrap().contains(&listeners));
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert_eq!(container[probe]["httpGet"]["path"], "/health", "{probe}");
        assert_eq!(container[probe]["httpGet"]["port"], port["name"], "{probe}");
    }
    let grace = spec["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(Duration::from_secs(grace) > stops_within(), "{:?}", stops_within());
    // The user of the Dockerfile's image.
    assert_eq!(spec["securityContext"]["runAsUser"], 65532);
    let file = format!("{}/worker.properties", container["volumeMounts"][0]["mountPath"]);
    assert_eq!(container["args"][1], file.replace('"', ""));
    let text = packaged("kubernetes/rowcast.yaml");
    let secrets = container["volumeMounts"][1]["mountPath"].as_str().unwrap();
    assert!(text.contains(&format!("${{dir:{secrets}:mysql}}")), "what the comment names");
}

/// The file that the manifests give a pod, with the addresses of the tests' servers.
#[tokio::test]
async fn a_worker_with_the_manifests_properties_is_ready_when_its_probe_asks() {
    let stack = shared().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("worker.properties");
    let properties = object("ConfigMap")["data"]["worker.properties"].as_str().unwrap().to_owned();
    let given = properties
        .replace("kafka:9092", &stack.kafka.bootstrap())
        .replace("http://registry:8081", &stack.registry.url())
        .replace("replication.factor=3", "replication.factor=1")
        .replace("=rowcast", "=pk-kubernetes")
        .replace("http://:8083", "http://127.0.0.1:0");
    std::fs::write(&file, given).unwrap();

    let worker = Worker::start_from(&file, folder.path(), "worker").await;

    let deployment = object("Deployment");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let path = container["readinessProbe"]["httpGet"]["path"].as_str().unwrap();
    let (status, answer) = worker.ask("GET", path, &Value::Null).await;
    assert_eq!((status, &answer["status"]), (200, &Value::from("healthy")));
    stop(&worker.process).await;
}

/// What the Dockerfile's last stage has is what the program asks for: glibc and libgcc.
#[tokio::test]
async fn the_program_needs_no_library_but_glibc_and_libgcc() {
    let binary = integration::process::binary().await.unwrap();
    let listed = std::process::Command::new("ldd").arg(binary).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    // What `ROWCAST_BIN` names may be linked with musl.
    if text.contains("statically linked") {
        return;
    }

    let names = text.lines().filter_map(|line| line.split_whitespace().next());
    let names = names.filter_map(|path| Path::new(path).file_name()?.to_str());
    let libraries: Vec<_> = names.map(|name| name.split(".so").next().unwrap()).collect();

    assert!(libraries.contains(&"libc"), "{text}");
    let known = ["linux-vdso", "libc", "libm", "libgcc_s", "ld-linux-x86-64"];
    let older = ["libpthread", "libdl", "librt"];
    for library in libraries {
        assert!(known.contains(&library) || older.contains(&library), "{text}");
    }
}

#[test]
fn each_way_of_packaging_is_described() {
    let guide = read(&repository().join("docs/packaging.md"));
    let readme = read(&repository().join("README.md"));

    for folder in std::fs::read_dir(repository().join("packaging")).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(guide.contains(&format!("packaging/{name}")), "{name} in docs/packaging.md");
        assert!(readme.contains(&format!("packaging/{name}")), "{name} in README.md");
    }
}
