//! The form of the tables: a line each, columns with tabs between them, `#` before remarks.

use super::{Check, ConfigKey, ConfigType, Importance, Width};

/// Reads each line; gives also those that cannot be read.
pub(super) fn rows<T>(
    text: &'static str,
    read: impl Fn(&'static str) -> Option<T>,
) -> (Vec<T>, Vec<&'static str>) {
    let (mut rows, mut unreadable) = (Vec::new(), Vec::new());
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match read(line) {
            Some(row) => rows.push(row),
            None => unreadable.push(line),
        }
    }
    (rows, unreadable)
}

/// Reads a definition: name, type, default, importance, group, order, width, display name,
/// dependents, checks. `-` is none, `!` a default that is none because the setting is required, and
/// `""` empty text.
pub(super) fn key(line: &'static str) -> Option<ConfigKey> {
    let columns: Vec<&'static str> = line.split('\t').collect();
    let &[name, kind, default, importance, group, order, width, display, dependents, checks] =
        columns.as_slice()
    else {
        return None;
    };
    Some(ConfigKey {
        name,
        kind: named(kind, &TYPES)?,
        default: given(default).filter(|default| *default != "!").map(unquoted),
        is_required: default == "!",
        importance: named(importance, &IMPORTANCES)?,
        group: given(group),
        order: order.parse().ok()?,
        width: named(width, &WIDTHS)?,
        display_name: display,
        dependents: given(dependents).map(|list| list.split(',').collect()).unwrap_or_default(),
        checks: given(checks)
            .map_or(Some(Vec::new()), |all| all.split(' ').map(check).collect())?,
    })
}

fn check(word: &'static str) -> Option<Check> {
    Some(match word {
        "required" => Check::Required,
        "positive" => Check::Positive,
        "hidden" => Check::Hidden,
        _ => match word.strip_prefix(">=") {
            Some(least) => Check::AtLeast(least.parse().ok()?),
            None if word.contains('|') => Check::OneOf(word.split('|').collect()),
            None => return None,
        },
    })
}

/// A column that is not `-`.
pub(super) fn given(column: &'static str) -> Option<&'static str> {
    (column != "-").then_some(column)
}

fn unquoted(text: &'static str) -> &'static str {
    if text == "\"\"" { "" } else { text }
}

fn named<T: Copy>(word: &str, all: &[(&str, T)]) -> Option<T> {
    all.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
}

const TYPES: [(&str, ConfigType); 8] = [
    ("BOOLEAN", ConfigType::Boolean),
    ("STRING", ConfigType::String),
    ("SHORT", ConfigType::Short),
    ("INT", ConfigType::Int),
    ("LONG", ConfigType::Long),
    ("LIST", ConfigType::List),
    ("CLASS", ConfigType::Class),
    ("PASSWORD", ConfigType::Password),
];
const IMPORTANCES: [(&str, Importance); 3] =
    [("HIGH", Importance::High), ("MEDIUM", Importance::Medium), ("LOW", Importance::Low)];
const WIDTHS: [(&str, Width); 4] = [
    ("NONE", Width::None),
    ("SHORT", Width::Short),
    ("MEDIUM", Width::Medium),
    ("LONG", Width::Long),
];
