//! `rowcast dlq`.

use std::fmt::Write as _;
use std::path::Path;

use connect::config::{PipelineConfig, WorkerConfig};
use connect::connector::ConnectorClass;
use connect::kafka::letters::{
    Letter, LetterPlace, LetterRecord, Letters, Redrive, Redriven, Selection,
};
use es_sink::ElasticsearchSink;
use schema::calendar;
use schema::fault::chain;
use schema::plan::document::{DocumentOptions, DocumentPlan, IdPlan, RowChange};
use schema::registry::{Registry, SchemaId};
use serde_json::{Value, json};

use super::columns::{columns, or_dash};
use super::{CommandError, Outcome, pretty, print};
use crate::arguments::{DlqArguments, DlqCommand, Output};

/// The setting of a sink that names its topic of dead letters.
const TOPIC: &str = "errors.deadletterqueue.topic.name";

pub(crate) async fn run(command: DlqCommand) -> Outcome {
    Outcome(match command {
        DlqCommand::List { letters, output } => list(&letters, output).await,
        DlqCommand::Show { letters, place, values } => show(&letters, place, values).await,
        DlqCommand::Redrive { letters, places, all, force, unsafe_allow_overwrite } => {
            let selection = match all {
                true => Selection::All(letters.connector.clone()),
                false => Selection::Places(places),
            };
            let redrive = Redrive { selection, force, unsafe_allow_overwrite };
            send_back(&letters, redrive).await
        }
    })
}

/// The topic that is meant, and how Kafka and the registry are reached.
fn find(arguments: &DlqArguments) -> Result<(WorkerConfig, String), CommandError> {
    let DlqArguments { pipeline, connector, topic } = arguments;
    let file = PipelineConfig::load(Path::new(pipeline))?;
    if let Some(topic) = topic {
        return Ok((file.worker, topic.clone()));
    }
    let is_sink = |class: &str| ElasticsearchSink.names().contains(&class);
    let is_meant = |name: &str| connector.as_ref().is_none_or(|meant| meant == name);
    let mut topics: Vec<String> = file
        .connectors
        .into_iter()
        .filter(|it| is_sink(&it.class) && is_meant(it.name.as_str()))
        .filter_map(|mut it| it.settings.optional(TOPIC))
        .collect();
    topics.sort();
    topics.dedup();
    let mut topics = topics.into_iter();
    match (topics.next(), topics.next()) {
        (Some(topic), None) => Ok((file.worker, topic)),
        (None, _) => Err(CommandError::NoDeadLetters),
        (Some(one), Some(other)) => {
            let names: Vec<_> = [one, other].into_iter().chain(topics).collect();
            Err(CommandError::WhichDeadLetters { names: names.join(", ") })
        }
    }
}

async fn list(arguments: &DlqArguments, output: Output) -> Result<(), CommandError> {
    let (worker, topic) = find(arguments)?;
    let mut letters = Letters::new(worker, topic.clone()).list().await?;
    if arguments.connector.is_some() {
        letters.retain(|letter| letter.connector == arguments.connector);
    }
    print(&match output {
        Output::Table if letters.is_empty() => format!("{topic}: no dead letters\n"),
        Output::Table => {
            let rows: Vec<_> = letters.iter().map(row).collect();
            let heading = ["LETTER", "STATE", "RECORD", "TIME", "INDEX", "ID", "ERROR"];
            format!("{topic}:\n{}", columns(heading, &rows))
        }
        Output::Json => {
            let letters: Vec<_> = letters.iter().map(as_json).collect();
            pretty(&json!({ "topic": topic, "letters": letters }))?
        }
    })
}

fn row(letter: &Letter) -> [String; 7] {
    [
        letter.place.to_string(),
        letter.state.as_str().to_owned(),
        or_dash(letter.origin.as_ref()),
        or_dash(time(letter)),
        or_dash(letter.index.as_ref()),
        or_dash(letter.id.as_ref()),
        or_dash(letter.error.as_ref().map(|error| error.replace('\n', " "))),
    ]
}

fn as_json(letter: &Letter) -> Value {
    json!({
        "letter": letter.place.to_string(),
        "state": letter.state.as_str(),
        "record": letter.origin.as_ref().map(ToString::to_string),
        "time": time(letter),
        "connector": letter.connector,
        "index": letter.index,
        "id": letter.id,
        "lsn": letter.lsn,
        "error": letter.error,
    })
}

fn time(letter: &Letter) -> Option<String> {
    calendar::timestamp_text(letter.timestamp_ms?)
}

async fn show(
    arguments: &DlqArguments,
    place: LetterPlace,
    values: bool,
) -> Result<(), CommandError> {
    let (worker, topic) = find(arguments)?;
    let registry = Registry::new(&worker.registry).map_err(CommandError::Registry)?;
    let LetterRecord { letter, headers, key, value } =
        Letters::new(worker, topic).read(place).await?;
    let mut text = format!("{}: {}\n", letter.place, letter.state.as_str());
    for (name, value) in headers {
        let value = value.map(|value| String::from_utf8_lossy(&value).into_owned());
        writeln!(text, "  {name}: {}", or_dash(value)).map_err(|_| CommandError::Text)?;
    }
    let key = decoded(&registry, key.as_deref(), key_text).await;
    let value = match (&value, values) {
        (Some(value), false) => format!("{} bytes, shown with --values", value.len()),
        (value, _) => decoded(&registry, value.as_deref(), document_text).await,
    };
    writeln!(text, "key: {key}\nvalue: {value}").map_err(|_| CommandError::Text)?;
    print(&text)
}

/// A key or a value as text; what cannot be understood is described.
async fn decoded(
    registry: &Registry,
    bytes: Option<&[u8]>,
    decode: fn(&str, &[u8]) -> Result<String, String>,
) -> String {
    let Some(bytes) = bytes else { return "none".to_owned() };
    let framed = bytes.split_first_chunk::<5>();
    let Some(([0, id @ ..], body)) = framed else {
        return match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => format!("{} bytes without a schema", bytes.len()),
        };
    };
    let id = SchemaId(u32::from_be_bytes(*id));
    let text = match registry.schema(id).await {
        Ok(schema) => decode(&schema, body),
        Err(error) => Err(chain(&error)),
    };
    text.unwrap_or_else(|problem| format!("{} bytes of schema {}: {problem}", bytes.len(), id.0))
}

/// The id that the key makes.
fn key_text(schema: &str, body: &[u8]) -> Result<String, String> {
    let plan = IdPlan::compile(schema).map_err(|error| chain(&error))?;
    let mut id = String::new();
    plan.run(body, &mut id).map_err(|error| chain(&error))?;
    Ok(id)
}

/// The document that the value makes.
fn document_text(schema: &str, body: &[u8]) -> Result<String, String> {
    let plan =
        DocumentPlan::compile(schema, DocumentOptions::default()).map_err(|error| chain(&error))?;
    let mut document = Vec::new();
    let row = plan.run(body, &mut document).map_err(|error| chain(&error))?;
    Ok(match row.change {
        RowChange::Upsert { .. } => String::from_utf8_lossy(&document).into_owned(),
        RowChange::Delete => "the row was deleted".to_owned(),
        RowChange::Truncate => "the table was emptied".to_owned(),
    })
}

async fn send_back(arguments: &DlqArguments, redrive: Redrive) -> Result<(), CommandError> {
    let (worker, topic) = find(arguments)?;
    let Redriven { written, left } = Letters::new(worker, topic).redrive(redrive).await?;
    let mut text = String::new();
    for letter in &written {
        let origin = letter.origin.as_ref().map(|it| &it.partition);
        let to = origin.map(|it| format!("{}/{}", it.topic, it.partition));
        writeln!(text, "{} was written to {}", letter.place, or_dash(to))
            .map_err(|_| CommandError::Text)?;
    }
    for (letter, why) in &left {
        writeln!(text, "{} was left: {why}", letter.place).map_err(|_| CommandError::Text)?;
    }
    let (written_count, left_count) = (written.len(), left.len());
    writeln!(text, "{written_count} written, {left_count} left").map_err(|_| CommandError::Text)?;
    if written.iter().any(|letter| letter.lsn.is_some()) {
        text.push_str(
            "They have the Lsn that they had: where the index has a later version they are void.\n",
        );
    }
    print(&text)
}
