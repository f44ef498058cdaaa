//! What a row costs on the paths that transforms put it on: by the plan of a sink, with what folds
//! and without; by way of Connect's data; and each converter by itself.

use std::hint::black_box;

use schema::avro::{SchemaStyle, WriterSchema, encode, schema_text};
use schema::connect_json::{ConnectSchema, Enveloped};
use schema::plan::document::{
    DocumentOptions, DocumentPlan, RowChoice, write_instant, write_string,
};
use transform::{Chain, Folded, Origin, Part, json_of, part_of, schema_json, schema_of};

use super::super::measure::{Effort, Measured, measure};
use super::{CASES, ONE, chain, row};

/// Cases that fold on the sink, with the name of the figure.
const FOLDED: [(&str, &str); 3] = [
    ("InsertField$Value", "sink, by its plan with InsertField$Value"),
    ("MaskField$Value", "sink, by its plan with MaskField$Value"),
    ("ReplaceField$Value", "sink, by its plan with ReplaceField$Value"),
];

/// The row in all the forms that it takes.
struct Forms {
    writer: WriterSchema,
    body: Vec<u8>,
    part: Part,
    payload: String,
    /// Payload and schema.
    enveloped: String,
    schema_text: String,
}

impl Forms {
    fn new() -> Result<Self, String> {
        let part = row().value;
        let schema = part.schema.clone().ok_or("the row has a schema")?;
        let text = schema_text(&schema, SchemaStyle::Debezium);
        let writer = WriterSchema::parse(&text).map_err(|error| error.to_string())?;
        let mut body = Vec::new();
        encode(&schema, &part.value, &mut body).map_err(|error| error.to_string())?;
        let payload = json_of(Some(&schema), &part.value).map_err(|e| e.to_string())?.to_string();
        let schema_text = schema_json(&schema).to_string();
        let enveloped = format!("{{\"schema\":{schema_text},\"payload\":{payload}}}");
        Ok(Self { writer, body, part, payload, enveloped, schema_text })
    }
}

pub(super) fn all(effort: Effort) -> Result<Vec<Measured>, String> {
    let forms = Forms::new()?;
    let mut measured = vec![by_plan(&forms, effort)?];
    for (case, name) in FOLDED {
        let case = CASES.iter().find(|known| known.0 == case).ok_or("there is no such case")?;
        measured.push(by_folded_plan(&forms, (name, &chain(case)?), effort)?);
    }
    measured.push(by_data(&forms, effort)?);
    measured.push(source_by_data(&forms, effort)?);
    measured.extend(json(&forms, effort)?);
    Ok(measured)
}

fn by_plan(forms: &Forms, effort: Effort) -> Result<Measured, String> {
    let everything = RowChoice::everything(DocumentOptions::default());
    let plan = DocumentPlan::of_schema(&forms.writer, &everything).map_err(|e| e.to_string())?;
    let mut out = Vec::new();
    Ok(measure("sink, by its plan", ONE, effort, || {
        out.clear();
        let _row = black_box(plan.run(black_box(&forms.body), &mut out));
    }))
}

/// As the sink does it: `es-sink/src/document/folded.rs`.
fn by_folded_plan(
    forms: &Forms,
    (name, chain): (&'static str, &Chain),
    effort: Effort,
) -> Result<Measured, String> {
    let schema = forms.part.schema.as_deref().ok_or("the row has a schema")?;
    let folded = chain.fold(schema).ok_or_else(|| format!("{name}: does not fold"))?;
    let of = |column: &str| folded.iter().find(|field| field.origin.column() == Some(column));
    let field = |column: &str| Some(of(column)?.name.as_str().into());
    let instead = |column: &str| of(column)?.origin.masked().cloned();
    let everything = RowChoice::everything(DocumentOptions::default());
    let choice = RowChoice { field: &field, instead: &instead, ..everything };
    let plan = DocumentPlan::of_schema(&forms.writer, &choice).map_err(|e| e.to_string())?;
    let mut out = Vec::new();
    Ok(measure(name, ONE, effort, || {
        out.clear();
        let _row = black_box(plan.run(black_box(&forms.body), &mut out));
        folded.iter().for_each(|field| add(field, &mut out));
    }))
}

fn add(field: &Folded, out: &mut Vec<u8>) {
    let mut value = Vec::new();
    if field.origin == Origin::Topic {
        write_string("shop.orders", &mut value);
    } else if field.origin == Origin::Timestamp {
        write_instant(std::time::Duration::from_millis(1_700_000_000_000), &mut value);
    } else {
        return;
    }
    out.pop();
    out.push(b',');
    write_string(&field.name, out);
    out.push(b':');
    out.extend_from_slice(&value);
    out.push(b'}');
}

/// As `es-sink/src/document/transforms.rs` does it, without a transform.
fn by_data(forms: &Forms, effort: Effort) -> Result<Measured, String> {
    let wrong = |error: &dyn std::fmt::Display| error.to_string();
    let schema = forms.writer.connect_schema().map_err(|e| wrong(&e))?;
    let embedded = ConnectSchema::parse(&forms.schema_text).map_err(|e| wrong(&e))?;
    let everything = RowChoice::everything(DocumentOptions::default());
    let plan = DocumentPlan::of_schema(embedded.writer(), &everything).map_err(|e| wrong(&e))?;
    let (mut body, mut out) = (Vec::new(), Vec::new());
    let mut pass = || -> Result<(), String> {
        body.clear();
        out.clear();
        let value = forms.writer.connect_value(&schema, black_box(&forms.body));
        let value = value.map_err(|error| error.to_string())?;
        let payload = json_of(Some(&schema), &value).map_err(|error| error.to_string())?;
        let record = format!("{{\"schema\":{},\"payload\":{payload}}}", forms.schema_text);
        let record = Enveloped::parse(record.as_bytes()).map_err(|error| error.to_string())?;
        embedded.encode(record.payload, &mut body).map_err(|error| error.to_string())?;
        plan.run(&body, &mut out).map(drop).map_err(|error| error.to_string())
    };
    pass()?;
    Ok(measure("sink, by way of Connect's data, without a transform", ONE, effort, || {
        let _done = black_box(pass());
    }))
}

/// As `cdc-source/src/stage` does it in Avro, without a transform: read and written.
fn source_by_data(forms: &Forms, effort: Effort) -> Result<Measured, String> {
    let schema = forms.writer.connect_schema().map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    Ok(measure("source, by way of Connect's data, Avro, without a transform", ONE, effort, || {
        out.clear();
        let value = forms.writer.connect_value(&schema, black_box(&forms.body));
        let _done = black_box(value.map(|value| encode(&schema, &value, &mut out)));
    }))
}

fn json(forms: &Forms, effort: Effort) -> Result<Vec<Measured>, String> {
    let Part { schema, value } = &forms.part;
    let avro = forms.writer.connect_schema().map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    let parse = |text: &str| serde_json::from_str(black_box(text)).unwrap_or_default();
    let known = schema_of(&parse(&forms.schema_text)).map_err(|error| error.to_string())?;
    let known = std::sync::Arc::new(known);
    Ok(vec![
        measure("converter Avro, read", ONE, effort, || {
            let _read = black_box(forms.writer.connect_value(&avro, black_box(&forms.body)));
        }),
        measure("converter Avro, written", ONE, effort, || {
            out.clear();
            let _written = schema.as_ref().map(|schema| encode(schema, black_box(value), &mut out));
        }),
        measure("converter JSON with its schema, read", ONE, effort, || {
            let parsed = Enveloped::parse(black_box(forms.enveloped.as_bytes()));
            let _read = black_box(parsed.map(|it| part_of(Some(&known), &parse(it.payload))));
        }),
        measure("converter JSON with its schema, written", ONE, effort, || {
            let payload = json_of(schema.as_deref(), black_box(value));
            let text = &forms.schema_text;
            black_box(payload.map(|it| format!("{{\"schema\":{text},\"payload\":{it}}}")).ok());
        }),
        measure("converter JSON, read", ONE, effort, || {
            let _read = black_box(part_of(None, &parse(&forms.payload)));
        }),
        measure("converter JSON, written", ONE, effort, || {
            black_box(json_of(schema.as_deref(), black_box(value)).map(|it| it.to_string()).ok());
        }),
    ])
}
