//! Results arrive, through a gateway and directly, and survive every process's death.

use crate::{complete, count, direct, on, runs, scenario, site, status_is};

#[test]
fn results_arrive_from_a_direct_device() {
    scenario(|| async {
        let (mut fleet, api, device) = direct().await?;
        on(&mut fleet, async |fleet| {
            complete(fleet, &api, "d").await?;
            let page = api
                .get(&format!("/results?device={device}&limit=1"))
                .await?;
            let row = &page["items"][0];
            anyhow::ensure!(
                row["pipeline"] == "door" && row["top"].as_array().is_some(),
                "{row}"
            );
            Ok(())
        })
        .await
    });
}

#[test]
fn every_process_may_die() {
    scenario(|| async {
        let (mut fleet, api, device) = site().await?;
        on(&mut fleet, async |fleet| {
            fleet.agent_mut("a")?.process()?.kill()?;
            status_is(&api, &device, "lost").await?;
            fleet.start_agent("a")?;
            status_is(&api, &device, "online").await?;
            fleet.gateway_mut("osaka")?.process()?.kill()?;
            fleet.start_gateway("osaka").await?;
            fleet.cloud()?.kill()?;
            fleet.start_cloud().await?;
            let api = fleet.api().await?;
            let before = count(&api, &device).await?;
            noroshi_tests::eventually("results go on", || async {
                let now = count(&api, &device)
                    .await
                    .map_err(|error| error.to_string())?;
                if now > before + 5 {
                    Ok(())
                } else {
                    Err(format!("{now} after {before}"))
                }
            })
            .await?;
            complete(fleet, &api, "a").await
        })
        .await
    });
}

#[test]
fn a_device_starts_without_anybody() {
    scenario(|| async {
        let (mut fleet, api, device) = direct().await?;
        on(&mut fleet, async |fleet| {
            let agent = fleet.agent_mut("d")?;
            agent.https.cut();
            agent.mqtts.cut();
            agent.process()?.kill()?;
            let before = agent.frames_logged()?.len();
            fleet.start_agent("d")?;
            let agent = fleet.agent("d")?;
            noroshi_tests::eventually("frames are taken without a link", || async {
                let now = agent
                    .frames_logged()
                    .map_err(|error| error.to_string())?
                    .len();
                if now > before + 10 {
                    Ok(())
                } else {
                    Err(now.to_string())
                }
            })
            .await?;
            agent.https.mend();
            agent.mqtts.mend();
            runs(&api, &device, 1).await?;
            complete(fleet, &api, "d").await
        })
        .await
    });
}
