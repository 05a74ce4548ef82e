//! Tokens are good once, until they expire, and for their own organisation.

use std::process::Output;

use anyhow::{Context, Result};
use noroshi_tests::Fleet;
use noroshi_tests::process::program;
use serde_json::json;

use crate::{on, scenario};

/// Enrols a new device with `token` against the cloud itself.
fn enrol(fleet: &Fleet, name: &str, token: &str) -> Result<Output> {
    let ports = std::fs::read(fleet.path().join("cloud/state/ports.json"))?;
    let ports: serde_json::Value = serde_json::from_slice(&ports)?;
    let folder = fleet.path().join(name);
    std::fs::create_dir_all(&folder)?;
    let config = folder.join("agent.toml");
    std::fs::write(
        &config,
        format!(
            "state_dir = {:?}\ntrust_system_clock = true\n[endpoint]\nhttps = \"https://127.0.0.1:{}\"\nmqtts = \"127.0.0.1:{}\"\n",
            folder.join("state"),
            ports["device_https"],
            ports["mqtts"]
        ),
    )?;
    let file = folder.join("token");
    std::fs::write(&file, token)?;
    std::process::Command::new(program("noroshi-agent")?)
        .arg("enrol")
        .arg("--config")
        .arg(config)
        .arg("--token-file")
        .arg(file)
        .output()
        .context("noroshi-agent")
}

fn refusal(output: &Output) -> Result<String> {
    anyhow::ensure!(!output.status.success(), "it was enrolled");
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_token_is_good_once_and_not_for_ever() {
    scenario(|| async {
        let mut fleet = Fleet::start().await?;
        on(&mut fleet, async |fleet| {
            let api = fleet.api().await?;
            let body = json!({ "site": "direct", "kind": "device", "uses": 1 });
            let token = api.post("/enrolment-tokens", body).await?;
            let text = token["token"].as_str().context("the token")?;
            anyhow::ensure!(text.starts_with("nrs_dev_"), "a development root says so");
            let first = enrol(fleet, "first", text)?;
            anyhow::ensure!(
                first.status.success(),
                "{}",
                String::from_utf8_lossy(&first.stderr)
            );
            let used = refusal(&enrol(fleet, "second", text)?)?;
            anyhow::ensure!(used.contains("used"), "{used}");

            let torn = refusal(&enrol(fleet, "torn", &text[..text.len() - 3])?)?;
            anyhow::ensure!(torn.contains("token"), "{torn}");

            // The pin of another organisation: the anchor is not what the token promises.
            let mut pin = text.to_owned().into_bytes();
            let at = pin.len() - 10;
            pin[at] = if pin[at] == b'a' { b'b' } else { b'a' };
            let foreign = refusal(&enrol(fleet, "foreign", &String::from_utf8(pin)?)?)?;
            anyhow::ensure!(
                foreign.contains("anchor") || foreign.contains("pin"),
                "{foreign}"
            );

            let body = json!({ "site": "direct", "kind": "device", "uses": 1, "ttl_s": 1 });
            let token = api.post("/enrolment-tokens", body).await?;
            let text = token["token"].as_str().context("the token")?;
            let expires = token["expires_ms"].as_u64().context("an expiry")?;
            noroshi_tests::eventually("the token has expired", || async {
                let now = std::time::SystemTime::UNIX_EPOCH
                    .elapsed()
                    .unwrap_or_default();
                if now.as_millis() as u64 > expires {
                    Ok(())
                } else {
                    Err("not yet")
                }
            })
            .await?;
            let expired = refusal(&enrol(fleet, "third", text)?)?;
            anyhow::ensure!(expired.contains("expired"), "{expired}");
            Ok(())
        })
        .await
    });
}
