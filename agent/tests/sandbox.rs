//! A child in the worker's sandbox is refused everything but computing.

use std::process::Command;

#[test]
fn the_sandbox_refuses_what_a_hostile_model_would_try() {
    let output = Command::new(env!("CARGO_BIN_EXE_noroshi-agent"))
        .arg("try-sandbox")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let attempts: Vec<serde_json::Value> = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: {text} {}", String::from_utf8_lossy(&output.stderr)));
    let must_work = ["start a thread", "allocate memory"];
    for attempt in attempts {
        let what = attempt["what"].as_str().unwrap();
        if must_work.contains(&what) {
            assert_eq!(attempt["said"], "it worked", "{what}");
        } else {
            assert_eq!(attempt["refused"], true, "{what}: {}", attempt["said"]);
        }
    }
}
