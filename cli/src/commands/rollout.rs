//! `noroshi rollout …`.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::api::Api;
use crate::args::{CreateRollout, Rollout};
use crate::error::{Failure, Tried};
use crate::output::{self, Column, field};

pub(super) async fn run(api: &Api, command: Rollout, as_json: bool) -> Result<(), Failure> {
    match command {
        Rollout::List => list(api, as_json).await,
        Rollout::Create(create) => run_create(api, &create, as_json).await,
        Rollout::Watch { rollout } => watch(api, &rollout, as_json).await,
        Rollout::Pause { rollout } => act(api, &rollout, "pause", as_json).await,
        Rollout::Resume { rollout } => act(api, &rollout, "resume", as_json).await,
        Rollout::Revert { rollout } => act(api, &rollout, "revert", as_json).await,
    }
}

async fn list(api: &Api, as_json: bool) -> Result<(), Failure> {
    let columns: &[Column] = &[
        ("ROLLOUT", |rollout| field(rollout, "id")),
        ("MODEL", |rollout| {
            format!("{} v{}", field(rollout, "model"), field(rollout, "version"))
        }),
        ("STATE", |rollout| field(rollout, "state")),
        ("DONE", |rollout| {
            let counts = &rollout["counts"];
            format!(
                "{} of {}",
                field(counts, "succeeded"),
                field(counts, "total")
            )
        }),
        ("REASON", |rollout| field(rollout, "reason")),
    ];
    output::items(as_json, &api.list("/rollouts", &[]).await?, columns)
}

async fn run_create(api: &Api, create: &CreateRollout, as_json: bool) -> Result<(), Failure> {
    let body = json!({
        "model": create.model,
        "version": create.version,
        "selection": super::selection(&create.selection)?,
        "waves": create.waves,
        "max_failures_percent": create.max_failures_percent,
        "soak_s": create.soak_s,
        "deadline_s": create.deadline_s,
        "trial_s": create.trial_s,
    });
    let rollout = api.post("/rollouts", &body).await?;
    let id = field(&rollout, "id");
    if create.watch {
        return watch(api, &id, as_json).await;
    }
    if as_json {
        return output::json(&rollout);
    }
    println!("rollout {id} is under way; follow it: noroshi rollout watch {id}");
    Ok(())
}

async fn act(api: &Api, rollout: &str, verb: &str, as_json: bool) -> Result<(), Failure> {
    let rollout = api
        .post(&format!("/rollouts/{rollout}/{verb}"), &Value::Null)
        .await?;
    if as_json {
        return output::json(&rollout);
    }
    println!(
        "rollout {} is {}",
        field(&rollout, "id"),
        field(&rollout, "state")
    );
    Ok(())
}

fn is_over(rollout: &Value) -> bool {
    matches!(
        rollout["state"].as_str(),
        Some("succeeded" | "stopped" | "reverted")
    )
}

async fn watch(api: &Api, id: &str, as_json: bool) -> Result<(), Failure> {
    let bar = if as_json {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(0)
    };
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} devices  {msg}")
        .tried("the progress bar")?;
    bar.set_style(style);
    let rollout = loop {
        let rollout = api.get(&format!("/rollouts/{id}")).await?;
        let counts = &rollout["counts"];
        let count = |name: &str| counts[name].as_u64().unwrap_or_default();
        bar.set_length(count("total"));
        bar.set_position(count("succeeded") + count("failed") + count("reverted"));
        bar.set_message(format!(
            "{}: {} on trial, {} preparing, {} failed",
            field(&rollout, "state"),
            count("trial"),
            count("preparing"),
            count("failed"),
        ));
        if is_over(&rollout) {
            break rollout;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    bar.finish_and_clear();
    if as_json {
        output::json(&rollout)?;
    } else {
        show(&rollout);
    }
    match rollout["state"].as_str() {
        Some("succeeded") => Ok(()),
        _ => Err(Failure::Failed(format!(
            "rollout {id} ended {}: {}",
            field(&rollout, "state"),
            field(&rollout, "reason")
        ))),
    }
}

fn show(rollout: &Value) {
    println!(
        "rollout {} {}",
        field(rollout, "id"),
        field(rollout, "state")
    );
    let devices = rollout["devices"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let rows = devices.iter().map(|device| {
        ["device", "site", "wave", "phase", "variant", "reason"]
            .map(|name| field(device, name))
            .into()
    });
    output::print_table(
        &["DEVICE", "SITE", "WAVE", "PHASE", "VARIANT", "REASON"],
        rows,
    );
}
