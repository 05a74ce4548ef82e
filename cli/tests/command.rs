//! The command as a user meets it: exit codes, and errors that say what to do.

mod common;

use std::process::Output;

use common::{error, noroshi};

#[test]
fn a_wrong_command_line_is_2() {
    assert_eq!(noroshi(&["device", "lst"]).status.code(), Some(2));
    assert_eq!(
        noroshi(&["rollout", "create", "--model", "m"])
            .status
            .code(),
        Some(2)
    );
    let push = [
        "model",
        "push",
        "--model",
        "m",
        "--variant",
        "nonsense",
        "--labels",
        "l",
    ];
    let output = noroshi(&push);
    assert_eq!(output.status.code(), Some(2));
    assert!(error(&output).contains("NAME=FILE"), "{}", error(&output));
}

#[test]
fn not_signed_in_says_how() {
    let output = noroshi(&["device", "list"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        error(&output).contains("noroshi login"),
        "{}",
        error(&output)
    );
}

#[test]
fn a_cloud_that_is_away_is_named() {
    let address = [
        "--url",
        "http://127.0.0.1:9",
        "--token",
        "nrs_api_x",
        "device",
        "list",
    ];
    let output = noroshi(&address);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error(&output).contains("http://127.0.0.1:9"),
        "{}",
        error(&output)
    );
}

#[test]
fn an_empty_selection_is_refused_before_anything_is_sent() {
    let address = ["--url", "http://127.0.0.1:9", "--token", "nrs_api_x"];
    let apply = [
        "pipeline", "apply", "door", "--source", "camera", "--model", "m",
    ];
    let output = noroshi(&[address.as_slice(), &apply].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(error(&output).contains("--all"), "{}", error(&output));
}

#[test]
fn errors_are_json_for_programs() {
    let output = noroshi(&["--json", "device", "list"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert!(value["error"].as_str().unwrap().contains("login"));
}

#[test]
fn a_result_has_a_name() {
    let address = ["--url", "http://127.0.0.1:9", "--token", "nrs_api_x"];
    for bad in ["door", "d/door/first", "d/door/1/2"] {
        let output = noroshi(&[&address[..], &["explain", bad]].concat());
        assert_eq!(output.status.code(), Some(2), "{bad}");
        assert!(error(&output).contains("DEVICE/PIPELINE/SEQUENCE"));
    }
    for good in ["17", "d/door", "d/door/12"] {
        let output = noroshi(&[&address[..], &["explain", good]].concat());
        assert_eq!(output.status.code(), Some(1), "{good}");
        assert!(error(&output).contains("http://127.0.0.1:9"));
    }
}

#[test]
fn trees_that_go_on_learning_are_trained_from_a_csv() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, model) = (rows(folder.path(), ""), folder.path().join("m.ntm"));
    let train = [
        "model",
        "train",
        &rows,
        "--online",
        "--output",
        model.to_str().unwrap(),
    ];
    let output = noroshi(&[&["--json"][..], &train].concat());
    let card: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        card["classes"],
        serde_json::json!(["far", "near"]),
        "{}",
        error(&output)
    );
    assert_eq!(card["arena_bytes"], 19_200);
    assert_eq!(std::fs::metadata(&model).unwrap().len(), card["file_bytes"]);
    let both = noroshi(&[&train[..], &["--budget", "1 KB on the agent"]].concat());
    assert_eq!(both.status.code(), Some(2));
    let neither = noroshi(&["model", "train", &rows]);
    assert_eq!(neither.status.code(), Some(2));
    assert!(error(&neither).contains("--budget"), "{}", error(&neither));
}

#[test]
fn a_model_of_rows_is_prepared_from_its_csv() {
    let folder = tempfile::tempdir().unwrap();
    let (csv, model) = (rows(folder.path(), ""), folder.path().join("m.ntm"));
    let (card, out) = (folder.path().join("m.json"), folder.path().join("out"));
    let [model, card, out] = [&model, &card, &out].map(|path| path.to_str().unwrap());
    let trained = noroshi(&["model", "train", &csv, "--online", "--output", model]);
    assert!(trained.status.success(), "{}", error(&trained));
    let variant = format!("small={model}");
    let push = [
        "model",
        "push",
        "--model",
        "m",
        "--variant",
        &variant,
        "--labels",
        card,
    ];
    let rest = ["--rows", "--golden", &csv, "--dry-run", out];
    let pushed = noroshi(&[&push[..], &rest].concat());
    assert!(pushed.status.success(), "{}", error(&pushed));
    let manifest = std::fs::read(folder.path().join("out/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["input"]["width"], 3);
    assert_eq!(manifest["output"]["activation"], "probabilities");
    std::fs::write(&csv, "1,2\n").unwrap();
    let wrong = noroshi(&[&push[..], &rest].concat());
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        error(&wrong).contains("line 1: 2 fields"),
        "{}",
        error(&wrong)
    );
}

#[test]
fn labels_and_states_say_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let address = ["--url", "http://127.0.0.1:9", "--token", "nrs_api_x"];
    let run = |arguments: &[&str]| noroshi(&[&address[..], arguments].concat());
    assert_eq!(run(&["label"]).status.code(), Some(2));
    assert_eq!(run(&["label", "d/door/3"]).status.code(), Some(2));
    let file = folder.path().join("labels.csv");
    std::fs::write(&file, "d/door/3,left\nleft\n").unwrap();
    let wrong = run(&["label", "--from", file.to_str().unwrap()]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(error(&wrong).contains("line 2"), "{}", error(&wrong));
    let rollback = ["device", "state", "rollback", "d", "door"];
    assert_eq!(run(&rollback).status.code(), Some(2));
    let both = [&rollback[..], &["--to", "3", "--released"]].concat();
    assert_eq!(run(&both).status.code(), Some(2));
    let away = run(&["device", "state", "list", "d", "door"]);
    assert!(
        error(&away).contains("http://127.0.0.1:9"),
        "{}",
        error(&away)
    );
}

#[test]
fn garbage_is_no_model() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.onnx");
    std::fs::write(&file, b"this is no model").unwrap();
    let output = noroshi(&["model", "inspect", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error(&output).contains("x.onnx"), "{}", error(&output));
    let missing = noroshi(&["model", "inspect", "/no/such/file.onnx"]);
    assert!(
        error(&missing).contains("/no/such/file.onnx"),
        "{}",
        error(&missing)
    );
}

/// A CSV of two classes that a line parts, a column that never changes.
fn rows(folder: &std::path::Path, last: &str) -> String {
    let mut text = String::from("x,y,same,kind\n");
    for row in 0..80 {
        let (x, y) = (row * 37 % 100, row * 53 % 100);
        let kind = if x + y > 100 { "far" } else { "near" };
        text += &format!("{x}.5,{y},3,{kind}\n");
    }
    let file = folder.join("rows.csv");
    std::fs::write(&file, text + last).unwrap();
    file.display().to_string()
}

fn train(file: &str, budget: &str, more: &[&str]) -> Output {
    let output = std::path::Path::new(file).with_extension("ntm");
    let output = output.display().to_string();
    let train = ["--json", "model", "train", file];
    let rest = ["--budget", budget, "--output", &output];
    noroshi(&[&train[..], &rest, more].concat())
}

#[test]
fn a_model_is_trained_within_a_budget() {
    let folder = tempfile::tempdir().unwrap();
    let file = rows(folder.path(), "");
    let named = ["--label", "kind"];
    let output = train(&file, "256 B RAM, 4 KB flash, 2 ms at 16 MHz", &named);
    assert!(output.status.success(), "{}", error(&output));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["classes"], serde_json::json!(["far", "near"]));
    assert_eq!(said["constant"], serde_json::json!(["same"]));
    let best = &said["best"][0];
    assert!(best["accuracy"].as_f64().unwrap() > 0.8, "{said}");
    assert!(best["ram_bytes"].as_u64().unwrap() <= 256, "{said}");
    let bytes = std::fs::read(folder.path().join("rows.ntm")).unwrap();
    assert_eq!(best["file_bytes"].as_u64(), Some(bytes.len() as u64));
    let model = noroshi_tiny::Model::from_bytes(&bytes).unwrap();
    assert_eq!((model.columns, model.classes), (3, 2));
    let card = std::fs::read(folder.path().join("rows.json")).unwrap();
    assert_eq!(
        said,
        serde_json::from_slice::<serde_json::Value>(&card).unwrap()
    );
    let again = train(&file, "256 B RAM, 4 KB flash, 2 ms at 16 MHz", &named);
    assert_eq!(output.stdout, again.stdout);
}

#[test]
fn people_are_told_of_a_few_of_many_constant_columns() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..40).map(|column| format!("c{column}")).collect();
    let mut text = format!("x,{},kind\n", names.join(","));
    for row in 0..40 {
        text += &format!("{row},{}{}\n", "7,".repeat(40), row / 20);
    }
    let file = folder.path().join("rows.csv");
    std::fs::write(&file, text).unwrap();
    let out = folder.path().join("rows.ntm").display().to_string();
    let asked = ["model", "train", file.to_str().unwrap(), "--output", &out];
    let output = noroshi(&[&asked[..], &["--budget", "200 B on the agent"]].concat());
    assert!(output.status.success(), "{}", error(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("40 of 41 columns never change"), "{said}");
    assert!(said.contains("c0, c1, c2, c3, c4, …\n"), "{said}");
    // Nothing is left beside the model and what is known of it.
    let mut left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["rows.csv", "rows.json", "rows.ntm"]);
}

#[test]
fn rows_and_budgets_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |last: &str, budget: &str, more: &[&str]| {
        let output = train(&rows(folder.path(), last), budget, more);
        assert!(!output.status.success());
        assert!(!folder.path().join("rows.ntm").exists());
        error(&output)
    };
    let budget = "1 KB on the agent";
    for (last, says) in [
        ("1,,3,far\n", "line 82, field 1: a value is missing"),
        ("1,nan,3,far\n", "line 82, field 1: a value is missing"),
        ("inf,1,3,far\n", "is infinite"),
        ("red,1,3,far\n", "is no number"),
        ("1,2,far\n", "has 3 fields"),
    ] {
        let refused = refused(last, budget, &[]);
        assert!(refused.contains(says), "{refused}");
    }
    assert!(refused("", "2 KB", &[]).contains("of what?"));
    assert!(refused("", "9 B RAM", &[]).contains("a tree of two leaves would take"));
    assert!(refused("", budget, &["--label", "kid"]).contains("no column kid"));
    let one = folder.path().join("one.csv");
    for (text, says) in [
        ("x,kind\n1,a\n", "two rows"),
        ("x,kind\n1,a\n2,a\n3,a\n", "same class"),
        ("x,kind\n1,a\n1,b\n1,a\n1,b\n", "every column is constant"),
    ] {
        std::fs::write(&one, text).unwrap();
        let refused = error(&train(one.to_str().unwrap(), budget, &[]));
        assert!(refused.contains(says), "{refused}");
    }
    let missing = rows(folder.path(), "1,,3,far\n");
    let output = train(&missing, budget, &["--drop-missing"]);
    assert!(output.status.success(), "{}", error(&output));
}

/// Samples of three people who shake slowly or fast: time, two axes, person, kind.
fn recordings(folder: &std::path::Path, last: &str) -> String {
    let mut text = String::from("time,x,y,person,kind\n");
    let mut time = 0.0f64;
    for person in 0..6u32 {
        for (kind, turn) in [("slow", 0.3f64), ("fast", 1.9)] {
            time += 10.0;
            for place in 0..90u32 {
                time += 0.02;
                let angle = f64::from(place) * (turn + 0.03 * f64::from(person));
                let noise = f64::from((place * 7919 + person * 31) % 13) / 60.0;
                let (x, y) = (angle.sin() + noise, angle.cos() - noise);
                text += &format!("{time:.3},{x:.4},{y:.4},p{person},{kind}\n");
            }
        }
    }
    let file = folder.join("shakes.csv");
    std::fs::write(&file, text + last).unwrap();
    file.display().to_string()
}

const SHAKES: [&str; 10] = [
    "--window", "32", "--hop", "16", "--time", "time", "--group", "person", "--label", "kind",
];

#[test]
fn a_model_of_windows_is_trained_on_people_it_does_not_know() {
    let folder = tempfile::tempdir().unwrap();
    let file = recordings(folder.path(), "");
    let more = ["--features", "stats,correlation,fft"];
    let asked = [&SHAKES[..], &more].concat();
    let output = train(&file, "1 KB on the agent", &asked);
    assert!(output.status.success(), "{}", error(&output));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["columns"], serde_json::json!(["x", "y"]));
    assert_eq!(said["recordings"], 12);
    assert_eq!(said["groups"].as_array().unwrap().len(), 6);
    assert_eq!(said["features"]["hop"], 16);
    assert!(
        said["best"][0]["accuracy"].as_f64().unwrap() > 0.9,
        "{said}"
    );
    let bytes = std::fs::read(folder.path().join("shakes.ntm")).unwrap();
    let model = noroshi_tiny::Model::from_bytes(&bytes).unwrap();
    let angle = |at: usize| (at / 2) as f32 * 2.0;
    let wave = |at: usize| {
        if at.is_multiple_of(2) {
            angle(at).sin()
        } else {
            angle(at).cos()
        }
    };
    let window: Vec<f32> = (0..64).map(wave).collect();
    let answer = model.answer_numbers(&window).unwrap();
    assert_eq!(said["classes"][usize::from(answer.label)], "fast");
    let out = folder.path().join("source").display().to_string();
    let path = folder.path().join("shakes.ntm").display().to_string();
    let codegen = [
        "--json", "model", "codegen", &path, "--target", "avr", "-o", &out,
    ];
    let output = noroshi(&codegen);
    assert!(output.status.success(), "{}", error(&output));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        told["window"],
        serde_json::json!({ "channels": 2, "length": 32, "hop": 16 })
    );
    let header = std::fs::read_to_string(format!("{out}/shakes.h")).unwrap();
    assert!(
        header.contains("shakes_push(const int16_t sample"),
        "{header}"
    );
    assert!(
        std::path::Path::new(&out)
            .join("shakes_windows.csv")
            .exists()
    );
}

#[test]
fn samples_that_make_no_windows_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |last: &str, more: &[&str]| {
        let file = recordings(folder.path(), last);
        let output = train(&file, "1 KB on the agent", more);
        assert!(!output.status.success());
        assert!(!folder.path().join("shakes.ntm").exists());
        error(&output)
    };
    let with = |more: &[&'static str]| [&SHAKES[..], more].concat();
    assert!(refused("9999,,1,p1,slow\n", &SHAKES).contains("field 1: a value is missing"));
    assert!(refused("9999,1,2,p1\n", &SHAKES).contains("has 4 fields"));
    assert!(refused("soon,1,2,p1,slow\n", &SHAKES).contains("is no time"));
    assert!(refused("", &with(&["--features", "mfcc"])).contains("--rate"));
    assert!(refused("", &with(&["--features", "smell"])).contains("stats, correlation, fft, mfcc"));
    assert!(refused("", &["--window", "32", "--hop", "33"]).contains("--hop 33"));
    assert!(refused("", &["--hop", "3"]).contains("--window"));
    assert!(
        refused(
            "",
            &["--window", "100", "--group", "person", "--time", "time"]
        )
        .contains("0 windows of 100")
    );
    assert!(refused("", &["--window", "32"]).contains("--group"));
}

#[test]
fn a_trained_model_becomes_source_with_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let file = rows(folder.path(), "");
    assert!(train(&file, "2 KB flash", &[]).status.success());
    let model = folder.path().join("rows.ntm");
    let codegen = |target: &str, more: &[&str]| {
        let output = folder.path().join(target);
        let paths = [model.to_str().unwrap(), "-o", output.to_str().unwrap()];
        let asked = ["--json", "model", "codegen", "--target", target];
        (noroshi(&[&asked[..], &paths, more].concat()), output)
    };
    for (target, source) in [("avr", "rows.c"), ("c", "rows.c"), ("rust", "rows.rs")] {
        let (output, written) = codegen(target, &["--vectors", "5"]);
        assert!(output.status.success(), "{}", error(&output));
        assert!(written.join(source).exists(), "{target}");
        let vectors = std::fs::read_to_string(written.join("rows_vectors.csv")).unwrap();
        let first = vectors.lines().next().unwrap();
        // Three bytes, the class, two scores.
        assert_eq!((vectors.lines().count(), first.split(',').count()), (5, 6));
    }
    let (output, _) = codegen("cortex-m4", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        error(&output).contains("avr, c or rust"),
        "{}",
        error(&output)
    );
    std::fs::write(&model, b"NTM and then nothing").unwrap();
    let (output, _) = codegen("c", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error(&output).contains("rows.ntm"), "{}", error(&output));
}

#[test]
fn pictures_that_a_trained_model_does_not_take_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = rows(folder.path(), "");
    assert!(train(&file, "500 B on the agent", &[]).status.success());
    let variant = format!("small={}", folder.path().join("rows.ntm").display());
    let labels = folder.path().join("rows.json").display().to_string();
    let out = folder.path().join("out").display().to_string();
    let push = |how: &[&str]| {
        let push = ["model", "push", "--model", "m", "--variant", &variant];
        let rest = ["--labels", &labels, "--golden", "x.png", "--dry-run", &out];
        let output = noroshi(&[&push[..], &rest, how].concat());
        assert_eq!(output.status.code(), Some(2), "{how:?}");
        error(&output)
    };
    assert!(push(&["--gray", "8x8"]).contains("64 pixels"));
    assert!(push(&["--gray", "8"]).contains("WIDTHxHEIGHT"));
    assert!(push(&["--gray", "3x1", "--preset", "imagenet"]).contains("cannot be used with"));
    assert!(push(&[]).contains("--preset"));
}
