//! Rollouts.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use noroshi_fleet::rollout::{Event, Rollout as Facts, Threshold};
use noroshi_model::ModelId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::caller::{Operator, Reader};
use super::input::{Body, Query, id, list, name};
use super::pipelines::RefusedDevice;
use super::problem::ApiResult;
use crate::documents::read_rollout;
use crate::error::{Error, Result};
use crate::rollout_plan::RolloutRequest;
use crate::selection::Selection;
use crate::store::{PageRequest, RolloutRow, unsigned};

/// A rollout to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRollout {
    /// For people.
    #[serde(default)]
    name: Option<String>,
    #[schema(value_type = String)]
    model: ModelId,
    /// The version that it brings.
    version: u32,
    /// The devices; with pipelines, only those pipelines change.
    selection: Selection,
    /// Rising percentages, the last 100; 10, 50, 100 if left out.
    #[serde(default = "waves")]
    waves: Vec<u8>,
    /// More failures than this share and every device goes back; 10 if left out.
    #[serde(default = "ten")]
    max_failures_percent: u8,
    /// Seconds between the end of a wave and the next.
    #[serde(default)]
    soak_s: u64,
    /// Seconds after which a device that has not ended has failed; 600 if left out.
    #[serde(default = "deadline")]
    deadline_s: u64,
    /// Seconds that a device watches the new model before it counts; 10 if left out.
    #[serde(default = "trial")]
    trial_s: u64,
    /// Devices of a site that switch at the same time; 10 if left out.
    #[serde(default = "parallel")]
    parallel: u32,
}

list! {
    /// A page of a list.
    RolloutList, Rollout
}

fn waves() -> Vec<u8> {
    vec![10, 50, 100]
}
const fn ten() -> u8 {
    10
}
const fn deadline() -> u64 {
    600
}
const fn trial() -> u64 {
    10
}
const fn parallel() -> u32 {
    10
}

/// A rollout.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rollout {
    id: String,
    name: String,
    model: String,
    version: i64,
    /// `running`, `paused`, `reverting`, `succeeded`, `stopped` or `reverted`.
    state: String,
    /// Why it stopped or is stopping.
    reason: Option<String>,
    paused: bool,
    /// The wave that opened last, counted from 1.
    wave: u32,
    waves: Vec<Wave>,
    counts: RolloutCounts,
    devices: Vec<RolloutDevice>,
    /// Devices that were left out before anything was sent.
    refused: Vec<RefusedDevice>,
    created_ms: u64,
    created_by: String,
    finished_ms: Option<u64>,
}

/// A wave.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Wave {
    /// The share of devices that it brings the rollout to.
    percent: u8,
    devices: u32,
    succeeded: u32,
    failed: u32,
    /// `waiting`, `running` or `done`.
    state: &'static str,
}

/// Devices by where they are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RolloutCounts {
    total: u32,
    waiting: u32,
    preparing: u32,
    trial: u32,
    succeeded: u32,
    failed: u32,
    reverted: u32,
}

/// A device of a rollout.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RolloutDevice {
    device: String,
    name: String,
    site: String,
    /// Counted from 1.
    wave: u32,
    /// `waiting`, `assigned` (not heard of yet), a phase of the update, `missed` or `gone`.
    phase: String,
    /// One sentence: why it is there, and the cure.
    reason: String,
    variant: String,
    /// Bytes fetched so far.
    fetched: u64,
    /// Bytes to fetch.
    total: u64,
}

/// Which rollouts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct RolloutQuery {
    /// In one state.
    state: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

async fn view(api: &Api, row: RolloutRow) -> Result<Rollout> {
    let facts = read_rollout(&row)?;
    let summary = facts.summary();
    let refused = api.cloud.store.rollout_refused(&row.id).await?;
    let waves = summary.waves.iter().map(|wave| Wave {
        percent: wave.percent,
        devices: wave.devices,
        succeeded: wave.succeeded,
        failed: wave.failed,
        state: match (wave.opened, wave.under_way) {
            (false, _) => "waiting",
            (true, 0) => "done",
            (true, _) => "running",
        },
    });
    Ok(Rollout {
        waves: waves.collect(),
        counts: counts(summary.devices, &summary.phases),
        devices: devices(api, &row, &facts).await?,
        refused: refused
            .into_iter()
            .map(|(device, reasons)| RefusedDevice { device, reasons })
            .collect(),
        paused: summary.state == "paused",
        state: summary.state,
        reason: summary.reason,
        wave: summary.wave,
        id: row.id,
        name: row.name,
        model: row.model,
        version: row.version,
        created_ms: unsigned(row.created_ms),
        created_by: row.created_by,
        finished_ms: row.finished_ms.map(unsigned),
    })
}

fn counts(total: u32, phases: &BTreeMap<String, u32>) -> RolloutCounts {
    let of = |words: &[&str]| words.iter().filter_map(|word| phases.get(*word)).sum();
    RolloutCounts {
        total,
        waiting: of(&["waiting"]),
        preparing: of(&[
            "assigned",
            "accepted",
            "downloading",
            "verifying",
            "staged",
            "testing",
            "ready",
        ]),
        trial: of(&["trial"]),
        succeeded: of(&["active"]),
        failed: of(&["failed", "missed"]),
        reverted: of(&["reverted"]),
    }
}

async fn devices(api: &Api, row: &RolloutRow, facts: &Facts) -> Result<Vec<RolloutDevice>> {
    let mut devices = Vec::new();
    for target in api.cloud.store.rollout_targets(&row.id).await? {
        let peer = api.cloud.store.peer(target.device.as_str()).await?;
        let report = peer
            .as_ref()
            .map(crate::store::PeerRow::report)
            .transpose()?
            .flatten();
        let progress = facts.device(&target.device);
        let update = report.and_then(|report| report.update).filter(|update| {
            progress
                .as_ref()
                .is_some_and(|p| p.plan.as_ref() == Some(&update.plan))
        });
        let (fetched, total) = update.map_or((0, 0), |update| (update.fetched, update.total));
        let site = crate::cloud::Cloud::site_in(facts, &target.device);
        devices.push(RolloutDevice {
            name: peer.map(|peer| peer.name).unwrap_or_default(),
            site: site.map(String::from).unwrap_or_default(),
            wave: progress.as_ref().map_or(0, |progress| progress.wave),
            phase: progress.map_or("gone", |progress| progress.word).to_owned(),
            reason: facts.why(&target.device),
            device: target.device.into(),
            variant: target.variant,
            fetched,
            total,
        });
    }
    Ok(devices)
}

/// Makes a rollout and starts it.
#[utoipa::path(post, path = "/api/v1/rollouts", tag = "rollouts", request_body = NewRollout,
    responses((status = 201, body = Rollout)))]
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    caller: Operator,
    Body(new): Body<NewRollout>,
) -> ApiResult<(StatusCode, axum::Json<Rollout>)> {
    let request = request(new, caller.0.account)?;
    let row = api.cloud.create_rollout(&request).await?;
    Ok((StatusCode::CREATED, axum::Json(view(&api, row).await?)))
}

fn request(new: NewRollout, by: String) -> Result<RolloutRequest> {
    let longest = 30 * 24 * 60 * 60;
    if [new.soak_s, new.deadline_s, new.trial_s]
        .into_iter()
        .any(|seconds| seconds > longest)
    {
        return Err(Error::invalid(
            "soak_s, deadline_s and trial_s are 30 days at most",
        ));
    }
    if new.deadline_s <= new.trial_s {
        return Err(Error::invalid(
            "deadline_s must be more than trial_s, to leave time to download and test",
        ));
    }
    Ok(RolloutRequest {
        name: new.name.as_deref().map(name).transpose()?,
        model: new.model,
        version: new.version,
        selection: new.selection,
        waves: new.waves,
        max_failures: Threshold::Percent(new.max_failures_percent),
        soak_ms: new.soak_s * 1000,
        prepare_ms: (new.deadline_s - new.trial_s) * 1000,
        trial_ms: new.trial_s * 1000,
        deadline_ms: new.deadline_s * 1000,
        parallel: new.parallel,
        by,
    })
}

/// Rollouts, newest first.
#[utoipa::path(get, path = "/api/v1/rollouts", tag = "rollouts", params(RolloutQuery),
    responses((status = 200, body = RolloutList)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Reader,
    Query(query): Query<RolloutQuery>,
) -> ApiResult<axum::Json<RolloutList>> {
    let page = PageRequest::new(query.limit, query.cursor)?;
    let page = api
        .cloud
        .store
        .rollouts(query.state.as_deref(), &page)
        .await?;
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(view(&api, row).await?);
    }
    let page = crate::store::Page {
        items,
        next_cursor: page.next_cursor,
    };
    Ok(axum::Json(page.into()))
}

/// One rollout with its devices.
#[utoipa::path(get, path = "/api/v1/rollouts/{rollout}", tag = "rollouts",
    params(("rollout" = String, Path)), responses((status = 200, body = Rollout)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    _: Reader,
    Path(rollout): Path<String>,
) -> ApiResult<impl IntoResponse> {
    let row = api.cloud.store.rollout(&id("rollout", &rollout)?).await?;
    let etag = format!("\"{}\"", row.row_version);
    Ok(([(header::ETAG, etag)], axum::Json(view(&api, row).await?)))
}

async fn command(api: &Api, rollout: &str, event: Event) -> ApiResult<axum::Json<Rollout>> {
    let row = api
        .cloud
        .command_rollout(&id("rollout", rollout)?, event)
        .await?;
    Ok(axum::Json(view(api, row).await?))
}

/// Opens no wave and switches no device until it is resumed.
#[utoipa::path(post, path = "/api/v1/rollouts/{rollout}/pause", tag = "rollouts",
    params(("rollout" = String, Path)), responses((status = 200, body = Rollout)))]
pub(crate) async fn pause(
    State(api): State<Arc<Api>>,
    _: Operator,
    Path(rollout): Path<String>,
) -> ApiResult<axum::Json<Rollout>> {
    command(&api, &rollout, Event::Pause).await
}

/// Goes on after a pause.
#[utoipa::path(post, path = "/api/v1/rollouts/{rollout}/resume", tag = "rollouts",
    params(("rollout" = String, Path)), responses((status = 200, body = Rollout)))]
pub(crate) async fn resume(
    State(api): State<Arc<Api>>,
    _: Operator,
    Path(rollout): Path<String>,
) -> ApiResult<axum::Json<Rollout>> {
    command(&api, &rollout, Event::Resume).await
}

/// Takes every device back to what it ran before.
#[utoipa::path(post, path = "/api/v1/rollouts/{rollout}/revert", tag = "rollouts",
    params(("rollout" = String, Path)), responses((status = 200, body = Rollout)))]
pub(crate) async fn revert(
    State(api): State<Arc<Api>>,
    _: Operator,
    Path(rollout): Path<String>,
) -> ApiResult<axum::Json<Rollout>> {
    command(&api, &rollout, Event::Revert).await
}
