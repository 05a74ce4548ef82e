//! `noroshi pipeline …`.

use noroshi_model::Filter;
use serde_json::{Value, json};

use crate::api::Api;
use crate::args::{Apply, Pipeline};
use crate::error::{Failure, Tried};
use crate::output::{self, Column, field};

pub(super) async fn run(api: &Api, command: Pipeline, as_json: bool) -> Result<(), Failure> {
    match command {
        Pipeline::List => {
            let columns: &[Column] = &[
                ("PIPELINE", |pipeline| field(pipeline, "id")),
                ("SOURCE", |pipeline| field(pipeline, "source")),
                ("MODEL", |pipeline| field(pipeline, "model")),
                ("VERSION", |pipeline| field(pipeline, "version")),
                ("REVISION", |pipeline| field(pipeline, "revision")),
                ("DEVICES", |pipeline| {
                    pipeline["devices"]
                        .as_array()
                        .map_or(0, Vec::len)
                        .to_string()
                }),
            ];
            output::items(as_json, &api.list("/pipelines", &[]).await?, columns)
        }
        Pipeline::Apply(apply) => run_apply(api, &apply, as_json).await,
    }
}

/// The filters in the order that costs least: what is doubtful goes first, then what repeats.
fn filters(apply: &Apply) -> Result<Vec<Filter>, Failure> {
    let threshold = apply
        .min_score
        .map(|min_score| Filter::Threshold { min_score });
    let on_change = apply.on_change.then_some(Filter::OnChange {
        heartbeat_ms: apply.heartbeat_ms,
    });
    let rate = apply
        .every_ms
        .map(|interval_ms| Filter::RateLimit { interval_ms });
    let filters: Vec<Filter> = [threshold, on_change, rate].into_iter().flatten().collect();
    match filters.iter().find_map(Filter::fault) {
        Some(fault) => Err(Failure::Usage(fault.to_owned())),
        None => Ok(filters),
    }
}

async fn run_apply(api: &Api, apply: &Apply, as_json: bool) -> Result<(), Failure> {
    if !noroshi_model::is_id(&apply.pipeline) {
        return Err(Failure::Usage(
            "a pipeline's id is 1 to 40 of a-z, 0-9 and '-'".into(),
        ));
    }
    let filters = serde_json::to_value(filters(apply)?).tried("the filters")?;
    let body = json!({
        "source": apply.source,
        "model": apply.model,
        "version": apply.version,
        "filters": filters,
        "top": apply.top,
        "devices": super::selection(&apply.selection)?,
    });
    let dry = if apply.dry_run { "?dry_run=true" } else { "" };
    let answer = api
        .put(&format!("/pipelines/{}{dry}", apply.pipeline), &body)
        .await?;
    if as_json {
        output::json(&answer)?;
    } else {
        show(&answer, apply.dry_run);
    }
    let refused = list(&answer, "refused").len();
    if refused > 0 {
        return Err(Failure::Failed(format!("{refused} devices can't run it")));
    }
    Ok(())
}

fn list<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn show(answer: &Value, dry_run: bool) {
    let verb = if dry_run { "would run" } else { "will run" };
    for assigned in list(answer, "assigned") {
        println!(
            "{} {verb} variant {}",
            field(assigned, "device"),
            field(assigned, "variant")
        );
    }
    for refused in list(answer, "refused") {
        let reasons: Vec<&str> = list(refused, "reasons")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        println!(
            "{} can't run it: {}",
            field(refused, "device"),
            reasons.join("; ")
        );
    }
}
