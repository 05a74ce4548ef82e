//! `noroshi model …`: the part that needs no cloud is in [`local`], the rest here.

mod binarize;
mod codegen;
mod compile;
mod compress;
mod figures;
mod lesson;
mod limits;
mod local;
mod measure;
mod pattern;
mod push;
mod quantize;
mod recipe;
mod teach;
mod train;
mod work;

use serde_json::Value;

use crate::api::Api;
use crate::args::Model;
use crate::error::Failure;
use crate::output::{self, Column, bytes, field};

/// Does what needs no cloud; `None` if the command does.
pub(super) fn without_cloud(command: &Model, json: bool) -> Option<Result<(), Failure>> {
    Some(match command {
        Model::Inspect(inspect) => local::inspect(inspect, json),
        Model::Evaluate(evaluate) => measure::evaluate(evaluate, json),
        Model::Report(report) => measure::report(report, json),
        Model::Export(export) => local::export(export, json),
        Model::Quantize(quantize) => quantize::run(quantize, json),
        Model::Compile(command) => compile::run(command, json),
        Model::Teach(asked) => lesson::run(asked, json),
        Model::Prune(prune) => match prune.pattern {
            Some(pattern) => pattern::prune(prune, pattern, json),
            None => teach::prune(prune, json),
        },
        Model::Finetune(finetune) => teach::finetune(finetune, json),
        Model::Recipe(command) => recipe::run(command, json),
        Model::Compare(compare) => local::compare(compare, json),
        Model::Check(check) => local::check(check, json),
        Model::Binarize(asked) => binarize::run(asked, json),
        Model::Codegen(asked) => codegen::run(asked, json),
        Model::Train(asked) => train::run(asked, json),
        Model::Work(command) => work::run(command),
        Model::Push(push) if push.dry_run.is_some() => push::dry_run(push, json),
        Model::List
        | Model::Show { .. }
        | Model::Push(_)
        | Model::Compress(_)
        | Model::Compressions { .. } => return None,
    })
}

/// Does what needs the cloud.
pub(super) async fn with_cloud(api: &Api, command: Model, json: bool) -> Result<(), Failure> {
    match command {
        Model::List => list(api, json).await,
        Model::Show { model } => show(api, &model, json).await,
        Model::Push(push) => push::run(api, &push, json).await,
        Model::Compress(command) => compress::run(api, &command, json).await,
        Model::Compressions { model } => compress::list(api, model.as_deref(), json).await,
        _ => unreachable!("needs no cloud"),
    }
}

async fn list(api: &Api, json: bool) -> Result<(), Failure> {
    let columns: &[Column] = &[
        ("MODEL", |model| field(model, "id")),
        ("LATEST", |model| field(model, "latest")),
        ("VERSIONS", |model| field(model, "versions")),
        ("TASK", |model| field(model, "task")),
        ("SMALLEST", |model| {
            bytes(model["bytes_smallest"].as_u64().unwrap_or_default())
        }),
        ("DEVICES", |model| field(model, "devices")),
    ];
    output::items(json, &api.list("/models", &[]).await?, columns)
}

async fn show(api: &Api, model: &str, json: bool) -> Result<(), Failure> {
    let versions = api.list(&format!("/models/{model}/versions"), &[]).await?;
    if json {
        return output::json(&Value::Array(versions));
    }
    let rows = versions.iter().flat_map(|version| {
        let variants = version["variants"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        variants.iter().map(move |variant| row(version, variant))
    });
    let heads = [
        "VERSION",
        "VARIANT",
        "ENGINE",
        "BYTES",
        "PARAMETERS",
        "MACS",
        "AGREEMENT",
        "CPU",
    ];
    output::print_table(&heads, rows);
    Ok(())
}

fn row(version: &Value, variant: &Value) -> Vec<String> {
    let measured = &variant["measured"];
    let agreement = measured["agreement"]
        .as_object()
        .map_or_else(String::new, |agreement| {
            let number = |name: &str| agreement[name].as_f64().unwrap_or_default();
            let (low, high) = (number("low") * 100.0, number("high") * 100.0);
            let share = 100.0 * number("same") / number("of").max(1.0);
            format!("{share:.1} % ({low:.1}–{high:.1})")
        });
    let latency = measured["latency"]
        .as_array()
        .and_then(|list| list.first())
        .map_or_else(String::new, |latency| {
            let ms = latency["cpu_ms"].as_f64().unwrap_or_default();
            format!("{ms:.1} ms on {}", field(latency, "chip"))
        });
    vec![
        field(version, "version"),
        field(variant, "name"),
        field(variant, "engine"),
        bytes(variant["bytes"].as_u64().unwrap_or_default()),
        field(measured, "parameters"),
        field(measured, "macs"),
        agreement,
        latency,
    ]
}
