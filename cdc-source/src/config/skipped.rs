//! `skipped.operations`: what is no record.

use connect::config::{ConfigError, Origin, Settings};

use crate::binlog::RowsKind;

/// Operations of which no records are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SkippedOperations {
    create: bool,
    update: bool,
    delete: bool,
    pub(crate) truncate: bool,
}

impl SkippedOperations {
    /// A list of `c`, `u`, `d` and `t`, or `none`. Default `none`; `t` under Debezium's class.
    pub(super) fn read(settings: &mut Settings) -> Result<Self, ConfigError> {
        const KEY: &str = "skipped.operations";
        let by_default = match settings.origin() {
            Origin::PipelineFile => Self::default(),
            Origin::Connect => Self { truncate: true, ..Self::default() },
        };
        let words = settings.list(KEY);
        let mut skipped = if words.is_empty() { by_default } else { Self::default() };
        for word in &words {
            match word.as_str() {
                "c" => skipped.create = true,
                "u" => skipped.update = true,
                "d" => skipped.delete = true,
                "t" => skipped.truncate = true,
                "none" if words.len() == 1 => {}
                _ => return Err(settings.error(KEY, "expected a list of c, u, d and t, or none")),
            }
        }
        Ok(skipped)
    }

    /// Whether the rows of an event are no records.
    pub(crate) fn has(self, kind: RowsKind) -> bool {
        match kind {
            RowsKind::Write => self.create,
            RowsKind::Update | RowsKind::PartialUpdate => self.update,
            RowsKind::Delete => self.delete,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(origin: Origin, list: Option<&str>) -> Result<SkippedOperations, String> {
        let values = list.map(|list| ("skipped.operations".to_owned(), list.to_owned()));
        let mut settings = Settings::new("x", origin, values.into_iter().collect());
        SkippedOperations::read(&mut settings).map_err(|error| error.to_string())
    }

    #[test]
    fn debeziums_class_leaves_truncates_out_and_a_file_of_ours_nothing() {
        let truncate = SkippedOperations { truncate: true, ..SkippedOperations::default() };

        assert_eq!(read(Origin::PipelineFile, None), Ok(SkippedOperations::default()));
        assert_eq!(read(Origin::Connect, None), Ok(truncate));
        assert_eq!(read(Origin::Connect, Some("none")), Ok(SkippedOperations::default()));
        let some = read(Origin::Connect, Some("c, d")).unwrap();
        assert!(some.has(RowsKind::Write) && some.has(RowsKind::Delete));
        assert!(!some.has(RowsKind::Update) && !some.truncate);
        assert!(read(Origin::Connect, Some("none,t")).unwrap_err().contains("c, u, d and t"));
        assert!(read(Origin::PipelineFile, Some("r")).is_err());
    }
}
