//! What each command does.

mod ask;
mod device;
mod enrol_token;
mod events;
mod explain;
mod label;
mod login;
mod model;
mod password;
mod pipeline;
mod results;
mod rollout;
mod site;
mod watch;

use std::future::Future;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use crate::api::Api;
use crate::args::{Arguments, Command, Selection};
use crate::error::{Failure, Tried};
use crate::output;

/// Does what the arguments say.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    if let Command::Model(command) = &arguments.command
        && let Some(result) = model::without_cloud(command, arguments.json)
    {
        return result;
    }
    block_on(with_cloud(arguments))
}

async fn with_cloud(arguments: Arguments) -> Result<(), Failure> {
    let json = arguments.json;
    if let Command::Login(login) = &arguments.command {
        return login::run(&arguments, login).await;
    }
    if let Command::Password(wanted) = &arguments.command {
        return password::run(&arguments, wanted).await;
    }
    let api = Api::signed_in(&arguments)?;
    match arguments.command {
        Command::Login(_) | Command::Password(_) => unreachable!("handled above"),
        Command::Status => status(&api, json).await,
        Command::Model(command) => model::with_cloud(&api, command, json).await,
        Command::Device(command) => device::run(&api, command, json).await,
        Command::Site(command) => site::run(&api, command, json).await,
        Command::EnrolToken(command) => enrol_token::run(&api, command, json).await,
        Command::Pipeline(command) => pipeline::run(&api, command, json).await,
        Command::Rollout(command) => rollout::run(&api, command, json).await,
        Command::Watch(command) => watch::run(&api, &command, json).await,
        Command::Results(wanted) => results::run(&api, &wanted, json).await,
        Command::Label(wanted) => label::run(&api, &wanted, json).await,
        Command::Explain { result } => explain::run(&api, &result, json).await,
        Command::Events(wanted) => events::run(&api, &wanted, json).await,
    }
}

/// Most bytes of a file with a password.
const SECRET_LIMIT: u64 = 4096;

/// A secret out of a file, or out of standard input for `-`.
fn secret(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin()
            .take(SECRET_LIMIT)
            .read_to_string(&mut text)
            .tried("standard input")?;
    } else {
        std::fs::File::open(path)
            .tried(path.display())?
            .take(SECRET_LIMIT)
            .read_to_string(&mut text)
            .tried(path.display())?;
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn block_on(future: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .tried("the runtime")?;
    runtime.block_on(future)
}

async fn status(api: &Api, json: bool) -> Result<(), Failure> {
    let organisation = api.get("/organisation").await?;
    if json {
        return output::json(&organisation);
    }
    let field = |name| output::field(&organisation, name);
    println!(
        "organisation {} at {}, version {}",
        field("org"),
        api.url(),
        field("version")
    );
    if organisation["development"] == Value::Bool(true) {
        println!("DEVELOPMENT ROOT: for trying out, never for production");
    }
    let counts = &organisation["counts"];
    let count = |name| output::field(counts, name);
    println!(
        "{} devices ({} online) at {} sites, {} models, {} rollouts running, {} results",
        count("devices"),
        count("online"),
        count("sites"),
        count("models"),
        count("rollouts_running"),
        count("results"),
    );
    Ok(())
}

/// The API's form of a selection.
fn selection(selection: &Selection) -> Result<Value, Failure> {
    let Selection {
        devices,
        sites,
        pipelines,
        all,
    } = selection;
    if devices.is_empty() && sites.is_empty() && pipelines.is_empty() && !all {
        return Err(Failure::Usage(
            "name the devices: --device, --site, --on-pipeline or --all".into(),
        ));
    }
    Ok(serde_json::json!({
        "devices": devices, "sites": sites, "pipelines": pipelines, "all": all,
    }))
}

/// Unix milliseconds.
fn now_ms() -> u64 {
    noroshi_service::clock::SessionClock::system(noroshi_service::clock::ClockOptions {
        floor_ms: 0,
        trust_system_clock: true,
    })
    .now()
    .wall_ms
}
