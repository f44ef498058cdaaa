//! Names of tables as the server has them: in statements they stay as they were typed.

use schema::table::TableId;

/// How a server writes names of databases and tables (`lower_case_table_names`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameCase {
    /// As they were typed, or compared without their case and shown as they were first typed.
    Kept,
    /// All small.
    Lower,
}

impl NameCase {
    /// By the setting of a server.
    pub(crate) fn of_setting(lower_case_table_names: &str) -> Self {
        if lower_case_table_names == "1" { Self::Lower } else { Self::Kept }
    }

    /// The name of a database or table.
    pub(crate) fn name(self, typed: &str) -> String {
        match self {
            Self::Kept => typed.to_owned(),
            Self::Lower => typed.to_lowercase(),
        }
    }

    /// A table with its database.
    pub(crate) fn table(self, typed: &TableId) -> TableId {
        TableId::new(self.name(&typed.database), self.name(&typed.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_small_where_the_server_does() {
        let typed = TableId::new("Shop", "ÄRger");

        assert_eq!(NameCase::of_setting("1").table(&typed), TableId::new("shop", "ärger"));
        assert_eq!(NameCase::of_setting("0").table(&typed), typed);
        assert_eq!(NameCase::of_setting("2").table(&typed), typed);
    }
}
