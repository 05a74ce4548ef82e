//! `noroshi model compress`: the cloud makes a version with 8-bit integers of an uploaded file.

use std::path::Path;
use std::time::Duration;

use noroshi_compress::release::{Content, blob_of};
use serde_json::{Value, json};

use super::local::{model_id, pictures};
use super::push::{labels, upload};
use crate::api::Api;
use crate::args::Compress;
use crate::commands::now_ms;
use crate::error::{Failure, Tried};
use crate::output::{self, Column, ago, field};

/// Between two looks at an order.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn run(api: &Api, command: &Compress, as_json: bool) -> Result<(), Failure> {
    let model = model_id(&command.model)?;
    let names: Vec<String> = labels(&command.labels)?
        .into_iter()
        .map(|label| label.name)
        .collect();
    let source = send(api, &command.file, as_json).await?;
    let mut photos = Vec::new();
    for picture in pictures(&command.calibration)? {
        photos.push(send(api, &picture, as_json).await?);
    }
    let order = json!({
        "source": source, "photos": photos, "labels": names,
        "preset": command.preset, "max_loss": command.max_loss,
    });
    let mut answer = api
        .post(&format!("/models/{model}/compressions"), &order)
        .await?;
    if !command.no_wait {
        answer = ended(api, &answer).await?;
    }
    tell(&answer, as_json)
}

/// Uploads a file, unless it is there; its digest.
async fn send(api: &Api, file: &Path, quiet: bool) -> Result<String, Failure> {
    let blob = blob_of(file).tried(file.display())?;
    upload(api, &blob, &Content::File(file.to_owned()), quiet).await?;
    Ok(blob.sha256.to_string())
}

async fn ended(api: &Api, order: &Value) -> Result<Value, Failure> {
    let path = format!("/compressions/{}", field(order, "id"));
    loop {
        let order = api.get(&path).await?;
        if !matches!(order["state"].as_str(), Some("queued" | "running")) {
            return Ok(order);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn tell(order: &Value, as_json: bool) -> Result<(), Failure> {
    if order["state"] == "failed" {
        if as_json {
            output::json(order)?;
        }
        return Err(Failure::Failed(field(order, "reason")));
    }
    if as_json {
        return output::json(order);
    }
    let (model, id) = (field(order, "model"), field(order, "id"));
    if order["state"] != "succeeded" {
        println!(
            "{id} is {}: `noroshi model compressions` tells of it",
            field(order, "state")
        );
        return Ok(());
    }
    println!("{model} version {} is released", field(order, "version"));
    if let Some(text) = order["report"]["text"].as_str() {
        println!("{text}");
    }
    Ok(())
}

pub(super) async fn list(api: &Api, model: Option<&str>, as_json: bool) -> Result<(), Failure> {
    let columns: &[Column] = &[
        ("ID", |order| field(order, "id")),
        ("MODEL", |order| field(order, "model")),
        ("STATE", |order| field(order, "state")),
        ("VERSION", |order| field(order, "version")),
        ("ORDERED", |order| {
            ago(order["created_ms"].as_u64().unwrap_or_default(), now_ms())
        }),
        ("BY", |order| field(order, "created_by")),
        ("REASON", |order| field(order, "reason")),
    ];
    let query: Vec<(&str, &str)> = model.map(|model| ("model", model)).into_iter().collect();
    output::items(as_json, &api.list("/compressions", &query).await?, columns)
}
