//! Networks that a user teaches: new ones, a file's, by a teacher, in few bits.

mod common;

use std::path::Path;
use std::process::Output;

use common::{bars, command, error, json, write_arrays, write_npy};
use serde_json::Value;

const DATA: [&str; 4] = ["--data", "x.npy", "--targets", "y.npy"];
const QUICK: [&str; 6] = ["--epochs", "8", "--rounds", "0", "--rate", "0.01"];

fn teach(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = command(folder);
    command
        .current_dir(folder)
        .args(["--json", "model", "teach"]);
    command.args(arguments).output().unwrap()
}

fn taught(folder: &Path, arguments: &[&str]) -> Value {
    json(&teach(folder, arguments))
}

fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = teach(folder, arguments);
    assert!(!output.status.success(), "{arguments:?} is taken");
    assert!(!folder.join("out.onnx").exists());
    error(&output)
}

fn asked<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    parts.concat()
}

fn accuracy(of: &Value) -> f64 {
    let found = of.pointer("/classes/top_1/share");
    found
        .and_then(Value::as_f64)
        .unwrap_or_else(|| panic!("{of}"))
}

#[test]
fn a_new_network_is_taught_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_arrays(folder, &bars(400, 3));
    let net = ["--net", "cnn", "--width", "0.5", "--output", "net.onnx"];
    let told = taught(folder, &asked(&[&net, &DATA, &QUICK]));
    assert!(told["fitted"]["validation"]["accuracy"].as_f64().unwrap() > 0.95);
    assert!(accuracy(&told["measured"]["quality"]) > 0.95);

    // The same seed, the same file.
    let again = ["--net", "cnn", "--width", "0.5", "--output", "again.onnx"];
    let again = taught(folder, &asked(&[&again, &DATA, &QUICK]));
    assert_eq!(told["digest"], again["digest"]);

    // Few bits of it.
    let few = ["net.onnx", "--bits", "3", "--output", "few.onnx"];
    let told = taught(folder, &asked(&[&few, &DATA, &QUICK]));
    let variant = &told["measured"]["variants"][0];
    assert!(accuracy(&variant["comparison"]["model"]["quality"]) > 0.95);
    let bytes = |name: &str| std::fs::metadata(folder.join(name)).unwrap().len();
    assert!(bytes("few.onnx") < bytes("net.onnx") / 2);

    // A smaller one learns from what it answers, without labels.
    let small = ["--net", "mlp", "--width", "0.05", "--output", "small.onnx"];
    let taught_by = ["--data", "x.npy", "--teacher", "net.onnx"];
    let told = taught(folder, &asked(&[&small, &taught_by, &QUICK]));
    let variant = &told["measured"]["variants"][0];
    let agreement = variant["comparison"]["agreement"]["share"].as_f64();
    assert!(agreement.unwrap() > 0.95, "{variant}");

    // A thin one looks where it does; one without a picture inside can't.
    let thin = ["--net", "cnn", "--width", "0.2", "--output", "thin.onnx"];
    let plain = taught(folder, &asked(&[&thin, &taught_by, &QUICK]));
    let attentive = asked(&[&thin, &taught_by, &QUICK, &["--attention", "4"]]);
    let told = taught(folder, &attentive);
    assert_ne!(told["digest"], plain["digest"]);
    let variant = &told["measured"]["variants"][0];
    let agreement = variant["comparison"]["agreement"]["share"].as_f64();
    assert!(agreement.unwrap() > 0.9, "{variant}");
    let out = ["--net", "mlp", "--output", "out.onnx"];
    let said = refused(folder, &asked(&[&out, &taught_by, &["--attention", "4"]]));
    assert!(said.contains("height and width"), "{said}");
    let negative = ["--attention", "-4"];
    let out = ["--net", "cnn", "--output", "out.onnx"];
    let said = refused(folder, &asked(&[&out, &taught_by, &negative]));
    assert!(said.contains("-4"), "{said}");
}

#[test]
fn what_cannot_be_taught_is_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_arrays(folder, &bars(400, 3));
    let out = ["--output", "out.onnx"];
    let says = |arguments: &[&[&str]], words: &str| {
        let error = refused(folder, &asked(arguments));
        assert!(error.contains(words), "{error}");
    };
    says(
        &[&["--net", "series"], &DATA, &QUICK, &out, &["--bits", "3"]],
        "--bits",
    );
    says(&[&DATA, &out], "--net");
    says(&[&["--net", "cnn", "--data", "x.npy"], &out], "--teacher");
    says(&[&["--net", "cnn", "--width", "0"], &DATA, &out], "width");
    let net = ["--net", "mlp", "--width", "0.1", "--output", "net.onnx"];
    taught(folder, &asked(&[&net, &DATA, &QUICK]));
    // A rate at which everything is forgotten.
    let ruined = ["net.onnx", "--bits", "2", "--rate", "30", "--epochs", "1"];
    says(&[&ruined, &DATA, &out, &["--rounds", "0"]], "refused");
    let two: Vec<u8> = (0..400u32).map(|place| (place % 2) as u8).collect();
    write_npy(&folder.join("two.npy"), "(400,)", &two);
    let other = ["net.onnx", "--data", "x.npy", "--targets", "two.npy"];
    says(&[&other, &out], "finetune");
}
