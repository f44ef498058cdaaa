//! The settings of Debezium's connector (3.6), and what becomes of each.

use std::sync::LazyLock;

use connect::definition::{Definitions, Wording, of_sources};

static DEFINITIONS: LazyLock<Definitions> = LazyLock::new(|| {
    let tables =
        (include_str!("definitions/debezium.tsv"), include_str!("definitions/verdicts.tsv"));
    Definitions::parse(tables, Wording::Debezium, Some(of_sources()))
});

/// What `MySqlConnector` has.
pub(crate) fn definitions() -> &'static Definitions {
    &DEFINITIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_tables_can_be_read() {
        assert_eq!(definitions().unreadable(), Vec::<&str>::new());
    }
}
