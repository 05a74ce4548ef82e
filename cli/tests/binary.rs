//! Networks of one-bit weights as a user makes, looks at and releases them.

mod common;

use std::path::Path;

use common::{error, json, noroshi};
use noroshi_train::data::{Array, Numbers, npy};
use serde_json::Value;

/// Pictures of 8 by 8 bytes that are bright at the top or at the bottom.
fn arrays(folder: &Path) -> String {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for place in 0..80_usize {
        labels.push((place % 2) as u8);
        for at in 0..64 {
            let bright = (at < 32) == (place % 2 == 0);
            pixels.push(u8::from(bright) * 120 + (place * 37 + at * 53 % 101) as u8 % 100);
        }
    }
    let data = folder.join("data");
    std::fs::create_dir_all(&data).unwrap();
    let array = |shape: Vec<usize>, bytes| Array::new(shape, Numbers::U8(bytes)).unwrap();
    npy::write(&data.join("x.npy"), &array(vec![80, 8, 8], pixels)).unwrap();
    npy::write(&data.join("y.npy"), &array(vec![80], labels)).unwrap();
    data.display().to_string()
}

struct Made {
    folder: tempfile::TempDir,
    card: Value,
}

impl Made {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

fn binarize(more: &[&str]) -> Made {
    let folder = tempfile::tempdir().unwrap();
    let data = arrays(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (output, twin) = (path("x.nbin"), path("twin.onnx"));
    let binarize = ["--json", "model", "binarize", "--data", &data];
    let rest = ["--output", &output, "--twin", &twin, "--epochs", "10"];
    let small = ["--widths", "8,8", "--batch", "16", "--rounds", "4"];
    let card = json(&noroshi(&[&binarize[..], &rest, &small, more].concat()));
    Made { folder, card }
}

#[test]
fn a_network_is_taught_beside_its_twin_and_looked_at() {
    let made = binarize(&[]);
    let card = &made.card;
    assert_eq!(card["classes"], serde_json::json!(["0", "1"]));
    assert_eq!(card["learned"], 64);
    let beside: Value =
        serde_json::from_slice(&std::fs::read(made.path("x.json")).unwrap()).unwrap();
    assert_eq!(&beside, card);
    let (original, variant) = (&card["measured"], &card["measured"]["variants"][0]);
    let bytes = std::fs::read(made.path("x.nbin")).unwrap();
    assert_eq!(variant["side"]["bytes"], bytes.len());
    assert!(original["original"]["bytes"].as_u64() > variant["side"]["bytes"].as_u64());
    assert_eq!(variant["side"]["precision"], "binary");
    let engine = |side: &Value| side["latency"][0]["engine"].clone();
    assert_eq!(engine(&variant["side"]), "binary");
    assert_eq!(engine(&original["original"]), "onnx_runtime");
    let of = |quality: &Value| quality["quality"]["classes"]["top_1"]["share"].as_f64();
    assert!(of(&original["quality"]) > Some(0.8), "{card}");
    assert!(of(&variant["comparison"]["model"]) > Some(0.9), "{card}");

    let seen = json(&noroshi(&[
        "--json",
        "model",
        "inspect",
        &made.path("x.nbin"),
    ]));
    assert_eq!(seen["format"], "nbin");
    assert_eq!(seen["shape"], serde_json::json!([1, 8, 8]));
    assert_eq!(seen["bytes"], bytes.len());
    // 5x5 by 2 to 8 channels of 4x4, 3x3 to 8 channels, then two classes.
    assert_eq!(seen["macs"], 25 * 8 * 16 + 72 * 8 * 16 + 128 * 2);
    assert_eq!(seen["one_bit_weights"], 72 * 8);
    assert_eq!(seen["eight_bit_weights"], 25 * 8 + 128 * 2);
    assert_eq!(seen["layers"][1]["what"], "conv 3x3");
    assert_eq!(seen["layers"][1]["activation_bits"], 2);
    let table = noroshi(&["model", "inspect", &made.path("x.nbin")]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("1 by 2 bits: 9,216 ("), "{table}");
    assert!(table.contains("8x4x4 of 2 bits"), "{table}");

    // The same samples and the same seed give the same file; another seed another.
    let again = std::fs::read(binarize(&[]).path("x.nbin")).unwrap();
    assert!(again == bytes);
    let other = std::fs::read(binarize(&["--seed", "2"]).path("x.nbin")).unwrap();
    assert!(other != bytes);
}

#[test]
fn both_twins_are_variants_of_one_version() {
    let more = ["--body", "perceptron", "--inner", "w1a1", "--one-bit-edges"];
    let made = binarize(&more);
    let picture = made.path("golden.png");
    let golden = image_of(16);
    std::fs::write(&picture, golden).unwrap();
    let [small, twin] = [("small", "x.nbin"), ("float", "twin.onnx")]
        .map(|(name, file)| format!("{name}={}", made.path(file)));
    let (labels, out) = (made.path("x.json"), made.path("out"));
    let push = [
        "--json",
        "model",
        "push",
        "--model",
        "m",
        "--variant",
        &small,
    ];
    let source = ["--variant", &twin, "--source", &made.path("twin.onnx")];
    let rest = ["--labels", &labels, "--golden", &picture, "--dry-run", &out];
    let said = json(&noroshi(&[&push[..], &source, &rest].concat()));
    let manifest = std::fs::read(said["manifest"].as_str().unwrap()).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let variants = &manifest["variants"];
    assert_eq!(variants[0]["engine"], "binary");
    assert_eq!(variants[0]["precision"], "binary");
    assert_eq!(variants[1]["engine"], "onnx_runtime");
    assert_eq!(manifest["input"]["color"], "gray");
    // Only weights of one bit are left: rows of whole bytes.
    let seen = json(&noroshi(&[
        "--json",
        "model",
        "inspect",
        &made.path("x.nbin"),
    ]));
    assert_eq!(seen["weight_bytes"], 8 * 8 + 8 + 2);
}

/// A picture as a PNG.
fn image_of(side: u32) -> Vec<u8> {
    let pixels = (0..side * side * 3).map(|at| (at * 37 % 251) as u8);
    let picture = image::RgbImage::from_raw(side, side, pixels.collect()).unwrap();
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

#[test]
fn what_can_not_be_binarized_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = arrays(folder.path());
    let refused = |more: &[&str]| {
        let output = folder.path().join("y.nbin");
        let file = output.display().to_string();
        let binarize = ["model", "binarize", "--output", &file, "--epochs", "1"];
        let said = noroshi(&[&binarize[..], more].concat());
        assert!(!said.status.success(), "{more:?}");
        assert!(!output.exists(), "{more:?}");
        error(&said)
    };
    let table = folder.path().join("rows.csv").display().to_string();
    assert!(refused(&["--data", &table]).contains("noroshi model train is for tables"));
    let empty = folder.path().display().to_string();
    assert!(refused(&["--data", &empty]).contains("--size 28x28"));
    let samples = format!("{data}/x.npy");
    assert!(refused(&["--data", &samples]).contains("taught classes"));
    assert!(refused(&["--data", &data, "--widths", "0"]).contains("1 to 16 layers"));
    assert!(refused(&["--data", &data, "--held", "2"]).contains("held out"));
    assert!(refused(&["--data", "/no/such/x.npy"]).contains("/no/such/x.npy"));
}

#[test]
fn files_that_lie_are_refused() {
    let made = binarize(&["--body", "perceptron"]);
    let path = made.path("x.nbin");
    let bytes = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8], says: &str| {
        std::fs::write(&path, bytes).unwrap();
        let said = noroshi(&["model", "inspect", &path]);
        assert_eq!(said.status.code(), Some(1));
        assert!(error(&said).contains(says), "{}", error(&said));
    };
    refused(&bytes[..bytes.len() - 1], "damaged");
    refused(b"NBIN", "too short");
    refused(b"NBIN and then whatever it may be", "update the agent");
    let mut turned = bytes.clone();
    turned[40] ^= 1;
    refused(&turned, "damaged");
    // A sum that fits, over a size that no memory has.
    let at = bytes.windows(5).position(|five| five == b"input").unwrap() + 7;
    let mut huge = bytes[..bytes.len() - 8].to_vec();
    huge[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let check = noroshi_model::Digest::of(&huge);
    huge.extend(&check.as_bytes()[..8]);
    refused(&huge, "at most");
    let weights = noroshi(&["model", "inspect", "--weights", &made.path("x.nbin")]);
    assert!(!weights.status.success());
}
