//! A command to a device, and its reply.

use std::time::Duration;

use serde_json::Value;

use crate::api::Api;
use crate::error::Failure;
use crate::output::field;

/// How often the cloud is asked for the reply: soon at first.
const SOONEST: Duration = Duration::from_millis(50);
const LATEST: Duration = Duration::from_millis(500);

/// Sends a command to a device and waits until it is answered or too late; the command as it ended.
pub(super) async fn send(api: &Api, device: &str, body: &Value) -> Result<Value, Failure> {
    let path = format!("/devices/{device}/commands");
    let sent = api.post(&path, body).await?;
    let id = field(&sent, "id");
    let mut wait = SOONEST;
    loop {
        let command = api.get(&format!("{path}/{id}")).await?;
        if field(&command, "state") != "sent" {
            return Ok(command);
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LATEST);
    }
}

/// The text of the reply to a command that must succeed.
pub(super) async fn ask(api: &Api, device: &str, body: &Value) -> Result<String, Failure> {
    let answered = send(api, device, body).await?;
    match answered["state"].as_str() {
        Some("done") => Ok(field(&answered, "text")),
        Some("expired") => Err(Failure::Failed(format!(
            "{device} did not answer: is it online? `noroshi device show {device}` says"
        ))),
        _ => Err(Failure::Failed(format!(
            "{device} did not do it: {}",
            field(&answered, "text")
        ))),
    }
}
