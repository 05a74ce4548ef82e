//! A network of one-bit weights in a fleet: taught, pushed, rolled out, and its answers held
//! against this machine's, picture by picture.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use image::{GrayImage, ImageFormat};
use noroshi_compress::binary::{output_spec, packed, picture_input};
use noroshi_compress::views::Photo;
use noroshi_engine::{Classifier, ModelSource, Options, open};
use noroshi_model::EngineKind;
use noroshi_train::data::{Array, Numbers, npy};
use serde_json::{Value, json};

use crate::Fleet;
use crate::api::Api;
use crate::eventually::eventually_within;
use crate::fleet::Source;

const MODEL: &str = "one-bit";
const DEVICE: &str = "d";
/// How far a score may be off: it is sent and stored as 32 bits of floating point.
const SCORE: f64 = 1e-6;

/// Square gray pictures with their classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pictures {
    /// Pixels of a row, and rows.
    pub side: usize,
    /// The pixels, picture after picture.
    pub pixels: Vec<u8>,
    /// A class each.
    pub labels: Vec<u8>,
}

/// What a fleet is asked to do.
#[derive(Debug)]
pub struct Play<'a> {
    /// Pictures to learn from.
    pub learned: &'a Pictures,
    /// Pictures that the device sees.
    pub shown: &'a Pictures,
    /// More settings of `noroshi model binarize`.
    pub settings: &'a [&'a str],
    /// Pictures that the device sees in a second.
    pub frames_per_second: f64,
    /// How long the device may take to see all of them.
    pub limit: Duration,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// Pictures that the device answered with the version that was rolled out.
    pub answered: usize,
    /// Those that this machine answers otherwise: another label, another order, another score.
    pub differing: usize,
    /// Those that this machine answers otherwise with the version before.
    pub differing_before: usize,
    /// What `noroshi model binarize` told of the version.
    pub card: Value,
}

impl Pictures {
    fn one(&self, place: usize) -> &[u8] {
        &self.pixels[place * self.side * self.side..][..self.side * self.side]
    }

    /// Writes `x.npy` and `y.npy` to `folder`.
    fn write_arrays(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        let shape = [self.labels.len(), self.side, self.side];
        let bytes =
            |sides: &[usize], bytes: &[u8]| Array::new(sides.to_vec(), Numbers::U8(bytes.to_vec()));
        npy::write(&folder.join("x.npy"), &bytes(&shape, &self.pixels)?)?;
        npy::write(&folder.join("y.npy"), &bytes(&shape[..1], &self.labels)?)?;
        Ok(())
    }

    /// Writes each as a PNG whose name is its number.
    fn write_files(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        std::fs::create_dir_all(folder)?;
        let side = u32::try_from(self.side)?;
        let write = |place: usize| {
            let path = folder.join(format!("{place:05}.png"));
            let picture = GrayImage::from_raw(side, side, self.one(place).to_vec());
            let picture = picture.context("a square picture")?;
            picture.save_with_format(&path, ImageFormat::Png)?;
            Ok(path)
        };
        (0..self.labels.len()).map(write).collect()
    }
}

/// Plays it: version 1 runs on a device, version 2 is rolled out and answers all pictures.
pub async fn play(play: &Play<'_>) -> Result<Played> {
    let mut fleet = Fleet::start().await?;
    let played = on(&mut fleet, play).await;
    played.map_err(|error| error.context(fleet.tails()))
}

async fn on(fleet: &mut Fleet, play: &Play<'_>) -> Result<Played> {
    let api = fleet.api().await?;
    let data = fleet.path().join("data");
    play.learned.write_arrays(&data)?;
    let pictures = fleet.path().join("pictures");
    let files = play.shown.write_files(&pictures)?;
    let source = Source {
        pictures,
        frames_per_second: play.frames_per_second,
        live: false,
    };
    let id = fleet.add_agent(DEVICE, "direct", &source).await?;
    let first = release(fleet, play, &data, 1, &files[0]).await?.0;
    let body = json!({
        "source": "camera", "model": MODEL, "version": 1, "filters": [], "top": 3,
        "devices": { "all": true },
    });
    api.put("/pipelines/door", body).await?;
    eventually_within("version 1 answers", play.limit, || async {
        let page = api.get(&format!("/results?device={id}&limit=1")).await;
        let newest = page.map_err(|error| format!("{error:#}"))?["items"][0].clone();
        if newest["version"] == 1 {
            Ok(())
        } else {
            Err(newest.to_string())
        }
    })
    .await?;
    let (second, card) = release(fleet, play, &data, 2, &files[0]).await?;
    let create = ["rollout", "create", "--model", MODEL, "--all"];
    let rest = ["--version", "2", "--waves", "100", "--trial-s", "2"];
    let rollout = fleet
        .noroshi(&[&create[..], &rest, &["--watch"]].concat())
        .await?;
    ensure!(rollout["state"] == "succeeded", "{rollout}");
    let answers = eventually_within("version 2 answers every picture", play.limit, || async {
        let answers = answers(fleet, &api, &id).await;
        let answers = answers.map_err(|error| format!("{error:#}"))?;
        if answers.len() == files.len() {
            Ok(answers)
        } else {
            Err(format!("{} of {} pictures", answers.len(), files.len()))
        }
    })
    .await?;
    Ok(Played {
        answered: answers.len(),
        differing: differing(&answers, &host(&second, &files)?),
        differing_before: differing(&answers, &host(&first, &files)?),
        card,
    })
}

/// Teaches a version and pushes it: its file, and what is known of it.
async fn release(
    fleet: &Fleet,
    play: &Play<'_>,
    data: &Path,
    version: u32,
    golden: &Path,
) -> Result<(PathBuf, Value)> {
    let path = |ending: &str| fleet.path().join(format!("version-{version}.{ending}"));
    let text = |path: &Path| path.display().to_string();
    let (data, golden) = (text(data), text(golden));
    let [model, labels, twin] = ["nbin", "json", "onnx"].map(|ending| text(&path(ending)));
    let seed = version.to_string();
    let binarize = ["model", "binarize", "--data", &data, "--seed", &seed];
    let files = ["--output", &model, "--twin", &twin];
    let card = fleet
        .noroshi(&[&binarize[..], &files, play.settings].concat())
        .await?;
    let variant = format!("one-bit={model}");
    let push = ["model", "push", "--model", MODEL, "--variant", &variant];
    let rest = ["--labels", &labels, "--golden", &golden, "--source", &twin];
    let pushed = fleet.noroshi(&[&push[..], &rest].concat()).await?;
    ensure!(pushed["version"] == version, "{pushed}");
    Ok((path("nbin"), card))
}

/// The best labels with their scores.
type Top = Vec<(String, f64)>;

/// What version 2 answered on the device, by picture.
async fn answers(fleet: &Fleet, api: &Api, id: &str) -> Result<BTreeMap<String, Top>> {
    let pictures = fleet.agent(DEVICE)?.pictures_logged()?;
    let mut answers = BTreeMap::new();
    for row in api.list(&format!("/results?device={id}")).await? {
        if row["version"] != 2 {
            continue;
        }
        let frame = &row["frame"];
        let source = frame["source"].as_str().context("a frame's source")?;
        let number = frame["number"].as_u64().context("a frame's number")?;
        let Some(picture) = pictures.get(&format!("{source}-{number}")) else {
            continue;
        };
        let name = Path::new(picture).file_name().context("a picture's name")?;
        let name = name.to_string_lossy().into_owned();
        let top = row["top"].as_array().context("labels")?.iter().map(|said| {
            let label = said["label"].as_str().context("a label")?;
            let score = said["score"].as_f64().context("a score")?;
            Ok((label.to_owned(), score))
        });
        answers.insert(name, top.collect::<Result<Top>>()?);
    }
    Ok(answers)
}

/// What this machine answers, by picture.
fn host(model: &Path, files: &[PathBuf]) -> Result<BTreeMap<String, Top>> {
    let network = packed(model)?.context("a packed network")?;
    let (input, output) = (picture_input(&network)?, output_spec(&network));
    let source = ModelSource::Path(model);
    let engine = open(EngineKind::Binary, source, &Options::default())?;
    let labels = network.figures()?.outputs;
    let mut classifier = Classifier::new(engine, &input, &output, labels)?;
    let mut answers = BTreeMap::new();
    for file in files {
        let answer = classifier.classify(&Photo::open(file)?.frame()?, 3)?;
        let top = answer.ranked.iter();
        let top = top.map(|one| (one.index.to_string(), f64::from(one.score)));
        let name = file.file_name().context("a picture's name")?;
        answers.insert(name.to_string_lossy().into_owned(), top.collect());
    }
    Ok(answers)
}

fn differing(device: &BTreeMap<String, Top>, host: &BTreeMap<String, Top>) -> usize {
    let same = |one: &Top, other: &Top| {
        one.len() == other.len()
            && one
                .iter()
                .zip(other)
                .all(|((label, score), (own, here))| label == own && (score - here).abs() <= SCORE)
    };
    let differs =
        |(name, said): &(&String, &Top)| !host.get(*name).is_some_and(|own| same(said, own));
    device.iter().filter(differs).count()
}
