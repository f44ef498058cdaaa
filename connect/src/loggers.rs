//! How much is logged, changed while the process runs: Kafka Connect's `/admin/loggers`.
//!
//! Names are modules (`cdc_source`, `es_sink::bulk`) or `root`, levels those of log4j where it and we
//! know the same.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::clock::since_epoch;

/// Takes new directives, as `RUST_LOG` has them; says what is wrong with them.
pub type Reload = Box<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// The levels of one process.
struct Loggers {
    reload: Reload,
    levels: Mutex<BTreeMap<String, Level>>,
}

/// What is logged of a module and those below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR` or `OFF`.
    pub name: String,
    /// Since when, in milliseconds since 1970; none if it is from the start.
    pub changed_at_ms: Option<u64>,
}

static LOGGERS: OnceLock<Loggers> = OnceLock::new();

/// The logger that stands for all others.
pub const ROOT: &str = "root";

/// Says how levels are changed, and which hold now: once, at the start of a process. `directives`
/// are those of `RUST_LOG`.
pub fn install(directives: &str, reload: Reload) {
    let mut levels = BTreeMap::new();
    for directive in directives.split(',').map(str::trim) {
        let (logger, level) = directive.split_once('=').unwrap_or((ROOT, directive));
        if let Some(name) = parse(level) {
            let level = Level { name: name.to_owned(), changed_at_ms: None };
            levels.insert(logger.to_owned(), level);
        }
    }
    levels.entry(ROOT.to_owned()).or_insert(Level { name: "INFO".to_owned(), changed_at_ms: None });
    // A second start in one process would be a test's.
    drop(LOGGERS.set(Loggers { reload, levels: Mutex::new(levels) }));
}

/// All loggers whose level was chosen.
pub(crate) fn all() -> BTreeMap<String, Level> {
    LOGGERS.get().map(|loggers| lock(&loggers.levels).clone()).unwrap_or_default()
}

/// A level's name as it is written here; none if there is no such level.
pub(crate) fn parse(level: &str) -> Option<&'static str> {
    const LEVELS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "OFF"];
    let level = level.trim();
    if level.eq_ignore_ascii_case("FATAL") {
        return Some("ERROR");
    }
    LEVELS.into_iter().find(|known| level.eq_ignore_ascii_case(known))
}

/// Whether a name can be a logger's: a module of ours or of a library, in Rust's form.
pub(crate) fn is_logger(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "_:.".contains(c);
    !name.is_empty() && name.len() <= 200 && name.chars().all(is_letter)
}

/// Sets the level of a logger, and of all whose chosen level is below its name; which those are.
pub(crate) fn set(logger: &str, level: &str) -> Vec<String> {
    let (Some(loggers), Some(level)) = (LOGGERS.get(), parse(level)) else { return Vec::new() };
    if !is_logger(logger) {
        return Vec::new();
    }
    let mut levels = lock(&loggers.levels);
    let now = u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX);
    let level = Level { name: level.to_owned(), changed_at_ms: Some(now) };
    let is_below = |name: &str| {
        logger == ROOT || name.strip_prefix(logger).is_some_and(|rest| rest.starts_with(':'))
    };
    let mut changed = vec![logger.to_owned()];
    for (name, old) in levels.iter_mut().filter(|(name, _)| is_below(name)) {
        *old = level.clone();
        if name != logger {
            changed.push(name.clone());
        }
    }
    levels.insert(logger.to_owned(), level);
    let directives: Vec<_> = levels
        .iter()
        .map(|(name, level)| match &**name {
            ROOT => level.name.to_lowercase(),
            name => format!("{}={}", name.replace('.', "::"), level.name.to_lowercase()),
        })
        .collect();
    if let Err(problem) = (loggers.reload)(&directives.join(",")) {
        tracing::warn!(logger, problem, "the level of a logger cannot be changed");
    }
    changed
}

/// A map that is only read and inserted into is whole even after a panic elsewhere.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_level_holds_for_what_is_below_a_logger() {
        let told = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&told);
        install(
            "warn,es_sink::bulk=error,es_sinks=debug",
            Box::new(move |directives| {
                directives.clone_into(&mut lock(&seen));
                Ok(())
            }),
        );

        assert_eq!(set("es_sink", "debug"), ["es_sink", "es_sink::bulk"]);
        assert_eq!(*lock(&told), "es_sink=debug,es_sink::bulk=debug,es_sinks=debug,warn");
        assert_eq!(set("es_sink", "loud"), Vec::<String>::new());
        assert_eq!(set("a=b,c", "info"), Vec::<String>::new());
        assert_eq!(set(ROOT, "INFO").len(), 4);
        assert_eq!(all()["es_sinks"].name, "INFO");
    }
}
