//! A compiled file is chosen, sent, tested and run like any other.

use anyhow::ensure;
use noroshi_tests::tiny;

use crate::{device, direct, on, runs, scenario};

#[test]
fn a_device_like_the_one_it_was_compiled_on_runs_the_compiled_file() {
    scenario(|| async {
        let (mut fleet, api, id) = direct().await?;
        on(&mut fleet, async |fleet| {
            tiny::compiled_version(fleet.path(), 2)?.push(&api).await?;
            let path = format!("/models/{}/versions/2/compatibility", tiny::MODEL);
            let fits = api.get(&path).await?;
            ensure!(fits["items"][0]["variant"] == "compiled", "{fits}");
            let body = serde_json::json!({
                "source": "camera", "model": tiny::MODEL, "version": 2, "filters": [], "top": 2,
                "devices": { "all": true },
            });
            api.put("/pipelines/door", body).await?;
            runs(&api, &id, 2).await?;
            let device = device(&api, &id).await.map_err(anyhow::Error::msg)?;
            let text = device.to_string();
            ensure!(text.contains("compiled"), "{text}");
            Ok(())
        })
        .await
    });
}
