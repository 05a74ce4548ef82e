//! Models and their versions.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use noroshi_model::{Manifest, ModelId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::caller::{Operator, Reader};
use super::input::{PageQuery, Query, id, list, whole};
use super::problem::ApiResult;
use super::view::json;
use crate::error::{Error, Result};
use crate::models::Published;
use crate::selection::{Selection, choose};
use crate::store::{ModelRow, VersionRow, unsigned};

/// A model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Model {
    id: String,
    /// The newest version.
    latest: i64,
    /// How many there are.
    versions: i64,
    /// What it does, such as `classification`.
    task: String,
    created_ms: u64,
    /// Bytes of the newest version's smallest file.
    bytes_smallest: u64,
    /// Devices that should run it.
    devices: i64,
}

/// A published version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelVersion {
    model: String,
    version: u32,
    published_ms: u64,
    published_by: String,
    manifest_sha256: String,
    manifest_length: u64,
    task: String,
    /// How many labels it tells apart.
    labels: u64,
    /// What goes in.
    #[schema(value_type = Object)]
    input: Value,
    variants: Vec<Variant>,
    /// Whether it is signed under a development root.
    development: bool,
}

/// One of a version's files.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Variant {
    name: String,
    engine: String,
    precision: String,
    sha256: String,
    bytes: u64,
    #[schema(value_type = Object)]
    requirements: Value,
    #[schema(value_type = Object)]
    measured: Value,
    #[schema(value_type = Object)]
    provenance: Value,
}

/// Whether a device would run a version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Compatibility {
    device: String,
    name: String,
    site: String,
    /// The variant that it would run.
    variant: Option<String>,
    /// Why it would run none.
    obstacles: Vec<String>,
}

/// Which devices; lists are separated by commas. None of them means all.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompatibilityQuery {
    devices: Option<String>,
    sites: Option<String>,
    pipelines: Option<String>,
}

list! {
    /// A page of a list.
    ModelList, Model
}
list! {
    /// A page of a list.
    ModelVersionList, ModelVersion
}
list! {
    /// A page of a list.
    CompatibilityList, Compatibility
}

fn model(row: ModelRow) -> Result<Model> {
    let manifest =
        Manifest::from_json(&row.manifest).map_err(|error| Error::corrupt("manifest", error))?;
    let smallest = manifest
        .variants
        .iter()
        .map(|variant| variant.blob.length)
        .min();
    Ok(Model {
        id: row.id,
        latest: row.latest,
        versions: row.versions,
        task: manifest.task.word().to_owned(),
        created_ms: unsigned(row.created_ms),
        bytes_smallest: smallest.unwrap_or(0),
        devices: row.devices,
    })
}

fn model_version(row: &VersionRow, development: bool) -> Result<ModelVersion> {
    let manifest = row.parsed()?;
    let variant = |variant: &noroshi_model::Variant| {
        Ok(Variant {
            name: variant.name.as_str().to_owned(),
            engine: variant.engine.word().to_owned(),
            precision: json(variant.precision)?
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            sha256: variant.blob.sha256.to_string(),
            bytes: variant.blob.length,
            requirements: json(&variant.requirements)?,
            measured: json(&variant.measured)?,
            provenance: json(&variant.provenance)?,
        })
    };
    Ok(ModelVersion {
        model: row.model.clone(),
        version: manifest.version,
        published_ms: unsigned(row.published_ms),
        published_by: row.published_by.clone(),
        manifest_sha256: row.sha256.clone(),
        manifest_length: row.manifest.len() as u64,
        task: manifest.task.word().to_owned(),
        labels: manifest.task.labels().len() as u64,
        input: json(&manifest.input)?,
        variants: manifest
            .variants
            .iter()
            .map(variant)
            .collect::<Result<_>>()?,
        development,
    })
}

type Answer = (StatusCode, axum::Json<ModelVersion>);

async fn publish(
    api: &Api,
    caller: Operator,
    request: Request,
    expected: Option<ModelId>,
) -> ApiResult<Answer> {
    let bytes = whole(request, &()).await?;
    if let Some(expected) = expected {
        let named = Manifest::from_json(&bytes)
            .ok()
            .map(|manifest| manifest.model);
        if named.is_some_and(|named| named != expected) {
            let text = format!("the address says {expected}, the manifest another model");
            return Err(Error::invalid(text).into());
        }
    }
    let (status, row) = match api.cloud.publish(&bytes, &caller.0.account).await? {
        Published::New(row) => (StatusCode::CREATED, row),
        Published::Known(row) => (StatusCode::OK, row),
    };
    Ok((
        status,
        axum::Json(model_version(&row, api.cloud.development)?),
    ))
}

/// Publishes a model's first or next version: the manifest's bytes are signed as they are.
#[utoipa::path(post, path = "/api/v1/models", tag = "models",
    request_body(content = Object, content_type = "application/json"),
    responses((status = 201, body = ModelVersion), (status = 200, body = ModelVersion)))]
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    caller: Operator,
    request: Request,
) -> ApiResult<Answer> {
    publish(&api, caller, request, None).await
}

/// Publishes a version of this model.
#[utoipa::path(post, path = "/api/v1/models/{model}/versions", tag = "models",
    params(("model" = String, Path)),
    request_body(content = Object, content_type = "application/json"),
    responses((status = 201, body = ModelVersion), (status = 200, body = ModelVersion)))]
pub(crate) async fn create_version(
    State(api): State<Arc<Api>>,
    caller: Operator,
    Path(model): Path<String>,
    request: Request,
) -> ApiResult<Answer> {
    publish(&api, caller, request, Some(id("model", &model)?)).await
}

/// Models.
#[utoipa::path(get, path = "/api/v1/models", tag = "models", params(PageQuery),
    responses((status = 200, body = ModelList)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    _: Reader,
    Query(page): Query<PageQuery>,
) -> ApiResult<axum::Json<ModelList>> {
    let page = api.cloud.store.models(&page.request()?).await?;
    Ok(axum::Json(page.try_map(model)?.into()))
}

/// One model.
#[utoipa::path(get, path = "/api/v1/models/{model}", tag = "models",
    params(("model" = String, Path)), responses((status = 200, body = Model)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    _: Reader,
    Path(text): Path<String>,
) -> ApiResult<axum::Json<Model>> {
    Ok(axum::Json(model(
        api.cloud.store.model(&id("model", &text)?).await?,
    )?))
}

/// A model's versions, newest first.
#[utoipa::path(get, path = "/api/v1/models/{model}/versions", tag = "models",
    params(("model" = String, Path), PageQuery),
    responses((status = 200, body = ModelVersionList)))]
pub(crate) async fn versions(
    State(api): State<Arc<Api>>,
    _: Reader,
    Path(model): Path<String>,
    Query(page): Query<PageQuery>,
) -> ApiResult<axum::Json<ModelVersionList>> {
    let model = id("model", &model)?;
    api.cloud.store.model(&model).await?;
    let page = api.cloud.store.versions(&model, &page.request()?).await?;
    let development = api.cloud.development;
    Ok(axum::Json(
        page.try_map(|row| model_version(&row, development))?.into(),
    ))
}

/// One version.
#[utoipa::path(get, path = "/api/v1/models/{model}/versions/{version}", tag = "models",
    params(("model" = String, Path), ("version" = u32, Path)),
    responses((status = 200, body = ModelVersion)))]
pub(crate) async fn version(
    State(api): State<Arc<Api>>,
    _: Reader,
    Path((model, version)): Path<(String, String)>,
) -> ApiResult<axum::Json<ModelVersion>> {
    let row = find(&api, &model, &version).await?;
    Ok(axum::Json(model_version(&row, api.cloud.development)?))
}

async fn find(api: &Api, model: &str, version: &str) -> Result<VersionRow> {
    api.cloud
        .store
        .version(&id("model", model)?, id("model version", version)?)
        .await
}

/// A version's manifest: the signed bytes.
#[utoipa::path(get, path = "/api/v1/models/{model}/versions/{version}/manifest", tag = "models",
    params(("model" = String, Path), ("version" = u32, Path)),
    responses((status = 200, body = Object)))]
pub(crate) async fn manifest(
    State(api): State<Arc<Api>>,
    _: Reader,
    Path((model, version)): Path<(String, String)>,
) -> ApiResult<impl IntoResponse> {
    let row = find(&api, &model, &version).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::ETAG, format!("\"{}\"", row.sha256)),
    ];
    Ok((headers, row.manifest))
}

/// Will it run? Answered for each device before anything is sent.
#[utoipa::path(get, path = "/api/v1/models/{model}/versions/{version}/compatibility",
    tag = "models",
    params(("model" = String, Path), ("version" = u32, Path), CompatibilityQuery),
    responses((status = 200, body = CompatibilityList)))]
pub(crate) async fn compatibility(
    State(api): State<Arc<Api>>,
    _: Reader,
    Path((model, version)): Path<(String, String)>,
    Query(query): Query<CompatibilityQuery>,
) -> ApiResult<axum::Json<CompatibilityList>> {
    let manifest = find(&api, &model, &version).await?.parsed()?;
    let mut items = Vec::new();
    for device in api.cloud.select(&selection(&query)?).await? {
        let (variant, obstacles) = match choose(&manifest, &device)? {
            Ok(variant) => (Some(variant.name.as_str().to_owned()), Vec::new()),
            Err(obstacles) => (None, obstacles),
        };
        let (name, site) = (device.name, device.site);
        items.push(Compatibility {
            device: device.id,
            name,
            site,
            variant,
            obstacles,
        });
    }
    Ok(axum::Json(CompatibilityList {
        items,
        next_cursor: None,
    }))
}

fn selection(query: &CompatibilityQuery) -> Result<Selection> {
    fn list<T: std::str::FromStr>(what: &'static str, text: Option<&String>) -> Result<Vec<T>> {
        let words = text.into_iter().flat_map(|text| text.split(','));
        words
            .filter(|word| !word.is_empty())
            .map(|word| id(what, word))
            .collect()
    }
    let mut selection = Selection {
        devices: list("device", query.devices.as_ref())?,
        sites: list("site", query.sites.as_ref())?,
        pipelines: list("pipeline", query.pipelines.as_ref())?,
        all: false,
    };
    selection.all = selection == Selection::default();
    Ok(selection)
}
