//! Orders to compress uploaded models.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use noroshi_model::{Digest, ModelId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::caller::{Operator, Reader};
use super::input::{Body, PageQuery, Query, id, list};
use super::problem::ApiResult;
use crate::compression::{Order, Preset};
use crate::error::{Error, Result};
use crate::store::{CompressionRow, unsigned};

/// An order; its files are uploaded before it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCompression {
    /// SHA-256 of the .onnx file.
    #[schema(value_type = String)]
    source: Digest,
    /// SHA-256 of each picture to calibrate with; the loss is measured on some of them.
    #[schema(value_type = Vec<String>)]
    photos: Vec<Digest>,
    /// The classes' names.
    labels: Vec<String>,
    /// How pictures become inputs.
    preset: Preset,
    /// Points of agreement with the float model that may be lost; 2 if left out.
    #[serde(default = "two")]
    max_loss: f64,
}

const fn two() -> f64 {
    2.0
}

/// An order and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Compression {
    id: String,
    model: String,
    /// `queued`, `running`, `succeeded` or `failed`.
    state: String,
    /// How often a worker was started for it.
    attempts: i64,
    /// SHA-256 of the file that is compressed.
    source: String,
    photos: u64,
    max_loss: f64,
    created_ms: u64,
    created_by: String,
    started_ms: Option<u64>,
    finished_ms: Option<u64>,
    /// The version that came of it.
    version: Option<i64>,
    /// What it cost: models beside each other, loss, layers by sensitivity.
    #[schema(value_type = Option<Object>)]
    report: Option<Value>,
    /// Why it failed.
    reason: Option<String>,
}

list! {
    /// A page of a list.
    CompressionList, Compression
}

fn compression(row: CompressionRow) -> Result<Compression> {
    let order: Order =
        serde_json::from_str(&row.request).map_err(|error| Error::corrupt("compression", error))?;
    let report = row.report.as_deref().map(serde_json::from_str).transpose();
    Ok(Compression {
        id: row.id,
        model: row.model,
        state: row.state,
        attempts: row.attempts,
        source: order.source.to_string(),
        photos: order.photos.len() as u64,
        max_loss: order.max_loss,
        created_ms: unsigned(row.created_ms),
        created_by: row.created_by,
        started_ms: row.started_ms.map(unsigned),
        finished_ms: row.finished_ms.map(unsigned),
        version: row.version,
        report: report.map_err(|error| Error::corrupt("report", error))?,
        reason: row.reason,
    })
}

/// Orders a version of this model with 8-bit integers, made of an uploaded file.
#[utoipa::path(post, path = "/api/v1/models/{model}/compressions", tag = "models",
    params(("model" = String, Path)),
    request_body = NewCompression, responses((status = 202, body = Compression)))]
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    caller: Operator,
    Path(model): Path<String>,
    Body(new): Body<NewCompression>,
) -> ApiResult<(StatusCode, axum::Json<Compression>)> {
    let model: ModelId = model
        .parse()
        .map_err(|error: noroshi_model::NameError| Error::invalid(error.to_string()))?;
    let order = Order {
        source: new.source,
        photos: new.photos,
        labels: new.labels,
        preset: new.preset,
        max_loss: new.max_loss,
    };
    let by = &caller.0.account;
    let row = api.cloud.order_compression(&model, &order, by).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(compression(row)?)))
}

/// Which orders.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompressionQuery {
    /// Only this model's.
    model: Option<String>,
    /// Items of one page, 1 to 500; 50 if left out.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Orders, newest first.
#[utoipa::path(get, path = "/api/v1/compressions", tag = "models", params(CompressionQuery),
    responses((status = 200, body = CompressionList)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Reader,
    Query(query): Query<CompressionQuery>,
) -> ApiResult<axum::Json<CompressionList>> {
    let CompressionQuery {
        model,
        limit,
        cursor,
    } = query;
    let model: Option<ModelId> = model.map(|model| id("model", &model)).transpose()?;
    let request = PageQuery { limit, cursor }.request()?;
    let model = model.as_ref().map(ModelId::as_str);
    let page = api.cloud.store.compressions(model, &request).await?;
    Ok(axum::Json(page.try_map(compression)?.into()))
}

/// One order.
#[utoipa::path(get, path = "/api/v1/compressions/{id}", tag = "models",
    params(("id" = String, Path)), responses((status = 200, body = Compression)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    _: Reader,
    Path(id): Path<String>,
) -> ApiResult<axum::Json<Compression>> {
    let row = api.cloud.store.compression(&id).await?;
    Ok(axum::Json(compression(row)?))
}
