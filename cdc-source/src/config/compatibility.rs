//! What is done about a definition whose schema the registry does not take as a new version.

use connect::config::{ConfigError, Settings};

use super::policy::TablePolicy;
use super::stage::StageConfig;

/// What happens to a table whose new schema is not compatible with the subject's versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incompatible {
    /// It is parked before its first row in the new form.
    Park,
    /// The source stops before it.
    Halt,
    /// The subject's compatibility is set to `NONE`, which takes it.
    Allow,
}

const POLICIES: [(&str, Incompatible); 3] =
    [("park", Incompatible::Park), ("halt", Incompatible::Halt), ("allow", Incompatible::Allow)];

const SETTING: &str = "schema.incompatible";
const LISTS: [(&str, Incompatible); 3] = [
    ("schema.incompatible.park.tables", Incompatible::Park),
    ("schema.incompatible.halt.tables", Incompatible::Halt),
    ("schema.incompatible.allow.tables", Incompatible::Allow),
];

/// `schema.incompatible`, and its lists of tables.
///
/// With a stage a schema is only known by the record that has it, so that record is a failed one.
/// What is asked for and would not be done is refused.
pub(super) fn read(
    settings: &mut Settings,
    stage: Option<&StageConfig>,
) -> Result<TablePolicy<Incompatible>, ConfigError> {
    let mut keys = [SETTING].into_iter().chain(LISTS.map(|(key, _)| key));
    let is_done = |key: &str, tolerates: bool| {
        let value = settings.peek(key).map(str::trim).unwrap_or_default();
        value.is_empty() || key == SETTING && value.eq_ignore_ascii_case("halt") && !tolerates
    };
    if let Some(stage) = stage
        && let Some(key) = keys.find(|key| !is_done(key, stage.tolerates))
    {
        let problem = "has no effect beside transforms that do not fold and converters other than \
                       Avro, where a record whose schema the registry does not take is a failed one: \
                       leave it out, `errors.tolerance` says whether the task ends";
        return Err(settings.error(key, problem));
    }
    TablePolicy::read(settings, (SETTING, Incompatible::Park), &POLICIES, &LISTS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use connect::config::Origin;
    use connect::converter::Converters;

    use super::*;

    fn read(pairs: &[(&str, &str)], tolerates: Option<bool>) -> Result<(), String> {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `x`", Origin::PipelineFile, values);
        let (transforms, converters) = (BTreeMap::default(), Converters::default());
        let stage = tolerates.map(|tolerates| StageConfig { transforms, converters, tolerates });
        let read = super::read(&mut settings, stage.as_ref());
        read.map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn what_the_generic_path_does_not_do_is_refused() {
        let (allow, halt) = ((SETTING, "allow"), (SETTING, "halt"));

        assert_eq!(read(&[allow], None), Ok(()));
        assert_eq!(read(&[], Some(true)), Ok(()));
        assert_eq!(read(&[halt], Some(false)), Ok(()));
        for (given, tolerates) in
            [(allow, false), (halt, true), ((SETTING, "park"), false), ((LISTS[1].0, "a.b"), false)]
        {
            let refused = read(&[given], Some(tolerates)).unwrap_err();
            assert!(refused.contains(given.0) && refused.contains("errors.tolerance"), "{refused}");
        }
    }
}
