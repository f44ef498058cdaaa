//! `rowcast offsets`.

use std::io::Read;
use std::path::Path;

use cdc_source::offsets::{Place, Plan, SourceOffsets, Understood};
use connect::config::Listener;
use connect::http::client;
use connect::offsets::ConnectorOffsets;
use serde_json::{Value, json};

use super::columns::{columns, or_dash};
use super::{CommandError, Outcome, Sources, pretty, print};
use crate::arguments::{OffsetsCommand, Output, SourceArguments};

/// Largest request: the offsets of 100,000 tables.
const INPUT_MAX_BYTES: u64 = 64 << 20;

pub(crate) async fn run(command: OffsetsCommand) -> Outcome {
    Outcome(match command {
        OffsetsCommand::Show { source, output } => show(&source, output).await,
        OffsetsCommand::Export { source, commit } => export(&source, commit).await,
        OffsetsCommand::Set { source, from, dry_run, unsafe_allow_loss, output } => {
            let how = How { dry_run, unsafe_allow_loss, output };
            set(&source, &from, how).await
        }
    })
}

async fn show(arguments: &SourceArguments, output: Output) -> Result<(), CommandError> {
    let sources = Sources::load(&arguments.pipeline)?;
    let shown: Vec<&SourceOffsets> = match &arguments.connector {
        Some(name) => vec![sources.one(Some(name))?],
        None => sources.sources.iter().collect(),
    };
    let mut all = Vec::new();
    for source in shown {
        let stored = source.stored().await?;
        let understood: Vec<_> = stored.iter().map(|it| source.understand(it)).collect();
        all.push((source.name().to_string(), understood));
    }
    print(&match output {
        Output::Table => {
            let parts: Vec<_> = all.iter().map(|(name, offsets)| text(name, offsets)).collect();
            parts.join("\n")
        }
        Output::Json => {
            pretty(&json!({ "connectors": all.iter().map(as_json).collect::<Vec<_>>() }))?
        }
    })
}

fn as_json((name, offsets): &(String, Vec<Understood>)) -> Value {
    let offset = |it: &Understood| {
        let mut entry = json!({ "partition": it.partition, "offset": it.offset });
        if let (Some(problem), Some(entry)) = (&it.problem, entry.as_object_mut()) {
            entry.insert("problem".to_owned(), problem.as_str().into());
        }
        entry
    };
    json!({ "connector": name, "offsets": offsets.iter().map(offset).collect::<Vec<_>>() })
}

fn text(name: &str, offsets: &[Understood]) -> String {
    if offsets.is_empty() {
        return format!("{name}: no offsets are stored\n");
    }
    let rows: Vec<_> = offsets.iter().map(row).collect();
    let mut text = format!("{name}:\n");
    text.push_str(&columns(["OFFSET OF", "STATE", "POSITION", "LSN", "DETAILS"], &rows));
    text
}

fn row(offset: &Understood) -> [String; 5] {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let of = |object: Option<&Value>, name: &str| object?.get(name).map(text);
    let partition = Some(&offset.partition);
    let about = match (of(partition, "db"), of(partition, "table")) {
        (Some(database), Some(table)) => format!("{database}.{table}"),
        _ if offset.partition.as_object().is_some_and(|it| it.len() == 1) => "stream".to_owned(),
        _ => offset.partition.to_string(),
    };
    let own = offset.offset.as_ref();
    let position = of(own, "file").zip(of(own, "pos")).map(|(file, pos)| format!("{file}:{pos}"));
    let details = match &offset.problem {
        Some(problem) => format!("PROBLEM: {problem}"),
        None => ["gtids", "event", "row", "rows", "chunks", "reason"]
            .iter()
            .filter_map(|name| Some(format!("{name}={}", of(own, name)?)))
            .collect::<Vec<_>>()
            .join(" "),
    };
    [about, or_dash(of(own, "state")), or_dash(position), or_dash(of(own, "lsn")), details]
}

async fn export(arguments: &SourceArguments, commit: bool) -> Result<(), CommandError> {
    let sources = Sources::load(&arguments.pipeline)?;
    let source = sources.one(arguments.connector.as_deref())?;
    let stored = if commit {
        refuse_running(&sources, source).await?;
        source.commit().await?
    } else {
        source.stored().await?
    };
    print(&pretty(&source.export(&stored)?)?)
}

struct How {
    dry_run: bool,
    unsafe_allow_loss: bool,
    output: Output,
}

async fn set(arguments: &SourceArguments, from: &Path, how: How) -> Result<(), CommandError> {
    let sources = Sources::load(&arguments.pipeline)?;
    let source = sources.one(arguments.connector.as_deref())?;
    let request = read_request(from)?;
    let plan = if how.dry_run {
        source.plan(&request).await?
    } else {
        refuse_running(&sources, source).await?;
        source.set(&request, how.unsafe_allow_loss).await?
    };
    print(&match how.output {
        Output::Table => plan_text(&plan, how.dry_run),
        Output::Json => pretty(&plan)?,
    })
}

/// The process of the same file, if it listens where the file says.
async fn refuse_running(sources: &Sources, source: &SourceOffsets) -> Result<(), CommandError> {
    for url in sources.listeners.addresses.iter().filter_map(Listener::url) {
        let Ok(tables) = client::tables(&url).await else { continue };
        let is_here = |name: &str| name == source.name().as_str();
        if tables.connectors.iter().any(|it| is_here(&it.connector)) {
            let connector = source.name().to_string();
            return Err(CommandError::Running { connector, url });
        }
    }
    Ok(())
}

fn read_request(from: &Path) -> Result<ConnectorOffsets, CommandError> {
    let path =
        if from == Path::new("-") { "standard input".into() } else { from.display().to_string() };
    let failed = |source| CommandError::Input { path: path.clone(), source };
    let mut bytes = Vec::new();
    let limit = INPUT_MAX_BYTES + 1;
    if from == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let file = std::fs::File::open(from).map_err(failed)?;
        file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    }
    if u64::try_from(bytes.len()).is_ok_and(|length| length > INPUT_MAX_BYTES) {
        return Err(CommandError::InputTooLarge { path, limit: INPUT_MAX_BYTES });
    }
    serde_json::from_slice(&bytes).map_err(|source| CommandError::InputJson { path, source })
}

fn plan_text(plan: &Plan, is_dry_run: bool) -> String {
    let stream = &plan.stream;
    let mut text = format!(
        "{}: {}\n",
        plan.connector,
        if is_dry_run { "dry run, nothing is written" } else { "offsets written" }
    );
    text.push_str(&format!("  from  {}\n", place(stream.from.as_ref(), "nowhere")));
    text.push_str(&format!("  to    {}\n", place(stream.to.as_ref(), "where the log ends then")));
    if stream.from != stream.to && stream.from.is_some() && stream.to.is_some() {
        let counts = stream.replayed_transactions.zip(stream.skipped_transactions);
        text.push_str(&counts.map_or_else(
            || "  without GTIDs, the transactions in between cannot be counted\n".to_owned(),
            |(replayed, skipped)| {
                format!("  {replayed} transactions are read again, {skipped} are skipped\n")
            },
        ));
    }
    if let Some(waiting) = stream.waiting_transactions {
        text.push_str(&format!("  {waiting} transactions wait in all\n"));
    }
    match (stream.is_available, &plan.not_checked) {
        (Some(true), _) => text.push_str("  mysql still has the log from there on\n"),
        (Some(false), _) => text.push_str("  mysql cannot send the log from there on\n"),
        (None, Some(why)) => text.push_str(&format!("  mysql could not be asked: {why}\n")),
        (None, None) => {}
    }
    for loss in &plan.losses {
        text.push_str(&format!("  LOSS: {loss}\n"));
    }
    let row = |it: &cdc_source::offsets::TablePlan| {
        [
            it.table.clone(),
            format!("{} -> {}", or_dash(it.from_state.as_ref()), or_dash(it.to_state.as_ref())),
            or_dash(it.last_change.as_ref()),
            it.effect.clone(),
        ]
    };
    let rows: Vec<_> = plan.tables.iter().map(row).collect();
    text + &columns(["TABLE", "STATE", "LAST CHANGE", "EFFECT"], &rows)
}

fn place(place: Option<&Place>, none: &str) -> String {
    let Some(place) = place else { return none.to_owned() };
    let mut text = place.position.clone();
    if (place.event, place.row) != (0, 0) {
        text.push_str(&format!(" event {} row {}", place.event, place.row));
    }
    if let Some(gtids) = &place.gtids {
        text.push_str(&format!(" gtids {gtids}"));
    }
    text
}
