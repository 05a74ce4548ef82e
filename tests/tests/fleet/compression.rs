//! Uploads that the cloud's worker compresses: a real one, and ones that want to do harm.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use noroshi_compress::{Network, Settings, Weights, build};
use noroshi_onnx::{
    AttributeProto, DataType, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto,
};
use noroshi_tests::assets::{Role, photos};
use noroshi_tests::{Fleet, tiny};
use serde_json::Value;

use crate::{on, scenario};

const CLASSES: usize = 10;

/// A network of random weights: quick, and of no use.
fn network() -> Result<ModelProto> {
    let settings = Settings {
        width: 0.1,
        resolution: 32,
        classes: CLASSES,
    };
    Ok(build(Network::MobileNetV2, &settings, Weights::Random(3))?)
}

/// A small file whose only constant asks for 160 gigabytes.
fn greedy() -> Result<Vec<u8>> {
    let filled = NodeProto::new("ConstantOfShape", ["shape"], "much", Vec::new());
    let keep = vec![AttributeProto::int("keepdims", 0)];
    let nodes = vec![
        filled,
        NodeProto::new("ReduceMean", ["much"], "mean", keep),
        NodeProto::new("GlobalAveragePool", ["image"], "pooled", Vec::new()),
        NodeProto::new("Flatten", ["pooled"], "flat", Vec::new()),
        NodeProto::new("Gemm", ["flat", "weights"], "gemm", Vec::new()),
        NodeProto::new("Add", ["gemm", "mean"], "logits", Vec::new()),
    ];
    let graph = GraphProto {
        name: "greedy".into(),
        node: nodes,
        initializer: vec![
            TensorProto::new("shape", &[2], &[200_000i64, 200_000]),
            TensorProto::new("weights", &[3, CLASSES], &[0.5f32; 3 * CLASSES]),
        ],
        input: vec![ValueInfoProto::tensor(
            "image",
            DataType::F32,
            &[1, 3, 32, 32],
        )],
        output: vec![ValueInfoProto::tensor(
            "logits",
            DataType::F32,
            &[1, CLASSES],
        )],
        ..GraphProto::default()
    };
    let model = ModelProto::new(graph, 13, 8);
    Ok(noroshi_onnx::encode(&model)?)
}

struct Uploads {
    folder: PathBuf,
    labels: PathBuf,
    pictures: Vec<PathBuf>,
}

impl Uploads {
    fn new(fleet: &Fleet) -> Result<Self> {
        let folder = fleet.path().join("uploads");
        std::fs::create_dir_all(&folder)?;
        let labels = folder.join("labels.txt");
        let names: Vec<String> = (0..CLASSES).map(|class| format!("class {class}")).collect();
        std::fs::write(&labels, names.join("\n"))?;
        let pictures = photos(Role::Calibration)?
            .iter()
            .take(4)
            .map(noroshi_tests::assets::Photo::file)
            .collect::<Result<_>>()?;
        Ok(Self {
            folder,
            labels,
            pictures,
        })
    }

    fn file(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.folder.join(name);
        std::fs::write(&path, bytes)?;
        Ok(path)
    }

    async fn compress(&self, fleet: &Fleet, file: &Path) -> Result<Value> {
        let text = |path: &Path| path.display().to_string();
        let mut arguments = ["model", "compress", "--model", "small"]
            .map(str::to_owned)
            .to_vec();
        arguments.extend(["--preset", "imagenet", "--max-loss", "100"].map(str::to_owned));
        arguments.extend(["--labels".to_owned(), text(&self.labels), text(file)]);
        arguments.push("--calibration".to_owned());
        arguments.extend(self.pictures.iter().map(|picture| text(picture)));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = fleet.noroshi_output(&arguments).await?;
        let answer = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&answer)
            .with_context(|| format!("{answer} {}", String::from_utf8_lossy(&output.stderr)))
    }
}

#[test]
fn an_upload_becomes_a_version_with_its_report_and_a_hostile_one_a_reason() {
    scenario(|| async {
        let mut fleet = Fleet::start().await?;
        let api = fleet.api().await?;
        on(&mut fleet, async |fleet| {
            let uploads = Uploads::new(fleet)?;
            let honest = noroshi_onnx::encode(&network()?)?;
            let greedy = uploads.file("greedy.onnx", &greedy()?)?;
            let cut = uploads.file("cut.onnx", &honest[..honest.len() / 2])?;
            let mut mutated = honest.clone();
            for at in (100..mutated.len()).step_by(997) {
                mutated[at] ^= 0xff;
            }
            let mutated = uploads.file("mutated.onnx", &mutated)?;
            for file in [&greedy, &cut, &mutated] {
                let order = uploads.compress(fleet, file).await?;
                ensure!(order["state"] == "failed", "{}: {order}", file.display());
                let reason = order["reason"].as_str().context("a reason")?;
                ensure!(reason.len() > 20, "{reason}");
            }

            let file = uploads.file("honest.onnx", &honest)?;
            let order = uploads.compress(fleet, &file).await?;
            ensure!(order["state"] == "succeeded", "{order}");
            let points = &order["report"]["points"];
            ensure!(points[1]["variant"] == "int8", "{order}");
            let smaller = points[1]["bytes"].as_u64() < points[0]["bytes"].as_u64();
            ensure!(smaller, "{points}");
            let sensitive = order["report"]["sensitivity"].as_array();
            ensure!(
                sensitive.is_some_and(|layers| !layers.is_empty()),
                "{order}"
            );
            for (picture, least) in [("bits", 5), ("weights", 1)] {
                let drawn = order["report"][picture].as_array();
                ensure!(
                    drawn.is_some_and(|all| all.len() >= least),
                    "{picture}: {order}"
                );
            }

            let version = api.get("/models/small/versions/1").await?;
            let names: Vec<_> = version["variants"]
                .as_array()
                .context("variants")?
                .iter()
                .map(|variant| variant["name"].clone())
                .collect();
            ensure!(names == ["int8", "fp32"], "{version}");
            let listed = fleet
                .noroshi(&["model", "compressions", "--model", "small"])
                .await?;
            let listed = listed.as_array().context("a list")?;
            ensure!(
                listed.len() == 4 && listed[0]["id"] == order["id"],
                "{listed:?}"
            );
            // It still does everything else.
            tiny::version(fleet.path(), 1)?.push(&api).await
        })
        .await
    });
}

#[test]
fn a_killed_cloud_takes_an_order_up_again() {
    scenario(|| async {
        let mut fleet = Fleet::start().await?;
        let uploads = Uploads::new(&fleet)?;
        let file = uploads.file("honest.onnx", &noroshi_onnx::encode(&network()?)?)?;
        let text = |path: &Path| path.display().to_string();
        let pictures: Vec<String> = uploads.pictures.iter().map(|path| text(path)).collect();
        let (labels, source) = (text(&uploads.labels), text(&file));
        let mut arguments = vec!["model", "compress", "--model", "small", "--no-wait"];
        arguments.extend(["--preset", "imagenet", "--max-loss", "100"]);
        arguments.extend(["--labels", &labels, &source, "--calibration"]);
        arguments.extend(pictures.iter().map(String::as_str));
        on(&mut fleet, async |fleet| {
            let order = fleet.noroshi(&arguments).await?;
            let path = format!("/compressions/{}", order["id"].as_str().context("an id")?);
            fleet.cloud()?.kill()?;
            fleet.start_cloud().await?;
            let api = fleet.api().await?;
            noroshi_tests::eventually::eventually_within(
                "the order is done",
                crate::LIMIT * 2,
                || async {
                    let order = api.get(&path).await.map_err(|error| format!("{error:#}"))?;
                    if order["state"] == "succeeded" {
                        Ok(())
                    } else {
                        Err(order.to_string())
                    }
                },
            )
            .await
        })
        .await
    });
}
