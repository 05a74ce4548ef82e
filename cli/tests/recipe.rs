//! `noroshi model recipe`, as a user meets it.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use common::{bars, command, error, json, noroshi, original, write_arrays};
use noroshi_compress::plot::{Axis, Mark, Plot, Point, Scale, Series};

/// A folder with a recipe and what it needs; `changes` are made to its text.
fn kitchen(changes: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    original(folder.path());
    write_arrays(&folder.path().join("bars"), &bars(200, 3));
    write_arrays(&folder.path().join("others"), &bars(120, 4));
    let mut text = String::from(
        r#"
        model = "original.onnx"
        [data]
        samples = "bars"
        [measured]
        samples = "others"
        [limits]
        loss = 8.0
        bytes = "1/4"
        [teach]
        epochs = 4
        batch = 16
        rate = 0.005
        [prune]
        keep = [0.5]
        [distil]
        optional = false
        [quantize]
        bits = [8]
        samples = 64
        [search]
        rounds = 3
        slack = 90
        "#,
    );
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let file = folder.path().join("small.toml");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

fn recipe(file: &Path, more: &[&str]) -> Output {
    let recipe = ["--json", "model", "recipe", file.to_str().unwrap()];
    noroshi(&[&recipe[..], more].concat())
}

#[test]
fn a_recipe_ends_with_models_that_can_be_pushed() {
    let (folder, file) = kitchen(&[]);
    let seen = json(&recipe(&file, &[]));
    let outcome = &seen["outcome"];
    assert_eq!(outcome["tried"].as_array().unwrap().len(), 3);
    let run = folder.path().join("small.run");
    let chosen = PathBuf::from(seen["chosen"].as_str().unwrap());
    assert_eq!(chosen, run.join("chosen.onnx"));
    let front = outcome["front"].as_array().unwrap();
    for name in front {
        assert!(
            run.join(format!("front/{}.onnx", name.as_str().unwrap()))
                .exists()
        );
    }
    let measured = &seen["measured"]["variants"];
    assert_eq!(measured.as_array().unwrap().len(), front.len());
    let name = outcome["verdict"]["reached"]["chosen"].as_str().unwrap();
    // The chosen one comes first.
    assert_eq!(measured[0]["name"], format!("{name}.onnx"));
    assert_eq!(measured[0]["comparison"]["model"]["samples"], 120);
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("all limits are met"));
    assert!(run.join("pictures/search-bytes.svg").exists());
    let kept: serde_json::Value =
        serde_json::from_slice(&std::fs::read(run.join("outcome.json")).unwrap()).unwrap();
    assert_eq!(kept["outcome"]["digest"], outcome["digest"]);

    // The table for people tells the same; nothing is made again.
    let shown = noroshi(&["model", "recipe", file.to_str().unwrap()]);
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.status.success(), "{text}");
    assert!(text.contains("prune-0.5-distil-int8") && text.contains("all limits are met"));

    let picture = folder.path().join("golden.png");
    std::fs::write(&picture, drawn()).unwrap();
    let labels = folder.path().join("labels.txt");
    std::fs::write(&labels, "lying\nstanding\nnone\n").unwrap();
    let out = folder.path().join("out");
    let push = |variant: &Path, preset: &str| {
        let variant = format!("small={}", variant.display());
        let original = folder.path().join("original.onnx");
        noroshi(&[
            "--json",
            "model",
            "push",
            "--model",
            "bars",
            "--variant",
            &variant,
            "--preset",
            preset,
            "--source",
            original.to_str().unwrap(),
            "--labels",
            labels.to_str().unwrap(),
            "--golden",
            picture.to_str().unwrap(),
            "--dry-run",
            out.to_str().unwrap(),
        ])
    };
    json(&push(&chosen, "unit"));
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["input"]["name"], "pixels");
    assert_eq!(manifest["input"]["width"], 8);
    assert_eq!(manifest["output"]["name"], "scores");
}

/// A picture file.
fn drawn() -> Vec<u8> {
    let points = vec![Point::new(0.0, 1.0), Point::new(3.0, 5.0)];
    let series = vec![Series {
        name: "line".into(),
        mark: Mark::Line,
        points,
    }];
    let plot = Plot {
        title: "golden".into(),
        x: Axis::new("x", Scale::Linear),
        y: Axis::new("y", Scale::Linear),
        series,
    };
    plot.png().unwrap()
}

#[test]
fn a_killed_run_goes_on_to_the_same_files() {
    let slow = [("epochs = 4", "epochs = 12"), ("loss = 8.0", "loss = 20.0")];
    let (folder, file) = kitchen(&slow);
    let whole = folder.path().join("whole");
    let whole = json(&recipe(&file, &["--output", whole.to_str().unwrap()]));

    let run = folder.path().join("small.run");
    let home = tempfile::tempdir().unwrap();
    let mut child = command(home.path())
        .args(["model", "recipe", file.to_str().unwrap()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // In the middle of the pruned network's training: its checkpoint is there.
    let checkpoint = run.join("steps/prune-0.5-distil.step-1.safetensors");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !checkpoint.exists() {
        assert!(Instant::now() < deadline, "no checkpoint came");
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!run.join("outcome.json").exists());
    assert!(!run.join("steps/prune-0.5-distil.onnx").exists());

    let again = json(&recipe(&file, &[]));
    assert_eq!(again["outcome"]["digest"], whole["outcome"]["digest"]);
    let digests = |seen: &serde_json::Value| -> Vec<String> {
        let tried = seen["outcome"]["tried"].as_array().unwrap().iter();
        tried
            .map(|one| one["figures"]["digest"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(digests(&again), digests(&whole));

    // Another seed is another recipe: the folder is refused until it may begin afresh.
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("epochs = 12", "epochs = 2\nseed = 5");
    std::fs::write(&file, text).unwrap();
    let refused = recipe(&file, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(error(&refused).contains("--fresh"), "{}", error(&refused));
    let fresh = recipe(&file, &["--fresh"]);
    let fresh: serde_json::Value = serde_json::from_slice(&fresh.stdout).unwrap();
    assert_ne!(fresh["outcome"]["digest"], whole["outcome"]["digest"]);
}

#[test]
fn what_cannot_be_reached_ends_with_the_nearest() {
    let (folder, file) = kitchen(&[("\"1/4\"", "\"1 KB\"")]);
    let output = recipe(&file, &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = error(&output);
    for part in [
        "nearest is",
        "1000 are allowed",
        "no file meets the limit bytes",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let seen: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        seen["outcome"]["verdict"]["unreachable"]["never"],
        serde_json::json!(["bytes"])
    );
    assert!(seen["chosen"].is_null());
    let run = folder.path().join("small.run");
    assert!(run.join("report.html").exists() && !run.join("chosen.onnx").exists());
    assert!(std::fs::read_dir(run.join("front")).unwrap().count() > 0);
}

#[test]
fn a_wrong_recipe_names_its_key() {
    for (from, to, says) in [
        ("loss = 8.0", "los = 8.0", "los"),
        ("\"1/4\"", "\"big\"", "500 KB"),
        ("keep = [0.5]", "keep = [2]", "prune.keep"),
        ("bits = [8]", "bits = [1]", "quantize.bits"),
        ("epochs = 4", "epochs = -5", "epochs"),
        ("samples = \"bars\"", "samples = \"nowhere\"", "[data]"),
        (
            "samples = \"others\"",
            "samples = \"others\"\npreset = \"x\"",
            "measured.preset",
        ),
        ("original.onnx", "missing.onnx", "missing.onnx"),
        ("[limits]", "[limits", "small.toml"),
    ] {
        let (_folder, file) = kitchen(&[(from, to)]);
        let output = recipe(&file, &[]);
        assert_ne!(output.status.code(), Some(0), "{to}");
        assert!(error(&output).contains(says), "{to}: {}", error(&output));
    }
    let missing = noroshi(&["model", "recipe", "/no/such/recipe.toml"]);
    assert!(error(&missing).contains("/no/such/recipe.toml"));
}
