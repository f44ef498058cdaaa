use std::collections::BTreeMap;

use super::*;
use crate::config::{Origin, PipelineConfig, WorkerConfig};
use crate::connector::{ConnectorClass, ConnectorKind, ConnectorName};
use crate::task::Task;

const KEYS: &str = "\
# name\ttype
url\tSTRING\t!\tHIGH\tMain\t1\tLONG\tURL\t-\t-
port\tINT\t80\tLOW\tMain\t2\tSHORT\tPort\t-\t>=1
secret\tPASSWORD\t-\tLOW\tMain\t3\tSHORT\tSecret\t-\t-
mode\tSTRING\tfast\tLOW\tMain\t4\tSHORT\tMode\t-\tfast|slow
query\tBOOLEAN\tfalse\tLOW\t-\t-1\tNONE\tQuery\t-\t-
";
const VERDICTS: &str = "\
url\thonoured\thttp://a\ttests::x\tWhere it is.
port\thonoured\t81\ttests::x\tIts port.
secret\tharmless\tx\tnobody asks\tA word.
mode\tharmless\tslow\tit is always fast\tHow fast.
query\trefused no\ttrue\tis not supported: leave it out\tWhether to ask.
more.*\trefused\tmore.x=1\tis too much: leave it out\tMore.
more.or.*\tharmless\tmore.or.less=1\tit is little\tMore or less.
";

static DEFINITIONS: std::sync::LazyLock<Definitions> = std::sync::LazyLock::new(|| {
    Definitions::parse((KEYS, VERDICTS), Wording::Connect, Some(of_sinks()))
});

/// Takes `url`, a port below 1,000 and `topics`.
struct Fake;

impl ConnectorClass for Fake {
    fn names(&self) -> &'static [&'static str] {
        &["fake"]
    }

    fn task_class(&self) -> &'static str {
        "test.FakeTask"
    }

    fn kind(&self) -> ConnectorKind {
        ConnectorKind::Sink
    }

    fn definitions(&self) -> &'static Definitions {
        &DEFINITIONS
    }

    fn tasks(
        &self,
        _: &ConnectorName,
        mut settings: Settings,
        _: &WorkerConfig,
    ) -> Result<Vec<Box<dyn Task>>, ConfigError> {
        settings.integer("port", 80, 1..=999)?;
        settings.required("url")?;
        settings.required("topics")?;
        settings.optional("tasks.max");
        self.definitions().finish(settings)?;
        Ok(Vec::new())
    }
}

fn worker() -> WorkerConfig {
    let file = "{bootstrap.servers: b, schema.registry.url: http://r, \
                connectors: {x: {connector.class: fake}}}";
    PipelineConfig::parse(file, &|_| None).unwrap().worker
}

fn validate(pairs: &[(&str, &str)]) -> serde_json::Value {
    let base = [("connector.class", "a.Fake"), ("name", "x"), ("topics", "t, u")];
    let all = base.iter().chain(pairs);
    let config = all.map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    serde_json::to_value(ConfigInfos::of(&Fake, &config, &worker())).unwrap()
}

fn of<'a>(infos: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    let configs = infos["configs"].as_array().unwrap();
    &configs.iter().find(|config| config["value"]["name"] == name).unwrap()["value"]
}

#[test]
fn connects_own_tables_can_be_read() {
    let file_streams = [of_file_stream_sources(), of_file_stream_sinks()];
    for own in [of_sources(), of_sinks(), &DEFINITIONS].into_iter().chain(file_streams) {
        assert_eq!(own.unreadable(), Vec::<&str>::new());
    }
    let wrong = Definitions::parse(("a\tb\n", "c\tmaybe\td\te\tf\n"), Wording::Connect, None);
    assert_eq!(wrong.unreadable(), ["a\tb", "c\tmaybe\td\te\tf"]);
}

#[test]
fn all_errors_are_told_and_not_the_first_alone() {
    let infos = validate(&[
        ("port", "2000"),
        ("mode", "idle"),
        ("query", "true"),
        ("more.x", "1"),
        ("tasks.max", "0"),
    ]);

    assert_eq!(infos["error_count"], 6, "{infos}");
    let errors = |name: &str| of(&infos, name)["errors"][0].as_str().unwrap().to_owned();
    assert_eq!(errors("url"), "Missing required configuration \"url\" which has no default value.");
    assert!(errors("port").contains("port: expected a number from 1 to 999"));
    assert!(errors("mode").contains("String must be one of: fast, slow"));
    assert!(errors("query").contains("is not supported"));
    assert!(errors("tasks.max").contains("Value must be at least 1"));
    let last = infos["configs"].as_array().unwrap().last().unwrap();
    assert!(last["definition"].is_null() && last["value"]["name"] == "more.x", "{last}");
}

#[test]
fn values_are_shown_as_kafka_connect_shows_them_and_passwords_never() {
    let infos = validate(&[("url", " http://a "), ("secret", "geheim")]);

    assert_eq!(infos["error_count"], 0, "{infos}");
    assert_eq!(infos["name"], "a.Fake");
    assert_eq!(infos["groups"].as_array().unwrap().last().unwrap(), "Main");
    assert_eq!(of(&infos, "url")["value"], "http://a");
    assert_eq!(of(&infos, "port")["value"], "80", "the default");
    assert_eq!(of(&infos, "topics")["value"], "t,u");
    assert_eq!(of(&infos, "secret")["value"], "[hidden]");
    assert_eq!(of(&infos, "mode")["recommended_values"][1], "slow");
    let wrong = validate(&[("url", "x"), ("port", "geheim")]).to_string();
    assert!(wrong.contains("Not a number of type INT"), "{wrong}");
}

#[test]
fn a_refusal_counts_its_errors() {
    let config = [("connector.class", "a.Fake"), ("topics", "t"), ("port", "x")];
    let config: BTreeMap<_, _> =
        config.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();

    let infos = ConfigInfos::of(&Fake, &config, &worker());

    let message = infos.refusal().unwrap();
    assert!(
        message.starts_with(
            "Connector configuration is invalid and contains the following 3 error(s):\n\
         Missing required configuration \"name\" which has no default value.\n"
        ),
        "{message}"
    );
    assert!(message.ends_with("`/connector-plugins/{connectorType}/config/validate`"), "{message}");
}

#[test]
fn what_is_left_is_refused_passed_over_or_unknown() {
    let finish = |origin, key: &str, value: &str| {
        let values = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let settings = Settings::new("connector `x`", origin, values);
        DEFINITIONS.finish(settings).map_err(|error| error.to_string())
    };
    let connect = |key, value| finish(Origin::Connect, key, value);
    let file = |key, value| finish(Origin::PipelineFile, key, value).unwrap_err();

    assert_eq!(connect("secret", "x"), Ok(()));
    assert_eq!(connect("nobody", "x"), Ok(()));
    assert!(connect("query", "true").unwrap_err().contains("`query` is not supported"));
    for nothing in ["false", "NO", ""] {
        assert_eq!(connect("query", nothing), Ok(()), "{nothing}");
    }
    assert!(connect("more.x", "1").unwrap_err().contains("is too much"));
    assert_eq!(connect("more.or.less", "1"), Ok(()), "the longer name decides");
    assert!(file("secret", "x").contains("changes nothing in rowcast"));
    assert!(file("nobody", "x").contains("is not a known setting"));
    assert!(file("query", "true").contains("is not supported"));
}
