//! The HTTP API under `/api/v1`.

mod accounts;
mod blobs;
mod caller;
mod commands;
mod compressions;
mod devices;
mod document;
mod enrolment;
mod input;
mod models;
mod organisation;
mod pipelines;
mod problem;
mod records;
mod rollouts;
mod sessions;
mod view;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{delete, get, post, put};

use crate::cloud::Cloud;
use crate::error::Error;

pub use document::document;
pub(crate) use document::text as openapi_text;
pub(crate) use problem::{ApiError, problem};
use sessions::Logins;

/// The most bytes of a body, but for files: a manifest.
pub(crate) const BODY: usize = noroshi_protocol::limits::MANIFEST;
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an upload or an inspection may take.
const LONG_PATIENCE: Duration = Duration::from_hours(1);

/// What handlers share.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) cloud: Arc<Cloud>,
    logins: Logins,
}

/// The routes of the API.
pub fn router(cloud: Arc<Cloud>) -> Router {
    let api = Arc::new(Api {
        cloud,
        logins: Logins::default(),
    });
    let quick = Router::new()
        .merge(people())
        .merge(fleet())
        .merge(work())
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn(within_patience));
    let long = Router::new()
        .route("/api/v1/models", post(models::create))
        .route(
            "/api/v1/models/{model}/versions",
            post(models::create_version),
        )
        .layer(DefaultBodyLimit::max(BODY))
        .route("/api/v1/blobs/{sha256}", put(blobs::put).head(blobs::head))
        .layer(middleware::from_fn(within_long_patience));
    quick
        .merge(long)
        .route("/api/{*rest}", axum::routing::any(nowhere))
        .with_state(api)
}

fn people() -> Router<Arc<Api>> {
    Router::new()
        .route("/api/v1/health", get(organisation::health))
        .route("/api/v1/openapi.json", get(document::serve))
        .route("/api/v1/sessions", post(sessions::create))
        .route(
            "/api/v1/sessions/current",
            get(sessions::current).delete(sessions::end),
        )
        .route(
            "/api/v1/users",
            get(accounts::users).post(accounts::create_user),
        )
        .route("/api/v1/users/{name}", delete(accounts::delete_user))
        .route(
            "/api/v1/users/{name}/password",
            put(accounts::change_password),
        )
        .route(
            "/api/v1/tokens",
            get(accounts::tokens).post(accounts::create_token),
        )
        .route("/api/v1/tokens/{id}", delete(accounts::delete_token))
        .route("/api/v1/organisation", get(organisation::show))
        .route(
            "/api/v1/dashboard-tokens",
            post(organisation::create_dashboard_token),
        )
}

fn fleet() -> Router<Arc<Api>> {
    Router::new()
        .route(
            "/api/v1/sites",
            get(organisation::sites).post(organisation::create_site),
        )
        .route("/api/v1/sites/{site}", get(organisation::site))
        .route(
            "/api/v1/sites/{site}/gateway",
            delete(organisation::revoke_gateway),
        )
        .route(
            "/api/v1/enrolment-tokens",
            get(enrolment::list).post(enrolment::create),
        )
        .route("/api/v1/enrolment-tokens/{id}", delete(enrolment::revoke))
        .route("/api/v1/devices", get(devices::list))
        .route(
            "/api/v1/devices/{device}",
            get(devices::show)
                .patch(devices::rename)
                .delete(devices::revoke),
        )
        .route(
            "/api/v1/devices/{device}/statistics",
            get(records::device_statistics),
        )
        .route(
            "/api/v1/devices/{device}/commands",
            get(commands::list).post(commands::create),
        )
        .route(
            "/api/v1/devices/{device}/commands/{id}",
            get(commands::show),
        )
}

fn work() -> Router<Arc<Api>> {
    Router::new()
        .route("/api/v1/models", get(models::list))
        .route("/api/v1/models/{model}", get(models::show))
        .route("/api/v1/models/{model}/versions", get(models::versions))
        .route(
            "/api/v1/models/{model}/versions/{version}",
            get(models::version),
        )
        .route(
            "/api/v1/models/{model}/versions/{version}/manifest",
            get(models::manifest),
        )
        .route(
            "/api/v1/models/{model}/versions/{version}/compatibility",
            get(models::compatibility),
        )
        .route(
            "/api/v1/models/{model}/compressions",
            post(compressions::create),
        )
        .route("/api/v1/compressions", get(compressions::list))
        .route("/api/v1/compressions/{id}", get(compressions::show))
        .route("/api/v1/pipelines", get(pipelines::list))
        .route(
            "/api/v1/pipelines/{pipeline}",
            get(pipelines::show)
                .put(pipelines::apply)
                .delete(pipelines::remove),
        )
        .route(
            "/api/v1/rollouts",
            get(rollouts::list).post(rollouts::create),
        )
        .route("/api/v1/rollouts/{rollout}", get(rollouts::show))
        .route("/api/v1/rollouts/{rollout}/pause", post(rollouts::pause))
        .route("/api/v1/rollouts/{rollout}/resume", post(rollouts::resume))
        .route("/api/v1/rollouts/{rollout}/revert", post(rollouts::revert))
        .route("/api/v1/results", get(records::results))
        .route("/api/v1/results/{result}", get(records::show))
        .route("/api/v1/events", get(records::events))
        .route("/api/v1/statistics", get(records::statistics))
}

async fn nowhere(request: Request) -> ApiError {
    let path: String = request.uri().path().chars().take(80).collect();
    let what = "address of the API (see /api/v1/openapi.json):";
    ApiError(Error::NotFound { what, id: path })
}

async fn within_patience(request: Request, next: Next) -> Response {
    within(PATIENCE, request, next).await
}

async fn within_long_patience(request: Request, next: Next) -> Response {
    within(LONG_PATIENCE, request, next).await
}

async fn within(patience: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => problem(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            format!(
                "the request took longer than {} s; try again",
                patience.as_secs()
            ),
            Vec::new(),
        ),
    }
}

#[cfg(test)]
mod tests;
