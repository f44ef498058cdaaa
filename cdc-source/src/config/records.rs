//! The settings that decide what records look like, by Debezium's names.

use std::collections::BTreeMap;
use std::sync::Arc;

use connect::config::{ConfigError, Origin, Settings, read_transforms};
use regex::Regex;
use schema::names::NameAdjustment;
use schema::plan::record::{
    AddedField, ColumnChoice, DeleteHandling, FlatOptions, Format, HashAlgorithm, PlanOptions,
    ValueRule,
};
use schema::table::{Column, Declaration, TableId};
use schema::types::{
    BinaryMode, ConversionFailure, DecimalMode, Fidelity, Origin as RowOrigin, SchemaStyle,
    TimePrecision, UnsignedBigInt, ValueOptions,
};

use super::ColumnFilter;
use super::transforms::{Routes, fold};

/// What records look like.
#[derive(Clone)]
pub(crate) struct RecordConfig {
    /// How values are written.
    pub(crate) values: ValueOptions,
    /// `field.name.adjustment.mode`: `avro` (default in a pipeline file), `avro_unicode`, `none`.
    field_names: NameAdjustment,
    /// `schema.name.adjustment.mode`: the same.
    schema_names: NameAdjustment,
    /// `format`: `envelope` (default) or `flat`, or the transform `ExtractNewRecordState`.
    flat: Option<FlatOptions>,
    /// `transforms` that are `RegexRouter`: the topics of tables.
    routes: Routes,
    /// `message.key.columns`: `database.table:column,…;…`.
    message_keys: Vec<(Regex, Vec<String>)>,
    /// `column.include.list` and `column.exclude.list`.
    columns: ColumnFilter,
    /// `column.mask.…` and `column.truncate.…`; the first that matches holds.
    rules: Vec<(Vec<Regex>, ValueRule)>,
    /// `column.propagate.source.type`.
    propagated_columns: Vec<Regex>,
    /// `datatype.propagate.source.type`: matched with `database.table.TYPE`.
    propagated_types: Vec<Regex>,
    /// `include.schema.comments`. Default false.
    comments: bool,
}

impl RecordConfig {
    /// Also gives the settings of the transforms that are not folded into the records. With `avro`
    /// names have to be such as Avro takes.
    pub(super) fn read(
        settings: &mut Settings,
        (avro, value_is_avro): (bool, bool),
    ) -> Result<(Self, BTreeMap<String, String>), ConfigError> {
        let names = match settings.origin() {
            Origin::PipelineFile => NameAdjustment::Avro,
            Origin::Connect => NameAdjustment::None,
        };
        let generic = if fold(settings, value_is_avro) {
            BTreeMap::new()
        } else {
            read_transforms(settings)?
        };
        let (routes, transforms) = if generic.is_empty() {
            Routes::read(settings)?
        } else {
            (Routes::default(), Vec::new())
        };
        let names_of = |settings: &mut Settings, key: &str| {
            let names = read_names(settings, key, names)?;
            let is_free = !avro && names == NameAdjustment::None;
            Ok::<_, ConfigError>(if is_free { NameAdjustment::AsTheyAre } else { names })
        };
        let config = Self {
            values: read_values(settings)?,
            field_names: names_of(settings, "field.name.adjustment.mode")?,
            schema_names: names_of(settings, "schema.name.adjustment.mode")?,
            flat: read_flat(settings, &transforms)?,
            routes,
            message_keys: read_message_keys(settings)?,
            columns: ColumnFilter::read(settings)?,
            rules: read_rules(settings)?,
            propagated_columns: super::patterns(settings, "column.propagate.source.type")?,
            propagated_types: super::patterns(settings, "datatype.propagate.source.type")?,
            comments: settings.boolean("include.schema.comments", false)?,
        };
        Ok((config, generic))
    }

    /// `include.schema.comments`.
    pub(crate) fn comments(&self) -> bool {
        self.comments
    }

    /// Where the records of a topic go, by the routers that are set.
    pub(crate) fn routed(&self, topic: &str) -> Arc<str> {
        self.routes.topic(topic)
    }

    /// Whether the log's rows and a snapshot's need plans of their own.
    pub(crate) fn depends_on_origin(&self) -> bool {
        self.values.fidelity == Fidelity::Debezium
    }

    /// The columns that `message.key.columns` names for a table.
    pub(crate) fn message_key(&self, table: &TableId) -> Option<&[String]> {
        let name = table.to_string();
        let found = self.message_keys.iter().find(|(tables, _)| tables.is_match(&name));
        found.map(|(_, columns)| columns.as_slice())
    }

    /// What is done with a column.
    pub(crate) fn choice(&self, table: &TableId, column: &Column) -> ColumnChoice {
        let name = format!("{table}.{}", column.name);
        let type_name = column.declaration.as_ref().map(Declaration::type_name);
        let type_name = format!("{table}.{}", type_name.unwrap_or_default());
        let matches =
            |patterns: &[Regex], name: &str| patterns.iter().any(|pattern| pattern.is_match(name));
        let rule = self.rules.iter().find(|(columns, _)| matches(columns, &name));
        ColumnChoice {
            included: self.columns.includes(&name),
            rule: rule.map(|(_, rule)| rule.clone()),
            propagated: matches(&self.propagated_columns, &name)
                || matches(&self.propagated_types, &type_name),
            commented: self.comments,
        }
    }

    /// What a plan of a table needs to know.
    pub(crate) fn plan_options<'a>(
        &'a self,
        server: &'a str,
        table: &TableId,
        origin: RowOrigin,
        choose: &'a dyn Fn(&Column) -> ColumnChoice,
    ) -> PlanOptions<'a> {
        PlanOptions {
            server,
            values: self.values,
            field_names: self.field_names,
            schema_names: self.schema_names,
            message_key: self.message_key(table),
            format: self.flat.as_ref().map_or(Format::Envelope, Format::Flat),
            origin,
            choose,
        }
    }
}

const STYLES: [(&str, SchemaStyle); 2] =
    [("debezium", SchemaStyle::Debezium), ("clean", SchemaStyle::Clean)];
const TIMES: [(&str, TimePrecision); 5] = [
    ("adaptive_time_microseconds", TimePrecision::Adaptive),
    ("connect", TimePrecision::Connect),
    ("isostring", TimePrecision::IsoString),
    ("microseconds", TimePrecision::Microseconds),
    ("nanoseconds", TimePrecision::Nanoseconds),
];
const DECIMALS: [(&str, DecimalMode); 3] = [
    ("precise", DecimalMode::Precise),
    ("double", DecimalMode::Double),
    ("string", DecimalMode::String),
];
const BIGINTS: [(&str, UnsignedBigInt); 2] =
    [("precise", UnsignedBigInt::Precise), ("long", UnsignedBigInt::Long)];
const BINARIES: [(&str, BinaryMode); 4] = [
    ("bytes", BinaryMode::Bytes),
    ("base64", BinaryMode::Base64),
    ("base64-url-safe", BinaryMode::Base64UrlSafe),
    ("hex", BinaryMode::Hex),
];
const FAILURES: [(&str, ConversionFailure); 3] = [
    ("fail", ConversionFailure::Fail),
    ("warn", ConversionFailure::Warn),
    ("skip", ConversionFailure::Skip),
];
const FIDELITIES: [(&str, Fidelity); 2] =
    [("exact", Fidelity::Exact), ("debezium", Fidelity::Debezium)];

fn read_values(settings: &mut Settings) -> Result<ValueOptions, ConfigError> {
    let base = match settings.origin() {
        Origin::PipelineFile => ValueOptions::exact(),
        Origin::Connect => ValueOptions::debezium(),
    };
    let style = settings.choice("schema.style", base.style, &STYLES)?;
    let time = settings.choice("time.precision.mode", base.time, &TIMES)?;
    if style == SchemaStyle::Clean && time != TimePrecision::Adaptive {
        let problem = "cannot be combined with schema.style=clean, which has Avro's own types";
        return Err(settings.error("time.precision.mode", problem));
    }
    Ok(ValueOptions {
        style,
        time,
        decimal: settings.choice("decimal.handling.mode", base.decimal, &DECIMALS)?,
        unsigned_bigint: settings.choice(
            "bigint.unsigned.handling.mode",
            base.unsigned_bigint,
            &BIGINTS,
        )?,
        binary: settings.choice("binary.handling.mode", base.binary, &BINARIES)?,
        failure: settings.choice(
            "event.converting.failure.handling.mode",
            base.failure,
            &FAILURES,
        )?,
        fidelity: settings.choice("value.fidelity", base.fidelity, &FIDELITIES)?,
        null_stays_null: read_null_handling(settings, base.null_stays_null)?,
    })
}

/// `ignore.default.for.nullables`, also by the name that it has as a setting of the converter.
fn read_null_handling(settings: &mut Settings, default: bool) -> Result<bool, ConfigError> {
    let of_converter = settings.boolean("value.converter.ignore.default.for.nullables", default)?;
    settings.boolean("ignore.default.for.nullables", of_converter)
}

fn read_names(
    settings: &mut Settings,
    key: &str,
    default: NameAdjustment,
) -> Result<NameAdjustment, ConfigError> {
    settings.choice(
        key,
        default,
        &[
            ("avro", NameAdjustment::Avro),
            ("avro_unicode", NameAdjustment::AvroUnicode),
            ("none", NameAdjustment::None),
        ],
    )
}

/// `format: flat` with the options of `ExtractNewRecordState`, or that transform itself.
fn read_flat(
    settings: &mut Settings,
    transforms: &[String],
) -> Result<Option<FlatOptions>, ConfigError> {
    let is_flat = settings.choice("format", false, &[("envelope", false), ("flat", true)])?;
    let prefix = match transforms {
        [] if is_flat => String::new(),
        [] => return Ok(None),
        [alias] => format!("transforms.{alias}."),
        // Two do not fold.
        _ => return Ok(None),
    };
    if !transforms.is_empty() {
        settings.required(&format!("{prefix}type"))?;
    }
    let field_prefix = settings.text(&format!("{prefix}add.fields.prefix"), "__");
    let header_prefix = settings.text(&format!("{prefix}add.headers.prefix"), "__");
    let added = |texts: Vec<String>, prefix: &str| {
        texts.iter().map(|text| AddedField::parse(text, prefix)).collect()
    };
    let flat = FlatOptions {
        deletes: settings.choice(
            &format!("{prefix}delete.tombstone.handling.mode"),
            DeleteHandling::Tombstone,
            &[
                ("drop", DeleteHandling::Drop),
                ("tombstone", DeleteHandling::Tombstone),
                ("rewrite", DeleteHandling::Rewrite),
                ("rewrite-with-tombstone", DeleteHandling::RewriteWithTombstone),
                ("delete-to-tombstone", DeleteHandling::DeleteToTombstone),
            ],
        )?,
        fields: added(settings.list(&format!("{prefix}add.fields")), &field_prefix),
        headers: added(settings.list(&format!("{prefix}add.headers")), &header_prefix),
        header_prefix,
    };
    Ok(Some(flat))
}

fn read_message_keys(settings: &mut Settings) -> Result<Vec<(Regex, Vec<String>)>, ConfigError> {
    const KEY: &str = "message.key.columns";
    let text = settings.optional(KEY).unwrap_or_default();
    let mut keys = Vec::new();
    for entry in text.split(';').map(str::trim).filter(|entry| !entry.is_empty()) {
        let (tables, columns) = entry
            .rsplit_once(':')
            .ok_or_else(|| settings.error(KEY, "expected database.table:column,column;…"))?;
        let columns: Vec<_> = columns.split(',').map(|column| column.trim().to_owned()).collect();
        keys.push((super::pattern(settings, KEY, tables)?, columns));
    }
    Ok(keys)
}

fn read_rules(settings: &mut Settings) -> Result<Vec<(Vec<Regex>, ValueRule)>, ConfigError> {
    let mut rules = Vec::new();
    for (number, columns) in settings.between("column.mask.with.", ".chars") {
        let key = format!("column.mask.with.{number}.chars");
        let stars = count(settings, &key, &number)?;
        rules.push((super::pattern_list(settings, &key, &columns)?, ValueRule::Mask { stars }));
    }
    for (number, columns) in settings.between("column.truncate.to.", ".chars") {
        let key = format!("column.truncate.to.{number}.chars");
        let length = count(settings, &key, &number)?;
        let rule = ValueRule::Truncate { length, utf16: false };
        rules.push((super::pattern_list(settings, &key, &columns)?, rule));
    }
    for (plain, prefix) in [(true, "column.mask.hash.v2."), (false, "column.mask.hash.")] {
        for (rest, columns) in settings.between(prefix, "") {
            let parts = rest.split_once(".with.salt.");
            let hash = parts.and_then(|(name, salt)| Some((HashAlgorithm::named(name)?, salt)));
            // The salt is a secret and part of the setting's name.
            let (algorithm, salt) = hash.ok_or_else(|| {
                settings
                    .error(prefix, "expected <algorithm>.with.salt.<salt>, as SHA-256.with.salt.…")
            })?;
            let salt = salt.as_bytes().to_vec();
            let rule = ValueRule::Hash { algorithm, salt, plain, length: None };
            rules.push((super::pattern_list(settings, prefix, &columns)?, rule));
        }
    }
    Ok(rules)
}

fn count(settings: &Settings, key: &str, number: &str) -> Result<usize, ConfigError> {
    number.parse().map_err(|_| settings.error(key, "expected a number of characters"))
}
