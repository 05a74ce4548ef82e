//! Networks made smaller and looked at, as a user does it: on small arrays, in the real program.

mod common;

use std::path::Path;

use common::{error, json as said, noroshi, write_array};
use noroshi_compress::plot::{Axis, Mark, Plot, Point, Scale, Series};
use noroshi_train::{Examples, Net, NetBuilder, Random, Recipe, Shape, fit, kept, read_sparse};
use serde_json::Value;

/// Pictures of 8 x 8: a bar across or along, and noise.
struct Bars {
    folder: tempfile::TempDir,
}

impl Bars {
    fn new(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut random = Random::new(5);
        let (mut inputs, mut labels) = (Vec::new(), Vec::new());
        for number in 0..count {
            let (place, along) = (random.below(8), number % 2 == 0);
            for pixel in 0..64 {
                let line = if along { pixel / 8 } else { pixel % 8 };
                let lit = f32::from(u8::from(line == place));
                inputs.push(lit + 0.15 * random.normal());
            }
            labels.push(u32::from(along));
        }
        let net = Net::builder(Shape::image(1, 8, 8), 1)
            .conv(8, 3, 1, 1)
            .relu();
        let net = net.max_pool(2).dense(24).relu().dense(2);
        let data = Examples::classes(Shape::image(1, 8, 8), inputs.clone(), labels.clone(), 2);
        write(net, &data.unwrap(), &folder.path().join("net.onnx"));
        let values: Vec<u8> = inputs.iter().flat_map(|v| v.to_le_bytes()).collect();
        write_array(
            &folder.path().join("x.npy"),
            "<f4",
            &format!("({count}, 1, 8, 8)"),
            &values,
        );
        let classes: Vec<u8> = labels.iter().map(|&label| label as u8).collect();
        write_array(
            &folder.path().join("y.npy"),
            "|u1",
            &format!("({count},)"),
            &classes,
        );
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn data(&self) -> String {
        self.folder.path().display().to_string()
    }
}

fn write(net: NetBuilder, data: &Examples, path: &Path) {
    let mut net = net.build().unwrap();
    let recipe = Recipe {
        epochs: 8,
        batch: 32,
        rate: 5e-3,
        ..Recipe::default()
    };
    fit(&mut net, data, &recipe, &mut |_| ()).unwrap();
    noroshi_onnx::write(path, &net.export_onnx().unwrap()).unwrap();
}

#[test]
fn two_of_four_weights_stay_and_take_less_room() {
    let bars = Bars::new(400);
    let (net, data) = (bars.path("net.onnx"), bars.data());
    let (output, sparse) = (bars.path("smaller.onnx"), bars.path("smaller.nspn"));
    let prune = |more: &[&str]| {
        let command = [
            "--json", "model", "prune", &net, "--data", &data, "--rounds", "0",
        ];
        let rest = ["--epochs", "4", "--output", &output, "--sparse", &sparse];
        noroshi(&[&command[..], &rest, more].concat())
    };
    let answer = said(&prune(&["--pattern", "2:4"]));
    // The convolution's rows of 9 are pruned in groups of 4, 4 and 1.
    let (left, total) = (8 * 5 + 24 * 64 + 2 * 12, 8 * 9 + 24 * 128 + 2 * 24);
    assert_eq!(answer["pattern"], "2:4");
    assert_eq!(
        (answer["kept"].as_u64(), answer["total"].as_u64()),
        (Some(left), Some(total))
    );
    assert_eq!(answer["speed_gain"], false);
    let accuracy = |side: &Value| side["quality"]["classes"]["top_1"]["share"].as_f64();
    let measured = &answer["measured"]["variants"][0]["comparison"]["model"];
    assert!(accuracy(measured).unwrap() > 0.8, "{measured}");
    let bytes = std::fs::read(&sparse).unwrap();
    assert_eq!(answer["sparse_bytes"].as_u64(), Some(bytes.len() as u64));
    // A byte and two bits for each weight that is left, and not a byte for its place.
    assert!(
        (bytes.len() as u64) < left * 5 / 4 + 1500,
        "{}",
        bytes.len()
    );
    let read = read_sparse(&bytes).unwrap();
    assert!(kept(&read).kept as u64 <= left);
    let written = noroshi_onnx::read(Path::new(&output)).unwrap();
    let again = Net::import_onnx(&written).unwrap();
    let weights = again
        .layers()
        .iter()
        .filter_map(noroshi_train::Node::seen_weights);
    let zeros: usize = weights
        .map(|w| w.iter().filter(|&&w| w == 0.0).count())
        .sum();
    assert!(zeros as u64 >= total - left, "{zeros}");
    let told = noroshi(&[
        "model",
        "prune",
        &net,
        "--data",
        &data,
        "--rounds",
        "0",
        "--epochs",
        "1",
        "--pattern",
        "1:4",
        "--max-loss",
        "100",
        "--output",
        &output,
    ]);
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(text.contains("No speed gain"), "{text} {}", error(&told));

    for (more, code, words) in [
        (&["--pattern", "4:2"][..], 2, "such as 2:4"),
        (
            &["--pattern", "2:4", "--keep", "0.5"],
            2,
            "cannot be used with",
        ),
        (&["--pattern", "2:4", "--spare", "nowhere"], 1, "nowhere"),
    ] {
        let refused = prune(more);
        assert_eq!(refused.status.code(), Some(code), "{}", error(&refused));
        assert!(error(&refused).contains(words), "{}", error(&refused));
    }
}

#[test]
fn a_report_shows_what_fewer_bits_cost() {
    let bars = Bars::new(120);
    let (net, data) = (bars.path("net.onnx"), bars.data());
    let int8 = bars.path("int8.onnx");
    std::fs::copy(&net, &int8).unwrap();
    let (page, plots) = (bars.path("page.html"), bars.path("plots"));
    let report = [
        "--json", "model", "report", &net, &int8, "--data", &data, "--bits",
    ];
    let rest = ["--rounds", "0", "--page", &page, "--plots", &plots];
    let answer = said(&noroshi(&[&report[..], &rest].concat()));
    let bits = &answer["bits"];
    for curve in ["weights", "both"] {
        let points = bits[curve]["points"].as_array().unwrap();
        assert_eq!(points.len(), 6, "{bits}");
        let loss = |place: usize| points[place]["loss"]["loss"].as_f64().unwrap();
        assert!(loss(0) < 0.05 && loss(5) > loss(0) - 0.05, "{bits}");
    }
    assert_eq!(bits["layers"].as_array().unwrap().len(), 3, "{bits}");
    let page = std::fs::read_to_string(page).unwrap();
    for words in ["net.onnx: fewer bits", "one layer alone", "<svg"] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("<script"));
    for name in [
        "bits.svg",
        "bits.png",
        "layers.svg",
        "layers.png",
        "pareto-bytes.svg",
    ] {
        assert!(Path::new(&plots).join(name).exists(), "{name}");
    }
    let few = Bars::new(6);
    let (net, data) = (few.path("net.onnx"), few.data());
    let refused = noroshi(&[
        "model", "report", &net, &net, "--data", &data, "--bits", "--rounds", "0",
    ]);
    assert!(error(&refused).contains("8 or more"), "{}", error(&refused));
}

/// A picture as a PNG file: a line that climbs more or less.
fn picture(folder: &Path, number: usize) {
    let points = (0..9).map(|x| Point::new(f64::from(x), f64::from(x % 4) * number as f64));
    let plot = Plot {
        title: "a picture".into(),
        x: Axis::new("along", Scale::Linear),
        y: Axis::new("up", Scale::Linear).with(12.0),
        series: vec![Series {
            name: String::new(),
            mark: Mark::Bars,
            points: points.collect(),
        }],
    };
    std::fs::write(folder.join(format!("{number}.png")), plot.png().unwrap()).unwrap();
}

#[test]
fn ranges_by_entropy_quantize() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    (1..4).for_each(|number| picture(&pictures, number));
    let net = Net::builder(Shape::image(3, 224, 224), 2)
        .conv(6, 5, 8, 2)
        .relu();
    let net = net
        .conv(6, 3, 2, 1)
        .relu()
        .global_average()
        .dense(3)
        .build()
        .unwrap();
    let float = folder.path().join("float.onnx");
    noroshi_onnx::write(&float, &net.export_onnx().unwrap()).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (float, pictures) = (path("float.onnx"), path("pictures"));
    let quantize = |method: &str, output: &str| {
        let command = [
            "--json", "model", "quantize", &float, "--preset", "imagenet",
        ];
        let rest = [
            "--calibration",
            &pictures,
            "--method",
            method,
            "--output",
            output,
        ];
        noroshi(&[&command[..], &rest].concat())
    };
    let (entropy, whole) = (path("entropy.onnx"), path("whole.onnx"));
    let answer = said(&quantize("entropy", &entropy));
    let methods = answer["report"]["methods"].to_string();
    assert!(methods.contains("entropy"), "{methods}");
    assert!(
        answer["report"]["decibels"].as_f64().unwrap() > 15.0,
        "{answer}"
    );
    said(&quantize("min-max", &whole));
    let read = |path: &str| std::fs::read(path).unwrap();
    // It cuts ranges that the whole range keeps.
    assert_ne!(read(&entropy), read(&whole));
    let refused = quantize("guess", &entropy);
    assert_eq!(refused.status.code(), Some(2));
    assert!(error(&refused).contains("entropy"), "{}", error(&refused));
}
