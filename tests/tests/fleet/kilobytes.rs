//! A model of a few kilobytes is trained, pushed, rolled out and run like any other.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use noroshi_compress::views::Photo;
use noroshi_engine::tiny::{INPUT, OUTPUT};
use noroshi_engine::{Classifier, ModelSource, Options, Preprocessor, open};
use noroshi_model::{
    Activation, ColorOrder, ElementType, EngineKind, InputSpec, Layout, Normalization, OutputSpec,
    Resize,
};
use noroshi_protocol::{Explanation, Part};
use noroshi_tests::assets::{Role, photos};
use noroshi_tests::fleet::Source;
use noroshi_tests::{Fleet, tiny};
use serde_json::{Value, json};

use crate::{device, on, online, runs, scenario};

const SIDE: u32 = 8;

/// Gray pictures that are brighter at the top, at the left, or in the middle; noise from `seed`.
fn rows(seed: u32) -> String {
    let mut state = seed;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 24
    };
    let mut text = String::new();
    for row in 0..120 {
        let kind = ["top", "left", "middle"][row % 3];
        for place in 0..SIDE * SIDE {
            let (x, y) = (place % SIDE, place / SIDE);
            let bright = match kind {
                "top" => y < SIDE / 2,
                "left" => x < SIDE / 2,
                _ => (2..6).contains(&x) && (2..6).contains(&y),
            };
            text += &format!("{},", u32::from(bright) * 120 + noise() / 2);
        }
        text += kind;
        text += "\n";
    }
    text
}

/// Trains on rows of `seed` and pushes what came of it as the next version.
async fn release(fleet: &Fleet, seed: u32, golden: &str) -> Result<Vec<u8>> {
    let path = |ending: &str| fleet.path().join(format!("small-{seed}.{ending}"));
    std::fs::write(path("csv"), rows(seed))?;
    let [csv, model, card] = ["csv", "ntm", "json"].map(|end| path(end).display().to_string());
    let train = ["model", "train", &csv, "--budget", "1 KB on the agent"];
    let trained = fleet
        .noroshi(&[&train[..], &["--output", &model]].concat())
        .await?;
    let accuracy = trained["best"][0]["accuracy"].as_f64();
    ensure!(accuracy > Some(0.8), "{trained}");
    push(fleet, &model, &card, golden).await?;
    Ok(std::fs::read(model)?)
}

/// A model of gray pictures of 8 by 8 becomes the next version.
pub(crate) async fn push(fleet: &Fleet, model: &str, card: &str, golden: &str) -> Result<()> {
    let variant = format!("small={model}");
    let push = [
        "model",
        "push",
        "--model",
        tiny::MODEL,
        "--variant",
        &variant,
    ];
    let rest = ["--gray", "8x8", "--labels", card, "--golden", golden];
    fleet.noroshi(&[&push[..], &rest].concat()).await?;
    Ok(())
}

/// Names that are no numbers are in the order of their letters.
const LABELS: [&str; 3] = ["left", "middle", "top"];

fn input() -> InputSpec {
    InputSpec {
        name: INPUT.to_owned(),
        height: SIDE,
        width: SIDE,
        dtype: ElementType::U8,
        layout: Layout::Nchw,
        color: ColorOrder::Gray,
        resize: Resize::Stretch,
        features: None,
        normalization: Normalization::NONE,
    }
}

/// The label, and its score, that this machine answers to the picture.
fn host(model: &[u8], picture: &Path) -> Result<(&'static str, f64)> {
    let output = OutputSpec {
        name: OUTPUT.to_owned(),
        activation: Activation::Logits,
    };
    let source = ModelSource::Bytes(model);
    let engine = open(EngineKind::Tiny, source, &Options::default())?;
    let photo = Photo::open(picture)?;
    let best = Classifier::new(engine, &input(), &output, 3)?
        .classify(&photo.frame()?, 1)?
        .best();
    Ok((LABELS[best.index], f64::from(best.score)))
}

/// Whether the newest result of the device says what this machine does.
async fn agrees(
    api: &noroshi_tests::api::Api,
    id: &str,
    model: &[u8],
    picture: &Path,
) -> Result<()> {
    let page = api.get(&format!("/results?device={id}&limit=1")).await?;
    let said: &Value = &page["items"][0]["top"][0];
    let (label, score) = host(model, picture)?;
    let near = said["score"]
        .as_f64()
        .is_some_and(|said| (said - score).abs() < 1e-3);
    ensure!(
        said["label"] == label && near,
        "{said}, here {label} {score}"
    );
    Ok(())
}

/// The device says why: what it says is what this machine's copy of the model says, and sums to
/// the score.
async fn explained(fleet: &Fleet, id: &str, model: &[u8], picture: &Path) -> Result<()> {
    let newest = format!("{id}/door");
    let said = fleet.noroshi(&["explain", &newest]).await?;
    let said: Explanation = serde_json::from_value(said["explanation"].clone())?;
    ensure!((said.sum() - said.score).abs() < 1e-6, "{said:?}");
    let photo = Photo::open(picture)?;
    let mut preprocessor = Preprocessor::new(&input())?;
    let host = preprocessor.run(&photo.frame()?)?.clone();
    let engine = open(
        EngineKind::Tiny,
        ModelSource::Bytes(model),
        &Options::default(),
    )?;
    let explainer = engine.explainer().context("the engine explains")?;
    let host = explainer.explain(&host)?;
    ensure!((host.score - said.score).abs() < 1e-6, "{host:?}, {said:?}");
    ensure!(said.label == LABELS[usize::from(host.label)], "{said:?}");
    let pixel = said
        .terms
        .iter()
        .any(|term| term.name.starts_with("pixel "));
    ensure!(pixel || said.terms[0].part != Part::Column, "{said:?}");
    // By its id too; a result that is of no device's last ones says so.
    let listed = fleet
        .noroshi(&["results", "--device", id, "--limit", "1"])
        .await?;
    let number = listed[0]["id"].to_string();
    let again = fleet.noroshi(&["explain", &number]).await?;
    ensure!(again["result"]["id"] == listed[0]["id"], "{again}");
    let unknown = fleet
        .noroshi_output(&["explain", &format!("{id}/door/0")])
        .await?;
    let text = String::from_utf8_lossy(&unknown.stderr);
    ensure!(
        !unknown.status.success() && text.contains("not kept"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_model_of_a_few_kilobytes_runs_in_the_fleet() {
    scenario(|| async {
        let mut fleet = Fleet::start().await?;
        let api = fleet.api().await?;
        let photo = photos(Role::Measured)?.remove(0).file()?;
        // One picture, so that every result is of it.
        let pictures = fleet.path().join("pictures");
        std::fs::create_dir_all(&pictures)?;
        let picture = pictures.join("one.png");
        std::fs::copy(&photo, &picture)?;
        let source = Source {
            pictures,
            frames_per_second: 5.0,
            live: false,
        };
        let id = fleet.add_agent("d", "direct", &source).await?;
        on(&mut fleet, async |fleet| {
            online(&api, &id).await?;
            let golden = photo.to_str().context("a path")?;
            let first = release(fleet, 1, golden).await?;
            let body = json!({
                "source": "camera", "model": tiny::MODEL, "version": 1, "filters": [], "top": 2,
                "devices": { "all": true },
            });
            api.put("/pipelines/door", body).await?;
            runs(&api, &id, 1).await?;
            agrees(&api, &id, &first, &picture).await?;
            let second = release(fleet, 2, golden).await?;
            ensure!(first != second, "both versions are the same file");
            let create = ["rollout", "create", "--model", tiny::MODEL, "--all"];
            let rest = ["--version", "2", "--waves", "100", "--trial-s", "2"];
            let rollout = fleet
                .noroshi(&[&create[..], &rest, &["--watch"]].concat())
                .await?;
            ensure!(rollout["state"] == "succeeded", "{rollout}");
            runs(&api, &id, 2).await?;
            agrees(&api, &id, &second, &picture).await?;
            explained(fleet, &id, &second, &picture).await?;
            let shown = device(&api, &id).await.map_err(anyhow::Error::msg)?;
            ensure!(shown.to_string().contains("small"), "{shown}");
            Ok(())
        })
        .await
    });
}

/// What sensors say of a machine: a pump that runs, one that stands, one that runs dry.
fn sensors(seed: u32) -> String {
    let mut state = seed;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 16) / 65_536.0
    };
    let mut text = String::from("current,flow,temperature,state\n");
    for row in 0..300 {
        let (name, current, flow) =
            [("runs", 4.0, 12.0), ("stands", 0.1, 0.2), ("dry", 3.0, 0.4)][row % 3];
        let (current, flow) = (current + noise(), flow + noise());
        text += &format!(
            "{current:.3},{flow:.3},{:.2},{name}\n",
            40.0 + 5.0 * noise()
        );
    }
    text
}

#[test]
fn rows_of_sensors_are_answered_and_explained() {
    scenario(|| async {
        let mut fleet = Fleet::start().await?;
        let api = fleet.api().await?;
        let pictures = fleet.path().join("unused");
        let source = Source {
            pictures,
            frames_per_second: 10.0,
            live: false,
        };
        let id = fleet.add_agent("d", "direct", &source).await?;
        on(&mut fleet, async |fleet| {
            online(&api, &id).await?;
            let folder = fleet.path().to_owned();
            let path = |name: &str| folder.join(name).display().to_string();
            let [taught, seen, model] = ["taught.csv", "seen.csv", "pump.ntm"].map(&path);
            std::fs::write(&taught, sensors(1))?;
            // A sensor writes no class.
            let rows = sensors(2);
            let rows = rows.lines().filter_map(|line| line.rsplit_once(','));
            let rows: Vec<&str> = rows.map(|(row, _)| row).collect();
            std::fs::write(&seen, rows.join("\n") + "\n")?;
            fleet.agent_mut("d")?.process()?.kill()?;
            let config = fleet.agent("d")?.folder().join("agent.toml");
            let text = std::fs::read_to_string(&config)?;
            let (before, after) = text
                .split_once("[sources.camera.folder]")
                .context("a folder")?;
            let rest = after.split_once("\n[").map_or("", |(_, rest)| rest);
            let rows = format!("[sources.camera.rows]\npath = {seen:?}\n");
            let rest = if rest.is_empty() {
                String::new()
            } else {
                format!("[{rest}")
            };
            std::fs::write(&config, format!("{before}{rows}{rest}"))?;
            fleet.start_agent("d")?;

            let train = ["model", "train", &taught, "--budget", "2 KB on the agent"];
            fleet
                .noroshi(&[&train[..], &["--output", &model]].concat())
                .await?;
            let (variant, card) = (format!("small={model}"), path("pump.json"));
            let push = [
                "model",
                "push",
                "--model",
                "pump",
                "--variant",
                &variant,
                "--rows",
            ];
            let rest = ["--labels", &card, "--golden", &taught];
            fleet.noroshi(&[&push[..], &rest].concat()).await?;
            let body = json!({
                "source": "camera", "model": "pump", "version": 1, "filters": [], "top": 1,
                "devices": { "all": true },
            });
            api.put("/pipelines/door", body).await?;
            runs(&api, &id, 1).await?;
            let page = api.get(&format!("/results?device={id}&limit=30")).await?;
            let results = page["items"].as_array().context("results")?;
            for result in results {
                let number = result["frame"]["number"].as_u64().context("a number")?;
                let truth = ["runs", "stands", "dry"][(number % 3) as usize];
                ensure!(result["label"] == truth, "{truth}: {result}");
            }
            let said = fleet.noroshi(&["explain", &format!("{id}/door")]).await?;
            let why: Explanation = serde_json::from_value(said["explanation"].clone())?;
            ensure!((why.sum() - why.score).abs() < 1e-6, "{why:?}");
            ensure!(!said.to_string().contains("pixel"), "{said}");
            Ok(())
        })
        .await
    });
}
