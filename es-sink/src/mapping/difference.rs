//! What an index has, beside what the records need.

use schema::plan::document::{DocumentField, FieldKind};
use serde_json::{Map, Value, json};

use super::field_type::{FieldTypes, type_of};
use crate::error::FieldConflict;

/// What is to be added to a mapping, and what cannot be.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// The properties that are missing.
    pub(super) missing: Map<String, Value>,
    /// All fields that cannot hold what the records have.
    pub(super) conflicts: Vec<FieldConflict>,
}

/// An index's properties, and whether rowcast has made them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Existing<'a> {
    pub(super) properties: &'a Map<String, Value>,
    /// A field that somebody else has made is left as it is.
    pub(super) is_ours: bool,
}

impl Difference {
    /// Compares all fields; `path` is the table's.
    pub(super) fn of(
        existing: Existing<'_>,
        path: &str,
        fields: &[DocumentField],
        types: &FieldTypes,
    ) -> Self {
        let mut difference = Self::default();
        for field in fields {
            let path = format!("{path}.{}", field.name);
            let name = field.name.to_string();
            let Some(property) = existing.properties.get(&name) else {
                difference.missing.insert(name, types.property(&path, &field.kind));
                continue;
            };
            if let Some(conflict) = conflict(property, &path, field, types) {
                difference.conflicts.push(conflict);
                continue;
            }
            let inner = difference.within(field, property, (existing.is_ours, &path), types);
            let improved = || {
                let is_ours = existing.is_ours;
                is_ours.then(|| types.improved(&path, &field.kind, property)).flatten()
            };
            if let Some(addition) = inner.or_else(improved) {
                difference.missing.insert(name, addition);
            }
        }
        difference
    }

    /// The same for the fields of an object, unless the user has said what it is as a whole.
    fn within(
        &mut self,
        outer: &DocumentField,
        property: &Value,
        (is_ours, path): (bool, &str),
        types: &FieldTypes,
    ) -> Option<Value> {
        if types.chosen(path).is_some() {
            return None;
        }
        let fields = inner_fields(&outer.kind)?;
        let empty = Map::new();
        let properties = property.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let inner = Self::of(Existing { properties, is_ours }, path, fields, types);
        let named = inner.conflicts.into_iter().map(|conflict| FieldConflict {
            field: format!("{}.{}", outer.name, conflict.field).into(),
            ..conflict
        });
        self.conflicts.extend(named);
        (!inner.missing.is_empty()).then(|| json!({ "properties": inner.missing }))
    }
}

fn inner_fields(kind: &FieldKind) -> Option<&[DocumentField]> {
    match kind {
        FieldKind::Object(fields) => Some(fields),
        FieldKind::Array(kind) => inner_fields(kind),
        FieldKind::Boolean
        | FieldKind::Byte
        | FieldKind::Short
        | FieldKind::Integer
        | FieldKind::Long
        | FieldKind::Year
        | FieldKind::Float
        | FieldKind::Double
        | FieldKind::Decimal { .. }
        | FieldKind::Text
        | FieldKind::Keyword
        | FieldKind::Date
        | FieldKind::DateNanos
        | FieldKind::Time
        | FieldKind::Bytes
        | FieldKind::Json
        | FieldKind::GeoPoint
        | FieldKind::GeoShape
        | FieldKind::Map => None,
    }
}

fn conflict(
    property: &Value,
    path: &str,
    field: &DocumentField,
    types: &FieldTypes,
) -> Option<FieldConflict> {
    let wanted = types.property(path, &field.kind);
    let (found, wanted) = (type_of(property), type_of(&wanted));
    let is_chosen = types.chosen(path).is_some();
    if found == wanted || (!is_chosen && types.also_takes(&field.kind).contains(&found)) {
        return None;
    }
    let wanted = match is_chosen {
        true => format!("{wanted} as `index.mapping.override` says"),
        false => format!("{wanted} for a {}", field.kind),
    };
    Some(FieldConflict { field: field.name.clone(), found: found.into(), wanted: wanted.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::testing::index_config;
    use proptest::prelude::*;

    fn field(name: &str, kind: FieldKind) -> DocumentField {
        DocumentField { name: name.into(), kind, nullable: true }
    }

    fn difference(existing: &Value, fields: &[DocumentField], is_ours: bool) -> Difference {
        let types = FieldTypes::new(&index_config(&[("index.mapping.override.t.ip", "ip")]));
        let properties = existing.as_object().unwrap();
        Difference::of(Existing { properties, is_ours }, "t", fields, &types)
    }

    #[test]
    fn a_new_column_is_added_and_the_others_are_left_alone() {
        let existing = json!({"a": {"type": "long"}, "user": {"type": "ip"}});
        let fields = [field("a", FieldKind::Integer), field("b", FieldKind::Date)];

        let found = difference(&existing, &fields, true);

        assert_eq!(Value::from(found.missing), json!({"b": {"type": "date"}}));
        assert_eq!(found.conflicts, []);
    }

    #[test]
    fn all_conflicts_are_found_with_both_types() {
        let existing = json!({
            "g": {"properties": {"n": {"type": "integer"}}}, "d": {"type": "boolean"},
            "ip": {"type": "keyword"},
        });
        let object = |kind| FieldKind::Object(Box::new([field("n", kind)]));
        let fields = [
            field("g", object(FieldKind::Long)),
            field("d", FieldKind::Date),
            field("ip", FieldKind::Text),
        ];

        let conflicts = difference(&existing, &fields, true).conflicts;

        let told: Vec<String> = conflicts.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "field `g.n` as integer, expected long for a 64-bit number",
                "field `d` as boolean, expected date for a date",
                "field `ip` as keyword, expected ip as `index.mapping.override` says",
            ]
        );
        let small = [field("g", object(FieldKind::Short))];
        assert_eq!(difference(&existing, &small, true).conflicts, []);
    }

    #[test]
    fn objects_get_the_fields_that_they_lack() {
        let existing = json!({"g": {"properties": {"wkb": {"type": "binary"}}}});
        let fields = [field("wkb", FieldKind::Bytes), field("srid", FieldKind::Integer)];
        let fields = [field("g", FieldKind::Object(Box::new(fields)))];

        let missing = difference(&existing, &fields, true).missing;

        assert_eq!(
            Value::from(missing),
            json!({"g": {"properties": {"srid": {"type": "integer"}}}})
        );
    }

    /// An ENUM that has become a text may be longer than a keyword can be.
    #[test]
    fn a_field_of_ours_is_made_fit_for_longer_texts_and_no_other() {
        let existing = json!({"e": {"type": "keyword", "norms": true}, "t": {"type": "text"}});
        let fields = [field("e", FieldKind::Text), field("t", FieldKind::Text)];

        let missing = difference(&existing, &fields, true).missing;

        let keyword = json!({"type": "keyword", "norms": true, "ignore_above": 8191});
        assert_eq!(missing["e"], keyword);
        assert_eq!(missing["t"]["fields"]["keyword"]["type"], "keyword");
        assert!(difference(&existing, &fields, false).missing.is_empty());
    }

    fn any_kind() -> impl Strategy<Value = FieldKind> {
        prop_oneof![
            Just(FieldKind::Boolean),
            Just(FieldKind::Byte),
            Just(FieldKind::Long),
            Just(FieldKind::Year),
            Just(FieldKind::Text),
            Just(FieldKind::Keyword),
            Just(FieldKind::Date),
            Just(FieldKind::Json),
            Just(FieldKind::GeoShape),
            Just(FieldKind::Array(Box::new(FieldKind::Float))),
            Just(FieldKind::Decimal { precision: Some(20), scale: Some(0) }),
        ]
        .prop_recursive(2, 8, 3, |inner| {
            let fields = prop::collection::btree_map("[a-c]", inner, 1..3);
            fields.prop_map(|fields| {
                FieldKind::Object(fields.into_iter().map(|(n, kind)| field(&n, kind)).collect())
            })
        })
    }

    proptest! {
        /// What is made for some fields needs nothing more for them, and is never in conflict.
        #[test]
        fn a_mapping_is_complete_for_the_fields_that_it_was_made_for(
            kinds in prop::collection::btree_map("[a-f]", any_kind(), 0..6), absent: bool,
        ) {
            let fields: Vec<_> = kinds.into_iter().map(|(name, kind)| field(&name, kind)).collect();
            let types = FieldTypes::new(&index_config(&[]));
            let mut server = types.clone();
            if absent {
                for name in ["unsigned_long", "flattened", "geo_shape"] {
                    server.forget(name);
                }
            }
            let properties = server.properties("t", &fields);

            // The next start knows nothing of what the server lacks.
            let existing = Existing { properties: &properties, is_ours: true };
            let found = Difference::of(existing, "t", &fields, &types);

            prop_assert_eq!(found.conflicts, []);
            prop_assert!(found.missing.is_empty(), "{:?}", found.missing);
        }
    }
}
