//! Commands to devices.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use noroshi_protocol::{CommandKind, DeviceId, PipelineId, Seen};
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
    /// `diag`, `purge`, `restart_worker` or `explain`.
    kind: String,
    /// The pipeline that it is about, if it is about one.
    pipeline: Option<String>,
    created_ms: u64,
    not_after_ms: u64,
    /// `sent`, `done`, `failed`, `refused` or `expired`.
    state: String,
    /// The reply. To `explain` it is a JSON object: `model`, `version`, `variant`, `label`, `score`
    /// and what that is the sum of, `terms` (each with `part`, `index`, `name`, `value`) and `rest`
    /// (`count`, `value`).
    text: String,
}

/// A command to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCommand {
    /// `diag`, `purge`, `restart_worker` or `explain`.
    kind: String,
    /// The pipeline of `restart_worker`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pipeline: Option<PipelineId>,
    /// The result that `explain` asks about.
    #[serde(default)]
    result: Option<i64>,
    /// Seconds until the device does not obey it any more; five minutes if left out.
    #[serde(default)]
    ttl_s: Option<u64>,
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
    match (new.kind.as_str(), &new.pipeline, new.result) {
        ("diag", None, None) => Ok(CommandKind::Diag),
        ("purge", None, None) => Ok(CommandKind::Purge),
        ("restart_worker", Some(pipeline), None) => {
            Ok(CommandKind::RestartWorker(pipeline.clone()))
        }
        ("explain", None, Some(result)) => {
            Ok(CommandKind::Explain(seen(api, device, result).await?))
        }
        ("restart_worker", ..) => Err(Error::invalid(
            "restart_worker needs the pipeline whose worker is meant, and nothing else",
        )),
        ("explain", ..) => Err(Error::invalid(
            "explain needs the result that is meant, and nothing else",
        )),
        ("diag" | "purge", ..) => Err(Error::invalid("diag and purge take nothing else")),
        _ => Err(Error::invalid(format!(
            "kind is one of {}",
            CommandKind::WORDS.join(", ")
        ))),
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
