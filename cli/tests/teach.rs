//! Networks that a user teaches: new ones, a file's, by a teacher, in few bits.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn noroshi(folder: &Path, arguments: &[&str]) -> Output {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../.cache/assets/onnxruntime/libonnxruntime.so");
    let runtime = std::env::var_os("NOROSHI_ONNXRUNTIME").map_or(runtime, PathBuf::from);
    Command::new(env!("CARGO_BIN_EXE_noroshi"))
        .args(["--json", "model", "teach"])
        .args(arguments)
        .current_dir(folder)
        .env("NOROSHI_ONNXRUNTIME", runtime)
        .output()
        .unwrap()
}

fn taught(folder: &Path, arguments: &[&str]) -> Value {
    let output = noroshi(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = noroshi(folder, arguments);
    assert!(!output.status.success(), "{arguments:?} is taken");
    assert!(!folder.join("out.onnx").exists());
    let left = std::fs::read_dir(folder).unwrap().filter_map(Result::ok);
    let hidden = left.filter(|entry| entry.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0, "something is left half done");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn npy(path: &Path, kind: &str, shape: &str, bytes: &[u8]) {
    let text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    let padded = (10 + text.len()).next_multiple_of(64) - 10;
    file.extend(u16::try_from(padded).unwrap().to_le_bytes());
    file.extend(format!("{text:<width$}\n", width = padded - 1).bytes());
    file.extend(bytes);
    std::fs::write(path, file).unwrap();
}

/// 8x8 pictures of a bright square, in one of four corners.
fn corners(folder: &Path) {
    let (mut pictures, mut labels) = (Vec::new(), Vec::new());
    for place in 0..400u32 {
        let class = place % 4;
        let (top, left) = (class / 2 * 4 + place % 2, class % 2 * 4 + place / 2 % 2);
        for pixel in 0..64 {
            let inside = |at: u32, from: u32| (from..from + 3).contains(&at);
            let lit = inside(pixel / 8, top) && inside(pixel % 8, left);
            let noise = place
                .wrapping_mul(2_654_435_761)
                .wrapping_add(pixel * 40_503)
                >> 7
                & 63;
            pictures.push(noise as u8 + if lit { 150 } else { 0 });
        }
        labels.extend(i64::from(class).to_le_bytes());
    }
    npy(&folder.join("x.npy"), "|u1", "(400, 8, 8)", &pictures);
    npy(&folder.join("y.npy"), "<i8", "(400,)", &labels);
}

const DATA: [&str; 4] = ["--data", "x.npy", "--targets", "y.npy"];
const QUICK: [&str; 6] = ["--epochs", "8", "--rounds", "0", "--rate", "0.01"];

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
    corners(folder);
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
}

#[test]
fn what_cannot_be_taught_is_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    corners(folder);
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
    let labels: Vec<u8> = (0..400i64)
        .flat_map(|place| (place % 3).to_le_bytes())
        .collect();
    npy(&folder.join("three.npy"), "<i8", "(400,)", &labels);
    let other = ["net.onnx", "--data", "x.npy", "--targets", "three.npy"];
    says(&[&other, &out], "finetune");
}
