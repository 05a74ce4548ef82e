//! The API's description, OpenAPI 3.1, made from the routes themselves.

use serde_json::{Value, json};
use utoipa::OpenApi;

use super::problem::Problem;
use super::{
    accounts, blobs, commands, compressions, devices, enrolment, models, organisation, pipelines,
    records, rollouts, sessions,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Noroshi",
        description = "Fleets of devices that run compressed models. Sign in with a session \
                       cookie or send `Authorization: Bearer nrs_api_…`. Times are Unix \
                       milliseconds. Every error is a Problem (RFC 9457)."
    ),
    components(schemas(Problem)),
    paths(
        organisation::health,
        organisation::show,
        organisation::create_dashboard_token,
        organisation::sites,
        organisation::create_site,
        organisation::site,
        organisation::revoke_gateway,
        sessions::create,
        sessions::current,
        sessions::end,
        accounts::users,
        accounts::create_user,
        accounts::delete_user,
        accounts::change_password,
        accounts::tokens,
        accounts::create_token,
        accounts::delete_token,
        enrolment::list,
        enrolment::create,
        enrolment::revoke,
        devices::list,
        devices::show,
        devices::rename,
        devices::revoke,
        records::device_statistics,
        commands::create,
        commands::list,
        commands::show,
        blobs::head,
        blobs::put,
        models::create,
        models::create_version,
        models::list,
        models::show,
        models::versions,
        models::version,
        models::manifest,
        models::compatibility,
        compressions::create,
        compressions::list,
        compressions::show,
        pipelines::list,
        pipelines::show,
        pipelines::apply,
        pipelines::remove,
        rollouts::create,
        rollouts::list,
        rollouts::show,
        rollouts::pause,
        rollouts::resume,
        rollouts::revert,
        records::results,
        records::show,
        records::events,
        records::statistics,
    )
)]
struct Described;

/// Schemas of bodies that come in: what they leave out has a default.
const INCOMING: [&str; 4] = ["SignIn", "Selection", "PipelineSettings", "DeviceChange"];

/// The whole document. Every field of an answer is always there, and every route may answer with
/// a problem.
pub fn document() -> Value {
    let mut document = serde_json::to_value(Described::openapi()).unwrap_or_default();
    if let Some(paths) = document["paths"].as_object_mut() {
        let operations = paths.iter_mut().flat_map(|(path, item)| {
            let item = item.as_object_mut().into_iter().flatten();
            item.map(move |(method, operation)| (operation_id(method, path), operation))
        });
        for (id, operation) in operations {
            operation["operationId"] = json!(id);
            operation["responses"]["default"] = json!({
                "description": "What went wrong, and what to do about it.",
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" } } }
            });
        }
    }
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        for (name, schema) in schemas {
            if !name.starts_with("New") && !INCOMING.contains(&name.as_str()) {
                require_all(schema);
            }
        }
    }
    document
}

/// A name that no other operation has: `get_devices_device` for `GET /api/v1/devices/{device}`.
fn operation_id(method: &str, path: &str) -> String {
    let words = path
        .trim_start_matches("/api/v1/")
        .split(['/', '-', '{', '}']);
    let words = words.filter(|word| !word.is_empty());
    std::iter::once(method)
        .chain(words)
        .collect::<Vec<_>>()
        .join("_")
}

fn require_all(schema: &mut Value) {
    if let Some(parts) = schema.get_mut("allOf").and_then(Value::as_array_mut) {
        parts.iter_mut().for_each(require_all);
    }
    let optional = |name: &&String| name.as_str() != "missing";
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let names: Vec<_> = properties.keys().filter(optional).cloned().collect();
        schema["required"] = json!(names);
    }
}

/// The document as the file that is checked in.
pub(crate) fn text() -> String {
    let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
    text.push('\n');
    text
}

pub(super) async fn serve() -> axum::Json<Value> {
    axum::Json(document())
}
