//! The console of a real fleet in a real browser.

use std::process::Command;

use anyhow::Result;
use noroshi_tests::assets::workspace;
use noroshi_tests::fleet::PASSWORD;
use noroshi_tests::tiny;

use crate::{on, push, runs, scenario, site};

#[test]
fn a_person_pushes_a_version_and_watches() {
    scenario(|| async {
        let (mut fleet, api, device) = site().await?;
        on(&mut fleet, async |fleet| {
            push(fleet, &api, 2).await?;
            let url = fleet.console();
            let browser = tokio::task::spawn_blocking(move || -> Result<()> {
                let output = Command::new("npm")
                    .args(["run", "--silent", "test:browser"])
                    .current_dir(workspace().join("console"))
                    .env("NOROSHI_CONSOLE_URL", url)
                    .env("NOROSHI_USER", "admin")
                    .env("NOROSHI_PASSWORD", PASSWORD)
                    .env("NOROSHI_MODEL", tiny::MODEL)
                    .output()?;
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                let error = String::from_utf8_lossy(&output.stderr).into_owned();
                anyhow::ensure!(output.status.success(), "{text}\n{error}");
                Ok(())
            });
            browser.await??;
            runs(&api, &device, 2).await
        })
        .await
    });
}
