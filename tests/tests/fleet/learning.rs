//! A model that learns on the device: labels, states that survive, going back, drift.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use noroshi_tests::api::Api;
use noroshi_tests::assets::{Role, photos};
use noroshi_tests::eventually::eventually_within;
use noroshi_tests::fleet::Source;
use noroshi_tests::{Fleet, tiny};
use serde_json::{Value, json};

use crate::kilobytes::push;
use crate::{LIMIT, on, online, runs, scenario};

const SIDE: u32 = 8;
const KINDS: [&str; 3] = ["left", "middle", "top"];
/// Pictures that the device looks at, again and again.
const PICTURES: u64 = 24;

/// Chance that is the same on every machine.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 24
    }

    /// A gray picture that is bright where its kind says.
    fn picture(&mut self, kind: usize) -> Vec<u8> {
        let bright = |x: u32, y: u32| match kind {
            0 => x < SIDE / 2,
            1 => (2..6).contains(&x) && (2..6).contains(&y),
            _ => y < SIDE / 2,
        };
        (0..SIDE * SIDE)
            .map(|at| {
                let bright = bright(at % SIDE, at / SIDE);
                (u32::from(bright) * 120 + self.next() / 2) as u8
            })
            .collect()
    }
}

/// What the released model learns: rows with their kinds.
fn rows() -> String {
    let mut noise = Noise(1);
    let mut text = String::new();
    for row in 0..900 {
        for value in noise.picture(row % 3) {
            text += &format!("{value},");
        }
        text += KINDS[row % 3];
        text += "\n";
    }
    text
}

fn kind(number: u64) -> usize {
    (number % 3) as usize
}

/// What is true where the device stands: other words for the same pictures.
fn truth(number: u64) -> &'static str {
    KINDS[(kind(number % PICTURES) + 1) % 3]
}

fn pictures(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut noise = Noise(2);
    for number in 0..PICTURES {
        let pixels = noise.picture(kind(number));
        let picture = image::GrayImage::from_raw(SIDE, SIDE, pixels).context("a picture")?;
        picture.save(folder.join(format!("{number:02}.png")))?;
    }
    Ok(())
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// The newest results of the device.
async fn newest(api: &Api, id: &str, count: u64) -> Result<Vec<Value>> {
    let page = api
        .get(&format!("/results?device={id}&limit={count}"))
        .await?;
    Ok(page["items"].as_array().cloned().unwrap_or_default())
}

fn number(result: &Value) -> u64 {
    result["frame"]["number"].as_u64().unwrap_or_default()
}

/// Waits until the share of right ones among the results of one round is within bounds.
async fn share(
    api: &Api,
    id: &str,
    what: &str,
    bounds: std::ops::RangeInclusive<f64>,
) -> Result<()> {
    eventually_within(&format!("{what}: {bounds:?} right"), LIMIT, || async {
        let results = newest(api, id, PICTURES).await;
        let results = results.map_err(|error| format!("{error:#}"))?;
        let right = results
            .iter()
            .filter(|one| one["label"] == truth(number(one)));
        let share = right.count() as f64 / PICTURES as f64;
        if results.len() as u64 == PICTURES && bounds.contains(&share) {
            Ok(())
        } else {
            Err(format!("{share} of {}", results.len()))
        }
    })
    .await
}

/// Waits for a round of results after the newest one of now.
async fn another_round(api: &Api, id: &str) -> Result<()> {
    let sequence = async || -> Result<u64, String> {
        let newest = newest(api, id, 1).await;
        let newest = newest.map_err(|error| format!("{error:#}"))?;
        Ok(newest[0]["sequence"].as_u64().unwrap_or_default())
    };
    let last = sequence().await.map_err(anyhow::Error::msg)?;
    eventually_within("another round of results", LIMIT, || async {
        let now = sequence().await?;
        if now >= last + PICTURES {
            Ok(())
        } else {
            Err(now.to_string())
        }
    })
    .await
}

/// Tells the device what is true of its newest results.
async fn teach(fleet: &Fleet, api: &Api, id: &str, count: u64) -> Result<Value> {
    let mut results = newest(api, id, count).await?;
    results.reverse();
    let lines = results.iter().map(|result| {
        let place = format!("{id}/door/{}", result["sequence"]);
        format!("{place},{}\n", truth(number(result)))
    });
    let file = fleet.path().join("labels.csv");
    std::fs::write(&file, lines.collect::<String>())?;
    let taught = fleet
        .noroshi(&["label", "--from", file.to_str().context("a path")?])
        .await?;
    let learned: u64 = taught
        .as_array()
        .context("lessons")?
        .iter()
        .filter_map(|one| one["learned"].as_u64())
        .sum();
    ensure!(learned == results.len() as u64, "{taught}");
    Ok(taught)
}

async fn states(fleet: &Fleet, id: &str) -> Result<Vec<Value>> {
    let listed = fleet
        .noroshi(&["device", "state", "list", id, "door"])
        .await?;
    Ok(listed["states"].as_array().cloned().unwrap_or_default())
}

fn version(state: &Value) -> u64 {
    state["version"].as_u64().unwrap_or_default()
}

/// Waits for an event of this kind; its details.
async fn event(api: &Api, id: &str, kind: &str) -> Result<Value> {
    eventually_within(&format!("an event of kind {kind}"), LIMIT, || async {
        let page = api
            .get(&format!("/events?device={id}&kind={kind}&limit=1"))
            .await;
        let page = page.map_err(|error| format!("{error:#}"))?;
        match page["items"][0]["details"].clone() {
            Value::Null => Err(page.to_string()),
            details => Ok(details),
        }
    })
    .await
}

async fn start(fleet: &mut Fleet, api: &Api, id: &str) -> Result<()> {
    fleet.start_agent("d")?;
    online(api, id).await
}

/// Trains, pushes and runs a model that knows the pictures by other words.
async fn release(fleet: &Fleet, api: &Api, id: &str, golden: &str) -> Result<()> {
    let path = |ending: &str| fleet.path().join(format!("first.{ending}"));
    std::fs::write(path("csv"), rows())?;
    let [csv, model, card] = ["csv", "ntm", "json"].map(|end| path(end).display().to_string());
    let trained = fleet
        .noroshi(&["model", "train", &csv, "--online", "--output", &model])
        .await?;
    ensure!(trained["accuracy"].as_f64() > Some(0.9), "{trained}");
    push(fleet, &model, &card, golden).await?;
    let body = json!({
        "source": "camera", "model": tiny::MODEL, "version": 1, "filters": [], "top": 2,
        "devices": { "all": true },
    });
    api.put("/pipelines/door", body).await?;
    runs(api, id, 1).await
}

/// The device says why it answered so; the terms sum to the score of the result.
async fn explained(fleet: &Fleet, id: &str) -> Result<()> {
    let said = fleet.noroshi(&["explain", &format!("{id}/door")]).await?;
    let why: noroshi_protocol::Explanation = serde_json::from_value(said["explanation"].clone())?;
    let score = said["result"]["score"].as_f64().context("a score")?;
    ensure!((why.sum() - score).abs() < 1e-6, "{said}");
    ensure!(why.label == text(&said["result"], "label"), "{said}");
    Ok(())
}

/// After a kill the device knows what it knew, and has forgotten the inputs that it saw.
async fn killed(fleet: &mut Fleet, api: &Api, id: &str) -> Result<()> {
    let before = states(fleet, id).await?;
    let seen = newest(api, id, 1).await?.remove(0);
    fleet.agent_mut("d")?.process()?.kill()?;
    start(fleet, api, id).await?;
    eventually_within("results of the new start", LIMIT, || async {
        let results = newest(api, id, PICTURES)
            .await
            .map_err(|error| format!("{error:#}"))?;
        let new = results.iter().all(|one| one["boot"] != seen["boot"]);
        if new {
            Ok(())
        } else {
            Err("results of the start before".to_owned())
        }
    })
    .await?;
    share(api, id, "right after the kill", 0.8..=1.0).await?;
    ensure!(
        states(fleet, id).await? == before,
        "the states changed: {before:?}"
    );
    let label = ["label", &seen["id"].to_string(), KINDS[0]];
    let output = fleet.noroshi_output(&label).await?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        !output.status.success() && error.contains("not kept"),
        "{error}"
    );
    Ok(())
}

/// A state that was damaged on the disk is told of, and the one before it is taken.
async fn damaged(fleet: &mut Fleet, api: &Api, id: &str) -> Result<()> {
    let newest = states(fleet, id).await?.last().map_or(0, version);
    fleet.agent_mut("d")?.process()?.kill()?;
    let file = state_file(fleet, newest)?;
    let mut bytes = std::fs::read(&file)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes)?;
    start(fleet, api, id).await?;
    let details = event(api, id, "state-damaged").await?;
    ensure!(details["pipeline"] == "door", "{details}");
    runs(api, id, 1).await?;
    let left = states(fleet, id).await?;
    ensure!(
        !left.is_empty() && left.iter().all(|one| version(one) < newest),
        "{left:?}"
    );
    share(api, id, "with the state before", 0.8..=1.0).await
}

fn state_file(fleet: &Fleet, version: u64) -> Result<PathBuf> {
    let door = fleet.agent("d")?.folder().join("state/learned/door");
    let model = std::fs::read_dir(&door)?
        .next()
        .context("a model's folder")??;
    Ok(model.path().join(format!("{version}.state")))
}

/// What was learned comes to this machine, and goes out as a release of its own.
async fn pulled(fleet: &Fleet, api: &Api, id: &str, golden: &str) -> Result<()> {
    let file = fleet.path().join("pulled.ntm").display().to_string();
    let pull = ["device", "state", "pull", id, "door", "--output", &file];
    let said = fleet.noroshi(&pull).await?;
    let bytes = std::fs::read(&file)?;
    ensure!(said["state"]["bytes"] == bytes.len(), "{said}");
    let card = fleet.path().join("first.json").display().to_string();
    push(fleet, &file, &card, golden).await?;
    let create = [
        "rollout",
        "create",
        "--model",
        tiny::MODEL,
        "--all",
        "--version",
        "2",
    ];
    let rest = ["--waves", "100", "--trial-s", "1", "--watch"];
    let rollout = fleet.noroshi(&[&create[..], &rest].concat()).await?;
    ensure!(rollout["state"] == "succeeded", "{rollout}");
    runs(api, id, 2).await?;
    share(api, id, "what was learned, released", 0.8..=1.0).await?;
    // States belong to a released file: the new one has learned nothing yet.
    let fresh = states(fleet, id).await?;
    ensure!(fresh.is_empty(), "{fresh:?}");
    let nothing = fleet.noroshi_output(&pull).await?;
    let error = String::from_utf8_lossy(&nothing.stderr).into_owned();
    ensure!(
        !nothing.status.success() && error.contains("nothing was learned"),
        "{error}"
    );
    Ok(())
}

#[test]
fn a_model_learns_on_the_device_and_forgets_nothing_by_accident() {
    scenario(|| async {
        let mut fleet = Fleet::start().await?;
        let api = fleet.api().await?;
        let folder = fleet.path().join("pictures");
        pictures(&folder)?;
        let source = Source {
            pictures: folder,
            frames_per_second: 16.0,
            live: false,
        };
        let golden = photos(Role::Measured)?.remove(0).file()?;
        let golden = golden.to_str().context("a path")?.to_owned();
        let id = fleet.add_agent("d", "direct", &source).await?;
        on(&mut fleet, async |fleet| {
            online(&api, &id).await?;
            release(fleet, &api, &id, &golden).await?;
            share(&api, &id, "as released", 0.0..=0.1).await?;
            ensure!(
                states(fleet, &id).await?.is_empty(),
                "nothing is learned yet"
            );
            explained(fleet, &id).await?;
            let wrong = fleet
                .noroshi_output(&["label", &format!("{id}/door"), "right"])
                .await?;
            let error = String::from_utf8_lossy(&wrong.stderr).into_owned();
            ensure!(
                !wrong.status.success() && error.contains("no label"),
                "{error}"
            );

            teach(fleet, &api, &id, 60).await?;
            let drift = event(&api, &id, "drift").await?;
            ensure!(
                drift["pipeline"] == "door" && drift["version"] == "1",
                "{drift}"
            );
            for _ in 0..2 {
                another_round(&api, &id).await?;
                teach(fleet, &api, &id, PICTURES).await?;
            }
            share(&api, &id, "after labels", 0.8..=1.0).await?;
            explained(fleet, &id).await?;
            killed(fleet, &api, &id).await?;
            damaged(fleet, &api, &id).await?;

            let back = ["device", "state", "rollback", &id, "door"];
            fleet
                .noroshi(&[&back[..], &["--released"]].concat())
                .await?;
            share(&api, &id, "back at the release", 0.0..=0.1).await?;
            let learned = states(fleet, &id).await?;
            let last = learned.last().context("a state")?;
            ensure!(last["rolled_back"] == true && last["bytes"] == 0, "{last}");
            fleet.agent_mut("d")?.process()?.kill()?;
            start(fleet, &api, &id).await?;
            share(&api, &id, "still at the release", 0.0..=0.1).await?;
            let to = version(&learned[learned.len() - 2]).to_string();
            fleet.noroshi(&[&back[..], &["--to", &to]].concat()).await?;
            share(&api, &id, "forward again", 0.8..=1.0).await?;
            let missing = fleet
                .noroshi_output(&[&back[..], &["--to", "999"]].concat())
                .await?;
            ensure!(!missing.status.success(), "there is no state 999");
            pulled(fleet, &api, &id, &golden).await
        })
        .await
    });
}
