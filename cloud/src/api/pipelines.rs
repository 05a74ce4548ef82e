//! Pipelines.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use noroshi_model::{Filter, ModelId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::caller::{Operator, Reader};
use super::input::{Body, PageQuery, Query, id, list, name};
use super::problem::ApiResult;
use super::view::json;
use crate::error::{Error, Result};
use crate::pipelines::Application;
use crate::selection::Selection;
use crate::store::{PipelineRow, unsigned};

/// What a pipeline should be. Applying the same again changes nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PipelineSettings {
    /// For people; the id if left out.
    #[serde(default)]
    name: Option<String>,
    /// The name of a source in the devices' `agent.toml`.
    source: String,
    #[schema(value_type = String)]
    model: ModelId,
    /// The newest if left out.
    #[serde(default)]
    version: Option<u32>,
    /// What becomes a result, in order: `{"threshold": {"min_score": 0.5}}`,
    /// `{"on_change": {"heartbeat_ms": 60000}}`, `{"rate_limit": {"interval_ms": 1000}}`.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    filters: Vec<Filter>,
    /// Labels in a result, 1 to 16; 3 if left out.
    #[serde(default = "three")]
    top: u8,
    /// The devices that run it; every other one stops running it.
    devices: Selection,
}

list! {
    /// A page of a list.
    PipelineList, Pipeline
}

const fn three() -> u8 {
    3
}

/// A pipeline.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pipeline {
    id: String,
    name: String,
    source: String,
    model: String,
    version: i64,
    #[schema(value_type = Vec<Object>)]
    filters: Value,
    top: i64,
    revision: i64,
    /// Devices that should run it.
    devices: Vec<String>,
    created_ms: u64,
    updated_ms: u64,
}

/// A pipeline that was applied.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PipelineApplied {
    #[serde(flatten)]
    pipeline: Pipeline,
    /// Devices that run it.
    assigned: Vec<AssignedDevice>,
    /// Devices that can't; nothing was sent to them.
    refused: Vec<RefusedDevice>,
}

/// A device with the variant chosen for it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssignedDevice {
    device: String,
    variant: String,
}

/// A device that was left out, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefusedDevice {
    pub(crate) device: String,
    pub(crate) reasons: Vec<String>,
}

/// How to apply.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplyQuery {
    /// Only answer what would become of it.
    #[serde(default)]
    dry_run: bool,
}

fn view(row: PipelineRow, devices: Vec<String>) -> Result<Pipeline> {
    Ok(Pipeline {
        filters: json(row.filter_list()?)?,
        id: row.id,
        name: row.name,
        source: row.source,
        model: row.model,
        version: row.version,
        top: row.top,
        revision: row.revision,
        devices,
        created_ms: unsigned(row.created_ms),
        updated_ms: unsigned(row.updated_ms),
    })
}

async fn with_devices(api: &Api, row: PipelineRow) -> Result<Pipeline> {
    let assigned = api
        .cloud
        .store
        .assigned_to(&id("pipeline", &row.id)?)
        .await?;
    view(row, assigned.into_iter().map(|one| one.device).collect())
}

/// Pipelines.
#[utoipa::path(get, path = "/api/v1/pipelines", tag = "pipelines", params(PageQuery),
    responses((status = 200, body = PipelineList)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Reader,
    Query(page): Query<PageQuery>,
) -> ApiResult<axum::Json<PipelineList>> {
    let page = api.cloud.store.pipelines(&page.request()?).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(with_devices(&api, row).await?);
    }
    let page = crate::store::Page {
        items,
        next_cursor: page.next_cursor,
    };
    Ok(axum::Json(page.into()))
}

/// One pipeline.
#[utoipa::path(get, path = "/api/v1/pipelines/{pipeline}", tag = "pipelines",
    params(("pipeline" = String, Path)), responses((status = 200, body = Pipeline)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    _: Reader,
    Path(pipeline): Path<String>,
) -> ApiResult<axum::Json<Pipeline>> {
    let row = api
        .cloud
        .store
        .pipeline(&id("pipeline", &pipeline)?)
        .await?;
    Ok(axum::Json(with_devices(&api, row).await?))
}

/// Applies a pipeline.
#[utoipa::path(put, path = "/api/v1/pipelines/{pipeline}", tag = "pipelines",
    params(("pipeline" = String, Path), ApplyQuery), request_body = PipelineSettings,
    responses((status = 200, body = PipelineApplied)))]
pub(crate) async fn apply(
    State(api): State<Arc<Api>>,
    _: Operator,
    Path(pipeline): Path<String>,
    Query(query): Query<ApplyQuery>,
    Body(settings): Body<PipelineSettings>,
) -> ApiResult<axum::Json<PipelineApplied>> {
    let wanted = application(&pipeline, settings)?;
    let applied = api.cloud.apply(&wanted, query.dry_run).await?;
    let assigned: Vec<_> = applied
        .assigned
        .iter()
        .map(|one| AssignedDevice {
            device: one.device.clone(),
            variant: one.assignment.model.variant.as_str().to_owned(),
        })
        .collect();
    let devices = assigned.iter().map(|one| one.device.clone()).collect();
    let refused = applied
        .refused
        .into_iter()
        .map(|(device, reasons)| RefusedDevice { device, reasons })
        .collect();
    let pipeline = view(applied.row, devices)?;
    Ok(axum::Json(PipelineApplied {
        pipeline,
        assigned,
        refused,
    }))
}

fn application(pipeline: &str, settings: PipelineSettings) -> Result<Application> {
    let pipeline = pipeline
        .parse()
        .map_err(|error| Error::invalid(format!("a pipeline's id: {error}")))?;
    if !(1..=64).contains(&settings.source.len()) {
        return Err(Error::invalid("a source's name has 1 to 64 bytes"));
    }
    if !(1..=16).contains(&settings.top) {
        return Err(Error::invalid("top must be 1 to 16"));
    }
    if settings.filters.len() > 8 {
        return Err(Error::invalid("at most 8 filters"));
    }
    if let Some(fault) = settings.filters.iter().find_map(Filter::fault) {
        return Err(Error::invalid(fault));
    }
    Ok(Application {
        pipeline,
        name: settings.name.as_deref().map(name).transpose()?,
        source: settings.source,
        model: settings.model,
        version: settings.version,
        filters: settings.filters,
        top: settings.top,
        devices: settings.devices,
    })
}

/// Removes a pipeline from every device.
#[utoipa::path(delete, path = "/api/v1/pipelines/{pipeline}", tag = "pipelines",
    params(("pipeline" = String, Path)), responses((status = 204)))]
pub(crate) async fn remove(
    State(api): State<Arc<Api>>,
    _: Operator,
    Path(pipeline): Path<String>,
) -> ApiResult<StatusCode> {
    api.cloud
        .remove_pipeline(&id("pipeline", &pipeline)?)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
