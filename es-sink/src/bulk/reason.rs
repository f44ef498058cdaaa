//! What Elasticsearch's words say beside the type of an error. They are for people and may quote the
//! row, so nothing but a column's name is taken from them.

/// Errors that condemn one document and nothing else, by `error.type`. OpenSearch and Elasticsearch
/// before 8.8 have `mapper_parsing_exception`, later ones `document_parsing_exception`.
const DOCUMENT_FAULTS: [&str; 3] =
    ["document_parsing_exception", "mapper_parsing_exception", "strict_dynamic_mapping_exception"];

/// The same of `illegal_argument_exception`, which is also `Limit of total fields [1000] has been
/// exceeded` and would condemn every later document.
const ARGUMENT: &str = "illegal_argument_exception";
const ARGUMENT_FAULTS: [&str; 2] =
    ["Document contains at least one immense term in field=", "Document is too large"];

/// What stands before a field's name. A quotation of the row comes later in the text.
const BEFORE_FIELD: [&str; 5] = [
    "failed to parse field [",
    "object mapping for [",
    "dynamic introduction of [",
    "immense term in field=\"",
    "Cannot write to a field alias [",
];

/// Whether an error condemns this document only.
pub(super) fn is_about_the_document(kind: &str, reason: &str) -> bool {
    DOCUMENT_FAULTS.contains(&kind)
        || (kind == ARGUMENT && ARGUMENT_FAULTS.iter().any(|begin| reason.starts_with(begin)))
}

/// The column that an error is about. Of a path only the first name: what is below it are keys of a
/// JSON column, which are values.
pub(super) fn column(reason: &str) -> Option<&str> {
    let found = BEFORE_FIELD.iter().filter_map(|before| {
        let start = reason.find(before)?;
        Some((start, reason.get(start + before.len()..)?))
    });
    let (_, rest) = found.min_by_key(|(start, _)| *start)?;
    let end = rest.find([']', '"', '.'])?;
    rest.get(..end).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Elasticsearch 9.5.3, 7.17 and OpenSearch word them.
    #[test]
    fn the_column_is_the_first_name_of_the_path_that_the_server_names() {
        for (reason, expected) in [
            (
                "[1:15] failed to parse field [n] of type [long] in document with id 'failed to \
                 parse field [x]'. Preview of field's value: 'abc'",
                Some("n"),
            ),
            ("failed to parse field [doc.a.b] of type [date] in document with id '1'", Some("doc")),
            (
                "[1:7] object mapping for [a] tried to parse field [a] as object, but found a \
                 concrete value",
                Some("a"),
            ),
            (
                "[1:2] mapping set to strict, dynamic introduction of [z] within [_doc] is not \
                 allowed",
                Some("z"),
            ),
            (
                "Document contains at least one immense term in field=\"body\" (whose UTF8 encoding \
                 is longer than the max length 32766)",
                Some("body"),
            ),
            ("failed to parse", None),
            ("failed to parse field []", None),
            ("failed to parse field [n", None),
        ] {
            assert_eq!(column(reason), expected, "{reason}");
        }
    }

    #[test]
    fn an_error_about_the_index_is_not_about_the_document() {
        let limit = "Limit of total fields [1000] has been exceeded";
        let term = "Document contains at least one immense term in field=\"b\"";

        assert!(is_about_the_document("mapper_parsing_exception", ""));
        assert!(is_about_the_document(ARGUMENT, term));
        assert!(!is_about_the_document(ARGUMENT, limit));
        assert!(!is_about_the_document("index_not_found_exception", term));
    }
}
