//! Two hundred files that were made to do harm, and two hundred that were damaged at random, each
//! given to everything that opens a model: an error each, in a process that may not take a
//! gigabyte, and that ends.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Numbers, engine_options, small_network};
use crate::evaluate::linear;
use noroshi_compress::evaluate::{self, Groups};
use noroshi_compress::{Network, Settings, Weights, build, inspect, quantize};
use noroshi_engine::Tensor;
use noroshi_onnx::{
    AttributeProto, DataType, GraphProto, ModelProto, StringStringEntryProto, TensorProto,
    ValueInfoProto,
};
use noroshi_train::data::{Array, Dataset, Numbers as Values, Samples, Targets};

/// Most kilobytes of memory that the process may ask for, and most seconds of CPU time.
const KILOBYTES: u64 = 1 << 20;
const SECONDS: u64 = 120;

/// Bytes of the weights of a sound model, more than that.
const LARGE: u64 = 3 << 29;

/// Where the child finds the files.
const VARIABLE: &str = "NOROSHI_TEST_MUTANTS";

fn small_mobilenet() -> ModelProto {
    let settings = Settings {
        width: 0.1,
        resolution: 32,
        classes: 10,
    };
    build(Network::MobileNetV2, &settings, Weights::Random(3)).unwrap()
}

/// A way of harming a graph.
type Harm = fn(&mut GraphProto, &mut Numbers);

fn place(numbers: &mut Numbers, length: usize) -> usize {
    numbers.bits() as usize % length
}

/// The place of a random constant of several floating-point numbers.
fn weight(graph: &GraphProto, numbers: &mut Numbers) -> usize {
    loop {
        let at = place(numbers, graph.initializer.len());
        let tensor = &graph.initializer[at];
        if tensor.data_type == DataType::F32 as i32 && tensor.raw_data.len() > 8 {
            return at;
        }
    }
}

/// The place of a random convolution.
fn convolution(graph: &GraphProto, numbers: &mut Numbers) -> usize {
    loop {
        let at = place(numbers, graph.node.len());
        if graph.node[at].op_type == "Conv" {
            return at;
        }
    }
}

fn set(graph: &mut GraphProto, node: usize, name: &str, values: &[i64]) {
    let attributes = &mut graph.node[node].attribute;
    attributes.retain(|attribute| attribute.name != name);
    attributes.push(AttributeProto::ints(name, values));
}

/// Ways to harm a graph so that it can't be a model any more.
const HARMS: [(&str, Harm); 12] = [
    ("cyclic", |graph, numbers| {
        // An early node reads what the last one makes.
        let last = graph.node.len() - 1;
        let output = graph.node[last].output[0].clone();
        let at = convolution(graph, numbers);
        graph.node[at].input[0] = output;
    }),
    ("eats-itself", |graph, numbers| {
        let at = convolution(graph, numbers);
        graph.node[at].input[0] = graph.node[at].output[0].clone();
    }),
    ("huge-weight", |graph, numbers| {
        let at = weight(graph, numbers);
        let sides = [1 << 40, i64::MAX, 1 << 33, -1];
        graph.initializer[at].dims[0] = sides[place(numbers, sides.len())];
    }),
    ("huge-input", |graph, numbers| {
        let side = 1 << (18 + place(numbers, 38));
        graph.input[0] = ValueInfoProto::tensor(
            &graph.input[0].name.clone(),
            DataType::F32,
            &[1, 3, side, side],
        );
    }),
    ("huge-padding", |graph, numbers| {
        let at = convolution(graph, numbers);
        let pad = 1i64 << (22 + place(numbers, 40));
        set(graph, at, "pads", &[pad; 4]);
    }),
    ("no-stride", |graph, numbers| {
        let at = convolution(graph, numbers);
        let strides = [[0, 0], [-1, 1], [i64::MIN, 2]];
        set(
            graph,
            at,
            "strides",
            &strides[place(numbers, strides.len())],
        );
    }),
    ("huge-kernel", |graph, numbers| {
        let at = convolution(graph, numbers);
        set(
            graph,
            at,
            "kernel_shape",
            &[i64::MAX, 1 + numbers.bits().cast_signed() % 7],
        );
    }),
    ("missing-tensor", |graph, numbers| {
        let at = weight(graph, numbers);
        graph.initializer.remove(at);
    }),
    ("missing-node", |graph, numbers| {
        // The last node makes the output, so any other is read by somebody.
        let at = convolution(graph, numbers);
        graph.node.remove(at);
    }),
    ("cut-tensor", |graph, numbers| {
        let at = weight(graph, numbers);
        let bytes = graph.initializer[at].raw_data.clone();
        graph.initializer[at].raw_data = bytes.slice(..place(numbers, bytes.len()));
    }),
    ("wrong-size-of-type", |graph, numbers| {
        let types = [DataType::F64, DataType::F16, DataType::I8, DataType::Text];
        let at = weight(graph, numbers);
        graph.initializer[at].data_type = types[place(numbers, types.len())] as i32;
    }),
    ("wrong-type", |graph, numbers| {
        let at = convolution(graph, numbers);
        let name = graph.node[at].input[1].clone();
        let tensor = graph
            .initializer
            .iter_mut()
            .find(|tensor| tensor.name == name);
        tensor.unwrap().data_type = DataType::I32 as i32;
    }),
];

/// Places outside the model's folder, or no files at all.
const OUTSIDE: [&str; 8] = [
    "../secret.bin",
    "inside/../../secret.bin",
    "link.bin",
    "/etc/passwd",
    "/dev/zero",
    "pipe",
    "absent.bin",
    "",
];

fn external(location: &str, offset: u64, length: u64) -> ModelProto {
    let mut model = small_mobilenet();
    let entry = |key: &str, value: String| StringStringEntryProto {
        key: key.into(),
        value,
    };
    let tensor = &mut model.graph_mut().unwrap().initializer[0];
    tensor.raw_data = Vec::new().into();
    tensor.data_location = 1;
    tensor.external_data = vec![
        entry("location", location.into()),
        entry("offset", offset.to_string()),
        entry("length", length.to_string()),
    ];
    model
}

/// Writes two hundred files that are no models, and as many that may be.
fn write_all(folder: &Path) {
    let mut numbers = Numbers(2026);
    let harmed = folder.join("harmed");
    let damaged = folder.join("damaged");
    fs::create_dir(&harmed).unwrap();
    fs::create_dir(&damaged).unwrap();
    fs::create_dir(harmed.join("inside")).unwrap();
    fs::write(folder.join("secret.bin"), vec![0; 1 << 20]).unwrap();
    fs::write(harmed.join("short.bin"), [0; 8]).unwrap();
    symlink(folder.join("secret.bin"), harmed.join("link.bin")).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(
        rustix::fs::CWD,
        harmed.join("pipe"),
        rustix::fs::FileType::Fifo,
        mode,
        0,
    )
    .unwrap();
    let models = [small_network(), small_mobilenet()];
    let mut count = 0;
    let mut write = |name: &str, bytes: &[u8]| {
        fs::write(harmed.join(format!("{count:03}-{name}.onnx")), bytes).unwrap();
        count += 1;
    };
    for round in 0..12 {
        for (name, harm) in HARMS {
            let mut model = models[round % 2].clone();
            harm(model.graph_mut().unwrap(), &mut numbers);
            write(name, &noroshi_onnx::encode(&model).unwrap());
        }
    }
    for location in OUTSIDE {
        for (offset, length) in [(0, 16), (8, 1 << 20)] {
            let model = external(location, offset, length);
            write("external", &noroshi_onnx::encode(&model).unwrap());
        }
    }
    for (offset, length) in [(0, 9), (9, 1), (u64::MAX, 8), (0, 1 << 40)] {
        let model = external("short.bin", offset, length);
        write("external-short", &noroshi_onnx::encode(&model).unwrap());
    }
    let whole: Vec<Vec<u8>> = models
        .iter()
        .map(|model| noroshi_onnx::encode(model).unwrap())
        .collect();
    for round in 0..36 {
        // A prefix that ends inside the graph is no model.
        let bytes = &whole[round % 2];
        let end = place(&mut numbers, bytes.len() - 64);
        write("truncated", &bytes[..end]);
    }
    assert_eq!(count, 200);
    for round in 0..200 {
        let mut bytes = whole[round % 2].clone();
        for _ in 0..=round % 5 {
            let at = place(&mut numbers, bytes.len());
            match round % 3 {
                0 => bytes[at] = numbers.bits() as u8,
                1 => drop(bytes.drain(at..(at + place(&mut numbers, 64)).min(bytes.len()))),
                _ => {
                    let from = place(&mut numbers, bytes.len());
                    let piece = bytes[from..(from + 40).min(bytes.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        fs::write(damaged.join(format!("{round:03}.onnx")), bytes).unwrap();
    }
}

/// What each door says to a file: whether it was refused.
fn doors(path: &Path) -> [bool; 3] {
    let side = if fs::metadata(path).unwrap().len() > 20_000 {
        32
    } else {
        16
    };
    let inputs = 3 * side * side;
    let seen = inspect::inspect_file(path).is_err()
        || noroshi_onnx::read(path)
            .map_err(Into::into)
            .and_then(|model| inspect::histograms(&model, 8))
            .is_err();
    let numbers = Values::F32(vec![0.5; inputs]);
    let array = Array::new(vec![1, 3, side, side], numbers).unwrap();
    let data = Dataset::new(Samples::Array(array), Targets::None).unwrap();
    let options = evaluate::Options {
        engine: engine_options(),
        ..evaluate::Options::default()
    };
    let groups = Groups::each(1);
    let evaluated = evaluate::evaluate(path, &data, &groups, &options, &mut |_| ()).is_err();
    let tensor = Tensor::f32(vec![1, 3, side, side], vec![0.5; inputs]).unwrap();
    let options = quantize::Options {
        engine: engine_options(),
        ..quantize::Options::default()
    };
    let quantized = match noroshi_onnx::read(path) {
        Err(_) => true,
        Ok(model) => quantize::quantize(&model, &[tensor], &options, &mut |_| ()).is_err(),
    };
    [seen, evaluated, quantized]
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "onnx"))
        .collect();
    files.sort();
    files
}

/// Does nothing unless its parent says where the files are.
#[test]
fn in_a_child_every_door_is_tried() {
    let Some(folder) = std::env::var_os(VARIABLE).map(PathBuf::from) else {
        return;
    };
    let mut faults = Vec::new();
    for path in files(&folder.join("harmed")) {
        let said = doors(&path);
        if said != [true; 3] {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            faults.push(format!(
                "{name}: refused by inspect, evaluate, quantize: {said:?}"
            ));
        }
    }
    for path in files(&folder.join("damaged")) {
        doors(&path);
    }
    let large = inspect::inspect_file(&folder.join("large.onnx")).unwrap();
    assert_eq!((large.weight_bytes, large.macs), (LARGE, LARGE / 4));
    assert!(large.bytes > LARGE);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    let kilobytes: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kilobytes < KILOBYTES, "{peak}");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    println!("all refused; {peak}");
}

#[test]
fn hostile_files_are_refused_by_every_door_within_a_gigabyte() {
    let folder = tempfile::tempdir().unwrap();
    write_all(folder.path());
    write_large(folder.path());
    let limits = format!("ulimit -d {KILOBYTES}; ulimit -t {SECONDS}; exec \"$0\" \"$@\"");
    let child = Command::new("sh")
        .args(["-c", &limits])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "mutants::in_a_child_every_door_is_tried",
            "--nocapture",
        ])
        .env(VARIABLE, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(
        child.status.success(),
        "{:?}\n{text}\n{errors}",
        child.status
    );
    assert!(text.contains("all refused"), "{text}\n{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

/// A model with more weights than the child may have memory.
fn write_large(folder: &Path) {
    let file = fs::File::create(folder.join("weights.bin")).unwrap();
    file.set_len(LARGE).unwrap();
    let (rows, columns) = (1usize << 14, (LARGE >> 16) as usize);
    let mut model = linear(&[&[0.0; 2], &[0.0; 2]]);
    let graph = model.graph_mut().unwrap();
    graph.input[0] = ValueInfoProto::tensor("x", DataType::F32, &[1, columns]);
    graph.output[0] = ValueInfoProto::tensor("y", DataType::F32, &[1, rows]);
    graph.initializer[0] = TensorProto {
        name: "w".into(),
        dims: vec![rows as i64, columns as i64],
        data_type: DataType::F32 as i32,
        data_location: 1,
        external_data: vec![StringStringEntryProto {
            key: "location".into(),
            value: "weights.bin".into(),
        }],
        ..TensorProto::default()
    };
    noroshi_onnx::write(&folder.join("large.onnx"), &model).unwrap();
}
