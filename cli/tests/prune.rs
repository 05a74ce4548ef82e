//! `noroshi model prune` and `finetune`, as a user meets them.

mod common;

use std::path::Path;

use common::{bars, error, json, noroshi, original, write_arrays};
use serde_json::{Value, json};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The names of the input and the output of a file, and how wide its answer is.
fn ends(path: &Path) -> (String, String, u64) {
    let seen = json(&noroshi(&["--json", "model", "inspect", text(path)]));
    let name = |list: &str| seen[list][0]["name"].as_str().unwrap().to_owned();
    let width = seen["outputs"][0]["shape"].as_array().unwrap();
    (
        name("inputs"),
        name("outputs"),
        width.last().unwrap().as_u64().unwrap(),
    )
}

#[test]
fn a_network_is_pruned_within_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let (data, small) = (folder.path().join("bars"), folder.path().join("small.onnx"));
    write_arrays(&data, &bars(300, 1));
    let file = original(folder.path());
    let prune = |more: &[&str]| {
        let prune = ["--json", "model", "prune", text(&file), "--data"];
        let rest = [text(&data), "--output", text(&small), "--rounds", "3"];
        let taught = ["--batch", "16", "--rate", "0.005"];
        noroshi(&[&prune[..], &rest, &taught, more].concat())
    };
    // With a fiftieth of it and no time to learn it is ruined: nothing is written.
    let ruin = ["--keep", "0.02", "--epochs", "1", "--rate", "1e-6"];
    let output = {
        let prune = ["--json", "model", "prune", text(&file), "--data"];
        let rest = [text(&data), "--output", text(&small), "--rounds", "3"];
        noroshi(&[&prune[..], &rest, &ruin].concat())
    };
    assert_eq!(output.status.code(), Some(1));
    let said = error(&output);
    assert!(
        said.contains("refused: it loses") && said.contains("the 2.00 that are accepted"),
        "{said}"
    );
    assert!(!small.exists());

    let seen = json(&prune(&["--epochs", "6"]));
    // 16 of 32, and 16 of 40: whole blocks; the classes stay.
    let kept: Vec<(u64, u64)> = seen["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["kept"].as_u64().unwrap(),
                one["total"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(kept, [(16, 32), (16, 40), (16, 32), (3, 3)]);
    let variant = &seen["measured"]["variants"][0];
    let bytes = std::fs::metadata(&small).unwrap().len();
    assert_eq!(variant["side"]["bytes"].as_u64(), Some(bytes));
    assert!(bytes * 2 < std::fs::metadata(&file).unwrap().len());
    assert_eq!(ends(&small), ("pixels".into(), "scores".into(), 3));
    let again = json(&prune(&["--epochs", "6"]));
    assert_eq!(seen["digest"], again["digest"]);

    // The exact share, and single weights.
    let exact = json(&prune(&["--epochs", "6", "--multiple", "1"]));
    assert_eq!(exact["layers"][1]["kept"], 20);
    let sparse = folder.path().join("small.sparse");
    let magnitude = ["--method", "magnitude", "--sparse", text(&sparse)];
    let weights = json(&prune(&[&magnitude[..], &["--epochs", "6"]].concat()));
    assert_eq!(weights["speed_gain"], json!(false));
    let length = std::fs::metadata(&sparse).unwrap().len();
    assert_eq!(weights["sparse_bytes"].as_u64(), Some(length));

    let wrong = prune(&["--spare", "nobody"]);
    assert!(error(&wrong).contains("nobody"), "{}", error(&wrong));
    let wrong = prune(&["--keep", "0"]);
    assert!(error(&wrong).contains("keep = 0"), "{}", error(&wrong));
}

#[test]
fn a_network_gets_a_new_head() {
    let folder = tempfile::tempdir().unwrap();
    let (data, tuned) = (folder.path().join("bars"), folder.path().join("tuned.onnx"));
    let (pixels, classes) = bars(300, 2);
    // Other classes: a bar or none.
    let classes = classes.into_iter().map(|class| class / 2).collect();
    write_arrays(&data, &(pixels, classes));
    let file = original(folder.path());
    let finetune = |file: &Path, more: &[&str]| {
        let finetune = ["--json", "model", "finetune", text(file), "--data"];
        let rest = [text(&data), "--output", text(&tuned), "--epochs", "8"];
        let taught = ["--batch", "16", "--rate", "0.005"];
        noroshi(&[&finetune[..], &rest, &taught, more].concat())
    };
    let accuracy = |seen: &Value| seen["fitted"]["validation"]["accuracy"].as_f64().unwrap();
    let frozen = json(&finetune(&file, &[]));
    assert!(accuracy(&frozen) > 0.9, "{frozen}");
    assert_eq!(ends(&tuned), ("pixels".into(), "scores".into(), 2));
    let checkpoint = folder.path().join("state.safetensors");
    let unfreeze = ["--unfreeze", "--checkpoint", text(&checkpoint)];
    let whole = json(&finetune(&file, &unfreeze));
    assert!(accuracy(&whole) > 0.9, "{whole}");
    assert_ne!(whole["digest"], frozen["digest"]);
    // What the checkpoint holds is finished already.
    assert_eq!(json(&finetune(&file, &unfreeze))["digest"], whole["digest"]);

    let foreign = folder.path().join("foreign.onnx");
    let mut model = noroshi_onnx::read(&file).unwrap();
    let node = model.graph.as_mut().unwrap().node.iter_mut();
    node.filter(|node| node.op_type == "Relu")
        .for_each(|node| node.op_type = "Softplus".into());
    noroshi_onnx::write(&foreign, &model).unwrap();
    let refused = finetune(&foreign, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(error(&refused).contains("Softplus"), "{}", error(&refused));
}
