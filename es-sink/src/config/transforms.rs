//! `transforms` and `predicates`: which the sink does by itself, and which records go through.

use std::collections::BTreeMap;

use connect::config::{ConfigError, Settings};
use transform::{Chain, Needs};

use crate::document::folded::may_fold;

/// Debezium's transform that makes a row of an envelope. The sink takes the row out of it anyway.
const UNWRAP: &str = "io.debezium.transforms.ExtractNewRecordState";

/// Kafka Connect's transform that makes a key of one of its columns. That column's text is the
/// document's id anyway; of several columns all are in it, so that no two rows are one document.
const EXTRACT: &str = "org.apache.kafka.connect.transforms.ExtractField$Key";

/// Takes the settings of transforms; empty where they ask for nothing but what the sink does anyway.
/// Also whether plans can do most of it, where they may.
///
/// # Errors
///
/// Returns [`ConfigError`] for a transform that is not known, or settings that it does not take.
pub(super) fn read(
    settings: &mut Settings,
    plans_may: bool,
) -> Result<(BTreeMap<String, String>, bool), ConfigError> {
    let names = names_in(settings);
    let folded: Vec<_> = names.iter().filter(|name| is_folded(settings, name)).cloned().collect();
    if names.len() == folded.len() {
        settings.optional("transforms");
        leave_out(settings, &folded);
        // Predicates that no transform asks for say nothing.
        if !names.is_empty() {
            settings.optional("predicates");
            drop(settings.with_prefix("predicates."));
        }
        return Ok((BTreeMap::new(), false));
    }
    let is_of_key = |name: &&String| class_of(settings, name).as_deref() == Some(EXTRACT);
    let of_key: Vec<_> = folded.iter().filter(is_of_key).cloned().collect();
    let given = connect::config::read_transforms(settings)?;
    let rest = without(given.clone(), &folded);
    let needs = Chain::read(&rest).map(|(chain, _)| chain.needs());
    if needs == Ok(Needs::Topic) {
        // Whether a delete is a record of its own or a tombstone makes no difference to a topic's
        // name.
        leave_out(settings, &folded);
        return Ok((rest, false));
    }
    let rest = without(given.clone(), &of_key);
    if plans_may && Chain::read(&rest).is_ok_and(|(chain, _)| may_fold(&chain)) {
        leave_out(settings, &of_key);
        return Ok((rest, true));
    }
    Ok((given, false))
}

fn class_of(settings: &Settings, name: &str) -> Option<String> {
    settings.peek(&format!("transforms.{name}.type")).map(str::to_owned)
}

fn leave_out(settings: &mut Settings, names: &[String]) {
    for name in names {
        drop(settings.with_prefix(&format!("transforms.{name}.")));
    }
}

/// The settings without these transforms.
fn without(mut given: BTreeMap<String, String>, names: &[String]) -> BTreeMap<String, String> {
    let all = given.get("transforms").cloned().unwrap_or_default();
    let rest: Vec<_> = all.split(',').map(str::trim).collect();
    let rest = rest.into_iter().filter(|name| !names.iter().any(|other| other == name));
    given.insert("transforms".to_owned(), rest.collect::<Vec<_>>().join(","));
    for name in names {
        let prefix = format!("transforms.{name}.");
        given.retain(|key, _| !key.starts_with(&prefix));
    }
    given
}

fn names_in(settings: &Settings) -> Vec<String> {
    let names = settings.peek("transforms").unwrap_or_default().split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Whether documents are the same without this transform.
fn is_folded(settings: &Settings, name: &str) -> bool {
    let prefix = format!("transforms.{name}.");
    let has =
        |key: &str| settings.peek(&format!("{prefix}{key}")).is_some_and(|v| !v.trim().is_empty());
    match settings.peek(&format!("{prefix}type")) {
        _ if has("predicate") => false,
        Some(UNWRAP) => {
            // Whether a delete is a record of its own or a tombstone, the document is deleted
            // once.
            let keeps = ["delete.handling.mode", "delete.tombstone.handling.mode"];
            let keeps = keeps.iter().any(|key| {
                let mode = settings.peek(&format!("{prefix}{key}")).unwrap_or_default();
                mode.trim().starts_with("rewrite")
            });
            let changes =
                ["add.fields", "drop.fields.header.name", "drop.fields.from.key", "route.by.field"];
            !keeps && !changes.into_iter().any(has)
        }
        Some(EXTRACT) => has("field"),
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect::config::Origin;

    fn taken(pairs: &[(&str, &str)]) -> Result<usize, String> {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `s`", Origin::PipelineFile, values);
        let (taken, _) = read(&mut settings, true).map_err(|error| error.to_string())?;
        settings.finish().map_err(|error| error.to_string())?;
        Ok(taken.len())
    }

    const EXAMPLE: [(&str, &str); 5] = [
        ("transforms", "unwrap,key"),
        ("transforms.unwrap.type", UNWRAP),
        ("transforms.unwrap.drop.tombstones", "false"),
        ("transforms.key.type", EXTRACT),
        ("transforms.key.field", "id"),
    ];

    #[test]
    fn debeziums_example_for_elasticsearch_costs_nothing() {
        assert_eq!(taken(&EXAMPLE), Ok(0));
        let unused = [("predicates", "p"), ("predicates.p.type", "RecordIsTombstone")];
        assert_eq!(taken(&[&EXAMPLE[..], &unused].concat()), Ok(0));
        assert_eq!(taken(&[]), Ok(0));
    }

    #[test]
    fn what_changes_documents_is_done() {
        let topic = [
            ("transforms", "r"),
            ("transforms.r.type", "org.apache.kafka.connect.transforms.RegexRouter"),
            ("transforms.r.regex", "a"),
            ("transforms.r.replacement", "b"),
        ];

        assert_eq!(taken(&topic), Ok(4));
        // Beside it, what the sink does anyway is left out.
        let beside = [&EXAMPLE[1..], &topic[1..], &[("transforms", "unwrap,r,key")]].concat();
        assert_eq!(taken(&beside), Ok(4));
        let cast = [
            ("transforms", "unwrap,c"),
            ("transforms.c.type", "org.apache.kafka.connect.transforms.Cast$Value"),
            ("transforms.c.spec", "a:string"),
            EXAMPLE[1],
        ];
        assert_eq!(taken(&cast), Ok(4));
    }

    #[test]
    fn plans_do_what_is_the_same_for_all_rows() {
        let folds = |pairs: &[(&str, &str)], plans_may| {
            let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let mut settings = Settings::new("connector `s`", Origin::PipelineFile, values);
            let (given, folds) = read(&mut settings, plans_may).unwrap();
            settings.finish().unwrap();
            (given.get("transforms").cloned().unwrap_or_default(), folds)
        };
        let mask = [
            ("transforms", "unwrap,key,mask,route"),
            ("transforms.unwrap.type", UNWRAP),
            EXAMPLE[3],
            EXAMPLE[4],
            ("transforms.mask.type", "MaskField$Value"),
            ("transforms.mask.fields", "mail"),
            ("transforms.mask.predicate", "gone"),
            ("transforms.mask.negate", "true"),
            ("predicates", "gone"),
            ("predicates.gone.type", "RecordIsTombstone"),
            ("transforms.route.type", "RegexRouter"),
            ("transforms.route.regex", "a"),
            ("transforms.route.replacement", "b"),
        ];

        // The id of a document is the key's text anyway.
        assert_eq!(folds(&mask, true), ("unwrap,mask,route".to_owned(), true));
        assert_eq!(folds(&mask, false), ("unwrap,key,mask,route".to_owned(), false));
        // Without the predicate `MaskField` refuses the null that a delete has become.
        let bare: Vec<_> = mask
            .iter()
            .filter(|(key, _)| {
                !key.starts_with("transforms.mask.p") && *key != "transforms.mask.negate"
            })
            .copied()
            .collect();
        assert_eq!(folds(&bare, true), ("unwrap,key,mask,route".to_owned(), false));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |pairs: &[(&str, &str)]| taken(pairs).unwrap_err();

        let unknown = [("transforms", "r"), ("transforms.r.type", "com.example.Mine")];
        assert!(error(&unknown).contains("`transforms.r.type`"), "{}", error(&unknown));
        assert!(error(&[("transforms", "t")]).contains("`transforms.t.type`"));
        let stray = [("transforms", "f"), ("transforms.f.type", "Filter"), ("transforms.f.x", "1")];
        assert!(error(&stray).contains("`transforms.f.x` is not a known setting"));
    }
}
