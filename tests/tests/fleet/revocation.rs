//! Who was revoked is cut off, behind a gateway too; and who may change what it signs in with.

use std::time::Duration;

use anyhow::{Context, Result};
use noroshi_service::session::{DisconnectReason, SessionEvent, SessionEvents};
use noroshi_tests::Fleet;
use noroshi_tests::api::Api;
use noroshi_tests::eventually::eventually_within;
use noroshi_tests::fleet::PASSWORD;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{LIMIT, impostor, on, scenario, site};

/// The next event that `pick` takes.
async fn until<T>(
    events: &mut SessionEvents,
    what: &str,
    pick: impl Fn(SessionEvent) -> Option<T>,
) -> Result<T> {
    let next = async {
        loop {
            let event = events.recv().await.context("the session goes on")?;
            if let Some(picked) = pick(event) {
                return anyhow::Ok(picked);
            }
        }
    };
    tokio::time::timeout(LIMIT, next)
        .await
        .with_context(|| what.to_owned())?
}

fn is_refused(event: SessionEvent) -> Option<String> {
    match event {
        SessionEvent::Disconnected {
            reason: DisconnectReason::Refused(why),
            ..
        } => Some(why),
        _ => None,
    }
}

#[test]
fn a_device_that_was_revoked_is_cut_off_behind_its_gateway() {
    scenario(|| async {
        let (mut fleet, _, device) = site().await?;
        on(&mut fleet, async |fleet| {
            // Its key in other hands, with a session at the gateway.
            fleet.agent_mut("a")?.process()?.kill()?;
            let (_handle, mut events, driver) = impostor::open(fleet, "a", Vec::new())?;
            let stop = CancellationToken::new();
            let mut driving = JoinSet::new();
            driving.spawn(driver.run(stop.clone()));
            until(&mut events, "it is let in", |event| {
                matches!(event, SessionEvent::Connected { .. }).then_some(())
            })
            .await?;
            let gateway = fleet.gateway("osaka")?.folder();
            let kept = gateway.join(format!("state/desired/{device}.cbor"));
            anyhow::ensure!(kept.is_file(), "the gateway keeps its document");

            fleet.noroshi(&["device", "revoke", &device]).await?;
            until(&mut events, "its session ends", |event| {
                matches!(event, SessionEvent::Disconnected { .. }).then_some(())
            })
            .await?;
            let why = until(&mut events, "it is turned away", is_refused).await?;
            anyhow::ensure!(why.contains("NotAuthorized"), "{why}");
            eventually_within("its document is forgotten", LIMIT, || async {
                if kept.exists() { Err("kept") } else { Ok(()) }
            })
            .await?;
            stop.cancel();
            driving.join_all().await;

            // The gateway has it in writing: without the cloud and after a restart as well.
            fleet.cloud()?.kill()?;
            let restarted = fleet.gateway_mut("osaka")?.process()?;
            restarted.stop(Duration::from_secs(15)).await?;
            fleet.start_gateway("osaka").await?;
            let (_handle, mut events, driver) = impostor::open(fleet, "a", Vec::new())?;
            let stop = CancellationToken::new();
            let mut driving = JoinSet::new();
            driving.spawn(driver.run(stop.clone()));
            let why = until(&mut events, "it is turned away again", is_refused).await?;
            anyhow::ensure!(why.contains("NotAuthorized"), "{why}");
            stop.cancel();
            driving.join_all().await;
            Ok(())
        })
        .await
    });
}

/// Files with passwords for the command.
fn secret(fleet: &Fleet, name: &str, text: &str) -> Result<String> {
    let path = fleet.path().join(name);
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}

#[test]
fn a_password_is_changed_only_by_who_knows_it() {
    scenario(|| async {
        let mut fleet = Fleet::start().await?;
        on(&mut fleet, async |fleet| {
            let new = "another battery horse";
            let files = (
                secret(fleet, "right", PASSWORD)?,
                secret(fleet, "wrong", "not the password")?,
                secret(fleet, "new", new)?,
            );
            let change = async |current: &str| {
                let head = ["password", "--user", "admin", "--current-file", current];
                let tail = ["--password-file", &files.2];
                fleet.noroshi(&[head.as_slice(), &tail].concat()).await
            };
            let refused = change(&files.1).await.err().context("it was changed")?;
            anyhow::ensure!(refused.to_string().contains("password"), "{refused:#}");
            change(&files.0).await?;
            let console = fleet.console();
            let old = Api::sign_in(&console, "admin", PASSWORD).await;
            anyhow::ensure!(old.is_err(), "the old password still opens the door");
            Api::sign_in(&console, "admin", new).await?;
            // The command's API token goes on; events are there to be read.
            let events = fleet.noroshi(&["events", "--limit", "5"]).await?;
            anyhow::ensure!(events.is_array(), "{events}");
            Ok(())
        })
        .await
    });
}
