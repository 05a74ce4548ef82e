//! Results, events and how they were delivered.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::caller::Reader;
use super::input::{PageQuery, Query, id, list};
use super::problem::ApiResult;
use crate::error::{Error, Result};
use crate::store::{
    EventRow as StoredEvent, PageRequest, PeerDelivery, RecordFilter, ResultRow as StoredResult,
    unsigned,
};

/// A result.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResultRow {
    id: i64,
    device: String,
    site: String,
    pipeline: String,
    /// The start of the agent that made it, 32 hexadecimal digits.
    boot: String,
    start: u64,
    sequence: u64,
    frame: Frame,
    model: String,
    version: i64,
    variant: String,
    revision: i64,
    label: String,
    score: f64,
    top: Vec<ScoredLabel>,
    /// The best time known.
    at_ms: u64,
    monotonic_ms: u64,
    wall_ms: u64,
    /// `none`, `gateway` or `ntp`.
    clock: String,
    received_ms: u64,
    cpu_us: i64,
}

/// A frame of a source.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Frame {
    /// One start of the source, 16 hexadecimal digits.
    source: String,
    number: u64,
}

/// A label with its score.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ScoredLabel {
    label: String,
    score: f64,
}

/// An event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventRow {
    id: i64,
    device: String,
    site: String,
    kind: String,
    message: String,
    #[schema(value_type = Object)]
    details: Value,
    /// Records that a quota dropped.
    #[schema(value_type = Option<Object>)]
    dropped: Option<Value>,
    boot: String,
    start: u64,
    sequence: u64,
    at_ms: u64,
    monotonic_ms: u64,
    wall_ms: u64,
    clock: String,
    received_ms: u64,
}

/// Delivery of every device together, and of each.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Statistics {
    results: i64,
    events: i64,
    /// Records below the newest that never came; some may still be on their way.
    lost: i64,
    /// Records that came again and were not stored again.
    duplicates: i64,
    /// Records that a quota dropped.
    dropped: i64,
    devices: Vec<DeviceStatistics>,
    /// For the next page of devices; null after the last.
    next_cursor: Option<String>,
}

/// Delivery of one device over all its starts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceStatistics {
    device: String,
    site: String,
    results: i64,
    events: i64,
    lost: i64,
    duplicates: i64,
    dropped: i64,
    /// When the last record came; 0 before the first.
    last_ms: u64,
}

/// Which results.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResultQuery {
    device: Option<String>,
    site: Option<String>,
    pipeline: Option<String>,
    /// With this place in its stream.
    sequence: Option<u64>,
    /// Received at or after this time.
    since_ms: Option<u64>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventQuery {
    device: Option<String>,
    site: Option<String>,
    kind: Option<String>,
    /// Received at or after this time.
    since_ms: Option<u64>,
    limit: Option<u32>,
    cursor: Option<String>,
}

list! {
    /// A page of a list.
    ResultRowList, ResultRow
}
list! {
    /// A page of a list.
    EventRowList, EventRow
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn parse<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::corrupt(what, error))
}

fn result(row: StoredResult) -> Result<ResultRow> {
    Ok(ResultRow {
        id: row.id,
        boot: hex(&row.boot),
        start: unsigned(row.start),
        sequence: unsigned(row.sequence),
        frame: Frame {
            source: hex(&row.frame_source),
            number: unsigned(row.frame_number),
        },
        top: parse("answer", &row.top)?,
        device: row.device,
        site: row.site,
        pipeline: row.pipeline,
        model: row.model,
        version: row.version,
        variant: row.variant,
        revision: row.revision,
        label: row.label,
        score: row.score,
        at_ms: unsigned(row.at_ms),
        monotonic_ms: unsigned(row.monotonic_ms),
        wall_ms: unsigned(row.wall_ms),
        clock: row.clock,
        received_ms: unsigned(row.received_ms),
        cpu_us: row.cpu_us,
    })
}

fn event(row: StoredEvent) -> Result<EventRow> {
    Ok(EventRow {
        id: row.id,
        boot: hex(&row.boot),
        start: unsigned(row.start),
        sequence: unsigned(row.sequence),
        details: parse("event", &row.details)?,
        dropped: row
            .dropped
            .as_deref()
            .map(|text| parse("event", text))
            .transpose()?,
        device: row.device,
        site: row.site,
        kind: row.kind,
        message: row.message,
        at_ms: unsigned(row.at_ms),
        monotonic_ms: unsigned(row.monotonic_ms),
        wall_ms: unsigned(row.wall_ms),
        clock: row.clock,
        received_ms: unsigned(row.received_ms),
    })
}

fn delivery(row: PeerDelivery) -> DeviceStatistics {
    DeviceStatistics {
        device: row.device,
        site: row.site,
        results: row.results,
        events: row.events,
        lost: row.lost,
        duplicates: row.duplicates,
        dropped: row.dropped,
        last_ms: unsigned(row.last_ms),
    }
}

/// Results, newest first.
#[utoipa::path(get, path = "/api/v1/results", tag = "results", params(ResultQuery),
    responses((status = 200, body = ResultRowList)))]
pub(crate) async fn results(
    State(api): State<Arc<Api>>,
    _: Reader,
    Query(query): Query<ResultQuery>,
) -> ApiResult<axum::Json<ResultRowList>> {
    let page = PageRequest::new(query.limit, query.cursor)?;
    let filter = RecordFilter {
        device: query.device,
        site: query.site,
        name: query.pipeline,
        since_ms: query.since_ms,
        sequence: query.sequence,
    };
    let page = api.cloud.store.results(&filter, &page).await?;
    Ok(axum::Json(page.try_map(result)?.into()))
}

/// One result.
#[utoipa::path(get, path = "/api/v1/results/{result}", tag = "results",
    params(("result" = i64, Path)), responses((status = 200, body = ResultRow)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    _: Reader,
    Path(asked): Path<String>,
) -> ApiResult<axum::Json<ResultRow>> {
    let row = api.cloud.store.result(id("result", &asked)?).await?;
    Ok(axum::Json(result(row)?))
}

/// Events, newest first.
#[utoipa::path(get, path = "/api/v1/events", tag = "results", params(EventQuery),
    responses((status = 200, body = EventRowList)))]
pub(crate) async fn events(
    State(api): State<Arc<Api>>,
    _: Reader,
    Query(query): Query<EventQuery>,
) -> ApiResult<axum::Json<EventRowList>> {
    let page = PageRequest::new(query.limit, query.cursor)?;
    let filter = RecordFilter {
        device: query.device,
        site: query.site,
        name: query.kind,
        since_ms: query.since_ms,
        sequence: None,
    };
    let page = api.cloud.store.events(&filter, &page).await?;
    Ok(axum::Json(page.try_map(event)?.into()))
}

/// How records were delivered: together and by device.
#[utoipa::path(get, path = "/api/v1/statistics", tag = "results", params(PageQuery),
    responses((status = 200, body = Statistics)))]
pub(crate) async fn statistics(
    State(api): State<Arc<Api>>,
    _: Reader,
    Query(page): Query<PageQuery>,
) -> ApiResult<axum::Json<Statistics>> {
    let totals = api.cloud.store.delivery_totals().await?;
    let page = api
        .cloud
        .store
        .deliveries(&page.request()?)
        .await?
        .map(delivery);
    Ok(axum::Json(Statistics {
        results: totals.results,
        events: totals.events,
        lost: totals.lost,
        duplicates: totals.duplicates,
        dropped: totals.dropped,
        devices: page.items,
        next_cursor: page.next_cursor,
    }))
}

/// How one device's records were delivered.
#[utoipa::path(get, path = "/api/v1/devices/{device}/statistics", tag = "devices",
    params(("device" = String, Path)), responses((status = 200, body = DeviceStatistics)))]
pub(crate) async fn device_statistics(
    State(api): State<Arc<Api>>,
    _: Reader,
    Path(device): Path<String>,
) -> ApiResult<axum::Json<DeviceStatistics>> {
    Ok(axum::Json(delivery(
        api.cloud.store.delivery_of(&device).await?,
    )))
}
