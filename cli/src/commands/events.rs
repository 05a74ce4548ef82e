//! `noroshi events`.

use serde_json::Value;

use crate::api::Api;
use crate::args::Events;
use crate::error::Failure;
use crate::output::{self, Column, field};

pub(super) async fn run(api: &Api, wanted: &Events, json: bool) -> Result<(), Failure> {
    let limit = wanted.limit.to_string();
    let query: Vec<(&str, &str)> = [
        ("device", wanted.device.as_deref()),
        ("site", wanted.site.as_deref()),
        ("kind", wanted.kind.as_deref()),
        ("limit", Some(limit.as_str())),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key, value?)))
    .collect();
    let columns: &[Column] = &[
        ("WHEN", when),
        ("DEVICE", |event| field(event, "device")),
        ("KIND", |event| field(event, "kind")),
        ("WHAT", |event| field(event, "message")),
    ];
    output::items(json, &api.page("/events", &query).await?, columns)
}

fn when(event: &Value) -> String {
    output::ago(event["at_ms"].as_u64().unwrap_or_default(), super::now_ms())
}
