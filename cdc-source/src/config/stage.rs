//! Whether records go through the generic path: transforms that do not fold into the plans, and
//! converters that are not Avro.

use std::collections::BTreeMap;

use connect::config::{ConfigError, Settings};
use connect::converter::{Converter, Converters};

/// What records go through after the plans have written them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StageConfig {
    /// `transforms`, `predicates` and all below them; empty where they are folded into the plans.
    pub(crate) transforms: BTreeMap<String, String>,
    /// `key.converter`, `value.converter` and `header.converter`.
    pub(crate) converters: Converters,
    /// `errors.tolerance` is `all`: a record that cannot be transformed or converted is skipped.
    /// Default `none`: it ends the task.
    pub(crate) tolerates: bool,
}

impl StageConfig {
    /// What is asked for; none where the plans do it all.
    pub(super) fn read(
        settings: &mut Settings,
        transforms: BTreeMap<String, String>,
        converters: Converters,
    ) -> Result<Option<Self>, ConfigError> {
        let choices = [("none", false), ("all", true)];
        let tolerates = settings.choice("errors.tolerance", false, &choices)?;
        let is_plain = transforms.is_empty() && converters == Converters::default();
        Ok((!is_plain).then_some(Self { transforms, converters, tolerates }))
    }
}

/// Whether any of the converters needs a registry.
pub(super) fn need_registry(converters: Converters) -> bool {
    let needs = |converter| matches!(converter, Converter::Avro | Converter::Registered(_));
    [converters.key, converters.value].into_iter().any(needs)
}
