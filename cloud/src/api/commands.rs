//! Commands to devices.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use noroshi_protocol::{
    CommandKind, DeviceId, LABELS_AT_MOST, Labelled, Labels, PipelineId, Seen, StateOf,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::caller::{Operator, Reader};
use super::input::{Body, PageQuery, Query, id, list};
use super::problem::ApiResult;
use crate::error::{Error, Result};
use crate::store::{CommandRow, unsigned};

const LONGEST_S: u64 = 24 * 60 * 60;

/// A command with its reply.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Command {
    id: String,
    device: String,
    /// `diag`, `purge`, `restart_worker`, `explain`, `label`, `states`, `pull_state` or `roll_back`.
    kind: String,
    /// The pipeline that it is about, if it is about one.
    pipeline: Option<String>,
    created_ms: u64,
    not_after_ms: u64,
    /// `sent`, `done`, `failed`, `refused` or `expired`.
    state: String,
    /// The reply. To `explain` it is a JSON object: `model`, `version`, `variant`, `label`, `score`
    /// and what that is the sum of, `terms` (each with `part`, `index`, `name`, `value`) and `rest`
    /// (`count`, `value`). The replies to `label`, `states`, `pull_state` and `roll_back` are JSON
    /// too.
    text: String,
}

/// A command to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCommand {
    /// `diag`, `purge`, `restart_worker`, `explain`, `label`, `states`, `pull_state` or `roll_back`.
    kind: String,
    /// The pipeline of `restart_worker`, `states`, `pull_state` and `roll_back`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pipeline: Option<PipelineId>,
    /// The result that `explain` asks about.
    #[serde(default)]
    result: Option<i64>,
    /// What is true of results of one pipeline, for `label`: 1 to 64.
    #[serde(default)]
    labels: Vec<NewLabel>,
    /// The state that `pull_state` and `roll_back` mean. Left out: the newest to pull, the model as
    /// it was released to roll back to.
    #[serde(default)]
    version: Option<u64>,
    /// Seconds until the device does not obey it any more; five minutes if left out.
    #[serde(default)]
    ttl_s: Option<u64>,
}

/// What is true of a result.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLabel {
    /// The result's id.
    result: i64,
    /// The label's slug.
    label: String,
}

list! {
    /// A page of a list.
    CommandList, Command
}

fn view(row: CommandRow, now_ms: u64) -> Command {
    let expired = unsigned(row.not_after_ms) < now_ms;
    let state = match row.outcome {
        Some(outcome) => outcome,
        None if expired => "expired".to_owned(),
        None => "sent".to_owned(),
    };
    Command {
        id: row.id,
        device: row.device,
        kind: row.kind,
        pipeline: row.pipeline,
        created_ms: unsigned(row.created_ms),
        not_after_ms: unsigned(row.not_after_ms),
        state,
        text: row.reply,
    }
}

/// Sends a command.
#[utoipa::path(post, path = "/api/v1/devices/{device}/commands", tag = "commands",
    params(("device" = String, Path)), request_body = NewCommand,
    responses((status = 202, body = Command)))]
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    _: Operator,
    Path(device): Path<String>,
    Body(new): Body<NewCommand>,
) -> ApiResult<(StatusCode, axum::Json<Command>)> {
    let device = id("device", &device)?;
    let seconds = new.ttl_s.unwrap_or(300);
    if !(1..=LONGEST_S).contains(&seconds) {
        return Err(Error::invalid(format!("ttl_s must be 1 to {LONGEST_S}")).into());
    }
    let what = kind(&api, &device, &new).await?;
    let row = api
        .cloud
        .send_command(&device, what, seconds * 1000)
        .await?;
    Ok((
        StatusCode::ACCEPTED,
        axum::Json(view(row, api.cloud.now_ms())),
    ))
}

async fn kind(api: &Api, device: &DeviceId, new: &NewCommand) -> Result<CommandKind> {
    let of_state = |pipeline: &PipelineId| StateOf {
        pipeline: pipeline.clone(),
        version: new.version,
    };
    let given = (
        &new.pipeline,
        new.result,
        new.labels.as_slice(),
        new.version,
    );
    Ok(match (new.kind.as_str(), given) {
        ("diag", (None, None, [], None)) => CommandKind::Diag,
        ("purge", (None, None, [], None)) => CommandKind::Purge,
        ("restart_worker", (Some(pipeline), None, [], None)) => {
            CommandKind::RestartWorker(pipeline.clone())
        }
        ("explain", (None, Some(result), [], None)) => {
            CommandKind::Explain(seen(api, device, result).await?)
        }
        ("label", (None, None, [_, ..], None)) => {
            CommandKind::Label(labels(api, device, &new.labels).await?)
        }
        ("states", (Some(pipeline), None, [], None)) => CommandKind::States(pipeline.clone()),
        ("pull_state", (Some(pipeline), None, [], _)) => CommandKind::PullState(of_state(pipeline)),
        ("roll_back", (Some(pipeline), None, [], _)) => CommandKind::RollBack(of_state(pipeline)),
        (kind, _) => return Err(incomplete(kind)),
    })
}

/// What a kind needs that was not given, or was beside what it needs.
fn incomplete(kind: &str) -> Error {
    let needs = match kind {
        "diag" | "purge" => "takes nothing else",
        "restart_worker" | "states" => "needs the pipeline that is meant, and nothing else",
        "explain" => "needs the result that is meant, and nothing else",
        "label" => "needs labels, each of a result, and nothing else",
        "pull_state" | "roll_back" => {
            "needs the pipeline that is meant, takes the version of a state, and nothing else"
        }
        _ => {
            let known = CommandKind::WORDS.join(", ");
            return Error::invalid(format!("kind is one of {known}"));
        }
    };
    Error::invalid(format!("{kind} {needs}"))
}

/// The labels by frame; all of one pipeline, since one model learns them.
async fn labels(api: &Api, device: &DeviceId, given: &[NewLabel]) -> Result<Labels> {
    if given.len() > LABELS_AT_MOST {
        return Err(Error::invalid(format!(
            "a command has at most {LABELS_AT_MOST} labels: send more commands"
        )));
    }
    let mut pipelines = BTreeSet::new();
    let mut labels = Vec::with_capacity(given.len());
    for one in given {
        if !(1..=32).contains(&one.label.len()) {
            return Err(Error::invalid("a label is the slug of one: 1 to 32 bytes"));
        }
        let seen = seen(api, device, one.result).await?;
        pipelines.insert(seen.pipeline);
        labels.push(Labelled {
            frame: seen.frame,
            label: one.label.clone(),
        });
    }
    match (pipelines.pop_first(), pipelines.is_empty()) {
        (Some(pipeline), true) => Ok(Labels { pipeline, labels }),
        _ => Err(Error::invalid(
            "the labels are of results of several pipelines: send a command for each",
        )),
    }
}

/// The frame that one of the device's results is about.
async fn seen(api: &Api, device: &DeviceId, result: i64) -> Result<Seen> {
    let row = api.cloud.store.result(result).await?;
    if row.device != device.as_str() {
        return Err(Error::not_found(
            "result of this device",
            result.to_string(),
        ));
    }
    let pipeline = row.pipeline.parse();
    Ok(Seen {
        pipeline: pipeline.map_err(|error| Error::corrupt("result", error))?,
        frame: row.frame()?,
    })
}

/// A device's commands, newest first.
#[utoipa::path(get, path = "/api/v1/devices/{device}/commands", tag = "commands",
    params(("device" = String, Path), PageQuery), responses((status = 200, body = CommandList)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Reader,
    Path(device): Path<String>,
    Query(page): Query<PageQuery>,
) -> ApiResult<axum::Json<CommandList>> {
    api.cloud.store.device(&device).await?;
    let now_ms = api.cloud.now_ms();
    let page = api.cloud.store.commands(&device, &page.request()?).await?;
    Ok(axum::Json(page.map(|row| view(row, now_ms)).into()))
}

/// One command.
#[utoipa::path(get, path = "/api/v1/devices/{device}/commands/{id}", tag = "commands",
    params(("device" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = Command)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    _: Reader,
    Path((device, command)): Path<(String, String)>,
) -> ApiResult<axum::Json<Command>> {
    let row = api
        .cloud
        .store
        .command(&device, &id("command", &command)?)
        .await?;
    Ok(axum::Json(view(row, api.cloud.now_ms())))
}
