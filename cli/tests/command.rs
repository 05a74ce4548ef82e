//! The command as a user meets it: exit codes, and errors that say what to do.

use std::process::{Command, Output};

fn noroshi(arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_noroshi"))
        .args(arguments)
        .env("XDG_CONFIG_HOME", home.path())
        .env_remove("NOROSHI_URL")
        .env_remove("NOROSHI_TOKEN")
        .output()
        .unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

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
