//! Settings about indices.

mod overrides;

use std::collections::BTreeMap;

use connect::config::{ConfigError, Settings};
use schema::plan::document::{DocumentOptions, GeometryForm, JsonForm};
use serde_json::Value;

pub use overrides::Overrides;

use super::append::is_append;
use crate::mapping::IndexTemplate;

/// What an index is made of.
#[derive(Debug, Clone)]
pub struct IndexConfig {
    /// `index.name`: template with `{topic}`, `{database}` and `{table}`, lower-cased. Default
    /// `{topic}`, Confluent's.
    pub name: IndexTemplate,
    /// `index.alias`: whether that is an alias, and the index behind it has a generation:
    /// `NAME-000001`. Default `true`, so that a rebuilt index can take its place at once. An index
    /// of that name that is there already is used as it is.
    pub alias: bool,
    /// `index.adopt`: whether an index with documents that rowcast cannot vouch for is taken.
    /// Default `false`.
    pub adopt: bool,
    /// `index.shared`: whether several topics write to one index. Then ids begin with the topic and
    /// each document has it in the field `__topic`. Default `false`: two topics whose names make
    /// the same index halt.
    pub shared: bool,
    /// `index.settings.*`: settings of indices that the sink creates. `gc_deletes` is `1h` unless
    /// it is set here: Elasticsearch forgets the version of a deleted document after that time,
    /// and an older write that came later would bring the document back.
    pub settings: BTreeMap<String, String>,
    /// `index.template`: an index template that is put under the connector's name before the first
    /// index is made. Default none.
    pub template: Option<Value>,
    /// `index.bulk.load`: whether an index that a snapshot fills is not refreshed and has no
    /// replicas meanwhile. Default `false`: nobody would find a document before the end.
    pub bulk_load: bool,
    /// `write.method` = `append`: whether every change is kept. Then nothing is ever deleted.
    pub append: bool,
    /// `behavior.on.delete`: whether a deleted row leaves a document with `__deleted` (`soft`), which
    /// the alias does not show. Default `delete`.
    pub soft_delete: bool,
    /// `index.mapping.override.*`: what single fields are. Wins over all below.
    pub overrides: Overrides,
    /// What kinds of columns are in the index.
    pub types: TypeChoices,
}

/// What kinds of columns are in the index, where the schema leaves a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeChoices {
    /// `decimal.type`: what decimals are. Default `double`.
    pub decimal: DecimalType,
    /// `json.type`: what JSON columns are. Default `flattened`.
    pub json: JsonType,
    /// `string.type`: what texts are. Default `text_keyword`.
    pub string: StringType,
    /// `geometry.type`: what geometries are. Default `object`.
    pub geometry: GeometryType,
    /// `vector.type`: what vectors are. Default `float`.
    pub vector: VectorType,
    /// `vector.dims`: how many numbers each vector has, 0 to 16,383 (MySQL's most). Default 0:
    /// as many as the first one.
    pub vector_dims: u16,
}

/// What decimals are in the index. The document has all digits in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalType {
    /// `double`: numbers that can be compared and added up, exact to 15 digits. Confluent's.
    Double,
    /// `keyword`: compared as texts, exact.
    Keyword,
    /// `scaled_float` with the column's scale: exact to 18 digits.
    ScaledFloat,
}

/// What JSON columns are in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonType {
    /// `flattened`: one field that finds any key, however many keys there are. It takes objects
    /// only, so other values are written as `{"value": …}`.
    Flattened,
    /// `object`: a field for each key, as it comes. Takes objects only, too.
    Object,
    /// `stored`: kept in the document as it is, not searchable.
    Stored,
}

/// What texts are in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StringType {
    /// `text_keyword`: searched by words, and as a whole under `.keyword`. Elasticsearch's own
    /// choice, and Confluent's.
    TextKeyword,
    /// `text`: searched by words.
    Text,
    /// `keyword`: compared as a whole.
    Keyword,
    /// `wildcard`: searched by parts of any length.
    Wildcard,
    /// `match_only_text`: searched by words, without their number and places.
    MatchOnlyText,
}

/// What geometries are in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GeometryType {
    /// `object`: Debezium's: `wkb` in base64, `srid`, and `x` and `y` of a point.
    Object,
    /// `geo`: a point is a `geo_point`, any other a `geo_shape`.
    Geo,
}

/// What vectors are in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorType {
    /// `float`: a list of numbers.
    Float,
    /// `dense_vector`: Elasticsearch's.
    DenseVector,
    /// `knn_vector`: OpenSearch's.
    KnnVector,
}

impl IndexConfig {
    pub(super) fn from_settings(settings: &mut Settings) -> Result<Self, ConfigError> {
        let template = settings.text("index.name", "{topic}");
        let name = IndexTemplate::parse(&template)
            .map_err(|problem| settings.error("index.name", problem))?;
        Ok(Self {
            name,
            alias: settings.boolean("index.alias", true)?,
            adopt: settings.boolean("index.adopt", false)?,
            shared: settings.boolean("index.shared", false)?,
            settings: settings.with_prefix("index.settings."),
            template: index_template(settings)?,
            bulk_load: settings.boolean("index.bulk.load", false)?,
            append: is_append(settings)?,
            soft_delete: settings.choice(
                "behavior.on.delete",
                false,
                &[("delete", false), ("soft", true)],
            )?,
            overrides: Overrides::from_settings(settings)?,
            types: TypeChoices::from_settings(settings)?,
        })
    }
}

impl TypeChoices {
    /// What they mean for documents.
    pub(crate) fn document_options(self) -> DocumentOptions {
        let json = match self.json {
            JsonType::Flattened | JsonType::Object => JsonForm::ObjectsOnly,
            JsonType::Stored => JsonForm::Verbatim,
        };
        let geometry = match self.geometry {
            GeometryType::Object => GeometryForm::Object,
            GeometryType::Geo => GeometryForm::Geo,
        };
        DocumentOptions { json, geometry }
    }

    fn from_settings(settings: &mut Settings) -> Result<Self, ConfigError> {
        let choices = Self {
            decimal: settings.choice(
                "decimal.type",
                DecimalType::Double,
                &[
                    ("double", DecimalType::Double),
                    ("keyword", DecimalType::Keyword),
                    ("scaled_float", DecimalType::ScaledFloat),
                ],
            )?,
            json: settings.choice(
                "json.type",
                JsonType::Flattened,
                &[
                    ("flattened", JsonType::Flattened),
                    ("object", JsonType::Object),
                    ("stored", JsonType::Stored),
                ],
            )?,
            string: settings.choice(
                "string.type",
                StringType::TextKeyword,
                &[
                    ("text_keyword", StringType::TextKeyword),
                    ("text", StringType::Text),
                    ("keyword", StringType::Keyword),
                    ("wildcard", StringType::Wildcard),
                    ("match_only_text", StringType::MatchOnlyText),
                ],
            )?,
            geometry: settings.choice(
                "geometry.type",
                GeometryType::Object,
                &[("object", GeometryType::Object), ("geo", GeometryType::Geo)],
            )?,
            vector: settings.choice(
                "vector.type",
                VectorType::Float,
                &[
                    ("float", VectorType::Float),
                    ("dense_vector", VectorType::DenseVector),
                    ("knn_vector", VectorType::KnnVector),
                ],
            )?,
            vector_dims: settings.integer("vector.dims", 0, 0..=16_383)?,
        };
        if choices.vector == VectorType::KnnVector && choices.vector_dims == 0 {
            return Err(settings.error("vector.dims", "is required by `vector.type`: knn_vector"));
        }
        Ok(choices)
    }
}

/// The body of a `PUT _index_template`. A file comes in by `${file:…}`.
fn index_template(settings: &mut Settings) -> Result<Option<Value>, ConfigError> {
    let Some(text) = settings.optional("index.template") else { return Ok(None) };
    match serde_json::from_str::<Value>(&text) {
        Ok(template) if template.get("index_patterns").is_some() => Ok(Some(template)),
        // Which indices it is for is not guessed: `{topic}` alone would be all of them.
        Ok(_) | Err(_) => {
            let problem = "expected the JSON of an index template, with `index_patterns`";
            Err(settings.error("index.template", problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect::config::Origin;

    fn parse(pairs: &[(&str, &str)]) -> Result<IndexConfig, String> {
        let values = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut settings = Settings::new("connector `s`", Origin::PipelineFile, values);
        IndexConfig::from_settings(&mut settings).map_err(|error| error.to_string())
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_its_name() {
        let error = |pairs: &[(&str, &str)]| parse(pairs).unwrap_err();

        assert!(error(&[("index.template", "[]")]).contains("`index.template` expected the JSON"));
        assert!(error(&[("index.template", "{}")]).contains("with `index_patterns`"));
        assert!(error(&[("vector.type", "knn_vector")]).contains("`vector.dims` is required"));
        assert!(error(&[("string.type", "varchar")]).contains("expected one of text_keyword"));
        let template = parse(&[("index.template", r#"{"index_patterns": "a*"}"#)]);
        assert_eq!(template.unwrap().template.unwrap()["index_patterns"], "a*");
    }
}
