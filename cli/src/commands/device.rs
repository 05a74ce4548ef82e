//! `noroshi device …`.

mod state;

use serde_json::{Value, json};

use crate::api::Api;
use crate::args::{Device, DeviceCommand};
use crate::error::Failure;
use crate::output::{self, Column, field};

pub(super) async fn run(api: &Api, command: Device, as_json: bool) -> Result<(), Failure> {
    match command {
        Device::List { site, status } => list(api, site, status, as_json).await,
        Device::Show { device } => show(api, &device, as_json).await,
        Device::Revoke { device } => {
            api.delete(&format!("/devices/{device}")).await?;
            if as_json {
                return output::json(&json!({ "revoked": device }));
            }
            println!("{device} is revoked; to let it join again, enrol it with a new token");
            Ok(())
        }
        Device::Command {
            device,
            kind,
            pipeline,
        } => send(api, &device, kind, pipeline, as_json).await,
        Device::State(command) => state::run(api, command, as_json).await,
    }
}

async fn list(
    api: &Api,
    site: Option<String>,
    status: Option<String>,
    json: bool,
) -> Result<(), Failure> {
    let query: Vec<(&str, &str)> = [("site", site.as_deref()), ("status", status.as_deref())]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect();
    let columns: &[Column] = &[
        ("DEVICE", |device| field(device, "id")),
        ("NAME", |device| field(device, "name")),
        ("SITE", |device| field(device, "site")),
        ("STATUS", presence),
        ("RUNS", runs),
        ("CHIP", |device| field(device, "chip")),
    ];
    output::items(json, &api.list("/devices", &query).await?, columns)
}

fn presence(device: &Value) -> String {
    let status = field(device, "status");
    let since = device["status_since_ms"].as_u64().unwrap_or_default();
    match (status.as_str(), since) {
        ("online" | "never", _) | (_, 0) => status,
        _ => format!("{status} since {}", output::ago(since, super::now_ms())),
    }
}

fn runs(device: &Value) -> String {
    let pipelines = device["pipelines"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let one = |pipeline: &Value| {
        let name = field(pipeline, "pipeline");
        let (model, version) = (field(pipeline, "model"), field(pipeline, "version"));
        format!("{name}: {model} v{version} {}", field(pipeline, "variant"))
    };
    pipelines.iter().map(one).collect::<Vec<_>>().join(", ")
}

async fn show(api: &Api, device: &str, json: bool) -> Result<(), Failure> {
    let device = api.get(&format!("/devices/{device}")).await?;
    if json {
        return output::json(&device);
    }
    for (head, name) in [
        ("device", "id"),
        ("name", "name"),
        ("site", "site"),
        ("chip", "chip"),
        ("agent", "version"),
    ] {
        println!("{head:<8} {}", field(&device, name));
    }
    println!("status   {}", presence(&device));
    println!("runs     {}", runs(&device));
    if let Value::String(update) = &device["update"]["phase"] {
        println!("update   {update}");
    }
    println!("why      {}", field(&device, "why"));
    Ok(())
}

async fn send(
    api: &Api,
    device: &str,
    kind: DeviceCommand,
    pipeline: Option<String>,
    as_json: bool,
) -> Result<(), Failure> {
    let kind = match kind {
        DeviceCommand::Diag => "diag",
        DeviceCommand::Purge => "purge",
        DeviceCommand::RestartWorker => "restart_worker",
    };
    let body = json!({ "kind": kind, "pipeline": pipeline });
    let answered = super::ask::send(api, device, &body).await?;
    if as_json {
        output::json(&answered)?;
    } else {
        println!(
            "{}: {}",
            field(&answered, "state"),
            field(&answered, "text")
        );
    }
    match answered["state"].as_str() {
        Some("done") => Ok(()),
        _ => Err(Failure::Failed(format!(
            "the command was not done on {device}"
        ))),
    }
}
