//! `noroshi results`, and results by the names that people give them.

use serde_json::Value;

use crate::api::Api;
use crate::args::{ResultName, Results};
use crate::error::Failure;
use crate::output::{self, Column, field};

pub(super) async fn run(api: &Api, wanted: &Results, json: bool) -> Result<(), Failure> {
    let limit = wanted.limit.to_string();
    let query: Vec<(&str, &str)> = [
        ("device", wanted.device.as_deref()),
        ("site", wanted.site.as_deref()),
        ("pipeline", wanted.pipeline.as_deref()),
        ("limit", Some(limit.as_str())),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key, value?)))
    .collect();
    let columns: &[Column] = &[
        ("RESULT", place),
        ("WHEN", |result| {
            let at_ms = result["at_ms"].as_u64().unwrap_or_default();
            output::ago(at_ms, super::now_ms())
        }),
        ("LABEL", |result| field(result, "label")),
        ("SCORE", |result| {
            let score = result["score"].as_f64().unwrap_or_default();
            format!("{:.1} %", 100.0 * score)
        }),
        ("MODEL", |result| {
            let (model, version) = (field(result, "model"), field(result, "version"));
            format!("{model} v{version} {}", field(result, "variant"))
        }),
    ];
    output::items(json, &api.page("/results", &query).await?, columns)
}

/// The name by which a result is asked for.
pub(super) fn place(result: &Value) -> String {
    let part = |name| field(result, name);
    format!(
        "{}/{}/{}",
        part("device"),
        part("pipeline"),
        part("sequence")
    )
}

/// The result of that name.
pub(super) async fn find(api: &Api, name: &ResultName) -> Result<Value, Failure> {
    let (device, pipeline, sequence) = match name {
        ResultName::Id(id) => return api.get(&format!("/results/{id}")).await,
        ResultName::Place {
            device,
            pipeline,
            sequence,
        } => (device, pipeline, sequence.map(|number| number.to_string())),
    };
    let query: Vec<(&str, &str)> = [
        ("device", Some(device.as_str())),
        ("pipeline", Some(pipeline.as_str())),
        ("sequence", sequence.as_deref()),
        ("limit", Some("1")),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key, value?)))
    .collect();
    let found = api.page("/results", &query).await?.into_iter().next();
    found.ok_or_else(|| {
        Failure::Failed(format!(
            "no such result of {device}/{pipeline} is stored: `noroshi results --device {device}` \
             lists them"
        ))
    })
}
