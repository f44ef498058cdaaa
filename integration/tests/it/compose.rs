//! docker-compose.yml, which no machine without a container engine can start: everything in it
//! that can be read is compared with what the program and the demo read.
//!
//! What is proved: names, ports, variables, paths, versions. What is not: that the images exist
//! and start.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn services() -> Map<String, Value> {
    yaml("docker-compose.yml")["services"].as_object().unwrap().clone()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

/// The names of all `${env:NAME}` in a text.
fn variables(text: &str) -> BTreeSet<String> {
    let uses = text.split("${env:").skip(1);
    uses.map(|rest| rest.split(['}', ':']).next().unwrap().to_owned()).collect()
}

/// `host:port` of an address that may be a URL.
fn host_and_port(address: &str) -> (String, u16) {
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    let (host, port) = address.split('/').next().unwrap().rsplit_once(':').unwrap();
    (host.to_owned(), port.parse().unwrap())
}

/// The ports on which a service listens for the other containers.
fn listeners(service: &str, definition: &Value) -> Vec<u16> {
    match service {
        "mysql" => vec![3306],
        "registry" => vec![8080],
        "elasticsearch" => vec![9200],
        "kibana" => vec![5601],
        "grafana" => vec![3000],
        "kafka" => {
            let advertised = text(&definition["environment"]["KAFKA_ADVERTISED_LISTENERS"]);
            let own = advertised.split(',').filter(|listener| listener.contains("://kafka:"));
            own.map(|listener| host_and_port(listener).1).collect()
        }
        other => panic!("{other} listens for nobody"),
    }
}

#[test]
fn every_variable_of_the_pipeline_file_is_set_and_nothing_else() {
    let pipeline = read("pipeline.yaml");

    let rowcast = &services()["rowcast"];

    let set: BTreeSet<String> =
        rowcast["environment"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(set, variables(&pipeline));
}

#[test]
fn the_demo_sets_the_same_variables_and_runs_the_same_file() {
    let demo = read("integration/src/demo.rs");
    let rowcast = &services()["rowcast"];

    for variable in rowcast["environment"].as_object().unwrap().keys() {
        assert!(demo.contains(&format!("(\"{variable}\", ")), "{variable} is not set by the demo");
    }

    assert!(demo.contains("join(\"pipeline.yaml\")"));
    let mounted = texts(&rowcast["volumes"]);
    assert_eq!(mounted, ["./pipeline.yaml:/etc/rowcast/pipeline.yaml:ro"]);
    assert_eq!(texts(&rowcast["command"]), ["run", "/etc/rowcast/pipeline.yaml"]);
}

#[test]
fn every_address_names_a_service_and_a_port_that_it_listens_on() {
    let services = services();
    let environment = services["rowcast"]["environment"].as_object().unwrap();
    let mut addresses =
        vec![format!("{}:{}", text(&environment["MYSQL_HOST"]), environment["MYSQL_PORT"])];
    for name in ["KAFKA_BOOTSTRAP_SERVERS", "SCHEMA_REGISTRY_URL", "ELASTICSEARCH_URL"] {
        addresses.push(text(&environment[name]));
    }
    addresses
        .push(text(&services["registry"]["environment"]["APICURIO_KAFKASQL_BOOTSTRAP_SERVERS"]));
    addresses.push(text(&services["kibana"]["environment"]["ELASTICSEARCH_HOSTS"]));

    for address in addresses {
        let (host, port) = host_and_port(&address);
        let service = services.get(&host).unwrap_or_else(|| panic!("{host} is no service"));
        let listens = listeners(&host, service);
        assert!(listens.contains(&port), "{address}: {host} listens on {listens:?}");
    }
}

#[test]
fn the_registry_is_addressed_by_the_path_that_the_tests_use() {
    let environment = services()["rowcast"]["environment"].clone();
    let url = text(&environment["SCHEMA_REGISTRY_URL"]);

    let (_, path) = url.split_once("://").unwrap().1.split_once('/').unwrap();

    assert!(read("integration/src/stack/registry.rs").contains(&format!("http://{{}}/{path}\"")));
}

#[test]
fn published_ports_are_on_loopback_and_reach_a_listener() {
    for (name, service) in services() {
        for port in texts(&service["ports"]) {
            let parts: Vec<&str> = port.split(':').collect();
            let [address, _, inner] = parts[..] else { panic!("{name}: {port}") };
            assert_eq!(address, "127.0.0.1", "{name}: {port}");
            let inner: u16 = inner.parse().unwrap();
            let is_host_listener = name == "kafka"
                && text(&service["environment"]["KAFKA_LISTENERS"])
                    .contains(&format!("HOST://:{inner}"));
            assert!(is_host_listener || listeners(&name, &service).contains(&inner), "{port}");
        }
    }
}

#[test]
fn kafkas_listeners_have_a_protocol_and_one_broker_is_enough() {
    let kafka = services()["kafka"]["environment"].clone();
    let names = |variable: &str, separator: &str| -> BTreeSet<String> {
        let listeners = text(&kafka[variable]);
        listeners.split(',').map(|l| l.split(separator).next().unwrap().to_owned()).collect()
    };

    let listeners = names("KAFKA_LISTENERS", "://");

    assert_eq!(listeners, names("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", ":"));
    let controller = text(&kafka["KAFKA_CONTROLLER_LISTENER_NAMES"]);
    let mut advertised = names("KAFKA_ADVERTISED_LISTENERS", "://");
    assert!(advertised.contains(&text(&kafka["KAFKA_INTER_BROKER_LISTENER_NAME"])));
    assert!(advertised.insert(controller));
    assert_eq!(advertised, listeners);
    for (name, value) in kafka.as_object().unwrap() {
        if name.ends_with("REPLICATION_FACTOR") || name.ends_with("MIN_ISR") {
            assert_eq!(value, 1, "{name}");
        }
    }
}

/// The address by which Grafana asks is one that Prometheus has: the network is another service's.
#[test]
fn grafana_asks_prometheus_where_it_listens_and_that_asks_rowcast_on_loopback() {
    let services = services();
    let source = yaml("packaging/grafana/provisioning/datasources/prometheus.yaml");
    let scraped = yaml("packaging/prometheus/prometheus.yml");

    let (host, port) = host_and_port(&text(&source["datasources"][0]["url"]));

    assert_eq!((host.as_str(), port), ("rowcast", 9090));
    assert_eq!(text(&services["prometheus"]["network_mode"]), format!("service:{host}"));
    let target = &scraped["scrape_configs"][0]["static_configs"][0]["targets"][0];
    assert_eq!(target, "127.0.0.1:8083", "the default of `listeners`");
    assert!(read("connect/src/config/listener.rs").contains("DEFAULT_PORT: u16 = 8083"));
    assert!(!read("pipeline.yaml").contains("listeners"));
    let folder = text(
        &yaml("packaging/grafana/provisioning/dashboards/rowcast.yaml")["providers"][0]["options"]
            ["path"],
    );
    let home = &services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"];
    assert_eq!(text(home), format!("{folder}/rowcast.json"));
    let mounted = texts(&services["grafana"]["volumes"]);
    assert!(mounted.iter().any(|volume| volume.contains(&format!(":{folder}/rowcast.json:"))));
    for name in ["prometheus", "grafana"] {
        assert_eq!(texts(&services[name]["profiles"]), ["metrics"]);
    }
}

#[test]
fn every_mounted_file_exists_and_every_volume_is_declared() {
    let declared = yaml("docker-compose.yml")["volumes"].as_object().unwrap().clone();

    for (name, service) in services() {
        for volume in texts(&service["volumes"]) {
            let source = volume.split(':').next().unwrap();
            if source.starts_with("./") {
                assert!(repository().join(source).is_file(), "{name} mounts {source}");
            } else {
                assert!(declared.contains_key(source), "{name} uses {source}");
            }
        }
    }
}

#[test]
fn mysql_is_seeded_with_the_demo_database_and_its_user() {
    let services = services();
    let script = read("integration/demo/shop.sql");

    let environment = &services["rowcast"]["environment"];
    let (user, password) = (text(&environment["MYSQL_USER"]), text(&environment["MYSQL_PASSWORD"]));

    assert!(script.contains(&format!("CREATE USER {user} IDENTIFIED BY '{password}'")));
    assert!(texts(&services["mysql"]["volumes"]).contains(
        &"./integration/demo/shop.sql:/docker-entrypoint-initdb.d/shop.sql:ro".to_owned()
    ));
    let shop = read("integration/src/demo/shop.rs");
    assert!(shop.contains(&format!("USER: &str = \"{user}\"")), "the demo's user");
    assert!(shop.contains(&format!("PASSWORD: &str = \"{password}\"")), "the demo's password");
    assert!(shop.contains("include_str!(\"../../demo/shop.sql\")"));
}

#[test]
fn mysql_has_the_settings_that_the_native_server_has() {
    let native = read("integration/src/stack/mysql.rs");

    let command = texts(&services()["mysql"]["command"]);

    for option in [
        "--log-bin=binlog",
        "--gtid-mode=ON",
        "--enforce-gtid-consistency=ON",
        "--binlog-row-metadata=FULL",
    ] {
        assert!(command.contains(&option.to_owned()), "compose lacks {option}");
        assert!(native.contains(&format!("\"{option}\"")), "the native server lacks {option}");
    }
}

#[test]
fn images_are_pinned_to_the_versions_that_the_tests_run() {
    let versions = read("integration/src/stack/versions.rs");
    let pin = |name: &str| {
        let line = versions.lines().find(|line| line.contains(&format!(" {name}: "))).unwrap();
        line.split('=').nth(1).unwrap().trim_matches([' ', '"', ';']).to_owned()
    };
    let mysql = format!("{}.{}.", pin("MYSQL_MAJOR"), pin("MYSQL_MINOR_MIN"));

    for (name, service) in services() {
        let image = text(&service["image"]);
        let tag = image.rsplit_once(':').unwrap_or_else(|| panic!("{name}: {image} has no tag")).1;
        match name.as_str() {
            "mysql" => assert!(tag.starts_with(&mysql), "{image}, expected {mysql}*"),
            "kafka" => assert_eq!(tag, pin("KAFKA")),
            "registry" => assert_eq!(tag, pin("APICURIO")),
            "elasticsearch" | "kibana" => assert_eq!(tag, pin("ELASTICSEARCH")),
            "rowcast" => assert_eq!(tag, env!("CARGO_PKG_VERSION")),
            // No test runs them: whatever is pinned.
            "prometheus" | "grafana" => {
                let version = tag.trim_start_matches('v').split('.').map(str::parse::<u32>);
                assert_eq!(version.filter(Result::is_ok).count(), 3, "{image}");
            }
            other => panic!("{other} has no pin"),
        }
    }
}

#[test]
fn whoever_is_waited_for_has_a_health_check() {
    let services = services();

    for (name, service) in &services {
        for (other, condition) in service["depends_on"].as_object().into_iter().flatten() {
            assert_eq!(condition["condition"], "service_healthy", "{name} waits for {other}");
            assert!(services[other]["healthcheck"]["test"].is_array(), "{other}");
        }
    }
    let waits_for = services["rowcast"]["depends_on"].as_object().unwrap().keys();
    assert_eq!(waits_for.collect::<Vec<_>>(), ["mysql", "kafka", "registry", "elasticsearch"]);
    assert_eq!(texts(&services["kibana"]["profiles"]), ["kibana"]);
}

#[test]
fn the_dockerfile_copies_what_the_build_needs_and_runs_as_nobody() {
    let dockerfile = read("Dockerfile");
    let toolchain = read("rust-toolchain.toml");
    let manifest = read("Cargo.toml");

    let ignored = read(".dockerignore");

    let version = toolchain.split("channel = \"").nth(1).unwrap().split('"').next().unwrap();
    assert!(dockerfile.contains(&format!("FROM rust:{version}-")), "toolchain {version}");
    assert!(dockerfile.contains(&format!("RUSTUP_TOOLCHAIN={version}\n")), "toolchain {version}");
    let members = manifest.split("members = [").nth(1).unwrap().split(']').next().unwrap();
    for member in members.split(',').map(|member| member.trim().trim_matches('"')) {
        assert!(ignored.lines().any(|line| line == format!("!{member}")), "{member}");
        assert!(repository().join(member).is_dir(), "{member}");
    }
    for file in ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"] {
        assert!(ignored.lines().any(|line| line == format!("!{file}")), "{file}");
    }
    assert!(dockerfile.contains("USER nonroot") && dockerfile.contains("ENTRYPOINT"));
    let last_stage = dockerfile.rsplit_once("\nFROM ").unwrap().1;
    assert_eq!(last_stage.matches("\nCOPY ").count(), 1, "the binary is the only layer");
}
