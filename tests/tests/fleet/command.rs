//! The `noroshi` command against a real fleet: what the README shows.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{on, push, runs, scenario, site};

fn ids(list: &Value) -> Vec<&str> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item["id"].as_str())
        .collect()
}

#[test]
fn what_the_console_does_can_be_scripted() {
    scenario(|| async {
        let (mut fleet, api, device) = site().await?;
        on(&mut fleet, async |fleet| {
            let status = fleet.noroshi(&["status"]).await?;
            anyhow::ensure!(status["development"] == true, "{status}");
            let devices = fleet
                .noroshi(&["device", "list", "--site", "osaka"])
                .await?;
            anyhow::ensure!(ids(&devices) == [device.as_str()], "{devices}");
            let shown = fleet.noroshi(&["device", "show", &device]).await?;
            anyhow::ensure!(shown["capabilities"]["runtimes"].is_array(), "{shown}");
            let sites = fleet.noroshi(&["site", "list"]).await?;
            anyhow::ensure!(ids(&sites).contains(&"osaka"), "{sites}");
            let pipelines = fleet.noroshi(&["pipeline", "list"]).await?;
            anyhow::ensure!(ids(&pipelines) == ["door"], "{pipelines}");

            let token = fleet
                .noroshi(&["enrol-token", "create", "--site", "osaka"])
                .await?;
            let text = token["token"].as_str().context("the token")?;
            let listed = fleet.noroshi(&["enrol-token", "list"]).await?;
            anyhow::ensure!(!listed.to_string().contains(text), "a list shows a secret");

            let diagnosis = fleet
                .noroshi(&["device", "command", &device, "diag"])
                .await?;
            anyhow::ensure!(diagnosis["state"] == "done", "{diagnosis}");
            watch(fleet, &device).await?;

            push(fleet, &api, 2).await?;
            let models = fleet.noroshi(&["model", "list"]).await?;
            anyhow::ensure!(models[0]["latest"] == 2, "{models}");
            let create = [
                "rollout",
                "create",
                "--model",
                "tiny",
                "--version",
                "2",
                "--all",
            ];
            let tail = ["--waves", "100", "--trial-s", "2", "--watch"];
            let rollout = fleet.noroshi(&[create.as_slice(), &tail].concat()).await?;
            anyhow::ensure!(rollout["state"] == "succeeded", "{rollout}");
            runs(&api, &device, 2).await
        })
        .await
    });
}

/// Live results come over the console's WebSocket with a token that may do nothing else.
async fn watch(fleet: &noroshi_tests::Fleet, device: &str) -> Result<()> {
    let output = fleet
        .noroshi_output(&["watch", "--device", device, "--count", "3"])
        .await?;
    let text = String::from_utf8(output.stdout)?;
    let lines: Vec<Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let sound = |line: &Value| {
        line["device"] == device && line["label"].is_string() && line["score"].is_number()
    };
    anyhow::ensure!(lines.len() == 3 && lines.iter().all(sound), "{text}");
    Ok(())
}

#[test]
fn a_pipeline_that_nobody_can_run_says_why() {
    scenario(|| async {
        let (mut fleet, _, _) = site().await?;
        on(&mut fleet, async |fleet| {
            let apply = ["pipeline", "apply", "back", "--source", "no-such-camera"];
            let tail = ["--model", "tiny", "--all", "--dry-run"];
            let output = fleet
                .noroshi_output(&[apply.as_slice(), &tail].concat())
                .await?;
            let answer: Value = serde_json::from_slice(&output.stdout)?;
            anyhow::ensure!(!output.status.success(), "{answer}");
            let reasons = answer["refused"][0]["reasons"].to_string();
            anyhow::ensure!(reasons.contains("no-such-camera"), "{answer}");
            let pipelines = fleet.noroshi(&["pipeline", "list"]).await?;
            anyhow::ensure!(
                ids(&pipelines) == ["door"],
                "a dry run left something: {pipelines}"
            );
            Ok(())
        })
        .await
    });
}
