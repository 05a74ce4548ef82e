//! Links are cut, and gateways die.

use std::time::Duration;

use anyhow::Result;
use noroshi_tests::process::program;
use noroshi_tests::{Fleet, eventually};

use crate::{complete, count, on, online, scenario, site, status_is};

#[test]
fn a_cut_link_loses_nothing() {
    scenario(|| async {
        let (mut fleet, api, _) = site().await?;
        on(&mut fleet, async |fleet| {
            for link in ["wan", "lan"] {
                let member = match link {
                    "wan" => fleet.gateway("osaka")?,
                    _ => fleet.agent("a")?,
                };
                member.mqtts.cut();
                member.https.cut();
                let before = fleet.agent("a")?.frames_logged()?.len();
                let agent = fleet.agent("a")?;
                eventually(
                    &format!("frames are taken while the {link} is cut"),
                    || async {
                        let now = agent
                            .frames_logged()
                            .map_err(|error| error.to_string())?
                            .len();
                        if now > before + 20 {
                            Ok(())
                        } else {
                            Err(now.to_string())
                        }
                    },
                )
                .await?;
                member.mqtts.mend();
                member.https.mend();
                complete(fleet, &api, "a").await?;
            }
            Ok(())
        })
        .await
    });
}

#[test]
fn a_slow_link_delivers_all_the_same() {
    scenario(|| async {
        let (mut fleet, api, device) = site().await?;
        on(&mut fleet, async |fleet| {
            let gateway = fleet.gateway("osaka")?;
            gateway.mqtts.delay(Duration::from_millis(300));
            gateway.mqtts.throttle(16 << 10);
            let up = gateway.mqtts.bytes_up();
            let before = count(&api, &device).await?;
            eventually("results go on", || async {
                let now = count(&api, &device)
                    .await
                    .map_err(|error| error.to_string())?;
                if now > before + 20 {
                    Ok(())
                } else {
                    Err(now.to_string())
                }
            })
            .await?;
            anyhow::ensure!(
                fleet.gateway("osaka")?.mqtts.bytes_up() > up,
                "nothing was counted"
            );
            complete(fleet, &api, "a").await
        })
        .await
    });
}

#[test]
fn a_check_names_what_fails() {
    scenario(|| async {
        let (mut fleet, api, device) = site().await?;
        on(&mut fleet, async |fleet| {
            let check = |fleet: &Fleet| -> Result<(bool, String)> {
                let config = fleet.agent("a")?.folder().join("agent.toml");
                let output = std::process::Command::new(program("noroshi-agent")?)
                    .args(["check", "--config"])
                    .arg(config)
                    .output()?;
                let text = [output.stdout, output.stderr].concat();
                Ok((
                    output.status.success(),
                    String::from_utf8_lossy(&text).into_owned(),
                ))
            };
            let (sound, text) = check(fleet)?;
            anyhow::ensure!(sound, "everything is well, yet: {text}");
            fleet.agent("a")?.https.cut();
            let (sound, text) = check(fleet)?;
            anyhow::ensure!(
                !sound && text.contains("https"),
                "HTTPS is cut, yet: {text}"
            );
            fleet.agent("a")?.https.mend();
            // A check beside a running agent takes nothing from it.
            online(&api, &device).await?;
            complete(fleet, &api, "a").await
        })
        .await
    });
}

#[test]
fn devices_of_a_dead_gateway_are_unknown() {
    scenario(|| async {
        let (mut fleet, api, device) = site().await?;
        on(&mut fleet, async |fleet| {
            fleet.gateway_mut("osaka")?.process()?.kill()?;
            status_is(&api, &device, "unknown").await?;
            let shown = api.get(&format!("/devices/{device}")).await?;
            anyhow::ensure!(
                shown["status_since_ms"].as_u64() > Some(0),
                "since when? {shown}"
            );
            fleet.start_gateway("osaka").await?;
            online(&api, &device).await?;
            complete(fleet, &api, "a").await
        })
        .await
    });
}
