//! What the tests of the command share: running it, and small data and networks for it.
#![allow(
    dead_code,
    reason = "each file of tests is a program of its own and uses a part"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use noroshi_train::{Examples, Net, Random, Recipe, Shape, fit};

/// The command, ready to be given arguments.
pub(crate) fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_noroshi"));
    command
        .env("XDG_CONFIG_HOME", home)
        .env_remove("NOROSHI_URL")
        .env_remove("NOROSHI_TOKEN");
    if std::env::var_os("NOROSHI_ONNXRUNTIME").is_none() {
        let library = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../.cache/assets/onnxruntime/libonnxruntime.so");
        command.env("NOROSHI_ONNXRUNTIME", library);
    }
    command
}

/// Runs the command.
pub(crate) fn noroshi(arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    command(home.path()).args(arguments).output().unwrap()
}

/// What it says is wrong.
pub(crate) fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What it tells programs.
pub(crate) fn json(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", error(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

const SIDE: usize = 8;

/// Pictures of eight by eight bytes: a bar that lies, one that stands, none; and their classes.
pub(crate) fn bars(count: usize, seed: u64) -> (Vec<u8>, Vec<u8>) {
    let mut random = Random::new(seed);
    let mut pixels = Vec::new();
    for place in 0..count {
        let at = random.below(SIDE);
        for pixel in 0..SIDE * SIDE {
            let (row, column) = (pixel / SIDE, pixel % SIDE);
            let bar = place % 3 == 0 && row == at || place % 3 == 1 && column == at;
            let value = 60.0 + 130.0 * f32::from(u8::from(bar)) + 25.0 * random.normal();
            pixels.push(value.clamp(0.0, 255.0) as u8);
        }
    }
    let classes = (0..count).map(|place| (place % 3) as u8).collect();
    (pixels, classes)
}

/// Writes a folder with x.npy and y.npy.
pub(crate) fn write_arrays(folder: &Path, (pixels, classes): &(Vec<u8>, Vec<u8>)) {
    std::fs::create_dir_all(folder).unwrap();
    let count = classes.len();
    write_npy(
        &folder.join("x.npy"),
        &format!("({count}, 1, {SIDE}, {SIDE})"),
        pixels,
    );
    write_npy(&folder.join("y.npy"), &format!("({count},)"), classes);
}

/// Writes bytes as an array of this shape.
pub(crate) fn write_npy(path: &Path, shape: &str, bytes: &[u8]) {
    write_array(path, "|u1", shape, bytes);
}

/// Writes an array in numpy's format.
pub(crate) fn write_array(path: &Path, kind: &str, shape: &str, bytes: &[u8]) {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    while !(header.len() + 11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(bytes);
    std::fs::write(path, file).unwrap();
}

/// A network that knows the bars, in a file whose input and output have names of their own.
pub(crate) fn original(folder: &Path) -> PathBuf {
    let net = Net::builder(Shape::image(1, SIDE, SIDE), 1);
    let net = net.conv_plain(32, 3, 1, 1).normalize().relu().max_pool(2);
    let net = net.conv_plain(40, 3, 1, 1).normalize().relu().flatten();
    let mut net = net.dense(32).relu().dense(3).build().unwrap();
    let (pixels, classes) = bars(240, 7);
    let inputs = pixels
        .iter()
        .map(|&pixel| f32::from(pixel) / 255.0)
        .collect();
    let classes = classes.into_iter().map(u32::from).collect();
    let data = Examples::classes(net.input(), inputs, classes, 3).unwrap();
    let recipe = Recipe {
        epochs: 6,
        batch: 16,
        rate: 0.005,
        ..Recipe::default()
    };
    fit(&mut net, &data, &recipe, &mut |_| ()).unwrap();
    let mut model = net.export_onnx_unfolded().unwrap();
    let graph = model.graph.as_mut().unwrap();
    let called = |name: &mut String| match name.as_str() {
        "input" => *name = "pixels".into(),
        "logits" => *name = "scores".into(),
        _ => {}
    };
    let ends = graph.input.iter_mut().chain(&mut graph.output);
    ends.for_each(|value| called(&mut value.name));
    for node in &mut graph.node {
        node.input
            .iter_mut()
            .chain(&mut node.output)
            .for_each(called);
    }
    let path = folder.join("original.onnx");
    noroshi_onnx::write(&path, &model).unwrap();
    path
}
