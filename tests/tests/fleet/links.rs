//! Links are cut, and gateways die.

use noroshi_tests::eventually;

use crate::{complete, on, online, scenario, site, status_is};

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
