//! `noroshi device state …`: what a model learned on a device.

use std::path::Path;

use noroshi_protocol::{PulledState, StateList};
use noroshi_service::files;
use serde_json::{Value, json};

use crate::api::Api;
use crate::args::{DeviceState, StatePlace};
use crate::commands::ask::ask;
use crate::error::{Failure, Tried};
use crate::output::{self, Column, field};

/// Seconds that a device may take.
const PATIENCE_S: u32 = 60;

pub(super) async fn run(api: &Api, command: DeviceState, as_json: bool) -> Result<(), Failure> {
    match command {
        DeviceState::List { place } => list(api, &place, as_json).await,
        DeviceState::Pull {
            place,
            version,
            output,
        } => pull(api, &place, version, &output, as_json).await,
        DeviceState::Rollback { place, to, .. } => {
            let text = send(api, &place, "roll_back", to).await?;
            let listed: StateList = serde_json::from_str(&text).tried("the device's reply")?;
            if as_json {
                return output::json(&serde_json::to_value(listed).tried("the reply")?);
            }
            let to = to.map_or("the release".to_owned(), |version| {
                format!("state {version}")
            });
            let now = listed.states.last().map_or(0, |state| state.version);
            println!(
                "{}/{}: {to} runs again, as state {now}",
                place.device, place.pipeline
            );
            Ok(())
        }
    }
}

async fn send(
    api: &Api,
    place: &StatePlace,
    kind: &str,
    version: Option<u64>,
) -> Result<String, Failure> {
    let body = json!({
        "kind": kind, "pipeline": place.pipeline, "version": version, "ttl_s": PATIENCE_S,
    });
    ask(api, &place.device, &body).await
}

async fn list(api: &Api, place: &StatePlace, as_json: bool) -> Result<(), Failure> {
    let text = send(api, place, "states", None).await?;
    let listed: StateList = serde_json::from_str(&text).tried("the device's reply")?;
    let value = serde_json::to_value(&listed).tried("the device's reply")?;
    if as_json {
        return output::json(&value);
    }
    println!("{} version {}", listed.model, listed.version);
    let Some(last) = listed.states.last() else {
        println!("it runs as it was released; nothing was learned yet");
        return Ok(());
    };
    let newest = last.version;
    let columns: &[Column] = &[
        ("STATE", |state| field(state, "version")),
        ("SAMPLES", |state| field(state, "samples")),
        ("ALARMS", |state| field(state, "alarms")),
        ("MADE", |state| {
            let made_ms = state["made_ms"].as_u64().unwrap_or_default();
            output::ago(made_ms, crate::commands::now_ms())
        }),
        ("FROM", origin),
    ];
    let states = value["states"].as_array().cloned().unwrap_or_default();
    output::items(false, &states, columns)?;
    println!("state {newest} runs");
    Ok(())
}

fn origin(state: &Value) -> String {
    match (&state["rolled_back"], &state["to"]) {
        (Value::Bool(true), Value::Null) => "back to the release".into(),
        (Value::Bool(true), to) => format!("back to {to}"),
        _ => "labels".into(),
    }
}

async fn pull(
    api: &Api,
    place: &StatePlace,
    version: Option<u64>,
    path: &Path,
    as_json: bool,
) -> Result<(), Failure> {
    let text = send(api, place, "pull_state", version).await?;
    let pulled: PulledState = serde_json::from_str(&text).tried("the device's reply")?;
    let bytes = pulled.bytes().ok_or_else(|| {
        Failure::Failed("the state's bytes are not what its digest says: pull it again".into())
    })?;
    files::write_atomic(path, &bytes).tried(path.display())?;
    if as_json {
        let mut value = serde_json::to_value(&pulled).tried("the device's reply")?;
        value["content"] = Value::Null;
        value["output"] = json!(path);
        return output::json(&value);
    }
    println!(
        "{}: state {} of {} version {}, {} samples since the release, {}",
        path.display(),
        pulled.state.version,
        pulled.model,
        pulled.version,
        pulled.state.samples,
        output::bytes(bytes.len() as u64)
    );
    Ok(())
}
