//! The settings of Confluent's sink (15) and of Aiven's for OpenSearch (3), and what becomes of each.

use std::sync::LazyLock;

use connect::definition::{Definitions, Wording, of_sinks};

static CONFLUENTS: LazyLock<Definitions> = LazyLock::new(|| {
    let tables = (
        include_str!("definitions/confluent.tsv"),
        include_str!("definitions/confluent-verdicts.tsv"),
    );
    Definitions::parse(tables, Wording::Connect, Some(of_sinks()))
});

static AIVENS: LazyLock<Definitions> = LazyLock::new(|| {
    let tables =
        (include_str!("definitions/aiven.tsv"), include_str!("definitions/aiven-verdicts.tsv"));
    Definitions::parse(tables, Wording::Connect, Some(of_sinks()))
});

/// What `ElasticsearchSinkConnector` has.
pub(crate) fn confluents() -> &'static Definitions {
    &CONFLUENTS
}

/// What `OpenSearchSinkConnector` has.
pub(crate) fn aivens() -> &'static Definitions {
    &AIVENS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_tables_can_be_read() {
        assert_eq!(confluents().unreadable(), Vec::<&str>::new());
        assert_eq!(aivens().unreadable(), Vec::<&str>::new());
    }
}
